"""`rsviewer convert colorize`: colour pictures of heights, other quantities and classes."""

import re
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


class PictureFormat(StrEnum):
    """What `convert colorize` writes."""

    PNG = "png"
    TIF = "tif"


class SharedBy(StrEnum):
    """Which tiles have the same range."""

    TILE = "tile"
    GROUP = "group"
    DATASET = "dataset"


def colorize(
    path: PathArgument,
    out: OutOption,
    tile: TileOption = None,
    every: AllOption = False,
    split: SplitOption = None,
    filter_text: FilterOption = None,
    layer: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Heights, a quantity, labels or a mask; else the first height layer."),
    ] = None,
    colors: Annotated[
        str, typer.Option(metavar="TABLE", help="Colour table, for example Spectral; else as in the pane.")
    ] = "",
    inverted: Annotated[bool, typer.Option("--inverted", help="Turn the colour table round.")] = False,
    shared_by: Annotated[
        SharedBy, typer.Option("--range", help="A range for each tile, or one for a group or all the tiles converted.")
    ] = SharedBy.TILE,
    low: Annotated[float | None, typer.Option(metavar="VALUE", help="A fixed range: its lower end ...")] = None,
    high: Annotated[float | None, typer.Option(metavar="VALUE", help="... and its upper end.")] = None,
    percent: Annotated[
        float | None,
        typer.Option(metavar="P", help="Of the values, cut off at each end of the range; else 1 for heights."),
    ] = None,
    hillshade: Annotated[
        float | None, typer.Option(metavar="0..1", help="Shading of the relief; else 0.35 for heights.")
    ] = None,
    no_hillshade: Annotated[bool, typer.Option("--no-hillshade", help="The colours alone.")] = False,
    bar: Annotated[bool, typer.Option("--bar", help="A colour bar with numbers and unit beside the picture.")] = False,
    legend: Annotated[
        bool, typer.Option("--legend", help="Beside the picture: names of classes, or title and range in words.")
    ] = False,
    nodata_color: Annotated[
        str | None, typer.Option(metavar="RRGGBB", help="Colour of pixels without a value, else transparent.")
    ] = None,
    to: Annotated[PictureFormat, typer.Option(help="tif is GeoTIFF.")] = PictureFormat.PNG,
    no_georeference: Annotated[
        bool, typer.Option("--no-georeference", help="Not to say where the picture lies; no .aux.xml beside a PNG.")
    ] = False,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write the colour pictures that the panes show. Stopped and called again, it goes on.

    As convertDepth2Color of RS3DBench: --colors Spectral --inverted --percent 0 --no-hillshade --nodata-color 000000
    """
    from rsviewer.batch.converting.colorize import ColorOrder, convert_colors, layer_of, preview_colors
    from rsviewer.batch.converting.ranges import Scope

    if no_hillshade and hillshade:
        raise typer.BadParameter("give a strength or --no-hillshade, not both.", param_hint="--hillshade")
    order = ColorOrder(
        out.absolute(),
        str(to),
        None if layer is None else LayerId(layer),
        colors,
        inverted,
        Scope(shared_by),
        low,
        high,
        percent,
        0.0 if no_hillshade else hillshade,
        bar,
        legend,
        None if nodata_color is None else _color(nodata_color),
        not no_georeference,
        overwrite,
    )
    with chosen(path, format_name, project, Choice(tile, every, split, filter_text)) as (dataset, entries, left_out):
        facts = {"to": order.to, "layer": layer_of(dataset, order).id}
        if dry_run:
            preview = preview_colors(dataset, entries, order)
            return report_preview(replace(preview, left_out=left_out), order.out, facts, as_json=as_json)
        crew = crew_of(workers, len(entries))
        result = carry_out(
            "Colouring",
            lambda report: convert_colors(dataset, entries, order, crew=crew, progress=report),
            left_out,
        )
    return report_result(result, order.out, facts, as_json=as_json)


def _color(text: str) -> tuple[int, int, int]:
    """Red, green, blue from "ff8000"."""
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise typer.BadParameter(f"{text!r} is not like ff8000.", param_hint="--nodata-color")
    red, green, blue = bytes.fromhex(text[-6:])
    return red, green, blue
