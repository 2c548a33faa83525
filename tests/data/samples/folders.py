"""Parallel folders with a description: nested folders with bands in files of their own, and a folder for each tile."""

from pathlib import Path

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample

NESTED = """
title = "Towns"
lists = ["splits/*.json", "splits/*.csv", "*.txt"]
list_column = "filepath"

[[layers]]
id = "sentinel2"
folder = "{city}/{year}"
files = ["{tile}_B04.tif", "{tile}_B03.tif", "{tile}_B02.tif"]
kind = "optical"
bands = ["B04", "B03", "B02"]
combinations = [
    { name = "True colour", bands = ["B04", "B03", "B02"] },
    { name = "Redness", normalised = ["B04", "B03"] },
]

[[layers]]
id = "height"
folder = "heights/{year}-{city}"
file = "{city}_{tile}.tif"
kind = "height"
unit = "m"
scale = 0.01
nodata = -9999

[[layers]]
id = "landcover"
folder = "{city}/{year}"
file = "{tile}_lc.png"
kind = "labels"
palette = "openearthmap"
values = { 10 = 1, 20 = 2, 30 = 8 }

[[layers]]
id = "caption"
folder = "{city}/{year}/texts"
kind = "text"
optional = true
"""

OWN_FOLDERS = """
[[layers]]
id = "image"
folder = "scenes/{tile}"
file = "rgb.tif"
kind = "optical"

[[layers]]
id = "red"
folder = "scenes/{tile}"
file = "rgb.tif"
kind = "quantity"
take = [0]

[[layers]]
id = "dsm"
folder = "scenes/{tile}"
file = "dsm.tif"
kind = "height"
unit = "m"
"""


def write(root: Path) -> Sample:
    """City and year are folders; a tile without one of its bands, one without heights, one that only a list knows."""
    (root / "rsviewer-dataset.toml").write_text(NESTED)
    tiles = (("aachen/2019", "t2"), ("aachen/2019", "t10"), ("aachen/2020", "t2"), ("bonn/2019", "t1"))
    for number, (place, tile) in enumerate(tiles):
        city, year = place.split("/")
        for band in ("B04", "B03", "B02"):
            if (number, band) != (3, "B03"):
                size = 8 if band == "B02" else 16
                put_raster(root / place / f"{tile}_{band}.tif", ramp(100 * number + int(band[1:]), size=size), "uint16")
        if number != 2:
            put_raster(root / f"heights/{year}-{city}/{city}_{tile}.tif", ramp(1000 * number), "int16")
        put_raster(root / place / f"{tile}_lc.png", labels(0, 10, 20, 30), driver="PNG")
    captions = root / "aachen/2019/texts"
    captions.mkdir()
    (captions / "t10.txt").write_text("Two roofs.\n")
    (root / "heights/2020-aachen").mkdir()
    (root / "splits").mkdir()
    (root / "splits/train.json").write_bytes(
        b'["aachen/2019/t10", "heights/2019-bonn/bonn_t1.tif", "aachen/2020/t2"]\n'
    )
    (root / "splits/val.csv").write_bytes(
        b'filepath,note\r\naachen/2019/t2_B04.tif,"fine,\nreally"\r\nbonn/2019/t9,\r\n'
    )
    (root / "test.txt").write_bytes(b"aachen/2020/t2\n")
    return Sample(
        format="folders",
        root=root,
        tiles=("aachen/2019/t2", "aachen/2019/t10", "aachen/2020/t2", "bonn/2019/t1", "bonn/2019/t9"),
        layers=("sentinel2", "height", "landcover", "caption"),
        whole="aachen/2019/t10",
        files={
            "height": root / "heights/2019-aachen/aachen_t10.tif",
            "landcover": root / "aachen/2019/t10_lc.png",
            "caption": captions / "t10.txt",
        },
        without={
            ("aachen/2020/t2", "height"): "not flown",
            **{(tile, "caption"): "nobody wrote one" for tile in ("aachen/2019/t2", "aachen/2020/t2", "bonn/2019/t1")},
        },
        lists={
            "splits/train.json": ("aachen/2019/t10", "bonn/2019/t1", "aachen/2020/t2"),
            "splits/val.csv": ("aachen/2019/t2", "bonn/2019/t9"),
            "test.txt": ("aachen/2020/t2",),
        },
        facts=("city", "year"),
    )


def write_own_folders(root: Path) -> Sample:
    """Each tile has a folder of its own; two layers come from one file."""
    (root / "rsviewer-dataset.toml").write_text(OWN_FOLDERS)
    for number in (1, 2, 12):
        put_raster(root / f"scenes/S{number}/rgb.tif", ramp(number, 3))
        if number != 2:
            put_raster(root / f"scenes/S{number}/dsm.tif", ramp(100 + number), "float32", nodata=-9999)
    (root / "train.txt").write_bytes(b"scenes/S12/rgb.tif\nS2\n")
    image = root / "scenes/S12/rgb.tif"
    return Sample(
        format="folders",
        root=root,
        tiles=("S1", "S2", "S12"),
        layers=("image", "red", "dsm"),
        whole="S12",
        files={"image": image, "red": image, "dsm": root / "scenes/S12/dsm.tif"},
        without={("S2", "dsm"): "not flown"},
        lists={"train.txt": ("S12", "S2")},
    )


WRITERS = (write, write_own_folders)
