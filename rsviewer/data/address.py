"""What stands in `TileEntry.files`: where the values of a layer of a tile are.

Most often a path. Besides:

    bands:A<RS>B<RS>C       several files that are the bands of one layer, in this order; an empty one has no file
    part:2,14,1,1/16:A      columns 2..3 and rows 14..15 of 16 x 16 equal parts of what A holds (left, top, width, height)
    text:A red roof         the text itself, from a table

where <RS> is the control character U+001E. A path never begins like these: it is absolute, or a name of GDAL's ("/vsis3/").
The separators within paths are escaped. Parts do not nest.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_BETWEEN = "\x1e"
_ESCAPE = "\x1d"
MARKS = _BANDS, _PART, _TEXT = "bands:", "part:", "text:"
"""What the addresses that are no paths begin with."""

_WINDOW = re.compile(r"part:(\d+),(\d+),(\d+),(\d+)/(\d+):", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a square that is divided into `of` x `of` equal parts."""

    left: int
    top: int
    width: int
    height: int
    of: int


def is_path(address: str) -> bool:
    """True for an address that is the path of one file."""
    return not address.startswith(MARKS)


def of_bands(paths: Iterable[str]) -> str:
    """The address of files that are the bands of one layer; an empty path stands for a band that has no file."""
    escaped = (path.replace(_ESCAPE, f"{_ESCAPE}0").replace(_BETWEEN, f"{_ESCAPE}1") for path in paths)
    return _BANDS + _BETWEEN.join(escaped)


def of_part(address: str, window: Window) -> str:
    """The address of a part of what another address means."""
    return f"{_PART}{window.left},{window.top},{window.width},{window.height}/{window.of}:{address}"


def of_text(text: str) -> str:
    """The address of a text that is known already."""
    return _TEXT + text


def text_in(address: str) -> str | None:
    """The text that an address is; None for other addresses."""
    return address.removeprefix(_TEXT) if address.startswith(_TEXT) else None


def taken_apart(address: str) -> tuple[tuple[str, ...], Window | None]:
    """(paths of the bands, part of them): one path for an ordinary file, none for a text. Raises ValueError."""
    window = None
    if address.startswith(_PART):
        match = _WINDOW.match(address)
        if match is None:
            raise ValueError(f"no address of a part: {address!r}")
        window, address = Window(*map(int, match.groups())), address[match.end() :]
    if address.startswith(_TEXT):
        return (), window
    if not address.startswith(_BANDS):
        return (address,), window
    bands = address.removeprefix(_BANDS).split(_BETWEEN)
    return tuple(band.replace(f"{_ESCAPE}1", _BETWEEN).replace(f"{_ESCAPE}0", _ESCAPE) for band in bands), window


def paths_in(address: str) -> tuple[str, ...]:
    """The files that an address needs."""
    return tuple(filter(None, taken_apart(address)[0]))


def with_paths(address: str, change: Callable[[str], str]) -> str:
    """The same address with other paths."""
    if is_path(address):
        return change(address)
    paths, window = taken_apart(address)
    if not paths:
        return address
    changed = [change(path) if path else "" for path in paths]
    inner = changed[0] if is_path(_inner(address)) else of_bands(changed)
    return inner if window is None else of_part(inner, window)


def _inner(address: str) -> str:
    match = _WINDOW.match(address)
    return address[match.end() :] if match else address
