"""What a dataset format must be able to say. How the format of a folder is found: `data.detect`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerSpec, TileId


@dataclass(frozen=True, slots=True)
class TileEntry:
    """Where the files of one tile are. Made from names alone: no file was opened or stat-ed.

    Paths are plain strings (as `os.fsdecode` gives them, so a name that is not UTF-8 still opens): a dataset may have
    millions of them, and a `Path` costs ten times as much to make and to keep.

    Attributes:
        id: unique in the dataset.
        files: layer -> absolute path, only for files that were seen, in the dataset's display order.
        group: sub-dataset, area, city, scene; empty where the dataset has none.
        splits: names of the lists that name this tile, e.g. ("train", "train_10").
        missing: layers that the tile's group has a folder for, and the folder has no file of this tile.
        duplicates: further files that claim to be a layer of this tile (tile_3.tif beside tile_3.png).
    """

    id: TileId
    files: Mapping[LayerId, str]
    group: str = ""
    splits: tuple[str, ...] = ()
    missing: tuple[LayerId, ...] = ()
    duplicates: tuple[str, ...] = ()


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
        problems: what was found wrong while opening, one sentence each, to be shown as it is.
    """

    format: str
    title: str
    root: Path
    layers: tuple[LayerSpec, ...]
    lists: tuple[SplitList, ...] = ()
    folders: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()

    def layer(self, layer: LayerId) -> LayerSpec:
        """The description of one layer. Raises KeyError where the dataset has no such layer."""
        for spec in self.layers:
            if spec.id == layer:
                return spec
        raise KeyError(layer)


class DatasetAdapter(Protocol):
    """One dataset format. Names only, never pixels (those come from `data.raster`, the same for every format).

    One object serves one open dataset: `describe` looks once and remembers where things are for `scan` and
    `tile_of_line`. `data.detect` makes them.
    """

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
        """Every tile, group by group, in the natural order of names, including tiles that only a list knows (no files).

        Lists each folder once and touches no file in it. Yields a group as soon as that group's folders are listed.
        """

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """The tile that a line of `split` names, whether it has files or not. After `describe`.

        `split` is one of the dataset's lists and `text` the text of one of its lines, not blank. A line that differs
        from a file's name only by a suffix, leading folders, case or Unicode form names that file's tile.
        """
