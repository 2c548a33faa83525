"""What many tiles are like: histograms, bars and scatters of the columns of the index, and selections that become filters."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from rsviewer.core.errors import FilterError, RsviewerError
from rsviewer.core.filters import Column, ColumnType, inside, quoted
from rsviewer.core.statistics import ALL, Bars, Histogram, Pairs, Range
from rsviewer.core.tile import LayerKind, printable
from rsviewer.ui.colorscale import ColorScale
from rsviewer.ui.curvelegend import CurveLegend, Entry
from rsviewer.ui.fields import Choice, Elided, Flow, quiet, tool_button
from rsviewer.ui.panels.panel import LowPanel
from rsviewer.ui.plotfile import ask_path, save_button, save_plot
from rsviewer.ui.profileplot import load
from rsviewer.ui.statsplot import DENSITY, StatisticsPlot, kind_color
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.news import Changed
from rsviewer.workspace.statistics import Answered, BarsOf, ClassesOf, HistogramOf, PairsOf

PLACE = "statistics"
"""Where the questions are asked from."""
OPENING = "Opening the plot…"
COUNTING = "Counting…"
FIRST = ("suspicion", "ndsm_max", "dsm_max", "dem_max", "image_mean", "position")
"""The first of these columns that a dataset has is shown first."""
SPLITTING = ("split", "group", "verdict", "tag", "suspects")
NOT_COUNTED = ("tile", "name", "note", "time")
"""Texts that are another one on nearly every tile."""
FEW_BY = 2
NARROW = 32


class Shown(StrEnum):
    """What can be plotted."""

    COLUMN = "One column"
    PAIR = "Two columns"
    HEIGHTS = "Heights"
    CLASSES = "Classes"


class StatisticsPanel(LowPanel):
    """Counts of the tiles of the queue's filter, and of all. pyqtgraph is imported when it is first shown.

    Args:
        jobs: for what would hold up the window.
        tables: name of a colour table -> (256, 3).

    Signals:
        asked: a command is to be run; carries its id.
        done: the keyboard goes back to the panes.
    """

    watches = Changed.STATISTICS | Changed.QUEUE
    asked = Signal(str)
    done = Signal()

    def __init__(self, jobs: Jobs, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._tables = tables
        self._is_shown = False
        self._opening: Job | None = None
        self._trouble = ""
        self._answer: object = None
        self._drawn: tuple[object, bool, Theme] | None = None
        self.plot: StatisticsPlot | None = None
        self.what = column_choice("What to plot", 30)
        self.first = column_choice("Column", 36)
        self.second = column_choice("Second column", 36)
        self.by = column_choice("Split by", 30)
        self.stacked = tool_button("Stacked", "Put the kinds on top of each other")
        self.whole = tool_button("Full range", "Up to the greatest value, however far out it is")
        self.fit = tool_button("Fit", "Show all again after zooming (or double-click)")
        self.take = save_button("Save the plot as PNG or SVG, or its numbers as CSV", self.save)
        self.message = QLabel()
        self.measure = tool_button("Measure all tiles", "Read every tile once, so that its values are known")
        self.title = Elided()
        self.legend = CurveLegend()
        self.scale = ColorScale(tables)
        self.note = Elided()
        self._build()

    def _build(self) -> None:
        for button in (self.stacked, self.whole):
            button.setCheckable(True)
            button.clicked.connect(self._ask_again)
        self.what.addItems([str(each) for each in Shown])
        for choice in (self.what, self.first, self.second, self.by):
            choice.currentIndexChanged.connect(self._ask_again)
        self.fit.clicked.connect(self._fit)
        self.measure.clicked.connect(lambda: self.asked.emit("queue.measure"))
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setWordWrap(True)
        self.message.setProperty("dim", True)
        self.note.setProperty("dim", True)
        self.title.setProperty("heading", True)
        head = QWidget()
        flow = Flow(parent=head)
        for field in (
            self.what,
            self.first,
            self.second,
            self.by,
            self.stacked,
            self.whole,
            self.fit,
            self.take,
            self.measure,
        ):
            flow.addWidget(field)
        self.paper = QWidget()
        self._inside = QVBoxLayout(self.paper)
        self._inside.setContentsMargins(0, 0, 0, 0)
        self._inside.setSpacing(0)
        line = QHBoxLayout()
        line.setSpacing(2 * UNIT)
        line.addWidget(self.title, 2)
        line.addWidget(self.legend, 3)
        line.addWidget(self.scale)
        self._inside.addLayout(line)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.message)
        self._pages.addWidget(self.paper)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        column.setSpacing(UNIT)
        column.addWidget(head)
        column.addWidget(self._pages, 1)
        column.addWidget(self.note)

    # --- from the window

    def set_shown(self, *, on: bool) -> None:
        """The dock was opened or closed."""
        self._is_shown = on
        if not on:
            if self.workspace is not None:
                self.workspace.statistics.forget(PLACE)
            return
        if self.plot is None and self._opening is None:
            self._opening = self._jobs.start(OPENING.rstrip("…"), lambda _: load(), self._opened, self._failed)
        self.show_state()

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        if self.plot is not None:
            self.plot.set_theme(theme)
        super().set_theme(theme)

    def workspace_changed(self) -> None:
        """Another dataset: other columns."""
        self._answer = self._drawn = None
        for choice in (self.first, self.second, self.by):
            with quiet(choice):
                choice.clear()

    def _opened(self, _: object) -> None:
        self.plot = StatisticsPlot(self.theme, self._tables)
        self.plot.ranged.connect(self._take_range)
        self.plot.drawn.connect(self._take_lasso)
        self.plot.picked.connect(self._take_bar)
        self.plot.opened.connect(self._open)
        self._inside.addWidget(self.plot, 1)
        self.show_state()

    def _failed(self, why: str) -> None:
        self._trouble = why
        self.show_state()

    # --- what is asked

    def show_state(self) -> None:
        """Asks what is to be plotted, and plots what is known of it."""
        if not self._is_shown:
            return
        workspace = self.workspace
        if workspace is None:
            for field in (self.first, self.second, self.by, self.stacked, self.whole):
                field.hide()
            self._say("No dataset is open.")
            return
        self._offer_columns()
        if self.plot is None:
            self._say(self._trouble or OPENING)
            return
        question, why = self._question()
        if question is None:
            workspace.statistics.forget(PLACE)
            self._say(why)
            return
        answer: Answered[object] | None = workspace.statistics.ask(PLACE, question)
        if answer is None:
            if self._drawn is None:
                self._say(COUNTING)
            self.note.setText(COUNTING)
        elif answer.value is None:
            self._say(answer.why)
        else:
            self._show(answer.value, is_current=answer.is_current)

    def _question(self) -> tuple[HistogramOf | BarsOf | PairsOf | ClassesOf | None, str]:
        """What the fields ask; else why they ask nothing."""
        workspace = self.workspace
        if workspace is None:
            return None, ""
        filter_, by = workspace.statistics.filter, self._by
        columns = {column.name: column for column in workspace.index.columns()}
        first, second = columns.get(self.first.currentText()), columns.get(self.second.currentText())
        match self._what:
            case Shown.COLUMN if first is not None:
                if first.type is not ColumnType.NUMBER:
                    return BarsOf(first.name, filter_, by if by != first.name else ""), ""
                return HistogramOf((first.name,), filter_, by, whole=self.whole.isChecked()), ""
            case Shown.PAIR if first is not None and second is not None:
                return PairsOf(first.name, second.name, filter_, by), ""
            case Shown.HEIGHTS:
                layer = self.first.currentText()
                names = tuple(f"{layer}_{name}" for name in ("min", "mean", "max"))
                if all(name in columns for name in names):
                    return HistogramOf(names, filter_, whole=self.whole.isChecked()), ""
                return None, "This dataset has no heights."
            case Shown.CLASSES:
                return self._class_question()
        return None, "Choose a column."

    def _class_question(self) -> tuple[ClassesOf | None, str]:
        """Of the layer that the checks count: the first one of classes."""
        workspace = self.workspace
        layers = () if workspace is None else workspace.dataset.layers
        classes = next((spec.classes for spec in layers if spec.kind is LayerKind.LABELS and spec.classes), ())
        if workspace is None or not classes:
            return None, "This dataset has no classes."
        return ClassesOf(tuple("" if each.void else each.name for each in classes), workspace.statistics.filter), ""

    @property
    def _what(self) -> Shown:
        return Shown(self.what.currentText())

    @property
    def _by(self) -> str:
        return self.by.currentText() if self.by.currentIndex() > 0 else ""

    def _offer_columns(self) -> None:
        """Fills the fields with what there is, and keeps what is chosen."""
        workspace = self.workspace
        if workspace is None:
            return
        columns = workspace.index.columns()
        numbers = [each.name for each in columns if each.type is ColumnType.NUMBER]
        kinds = [each.name for each in columns if each.type is not ColumnType.NUMBER and is_counted(each)]
        heights = [str(spec.id) for spec in workspace.dataset.layers if spec.kind is LayerKind.HEIGHT]
        what = self._what
        start = next((name for name in FIRST if name in numbers), numbers[0] if numbers else "")
        first = {Shown.HEIGHTS: heights, Shown.PAIR: numbers, Shown.CLASSES: []}.get(what, [*numbers, *kinds])
        _fill(self.first, first, start, {each.name: each.help for each in columns})
        other = next((name for name in (*FIRST, *numbers) if name in numbers and name != start), "")
        _fill(self.second, numbers, other, {each.name: each.help for each in columns})
        names = [each.name for each in columns if each.type in (ColumnType.TEXT, ColumnType.LIST) and is_counted(each)]
        by = [*(name for name in SPLITTING if name in names), *(name for name in names if name not in SPLITTING)]
        _fill(self.by, ["not split", *(f"{name}" for name in by)], "not split")
        self.first.setVisible(bool(first))
        self.second.setVisible(what is Shown.PAIR)
        self.by.setVisible(what in (Shown.COLUMN, Shown.PAIR))
        is_histogram = what is Shown.HEIGHTS or (what is Shown.COLUMN and self.first.currentText() in numbers)
        self.whole.setVisible(is_histogram)
        self.stacked.setVisible(is_histogram and bool(self._by) and what is Shown.COLUMN)

    def _ask_again(self) -> None:
        self.show_state()

    # --- what is shown

    def _say(self, words: str) -> None:
        self._drawn = None
        self._answer = None
        self.message.setText(words)
        self._pages.setCurrentIndex(0)
        self.note.setText("")
        self.measure.hide()
        for button in (self.fit, self.take):
            button.setEnabled(False)

    def _show(self, counts: object, *, is_current: bool) -> None:
        if self.plot is None or not isinstance(counts, Histogram | Bars | Pairs):
            return
        self.measure.setVisible(bool(self._unmeasured(counts)))
        why = self._why_nothing(counts)
        if why:
            self._say(why)
            self.measure.setVisible(self._is_measurable())
            return
        stacked = self.stacked.isChecked() and not self.stacked.isHidden()
        drawn = (counts, stacked, self.theme)
        if self._drawn != drawn:
            self._drawn, self._answer = drawn, counts
            self.plot.show_counts(counts, stacked=stacked)
            self.title.setText(_title(counts))
            self.legend.show_entries(self._entries(counts), self.theme)
            self._show_scale(counts)
        for button in (self.fit, self.take):
            button.setEnabled(True)
        self.note.setText(self._words(counts) if is_current else f"{COUNTING}  {self._words(counts)}")
        self._pages.setCurrentIndex(1)

    def _why_nothing(self, counts: Histogram | Bars | Pairs) -> str:
        """What to say in place of a plot; empty where there is one."""
        tiles = _range(counts).tiles if not isinstance(counts, Bars) else counts.tiles
        known = len(counts.names) if isinstance(counts, Bars) else _has_any(counts)
        if known:
            return ""
        if self._what is Shown.CLASSES:
            return "The checks count the classes while they look at the tiles: Review > Check all tiles."
        if not tiles and not isinstance(counts, Pairs):
            return "No tile satisfies the filter."
        if self._is_measurable():
            return "Nobody has measured this yet: every tile has to be read once."
        return "No tile has both values." if isinstance(counts, Pairs) else "No tile has a value here."

    def _is_measurable(self) -> bool:
        """Whether measuring all tiles would tell more."""
        question, _ = self._question()
        return (
            question is not None
            and self.workspace is not None
            and bool(self.workspace.index.layers_of(question.uses[0]))
        )

    def _unmeasured(self, counts: Histogram | Bars | Pairs) -> int:
        """Tiles without a value that measuring may give."""
        if isinstance(counts, Bars) or not self._is_measurable():
            return 0
        return _range(counts).tiles - _range(counts).known

    def _entries(self, counts: Histogram | Bars | Pairs) -> tuple[Entry, ...]:
        if isinstance(counts, Pairs):
            names = counts.points.names if counts.points is not None else ()
            return tuple(Entry(QPen(kind_color(k, name, self.theme)), name, "") for k, name in enumerate(names))
        if len(counts.series) < FEW_BY:
            return ()
        entries, place = [], 0
        for each in counts.series:
            color = kind_color(place, each.name, self.theme)
            place += each.name != ALL
            words = f"{int(each.counts.sum()):,}" if not isinstance(counts, Bars) or counts.unit == "tiles" else ""
            entries.append(Entry(QPen(color), each.name, words))
        return tuple(entries)

    def _show_scale(self, counts: Histogram | Bars | Pairs) -> None:
        cells = counts.cells if isinstance(counts, Pairs) else None
        if cells is None:
            self.scale.hide()
            return
        self.scale.show_scale(DENSITY, "1", f"{int(cells.counts.max(initial=1)):,} tiles", self.theme)

    def _words(self, counts: Histogram | Bars | Pairs) -> str:
        """The line below: how many tiles, what they are like, what is not to be seen."""
        match counts:
            case Bars(tiles=tiles, unit="%"):
                return f"{tiles:,} tiles whose classes were counted; each has the same weight."
            case Bars(tiles=tiles, left_out=left_out):
                rest = f"   {left_out:,} rarer ones have no bar." if left_out else ""
                is_cut = self.plot is not None and len(counts.names) > self.plot.bars_in_sight[1]
                more = " The wheel shows the other bars." if is_cut else ""
                return f"{tiles:,} tiles.{rest}   Click a bar to filter by it.{more}"
            case Histogram(range=known) if self._what is Shown.HEIGHTS:
                share = f"{known.known:,} of {known.tiles:,} tiles"
                return f"{share}: each counts once a curve, with its lowest, mean and highest height; not its pixels."
            case Histogram(range=known):
                words = [_about(known)]
                if counts.below or counts.above:
                    words.append(f"{counts.below:,} below and {counts.above:,} above lie outside.")
                if counts.is_list:
                    words.append("A tile with several counts in each.")
                return "   ".join([*words, "Drag a range to filter by it."])
            case Pairs(x_range=x_range, correlation=correlation):
                related = "" if np.isnan(correlation) else f"   correlation {correlation:.2f}."
                return f"{x_range.known:,} tiles with both.{related}   Draw round tiles to filter by them; click opens one."

    # --- what is selected

    def _take_range(self, low: float, high: float) -> None:
        question, _ = self._question()
        if isinstance(question, HistogramOf):
            column = question.columns[0] if len(question.columns) == 1 else question.columns[1]
            self._narrow(f"{column} between {low:.6g} and {high:.6g}")

    def _take_lasso(self, corners: Sequence[tuple[float, float]]) -> None:
        question, _ = self._question()
        if isinstance(question, PairsOf):
            self._narrow(inside(question.x, question.y, corners))

    def _take_bar(self, place: int) -> None:
        question, _ = self._question()
        if isinstance(question, BarsOf) and isinstance(self._answer, Bars) and self._answer.values:
            self._narrow(_is_value(self._column(question.column), self._answer.values[place]))

    def _narrow(self, condition: str) -> None:
        if self.workspace is None:
            return
        try:
            self.workspace.statistics.narrow(self.workspace.finding.filter, condition)
        except FilterError as error:
            self.workspace.say(str(error))
        self.done.emit()

    def _column(self, name: str) -> Column | None:
        columns = () if self.workspace is None else self.workspace.index.columns()
        return next((each for each in columns if each.name == name), None)

    def _open(self, ordinal: int) -> None:
        if self.workspace is not None:
            self.workspace.show_tile(self.workspace.finding.entry_at(ordinal).id)
        self.done.emit()

    def _fit(self) -> None:
        if self.plot is not None:
            self.plot.fit()
        self.done.emit()

    # --- files

    def save(self, kind: str) -> None:
        """Asks for a file and saves the plot: "png" or "svg", or its numbers: "csv"."""
        if self._drawn is None:
            return
        path = ask_path(self, "Save the statistics as", "statistics", kind)
        if path is not None:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Saves the plot, or its numbers, as the name of the file says."""
        if not isinstance(self._answer, Histogram | Bars | Pairs):
            return
        try:
            save_plot(path, self.paper, self.theme.panel, _title(self._answer), self._answer.rows())
        except RsviewerError as error:
            self._tell(str(error))
        else:
            self._tell(f"The statistics are in {printable(str(path))}.")

    def _tell(self, words: str) -> None:
        if self.workspace is not None:
            self.workspace.say(words)


