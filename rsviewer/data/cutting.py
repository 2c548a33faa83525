"""Windows of large rasters on one grid: read part by part, from several files, of any resolution and CRS.

Decided here, with reasons:

- What is nodata is settled before anything is resampled, as for a tile that is shown (`data.validity`): NaN, infinity, markers,
  masks and alpha become NaN, which GDAL's warper leaves out of every mean and whose weight it gives to the neighbours. Warping
  the file itself (a warped VRT) honours one declared marker only.
- A grid that differs by whole pixels is copied, not resampled: the tiles hold the very numbers of the file.
- Warped is in blocks that lie on the grid, not on the window: overlapping tiles agree to the last bit, and tiles side by side
  join. The warper interpolates places along a row of pixels, with errors up to 0.125 pixel: blocks are so small that it is a
  hundredth of one (`data.placing`).
- XSCALE and YSCALE are given: by itself the warper takes them from each block, which would show as steps.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject

from rsviewer.core.errors import LayerError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.core.tiling import Box, Grid, Shift, Window, after, inverse, moved_by
from rsviewer.data.openfiles import OpenFiles
from rsviewer.data.placing import Placed, mesh, on_file, sane_crs
from rsviewer.data.sourcefile import SourceFile
from rsviewer.data.validity import NO_SCALE, both, judge

_AT_ONCE: Final = 6_000_000
"""Values of a file that are in memory at once, as numbers of 4 or 8 bytes."""
_FEW: Final = 17
"""Places each way that will do for a rough look."""
_STEP: Final = 16
"""Pixels between places that are looked up to find the part of a file that a block needs."""
_REACH: Final = {"nearest": 1, "bilinear": 1, "cubic": 2, "average": 1, "mode": 1}
"""Pixels of a file beyond a place that count there, where it is not reduced."""
_AWAY: Final = 1000.0
"""Pixels from the origin, near which GDAL takes some transforms for none."""
_PLAIN: Final = CRS.from_epsg(3857)
"""Of both, where nothing is to be turned: the warper wants one."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What is cut: one or more files that lie side by side; where several have a pixel, the first counts.

    Attributes:
        kind: of the layer.
        title: as people know it.
        files: on the grid.
        resampling: one of GDAL's, by its name in rasterio.
    """

    kind: LayerKind
    title: str
    files: tuple[Placed, ...]
    resampling: str

    @property
    def bands(self) -> int:
        """How many the tiles have."""
        return len(self.files[0].file.bands)

    @property
    def is_copied(self) -> bool:
        """No pixel of it is resampled."""
        return all(placed.shift is not None for placed in self.files)

    @property
    def is_height(self) -> bool:
        """Stored as float32, nodata as NaN."""
        return self.kind is LayerKind.HEIGHT

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the tiles."""
        return np.dtype(np.float32 if self.is_height else self.files[0].file.dtype)

    @property
    def nodata(self) -> float | None:
        """Of the tiles; None where no value means that."""
        if self.dtype.kind == "f":
            declared = None if self.is_height else self._declared
            return math.nan if declared is None else declared
        return self._declared

    @property
    def _declared(self) -> float | None:
        """What the first file says that says something which the type of the tiles can hold."""
        values = (value for placed in self.files for value in placed.file.nodata if value is not None)
        return next((value for value in values if _fits(value, self.dtype)), None)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    bounds = np.iinfo(dtype)
    return math.isfinite(value) and value.is_integer() and bounds.min <= value <= bounds.max


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A layer of a tile.

    Attributes:
        pixels: (bands, size, size). What is not valid is `Layer.nodata`, or 0 where there is no such value.
        valid: of the same shape.
        notes: what had to be guessed.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Cutter:
    """Cuts windows. Keeps the files open that it has read from: for one thread, and for one process, to which it is pickled.

    Attributes:
        grid: on which the windows lie.
        size: of a tile, in pixels a side.
        ahead: windows to the right that will be asked for next, this one counted.
        block: pixels a side that are warped at once, where places are straight for so long. A power of two.
    """

    grid: Grid
    size: int
    ahead: int = 1
    block: int = 128
    _files: OpenFiles = field(default_factory=OpenFiles, repr=False, compare=False)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.grid, self.size, self.ahead, self.block

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.grid, self.size, self.ahead, self.block = state
        self._files = OpenFiles()

    def close(self) -> None:
        """Closes all files."""
        self._files.close()

    def cut(self, layer: Layer, window: Window) -> Cut:
        """A layer of a tile. Raises LayerError where a file cannot be read."""
        shape = (layer.bands, self.size, self.size)
        pixels = np.zeros(shape, layer.dtype)
        valid = np.zeros(shape, np.bool_)
        notes: list[str] = []
        box = Box(window.left, window.top, window.left + window.width, window.top + window.height)
        for placed in layer.files:
            if not placed.box.meets(box):
                continue
            inside = (slice(None), slice(0, window.height), slice(0, window.width))
            found, usable = self._found(layer, placed, window, notes)
            fresh = usable & ~valid[inside]
            np.copyto(pixels[inside], found, where=fresh, casting="unsafe")
            valid[inside] |= usable
            if valid[inside].all():
                break
        if layer.nodata is not None:
            pixels[~valid] = layer.nodata
        return Cut(pixels, valid, tuple(dict.fromkeys(notes)))

    def _found(
        self, layer: Layer, placed: Placed, window: Window, notes: list[str]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """What one file has of a window: (bands, height, width), and where it is valid."""
        if placed.shift is not None:
            return self._copied(layer, placed, window, placed.shift, notes)
        return _stored(layer, self._warped(layer, placed, window, notes))

    def _copied(
        self, layer: Layer, placed: Placed, window: Window, shift: Shift, notes: list[str]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        file = placed.file
        left, top = window.left + shift.columns, window.top + shift.rows
        wanted = Box(left, top, left + window.width, top + window.height)
        part = wanted.within(file.box)
        shape = (layer.bands, window.height, window.width)
        pixels, valid = np.zeros(shape, layer.dtype), np.zeros(shape, np.bool_)
        if part.is_empty:
            return pixels, valid

        def ahead() -> Box:
            return Box(left, top, left + self.size * self.ahead, part.bottom).within(file.box)

        found, usable = self._read(layer, file, part, notes, ahead=ahead)
        place = (
            slice(None),
            slice(int(part.top - top), int(part.bottom - top)),
            slice(int(part.left - left), int(part.right - left)),
        )
        with np.errstate(over="ignore", invalid="ignore"):
            pixels[place] = found
        valid[place] = usable
        return pixels, valid

    def _warped(self, layer: Layer, placed: Placed, window: Window, notes: list[str]) -> NDArray[Any]:
        """(bands, height, width) as decimals, NaN where there is nothing."""
        side = _block_side(layer, placed, self.size, self.block)
        work = _work_type(layer)
        result = np.full((layer.bands, window.height, window.width), np.nan, work)
        first = window.left // side, window.top // side
        last = -(-(window.left + window.width) // side), -(-(window.top + window.height) // side)
        blocks = (*first, *last)
        factor = _overview(layer, placed)
        level = 1.0 if factor is None else float(placed.file.overviews[factor])

        def ahead() -> Box | None:
            right = min(self.grid.width, window.left + self.size * self.ahead)
            run = Box(first[0] * side, first[1] * side, -(-right // side) * side, last[1] * side)
            return _needed(self.grid, placed, layer.resampling, run, _FEW)

        for patch, part in self._patches(layer, placed, blocks, side, level):
            if part is None:
                continue
            is_whole = patch == blocks and factor is None
            found, usable = self._read(layer, placed.file, part, notes, factor, ahead if is_whole else None)
            with np.errstate(over="ignore", invalid="ignore"):  # what is too large for heights is not valid
                values = found.astype(work)
            values[~usable] = np.nan
            for row in range(patch[1], patch[3]):
                for column in range(patch[0], patch[2]):
                    block = self._block(layer, placed, values, part, level, (column * side, row * side, side))
                    _paste(result, block, column * side - window.left, row * side - window.top)
        return result

    def _patches(
        self, layer: Layer, placed: Placed, blocks: tuple[int, int, int, int], side: int, level: float
    ) -> Iterator[tuple[tuple[int, int, int, int], Box | None]]:
        """Blocks (first column and row, last column and row) that are read together, and the part of the file they need.

        `level` says how many times smaller the overview is that is read.
        """
        left, top, right, bottom = blocks
        box = Box(left * side, top * side, right * side, bottom * side)
        part = _needed(self.grid, placed, layer.resampling, box, level=level)
        is_one = (right - left, bottom - top) == (1, 1)
        if part is None or part.size * layer.bands <= _AT_ONCE or is_one:
            yield blocks, part
            return
        # Rows first: where blocks of the file are strips, a part that is half as wide decodes as much.
        if bottom - top > 1:
            middle = (top + bottom) // 2
            halves = (left, top, right, middle), (left, middle, right, bottom)
        else:
            middle = (left + right) // 2
            halves = (left, top, middle, bottom), (middle, top, right, bottom)
        for half in halves:
            yield from self._patches(layer, placed, half, side, level)

    def _block(
        self, layer: Layer, placed: Placed, values: NDArray[Any], part: Box, level: float, place: tuple[int, int, int]
    ) -> NDArray[Any]:
        """A block of the grid, at (column, row) with a side, from the values of a part of a file."""
        left, top, side = place
        target = np.full((len(values), side, side), np.nan, values.dtype)
        box = Box(left, top, left + side, top + side)
        needed = _needed(self.grid, placed, layer.resampling, box, level=level)
        needed = None if needed is None else needed.within(part)
        if needed is None or needed.is_empty:
            return target
        values = values[
            :,
            int(needed.top - part.top) : int(needed.bottom - part.top),
            int(needed.left - part.left) : int(needed.right - part.left),
        ]
        frames = _frames(self.grid, placed.file, needed, level, (left, top))
        missing = np.isnan(values)
        together = slice(0, len(values))
        bands = [slice(band, band + 1) for band in range(len(values))]
        for band in [together] if (missing == missing[:1]).all() else bands:
            try:
                _resample(np.ascontiguousarray(values[band]), target[band], frames, layer, placed, level)
            except (RasterioError, CPLE_BaseError) as error:
                raise LayerError(f"{layer.title} cannot be brought to the CRS of the tiles ({error}).") from error
        return target

    def _read(
        self,
        layer: Layer,
        file: SourceFile,
        part: Box,
        notes: list[str],
        overview: int | None = None,
        ahead: Callable[[], Box | None] | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Pixels of a file, and which of them are data. Arguments as in `OpenFiles.read`."""
        try:
            stored = self._files.read(file, part, overview, ahead if self.ahead > 1 else None)
        except LayerError as error:
            raise LayerError(f"{layer.title}: {error}") from error
        values = stored.values
        is_marked = any(value is not None for value in file.nodata)
        judged = judge(
            LayerSpec(LayerId("cut"), layer.kind, layer.title, unit=file.unit or "m" if layer.is_height else ""),
            values,
            [file.nodata] if is_marked else [],
            file.scales if layer.is_height else (NO_SCALE,) * len(file.bands),
        )
        valid = judged.valid
        if stored.mask is not None:
            valid = both(valid, np.broadcast_to(stored.mask != 0, values.shape))
        notes += [re.sub(r" \([^)]*\)", "", f"{layer.title}: {note}") for note in judged.notes]
        return judged.pixels, np.broadcast_to(np.True_, values.shape) if valid is None else valid


def _stored(layer: Layer, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Warped values in the type of the tiles, and which are valid. None of those has the number that means nodata."""
    valid = np.isfinite(values)
    dtype = layer.dtype
    if dtype.kind == "f":
        pixels = values.astype(dtype)
        if not layer.is_height and layer.nodata is not None:
            pixels[valid & (pixels == layer.nodata)] = np.nextafter(dtype.type(layer.nodata), dtype.type(np.inf))
        return pixels, valid
    bounds = np.iinfo(dtype)
    limit = np.nextafter(float(bounds.max), 0) if dtype.itemsize > 4 else float(bounds.max)
    pixels = np.clip(np.rint(np.where(valid, values, 0)), bounds.min, limit).astype(dtype)
    if layer.nodata is not None and not layer.kind.is_categorical:
        marked = valid & (pixels == dtype.type(layer.nodata)).all(axis=0)
        pixels[marked] = int(layer.nodata) + (1 if layer.nodata < bounds.max else -1)
    return pixels, valid


def _work_type(layer: Layer) -> type[np.floating[Any]]:
    """What it is warped as: decimals that keep all its values apart."""
    stored = np.dtype(layer.files[0].file.dtype)
    is_wide = stored == np.float64 or (stored.kind in "iu" and stored.itemsize > 2)
    return np.float64 if is_wide and not layer.is_height else np.float32


def _block_side(layer: Layer, placed: Placed, size: int, most: int) -> int:
    """Pixels of the grid a side that are warped at once: a power of two, fewer where the file is far finer.

    Of a striped file a row of blocks across the whole tile is read at once.
    """
    side = min(most, placed.straight)
    across, down = (max(1.0, reduced) for reduced in placed.reduced)
    while side > 1 and side * down * (size if placed.file.is_striped else side) * across * layer.bands > _AT_ONCE:
        side //= 2
    return side


def _overview(layer: Layer, placed: Placed) -> int | None:
    """Which overview of an image is read where it becomes far smaller: one that is still twice as fine as the tiles."""
    if layer.kind is not LayerKind.OPTICAL or layer.resampling != "average":
        return None
    fine = [index for index, factor in enumerate(placed.file.overviews) if 1 < factor <= min(placed.reduced) / 2]
    return max(fine, key=lambda index: placed.file.overviews[index], default=None)


def _needed(grid: Grid, placed: Placed, resampling: str, box: Box, count: int = 0, *, level: float = 1.0) -> Box | None:
    """The pixels of a file, or of its overview that is `level` times smaller, that count in a part of the grid.

    None where there are none. `count` places each way are looked up; 0 takes enough not to miss a bend.
    """
    file = placed.file
    count = count or max(3, int(max(box.right - box.left, box.bottom - box.top)) // _STEP + 1)
    columns, rows = mesh(box, count)
    across, down = on_file(grid, file, columns, rows)
    there = np.isfinite(across) & np.isfinite(down)
    if not there.any():
        return None
    across, down = across[there] / level, down[there] / level
    reach = [_REACH[resampling] * max(1.0, reduced / level) + 2.0 for reduced in placed.reduced]
    part = Box(
        math.floor(across.min() - reach[0]),
        math.floor(down.min() - reach[1]),
        math.ceil(across.max() + reach[0]),
        math.ceil(down.max() + reach[1]),
    ).within(Box(0, 0, math.ceil(file.width / level), math.ceil(file.height / level)))
    return None if part.is_empty else part


_Frames: TypeAlias = tuple[Affine, Affine, CRS, CRS]
"""Transform of a part of a file, of a block of the grid, CRS of the one and of the other."""


def _resample(
    values: NDArray[Any], target: NDArray[Any], frames: _Frames, layer: Layer, placed: Placed, level: float
) -> None:
    """Puts values on a block of the grid. All bands have NaN in the same places.

    Told apart by band, the warper would fill a pixel of the one from its neighbours, of the other not.
    """
    source, goal, crs, goal_crs = frames
    scales = {
        name: str(1.0 if abs(reduced / level - 1) < 0.05 else level / reduced)
        for name, reduced in zip(("XSCALE", "YSCALE"), placed.reduced, strict=True)
    }
    reproject(
        values,
        target,
        src_transform=source,
        src_crs=crs,
        dst_transform=goal,
        dst_crs=goal_crs,
        src_nodata=math.nan,
        dst_nodata=math.nan,
        resampling=Resampling[layer.resampling],
        **scales,
    )


def _frames(grid: Grid, file: SourceFile, part: Box, level: float, start: tuple[int, int]) -> _Frames:
    """Transforms and CRS of a part of a file and of a block of the grid, for the warper.

    Within one CRS both are given in pixels of the grid: large coordinates would cost digits, and GDAL takes some transforms
    near the origin for none.
    """
    if grid.transform is None or file.grid.transform is None:
        raise AssertionError("without a georeference nothing is warped")
    across, down = (full / math.ceil(full / level) for full in (file.width, file.height))
    own = after(file.grid.transform, (across, 0.0, part.left * across, 0.0, down, part.top * down))
    goal = moved_by(grid.transform, *start)
    if grid.crs == file.grid.crs:
        upright = (1.0, 0.0, _AWAY, 0.0, -1.0, _AWAY)
        return Affine(*after(upright, after(inverse(goal), own))), Affine(*upright), _PLAIN, _PLAIN
    return Affine(*own), Affine(*goal), sane_crs(file.grid.crs), sane_crs(grid.crs)


def _paste(target: NDArray[Any], block: NDArray[Any], left: int, top: int) -> None:
    """Puts a block where it belongs, as far as that lies on the target."""
    _, height, width = target.shape
    side = block.shape[1]
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    target[:, rows, columns] = block[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
