"""Split lists on disk: which text files of a folder are lists, and reading them.

A text file is taken for a list where
  - its name says so ("train", "test_syn_1", "JK-train", "select_train": one of SPLIT_WORDS between separators) and at
    least half of its lines look like names, not like prose, or name tiles; an empty one is a list, too; or
  - at least half of its lines name tiles that have files.
README.txt, licences and class names are neither.
"""

import codecs
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from rsviewer.core.errors import ExportError
from rsviewer.core.rows import Content, InMemory, csv_rows
from rsviewer.core.splits import ListForm, SplitList, column_of_csv, parse_json_list, parse_list
from rsviewer.data.catalogue import natural, place_name, tile_name
from rsviewer.data.tree import Tree

SPLIT_WORDS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "trainval", "total", "all", "dev", "demo"}
    | {"eval", "select", "selected", "split", "splits", "holdout", "subset", "fold", "list", "sample", "samples"}
    | {"pretrain", "finetune", "labeled", "unlabeled"}
)

MAX_BYTES = 256 * 1024 * 1024
"""A list of ten million tiles. What is larger is something else."""

MAX_UNNAMED = 50
"""So many text files whose name promises nothing are looked into; a folder of captions holds thousands of them."""

_HEADER_BYTES = 64 * 1024
_SAMPLED_LINES = 400
_LONGEST_NAME = 1024
_LONGEST_REASON = 300


def read_split_list(
    tree: Tree,
    path: Path,
    root: Path,
    group: str,
    form: ListForm = ListForm.LINES,
    column: str = "",
    *,
    strict: bool = False,
) -> SplitList:
    """Reads one list; of a CSV only the header until its lines are asked for. Raises OSError where the file cannot be read.

    What is wrong is the error's `strerror`, as a clause: "it has no column 'filepath', but a, b".

    Args:
        tree: where the file is.
        path: the file.
        root: of the dataset; the list remembers where under it the file lies.
        group: name of the group whose tiles it names, empty for a list over the whole dataset.
        form: how it is written down.
        column: of a CSV, the one that names the tile.
        strict: of a CSV, refuses rows that another reader may take apart in another way; see `rows.csv_rows`.
    """
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    name, shown, group = tile_name(path.stem), tile_name(below.as_posix()), tile_name(group)
    try:
        if form is ListForm.CSV:
            return _table(tree, path, column, SplitList(name, shown, group, ()), strict=strict)
        raw = tree.read(str(path), MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise OSError(None, "it is too large for a list of tiles", str(path))
        if form is ListForm.JSON:
            return parse_json_list(raw, name=name, path=shown, group=group)
    except ValueError as error:
        raise OSError(None, str(error)[:_LONGEST_REASON], str(path)) from error
    return parse_list(raw, name=name, path=shown, group=group)


class OnDisk:
    """The bytes of a file that is read in pieces; see `rows.Content`. No file is held open."""

    def __init__(self, tree: Tree, path: str) -> None:
        """Asks where they are. Raises OSError."""
        self._tree, self._path = tree, path
        self._place = tree.place(path)
        self._stamp = tree.stamp(path)
        size = self._stamp[1] if self._place.size is None else self._place.size
        self._size = size if self._place.content is None else len(self._place.content)

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        """See `rows.Content.read`. Raises ExportError where the file is not what it was."""
        if self._place.content is not None:
            return self._place.content[start:stop]
        stop = min(stop, self._size)
        try:
            with Path(self._place.path).open("rb") as file:
                file.seek(self._place.offset + start)
                raw = file.read(stop - start)
            if len(raw) == stop - start and self._tree.stamp(self._path) == self._stamp:
                return raw
            reason = "it was changed meanwhile"
        except OSError as error:
            reason = error.strerror or str(error)
        raise ExportError(
            f"The list {tile_name(self._path)} cannot be read any more: {reason}. Open the dataset again."
        )


def _table(tree: Tree, path: Path, column: str, empty: SplitList, *, strict: bool) -> SplitList:
    """A list that is a column of a table. Only the header is read now: there may be millions of rows."""
    first = tree.read(str(path), _HEADER_BYTES)
    place = column_of_csv(first, column)
    mark = codecs.BOM_UTF8 if first.startswith(codecs.BOM_UTF8) else b""
    refusal = (
        f"The table {empty.path} has a quotation mark that begins a field and does not end it: where its rows end cannot be "
        "known for certain, so it is not cleaned. Mend it there, and open the dataset again."
    )
    rows = csv_rows(partial(_content, tree, str(path)), len(mark), place, refusal if strict else "")
    return replace(empty, lines=rows, mark=mark, form=ListForm.CSV)


def _content(tree: Tree, path: str) -> Content:
    shown = tile_name(path)
    try:
        if not tree.place(path).remote:
            return OnDisk(tree, path)
        raw = tree.read(path, MAX_BYTES + 1)
    except OSError as error:
        raise ExportError(f"The list {shown} cannot be read any more: {error.strerror}.") from error
    if len(raw) > MAX_BYTES:
        raise ExportError(
            f"The list {shown} is too large for a list that is not on a disk. Copy the dataset to a disk."
        )
    return InMemory(raw)


def find_lists(
    tree: Tree,
    files: Iterable[str],
    root: Path,
    group: str,
    names_tile: Callable[[str], bool],
    problems: list[str],
) -> dict[Path, SplitList]:
    """The lists among the text files `files` (paths), in natural order, by path.

    Args:
        tree: where the files are.
        files: those that do not end with .txt are passed over.
        root: of the dataset.
        group: see `read_split_list`.
        names_tile: whether the text of a line names a tile that has files; asked where the text alone is not enough.
        problems: gets a sentence for each file that cannot be read.
    """
    paths = [Path(path) for path in sorted(files, key=natural) if path.lower().endswith(".txt")]
    unnamed = [path for path in paths if not is_split_name(path.stem)][:MAX_UNNAMED]
    lists: dict[Path, SplitList] = {}
    for path in paths:
        named = is_split_name(path.stem)
        if not (named or path in unnamed) or not tree.is_file(str(path)):  # a folder, or a pipe that would never end
            continue
        try:
            split = read_split_list(tree, path, root, group)
        except OSError as error:
            problems.append(f"The list {place_name(path)} cannot be read: {error.strerror}.")
            continue
        lines = [line.text for line in split.lines[:_SAMPLED_LINES] if line.text]
        right = sum((named and _looks_like_name(line)) or names_tile(line) for line in lines)
        if (named or lines) and 2 * right >= len(lines):
            lists[path] = split
    return lists


def is_split_name(stem: str) -> bool:
    """True where a file name promises a list: "train_10", "JK-train", "test.syn"."""
    return any(word in SPLIT_WORDS for word in re.split(r"[^a-z]+", stem.lower()))


def _looks_like_name(text: str) -> bool:
    if len(text) > _LONGEST_NAME or "\0" in text:
        return False
    columns = text.split()
    return len(columns) == 1 or all("." in column or "/" in column for column in columns)
