"""Going to a tile by its name, by a number in its name, or by its place in the queue."""

import re
from dataclasses import dataclass

from PySide6.QtWidgets import QWidget

from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import TileId, printable
from rsviewer.ui.dialogs.finder import Finder, Hit
from rsviewer.ui.mainthread import MainThread
from rsviewer.workspace.background import Wanted
from rsviewer.workspace.workspace import Workspace

MOST = 100
FROM_HERE = 20
"""So many tiles of the queue are offered before anything is typed."""

PLACE = re.compile(r"#?\s*([0-9][0-9,.' ]*)")


@dataclass(frozen=True, slots=True)
class Found:
    """What the index says of a typed text."""

    ordinals: tuple[int, ...]
    hits: tuple[tuple[TileId, str, tuple[str, ...]], ...]
    error: str = ""


class GoToDialog(Finder):
    """Tiles that the typed text may mean, best first. "#17" is the seventeenth tile of the queue."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__("Go to tile", "name or number of a tile, or # and a place in the queue", (560, 440), parent)
        self._workspace = workspace
        self._found: dict[str, Found] = {}
        self._targets: list[TileId | int] = []
        self._home = MainThread(self)
        self._search = Wanted("go to", self._ask, self._found.__contains__, self._file, 1)
        self.look_up("")

    def look_up(self, text: str) -> None:
        """Shows what is known at once, and the tiles of the index when they are found."""
        text = text.strip()
        if not text or text.startswith("#"):
            self._search.want(())
            self._show(text, Found((), ()))
        elif text in self._found:
            self._show(text, self._found[text])
        else:
            self._search.want((text,))

    def choose(self, row: int) -> None:
        """Goes there; the filter is taken away where it hides the tile."""
        target, workspace = self._targets[row], self._workspace
        self.close()
        if isinstance(target, int):
            workspace.go_to(target)
        else:
            workspace.show_tile(target)

    def leaving(self) -> None:
        """Ends the search."""
        self._search.close()
        self._home.close()

    def _ask(self, text: str) -> Found:
        """On the worker."""
        try:
            index = self._workspace.index
            ordinals = index.find(text, MOST)
            return Found(
                tuple(ordinals), tuple((entry.id, entry.group, entry.splits) for entry in index.entries(ordinals))
            )
        except (RsviewerError, IndexError) as error:
            return Found((), (), str(error))

    def _file(self, text: str, found: Found) -> None:
        """On the worker."""
        self._found[text] = found
        self._home.post(self._arrived)

    def _arrived(self) -> None:
        text = self.field.text().strip()
        if text in self._found and not self._closed:
            self._show(text, self._found[text])

    def _show(self, text: str, found: Found) -> None:
        queue = self._workspace.queue
        hits: list[Hit] = []
        targets: list[TileId | int] = []
        for ordinal, (tile, group, splits) in zip(found.ordinals, found.hits, strict=True):
            at = queue.find(ordinal) if len(hits) < MOST else None
            place = "hidden by the filter" if at is None else f"#{at + 1:,}"
            detail = "  ".join(filter(None, (group if not tile.startswith(f"{group}/") else "", ", ".join(splits))))
            hits.append(Hit(tile, _marks(text, tile), printable(detail), place))
            targets.append(tile)
        at = _place(text, len(queue))
        places = [] if at is None else [at]
        if not text:
            places = list(range(queue.at, min(queue.at + FROM_HERE, len(queue))))
        for at in places:
            tile = self._workspace.finding.entry_at(int(queue.ordinals[at])).id
            hits.append(Hit(f"#{at + 1:,}", detail=tile, right="place in the queue" if text else ""))
            targets.append(at)
        self._targets = targets
        self.show_hits(hits)
        self.note.setText(found.error or _note(text, len(found.hits), len(queue)))


def _place(text: str, length: int) -> int | None:
    """The zero-based place in the queue that a text names; None where it names none."""
    match = PLACE.fullmatch(text)
    number = int(re.sub(r"\D", "", match[1])) if match else 0
    return number - 1 if 1 <= number <= length else None


def _marks(text: str, tile: TileId) -> frozenset[int]:
    start = tile.lower().rfind(text.lower())
    return frozenset(range(start, start + len(text))) if start >= 0 else frozenset()


def _note(text: str, found: int, queue: int) -> str:
    if not text:
        return f"The queue has {queue:,} tiles; these come next."
    if text.startswith("#"):
        return f"# is followed by a number from 1 to {queue:,}."
    if not found:
        return f"No tile is called {text}."
    return f"The first {found:,} matches." if found == MOST else f"{found:,} {'match' if found == 1 else 'matches'}."
