"""Which images there are of which tile: tens of millions of file names, kept as numbers.

A tile is a number, its column and row: `key_of`. An image is a number, too: its place in the order of time. What was seen of
a sensor is three arrays with one element for each image of each tile, sorted by tile and time: some 14 bytes each.
"""

import logging
import math
import os
import re
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import printable
from rsviewer.data.adapter import Shot
from rsviewer.data.catalogue import names_in, natural
from rsviewer.data.datasets.satlas.facts import Sensor
from rsviewer.data.jsonfile import matches
from rsviewer.data.tree import Tree, check

log = logging.getLogger(__name__)

_ROW_BITS = 17  # of the finest grid, zoom 17
_IMAGE_BITS = 28
_CHECKED = 1 << 16  # rows between two looks at whether it is to be stopped
_TILE = re.compile(r"(0|[1-9]\d{0,5})_(0|[1-9]\d{0,5})", re.ASCII)
_FILE = re.compile(r"(0|[1-9]\d{0,5})_(0|[1-9]\d{0,5})\.png", re.ASCII)
_TILES = re.compile(r"^(?:0|[1-9]\d{0,5})_(?:0|[1-9]\d{0,5})$", re.ASCII | re.MULTILINE)
_SECOND = re.compile(r"_(\d{8}T\d{6})(?:_|$)", re.ASCII)
_DAY = re.compile(r"_(\d{8})(?:_|$)", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_TIMES = re.compile(rb'"([^"\\]{1,300})"\s{0,20}:\s{0,20}"([^"\\]{1,60})"')
_GOOD = re.compile(rb'\[\s{0,20}(\d{1,6})\s{0,20},\s{0,20}(\d{1,6})\s{0,20},\s{0,20}"([^"\\]{1,300})"\s{0,20}\]')

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Keys = NDArray[np.int64]


def key_of(name: str) -> int | None:
    """The number of the tile "<col>_<row>"; None where a name is something else."""
    match = _TILE.fullmatch(name)
    return _key(match) if match else None


def name_of(key: int) -> str:
    """The name of a tile."""
    return f"{key >> _ROW_BITS}_{key & ((1 << _ROW_BITS) - 1)}"


def keys_at(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> Keys:
    """The numbers of tiles by column and row; of those beyond the grid none."""
    inside = (columns >> _ROW_BITS == 0) & (rows >> _ROW_BITS == 0)
    keys: Keys = columns[inside] << _ROW_BITS | rows[inside]
    return keys


def keys_among(names: Collection[str]) -> Keys:
    """The tiles among some names, sorted; a million names take a third of a second."""
    text = "\n".join(names)
    if text.count("\n") >= max(1, len(names)):  # a name of two lines
        return np.unique(np.fromiter((key for key in map(key_of, names) if key is not None), np.int64))
    numbers = np.fromstring(" ".join(_TILES.findall(text)).replace("_", " "), np.int64, sep=" ")
    return np.unique(keys_at(numbers[::2], numbers[1::2]))


def label_keys(keys: Keys, steps: int) -> Keys:
    """The tiles that are `steps` zoom levels coarser."""
    columns, rows = keys >> _ROW_BITS, keys & ((1 << _ROW_BITS) - 1)
    return keys_at(columns >> steps, rows >> steps)


def place_on_earth(key: int, zoom: int, across: float, down: float) -> tuple[float, float]:
    """(longitude, latitude) in degrees of a place in a tile: 0, 0 is its north-west corner, 1, 1 the other."""
    column, row = key >> _ROW_BITS, key & ((1 << _ROW_BITS) - 1)
    tiles = 1 << zoom
    latitude = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (row + down) / tiles))))
    return (column + across) / tiles * 360 - 180, latitude


