"""`rsviewer convert png`: images as pictures of 8 bits."""

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
from rsviewer.core.eightbit import Stretch, Stretching
from rsviewer.core.tile import LayerId


def png(
    path: PathArgument,
    out: OutOption,
    tile: TileOption = None,
    every: AllOption = False,
    split: SplitOption = None,
    filter_text: FilterOption = None,
    layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The image, or radar; else the dataset's first.")
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="4,3,2", help="Bands as the file counts them, from 1: three, or one. Else those on screen."
        ),
    ] = None,
    stretch: Annotated[
        Stretch,
        typer.Option(
            help="What becomes 0 and 255: least and greatest value of the image or of each channel, none (as stored), "
            "percentiles of the image or of each channel, tif2png (channel, then percentiles of the image: as RS3DBench's "
            "script comes), or a fixed --range."
        ),
    ] = Stretch.CHANNEL,
    percent: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Percentiles, else 1 99. Also 0.3 99.7.", show_default=False),
    ] = None,
    ends: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="LOW HIGH", help="For --stretch fixed.", show_default=False),
    ] = None,
    gamma: Annotated[float, typer.Option(help="Above 1 brightens the middle.")] = 1.0,
    georeference: Annotated[
        bool,
        typer.Option(
            " /--no-georeference", help="Write no NAME.png.aux.xml with the place on the map.", show_default=False
        ),
    ] = True,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write images as PNG of 8 bits. What has no value becomes transparent. Stopped and called again, it goes on."""
    from rsviewer.batch.converting.png import PngOrder, convert_pngs, preview_pngs

    stretching = _stretching(stretch, percent, ends, gamma)
    wanted = None if layer is None else LayerId(layer)
    order = PngOrder(out.absolute(), wanted, _numbers(bands), stretching, georeference, overwrite)
    facts = {"stretch": str(stretch)}
    with chosen(path, format_name, project, Choice(tile, every, split, filter_text)) as (dataset, entries, _):
        if dry_run:
            return report_preview(preview_pngs(dataset, entries, order), order.out, facts, as_json=as_json)
        crew = crew_of(workers, len(entries))
        result = carry_out(
            "Writing pictures", lambda report: convert_pngs(dataset, entries, order, crew=crew, progress=report)
        )
    return report_result(result, order.out, facts, as_json=as_json)


def _stretching(
    stretch: Stretch, percent: tuple[float, float] | None, ends: tuple[float, float] | None, gamma: float
) -> Stretching:
    """As typed. Raises BadParameter where numbers are missing, or given for nothing."""
    if percent is not None and not stretch.has_percents:
        raise typer.BadParameter("it goes with --stretch percent, percent-channel or tif2png.", param_hint="--percent")
    if (ends is not None) != (stretch is Stretch.FIXED):
        raise typer.BadParameter("it goes with --stretch fixed, which needs it.", param_hint="--range")
    usual = Stretching()
    return Stretching(stretch, percent or usual.percents, ends or usual.ends, gamma)


def _numbers(bands: str | None) -> tuple[int, ...]:
    if bands is None:
        return ()
    parts = [part.strip() for part in bands.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts):
        raise typer.BadParameter(f"{bands!r} is not like 4,3,2.", param_hint="--bands")
    return tuple(int(part) for part in parts)
