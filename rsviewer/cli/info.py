"""`rsviewer info`: what was recognised, and what is wrong with it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.console import console, plural, print_json, progress
from rsviewer.cli.options import FormatOption, JsonOption, PathArgument, ThreadsOption

if TYPE_CHECKING:
    from rich.console import Console

    from rsviewer.batch.surveying import LayerFound, Survey
    from rsviewer.data.adapter import Dataset

SHOWN_PROBLEMS = 10
SHOWN_NAMES = 12


def info(
    path: PathArgument,
    format_name: FormatOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the header of every file: unreadable ones, odd sizes and systems.")
    ] = False,
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say what a dataset holds: format, layers, tiles, splits, and what is missing."""
    from rsviewer.batch.surveying import survey
    from rsviewer.cli.dataset import looked_at

    with (
        looked_at(path, format_name) as (dataset, adapter),
        progress("Reading headers" if deep else "Listing the tiles") as report,
    ):
        found = survey(dataset, adapter, deep=deep, threads=threads, progress=report)
    if as_json:
        print_json(document(dataset, found))
    else:
        _show(console(), dataset, found, deep=deep)


def document(dataset: "Dataset", found: "Survey") -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "format": dataset.format,
        "why": dataset.why,
        "root": _place(dataset),
        "tiles": found.tiles,
        "groups": dict(found.groups),
        "layers": [_layer(layer) for layer in found.layers],
        "facts": [{"name": fact.name, "type": fact.type.name.lower(), "title": fact.title} for fact in dataset.facts],
        "splits": dict(found.splits),
        "problems": [
            {"kind": str(problem.kind), "tile": problem.tile, "layer": problem.layer, "message": problem.message}
            for problem in found.problems
        ],
        "problem_counts": {str(kind): count for kind, count in found.counts.items()},
        "remarks": [*dataset.problems, *_left_out(found)],
    }


def _place(dataset: "Dataset") -> str:
    """What opens the dataset: its folder, archive or address."""
    from rsviewer.data.remote.names import is_remote, shown

    root = str(dataset.root)
    return shown(root) if is_remote(root) else root


def _left_out(found: "Survey") -> list[str]:
    """A sentence where not all problems are listed."""
    from rsviewer.batch.surveying import KEPT

    more = found.problem_count - len(found.problems)
    return [f"Of each kind of problem the first {KEPT:,} are listed: {more:,} more are only counted."] if more else []


def _layer(layer: "LayerFound") -> dict[str, Any]:
    spec, header = layer.spec, layer.header
    nodata = spec.nodata if header is None or header.nodata is None else header.nodata
    return {
        "id": spec.id,
        "kind": str(spec.kind),
        "title": spec.title,
        "unit": spec.unit,
        "dtype": header and header.dtype,
        "bands": header and header.bands,
        "width": header and header.width,
        "height": header and header.height,
        "nodata": _number(nodata),
    }


def _number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity: they are words."""
    return value if value is None or abs(value) < float("inf") else str(value)


def _show(out: "Console", dataset: "Dataset", found: "Survey", *, deep: bool) -> None:
    from rich.table import Table

    from rsviewer.core.tile import printable

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("Format", dataset.format)
    if dataset.why:
        facts.add_row("Recognised by", printable(dataset.why))
    facts.add_row("Folder", printable(_place(dataset)))
    facts.add_row("Tiles", f"{found.tiles:,}")
    if found.groups:
        facts.add_row("Groups", _counts(found.groups))
    facts.add_row("Lists", _counts(found.splits) or "none")
    if dataset.facts:
        facts.add_row("Facts", ", ".join(f"{fact.name} ({fact.title})" for fact in dataset.facts))
    for remark in dataset.problems:
        facts.add_row("Remark", remark)
    out.print(facts)
    out.print()
    out.print(_layer_table(found))
    out.print()
    _show_problems(out, found, deep=deep)


def _layer_table(found: "Survey") -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Layer", "Kind", "Title", "Unit", "Type"):
        table.add_column(name, overflow="fold")
    for name in ("Bands", "Size", "Nodata"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in map(_layer, found.layers):
        size = "" if layer["width"] is None else f"{layer['width']} x {layer['height']}"
        nodata = layer["nodata"]
        told = "" if nodata is None else nodata if isinstance(nodata, str) else f"{nodata:g}"
        words = [layer[key] or "" for key in ("id", "kind", "title", "unit", "dtype")]
        table.add_row(*words, str(layer["bands"] or ""), size, told)
    return table


def _show_problems(out: "Console", found: "Survey", *, deep: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rsviewer.batch.surveying import KEPT

    if not found.problems:
        out.print("No problems found." if deep else "No problems found by name. --deep also reads every header.")
        return
    total = found.problem_count
    out.print(f"{plural(total, 'problem')}: {_counts({str(kind): count for kind, count in found.counts.items()})}")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Problem", "Tile", "Layer", "What"):
        table.add_column(name, overflow="fold", no_wrap=name == "Problem")
    for problem in found.problems[:SHOWN_PROBLEMS]:
        table.add_row(problem.kind, problem.tile, problem.layer, problem.message)
    out.print(table)
    if total > SHOWN_PROBLEMS:
        listed = "them all" if total == len(found.problems) else f"the first {KEPT:,} of each kind"
        out.print(f"and {total - SHOWN_PROBLEMS:,} more: --json lists {listed}.", style="dim")


def _counts(counts: Mapping[str, int]) -> str:
    from rsviewer.core.tile import printable

    words = [f"{printable(name)} {count:,}" for name, count in counts.items()]
    more = len(words) - SHOWN_NAMES
    return ", ".join(words[:SHOWN_NAMES]) + (f" and {more:,} more" if more > 0 else "")
