"""SynRS3D, and every set in its layout (the real-world sets of RS3DAda, the built-in dataset).

Source: https://github.com/JTRNEO/SynRS3D, archives at https://huggingface.co/datasets/JTRNEO/SynRS3D. Synthetic tiles
CC BY-NC 4.0, the real sets under their owners' licences. Citation: J. Song, H. Chen, W. Xuan, J. Xia, N. Yokoya,
"SynRS3D: A Synthetic Dataset for Global 3D Semantic Understanding from Monocular Remote Sensing Imagery", NeurIPS 2024.

Layout: one folder per subset, or a folder of several (17 synthetic subsets grid_g005_low_v1 ... terrain_g1_high_v1;
DFC18, DFC19_JAX, DFC19_OMA, geonrw_urban, geonrw_rural, OEM ...). In each, the same stem in

    opt/         RGB, the later image of a change pair       gt_nDSM/     height above ground, metres
    pre_opt/     RGB before the change                       gt_ss_mask/  land cover, 1..8, 0 unlabelled
    gt_cd_mask/  building change, 0 or 255                   *.txt        lists of stems: train, test, total ...

and now and then further folders (opt_irc, DSM, DEM), which become layers of their own. Case of the names is ignored.
OEM is OpenEarthMap rearranged like this; as its authors ship it, it is the format `openearthmap`.

Land cover has OpenEarthMap's classes, but for the real sets that keep the codes of their sources (`SCHEMES`): DFC19 those
of LAS files, ISPRS' Vaihingen and Potsdam 0..5, where 0 is a class (and all that the script that made them could not tell).
No other real set has any.

Tiles: 512 x 512, uint8 RGB, float32 heights, GSD 0.05..1 m (a range per subset, not in the files). Stems repeat across
subsets: the subset is the tile's group.

Validity: the heights have no nodata tag. The authors' loader takes NaN and everything above 450 m for missing and then
trains on 0 m there; here it stays invalid, and 0 m stays a height. Negative heights are kept, as there.

Known flaws: in eight archives the list names a tile that has no image; DFC19 and GeoNRW are links to one shared store,
and their total.txt names tiles of both sister sets; lists of OpenEarthMap carry the suffix .tif.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data import guess
from rsviewer.data.adapter import Dataset
from rsviewer.data.catalogue import (
    RASTER_SUFFIXES,
    TEXT_SUFFIXES,
    Catalogue,
    Group,
    Source,
    natural,
    place_name,
    tile_name,
)
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.looking import Look, holds, look, problem_with
from rsviewer.data.tree import Tree

LANDCOVER = (
    LabelClass(0, "Unlabelled", (0, 0, 0), void=True),
    LabelClass(1, "Bareland", (128, 0, 0)),
    LabelClass(2, "Rangeland", (0, 255, 36)),
    LabelClass(3, "Developed space", (148, 148, 148)),
    LabelClass(4, "Road", (255, 255, 255)),
    LabelClass(5, "Trees", (34, 97, 38)),
    LabelClass(6, "Water", (0, 69, 255)),
    LabelClass(7, "Agriculture land", (75, 181, 73)),
    LabelClass(8, "Buildings", (222, 31, 7)),
)
"""Ids of gt_ss_mask with the official colours of OpenEarthMap. The model's classes are these minus one."""

DFC19 = (
    LabelClass(0, "Unlabelled", (0, 0, 0), void=True),
    LabelClass(2, "Ground", (148, 148, 148)),
    LabelClass(5, "High vegetation", (34, 97, 38)),
    LabelClass(6, "Building", (222, 31, 7)),
    LabelClass(9, "Water", (0, 69, 255)),
    LabelClass(17, "Bridge", (255, 255, 255)),
    LabelClass(65, "Code 65, counted as building", (255, 150, 130)),
)
"""Codes of the Data Fusion Contest 2019. They have no official colours: those of the like classes of OpenEarthMap."""

