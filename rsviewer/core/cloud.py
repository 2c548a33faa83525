"""Heights in space: the pixels of a height layer as coloured points, and as the triangles between them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.render import Pixels
from rsviewer.core.scene import Frame, Rect
from rsviewer.core.shading import METRES
from rsviewer.core.stretch import real, row_blocks
from rsviewer.core.tile import LayerId, LayerSpec, Raster, Transform

NO_COLOR = 0xFF8C8C8C
"""Of a height where the layer that colours it has nothing to show."""

_HIGHEST = 1e15
"""Metres; heights beyond it are cut off: squares of their slopes must fit into float32."""
_ROUND = 100.0
"""Metres; `Cloud.base` is a multiple of it. At 100 m float32 tells 0.008 mm apart."""
_SAMPLED = 1 << 16
"""Heights, about, of which `Cloud.base` is the median."""


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """A picture that is finer than the heights it lies on, or must not be mixed between them.

    Attributes:
        pixels: as painted for the panes.
        u, v: (rows, columns) of the cloud's grid: where on the picture a height lies, 0..1 from its left and upper edge.
        smooth: True where colours between two pixels may be mixed; never for classes.
    """

    pixels: Pixels
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    smooth: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """The heights of one layer of a tile as a grid in space. Arrays are read-only.

    Space is right-handed: x runs along the rows of the tile's grid to the right, y up its columns, z is the height. The
    origin is the tile's lower left corner. Row 0 is the upper one, as in the panes.

    Attributes:
        layer: whose heights.
        title: of the layer.
        height: (rows, columns) metres above `base`; NaN where there is none. Infinite and invalid values are NaN.
        base: metres; taken away so that float32 keeps millimetres at any altitude.
        colors: (rows, columns) 0xFFRRGGBB; `NO_COLOR` where the colouring layer has nothing.
        origin: (x, y) of the upper left corner of the upper left pixel.
        step: (across, down) size of a pixel, both positive.
        place: where the grid lies on the tile, in tile pixels.
        transform: column, row of this grid -> map coordinates; None where the layer has no georeference.
        crs: of the map coordinates; empty where there is none.
        texture: the colouring picture where it is finer than the grid or shows classes; None where `colors` say it all.
    """

    layer: LayerId
    title: str
    height: NDArray[np.float32]
    base: float
    colors: NDArray[np.uint32]
    origin: tuple[float, float]
    step: tuple[float, float]
    place: Rect
    transform: Transform | None = None
    crs: str = ""
    texture: Texture | None = None

    def __post_init__(self) -> None:
        self.height.flags.writeable = False
        self.colors.flags.writeable = False

    @property
    def rows(self) -> int:
        """Rows of the grid."""
        return int(self.height.shape[0])

    @property
    def columns(self) -> int:
        """Columns of the grid."""
        return int(self.height.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        texture = 0 if self.texture is None else self.texture.pixels.nbytes + 2 * self.texture.u.nbytes
        return int(self.height.nbytes + self.colors.nbytes) + int(texture)


@dataclass(frozen=True, slots=True, eq=False)
class Vertices:
    """The valid heights of a cloud, or every n-th of them, row after row.

    Attributes:
        index: (n,) place in the raveled grid of the cloud.
        position: (n, 3) float32: x, y as in `Cloud`, z metres above `Cloud.base`.
        slope: (n, 2) float32: dz/dx and dz/dy, from valid neighbours only; 0 where there is none.
        rgb: (n, 3) uint8.
    """

    index: NDArray[np.uint32]
    position: NDArray[np.float32]
    slope: NDArray[np.float32]
    rgb: NDArray[np.uint8]


def cloud_of(raster: Raster, spec: LayerSpec, frame: Frame, place: Rect, colors: NDArray[np.uint32]) -> Cloud:
    """The first band of a height layer in space.

    Args:
        raster: heights in any type; those in another unit than metres are turned into metres.
        spec: of the layer.
        frame: the tile's grid. Without metres per pixel x and y are in pixels.
        place: where the layer lies on the tile.
        colors: (rows, columns) of the raster's grid, any alpha.
    """
    rows, columns = raster.height, raster.width
    if colors.shape != (rows, columns):
        raise ValueError(f"colours of shape {colors.shape} do not fit heights of shape {(rows, columns)}")
    stored, valid = real(raster.pixels[0]), raster.valid[0]
    base = _base(stored, valid, spec.unit)
    height = np.empty((rows, columns), np.float32)
    for block in row_blocks(height.shape):
        height[block] = _heights(stored[block], valid[block], spec.unit, base)
    across, down = frame.cell or (1.0, 1.0)
    return Cloud(
        spec.id,
        spec.title,
        height,
        base,
        _over_no_color(colors),
        origin=(place.x * across, (frame.height - place.y) * down),
        step=(place.width * across / max(1, columns), place.height * down / max(1, rows)),
        place=place,
        transform=None if raster.transform is None else _of_pixels(raster.transform, raster),
        crs=raster.crs if raster.transform is not None else "",
    )


def vertices(cloud: Cloud, every: int = 1) -> Vertices:
    """The points of a cloud; `every` 2 takes every other row and column."""
    z = cloud.height[::every, ::every]
    rows, columns = z.shape
    there = ~np.isnan(z)
    whole = bool(there.all())

    def chosen(grid: NDArray[Any]) -> NDArray[Any]:
        return grid.reshape(-1) if whole else grid[there]

    row = np.arange(rows, dtype=np.uint32) * np.uint32(every)
    column = np.arange(columns, dtype=np.uint32) * np.uint32(every)
    index = np.ascontiguousarray(chosen(row[:, None] * np.uint32(cloud.columns) + column))
    (left, top), (across, down) = cloud.origin, cloud.step
    x = (left + (column + 0.5) * across).astype(np.float32)
    y = (top - (row + 0.5) * down).astype(np.float32)
    position = np.empty((index.size, 3), np.float32)
    position[:, 0] = chosen(np.broadcast_to(x, z.shape))
    position[:, 1] = chosen(np.broadcast_to(y[:, None], z.shape))
    position[:, 2] = chosen(z)
    slope = np.empty((index.size, 2), np.float32)
    slope[:, 0] = chosen(_rise(z, there, whole=whole)) / np.float32(every * across)
    slope[:, 1] = chosen(_rise(z.T, there.T, whole=whole).T) / np.float32(-every * down)
    color = chosen(cloud.colors[::every, ::every])
    rgb = np.empty((index.size, 3), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        rgb[:, channel] = color >> np.uint32(shift) & np.uint32(0xFF)
    return Vertices(index, position, slope, rgb)


def triangles(cloud: Cloud, every: int = 1) -> NDArray[np.uint32]:
    """(n, 3) places in `vertices(cloud, every)`, anticlockwise seen from above. None reaches over an invalid pixel.

    A square of four valid neighbours has two triangles, one of three valid ones has one. Of the two diagonals of a square the
    one that rises less is taken, so that ridges and walls stay sharp. Row after row.
    """
    z = cloud.height[::every, ::every]
    rows, columns = z.shape
    if rows < 2 or columns < 2:
        return np.empty((0, 3), np.uint32)
    there = ~np.isnan(z)
    whole = bool(there.all())
    place = np.arange(z.size, dtype=np.uint32) if whole else np.cumsum(there, dtype=np.uint32) - np.uint32(1)
    place = place.reshape(z.shape)
    found = np.empty((2 * (rows - 1) * (columns - 1) if whole else _count(there), 3), np.uint32)
    end = 0
    for block in row_blocks((rows - 1, columns - 1)):
        lines = slice(block.start, block.stop + 1)
        pairs = _pairs(z[lines], place[lines])
        kept = pairs.reshape(-1, 3) if whole else pairs[_complete(z[lines], there[lines])]
        found[end : end + len(kept)] = kept
        end += len(kept)
    return found


def surface_at(cloud: Cloud, x: float, y: float) -> float:
    """How high the surface of `triangles` is, in metres above `cloud.base`; NaN where there is no triangle.

    Beyond the outermost points it goes on to the edge.

    Args:
        cloud: whose.
        x: on its grid, 0.5 is the middle of the first column.
        y: on its grid, 0.5 is the middle of the first row.
    """
    right, down = min(max(x - 0.5, 0.0), cloud.columns - 1.0), min(max(y - 0.5, 0.0), cloud.rows - 1.0)
    column, row = min(int(right), max(cloud.columns - 2, 0)), min(int(down), max(cloud.rows - 2, 0))
    columns, rows = [column, min(column + 1, cloud.columns - 1)], [row, min(row + 1, cloud.rows - 1)]
    (a, b), (c, d) = cloud.height[np.ix_(rows, columns)].astype(np.float64).tolist()
    right, down = right - column, down - row
    if abs(a - d) <= abs(c - b) or math.isnan(c - b):
        along = down * (c - a) + right * (d - c) if down >= right else right * (b - a) + down * (d - b)
        return float(a + along)
    if right + down <= 1:
        return float(a + right * (b - a) + down * (c - a))
    return float(d + (1 - right) * (c - d) + (1 - down) * (b - d))


def stride(points: int, budget: int) -> int:
    """The smallest n for which every n-th row and column of a grid of `points` has at most `budget` points."""
    return max(1, int(np.ceil(np.sqrt(points / max(1, budget)))))


def metres(values: NDArray[Any], unit: str) -> NDArray[np.float64]:
    """Heights in metres; those of an unknown unit are taken for metres."""
    return values.astype(np.float64) * METRES.get(unit, 1.0)


def unit_doubt(title: str, unit: str) -> str:
    """A sentence where nobody knows how long the unit of some heights is; empty for those in metres, feet ..."""
    if unit in METRES:
        return ""
    known = f"is in {unit}, of which nobody knows the length" if unit else "says no unit"
    return f"{title} {known}: taken for metres."


def _base(stored: NDArray[Any], valid: NDArray[np.bool_], unit: str) -> float:
    """A round number near the median: unlike the middle it stays among the heights where an undeclared marker is one."""
    every = stride(stored.size, _SAMPLED)
    for step in (every, 1):
        height = _heights(stored[::step, ::step], valid[::step, ::step], unit, 0.0)
        height = height[~np.isnan(height)]
        if height.size:
            return float(np.round(np.median(height) / _ROUND) * _ROUND) + 0.0  # never -0
    return 0.0


def _heights(stored: NDArray[Any], valid: NDArray[np.bool_], unit: str, base: float) -> NDArray[np.float64]:
    """Metres above `base`, NaN where there is none."""
    with np.errstate(all="ignore"):
        height = metres(stored, unit)
        height[~(valid & np.isfinite(stored))] = np.nan
        np.clip(height, -_HIGHEST, _HIGHEST, out=height)
        height -= base
    return height


def _over_no_color(colors: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Premultiplied colours of any alpha laid over `NO_COLOR`."""
    alpha = colors >> np.uint32(24)
    if not colors.size or int(alpha.min()) == 0xFF:
        return colors
    lacking = np.uint32(0xFF) - alpha
    opaque = np.full(colors.shape, 0xFF000000, np.uint32)
    for shift in (16, 8, 0):
        below = lacking * np.uint32(NO_COLOR >> shift & 0xFF)
        channel = (colors >> np.uint32(shift) & np.uint32(0xFF)) + (below + np.uint32(127)) // np.uint32(255)
        opaque |= np.minimum(channel, np.uint32(0xFF)) << np.uint32(shift)
    return opaque


