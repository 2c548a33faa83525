"""`rsviewer bench --synthetic-index N`: the tile index at any size, on tiles and names that are made up and need no disk.

Everything is asked as the window asks it. What it takes to make the tiles up is in the times.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsviewer.cli.measuring import memory, seconds
from rsviewer.cli.scalebench import measure_checks, measure_statistics
from rsviewer.core.filters import ColumnType
from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import SPLITS_BETWEEN, Dataset, Fact, TileColumns, TileEntry
from rsviewer.data.address import of_text
from rsviewer.data.datasets.synrs3d import SynRS3DAdapter
from rsviewer.data.index import TileIndex
from rsviewer.data.tree import DISK, Name, Place, Tree

SUBSET = 100_000
"""Tiles in one sub-dataset of the listing."""
FOLDERS = ("opt", "gt_nDSM", "gt_ss_mask", "pre_opt")
"""Its layers."""
DECISIONS = 2_000
JUMPS = 200

FILTERS = {
    "split": "split = 'val'",
    "no_split": "unlisted",
    "group": "group = 'CH'",
    "number": "similarity > 0.3 and year between 2017 and 2019",
    "text": "caption contains 'bridge'",
    "several": "split = 'train' and group in ('US', 'S2') and caption contains 'river' and similarity > 0.25",
    "decided": "verdict = 'drop'",
}
"""Name in the document -> expression."""
SORTS = {"number": "similarity desc", "word_and_number": "source, similarity desc", "text": "caption"}
TYPED = ("b", "br", "bri", "bridge", "bridge o")
"""What a caption search is asked while somebody types."""

_BATCH = 50_000
_SOURCES = ("CH", "DE", "ES", "FI", "P3", "S2", "US")
_SPLITS = ("train", f"train{SPLITS_BETWEEN}train_top30pct", "train", "val", "")
_THINGS = (
    "building, office of energy supplier",
    "man made bridge over river",
    "natural water",
    "leisure pitch of soccer",
    "farmland",
    "road with two lanes",
    "parking lot of supermarket",
    "railway station",
    "storage tank",
    "forest of broadleaved trees",
    "quarry",
)


def measure_table(tiles: int) -> dict[str, Any]:
    """Builds, opens and asks the index of a made-up table.

    Returns:
        `tiles`, `build_s`, `tiles_per_s`, `first_page_s`, `disk_mb`; `reopen_s`: all that is needed until every command works,
        and `is_fresh`; `filter_s` and `sort_s`: for each of FILTERS and SORTS; `search_s`: the slowest of TYPED; `find_s`: a
        tile by its exact name, in other letter case, by a part of it; `facets_s`: the counts of the filter menu; `jump_ms`:
        one tile anywhere, median; `rss_growth_mb`: the most memory that all this took; `export_s`: the names of all tiles,
        for an export, and `export_rss_growth_mb`.
    """
    with tempfile.TemporaryDirectory(prefix="rsviewer-bench-") as scratch, memory() as growth:
        adapter = SyntheticTable(tiles)
        root = Path(scratch) / "dataset"
        root.mkdir()
        dataset = adapter.describe(root)
        path = Path(scratch) / "index.duckdb"
        index = TileIndex.open(path, dataset, adapter)
        built, first = _build(index)
        index.close()
        result: dict[str, Any] = {
            "tiles": tiles,
            "build_s": built,
            "tiles_per_s": tiles / built,
            "first_page_s": first,
            "disk_mb": path.stat().st_size / 1e6,
        }
        began = time.perf_counter()
        index = TileIndex.open(path, dataset, adapter)
        result["is_fresh"] = index.is_fresh()
        result["reopen_s"] = time.perf_counter() - began + seconds(index.first_page) + seconds(index.groups)
        result["reopen_s"] += seconds(index.splits) + seconds(index.group_numbers)
        result |= _asked(index)
        result["rss_growth_mb"] = growth.growth_mb
        result["export_s"] = seconds(index.groups_of_tiles)
        result["export_rss_growth_mb"] = growth.growth_mb
        result["checks"] = measure_checks(index)
        result["statistics_s"] = measure_statistics(index)
        index.close()
        return result


def measure_listing(files: int) -> dict[str, Any]:
    """Builds the index of made-up folders in SynRS3D's layout, from their names.

    Returns:
        `files`, `tiles`, `seconds`, `files_per_s`, `first_page_s`, and `rss_growth_mb`: the most memory that it took.
    """
    tree = SyntheticTree("/synthetic", max(1, files // len(FOLDERS)))
    with tempfile.TemporaryDirectory(prefix="rsviewer-bench-") as scratch, memory() as growth:
        adapter = SynRS3DAdapter(tree)
        index = TileIndex.open(Path(scratch) / "index.duckdb", adapter.describe(Path(tree.root)), adapter)
        took, first = _build(index)
        index.close()
    files = tree.tiles * len(FOLDERS)
    return {
        "files": files,
        "tiles": tree.tiles,
        "seconds": took,
        "files_per_s": files / took,
        "first_page_s": first,
        "rss_growth_mb": growth.growth_mb,
    }


def _asked(index: TileIndex) -> dict[str, Any]:
    """What people and the window ask of a complete index."""
    places = np.random.default_rng(1).integers(0, len(index), JUMPS).tolist()
    jumps = [seconds(index.entry, place) for place in places]
    names = [entry.id for entry in index.entries(range(0, len(index), max(1, len(index) // DECISIONS)))]
    decisions = {name: Decision(Verdict.DROP) for name in names}
    name = names[-1]
    return {
        "decisions_s": seconds(index.ordinals_of, decisions) + seconds(index.load_reviews, decisions),
        "filter_s": {key: seconds(index.select, text) for key, text in FILTERS.items()},
        "search_s": max(seconds(index.select, f"caption contains '{text}'") for text in TYPED),
        "sort_s": {key: seconds(index.select, "", text) for key, text in SORTS.items()},
        "find_s": {
            "exact": seconds(index.ordinal_of, name),
            "other_case": seconds(index.ordinal_of, name.upper()),
            "part": seconds(index.find, name.partition("/")[2][1:-1]),
        },
        "facets_s": seconds(index.facets),
        "jump_ms": float(np.median(jumps)) * 1000,
    }


def _build(index: TileIndex) -> tuple[float, float]:
    """Seconds until all tiles and until the first ones were there."""
    began = time.perf_counter()
    firsts: list[float] = []
    index.build(first=lambda _: firsts.append(time.perf_counter() - began))
    return time.perf_counter() - began, firsts[0] if firsts else 0.0


class SyntheticTable:
    """A made-up table with the columns of SkyScript: a million image names and captions take half a second."""

    name = "synthetic"
    title = "synthetic table"
    expects = "nothing"

    def __init__(self, tiles: int, tree: Tree = DISK) -> None:
        """A table of so many rows."""
        self._tiles = tiles
        self._tree = tree

    def recognises(self, root: Path) -> str:
        """Why `root` may be this: never asked."""
        return f"{root} is made up"

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        return Dataset(
            self.name,
            self.title,
            root,
            (
                LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image"),
                LayerSpec(LayerId("caption"), LayerKind.TEXT, "caption"),
            ),
            folders=(root,),
            facts=(
                Fact("similarity", ColumnType.NUMBER, "CLIP similarity of image and caption"),
                Fact("year", ColumnType.NUMBER, "year of the image"),
                Fact("source", ColumnType.TEXT, "sensor or survey"),
            ),
        )

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`."""
        for columns in self.scan_columns(dataset):
            yield from columns.entries()

    def scan_columns(self, dataset: Dataset) -> Iterator[TileColumns]:
        """See `TabularAdapter.scan_columns`."""
        random = np.random.default_rng(1)
        captions = [f"a satellite image of {one}, surrounded by {other}" for one in _THINGS for other in _THINGS]
        texts = np.array([of_text(f"{text} {k}") for text in captions for k in range(500)], object)
        sources, splits = np.array(_SOURCES, object), np.array(_SPLITS, object)
        prefix = f"{dataset.root}/"
        for start in range(0, self._tiles, _BATCH):
            rows = range(start, min(start + _BATCH, self._tiles))
            source, years = sources[random.integers(0, len(sources), len(rows))], random.integers(10, 24, len(rows))
            tiles = [
                f"images{row % 6 + 2}/w{100_000_000 + row * 13}_{name}_{year}"
                for row, name, year in zip(rows, source.tolist(), years.tolist(), strict=True)
            ]
            yield TileColumns(
                np.array(tiles, object),
                {
                    LayerId("image"): np.array([f"{prefix}{tile}.jpg" for tile in tiles], object),
                    LayerId("caption"): texts[random.integers(0, len(texts), len(rows))],
                },
                groups=source,
                splits=splits[random.integers(0, len(splits), len(rows))],
                facts={"similarity": random.normal(0.27, 0.04, len(rows)), "year": 2000.0 + years, "source": source},
            )

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """See `DatasetAdapter.tile_of_line`. There are no lists."""
        return TileId(f"{split.name}/{text}")


