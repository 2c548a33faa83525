"""Raises buildings and trees: heights, slopes and colours of roofs and crowns."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.canvas import BUILDING, ROAD, TREE, WATER, Canvas, Color, Mask
from rsviewer.data.demo.noise import GSD, Floats, hashed
from rsviewer.data.demo.plot import Building, Epoch, PlantedTree, Roof

ROOFS: tuple[Color, ...] = (
    (0.215, 0.098, 0.064),  # red tiles
    (0.285, 0.142, 0.088),  # orange tiles
    (0.120, 0.080, 0.060),  # brown tiles
    (0.052, 0.053, 0.058),  # dark tiles
    (0.130, 0.130, 0.136),  # grey slate
    (0.165, 0.104, 0.078),  # old tiles
    (0.270, 0.258, 0.240),  # gravel
    (0.098, 0.098, 0.102),  # bitumen
    (0.128, 0.132, 0.075),  # planted
    (0.520, 0.520, 0.505),  # white membrane
    (0.255, 0.275, 0.292),  # grey sheet
    (0.430, 0.430, 0.420),  # light sheet
    (0.190, 0.184, 0.172),  # fibre cement
    (0.340, 0.328, 0.305),  # raw concrete
)
_PITCHED_TINT = 6
"""Rows of ROOFS below this are tiles."""


@dataclass(eq=False)
class Structures:
    """Buildings of one date over a window.

    Attributes:
        height: above the bare ground in metres; 0 where there is none.
        slope_east, slope_south: of the roofs.
        color: (3, height, width), only meaningful on buildings.
        owner: a number of the building, 0 where there is none.
    """

    height: Floats
    slope_east: Floats
    slope_south: Floats
    color: Floats
    owner: NDArray[np.int32]

    def copy(self) -> "Structures":
        """Independent arrays with the same content."""
        return Structures(
            self.height.copy(), self.slope_east.copy(), self.slope_south.copy(), self.color.copy(), self.owner.copy()
        )


def raise_buildings(canvas: Canvas, buildings: Iterable[Building]) -> tuple[Structures, Structures]:
    """The buildings after and before the event."""
    shape = canvas.window.shape
    height, slope_east, slope_south = np.zeros((3, *shape), np.float32)
    post = Structures(height, slope_east, slope_south, np.zeros((3, *shape), np.float32), np.zeros(shape, np.int32))
    window, found = canvas.window, []
    for building in buildings:
        middle = building.east / GSD - window.column, building.south / GSD - window.row
        reach = building.reach / GSD + 2
        if -reach < middle[0] < window.width + reach and -reach < middle[1] < window.height + reach:
            found.append(building)
    for building in found:
        if building.epoch is Epoch.BOTH:
            _raise(canvas, building, post)
    pre = post.copy()
    for building in found:
        if building.epoch is not Epoch.BOTH:
            _raise(canvas, building, post if building.epoch is Epoch.POST else pre)
    return post, pre


def _raise(canvas: Canvas, building: Building, into: Structures) -> None:
    window = canvas.window
    cos, sin = np.cos(building.angle), np.sin(building.angle)
    half_x = (abs(cos) * building.length + abs(sin) * building.depth) / 2
    half_y = (abs(sin) * building.length + abs(cos) * building.depth) / 2
    left = max(0, int((building.east - half_x) / GSD) - 1 - window.column)
    right = min(window.width, int((building.east + half_x) / GSD) + 2 - window.column)
    top = max(0, int((building.south - half_y) / GSD) - 1 - window.row)
    bottom = min(window.height, int((building.south + half_y) / GSD) + 2 - window.row)
    if left >= right or top >= bottom:
        return
    box = (slice(top, bottom), slice(left, right))
    x = (
        np.arange(left, right, dtype=np.float32)[None, :] + np.float32(window.column + 0.5 - building.east / GSD)
    ) * np.float32(GSD)
    y = (
        np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(window.row + 0.5 - building.south / GSD)
    ) * np.float32(GSD)
    a = np.float32(cos) * x + np.float32(sin) * y
    b = np.float32(cos) * y - np.float32(sin) * x
    from_end = np.float32(building.length / 2) - np.abs(a)
    from_eaves = np.float32(building.depth / 2) - np.abs(b)
    mine = (from_end > 0) & (from_eaves > 0)
    dice = np.random.default_rng(building.seed)

    rise_a, rise_b, roof = _roof(building, a, b, from_end, from_eaves)
    color, extra = _surface(building, canvas, box, a, b, from_end, from_eaves, dice)
    height = np.float32(building.base) + roof + extra - canvas.ground[box]
    height = np.maximum(height, 2.05)

    mine &= height > into.height[box]
    np.copyto(into.height[box], height, where=mine)
    np.copyto(into.slope_east[box], rise_a * np.float32(cos) - rise_b * np.float32(sin), where=mine)
    np.copyto(into.slope_south[box], rise_a * np.float32(sin) + rise_b * np.float32(cos), where=mine)
    for band in range(3):
        np.copyto(into.color[band][box], color[band], where=mine)
    np.copyto(into.owner[box], np.int32(building.seed % 0x7FFFFFFE + 1), where=mine)


def _roof(
    building: Building, a: Floats, b: Floats, from_end: Floats, from_eaves: Floats
) -> tuple[Floats, Floats, Floats]:
    """Rise along the ridge, rise across it (metres a metre), and height above the ground."""
    pitch, eaves = np.float32(building.pitch), np.float32(building.eaves)
    flat = np.zeros(from_end.shape, np.float32)
    match building.roof:
        case Roof.GABLE:
            return flat, -np.sign(b) * pitch, eaves + from_eaves * pitch
        case Roof.HIP:
            on_end = from_end < from_eaves
            height = eaves + np.minimum(from_end, from_eaves) * pitch
            return np.where(on_end, -np.sign(a) * pitch, 0), np.where(on_end, 0, -np.sign(b) * pitch), height
        case Roof.SHED:
            return flat, flat + pitch, eaves + (b + np.float32(building.depth / 2)) * pitch
        case Roof.FLAT:
            return flat, flat, eaves + flat


def _surface(
    building: Building, canvas: Canvas, box: tuple[slice, slice], a: Floats, b: Floats, from_end: Floats, from_eaves: Floats,
    dice: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Colour of the roof, and the height of what stands on it."""
    fine, grain, blotch = canvas.noise(1)[box], canvas.noise(4)[box], canvas.noise(12)[box]
    tint = 1 + float(dice.normal(0, 0.10))
    warm = float(dice.normal(0, 0.03))
    base = np.array(ROOFS[building.color], np.float32) * np.array([tint + warm, tint, tint - warm], np.float32)
    texture = 1 + 0.04 * fine + 0.04 * grain + 0.06 * blotch
    extra = np.zeros(a.shape, np.float32)
    if building.color < _PITCHED_TINT:
        texture = texture + 0.05 * np.sin(from_eaves * np.float32(2 * np.pi / 1.3)) + 0.03 * grain
    color = base[:, None, None] * texture

    top = _RoofTop(a, b, np.minimum(from_end, from_eaves), color, extra)
    length, depth = building.length, building.depth
    if building.roof is Roof.FLAT:
        _furnish_flat(building, top, dice)
    elif building.color >= _PITCHED_TINT:  # halls under sheet metal: seams and light strips
        color *= 1 + 0.05 * np.sin(a * np.float32(2 * np.pi / 1.9))
        if length > 25:
            strip = (np.mod(a + 300, 6.0) < 1.2) & (np.abs(np.abs(b) - depth / 4) < depth / 9)
            top.cover(strip, (0.36, 0.39, 0.40))
    elif depth > 5:
        if building.roof is Roof.GABLE:
            color *= np.where(np.abs(b) < 0.35, np.float32(0.82), np.float32(1))
        _furnish_pitched(building, top, dice)
    return color, extra


