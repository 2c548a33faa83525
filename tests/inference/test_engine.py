"""The engine, with networks whose answers are known."""

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import (
    Augmentation,
    Fill,
    Framing,
    ModelCard,
    ModelInput,
    ModelOutput,
    OutputKind,
    Precision,
    RunOptions,
    Scores,
    Weights,
)
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, Prediction
from rsviewer.core.tile import LabelClass, TileId
from rsviewer.inference import devices
from rsviewer.inference import engine as engines
from rsviewer.inference.engine import Engine

TILE = TileId("a/1")
GROUND, TREE, WATER = (
    LabelClass(value, name, (0, 0, 0)) for value, name in ((1, "ground"), (5, "tree"), (300, "water"))
)
HEIGHTS = ModelOutput(OutputKind.HEIGHT, "height")
CLASSES = ModelOutput(OutputKind.LABELS, "classes", classes=(GROUND, TREE))
SCENE = ModelOutput(OutputKind.SCENE, "scene", classes=(GROUND, TREE))
WHOLE = Framing("whole")


class Fake:
    """A network that answers with a function of its windows, and notes what it was asked."""

    def __init__(self, **answers: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.answers = answers
        self.shapes: list[tuple[int, ...]] = []
        self.moves: list[str] = []

    def forward(self, windows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        self.shapes.append(tuple(windows.shape))
        return {name: answer(windows) for name, answer in self.answers.items()}

    def move(self, device: torch.device) -> None:
        self.moves.append(str(device))


class Cramped(Fake):
    """A network with room for so many pixels at once, until it moves."""

    def __init__(self, pixels: int, error: Callable[[], Exception], **answers: Callable[..., torch.Tensor]) -> None:
        super().__init__(**answers)
        self.pixels = pixels
        self.error = error

    def forward(self, windows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        answers = super().forward(windows)
        if windows[:, 0].numel() > self.pixels and not self.moves:
            raise self.error()
        return answers


def first_band(windows: torch.Tensor) -> torch.Tensor:
    return windows[:, :1]


def two_scores(windows: torch.Tensor) -> torch.Tensor:
    """The second class wins where the first band is positive."""
    return torch.cat([torch.zeros_like(windows[:, :1]), windows[:, :1]], dim=1)


def card(*outputs: ModelOutput, framing: Framing = WHOLE, **more: Any) -> ModelCard:
    told: dict[str, Any] = {"inputs": (ModelInput(bands=("red",)),), **more}
    return ModelCard("fake", "Fake model", "fake", outputs=outputs, framings=(framing,), weights=Weights("x"), **told)


def running(network: Fake, of: ModelCard, **options: Any) -> Engine:
    return Engine(of, Path("x"), RunOptions(**{"device": "cpu", "threads": 1, **options}), load=lambda *_: network)


def fitted(pixels: np.ndarray, valid: np.ndarray | None = None) -> Fitted:
    pixels = np.array(pixels, ndmin=3)
    pixels.flags.writeable = False
    return Fitted(pixels, np.ones(pixels.shape[1:], bool) if valid is None else valid)


def ramp(height: int, width: int, bands: int = 1) -> np.ndarray:
    return np.arange(bands * height * width, dtype=np.float32).reshape(bands, height, width)


def height_of(prediction: Prediction) -> np.ndarray:
    return prediction.rasters[HEIGHT].pixels[0]


# What goes in


def test_bands_are_normalised_one_by_one() -> None:
    inputs = (ModelInput(bands=("red", "green"), mean=(10.0, 20.0), std=(2.0, 4.0)), ModelInput(bands=("height",)))
    network = Fake(height=lambda windows: windows.sum(dim=1, keepdim=True))
    pixels = np.stack([np.full((2, 3), value, np.uint8) for value in (14, 28, 7)])
    with running(network, card(HEIGHTS, inputs=inputs)) as engine:
        np.testing.assert_allclose(height_of(engine.predict(TILE, fitted(pixels))), np.full((2, 3), 2 + 2 + 7))


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int16, np.uint16, np.float64])
def test_pixels_of_every_type_are_taken_and_left_alone(kind: type[np.generic]) -> None:
    def spoiling(windows: torch.Tensor) -> torch.Tensor:
        answer = windows.clone()
        windows.zero_()
        return answer

    pixels = ramp(5, 6).astype(kind)
    with running(Fake(height=spoiling), card(HEIGHTS)) as engine:
        prediction = engine.predict(TILE, fitted(pixels.copy()))
    np.testing.assert_array_equal(height_of(prediction), pixels[0])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((ModelInput(),), "takes 3 bands, and the tile gives 1"),
        ((ModelInput(bands=("red",), mean=(1.0, 2.0)),), "2 times mean for 1 bands of input 1"),
        ((ModelInput(bands=("red",), std=(0.0,)),), "0 as std"),
    ],
)
def test_a_card_that_does_not_fit_the_tile_is_refused(inputs: tuple[ModelInput, ...], words: str) -> None:
    with (
        running(Fake(height=first_band), card(HEIGHTS, inputs=inputs)) as engine,
        pytest.raises(ModelError, match=words),
    ):
        engine.predict(TILE, fitted(ramp(4, 4)))