ISPRS = (
    LabelClass(0, "Impervious surface", (255, 255, 255)),
    LabelClass(1, "Building", (0, 0, 255)),
    LabelClass(2, "Low vegetation", (0, 255, 255)),
    LabelClass(3, "Tree", (0, 255, 0)),
    LabelClass(4, "Car", (255, 255, 0)),
    LabelClass(5, "Clutter", (255, 0, 0)),
)
"""Codes that SynRS3D's crop_isprs.py gives to the official colours of Vaihingen and Potsdam."""

LOWEST, HIGHEST = -1000.0, 450.0
"""Metres. Above HIGHEST the authors' loader takes a height for missing; nothing on land is LOWEST, but -9999 is."""

PRE_IMAGE = LayerSpec(LayerId("pre_image"), LayerKind.OPTICAL, "pre image", date="pre")
IMAGE = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")
NDSM = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit="m", low=LOWEST, high=HIGHEST)
DSM = LayerSpec(LayerId("dsm"), LayerKind.HEIGHT, "DSM", unit="m", low=LOWEST, high=9000.0)
DTM = replace(DSM, id=LayerId("dtm"), title="DTM")
DEM = replace(DSM, id=LayerId("dem"), title="DEM")
LAND_COVER = LayerSpec(LayerId("landcover"), LayerKind.LABELS, "land cover", classes=LANDCOVER)
LAND_COVER_DFC19 = LayerSpec(LayerId("landcover_dfc19"), LayerKind.LABELS, "land cover (DFC19)", classes=DFC19)
LAND_COVER_ISPRS = LayerSpec(LayerId("landcover_isprs"), LayerKind.LABELS, "land cover (ISPRS)", classes=ISPRS)
CHANGE_MASK = LayerSpec(LayerId("change"), LayerKind.MASK, "change", classes=guess.CHANGE)

OF_THE_FORMAT = {
    "pre_opt": PRE_IMAGE,
    "opt": IMAGE,
    "gt_ndsm": NDSM,
    "gt_ss_mask": LAND_COVER,
    "gt_cd_mask": CHANGE_MASK,
}
"""Folder, in lower case -> its layer. One of these is enough to recognise a subset."""

KNOWN = OF_THE_FORMAT | {
    "ndsm": NDSM,
    "dsm": DSM,
    "gt_dsm": DSM,
    "dtm": DTM,
    "gt_dtm": DTM,
    "dem": DEM,
    "gt_dem": DEM,
    "gt_ss_mask/dfc19": LAND_COVER_DFC19,
    "gt_ss_mask/isprs": LAND_COVER_ISPRS,
}
"""Key of a folder (see `_Folder`) -> its layer."""

SCHEMES = {
    ("dfc19_jax", "gt_ss_mask"): "gt_ss_mask/dfc19",
    ("dfc19_oma", "gt_ss_mask"): "gt_ss_mask/dfc19",
    ("vaihingen", "gt_ss_mask"): "gt_ss_mask/isprs",
    ("potsdam", "gt_ss_mask"): "gt_ss_mask/isprs",
}
"""(subset, folder), in lower case -> key of the folder where it is not its name."""


