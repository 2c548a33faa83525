"""RS3DBench's layout: Image/tif-AREA, Image/png-stretched-AREA, DEM-AREA ... with tile_<number> in each; groups are areas."""

import re
from collections.abc import Iterable, Mapping, Sequence

from rsviewer.core.relayout import folded, new_groups, tile_numbers
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.datasets.rs3dbench import LIST_FOLDER, ROLES, UNNAMED_AREA
from rsviewer.data.relayout.target import (
    ANY_RASTER,
    GROUP,
    PNG,
    TEXT,
    TIFF,
    Casting,
    Named,
    NewList,
    Role,
    Target,
    Wanted,
    by_group,
    folder_part,
    is_above_ground,
    lines,
)

PLACES = {
    "image_tif": Role(f"Image/tif-{GROUP}"),
    "image_png": Role(f"Image/png-stretched-{GROUP}", PNG, "png"),
    "dem": Role(f"DEM-{GROUP}"),
    "dem_255": Role(f"DEM-{GROUP}_255"),
    "dem_color": Role(f"DEM-{GROUP}_color", TIFF | PNG, "png"),
    "dem_255_color": Role(f"DEM-{GROUP}_255_color", TIFF | PNG, "png"),
    "mask": Role(f"Mask-{GROUP}", ANY_RASTER),
    "gradient": Role(f"Gradient-{GROUP}", ANY_RASTER),
    "text": Role(f"TextPrompt-{GROUP}", TEXT, "txt"),
    "text_processed": Role(f"TextPrompt-{GROUP}-processed", TEXT, "txt"),
    "text_random": Role(f"TextPrompt-{GROUP}-processed-RandomLetter", TEXT, "txt"),
}
"""Layer of the format -> where it lies."""

_ENDS = "|".join(sorted({re.escape(end) for _, end, _ in ROLES if end}, key=len, reverse=True))
_MISLEADING = re.compile(rf".*({_ENDS}|_[0-9]{{1,2}})|{UNNAMED_AREA}", re.IGNORECASE)
"""Areas whose names would be taken for something else: DEM-A_255 is the 8-bit DEM of A, tif-A_3 a leftover of A."""

_SPACERS = re.compile(r"[-_ ]+")
_ALL = "all"


class RS3DBenchTarget(Target):
    """See the module."""

    name = "rs3dbench"
    title = "RS3DBench"

    def cast(self, wanted: Wanted) -> Casting:
        """See `Target.cast`. The later of two images, and elevations rather than heights above ground."""
        if wanted.dataset.format == self.name:
            return Casting({spec.id: PLACES[spec.id] for spec in wanted.layers})
        roles: dict[LayerId, Role] = {}
        left: dict[str, str] = {}
        notes: list[str] = []
        for spec in sorted(wanted.layers, key=lambda spec: (spec.date == "pre", is_above_ground(spec))):
            meaning = _meaning(spec, wanted)
            if meaning is None:
                left[spec.title] = _why_not(spec)
                continue
            role = PLACES[meaning]
            rival = next((other for other in roles if roles[other] == role and wanted.meet(spec.id, other)), None)
            if rival is not None:
                left[spec.title] = f"{wanted.dataset.layer(rival).title} has its place there already"
                continue
            roles[spec.id] = role
            if meaning == "dem" and is_above_ground(spec):
                notes.append(f"{spec.title}: it lies where heights above the sea are expected.")
        return Casting({spec.id: roles[spec.id] for spec in wanted.layers if spec.id in roles}, left, tuple(notes))

    def named(self, dataset: Dataset, entries: Iterable[TileEntry]) -> dict[TileId, Named]:
        """See `Target.named`. A dataset without groups is one area, called like the dataset."""
        tiles = by_group(entries)
        is_own = dataset.format == self.name

        def area_part(text: str) -> str:
            name = folder_part(text)
            return f"{name}-area" if _MISLEADING.fullmatch(name) and not is_own else name

        areas = new_groups(
            tiles,
            area_part,
            levels=1,
            nameless=dataset.title or _ALL,
            same=lambda name: folded(_SPACERS.sub("_", name)),
        )
        return {
            tile: Named(areas[group], f"tile_{number}")
            for group, members in tiles.items()
            for tile, number in tile_numbers(members).items()
        }

    def lists(
        self,
        lists: Iterable[NewList],
        names: Mapping[TileId, Named],  # noqa: ARG002 -- the paths say all
        files: Mapping[TileId, Mapping[LayerId, str]],
    ) -> dict[str, bytes]:
        """See `Target.lists`: data_split/<name>.txt, the paths of image and height a line, as Marigold-RS reads them."""
        found: dict[str, dict[str, None]] = {}
        for split in lists:
            rows = found.setdefault(f"{LIST_FOLDER}/{split.name}.txt", {})
            for tile in split.tiles:
                if tile in files:
                    rows[_line(list(files[tile].values()))] = None
        return {path: lines(rows) for path, rows in found.items()}


def _meaning(spec: LayerSpec, wanted: Wanted) -> str | None:
    """The layer of this format that a layer of another one is; None for none."""
    if spec.kind is LayerKind.OPTICAL and spec.date != "pre":
        return "image_png" if wanted.is_8bit(spec) else "image_tif"
    if spec.kind is LayerKind.HEIGHT and spec.unit == "m":
        return "dem"
    return {LayerKind.MASK: "mask", LayerKind.TEXT: "text"}.get(spec.kind)


def _why_not(spec: LayerSpec) -> str:
    if spec.kind is LayerKind.HEIGHT:
        return f"it takes heights for metres, and these are {f'in {spec.unit}' if spec.unit else 'without a unit'}"
    if spec.date == "pre":
        return "it has one image a tile, the later one"
    return f"it has nothing of the kind {spec.kind}"


def _line(paths: Sequence[str]) -> str:
    """Image and height, of each the one of 8 bits where there is one; what there is of a tile that lacks one of them."""
    images = sorted((path for path in paths if path.startswith("Image/")), key=lambda path: "/png-" not in path)
    heights = [path for path in paths if path.startswith("DEM-") and "_color/" not in path]
    heights.sort(key=lambda path: "_255/" not in path)
    return " ".join((*images[:1], *heights[:1])) or paths[0]
