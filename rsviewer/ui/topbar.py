"""The line above the panes: dataset and group, search and filter, and the place in the queue."""

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QWidget

from rsviewer.core.errors import FilterError
from rsviewer.data.remote.names import shown
from rsviewer.ui.fields import Elided, tool_button
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.news import Changed

SEARCH_HINT = "search captions        Ctrl+F"
SEARCH_REST_MS = 150
"""A search begins when so long nothing was typed."""
FILTER_HINT = "filter, e.g.  split = 'train' and not reviewed        /"
KEYS_OF_TEXT = (
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
)
"""Qt's line edit passes these on, so that Return would maximise a pane and the arrows move the cursor in it."""


class FilterEdit(QLineEdit):
    """A line that Escape leaves."""

    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape leaves; everything else is typing, and what a line does not use of it is not meant for the panes either."""
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
            return
        super().keyPressEvent(event)
        if event.key() in KEYS_OF_TEXT:
            event.accept()


class TopBar(Panel):
    """Dataset, search, filter, position.

    A search begins while it is typed: Return keeps it, Escape ends it. A filter begins with Return, and Escape gives the text
    of the filter in force back.

    Signals:
        done: the filter was set or left; the panes want the focus.
    """

    watches = Changed.TILE | Changed.QUEUE | Changed.VIEW
    done = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.title.setProperty("heading", True)
        self.filter = FilterEdit(placeholderText=FILTER_HINT, clearButtonEnabled=True)
        self.filter.setAccessibleName("Filter")
        self.title.setTextFormat(Qt.TextFormat.PlainText)  # names come from strangers
        self.search = FilterEdit(placeholderText=SEARCH_HINT, clearButtonEnabled=True)
        self.search.setAccessibleName("Search captions")
        self.search.hide()
        self.error = Elided()
        self.link = tool_button("Linked", "Zoom, pan and cursor are the same in every pane (Ctrl+L)")
        self.link.setCheckable(True)
        self.link.setStyleSheet("QToolButton:checked { background: transparent; color: palette(text); }")
        self.link.hide()
        self.link.clicked.connect(self._link)
        self.position = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        row.setSpacing(4 * UNIT)
        row.addWidget(self.title)
        row.addWidget(self.search, 2)
        row.addWidget(self.filter, 2)
        row.addWidget(self.error, 1)
        row.addWidget(self.link)
        row.addWidget(self.position)
        self.filter.returnPressed.connect(self._accept)
        self.filter.left.connect(self._leave)
        self.filter.textEdited.connect(self._check)
        self._typed = QTimer(self, singleShot=True, interval=SEARCH_REST_MS)
        self._typed.timeout.connect(self._look_for)
        self.search.textChanged.connect(lambda _: self._typed.start())
        self.search.returnPressed.connect(self._found)
        self.search.left.connect(self._give_up)

    def workspace_changed(self) -> None:
        """Another dataset: another filter."""
        self._leave_text()
        self._typed.stop()
        with QSignalBlocker(self.search):
            self.search.clear()
        self.search.setVisible(self.workspace is not None and bool(self.workspace.finding.searchable))
        self.filter.setEnabled(self.workspace is not None)
        self.link.setVisible(self.workspace is not None)

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.error.setStyleSheet(f"color: {theme.drop.name()};")
        super().set_theme(theme)

    def show_state(self) -> None:
        """Says where we are."""
        if self.workspace is None:
            self.title.setText("rsviewer")
            self.position.clear()
            return
        status = self.workspace.status()
        group = f" / {status.group}" if status.group else ""
        self.title.setText(f"{self.workspace.dataset.title}{group}")
        self.title.setToolTip(plain_tip(shown(self.workspace.dataset.root)))
        queue = f"{status.position:,} of {status.queue:,}"
        linked = self.workspace.session.linked
        self.link.setChecked(linked)
        self.link.setText("Linked" if linked else "Not linked")
        self.position.setText(queue if status.queue == status.total else f"{queue}  ({status.total:,} in all)")
        self.search.setVisible(bool(self.workspace.finding.searchable))
        if not self.filter.hasFocus():
            self._leave_text()
        if not self.search.hasFocus() and not self._typed.isActive():
            with QSignalBlocker(self.search):
                self.search.setText(self.workspace.finding.search)

    def _link(self) -> None:
        if self.workspace is not None:
            self.workspace.viewing.set_linked(linked=self.link.isChecked())

    def _check(self, text: str) -> None:
        if self.workspace is None:
            return
        try:
            self.workspace.finding.check(text, self.workspace.finding.sort)
        except FilterError as error:
            self.error.setText(str(error))
        else:
            self.error.setText("")

    def _accept(self) -> None:
        if self.workspace is None:
            return
        try:
            self.workspace.finding.choose(self.filter.text(), self.workspace.finding.sort)
        except FilterError as error:
            self.error.setText(str(error))
            return
        self.error.setText("")
        self.done.emit()

    def _look_for(self) -> None:
        if self.workspace is not None:
            self.workspace.finding.look_for(self.search.text())

    def _found(self) -> None:
        self._typed.stop()
        self._look_for()
        self.done.emit()

    def _give_up(self) -> None:
        self.search.clear()
        self._found()

    def _leave(self) -> None:
        self._leave_text()
        self.done.emit()

    def _leave_text(self) -> None:
        self.error.setText("")
        with QSignalBlocker(self.filter):
            self.filter.setText("" if self.workspace is None else self.workspace.finding.filter)
