"""Arguments and options that several commands have, and the reading of what was typed."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from rsviewer.core.errors import RsviewerError
from rsviewer.data.remote.names import location

PATH: Any = typer.Argument(
    parser=location,
    metavar="PATH",
    help="Folder of a dataset, an archive of one, its web address (https://, s3://, gs://), or a TOML file.",
    show_default=False,
)
PathArgument = Annotated[Path, PATH]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="Format of the dataset, else recognised.")
]
ProjectOption = Annotated[
    Path | None, typer.Option("--project", metavar="DIR", help="Where decisions and index live, else your data folder.")
]
ScreenshotOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png", help="Draw, wait until all that is visible is there, save, exit. Needs no display."
    ),
]
SizeOption = Annotated[str | None, typer.Option(metavar="WxH", help="Size of the window, for example 1280x720.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
DaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Work on the Dask cluster with this scheduler (tcp://host:8786), which sees the data."
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=0, max=256, help="Readers; 0 takes as many as there are cores.")]


def parse_size(size: str | None) -> tuple[int, int] | None:
    """(width, height) from "1280x720"."""
    if size is None:
        return None
    width, _, height = size.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 100 <= int(width) <= 16384 and 100 <= int(height) <= 16384):
        raise typer.BadParameter(f"{size!r} is not like 1280x720.", param_hint="--size")
    return int(width), int(height)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raises RsviewerError where a file cannot be put at `path`: said before the work, not after it."""
    folder = path.absolute().parent
    if path.is_dir():
        raise RsviewerError(f"{path} is a folder. Name a file in it.")
    if not folder.is_dir():
        raise RsviewerError(f"There is no folder {folder} for {path.name}. Make it first.")
    if path.exists() and not overwrite:
        raise RsviewerError(f"{path} exists and was left as it is. Choose another name, or add --overwrite.")


def make_folder(out: Path) -> None:
    """Raises RsviewerError where a folder given with --out cannot be written to: said before the work, not with every tile."""
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
