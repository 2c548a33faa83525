"""Animations as files: GIF, MP4. Frames go to the disk one by one; a minute of them needs no more memory than a second."""

import importlib
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import SaveError
from rsviewer.core.render import Pixels
from rsviewer.core.tile import printable
from rsviewer.data.saving import saving


class Format(StrEnum):
    """What an animation is saved as; also the ending of the file."""

    GIF = "gif"
    MP4 = "mp4"


DELAYS: Final = (10, 8, 6, 5, 4)
"""Hundredths of a second that a frame of a GIF may stand. Below 4 not every program keeps the time."""
RATES: Final = {Format.GIF: tuple(100 / delay for delay in DELAYS), Format.MP4: (24.0, 30.0, 60.0)}
"""Frames per second that each format can do."""
MOST: Final = 4096
"""Pixels a side: what players of H.264 still play."""

_GRID: Final = 64
"""Steps a channel in the table from colours to the palette."""
_EXACT: Final = 12
"""Colours of flat areas that the palette has as they are: background, text, lines."""
_FLAT: Final = 0.002
"""Share of the pixels from which a colour counts as a flat area's."""
_GREYS: Final = 16
"""Evenly from black to white, for words and their edges: few pixels, but a tint is seen there."""
_STRONGEST: Final = 10.0
"""Of the pattern that stands for colours between two of the palette, in 1/255."""
_PATIENCE_S: Final = 0.05
_X264: Final = (
    # Whoever plays it takes the colours for BT.709 in any case: so say it, and make them so.
    *("-an", "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-c:v", "libx264", "-pix_fmt", "yuv420p"),
    *("-crf", "18", "-preset", "medium", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
    *("-color_range", "tv", "-movflags", "+faststart", "-f", "mp4"),
)


def write_gif(
    path: Path,
    frames: Iterable[Pixels],
    samples: Sequence[Pixels],
    *,
    rate: float,
    stopped: Callable[[], bool] = lambda: False,
    overwrite: bool = False,
) -> bool:
    """Writes an animation that is played for ever. Whole or not at all.

    All frames share one palette, and a pixel's place and colour alone decide about what becomes of it: so what does not move
    does not flicker.

    Args:
        path: any name.
        frames: (height, width) 0xFFRRGGBB, all of one size. Taken one by one.
        samples: some frames of any size, from which the palette is made.
        rate: frames per second, one of RATES.
        stopped: asked before every frame.
        overwrite: replace what is there.

    Returns:
        False where it was stopped: then nothing is written.

    Raises:
        SaveError: the file cannot be written, or is there already.
    """
    palette = _Palette(samples)
    delay = max(2, round(100 / rate))
    try:
        with saving(path, overwrite=overwrite) as partial:
            with partial.open("xb") as file:
                before: NDArray[np.uint8] | None = None
                for frame in _until(frames, stopped):
                    indices = palette.indices(frame)
                    if before is None:
                        file.write(_gif_head(frame.shape, palette.colors))
                    _write_gif_frame(file, indices, before, delay)
                    before = indices
                file.write(b";")
            if before is None:
                raise _no_frame(path)
    except _StoppedError:
        return False
    return True


def write_mp4(
    path: Path,
    frames: Iterable[Pixels],
    *,
    rate: float,
    stopped: Callable[[], bool] = lambda: False,
    overwrite: bool = False,
) -> bool:
    """Writes an H.264 video that every player and slide show takes. Whole or not at all.

    Args:
        path: any name.
        frames: (height, width) 0xFFRRGGBB, all of one even size. Taken one by one.
        rate: frames per second.
        stopped: asked before every frame, and while the last ones are written.
        overwrite: replace what is there.

    Returns:
        False where it was stopped: then nothing is written, and ffmpeg has ended.

    Raises:
        SaveError: there is no ffmpeg, the file cannot be written, or is there already.
    """
    try:
        with saving(path, overwrite=overwrite) as partial:
            coming = iter(_until(frames, stopped))
            first = next(coming, None)
            if first is None:
                raise _no_frame(path)
            height, width = first.shape
            if width % 2 or height % 2:
                raise SaveError(
                    f"An MP4 has an even width and height; {width} x {height} has not. Choose another size."
                )
            with _ffmpeg(partial, (width, height), rate) as encoder:
                encoder.take(first)
                for frame in coming:
                    encoder.take(frame)
                encoder.finish(stopped)
    except _StoppedError:
        return False
    return True


class _StoppedError(Exception):
    """The user does not want the file any more."""


def _until(frames: Iterable[Pixels], stopped: Callable[[], bool]) -> Iterator[Pixels]:
    coming = iter(frames)
    while True:
        if stopped():
            raise _StoppedError
        frame = next(coming, None)
        if frame is not None:
            yield frame
        elif stopped():  # in the midst of a frame
            raise _StoppedError
        else:
            return


def _no_frame(path: Path) -> SaveError:
    return SaveError(f"There is no frame to write to {printable(path.name)}: make the animation longer.")


# --- GIF


class _Palette:
    """256 colours for all frames, and the way from any colour to them.

    Attributes:
        colors: (256, 3).
    """

    def __init__(self, samples: Sequence[Pixels]) -> None:
        self._exact = _flat_colors(samples)
        self.colors = _palette(samples, self._exact)
        self._nearest = _nearest(self.colors)
        self._pattern = _pattern(self.colors)

    def indices(self, pixels: Pixels) -> NDArray[np.uint8]:
        """(height, width) places in the palette."""
        height, width = pixels.shape
        pattern = np.tile(self._pattern, (-(-height // 8), -(-width // 8)))[:height, :width]
        place = np.zeros(pixels.shape, np.uint32)
        for shift in (16, 8, 0):
            channel = (pixels >> shift & 0xFF).astype(np.int16)
            channel += pattern
            np.clip(channel, 0, 255, out=channel)
            place = place * np.uint32(_GRID) + (channel >> 2).astype(np.uint32)
        indices = self._nearest[place]
        opaque = pixels & np.uint32(0xFFFFFF)
        for number, color in enumerate(self._exact):
            indices[opaque == color] = number
        return indices


def _flat_colors(samples: Sequence[Pixels]) -> list[int]:
    """0xRRGGBB of large areas of one colour, largest first."""
    colors, counts = np.unique(np.concatenate([sample.ravel() for sample in samples]) & 0xFFFFFF, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_EXACT]
    return [int(colors[at]) for at in order if counts[at] > _FLAT * counts.sum()]


def _palette(samples: Sequence[Pixels], exact: Sequence[int]) -> NDArray[np.uint8]:
    """(256, 3) the exact colours, greys, and those that stand for all others best."""
    from PIL import Image

    flat = np.concatenate([sample.ravel() for sample in samples]).astype("<u4") & np.uint32(0xFFFFFF)
    others = flat[~np.isin(flat, np.array(exact, np.uint32))]
    colors = np.zeros((256, 3), np.uint8)
    for number, color in enumerate(exact):
        colors[number] = color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF
    fixed = len(exact) + _GREYS
    colors[len(exact) : fixed] = np.linspace(0, 255, _GREYS).round()[:, None]
    if others.size:
        picture = Image.frombytes("RGB", (others.size, 1), others.tobytes(), "raw", "BGRX")
        best = picture.quantize(256 - fixed, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).getpalette() or []
        rest = np.array(best, np.uint8).reshape(-1, 3)[: 256 - fixed]
        colors[fixed : fixed + len(rest)] = rest
    return colors


def _nearest(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(64 * 64 * 64,) which colour of the palette is nearest to each cell of the colour cube, red first."""
    centre = np.arange(_GRID, dtype=np.float32) * (256 // _GRID) + (256 // _GRID - 1) / 2
    palette = colors.astype(np.float32)
    size = (palette**2).sum(axis=1)
    plane = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    nearest = np.empty((_GRID, plane.shape[0]), np.uint8)
    for red in range(_GRID):  # |cell - color|^2 without what is the same for all colours
        across = size - 2 * (plane @ palette[:, 1:].T) - 2 * centre[red] * palette[:, 0]
        nearest[red] = across.argmin(axis=1)
    return nearest.ravel()


def _pattern(colors: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(8, 8) added to colours before they are looked up, so that two of the palette mix: Bayer's, as strong as it must be."""
    order = np.zeros((1, 1))
    for _ in range(3):
        order = np.block([[4 * order, 4 * order + 2], [4 * order + 3, 4 * order + 1]])
    different = np.unique(colors, axis=0).astype(np.float32)
    if len(different) < 3:
        return np.zeros((8, 8), np.int16)
    apart = ((different[:, None] - different[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    spacing = float(np.median(np.sqrt(apart.min(axis=1))))
    strength = min(spacing / np.sqrt(3), _STRONGEST)  # all three channels move together
    pattern: NDArray[np.int16] = np.rint(((order + 0.5) / 64 - 0.5) * strength).astype(np.int16)
    return pattern


def _gif_head(shape: tuple[int, ...], colors: NDArray[np.uint8]) -> bytes:
    """Size, palette, and that it is played again and again."""
    height, width = shape
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\xf7\x00\x00"
    return b"GIF89a" + screen + colors.tobytes() + b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


def _write_gif_frame(file: IO[bytes], indices: NDArray[np.uint8], before: NDArray[np.uint8] | None, delay: int) -> None:
    """Only the rectangle that differs from the frame before is written."""
    from PIL import GifImagePlugin, Image

    rows, columns = _differing(indices, before)
    part = np.ascontiguousarray(indices[rows, columns])
    picture = Image.frombytes("P", (part.shape[1], part.shape[0]), part.tobytes())
    for block in GifImagePlugin.getdata(picture, (columns.start, rows.start), duration=delay * 10, disposal=1):
        file.write(block)


def _differing(indices: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> tuple[slice, slice]:
    if before is None:
        return slice(0, indices.shape[0]), slice(0, indices.shape[1])
    differs = indices != before
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not rows.size:
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


# --- MP4


@dataclass(frozen=True, slots=True)
class _Encoder:
    """A running ffmpeg that takes frames.

    It is not `imageio_ffmpeg.write_frames`, which does not ask how ffmpeg ended: a full disk would pass for a saved file.
    """

    process: "subprocess.Popen[bytes]"
    said: IO[bytes]

    def take(self, frame: Pixels) -> None:
        """Gives it one frame. Raises SaveError where it has ended."""
        try:
            self._input().write(np.ascontiguousarray(frame, "<u4").data)
        except OSError as error:
            self.process.wait()
            raise self._failure() from error

    def finish(self, stopped: Callable[[], bool]) -> None:
        """Waits until it has written everything. Raises SaveError, or _StoppedError."""
        try:
            self._input().close()
        except OSError as error:
            self.process.wait()
            raise self._failure() from error
        while True:
            try:
                if self.process.wait(_PATIENCE_S):
                    raise self._failure()
            except subprocess.TimeoutExpired:
                if stopped():
                    raise _StoppedError from None
            else:
                return

    def _input(self) -> IO[bytes]:
        if self.process.stdin is None:
            raise AssertionError("it was started with a pipe")
        return self.process.stdin

    def _failure(self) -> SaveError:
        self.said.seek(0)
        lines = self.said.read().decode("utf-8", "replace").strip().splitlines()
        why = lines[-1].strip().rstrip(".") if lines else f"it ended with {self.process.returncode}"
        return SaveError(
            f"ffmpeg could not write the MP4 ({why}). Make room there, choose another place, or save a GIF."
        )


@contextmanager
def _ffmpeg(path: Path, size: tuple[int, int], rate: float) -> Iterator[_Encoder]:
    """An ffmpeg that writes to `path`. It has ended when this has."""
    width, height = size
    command = [_ffmpeg_program(), "-hide_banner", "-nostats", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr0"]
    command += ["-s", f"{width}x{height}", "-framerate", f"{rate:g}", "-i", "pipe:0", *_X264, str(path.absolute())]
    options: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}  # no window on Windows
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603 -- no shell: our own words, and a path as one of them
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, **options
            )
        except OSError as error:
            raise _no_ffmpeg(f"{command[0]}: {error.strerror or error}") from error
        try:
            yield _Encoder(process, said)
        finally:
            if process.poll() is None:
                process.kill()
            if process.stdin is not None:
                with suppress(OSError):  # what it did not take is of no use any more
                    process.stdin.close()
            process.wait()


def _ffmpeg_program() -> str:
    """Path of ffmpeg. Raises SaveError where there is none."""
    imageio_ffmpeg: Any = importlib.import_module("imageio_ffmpeg")  # for nothing else; and it is not typed
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise _no_ffmpeg("there is none") from error


def _no_ffmpeg(why: str) -> SaveError:
    return SaveError(
        f"MP4 needs ffmpeg, which cannot be started ({why}). Install ffmpeg or the package imageio-ffmpeg, or save a GIF."
    )
