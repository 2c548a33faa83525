"""Several files as the bands of one raster, and parts of rasters: what `data.address` calls "bands:" and "part:"."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.tile import LayerSpec, Missing, Raster, Transform, Unreadable
from rsviewer.data.address import Window, taken_apart
from rsviewer.data.catalogue import tile_name
from rsviewer.data.raster import MAX_BYTES, MAX_PIXELS, read_raster
from rsviewer.data.tree import Tree

MOST_BANDS = 1000
"""Nothing has more bands than this; imaging spectrometers have some hundreds."""

_BYTES_OF_A_VALUE = 4


def read_stacked(address: str, spec: LayerSpec, tree: Tree) -> Raster | Unreadable | Missing:
    """The bands of several files on the grid of the largest, or a part of a raster, or both. Safe from any thread.

    Bands of fewer pixels are repeated (nearest), as the datasets' own loaders do, and notes say which, and which of them do
    not fit a whole number of times. A band whose file is missing or unreadable is invalid everywhere, and notes say so; where
    all are, the result is that of the first. A part is cut from the file, not resampled, and keeps its place on the map.

    Args:
        address: see `data.address`; not a mere path.
        spec: what the documentation says about the layer; `spec.bands` names the files of "bands:".
        tree: where the files are.
    """
    try:
        paths, window = taken_apart(address)
    except ValueError:
        return Unreadable(tile_name(address), "This is no address of a part: rebuild the index of the dataset.")
    if not any(paths):
        return Missing(f"This tile has no file for {spec.title}.")
    if len(paths) > MOST_BANDS:
        return Unreadable(tile_name(address), f"{len(paths)} files as bands of one layer are more than {MOST_BANDS}.")
    whole = read_raster(Path(paths[0]), spec, tree) if len(paths) == 1 else _stacked(paths, spec, tree)
    return _part(whole, window) if window and isinstance(whole, Raster) else whole


def _stacked(paths: Sequence[str], spec: LayerSpec, tree: Tree) -> Raster | Unreadable | Missing:
    alone = replace(spec, bands=(), take=(), display_bands=(), combinations=())
    most = max(1, min(MAX_PIXELS, MAX_BYTES // (len(paths) * _BYTES_OF_A_VALUE)))
    read = [read_raster(Path(path), alone, tree, max_pixels=most) if path else None for path in paths]
    found = [content for content in read if isinstance(content, Raster)]
    if not found:
        return next(content for content in read if content is not None and not isinstance(content, Raster))

    largest = max(found, key=lambda raster: raster.full_size[0] * raster.full_size[1])
    shape = (largest.height, largest.width)
    pixels = np.zeros((len(read), *shape), np.result_type(*(raster.pixels.dtype for raster in found)))
    valid = np.zeros(pixels.shape, np.bool_)
    names = spec.bands if len(spec.bands) == len(paths) else tuple(f"band {row}" for row in range(1, len(paths) + 1))
    notes = _Notes()
    for row, (name, content) in enumerate(zip(names, read, strict=True)):
        if isinstance(content, Raster):
            notes.add(name, content, largest)
            pixels[row] = _on_grid(content.pixels[0], shape)
            valid[row] = _on_grid(content.valid[0], shape)
        elif isinstance(content, Unreadable):
            notes.of_one.append(f"{name} cannot be read: {content.reason}")
        else:
            notes.absent.append(name)
    is_whole = bool(valid.all())
    return replace(
        largest,
        pixels=pixels,
        valid=np.broadcast_to(np.True_, pixels.shape) if is_whole else valid,
        color_table={},
        band_names=names,
        notes=notes.sentences(),
    )


class _Notes:
    """What there is to say about the bands of a stack: the same remark about several is made once."""

    def __init__(self) -> None:
        self.absent: list[str] = []
        self.of_one: list[str] = []
        self._repeated: dict[str, list[str]] = {}
        self._said: dict[str, list[str]] = {}

    def add(self, name: str, band: Raster, largest: Raster) -> None:
        """Remarks on a band that could be read."""
        if band.bands > 1:
            self.of_one.append(f"{name} has {band.bands} bands: shown is the first")
        if band.full_size != largest.full_size:
            (width, height), (across, down) = band.full_size, largest.full_size
            fits = across % width == 0 and down % height == 0 and across // width == down // height
            how = f"repeated {across // width} times" if fits else "stretched, for its pixels do not fit"
            self._repeated.setdefault(f"{width} x {height} pixels, {how}", []).append(name)
        for note in band.notes:
            self._said.setdefault(note, []).append(name)

    def sentences(self) -> tuple[str, ...]:
        """All of it."""
        return (
            *([f"no file of {', '.join(self.absent)}"] if self.absent else []),
            *self.of_one,
            *(f"{', '.join(names)}: {what}" for what, names in self._repeated.items()),
            *(f"{', '.join(names)}: {note}" for note, names in self._said.items()),
        )


def _on_grid(band: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """The nearest values of a band on a grid of other size over the same ground."""
    if band.shape == shape:
        return band
    rows, columns = (np.arange(new) * old // new for new, old in zip(shape, band.shape, strict=True))
    stretched: NDArray[Any] = band[rows[:, None], columns]
    return stretched


def _part(raster: Raster, window: Window) -> Raster | Unreadable:
    if window.of < 1 or window.left + window.width > window.of or window.top + window.height > window.of:
        return Unreadable("", f"There is no such part: it lies outside of {window.of} x {window.of}.")
    columns = _span(window.left, window.width, window.of, raster.width)
    rows = _span(window.top, window.height, window.of, raster.height)
    of_file = tuple(
        _span(first, size, window.of, full)
        for first, size, full in (
            (window.left, window.width, raster.full_size[0]),
            (window.top, window.height, raster.full_size[1]),
        )
    )
    everywhere = 0 in raster.valid.strides
    pixels = raster.pixels[:, rows, columns].copy()
    return replace(
        raster,
        pixels=pixels,
        valid=np.broadcast_to(np.True_, pixels.shape) if everywhere else raster.valid[:, rows, columns].copy(),
        transform=_moved(raster.transform, of_file[0].start, of_file[1].start),
        full_size=(of_file[0].stop - of_file[0].start, of_file[1].stop - of_file[1].start),
    )


def _span(first: int, size: int, of: int, pixels: int) -> slice:
    """The pixels of a part along one axis, at least one: a small image may have fewer than there are parts."""
    start = min(first * pixels // of, pixels - 1)
    return slice(start, max(start + 1, (first + size) * pixels // of))


def _moved(transform: Transform | None, columns: int, rows: int) -> Transform | None:
    if transform is None:
        return None
    a, b, c, d, e, f = transform
    return (a, b, c + a * columns + b * rows, d, e, f + d * columns + e * rows)