@dataclass(frozen=True, eq=False)
class _RoofTop:
    """What can be put on a roof: colours and heights over its bounding box, `rim` metres from its edge."""

    a: Floats
    b: Floats
    rim: Floats
    color: Floats
    extra: Floats

    def cover(self, where: Mask, paint: Color, height: float = 0.0) -> None:
        """Paints pixels, and raises them by `height` metres."""
        for band in range(3):
            np.copyto(self.color[band], np.float32(paint[band]), where=where)
        if height:
            self.extra[where] += np.float32(height)


def _furnish_pitched(building: Building, top: _RoofTop, dice: np.random.Generator) -> None:
    """Chimneys, skylights, solar panels, dormers."""
    a, b = top.a, top.b
    length, depth = building.length, building.depth
    for _ in range(1 + int(length > 16)):
        at, side = (
            float(dice.uniform(-0.33, 0.33)) * length,
            float(dice.choice([-1, 1])) * float(dice.uniform(0.6, 1.4)),
        )
        top.cover((np.abs(a - at) < 0.55) & (np.abs(b - side) < 0.55), (0.16, 0.10, 0.08), 1.3)
    for _ in range(int(dice.integers(0, 2 + int(length / 8)))):
        at, side = float(dice.uniform(-0.4, 0.4)) * length, float(dice.choice([-1, 1])) * depth * 0.27
        top.cover((np.abs(a - at) < 0.5) & (np.abs(b - side) < 0.65), (0.05, 0.07, 0.09))
    south_side = 1.0 if np.cos(building.angle) > 0 else -1.0
    if dice.random() < 0.16 and depth > 7.5:
        width = length * float(dice.uniform(0.2, 0.36))
        at = float(dice.uniform(-0.1, 0.1)) * length
        top.cover(
            (np.abs(a - at) < width) & (np.abs(b * south_side - depth * 0.26) < depth * 0.17), (0.022, 0.028, 0.050)
        )
    if length > 11 and depth > 9 and dice.random() < 0.35:  # dormers
        for at in np.arange(-length / 2 + 2.5, length / 2 - 2, 4.2):
            top.cover((np.abs(a - at) < 1.0) & (np.abs(b * south_side - depth * 0.28) < 1.1), (0.15, 0.14, 0.13), 0.7)


