"""`rsviewer check`: the automatic checks over a dataset, and which tiles are suspicious."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer import __version__
from rsviewer.cli.choosing import FilterOption, SplitOption, TileOption, chosen_places, chosen_words
from rsviewer.cli.console import complain, console, plain, plural, print_json, progress
from rsviewer.cli.dataset import current_index, read_decisions, writing
from rsviewer.cli.options import PATH, DaskOption, FormatOption, JsonOption, ProjectOption, check_target
from rsviewer.core.errors import StoppedError
from rsviewer.core.review import Verdict
from rsviewer.data.adapter import Dataset
from rsviewer.data.mounting import files_of

if TYPE_CHECKING:  # DuckDB and OpenCV are loaded where tiles are examined
    from rsviewer.batch.checking import Checked, Results
    from rsviewer.batch.crew import Crew
    from rsviewer.core.checks.check import Check
    from rsviewer.core.checks.suspicion import Reason, Threshold
    from rsviewer.core.tile import LayerSpec
    from rsviewer.data.index import TileIndex

NAMED = 10
"""So many tiles are named that could not be examined, and so many of the most suspicious; --json lists all."""
AT_ONCE = 10_000
"""Rows of a table that are in memory."""
REASONS = 3
"""So many reasons are said of each of these."""
TABLES = (".csv", ".parquet")
PAGES = (".html", ".htm")
PATIENCE_S = 5.0
"""After Ctrl-C, so long it may take to weigh what was found until then."""
DONE, FOUND, ALL_FAILED = 0, 1, 2


def check(
    path: Annotated[Path | None, PATH] = None,
    only: Annotated[
        str | None, typer.Option(metavar="ID,ID", help="Only these checks, separated by commas; --list names them.")
    ] = None,
    split: SplitOption = None,
    filter_text: FilterOption = None,
    tile: TileOption = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, max=1024, help="Worker processes, else one for each core; 0 does without them."),
    ] = None,
    dask: DaskOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a table of all tiles: .csv or .parquet.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Write a page with counts, distributions, the worst tiles and duplicates."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Examine tiles again that are known, and replace what exists.")
    ] = False,
    changed: Annotated[
        bool,
        typer.Option(
            "--changed", help="Look at date and size of every file, and examine tiles again that changed since."
        ),
    ] = False,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="SUSPICION|COUNT",
            help="End with 1 where a tile is as suspicious as 0.9, for example, or where 10 or more tiles are suspicious.",
        ),
    ] = None,
    list_checks: Annotated[bool, typer.Option("--list", help="Show the checks and leave.")] = False,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Look for bad tiles: files, images, heights, labels, their fit, duplicates. Stopped and called again, it goes on.

    What was found goes into the project: the window shows the most suspicious tiles first and says why.
    """
    from rsviewer.core.checks import CHECKS

    if list_checks:
        _list(CHECKS, as_json=as_json)
        return DONE
    if path is None:
        raise typer.BadParameter("Give the folder of a dataset, or --list for the checks.", param_hint="PATH")
    if tile and (split is not None or filter_text is not None):
        raise typer.BadParameter("take it with --split and --filter, or name tiles with --tile.", param_hint="--tile")
    if dask is not None and workers is not None:
        raise typer.BadParameter("a cluster has workers of its own.", param_hint="--workers")
    chosen = _chosen(only, CHECKS)
    limit = _limit(fail_on)
    if out is not None:
        if out.suffix.lower() not in TABLES:
            raise typer.BadParameter(f"{out.name} does not end in {' or '.join(TABLES)}.", param_hint="--out")
        check_target(out, overwrite=overwrite)
    if report is not None:
        if report.suffix.lower() not in PAGES:
            raise typer.BadParameter(f"{report.name} does not end in {' or '.join(PAGES)}.", param_hint="--report")
        check_target(report, overwrite=overwrite)
    from rsviewer.batch.checking import changed_tiles, check_all, results_of

    with (
        writing(path, format_name, project) as (dataset, adapter, opened),
        current_index(dataset, adapter, opened) as (index, _),
    ):
        decisions = read_decisions(dataset, project)
        places = chosen_places(dataset, adapter, index, decisions, tile, split, filter_text)
        refuted = {name: decision.refuted for name, decision in decisions.items() if decision.refuted}
        dropped = {name for name, decision in decisions.items() if decision.verdict is Verdict.DROP}
        crew = _crew(workers, dask, dataset)
        others = None
        if changed and not overwrite:
            with progress("Looking for changed files") as tell:
                others = changed_tiles(dataset, index, places, progress=tell)
        try:
            with progress("Checking") as tell:
                checked = check_all(
                    *(dataset, index, places),
                    checks=chosen,
                    crew=crew,
                    refuted=refuted,
                    dropped=dropped,
                    overwrite=overwrite,
                    changed=others,
                    progress=tell,
                )
        except KeyboardInterrupt:
            complain("Stopped. What was examined is kept; the same command goes on from there.")
            leave_by = time.monotonic() + PATIENCE_S
            with suppress(StoppedError):  # the next run judges, or the window
                index.checks.judge(refuted, stop=lambda: time.monotonic() > leave_by, dropped=dropped)
            raise
        results = results_of(index, places)
        thresholds = index.checks.thresholds()
        if report is not None:
            _write_report(
                *(report, dataset, index, results, checked, chosen_words(tile, split, filter_text)), overwrite=overwrite
            )
        if out is not None:
            _write(out, results, dataset.layers, overwrite=overwrite)
        if as_json:
            print_json(_document(checked, results, thresholds, out, looked=others is not None))
        else:
            if others is not None:
                print(_changes(checked.changed))
            _tell(checked, results, dataset.layers, out, report)
    for failure in checked.failed[:NAMED]:
        complain(f"{failure.tile}: {failure.message}")
    if len(checked.failed) > NAMED:
        complain(f"and {len(checked.failed) - NAMED:,} more tiles: --json names them all.")
    for fault in checked.faults:
        complain(f"{fault.check} failed on {plural(fault.tiles, 'tile')}, first on {fault.first}: {fault.message}.")
    examined = checked.tiles - checked.known
    lost = max([len(checked.failed), *(len(checked.failed) + fault.tiles for fault in checked.faults)])
    if lost and lost == examined:
        return ALL_FAILED
    return FOUND if limit is not None and limit(results) else DONE


