"""Plots and maps as files: pictures, drawings, or their numbers."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from rsviewer.core.errors import SaveError
from rsviewer.core.statistics import Rows
from rsviewer.data.rowsfile import save_rows
from rsviewer.data.saving import saving
from rsviewer.ui.fields import tool_button

KINDS = {
    "png": ("Picture (PNG)…", "Picture (*.png)"),
    "svg": ("Drawing (SVG)…", "Drawing (*.svg)"),
    "csv": ("Numbers (CSV)…", "Table (*.csv)"),
}
"""Ending -> what the menu calls it, and what the dialog does."""
SCALE = 2
"""How much finer than the screen a PNG is."""


def save_button(tip: str, save: Callable[[str], object]) -> QToolButton:
    """A button with a menu of KINDS; `save` is called with one of them."""
    button = tool_button("Save", tip)
    menu = QMenu(button)
    for kind, (title, _) in KINDS.items():
        menu.addAction(title).triggered.connect(lambda _=False, kind=kind: save(kind))
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button


def ask_path(parent: QWidget, title: str, name: str, kind: str) -> Path | None:
    """Asks for a file of one of KINDS; None where nobody wants one."""
    chosen, _ = QFileDialog.getSaveFileName(parent, title, f"{name}.{kind}", KINDS[kind][1])
    if not chosen:
        return None
    return Path(chosen) if Path(chosen).suffix else Path(f"{chosen}.{kind}")


def save_plot(path: Path, paper: QWidget, background: QColor, title: str, rows: Rows) -> None:
    """Writes what its name's ending says, replacing a file that is there. Raises SaveError.

    Args:
        path: ends in one of KINDS; else it becomes a PNG.
        paper: what is drawn.
        background: of it.
        title: of a drawing.
        rows: the numbers.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        save_rows(path, rows)
        return
    with saving(path, overwrite=True) as partly:
        if ending == ".svg":
            _write_svg(partly, paper, background, title)
        else:
            _write_png(partly, paper, background)


def _write_png(path: Path, paper: QWidget, background: QColor) -> None:
    image = QImage(paper.size() * SCALE, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(SCALE)
    image.fill(background)
    paper.render(image)
    writer = QImageWriter(str(path), b"png")
    if not writer.write(image):
        raise SaveError(f"The picture could not be written: {writer.errorString()}")


def _write_svg(path: Path, paper: QWidget, background: QColor, title: str) -> None:
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(paper.size())
    generator.setViewBox(QRect(0, 0, paper.width(), paper.height()))
    generator.setResolution(paper.logicalDpiX())  # else letters are a third larger than on the screen
    generator.setTitle(title)
    painter = QPainter(generator)
    painter.fillRect(paper.rect(), background)
    paper.render(painter, QPoint())
    painter.end()
