"""The line of dates: where each image stands, and what a click, a drag and the wheel do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from rsviewer.data.adapter import Shot
from rsviewer.ui.timebar import TimeBar, places_in_time
from rsviewer.workspace.workspace import Workspace
from tests.workspace.dated import SHOTS, dated_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with dated_workspace(tmp_path) as made:
        yield made


@pytest.fixture
def bar(qtbot: QtBot, workspace: Workspace) -> TimeBar:
    made = TimeBar()
    qtbot.addWidget(made)
    made.resize(1000, 60)
    made.set_workspace(workspace)
    made.show()
    return made


def shot(workspace: Workspace) -> int:
    entry = workspace.entry
    assert entry is not None
    return entry.shot


def place(bar: TimeBar, number: int) -> QPoint:
    """Where the mark of an image is, as an eye would find it: by its time and its row."""
    left, length = bar._line()
    rows = sorted({each.series for each in SHOTS})
    row = rows.index(SHOTS[number].series)
    return QPoint(round(left + places_in_time(SHOTS)[number] * length), 4 + 7 + 14 * row)


def test_a_click_shows_the_image_below_the_mouse(bar: TimeBar, workspace: Workspace) -> None:
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place(bar, 0))
    assert shot(workspace) == 0
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place(bar, 3))
    assert shot(workspace) == 3, "of two sensors in the same month it is the one in whose row the mouse is"


def test_the_wheel_goes_one_date_at_a_time(bar: TimeBar, workspace: Workspace) -> None:
    middle = QPointF(bar.rect().center())
    for turned, expected in ((120, 3), (120, 2), (-120, 3), (-60, 3), (-60, 4), (-120, 4)):
        none, no_keys = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
        phase = Qt.ScrollPhase.NoScrollPhase
        bar.wheelEvent(QWheelEvent(middle, middle, QPoint(), QPoint(0, turned), none, no_keys, phase, False))
        assert shot(workspace) == expected


def test_the_marks_stay_where_they_are_whatever_is_said_of_the_date(bar: TimeBar, workspace: Workspace) -> None:
    places = set()
    for number in range(len(SHOTS)):
        workspace.show_date(number)
        bar.show_state()
        places.add(tuple(bar._x(mark) for mark in range(len(SHOTS))))
    assert len(places) == 1


def test_a_tile_with_one_image_has_no_line_of_dates(bar: TimeBar, workspace: Workspace) -> None:
    assert bar.isVisible()
    workspace.go(1)
    bar.show_state()
    assert not bar.isVisible()


@given(
    st.lists(
        st.sampled_from(["", "2020", "2020-02", "2020-02-30", "2021-05-01", "1999-01-01T00:00:00+00:00"]), min_size=1
    )
)
def test_every_image_stands_on_the_line_and_time_goes_to_the_right(times: list[str]) -> None:
    shots = tuple(Shot(str(number), time, "s") for number, time in enumerate(times))
    places = places_in_time(shots)
    assert all(0.0 <= place <= 1.0 for place in places)
    known = sorted((one.when, place) for one, place in zip(shots, places, strict=True) if one.when is not None)
    if known and known[0][0] != known[-1][0]:
        assert [place for _, place in known] == sorted(place for _, place in known)
        unknown = [place for one, place in zip(shots, places, strict=True) if one.when is None]
        assert all(place > known[-1][1] for place in unknown)
