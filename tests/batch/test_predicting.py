"""A model over a dataset: every tile once, nothing lost, and the scores of all of them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch.predicting import Predicted, predict_all
from rsviewer.core.errors import ModelError, SaveError
from rsviewer.core.model import ModelCard
from rsviewer.core.prediction import HEIGHT, LABELS
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.predictions import PredictionStore
from rsviewer.data.scorebook import NAME, ScoreBook
from tests.batch.models import BOTH_CARD, HEIGHT_CARD, SCENE_CARD, FakeEngine

Write = Callable[..., None]

MARK = "0123456789abcdef"


class Bench:
    """A dataset of five tiles of 8 x 8 pixels: the image is 10, 20 ... 50 everywhere, the reference 1 m, and "4" has none.

    The fake model predicts 1, 2 ... 5 m.
    """

    def __init__(self, folder: Path, write: Write) -> None:
        self.root, self.work = folder / "data", folder / "predictions"
        for number in range(1, 6):
            write(self.root / "opt" / f"{number}.tif", np.full((3, 8, 8), 10 * number, np.uint8))
            if number != 4:
                write(self.root / "gt_nDSM" / f"{number}.tif", np.full((8, 8), 1, np.float32), nodata=-9999)
            write(self.root / "dsm2" / f"{number}.tif", np.full((8, 8), 2, np.float32))
        self.dataset, adapter = open_dataset(self.root, "synrs3d")
        self.index = TileIndex.open(folder / "index.duckdb", self.dataset, adapter)
        self.index.build()
        self.entries = self.index.entries(range(5))
        self.engine = FakeEngine(HEIGHT_CARD)

    def predict(
        self, card: ModelCard = HEIGHT_CARD, *, kept: bool = False, booked: bool = True, **options: object
    ) -> Predicted:
        """Runs a new engine over all tiles; `engine` is the last one."""
        self.engine = options.pop("engine", None) or FakeEngine(card)  # type: ignore[assignment]  # tests pass what they like
        store = PredictionStore(self.work, card, MARK, "") if kept else None
        with ScoreBook(self.work / f"{card.id}-{MARK}") as book:
            return predict_all(
                *(self.dataset, self.index, self.entries, card, MARK, self.engine),
                store=store,
                book=book if booked else None,
                **options,  # type: ignore[arg-type]
            )


@pytest.fixture
def bench(tmp_path: Path, write: Write) -> Iterator[Bench]:
    bench = Bench(tmp_path, write)
    yield bench
    bench.index.close()


def test_every_tile_is_predicted_and_scored_where_there_is_a_reference(bench: Bench) -> None:
    seen: list[tuple[int, int | None]] = []
    result = bench.predict(progress=lambda done, total: seen.append((done, total)))

    assert bench.engine.asked == ["1", "2", "3", "4", "5"]
    assert (result.tiles, result.known, result.failed) == (5, 0, ())
    assert result.references == {"height": "ndsm"}
    assert [result.per_tile[TileId(name)].get("mae") for name in "12345"] == [0.0, 1.0, 2.0, None, 4.0]
    assert result.metrics["mae"] == pytest.approx(7 / 4)
    assert result.metrics["tiles_compared"] == 4
    assert result.agreement is not None
    assert result.agreement.pixels.sum() == 4 * 64
    assert result.agreement.absolute.sum() == pytest.approx(7 * 64)
    assert seen[-1] == (5, 5)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_queue_can_be_sorted_worst_first(bench: Bench) -> None:
    bench.predict()
    assert bench.index.select("", "fake_height_mae desc").tolist() == [4, 2, 1, 0, 3]
    assert bench.index.scores("fake-height", MARK)[TileId("4")] == {}, "predicted, and nothing to compare with"


def test_called_again_it_predicts_nothing_and_says_the_same(bench: Bench) -> None:
    before = bench.predict()
    again = bench.predict()

    assert bench.engine.asked == []
    assert (again.tiles, again.known) == (5, 5)
    assert again.per_tile == before.per_tile
    assert again.metrics == pytest.approx(before.metrics)
    assert again.agreement is not None
    assert before.agreement is not None
    assert (again.agreement.counts == before.agreement.counts).all()


def test_stopped_it_keeps_every_tile_that_was_predicted_and_goes_on(bench: Bench) -> None:
    engine = FakeEngine(HEIGHT_CARD)
    engine.stop_at = "4"
    with pytest.raises(KeyboardInterrupt):
        bench.predict(kept=True, engine=engine)
    assert set(bench.index.scores("fake-height", MARK)) == {"1", "2", "3"}

    result = bench.predict(kept=True)

    assert bench.engine.asked == ["4", "5"]
    assert result.known == 3
    assert result.metrics["mae"] == pytest.approx(7 / 4)


def test_who_raises_from_progress_stops_it_and_nothing_is_lost(bench: Bench) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.predict(progress=stop)
    assert set(bench.index.scores("fake-height", MARK)) == set(bench.engine.asked) != set()


def test_a_torn_line_costs_one_tile(bench: Bench) -> None:
    bench.predict()
    book = bench.work / f"fake-height-{MARK}" / NAME
    book.write_bytes(book.read_bytes()[:-30])

    assert bench.predict().known == 4
    assert len(bench.engine.asked) == 1
    assert bench.predict().known == 5


def test_lines_that_nobody_of_us_wrote_are_passed_over(bench: Bench) -> None:
    bench.predict(BOTH_CARD, references={HEIGHT: LayerId("ndsm")})
    book = bench.work / f"fake-both-{MARK}" / NAME
    good = json.loads(book.read_text().splitlines()[0])
    bad = [
        {**good, "heights": {"regions": {"whole": {}}}},
        {**good, "rules": 0},
        {**good, "labels": [[1, 2, 3]]},
        {**good, "labels": [[1]]},
        {**good, "agreement": {**good["agreement"], "cells": [10**9]}},
        {**good, "tile": 5},
        {**good, "f1": None, "heights": {**good["heights"], "f1": [1]}},
    ]
    lines = [
        json.dumps({**each, "tile": each["tile"] if each["tile"] == 5 else str(n)}) for n, each in enumerate(bad, 1)
    ]
    book.write_text("\n".join([*lines, "[1]", "null", "\x00", "{}"]))

    result = bench.predict(BOTH_CARD, references={HEIGHT: LayerId("ndsm")})

    assert result.known == 0
    assert result.metrics["mae"] == pytest.approx(7 / 4)


def test_another_reference_is_compared_anew_and_the_column_follows(bench: Bench) -> None:
    bench.predict()
    other = next(spec.id for spec in bench.dataset.layers if spec.id not in ("image", "ndsm"))

    result = bench.predict(references={HEIGHT: other})
    assert (result.known, result.references) == (0, {"height": other})
    assert result.metrics["mae"] == pytest.approx((1 + 0 + 1 + 2 + 3) / 5)
    assert bench.index.select("fake_height_mae = 3").tolist() == [4]

    back = bench.predict()
    assert back.known == 5, "nothing was forgotten"
    assert bench.index.select("fake_height_mae = 4").tolist() == [4]


def test_without_a_reference_nothing_is_compared(bench: Bench) -> None:
    result = bench.predict(references={HEIGHT: None})
    assert result.references == {}
    assert result.agreement is None
    assert set(map(len, result.per_tile.values())) == {0}


def test_a_file_that_is_gone_is_predicted_again_and_one_that_is_there_only_compared(bench: Bench) -> None:
    bench.predict(kept=True)
    store = PredictionStore(bench.work, HEIGHT_CARD, MARK, "")
    store.path(TileId("2"), HEIGHT).unlink()
    bench.predict(kept=True)
    assert bench.engine.asked == ["2"]

    (bench.work / f"fake-height-{MARK}" / NAME).unlink()
    result = bench.predict(kept=True)

    assert bench.engine.asked == []
    assert result.metrics["mae"] == pytest.approx(7 / 4)


def test_a_kept_file_that_cannot_be_read_is_predicted_and_written_again(bench: Bench) -> None:
    bench.predict(kept=True)
    (bench.work / f"fake-height-{MARK}" / NAME).unlink()
    store = PredictionStore(bench.work, HEIGHT_CARD, MARK, "")
    store.path(TileId("3"), HEIGHT).write_bytes(b"no picture")

    bench.predict(kept=True)

    assert bench.engine.asked == ["3"]
    assert store.read(TileId("3")) is not None


def test_overwrite_predicts_everything_again(bench: Bench) -> None:
    bench.predict(kept=True)
    result = bench.predict(kept=True, overwrite=True)
    assert len(bench.engine.asked) == 5
    assert (result.known, result.metrics["tiles_compared"]) == (0, 4)
    assert bench.predict(kept=True).known == 5


def test_a_tile_that_fails_is_named_tried_again_and_does_not_stop_the_others(bench: Bench) -> None:
    engine = FakeEngine(HEIGHT_CARD)
    engine.failing = {"2": "It is too small."}
    (bench.root / "opt" / "5.tif").write_bytes(b"torn")

    result = bench.predict(engine=engine)

    assert [each.tile for each in result.failed] == ["2", "5"]
    assert result.failed[0].message == "It is too small."
    assert set(result.per_tile) == {"1", "3", "4"}
    assert bench.predict().failed[0].tile == "5"
    assert bench.engine.asked == ["2"]


def test_a_model_that_cannot_be_loaded_is_not_tried_on_every_tile(bench: Bench) -> None:
    engine = FakeEngine(HEIGHT_CARD)
    engine.failing = dict.fromkeys("12345", "The file is truncated.")
    with pytest.raises(ModelError, match="truncated"):
        bench.predict(engine=engine)
    assert len(engine.asked) == 2


def test_a_full_disk_stops_the_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(PredictionStore):
        def write(self, prediction: object, source: str = "") -> None:
            raise SaveError("No room.")

    monkeypatch.setattr("tests.batch.test_predicting.PredictionStore", FullDisk)
    with pytest.raises(SaveError, match="No room"):
        bench.predict(kept=True)


def test_an_index_that_was_thrown_away_is_told_what_was_predicted_before(bench: Bench, tmp_path: Path) -> None:
    bench.predict()
    bench.index.close()
    (tmp_path / "index.duckdb").unlink()
    dataset, adapter = open_dataset(bench.root, "synrs3d")
    bench.index = TileIndex.open(tmp_path / "index.duckdb", dataset, adapter)
    bench.index.build()

    bench.predict()

    assert bench.engine.asked == []
    assert bench.index.select("fake_height_mae > 1").tolist() == [2, 4]


def test_classes_of_whole_tiles_are_reported_and_known_again(bench: Bench) -> None:
    first = bench.predict(SCENE_CARD)
    assert [first.scenes[TileId(name)][0].name for name in "12345"] == ["Low"] + ["High <b>"] * 4
    again = bench.predict(SCENE_CARD)
    assert bench.engine.asked == []
    assert again.scenes == first.scenes


def test_a_layer_that_is_not_there_is_said_before_any_tile(bench: Bench) -> None:
    with pytest.raises(ModelError, match="There is no layer lidar"):
        bench.predict(references={HEIGHT: LayerId("lidar")})
    with pytest.raises(ModelError, match="gives no labels"):
        bench.predict(references={LABELS: LayerId("ndsm")})
    assert bench.engine.asked == []
