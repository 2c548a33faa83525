"""Datasets as they are downloaded, in the window but without a screen: what somebody does with them in the first minutes."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from rsviewer.core.scene import Pane, PaneState
from rsviewer.core.tile import LayerId, Raster, TileId, Vector
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences
from rsviewer.ui.window import Window
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace
from tests.data.samples import satlas, sen12ms, skyscript, synrs3d
from tests.workspace.models import FakeShelf, Lab, opened_again, predicted, settle

Show = Callable[[Path], Window]


@pytest.fixture
def show(qtbot: QtBot) -> Iterator[Show]:
    windows: list[Window] = []

    def make(path: Path) -> Window:
        window = Window(Preferences(reviewer="ada"), color_table, color_table_names(), open_path, threads=1)
        windows.append(window)
        window.resize(1200, 800)
        window.show()
        with qtbot.waitSignal(window.opened):
            window.open_path(path)
        settled(window, qtbot)
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()


def at(window: Window) -> Workspace:
    assert window.workspace is not None
    return window.workspace


def settled(window: Window, qtbot: QtBot) -> None:
    qtbot.waitUntil(
        lambda: (
            window.on_screen
            and not at(window).jobs.running
            and len(at(window).queue) > 0
            and at(window).scene().complete
        ),
    )


def panes(window: Window) -> dict[str, Pane]:
    return {str(pane.layer): pane for pane in at(window).scene().panes}


def press(window: Window, qtbot: QtBot, *ids: str) -> None:
    for id_ in ids:
        assert window.actions_.run_id(id_), id_
        settled(window, qtbot)


def test_a_tile_of_satlas_is_looked_at_through_its_dates_and_its_labels_stay(
    tmp_path: Path, show: Show, qtbot: QtBot
) -> None:
    sample = satlas.write(tmp_path / "Satlas")
    window = show(sample.root)
    at(window).show_tile(TileId(sample.whole))
    settled(window, qtbot)
    qtbot.waitUntil(window.time_bar.isVisible)
    best = panes(window)
    dates = [best["tci"].caption.split("  ·  ")[0]]
    count = len(at(window).entry.shots) if at(window).entry else 0
    for _ in range(count):
        press(window, qtbot, "group.next")
        dates.append(panes(window)["tci"].caption.split("  ·  ")[0])
    assert len(set(dates)) > 1, "another image of the same sensor was shown"
    assert dates == sorted(dates), "on in time, to the last and no further"
    vector = panes(window)["vector"]
    assert vector.state is PaneState.SHOWN
    assert isinstance(vector.content, Vector)
    assert vector.content is best["vector"].content, "labels are read once for all dates"
    assert panes(window)["tci"].drawing is not None, "and drawn over every image"
    press(window, qtbot, "date.best")
    assert panes(window)["tci"].caption == best["tci"].caption
    press(window, qtbot, "review.good")
    assert at(window).review.decision(TileId(sample.whole)).is_reviewed


def test_a_model_takes_the_image_that_a_tile_of_satlas_has(tmp_path: Path) -> None:
    sample = satlas.write(tmp_path / "Satlas")
    with closing(opened_again(sample.root, Lab(), FakeShelf())) as workspace:
        for tile, title in ((sample.whole, ""), ("naip/74417_78574", "NAIP")):
            workspace.show_tile(TileId(tile))
            settle(workspace)
            predicted(workspace)
            found = workspace.outcomes.judgement(TileId(tile))
            assert found is not None
            assert found.prediction is not None, found.why
            said = [remark for remark in found.prediction.remarks if remark.startswith("Predicted from")]
            assert bool(said) == bool(title)
            assert all(title in remark for remark in said)


def test_a_scene_of_sen12ms_is_looked_at_in_false_colour_and_as_an_index(
    tmp_path: Path, show: Show, qtbot: QtBot
) -> None:
    sample = sen12ms.write(tmp_path / "SEN12MS")
    window = show(sample.root)
    at(window).show_tile(TileId(sample.whole))
    at(window).viewing.activate(LayerId("s2"))
    settled(window, qtbot)
    seen = [panes(window)["s2"].how]
    names = [each.name for each in at(window).dataset.layer(LayerId("s2")).combinations]
    for name in names[1:]:
        press(window, qtbot, "view.bands")
        pane = panes(window)["s2"]
        seen.append(pane.how)
        assert name in pane.how
        if name == "NDVI":
            assert pane.colorbar is not None
            assert (pane.colorbar.low, pane.colorbar.high) == (-1.0, 1.0)
    assert len(set(seen)) == len(names)


def test_captions_are_found_while_they_are_typed(tmp_path: Path, show: Show, qtbot: QtBot) -> None:
    sample = skyscript.write(tmp_path / "SkyScript")
    window = show(sample.root)
    everything = len(at(window).queue)
    press(window, qtbot, "queue.search")
    search = window.top_bar.search
    QTest.keyClicks(search, "bridge")
    qtbot.waitUntil(lambda: at(window).finding.search == "bridge" and not at(window).jobs.running)
    settled(window, qtbot)
    assert 0 < len(at(window).queue) < everything
    assert "bridge" in panes(window)["caption"].message.lower()
    QTest.keyClick(search, Qt.Key.Key_Return)
    search.clear()
    qtbot.waitUntil(lambda: len(at(window).queue) == everything)


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_an_archive_is_reviewed_unopened_and_its_decisions_are_there_again(
    tmp_path: Path, show: Show, qtbot: QtBot, kind: str
) -> None:
    sample = synrs3d.write(tmp_path / "data")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), kind, sample.root))
    shutil.rmtree(sample.root)
    window = show(archive)
    assert at(window).dataset.root == archive
    image = next(pane for pane in at(window).scene().panes if isinstance(pane.content, Raster))
    assert image.state is PaneState.SHOWN
    assert window.notice.isVisible() == (kind == "gztar"), "only what is compressed as a whole is slow"
    first = at(window).tile
    assert first is not None
    press(window, qtbot, "review.drop")
    window.close()
    again = show(archive)
    assert not at(again).review.decision(first).is_empty
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("packed")) == [archive.name]
