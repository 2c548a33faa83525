"""Features of tiles outlive any interruption, and are read as they were written."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core import nearest as exact
from rsviewer.core.errors import SaveError, StoppedError
from rsviewer.core.nearest import nearest
from rsviewer.core.tile import TileId
from rsviewer.data import embeddings
from rsviewer.data.embeddings import IMAGES, LINES, SHAPE, TEXTS, EmbeddingStore

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
    assert found.captions[0] == found.captions[2] != found.captions[1] == 0
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
    reader = EmbeddingStore(tmp_path)
    assert reader.read() is not None
    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(3))
    for one in (EmbeddingStore(tmp_path), reader):
        found = one.read()
        assert found is not None
        assert list(found.tiles) == [A, B, C]
        assert found.rows.tolist() == [3, 1, 2]
        assert (found.images[found.rows[0]] == row(3)).all()


def test_what_is_read_again_is_what_is_there_even_when_the_table_is_another(tmp_path: Path) -> None:
    filled(tmp_path)
    reader = EmbeddingStore(tmp_path)
    assert reader.read() is not None
    for name in (IMAGES, LINES):
        (tmp_path / name).write_bytes(b"")
    assert reader.read() is None
    filled(tmp_path)
    found = reader.read()
    assert found is not None
    assert list(found.tiles) == [A, B, C]


def test_what_is_kept_of_a_tile_is_that_of_the_files_as_they_are(tmp_path: Path) -> None:
    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(0), "a river", row(1), state="before")
        store.add(B, row(1), state="")
        kept = store.kept(A, "before", "a river")
        assert kept is not None
        assert (kept.features == row(0)).all()
        assert kept.caption_features is not None
        assert (kept.caption_features == row(1)).all()
        other = store.kept(A, "before", "a lake")
        assert other is not None
        assert other.caption_features is None
        assert store.kept(A, "after", "a river") is None
        assert store.kept(B, "") is None, "nobody knows of which files it is"
        store.add(A, row(2), state="after")
        again = store.kept(A, "after")
        assert again is not None
        assert (again.features == row(2)).all()
    assert EmbeddingStore(tmp_path / "none").kept(A, "before") is None


def test_lines_of_an_older_version_can_be_found_but_are_of_no_known_files(tmp_path: Path) -> None:
    filled(tmp_path)
    lines = (tmp_path / LINES).read_text().splitlines()
    (tmp_path / LINES).write_text("".join(f"{line.rpartition(',')[0]}]\n" for line in lines))
    store = EmbeddingStore(tmp_path)
    found = store.read()
    assert found is not None
    assert list(found.tiles) == [A, B, C]
    assert store.kept(A, "before") is None


def test_files_of_strangers_are_no_table(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / SHAPE).write_text('{"features": -4}')
    assert EmbeddingStore(tmp_path).read() is None
    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(0))
        with pytest.raises(ValueError, match="features in a table"):
            store.add(B, np.zeros(5, np.float32))


@pytest.mark.skipif(os.name == "nt", reason="there are no pipes with a name")
@pytest.mark.parametrize("name", [LINES, IMAGES, TEXTS])
def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert EmbeddingStore(tmp_path).read() is None


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_row_that_was_written_by_half_moves_no_other_one(
    tmp_path: Path, fault: BaseException, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A file that takes no more."""

        def __init__(self, file: object) -> None:
            self._file = file

        def write(self, part: bytes) -> None:
            self._file.write(part[:-1])  # type: ignore[attr-defined]  # a file
            raise fault

        def close(self) -> None:
            self._file.close()  # type: ignore[attr-defined]  # a file

    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(0))
        files = store._files
        assert files is not None
        spoilt = tuple(Full(file) if number == place else file for number, file in enumerate(files))
        monkeypatch.setattr(store, "_files", spoilt)
        with pytest.raises((SaveError, KeyboardInterrupt)):
            store.add(B, row(1))
        store.add(C, row(2))
        found = store.read()
        assert found is not None
        assert list(found.tiles) == [A, C]
        assert (found.images == np.eye(4)[[0, 2]]).all()


