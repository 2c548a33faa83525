"""Starts Qt, opens the window, and ends in an orderly way."""

import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from rsviewer.batch.memory import keep_freed_memory
from rsviewer.core.errors import RsviewerError
from rsviewer.data.resources import color_table, color_table_names, resource_path
from rsviewer.data.settings import Preferences
from rsviewer.ui.dialogs.errors import show_crash
from rsviewer.ui.garbage import GarbageCollector
from rsviewer.ui.window import Window
from rsviewer.workspace.opening import Opener

log = logging.getLogger(__name__)

SCREENSHOT_SECONDS = 120.0
SWITCH_SECONDS = 0.0002
SETTLED_MS = 400
"""Panels refresh a moment after the panes; a picture is taken when nothing has been on its way for so long."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line asks of the window.

    Attributes:
        path: dataset to open at once; None shows the empty window.
        tile: go to this tile.
        filter: set this filter.
        layout: show these layers only, in this order; empty leaves the session's.
        screenshot: save the window there when everything visible has arrived, and end.
        size: of the window, in logical pixels; None leaves the last one.
        relief: open the 3D view.
        model: run this model on every tile.
    """

    path: Path | None = None
    tile: str = ""
    filter: str | None = None
    layout: tuple[str, ...] = ()
    screenshot: Path | None = None
    size: tuple[int, int] | None = None
    relief: bool = False
    model: str = ""


def has_display() -> bool:
    """Whether a window could be shown."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def make_application() -> QApplication:
    """The one QApplication.

    A worker that computes in Python gives way to the GUI thread only at switch intervals. With the interpreter's 5 ms, a
    prefetched step took 27 ms (p95) while workers read ahead; with 0.2 ms, 15 ms.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    keep_freed_memory()
    app = QApplication(["rsviewer"])
    app.setApplicationName("rsviewer")
    app.setApplicationDisplayName("rsviewer")
    app.setDesktopFileName("rsviewer")
    app.setWindowIcon(QIcon(str(resource_path("icon.svg"))))
    return app


def make_window(preferences: Preferences, opener: Opener) -> Window:
    """A window that reads with as many threads as the machine has cores, unless the user chose otherwise."""
    threads = preferences.threads or max(2, min(8, os.cpu_count() or 2))
    return Window(preferences, color_table, color_table_names(), opener, threads=threads)


def run(start: Start, preferences: Preferences, opener: Opener) -> int:
    """Shows the window until it is closed. Returns the exit code.

    Raises:
        RsviewerError: a dataset was named that cannot be opened and there is nobody to show it to.
    """
    if not has_display():
        if start.screenshot is None:
            raise RsviewerError(
                "There is no display: start it in a desktop session, over ssh -X, under xvfb-run, "
                "or save a picture with --screenshot FILE.png."
            )
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    app = make_application()
    qInstallMessageHandler(_qt_message)
    collector = GarbageCollector(app)
    window = make_window(preferences, opener)
    _install_crash_dialog(window, quiet=start.screenshot is not None)
    errors: list[str] = []
    if start.screenshot is None:
        window.restore()
    if start.size is not None:
        window.resize(*start.size)
    # once: what the command line asks is about its own dataset, not about those that are opened later
    window.opened.connect(lambda: _prepare(window, start), Qt.ConnectionType.SingleShotConnection)
    window.failed.connect(errors.append)
    window.show()
    if start.path is not None:
        window.open_path(start.path)
    # held here: a connection to a method does not keep its object alive
    camera = None if start.screenshot is None else _Screenshot(window, start.screenshot, errors)
    try:
        code = app.exec()
    finally:
        del camera
        collector.stop()
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
        qInstallMessageHandler(None)
    if errors and start.screenshot is not None:
        raise RsviewerError(errors[-1])
    return code


def _prepare(window: Window, start: Start) -> None:
    """What the command line asked for, once the dataset is open."""
    workspace = window.workspace
    if workspace is None:
        return
    try:
        if start.filter is not None:
            workspace.finding.choose(start.filter, workspace.finding.sort)
        if start.layout:
            workspace.looks.show_only(start.layout)
    except RsviewerError as error:
        window.failed.emit(str(error))
        workspace.say(str(error))
    if start.tile:
        workspace.start_at(start.tile)
    if start.model:
        window.show_model()
        workspace.predicting.choose(start.model)
        refused = workspace.predicting.state.message
        if refused:
            window.failed.emit(refused)
        elif not workspace.predicting.is_live:
            workspace.predicting.toggle_live()
    if start.relief and not window.has_relief:
        window.toggle_relief()


class _Screenshot:
    """Saves the window once everything visible has arrived."""

    def __init__(self, window: Window, path: Path, errors: list[str]) -> None:
        self._window = window
        self._path = path
        self._errors = errors
        self._began = time.monotonic()
        self._quiet_since: float | None = None
        self._timer = QTimer(window, interval=50)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        now = time.monotonic()
        if self._errors or now - self._began > SCREENSHOT_SECONDS:
            if not self._errors:
                self._errors.append(
                    f"Not everything had arrived after {SCREENSHOT_SECONDS:.0f} s; no picture was saved."
                )
            self._end()
        elif not self._settled():
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        elif now - self._quiet_since > SETTLED_MS / 1000:
            workspace = self._window.workspace
            if workspace is not None and workspace.not_there:
                self._errors.append(f"There is no tile {workspace.not_there} in this dataset; no picture was saved.")
            elif not self._window.grab().save(str(self._path), "PNG"):
                self._errors.append(f"The picture could not be written to {self._path}: is there such a folder?")
            self._end()

    def _settled(self) -> bool:
        workspace = self._window.workspace
        if workspace is None:
            return False
        status = workspace.status()
        if status.jobs or not status.queue:
            return not status.jobs
        in_space = not self._window.has_relief or self._window.relief_panel.is_drawn
        return self._window.on_screen and not status.ahead and in_space and not workspace.predicting.is_busy

    def _end(self) -> None:
        self._timer.stop()
        self._window.close()
        QApplication.quit()


def _install_crash_dialog(window: Window, *, quiet: bool) -> None:
    """Our own bugs are shown, with a log, and the program goes on where it can."""

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            window.close()
            QApplication.exit(130)
            return
        log.critical("Unexpected error", exc_info=(kind, error, trace))
        if not quiet:
            window.post(lambda: show_crash(window, error))

    sys.excepthook = report
    threading.excepthook = lambda args: report(
        args.exc_type, args.exc_value or RuntimeError(args.exc_type.__name__), args.exc_traceback
    )


def _qt_message(kind: QtMsgType, _: object, message: str) -> None:
    level = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}.get(kind, logging.WARNING)
    logging.getLogger("qt").log(level, "%s", message)
