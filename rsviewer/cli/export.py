"""`rsviewer export`: cleaned split lists with a manifest."""

from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsviewer.cli.console import complain, console, plural, print_json, progress
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rsviewer.cli.console import Progress
    from rsviewer.core.splits import ExportPlan
    from rsviewer.core.tile import TileId
    from rsviewer.data.adapter import Dataset, DatasetAdapter
    from rsviewer.data.export import ExportResult


def export(
    path: PathArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder for the lists. Needed unless --dry-run.")
    ] = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, write nothing.")] = False,
    drop_undecided: Annotated[
        bool, typer.Option("--drop-undecided", help="Leave out tiles without a verdict, too.")
    ] = False,
    drop_tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="Leave out tiles with this tag, too. May be repeated.")
    ] = None,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out lines that name a tile without files, too.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the split lists without the dropped tiles, and a manifest that says why each is gone."""
    if out is None and not dry_run:
        raise typer.BadParameter("a folder for the lists is needed, or --dry-run.", param_hint="--out")
    from rsviewer.cli.dataset import looked_at, read_decisions
    from rsviewer.core.crowd import Crowd
    from rsviewer.core.splits import ExportOptions, plan
    from rsviewer.data.export import check_target, preview, write_export

    with looked_at(path, format_name, project) as (dataset, adapter):
        if out is not None:
            check_target(out, dataset, overwrite=overwrite)
        decisions = read_decisions(dataset, project)
        with progress("Listing the tiles") as report:
            tiles = Crowd(_tiles_with_files(dataset, adapter, report))
        options = ExportOptions(drop_undecided, tuple(drop_tag or ()), drop_missing)
        with progress("Reading the lists", "lines") as report:
            planned = plan(dataset.lists, tiles, decisions, adapter.tile_of_line, options, report)
        if dry_run or out is None:
            result = preview(planned, out or Path())
        else:
            with progress("Writing", "kB") as report:
                result = write_export(planned, dataset, out, overwrite=overwrite, progress=report)
    if planned.leaks:
        complain(
            f"{plural(len(planned.leaks), 'tile')} on a training list and on a held-out one, first {planned.leaks[0].tile}."
        )
    if as_json:
        document = result.document() | {"dry_run": dry_run}
        print_json(document if out is not None else document | {"out": None})
    else:
        _show(planned, result, dry_run=dry_run)


def _tiles_with_files(
    dataset: "Dataset", adapter: "DatasetAdapter", report: "Progress"
) -> "Iterator[tuple[TileId, str]]":
    """(tile, group) in the order of the dataset."""
    from rsviewer.data.adapter import TabularAdapter

    if isinstance(adapter, TabularAdapter):
        number = 0
        for columns in adapter.scan_columns(dataset):
            number += len(columns.tiles)
            found = columns.have_files()
            groups = repeat("") if columns.groups is None else columns.groups[found].tolist()
            yield from zip(columns.tiles[found].tolist(), groups, strict=False)
            report(number, None)
        return
    for number, entry in enumerate(adapter.scan(dataset), start=1):
        if entry.has_files:
            yield entry.id, entry.group
        if number % 1000 == 0:
            report(number, None)


def _show(planned: "ExportPlan", result: "ExportResult", *, dry_run: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rsviewer.core.splits import diff

    if dry_run:
        for change in planned.lists:
            for line in diff(change):
                console().print(line, style=_DIFF_STYLES.get(line[0], ""), soft_wrap=True)
    if result.lists:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("List", overflow="fold")
        for name in ("Before", "After", "Left out"):
            table.add_column(name, justify="right")
        for each in result.lists:
            table.add_row(each.path, f"{each.before:,}", f"{each.after:,}", f"{each.before - each.after:,}")
        console().print(table)
    kept = sum(map(len, planned.kept.values()))
    not_found = planned.not_found
    if not_found and not planned.options.drop_missing:
        print(f"{plural(not_found, 'tile')} on the lists without files, left there: --drop-missing leaves them out.")
    if planned.unlisted:
        print(f"{plural(len(planned.unlisted), 'tile')} on no list.")
    said = f"{plural(len(planned.dropped), 'tile')} left out, {kept:,} kept."
    print(f"{said} Nothing was written." if dry_run else f"{said} {len(result.files) + 1} files in {result.out}")


_DIFF_STYLES = {"-": "red", "+": "green", "@": "cyan"}
