"""Puts buildings and single trees onto a plot, by its use.

On a plot, p runs along the long axis and q across it, both in metres from its corner (the axes of the streets). A builder hands
out `_Draft`s in (p, q); `settle` turns them into the world in one go.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rsviewer.data.demo.plot import (
    BUILT_UP,
    CAR_PARK,
    LANE,
    MAIN,
    STREET,
    Building,
    Epoch,
    PlantedTree,
    Plot,
    Roof,
    Use,
)
from rsviewer.data.demo.terrain import Terrain

TILES_RED, TILES_ORANGE, TILES_BROWN, TILES_DARK, TILES_GREY, TILES_OLD = range(6)
GRAVEL, BITUMEN, GREEN_ROOF, MEMBRANE, SHEET_GREY, SHEET_LIGHT, FIBRE, CONCRETE = range(6, 14)
"""Rows of the table of roof colours in `build`."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A building in the plot's own coordinates: its middle, its size along p and q, and the rest of `Building`."""

    p: float
    q: float
    along_p: float
    along_q: float
    eaves: float
    pitch: float
    roof: Roof
    color: int
    epoch: Epoch = Epoch.BOTH
    ridge_along_q: bool = False


@dataclass(frozen=True, slots=True)
class _Room:
    """The part of a plot inside its pavements."""

    p0: float
    p1: float
    q0: float
    q1: float

    @property
    def length(self) -> float:
        return self.p1 - self.p0

    @property
    def depth(self) -> float:
        return self.q1 - self.q0


def settle(plot: Plot, terrain: Terrain) -> Plot:
    """The plot with its buildings, trees and parcels."""
    dice = np.random.default_rng([plot.seed, 3])
    start, end, near, far = plot.margins
    room = _Room(start, plot.length - end, near, plot.depth - far)
    drafts: list[_Draft] = []
    if plot.use is Use.HOUSES:
        plot, drafts = _houses(plot, room, dice)
    elif plot.use in _BUILDERS and min(room.depth, room.length) > 14:
        if plot.use in (Use.FLATS, Use.COMMERCE) and dice.random() < 0.10:
            plot = replace(plot, is_new=True)
        drafts = list(_BUILDERS[plot.use](room, dice))
    if plot.use is Use.COMMERCE and not plot.faces_start:
        drafts = [replace(draft, p=room.p0 + room.p1 - draft.p) for draft in drafts]
    if plot.is_new:
        drafts = [replace(draft, epoch=Epoch.POST) for draft in drafts if draft.epoch is not Epoch.PRE]
    trees = _orchard(plot, room, dice, terrain) if plot.use is Use.ORCHARD else _avenues(plot, dice, terrain)
    return replace(plot, buildings=_in_the_world(drafts, plot, terrain, dice), trees=trees)


def _to_world(plot: Plot, p: np.ndarray, q: np.ndarray, terrain: Terrain) -> tuple[np.ndarray, np.ndarray]:
    u, v = (plot.u0 + p, plot.v0 + q) if plot.is_wide else (plot.u0 + q, plot.v0 + p)
    return terrain.unbend(u, v)


def _in_the_world(
    drafts: list[_Draft], plot: Plot, terrain: Terrain, dice: np.random.Generator
) -> tuple[Building, ...]:
    if not drafts:
        return ()
    p, q = np.array([d.p for d in drafts]), np.array([d.q for d in drafts])
    east, south = _to_world(plot, np.stack([p, p - 2, p + 2, p, p]), np.stack([q, q, q, q - 2, q + 2]), terrain)
    along_p = np.hypot(east[2] - east[1], south[2] - south[1]) / 4
    along_q = np.hypot(east[4] - east[3], south[4] - south[3]) / 4
    angle = np.arctan2(south[2] - south[1], east[2] - east[1])
    base = terrain.ground_at(east[0], south[0])
    buildings = []
    for i, draft in enumerate(drafts):
        length, depth, turn = draft.along_p * along_p[i], draft.along_q * along_q[i], angle[i]
        if draft.ridge_along_q:
            length, depth, turn = depth, length, turn + np.pi / 2
        seed = int(dice.integers(1 << 30))
        buildings.append(
            Building(
                float(east[0, i]), float(south[0, i]), float(base[i]), float(turn), float(length), float(depth),
                draft.eaves, draft.pitch, draft.roof, draft.color, seed, draft.epoch,
            )
        )  # fmt: skip
    return tuple(buildings)