def column_choice(name: str, width: int) -> Choice:
    """A field to choose a column in, so many units wide."""
    choice = Choice()
    choice.setAccessibleName(name)
    choice.setToolTip(name)
    choice.setMinimumWidth(width * UNIT)
    choice.setMaximumWidth(width * UNIT)
    choice.setFixedHeight(7 * UNIT)
    choice.view().setMinimumWidth(60 * UNIT)
    choice.setMaxVisibleItems(24)
    return choice


def _fill(choice: Choice, names: Sequence[str], start: str, tips: dict[str, str] | None = None) -> None:
    """Offers other names, where they are others; what is chosen stays where it can."""
    if [choice.itemText(row) for row in range(choice.count())] == list(names):
        return
    chosen = choice.currentText()
    with quiet(choice):
        choice.clear()
        choice.addItems(list(names))
        for row, name in enumerate(names):
            choice.setItemData(row, (tips or {}).get(name, ""), Qt.ItemDataRole.ToolTipRole)
        wanted = chosen if chosen in names else start
        choice.setCurrentIndex(max(0, choice.findText(wanted)))


def is_counted(column: Column) -> bool:
    """Whether counting its values makes sense."""
    return column.name not in NOT_COUNTED and not column.name.endswith("_message")


def _range(counts: Histogram | Pairs) -> Range:
    return counts.range if isinstance(counts, Histogram) else counts.x_range


