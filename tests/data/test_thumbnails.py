"""Small pictures come back as they were, stay within their limit, and whatever a stranger wrote there does no harm."""

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.data.thumbnails import FILE_NAME, SIZES, ThumbnailKey, ThumbnailStore, decoded, encoded, size_class

KEY = ThumbnailKey("a/1", "image", 96)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ThumbnailStore]:
    made = ThumbnailStore.open(tmp_path / "thumbnails", limit=50_000_000)
    yield made
    made.close()


def noise(seed: int, size: int = 96) -> NDArray[np.uint32]:
    """An opaque picture that nothing compresses."""
    colors = np.random.default_rng(seed).integers(0, 1 << 24, (size, size), dtype=np.uint32)
    return colors | np.uint32(0xFF000000)


def classes() -> NDArray[np.uint32]:
    """Four colours, and a transparent corner."""
    pixels = np.full((60, 96), 0xFF102030, np.uint32)
    pixels[:30, :40] = 0xFFE0A050
    pixels[30:, 40:] = 0xFF00FF7F
    pixels[:8, :8] = 0
    pixels[50:, :9] = 0x80402010  # half transparent, premultiplied
    return pixels


def test_what_is_lossless_comes_back_to_the_last_bit(store: ThumbnailStore, tmp_path: Path) -> None:
    store.put(KEY, classes(), lossless=True)
    store.close()
    again = ThumbnailStore.open(tmp_path / "thumbnails", limit=50_000_000, read_only=True)
    found = again.get(KEY)
    again.close()
    assert found is not None
    np.testing.assert_array_equal(found, classes())


def test_a_photograph_comes_back_nearly_as_it_was_and_much_smaller() -> None:
    row, column = np.mgrid[0:192, 0:192]
    pixels = (0xFF000000 | (row.astype(np.uint32) << 16) | (column.astype(np.uint32) << 8)).astype(np.uint32)
    blob = encoded(pixels, lossless=False)
    found = decoded(blob, 192)
    assert found is not None
    assert len(blob) < pixels.nbytes / 10
    difference = found.view(np.uint8).astype(int) - pixels.view(np.uint8).astype(int)
    assert abs(difference).max() < 12


def test_what_is_not_there_is_none_and_makes_no_file(store: ThumbnailStore, tmp_path: Path) -> None:
    assert store.get(KEY) is None
    store.flush()
    assert not (tmp_path / "thumbnails").exists()


def test_another_style_or_size_is_another_picture(store: ThumbnailStore) -> None:
    store.put(KEY, classes(), lossless=True)
    assert store.get(ThumbnailKey("a/1", "heights", 96)) is None
    assert store.get(ThumbnailKey("a/1", "image", 192)) is None
    assert store.get(KEY) is not None


def test_a_read_only_project_gets_no_file(tmp_path: Path) -> None:
    store = ThumbnailStore.open(tmp_path / "thumbnails", limit=1_000_000, read_only=True)
    store.put(KEY, classes(), lossless=True)
    store.clear()
    store.close()
    assert not (tmp_path / "thumbnails").exists()


def test_the_file_stays_within_its_limit_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    now = iter(range(1_000_000))
    limit = 2_000_000
    store = ThumbnailStore(tmp_path / FILE_NAME, limit=limit, clock=lambda: next(now))
    favourite = ThumbnailKey("favourite", "image", 96)
    store.put(favourite, noise(0), lossless=True)
    for number in range(1, 200):
        store.put(ThumbnailKey(f"{number}", "image", 96), noise(number), lossless=True)
        store.get(favourite)
        if number % 10 == 0:
            store.flush()
    store.flush()
    assert 0 < store.nbytes <= limit
    assert store.get(favourite) is not None
    assert store.get(ThumbnailKey("1", "image", 96)) is None
    assert store.get(ThumbnailKey("199", "image", 96)) is not None
    store.limit = 500_000
    assert 0 < store.nbytes <= 500_000
    store.close()
    assert (tmp_path / FILE_NAME).stat().st_size <= limit


def test_reading_anew_throws_everything_away(store: ThumbnailStore) -> None:
    store.put(KEY, classes(), lossless=True)
    store.flush()
    store.clear()
    assert store.get(KEY) is None
    store.put(KEY, classes(), lossless=True)
    store.flush()
    assert store.get(KEY) is not None


@pytest.mark.parametrize("kind", ["text", "database", "cut", "newer", "view"])
def test_a_foreign_or_damaged_file_is_begun_anew(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "thumbnails"
    folder.mkdir()
    path = folder / FILE_NAME
    if kind == "text":
        path.write_bytes(b"this is no database" * 100)
    elif kind == "database":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE someone (elses TEXT)")
        connection.close()
    else:
        made = ThumbnailStore.open(folder, limit=10_000_000)
        for number in range(70):
            made.put(ThumbnailKey(f"{number}", "image", 96), noise(number, 32), lossless=True)
        made.close()
        if kind == "cut":
            os.truncate(path, path.stat().st_size // 2)
        else:
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA user_version = 99" if kind == "newer" else "CREATE VIEW v AS SELECT 1")
            connection.commit()
            connection.close()
    store = ThumbnailStore.open(folder, limit=10_000_000)
    for number in range(70):
        store.get(ThumbnailKey(f"{number}", "image", 96))
    store.put(KEY, classes(), lossless=True)
    store.close()
    again = ThumbnailStore.open(folder, limit=10_000_000)
    assert again.get(KEY) is not None
    again.close()


@pytest.mark.parametrize(
    "blob",
    [b"", b"RIFF", os.urandom(500), "text", 5, None, b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(5_000_000)],
    ids=["empty", "header", "noise", "text", "number", "null", "png", "huge"],
)
def test_bytes_that_are_no_small_picture_are_nothing(blob: object) -> None:
    assert decoded(blob, 96) is None


def test_a_picture_larger_than_it_should_be_is_not_decoded() -> None:
    assert decoded(encoded(noise(1, 192), lossless=True), 96) is None
    assert decoded(encoded(noise(1, 96), lossless=True), 96) is not None


def test_no_cut_or_changed_picture_raises() -> None:
    generator = np.random.default_rng(5)
    for lossless in (True, False):
        blob = encoded(noise(3, 48), lossless=lossless)
        for _ in range(150):
            broken = bytearray(blob[: int(generator.integers(1, len(blob)))])
            for place in generator.integers(0, len(broken), 3):
                broken[place] = int(generator.integers(0, 256))
            found = decoded(bytes(broken), 96)
            assert found is None or max(found.shape) <= 96


def test_a_strangers_picture_is_premultiplied_all_the_same() -> None:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 200, 100, 50)).save(file, "PNG")
    found = decoded(file.getvalue(), 96)
    assert found is not None
    channels = found.view(np.uint8).reshape(4, 4, 4)
    assert (channels[..., :3] <= channels[..., 3:]).all()


def test_many_threads_share_a_store(store: ThumbnailStore) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 60):
            key = ThumbnailKey(f"{number}", "image", 96)
            store.put(key, noise(number % 4, 32), lossless=True)
            assert store.get(key) is not None

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(0, 240, 60)))
    assert len(store) == 240


@pytest.mark.parametrize(("pixels", "size"), [(1, 96), (96, 96), (97, 192), (500, 768), (5000, 768)])
def test_the_next_larger_size_is_kept(pixels: float, size: int) -> None:
    assert size_class(pixels) == size
    assert size in SIZES
