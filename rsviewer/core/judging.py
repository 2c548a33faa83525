"""A prediction beside its reference: the error of every pixel as layers of their own, and the scores of the tile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.aligning import Align, linear, nearest, told
from rsviewer.core.classes import aliases
from rsviewer.core.cloud import unit_doubt
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.linemetrics import LineScores, line_scores, lines_among
from rsviewer.core.metrics import (
    HeightScores,
    LabelScores,
    QuantityScores,
    confusion,
    height_scores,
    label_scores,
    quantity_scores,
)
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind
from rsviewer.core.naming import matched
from rsviewer.core.objectmetrics import ObjectScores, category, object_scores
from rsviewer.core.prediction import (
    BOXES,
    HEIGHT,
    HEIGHT_ERROR,
    LABELS,
    LABELS_ERROR,
    QUANTITY,
    QUANTITY_ERROR,
    RIGHT,
    SCENE,
    Prediction,
    shown_unit,
)
from rsviewer.core.relative import fit_line, relative_scores
from rsviewer.core.scenemetrics import SceneScores, compared_scene
from rsviewer.core.shading import METRES
from rsviewer.core.stretch import real
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
from rsviewer.core.vector import Vector
from rsviewer.core.wordmetrics import WordScores

MEASURED = (LayerKind.QUANTITY, LayerKind.HEIGHT)
"""Layers that a quantity can be compared with."""
_NAMED = 5
"""Classes that a remark names at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """One reference: the raster of the error, if there can be one, and how good the prediction is.

    `fitted` are relative heights as they are shown: in the unit of the reference, to which they were fitted.
    """

    error: Raster | None = None
    heights: HeightScores | None = None
    labels: LabelScores | None = None
    quantity: QuantityScores | None = None
    fitted: Raster | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What became of a tile, everything that panes, readout, 3D and the model panel show of it.

    Attributes:
        tile: which tile.
        prediction: None where the model gave no answer.
        rasters: layer -> raster, for every layer of `core.prediction.predicted_layers` that there is.
        heights, labels, quantity, objects, lines: the tile's scores; None without a reference, or with nothing in common.
        scene: of the whole tile, likewise; None where nothing is known of what is there.
        remarks: of the prediction and of the comparison.
        why: why there is no prediction, in a sentence; empty where there is one.
        words, label: what caption and label say of it, and the label, for a network that reads.
    """

    tile: TileId
    prediction: Prediction | None = None
    rasters: Mapping[LayerId, Raster] = field(default_factory=dict)
    heights: HeightScores | None = None
    labels: LabelScores | None = None
    remarks: tuple[str, ...] = ()
    why: str = ""
    scene: SceneScores | None = None
    quantity: QuantityScores | None = None
    words: WordScores | None = None
    label: str = ""
    objects: ObjectScores | None = None
    lines: LineScores | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        predicted = {} if self.prediction is None else self.prediction.rasters
        shared = {id(raster) for raster in predicted.values()}
        own = sum(raster.nbytes for raster in self.rasters.values() if id(raster) not in shared)
        return 1024 + own + (0 if self.prediction is None else self.prediction.nbytes)


def default_reference(output: ModelOutput, layers: Sequence[LayerSpec]) -> LayerSpec | None:
    """The layer that an output is compared with unless the user chooses another; None where none is surely the same thing.

    Heights: the first of `output.reference` that the dataset has, by id; else the only height layer of the output's kind, or
    the only height layer at all if its id and title do not say that it is another kind of height (heights above ground are
    not to be judged by a DEM or DSM). An output that does not say what its heights are means those above ground. Labels: the
    first of `output.reference`, or else the first label layer or mask, of which enough classes match: `core.naming.matched`.
    Whole tiles: only one of `output.reference`; vector labels where they have a category of the output's name, as of smoke.
    Quantities: the first of `output.reference` that holds numbers. Vector labels are a reference for labels only by
    `output.reference`, and only for classes that are lines: `core.linemetrics`.
    """
    by_id = {spec.id: spec for spec in layers}
    told_by_card = [by_id[LayerId(name)] for name in output.reference if name in by_id]
    if output.kind is OutputKind.HEIGHT:
        heights = [spec for spec in layers if spec.kind is LayerKind.HEIGHT]
        metric = [spec for spec in heights if spec.unit in METRES]
        same = [spec for spec in metric if height_kind(spec.id, spec.title) == _predicted_kind(output)]
        only = [spec for spec in metric if len(heights) == 1 and not height_kind(spec.id, spec.title)]
        chosen = [spec for spec in told_by_card if spec.kind is LayerKind.HEIGHT] or (same if len(same) == 1 else only)
        return chosen[0] if chosen else None
    if output.kind is OutputKind.QUANTITY:
        return next((spec for spec in told_by_card if spec.kind in MEASURED), None)
    if output.kind is OutputKind.BOXES:
        return next((spec for spec in told_by_card if spec.kind is LayerKind.VECTOR), None)
    if output.kind is OutputKind.LABELS:
        categorical = sorted(
            (spec for spec in layers if spec.kind.is_categorical), key=lambda spec: spec.kind is LayerKind.MASK
        )
        return next((spec for spec in (*told_by_card, *categorical) if _has_classes_of(output, spec)), None)
    fitting = (spec for spec in told_by_card if spec.kind.is_categorical or spec.kind is LayerKind.VECTOR)
    return next((spec for spec in fitting if _has_classes_of(output, spec)), None)


def _has_classes_of(output: ModelOutput, spec: LayerSpec) -> bool:
    if spec.kind is LayerKind.VECTOR and output.kind is OutputKind.SCENE:
        return category(output.name) in {category(one.name) for one in spec.classes}
    if spec.kind is LayerKind.VECTOR:
        return bool(lines_among(output.classes))
    return bool(matched(output.classes, spec.classes))


def judge(
    card: ModelCard,
    prediction: Prediction,
    references: Mapping[LayerId, tuple[LayerSpec, LayerContent]],
    align: Align,
) -> Judgement:
    """Compares a prediction with its references, on the grid of the prediction.

    Heights of another size or CRS are resampled linearly, classes by the nearest neighbour, and a remark says so.

    Args:
        card: of the model.
        prediction: its answer.
        references: `core.prediction.HEIGHT`, `LABELS`, `QUANTITY`, `SCENE` -> the layer that holds the truth, as read. One that
            could not be read becomes a remark. Of whole tiles it is the shares of the classes in that layer.
        align: finds the pixels of the reference below those of the prediction.
    """
    rasters, remarks = dict(prediction.rasters), list(prediction.remarks)
    heights = labels = quantities = _Compared()
    lines = None
    height, classes, quantity = map(card.output, (OutputKind.HEIGHT, OutputKind.LABELS, OutputKind.QUANTITY))
    if height is not None and HEIGHT in rasters and HEIGHT in references:
        spec, content = references[HEIGHT]
        if isinstance(content, Raster):
            heights = _compared_heights(height, rasters[HEIGHT], spec, content, align, remarks)
        else:
            remarks.append(_no_reference(spec, content))
    if height is not None and height.relative and HEIGHT in rasters:
        _show_fitted(rasters, heights.fitted, references.get(HEIGHT), remarks)
    if classes is not None and LABELS in rasters and LABELS in references:
        spec, content = references[LABELS]
        if isinstance(content, Raster):
            labels = _compared_labels(classes, rasters[LABELS], spec, content, align, remarks)
        elif isinstance(content, Vector) and lines_among(classes.classes):
            lines = line_scores(rasters[LABELS], classes.classes, content)
            if lines is None:
                remarks.append(_nobody_looked(spec))
        else:
            remarks.append(_no_reference(spec, content))
    scene = None
    whole = card.output(OutputKind.SCENE)
    if whole is not None and prediction.scores and SCENE in references:
        spec, content = references[SCENE]
        if isinstance(content, Raster | Vector):
            scene = _compared_scene(whole, prediction, spec, content, remarks)
        else:
            remarks.append(_no_reference(spec, content))
    if quantity is not None and QUANTITY in rasters and QUANTITY in references:
        spec, content = references[QUANTITY]
        if isinstance(content, Raster):
            quantities = _compared_quantities(quantity, rasters[QUANTITY], spec, content, align, remarks)
        else:
            remarks.append(_no_reference(spec, content))
    objects = _compared_objects(card, prediction, references, remarks)
    errors = {HEIGHT_ERROR: heights.error, LABELS_ERROR: labels.error, QUANTITY_ERROR: quantities.error}
    rasters |= {layer: error for layer, error in errors.items() if error is not None}
    return Judgement(
        *(prediction.tile, prediction, rasters, heights.heights, labels.labels, tuple(dict.fromkeys(remarks))),
        scene=scene,
        quantity=quantities.quantity,
        objects=objects,
        lines=lines,
    )


# --- heights


def _compared_heights(
    output: ModelOutput, predicted: Raster, spec: LayerSpec, reference: Raster, align: Align, remarks: list[str]
) -> _Compared:
    title = output.title or "height"
    named, meant = height_kind(spec.id, spec.title), _predicted_kind(output)
    if named and named != meant and not output.relative:
        remarks.append(
            f"{spec.title} holds {named}, but the model predicts {meant}: the error is mostly the difference of the two."
        )
    own_doubt = "" if output.relative else unit_doubt(f"Predicted {title}", output.unit)
    doubts = own_doubt, unit_doubt(spec.title, spec.unit)
    remarks += [doubt for doubt in doubts if doubt]
    metres, own_metres = METRES.get(output.unit, 1.0), METRES.get(spec.unit, 1.0)
    alignment = align(predicted, reference)
    remarks += told(alignment, spec.title, "the prediction")
    with np.errstate(all="ignore"):
        truth = linear(reference, alignment)
        if own_metres != metres:
            truth *= own_metres / metres
        said = predicted
        if output.relative:
            predicted = _fitted(output, said, truth, spec, remarks)
        error = (predicted.pixels[0] - truth).astype(np.float32)
        valid = predicted.valid[0] & np.isfinite(error)
        error[~valid] = np.nan
        height = predicted.pixels[0]
        if metres != 1.0:
            height, truth = height * np.float32(metres), truth * metres
        scores = height_scores(height, truth.astype(np.float32), valid)
    if scores is None:
        remarks.append(f"{spec.title} and the prediction have no valid height in common: no scores.")
        return _Compared(_on_grid(predicted, error, valid))
    if output.relative:
        scores = replace(scores, relative=relative_scores(said.pixels[0], truth, said.valid[0]))
        if scores.relative is None:
            remarks.append(f"{spec.title} is flat on this tile: relative heights have no scores there.")
    return _Compared(_on_grid(predicted, error, valid), scores, fitted=predicted if output.relative else None)


def _fitted(output: ModelOutput, said: Raster, truth: NDArray[Any], spec: LayerSpec, remarks: list[str]) -> Raster:
    """Relative heights in the unit of the reference; as they are where there is nothing to fit them to."""
    fit = fit_line(said.pixels[0], truth, said.valid[0])
    if fit is None:
        return said
    unit = f" {shown_unit(output, spec)}".rstrip()
    remarks.append(
        f"The prediction is relative: for this tile it was fitted to {spec.title} by least squares, times {fit.scale:.4g}{unit}"
        f" plus {fit.shift:.4g}{unit}."
    )
    if fit.scale <= 0.0:
        remarks.append(
            f"High and low are turned round by that, or nothing is left of them: it has nothing in common with {spec.title}."
        )
    heights = (fit.scale * said.pixels[0] + fit.shift).astype(np.float32)
    return replace(_on_grid(said, heights, said.valid[0]), notes=("by least squares",))


def _show_fitted(
    rasters: dict[LayerId, Raster],
    fitted: Raster | None,
    reference: tuple[LayerSpec, LayerContent] | None,
    remarks: list[str],
) -> None:
    """Puts relative heights into the panes: fitted, or as they are; not where a pane in metres would show those."""
    if fitted is not None:
        rasters[HEIGHT] = fitted
    elif reference is None:
        remarks.append(
            "The prediction is relative: it has no unit, and its numbers say nothing beside those of another tile."
        )
    else:
        del rasters[HEIGHT]
        remarks.append(
            f"The prediction is relative, and there is no {reference[0].title} on this tile that it can be fitted to:"
            " compare it with nothing to see it as it is."
        )


def _predicted_kind(output: ModelOutput) -> HeightKind:
    """What the heights of a model are: those above ground unless it says something else."""
    return height_kind(output.title, output.name, *output.reference) or HeightKind.ABOVE_GROUND


# --- objects


def _compared_objects(
    card: ModelCard,
    prediction: Prediction,
    references: Mapping[LayerId, tuple[LayerSpec, LayerContent]],
    remarks: list[str],
) -> ObjectScores | None:
    output = card.output(OutputKind.BOXES)
    if output is None or prediction.boxes is None or BOXES not in references:
        return None
    spec, content = references[BOXES]
    if isinstance(content, Missing | Unreadable):
        remarks.append(_no_reference(spec, content))
        return None
    found = object_scores(prediction.boxes, output.classes, content) if isinstance(content, Vector) else None
    if found is None:
        remarks.append(_nobody_looked(spec))
    return found


def _nobody_looked(spec: LayerSpec) -> str:
    return f"{spec.title} does not say of any class of the model whether it is on this tile: no scores."


# --- quantities


def _compared_quantities(
    output: ModelOutput, predicted: Raster, spec: LayerSpec, reference: Raster, align: Align, remarks: list[str]
) -> _Compared:
    if spec.unit != output.unit:
        remarks.append(
            f"{spec.title} is in {spec.unit or 'no unit'}, the prediction in {output.unit or 'none'}: the error is of both."
        )
    alignment = align(predicted, reference)
    remarks += told(alignment, spec.title, "the prediction")
    with np.errstate(all="ignore"):
        error = (predicted.pixels[0] - linear(reference, alignment)).astype(np.float32)
        valid = predicted.valid[0] & np.isfinite(error)
        error[~valid] = np.nan
        scores = quantity_scores(error, valid)
    if scores is None:
        remarks.append(f"{spec.title} and the prediction have no valid pixel in common: no scores.")
    return _Compared(_on_grid(predicted, error, valid), quantity=scores)


# --- classes


def _compared_labels(
    output: ModelOutput, predicted: Raster, spec: LayerSpec, reference: Raster, align: Align, remarks: list[str]
) -> _Compared:
    classes = [one for one in output.classes if not one.void]
    numbers = matched(output.classes, spec.classes)
    if not spec.classes:
        numbers = {one.value: one.value for one in classes}
        remarks.append(
            f"Nobody knows what the classes of {spec.title} are: its numbers are taken for those of the model."
        )
    if not numbers:
        remarks.append(
            f"{spec.title} has other classes ({_listed(one.name for one in spec.classes if not one.void)}) than the model"
            f" ({_listed(one.name for one in classes)}): they cannot be compared."
        )
        return _Compared()
    row = {one.value: number for number, one in enumerate(output.classes) if not one.void}
    known = {value: row[label] for value, label in numbers.items()}
    stored = real(reference.pixels[0])
    present = reference.valid[0]
    alias = aliases(spec, np.unique(stored[present]).tolist()) if spec.kind is LayerKind.MASK else {}
    known |= {value: known[documented] for value, documented in alias.items() if documented in known}
    truth = _rows(stored, present, known)
    none = output.classes[0] if output.threshold and output.classes[0].void else None
    nothing = [one.value for one in spec.classes if none is not None and not one.void and one.name == none.name]
    if _count(stored, present, nothing):
        remarks.append(
            f"Where {spec.title} has none of the classes nothing is compared, as in the authors' evaluation: what is invented"
            " there does not count."
        )
    void = [one.value for one in spec.classes if one.void] + nothing
    unknown = int(np.count_nonzero((truth < 0) & present)) - _count(stored, present, void)
    alignment = align(predicted, reference)
    remarks += told(alignment, spec.title, "the prediction")
    if unknown:
        others = _listed(one.name for one in spec.classes if one.value not in (*void, *numbers))
        which = f" ({others})" if others else ""
        remarks.append(
            f"{spec.title} has {unknown:,} pixels of classes that the model does not know{which}: they are left out."
        )
    below = nearest(truth, alignment, -1)
    # Where none of the classes is said to be, those that are there are missed.
    found = _rows(predicted.pixels[0], predicted.valid[0], row if none is None else {none.value: 0, **row})
    valid = (found >= 0) & (below >= 0)
    table = confusion(found, below, valid, len(output.classes))
    remarks += _only_predicted(output.classes, table, {*known.values(), *([] if none is None else [0])}, spec)
    if not valid.any():
        remarks.append(f"{spec.title} and the prediction have no valid class in common: no scores.")
    # A class of more than 15 bits is a colour or an accident, but must not turn into another one.
    wide = max(row) > np.iinfo(np.int16).max
    error = predicted.pixels[0].astype(np.int32 if wide else np.int16)
    error[found == below] = RIGHT
    return _Compared(_on_grid(predicted, error, valid), labels=label_scores(table, None if none is None else 0))


def _rows(stored: NDArray[Any], present: NDArray[np.bool_], row: Mapping[int, int]) -> NDArray[np.int16]:
    """(height, width) the row of every pixel's class in the confusion table; -1 where there is none."""
    rows = np.full(stored.shape, -1, np.int16)
    for value, number in row.items():
        rows[stored == value] = number
    rows[~present] = -1
    return rows


