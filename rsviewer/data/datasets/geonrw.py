"""GeoNRW as it is downloaded. Cut into opt/ and gt_nDSM/ by RS3DAda (geonrw_urban, geonrw_rural) it is the format `synrs3d`.

Source: https://doi.org/10.21227/s5xq-b822, code https://github.com/gbaier/geonrw, nrw_dataset.tar.gz at
https://huggingface.co/datasets/torchgeo/geonrw (CC BY 4.0). Citation: G. Baier, A. Deschemps, M. Schmitt, N. Yokoya,
"Synthesizing Optical and SAR Imagery From Land Cover Maps and Auxiliary Raster Data", IEEE TGRS 2022.

Layout: a folder per city of North Rhine-Westphalia, tiles named by the kilometres east and north of their corner (UTM 32N):

    CITY/<east>_<north>_rgb.jp2     orthophoto, 8 bit; a fourth band, where there is one, is near infrared
    CITY/<east>_<north>_dem.tif     elevation from lidar, metres
    CITY/<east>_<north>_seg.tif     land cover, 0..10
    CITY/<east>_<north>_sar.tif     TerraSAR-X amplitude, for those who have the acquisitions and made it from them

Tiles: 1000 x 1000 pixels of 1 m. Groups are cities.

Splits: by city (`HELD_OUT` is for tests), as the authors' loader and torchgeo's have them; no files say so.

Validity: class 0 is "background" and counts for nothing. Colours are torchgeo's, the authors publish none.
"""

import os
import re
from collections.abc import Collection
from functools import partial
from pathlib import Path

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset
from rsviewer.data.catalogue import (
    RASTER_SUFFIXES,
    Catalogue,
    Group,
    Line,
    Source,
    fold,
    place_name,
    plain_line,
    tile_name,
)
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.looking import Look, look, peek
from rsviewer.data.tree import Tree

CLASSES = (
    LabelClass(0, "Background", (0, 0, 0), void=True),
    LabelClass(1, "Forest", (44, 160, 44)),
    LabelClass(2, "Water", (31, 119, 180)),
    LabelClass(3, "Agricultural", (140, 86, 75)),
    LabelClass(4, "Residential, commercial, industrial", (127, 127, 127)),
    LabelClass(5, "Grassland, swamp, shrubbery", (188, 189, 34)),
    LabelClass(6, "Railway, train station", (255, 127, 14)),
    LabelClass(7, "Highway, squares", (148, 103, 189)),
    LabelClass(8, "Airport, shipyard", (23, 190, 207)),
    LabelClass(9, "Roads", (214, 39, 40)),
    LabelClass(10, "Buildings", (227, 119, 194)),
)

LAYERS = {
    "rgb": LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image"),
    "sar": LayerSpec(LayerId("sar"), LayerKind.SAR, "TerraSAR-X", optional=True),
    "dem": LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m", low=-1000.0, high=9000.0),
    "seg": LayerSpec(LayerId("landcover"), LayerKind.LABELS, "land cover", classes=CLASSES),
}
"""Last word of a file's name -> its layer."""

HELD_OUT = frozenset({"duesseldorf", "herne", "neuss"})

MOST_LOOKED_AT = 300
"""So many folders are looked into to recognise the format; it has 43 cities."""

_PHOTO = re.compile(r"[0-9]+_[0-9]+_rgb\.jp2", re.IGNORECASE)
_FILE = re.compile(r"(?P<tile>[0-9]+_[0-9]+)_(?P<word>rgb|sar|dem|seg)", re.IGNORECASE)


class GeoNRWAdapter(CataloguedAdapter):
    """GeoNRW's own layout."""

    name = "geonrw"
    title = "GeoNRW"
    expects = "folders CITY/ with 349_5747_rgb.jp2, 349_5747_dem.tif, 349_5747_seg.tif ..."

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: a folder has orthophotos named by kilometres."""
        top = look(self._tree, str(root))
        for city in top.folders[:MOST_LOOKED_AT]:
            photos = [name for name in peek(self._tree, top.at(city)) if _PHOTO.fullmatch(name)]
            if photos:
                return f"{tile_name(city)}/{min(photos)}"
        return ""

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        top = look(self._tree, str(root))
        problems = [top.problem] if top.problem else []
        cities = _cities(self._tree, top, problems)
        if not cities:
            raise DatasetNotFoundError(f"No GeoNRW tiles under {place_name(root)}: expected {self.expects}.")
        present = set().union(*cities.values())
        groups = [_group(top.at(city), city, present) for city in cities]
        tiles = Catalogue(self._tree, groups, read_line=_read_line)
        lists = self._lists(root, [(top, "")], tiles, problems)
        self._planned(root, Catalogue(self._tree, groups, lists.values(), read_line=_read_line))
        return Dataset(
            format=self.name,
            title=tile_name(root.name or str(root)),
            root=root,
            layers=tuple(spec for word, spec in LAYERS.items() if word in present),
            lists=tuple(lists.values()),
            folders=(root, *(Path(top.at(group.name)) for group in groups), *lists),
            problems=tuple(problems),
            tree=self._tree,
        )


def _cities(tree: Tree, top: Look, problems: list[str]) -> dict[str, set[str]]:
    """Folder of a city -> the last words of its files' names."""
    cities = {}
    for name in top.folders:
        city = look(tree, top.at(name))
        problems += [city.problem] if city.problem else []
        words = {match["word"].lower() for file in city.files if (match := _FILE.fullmatch(file.rpartition(".")[0]))}
        if words:
            cities[name] = words
    return cities


def _group(folder: str, city: str, present: Collection[str]) -> Group:
    """A city. What other cities have is missing there; nobody has the SAR images of all of them."""
    sources = tuple(
        Source(spec.id, folder, RASTER_SUFFIXES, partial(_tile_of, word))
        for word, spec in LAYERS.items()
        if word in present
    )
    return Group(city, sources, splits=("test" if fold(city) in HELD_OUT else "train",))


def _tile_of(word: str, stem: str) -> str | None:
    match = _FILE.fullmatch(stem)
    return match["tile"] if match and match["word"].lower() == word else None


def _read_line(text: str) -> Line:
    """A line may name a tile or one of its files."""
    line = plain_line(text)
    match = _FILE.fullmatch(line.absent)
    return Line((match["tile"], *line.tiles), match["tile"], line.folders) if match else line
