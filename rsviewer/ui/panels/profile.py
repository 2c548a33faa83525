"""The plot of heights along a line."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QPen, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLabel, QMenu, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from rsviewer.core.profile import Line, Profile, length, nearest_on
from rsviewer.core.readout import number
from rsviewer.core.scene import Frame
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Missing, TileId, printable
from rsviewer.data.profiles import save_table, table
from rsviewer.ui.curvelegend import CurveLegend, Entry
from rsviewer.ui.fields import Flow, tool_button
from rsviewer.ui.linepainter import length_words
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.profileplot import LEAST_SPAN, Curve, ProfilePlot, curve_pen, load, nearest_sample
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.news import Changed

DRAW = "profile.draw"
LATE_MS = 100
"""So long the curves of the tile before stay while this one is being read, as its pictures do in the panes."""
NEAR, NEAR_SHARE = 3.0, 1 / 128
"""Tile pixels, and share of the tile, within which the cross is taken to be on the line."""
FAR_APART = 4.0
"""Curves whose levels differ by so many times what they span are hardly to be seen on one axis."""
OPENING = "Opening the plot…"
OWN_TITLE = "above lowest (m)"
SCALE_ROOM = "vertical 1,000×"


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What there is to plot.

    Attributes:
        tile: whose heights.
        frame: its grid.
        line: along which.
        heights: every visible height layer; None for what is still being read.
        profiles: one for each height that was read.
    """

    tile: TileId | None = None
    frame: Frame | None = None
    line: Line | None = None
    heights: tuple[tuple[LayerSpec, LayerContent | None], ...] = ()
    profiles: tuple[Profile, ...] = ()

    @property
    def is_awaited(self) -> bool:
        """True where some of it is still being read."""
        return any(content is None for _, content in self.heights)

    def is_of(self, other: "Cut") -> bool:
        """True where the other one is made of the same things."""
        return (self.tile, self.frame, self.line, self.heights) == (other.tile, other.frame, other.line, other.heights)