def test_how_wide_the_rows_are_is_written_once_and_never_by_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    before = (tmp_path / SHAPE).stat().st_mtime_ns
    with EmbeddingStore(tmp_path) as store:
        store.add(A, row(3))
    assert (tmp_path / SHAPE).stat().st_mtime_ns == before

    def stopped(path: Path, content: bytes) -> None:
        raise OSError("the power has gone")

    monkeypatch.setattr(embeddings, "write_atomically", stopped)
    with pytest.raises(SaveError):
        EmbeddingStore(tmp_path).add(B, np.ones(2, np.float32))
    found = EmbeddingStore(tmp_path).read()
    assert found is not None
    assert list(found.tiles) == [A, B, C], "nothing is thrown away before the new width is there"


def test_reading_very_many_names_can_be_stopped_and_holds_no_closing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "_LOOKED_AT", 1)
    filled(tmp_path)
    store = EmbeddingStore(tmp_path)
    closed = threading.Event()

    def stop() -> bool:
        closer = threading.Thread(target=lambda: (store.close(), closed.set()))
        closer.start()
        closer.join(60)
        return True

    with pytest.raises(StoppedError):
        store.read(stop)
    assert closed.is_set(), "while the names are read"
    found = store.read()
    assert found is not None
    assert list(found.tiles) == [A, B, C]


@given(names=st.lists(st.text(), max_size=6), captions=st.lists(st.text(), max_size=6))
def test_any_names_come_back(tmp_path_factory: pytest.TempPathFactory, names: list[str], captions: list[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    with EmbeddingStore(folder) as store:
        for place, name in enumerate(names):
            store.add(TileId(name), row(place % 4), caption=(captions * 7)[place] if captions else "", state=name)
    found = EmbeddingStore(folder).read()
    expected = list(dict.fromkeys(names))
    assert (list(found.tiles) if found else []) == expected
    for name in expected:
        last = len(names) - 1 - names[::-1].index(name)
        assert found is not None
        assert (found.images[found.rows[expected.index(name)]] == row(last % 4)).all()
        assert EmbeddingStore(folder).is_kept(TileId(name), name, (captions * 7)[last] if captions else "")


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


@given(st.data())
def test_among_ties_and_what_is_no_number_it_is_what_sorting_gives(data: st.DataObject) -> None:
    corners = np.array([[1, 0], [0, 1], [-1, 0], [np.nan, 0], [np.inf, 0]], np.float16)
    places = st.integers(0, len(corners) - 1)
    rows = corners[data.draw(st.lists(places, min_size=1, max_size=20))]
    among = data.draw(st.none() | st.lists(st.integers(0, len(rows) - 1), max_size=20, unique=True))
    count = data.draw(st.integers(0, 25))
    query = corners[data.draw(st.integers(0, 2))].astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_BLOCK", data.draw(st.integers(1, 5)))
        found, cosines = nearest(query, rows, count, None if among is None else np.array(among, np.intp))
    looked_at = range(len(rows)) if among is None else range(len(among))
    with np.errstate(invalid="ignore"):
        own = {one: float(rows[one if among is None else among[one]].astype(np.float32) @ query) for one in looked_at}
    expected = sorted((one for one in looked_at if np.isfinite(own[one])), key=lambda one: (-own[one], one))[:count]
    assert found.tolist() == expected
    assert cosines.tolist() == [own[one] for one in expected]


@given(
    name=st.sampled_from([LINES, IMAGES, TEXTS, SHAPE]),
    place=st.integers(0, 400),
    spoilt=st.binary(max_size=8),
    cut=st.booleans(),
)
def test_whatever_is_damaged_no_tile_gets_the_row_of_another(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, spoilt: bytes, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    tiles = [
        TileId(str(number) * 9) for number in range(4)
    ]  # too far from each other to be taken for another by 8 bytes
    with EmbeddingStore(folder) as store:
        for number, tile in enumerate(tiles):
            store.add(tile, row(number), f"caption {number}", row(3 - number), "now")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:place] + spoilt + (b"" if cut else data[place + len(spoilt) :]))
    with EmbeddingStore(folder) as store:
        found = store.read()
        assert found is None or len(found.tiles) == len(found.rows) <= 4
        store.add(TileId("new"), row(2), state="now")
        kept = store.kept(TileId("new"), "now")
        assert kept is not None
        assert (kept.features == row(2)).all()
        if name == LINES:
            for number, tile in enumerate(tiles):
                kept = store.kept(tile, "now")
                assert kept is None or (kept.features == row(number)).all()
