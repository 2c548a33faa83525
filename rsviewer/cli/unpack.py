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
    if as_json:
        print_json(
            {"out": str(out), "files": result.files, "written": result.written, "problems": list(result.problems)}
        )
    else:
        print(f"{plural(result.files, 'file')} in {out}, {result.written:,} of them new.")
    for problem in result.problems:
        complain(problem)
    return NOT_ALL if result.problems else DONE
