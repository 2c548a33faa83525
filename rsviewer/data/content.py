"""Reads one layer of one tile, whatever kind it is."""

import os
import stat
from pathlib import Path

from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Missing, Text, Unreadable
from rsviewer.data.catalogue import tile_name
from rsviewer.data.raster import read_raster

TEXT_BYTES = 64 * 1024
"""So much of a caption or prompt is shown; the rest is not read."""


def read_content(path: str, spec: LayerSpec) -> LayerContent:
    """The content of a layer's file. A bad file is a value, never an exception. Safe from any thread."""
    if spec.kind is LayerKind.TEXT:
        return _read_text(path)
    return read_raster(Path(path), spec)


def _read_text(path: str) -> Text | Unreadable | Missing:
    shown = tile_name(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe, when opened, would never end
            return Unreadable(shown, "A folder or device, not a text: put the text itself there.")
        with Path(path).open("rb") as file:
            raw = file.read(TEXT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return Missing(f"No file {shown}.")
    except OSError as error:
        return Unreadable(shown, f"The text cannot be read: {error.strerror}.")
    return Text(raw.decode("utf-8-sig", "replace").strip())
