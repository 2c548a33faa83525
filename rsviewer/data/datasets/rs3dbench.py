"""RS3DBench: pairs of image and elevation, and what its scripts make of them.

Source: https://github.com/RS3DBench/RS3DBench, https://rs3dbench.github.io. Citation: "RS3DBench: A Comprehensive
Benchmark for 3D Spatial Perception in Remote Sensing", arXiv 2509.18897. Images Sentinel-2, swisstopo and others,
elevation AW3D30, swissALTI3D and Geoscience Australia, under their owners' licences.

Layout: folders named by what they hold and by area (Japan+Korea, Switzerland0.5, Southeast_Asia ...), `tile_<number>`
in each; numbers have gaps, since bad tiles are deleted, and suffixes may differ from tile to tile. Groups are areas.

    Image/tif-AREA            reflectance, 3 float bands (B4, B3, B2)      DEM-AREA         elevation, metres
    Image/png-stretched-AREA  the same stretched to 8 bits                 DEM-AREA_255     elevation 0..255, per tile!
    Mask-AREA, Gradient-AREA                                               DEM-AREA_color   coloured elevation
    TextPrompt-AREA[-processed[-RandomLetter]]   one .txt a tile

The README writes png-stretched-AREA without Image/ and DEM_255-AREA; both are taken. Released sets lie in
ImageToDEM-AREA/singleRGBNormalization (train) and .../singleRGBNormalizationTest (test), in each png-stretched-unique,
DEM_255-unique and DEM-unique; the test tiles become the group AREA-test, since numbers repeat. Lists, where there are
any, hold a tile, a path, or "rgb depth" paths per line.

Raw material is left out: DataDEM-AREA, preSplitDEM-AREA, preSplitImages-AREA_<thread>.

Validity: int16, uint16 or float32 elevations, -9999 and -32768 declared or not; the lowest true one is -149 m.

Known flaws: where no image could be had, the DEM was written in its place, as a single band in tif-AREA. Interrupted
runs leave tif-AREA_<thread>: these belong to AREA, and where both have a tile the merged folder wins and the other is
reported as a duplicate. Southeast_Asia and Southeast-Asia are one area.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset
from rsviewer.data.catalogue import (
    RASTER_SUFFIXES,
    TEXT_SUFFIXES,
    Catalogue,
    Group,
    Line,
    Source,
    fold,
    natural,
    place_name,
    plain_line,
    tile_name,
)
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.looking import Look, look, peek, problem_with
from rsviewer.data.tree import Tree

LAYERS = (
    LayerSpec(LayerId("image_tif"), LayerKind.OPTICAL, "RGB float", bands=("B4", "B3", "B2")),
    LayerSpec(LayerId("image_png"), LayerKind.OPTICAL, "RGB 8-bit"),
    LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m", low=-1000.0, high=9000.0),
    LayerSpec(LayerId("dem_255"), LayerKind.HEIGHT, "DEM 0..255"),
    LayerSpec(LayerId("dem_color"), LayerKind.OPTICAL, "DEM coloured"),
    LayerSpec(LayerId("dem_255_color"), LayerKind.OPTICAL, "DEM 0..255 coloured"),
    LayerSpec(
        LayerId("mask"),
        LayerKind.MASK,
        "mask",
        classes=(LabelClass(0, "Outside", (0, 0, 0)), LabelClass(255, "Inside", (255, 255, 255))),
    ),
    LayerSpec(LayerId("gradient"), LayerKind.OPTICAL, "gradient"),
    LayerSpec(LayerId("text"), LayerKind.TEXT, "text prompt"),
    LayerSpec(LayerId("text_processed"), LayerKind.TEXT, "text prompt, processed"),
    LayerSpec(LayerId("text_random"), LayerKind.TEXT, "text prompt, random letters"),
)

ROLES: tuple[tuple[str, str, str], ...] = (
    ("tif-", "", "image_tif"),
    ("png-stretched-", "", "image_png"),
    ("dem_255-", "", "dem_255"),
    ("dem_255-", "_color", "dem_255_color"),
    ("dem-", "", "dem"),
    ("dem-", "_255", "dem_255"),
    ("dem-", "_color", "dem_color"),
    ("dem-", "_255_color", "dem_255_color"),
    ("mask-", "", "mask"),
    ("gradient-", "", "gradient"),
    ("textprompt-", "", "text"),
    ("textprompt-", "-processed", "text_processed"),
    ("textprompt-", "-processed-randomletter", "text_random"),
)
"""(what a folder's name begins with, what it ends with, layer), without case. What is between is the area."""

RELEASED = re.compile(r"ImageToDEM-(?P<area>.+)", re.IGNORECASE)
PARTS = {"singlergbnormalization": ("", "train"), "singlergbnormalizationtest": ("-test", "test")}
"""Folder of a release -> (what is added to the area's name, split)."""

IMAGE_FOLDER = "image"
UNNAMED_AREA = "unique"
LIST_FOLDER = "data_split"
THREADED = "tif-"

_TILE = re.compile(r"tile_([0-9]+)(?:_color)?", re.IGNORECASE)
_TILE_IN_LINE = re.compile(r"(?P<folders>.*?)(?<![^\s/\\,;])tile_(?P<number>[0-9]+)(?![0-9])", re.IGNORECASE)
_THREAD = re.compile(r"(?P<area>.+)_[0-9]{1,2}")
_SPACERS = re.compile(r"[-_ ]+")


class RS3DBenchAdapter(CataloguedAdapter):
    """RS3DBench's layouts."""

    name = "rs3dbench"
    title = "RS3DBench"
    expects = "folders Image/tif-AREA, Image/png-stretched-AREA or DEM-AREA with tile_0, tile_1 ..., or ImageToDEM-AREA"

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: a folder of the format with a tile_<number>, here or in Image/."""
        if root.name.lower() == IMAGE_FOLDER and any(
            _readings(name) for name in look(self._tree, str(root.parent)).folders
        ):
            return ""  # a part: the heights lie beside it
        areas = _areas(_bundles(self._tree, look(self._tree, str(root)), []))
        folders = (folder for area in areas for folder in area.folders)
        found = next((folder for folder in folders if _holds_tiles(self._tree, folder.path)), None)
        return "" if found is None else f"tile_<number> in {tile_name(Path(found.path).name)}"

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        problems: list[str] = []
        top = look(self._tree, str(root))
        bundles = _bundles(self._tree, top, problems)
        areas = _areas(bundles)
        if not areas:
            raise DatasetNotFoundError(f"No RS3DBench tiles under {place_name(root)}: expected {self.expects}.")
        folders = [folder for area in areas for folder in area.folders]
        problems += [problem for folder in folders if (problem := problem_with(self._tree, folder.path))]
        groups = [_group(area, root) for area in areas]
        tiles = Catalogue(self._tree, groups, read_line=_read_line, lines_name_groups=True)
        lists = self._lists(root, _homes_of_lists(self._tree, top, bundles, areas), tiles, problems)
        lists = {path: replace(split, name=_split_name(split.name, areas)) for path, split in lists.items()}
        catalogue = Catalogue(self._tree, groups, lists.values(), read_line=_read_line, lines_name_groups=bool(lists))
        self._planned(root, catalogue)
        present = {folder.layer for folder in folders}
        return Dataset(
            format=self.name,
            title=tile_name(root.name or str(root)),
            root=root,
            layers=tuple(spec for spec in LAYERS if spec.id in present),
            lists=tuple(lists.values()),
            folders=(
                *dict.fromkeys(Path(place.path) for bundle in bundles for place in bundle.places),
                *(Path(folder.path) for folder in folders),
                *lists,
            ),
            problems=tuple(problems),
            tree=self._tree,
        )


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Folders of layers that lie together.

    Attributes:
        folders: paths of the sub-folders.
        places: the folders they lie in.
        area: the area they belong to, where their own names do not tell it ("unique").
        ending: what sets this part of the area apart, "-test".
        split: that all its tiles belong to.
        alias: as lines of lists write it, "ImageToDEM-JK/singleRGBNormalization".
    """

    folders: tuple[str, ...]
    places: tuple[Look, ...]
    area: str
    ending: str = ""
    split: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that holds a layer of an area. A leftover of a download thread ranks behind the merged folder."""

    area: str
    layer: LayerId
    path: str
    leftover: bool = False


@dataclass(frozen=True, slots=True)
class _Area:
    """An area or a part of it: `name` is the group's."""

    name: str
    folders: tuple[_Folder, ...]
    bundle: _Bundle


def _bundles(tree: Tree, top: Look, problems: list[str]) -> list[_Bundle]:
    """Where layers may lie: the root with its Image/, and the parts of releases at or below the root."""
    name = Path(top.path).name
    images = [look(tree, top.at(folder)) for folder in top.folders if folder.lower() == IMAGE_FOLDER]
    if name.lower() in PARTS:
        here = _part(top, Path(top.path).parent.name)
    else:
        folders = (*(path for image in images for path in _subfolders(image)), *_subfolders(top))
        here = _Bundle(folders, (top, *images), _area_of(name))
    found = [here]
    releases = [look(tree, top.at(folder)) for folder in top.folders if RELEASED.fullmatch(folder)]
    for release in (top, *releases):
        parts = [look(tree, release.at(folder)) for folder in release.folders if folder.lower() in PARTS]
        found += [_part(part, Path(release.path).name) for part in parts]
        problems += [part.problem for part in parts if part.problem]
    problems += [place.problem for place in (top, *images, *releases) if place.problem]
    found += [_Bundle(_subfolders(release), (release,), _area_of(Path(release.path).name)) for release in releases]
    return found


def _part(part: Look, release: str) -> _Bundle:
    folder = Path(part.path).name
    ending, split = PARTS[folder.lower()]
    return _Bundle(_subfolders(part), (part,), _area_of(release), ending, split, f"{release}/{folder}")


def _area_of(release: str) -> str:
    match = RELEASED.fullmatch(release)
    return match["area"] if match else release


def colored_name(group: str, tile: str, layer: LayerId) -> str | None:
    """Folder and stem of the coloured picture of a tile, as the benchmark's script names it and the adapter finds it.

    Args:
        group: of the tile, its area.
        tile: its id.
        layer: that is coloured; None comes back for one of which the benchmark has no coloured pictures.
    """
    ending = {"dem": "", "dem_255": "_255"}.get(layer)
    stem = tile.rpartition("/")[2]
    return None if ending is None else f"DEM-{group or UNNAMED_AREA}{ending}_color/{stem}_color"


def _subfolders(place: Look) -> tuple[str, ...]:
    """Paths of sub-folders; a broken link to one is a folder, too: its layer is there, and missing in every tile."""
    broken = [name for name in place.files if _readings(name) and os.path.islink(place.at(name))]  # noqa: PTH114
    return tuple(place.at(name) for name in (*place.folders, *broken))


def _readings(name: str) -> list[tuple[str, LayerId]]:
    """All (area, layer) that the name of a folder may mean, the shortest area first."""
    found = []
    for begin, end, layer in ROLES:
        area = name[len(begin) : len(name) - len(end)]
        if area and name[: len(begin)].lower() == begin and name[len(begin) + len(area) :].lower() == end:
            found.append((area, LayerId(layer)))
    return sorted(found, key=lambda reading: len(reading[0]))


def _assign(paths: Iterable[str]) -> list[_Folder]:
    """Area and layer of the folders of a bundle.

    DEM-A_255 is the 8-bit DEM of A, unless folders that can be read in one way only know an area A_255. In the same
    way tif-A_3 is a leftover of A where A is known and A_3 is not.
    """
    readings = {path: found for path in paths if (found := _readings(Path(path).name))}
    sure = {_key(found[0][0]) for path, found in readings.items() if len(found) == 1 and not _thread_of(path)}
    sure |= {
        _key(found[0][0]) for path, found in readings.items() if (base := _thread_of(path)) and _key(base) not in sure
    }
    folders = []
    for path, found in readings.items():
        area, layer = next((reading for reading in reversed(found) if _key(reading[0]) in sure), found[0])
        thread = _thread_of(path)
        leftover = bool(thread) and _key(area) not in sure
        folders.append(_Folder(thread if leftover else area, layer, path, leftover))
    return folders


def _thread_of(path: str) -> str:
    """AREA of .../tif-AREA_<thread>; empty for other folders."""
    name = Path(path).name
    match = _THREAD.fullmatch(name[len(THREADED) :]) if name.lower().startswith(THREADED) else None
    return match["area"] if match else ""


def _key(area: str) -> str:
    return fold(_SPACERS.sub("_", area))


def _areas(bundles: Iterable[_Bundle]) -> list[_Area]:
    """The areas of all bundles in natural order, under different names."""
    areas: dict[str, _Area] = {}
    for bundle in bundles:
        for spelling, folders in _spellings(_assign(bundle.folders)):
            name = bundle.area if fold(spelling) == UNNAMED_AREA and bundle.area else spelling
            name += bundle.ending
            if fold(name) in areas:
                name = f"{bundle.alias or Path(bundle.places[0].path).name}/{name}"
            areas[fold(name)] = _Area(name, tuple(sorted(folders, key=_rank)), bundle)
    return sorted(areas.values(), key=lambda area: natural(area.name))


def _spellings(folders: Iterable[_Folder]) -> Iterator[tuple[str, list[_Folder]]]:
    """Folders by area. Southeast_Asia and Southeast-Asia are one area, unless both have the same layer."""
    by_key: dict[str, dict[str, list[_Folder]]] = {}
    for folder in folders:
        by_key.setdefault(_key(folder.area), {}).setdefault(fold(folder.area), []).append(folder)
    for spellings in by_key.values():
        layers = [folder.layer for group in spellings.values() for folder in {f.layer: f for f in group}.values()]
        if len(layers) == len(set(layers)):
            together = [folder for group in spellings.values() for folder in group]
            yield max(spellings.values(), key=len)[0].area, together
        else:
            yield from ((group[0].area, group) for group in spellings.values())


def _rank(folder: _Folder) -> tuple[int, bool]:
    return [spec.id for spec in LAYERS].index(folder.layer), folder.leftover


def _group(area: _Area, root: Path) -> Group:
    sources = tuple(
        Source(folder.layer, folder.path, TEXT_SUFFIXES if _is_text(folder.layer) else RASTER_SUFFIXES, _tile_of)
        for folder in area.folders
    )
    paths = [Path(folder.path) for folder in area.folders]
    named = [path for path in paths if fold(_SPACERS.split(path.name)[-1]) != UNNAMED_AREA]
    aliases = [
        area.bundle.alias,
        *(path.relative_to(root).as_posix() for path in paths),
        *(path.name for path in named),
    ]
    return Group(area.name, sources, tuple(filter(None, aliases)), tuple(filter(None, [area.bundle.split])))


def _is_text(layer: LayerId) -> bool:
    return any(spec.id == layer and spec.kind is LayerKind.TEXT for spec in LAYERS)


def _tile_of(stem: str) -> str | None:
    number = stem[5:]
    if stem[:5] == "tile_" and number.isascii() and number.isdecimal() and number[0] != "0":
        return stem
    match = _TILE.fullmatch(stem)
    return f"tile_{int(match[1])}" if match else None


def _holds_tiles(tree: Tree, path: str) -> bool:
    return any(_TILE.fullmatch(name.partition(".")[0]) for name in peek(tree, path))


def _homes_of_lists(
    tree: Tree, top: Look, bundles: Iterable[_Bundle], areas: Iterable[_Area]
) -> Iterator[tuple[Look, str]]:
    """(folder that may hold lists, group that they are about; empty for all)."""
    by_area = {fold(area.bundle.area): area.name for area in areas if not area.bundle.ending}
    yield top, ""
    for bundle in bundles:
        names = [area.name for area in areas if area.bundle is bundle]
        for place in bundle.places:
            if place.path != top.path:
                yield place, names[0] if len(names) == 1 else ""
    for folder in top.folders:
        if folder.lower() == LIST_FOLDER:
            home = look(tree, top.at(folder))
            yield home, ""
            for release in home.folders:
                yield look(tree, home.at(release)), by_area.get(fold(_area_of(release)), "")


def _split_name(name: str, areas: Iterable[_Area]) -> str:
    """The split without the area before it: "JK-train" is "train"."""
    for area in areas:
        begin = tile_name(area.bundle.area)
        if len(name) > len(begin) + 1 and name[: len(begin)].lower() == begin.lower() and name[len(begin)] in "-_":
            return name[len(begin) + 1 :]
    return name


def _read_line(text: str) -> Line:
    match = _TILE_IN_LINE.match(text)
    if not match:
        return plain_line(text)
    tile = f"tile_{int(match['number'])}"
    return Line((tile,), tile, tuple(part for part in re.split(r"[\\/]+", match["folders"]) if part))
