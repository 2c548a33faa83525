"""Pictures are saved as they are, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsviewer.core.errors import SaveError
from rsviewer.data.pngfile import write_png

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
