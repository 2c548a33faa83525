"""`rsviewer convert`: tiles as files for other programs. Each kind of file is a command of its own below it."""

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.console import complain, plural, print_json, progress
from rsviewer.cli.open import queue_filter
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption
from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import LayerId, printable
from rsviewer.data.access import near_names
from rsviewer.data.adapter import TileEntry

if TYPE_CHECKING:
    from rsviewer.batch.converting import CloudOrder, Conversion
    from rsviewer.data.adapter import Dataset, DatasetAdapter

NAMED = 10
"""So many tiles that could not be converted are named; --json lists all."""
SEARCHED = 20_000
"""So many names are compared with one that is not there."""
DONE, SOME_FAILED, ALL_FAILED = 0, 1, 2

convert = typer.Typer(help="Write tiles as files for other programs.")


class CloudFormat(StrEnum):
    """What `convert cloud` writes."""

    PLY = "ply"
    LAS = "las"
    LAZ = "laz"
    GLB = "glb"


@convert.callback()
def _convert() -> None:
    """Write tiles as files for other programs."""


@convert.command("cloud")
def cloud(
    path: PathArgument,
    to: Annotated[
        CloudFormat,
        typer.Option(
            help="ply, las and laz are coloured points, glb is a surface with its picture.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the files; groups become folders in it.", show_default=False)
    ],
    tile: Annotated[list[str] | None, typer.Option(metavar="ID", help="This tile. May be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All tiles.")] = False,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only tiles that this list names.")] = None,
    filter_text: Annotated[
        str | None, typer.Option("--filter", metavar="EXPR", help='Only tiles that this keeps: "ndsm_max > 80".')
    ] = None,
    height: Annotated[str | None, typer.Option(metavar="LAYER", help="The heights, else the tile's first.")] = None,
    color: Annotated[
        str,
        typer.Option(
            metavar="LAYER", help="What colours them, also height or difference; else the tile's first image."
        ),
    ] = "",
    mesh: Annotated[bool, typer.Option("--mesh", help="For ply: a surface, not only points.")] = False,
    overwrite: OverwriteOption = False,
    workers: Annotated[
        int, typer.Option(min=0, max=256, help="Tiles at once; 0 takes as many as there are cores.")
    ] = 0,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write heights as coloured point clouds or meshes. Stopped and called again, it goes on."""
    if bool(tile) == (every or split is not None or filter_text is not None):
        raise typer.BadParameter(
            "name tiles with --tile, or take them with --all, --split or --filter.", param_hint="tiles"
        )
    from rsviewer.batch.converting import CloudOrder, check_order, convert_clouds
    from rsviewer.data.detect import open_dataset

    wanted = None if height is None else LayerId(height)
    order = CloudOrder(out.absolute(), str(to), wanted, color, mesh, overwrite)
    dataset, adapter = open_dataset(path, format_name)
    check_order(dataset, order)
    if tile:
        entries = _named(dataset, adapter, tile)
    elif filter_text is not None:
        entries = _filtered(dataset, adapter, project, queue_filter(split, filter_text) or "")
    else:
        entries = _listed(dataset, adapter, split)
    _make_folder(order.out)
    try:
        with progress("Writing clouds") as report:
            result = convert_clouds(dataset, entries, order, threads=workers, progress=report)
    except KeyboardInterrupt:
        complain("Stopped. What was written is whole; the same command goes on from there.")
        raise
    if as_json:
        print_json(_document(order, result))
    else:
        _tell(result, order.out)
    _complain(result)
    if not result.failed:
        return DONE
    return SOME_FAILED if result.written or result.skipped else ALL_FAILED


def _named(dataset: "Dataset", adapter: "DatasetAdapter", names: Sequence[str]) -> list[TileEntry]:
    """The tiles of these names, each once. A name without its group will do where it is the only one.

    Raises RsviewerError where one is not there.
    """
    wanted = {printable(name): list[TileEntry]() for name in names}
    known: list[str] = []
    exact: dict[str, TileEntry] = {}
    for entry in _scan(dataset, adapter):
        if len(known) < SEARCHED:
            known.append(entry.id)
        if entry.id in wanted:
            exact[entry.id] = entry
        elif (short := entry.id.removeprefix(f"{entry.group}/")) in wanted:
            wanted[short].append(entry)
    found: dict[str, TileEntry] = {}
    for name, others in wanted.items():
        meant = exact.get(name) or (others[0] if len(others) == 1 else None)
        if meant is None:
            near = [other.id for other in others[:3]] or near_names(name, known)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise RsviewerError(f"There is no tile {name}.{hint} Nothing was written.")
        found[meant.id] = meant
    return list(found.values())


def _listed(dataset: "Dataset", adapter: "DatasetAdapter", split: str | None) -> list[TileEntry]:
    """All tiles that have a file, or those of them that a list names. Raises RsviewerError where there is no such list."""
    lists = sorted({each.name for each in dataset.lists})
    if split is not None and split not in lists:
        raise RsviewerError(f"There is no list {split}: this dataset has {', '.join(lists) or 'none'}.")
    return [entry for entry in _scan(dataset, adapter) if entry.files and (split is None or split in entry.splits)]


def _filtered(dataset: "Dataset", adapter: "DatasetAdapter", project: Path | None, condition: str) -> list[TileEntry]:
    """The tiles that a filter keeps. Raises FilterError, and ProjectLockedError while a window has the project open."""
    from rsviewer.cli.dataset import current_index, read_decisions
    from rsviewer.data.project import Project

    decisions = read_decisions(dataset, project)
    with (
        Project.open(dataset.root, project, dataset_format=dataset.format) as opened,
        current_index(dataset, adapter, opened) as (index, _),
    ):
        index.load_reviews(decisions)
        return [entry for entry in index.entries(index.select(condition)) if entry.files]


def _scan(dataset: "Dataset", adapter: "DatasetAdapter") -> Iterator[TileEntry]:
    with progress("Listing the tiles") as report:
        for number, entry in enumerate(adapter.scan(dataset), start=1):
            yield entry
            if number % 1000 == 0:
                report(number, None)


def _make_folder(out: Path) -> None:
    """Said before the work, not with every tile. Raises RsviewerError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RsviewerError(f"{out} is a file. Choose a folder with --out.") from error
    except OSError as error:
        raise RsviewerError(
            f"The folder {out} cannot be made ({error.strerror}). Choose another with --out."
        ) from error
    if not os.access(out, os.W_OK):
        raise RsviewerError(f"No permission to write to {out}. Choose another folder with --out.")


def _document(order: "CloudOrder", result: "Conversion") -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "out": str(order.out),
        "to": order.to,
        "tiles": result.tiles,
        "written": result.written,
        "skipped": result.skipped,
        "failed": [{"tile": each.tile, "message": each.message} for each in result.failed],
        "remarks": [{"message": each.message, "tiles": each.tiles, "first": each.first} for each in result.remarks],
    }


def _tell(result: "Conversion", out: Path) -> None:
    there = f", {result.skipped:,} there before (--overwrite writes them anew)" if result.skipped else ""
    lost = f", {plural(len(result.failed), 'tile')} could not be converted" if result.failed else ""
    print(f"{plural(result.written, 'file')} written{there}{lost}: {out}")
    for remark in result.remarks:
        print(f"{plural(remark.tiles, 'tile')}, first {remark.first}: {remark.message}")


def _complain(result: "Conversion") -> None:
    for failure in result.failed[:NAMED]:
        complain(f"{failure.tile}: {failure.message}")
    if len(result.failed) > NAMED:
        complain(f"and {len(result.failed) - NAMED:,} more tiles: --json names them all.")
