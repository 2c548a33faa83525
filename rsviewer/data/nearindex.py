"""An approximate index over the features of millions of tiles: graphs (HNSW, Malkov and Yashunin 2020), made by usearch.

Beside the tables of `embeddings`, a file for each so many rows:

    near-000003-<stamp>.usearch    rows 3 * SEGMENT and the SEGMENT - 1 that follow; the numbers of rows are the keys

Rows never change, so that a file is right for ever, and what is added needs only further files. The rows behind the last whole
segment are few enough to be looked at one by one. The stamp is of the form of these files, the folder (which names model and
weights), the rows, and what some of them hold: a file with another stamp is of another table, and goes away.

A file may come from a stranger, and usearch follows the numbers in a file wherever they lead. So all of them are looked at
before, once: sizes, kinds, and where each node of the graph leads to. The vectors may be anything: what the index finds is only
a proposal, and its cosines are computed from the tables.
"""

import hashlib
import importlib
import logging
import math
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError, SaveError
from rsviewer.core.tile import printable
from rsviewer.data.saving import PARTIAL, saving

log = logging.getLogger(__name__)

SEGMENT = 1 << 18
"""Rows of a file: what a stop loses at most, and what must fit into memory while its graph is made, 0.4 GB.

1.2 million rows of 512 numbers took 52 minutes on one of two busy cores, and 1.4 GB on the disk; a search then finds 99.8 % of
the best 500 in 0.4 s instead of 1.5 s."""
CONNECTIVITY = 32
"""Neighbours of a node. With 16, up to 6 of 100 more were missed at equal expansion."""
EXPANSION_ADD = 128
EXPANSION = 6
"""So many times as many nodes are followed as are wanted. Of 500 in one segment, 4 times found 97.8 % of what is like no tile
that is there, as the features of texts are, 2 times 91.5 %, and 6 times 99.3 %, of what is like one 99.9 %, in a tenth of the
time that looking at all of them takes (made-up clusters, 512 numbers)."""
MOST_WANTED = 2_000
"""Of a segment. More are found quicker by looking at all of its rows."""
INSTALL = 'pip install "rsviewer[models]" brings usearch'

_FORM = 1
_NAME = re.compile(r"near-(\d{6})-[0-9a-f]{16}\.usearch")
_SAMPLED = 32
_STEP = 1_024
"""Rows that are added at once: a second, after which it can be stopped."""
_LEFT_BEHIND = 3600.0
"""Seconds: a file of which nothing was written for so long is nobody's any more."""
_CHECKED = 8_192
_MOST_LEVELS = 32
_HEAD = np.dtype(
    [
        ("magic", "S7"),
        ("version", "<u2", (3,)),
        ("kinds", "u1", (4,)),
        ("count", "<u8"),
        ("deleted", "<u8"),
        ("features", "<u8"),
        ("multi", "u1"),
        ("rest", "V22"),
    ]
)
_KINDS = (ord("c"), 12, 14, 15)
"""Cosine; float16; keys of 64 bits; places of nodes of 32 bits."""
_GRAPH = np.dtype([("count", "<u8"), ("upper", "<u8"), ("lower", "<u8"), ("level", "<u8"), ("entry", "<u8")])

Tell = Callable[[int, int], None]


