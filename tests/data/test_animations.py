"""What is saved as GIF or MP4 is read back as it was drawn, and what is not finished is not there."""

import itertools
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from rsviewer.core.errors import SaveError
from rsviewer.core.render import Pixels
from rsviewer.data.animations import RATES, Format, write_gif, write_mp4

WIDTH, HEIGHT, COUNT = 96, 64, 12
BACKGROUND = 0xFF1E1E1E


def frames(count: int = COUNT) -> Iterator[Pixels]:
    """A coloured ramp that stands still at the left, and a shaded ball that wanders at the right."""
    row, column = np.mgrid[0:HEIGHT, 0:WIDTH]
    for number in range(count):
        pixels = np.full((HEIGHT, WIDTH), BACKGROUND, np.uint32)
        ramp = (slice(8, 56), slice(4, 30))
        pixels[ramp] = 0xFF000000 | (row * 4 << 16 | column * 5 << 8 | 90)[ramp].astype(np.uint32)
        distance = np.hypot(row - 32 - 16 * np.sin(number / 2), column - 64 - 16 * np.cos(number / 2))
        ball = distance < 12
        pixels[ball] = (0xFF402010 + (distance[ball] * 12).astype(np.uint32) * 0x010101).astype(np.uint32)
        yield pixels


def rgb(pixels: Pixels) -> np.ndarray:
    return pixels.astype("<u4")[..., None].view(np.uint8)[..., 2::-1].astype(int)


def gif_frames(path: Path) -> np.ndarray:
    """(count, height, width, 3)"""
    with Image.open(path) as picture:
        read = []
        for number in range(picture.n_frames):  # type: ignore[attr-defined] # only pictures with frames have it
            picture.seek(number)
            read.append(np.asarray(picture.convert("RGB"), int))
    return np.stack(read)


def test_a_gif_has_every_frame_for_its_time_and_is_played_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "turn.gif"
    assert write_gif(path, frames(), list(frames()), rate=12.5)
    with Image.open(path) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        assert picture.n_frames == COUNT  # type: ignore[attr-defined] # only pictures with frames have it
        assert picture.info["loop"] == 0
        for number in range(COUNT):
            picture.seek(number)
            assert picture.info["duration"] == 80
    assert list(tmp_path.iterdir()) == [path]


def test_colors_of_a_gif_are_near_those_drawn_and_the_background_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "turn.gif"
    write_gif(path, frames(), list(frames(4)), rate=25)
    for read, drawn in zip(gif_frames(path), frames(), strict=True):
        wanted = rgb(drawn)
        assert np.abs(read - wanted).max() <= 24
        assert np.abs(read - wanted).mean() < 3
        assert (read[drawn == BACKGROUND] == 0x1E).all()


def test_words_in_a_gif_are_grey_without_a_tint(tmp_path: Path) -> None:
    """They are too few pixels to have a colour of their own among all the others."""
    (frame,) = frames(1)
    frame[2, 2:8] = [0xFFE4E4E4, 0xFFA3A3A3, 0xFFC0C0C0, 0xFF7B7B7B, 0xFFF0F0F0, 0xFF000000]
    write_gif(tmp_path / "a.gif", [frame], [frame], rate=10)
    words = gif_frames(tmp_path / "a.gif")[0, 2, 2:8]
    assert (np.ptp(words, axis=1) <= 1).all()
    assert np.abs(words - rgb(frame)[2, 2:8]).max() <= 14


def test_what_stands_still_in_a_gif_does_not_flicker(tmp_path: Path) -> None:
    path = tmp_path / "turn.gif"
    write_gif(path, frames(), list(frames(2)), rate=25)
    still = gif_frames(path)[:, :, :34]
    assert (still == still[0]).all()


def test_a_gif_of_frames_without_change_keeps_its_length(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    flat = np.full((5, 7), BACKGROUND, np.uint32)
    write_gif(path, itertools.repeat(flat, 3), [flat], rate=10)
    with Image.open(path) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined] # only pictures with frames have it
    assert (gif_frames(path) == 0x1E).all()


def test_a_gif_can_keep_all_times_that_are_offered() -> None:
    for rate in RATES[Format.GIF]:
        assert rate <= 25
        assert 100 / rate == pytest.approx(round(100 / rate))


