"""How large rasters of any resolution and CRS are going to be cut: on which grid, where, and how they are brought to it."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.tile import LayerKind, printable
from rsviewer.core.tiling import Box, Edge, Grid, Windows, area_name, rounded, snapped
from rsviewer.data.catalogue import RASTER_SUFFIXES, in_natural_order, place_name, suffix_of
from rsviewer.data.cutting import Layer
from rsviewer.data.georeference import cell_of
from rsviewer.data.placing import Placed, extent, place, sane_crs, utm_zone, vertical_of
from rsviewer.data.sourcefile import SourceFile, look_at


@dataclass(frozen=True, slots=True)
class Role:
    """What a file may be to a tile."""

    kind: LayerKind
    title: str


ROLES: Final[Mapping[str, Role]] = {
    "image": Role(LayerKind.OPTICAL, "image"),
    "pre-image": Role(LayerKind.OPTICAL, "pre image"),
    "dem": Role(LayerKind.HEIGHT, "DEM"),
    "dsm": Role(LayerKind.HEIGHT, "DSM"),
    "dtm": Role(LayerKind.HEIGHT, "DTM"),
    "ndsm": Role(LayerKind.HEIGHT, "nDSM"),
    "labels": Role(LayerKind.LABELS, "labels"),
    "mask": Role(LayerKind.MASK, "mask"),
}

LAYOUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "rs3dbench": {"image": "Image/tif-{area}", "dem": "DEM-{area}", "mask": "Mask-{area}"},
    "synrs3d": {
        "image": "opt",
        "pre-image": "pre_opt",
        "dem": "DEM",
        "dsm": "DSM",
        "dtm": "DTM",
        "ndsm": "gt_nDSM",
        "labels": "gt_ss_mask",
        "mask": "gt_cd_mask",
    },
}
"""Layout -> role -> folder."""

_TITLES: Final = {"rs3dbench": "RS3DBench", "synrs3d": "SynRS3D"}
_SPEAKING: Final = {"rs3dbench": ("image", "dem"), "synrs3d": ("image", "pre-image", "ndsm", "labels", "mask")}
"""Roles of which one must be there, or nobody would recognise the layout."""

RESAMPLING: Final[Mapping[LayerKind, tuple[str, ...]]] = {
    LayerKind.OPTICAL: ("nearest", "bilinear", "cubic", "average"),
    LayerKind.HEIGHT: ("nearest", "bilinear", "cubic", "average"),
    LayerKind.LABELS: ("nearest", "mode"),
    LayerKind.MASK: ("nearest",),
}
"""What can be chosen for each kind."""

MOST_PIXELS: Final = 8192
"""A side of a tile: then a process needs a gigabyte by itself."""
MOST_TILES: Final = 20_000_000
"""More are a slip of the pen."""
_REDUCED: Final = 1.1
"""From so many pixels of a file to one of a tile, each way, it is averaged."""
_STRONGLY: Final = 2.0
"""From so many, classes are taken by their majority."""
_COARSE: Final = 0.25
"""Where a file has fewer pixels for one of a tile, each way, that is said."""
_FINE: Final = 16.0
"""Where it has more, without overviews, too."""
_SQUARE: Final = 0.02
"""Pixels whose sides differ by less are called square."""
_METRES: Final = ("m", "metre", "metres", "meter", "meters")
_MISREAD: Final = re.compile(r".*_(255|color)|unique", re.IGNORECASE)
"""Areas that RS3DBench's names of folders would make something else of."""
_NAMED: Final = 40
"""Letters of the name of a CRS that are said."""
_NOWHERE: Final = Box(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class TilesOrder:
    """What `convert_tiles` is to cut, and how.

    Attributes:
        out: the folder for the tiles.
        to: one of `LAYOUTS`.
        sources: role -> its files, or folders of files, that lie side by side; where several have a pixel, the first counts.
        area: what the folders are called by; "" takes the name of the file whose grid it is, and for synrs3d no folder.
        size: of a tile, in pixels a side.
        stride: pixels from one tile to the next; None for `size`.
        gsd: metres per pixel; None keeps the grid's.
        grid: the role whose pixels are those of the tiles; "" for the image, else the finest.
        crs: of the tiles; "" keeps the grid's.
        min_valid: the part of every layer of a tile that must be data, 0..1.
        edge: see `Edge`.
        resampling: kind -> one of `RESAMPLING`, for those that are not to be resampled as usual.
        bands: of the images that are taken, counted from 1; empty for all.
        overwrite: files that are there are written anew.
    """

    out: Path
    to: str
    sources: Mapping[str, Sequence[Path]]
    area: str = ""
    size: int = 512
    stride: int | None = None
    gsd: float | None = None
    grid: str = ""
    crs: str = ""
    min_valid: float = 0.9
    edge: Edge = Edge.DROP
    resampling: Mapping[LayerKind, str] = field(default_factory=dict)
    bands: tuple[int, ...] = ()
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A layer of the tiles.

    Attributes:
        role: one of `ROLES`.
        layer: what is cut.
        folder: where it goes, below `out`.
        covered: the part of the grid's own raster that it covers, 0..1.
    """

    role: str
    layer: Layer
    folder: str
    covered: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How tiles are going to be cut.

    Attributes:
        grid: what the tiles are cut from: the part of the chosen grid where all layers lie.
        windows: one a tile.
        layers: in the order in which they are written.
        gsd: metres per pixel; None where it cannot be known.
        prefix: of the tiles' names.
        area: folder for them all in SynRS3D's layout, and a part of the folders' names in RS3DBench's; "" for none.
        basis: the role whose grid it is.
        is_own: the grid is that file's own, so that nothing of it is resampled.
        remarks: what a careful person would want to know.
    """

    grid: Grid
    windows: Windows
    layers: tuple[Planned, ...]
    gsd: float | None
    prefix: str
    area: str
    basis: str
    is_own: bool
    remarks: tuple[str, ...] = ()

    @property
    def tiles(self) -> int:
        """How many windows there are; those with too little data will be left out."""
        return len(self.windows)


def plan_tiles(order: TilesOrder) -> Plan:
    """Looks at the files, without reading them, and decides on grid, windows and resampling.

    Raises:
        LayerError: it cannot be done like that; the message says why, and what would help.
        SaveError: the tiles would get among the files that they are cut from.
    """
    check_order(order)
    files = {role: _files_of(order, role) for role in ROLES if order.sources.get(role)}
    _check_out(order.out, files)
    _check_alike(files)
    is_placed = _check_places(files)
    basis = order.grid or _finest(files)
    if basis not in files:
        raise LayerError(f"--grid {basis} needs a file for it: there is {_choice(files)}.")
    grid, is_own = _grid(order, files[basis], is_placed=is_placed)
    boxes = {role: [extent(grid, file) or _NOWHERE for file in sources] for role, sources in files.items()}
    common = _common(grid, boxes)
    part = grid.part(common)
    windows = Windows(part.width, part.height, order.size, order.stride or order.size, order.edge)
    if not len(windows):
        raise LayerError(
            f"All layers together cover {part.width} x {part.height} pixels: less than a tile of {order.size}. Choose a "
            "smaller --size, or --edge pad."
        )
    if len(windows) > MOST_TILES:
        raise LayerError(f"That would be {len(windows):,} tiles. Choose a larger --gsd, --size or --stride.")
    own_name = _own_name(order, files[basis])
    area = order.area or (own_name if order.to == "rs3dbench" else "")
    basis_box = _around(boxes[basis])
    planned = []
    for role, sources in files.items():
        here = [box.within(common).moved(-common.left, -common.top) for box in boxes[role]]
        layer = _layer(order, role, part, list(zip(sources, here, strict=True)))
        covered = _around(boxes[role]).within(basis_box).size / max(1.0, basis_box.size)
        planned.append(Planned(role, layer, _folder(order, role, area), covered))
    cell = None if part.transform is None else cell_of(part.transform, part.width, part.height, part.crs)
    return Plan(
        grid=part,
        windows=windows,
        layers=tuple(sorted(planned, key=lambda each: ROLES[each.role].kind is LayerKind.OPTICAL)),
        gsd=None if cell is None else math.sqrt(cell[0] * cell[1]),
        prefix=area or own_name,
        area=area,
        basis=basis,
        is_own=is_own,
        remarks=tuple(_remarks(part, cell, basis, planned)),
    )


def _common(grid: Grid, boxes: Mapping[str, Sequence[Box]]) -> Box:
    """The pixels of a grid where files of all roles lie. Raises LayerError where there are none."""
    common = Box(0, 0, grid.width, grid.height)
    for role, parts in boxes.items():
        common = common.within(_around(parts))
        if common.is_empty:
            raise LayerError(f"{ROLES[role].title} and the others have no place in common: there is nothing to cut.")
    return common.whole()


def _own_name(order: TilesOrder, sources: Sequence[SourceFile]) -> str:
    """What tiles are called that nobody gave a name: as their file, or the folder of their files."""
    path = sources[0].path
    name = area_name(path.stem if len(sources) == 1 else path.parent.name)
    return f"{name}-area" if order.to == "rs3dbench" and _MISREAD.fullmatch(name) else name


def _folder(order: TilesOrder, role: str, area: str) -> str:
    """Where the files of a role go."""
    folder = LAYOUTS[order.to][role].format(area=area)
    return f"{area}/{folder}" if order.to == "synrs3d" and area else folder


def _layer(order: TilesOrder, role: str, grid: Grid, files: Sequence[tuple[SourceFile, Box]]) -> Layer:
    """The files of a role on the grid, each with the part of it that it covers."""
    placed = tuple(place(grid, file, box) for file, box in files if box.size > 0)
    if not placed:
        raise LayerError(f"No file for --{role} lies where the others do: there is nothing to cut.")
    kind, title = ROLES[role].kind, ROLES[role].title
    return Layer(kind, title, placed, _resampling(order, kind, placed))


def check_order(order: TilesOrder) -> None:
    """Raises LayerError where an order makes no sense, whatever the files hold."""
    if order.to not in LAYOUTS:
        raise LayerError(f"{order.to} is none of {_choice(LAYOUTS)}.")
    given = [role for role, paths in order.sources.items() if paths]
    layout, title = LAYOUTS[order.to], _TITLES[order.to]
    strange = [role for role in given if role not in layout]
    if strange:
        other = next(name for name in LAYOUTS if name != order.to)
        as_dem = " A surface or terrain model can go in as --dem." if {"dsm", "dtm"} & {*strange} else ""
        options = _choice(f"--{role}" for role in strange)
        raise LayerError(f"{title} has no folder for {options}: leave it out, or choose --to {other}.{as_dem}")
    speaking = _SPEAKING[order.to]
    if not any(role in speaking for role in given):
        raise LayerError(f"{title} needs at least one of {_choice(f'--{role}' for role in speaking)}.")
    if not 1 <= order.size <= MOST_PIXELS:
        raise LayerError(f"A tile has 1 to {MOST_PIXELS} pixels a side, not {order.size}.")
    if order.stride is not None and order.stride < 1:
        raise LayerError(f"The next tile begins at least one pixel further on, not {order.stride}.")
    if not 0 <= order.min_valid <= 1:
        raise LayerError(f"The valid part of a tile is a number from 0 to 1, not {order.min_valid:g}.")
    if order.gsd is not None and not (math.isfinite(order.gsd) and order.gsd > 0):
        raise LayerError(f"Pixels measure some metres, not {order.gsd:g}.")
    if any(band < 1 for band in order.bands):
        raise LayerError("Bands are counted from 1.")
    if order.area and (
        area_name(order.area) != order.area or (order.to == "rs3dbench" and _MISREAD.fullmatch(order.area))
    ):
        raise LayerError(f"{printable(order.area)!r} cannot be a part of a folder's name there: choose another --area.")
    for kind, name in order.resampling.items():
        if name not in RESAMPLING[kind]:
            raise LayerError(f"{kind.capitalize()} can be resampled by {_choice(RESAMPLING[kind])}, not by {name}.")


def _files_of(order: TilesOrder, role: str) -> tuple[SourceFile, ...]:
    """What the files of a role say about themselves. Raises LayerError where one cannot be used."""
    kind = ROLES[role].kind
    paths: list[Path] = []
    for path in order.sources[role]:
        if path.is_dir():
            names = [each.name for each in path.iterdir() if suffix_of(each.name) in RASTER_SUFFIXES and each.is_file()]
            if not names:
                raise LayerError(f"{place_name(path)} holds no raster file for --{role}.")
            paths += [path / name for name in in_natural_order(names)]
        else:
            paths.append(path)
    bands = order.bands if kind is LayerKind.OPTICAL else ()
    return tuple(look_at(path.absolute(), kind, bands) for path in dict.fromkeys(paths))


def _check_out(out: Path, files: Mapping[str, Sequence[SourceFile]]) -> None:
    """Raises SaveError where tiles would get among the files that they are cut from."""
    folder = out.resolve()
    for file in (file for sources in files.values() for file in sources):
        if file.path.resolve().is_relative_to(folder):
            raise SaveError(
                f"{printable(str(out))} holds {place_name(file.path.name)}, from which tiles are to be cut. Choose a new "
                "folder for them."
            )


def _check_alike(files: Mapping[str, Sequence[SourceFile]]) -> None:
    """Raises LayerError where files that are to be one layer are of different kinds."""
    for role, sources in files.items():
        first = sources[0]
        for file in sources[1:]:
            is_other = file.dtype != first.dtype and ROLES[role].kind is not LayerKind.HEIGHT
            if is_other or len(file.bands) != len(first.bands):
                said = (f"{each.path.name} has {len(each.bands)} x {each.dtype}" for each in (first, file))
                raise LayerError(f"The files for --{role} are not alike: {' and '.join(said)}. Give them one by one.")


def _check_places(files: Mapping[str, Sequence[SourceFile]]) -> bool:
    """Whether the files say where they lie. Raises LayerError where some do, or where they do not fit together."""
    all_files = [file for sources in files.values() for file in sources]
    lost = [file for file in all_files if file.grid.transform is None]
    if not lost:
        _check_crs(all_files)
        return True
    if len(lost) < len(all_files):
        why = f" ({lost[0].notes[0]})" if lost[0].notes else ""
        raise LayerError(
            f"{place_name(lost[0].path)} does not say where it lies{why}, and others do. Give it a georeference first, for "
            "example with gdal_translate -a_ullr -a_srs, or gdalwarp."
        )
    several = next((role for role, sources in files.items() if len(sources) > 1), None)
    if several is not None:
        raise LayerError(
            f"The files for --{several} do not say where they lie, so nobody knows how to put them together."
        )
    first = all_files[0]
    other = next((file for file in all_files if (file.width, file.height) != (first.width, first.height)), None)
    if other is not None:
        raise LayerError(
            f"The files do not say where they lie, and differ in size: {first.path.name} has {first.width} x {first.height} "
            f"pixels, {other.path.name} {other.width} x {other.height}."
        )
    return False


def _check_crs(files: Sequence[SourceFile]) -> None:
    unknown = [file for file in files if not file.grid.crs]
    if unknown and len(unknown) < len(files):
        raise LayerError(
            f"Nobody knows the CRS of {place_name(unknown[0].path)}, and others have one. Write it into the file first, for "
            "example with gdal_edit.py -a_srs EPSG:32633."
        )
    for crs in {file.grid.crs for file in files if file.grid.crs}:
        sane_crs(crs)


def _finest(files: Mapping[str, Sequence[SourceFile]]) -> str:
    """The role whose pixels are those of the tiles: the image's, else the finest."""
    for role in ("image", "pre-image"):
        if role in files:
            return role
    return min(files, key=lambda role: files[role][0].gsd or math.inf)


def _grid(order: TilesOrder, sources: Sequence[SourceFile], *, is_placed: bool) -> tuple[Grid, bool]:
    """The grid over all that the files of a role cover, and whether it is their own."""
    first = sources[0]
    own = first.grid
    if not is_placed:
        if order.gsd is not None or order.crs:
            raise LayerError(
                "The files do not say where they lie: their pixels stay as they are, without --gsd and --crs."
            )
        return own, True
    if not own.crs and (order.gsd is not None or order.crs):
        raise LayerError("Nobody knows the CRS of the files: their pixels stay as they are, without --gsd and --crs.")
    crs = _named_crs(order.crs) if order.crs else own.crs
    is_same_crs = crs == own.crs or (bool(crs) and sane_crs(crs) == sane_crs(own.crs))
    is_same_gsd = order.gsd is None or (first.gsd is not None and abs(order.gsd / first.gsd - 1) < 1e-6)
    if is_same_crs and is_same_gsd:
        parts = [part for file in sources if (part := extent(own, file)) is not None]
        return replace(own, crs=crs).part(_around(parts)), True
    if sane_crs(crs).is_geographic:
        raise LayerError(
            f"Tiles of square pixels need a CRS in metres, and {_short(crs)} is in degrees: add --crs {_zone(first)}."
        )
    unit = Grid(1, 1, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), crs)
    parts = [part for file in sources if (part := extent(unit, file)) is not None]
    if not parts:
        raise LayerError(f"{place_name(first.path)} cannot be brought to {_short(crs)}: it lies outside of it.")
    box = _around(parts)
    left, right, top, bottom = box.left, box.right, -box.top, -box.bottom
    cell = cell_of((1.0, 0.0, (left + right) / 2, 0.0, -1.0, (top + bottom) / 2), 0, 0, crs)
    gsd = order.gsd or (None if first.gsd is None else rounded(first.gsd))
    if cell is None or gsd is None:
        raise LayerError(f"Nobody knows how many metres a pixel measures in {_short(crs)}: choose another --crs.")
    pixel = gsd / math.sqrt(cell[0] * cell[1])
    return replace(snapped((left, bottom, right, top), pixel), crs=crs), False


