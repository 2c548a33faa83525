"""SEN12MS and SEN12MS-CR; what is here of layers and names holds for DFC2020 as well.

Source: https://mediatum.ub.tum.de/1474000, toolbox https://github.com/schmitt-muc/SEN12MS; SEN12MS-CR
https://mediatum.ub.tum.de/1554803. Licence of the data CC BY 4.0. Citation: M. Schmitt, L. H. Hughes, C. Qiu, X. X. Zhu,
"SEN12MS - A Curated Dataset of Georeferenced Multi-Spectral Sentinel-1/2 Imagery for Deep Learning and Data Fusion", ISPRS
Annals IV-2/W7, 2019; P. Ebel et al., "Multisensor Data Fusion for Cloud Removal", IEEE TGRS 2020.

Layout: 180,662 patches of three files (S1, S2, land cover), of 252 scenes in four seasons. As published and as met:

    ROIs1158_spring/s1_1/ROIs1158_spring_s1_1_p100.tif     a folder for each sensor and scene
    ROIs1158_spring_s1/s1_1/...                            the archives unpacked into a folder each
    ROIs1158_spring/s1/s1_1/...                            a folder for each sensor between
    ROIs1158_spring_s2_cloudy/s2_cloudy_1/ROIs1158_spring_s2_cloudy_1_p30.tif    SEN12MS-CR's cloudy image

The name of a file says all: season, sensor, scene, patch. Folders only say where to look, and a file in the wrong one still
goes to its tile. A scene is a season and a number, for numbers repeat over the seasons: it is the tile's group.

Tiles: 256 x 256, 10 m, UTM, uint16 and float32; neighbours overlap by half, and their numbers have gaps. S1 is VV and VH in
decibels. S2 is Level-1C reflectance x 10,000, all 13 bands. Land cover is MODIS MCD12Q1 of 500 m, enlarged: four schemes in
the bands of one file. The simplified scheme, of DFC2020, is made of the first.

Validity: no nodata tag; NaN in S1 now and then. 0 and 255 are no classes.

Splits: SEN12MS_holdOutScenes.txt names scenes ("ROIs1158_spring/s1_63"): each of their tiles belongs to "holdout". It is no
list of tiles, so an export neither changes nor copies it. train_list.txt and test_list.txt name one file of each tile (CRLF
in the latter) and are exported. The same as pickles (train_list.pkl, val_list.pkl) are read without running anything in
them, and tell splits where there is no text of the same name; an export writes no pickles.

One class a patch, where the toolbox's files of labels lie beside: see `scenelabels`.

Known flaws: ROIs1868_summer/146/p202 is NaN in S1; the train list leaves it out.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rsviewer.core.combinations import Channel, Combination, Operation, bands, index
from rsviewer.core.errors import DatasetNotFoundError, PickleRefusedError
from rsviewer.core.filters import ColumnType
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, Fact, TileEntry
from rsviewer.data.catalogue import RASTER_SUFFIXES, names_in, natural, place_name, suffix_of, tile_name, without_suffix
from rsviewer.data.datasets.scenelabels import SceneLabels, find_scene_labels, is_scene_labels
from rsviewer.data.lists import find_lists
from rsviewer.data.looking import MOST_NAMES, Look, look, peek
from rsviewer.data.pickles import MAX_BYTES, NUMPY_SCALARS, read_pickle
from rsviewer.data.tree import DISK, Tree

IGBP = (
    LabelClass(0, "Unclassified", (0, 0, 0), void=True),
    LabelClass(1, "Evergreen Needleleaf Forests", (0x05, 0x45, 0x0A)),
    LabelClass(2, "Evergreen Broadleaf Forests", (0x08, 0x6A, 0x10)),
    LabelClass(3, "Deciduous Needleleaf Forests", (0x54, 0xA7, 0x08)),
    LabelClass(4, "Deciduous Broadleaf Forests", (0x78, 0xD2, 0x03)),
    LabelClass(5, "Mixed Forests", (0x00, 0x99, 0x00)),
    LabelClass(6, "Closed Shrublands", (0xC6, 0xB0, 0x44)),
    LabelClass(7, "Open Shrublands", (0xDC, 0xD1, 0x59)),
    LabelClass(8, "Woody Savannas", (0xDA, 0xDE, 0x48)),
    LabelClass(9, "Savannas", (0xFB, 0xFF, 0x13)),
    LabelClass(10, "Grasslands", (0xB6, 0xFF, 0x05)),
    LabelClass(11, "Permanent Wetlands", (0x27, 0xFF, 0x87)),
    LabelClass(12, "Croplands", (0xC2, 0x4F, 0x44)),
    LabelClass(13, "Urban and Built-Up Lands", (0xA5, 0xA5, 0xA5)),
    LabelClass(14, "Cropland/Natural Vegetation Mosaics", (0xFF, 0x6D, 0x4C)),
    LabelClass(15, "Permanent Snow and Ice", (0x69, 0xFF, 0xF8)),
    LabelClass(16, "Barren", (0xF9, 0xFF, 0xA4)),
    LabelClass(17, "Water Bodies", (0x1C, 0x0D, 0xFF)),
    LabelClass(255, "Fill", (0, 0, 0), void=True),
)
"""LC_Type1 of MCD12Q1, colours of its Earth Engine catalogue, as are those of LCCS."""

LCCS_COVER = (
    LabelClass(0, "Unclassified", (0, 0, 0), void=True),
    LabelClass(1, "Barren", (0xF9, 0xFF, 0xA4)),
    LabelClass(2, "Permanent Snow and Ice", (0x69, 0xFF, 0xF8)),
    LabelClass(3, "Water Bodies", (0x1C, 0x0D, 0xFF)),
    LabelClass(11, "Evergreen Needleleaf Forests", (0x05, 0x45, 0x0A)),
    LabelClass(12, "Evergreen Broadleaf Forests", (0x08, 0x6A, 0x10)),
    LabelClass(13, "Deciduous Needleleaf Forests", (0x54, 0xA7, 0x08)),
    LabelClass(14, "Deciduous Broadleaf Forests", (0x78, 0xD2, 0x03)),
    LabelClass(15, "Mixed Broadleaf/Needleleaf Forests", (0x00, 0x5A, 0x00)),
    LabelClass(16, "Mixed Broadleaf Evergreen/Deciduous Forests", (0x00, 0x99, 0x00)),
    LabelClass(21, "Open Forests", (0x00, 0x6C, 0x00)),
    LabelClass(22, "Sparse Forests", (0x00, 0xD0, 0x00)),
    LabelClass(31, "Dense Herbaceous", (0xB6, 0xFF, 0x05)),
    LabelClass(32, "Sparse Herbaceous", (0x98, 0xD6, 0x04)),
    LabelClass(41, "Dense Shrublands", (0xDC, 0xD1, 0x59)),
    LabelClass(42, "Shrubland/Grassland Mosaics", (0xF1, 0xFB, 0x58)),
    LabelClass(43, "Sparse Shrublands", (0xFB, 0xEE, 0x65)),
    LabelClass(255, "Fill", (0, 0, 0), void=True),
)

LCCS_USE = (
    LabelClass(0, "Unclassified", (0, 0, 0), void=True),
    LabelClass(1, "Barren", (0xF9, 0xFF, 0xA4)),
    LabelClass(2, "Permanent Snow and Ice", (0x69, 0xFF, 0xF8)),
    LabelClass(3, "Water Bodies", (0x1C, 0x0D, 0xFF)),
    LabelClass(9, "Urban and Built-up Lands", (0xA5, 0xA5, 0xA5)),
    LabelClass(10, "Dense Forests", (0x00, 0x3F, 0x00)),
    LabelClass(20, "Open Forests", (0x00, 0x6C, 0x00)),
    LabelClass(25, "Forest/Cropland Mosaics", (0xE3, 0xFF, 0x77)),
    LabelClass(30, "Natural Herbaceous", (0xB6, 0xFF, 0x05)),
    LabelClass(35, "Natural Herbaceous/Croplands Mosaics", (0x93, 0xCE, 0x04)),
    LabelClass(36, "Herbaceous Croplands", (0x77, 0xA7, 0x03)),
    LabelClass(40, "Shrublands", (0xDC, 0xD1, 0x59)),
    LabelClass(255, "Fill", (0, 0, 0), void=True),
)

LCCS_HYDROLOGY = (
    LabelClass(0, "Unclassified", (0, 0, 0), void=True),
    LabelClass(1, "Barren", (0xF9, 0xFF, 0xA4)),
    LabelClass(2, "Permanent Snow and Ice", (0x69, 0xFF, 0xF8)),
    LabelClass(3, "Water Bodies", (0x1C, 0x0D, 0xFF)),
    LabelClass(10, "Dense Forests", (0x00, 0x3F, 0x00)),
    LabelClass(20, "Open Forests", (0x00, 0x6C, 0x00)),
    LabelClass(27, "Woody Wetlands", (0x72, 0x83, 0x4A)),
    LabelClass(30, "Grasslands", (0xB6, 0xFF, 0x05)),
    LabelClass(40, "Shrublands", (0xC6, 0xB0, 0x44)),
    LabelClass(50, "Herbaceous Wetlands", (0x3A, 0xBA, 0x73)),
    LabelClass(51, "Tundra", (0x1E, 0x9D, 0xB3)),
    LabelClass(255, "Fill", (0, 0, 0), void=True),
)

SIMPLIFIED = (
    LabelClass(0, "Background", (0, 0, 0), void=True),
    LabelClass(1, "Forest", (0x00, 0x99, 0x00)),
    LabelClass(2, "Shrubland", (0xC6, 0xB0, 0x44)),
    LabelClass(3, "Savanna", (0xFB, 0xFF, 0x13)),
    LabelClass(4, "Grassland", (0xB6, 0xFF, 0x05)),
    LabelClass(5, "Wetlands", (0x27, 0xFF, 0x87)),
    LabelClass(6, "Croplands", (0xC2, 0x4F, 0x44)),
    LabelClass(7, "Urban/Built-up", (0xA5, 0xA5, 0xA5)),
    LabelClass(8, "Snow/Ice", (0x69, 0xFF, 0xF8)),
    LabelClass(9, "Barren", (0xF9, 0xFF, 0xA4)),
    LabelClass(10, "Water", (0x1C, 0x0D, 0xFF)),
    LabelClass(255, "Fill", (0, 0, 0), void=True),
)
"""The scheme of DFC2020, codes as in its own labels."""

SIMPLIFIED_OF_IGBP = (0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 6, 8, 9, 10)
"""Place IGBP -> code of the simplified scheme. Mosaics (14) are croplands, urban lands (13) are 7."""

CLASS_NAMES = {
    "label_igbp": {known.value: known.name for known in IGBP},
    "label_simplified": {known.value: known.name for known in SIMPLIFIED},
}
"""Fact -> number -> name of the class."""

B1, B2, B3, B4, B5, B6, B7, B8, B8A, B9, B10, B11, B12 = range(13)
VV, VH = range(2)

OF_S2 = (
    bands("True colour", B4, B3, B2, low=0.0, high=3000.0),
    bands("False colour", B8, B4, B3, low=0.0, high=4000.0),
    bands("SWIR", B12, B8A, B4, low=0.0, high=4000.0),
    bands("Agriculture", B11, B8, B2, low=0.0, high=4000.0),
    index("NDVI", B8, B4, "RdYlGn"),
    index("NDWI", B3, B8, "RdBu"),
    index("NDMI", B8A, B11, "RdBu"),
    index("NDBI", B11, B8, "RdBu", invert=True),
    index("NBR", B8A, B12, "RdYlGn"),
    index("NDSI", B3, B11, "RdBu"),
)
"""Vegetation, water (McFeeters), moisture, built-up land, burn ratio, snow. The ranges of colours are reflectance x 10,000."""

OF_S1 = (
    Combination(
        "S1 composite",
        (
            Channel(Operation.BAND, VV, low=-25.0, high=0.0),
            Channel(Operation.BAND, VH, low=-30.0, high=-5.0),
            Channel(Operation.DIFFERENCE, VV, VH, low=0.0, high=15.0),
        ),
    ),
    Combination("VV", (Channel(Operation.BAND, VV),), -25.0, 0.0, "grey"),
    Combination("VH", (Channel(Operation.BAND, VH),), -30.0, -5.0, "grey"),
)

S2 = LayerSpec(
    LayerId("s2"),
    LayerKind.OPTICAL,
    "S2",
    bands=("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"),
    display_bands=(B4, B3, B2),
    combinations=OF_S2,
)
S2_CLOUDY = LayerSpec(
    LayerId("s2_cloudy"), LayerKind.OPTICAL, "S2 cloudy", "", S2.bands, S2.display_bands, combinations=OF_S2
)
S1 = LayerSpec(LayerId("s1"), LayerKind.SAR, "S1", unit="dB", bands=("VV", "VH"), combinations=OF_S1)

LAYERS: Mapping[str, tuple[LayerSpec, ...]] = {
    "s2": (S2,),
    "s2_cloudy": (S2_CLOUDY,),
    "s1": (S1,),
    "dfc": (LayerSpec(LayerId("dfc"), LayerKind.LABELS, "DFC2020", classes=SIMPLIFIED),),
    "lc": (
        LayerSpec(LayerId("igbp"), LayerKind.LABELS, "IGBP", classes=IGBP, take=(0,)),
        LayerSpec(
            LayerId("simplified"),
            LayerKind.LABELS,
            "IGBP simplified",
            classes=SIMPLIFIED,
            take=(0,),
            lut=SIMPLIFIED_OF_IGBP,
        ),
        LayerSpec(
            LayerId("lccs_cover"), LayerKind.LABELS, "LCCS land cover", classes=LCCS_COVER, take=(1,), hidden=True
        ),
        LayerSpec(LayerId("lccs_use"), LayerKind.LABELS, "LCCS land use", classes=LCCS_USE, take=(2,), hidden=True),
        LayerSpec(
            LayerId("lccs_hydrology"),
            LayerKind.LABELS,
            "LCCS surface hydrology",
            classes=LCCS_HYDROLOGY,
            take=(3,),
            hidden=True,
        ),
    ),
}
"""Sensor, as names of files have it -> the layers in its file, all in display order."""

PART = Fact("season", ColumnType.TEXT, "season")
FACTS = (
    Fact("scene", ColumnType.NUMBER, "number of the scene within its season"),
    Fact("patch", ColumnType.NUMBER, "number of the patch within its scene"),
)

SEASONS = ("spring", "summer", "fall", "winter")
PARTS = ("validation", "test")
"""Of DFC2020, in the place of the season."""

_PART = "|".join((*SEASONS, *PARTS))
_SENSOR = "s1|s2_cloudy|s2|lc|dfc"
_NUMBER = r"(\d{1,9})"
_FLAGS = re.IGNORECASE | re.ASCII
_HEAD = re.compile(rf"ROIs{_NUMBER}_({_PART})_({_SENSOR})_{_NUMBER}", _FLAGS)
_IN_LINE = re.compile(rf"(?<![^\W_])ROIs{_NUMBER}_({_PART})_(?:{_SENSOR})_{_NUMBER}_p{_NUMBER}(?!\d)", _FLAGS)
_SCENE_LINE = re.compile(rf"(?:.*[\\/])?ROIs{_NUMBER}_({_PART})[\\/](?:{_SENSOR})_{_NUMBER}[\\/]?", _FLAGS)
_SEASON_FOLDER = re.compile(rf"ROIs{_NUMBER}_({_PART})(?:_(?:{_SENSOR}))?", _FLAGS)
_SCENE_FOLDER = re.compile(rf"({_SENSOR})_(?:{_NUMBER}|validation|test)", _FLAGS)
_SENSOR_FOLDER = re.compile(_SENSOR, re.IGNORECASE)
_LIST_FOLDERS = frozenset({"splits", "labels"})
_MOST_DEEP = 3
"""Folders between the root and the files."""
_TRIED = 8
"""Folders that are looked into to recognise the format: a scene may be empty while it is being unpacked."""
_MOST_TEXTS = 50
"""So many are looked into for scenes."""
_LONGEST_LINE = 500
_MOST_HEADS = 10_000


class Sen12msAdapter:
    """SEN12MS, SEN12MS-CR, and all that has files of these names."""

    name = "sen12ms"
    title = "SEN12MS"
    expects = (
        "folders ROIs1158_spring/s1_1, s2_1 and lc_1 of one or more seasons, with ROIs1158_spring_s1_1_p100.tif ..."
    )

    parts: tuple[str, ...] = SEASONS
    """What stands behind ROIs1158_ in names of files that make it this format."""
    part: Fact = PART
    """What these tell about a tile."""
    list_suffixes: tuple[str, ...] = (".txt",)
    """Of lists with a name a line."""

    def __init__(self, tree: Tree = DISK) -> None:
        """See `DatasetAdapter`."""
        self._tree = tree
        self._root: Path | None = None
        self._plan = _Plan()

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: a file of the name, in a folder that is not a part of a dataset itself."""
        if _SCENE_FOLDER.fullmatch(root.name) or _SENSOR_FOLDER.fullmatch(root.name):
            return ""
        for folder in islice(_walk(self._tree, look(self._tree, str(root)), ""), _TRIED):
            heads = _Heads()
            for name in folder.files or peek(self._tree, folder.path):
                found = heads.parts_of(name)
                if found is not None and found[0].partition("/")[0].rpartition("_")[2] in self.parts:
                    return f"{tile_name(name)} in {tile_name(Path(folder.path).name)}"
        return ""

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        top = look(self._tree, str(root))
        problems = [top.problem] if top.problem else []
        visited: list[str] = [top.path]
        folders = list(_walk(self._tree, top, "", visited, problems))
        sensors = {sensor for folder in folders for sensor in _sensors_in(self._tree, folder)}
        if not sensors:
            raise DatasetNotFoundError(f"No {self.title} tiles under {place_name(root)}: expected {self.expects}.")
        homes = [top, *(look(self._tree, top.at(name)) for name in top.folders if name.lower() in _LIST_FOLDERS)]
        files = [home.at(name) for home in homes for name in home.files]
        plan = _Plan(folders, tuple(_ordered(sensors)), self.part.name)
        plan.labels = tuple(find_scene_labels(self._tree, files, problems))
        texts = [path for path in files if path.lower().endswith(self.list_suffixes) and not is_scene_labels(path)]
        scenes = {path: found for path in texts[:_MOST_TEXTS] if (found := _scenes_in(self._tree, path))}
        for path, found in scenes.items():
            name = "holdout" if "holdout" in path.lower() else tile_name(Path(path).stem)
            for scene in found:
                plan.of_scenes.setdefault(scene, []).append(name)
        plan.lists = tuple(self._lists([path for path in texts if path not in scenes], root, problems).values())
        plan.pickled = _pickled(self._tree, files, {split.name for split in plan.lists}, problems)
        self._root, self._plan = root, plan
        labels = (labels.path for labels in plan.labels)
        used = [*(str(root / split.path) for split in plan.lists), *scenes, *plan.pickled, *labels]
        return Dataset(
            format=self.name,
            title=tile_name(root.name or str(root)),
            root=root,
            layers=tuple(spec for sensor in plan.sensors for spec in LAYERS[sensor]),
            lists=plan.lists,
            folders=tuple(map(Path, dict.fromkeys((*visited, *(folder.path for folder in folders), *map(str, used))))),
            problems=tuple(problems),
            facts=(self.part, *FACTS, *(labels.fact for labels in plan.labels)),
            tree=self._tree,
        )

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`."""
        if dataset.root != self._root:
            self.describe(dataset.root)
        return _entries(dataset.tree, self._plan)

    def tile_of_line(self, split: SplitList, text: str) -> TileId:  # noqa: ARG002 - every line says all by itself
        """See `DatasetAdapter.tile_of_line`: whichever sensor's file a line names, it means the tile."""
        scene, patch = _named(text)
        return _tile_id(scene, patch)

    def _lists(self, paths: Sequence[str], root: Path, problems: list[str]) -> dict[Path, SplitList]:
        """The lists of tiles among these files."""
        return find_lists(self._tree, paths, root, "", names_tile, problems)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder with files.

    Attributes:
        path: absolute.
        scene: whose files it holds by its name, "ROIs1158_spring/1"; empty where only the files can tell.
        sensor: likewise.
        files: names of its first files, where it was looked into.
    """

    path: str
    scene: str = ""
    sensor: str = ""
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class _Plan:
    """What `describe` found.

    Attributes:
        folders: all that hold files.
        sensors: that any of them has, in display order.
        part: name of the fact that stands behind ROIs1158_ in names.
        lists: of tiles.
        of_scenes: scene -> splits that all its tiles belong to.
        pickled: path of a pickled list -> names in it.
        labels: one class a patch.
    """

    folders: list[_Folder] = field(default_factory=list)
    sensors: tuple[str, ...] = ()
    part: str = PART.name
    lists: tuple[SplitList, ...] = ()
    of_scenes: dict[str, list[str]] = field(default_factory=dict)
    pickled: dict[str, list[str]] = field(default_factory=dict)
    labels: tuple[SceneLabels, ...] = ()


class _Heads:
    """Takes names of files apart; what comes before the number of the patch is the same in whole folders."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str] | None] = {}

    def parts_of(self, name: str) -> tuple[str, str, int] | None:
        """(scene, sensor, patch) of ROIs1158_spring_s1_1_p100.tif; None for other names."""
        head, _, tail = name.rpartition("_p")
        number, _, suffix = tail.partition(".")
        if suffix not in RASTER_SUFFIXES and suffix.lower() not in RASTER_SUFFIXES:
            return None
        if not (number.isascii() and number.isdecimal() and len(number) <= 9):
            return None
        if head not in self._known:
            if len(self._known) == _MOST_HEADS:
                self._known.clear()
            match = _HEAD.fullmatch(head)
            self._known[head] = match and (_scene(match[1], match[2], match[4]), match[3].lower())
        known = self._known[head]
        return known and (*known, int(number))


def _walk(
    tree: Tree,
    top: Look,
    season: str,
    visited: list[str] | None = None,
    problems: list[str] | None = None,
    deep: int = 0,
) -> Iterator[_Folder]:
    """The folders with files at or below one, by their names; those whose names say which scene they hold are not listed."""
    heads = _Heads()
    match = _SEASON_FOLDER.fullmatch(Path(top.path).name)
    season = f"ROIs{match[1]}_{match[2].lower()}" if match else season
    if any(heads.parts_of(name) for name in top.files):
        yield _Folder(top.path, files=top.files)
    for name in top.folders:
        scene = _SCENE_FOLDER.fullmatch(name)
        if scene and season and scene[2]:
            yield _Folder(top.at(name), f"{season}/{int(scene[2])}", scene[1].lower())
        elif deep < _MOST_DEEP and (scene or _SEASON_FOLDER.fullmatch(name) or _SENSOR_FOLDER.fullmatch(name)):
            below = look(tree, top.at(name))
            if visited is not None:
                visited.append(below.path)
            if problems is not None and below.problem:
                problems.append(below.problem)
            yield from _walk(tree, below, season, visited, problems, deep + 1)


def _sensors_in(tree: Tree, folder: _Folder) -> set[str]:
    if folder.sensor:
        return {folder.sensor}
    heads = _Heads()
    names = folder.files if len(folder.files) < MOST_NAMES // 2 else names_in(tree, folder.path)
    return {found[1] for name in names if (found := heads.parts_of(name))}


def _ordered(sensors: Iterable[str]) -> list[str]:
    return sorted(sensors, key=list(LAYERS).index)


# --- lists


def _scene(roi: str, part: str, number: str) -> str:
    return f"ROIs{roi}_{part.lower()}/{int(number)}"


def _tile_id(scene: str, patch: int | str) -> TileId:
    return TileId(f"{scene}/p{patch}" if scene else str(patch))


def _named(text: str) -> tuple[str, int | str]:
    """(scene, patch) that a line names; of one that names none, nothing and what it says in place of it."""
    match = _IN_LINE.search(text)
    if match:
        return _scene(match[1], match[2], match[3]), int(match[4])
    return "", tile_name(without_suffix(re.split(r"[\\/]+", text)[-1]) or text)


def names_tile(text: str) -> bool:
    """True for a line that is a file or its name without suffix, and nothing else."""
    return bool(_IN_LINE.fullmatch(without_suffix(re.split(r"[\\/]+", text)[-1])))


def _scenes_in(tree: Tree, path: str) -> list[str]:
    """The scenes that a file names, one a line; none where it is another file."""
    try:
        raw = tree.read(path, 1 << 16)
    except OSError:
        return []
    lines = [line.strip() for line in raw.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    found = [match for line in lines if len(line) < _LONGEST_LINE and (match := _SCENE_LINE.fullmatch(line))]
    if not found or 2 * len(found) < len(lines):
        return []
    return list(dict.fromkeys(_scene(match[1], match[2], match[3]) for match in found))


def _pickled(tree: Tree, files: Iterable[str], known: set[str], problems: list[str]) -> dict[str, list[str]]:
    """The lists among pickles, by path. A text of the same name wins."""
    found = {}
    for path in sorted(files, key=natural):
        stem = Path(path).stem
        if suffix_of(path) not in ("pkl", "pickle") or "list" not in stem.lower() or tile_name(stem) in known:
            continue
        shown = tile_name(path)
        try:
            value = read_pickle(tree.read(path, MAX_BYTES + 1), allowed=NUMPY_SCALARS)
        except OSError as error:
            problems.append(f"The list {shown} cannot be read: {error.strerror}.")
        except PickleRefusedError as error:
            problems.append(f"The list {shown} is not used. {error}")
        else:
            names = [str(name) for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []
            if names:
                found[path] = names
            else:
                problems.append(f"The list {shown} is not used: it holds no list of names.")
    return found


# --- tiles


def _entries(tree: Tree, plan: _Plan) -> Iterator[TileEntry]:
    splits = _splits(plan)
    for name, named in splits.pop("", {}).items():
        yield TileEntry(_tile_id("", name), {}, splits=tuple(named))
    scenes: dict[str, list[_Folder]] = {scene: [] for scene in splits}
    files = _Files(tree)
    for folder in plan.folders:
        if folder.scene:
            scenes.setdefault(folder.scene, []).append(folder)
        else:
            files.take(folder.path)
    for scene in sorted(scenes.keys() | files.found.keys(), key=natural):
        for folder in scenes.get(scene, ()):
            files.take(folder.path)
        planned = {folder.sensor for folder in scenes.get(scene, ())}
        yield from _entries_of(scene, files.of(scene), planned, splits.get(scene, {}), plan)
    for scene in sorted(files.found, key=natural):  # they lay in folders of scenes that came later
        yield from _entries_of(scene, files.of(scene), set(), {}, plan)


def _splits(plan: _Plan) -> dict[str, dict[int | str, list[str]]]:
    """Scene -> patch -> names of the lists that name it."""
    found: dict[str, dict[int | str, list[str]]] = {}
    lists = [(split.name, [line.text for line in split.lines if line.text]) for split in plan.lists]
    lists += [(tile_name(Path(path).stem), names) for path, names in plan.pickled.items()]
    for name, texts in lists:
        for text in texts:
            scene, patch = _named(text)
            known = found.setdefault(scene, {}).setdefault(patch, [])
            if name not in known:
                known.append(name)
    return found


class _Files:
    """The files that were listed so far, by scene, until somebody wants them.

    Attributes:
        found: scene -> patch -> sensor -> paths.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._heads = _Heads()
        self._gone: dict[str, frozenset[int]] = {}
        self.found: dict[str, dict[int, dict[str, list[str]]]] = {}

    def take(self, folder: str) -> None:
        """Lists a folder."""
        prefix = folder.rstrip(os.sep) + os.sep
        for name in names_in(self._tree, folder):
            parts = self._heads.parts_of(name)
            if parts is not None:
                scene, sensor, patch = parts
                self.found.setdefault(scene, {}).setdefault(patch, {}).setdefault(sensor, []).append(prefix + name)

    def of(self, scene: str) -> dict[int, dict[str, list[str]]]:
        """The files of a scene, once; not those of tiles that were given out before."""
        before = self._gone.get(scene, frozenset())
        rows = {patch: row for patch, row in self.found.pop(scene, {}).items() if patch not in before}
        self._gone[scene] = before | rows.keys()
        return rows


def _entries_of(
    scene: str,
    rows: Mapping[int, Mapping[str, list[str]]],
    planned: set[str],
    named: Mapping[int | str, list[str]],
    plan: _Plan,
) -> Iterator[TileEntry]:
    season, _, number = scene.partition("/")
    season = season.rpartition("_")[2]
    here = planned.union(*(row.keys() for row in rows.values()))
    layers = [(spec.id, sensor) for sensor in plan.sensors if sensor in here for spec in LAYERS[sensor]]
    of_scene = plan.of_scenes.get(scene, [])
    labels = [(each.fact.name, each.classes.get(scene, {}), CLASS_NAMES[each.fact.name]) for each in plan.labels]
    nothing: Mapping[str, list[str]] = {}
    for patch in sorted({*rows, *(patch for patch in named if isinstance(patch, int))}):
        row = rows.get(patch, nothing)
        duplicates: list[str] = []
        for paths in row.values():
            if len(paths) > 1:
                paths.sort(key=lambda path: (RASTER_SUFFIXES[suffix_of(path)], len(path), path))
                duplicates += paths[1:]
        splits = (*(of_scene if row else ()), *named.get(patch, ()))
        facts: dict[str, str | float] = {plan.part: season, "scene": float(number), "patch": float(patch)}
        facts |= {name: names.get(of[patch], str(of[patch])) for name, of, names in labels if patch in of}
        yield TileEntry(
            _tile_id(scene, patch),
            {layer: row[sensor][0] for layer, sensor in layers if sensor in row},
            scene,
            tuple(dict.fromkeys(splits)),
            tuple(layer for layer, sensor in layers if sensor not in row),
            tuple(sorted(duplicates)),
            facts,
        )
