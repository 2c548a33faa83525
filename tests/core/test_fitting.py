"""A network gets the layers and bands that it needs, on the scale that it knows, or a sentence that says what is missing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rsviewer.core.aligning import Alignment
from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted, fit, fitted_from, input_layers, inputs_of_tile
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Missing, Raster, Text, Unreadable

TRANSFORM = (0.5, 0.0, 300.0, 0.0, -0.5, 800.0)


def layer(name: str, kind: LayerKind = LayerKind.OPTICAL, **more: Any) -> LayerSpec:
    return LayerSpec(LayerId(name), kind, name.replace("_", " "), **more)


PRE, POST = layer("pre_image", date="pre"), layer("image", date="post")
IMAGE = layer("image")
NDSM = layer("ndsm", LayerKind.HEIGHT, unit="m")
SAR = layer("s1", LayerKind.SAR)


def card(*inputs: ModelInput, **more: Any) -> ModelCard:
    output = ModelOutput(OutputKind.HEIGHT)
    return ModelCard(
        "m", "Demo", "onnx", inputs or (ModelInput(**more),), (output,), (Framing("whole"),), Weights("m.onnx")
    )


def raster(pixels: Any, kind: Any = None, valid: Any = True, **more: Any) -> Raster:
    pixels = np.array(pixels, kind)
    return Raster(pixels, np.broadcast_to(np.array(valid, bool), pixels.shape), **more)


def image(bands: int = 3, kind: Any = np.uint8, side: int = 4) -> NDArray[Any]:
    """Band k has values from 10 k on."""
    values = np.arange(side * side).reshape(side, side)
    return np.stack([values + 10 * band for band in range(bands)]).astype(kind)


def beside(target: Raster, source: Raster) -> Alignment:
    """Edge on edge."""
    columns = (np.arange(target.width) + 0.5) * source.width / target.width
    rows = (np.arange(target.height) + 0.5) * source.height / target.height
    column, row = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    same = (target.width, target.height) == (source.width, source.height)
    return Alignment(column, row, 1.0, "" if same else "laid over by extent", same=same)


def fitted(content: LayerContent, spec: LayerSpec = IMAGE, wanted: ModelInput | None = None, **more: Any) -> Fitted:
    return fit(card(*([wanted] if wanted else []), **more), [(spec, content)], beside)


# --- which layer


def test_of_two_dates_the_later_is_taken_where_the_card_says_none() -> None:
    assert input_layers(card(), [PRE, POST, NDSM]) == (POST,)
    assert input_layers(card(), [PRE]) == (PRE,)


def test_an_image_beside_a_pair_is_no_better_than_the_later_of_the_two() -> None:
    assert input_layers(card(), [PRE, POST, layer("opt_irc")]) == (POST,)
    assert input_layers(card(date="post"), [layer("opt_irc"), PRE, POST]) == (POST,)


def test_a_model_of_change_gets_both_dates_in_its_own_order() -> None:
    change = card(ModelInput(date="post"), ModelInput(date="pre"))
    assert input_layers(change, [PRE, POST]) == (POST, PRE)


def test_several_inputs_of_a_kind_get_several_layers() -> None:
    infrared = layer("irc")
    both = card(ModelInput(), ModelInput(LayerKind.SAR), ModelInput())
    assert input_layers(both, [IMAGE, SAR, infrared]) == (IMAGE, SAR, infrared)
    with pytest.raises(ModelError, match="needs an optical image"):
        input_layers(both, [IMAGE, SAR])


def test_two_inputs_may_take_their_bands_from_one_layer_that_names_them() -> None:
    many = layer("s2", bands=("blue", "green", "red", "nir"))
    both = card(ModelInput(), ModelInput(bands=("nir",)))
    assert input_layers(both, [many]) == (many, many)
    assert input_layers(card(bands=("nir",)), [IMAGE, many]) == (many,)


def test_the_user_may_give_another_layer_and_the_rest_goes_round_it() -> None:
    other = layer("other")
    assert input_layers(card(), [IMAGE, other], {0: other.id}) == (other,)
    assert input_layers(card(), [IMAGE, NDSM], {0: NDSM.id}) == (NDSM,)
    assert input_layers(card(ModelInput(), ModelInput()), [IMAGE, other], {1: IMAGE.id}) == (other, IMAGE)


@pytest.mark.parametrize(
    ("wanted", "layers", "chosen", "said"),
    [
        (ModelInput(), [NDSM, SAR], {}, "Demo needs an optical image with red, green and blue, and .* among ndsm, s1:"),
        (ModelInput(date="pre"), [IMAGE], {}, "needs an optical image .* of the earlier date, .* among image:"),
        (ModelInput(LayerKind.HEIGHT, ()), [], {}, "needs heights, and there is none among no layer:"),
        (ModelInput(), [IMAGE], {0: LayerId("gone")}, "was given the layer gone, which is not here"),
        (ModelInput(), [layer("text", LayerKind.TEXT)], {0: LayerId("text")}, "was given text, which has no pixels"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    wanted: ModelInput, layers: list[LayerSpec], chosen: dict[int, LayerId], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        input_layers(card(wanted), layers, chosen)


# --- which bands


def test_an_8_bit_image_is_handed_on_as_it_is() -> None:
    content = raster(image(), transform=TRANSFORM, crs="EPSG:32651", gsd=0.5)
    found = fitted(content)
    assert np.shares_memory(found.pixels, content.pixels)
    np.testing.assert_array_equal(found.pixels, image())
    assert found.valid.all()
    assert found.valid.shape == (4, 4)
    assert (found.transform, found.crs, found.gsd, found.cell) == (TRANSFORM, "EPSG:32651", 0.5, (0.5, 0.5))
    assert (found.full_size, found.remarks) == ((4, 4), ())


@pytest.mark.parametrize("by_file", [True, False])
def test_bands_are_found_by_name_whoever_gives_it(by_file: bool) -> None:
    names = ("b", "g", "r", "nir")
    content = raster(image(4), band_names=names if by_file else ())
    found = fitted(content, IMAGE if by_file else layer("image", bands=names))
    np.testing.assert_array_equal(found.pixels, image(4)[[2, 1, 0]])
    assert found.remarks == ()


def test_of_four_nameless_bands_the_first_three_are_taken_or_those_that_are_shown_and_said_so() -> None:
    found = fitted(raster(image(4)))
    np.testing.assert_array_equal(found.pixels, image(4)[:3])
    assert found.remarks == (
        "Bands 1, 2 and 3 of image are taken as red, green and blue, since nobody knows what they are.",
    )
    shown = fitted(raster(image(4)), layer("image", display_bands=(3, 2, 1)))
    np.testing.assert_array_equal(shown.pixels, image(4)[[3, 2, 1]])


def test_one_band_serves_for_three() -> None:
    for kind in (np.uint8, np.uint16):
        found = fitted(raster(image(1, kind) * 15))
        assert found.pixels.shape == (3, 4, 4)
        assert (found.pixels == found.pixels[0]).all()
        assert len(found.remarks) <= 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (raster(image(2)), r"Demo needs 3 bands \(red, green and blue\); image has 2:"),
        (
            raster(image(3), band_names=("nir", "red", "green")),
            "needs the bands red, green and blue; image has nir, red",
        ),
        (raster(image(), valid=False), "image has no valid pixel on this tile"),
        (raster(np.full((3, 2, 2), np.nan)), "image has no valid pixel on this tile"),
        (raster(np.empty((3, 0, 0), np.uint8)), "image has no pixels on this tile"),
        (Missing("The tile has no image."), "Demo needs an optical image .*blue. The tile has no image."),
        (Unreadable("a.tif", "It is cut off."), "Demo needs image, which cannot be read: It is cut off."),
        (Text("a hill"), "image is a text"),
    ],
)
def test_a_tile_that_does_not_fit_says_why_in_a_sentence(content: LayerContent, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        fitted(content)


# --- on which scale


def test_a_16_bit_image_is_stretched_band_by_band_and_said_so() -> None:
    values = np.linspace(0, 10_000, 101).astype(np.uint16).reshape(1, 101)
    found = fitted(raster(np.stack([values, values // 2, values + 7])))
    assert found.pixels.dtype == np.float32
    for band in found.pixels:
        assert (band[0, 2], band[0, 98]) == pytest.approx((0, 255), abs=0.1)
        assert band[0, 50] == pytest.approx(127.5, abs=0.1)
        assert (band.min(), band.max()) == (0, 255)
    assert found.remarks == (
        "image has values of 0..10007: each band was stretched from its 2nd to its 98th percentile to 0..255 for the model.",
    )


def test_shares_become_brightness_exactly() -> None:
    shares = image(kind=np.float32) / np.float32(50)
    found = fitted(raster(shares))
    np.testing.assert_allclose(found.pixels, shares * 255, rtol=1e-6)
    assert found.remarks == ("image has values of 0..1: they were multiplied by 255 for the model.",)
    glint = shares.copy()
    glint[0, 0, 0] = 1.3
    assert fitted(raster(glint)).pixels.max() == 255


@pytest.mark.parametrize(
    ("high", "kind", "values"),
    [
        (255, np.float32, [0, 17.5, 255]),
        (255, np.uint16, [0, 17, 255]),
        (1, np.float64, [-0.02, 0.5, 1.1]),
        (10_000, np.uint16, [0, 300, 12_000]),
        (0, np.float32, [-30, 5, 4000]),
        (0, np.int16, [-30, 5, 4000]),
    ],
)
def test_values_on_the_cards_scale_stay_as_they_are(high: float, kind: Any, values: list[float]) -> None:
    found = fitted(raster([[values]], kind), bands=("red",), high=high)
    np.testing.assert_array_equal(found.pixels, np.array([[values]], np.float32))
    assert found.remarks == ()


def test_8_bit_images_are_shares_for_who_wants_shares() -> None:
    found = fitted(raster([[[0, 51, 255]]], np.uint8), bands=("red",), high=1)
    np.testing.assert_allclose(found.pixels, [[[0, 0.2, 1]]], rtol=1e-6)


def test_reflectances_stored_as_shares_are_multiplied_for_who_wants_ten_thousands() -> None:
    found = fitted(raster([[[0.0, 0.1, 0.8]]], np.float32), bands=("nir",), high=10_000)
    np.testing.assert_allclose(found.pixels, [[[0, 1000, 8000]]], rtol=1e-6)


def test_raw_values_are_never_stretched_however_bright_clouds_are() -> None:
    wanted = ModelInput(high=10_000, stretch=False)
    cloudy = image(kind=np.uint16) * np.uint16(1300)
    found = fitted(raster(cloudy), wanted=wanted)
    np.testing.assert_array_equal(found.pixels, cloudy)
    assert not found.remarks
    assert fitted(raster(cloudy), wanted=ModelInput(high=10_000)).remarks  # where it is not said, they are

    shares = cloudy / np.float32(65_000)
    np.testing.assert_allclose(fitted(raster(shares), wanted=wanted).pixels, shares * 10_000, rtol=1e-6)
    assert "stretched" in fitted(raster(image()), wanted=wanted).remarks[0]  # bytes are on no scale


def test_what_is_invalid_is_filled_band_by_band_where_training_did_so() -> None:
    wanted = ModelInput(LayerKind.SAR, ("VV", "VH"), high=0, nan=0, clip=(-25, 0))
    decibels = np.array([[[np.nan, -30, -12, 3]], [[-20, -26, -25, np.nan]]], np.float32)
    found = fitted(raster(decibels), SAR, wanted=wanted)
    np.testing.assert_array_equal(found.pixels, [[[0, -25, -12, 0]], [[-20, -25, -25, 0]]])
    assert found.valid.all()
    assert found.remarks == ("2 invalid pixels of s1 were taken for 0, as in training.",)
    with pytest.raises(ModelError, match="no valid pixel"):
        fitted(raster(np.full((2, 1, 4), np.nan)), SAR, wanted=wanted)


def test_values_that_are_nearly_all_cut_are_told() -> None:
    wanted = ModelInput(LayerKind.SAR, ("VV", "VH"), high=0, clip=(-25, 0))
    power = np.linspace(0.001, 0.4, 32, dtype=np.float32).reshape(2, 4, 4)
    (told,) = fitted(raster(power), SAR, wanted=wanted).remarks
    assert told.startswith("100% of the values of s1 lie beyond -25..0 and were cut to it")


def test_8_bit_heights_for_who_takes_values_as_they_are_stay_bytes() -> None:
    heights = card(ModelInput(LayerKind.HEIGHT, (), high=0))
    found = fit(heights, [(NDSM, raster(image(1)))], beside)
    assert found.pixels.dtype == np.uint8


def test_an_image_of_one_value_is_black_when_it_must_be_stretched() -> None:
    assert not fitted(raster(np.full((3, 2, 2), 4000, np.uint16))).pixels.any()


# --- what is invalid


def test_where_one_band_is_invalid_all_are_0() -> None:
    valid = np.ones((3, 4, 4), bool)
    valid[1, 0, 0] = False
    for kind in (np.uint8, np.uint16, np.float32):
        content = raster(image(kind=kind) + kind(5), valid=valid)
        found = fitted(content)
        assert found.valid.tolist() == valid[1].tolist()
        assert not found.pixels[:, 0, 0].any()
        assert found.pixels[:, 1, 1].all()
        assert content.pixels[0, 0, 0] == 5


def test_nan_and_infinity_are_invalid_and_do_not_spoil_the_stretch() -> None:
    pixels = np.linspace(0, 4000, 300).reshape(3, 10, 10)
    pixels[0, 0, :3] = np.nan, np.inf, -np.inf
    found = fitted(raster(pixels))
    assert np.isfinite(found.pixels).all()
    assert np.flatnonzero(~found.valid).tolist() == [0, 1, 2]
    assert found.pixels.max() == 255


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=4),
    ),
    st.sampled_from([0.0, 1.0, 255.0, 10_000.0]),
)
def test_whatever_a_file_holds_the_network_gets_numbers_or_a_sentence(pixels: NDArray[Any], high: float) -> None:
    content = raster(pixels)
    try:
        found = fitted(content, bands=("a", "b"), high=high)
    except ModelError:
        with np.errstate(over="ignore"):
            assert not np.isfinite(pixels[:2].astype(np.float32)).all(axis=0).any()
        return
    assert found.pixels.dtype in (np.uint8, np.float32)
    assert found.pixels.shape == (2, *pixels.shape[1:])
    assert np.isfinite(found.pixels).all()
    assert found.valid.any()
    if high == 255.0:
        assert found.pixels.min() >= 0
        assert found.pixels.max() <= 255


# --- several inputs


def test_a_second_input_is_brought_to_the_grid_of_the_first_and_said_so() -> None:
    both = card(ModelInput(), ModelInput(LayerKind.HEIGHT, (), high=0))
    coarse = raster([[[0.0, 8.0], [0.0, 8.0]]], np.float32)
    found = fit(both, [(IMAGE, raster(image())), (NDSM, coarse)], beside)
    assert found.pixels.dtype == np.float32
    np.testing.assert_array_equal(found.pixels[:3], image())
    assert found.pixels[3].tolist() == [[0, 2, 6, 8]] * 4
    assert found.remarks == ("ndsm on the first layer that the model takes: laid over by extent.",)


def test_only_what_is_valid_in_all_inputs_is_valid() -> None:
    both = card(ModelInput(bands=("red",)), ModelInput(LayerKind.HEIGHT, (), high=0))
    one = raster([[[5, 5, 5]]], np.uint8, valid=[True, True, False])
    other = raster([[[1.0, np.nan, 1.0]]], np.float32)
    found = fit(both, [(IMAGE, one), (NDSM, other)], beside)
    assert found.valid.tolist() == [[True, False, False]]
    assert found.pixels.tolist() == [[[5, 0, 0]], [[1, 0, 0]]]
    with pytest.raises(ModelError, match="no valid pixel in common"):
        fit(both, [(IMAGE, one), (NDSM, raster([[[np.nan, 1.0, 1.0]]], valid=[False, False, True]))], beside)


def test_classes_as_an_input_are_never_mixed() -> None:
    both = card(ModelInput(bands=("red",)), ModelInput(LayerKind.LABELS, ()))
    labels = raster([[[1, 9]]], np.uint8, valid=[True, False])
    found = fit(both, [(IMAGE, raster(image(1))), (layer("lc", LayerKind.LABELS), labels)], beside)
    assert found.pixels[1].tolist() == [[1, 1, 0, 0]] * 4
    assert found.valid.tolist() == [[True, True, False, False]] * 4


def test_a_layer_of_another_kind_and_one_read_coarser_are_remarked() -> None:
    found = fitted(raster(image(), full_size=(40, 40)), NDSM)
    assert found.remarks == (
        "ndsm is taken for an optical image.",
        "ndsm was read coarser than it is, 4 x 4 instead of 40 x 40 pixels: so is the prediction.",
    )
    assert found.full_size == (40, 40)


def test_a_card_without_inputs_is_refused() -> None:
    empty = ModelCard("m", "Demo", "onnx", (), (ModelOutput(OutputKind.HEIGHT),), (Framing("w"),), Weights("m.onnx"))
    with pytest.raises(ModelError, match="names no input"):
        fit(empty, [], beside)


def test_a_tile_of_another_sensor_is_predicted_from_its_own_image_and_says_so() -> None:
    space, aerial, height = (
        LayerSpec(LayerId("tci"), LayerKind.OPTICAL, "Sentinel-2"),
        LayerSpec(LayerId("naip"), LayerKind.OPTICAL, "NAIP"),
        LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM"),
    )
    model = card()
    assert inputs_of_tile(model, (space,), [space, aerial]) == (space,)
    assert inputs_of_tile(model, (space,), [height, aerial]) == (aerial,)
    assert inputs_of_tile(model, (space,), [aerial], lost=[space.id]) == (space,), "a lost file is not replaced"
    assert inputs_of_tile(model, (space,), [height]) == (space,), "there is nothing that would do"
    whole = Fitted(np.zeros((3, 1, 1)), np.ones((1, 1), np.bool_), remarks=("padded",))
    assert fitted_from(whole, (space,), (space,)) is whole
    assert fitted_from(whole, (space,), (aerial,)).remarks == (
        "Predicted from NAIP, which this tile has in place of Sentinel-2.",
        "padded",
    )
