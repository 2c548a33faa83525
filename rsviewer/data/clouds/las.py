"""LAS, and LAZ, which is LAS compressed."""

import importlib
import logging
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS
from rasterio.errors import CRSError

from rsviewer.core.cloud import Cloud
from rsviewer.data.clouds.geometry import PROGRAM, UNITS, Block, blocks, local, span
from rsviewer.data.rasterfile import listening

log = logging.getLogger(__name__)

SCALE, FINE_SCALE = 1e-3, 1e-9
"""Millimetres; and for pixels smaller than a tenth of a unit, which mostly are degrees."""
REACH = 2.0e9
"""Steps of the scale to each side of the offset: a little less than the 2^31 that a coordinate has."""
LONGEST_CRS = 200
"""Characters of a CRS in the text that describes the file; where there is a WKT, it holds the whole."""

_METRES_UP = 'VERT_CS["Height in metres",VERT_DATUM["Unknown",2005],UNIT["metre",1],AXIS["Up",UP]]'


def write_las(file: BinaryIO, cloud: Cloud, unit: str, *, compress: bool) -> None:
    """See `write_cloud`."""
    laspy: Any = importlib.import_module("laspy")  # for nothing else; and half of it is typed
    system = _System(cloud.crs) if cloud.transform is not None else _System("")
    lattice = [_Lattice.over(low, high, step) for low, high, step in _extent(cloud, system.height_factor)]
    header = laspy.LasHeader(version="1.4", point_format=7)
    header.system_identifier = header.generating_software = PROGRAM[:32]
    header.scales = [axis.scale for axis in lattice]
    header.offsets = [axis.offset for axis in lattice]
    header.global_encoding.wkt = True
    if system.wkt:
        header.vlrs.append(laspy.vlrs.known.WktCoordinateSystemVlr(system.wkt))
    said = _description(cloud, unit, system).encode("ascii", "backslashreplace") + b"\0"
    header.vlrs.append(laspy.VLR("LASF_Spec", 3, "Text Area Descriptor", said))
    # One thread compresses a tile: whole datasets are written by several, and one tile takes no time.
    backend = laspy.LazBackend.Lazrs if compress else None
    told = _Telling(file)
    try:
        writer = laspy.LasWriter(told, header, do_compress=compress, laz_backend=backend, closefd=False)
        for block in blocks(cloud):
            writer.write_points(_record(laspy, header, cloud, block, lattice, system.height_factor))
        writer.close()
    except RuntimeError as error:
        if told.error is None:
            raise
        raise told.error from error


class _Telling:
    """A file that remembers why it could not be written: lazrs only says "Failed to call write"."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.flush = file.seek, file.tell, file.flush
        self.error: OSError | None = None
        self._file = file

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise


def _record(
    laspy: Any, header: Any, cloud: Cloud, block: Block, lattice: "list[_Lattice]", height_factor: float
) -> Any:
    points = laspy.PackedPointRecord.zeros(block.row.size, header.point_format)
    if cloud.transform is None:
        x, y = local(cloud, block.column, block.row)
    else:
        a, b, c, d, e, f = cloud.transform
        column, row = block.column + 0.5, block.row + 0.5
        x, y = a * column + b * row + c, d * column + e * row + f
    z = (cloud.base + block.height.astype(np.float64)) * height_factor
    for name, axis, values in zip("XYZ", lattice, (x, y, z), strict=True):
        points[name] = np.rint((values - axis.offset) / axis.scale)
    for name, channel in zip(("red", "green", "blue"), block.rgb.T, strict=True):
        points[name] = channel.astype(np.uint16) * 257  # so that 255 becomes 65535
    points["return_number"][:] = points["number_of_returns"][:] = 1
    return points


@dataclass(frozen=True, slots=True)
class _Lattice:
    """Where coordinates can lie: offset + scale * whole number of 32 bits."""

    scale: float
    offset: float

    @classmethod
    def over(cls, low: float, high: float, step: float) -> "_Lattice":
        """The finest one that holds `low` .. `high`, but no finer than makes sense for pixels of `step`."""
        finest = SCALE if step >= 0.1 else FINE_SCALE
        half = high / 2 - low / 2  # since the difference of two float64 may be too large for one
        digits = math.floor(-math.log10(max(finest, half / REACH)) + 1e-9)
        return cls(float(f"1e{-digits}"), round(low + half, digits - 3))


def _extent(cloud: Cloud, height_factor: float) -> list[tuple[float, float, float]]:
    """(low, high, pixel size) of x, y and z, in the units of the file."""
    rows, columns = cloud.rows, cloud.columns
    if cloud.transform is None:
        (left, top), (across, down) = cloud.origin, cloud.step
        a, b, c, d, e, f = across, 0.0, left, 0.0, -down, top
    else:
        a, b, c, d, e, f = cloud.transform
    corners = [(column, row) for column in (0, columns) for row in (0, rows)]
    xs = [a * column + b * row + c for column, row in corners]
    ys = [d * column + e * row + f for column, row in corners]
    low, high = sorted(height * height_factor for height in span(cloud))
    return [
        (min(xs), max(xs), math.hypot(a, b)),
        (min(ys), max(ys), math.hypot(d, e)),
        (low, high, 1.0),
    ]


def _description(cloud: Cloud, unit: str, system: "_System") -> str:
    if cloud.transform is None:
        place = f"Local coordinates without a georeference: x and y in {UNITS[unit]} from the tile's lower left corner"
    else:
        known = cloud.crs if not system.wkt or cloud.crs.startswith("EPSG:") else "as the WKT in this header says"
        place = f"x and y: {known[:LONGEST_CRS] or 'map coordinates of an unknown reference system'}"
    return f"{PROGRAM}: {cloud.title}. {place}. z: height in {system.height_unit}."


class _System:
    """A CRS as LAS wants it: OGC WKT 1.

    LAS has no other place to say what unit heights have: where that is not the unit of x and y, a compound system says so.

    Attributes:
        wkt: empty where there is none, or none that makes sense.
        height_factor: file's units of height to a metre.
        height_unit: in words.
    """

    def __init__(self, crs: str) -> None:
        self.wkt = _wkt(crs) if crs else ""
        self.height_factor, self.height_unit = 1.0, "metres"
        vertical = re.search(r'\bVERT_CS\[.*?UNIT\["([^"]*)",\s*([-+.\deE]+)', self.wkt, re.DOTALL)
        if vertical and float(vertical[2]) > 0:
            self.height_factor = 1 / float(vertical[2])
            self.height_unit = "metres" if self.height_factor == 1 else vertical[1]
        elif self.wkt.startswith("PROJCS") and not _is_metric(self.wkt):
            self.wkt = f'COMPD_CS["x and y in another unit than heights",{self.wkt},{_METRES_UP}]'


@lru_cache(maxsize=64)
def _wkt(crs: str) -> str:
    untyped: Any = rasterio.env
    with untyped.Env(session=untyped.DummySession()), listening():  # else GDAL would complain on stderr
        for version in ("WKT1_GDAL", "WKT2_2019"):  # the newer one where the older has no words for a system
            try:
                return str(CRS.from_user_input(crs).to_wkt(version=version))
            except (CRSError, CPLE_BaseError, ValueError, TypeError) as error:
                log.debug("%s does not say %s: %s", version, crs, error)
    return ""


@lru_cache(maxsize=64)
def _is_metric(wkt: str) -> bool:
    return abs(float(CRS.from_wkt(wkt).units_factor[1]) - 1) < 1e-12
