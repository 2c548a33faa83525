"""What goes into a network: bands in order, normalised, in windows, flipped and turned."""

import numpy as np
import pytest
import torch

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Augmentation, Framing, ModelInput
from rsviewer.core.prediction import CONFIDENCE
from tests.inference.networks import CLASSES, HEIGHTS, TILE, Fake, card, first_band, fitted, height_of, ramp, running


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
    tile = fitted(pixels)
    with running(Fake(height=spoiling), card(HEIGHTS)) as engine:
        prediction = engine.predict(TILE, tile)
    np.testing.assert_array_equal(height_of(prediction), pixels[0])
    np.testing.assert_array_equal(tile.pixels, pixels)


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
