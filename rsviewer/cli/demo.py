"""`rsviewer demo`: the built-in dataset."""

from pathlib import Path
from typing import Annotated

import typer

from rsviewer.cli.console import progress
from rsviewer.cli.open import show_window
from rsviewer.cli.options import OverwriteOption, ScreenshotOption, SizeOption, check_target, parse_size

TILES, SEED = 64, 1


def demo(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where it goes, else your data folder.", show_default=False)
    ] = None,
    tiles: Annotated[int, typer.Option(min=1, max=100_000, help="How many tiles.")] = TILES,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another town.")] = SEED,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only write it, and say where it is.")] = False,
    screenshot: ScreenshotOption = None,
    size: SizeOption = None,
    overwrite: OverwriteOption = False,
) -> int:
    """Write the built-in dataset where it is not there yet, and open it."""
    parse_size(size)
    if screenshot is not None:
        check_target(screenshot, overwrite=overwrite)
    from rsviewer.data.demo import write_demo

    with progress("Painting the built-in dataset") as report:
        result = write_demo(directory or default_directory(tiles, seed), tiles=tiles, seed=seed, progress=report)
    if no_open:
        print(result.root)
        return 0
    return show_window(result.root, screenshot=screenshot, size=size, overwrite=overwrite)


def default_directory(tiles: int, seed: int) -> Path:
    """Where the built-in dataset goes unless the user says otherwise: another order, another folder."""
    import platformdirs

    from rsviewer.data.settings import home

    data = home() or platformdirs.user_data_path("rsviewer", appauthor=False)
    return data / ("demo" if (tiles, seed) == (TILES, SEED) else f"demo-{tiles}-tiles-seed-{seed}")
