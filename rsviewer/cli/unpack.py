"""`rsviewer unpack`: archives of a dataset into a folder, safely, and to be continued after any interruption."""

from pathlib import Path
from typing import Annotated

import typer

from rsviewer.cli.console import complain, plural, print_json, stages
from rsviewer.cli.options import JsonOption

DONE, NOT_ALL = 0, 1


def unpack(
    archives: Annotated[
        list[Path],
        typer.Argument(metavar="ARCHIVE...", help="The archives, or a folder of them.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="A new or empty folder, or one where this was stopped before.")
    ],
    as_json: JsonOption = False,
) -> int:
    """Unpack .zip, .tar and .tar.gz archives into one folder. Stopped and called again, it goes on.

    What was decided about the tiles in one archive, or one folder of archives, is then known of the unpacked folder, too.
    Exit code 1 where something in the archives is not there afterwards, which is then named.
    """
    from rsviewer.data.archives import archives_in
    from rsviewer.data.unpacking import UnpackingError
    from rsviewer.data.unpacking import unpack as unpack_all

    wanted = [found for path in archives for found in (archives_in(path) if path.is_dir() else [path])]
    if not wanted:
        raise UnpackingError(f"There is no archive in {archives[0]}: .zip, .tar, .tar.gz and .tgz can be unpacked.")
    with stages() as report:
        result = unpack_all(wanted, out, lambda done, total: report("Unpacking", done, total))
    carried = _carried(archives[0], out) if len(archives) == 1 else 0
    if as_json:
        print_json(
            {
                "out": str(out),
                "files": result.files,
                "written": result.written,
                "decisions": carried,
                "problems": list(result.problems),
            }
        )
    else:
        print(f"{plural(result.files, 'file')} in {out}, {result.written:,} of them new.")
        if carried:
            print(f"{plural(carried, 'decision')} taken along.")
    for problem in result.problems:
        complain(problem)
    return NOT_ALL if result.problems else DONE


def _carried(path: Path, out: Path) -> int:
    """How many decisions were taken along from the project of what was unpacked, if somebody has opened that before."""
    from rsviewer.cli.dataset import looked_at
    from rsviewer.core.errors import DatasetNotFoundError
    from rsviewer.data.carrying import carry_decisions
    from rsviewer.data.project import default_directory, listings_directory

    if listings_directory(path, existing=True) is None:
        return 0
    try:
        with looked_at(path, None) as (dataset, _):
            return carry_decisions(dataset, default_directory(dataset.root), out)
    except DatasetNotFoundError:  # archives of something else
        return 0
