"""The built-in model in the real window: I on a fresh machine does something real, and the answer stays with its tile."""

from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio

from rsviewer.data.demo import write_demo
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.project import Project, default_directory
from rsviewer.data.settings import ModelChoice, Session, save
from tests.journeys.xvfb import Program, home_of, wait_for

pytestmark = pytest.mark.xvfb

TILES = 6


def test_i_predicts_the_tile_and_shift_i_those_that_come(
    launch: Callable[..., Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "demo"
    write_demo(root, tiles=TILES)
    for name, value in home_of(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir(exist_ok=True)
    with Project.open(root, dataset_format="synrs3d") as project:
        save(project.session_path, Session(model=ModelChoice(kept=True)))
    kept = default_directory(root) / "predictions"

    def heights() -> list[str]:
        """The tiles of which a predicted height is kept."""
        return sorted(path.name.split(".")[0] for path in kept.rglob("*.height.tif"))

    program = launch("open", root)
    first, position = program.appear().split(" ")[:2]
    assert position == "(1"
    assert heights() == [], "nothing runs before somebody asks"
    program.press("i")
    wait_for(heights, lambda found: len(found) == 1, "the first tile to be predicted")
    assert heights() == [first]
    program.press("d")
    program.see(lambda title: "(2 of 6)" in title, "the second tile")
    program.press("shift+i")
    wait_for(heights, lambda found: len(found) == TILES, "all tiles to be predicted ahead")
    program.press("ctrl+q")
    assert program.ended() == 0
    assert program.errors() == ""

    (path,) = kept.rglob(f"{first}*.height.tif")
    with rasterio.open(path) as file:
        assert (file.width, file.height, file.dtypes) == (512, 512, ("float32",))
        assert file.tags()["RSVIEWER_MODEL"] == "demo-height"
        assert file.tags()["RSVIEWER_TILE"] == first
    dataset, adapter = open_dataset(root)
    index = TileIndex.open(default_directory(root) / "index.duckdb", dataset, adapter)
    assert len(index.select("demo_height_mae >= 0")) == TILES, "the queue can be sorted worst first"
    index.close()
