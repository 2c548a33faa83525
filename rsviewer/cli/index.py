"""`rsviewer index`: the tile index, and what the pixels of every tile are like."""

import time
from typing import Annotated

import typer

from rsviewer.cli.console import plural, print_json, progress
from rsviewer.cli.options import FormatOption, JsonOption, PathArgument, ProjectOption, ThreadsOption


def index(
    path: PathArgument,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Also read every tile, so that filters know its values: ndsm_max > 80.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build it anew, even where nothing has changed.")] = False,
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Build the tile index or bring it up to date. Stopped and called again, it goes on."""
    from rsviewer.batch.measuring import measure_all
    from rsviewer.cli.dataset import current_index, writing

    began = time.monotonic()
    with (
        writing(path, format_name, project) as (dataset, adapter, opened),
        current_index(dataset, adapter, opened, rebuild=rebuild) as (tiles, built),
    ):
        measured = None
        count = len(tiles)
        if stats:
            with progress("Reading the tiles") as report:
                measured = measure_all(tiles, dataset, threads=threads, progress=report)
    if as_json:
        seconds = round(time.monotonic() - began, 3)
        document = {"path": str(opened.index_path), "tiles": count, "built": built, "seconds": seconds}
        told = (measured.tiles, measured.known, measured.unreadable) if measured else (None, None, None)
        print_json(document | dict(zip(("measured", "measured_before", "unreadable"), told, strict=True)))
        return
    print(f"{plural(count, 'tile')}, {'indexed' if built else 'the index is up to date'}: {opened.index_path}")
    if measured:
        print(f"{plural(measured.tiles, 'tile')} read now, {measured.known:,} before.")
        if measured.unreadable:
            said = f"{plural(measured.unreadable, 'file')} cannot be read"
            print(f"{said}: --filter 'unreadable is not null' shows them in the window.")
