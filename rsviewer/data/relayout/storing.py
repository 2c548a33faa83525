"""Files of a new dataset: copied byte for byte, linked, or written anew with the same values, holes and place on the map."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from io import BytesIO
from pathlib import Path

import numpy as np

from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.holes import marked
from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Raster, Text, printable
from rsviewer.data.catalogue import place_name
from rsviewer.data.geotiff import geotiff, transform_of
from rsviewer.data.rasterfile import SIDECARS
from rsviewer.data.saving import save, saving
from rsviewer.data.tree import Place, Tree

_PIECE = 1 << 20
_FEW_COLORS = 256
NO_LINKS = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
    errno.EINVAL,
)
"""What a file system says that has no such links, or not across its border."""


class Link(StrEnum):
    """How a file that is good as it is gets into the new dataset."""

    COPY = "copy"
    HARD = "hard"
    SYMLINK = "symlink"


def transfer(address: str, target: Path, tree: Tree, link: Link) -> tuple[str, ...]:
    """Copies or links a file, and what lies beside it and changes its meaning.

    Args:
        address: of the file, a path.
        target: of the new one. What is there is replaced: a link itself, never what it leads to.
        tree: where the file is.
        link: how. What cannot be linked is copied.

    Returns:
        Remarks.

    Raises:
        LayerError: the file is not there or cannot be read.
        SaveError: the new one cannot be written.
    """
    remarks = _transfer(address, target, tree, link)
    for beside, other in _beside(address, target, tree):
        _transfer(beside, other, tree, link)
    return remarks


def without_link(path: Path) -> None:
    """Takes a symbolic link away, so that what is written there is not written to where it leads. Raises SaveError."""
    try:
        if path.is_symlink():
            path.unlink()
    except OSError as error:
        raise SaveError(f"{printable(str(path))} cannot be replaced ({error.strerror or error}).") from error


def tiff_of(raster: Raster, spec: LayerSpec) -> bytes:
    """A layer as GeoTIFF. Raises SaveError where its values cannot be stored so."""
    pixels = raster.pixels
    is_few = spec.kind.is_categorical and len(pixels) == 1 and pixels.dtype.kind in "iu"
    if is_few and pixels.dtype.itemsize > 1 and _fits_8bit(raster):
        pixels = np.where(raster.valid, pixels, 0).astype(np.uint8)
    classes = {known.value: known for known in spec.classes}
    stored = marked(pixels, raster.valid, spec.kind, meanings=_meanings(spec), preferred=raster.nodata)
    colors = None
    if is_few and stored.pixels.dtype == np.uint8:
        known = dict(raster.color_table) | {value: each.color for value, each in classes.items()}
        colors = {value: (*color, 255) for value, color in known.items() if 0 <= value < _FEW_COLORS}
    return geotiff(
        stored.pixels,
        transform=transform_of(raster),
        crs=raster.crs,
        nodata=stored.nodata,
        names=() if stored.alpha else raster.band_names,
        units=(spec.unit,) * len(stored.pixels) if spec.unit and not stored.alpha else (),
        colors=colors or None,
        transparent=stored.alpha,
    )


def png_of(raster: Raster, title: str) -> bytes:
    """A picture of one or three bands of 8 bits as PNG, pixels without data transparent. Raises LayerError for others."""
    from PIL import Image  # when something is saved, not before

    if raster.pixels.dtype != np.uint8 or raster.bands not in (1, 3):
        raise LayerError(
            f"{title} has {raster.bands} band{'s' * (raster.bands > 1)} of type {raster.pixels.dtype}, where the others are "
            "pictures of 8 bits: PNG cannot hold it."
        )
    bands = list(raster.pixels)
    if not raster.valid.all():
        bands.append(np.where(raster.valid.all(axis=0), 255, 0).astype(np.uint8))
    picture = Image.fromarray(bands[0] if len(bands) == 1 else np.stack(bands, axis=-1))
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def text_of(content: Text) -> bytes:
    """A text as a file."""
    return content.text.encode("utf-8", "replace")


def difference(raster: Raster, new: LayerContent) -> str:
    """What is made of a file in the new dataset in another way than of that of the old one, as a clause; empty for nothing."""
    if not isinstance(new, Raster):
        return "it cannot be read there"
    if new.pixels.shape != raster.pixels.shape:
        return "it has other bands there"
    if np.any(raster.valid & ~new.valid):
        return "some of its values are taken for missing there"
    if np.any(new.valid & ~raster.valid):
        return "some of its holes are taken for values there"
    if np.any((new.pixels != raster.pixels) & raster.valid):
        return "some of its values are others there"
    return ""


def _transfer(address: str, target: Path, tree: Tree, link: Link) -> tuple[str, ...]:
    try:
        place = tree.place(address)
        if link is not Link.COPY:
            if not _is_whole(place):
                _copy(place, address, target)
                return ("What is no file of its own on a disk was copied, not linked.",)
            if _linked(place.path, target, link):
                return ()
            _copy(place, address, target)
            return ("What cannot be linked from there was copied.",)
        _copy(place, address, target)
    except OSError as error:
        raise LayerError(f"{place_name(address)} cannot be read ({error.strerror or error}).") from error
    return ()


def _beside(address: str, target: Path, tree: Tree) -> Iterator[tuple[str, Path]]:
    """(file beside a raster, where it goes)."""
    folder, name = os.path.split(address)
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - paths of tiles are strings, see TileEntry
    if suffix.lower() == ".txt" or tree.place(address).remote:
        return
    for pattern in SIDECARS:
        beside = os.path.join(folder, pattern.format(name, stem))  # noqa: PTH118
        if tree.is_file(beside):
            yield beside, target.with_name(pattern.format(target.name, target.stem))


def _is_whole(place: Place) -> bool:
    return place.content is None and place.file is None and not place.remote and not place.offset and place.size is None


def _linked(source: str, target: Path, link: Link) -> bool:
    """Whether a link could be made, in the place of what is there. Raises SaveError, and OSError for the source."""
    real = os.path.realpath(source, strict=True)
    with _replacing(target) as partial:
        try:
            if link is Link.HARD:
                os.link(real, partial)
            else:
                partial.symlink_to(os.path.abspath(source))  # noqa: PTH100 - Path.resolve follows links
        except OSError as error:
            if error.errno in NO_LINKS or os.name == "nt":
                return False
            raise SaveError(f"{printable(str(target))} could not be linked ({error.strerror or error}).") from error
    return True


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A name to make a link under, which then takes the place of `target`. Unlike `saving` it never touches what it links."""
    partial = target.with_name(f".rsviewer-{os.urandom(8).hex()}.partial")
    try:
        yield partial
        if os.path.lexists(partial):
            try:
                if not target.is_symlink() and target.exists() and target.samefile(partial):
                    return  # rename would leave both names of one file
                partial.replace(target)
            except OSError as error:
                raise SaveError(
                    f"{printable(str(target))} could not be replaced ({error.strerror or error})."
                ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy(place: Place, address: str, target: Path) -> None:
    without_link(target)
    if place.content is not None:
        save(target, place.content, overwrite=True)
    elif place.file is not None:
        place.file.seek(0)
        _write(_pieces(place.file.read, place.size, address), target)
        if place.file.error is not None:
            raise place.file.error
    else:
        with Path(place.path).open("rb") as file:
            file.seek(place.offset)
            _write(_pieces(file.read, place.size, address), target)


def _write(pieces: Iterable[bytes], target: Path) -> None:
    with saving(target, overwrite=True) as partial, partial.open("wb") as out:
        out.writelines(pieces)


def _pieces(read: Callable[[int], bytes], size: int | None, address: str) -> Iterator[bytes]:
    """All of a file, or so many bytes of it. Raises LayerError where it has fewer, or cannot be read."""
    left = size
    while left is None or left > 0:
        try:
            piece = read(_PIECE if left is None else min(_PIECE, left))
        except OSError as error:  # else it would be said that the new file cannot be written
            raise LayerError(f"{place_name(address)} cannot be read ({error.strerror or error}).") from error
        if not piece and left is None:
            return
        if not piece:
            raise LayerError(f"{place_name(address)} ends too early: {left} of {size} bytes are missing.")
        yield piece
        left = None if left is None else left - len(piece)


def _fits_8bit(raster: Raster) -> bool:
    values = raster.pixels[raster.valid]
    return not values.size or (int(values.min()) >= 0 and int(values.max()) < _FEW_COLORS)


def _meanings(spec: LayerSpec) -> set[int]:
    """Values that are no markers of holes."""
    if spec.kind is LayerKind.MASK and not spec.classes:
        return {0}
    return {known.value for known in spec.classes} if spec.kind.is_categorical else set()
