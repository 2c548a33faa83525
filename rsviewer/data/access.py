"""A dataset for scripts: tiles by name or number, layers as arrays with their mask. Nothing is written anywhere.

import rsviewer
dataset = rsviewer.open_dataset("SynRS3D")
height = dataset["grid_g05_mid_v1/0000000001-1"]["ndsm"]
print(height.pixels[height.valid].max(), dataset.layer("ndsm").unit)
"""

import difflib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import overload

from rsviewer.core.errors import LayerError
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Missing, Raster, Text, TileId, Unreadable
from rsviewer.core.vector import Vector
from rsviewer.data import detect
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry
from rsviewer.data.catalogue import place_name
from rsviewer.data.content import read_layer
from rsviewer.data.remote.names import location

_SEARCHED_NAMES = 20_000
"""So many names are compared with one that is not there; more would take seconds."""


def open_dataset(path: str | os.PathLike[str], format_name: str | None = None) -> "OpenDataset":
    """Opens a dataset for reading.

    Args:
        path: its folder, an archive of it, its web address (https://, s3://, gs://), or a TOML file that describes it.
        format_name: "synrs3d", "rs3dbench" or "folders"; None recognises it.

    Raises:
        RsviewerError: there is none; the message says what was expected and what is there.
    """
    return OpenDataset(*detect.open_dataset(location(os.fspath(path)).expanduser(), format_name))


class OpenDataset(Sequence["DatasetTile"]):
    """The tiles of a dataset, in the natural order of their names. Made by `open_dataset`.

    `dataset[3]` and `dataset["group/name"]` are tiles; a name without its group will do where it is the only one.
    Names are listed at the first use, files are read when a layer is asked for, and nothing is kept.
    """

    def __init__(self, description: Dataset, adapter: DatasetAdapter) -> None:
        self.description = description
        self._adapter = adapter

    @property
    def root(self) -> Path:
        """The folder."""
        return self.description.root

    @property
    def format(self) -> str:
        """Name of the format."""
        return self.description.format

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """All layers that any tile may have."""
        return self.description.layers

    def layer(self, layer: str) -> LayerSpec:
        """What the dataset says about one layer: kind, unit, classes. Raises KeyError."""
        for spec in self.layers:
            if spec.id == layer:
                return spec
        raise KeyError(f"There is no layer {layer!r}: choose one of {', '.join(spec.id for spec in self.layers)}.")

    def split(self, name: str) -> list["DatasetTile"]:
        """The tiles that the list `name` names. Raises KeyError where there is no such list."""
        known = sorted({split.name for split in self.description.lists})
        if name not in known:
            raise KeyError(f"There is no list {name!r}: this dataset has {', '.join(known) or 'none'}.")
        return [tile for tile in self if name in tile.splits]

    def __len__(self) -> int:
        """Number of tiles, those included that only a list names."""
        return len(self._entries)

    @overload
    def __getitem__(self, key: int | str) -> "DatasetTile": ...
    @overload
    def __getitem__(self, key: slice) -> list["DatasetTile"]: ...
    def __getitem__(self, key: int | str | slice) -> "DatasetTile | list[DatasetTile]":
        """A tile by number or name, several by a slice. Raises IndexError or KeyError."""
        if isinstance(key, slice):
            return [DatasetTile(self, entry) for entry in self._entries[key]]
        if isinstance(key, str):
            return DatasetTile(self, self._find(key))
        try:
            return DatasetTile(self, self._entries[key])
        except IndexError:
            raise IndexError(f"There is no tile {key}: the dataset has {len(self)}.") from None

    def __iter__(self) -> Iterator["DatasetTile"]:
        """Every tile."""
        return (DatasetTile(self, entry) for entry in self._entries)

    def __contains__(self, tile: object) -> bool:
        """Whether there is a tile of that name."""
        return (tile.id if isinstance(tile, DatasetTile) else tile) in self._by_id

    def __repr__(self) -> str:
        return f"<{self.format} dataset {place_name(self.root)!r}: {', '.join(spec.id for spec in self.layers)}>"

    @cached_property
    def _entries(self) -> Sequence[TileEntry]:
        return tuple(self._adapter.scan(self.description))

    @cached_property
    def _by_id(self) -> dict[str, TileEntry]:
        return {entry.id: entry for entry in self._entries}

    @cached_property
    def _by_name(self) -> dict[str, list[TileEntry]]:
        names = defaultdict(list)
        for entry in self._entries:
            names[entry.id.removeprefix(f"{entry.group}/")].append(entry)
        return names

    def _find(self, name: str) -> TileEntry:
        entry = self._by_id.get(name)
        if entry is not None:
            return entry
        named = self._by_name.get(name, [])
        if len(named) == 1:
            return named[0]
        near = [entry.id for entry in named[:3]] or near_names(name, self._by_id)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise KeyError(f"There is no tile {name!r} in {place_name(self.root)}.{hint}")


class DatasetTile:
    """One tile of a dataset: `tile["ndsm"]` reads a layer.

    Attributes:
        id: its name, with its group.
        group: sub-dataset, area or scene; empty where there are none.
        splits: names of the lists that name it.
        files: layer -> path.
    """

    def __init__(self, dataset: OpenDataset, entry: TileEntry) -> None:
        self._dataset = dataset
        self._entry = entry
        self.id: TileId = entry.id
        self.group = entry.group
        self.splits = entry.splits
        self.files = entry.files

    @property
    def layers(self) -> tuple[LayerId, ...]:
        """The layers that it has a file of."""
        return tuple(self.files)

    def __getitem__(self, layer: str) -> Raster:
        """The pixels of a layer, read from its file.

        Raises:
            KeyError: the dataset has no such layer.
            LayerError: this tile lacks it, or its file cannot be read. `read` gives the same as a value.
        """
        content = self._read(layer)
        if isinstance(content, Raster):
            return content
        what, method = ("text", "text") if isinstance(content, Text) else ("no raster", "vector")
        raise LayerError(f"{layer} of {self.id} is {what}: use tile.{method}({layer!r}).")

    def text(self, layer: str) -> str:
        """A caption or prompt. Raises as `tile[layer]` does."""
        content = self._read(layer)
        if isinstance(content, Text):
            return content.text
        raise LayerError(f"{layer} of {self.id} is no text: use tile[{layer!r}].")

    def vector(self, layer: str) -> Vector:
        """Vector labels. Raises as `tile[layer]` does."""
        content = self._read(layer)
        if isinstance(content, Vector):
            return content
        raise LayerError(f"{layer} of {self.id} holds no vector labels: use tile[{layer!r}].")

    def read(self, layer: str) -> LayerContent:
        """What a layer holds, a file that is broken or not there being a value too. Raises KeyError."""
        spec = self._dataset.layer(layer)
        return read_layer(self._entry, spec, self._dataset.description.tree)

    def __repr__(self) -> str:
        return f"<tile {self.id!r}: {', '.join(self.layers) or 'no files'}>"

    def _read(self, layer: str) -> Raster | Vector | Text:
        content = self.read(layer)
        if isinstance(content, Missing | Unreadable):
            raise LayerError(f"{layer} of {self.id}: {content.reason}")
        return content


def near_names(name: str, names: Iterable[str], limit: int = 3) -> list[str]:
    """Names that somebody may have meant: those that hold `name`, else those that look like it."""
    searched = list(islice(names, _SEARCHED_NAMES))
    holding = [each for each in searched if name.lower() in each.lower()][:limit]
    return holding or difflib.get_close_matches(name, searched, n=limit)
