"""What comes out: rasters on the grid of the tile, and a sentence where it is not what the card says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import Augmentation, Fill, Framing, ModelOutput, OutputKind, Scores
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS
from rsviewer.core.tile import LabelClass
from tests.inference.networks import (
    CLASSES,
    GROUND,
    HEIGHTS,
    SCENE,
    TILE,
    TREE,
    WATER,
    Fake,
    card,
    first_band,
    fitted,
    height_of,
    ramp,
    running,
    two_scores,
)


@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.builds(
        Framing,
        id=st.just("any"),
        window=st.sampled_from([0, 24, 37, 60, 90]),
        stride=st.sampled_from([0, 20, 23, 50]),
        multiple=st.sampled_from([1, 7, 14, 30]),
        fill=st.sampled_from(Fill),
        whole=st.booleans(),
    ),
    st.sampled_from(Augmentation),
    st.integers(1, 5),
)
def test_a_network_that_gives_its_input_back_gives_the_tile_back(
    height: int, width: int, framing: Framing, augmentation: Augmentation, batch: int
) -> None:
    pixels = np.random.default_rng(height * width).normal(0, 30, (1, height, width)).astype(np.float32)
    of = card(HEIGHTS, framing=framing)
    with running(Fake(height=first_band), of, augmentation=augmentation, batch=batch) as engine:
        np.testing.assert_allclose(height_of(engine.predict(TILE, fitted(pixels))), pixels[0], rtol=1e-5, atol=1e-4)


def test_heights_keep_their_sign_and_get_the_cards_unit() -> None:
    output = ModelOutput(OutputKind.HEIGHT, "height", scale=0.01, offset=-2.0)
    with running(Fake(height=first_band), card(output)) as engine:
        prediction = engine.predict(TILE, fitted(np.array([[0.0, 100.0, 500.0]], np.float32)))
    np.testing.assert_allclose(height_of(prediction), [[-2.0, -1.0, 3.0]], atol=1e-6)
    assert prediction.rasters[HEIGHT].pixels.dtype == np.float32


def test_the_answer_lies_on_the_grid_of_the_input_and_is_invalid_where_the_input_is() -> None:
    valid = np.ones((3, 4), bool)
    valid[1, 2] = False
    grid = {"transform": (0.5, 0, 4e5, 0, -0.5, 4e6), "crs": "EPSG:32654", "gsd": 0.5, "cell": (0.5, 0.6)}
    given_tile = Fitted(ramp(3, 4), valid, **grid, full_size=(8, 6), remarks=("Read at 1:2.",))  # type: ignore[arg-type]
    with running(Fake(height=first_band), card(HEIGHTS)) as engine:
        prediction = engine.predict(TILE, given_tile, model="0123")
    raster = prediction.rasters[HEIGHT]
    assert {name: getattr(raster, name) for name in grid} == grid
    assert raster.full_size == (8, 6)
    np.testing.assert_array_equal(raster.valid[0], valid)
    assert (prediction.tile, prediction.model, prediction.device) == (TILE, "0123", "cpu")
    assert prediction.remarks == ("Read at 1:2.",)


def test_outside_of_the_middle_that_is_predicted_everything_is_invalid() -> None:
    of = card(HEIGHTS, CLASSES, framing=Framing("paper", window=4, multiple=2, crop=4))
    with running(Fake(height=first_band, classes=two_scores), of) as engine:
        prediction = engine.predict(TILE, fitted(ramp(6, 9)))
    inside = np.zeros((6, 9), bool)
    inside[1:5, 2:6] = True
    for raster in prediction.rasters.values():
        np.testing.assert_array_equal(raster.valid[0], inside)
    np.testing.assert_array_equal(height_of(prediction)[inside], ramp(6, 9)[0][inside])
    assert np.isnan(height_of(prediction)[~inside]).all()


def test_heights_that_are_no_numbers_are_invalid_and_counted() -> None:
    pixels = np.array([[0.0, 1.0, 2.0, 4.0]], np.float32)
    with running(Fake(height=lambda windows: 1 / (windows * (windows - 4))), card(HEIGHTS)) as engine:
        prediction = engine.predict(TILE, fitted(pixels))
    assert prediction.rasters[HEIGHT].valid[0].tolist() == [[False, True, True, False]]
    assert prediction.remarks[0].startswith("The predicted height of 2 pixels are not finite")


# Classes


def test_channels_become_the_labels_of_datasets_with_their_probability() -> None:
    pixels = np.array([[-2.0, 0.0, 3.0]], np.float32)
    with running(Fake(classes=two_scores), card(CLASSES)) as engine:
        prediction = engine.predict(TILE, fitted(pixels))
    labels, confidence = prediction.rasters[LABELS], prediction.rasters[CONFIDENCE]
    assert labels.pixels.dtype == np.uint8
    assert labels.pixels[0].tolist() == [[1, 1, 5]]
    np.testing.assert_allclose(confidence.pixels[0], [[1 / (1 + np.exp(-2)), 0.5, 1 / (1 + np.exp(-3))]], rtol=1e-6)


def test_large_labels_need_sixteen_bits() -> None:
    output = ModelOutput(OutputKind.LABELS, "classes", classes=(GROUND, WATER))
    with running(Fake(classes=two_scores), card(output)) as engine:
        labels = engine.predict(TILE, fitted(np.array([[-1.0, 1.0]], np.float32))).rasters[LABELS].pixels
    assert labels.dtype == np.uint16
    assert labels[0].tolist() == [[1, 300]]


@pytest.mark.parametrize(
    ("scores", "numbers"), [(Scores.PROBABILITIES, [0.1, 0.5, 0.8]), (Scores.LOGITS, [np.log(1 / 9), 0.0, np.log(4)])]
)
def test_one_channel_tells_two_classes_apart(scores: Scores, numbers: list[float]) -> None:
    output = ModelOutput(OutputKind.LABELS, "classes", classes=(GROUND, TREE), scores=scores)
    with running(Fake(classes=first_band), card(output)) as engine:
        prediction = engine.predict(TILE, fitted(np.array([numbers], np.float32)))
    assert prediction.rasters[LABELS].pixels[0].tolist() == [[1, 5, 5]]
    np.testing.assert_allclose(prediction.rasters[CONFIDENCE].pixels[0], [[0.9, 0.5, 0.8]], atol=1e-6)


def test_none_of_the_classes_is_where_the_mean_of_all_passes_says_so() -> None:
    classes = (replace(GROUND, void=True), TREE, WATER)
    output = ModelOutput(OutputKind.LABELS, "c", classes=classes, scores=Scores.PROBABILITIES, threshold=0.5)
    # Flipped, each pixel is each of these once: on the mean a tree is as probable as water, 0.45, and neither is there.
    trees, water = torch.tensor([[0.9, 0.0], [0.0, 0.9]]), torch.tensor([[0.0, 0.9], [0.9, 0.0]])
    for sure, label, certainty in ((0.0, 1, 0.55), (0.5, 5, 0.7)):
        each = torch.stack([trees + sure * (trees == 0), water])[None]
        answer = torch.cat([1 - each.amax(1, keepdim=True), each], 1)
        with running(Fake(c=lambda _, answer=answer: answer), card(output), augmentation=Augmentation.FLIPS) as engine:
            prediction = engine.predict(TILE, fitted(ramp(2, 2)))
        assert set(prediction.rasters[LABELS].pixels.ravel().tolist()) == {label}
        np.testing.assert_allclose(prediction.rasters[CONFIDENCE].pixels, certainty, rtol=1e-6)


def test_one_channel_has_the_threshold_of_its_card() -> None:
    classes = (replace(GROUND, void=True), TREE)
    output = ModelOutput(OutputKind.LABELS, "classes", classes=classes, scores=Scores.PROBABILITIES, threshold=0.7)
    with running(Fake(classes=first_band), card(output)) as engine:
        prediction = engine.predict(TILE, fitted(np.array([[0.1, 0.6, 0.8]], np.float32)))
    assert prediction.rasters[LABELS].pixels[0].tolist() == [[1, 1, 5]]


def test_of_many_classes_the_best_is_found_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.inference.answers.AT_ONCE", 50)
    classes = tuple(LabelClass(value, str(value), (0, 0, 0)) for value in range(7, 12))
    scores = torch.randn(1, 5, 9, 6, generator=torch.Generator().manual_seed(1))
    output = ModelOutput(OutputKind.LABELS, "classes", classes=classes)
    with running(Fake(classes=lambda _: scores), card(output)) as engine:
        prediction = engine.predict(TILE, fitted(ramp(9, 6)))
    np.testing.assert_array_equal(prediction.rasters[LABELS].pixels[0], scores[0].argmax(0).numpy() + 7)
    expected = scores[0].softmax(0).amax(0).numpy()
    np.testing.assert_allclose(prediction.rasters[CONFIDENCE].pixels[0], expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1,)])
def test_a_network_that_names_the_class_itself_says_nothing_of_its_probability(shape: tuple[int, ...]) -> None:
    output = ModelOutput(OutputKind.LABELS, "classes", classes=(GROUND, TREE, WATER), scores=Scores.INDEX)

    def index(windows: torch.Tensor) -> torch.Tensor:
        return windows[:, 0].long().reshape(*shape, *windows.shape[2:])

    of = card(output, framing=Framing("cut", window=3, stride=1))
    with running(Fake(classes=index), of) as engine:
        prediction = engine.predict(TILE, fitted(np.array([[0, 1, 2, 2, 1]], np.float32)))
    assert prediction.rasters[LABELS].pixels[0].tolist() == [[1, 5, 300, 300, 5]]
    assert CONFIDENCE not in prediction.rasters


def test_a_pixel_without_a_score_has_no_class() -> None:
    pixels = np.array([[1.0, 2.0]], np.float32)
    with running(Fake(classes=lambda x: two_scores((x - 1).log().where(x > 1, torch.nan))), card(CLASSES)) as engine:
        prediction = engine.predict(TILE, fitted(pixels))
    assert prediction.rasters[LABELS].valid[0].tolist() == [[False, True]]
    assert "class scores of 1 pixels" in prediction.remarks[0]


def test_one_pass_gives_heights_and_classes() -> None:
    network = Fake(height=first_band, classes=two_scores)
    with running(network, card(HEIGHTS, CLASSES)) as engine:
        prediction = engine.predict(TILE, fitted(ramp(3, 3)))
    assert set(prediction.rasters) == {HEIGHT, LABELS, CONFIDENCE}
    assert len(network.shapes) == 1


def test_the_class_of_a_tile_is_the_mean_of_what_its_windows_say() -> None:
    network = Fake(scene=lambda windows: two_scores(windows).mean(dim=(2, 3)))
    of = card(SCENE, framing=Framing("cut", window=2, stride=2))
    with running(network, of, batch=3) as engine:
        prediction = engine.predict(TILE, fitted(np.array([[0, 0, 4, 4], [0, 0, 4, 4]], np.float32)))
    assert [score.name for score in prediction.scores] == ["tree", "ground"]
    assert prediction.scores[0].probability == pytest.approx((0.5 + 1 / (1 + np.exp(-4))) / 2)
    assert not prediction.rasters


@pytest.mark.parametrize(
    "answer", [torch.tensor([[0.3]]), torch.tensor([[0.7, 0.3]]), torch.tensor([[[[0.7]], [[0.3]]]])]
)
def test_scenes_are_told_by_probabilities_in_every_form(answer: torch.Tensor) -> None:
    output = ModelOutput(OutputKind.SCENE, "scene", classes=(GROUND, TREE), scores=Scores.PROBABILITIES)
    with running(Fake(scene=lambda _: answer), card(output)) as engine:
        scores = engine.predict(TILE, fitted(ramp(2, 2))).scores
    assert [(score.name, round(score.probability, 4)) for score in scores] == [("ground", 0.7), ("tree", 0.3)]


def test_classes_that_do_not_exclude_each_other_have_a_probability_each() -> None:
    output = ModelOutput(OutputKind.SCENE, "scene", classes=(GROUND, TREE), scores=Scores.INDEPENDENT)
    with running(Fake(scene=lambda _: torch.tensor([[0.0, 2.0]])), card(output)) as engine:
        scores = engine.predict(TILE, fitted(ramp(2, 2))).scores
    assert [(score.name, round(score.probability, 4)) for score in scores] == [("tree", 0.8808), ("ground", 0.5)]
    with running(Fake(scene=lambda _: torch.tensor([[2.0]])), card(output)) as engine, pytest.raises(ModelError):
        engine.predict(TILE, fitted(ramp(2, 2)))  # one channel is not two classes by themselves


@pytest.mark.parametrize("name", ["", "height"])
def test_an_output_without_a_name_is_found_by_its_kind(name: str) -> None:
    with running(Fake(**{name: first_band}), card(ModelOutput(OutputKind.HEIGHT))) as engine:
        np.testing.assert_array_equal(height_of(engine.predict(TILE, fitted(ramp(2, 3)))), ramp(2, 3)[0])


# What is not as the card says


@pytest.mark.parametrize(
    ("output", "answers", "words"),
    [
        (HEIGHTS, {"depth": first_band}, "'height', but the network gives 'depth'"),
        (HEIGHTS, {}, "gives nothing"),
        (HEIGHTS, {"height": two_scores}, "one height in 'height', but 2 channels came"),
        (CLASSES, {"classes": lambda x: x.repeat(1, 3, 1, 1)}, "2 classes in 'classes', but 3 channels came"),
        (HEIGHTS, {"height": lambda x: x[..., ::2]}, "1 x channels x 4 x 6 for 'height', but 1 x 1 x 4 x 3 came"),
        (HEIGHTS, {"height": lambda x: x.sum()}, "but a single number came"),
        (SCENE, {"scene": two_scores}, "1 x channels for 'scene', but 1 x 2 x 4 x 6 came"),
        (
            ModelOutput(OutputKind.LABELS, "c", classes=(GROUND, TREE), scores=Scores.INDEX),
            {"c": first_band},
            "has 2 classes in 'c', but the network names class 23",
        ),
    ],
)
def test_an_answer_that_is_not_what_the_card_says_is_refused(
    output: ModelOutput, answers: dict[str, Callable[[torch.Tensor], torch.Tensor]], words: str
) -> None:
    with running(Fake(**answers), card(output)) as engine, pytest.raises(ModelError, match=words):
        engine.predict(TILE, fitted(ramp(4, 6)))
