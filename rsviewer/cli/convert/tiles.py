"""`rsviewer convert tiles`: large rasters cut into tiles that lie one on the other."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.console import plain, plural
from rsviewer.cli.convert.common import DryRunOption, OutOption, WorkersOption, carry_out, report_preview, report_result
from rsviewer.cli.options import JsonOption, OverwriteOption
from rsviewer.core.tile import LayerKind, printable
from rsviewer.core.tiling import Edge

if TYPE_CHECKING:
    from rsviewer.batch.converting.running import Conversion
    from rsviewer.batch.converting.tiles import Plan, Planned

NAMED = 3
"""So many tiles that were left out are named; --json lists all."""


class Layout(StrEnum):
    """What `convert tiles` writes."""

    RS3DBENCH = "rs3dbench"
    SYNRS3D = "synrs3d"


class GridOf(StrEnum):
    """Whose pixels are those of the tiles."""

    IMAGE = "image"
    PRE_IMAGE = "pre-image"
    DEM = "dem"
    DSM = "dsm"
    DTM = "dtm"
    NDSM = "ndsm"
    LABELS = "labels"
    MASK = "mask"


class OfImages(StrEnum):
    """How images and heights are resampled."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    CUBIC = "cubic"
    AVERAGE = "average"


class OfLabels(StrEnum):
    """How classes are resampled."""

    NEAREST = "nearest"
    MODE = "mode"


def _source(words: str) -> Any:
    return typer.Option(metavar="FILE", help=words, show_default=False)


def tiles(
    to: Annotated[Layout, typer.Option(help="Folders and names as in this dataset.", show_default=False)],
    out: OutOption,
    image: Annotated[
        list[Path] | None, _source("Orthophoto or satellite image; also a folder, and several times.")
    ] = None,
    dem: Annotated[list[Path] | None, _source("Elevation, in metres. This and all below as --image.")] = None,
    dsm: Annotated[list[Path] | None, _source("Surface with buildings and trees.")] = None,
    dtm: Annotated[list[Path] | None, _source("Bare ground.")] = None,
    ndsm: Annotated[list[Path] | None, _source("Height above ground.")] = None,
    labels: Annotated[list[Path] | None, _source("Land cover, one number for each class.")] = None,
    mask: Annotated[list[Path] | None, _source("Change mask, or any other.")] = None,
    pre_image: Annotated[list[Path] | None, _source("Image before the change.")] = None,
    area: Annotated[
        str, typer.Option(metavar="NAME", help="Part of the folders' names, else that of the first file.")
    ] = "",
    size: Annotated[int, typer.Option(metavar="PIXELS", help="Side of a tile.")] = 512,
    stride: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="From one tile to the next, else their size.", show_default=False),
    ] = None,
    gsd: Annotated[
        float | None, typer.Option(metavar="METRES", help="Side of a pixel, else that of the grid.", show_default=False)
    ] = None,
    grid: Annotated[
        GridOf | None, typer.Option(help="Whose pixels are kept, else the image's or the finest.", show_default=False)
    ] = None,
    crs: Annotated[str, typer.Option(metavar="EPSG:n", help="Of the tiles, else that of the grid.")] = "",
    min_valid: Annotated[
        float, typer.Option(metavar="SHARE", help="Tiles of which a layer has less data are left out, 0..1.")
    ] = 0.9,
    edge: Annotated[
        Edge,
        typer.Option(
            help="What is too small for a tile at the right and at the bottom: dropped, padded, or the tile shifted."
        ),
    ] = Edge.DROP,
    bands: Annotated[
        str, typer.Option(metavar="N,N,N", help="Of the images, counted from 1, else all: 4,3,2 for Sentinel-2.")
    ] = "",
    resampling_image: Annotated[
        OfImages | None, typer.Option(help="Else cubic, and average where they become smaller.", show_default=False)
    ] = None,
    resampling_heights: Annotated[
        OfImages | None, typer.Option(help="Else bilinear, and average where they become smaller.", show_default=False)
    ] = None,
    resampling_labels: Annotated[
        OfLabels | None, typer.Option(help="Else nearest, and mode where they become far smaller.", show_default=False)
    ] = None,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> int:
    """Cut large rasters into tiles that lie one on the other. Stopped and called again, it goes on."""
    from rsviewer.batch.converting.tiles import PATIENCE, TilesOrder, convert_tiles, plan_tiles, preview_tiles
    from rsviewer.batch.crew import Here, Processes

    given = {
        "image": image,
        "pre-image": pre_image,
        "dem": dem,
        "dsm": dsm,
        "dtm": dtm,
        "ndsm": ndsm,
        "labels": labels,
        "mask": mask,
    }
    wanted = {
        LayerKind.OPTICAL: resampling_image,
        LayerKind.HEIGHT: resampling_heights,
        LayerKind.LABELS: resampling_labels,
    }
    order = TilesOrder(
        out=out.absolute(),
        to=str(to),
        sources={role: tuple(paths) for role, paths in given.items() if paths},
        area=area,
        size=size,
        stride=stride,
        gsd=gsd,
        grid=str(grid or ""),
        crs=crs,
        min_valid=min_valid,
        edge=edge,
        resampling={kind: str(name) for kind, name in wanted.items() if name is not None},
        bands=_numbers(bands),
        overwrite=overwrite,
    )
    plan = plan_tiles(order)
    facts = _facts(plan, order.to)
    if not as_json:
        _describe(plan)
    if dry_run:
        if not as_json and min_valid > 0:
            print(f"Of these, tiles with less than {100 * min_valid:g} % valid pixels in any layer will be left out.")
        return report_preview(preview_tiles(order, plan), order.out, facts, as_json=as_json)
    crew = (
        Here()
        if workers == 0 or (workers is None and plan.tiles <= FEW)
        else Processes(workers or 0, patience=PATIENCE)
    )
    result = carry_out("Cutting tiles", lambda report: convert_tiles(order, plan=plan, crew=crew, progress=report))
    if as_json:
        facts["left_out_because"] = [dict(row) for row in result.facts.values()]
        return report_result(result, order.out, facts, as_json=True)
    status = report_result(replace(result, left_out=()), order.out, facts, as_json=False)
    _tell_left_out(result, min_valid)
    return status