def test_a_tile_without_pixels_is_refused() -> None:
    with running(Fake(height=first_band), card(HEIGHTS)) as engine, pytest.raises(ModelError, match="no pixels"):
        engine.predict(TILE, fitted(np.zeros((1, 0, 5), np.float32)))


# Heights


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
        np.testing.assert_allclose(height_of(engine.predict(TILE, fitted(pixels))), pixels[0], atol=1e-4)


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


def test_a_network_that_fails_says_why_in_a_sentence() -> None:
    def fails(_windows: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nat 0x77")

    with (
        running(Fake(height=fails), card(HEIGHTS)) as engine,
        pytest.raises(ModelError, match=r"Fake model fails on windows of 1 x 1 x 2 x 2 numbers: mat1 .* multiplied$"),
    ):
        engine.predict(TILE, fitted(ramp(2, 2)))


# Augmentation


@pytest.mark.parametrize(("augmentation", "passes"), [(Augmentation.FLIPS, 4), (Augmentation.ROTATIONS, 8)])
def test_the_mean_over_all_symmetries_is_taken(augmentation: Augmentation, passes: int) -> None:
    network = Fake(height=lambda x: x * torch.arange(x.shape[3]))  # what lies to the right becomes higher
    with running(network, card(HEIGHTS), augmentation=augmentation, batch=3) as engine:
        prediction = engine.predict(TILE, fitted(np.ones((1, 4, 4), np.float32)))
    np.testing.assert_allclose(height_of(prediction), np.full((4, 4), 1.5), rtol=1e-6)
    assert sum(shape[0] for shape in network.shapes) == passes


def test_tiles_that_are_not_square_are_turned_too() -> None:
    network = Fake(height=first_band)
    with running(
        network, card(HEIGHTS, framing=Framing("x", multiple=2)), augmentation=Augmentation.ROTATIONS, batch=8
    ) as engine:
        prediction = engine.predict(TILE, fitted(ramp(3, 7)))
    np.testing.assert_allclose(height_of(prediction), ramp(3, 7)[0], rtol=1e-6)
    assert network.shapes == [(4, 1, 4, 8), (4, 1, 8, 4)]


def test_scores_are_averaged_before_they_become_probabilities() -> None:
    network = Fake(classes=lambda x: torch.cat([torch.zeros_like(x), torch.arange(4.0).expand_as(x)], dim=1))
    with running(network, card(CLASSES), augmentation=Augmentation.FLIPS) as engine:
        prediction = engine.predict(TILE, fitted(ramp(4, 4)))
    np.testing.assert_allclose(prediction.rasters[CONFIDENCE].pixels, 1 / (1 + np.exp(-1.5)), rtol=1e-6)


def test_a_model_that_cannot_be_flipped_is_not() -> None:
    network = Fake(height=first_band)
    with running(network, card(HEIGHTS, augmentable=False), augmentation=Augmentation.FLIPS) as engine:
        prediction = engine.predict(TILE, fitted(ramp(4, 4)))
    assert len(network.shapes) == 1
    assert "predicted once" in prediction.remarks[0]


# Lack of memory

ERRORS = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    MemoryError,
]


@pytest.mark.parametrize("error", ERRORS)
def test_windows_that_do_not_fit_at_once_are_predicted_one_by_one(error: Callable[[], Exception]) -> None:
    network = Cramped(100 * 100, error, height=first_band)
    of = card(HEIGHTS, framing=Framing("cut", window=100, stride=100))
    with running(network, of, batch=4) as engine:
        first, second = engine.predict(TILE, fitted(ramp(100, 300))), engine.predict(TILE, fitted(ramp(100, 300)))
    np.testing.assert_array_equal(height_of(first), ramp(100, 300)[0])
    assert first.remarks == ("There was no room on cpu for 3 windows at once: predicted one by one.",)
    assert second.remarks == ()
    assert [shape[0] for shape in network.shapes] == [3, 1, 1, 1, 1, 1, 1]


