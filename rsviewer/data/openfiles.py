"""Large rasters that stay open while part after part is read from them."""

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window as Part

from rsviewer.core.errors import LayerError
from rsviewer.core.tiling import Box
from rsviewer.data.catalogue import place_name
from rsviewer.data.rasterfile import Refused, in_words, source_at
from rsviewer.data.sourcefile import SourceFile

_OPEN: Final = 24
"""Files that are kept open: a mosaic may have thousands."""
_RUNS: Final = 3
"""Runs that are kept: one for each of the layers that usually come together."""
_MOST_AHEAD: Final = 24 << 20
"""Bytes of a run."""
_SMALLEST: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A part of a file as it is stored.

    Attributes:
        values: (bands, height, width).
        mask: (height, width), 0 where the file calls a pixel transparent or masked; None where it does not.
    """

    values: NDArray[Any]
    mask: NDArray[Any] | None

    def part(self, rows: slice, columns: slice) -> "Stored":
        """Some of its pixels."""
        return Stored(self.values[:, rows, columns], None if self.mask is None else self.mask[rows, columns])


@dataclass(slots=True)
class OpenFiles:
    """For one thread.

    GDAL keeps decoded blocks only while a file is open. Where these are strips across the whole file, one window decodes as
    much as a row of them: then what the next windows will ask for is kept, too, so that GDAL need not keep the strips.
    """

    _open: "dict[tuple[Path, int | None], _Opened]" = field(default_factory=dict)
    _runs: dict[tuple[Path, int | None], tuple[Box, Stored]] = field(default_factory=dict)

    def close(self) -> None:
        """Closes all."""
        self._runs.clear()
        while self._open:
            self._open.popitem()[1].close()

    def read(
        self, file: SourceFile, part: Box, overview: int | None = None, ahead: Callable[[], Box | None] | None = None
    ) -> Stored:
        """A part of a file.

        Args:
            file: of which.
            part: in pixels of the file, or of its overview; it lies on it.
            overview: its number; None for the file itself.
            ahead: says what will be asked for with the next windows.

        Raises:
            LayerError: it cannot be read.
        """
        try:
            with in_words(file.path):
                if ahead is None or not file.is_striped:
                    return self._read(file, part, overview)
                return self._from_run(file, part, overview, ahead)
        except Refused as refusal:
            raise LayerError(f"{place_name(file.path)}: {refusal}") from refusal

    def _from_run(self, file: SourceFile, part: Box, overview: int | None, ahead: Callable[[], Box | None]) -> Stored:
        key = (file.path, overview)
        box, stored = self._runs.get(key, (Box(0, 0, 0, 0), None))
        if stored is None or box.around(part) != box:
            box = _affordable(file, part, ahead())
            self._runs.pop(key, None)
            while len(self._runs) >= _RUNS:
                self._runs.pop(next(iter(self._runs)))
            stored = self._read(file, box, overview)
            self._runs[key] = (box, stored)
        return stored.part(
            slice(int(part.top - box.top), int(part.bottom - box.top)),
            slice(int(part.left - box.left), int(part.right - box.left)),
        )

    def _read(self, file: SourceFile, part: Box, overview: int | None) -> Stored:
        window = Part(part.left, part.top, part.right - part.left, part.bottom - part.top)
        dataset = self._dataset(file, overview)
        mask = None
        if file.alpha:
            mask = dataset.read(file.alpha, window=window)
        elif file.has_mask:
            mask = dataset.read_masks(file.bands[0], window=window)
        return Stored(dataset.read(list(file.bands), window=window), mask)

    def _dataset(self, file: SourceFile, overview: int | None) -> DatasetReader:
        """Open, for as long as not too many others are."""
        key = (file.path, overview)
        opened = self._open.pop(key, None)
        if opened is None:
            while len(self._open) >= _OPEN:
                self._open.pop(next(iter(self._open))).close()
            opened = _Opened(file, overview)
        self._open[key] = opened  # the last one is closed last
        return opened.dataset


def _affordable(file: SourceFile, part: Box, ahead: Box | None) -> Box:
    """A part and as much of what comes next as memory is to be had for."""
    if ahead is None:
        return part
    run = part.around(ahead)
    most = _MOST_AHEAD // (len(file.bands) * np.dtype(file.dtype).itemsize)
    share = 1.0
    while run.size > max(most, part.size) and share > _SMALLEST:
        share /= 2
        run = part.around(part.towards(ahead, share))
    return run if run.size <= most else part


class _Opened:
    """A file, opened."""

    def __init__(self, file: SourceFile, overview: int | None) -> None:
        options = {} if overview is None else {"OVERVIEW_LEVEL": str(overview)}
        with ExitStack() as stack:
            source = stack.enter_context(source_at(file.path))
            self.dataset = stack.enter_context(contextlib.closing(source.open(**options)))
            if overview is None and (self.dataset.width, self.dataset.height) != (file.width, file.height):
                raise Refused("The file was changed while it was being cut.")
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()
