"""Saving what 3D shows: as a picture of any size, and as a turn round the tile."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import psutil
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QSpinBox, QWidget

from rsviewer.core.camera import Camera
from rsviewer.core.drawing import Drawing
from rsviewer.core.render import Pixels
from rsviewer.core.turning import around, shows_all, turn
from rsviewer.data.animations import MOST, RATES, Format, write_gif, write_mp4
from rsviewer.data.pngfile import write_png
from rsviewer.ui.dialogs.dialog import dim_label, form_layout, spread
from rsviewer.ui.dialogs.saving import SavingDialog, Work, file_stem
from rsviewer.ui.fields import quiet
from rsviewer.ui.relief.printing import Ground, Look, Printing
from rsviewer.ui.theme import DARK, LIGHT, UNIT
from rsviewer.workspace.background import Job
from rsviewer.workspace.workspace import Workspace

LARGEST: Final = 16384
"""Pixels each way of a picture."""
SMALLEST: Final = 64
OF_MEMORY: Final = 0.8
"""Share of the free memory that a picture may take."""
GROUNDS: Final = {Ground.SCREEN: "As on the screen", Ground.WHITE: "White", Ground.NONE: "None (transparent)"}
OWN: Final = "Other"

ANIMATION_SIZES: Final = ((640, 480), (960, 720), (1280, 720), (1920, 1080))
ANIMATION_SIZE: Final = (960, 720)
SECONDS: Final = 8
LONGEST_S: Final = 120
RATE: Final = {Format.GIF: 12.5, Format.MP4: 30.0}
FORMATS: Final = {
    Format.MP4: "MP4 video: small and smooth, for slides and players",
    Format.GIF: "GIF: plays everywhere, for web pages and e-mails; large files",
}
SAMPLES: Final = 8
"""Pictures of a turn from which the colours of a GIF are chosen."""
LABELS_ROOM: Final = 1.2
"""Around a tile with labelled axes, as a factor."""
ROOM: Final = 1.08

BYTES: Final = {Format.GIF: 0.2, Format.MP4: 0.025}
"""Of a pixel of a frame, roughly: measured on tiles of a city."""
PATIENCE_S: Final = 2.0
"""Before which nobody can tell how long it takes."""


class Draws(Protocol):
    """Draws pictures for whoever waits: see `rsviewer.ui.relief.rendering.Rendering`."""

    def drawn(self, drawing: Drawing) -> Pixels:
        """A picture; on any thread but the GUI's."""


