"""The line above the panes: dataset and group, search and filter, and the place in the queue."""

from collections.abc import Iterator, Mapping, Sequence

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from rsviewer.core.completing import Completion, Completions, Kind, completions
from rsviewer.core.errors import FilterError
from rsviewer.core.filters import Column, ColumnType
from rsviewer.data.remote.names import shown
from rsviewer.ui.fields import Elided, tool_button
from rsviewer.ui.filteredit import CompletingEdit, FilterEdit
from rsviewer.ui.filtermenu import FilterMenu
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.news import Changed
from rsviewer.workspace.statistics import CountOf

SEARCH_HINT = "search captions        Ctrl+F"
SEARCH_REST_MS = 150
"""A search begins when so long nothing was typed."""
FILTER_HINT = "filter, e.g.  split = 'train' and not reviewed        /"
COUNT_REST_MS = 200
"""The tiles of what is typed are counted when so long nothing was typed."""
COUNT = "filter bar"
"""Where the count is asked from."""
COUNT_ROOM = "5,000,000 tiles"


class TopBar(Panel):
    """Dataset, search, filter, position.

    A search begins while it is typed: Return keeps it, Escape ends it. A filter begins with Return, and Escape gives the text
    of the filter in force back. While one is typed, what may come next is offered and its tiles are counted.

    Signals:
        done: the filter was set or left; the panes want the focus.
    """

    watches = Changed.TILE | Changed.QUEUE | Changed.VIEW | Changed.STATISTICS
    done = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.title.setProperty("heading", True)
        self.filter = CompletingEdit(self._complete)
        self.filter.setPlaceholderText(FILTER_HINT)
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter")
        self.filters = FilterMenu()
        self.count = QLabel()
        self.count.setProperty("dim", True)
        self.count.hide()
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
        row.addWidget(self.filters)
        row.addWidget(self.count)
        row.addWidget(self.error, 1)
        row.addWidget(self.link)
        row.addWidget(self.position)
        self.filter.returnPressed.connect(self._accept)
        self.filter.left.connect(self._leave)
        self.filter.textEdited.connect(self._check)
        self.filter.textChanged.connect(self._tell_menu)
        self.filters.chosen.connect(self._choose)
        self.filters.failed.connect(self.error.setText)
        self._counted = QTimer(self, singleShot=True, interval=COUNT_REST_MS)
        self._counted.timeout.connect(self._show_count)
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
        self.filters.setEnabled(self.workspace is not None)
        self.filters.workspace = self.workspace
        self.link.setVisible(self.workspace is not None)

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.error.setStyleSheet(f"color: {theme.drop.name()};")
        self.filter.list.trouble.setStyleSheet(f"color: {theme.drop.name()};")
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
        else:
            self.filter.offer_again()
        if not self._counted.isActive():
            self._show_count()
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
            self.filter.say(str(error))
            self._counted.stop()
            self.count.hide()
        else:
            self.error.setText("")
            self.filter.say("")
            self._counted.start()

    def _show_count(self) -> None:
        """How many tiles there would be."""
        workspace, text = self.workspace, self.filter.text()
        is_asked = workspace is not None and self.filter.hasFocus() and not self.error.text()
        if workspace is None or not is_asked or text.strip() in ("", workspace.finding.filter):
            self.count.hide()
            if workspace is not None:
                workspace.statistics.forget(COUNT)
            return
        found = workspace.statistics.ask(COUNT, CountOf(workspace.finding.asking(text)))
        if found is None:
            self.count.setText("counting…")
        elif found.value is None:
            self.count.clear()
        else:
            self.count.setText("1 tile" if found.value == 1 else f"{found.value:,} tiles")
        self.count.setVisible(bool(self.count.text()))

    def _complete(self, text: str, cursor: int) -> Completions:
        """What may come at a place of the filter; of an empty one, also the filters used last."""
        workspace = self.workspace
        if workspace is None:
            return Completions()
        columns = workspace.index.columns()
        offered = completions(text, cursor, columns, _Values(self, columns))
        if text.strip():
            return offered
        recent = [Completion(each, Kind.RECENT, "used lately") for each in workspace.filters.recent]
        return Completions(0, len(text), (*recent, *offered.items))

    def _tell_menu(self, text: str) -> None:
        self.filters.typed = text

    def _choose(self, filter_: str) -> None:
        with QSignalBlocker(self.filter):
            self.filter.setText(filter_)
        self._accept()

    def _accept(self) -> None:
        if self.workspace is None:
            return
        try:
            self.workspace.finding.choose(self.filter.text(), self.workspace.finding.sort)
        except FilterError as error:
            self.error.setText(str(error))
            self.filter.say(str(error))
            return
        self.error.setText("")
        self.filter.say("")
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
        self.filter.say("")
        with QSignalBlocker(self.filter):
            self.filter.setText("" if self.workspace is None else self.workspace.finding.filter)
        self.filter.setCursorPosition(0)  # the beginning tells more than the end, where there is not room for all
        self.filters.typed = self.filter.text()
        self._show_count()


class _Values(Mapping[str, Sequence[str]]):
    """The texts of columns, looked up for those columns only that somebody types a value of."""

    def __init__(self, bar: TopBar, columns: Sequence[Column]) -> None:
        self._bar = bar
        self._names = [column.name for column in columns if column.type in (ColumnType.TEXT, ColumnType.LIST)]

    def __getitem__(self, column: str) -> Sequence[str]:
        workspace = self._bar.workspace
        if workspace is None or column not in self._names:
            raise KeyError(column)
        return workspace.statistics.values_of(column)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
