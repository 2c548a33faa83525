"""What is on the screen: a frozen description that the window compares with what it shows and repaints what differs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rsviewer.core.render import Painted
from rsviewer.core.review import Region
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.tile import (
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
from rsviewer.core.vector import Vector

FINEST_ZOOM = 256.0
COARSEST_ZOOM = 1 / 256
VALUES_ZOOM = 16.0
"""Screen pixels per tile pixel from which on the values are written into the pixels."""


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
class Legend:
    """One class in a legend.

    Attributes:
        value: as stored.
        name: as shown.
        color: red, green, blue.
        share: of the valid pixels of this tile, 0..1.
        hidden: True where the user has switched it off.
        known: False for a value that the dataset's documentation does not list.
    """

    value: int
    name: str
    color: tuple[int, int, int]
    share: float
    hidden: bool = False
    known: bool = True


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
    if content is None or (isinstance(content, Raster) and (painted is None or frame is None)):
        return Pane(row, tile, spec, PaneState.LOADING, "Reading…", frame=frame)
    if isinstance(content, Missing):
        return Pane(row, tile, spec, PaneState.MISSING, content.reason, remark, frame=frame, content=content)
    if isinstance(content, Unreadable):
        return Pane(row, tile, spec, PaneState.UNREADABLE, content.reason, remark, frame=frame, content=content)
    if isinstance(content, Text):
        return Pane(row, tile, spec, PaneState.TEXT, content.text, remark, frame=frame, content=content)
    if isinstance(content, Vector):
        raise NotImplementedError
    if painted is None or frame is None:
        raise AssertionError("settled above")
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
        colorbar=_colorbar(spec, painted, style, locked=locked) if spec.kind.is_scalar else None,
        legend=_legend(spec, content, painted, style) if spec.kind.is_categorical else (),
        frame=frame,
        content=content,
    )


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


def _caption(spec: LayerSpec, raster: Raster, painted: Painted, remarks: tuple[str, ...]) -> str:
    width, height = raster.full_size
    words = []
    if spec.kind.is_scalar and painted.minimum is not None and painted.maximum is not None:
        words.append(f"{painted.minimum:.1f} .. {painted.maximum:.1f} {spec.unit}".rstrip())
    words += [f"{width} x {height}", str(raster.pixels.dtype)]
    if painted.valid_share < 1:
        words.append(f"{_percent(1 - painted.valid_share)} {'not labelled' if spec.kind.is_categorical else 'nodata'}")
    words += [note for note in (*remarks, painted.note, *raster.notes) if note]
    return "  ·  ".join(words)


def _how(spec: LayerSpec, raster: Raster, painted: Painted) -> str:
    """The bands in the order red, green, blue, and what became black and white."""
    names = raster.band_names or spec.bands
    bands = [names[band] if band < len(names) else str(band + 1) for band in painted.bands]
    words = [f"band{'s' * (len(bands) > 1)} {', '.join(bands)}"] if bands else []
    if not painted.ranges:
        words.append("as stored")
    elif len(painted.ranges) == 1:
        words.append(f"{painted.ranges[0].low:.4g} .. {painted.ranges[0].high:.4g}")
    else:
        words.append("each stretched by itself")
    return "  ·  ".join(words)


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _colorbar(spec: LayerSpec, painted: Painted, style: Style, *, locked: bool) -> Colorbar | None:
    if painted.low is None or painted.high is None or painted.minimum is None or painted.maximum is None:
        return None
    return Colorbar(
        painted.low,
        painted.high,
        spec.unit,
        style.color_table,
        style.invert,
        locked=locked or style.range_mode is RangeMode.DATASET,
        minimum=painted.minimum,
        maximum=painted.maximum,
    )


def _legend(spec: LayerSpec, raster: Raster, painted: Painted, style: Style) -> tuple[Legend, ...]:
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
