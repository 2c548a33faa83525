"""Dataset formats of other people: classes that installed packages offer as the entry points `rsviewer.datasets`.

In the pyproject.toml of such a package:

    [project.entry-points."rsviewer.datasets"]
    myformat = "my_package.my_format:MyAdapter"

where MyAdapter is a `data.adapter.DatasetAdapter`. A plug-in is a program of a stranger: its name can be seen without
running any of it, and it is imported only after the user turned it on by that name. What it then does wrong is said with its
name and never keeps a dataset of another format from opening.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

from rsviewer.core.errors import DatasetNotFoundError, RsviewerError
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerSpec, TileId
from rsviewer.data.adapter import Dataset, DatasetAdapter, Shot, TabularAdapter, TileColumns, TileEntry
from rsviewer.data.catalogue import tile_name
from rsviewer.data.tree import DISK, Tree

log = logging.getLogger(__name__)

T = TypeVar("T")

ENTRY_POINTS = "rsviewer.datasets"

_MOST_REMEMBERED = 1_000_000

METHODS = ("recognises", "describe", "scan", "tile_of_line")
TEXTS = ("name", "title", "expects")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A format that an installed package offers. Nothing of it was imported.

    Attributes:
        name: of the entry point: what the user turns on.
        distribution: the package and its version, as pip names it; empty where that is unknown.
        module: what will be imported.
    """

    name: str
    distribution: str
    module: str


def available() -> tuple[Plugin, ...]:
    """The plug-ins of all installed packages, by name. Imports none of them."""
    return tuple(plugin for plugin, _ in _found())


def enabled_adapters(
    enabled: Collection[str], problems: list[str], taken: Collection[str] = ()
) -> tuple[type[DatasetAdapter], ...]:
    """The formats of the plug-ins that the user turned on. Imports these and no other.

    The classes may be used like any: what goes wrong inside them comes out as a RsviewerError that names the plug-in, and
    from `recognises` as one more of `problems` and the answer that it is not this format.

    Args:
        enabled: names of plug-ins.
        problems: gets a sentence for each that cannot be used, now or later.
        taken: names of formats that no plug-in may have.
    """
    adapters: dict[str, type[DatasetAdapter]] = {}
    found = [(plugin, point) for plugin, point in _found() if plugin.name in enabled]
    gone = sorted(set(enabled) - {plugin.name for plugin, _ in found})
    problems += [f"The plug-in {tile_name(name)} is turned on, but not installed." for name in gone]
    for plugin, point in found:
        try:
            adapter = _load(point, {*taken, *adapters})
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module does when it is imported
            problems.append(_complaint(plugin, "cannot be used", error))
        else:
            adapters[adapter.name.lower()] = _guarded(plugin, adapter, problems)
    return tuple(adapters.values())


def _found() -> list[tuple[Plugin, EntryPoint]]:
    try:
        points = list(entry_points(group=ENTRY_POINTS))
    except Exception as error:  # noqa: BLE001 - files of any package that was ever installed
        log.info("The plug-ins cannot be listed: %s", error)
        return []
    found = [(Plugin(point.name, _distribution(point), point.value.partition(":")[0]), point) for point in points]
    return sorted(found, key=lambda pair: (pair[0].name, pair[0].distribution))


def _distribution(point: EntryPoint) -> str:
    try:
        return f"{point.dist.name} {point.dist.version}" if point.dist else ""
    except Exception:  # noqa: BLE001 - its files may be incomplete in any way
        return ""


def _load(point: EntryPoint, taken: Collection[str]) -> type[DatasetAdapter]:
    """Imports a plug-in. Raises whatever goes wrong, TypeError where it is no adapter."""
    adapter: type[DatasetAdapter] = point.load()
    if not isinstance(adapter, type):
        raise TypeError(f"{point.value} is no class")
    for name in TEXTS:
        if not isinstance(getattr(adapter, name, None), str) or not getattr(adapter, name):
            raise TypeError(f"{point.value} has no text {name!r}")
    for name in METHODS:
        if not callable(getattr(adapter, name, None)):
            raise TypeError(f"{point.value} has no method {name!r}")
    if adapter.name.lower() in taken:
        raise TypeError(f"there is another format {adapter.name!r}")
    return adapter


