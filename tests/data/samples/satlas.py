"""SatlasPretrain: two label tiles with images of four sensors, events, a tile without labels, one that only a list names.

All is a sixteenth of its real size: images and raster labels have 32 x 32 pixels instead of 512 x 512.
"""

import json
from pathlib import Path

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample

SIZE = 32

WHOLE, POOR, BARE, LISTED = "4651_4910", "4651_4911", "4652_4910", "4700_4900"
OLD = "S2A_MSIL1C_20151003T081516_N0204_R121_T35HKC_20151003T081516"
NEW = "S2B_MSIL1C_20220309T032601_N0400_R018_T48RYR_20220309T060235"
NAIP_IMAGE, NAIP_OLD = "m_3607824_se_17_1_20160620", "m_3607824_se_17_1_20120512"
NAIP_TILE = f"{4651 * 16 + 1}_{4910 * 16 + 14}"
"""Column 1 and row 14 of the NAIP tiles in WHOLE."""

SQUARE = [[1000, 1000], [3000, 1000], [3000, 3000], [1000, 3000], [1000, 1000]]
HOLE = [[1500, 1500], [2500, 1500], [2500, 2500], [1500, 2500]]
COVERING = [[0, 0], [8192, 0], [8192, 8192], [0, 8192]]

VECTOR = {
    "wind_turbine": [
        {"Geometry": {"Type": "point", "Point": [600, 7200]}, "Properties": {"rotor_diameter": "82", "power_mw": 2.5}},
        {"Geometry": {"Type": "point", "Point": [4000.5, 100]}},
    ],
    "power_plant": [],
    "quarry": [{"Geometry": {"Type": "polygon", "Polygon": [SQUARE, HOLE]}, "Properties": {"resource": "sand"}}],
    "road": [
        {"Geometry": {"Type": "polyline", "Polyline": [[-400, 7000], [500, 7100], [9000, 8500]]}, "Properties": {}}
    ],
}
"""A point and a road cross the NAIP tile; the square has a hole and is closed; the road leaves the tile on both sides."""

EVENT = {
    "metadata": {
        "Start": "2016-06-01T00:00:00+00:00",
        "End": "2016-07-01T00:00:00+00:00",
        "ImageUUID": "0" * 32,
        "ImageName": NAIP_IMAGE,
    },
    "airplane": [{"Geometry": {"Type": "point", "Point": [700, 7300]}, "Properties": {}}],
}
FLOOD = {
    "metadata": {"Start": "2015-10-01T00:00:00+00:00", "End": "2015-10-05T00:00:00+00:00", "ImageUUID": "1" * 32},
    "smoke": [{"Geometry": {"Type": "polygon", "Polygon": [COVERING]}, "Properties": {"smoke": 1}}],
    "vessel": [],
}


