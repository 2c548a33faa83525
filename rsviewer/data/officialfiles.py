"""Predictions in the form that the evaluation of a model's publishers reads, written beside those of the program.

DFC2020: a GeoTIFF of one band a tile, uint8, the codes of the contest (1 to 10, 0 where nothing was predicted), named like the
image with "dfc" in the place of "s2", all in one folder: ROIs0000_test_dfc_0_p609.tif.

Marigold-RS: a PNG of 16 bits a tile, relative heights of 0..1 times 65535, named like the tile with _pred at the end, in the
folder depth_bw: tile_12_pred.png. The area stands before it where tiles have one, since numbers repeat.
"""

import re
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from rsviewer.core.model import ModelCard
from rsviewer.core.prediction import HEIGHT, LABELS, Prediction
from rsviewer.core.tile import TileId
from rsviewer.data.filenames import path_of
from rsviewer.data.geotiff import geotiff, transform_of
from rsviewer.data.pngfile import png

_SEN12MS_TILE = re.compile(r"(ROIs\d{1,9}_[a-z]{1,20})/(\d{1,9})/p(\d{1,9})")


class OfficialFiles(Protocol):
    """One file a tile, in a folder of its own."""

    folder: str
    """Name of the folder."""

    def name(self, tile: TileId) -> str:
        """Name of a tile's file, without folders; empty for a tile that has none."""

    def content(self, prediction: Prediction) -> bytes:
        """Of its file."""


class _Dfc2020:
    folder = "dfc2020"

    def name(self, tile: TileId) -> str:
        found = _SEN12MS_TILE.fullmatch(tile)
        return f"{found[1]}_dfc_{found[2]}_p{found[3]}.tif" if found else ""

    def content(self, prediction: Prediction) -> bytes:
        raster = prediction.rasters[LABELS]
        codes = np.where(raster.valid, raster.pixels, 0).astype(np.uint8)
        return geotiff(codes, transform=transform_of(raster), crs=raster.crs)


class _MarigoldRs:
    folder = "depth_bw"

    def name(self, tile: TileId) -> str:
        parts = path_of(Path(), tile, "png").parts
        return f"{'-'.join(parts).removesuffix('.png')}_pred.png"

    def content(self, prediction: Prediction) -> bytes:
        raster = prediction.rasters[HEIGHT]
        heights = np.where(raster.valid, np.clip(raster.pixels, 0.0, 1.0), 0.0)
        return png(np.rint(heights * 65535.0).astype(np.uint16))


OFFICIAL: Final[dict[str, OfficialFiles]] = {"dfc2020": _Dfc2020(), "marigold_rs": _MarigoldRs()}
"""Family -> its files."""


def official_files(card: ModelCard) -> OfficialFiles | None:
    """Those of a card's family; None where there are none."""
    return OFFICIAL.get(card.family)
