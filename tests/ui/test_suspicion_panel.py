"""The suspicions panel: why this tile, where, the answers, and the checks over all tiles."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from rsviewer.batch.crew import Here
from rsviewer.core.checks import BY_ID
from rsviewer.core.checks.suspicion import Examined, Note
from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import TileId
from rsviewer.data.indexchecks import CheckBook
from rsviewer.ui.panels.queue import QueuePanel
from rsviewer.ui.panels.suspicion import RUN, STOP, SuspicionPanel
from rsviewer.ui.theme import DARK, LIGHT
from rsviewer.workspace.background import Job
from rsviewer.workspace.checking import CHECKING, LOOKING
from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here

CUT, LACKING, CALM = TileId("b/2"), TileId("b/3"), TileId("a/1")
CHECKS = [BY_ID[check] for check in ("unreadable", "missing_layer", "unknown_class")]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(workspace: Workspace, qtbot: QtBot) -> Iterator[SuspicionPanel]:
    made = SuspicionPanel()
    qtbot.addWidget(made)
    made.resize(300, 700)
    made.show()
    made.set_workspace(workspace)
    yield made
    made.set_workspace(None)


@pytest.fixture
def checked(panel: SuspicionPanel, workspace: Workspace) -> SuspicionPanel:
    workspace.checking.start(CHECKS)
    settle(panel)
    return panel


def settle(panel: SuspicionPanel) -> None:
    assert panel.workspace is not None
    while panel.workspace.step():
        pass
    panel.show_state()


def show(panel: SuspicionPanel, tile: TileId) -> None:
    assert panel.workspace is not None
    panel.workspace.show_tile(tile)
    settle(panel)


def record(panel: SuspicionPanel, *examined: Examined) -> None:
    assert panel.workspace is not None
    panel.workspace.index.checks.record(examined)
    panel.workspace.index.checks.judge({})
    panel.workspace.checking.names_known()
    settle(panel)


def test_before_anything_is_checked_it_offers_to_check(panel: SuspicionPanel, qtbot: QtBot) -> None:
    assert "not checked yet" in panel.nothing.text()
    assert not panel.confirm.isVisible()
    assert not panel.first.isEnabled()
    with qtbot.waitSignal(panel.asked) as asked:
        panel.run.click()
    assert asked.args == [RUN]


def test_a_suspicious_tile_says_why_and_a_sound_one_that_it_is(checked: SuspicionPanel) -> None:
    show(checked, CUT)
    (row,) = checked.rows
    assert row.title.text() == BY_ID["unreadable"].title
    assert row.message.text().startswith("nDSM"), "the layer is named as people know it, and once"
    assert row.message.text().casefold().count("ndsm") == 1
    assert checked.gauge.words.startswith("suspicious")
    assert checked.confirm.isVisible()

    show(checked, CALM)
    assert checked.rows == []
    assert "No check suspects" in checked.nothing.text()
    assert checked.gauge.words.startswith("not suspicious")
    assert not checked.confirm.isVisible()


def test_counts_of_all_checks_are_shown_and_a_click_puts_the_worst_first(checked: SuspicionPanel, qtbot: QtBot) -> None:
    workspace = checked.workspace
    assert workspace is not None
    assert "2 of 6 tiles checked are suspicious" in checked.progress.text()
    assert checked.counts_part.isVisible()
    qtbot.mouseClick(checked.counts, LEFT, pos=QPoint(5, 3))
    assert workspace.finding.sort in ("check_unreadable desc", "check_missing_layer desc")
    assert workspace.tile == (CUT if "unreadable" in workspace.finding.sort else LACKING)


def test_a_reason_that_was_refuted_is_shown_so_and_can_be_taken_back(checked: SuspicionPanel) -> None:
    workspace = checked.workspace
    assert workspace is not None
    show(checked, LACKING)
    workspace.refute_suspicion()
    show(checked, LACKING)
    assert checked.rows[0].title.text().endswith("(refuted)")
    assert not checked.refute.isEnabled(), "no reason is chosen: keys act on nothing"

    QTest.mouseClick(checked.rows[0], LEFT)
    settle(checked)
    assert checked.refute.isEnabled()
    assert checked.refute.text() == "Not refuted"
    workspace.refute_suspicion()
    settle(checked)
    assert not checked.rows[0].title.text().endswith("(refuted)")


def test_the_partner_of_a_duplicate_is_a_click_away(panel: SuspicionPanel) -> None:
    workspace = panel.workspace
    assert workspace is not None
    same = {"digest": 77}
    record(panel, *(Examined(TileId(tile), {}, {}, same, {"duplicate": 1.0}) for tile in ("a/2", "b/1")))
    show(panel, TileId("a/2"))
    (row,) = panel.rows
    assert row.links == ("b/1",)

    QTest.mouseClick(row.partners.itemAt(0).widget(), LEFT)
    settle(panel)
    assert workspace.tile == "b/1"
    assert panel.rows[0].links == ("a/2",)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize("width", [160, 500])
def test_long_words_of_strangers_and_many_reasons_fit(panel: SuspicionPanel, theme: object, width: int) -> None:
    checks = [check.id for check in BY_ID.values() if check.run is not None]
    words = "<img src=x> " + "verylongwordwithoutanyspaces" * 8 + " and more " * 60
    record(
        panel,
        Examined(CALM, dict.fromkeys(checks, 1e6), {check: Note(words, "x" * 200) for check in checks}),
    )
    panel.set_theme(theme)  # type: ignore[arg-type]  # both are themes
    panel.resize(width, 600)
    show(panel, CALM)

    assert len(panel.rows) == len(checks)
    assert panel.width() == width
    assert all(row.width() <= width for row in panel.rows)
    assert all(
        label.textFormat() is Qt.TextFormat.PlainText for row in panel.rows for label in (row.title, row.message)
    )
    assert not panel.grab().isNull()


def test_a_run_under_way_says_how_far_it_is_and_can_be_stopped(
    checked: SuspicionPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = checked.workspace
    assert workspace is not None
    job = Job(CHECKING, done=300, total=1000)
    workspace.checking._job = job
    workspace.jobs.running.append(job)
    monkeypatch.setattr(Job, "pace", 20.0)
    checked.show_state()

    assert "300 of 1,000 tiles" in checked.progress.text()
    assert "20 tiles/s, 35 s left" in checked.progress.text()
    assert "suspicious so far" in checked.progress.text()
    job.title = LOOKING
    checked.show_state()
    assert checked.progress.text().startswith("Looking for changed files: 300 of 1,000 tiles")
    assert "suspicious" not in checked.progress.text()
    assert checked.run.text() == "Stop"
    with qtbot.waitSignal(checked.asked) as asked:
        checked.run.click()
    assert asked.args == [STOP]
    workspace.jobs.running.clear()


def test_nothing_is_asked_for_it_while_nobody_sees_it(checked: SuspicionPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = checked.workspace
    assert workspace is not None
    asked: list[TileId] = []
    of = CheckBook.of
    monkeypatch.setattr(CheckBook, "of", lambda book, tile: (asked.append(tile), of(book, tile))[1])
    checked.hide()
    workspace.show_tile(CUT)
    checked.show_state()
    assert asked == []

    checked.show()
    settle(checked)
    assert asked == [CUT]
    assert len(checked.rows) == 1
    checked.show_state()
    assert asked == [CUT], "once for every tile"


def test_while_a_key_is_held_it_asks_for_no_reasons_and_shows_none_of_another_tile(
    checked: SuspicionPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = checked.workspace
    assert workspace is not None
    show(checked, LACKING)
    monkeypatch.setattr(CheckBook, "of", lambda book, tile: pytest.fail("asked"))
    workspace.hurried = True
    workspace.go(-1)
    checked.show_state()

    assert checked.gauge.words == "suspicious: 1.00"
    assert not any(row.isVisible() for row in checked.rows)
    monkeypatch.undo()
    workspace.hurried = False
    assert workspace.step(), "it is asked for as soon as the key is released"
    qtbot.waitUntil(checked.rows[0].isVisible)
    assert checked.rows[0].check == "unreadable"


def test_a_window_that_may_not_write_offers_no_run(panel: SuspicionPanel, tiny_dataset: Path) -> None:
    with opened_here(tiny_dataset) as second:
        panel.set_workspace(second)
        assert not panel.run.isEnabled()
        assert "read-only" in panel.nothing.text()
        panel.set_workspace(None)


def test_a_run_that_fails_says_why_and_can_be_started_again(panel: SuspicionPanel) -> None:
    workspace = panel.workspace
    assert workspace is not None

    def no_crew() -> Here:
        raise RsviewerError("No process can be started.")

    workspace.checking._crew = no_crew
    workspace.checking.start(CHECKS)
    settle(panel)
    assert "No process can be started" in workspace.status().message
    assert panel.run.text() == "Check all tiles"

    workspace.checking._crew = Here
    workspace.checking.start(CHECKS)
    settle(panel)
    assert "2 of 6" in panel.progress.text()


def test_without_a_dataset_it_is_empty(panel: SuspicionPanel) -> None:
    panel.set_workspace(None)
    assert panel.rows == []
    assert not panel.run.isEnabled()
    assert panel.nothing.text() == ""
    assert panel.progress.text() == ""


def test_rows_of_the_queue_show_how_suspicious_tiles_are(checked: SuspicionPanel, qtbot: QtBot) -> None:
    workspace = checked.workspace
    assert workspace is not None
    queue = QueuePanel()
    qtbot.addWidget(queue)
    queue.resize(240, 400)
    queue.show()
    queue.set_workspace(workspace)
    workspace.checking.suspicious_first()
    queue.show_state()
    image = queue.list.viewport().grab().toImage()

    def amber(row: int) -> bool:
        return any(image.pixelColor(10, row * 44 + y) == queue.theme.warn for y in range(44))

    assert [amber(row) for row in range(3)] == [True, True, False]
    here = QPointF(60, 10)
    none = Qt.MouseButton.NoButton
    queue.list.mouseMoveEvent(
        QMouseEvent(QEvent.Type.MouseMove, here, here, none, none, Qt.KeyboardModifier.NoModifier)
    )
    tip = queue.list.viewport().toolTip()
    assert "suspicion 1.00" in tip
    assert BY_ID["unreadable"].title in tip or BY_ID["missing_layer"].title in tip
    queue.set_workspace(None)


def test_where_tiles_are_selected_the_buttons_say_that_they_answer_for_all(checked: SuspicionPanel) -> None:
    assert checked.workspace is not None
    show(checked, CALM)
    assert not checked.confirm.isVisible()

    checked.workspace.gallery.set_open(on=True)
    checked.workspace.gallery.select_all()
    checked.show_state()

    assert checked.confirm.isEnabled()
    assert checked.refute.isEnabled()
    assert not checked.where.isVisible()
    assert "6 selected tiles" in checked.confirm.toolTip()
    assert "6 selected tiles" in checked.refute.toolTip()

    checked.workspace.gallery.deselect()
    checked.show_state()
    assert not checked.confirm.isVisible()
