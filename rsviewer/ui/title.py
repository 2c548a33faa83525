"""The window's title: what the task bar shows, and what can be read of the program from outside."""

from rsviewer.core.review import Decision
from rsviewer.ui.statusbar import saved_words
from rsviewer.workspace.finding import FILTERING, READING_NAMES
from rsviewer.workspace.news import Status

PROGRAM = "rsviewer"
QUEUE_JOBS = (READING_NAMES, FILTERING)
"""While one of them runs, place and number of the tiles are not final."""


def window_title(status: Status, dataset: str, *, on_screen: bool) -> str:
    """Tile, place in the queue, decision, saved or not, e.g. "a/2 (2 of 6) · drop, cloud · saved — tiny — rsviewer".

    Args:
        status: of the workspace.
        dataset: its title.
        on_screen: whether the panes show the tile already. The title says "reading" while they do not, and while the queue
            is being filled.
    """
    if status.tile is None:
        return f"{dataset} — {PROGRAM}"
    reading = not on_screen or any(job.title in QUEUE_JOBS for job in status.jobs)
    parts = [
        f"{status.tile} ({status.position} of {status.queue})",
        _decision_words(status.decision),
        saved_words(status),
        *(["reading"] if reading else []),
    ]
    return f"{' · '.join(parts)} — {dataset} — {PROGRAM}"


def _decision_words(decision: Decision) -> str:
    parts = [str(decision.verdict), *decision.tags]
    if decision.regions:
        parts.append(f"{len(decision.regions)} region{'s' if len(decision.regions) > 1 else ''}")
    if decision.note:
        parts.append("note")
    return ", ".join(parts)