def test_frames_are_taken_one_by_one(tmp_path: Path) -> None:
    """A long animation must not lie in memory as a whole."""
    path, sizes = tmp_path / "turn.gif", []

    def watched() -> Iterator[Pixels]:
        for frame in frames(40):
            sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
            yield frame

    write_gif(path, watched(), list(frames(2)), rate=25)
    assert sizes[-1] > path.stat().st_size / 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # read_frames leaves its pipes open
def test_an_mp4_is_h264_that_players_take_of_the_right_size_and_length(tmp_path: Path) -> None:
    path = tmp_path / "turn.mp4"
    assert write_mp4(path, frames(30), rate=30)
    reader = imageio_ffmpeg.read_frames(path)
    meta = next(reader)
    read = [np.frombuffer(frame, np.uint8).reshape(HEIGHT, WIDTH, 3).astype(int) for frame in reader]
    assert (meta["size"], meta["fps"], meta["codec"]) == ((WIDTH, HEIGHT), 30, "h264")
    assert meta["pix_fmt"].startswith("yuv420p")
    assert meta["duration"] == pytest.approx(1.0, abs=0.05)
    assert len(read) == 30
    for got, drawn in zip(read, frames(30), strict=True):
        assert np.abs(got - rgb(drawn)).mean() < 6
    assert list(tmp_path.iterdir()) == [path]


def test_an_mp4_of_odd_size_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="even width and height"):
        write_mp4(tmp_path / "odd.mp4", [np.zeros((3, 4), np.uint32)], rate=30)
    assert not any(tmp_path.iterdir())


def write(kind: Format, path: Path, **how: object) -> bool:
    if kind is Format.GIF:
        return write_gif(path, how.pop("frames", frames()), list(frames(2)), rate=25, **how)  # type: ignore[arg-type] # a test's own words
    return write_mp4(path, how.pop("frames", frames()), rate=30, **how)  # type: ignore[arg-type] # a test's own words


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("after", [0, 5, COUNT])
def test_stopping_leaves_nothing(kind: Format, after: int, tmp_path: Path) -> None:
    asked = itertools.count()
    assert not write(kind, tmp_path / f"turn.{kind}", stopped=lambda: next(asked) >= after)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", Format)
def test_a_frame_that_cannot_be_drawn_leaves_nothing(kind: Format, tmp_path: Path) -> None:
    def failing() -> Iterator[Pixels]:
        yield from frames(3)
        raise SaveError("The 3D view was closed.")

    with pytest.raises(SaveError, match="closed"):
        write(kind, tmp_path / f"turn.{kind}", frames=failing())
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", Format)
def test_what_is_there_is_replaced_only_when_that_is_wanted(kind: Format, tmp_path: Path) -> None:
    path = tmp_path / f"turn.{kind}"
    path.write_bytes(b"mine")
    with pytest.raises(SaveError, match="exists and was left as it is"):
        write(kind, path)
    assert path.read_bytes() == b"mine"
    assert write(kind, path, overwrite=True)
    assert path.stat().st_size > 100


@pytest.mark.parametrize("kind", Format)
def test_a_place_that_does_not_exist_is_one_sentence(kind: Format, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="could not") as refused:
        write(kind, tmp_path / "nowhere" / f"turn.{kind}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", Format)
def test_no_frame_is_no_file(kind: Format, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="no frame"):
        write(kind, tmp_path / f"turn.{kind}", frames=[])
    assert not any(tmp_path.iterdir())


def test_without_ffmpeg_there_is_a_sentence_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-such-program"))
    with pytest.raises(SaveError, match=r"MP4 needs ffmpeg.* or save a GIF"):
        write(Format.MP4, tmp_path / "turn.mp4")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: (_ for _ in ()).throw(RuntimeError("none")))
    with pytest.raises(SaveError, match=r"MP4 needs ffmpeg.* or save a GIF"):
        write(Format.MP4, tmp_path / "turn.mp4")
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="the false ffmpeg is a shell script")
@pytest.mark.parametrize("reads", ["cat >/dev/null", "head -c 100 >/dev/null"], ids=["at the end", "at once"])
def test_an_ffmpeg_that_fails_says_why_and_no_broken_video_stays(
    reads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, out = tmp_path / "ffmpeg", tmp_path / "out"
    out.mkdir()
    program.write_text(f"#!/bin/sh\n{reads}\necho 'turn.mp4: No space left on device' >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with pytest.raises(SaveError, match=r"could not write the MP4 \(turn.mp4: No space left on device\)"):
        write(Format.MP4, out / "turn.mp4", frames=frames(200))
    assert not any(out.iterdir())