def _has_any(counts: Histogram | Pairs) -> bool:
    """Whether there is anything to draw."""
    if isinstance(counts, Histogram):
        return bool(counts.series)
    return counts.points is not None or counts.cells is not None


def _title(counts: object) -> str:
    match counts:
        case Histogram(title=title) | Bars(title=title):
            return title
        case Pairs(x_title=x, y_title=y):
            return f"{y} against {x}"
        case _:
            return ""


def _about(known: Range) -> str:
    """What numbers are like, in words."""
    noun = "tile" if known.tiles == 1 else "tiles"
    tiles = f"{known.known:,} {noun}" if known.known == known.tiles else f"{known.known:,} of {known.tiles:,} {noun}"
    if not known.known:
        return f"{tiles}."
    if known.low == known.high:
        return f"{tiles}: {_figure(known.low)}."
    span = f"{_figure(known.low)} .. {_figure(known.high)}"
    return f"{tiles}: {span}, mean {_figure(known.mean)}, median {_figure(known.median)}."


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def _is_value(column: Column | None, value: str) -> str:
    """The condition that a column holds a text."""
    if column is None:
        return ""
    if column.type is ColumnType.BOOL:
        return column.name if value == "true" else f"not {column.name}"
    return f"{column.name} = {quoted(value)}" if value else f"{column.name} is null"
