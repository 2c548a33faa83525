"""387 real odd and broken files: each is shown or refused as its manifest expects, in bounded time and memory."""

import csv
import resource
from pathlib import Path

import pytest

from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, Unreadable
from rsviewer.data.raster import MAX_BYTES, read_header, read_raster

pytestmark = pytest.mark.real

KINDS = (LayerKind.OPTICAL, LayerKind.HEIGHT, LayerKind.MASK)
DARK = LayerSpec(LayerId("layer"), LayerKind.OPTICAL, "layer")


@pytest.fixture(scope="module")
def manifest(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "robust" / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_shown_or_refused_as_expected(
    manifest: list[dict[str, str]], shared_data: Path, kind: LayerKind, capfd: pytest.CaptureFixture[str]
) -> None:
    layer = LayerSpec(LayerId("layer"), kind, "layer")
    wrong = []
    for row in manifest:
        content = read_raster(shared_data / "robust" / row["file"], layer)
        if isinstance(content, Unreadable):
            is_clear = content.reason.endswith(".") and "\n" not in content.reason and len(content.reason) < 250
            if row["expectation"] == "opens" or not is_clear:
                wrong.append(f"{row['file']}: {content.reason}")
        elif not isinstance(content, Raster) or row["expectation"].startswith("clear error"):
            wrong.append(f"{row['file']}: shown")
        elif row["expectation"] == "opens":
            if content.full_size != (int(row["width"]), int(row["height"])):
                wrong.append(f"{row['file']}: {content.full_size}")
            if content.bands not in expected_bands(row, kind):
                wrong.append(f"{row['file']}: {content.bands} bands")
            if content.pixels.nbytes > MAX_BYTES:
                wrong.append(f"{row['file']}: {content.pixels.nbytes} bytes")
    assert not wrong
    assert capfd.readouterr() == ("", "")


def expected_bands(row: dict[str, str], kind: LayerKind) -> set[int]:
    """As stored; one less where alpha went into the mask; three for a palette that became colours."""
    bands = int(row["bands"])
    allowed = {bands}
    if bands in (2, 4):
        allowed.add(bands - 1)
    if "palette" in row["note"] or (kind is LayerKind.OPTICAL and bands <= 2):
        allowed.add(3 if kind is LayerKind.OPTICAL else 1)
    return allowed


def test_headers_of_good_files_agree_with_the_manifest(manifest: list[dict[str, str]], shared_data: Path) -> None:
    for row in manifest:
        header = read_header(shared_data / "robust" / row["file"])
        if row["expectation"] == "opens":
            assert not isinstance(header, Unreadable), row["file"]
            told = (str(header.width), str(header.height), str(header.bands), header.dtype, header.driver)
            assert told == tuple(row[name] for name in ("width", "height", "bands", "dtype", "driver")), row["file"]


def test_sidecars_are_seen(shared_data: Path) -> None:
    ok = shared_data / "robust" / "ok"
    masked = read_raster(ok / "rasterio__RGB2.byte.tif", DARK)
    assert isinstance(masked, Raster)
    assert 0 < masked.valid.mean() < 1
    placed = read_raster(ok / "gdal__byte_nogeoref.tif", DARK)
    assert isinstance(placed, Raster)
    assert placed.transform is not None
    pointed = read_raster(ok / "gdal__arcgis_geodataxform_gcp.jpg", DARK)
    assert isinstance(pointed, Raster)
    assert any("control points" in note for note in pointed.notes)


def test_memory_stays_bounded(manifest: list[dict[str, str]], shared_data: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for row in manifest:
        if row["file"].startswith("bad/"):
            read_raster(shared_data / "robust" / row["file"], DARK)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 1 << 30
