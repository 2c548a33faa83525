"""Which tiles a command is about: by name, by list, by filter."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from rsviewer.cli.console import progress
from rsviewer.cli.open import queue_filter
from rsviewer.core.errors import RsviewerError
from rsviewer.core.review import Decision
from rsviewer.core.tile import TileId, printable
from rsviewer.data.access import near_names
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry

if TYPE_CHECKING:  # DuckDB is loaded where an index is used
    from rsviewer.data.index import TileIndex

SEARCHED = 20_000
"""So many names are compared with one that is not there."""

TileOption = Annotated[list[str] | None, typer.Option(metavar="ID", help="This tile. May be repeated.")]
SplitOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only tiles that this list names.")]
FilterOption = Annotated[
    str | None, typer.Option("--filter", metavar="EXPR", help='Only tiles that this keeps: "ndsm_max > 80".')
]


def named(dataset: Dataset, adapter: DatasetAdapter, names: Sequence[str]) -> list[TileEntry]:
    """The tiles of these names, each once. A name without its group will do where it is the only one.

    Raises RsviewerError where one is not there.
    """
    wanted = {printable(name): list[TileEntry]() for name in names}
    known: list[str] = []
    exact: dict[str, TileEntry] = {}
    for entry in _scan(dataset, adapter):
        if len(known) < SEARCHED:
            known.append(entry.id)
        if entry.id in wanted:
            exact[entry.id] = entry
        elif (short := entry.id.removeprefix(f"{entry.group}/")) in wanted:
            wanted[short].append(entry)
    found: dict[str, TileEntry] = {}
    for name, others in wanted.items():
        meant = exact.get(name) or (others[0] if len(others) == 1 else None)
        if meant is None:
            near = [other.id for other in others[:3]] or near_names(name, known)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise RsviewerError(f"There is no tile {name}.{hint} Nothing was written.")
        found[meant.id] = meant
    return list(found.values())


def listed(dataset: Dataset, adapter: DatasetAdapter, split: str | None) -> list[TileEntry]:
    """All tiles that have a file, or those of them that a list names. Raises RsviewerError where there is no such list."""
    return list(each_listed(dataset, adapter, split))


def each_listed(dataset: Dataset, adapter: DatasetAdapter, split: str | None) -> Iterator[TileEntry]:
    """One after the other: there may be millions. See `listed`."""
    _check_list(dataset, split)
    return (entry for entry in _scan(dataset, adapter) if entry.has_files and (split is None or split in entry.splits))


def filtered(dataset: Dataset, index: "TileIndex", project: Path | None, condition: str) -> list[TileEntry]:
    """The tiles with files that a filter keeps, as far as they are measured, scored and decided. Raises FilterError."""
    from rsviewer.cli.dataset import read_decisions

    index.load_reviews(read_decisions(dataset, project))
    return [entry for entry in index.entries(index.select(condition)) if entry.has_files]


def chosen_places(
    dataset: Dataset,
    adapter: DatasetAdapter,
    index: "TileIndex",
    decisions: Mapping[TileId, Decision],
    names: Sequence[str] | None,
    split: str | None,
    condition: str | None,
) -> NDArray[np.integer]:
    """The places in the index of the tiles that are meant, in the order of the dataset; all where nothing is said.

    Nothing is made for each of them, so there may be millions. Raises RsviewerError.
    """
    if names:
        found = index.ordinals_of(entry.id for entry in named(dataset, adapter, names))
        return np.sort(np.array(list(found.values()), np.int64))
    _check_list(dataset, split)
    index.load_reviews(decisions)
    return index.select(queue_filter(split, condition) or "")


def _check_list(dataset: Dataset, split: str | None) -> None:
    lists = sorted({each.name for each in dataset.lists})
    if split is not None and split not in lists:
        raise RsviewerError(f"There is no list {split}: this dataset has {', '.join(lists) or 'none'}.")


def _scan(dataset: Dataset, adapter: DatasetAdapter) -> Iterator[TileEntry]:
    with progress("Listing the tiles") as report:
        for number, entry in enumerate(adapter.scan(dataset), start=1):
            yield entry
            if number % 1000 == 0:
                report(number, None)


def chosen_words(names: Sequence[str] | None, split: str | None, filter_text: str | None) -> str:
    """Which tiles, for people."""
    words = ["by name"] if names else []
    words += [f"list {split}"] if split is not None else []
    words += [f"filter {filter_text}"] if filter_text is not None else []
    return ", ".join(words)
