"""Going through a dataset as a user does, without a window around the panes: open, look at every tile, point, decide."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning

from rsviewer.core.readout import Reading
from rsviewer.core.scene import Pane, PaneState
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.resources import color_table
from rsviewer.ui.canvas import Canvas
from rsviewer.ui.paneboxes import mapping
from rsviewer.workspace.background import call_now
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace

DRIVERS = {".tif": "GTiff", ".png": "PNG", ".jpg": "JPEG"}
NORTH_UP = Affine(0.5, 0, 400_000, 0, -0.5, 4_000_000)
PLACED: Mapping[str, Any] = {"crs": "EPSG:32654", "transform": NORTH_UP}
NOWHERE: Mapping[str, Any] = {"crs": None, "transform": None}
IMAGE, NDSM = LayerId("image"), LayerId("ndsm")

WITH_WORDS = (PaneState.MISSING, PaneState.UNREADABLE)
JARGON = ("/vsi", "Error", "Exception", "rasterio", "CPLE", "errno", "None", "Traceback", "numpy")


def write_raster(path: Path, pixels: NDArray[Any], **profile: Any) -> None:
    """Writes (bands, height, width) or (height, width); GeoTIFFs are placed on the map unless told otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels if pixels.ndim == 3 else pixels[None]
    placed = PLACED if path.suffix == ".tif" else NOWHERE
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # written so on purpose
        with rasterio.open(path, "w", driver=DRIVERS[path.suffix], **shape, **{**placed, **profile}) as target:
            target.write(bands)


def picture(height: int = 24, width: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """(3, height, width) of noise, so that nothing of it is uniform."""
    return np.random.default_rng(seed).integers(1, 255, (3, height, width), dtype=np.uint8)


def slope(height: int = 24, width: int = 32) -> NDArray[np.float32]:
    """Heights of which each says where it lies: column + row / 100."""
    row, column = np.mgrid[0:height, 0:width]
    return (column + row / 100).astype(np.float32)


class Visit:
    """An open dataset with its panes.

    Everything happens inside the calls. Whatever a tile holds, `show` makes sure of what is promised of every tile: nothing
    waits for ever, nothing fails silently, and what is not shown is said in one sentence for people.
    """

    def __init__(self, workspace: Workspace, canvas: Canvas) -> None:
        self.workspace = workspace
        self.canvas = canvas

    @property
    def tiles(self) -> list[str]:
        """Ids of all tiles of the queue."""
        return [self.workspace.finding.entry_at(int(ordinal)).id for ordinal in self.workspace.queue.ordinals]

    def settle(self) -> None:
        """Waits for everything that is on its way."""
        while self.workspace.step():
            pass

    def show(self, tile: str) -> dict[LayerId, Pane]:
        """Goes to a tile. Returns its panes by layer."""
        assert self.workspace.show_tile(TileId(tile)), self.workspace.status().message
        return self.panes()

    def panes(self) -> dict[LayerId, Pane]:
        """The panes of the current tile, drawn and checked; those of the stack around it are checked, too."""
        self.settle()
        scene = self.workspace.scene()
        assert scene.complete
        for pane in scene.panes:
            check_words(pane)
        self.canvas.grab()
        assert self.canvas.shown_tile == self.workspace.tile
        panes = scene.rows[scene.current_row]
        assert all(pane.tile == self.workspace.tile for pane in panes)
        return {pane.layer: pane for pane in panes}

    def tour(self) -> dict[str, dict[LayerId, Pane]]:
        """Steps from the first tile to the last, and looks at each."""
        self.workspace.go_to(0)
        seen = {}
        for _ in self.tiles:
            tile = self.workspace.tile
            assert tile is not None
            seen[str(tile)] = self.panes()
            self.workspace.go(+1)
        return seen

    def read(self, column: int, row: int) -> dict[LayerId, str]:
        """What every layer says at a pixel of the current tile."""
        return {layer: reading.text for layer, reading in self.readings(column, row).items()}

    def readings(self, column: int, row: int) -> dict[LayerId, Reading]:
        """As `read`, whole."""
        self.workspace.viewing.set_cursor((column, row))
        assert self.workspace.viewing.cursor == (column, row), "the cursor is on the tile"
        return {reading.layer: reading for reading in self.workspace.readout().readings}

    def colors(self, layer: LayerId) -> NDArray[np.uint32]:
        """(height, width) 0xffrrggbb on the screen where the tile lies in a layer's pane."""
        self.workspace.viewing.set_cursor(None)
        screen = self.canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        box = next(box for box in self.canvas.panes if box.pane.layer == layer)
        assert box.pane.frame is not None
        map_ = mapping(box, self.canvas.scene.view, box.pane.frame)
        tile = map_.rect(0, 0, box.pane.frame.width, box.pane.frame.height)
        part = screen.copy(tile.intersected(QRectF(box.image)).toAlignedRect())
        pixels = np.frombuffer(part.constBits(), np.uint32).reshape(part.height(), part.bytesPerLine() // 4)
        return pixels[:, : part.width()].copy()


@contextmanager
def visiting(path: Path, cache_bytes: int = 10**8, **options: Any) -> Iterator[Visit]:
    """Opens a dataset. `options` go to `open_path`."""
    workspace = Workspace(
        open_path(path, **options), call_now, threads=0, cache_bytes=cache_bytes, reviewer="ann", threaded_jobs=False
    )
    canvas = Canvas(color_table)
    try:
        canvas.resize(900, 600)
        canvas.set_workspace(workspace)
        workspace.start()
        yield Visit(workspace, canvas)
    finally:
        canvas.set_workspace(None)
        canvas.deleteLater()
        workspace.close()


def check_words(pane: Pane) -> None:
    """What a pane says in the place of a picture is a sentence for people, and a caption is one line."""
    assert "\n" not in pane.caption
    assert not any(word in pane.caption for word in JARGON), pane.caption
    if pane.state in WITH_WORDS:
        check_sentence(pane.message)


def check_sentence(words: str) -> None:
    """One sentence for people."""
    assert words.endswith((".", "?")), words
    assert words[0].isupper() or not words[0].islower() or words.startswith("nDSM"), words
    assert "\n" not in words
    assert len(words) < 400, words
    assert not any(word in words for word in JARGON), words


def contents_of(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder: mode, time and content, for telling that nothing was touched."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        whole = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, whole)
    return found
