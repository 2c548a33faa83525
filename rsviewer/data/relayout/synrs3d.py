"""SynRS3D's layout: <group>/opt, gt_nDSM, gt_ss_mask ..., further layers in folders whose names tell their kind."""

from collections.abc import Iterable, Mapping

from rsviewer.core.relayout import new_groups, new_names
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data import guess
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.datasets.synrs3d import (
    CHANGE_MASK,
    DEM,
    DSM,
    DTM,
    IMAGE,
    KNOWN,
    LAND_COVER,
    LAND_COVER_DFC19,
    LAND_COVER_ISPRS,
    LANDCOVER,
    NDSM,
    OF_THE_FORMAT,
    PRE_IMAGE,
    SCHEMES,
)
from rsviewer.data.filenames import safe_part
from rsviewer.data.relayout.target import (
    GROUP,
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

FOLDERS = {
    IMAGE.id: "opt",
    PRE_IMAGE.id: "pre_opt",
    NDSM.id: "gt_nDSM",
    DSM.id: "DSM",
    DTM.id: "DTM",
    DEM.id: "DEM",
    LAND_COVER.id: "gt_ss_mask",
    LAND_COVER_DFC19.id: "gt_ss_mask",
    LAND_COVER_ISPRS.id: "gt_ss_mask",
    CHANGE_MASK.id: "gt_cd_mask",
}
"""Layer of the format -> its folder."""

PREFIXES = {
    LayerKind.OPTICAL: ("rgb", "image"),
    LayerKind.SAR: ("sar",),
    LayerKind.HEIGHT: ("height",),
    LayerKind.LABELS: ("gt", "labels"),
    LayerKind.MASK: ("binary",),
    LayerKind.TEXT: ("text",),
}
"""Kind -> words that tell it, for layers whose own names do not."""

_OTHER_CODES = frozenset({LAND_COVER_DFC19.id, LAND_COVER_ISPRS.id})


class SynRS3DTarget(Target):
    """See the module."""

    name = "synrs3d"
    title = "SynRS3D"

    def cast(self, wanted: Wanted) -> Casting:
        """See `Target.cast`."""
        is_own = wanted.dataset.format == self.name
        meanings = {spec.id: spec.id for spec in wanted.layers if spec.id in FOLDERS} if is_own else _meanings(wanted)
        roles: dict[LayerId, Role] = {}
        left: dict[str, str] = {}
        notes: list[str] = []
        taken = {FOLDERS[meaning].lower() for meaning in meanings.values()}
        for spec in wanted.layers:
            folder = FOLDERS[meanings[spec.id]] if spec.id in meanings else _further(spec, taken)
            if folder is None:
                left[spec.title] = _why_not(spec)
                continue
            taken.add(folder.lower())
            is_text = spec.kind is LayerKind.TEXT
            roles[spec.id] = Role(f"{GROUP}/{folder}", TEXT if is_text else TIFF, "txt" if is_text else "tif")
            if spec.kind is LayerKind.LABELS and spec.id not in meanings and spec.classes:
                notes.append(
                    f"{spec.title}: its classes are not those of SynRS3D. They were not translated and lie in {folder}, not in "
                    "gt_ss_mask, without their names."
                )
        return Casting(roles, left, tuple(notes))

    def named(self, dataset: Dataset, entries: Iterable[TileEntry]) -> dict[TileId, Named]:
        """See `Target.named`. Names of subsets that mean something to the format stay with those that have them."""
        tiles = by_group(entries)
        is_own = dataset.format == self.name
        has_other_codes = is_own and any(spec.id in _OTHER_CODES for spec in dataset.layers)
        groups = new_groups(
            tiles,
            folder_part,
            levels=1,
            nameless=dataset.root.name if has_other_codes else "",
            taken=() if is_own else (*OF_THE_FORMAT, *(subset for subset, _ in SCHEMES)),
        )
        return {
            tile: Named(groups[group], name)
            for group, members in tiles.items()
            for tile, name in new_names(members, safe_part).items()
        }

    def lists(
        self, lists: Iterable[NewList], names: Mapping[TileId, Named], files: Mapping[TileId, Mapping[LayerId, str]]
    ) -> dict[str, bytes]:
        """See `Target.lists`: <group>/<name>.txt, a stem a line, as SynRS3D's loaders want them."""
        found: dict[str, dict[str, None]] = {}
        for split in lists:
            for tile in split.tiles:
                if tile in files:
                    place = names[tile]
                    path = f"{place.group}/{split.name}.txt" if place.group else f"{split.name}.txt"
                    found.setdefault(path, {})[place.name] = None
        return {path: lines(stems) for path, stems in found.items()}


def _meanings(wanted: Wanted) -> dict[LayerId, LayerId]:
    """Layer of another format -> the layer of this one that it is; each group of tiles has one of each."""
    found: dict[LayerId, LayerId] = {}
    for spec in wanted.layers:
        meaning = _meaning(spec)
        if meaning is not None and not any(
            meaning == other and wanted.meet(spec.id, layer) for layer, other in found.items()
        ):
            found[spec.id] = meaning
    return found


def _meaning(spec: LayerSpec) -> LayerId | None:
    if spec.kind is LayerKind.OPTICAL:
        return PRE_IMAGE.id if spec.date == "pre" else IMAGE.id
    if spec.kind is LayerKind.HEIGHT and spec.unit == "m":
        if is_above_ground(spec):
            return NDSM.id
        return spec.id if spec.id in (DSM.id, DTM.id, DEM.id) else None
    if spec.kind is LayerKind.LABELS and _names(spec.classes) == _names(LANDCOVER):
        return LAND_COVER.id
    is_change = spec.classes == guess.CHANGE or spec.id == CHANGE_MASK.id
    return CHANGE_MASK.id if spec.kind is LayerKind.MASK and is_change else None


def _names(classes: Iterable[LabelClass]) -> set[tuple[int, str]]:
    return {(known.value, known.name) for known in classes if not known.void}


def _further(spec: LayerSpec, taken: set[str]) -> str | None:
    """A folder whose name tells the kind and unit of a layer; None where no name does."""
    prefixes = PREFIXES.get(spec.kind, ())
    for name in (str(spec.id), *(f"{prefix}_{spec.id}" for prefix in prefixes), *prefixes):
        kind = guess.kind_of(name) or LayerKind.OPTICAL
        if kind is spec.kind and guess.unit_of(name, kind) == spec.unit and not {name.lower()} & {*taken, *KNOWN}:
            return name
    return None


def _why_not(spec: LayerSpec) -> str:
    if spec.kind is LayerKind.HEIGHT:
        return f"it takes heights for metres, and these are {f'in {spec.unit}' if spec.unit else 'without a unit'}"
    return f"no folder of it is of the kind {spec.kind}"
