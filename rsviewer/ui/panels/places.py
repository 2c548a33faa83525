"""The map of the tiles: where they lie, coloured by what is known of them, and parts of it that become filters."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from rsviewer.core.errors import FilterError, RsviewerError
from rsviewer.core.filters import ColumnType, inside
from rsviewer.core.statistics import OTHERS, Places
from rsviewer.core.tile import printable
from rsviewer.ui.colorscale import ColorScale
from rsviewer.ui.curvelegend import CurveLegend, Entry
from rsviewer.ui.fields import Elided, Flow, quiet, tool_button
from rsviewer.ui.mapview import SCALE_COLORS, MapView, outline
from rsviewer.ui.panels.panel import LowPanel
from rsviewer.ui.panels.statistics import SPLITTING, column_choice, is_counted
from rsviewer.ui.plotfile import ask_path, save_button, save_plot
from rsviewer.ui.statsplot import kind_color
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.news import Changed
from rsviewer.workspace.statistics import PlacesOf

PLACE = "map"
"""Where the questions are asked from."""
PLAIN = "one colour"
REST_MS = 120
"""A part of the map is asked for when it has stood still for so long."""
HALF_ROUND = 180.0
UNKNOWN = "Nobody knows yet where these tiles lie. Their headers may say so: locate all tiles. The checks find it out as well."
NOWHERE = "No tile says where on the Earth it lies: there is nothing to show on a map."
LOOKING = "Looking up where the tiles lie…"


class PlacesPanel(LowPanel):
    """The map of the tiles of the queue's filter, and of all others behind them.

    Args:
        tables: name of a colour table -> (256, 3).

    Signals:
        asked: a command is to be run; carries its id.
        done: the keyboard goes back to the panes.
    """

    watches = Changed.STATISTICS | Changed.QUEUE | Changed.TILE
    asked = Signal(str)
    done = Signal()

    def __init__(self, tables: Callable[[str], NDArray[np.uint8]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_shown = False
        self._places: Places | None = None
        self.color = column_choice("Colour by", 40)
        self.lasso = tool_button("Select", "Draw round tiles to filter by them (or drag with Shift; with Ctrl a box)")
        self.fit = tool_button("Fit", "Bring all tiles into sight (or double-click)")
        self.take = save_button("Save the map as PNG or SVG, or where the tiles lie as CSV", self.save)
        self.locate = tool_button("Locate all tiles", "Read the header of every tile once, to know where it lies")
        self.legend = CurveLegend()
        self.scale = ColorScale(tables)
        self.map = MapView(tables)
        self.message = QLabel()
        self.note = Elided()
        self._moved = QTimer(self, singleShot=True, interval=REST_MS)
        self._moved.timeout.connect(self.show_state)
        self._build()

    def _build(self) -> None:
        self.lasso.setCheckable(True)
        self.lasso.toggled.connect(self._set_lasso)
        self.fit.clicked.connect(self.map.fit)
        self.locate.clicked.connect(lambda: self.asked.emit("queue.locate"))
        self.color.currentIndexChanged.connect(lambda _: self.show_state())
        self.map.moved.connect(self._moved.start)
        self.map.opened.connect(self._open)
        self.map.drawn.connect(self._take_lasso)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setWordWrap(True)
        self.message.setProperty("dim", True)
        self.note.setProperty("dim", True)
        head = QWidget()
        flow = Flow(parent=head)
        for field in (self.color, self.lasso, self.fit, self.take, self.locate):
            flow.addWidget(field)
        self.paper = QWidget()
        inside_paper = QVBoxLayout(self.paper)
        inside_paper.setContentsMargins(0, 0, 0, 0)
        inside_paper.setSpacing(UNIT)
        line = QHBoxLayout()
        line.addWidget(self.legend, 1)
        line.addWidget(self.scale, 0, Qt.AlignmentFlag.AlignRight)
        inside_paper.addLayout(line)
        inside_paper.addWidget(self.map, 1)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.message)
        self._pages.addWidget(self.paper)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        column.setSpacing(UNIT)
        column.addWidget(head)
        column.addWidget(self._pages, 1)
        column.addWidget(self.note)
        self.note.set_tip(f"Land: {outline()[1]}")

    # --- from the window

    def set_shown(self, *, on: bool) -> None:
        """The dock was opened or closed."""
        self._is_shown = on
        if on:
            self.show_state()
        elif self.workspace is not None:
            self.workspace.statistics.forget(PLACE)

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.map.set_theme(theme)
        super().set_theme(theme)

    def workspace_changed(self) -> None:
        """Another dataset lies elsewhere, and has other columns."""
        self.map.forget()
        with quiet(self.color):
            self.color.clear()

    # --- what is shown

    def show_state(self) -> None:
        """Asks what lies in sight, and shows what is known of it."""
        if not self._is_shown:
            return
        workspace = self.workspace
        if workspace is None:
            self._say("No dataset is open.")
            return
        self._offer_columns()
        self.map.current = workspace.finding.ordinal
        column = self.color.currentText() if self.color.currentIndex() > 0 else ""
        question = PlacesOf(workspace.statistics.filter, column, self.map.bounds, self.map.grid)
        answer = workspace.statistics.ask(PLACE, question)
        if answer is None:
            if self.map.bounds is None:
                self._say(LOOKING)
            self.map.update()
        elif answer.value is None:
            self._say(answer.why)
        else:
            self._show(answer.value)

    def _show(self, places: Places) -> None:
        if places.extent is None:
            self._say(UNKNOWN if places.unasked else NOWHERE)
            self.locate.setVisible(places.unasked > 0)
            return
        self._pages.setCurrentIndex(1)
        self.map.show_places(places)
        self.locate.setVisible(places.unasked > 0)
        counted = "" if places.cells is None else ", counted: zoom in for footprints"
        unplaced = f"   {places.tiles - places.known:,} say nothing." if places.known < places.tiles else ""
        self.note.setText(f"{places.in_sight:,} of {places.known:,} tiles in sight{counted}.{unplaced}")
        has_cells = places.cells is not None
        names = (
            (*places.names, *((OTHERS,) if (places.values >= len(places.names)).any() else ())) if places.names else ()
        )
        shown = () if has_cells else names
        self.legend.show_entries(
            tuple(Entry(QPen(kind_color(k, name, self.theme)), name, "") for k, name in enumerate(shown)), self.theme
        )
        self.legend.setVisible(bool(shown))
        self._places = places
        self.take.setEnabled(True)
        self._show_scale(places)

    def _show_scale(self, places: Places) -> None:
        if not math.isnan(places.low) and (places.cells is None or places.means is not None):
            self.scale.show_scale(SCALE_COLORS, f"{places.low:.4g}", f"{places.high:.4g}", self.theme)
        elif places.cells is not None:
            most = int(places.cells.counts.max(initial=1))
            self.scale.show_scale(SCALE_COLORS, "1", f"{most:,} tiles", self.theme)
        else:
            self.scale.hide()

    def _say(self, words: str) -> None:
        self.message.setText(words)
        self._pages.setCurrentIndex(0)
        self.note.setText("")
        self.scale.hide()
        self.legend.show_entries((), self.theme)
        self._places = None
        self.take.setEnabled(False)
        self.locate.setVisible(self.workspace is not None)

    def _offer_columns(self) -> None:
        if self.workspace is None:
            return
        columns = [each for each in self.workspace.index.columns() if is_counted(each)]
        texts = [each.name for each in columns if each.type is not ColumnType.NUMBER]
        numbers = [each.name for each in columns if each.type is ColumnType.NUMBER]
        first = [name for name in (*SPLITTING, "suspicion") if name in texts or name in numbers]
        names = [PLAIN, *first, *(name for name in (*numbers, *texts) if name not in first)]
        if [self.color.itemText(row) for row in range(self.color.count())] != names:
            chosen = self.color.currentText()
            with quiet(self.color):
                self.color.clear()
                self.color.addItems(names)
                self.color.setCurrentIndex(max(0, self.color.findText(chosen)))

    # --- what is selected

    def _set_lasso(self, on: bool) -> None:
        self.map.lasso = on

    def _take_lasso(self, corners: Sequence[tuple[float, float]]) -> None:
        if self.workspace is None:
            return
        try:
            self.workspace.statistics.narrow(self.workspace.finding.filter, _within(corners))
        except FilterError as error:
            self.workspace.say(str(error))
        self.lasso.setChecked(False)
        self.done.emit()

    def _open(self, ordinal: int) -> None:
        if self.workspace is not None:
            self.workspace.show_tile(self.workspace.finding.entry_at(ordinal).id)
        self.done.emit()

    # --- files

    def save(self, kind: str) -> None:
        """Asks for a file and saves the map: "png" or "svg", or its numbers: "csv"."""
        path = None if self._places is None else ask_path(self, "Save the map as", "map", kind)
        if path is not None:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Saves the map, or where the tiles lie that it shows, as the name of the file says."""
        if self._places is None or self.workspace is None:
            return
        try:
            save_plot(path, self.paper, self.theme.panel, "map", self._places.rows())
        except RsviewerError as error:
            self.workspace.say(str(error))
        else:
            self.workspace.say(f"The map is in {printable(str(path))}.")


def _within(corners: Sequence[tuple[float, float]]) -> str:
    """The condition that a tile lies in a shape; what of that is beyond the 180th meridian lies at the other end."""
    across = [x for x, _ in corners]
    turns = [0.0, *([-360.0] if max(across) > HALF_ROUND else []), *([360.0] if min(across) < -HALF_ROUND else [])]
    shapes = [inside("lon", "lat", [(x + turn, y) for x, y in corners]) for turn in turns]
    return " or ".join(shapes)
