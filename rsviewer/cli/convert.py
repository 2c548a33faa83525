"""`rsviewer convert`: tiles as files for other programs. Each kind of file is a command of its own below it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.choosing import FilterOption, SplitOption, TileOption, filtered, listed, named
from rsviewer.cli.console import complain, plural, print_json, progress
from rsviewer.cli.open import queue_filter
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption, make_folder
from rsviewer.core.tile import LayerId
from rsviewer.data.adapter import TileEntry

if TYPE_CHECKING:
    from rsviewer.batch.converting import CloudOrder, Conversion
    from rsviewer.data.adapter import Dataset, DatasetAdapter

NAMED = 10
"""So many tiles that could not be converted are named; --json lists all."""
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
    tile: TileOption = None,
    every: Annotated[bool, typer.Option("--all", help="All tiles.")] = False,
    split: SplitOption = None,
    filter_text: FilterOption = None,
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
    from rsviewer.cli.dataset import looked_at

    wanted = None if height is None else LayerId(height)
    order = CloudOrder(out.absolute(), str(to), wanted, color, mesh, overwrite)
    with looked_at(path, format_name, project) as (dataset, adapter):
        check_order(dataset, order)
        if tile:
            entries = named(dataset, adapter, tile)
        elif filter_text is not None:
            entries = _filtered(dataset, adapter, project, queue_filter(split, filter_text) or "")
        else:
            entries = listed(dataset, adapter, split)
        make_folder(order.out)
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


def _filtered(dataset: "Dataset", adapter: "DatasetAdapter", project: Path | None, condition: str) -> list[TileEntry]:
    """The tiles that a filter keeps. Raises FilterError, and ProjectLockedError while a window has the project open."""
    from rsviewer.cli.dataset import current_index
    from rsviewer.data.project import Project

    with (
        Project.open(dataset.root, project, dataset_format=dataset.format) as opened,
        current_index(dataset, adapter, opened) as (index, _),
    ):
        return filtered(dataset, index, project, condition)


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
