"""A dataset on a web server or in an object store, as a tree of names and bytes.

Decided here, with reasons:

- A file of up to `SMALL` bytes is fetched whole, in one request, and read from memory. GDAL's /vsicurl makes three requests
  one after the other for the same (size, header, pixels), two at best (GDAL_INGESTED_BYTES_AT_OPEN). A tile of
  512 x 512 x 3 bytes takes 34 ms from a server that is 30 ms away, as against 95 and 64; from one on the same machine 2.7 ms,
  as against 1.9 from the disk.
- Of a larger file GDAL gets the parts that it asks for, by way of Python (rasterio's /vsiriopener), not by /vsicurl or
  /vsis3: those follow redirects to any host, cannot be given up, and rasterio holds the interpreter's lock while they look
  for overviews, so that a server that does not answer would freeze the window.
- Nothing outside the dataset's own folder is ever asked for, and beside a file no other: no sidecars.
- What was listed is remembered until `refresh`: a dataset on a server does not change while somebody looks at it, and
  asking again takes a second. A folder therefore has no time of change.
"""

import contextlib
import json
import logging
import os
import tempfile
import threading
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ENOENT
from pathlib import Path
from typing import Any, Final

from rsviewer.core.errors import StoppedError
from rsviewer.data.remote.names import is_name, shown
from rsviewer.data.remote.pages import Item
from rsviewer.data.remote.partly import Partly
from rsviewer.data.remote.stores import Stores
from rsviewer.data.remote.waiting import Waiting
from rsviewer.data.remote.web import USUAL, Source, Timing, Web
from rsviewer.data.tree import Name, Patience, Place

log = logging.getLogger(__name__)

SMALL: Final = 32 << 20
"""Bytes of a file that is fetched whole: 512 x 512 pixels of 13 bands as float32 are 14 MB."""

