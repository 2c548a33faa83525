"""What the colours of a picture mean, drawn in a strip to the right of it: a colour bar with numbers, classes with names."""

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rsviewer.core.classes import Color
from rsviewer.core.render import Pixels
from rsviewer.core.stretch import Range, nice_ticks
from rsviewer.core.tile import printable

PAPER, INK, FAINT = "#ffffff", "#1f2933", "#9aa5b1"
SMALLEST, LARGEST = 12, 64
"""Pixels of letters: readable beside the smallest picture, not absurd beside the largest."""
_LINES = 36
"""Lines of words that stand beside a picture of a size between."""
_BAR_LINES = 9
"""Lines that a colour bar is high at least."""
_MOST_TICKS = 9
_NUMBER_EMS, _WORDS_EMS = 4.8, 12.0
"""Widths, in letters, of the room for numbers and for words: the same beside every tile, whatever it says there."""
_MOST_LINES = 4
"""Of one text; the rest of it is left out."""
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True, eq=False)
class Bar:
    """A colour bar.

    Attributes:
        colors: (n, 3) from low to high.
        ends: the values of the first and the last colour.
        unit: "m"; empty where there is none.
    """

    colors: NDArray[np.uint8]
    ends: Range
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """What stands beside a picture, from top to bottom.

    Attributes:
        lines: words; a long one is broken.
        classes: names with their colours.
        bar: None for none.
    """

    lines: tuple[str, ...] = ()
    classes: tuple[tuple[str, Color], ...] = ()
    bar: Bar | None = None


def with_key(pixels: Pixels, key: Key) -> Pixels:
    """A picture with its key: the picture in the upper left corner, pixel for pixel, white around it.

    Pictures of one size come out in one size where their keys are of the same kind and none of them needs more room.

    Args:
        pixels: (height, width) without half-transparent pixels.
        key: drawn to the right of them.
    """
    height, width = pixels.shape
    strip = _Strip(key, height).drawn()
    whole = np.full((max(height, strip.shape[0]), width + strip.shape[1]), 0xFFFFFFFF, np.uint32)
    whole[:height, :width] = pixels
    whole[: strip.shape[0], width:] = strip
    return whole


