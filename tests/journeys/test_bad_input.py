"""The world is hostile: whatever lies in a dataset or a project, the program opens, says what is wrong, and goes on."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
from PySide6.QtWidgets import QTreeWidget
from pytestqt.qtbot import QtBot
from rasterio import Affine
from rasterio.windows import Window as Part

from rsviewer.core.errors import DatasetNotFoundError, ExportError, ProjectError, SettingsError
from rsviewer.core.review import Verdict
from rsviewer.core.scene import PaneState, Rect, View
from rsviewer.core.splits import ExportOptions
from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.project import default_directory
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.data.settings import Preferences, load_preferences, preferences_path
from rsviewer.ui.window import Window
from rsviewer.workspace.exporting import plan_export
from rsviewer.workspace.opening import Asking, Opened, open_path
from rsviewer.workspace.review import Saved
from tests.journeys.visit import (
    IMAGE,
    NDSM,
    NORTH_UP,
    NOWHERE,
    contents_of,
    picture,
    slope,
    visiting,
    write_raster,
)

pytestmark = pytest.mark.usefixtures("qapp", "quiet_log")

SHOWN, MISSING, UNREADABLE = PaneState.SHOWN, PaneState.MISSING, PaneState.UNREADABLE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where "good" is a tile of image and nDSM; each test adds what it is about."""
    folder = tmp_path / "dataset"
    good_tile(folder, "good")
    return folder


def good_tile(folder: Path, name: str) -> None:
    write_raster(folder / "opt" / f"{name}.tif", picture())
    write_raster(folder / "gt_nDSM" / f"{name}.tif", slope())


# --- what cannot be opened


