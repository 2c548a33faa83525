"""Classes of whole tiles over SEN12MS: what goes into the model, what its land cover says, and the measures of the toolbox."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch.predicting import Predicted, fit_tile, predict_all
from rsviewer.core.fitting import Fitted, fit, input_layers
from rsviewer.core.model import ModelCard
from rsviewer.core.prediction import SCENE, Prediction, Score
from rsviewer.core.recognising import Recognised
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.aligning import align
from rsviewer.data.datasets.sen12ms import S2
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.proposals.sen12ms import MULTI, SINGLE, card_of
from rsviewer.data.raster import read_raster
from rsviewer.data.scorebook import NAME, ScoreBook

Write = Callable[..., None]
MARK = "0123456789abcdef"
SIDE = 16
FOREST, CROPS, WATER = "Forest", "Croplands", "Water"


class Seer:
    """Says of every tile what it is told to, and notes what it was given."""

    def __init__(self, card: ModelCard, says: dict[str, dict[str, float]]) -> None:
        self.card = card
        self.says = says
        self.device = ""
        self.given: dict[str, Fitted] = {}

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        self.device = "cpu"
        self.given[tile] = fitted
        said = self.says[tile]
        scores = [Score(one.name, said.get(one.name, 0.01)) for one in self.card.outputs[0].classes]
        return Prediction(tile, model, scores=tuple(sorted(scores, key=lambda score: -score.probability)))

    def close(self) -> None:
        pass


class Bench:
    """Two patches: p1 is 3/4 mixed forest (5) and 1/4 cropland and mosaic (12, 14); p2 is water (17), but for 5 % crops."""

    def __init__(self, folder: Path, write: Write) -> None:
        self.root, self.book = folder / "ROIs", folder / "book"
        for patch in (1, 2):
            s2 = np.arange(13 * SIDE * SIDE, dtype=np.uint16).reshape(13, SIDE, SIDE) * 19  # up to 63,000: clouds
            s1 = np.full((2, SIDE, SIDE), -30.0, np.float32)
            s1[0, 0, 0] = np.nan
            igbp = np.full((SIDE, SIDE), 5 if patch == 1 else 17, np.uint16)
            if patch == 1:
                igbp[:2], igbp[2:4] = 12, 14
            else:
                igbp.flat[:13] = 12
            lc = np.stack([igbp, np.ones_like(igbp), np.ones_like(igbp), np.ones_like(igbp)])
            for sensor, pixels in (("s2", s2), ("s1", s1), ("lc", lc)):
                stem = f"ROIs1158_spring_{sensor}_1_p{patch}.tif"
                write(self.root / "ROIs1158_spring" / f"{sensor}_1" / stem, pixels)
        self.dataset, adapter = open_dataset(self.root, "sen12ms")
        self.index = TileIndex.open(folder / "index.duckdb", self.dataset, adapter)
        self.index.build()
        self.entries = self.index.entries(range(2))

    def predict(self, seer: Seer, **options: object) -> Predicted:
        with ScoreBook(self.book) as book:
            return predict_all(
                *(self.dataset, self.index, self.entries, seer.card, MARK, seer),
                book=book,
                **options,  # type: ignore[arg-type]  # tests pass what they like
            )


@pytest.fixture
def bench(tmp_path: Path, write: Write) -> Iterator[Bench]:
    bench = Bench(tmp_path, write)
    yield bench
    bench.index.close()


FIRST, SECOND = "ROIs1158_spring/1/p1", "ROIs1158_spring/1/p2"
SAYS = {FIRST: {FOREST: 0.9, CROPS: 0.3}, SECOND: {WATER: 0.8, CROPS: 0.7}}


def seer(labels: str = MULTI, bands: int = 12) -> Seer:
    return Seer(card_of(Recognised("ResNet50", bands, 10), labels), SAYS)


def test_the_model_gets_numbers_as_they_are_in_its_own_order(bench: Bench) -> None:
    asked = seer()
    bench.predict(asked)
    given = asked.given[FIRST]
    wanted = np.arange(13 * SIDE * SIDE, dtype=np.uint16).reshape(13, SIDE, SIDE) * np.uint16(19)
    np.testing.assert_array_equal(
        given.pixels[:10], wanted[[1, 2, 3, 4, 5, 6, 7, 8, 11, 12]]
    )  # B2 ... B12, no B1, B9, B10
    assert given.pixels[10, 0, 0] == 0  # NaN of VV; VH of the same pixel is there
    assert given.pixels[11, 0, 0] == given.pixels[10, 0, 1] == -25  # -30 dB, cut
    assert given.valid.all()
    blue_first = seer(bands=3)
    bench.predict(blue_first, overwrite=True)
    np.testing.assert_array_equal(blue_first.given[FIRST].pixels, wanted[[1, 2, 3]])


def test_several_classes_are_measured_as_the_toolbox_does(bench: Bench) -> None:
    result = bench.predict(seer())
    assert result.references == {"scene": "simplified"}
    # There: forest and crops; water (5 % of crops are too few). Said: forest; water and crops.
    assert result.metrics["scene_micro_precision"] == pytest.approx(2 / 3)
    assert result.metrics["scene_micro_recall"] == pytest.approx(2 / 3)
    assert result.metrics["scene_sample_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert result.metrics["scene_hamming_loss"] == pytest.approx(2 / 20)
    assert result.metrics["scene_coverage"] == pytest.approx((2 + 1) / 2)
    assert result.metrics["tiles_compared"] == 2
    assert result.scene_confusion is None
    assert result.per_tile[TileId(FIRST)] == pytest.approx({"scene_accuracy": 0.9, "scene_f1": 2 / 3})
    assert bench.index.select("", "sen12ms_resnet50_s1s2_multi_scene_f1").size == 2


def test_one_class_a_tile_is_measured_by_the_largest_share(bench: Bench) -> None:
    result = bench.predict(seer(SINGLE))
    assert result.metrics["scene_accuracy"] == 1
    assert result.metrics["scene_aa"] == pytest.approx(2 / 10)  # over all ten classes
    assert result.scene_confusion is not None
    assert result.scene_confusion[0, 0] == result.scene_confusion[9, 9] == 1


def test_called_again_it_predicts_nothing_and_says_the_same(bench: Bench) -> None:
    before = bench.predict(seer())
    again_seer = seer()
    again = bench.predict(again_seer)
    assert not again_seer.given
    assert again.metrics == pytest.approx(before.metrics)


@pytest.mark.parametrize(
    "change",
    [
        {"shares": [1.0]},
        {"shares": [float("nan")] * 10},
        {"probabilities": "many"},
        {"several": False},
        {"least_share": 0.5},
        {"shares": [0.0] * 10},
    ],
)
def test_a_record_that_was_tampered_with_is_made_again(bench: Bench, change: dict[str, object]) -> None:
    before = bench.predict(seer())
    path = bench.book / NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["compared_scene"] |= change
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again_seer = seer()
    assert bench.predict(again_seer).metrics == pytest.approx(before.metrics)
    assert list(again_seer.given) == [lines[0]["tile"]]


def test_another_layer_or_none_can_be_the_reference(bench: Bench) -> None:
    nothing = bench.predict(seer(), references={SCENE: None})
    assert nothing.metrics == {"tiles_compared": 0}
    other = bench.predict(seer(), references={SCENE: LayerId("igbp")})
    assert other.references == {"scene": "igbp"}


def test_without_land_cover_the_toolboxs_file_of_labels_is_the_reference(tmp_path: Path, write: Write) -> None:
    for patch in (1, 2):
        stem = f"ROIs1158_spring_s2_1_p{patch}.tif"
        write(tmp_path / "ROIs" / "ROIs1158_spring" / "s2_1" / stem, np.full((13, SIDE, SIDE), 900, np.uint16))
    (tmp_path / "ROIs" / "single_label_IGBPsimple_ClsNum.txt").write_text(
        "ROIs1158_spring_s2_1_p1.tif: 1\nROIs1158_spring_s2_1_p2.tif: 6\n"
    )
    dataset, adapter = open_dataset(tmp_path / "ROIs", "sen12ms")
    for labels, tiles in ((SINGLE, 2), (MULTI, 0)):  # one class does not tell that there is no other
        said = seer(labels, bands=10)
        with closing(TileIndex.open(tmp_path / f"{labels}.duckdb", dataset, adapter)) as index:
            index.build()
            result = predict_all(dataset, index, index.entries(range(2)), said.card, MARK, said)
        assert result.metrics["tiles_compared"] == tiles
        assert result.references == ({"scene": "label_simplified"} if tiles else {})
        assert result.metrics.get("scene_accuracy") == (0.5 if tiles else None)


@pytest.mark.real
def test_real_patches_go_in_as_digital_numbers_stored_as_such_or_as_shares(shared_data: Path) -> None:
    root = shared_data / "real" / "sen12ms"
    dataset, adapter = open_dataset(root, "sen12ms")
    entry = next(iter(adapter.scan(dataset)))
    card = card_of(Recognised("ResNet50", 10, 10), MULTI)
    given = fit_tile(card, entry, input_layers(card, dataset.layers), dataset)
    stored = read_raster(Path(entry.files[LayerId("s2")]), S2)
    assert isinstance(stored, Raster)
    np.testing.assert_array_equal(given.pixels[0], stored.pixels[1])  # B2
    np.testing.assert_array_equal(given.pixels[9], stored.pixels[12])  # B12
    assert not given.remarks
    shares = read_raster(shared_data / "real" / "sen12ms_native" / "s2_l1c_0.tif", S2)
    assert isinstance(shares, Raster)
    scaled = fit(card, [(S2, shares)], align)
    np.testing.assert_allclose(scaled.pixels[0], shares.pixels[1] * 10_000, rtol=1e-5)
    assert scaled.remarks == ("S2 has values of 0..1: they were multiplied by 10000 for the model.",)
