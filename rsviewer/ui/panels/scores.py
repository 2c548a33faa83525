"""How good a model was on the tile: a table for heights, bars for classes, a map of what was taken for what."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from rsviewer.core.boxes import USUAL_SCORE
from rsviewer.core.judging import Judgement
from rsviewer.core.linemetrics import LineScores, f1, lines_among
from rsviewer.core.metrics import REGIONS, SCORE_COLUMNS, HeightScores, LabelScores, QuantityScores, RegionScores
from rsviewer.core.model import ModelOutput, OutputKind
from rsviewer.core.objectmetrics import ObjectScores, nearest
from rsviewer.core.prediction import BOXES, HEIGHT, LABELS, QUANTITY, SCENE
from rsviewer.core.relative import RelativeScores
from rsviewer.core.tile import LabelClass, LayerId, LayerKind
from rsviewer.ui.confusion import ConfusionMap
from rsviewer.ui.fields import Elided
from rsviewer.ui.figures import Bar, Bars, Row, Table, percent
from rsviewer.ui.panels.scenebars import area_bars, scene_bars, scene_rows
from rsviewer.ui.section import Section
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.modelstate import ModelState, Stage

AGAINST = "against {}"
UNDER_WAY = frozenset({Stage.WAITING, Stage.LOADING, Stage.RUNNING})
HIGH = "high"
COLUMNS = ("all", f"> {REGIONS[HIGH]:g} m")
CHOOSE = "No reference: choose one under Options."
NO_LAYER = "No reference: the dataset has no {0} to compare with."
NO_SCORES = "No scores for this tile."
FEW_PIXELS = "Left out where fewer than 49 pixels are so high in both."
REGION_TIP = f"{COLUMNS[1]}: where reference or prediction is higher. {FEW_PIXELS}"
DELTAS = ("1.25", "1.25²", "1.25³")
TITLE_SHARE = 0.6
"""Of the width that the name of an output gets at most, before the one of its reference."""
LINE_TIP = "Near is within a pixel of Sentinel-2, as in Satlas' evaluation."
IOU_TIP = "intersection over union: pixels that are this class in both, of those that are in either"


class ScoresView(QWidget):
    """The scores of one tile, output by output.

    While a tile is being predicted, its lines stand there without values: nothing jumps when they come.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.height_head, self.labels_head, self.scene_head = _Head(), _Head(), _Head()
        self.heights = Table()
        self.height_note, self.labels_note = _note(), _note()
        self.totals = Table()
        self.classes = Bars()
        self.confusion = ConfusionMap()
        self.confusion_part = Section(
            "Confusion",
            self.confusion,
            "Which classes are taken for which: rows are the reference, columns the prediction",
        )
        self.scene = Bars()
        self.scene_totals = Table()
        self.area_head = _Head()
        self.area = Bars()
        self.quantity_head = _Head()
        self.quantity = Table()
        self.quantity_note = _note()
        self.objects_head = _Head()
        self.objects = Table()
        self.objects_note = _note()
        self.remarks = _note()
        self.remarks.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(UNIT)
        for part in (
            self.height_head,
            self.heights,
            self.height_note,
            self.labels_head,
            self.totals,
            self.classes,
            self.labels_note,
            self.confusion_part,
            self.scene_head,
            self.scene_totals,
            self.scene,
            self.area_head,
            self.area,
            self.quantity_head,
            self.quantity,
            self.quantity_note,
            self.objects_head,
            self.objects,
            self.objects_note,
            self.remarks,
        ):
            column.addWidget(part)

    def show_state(self, state: ModelState, theme: Theme) -> None:
        """Shows the scores of the current tile; nothing where nobody asked for a prediction, or there is none."""
        card = state.card
        wanted = card is not None and (state.stage in UNDER_WAY or state.stage is Stage.DONE)
        self.setVisible(wanted)
        if card is None or not wanted:
            return
        judgement = state.judgement if state.stage is Stage.DONE else None
        self._show_heights(
            card.output(OutputKind.HEIGHT), state, None if judgement is None else judgement.heights, theme
        )
        labels = card.output(OutputKind.LABELS)
        if labels is not None and _is_drawn(state, LABELS):
            self._show_lines(labels, state, None if judgement is None else judgement.lines, theme)
        else:
            self._show_labels(labels, state, None if judgement is None else judgement.labels, theme)
        self._show_scene(card.output(OutputKind.SCENE), state, judgement, theme)
        quantity = None if judgement is None else judgement.quantity
        self._show_quantity(card.output(OutputKind.QUANTITY), state, quantity, theme)
        objects = None if judgement is None else judgement.objects
        self._show_objects(card.output(OutputKind.BOXES), state, objects, theme)
        remarks = () if judgement is None else judgement.remarks
        self.remarks.setText("\n".join(remarks))
        self.remarks.setVisible(bool(remarks))

    def _show_heights(
        self, output: ModelOutput | None, state: ModelState, scores: HeightScores | None, theme: Theme
    ) -> None:
        note = why_no_scores(state, HEIGHT, known=scores is not None, things="heights")
        has_table = _show_or_say(note, self.height_head, self.heights, self.height_note, is_there=output is not None)
        if output is not None:
            how = "fitted to {} by least squares" if output.relative else AGAINST
            self.height_head.say(output.title or "Heights", _against(state, HEIGHT, how))
        if output is not None and has_table:
            self.heights.show_rows(COLUMNS, relative_rows(scores) if output.relative else height_rows(scores), theme)

    def _show_labels(
        self, output: ModelOutput | None, state: ModelState, scores: LabelScores | None, theme: Theme
    ) -> None:
        note = why_no_scores(state, LABELS, known=scores is not None, things="classes")
        has_scores = output is not None and not note
        self.labels_head.setVisible(output is not None)
        for part in (self.totals, self.classes, self.confusion_part):
            part.setVisible(has_scores)
        self.labels_note.setVisible(output is not None and bool(note))
        self.labels_note.setText(note)
        if output is not None:
            self.labels_head.say(output.title or "Classes", _against(state, LABELS))
        if output is not None and has_scores:
            classes, scores = without_void(output.classes, scores)
            self.totals.show_rows((), total_rows(scores), theme)
            self.classes.show_bars(class_bars(classes, scores), theme)
            self.confusion.show_table(None if scores is None else scores.confusion, classes, theme)

    def _show_lines(self, output: ModelOutput, state: ModelState, scores: LineScores | None, theme: Theme) -> None:
        """Classes of pixels beside vector labels: as lines."""
        note = why_no_scores(state, LABELS, known=scores is not None, things="lines")
        self.labels_head.show()
        self.labels_head.say(output.title or "Classes", _against(state, LABELS))
        for part in (self.totals, self.classes):
            part.setVisible(not note)
        self.confusion_part.hide()
        self.labels_note.setVisible(bool(note))
        self.labels_note.setText(note)
        if not note:
            self.totals.show_rows((), line_rows(scores), theme)
            self.classes.show_bars(line_bars(output.classes, scores), theme)

    def _show_scene(
        self, output: ModelOutput | None, state: ModelState, judgement: Judgement | None, theme: Theme
    ) -> None:
        """What is said of the whole tile, and below what its own labels show."""
        compared = None if judgement is None else judgement.scene
        self.scene_head.setVisible(output is not None)
        self.scene.setVisible(output is not None)
        for part in (self.scene_totals, self.area_head, self.area):
            part.setVisible(output is not None and compared is not None)
        if output is None:
            return
        prediction = None if judgement is None else judgement.prediction
        said = () if prediction is None else prediction.scores
        self.scene_head.say(output.title or "Scene", "whole tile" if compared is None else _against(state, SCENE))
        self.scene.show_bars(scene_bars(output, said, compared, known=judgement is not None), theme)
        if compared is not None:
            self.scene_totals.show_rows((), scene_rows(compared), theme)
            reference, _ = state.references.get(SCENE, (None, ()))
            is_named = _is_drawn(state, SCENE)
            what = "label of the whole tile" if is_named else "shares of the tile"
            self.area_head.say("On the tile" if reference is None else reference.title, what)
            self.area.show_bars(area_bars(output, compared, what if is_named else "share of the tile's pixels"), theme)

    def _show_quantity(
        self, output: ModelOutput | None, state: ModelState, scores: QuantityScores | None, theme: Theme
    ) -> None:
        note = why_no_scores(state, QUANTITY, known=scores is not None, things="such values")
        has_table = _show_or_say(
            note, self.quantity_head, self.quantity, self.quantity_note, is_there=output is not None
        )
        if output is not None:
            self.quantity_head.say(output.title or "Quantity", _against(state, QUANTITY))
        if output is not None and has_table:
            self.quantity.show_rows((), quantity_rows(scores, output.unit), theme)

    def _show_objects(
        self, output: ModelOutput | None, state: ModelState, scores: ObjectScores | None, theme: Theme
    ) -> None:
        note = why_no_scores(state, BOXES, known=scores is not None, things="objects")
        has_table = _show_or_say(note, self.objects_head, self.objects, self.objects_note, is_there=output is not None)
        if output is not None:
            self.objects_head.say(output.title or "Objects", _against(state, BOXES))
        if output is not None and has_table:
            self.objects.show_rows((), object_rows(scores, state.least_score), theme)