def test_a_window_that_does_not_fit_is_halved_and_the_next_tile_knows() -> None:
    network = Cramped(140 * 140, ERRORS[0], height=first_band)
    with running(network, card(HEIGHTS, framing=Framing("pad", window=518, multiple=14))) as engine:
        first, second = engine.predict(TILE, fitted(ramp(512, 512))), engine.predict(TILE, fitted(ramp(512, 512)))
        small = engine.predict(TILE, fitted(ramp(100, 100)))
    np.testing.assert_allclose(height_of(first), ramp(512, 512)[0], rtol=1e-6)
    assert first.remarks == ("There was no room on cpu for larger windows: predicted in windows of 140 pixels.",)
    assert second.remarks == first.remarks
    assert small.remarks == ()
    sides = [shape[3] for shape in network.shapes]
    assert sides[:3] == [518, 266, 140]
    assert set(sides[2:-1]) == {140}


def test_the_processor_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    # "meta" stands for a GPU: the network is a fake, and what is to run on it never gets there.
    network = Cramped(0, ERRORS[0], height=first_band)
    monkeypatch.setattr(
        "rsviewer.inference.devices.choose", lambda name: torch.device("meta" if name == "auto" else name)
    )
    monkeypatch.setitem(cast("dict[str, int]", devices.BATCHES), "meta", 8)
    with running(network, card(HEIGHTS), device="auto") as engine:
        engine.load()
        assert engine.device == "meta"
        first, second = engine.predict(TILE, fitted(ramp(90, 90))), engine.predict(TILE, fitted(ramp(90, 90)))
    assert [shape[3] for shape in network.shapes] == [90, 64, 64, 90, 90]  # with the whole tile at once again
    assert network.moves == ["cpu"]
    assert first.device == "cpu"
    np.testing.assert_array_equal(height_of(first), ramp(90, 90)[0])
    assert first.remarks == ("There was no room on meta: predicted on the processor.",)
    assert second.remarks == first.remarks


def test_float16_on_the_processor_is_replaced_and_said() -> None:
    with running(Fake(height=first_band), card(HEIGHTS), precision=Precision.FLOAT16) as engine:
        remarks = engine.predict(TILE, fitted(ramp(2, 2))).remarks
    assert remarks == ("A processor is slow in float16: predicted in bfloat16 instead.",)


def test_when_nothing_fits_that_is_said() -> None:
    network = Cramped(0, ERRORS[1], height=first_band)
    with running(network, card(HEIGHTS)) as engine, pytest.raises(ModelError, match="not enough memory for Fake model"):
        engine.predict(TILE, fitted(ramp(200, 200)))
    assert [shape[3] for shape in network.shapes] == [200, 100, 64]


def test_windows_of_a_fixed_size_and_of_scenes_are_not_halved() -> None:
    for output, framing in (
        (HEIGHTS, Framing("fixed", window=128, multiple=128)),
        (SCENE, Framing("scene", window=128)),
    ):
        network = Cramped(0, ERRORS[0], height=first_band)
        with (
            running(network, card(output, framing=framing)) as engine,
            pytest.raises(ModelError, match="not enough memory"),
        ):
            engine.predict(TILE, fitted(ramp(128, 128)))
        assert len(network.shapes) == 1


def test_a_network_that_takes_no_smaller_windows_goes_to_the_processor_with_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of_one_size(windows: torch.Tensor) -> torch.Tensor:
        if windows.shape[3] != 128:
            raise ModelError("It takes windows of 128 pixels only.")
        return first_band(windows)

    network = Cramped(0, ERRORS[0], height=of_one_size)
    monkeypatch.setattr(
        "rsviewer.inference.devices.choose", lambda name: torch.device("meta" if name == "auto" else name)
    )
    monkeypatch.setitem(cast("dict[str, int]", devices.BATCHES), "meta", 1)
    with running(network, card(HEIGHTS, framing=Framing("x", window=128, whole=True)), device="auto") as engine:
        prediction = engine.predict(TILE, fitted(ramp(100, 128)))
    assert [shape[3] for shape in network.shapes] == [128, 64, 128]
    assert prediction.remarks == ("There was no room on meta: predicted on the processor.",)
    np.testing.assert_array_equal(height_of(prediction), ramp(100, 128)[0])


def test_a_model_that_does_not_fit_onto_the_gpu_is_loaded_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_card: ModelCard, _weights: Path, device: torch.device) -> Fake:
        if device.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Fake(height=first_band)

    monkeypatch.setattr(
        "rsviewer.inference.devices.choose", lambda name: torch.device("meta" if name == "auto" else name)
    )
    with Engine(card(HEIGHTS), Path("x"), RunOptions(threads=1), load=load) as engine:
        prediction = engine.predict(TILE, fitted(ramp(4, 4)))
    assert prediction.device == "cpu"
    assert prediction.remarks == ("Fake model does not fit into the memory of meta: predicted on the processor.",)


