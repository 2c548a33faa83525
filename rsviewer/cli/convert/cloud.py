"""`rsviewer convert cloud`: point clouds and meshes."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from rsviewer.cli.choosing import FilterOption, SplitOption, TileOption
from rsviewer.cli.convert.common import (
    AllOption,
    Choice,
    DryRunOption,
    OutOption,
    WorkersOption,
    carry_out,
    chosen,
    crew_of,
    report_preview,
    report_result,
)
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption
from rsviewer.core.tile import LayerId


class CloudFormat(StrEnum):
    """What `convert cloud` writes."""

    PLY = "ply"
    LAS = "las"
    LAZ = "laz"
    GLB = "glb"


def cloud(
    path: PathArgument,
    to: Annotated[
        CloudFormat,
        typer.Option(
            help="ply, las and laz are coloured points, glb is a surface with its picture.", show_default=False
        ),
    ],
    out: OutOption,
    tile: TileOption = None,
    every: AllOption = False,
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
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write heights as coloured point clouds or meshes. Stopped and called again, it goes on."""
    from rsviewer.batch.converting.clouds import CloudOrder, convert_clouds, preview_clouds

    wanted = None if height is None else LayerId(height)
    order = CloudOrder(out.absolute(), str(to), wanted, color, mesh, overwrite)
    facts = {"to": order.to}
    with chosen(path, format_name, project, Choice(tile, every, split, filter_text)) as (dataset, entries, left_out):
        if dry_run:
            preview = preview_clouds(dataset, entries, order)
            return report_preview(replace(preview, left_out=left_out), order.out, facts, as_json=as_json)
        crew = crew_of(workers, len(entries))
        result = carry_out(
            "Writing clouds",
            lambda report: convert_clouds(dataset, entries, order, crew=crew, progress=report),
            left_out,
        )
    return report_result(result, order.out, facts, as_json=as_json)
