"""The button beside the filter: ready-made, saved and recent filters."""

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QInputDialog, QMenu, QToolButton, QWidget

from rsviewer.core.errors import FilterError
from rsviewer.core.tile import printable
from rsviewer.ui.fields import focus_by_tab
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.workspace import Workspace

LONGEST = 60
"""Characters of a filter in a menu."""


class FilterMenu(QToolButton):
    """Chooses, saves, renames and deletes filters.

    Signals:
        chosen: a filter is to be the one of the queue.
        failed: something could not be done; carries the sentence.
    """

    chosen = Signal(str)
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace: Workspace | None = None
        self.typed = ""
        """What stands in the line now."""
        self.setText("Filters")
        self.setToolTip("Ready-made, saved and recent filters; save the one that is typed")
        self.setAccessibleName("Filters")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFixedHeight(7 * UNIT)
        focus_by_tab(self)
        menu = QMenu(self)
        menu.aboutToShow.connect(self.fill)
        self.setMenu(menu)

    def fill(self) -> None:
        """Makes the menu anew."""
        menu, workspace = self.menu(), self.workspace
        menu.clear()
        if workspace is None:
            return
        shelf = workspace.filters
        menu.addAction("All tiles").triggered.connect(lambda: self.chosen.emit(""))
        menu.addSeparator()
        for title, filter_ in shelf.ready:
            self._add(menu, title, filter_)
        menu.addSeparator()
        for name, filter_ in shelf.saved.items():
            self._add(menu, name, filter_)
        save = menu.addAction("Save this filter…")
        save.setEnabled(bool(self.typed.strip()))
        save.triggered.connect(self._ask_name)
        if shelf.saved:
            change = menu.addMenu("Rename or delete")
            for name in shelf.saved:
                own = change.addMenu(_plain(name))
                own.addAction("Rename…").triggered.connect(partial(self._ask_other_name, name))
                own.addAction("Delete").triggered.connect(partial(shelf.delete, name))
        if shelf.recent:
            menu.addSeparator()
            recent = menu.addMenu("Recent")
            for filter_ in shelf.recent:
                self._add(recent, filter_, filter_)
            recent.addSeparator()
            recent.addAction("Forget these").triggered.connect(shelf.forget_recent)

    def _add(self, menu: QMenu, title: str, filter_: str) -> None:
        shown = _plain(title) if title == filter_ else f"{_plain(title)}\t{_plain(filter_)}"
        menu.addAction(shown).triggered.connect(lambda: self.chosen.emit(filter_))

    def _ask_name(self) -> None:
        filter_ = self.typed
        self._ask("Save this filter", "", lambda name: self._save(name, filter_))

    def _ask_other_name(self, name: str) -> None:
        self._ask("Rename the filter", name, partial(self._rename, name))

    def _ask(self, title: str, text: str, then: object) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle(title)
        dialog.setLabelText("Name")
        dialog.setTextValue(text)
        dialog.textValueSelected.connect(then)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _save(self, name: str, filter_: str) -> None:
        if self.workspace is not None:
            try:
                self.workspace.filters.save(name, filter_)
            except FilterError as error:
                self.failed.emit(str(error))
            else:
                self.workspace.say(f"The filter is kept as {name.strip()}: it is in the menu beside the filter.")

    def _rename(self, name: str, other: str) -> None:
        if self.workspace is not None:
            try:
                self.workspace.filters.rename(name, other)
            except FilterError as error:
                self.failed.emit(str(error))


def _plain(text: str) -> str:
    """A stranger's text as the title of an action: no shortcuts, no columns, no more than there is room for."""
    shown = printable(text)
    shown = shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
    return shown.replace("\t", " ").replace("&", "&&")
