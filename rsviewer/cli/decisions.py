"""`rsviewer decisions`: what was decided, one row a tile."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.console import console, plural, print_json
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption, check_target
from rsviewer.core.errors import RsviewerError
from rsviewer.core.review import Verdict

if TYPE_CHECKING:
    from rsviewer.core.review import Decision
    from rsviewer.core.tile import TileId

TILE_WIDTH = 32
"""Columns that names of tiles get before they are folded."""

COLUMNS = ("tile", "verdict", "tags", "regions", "note", "reviewer", "time")


def decisions(
    path: PathArgument,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    verdict: Annotated[list[Verdict] | None, typer.Option(help="Only these verdicts. May be repeated.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="Only tiles with one of these tags. May be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write a table there, in UTF-8.")] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what was decided about every tile. Works while a window is open."""
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise typer.BadParameter(f"{out.name} does not end in .csv.", param_hint="--out")
        check_target(out, overwrite=overwrite)
    from rsviewer.cli.dataset import looked_at, read_decisions

    with looked_at(path, format_name, project) as (dataset, _):
        known = read_decisions(dataset, project)
    said = {
        tile: decision
        for tile, decision in known.items()
        if not decision.is_empty
        and (not verdict or decision.verdict in verdict)
        and (not tag or not decision.anomalies.isdisjoint(tag))
    }
    rows = documents(said)
    if out is not None:
        _write(out, to_csv(rows))
    if as_json:
        print_json(rows)
    elif out is not None:
        print(f"{plural(len(rows), 'tile')}: {out}")
    else:
        show(rows)


def documents(said: "Mapping[TileId, Decision]") -> list[dict[str, Any]]:
    """What `--json` prints, one table a tile."""
    from rsviewer.core.review import to_plain

    return [{"tile": tile, **to_plain(decision)} for tile, decision in said.items()]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A table with a header. Tags are separated by semicolons, regions are JSON."""
    page = io.StringIO(newline="")
    writer = csv.writer(page)
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {**row, "tags": ";".join(row["tags"]), "regions": json.dumps(row["regions"]) if row["regions"] else ""}
        writer.writerow([cells[name] for name in COLUMNS])
    return page.getvalue().encode("utf-8", "backslashreplace")


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table for people."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    if not rows:
        console().print("Nothing was decided.")
        return
    longest = max(len(row["tile"]) for row in rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Tile", overflow="fold", min_width=min(longest, TILE_WIDTH))
    for name in ("Verdict", "Tags", "Note", "Reviewer", "Time"):
        table.add_column(name, overflow="fold", no_wrap=name == "Verdict")
    for row in rows:
        tags = [*row["tags"], *([plural(len(row["regions"]), "region")] if row["regions"] else [])]
        when = row["time"][:16].replace("T", " ")
        table.add_row(row["tile"], row["verdict"], ", ".join(tags), row["note"], row["reviewer"], when)
    console().print(table)


def _write(path: Path, content: bytes) -> None:
    from rsviewer.data.settings import write_atomically

    try:
        write_atomically(path, content)
    except OSError as error:
        raise RsviewerError(f"{path} cannot be written ({error.strerror}). Choose another place with --out.") from error
