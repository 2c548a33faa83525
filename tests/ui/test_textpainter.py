"""Captions and tags are shown as they are written, all of them can be reached, and they leave the pictures their room."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QFont, QImage, QPainter, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rsviewer.core.tile import LayerKind, TileId
from rsviewer.data.resources import color_table
from rsviewer.ui.canvas import Canvas
from rsviewer.ui.paneboxes import PaneBox
from rsviewer.ui.textpainter import TextPainter
from rsviewer.ui.theme import DARK
from rsviewer.workspace.workspace import Workspace
from tests.data.samples import skyscript
from tests.workspace.here import opened_here

ROOM = QRect(0, 0, 300, 200)


@pytest.fixture
def texts(qapp: object) -> TextPainter:
    return TextPainter(DARK, QFont())


@pytest.fixture
def workspace(tmp_path: Path, qapp: object) -> Iterator[Workspace]:
    skyscript.write(tmp_path / "data")
    with opened_here(tmp_path / "data") as made:
        yield made


@pytest.fixture
def canvas(workspace: Workspace, qtbot: QtBot) -> Canvas:
    made = Canvas(color_table)
    qtbot.addWidget(made)
    made.resize(1000, 600)
    made.set_workspace(workspace)
    made.show()
    return made


def show(canvas: Canvas, workspace: Workspace, tile: str) -> dict[str, PaneBox]:
    workspace.show_tile(TileId(tile))
    while workspace.step():
        pass
    canvas.repaint()
    return {str(box.pane.layer): box for box in canvas.panes}


def drawn(texts: TextPainter, text: str, scrolled: int = 0) -> NDArray[np.uint32]:
    image = QImage(ROOM.size(), QImage.Format.Format_RGB32)
    image.fill(DARK.pane)
    painter = QPainter(image)
    texts.draw(painter, ROOM, text, scrolled)
    painter.end()
    return np.array(image.constBits(), copy=True).view(np.uint32).reshape(ROOM.height(), ROOM.width())


def wheel(canvas: Canvas, box: PaneBox, down: int) -> None:
    at = QPointF(box.image.center())
    event = QWheelEvent(
        at,
        canvas.mapToGlobal(at),
        QPoint(),
        QPoint(0, -120 * down),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def test_what_looks_like_html_is_shown_letter_by_letter(texts: TextPainter) -> None:
    assert not np.array_equal(drawn(texts, "<b>x</b>"), drawn(texts, "x"))
    assert not np.array_equal(drawn(texts, "<!-- secret -->"), drawn(texts, ""))
    assert not np.array_equal(drawn(texts, "a &amp; b"), drawn(texts, "a & b"))


def test_what_a_paragraph_is_stands_back(texts: TextPainter) -> None:
    brightest = (drawn(texts, "title:\n") & 0xFF).max(), (drawn(texts, "title\n") & 0xFF).max()
    assert brightest[0] < brightest[1]
    sentence = drawn(texts, "An aerial image. It shows: a bridge")
    assert (sentence & 0xFF).max() == brightest[1]
    label_within = drawn(texts, "x\ntitle: y")
    assert (label_within[30:50] & 0xFF).max() == brightest[1], "only the first line of a paragraph says what it is"


@pytest.mark.parametrize("text", ["", "x" * 5000, "\u202eabc\x00\ud7ff", "\n" * 500, "title:", "a" * 60_000])
def test_any_text_can_be_drawn(texts: TextPainter, text: str) -> None:
    drawn(texts, text, scrolled=10_000)
    assert texts.overflow(QRect(0, 0, 5, 5), text) >= 0


def test_a_short_text_does_not_move_and_a_long_one_can_be_read_to_its_end(texts: TextPainter) -> None:
    assert texts.overflow(ROOM, "a bridge") == 0
    assert np.array_equal(drawn(texts, "a bridge", 50), drawn(texts, "a bridge"))
    long = "\n".join(["a bridge"] * 30) + "\nTHE END"
    most = texts.overflow(ROOM, long)
    assert most > 200
    end = drawn(texts, long, most)
    assert not np.array_equal(drawn(texts, long), end)
    assert np.array_equal(drawn(texts, long, most + 1000), end), "not beyond its end"


def test_the_wheel_scrolls_a_text_and_leaves_the_view_alone(canvas: Canvas, workspace: Workspace) -> None:
    canvas.resize(700, 110)
    panes = show(canvas, workspace, skyscript.WHOLE)
    view = workspace.scene().view
    before = canvas.grab().toImage()
    wheel(canvas, panes["tags"], 2)
    scrolled = canvas.grab().toImage()
    assert scrolled != before
    assert workspace.scene().view == view
    wheel(canvas, panes["tags"], -9)
    assert canvas.grab().toImage() == before
    wheel(canvas, panes["tags"], 2)
    show(canvas, workspace, "images2/w101000003_CH_18")
    show(canvas, workspace, skyscript.WHOLE)
    assert canvas.grab().toImage() == before, "another tile's text begins at its beginning"


def test_the_picture_is_as_large_beside_two_texts_as_beside_one(canvas: Canvas, workspace: Workspace) -> None:
    with_tags = show(canvas, workspace, skyscript.WHOLE)
    without = show(canvas, workspace, "images3/a101000006_S2_19")
    assert {"image", "caption", "tags"} == set(with_tags)
    assert "tags" not in without
    assert with_tags["image"].image == without["image"].image
    assert with_tags["caption"].outer.left() == with_tags["tags"].outer.left() > with_tags["image"].outer.right()


@pytest.mark.parametrize("size", [(1000, 600), (300, 200), (150, 90), (3000, 400)])
def test_panes_never_overlap_and_stay_in_the_window(
    canvas: Canvas, workspace: Workspace, size: tuple[int, int]
) -> None:
    canvas.resize(*size)
    panes = list(show(canvas, workspace, skyscript.WHOLE).values())
    assert all(QRect(0, 0, *size).contains(box.outer) for box in panes)
    assert not any(one.outer.intersects(other.outer) for k, one in enumerate(panes) for other in panes[:k])


def test_layers_that_are_all_texts_have_the_whole_window(canvas: Canvas, workspace: Workspace) -> None:
    workspace.looks.show_only(["caption", "tags"])
    panes = show(canvas, workspace, skyscript.WHOLE)
    assert all(box.pane.spec.kind is LayerKind.TEXT for box in panes.values())
    assert min(box.outer.left() for box in panes.values()) < 10
    assert max(box.outer.right() for box in panes.values()) > 990
