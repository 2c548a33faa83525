"""Trees: what is told to stop gives nothing any more."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rsviewer.core.errors import StoppedError
from rsviewer.data.tree import DISK, Stoppable, Tree, check


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree, root: tree.names(root),
        lambda tree, root: tree.scan(root).__enter__(),
        lambda tree, root: tree.is_file(root),
        lambda tree, root: tree.is_folder(root),
        lambda tree, root: tree.read(root, 9),
        lambda tree, root: tree.place(root),
        lambda tree, root: tree.stamp(root),
        lambda tree, _: check(tree),
    ],
)
def test_nothing_is_had_of_a_tree_that_was_stopped(ask: Callable[[Tree, str], object], tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        ask(Stoppable(DISK, lambda: True), str(tmp_path))


def test_until_it_is_stopped_a_tree_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"123")
    tree, root, file = Stoppable(DISK, lambda: False), str(tmp_path), str(tmp_path / "one")
    check(tree)
    check(DISK)
    assert tree.names(root) == ["one"]
    with tree.scan(root) as names:
        assert [name.name for name in names] == ["one"]
    assert (tree.is_file(file), tree.is_folder(root), tree.read(file, 2)) == (True, True, b"12")
    assert tree.place(file) == DISK.place(file)
    assert tree.stamp(file) == DISK.stamp(file)