# ---- houses -----------------------------------------------------------------------------------------------------------------

_PALETTES = (
    (TILES_RED, TILES_RED, TILES_ORANGE, TILES_BROWN, TILES_OLD),
    (TILES_DARK, TILES_GREY, TILES_DARK, TILES_RED, TILES_BROWN),
    (TILES_OLD, TILES_BROWN, TILES_RED, TILES_OLD, TILES_GREY),
    (TILES_ORANGE, TILES_RED, TILES_DARK, TILES_OLD, TILES_RED),
)


def _houses(plot: Plot, room: _Room, dice: np.random.Generator) -> tuple[Plot, list[_Draft]]:
    """One or two rows of parcels with a house each."""
    plot = replace(plot, is_new=bool(dice.random() < 0.10))
    palette = _PALETTES[dice.integers(len(_PALETTES))]
    style = dice.choice(["detached", "semi", "terraced"], p=[0.62, 0.2, 0.18])
    eaves = float(dice.choice([3.2, 4.2, 5.8, 6.2]))
    gable_to_street = bool(dice.random() < 0.28)
    setback = float(dice.uniform(4.0, 6.5))
    drafts: list[_Draft] = []
    cuts: list[tuple[float, ...]] = []
    rows = (1,) if room.depth < 36 else (1, -1)
    for side in rows:
        front = room.q0 if side > 0 else room.q1
        lines = _parcels(room, style, dice)
        cuts.append(tuple(lines))
        for left, right in itertools.pairwise(lines):
            drafts += _house(left, right, front, side, style, eaves, setback, gable_to_street, palette, dice)
    return replace(plot, cuts=(cuts[0], cuts[-1])), drafts


def _parcels(room: _Room, style: str, dice: np.random.Generator) -> list[float]:
    wanted = {"detached": 19.0, "semi": 25.0, "terraced": 38.0}[style]
    count = max(1, round(room.length / wanted))
    widths = dice.uniform(0.8, 1.2, count)
    return [room.p0, *(room.p0 + room.length * np.cumsum(widths) / widths.sum()).tolist()]