class ProfilePanel(Panel):
    """Heights along the line of `workspace.profiling`, one curve a height layer. pyqtgraph is imported when it is first shown.

    Args:
        jobs: for what would hold up the window.

    Signals:
        asked: a command is to be run; carries its id.
        done: the keyboard goes back to the panes.
    """

    watches = Changed.PROFILE | Changed.TILE | Changed.PICTURE | Changed.VIEW
    asked = Signal(str)
    done = Signal()

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._is_shown = False
        self._opening: Job | None = None
        self._trouble = ""
        self._key = "H"
        self._shown = Cut()
        self._hovered: float | None = None
        self._pointed: tuple[int, int] | None = None
        self._numbers: dict[LayerId, int] = {}
        self.plot: ProfilePlot | None = None
        self.message = QLabel()
        self.legend = CurveLegend()
        self.scale = QLabel()
        self.draw = tool_button("New line", "Draw another line in a pane")
        self.swap = tool_button("Swap ends", "Start at the other end of the line")
        self.own_zero = tool_button(
            "Own zero", "Every curve above its own lowest height, so that different levels can be compared"
        )
        self.fit = tool_button("Fit", "Show the line from end to end")
        self.take = tool_button("Table", "Save or copy the heights along the line")
        self._zero_is_chosen = False
        """Until somebody says, curves that lie far apart have zeros of their own, and others have not."""
        self._late = QTimer(self, singleShot=True, interval=LATE_MS)
        self._late.timeout.connect(self._redraw)
        self._build()

    def _build(self) -> None:
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setWordWrap(True)
        self.message.setProperty("dim", True)
        self.scale.setProperty("dim", True)
        self.scale.setToolTip("How many times taller than true the curves are drawn")
        self.own_zero.setCheckable(True)
        menu = QMenu(self.take)
        menu.addAction("Save as CSV…", self.save_table)
        menu.addAction("Copy", self.copy_table)
        self.take.setMenu(menu)
        self.take.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.draw.clicked.connect(self._ask_line)
        self.swap.clicked.connect(self._swap)
        self.own_zero.clicked.connect(self._choose_zero)
        self.fit.clicked.connect(self._fit)
        self._buttons = QWidget()
        flow = Flow(parent=self._buttons)
        for button in (self.draw, self.swap, self.own_zero, self.fit, self.take):
            flow.addWidget(button)
        self._head = QGridLayout()
        self._head.setHorizontalSpacing(3 * UNIT)
        self._head.setVerticalSpacing(UNIT)
        self._head.setColumnStretch(1, 1)
        self._is_narrow: bool | None = None
        self._pages = QStackedWidget()
        self._pages.addWidget(self.message)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        column.setSpacing(UNIT)
        column.addLayout(self._head)
        column.addWidget(self._pages, 1)
        self._place_legend()

    def sizeHint(self) -> QSize:
        """Low: the panes have most of the room."""
        return QSize(600, 230)

    def minimumSizeHint(self) -> QSize:
        """A dock may be made small."""
        return QSize(48 * UNIT, 30 * UNIT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Places the legend anew."""
        super().resizeEvent(event)
        self._place_legend()

    def _place_legend(self) -> None:
        """Gives the legend a line of its own where there is no room for it beside the buttons."""
        buttons = sum(button.sizeHint().width() + UNIT for button in self._buttons.findChildren(QToolButton))
        beside = buttons + self.legend.width_of(self._entries(None)) + self.fontMetrics().horizontalAdvance(SCALE_ROOM)
        narrow = beside + 10 * UNIT > self.width()
        self._buttons.setMinimumWidth(0 if narrow else buttons)
        if narrow == self._is_narrow:
            return
        self._is_narrow = narrow
        for part in (self._buttons, self.legend, self.scale):
            self._head.removeWidget(part)
        if narrow:
            self._head.addWidget(self._buttons, 0, 0, 1, 3)
            self._head.addWidget(self.legend, 1, 0, 1, 2)
            self._head.addWidget(self.scale, 1, 2)
        else:
            self._head.addWidget(self._buttons, 0, 0)
            self._head.addWidget(self.legend, 0, 1)
            self._head.addWidget(self.scale, 0, 2)

    # --- from the window

    def set_shown(self, *, on: bool) -> None:
        """The dock was opened or closed."""
        self._is_shown = on
        self._shown, self._hovered = Cut(), None
        if not on:
            self._late.stop()
            return
        if self.plot is None and self._opening is None:
            self._opening = self._jobs.start(OPENING.rstrip("…"), _load, self._opened, self._failed)
        self._redraw()

    def set_keys(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """The keys as they are bound now, for the words that name them."""
        chosen = keys.get(DRAW, ())
        self._key = QKeySequence(chosen[0]).toString(QKeySequence.SequenceFormat.NativeText) if chosen else ""
        self._redraw()

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.theme = theme
        if self.plot is not None:
            self.plot.set_theme(theme)
        self._redraw()

    def workspace_changed(self) -> None:
        """Another dataset: its layers have colours of their own."""
        layers = () if self.workspace is None else self.workspace.dataset.layers
        heights = [spec.id for spec in layers if spec.kind is LayerKind.HEIGHT]
        self._numbers = {layer: place for place, layer in enumerate(heights)}
        self._hovered = None

    def _opened(self, _: object) -> None:
        self.plot = ProfilePlot(self.theme)
        self.plot.pointed.connect(self._hover)
        self.plot.left.connect(self._leave)
        self.plot.scaled.connect(self._say_scale)
        self._pages.addWidget(self.plot)
        self._redraw()

    def _failed(self, why: str) -> None:
        self._trouble = why
        self._redraw()

    # --- from the workspace

    def show_state(self) -> None:
        """Plots the heights along the line, if that is to be seen."""
        if not self._is_shown:
            return
        cut = self._found()
        if cut is self._shown:
            self._late.stop()
            self._mark()
        elif cut.is_awaited and self._shown.profiles and cut.line == self._shown.line:
            if not self._late.isActive():
                self._late.start()  # nothing blinks where the rest comes soon
        else:
            self._show(cut)

    def _redraw(self) -> None:
        if self._is_shown:
            self._show(self._found())

    def _found(self) -> Cut:
        """What there is to plot now: the very one that is shown, where nothing has changed."""
        workspace = self.workspace
        if workspace is None:
            return Cut()
        profiling = workspace.profiling
        cut = Cut(workspace.tile, workspace.frame, profiling.line, tuple(profiling.heights()))
        if cut.is_of(self._shown):
            return self._shown
        return replace(cut, profiles=profiling.profiles())

    def _why_nothing(self, cut: Cut) -> str:
        """What to say in place of a plot; empty where there is one."""
        if self.workspace is None:
            return "No dataset is open."
        if cut.tile is None:
            return "There is no tile to look at."
        if cut.line is None:
            how = (
                f"Hold {self._key} and drag a line in a pane" if self._key else "Press “New line” and drag it in a pane"
            )
            return f"{how}: the heights along it are shown here."
        if not cut.heights:
            if self._numbers.keys() & self.workspace.looks.hidden:
                return "No height is shown. Switch one on under Layers."
            return f"This {'tile' if self._numbers else 'dataset'} has no heights."
        if any(np.isfinite(profile.height).any() for profile in cut.profiles):
            return self._trouble or (OPENING if self.plot is None else "")
        if cut.is_awaited:
            return "Reading the heights…"
        if cut.profiles:
            return "There is no valid height along this line."
        return "\n".join(f"{spec.title} {_absence(content)}." for spec, content in cut.heights)

    # --- what is shown

    def _show(self, cut: Cut) -> None:
        self._late.stop()
        self._shown = cut
        self.message.setText(self._why_nothing(cut))
        has_plot = not self.message.text()
        for button in (self.own_zero, self.fit, self.take):
            button.setEnabled(has_plot)
        self.draw.setEnabled(cut.tile is not None)
        self.swap.setEnabled(cut.line is not None)
        self._pages.setCurrentIndex(int(has_plot))
        self.scale.setVisible(has_plot)
        if has_plot:
            self._plot(cut)
        self._mark()
        self._place_legend()

    def _plot(self, cut: Cut) -> None:
        if self.plot is None or cut.line is None or cut.frame is None:
            return
        if not self._zero_is_chosen:
            self.own_zero.setChecked(_are_far_apart(cut.profiles))
        own = self.own_zero.isChecked()
        curves = [
            Curve(self._pen(profile.layer), profile.distance, profile.height - (_span(profile)[0] if own else 0.0))
            for profile in cut.profiles
        ]
        far, unit = length(cut.line, cut.frame)
        self.plot.show_curves(curves, far, f"distance from A ({unit})", OWN_TITLE if own else "height (m)")
        self._say_scale()

    def _pen(self, layer: LayerId) -> QPen:
        return curve_pen(self._numbers.get(layer, 0), self.theme)

    def _mark(self) -> None:
        """Marks the place under the mouse, or that of the cross where it is on the line, and reads the heights off."""
        at = self._hovered if self._hovered is not None else self._crossed()
        if self.plot is not None:
            self.plot.set_marker(at)
        self.legend.show_entries(self._entries(at), self.theme)

    def _crossed(self) -> float | None:
        """The distance at which the cross is on the line."""
        cursor = None if self.workspace is None else self.workspace.viewing.cursor
        line, frame = self._shown.line, self._shown.frame
        if cursor is None or line is None or frame is None:
            return None
        share, off = nearest_on(line, cursor[0] + 0.5, cursor[1] + 0.5)
        return share * length(line, frame)[0] if off <= max(NEAR, NEAR_SHARE * max(frame.width, frame.height)) else None

    def _entries(self, at: float | None) -> tuple[Entry, ...]:
        cut = self._shown
        if self.message.text() or cut.line is None or cut.frame is None:
            return ()
        far, unit = length(cut.line, cut.frame)
        whole = length_words(far, unit)
        entries = [Entry(None, "distance", whole if at is None else length_words(at, unit), whole)]
        found = {profile.layer: profile for profile in cut.profiles}
        for spec, content in cut.heights:
            pen, profile = self._pen(spec.id), found.get(spec.id)
            if profile is None:
                entries.append(Entry(pen, spec.title, _absence(content), usable=False))
            else:
                entries.append(_entry(pen, profile, at))
        return tuple(entries)

    def _say_scale(self) -> None:
        frame, plot = self._shown.frame, self.plot
        ratio = None if plot is None or frame is None or frame.cell is None else plot.exaggeration
        self.scale.setText(
            "" if ratio is None else f"vertical {ratio:.2g}×" if ratio < 10 else f"vertical {ratio:,.0f}×"
        )

    # --- from the mouse

    def _hover(self, distance: float) -> None:
        cut, workspace = self._shown, self.workspace
        if workspace is None or not cut.profiles or cut.frame is None:
            return
        self._hovered = distance
        first = cut.profiles[0]
        place = nearest_sample(first.distance, distance)
        column, row = math.floor(first.x[place]), math.floor(first.y[place])
        self._pointed = (min(column, cut.frame.width - 1), min(row, cut.frame.height - 1))
        workspace.viewing.set_cursor(self._pointed)
        self._mark()

    def _leave(self) -> None:
        if self._hovered is None:
            return
        self._hovered = None
        if self.workspace is not None and self.workspace.viewing.cursor == self._pointed:
            self.workspace.viewing.set_cursor(None)  # as in the panes: the cross goes when the mouse goes
        self._mark()

    def _ask_line(self) -> None:
        self.asked.emit(DRAW)
        self.done.emit()

    def _choose_zero(self) -> None:
        self._zero_is_chosen = True
        self._redraw()
        self.done.emit()

    def _swap(self) -> None:
        if self.workspace is not None:
            self.workspace.profiling.swap_ends()
        self.done.emit()

    def _fit(self) -> None:
        if self.plot is not None:
            self.plot.fit()
        self.done.emit()

    # --- the table

    def copy_table(self) -> None:
        """Puts the heights along the line on the clipboard, as spreadsheets like them."""
        cut = self._shown
        if cut.profiles and cut.frame is not None:
            QGuiApplication.clipboard().setText(table(cut.profiles, cut.frame, separator="\t"))
            self._say(f"{len(cut.profiles[0].distance):,} heights a layer are on the clipboard.")

    def save_table(self) -> None:
        """Asks for a file and saves the heights along the line."""
        cut = self._shown
        if not cut.profiles or cut.frame is None or cut.tile is None:
            return
        suggested = re.sub(r"[^\w.-]+", "_", printable(cut.tile)) + "_profile.csv"
        name, _ = QFileDialog.getSaveFileName(self, "Save the heights along the line as", suggested, "Table (*.csv)")
        if not name:
            return
        path, profiles, frame = Path(name), cut.profiles, cut.frame
        self._jobs.start(
            "Saving the profile",
            lambda _: save_table(path, profiles, frame),
            lambda _: self._say(f"The heights along the line are in {printable(str(path))}."),
            self._say,
        )

    def _say(self, words: str) -> None:
        if self.workspace is not None:
            self.workspace.say(words)


def _load(_: Job) -> None:
    load()


def _entry(pen: QPen, profile: Profile, at: float | None) -> Entry:
    """What a curve says at a distance, or where none is marked, between which heights it lies."""
    low, high = _span(profile)
    if low > high:
        return Entry(pen, profile.title, "no data along the line", usable=False)
    if at is None:
        return Entry(pen, profile.title, f"{number(low)} .. {number(high)} m")
    room = max(f"{number(low)} m", f"{number(high)} m", "no data", key=len)
    height = float(profile.height[nearest_sample(profile.distance, at)])
    if math.isnan(height):
        return Entry(pen, profile.title, "no data", room, usable=False)
    return Entry(pen, profile.title, f"{number(height)} m", room)


def _span(profile: Profile) -> tuple[float, float]:
    """Lowest and highest; the wrong way round where there is no height."""
    there = profile.height[np.isfinite(profile.height)]
    return float(there.min(initial=np.inf)), float(there.max(initial=-np.inf))


def _are_far_apart(profiles: Sequence[Profile]) -> bool:
    """True where the curves lie so far from each other that on one axis they look flat."""
    spans = [(low, high) for low, high in map(_span, profiles) if low <= high]
    if len(spans) < 2:
        return False
    tallest = max(LEAST_SPAN, *(high - low for low, high in spans))
    return max(high for _, high in spans) - min(low for low, _ in spans) > FAR_APART * tallest


def _absence(content: LayerContent | None) -> str:
    if content is None:
        return "is being read"
    return "is missing on this tile" if isinstance(content, Missing) else "cannot be read"
