"""Reads one layer of one tile, whatever kind it is."""

from pathlib import Path

from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Missing, Text, Unreadable
from rsviewer.data.raster import read_raster

TEXT_BYTES = 64 * 1024
"""So much of a caption or prompt is shown; the rest is not read."""


def read_content(path: str, spec: LayerSpec) -> LayerContent:
    """The content of a layer's file. A bad file is a value, never an exception. Safe from any thread."""
    if spec.kind is LayerKind.TEXT:
        return _read_text(path)
    return read_raster(Path(path), spec)


def _read_text(path: str) -> Text | Unreadable | Missing:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(TEXT_BYTES)
    except FileNotFoundError:
        return Missing(f"There is no file {Path(path).name}.")
    except OSError as error:
        return Unreadable(path, f"The text cannot be read: {error.strerror}.")
    return Text(raw.decode("utf-8-sig", "replace").strip())
