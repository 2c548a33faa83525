"""What a dataset format must be able to say. How the format of a folder is found: `data.detect`."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.filters import ColumnType
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerSpec, TileId
from rsviewer.data.address import paths_in, text_in, with_paths
from rsviewer.data.tree import DISK, Tree


@dataclass(frozen=True, slots=True)
class Shot:
    """One of several images of a tile over time.

    Attributes:
        name: of the folder it lies in, as a part of the paths of its files ("S2A_MSIL1C_2016...", "2022-01").
        time: ISO 8601, as exactly as it is known ("2016-08-08T18:14:52+00:00", "2022-01"); empty where it is not.
        series: which images replace each other: the sensor, "sentinel2".
        good: whether the dataset calls it usable; None where it does not say.
    """

    name: str
    time: str
    series: str
    good: bool | None = None

    @property
    def when(self) -> datetime | None:
        """The time, in the middle of the month where that is all that is known; None where nobody knows."""
        try:
            found = datetime.fromisoformat(f"{self.time}-15" if len(self.time) == len("2022-01") else self.time)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TileEntry:
    """Where the files of one tile are. Made from names alone: no file was opened or stat-ed.

    Addresses are plain strings (as `os.fsdecode` gives them, so a name that is not UTF-8 still opens): a dataset may have
    millions of them, and a `Path` costs ten times as much to make and to keep. Most are paths; see `data.address`.

    Attributes:
        id: unique in the dataset.
        files: layer -> address, only for files that were seen, in the dataset's display order.
        group: sub-dataset, area, city, scene; empty where the dataset has none.
        splits: names of the lists that name this tile, e.g. ("train", "train_10").
        missing: layers that the tile's group has a folder for, and the folder has no file of this tile.
        duplicates: further files that claim to be a layer of this tile (tile_3.tif beside tile_3.png).
        facts: what the dataset says about it in numbers and words, by the names of `Dataset.facts`. None and absent: unknown.
        shots: its images over time, in the order of time; empty for a tile with one image.
        shot: the place in `shots` of the image that `files` shows; of the other series it is the nearest in time. Formats put
            the best image there.
        moment: names the image that `files` shows where it is another one than the format chose, or may be; see `at`.
    """

    id: TileId
    files: Mapping[LayerId, str]
    group: str = ""
    splits: tuple[str, ...] = ()
    missing: tuple[LayerId, ...] = ()
    duplicates: tuple[str, ...] = ()
    facts: Mapping[str, str | float | None] = field(default_factory=dict)
    shots: tuple[Shot, ...] = ()
    shot: int = 0
    moment: str = ""

    @property
    def has_files(self) -> bool:
        """False for a tile that only lists and tables know: a text that stands in a table is no file."""
        return any(text_in(address) is None for address in self.files.values())

    def shot_of(self, layer: LayerId) -> Shot | None:
        """Which of the tile's images a layer shows; None for labels, and for tiles with one image."""
        paths = paths_in(self.files.get(layer, "")) if self.shots else ()
        shots = {_part(shot): shot for shot in self.shots} if paths else {}
        part = _last_of(paths[0], shots) if paths else None
        return None if part is None else shots[part]

    def at(self, shot: int) -> "TileEntry":
        """The same tile with another of its images, and those of other series that are nearest to it in time.

        To be asked of the entry as the format has made it.
        """
        if shot == self.shot:
            return self
        chosen = self.shots[shot]
        instead: dict[str, str] = {}
        for series in {each.series for each in self.shots}:
            members = [each for each in self.shots if each.series == series]
            wanted = chosen if series == chosen.series else min(members, key=lambda each: _apart(each, chosen))
            instead |= {_part(each): _part(wanted) for each in members}
        files = {
            layer: with_paths(address, lambda path: _replaced(path, instead)) for layer, address in self.files.items()
        }
        return replace(self, files=files, shot=shot, moment=moment_of(chosen))


@dataclass(frozen=True, slots=True, eq=False)
class TileColumns:
    """Many tiles at once, for formats whose tiles come as a table: a `TileEntry` each would take minutes for millions.

    Arrays of the same length. Texts are arrays of objects (str); empty means that there is none.

    Attributes:
        tiles: their ids.
        files: layer -> addresses.
        groups: None where there are none.
        splits: names of lists joined by `SPLITS_BETWEEN`; None where no list names any.
        missing: ids of layers, joined likewise.
        facts: by the names of `Dataset.facts`: objects for words, float64 with NaN for unknown numbers.
    """

    tiles: NDArray[Any]
    files: Mapping[LayerId, NDArray[Any]]
    groups: NDArray[Any] | None = None
    splits: NDArray[Any] | None = None
    missing: NDArray[Any] | None = None
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def have_files(self) -> NDArray[np.bool_]:
        """See `TileEntry.has_files`."""
        found = np.zeros(len(self.tiles), bool)
        for column in self.files.values():
            found |= [address != "" and text_in(address) is None for address in column.tolist()]
        return found

    def at(self, rows: NDArray[Any] | slice) -> "TileColumns":
        """Some of the tiles."""
        return TileColumns(
            self.tiles[rows],
            {layer: column[rows] for layer, column in self.files.items()},
            None if self.groups is None else self.groups[rows],
            None if self.splits is None else self.splits[rows],
            None if self.missing is None else self.missing[rows],
            {name: column[rows] for name, column in self.facts.items()},
        )

    def entries(self) -> Iterator[TileEntry]:
        """The same tiles one by one."""
        texts = {layer: column.tolist() for layer, column in self.files.items()}
        facts = {name: column.tolist() for name, column in self.facts.items()}
        groups, splits, missing = (
            None if column is None else column.tolist() for column in (self.groups, self.splits, self.missing)
        )
        for row, tile in enumerate(self.tiles.tolist()):
            yield TileEntry(
                TileId(tile),
                {layer: column[row] for layer, column in texts.items() if column[row]},
                "" if groups is None else groups[row],
                () if splits is None else _taken_apart(splits[row]),
                () if missing is None else tuple(map(LayerId, _taken_apart(missing[row]))),
                facts={name: known for name, column in facts.items() if (known := _known(column[row])) is not None},
            )


