"""Paints the ground of a plot by its use: lawns and gardens, car parks, fields, woods, water, pits.

Streets are in `streets`; buildings and trees come later, in `build`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rsviewer.data.demo.canvas import BARE, CROPS, DEVELOPED, RANGE, WATER, Brush, Color, Mask
from rsviewer.data.demo.noise import Floats
from rsviewer.data.demo.plot import CAR_PARK, Use
from rsviewer.data.demo.streets import paint_parked_cars
from rsviewer.data.demo.terrain import Terrain

LAWN: Color = (0.085, 0.118, 0.045)
MEADOW: Color = (0.125, 0.150, 0.060)
LUSH_GRASS: Color = (0.062, 0.105, 0.032)
DRY_GRASS: Color = (0.200, 0.180, 0.095)
HEDGE: Color = (0.035, 0.058, 0.022)
ASPHALT: Color = (0.115, 0.115, 0.118)
CONCRETE: Color = (0.290, 0.280, 0.262)
PAVERS: Color = (0.215, 0.195, 0.178)
RED_PAVERS: Color = (0.210, 0.135, 0.108)
GRAVEL: Color = (0.300, 0.270, 0.220)
SOIL: Color = (0.165, 0.120, 0.080)
PALE_SOIL: Color = (0.300, 0.248, 0.182)
SAND: Color = (0.400, 0.345, 0.255)
LEAF_LITTER: Color = (0.036, 0.040, 0.020)
WHITE: Color = (0.62, 0.62, 0.60)
POOL: Color = (0.10, 0.34, 0.40)
DEEP_WATER: Color = (0.020, 0.038, 0.038)
SHALLOW_WATER: Color = (0.072, 0.092, 0.066)
PIT_WATER: Color = (0.045, 0.105, 0.100)


@dataclass(frozen=True, slots=True)
class Crop:
    """How a field looks from above.

    Attributes:
        color: of the whole.
        streaks: contrast of fine lines along the rows.
        mottle: contrast of the large patches of better and worse soil.
        rows: metres between visible rows; 0 for none.
        row_contrast: of the rows.
        tramlines: strength of the tractor's wheel tracks, towards soil; 0 for none.
        height: metres.
    """

    color: Color
    streaks: float
    mottle: float
    rows: float
    row_contrast: float
    tramlines: float
    height: float


CROPS_GROWN = (
    Crop((0.068, 0.115, 0.036), 0.05, 0.10, 0.0, 0.0, 0.55, 0.4),  # young corn
    Crop((0.285, 0.232, 0.125), 0.06, 0.09, 0.0, 0.0, 0.40, 0.8),  # ripe wheat
    Crop((0.230, 0.205, 0.120), 0.05, 0.11, 0.0, 0.0, 0.45, 0.8),  # barley
    Crop((0.060, 0.098, 0.032), 0.06, 0.13, 2.2, 0.16, 0.0, 1.4),  # maize
    Crop((0.325, 0.292, 0.075), 0.04, 0.10, 0.0, 0.0, 0.35, 1.0),  # rape in flower
    Crop((0.140, 0.102, 0.070), 0.16, 0.16, 0.0, 0.0, 0.0, 0.0),  # ploughed
    Crop((0.205, 0.160, 0.112), 0.12, 0.13, 0.0, 0.0, 0.0, 0.0),  # harrowed
    Crop((0.330, 0.285, 0.190), 0.10, 0.08, 4.0, 0.10, 0.0, 0.1),  # stubble
    Crop((0.090, 0.112, 0.046), 0.08, 0.12, 3.0, 0.28, 0.0, 0.5),  # potatoes
    Crop((0.092, 0.138, 0.048), 0.05, 0.08, 0.0, 0.0, 0.25, 0.2),  # clover
)


def paint_ground(brush: Brush, terrain: Terrain) -> None:
    """Paints everything of a plot but its streets."""
    _PAINTERS[brush.plot.use](brush, terrain)


def _level(brush: Brush, terrain: Terrain) -> float:
    """Height of the bare ground in the middle of the plot, metres."""
    plot = brush.plot
    east, south = terrain.unbend(np.array([(plot.u0 + plot.u1) / 2]), np.array([(plot.v0 + plot.v1) / 2]))
    return float(terrain.ground_at(east, south)[0])


def _grass(brush: Brush, where: Mask, color: Color, dryness: float = 0.0) -> None:
    texture = 1 + 0.10 * brush.noise(2) + 0.09 * brush.noise(6) + 0.10 * brush.noise(24) + 0.06 * brush.noise(1)
    brush.paint(where, color, texture, RANGE)
    brush.glaze(where, LUSH_GRASS, np.clip(0.30 * brush.noise(100) + 0.10 * brush.noise(24), 0, 0.6))
    patches = np.clip(0.22 + dryness + 0.22 * brush.noise(60) + 0.12 * brush.noise(12), 0, 0.85)
    brush.glaze(where, DRY_GRASS, patches)


def _hard(brush: Brush, where: Mask, color: Color, label: int = DEVELOPED) -> None:
    texture = 1 + 0.05 * brush.noise(1) + 0.05 * brush.noise(4) + 0.09 * brush.noise(24)
    brush.paint(where, color, texture, label)


def _soil(brush: Brush, where: Mask, color: Color = PALE_SOIL) -> None:
    texture = 1 + 0.09 * brush.noise(1) + 0.11 * brush.noise(4) + 0.13 * brush.noise(12) + 0.16 * brush.noise(60)
    brush.paint(where, color, np.maximum(texture, 0.3), BARE)
    brush.glaze(where, SOIL, np.clip(0.35 + 0.4 * brush.noise(24), 0, 0.9))


def _stripes(position: Floats, seed: int, width: float) -> Floats:
    """Smooth random values along one axis, one knot every `width` metres; mean 0, about -1..1."""
    table = np.random.default_rng(seed).uniform(-1, 1, 2048).astype(np.float32)
    at = position / np.float32(width) + 512
    index = at.astype(np.int32)
    part = at - index
    return np.asarray(table[index & 2047] * (1 - part) + table[(index + 1) & 2047] * part, np.float32)


# ---- town -------------------------------------------------------------------------------------------------------------------


def _houses(brush: Brush, _terrain: Terrain) -> None:
    """Gardens, one a parcel, each with its own mind."""
    plot, inside = brush.plot, brush.inside
    _grass(brush, inside, LAWN)
    brush.plant(inside, 0.06, 0.05)
    _start, _end, near, far = plot.margins
    middle = (near + plot.depth - far) / 2
    two_rows = plot.cuts[0] is not plot.cuts[1] and plot.depth - near - far >= 36
    for row in (0, 1) if two_rows else (0,):
        here = inside & ((brush.q < middle) == (row == 0)) if two_rows else inside
        front = brush.q - near if row == 0 else plot.depth - far - brush.q
        back = middle - near if two_rows else plot.depth - near - far
        _gardens(brush, here, front, back, np.asarray(plot.cuts[row], np.float32), row)
    if plot.is_new:
        brush.remember_before(
            inside, PALE_SOIL, np.clip(1 + 0.1 * brush.noise(1) + 0.13 * brush.noise(4) + 0.2 * brush.noise(24), 0.3, 2)
        )
        brush.plant(inside, 0.01, 0.0)


def _gardens(brush: Brush, here: Mask, front: Floats, back: float, cuts: Floats, row: int) -> None:
    """One row of parcels: `front` is the distance from the pavement, `back` where the parcels end, `cuts` where they meet."""
    parcel = np.clip(np.searchsorted(cuts, brush.p.ravel()).reshape(brush.p.shape) - 1, 0, len(cuts) - 2)
    left = brush.p - cuts[parcel]
    right = cuts[parcel + 1] - brush.p
    mood = brush.pick(np.arange(len(cuts)), row, 1)[parcel]
    taste = brush.pick(np.arange(len(cuts)), row, 2)[parcel]
    order = brush.pick(np.arange(len(cuts)), row, 3)[parcel]
    brush.shade(here, (0.82 + 0.36 * mood).astype(np.float32))
    brush.glaze(here & (taste > 0.8), DRY_GRASS, 0.35)
    yard = here & (front < 6) & (order > 0.72)
    _hard(brush, yard, GRAVEL)
    drive = here & (left > 0.7) & (left < 4.0) & (front < 9 + 6 * mood)
    _hard(brush, drive & (taste < 0.5), PAVERS)
    _hard(brush, drive & (taste >= 0.5), RED_PAVERS)
    _hard(brush, drive & (order < 0.25), CONCRETE)
    path = here & (np.abs(left - 7) < 0.7) & (front < 6)
    _hard(brush, path, PAVERS)
    terrace = here & (right > 3) & (right < 9) & (front > 14.5) & (front < 19 + 2 * taste)
    _hard(brush, terrace & (mood < 0.7), PAVERS)
    _hard(brush, terrace & (mood >= 0.7), CONCRETE)
    deep = back - front
    beds = here & (deep < 9) & (deep > 2.5) & (left > 2) & (left < 2 + 7 * taste) & (order < 0.4)
    _soil(brush, beds, SOIL)
    brush.glaze(beds & (np.mod(front, 1.6) < 0.8), HEDGE, 0.6)
    swims = here & (mood + taste > 1.5) & (front > 18) & (back > 28)
    aside, behind = np.abs(right - 5.4), np.abs(deep - 6.0)
    pool = swims & (aside < 2.1) & (behind < 3.6)
    _hard(brush, swims & (aside < 3.1) & (behind < 4.6), CONCRETE)
    brush.paint(pool, POOL, 1 + 0.05 * brush.noise(2), WATER)
    brush.raise_to(here & ~pool, 0.0)
    wobble = 0.25 * brush.noise(4)
    fence = here & (np.minimum(np.minimum(left, right), np.where(back > 20, deep, 9)) < 0.65 + wobble) & (front > 5)
    hedge = fence & (order > 0.35)
    brush.paint(hedge, HEDGE, 1 + 0.25 * brush.noise(2) + 0.1 * brush.noise(1), RANGE)
    brush.raise_to(hedge, 1.3)
    green = here & ~(drive | terrace | path | pool | yard)
    rear = green & (front > 17)
    brush.plant(rear, 0.10 + 0.30 * mood * mood, 0.04 + 0.22 * taste * taste, 0.25)
    brush.plant(here & (front < 5) & green, 0.12 * taste, 0.02, 0.3)
    brush.plant(here & ~green, 0.0, 0.0)


def _core(brush: Brush, _terrain: Terrain) -> None:
    """Courts behind the houses."""
    inside = brush.inside
    _hard(brush, inside, PAVERS)
    brush.glaze(inside, ASPHALT, np.clip(0.4 + 0.5 * brush.noise(40), 0, 0.9))
    court = inside & (brush.kerb > 17)
    green = court & (brush.noise(40) + 0.3 * brush.noise(8) > -0.25 + 0.8 * (brush.chance(1) - 0.5))
    _grass(brush, green, LAWN)
    brush.plant(green, 0.15, 0.42)
    paint_parked_cars(
        brush, court & ~green & (np.mod(brush.q, 12) < 5.2), brush.p, np.mod(brush.q, 12), 0.4, bays=False
    )


def _flats(brush: Brush, _terrain: Terrain) -> None:
    """Lawn with paths, and parking along one side."""
    inside = brush.inside
    _grass(brush, inside, LAWN, 0.05)
    path = inside & (np.abs(brush.noise(100, plain=True) + 0.25 * brush.noise(40, plain=True)) < 0.05)
    _hard(brush, path, PAVERS)
    ring = inside & (np.abs(brush.kerb - 11) < 1.3)
    _hard(brush, ring, PAVERS)
    brush.plant(inside & ~path & ~ring, 0.10, 0.16, 0.1)
    _, end, _near, far = brush.plot.margins
    strip = inside & (brush.plot.depth - far - brush.q < 9.5) & (brush.p > 10) & (brush.p < brush.plot.length - end - 9)
    _hard(brush, strip, ASPHALT)
    brush.plant(strip, 0.0, 0.0)
    lane = brush.plot.depth - far - brush.q
    paint_parked_cars(brush, strip & (lane > 4.2), brush.p, lane - 4.2, 0.6)
    if brush.plot.is_new:
        brush.remember_before(
            inside, PALE_SOIL, np.clip(1 + 0.1 * brush.noise(1) + 0.13 * brush.noise(4) + 0.2 * brush.noise(24), 0.3, 2)
        )


def _commerce(brush: Brush, _terrain: Terrain) -> None:
    """A car park in front, a yard round the halls."""
    inside, plot = brush.inside, brush.plot
    start, end, near, _far = plot.margins
    tint: Color = ASPHALT if brush.chance(1) < 0.6 else CONCRETE
    _hard(brush, inside, tint)
    brush.glaze(inside, (0.07, 0.07, 0.07), np.clip(0.15 + 0.2 * brush.noise(12) + 0.15 * brush.noise(40), 0, 0.6))
    rim = inside & ((brush.kerb < 5.5) | (np.minimum(brush.p - start, plot.length - end - brush.p) < 3))
    _grass(brush, rim, LAWN)
    brush.plant(rim, 0.12, 0.10)
    from_front = brush.p - start if plot.faces_start else plot.length - end - brush.p
    size = plot.length - start - end
    entry = rim & (np.abs(from_front - 0.15 * size) < 4)
    _hard(brush, entry, tint)
    brush.plant(entry, 0.0, 0.0)
    lot = inside & ~rim & (from_front < (CAR_PARK - 0.02) * size) & (from_front > 6)
    across = brush.q - near - 6
    module = np.mod(across, 16.5)
    stalls = lot & (module < 10.4) & (across > 0)
    paint_parked_cars(brush, stalls, brush.p, np.where(module < 5.2, module, module - 5.2), 0.55, bays=True)
    island = lot & (np.abs(module - 5.2) < 0.8) & (np.mod(brush.p, 21) < 2.5)
    _grass(brush, island, LAWN)
    brush.plant(island, 0.0, 0.8)
    trucks = inside & ~rim & ~lot
    paint_parked_cars(brush, trucks & (brush.kerb > 7) & (brush.kerb < 12.2), brush.p, brush.kerb - 7, 0.12)
    if plot.is_new:
        brush.remember_before(
            inside, PALE_SOIL, np.clip(1 + 0.1 * brush.noise(1) + 0.13 * brush.noise(4) + 0.2 * brush.noise(24), 0.3, 2)
        )


def _park(brush: Brush, terrain: Terrain) -> None:
    """Lawns, winding paths, clumps of trees and a pond."""
    inside = brush.inside
    _grass(brush, inside, LAWN, -0.05)
    clumps = np.clip(0.10 + 0.5 * brush.noise(60) + 0.2 * brush.noise(24), 0, 0.9)
    brush.plant(inside, 0.2 * clumps, clumps, 0.12)
    winding = brush.noise(100, plain=True) + 0.3 * brush.noise(40, plain=True)
    path = inside & (
        (np.abs(winding - 0.3) < 0.045) | (np.abs(winding + 0.9) < 0.055) | (np.abs(brush.kerb - 6.5) < 1.1)
    )
    _hard(brush, path, GRAVEL)
    basin = brush.noise(100) + 0.15 * brush.noise(16)
    pond = inside & (brush.kerb > 12) & (basin > 1.15)
    shore = inside & (brush.kerb > 11) & (basin > 1.02) & ~pond
    ground = brush.canvas.ground[brush.box]
    sunk = np.where(inside & (brush.kerb > 11), np.clip((basin - 1.02) / 0.13, 0, 1), 0).astype(np.float32)
    ground += (np.float32(_level(brush, terrain) - 0.8) - ground) * sunk
    _water(brush, pond, 9 * (brush.noise(100) - 1.0), PIT_WATER)
    brush.glaze(shore, HEDGE, 0.5)
    brush.plant(path | pond, 0.0, 0.0)


def _sports(brush: Brush, _terrain: Terrain) -> None:
    """A pitch with mowing stripes and lines, or tennis courts where it would not fit."""
    inside, plot = brush.inside, brush.plot
    start, end, near, far = plot.margins
    _grass(brush, inside, LAWN, 0.1)
    brush.plant(inside & (brush.kerb < 8), 0.15, 0.35)
    stretch_p, stretch_q = (brush.canvas.frame.stretch_u, brush.canvas.frame.stretch_v)
    if not plot.is_wide:
        stretch_p, stretch_q = stretch_q, stretch_p
    stretch_p, stretch_q = stretch_p[brush.box], stretch_q[brush.box]
    x = (brush.p - (start + plot.length - end) / 2 - 5) / stretch_p
    y = (brush.q - (near + plot.depth - far) / 2) / stretch_q
    room_x = (plot.length - start - end) / 2 / float(stretch_p.max()) - 7
    room_y = (plot.depth - near - far) / 2 / float(stretch_q.max())
    half_x = min(52.5, room_x - 9)
    half_y = min(34.0, half_x * 0.65, room_y - 6)
    outside = np.maximum(np.abs(x) - half_x, np.abs(y) - half_y)
    if room_y > 40 and room_x > 52:  # a running track: straights beside the pitch, bends around its ends
        half_x = min(52.5, room_x / 1.62 - 1)
        half_y = min(34.0, half_x * 0.62, room_y - 12)
        outside = np.maximum(np.abs(x) - half_x, np.abs(y) - half_y)
        run = np.hypot(np.maximum(np.abs(x) - half_x + 10, 0), y) - half_y - 3
        track = inside & (run > 0) & (run < 7)
        _hard(brush, track, (0.235, 0.098, 0.066))
        brush.glaze(track & (np.mod(run, 1.4) < 0.4), WHITE, 0.25)
        brush.plant(inside & (run < 10), 0.0, 0.0)
    pitch = inside & (outside < 2.5)
    brush.paint(pitch, (0.070, 0.125, 0.040), 1 + 0.06 * brush.noise(2) + 0.06 * brush.noise(12), RANGE)
    brush.shade(pitch & (np.mod(x + 300, 11) < 5.5), 1.14)
    lines = np.minimum(np.abs(outside), np.where(outside < 0, np.abs(x), 9))
    circle = np.abs(np.hypot(x, y) - 9.15)
    box = np.abs(np.maximum(half_x - 16.5 - np.abs(x), np.abs(y) - 20.2))
    box = np.where((np.abs(x) < half_x) & (np.abs(x) > half_x - 17.5) & (np.abs(y) < 21), box, 9)
    lines = np.minimum(np.minimum(lines, circle), box)
    brush.glaze(pitch, WHITE, np.clip(0.75 - lines / 0.45, 0, 0.7))
    brush.glaze(pitch & (np.abs(y) < 4) & (np.abs(np.abs(x) - half_x + 4) < 4), DRY_GRASS, 0.45)
    brush.plant(inside & (outside < 9), 0.0, 0.0)


def _site(brush: Brush, _terrain: Terrain) -> None:
    """Bare soil with tracks, heaps and material."""
    inside = brush.inside
    _soil(brush, inside)
    tracks = inside & (np.abs(np.mod(6 * brush.noise(60) + 0.04 * brush.p, 1.0) - 0.5) < 0.07)
    brush.glaze(tracks, SOIL, 0.5)
    heaps = np.maximum(brush.noise(24) + 0.25 * brush.noise(8) - 1.35, 0)
    heap = inside & (heaps > 0) & (brush.kerb > 5)
    brush.raise_to(heap, np.minimum(3.2 * heaps, 3.0))
    brush.glaze(heap, SOIL, 0.4)
    stacks = inside & (brush.pick((brush.p // 3).astype(int), (brush.q // 2.4).astype(int), 4) > 0.985)
    brush.paint(stacks, (0.36, 0.33, 0.24), 1 + 0.1 * brush.noise(1))
    brush.raise_to(stacks, 1.2)
    brush.remember_before(
        inside, MEADOW, np.clip(1 + 0.1 * brush.noise(2) + 0.12 * brush.noise(12) + 0.1 * brush.noise(60), 0.4, 2)
    )


# ---- country ----------------------------------------------------------------------------------------------------------------


def _field(brush: Brush, _terrain: Terrain) -> None:
    """A crop with rows, wheel tracks and headlands, and a rough margin."""
    plot, mine = brush.plot, brush.mine
    crop = CROPS_GROWN[int(brush.chance(1) * len(CROPS_GROWN))]
    ends = np.minimum(brush.p, plot.length - brush.p)
    headland = ends < 11
    along, across = np.where(headland, brush.q, brush.p), np.where(headland, ends, brush.q)
    across = across + 0.25 * brush.noise(40)
    fine = _stripes(across, plot.seed, 0.8) + 0.7 * _stripes(across, plot.seed + 1, 2.6)
    fine = fine * (1 + 0.5 * _stripes(along, plot.seed + 2, 30.0))
    texture = (
        1
        + crop.streaks * fine
        + crop.mottle * (0.6 * brush.noise(100) + 0.45 * brush.noise(40) + 0.25 * brush.noise(12))
    )
    texture += 0.05 * brush.noise(2) + 0.04 * brush.noise(1)
    tint = 1 + 0.22 * (brush.chance(2) - 0.5)
    brush.paint(mine, crop.color, np.maximum(texture * tint, 0.25), CROPS)
    brush.raise_to(mine, crop.height * np.clip(0.85 + 0.15 * brush.noise(12), 0.4, 1.3))
    if crop.rows:
        wave = np.sin(across * np.float32(2 * np.pi / crop.rows))
        brush.shade(mine, 1 + crop.row_contrast * wave)
    if crop.tramlines:
        wheel = np.abs(np.abs(np.mod(across, 21.0) - 10.5) - 0.95)
        brush.glaze(mine & ~(headland & (ends > 9.5)), SOIL, np.clip(1 - wheel / 0.6, 0, 1) * crop.tramlines)
    thin = np.clip(0.5 * (-1.1 - brush.noise(100) - 0.3 * brush.noise(12)), 0, 0.4)
    brush.glaze(mine, SOIL if crop.height < 0.6 else DRY_GRASS, thin)
    _margin(brush, 1.2)


def _margin(brush: Brush, width: float) -> None:
    """Rough grass at the edges of a plot, with bushes here and there."""
    edge = brush.mine & (brush.kerb < width + 0.3 * brush.noise(8))
    _grass(brush, edge, MEADOW, 0.1)
    brush.raise_to(edge, 0.0)
    hedge = brush.chance(7) < 0.4
    brush.plant(edge, np.clip(0.25 + 0.5 * brush.noise(60), 0, 0.9) if hedge else 0.02, 0.16 if hedge else 0.01)


def _meadow(brush: Brush, _terrain: Terrain) -> None:
    """Grass land, mown or grazed, with trees in it."""
    mine = brush.mine
    _grass(brush, mine, MEADOW, 0.25 * brush.chance(1) - 0.1)
    if brush.chance(2) < 0.5:
        swath = _stripes(brush.q + 0.3 * brush.noise(60), brush.plot.seed, 2.4)
        brush.shade(mine, 1 + 0.09 * swath)
        dots = (brush.p // 14).astype(int), (brush.q // 11).astype(int)
        off = np.hypot(np.mod(brush.p, 14) - 7, np.mod(brush.q, 11) - 5.5)
        bales = mine & (off < 0.95) & (brush.pick(dots[0], dots[1], 5) < 0.5) & (brush.kerb > 6)
        if brush.chance(3) < 0.5:
            brush.paint(bales, (0.40, 0.36, 0.26), 1.0)
            brush.raise_to(bales, 1.3)
    brush.plant(
        mine, 0.006 + 0.02 * np.maximum(brush.noise(60), 0), 0.015 + 0.05 * np.maximum(brush.noise(100) - 0.6, 0)
    )
    _margin(brush, 2.0)


def _orchard(brush: Brush, _terrain: Terrain) -> None:
    _grass(brush, brush.mine, MEADOW, 0.0)
    brush.shade(brush.mine, 1 + 0.08 * np.sin(brush.q * np.float32(2 * np.pi / 7.5)))
    _margin(brush, 1.5)


def _forest(brush: Brush, _terrain: Terrain) -> None:
    """Leaf litter under closed crowns, with a clearing here and there."""
    mine = brush.mine
    brush.paint(mine, LEAF_LITTER, 1 + 0.2 * brush.noise(4), RANGE)
    clearing = brush.noise(100) > 1.55
    _grass(brush, mine & clearing, MEADOW)
    edge = np.clip((brush.kerb - 1.5 + 0.8 * brush.noise(12)) / 2.0, 0, 1)
    density = np.where(clearing, 0.04, 0.97) * edge
    conifers = float(np.clip(1.6 * brush.chance(1) - 0.45, 0.03, 0.95))
    brush.plant(mine, density, density, conifers)


def _farm(brush: Brush, terrain: Terrain) -> None:
    """A paved yard in a meadow."""
    _meadow(brush, terrain)
    start, end, near, far = brush.plot.margins
    p0, q0 = (start + brush.plot.length - end) / 2, (near + brush.plot.depth - far) / 2
    reach = np.maximum(np.abs(brush.p - p0 - 2) / 1.35, np.abs(brush.q - q0)) + 2 * brush.noise(24)
    yard = brush.mine & (reach < 25)
    _hard(brush, yard, GRAVEL)
    brush.glaze(yard, SOIL, np.clip(0.35 + 0.3 * brush.noise(12), 0, 0.8))
    drive = brush.mine & (np.abs(brush.p - p0) < 2.0) & (brush.q < q0)
    _hard(brush, drive, GRAVEL)
    brush.raise_to(yard | drive, 0.0)
    brush.plant(yard | drive, 0.0, 0.0)
    garden = brush.mine & (reach >= 25) & (reach < 36)
    brush.plant(garden, 0.12, 0.16)


def _quarry(brush: Brush, terrain: Terrain) -> None:
    """A gravel pit: terraces down to a green lake, haul roads, heaps."""
    mine = brush.mine
    _meadow(brush, terrain)
    depth = brush.kerb - 22 + 7 * brush.noise(100) + 2 * brush.noise(40)
    pit = mine & (depth > 0)
    _soil(brush, pit, SAND)
    steps = np.clip(depth / 9, 0, 4)
    level = np.floor(steps) + np.clip((steps - np.floor(steps)) * 4, 0, 1)
    ground, water_level = brush.canvas.ground[brush.box], np.float32(_level(brush, terrain) - 10.0)
    np.copyto(
        ground,
        np.maximum(ground - np.float32(2.6) * level, water_level + np.float32(0.2)),
        where=pit,
        casting="same_kind",
    )
    face = pit & ((steps - np.floor(steps)) < 0.25) & (steps < 4)
    brush.shade(face, 0.8)
    bed = depth - 38 + 5 * brush.noise(60)
    lake = pit & (bed > 0)
    _water(brush, lake, bed, PIT_WATER)
    np.copyto(ground, water_level, where=lake)
    heaps = np.maximum(brush.noise(40) + 0.2 * brush.noise(8) - 0.9, 0)
    heap = pit & (heaps > 0) & (bed < -3)
    brush.raise_to(pit, 0.0)
    brush.raise_to(heap, np.minimum(5 * heaps, 7))
    haul = pit & (np.abs(np.mod(3 * brush.noise(100), 1.0) - 0.5) < 0.06) & ~lake
    brush.glaze(haul, GRAVEL, 0.5)
    brush.plant(pit, np.where(bed < -14, 0.012, 0.0), 0.0)


def _water(brush: Brush, where: Mask, depth: Floats, shallow: Color) -> None:
    """Water that darkens from the bank (`depth` in metres from it) to the middle."""
    brush.paint(where, shallow, 1 + 0.03 * brush.noise(2) + 0.05 * brush.noise(24), WATER)
    brush.glaze(where, DEEP_WATER, np.clip(depth / 9 + 0.12 * brush.noise(40), 0, 0.9))
    brush.raise_to(where, 0.0)
    brush.plant(where, 0.0, 0.0)


def _river(brush: Brush, terrain: Terrain) -> None:
    """Water, sand bars, reeds, meadows with lines of willows, a path along the bank."""
    mine = brush.mine
    middle, half = terrain.river(brush.u)
    from_bank = (np.abs(brush.v - middle) - half) / brush.canvas.frame.stretch_v[brush.box]
    from_bank = (from_bank + 0.7 * brush.noise(24) + 0.3 * brush.noise(8)).astype(np.float32)
    _grass(brush, mine, MEADOW, 0.0)
    swath = _stripes(brush.v + 2 * brush.noise(100), brush.plot.seed, 5.0)
    brush.shade(mine & (brush.noise(100) > 0), 1 + 0.05 * swath)
    clumps = np.clip(brush.noise(60) + 0.4 * brush.noise(24), 0, 1)
    willows = np.clip(1 - np.abs(from_bank - 5) / 6, 0, 1) * np.clip(0.15 + 0.7 * brush.noise(60), 0, 0.9)
    brush.plant(mine, 0.35 * willows + 0.03, np.maximum(willows, 0.22 * clumps))
    path = mine & (np.abs(from_bank - 15 - 2 * brush.noise(100)) < 1.1)
    _hard(brush, path, GRAVEL)
    brush.plant(path, 0.0, 0.0)
    reeds = mine & (from_bank < 2.4 + 1.2 * brush.noise(40))
    brush.paint(reeds, (0.080, 0.092, 0.040), 1 + 0.15 * brush.noise(2) + 0.1 * brush.noise(8), RANGE)
    brush.raise_to(reeds, 0.8)
    bars = mine & (from_bank < 0.4 + 1.6 * np.maximum(brush.noise(100), 0))
    _soil(brush, bars, SAND)
    brush.raise_to(bars, 0.0)
    _water(brush, mine & (from_bank < 0), -from_bank, SHALLOW_WATER)


_PAINTERS: dict[Use, Callable[[Brush, Terrain], None]] = {
    Use.CORE: _core,
    Use.HOUSES: _houses,
    Use.FLATS: _flats,
    Use.COMMERCE: _commerce,
    Use.PARK: _park,
    Use.SPORTS: _sports,
    Use.SITE: _site,
    Use.FIELD: _field,
    Use.MEADOW: _meadow,
    Use.ORCHARD: _orchard,
    Use.FOREST: _forest,
    Use.FARM: _farm,
    Use.QUARRY: _quarry,
    Use.RIVER: _river,
}
