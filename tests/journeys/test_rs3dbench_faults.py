"""What brought RS3DBench's own viewer down, blackened its pictures or miscounted its tiles does neither here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.core.review import Verdict
from rsviewer.core.scene import Pane, PaneState, Rect
from rsviewer.core.tile import LayerId
from tests.journeys.visit import NOWHERE, Visit, picture, slope, visiting, write_raster

pytestmark = pytest.mark.usefixtures("qapp", "quiet_log")

SHOWN, MISSING, UNREADABLE = PaneState.SHOWN, PaneState.MISSING, PaneState.UNREADABLE
PNG, TIF, DEM = LayerId("image_png"), LayerId("image_tif"), LayerId("dem")
FOLDERS = {PNG: "Image/png-stretched-Alps", TIF: "Image/tif-Alps", DEM: "DEM-Alps"}
GRID = [(0, 0), (31, 0), (0, 23), (31, 23), (16, 12), (9, 20)]


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """An area with the good tiles 0, 1 and 10; each test adds or spoils tile 2."""
    root = tmp_path / "RS3DBench"
    for number in (0, 1, 10):
        good_tile(root, number)
    return root


def good_tile(root: Path, number: int) -> None:
    write_raster(root / FOLDERS[PNG] / f"tile_{number}.png", picture())
    write_raster(root / FOLDERS[TIF] / f"tile_{number}.tif", picture().astype(np.float32) / 255, **NOWHERE)
    write_raster(root / FOLDERS[DEM] / f"tile_{number}.tif", slope() + 2000, **NOWHERE)


def marked(value: float, dtype: str) -> Any:
    """Whole heights 2000 .. 2031 m with a marker in the first five rows."""
    pixels = np.floor(slope() + 2000).astype(dtype)
    pixels[:5] = value
    return pixels


def clouded() -> Any:
    """Reflectances of which a cloud took a corner of the first channel."""
    pixels = picture().astype(np.float32) / 255
    pixels[0, :5, :5] = np.nan
    return pixels


@dataclass(frozen=True)
class Fault:
    """A row of the table of faults.

    Attributes:
        there: what the original did.
        files: layer -> pixels, bytes or None (no file), in the place of tile 2's good ones.
        states: of layers that are not simply shown.
        captions: layer -> words its caption must hold.
        says: layer -> {(column, row): words}.
        suffixes: of layers that are not stored as usual.
    """

    there: str
    files: dict[LayerId, Any]
    states: dict[LayerId, PaneState] = field(default_factory=dict)
    captions: dict[LayerId, str] = field(default_factory=dict)
    says: dict[LayerId, dict[tuple[int, int], str]] = field(default_factory=dict)
    suffixes: dict[LayerId, str] = field(default_factory=dict)


FAULTS: dict[str, Fault] = {
    "DEM with NaN": Fault(
        "label (nan,nan), the whole picture 0",
        {DEM: marked(np.nan, "float32")},
        captions={DEM: "2000.0 .. 2031.0 m"},
        says={DEM: {(0, 0): "NaN", (9, 20): "2009.00 m"}},
    ),
    "constant DEM": Fault(
        "0/0, black",
        {DEM: np.full((24, 32), 7, np.float32)},
        captions={DEM: "7.0 .. 7.0 m"},
        says={DEM: {(9, 20): "7.00 m"}},
    ),
    "int16 with -9999": Fault(
        "land squeezed into 249..255, minimum -9999",
        {DEM: marked(-9999, "int16")},
        captions={DEM: "2000.0 .. 2031.0 m"},
        says={DEM: {(0, 0): "nodata (-9999)", (31, 23): "2031 m"}},
    ),
    "int16 with -32768": Fault(
        "overflow, garbage grey levels",
        {DEM: marked(-32768, "int16")},
        captions={DEM: "2000.0 .. 2031.0 m"},
        says={DEM: {(0, 0): "nodata (-32768)", (31, 23): "2031 m"}},
    ),
    "single band stored with its axis": Fault(
        "IndexError, no window", {DEM: (slope() + 2000)[None], TIF: slope()[None] / 40}, says={DEM: {(9, 20): "2009.20 m"}}
    ),
    "grey PNG": Fault(
        "IndexError when hovered",
        {PNG: picture()[:1]},
        says={PNG: {(column, row): str(picture()[0, row, column]) for column, row in GRID}},
    ),
    "an index that is missing in another folder": Fault(
        "FileNotFoundError at start or while paging", {PNG: None}, states={PNG: MISSING}
    ),
    "a corrupt PNG": Fault("UnidentifiedImageError", {PNG: b"\x89PNG\r\n\x1a\nrot"}, states={PNG: UNREADABLE}),
    "a corrupt TIFF": Fault("ValueError", {DEM: b"II*\0" + b"\xff" * 200}, states={DEM: UNREADABLE}),
    "non-square": Fault(
        "the box transposed",
        {PNG: picture(20, 48), TIF: picture(20, 48).astype(np.float32), DEM: slope(20, 48) + 2000},
        captions={DEM: "48 x 20"},
        says={DEM: {(47, 19): "2047.19 m", (47, 0): "2047.00 m", (0, 19): "2000.19 m"}},
    ),
    "tiles of different size": Fault(
        "the cursor pointed elsewhere",
        {PNG: picture(48, 64), TIF: picture(48, 64).astype(np.float32), DEM: slope(48, 64) + 2000},
        says={DEM: {(63, 47): "2063.47 m", (20, 30): "2020.30 m"}},
    ),
    "an image that is one pixel larger": Fault(
        "silently cropped", {DEM: slope(25, 33) + 2000}, captions={DEM: "33 x 25 placed by extent"}
    ),
    "an RGB TIFF that is a copy of the DEM": Fault(
        "skipped by the pipeline", {TIF: slope() + 2000}, captions={TIF: "heights, perhaps"}, says={TIF: {(9, 20): "2009.2"}}
    ),
    "a cloud of NaN in one channel": Fault(
        "one NaN blackened the channel", {TIF: clouded()}, says={TIF: {(0, 0): "NaN"}}
    ),
    "an all-zero tile": Fault(
        "deleted from the disk by tif2png", {TIF: np.zeros((3, 24, 32), np.float32)}, captions={TIF: "constant"}
    ),
    "one constant channel": Fault("0/0", {TIF: np.stack([slope() / 40, slope() * 0 + 0.5, slope() / 50]).astype(np.float32)}),
    "another format in one folder": Fault("found only as .tif or .png", {PNG: picture()}, suffixes={PNG: ".jpg"}),
}  # fmt: skip


def put(root: Path, fault: Fault) -> None:
    """Tile 2, spoiled."""
    good_tile(root, 2)
    for layer, content in fault.files.items():
        suffix = ".png" if layer == PNG else ".tif"
        path = root / FOLDERS[layer] / f"tile_2{suffix}"
        path.unlink()
        path = path.with_suffix(fault.suffixes.get(layer, suffix))
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            write_raster(path, content, **NOWHERE)


@pytest.mark.parametrize("name", FAULTS)
def test_no_tile_is_the_end_of_the_tour(area: Path, name: str) -> None:
    fault = FAULTS[name]
    put(area, fault)
    with visiting(area) as visit:
        seen = visit.tour()
        assert list(seen) == ["Alps/tile_0", "Alps/tile_1", "Alps/tile_2", "Alps/tile_10"]
        spoiled = seen["Alps/tile_2"]
        assert {layer: pane.state for layer, pane in spoiled.items()} == dict.fromkeys(FOLDERS, SHOWN) | fault.states
        for layer, words in fault.captions.items():
            assert words in spoiled[layer].caption
        visit.show("Alps/tile_2")
        for layer, points in fault.says.items():
            for (column, row), words in points.items():
                assert visit.read(column, row)[layer].startswith(words)
        assert_readable_everywhere(visit)
        assert_not_blank(visit, spoiled)
        assert visit.workspace.set_verdict(Verdict.DROP)


def assert_readable_everywhere(visit: Visit) -> None:
    frame = visit.workspace.frame
    assert frame is not None
    for column in (0, frame.width // 2, frame.width - 1):
        for row in (0, frame.height // 2, frame.height - 1):
            assert all(visit.read(column, row).values())


def assert_not_blank(visit: Visit, panes: dict[LayerId, Pane]) -> None:
    """What has values is visible: neither the empty pane, nor all black, nor a single colour where values differ."""
    background = 0xFF000000 | (visit.canvas._theme.pane.rgb() & 0xFFFFFF)
    for layer, pane in panes.items():
        if pane.state is not SHOWN:
            continue
        colors = np.unique(visit.colors(layer))
        assert not (len(colors) == 1 and colors[0] == background), f"{layer} is empty"
        if "constant" not in pane.caption:
            assert len(colors) > 8, f"{layer} is uniform"


def test_one_nan_does_not_change_the_picture_of_the_others(area: Path) -> None:
    whole = slope() + 2000
    holed = whole.copy()
    holed[12, 16] = np.nan
    for number, pixels in ((2, whole), (3, holed)):
        good_tile(area, number)
        write_raster(area / FOLDERS[DEM] / f"tile_{number}.tif", pixels, **NOWHERE)
    with visiting(area) as visit:
        visit.show("Alps/tile_2")
        before = visit.colors(DEM)
        visit.show("Alps/tile_3")
        changed = np.argwhere(before != visit.colors(DEM))
        pixel = before.shape[1] / 32
        assert len(changed) > 0
        assert np.ptp(changed, axis=0).max() <= pixel + 1, "only the pixel itself"


def test_strangers_in_the_folders_are_no_tiles(area: Path) -> None:
    for folder in FOLDERS.values():
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._tile_1.png", "tile_.png", "tile_x.png", "readme.md"):
            (area / folder / name).write_bytes(b"stray")
        (area / folder / "tile_0.png.aux.xml").write_text("<PAMDataset/>", "utf-8")
        (area / folder / "tile_1.tfw").write_text("1\n0\n0\n-1\n0\n0\n", "utf-8")
        (area / folder / "sub").mkdir()
    with visiting(area) as visit:
        assert visit.tiles == ["Alps/tile_0", "Alps/tile_1", "Alps/tile_10"]
        for panes in visit.tour().values():
            assert {pane.state for pane in panes.values()} == {SHOWN}


@pytest.mark.parametrize("prepare", [lambda path: None, Path.mkdir], ids=["missing folder", "empty folder"])
def test_an_empty_or_missing_folder_is_a_layer_without_files(area: Path, prepare: Callable[[Path], None]) -> None:
    folder = area / FOLDERS[DEM]
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    prepare(folder)
    with visiting(area) as visit:
        for panes in visit.tour().values():
            assert panes[PNG].state is SHOWN
            assert DEM not in panes or panes[DEM].state is MISSING
        assert (DEM in visit.panes()) == folder.exists()


def test_an_area_of_empty_folders_says_so(tmp_path: Path, area: Path) -> None:
    for path in area.rglob("tile_*"):
        path.unlink()
    good_tile(area, 5)
    with visiting(area) as visit:
        for path in area.rglob("tile_*"):
            path.unlink()
        visit.workspace.reload()
        assert visit.tiles == []
        assert "no tile" in visit.canvas.words_when_empty


def test_the_pane_fits_every_tile_and_the_cursor_means_its_pixel(area: Path) -> None:
    put(area, FAULTS["tiles of different size"])
    with visiting(area) as visit:
        visit.show("Alps/tile_1")
        visit.workspace.viewing.set_cursor((31, 23))
        panes = visit.show("Alps/tile_2")
        for pane in panes.values():
            assert pane.picture is not None
            assert pane.picture.place == Rect(0, 0, 64, 48)
        assert visit.workspace.readout().readings[2].text == "2031.23 m", "the cursor stays on its pixel"
        visit.workspace.viewing.set_cursor((63, 47))
        visit.show("Alps/tile_1")
        assert visit.workspace.readout().position is None or visit.workspace.viewing.cursor is None or all(
            reading.text == "outside" for reading in visit.workspace.readout().readings
        )  # fmt: skip
        visit.workspace.viewing.move_cursor(1, 0)
        assert visit.workspace.viewing.cursor == (31, 23), "and comes back onto a smaller tile"


def test_the_last_tile_of_an_odd_number_is_shown_in_a_stack_of_two(area: Path) -> None:
    with visiting(area) as visit:
        visit.workspace.set_stack(2)
        visit.show("Alps/tile_10")
        visit.panes()
        assert len(visit.workspace.scene().rows) == 1
        status = visit.workspace.status()
        assert (status.position, status.total) == (3, 3)
