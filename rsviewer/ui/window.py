"""The window: panes in the middle, docks around them, and the answers to what commands ask of it."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from rsviewer import __version__
from rsviewer.core.errors import AmbiguousFormatError, DatasetNotFoundError, RsviewerError, SaveError, StoppedError
from rsviewer.core.tile import printable
from rsviewer.data.carrying import carry_decisions
from rsviewer.data.mounting import archives_of, slow_archives
from rsviewer.data.recent import RecentDataset, remember
from rsviewer.data.remote.names import shown
from rsviewer.data.settings import Preferences, load, preferences_path, save
from rsviewer.data.tree import DISK, Patience
from rsviewer.ui import theme as themes
from rsviewer.ui.absentbar import AbsentBar
from rsviewer.ui.actions import Actions
from rsviewer.ui.canvas import Canvas
from rsviewer.ui.dialogs.addmodel import AddModelDialog
from rsviewer.ui.dialogs.convert import ConvertDialog
from rsviewer.ui.dialogs.cut import CutDialog
from rsviewer.ui.dialogs.describe import DescribeDialog
from rsviewer.ui.dialogs.dialog import Dialog, WorkspaceDialog
from rsviewer.ui.dialogs.export import ExportDialog
from rsviewer.ui.dialogs.goto import GoToDialog
from rsviewer.ui.dialogs.open import OpenDialog
from rsviewer.ui.dialogs.palette import PaletteDialog
from rsviewer.ui.dialogs.preferences import PreferencesDialog
from rsviewer.ui.dialogs.savecloud import SaveCloudDialog
from rsviewer.ui.dialogs.shortcuts import KeysDialog
from rsviewer.ui.dialogs.unpack import UnpackDialog
from rsviewer.ui.docks import Docks
from rsviewer.ui.gallery import Gallery
from rsviewer.ui.mainthread import MainThread
from rsviewer.ui.noticebar import NoticeBar
from rsviewer.ui.panels.layers import LayersPanel
from rsviewer.ui.panels.model import ModelPanel
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.panels.places import PlacesPanel
from rsviewer.ui.panels.profile import ProfilePanel
from rsviewer.ui.panels.queue import QueuePanel
from rsviewer.ui.panels.readout import ReadoutPanel
from rsviewer.ui.panels.relief import ReliefPanel
from rsviewer.ui.panels.review import ReviewPanel
from rsviewer.ui.panels.statistics import StatisticsPanel
from rsviewer.ui.panels.suspicion import SuspicionPanel
from rsviewer.ui.statusbar import StatusBar
from rsviewer.ui.timebar import TimeBar
from rsviewer.ui.tips import plain_tip
from rsviewer.ui.title import PROGRAM, window_title
from rsviewer.ui.topbar import TopBar
from rsviewer.ui.vectorpainter import drawn_over
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.commands import bindings
from rsviewer.workspace.likeness import CHOOSE
from rsviewer.workspace.opening import Asking, Opened, Opener, login_name
from rsviewer.workspace.workspace import Workspace

log = logging.getLogger(__name__)

SESSION_SAVE_MS = 1500
SLOW_MS = 500
"""Opening that takes longer says so, with a way to stop it."""

WELCOME = "Open the folder of a dataset with Ctrl+O, or drop it here."


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where the window and its docks were, in Qt's own form."""

    geometry: str = ""
    docks: str = ""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a dataset could not be opened.

    Attributes:
        message: the sentence.
        may_be_described: whether somebody who knows its folders can help.
        fits: the formats to choose from, see `AmbiguousFormatError`.
        stopped: whether somebody wanted it so.
    """

    message: str
    may_be_described: bool = False
    fits: tuple[tuple[str, str, str], ...] = ()
    stopped: bool = False


class Window(QMainWindow):
    """The one window of the program.

    Args:
        preferences: what this person likes.
        tables: name of a colour table -> (256, 3).
        table_names: colour tables to choose from.
        opener: opens a dataset; runs on a worker.
        threads: readers.

    Signals:
        opened: a dataset is open; its first tile may still be on its way.
        failed: a dataset could not be opened; carries the sentence that was shown.
    """

    opened = Signal()
    failed = Signal(str)

    def __init__(
        self,
        preferences: Preferences,
        tables: Callable[[str], NDArray[np.uint8]],
        table_names: Sequence[str],
        opener: Opener,
        *,
        threads: int,
    ) -> None:
        super().__init__()
        self.preferences = preferences
        self.workspace: Workspace | None = None
        self._opener = opener
        self._threads = threads
        self._main_thread = MainThread(self)
        self._jobs = Jobs(self._main_thread.post, lambda: None)
        self._opening: Job | None = None
        self._asked: Path | None = None
        self._next: tuple[Path, str | None] | None = None
        self._lens_pinned = False
        self.canvas = Canvas(tables)
        self.canvas.empty_message = WELCOME
        self.gallery = Gallery(tables)
        self.top_bar = TopBar()
        self.absent_bar = AbsentBar()
        self.time_bar = TimeBar()
        self.notice = NoticeBar()
        self.status_bar = StatusBar()
        self.queue_panel = QueuePanel()
        self.readout_panel = ReadoutPanel()
        self.layers_panel = LayersPanel(tables, table_names)
        self.review_panel = ReviewPanel()
        self.relief_panel = ReliefPanel(tables, self._main_thread.post)
        self.profile_panel = ProfilePanel(self._jobs)
        self.statistics_panel = StatisticsPanel(self._jobs, tables)
        self.places_panel = PlacesPanel(tables)
        self.model_panel = ModelPanel()
        self.suspicion_panel = SuspicionPanel()
        self._panels: tuple[Panel, ...] = (
            self.gallery,
            self.top_bar,
            self.absent_bar,
            self.time_bar,
            self.status_bar,
            self.queue_panel,
            self.readout_panel,
            self.layers_panel,
            self.review_panel,
            self.relief_panel,
            self.profile_panel,
            self.statistics_panel,
            self.places_panel,
            self.model_panel,
            self.suspicion_panel,
        )
        self.actions_ = Actions(self, lambda: self.workspace, lambda: self.lens_pinned, self)
        self.actions_.bind(bindings(preferences.key_preset, preferences.keys))
        self._build()
        self._saver = QTimer(self, interval=SESSION_SAVE_MS)
        self._saver.timeout.connect(self._save_session)
        self.apply_theme()

    # --- building

    def _build(self) -> None:
        self.setWindowTitle(PROGRAM)
        self.setAcceptDrops(True)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.top_bar)
        column.addWidget(self.notice)
        self._panes = QWidget()
        below = QVBoxLayout(self._panes)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        below.addWidget(self.canvas, 1)
        below.addWidget(self.absent_bar)
        below.addWidget(self.time_bar)
        self.middle = QStackedWidget()
        self.middle.addWidget(self._panes)
        self.middle.addWidget(self.gallery)
        column.addWidget(self.middle, 1)
        self.setCentralWidget(middle)
        self.docks = Docks(
            self,
            self.canvas,
            queue=self.queue_panel,
            readout=self.readout_panel,
            layers=self.layers_panel,
            review=self.review_panel,
            relief=self.relief_panel,
            profile=self.profile_panel,
            statistics=self.statistics_panel,
            places=self.places_panel,
            model=self.model_panel,
            suspicions=self.suspicion_panel,
            release_all=self.actions_.release_all,
        )
        self.docks.relief_shown.connect(self._relief_shown)
        self.docks.profile_shown.connect(self._profile_shown)
        self.docks.places_shown.connect(lambda on: self.places_panel.set_shown(on=on))
        self.docks.statistics_shown.connect(lambda on: self.statistics_panel.set_shown(on=on))
        self.profile_panel.asked.connect(self.actions_.run_id)
        self.places_panel.asked.connect(self.actions_.run_id)
        self.statistics_panel.asked.connect(self.actions_.run_id)
        self.canvas.line_drawn.connect(self.docks.show_profile)
        self.statusBar().addPermanentWidget(self.status_bar, 1)
        self.statusBar().setSizeGripEnabled(False)
        menus = self.actions_.fill(self.menuBar())
        menus["Window"].addActions(self.docks.switches)
        self.status_bar.asked_elsewhere.connect(self.save_elsewhere)
        self.status_bar.shown.connect(self._entitle)
        self.canvas.painted.connect(self._entitle)
        self.gallery.grid.opened.connect(self.toggle_gallery)
        self.review_panel.asked.connect(self.actions_.run_id)
        self.relief_panel.asked.connect(self.actions_.run_id)
        self.model_panel.asked.connect(self.actions_.run_id)
        self.suspicion_panel.asked.connect(self.actions_.run_id)
        self.model_panel.asked_add.connect(self.add_model)
        self.relief_panel.set_points(self.preferences.points)
        self._tell_keys()
        for panel in (
            self.gallery,
            self.top_bar,
            self.layers_panel,
            self.review_panel,
            self.relief_panel,
            self.profile_panel,
            self.statistics_panel,
            self.places_panel,
            self.model_panel,
        ):
            panel.done.connect(self._focus_panes)
        self.resize(1600, 900)
        self.docks.measure()

    def restore(self) -> None:
        """Puts window and docks where they were when the program ended."""
        state = load(_state_path(), WindowState()).value
        if state.geometry:
            self.restoreGeometry(QByteArray.fromBase64(state.geometry.encode("ascii", "ignore")))
        if state.docks:
            self.docks.restore(QByteArray.fromBase64(state.docks.encode("ascii", "ignore")))

    def apply_theme(self) -> None:
        """Dresses everything in the theme of the preferences."""
        theme = themes.theme_named(self.preferences.theme)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            themes.apply(theme, app)
        self.canvas.set_theme(theme)
        for panel in self._panels:
            panel.set_theme(theme)

    def post(self, function: Callable[[], None]) -> None:
        """Has a function called on the GUI thread."""
        self._main_thread.post(function)

    # --- opening and closing

    def open_path(self, path: Path, format_name: str | None = None) -> None:
        """Opens a dataset in the background; the one on the screen stays until it is there.

        What is being opened meanwhile is given up.
        """
        if not self._may_leave():
            return
        if self._opening is not None:
            self._next = path, format_name
            self._opening.stop.set()
            return
        self._asked = path
        self.notice.hide()
        self.canvas.empty_message = f"Opening {shown(path)} …"
        self.canvas.refresh()

        def work(job: Job) -> None:
            result = attempt(job)
            if isinstance(result, Opened) and job.stop.is_set():
                _give_back(result)
                result = _Failure("Opening was stopped.", stopped=True)
            self.post(lambda: self._opened(result))

        def attempt(job: Job) -> Opened | _Failure:
            def tell(what: str, done: int, total: int | None) -> None:
                self.post(lambda: self._tell_opening(job, what, done, total))

            try:
                opened = self._opener(path, asking=Asking(format_name, Patience(progress=tell, stop=job.stop.is_set)))
            except AmbiguousFormatError as error:
                return _Failure(str(error), fits=error.fits)
            except StoppedError as error:
                return _Failure(str(error), stopped=True)
            except RsviewerError as error:
                return _Failure(str(error), isinstance(error, DatasetNotFoundError) and DISK.is_folder(str(path)))
            if not job.stop.is_set():
                _remember(path, opened)
            return opened

        job = self._jobs.start("Opening", work, failed=lambda why: self._opened(_Failure(why)))
        self._opening = job
        QTimer.singleShot(SLOW_MS, self, lambda: self._tell_slow(job, path))

    def _tell_slow(self, job: Job, path: Path) -> None:
        """That opening takes a while, where nothing has told more."""
        if job is self._opening and not job.stop.is_set() and self.notice.isHidden():
            self.notice.say(f"Opening {shown(path)} …", [("Stop", job.stop.set)])

    def _tell_opening(self, job: Job, what: str, done: int, total: int | None) -> None:
        """How far listing is, which takes long for archives and stores."""
        if job is self._opening and not job.stop.is_set():
            share = f"{done:,} files" if total is None else f"{100 * done // max(total, 1)} %"
            self.notice.say(f"{what}: {share}", [("Stop", job.stop.set)])

    def _not_opened(self, failure: _Failure) -> None:
        """Says why, and what can be done about it."""
        self.canvas.empty_message = WELCOME if failure.stopped else f"{failure.message}\n\n{WELCOME}"
        self.canvas.refresh()
        if self.workspace is not None:
            self.workspace.say(failure.message)
        asked = self._asked
        if asked is not None and failure.fits:
            offers = [(f"Open as {title}", partial(self.open_path, asked, name)) for name, title, _ in failure.fits]
            reasons = "; ".join(f"{title} ({why})" for _, title, why in failure.fits)
            self.notice.say(f"{shown(asked)} may be of several formats: {reasons}. Which is it?", offers)
        elif asked is not None and failure.may_be_described:
            words = f"{shown(asked)} is in no format that rsviewer knows."
            self.notice.say(words, [("Describe its folders…", partial(self._describe, asked))])
        elif self.workspace is not None and not failure.stopped:
            self.notice.say(failure.message)
        if not failure.stopped:
            self.failed.emit(failure.message)

    def _opened(self, result: Opened | _Failure) -> None:
        self._opening = None
        self.notice.hide()
        if self._next is not None:
            if isinstance(result, Opened):
                _give_back(result)
            (path, format_name), self._next = self._next, None
            self.open_path(path, format_name)
            return
        if isinstance(result, _Failure):
            self._not_opened(result)
            return
        if self._asked is not None and self._is_ours(result):
            result.close()
            self._close_workspace()
            self.open_path(self._asked)
            return
        self._close_workspace()
        workspace = Workspace(
            result,
            self._main_thread.post,
            threads=self._threads,
            cache_bytes=self.preferences.cache_bytes,
            thumbnail_bytes=self.preferences.thumbnail_bytes,
            reviewer=self.preferences.reviewer or login_name(),
            anomalies=self.preferences.anomalies,
            draw=drawn_over,
        )
        self.workspace = workspace
        self.canvas.empty_message = "Reading the names of the tiles…"
        self.canvas.set_workspace(workspace)
        for panel in self._panels:
            panel.set_workspace(workspace)
        workspace.gallery.set_open(on=self.has_gallery)
        workspace.start()
        if result.remarks:
            workspace.say("  ".join(result.remarks))
        slow = slow_archives(workspace.dataset.tree)
        if slow:
            named = printable(slow[0].name) if len(slow) == 1 else f"{len(slow)} archives"
            words = f"{named}: compressed as a whole, so that every step takes longer than from files."
            self.notice.say(words, [("Unpack…", self.unpack_archives)])
        self._saver.start()
        self._focus_panes()
        self.opened.emit()

    def _is_ours(self, result: Opened) -> bool:
        """Whether it could be opened read-only because this window itself has its project."""
        if self.workspace is None or not result.project.read_only:
            return False
        ours = self.workspace.opened.project
        return not ours.read_only and ours.directory == result.project.directory

    def _close_workspace(self) -> None:
        for dialog in self.findChildren(WorkspaceDialog):
            dialog.close()
        workspace, self.workspace = self.workspace, None
        if workspace is None:
            return
        self._saver.stop()
        self.canvas.set_workspace(None)
        for panel in self._panels:
            panel.set_workspace(None)
        workspace.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Everything is saved already; what could not be saved is not thrown away silently."""
        if not self._may_leave():
            event.ignore()
            return
        for dialog in self.findChildren(Dialog):
            dialog.close()
        self._keep_state()
        self._jobs.close()
        self._close_workspace()
        self.relief_panel.end()
        self._main_thread.close()
        super().closeEvent(event)

    def _may_leave(self) -> bool:
        """Writes what is still unwritten. False where that fails and the user wants to stay."""
        if self.workspace is None:
            return True
        self.review_panel.commit()
        return not self.workspace.review.pending or self.workspace.review.retry() or self._may_lose()

    def _may_lose(self) -> bool:
        """Asks what to do with decisions that could not be written. True where the window may close."""
        if self.workspace is None:
            return True
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setText(f"{self.workspace.review.pending} decisions are not saved.")
        box.setInformativeText(plain_tip(self.workspace.review.error))
        elsewhere = box.addButton("Save elsewhere…", QMessageBox.ButtonRole.AcceptRole)
        lose = box.addButton("Close and lose them", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if box.clickedButton() is elsewhere:
            return self._ask_elsewhere()
        return box.clickedButton() is lose

    def _keep_state(self) -> None:
        geometry = bytes(self.saveGeometry().toBase64().data()).decode("ascii")
        docks = bytes(self.saveState().toBase64().data()).decode("ascii")
        try:
            save(_state_path(), WindowState(geometry, docks))
        except RsviewerError as error:
            log.info("%s", error)

    def _entitle(self) -> None:
        workspace = self.workspace
        if workspace is None:
            self.setWindowTitle(PROGRAM)
            return
        seen = self.has_gallery or self.canvas.painted_tile == workspace.tile
        self.setWindowTitle(window_title(workspace.status(), workspace.dataset.title, on_screen=seen))

    def _save_session(self) -> None:
        if self.workspace is not None:
            self.workspace.save_session()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A folder, or a description of one, may be dropped."""
        if _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Opens what was dropped."""
        path = _dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self.open_path(path)

    # --- keys and focus

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that no text field wanted."""
        if event.key() == Qt.Key.Key_Escape and self.has_gallery and self.workspace is not None:
            if not self.gallery.grid.hasFocus():
                self._focus_panes()
            elif self.workspace.gallery.has_selection:
                self.workspace.gallery.deselect()
            else:
                self.toggle_gallery()
        elif event.key() == Qt.Key.Key_Escape:
            if not self.canvas.cancel_mark() and self.isFullScreen():
                self.toggle_full_screen()
            self._focus_panes()
        elif not self.actions_.key_press(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Ends what lasts as long as its key is held."""
        self.actions_.key_release(event)
        super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Without the keyboard, no release of a key will come."""
        if event.type() is QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.actions_.release_all()
        super().changeEvent(event)

    def focusNextPrevChild(self, next: bool) -> bool:  # noqa: A002 -- Qt's name
        """In the panes, Tab is a key like any other: without this, Qt takes it before any of our keys are looked at."""
        return not self.canvas.hasFocus() and super().focusNextPrevChild(next)

    def _focus_panes(self) -> None:
        if self.docks.have_keyboard:
            self.activateWindow()
        (self.gallery.grid if self.has_gallery else self.canvas).setFocus(Qt.FocusReason.OtherFocusReason)

    # --- what commands ask of the window (see workspace.commands.Surface)

    @property
    def magnifier(self) -> bool:
        """Whether the lens is on."""
        return self.canvas.lens

    @property
    def lens_pinned(self) -> bool:
        """Whether WASD moves the cursor."""
        return self._lens_pinned and self.canvas.lens

    @property
    def on_screen(self) -> bool:
        """Whether the current tile is what the panes show, or its small picture what the gallery shows."""
        if self.has_gallery:
            return self.gallery.grid.shows_current or (
                self.workspace is not None and self.workspace.gallery.has_selection
            )
        shown = self.canvas.shown_tile
        return shown is not None and self.workspace is not None and shown == self.workspace.tile

    def zoom(self, factor: float) -> None:
        """Zooms about the cursor, or about the middle; in the gallery, shows larger or smaller pictures."""
        if self.has_gallery:
            self.gallery.resize_pictures(1 if factor > 1 else -1)
        else:
            self.canvas.zoom(factor)

    def one_to_one(self) -> None:
        """One screen pixel per tile pixel."""
        self.canvas.one_to_one()

    def toggle_magnifier(self) -> None:
        """Switches the lens on or off."""
        self.canvas.lens = not self.canvas.lens
        self._lens_pinned = False
        if self.canvas.lens and self.workspace is not None and self.workspace.viewing.cursor is None:
            self.workspace.viewing.move_cursor(0, 0)
        self.canvas.update()

    def pin_magnifier(self) -> None:
        """WASD moves the cursor from now on, or steps again."""
        if not self.canvas.lens:
            self.toggle_magnifier()
        self._lens_pinned = not self._lens_pinned
        if self.workspace is not None:
            self.workspace.say("WASD moves the cursor." if self._lens_pinned else "WASD steps through the tiles again.")

    def set_marking(self, *, on: bool) -> None:
        """While on, dragging in a pane marks a region."""
        self.canvas.set_marking(on=on, once=not self.actions_.holds("review.region"))
        if on and self.workspace is not None:
            self.workspace.say(f"Drag a box: it is marked as {self.workspace.current_tag}. Shift: polygon.")

    def toggle_full_screen(self) -> None:
        """Only panes and status bar, or everything again."""
        if not self.docks.are_cleared:
            self.docks.clear()
            self.menuBar().hide()
            self.top_bar.hide()
            self.showFullScreen()
        else:
            self.showNormal()
            self.menuBar().show()
            self.top_bar.show()
            self.docks.bring_back()

    @property
    def has_relief(self) -> bool:
        """Whether the 3D view is open."""
        return self.docks.has_relief

    def toggle_relief(self) -> None:
        """Shows the 3D view, or hides it."""
        if not self.docks.toggle_relief():
            self._focus_panes()

    def _relief_shown(self, on: bool) -> None:
        self.relief_panel.set_shown(on=on)

    def detach_relief(self) -> None:
        """Shows the 3D view in a window of its own, or puts it back."""
        self.docks.detach_relief()

    @property
    def flying(self) -> bool:
        """Whether the 3D view has the fly camera."""
        return self.relief_panel.flying

    def toggle_flying(self) -> None:
        """Changes between turntable and fly camera."""
        self.relief_panel.toggle_flying()

    def look_from(self, place: str) -> None:
        """Moves the camera of the 3D view."""
        self.relief_panel.look_from(place)

    def save_relief_picture(self) -> None:
        """Asks for a size and a file, and saves the 3D view as a picture."""
        self.relief_panel.save_picture()

    def save_relief_animation(self) -> None:
        """Asks for a file, and saves a turn round the tile."""
        self.relief_panel.save_animation()

    def save_cloud(self) -> None:
        """Asks for a file, and saves the heights as points or mesh."""
        if self.workspace is not None:
            SaveCloudDialog(self.workspace, self).show()

    @property
    def has_gallery(self) -> bool:
        """Whether the gallery stands in the place of the panes."""
        return self.middle.currentWidget() is self.gallery

    def toggle_gallery(self) -> None:
        """Shows the gallery in the place of the panes, or the panes again."""
        on = not self.has_gallery
        if on:
            self.canvas.cancel_mark()
        self.middle.setCurrentWidget(self.gallery if on else self._panes)
        if self.workspace is not None:
            self.workspace.gallery.set_open(on=on)
        self._entitle()
        self._focus_panes()

    @property
    def has_profile(self) -> bool:
        """Whether the plot of heights along a line is open."""
        return self.docks.has_profile

    def toggle_profile(self) -> None:
        """Shows the plot of heights along a line, or hides it."""
        self.docks.toggle_profile()

    def set_profiling(self, *, on: bool) -> None:
        """While on, dragging in a pane draws the line of the profile. The plot opens then: the panes stay where they are."""
        self.canvas.set_profiling(on=on, once=not self.actions_.holds("profile.draw"))
        if on and self.workspace is not None:
            self.workspace.say("Drag a line. Shift: level, upright or diagonal.")

    def _profile_shown(self, on: bool) -> None:
        self.canvas.keep_line(on=on)
        self.profile_panel.set_shown(on=on)

    @property
    def has_statistics(self) -> bool:
        """Whether the statistics are open."""
        return self.docks.has_statistics

    def toggle_statistics(self) -> None:
        """Shows the statistics, or hides them."""
        self.docks.toggle_statistics()

    @property
    def has_places(self) -> bool:
        """Whether the map is open."""
        return self.docks.has_places

    def toggle_places(self) -> None:
        """Shows the map, or hides it."""
        self.docks.toggle_places()

    @property
    def has_model(self) -> bool:
        """Whether the model panel is open."""
        return self.docks.has_model

    @property
    def has_suspicions(self) -> bool:
        """Whether the panel of the checks is open."""
        return self.docks.has_suspicions

    def toggle_suspicions(self) -> None:
        """Shows the panel of the checks, or hides it."""
        self.docks.toggle_suspicions()

    def show_suspicions(self) -> None:
        """Shows the panel of the checks, in front of what it shares its place with."""
        self.docks.show_suspicions()

    def show_model(self) -> None:
        """Shows the model panel."""
        self.docks.show_model()

    def toggle_model(self) -> None:
        """Shows the model panel, or hides it."""
        self.docks.toggle_model()

    def add_model(self, file: Path | None = None) -> None:
        """Asks for a file of weights and its card, and puts them on the shelf."""
        if self.workspace is None:
            return
        dialog = AddModelDialog(self.workspace, file, self)
        dialog.added.connect(self.workspace.predicting.choose)
        dialog.show()

    def reset_layout(self) -> None:
        """Puts all docks back."""
        self.docks.reset()

    def leave_panes(self) -> None:
        """Moves the focus to the next dock, and back to the panes after the last."""
        places: list[QWidget] = [
            self.canvas,
            self.gallery.grid,
            self.top_bar.search,
            self.top_bar.filter,
            self.queue_panel,
            self.layers_panel,
            self.review_panel,
            self.profile_panel,
            self.statistics_panel,
            self.places_panel,
            self.relief_panel,
            self.model_panel,
        ]
        visible = [place for place in places if place.isVisible()]
        now = QApplication.focusWidget()
        here = next(
            (
                place
                for place, part in enumerate(visible)
                if now is part or (now is not None and part.isAncestorOf(now))
            ),
            -1,
        )
        target = visible[(here + 1) % len(visible)]
        target.activateWindow()
        target.setFocus(Qt.FocusReason.TabFocusReason)
        if isinstance(target, Panel) and target.focusProxy() is None:
            inner = target.nextInFocusChain()
            if inner is not None and target.isAncestorOf(inner):
                inner.setFocus(Qt.FocusReason.TabFocusReason)

    def edit_filter(self) -> None:
        """Puts the focus into the filter."""
        self.top_bar.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.top_bar.filter.selectAll()

    def edit_search(self) -> None:
        """Puts the focus into the search."""
        if self.workspace is not None and not self.workspace.finding.searchable:
            self.workspace.say("The tiles of this dataset have no texts that can be searched: filter them with /.")
            return
        self.top_bar.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.top_bar.search.selectAll()

    def edit_words(self) -> None:
        """Shows the line for words that tiles are like, and puts the focus into it."""
        self.docks.show_model()
        if self.workspace is None:
            return
        if self.workspace.likeness.is_possible:
            self.model_panel.edit_words()
        else:
            self.workspace.say(CHOOSE)

    def edit_note(self) -> None:
        """Puts the focus into the note."""
        self.docks.show_review()
        self.review_panel.edit_note()

    def go_to(self) -> None:
        """Asks for a tile's name or number."""
        if self.workspace is not None:
            GoToDialog(self.workspace, self).show()

    def open_dataset(self) -> None:
        """Asks for a folder."""
        dialog = OpenDialog(self._jobs, self)
        dialog.chosen.connect(self.open_path)
        dialog.describe.connect(self._describe)
        dialog.show()

    def describe_folders(self) -> None:
        """Asks for a folder, and for what its folders hold."""
        asked = "" if self._asked is None else str(self._asked)
        name = QFileDialog.getExistingDirectory(self, "The folder that holds parallel folders", asked)
        if name:
            self._describe(Path(name))

    def unpack_archives(self) -> None:
        """Shows the dialog that unpacks the archives of the dataset; what it has unpacked is opened."""
        workspace = self.workspace
        archives = () if workspace is None else archives_of(workspace.dataset.tree)
        if workspace is not None and archives:
            dialog = UnpackDialog(archives, self._jobs, self)
            dialog.unpacked.connect(partial(self._unpacked, workspace))
            dialog.show()

    def _unpacked(self, workspace: Workspace, folder: Path) -> None:
        """Opens what was unpacked, with what was decided about it in the archives."""
        if workspace is self.workspace and self._may_leave():
            workspace.save_session()
            try:
                carry_decisions(workspace.dataset, workspace.opened.project.directory, folder)
            except RsviewerError as error:
                workspace.say(str(error))
        self.open_path(folder)

    def _describe(self, root: Path) -> None:
        dialog = DescribeDialog(root, self._jobs, self)
        dialog.chosen.connect(self.open_path)
        dialog.show()

    def export(self) -> None:
        """Shows the export dialog."""
        if self.workspace is not None:
            ExportDialog(self.workspace, self).show()

    def convert_tiles(self) -> None:
        """Asks what tiles are to be converted into, and where to."""
        if self.workspace is not None:
            dialog = ConvertDialog(self.workspace, self)
            dialog.wants_opened.connect(self.open_path)
            dialog.show()

    def cut_rasters(self) -> None:
        """Asks for large rasters that are to be cut into tiles, and how."""
        dialog = CutDialog(self._jobs, self)
        dialog.wants_opened.connect(self.open_path)
        dialog.show()

    def show_keys(self) -> None:
        """Shows the cheat sheet."""
        KeysDialog(self.actions_, self).show()

    def show_palette(self) -> None:
        """Shows the list of all commands."""
        PaletteDialog(self.actions_, self).show()

    def about(self) -> None:
        """Shows version and licence."""
        QMessageBox.about(
            self, "rsviewer", f"rsviewer {__version__}\n\nMIT licence. Look at every tile; decide what is good."
        )

    def _tell_keys(self) -> None:
        keys = bindings(self.preferences.key_preset, self.preferences.keys)
        for panel in (
            self.review_panel,
            self.profile_panel,
            self.relief_panel,
            self.model_panel,
            self.suspicion_panel,
        ):
            panel.set_keys(keys)

    def preferences_changed(self, preferences: Preferences) -> None:
        """Takes new preferences and keeps them."""
        self.preferences = preferences
        self.actions_.bind(bindings(preferences.key_preset, preferences.keys))
        self._tell_keys()
        self.relief_panel.set_points(preferences.points)
        self.apply_theme()
        if self.workspace is not None:
            self.workspace.take_preferences(
                cache_bytes=preferences.cache_bytes,
                thumbnail_bytes=preferences.thumbnail_bytes,
                anomalies=preferences.anomalies,
                reviewer=preferences.reviewer or login_name(),
            )
        try:
            save(preferences_path(), preferences)
        except RsviewerError as error:
            if self.workspace is not None:
                self.workspace.say(str(error))

    def save_elsewhere(self) -> None:
        """Asks where to keep all decisions."""
        self._ask_elsewhere()

    def _ask_elsewhere(self) -> bool:
        name, _ = QFileDialog.getSaveFileName(self, "Keep all decisions in", "decisions.sqlite", "Decisions (*.sqlite)")
        if not name or self.workspace is None:
            return False
        try:
            self.workspace.save_elsewhere(Path(name))
        except SaveError as error:
            QMessageBox.warning(self, "rsviewer", plain_tip(str(error)))
            return False
        return True

    def save_picture(self) -> None:
        """Asks for a file and saves the window as a picture."""
        name, _ = QFileDialog.getSaveFileName(self, "Save the window as", "rsviewer.png", "PNG (*.png)")
        if name and not self.grab().save(name) and self.workspace is not None:
            self.workspace.say(f"The picture could not be written to {name}.")

    def preferences_dialog(self) -> None:
        """Shows the preferences."""
        decisions = () if self.workspace is None else self.workspace.review.decisions.values()
        in_use = Counter(tag for decision in decisions for tag in decision.anomalies)
        dialog = PreferencesDialog(self.preferences, self, tags_in_use=in_use)
        dialog.changed.connect(self.preferences_changed)
        dialog.show()

    def quit(self) -> None:
        """Closes the window."""
        self.close()


def _state_path() -> Path:
    return preferences_path().with_name("window.json")


def _remember(path: Path, opened: Opened) -> None:
    """Puts a dataset among those opened last. A failure is not the user's business."""
    dataset = opened.dataset
    place = path.absolute() if path.suffix.lower() == ".toml" else dataset.root
    recent = RecentDataset(str(place), dataset.title, dataset.format, len(opened.index), opened.clock())
    try:
        remember(recent)
    except RsviewerError as error:
        log.info("%s", error)


def _give_back(opened: Opened) -> None:
    """Closes a dataset that nobody wants any more."""
    if opened.store is not None:
        opened.store.close()
    opened.close()


def _dropped(event: QDropEvent) -> Path | None:
    """The one local folder or file that is being dropped; None for anything else."""
    urls = event.mimeData().urls()
    return Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
