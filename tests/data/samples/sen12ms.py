"""SEN12MS: two seasons that reuse a number of a scene, with CRLF list and held-out scenes; and SEN12MS-CR in other folders."""

from pathlib import Path

import numpy as np
from rasterio import Affine

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample

SPRING, SUMMER = "ROIs1158_spring", "ROIs1868_summer"
UTM54 = {"crs": "EPSG:32654", "transform": Affine(10, 0, 522909.097, 0, -10, 4775461.743)}
LC_LAYERS = ("igbp", "simplified", "lccs_cover", "lccs_use", "lccs_hydrology")
LAYERS = ("s2", "s1", *LC_LAYERS)


def write(root: Path) -> Sample:
    """Folders as in the archives. One patch has no S1, one is in lists only; patch 9 comes before patch 100."""
    spring, summer = _Season(root, SPRING), _Season(root, SUMMER)
    whole = spring.patch(1, 9)
    spring.patch(1, 100)
    spring.patch(63, 2, sensors=("s2", "lc"))
    spring.patch(63, 30)
    summer.patch(1, 9)
    test = (f"{SPRING}_s2_63_p30.tif", f"{SPRING}_s2_63_p2.tif", f"{SUMMER}_s2_146_p7.tif")
    train = (f"{SPRING}_s2_1_p9.tif", f"{SUMMER}_s1_1_p9.tif")
    (root / "test_list.txt").write_bytes("".join(f"{name}\r\n" for name in test).encode())
    (root / "train_list.txt").write_bytes("\n".join(train).encode())
    (root / "SEN12MS_holdOutScenes.txt").write_bytes(f"{SPRING}/s1_63\n{SUMMER}/s1_146\n".encode())
    return Sample(
        format="sen12ms",
        root=root,
        tiles=(
            f"{SPRING}/1/p9",
            f"{SPRING}/1/p100",
            f"{SPRING}/63/p2",
            f"{SPRING}/63/p30",
            f"{SUMMER}/1/p9",
            f"{SUMMER}/146/p7",
        ),
        layers=LAYERS,
        whole=f"{SPRING}/1/p9",
        files=whole,
        without={
            (f"{SPRING}/63/p2", "s1"): "the file is missing",
            **{(f"{SUMMER}/146/p7", layer): "known from a list" for layer in LAYERS},
        },
        lists={
            "test_list.txt": (f"{SPRING}/63/p30", f"{SPRING}/63/p2", f"{SUMMER}/146/p7"),
            "train_list.txt": (f"{SPRING}/1/p9", f"{SUMMER}/1/p9"),
        },
        facts=("season", "scene", "patch"),
        archives=((SPRING,), (SUMMER,)),
    )


def write_cloudy(root: Path) -> Sample:
    """SEN12MS-CR: a folder for each archive, cloudy images, no land cover."""
    files = {}
    for patch in (30, 31):
        files = {
            layer: _put(root / f"{SPRING}_{layer}" / f"{layer}_1", SPRING, layer, 1, patch)
            for layer in ("s2", "s2_cloudy", "s1")
        }
    return Sample(
        format="sen12ms",
        root=root,
        tiles=(f"{SPRING}/1/p30", f"{SPRING}/1/p31"),
        layers=("s2", "s2_cloudy", "s1"),
        whole=f"{SPRING}/1/p31",
        files=files,
        facts=("season", "scene", "patch"),
        archives=tuple((f"{SPRING}_{layer}",) for layer in ("s1", "s2", "s2_cloudy")),
    )


def write_nested(root: Path) -> Sample:
    """A folder for each sensor between season and scene."""
    put = {
        sensor: _put(root / SUMMER / sensor / f"{sensor}_146", SUMMER, sensor, 146, 202)
        for sensor in ("s1", "s2", "lc")
    }
    return Sample(
        format="sen12ms",
        root=root,
        tiles=(f"{SUMMER}/146/p202",),
        layers=LAYERS,
        whole=f"{SUMMER}/146/p202",
        files={"s2": put["s2"], "s1": put["s1"], **dict.fromkeys(LC_LAYERS, put["lc"])},
        facts=("season", "scene", "patch"),
    )


WRITERS = (write, write_cloudy, write_nested)


class _Season:
    def __init__(self, root: Path, season: str) -> None:
        self._folder, self._season = root / season, season

    def patch(self, scene: int, patch: int, sensors: tuple[str, ...] = ("s1", "s2", "lc")) -> dict[str, Path]:
        """Writes a patch. Returns layer -> file."""
        put = {
            sensor: _put(self._folder / f"{sensor}_{scene}", self._season, sensor, scene, patch) for sensor in sensors
        }
        layers = {"s2": ("s2",), "s1": ("s1",), "lc": LC_LAYERS}
        return {layer: put[sensor] for sensor, of_sensor in layers.items() if sensor in put for layer in of_sensor}


def _put(folder: Path, season: str, sensor: str, scene: int, patch: int) -> Path:
    path = folder / f"{season}_{sensor}_{scene}_p{patch}.tif"
    if sensor == "s1":
        decibels = ramp(-24, 2)
        decibels[:, 0, 0] = np.nan
        return put_raster(path, decibels, "float32", **UTM54)
    if sensor == "lc":
        schemes = (labels(1, 13, 14, 17), labels(11, 43, 3), labels(36, 9), labels(27, 51, 255))
        return put_raster(path, np.concatenate(schemes), "uint16", **UTM54)
    return put_raster(path, ramp(1000 + patch, 13, step=100), "uint16", **UTM54)
