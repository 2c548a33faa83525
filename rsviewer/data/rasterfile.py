"""Open an image file that may be anything: every fault of the file comes back as a value with a sentence for the user.

The order is: what the first bytes say it is, what the header declares, and only then pixels; so neither an image of
60,000 x 60,000 pixels nor 200 bytes that claim to be one can exhaust memory or patience. Every call opens, works and
closes by itself: any number of threads may call at once.

Decided here, with reasons:

- The format comes from the signature, and GDAL is given that one driver. A ".tif" that is a VRT, a WMS description or a
  database never reaches the driver that would follow its references.
- GDAL_DISABLE_READDIR_ON_OPEN=TRUE: sidecars (.aux.xml .ovr .msk .tfw) are probed by name and the folder is not listed.
  Opening one of 70,000 tiles in a folder: 1.32 ms with listing, 0.77 ms so, 0.73 ms with EMPTY_DIR, which misses them.
- GTIFF_SRS_SOURCE=GEOKEYS: without it GDAL builds every CRS twice, from the file and from the EPSG registry, and compares.
  Opening takes 0.26 ms instead of 0.43. Of 7,723 codes of the registry all keep their metres per pixel and all but 20
  their name; of these none is projected.
- GDAL's block cache is 256 MiB, not 5 % of the machine: the cache of decoded tiles above is the one that counts.
- What lies as it is in an archive is read in place, as a file within a file; what had to be unpacked is read from memory.
- What lies on a server is in memory, too, unless it is large; then GDAL reads it by way of Python, since rasterio holds the
  interpreter's lock while GDAL looks for overviews or masks: a server that does not answer would freeze the window.
- A thread enters its GDAL environment once, and DatasetReader is called without rasterio.open, which would enter two
  more for every file: 0.1 ms of the 2.5 ms that a tile of 512 x 512 takes.
"""

import contextlib
import errno
import itertools
import logging
import os
import re
import stat
import tempfile
import threading
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import numpy as np
import rasterio.env
from rasterio._env import set_gdal_config  # rasterio.env imports it from here, too, and has no name of its own for it
from rasterio._err import CPLE_BaseError  # GDAL's errors that rasterio lets through
from rasterio._vsiopener import _opener_registration  # what rasterio.open does with its argument `opener`
from rasterio.enums import Interleaving
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, DatasetWriter, MemoryFile

from rsviewer.core.tile import Missing, Unreadable, printable
from rsviewer.data.remote.names import shown
from rsviewer.data.tree import DISK, Partly, Place, Tree

log = logging.getLogger(__name__)

MAX_BLOCK: Final = 1 << 30
"""Bytes of one block (strip, tile, or the whole image for WebP), which GDAL must hold to read a single pixel of it."""

MAX_DECODE: Final = 1 << 35
"""Bytes to decode where no overview helps: minutes, not hours. 60,000 x 60,000 x 3 is a third of it."""

MAX_BANDS: Final = 4096
"""No sensor has more, and 244 bytes that claimed 65,535 bands kept GDAL busy for five minutes."""

_ENVIRONMENT: Final = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GTIFF_SRS_SOURCE": "GEOKEYS",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "GDAL_HTTP_TIMEOUT": "1",
}
_NETWORK_DRIVERS: Final = "HTTP,WMS,WMTS,WCS,STACIT,STACTA,PLMOSAIC,EEDA,EEDAI,DAAS"
"""Never registered: an .aux.xml may name any source for its overviews, and looking at a tile must not call anybody."""

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "GTiff"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JP2OpenJPEG"),
    (rb"RIFF.{4}WEBP", "WEBP"),
    (rb"EHFA_HEADER_TAG", "HFA"),
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{12}[\x0c\x28\x40\x6c\x7c]\0\0\0", "BMP"),
    (rb"(?i)\s*(?:ncols|nrows|[xy]llcorner|[xy]llcenter|cellsize)\s+[-+.\d]", "AAIGrid"),
)
"""What a file starts with, and the only GDAL driver that may read it."""

_SUPPORTED: Final = "GeoTIFF, PNG, JPEG, JPEG 2000, WebP, BMP, GIF, Erdas IMG, Arc/Info ASCII grid"

