"""What a dataset format must be able to say, and how the format of a folder is found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerSpec, TileId


@dataclass(frozen=True, slots=True)
class TileEntry:
    """Where the files of one tile are. Made from names alone: no file was opened or stat-ed.

    Attributes:
        id: unique in the dataset.
        files: layer -> absolute path, only for files that were seen.
        group: sub-dataset, area, city, scene; empty where the dataset has none.
        splits: names of the lists that name this tile, e.g. ("train", "train_10").
        missing: layers that other tiles of the group have and this one has not.
        duplicates: further files that claim to be a layer of this tile (tile_3.tif beside tile_3.png).
    """

    id: TileId
    files: Mapping[LayerId, Path]
    group: str = ""
    splits: tuple[str, ...] = ()
    missing: tuple[LayerId, ...] = ()
    duplicates: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A recognised folder.

    Attributes:
        format: name of the adapter that recognised it.
        title: for window titles: the folder's name, or the dataset's.
        root: absolute.
        layers: all layers any tile may have, in display order.
        lists: its split lists, as read.
        folders: the folders (and list files) whose modification times tell whether an index is still true.
        tile_of: for each list, by its name: line text -> tile. See `DatasetAdapter.tile_of_line`.
    """

    format: str
    title: str
    root: Path
    layers: tuple[LayerSpec, ...]
    lists: tuple[SplitList, ...] = ()
    folders: tuple[Path, ...] = ()

    def layer(self, layer: LayerId) -> LayerSpec:
        """The description of one layer. Raises KeyError where the dataset has no such layer."""
        for spec in self.layers:
            if spec.id == layer:
                return spec
        raise KeyError(layer)


class DatasetAdapter(Protocol):
    """One dataset format. Stateless; names only, never pixels (those come from `data.raster`, the same for every format)."""

    name: str
    """Short, as typed after --format."""
    title: str
    """As shown to people."""
    expects: str
    """What the folder must look like, as a clause for error messages: "opt/*.tif, gt_nDSM/*.tif ..."."""

    def recognises(self, root: Path) -> bool:
        """True where the names under `root` look like this format. Lists as few folders as it can."""

    def describe(self, root: Path) -> Dataset:
        """Layers and split lists of the dataset under `root`. Raises DatasetNotFoundError where there is none."""

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """Every tile, sorted, including tiles that only a list knows (with no files)."""

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """The tile that a line of `split` names."""
