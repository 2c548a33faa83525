"""Scores of models in the tile index: filed by name, kept over rebuilds, columns of their own."""

from pathlib import Path

import duckdb
import pytest

from rsviewer.core.errors import FilterError
from rsviewer.core.metrics import SCORE_COLUMNS
from rsviewer.core.tile import TileId
from rsviewer.data.index import TileIndex
from tests.data.listed import Open


@pytest.mark.parametrize(
    "columns",
    ["NULL, 'm', ['mae']", "1, NULL, ['mae']", "1, 'm', NULL", "1, 'm', [NULL]"],
    ids=["number", "model", "names", "name"],
)
def test_an_index_whose_models_are_no_models_is_built_again(open_index: Open, tmp_path: Path, columns: str) -> None:
    open_index("a", "b").close()
    with duckdb.connect(str(tmp_path / "index.duckdb")) as connection:
        connection.execute(f"INSERT INTO scored VALUES ({columns})")
    index = open_index("a", "b")
    assert len(index) == 2
    index.record_scores("m", "1", {TileId("a"): {"mae": 1.0}})
    assert list(index.select("m_mae > 0")) == [0]


def scored(**values: float) -> dict[TileId, dict[str, float]]:
    return {TileId(tile): {"mae": value} for tile, value in values.items()}


def names(index: TileIndex) -> set[str]:
    return {column.name for column in index.columns()}


def test_scores_sort_and_filter_the_queue_at_once(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    assert "demo_height_mae" not in names(index)

    index.record_scores("demo-height", "f1", scored(a=1.0, b=3.0))

    assert index.select("", "demo_height_mae desc").tolist() == [1, 0, 2], "a tile without a score comes last"
    assert index.select("demo_height_mae < 2").tolist() == [0]
    assert index.select("demo_height_mae is null").tolist() == [2]
    helps = {column.name: column.help for column in index.columns()}
    assert helps["demo_height_mae"].startswith("demo-height: mean absolute error of the heights, metres")
    assert index.facets("demo_height_mae > 0").total == 2


def test_only_what_a_model_is_scored_by_is_offered(open_index: Open) -> None:
    index = open_index("a", "b")

    index.record_scores("demo-landcover", "f", {TileId("a"): {"accuracy": 0.5, "miou": float("nan")}})
    assert {name for name in names(index) if name.startswith("demo_")} == {"demo_landcover_accuracy"}

    index.record_scores("demo-landcover", "f", {TileId("b"): {"miou": 0.25}})
    assert index.select("", "demo_landcover_miou").tolist() == [1, 0]
    assert index.scores("demo-landcover", "f") == {"a": {"accuracy": 0.5}, "b": {"miou": 0.25}}
    assert len(index.select("", ", ".join(f"abs({name})" for name in names(index) if name.startswith("demo_")))) == 2


def test_two_models_are_compared_in_one_expression(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    index.record_scores("rs3dada-height", "x", scored(a=5.0, b=1.0, c=2.0))
    index.record_scores("demo-height", "y", scored(a=1.0, b=2.0))

    assert index.select("rs3dada_height_mae < demo_height_mae").tolist() == [1]
    assert index.select("rs3dada_height_mae > 1", "demo_height_mae - rs3dada_height_mae, tile").tolist() == [0, 2]


def test_another_fingerprint_takes_the_place_of_the_one_before_tile_by_tile(open_index: Open) -> None:
    index = open_index("a", "b")
    index.record_scores("demo-height", "old", scored(a=1.0, b=2.0))

    index.record_scores("demo-height", "new", scored(b=9.0))

    assert index.scores("demo-height", "old") == scored(a=1.0)
    assert index.scores("demo-height", "new") == scored(b=9.0)
    assert index.select("demo_height_mae > 0").tolist() == [0, 1], "the column shows the last ones"
    assert index.scores("other", "new") == {}


def test_scores_outlive_the_scan_the_program_and_the_tiles(open_index: Open) -> None:
    index = open_index("b", "c")
    index.record_scores("demo-height", "f", {**scored(b=1.0, c=2.0), TileId("later"): {"mae": 7.0}})
    index.build()
    assert index.select("demo_height_mae = 2").tolist() == [1]

    index = open_index("a", "b", "later", build=False)
    assert index.select("demo_height_mae = 2").tolist() == [1]
    index.build()

    assert index.select("", "demo_height_mae desc").tolist() == [2, 1, 0]
    assert index.scores("demo-height", "f") == {"b": {"mae": 1.0}, "later": {"mae": 7.0}, "c": {"mae": 2.0}}
    index.record_scores("demo-height", "f", scored(a=0.5))
    assert index.select("demo_height_mae < 5").tolist() == [0, 1]


def test_a_tile_that_was_predicted_without_a_reference_is_known(open_index: Open) -> None:
    index = open_index("a", "b")
    index.record_scores("demo-height", "f", {TileId("a"): {}})
    assert index.scores("demo-height", "f") == {"a": {}}
    index.record_scores("demo-height", "f", {})
    assert not [name for name in names(index) if name.startswith("demo_")]


def test_ids_and_names_from_strangers_are_never_sql(open_index: Open) -> None:
    index = open_index("a'; DROP TABLE tiles; --", "b\udcff")
    model = "x'); DROP TABLE scores; --\udcff"

    tile = TileId("b\udcff")
    index.record_scores(model, "'\";\x00", {tile: {"mae": 2.0, "no such; score": 1.0}, TileId("a'; --"): {"mae": 1.0}})
    index.record_scores("3D", "f", {tile: {"mae": 4.0}})

    assert index.scores(model, "'\";\x00") == {tile: {"mae": 2.0}, "a'; --": {"mae": 1.0}}
    offered = [name for name in names(index) if name.endswith("_mae")]
    assert len(offered) == 2
    for name in offered:
        assert index.select(f"{name} > 1").tolist() == [1]
    assert "model_3d_mae" in offered
    with pytest.raises(FilterError):
        index.select(f"{model} > 1")


def test_a_layer_keeps_its_column_where_a_model_is_called_like_it(open_index: Open) -> None:
    index = open_index("a")
    index.record_scores("tile", "f", {TileId("a"): {"mae": 1.0}})
    index.record_scores("TILE", "f", {TileId("a"): {"mae": 2.0}})
    assert [column.name for column in index.columns()].count("tile_mae") == 1
    assert index.select("tile_mae = 1").tolist() == [0]


def test_an_index_from_before_there_were_scores_opens_as_it_is(open_index: Open, tmp_path: Path) -> None:
    open_index("a", "b").close()
    with duckdb.connect(str(tmp_path / "index.duckdb")) as old:
        old.execute("DROP TABLE scores")
        old.execute("DROP TABLE scored")

    index = open_index("a", "b", build=False)

    assert len(index) == 2
    index.record_scores("demo-height", "f", scored(a=1.0))
    assert index.select("demo_height_mae = 1").tolist() == [0]


def test_a_score_that_is_new_in_the_program_gets_its_column(
    open_index: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_index("a").record_scores("demo-height", "f", scored(a=1.0))
    monkeypatch.setattr("rsviewer.data.index.SCORE_COLUMNS", {**SCORE_COLUMNS, "median": "median, metres"})

    index = open_index("a", build=False)
    index.record_scores("demo-height", "f", {TileId("a"): {"median": 3.0}})

    assert index.select("demo_height_median = 3").tolist() == [0]
    assert index.scores("demo-height", "f") == {"a": {"median": 3.0}}