class NearIndex:
    """The index of one folder of embeddings. From any thread.

    Args:
        folder: of the tables.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._opened: dict[Path, Any] = {}
        self._faulty: set[Path] = set()

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    @property
    def faults(self) -> tuple[str, ...]:
        """Files that are no index of these tables, however they are called."""
        with self._guard:
            return tuple(sorted(printable(path.name) for path in self._faulty))

    def is_whole(self, rows: NDArray[np.float16]) -> bool:
        """Whether there is a file for every whole segment that a search could use."""
        paths = [self._path(rows, number) for number in range(len(rows) // SEGMENT)]
        return all(path not in self._faulty and _is_file(path) for path in paths)

    def candidates(
        self, query: NDArray[np.floating], rows: NDArray[np.float16], alive: NDArray[np.bool_], count: int
    ) -> NDArray[np.intp] | None:
        """The rows among which the nearest ones are, most probably; ascending.

        Args:
            query: (n,) of length 1.
            rows: (rows, n) of the table.
            alive: (rows,) those that are looked for.
            count: how many are looked for.

        Returns:
            Those that the index proposes, and all that are in no file; None where there is no file at all, or no usearch.
        """
        found, is_used = [], False
        for number in range(math.ceil(len(rows) / SEGMENT)):
            part = slice(number * SEGMENT, min((number + 1) * SEGMENT, len(rows)))
            here = np.flatnonzero(alive[part]) + part.start
            wanted = math.ceil(count * (part.stop - part.start) / max(len(here), 1))
            graph = None
            if len(here) > wanted and wanted <= MOST_WANTED and part.stop - part.start == SEGMENT:
                graph = self._graph(rows, number)
            proposed = None if graph is None else self._proposed(graph, query, wanted)
            if proposed is not None:
                is_used = True
                here = np.unique(proposed[(proposed >= part.start) & (proposed < part.stop)]).astype(np.intp)
                here = here[alive[here]]
            found.append(here)
        return np.concatenate(found) if is_used else None

    def build(self, rows: NDArray[np.float16], tell: Tell) -> None:
        """Makes the files that are missing, and takes those away that are of no use.

        Args:
            rows: (rows, n) of the table.
            tell: called with the rows that are done and how many there are. Who raises from it stops the work.

        Raises:
            ModelError: usearch is not installed.
            SaveError: there is no room or permission.
        """
        whole = len(rows) // SEGMENT
        paths = [self._path(rows, number) for number in range(whole)]
        try:
            self._tidy(set(paths))
        except OSError as error:
            raise self._refusal(error) from error
        for number, path in enumerate(paths):
            tell(number * SEGMENT, whole * SEGMENT)
            if self._graph(rows, number) is None:
                self._build_one(rows, number, path, lambda done: tell(done, whole * SEGMENT))
        tell(whole * SEGMENT, whole * SEGMENT)

    def _path(self, rows: NDArray[np.float16], number: int) -> Path:
        start = number * SEGMENT
        places = np.unique(np.linspace(start, start + SEGMENT - 1, _SAMPLED).astype(int))
        said = repr((_FORM, self._folder.name, start, SEGMENT, rows.shape[1])).encode("utf-8", "surrogateescape")
        stamp = hashlib.sha256(said + np.ascontiguousarray(rows[places]).tobytes()).hexdigest()[:16]
        return self._folder / f"near-{number:06d}-{stamp}.usearch"

    def _graph(self, rows: NDArray[np.float16], number: int) -> Any:
        """The graph of a segment, mapped from its file; None where there is none that can be used."""
        path = self._path(rows, number)
        with self._guard:
            if path in self._opened or path in self._faulty or not _is_file(path):
                return self._opened.get(path)
            try:
                graph = _index(rows.shape[1])
                check_file(path, rows.shape[1], number * SEGMENT, SEGMENT)
                graph.view(path)
            except (ModelError, OSError, RuntimeError, ValueError) as error:
                log.info("%s is not used: %s", printable(path.name), error)
                if is_installed():
                    self._faulty.add(path)
                return None
            self._opened[path] = graph
            return graph

    def _proposed(self, graph: Any, query: NDArray[np.floating], wanted: int) -> NDArray[np.int64] | None:
        with self._guard:
            graph.expansion_search = EXPANSION * wanted
            try:
                keys = graph.search(np.asarray(query, np.float16), wanted, threads=1).keys
            except (RuntimeError, ValueError, MemoryError) as error:
                log.info("A part of the index is not used: %s", error)
                return None
        return np.asarray(keys).astype(np.int64)

    def _build_one(self, rows: NDArray[np.float16], number: int, path: Path, tell: Callable[[int], None]) -> None:
        start = number * SEGMENT
        graph = _index(rows.shape[1])
        for first in range(start, start + SEGMENT, _STEP):
            tell(first)
            block = np.asarray(rows[first : min(first + _STEP, start + SEGMENT)])
            good = np.isfinite(block).all(axis=1)  # distances to what is no number are none
            if good.any():
                keys = np.flatnonzero(good).astype(np.uint64) + np.uint64(first)
                try:
                    graph.add(keys, np.ascontiguousarray(block[good]), threads=max(1, (os.cpu_count() or 1) // 2))
                except (RuntimeError, MemoryError) as error:
                    raise ModelError(
                        "There is not enough memory to make an index of the tiles: searches look at every one."
                    ) from error
        with saving(path, overwrite=True) as partial:
            try:
                graph.save(partial)
            except RuntimeError as error:
                raise self._refusal(error) from error
        with self._guard:
            self._faulty.discard(path)

    def _tidy(self, right: set[Path]) -> None:
        """Takes files away that are of other rows, those that are no index, and what was begun when a process was ended."""
        with self._guard:
            found = list(self._folder.iterdir())
            named = {path for path in found if _NAME.fullmatch(path.name)}
            begun = {path for path in found if PARTIAL.fullmatch(path.name) and _is_left_behind(path)}
            # A project may come from a stranger: what a link leads to is not to be written over.
            links = {path for path in named if path.is_symlink()}
            for path in (named - right) | links | begun | self._faulty:
                self._opened.pop(path, None)
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:  # its place is taken by the right one, or it is passed over
                    log.info("Cannot remove %s: %s", printable(path.name), error)
            self._faulty.clear()

    def _refusal(self, error: Exception) -> SaveError:
        return SaveError(
            f"{printable(str(self._folder))} cannot be written ({error}). Make room or give permission there."
        )


def is_installed() -> bool:
    """Whether usearch can be used here."""
    return _usearch() is not None


def check_file(path: Path, features: int, first: int, most: int) -> None:
    """Looks at all of a file that usearch would follow without looking.

    Args:
        path: of the file.
        features: that its vectors must have.
        first: the least key.
        most: keys, and nodes, at most.

    Raises:
        ModelError: it is cut short, of other kinds or sizes, or leads out of itself.
    """
    size = path.stat().st_size
    words = np.memmap(path, "<u2", mode="r") if size and size % 2 == 0 else np.zeros(0, "<u2")
    place = 0

    def take(kind: np.dtype[Any]) -> Any:
        nonlocal place
        taken = words[place : place + kind.itemsize // 2]
        place += kind.itemsize // 2
        if taken.nbytes != kind.itemsize:
            raise ModelError("The file is cut short.")
        return np.frombuffer(taken.tobytes(), kind)[0]

    count, nbytes = (int(number) for number in take(np.dtype("(2,)<u4")))
    if not 0 < count <= most or nbytes != 2 * features:
        raise ModelError("The file holds other vectors.")
    place += count * nbytes // 2
    head = take(_HEAD)
    said = (head["magic"], head["version"][0], tuple(head["kinds"]))
    counted = (head["count"], head["deleted"], head["features"], head["multi"])
    if said != (b"usearch", 2, _KINDS) or counted != (count, 0, features, 0):
        raise ModelError("The file is of another kind.")
    graph = take(_GRAPH)
    upper, lower = int(graph["upper"]), int(graph["lower"])
    if (int(graph["count"]), upper, lower) != (count, CONNECTIVITY, 2 * CONNECTIVITY):
        raise ModelError("The file holds another graph.")
    levels = words[place : place + count].view("<i2").astype(np.int64)
    if len(levels) != count or levels.min() < 0 or levels.max() > _MOST_LEVELS:
        raise ModelError("The file holds levels that cannot be.")
    if int(graph["entry"]) >= count or not int(graph["level"]) == levels.max() == levels[int(graph["entry"])]:
        raise ModelError("The graph of the file begins nowhere.")
    # A node: key (8 bytes), level (2), then for each level the number of its neighbours (4) and as many places (4 each).
    sizes = 5 + 2 + 2 * lower + levels * (2 + 2 * upper)
    starts = place + count + np.cumsum(sizes) - sizes
    if starts[-1] + sizes[-1] != len(words):
        raise ModelError("The graph of the file has another size.")
    for begin in range(0, count, _CHECKED):
        nodes = np.arange(begin, min(begin + _CHECKED, count))
        own = _gathered(words, starts[nodes], 5)
        keys = own[:, :4].copy().view("<u8")[:, 0]
        if (keys < first).any() or (keys >= first + most).any() or (own[:, 4] != levels[nodes]).any():
            raise ModelError("The file holds nodes that cannot be.")
        for level in range(int(levels[nodes].max()) + 1):
            there = nodes[levels[nodes] >= level]
            room = upper if level else lower
            at = starts[there] + 5 + (2 + 2 * lower) * (level > 0) + (2 + 2 * upper) * max(level - 1, 0)
            table = _gathered(words, at, 2 + 2 * room).view("<u4")
            used = np.arange(room) < table[:, :1]
            to = table[:, 1:][used]
            if (table[:, 0] > room).any() or (to >= count).any() or (levels[to] < level).any():
                raise ModelError("The graph of the file leads out of it.")


def _gathered(words: NDArray[np.uint16], starts: NDArray[np.int64], length: int) -> NDArray[np.uint16]:
    """(starts, length) pieces of the file."""
    found: NDArray[np.uint16] = np.ascontiguousarray(words[starts[:, None] + np.arange(length)])
    return found


def _is_file(path: Path) -> bool:
    """A file of its own: not a link to another one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_left_behind(path: Path) -> bool:
    try:
        return path.lstat().st_mtime < time.time() - _LEFT_BEHIND
    except OSError:
        return False


def _usearch() -> Any:
    try:
        return importlib.import_module("usearch.index")
    except (ImportError, OSError, RuntimeError) as error:
        log.debug("usearch cannot be used: %s", error)
        return None


def _index(features: int) -> Any:
    """An empty graph. Raises ModelError where usearch is not installed."""
    usearch = _usearch()
    if usearch is None:
        raise ModelError(f"An index needs usearch, which is not installed: {INSTALL}.")
    return usearch.Index(
        ndim=features,
        metric="cos",
        dtype="f16",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        enable_key_lookups=False,
    )
