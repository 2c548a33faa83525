"""OpenEarthMap as its authors ship it. Rearranged into opt/ and gt_ss_mask/ by RS3DAda it is the format `synrs3d`.

Source: https://open-earth-map.org, code https://github.com/bao18/open_earth_map. The licences of the images are those of
their sources and differ by region. Citation: J. Xia, N. Yokoya, B. Adriano, C. Broni-Bediako, "OpenEarthMap: A Benchmark
Dataset for Global High-Resolution Land Cover Mapping", WACV 2023.

Layout: one folder per region, lists beside them:

    REGION/images/REGION_<n>.tif    RGB, 8 bit          train.txt, val.txt, test.txt   file names with .tif
    REGION/labels/REGION_<n>.tif    land cover, 0..8

Tiles: mostly 1024 x 1024, GSD 0.25..0.5 m. A tile's name holds its region; the region is its group.

Validity: class 0 is "unknown" and counts for nothing. Images have no nodata.

Known flaws: the labels of the test tiles are not published, so that whole regions may have none. Images of some regions
(those of xBD) have to be fetched from elsewhere: then labels are there without images.
"""

import os
import re
from pathlib import Path

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset
from rsviewer.data.catalogue import (
    RASTER_SUFFIXES,
    Catalogue,
    Group,
    Line,
    Source,
    place_name,
    plain_line,
    suffix_of,
    tile_name,
)
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.datasets.synrs3d import LANDCOVER
from rsviewer.data.looking import Look, look, peek
from rsviewer.data.tree import Tree

IMAGE = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image", bands=("red", "green", "blue"))
LAND_COVER = LayerSpec(
    LayerId("landcover"),
    LayerKind.LABELS,
    "land cover",
    classes=LANDCOVER,
    optional=True,
    absent="No label here: those of the test tiles are not published.",
)
FOLDERS = {"images": IMAGE, "labels": LAND_COVER}
"""Folder of a region, in lower case -> its layer."""

MOST_LOOKED_AT = 300
"""So many folders are looked into to recognise the format; it has about a hundred regions."""

_NAME = re.compile(r"(?P<region>.+)_[0-9]+")


class OpenEarthMapAdapter(CataloguedAdapter):
    """OpenEarthMap's own layout."""

    name = "openearthmap"
    title = "OpenEarthMap"
    expects = "folders REGION/images/ with REGION_1.tif ..., REGION/labels/ beside them"

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: the images in a region's folder are called like the region."""
        top = look(self._tree, str(root))
        for region in top.folders[:MOST_LOOKED_AT]:
            names = [name for name in peek(self._tree, top.at(region, "images")) if _is_of(name, region)]
            if names:
                return f"{tile_name(region)}/images/{tile_name(min(names))}"
        return ""

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        top = look(self._tree, str(root))
        problems = [top.problem] if top.problem else []
        groups = [group for region in top.folders if (group := _region(self._tree, top, region, problems)).sources]
        if not groups:
            raise DatasetNotFoundError(f"No OpenEarthMap tiles under {place_name(root)}: expected {self.expects}.")
        tiles = Catalogue(self._tree, groups, read_line=_read_line)
        lists = self._lists(root, [(top, "")], tiles, problems)
        self._planned(root, Catalogue(self._tree, groups, lists.values(), read_line=_read_line))
        present = {source.layer for group in groups for source in group.sources}
        return Dataset(
            format=self.name,
            title=tile_name(root.name or str(root)),
            root=root,
            layers=tuple(spec for spec in FOLDERS.values() if spec.id in present),
            lists=tuple(lists.values()),
            folders=(
                root,
                *(Path(top.at(group.name)) for group in groups),
                *(Path(source.folder) for group in groups for source in group.sources),
                *lists,
            ),
            problems=tuple(problems),
            tree=self._tree,
        )


def _region(tree: Tree, top: Look, region: str, problems: list[str]) -> Group:
    """The group of a folder; without sources where it is no region."""
    here = look(tree, top.at(region))
    problems += [here.problem] if here.problem else []
    # A broken link to a folder counts as a file: such a layer is there, and missing in every tile.
    named = {name.lower(): name for name in (*here.files, *here.folders)}
    sources = tuple(
        Source(spec.id, here.at(named[key]), RASTER_SUFFIXES) for key, spec in FOLDERS.items() if key in named
    )
    has_tiles = any(_is_of(name, region) for source in sources for name in peek(tree, source.folder))
    return Group(region, sources if has_tiles else ())


def _is_of(name: str, region: str) -> bool:
    match = _NAME.fullmatch(name.rpartition(".")[0])
    return suffix_of(name) in RASTER_SUFFIXES and match is not None and match["region"].lower() == region.lower()


def _read_line(text: str) -> Line:
    """The name of a tile tells its region."""
    line = plain_line(text)
    match = _NAME.fullmatch(line.absent)
    return line if line.folders or not match else Line(line.tiles, line.absent, (match["region"],))