class SynRS3DAdapter(CataloguedAdapter):
    """SynRS3D's layout."""

    name = "synrs3d"
    title = "SynRS3D"
    expects = "folders opt/, gt_nDSM/, gt_ss_mask/, pre_opt/ or gt_cd_mask/, or a folder of such sub-datasets"

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: `root` or one of its sub-folders has a folder of the format."""
        top = look(self._tree, str(root))
        subsets = (top, *(look(self._tree, top.at(name)) for name in top.folders))
        subset = next(filter(_is_subset, subsets), None)
        if subset is None:
            return ""
        names = [f"{tile_name(name)}/" for name in subset.folders if name.lower() in OF_THE_FORMAT]
        return f"{', '.join(names)} in {tile_name(Path(subset.path).name)}"

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        top = look(self._tree, str(root))
        problems = [top.problem] if top.problem else []
        subsets = {"": top} if _is_subset(top) else _subsets_in(self._tree, top, problems)
        if not subsets:
            raise DatasetNotFoundError(f"No SynRS3D tiles under {place_name(root)}: expected {self.expects}.")
        folders = {group: _layer_folders(self._tree, subset, problems) for group, subset in subsets.items()}
        specs = _specs([folder for group in folders.values() for folder in group])
        layers = tuple(dict.fromkeys(specs.values()))
        groups = [Group(group, _sources(folders[group], specs)) for group in subsets]
        homes = subsets if "" in subsets else {"": top, **subsets}
        tiles = Catalogue(self._tree, groups)
        lists = self._lists(root, ((home, group) for group, home in homes.items()), tiles, problems)
        self._planned(root, Catalogue(self._tree, groups, lists.values()))
        return Dataset(
            format=self.name,
            title=tile_name(root.name or str(root)),
            root=root,
            layers=layers,
            lists=tuple(lists.values()),
            folders=(
                *(Path(home.path) for home in homes.values()),
                *(Path(folder.path) for group in folders.values() for folder in group),
                *lists,
            ),
            problems=tuple(problems),
            tree=self._tree,
        )


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of a subset that is a layer: `key`, its name without case or as in SCHEMES, is the same in all subsets."""

    key: str
    name: str
    path: str


def _is_subset(folder: Look) -> bool:
    return any(name.lower() in OF_THE_FORMAT for name in folder.folders)


def _subsets_in(tree: Tree, top: Look, problems: list[str]) -> dict[str, Look]:
    found = {name: look(tree, top.at(name)) for name in top.folders}
    problems += [subset.problem for subset in found.values() if subset.problem]
    return {name: subset for name, subset in found.items() if _is_subset(subset)}


def _layer_folders(tree: Tree, subset: Look, problems: list[str]) -> list[_Folder]:
    folders = []
    home = Path(subset.path).name.lower()
    # A broken link to a folder counts as a file: such a layer is there, and missing in every tile.
    for name in (*subset.folders, *subset.files):
        key = SCHEMES.get((home, name.lower()), name.lower())
        folder = _Folder(key, name, subset.at(name))
        if folder.key in KNOWN:
            problem = problem_with(tree, folder.path)
            problems += [problem] if problem else []
            folders.append(folder)
        elif name in subset.folders and holds(tree, folder.path, _suffixes(_kind(name))):
            folders.append(folder)
    return folders


def _specs(folders: Iterable[_Folder]) -> dict[str, LayerSpec]:
    """Key of a folder -> its layer, in display order: images, heights, labels, masks; the format's own first."""
    names = {folder.key: folder.name for folder in folders}
    specs = {key: KNOWN[key] for key in KNOWN if key in names}
    if "pre_opt" in specs and "opt" in specs:
        specs["opt"] = replace(IMAGE, date="post")
    taken = {spec.id for spec in KNOWN.values()}
    for key in sorted(names.keys() - specs.keys(), key=natural):
        name, kind = names[key], _kind(names[key])
        unit = guess.unit_of(name, kind)
        low, high = (LOWEST, 9000.0) if unit == "m" else (None, None)
        identity = guess.layer_id(name, taken)
        specs[key] = LayerSpec(identity, kind, guess.title_of(tile_name(name)), unit=unit, low=low, high=high)
        taken.add(identity)
    return dict(sorted(specs.items(), key=lambda item: guess.KINDS_IN_ORDER.index(item[1].kind)))


def _sources(folders: Iterable[_Folder], specs: Mapping[str, LayerSpec]) -> tuple[Source, ...]:
    order = list(specs)
    return tuple(
        Source(specs[folder.key].id, folder.path, _suffixes(specs[folder.key].kind))
        for folder in sorted(folders, key=lambda folder: order.index(folder.key))
    )


def _kind(name: str) -> LayerKind:
    return guess.kind_of(name) or LayerKind.OPTICAL


def _suffixes(kind: LayerKind) -> Mapping[str, int]:
    return TEXT_SUFFIXES if kind is LayerKind.TEXT else RASTER_SUFFIXES