def _count(stored: NDArray[Any], present: NDArray[np.bool_], values: Iterable[int]) -> int:
    return sum(int(np.count_nonzero((stored == value) & present)) for value in values)


def _only_predicted(
    classes: Sequence[LabelClass], table: NDArray[np.int64], known: set[int], spec: LayerSpec
) -> list[str]:
    """A remark where the model sees classes that its reference cannot have."""
    names = [classes[row].name for row in np.flatnonzero(table.sum(axis=0)).tolist() if row not in known]
    if not names:
        return []
    return [f"{spec.title} has no class for {_listed(names)}: where the model predicts that, it counts as wrong."]


def _listed(names: Iterable[str]) -> str:
    """The first of some names."""
    every = list(names)
    return ", ".join(every[:_NAMED]) + " ..." * (len(every) > _NAMED)


# --- whole tiles


def _compared_scene(
    output: ModelOutput, prediction: Prediction, spec: LayerSpec, reference: Raster | Vector, remarks: list[str]
) -> SceneScores | None:
    """What is said of a tile beside the shares of the classes in a layer of it, or the class that its labels name."""
    if isinstance(reference, Vector):
        shares: Mapping[int, float] | None = _named_shares(output, reference)
    else:
        shares = _area_shares(output, spec, reference)
    if shares is None:
        remarks.append(f"{spec.title} has other classes than the model: they cannot be compared.")
        return None
    said = {score.name: score.probability for score in prediction.scores}
    found = compared_scene(
        output,
        [said.get(one.name, 0.0) for one in output.classes],
        [shares.get(one.value, 0.0) for one in output.classes],
    )
    if found is None:
        remarks.append(f"{spec.title} shows nothing on this tile that the model knows: no scores.")
    return found


