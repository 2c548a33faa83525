"""What is on the screen: a frozen description that the window compares with what it shows and repaints what differs."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rsviewer.core.categories import Tally, categories, shown_categories, tallies
from rsviewer.core.combinations import Combination, Operation
from rsviewer.core.prediction import BOXES
from rsviewer.core.render import Painted, Range
from rsviewer.core.review import Region
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.tile import (
    LabelClass,
    LayerContent,
    LayerId,
    LayerKind,
    LayerSpec,
    Missing,
    Raster,
    Text,
    TileId,
    Transform,
    Unreadable,
)
from rsviewer.core.vector import Vector, features_at

FINEST_ZOOM = 256.0
COARSEST_ZOOM = 1 / 256
VALUES_ZOOM = 16.0
"""Screen pixels per tile pixel from which on the values are written into the pixels."""
REACH = 5.0
"""Screen pixels from the cursor within which a point or a line is under it."""
LARGEST_FRAME = 1 << 20
"""Pixels of the grid of a tile without an image, whatever its labels say."""
USUAL_PANE = 400.0
"""Screen pixels that a pane is wide, about, for who does not know."""
NAMED_MOST = 12
"""Categories that nobody annotated are named in a legend while they are not more; else they are counted."""
FACTS_MOST = 6
"""Of a file of vector labels, in a caption."""
NOT_ANNOTATED = -1
"""The value in a legend of all categories that nobody annotated."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in full-resolution pixels of the tile's frame, x right, y down."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixel grid that all panes of a tile share: that of its first image, or of its first readable raster.

    Attributes:
        width, height: in full-resolution pixels.
        transform: pixel -> map; None where there is no georeference.
        crs: of the map coordinates.
        gsd: metres per pixel; None where it cannot be known.
        cell: metres across and down a pixel; None where it cannot be known.
    """

    width: int
    height: int
    transform: Transform | None = None
    crs: str = ""
    gsd: float | None = None
    cell: tuple[float, float] | None = None

    @property
    def rect(self) -> Rect:
        """The whole tile."""
        return Rect(0, 0, self.width, self.height)


@dataclass(frozen=True, slots=True)
class View:
    """Which part of a tile every pane shows.

    Attributes:
        center: (x, y) in tile pixels in the middle of the pane; None centres the tile.
        zoom: screen pixels per tile pixel; None fits the tile into the pane.
    """

    center: tuple[float, float] | None = None
    zoom: float | None = None


class PaneState(StrEnum):
    """What a pane has to show."""

    LOADING = "loading"
    SHOWN = "shown"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    TEXT = "text"
    AWAITED = "awaited"
    """Nobody has made it yet: a model's answer."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A painted layer and where it lies on the tile. `painted` is compared by identity: the pixels are never looked at."""

    painted: Painted
    place: Rect
    smooth: bool
    """True where it may be averaged when shown smaller; never for classes."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Vector labels and where they lie on the tile. `vector` is compared by identity.

    Attributes:
        vector: the features.
        place: what the extent of the vector covers, in tile pixels.
        categories: the class of each of `vector.geometry.names`.
        hidden: values of the classes that are switched off.
        opacity: 0..1; up to a half of the whole, above of fills only, since lines show what they should at a half.
    """

    vector: Vector
    place: Rect
    categories: tuple[LabelClass, ...]
    hidden: frozenset[int] = frozenset()
    opacity: float = 0.5

    def features_at(self, x: float, y: float, reach: float) -> tuple[int, ...]:
        """Places of the features that are shown at a point in tile pixels, see `core.vector.features_at`."""
        shown = shown_categories(self.categories, self.hidden) if self.hidden else None
        scale_x, scale_y = (
            size / length for size, length in zip(self.vector.unit, (self.place.width, self.place.height), strict=True)
        )
        at = (x - self.place.x) * scale_x, (y - self.place.y) * scale_y
        return features_at(self.vector, *at, reach * max(scale_x, scale_y), shown)


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """Where in the tile a check sees what it suspects. Compared by identity, as pictures are.

    Attributes:
        tile: whose it is. Travels with it, so that it can never be laid on another one.
        check: id of the check.
        picture: see `core.render.highlight`; None where boxes say it.
        boxes: parts of the tile.
    """

    tile: TileId
    check: str
    picture: Picture | None = None
    boxes: tuple[Rect, ...] = ()


