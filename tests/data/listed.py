"""The index of a made-up dataset that has just the tiles a test names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, Fact, TileEntry
from rsviewer.data.index import TileIndex

IMAGE = LayerId("image")

Open: TypeAlias = Callable[..., TileIndex]
"""`open_index("a", "b", build=True, facts=())`: see `opening`."""


class ListedTiles:
    """A dataset format that has the tiles it is told; those of a folder are a group, and what begins with "t" is tested on."""

    name, title, expects = "fake", "Fake", "nothing"

    def __init__(self, *names: str) -> None:
        self.names = names

    def recognises(self, root: Path) -> str:
        return "it is a test"

    def describe(self, root: Path) -> Dataset:
        raise NotImplementedError

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        for name in self.names:
            group, _, stem = name.rpartition("/")
            splits = ("test",) if stem.startswith("t") else ("train",)
            yield TileEntry(TileId(name), {IMAGE: f"{dataset.root}/{name}.tif"}, group=group, splits=splits)

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        raise NotImplementedError


@contextmanager
def opening(folder: Path) -> Iterator[Open]:
    """Opens the index of tiles of these names, in a file there, and builds it unless told otherwise; one at a time."""
    indexes: list[TileIndex] = []

    def opened(*names: str, build: bool = True, facts: tuple[Fact, ...] = ()) -> TileIndex:
        while indexes:
            indexes.pop().close()
        spec = LayerSpec(IMAGE, LayerKind.OPTICAL, "Image")
        dataset = Dataset("fake", "data", folder / "data", (spec,), facts=facts)
        index = TileIndex.open(folder / "index.duckdb", dataset, ListedTiles(*names))
        indexes.append(index)
        if build:
            index.build()
        return index

    yield opened
    for index in indexes:
        index.close()
