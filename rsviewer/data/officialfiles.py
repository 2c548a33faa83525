"""Predictions in the form that the evaluation of a model's publishers reads, written beside those of the program.

DFC2020: a GeoTIFF of one band a tile, uint8, the codes of the contest (1 to 10, 0 where nothing was predicted), named like the
image with "dfc" in the place of "s2", all in one folder: ROIs0000_test_dfc_0_p609.tif.

Marigold-RS: a PNG of 16 bits a tile, relative heights of 0..1 times 65535, named like the tile with _pred at the end, in the
folder depth_bw: tile_12_pred.png. The area stands before it where tiles have one, since numbers repeat.

Satlas: labels as SatlasPretrain has them, for tiles of its grid: static/<column>_<row>/land_cover.png and the like (of an event
dynamic/<column>_<row>/<event>/water.png), bytes in which quantities are scaled as there; objects of at least USUAL_SCORE in
vector.json, in 8192 units a tile, points where the dataset has points; smoke and snow there too, as a polygon around the tile.
Roads, railways and rivers as the labels that the authors make of them for training, in the order of bits that these have:
lowres/polyline_bin_segment/<column>_<row>_0_0/gt.png, with the event before the zeros where there is one.
"""

import json
import re
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.boxes import drawn
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind
from rsviewer.core.prediction import HEIGHT, LABELS, QUANTITY, Prediction
from rsviewer.core.satlasfile import DRAWN_LINES
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
        """Name of a tile's file, with the folders that it lies in; empty for a tile that has none."""

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


_SATLAS_TILE = re.compile(r"(\d{1,6}_\d{1,6})(?:/([A-Za-z0-9_]{1,100}))?")
_SATLAS_FILES: Final = {
    **{name: f"{name}.png" for name in ("land_cover", "crop_type", "tree_cover", "dem", "cloud", "wildfire")},
    "flood": "water.png",
    **dict.fromkeys(("point", "polygon", "vessel", "rooftop_solar_panel", "building"), "vector.json"),
    **dict.fromkeys(("wind_turbine", "marine", "smoke", "snow"), "vector.json"),
}
"""Output -> its file; the others have none there."""
_SATLAS_LINES: Final = "polyline_bin_segment"
_SATLAS_UNITS: Final = 8192
_SATLAS_OUTLINED: Final = ("polygon", "building")
_SATLAS_KEYS: Final = {"building": "ms_building"}
"""Class -> its key in vector.json, where that is not its name."""


class _Satlas:
    folder = "satlas"

    def __init__(self, output: ModelOutput) -> None:
        self._output = output

    def name(self, tile: TileId) -> str:
        found = _SATLAS_TILE.fullmatch(tile)
        file = _SATLAS_FILES.get(self._output.name)
        if found is not None and self._output.name == _SATLAS_LINES:
            return f"lowres/{_SATLAS_LINES}/{'_'.join(filter(None, found.groups()))}_0_0/gt.png"
        if found is None or file is None:
            return ""
        return f"dynamic/{found[1]}/{found[2]}/{file}" if found[2] else f"static/{found[1]}/{file}"

    def content(self, prediction: Prediction) -> bytes:
        if self._output.kind is OutputKind.BOXES:
            return json.dumps(self._vector(prediction)).encode("ascii")
        if self._output.kind is OutputKind.SCENE:
            return json.dumps(self._whole(prediction)).encode("ascii")
        raster = prediction.rasters[LABELS if self._output.kind is OutputKind.LABELS else QUANTITY]
        values = raster.pixels
        if self._output.kind is OutputKind.QUANTITY:
            values = np.rint((np.nan_to_num(values) - self._output.offset) / self._output.scale).clip(0, 255)
        if self._output.name == _SATLAS_LINES:
            values = _bits(values, self._output)
        return png(np.where(raster.valid, values, 0).astype(np.uint8))

    def _vector(self, prediction: Prediction) -> dict[str, list[Any]]:
        """Features by category; a category that was looked for and not found has none."""
        classes = [one for one in self._output.classes if not one.void]
        keys = {one.name: _SATLAS_KEYS.get(one.name, one.name.replace(" ", "_")) for one in classes}
        found: dict[str, list[Any]] = {key: [] for key in keys.values()}
        if prediction.boxes is None:
            return found
        vector = drawn(prediction.boxes, classes)
        scale = _SATLAS_UNITS / np.array(vector.extent)
        for feature in vector.features:
            ring = (feature.rings[0] * scale).round(1)
            middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
            outlined = self._output.name in _SATLAS_OUTLINED
            geometry = (
                {"Type": "polygon", "Polygon": [ring.tolist()]}
                if outlined
                else {"Type": "point", "Point": middle.tolist()}
            )
            found[keys[feature.category]].append({"Geometry": geometry, "Properties": dict(feature.properties)})
        return found

    def _whole(self, prediction: Prediction) -> dict[str, list[Any]]:
        """The likeliest class as the property of a feature of the whole tile."""
        value = next(one.value for one in self._output.classes if one.name == prediction.scores[0].name)
        ring = [[0, 0], [_SATLAS_UNITS, 0], [_SATLAS_UNITS, _SATLAS_UNITS], [0, _SATLAS_UNITS]]
        geometry = {"Type": "polygon", "Polygon": [ring]}
        return {self._output.name: [{"Geometry": geometry, "Properties": {self._output.name: value}}]}


def _bits(labels: NDArray[Any], output: ModelOutput) -> NDArray[np.uint8]:
    """Of each pixel the bit of its line; 0 where there is none."""
    bits = np.zeros(labels.shape, np.uint8)
    for one in output.classes:
        if one.name in DRAWN_LINES:
            bits[labels == one.value] = 1 << DRAWN_LINES.index(one.name)
    return bits


OFFICIAL: Final[dict[str, OfficialFiles]] = {"dfc2020": _Dfc2020(), "marigold_rs": _MarigoldRs()}
"""Family -> its files."""


def official_files(card: ModelCard) -> OfficialFiles | None:
    """Those of a card's family; None where there are none."""
    if card.family == "satlas" and len(card.outputs) == 1:
        return _Satlas(card.outputs[0])
    return OFFICIAL.get(card.family)
