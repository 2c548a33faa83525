"""What lies in the meta files of SkyScript, as text: tags of OpenStreetMap, where and when.

A dictionary with `box` or `bbox` (west, south, east, north in degrees), `time` (year, month, day, hour, minute),
`center_tags` and `surrounding_tags`. Every key may be absent, every value of any shape: shown as far as it is understood.
"""

import math
from collections.abc import Mapping

from rsviewer.data.pickles import NUMPY_SCALARS, read_pickle

MOST_LINES = 400
_LONGEST = 400
_EAST, _NORTH = 111_320.0, 110_574.0
_KNOWN = frozenset({"center_tags", "surrounding_tags", "time", "box", "bbox"})


def readable(raw: bytes) -> str:
    """A meta file as paragraphs. Raises PickleRefusedError."""
    value = read_pickle(raw, allowed=NUMPY_SCALARS)
    if not isinstance(value, dict):
        return _short(value)
    paragraphs = [
        "\n".join(lines)
        for lines in (
            _titled("Focus", _tags(value.get("center_tags"))),
            _titled("Around it", _surroundings(value.get("surrounding_tags"))),
            _time(value.get("time")),
            _box(value.get("box", value.get("bbox"))),
            _titled("Besides", _tags({key: part for key, part in value.items() if key not in _KNOWN})),
        )
        if lines
    ]
    lines = "\n\n".join(paragraphs).split("\n")
    more = [f"... and {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
    return "\n".join(lines[:MOST_LINES] + more) or "It says nothing."


def _titled(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *lines] if lines else []


def _tags(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{_short(key)} = {_short(part)}" for key, part in value.items()]
    return [] if value is None else [_short(value)]


def _surroundings(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        return _tags(value)
    return [f"- {'; '.join(_tags(part))}" for part in value[:MOST_LINES] if part]


def _time(value: object) -> list[str]:
    numbers = _numbers(value)
    if not 1 <= len(numbers) <= 6 or not all(map(float.is_integer, numbers)):
        return [] if value is None else [f"Time: {_short(value)}"]
    parts = [f"{int(number):02d}" for number in numbers]
    day, clock = "-".join(parts[:3]), ":".join(parts[3:])
    return [f"Time: {day} {clock}".rstrip()]


def _box(value: object) -> list[str]:
    numbers = _numbers(value)
    if len(numbers) != 4:
        return [] if value is None else [f"Box: {_short(value)}"]
    west, south, east, north = numbers
    lines = [f"Box: {west:.6f}, {south:.6f} to {east:.6f}, {north:.6f} degrees (west, south to east, north)"]
    if -180 <= west < east <= 180 and -90 <= south < north <= 90:
        across = (east - west) * _EAST * math.cos(math.radians((south + north) / 2))
        lines.append(f"Ground: {across:,.0f} m by {(north - south) * _NORTH:,.0f} m")
    return lines


def _numbers(value: object) -> list[float]:
    """The values of a short sequence of finite numbers; none for anything else."""
    if not isinstance(value, list | tuple) or len(value) > 6:
        return []
    try:
        numbers = [float(part) for part in value]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _short(value: object) -> str:
    """Any value in one line, never long to make."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, int) and abs(value) > 10**40:
        text = "a huge number"
    elif isinstance(value, bool | int | float) or value is None:
        text = str(value)
    elif isinstance(value, bytes):
        text = value[:_LONGEST].decode("utf-8", "replace")
    elif isinstance(value, Mapping):
        text = "; ".join(f"{_flat(key)} = {_flat(part)}" for key, part in list(value.items())[:20])
    elif isinstance(value, list | tuple | set | frozenset):
        text = ", ".join(_flat(part) for part in list(value)[:20])
    else:
        text = f"a {type(value).__name__}"
    return " ".join(text[:_LONGEST].split())


def _flat(value: object) -> str:
    return _short(value) if not isinstance(value, Mapping | list | tuple | set | frozenset) else "..."