class SyntheticTree:
    """Folders of made-up names in SynRS3D's layout."""

    def __init__(self, root: str, tiles: int) -> None:
        """So many tiles with FOLDERS, in sub-datasets of SUBSET tiles."""
        self.root = root
        self.tiles = tiles
        self._subsets = [f"grid_g05_mid_v{number + 1}" for number in range((tiles + SUBSET - 1) // SUBSET)]

    def names(self, folder: str) -> list[str]:
        """See `Tree.names`."""
        return list(self._names(folder))

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        """See `Tree.scan`."""
        folders = folder.rpartition("/")[2] not in FOLDERS
        yield (_Name(name, folders) for name in self._names(folder))

    def is_file(self, path: str) -> bool:
        """See `Tree.is_file`."""
        return path.endswith(".tif")

    def is_folder(self, path: str) -> bool:
        """See `Tree.is_folder`."""
        return not self.is_file(path)

    def read(self, path: str, most: int) -> bytes:
        """See `Tree.read`. There is nothing to read."""
        raise FileNotFoundError(None, f"it is made up, and has no {most} bytes", path)

    def place(self, path: str) -> Place:
        """See `Tree.place`."""
        return Place(path)

    def stamp(self, path: str) -> tuple[int, int]:
        """See `Tree.stamp`."""
        return 0, len(path)

    def _names(self, folder: str) -> Iterable[str]:
        if folder == self.root:
            return self._subsets
        subset, _, last = folder.removeprefix(f"{self.root}/").partition("/")
        if subset not in self._subsets or last not in ("", *FOLDERS):
            raise FileNotFoundError(None, "it is made up", folder)
        start = self._subsets.index(subset) * SUBSET
        numbers = range(start, min(start + SUBSET, self.tiles))
        return (f"{number:010d}-1.tif" for number in numbers) if last else FOLDERS


@dataclass(frozen=True, slots=True)
class _Name:
    """See `Name`."""

    name: str
    folder: bool

    def is_dir(self) -> bool:
        return self.folder
