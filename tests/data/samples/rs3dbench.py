"""RS3DBench: an area as its scripts leave it, and a release with its train and test parts."""

from pathlib import Path

from tests.data.samples.rasters import put_raster, ramp
from tests.data.samples.sample import Sample

AREA = "Switzerland0.5"


def write(root: Path) -> Sample:
    """An area with numbers that have gaps; the stretched image and the prompt of one tile are gone."""
    for number in (0, 3, 11):
        put_raster(root / f"Image/tif-{AREA}/tile_{number}.tif", ramp(0.1 * number, 3, step=0.01), "float32")
        put_raster(root / f"DEM-{AREA}/tile_{number}.tif", ramp(400 + number), "int16", nodata=-32768)
        put_raster(root / f"DEM-{AREA}_255/tile_{number}.tif", ramp(0, step=16))
        if number != 11:
            put_raster(root / f"Image/png-stretched-{AREA}/tile_{number}.png", ramp(number, 3), driver="PNG")
            prompt = root / f"TextPrompt-{AREA}/tile_{number}.txt"
            prompt.parent.mkdir(exist_ok=True)
            prompt.write_text(f"A satellite image of hill {number}.\n")
    (root / "train.txt").write_bytes(
        "".join(
            f"Image/png-stretched-{AREA}/tile_{number}.png DEM-{AREA}_255/tile_{number}.tif\r\n" for number in (3, 0, 5)
        ).encode()
    )
    return Sample(
        format="rs3dbench",
        root=root,
        tiles=tuple(f"{AREA}/tile_{number}" for number in (0, 3, 5, 11)),
        layers=("image_tif", "image_png", "dem", "dem_255", "text"),
        whole=f"{AREA}/tile_3",
        files={
            "image_tif": root / f"Image/tif-{AREA}/tile_3.tif",
            "image_png": root / f"Image/png-stretched-{AREA}/tile_3.png",
            "dem": root / f"DEM-{AREA}/tile_3.tif",
            "dem_255": root / f"DEM-{AREA}_255/tile_3.tif",
            "text": root / f"TextPrompt-{AREA}/tile_3.txt",
        },
        without={(f"{AREA}/tile_11", "image_png"): "an anomaly was removed", (f"{AREA}/tile_11", "text"): "no prompt"},
        lists={"train.txt": tuple(f"{AREA}/tile_{number}" for number in (3, 0, 5))},
    )


def write_release(root: Path) -> Sample:
    """A release: numbers repeat in the test part, which is a group of its own."""
    for part, shift in (("singleRGBNormalization", 0), ("singleRGBNormalizationTest", 30)):
        home = root / "ImageToDEM-JK" / part
        for number in (1, 2):
            put_raster(home / f"png-stretched-unique/tile_{number}.png", ramp(shift + number, 3), driver="PNG")
            put_raster(home / f"DEM_255-unique/tile_{number}.tif", ramp(shift + number, step=8))
            put_raster(home / f"DEM-unique/tile_{number}.tif", ramp(shift + number), "float32", nodata=-9999)
    lists = root / "data_split" / "ImageToDEM-JK"
    lists.mkdir(parents=True)
    home = "ImageToDEM-JK/singleRGBNormalization"
    (lists / "JK-train.txt").write_bytes(
        f"{home}/png-stretched-unique/tile_2.png {home}/DEM_255-unique/tile_2.tif\n".encode()
    )
    return Sample(
        format="rs3dbench",
        root=root,
        tiles=("JK/tile_1", "JK/tile_2", "JK-test/tile_1", "JK-test/tile_2"),
        layers=("image_png", "dem", "dem_255"),
        whole="JK/tile_2",
        files={
            "image_png": root / home / "png-stretched-unique/tile_2.png",
            "dem": root / home / "DEM-unique/tile_2.tif",
            "dem_255": root / home / "DEM_255-unique/tile_2.tif",
        },
        lists={"data_split/ImageToDEM-JK/JK-train.txt": ("JK/tile_2",)},
    )


WRITERS = (write, write_release)
