"""DFC2020: both parts, folders named by part or by number; and what Copernicus-Bench has made of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rasterio import Affine

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample

VALIDATION, TEST = "ROIs0000_validation", "ROIs0000_test"
DUMMY = {"crs": "EPSG:4326", "transform": Affine.identity()}
LC_LAYERS = ("igbp", "simplified", "lccs_cover", "lccs_use", "lccs_hydrology")
SENSORS = ("s1", "s2", "lc", "dfc")


def write(root: Path) -> Sample:
    """One patch for validation, three for test, of which one has no label."""
    _patch(root, VALIDATION, "validation", 0, SENSORS)
    whole = _patch(root, TEST, "0", 9, SENSORS)
    _patch(root, TEST, "0", 609, SENSORS)
    _patch(root, TEST, "0", 10, ("s1", "s2", "lc"))
    return Sample(
        format="dfc2020",
        root=root,
        tiles=(f"{TEST}/0/p9", f"{TEST}/0/p10", f"{TEST}/0/p609", f"{VALIDATION}/0/p0"),
        layers=("s2", "s1", "dfc", *LC_LAYERS),
        whole=f"{TEST}/0/p9",
        files=whole,
        without={(f"{TEST}/0/p10", "dfc"): "the file is missing"},
        facts=("part", "scene", "patch"),
        archives=((VALIDATION,), (TEST,)),
    )


def write_copernicus(root: Path) -> Sample:
    """A folder for each sensor with all patches, wider types, tables without header as lists."""
    for patch in (3, 12):
        whole = {
            layer: _put(root / layer, TEST, layer, patch, s1_type="float64", dfc_type="int32")
            for layer in ("s2", "s1", "dfc")
        }
    (root / "dfc-train-new.csv").write_bytes(f"{TEST}_dfc_0_p12.tif\n".encode())
    (root / "dfc-val-new.csv").write_bytes(f"{TEST}_dfc_0_p3.tif\n".encode())
    return Sample(
        format="dfc2020",
        root=root,
        tiles=(f"{TEST}/0/p3", f"{TEST}/0/p12"),
        layers=("s2", "s1", "dfc"),
        whole=f"{TEST}/0/p12",
        files=whole,
        lists={"dfc-train-new.csv": (f"{TEST}/0/p12",), "dfc-val-new.csv": (f"{TEST}/0/p3",)},
        facts=("part", "scene", "patch"),
    )


WRITERS = (write, write_copernicus)


def _patch(root: Path, part: str, ending: str, patch: int, sensors: Sequence[str]) -> dict[str, Path]:
    put = {sensor: _put(root / part / f"{sensor}_{ending}", part, sensor, patch) for sensor in sensors}
    layers = {"s2": ("s2",), "s1": ("s1",), "dfc": ("dfc",), "lc": LC_LAYERS}
    return {layer: put[sensor] for sensor, of_sensor in layers.items() if sensor in put for layer in of_sensor}


def _put(folder: Path, part: str, sensor: str, patch: int, s1_type: str = "float32", dfc_type: str = "uint8") -> Path:
    path = folder / f"{part}_{sensor}_0_p{patch}.tif"
    if sensor == "s1":
        return put_raster(path, ramp(-24, 2), s1_type, **DUMMY)
    if sensor == "dfc":
        return put_raster(path, labels(1, 2, 4, 5, 6, 7, 9, 10), dfc_type, **DUMMY)
    if sensor == "lc":
        schemes = (labels(1, 13, 14, 17), labels(11, 43, 3), labels(36, 9), labels(27, 51))
        return put_raster(path, np.concatenate(schemes), "uint16", **DUMMY)
    return put_raster(path, ramp(1000 + patch, 13, step=100), "uint16", **DUMMY)
