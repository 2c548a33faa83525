"""`rsviewer open`: the window."""

from pathlib import Path
from typing import Annotated

import typer

from rsviewer.cli.console import complain
from rsviewer.cli.options import (
    PATH,
    FormatOption,
    OverwriteOption,
    ProjectOption,
    ScreenshotOption,
    SizeOption,
    check_target,
    parse_size,
)
from rsviewer.data.remote.names import is_remote


def open_dataset(
    path: Annotated[Path | None, PATH] = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only tiles that this list names.")] = None,
    filter_text: Annotated[
        str | None, typer.Option("--filter", metavar="EXPR", help='Only tiles that this keeps: "ndsm_max > 80".')
    ] = None,
    tile: Annotated[str, typer.Option(metavar="ID", help="Go to this tile.")] = "",
    relief: Annotated[bool, typer.Option("--3d", help="With the 3D view.")] = False,
    model: Annotated[
        str, typer.Option(metavar="CARD", help="Run this model on every tile: an id of models list, or a card file.")
    ] = "",
    layout: Annotated[str, typer.Option(metavar="LAYER,...", help="Show these layers only, in this order.")] = "",
    screenshot: ScreenshotOption = None,
    size: SizeOption = None,
    overwrite: OverwriteOption = False,
) -> int:
    """Open the window."""
    if path is None and (format_name or project or split or filter_text or tile or model or layout or relief):
        raise typer.BadParameter("it is needed with options that are about a dataset.", param_hint="PATH")
    return show_window(
        path,
        format_name=format_name,
        project=project,
        filter_text=queue_filter(split, filter_text),
        tile=tile,
        model=model,
        layout=layout,
        relief=relief,
        screenshot=screenshot,
        size=size,
        overwrite=overwrite,
    )


def show_window(
    path: Path | None,
    *,
    format_name: str | None = None,
    project: Path | None = None,
    filter_text: str | None = None,
    tile: str = "",
    model: str = "",
    layout: str = "",
    relief: bool = False,
    screenshot: Path | None = None,
    size: str | None = None,
    overwrite: bool = False,
) -> int:
    """Shows the window until it is closed. Returns the exit code."""
    wanted_size = parse_size(size)
    if screenshot is not None:
        check_target(screenshot, overwrite=overwrite)
    if path is not None and _is_nowhere(path):
        from rsviewer.data.detect import detect

        detect(path.absolute(), format_name)  # says what is there instead
    # Qt only now: what was typed wrong is said at once.
    from rsviewer.data.settings import load_preferences
    from rsviewer.ui.program import Start, run
    from rsviewer.workspace.opening import Asking, Opened, open_path

    first = path

    def opener(path: Path, *, asking: Asking) -> Opened:
        """What was said on the command line holds for the dataset named there, not for those opened later."""
        if path == first:
            return open_path(path, format_name=format_name, project_directory=project, asking=asking)
        return open_path(path, asking=asking)

    layers = tuple(name.strip() for name in layout.split(",") if name.strip())
    start = Start(path, tile, filter_text, layers, screenshot, wanted_size, relief, model)
    preferences = load_preferences()
    for message in preferences.messages:
        complain(message)
    return run(start, preferences.value, opener)


def _is_nowhere(path: Path) -> bool:
    """Whether there is no such file or folder, nor an archive in which it could be, nor a store."""
    if is_remote(str(path)) or path.exists():
        return False
    return not any(part.is_file() for part in path.parents)


def queue_filter(split: str | None, filter_text: str | None) -> str | None:
    """The filter of the queue that both options ask for."""
    conditions = [f"({filter_text})"] if filter_text else []
    if split is not None:
        quoted = split.replace("'", "''")
        conditions.insert(0, f"split = '{quoted}'")
    return " and ".join(conditions) if split is not None else filter_text
