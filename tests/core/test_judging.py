"""A prediction beside its reference: errors with their sign, classes by name, and nothing compared that is something else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rsviewer.core.aligning import Alignment
from rsviewer.core.boxes import Boxes
from rsviewer.core.judging import Judgement, default_reference, judge
from rsviewer.core.metrics import Totals
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Scores, Weights
from rsviewer.core.prediction import (
    BOXES,
    CONFIDENCE,
    HEIGHT,
    HEIGHT_ERROR,
    LABELS,
    LABELS_ERROR,
    QUANTITY,
    QUANTITY_ERROR,
    RIGHT,
    SCENE,
    Prediction,
    Score,
    error_classes,
    predicted_layers,
)
from rsviewer.core.tile import (
    LabelClass,
    LayerContent,
    LayerId,
    LayerKind,
    LayerSpec,
    Missing,
    Raster,
    Text,
    TileId,
    Unreadable,
)
from rsviewer.core.vector import Feature, Shape, Vector

TILE = TileId("area/7")
TRANSFORM = (0.5, 0.0, 300.0, 0.0, -0.5, 800.0)
VOID = LabelClass(0, "Unlabelled", (0, 0, 0), void=True)
CLASSES = (LabelClass(1, "Water", (0, 0, 255)), LabelClass(2, "Road", (9, 9, 9)), LabelClass(3, "Tree", (0, 99, 0)))
HEIGHTS = ModelOutput(OutputKind.HEIGHT, title="nDSM", reference=("ndsm",))
COVER = ModelOutput(OutputKind.LABELS, title="land cover", classes=CLASSES)
NDSM = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit="m")
LANDCOVER = LayerSpec(LayerId("landcover"), LayerKind.LABELS, "land cover", classes=(VOID, *CLASSES))


def card(*outputs: ModelOutput) -> ModelCard:
    return ModelCard(
        "m", "M", "onnx", (ModelInput(),), outputs or (HEIGHTS, COVER), (Framing("whole"),), Weights("m.onnx")
    )


def raster(values: Any, kind: Any = np.float32, valid: Any = True, **more: Any) -> Raster:
    pixels = np.atleast_2d(np.array(values, kind))[None]
    return Raster(pixels, np.broadcast_to(np.atleast_2d(np.array(valid, bool)), pixels.shape), **more)


def on_top(target: Raster, source: Raster) -> Alignment:
    """Edge on edge."""
    columns = (np.arange(target.width) + 0.5) * source.width / target.width
    rows = (np.arange(target.height) + 0.5) * source.height / target.height
    column, row = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    same = (target.width, target.height) == (source.width, source.height)
    return Alignment(column, row, 1.0, "" if same else "laid over by extent", same=same, by_extent=True)


def judged(
    predicted: dict[LayerId, Raster], references: dict[LayerId, tuple[LayerSpec, LayerContent]], *outputs: ModelOutput
) -> Judgement:
    prediction = Prediction(TILE, "f00d", predicted, remarks=("Stretched.",))
    found = judge(card(*outputs), prediction, references, on_top)
    assert found.tile == TILE
    assert found.prediction is prediction
    assert found.remarks[0] == "Stretched."
    return found


def heights(
    predicted: Raster, reference: LayerContent, spec: LayerSpec = NDSM, output: ModelOutput = HEIGHTS
) -> Judgement:
    return judged({HEIGHT: predicted}, {HEIGHT: (spec, reference)}, output)


def labels(predicted: Any, reference: Any, spec: LayerSpec = LANDCOVER, output: ModelOutput = COVER) -> Judgement:
    one = predicted if isinstance(predicted, Raster) else raster(predicted, np.uint8)
    other = reference if isinstance(reference, Raster) else raster(reference, np.uint8)
    return judged({LABELS: one}, {LABELS: (spec, other)}, output)


def error_of(judgement: Judgement, layer: LayerId) -> list[Any]:
    """Row by row; None where it is invalid."""
    error = judgement.rasters[layer]
    pairs = zip(error.pixels[0].tolist(), error.valid[0].tolist(), strict=True)
    return [[value if known else None for value, known in zip(*row, strict=True)] for row in pairs]


# --- heights


def test_the_error_of_a_height_has_a_sign_and_lies_where_the_prediction_lies() -> None:
    predicted = raster([[1, 5], [-2, 8]], transform=TRANSFORM, crs="EPSG:32651", gsd=0.5, full_size=(20, 20))
    found = heights(predicted, raster([[3, 4], [0, 8]]))
    error = found.rasters[HEIGHT_ERROR]
    assert error_of(found, HEIGHT_ERROR) == [[-2, 1], [-2, 0]]
    assert error.pixels.dtype == np.float32
    assert (error.transform, error.crs, error.gsd, error.cell, error.full_size) == (
        (TRANSFORM, "EPSG:32651", 0.5, (0.5, 0.5), (20, 20))
    )
    assert found.rasters[HEIGHT] is predicted
    assert found.remarks == ("Stretched.",)


def test_an_error_is_known_only_where_both_heights_are() -> None:
    predicted = raster([1, 2, np.nan, 4], valid=[True, False, True, True])
    found = heights(predicted, raster([0, 0, 0, -9999], valid=[True, True, True, False]))
    assert error_of(found, HEIGHT_ERROR) == [[1, None, None, None]]


def test_the_scores_are_those_of_the_pixels_that_have_an_error() -> None:
    truth = np.tile(np.float32([4, 0]), (10, 10))
    reference = raster(np.where(truth > 0, truth, -9999), valid=truth > 0)
    scores = heights(raster(truth + 1), reference).heights
    assert scores is not None
    assert scores.whole is not None
    assert (scores.whole.pixels, scores.whole.mae, scores.whole.bias) == (100, 1.0, 1.0)


def test_without_a_height_in_common_there_are_no_scores_and_a_remark() -> None:
    found = heights(raster([1, 2]), raster([1, 2], valid=False))
    assert found.heights is None
    assert error_of(found, HEIGHT_ERROR) == [[None, None]]
    assert found.remarks[1:] == ("nDSM and the prediction have no valid height in common: no scores.",)


def test_a_reference_of_another_size_is_laid_below_and_said_so() -> None:
    found = heights(raster(np.zeros((4, 4))), raster([[0, 4]]))
    assert error_of(found, HEIGHT_ERROR) == [[0, -1, -3, -4]] * 4
    assert found.remarks[1:] == ("nDSM on the prediction: laid over by extent.",)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([True, False], "nDSM covers 50 % of the prediction."),
        ([False, False], "nDSM lies elsewhere than the prediction."),
    ],
)
def test_a_reference_that_ends_within_the_tile_is_compared_where_it_is(there: list[bool], said: str) -> None:
    def beside(target: Raster, source: Raster) -> Alignment:
        place = np.where([there], np.float32(0.5), np.float32(np.nan))
        return Alignment(place, place, float(np.mean(there)))

    found = judge(card(), Prediction(TILE, "f00d", {HEIGHT: raster([5, 5])}), {HEIGHT: (NDSM, raster([3]))}, beside)
    assert error_of(found, HEIGHT_ERROR) == [[2 if known else None for known in there]]
    assert found.remarks[0] == said


def test_heights_in_other_units_are_compared_in_the_models_and_scored_in_metres() -> None:
    decimetres = LayerSpec(NDSM.id, NDSM.kind, "nDSM", unit="dm")
    centimetres = ModelOutput(OutputKind.HEIGHT, title="nDSM", unit="cm")
    found = heights(raster(np.full((7, 7), 300)), raster(np.full((7, 7), 20), np.int16), decimetres, centimetres)
    assert error_of(found, HEIGHT_ERROR) == [[100.0] * 7] * 7
    assert found.heights is not None
    assert found.heights.whole is not None
    assert found.heights.whole.mae == pytest.approx(1.0)


def test_unknown_units_are_taken_for_metres_and_said_so() -> None:
    unknown = LayerSpec(LayerId("h"), LayerKind.HEIGHT, "heights", unit="")
    found = heights(raster([5]), raster([3]), unknown)
    assert error_of(found, HEIGHT_ERROR) == [[2]]
    assert found.remarks[1:] == ("heights says no unit: taken for metres.",)


def test_who_compares_heights_above_ground_with_a_surface_is_told() -> None:
    dsm = LayerSpec(LayerId("gt_dsm"), LayerKind.HEIGHT, "gt DSM", unit="m")
    found = heights(raster([5]), raster([305]), dsm)
    assert error_of(found, HEIGHT_ERROR) == [[-300]]
    assert "gt DSM holds heights of the surface, but the model predicts heights above ground" in found.remarks[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Missing("The tile has no nDSM."), "No comparison: The tile has no nDSM."),
        (Unreadable("a.tif", "It is cut off."), "nDSM cannot be read, so there is no comparison: It is cut off."),
        (Text("a hill"), "nDSM is a text: nothing to compare with."),
    ],
)
def test_a_reference_that_is_not_there_becomes_a_remark(content: LayerContent, said: str) -> None:
    found = heights(raster([1]), content)
    assert found.remarks[1:] == (said,)
    assert found.rasters.keys() == {HEIGHT}
    assert found.heights is None


@pytest.mark.parametrize("extreme", [np.inf, -np.inf, 3.4e38, 1e300])
def test_absurd_heights_have_no_error_rather_than_a_wrong_one(extreme: float) -> None:
    reference = Raster(np.array([[[extreme, 1.0]]]), np.ones((1, 1, 2), bool))
    found = heights(raster([-3.4e38, 2.0]), reference)
    assert error_of(found, HEIGHT_ERROR) == [[None, 1.0]]


def test_a_tile_of_one_pixel_has_an_error_but_too_few_for_a_score() -> None:
    found = heights(raster([7]), raster([7]))
    assert error_of(found, HEIGHT_ERROR) == [[0]]
    assert found.heights is not None
    assert found.heights.whole is None


# --- relative heights

RELATIVE = ModelOutput(OutputKind.HEIGHT, title="relative elevation", unit="", reference=("dem",), relative=True)
DEM = LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m")
SLOPE = [[index / 48 for index in range(49)]]


def test_relative_heights_are_fitted_to_their_reference_and_said_so() -> None:
    truth = [[400.0 + 240.0 * value for value in SLOPE[0]]]
    found = heights(raster(SLOPE), raster(truth), DEM, RELATIVE)

    np.testing.assert_allclose(found.rasters[HEIGHT].pixels[0], truth, rtol=1e-6)
    assert found.remarks[1] == (
        "The prediction is relative: for this tile it was fitted to DEM by least squares, times 240 m plus 400 m."
    )
    assert found.heights is not None
    assert found.heights.whole is not None
    assert found.heights.whole.rmse < 1e-3
    assert found.heights.relative is not None
    assert found.heights.relative.deltas == (1.0, 1.0, 1.0)
    assert found.prediction is not None
    np.testing.assert_array_equal(found.prediction.rasters[HEIGHT].pixels[0], np.float32(SLOPE))


def test_a_reference_in_feet_gives_metres_and_one_without_a_unit_its_own() -> None:
    feet = heights(raster(SLOPE), raster(SLOPE), replace(DEM, unit="ft"), RELATIVE)
    grey = heights(raster(SLOPE), raster([[255 * value for value in SLOPE[0]]]), replace(DEM, unit=""), RELATIVE)

    assert feet.rasters[HEIGHT].pixels.max() == pytest.approx(0.3048)
    assert "times 0.3048 m plus" in " ".join(feet.remarks)
    assert grey.rasters[HEIGHT].pixels.max() == pytest.approx(255.0)
    assert "times 255 plus" in " ".join(grey.remarks)


def test_who_is_turned_round_by_the_fit_is_told() -> None:
    found = heights(raster(SLOPE), raster([[-value for value in SLOPE[0]]]), DEM, RELATIVE)

    assert any("turned round" in remark for remark in found.remarks)


def test_without_a_reference_relative_heights_stay_and_say_so() -> None:
    found = judged({HEIGHT: raster(SLOPE)}, {}, RELATIVE)

    assert HEIGHT in found.rasters
    assert "no unit" in found.remarks[1]


@pytest.mark.parametrize("content", [Missing("It is not there."), raster([[1.0]], valid=False)])
def test_a_pane_in_metres_shows_no_numbers_without_a_unit(content: LayerContent) -> None:
    found = heights(raster(SLOPE), content, DEM, RELATIVE)

    assert HEIGHT not in found.rasters
    assert found.heights is None
    assert "compare it with nothing" in found.remarks[-1]


def test_a_flat_reference_has_scores_in_metres_alone() -> None:
    found = heights(raster(SLOPE), raster(np.full((1, 49), 12.0)), DEM, RELATIVE)

    assert found.heights is not None
    assert found.heights.relative is None
    assert "flat" in found.remarks[-1]


@pytest.mark.parametrize(("unit", "shown"), [("m", "m"), ("ft", "m"), ("", ""), (None, "")])
def test_panes_of_relative_heights_have_the_unit_of_the_reference(unit: str | None, shown: str) -> None:
    references = {} if unit is None else {HEIGHT: replace(DEM, unit=unit)}

    assert {layer.unit for layer in predicted_layers(card(RELATIVE), references)} == {shown}


# --- classes


def test_a_wrong_class_shows_what_was_predicted() -> None:
    found = labels([[1, 2, 3, 3]], [[1, 3, 3, 1]])
    assert error_of(found, LABELS_ERROR) == [[RIGHT, 2, RIGHT, 3]]
    assert found.rasters[LABELS_ERROR].pixels.dtype == np.int16
    assert found.labels is not None
    assert found.labels.confusion.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert found.remarks == ("Stretched.",)


def test_what_is_void_or_invalid_is_neither_right_nor_wrong() -> None:
    found = labels(
        raster([1, 1, 1, 2], np.uint8, valid=[True, True, False, True]),
        raster([1, 0, 1, 2], np.uint8, valid=[True, True, True, False]),
    )
    assert error_of(found, LABELS_ERROR) == [[RIGHT, None, None, None]]
    assert found.remarks == ("Stretched.",)


def test_classes_are_compared_by_name_and_not_by_number() -> None:
    theirs = LayerSpec(
        LayerId("lc"),
        LayerKind.LABELS,
        "lc",
        classes=(LabelClass(40, "trees", (0, 0, 0)), LabelClass(2, "Waters", (0, 0, 0))),
    )
    found = labels([[1, 3, 3]], [[2, 40, 2]], theirs)
    assert error_of(found, LABELS_ERROR) == [[RIGHT, RIGHT, 3]]


def test_a_class_that_the_model_does_not_know_is_left_out_and_named() -> None:
    snow = LayerSpec(LayerId("lc"), LayerKind.LABELS, "lc", classes=(VOID, *CLASSES, LabelClass(9, "Snow", (0, 0, 0))))
    found = labels([[1, 1, 1, 1]], [[1, 9, 9, 0]], snow)
    assert error_of(found, LABELS_ERROR) == [[RIGHT, None, None, None]]
    assert found.remarks[1:] == ("lc has 2 pixels of classes that the model does not know (Snow): they are left out.",)


def test_a_class_that_the_reference_cannot_have_is_wrong_and_named() -> None:
    theirs = LayerSpec(LayerId("lc"), LayerKind.LABELS, "lc", classes=(CLASSES[0], CLASSES[2]))
    found = labels([[1, 2, 3]], [[1, 1, 3]], theirs)
    assert error_of(found, LABELS_ERROR) == [[RIGHT, 2, RIGHT]]
    assert found.remarks[1:] == ("lc has no class for Road: where the model predicts that, it counts as wrong.",)


def test_other_classes_are_not_compared() -> None:
    theirs = LayerSpec(
        LayerId("lc"),
        LayerKind.LABELS,
        "lc",
        classes=(LabelClass(1, "Corn", (0, 0, 0)), LabelClass(2, "Rye", (0, 0, 0))),
    )
    found = labels([[1, 2]], [[1, 2]], theirs)
    assert found.rasters.keys() == {LABELS}
    assert found.labels is None
    assert found.remarks[1:] == (
        "lc has other classes (Corn, Rye) than the model (Water, Road, Tree): they cannot be compared.",
    )


def test_labels_without_names_are_taken_by_number_and_said_so() -> None:
    found = labels([[1, 2]], [[1, 3]], LayerSpec(LayerId("gt"), LayerKind.LABELS, "gt"))
    assert error_of(found, LABELS_ERROR) == [[RIGHT, 2]]
    assert found.remarks[1:] == (
        "Nobody knows what the classes of gt are: its numbers are taken for those of the model.",
    )


def test_labels_may_be_stored_as_floats_and_finer_than_the_prediction() -> None:
    reference = raster([[1, 1, 3, 3], [1, 1, 3, 3]], np.float64)
    found = labels([[1, 2]], reference)
    assert error_of(found, LABELS_ERROR) == [[RIGHT, 2]]
    assert found.remarks[1:] == ("land cover on the prediction: laid over by extent.",)


def test_a_mask_stored_as_0_and_1_is_the_same_as_one_of_0_and_255() -> None:
    states = (LabelClass(0, "No change", (0, 0, 0)), LabelClass(255, "Change", (255, 255, 255)))
    mask = LayerSpec(LayerId("change"), LayerKind.MASK, "change", classes=states)
    output = ModelOutput(OutputKind.LABELS, classes=states)
    assert default_reference(output, [NDSM, mask]) is mask
    found = labels([[255, 255, 0]], [[1, 0, 0]], mask, output)
    assert error_of(found, LABELS_ERROR) == [[RIGHT, 255, RIGHT]]


def test_a_label_of_more_than_15_bits_does_not_turn_into_another_one() -> None:
    output = ModelOutput(OutputKind.LABELS, classes=(*CLASSES[:2], LabelClass(65535, "Tree", (0, 0, 0))))
    found = labels(raster([65535, 65535], np.uint16), [[3, 1]], output=output)
    assert error_of(found, LABELS_ERROR) == [[RIGHT, 65535]]


@given(
    hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 4)), hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 4))
)
def test_every_compared_pixel_is_in_the_confusion_once(
    predicted: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> None:
    found = labels(predicted, reference)
    error = found.rasters[LABELS_ERROR]
    if found.labels is None:
        assert not error.valid.any()
        return
    assert found.labels.confusion.sum() == error.valid.sum()
    assert np.trace(found.labels.confusion) == (error.pixels[error.valid] == RIGHT).sum()


# --- both


def test_heights_and_classes_of_one_prediction_are_judged_together() -> None:
    predicted = {HEIGHT: raster([1]), LABELS: raster([1], np.uint8), CONFIDENCE: raster([0.7])}
    found = judged(predicted, {HEIGHT: (NDSM, raster([0])), LABELS: (LANDCOVER, raster([1], np.uint8))})
    assert set(found.rasters) == {HEIGHT, HEIGHT_ERROR, LABELS, LABELS_ERROR, CONFIDENCE}
    alone = judged(predicted, {})
    assert (alone.rasters, alone.heights, alone.labels) == (predicted, None, None)


def test_memory_of_the_prediction_is_counted_once() -> None:
    predicted = {HEIGHT: raster(np.zeros((100, 100)))}
    alone, both = judged(predicted, {}), judged(predicted, {HEIGHT: (NDSM, raster(np.zeros((100, 100))))})
    error = both.rasters[HEIGHT_ERROR]
    assert both.nbytes - alone.nbytes == error.nbytes
    assert 40_000 < alone.nbytes < 50_000
    assert 0 < Judgement(TILE, why="No image.").nbytes < 5_000


# --- which reference


def height_layer(name: str, title: str = "", unit: str = "m") -> LayerSpec:
    return LayerSpec(LayerId(name), LayerKind.HEIGHT, title or name, unit=unit)


@pytest.mark.parametrize(
    ("layers", "chosen"),
    [
        (["dem", "ndsm"], "ndsm"),
        (["dem", "gt_ndsm"], "gt_ndsm"),
        (["height"], "height"),
        (["height", "other"], None),
        (["dsm"], None),
        (["presplitdem_a"], None),
        (["ndsm_a", "ndsm_b"], None),
        ([], None),
    ],
)
def test_heights_above_ground_are_judged_by_such_or_not_at_all(layers: Sequence[str], chosen: str | None) -> None:
    found = default_reference(HEIGHTS, [height_layer(name) for name in layers])
    assert (found.id if found else None) == chosen


def test_a_title_tells_as_much_as_an_id_and_a_height_without_a_unit_is_a_picture() -> None:
    assert default_reference(HEIGHTS, [height_layer("a", "DEM, 5 m")]) is None
    assert default_reference(HEIGHTS, [height_layer("depth_255", unit="")]) is None


def test_a_model_of_elevations_is_judged_by_a_dem() -> None:
    dem, ndsm = height_layer("dem"), height_layer("ndsm")
    assert default_reference(ModelOutput(OutputKind.HEIGHT, title="DEM"), [ndsm, dem]) is dem
    assert default_reference(ModelOutput(OutputKind.HEIGHT), [dem, ndsm]) is ndsm


def test_classes_are_judged_by_the_first_layer_that_has_them() -> None:
    crops = LayerSpec(LayerId("crops"), LayerKind.LABELS, "crops", classes=(LabelClass(1, "Corn", (0, 0, 0)),))
    other = LayerSpec(LayerId("other"), LayerKind.LABELS, "other", classes=CLASSES)
    assert default_reference(COVER, [NDSM, crops, LANDCOVER, other]) is LANDCOVER
    named = ModelOutput(OutputKind.LABELS, classes=CLASSES, reference=("missing", "crops", "other"))
    assert default_reference(named, [crops, LANDCOVER, other]) is other
    assert default_reference(COVER, [NDSM, crops]) is None


def scene_of(values: Any, scores: Scores, spec: LayerSpec = LANDCOVER, **more: Any) -> Judgement:
    output = ModelOutput(OutputKind.SCENE, "scene", classes=CLASSES, scores=scores, reference=("landcover",))
    said = tuple(Score(name, share) for name, share in (("Tree", 0.7), ("Water", 0.6), ("Road", 0.1)))
    prediction = Prediction(TILE, "m", scores=said)
    return judge(card(output), prediction, {SCENE: (spec, raster(values, np.uint8, **more))}, on_top)


def test_a_whole_tile_is_judged_by_the_shares_of_the_classes_in_a_layer() -> None:
    covers = [[1] * 5 + [3] * 13 + [0] * 2]
    several = scene_of(covers, Scores.INDEPENDENT).scene
    assert several is not None
    assert several.shares == (0.25, 0, 0.65)  # what is not labelled is a part of the tile, too
    assert several.probabilities == (0.6, 0.1, 0.7)
    assert (several.said, several.true) == ((True, False, True), (True, False, True))
    single = scene_of(covers, Scores.LOGITS).scene
    assert single is not None
    assert single.true == single.said == (False, False, True)


def test_a_tile_of_which_nothing_is_known_has_no_scene_to_compare_and_says_so() -> None:
    nothing = scene_of([[0, 0]], Scores.LOGITS)
    assert nothing.scene is None
    assert nothing.remarks == ("land cover shows nothing on this tile that the model knows: no scores.",)
    others = LayerSpec(LayerId("x"), LayerKind.LABELS, "x", classes=(LabelClass(1, "Sand", (0, 0, 0)),))
    assert scene_of([[1]], Scores.LOGITS, others).remarks == (
        "x has other classes than the model: they cannot be compared.",
    )


def test_whole_tiles_are_compared_with_no_layer_but_one_that_the_card_names() -> None:
    output = ModelOutput(OutputKind.SCENE, "scene", classes=CLASSES)
    assert default_reference(output, [LANDCOVER]) is None
    assert default_reference(replace(output, reference=("landcover",)), [NDSM, LANDCOVER]) == LANDCOVER


def test_a_scene_has_no_reference_layer() -> None:
    assert default_reference(ModelOutput(OutputKind.SCENE, classes=CLASSES), [LANDCOVER]) is None


def test_a_quantity_is_compared_in_its_own_unit_where_both_are_known() -> None:
    output = ModelOutput(OutputKind.QUANTITY, "depth", "water depth", unit="m", reference=("dem",))
    spec = LayerSpec(LayerId("dem"), LayerKind.HEIGHT, "DEM", unit="m")
    card = ModelCard("q", "Q", "demo", (ModelInput(),), (output,), (Framing("whole"),), Weights("x"))
    assert default_reference(output, (spec,)) == spec
    valid = np.array([[[True, True, False]]])
    predicted = Raster(np.array([[[-1.0, -5.0, -9.0]]], np.float32), valid, full_size=(3, 1))
    truth = Raster(np.array([[[-2.0, -2.0, 0.0]]], np.float32), np.ones((1, 1, 3), bool), full_size=(3, 1))
    judged = judge(card, Prediction(TileId("t"), "m", {QUANTITY: predicted}), {QUANTITY: (spec, truth)}, on_top)
    assert judged.quantity is not None
    assert (judged.quantity.pixels, judged.quantity.mae, judged.quantity.bias) == (2, 2.0, -1.0)
    error = judged.rasters[QUANTITY_ERROR]
    assert error.pixels[0, 0, :2].tolist() == [1.0, -3.0]
    assert not error.valid[0, 0, 2]
    feet = judge(card, judged.prediction, {QUANTITY: (replace(spec, unit="ft"), truth)}, on_top)  # type: ignore[arg-type]  # it is one
    assert any("is in ft, the prediction in m" in remark for remark in feet.remarks)


def test_what_could_not_be_read_is_no_reference_for_objects() -> None:
    classes = (LabelClass(0, "background", (0, 0, 0), void=True), LabelClass(1, "vessel", (255, 0, 0)))
    output = ModelOutput(OutputKind.BOXES, "ships", classes=classes, reference=("vector",))
    spec = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector")
    card = ModelCard("o", "O", "demo", (ModelInput(),), (output,), (Framing("whole"),), Weights("x"))
    boxes = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32), (8, 8))
    prediction = Prediction(TileId("t"), "m", boxes=boxes)
    assert default_reference(output, (spec,)) == spec
    for content, said in (
        (Missing("Nobody looked."), "Nobody looked."),
        (Vector((), (8192.0, 8192.0), ("smoke",)), "does not say of any class"),
    ):
        judged = judge(card, prediction, {BOXES: (spec, content)}, on_top)
        assert judged.objects is None
        assert any(said in remark for remark in judged.remarks)
    known = judge(card, prediction, {BOXES: (spec, Vector((), (8192.0, 8192.0), ("vessel",)))}, on_top)
    assert known.objects is not None
    assert known.objects.counts == {"vessel": (0, 0, 0)}


def test_classes_that_are_lines_are_compared_with_the_polylines_that_a_card_names() -> None:
    classes = (
        LabelClass(0, "none of them", (0, 0, 0), void=True),
        LabelClass(1, "road", (255, 255, 255)),
        LabelClass(2, "river", (0, 0, 255)),
    )
    output = ModelOutput(OutputKind.LABELS, "lines", "roads", classes=classes, reference=("vector",))
    spec = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector")
    assert default_reference(output, (spec,)) == spec
    assert default_reference(replace(output, reference=()), (spec,)) is None
    assert default_reference(replace(output, classes=classes[:1]), (spec,)) is None  # no class is a line
    card = ModelCard("l", "L", "demo", (ModelInput(),), (output,), (Framing("whole"),), Weights("x"))
    assert LABELS_ERROR not in {layer.id for layer in predicted_layers(card, {LABELS: spec})}
    pixels = np.zeros((1, 64, 64), np.uint8)
    pixels[0, 20] = 1
    raster = Raster(pixels, np.ones((1, 64, 64), bool), full_size=(64, 64))
    prediction = Prediction(TileId("t"), "m", {LABELS: raster})
    road = Feature("road", Shape.LINE, (np.array([(0.0, 20.5), (64.0, 20.5)]) * 128,))
    judged = judge(card, prediction, {LABELS: (spec, Vector((road,), (8192.0, 8192.0), ("road",)))}, on_top)
    assert judged.lines is not None
    assert set(judged.lines.counts) == {"road"}
    assert judged.lines.f1 > 0.9
    assert judged.labels is None
    assert not judged.remarks
    for content, said in (
        (Missing("Nobody looked."), "Nobody looked."),
        (Vector((), (8192.0, 8192.0), ("smoke",)), "does not say of any class"),
    ):
        without = judge(card, prediction, {LABELS: (spec, content)}, on_top)
        assert without.lines is None
        assert any(said in remark for remark in without.remarks)


def test_what_is_there_where_no_class_is_predicted_is_missed() -> None:
    classes = (
        LabelClass(0, "neither", (0, 0, 0), void=True),
        LabelClass(1, "background", (0, 255, 0)),
        LabelClass(2, "flood", (0, 0, 255)),
    )
    output = ModelOutput(
        OutputKind.LABELS, "flood", classes=classes, scores=Scores.PROBABILITIES, threshold=0.5, reference=("flood",)
    )
    spec = LayerSpec(
        LayerId("flood"), LayerKind.LABELS, "flood", classes=(replace(classes[0], name="invalid"), *classes[1:])
    )
    card = ModelCard("f", "F", "demo", (ModelInput(),), (output,), (Framing("whole"),), Weights("x"))
    said, truth = (
        Raster(np.array([[row]], np.uint8), np.ones((1, 1, 4), bool), full_size=(4, 1))
        for row in ([2, 0, 0, 1], [2, 2, 0, 1])
    )
    judged = judge(card, Prediction(TileId("t"), "m", {LABELS: said}), {LABELS: (spec, truth)}, on_top)
    assert judged.labels is not None
    assert judged.labels.accuracy == pytest.approx(2 / 3)  # of the pixels that somebody labelled
    assert judged.labels.iou[1:] == (1.0, 0.5)
    assert np.isnan(judged.labels.iou[0])
    assert judged.labels.miou == 0.75
    assert not judged.remarks
    assert judged.rasters[LABELS_ERROR].pixels[0, 0].tolist() == [RIGHT, 0, 0, RIGHT]
    assert judged.rasters[LABELS_ERROR].valid[0, 0].tolist() == [True, True, False, True]
    assert [one.name for one in error_classes(output)] == ["right", "neither", "background", "flood"]
    totals = Totals([one.name for one in classes])
    totals.add(None, judged.labels)
    assert totals.metrics()["miou"] == 0.75


def test_what_labels_say_of_the_whole_tile_is_compared_with_the_output_of_that_name() -> None:
    classes = tuple(LabelClass(value, name, (0, 0, 0)) for value, name in enumerate(("no", "partial", "yes")))
    output = ModelOutput(OutputKind.SCENE, "smoke", classes=classes, reference=("vector",))
    spec = LayerSpec(LayerId("vector"), LayerKind.VECTOR, "vector", classes=(LabelClass(1, "smoke", (0, 0, 0)),))
    assert default_reference(output, (spec,)) == spec
    assert default_reference(replace(output, name="snow"), (spec,)) is None
    card = ModelCard("s", "S", "demo", (ModelInput(),), (output,), (Framing("whole"),), Weights("x"))
    prediction = Prediction(TileId("t"), "m", scores=(Score("yes", 0.7), Score("no", 0.3)))
    corners = np.array([(0.0, 0.0), (8192.0, 0.0), (8192.0, 8192.0)])
    for said, accuracy in (("yes", 1.0), ("partial", 0.0)):
        feature = Feature("smoke", Shape.POLYGON, (corners,), {"smoke": said})
        judged = judge(card, prediction, {SCENE: (spec, Vector((feature,), (8192.0, 8192.0), ("smoke",)))}, on_top)
        assert judged.scene is not None
        assert judged.scene.accuracy == accuracy
    nobody = judge(card, prediction, {SCENE: (spec, Vector((), (8192.0, 8192.0), ("road",)))}, on_top)
    assert nobody.scene is None
    assert nobody.remarks == ("vector shows nothing on this tile that the model knows: no scores.",)


def test_where_labels_say_none_of_the_classes_nothing_is_compared_and_that_is_said() -> None:
    neither = LabelClass(0, "neither", (0, 0, 0))
    fires = LabelClass(1, "fire retardant", (255, 0, 0)), LabelClass(2, "burned", (128, 128, 128))
    output = ModelOutput(
        *(OutputKind.LABELS, "wildfire"),
        classes=(replace(neither, void=True), *fires),
        scores=Scores.PROBABILITIES,
        threshold=0.5,
        reference=("wildfire",),
    )
    both = LabelClass(3, "fire retardant and burned", (1, 1, 1))
    spec = LayerSpec(LayerId("wildfire"), LayerKind.LABELS, "wildfire", classes=(neither, *fires, both))
    card = ModelCard("f", "F", "demo", (ModelInput(),), (output,), (Framing("whole"),), Weights("x"))
    said, truth = (
        Raster(np.array([[row]], np.uint8), np.ones((1, 1, 4), bool), full_size=(4, 1))
        for row in ([2, 2, 0, 1], [0, 2, 1, 3])
    )
    judged = judge(card, Prediction(TileId("t"), "m", {LABELS: said}), {LABELS: (spec, truth)}, on_top)
    assert judged.labels is not None
    assert judged.labels.accuracy == 0.5  # one that is burned was seen, one of retardant missed
    assert any(
        remark.startswith("Where wildfire has none of the classes nothing is compared") for remark in judged.remarks
    )
    assert any(
        "1 pixels of classes that the model does not know (fire retardant and burned)" in one for one in judged.remarks
    )
