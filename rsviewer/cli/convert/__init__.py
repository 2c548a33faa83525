"""`rsviewer convert`: tiles as files for other programs. Each kind of file is a command of its own below it."""

import typer

from rsviewer.cli.convert.cloud import cloud
from rsviewer.cli.convert.ndsm import ndsm

convert = typer.Typer(help="Write tiles as files for other programs.")


@convert.callback()
def _convert() -> None:
    """Write tiles as files for other programs."""


convert.command("cloud")(cloud)
convert.command("ndsm")(ndsm)