def _show_or_say(note: str, head: QWidget, table: QWidget, says: QLabel, *, is_there: bool) -> bool:
    """Shows the table of an output that is there, or why it has none. Whether the table is shown."""
    head.setVisible(is_there)
    table.setVisible(is_there and not note)
    says.setVisible(is_there and bool(note))
    says.setText(note)
    return is_there and not note


class _Head(QWidget):
    """What is scored, and against what."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = Elided()
        self.title.setProperty("heading", True)
        self.title.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.against = Elided()
        self.against.setProperty("dim", True)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, UNIT, 0, 0)
        line.setSpacing(2 * UNIT)
        line.addWidget(self.title)
        line.addWidget(self.against, 1)

    def say(self, title: str, against: str) -> None:
        """Other words."""
        self.title.setText(title)
        self.against.setText(against)
        self._share_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shares the room anew."""
        super().resizeEvent(event)
        self._share_room()

    def _share_room(self) -> None:
        self.title.ensurePolished()
        self.title.setFixedWidth(min(self.title.sizeHint().width(), round(TITLE_SHARE * self.width())))


def why_no_scores(state: ModelState, output: LayerId, *, known: bool, things: str) -> str:
    """Why an output has no scores; empty where it has some, or they are being made."""
    chosen, choices = state.references.get(output, (None, ()))
    if known or (chosen is not None and state.stage is not Stage.DONE):
        return ""
    if chosen is not None:
        return NO_SCORES
    return CHOOSE if choices else NO_LAYER.format(things)


