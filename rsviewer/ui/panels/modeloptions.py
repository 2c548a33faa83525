"""How a model is run: which layers it takes and is compared with, how tiles are cut, on which device."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QLabel,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.model import Augmentation, Framing, ModelInput, ModelOption, Precision, RunOptions, chosen
from rsviewer.core.prediction import BOXES, HEIGHT, LABELS, QUANTITY, SCENE
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.ui.fields import Choice, Number, beside, focus_by_tab, quiet
from rsviewer.ui.theme import UNIT
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.modelstate import ModelState

LABEL, ROW = 18 * UNIT, 7 * UNIT
BATCH_MOST = 64
AUTOMATIC = "automatic"
NONE = "none"
INPUTS: Mapping[LayerKind, str] = {
    LayerKind.OPTICAL: "Image",
    LayerKind.SAR: "Radar",
    LayerKind.HEIGHT: "Heights",
    LayerKind.LABELS: "Classes",
    LayerKind.MASK: "Mask",
}
REFERENCES: Mapping[LayerId, str] = {
    HEIGHT: "Heights",
    LABELS: "Classes",
    QUANTITY: "Quantity",
    SCENE: "Scene",
    BOXES: "Objects",
}
AUGMENTATIONS = (
    (Augmentation.NONE, "none", "Every tile is predicted once"),
    (Augmentation.FLIPS, "flips, 4 passes", "The mean over the tile and its mirror images: four times as slow"),
    (Augmentation.ROTATIONS, "flips and turns, 8", "The mean over all mirror images and turns: eight times as slow"),
)
PRECISIONS = (
    (Precision.FLOAT32, "float32", "Exact"),
    (Precision.BFLOAT16, "bfloat16", "Faster on recent devices, a little less exact"),
    (Precision.FLOAT16, "float16", "Faster on graphics cards, a little less exact"),
)
DRIVERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "linux": ("cuda", ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")),
    "win32": ("cuda", (r"C:\Windows\System32\nvcuda.dll", r"C:\Windows\System32\amdhip64.dll")),
    "darwin": ("mps", ("/System/Library/Frameworks/Metal.framework",)),
}
"""System -> the device it can have beside its processor, and files one of which is there if it has. torch is not asked: its
import takes seconds."""


class WideChoice(Choice):
    """A choice among long names: the list is as wide as they are, and the chosen one is told in full by the tool tip."""

    def __init__(self, tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tip = tip
        self.view().setTextElideMode(Qt.TextElideMode.ElideRight)

    def fill(self, items: Sequence[tuple[str, object, str]], current: object) -> None:
        """Shows titles, each with what it stands for and its tool tip, where they are not shown already."""
        with quiet(self):
            tip = Qt.ItemDataRole.ToolTipRole
            wanted = [(title, value, plain_tip(words)) for title, value, words in items]
            shown = [(self.itemText(at), self.itemData(at), self.itemData(at, tip)) for at in range(self.count())]
            if shown != wanted:
                self.clear()
                for place, (title, value, words) in enumerate(wanted):
                    self.addItem(title, value)
                    self.setItemData(place, words, tip)
            place = next((place for place, item in enumerate(items) if item[1] == current), -1)
            if place != self.currentIndex():
                self.setCurrentIndex(place)
        words = items[place][2] if place >= 0 else ""
        self.setToolTip(plain_tip("\n".join(filter(None, (self._tip, self.currentText(), words)))))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Cuts a long name with "…": a style sheet would cut it through a letter."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        box = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self)
        elide = Qt.TextElideMode.ElideRight
        option.currentText = self.fontMetrics().elidedText(self.currentText(), elide, box.width() - UNIT)
        painter = QStylePainter(self)
        try:
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        finally:
            painter.end()

    def showPopup(self) -> None:
        """Opens the list, as wide as its longest line, and within the screen."""
        super().showPopup()
        popup = self.view().window()
        wanted = self.view().sizeHintForColumn(0) + 2 * self.view().frameWidth() + 4 * UNIT
        if popup.width() < wanted:
            room = self.screen().availableGeometry()
            width = min(wanted, room.width())
            left = max(room.left(), min(popup.x(), room.right() + 1 - width))
            popup.resize(width, popup.height())
            popup.move(QPoint(left, popup.y()))


class ModelOptions(QWidget):
    """Fields for everything about a run. They show the state and ask for changes of it.

    Signals:
        run_differently: other options were chosen; carries RunOptions.
        input_chosen: another layer for an input; carries its number and the layer.
        reference_chosen: another layer to compare an output with; carries both, the second None for no comparison.
        kept_chosen: predictions are to be kept in the project, or no longer.
        done: the typing has ended.
    """

    run_differently = Signal(object)
    input_chosen = Signal(int, str)
    reference_chosen = Signal(str, object)
    kept_chosen = Signal(bool)
    done = Signal()

    def __init__(self, parent: QWidget | None = None, *, devices: Sequence[str] | None = None) -> None:
        super().__init__(parent)
        self.devices = tuple(likely_devices() if devices is None else devices)
        self._options = RunOptions()
        self.inputs: list[WideChoice] = []
        self.references: dict[LayerId, WideChoice] = {}
        self._input_rows, self._reference_rows = _Rows("Input"), _Rows("Reference")
        self._own_rows, self._run_rows = _Rows("Model"), _Rows("Run")
        self.own: dict[str, Number | QCheckBox] = {}
        self._declared: tuple[ModelOption, ...] = ()
        self.framing = WideChoice("How a tile is cut for the network")
        self.augmentation = WideChoice("Test-time augmentation")
        self.device = WideChoice("Where the model runs")
        self.precision = WideChoice("Type of numbers in the network")
        self.threads = Number(0, os.cpu_count() or 1, 1)
        self.threads.setSpecialValueText(AUTOMATIC)
        self.threads.setToolTip("Threads of the processor; 0: all cores but one")
        self.batch = Number(0, BATCH_MOST, 1)
        self.batch.setSpecialValueText(AUTOMATIC)
        self.batch.setToolTip("Windows of a tile that are predicted at once; 0: as the device likes it")
        self.kept = QCheckBox("Keep predictions in the project")
        self.kept.setToolTip(
            "Every prediction is written into the project as GeoTIFF, and read again instead of made again"
        )
        focus_by_tab(self.kept)
        self._build()

    def _build(self) -> None:
        self._run_rows.add("Framing", self.framing)
        self._run_rows.add("Augment", self.augmentation)
        self._run_rows.add("Device", self.device)
        self._run_rows.add("Precision", self.precision)
        self._run_rows.add("Threads", self.threads)
        self._run_rows.add("Batch", self.batch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2 * UNIT)
        for part in (self._input_rows, self._reference_rows, self._own_rows, self._run_rows, self.kept):
            column.addWidget(part)
        self._chosen(self.framing, lambda options, value: replace(options, framing=str(value)))
        self._chosen(self.augmentation, lambda options, value: replace(options, augmentation=Augmentation(str(value))))
        self._chosen(self.device, lambda options, value: replace(options, device=str(value)))
        self._chosen(self.precision, lambda options, value: replace(options, precision=Precision(str(value))))
        self._typed(self.threads, lambda options, value: replace(options, threads=value))
        self._typed(self.batch, lambda options, value: replace(options, batch=value))
        self.kept.clicked.connect(self.kept_chosen)

    def _chosen(self, choice: Choice, changed: Callable[[RunOptions, object], RunOptions]) -> None:
        choice.activated.connect(lambda _: self.run_differently.emit(changed(self._options, choice.currentData())))

    def _typed(self, field: Number, changed: Callable[[RunOptions, int], RunOptions]) -> None:
        field.valueChanged.connect(lambda value: self.run_differently.emit(changed(self._options, round(value))))
        field.done.connect(self.done)

    # --- showing

    def show_state(self, state: ModelState) -> None:
        """Fills the fields. Nothing that is being typed is lost."""
        card = None if state.model is None else state.model.card
        self._options = options = state.options
        self._show_inputs(() if card is None else card.inputs, state)
        self._show_references(state)
        self._show_own(() if card is None else card.options, {} if card is None else chosen(card, options))
        framings = () if card is None else card.framings
        self.framing.fill(
            [(one.title or one.id, one.id, _framing_tip(one)) for one in framings],
            None if card is None else card.framing(options.framing).id,
        )
        self._run_rows.set_shown(self.framing, on=len(framings) > 1)
        self.augmentation.fill([(title, value, tip) for value, title, tip in AUGMENTATIONS], options.augmentation)
        augmentable = card is not None and card.augmentable
        self.augmentation.setEnabled(augmentable)
        if not augmentable:
            self.augmentation.setToolTip("This model's card says that its answers do not turn with the tile.")
        self.precision.fill([(title, value, tip) for value, title, tip in PRECISIONS], options.precision)
        devices = [*self.devices, *([options.device] if options.device not in self.devices else [])]
        here = f"now {state.device}" if state.device else ""
        self.device.fill([(one, one, here if one == "auto" else "") for one in devices], options.device)
        _set_number(self.threads, options.threads)
        _set_number(self.batch, options.batch)
        with quiet(self.kept):
            self.kept.setChecked(state.kept)

    def _show_inputs(self, inputs: Sequence[ModelInput], state: ModelState) -> None:
        titles = [INPUTS.get(one.kind, "Layer") for one in inputs]
        titles = [f"{title} {place}" if len(titles) > 1 else title for place, title in enumerate(titles, 1)]
        if self._input_rows.titles != titles:
            self._input_rows.clear()
            self.inputs = []
            for place, title in enumerate(titles):
                choice = WideChoice(_needs(inputs[place]))
                choice.activated.connect(self._chooses_input(place, choice))
                self._input_rows.add(title, choice)
                self.inputs.append(choice)
        self._input_rows.setVisible(bool(titles))
        for place, choice in enumerate(self.inputs):
            chosen, choices = state.inputs[place] if place < len(state.inputs) else (None, ())
            choice.fill(_layers(choices), None if chosen is None else chosen.id)
            choice.setEnabled(bool(choices))

    def _show_own(self, declared: tuple[ModelOption, ...], values: Mapping[str, int]) -> None:
        """What the card declares, beside what all models have."""
        if declared != self._declared:
            self._declared = declared
            self._own_rows.clear()
            self.own = {one.id: self._field_of(one) for one in declared}
            for one in declared:
                self._own_rows.add("" if one.switch else one.title, self.own[one.id])
                self.own[one.id].setAccessibleName(one.title)
        self._own_rows.setVisible(bool(declared))
        for name, field in self.own.items():
            if isinstance(field, QCheckBox):
                with quiet(field):
                    field.setChecked(bool(values[name]))
            else:
                _set_number(field, values[name])

    def _field_of(self, option: ModelOption) -> "Number | QCheckBox":
        def choose(value: int) -> None:
            choices = {**self._options.choices, option.id: value}
            self.run_differently.emit(replace(self._options, choices=choices))

        if option.switch:
            box = QCheckBox(option.title)
            focus_by_tab(box)
            box.clicked.connect(lambda on: choose(int(on)))
            box.setToolTip(plain_tip(option.tip))
            return box
        field = Number(option.low, option.high, 1)
        if option.zero and option.low == 0:
            field.setSpecialValueText(option.zero)
        field.setToolTip(plain_tip(option.tip))
        field.valueChanged.connect(lambda value: choose(round(value)))
        field.done.connect(self.done)
        return field

    def _show_references(self, state: ModelState) -> None:
        wanted = [output for output in REFERENCES if output in state.references]
        if list(self.references) != wanted:
            self._reference_rows.clear()
            self.references = {}
            for output in wanted:
                choice = WideChoice("Predictions are compared with this layer")
                choice.activated.connect(self._chooses_reference(output, choice))
                self._reference_rows.add(REFERENCES[output], choice)
                self.references[output] = choice
        self._reference_rows.setVisible(bool(wanted))
        for output, choice in self.references.items():
            chosen, choices = state.references[output]
            choice.fill([(NONE, "", "no comparison"), *_layers(choices)], "" if chosen is None else chosen.id)

    def _chooses_input(self, place: int, choice: Choice) -> Callable[[int], None]:
        return lambda _: self.input_chosen.emit(place, str(choice.currentData()))

    def _chooses_reference(self, output: LayerId, choice: Choice) -> Callable[[int], None]:
        return lambda _: self.reference_chosen.emit(output, choice.currentData() or None)


class _Rows(QFrame):
    """Fields with their names below a heading."""

    def __init__(self, heading: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.titles: list[str] = []
        self._rows: dict[QWidget, QWidget] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(UNIT)
        self._column.addWidget(QLabel(heading))

    def add(self, title: str, field: QWidget) -> None:
        """One more field."""
        label = QLabel(title)
        label.setProperty("dim", True)
        label.setFixedWidth(LABEL)
        field.setAccessibleName(title)
        row = beside(label, field)
        row.setFixedHeight(ROW)
        self._column.addWidget(row)
        self._rows[field] = row
        self.titles.append(title)

    def set_shown(self, field: QWidget, *, on: bool) -> None:
        """Shows a field with its name, or hides both."""
        self._rows[field].setVisible(on)

    def clear(self) -> None:
        """Takes all fields out."""
        for row in self._rows.values():
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._rows, self.titles = {}, []


def likely_devices(
    system: str = sys.platform, is_there: Callable[[str], bool] = lambda path: Path(path).exists()
) -> tuple[str, ...]:
    """What is offered: by itself, the processor, and what else this machine seems to have."""
    device, drivers = DRIVERS.get(system, ("", ()))
    return ("auto", "cpu", device) if device and any(map(is_there, drivers)) else ("auto", "cpu")


def _layers(specs: Sequence[LayerSpec]) -> list[tuple[str, object, str]]:
    return [(spec.title, str(spec.id), spec.kind) for spec in specs]


def _needs(one: ModelInput) -> str:
    return f"The model takes: {one.kind}, {', '.join(one.bands) or 'as it is'}{f', {one.date}' if one.date else ''}"


def _framing_tip(one: Framing) -> str:
    window = f"windows of {one.window} px" if one.window else "one window"
    return f"{window}, the middle {one.crop} px only" if one.crop else window


def _set_number(field: Number, value: int) -> None:
    """An equal value is not set: that would take away what is being typed."""
    if round(field.value()) != value:
        with quiet(field):
            field.setMaximum(max(field.maximum(), value))
            field.setValue(value)
