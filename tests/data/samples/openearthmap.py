"""OpenEarthMap: a region with labels for some tiles, and a region of test tiles without any."""

from pathlib import Path

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample


def write(root: Path) -> Sample:
    """Lists name files with their suffix, one of them a file that is not there."""
    for number in (2, 10, 11):
        put_raster(root / f"aachen/images/aachen_{number}.tif", ramp(number, 3))
        if number != 11:
            put_raster(root / f"aachen/labels/aachen_{number}.tif", labels(0, 1, 2, 3, 4, 5, 6, 7, 8))
    put_raster(root / "rio_de_janeiro/images/rio_de_janeiro_1.tif", ramp(80, 3))
    (root / "train.txt").write_bytes(b"aachen_10.tif\naachen_7.tif\n")
    (root / "val.txt").write_bytes(b"aachen_2.tif\n")
    (root / "test.txt").write_bytes(b"rio_de_janeiro_1.tif\naachen_11.tif\n")
    unpublished = "labels of test tiles are not published"
    return Sample(
        format="openearthmap",
        root=root,
        tiles=("aachen/aachen_2", "aachen/aachen_7", "aachen/aachen_10", "aachen/aachen_11", RIO),
        layers=("image", "landcover"),
        whole="aachen/aachen_10",
        files={
            "image": root / "aachen/images/aachen_10.tif",
            "landcover": root / "aachen/labels/aachen_10.tif",
        },
        without={("aachen/aachen_11", "landcover"): unpublished, (RIO, "landcover"): unpublished},
        lists={
            "test.txt": (RIO, "aachen/aachen_11"),
            "train.txt": ("aachen/aachen_10", "aachen/aachen_7"),
            "val.txt": ("aachen/aachen_2",),
        },
    )


RIO = "rio_de_janeiro/rio_de_janeiro_1"
