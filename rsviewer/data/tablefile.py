"""Tables for other programs: CSV in UTF-8, or Parquet."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from rsviewer.core.errors import SaveError
from rsviewer.data.saving import saving

PARQUET = ".parquet"


def write_table(path: Path, columns: Mapping[str, Sequence[str | float]], *, overwrite: bool = False) -> None:
    """Writes a table: whole, or not at all.

    Args:
        path: what ends in `PARQUET` becomes that, all else CSV with a header.
        columns: name -> values, all texts or all numbers, as many in every column. What is not UTF-8 is escaped.
        overwrite: replace what is there.

    Raises:
        SaveError: it cannot be written, or something is there already.
    """
    with saving(path, overwrite=overwrite) as partial:
        if path.suffix.lower() == PARQUET:
            _write_parquet(partial, columns)
        else:
            with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows(zip(*columns.values(), strict=True))


def _write_parquet(path: Path, columns: Mapping[str, Sequence[str | float]]) -> None:
    arrays = {name: _array(values) for name, values in columns.items()}
    try:
        with duckdb.connect(":memory:") as connection:
            connection.register("said", arrays)
            connection.execute("COPY (SELECT * FROM said) TO $path (FORMAT parquet)", {"path": os.fspath(path)})
    except duckdb.Error as error:
        raise SaveError(f"{path.name} could not be written ({str(error).splitlines()[0]}).") from error


def _array(values: Sequence[str | float]) -> Any:
    if any(isinstance(value, str) for value in values):
        return np.array([str(value).encode("utf-8", "backslashreplace").decode() for value in values], object)
    return np.array(values, np.float64)