def _furnish_flat(building: Building, top: _RoofTop, dice: np.random.Generator) -> None:
    """A parapet, light domes, solar panels, machines, the head of the lift."""
    a, b, rim = top.a, top.b, top.rim
    length, depth = building.length, building.depth
    if min(length, depth) > 6:
        top.cover(rim < 0.6, (0.34, 0.335, 0.32), 0.5)
    area = length * depth
    if area > 900 and dice.random() < 0.6:  # rows of light domes
        domes = (np.abs(np.mod(a + 300, 9.0) - 4.5) < 0.9) & (np.abs(np.mod(b + 300, 8.0) - 4) < 0.9) & (rim > 3)
        top.cover(domes, (0.50, 0.53, 0.54), 0.4)
    if area > 500 and dice.random() < 0.25:
        top.cover(
            (rim > 3) & (np.mod(b + 300, 2.6) < 1.5) & (np.mod(a + 300, 13) < 11.5) & (a < 0.15 * length),
            (0.024, 0.030, 0.052),
            0.3,
        )
    for _ in range(int(np.clip(area / 110, 1, 9)) if area > 90 else 0):
        at, off = float(dice.uniform(-0.38, 0.38)) * length, float(dice.uniform(-0.36, 0.36)) * depth
        wide, deep, high = dice.uniform(0.8, 2.0), dice.uniform(0.7, 1.6), float(dice.uniform(0.8, 1.6))
        top.cover((np.abs(a - at) < wide) & (np.abs(b - off) < deep), (0.42, 0.42, 0.41), high)
    if building.eaves > 11 and area > 200:
        at = float(dice.uniform(-0.2, 0.2)) * length
        top.cover((np.abs(a - at) < 2.6) & (np.abs(b) < 2.2), (0.25, 0.245, 0.235), 2.8)