_KEPT_BYTES: Final = 64 << 20
_KEPT_NAMES: Final = 2_000_000
_PIECE: Final = 500
_TABLE: Final = "listings.json.z"
_TABLE_VERSION: Final = 1
_MOST_TABLE: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name in a folder, as `data.tree.Name`."""

    name: str
    folder: bool

    def is_dir(self) -> bool:
        """See `Name.is_dir`."""
        return self.folder


@dataclass(slots=True)
class _Listing:
    """The names in a folder, or the first of them. Millions must fit: no object for each."""

    names: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    sizes: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    whole: bool = False
    places: dict[str, int] | None = None

    def add(self, item: Item) -> None:
        self.names.append(item.name)
        self.sizes.append(item.size)
        self.times.append(item.changed)
        if item.folder:
            self.folders.add(item.name)

    def find(self, name: str) -> int:
        """Where a name stands; -1 where it does not."""
        if self.places is None or len(self.places) != len(self.names):
            self.places = {each: place for place, each in enumerate(self.names)}
        return self.places.get(name, -1)


class Remote:
    """One dataset that is not on a disk. A `data.tree.Tree`; safe from any thread."""

    def __init__(self, root: Path | str, patience: Patience | None = None, timing: Timing = USUAL) -> None:
        """Asks for nothing yet.

        Args:
            root: as `names.remote_root` gives it.
            patience: `tables` remembers the listings from one session to the next, in a file of its own.
            timing: how long to wait for the server.

        Raises:
            DatasetNotFoundError: a package is missing that this needs.
        """
        self.root = os.fspath(root)
        self._patience = patience or Patience()
        self._table = self._patience.tables / _TABLE if self._patience.tables else None
        self._waiting = Waiting(self._patience.stop)
        self._source: Source = (
            Web(timing, self._waiting.pause) if self.root.startswith("/vsicurl/") else Stores(self.root, timing)
        )
        self._lock = threading.Lock()
        self._listings: OrderedDict[str, _Listing] = OrderedDict()
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._seen: dict[str, tuple[int, int]] = {}
        self._load()

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it is the same, without what was listed: files are found without that."""
        return Remote, (self.root,)

    def names(self, folder: str) -> list[str]:
        """See `Tree.names`."""
        return [name for name, _ in self._walk(folder)]

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        """See `Tree.scan`. The server is asked before the first name is taken, so that a fault shows at once."""
        walk = self._walk(folder)
        first = next(walk, None)

        def entries() -> Iterator[Name]:
            if first is not None:
                yield _Entry(*first)
                for name, is_folder in walk:
                    yield _Entry(name, is_folder)

        try:
            yield entries()
        finally:
            walk.close()

    def is_file(self, path: str) -> bool:
        """See `Tree.is_file`."""
        found = self._known(path)
        if found is not None:
            return found == "file"
        try:
            self._check_inside(path)
            self._remember(path, self._waiting.call(lambda: self._source.head(path)))
        except OSError:
            return False
        return True

    def is_folder(self, path: str) -> bool:
        """See `Tree.is_folder`."""
        found = self._known(path)
        if found is not None:
            return found == "folder"
        try:
            with self.scan(path) as entries:
                return path == self.root or self.root.startswith("/vsicurl/") or any(True for _ in entries)
        except OSError:
            return False

    def read(self, path: str, most: int) -> bytes:
        """See `Tree.read`."""
        self._check_file(path)
        content = self._kept(path)
        if content is not None:
            return content[:most]
        return self._waiting.call(lambda: self._source.part(path, 0, most))

    def place(self, path: str) -> Place:
        """See `Tree.place`. Fetches a small file."""
        self._check_file(path)
        content = self._kept(path)
        if content is not None:
            return Place(path, content=content, remote=True)
        size = self._size(path)
        if size <= SMALL:
            whole = self._waiting.call(lambda: self._source.whole(path, SMALL))
            self._remember(path, whole)
            size = whole.size
            if whole.content is not None:
                self._keep(path, whole.content)
                return Place(path, content=whole.content, remote=True)
        if size < 0:
            raise OSError(None, "a large file, and the server does not say how large: download it", path)
        return Place(path, size=size, remote=True, file=Partly(size, self._part_of(path)))

    def stamp(self, path: str) -> tuple[int, int]:
        """See `Tree.stamp`. (0, 0) for a folder."""
        if self._known(path) == "folder" or path == self.root:
            return 0, 0
        self._check_inside(path)
        if path not in self._seen:
            folder, _, name = path.rpartition("/")
            with self._lock:
                listing = self._listings.get(folder)
                place = listing.find(name) if listing and listing.whole else -1
                if listing and place >= 0 and listing.sizes[place] >= 0 and listing.times[place]:
                    return listing.times[place], listing.sizes[place]
            self._remember(path, self._waiting.call(lambda: self._source.head(path)))
        return self._seen[path]

    def refresh(self) -> None:
        """Forgets what was listed and fetched."""
        with self._lock:
            self._listings.clear()
            self._contents.clear()
            self._seen.clear()
        if self._table:
            with contextlib.suppress(OSError):
                self._table.unlink(missing_ok=True)

    def save(self) -> None:
        """Writes what was listed into `patience.tables`. A disk that cannot take it loses nothing but time."""
        if not self._table:
            return
        with self._lock:
            kept = {
                folder: [each.names, sorted(each.folders), each.sizes.tolist(), each.times.tolist()]
                for folder, each in self._listings.items()
                if each.whole
            }
        content = zlib.compress(json.dumps({"version": _TABLE_VERSION, "root": self.root, "folders": kept}).encode(), 1)
        try:
            _replace(self._table, content)
        except OSError as error:
            log.info("the listing of %s was not kept: %s", shown(self.root), error.strerror)

    def close(self) -> None:
        """Ends all requests; whoever waits for one gets an OSError at once. Everything after this raises one, too."""
        self._waiting.give_up()
        self._source.close()

    def _part_of(self, path: str) -> Callable[[int, int], bytes]:
        return lambda offset, length: self._waiting.call(lambda: self._source.part(path, offset, length))

    def _walk(self, folder: str) -> Generator[tuple[str, bool], None, None]:
        """(name, whether it is a folder) of all that lies in a folder: what is remembered first, the rest from the server."""
        folder = folder.rstrip("/")
        self._check_inside(folder)
        if self._known(folder) == "nothing":
            raise FileNotFoundError(ENOENT, "no such folder on the server", folder)
        with self._lock:
            known = self._listings.get(folder)
            if known is not None:
                self._listings.move_to_end(folder)
                before, folders, whole = tuple(known.names), frozenset(known.folders), known.whole
            else:
                before, folders, whole = (), frozenset(), False
        for name in before:
            yield name, name in folders
        if whole:
            return
        told = set(before)
        listing = _Listing()
        source = self._waiting.each(iter(self._pieces(folder)))
        try:
            for items, is_last in source:
                for item in items:
                    listing.add(item)
                listing.whole = is_last
                for item in items:
                    if item.name not in told:
                        told.add(item.name)
                        yield item.name, item.folder
        finally:
            source.close()
            if listing.names or listing.whole:
                self._list(folder, listing)

    def _pieces(self, folder: str) -> Iterator[tuple[list[Item], bool]]:
        """What a server lists, some names at a time, and whether these are the last.

        A change of threads for each name would cost more than the name. The first piece is what `data.looking` peeks at.
        """
        count = 0
        piece: list[Item] = []
        for item in self._source.items(folder):
            piece.append(item)
            if len(piece) >= _PIECE:
                count += len(piece)
                yield piece, False
                self._patience.progress(f"the folder {shown(folder)}", count, None)
                if self._patience.stop():
                    raise StoppedError("Opening was stopped.")
                piece = []
        yield piece, True

    def _list(self, folder: str, listing: _Listing) -> None:
        with self._lock:
            known = self._listings.get(folder)
            if known is None or listing.whole or len(listing.names) > len(known.names):
                self._listings[folder] = listing
            self._listings.move_to_end(folder)
            total = sum(len(each.names) for each in self._listings.values()) if len(listing.names) > 100 else 0
            while total > _KEPT_NAMES and len(self._listings) > 1:
                _, oldest = self._listings.popitem(last=False)
                total -= len(oldest.names)

    def _known(self, path: str) -> str | None:
        """What the listings say of a path: "file", "folder", "nothing"; None where they say nothing."""
        path = path.rstrip("/")
        if path == self.root:
            return "folder"
        folder, _, name = path.rpartition("/")
        with self._lock:
            if path in self._listings:
                return "folder"
            listing = self._listings.get(folder)
            if listing is None:
                return None
            if listing.find(name) >= 0:
                return "folder" if name in listing.folders else "file"
            return "nothing" if listing.whole else None

    def _size(self, path: str) -> int:
        folder, _, name = path.rpartition("/")
        with self._lock:
            if path in self._seen:
                return self._seen[path][1]
            listing = self._listings.get(folder)
            place = listing.find(name) if listing else -1
            return listing.sizes[place] if listing and place >= 0 else -1

    def _check_inside(self, path: str) -> None:
        """Raises FileNotFoundError for what is not below the dataset's folder: nobody opened that."""
        parts = path.removeprefix(self.root).split("/") if path.startswith(self.root) else ["outside"]
        if path.rstrip("/") != self.root and (parts[0] or not all(map(is_name, filter(None, parts[1:])))):
            raise FileNotFoundError(ENOENT, "outside the folder that was opened", path)

    def _check_file(self, path: str) -> None:
        self._check_inside(path)
        known = self._known(path)
        if known == "nothing":
            raise FileNotFoundError(ENOENT, "no such file on the server", path)
        if known == "folder":
            raise OSError(None, "a folder, not a file", path)

    def _kept(self, path: str) -> bytes | None:
        with self._lock:
            content = self._contents.get(path)
            if content is not None:
                self._contents.move_to_end(path)
            return content

    def _keep(self, path: str, content: bytes) -> None:
        """Remembers a file for the next layer or the inspector that asks for it, and forgets older ones."""
        with self._lock:
            self._contents[path] = content
            total = sum(map(len, self._contents.values()))
            while total > _KEPT_BYTES:
                _, oldest = self._contents.popitem(last=False)
                total -= len(oldest)

    def _remember(self, path: str, whole: Any) -> None:
        with self._lock:
            if len(self._seen) >= 100_000:
                self._seen.clear()
            self._seen[path] = whole.changed, whole.size

    def _load(self) -> None:
        if self._table is None:
            return
        try:
            unpacker = zlib.decompressobj()
            content = json.loads(unpacker.decompress(self._table.read_bytes(), _MOST_TABLE))
            if (content["version"], content["root"]) != (_TABLE_VERSION, self.root):
                return
            for folder, (names, folders, sizes, times) in content["folders"].items():
                listing = _Listing(
                    [name for name in names if is_name(name)],
                    set(folders),
                    array("q", sizes),
                    array("q", times),
                    whole=True,
                )
                if len(listing.names) == len(sizes) == len(times):
                    self._listings[folder] = listing
        except FileNotFoundError:
            return
        except (OSError, zlib.error, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            log.info("the kept listing of %s is damaged and made anew", shown(self.root))
            self._listings.clear()


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as new:
        try:
            new.write(content)
            new.close()
            Path(new.name).replace(file)
        except OSError:
            Path(new.name).unlink(missing_ok=True)
            raise
