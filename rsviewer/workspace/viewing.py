"""How the panes are looked through: zoom, cross, focus, and what compares one pane with another."""

from collections.abc import Callable, Sequence

from rsviewer.core.scene import Frame, View
from rsviewer.core.tile import LayerId, LayerSpec
from rsviewer.workspace.news import Changed
from rsviewer.workspace.session import SessionKeeper


class Viewing:
    """The same for every tile.

    Args:
        keeper: holds most of it.
        frame: the pixel grid of the current tile, if there is one.
        visible: the layers of the current tile that have a pane.
        has_two_dates: the dataset has images before and after.
        notify: tells what changed.
        say: puts a sentence into the status bar.
    """

    def __init__(
        self,
        keeper: SessionKeeper,
        frame: Callable[[], Frame | None],
        visible: Callable[[], Sequence[LayerSpec]],
        *,
        has_two_dates: bool,
        notify: Callable[[Changed], None],
        say: Callable[[str], None],
    ) -> None:
        self._keeper = keeper
        self._frame = frame
        self._visible = visible
        self._has_two_dates = has_two_dates
        self._notify = notify
        self._say = say
        self.cursor: tuple[int, int] | None = None
        """(column, row) of the tile pixel under the cross; None where there is none. Change it with `set_cursor`."""
        self.blink = False
        """While B is held. Change it with `set_blink`."""

    # --- zoom

    @property
    def view(self) -> View:
        """Which part of the tile every pane shows; kept when stepping."""
        return self._keeper.now.view

    def set_view(self, view: View) -> None:
        """Zooms or pans all panes."""
        if view != self._keeper.now.view:
            self._keeper.change(view=view)
            self._notify(Changed.VIEW)

    def fit(self) -> None:
        """Shows the whole tile in every pane."""
        self.set_view(View())

    def set_linked(self, *, linked: bool) -> None:
        """Whether panes share zoom, pan and cursor."""
        self._keeper.change(linked=linked)
        self._notify(Changed.VIEW)

    # --- cross

    def set_cursor(self, cursor: tuple[int, int] | None) -> None:
        """Puts the cross on a pixel of the tile; outside of it there is none."""
        frame = self._frame()
        if cursor is not None and frame is not None:
            inside = 0 <= cursor[0] < frame.width and 0 <= cursor[1] < frame.height
            cursor = cursor if inside else None
        if cursor != self.cursor:
            self.cursor = cursor
            self._notify(Changed.VIEW)

    def move_cursor(self, columns: int, rows: int) -> None:
        """Moves the cross by pixels, staying on the tile; starts in the middle where there was none."""
        frame = self._frame()
        if frame is None:
            return
        column, row = self.cursor or (frame.width // 2 - columns, frame.height // 2 - rows)
        self.set_cursor((min(max(column + columns, 0), frame.width - 1), min(max(row + rows, 0), frame.height - 1)))

    # --- focus

    @property
    def active(self) -> LayerSpec | None:
        """The layer that has the focus: colour table, lock and bands act on it."""
        visible = self._visible()
        return next((spec for spec in visible if spec.id == self._keeper.now.active), visible[0] if visible else None)

    def activate(self, layer: LayerId) -> None:
        """Gives a layer's pane the focus."""
        if layer != self._keeper.now.active:
            self._keeper.change(active=layer)
            self._notify(Changed.VIEW)

    def next_pane(self, step: int = 1) -> None:
        """Gives the focus to the next pane."""
        visible, active = self._visible(), self.active
        if active is not None:
            place = [spec.id for spec in visible].index(active.id)
            self.activate(visible[(place + step) % len(visible)].id)

    def toggle_maximised(self) -> None:
        """Shows only the active pane, or all again."""
        active = self.active
        self._keeper.change(maximised=not self._keeper.now.maximised, active=None if active is None else active.id)
        self._notify(Changed.VIEW)

    # --- one pane against another

    def set_blink(self, *, on: bool) -> None:
        """While B is held: the other date or the image in place of each layer."""
        if on != self.blink:
            self.blink = on
            self._notify(Changed.VIEW | Changed.PICTURE)

    def toggle_swipe(self) -> None:
        """The image before and after in one pane, with a divider to drag."""
        if not self._has_two_dates:
            self._say("Swipe needs an image before and one after: this dataset has one date.")
            return
        self._keeper.change(swipe=0.5 if self._keeper.now.swipe is None else None)
        self._notify(Changed.VIEW | Changed.PICTURE)

    def set_swipe(self, share: float) -> None:
        """Moves the divider: 0 left edge .. 1 right edge of the pane."""
        if self._keeper.now.swipe is not None:
            self._keeper.change(swipe=min(max(share, 0.0), 1.0))
            self._notify(Changed.VIEW)