class _ReliefDialog(SavingDialog):
    """What both have: a size, what is behind the tile, and what is written around it.

    Args:
        title, size, workspace: see `SavingDialog`.
        rendering: draws.
        drawing: what is on the screen.
    """

    def __init__(
        self,
        title: str,
        size: tuple[int, int],
        workspace: Workspace,
        rendering: Draws,
        drawing: Drawing,
        parent: QWidget | None,
    ) -> None:
        super().__init__(title, size, workspace, parent)
        self._rendering = rendering
        self._drawing = drawing
        self.form = form_layout()
        self.column.addLayout(self.form)

    def add_size(self, presets: list[tuple[str, tuple[int, int]]], largest: int) -> None:
        """A choice of sizes, and two numbers for any other."""
        self._sizes = [size for _, size in presets]
        self.preset = QComboBox()
        self.preset.addItems([words for words, _ in presets])
        self.preset.addItem(OWN)
        self.width_field, self.height_field = (_number(SMALLEST, largest, " px") for _ in range(2))
        self.width_field.setAccessibleName("Width")
        self.height_field.setAccessibleName("Height")
        self.keep = _check("Keep proportions")
        self.form.addRow("&Size", self.preset)
        self.form.addRow("", spread([self.width_field, QLabel("×"), self.height_field, self.keep]))
        self._proportions = 1.0
        self.preset.activated.connect(self._take_preset)
        self.keep.toggled.connect(self._remember_proportions)
        self.width_field.valueChanged.connect(lambda _: self._resize(by_width=True))
        self.height_field.valueChanged.connect(lambda _: self._resize(by_width=False))

    def add_looks(self, grounds: list[Ground]) -> None:
        """What is behind and around the tile."""
        self.ground = QComboBox()
        for ground in grounds:
            self.ground.addItem(GROUNDS[ground], ground)
        self.axes = _check("Axes with numbers", on=self._drawing.style.grid)
        self.key = _check("Name of the tile, and what the colours mean")
        self.smooth = _check("Smooth edges (draws four times as many pixels)")
        self.form.addRow("&Background", self.ground)
        self.form.addRow("With", self.axes)
        self.form.addRow("", self.key)
        self.form.addRow("", self.smooth)

    def choose_size(self, place: int) -> None:
        """Takes a size from the list."""
        self.preset.setCurrentIndex(place)
        self._take_preset()

    @property
    def look(self) -> Look:
        """What is asked for."""
        return Look(
            self.width_field.value(),
            self.height_field.value(),
            Ground(self.ground.currentData()),
            self.axes.isChecked(),
            self.key.isChecked(),
            self.smooth.isChecked(),
        )

    def changed(self) -> None:
        """Something was chosen: says whether it will do."""
        look, free = self.look, psutil.virtual_memory().available
        too_much = look.nbytes > OF_MEMORY * free
        self.refuse(
            f"{look.width:,} × {look.height:,} pixels need {look.nbytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
            "free. Choose a smaller size, or close other programs."
            if too_much
            else ""
        )

    def printing(self) -> Callable[[], Printing]:
        """What makes pictures as the options are now. Called on the GUI thread; its answer is called on a worker."""
        theme = DARK if self.palette().window().color().lightness() < 128 else LIGHT
        drawing, look, draw, font = self._drawing, self.look, self._rendering.drawn, self.font()
        tables = self.workspace.opened.color_table
        return lambda: Printing(drawing, look, draw, theme, font, tables)

    def _take_preset(self) -> None:
        if self.preset.currentIndex() < len(self._sizes):
            width, height = self._sizes[self.preset.currentIndex()]
            with quiet(self.width_field, self.height_field):
                self.width_field.setValue(width)
                self.height_field.setValue(height)
            self._remember_proportions()
        self.changed()

    def _remember_proportions(self) -> None:
        self._proportions = self.width_field.value() / self.height_field.value()

    def _resize(self, *, by_width: bool) -> None:
        if self.keep.isChecked():
            with quiet(self.width_field, self.height_field):
                if by_width:
                    self.height_field.setValue(round(self.width_field.value() / self._proportions))
                else:
                    self.width_field.setValue(round(self.height_field.value() * self._proportions))
        now = (self.width_field.value(), self.height_field.value())
        with quiet(self.preset):
            self.preset.setCurrentIndex(self._sizes.index(now) if now in self._sizes else len(self._sizes))
        self.changed()


class SavePictureDialog(_ReliefDialog):
    """Saves what 3D shows as PNG.

    Args:
        workspace: of the tile.
        rendering: draws.
        drawing: what is on the screen.
        parent: the window.
    """

    def __init__(self, workspace: Workspace, rendering: Draws, drawing: Drawing, parent: QWidget | None = None) -> None:
        super().__init__("Save 3D picture", (460, 340), workspace, rendering, drawing, parent)
        here = (min(drawing.width, LARGEST), min(drawing.height, LARGEST))
        sizes = [("As on the screen", here), ("Full HD", (1920, 1080)), ("4K", (3840, 2160)), ("Print", (6000, 4000))]
        self.add_size([(f"{words}, {size[0]} × {size[1]}", size) for words, size in sizes], LARGEST)
        self.add_looks(list(Ground))
        self.build_foot()
        self.choose_size(0)

    def suggestion(self) -> tuple[str, str, str]:
        """See `SavingDialog`."""
        return file_stem(self._drawing.relief.tile, "-3d"), "png", "PNG picture"

    def work(self, path: Path, *, overwrite: bool) -> tuple[str, Work]:
        """See `SavingDialog`."""
        prints, transparent = self.printing(), self.look.ground is Ground.NONE

        def work(job: Job) -> bool:
            printing = prints()
            for done, total in printing.picture():
                job.progress(done, total + 1)
                if job.stop.is_set():
                    return False
            write_png(path, printing.pixels, transparent=transparent, overwrite=overwrite)
            return True

        return "Saving a picture", work


