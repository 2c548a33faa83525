"""What a workspace tells whoever listens."""

from dataclasses import dataclass
from enum import Flag, auto

from rsviewer.core.readout import Position, Reading
from rsviewer.core.review import Decision
from rsviewer.core.tile import TileId
from rsviewer.workspace.background import Job
from rsviewer.workspace.review import Saved


class Changed(Flag):
    """What a listener should look at again."""

    TILE = auto()
    PICTURE = auto()
    DECISION = auto()
    PREDICTION = auto()
    VIEW = auto()
    QUEUE = auto()
    STATUS = auto()
    RELIEF = auto()
    """What 3D shows, or how."""
    GALLERY = auto()
    """What the gallery shows, or which tiles are selected in it."""
    THUMBNAILS = auto()
    """Small pictures of the gallery have come."""
    PROFILE = auto()
    """The line along which heights are shown, or the heights along it."""
    STATISTICS = auto()
    """Something is known that was asked about many tiles."""
    SUSPICION = auto()
    """What the checks say of the tile, or of the dataset, and the run that finds it out."""
    REASONS = auto()
    """It is known now what the checks say of the current tile."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the status bar always says.

    Attributes:
        tile, group, splits: of the current tile.
        position: 1-based place in the queue; 0 in an empty queue.
        queue, total: tiles in the queue and in the dataset.
        decision: of the current tile.
        saved: whether everything decided is on disk.
        error: why not.
        reviewed, dropped: tiles decided so far in the whole dataset.
        per_minute: verdicts a minute over the last fifty; 0 while unknown.
        cache_bytes, cache_limit: memory for decoded tiles.
        ahead: layers still to be read or painted.
        jobs: what the background is doing.
        model: what the model is doing, and where; empty where none is chosen.
        message: the last thing worth saying, e.g. "Undo: drop on tile_7".
    """

    tile: TileId | None
    group: str
    splits: tuple[str, ...]
    position: int
    queue: int
    total: int
    decision: Decision
    saved: Saved
    error: str
    reviewed: int
    dropped: int
    per_minute: float
    cache_bytes: int
    cache_limit: int
    ahead: int
    jobs: tuple[Job, ...]
    model: str
    message: str


@dataclass(frozen=True, slots=True)
class Readout:
    """Every layer at the cursor; empty where the cursor is not on a tile."""

    tile: TileId | None = None
    position: Position | None = None
    readings: tuple[Reading, ...] = ()