# ---- trees ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Trees:
    """Trees, each attribute with one value a tree.

    Attributes:
        x, y: of the middle, in window pixels.
        radius, height: metres.
        hue: 0..1.
        brightness: about 1.
        needles: True for conifers.
    """

    x: Floats
    y: Floats
    radius: Floats
    height: Floats
    hue: Floats
    brightness: Floats
    needles: Mask

    @classmethod
    def of(cls, numbers: Floats, needles: Mask) -> "_Trees":
        """From (6, trees) numbers in the order of the attributes."""
        table = numbers.astype(np.float32)
        return cls(table[0], table[1], table[2], table[3], table[4], table[5], needles)

    @property
    def numbers(self) -> Floats:
        """(6, trees), as `of` takes them."""
        return np.stack([self.x, self.y, self.radius, self.height, self.hue, self.brightness])


@dataclass(eq=False)
class Crowns:
    """Height of the tree tops above the ground (0: none) and the colour of the leaves."""

    height: Floats
    color: Floats


_BROADLEAF = np.array(
    [(0.040, 0.066, 0.022), (0.075, 0.105, 0.034), (0.052, 0.075, 0.034), (0.095, 0.112, 0.045)], np.float32
)
_CONIFER = np.array([(0.022, 0.040, 0.021), (0.032, 0.050, 0.028)], np.float32)
_RARE = np.array([(0.085, 0.040, 0.030), (0.150, 0.120, 0.040)], np.float32)


def raise_trees(canvas: Canvas, built: Mask, planted: Iterable[PlantedTree]) -> Crowns:
    """Crowns of all trees whose middle is in the window and not on a building."""
    groups = [
        _scattered(canvas, 8, canvas.shrubs, built, 1, (1.0, 2.1), (1.5, 2.3)),
        _scattered(canvas, 12, canvas.trees, built, 2, (2.3, 4.6), (2.4, 3.6)),
        _in_rows(canvas, built | (canvas.labels == ROAD) | (canvas.labels == WATER), planted),
    ]
    trees = _Trees.of(
        np.concatenate([group.numbers for group in groups], axis=1), np.concatenate([group.needles for group in groups])
    )
    best = np.zeros(canvas.window.height * canvas.window.width, np.int64)
    lumps = (0.55 * canvas.noise(3) + 0.45 * canvas.noise(6)).ravel()
    reach = np.ceil(trees.radius / GSD * 1.25).astype(int)
    for size in np.unique(reach):
        _stamp(canvas, trees, np.flatnonzero(reach == size), int(size), lumps, best)
    shape = canvas.window.shape
    top = best.reshape(shape)
    height = (top >> 24).astype(np.float32) / 100
    owner = (top & 0xFFFFFF).astype(np.int64)
    return Crowns(height, _leaves(canvas, trees, owner, height))


