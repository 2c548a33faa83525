"""Split lists on disk: which text files of a folder are lists, and reading them.

A text file is taken for a list where
  - its name says so ("train", "test_syn_1", "JK-train", "select_train": one of SPLIT_WORDS between separators) and at
    least half of its lines look like names, not like prose, or name tiles; an empty one is a list, too; or
  - at least half of its lines name tiles that have files.
README.txt, licences and class names are neither.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from rsviewer.core.splits import ListForm, SplitList, parse_list
from rsviewer.data.catalogue import natural, tile_name
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

_SAMPLED_LINES = 400
_LONGEST_NAME = 1024


def read_split_list(
    tree: Tree, path: Path, root: Path, group: str, form: ListForm = ListForm.LINES, column: str = ""
) -> SplitList:
    """Reads one list. Raises OSError where the file cannot be read.

    Args:
        tree: where the file is.
        path: the file.
        root: of the dataset; the list remembers where under it the file lies.
        group: name of the group whose tiles it names, empty for a list over the whole dataset.
        form: how it is written down.
        column: of a CSV, the one that names the tile.
    """
    if form is not ListForm.LINES:
        raise NotImplementedError(column)
    raw = tree.read(str(path), MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise OSError(None, "it is too large for a list of tiles", str(path))
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    return parse_list(raw, name=tile_name(path.stem), path=tile_name(below.as_posix()), group=tile_name(group))


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
            problems.append(f"The list {tile_name(str(path))} cannot be read: {error.strerror}.")
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
