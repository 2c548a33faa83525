"""Path + LayerSpec -> Raster. What a file's numbers mean is settled here, once: alpha, palette, nodata, scale, GSD, size."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, PhotometricInterp, Resampling
from rasterio.io import DatasetReader

from rsviewer.core.tile import LayerKind, LayerSpec, Missing, Raster, Transform, Unreadable, printable
from rsviewer.data.georeference import georeference, of_web_tile
from rsviewer.data.rasterfile import Refused, Source, check_size, item_size, listening, with_dataset
from rsviewer.data.tree import DISK, Tree
from rsviewer.data.validity import NO_SCALE, Marker, Scale, both, judge, unmarked

MAX_PIXELS: Final = 4096 * 4096
"""Pixels of one band that are kept: twice what a screen of 3840 x 2160 shows; five such layers fit the 1 GB tile cache."""

MAX_BYTES: Final = 512 << 20
"""Bytes that all bands of one raster may take. Binds before MAX_PIXELS from nine float32 bands on."""

MAX_AVERAGED: Final = 1 << 30
"""Samples up to which a decimated image is averaged; beyond, pixels are picked: 1e10 samples in 1 s instead of 8."""

T = TypeVar("T")

_INKS: Final = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)


@dataclass(frozen=True, slots=True)
class RasterHeader:
    """What a file says about itself, before any pixel.

    Attributes:
        width: columns of the full-resolution image.
        height: rows.
        bands: as stored: an alpha band counts, a palette image has one.
        dtype: numpy's name (or "complex_int16"), of the first band where they differ.
        nodata: the first band's marker; None where there is none.
        crs: "EPSG:n" or WKT; empty where there is none.
        transform: None where the file has none.
        gsd: metres per pixel; None where it cannot be known.
        driver: GDAL's name of the format, e.g. "GTiff".
        compress: in lower case, e.g. "deflate"; empty where there is none or the format does not tell.
    """

    width: int
    height: int
    bands: int
    dtype: str
    nodata: float | None
    crs: str
    transform: Transform | None
    gsd: float | None
    driver: str
    compress: str


def read_raster(
    path: Path, spec: LayerSpec, tree: Tree = DISK, *, max_pixels: int = MAX_PIXELS
) -> Raster | Unreadable | Missing:
    """Read one layer of one tile. Safe to call from many threads at once.

    Args:
        path: as the adapter found it; any bytes the file system allows.
        spec: what the dataset's documentation says about the layer. A scale in the file wins over its scale.
        tree: where the file is.
        max_pixels: of one band. A larger image is read at 1:N, and its notes say so.

    Returns:
        The raster; `Unreadable` with one sentence for the user where the file is broken, unsupported, forbidden or absurdly
        large; `Missing` where there is no such file, or a link to none.
    """
    return with_dataset(path, lambda source, dataset: _raster(path, source, dataset, spec, max_pixels), tree)


def read_header(path: Path, tree: Tree = DISK) -> RasterHeader | Unreadable:
    """What `path` says about itself, without decoding a pixel. A file that is not there is unreadable, too."""
    header = with_dataset(path, lambda _, dataset: _header(dataset), tree)
    return Unreadable(printable(str(path)), header.reason) if isinstance(header, Missing) else header


def read_tags(path: Path, tree: Tree = DISK) -> dict[str, str] | Unreadable | Missing:
    """The texts in `path`: GDAL's metadata of a GeoTIFF, the text chunks of a PNG."""
    return with_dataset(path, lambda _, dataset: {str(name): str(text) for name, text in dataset.tags().items()}, tree)


