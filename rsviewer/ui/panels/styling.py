"""The editors of a layer's style: one for images, one for heights, one for classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QIcon, QImage, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.combinations import Combination
from rsviewer.core.prediction import HEIGHT, QUANTITY
from rsviewer.core.render import Painted, Range
from rsviewer.core.scene import Legend, Pane, PaneState
from rsviewer.core.style import RangeMode, Style, combination_of, with_bands, with_combination
from rsviewer.core.tile import LayerSpec
from rsviewer.ui.fields import FIELD_KEYS, Choice, Number, Slider, beside, focus_by_tab, line_height, quiet
from rsviewer.ui.panepainter import amount_words
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.ui.tips import plain_tip

Tables = Callable[[str], NDArray[np.uint8]]
Change = Callable[[Style], None]

MODE_TITLES: Mapping[RangeMode, str] = {
    RangeMode.AS_STORED: "as stored",
    RangeMode.MIN_MAX: "minimum to maximum",
    RangeMode.PERCENTILE: "percentiles",
    RangeMode.SIGMA: "mean ± k σ",
    RangeMode.DATASET: "whole dataset",
    RangeMode.SYMMETRIC: "around zero",
    RangeMode.REFERENCE: "as its reference",
    RangeMode.USUAL: "usual range",
    RangeMode.FIXED: "fixed",
}
IMAGE_MODES = (
    RangeMode.USUAL,
    RangeMode.AS_STORED,
    RangeMode.PERCENTILE,
    RangeMode.MIN_MAX,
    RangeMode.SIGMA,
    RangeMode.DATASET,
    RangeMode.FIXED,
)
HEIGHT_MODES = (
    RangeMode.REFERENCE,
    RangeMode.PERCENTILE,
    RangeMode.MIN_MAX,
    RangeMode.SIGMA,
    RangeMode.SYMMETRIC,
    RangeMode.DATASET,
    RangeMode.FIXED,
)
"""REFERENCE is for what a model has predicted only, and USUAL for combinations of bands that have such a range. The range of a
dataset is that of its bands, so DATASET is not for what is computed."""
CUSTOM = "custom"
SPECIAL_MODES = (RangeMode.REFERENCE, RangeMode.USUAL, RangeMode.DATASET)
STRIP = QSize(72, 12)
LABEL = 18 * UNIT
ROW = 7 * UNIT
CLASSES_IN_SIGHT = 10
SMALL = 2.0
"""Ends up to which four decimals are shown: reflectance and coherence lie between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Styled:
    """What an editor shows.

    Attributes:
        spec, style: of the layer.
        pane: how it looks on the current tile; None where it is not on the screen.
        band_names: of the layer's bands; as many as it has.
        locked: True where the ranges of heights are held.
        theme: for swatches.
    """

    spec: LayerSpec
    style: Style
    pane: Pane | None
    band_names: tuple[str, ...]
    locked: bool
    theme: Theme

    @property
    def painted(self) -> Painted | None:
        """The picture on the screen; None where there is none (yet)."""
        return None if self.pane is None or self.pane.picture is None else self.pane.picture.painted

    @property
    def ends(self) -> Range | None:
        """The range that the colours have on this tile; None where there is none, or where every band has its own."""
        painted = self.painted
        return painted.ranges[0] if painted is not None and len(painted.ranges) == 1 else None

    @property
    def outer_ends(self) -> Range | None:
        """The range of all colours together; None where there is none."""
        painted = self.painted
        return (
            None if painted is None or painted.low is None or painted.high is None else Range(painted.low, painted.high)
        )

    @property
    def combination(self) -> Combination | None:
        """The combination of bands that is shown; None where bands are, or the file has not the bands that it needs."""
        found = combination_of(self.spec, self.style)
        return found if found is not None and found.most_band < len(self.band_names) else None

    @property
    def unit(self) -> str:
        """Of what is shown."""
        return "" if self.combination is not None and self.combination.is_index else self.spec.unit

    @property
    def bands(self) -> tuple[int, ...]:
        """The bands that are shown, one or three; of what is computed, the first band of each channel."""
        if self.combination is not None:
            return self.combination.bands
        if self.painted is not None and self.painted.bands:
            return self.painted.bands
        bands = self.style.bands or self.spec.display_bands
        return bands or ((0, 1, 2) if len(self.band_names) >= 3 else (0,))

    @property
    def plain_bands(self) -> tuple[int, ...]:
        """The bands from which the choice by hand starts: those that are shown, or else the default ones."""
        shown = self.combination
        if shown is None or shown.is_plain:
            return self.bands
        plain = next((each.bands for each in self.spec.combinations if each.is_plain), self.spec.display_bands)
        return plain or ((0, 1, 2) if len(self.band_names) >= 3 else (0,))