def write(root: Path) -> Sample:
    """Everything: the newest Sentinel-2 image has no b11 and is not among the good ones."""
    _sentinel2(root / "sentinel2", WHOLE, OLD, 10)
    _sentinel2(root / "sentinel2", WHOLE, NEW, 60, without=("b11",))
    _sentinel2(root / "sentinel2_small", POOR, OLD, 30, only=("tci",))
    for number, month in enumerate(("2015-09", "2022-03")):
        for band, start in (("vh", 5), ("vv", 40)):
            _put(root / "sentinel1" / month / band / f"{WHOLE}.png", start + 50 * number)
    for number, month in enumerate(("2022-03", "2022-06")):
        for band in range(1, 12):
            size = SIZE if band == 8 else SIZE // 4 if band == 11 else SIZE // 2
            _put(root / "landsat" / month / f"b{band}" / f"{WHOLE}.png", 10 * band + 100 * number, size=size)
    _put(root / "landsat/2022-03/b4" / f"{BARE}.png", 90, size=SIZE // 2)
    for image in (NAIP_OLD, NAIP_IMAGE):
        _put(root / "naip" / image / "tci" / f"{NAIP_TILE}.png", 70, bands=3)
    _put(root / "naip" / NAIP_IMAGE / "ir" / f"{NAIP_TILE}.png", 150)

    _labels(root / "static" / WHOLE, VECTOR)
    _labels(root / "static" / POOR, {"power_plant": [], "street_lamp": []}, only=("land_cover",))
    _json(root / "dynamic" / WHOLE / "airplane_325" / "vector.json", EVENT)
    flood = root / "dynamic" / WHOLE / "coast_3376"
    _json(flood / "vector.json", FLOOD)
    _stripes(flood / "water.png", 0, 1, 2)
    _stripes(flood / "cloud.png", 0, 1, 2, 3, 4)
    _stripes(flood / "wildfire.png", 0, 1, 2, 3)

    metadata = root / "metadata"
    _json(metadata / "train_lowres.json", [[4651, 4910], [4700, 4900]])
    _json(metadata / "test_lowres.json", [[4651, 4911]])
    _json(metadata / "train_highres.json", [[4651, 4910]])
    _json(metadata / "train_event.json", [[4651, 4910]])
    good = [[*_place(WHOLE), OLD], [*_place(POOR), OLD], [*_place(WHOLE), "2022-03"], [*_place(BARE), "2022-03"]]
    _json(metadata / "good_images_lowres_all.json", good)
    _json(metadata / "good_images_highres_all.json", [[*_place(NAIP_TILE), NAIP_IMAGE]])
    _json(metadata / "image_times.json", {OLD: "2015-10-03T08:15:16+00:00", "2022-03": "2022-03-01T00:00:00+00:00"})

    folder = root / "static" / WHOLE
    airplane, coast = f"{WHOLE}/airplane_325", f"{WHOLE}/coast_3376"
    not_annotated = "nobody annotated it there"
    return Sample(
        format="satlas",
        root=root,
        tiles=(WHOLE, POOR, airplane, coast, BARE, f"naip/{NAIP_TILE}", f"naip/{NAIP_TILE}/airplane_325", LISTED),
        layers=(*IMAGES, *STATIC, "water_event", "flood", "cloud", "wildfire", "raster0", "raster1"),
        whole=WHOLE,
        files={
            "tci": root / "sentinel2" / OLD / "tci" / f"{WHOLE}.png",
            "vector": folder / "vector.json",
            **{layer: folder / f"{layer}.png" for layer in RASTERS},
        },
        without={
            (POOR, "tree_cover"): not_annotated,
            (POOR, "dem"): not_annotated,
            (airplane, "flood"): not_annotated,
            (coast, "land_cover"): "it is not dynamic",
            (BARE, "tci"): "it has no image of Sentinel-2",
            (BARE, "vector"): "it has no labels",
        },
        lists={
            "metadata/test_lowres.json": (POOR,),
            "metadata/train_event.json": (airplane,),
            "metadata/train_highres.json": (WHOLE,),
            "metadata/train_lowres.json": (WHOLE, LISTED),
        },
        facts=("longitude", "latitude", "images", "event"),
    )


def write_small(root: Path) -> Sample:
    """What the "small" downloads unpack as: no metadata, no symbolic links, only some labels."""
    _sentinel2(root / "sentinel2_small", WHOLE, OLD, 10, only=("tci",))
    _put(root / "naip_small" / NAIP_IMAGE / "tci" / f"{NAIP_TILE}.png", 70, bands=3)
    _labels(root / "static" / WHOLE, VECTOR, only=())
    return Sample(
        format="satlas",
        root=root,
        tiles=(WHOLE, f"naip/{NAIP_TILE}"),
        layers=("tci", "naip", *STATIC, "raster0", "raster1"),
        whole=WHOLE,
        files={
            "tci": root / "sentinel2_small" / OLD / "tci" / f"{WHOLE}.png",
            "vector": root / "static" / WHOLE / "vector.json",
        },
        without={(WHOLE, "land_cover"): "nobody annotated it", (f"naip/{NAIP_TILE}", "dem"): "nobody annotated it"},
        facts=("longitude", "latitude", "images", "event"),
        archives=(("sentinel2_small",), ("naip_small",), ("static",)),
    )


WRITERS = (write, write_small)

IMAGES = ("tci", "s2_bands", "s1", "landsat", "naip", "naip_ir")
RASTERS = ("land_cover", "crop_type", "tree_cover", "dem")
STATIC = ("vector", *RASTERS)

_BANDS = ("b05", "b06", "b07", "b08", "b11", "b12")
_LABEL_VALUES = {
    "land_cover": (0, 1, 3, 11),
    "crop_type": (0, 1, 16, 16),
    "tree_cover": (0, 1, 100, 200),
    "dem": (0, 51, 102, 255),
}


def _sentinel2(
    folder: Path,
    tile: str,
    image: str,
    start: int,
    *,
    only: tuple[str, ...] = ("tci", *_BANDS),
    without: tuple[str, ...] = (),
) -> None:
    """Bands of 20 m have half the pixels."""
    for number, band in enumerate(only):
        if band not in without:
            size = SIZE if band in ("tci", "b08") else SIZE // 2
            _put(folder / image / band / f"{tile}.png", start + 10 * number, 3 if band == "tci" else 1, size)


def _labels(folder: Path, vector: object, only: tuple[str, ...] = RASTERS) -> None:
    _json(folder / "vector.json", vector)
    for name in only:
        _stripes(folder / f"{name}.png", *_LABEL_VALUES[name])
    if only == RASTERS:
        for number in range(2):
            _put(folder / f"raster{number}.png", number, bands=3)


def _put(path: Path, start: int, bands: int = 1, size: int = SIZE) -> None:
    put_raster(path, ramp(start, bands, size), driver="PNG")


def _stripes(path: Path, *values: int) -> None:
    put_raster(path, labels(*values, size=SIZE), driver="PNG")


def _json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _place(tile: str) -> tuple[int, int]:
    column, row = tile.split("_")
    return int(column), int(row)