def _header(dataset: DatasetReader) -> RasterHeader:
    place = georeference(dataset)
    compression = dataset.compression
    return RasterHeader(
        width=int(dataset.width),
        height=int(dataset.height),
        bands=int(dataset.count),
        dtype=str(dataset.dtypes[0]) if dataset.count else "",
        nodata=dataset.nodata,
        crs=place.crs,
        transform=place.transform,
        gsd=place.gsd,
        driver=str(dataset.driver),
        compress=str(getattr(compression, "value", compression) or "").lower(),  # rasterio has no name for some
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Stored:
    """The file's own numbers and what it says about them. Per band: nodata, scales, names.

    Attributes:
        values: (bands, height, width).
        mask: (height, width), 0 where the file calls a pixel transparent or masked; None where it does not.
    """

    values: NDArray[Any]
    mask: NDArray[Any] | None
    nodata: tuple[float | None, ...]
    scales: tuple[Scale, ...]
    names: tuple[str, ...]

    def without(self, alpha: int) -> "_Stored":
        """The band `alpha` goes into the mask."""
        kept = [band for band in range(len(self.values)) if band != alpha]
        opacity = self.values[alpha]
        return _Stored(
            values=self.values[kept],
            mask=opacity if self.mask is None else np.minimum(opacity, self.mask),
            nodata=tuple(self.nodata[band] for band in kept),
            scales=tuple(self.scales[band] for band in kept),
            names=tuple(self.names[band] for band in kept),
        )


def _raster(path: Path, source: Source, dataset: DatasetReader, spec: LayerSpec, max_pixels: int) -> Raster:
    check_size(source, dataset)
    _check_bands(dataset, spec)
    place = georeference(dataset)
    if place.transform is None and spec.zoom is not None:
        place = of_web_tile(str(path), spec.zoom, dataset.width, dataset.height) or place
    notes = list(place.notes)
    if len(dataset.subdatasets) > 1:
        notes.append(f"first of {len(dataset.subdatasets)} pages")
    factor = _decimation(dataset, len(spec.take) or dataset.count, max_pixels)
    if factor > 1:
        notes.append(f"read at 1:{factor}")
    with listening() as complaints:
        stored = _decoded(source, dataset, spec, factor)
    if complaints:
        notes.append(f"GDAL warns: {complaints[0]}")

    alpha = _alpha_band(dataset, spec, stored.values, notes)
    if alpha is not None:
        stored = stored.without(alpha)
    palette = dataset.colormap(1) if ColorInterp.palette in dataset.colorinterp[:1] and not spec.lut else {}
    color_table = {value: (red, green, blue) for value, (red, green, blue, _) in palette.items()}
    markers = _markers(spec, stored.nodata, palette, notes)
    if stored.values.dtype.kind == "c":
        notes.append("complex values: shown is the magnitude")

    if palette and spec.kind is LayerKind.OPTICAL:
        pixels = _expanded(stored.values[0], color_table)
        valid = unmarked(stored.values[:1], [marker[:1] for marker in markers], together=False)
        valid = None if valid is None else np.broadcast_to(valid, pixels.shape)
        color_table = {}
    else:
        judged = judge(spec, stored.values, markers, stored.scales)
        pixels, valid = judged.pixels, judged.valid
        notes.extend(judged.notes)
    if stored.mask is not None:
        valid = both(valid, np.broadcast_to(stored.mask != 0, pixels.shape))
    if spec.kind is LayerKind.OPTICAL and not spec.take:
        pixels, valid = _as_light(dataset, pixels, valid, notes)
    if spec.bands and len(spec.bands) != len(pixels):
        notes.append(f"{len(pixels)} band{'s' * (len(pixels) > 1)}, where the dataset describes {len(spec.bands)}")

    nodata = next((value for value in stored.nodata if value is not None), spec.nodata)
    return Raster(
        pixels=pixels,
        valid=_everywhere(*pixels.shape) if valid is None else valid,
        transform=place.transform,
        crs=place.crs,
        gsd=place.gsd,
        cell=place.cell,
        nodata=None if nodata is None else float(nodata),
        full_size=(int(dataset.width), int(dataset.height)),
        color_table=color_table,
        band_names=stored.names if any(stored.names) and len(stored.names) == len(pixels) else (),
        notes=tuple(notes),
    )


@lru_cache(maxsize=64)
def _everywhere(*shape: int) -> NDArray[np.bool_]:
    """A mask that says True and takes no memory, shared by all rasters of a size: making one takes 0.01 ms."""
    return np.broadcast_to(np.True_, shape)


def _check_bands(dataset: DatasetReader, spec: LayerSpec) -> None:
    """Refuses a file that has not the bands that the layer takes of it."""
    needed = max(spec.take, default=-1) + 1
    if needed > dataset.count:
        has = "1 band" if dataset.count == 1 else f"{dataset.count} bands"
        raise Refused(f"The file has {has}, and {spec.title} is its band {needed}: look where the file comes from.")


def _decimation(dataset: DatasetReader, bands: int, max_pixels: int) -> int:
    """N of 1:N: the smallest with which every limit is kept."""
    limit = max(1, min(max_pixels, MAX_BYTES // (bands * item_size(dataset))))
    factor = max(1, math.isqrt(dataset.width * dataset.height // limit))
    while math.ceil(dataset.width / factor) * math.ceil(dataset.height / factor) > limit:
        factor += 1
    return factor


def _decoded(source: Source, dataset: DatasetReader, spec: LayerSpec, factor: int) -> _Stored:
    """All bands of the layer at 1:factor.

    Decimated images are averaged. Heights and radar are picked, lest an undeclared marker be mixed into its neighbours.
    Classes are picked from the full resolution: overviews may have been averaged into classes that are not there.
    """
    if factor == 1:
        return _read(dataset, spec, {})
    how: dict[str, Any] = {"shape": (math.ceil(dataset.height / factor), math.ceil(dataset.width / factor))}
    has_overviews = bool(dataset.overviews(1))
    if spec.kind.is_categorical and has_overviews and source.driver in ("GTiff", "HFA"):
        with source.open(OVERVIEW_LEVEL="NONE") as full:
            check_size(source, full)
            return _read(full, spec, how)
    is_picture = spec.kind is LayerKind.OPTICAL and dataset.colorinterp[0] is not ColorInterp.palette
    if is_picture and (has_overviews or dataset.width * dataset.height * dataset.count <= MAX_AVERAGED):
        how["resampling"] = Resampling.average
    return _read(dataset, spec, how)


def _read(dataset: DatasetReader, spec: LayerSpec, how: Mapping[str, Any]) -> _Stored:
    """Decode; `how` holds shape (height, width) and resampling, or nothing for the full resolution."""
    bands = [band + 1 for band in spec.take] or None
    if how:
        values = dataset.read(
            bands,
            out_shape=(len(spec.take) or dataset.count, *how["shape"]),
            resampling=how.get("resampling", Resampling.nearest),
        )
    else:
        values = dataset.read(bands)
    if spec.lut:
        values = _translated(values, spec.lut)
    flags = dataset.mask_flag_enums[0]
    has_mask = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags and MaskFlags.nodata not in flags
    return _Stored(
        values=values,
        mask=dataset.read_masks(1, out_shape=how.get("shape")) if has_mask else None,
        nodata=_taken(dataset.nodatavals, spec),
        scales=_taken(_scales(dataset, spec), spec),
        names=_taken(tuple(name or "" for name in dataset.descriptions), spec),
    )


def _taken(of_bands: tuple[T, ...], spec: LayerSpec) -> tuple[T, ...]:
    """What belongs to the bands of the file that are the layer."""
    return tuple(of_bands[band] for band in spec.take) if spec.take else of_bands


def _translated(stored: NDArray[Any], lut: Sequence[int]) -> NDArray[Any]:
    """Each whole number below the length of `lut` becomes what stands in its place; others stay as they are."""
    if stored.dtype.kind not in "uif":
        return stored
    table = np.asarray(lut)
    with np.errstate(invalid="ignore"):
        known = (stored >= 0) & (stored < len(table)) & (stored == np.floor(stored))
    values = stored.astype(
        np.result_type(stored.dtype, np.min_scalar_type(table.min()), np.min_scalar_type(table.max()))
    )
    values[known] = table[stored[known].astype(np.intp)]
    return values


def _scales(dataset: DatasetReader, spec: LayerSpec) -> tuple[Scale, ...]:
    """Per band: the file's own scale, where it has one, else the dataset's. Classes are never scaled."""
    theirs = [NO_SCALE if spec.kind.is_categorical else (spec.scale, spec.offset)] * int(dataset.count)
    own = [(float(scale), float(offset)) for scale, offset in zip(dataset.scales, dataset.offsets, strict=True)]
    is_usable = all(math.isfinite(scale) and math.isfinite(offset) and scale != 0 for scale, offset in own)
    is_told = is_usable and not spec.kind.is_categorical and any(pair != NO_SCALE for pair in own)
    return tuple(own if is_told else theirs)


def _alpha_band(dataset: DatasetReader, spec: LayerSpec, values: NDArray[Any], notes: list[str]) -> int | None:
    """The band that says how opaque the others are; None where there is none.

    GDAL tags the fourth band of a plain four-band TIFF as alpha, so files of red, green, blue and infrared often have a
    false one. An alpha band of which most values are neither clear nor opaque is a picture.
    """
    interpretation = dataset.colorinterp
    if ColorInterp.alpha not in interpretation or len(values) < 2 or len(spec.bands) == len(values) or spec.take:
        return None
    alpha = list(interpretation).index(ColorInterp.alpha)
    if dataset.driver in ("GTiff", "JP2OpenJPEG", "HFA"):
        sample = values[alpha, ::4, ::4]
        if np.mean((sample > 0) & (sample < values[alpha].max())) > 0.5:
            notes.append(f"band {alpha + 1} is tagged as alpha but looks like a picture: kept as a band")
            return None
    return alpha


def _markers(
    spec: LayerSpec, nodata: Marker, palette: Mapping[int, tuple[int, int, int, int]], notes: list[str]
) -> list[Marker]:
    """What means nodata: the file's marker, the clear colours of a palette, the dataset's marker.

    A class that the dataset describes, and the "no change" of a mask, stay data although a file calls them nodata.
    """
    clear = [(float(value),) * len(nodata) for value, color in palette.items() if color[3] == 0]
    markers: list[Marker] = []
    for marker in dict.fromkeys((tuple(nodata), *clear)):
        meaning = next((name for value, name in _meanings(spec).items() if value in marker), None)
        if meaning is not None:
            notes.append(f'the file calls "{meaning}" nodata: kept as data')
        elif any(value is not None for value in marker):
            markers.append(marker)
    if spec.nodata is not None and any(value != spec.nodata for value in nodata):
        markers.append((float(spec.nodata),) * len(nodata))
    return markers


def _meanings(spec: LayerSpec) -> dict[int, str]:
    """Class values that are data, with their names."""
    if spec.kind is LayerKind.MASK and not spec.classes:
        return {0: "no change"}
    return {label.value: label.name for label in spec.classes if not label.void} if spec.kind.is_categorical else {}


def _expanded(indices: NDArray[Any], colors: Mapping[int, tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Palette indices -> (3, height, width). An index without a colour is black."""
    table = np.zeros((max(int(indices.max()), *colors) + 1, 3), np.uint8)
    table[list(colors)] = list(colors.values())
    return np.ascontiguousarray(np.moveaxis(table[indices], -1, 0))


def _as_light(
    dataset: DatasetReader, pixels: NDArray[Any], valid: NDArray[np.bool_] | None, notes: list[str]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """What is special about an image: ink becomes light, and a single band of decimals may be no image at all."""
    interpretation: Sequence[ColorInterp] = dataset.colorinterp
    if tuple(interpretation[:4]) == _INKS and pixels.dtype.kind == "u":
        notes.append("CMYK, shown as RGB")
        full = np.float32(np.iinfo(pixels.dtype).max)
        light = (full - pixels[:3]) * ((full - pixels[3]) / full)
        return light.astype(pixels.dtype), None if valid is None else np.broadcast_to(
            valid[:4].all(axis=0), light.shape
        )
    if ColorInterp.alpha in interpretation and dataset.photometric is PhotometricInterp.cmyk:
        notes.append("CMYK, shown as RGB")
    if len(pixels) == 1 and pixels.dtype.kind == "f":
        notes.append("one band of decimal numbers: heights, perhaps, under the name of an image")
    return pixels, valid
