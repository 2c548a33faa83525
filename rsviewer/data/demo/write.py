"""Writes the demo dataset: all of it or nothing."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from rsviewer.core.errors import RsviewerError
from rsviewer.data.demo.defects import NEEDS_BUILDINGS, NEEDS_OTHER, Defect, Spot, kinds_for, layers_of, plant
from rsviewer.data.demo.noise import GSD, Window
from rsviewer.data.demo.plot import Epoch
from rsviewer.data.demo.scene import World
from rsviewer.data.demo.terrain import FOCUS

CRS = "EPSG:32632"
_EASTING, _NORTHING = 561_000.0, 5_708_000.0
"""Where the world's origin lies: hills north of the river Ruhr. The town is not on any map."""

ANSWER_KEY = "answer_key.json"
_ORDER = "demo.json"
_VERSION = 1
"""Raise it when the same order would give other pixels."""

_WELL_BUILT = 12
"""So many buildings on a tile, and wrong heights or labels can be seen."""

_FOLDERS: dict[str, dict[str, Any]] = {
    "opt": {"predictor": 2, "photometric": "RGB"},
    "pre_opt": {"predictor": 2, "photometric": "RGB"},
    "gt_nDSM": {"predictor": 3},
    "gt_ss_mask": {},
    "gt_cd_mask": {},
    "DEM": {"predictor": 3},
}

_ABOUT = """# The built-in dataset of rsviewer

A town, a river and the country around them, computed from a seed: no photograph, no map, no real place.
The layout is SynRS3D's.

| folder | content |
|---|---|
| opt | image after the event, RGB |
| pre_opt | image before the event: some buildings are not there yet, some still are; another day, another sun |
| gt_nDSM | height above ground after the event, metres |
| DEM | height of the bare ground (of water: of its surface), metres above the sea |
| gt_ss_mask | land cover after: 1 bareland, 2 rangeland, 3 developed, 4 road, 5 trees, 6 water, 7 agriculture, 8 buildings |
| gt_cd_mask | 255 where buildings came or went, else 0 |

0.5 m a pixel, {crs} (chosen freely). The tiles adjoin each other, numbered from the middle outwards.
Some tiles have planted defects; answer_key.json lists them. Look for them yourself first.
"""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What `write_demo` has done.

    Attributes:
        root: of the dataset.
        tiles: number of tiles.
        defects: number of planted defects.
        written: False where the very same dataset lay there already.
    """

    root: Path
    tiles: int
    defects: int
    written: bool


@dataclass(frozen=True, slots=True)
class _Order:
    """The parameters that decide every pixel."""

    tiles: int
    seed: int
    size: int
    defects: bool
    version: int = _VERSION


def write_demo(
    root: Path,
    *,
    tiles: int = 64,
    seed: int = 1,
    size: int = 512,
    defects: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> DemoResult:
    """Writes the built-in dataset, unless it is there already.

    Args:
        root: its folder; must not exist, be empty, or hold this very dataset.
        tiles: how many.
        seed: the same seed gives the same pixels.
        size: width and height of a tile in pixels.
        defects: plant defects in up to a third of the tiles.
        progress: called with (tiles written, tiles) after every tile.

    Raises:
        RsviewerError: the folder holds something else, or cannot be written.
    """
    if tiles < 1 or size < 32:
        raise RsviewerError(f"The demo needs at least 1 tile of 32 x 32 pixels, not {tiles} of {size} x {size}.")
    root = root.expanduser().absolute()
    order = _Order(tiles, seed, size, defects)
    try:
        if _is_there(root, order):
            return DemoResult(root, tiles, len(json.loads((root / ANSWER_KEY).read_text("utf-8"))), written=False)
        root.parent.mkdir(parents=True, exist_ok=True)
        making = root.with_name(f".{root.name}.{os.getpid()}.part")
        shutil.rmtree(making, ignore_errors=True)
        try:
            key = _write_all(making, order, progress)
            if root.exists():
                root.rmdir()
            making.rename(root)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise RsviewerError(
            f"The demo dataset cannot be written to {root}: {error.strerror or error}. Choose another folder."
        ) from error
    return DemoResult(root, tiles, len(key), written=True)


def _is_there(root: Path, order: _Order) -> bool:
    """True where the dataset is complete (it only gets its name when it is). Raises RsviewerError where something else is."""
    if not root.exists():
        return False
    if not root.is_dir():
        raise RsviewerError(f"{root} is a file. Choose another folder for the demo dataset.")
    if not any(root.iterdir()):
        return False
    try:
        found = json.loads((root / _ORDER).read_text("utf-8"))
    except (OSError, ValueError):
        found = None
    if found == asdict(order):
        return True
    if isinstance(found, dict) and "tiles" in found and "seed" in found:
        raise RsviewerError(
            f"{root} holds another demo dataset ({found['tiles']} tiles, seed {found['seed']}). "
            "Choose another folder, or delete this one."
        )
    raise RsviewerError(
        f"{root} is not empty and holds no demo dataset. Choose an empty or new folder; nothing was changed."
    )


def tile_name(index: int) -> str:
    """Name of a tile, in SynRS3D's way."""
    return f"{index + 1:010d}-1"


