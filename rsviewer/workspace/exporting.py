"""What an export of the open dataset would leave out: the plan, and the numbers that are shown before it is written."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

from rsviewer.core.errors import ExportError
from rsviewer.core.review import Decision
from rsviewer.core.splits import ExportOptions, ExportPlan, Reason, diff, plan
from rsviewer.core.tile import TileId
from rsviewer.data.export import files_of
from rsviewer.workspace.opening import Opened

MOST_DIFF_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with what people want to know of it.

    Attributes:
        plan: what is left out.
        tiles: how many tiles have files.
        undecided: how many of them have no verdict.
        tags: tag -> how many of them have it, on the tile or on a region; only tags in use.
        not_found: how many tiles are named by a list and have no files.
        reasons: reason -> how many tiles are left out for it.
        files: what is written, besides the manifest.
        diff: all changes as a unified diff, at most MOST_DIFF_LINES.
        diff_is_whole: False where the diff is cut off.
    """

    plan: ExportPlan
    tiles: int
    undecided: int
    tags: Mapping[str, int]
    not_found: int
    reasons: Mapping[Reason, int]
    files: tuple[str, ...]
    diff: tuple[str, ...]
    diff_is_whole: bool


def plan_export(
    opened: Opened,
    decisions: Mapping[TileId, Decision],
    options: ExportOptions,
    tiles: Mapping[TileId, str] | None = None,
    progress: Callable[[int, int | None], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> ExportPlan:
    """What an export would leave out. Takes a while for many tiles; safe on any thread.

    Args:
        opened: the dataset, its index complete.
        decisions: what was decided; nobody changes it meanwhile.
        options: what is left out besides the dropped.
        tiles: what `opened.index.groups_of_tiles()` gave, where it is known already.
        progress: called with the lines read and the lines in all.
        stop: asked now and then; True ends it.

    Raises:
        StoppedError: `stop` said so.
        ExportError: nobody knows what was decided.
    """
    if opened.lost:
        raise ExportError(f"Nothing is exported, for what was decided cannot be read. {opened.lost}")
    known = opened.index.groups_of_tiles(stop) if tiles is None else tiles
    return plan(opened.dataset.lists, known, decisions, opened.adapter.tile_of_line, options, progress, stop)


def preview_export(
    opened: Opened,
    decisions: Mapping[TileId, Decision],
    options: ExportOptions,
    tiles: Mapping[TileId, str],
    progress: Callable[[int, int | None], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Preview:
    """The plan and its numbers. Arguments as for `plan_export`. Raises ExportError where it could not be written."""
    planned = plan_export(opened, decisions, options, tiles, progress, stop)
    lines = list(islice(_all_diffs(planned), MOST_DIFF_LINES + 1))
    here = [(tile, decision) for tile, decision in decisions.items() if tile in tiles]
    return Preview(
        plan=planned,
        tiles=len(tiles),
        undecided=len(tiles) - sum(decision.is_reviewed for _, decision in here),
        tags=Counter(chain.from_iterable(decision.anomalies for _, decision in here)),
        not_found=planned.not_found,
        reasons=Counter(planned.reasons),
        files=files_of(planned),
        diff=tuple(lines[:MOST_DIFF_LINES]),
        diff_is_whole=len(lines) <= MOST_DIFF_LINES,
    )


def _all_diffs(planned: ExportPlan) -> Iterator[str]:
    return chain.from_iterable(map(diff, planned.lists))