def test_what_is_no_dataset_is_said_with_what_was_expected_and_found(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.docx").touch()
    (tmp_path / "holiday" / "2024").mkdir()
    with pytest.raises(DatasetNotFoundError) as error:
        open_path(tmp_path / "holiday")
    words = str(error.value)
    assert "rsviewer formats list" in words
    assert "which holds the folder 2024/ and the file beach.docx." in words
    with pytest.raises(DatasetNotFoundError, match=r"There is no folder .*holidaz\. Did you mean .*holiday\?$"):
        open_path(tmp_path / "holidaz")
    with pytest.raises(DatasetNotFoundError, match=r"is a file\. Open the folder of the dataset"):
        open_path(tmp_path / "holiday" / "beach.docx")


def test_the_window_says_why_it_cannot_open_and_opens_the_next(root: Path, qtbot: QtBot) -> None:
    window = Window(Preferences(), color_table, color_table_names(), open_path, threads=1)
    qtbot.addWidget(window)
    window.show()
    with qtbot.waitSignal(window.failed) as failed:
        window.open_path(root / "nothing")
    assert failed.args == [window.canvas.words_when_empty.partition("\n")[0]]
    assert f"There is no folder {root / 'nothing'}" in window.canvas.words_when_empty
    with qtbot.waitSignal(window.opened):
        window.open_path(root)
    qtbot.waitUntil(lambda: window.canvas.shown_tile == "good")
    with qtbot.waitSignal(window.failed):
        window.open_path(root / "nothing")
    assert window.canvas.shown_tile == "good", "the open dataset stays"
    qtbot.waitUntil(lambda: "There is no folder" in window.status_bar.message.text())
    window.close()


def test_the_window_says_when_it_was_our_fault_and_opens_the_next(
    root: Path, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    def opener(path: Path, *, asking: Asking) -> Opened:
        if path.name == "nothing":
            raise ZeroDivisionError("ours")
        return open_path(path, asking=asking)

    window = Window(Preferences(), color_table, color_table_names(), opener, threads=1)
    qtbot.addWidget(window)
    window.show()
    with qtbot.waitSignal(window.failed) as failed:
        window.open_path(root / "nothing")
    assert failed.args == ["Opening failed (ZeroDivisionError: ours): please report it with the log."]
    assert "Opening failed" in caplog.text
    caplog.clear()
    with qtbot.waitSignal(window.opened):
        window.open_path(root)
    qtbot.waitUntil(lambda: window.canvas.shown_tile == "good")
    window.close()


def test_a_dataset_without_tiles_says_so(tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    with visiting(tmp_path) as visit:
        assert visit.tiles == []
        assert "no tile" in visit.canvas.words_when_empty
        assert not visit.workspace.set_verdict(Verdict.DROP)
        visit.workspace.go(+1)


# --- odd and broken files


@dataclass(frozen=True)
class Odd:
    """A tile with something odd in one or both layers.

    Attributes:
        write: makes it, given the folders of image and nDSM and the name of the tile.
        image, ndsm: (state, words that caption or message hold) expected in their panes.
        says: (column, row) -> what the nDSM, or without one the image, says there.
    """

    write: Callable[[Path, Path, str], None]
    image: tuple[PaneState, str] = (SHOWN, "")
    ndsm: tuple[PaneState, str] = (SHOWN, "")
    says: dict[tuple[int, int], str] = field(default_factory=dict)


def heights(pixels: Any, **profile: Any) -> Callable[[Path, Path, str], None]:
    """A good image, and these heights."""

    def write(opt: Path, ndsm: Path, name: str) -> None:
        write_raster(opt / f"{name}.tif", picture())
        write_raster(ndsm / f"{name}.tif", np.asarray(pixels), **profile)

    return write


def image(pixels: Any, suffix: str = ".tif", **profile: Any) -> Callable[[Path, Path, str], None]:
    """This image, and good heights."""

    def write(opt: Path, ndsm: Path, name: str) -> None:
        write_raster(opt / f"{name}{suffix}", np.asarray(pixels), **profile)
        write_raster(ndsm / f"{name}.tif", slope())

    return write


def raw(change: Callable[[bytes], bytes]) -> Callable[[Path, Path, str], None]:
    """An image whose file is made of a good one's bytes, and good heights."""

    def write(opt: Path, ndsm: Path, name: str) -> None:
        heights(slope())(opt, ndsm, name)
        whole = (opt / f"{name}.tif").read_bytes()
        (opt / f"{name}.tif").write_bytes(change(whole))

    return write


def instead(put: Callable[[Path], object]) -> Callable[[Path, Path, str], None]:
    """Something else in the place of the image, and good heights."""

    def write(opt: Path, ndsm: Path, name: str) -> None:
        put(opt / f"{name}.tif")
        write_raster(ndsm / f"{name}.tif", slope())

    return write


def holed(value: float, dtype: str) -> Any:
    """Whole heights 0 .. 31 m with a marker in the first five rows."""
    pixels = np.floor(slope()).astype(dtype)
    pixels[:5] = value
    return pixels


def rgba() -> Any:
    """An image whose first five rows are transparent."""
    opacity = np.full((1, 24, 32), 255, np.uint8)
    opacity[0, :5] = 0
    return np.concatenate([picture(), opacity])


def palette(opt: Path, ndsm: Path, name: str) -> None:
    write_raster(opt / f"{name}.tif", np.indices((24, 32)).sum(axis=0).astype(np.uint8) % 2, photometric="palette")
    with rasterio.open(opt / f"{name}.tif", "r+") as file:
        file.write_colormap(1, {0: (255, 0, 0, 255), 1: (0, 0, 255, 255)})
    write_raster(ndsm / f"{name}.tif", slope())


NO_VALUE = np.full((24, 32), np.nan, np.float32)
INFINITE = np.where(slope() < 0.005, np.inf, slope()).astype(np.float32)
HALF = Affine(1, 0, 400_000, 0, -1, 4_000_000)
QUARTER = Affine(1, 0, 400_004, 0, -1, 3_999_997)
FAR = Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
MARKED = {(0, 0): "nodata", (9, 20): "9"}

ODD: dict[str, Odd] = {
    "missing layer": Odd(
        lambda opt, ndsm, name: write_raster(opt / f"{name}.tif", picture()), ndsm=(MISSING, "no file for nDSM")
    ),
    "cut short": Odd(raw(lambda whole: whole[: len(whole) // 2]), image=(UNREADABLE, "Cut short")),
    "header only": Odd(raw(lambda whole: whole[:8]), image=(UNREADABLE, "Cut short")),
    "nothing but zeros": Odd(raw(lambda whole: bytes(len(whole))), image=(UNREADABLE, "zeros")),
    "empty file": Odd(raw(lambda _: b""), image=(UNREADABLE, "empty (0 bytes)")),
    "text": Odd(raw(lambda _: b"404: not found\n"), image=(UNREADABLE, "text file")),
    "folder": Odd(instead(Path.mkdir), image=(UNREADABLE, "A folder")),
    "pipe": Odd(instead(os.mkfifo), image=(UNREADABLE, "pipe")),
    "link to nothing": Odd(instead(lambda path: path.symlink_to("gone/1.tif")), image=(MISSING, "link to gone/1.tif")),
    "link to itself": Odd(instead(lambda path: path.symlink_to(path.name)), image=(UNREADABLE, "leads back to itself")),
    "one pixel more": Odd(heights(slope(25, 33)), ndsm=(SHOWN, "33 x 25"), says={(31, 23): "31.23 m"}),
    "one pixel more, nowhere": Odd(heights(slope(25, 33), **NOWHERE), ndsm=(SHOWN, "33 x 25 placed by extent")),
    "half resolution": Odd(
        heights(slope(12, 16), transform=HALF), ndsm=(SHOWN, "16 x 12"), says={(31, 23): "15.11 m", (30, 22): "15.11 m"}
    ),
    "half resolution, nowhere": Odd(
        heights(slope(12, 16), **NOWHERE), ndsm=(SHOWN, "placed by extent"), says={(31, 23): "15.11 m"}
    ),
    "a part at half resolution": Odd(
        heights(slope(6, 8), transform=QUARTER),
        says={(7, 6): "outside", (8, 6): "0.00 m", (23, 17): "7.05 m", (24, 17): "outside"},
    ),
    "elsewhere on the map": Odd(
        heights(slope(), transform=FAR), ndsm=(SHOWN, "georeference lies elsewhere")
    ),
    "other CRS": Odd(heights(slope(), crs="EPSG:32655"), ndsm=(SHOWN, "other CRS (EPSG:32655): placed by extent")),
    "no CRS": Odd(heights(slope(), **NOWHERE), says={(31, 23): "31.23 m"}),
    "all nodata": Odd(
        heights(np.full((24, 32), -9999, np.float32), nodata=-9999),
        ndsm=(SHOWN, "No valid pixel"),
        says={(0, 0): "nodata"},
    ),
    "all NaN": Odd(heights(NO_VALUE), ndsm=(SHOWN, "No valid pixel"), says={(0, 0): "NaN"}),
    "inf": Odd(heights(INFINITE), ndsm=(SHOWN, "0.0 .. 31.2 m"), says={(0, 0): "inf", (9, 20): "9.20 m"}),
    "constant": Odd(heights(np.full((24, 32), 3, np.float32)), ndsm=(SHOWN, "constant"), says={(9, 9): "3.00 m"}),
    "int16": Odd(heights(slope().astype(np.int16)), ndsm=(SHOWN, "int16"), says={(9, 20): "9 m"}),
    "uint16": Odd(heights(slope().astype(np.uint16)), ndsm=(SHOWN, "uint16"), says={(9, 20): "9 m"}),
    "float64": Odd(heights(slope().astype(np.float64)), ndsm=(SHOWN, "float64"), says={(9, 20): "9.20 m"}),
    "-9999 tagged": Odd(heights(holed(-9999, "int16"), nodata=-9999), ndsm=(SHOWN, "0.0 .. 31.0 m"), says=MARKED),
    "-9999 undeclared": Odd(heights(holed(-9999, "float32")), ndsm=(SHOWN, "-9999 taken for nodata"), says=MARKED),
    "-32768 tagged": Odd(heights(holed(-32768, "int16"), nodata=-32768), ndsm=(SHOWN, "0.0 .. 31.0 m"), says=MARKED),
    "-32768 undeclared": Odd(heights(holed(-32768, "int16")), ndsm=(SHOWN, "-32768 taken for nodata"), says=MARKED),
    "NaN tagged": Odd(heights(holed(np.nan, "float32"), nodata=np.nan), says={(0, 0): "NaN", (9, 20): "9.00 m"}),
    "palette": Odd(palette, image=(SHOWN, "32 x 24"), says={}),
    "one bit": Odd(image(np.indices((24, 32)).sum(axis=0).astype(np.uint8) % 2, nbits=1)),
    "RGBA": Odd(image(rgba(), photometric="RGB", alpha="yes"), image=(SHOWN, "21 % nodata")),
    "RGBA PNG": Odd(image(rgba(), ".png"), image=(SHOWN, "21 % nodata")),
    "16-bit PNG": Odd(image(picture().astype(np.uint16) * 257, ".png"), image=(SHOWN, "uint16")),
    "one pixel": Odd(image(picture()[:, :1, :1], **NOWHERE), image=(SHOWN, "1 x 1"), says={(0, 0): "16.12 m"}),
}  # fmt: skip
"""What may lie in a dataset, between two good tiles."""


@pytest.mark.parametrize("name", ODD)
def test_an_odd_tile_is_shown_or_named_and_the_next_one_comes(root: Path, name: str) -> None:
    odd = ODD[name]
    odd.write(root / "opt", root / "gt_nDSM", "odd")
    good_tile(root, "zebra")
    before = contents_of(root)
    with visiting(root) as visit:
        seen = visit.tour()
        assert list(seen) == ["good", "odd", "zebra"]
        for tile in ("good", "zebra"):
            assert {pane.state for pane in seen[tile].values()} == {SHOWN}
        for layer, (state, words) in ((IMAGE, odd.image), (NDSM, odd.ndsm)):
            pane = seen["odd"][layer]
            assert pane.state is state, pane.message
            assert words in f"{pane.caption}  {pane.message}"
        visit.show("odd")
        for (column, row), words in odd.says.items():
            assert visit.read(column, row)[NDSM].startswith(words)
        for layer, pane in seen["odd"].items():
            if pane.state is SHOWN and "constant" not in pane.caption and not pane.message:
                assert len(np.unique(visit.colors(layer))) > 1, f"{layer} is not blank"
        assert visit.workspace.set_verdict(Verdict.DROP), "a broken tile can be flagged"
        assert visit.workspace.status().saved is Saved.SAVED
    with visiting(root) as visit:
        assert visit.workspace.tile == "odd"
        assert visit.workspace.decision.verdict is Verdict.DROP
    assert contents_of(root) == before, "nothing is written beside the data"


def test_layers_of_other_resolution_lie_where_their_georeference_says(root: Path) -> None:
    heights(slope(6, 8), transform=QUARTER)(root / "opt", root / "gt_nDSM", "part")
    heights(slope(12, 16), transform=HALF)(root / "opt", root / "gt_nDSM", "half")
    with visiting(root) as visit:
        half = visit.show("half")[NDSM].picture
        assert half is not None
        assert half.place == Rect(0, 0, 32, 24)
        visit.workspace.viewing.set_view(View((16, 12), 8))
        part = visit.show("part")[NDSM].picture
        assert part is not None
        assert part.place == Rect(8, 6, 16, 12)
        middle = visit.colors(NDSM)[4::8, 4::8]
        assert middle.shape == (24, 32)
        inside = np.zeros((24, 32), bool)
        inside[6:18, 8:24] = True
        outside = np.unique(middle[~inside])
        assert len(outside) == 1, "nothing is drawn around it"
        assert outside[0] not in middle[inside]
        assert len(np.unique(middle[inside])) > 8
        for row, column in np.argwhere(inside):
            assert visit.read(int(column), int(row))[NDSM].startswith(f"{(column - 8) // 2 + (row - 6) // 2 / 100:.2f}")


def test_blinking_between_layers_of_other_resolution_writes_no_values_of_another_layer(root: Path) -> None:
    heights(slope(12, 16), transform=HALF)(root / "opt", root / "gt_nDSM", "half")
    with visiting(root) as visit:
        visit.workspace.viewing.set_view(View((30, 22), 64))
        still = visit.show("half")
        assert still[IMAGE].content is not None
        visit.workspace.viewing.set_blink(on=True)
        blinking = visit.panes()
        assert blinking[NDSM].picture == still[IMAGE].picture
        assert {pane.content for pane in blinking.values()} == {None}
        visit.workspace.viewing.set_blink(on=False)
        assert visit.panes() == still


def test_a_palette_is_shown_in_its_colours(root: Path) -> None:
    palette(root / "opt", root / "gt_nDSM", "indexed")
    with visiting(root) as visit:
        visit.show("indexed")
        assert visit.read(0, 0)[IMAGE] == "255  0  0"
        assert {0xFFFF0000, 0xFF0000FF} <= set(np.unique(visit.colors(IMAGE)).tolist())


def test_two_files_for_one_layer_are_said_and_one_is_shown(root: Path) -> None:
    good_tile(root, "twice")
    write_raster(root / "opt" / "twice.png", picture(seed=1))
    good_tile(root, "TWICE")
    with visiting(root) as visit:
        assert sorted(visit.tiles) == ["TWICE", "good", "twice"], "names that differ in case are two tiles"
        panes = visit.show("twice")
        assert "not shown: twice.png" in panes[IMAGE].caption
        assert "not shown" not in panes[NDSM].caption
        assert visit.read(0, 0)[IMAGE] == "  ".join(map(str, picture()[:, 0, 0]))
        assert "not shown" not in visit.show("TWICE")[IMAGE].caption


def test_class_values_larger_than_any_number_of_qt_are_listed(root: Path, qtbot: QtBot) -> None:
    largest = 2**64 - 1
    write_raster(root / "gt_ss_mask" / "good.tif", np.where(slope() < 9, largest, 5).astype(np.uint64))
    window = Window(Preferences(), color_table, color_table_names(), open_path, threads=1)
    qtbot.addWidget(window)
    window.show()
    with qtbot.waitSignal(window.opened):
        window.open_path(root)
    qtbot.waitUntil(lambda: window.canvas.shown_tile == "good")
    assert window.workspace is not None
    window.workspace.viewing.activate(LayerId("landcover"))
    classes = window.layers_panel.findChild(QTreeWidget)
    assert classes is not None
    qtbot.waitUntil(
        lambda: str(largest) in [classes.topLevelItem(row).text(0) for row in range(classes.topLevelItemCount())]
    )
    window.close()


# --- names and lists

NAMES = [
    "a b", "ümläut", "e\u0301", "hash#1", "q?x", "100%41", "br[1]", "emoji😀", "new\nline", "tab\t", "back\\slash",
    "'quote'", '"double"', "-dash", "*star", "semi;colon", "con", "dots..tif.x", "n" * 200, "\u202eright",
]  # fmt: skip


def test_any_name_can_be_looked_at_and_decided_about(tmp_path: Path) -> None:
    root = tmp_path / "söme #dataset?"
    good_tile(tmp_path, "source")
    names = [os.fsencode(name) for name in NAMES] + [b"latin\xfc\xff"]
    for folder in ("opt", "gt_nDSM"):
        (root / folder).mkdir(parents=True)
        for name in names:
            shutil.copy(tmp_path / folder / "source.tif", root / folder / os.fsdecode(name + b".tif"))
    listed = [name for name in names if name.strip() == name and b"\n" not in name]
    (root / "train.txt").write_bytes(b"\n".join(listed))
    with visiting(root) as visit:
        assert len(visit.tiles) == len(names)
        assert "latin\\xfc\\xff" in visit.tiles
        assert "new\\x0aline" in visit.tiles
        for tile, panes in visit.tour().items():
            assert {pane.state for pane in panes.values()} == {SHOWN}, tile
        for tile in visit.tiles:
            visit.workspace.show_tile(TileId(tile))
            assert visit.workspace.set_verdict(Verdict.DROP)
            assert visit.workspace.status().splits == (() if tile in ("new\\x0aline", "tab\\x09") else ("train",))
        assert visit.workspace.status().saved is Saved.SAVED
    with visiting(root) as visit:
        assert visit.workspace.status().dropped == len(names)


def test_a_root_that_is_not_utf_8_opens(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\nbar"))
    good_tile(tmp_path, "1")
    shutil.copytree(tmp_path / "opt", root / "opt")
    with visiting(root) as visit:
        assert visit.show("1")[IMAGE].state is SHOWN
        visit.workspace.set_verdict(Verdict.GOOD)
    with visiting(root) as visit:
        assert visit.workspace.decision.verdict is Verdict.GOOD
    with pytest.raises(DatasetNotFoundError, match=r"There is no folder .*caf\\xe9\\x0abar/gone"):
        open_path(root / "gone")


def test_lists_may_name_absent_tiles_and_leave_tiles_out(root: Path) -> None:
    good_tile(root, "loner")
    (root / "train.txt").write_text("good\nghost\nGOOD.tif\n\n", "utf-8")
    with visiting(root) as visit:
        seen = visit.tour()
        assert list(seen) == ["ghost", "good", "loner"]
        assert {pane.state for pane in seen["ghost"].values()} == {MISSING}
        assert "no file for image" in seen["ghost"][IMAGE].message
        visit.show("good")
        assert visit.workspace.status().splits == ("train",)
        visit.show("loner")
        assert visit.workspace.status().splits == ()


def test_a_huge_list_is_read_and_an_absurd_one_does_no_harm(root: Path) -> None:
    (root / "train.txt").write_bytes(b"good\n" + b"".join(b"absent_%d\n" % number for number in range(50_000)))
    (root / "test.txt").write_bytes(b"x" * 5_000_000)
    (root / "val.txt").write_bytes(b"\0" * 5_000_000)
    (root / "total.txt").mkdir()
    with visiting(root) as visit:
        assert len(visit.tiles) == 50_001
        visit.show("good")
        assert visit.workspace.status().splits == ("train",)


# --- large


def test_an_image_of_60000_by_60000_is_shown_decimated_in_bounded_memory(root: Path) -> None:
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": 60_000, "height": 60_000, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "SPARSE_OK": True, "compress": "deflate", "crs": "EPSG:32654", "transform": NORTH_UP,
    }  # fmt: skip
    for folder, bands, dtype in (("opt", 3, "uint8"), ("gt_nDSM", 1, "float32")):
        with rasterio.open(root / folder / "huge.tif", "w", count=bands, dtype=dtype, **profile) as target:
            target.write(np.full((bands, 512, 512), 99, dtype), window=Part(30_208, 30_208, 512, 512))
    with visiting(root) as visit:  # whose cache holds 100 MB, less than this tile takes
        visit.settle()
        before = psutil.Process().memory_info().rss
        panes = visit.show("huge")
        grown = psutil.Process().memory_info().rss - before
        for pane in panes.values():
            assert pane.state is SHOWN
            assert "60000 x 60000" in pane.caption
            assert "read at 1:15" in pane.caption
        assert visit.read(30_300, 30_300) == {IMAGE: "99  99  99", NDSM: "99.00 m"}
        assert visit.read(5, 59_999) == {IMAGE: "0  0  0", NDSM: "0.00 m"}
        assert grown < 600 * 1024 * 1024
        assert {pane.state for pane in visit.show("good").values()} == {SHOWN}


def test_five_thousand_tiles_are_at_hand_at_once(root: Path) -> None:
    for number in range(5_000):
        for folder in ("opt", "gt_nDSM"):
            (root / folder / f"{number:05}.tif").symlink_to("good.tif")
    with visiting(root) as visit:
        assert len(visit.tiles) == 5_001
        visit.workspace.go_to(4_999)
        assert {pane.state for pane in visit.panes().values()} == {SHOWN}


# --- a world that changes while one looks


def test_a_file_deleted_after_the_scan_is_missing(root: Path) -> None:
    good_tile(root, "late")
    with visiting(root) as visit:
        (root / "opt" / "late.tif").unlink()
        visit.workspace.forget_pictures()
        panes = visit.show("late")
        assert panes[IMAGE].state is MISSING
        assert "late.tif" in panes[IMAGE].message
        assert panes[NDSM].state is SHOWN
        visit.workspace.reload()
        assert visit.show("late")[IMAGE].message == "This tile has no file for image."


def test_a_file_replaced_while_open_is_seen_after_reload(root: Path) -> None:
    with visiting(root) as visit:
        visit.show("good")
        old = visit.read(3, 3)[IMAGE]
        write_raster(root / "opt" / "good.tif", picture(seed=5))
        visit.workspace.reload()
        visit.panes()
        assert visit.read(3, 3)[IMAGE] != old
        (root / "opt" / "good.tif").write_bytes(b"II*\0")
        visit.workspace.reload()
        assert visit.panes()[IMAGE].state is UNREADABLE


def test_a_decision_made_while_the_names_are_read_anew_belongs_to_the_tile_on_the_screen(root: Path) -> None:
    for name in ("a", "b"):
        good_tile(root, name)
    with visiting(root) as visit:
        visit.show("good")
        for folder in ("opt", "gt_nDSM"):
            (root / folder / "a.tif").unlink()
        visit.workspace.index.build()  # on a worker; the window has not heard of it yet
        assert visit.panes()[IMAGE].tile == "good"
        visit.workspace.go(-1)
        visit.workspace.go(+2)
        assert visit.workspace.set_verdict(Verdict.DROP)
        assert set(visit.workspace.review.decisions) == {"good"}
        assert visit.workspace.session.tile == "good"
        visit.workspace.reload()
        assert visit.tiles == ["b", "good"]
        assert visit.workspace.tile == "good"
        assert visit.workspace.decision.verdict is Verdict.DROP


def test_stepping_goes_on_when_the_folder_vanishes_and_comes_back(root: Path) -> None:
    for name in ("b", "c"):
        good_tile(root, name)
    with visiting(root) as visit:
        visit.workspace.set_verdict(Verdict.DROP)
        root.rename(root.with_name("away"))
        visit.workspace.forget_pictures()
        for panes in visit.tour().values():
            assert {pane.state for pane in panes.values()} == {MISSING}
        assert visit.workspace.set_verdict(Verdict.GOOD)
        assert visit.workspace.status().saved is Saved.SAVED
        visit.workspace.reload()
        assert "is not there any more" in visit.workspace.status().message
        assert len(visit.tiles) == 3, "the names are kept"
        root.with_name("away").rename(root)
        visit.workspace.reload()
        for panes in visit.tour().values():
            assert {pane.state for pane in panes.values()} == {SHOWN}
    with visiting(root) as visit:
        assert visit.workspace.status().reviewed == 2


# --- links and permissions


def test_links_to_stores_loops_and_dead_ends_are_followed_or_said(root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.move(root / "opt", store)
    (root / "opt").symlink_to(store)
    (root / "gt_ss_mask").symlink_to(root / "gt_ss_mask")
    (root / "gt_cd_mask").symlink_to(tmp_path / "gone")
    (root / "loop").symlink_to(root)
    with visiting(root) as visit:
        panes = visit.show("good")
        assert panes[IMAGE].state is SHOWN
        assert panes[LayerId("landcover")].state is MISSING
        assert panes[LayerId("change")].state is MISSING
        assert any("gt_cd_mask" in remark for remark in visit.workspace.opened.remarks)
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    with pytest.raises(DatasetNotFoundError, match="cannot be listed"):
        open_path(tmp_path / "ring")


@pytest.fixture
def as_nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user without rights, who one is until the test ends: root may read everything."""
    folder = Path(tempfile.mkdtemp(prefix="rsviewer-nobody-"))
    monkeypatch.setenv("RSVIEWER_HOME", str(folder / "home"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in (folder, *(Path(at) / name for at, names, _ in os.walk(folder) for name in names)):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_what_may_not_be_read_is_said_where_it_lies(as_nobody: Path) -> None:
    root = as_nobody / "dataset"
    good_tile(root, "1")
    good_tile(root, "2")
    write_raster(root / "gt_ss_mask" / "1.tif", picture()[:1])
    (root / "train.txt").write_text("1\n")
    (root / "opt" / "2.tif").chmod(0)
    (root / "gt_nDSM").chmod(0)
    (root / "gt_ss_mask").chmod(0o444)
    (root / "train.txt").chmod(0)
    with visiting(root) as visit:
        remarks = " ".join(visit.workspace.opened.remarks)
        assert f"No permission to list the folder {root / 'gt_nDSM'}" in remarks
        assert f"The list {root / 'train.txt'} cannot be read" in remarks
        panes = visit.show("1")
        assert panes[IMAGE].state is SHOWN
        assert panes[NDSM].state is MISSING
        assert panes[LayerId("landcover")].state is UNREADABLE
        assert "No permission" in panes[LayerId("landcover")].message
        assert "No permission" in visit.show("2")[IMAGE].message


@pytest.mark.parametrize("mode", [0, 0o111, 0o444])
def test_a_folder_without_permission_is_said(as_nobody: Path, mode: int) -> None:
    root = as_nobody / "dataset"
    good_tile(root, "1")
    (root / "layout.toml").write_text("")
    root.chmod(mode)
    with pytest.raises(DatasetNotFoundError, match=r"No permission to list .*dataset\. Ask its owner"):
        open_path(root)
    for below in ("layout.toml", "opt", "nothing"):
        with pytest.raises((DatasetNotFoundError, SettingsError)):
            open_path(root / below)


def test_a_child_that_may_not_be_entered_does_not_hide_its_sister(as_nobody: Path) -> None:
    good_tile(as_nobody / "good", "1")
    good_tile(as_nobody / "closed", "1")
    (as_nobody / "closed").chmod(0o444)
    with visiting(as_nobody) as visit:
        assert {pane.state for pane in visit.panes().values()} == {SHOWN}


def test_a_read_only_dataset_needs_nothing_and_a_read_only_project_asks_for_another(as_nobody: Path) -> None:
    root = as_nobody / "dataset"
    good_tile(root, "1")
    for path in (root / "opt", root / "gt_nDSM", root):
        path.chmod(0o555)
    with visiting(root) as visit:
        visit.show("1")
        assert visit.workspace.set_verdict(Verdict.DROP)
        assert visit.workspace.status().saved is Saved.SAVED
    (as_nobody / "locked").mkdir(mode=0o555)
    with pytest.raises(ProjectError, match=r"cannot be used \(Permission denied\)\. .*--project"):
        open_path(root, project_directory=as_nobody / "locked" / "project")


# --- a project that was damaged, or comes from a stranger


@pytest.fixture
def project(root: Path) -> Path:
    """The project of three tiles, of which the first was dropped and the second has a note."""
    for name in ("h2", "h3"):
        good_tile(root, name)
    with visiting(root) as visit:
        visit.show("good")
        visit.workspace.set_verdict(Verdict.DROP)
        visit.workspace.set_note(TileId("h2"), "a note")
    return default_directory(root)


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def rot(path: Path, start: int, length: int = 4096) -> None:
    content = bytearray(path.read_bytes())
    content[start : start + length] = np.random.default_rng(0).bytes(length)
    path.write_bytes(content)


def query(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql, values)
        connection.commit()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "something else": lambda path: overwrite(path, b"no decisions " * 1000),
    "zeros": lambda path: overwrite(path, bytes(16384)),
    "cut short": lambda path: overwrite(path, path.read_bytes()[:6000]),
    "rotten": lambda path: rot(path, 4096),
    "another database": lambda path: query(path, "PRAGMA application_id = 7"),
    "a verdict nobody knows": lambda path: query(path, "UPDATE decisions SET verdict = 'DROP TABLE'"),
    "a wrong type": lambda path: query(path, "UPDATE decisions SET said = ?", '{"note": 3}'),
    "deep nesting": lambda path: query(path, "UPDATE decisions SET said = ?", "[" * 100_000),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_with_damaged_decisions_one_can_look_and_nothing_is_lost(root: Path, project: Path, name: str) -> None:
    path = project / "decisions.sqlite"
    DAMAGE[name](path)
    before = rows(path)
    with visiting(root) as visit:
        (remark,) = visit.workspace.opened.remarks
        assert str(path) in remark
        assert "Put a copy of the file in its place" in remark
        for panes in visit.tour().values():
            assert {pane.state for pane in panes.values()} == {SHOWN}
        assert not visit.workspace.set_verdict(Verdict.GOOD)
        assert visit.workspace.status().message == remark
        assert visit.workspace.status().saved is Saved.READ_ONLY
        with pytest.raises(ExportError, match="Nothing is exported"):
            plan_export(visit.workspace.opened, visit.workspace.review.decisions, ExportOptions())
    assert rows(path) == before


def rows(path: Path) -> object:
    """What a file of decisions says; its bytes, where it is no database."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("decisions", "log")]
        except sqlite3.DatabaseError:
            return path.read_bytes()


def test_decisions_with_absurd_regions_and_notes_are_drawn(root: Path, project: Path) -> None:
    said = {
        "regions": [
            {"tag": "cloud", "points": [[1e308, 1e308], [-1e308, 5]]},
            {"tag": "<b>\n" + "w" * 3000, "points": [[1e30, 0], [1, 1], [2, -1e30]]},
        ],
        "note": "n" * 100_000,
    }
    query(project / "decisions.sqlite", "UPDATE decisions SET said = ?", json.dumps(said))
    with visiting(root) as visit:
        visit.tour()
        assert visit.workspace.status().dropped == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: overwrite(path, b"garbage"),
        lambda path: overwrite(path, b""),
        lambda path: overwrite(path, path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: rot(path, 12_288, 9000),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["garbage", "empty", "cut short", "rotten", "a folder"],
)
def test_a_damaged_index_is_built_again(root: Path, project: Path, spoil: Callable[[Path], None]) -> None:
    spoil(project / "index.duckdb")
    with visiting(root) as visit:
        assert len(visit.tour()) == 3
        assert visit.workspace.status().dropped == 1
        assert visit.workspace.set_verdict(Verdict.GOOD)


SESSIONS: dict[str, str] = {
    "garbage": "{nope",
    "a list": "[]",
    "null": "null",
    "deep nesting": "[" * 100_000,
    "giant whole numbers": '{"ordinal": ' + "9" * 400 + ', "stack": ' + "9" * 5000 + "}",
    "large whole numbers": '{"ordinal": ' + "9" * 400 + ', "stack": 99999999999999999999, "columns": -7}',
    "wrong types": json.dumps({"tile": 7, "view": [], "styles": "x", "hidden": {"a": 1}, "linked": "no", "order": None}),
    "a view at the end of the world": json.dumps({"view": {"center": [1e308, -1e308], "zoom": 256}}),
    "a view of nothing": json.dumps({"view": {"center": [-1e18, 1e18], "zoom": 0.00390625}, "linked": False}),
    "SQL": json.dumps({"filter": "1=1; DROP TABLE tiles; --", "sort": "tile; DELETE FROM meta"}),
    "SQL in quotes": json.dumps({"filter": "tile <> '''); DROP TABLE tiles; --'"}),
    "a filter of another dataset": json.dumps({"filter": "no_such_column > 1", "sort": "nor_this"}),
    "a filter of parentheses": json.dumps({"filter": "(" * 50_000 + "1" + ")" * 50_000}),
    "a filter of negations": json.dumps({"filter": "not " * 50_000 + "tile = '1'"}),
    "a filter that divides by nothing": json.dumps({"filter": "not (1 / 0 = 1) or tile <> ''"}),
    "huge numbers in a filter": json.dumps({"filter": "9e307 * 9e307 > 99999999999999999999999 or tile <> ''"}),
    "styles nobody can draw": json.dumps(
        {
            "styles": {
                "ndsm": {"color_table": "../../etc/passwd", "range_mode": "fixed", "low": 1e308, "high": -1e308,
                         "hillshade": 1.0, "exaggeration": 1e308, "azimuth": 1e308},
                "image": {"bands": [999, 1, 2], "gamma": 0.01, "range_mode": "percentile", "percent": 50},
            }
        }
    ),
    "a range that was locked to nonsense": json.dumps({"locked": True, "unlocked": {"ndsm": {"color_table": "n" * 9999}}}),
    "no layer left": json.dumps({"hidden": ["image", "ndsm"], "order": ["ndsm", "ndsm"], "active": "x", "maximised": True}),
    "a tile outside": json.dumps({"tile": "../../etc/passwd\n", "overlay": "<b>x</b>", "swipe": 0.5, "stack": 4}),
    "lone surrogates": '{"tile": "\\udcff\\ud800", "filter": "\\udcff", "active": "\\udcff"}',
}  # fmt: skip


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_of_a_stranger_does_no_harm(root: Path, project: Path, name: str) -> None:
    (project / "session.json").write_text(SESSIONS[name], "utf-8")
    with visiting(root) as visit:
        for remark in visit.workspace.opened.remarks:
            assert "\n" not in remark
            assert len(remark) < 400
        seen = visit.tour()
        assert list(seen) == ["good", "h2", "h3"]
        for panes in seen.values():
            assert {pane.state for pane in panes.values()} == {SHOWN}
        visit.show("good")
        assert all(colors.size for colors in map(visit.colors, seen["good"])), "the tile is in sight"
        assert visit.workspace.decision.verdict is Verdict.DROP
        assert visit.workspace.review.decision(TileId("h2")).note == "a note"


def test_a_filter_that_cannot_be_used_is_said_and_taken_away(root: Path, project: Path) -> None:
    (project / "session.json").write_text(json.dumps({"filter": "no_such_column > 1"}), "utf-8")
    with visiting(root) as visit:
        message = visit.workspace.status().message
        assert message.startswith("All tiles are shown, since their filter or order cannot be used:")
        assert "no_such_column" in message
        assert visit.workspace.finding.filter == ""


def test_a_filter_that_keeps_nothing_says_so_in_place_of_the_panes(root: Path) -> None:
    with visiting(root) as visit:
        visit.workspace.finding.choose("tile = 'nowhere'", "")
        assert visit.canvas.words_when_empty == "No tile satisfies the filter."
        visit.workspace.finding.choose("", "")
        assert visit.panes()


PROJECTS: dict[str, str] = {
    "garbage": "{nope",
    "a list": "[]",
    "deep nesting": "[" * 100_000,
    "giant numbers": '{"version": ' + "9" * 5000 + "}",
    "wrong types": '{"version": "1", "root": [], "format": {}}',
    "a root that is a novel": json.dumps({"version": 1, "root": "/x\n" + "y" * 5000, "format": "synrs3d"}),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_file_of_a_stranger_does_no_harm(root: Path, project: Path, name: str) -> None:
    (project / "project.json").write_text(PROJECTS[name], "utf-8")
    (project / "holder.json").write_text(PROJECTS[name], "utf-8")
    with visiting(root) as visit:
        assert len(visit.tour()) == 3
        assert visit.workspace.status().dropped == 1
        assert all("\n" not in remark and len(remark) < 400 for remark in visit.workspace.opened.remarks)


@pytest.mark.parametrize("version", ["2", "9" * 300])
def test_a_project_of_a_newer_version_is_left_alone(root: Path, project: Path, version: str) -> None:
    (project / "project.json").write_text(f'{{"version": {version}}}', "utf-8")
    before = contents_of(project)
    with pytest.raises(ProjectError, match="newer rsviewer"):
        open_path(root)
    after = {path: found for path, found in contents_of(project).items() if not path.endswith("lock")}
    assert after == {path: found for path, found in before.items() if not path.endswith("lock")}


PREFERENCES: dict[str, str] = {
    "garbage": "{nope",
    "a list": "[]",
    "deep nesting": "[" * 100_000,
    "wrong types": json.dumps({"threads": 10**30, "cache_bytes": "all", "keys": 3, "theme": 7, "anomalies": [1]}),
    "odd keys": json.dumps(
        {"keys": {"next": ["D", 7], "gone": ["\udcff"]}, "reviewer": "\udcff\n", "key_preset": "x" * 9999}
    ),
}


@pytest.mark.parametrize("name", PREFERENCES)
def test_preferences_of_a_stranger_do_no_harm(root: Path, qtbot: QtBot, name: str) -> None:
    preferences_path().parent.mkdir(parents=True, exist_ok=True)
    preferences_path().write_text(PREFERENCES[name], "utf-8")
    preferences_path().with_name("window.json").write_text(PREFERENCES[name], "utf-8")
    window = Window(load_preferences().value, color_table, color_table_names(), open_path, threads=1)
    qtbot.addWidget(window)
    window.restore()
    window.show()
    with qtbot.waitSignal(window.opened):
        window.open_path(root)
    qtbot.waitUntil(lambda: window.canvas.shown_tile == "good")
    assert window.workspace is not None
    assert window.workspace.set_verdict(Verdict.DROP)
    window.close()


# --- descriptions of folders

LAYOUTS: dict[str, str] = {
    "no layers": 'title = "x"',
    "not TOML": "[[layers",
    "an unknown key": '[[layers]]\nid = "a"\nfolder = "opt"\nkind = "optical"\ncolour = 1',
    "an unknown kind": '[[layers]]\nid = "a"\nfolder = "opt"\nkind = "picture"',
    "wrong types": '[[layers]]\nid = 7\nfolder = ["opt"]\nkind = "optical"',
    "a way out": '[[layers]]\nid = "a"\nfolder = "../../etc"\nkind = "optical"',
    "the same layer twice": '[[layers]]\nid = "a"\nfolder = "opt"\nkind = "optical"\n' * 2,
    "folders that are not there": '[[layers]]\nid = "a"\nfolder = "nowhere"\nkind = "optical"',
    "a pattern without end": 'group = "((a+)+)+$("\n[[layers]]\nid = "a"\nfolder = "opt"\nkind = "optical"',
    "a binary file": "\0\1\2",
    "deep nesting": "x = " + "[" * 10_000,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_description_that_cannot_be_used_is_said_in_a_sentence(root: Path, name: str) -> None:
    (root / "rsviewer-dataset.toml").write_text(LAYOUTS[name], "utf-8")
    with pytest.raises((SettingsError, DatasetNotFoundError)) as error:
        open_path(root)
    words = str(error.value)
    assert words.endswith((".", "?"))
    assert len(words) < 600


def test_a_stack_of_good_and_broken_tiles_is_drawn(root: Path) -> None:
    for number, name in enumerate(("missing layer", "cut short", "all NaN")):
        ODD[name].write(root / "opt", root / "gt_nDSM", f"odd{number}")
    with visiting(root) as visit:
        visit.workspace.set_stack(4)
        visit.panes()
        scene = visit.workspace.scene()
        assert [len(row) for row in scene.rows] == [2, 2, 2, 2]
        assert scene.rows[2][0].state is UNREADABLE
        assert isinstance(scene.rows[3][1].content, Raster)