class _Strip:
    """The strip beside a picture of a height."""

    def __init__(self, key: Key, height: int) -> None:
        self._key = key
        self._size = min(max(SMALLEST, height // _LINES), LARGEST)
        self._line, self._margin = self._ems(1.35), self._ems(0.8)
        inner = self._ems(_WORDS_EMS) if key.lines or key.classes else 0
        if key.bar is not None:
            numbers = [_width(words, self._size) for _, words in _ticks(key.bar, _MOST_TICKS)]
            inner = max(inner, self._ems(2.0) + max(self._ems(_NUMBER_EMS), *numbers))
        self._lines = [part for words in key.lines for part in _broken(words, self._size, inner)]
        self._names = [(_broken(name, self._size, inner - self._ems(1.5)), color) for name, color in key.classes]
        count = len(self._lines) + sum(len(parts) for parts, _ in self._names)
        count += 0 if key.bar is None else _BAR_LINES
        self._gap = self._line // 2 if key.lines else 0
        self._width = inner + 2 * self._margin
        self._height = max(height, 2 * self._margin + count * self._line + self._gap)

    def drawn(self) -> Pixels:
        """Opaque pixels."""
        image = Image.new("RGB", (self._width, self._height), PAPER)
        draw = ImageDraw.Draw(image)
        y = self._margin
        for words in self._lines:
            y = self._write(draw, 0, y, words)
        y += self._gap
        for parts, color in self._names:
            top = y + self._ems(0.2)
            draw.rectangle((self._margin, top, self._margin + self._ems(0.9), top + self._ems(0.9)), color, FAINT)
            for words in parts:
                y = self._write(draw, self._ems(1.5), y, words)
        if self._key.bar is not None:
            if self._key.bar.unit:
                y = self._write(draw, 0, y, _readable(self._key.bar.unit))
            self._draw_bar(image, draw, self._key.bar, y + self._line // 2)
        red, green, blue = np.moveaxis(np.asarray(image, np.uint32), -1, 0)
        pixels: Pixels = np.uint32(0xFF000000) | red << 16 | green << 8 | blue
        return pixels

    def _draw_bar(self, image: Image.Image, draw: ImageDraw.ImageDraw, bar: Bar, top: int) -> None:
        left, right = self._margin, self._margin + self._ems(1.3)
        bottom = self._height - self._margin - self._line // 2
        rows = bottom - top
        chosen = np.rint(np.linspace(len(bar.colors) - 1, 0, rows)).astype(np.intp)
        column = bar.colors[chosen][:, None]
        image.paste(Image.fromarray(np.repeat(column, right - left, axis=1)), (left, top))
        draw.rectangle((left - 1, top - 1, right, bottom), None, FAINT)
        for part, words in _ticks(bar, rows // (2 * self._size)):
            y = bottom - 1 - part * (rows - 1)
            draw.line((right + 1, y, right + self._ems(0.35), y), INK, max(1, self._size // 14))
            draw.text((left + self._ems(2.0), y), words, INK, _font(self._size), anchor="lm")

    def _write(self, draw: ImageDraw.ImageDraw, x: int, y: int, words: str) -> int:
        """Writes a line; returns where the next one stands."""
        draw.text((self._margin + x, y), words, INK, _font(self._size))
        return y + self._line

    def _ems(self, number: float) -> int:
        return round(number * self._size)


def _ticks(bar: Bar, most: int) -> list[tuple[float, str]]:
    """(share of the bar from below, number) at round values."""
    low, high = bar.ends.low, bar.ends.high
    if low >= high:
        return [(0.5, range_words(bar.ends)[0])]
    ticks = nice_ticks(low, high, min(max(2, most), _MOST_TICKS))
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high / 2 - low / 2
    return [((tick / 2 - low / 2) / (high / 2 - low / 2), _number(tick, step)) for tick in ticks]


def range_words(ends: Range) -> tuple[str, str]:
    """Both ends as numbers, to a hundredth of what is between them."""
    step = (ends.high / 2 - ends.low / 2) / 50 or abs(ends.low) / 1000
    return _number(ends.low, step), _number(ends.high, step)


def _number(value: float, step: float) -> str:
    """A value as exactly as its neighbours, so far away, ask for."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    large = max(abs(value), step)
    if large >= 1e6 or digits > 5:
        figures = math.floor(math.log10(abs(value))) + 1 + digits if value else 1
        text = f"{value:.{min(max(3, figures if digits > 0 else 3), 9)}g}"
    else:
        text = f"{value:.{digits}f}"
    return f"\N{MINUS SIGN}{text[1:]}" if text.startswith("-") else text


# --- words


def _broken(text: str, size: int, room: int) -> list[str]:
    """A text in lines that are no wider than there is room."""
    lines: list[str] = []
    rest = _readable(text)
    while rest:
        fits = _fitting(rest, size, room)
        if fits < len(rest) and len(lines) == _MOST_LINES - 1:
            return [*lines, f"{rest[: max(1, _fitting(rest, size, room - _width('…', size)))].rstrip()}…"]
        blank = rest.rfind(" ", 0, fits + 1)
        end = fits if fits == len(rest) or blank <= 0 else blank
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return lines


def _fitting(text: str, size: int, room: int) -> int:
    """Letters of a text that there is room for, one at least."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _width(text[:middle], size) <= room else (low, middle - 1)
    return low


def _width(text: str, size: int) -> int:
    return math.ceil(_font(size).getlength(text))


def _readable(text: str) -> str:
    """On one line, with a sign for each character that the font has not."""
    line = " ".join(printable(text).split())
    return "".join(each if each == " " or _is_known(each) else _UNKNOWN for each in line)


@lru_cache(maxsize=4096)
def _is_known(character: str) -> bool:
    """Whether the font draws it otherwise than what no font has."""
    if not character.isprintable():
        return False
    font = _font(SMALLEST)
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib, found without the half second that loading matplotlib takes."""
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
