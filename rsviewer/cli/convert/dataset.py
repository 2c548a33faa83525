"""`rsviewer convert dataset`: the reviewed dataset in another layout."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsviewer.cli.choosing import FilterOption, SplitOption, TileOption
from rsviewer.cli.console import complain, plain, plural
from rsviewer.cli.convert.common import (
    AllOption,
    Choice,
    DryRunOption,
    WithDroppedOption,
    WorkersOption,
    carry_out,
    crew_of,
    entries_of,
    report_preview,
    report_result,
)
from rsviewer.cli.options import FormatOption, JsonOption, OverwriteOption, PathArgument, ProjectOption
from rsviewer.core.tile import LayerId

if TYPE_CHECKING:
    from rsviewer.batch.converting.dataset import DatasetPreview


class Layout(StrEnum):
    """What `convert dataset` writes."""

    SYNRS3D = "synrs3d"
    RS3DBENCH = "rs3dbench"
    FOLDERS = "folders"


class Linking(StrEnum):
    """How files get there."""

    COPY = "copy"
    HARD = "hard"
    SYMLINK = "symlink"


WARNINGS = {
    Linking.HARD: "The linked files are those of the dataset: whoever changes one, changes both.",
    Linking.SYMLINK: "The linked files are those of the dataset: whoever changes one, changes both, and they are gone where it "
    "is moved.",
}


def dataset(
    path: PathArgument,
    to: Annotated[
        Layout,
        typer.Option(
            help="synrs3d and rs3dbench are what their loaders read; folders holds every raster and text, with a description.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="A folder of its own for the new dataset, outside of the old one.", show_default=False
        ),
    ],
    tile: TileOption = None,
    every: AllOption = False,
    split: SplitOption = None,
    filter_text: FilterOption = None,
    with_dropped: WithDroppedOption = False,
    drop_undecided: Annotated[
        bool, typer.Option("--drop-undecided", help="Leave out tiles without a verdict, too.")
    ] = False,
    layers: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these layers, else all that the layout can hold.")
    ] = None,
    link: Annotated[
        Linking, typer.Option(help="Copy files that are good as they are, or link them: then nothing is copied.")
    ] = Linking.COPY,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write the dataset without its dropped tiles in another layout, with its split lists. Without a choice it is all tiles.

    Files that are good there as they are get copied byte for byte, others are written anew as GeoTIFF with the same values.
    tiles.csv tells what each tile is called now, left-out.csv which are not there and why. Nothing of the dataset is changed.
    """
    if with_dropped and drop_undecided:
        raise typer.BadParameter("choose one of them.", param_hint="--with-dropped and --drop-undecided")
    from rsviewer.batch.converting.dataset import DatasetOrder, check_order, convert_dataset, preview_dataset, sort_out
    from rsviewer.cli.dataset import looked_at, read_decisions
    from rsviewer.core.splits import ExportOptions
    from rsviewer.data.relayout.storing import Link

    is_open = not tile and split is None and filter_text is None
    choice = Choice(tile, every or is_open, split, filter_text)
    choice.check()
    wanted = tuple(LayerId(name.strip()) for name in (layers or "").split(",") if name.strip())
    order = DatasetOrder(out.absolute(), str(to), wanted, Link(str(link)), overwrite)
    facts = {"to": order.to, "link": str(link)}
    with looked_at(path, format_name, project) as (opened, adapter):
        check_order(opened, order)
        entries = [entry for entry in entries_of(opened, adapter, project, choice) if entry.has_files]
        options = None if with_dropped else ExportOptions(drop_undecided)
        kept, left = sort_out(entries, read_decisions(opened, project), options)
        read = adapter.tile_of_line
        if dry_run:
            preview = preview_dataset(opened, kept, order, tile_of_line=read, left_out=left)
            code = report_preview(preview, order.out, facts | _document(preview), as_json=as_json)
            if not as_json:
                _tell(preview, link)
            return code
        if link in WARNINGS:
            complain(WARNINGS[link])
        crew = crew_of(workers, len(kept))
        result = carry_out(
            "Writing the dataset",
            lambda report: convert_dataset(
                opened, kept, order, tile_of_line=read, left_out=left, crew=crew, progress=report
            ),
        )
    return report_result(result, order.out, facts, as_json=as_json)


def _document(preview: "DatasetPreview") -> dict[str, object]:
    return {
        "files": preview.files,
        "as_they_are": preview.copied,
        "bytes": preview.size,
        "bytes_are_exact": preview.is_exact,
        "anew": dict(preview.anew),
        "lists": list(preview.lists),
        "notes": list(preview.notes),
    }


def _tell(preview: "DatasetPreview", link: Linking) -> None:
    verb = "copied" if link is Linking.COPY else "linked"
    about = "" if preview.is_exact else "about "
    anew = preview.files - preview.copied
    print(
        f"{plural(preview.files, 'file')}: {preview.copied:,} {verb} as they are ({about}{_megabytes(preview.size)}), "
        f"{anew:,} written anew."
    )
    for why, count in preview.anew.items():
        print(f"  {plural(count, 'file')} anew, {plain(why)}")
    if preview.lists:
        print(f"Lists: {plain(', '.join(preview.lists))}")
    for note in preview.notes:
        print(plain(note))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
