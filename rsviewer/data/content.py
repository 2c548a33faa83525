"""Reads one layer of one tile, whatever kind it is and wherever it lies."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rsviewer.core.errors import PickleRefusedError
from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Missing, Text, Unreadable
from rsviewer.data.adapter import TileEntry
from rsviewer.data.address import is_path, paths_in, taken_apart, text_in
from rsviewer.data.catalogue import place_name, suffix_of
from rsviewer.data.pickles import MAX_BYTES
from rsviewer.data.raster import RasterHeader, read_header, read_raster
from rsviewer.data.stacking import read_stacked
from rsviewer.data.tags import readable
from rsviewer.data.tree import DISK, Tree
from rsviewer.data.vectors import read_vector

TEXT_BYTES = 64 * 1024
"""So much of a caption or prompt is shown; the rest is not read."""

PICKLE_SUFFIXES = frozenset({"pickle", "pkl"})
"""Such a text is a pickle, see `data.tags`."""


def read_layer(entry: TileEntry, spec: LayerSpec, tree: Tree) -> LayerContent:
    """The content of a layer of a tile, whether the tile has it or not. Safe from any thread."""
    address = entry.files.get(spec.id)
    return Missing(absence(spec)) if address is None else read_content(address, spec, tree)


def absence(spec: LayerSpec) -> str:
    """What to say where a tile has no file of a layer."""
    return spec.absent or f"This tile has no file for {spec.title}."


def read_content(address: str, spec: LayerSpec, tree: Tree = DISK) -> LayerContent:
    """The content of a layer's file. A bad file is a value, never an exception. Safe from any thread."""
    if spec.kind is LayerKind.TEXT:
        return _read_text(address, tree)
    if spec.kind is LayerKind.VECTOR:
        return read_vector(address, spec, tree)
    if is_path(address):
        return read_raster(Path(address), spec, tree)
    return read_stacked(address, spec, tree)


def header_of(address: str, tree: Tree = DISK) -> RasterHeader | Unreadable:
    """What the files of an address say about themselves, without decoding a pixel.

    Several files that are the bands of one layer count together: one band each, on the grid of the largest. One that cannot
    be read speaks for all of them.
    """
    bands, window = taken_apart(address)
    headers = [read_header(Path(path), tree) for path in bands if path]
    bad = next((header for header in headers if isinstance(header, Unreadable)), None)
    if bad is not None:
        return bad
    good = [header for header in headers if isinstance(header, RasterHeader)]
    if not good:
        return Unreadable(address, "There is no file.")
    header = max(good, key=lambda header: header.width * header.height)
    if len(bands) > 1:
        header = replace(header, bands=len(bands))
    if window is not None:
        width, height = (
            side * part // window.of for side, part in ((header.width, window.width), (header.height, window.height))
        )
        header = replace(header, width=width, height=height)
    return header


def state_of(addresses: Iterable[str], tree: Tree = DISK) -> str:
    """Changes when files do: a short hash of their names and folders, sizes and times, and of texts that are known already.

    Empty where one is not there.
    """
    states: list[object] = []
    for address in addresses:
        text = text_in(address)
        if text is not None:
            states.append(text)
        for path in paths_in(address):
            try:
                time, size = tree.stamp(path)
            except OSError:
                return ""
            states.append((*Path(path).parts[-2:], size, time))
    return hashlib.sha256(repr(states).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _read_text(address: str, tree: Tree) -> Text | Unreadable | Missing:
    known = text_in(address)
    if known is not None:
        return Text(known)
    shown = place_name(address)
    is_pickle = suffix_of(address) in PICKLE_SUFFIXES
    try:
        raw = tree.read(address, MAX_BYTES + 1 if is_pickle else TEXT_BYTES)
        if is_pickle:
            return Text(readable(raw))
    except (FileNotFoundError, NotADirectoryError):
        return Missing(f"No file {shown}.")
    except OSError as error:
        return Unreadable(shown, f"The text cannot be read: {error.strerror}.")
    except PickleRefusedError as error:
        return Unreadable(shown, str(error))
    return Text(raw.decode("utf-8-sig", "replace").strip())