def _house(
    left: float, right: float, front: float, side: int, style: str, eaves: float, setback: float, gable_to_street: bool,
    palette: tuple[int, ...], dice: np.random.Generator,
) -> Iterator[_Draft]:  # fmt: skip
    """The house of one parcel, with wing, garage and shed. `side` is the direction from the street into the parcel."""
    width, fate, color = right - left, dice.random(), int(palette[dice.integers(len(palette))])
    epoch = Epoch.POST if fate < 0.035 else Epoch.PRE if fate < 0.06 else Epoch.BOTH
    if 0.06 <= fate < 0.08:
        return  # an empty lot
    depth = float(dice.uniform(8.4, 11.0))
    if style == "terraced":
        yield _Draft(
            (left + right) / 2,
            front + side * (setback + depth / 2),
            width - 4.5,
            depth,
            5.6,
            0.62,
            Roof.GABLE,
            color,
            epoch,
        )
        for k in range(int(width // 7)):
            if dice.random() < 0.4:
                p = left + 4.5 + 7 * k
                yield _Draft(
                    p,
                    front + side * (setback + depth + 13.5),
                    2.6,
                    3.4,
                    2.1,
                    0.2,
                    Roof.SHED,
                    int(dice.choice([BITUMEN, FIBRE])),
                )
        return
    length = min(
        width - (5.4 if style == "detached" else 7.0),
        float(dice.uniform(9.5, 13.5)) + (6.0 if style == "semi" else 0.0),
    )
    if length < 6:
        return
    pitch = float(dice.choice([0.45, 0.62, 0.78, 0.95]))
    roof = Roof.HIP if dice.random() < 0.22 else Roof.GABLE
    if dice.random() < 0.05:
        roof, color, eaves = Roof.FLAT, int(dice.choice([GRAVEL, BITUMEN, GREEN_ROOF])), 6.1
    p = right - 1.8 - length / 2 - float(dice.uniform(0, max(0.1, width - length - 5.2)))
    q = front + side * (setback + float(dice.uniform(0, 1.4)) + depth / 2)
    turned = gable_to_street and style == "detached" and dice.random() < 0.85
    yield _Draft(p, q, length, depth, eaves + float(dice.uniform(-0.3, 0.5)), pitch, roof, color, epoch, turned)
    if epoch is Epoch.PRE and dice.random() < 0.5:  # pulled down and rebuilt, larger
        yield _Draft(
            p,
            q + side * 1.5,
            length + 1.0,
            depth + 3.0,
            6.0,
            0.5,
            Roof.HIP,
            int(dice.choice([TILES_DARK, TILES_RED])),
            Epoch.POST,
        )
        return
    if dice.random() < 0.30 and not turned:
        wing = float(dice.uniform(4.5, 6.0))
        yield _Draft(
            p + float(dice.uniform(-0.25, 0.25)) * length,
            q + side * (depth / 2 + 1.2),
            wing,
            6.0,
            eaves * 0.9,
            pitch,
            roof,
            color,
            epoch,
            True,
        )
    if dice.random() < 0.6:
        garage = int(dice.choice([GRAVEL, BITUMEN, BITUMEN, color]))
        shape = Roof.GABLE if garage == color else Roof.FLAT
        yield _Draft(left + 2.3, q + side * float(dice.uniform(-2, 3)), 3.2, 6.4, 2.5, 0.5, shape, garage, epoch, True)
    if dice.random() < 0.35:
        shed = int(dice.choice([BITUMEN, FIBRE, TILES_BROWN]))
        yield _Draft(
            left + float(dice.uniform(3, 6)),
            front + side * float(dice.uniform(22, 25)),
            3.4,
            2.8,
            2.1,
            0.4,
            Roof.GABLE,
            shed,
        )


# ---- the other builders -----------------------------------------------------------------------------------------------------


def _core(room: _Room, dice: np.random.Generator) -> Iterator[_Draft]:
    """A closed block of old town houses around a court."""
    deep = float(dice.uniform(10.5, 13.0))
    base = float(dice.choice([9.5, 12.0, 14.0]))
    palette = (TILES_RED, TILES_OLD, TILES_BROWN, TILES_DARK, TILES_RED, TILES_GREY)
    flat = dice.random() < 0.12
    rows = [(True, room.q0 + deep / 2, room.p0, room.p1), (True, room.q1 - deep / 2, room.p0, room.p1)]
    if room.depth > 2 * deep + 14:
        rows += [
            (False, room.p0 + deep / 2, room.q0 + deep, room.q1 - deep),
            (False, room.p1 - deep / 2, room.q0 + deep, room.q1 - deep),
        ]
    for along_p, middle, low, high in rows:
        count = max(1, round((high - low) / dice.uniform(13, 19)))
        cuts = np.linspace(low, high, count + 1)
        cuts[1:-1] += dice.uniform(-2, 2, count - 1)
        for k, (first, last) in enumerate(itertools.pairwise(cuts)):
            fate, corner = dice.random(), along_p and k in (0, count - 1)
            if fate < 0.04:
                continue
            epoch = Epoch.PRE if fate < 0.07 else Epoch.POST if fate < 0.10 else Epoch.BOTH
            eaves = base + float(dice.choice([-2.8, 0, 0, 0, 2.0]))
            color = int(palette[dice.integers(len(palette))])
            roof, pitch = (Roof.HIP if corner else Roof.GABLE), float(dice.uniform(0.55, 0.8))
            if flat or dice.random() < 0.12:
                roof, color, pitch = Roof.FLAT, int(dice.choice([GRAVEL, BITUMEN, GREEN_ROOF, MEMBRANE])), 0.0
            size, p, q = last - first + 0.4, (first + last) / 2, middle
            if along_p:
                yield _Draft(p, q, size, deep, eaves, pitch, roof, color, epoch)
            else:
                yield _Draft(q, p, deep, size, eaves, pitch, roof, color, epoch, True)
    court = (room.length - 2 * deep - 8, room.depth - 2 * deep - 8)
    if min(court) > 8:
        for _ in range(int(court[0] * court[1] / 260)):
            p = room.p0 + deep + 6 + float(dice.uniform(0, court[0] - 4))
            q = room.q0 + deep + 6 + float(dice.uniform(0, court[1] - 4))
            low = float(dice.uniform(3, 4.5))
            yield _Draft(
                p,
                q,
                float(dice.uniform(6, 13)),
                float(dice.uniform(5, 8)),
                low,
                0.1,
                Roof.FLAT,
                int(dice.choice([GRAVEL, BITUMEN, FIBRE])),
            )


def _flats(room: _Room, dice: np.random.Generator) -> Iterator[_Draft]:
    """Slabs or towers in green."""
    color = int(dice.choice([GRAVEL, BITUMEN, MEMBRANE, GREEN_ROOF]))
    if dice.random() < 0.45 and room.length > 50:
        count = 1 if room.length < 70 else 2
        for k in range(count):
            p = room.p0 + room.length * (k + 0.5) / count + float(dice.uniform(-5, 5))
            q = (room.q0 + room.q1) / 2 + float(dice.uniform(-0.12, 0.12)) * room.depth
            size, high = float(dice.uniform(17, 23)), float(dice.uniform(24, 37))
            yield _Draft(p, q, size, size * 0.9, high, 0, Roof.FLAT, color)
            yield _Draft(p + size * 0.75, q + 3, size * 0.8, size * 0.7, 4.0, 0, Roof.FLAT, GRAVEL)
        return
    high = float(dice.choice([12.0, 14.5, 17.5, 20.0]))
    flat = dice.random() < 0.7
    across = room.depth > 55
    count = max(1, int((room.length if across else room.depth) // 30))
    for k in range(count):
        epoch = Epoch.POST if dice.random() < 0.06 else Epoch.BOTH
        roof, tint, pitch = (Roof.FLAT, color, 0.0) if flat else (Roof.HIP, TILES_RED, 0.4)
        if across:
            long = min(room.depth - 16, float(dice.uniform(38, 56)))
            p, q = room.p0 + room.length * (k + 0.5) / count, room.q0 + 6 + long / 2
            yield _Draft(p, q, 11.5, long, high, pitch, roof, tint, epoch, True)
        else:
            long = min(room.length - 14, float(dice.uniform(40, 70)))
            p, q = room.p0 + 7 + long / 2, room.q0 + room.depth * (k + 0.5) / count
            yield _Draft(p, q, long, 11.5, high, pitch, roof, tint, epoch)


def _commerce(room: _Room, dice: np.random.Generator) -> Iterator[_Draft]:
    """A hall or two beside a car park (which `ground` paints)."""
    start = room.p0 + CAR_PARK * room.length
    length, depth = room.p1 - start - 6, room.depth - 12
    color = int(dice.choice([GRAVEL, MEMBRANE, SHEET_GREY, SHEET_LIGHT, BITUMEN]))
    pitched = color in (SHEET_GREY, SHEET_LIGHT)
    roof, pitch = (Roof.GABLE, 0.10) if pitched else (Roof.FLAT, 0.0)
    high = float(dice.uniform(6.5, 11))
    count = 2 if length > 75 and dice.random() < 0.7 else 1
    for k in range(count):
        part = length / count - (7 if count > 1 else 0)
        shrink = float(dice.uniform(0.72, 1.0))
        p, q = start + length * (k + 0.5) / count, room.q0 + 6 + depth * shrink / 2
        yield _Draft(
            p, q, part, depth * shrink, high, pitch, roof, color, Epoch.POST if dice.random() < 0.08 else Epoch.BOTH
        )
        if dice.random() < 0.6:
            yield _Draft(
                p - part / 2 - 4, q - depth * 0.2, 10, 14, 7.0, 0, Roof.FLAT, int(dice.choice([GRAVEL, MEMBRANE]))
            )
    if dice.random() < 0.5:
        yield _Draft(room.p0 + 9, room.q1 - 9, 12, 9, 5.0, 0, Roof.FLAT, MEMBRANE)


def _site(room: _Room, dice: np.random.Generator) -> Iterator[_Draft]:
    """Shells going up where nothing stood before."""
    for k in range(max(1, int(room.length // 34))):
        p, q = room.p0 + 17 + 32 * k, (room.q0 + room.q1) / 2 + float(dice.uniform(-4, 4))
        if p + 14 < room.p1 and dice.random() < 0.75:
            yield _Draft(
                p,
                q,
                float(dice.uniform(18, 25)),
                float(dice.uniform(11, 15)),
                float(dice.uniform(3, 12)),
                0,
                Roof.FLAT,
                CONCRETE,
                Epoch.POST,
            )


def _sports(room: _Room, dice: np.random.Generator) -> Iterator[_Draft]:
    """A club house at the edge."""
    yield _Draft(
        room.p0 + 8,
        (room.q0 + room.q1) / 2 + float(dice.uniform(-8, 8)),
        8,
        24,
        3.6,
        0.4,
        Roof.GABLE,
        TILES_DARK,
        Epoch.BOTH,
        True,
    )


def _farm(room: _Room, dice: np.random.Generator) -> Iterator[_Draft]:
    """A house, barns and a shed round a yard in the middle of the plot."""
    p, q = (room.p0 + room.p1) / 2, (room.q0 + room.q1) / 2
    barn = int(dice.choice([TILES_OLD, FIBRE, TILES_RED, SHEET_GREY]))
    yield _Draft(p - 22, q, 12, 26, 5.0, 0.7, Roof.GABLE, TILES_RED, Epoch.BOTH, True)
    yield _Draft(p + 2, q - 19, 30, 14, 5.5, 0.45, Roof.GABLE, barn)
    yield _Draft(
        p + 24, q + 3, 18, 36, 6.0, 0.3, Roof.GABLE, FIBRE, Epoch.BOTH if dice.random() < 0.7 else Epoch.POST, True
    )
    if dice.random() < 0.6:
        yield _Draft(p + 2, q + 24, 22, 11, 4.2, 0.25, Roof.SHED, SHEET_GREY)


_BUILDERS: dict[Use, Callable[[_Room, np.random.Generator], Iterator[_Draft]]] = {
    Use.CORE: _core,
    Use.FLATS: _flats,
    Use.COMMERCE: _commerce,
    Use.SITE: _site,
    Use.SPORTS: _sports,
    Use.FARM: _farm,
}


# ---- trees ------------------------------------------------------------------------------------------------------------------


def _avenues(plot: Plot, dice: np.random.Generator, terrain: Terrain) -> tuple[PlantedTree, ...]:
    """Rows of trees between street and pavement."""
    urban = plot.use in BUILT_UP
    chance = {MAIN: 0.75 if urban else 0.5, STREET: 0.45 if urban else 0.2, LANE: 0.12}
    spots: list[tuple[float, float]] = []
    west, east, north, south = plot.sides
    sides = (west, east, north, south) if plot.is_wide else (north, south, west, east)
    for k, street in enumerate(sides):
        if dice.random() >= chance.get(street, 0.0):
            continue
        off = street.half + (1.4 if urban else 2.6)
        size = plot.depth if k < 2 else plot.length
        along = np.arange(12.0, size - 11.0, float(dice.uniform(9, 13)))
        along = along[dice.random(along.size) < 0.85]
        across = off if k in (0, 2) else (plot.length if k == 1 else plot.depth) - off
        spots += [(across, a) if k < 2 else (a, across) for a in along.tolist()]
    return _planted(plot, spots, (2.2, 3.6), dice, terrain)


def _orchard(plot: Plot, room: _Room, dice: np.random.Generator, terrain: Terrain) -> tuple[PlantedTree, ...]:
    rows, gap = np.arange(room.q0 + 5, room.q1 - 4, 7.5), 6.0
    spots = [
        (p, q) for q in rows.tolist() for p in np.arange(room.p0 + 6, room.p1 - 5, gap).tolist() if dice.random() < 0.94
    ]
    return _planted(plot, spots, (1.6, 2.5), dice, terrain)


def _planted(
    plot: Plot,
    spots: list[tuple[float, float]],
    radii: tuple[float, float],
    dice: np.random.Generator,
    terrain: Terrain,
) -> tuple[PlantedTree, ...]:
    if not spots:
        return ()
    p, q = np.array(spots).T
    p, q = p + dice.uniform(-0.4, 0.4, p.size), q + dice.uniform(-0.4, 0.4, p.size)
    east, south = _to_world(plot, p, q, terrain)
    radius = dice.uniform(*radii, p.size)
    height = radius * dice.uniform(2.2, 2.9, p.size)
    return tuple(
        PlantedTree(*values)
        for values in zip(east.tolist(), south.tolist(), radius.tolist(), height.tolist(), strict=True)
    )
