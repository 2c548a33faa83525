"""What every layer says at the cursor, in words where numbers would lie: "nodata", "NaN", "outside"."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from rsviewer.core.combinations import Combination
from rsviewer.core.combining import fits, value_at
from rsviewer.core.scene import Frame, Rect, drawing_of, placed, to_map
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Missing, Raster, Text, Unreadable
from rsviewer.core.vector import Feature, Vector

FEATURES_MOST = 8
"""Of one place; the others are counted."""
PROPERTIES_MOST = 12
WORDS_MOST = 80
"""Letters of a name or a value."""
NO_FEATURE = "no feature"


@dataclass(frozen=True, slots=True)
class Reading:
    """One layer at the cursor.

    Attributes:
        layer: which.
        title: as shown.
        text: "412 389 301", "12.40 m", "5 Tree", "nodata", "outside" ...; of vector labels a line for each feature.
        usable: False where `text` is a word in place of a value.
        color: of the class; None where it has none.
    """

    layer: LayerId
    title: str
    text: str
    usable: bool = True
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where the cursor is.

    Attributes:
        column, row: of the tile's pixel grid, zero-based.
        map_x, map_y: of the pixel's centre; None where the tile has no georeference.
        crs: of the map coordinates.
    """

    column: int
    row: int
    map_x: float | None = None
    map_y: float | None = None
    crs: str = ""


def position(frame: Frame, column: int, row: int) -> Position:
    """The cursor in pixels and, where there is a georeference, on the map."""
    if frame.transform is None:
        return Position(column, row)
    x, y = to_map(frame.transform, column + 0.5, row + 0.5)
    return Position(column, row, x, y, frame.crs)


def readings(
    contents: Iterable[tuple[LayerSpec, LayerContent | None]],
    frame: Frame,
    column: int,
    row: int,
    reach: float = 1.0,
    shown: Mapping[LayerId, Combination] = MappingProxyType({}),
) -> tuple[Reading, ...]:
    """The value of every layer at one pixel of the tile. A layer that is not there yet says "...".

    Points and lines of vector labels are read within `reach` tile pixels, see `scene.reach`. Of layers that are `shown` in
    a combination of bands that is one number, this number comes first.
    """
    return tuple(reading(spec, content, frame, column, row, reach, shown.get(spec.id)) for spec, content in contents)


def reading(
    spec: LayerSpec,
    content: LayerContent | None,
    frame: Frame,
    column: int,
    row: int,
    reach: float = 1.0,
    shown: Combination | None = None,
) -> Reading:
    """The value of one layer at one pixel of the tile; see `readings`."""
    if content is None:
        return Reading(spec.id, spec.title, "...", usable=False)
    if isinstance(content, Missing):
        return Reading(spec.id, spec.title, "missing", usable=False)
    if isinstance(content, Unreadable):
        return Reading(spec.id, spec.title, "unreadable", usable=False)
    if isinstance(content, Text):
        return Reading(spec.id, spec.title, content.text)
    if isinstance(content, Vector):
        return _features(spec, content, frame, column, row, reach)
    place, _ = placed(content, frame)
    inside = pixel_at(content, place, column + 0.5, row + 0.5)
    if inside is None:
        return Reading(spec.id, spec.title, "outside", usable=False)
    found = _value(spec, content, *inside)
    is_made = shown is not None and shown.is_scalar and not shown.is_plain and fits(content, shown)
    return replace(found, text=f"{_made(content, shown, *inside)}  {found.text}") if shown and is_made else found


def pixel_at(raster: Raster, place: Rect, x: float, y: float) -> tuple[int, int] | None:
    """(column, row) in `raster.pixels` of a point in tile pixels; None where the raster does not reach."""
    column = math.floor((x - place.x) / place.width * raster.width)
    row = math.floor((y - place.y) / place.height * raster.height)
    if 0 <= column < raster.width and 0 <= row < raster.height:
        return column, row
    return None


def number(value: float, step: float = 0.01) -> str:
    """A value as short as its neighbours allow: heights to the centimetre, large or tiny numbers in four digits."""
    if isinstance(value, int | np.integer):
        return str(int(value))
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.4g}"
    digits = 2 if step <= 0.01 else max(0, -math.floor(math.log10(step)))
    return f"{value:.{max(digits, 4 if abs(value) < 0.1 and value != 0 else digits)}f}"