def _chosen(only: str | None, checks: "Sequence[Check]") -> "list[Check]":
    if only is None:
        return list(checks)
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in {check.id for check in checks}]
    if unknown or not names:
        from rsviewer.data.access import near_names

        near = near_names(unknown[0], [check.id for check in checks]) if unknown else []
        hint = f" Did you mean {' or '.join(near)}?" if near else " rsviewer check --list names them."
        raise typer.BadParameter(f"there is no check {', '.join(unknown) or repr(only)}.{hint}", param_hint="--only")
    return [check for check in checks if check.id in names]


def _limit(text: str | None) -> "Callable[[Results], bool] | None":
    """Whether so much is wrong that the command is to end with 1: from "0.9" a suspicion, from "10" a number of tiles."""
    if text is None:
        return None
    if text.isdecimal() and int(text):
        return lambda results: results.suspicious >= int(text)
    try:
        least = float(text)
    except ValueError:
        least = math.nan
    if not 0 < least <= 1:
        raise typer.BadParameter(
            f"{text} is neither a suspicion between 0 and 1, as 0.9, nor a number of tiles.", param_hint="--fail-on"
        )
    return lambda results: bool((results.suspicions >= least).any())


def _crew(workers: int | None, dask: str | None, dataset: Dataset) -> "Crew":
    if dask is not None:
        from rsviewer.batch.cluster import Cluster

        return Cluster(dask, needs=files_of(dataset))
    from rsviewer.batch.crew import Here, Processes

    return Here() if workers == 0 else Processes(workers or 0)


def _list(checks: "Sequence[Check]", *, as_json: bool) -> None:
    """What is looked for, and from where on it is suspicious."""
    if as_json:
        print_json(
            [
                {
                    "check": each.id,
                    "title": each.title,
                    "topic": str(each.topic),
                    "unit": each.unit,
                    "help": each.help,
                    "tag": each.tag,
                    "least": _number(each.lowest),
                    "most": _number(each.most),
                    "spread": each.spread,
                    "why": each.why,
                }
                for each in checks
            ]
        )
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Check", no_wrap=True)
    table.add_column("Suspicious from", justify="right")
    table.add_column("What the score is, and why it is suspicious from there", overflow="fold")
    for each in checks:
        table.add_row(each.id, _range(each), f"{each.title}. {each.help} {each.why}")
    console().print(table)
    print("Where there is a range, the dataset itself tells what is usual in it.")


def check_table() -> str:
    """The README's table of checks, in Markdown."""
    from rsviewer.core.checks import CHECKS

    rows = ["| check | suspicious from | what is suspected |", "|---|---|---|"]
    rows += [f"| `{each.id}` | {_range(each)} | {each.title} |" for each in CHECKS]
    return "\n".join(rows)


def _range(check: "Check") -> str:
    """The threshold of a check, or between what it lies."""
    unit = f" {check.unit}" if check.unit else ""
    if check.spread is None and check.rare is None:
        return f"{check.least:.4g}{unit}"
    return (
        f"{check.lowest:.4g} to {check.most:.4g}{unit}" if math.isfinite(check.most) else f"{check.lowest:.4g}{unit} up"
    )


