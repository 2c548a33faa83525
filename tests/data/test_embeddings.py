"""Features of tiles outlive any interruption, and are read as they were written."""

from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.nearest import nearest
from rsviewer.core.tile import TileId
from rsviewer.data.embeddings import IMAGES, LINES, SHAPE, EmbeddingStore

A, B, C = (TileId(name) for name in ("a/1", "b\n2", "c\udcfc"))


def row(place: int) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[place]


def filled(folder: Path) -> None:
    with EmbeddingStore(folder) as store:
        store.add(A, row(0), "a river", row(1))
        store.add(B, row(1))
        store.add(C, row(2), "a river", row(1))


def test_rows_come_back_in_order_under_their_names(tmp_path: Path) -> None:
    filled(tmp_path / "new")
    store = EmbeddingStore(tmp_path / "new")
    found = store.read()
    assert found is not None
    assert list(found.tiles) == [A, B, C]
    assert found.images.dtype == np.float16
    assert (found.images == np.eye(4)[:3]).all()
    assert (found.texts == [row(1), np.zeros(4), row(1)]).all()
    assert found.captions[0] == found.captions[2] != found.captions[1] == ""
    assert store.has(B)
    assert not store.has(TileId("d"))


def test_nothing_is_nothing(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "none")
    assert store.read() is None
    assert not store.has(A)


@pytest.mark.parametrize("cut", [(IMAGES, 3), (LINES, 4), (LINES, 1)])
def test_what_was_cut_short_is_passed_over_and_written_anew(tmp_path: Path, cut: tuple[str, int]) -> None:
    filled(tmp_path)
    path = tmp_path / cut[0]
    path.write_bytes(path.read_bytes()[: -cut[1]])
    found = EmbeddingStore(tmp_path).read()
    assert found is not None
    assert list(found.tiles) == [A, B]
    with EmbeddingStore(tmp_path) as store:
        assert not store.has(C)
        store.add(C, row(3))
        assert store.has(C)
    again = EmbeddingStore(tmp_path).read()
    assert again is not None
    assert list(again.tiles) == [A, B, C]
    assert (again.images[2] == row(3)).all()
    assert (again.texts[2] == 0).all()


def test_the_last_row_of_a_tile_counts(tmp_path: Path) -> None:
    filled(tmp_path)
    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(3))
    found = EmbeddingStore(tmp_path).read()
    assert found is not None
    assert list(found.tiles) == [A, B, C]
    assert (found.images[0] == row(3)).all()


def test_files_of_strangers_are_no_table(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / SHAPE).write_text('{"features": -4}')
    assert EmbeddingStore(tmp_path).read() is None
    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(0))
        with pytest.raises(ValueError, match="features in a table"):
            store.add(B, np.zeros(5, np.float32))


def test_the_nearest_come_first_and_what_is_no_number_never() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(100_000, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[7] = np.nan
    rows[[11, 22, 33]] = row(2).repeat(2)[:8] / np.linalg.norm(row(2).repeat(2)[:8])
    places, cosines = nearest(rows[11], rows.astype(np.float16), 5)
    assert places[:3].tolist() == [11, 22, 33]
    exact = np.nan_to_num(rows @ rows[11], nan=-1)
    assert set(places.tolist()) == set(np.argsort(-exact, kind="stable")[:5].tolist())
    assert (np.diff(cosines) <= 0).all()
    assert len(nearest(rows[11], rows[:2], 5)[0]) == 2
    assert len(nearest(rows[11], rows[:0], 5)[0]) == 0
    assert 7 not in nearest(rows[11], rows[:20], 20)[0]
