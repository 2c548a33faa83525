"""The current tile in space: made after the panes are served, never of another tile, and with words where it cannot be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.relief import DIFFERENCE, Form, Together
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerId, TileId
from rsviewer.workspace.background import call_now
from rsviewer.workspace.news import Changed
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

NDSM = LayerId("ndsm")


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    opened = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
    )
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def news(workspace: Workspace) -> list[Changed]:
    heard: list[Changed] = []
    workspace.subscribe(heard.append)
    return heard


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def test_nothing_is_made_before_somebody_looks(workspace: Workspace) -> None:
    settle(workspace)
    assert workspace.reliefs.relief is None
    assert not workspace.reliefs.step()


def test_the_heights_of_the_tile_stand_in_metres_at_their_place(workspace: Workspace, news: list[Changed]) -> None:
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    news.clear()
    settle(workspace)
    relief = workspace.reliefs.relief
    assert Changed.RELIEF in news
    assert relief is not None
    assert relief.tile == "a/1"
    assert (relief.unit, relief.extent) == ("m", (16.0, 12.0))  # 32 x 24 pixels of half a metre
    (cloud,) = relief.clouds
    assert cloud.base + cloud.height[23, 31] == 31 + 10 * 23 + 1
    assert np.isnan(cloud.height[0, 0]), "the void stays one"
    assert (relief.low, relief.high) == (2, 262)
    assert cloud.crs == "EPSG:32654"


def test_the_image_after_the_change_colours_the_heights_unless_another_layer_is_chosen(workspace: Workspace) -> None:
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    relief = workspace.reliefs.relief
    assert relief is not None
    assert relief.color_title == "image"
    assert relief.clouds[0].colors[7, 20] == 0xFF000000 | 20 << 16 | 7 << 8 | 20
    workspace.reliefs.set_style(replace(workspace.reliefs.style, color="landcover"))
    settle(workspace)
    relief = workspace.reliefs.relief
    assert relief is not None
    assert "Trees" in [item.name for item in relief.legend]
    workspace.reliefs.set_style(replace(workspace.reliefs.style, color="ndsm"))
    settle(workspace)
    relief = workspace.reliefs.relief
    assert relief is not None
    assert relief.colorbar is not None
    assert relief.colorbar.unit == "m"


def test_colours_follow_the_style_of_the_panes(workspace: Workspace) -> None:
    settle(workspace)
    workspace.reliefs.set_style(replace(workspace.reliefs.style, color="ndsm"))
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    before = workspace.reliefs.relief
    workspace.looks.set_style(NDSM, Style(color_table="grey"))
    settle(workspace)
    after = workspace.reliefs.relief
    assert before is not None
    assert after is not None
    grey = after.clouds[0].colors[12, 12]
    assert grey >> 16 & 255 == grey >> 8 & 255 == grey & 255
    assert before.clouds[0].colors[12, 12] != grey


def test_a_step_never_shows_the_tile_before_as_the_current_one(workspace: Workspace) -> None:
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    workspace.go(1)
    assert workspace.reliefs.relief is None, "that of a/1 is not one of a/2"
    settle(workspace)
    relief = workspace.reliefs.relief
    assert relief is not None
    assert relief.tile == "a/2" == workspace.tile
    workspace.go(-1)
    relief = workspace.reliefs.relief
    assert relief is not None, "it was made before"
    assert relief.tile == "a/1"


def test_while_a_key_is_held_3d_waits_for_the_release(workspace: Workspace) -> None:
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    workspace.hurried = True
    workspace.go(1)
    settle(workspace)
    assert workspace.reliefs.relief is None
    workspace.hurried = False
    settle(workspace)
    relief = workspace.reliefs.relief
    assert relief is not None
    assert relief.tile == "a/2"


def test_why_there_is_nothing_to_see_is_said_in_a_sentence(workspace: Workspace) -> None:
    workspace.show_tile(TileId("b/2"))  # its nDSM is cut short
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    relief = workspace.reliefs.relief
    assert relief is not None
    assert not relief.clouds
    assert relief.why.startswith("nDSM: ")


def test_light_and_exaggeration_do_not_make_the_relief_anew(workspace: Workspace) -> None:
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    before = workspace.reliefs.relief
    style = replace(workspace.reliefs.style, exaggeration=3.0, azimuth=90.0, form=Form.POINTS, grid=False)
    workspace.reliefs.set_style(style)
    assert workspace.reliefs.relief is before
    assert workspace.session.relief == style, "it is kept with the session"


def with_dem(tiny: Path) -> None:
    """A second height for "a": the nDSM plus 100 m, with a void of its own."""
    import rasterio

    for number in (1, 2, 3):
        with rasterio.open(tiny / "a" / "gt_nDSM" / f"{number}.tif") as source:
            heights, profile = source.read(), source.profile
        heights = np.where(heights == -9999, heights, heights + 100)
        heights[0, 5, 5] = -9999
        (tiny / "a" / "dem").mkdir(exist_ok=True)
        with rasterio.open(tiny / "a" / "dem" / f"{number}.tif", "w", **profile) as target:
            target.write(heights)


@pytest.fixture
def with_two_heights(tiny_dataset: Path) -> Iterator[Workspace]:
    with_dem(tiny_dataset)
    opened = Workspace(
        open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
    )
    opened.start()
    settle(opened)
    opened.reliefs.set_open(on=True)
    settle(opened)
    yield opened
    opened.close()


def test_a_second_height_stands_beside_the_first_or_in_one_scene_with_it(with_two_heights: Workspace) -> None:
    reliefs = with_two_heights.reliefs
    assert len(reliefs.heights) == 2
    assert reliefs.relief is not None
    assert len(reliefs.relief.clouds) == 1
    parts = []
    for _ in range(2):
        reliefs.cycle_together()
        settle(with_two_heights)
        relief = reliefs.relief
        assert relief is not None
        assert relief.high - relief.low > 300, "one scale for both"
        parts.append([len(part) for part in relief.parts])
    assert parts == [[1, 1], [2]]
    reliefs.cycle_together()
    assert reliefs.style.together is Together.ALONE


def test_the_difference_of_two_heights_colours_the_first(with_two_heights: Workspace) -> None:
    reliefs = with_two_heights.reliefs
    assert (DIFFERENCE, f"{reliefs.heights[0].title} minus {reliefs.heights[1].title}") in reliefs.colors
    reliefs.set_style(replace(reliefs.style, color=DIFFERENCE))
    settle(with_two_heights)
    relief = reliefs.relief
    assert relief is not None
    assert len(relief.clouds) == 1
    assert relief.colorbar is not None
    assert relief.colorbar.unit == "m"
    bar = relief.colorbar
    assert bar.minimum == bar.maximum
    assert abs(bar.minimum) == pytest.approx(100)
    assert bar.low == -bar.high
    colors = relief.clouds[0].colors
    assert colors[5, 5] != colors[6, 6], "where one of them has a void there is no difference"


def test_a_broken_second_height_leaves_the_first_with_a_remark(with_two_heights: Workspace, tiny_dataset: Path) -> None:
    broken = tiny_dataset / "a" / "dem" / "3.tif"
    broken.write_bytes(broken.read_bytes()[:200])
    with_two_heights.forget_pictures()
    reliefs = with_two_heights.reliefs
    reliefs.set_style(replace(reliefs.style, height=NDSM, together=Together.BESIDE))
    with_two_heights.show_tile(TileId("a/3"))
    settle(with_two_heights)
    relief = reliefs.relief
    assert relief is not None
    assert [cloud.layer for cloud in relief.clouds] == ["ndsm"]
    assert any("DEM" in remark for remark in relief.remarks)


def test_a_dataset_without_heights_says_so(tiny_dataset: Path, make_flat: Callable[[], Workspace]) -> None:
    workspace = make_flat()
    settle(workspace)
    workspace.reliefs.set_open(on=True)
    settle(workspace)
    assert workspace.reliefs.heights == ()
    relief = workspace.reliefs.relief
    assert relief is not None
    assert relief.why == "This tile has no height layer."


@pytest.fixture
def make_flat(tiny_dataset: Path) -> Iterator[Callable[[], Workspace]]:
    import shutil

    opened: list[Workspace] = []

    def make() -> Workspace:
        for folder in tiny_dataset.glob("*/gt_nDSM"):
            shutil.rmtree(folder)
        workspace = Workspace(
            open_path(tiny_dataset), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
        )
        workspace.start()
        opened.append(workspace)
        return workspace

    yield make
    for workspace in opened:
        workspace.close()