def height_rows(scores: HeightScores | None) -> tuple[Row, ...]:
    """The table of a height model: every score for all pixels, and for the high ones. Scores are in metres, always."""
    regions = [None, None] if scores is None else [scores.whole, scores.regions.get(HIGH)]
    rows = [
        _row("MAE", "mae", [metres(one.mae) if one else "" for one in regions]),
        _row("RMSE", "rmse", [metres(one.rmse) if one else "" for one in regions]),
        _row("bias", "bias", [metres(one.bias, signed=True) if one else "" for one in regions]),
    ]
    for place, factor in enumerate(DELTAS):
        shares = [percent(one.deltas[place]) if one else "" for one in regions]
        rows.append(_row(f"δ{place + 1}  < {factor}", f"delta{place + 1}", shares))
    rows.append(Row("F1  > 1 m", ("" if scores is None else percent(scores.f1[0]), ""), _f1_tip(scores)))
    rows.append(Row("pixels", tuple(_pixels(one) for one in regions), "Compared: valid in both."))
    return tuple(rows)


def relative_rows(scores: HeightScores | None) -> tuple[Row, ...]:
    """The table of relative heights after their fit: errors in metres, the others in parts of the range of the tile."""
    relative = None if scores is None else scores.relative

    def row(title: str, column: str, value: float, form: Callable[[float], str] = "{:.3f}".format) -> Row:
        return _row(title, column, ["" if relative is None else form(value), ""])

    one = relative or RelativeScores(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0)
    in_metres, pixels = height_rows(scores)[:3], height_rows(scores)[-1]
    return (
        *in_metres,
        row("AbsRel", "abs_rel", one.abs_rel),
        row("SqRel", "sq_rel", one.sq_rel),
        row("RMSE of range", "rmse_rel", one.rmse),
        row("RMSE log", "rmse_log", one.rmse_log),
        row("log10", "log10_rel", one.log10),
        *(row(f"δ{n + 1}  < {DELTAS[n]}", f"delta{n + 1}_rel", share, percent) for n, share in enumerate(one.deltas)),
        row("SILog", "silog", one.silog, "{:.1f}".format),
        pixels,
    )


