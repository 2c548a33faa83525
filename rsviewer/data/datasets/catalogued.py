"""What the formats of parallel folders share: they are planned once, and what was planned lists the tiles."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.catalogue import Catalogue
from rsviewer.data.lists import find_lists
from rsviewer.data.looking import Look
from rsviewer.data.tree import DISK, Tree


class CataloguedAdapter:
    """A format whose `describe` ends with `_planned`."""

    def __init__(self, tree: Tree = DISK) -> None:
        """See `DatasetAdapter`."""
        self._tree = tree
        self._root: Path | None = None
        self._catalogue = Catalogue(tree, ())

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        raise NotImplementedError

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`."""
        if dataset.root != self._root:
            self.describe(dataset.root)
        return self._catalogue.entries(dataset.tree)

    def first_page(self, dataset: Dataset, most: int) -> list[TileEntry]:
        """See `PreviewingAdapter.first_page`."""
        if dataset.root != self._root:
            self.describe(dataset.root)
        return self._catalogue.first_page(dataset.tree, most)

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """See `DatasetAdapter.tile_of_line`."""
        return self._catalogue.tile_of_line(split, text)

    def _lists(
        self, root: Path, homes: Iterable[tuple[Look, str]], tiles: Catalogue, problems: list[str]
    ) -> dict[Path, SplitList]:
        """The split lists in some folders, each of a group ("" for lists over the whole dataset). See `find_lists`."""
        lists: dict[Path, SplitList] = {}
        for home, group in homes:
            files = [home.at(name) for name in home.files]
            lists |= find_lists(self._tree, files, root, group, partial(tiles.has, group), problems)
        return lists

    def _planned(self, root: Path, catalogue: Catalogue) -> None:
        """Remembers where the tiles of a dataset are."""
        self._root, self._catalogue = root, catalogue
