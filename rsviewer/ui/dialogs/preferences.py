"""What one person likes, in every project."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QTabWidget,
    QWidget,
)

from rsviewer.data.plugins import Plugin, available
from rsviewer.data.settings import LIMITS, Preferences, Theme
from rsviewer.ui.dialogs.dialog import Dialog, Words, dim_label
from rsviewer.ui.dialogs.keyspage import KeysPage
from rsviewer.ui.dialogs.tagspage import TagsPage
from rsviewer.ui.theme import UNIT

MB = 1_000_000
MOST_MB = 1_000_000
MOST_THREADS = 64
OF_OTHERS = "Programs of other people: what is on is run whenever a dataset is opened. It counts from the next one."
THEMES = {Theme.SYSTEM: "As the desktop", Theme.DARK: "Dark", Theme.LIGHT: "Light"}


class PreferencesDialog(Dialog):
    """Three pages. What would not work is said where it is and keeps OK and Apply from being pressed.

    Args:
        preferences: as they are.
        tags_in_use: tag -> on how many tiles of the open dataset it is.

    Signals:
        changed: the new Preferences.
    """

    changed = Signal(object)

    def __init__(
        self, preferences: Preferences, parent: QWidget | None = None, *, tags_in_use: Mapping[str, int] | None = None
    ) -> None:
        super().__init__("Preferences", (720, 640), parent)
        self._preferences = preferences
        self.general = GeneralPage(preferences, available())
        self.keys = KeysPage(preferences.key_preset, preferences.keys)
        self.tags = TagsPage(preferences.anomalies, tags_in_use or {})
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.tabBar().setDrawBase(False)
        for page, title in ((self.general, "General"), (self.keys, "Keys"), (self.tags, "Tags")):
            self.tabs.addTab(page, title)
            page.edited.connect(self._check)
        self.words = Words()
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Apply | standard.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.close)
        self.buttons.button(standard.Apply).clicked.connect(self.apply)
        self.buttons.button(standard.Ok).setDefault(True)
        self.column.addWidget(self.tabs, 1)
        self.column.addWidget(self.words)
        self.column.addWidget(self.buttons)
        self.tabs.currentChanged.connect(self._check)
        self._check()

    @property
    def chosen(self) -> Preferences:
        """What the pages say now."""
        return replace(
            self.general.chosen(self._preferences),
            key_preset=self.keys.preset,
            keys=dict(self.keys.own),
            anomalies=self.tags.anomalies,
        )

    def apply(self) -> None:
        """Takes everything and stays."""
        if self._problems():
            return
        chosen = self.chosen
        if chosen != self._preferences:
            self._preferences = chosen
            self.changed.emit(chosen)
        self._check()

    def accept(self) -> None:
        """Takes everything and closes."""
        if not self._problems():
            self.apply()
            self.close()

    def _problems(self) -> list[str]:
        places = (("Keys", self.keys.problems), ("Tags", self.tags.problems))
        return [f"{page}: {problem}" for page, problems in places for problem in problems]

    def _check(self) -> None:
        problems = self._problems()
        here = self.tabs.tabText(self.tabs.currentIndex())
        elsewhere = [problem for problem in problems if not problem.startswith(f"{here}:")]
        self.words.say(elsewhere[0] if elsewhere else "", "bad")
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not problems)
        self.buttons.button(QDialogButtonBox.StandardButton.Apply).setEnabled(
            not problems and self.chosen != self._preferences
        )


class GeneralPage(QWidget):
    """Name, theme, memory, thumbnails, threads, points in 3D, motion, formats of other packages where there are any.

    Signals:
        edited: something was changed.
    """

    edited = Signal()

    def __init__(self, preferences: Preferences, plugins: Sequence[Plugin] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reviewer = QLineEdit(preferences.reviewer, placeholderText="your login name")
        self.reviewer.textChanged.connect(self.edited)
        self.theme = QComboBox()
        for theme, title in THEMES.items():
            self.theme.addItem(title, theme)
        self.theme.setCurrentIndex(list(THEMES).index(preferences.theme))
        self.theme.currentIndexChanged.connect(self.edited)
        least = int(LIMITS[Preferences, "cache_bytes"][0])
        self.memory = QSpinBox(suffix=" MB")
        self.memory.setGroupSeparatorShown(True)
        self.memory.setRange(-(-least // MB), MOST_MB)
        self.memory.setSingleStep(256)
        self.memory.setValue(preferences.cache_bytes // MB)
        self.memory.valueChanged.connect(self.edited)
        self.thumbnails = QSpinBox(suffix=" MB")
        self.thumbnails.setGroupSeparatorShown(True)
        self.thumbnails.setRange(-(-int(LIMITS[Preferences, "thumbnail_bytes"][0]) // MB), MOST_MB)
        self.thumbnails.setSingleStep(500)
        self.thumbnails.setValue(preferences.thumbnail_bytes // MB)
        self.thumbnails.valueChanged.connect(self.edited)
        self.threads = QSpinBox()
        self.threads.setSpecialValueText("as the machine allows")
        self.threads.setRange(0, max(MOST_THREADS, preferences.threads))
        self.threads.setValue(preferences.threads)
        self.threads.valueChanged.connect(self.edited)
        self.points = QSpinBox()
        self.points.setGroupSeparatorShown(True)
        self.points.setRange(*map(int, LIMITS[Preferences, "points"]))
        self.points.setSingleStep(100_000)
        self.points.setValue(preferences.points)
        self.points.valueChanged.connect(self.edited)
        self.motion = QCheckBox("Pictures may fade and slide")
        self.motion.setChecked(preferences.motion)
        self.motion.toggled.connect(self.edited)
        for number in (self.memory, self.thumbnails, self.threads, self.points):
            number.lineEdit().setTextMargins(UNIT, 0, UNIT, 0)
        form = QFormLayout(self)
        form.setContentsMargins(4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT)
        form.setHorizontalSpacing(4 * UNIT)
        form.setVerticalSpacing(2 * UNIT)
        form.addRow("&Reviewer", self.reviewer)
        form.addRow("", dim_label("The name that is written beside every decision.", wrap=True))
        form.addRow("&Theme", self.theme)
        form.addRow("&Memory", self.memory)
        form.addRow(
            "", dim_label("For decoded tiles: more lets you go back and forth without reading again.", wrap=True)
        )
        form.addRow("T&humbnails", self.thumbnails)
        form.addRow("", dim_label("On disk, for each project: the small pictures of the gallery.", wrap=True))
        form.addRow("&Readers", self.threads)
        form.addRow("", dim_label("Threads that read and paint; another number counts from the next start.", wrap=True))
        form.addRow("&Points in 3D", self.points)
        form.addRow("", dim_label("Of a larger height so many are drawn while it moves, and all at rest.", wrap=True))
        form.addRow("Motion", self.motion)
        self.plugins = {plugin.name: QCheckBox(_words(plugin)) for plugin in plugins}
        for name, box in self.plugins.items():
            box.setChecked(name in preferences.plugins)
            box.toggled.connect(self.edited)
            form.addRow("" if name != plugins[0].name else "Formats", box)
        if self.plugins:
            form.addRow("", dim_label(OF_OTHERS, wrap=True))

    def chosen(self, preferences: Preferences) -> Preferences:
        """The preferences with what this page says."""
        memory, thumbnails = self.memory.value(), self.thumbnails.value()
        return replace(
            preferences,
            reviewer=self.reviewer.text().strip(),
            theme=list(THEMES)[self.theme.currentIndex()],
            cache_bytes=preferences.cache_bytes if memory == preferences.cache_bytes // MB else memory * MB,
            thumbnail_bytes=preferences.thumbnail_bytes
            if thumbnails == preferences.thumbnail_bytes // MB
            else thumbnails * MB,
            threads=self.threads.value(),
            motion=self.motion.isChecked(),
            points=self.points.value(),
            plugins=(
                *(name for name in preferences.plugins if name not in self.plugins),
                *(name for name, box in self.plugins.items() if box.isChecked()),
            ),
        )


def _words(plugin: Plugin) -> str:
    return f"{plugin.name}, of {plugin.distribution or plugin.module}".replace("&", "&&")