def quantity_rows(scores: QuantityScores | None, unit: str) -> tuple[Row, ...]:
    """The table of a quantity, in its unit."""

    def said(value: float) -> str:
        return f"{value:,.2f} {unit}".strip().replace("-", "−")

    def row(title: str, column: str, cell: str) -> Row:
        return Row(title, (cell,), _sentence(column))

    return (
        row("MAE", "mae", "" if scores is None else said(scores.mae)),
        row("RMSE", "rmse", "" if scores is None else said(scores.rmse)),
        row("bias", "bias", "" if scores is None else said(scores.bias)),
        Row("pixels", ("" if scores is None else f"{scores.pixels:,}",), "Compared: valid in both."),
    )


def object_rows(scores: ObjectScores | None, least: float = USUAL_SCORE) -> tuple[Row, ...]:
    """The table of objects: those of all classes that somebody looked for on the tile, from about the score that is shown."""
    tip = f"Objects from a score of {nearest(least):g}; points within 8 pixels of Sentinel-2, outlines with an overlap of 10 %."
    if scores is None:
        return tuple(Row(title, ("",), tip) for title in ("F1", "precision", "recall", "objects"))
    scores = scores.near(least)
    found, invented, missed = scores.total
    counted = f"{found:,} found, {missed:,} missed, {invented:,} invented"
    return (
        Row("F1", (_percent_of(found + missed + invented, scores.f1),), tip),
        Row("precision", (_percent_of(found + invented, scores.precision),), tip),
        Row("recall", (_percent_of(found + missed, scores.recall),), tip),
        Row("objects", (f"{found + missed:,}",), f"{counted}\n{tip}"),
    )


def line_rows(scores: LineScores | None) -> tuple[Row, ...]:
    """The table of lines: those of all classes that somebody looked for on the tile."""
    tips = {
        "F1": "Of precision and recall.",
        "precision": "Share of the predicted middle lines that lie near a line of the reference.",
        "recall": "Share of the lines of the reference that lie near a predicted one.",
    }
    values: tuple[str, ...] = ("", "", "")
    if scores is not None:
        _, said, _, there = scores.total
        each = (said + there, scores.f1), (said, scores.precision), (there, scores.recall)
        values = tuple(_percent_of(count, share) for count, share in each)
    return tuple(
        Row(title, (value,), f"{tip}\n{LINE_TIP}") for (title, tip), value in zip(tips.items(), values, strict=True)
    )


def _percent_of(count: int, share: float) -> str:
    """A share of so many; of nothing there is none, which is no 0 %."""
    return percent(share if count else None)


def line_bars(classes: Sequence[LabelClass], scores: LineScores | None) -> tuple[Bar, ...]:
    """F1 of every class that is a line, in the order of the card."""
    color = {one.value: one.color for one in classes}
    bars = []
    for name, labels in lines_among(classes).items():
        counted = None if scores is None else scores.counts.get(name)
        tip = "" if scores is None else "nobody looked for it on this tile"
        value = None
        if counted is not None:
            value = f1(counted) if any(counted) else None
            tip = f"F1\n{LINE_TIP}" if any(counted) else "neither in the reference nor predicted"
        bars.append(Bar(name, value, color[labels[0]], tip))
    return tuple(bars)


