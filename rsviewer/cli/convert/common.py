"""What all conversions have in common: which tiles, where to, how many at once, and what is said in the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rsviewer.cli.choosing import filtered, listed, named
from rsviewer.cli.console import complain, plain, plural, print_json, progress
from rsviewer.cli.open import queue_filter
from rsviewer.core.review import Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry

if TYPE_CHECKING:
    from rsviewer.batch.converting.running import Conversion, Preview
    from rsviewer.batch.crew import Crew
    from rsviewer.batch.runner import Progress

NAMED = 10
"""So many tiles that could not be converted are named; --json lists all."""
FEW = 8
"""Up to so many tiles no process is started for them: that takes as long as converting them."""
DONE, SOME_FAILED, ALL_FAILED = 0, 1, 2

OutOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder for the files; groups become folders in it.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All tiles.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=256, metavar="N", help="Worker processes, else one a core; 0 works in this one.", show_default=False
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")]
WithDroppedOption = Annotated[bool, typer.Option("--with-dropped", help="Also the tiles that were dropped.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tiles, as typed."""

    tile: list[str] | None
    every: bool
    split: str | None
    filter_text: str | None

    def check(self) -> None:
        """Raises BadParameter where nothing is chosen, or it is chosen twice."""
        if bool(self.tile) == (self.every or self.split is not None or self.filter_text is not None):
            raise typer.BadParameter(
                "name tiles with --tile, or take them with --all, --split or --filter.", param_hint="tiles"
            )


class Chosen(NamedTuple):
    """The dataset and the tiles of it that are meant; `left_out` are dropped ones, where those are left out."""

    dataset: Dataset
    entries: list[TileEntry]
    left_out: tuple[TileId, ...] = ()


@contextmanager
def chosen(
    path: Path, format_name: str | None, project: Path | None, choice: Choice, *, with_dropped: bool = True
) -> Iterator[Chosen]:
    """The tiles that are meant. Raises RsviewerError."""
    from rsviewer.cli.dataset import looked_at, read_decisions

    choice.check()
    with looked_at(path, format_name, project) as (dataset, adapter):
        entries = entries_of(dataset, adapter, project, choice)
        if with_dropped:
            yield Chosen(dataset, entries)
            return
        decisions = read_decisions(dataset, project)
        dropped = {tile for tile, decision in decisions.items() if decision.verdict is Verdict.DROP}
        kept = [entry for entry in entries if entry.id not in dropped]
        yield Chosen(dataset, kept, tuple(entry.id for entry in entries if entry.id in dropped))


def entries_of(dataset: Dataset, adapter: DatasetAdapter, project: Path | None, choice: Choice) -> list[TileEntry]:
    """The tiles that are meant, whatever was decided on them. Raises RsviewerError."""
    if choice.tile:
        return named(dataset, adapter, choice.tile)
    if choice.filter_text is None:
        return listed(dataset, adapter, choice.split)
    condition = queue_filter(choice.split, choice.filter_text) or ""
    return _filtered(dataset, adapter, project, condition)


def crew_of(workers: int | None, things: int) -> "Crew":
    """Who does the work."""
    from rsviewer.batch.crew import Here, Processes

    is_little = workers is None and things <= FEW
    return Here() if workers == 0 or is_little else Processes(workers or 0)


def carry_out(
    words: str, work: "Callable[[Progress], Conversion]", left_out: Sequence[TileId] = (), unit: str = "tiles"
) -> "Conversion":
    """Does it, with a bar. After Ctrl-C it is said how to go on."""
    try:
        with progress(words, unit) as report:
            result = work(report)
    except KeyboardInterrupt:
        complain("Stopped. What was written is whole; the same command goes on from there.")
        raise
    return replace(result, left_out=(*result.left_out, *left_out))


def report_result(result: "Conversion", out: Path, facts: dict[str, Any], *, as_json: bool) -> int:
    """Says what was done. Returns the command's exit status.

    Args:
        result: that.
        out: the folder.
        facts: what else the JSON document says.
        as_json: one document on stdout, in place of words.
    """
    if as_json:
        print_json(
            {
                "out": str(out),
                **facts,
                "tiles": result.tiles,
                "written": result.written,
                "skipped": result.skipped,
                "left_out": list(result.left_out),
                "failed": [{"tile": each.tile, "message": each.message} for each in result.failed],
                "remarks": [
                    {"message": each.message, "tiles": each.tiles, "first": each.first} for each in result.remarks
                ],
            }
        )
    else:
        _tell(result, out)
    for failure in result.failed[:NAMED]:
        complain(f"{failure.tile}: {failure.message}")
    if len(result.failed) > NAMED:
        complain(f"and {len(result.failed) - NAMED:,} more tiles: --json names them all.")
    if not result.failed:
        return DONE
    return SOME_FAILED if result.written or result.skipped else ALL_FAILED


def report_preview(preview: "Preview", out: Path, facts: dict[str, Any], *, as_json: bool) -> int:
    """Says what would be done. Returns the command's exit status. Arguments as for `report_result`."""
    left = preview.tiles - preview.there
    if as_json:
        document = {"out": str(out), **facts, "dry_run": True, "tiles": preview.tiles, "to_write": left}
        document |= {"skipped": preview.there, "left_out": list(preview.left_out)}
        print_json({**document, "examples": [str(path) for path in preview.examples]})
        return DONE
    there = f", {preview.there:,} there before" if preview.there else ""
    dropped = f", {plural(len(preview.left_out), 'dropped tile')} left out" if preview.left_out else ""
    print(f"Nothing was written. {plural(left, 'tile')} would be converted{there}{dropped}: {plain(str(out))}")
    for path in preview.examples:
        print(f"  {plain(str(path))}")
    if left > len(preview.examples) > 0:
        print("  ...")
    return DONE


def _tell(result: "Conversion", out: Path) -> None:
    there = f", {result.skipped:,} there before (--overwrite writes them anew)" if result.skipped else ""
    dropped = f", {plural(len(result.left_out), 'dropped tile')} left out" if result.left_out else ""
    lost = f", {plural(len(result.failed), 'tile')} could not be converted" if result.failed else ""
    print(f"{plural(result.written, 'tile')} written{there}{dropped}{lost}: {plain(str(out))}")
    for remark in result.remarks:
        print(f"{plural(remark.tiles, 'tile')}, first {plain(remark.first)}: {plain(remark.message)}")


def _filtered(dataset: Dataset, adapter: DatasetAdapter, project: Path | None, condition: str) -> list[TileEntry]:
    """The tiles that a filter keeps. Raises FilterError, and ProjectLockedError while a window has the project open."""
    from rsviewer.cli.dataset import current_index
    from rsviewer.data.project import Project

    with (
        Project.open(dataset.root, project, dataset_format=dataset.format) as opened,
        current_index(dataset, adapter, opened) as (index, _),
    ):
        return filtered(dataset, index, project, condition)
