"""Paints streets, pavements, markings, bridges and cars."""

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.canvas import DEVELOPED, RANGE, ROAD, Brush, Color, Mask
from rsviewer.data.demo.noise import Floats, hashed
from rsviewer.data.demo.plot import BUILT_UP, LANE, MAIN, STREET, TRACK, Use, pavement
from rsviewer.data.demo.terrain import Terrain

_ASPHALT: tuple[Color, ...] = ((0.098, 0.098, 0.102), (0.128, 0.127, 0.126), (0.158, 0.155, 0.150))
_PAVEMENT: Color = (0.235, 0.225, 0.210)
_KERB: Color = (0.33, 0.32, 0.30)
_PAINT: Color = (0.62, 0.62, 0.60)
_DIRT: Color = (0.275, 0.230, 0.165)
_VERGE: Color = (0.120, 0.135, 0.060)

_CAR_COLORS = np.array(
    [(0.55, 0.55, 0.56), (0.30, 0.31, 0.32), (0.025, 0.025, 0.028), (0.06, 0.06, 0.065), (0.16, 0.165, 0.17),
     (0.20, 0.03, 0.025), (0.03, 0.05, 0.16), (0.62, 0.62, 0.60), (0.12, 0.13, 0.14), (0.08, 0.10, 0.09)],
    np.float32,
)  # fmt: skip
_DECK = 2.6
"""Height of a bridge above the water, metres."""


def paint_streets(whole: Brush, terrain: Terrain) -> None:
    """Paints everything between the axes of the streets and the plot."""
    plot = whole.plot
    urban = plot.use in BUILT_UP
    for side, street in whole.nearest:
        band = whole.mine & (whole.from_kerb[side] < 6)
        if not band.any():
            continue
        brush = whole.cropped(band)
        mine, paved = brush.mine, brush.mine & (brush.kerb < 0)
        others = np.minimum.reduce([d for k, d in enumerate(brush.from_kerb) if k != side])
        other_axis = brush.across if side > 1 else brush.along
        here = mine & (brush.from_kerb[side] <= others)
        walk = pavement(plot.use, street)
        if walk:
            _pavement(brush, here & (brush.kerb >= 0) & (brush.kerb < walk))
        elif street.rank >= LANE.rank and plot.use is not Use.RIVER:
            _verge(brush, here & (brush.kerb >= 0) & (brush.kerb < 1.6))
        along = brush.v if side < 2 else brush.u
        seed = round((plot.u0, plot.u1, plot.v0, plot.v1)[side] * 8) + 7 * (side > 1)
        carriageway = here & paved
        if street is TRACK:
            _track(brush, carriageway, brush.axis[side])
        else:
            _carriageway(brush, carriageway, side, street.rank, along, other_axis, seed, urban)
            if plot.use is Use.RIVER:
                _bridge(brush, carriageway, -brush.from_kerb[side], terrain)


def _pavement(brush: Brush, where: Mask) -> None:
    slabs = 1 + 0.05 * brush.noise(1) + 0.05 * brush.noise(4) + 0.07 * brush.noise(40)
    brush.paint(where, _PAVEMENT, slabs, DEVELOPED)
    brush.glaze(where & (brush.kerb < 0.4), _KERB, 0.6)
    brush.raise_to(where, 0.0)
    brush.plant(where, 0.0, 0.0)


def _verge(brush: Brush, where: Mask) -> None:
    brush.paint(where, _VERGE, 1 + 0.12 * brush.noise(2) + 0.12 * brush.noise(12), RANGE)
    brush.raise_to(where, 0.0)
    brush.plant(where, 0.03, 0.0)


def _track(brush: Brush, where: Mask, axis: Floats) -> None:
    texture = 1 + 0.08 * brush.noise(1) + 0.10 * brush.noise(4) + 0.10 * brush.noise(24)
    brush.paint(where, _DIRT, texture, ROAD)
    brush.glaze(where & (np.abs(axis) < 0.55), _VERGE, np.clip(0.55 + 0.3 * brush.noise(12), 0, 0.9))
    brush.glaze(where & (axis > 1.3), _VERGE, 0.5)
    brush.raise_to(where, 0.0)
    brush.plant(where, 0.0, 0.0)


