"""Pictures are saved as they are, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from rsviewer.core.errors import SaveError
from rsviewer.data.pngfile import png, write_png

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PIXELS = np.array([[0xFF0A141E, 0x80FF0000, 0x00000000], [0xFFFFFFFF, 0xFF000001, 0xFF00FF00]], np.uint32)


def test_a_picture_is_read_back_pixel_by_pixel(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", PIXELS)
    with Image.open(tmp_path / "a.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (3, 2))
        assert [picture.getpixel(at) for at in ((0, 0), (1, 0), (2, 1))] == [(10, 20, 30), (255, 0, 0), (0, 255, 0)]


def test_what_is_transparent_stays_so_where_that_is_wanted(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", PIXELS, transparent=True)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "RGBA"
        assert [picture.getpixel((x, 0)) for x in range(3)] == [(10, 20, 30, 255), (255, 0, 0, 128), (0, 0, 0, 0)]


def test_a_part_of_a_larger_array_is_saved_like_any_other(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", PIXELS[:, ::2])
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (2, 2)
        assert picture.getpixel((1, 1)) == (0, 255, 0)


def test_what_is_there_is_replaced_only_when_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(SaveError, match="exists"):
        write_png(path, PIXELS)
    assert path.read_bytes() == b"mine"
    write_png(path, PIXELS, overwrite=True)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_or_a_place_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="is a folder"):
        write_png(tmp_path, PIXELS, overwrite=True)
    with pytest.raises(SaveError, match=r"No such file.*choose another place"):
        write_png(tmp_path / "nowhere" / "a.png", PIXELS)
    assert not any(tmp_path.iterdir())


# --- numbers


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (33, 70)])
def test_numbers_are_read_back_as_they_are(bands: int, kind: type, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (bands, *size), kind, endpoint=True)

    with MemoryFile(png(pixels)) as memory, memory.open() as file:
        assert (file.driver, file.dtypes[0]) == ("PNG", np.dtype(kind).name)
        assert np.array_equal(file.read(), pixels)
        assert (file.colorinterp[-1] is ColorInterp.alpha) == (bands in (2, 4))


@pytest.mark.parametrize(
    "rows",
    [
        np.tile(np.arange(64, dtype=np.uint8), (64, 1)),
        np.arange(64, dtype=np.uint8)[:, None].repeat(64, axis=1),
        np.add.outer(np.arange(64, dtype=np.uint8), np.arange(64, dtype=np.uint8)),
        np.full((64, 64), 7, np.uint8),
    ],
)
def test_a_smooth_picture_takes_little_room_whichever_way_it_changes(rows: np.ndarray) -> None:
    content = png(rows[None])

    with MemoryFile(content) as memory, memory.open() as file:
        assert np.array_equal(file.read(1), rows)
    assert len(content) < 400


def test_texts_and_the_value_that_is_no_data_stand_in_the_file() -> None:
    said = {"RSVIEWER_TILE": "Genève/tile 1", "RSVIEWER_LOW": "-1.5", "RSVIEWER_UNIT": ""}

    with MemoryFile(png(np.zeros((1, 2, 2), np.uint16), nodata=0, text=said)) as memory, memory.open() as file:
        assert file.nodata == 0
        assert {name: text for name, text in file.tags().items() if name != "AREA_OR_POINT"} == said


def test_what_no_png_can_hold_is_a_mistake_of_the_caller() -> None:
    for pixels in (np.zeros((5, 2, 2), np.uint8), np.zeros((1, 2, 2), np.int16), np.zeros((1, 0, 2), np.uint8)):
        with pytest.raises(ValueError, match="no PNG"):
            png(pixels)