class RangeFields(QWidget):
    """Where the ends of a stretch come from, and the numbers that this needs.

    Args:
        modes: offered, in this order.
        now: changes the style by a function of it.

    Signals:
        done: the typing has ended.
    """

    done = Signal()

    def __init__(
        self, modes: Sequence[RangeMode], now: Callable[[Callable[[Style], Style]], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._modes = modes
        self.mode = Choice()
        self._offer()
        self.percent = Number(0, 50, 0.5, 2, " %")
        self.percent.setToolTip("Of the valid pixels, cut off at each end")
        self.sigmas = Number(0.1, 20, 0.5, 2, " σ")
        self.sigmas.setToolTip("Standard deviations on either side of the mean")
        self.low = Number(-1e9, 1e9, 1, 2)
        self.low.setToolTip("Lower end")
        self.high = Number(-1e9, 1e9, 1, 2)
        self.high.setToolTip("Upper end")
        self._ends: Range | None = None
        numbers = QHBoxLayout()
        numbers.setSpacing(UNIT)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(UNIT)
        column.addWidget(self.mode)
        column.addLayout(numbers)
        for field in (self.percent, self.sigmas, self.low, self.high):
            numbers.addWidget(field)
            field.done.connect(self.done)
        self.mode.currentIndexChanged.connect(lambda _: now(self._with_mode))
        self.percent.valueChanged.connect(lambda value: now(lambda style: replace(style, percent=value)))
        self.sigmas.valueChanged.connect(lambda value: now(lambda style: replace(style, sigmas=value)))
        self.low.valueChanged.connect(lambda value: now(lambda style: replace(style, low=value)))
        self.high.valueChanged.connect(lambda value: now(lambda style: replace(style, high=value)))

    def _offer(self, *special: RangeMode) -> None:
        """Puts the modes into the list; of those that few layers know, only the named ones."""
        offered = [mode for mode in self._modes if mode in special or mode not in SPECIAL_MODES]
        if [self.mode.itemData(place) for place in range(self.mode.count())] != offered:
            self.mode.clear()
            for mode in offered:
                self.mode.addItem(MODE_TITLES[mode], mode)

    def show_style(self, styled: Styled) -> None:
        """Fills the fields, and shows those that the mode needs."""
        style, mode = styled.style, styled.style.range_mode
        self._ends = styled.outer_ends
        special = [RangeMode.REFERENCE] if styled.spec.id in (HEIGHT, QUANTITY) else []
        if styled.combination is not None and styled.combination.has_ranges:
            special.append(RangeMode.USUAL)
        if styled.combination is None or styled.combination.is_plain:
            special.append(RangeMode.DATASET)
        unit = f" {styled.unit}" if styled.unit else ""
        with quiet(self.mode, self.percent, self.sigmas, self.low, self.high):
            self._offer(*special)
            # A range that is not there falls back to percentiles.
            place = self.mode.findData(mode)
            self.mode.setCurrentIndex(place if place >= 0 else self.mode.findData(RangeMode.PERCENTILE))
            self.percent.setValue(style.percent)
            self.sigmas.setValue(style.sigmas)
            for field, value in ((self.low, style.low), (self.high, style.high)):
                field.setSuffix(unit)
                field.setDecimals(4 if max(abs(style.low), abs(style.high)) <= SMALL else 2)
                field.setValue(value)
        self.percent.setVisible(mode in (RangeMode.PERCENTILE, RangeMode.SYMMETRIC))
        self.sigmas.setVisible(mode is RangeMode.SIGMA)
        self.low.setVisible(mode is RangeMode.FIXED)
        self.high.setVisible(mode is RangeMode.FIXED)

    def _with_mode(self, style: Style) -> Style:
        """A range that becomes fixed begins as it is now."""
        mode = RangeMode(self.mode.currentData())
        if mode is RangeMode.FIXED and self._ends is not None:
            return replace(style, range_mode=mode, low=self._ends.low, high=self._ends.high)
        return replace(style, range_mode=mode)


class ColorTableChoice(Choice):
    """The colour tables, each with a strip of itself."""

    def __init__(self, tables: Tables, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tables = tables
        self.setIconSize(STRIP)
        for name in names:
            self.addItem(_strip(tables(name)), name)

    def show_name(self, name: str) -> None:
        """Shows a table, one that is not in the list, too."""
        place = self.findText(name)
        if place < 0:
            self.addItem(_strip(self._tables(name)), name)
            place = self.count() - 1
        self.setCurrentIndex(place)


class StyleEditor(QWidget):
    """What the three editors share: a form, and a style that changes with every field.

    Signals:
        done: the typing has ended.
    """

    done = Signal()

    def __init__(self, change: Change, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._change = change
        self._styled: Styled | None = None
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setHorizontalSpacing(2 * UNIT)
        self.form.setVerticalSpacing(UNIT)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def show_styled(self, styled: Styled) -> None:
        """Fills the fields."""
        raise NotImplementedError

    def _row(self, title: str, field: QWidget) -> None:
        label = QLabel(title)
        label.setProperty("dim", True)
        label.setMinimumWidth(LABEL)
        label.setFixedHeight(ROW)
        if not isinstance(field, RangeFields):  # which has two lines at times
            field.setMinimumHeight(ROW)
        self.form.addRow(label, field)

    def _now(self, changed: Callable[[Style], Style]) -> None:
        if self._styled is not None:
            self._change(changed(self._styled.style))


class ImageEditor(StyleEditor):
    """Bands, by name or by hand, stretch and gamma of optical and radar images."""

    def __init__(self, change: Change, tables: Tables, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(change, parent)
        self.combination = Choice()
        self.combination.setToolTip("Named combinations of bands; J shows the next one")
        self.shows = Choice()
        self.shows.addItems(["colour", "one band"])
        self.red, self.green, self.blue, self.band = Choice(), Choice(), Choice(), Choice()
        self.table = ColorTableChoice(tables, names)
        self.invert = QCheckBox("Inverted")
        self.range = RangeFields(IMAGE_MODES, self._now)
        self.per_band = QCheckBox("Each band by itself")
        self.gamma = Number(0.1, 5, 0.1, 2)
        self.gamma.setToolTip("Above 1, the middle is brighter")
        self._names: tuple[str, ...] = ()
        for title, field in (
            ("Bands", self.combination),
            ("Show", self.shows),
            ("Red", self.red),
            ("Green", self.green),
            ("Blue", self.blue),
            ("Band", self.band),
            ("Colours", self.table),
            ("", self.invert),
            ("Stretch", self.range),
            ("", self.per_band),
            ("Gamma", self.gamma),
        ):
            self._row(title, field)
        focus_by_tab(self.invert, self.per_band)
        self.combination.currentIndexChanged.connect(self._choose_combination)
        self.shows.currentIndexChanged.connect(self._choose_bands)
        for choice in (self.red, self.green, self.blue, self.band):
            choice.currentIndexChanged.connect(self._choose_bands)
        self.table.currentTextChanged.connect(lambda name: self._now(lambda style: replace(style, color_table=name)))
        self.invert.toggled.connect(lambda on: self._now(lambda style: replace(style, invert=on)))
        self.per_band.toggled.connect(lambda on: self._now(lambda style: replace(style, per_band=on)))
        self.gamma.valueChanged.connect(lambda value: self._now(lambda style: replace(style, gamma=value)))
        self.range.done.connect(self.done)
        self.gamma.done.connect(self.done)

    def show_styled(self, styled: Styled) -> None:
        """Fills the fields; those that what is shown does not need are not there."""
        self._styled = styled
        style, bands, shown = styled.style, styled.bands, styled.combination
        by_hand = shown is None or (shown.is_plain and not shown.is_scalar)
        choices = (self.red, self.green, self.blue, self.band)
        with quiet(self.combination, self.shows, *choices, self.table, self.invert, self.per_band, self.gamma):
            if styled.band_names != self._names:
                self._names = styled.band_names
                for choice in choices:
                    choice.clear()
                    choice.addItems(list(styled.band_names))
            self._show_combinations(styled)
            in_color = len(bands) == 3
            self.shows.setCurrentIndex(0 if in_color else 1)
            for choice, band in zip(choices[:3], bands if in_color else (0, 1, 2), strict=True):
                choice.setCurrentIndex(min(band, choice.count() - 1))
            self.band.setCurrentIndex(bands[0])
            self.table.show_name(style.color_table)
            self.invert.setChecked(style.invert)
            self.per_band.setChecked(style.per_band)
            self.gamma.setValue(style.gamma)
        self.range.show_style(styled)
        count = len(styled.band_names)
        self.form.setRowVisible(self.combination, bool(styled.spec.combinations))
        self.form.setRowVisible(self.shows, shown is None and count >= 3)
        for choice in choices[:3]:
            self.form.setRowVisible(choice, by_hand and in_color)
        self.form.setRowVisible(self.band, by_hand and not in_color and count > 1)
        self.form.setRowVisible(self.table, not in_color)
        self.form.setRowVisible(self.invert, not in_color)
        self.form.setRowVisible(self.per_band, in_color and style.range_mode is not RangeMode.USUAL)
        self.form.setRowVisible(self.gamma, shown is None or not shown.is_scalar)

    def _show_combinations(self, styled: Styled) -> None:
        names = [combination.name for combination in styled.spec.combinations]
        if [self.combination.itemData(place) for place in range(self.combination.count())] != [*names, None]:
            self.combination.clear()
            for name in names:
                self.combination.addItem(name, name)
            self.combination.addItem(CUSTOM, None)
        shown = styled.combination
        self.combination.setCurrentIndex(len(names) if shown is None else names.index(shown.name))

    def _choose_combination(self) -> None:
        name, styled = self.combination.currentData(), self._styled
        if styled is None:
            return
        if name is None:
            self._now(lambda style: with_bands(styled.spec, style, styled.plain_bands))
        else:
            self._now(lambda style: with_combination(styled.spec, style, name))

    def _choose_bands(self) -> None:
        if self.shows.currentIndex() == 0:
            bands = tuple(choice.currentIndex() for choice in (self.red, self.green, self.blue))
        else:
            bands = (max(0, self.band.currentIndex()),)
        spec = None if self._styled is None else self._styled.spec
        if spec is not None:
            self._now(lambda style: with_bands(spec, style, bands))


class HeightEditor(StyleEditor):
    """Colours, range and relief of heights."""

    def __init__(
        self,
        change: Change,
        toggle_lock: Callable[[], None],
        tables: Tables,
        names: Sequence[str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(change, parent)
        self.table = ColorTableChoice(tables, names)
        self.invert = QCheckBox("Inverted")
        self.range = RangeFields(HEIGHT_MODES, self._now)
        self.lock = QCheckBox("Same on every tile")
        self.lock.setToolTip("Holds the ranges of all heights as they are on this tile, for every tile")
        self.hillshade = Slider()
        self.hillshade.setToolTip("How much of the shading is blended in")
        self.percent = QLabel()
        self.percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.percent.setMinimumWidth(self.percent.fontMetrics().horizontalAdvance("100 %"))
        self.azimuth = Number(0, 360, 15, 0, "°")
        self.azimuth.setWrapping(True)
        self.azimuth.setToolTip("Where the sun stands, degrees clockwise from north")
        self.altitude = Number(1, 89, 5, 0, "° high")
        self.altitude.setToolTip("How high the sun stands above the horizon")
        self.exaggeration = Number(0.1, 50, 0.5, 1, prefix="× ")
        self.exaggeration.setToolTip("Heights are multiplied by this for the shading only")
        for title, field in (
            ("Colours", self.table),
            ("", self.invert),
            ("Range", self.range),
            ("", self.lock),
            ("Relief", beside(self.hillshade, self.percent)),
            ("Sun", beside(self.azimuth, self.altitude)),
            ("Steepness", self.exaggeration),
        ):
            self._row(title, field)
        focus_by_tab(self.invert, self.lock)
        self.table.currentTextChanged.connect(lambda name: self._now(lambda style: replace(style, color_table=name)))
        self.invert.toggled.connect(lambda on: self._now(lambda style: replace(style, invert=on)))
        self.lock.toggled.connect(lambda _: toggle_lock())
        self.hillshade.valueChanged.connect(
            lambda value: self._now(lambda style: replace(style, hillshade=value / 100))
        )
        self.azimuth.valueChanged.connect(lambda value: self._now(lambda style: replace(style, azimuth=value)))
        self.altitude.valueChanged.connect(lambda value: self._now(lambda style: replace(style, altitude=value)))
        self.exaggeration.valueChanged.connect(
            lambda value: self._now(lambda style: replace(style, exaggeration=value))
        )
        for typed in (self.range, self.azimuth, self.altitude, self.exaggeration):
            typed.done.connect(self.done)

    def show_styled(self, styled: Styled) -> None:
        """Fills the fields. A locked range may be moved, but not be given another source."""
        self._styled = styled
        style = styled.style
        fields = (self.table, self.invert, self.lock, self.hillshade, self.azimuth, self.altitude, self.exaggeration)
        with quiet(*fields):
            self.table.show_name(style.color_table)
            self.invert.setChecked(style.invert)
            self.lock.setChecked(styled.locked)
            self.hillshade.setValue(round(100 * style.hillshade))
            self.azimuth.setValue(style.azimuth)
            self.altitude.setValue(style.altitude)
            self.exaggeration.setValue(style.exaggeration)
        self.percent.setText(f"{100 * style.hillshade:.0f} %")
        self.range.show_style(styled)
        self.range.mode.setEnabled(not styled.locked)
        for field in (self.azimuth, self.altitude, self.exaggeration):
            field.setEnabled(style.hillshade > 0)


class ClassList(QTreeWidget):
    """Classes with swatch, value, name and share."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setColumnCount(3)
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIconSize(QSize(12, 12))
        header = self.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(0)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move, Space switches a class; letters are commands of the window."""
        if event.key() in FIELD_KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def fit(self) -> None:
        """As tall as its rows, up to a point."""
        self.setFixedHeight(line_height(self) * max(1, min(self.topLevelItemCount(), CLASSES_IN_SIGHT)) + 2)


class ClassEditor(StyleEditor):
    """The legend: every class can be hidden, or shown alone.

    Args:
        change: takes a style.
        toggle: hides a class, or shows it again.
        isolate: shows only one class; again shows all.
    """

    def __init__(
        self,
        change: Change,
        toggle: Callable[[int], None],
        isolate: Callable[[int], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(change, parent)
        self.classes = ClassList()
        self.only = QPushButton("Only this")
        self.only.setToolTip("Shows only the selected class; again shows all. Double-click does it too.")
        self.all = QPushButton("Show all")
        focus_by_tab(self.only, self.all)
        self._toggle = toggle
        self._isolate = isolate
        self._shown: tuple[tuple[Legend, ...], Theme | None] = ((), None)
        self.form.addRow(self.classes)
        self.form.addRow(beside(self.only, self.all))
        self.classes.itemChanged.connect(self._checked)
        self.classes.itemDoubleClicked.connect(self._double_clicked)
        self.classes.currentItemChanged.connect(lambda *_: self._enable())
        self.only.clicked.connect(self._only)
        self.all.clicked.connect(lambda: self._now(lambda style: replace(style, hidden=frozenset())))

    def show_styled(self, styled: Styled) -> None:
        """Shows the legend of the current tile; without shares while it is being read."""
        self._styled = styled
        legend = legend_of(styled)
        if (legend, styled.theme) != self._shown:
            self._shown = (legend, styled.theme)
            with quiet(self.classes):
                self._fill(legend, styled.theme)
        self._enable()

    def _fill(self, legend: tuple[Legend, ...], theme: Theme) -> None:
        current = self._current()
        if [_value(row) for row in self._rows()] != [item.value for item in legend]:
            self.classes.clear()
            for item in legend:
                row = QTreeWidgetItem(self.classes)
                row.setData(0, Qt.ItemDataRole.UserRole, str(item.value))  # a uint64 is too large for Qt's numbers
                row.setSizeHint(1, QSize(0, line_height(self.classes)))
                row.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if item.value == current:
                    self.classes.setCurrentItem(row)
            self.classes.fit()
        for row, item in zip(self._rows(), legend, strict=True):
            box = Qt.ItemFlag.ItemIsUserCheckable
            row.setFlags(row.flags() | box if item.can_switch else row.flags() & ~box)
            if item.can_switch:
                row.setCheckState(0, Qt.CheckState.Unchecked if item.hidden else Qt.CheckState.Checked)
            else:
                row.setData(0, Qt.ItemDataRole.CheckStateRole, None)
            row.setIcon(0, swatch(item.color, theme, filled=item.annotated and not item.hidden))
            columns = _columns(item)
            for column, words in enumerate(columns):
                row.setText(column, words)
                row.setToolTip(column, plain_tip("  ".join(columns).strip()))
            absent = item.hidden or item.share == 0
            row.setForeground(1, QBrush(theme.drop if not item.known else theme.dim if absent else theme.text))
            row.setForeground(2, QBrush(theme.dim if absent else theme.text))

    def _rows(self) -> list[QTreeWidgetItem]:
        rows = (self.classes.topLevelItem(place) for place in range(self.classes.topLevelItemCount()))
        return [row for row in rows if row is not None]

    def _current(self) -> int | None:
        item = self.classes.currentItem()
        return None if item is None else _value(item)

    def _checked(self, item: QTreeWidgetItem, column: int) -> None:
        value = _value(item)
        hidden = item.checkState(0) is Qt.CheckState.Unchecked
        if column == 0 and self._styled is not None and hidden != (value in self._styled.style.hidden):
            self._toggle(value)

    def _double_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        if column > 0 and _can_switch(item):
            self._isolate(_value(item))

    def _only(self) -> None:
        value = self._current()
        if value is not None:
            self._isolate(value)

    def _enable(self) -> None:
        current = self.classes.currentItem()
        self.only.setEnabled(current is not None and _can_switch(current))
        self.all.setEnabled(self._styled is not None and bool(self._styled.style.hidden))


def legend_of(styled: Styled) -> tuple[Legend, ...]:
    """The classes on this tile; those of the documentation, without shares, where the tile cannot tell (yet)."""
    hidden = styled.style.hidden
    if styled.pane is not None and styled.pane.state is PaneState.SHOWN:
        return tuple(replace(item, hidden=item.value in hidden) for item in styled.pane.legend)
    return tuple(
        Legend(item.value, item.name, item.color, 0.0, item.value in hidden)
        for item in styled.spec.classes
        if not item.void
    )


def share_words(share: float) -> str:
    """A share in percent, short; empty for none."""
    if share <= 0:
        return ""
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def swatch(color: tuple[int, int, int], theme: Theme, *, filled: bool) -> QIcon:
    """A small square in a class's colour; only its outline where the class is hidden."""
    pixmap = QPixmap(24, 24)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setPen(theme.dim)
    painter.setBrush(QColor(*color) if filled else QColor(0, 0, 0, 0))
    painter.drawRect(0, 0, 11, 11)
    painter.end()
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon


def _columns(item: Legend) -> tuple[str, str, str]:
    """Value, name and amount; the values of categories are nobody's business."""
    if item.count is not None:
        return "", item.name, amount_words(item)
    return str(item.value), item.name, share_words(item.share)


def _can_switch(item: QTreeWidgetItem) -> bool:
    return bool(item.flags() & Qt.ItemFlag.ItemIsUserCheckable)


def _value(item: QTreeWidgetItem) -> int:
    return int(item.data(0, Qt.ItemDataRole.UserRole))


def _strip(table: NDArray[np.uint8]) -> QIcon:
    colors = np.ascontiguousarray(table)
    image = QImage(colors.data, len(colors), 1, colors.nbytes, QImage.Format.Format_RGB888)
    pixmap = QPixmap.fromImage(image.scaled(STRIP))
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected, QIcon.Mode.Disabled):
        icon.addPixmap(pixmap, mode)
    return icon
