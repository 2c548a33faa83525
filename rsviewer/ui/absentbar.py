"""The line below the panes that names the layers which this tile does not have, and need not have."""

from collections.abc import Iterable

from PySide6.QtWidgets import QHBoxLayout

from rsviewer.core.tile import LayerSpec
from rsviewer.data.content import absence
from rsviewer.ui.fields import Elided
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.news import Changed

ABSENT = "Not on this tile"


class AbsentBar(Panel):
    """Hidden where the tile has everything. An empty pane for each would take the room of those that show something."""

    watches = Changed.TILE | Changed.QUEUE | Changed.VIEW

    def __init__(self) -> None:
        super().__init__()
        self.words = Elided()
        row = QHBoxLayout(self)
        row.setContentsMargins(4 * UNIT, UNIT, 4 * UNIT, UNIT)
        row.addWidget(self.words, 1)
        self.setVisible(False)

    def set_theme(self, theme: Theme) -> None:
        """Draws in other colours."""
        self.words.setStyleSheet(f"color: {theme.dim.name()};")
        super().set_theme(theme)

    def show_state(self) -> None:
        """Names what the current tile lacks."""
        entry = None if self.workspace is None else self.workspace.entry
        absent = () if self.workspace is None or entry is None else self.workspace.looks.absent(entry)
        self.words.setText(in_words(absent))
        self.words.setToolTip(plain_tip("\n".join(absence(spec) for spec in absent)))
        self.setVisible(bool(absent))


def in_words(absent: Iterable[LayerSpec]) -> str:
    """Example: "Not annotated: land cover, crop types". What formats say before a colon of why a layer is absent goes first."""
    titles: dict[str, list[str]] = {}
    for spec in absent:
        why, colon, _ = spec.absent.partition(":")
        titles.setdefault(why if colon else ABSENT, []).append(spec.title)
    return "     ".join(f"{why}: {', '.join(named)}" for why, named in titles.items())
