"""Small drawings for the controls of the 3D view, in the stroke weight of all others."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QIcon, QPainter, QPolygonF

from rsviewer.ui.glyphs import drawn, line
from rsviewer.ui.theme import Theme

TOP = ((8, 1.5), (14, 4.75), (8, 8), (2, 4.75))
FRONT = ((2, 4.75), (8, 8), (8, 14.5), (2, 11.25))
SIDE = ((8, 8), (14, 4.75), (14, 11.25), (8, 14.5))
FADED = 130
"""How much of the colour a drawing keeps where it cannot be clicked."""


def icon(name: str, theme: Theme) -> QIcon:
    """The drawing of one control, also on the accent colour of a button that is on."""
    faded = QColor(theme.dim)
    faded.setAlpha(FADED)
    drawing = QIcon()
    for mode, state, color in (
        (QIcon.Mode.Normal, QIcon.State.Off, theme.text),
        (QIcon.Mode.Normal, QIcon.State.On, theme.on_accent),
        (QIcon.Mode.Disabled, QIcon.State.Off, faded),
        (QIcon.Mode.Disabled, QIcon.State.On, faded),
    ):
        drawing.addPixmap(drawn(_DRAWINGS[name], color), mode, state)
    return drawing


def _cube(*filled: tuple[tuple[float, float], ...]) -> Callable[[QPainter], None]:
    """A cube with the face that is looked at filled."""

    def draw(painter: QPainter) -> None:
        for face in (TOP, FRONT, SIDE):
            painter.setBrush(painter.pen().color() if face in filled else QColor(0, 0, 0, 0))
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in face]))

    return draw


def _surface(painter: QPainter) -> None:
    """A field of four meshes, lying on the ground."""
    line(painter, (8, 3), (15, 8), (8, 13), (1, 8), (8, 3))
    line(painter, (4.5, 5.5), (11.5, 10.5))
    line(painter, (11.5, 5.5), (4.5, 10.5))


def _points(painter: QPainter) -> None:
    """The corners of the meshes."""
    painter.setBrush(painter.pen().color())
    for x, y in ((8, 3), (4.5, 5.5), (11.5, 5.5), (1.5, 8), (8, 8), (14.5, 8), (4.5, 10.5), (11.5, 10.5), (8, 13)):
        painter.drawEllipse(QPointF(x, y), 0.7, 0.7)


def _fly(painter: QPainter) -> None:
    """A paper plane."""
    line(painter, (14, 2), (1.5, 7.5), (6.5, 9.5), (8.5, 14.5), (14, 2), (6.5, 9.5))


def _parallel(painter: QPainter) -> None:
    """A box whose edges run side by side."""
    painter.drawRect(QRectF(1.5, 6, 8.5, 8.5))
    line(painter, (1.5, 6), (6, 1.5), (14.5, 1.5), (14.5, 10), (10, 14.5))
    line(painter, (10, 6), (14.5, 1.5))


def _grid(painter: QPainter) -> None:
    """Two axes with marks."""
    line(painter, (3.5, 1.5), (3.5, 12.5), (14.5, 12.5))
    for place in (3.5, 7.5):
        line(painter, (1.5, place), (3.5, place))
        line(painter, (18 - place - 3, 12.5), (18 - place - 3, 14.5))


def _save(painter: QPainter) -> None:
    """Down into a tray."""
    line(painter, (8, 1.5), (8, 10))
    line(painter, (4.5, 6.5), (8, 10), (11.5, 6.5))
    line(painter, (2, 10.5), (2, 14), (14, 14), (14, 10.5))


def _controls(painter: QPainter) -> None:
    """Three sliders."""
    for y, knob in ((3.5, 10.5), (8, 5), (12.5, 9)):
        line(painter, (1.5, y), (knob - 1.8, y))
        line(painter, (knob + 1.8, y), (14.5, y))
        painter.drawEllipse(QPointF(knob, y), 1.8, 1.8)


_DRAWINGS: Mapping[str, Callable[[QPainter], None]] = {
    "surface": _surface,
    "points": _points,
    "top": _cube(TOP),
    "front": _cube(FRONT),
    "side": _cube(SIDE),
    "reset": _cube(),
    "fly": _fly,
    "parallel": _parallel,
    "grid": _grid,
    "save": _save,
    "controls": _controls,
}
