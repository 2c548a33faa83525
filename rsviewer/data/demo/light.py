"""Sun, sky, haze and camera: reflectances and heights become a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.noise import GSD, Floats, averaged, blurred


@dataclass(frozen=True, slots=True)
class Day:
    """One flight.

    Attributes:
        eastward: how far east the sun stands for each step south; a multiple of 1/4.
        altitude: of the sun, degrees.
        sun, sky: light, red green blue.
        haze: added to everything.
        exposure: factor.
        greens: factor on vegetation, red green blue.
        blur: of the lens, standard deviation in pixels.
        noise: of the sensor, standard deviation in grey values.
        seed: of the noise.
    """

    eastward: float
    altitude: float
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    haze: tuple[float, float, float]
    exposure: float
    greens: tuple[float, float, float]
    blur: float
    noise: float
    seed: int


POST_DAY = Day(
    0.5, 46.0, (1.06, 0.98, 0.86), (0.25, 0.31, 0.40), (0.010, 0.013, 0.017), 1.22, (1.0, 1.0, 1.0), 0.55, 2.3, 11
)
PRE_DAY = Day(
    0.25, 40.0, (1.04, 0.95, 0.80), (0.25, 0.30, 0.38), (0.014, 0.017, 0.021), 1.28, (1.14, 1.05, 0.98), 0.62, 3.0, 12
)


def daylight(surface: Floats, day: Day) -> tuple[Floats, Floats]:
    """How much of the sun and how much of the sky each pixel of a surface (heights in metres) sees, 0..1."""
    rise = float(np.tan(np.radians(day.altitude)))
    return _sunlit(surface, day.eastward, rise), _open_sky(surface)


def facing(slope_east: Floats, slope_south: Floats, day: Day) -> Floats:
    """How squarely a slope faces the sun; 1 on level ground."""
    level = np.cos(np.radians(day.altitude)) / np.hypot(1, day.eastward) / np.sin(np.radians(day.altitude))
    tilt = 1 - (slope_east * np.float32(day.eastward) + slope_south) * np.float32(level)
    return np.asarray(np.maximum(tilt, 0) / np.sqrt(1 + slope_east**2 + slope_south**2), np.float32)


def photograph(color: Floats, direct: Floats, open_sky: Floats, day: Day, seed: list[int]) -> NDArray[np.uint8]:
    """(3, height, width) picture of reflectances in given sun and sky light."""
    dice = np.random.default_rng([*seed, day.seed])
    grain = dice.standard_normal(direct.shape, np.float32)
    grain = np.float32(0.7) * grain + np.float32(1.0) * averaged(grain, 2)
    picture = np.empty(color.shape, np.uint8)
    for band in range(3):
        light = direct * np.float32(day.sun[band]) + open_sky * np.float32(day.sky[band])
        seen = (color[band] * light + np.float32(day.haze[band])) * np.float32(day.exposure)
        seen = blurred(seen, day.blur)
        own = dice.standard_normal(direct.shape, np.float32)
        grey = _tone(seen) * np.float32(255) + np.float32(day.noise) * (grain + np.float32(0.4) * own)
        picture[band] = np.clip(grey + np.float32(0.5), 0, 255).astype(np.uint8)
    return picture


def _tone(light: Floats) -> Floats:
    """The camera's curve: a gamma with a soft shoulder."""
    light = np.maximum(light, 0)
    light = light * (1 + light * np.float32(0.25)) / (1 + light * np.float32(0.75))
    return np.asarray(light ** np.float32(1 / 2.15) * np.float32(1.21) - np.float32(0.075), np.float32)


def _sunlit(surface: Floats, eastward: float, rise: float) -> Floats:
    """1 in the sun, 0 in the shade of something that stands towards the sun (south, and `eastward` columns east a row)."""
    drop = GSD * np.hypot(1, eastward) * rise
    horizon = surface
    reach = 1
    while reach * drop < 48:
        horizon = np.maximum(horizon, _moved(horizon, reach, reach * eastward) - np.float32(reach * drop))
        reach *= 2
    shade = horizon - surface
    return 1 - np.clip((shade - np.float32(0.08)) / np.float32(0.5), 0, 1)


def _moved(surface: Floats, rows: int, columns: float) -> Floats:
    """`surface` seen from `rows` further north and `columns` further west; the outermost values go on beyond the edge."""
    whole = int(np.floor(columns))
    part = np.float32(columns - whole)
    down = np.minimum(np.arange(surface.shape[0]) + rows, surface.shape[0] - 1)
    moved: Floats = surface[down]
    right = np.minimum(np.arange(surface.shape[1]) + whole, surface.shape[1] - 1)
    if part:
        further = np.minimum(right + 1, surface.shape[1] - 1)
        return np.asarray(moved[:, right] * (1 - part) + moved[:, further] * part)
    return np.asarray(moved[:, right])


def _open_sky(surface: Floats) -> Floats:
    """Share of the sky that is seen, from how deep a pixel lies below its surroundings."""
    openness = np.ones(surface.shape, np.float32)
    for size, weight in ((7, 0.07), (25, 0.035)):
        around = averaged(averaged(surface, size), size)
        openness -= np.clip((around - surface) * np.float32(weight), -0.08, 0.32)
    return openness
