"""An error while painting reaches the crash dialog and does not take the program with it."""

import pytest
from PySide6.QtGui import QPainter, QPixmap

from rsviewer.ui.painting import painting


@pytest.mark.usefixtures("qapp")
def test_a_painter_ends_with_its_block_even_while_its_error_is_remembered() -> None:
    pixmap = QPixmap(10, 10)
    kept: list[QPainter] = []

    def draw() -> None:
        with painting(pixmap) as painter:
            kept.append(painter)
            assert painter.isActive()
            raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError) as remembered:
        draw()
    assert remembered.traceback
    assert not kept[0].isActive()
    assert not pixmap.paintingActive()
