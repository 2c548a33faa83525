"""Whatever keys are hit and wherever the mouse goes, on whatever tiles: nothing fails, and nothing decided is lost."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rsviewer.core.errors import FilterError
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui.window import Window
from rsviewer.workspace.commands import COMMANDS
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.review import Saved
from tests.journeys.test_bad_input import ODD
from tests.journeys.visit import picture, visiting, write_raster

HITS = 400
"""For each seed; with some thousands, as a nightly run may take, it found what no other test had."""

WITH_DIALOGS = {
    "file.open", "file.describe", "file.export", "file.picture", "file.elsewhere", "file.preferences", "file.quit",
    "tile.goto", "help.palette", "help.keys", "help.about", "window.full",
}  # fmt: skip
FILTERS = ("", "verdict = 'drop'", "missing = 'ndsm'", "tile like '%a%'", "nonsense (", "split = 'train'")
SORTS = ("", "tile desc", "verdict", "no such column")
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
MODIFIERS = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Every odd tile twice, in two groups, with an image before and with labels as odd as the heights."""
    root = tmp_path / "zoo"
    for group in ("a", "b"):
        for number, odd in enumerate(ODD.values()):
            odd.write(root / group / "opt", root / group / "gt_nDSM", f"{number:02}")
            write_raster(root / group / "pre_opt" / f"{number:02}.tif", picture(seed=number))
            odd.write(root / group / "gt_ss_mask", root / group / "gt_cd_mask", f"{number:02}")
        (root / group / "train.txt").write_text("\n".join(f"{number:02}" for number in range(0, len(ODD), 3)))
    return root


@pytest.fixture
def window(zoo: Path, qtbot: QtBot) -> Iterator[Window]:
    window = Window(Preferences(), color_table, color_table_names(), open_path, threads=2)
    qtbot.addWidget(window)
    window.resize(1280, 720)
    window.show()
    with qtbot.waitSignal(window.opened):
        window.open_path(zoo)
    yield window
    window.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_fails(window: Window, qtbot: QtBot, zoo: Path, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    workspace = window.workspace
    assert workspace is not None
    qtbot.waitUntil(lambda: not workspace.jobs.running and len(workspace.queue) == 2 * len(ODD))
    commands = [command.id for command in COMMANDS if command.id not in WITH_DIALOGS]
    for _ in range(HITS):
        kind = chance.random()
        if kind < 0.03:
            with suppress(FilterError):
                workspace.finding.choose(chance.choice(FILTERS), chance.choice(SORTS))
        elif kind < 0.06:
            workspace.set_stack(chance.randint(1, 4))
        elif kind < 0.35:
            use_mouse(window, chance)
        else:
            window.actions_.run_id(chance.choice(commands))
        QApplication.processEvents()
    workspace.finding.choose("", "")
    workspace.checking.stop()  # its processes may just be starting
    qtbot.waitUntil(lambda: window.on_screen and not workspace.jobs.running)
    assert workspace.status().saved is Saved.SAVED
    decided = dict(workspace.review.decisions)
    assert decided
    window.close()
    with visiting(zoo) as visit:
        assert dict(visit.workspace.review.decisions) == decided
    assert not [
        record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")
    ]


def use_mouse(window: Window, chance: random.Random) -> None:
    """Moves, clicks, drags or turns the wheel somewhere on the panes."""
    canvas = window.canvas
    at = QPointF(chance.uniform(0, canvas.width()), chance.uniform(0, canvas.height()))
    modifier = chance.choice(MODIFIERS)

    def send(kind: QEvent.Type, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
        QApplication.sendEvent(canvas, QMouseEvent(kind, at, canvas.mapToGlobal(at), button, held, modifier))

    what = chance.choice(("move", "wheel", "double", "drag"))
    if what == "move":
        send(QEvent.Type.MouseMove, NONE, NONE)
    elif what == "wheel":
        turn = QPoint(0, chance.choice((-1200, -120, 120, 1200)))
        phase = Qt.ScrollPhase.NoScrollPhase
        wheel = QWheelEvent(at, canvas.mapToGlobal(at), QPoint(), turn, NONE, modifier, phase, False)
        QApplication.sendEvent(canvas, wheel)
    elif what == "double":
        send(QEvent.Type.MouseButtonDblClick, LEFT, LEFT)
    else:
        send(QEvent.Type.MouseButtonPress, LEFT, LEFT)
        for _ in range(chance.randint(0, 3)):
            at += QPointF(chance.uniform(-90, 90), chance.uniform(-90, 90))
            send(QEvent.Type.MouseMove, NONE, LEFT)
        send(QEvent.Type.MouseButtonRelease, LEFT, NONE)
