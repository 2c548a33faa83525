"""Tables for other programs: CSV in UTF-8, or Parquet."""

import csv
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from rsviewer.core.errors import SaveError
from rsviewer.data.saving import saving

PARQUET = ".parquet"
_TYPES = {str: "VARCHAR", float: "DOUBLE"}
_MEMORY = "256MB"


def write_table(
    path: Path,
    columns: Mapping[str, type[str] | type[float]],
    batches: Iterable[Mapping[str, Sequence[str | float]]],
    *,
    overwrite: bool = False,
) -> None:
    """Writes a table: whole, or not at all. No more than one batch is in memory.

    Args:
        path: what ends in `PARQUET` becomes that, all else CSV with a header.
        columns: name -> what it holds.
        batches: name -> values, as many in every column. What is not UTF-8 is escaped.
        overwrite: replace what is there.

    Raises:
        SaveError: it cannot be written, or something is there already.
    """
    with saving(path, overwrite=overwrite) as partial:
        if path.suffix.lower() == PARQUET:
            _write_parquet(partial, columns, batches)
        else:
            with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                for batch in batches:
                    writer.writerows(zip(*(batch[name] for name in columns), strict=True))


def _write_parquet(
    path: Path,
    columns: Mapping[str, type[str] | type[float]],
    batches: Iterable[Mapping[str, Sequence[str | float]]],
) -> None:
    """By way of a database in a temporary folder: Parquet is written of a whole table."""
    table = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in columns.items())
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rsviewer-table-") as folder,
            duckdb.connect(Path(folder) / "table.duckdb", config={"memory_limit": _MEMORY}) as connection,
        ):
            connection.execute(f"CREATE TABLE said ({table})")
            for batch in batches:
                arrays = {name: _array(batch[name], kind) for name, kind in columns.items()}
                connection.register("batch", arrays)
                connection.execute("INSERT INTO said SELECT * FROM batch")
                connection.unregister("batch")
            connection.execute("COPY said TO $path (FORMAT parquet)", {"path": os.fspath(path)})
    except duckdb.Error as error:
        raise SaveError(f"{path.name} could not be written ({str(error).splitlines()[0]}).") from error


def _array(values: Sequence[str | float], kind: type[str] | type[float]) -> Any:
    if kind is str:
        return np.array([str(value).encode("utf-8", "backslashreplace").decode() for value in values], object)
    return np.array(values, np.float64)