_NOT_IMAGES: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"version https://git-lfs", "A Git LFS pointer, not an image: run `git lfs pull` in the folder of the dataset."),
    (rb"\S*annex/objects/", "A git-annex pointer, not an image: run `git annex get` on it."),
    (
        rb"(?i)\s*(?:<!doctype html|<html)",
        "A web page, perhaps an error message, was saved as this file: download it again.",
    ),
    (rb"(?i)\s*<VRTDataset", "A GDAL VRT, which points to other files: open those, or convert it with gdal_translate."),
    (rb"(?:\xef\xbb\xbf)?\s*<[?!\w]", "An XML file, not an image: look what it says in a text editor."),
    (rb"\s*[{\[]", "A JSON or other text file, not an image: look what it says in a text editor."),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!", "A packed archive, not an image: unpack it first."),
    (
        rb"\x89HDF|CDF[\x01\x02\x05]",
        "An HDF5 or netCDF file, which may hold many arrays: convert the wanted one to GeoTIFF.",
    ),
    (rb"\x93NUMPY", "A NumPy array, not an image: convert it to GeoTIFF."),
    (rb"LASF", "A LAS or LAZ point cloud, not an image: rasterise it first."),
    (rb"%PDF", "A PDF document, not an image: convert it to GeoTIFF."),
    (rb"\0{64}", "The file starts with nothing but zeros, as after a broken copy: copy it again from the source."),
)
"""What else a file may start with, and what to tell the user."""

_COPY_AGAIN: Final = "Copy it again from the source."
_CONVERT: Final = "not supported by this build of GDAL: convert the file, e.g. to DEFLATE."

_FAILURES: Final[tuple[tuple[str, str], ...]] = (
    (r"missing codec (?:of code )?(\w+)", rf"Compression \1 is {_CONVERT}"),
    (r"Old-JPEG|can not handle|Unsupported JPEG|JPEG process|LogLuvSetup", f"This way of storing pixels is {_CONVERT}"),
    (
        r"Too large|Too many|too big|Cannot allocate|[Oo]ut of memory|MemoryError|exceeds? ",
        "The header declares a size that cannot be true: the file is damaged or hostile.",
    ),
    (
        r"got \d+ bytes, expected|Premature end|Read error|read directory|too short|No code-stream",
        f"Cut short: the file ends before its pixels do. {_COPY_AGAIN}",
    ),
    (r"not recognized|TIFFReadDirectory|TIFFFetchNormalTag", f"Damaged: its header makes no sense. {_COPY_AGAIN}"),
    (r"", f"Damaged: its pixels cannot be decoded. {_COPY_AGAIN}"),
)
"""What GDAL says (any message of the chain; first match wins), and what to tell the user."""

_TROUBLE: Final = (
    RasterioError,
    CPLE_BaseError,
    OSError,
    MemoryError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    SystemError,
)
"""What rasterio raises for bad files. SystemError is its "unknown GDAL error"; the builtins come from tags it trusts."""

SIDECARS: Final = ("{0}.aux.xml", "{0}.ovr", "{0}.msk", "{1}.tfw", "{1}.pgw", "{1}.jgw", "{1}.wld", "{1}.prj")
"""Files beside a raster that change its meaning: {0} is its name, {1} its stem."""

_MAX_SIDECAR: Final = 64 << 20
_MAX_BESIDE: Final = 512 << 20
"""Bytes of a raster in an archive up to which the files beside it count: then it has to be in memory with them."""

_served_names: Final = itertools.count()

_T = TypeVar("_T")


class Refused(Exception):  # noqa: N818 - no error of the program: the sentence of an Unreadable on its way up
    """The file will not be read. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file whose first bytes were looked at: the name GDAL can open, the one driver it may use, and its size in bytes."""

    name: Path
    driver: str
    size: int

    def open(self, **options: str) -> DatasetReader:
        """A handle for this thread and this call only. `options` are open options of the driver."""
        _hush()
        return DatasetReader(self.name, driver=[self.driver], sharing=False, **options)


def with_dataset(
    path: Path, work: Callable[[Source, DatasetReader], _T], tree: Tree = DISK
) -> _T | Unreadable | Missing:
    """What `work` makes of the opened file; `Unreadable` or `Missing` where that fails for a fault of the file.

    Args:
        path: any bytes the file system allows.
        work: gets the source (to open it again with other options) and the open handle, which is closed afterwards. It may
            raise `Refused` and whatever rasterio raises.
        tree: where the file is.
    """
    try:
        with source_at(path, tree) as source:
            try:
                with source.open() as dataset:
                    return work(source, dataset)
            except CRSError as error:
                log.debug("%s: opened again without georeference: %s", source.name, error)
                with source.open(GEOREF_SOURCES="NONE") as dataset:
                    return work(source, dataset)
    except Refused as refusal:
        return Unreadable(shown(path), str(refusal))
    except (FileNotFoundError, NotADirectoryError):
        return Missing(_absence(path))
    except _TROUBLE as error:
        log.debug("%s cannot be read", shown(path), exc_info=True)
        return Unreadable(shown(path), _reason(error))