FEW = 2
"""Up to so many tiles no process is started for them."""


def _numbers(text: str) -> tuple[int, ...]:
    """Bands, as typed. Raises BadParameter."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdecimal() and 1 <= int(part) <= 9999 for part in parts):
        raise typer.BadParameter(f"{text!r} is not like 4,3,2.", param_hint="--bands")
    return tuple(map(int, parts))


def _facts(plan: "Plan", to: str) -> dict[str, Any]:
    """What the JSON document says of a plan."""
    windows, grid = plan.windows, plan.grid
    return {
        "to": to,
        "grid": {
            "of": plan.basis,
            "crs": grid.crs,
            "transform": grid.transform,
            "width": grid.width,
            "height": grid.height,
            "gsd": plan.gsd,
        },
        "size": windows.size,
        "stride": windows.stride,
        "rows": windows.rows,
        "columns": windows.columns,
        "layers": [_layer_facts(each) for each in plan.layers],
        "plan_remarks": list(plan.remarks),
    }


def _layer_facts(planned: "Planned") -> Mapping[str, Any]:
    layer = planned.layer
    return {
        "role": planned.role,
        "folder": planned.folder,
        "files": [str(placed.file.path) for placed in layer.files],
        "bands": layer.bands,
        "dtype": layer.dtype.name,
        "resampling": None if layer.is_copied else layer.resampling,
        "covered": round(planned.covered, 6),
    }


def _describe(plan: "Plan") -> None:
    """The plan, for people."""
    windows, grid = plan.windows, plan.grid
    gsd = "" if plan.gsd is None else f", {plan.gsd:.4g} m"
    crs = _short(grid.crs) if grid.transform is not None else "no georeference"
    own = f"that of the {plan.basis}" if plan.is_own else f"new, over the {plan.basis}"
    print(f"Grid: {grid.width} x {grid.height} pixels{gsd}, {crs} ({own})")
    print(
        f"Tiles: {plural(plan.tiles, 'window')} of {windows.size} x {windows.size} in {plural(windows.rows, 'row')} and "
        f"{plural(windows.columns, 'column')}, one every {windows.stride} pixels"
    )
    for each in plan.layers:
        layer, file = each.layer, each.layer.files[0].file
        names = plain(printable(file.path.name)) + (f" and {len(layer.files) - 1} more" if len(layer.files) > 1 else "")
        measure = "" if file.gsd is None else f", {file.gsd:.4g} m"
        how = "copied" if layer.is_copied else f"resampled ({layer.resampling})"
        print(
            f"  {layer.title}: {names}, {file.width} x {file.height}{measure}, {_short(file.grid.crs) or 'no CRS'}, "
            f"{layer.bands} x {layer.dtype.name}: {how} -> {plain(each.folder)}"
        )
    for remark in plan.remarks:
        print(plain(remark))


def _short(crs: str) -> str:
    """A CRS in a few words: of WKT, the name."""
    return plain(crs if "[" not in crs else crs.split('"')[1] if '"' in crs else crs[:40])


def _tell_left_out(result: "Conversion", min_valid: float) -> None:
    if not result.left_out:
        return
    named = [
        f"{plain(name)} ({plain(str(row['layer']))} {100 * row['valid']:.0f} %)"
        for name, row in list(result.facts.items())[:NAMED]
    ]
    more = " ..." if len(result.left_out) > NAMED else ""
    print(
        f"Left out: {plural(len(result.left_out), 'tile')} with less than {100 * min_valid:g} % valid pixels: "
        f"{', '.join(named)}{more}"
    )