@dataclass(frozen=True, slots=True)
class Legend:
    """One class in a legend.

    Attributes:
        value: as stored.
        name: as shown.
        color: red, green, blue.
        share: of the valid pixels of this tile, or of its features, 0..1.
        hidden: True where the user has switched it off.
        known: False for a value that the dataset's documentation does not list.
        count: of the features of a category; None for classes of pixels.
        annotated: False for a category for which nobody looked on this tile.
    """

    value: int
    name: str
    color: tuple[int, int, int]
    share: float
    hidden: bool = False
    known: bool = True
    count: int | None = None
    annotated: bool = True

    @property
    def can_switch(self) -> bool:
        """False for what has nothing to switch: categories that nobody annotated."""
        return self.annotated or self.hidden


@dataclass(frozen=True, slots=True)
class Colorbar:
    """The colour bar of a height pane.

    Attributes:
        low, high: the values at the two ends.
        unit: "m".
        table: name of the colour table.
        inverted: True where the table is turned round.
        locked: True where the range is the same on every tile.
        minimum, maximum: of the valid values of this tile, which may lie outside.
    """

    low: float
    high: float
    unit: str
    table: str
    inverted: bool
    locked: bool
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Pane:
    """One layer of one tile.

    Attributes:
        row: 0 for the current tile of a stack, 1 for the next ...
        tile: whose pixels these are. Travels with the picture, so that it can never be taken for another's.
        spec: the layer.
        state: see PaneState.
        message: what to say where there is no picture.
        caption: short facts beside the title: size, range, notes.
        how: for images, the bands and the stretch that are shown.
        picture: painted layer; None unless SHOWN.
        under: a second picture drawn below, for swipe (None otherwise).
        overlay: drawn above with `overlay_opacity`.
        drawing: vector labels above all of them: of the pane itself, or laid over its image.
        frame: the grid of the tile; None while nothing of it was read.
        content: the values behind the picture, for readout and for values in pixels.
    """

    row: int
    tile: TileId
    spec: LayerSpec
    state: PaneState
    message: str = ""
    caption: str = ""
    how: str = ""
    picture: Picture | None = None
    under: Picture | None = None
    overlay: Picture | None = None
    overlay_opacity: float = 0.6
    drawing: Drawing | None = None
    colorbar: Colorbar | None = None
    legend: tuple[Legend, ...] = ()
    frame: Frame | None = None
    content: LayerContent | None = field(default=None, compare=False)

    @property
    def layer(self) -> LayerId:
        """Id of the layer."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the panes show.

    Attributes:
        rows: panes of the current tile, then of each further tile of the stack.
        view: shared by all panes.
        cursor: (column, row) of the tile pixel under the cross; None where there is none.
        active: layer whose pane has the focus.
        maximised: True where only the active pane is shown.
        regions: marked on the current tile.
        linked: True where all panes share the view.
        swipe: where the divider between the two dates stands, 0..1 of the pane; None where it is off.
        current_row: the row of the stack that keys act on.
        exhibit: what a check suspects on the current tile, drawn over all of its panes; None where nobody wants to see it.
    """

    rows: tuple[tuple[Pane, ...], ...] = ()
    view: View = View()
    cursor: tuple[int, int] | None = None
    active: LayerId | None = None
    maximised: bool = False
    regions: tuple[Region, ...] = ()
    linked: bool = True
    swipe: float | None = None
    current_row: int = 0
    exhibit: Exhibit | None = None

    @property
    def panes(self) -> tuple[Pane, ...]:
        """All panes, row after row."""
        return tuple(pane for row in self.rows for pane in row)

    @property
    def complete(self) -> bool:
        """True where nothing is still being read or painted."""
        return all(pane.state is not PaneState.LOADING for pane in self.panes)

    @property
    def tile(self) -> TileId | None:
        """The current tile."""
        row = self.rows[self.current_row] if self.current_row < len(self.rows) else ()
        return row[0].tile if row else None