@contextlib.contextmanager
def source_at(path: Path, tree: Tree = DISK) -> Iterator[Source]:
    """A file for as long as this lasts, for those that read parts of it again and again. Faults are raised: see `in_words`."""
    place = tree.place(str(path))
    driver, size = _identify(place)
    _settle()
    with _named(place, size, path.suffix, _sidecars(path, place, size, tree)) as name:
        yield Source(name, driver, size)


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Raises Refused, with a sentence for the user, where what is done with a file fails for a fault of the file."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Refused(_absence(path)) from error
    except _TROUBLE as error:
        log.debug("%s cannot be read", shown(path), exc_info=True)
        raise Refused(_reason(error)) from error


def check_size(source: Source, dataset: DatasetReader, *, in_parts: bool = False) -> None:
    """Refuse, from the header alone, what could exhaust memory or patience, and large files that end too early.

    Args:
        source: the file.
        dataset: the same, opened.
        in_parts: it is never decoded as a whole, however large it is.
    """
    width, height, bands = dataset.width, dataset.height, dataset.count
    if not bands:
        raise Refused("The file holds no image, only metadata or sub-datasets: convert the wanted part to GeoTIFF.")
    if bands > MAX_BANDS:
        raise Refused(f"The header declares {bands} bands, which cannot be true: the file is damaged or hostile.")
    item = item_size(dataset)
    rows, columns = (height, width) if source.driver == "WEBP" else dataset.block_shapes[0]
    block = rows * columns * item
    if block * bands > MAX_BLOCK and (block > MAX_BLOCK or dataset.interleaving is Interleaving.pixel):
        raise Refused(
            f"Stored in blocks of {columns} x {rows} pixels, too large to be held in memory: rewrite the file in tiles "
            "(gdal_translate -co TILED=YES)."
        )
    declared = width * height * bands * item
    if declared > MAX_DECODE and not in_parts and not dataset.overviews(1):
        raise Refused(
            f"Too large to show: {width} x {height} pixels, {declared / 1e9:.0f} GB, without overviews. If the header is "
            "right, run gdaladdo on the file."
        )
    if declared > MAX_BLOCK and source.driver == "GTiff":
        place = f"{(width - 1) // columns}_{(height - 1) // rows}"
        start, length = (
            int(dataset.get_tag_item(f"BLOCK_{what}_{place}", "TIFF", 1) or 0) for what in ("OFFSET", "SIZE")
        )
        if start + length > source.size:
            raise Refused(f"Cut short: the file ends before its pixels do. {_COPY_AGAIN}")


def tiff(work: Callable[[DatasetWriter], None], **profile: Any) -> bytes:
    """The content of a GeoTIFF that `work` writes. `profile` is what rasterio takes: width, height, count, dtype, ...

    It is made in memory: GDAL may say nothing of a full disk, and cannot be told every name that a file system knows.
    """
    _settle()
    _hush()
    untyped: Any = MemoryFile
    with untyped() as memory:
        with memory.open(driver="GTiff", **profile) as dataset:
            work(dataset)
        return bytes(memory.getbuffer())


def item_size(dataset: DatasetReader) -> int:
    """Bytes of one value, as rasterio will return it: its complex_int16 becomes complex64."""
    return max(8 if dtype == "complex_int16" else np.dtype(dtype).itemsize for dtype in set(dataset.dtypes))


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """What GDAL complains about on this thread, while it goes on."""
    complaints: list[str] = []
    _heard.complaints = complaints
    try:
        yield complaints
    finally:
        _heard.complaints = None


