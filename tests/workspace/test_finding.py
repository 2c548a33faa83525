"""Datasets whose names take long to read: their first tiles are there before, and reading ends when it is to end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rsviewer.core.tile import Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import TileIndex
from rsviewer.workspace.background import Post, call_now
from rsviewer.workspace.workspace import Workspace
from tests.workspace.dated import BEST, IMAGE, LABELS, SHOTS, DatedAdapter, open_dated, write_dated
from tests.workspace.models import FakeShelf, Lab, pane, settle


class SlowAdapter(DatedAdapter):
    """Looks a tile up with one of its images, and does something else before it lists the others."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.meanwhile: Callable[[], None] = lambda: None

    def first_page(self, dataset: Dataset, most: int) -> list[TileEntry]:
        (whole, _) = super().scan(dataset)
        files = {layer: path for layer, path in whole.at(2).files.items() if layer != LABELS}
        return [replace(whole, files=files, shots=(SHOTS[2],), shot=0, moment="optical/dark")][:most]

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        self.meanwhile()
        yield TileEntry(TileId("1_0"), {})
        yield from super().scan(dataset)


class EndlessAdapter(DatedAdapter):
    """Lists folders for minutes before it has a tile."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun = threading.Event()
        self.to_list = 1_000_000

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        while self.to_list:
            dataset.tree.names(str(self.root))
            self.begun.set()
            self.to_list -= 1
        yield from super().scan(dataset)


@contextmanager
def opened_with(adapter: DatedAdapter, folder: Path, post: Post, *, threaded: bool) -> Iterator[Workspace]:
    opened = open_dated(write_dated(adapter.root), folder / "project")
    opened.index.close()
    opened.adapter, opened.index = adapter, TileIndex.open(None, opened.dataset, adapter)
    opened.shelf = FakeShelf()  # type: ignore[assignment]  # a fake
    opened.engines = Lab()
    made = Workspace(opened, post, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=threaded)
    try:
        yield made
    finally:
        made.close()


def shown(workspace: Workspace) -> tuple[str, int]:
    content = pane(workspace, IMAGE).content
    assert isinstance(content, Raster)
    return str(workspace.tile), int(content.pixels[0, 0, 0])


def test_a_tile_that_was_looked_up_stays_on_the_screen_and_gets_the_files_found_later(tmp_path: Path) -> None:
    adapter = SlowAdapter(tmp_path / "data")
    seen = []
    with opened_with(adapter, tmp_path, call_now, threaded=False) as workspace:

        def meanwhile() -> None:
            settle(workspace)
            seen.append((shown(workspace), workspace.finding.total, workspace.finding.is_complete))

        adapter.meanwhile = meanwhile
        workspace.start()
        settle(workspace)
        assert seen == [(("1_1", 1), 1, False)]
        assert shown(workspace) == ("1_1", 200), "the best of its images"
        entry = workspace.entry
        assert entry is not None
        assert (entry.shots, entry.shot) == (SHOTS, BEST)
        assert (workspace.finding.total, workspace.finding.ordinal) == (3, 1)


def test_closing_does_not_wait_until_all_folders_are_listed(tmp_path: Path) -> None:
    adapter = EndlessAdapter(tmp_path / "data")
    posted: list[Callable[[], None]] = []
    with opened_with(adapter, tmp_path, posted.append, threaded=True) as workspace:
        workspace.start()
        assert adapter.begun.wait(60)
    assert adapter.to_list, "it was stopped before the last folder"
