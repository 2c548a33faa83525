"""What a large raster says about itself, before windows are cut from it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as Part

from rsviewer.core.errors import LayerError
from rsviewer.core.tile import LayerKind, Missing, Unreadable
from rsviewer.core.tiling import Box, Grid
from rsviewer.data.catalogue import place_name
from rsviewer.data.georeference import georeference
from rsviewer.data.rasterfile import Refused, Source, check_size, with_dataset
from rsviewer.data.validity import NO_SCALE, Scale

_PICTURE: Final = 0.5
"""Where more of an alpha band is neither clear nor opaque, it is a picture: infrared, mostly."""
_SAMPLES: Final = 4
"""Blocks each way that are looked at for that."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What must be known of a file to cut windows from it.

    Attributes:
        path: of the file.
        width, height: in pixels.
        count: bands that it has.
        bands: those that are the layer, counted from 1.
        alpha: the band that says how opaque the others are; 0 for none.
        dtype: numpy's name.
        nodata: of each of `bands`.
        scales: likewise.
        grid: its pixels on the map.
        gsd: metres per pixel; None where it cannot be known.
        unit: that the file says its values are in; empty where it does not.
        vertical: name of the vertical CRS; empty where there is none.
        colors: of a palette.
        block: (rows, columns) that are decoded at once.
        has_mask: it has a mask of its own, beside nodata and alpha.
        overviews: how many times smaller each of its overviews is.
        notes: what a careful person would want to know.
    """

    path: Path
    width: int
    height: int
    count: int
    bands: tuple[int, ...]
    alpha: int
    dtype: str
    nodata: tuple[float | None, ...]
    scales: tuple[Scale, ...]
    grid: Grid
    gsd: float | None
    unit: str = ""
    vertical: str = ""
    colors: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    block: tuple[int, int] = (1, 1)
    has_mask: bool = False
    overviews: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_striped(self) -> bool:
        """One block reaches across much of it, so that to read a few pixels a whole row of them is decoded."""
        return self.block[1] >= max(1024, self.width // 4)

    @property
    def box(self) -> Box:
        """All its pixels."""
        return Box(0, 0, self.width, self.height)


def look_at(path: Path, kind: LayerKind, bands: Sequence[int] = ()) -> SourceFile:
    """Reads what a file says about itself, and no pixel where that can be helped.

    Args:
        path: of the file.
        kind: of the layer that it is.
        bands: of the file that are to be taken, counted from 1; empty for all of an image, and for the first of others.

    Raises:
        LayerError: it cannot be read, or holds no such layer.
    """
    found = with_dataset(path, lambda source, dataset: _looked_at(path, source, dataset, kind, bands))
    if isinstance(found, Unreadable | Missing):
        raise LayerError(f"{place_name(path)}: {found.reason}")
    return found


def _looked_at(
    path: Path, source: Source, dataset: DatasetReader, kind: LayerKind, wanted: Sequence[int]
) -> SourceFile:
    check_size(source, dataset, in_parts=True)
    place = georeference(dataset)
    colors = dataset.colorinterp
    alpha = _alpha_band(dataset)
    palette = dataset.colormap(1) if ColorInterp.palette in colors[:1] else {}
    bands = _bands_of(dataset.count, alpha, kind, wanted)
    dtypes = {dataset.dtypes[band - 1] for band in bands}
    if len(dtypes) > 1:
        raise Refused(
            f"Its bands are of different types ({', '.join(sorted(dtypes))}): convert it with gdal_translate -ot."
        )
    dtype = str(dtypes.pop())
    if "complex" in dtype:
        raise Refused("Its pixels are complex numbers: write their magnitude to a file first.")
    if palette and kind in (LayerKind.OPTICAL, LayerKind.HEIGHT):
        raise Refused("Its pixels are places in a colour table: convert it first (gdal_translate -expand rgb).")
    flags = dataset.mask_flag_enums[0]
    notes = [] if place.transform is not None else list(place.notes)
    if kind is LayerKind.HEIGHT and not wanted and dataset.count - bool(alpha) > 1:
        notes.append(f"of its {dataset.count - bool(alpha)} bands the first is taken")
    wkt = "" if dataset.crs is None else str(dataset.crs.wkt)
    return SourceFile(
        path=path,
        width=int(dataset.width),
        height=int(dataset.height),
        count=int(dataset.count),
        bands=bands,
        alpha=alpha if not wanted or alpha not in wanted else 0,
        dtype=dtype,
        nodata=tuple(dataset.nodatavals[band - 1] for band in bands),
        scales=_scales(dataset, bands, kind),
        grid=Grid(int(dataset.width), int(dataset.height), place.transform, place.crs),
        gsd=place.gsd,
        unit=str(dataset.units[bands[0] - 1] or "") if kind is LayerKind.HEIGHT else "",
        vertical=vertical_in(wkt),
        colors=tuple(sorted(palette.items())),
        block=tuple(dataset.block_shapes[0]),
        has_mask=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags and MaskFlags.nodata not in flags,
        overviews=tuple(dataset.overviews(1)) if source.driver in ("GTiff", "HFA") else (),
        notes=tuple(notes),
    )


def _bands_of(count: int, alpha: int, kind: LayerKind, wanted: Sequence[int]) -> tuple[int, ...]:
    """Which bands of a file are the layer. Raises Refused where it has not got them."""
    if wanted and max(wanted) > count:
        raise Refused(f"It has {count} band{'s' * (count > 1)}, and band {max(wanted)} is wanted.")
    if wanted:
        return tuple(wanted)
    all_bands = tuple(band for band in range(1, count + 1) if band != alpha)
    if kind is LayerKind.OPTICAL:
        return all_bands
    if kind.is_categorical and len(all_bands) > 1:
        raise Refused(
            f"It has {len(all_bands)} bands, as a coloured picture has: wanted is one band with a number for each class."
        )
    return all_bands[:1]


def _alpha_band(dataset: DatasetReader) -> int:
    """The band, counted from 1, that says how opaque the others are; 0 for none.

    GDAL calls the fourth band of a plain four-band TIFF alpha. One of which most values are neither clear nor opaque is a
    picture; a few blocks tell.
    """
    if dataset.count < 2 or ColorInterp.alpha not in dataset.colorinterp:
        return 0
    alpha = list(dataset.colorinterp).index(ColorInterp.alpha) + 1
    rows, columns = (min(side, 256) for side in dataset.block_shapes[0])
    places = [(index + 0.5) / _SAMPLES for index in range(_SAMPLES)]
    samples = [
        dataset.read(
            alpha,
            window=Part(int(across * (dataset.width - columns)), int(down * (dataset.height - rows)), columns, rows),
        )
        for down in places
        for across in places
    ]
    values = np.concatenate([sample.ravel() for sample in samples])
    return 0 if np.mean((values > 0) & (values < values.max())) > _PICTURE else alpha


def _scales(dataset: DatasetReader, bands: Sequence[int], kind: LayerKind) -> tuple[Scale, ...]:
    """(scale, offset) of each band; of classes none."""
    if kind.is_categorical:
        return (NO_SCALE,) * len(bands)
    found = tuple((float(dataset.scales[band - 1]), float(dataset.offsets[band - 1])) for band in bands)
    is_sane = all(math.isfinite(scale) and math.isfinite(offset) and scale for scale, offset in found)
    return found if is_sane else (NO_SCALE,) * len(bands)


def vertical_in(wkt: str) -> str:
    """The name of the vertical part of a CRS; empty where it has none."""
    found = re.search(r'VERT_?(?:CS|CRS)\["([^"]+)"', wkt)
    return found[1] if found else ""