def _identify(place: Place) -> tuple[str, int]:
    """(driver, size in bytes) of a file, from its first bytes. Refuses what is not an image; never waits on a pipe."""
    if place.content is not None:
        return _driver(BytesIO(place.content), 0, len(place.content)), len(place.content)
    if place.file is not None and place.size is not None:
        with _told(place.file):
            return _driver(place.file, 0, place.size), place.size
    descriptor = os.open(place.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise Refused("A folder, not a file: move it away or rename it.")
        if not stat.S_ISREG(status.st_mode):
            raise Refused("A pipe or device, not a file: put the image itself there.")
        size = max(0, status.st_size - place.offset)
        if place.size is not None:
            size = min(size, place.size)
        return _driver(FileIO(descriptor, closefd=False), place.offset, size), size
    finally:
        os.close(descriptor)


def _driver(file: BinaryIO | FileIO | Partly, offset: int, size: int) -> str:
    """The driver for `size` bytes from `offset` on."""
    if not size:
        raise Refused(f"The file is empty (0 bytes). {_COPY_AGAIN}")
    file.seek(offset)
    head = file.read(min(size, 512))
    for pattern, driver in _SIGNATURES:
        if re.match(pattern, head, re.DOTALL):
            if driver == "PNG":
                file.seek(offset + 8)
                _check_png(file, size - 8)
            return driver
    for pattern, sentence in _NOT_IMAGES:
        if re.match(pattern, head, re.DOTALL):
            raise Refused(sentence)
    if b"\0" not in head and head.isascii():
        raise Refused("A text file, not an image: look what it says in a text editor, then copy the image again.")
    raise Refused(
        f"Not an image of a kind that can be read ({_SUPPORTED}): convert it, or copy it again if it was one."
    )


def _check_png(file: BinaryIO | FileIO | Partly, left: int) -> None:
    """Refuse a PNG that is cut short or rotten: GDAL's fast path fills the rest with zeros and says nothing.

    Walking the chunks costs 0.1 ms per 100 kB. GDAL_PNG_WHOLE_IMAGE_OPTIM=NO would notice, too, and reads 30 % slower.
    The file is where the first chunk begins, and has so many bytes left.
    """
    while True:
        start = file.read(min(8, left))
        length = int.from_bytes(start[:4], "big")
        left -= length + 12
        rest = file.read(length + 4) if len(start) == 8 and length <= MAX_BLOCK and left >= 0 else b""
        if len(rest) < length + 4:
            raise Refused(f"Cut short: the PNG ends before its pixels do. {_COPY_AGAIN}")
        if zlib.crc32(memoryview(rest)[:-4], zlib.crc32(start[4:])) != int.from_bytes(rest[-4:], "big"):
            raise Refused(f"Damaged: a checksum inside the PNG is wrong. {_COPY_AGAIN}")
        if start[4:] == b"IEND":
            return


@contextlib.contextmanager
def _named(place: Place, size: int, suffix: str, beside: Mapping[str, bytes]) -> Iterator[Path]:
    """A name under which GDAL finds the `size` bytes of a place, and what is beside it, for as long as this lasts."""
    if beside:
        with contextlib.ExitStack() as stack:
            untyped: Any = MemoryFile
            folder, stand_in = str(uuid.uuid4()), "raster" + (suffix if suffix.isascii() else "")
            memory = stack.enter_context(untyped(_whole(place, size), dirname=folder, filename=stand_in))
            for pattern, content in beside.items():
                stack.enter_context(untyped(content, dirname=folder, filename=pattern.format(stand_in, "raster")))
            yield Path(memory.name)
        return
    if place.content is not None:
        untyped = MemoryFile
        with untyped(place.content) as memory:
            yield Path(memory.name)
        return
    if place.file is not None:
        with _served(place.file, Path(place.path).suffix) as name:
            yield name
        return
    with _speakable(Path(place.path)) as whole:
        is_whole = not place.offset and place.size is None
        yield whole if is_whole else Path(f"/vsisubfile/{place.offset}_{size},{whole}")


@contextlib.contextmanager
def _served(remote: Partly, suffix: str) -> Iterator[Path]:
    """A name under which GDAL finds a remote file, and nothing beside it."""
    known = f"{next(_served_names)}/raster{suffix if suffix.isascii() else ''}"

    def opened(name: Any, *_: Any, **__: Any) -> Partly:
        if str(name) != known:
            raise FileNotFoundError(name)  # a sidecar
        remote.seek(0)
        return remote

    untyped: Any = _opener_registration
    with _told(remote), untyped(known, opened) as name:
        yield Path(name)


@contextlib.contextmanager
def _told(remote: Partly) -> Iterator[None]:
    """Raises what kept a remote file from being read, instead of what GDAL made of it."""
    try:
        yield
    except (Refused, *_TROUBLE):
        if remote.error:
            raise remote.error from None
        raise
    if remote.error:
        raise remote.error


def _sidecars(path: Path, place: Place, size: int, tree: Tree) -> dict[str, bytes]:
    """What is beside a raster in an archive and changes its meaning, by its pattern. On a disk, GDAL looks by itself."""
    is_packed = place.content is not None or place.size is not None
    if not is_packed or place.remote or size > _MAX_BESIDE:
        return {}
    folder, name = os.path.split(path)
    stem = os.path.splitext(name)[0]  # noqa: PTH122 - eight names for every tile
    paths = {pattern: f"{folder}{os.sep}{pattern.format(name, stem)}" for pattern in SIDECARS}
    found = {pattern: tree.read(sidecar, _MAX_SIDECAR) for pattern, sidecar in paths.items() if tree.is_file(sidecar)}
    return {pattern: content for pattern, content in found.items() if 0 < len(content) < _MAX_SIDECAR}


def _whole(place: Place, size: int) -> bytes:
    if place.content is not None:
        return place.content
    with Path(place.path).open("rb") as file:
        file.seek(place.offset)
        return file.read(size)


@contextlib.contextmanager
def _speakable(path: Path) -> Iterator[Path]:
    """An absolute name of `path` that rasterio can encode and that GDAL takes for a file.

    rasterio encodes names as UTF-8 and fails on other bytes: then links to the file and its sidecars stand in for it, under
    plain names in a temporary folder. "/vsi..." would mean archives and the network to GDAL; "/./vsi..." does not.
    """
    name = os.fspath(path if path.is_absolute() else path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="rsviewer-") as folder:
            stand_in = Path(folder, "raster" + (path.suffix if path.suffix.isascii() else ""))
            stand_in.symlink_to(name)
            for sidecar in SIDECARS:
                real = Path(name).parent / sidecar.format(path.name, path.stem)
                if real.exists():
                    Path(folder, sidecar.format(stand_in.name, stand_in.stem)).symlink_to(real)
            yield stand_in
    else:
        yield Path(f"/.{name}") if name.startswith("/vsi") else path if path.is_absolute() else Path(name)


def _absence(path: Path) -> str:
    """Why there is nothing at `path`."""
    try:
        target = path.readlink()
    except OSError:
        return f"No file {shown(path)}."
    return f"A link to {printable(str(target))}, which does not exist: restore or mount the place it points to."


def _reason(error: BaseException) -> str:
    """One sentence for the user."""
    if isinstance(error, OSError) and error.errno is None and error.strerror:
        return f"{error.strerror[0].upper()}{error.strerror[1:]}."  # of a tree: see data.tree
    if isinstance(error, PermissionError):
        return "No permission to read the file: ask its owner for read access."
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "A link that leads back to itself: replace it by the file."
    if isinstance(error, OSError) and error.errno is not None:
        return f"The disk reports an error ({os.strerror(error.errno)}): check the drive or the network connection."
    said = []
    link: BaseException | None = error
    while link is not None:
        said.append(f"{type(link).__name__}: {link}")
        link = link.__cause__
    found = ((re.search(pattern, message), sentence) for pattern, sentence in _FAILURES for message in said)
    return next(match.expand(sentence) for match, sentence in found if match)


# rasterio has one log, one block cache and one list of warning filters for the whole process, and is used by data alone.

_heard = threading.local()
_hushing = threading.Lock()
_UNREFERENCED: Final = ("ignore", None, NotGeoreferencedWarning, None, 0)


class _Listener(logging.Filter):
    """Takes what GDAL says: into our own log at debug, and to whoever is `listening` on this thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter: False, for nobody else needs to hear it."""
        message = re.sub(r"^CPLE_\w+(?: in |:)|\s*\(this (?:warning|error) can be.*", "", record.getMessage())
        log.debug("GDAL: %s", message)
        complaints = getattr(_heard, "complaints", None)
        if complaints is not None:
            complaints.append(message)
        return False


def _take_over() -> None:
    """Make rasterio quiet and modest. Once, at import."""
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    for name in ("rasterio._env", "rasterio._err"):
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(name).addFilter(_Listener())
    set_gdal_config("GDAL_CACHEMAX", 256 << 20)
    set_gdal_config("GDAL_SKIP", _NETWORK_DRIVERS)


_take_over()


def spare_memory() -> None:
    """Keep little of what GDAL reads: for processes that read every tile once, of which there are many."""
    set_gdal_config("GDAL_CACHEMAX", 16 << 20)


def _settle() -> None:
    """Give this thread a GDAL environment, for as long as it lives: entering one for every file costs 0.04 ms."""
    untyped: Any = rasterio.env
    if not untyped.hasenv():
        untyped.Env(session=untyped.DummySession(), **_ENVIRONMENT).__enter__()


def _hush() -> None:
    """Let no "not georeferenced" warning out: for PNG, masks and half of all datasets it is the normal case.

    warnings.catch_warnings swaps a list that all threads share, so it cannot be used here. A filter can; but pytest and
    other users of catch_warnings take it away again, hence this look before every open.
    """
    with _hushing:
        if not warnings.filters or warnings.filters[0] != _UNREFERENCED:
            warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
