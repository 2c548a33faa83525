"""The docks around the panes: where they stand, who gets their room, and what is left in full screen."""

from collections.abc import Callable

from PySide6.QtCore import QByteArray, QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

LEFT_WIDTH, RIGHT_WIDTH = 250, 276
RELIEF_WIDTHS = (420, 1200)
"""Least and greatest width that 3D is opened with: half of what the panes have."""
RELIEF_WINDOW = (960, 720)
LEAST_TABS = 2
FAR_AWAY = -10_000
CORNERS = {
    Qt.Corner.BottomLeftCorner: Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.Corner.BottomRightCorner: Qt.DockWidgetArea.RightDockWidgetArea,
}


class Dock(QDockWidget):
    """A part of the window, which still has the commands of the window when it is one of its own.

    Args:
        title: as shown; also its name in a saved layout.
        window: whose part it is.
        release_all: ends what lasts as long as a key is held.
    """

    def __init__(self, title: str, window: QMainWindow, release_all: Callable[[], None]) -> None:
        super().__init__(title, window)
        self.setObjectName(title)
        self._window = window
        self._release_all = release_all

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that nothing in it wanted. Qt carries them no farther than to the next window."""
        if self.isFloating():
            self._window.keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Ends what lasts as long as its key is held."""
        if self.isFloating():
            self._window.keyReleaseEvent(event)
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Without the keyboard, no release of a key will come."""
        if event.type() is QEvent.Type.ActivationChange and self.isFloating() and not self.isActiveWindow():
            self._release_all()
        super().changeEvent(event)


class Docks(QObject):
    """Queue and review at the left, readout and layers at the right; 3D and the profile are opened when they are wanted.

    Args:
        window: around whose middle they stand.
        panes: in the middle, which gets what room is left.
        queue, readout, layers, review, relief, profile, statistics, places, model, suspicions: what is in them.
        release_all: ends what lasts as long as a key is held.

    Signals:
        relief_shown: 3D has come (True) or gone.
        profile_shown: the profile has come (True) or gone.
        statistics_shown: the statistics have come (True) or gone.
        places_shown: the map has come (True) or gone.
    """

    relief_shown = Signal(bool)
    profile_shown = Signal(bool)
    statistics_shown = Signal(bool)
    places_shown = Signal(bool)

    def __init__(
        self,
        window: QMainWindow,
        panes: QWidget,
        *,
        queue: QWidget,
        readout: QWidget,
        layers: QWidget,
        review: QWidget,
        relief: QWidget,
        profile: QWidget,
        statistics: QWidget,
        places: QWidget,
        model: QWidget,
        suspicions: QWidget,
        release_all: Callable[[], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._panes = panes
        self._release_all = release_all
        self._relief_width: int | None = None
        self._is_restoring = False
        self._before_full_screen: QByteArray | None = None
        self._late: list[Dock] = []
        self._follow = QTimer(self, singleShot=True, interval=0)
        self._follow.timeout.connect(self._show_late)
        self._tidy = QTimer(self, singleShot=True, interval=0)
        self._tidy.timeout.connect(self._put_away_tabs)
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        self._queue = self._dock("Queue", queue, left)
        self._readout = self._dock("Readout", readout, right)
        self._layers = self._dock("Layers", layers, right)
        self._review = self._dock("Review", review, left)
        self._relief = self._dock("3D", relief, right)
        self._profile = self._dock("Profile", profile, Qt.DockWidgetArea.BottomDockWidgetArea)
        self._statistics = self._dock("Statistics", statistics, Qt.DockWidgetArea.BottomDockWidgetArea)
        self._places = self._dock("Map", places, Qt.DockWidgetArea.BottomDockWidgetArea)
        self._model = self._dock("Model", model, right)
        self._suspicions = self._dock("Suspicions", suspicions, right)
        self._place()
        self._relief.visibilityChanged.connect(self._relief_shown)
        self._relief.topLevelChanged.connect(self._give_room_to_panes)
        self._profile.visibilityChanged.connect(self.profile_shown)
        self._statistics.visibilityChanged.connect(self.statistics_shown)
        self._places.visibilityChanged.connect(self.places_shown)

    def _dock(self, title: str, panel: QWidget, area: Qt.DockWidgetArea) -> Dock:
        dock = Dock(title, self._window, self._release_all)
        dock.setWidget(panel)
        self._window.addDockWidget(area, dock)
        dock.visibilityChanged.connect(lambda _: self._tidy.start())
        return dock

    def _put_away_tabs(self) -> None:
        """Tabs of docks of which no two are shown: Qt leaves them lying about behind the panes, where their rims can be seen.

        Only out of sight: when Qt wants them it puts them in their place, but does not show those that are hidden.
        """
        shown = {dock.windowTitle() for dock in self._all if not dock.isHidden()}
        for bar in self._window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if sum(bar.tabText(tab) in shown for tab in range(bar.count())) < LEAST_TABS:
                bar.move(FAR_AWAY, FAR_AWAY)

    def _place(self) -> None:
        """3D between panes and readout, the profile below the panes."""
        self._window.setDockNestingEnabled(True)
        for corner, area in CORNERS.items():
            self._window.setCorner(corner, area)
        self._window.splitDockWidget(self._relief, self._readout, Qt.Orientation.Horizontal)
        self._window.splitDockWidget(self._readout, self._layers, Qt.Orientation.Vertical)
        self._relief.hide()
        self._profile.hide()
        for dock in self._below:
            self._place_below(dock)
        for dock in self._behind_layers:
            self._place_behind(dock)

    def _place_behind(self, dock: Dock) -> None:
        """Behind the layers, and out of sight until it is wanted."""
        self._window.tabifyDockWidget(self._layers, dock)
        dock.hide()

    @property
    def _behind_layers(self) -> tuple[Dock, ...]:
        """Those that layouts kept by older versions do not know."""
        return self._model, self._suspicions

    def _place_below(self, dock: Dock) -> None:
        """Behind the profile, and out of sight until it is wanted."""
        self._window.tabifyDockWidget(self._profile, dock)
        dock.hide()

    @property
    def _below(self) -> tuple[Dock, ...]:
        """Those that share the place of the profile, and that layouts kept by older versions do not know."""
        return self._statistics, self._places

    @property
    def _all(self) -> tuple[Dock, ...]:
        always = self._queue, self._readout, self._layers, self._review, self._relief, self._profile
        return *always, *self._below, *self._behind_layers

    @property
    def switches(self) -> list[QAction]:
        """For a menu: one for each dock that has no command of its own."""
        return [dock.toggleViewAction() for dock in (self._queue, self._readout, self._layers, self._review)]

    # --- the layout as a whole

    def measure(self) -> None:
        """Takes the layout, in the window's first size, for the plain one."""
        layout = self._window.layout()
        if layout is not None:
            layout.activate()  # docks that were put behind others and hidden: else these would be as narrow as can be
        self._resize()
        self._plain = self._window.saveState()

    def reset(self) -> None:
        """Puts all docks back."""
        self.restore(self._plain)
        self._resize()

    def restore(self, state: QByteArray) -> None:
        """Puts all docks where they were. Meanwhile they come and go, and some are nowhere.

        Those that are windows of their own come after the window: a desktop would not know whose they are, and put it over
        them.
        """
        self._is_restoring = True
        self._window.restoreState(state)
        for dock in self._behind_layers:
            if dock.objectName().encode("utf-16-be") not in state.data():
                self._place_behind(dock)  # it was kept before there was such a dock
        for dock in self._below:
            if dock.objectName().encode("utf-16-be") not in state.data():
                self._place_below(dock)
        if not self._window.isVisible():
            self._late = [dock for dock in self._all if dock.isFloating() and not dock.isHidden()]
            for dock in self._late:
                dock.hide()
            self._window.installEventFilter(self)
        self._is_restoring = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The window is about to be shown."""
        if watched is self._window and event.type() is QEvent.Type.Show:
            self._window.removeEventFilter(self)
            self._follow.start()
        return super().eventFilter(watched, event)

    def _show_late(self) -> None:
        late, self._late = self._late, []
        for dock in late:
            dock.show()

    def clear(self) -> None:
        """Hides all that stand in the window; those on another screen stay."""
        self._before_full_screen = self._window.saveState()
        for dock in self._all:
            if not dock.isFloating():
                dock.hide()

    @property
    def are_cleared(self) -> bool:
        """True between `clear` and `bring_back`."""
        return self._before_full_screen is not None

    def bring_back(self) -> None:
        """Shows again what `clear` has hidden."""
        if self._before_full_screen is not None:
            self.restore(self._before_full_screen)
            self._before_full_screen = None

    def _resize(self) -> None:
        sizes = self._window.resizeDocks
        sizes([self._queue, self._readout], [LEFT_WIDTH, RIGHT_WIDTH], Qt.Orientation.Horizontal)
        sizes([self._queue, self._review], [400, 400], Qt.Orientation.Vertical)
        sizes([self._readout, self._layers], [230, 570], Qt.Orientation.Vertical)

    # --- one of them

    def show_review(self) -> None:
        """Shows where verdict, tags and note are given."""
        self._review.show()

    @property
    def has_relief(self) -> bool:
        """Whether 3D is open."""
        return self._relief.isVisible()

    @property
    def has_profile(self) -> bool:
        """Whether the profile is open."""
        return self._profile.isVisible()

    @property
    def have_keyboard(self) -> bool:
        """Whether a dock that is a window of its own has the keyboard."""
        return any(dock.isActiveWindow() for dock in (self._relief, self._profile, *self._below))

    def toggle_relief(self) -> bool:
        """Shows 3D, or hides it. Returns whether it is shown now."""
        if self._relief.isVisible():
            self._relief.hide()
            return False
        self._show_relief()
        return True

    def _show_relief(self) -> None:
        """Shows 3D as wide as it was in the window, and the readout as wide as it is."""
        least, greatest = RELIEF_WIDTHS
        wanted = self._relief_width or min(max(self._panes.width() // 2, least), greatest)
        docks, widths = [self._relief], [wanted]
        if self._stands(self._readout):
            docks, widths = [*docks, self._readout], [*widths, self._readout.width()]
        self._relief.show()
        if not self._relief.isFloating():
            self._window.resizeDocks(docks, widths, Qt.Orientation.Horizontal)

    def detach_relief(self) -> None:
        """Shows 3D in a window of its own, or puts it back."""
        dock = self._relief
        floating = dock.isVisible() and dock.isFloating()
        if self._stands(dock):
            self._relief_width = dock.width()
        if floating:
            dock.hide()  # what comes back is squeezed, and the readout with it
            dock.setFloating(False)
            self._show_relief()
        else:
            dock.setFloating(True)
            dock.show()
            room, (width, height) = self._window.screen().availableGeometry(), RELIEF_WINDOW
            left = max(room.left(), min(dock.x(), room.right() - width))
            top = max(room.top(), min(dock.y(), room.bottom() - height))
            dock.setGeometry(left, top, min(width, room.width()), min(height, room.height()))

    @property
    def has_model(self) -> bool:
        """Whether the model panel is open."""
        return self._model.isVisible()

    def toggle_model(self) -> None:
        """Shows the model panel, or hides it."""
        if self._model.isVisible():
            self._model.hide()
        else:
            self.show_model()

    def show_model(self) -> None:
        """Shows the model panel, in front of what it shares its place with."""
        self._model.show()
        self._model.raise_()

    @property
    def has_suspicions(self) -> bool:
        """Whether the panel of the checks is open."""
        return self._suspicions.isVisible()

    def toggle_suspicions(self) -> None:
        """Shows the panel of the checks, or hides it."""
        if self._suspicions.isVisible():
            self._suspicions.hide()
        else:
            self.show_suspicions()

    def show_suspicions(self) -> None:
        """Shows the panel of the checks, in front of what it shares its place with."""
        self._suspicions.show()
        self._suspicions.raise_()

    @property
    def has_statistics(self) -> bool:
        """Whether the statistics are open."""
        return self._statistics.isVisible()

    def toggle_statistics(self) -> None:
        """Shows the statistics, in front of what they share their place with, or hides them."""
        self._toggle(self._statistics)

    @property
    def has_places(self) -> bool:
        """Whether the map is open."""
        return self._places.isVisible()

    def toggle_places(self) -> None:
        """Shows the map, in front of what it shares its place with, or hides it."""
        self._toggle(self._places)

    @staticmethod
    def _toggle(dock: Dock) -> None:
        dock.setVisible(not dock.isVisible())
        if dock.isVisible():
            dock.raise_()

    def show_profile(self) -> None:
        """Shows the profile."""
        self._profile.show()

    def toggle_profile(self) -> None:
        """Shows the profile, or hides it."""
        self._profile.setVisible(not self._profile.isVisible())

    def _relief_shown(self, on: bool) -> None:
        self.relief_shown.emit(on)
        if not on and not self._is_restoring and not self._relief.isFloating():
            self._relief_width = self._relief.width()  # else Qt would squeeze it into the room of the docks beside it
        self._give_room_to_panes(gone=not on)

    def _give_room_to_panes(self, gone: bool) -> None:
        """The room of a dock that has gone is the panes': Qt would give it to the docks beside it."""
        if gone and not self._is_restoring and self._stands(self._readout):
            self._window.resizeDocks([self._readout], [self._readout.width()], Qt.Orientation.Horizontal)

    @staticmethod
    def _stands(dock: QDockWidget) -> bool:
        return dock.isVisible() and not dock.isFloating()
