"""Objects and lines over SatlasPretrain beside its vector labels: counted on every tile, and the same when recalled."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch.predicting import Predicted, predict_all
from rsviewer.core.boxes import Boxes
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, focused
from rsviewer.core.prediction import LABELS, Prediction, Score
from rsviewer.core.tile import Raster, TileId
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.modelcards import read_card
from rsviewer.data.pngfile import png
from rsviewer.data.resources import resource_path
from rsviewer.data.scorebook import ScoreBook

IMAGE = "S2A_MSIL1C_20151003T081516_N0204_R121_T35HKC_20151003T081516"
FIRST, SECOND = TileId("4651_4910"), TileId("4651_4911")
SIDE = 512
CARD = "satlas-sentinel2-swinb-si-rgb"
WHOLE = [[0, 0], [8192, 0], [8192, 8192], [0, 8192]]


def feature(kind: str, place: object, **properties: object) -> dict[str, object]:
    return {"Geometry": {"Type": kind, kind.capitalize(): place}, "Properties": properties}


TURBINES = [feature("point", [1600, 1600]), feature("point", [4800, 4800])]
ROAD = [feature("polyline", [[-50, 3208], [8300, 3208]])]
"""In the middle of row 200."""
THERE = {
    FIRST: {"wind_turbine": TURBINES, "helipad": [], "road": ROAD, "smoke": [feature("polygon", [WHOLE], smoke=2)]},
    SECOND: {"wind_turbine": [], "river": [], "smoke": [feature("polygon", [WHOLE], smoke=0)]},
}


class Seer:
    """Sees on every tile a turbine at (100, 100), unsure ones elsewhere, a road in row 200, and smoke."""

    device = "cpu"

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.given: list[TileId] = []

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        self.given.append(tile)
        name = self.card.outputs[0].name
        if name == "smoke":
            return Prediction(tile, model, scores=(Score("yes", 0.9), Score("no", 0.1), Score("partial", 0.0)))
        if name == "point":
            corners = np.array([[90, 90, 110, 110], [290, 290, 310, 310]], np.float32)
            labels, sure = np.array([1, 1], np.int32), np.array([0.9, 0.25], np.float32)
            count = 2 if tile == FIRST else 0
            return Prediction(tile, model, boxes=Boxes(corners[:count], labels[:count], sure[:count], (SIDE, SIDE)))
        pixels = np.zeros((1, SIDE, SIDE), np.uint8)
        pixels[0, 198:203] = [one.value for one in self.card.outputs[0].classes if one.name == "road"]
        raster = Raster(pixels, np.ones(pixels.shape, bool), fitted.transform, fitted.crs, full_size=(SIDE, SIDE))
        return Prediction(tile, model, {LABELS: raster})

    def close(self) -> None:
        pass


class Bench:
    def __init__(self, folder: Path) -> None:
        root, self.book = folder / "satlas", folder / "book"
        for tile, labels in THERE.items():
            image, vector = root / "sentinel2" / IMAGE / "tci" / f"{tile}.png", root / "static" / tile / "vector.json"
            for file in (image, vector):
                file.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(png(np.full((3, SIDE, SIDE), 90, np.uint8)))
            vector.write_text(json.dumps(labels))
        self.dataset, adapter = open_dataset(root, "satlas")
        self.index = TileIndex.open(folder / "index.duckdb", self.dataset, adapter)
        self.index.build()
        self.entries = self.index.entries(range(2))

    def predict(self, output: str) -> tuple[Predicted, list[TileId]]:
        seer = Seer(focused(read_card(resource_path("models") / f"{CARD}.toml"), output))
        with ScoreBook(self.book) as book:
            return predict_all(
                *(self.dataset, self.index, self.entries, seer.card, f"{output}0123", seer), book=book
            ), seer.given


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    with closing(bench.index):
        yield bench


@pytest.mark.parametrize(
    ("output", "reference", "wanted"),
    [
        (
            "point",
            {"objects": "vector"},
            {
                "objects_f1": 2 / 3,
                "objects_precision": 1.0,
                "objects_recall": 0.5,
                "objects_best_f1": 1.0,
                "objects_f1_wind turbine": 2 / 3,
                "objects_best_f1_wind turbine": 1.0,
                "objects_best_score_wind turbine": 0.2,
                "tiles_compared": 2.0,
            },
        ),
        (
            "polyline_bin_segment",
            {"labels": "vector"},
            {"lines_f1": 1.0, "lines_precision": 1.0, "lines_recall": 1.0, "lines_f1_road": 1.0, "tiles_compared": 2.0},
        ),
        ("smoke", {"scene": "vector"}, {"scene_accuracy": 0.5, "scene_aa": 1 / 3, "tiles_compared": 2.0}),
    ],
)
def test_what_a_model_finds_is_scored_and_known_again(
    output: str, reference: dict[str, str], wanted: dict[str, float], bench: Bench
) -> None:
    result, given = bench.predict(output)
    assert result.references == reference
    assert sorted(given) == [FIRST, SECOND]
    assert result.metrics == pytest.approx(wanted, abs=0.01)
    again, given = bench.predict(output)
    assert given == []
    assert again.metrics == result.metrics
    assert again.per_tile == result.per_tile


def test_tiles_can_be_sorted_by_what_was_found(bench: Bench) -> None:
    bench.predict("point")
    bench.predict("polyline_bin_segment")
    column = CARD.replace("-", "_")  # one output after the other does not take the place of the one before
    assert bench.index.select(f"{column}_point_objects_f1 > 0.6").size == 1
    assert (
        bench.index.select(f"{column}_polyline_bin_segment_lines_f1 > 0.9").size == 1
    )  # nobody looked for roads on the other one
