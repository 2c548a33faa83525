"""The plan of town and country: where the streets run and who owns the land between them.

The plane (u, v) of `terrain` is cut into cells by lines about 260 m apart, each cell into plots by random halving. Each cell is
planned alone, from its own random numbers, so that any part of the world can be had without the rest.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from rsviewer.data.demo.noise import Window, hashed
from rsviewer.data.demo.plot import BUILT_UP, LANE, MAIN, NOTHING, STREET, TRACK, Plot, Street, Use
from rsviewer.data.demo.settle import settle
from rsviewer.data.demo.terrain import TOWN_TO_RIVER, Terrain

_FLOOD_PLAIN = 82.0
"""Half the width of the strip along the river that is never built on, metres."""

_CELL = 262.0
_TOWN_SIZE = 400.0
_TOWNS_APART = 3400.0

_LONGEST, _DEEPEST = 150.0, 84.0
"""Plots of houses are halved until they are smaller, metres."""

_SHARES: dict[Use, tuple[tuple[Use, float], ...]] = {
    Use.CORE: ((Use.PARK, 0.08), (Use.FLATS, 0.06), (Use.CORE, 1.0)),
    Use.HOUSES: ((Use.PARK, 0.07), (Use.SPORTS, 0.08), (Use.FLATS, 0.09), (Use.SITE, 0.08), (Use.HOUSES, 1.0)),
    Use.FLATS: ((Use.PARK, 0.12), (Use.SPORTS, 0.12), (Use.HOUSES, 0.15), (Use.FLATS, 1.0)),
    Use.COMMERCE: ((Use.SITE, 0.14), (Use.COMMERCE, 1.0)),
    Use.FIELD: ((Use.MEADOW, 0.20), (Use.ORCHARD, 0.08), (Use.FARM, 0.10), (Use.FOREST, 0.06), (Use.FIELD, 1.0)),
    Use.QUARRY: ((Use.QUARRY, 1.0),),
    Use.FOREST: ((Use.MEADOW, 0.10), (Use.FOREST, 1.0)),
}
"""What the plots of a cell become, by the use of the cell: each share is of what the ones before it left over."""


class Plan:
    """The plan of one seed."""

    def __init__(self, terrain: Terrain) -> None:
        self.terrain = terrain
        self.seed = terrain.seed
        self._planned = lru_cache(maxsize=256)(self._cell)

    def plots(self, window: Window) -> list[Plot]:
        """All plots that may touch a window, in the order of their cells."""
        east, south = window.centres()
        across, down = np.meshgrid(np.linspace(east[0, 0], east[0, -1], 5), np.linspace(south[0, 0], south[-1, 0], 5))
        u, v = self.terrain.bend(across, down)
        slack = 20.0
        u_low, u_high, v_low, v_high = u.min() - slack, u.max() + slack, v.min() - slack, v.max() + slack
        plots = []
        for row in range(int(v_low // _CELL) - 1, int(v_high // _CELL) + 3):
            for column in range(int(u_low // _CELL) - 1, int(u_high // _CELL) + 2):
                if self._u_line(column) < u_high and self._u_line(column + 1) > u_low and self._v_line(row) < v_high:
                    plots += [
                        p
                        for p in self._planned(column, row)
                        if p.u0 < u_high and p.u1 > u_low and p.v0 < v_high and p.v1 > v_low
                    ]
        return plots

    # ---- the large grid -------------------------------------------------------------------------------------------------

    def _chance(self, a: int, b: int, purpose: int) -> float:
        return float(hashed(a, b, self.seed * 101 + purpose)[0])

    def _u_line(self, index: int) -> float:
        return _CELL * index + 60.0 * (self._chance(index, 0, 1) - 0.5)

    def _v_line(self, index: int) -> float:
        if index in (0, 1):
            return _FLOOD_PLAIN * (2 * index - 1)
        beyond = _FLOOD_PLAIN + _CELL * (index - 1) if index > 1 else -_FLOOD_PLAIN + _CELL * index
        return beyond + 50.0 * (self._chance(0, index, 2) - 0.5)

    def _side(self, line: int, along_v: bool, first: tuple[int, int], second: tuple[int, int]) -> Street:
        """What runs between two neighbouring cells. Lines of constant u (`along_v`) that are main roads bridge the river."""
        if line % (3 if along_v else 4) == 0:
            return MAIN
        if first[1] == 0 and second[1] == 0:
            return NOTHING
        if self._use(*first) in BUILT_UP or self._use(*second) in BUILT_UP:
            return STREET
        return TRACK

    def _use(self, column: int, row: int) -> Use:
        """The main use of a cell."""
        if row == 0:
            return Use.RIVER
        u = (self._u_line(column) + self._u_line(column + 1)) / 2
        v = (self._v_line(row) + self._v_line(row + 1)) / 2
        du = (u + _TOWNS_APART / 2) % _TOWNS_APART - _TOWNS_APART / 2
        dv = (v + TOWN_TO_RIVER + _TOWNS_APART / 2) % _TOWNS_APART - _TOWNS_APART / 2
        density = np.exp(-(0.8 * du * du + dv * dv) / (2 * _TOWN_SIZE**2)) + 0.20 * (self._chance(column, row, 3) - 0.5)
        chance = self._chance(column, row, 4)
        if density > 0.80:
            return Use.CORE
        if density > 0.40:
            return Use.FLATS if chance < 0.18 else Use.COMMERCE if chance < 0.34 and density < 0.72 else Use.HOUSES
        if density > 0.27:
            return Use.COMMERCE if chance < 0.4 else Use.HOUSES
        woods = np.sin(u / 290.0 + self.seed) + np.sin(v / 230.0 + 2.1 * self.seed) + np.sin((u + v) / 170.0)
        if woods > 0.75:
            return Use.FOREST
        return Use.QUARRY if chance < 0.10 else Use.FIELD

    # ---- one cell -------------------------------------------------------------------------------------------------------

    def _cell(self, column: int, row: int) -> tuple[Plot, ...]:
        dice = np.random.default_rng([self.seed, 2, column & 0xFFFFFFFF, row & 0xFFFFFFFF])
        here = (column, row)
        sides = (
            self._side(column, True, (column - 1, row), here),
            self._side(column + 1, True, here, (column + 1, row)),
            self._side(row, False, (column, row - 1), here),
            self._side(row + 1, False, here, (column, row + 1)),
        )
        u0, u1, v0, v1 = self._u_line(column), self._u_line(column + 1), self._v_line(row), self._v_line(row + 1)
        whole = Plot(self._use(column, row), u0, u1, v0, v1, sides, seed=0)
        plots = [whole] if whole.use in (Use.RIVER, Use.QUARRY) else _halved(whole, dice)
        return tuple(settle(replace(plot, seed=int(dice.integers(1 << 30))), self.terrain) for plot in plots)


def _halved(plot: Plot, dice: np.random.Generator, depth: int = 0) -> list[Plot]:
    """The plot, halved at random until its parts have the size that their use needs."""
    rural = plot.use not in BUILT_UP
    if depth >= 2 or (depth == 1 and rural):
        use = _drawn(plot.use, dice)
        if use in (Use.SPORTS, Use.COMMERCE, Use.FLATS, Use.PARK) and plot.length < 190:
            return [replace(plot, use=use)]
        if rural and (dice.random() < 0.35 or plot.depth < 75 or use in (Use.FOREST, Use.FARM)):
            return [replace(plot, use=use)]
        if not rural and plot.length < _LONGEST and plot.depth < _DEEPEST:
            return [replace(plot, use=use if use is not Use.SPORTS else Use.HOUSES)]
    cut = float(dice.uniform(0.4, 0.6)) if not rural else float(dice.uniform(0.3, 0.7))
    between = NOTHING if rural else LANE
    if plot.length < _LONGEST and not rural:
        cut = float(dice.uniform(0.46, 0.54))
    west, east, north, south = plot.sides
    if plot.is_wide:
        u = plot.u0 + cut * (plot.u1 - plot.u0)
        parts = [
            replace(plot, u1=u, sides=(west, between, north, south)),
            replace(plot, u0=u, sides=(between, east, north, south)),
        ]
    else:
        v = plot.v0 + cut * (plot.v1 - plot.v0)
        parts = [
            replace(plot, v1=v, sides=(west, east, north, between)),
            replace(plot, v0=v, sides=(west, east, between, south)),
        ]
    return [small for part in parts for small in _halved(part, dice, depth + 1)]


def _drawn(use: Use, dice: np.random.Generator) -> Use:
    for candidate, share in _SHARES[use]:
        if dice.random() < share:
            return candidate
    return use