class SaveAnimationDialog(_ReliefDialog):
    """Saves a turn round the tile as GIF or MP4.

    Args:
        workspace: of the tile.
        rendering: draws.
        drawing: what is on the screen: the first picture.
        parent: the window.
    """

    def __init__(self, workspace: Workspace, rendering: Draws, drawing: Drawing, parent: QWidget | None = None) -> None:
        super().__init__("Save 3D animation", (480, 480), workspace, rendering, drawing, parent)
        self._since = 0.0
        self.format = QComboBox()
        for kind, words in FORMATS.items():
            self.format.addItem(words, kind)
        self.form.addRow("&Format", self.format)
        self.add_size([(f"{width} × {height}", (width, height)) for width, height in ANIMATION_SIZES], MOST)
        self.seconds = _number(1, LONGEST_S, " s for a turn")
        self.seconds.setValue(SECONDS)
        self.seconds.setAccessibleName("Seconds for a turn")
        self.rate = QComboBox()
        self.rate.setAccessibleName("Frames per second")
        self.form.addRow("Speed", spread([self.seconds, self.rate]))
        self.direction = QComboBox()
        self.direction.addItem("The front moves to the right", userData=True)
        self.direction.addItem("The front moves to the left", userData=False)
        self.form.addRow("&Direction", self.direction)
        self.whole = _check("Keep the whole tile in the picture", on=shows_all(drawing))
        self.add_looks([Ground.SCREEN, Ground.WHITE])
        self.form.addRow("", self.whole)
        self.count = dim_label("", wrap=True)
        self.form.addRow("", self.count)
        self.build_foot()
        self.format.currentIndexChanged.connect(self._offer_rates)
        self.rate.currentIndexChanged.connect(self.changed)
        self.seconds.valueChanged.connect(self.changed)
        self._offer_rates()
        self.choose_size(ANIMATION_SIZES.index(ANIMATION_SIZE))

    @property
    def kind(self) -> Format:
        """What it is saved as."""
        return Format(self.format.currentData())

    @property
    def frames(self) -> int:
        """Of the whole turn."""
        return max(2, round(self.seconds.value() * float(self.rate.currentData())))

    def changed(self) -> None:
        """Something was chosen: says whether it will do, and how much it is."""
        super().changed()
        look, kind = self.look, self.kind
        if kind is Format.MP4 and (look.width % 2 or look.height % 2):
            self.refuse("Width and height of an MP4 are even numbers.")
        megabytes = self.frames * look.width * look.height * BYTES[kind] / 1e6
        self.count.setText(f"{self.frames:,} frames, roughly {_round(megabytes)} MB")

    def suggestion(self) -> tuple[str, str, str]:
        """See `SavingDialog`."""
        kind = self.kind
        return file_stem(self._drawing.relief.tile, "-turn"), kind, "MP4 video" if kind is Format.MP4 else "GIF"

    def work(self, path: Path, *, overwrite: bool) -> tuple[str, Work]:
        """See `SavingDialog`."""
        prints, kind, count, rate = self.printing(), self.kind, self.frames, float(self.rate.currentData())
        to_right, whole, axes = bool(self.direction.currentData()), self.whole.isChecked(), self.axes.isChecked()
        self._since = time.monotonic()

        def work(job: Job) -> bool:
            printing = prints()
            shown = printing.drawing
            start = around(shown, LABELS_ROOM if axes else ROOM) if whole else shown.camera
            cameras = turn(start, count, to_right=to_right)
            sampled = cameras[:: max(1, count // SAMPLES)] if kind is Format.GIF else []
            job.progress(0, len(sampled) + count)

            def drawn(chosen: list[Camera]) -> Iterator[Pixels]:
                for camera in chosen:
                    for _ in printing.picture(camera):
                        if job.stop.is_set():
                            return
                    yield printing.pixels
                    job.progress(job.done + 1, job.total)

            samples = [pixels[::2, ::2].copy() for pixels in drawn(sampled)]
            if job.stop.is_set():
                return False
            if kind is Format.GIF:
                return write_gif(path, drawn(cameras), samples, rate=rate, stopped=job.stop.is_set, overwrite=overwrite)
            return write_mp4(path, drawn(cameras), rate=rate, stopped=job.stop.is_set, overwrite=overwrite)

        return "Saving an animation", work

    def describe(self, job: Job) -> str:
        """How far it is, and how long it will take."""
        words = super().describe(job)
        elapsed = time.monotonic() - self._since
        if not job.total or not job.done or elapsed < PATIENCE_S:
            return words
        left = elapsed / job.done * (job.total - job.done)
        return f"{words} frames, about {_time(left)} left"

    def _offer_rates(self) -> None:
        kind = self.kind
        with quiet(self.rate):
            self.rate.clear()
            for rate in RATES[kind]:
                self.rate.addItem(f"{rate:.3g} frames per second", rate)
            self.rate.setCurrentIndex(RATES[kind].index(RATE[kind]))
        self.changed()


def _number(low: int, high: int, unit: str) -> QSpinBox:
    field = QSpinBox(minimum=low, maximum=high, suffix=unit)
    field.setKeyboardTracking(False)
    field.lineEdit().setTextMargins(UNIT, 0, UNIT, 0)
    return field


def _check(words: str, *, on: bool = True) -> QCheckBox:
    box = QCheckBox(words)
    box.setChecked(on)
    return box


def _round(megabytes: float) -> str:
    return f"{megabytes:.0f}" if megabytes >= 10 else f"{megabytes:.1f}"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
