"""SkyScript: two folders of images, three tables; the same with polished captions; a benchmark."""

import csv
import io
import pickle
from pathlib import Path

from tests.data.samples.rasters import put_raster, ramp
from tests.data.samples.sample import Sample

WHOLE = "images2/a101000001_US_10"
FACTS = ("similarity", "source", "product", "gsd", "year", "kind")

META = {
    "box": (-77.5, 38.25, -77.4912, 38.257),
    "time": (2010, 7, 4, 16, 5),
    "center_tags": {"leisure": "stadium", "name": "Stade «Été»"},
    "surrounding_tags": [{"amenity": "parking"}, {"highway": "service", "surface": "asphalt"}],
}

COLUMNS = ("filepath", "title", "title_multi_objects", "similarity_CLIP_openai")
TRAIN = (
    (
        "images2/a101000001_US_10.jpg",
        "a satellite image of stadium",
        "stadium, surrounded by a; b",
        "0.31",
    ),
    (
        "images2/w101000003_CH_18.jpg",
        'a satellite image of "bridge"',
        "a\nbridge, surrounded by river",
        "0.29",
    ),
    ("images7/n101000009_ZZ_21.jpg", "a satellite image of tree", "a satellite image of tree", "0.27"),
    ("images2/a101000001_US_10.jpg", "a satellite image of stadium", "again", "0.31"),
)
VAL = (("images3/a101000006_S2_19.jpg", "a satellite image of open pine woodland", "pines, and sand", "0.25"),)
TEST = (
    ("images3/n101000005_P3_20.jpg", "a satellite image of wetland", "a satellite image of wetland", "0.24"),
    ("images3/a101000006_S2_19.jpg", "a satellite image of open pine woodland", "pines, and sand", "0.25"),
)


def table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], end: str = "\n") -> bytes:
    """A CSV as pandas writes it."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end).writerows([columns, *rows])
    return file.getvalue().encode()


def put_image(path: Path, start: float, size: int) -> Path:
    """A JPEG."""
    return put_raster(path, ramp(start, 3, size=size), driver="JPEG", QUALITY=95)


def _images(root: Path) -> None:
    names = (
        "images2/a101000001_US_10",
        "images2/w101000003_CH_18",
        "images3/n101000005_P3_20",
        "images3/a101000006_S2_19",
    )
    for number, name in enumerate((*names, "images3/w101000010_L8_15")):
        put_image(root / f"{name}.jpg", 20 + 40 * number, 24 + 8 * number)
        home = root / name.replace("images", "meta")
        home.parent.mkdir(exist_ok=True)
        home.with_suffix(".pickle").write_bytes(pickle.dumps(META, 2 + number % 4))
    (root / "meta3" / "a101000006_S2_19.pickle").unlink()


def write(root: Path) -> Sample:
    """A row without image, an image without row, one without meta file; a repeated row; three splits."""
    _images(root)
    names = {
        "SkyScript_train_top30pct_filtered_by_CLIP_openai.csv": (TRAIN, "\n"),
        "SkyScript_val_5K_filtered_by_CLIP_openai.csv": (VAL, "\n"),
        "SkyScript_test_30K_filtered_by_CLIP_openai.csv": (TEST, "\r\n"),
    }
    for name, (rows, end) in names.items():
        (root / name).write_bytes(table(COLUMNS, rows, end))
    return Sample(
        format="skyscript",
        root=root,
        tiles=(
            WHOLE,
            "images2/w101000003_CH_18",
            "images7/n101000009_ZZ_21",
            "images3/n101000005_P3_20",
            "images3/a101000006_S2_19",
            "images3/w101000010_L8_15",
        ),
        layers=("image", "caption", "tags"),
        whole=WHOLE,
        files={"image": root / f"{WHOLE}.jpg", "tags": root / "meta2" / "a101000001_US_10.pickle"},
        without={
            ("images7/n101000009_ZZ_21", "image"): "not downloaded",
            ("images7/n101000009_ZZ_21", "tags"): "not downloaded",
            ("images3/a101000006_S2_19", "tags"): "lost",
            ("images3/w101000010_L8_15", "caption"): "on no list",
        },
        lists={name: tuple(row[0].removesuffix(".jpg") for row in rows) for name, (rows, _) in names.items()},
        facts=FACTS,
    )


def write_polished(root: Path) -> Sample:
    """Polished captions in dataframe/, no meta files, no similarity."""
    put_image(root / f"{WHOLE}.jpg", 20, 32)
    rows = (
        (f"{WHOLE}.jpg", "man-made bridge.", "An aerial image. It shows: man-made bridge."),
        ("images4/w5_DE_20.jpg", "road, asphalt.", "A satellite image. It shows: road, asphalt."),
    )
    name = "dataframe/SkyScript_train_unfiltered_5M_language_polished.csv"
    (root / "dataframe").mkdir()
    (root / name).write_bytes(b"\xef\xbb\xbf" + table(("filepath", "title_raw", "title"), rows))
    return Sample(
        format="skyscript",
        root=root,
        tiles=(WHOLE, "images4/w5_DE_20"),
        layers=("image", "caption"),
        whole=WHOLE,
        files={"image": root / f"{WHOLE}.jpg"},
        without={("images4/w5_DE_20", "image"): "not downloaded"},
        lists={name: (WHOLE, "images4/w5_DE_20")},
        facts=FACTS[1:],
    )


def write_benchmark(root: Path) -> Sample:
    """Two benchmarks side by side: labels as names, and as numbers."""
    (root / "aid").mkdir()
    (root / "aid" / "classnames.txt").write_bytes(b"airport\nbare land\n")
    (root / "rsicb256").mkdir()
    (root / "rsicb256" / "classnames.txt").write_bytes(b"bridge\r\ncity building\r\n")
    aid = (("aid/Airport/airport_1.jpg", "airport"), ("aid/BareLand/bareland_1.jpg", "bare land"))
    rsicb = (("rsicb/bridge/b(1).tif", "0"), ("rsicb/city/c(1).tif", "1"), ("rsicb/city/c(2).tif", ""))
    (root / "aid" / "aid_img_txt_pairs_test.csv").write_bytes(table(("filepath", "label"), aid))
    (root / "rsicb256" / "img_txt_pairs_train.csv").write_bytes(table(("filepath", "label"), rsicb))
    for number, (path, _) in enumerate(aid):
        put_image(root / path, 30 * number, 40)
    for number, (path, _) in enumerate(rsicb):
        put_raster(root / path.replace("rsicb/", "rsicb256/"), ramp(30 * number, 3, size=32))
    tiles_of_aid = ("aid/Airport/airport_1", "aid/BareLand/bareland_1")
    tiles_of_rsicb = ("rsicb256/bridge/b(1)", "rsicb256/city/c(1)", "rsicb256/city/c(2)")
    return Sample(
        format="skyscript",
        root=root,
        tiles=(*tiles_of_aid, *tiles_of_rsicb),
        layers=("image", "label"),
        whole=tiles_of_aid[0],
        files={"image": root / aid[0][0]},
        without={(tiles_of_rsicb[2], "label"): "empty"},
        lists={
            "aid/aid_img_txt_pairs_test.csv": tiles_of_aid,
            "rsicb256/img_txt_pairs_train.csv": tiles_of_rsicb,
        },
    )


WRITERS = (write, write_polished, write_benchmark)
