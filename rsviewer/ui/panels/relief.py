"""The 3D view with its controls: which height, coloured by what, seen from where."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QStyle,
    QStyleOptionSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Form, ReliefStyle, Together
from rsviewer.core.tile import LayerId
from rsviewer.ui.dialogs.saverelief import SaveAnimationDialog, SavePictureDialog
from rsviewer.ui.fields import Choice, Elided, Flow, Number, Slider, beside, quiet, tool_button
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.relief.icons import icon
from rsviewer.ui.relief.rendering import Rendering
from rsviewer.ui.relief.steering import SPEED, flying_letters
from rsviewer.ui.relief.view import Opens, ReliefView
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.background import Post
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

LABEL, ROW = 15 * UNIT, 7 * UNIT
COLUMN = 46 * UNIT
"""No column of controls is narrower."""
LOWEST, HIGHEST = 0.1, 20.0
"""Of the slider for exaggeration, whose steps are hundredths of a power of ten."""
STEPS = 100
CATCH = 3
"""Steps around 1x from which the slider is drawn to it."""
TOGETHER = ((Together.ALONE, "only one"), (Together.BESIDE, "beside"), (Together.ONE_SCENE, "in one scene"))
VIEWS = (
    ("top", "From the top, as in the panes"),
    ("front", "From the lower edge of the tile"),
    ("side", "From the right edge of the tile"),
    ("reset", "The whole tile, seen from a corner"),
)
SAVES = (
    ("relief.picture", "Picture…"),
    ("relief.animation", "Animation…"),
    ("relief.save", "Points or mesh…"),
)
ONE_HEIGHT = "This tile has one height layer"
NO_HEIGHT = "This tile has no height layer"
TURNTABLE_HINT = "drag: turn · right or Shift: move · wheel: zoom · double click: centre · arrows: turn"
FLY_HINT = "{0}{1}{2}{3}: fly · {4} {5}: down, up · Shift: faster · drag: look · wheel: speed ×{6:.2g}"
FOCUS_HINT = "Click into the picture: then {0}{1}{2}{3} flies"


class ReliefPanel(Panel):
    """The heights of the current tile in space. Nothing of it is made before it is first shown.

    Args:
        tables: name of a colour table -> (256, 3).
        post: calls a function on the GUI thread; may be called from any.
        opens: makes who draws.
        threads: 1, or 0 for tests.

    Signals:
        done: the keyboard goes back to the panes.
        drawn: a picture of the current tile is on the screen.
        asked: a command was chosen; carries its id.
    """

    watches = Changed.RELIEF | Changed.TILE | Changed.VIEW | Changed.PICTURE
    done = Signal()
    drawn = Signal()
    asked = Signal(str)

    def __init__(
        self,
        tables: Callable[[str], NDArray[np.uint8]],
        post: Post,
        parent: QWidget | None = None,
        *,
        opens: Opens = Rendering,
        threads: int = 1,
    ) -> None:
        super().__init__(parent)
        self._post = post
        self._opens = opens
        self._threads = threads
        self._is_shown = False
        self._ended = False
        self._pointed: tuple[int, int] | None = None
        self._letters = flying_letters({})
        self.view = ReliefView(tables)
        self.bar = _Bar()
        self.controls = _Controls(self._set_style)
        self.hint = Elided()
        self.hint.setProperty("dim", True)
        self._build()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part in (self.bar, self.controls):
            column.addWidget(part)
        column.addWidget(self.view, 1)
        line = QHBoxLayout()
        line.setContentsMargins(2 * UNIT, 0, 2 * UNIT, 0)
        line.addWidget(self.hint)
        column.addLayout(line)
        self.hint.setFixedHeight(6 * UNIT)
        self.setFocusProxy(self.view)
        bar = self.bar
        bar.forms.idToggled.connect(self._choose_form)
        for place, button in bar.views.items():
            button.clicked.connect(lambda _=False, place=place: self.look_from(place))
        bar.fly.clicked.connect(lambda on: self._fly(on=on))
        bar.parallel.clicked.connect(lambda on: self.view.set_parallel(on=on))
        bar.grid.clicked.connect(lambda on: self._set_style(lambda style: replace(style, grid=on)))
        bar.more.toggled.connect(self.controls.setVisible)
        for id_, action in bar.saves.items():
            action.triggered.connect(lambda _=False, id_=id_: self.asked.emit(id_))
        self.controls.done.connect(self.done)
        self.view.done.connect(self.done)
        self.view.drawn.connect(self.drawn)
        self.view.steered.connect(self._show_camera)
        self.view.pointed.connect(self._point)
        self.view.left.connect(self._leave)

    def sizeHint(self) -> QSize:
        """As a dock."""
        return QSize(560, 640)

    # --- from the window

    def set_shown(self, *, on: bool) -> None:
        """The dock was opened or closed."""
        self._is_shown = on
        if self.workspace is not None:
            self.workspace.reliefs.set_open(on=on)
            if on:
                self._begin()
                self.show_state()

    def set_keys(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Command -> keys: one flies with the letters that step through tiles."""
        self._letters = flying_letters(keys)
        self.view.set_letters(self._letters)
        self._show_camera()

    def set_points(self, points: int) -> None:
        """So many points of a height are drawn while the camera moves."""
        self.view.points = points

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.view.set_theme(theme)
        self.bar.set_theme(theme)
        super().set_theme(theme)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Follows another workspace, or none: then nothing is drawn any more, and no thread is left."""
        if self.workspace is not None:
            self.workspace.reliefs.set_open(on=False)
        self.view.stop()
        self._pointed = None
        if workspace is not None and self._is_shown:
            workspace.reliefs.set_open(on=True)
        super().set_workspace(workspace)
        if self._is_shown:
            self._begin()

    def end(self) -> None:
        """Ends the renderer. The panel draws no more."""
        self._ended = True
        self.view.stop()

    def _begin(self) -> None:
        if not self._ended and self.workspace is not None:
            self.view.start(self._opens, self._post, threads=self._threads)

    # --- what others ask

    @property
    def is_drawn(self) -> bool:
        """True where the current tile is on the screen in its current style, or the reason why it cannot be."""
        workspace = self.workspace
        if workspace is None or workspace.entry is None:
            return True
        relief = workspace.reliefs.relief
        self._show_relief()
        return relief is not None and self.view.is_drawn

    @property
    def rendering(self) -> Rendering | None:
        """Who draws; None before the panel is first shown."""
        return self.view.rendering

    @property
    def drawing(self) -> Drawing | None:
        """The picture as it is to be seen now, with all points; None where there is nothing to be seen."""
        return self.view.drawing()

    @property
    def flying(self) -> bool:
        """Whether WASD flies."""
        return self.view.is_flying

    def toggle_flying(self) -> None:
        """Changes between turntable and fly camera."""
        self._fly(on=not self.flying)

    def look_from(self, place: str) -> None:
        """Moves the camera: "top", "front", "side" or "reset"."""
        self.view.look_from(place)

    def save_picture(self) -> None:
        """Asks for a size and a file, and saves the view as a picture."""
        self._ask(SavePictureDialog)

    def save_animation(self) -> None:
        """Asks for a file, and saves a turn round the tile."""
        self._ask(SaveAnimationDialog)

    def _ask(self, dialog: type[SavePictureDialog] | type[SaveAnimationDialog]) -> None:
        workspace, rendering, drawing = self.workspace, self.rendering, self.drawing
        if workspace is not None and rendering is not None and drawing is not None:
            dialog(workspace, rendering, drawing, self.window()).show()
        elif workspace is not None:
            workspace.say("3D has nothing to save yet.")

    # --- showing

    def show_state(self) -> None:
        """Shows the current tile in space, and the controls as they are."""
        workspace = self.workspace
        self.bar.setEnabled(workspace is not None)
        self.controls.setEnabled(workspace is not None)
        self._show_camera()
        if workspace is None or not self._is_shown:
            return
        self._show_relief()
        self.bar.show_style(workspace.reliefs.style)
        self.controls.show_style(workspace)

    def _changed(self, changed: Changed) -> None:
        """The picture follows at once, the controls a moment later."""
        if self._is_shown and changed & self.watches:
            if changed & ~Changed.VIEW:
                self._show_relief()
            if self.workspace is not None:
                self.view.show_cursor(self.workspace.viewing.cursor)
        super()._changed(changed)

    def _show_relief(self) -> None:
        workspace = self.workspace
        if workspace is None or not self._is_shown:
            return
        reliefs = workspace.reliefs
        self.view.show_relief(reliefs.relief, reliefs.style, "" if workspace.tile is None else str(workspace.tile))
        self.view.show_cursor(workspace.viewing.cursor)

    def _show_camera(self) -> None:
        view = self.view
        self.bar.show_camera(flying=view.is_flying, parallel=view.camera.orthographic)
        if not view.is_flying:
            self.hint.setText(TURNTABLE_HINT)
        else:
            hint = FLY_HINT if view.hasFocus() else FOCUS_HINT
            self.hint.setText(hint.format(*self._letters.values(), view.speed / SPEED))

    # --- what the user asks for

    def _fly(self, *, on: bool) -> None:
        self.view.set_flying(on=on)
        if on:
            self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def _choose_form(self, place: int, on: bool) -> None:
        if on:
            form = list(Form)[place]
            self._set_style(lambda style: replace(style, form=form))

    def _set_style(self, changed: Callable[[ReliefStyle], ReliefStyle]) -> None:
        if self.workspace is not None:
            reliefs = self.workspace.reliefs
            reliefs.set_style(changed(reliefs.style))

    def _point(self, pixel: tuple[int, int] | None) -> None:
        if self.workspace is None:
            return
        if pixel is None:
            self._leave()
        else:
            self.workspace.viewing.set_cursor(pixel)
            self._pointed = self.workspace.viewing.cursor

    def _leave(self) -> None:
        """The cross goes where 3D has put it, and nobody has moved it since."""
        pointed, self._pointed = self._pointed, None
        if self.workspace is not None and pointed is not None and self.workspace.viewing.cursor == pointed:
            self.workspace.viewing.set_cursor(None)


class _Bar(QWidget):
    """Buttons: form, views, camera, grid, saving, and more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons: dict[QToolButton, str] = {}
        self.forms = QButtonGroup(self)
        surface = self._button("surface", "Surface", checkable=True)
        points = self._button("points", "Points", checkable=True)
        self.forms.addButton(surface, list(Form).index(Form.SURFACE))
        self.forms.addButton(points, list(Form).index(Form.POINTS))
        self.views = {place: self._button(place, tip) for place, tip in VIEWS}
        self.fly = self._button("fly", "Fly, or turn the tile", checkable=True)
        self.parallel = self._button("parallel", "Parallel lines stay parallel, or perspective", checkable=True)
        self.grid = self._button("grid", "Axes with a grid", checkable=True)
        self.save = self._button("save", "Save picture, animation, points or mesh")
        menu = QMenu(self.save)
        self.saves = {id_: menu.addAction(title) for id_, title in SAVES}
        self.save.setMenu(menu)
        self.save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.save.setStyleSheet("QToolButton { padding: 0 } QToolButton::menu-indicator { image: none }")
        self.more = self._button("controls", "Heights, colours, exaggeration and light", checkable=True)
        self.more.setChecked(True)
        groups = ((surface, points), tuple(self.views.values()), (self.fly, self.parallel, self.grid), (self.save,))
        flow = Flow(2 * UNIT)
        for group in groups:
            flow.addWidget(beside(*group))
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * UNIT, UNIT, 2 * UNIT, UNIT)
        line.setSpacing(2 * UNIT)
        line.addLayout(flow, 1)
        line.addWidget(self.more, 0, Qt.AlignmentFlag.AlignTop)

    def set_theme(self, theme: Theme) -> None:
        """Draws the icons in other colours."""
        for button, name in self._icons.items():
            button.setIcon(icon(name, theme))

    def show_style(self, style: ReliefStyle) -> None:
        """Presses what is on."""
        with quiet(self.forms, self.grid):
            self.forms.button(list(Form).index(style.form)).setChecked(True)
            self.grid.setChecked(style.grid)

    def show_camera(self, *, flying: bool, parallel: bool) -> None:
        """Presses what is on."""
        self.fly.setChecked(flying)
        self.parallel.setChecked(parallel)
        self.parallel.setEnabled(not flying)

    def _button(self, name: str, tip: str, *, checkable: bool = False) -> QToolButton:
        button = tool_button("", tip)
        button.setFixedWidth(ROW)
        button.setStyleSheet("padding: 0")
        button.setCheckable(checkable)
        self._icons[button] = name
        return button