def _named_shares(output: ModelOutput, reference: Vector) -> Mapping[int, float]:
    """1 for the class that a feature of the whole tile has as its property, as smoke and snow of SatlasPretrain have."""
    name = category(output.name)
    own = (feature for feature in reference.features if category(feature.category) == name)
    named = {value for feature in own for key, value in feature.properties.items() if category(key) == name}
    return {one.value: 1.0 for one in output.classes if one.name in named}


def _area_shares(output: ModelOutput, spec: LayerSpec, reference: Raster) -> Mapping[int, float] | None:
    """Class -> its share of a layer; None where that has others."""
    numbers = matched(output.classes, spec.classes)
    if not numbers:
        return None
    stored, present = real(reference.pixels[0]), reference.valid[0]
    area: dict[int, int] = {}
    for value, label in numbers.items():
        area[label] = area.get(label, 0) + _count(stored, present, [value])
    pixels = max(int(np.count_nonzero(present)), 1)
    return {label: count / pixels for label, count in area.items()}


# --- both


def _no_reference(spec: LayerSpec, content: Vector | Text | Unreadable | Missing) -> str:
    if isinstance(content, Text | Vector):
        what = "a text" if isinstance(content, Text) else "no raster"
        return f"{spec.title} is {what}: nothing to compare with."
    if isinstance(content, Missing):
        return f"No comparison: {content.reason}"
    return f"{spec.title} cannot be read, so there is no comparison: {content.reason}"


def _on_grid(predicted: Raster, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> Raster:
    """(height, width) as a raster where the prediction lies."""
    return Raster(
        pixels[None],
        valid[None],
        predicted.transform,
        predicted.crs,
        predicted.gsd,
        predicted.cell,
        full_size=predicted.full_size,
    )