def fact_words(value: str | float) -> str:
    """What a dataset says about a tile, in a line: numbers to the fifth decimal, which is a metre of longitude."""
    if isinstance(value, str):
        return _one_line(value)
    if value != 0 and not 1e-3 <= abs(value) < 1e9:
        return f"{value:.4g}"
    return f"{value:.5f}".rstrip("0").rstrip(".")


def feature_words(feature: Feature) -> str:
    """One feature in a line: its category and its properties, the first of them where there are very many."""
    properties = list(feature.properties.items())
    words = [_one_line(feature.category) or "(no name)"]
    words += [f"{_one_line(name)}: {_one_line(value)}" for name, value in properties[:PROPERTIES_MOST]]
    words += [f"and {len(properties) - PROPERTIES_MOST} more"] if len(properties) > PROPERTIES_MOST else []
    return "  ·  ".join(words)


def features_words(vector: Vector, found: Sequence[int]) -> str:
    """Some features, one in a line."""
    lines = [feature_words(vector.features[place]) for place in found[:FEATURES_MOST]]
    return "\n".join(lines + ([f"and {len(found) - FEATURES_MOST} more"] if len(found) > FEATURES_MOST else []))


def _features(spec: LayerSpec, vector: Vector, frame: Frame, column: int, row: int, reach: float) -> Reading:
    drawing = drawing_of(vector, spec, frame)
    found = drawing.features_at(column + 0.5, row + 0.5, reach)
    if not found:
        return Reading(spec.id, spec.title, NO_FEATURE, usable=False)
    color = drawing.categories[vector.geometry.categories[found[0]]].color
    return Reading(spec.id, spec.title, features_words(vector, found), color=color)


def _one_line(words: str) -> str:
    plain = " ".join(words.split())
    return plain if len(plain) <= WORDS_MOST else f"{plain[: WORDS_MOST - 1]}…"


def _made(raster: Raster, shown: Combination, column: int, row: int) -> str:
    """What a number that is made of bands is called and is."""
    value = value_at(raster, shown.channels[0], column, row)
    return f"{shown.name} {'-' if value is None else f'{value:.2f}'}"


def _value(spec: LayerSpec, raster: Raster, column: int, row: int) -> Reading:
    values = raster.pixels[:, row, column]
    valid = raster.valid[:, row, column]
    if spec.kind in (LayerKind.LABELS, LayerKind.MASK):
        return _class_value(spec, raster, values[0], bool(valid[0]))
    words = [_word(value, usable=bool(ok)) for value, ok in zip(values, valid, strict=True)]
    if not valid.any() and len(set(words)) == 1:
        return Reading(spec.id, spec.title, words[0], usable=False)
    text = "  ".join(words)
    if spec.unit:
        text = f"{text} {spec.unit}"
    return Reading(spec.id, spec.title, text, usable=bool(valid.any()))


def _word(value: np.generic, *, usable: bool) -> str:
    plain = value.item()
    if isinstance(plain, complex):
        plain = abs(plain)
    if isinstance(plain, float) and math.isnan(plain):
        return "NaN"
    if isinstance(plain, float) and math.isinf(plain):
        return "inf" if plain > 0 else "-inf"
    if not usable:
        return f"nodata ({number(plain)})"
    return number(plain)


def _class_value(spec: LayerSpec, raster: Raster, value: np.generic, usable: bool) -> Reading:
    word = _word(value, usable=usable)
    if not usable:
        return Reading(spec.id, spec.title, word, usable=False)
    plain = value.item()
    names = {known.value: known for known in spec.classes}
    known = names.get(int(plain)) if float(plain).is_integer() else None
    if known is None and int(plain) == 1 and 255 in names and 1 not in names:
        known = names[255]  # 0/1 masks where the documentation says 0/255
    if known is not None:
        text = (
            known.name if plain < 0 else f"{word}  {known.name}"
        )  # no file has labels below zero: that is a mark of ours
        return Reading(spec.id, spec.title, text, usable=not known.void, color=known.color)
    color = raster.color_table.get(int(plain)) if raster.color_table else None
    return Reading(spec.id, spec.title, word if not spec.classes else f"{word}  (not in the legend)", color=color)