def total_rows(scores: LabelScores | None) -> tuple[Row, ...]:
    """What is said of all classes together."""
    return (
        Row("accuracy", ("" if scores is None else percent(scores.accuracy),), _sentence("accuracy")),
        Row("mIoU", ("" if scores is None else percent(scores.miou),), _sentence("miou")),
    )


def without_void(
    classes: Sequence[LabelClass], scores: LabelScores | None
) -> tuple[tuple[LabelClass, ...], LabelScores | None]:
    """Those classes of a card that mean something, and their scores: void ones are in the table, but never compared.

    "None of the classes" stays, as the last one, where a prediction can be that.
    """
    kept = [place for place, one in enumerate(classes) if not one.void]
    if scores is None or len(scores.iou) != len(classes):
        return tuple(classes[place] for place in kept), scores
    if scores.none is not None:
        kept = [*(place for place in kept if place != scores.none), scores.none]
    table = scores.confusion[np.ix_(kept, kept)]
    return tuple(classes[place] for place in kept), replace(
        scores, confusion=table, iou=tuple(scores.iou[place] for place in kept)
    )


def class_bars(classes: Sequence[LabelClass], scores: LabelScores | None) -> tuple[Bar, ...]:
    """IoU of every class, in the order of the card."""
    if scores is None:
        return tuple(Bar(one.name, None, one.color, IOU_TIP) for one in classes)
    reference, predicted = scores.confusion.sum(axis=1), scores.confusion.sum(axis=0)
    bars = []
    for one, iou, of, said in zip(classes, scores.iou, reference, predicted, strict=False):
        if one.void:  # none of the classes
            continue
        absent = math.isnan(iou)
        counts = f"{int(of):,} px in the reference, {int(said):,} px predicted"
        tip = "neither in the reference nor predicted" if absent else f"{counts}\n{IOU_TIP}"
        bars.append(Bar(one.name, None if absent else iou, one.color, tip))
    return tuple(bars)


def metres(value: float, *, signed: bool = False) -> str:
    """A difference of heights with its unit: to the centimetre, but huge ones in a few digits."""
    size = abs(value)
    digits = f"{size:.2f}" if size < 1000 else f"{size:,.0f}" if size < 1e6 else f"{size:.2g}"
    # no sign where nothing is left of the value: "-0.00 m" is not a bias
    sign = "" if not digits.strip("0.") else "−" if value < 0 else "+" if signed else ""
    return f"{sign}{digits} m"


def _row(title: str, column: str, cells: list[str]) -> Row:
    return Row(title, tuple(cells), f"{_sentence(column)}\n{REGION_TIP}")


def _sentence(column: str) -> str:
    words = SCORE_COLUMNS[column]
    return f"{words[0].upper()}{words[1:]}."


def _f1_tip(scores: HeightScores | None) -> str:
    lines = [_sentence("f1")]
    if scores is not None:
        lines.append(f"Within {DELTAS[1]}: {percent(scores.f1[1])}, within {DELTAS[2]}: {percent(scores.f1[2])}.")
        lines.append(f"Precision {percent(scores.precision)}, recall {percent(scores.recall)}.")
        lines.append(f"Accuracy {percent(scores.accuracy)}, kappa {scores.kappa:.3f}.")
    return "\n".join(lines)


def _pixels(region: RegionScores | None) -> str:
    if region is None:
        return ""
    return f"{region.pixels:,}" if region.pixels < 1e7 else f"{region.pixels / 1e6:,.0f} M"


def _is_drawn(state: ModelState, output: LayerId) -> bool:
    """Whether an output is compared with vector labels."""
    chosen, _ = state.references.get(output, (None, ()))
    return chosen is not None and chosen.kind is LayerKind.VECTOR


def _against(state: ModelState, output: LayerId, how: str = AGAINST) -> str:
    chosen, _ = state.references.get(output, (None, ()))
    return how.format(chosen.title) if chosen is not None else ""


def _note() -> QLabel:
    label = QLabel(wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("dim", True)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label
