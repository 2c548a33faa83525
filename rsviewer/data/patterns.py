"""Regular expressions that strangers wrote: matched by RE2, whose time grows with the length of the text and no faster.

Python's own engine takes longer than the age of the world for ``(a+)+$`` and a name of sixty letters. RE2 comes with DuckDB.
What it does not have, looking around and references back, is refused.
"""

import re
from collections.abc import Collection

import numpy as np

from rsviewer.data.catalogue import tile_name

LONGEST = 1000
"""Letters of a pattern."""

_BATCH = 65_536


class Pattern:
    """A regular expression with a group in parentheses. Safe from any thread."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with a clause that says what is wrong."""
        import duckdb  # late: few descriptions have a pattern, and it takes a tenth of a second

        if len(text) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST} letters")
        try:
            groups = re.compile(text).groups
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(str(error)) from error
        if not groups:
            raise ValueError("it has no parentheses")
        self._text = text
        self._connection = duckdb.connect(":memory:", config={"memory_limit": "250MB", "threads": 1})
        self._connection.execute("SET enable_external_access = false")
        try:
            self.found_in([""])
        except duckdb.Error as error:
            raise ValueError(str(error).partition(":")[2].strip()) from error

    def found_in(self, names: Collection[str]) -> dict[str, str]:
        """What the first parentheses find in each name, first written as `tile_name` does; empty where nothing matches."""
        listed = list(names)
        found: dict[str, str] = {}
        with self._connection.cursor() as cursor:
            for start in range(0, len(listed), _BATCH):
                batch = listed[start : start + _BATCH]
                cursor.register("batch", {"name": np.array([tile_name(name) for name in batch], dtype=object)})
                rows = cursor.execute("SELECT regexp_extract(name, ?, 1) FROM batch", [self._text]).fetchall()
                found.update(zip(batch, (row[0] or "" for row in rows), strict=True))
        return found