def _carriageway(
    brush: Brush, where: Mask, side: int, rank: int, along: Floats, crossing: Floats, seed: int, urban: bool
) -> None:
    """Asphalt with patches, markings and cars. `crossing` is the distance from the kerb of the street that comes across."""
    axis, from_kerb = brush.axis[side], -brush.from_kerb[side]
    age = hashed(seed, 5, 3)[0]
    base = _ASPHALT[0 if rank == MAIN.rank and age < 0.7 else int(age * 3)]
    texture = 1 + 0.035 * brush.noise(1) + 0.04 * brush.noise(4) + 0.05 * brush.noise(60)
    lanes = 0.05 * np.cos(np.clip(axis, 0, 6) * np.float32(2 * np.pi / 1.7))
    brush.paint(where, base, texture + lanes, ROAD)
    patch = _by_slot(np.floor(along / 9).astype(np.int64), side, seed)
    brush.shade(where & (patch > 0.86) & (axis > 0.3), 0.80)
    brush.shade(where & (from_kerb < 0.5), 0.86)
    brush.raise_to(where, 0.0)
    brush.plant(where, 0.0, 0.0)
    free = where & (crossing > 4.0)
    if rank == MAIN.rank:
        dash = np.mod(along, 9.0) < 5.0
        brush.glaze(free & dash, _PAINT, np.clip(0.95 - np.abs(axis - 0.1) / 0.55, 0, 0.75))
        brush.glaze(free, _PAINT, np.clip(0.55 - np.abs(from_kerb - 0.55) / 0.5, 0, 0.5))
        zebra = where & (crossing > 1.2) & (crossing < 4.4) & (np.mod(axis + 0.5, 2.0) < 1.0)
        if urban:
            brush.glaze(zebra, _PAINT, 0.7)
    elif rank == STREET.rank:
        dash = np.mod(along, 8.0) < 3.5
        brush.glaze(free & dash, _PAINT, np.clip(0.6 - np.abs(axis - 0.1) / 0.5, 0, 0.5))
    _cars(brush, free & (crossing > 6), along, axis, from_kerb, seed * 4 + side, rank, urban)


def _bridge(brush: Brush, where: Mask, from_kerb: Floats, terrain: Terrain) -> None:
    """Carries the street over the river: a level deck between the banks, with parapets."""
    deck = terrain.water_level(brush.u) + _DECK
    middle, half = terrain.river(brush.u)
    ramp = np.clip((18 - np.abs(brush.v - middle) + half) / 10, 0, 1)
    lift = (np.maximum(deck - brush.canvas.ground[brush.box], 0) * ramp).astype(np.float32)
    span = where & (lift > 0.3)
    brush.raise_to(span, lift)
    brush.paint(span & (from_kerb < 1.6), _PAVEMENT, 1 + 0.05 * brush.noise(1))
    rail = span & (from_kerb < 0.5)
    brush.paint(rail, _KERB)
    brush.raise_to(rail, lift + np.float32(0.9))


def _cars(
    brush: Brush, where: Mask, along: Floats, axis: Floats, from_kerb: Floats, seed: int, rank: int, urban: bool
) -> None:
    """Cars parked along the kerb of lesser streets, and cars under way."""
    if urban and rank < MAIN.rank:
        _car_row(brush, where, along, from_kerb - 1.1, 6.0, 0.36, seed)
    if rank >= STREET.rank:
        _car_row(brush, where, along, axis - (1.7 if rank == STREET.rank else 2.5), 23.0, 0.32, seed + 1)


def _by_slot(slot: NDArray[np.int64], number: int, purpose: int) -> Floats:
    """A random number for each slot, from a table over the slots that occur."""
    first = int(slot.min())
    return hashed(np.arange(first, int(slot.max()) + 1), number, purpose)[slot - first]


def _car_row(brush: Brush, where: Mask, along: Floats, sideways: Floats, cell: float, share: float, seed: int) -> None:
    slot = np.floor(along / cell).astype(np.int64)
    number = _by_slot(slot, seed, 11)
    jitter = _by_slot(slot, seed, 12) - 0.5
    lengthwise = np.mod(along, cell) - cell / 2 - jitter * (cell - 4.9)
    _car(brush, where & (number < share), lengthwise, sideways, number / share)


def paint_parked_cars(
    brush: Brush, where: Mask, along: Floats, sideways: Floats, share: float, *, bays: bool = True
) -> None:
    """Cars side by side in bays of 2.6 x 5 m: `along` runs along the row, `sideways` from 0 to 5 into the bay."""
    brush.glaze(where, (0.07, 0.07, 0.07), 0.12)
    slot = np.floor(along / 2.6).astype(np.int64)
    into = np.mod(along, 2.6) - 1.3
    row = np.floor(brush.q / 5.2).astype(np.int64)
    number = brush.pick(slot, row, 9)
    if bays:
        brush.glaze(where, _PAINT, np.clip(0.5 - (1.3 - np.abs(into)) / 0.5, 0, 0.35))
    taken = share * (0.55 + 0.9 * brush.pick(slot // 9, row, 10))
    _car(brush, where & (number < taken), sideways - 2.6, into, np.mod(number * 37, 1))


def _car(brush: Brush, where: Mask, lengthwise: Floats, sideways: Floats, number: Floats) -> None:
    """A car: body, darker glass before and behind the roof."""
    body = where & (np.abs(lengthwise) < 2.2) & (np.abs(sideways) < 0.95)
    if not body.any():
        return
    color = _CAR_COLORS[np.minimum(number * len(_CAR_COLORS), len(_CAR_COLORS) - 1).astype(np.int64)]
    brush.paint(body, np.moveaxis(color, -1, 0))
    glass = body & (np.abs(np.abs(lengthwise - 0.2) - 1.15) < 0.35)
    brush.paint(glass, (0.03, 0.035, 0.04))
    brush.raise_to(body, np.where(np.abs(lengthwise) < 1.4, 1.5, 1.0))