# Loading and leaving


def test_importing_the_engine_does_not_import_torch() -> None:
    code = "import sys, rsviewer.inference.engine, rsviewer.inference.remote; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_is_loaded_once_by_the_first_tile() -> None:
    loaded: list[str] = []

    def load(_card: ModelCard, weights: Path, device: torch.device) -> Fake:
        loaded.append(f"{weights} on {device}")
        return Fake(height=first_band)

    with Engine(card(HEIGHTS), Path("x.pth"), RunOptions("cpu", threads=1), load=load) as engine:
        assert engine.device == ""
        assert (engine.load_seconds, engine.peak_bytes) == (0, 0)
        for _ in range(2):
            prediction = engine.predict(TILE, fitted(ramp(2, 2)))
        assert engine.device == "cpu"
        assert engine.load_seconds > 0
        assert engine.peak_bytes > 0
    assert loaded == ["x.pth on cpu"]
    assert 0 < prediction.forward_seconds < prediction.seconds


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"family 'fake', which is not known here\. Known: rs3dada, demo"):
        Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1)).load()


def test_a_family_is_imported_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "FAMILIES", {"fake": __name__})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    with Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1)) as engine:
        np.testing.assert_array_equal(height_of(engine.predict(TILE, fitted(ramp(2, 2)))), ramp(2, 2)[0])


def load(_card: ModelCard, _weights: Path, _device: torch.device) -> Fake:
    """What a family's module has."""
    return Fake(height=first_band)


def test_without_torch_the_user_learns_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r'the package torch, .* pip install "rsviewer\[models\]", or python3'):
        Engine(card(HEIGHTS), Path("x"), RunOptions("cpu")).load()


def test_a_family_that_needs_another_package_names_it() -> None:
    def load(*_: object) -> Fake:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    with pytest.raises(ModelError, match="Fake model needs the package onnxruntime"):
        Engine(card(HEIGHTS), Path("x"), RunOptions("cpu", threads=1), load=load).load()


def test_what_libraries_warn_of_is_kept_quiet() -> None:
    def warns(windows: torch.Tensor) -> torch.Tensor:
        import warnings

        warnings.warn("only for developers", stacklevel=1)
        return first_band(windows)

    with running(Fake(height=warns), card(HEIGHTS)) as engine:
        engine.predict(TILE, fitted(ramp(2, 2)))


def test_a_closed_engine_predicts_no_more() -> None:
    engine = running(Fake(height=first_band), card(HEIGHTS))
    engine.predict(TILE, fitted(ramp(2, 2)))
    engine.close()
    engine.close()
    assert engine.device == ""
    with pytest.raises(ModelError, match="was closed"):
        engine.predict(TILE, fitted(ramp(2, 2)))


def test_closing_from_another_thread_ends_a_long_prediction() -> None:
    closed: list[int] = []

    def slow(windows: torch.Tensor) -> torch.Tensor:
        if not closed:
            closer = threading.Thread(target=engine.close)
            closer.start()
            closer.join()
        closed.append(1)
        return first_band(windows)

    engine = running(Fake(height=slow), card(HEIGHTS, framing=Framing("cut", window=2, stride=2)))
    with pytest.raises(ModelError, match="was closed"):
        engine.predict(TILE, fitted(ramp(2, 40)))
    assert len(closed) == 1


def test_the_bare_pass_runs_the_very_windows_of_the_tile() -> None:
    network = Fake(height=first_band)
    of = card(HEIGHTS, framing=Framing("cut", window=4, stride=4))
    with running(network, of, batch=2) as engine:
        engine.predict(TILE, fitted(ramp(4, 12)))
        predicted = list(network.shapes)
        network.shapes.clear()
        assert engine.bare_seconds(fitted(ramp(4, 12)), repeats=3) > 0
    assert network.shapes == predicted * 4  # the first to warm up


def test_smaller_numbers_are_used_where_asked() -> None:
    kinds: list[torch.dtype] = []

    def product(windows: torch.Tensor) -> torch.Tensor:
        answer = windows @ torch.ones(windows.shape[3], windows.shape[3])
        kinds.append(answer.dtype)
        return answer

    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        with running(Fake(height=product), card(HEIGHTS), precision=precision) as engine:
            prediction = engine.predict(TILE, fitted(np.ones((1, 4, 4), np.float32)))
        np.testing.assert_array_equal(height_of(prediction), np.full((4, 4), 4.0))
        assert prediction.rasters[HEIGHT].pixels.dtype == np.float32
    assert kinds == [torch.float32, torch.bfloat16]