class _Controls(QWidget):
    """Heights, colours, exaggeration and light, in as many columns as there is room for.

    Args:
        change: changes the style by a function of it.

    Signals:
        done: the typing has ended.
    """

    done = Signal()

    def __init__(
        self, change: Callable[[Callable[[ReliefStyle], ReliefStyle]], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._change = change
        self.height_choice = Choice()
        self.other = Choice()
        self.together = Choice()
        for value, title in TOGETHER:
            self.together.addItem(title, value)
        self.color = Choice()
        self.exaggeration = ExaggerationSlider()
        self.factor = Number(0.01, 100, 0.1, 2, prefix="× ")
        self.factor.setToolTip("Heights are multiplied by this; × 1 is true")
        self.factor.setFixedWidth(self.factor.fontMetrics().horizontalAdvance("× 100.00") + 6 * UNIT)
        self.true = tool_button("1×", "True proportions")
        self.true.setFixedWidth(ROW)
        self.true.setStyleSheet("padding: 0")
        self.azimuth = Number(0, 360, 15, 0, "°")
        self.azimuth.setWrapping(True)
        self.azimuth.setToolTip("Where the light comes from, degrees clockwise from up")
        self.altitude = Number(0, 90, 5, 0, "° high")
        self.altitude.setToolTip("How high the light stands above the horizon")
        self.shading = Slider()
        self.shading.setToolTip("How dark what is turned away from the light becomes")
        self.percent = QLabel()
        self.percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.percent.setMinimumWidth(self.percent.fontMetrics().horizontalAdvance("100 %"))
        self.point_size = Number(1, 32, 1, 1, " px")
        self.point_size.setToolTip("Side of a point on the screen")
        self._point_cell = _labelled("Points", self.point_size)
        self._cells = (
            (_labelled("Height", self.height_choice), 1),
            (_labelled("Second", self.other), 1),
            (_labelled("Shown", self.together), 1),
            (_labelled("Colours", self.color), 1),
            (_labelled("Vertical", beside(self.exaggeration, self.factor, self.true)), 2),
            (_labelled("Light", beside(self.azimuth, self.altitude)), 1),
            (_labelled("Shading", beside(self.shading, self.percent)), 1),
            (self._point_cell, 1),
        )
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2 * UNIT, 0, 2 * UNIT, UNIT)
        self._grid.setHorizontalSpacing(3 * UNIT)
        self._grid.setVerticalSpacing(UNIT)
        self._columns = 0
        self._arrange(2)
        self._connect()

    def _connect(self) -> None:
        self._chosen(self.height_choice, lambda style, value: replace(style, height=LayerId(value)))
        self._chosen(self.other, lambda style, value: replace(style, other=LayerId(value)))
        self._chosen(self.together, lambda style, value: replace(style, together=Together(value)))
        self._chosen(self.color, lambda style, value: replace(style, color=value))
        self.exaggeration.valueChanged.connect(
            lambda _: self._change(lambda style: replace(style, exaggeration=self.exaggeration.factor))
        )
        self.true.clicked.connect(lambda: self._change(lambda style: replace(style, exaggeration=1.0)))
        self._typed(self.factor, lambda style, value: replace(style, exaggeration=value))
        self._typed(self.azimuth, lambda style, value: replace(style, azimuth=value))
        self._typed(self.altitude, lambda style, value: replace(style, altitude=value))
        self._typed(self.point_size, lambda style, value: replace(style, point_size=value))
        self.shading.valueChanged.connect(lambda value: self._change(lambda style: replace(style, shading=value / 100)))

    def _chosen(self, choice: Choice, changed: Callable[[ReliefStyle, str], ReliefStyle]) -> None:
        choice.activated.connect(lambda _: self._change(lambda style: changed(style, choice.currentData())))

    def _typed(self, field: Number, changed: Callable[[ReliefStyle, float], ReliefStyle]) -> None:
        field.valueChanged.connect(lambda value: self._change(lambda style: changed(style, value)))
        field.done.connect(self.done)

    def show_style(self, workspace: Workspace) -> None:
        """Fills the fields; those that mean nothing on this tile cannot be used, and say why."""
        reliefs = workspace.reliefs
        style, height, other = reliefs.style, reliefs.height, reliefs.other
        heights = [(spec.title, str(spec.id)) for spec in reliefs.heights]
        titles = dict(reliefs.colors)
        chosen = style.color if style.color in titles else ""
        automatic = "auto" if chosen or not reliefs.color else f"auto: {titles[reliefs.color]}"
        colors = [(automatic, ""), *((title, value) for value, title in reliefs.colors)]
        _fill(self.height_choice, heights, None if height is None else height.id)
        _fill(
            self.other,
            [one for one in heights if height is None or one[1] != height.id],
            None if other is None else other.id,
        )
        _fill(self.color, colors, chosen)
        with quiet(
            self.together, self.exaggeration, self.factor, self.azimuth, self.altitude, self.shading, self.point_size
        ):
            self.together.setCurrentIndex(self.together.findData(style.together))
            self.exaggeration.factor = style.exaggeration
            self.factor.setValue(style.exaggeration)
            self.azimuth.setValue(style.azimuth)
            self.altitude.setValue(style.altitude)
            self.shading.setValue(round(100 * style.shading))
            self.percent.setText(f"{100 * style.shading:.0f} %")
            self.point_size.setValue(style.point_size)
        why = NO_HEIGHT if not heights else ONE_HEIGHT
        _allow(self.height_choice, len(heights) > 1, "Which heights are shown", why)
        _allow(self.other, len(heights) > 1, "Which heights they are compared with", why)
        _allow(self.together, len(heights) > 1, "How the second heights are shown", why)
        _allow(self.color, bool(heights), "What colours the heights", why)
        as_points = style.form is Form.POINTS or (style.together is Together.ONE_SCENE and len(heights) > 1)
        self._point_cell.setVisible(as_points)

    # --- layout

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another number of columns."""
        super().resizeEvent(event)
        room = self.width() - 4 * UNIT + 3 * UNIT
        self._arrange(min(4, max(1, room // (COLUMN + 3 * UNIT))))

    def minimumSizeHint(self) -> QSize:
        """One column."""
        return QSize(COLUMN, super().minimumSizeHint().height())

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        for column in range(max(self._columns, columns)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self._columns = columns
        row, column = 0, 0
        for cell, wide in self._cells:
            span = min(wide, columns)
            if column + span > columns:
                row, column = row + 1, 0
            self._grid.addWidget(cell, row, column, 1, span)
            column += span
        self.updateGeometry()


class ExaggerationSlider(Slider):
    """0.1 to 20 by equal factors, with a mark at 1x that it is drawn to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(round(STEPS * math.log10(LOWEST)), round(STEPS * math.log10(HIGHEST)))
        self.setToolTip("Vertical exaggeration; the mark is 1×, true proportions")

    @property
    def factor(self) -> float:
        """What heights are multiplied by."""
        step = self.value()
        return 1.0 if abs(step) <= CATCH else float(f"{10 ** (step / STEPS):.3g}")

    @factor.setter
    def factor(self, factor: float) -> None:
        self.setValue(round(STEPS * math.log10(factor)))

    def paintEvent(self, event: QPaintEvent) -> None:
        """A mark at 1x below the groove."""
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        style = self.style()
        groove = style.subControlRect(QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderGroove, self)
        handle = style.subControlRect(QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self)
        room = QRect(groove.left() + handle.width() // 2, 0, groove.width() - handle.width(), self.height())
        x = room.left() + QStyle.sliderPositionFromValue(self.minimum(), self.maximum(), 0, room.width())
        painter = QPainter(self)
        try:
            painter.setPen(QPen(self.palette().placeholderText().color(), 1))
            painter.drawLine(x, 2, x, self.height() - 3)
        finally:
            painter.end()
        super().paintEvent(event)


def _allow(field: QWidget, allowed: bool, tip: str, why: str) -> None:
    field.setEnabled(allowed)
    field.setToolTip(tip if allowed else why)


def _fill(choice: Choice, items: list[tuple[str, str]], current: str | None) -> None:
    """Shows titles with their values, where they are not shown already."""
    with quiet(choice):
        if [(choice.itemText(place), choice.itemData(place)) for place in range(choice.count())] != items:
            choice.clear()
            for title, value in items:
                choice.addItem(title, value)
        choice.setCurrentIndex(choice.findData(current))


def _labelled(title: str, field: QWidget) -> QWidget:
    label = QLabel(title)
    label.setProperty("dim", True)
    label.setFixedWidth(LABEL)
    row = beside(label, field)
    row.setFixedHeight(ROW)
    return row
