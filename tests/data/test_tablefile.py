"""Tables for other programs: written part by part, whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from rsviewer.core.errors import SaveError
from rsviewer.data.tablefile import write_table

COLUMNS = {"tile": str, "suspicion": float}
Part = dict[str, list[str | float]]


def parts() -> Iterator[Part]:
    yield {"tile": ["a", "b,\udcff"], "suspicion": [0.5, 0.25]}
    yield {"tile": ["é"], "suspicion": [1]}


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_parts_become_one_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_table(path, COLUMNS, parts())
    rows = duckdb.sql(f"SELECT tile, suspicion FROM '{path}'").fetchall()
    assert rows == [("a", 0.5), ("b,\\udcff", 0.25), ("é", 1.0)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_no_rows_are_a_table_too(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name, COLUMNS, [])
    assert duckdb.sql(f"SELECT * FROM '{tmp_path / name}'").columns == ["tile", "suspicion"]


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_what_breaks_off_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("before", "utf-8")

    def broken() -> Iterator[Part]:
        yield from parts()
        raise SaveError("The tiles went away.")

    with pytest.raises(SaveError):
        write_table(path, COLUMNS, broken(), overwrite=True)
    assert path.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