def compose(
    row: int,
    tile: TileId,
    spec: LayerSpec,
    content: LayerContent | None,
    painted: Painted | None,
    *,
    frame: Frame | None,
    style: Style,
    locked: bool = False,
    remark: str = "",
) -> Pane:
    """One pane from what is there of a layer: a picture with its caption and legend, or the words in its place.

    `remark` is said beside the title, whatever the state.
    """
    loading = Pane(row, tile, spec, PaneState.LOADING, "Reading…", frame=frame)
    if content is None:
        return loading
    if isinstance(content, Missing):
        return Pane(row, tile, spec, PaneState.MISSING, content.reason, remark, frame=frame, content=content)
    if isinstance(content, Unreadable):
        return Pane(row, tile, spec, PaneState.UNREADABLE, content.reason, remark, frame=frame, content=content)
    if isinstance(content, Text):
        return Pane(row, tile, spec, PaneState.TEXT, content.text, remark, frame=frame, content=content)
    if frame is None:
        return loading
    if isinstance(content, Vector):
        return _drawn(
            Pane(row, tile, spec, PaneState.SHOWN, frame=frame, content=content), content, frame, style, remark
        )
    if painted is None:
        return loading
    place, placing = placed(content, frame)
    return Pane(
        row,
        tile,
        spec,
        PaneState.SHOWN,
        message="" if painted.valid_share > 0 else "No valid pixel",
        caption=_caption(spec, content, painted, (remark, placing)),
        picture=Picture(painted, place, smooth=not spec.kind.is_categorical),
        how="" if spec.kind.is_scalar or spec.kind.is_categorical else _how(spec, content, painted),
        colorbar=_colorbar(spec, painted, style, locked=locked),
        legend=legend_of(spec, content, painted, style) if spec.kind.is_categorical else (),
        frame=frame,
        content=content,
    )


def drawing_of(
    vector: Vector, spec: LayerSpec, frame: Frame, hidden: frozenset[int] = frozenset(), opacity: float = 0.5
) -> Drawing:
    """The vector labels of a tile as they lie on it: their extent is the tile, however large its image is."""
    return Drawing(vector, frame.rect, categories(vector, spec), hidden, opacity)


def reach(view: View, frame: Frame) -> float:
    """Tile pixels from the cursor within which a point or a line is under it: a few of the screen, at least its own pixel."""
    zoom = view.zoom or USUAL_PANE / max(frame.width, frame.height, 1)
    return max(REACH / zoom, 0.75)


def deciding_first(layers: Iterable[LayerSpec]) -> list[LayerSpec]:
    """Layers in the order in which they decide about the grid of a tile: images first, of two dates the later."""
    return sorted(layers, key=lambda spec: (spec.kind is not LayerKind.OPTICAL, spec.date == "pre"))


def frame_of(contents: Sequence[tuple[LayerSpec, LayerContent]]) -> Frame | None:
    """The grid that the panes of a tile share: that of the first raster, in the order given (images first)."""
    for _, content in contents:
        if isinstance(content, Raster):
            width, height = content.full_size
            return Frame(width, height, content.transform, content.crs, content.gsd, content.cell)
    return None


def frame_of_vector(vector: Vector) -> Frame:
    """The grid of a tile that has nothing but vector labels: their units are its pixels."""
    width, height = (min(max(round(size), 1), LARGEST_FRAME) for size in vector.unit)
    return Frame(width, height)


def placed(raster: Raster, frame: Frame) -> tuple[Rect, str]:
    """Where a raster lies on the tile: by georeference where both have one in the same CRS, else by extent.

    Returns:
        The rectangle in tile pixels, and a remark where the reader should know ("" otherwise).
    """
    width, height = raster.full_size
    if raster.transform is not None and frame.transform is not None and raster.crs == frame.crs:
        place = _by_georeference(raster.transform, width, height, frame.transform)
        if place is not None and _overlaps(place, frame.rect):
            return _snapped(place, frame, width, height), ""
        if place is not None:
            return frame.rect, "georeference lies elsewhere: placed by extent"
    if raster.crs and frame.crs and raster.crs != frame.crs:
        return frame.rect, f"other CRS ({_short(raster.crs)}): placed by extent"
    if (width, height) != (frame.width, frame.height):
        return frame.rect, f"{width} x {height} placed by extent"
    return frame.rect, ""


def to_map(transform: Transform, x: float, y: float) -> tuple[float, float]:
    """Map coordinates of a point given in pixels (0, 0 is the upper left corner of the upper left pixel)."""
    a, b, c, d, e, f = transform
    return a * x + b * y + c, d * x + e * y + f


def to_pixel(transform: Transform, x: float, y: float) -> tuple[float, float]:
    """The inverse of `to_map`. Raises ZeroDivisionError for a degenerate transform."""
    a, b, c, d, e, f = transform
    determinant = a * e - b * d
    return (e * (x - c) - b * (y - f)) / determinant, (a * (y - f) - d * (x - c)) / determinant


def fit_zoom(frame: Frame, width: float, height: float) -> float:
    """Screen pixels per tile pixel at which the whole tile just fits into a pane of the given size."""
    return max(COARSEST_ZOOM, min(width / max(1, frame.width), height / max(1, frame.height)))


