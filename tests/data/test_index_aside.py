"""Indexes that nobody else uses: of a second, read-only window."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data import index as index_module
from rsviewer.data import indexaside
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import TileIndex
from rsviewer.data.indexaside import PREFIX, Aside, sweep


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class Three:
    """A dataset of three tiles."""

    name = title = expects = "three"

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        for name in "abc":
            yield TileEntry(TileId(name), {LayerId("opt"): f"{dataset.root}/{name}.tif"})


def opened(root: Path) -> TileIndex:
    root.mkdir(exist_ok=True)
    layers = (LayerSpec(LayerId("opt"), LayerKind.OPTICAL, "image"),)
    index = TileIndex.open(None, Dataset("three", "three", root, layers, folders=(root,)), Three())  # type: ignore[arg-type]
    assert index.build()
    return index


@pytest.mark.parametrize("large", [-1, 1 << 60])
def test_an_index_of_its_own_works_whatever_its_size_and_leaves_nothing(
    large: int, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_LARGE", large)
    index = opened(tmp_path / "data")

    assert index.path is None
    assert [entry.id for entry in index.first_page()] == ["a", "b", "c"]
    assert np.array_equal(index.select("name = 'b'"), [1])
    assert any(path.suffix == ".duckdb" for path in temporary.rglob("*")) == (large < 0)
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o077 == 0

    index.close()
    assert list(temporary.iterdir()) == []


def test_without_room_for_temporary_files_it_is_in_memory(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    index = opened(tmp_path / "data")

    assert len(index) == 3
    index.close()


def test_what_a_crash_has_left_goes_with_the_next_start(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = temporary / f"{PREFIX}left"
    left.mkdir()
    (left / "index.duckdb").write_bytes(b"x")
    (left / "lock").write_bytes(b"")
    others = [temporary / "someone-elses", temporary / f"{PREFIX}young"]
    for folder in others:
        folder.mkdir()
    (temporary / f"{PREFIX}link").symlink_to(others[0])
    in_use = Aside()
    for folder in (left, in_use.folder, others[0]):
        os.utime(folder, (1, 1))

    sweep()

    assert not left.exists()
    assert {path.name for path in temporary.iterdir()} == {
        "someone-elses",
        f"{PREFIX}young",
        f"{PREFIX}link",
        in_use.folder.name,
    }
    in_use.close()
    monkeypatch.setattr(indexaside.tempfile, "tempdir", str(temporary / "gone"))
    sweep()