def tile_window(index: int, size: int) -> Window:
    """Where a tile lies: the first beside the focus, the others in a spiral around it, so that any number is compact."""
    column, row = _spiral(index)
    return Window(round(FOCUS[0] / GSD) + column * size, round(FOCUS[1] / GSD) + row * size, size, size)


def _spiral(index: int) -> tuple[int, int]:
    column, row, step, run = 0, 0, (-1, 0), 1
    while index:
        for _ in range(2):
            walk = min(index, run)
            column, row, index = column + step[0] * walk, row + step[1] * walk, index - walk
            step = (-step[1], step[0])
        run += 1
    return column, row


def _write_all(root: Path, order: _Order, progress: Callable[[int, int], None] | None) -> list[dict[str, Any]]:
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    world = World(order.seed)
    windows = [tile_window(index, order.size) for index in range(order.tiles)]
    faults = _choose(world, windows, order) if order.defects else {}
    key = []
    for index, window in enumerate(windows):
        name, layers = tile_name(index), layers_of(world.render(window))
        kind = None
        if index in faults:
            kind, turn, source = faults[index]
            other = (tile_name(source), layers_of(world.render(windows[source]))) if source is not None else None
            dice = np.random.default_rng([order.seed, 5, index])
            layer, detail = plant(kind, Spot(world, window, layers, other, dice, turn))
            key.append({"tile": name, "defect": str(kind), "layer": layer, "detail": detail})
        for folder, pixels in layers.items():
            _write_layer(root / folder / f"{name}.tif", pixels, window, _FOLDERS[folder])
        if kind is Defect.TRUNCATED:
            path = root / layer / f"{name}.tif"
            os.truncate(path, int(path.stat().st_size * detail["kept"]))
        if progress:
            progress(index + 1, order.tiles)
    for split, names in _splits(order).items():
        (root / f"{split}.txt").write_bytes("".join(f"{name}\n" for name in names).encode())
    entries = ",\n".join(" " + json.dumps(entry) for entry in key)
    (root / ANSWER_KEY).write_text(f"[\n{entries}\n]\n", "utf-8", newline="\n")
    (root / _ORDER).write_text(json.dumps(asdict(order)) + "\n", "utf-8", newline="\n")
    (root / "ABOUT.md").write_text(_ABOUT.format(crs=CRS), "utf-8", newline="\n")
    return key


def _write_layer(path: Path, pixels: NDArray[Any], window: Window, options: dict[str, Any]) -> None:
    if pixels.dtype == np.float32:
        pixels = np.round(pixels * 128) / np.float32(128)  # 8 mm: finer digits are noise, and noise does not compress
    bands = pixels if pixels.ndim == 3 else pixels[None]
    transform = (GSD, 0.0, _EASTING + window.column * GSD, 0.0, -GSD, _NORTHING - window.row * GSD)
    with rasterio.open(
        path, "w", driver="GTiff", count=bands.shape[0], height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        crs=CRS, transform=transform, compress="deflate", zlevel=6, **options,
    ) as file:  # fmt: skip
        file.write(bands)


def _splits(order: _Order) -> dict[str, list[str]]:
    names = [tile_name(index) for index in np.random.default_rng([order.seed, 4]).permutation(order.tiles).tolist()]
    cut = round(0.8 * order.tiles)
    return {"train": names[:cut], "test": names[cut:]}


def _choose(world: World, windows: list[Window], order: _Order) -> dict[int, tuple[Defect, int, int | None]]:
    """Which tile gets which defect: tile -> (kind, how many of this kind came before, tile to copy from)."""
    built = [sum(1 for _ in _buildings(world, window)) for window in windows]
    changed = [sum(1 for epoch in _buildings(world, window) if epoch is not Epoch.BOTH) for window in windows]
    shuffled = np.random.default_rng([order.seed, 6]).permutation(np.arange(1, order.tiles)).tolist()
    kinds = kinds_for(order.tiles)
    faults: dict[int, tuple[Defect, int, int | None]] = {}
    turns: dict[Defect, int] = {}
    demanding = sorted(kinds, key=lambda kind: (kind is not Defect.EMPTY_CHANGE, kind not in NEEDS_BUILDINGS))
    for kind in demanding:
        free = [index for index in shuffled if index not in faults]
        if kind is Defect.EMPTY_CHANGE:
            free.sort(key=lambda index: -changed[index])
        elif kind in NEEDS_BUILDINGS:
            free.sort(key=lambda index: -min(built[index], _WELL_BUILT))
        faults[free[0]] = (kind, turns.get(kind, 0), None)
        turns[kind] = turns.get(kind, 0) + 1
    clean = [index for index in shuffled if index not in faults and built[index] >= _WELL_BUILT] or [0]
    for number, (index, (kind, turn, _)) in enumerate(list(faults.items())):
        if kind in NEEDS_OTHER:
            faults[index] = (kind, turn, clean[number % len(clean)])
    return faults


def _buildings(world: World, window: Window) -> Iterator[Epoch]:
    """The epochs of the buildings whose middle is in a window."""
    for plot in world.plan.plots(window):
        for building in plot.buildings:
            column, row = building.east / GSD - window.column, building.south / GSD - window.row
            if 0 <= column < window.width and 0 <= row < window.height:
                yield building.epoch