def grid(count: int, width: float, height: float, aspect: float) -> tuple[int, int]:
    """(rows, columns) that show `count` pictures of the given aspect (width / height) as large as possible."""
    best, best_scale = (1, max(1, count)), -1.0
    for columns in range(1, max(1, count) + 1):
        rows = math.ceil(count / columns)
        scale = min(width / columns / aspect, height / rows)
        if scale > best_scale * 1.001:
            best, best_scale = (rows, columns), scale
    return best


def _drawn(pane: Pane, vector: Vector, frame: Frame, style: Style, remark: str) -> Pane:
    """The pane of vector labels: what is here, what was looked for in vain, and what nobody looked for."""
    found = tallies(vector, pane.spec)
    total = len(vector.features)
    here = [tally for tally in found if tally.count]
    none_here = [tally for tally in found if tally.annotated and not tally.count]
    unknown = [tally for tally in found if not tally.annotated]
    words = [f"{total:,} feature{'s' * (total != 1)}".replace(",", " ") if total else "no feature"]
    words += [f"{len(none_here)} none here"] if none_here else []
    words += [f"{len(unknown)} not annotated"] if unknown else []
    words += [note for note in (remark, *vector.notes) if note]
    words += list(dict.fromkeys(_of_whole_tile(vector)))[:FACTS_MOST]
    words += [f"{name} {value}" for name, value in list(vector.facts.items())[:FACTS_MOST]]
    return replace(
        pane,
        message="" if total else nothing_drawn(vector, pane.spec),
        caption="  ·  ".join(words),
        legend=tuple(_rows(here + none_here, unknown, max(total, 1), style.hidden)),
        drawing=drawing_of(vector, pane.spec, frame, style.hidden),
    )


def _of_whole_tile(vector: Vector) -> Iterator[str]:
    """Classes of the whole tile: features all over it whose category is a property as well, as smoke of SatlasPretrain."""
    for feature in vector.features:
        if feature.category in feature.properties:
            left, top, right, bottom = feature.bounds
            if left <= 0 and top <= 0 and right >= vector.unit[0] and bottom >= vector.unit[1]:
                yield f"{feature.category}: {feature.properties[feature.category]}"


def _rows(found: list[Tally], unknown: list[Tally], total: int, hidden: frozenset[int]) -> Iterator[Legend]:
    for tally in found:
        item = tally.category
        share, off = tally.count / total, item.value in hidden
        yield Legend(item.value, item.name, item.color, share, off, known=tally.listed, count=tally.count)
    if len(unknown) > NAMED_MOST:
        yield Legend(
            NOT_ANNOTATED, f"{len(unknown)} categories not annotated", (128, 128, 128), 0.0, count=0, annotated=False
        )
        return
    for tally in unknown:
        item = tally.category
        yield Legend(item.value, item.name, item.color, 0.0, item.value in hidden, count=0, annotated=False)


def nothing_drawn(vector: Vector, spec: LayerSpec) -> str:
    """What to say in the place of features: that there are none is a fact only where somebody looked."""
    found = tallies(vector, spec)
    none_here = [tally for tally in found if tally.annotated and not tally.count]
    unknown = [tally for tally in found if not tally.annotated]
    if spec.id == BOXES:
        return f"Nothing on this tile that the model is sure enough of. It looked for {_listed(none_here)}."
    lines = ["No feature on this tile."]
    if none_here:
        lines.append(f"Annotated, none here: {_listed(none_here)}.")
    if unknown:
        lines.append(f"Not annotated: {_listed(unknown)}.")
    return "\n".join(lines)


def _listed(found: list[Tally]) -> str:
    names = ", ".join(tally.category.name for tally in found[:NAMED_MOST])
    return names if len(found) <= NAMED_MOST else f"{names} and {len(found) - NAMED_MOST} more"


def _caption(spec: LayerSpec, raster: Raster, painted: Painted, remarks: tuple[str, ...]) -> str:
    width, height = raster.full_size
    words = []
    number = _shown_number(painted)
    if number is not None:
        words.append(number.name)
    if (spec.kind.is_scalar or number is not None) and painted.minimum is not None and painted.maximum is not None:
        digits = 1 if _unit(spec, painted) or number is None else 2
        words.append(f"{painted.minimum:.{digits}f} .. {painted.maximum:.{digits}f} {_unit(spec, painted)}".rstrip())
    words += [f"{width} x {height}", str(raster.pixels.dtype)]
    if painted.valid_share < 1:
        words.append(f"{_percent(1 - painted.valid_share)} {'not labelled' if spec.kind.is_categorical else 'nodata'}")
    words += [note for note in (*remarks, painted.note, *raster.notes) if note]
    return "  ·  ".join(words)


