"""The line stays when the tile changes, and the heights along it are always those of the tile on the screen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.tile import LayerId, TileId, Unreadable
from rsviewer.workspace.background import call_now
from rsviewer.workspace.news import Changed
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

LINE = ((4.5, 2.5), (4.5, 22.5))


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    opened = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
    )
    opened.start()
    yield opened
    opened.close()


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def test_without_a_line_there_is_nothing(workspace: Workspace) -> None:
    settle(workspace)
    assert workspace.profiling.profiles() == ()


def test_a_line_is_announced_once(workspace: Workspace) -> None:
    heard: list[Changed] = []
    workspace.subscribe(heard.append)
    workspace.profiling.set_line(LINE)
    workspace.profiling.set_line(LINE)
    workspace.profiling.set_line(None)
    assert heard == [Changed.PROFILE, Changed.PROFILE]


def test_the_same_line_is_cut_through_every_tile(workspace: Workspace) -> None:
    workspace.profiling.set_line(LINE)
    for tile, number in (("a/1", 1), ("a/2", 2), ("b/3", 3)):
        workspace.show_tile(TileId(tile))
        settle(workspace)
        (found,) = workspace.profiling.profiles()
        assert found.layer == "ndsm"
        assert np.allclose(found.height, 10 * (found.y - 0.5) + 4 + number)
        assert (found.distance[-1], found.unit) == (10.0, "m"), "20 pixels of half a metre"


def test_what_is_not_read_yet_is_not_there_and_not_anothers(workspace: Workspace) -> None:
    workspace.profiling.set_line(LINE)
    settle(workspace)
    workspace.forget_pictures()
    workspace.go(1)
    assert workspace.profiling.profiles() == ()
    assert [content for _, content in workspace.profiling.heights()] == [None]


def test_a_broken_height_has_no_profile_but_is_named(workspace: Workspace) -> None:
    workspace.profiling.set_line(LINE)
    workspace.show_tile(TileId("b/2"))
    settle(workspace)
    assert workspace.profiling.profiles() == ()
    ((spec, content),) = workspace.profiling.heights()
    assert spec.id == LayerId("ndsm")
    assert isinstance(content, Unreadable)


def test_the_other_way_round_the_heights_are_the_same_the_other_way_round(workspace: Workspace) -> None:
    settle(workspace)
    workspace.profiling.set_line(((1.0, 4.0), (30.0, 20.0)))
    (there,) = workspace.profiling.profiles()
    workspace.profiling.swap_ends()
    (back,) = workspace.profiling.profiles()
    assert np.allclose(there.height, back.height[::-1])
