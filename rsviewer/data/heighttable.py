"""What stands beside heights of 8 or 16 bits: a table of what their numbers mean, and the tiles that were left out."""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rsviewer.core.errors import LayerError
from rsviewer.core.quantising import Levels
from rsviewer.core.tile import Missing, TileId, Unreadable, printable
from rsviewer.data.raster import read_tags
from rsviewer.data.saving import save

TABLE = "heights255.csv"
LEFT_OUT = "left_out.txt"

PREFIX = "RSVIEWER_"
"""Of the names of tags in files."""

COLUMNS = (
    *("file", "tile", "layer", "unit", "bits", "range", "low", "high", "inverted"),
    *("nodata", "scale", "offset", "clipped"),
)
"""height = number * scale + offset; numbers that are `nodata` mean none; empty where there is no such number."""

_OF_PLACE = "file"


def facts_of(levels: Levels, *, tile: str, layer: str, unit: str, rule: str, clipped: int) -> dict[str, str]:
    """A row of the table but for its file, as text that gives every number back exactly.

    Args:
        levels: what the numbers mean.
        tile: whose they are.
        layer: of which of its layers.
        unit: of the heights; empty where nobody knows.
        rule: what the range was taken of.
        clipped: pixels whose height lay beyond it.
    """
    return {
        "tile": tile,
        "layer": layer,
        "unit": unit,
        "bits": str(levels.bits),
        "range": rule,
        "low": repr(levels.low),
        "high": repr(levels.high),
        "inverted": "yes" if levels.inverted else "no",
        "nodata": "0" if levels.reserved else "",
        "scale": repr(levels.scale),
        "offset": repr(levels.offset),
        "clipped": str(clipped),
    }


def tags_of(facts: Mapping[str, str]) -> dict[str, str]:
    """The same for the file itself."""
    return {f"{PREFIX}{name.upper()}": text for name, text in facts.items() if text}


def facts_in(path: Path) -> dict[str, str]:
    """The row that a file itself tells. Raises LayerError where it cannot be read, or tells nothing."""
    tags = read_tags(path)
    if isinstance(tags, Missing | Unreadable):
        raise LayerError(f"{printable(path.name)}: {tags.reason}")
    facts = {name: tags.get(f"{PREFIX}{name.upper()}", "") for name in COLUMNS if name != _OF_PLACE}
    if not facts["scale"]:
        raise LayerError(
            f"{printable(path.name)} was changed since it was written: it does not say any more what its numbers mean. "
            "Delete it, or say --overwrite."
        )
    return facts


def levels_in(facts: Mapping[str, str]) -> Levels:
    """What the numbers of a file mean, from its row. Raises ValueError and KeyError where it is none."""
    return Levels(
        float(facts["low"]),
        float(facts["high"]),
        int(facts["bits"]),
        reserved=bool(facts["nodata"]),
        inverted=facts["inverted"] == "yes",
    )


def write_heights_table(out: Path, rows: Mapping[str, Mapping[str, str]], kept: Collection[str]) -> None:
    """Writes the table, with the rows of other files that are there still.

    Args:
        out: the folder.
        rows: file, from that folder on -> what is known of it.
        kept: files of which the table that is there is believed, and no others.

    Raises:
        SaveError: it cannot be written.
    """
    from rsviewer.data.tablefile import write_table

    before = {row[_OF_PLACE]: row for row in _rows(out / TABLE) if row[_OF_PLACE] in kept}
    every = {**before, **{file: {**row, _OF_PLACE: file} for file, row in rows.items()}}
    columns: dict[str, Sequence[str]] = {name: [row[name] for row in every.values()] for name in COLUMNS}
    write_table(out / TABLE, dict.fromkeys(COLUMNS, str), [columns], overwrite=True)


def files_in_table(out: Path) -> list[str]:
    """The files that the table that is there tells of, from its folder on."""
    return [row[_OF_PLACE] for row in _rows(out / TABLE)]


def write_left_out(out: Path, tiles: Iterable[TileId]) -> None:
    """Lists the tiles that were left out, one a line; no file where there are none. Raises SaveError."""
    content = "".join(f"{' '.join(tile.splitlines())}\n" for tile in tiles)
    if content:
        save(out / LEFT_OUT, content.encode(), overwrite=True)
    else:
        (out / LEFT_OUT).unlink(missing_ok=True)


def _rows(path: Path) -> list[dict[str, str]]:
    """Of a table that we wrote; none where there is none, or it is another one."""
    with suppress(OSError, UnicodeDecodeError, csv.Error), path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) == COLUMNS:
            return [
                row for row in reader if None not in row and None not in row.values() and "\0" not in row[_OF_PLACE]
            ]
    return []