def _scattered(
    canvas: Canvas,
    cell: int,
    chance: Floats,
    built: Mask,
    seed: int,
    radii: tuple[float, float],
    slimness: tuple[float, float],
) -> _Trees:
    """At most one tree in each cell of a grid, where the chance says so."""
    window = canvas.window
    columns = np.arange(window.column // cell, (window.column + window.width) // cell + 1)[None, :]
    rows = np.arange(window.row // cell, (window.row + window.height) // cell + 1)[:, None]
    numbers = [hashed(columns, rows, canvas.seed * 977 + 61 * seed + k) for k in range(7)]
    x = (columns + 0.08 + 0.84 * numbers[0]) * cell - window.column
    y = (rows + 0.08 + 0.84 * numbers[1]) * cell - window.row
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    seen = (column >= 0) & (column < window.width) & (row >= 0) & (row < window.height)
    column, row = np.where(seen, column, 0), np.where(seen, row, 0)
    stands = seen & (numbers[2] < chance[row, column]) & ~built[row, column]
    x, y, column, row = x[stands], y[stands], column[stands], row[stands]
    n3, n4, n5, n6 = (number[stands] for number in numbers[3:])
    needles = n6 < canvas.needles[row, column]
    radius = radii[0] + (radii[1] - radii[0]) * n3
    radius = radius * np.where(needles, 0.80, 1.0)
    height = radius * (slimness[0] + (slimness[1] - slimness[0]) * n4) * np.where(needles, 1.6, 1.0)
    shade = 0.75 + 0.5 * np.mod(n3 * 7 + n4 * 5, 1)
    return _Trees.of(np.stack([x, y, radius, np.minimum(height, 27), n5, shade]), needles)


def _in_rows(canvas: Canvas, taken: Mask, planted: Iterable[PlantedTree]) -> _Trees:
    window = canvas.window
    table = np.array([(t.east, t.south, t.radius, t.height) for t in planted], np.float64).reshape(-1, 4)
    x, y = table[:, 0] / GSD - window.column, table[:, 1] / GSD - window.row
    seen = (x >= 0) & (y >= 0) & (x < window.width) & (y < window.height)
    seen[seen] &= ~taken[y[seen].astype(int), x[seen].astype(int)]
    column, row = np.floor(table[seen, 0] / GSD).astype(int), np.floor(table[seen, 1] / GSD).astype(int)
    hue, shade = hashed(column, row, canvas.seed + 5), 0.8 + 0.4 * hashed(column, row, canvas.seed + 6)
    numbers = np.stack([x[seen], y[seen], table[seen, 2], table[seen, 3], hue, shade])
    return _Trees.of(numbers, np.zeros(numbers.shape[1], bool))


def _stamp(
    canvas: Canvas, trees: _Trees, which: NDArray[np.int64], reach: int, lumps: Floats, best: NDArray[np.int64]
) -> None:
    """Writes the crowns of trees of one size where they are the highest: height in centimetres and number, in one integer."""
    width, height = canvas.window.width, canvas.window.height
    offset = np.arange(-reach, reach + 1)
    down, right = (grid.ravel() for grid in np.meshgrid(offset, offset, indexing="ij"))
    near = down * down + right * right <= (reach + 0.5) ** 2
    down, right = down[near], right[near]
    for part in np.array_split(which, max(1, which.size * down.size // 400_000)):
        column = np.floor(trees.x[part]).astype(np.int64)[:, None] + right
        row = np.floor(trees.y[part]).astype(np.int64)[:, None] + down
        seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        at = np.where(seen, row * width + column, 0)
        radius = trees.radius[part][:, None] / np.float32(GSD)
        dx = (column + np.float32(0.5) - trees.x[part][:, None]).astype(np.float32)
        dy = (row + np.float32(0.5) - trees.y[part][:, None]).astype(np.float32)
        far = (dx * dx + dy * dy) / (radius * radius)
        lump = lumps[at]
        rest = 1 - far + np.float32(0.22) * lump
        tall = trees.height[part][:, None]
        needles = trees.needles[part][:, None]
        dome = np.where(needles, 1 - 0.75 * np.sqrt(far), 0.45 + 0.55 * np.sqrt(np.maximum(rest, 0)))
        top = np.maximum(tall * (dome + np.float32(0.045) * lump), 0.6)
        keep = seen & (rest > 0)
        key = ((top[keep] * 100).astype(np.int64) << 24) | np.broadcast_to(part[:, None], keep.shape)[keep]
        np.maximum.at(best, at[keep], key)


def _leaves(canvas: Canvas, trees: _Trees, owner: NDArray[np.int64], height: Floats) -> Floats:
    if not trees.x.size:
        return np.zeros((3, *height.shape), np.float32)
    kind = (trees.hue * 3.999).astype(int)
    tint = np.where(trees.needles[:, None], _CONIFER[kind % 2], _BROADLEAF[kind])
    tint = np.where(((trees.hue > 0.49) & (trees.hue < 0.503) & ~trees.needles)[:, None], _RARE[kind % 2], tint)
    tint = tint * trees.brightness[:, None]
    texture = 1 + 0.16 * canvas.noise(3) + 0.12 * canvas.noise(1)
    inner = 0.72 + 0.28 * np.clip(height / np.maximum(trees.height[owner], 0.1), 0, 1.1)
    return np.asarray(np.moveaxis(tint[owner], -1, 0) * np.maximum(texture * inner, 0.3), np.float32)


def classes_with(canvas: Canvas, buildings: Structures, crowns: Crowns) -> NDArray[np.uint8]:
    """Land cover as seen from above: the highest thing gives its name."""
    labels = canvas.labels.copy()
    labels[buildings.height > 0] = BUILDING
    labels[(crowns.height > buildings.height) & (crowns.height > canvas.things)] = TREE
    return labels