def _how(spec: LayerSpec, raster: Raster, painted: Painted) -> str:
    """The bands in the order red, green, blue, or what is made of them, and what became black and white."""
    names = raster.band_names or spec.bands
    combination = painted.combination
    if combination is None:
        bands = [names[band] if band < len(names) else str(band + 1) for band in painted.bands]
        words = [f"band{'s' * (len(bands) > 1)} {', '.join(bands)}"] if bands else []
    else:
        formulas = ", ".join(channel.formula(names) for channel in combination.channels)
        words = [combination.name, *([formulas] if formulas != combination.name else [])]
    usual = () if combination is None else tuple(Range(*ends) for ends in combination.ranges if ends is not None)
    if not painted.ranges:
        words.append("as stored")
    elif len(painted.ranges) == 1 or painted.ranges == usual:
        words.append(", ".join(f"{ends.low:.4g} .. {ends.high:.4g}" for ends in painted.ranges))
    else:
        words.append("each stretched by itself")
    return "  ·  ".join(words)


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _colorbar(spec: LayerSpec, painted: Painted, style: Style, *, locked: bool) -> Colorbar | None:
    """Of heights, other quantities, and of a combination of bands that is one number."""
    number = _shown_number(painted)
    if not spec.kind.is_scalar and number is None:
        return None
    if painted.low is None or painted.high is None or painted.minimum is None or painted.maximum is None:
        return None
    return Colorbar(
        painted.low,
        painted.high,
        _unit(spec, painted),
        style.color_table,
        style.invert,
        locked=(locked and number is None) or style.range_mode is RangeMode.DATASET,
        minimum=painted.minimum,
        maximum=painted.maximum,
    )


def _shown_number(painted: Painted) -> Combination | None:
    """The combination of bands that is shown, where it is one number."""
    return painted.combination if painted.combination is not None and painted.combination.is_scalar else None


def _unit(spec: LayerSpec, painted: Painted) -> str:
    """Of what is shown: an index has none, whatever its bands have."""
    number = _shown_number(painted)
    is_index = number is not None and number.channels[0].operation is Operation.NORMALISED
    return "" if is_index else spec.unit


def legend_of(spec: LayerSpec, raster: Raster, painted: Painted, style: Style) -> tuple[Legend, ...]:
    """Documented classes that occur, or all of them where they are few, then values that nobody documented."""
    known = {item.value: item for item in spec.classes}
    items = [
        Legend(item.value, item.name, item.color, painted.shares.get(item.value, 0.0), item.value in style.hidden)
        for item in spec.classes
        if not item.void or painted.shares.get(item.value)
    ]
    for value, share in sorted(painted.shares.items()):
        if value not in known:
            color = painted.colors.get(value) or raster.color_table.get(value, (255, 0, 255))
            name = "not in the legend" if known else f"value {value}"
            items.append(Legend(value, name, color, share, value in style.hidden, known=not known))
    return tuple(items)


def _by_georeference(own: Transform, width: int, height: int, frame: Transform) -> Rect | None:
    try:
        corners = [to_pixel(frame, *to_map(own, x, y)) for x, y in ((0, 0), (width, 0), (0, height), (width, height))]
    except ZeroDivisionError:
        return None
    (x0, y0), (x1, y1), (x2, y2), _ = corners
    span = max(abs(x1 - x0), abs(y2 - y0), 1e-9)
    turned = abs(y1 - y0) > 0.01 * span or abs(x2 - x0) > 0.01 * span
    if turned or x1 <= x0 or y2 <= y0:
        return None
    return Rect(x0, y0, x1 - x0, y2 - y0)


def _snapped(place: Rect, frame: Frame, width: int, height: int) -> Rect:
    """Rounding in stored transforms must not make equal grids differ by a thousandth of a pixel."""
    same_size = (width, height) == (frame.width, frame.height)
    close = max(abs(place.x), abs(place.y), abs(place.width - frame.width), abs(place.height - frame.height)) < 0.01
    return frame.rect if same_size and close else place


def _overlaps(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _short(crs: str) -> str:
    return crs if len(crs) <= 24 else f"{crs[:23]}…"