def _document(
    checked: "Checked", results: "Results", thresholds: "Sequence[Threshold]", out: Path | None, *, looked: bool
) -> dict[str, Any]:
    """What `--json` prints; `looked`: for changed files."""
    return {
        "tiles": checked.tiles,
        "known": checked.known,
        "changed": checked.changed if looked else None,
        "seconds": round(checked.seconds, 3),
        "suspicious": results.suspicious,
        "by_check": dict(results.by_check),
        "results": [
            {
                "tile": each.tile,
                "suspicion": _number(each.suspicion),
                "reasons": [
                    {
                        "check": reason.check,
                        "score": _number(reason.score),
                        "threshold": _number(reason.threshold),
                        "message": reason.message,
                        "layer": reason.layer,
                        "certainty": round(reason.certainty, 4),
                        "refuted": reason.refuted,
                        "settled": reason.settled,
                    }
                    for reason in each.reasons
                ],
            }
            for each in results
        ],
        "failed": [{"tile": each.tile, "message": each.message} for each in checked.failed],
        "faults": [
            {"check": each.check, "tiles": each.tiles, "first": each.first, "message": each.message}
            for each in checked.faults
        ],
        "thresholds": [
            {
                "check": each.check,
                "group": each.group,
                "value": _number(each.value),
                "tiles": each.tiles,
                "median": _number(each.median),
                "deviation": _number(each.deviation),
            }
            for each in thresholds
        ],
        "per_check_ms": {name: round(value, 3) for name, value in checked.milliseconds.items()},
        "out": None if out is None else str(out.absolute()),
    }


def _number(value: float) -> float | None:
    """As JSON knows numbers."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _write_report(
    path: Path,
    dataset: "Dataset",
    index: "TileIndex",
    results: "Results",
    checked: "Checked",
    chosen: str,
    *,
    overwrite: bool,
) -> None:
    """The page for people."""
    from rsviewer.batch.checkreport import make_report, write_check_report

    when = datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    with progress("Drawing the worst tiles") as tell:
        page = make_report(
            *(dataset, index, results, checked.failed),
            chosen=chosen,
            when=when,
            program=f"rsviewer {__version__}",
            progress=tell,
        )
    write_check_report(path, page, overwrite=overwrite)


def _changes(tiles: int) -> str:
    if not tiles:
        return "No file has changed since it was checked."
    has, was = ("has", "it was") if tiles == 1 else ("have", "they were")
    return f"{plural(tiles, 'tile')} {has} changed since {was} checked."


def _tell(
    checked: "Checked", results: "Results", layers: "Sequence[LayerSpec]", out: Path | None, report: Path | None
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rsviewer.core.checks import BY_ID

    done = checked.tiles - checked.known
    speed = f" in {checked.seconds:,.1f} s ({done / max(checked.seconds, 1e-3):,.1f} tiles/s)" if done else ""
    before = (
        f", {checked.known:,} known before (--changed examines those anew whose files have changed, --overwrite all)"
        if checked.known
        else ""
    )
    lost = f", {plural(len(checked.failed), 'tile')} could not be" if checked.failed else ""
    print(f"{plural(done, 'tile')} examined{speed}{before}{lost}.")
    share = f" ({results.suspicious / len(results):.1%})" if len(results) else ""
    print(f"{plural(results.suspicious, 'tile')} of {len(results):,} suspicious{share}.")
    if results.suspicious:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("Check", overflow="fold")
        table.add_column("Suspicion", overflow="fold")
        table.add_column("Tiles", justify="right")
        for name, tiles in results.by_check.items():
            table.add_row(name, BY_ID[name].title if name in BY_ID else "", f"{tiles:,}")
        console().print(table)
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("Most suspicious", overflow="fold")
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("Why", overflow="fold")
        for each in results.worst(NAMED):
            table.add_row(plain(each.tile), f"{each.suspicion:.2f}", _why(each.reasons, layers))
        console().print(table)
    for written in (out, report):
        if written is not None:
            print(f"Written: {written}")


def _why(reasons: "Sequence[Reason]", layers: "Sequence[LayerSpec]") -> str:
    """The first reasons, each on a line of its own."""
    more = len(reasons) - REASONS
    return "\n".join(
        [*(_said(each, layers) for each in reasons[:REASONS]), *([f"and {more} more"] if more > 0 else [])]
    )


def _said(reason: "Reason", layers: "Sequence[LayerSpec]") -> str:
    """One reason, for people."""
    from rsviewer.core.checks import BY_ID
    from rsviewer.core.checks.suspicion import words_of

    check = BY_ID.get(reason.check)
    title = check.title if check is not None else reason.check
    said = f"{title}: {plain(words_of(reason, layers))}" if reason.message else title
    return f"{said}{f' -- {reason.answer}' if reason.answer else ''}"


def _write(path: Path, results: "Results", layers: "Sequence[LayerSpec]", *, overwrite: bool) -> None:
    """A row for every tile."""
    from rsviewer.data.tablefile import write_table

    def batches() -> Iterator[dict[str, list[Any]]]:
        remaining = iter(results)
        while part := list(islice(remaining, AT_ONCE)):
            yield {
                "tile": [each.tile for each in part],
                "suspicion": [each.suspicion for each in part],
                "suspects": [" ".join(reason.check for reason in each.reasons if reason.counts) for each in part],
                "reasons": ["; ".join(_said(reason, layers) for reason in each.reasons) for each in part],
            }

    kinds = {"tile": str, "suspicion": float, "suspects": str, "reasons": str}
    write_table(path, kinds, batches(), overwrite=overwrite)
