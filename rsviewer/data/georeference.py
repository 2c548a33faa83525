"""Where an image lies and how many metres its pixels measure, from whatever its file says about that."""

import logging
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader

from rsviewer.core.tile import Transform

log = logging.getLogger(__name__)

_NO_TRANSFORM: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_WGS84: Final = (6378137.0, 298.257223563)
_SQUARE: Final = 0.02
"""Pixels whose sides differ by less are called square."""


_HALF_WORLD: Final = math.pi * 6378137.0
"""Metres from the middle of the web mercator map to its edge."""
_WEB_TILE: Final = re.compile(r"(\d{1,9})_(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Georeference:
    """Attributes as in `Raster`; `notes` for a careful person."""

    transform: Transform | None
    crs: str
    gsd: float | None
    cell: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reference:
    """What must be known of a CRS.

    Attributes:
        name: "EPSG:n", else WKT.
        factor: metres per unit, or radians where `is_angular`; 0 where it cannot be known.
        is_angular: coordinates are longitude and latitude.
        is_mercator: web mercator and its like, which stretch distances by 1 / cos(latitude).
        radius: of the body at its equator, in metres.
        eccentricity2: of its ellipsoid, squared.
    """

    name: str
    factor: float = 0.0
    is_angular: bool = False
    is_mercator: bool = False
    radius: float = 1.0
    eccentricity2: float = 0.0


def georeference(dataset: DatasetReader) -> Georeference:
    """Transform, CRS and GSD of an open file."""
    c, a, b, f, d, e = dataset.get_transform()
    transform = (a, b, c, d, e, f)
    reference = _NOWHERE if dataset.crs is None else _reference(dataset.crs.wkt)
    if transform == _NO_TRANSFORM or not all(map(math.isfinite, transform)) or a * e == b * d:
        return Georeference(None, reference.name, None, notes=_other_means(dataset))
    notes = []
    if b or d:
        notes.append("the grid is rotated: up is not north")
    elif e > 0:
        notes.append("stored from south to north: up is south")
    across, down = _pixel_size(transform, dataset.width, dataset.height, reference)
    if not across or not down:
        return Georeference(transform, reference.name, None, notes=tuple(notes))
    if abs(across / down - 1) > _SQUARE:
        notes.append(f"pixels are {across:.4g} m wide and {down:.4g} m high")
    return Georeference(transform, reference.name, math.sqrt(across * down), (across, down), tuple(notes))


def of_web_tile(path: str, zoom: int, width: int, height: int) -> Georeference | None:
    """Where an image lies that fills a tile of the web mercator pyramid whose name it has; None where it has no such name.

    Args:
        path: its last part that is like 4651_4910 names column and row, counted from the north-west; that may be a folder.
        zoom: of the pyramid, which has 2**zoom columns.
        width: of the image.
        height: likewise.
    """
    matches = (_WEB_TILE.fullmatch(part.partition(".")[0]) for part in reversed(path.replace("\\", "/").split("/")))
    match = next(filter(None, matches), None)
    column, row = (int(match[1]), int(match[2])) if match else (-1, -1)
    if not (0 <= column < 2**zoom and 0 <= row < 2**zoom and width and height):
        return None
    side = 2 * _HALF_WORLD / 2**zoom
    across, down = side / width, side / height
    top = _HALF_WORLD - row * side
    transform = (across, 0.0, column * side - _HALF_WORLD, 0.0, -down, top)
    shrunk = 1 / math.cosh((top - side / 2) / _WGS84[0])
    cell = (across * shrunk, down * shrunk)
    return Georeference(transform, "EPSG:3857", math.sqrt(cell[0] * cell[1]), cell)


def cell_of(transform: Transform, width: int, height: int, crs: str) -> tuple[float, float] | None:
    """Metres on the ground across and down a pixel at the middle of a grid; None where that cannot be known.

    Args:
        transform: of the grid.
        width: of the grid, in pixels.
        height: likewise.
        crs: "EPSG:n" or WKT.
    """
    try:
        wkt = CRS.from_user_input(crs).wkt if crs else ""
    except (CRSError, CPLE_BaseError, ValueError) as error:
        log.debug("a CRS that makes no sense: %s: %s", error, crs)
        return None
    across, down = _pixel_size(transform, width, height, _reference(wkt) if wkt else _NOWHERE)
    return (across, down) if across and down else None


def _other_means(dataset: DatasetReader) -> tuple[str, ...]:
    """How a file without transform is placed on the ground, if it is."""
    points = len(dataset.gcps[0])
    if points:
        return (f"placed by {points} control points, not rectified",)
    return ("placed by an RPC camera model, not rectified",) if dataset.rpcs is not None else ()


def _pixel_size(transform: Transform, width: int, height: int, reference: _Reference) -> tuple[float, float]:
    """Metres on the ground along a row and along a column, at the centre of the image; (0, 0) where unknown."""
    a, b, _, d, e, f = transform
    east = north = reference.factor
    y = (d * width + e * height) / 2 + f
    if reference.is_angular:
        latitude = y * reference.factor
        if abs(latitude) >= math.pi / 2:
            return 0.0, 0.0
        bulge = 1 - reference.eccentricity2 * math.sin(latitude) ** 2
        east *= reference.radius * math.cos(latitude) / math.sqrt(bulge)
        north *= reference.radius * (1 - reference.eccentricity2) / bulge**1.5
    elif reference.is_mercator:
        east = north = reference.factor / math.cosh(min(abs(y * reference.factor / reference.radius), 20.0))
    return math.hypot(a * east, d * north), math.hypot(b * east, e * north)


@lru_cache(maxsize=256)
def _reference(wkt: str) -> _Reference:
    """A CRS looked up. Naming one takes 0.05 to 5 ms, and a dataset has few. A CRS that makes no sense keeps its text."""
    name = wkt
    try:
        crs = CRS.from_wkt(wkt)
        code = crs.to_epsg()
        name = f"EPSG:{code}" if code else wkt
        if not crs.is_geographic and not crs.is_projected:
            return _Reference(name)
        is_angular = bool(crs.is_geographic)
        factor = float(crs.units_factor[1])
    except (CRSError, CPLE_BaseError, ValueError, TypeError, LookupError) as error:
        log.debug("a CRS that makes no sense: %s: %s", error, wkt)
        return _Reference(name)
    found = re.search(r'(?:SPHEROID|ELLIPSOID)\["[^"]*",\s*([\d.]+),\s*([\d.]+)', wkt)
    radius, inverse_flattening = (float(found[1]), float(found[2])) if found else _WGS84
    flattening = 1 / inverse_flattening if inverse_flattening else 0.0
    return _Reference(
        name=name,
        factor=factor,
        is_angular=is_angular,
        is_mercator=not is_angular and ("Mercator_1SP" in wkt or "Pseudo Mercator" in wkt),
        radius=radius or _WGS84[0],
        eccentricity2=flattening * (2 - flattening),
    )


_NOWHERE: Final = _Reference("")
