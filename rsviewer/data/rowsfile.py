"""The numbers of a plot as a table, for spreadsheets and scripts."""

import csv
from pathlib import Path

from rsviewer.core.statistics import Rows
from rsviewer.data.saving import saving


def save_rows(path: Path, rows: Rows) -> None:
    """Writes CSV in UTF-8, replacing a file that is there: whole or not at all. Raises SaveError."""
    head, lines = rows
    with (
        saving(path, overwrite=True) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([f"{each:.10g}" if isinstance(each, float) else each for each in line] for line in lines)
