"""`rsviewer convert ndsm`: heights above ground."""

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


class GroundChoice(StrEnum):
    """Where the ground comes from."""

    AUTO = "auto"
    LAYER = "layer"
    ESTIMATE = "estimate"


def ndsm(
    path: PathArgument,
    out: OutOption,
    tile: TileOption = None,
    every: AllOption = False,
    split: SplitOption = None,
    filter_text: FilterOption = None,
    dsm: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The surface, else the layer that is called a DSM.")
    ] = None,
    dtm: Annotated[
        str | None, typer.Option(metavar="LAYER", help="The ground, else the layer that is called a DTM.")
    ] = None,
    ground: Annotated[
        GroundChoice,
        typer.Option(help="auto takes the DTM where a tile has one, and else estimates the ground from the DSM."),
    ] = GroundChoice.AUTO,
    slope: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="Estimate: the steepest ground, as rise over run.")
    ] = 0.15,
    window: Annotated[
        float, typer.Option(min=0.1, max=1000.0, help="Estimate: half the width of the widest building, in metres.")
    ] = 18.0,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Estimate: metres above the ground that still are ground.")
    ] = 0.5,
    scaling: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Estimate: how many metres more on ground of slope 1.")
    ] = 1.25,
    gsd: Annotated[
        float | None, typer.Option(metavar="METRES", help="Size of a pixel, where the files do not say.")
    ] = None,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write heights above ground: DSM minus DTM, or minus a ground that is estimated.

    The estimate is the simple morphological filter of Pingel, Clarke and McBride (2013). It needs pixels of a few metres
    at most, and ground that is seen between what stands on it: below closed forest, and on roofs wider than the window, it
    lies too high, so heights come out too low; ridges and walls may come out too high.
    """
    from rsviewer.batch.converting.ndsm import Ground, NdsmOrder, convert_ndsm, preview_ndsm
    from rsviewer.core.ground import GroundFilter

    order = NdsmOrder(
        out.absolute(),
        None if dsm is None else LayerId(dsm),
        None if dtm is None else LayerId(dtm),
        Ground(ground),
        GroundFilter(slope, window, threshold, scaling),
        gsd,
        overwrite,
    )
    with chosen(path, format_name, project, Choice(tile, every, split, filter_text)) as (dataset, entries, left_out):
        if dry_run:
            preview = preview_ndsm(dataset, entries, order)
            return report_preview(replace(preview, left_out=left_out), order.out, {}, as_json=as_json)
        crew = crew_of(workers, len(entries))
        result = carry_out(
            "Writing heights above ground",
            lambda report: convert_ndsm(dataset, entries, order, crew=crew, progress=report),
            left_out,
        )
    return report_result(result, order.out, {}, as_json=as_json)
