"""An index of many features finds nearly all that looking at each of them finds, and never runs off a file of a stranger."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.errors import ModelError, SaveError, StoppedError
from rsviewer.core.nearest import nearest
from rsviewer.core.tile import TileId
from rsviewer.data import likeness, nearindex
from rsviewer.data.embeddings import Embeddings
from rsviewer.data.likeness import likest
from rsviewer.data.nearindex import NearIndex

pytest.importorskip("usearch")

FEATURES = 64
SEGMENT = 8_192
ROWS = 2 * SEGMENT + 3_616


def made_up(count: int, seed: int = 0) -> np.ndarray:
    """Like features of CLIP: all in one cone, in clusters of very different sizes."""
    random = np.random.default_rng(seed)
    fixed = np.random.default_rng(1)
    middles = 0.5 * fixed.normal(size=(200, FEATURES)) / 8 + 0.8 * np.eye(FEATURES)[0]
    shares = fixed.pareto(1.2, 200) + 0.1
    rows = middles[random.choice(200, count, p=shares / shares.sum())] + 0.4 * random.normal(size=(count, FEATURES)) / 8
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return made_up(ROWS)


@pytest.fixture(autouse=True)
def _smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearindex, "SEGMENT", SEGMENT)
    monkeypatch.setattr(likeness, "EXACT_UP_TO", 10_000)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("clip-0123456789abcdef")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearindex, "SEGMENT", SEGMENT)
        NearIndex(folder).build(rows, lambda *_: None)
    return folder


def all_of(rows: np.ndarray) -> Embeddings:
    count = len(rows)
    names = tuple(TileId(str(number)) for number in range(count))
    return Embeddings(names, np.arange(count), rows, rows, np.zeros(count, np.uint64))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("near-*"))


def test_of_the_best_500_nearly_all_are_found_with_their_very_cosines(built: Path, rows: np.ndarray) -> None:
    index, made, shares = NearIndex(built), all_of(rows), []
    assert len(files(built)) == 2
    for query in made_up(20, seed=5):
        found, exact = likest(made, query, 500, index), likest(made, query, 500)
        assert exact.is_exact
        assert not found.is_exact
        assert len(found.tiles) == 500
        shares.append(len(set(found.tiles) & set(exact.tiles)) / 500)
        right = dict(zip(exact.tiles, exact.cosines.tolist(), strict=True))
        told = zip(found.tiles, found.cosines.tolist(), strict=True)
        assert all(right[tile] == pytest.approx(cosine, abs=1e-6) for tile, cosine in told if tile in right)
        assert (np.diff(found.cosines) <= 0).all()
    assert np.mean(shares) > 0.99, "measured: 0.999"
    assert np.min(shares) > 0.97


def test_few_tiles_are_all_looked_at_whatever_index_there_is(built: Path, rows: np.ndarray) -> None:
    among = np.arange(0, ROWS, 3)
    found = likest(all_of(rows), rows[9], 500, NearIndex(built), among)
    assert found.is_exact
    assert set(found.tiles) <= {str(number) for number in among.tolist()}


def test_rows_that_do_not_count_are_never_found_and_do_not_crowd_out_others(built: Path, rows: np.ndarray) -> None:
    query = rows[0]
    best, _ = nearest(query, rows, 700)
    dead = set(best[:300].tolist())
    alive = np.array([row for row in range(ROWS) if row not in dead])
    found = likest(all_of(rows), query, 300, NearIndex(built), alive)
    exact = likest(all_of(rows), query, 300, among=alive)
    assert not found.is_exact
    assert not dead & {int(tile) for tile in found.tiles}
    assert len(set(found.tiles) & set(exact.tiles)) > 290


def test_what_is_added_needs_only_further_files(tmp_path: Path, rows: np.ndarray) -> None:
    index = NearIndex(tmp_path)
    index.build(rows[: SEGMENT + 5], lambda *_: None)
    first = files(tmp_path)
    before = first[0].stat().st_mtime_ns
    assert not index.is_whole(rows)
    index.build(rows, lambda *_: None)
    assert index.is_whole(rows)
    assert files(tmp_path)[0] == first[0]
    assert first[0].stat().st_mtime_ns == before
    assert len(files(tmp_path)) == 2


def test_an_index_of_other_rows_goes_away(tmp_path: Path, rows: np.ndarray) -> None:
    NearIndex(tmp_path).build(rows[: SEGMENT + 5], lambda *_: None)
    before = files(tmp_path)
    other = rows[::-1].copy()
    index = NearIndex(tmp_path)
    assert index.candidates(rows[0], other, np.ones(ROWS, bool), 5) is None
    index.build(other[: SEGMENT + 5], lambda *_: None)
    assert len(files(tmp_path)) == 1
    assert files(tmp_path) != before


def test_what_was_made_before_a_stop_is_kept(tmp_path: Path, rows: np.ndarray) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 2 * SEGMENT
        if done > SEGMENT:
            raise StoppedError("enough")

    with pytest.raises(StoppedError):
        NearIndex(tmp_path).build(rows, stop)
    assert len(files(tmp_path)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [files(tmp_path)[0].name], "nothing half-written stays"


def test_what_is_no_number_is_left_out(tmp_path: Path, rows: np.ndarray) -> None:
    broken = rows.copy()
    broken[5:50] = np.nan
    index = NearIndex(tmp_path)
    index.build(broken, lambda *_: None)
    found = likest(all_of(broken), rows[7], 500, index)
    assert not found.is_exact
    assert len(set(found.tiles) & set(likest(all_of(broken), rows[7], 500).tiles)) > 490


def places(path: Path) -> tuple[int, int]:
    """Where the head and the graph of a file begin."""
    count, nbytes = struct.unpack("<II", path.read_bytes()[:8])
    return 8 + count * nbytes, 8 + count * nbytes + 64


def test_what_was_begun_when_a_process_was_ended_goes_away(tmp_path: Path, rows: np.ndarray) -> None:
    old, young = (tmp_path / f".rsviewer-{digit * 16}.partial" for digit in "0f")
    for path in (old, young):
        path.write_bytes(b"a part of a graph")
    os.utime(old, (0, 0))
    NearIndex(tmp_path).build(rows[:5], lambda *_: None)
    assert not old.exists()
    assert young.exists(), "somebody may be at it"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data, *_: data[:-2], "another size"),
        (lambda data, *_: data[:1000], "cut short"),
        (lambda data, *_: data + b"\0", "cut short"),
        (lambda *_: b"", "cut short"),
        (lambda data, *_: struct.pack("<II", 1 << 31, 128) + data[8:], "other vectors"),
        (lambda data, head, _: data[: head + 13] + b"\x0b" + data[head + 14 :], "another kind"),
        (lambda data, head, _: data[: head + 33] + struct.pack("<Q", 32) + data[head + 41 :], "another kind"),
        (lambda data, _, graph: data[: graph + 8] + struct.pack("<Q", 9) + data[graph + 16 :], "another graph"),
        (lambda data, _, graph: data[: graph + 32] + struct.pack("<Q", 1 << 40) + data[graph + 40 :], "begins nowhere"),
        (lambda data, _, graph: data[: graph + 40] + struct.pack("<h", -1) + data[graph + 42 :], "levels"),
    ],
)
def test_files_of_strangers_are_refused_before_they_are_used(
    built: Path, tmp_path: Path, rows: np.ndarray, spoil: object, said: str
) -> None:
    source = files(built)[0]
    data = source.read_bytes()
    folder = tmp_path / built.name
    folder.mkdir()
    path = folder / source.name
    path.write_bytes(spoil(data, *places(source)))  # type: ignore[operator]  # one of the above
    with pytest.raises(ModelError, match=said):
        nearindex.check_file(path, FEATURES, 0, SEGMENT)
    index = NearIndex(folder)
    found = likest(all_of(rows), rows[0], 500, index)
    assert found.is_exact
    assert source.name in found.remark
    index.build(rows, lambda *_: None)
    assert not likest(all_of(rows), rows[0], 500, index).is_exact


def test_no_neighbour_leads_out_of_the_file_or_to_a_level_that_is_not_there(built: Path, tmp_path: Path) -> None:
    source = files(built)[0]
    data = bytearray(source.read_bytes())
    _, graph = places(source)
    levels = np.frombuffer(bytes(data), "<i2", SEGMENT, graph + 40)
    node = graph + 40 + 2 * SEGMENT
    for to in (SEGMENT, 0xFFFFFFFF):
        worse = data.copy()
        worse[node + 14 : node + 18] = struct.pack("<I", to)
        (tmp_path / "a").write_bytes(worse)
        with pytest.raises(ModelError, match="leads out"):
            nearindex.check_file(tmp_path / "a", FEATURES, 0, SEGMENT)
    worse = data.copy()
    worse[node + 10 : node + 14] = struct.pack("<I", 65)
    (tmp_path / "a").write_bytes(worse)
    with pytest.raises(ModelError, match="leads out"):
        nearindex.check_file(tmp_path / "a", FEATURES, 0, SEGMENT)
    worse = data.copy()
    worse[node : node + 8] = struct.pack("<Q", 1 << 60)
    (tmp_path / "a").write_bytes(worse)
    with pytest.raises(ModelError, match="nodes that cannot be"):
        nearindex.check_file(tmp_path / "a", FEATURES, 0, SEGMENT)
    high, low = int(np.flatnonzero(levels > 0)[0]), int(np.flatnonzero(levels == 0)[0])
    sizes = 14 + 4 * 64 + levels.astype(int) * (4 + 4 * 32)
    upper = node + int(sizes[:high].sum()) + 14 + 4 * 64
    worse = data.copy()
    worse[upper + 4 : upper + 8] = struct.pack("<I", low)
    (tmp_path / "a").write_bytes(worse)
    with pytest.raises(ModelError, match="leads out"):
        nearindex.check_file(tmp_path / "a", FEATURES, 0, SEGMENT)


def test_a_link_is_no_index_and_what_it_leads_to_is_not_written_over(
    built: Path, tmp_path: Path, rows: np.ndarray
) -> None:
    folder = tmp_path / built.name
    folder.mkdir()
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (folder / files(built)[0].name).symlink_to(mine)
    index = NearIndex(folder)
    assert likest(all_of(rows), rows[0], 5, index).is_exact
    index.build(rows[: SEGMENT + 1], lambda *_: None)
    assert mine.read_text() == "precious"
    assert not files(folder)[0].is_symlink()


def test_without_usearch_every_tile_is_looked_at_and_a_sentence_says_so(
    built: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearindex, "_usearch", lambda: None)
    index = NearIndex(built)
    found = likest(all_of(rows), rows[3], 5, index)
    assert found.is_exact
    assert found.tiles[0] == "3"
    assert "rsviewer[models]" in found.remark
    with pytest.raises(ModelError, match="not installed"):
        index.build(rows[: SEGMENT + SEGMENT].copy()[::-1], lambda *_: None)
    assert not index.faults


def test_where_nothing_can_be_written_a_sentence_says_so(
    tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SaveError, match="cannot be written"):
        NearIndex(tmp_path / "gone").build(rows, lambda *_: None)

    class Full:
        """An index that has no room."""

        def add(self, *_: object, **__: object) -> None:
            raise RuntimeError("Out of memory!")

    monkeypatch.setattr(nearindex, "_index", lambda _: Full())
    with pytest.raises(ModelError, match="not enough memory"):
        NearIndex(tmp_path).build(rows, lambda *_: None)
    assert not list(tmp_path.iterdir())
