"""The images of a few tiles, asked for by name: the first tiles are on the screen long before all images are listed.

There may be a hundred thousand images of a sensor, but only some hundred can be of a place: names of Sentinel-2 and NAIP
images say where they were taken.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rsviewer.data.catalogue import names_in
from rsviewer.data.datasets.satlas.facts import SENSORS, Sensor
from rsviewer.data.datasets.satlas.images import (
    Keys,
    Picture,
    Pictures,
    keys_among,
    name_of,
    pictures_among,
    pictures_of,
    place_on_earth,
)
from rsviewer.data.tree import Tree

FEW = 200
"""So many images of a sensor are asked one by one, whatever their names say; to list them all takes no second either."""

_TRIED = 1000  # names, for an image

_LATITUDES = "CDEFGHJKLMNPQRSTUVWXX"
"""Of the military grid, from 80 degrees south on, each eight degrees high but for the last."""


class Preview:
    """Looks for images of tiles until a second has passed.

    Attributes:
        is_over: True once it has.
    """

    def __init__(
        self,
        tree: Tree,
        sensors: Mapping[str, Sequence[str]],
        zoom: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sensors` are the folders of each that there is, by its name; only those of `zoom` count."""
        self._tree = tree
        self._zoom = zoom
        self._clock = clock
        self._end = clock() + seconds
        self._names = {
            sensor: {folder: names_in(tree, folder) for folder in sensors[sensor.name]}
            for sensor in SENSORS
            if sensor.zoom == zoom and sensor.name in sensors
        }
        self._candidates: dict[tuple[str, frozenset[str]], list[Picture]] = {}

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._clock() > self._end

    @property
    def images(self) -> int:
        """How many images there may be."""
        return sum(len(names) for folders in self._names.values() for names in folders.values())

    def some_tiles(self) -> Keys:
        """The tiles of one image, where there is one."""
        for sensor, folders in self._names.items():
            for folder, names in folders.items():
                image = next(iter(pictures_among(sensor, {folder: sorted(names)[:_TRIED]}, {})), None)
                if image:
                    files = {
                        file for band in sensor.bands for file in names_in(self._tree, f"{image.folder}{os.sep}{band}")
                    }
                    return keys_among([file.removesuffix(".png") for file in files if file.endswith(".png")])
        return np.zeros(0, np.int64)

    def images_of(self, keys: Keys) -> list[Pictures]:
        """What is found of each sensor, the newest images first."""
        return [self._images(sensor, keys) for sensor in self._names]

    def _images(self, sensor: Sensor, keys: Keys) -> Pictures:
        where = places(sensor, keys, self._zoom)
        candidates = self._candidates.get((sensor.name, where))
        if candidates is None:
            candidates = self._candidates[sensor.name, where] = pictures_among(sensor, self._near(sensor, where), {})
        tiles: list[int] = []
        numbers: list[int] = []
        bands: list[int] = []
        for number in range(len(candidates) - 1, -1, -1):
            if self.is_over:
                break
            for key, present in self._bands(sensor, candidates[number].folder, keys):
                tiles.append(key)
                numbers.append(number)
                bands.append(present)
        return pictures_of(sensor, candidates, tiles[::-1], numbers[::-1], bands[::-1])

    def _near(self, sensor: Sensor, places: frozenset[str]) -> dict[str, list[str]]:
        return {
            folder: names if len(names) <= FEW else [name for name in names if any(place in name for place in places)]
            for folder, names in self._names[sensor].items()
        }

    def _bands(self, sensor: Sensor, folder: str, keys: Keys) -> list[tuple[int, int]]:
        """(tile, bits of the bands it has) for the tiles that an image shows. Most images show none: one question each."""
        homes = [f"{folder}{os.sep}{band}{os.sep}" for band in sensor.bands]
        leading = next((home for home in homes if self._tree.is_folder(home)), None)
        found = []
        for key in keys.tolist() if leading else ():
            file = f"{name_of(key)}.png"
            if self._tree.is_file(f"{leading}{file}"):
                present = (self._tree.is_file(home + file) << bit for bit, home in enumerate(homes))
                found.append((key, sum(present)))
        return found


def places(sensor: Sensor, keys: Keys, zoom: int) -> frozenset[str]:
    """What the names of images have in them that can show one of these tiles; the empty text where names say nothing."""
    place_of = _PLACES.get(sensor.name)
    if place_of is None:
        return frozenset(("",))
    corners = {place_on_earth(key, zoom, *part) for key in keys.tolist() for part in ((0, 0), (0, 1), (1, 0), (1, 1))}
    return frozenset(place_of(longitude, latitude) for longitude, latitude in corners)


def _grid_zone(longitude: float, latitude: float) -> str:
    """Of the military grid: "_T12S"."""
    band = _LATITUDES[min(max(int((latitude + 80) // 8), 0), len(_LATITUDES) - 1)]
    return f"_T{int((longitude + 180) // 6) % 60 + 1:02d}{band}"


def _quadrangle(longitude: float, latitude: float) -> str:
    """Degrees north and west: "m_33097"."""
    return f"m_{max(math.floor(latitude), 0):02d}{max(math.floor(-longitude), 0):03d}"


_PLACES = {"sentinel2": _grid_zone, "naip": _quadrangle}
"""What the names of images say about where they were taken."""
