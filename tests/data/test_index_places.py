"""Where tiles lie: filed by name, asked by filters, counted for a map."""

from collections.abc import Iterator

import pytest

from rsviewer.core.tile import TileId
from rsviewer.data import indexstats
from rsviewer.data.index import TileIndex
from tests.data.test_index import FakeAdapter, dataset_at, numbered

TILES = 60


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TileIndex]:
    """Tile n lies at n degrees east, one degree wide, on the equator; the last ten do not say."""
    root = tmp_path_factory.mktemp("placed")
    made = TileIndex.open(None, dataset_at(root), FakeAdapter(numbered(root, TILES)))
    made.build()
    found = {TileId(f"tile_{n}"): (float(n), 0.0, n + 1.0, 1.0) if n < 50 else None for n in range(TILES)}
    made.places.record(found)
    yield made
    made.close()


def test_filters_ask_where_tiles_lie(index: TileIndex) -> None:
    assert index.select("lon between 10 and 12").tolist() == [10, 11]
    assert index.select("lat = 0.5 and west < 2").tolist() == [0, 1]
    assert index.select("lon is null").tolist() == list(range(50, 60))


def test_places_outlive_a_new_build_and_are_asked_once(index: TileIndex) -> None:
    assert index.places.unlocated().tolist() == []
    index.build()
    assert index.select("lon < 3").tolist() == [0, 1, 2]
    assert index.places.unlocated().tolist() == []
    index.places.record({TileId("tile_0"): (170.0, 0.0, 200.0, 1.0)})
    assert index.select("lon = -175").tolist() == [0]  # across the 180th meridian


def test_few_tiles_in_sight_are_footprints(index: TileIndex) -> None:
    found = index.statistics.places("position <= 20", "position", (5.0, -5.0, 30.0, 5.0))
    assert found.extent == (0.0, 0.0, 50.0, 1.0)
    assert (found.tiles, found.known, found.in_sight) == (20, 20, 16)
    assert len(found.boxes) == 27
    assert found.kept.sum() == 16
    assert (found.low, found.high) == (1.0, 60.0)


def test_many_tiles_in_sight_are_counted(index: TileIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexstats, "BOXES_MOST", 10)
    found = index.statistics.places("position <= 20", "position", (0.0, 0.0, 50.0, 1.0), (5, 1))
    assert found.cells is not None
    assert found.cells.counts.tolist() == [[10, 10, 0, 0, 0]]
    assert found.behind is not None
    assert found.behind.counts.tolist() == [[10, 10, 10, 10, 10]]
    assert found.means is not None
    assert found.means[0, :2].tolist() == [5.5, 15.5]


def test_footprints_are_coloured_by_texts_too(index: TileIndex) -> None:
    found = index.statistics.places(column="verdict")
    assert found.names == ("undecided",)
    assert set(found.values.tolist()) == {0.0}


def test_without_places_there_is_no_map_but_a_number(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("nowhere")
    made = TileIndex.open(None, dataset_at(root), FakeAdapter(numbered(root, 3)))
    made.build()
    found = made.statistics.places()
    assert (found.extent, found.tiles, found.known) == (None, 3, 0)
    assert made.places.unlocated().tolist() == [0, 1, 2]
    made.close()