SPLITS_BETWEEN = "\x1f"
"""Stands between the names in `TileColumns.splits` and `missing`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a dataset says about each of its tiles, for filters, sorting and the inspector.

    Attributes:
        name: a lower-case identifier that is no layer's and no column's of the index: "similarity".
        type: NUMBER or TEXT.
        title: in words, "CLIP similarity of image and caption".
    """

    name: str
    type: ColumnType
    title: str


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
        facts: what it says about each tile besides.
        why: what made us take it for this format, as a clause: "opt/ and gt_nDSM/ lie in grid_g05_mid_v1".
        tree: where names and bytes come from.
    """

    format: str
    title: str
    root: Path
    layers: tuple[LayerSpec, ...]
    lists: tuple[SplitList, ...] = ()
    folders: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    why: str = ""
    tree: Tree = field(default=DISK, compare=False)

    def layer(self, layer: LayerId) -> LayerSpec:
        """The description of one layer. Raises KeyError where the dataset has no such layer."""
        for spec in self.layers:
            if spec.id == layer:
                return spec
        raise KeyError(layer)


class DatasetAdapter(Protocol):
    """One dataset format. Names only, never pixels (those come from `data.content`, the same for every format).

    One object serves one open dataset: it is made with the tree that names and small files come from, `describe` looks
    once and remembers where things are for `scan` and `tile_of_line`. `data.detect` makes them.
    """

    name: str
    """Short, as typed after --format."""
    title: str
    """As shown to people."""
    expects: str
    """What the folder must look like, as a clause for error messages: "opt/*.tif, gt_nDSM/*.tif ..."."""

    def __init__(self, tree: Tree = DISK) -> None:
        """Looks at nothing yet."""

    def recognises(self, root: Path) -> str:
        """Why the names under `root` look like this format, as a clause; empty where they do not.

        Lists as few folders as it can, and of each no more than its first names: a folder may hold millions.
        """

    def describe(self, root: Path) -> Dataset:
        """Layers and split lists of the dataset under `root`. Raises DatasetNotFoundError where there is none.

        May read small files; takes no more than a second or two, whatever the dataset's size.
        """

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """Every tile, group by group, in the natural order of names, including tiles that only a list knows (no files).

        Lists each folder once and touches no file in it. Yields a group as soon as that group's folders are listed.
        A dataset that is a table has the order of its rows. Names come from `dataset.tree`, which may end it between two
        folders: see `tree.Stoppable`.
        """

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """The tile that a line of `split` names, whether it has files or not. After `describe`.

        `split` is one of the dataset's lists and `text` the text of one of its lines, not blank. A line that differs
        from a file's name only by a suffix, leading folders, case or Unicode form names that file's tile.
        """


@runtime_checkable
class TabularAdapter(Protocol):
    """An adapter whose tiles come as a table. `scan` gives the same tiles."""

    def scan_columns(self, dataset: Dataset) -> Iterator[TileColumns]:
        """Every tile, in the order of `scan`, some ten thousands at a time; the first batch soon."""


@runtime_checkable
class PreviewingAdapter(Protocol):
    """An adapter whose `scan` may have to list for long before it knows its first tile, and which can look some up."""

    def first_page(self, dataset: Dataset, most: int) -> list[TileEntry]:
        """Some of the first tiles that `scan` will give, in its order, in a second; none where `scan` is as fast.

        They are asked for by name. They are shown until everything is listed, and then may turn out to have more files, images
        and splits, and others before and between them. Those with several images say in `TileEntry.moment` which one they
        show: another may turn out to be the best.
        """


def moment_of(shot: Shot) -> str:
    """See `TileEntry.moment`."""
    return f"{shot.series}/{shot.name}"


def _part(shot: Shot) -> str:
    return f"{os.sep}{shot.name}{os.sep}"


def _replaced(path: str, instead: Mapping[str, str]) -> str:
    """A path with another folder of images. The last one that is like one of them is it: the dataset may lie anywhere."""
    part = _last_of(path, instead)
    if part is None:
        return path
    before, _, after = path.rpartition(part)
    return before + instead[part] + after


def _last_of(path: str, parts: Iterable[str]) -> str | None:
    """The part that stands last in a path; None where there is none of them."""
    return max(((place, part) for part in parts if (place := path.rfind(part)) >= 0), default=(-1, None))[1]


def _apart(one: Shot, other: Shot) -> float:
    """Days between two images; infinite where nobody knows when they were taken."""
    first, second = one.when, other.when
    return abs((first - second).total_seconds()) / 86_400 if first and second else float("inf")


def _taken_apart(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(SPLITS_BETWEEN)) if joined else ()


def _known(value: str | float) -> str | float | None:
    return None if value == "" or value != value else value  # noqa: PLR0124 - NaN is not itself