def _around(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all that are not empty."""
    found = _NOWHERE
    for box in boxes:
        if box.size > 0:
            found = box if found.size == 0 else found.around(box)
    return found


def _named_crs(text: str) -> str:
    """As a file would name it. Raises LayerError where it makes no sense."""
    crs = sane_crs(f"EPSG:{text}" if text.isdecimal() else text)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.wkt)


def _short(crs: str) -> str:
    found = re.match(r'\s*\w+\s*\[\s*"([^"]+)"', crs)
    return printable(found[1] if found else crs)[:_NAMED]


def _zone(file: SourceFile) -> str:
    return utm_zone(file.grid) or "EPSG:n"


def _resampling(order: TilesOrder, kind: LayerKind, files: Sequence[Placed]) -> str:
    """How a layer is brought to the grid, where it is not on it."""
    if kind in order.resampling:
        return order.resampling[kind]
    factor = max((file.factor for file in files if file.shift is None), default=1.0)
    if kind is LayerKind.OPTICAL:
        return "average" if factor > _REDUCED else "cubic"
    if kind is LayerKind.HEIGHT:
        return "average" if factor > _REDUCED else "bilinear"
    return "mode" if kind is LayerKind.LABELS and factor >= _STRONGLY else "nearest"


def _remarks(grid: Grid, cell: tuple[float, float] | None, basis: str, layers: Sequence[Planned]) -> Iterable[str]:
    """What a careful person would want to know of a plan."""
    for each in layers:
        if each.covered < 0.999 and each.role != basis:
            share = f"{100 * each.covered:.3g} %"
            yield f"{each.layer.title} covers {share} of the {ROLES[basis].title}: tiles are cut where all layers lie."
    if cell is not None and abs(cell[0] / cell[1] - 1) > _SQUARE:
        zone = utm_zone(grid)
        advice = f": --crs {zone} makes them square" if zone else ""
        yield f"Pixels are {cell[0]:.4g} m wide and {cell[1]:.4g} m high{advice}."
    if grid.transform is None:
        yield "No file says where it lies: the tiles do not either."
    elif not grid.crs:
        yield "No file says in which CRS its coordinates are: the tiles do not either."
    for each in layers:
        first = each.layer.files[0]
        factor = max(file.factor for file in each.layer.files)
        if factor < _COARSE:
            yield f"{each.layer.title} is {1 / factor:.3g} times coarser than the tiles: enlarging it adds no detail."
        elif factor > _FINE and not first.file.overviews:
            yield f"{each.layer.title} is {factor:.3g} times finer than the tiles: reading all of it takes long."
        for note in dict.fromkeys(note for file in each.layer.files for note in file.file.notes):
            yield f"{each.layer.title}: {note}."
    if any(each.role == "labels" for each in layers):
        yield "The numbers of the labels stay as they are, and will be read as SynRS3D's classes."
    yield from _remarks_on_heights(grid, layers)


def _remarks_on_heights(grid: Grid, layers: Sequence[Planned]) -> Iterable[str]:
    """Units and vertical systems: nothing of them is converted."""
    here = vertical_of(grid.crs)
    for each in layers:
        files = [placed.file for placed in each.layer.files]
        for unit in dict.fromkeys(file.unit for file in files if file.unit and file.unit.lower() not in _METRES):
            yield f"The heights of {each.layer.title} are in {printable(unit)}, as the file says, and stay so."
        for vertical in dict.fromkeys(file.vertical for file in files):
            if vertical != here and each.layer.is_height:
                other = f"and the tiles' CRS says {printable(here)}" if here else "which the tiles' CRS does not say"
                if vertical:
                    yield f"The heights of {each.layer.title} are {printable(vertical)}, {other}. They are not converted."
    above_sea = [each.layer for each in layers if each.layer.is_height and each.role != "ndsm"]
    names = {placed.file.vertical for layer in above_sea for placed in layer.files}
    if len(names) > 1:
        said = " and ".join(sorted(printable(name) or "one that is not named" for name in names))
        yield f"Heights are in several vertical systems ({said}), and stay so: compare them with care."


def _choice(names: Iterable[str]) -> str:
    return ", ".join(names)
