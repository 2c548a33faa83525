"""`rsviewer convert height255`: heights as whole numbers of 8 or 16 bits."""

from enum import StrEnum
from typing import Annotated

import typer

from rsviewer.cli.choosing import FilterOption, SplitOption, TileOption
from rsviewer.cli.convert.common import (
    AllOption,
    Choice,
    DryRunOption,
    OutOption,
    WithDroppedOption,
    WorkersOption,
    carry_out,
    chosen,
    crew_of,
    report_preview,
    report_result,
)
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption
from rsviewer.core.tile import LayerId


class HeightFile(StrEnum):
    """What `convert height255` writes."""

    TIF = "tif"
    PNG = "png"


class HeightRange(StrEnum):
    """Which tiles share a range."""

    TILE = "tile"
    GROUP = "group"
    DATASET = "dataset"


class Bits(StrEnum):
    """Of the whole numbers."""

    EIGHT = "8"
    SIXTEEN = "16"


def height255(
    path: PathArgument,
    out: OutOption,
    tile: TileOption = None,
    every: AllOption = False,
    split: SplitOption = None,
    filter_text: FilterOption = None,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The heights, else the dataset's first.", show_default=False)
    ] = None,
    bits: Annotated[Bits, typer.Option(help="8 for 0..255, 16 for 0..65535.")] = Bits.EIGHT,
    scope: Annotated[
        HeightRange | None,
        typer.Option(
            "--range",
            help="Which tiles share a range, which is found first; else each has its own.",
            show_default=False,
        ),
    ] = None,
    low: Annotated[
        float | None, typer.Option(metavar="METRES", help="With --high: a fixed range.", show_default=False)
    ] = None,
    high: Annotated[float | None, typer.Option(metavar="METRES", help="See --low.", show_default=False)] = None,
    percent: Annotated[float, typer.Option(metavar="P", help="Percent of the heights, cut off at each end.")] = 0.0,
    inverted: Annotated[bool, typer.Option("--inverted", help="High is dark.")] = False,
    to: Annotated[HeightFile, typer.Option(help="Kind of the files.")] = HeightFile.TIF,
    with_dropped: WithDroppedOption = False,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write heights as 0..255 or 0..65535, with what gives the metres back. Stopped and called again, it goes on."""
    from rsviewer.batch.converting.height255 import Height255Order, NumberFile, convert_heights, preview_heights
    from rsviewer.batch.converting.ranges import Scope

    if (low is None) != (high is None):
        raise typer.BadParameter("a fixed range has both --low and --high.", param_hint="--low")
    if low is not None and scope is not None:
        raise typer.BadParameter("either --range or --low and --high.", param_hint="--range")
    order = Height255Order(
        out.absolute(),
        NumberFile(to),
        None if layer is None else LayerId(layer),
        int(bits),
        Scope(scope or HeightRange.TILE),
        None if low is None or high is None else (low, high),
        percent,
        inverted,
        overwrite,
    )
    facts = {"to": str(to), "bits": order.bits, "range": "fixed" if order.fixed else str(order.scope)}
    choice = Choice(tile, every, split, filter_text)
    with chosen(path, format_name, project, choice, with_dropped=with_dropped) as (dataset, entries, left_out):
        if dry_run:
            preview = preview_heights(dataset, entries, order, left_out=left_out)
            return report_preview(preview, order.out, facts, as_json=as_json)
        crew = crew_of(workers, len(entries))
        result = carry_out(
            "Writing heights",
            lambda report: convert_heights(dataset, entries, order, left_out=left_out, crew=crew, progress=report),
        )
    return report_result(result, order.out, facts, as_json=as_json)
