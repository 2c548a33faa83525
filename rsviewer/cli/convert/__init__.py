"""`rsviewer convert`: tiles as files for other programs. Each kind of file is a command of its own below it."""

import typer

from rsviewer.cli.convert.cloud import cloud
from rsviewer.cli.convert.colorize import colorize
from rsviewer.cli.convert.dataset import dataset
from rsviewer.cli.convert.height255 import height255
from rsviewer.cli.convert.ndsm import ndsm
from rsviewer.cli.convert.png import png
from rsviewer.cli.convert.tiles import tiles

convert = typer.Typer(help="Write tiles as files for other programs.")


@convert.callback()
def _convert() -> None:
    """Write tiles as files for other programs."""


convert.command("cloud")(cloud)
convert.command("colorize")(colorize)
convert.command("dataset")(dataset)
convert.command("ndsm")(ndsm)
convert.command("png")(png)
convert.command("height255")(height255)
convert.command("tiles")(tiles)