def _of_pixels(transform: Transform, raster: Raster) -> Transform:
    """The transform of the pixels that were read, which may be fewer than the file has."""
    a, b, c, d, e, f = transform
    width, height = raster.full_size
    across, down = width / max(1, raster.width), height / max(1, raster.height)
    return a * across, b * down, c, d * across, e * down, f


def _rise(z: NDArray[np.float32], there: NDArray[np.bool_], *, whole: bool) -> NDArray[np.float32]:
    """By how much heights rise along their rows from pixel to pixel: over both neighbours, or over the only valid one."""
    rise = np.zeros(z.shape, np.float32)
    if z.shape[1] < 2:
        return rise
    steps = z[:, 1:] - z[:, :-1]
    if whole:
        rise[:, 1:-1] = (steps[:, 1:] + steps[:, :-1]) * np.float32(0.5)
        rise[:, 0], rise[:, -1] = steps[:, 0], steps[:, -1]
        return rise
    known = there[:, 1:] & there[:, :-1]
    steps[~known] = 0
    rise[:, 1:] = steps
    rise[:, :-1] += steps
    both = np.ones(z.shape, np.float32)
    both[:, 1:-1][known[:, 1:] & known[:, :-1]] = 0.5
    rise *= both
    return rise


def _pairs(z: NDArray[np.float32], place: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(rows, columns, 2, 3) the two triangles of every square, whether or not its corners are valid."""
    upper_left, upper_right = place[:-1, :-1], place[:-1, 1:]
    lower_left, lower_right = place[1:, :-1], place[1:, 1:]
    falls = _falls(z)
    pairs = np.empty((*falls.shape, 2, 3), np.uint32)
    pairs[..., 0, 0] = upper_left
    pairs[..., 0, 1] = lower_left
    pairs[..., 0, 2] = np.where(falls, lower_right, upper_right)
    pairs[..., 1, 0] = np.where(falls, upper_left, lower_left)
    pairs[..., 1, 1] = lower_right
    pairs[..., 1, 2] = upper_right
    return pairs


def _complete(z: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(rows, columns, 2) which of `_pairs` have three valid corners."""
    upper_left, upper_right = there[:-1, :-1], there[:-1, 1:]
    lower_left, lower_right = there[1:, :-1], there[1:, 1:]
    falls = _falls(z)
    complete = np.empty((*falls.shape, 2), np.bool_)
    complete[..., 0] = upper_left & lower_left & np.where(falls, lower_right, upper_right)
    complete[..., 1] = upper_right & lower_right & np.where(falls, upper_left, lower_left)
    return complete


def _falls(z: NDArray[np.float32]) -> NDArray[np.bool_]:
    """True where the diagonal of a square runs from the upper left to the lower right corner.

    Where one corner is missing it is the diagonal that does not end there.
    """
    falling = np.abs(z[:-1, :-1] - z[1:, 1:])
    rising = np.abs(z[1:, :-1] - z[:-1, 1:])
    falls: NDArray[np.bool_] = (falling <= rising) | np.isnan(rising)
    return falls


def _count(there: NDArray[np.bool_]) -> int:
    """How many triangles there are between valid heights."""
    valid = there.view(np.uint8)
    corners = valid[:-1, :-1] + valid[:-1, 1:] + valid[1:, :-1] + valid[1:, 1:]
    return 2 * int(np.count_nonzero(corners == 4)) + int(np.count_nonzero(corners == 3))
