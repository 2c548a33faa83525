"""Pictures as PNG."""

from pathlib import Path

import numpy as np

from rsviewer.core.render import Pixels
from rsviewer.data.saving import saving

_LARGE = 16_000_000
"""Pixels from which saving takes seconds: then speed counts more than the last tenth of the size."""


def write_png(path: Path, pixels: Pixels, *, transparent: bool = False, overwrite: bool = False) -> None:
    """Writes a picture. Whole or not at all.

    Args:
        path: any name.
        pixels: (height, width) 0xAARRGGBB, not premultiplied.
        transparent: keep the alpha; else everything is opaque.
        overwrite: replace what is there.

    Raises:
        SaveError: the file cannot be written, or is there already.
    """
    from PIL import Image  # when something is saved, not before

    height, width = pixels.shape
    stored = np.ascontiguousarray(pixels, "<u4")
    with saving(path, overwrite=overwrite) as partial:
        mode, raw = ("RGBA", "BGRA") if transparent else ("RGB", "BGRX")
        picture = Image.frombuffer(mode, (width, height), stored, "raw", raw, 0, 1)
        picture.save(partial, "PNG", compress_level=3 if stored.size > _LARGE else 6)
