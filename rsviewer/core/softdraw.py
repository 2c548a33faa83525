"""A tile in space drawn by numpy alone, for machines without OpenGL: slow, but the same picture."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.cloud import Cloud, Vertices, triangles, vertices
from rsviewer.core.drawing import AMBIENT, DIFFUSE, Drawing, Part, sun
from rsviewer.core.relief import Form
from rsviewer.core.render import Pixels

_POINTS = 1_000_000
"""Points of a cloud that are worked on at a time."""
_FRAGMENTS = 1_000_000
"""Pixels of triangles that are worked on at a time."""
_TOO_MANY = 40_000_000
"""Pixels of triangles, most of them hidden, above which a surface is drawn from fewer heights."""
_EDGE = 1e-7
"""By so much, as a share of a triangle, a pixel may miss it: none is left out between two of them."""
_NONE = 0xFFFFFFFF
"""Instead of the number of a triangle or dot: the pixel shows something else."""

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def draw(drawing: Drawing) -> Pixels:
    """(height, width) 0xFFRRGGBB, shaded, nearer things before farther ones."""
    picture = np.full((drawing.height, drawing.width), _packed(drawing.background), np.uint32)
    for part in drawing.parts():
        canvas = _Canvas(part, _packed(drawing.background))
        with np.errstate(all="ignore"):
            for cloud, form in part.clouds:
                if form is Form.SURFACE:
                    _draw_surface(canvas, drawing, cloud)
                else:
                    _draw_points(canvas, drawing, cloud)
            if drawing.lines is not None and len(drawing.lines):
                _draw_lines(canvas, drawing, drawing.lines.astype(np.float64))
        picture[:, part.left : part.left + part.width] = canvas.picture[:, : drawing.width - part.left]
    return picture


class _Canvas:
    """A part of the picture, with the depth of what its pixels show.

    Attributes:
        width, height: pixels.
        matrix: (4, 4) from the world to homogeneous pixels: x / w to the right, y / w down, z / w -1..1 away from the eye.
        keys: (height * width) 32 bits of depth, then 32 bits that say which of the things just drawn is there. The
            smallest number is what is seen.
        picture: (height, width) 0xFFRRGGBB.
    """

    def __init__(self, part: Part, background: int) -> None:
        self.width, self.height = part.width, part.height
        self.matrix = part.matrix.copy()
        self.matrix[0] = (part.matrix[3] + part.matrix[0]) / 2 * part.width
        self.matrix[1] = (part.matrix[3] - part.matrix[1]) / 2 * part.height
        self.keys = np.full(part.width * part.height, 2**64 - 1, np.uint64)
        self.picture: Pixels = np.full((part.height, part.width), background, np.uint32)

    def show(self, places: Places, depth: Floats, number: NDArray[np.integer]) -> None:
        """Puts numbered things to pixels (of the raveled picture) where nothing nearer is."""
        np.minimum.at(self.keys, places, _keys(depth, number))

    def taken(self) -> tuple[Places, Places]:
        """Pixels that show what was put there since the last call, and its numbers."""
        number = self.keys & np.uint64(_NONE)
        places = np.flatnonzero(number != _NONE)
        self.keys[places] |= np.uint64(_NONE)
        return places, number[places].astype(np.intp)

    def color(self, places: Places, rgb: Floats) -> None:
        """Gives (n,) pixels (n, 3) colours of 0..255."""
        levels = np.clip(rgb + 0.5, 0, 255).astype(np.uint32)
        self.picture.ravel()[places] = 0xFF000000 | levels[:, 0] << 16 | levels[:, 1] << 8 | levels[:, 2]


# --- surfaces


class _Triangles:
    """Triangles that may cover the middle of a pixel.

    A pixel is in a triangle where three functions of its place, linear and with one sign, are not negative. They are made
    of homogeneous coordinates, so a triangle may reach behind the eye, and their shares of their sum are the weights of
    the three corners in space (Olano and Greer 1997).

    Attributes:
        corners: (n, 3) places in the vertices.
        edges: (3, 3, n) the functions: x, y and 1 times these.
        depth: (2, 3, n) z and w of the corners.
        left, top, wide, high: (n,) boxes of pixels around them.
    """

    def __init__(self, canvas: _Canvas, clip: Floats, corners: NDArray[np.uint32]) -> None:
        left, right, top, bottom = (side.astype(np.int64) for side in _boxes(canvas, clip, corners))
        kept = np.flatnonzero((left <= right) & (top <= bottom))
        self.corners = corners[kept]
        self.left, self.top = left[kept], top[kept]
        self.wide, self.high = right[kept] - self.left + 1, bottom[kept] - self.top + 1
        x, y, z, w = ([axis[self.corners[:, corner]] for corner in range(3)] for axis in clip)
        self.edges = np.empty((3, 3, kept.size))
        for corner in range(3):
            one, other = (corner + 1) % 3, (corner + 2) % 3
            self.edges[corner, 0] = y[one] * w[other] - y[other] * w[one]
            self.edges[corner, 1] = x[other] * w[one] - x[one] * w[other]
            self.edges[corner, 2] = x[one] * y[other] - x[other] * y[one]
        self.edges *= np.sign(self.edges[0, 0] * x[0] + self.edges[0, 1] * y[0] + self.edges[0, 2] * w[0])
        self.depth = np.array([z, w])

    @property
    def fragments(self) -> NDArray[np.int64]:
        """(n,) pixels to be looked at for each."""
        return np.asarray(self.wide * self.high)

    def weights(self, number: Places, x: NDArray[np.integer], y: NDArray[np.integer]) -> Floats:
        """(3, n) of the corners at the middle of pixels, not yet divided by their sum."""
        right, down = x + 0.5, y + 0.5
        return np.stack([edge[0][number] * right + edge[1][number] * down + edge[2][number] for edge in self.edges])


def _draw_surface(canvas: _Canvas, drawing: Drawing, cloud: Cloud) -> None:
    every = drawing.every(cloud)
    while not _is_drawn(canvas, drawing, cloud, every):
        every *= 2


def _is_drawn(canvas: _Canvas, drawing: Drawing, cloud: Cloud, every: int) -> bool:
    """Draws a surface; False, without having come to its end, where that would take too long."""
    left = _TOO_MANY + 8 * canvas.picture.size
    for strip in _strips(cloud, every):
        found, (first, last) = vertices(strip.cloud, every), strip.rows
        corners = triangles(strip.cloud, every)
        if not strip.is_whole:
            row = (found.index // np.uint32(cloud.columns) // np.uint32(every))[corners]
            corners = corners[((row >= first) & (row <= last)).all(axis=1)]
        shown = _Triangles(canvas, _clip(canvas, drawing, cloud, found), corners)
        left -= int(shown.fragments.sum())
        if left < 0:
            return False
        _fill(canvas, shown)
        places, number = canvas.taken()
        weights = shown.weights(number, places % canvas.width, places // canvas.width)
        weights /= weights.sum(axis=0)
        canvas.color(places, _colors(drawing, strip.cloud, found, shown.corners[number], weights))
    return True


def _fill(canvas: _Canvas, shown: _Triangles) -> None:
    """Puts the numbers of triangles to the pixels where they are the nearest ones."""
    ends = np.cumsum(shown.fragments)
    begin = 0
    while begin < ends.size:
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _FRAGMENTS, side="right")))
        number = np.repeat(np.arange(begin, end), shown.fragments[begin:end])
        place = np.arange(done, int(ends[end - 1])) - (ends - shown.fragments)[number]
        down = place // shown.wide[number]
        x, y = shown.left[number] + place - down * shown.wide[number], shown.top[number] + down
        weights = shown.weights(number, x, y)
        inside = np.flatnonzero(weights.min(axis=0) >= -_EDGE * weights.sum(axis=0))
        weights, number = weights[:, inside], number[inside]
        z, w = ((weights * axis[:, number]).sum(axis=0) for axis in shown.depth)
        canvas.show(y[inside] * canvas.width + x[inside], z / w, number)
        begin = end


def _boxes(canvas: _Canvas, clip: Floats, corners: NDArray[np.uint32]) -> tuple[Floats, Floats, Floats, Floats]:
    """First and last column, first and last row of the pixels whose middles triangles may cover; cut to the picture."""
    behind = clip[2] + clip[3] <= 0
    x, y = clip[0] / clip[3], clip[1] / clip[3]
    sides = []
    for axis, size in ((x, canvas.width), (y, canvas.height)):
        one, two, three = (axis[corners[:, corner]] for corner in range(3))
        low, high = np.minimum(np.minimum(one, two), three), np.maximum(np.maximum(one, two), three)
        sides.append((low, high, size))
    if behind.any():
        number = behind[corners].sum(axis=1)
        cut = np.flatnonzero((number == 1) | (number == 2))
        for (low, high, _), axis in zip(sides, (0, 1), strict=True):
            low[number == 3], high[number == 3] = np.inf, -np.inf
            low[cut], high[cut] = _cut(clip, corners[cut], axis)
    (left, right, width), (top, bottom, height) = sides
    return (
        np.clip(np.ceil(left - 0.5), 0, width),
        np.clip(np.floor(right - 0.5), -1, width - 1),
        np.clip(np.ceil(top - 0.5), 0, height),
        np.clip(np.floor(bottom - 0.5), -1, height - 1),
    )


def _cut(clip: Floats, corners: NDArray[np.uint32], axis: int) -> tuple[Floats, Floats]:
    """Least and greatest x or y of what is before the eye of triangles that are partly behind it."""
    places = []
    for corner in range(3):
        one, other = clip[:, corners[:, corner]], clip[:, corners[:, (corner + 1) % 3]]
        ahead, next_ahead = one[2] + one[3], other[2] + other[3]
        places.append(np.where(ahead > 0, one[axis] / one[3], np.nan))
        crossing = one + ahead / (ahead - next_ahead) * (other - one)
        places.append(np.where((ahead > 0) != (next_ahead > 0), crossing[axis] / crossing[3], np.nan))
    return np.fmin.reduce(places), np.fmax.reduce(places)


# --- points


def _draw_points(canvas: _Canvas, drawing: Drawing, cloud: Cloud) -> None:
    every, dot = drawing.every(cloud), drawing.dot
    # A dot is put to the pixel at its upper left corner, and then spread to the right and downwards. So the picture has a
    # rim where dots begin that are partly seen.
    wide, high = canvas.width + dot - 1, canvas.height + dot - 1
    for strip in _strips(cloud, every):
        found, (first, last) = vertices(strip.cloud, every), strip.rows
        x, y, z, w = _clip(canvas, drawing, cloud, found)
        depth = z / w
        column, row = np.ceil(x / w - dot / 2 - 0.5) + dot - 1, np.ceil(y / w - dot / 2 - 0.5) + dot - 1
        shown = (w > 0) & (np.abs(depth) <= 1) & (column >= 0) & (column < wide) & (row >= 0) & (row < high)
        if not strip.is_whole:
            line = found.index // np.uint32(cloud.columns) // np.uint32(every)
            shown &= (line >= first) & (line < last)
        number = np.flatnonzero(shown)
        keys = np.full(wide * high, 2**64 - 1, np.uint64)
        places = row[number].astype(np.intp) * wide + column[number].astype(np.intp)
        np.minimum.at(keys, places, _keys(depth[number], number))
        spread = _spread(_spread(keys.reshape(high, wide), dot).T, dot).T
        np.minimum(canvas.keys, spread.ravel(), out=canvas.keys)
        places, number = canvas.taken()
        weights = np.ones((1, number.size))
        canvas.color(places, _colors(drawing, strip.cloud, found, number[:, None].astype(np.uint32), weights))


def _spread(keys: NDArray[np.uint64], dot: int) -> NDArray[np.uint64]:
    """(rows - dot + 1, columns) the least of `dot` rows each."""
    rows = keys.shape[0] - dot + 1
    least = keys[:rows].copy()
    for down in range(1, dot):
        np.minimum(least, keys[down : down + rows], out=least)
    return least


# --- lines


def _draw_lines(canvas: _Canvas, drawing: Drawing, lines: Floats) -> None:
    """Straight lines, a pixel thick on ordinary screens."""
    clip = lines @ canvas.matrix[:, :3].T + canvas.matrix[:, 3]
    start, way = clip[:, 0], clip[:, 1] - clip[:, 0]
    first, last = np.zeros(len(lines)), np.ones(len(lines))
    for x, y, z, w in (  # of what is in the picture, a x + b y + c z + d w is not negative
        (0, 0, 1, 1),
        (0, 0, -1, 1),
        (1, 0, 0, 0),
        (-1, 0, 0, canvas.width),
        (0, 1, 0, 0),
        (0, -1, 0, canvas.height),
    ):
        inside, change = start @ (x, y, z, w), way @ (x, y, z, w)
        crossing = -inside / change
        first = np.where(change > 0, np.maximum(first, crossing), first)
        last = np.where(change < 0, np.minimum(last, crossing), last)
        last = np.where((change == 0) & (inside < 0), -1.0, last)
    seen = first < last
    ends = [start[seen] + share[seen, None] * way[seen] for share in (first, last)]
    (one, other) = (end[:, :3] / end[:, 3:] for end in ends)
    number = np.ceil(np.abs(other - one)[:, :2].max(axis=1, initial=0)).astype(np.intp) + 1
    line = np.repeat(np.arange(number.size), number)
    share = (np.arange(line.size) - (np.cumsum(number) - number)[line]) / np.maximum(number - 1, 1)[line]
    places = one[line] + share[:, None] * (other - one)[line]
    thick = max(1, round(drawing.ratio))
    for right in range(thick):
        for down in range(thick):
            x = np.floor(places[:, 0] - (thick - 1) / 2 + right)
            y = np.floor(places[:, 1] - (thick - 1) / 2 + down)
            shown = (x >= 0) & (x < canvas.width) & (y >= 0) & (y < canvas.height)
            pixels = y[shown].astype(np.intp) * canvas.width + x[shown].astype(np.intp)
            canvas.show(pixels, places[shown, 2], line[shown])
    canvas.picture.ravel()[canvas.taken()[0]] = _packed(drawing.line_color)


# --- what surfaces and points have in common


class _Strip(NamedTuple):
    """Some rows of a cloud.

    Attributes:
        cloud: these rows, and one more on each side that is there for the slopes.
        rows: the first and the last of those that are meant, counted in `cloud` and, where only every n-th is drawn, among
            those. The last one is the first of the next strip.
        is_whole: nothing but these rows is in `cloud`.
    """

    cloud: Cloud
    rows: tuple[int, int]
    is_whole: bool


def _strips(cloud: Cloud, every: int) -> Iterator[_Strip]:
    """Pieces of a cloud that are small enough to be worked on at a time."""
    rows, columns = -(-cloud.rows // every), -(-cloud.columns // every)
    if rows * columns <= _POINTS:
        yield _Strip(cloud, (0, rows), is_whole=True)
        return
    step = max(1, _POINTS // columns)
    for first in range(0, rows, step):
        begin, end = max(0, first - 1), min(rows, first + step + 2)
        lines = slice(begin * every, (end - 1) * every + 1)
        texture = cloud.texture
        piece = replace(
            cloud,
            height=cloud.height[lines],
            colors=cloud.colors[lines],
            origin=(cloud.origin[0], cloud.origin[1] - lines.start * cloud.step[1]),
            texture=None if texture is None else replace(texture, u=texture.u[lines], v=texture.v[lines]),
        )
        yield _Strip(piece, (first - begin, first - begin + step), is_whole=False)


def _clip(canvas: _Canvas, drawing: Drawing, cloud: Cloud, found: Vertices) -> Floats:
    """(4, n) homogeneous pixels of points."""
    matrix = canvas.matrix @ drawing.relief.matrix(cloud.base, drawing.style.exaggeration)
    clip: Floats = matrix[:, :3] @ found.position.T.astype(np.float64)
    clip += matrix[:, 3:]
    return clip


def _colors(drawing: Drawing, cloud: Cloud, found: Vertices, corners: NDArray[np.uint32], weights: Floats) -> Floats:
    """(n, 3) shaded colours 0..255 between some points, which count by their (corners, n) weights."""

    def between(values: NDArray[Any]) -> Floats:
        return np.asarray(sum(weight * values[corners[:, corner]] for corner, weight in enumerate(weights)))

    rgb = np.stack([between(found.rgb[:, channel]) for channel in range(3)], axis=-1)
    texture = cloud.texture
    if texture is not None:
        u, v = (between(axis.ravel()[found.index]) for axis in (texture.u, texture.v))
        there = np.flatnonzero((u >= 0) & (u <= 1) & (v >= 0) & (v <= 1))
        height, width = texture.pixels.shape
        column = np.minimum(u[there] * width, width - 1).astype(np.intp)
        row = np.minimum(v[there] * height, height - 1).astype(np.intp)
        pixels = texture.pixels[row, column]
        solid = pixels >= 0xFF000000
        for channel, shift in enumerate((16, 8, 0)):
            rgb[there[solid], channel] = pixels[solid] >> np.uint32(shift) & np.uint32(0xFF)
    return rgb * between(_shades(drawing, found))[:, None]


def _shades(drawing: Drawing, found: Vertices) -> NDArray[np.float32]:
    """(n,) what the colours of points are multiplied by: see `core.drawing`."""
    style = drawing.style
    across, up, height = (np.float32(part) for part in sun(style))
    x, y = (found.slope[:, axis] * np.float32(style.exaggeration) for axis in range(2))
    light = (height - x * across - y * up) / np.sqrt(x * x + y * y + np.float32(1))
    lit = np.float32(AMBIENT) + np.float32(DIFFUSE) * np.maximum(light, np.float32(0))
    shading = np.float32(style.shading)
    return np.asarray(np.float32(1) - shading + shading * lit)


def _keys(depth: Floats, number: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Nearer things have smaller keys; what is too near or too far for the picture has the greatest."""
    shown = np.abs(depth) <= 1
    level = np.where(shown, (depth + 1) / 2 * (2**32 - 2), 0).astype(np.uint64)
    return np.where(shown, level << np.uint64(32) | number.astype(np.uint64), np.uint64(2**64 - 1))


def _packed(rgb: tuple[int, int, int]) -> int:
    return 0xFF000000 | rgb[0] << 16 | rgb[1] << 8 | rgb[2]