def seconds_of(time: str) -> float | None:
    """A time as `Shot` has it in seconds since 1970; None where it is none."""
    when = Shot("", time, "").when
    return None if when is None else (when - _EPOCH).total_seconds()


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a sensor.

    Attributes:
        name: of its folder.
        folder: where it is.
        part: what of that path tells it from the others of the tile, see `Shot.name`.
        time: ISO 8601; empty where nobody knows.
        seconds: the same since 1970; infinite where nobody knows.
    """

    name: str
    folder: str
    part: str
    time: str
    seconds: float


class Pictures:
    """The images of one sensor."""

    def __init__(self, sensor: Sensor, pictures: Sequence[Picture], keys: Keys, numbers: Any, bands: Any):
        self.sensor = sensor
        self.pictures = pictures
        self.keys = keys
        self.numbers = numbers
        self.bands = bands
        self.good: NDArray[np.int8] = np.full(len(keys), -1, np.int8)
        self._shots: dict[tuple[int, int], Shot] = {}

    def mark_good(self, good: Keys) -> None:
        """Takes what `read_good` found. Where it names no image of this sensor, nobody said anything about it."""
        if len(good):
            pairs = (self.keys << _IMAGE_BITS) | self.numbers
            self.good = np.isin(pairs, good).astype(np.int8)

    def rows_of(self, keys: Keys) -> list[tuple[int, int]]:
        """Where the images of each tile begin and end."""
        ends = (np.searchsorted(self.keys, keys, side).tolist() for side in ("left", "right"))
        return list(zip(*ends, strict=True))

    def shot(self, row: int) -> Shot:
        """What there is to say of an image of a tile."""
        number, good = int(self.numbers[row]), int(self.good[row])
        known = self._shots.get((number, good))
        if known is None:
            picture = self.pictures[number]
            known = Shot(picture.part, picture.time, self.sensor.title, None if good < 0 else bool(good))
            self._shots[number, good] = known
        return known


def gather(tree: Tree, sensor: Sensor, folders: Sequence[str], times: Mapping[str, str]) -> Pictures:
    """Lists every folder of every image of a sensor, each of them once."""
    found = pictures_among(sensor, {folder: names_in(tree, folder) for folder in folders}, times)
    keys, numbers, bands = array("q"), array("I"), array("H")
    for number, picture in enumerate(found):
        seen: dict[str, int] = {}
        for bit, band in enumerate(sensor.bands):
            try:
                names = tree.names(f"{picture.folder}{os.sep}{band}")
            except OSError:
                continue
            for name in names:
                seen[name] = seen.get(name, 0) | 1 << bit
        for name, mask in seen.items():
            match = _FILE.fullmatch(name)
            if match and (key := _key(match)) is not None:
                keys.append(key)
                numbers.append(number)
                bands.append(mask)
    check(tree)
    return pictures_of(sensor, found, keys, numbers, bands)


def pictures_among(sensor: Sensor, names: Mapping[str, Sequence[str]], times: Mapping[str, str]) -> list[Picture]:
    """The images among the names in some folders, in the order of time.

    One of a name that two folders hold is two, and tells the folder with its name.
    """
    looks = re.compile(sensor.image, re.ASCII)
    found: list[Picture] = []
    for folder, inside in names.items():
        prefix = f"{folder.rpartition(os.sep)[2]}{os.sep}" if sensor.monthly or len(names) > 1 else ""
        for name in filter(looks.fullmatch, inside):
            time = times.get(name) or _time_in(name)
            seconds = seconds_of(time)
            place = f"{folder}{os.sep}{name}"
            found.append(Picture(name, place, prefix + name, time, math.inf if seconds is None else seconds))
    return sorted(found, key=lambda picture: (picture.seconds, natural(picture.name)))


def pictures_of(
    sensor: Sensor, found: Sequence[Picture], keys: Sequence[int], numbers: Sequence[int], bands: Sequence[int]
) -> Pictures:
    """Puts what was seen in order.

    Args:
        sensor: whose images these are.
        found: all its images, in the order of time.
        keys: tiles; for each of them
        numbers: the place in `found` of an image of it, in the order of time, and
        bands: the bits of the bands of it that there are.
    """
    tiles = np.asarray(keys, np.int64)
    order = np.argsort(tiles, kind="stable")
    return Pictures(
        sensor, found, tiles[order], np.asarray(numbers, np.uint32)[order], np.asarray(bands, np.uint16)[order]
    )


def read_times(tree: Tree, path: str) -> dict[str, str]:
    """image_times.json: name of an image -> ISO 8601. What is no time is left out, a file that is not there is empty."""
    times: dict[str, str] = {}
    try:
        for match in matches(tree, path, _TIMES):
            name, time = match[1].decode("utf-8", "replace"), match[2].decode("utf-8", "replace")
            if seconds_of(time) is not None:
                times[name] = time
    except OSError as error:
        log.info("Left out %s: %s", printable(path), error.strerror)
    return times


def read_good(tree: Tree, path: str, several: Sequence[Pictures]) -> list[Keys]:
    """good_images_*.json: the images of tiles that it names, for each sensor, as `Pictures.mark_good` wants them."""
    numbers: dict[bytes, list[tuple[int, int]]] = {}
    for place, pictures in enumerate(several):
        for number, picture in enumerate(pictures.pictures):
            numbers.setdefault(os.fsencode(picture.name), []).append((place, number))
    found = [array("q") for _ in several]
    try:
        for match in matches(tree, path, _GOOD):
            for place, number in numbers.get(match[3], ()):
                key = int(match[1]) << _ROW_BITS | int(match[2])
                found[place].append(key << _IMAGE_BITS | number)
                if not len(found[place]) % _CHECKED:
                    check(tree)
    except OSError as error:
        log.info("Left out %s: %s", printable(path), error.strerror)
    return [np.frombuffer(pairs, np.int64) if pairs else np.zeros(0, np.int64) for pairs in found]


def _key(match: re.Match[str]) -> int | None:
    column, row = int(match[1]), int(match[2])
    return column << _ROW_BITS | row if column >> _ROW_BITS == 0 and row >> _ROW_BITS == 0 else None


def _time_in(name: str) -> str:
    """When an image was taken, as its name says."""
    for pattern, form in ((_SECOND, "%Y%m%dT%H%M%S"), (_DAY, "%Y%m%d")):
        match = pattern.search(name)
        if match:
            try:
                time = datetime.strptime(match[1], form).replace(tzinfo=UTC)
            except ValueError:
                continue
            return time.isoformat() if "T" in form else time.date().isoformat()
    month = _MONTH.fullmatch(name)
    return name if month and seconds_of(name) is not None else ""
