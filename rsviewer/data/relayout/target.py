"""What a layout must be able to say so that a dataset can be written in it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.tile import LayerId, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.catalogue import RASTER_SUFFIXES, suffix_of
from rsviewer.data.filenames import safe_part
from rsviewer.data.looking import FILE_SUFFIXES

GROUP = "{group}"
"""In the folder of a layer: the group of the tile."""

TIFF = frozenset({"tif", "tiff"})
PNG = frozenset({"png"})
ANY_RASTER = frozenset(RASTER_SUFFIXES)
TEXT = frozenset({"txt"})


@dataclass(frozen=True, slots=True)
class Role:
    """Where a layer goes.

    Attributes:
        folder: under the new dataset, with GROUP.
        copied: suffixes of files that are good there as they are.
        written: suffix of a file that is written anew.
    """

    folder: str
    copied: frozenset[str] = TIFF
    written: str = "tif"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be cast.

    Attributes:
        dataset: whose layers they are.
        layers: that are wanted and that some tile has.
        groups: layer -> groups of the tiles that have it: layers that never meet may be one layer there.
        is_8bit: whether the first file of a layer that can be read holds one or three bands of 8 bits.
    """

    dataset: Dataset
    layers: Sequence[LayerSpec]
    groups: Mapping[LayerId, Collection[str]]
    is_8bit: Callable[[LayerSpec], bool]

    def meet(self, one: LayerId, other: LayerId) -> bool:
        """Whether tiles of one group have both layers."""
        return not set(self.groups[one]).isdisjoint(self.groups[other])


@dataclass(frozen=True, slots=True)
class Casting:
    """Which layers go where.

    Attributes:
        roles: layer -> where.
        left: title of a layer that the layout cannot hold -> why, as a clause.
        notes: sentences on what is different there.
    """

    roles: Mapping[LayerId, Role]
    left: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """A tile in the new dataset: its group, and its name in it."""

    group: str
    name: str

    @property
    def id(self) -> TileId:
        """Its id there."""
        return TileId(f"{self.group}/{self.name}" if self.group else self.name)


@dataclass(frozen=True, slots=True)
class NewList:
    """A split list of the new dataset, with the tiles that it names in its order, by their ids in the old one."""

    name: str
    group: str
    tiles: tuple[TileId, ...]


class Target(ABC):
    """A layout to write. Knows names and folders, opens no file."""

    name: str
    """As typed after --to, and the name of the format that reads it."""
    title: str
    """As shown to people."""

    @abstractmethod
    def cast(self, wanted: Wanted) -> Casting:
        """Where layers go."""

    @abstractmethod
    def named(self, dataset: Dataset, entries: Iterable[TileEntry]) -> dict[TileId, Named]:
        """What tiles are called."""

    @abstractmethod
    def lists(
        self, lists: Iterable[NewList], names: Mapping[TileId, Named], files: Mapping[TileId, Mapping[LayerId, str]]
    ) -> dict[str, bytes]:
        """The files of split lists, by their paths.

        Args:
            lists: see `NewList`; `group` is the old one.
            names: tile -> what it is called.
            files: tile -> layer -> path, of what is written.
        """

    def described(
        self,
        dataset: Dataset,  # noqa: ARG002 -- most layouts need no description
        casting: Casting,  # noqa: ARG002
        *,
        has_groups: bool,  # noqa: ARG002
        has_lists: bool,  # noqa: ARG002
    ) -> dict[str, bytes]:
        """Files that say what the layers are, by their paths."""
        return {}


def is_above_ground(spec: LayerSpec) -> bool:
    """Whether the name of a layer says that its heights are above ground."""
    return height_kind(spec.id, spec.title) is HeightKind.ABOVE_GROUND


def folder_part(text: str) -> str:
    """A part of a path that is good as a folder: one that ends like a file is taken for one."""
    safe = safe_part(text)
    return safe.replace(".", "_") if suffix_of(safe) in FILE_SUFFIXES else safe


def lines(texts: Iterable[str]) -> bytes:
    """A list."""
    return "".join(f"{text}\n" for text in texts).encode()


def by_group(entries: Iterable[TileEntry]) -> dict[str, list[tuple[TileId, str]]]:
    """Group -> (tile, group) of its tiles."""
    found: dict[str, list[tuple[TileId, str]]] = {}
    for entry in entries:
        found.setdefault(entry.group, []).append((entry.id, entry.group))
    return found