def _guarded(plugin: Plugin, adapter_class: type[DatasetAdapter], problems: list[str]) -> type[DatasetAdapter]:
    """A class that does what the plug-in's does, but for what goes wrong there."""

    class Guarded:
        """A format of a plug-in."""

        name = adapter_class.name
        title = adapter_class.title
        expects = adapter_class.expects

        def __init__(self, tree: Tree = DISK) -> None:
            """See `DatasetAdapter`."""
            self._tree = tree
            self._made: DatasetAdapter | None = None

        @property
        def inner(self) -> DatasetAdapter:
            """The plug-in's own object."""
            self._made = self._made or adapter_class(self._tree)
            return self._made

        def recognises(self, root: Path) -> str:
            """See `DatasetAdapter.recognises`."""
            try:
                why = self.inner.recognises(root)
            except Exception as error:
                log.info("The plug-in %s failed.", plugin.name, exc_info=True)
                complaint = _complaint(plugin, "failed to look at the folder", error)
                problems.extend([complaint] if complaint not in problems else [])
                return ""
            return why if isinstance(why, str) else ""

        def describe(self, root: Path) -> Dataset:
            """See `DatasetAdapter.describe`."""
            with _blaming(plugin):
                dataset = self.inner.describe(root)
                if not (
                    isinstance(dataset, Dataset) and isinstance(dataset.root, Path) and _all(dataset.layers, LayerSpec)
                ):
                    raise TypeError("it did not describe the dataset")
                return replace(dataset, format=self.name)

        def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
            """See `DatasetAdapter.scan`."""
            return _checked(plugin, lambda: self.inner.scan(dataset), TileEntry, _Once())

        def tile_of_line(self, split: SplitList, text: str) -> TileId:
            """See `DatasetAdapter.tile_of_line`."""
            with _blaming(plugin):
                tile = self.inner.tile_of_line(split, text)
                if not isinstance(tile, str):
                    raise TypeError(f"it gave a {type(tile).__name__} for the id of a tile")
                return tile

    class GuardedTable(Guarded):
        """A format of a plug-in whose tiles come as a table."""

        def scan_columns(self, dataset: Dataset) -> Iterator[TileColumns]:
            """See `TabularAdapter.scan_columns`."""
            inner = self.inner
            if not isinstance(inner, TabularAdapter):
                raise TypeError(plugin.name)
            return _checked(plugin, lambda: inner.scan_columns(dataset), TileColumns, _check_columns)

    return GuardedTable if hasattr(adapter_class, "scan_columns") else Guarded


def _checked(
    plugin: Plugin, produce: Callable[[], Iterable[T]], kind: type[T], check: Callable[[T], None]
) -> Iterator[T]:
    """What a plug-in gives. `check` raises where it is not what it claims to be."""
    with _blaming(plugin):
        for item in produce():
            if not isinstance(item, kind):
                raise TypeError(f"it gave a {type(item).__name__} for a {kind.__name__}")
            check(item)
            yield item


class _Once:
    """Says of entries that they are what they claim to be, and of different tiles as far as can be remembered."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, entry: TileEntry) -> None:
        """Raises TypeError, or ValueError for a tile that was there before."""
        texts = (entry.id, entry.group, *entry.files, *entry.files.values())
        lists = (entry.splits, entry.missing, entry.duplicates)
        if not (_all(texts, str) and all(isinstance(each, tuple) and _all(each, str) for each in lists)):
            raise TypeError("a tile has something else where a text should be")
        if not _all(entry.facts.values(), (str, int, float, type(None))):
            raise TypeError(f"a fact of the tile {entry.id!r} is neither text nor number")
        if not _all(entry.shots, Shot) or (entry.shots and entry.shot not in range(len(entry.shots))):
            raise TypeError(f"the tile {entry.id!r} shows an image that it has not")
        if entry.id in self._seen:
            raise ValueError(f"two tiles have the id {entry.id!r}")
        if len(self._seen) < _MOST_REMEMBERED:
            self._seen.add(entry.id)


def _check_columns(columns: TileColumns) -> None:
    """Raises TypeError where columns are not of the same length, or texts are none."""
    others = (columns.groups, columns.splits, columns.missing)
    texts = [columns.tiles, *columns.files.values(), *(each for each in others if each is not None)]
    if any(len(each) != len(columns.tiles) for each in (*texts, *columns.facts.values())):
        raise TypeError("its columns are not of the same length")
    if not all(_all(each.tolist(), str) for each in texts):
        raise TypeError("a column has something else where a text should be")


def _all(values: Iterable[object], kind: type | tuple[type, ...]) -> bool:
    return all(isinstance(value, kind) for value in values)


@contextmanager
def _blaming(plugin: Plugin) -> Iterator[None]:
    """Makes any failure one that can be shown to people."""
    try:
        yield
    except RsviewerError:
        raise
    except Exception as error:
        log.info("The plug-in %s failed.", plugin.name, exc_info=True)
        raise DatasetNotFoundError(_complaint(plugin, "failed", error)) from error


def _complaint(plugin: Plugin, what: str, error: BaseException) -> str:
    words = tile_name(f"{type(error).__name__}: {error}".splitlines()[0])[:200].rstrip(". ")
    origin = f" of {tile_name(plugin.distribution)}" if plugin.distribution else ""
    return f"The plug-in {tile_name(plugin.name)}{origin} {what} ({words}). Turn it off, or ask its authors."
