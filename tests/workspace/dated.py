"""A dataset whose tiles have captions and several images over time, with known values, opened without a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, Shot, TileEntry
from rsviewer.data.address import of_text
from rsviewer.data.decisions import History
from rsviewer.data.index import TileIndex
from rsviewer.data.project import Project
from rsviewer.data.settings import Session
from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import Opened
from rsviewer.workspace.workspace import Workspace
from tests.workspace.models import FakeShelf, Lab

IMAGE, RADAR, LABELS, CAPTION = LayerId("image"), LayerId("radar"), LayerId("labels"), LayerId("caption")
CAPTIONS = ('A road with a bridge, called "Devil\'s bridge"', "A bridge")
SHOTS = (
    Shot("early", "2020-01-05T10:00:00+00:00", "optical", good=True),
    Shot("2020-02", "2020-02", "radar"),
    Shot("dark", "2020-03-01T10:00:00+00:00", "optical", good=False),
    Shot("2020-06", "2020-06", "radar"),
    Shot("late", "2020-06-20T10:00:00+00:00", "optical", good=True),
)
VALUES = {"early": 10, "dark": 1, "late": 200, "2020-02": 52, "2020-06": 56}
"""Of every pixel of an image."""
BEST = 4


class DatedAdapter:
    """Two tiles, of which the second has one image."""

    name, title, expects = "dated", "Dated", "nothing"

    def __init__(self, root: Path) -> None:
        self.root = root

    def recognises(self, root: Path) -> str:
        return f"it is {root}"

    def describe(self, root: Path) -> Dataset:
        specs = (
            LayerSpec(IMAGE, LayerKind.OPTICAL, "image"),
            LayerSpec(RADAR, LayerKind.SAR, "radar"),
            LayerSpec(LABELS, LayerKind.LABELS, "labels", optional=True, absent="Not annotated."),
            LayerSpec(CAPTION, LayerKind.TEXT, "caption"),
        )
        return Dataset("dated", "dated", root, specs)

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        def path(shot: str) -> str:
            return str(dataset.root / shot / "1_1.png")

        labels = str(dataset.root / "labels" / "1_1.png")
        files = {IMAGE: path("late"), RADAR: path("2020-06"), LABELS: labels, CAPTION: of_text(CAPTIONS[0])}
        yield TileEntry(TileId("1_1"), files, shots=SHOTS, shot=BEST)
        yield TileEntry(TileId("1_2"), {IMAGE: path("early"), CAPTION: of_text(CAPTIONS[1])}, missing=(LABELS,))

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        return TileId(f"{split.name}{text}")


def write_dated(root: Path) -> Path:
    """Files of the dataset."""
    for name, value in (*VALUES.items(), ("labels", 3)):
        (root / name).mkdir(parents=True)
        write_png(root / name / "1_1.png", value)
    return root


def write_png(path: Path, value: int) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="PNG", width=8, height=8, count=1, dtype="uint8") as file:
            file.write(np.full((1, 8, 8), value, np.uint8))


@contextmanager
def dated_workspace(folder: Path) -> Iterator[Workspace]:
    """The dataset written below a folder and opened, with a model that is a fake, on this thread."""
    opened = open_dated(write_dated(folder / "data"), folder / "project")
    opened.shelf = FakeShelf()  # type: ignore[assignment]  # a fake
    opened.engines = Lab()
    made = Workspace(opened, call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False)
    made.start()
    try:
        yield made
    finally:
        made.close()


def open_dated(root: Path, project: Path) -> Opened:
    """The dataset with an index in memory, read-only."""
    adapter = DatedAdapter(root)
    dataset = adapter.describe(root)
    opened = Project.open(root, project, read_only=True)
    index = TileIndex.open(None, dataset, adapter)
    return Opened(dataset, adapter, opened, index, None, {}, History((), ()), Session())
