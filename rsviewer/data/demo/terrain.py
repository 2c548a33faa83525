"""The lie of the land: the bent grid that streets and fields follow, the river, and the bare ground.

Everything is a function of (east, south) in metres and of the seed, so that any window of the world can be computed
alone. (u, v) is the turned and gently bent plane, in metres: streets follow lines of constant u and v, and v = 0 is the axis
of the valley.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.noise import Floats, Window, smooth, smooth_at

Points = NDArray[np.float64]

FOCUS = (1024.0, 1024.0)
"""Where the middle of the demo lies, metres east and south of the world's origin."""

TOWN_TO_RIVER = 170.0
"""How far north of the river the focus lies, metres."""

_WATER_LEVEL = 212.0
_RIVER_SLOPE = 0.0012
_ROUGHNESS = ((512, 4.2), (256, 2.0), (128, 0.7), (48, 0.16))
"""(size of the bumps in pixels, metres) of the ground's noise."""


@dataclass(frozen=True)
class Wave:
    """One plane wave of the bend: `size` metres sideways, with `x` and `y` radians per metre."""

    size: float
    x: float
    y: float
    phase: float


@dataclass(frozen=True, eq=False)
class Frame:
    """The bent coordinates of a window's pixels.

    Attributes:
        u, v: metres in the bent plane.
        stretch_u, stretch_v: how many metres of u (v) one metre on the ground is; divides distances in u (v).
    """

    u: Floats
    v: Floats
    stretch_u: Floats
    stretch_v: Floats


class Terrain:
    """The land of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        dice = np.random.default_rng([seed, 1])
        self._turn = float(dice.uniform(0.22, 0.34))
        self._waves = [self._dice_waves(dice), self._dice_waves(dice)]
        self._meander = [
            (size, 2 * np.pi / length, float(dice.uniform(0, 6.28))) for size, length in ((24, 610), (11, 247))
        ]

    @staticmethod
    def _dice_waves(dice: np.random.Generator) -> list[Wave]:
        waves = []
        for length, slope in ((1900, 0.20), (1100, 0.15), (640, 0.09)):
            heading = dice.uniform(0, 2 * np.pi)
            number = 2 * np.pi / length
            waves.append(
                Wave(slope / number, number * np.cos(heading), number * np.sin(heading), float(dice.uniform(0, 6.28)))
            )
        return waves

    def bend(self, east: Points, south: Points) -> tuple[Points, Points]:
        """(u, v) of points."""
        x, y = east - FOCUS[0], south - FOCUS[1]
        cos, sin = np.cos(self._turn), np.sin(self._turn)
        u = cos * x + sin * y
        v = -sin * x + cos * y - TOWN_TO_RIVER
        for wave in self._waves[0]:
            u = u + wave.size * np.sin(wave.x * x + wave.y * y + wave.phase)
        for wave in self._waves[1]:
            v = v + wave.size * np.sin(wave.x * x + wave.y * y + wave.phase)
        return u, v

    def unbend(self, u: Points, v: Points) -> tuple[Points, Points]:
        """(east, south) of points in the bent plane; Newton's way with the unbent plane's derivative, which contracts fast."""
        cos, sin = np.cos(self._turn), np.sin(self._turn)
        y_shift = v + TOWN_TO_RIVER
        east, south = FOCUS[0] + cos * u - sin * y_shift, FOCUS[1] + sin * u + cos * y_shift
        for _ in range(14):
            u_now, v_now = self.bend(east, south)
            du, dv = u - u_now, v - v_now
            east, south = east + cos * du - sin * dv, south + sin * du + cos * dv
        return east, south

    def frame(self, window: Window) -> Frame:
        """(u, v) of all pixels of a window."""
        east, south = window.centres()
        x, y = east - FOCUS[0], south - FOCUS[1]
        cos, sin = np.cos(self._turn), np.sin(self._turn)
        bent = []
        for a, b, shift, waves in ((cos, sin, 0.0, self._waves[0]), (-sin, cos, -TOWN_TO_RIVER, self._waves[1])):
            value = (a * x + b * y + shift).astype(np.float32)
            along_x, along_y = np.full(value.shape, a, np.float32), np.full(value.shape, b, np.float32)
            for wave in waves:
                # sin(p + q) of a column term p and a row term q: two outer products instead of a sine in every pixel
                p, q = wave.x * x, wave.y * y + wave.phase
                sin_p, cos_p, sin_q, cos_q = (f(t).astype(np.float32) for t in (p, q) for f in (np.sin, np.cos))
                value += np.float32(wave.size) * (sin_p * cos_q + cos_p * sin_q)
                slope = np.float32(wave.size) * (cos_p * cos_q - sin_p * sin_q)
                along_x += np.float32(wave.x) * slope
                along_y += np.float32(wave.y) * slope
            bent += [value, np.sqrt(along_x * along_x + along_y * along_y)]
        return Frame(bent[0], bent[2], bent[1], bent[3])

    def river(self, u: NDArray[np.floating]) -> tuple[Points, Points]:
        """V of the middle of the river and half its width in metres, where it passes u."""
        middle = sum(size * np.sin(number * u + phase) for size, number, phase in self._meander)
        half = 13.5 + 3.0 * np.sin(u / 173.0 + 1.0) + 1.5 * np.sin(u / 61.0)
        return np.asarray(middle), np.asarray(half)

    def water_level(self, u: NDArray[np.floating]) -> NDArray[np.floating]:
        """Height of the river's surface in metres above the sea."""
        return _WATER_LEVEL - _RIVER_SLOPE * u

    def ground(self, window: Window, frame: Frame) -> Floats:
        """Height of the bare ground (water: of its surface) in metres above the sea."""
        rough = sum(np.float32(size) * smooth(window, step, self.seed * 31 + step) for step, size in _ROUGHNESS)
        return self._ground(frame.u, frame.v, np.asarray(rough)).astype(np.float32)

    def ground_at(self, east: Points, south: Points) -> Points:
        """`ground` at single points."""
        rough = sum(size * smooth_at(east, south, step, self.seed * 31 + step) for step, size in _ROUGHNESS)
        u, v = self.bend(east, south)
        return np.asarray(self._ground(u, v, np.asarray(rough)), np.float64)

    def _ground(
        self, u: NDArray[np.floating], v: NDArray[np.floating], rough: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        middle, half = self.river(u)
        shore = np.maximum(np.abs(v - middle.astype(v.dtype)) - half.astype(v.dtype), 0)
        bank = 2.4 * (1 - np.exp(shore / -4.0))
        away = np.minimum(shore / 260.0, 1)
        away = away * away * (3 - 2 * away)
        hills = 11.0 * np.sin(u / 410.0 + 0.7) * np.sin(v / 360.0 + 0.4) + 0.030 * shore
        valley = bank + away * (hills + 4.0) + np.minimum(shore / 60.0, 1) * (0.25 + 0.75 * away) * rough
        # nothing lies below the river: a smooth maximum of the valley and the bank
        above, soft = valley - 0.8 * bank, np.minimum(shore / 20.0, 1)
        return np.asarray(self.water_level(u) + 0.8 * bank + 0.5 * (above + np.sqrt(above * above + soft * soft)))
