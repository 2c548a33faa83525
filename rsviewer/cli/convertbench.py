"""What conversions cost, beside reading and writing the same with rasterio alone: for `rsviewer bench --convert`.

The floor is a loop that opens the files of the same layers with rasterio, reads them, and writes the pixels of the very files
that the conversion made, with the same format, compression, blocks and georeference, each straight to its name: nothing is
computed, nothing waits for the disk, and a killed process would leave half a file. It works in the same processes, which are
started before, in turns with the conversion, in a folder that is new each time. The best round of each counts: on a busy
machine it says most about the program. Point clouds have no counterpart there: theirs is the reading alone; and that of a
dataset in another layout, which copies most files as they are, is copying them.

Beside the seconds of the clock stand those of the cores, as the system counts them for all processes together. They know
nothing of waiting for the disk, and little of who else is busy.
"""

import math
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import psutil
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window
from rich.table import Table

from rsviewer.batch.converting.clouds import CloudOrder, convert_clouds
from rsviewer.batch.converting.colorize import ColorOrder, convert_colors
from rsviewer.batch.converting.dataset import DatasetOrder, convert_dataset
from rsviewer.batch.converting.height255 import Height255Order, convert_heights
from rsviewer.batch.converting.ndsm import Ground, NdsmOrder, convert_ndsm
from rsviewer.batch.converting.png import IMAGES, PngOrder, convert_pngs
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.converting.tiles import TilesOrder, convert_tiles
from rsviewer.batch.crew import CHUNK, Crew, Lost, Standing
from rsviewer.core.composing import image_of
from rsviewer.core.errors import LayerError, RsviewerError
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.tile import LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.address import is_path
from rsviewer.data.demo import write_demo
from rsviewer.data.detect import open_dataset
from rsviewer.data.geotiff import LEVEL as TIFF_LEVEL
from rsviewer.data.mounting import let_go
from rsviewer.data.pngfile import LEVEL as PNG_LEVEL

TILES: Final = 64
"""Different tiles that are converted, at most."""
CHUNKS: Final = 3
"""Tiles are taken several times where every process would else get fewer chunks of them."""
ROUNDS: Final = 5
"""Of which the best counts. There is one before them, in which libraries are loaded."""
ENOUGH_SECONDS: Final = 30.0
"""For the rounds of a conversion: what takes longer gets fewer of them, two at least."""
MOST_KEPT: Final = 128 << 20
"""Bytes of the pixels that each process keeps ready, to write them again and again."""
TICK: Final = 0.01
"""Seconds of a core are counted in such steps."""

Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What is read of a file.

    Attributes:
        path: of it.
        bands: counted from 1; None for all.
        window: (left, top, width, height); None for all of it.
    """

    path: str
    bands: tuple[int, ...] | None = None
    window: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A conversion of some tiles.

    Attributes:
        convert: does it, to a folder that is not there yet, by a crew.
        sources: of each tile.
        copies: files are copied as they are.
    """

    convert: Callable[[Path, Crew], Conversion]
    sources: Sequence[tuple[Source, ...]]
    copies: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What the floor does for one tile.

    Attributes:
        number: tells its files from those of others.
        sources: what is read.
        results: files of which the like is written; none where the sources are copied.
    """

    number: int
    sources: tuple[Source, ...]
    results: tuple[Path, ...] | None


def measure_conversions(
    path: Path | None, scratch: Path, only: Sequence[str], tiles: int, say: Say, *, workers: int = 0
) -> dict[str, Any]:
    """Tiles a second of conversions and of their floors.

    Args:
        path: a dataset; None makes the built-in one.
        scratch: a folder for all that is written.
        only: names of conversions; none for all.
        tiles: how many different ones, at most.
        say: told what is being done.
        workers: processes; 0 for one on every core.

    Returns:
        Name -> `tiles` of a round, `different_tiles` among them, `workers`, `floor`: what that does; `tiles_per_s`,
        `floor_tiles_per_s`, `ratio`; `tiles_per_core_s`, `floor_tiles_per_core_s`, `core_ratio`. Of what cannot be converted:
        `why`.

    Raises:
        RsviewerError: there is no dataset, no tile, or no such conversion.
    """
    unknown = next((name for name in only if name not in JOBS), None)
    if unknown is not None:
        raise RsviewerError(f"{unknown} is no conversion: choose {', '.join(JOBS)}.")
    if path is None:
        path = scratch / "demo"
        say("writing the built-in dataset …")
        write_demo(path, tiles=tiles, defects=False)
    dataset, adapter = open_dataset(path)
    result: dict[str, Any] = {}
    try:
        entries: list[TileEntry] = []
        for entry in adapter.scan(dataset):
            if len(entries) == tiles:
                break
            if entry.has_files and all(map(is_path, entry.files.values())):
                entries.append(entry)
        if not entries:
            raise RsviewerError(f"There are no tiles in {path} that could be converted here.")
        with Standing(workers) as crew:
            for number, name in enumerate(only or JOBS):
                say(f"converting: {name} …")
                folder = scratch / f"convert-{number}"
                try:
                    result[name] = _measured(name, dataset, entries, folder, crew)
                except RsviewerError as error:
                    result[name] = {"why": str(error)}
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
    finally:
        let_go(dataset.tree)
    return result


def table_of(result: Mapping[str, Mapping[str, Any]]) -> Table:
    """What `measure_conversions` found, for people; what could not be measured is not in it, see `reasons_of`."""
    table = Table(title="tiles, beside rasterio alone", title_justify="left", caption_justify="left")
    table.add_column("conversion", no_wrap=True)
    for unit in ("a second", "a core second"):
        table.add_column(unit, justify="right")
        table.add_column("floor", justify="right")
        table.add_column("ratio", justify="right")
    for name, found in result.items():
        if "why" in found:
            continue
        mark = {READING: " *", COPYING: " †"}.get(found["floor"], "")
        cells = []
        for unit, ratio in (("s", "ratio"), ("core_s", "core_ratio")):
            cells += [f"{found[f'{whose}tiles_per_{unit}']:,.1f}" for whose in ("", "floor_")]
            cells.append(f"{found[ratio]:.2f}{mark}")
        table.add_row(name, *cells)
    table.caption = "The floor is reading and writing, but * reading alone, † copying."
    return table


def reasons_of(result: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Why some conversions could not be measured, a line each: a column of numbers has no room for words."""
    return [f"{name}: {found['why']}" for name, found in result.items() if "why" in found]


# --- what is converted


def _png(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    images = [spec for spec in dataset.layers if spec.kind in IMAGES]
    spec = image_of(images) or next(iter(images), None)
    if spec is None:
        raise LayerError("There is no image layer.")
    entries, sources = _with(entries, spec)
    return Job(lambda out, crew: convert_pngs(dataset, entries, PngOrder(out, spec.id), crew=crew), sources)


def _height255(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    spec = _heights(dataset)[0]
    entries, sources = _with(entries, spec)
    return Job(
        lambda out, crew: convert_heights(dataset, entries, Height255Order(out, layer=spec.id), crew=crew), sources
    )


def _colorize(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    spec = _heights(dataset)[0]
    entries, sources = _with(entries, spec)
    return Job(lambda out, crew: convert_colors(dataset, entries, ColorOrder(out, layer=spec.id), crew=crew), sources)


def _ndsm(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    heights = _heights(dataset)
    terrain = next((spec for spec in heights if height_kind(spec.id, spec.title) is HeightKind.GROUND), heights[-1])
    surface = next((spec for spec in heights if spec is not terrain), None)
    if surface is None:
        raise LayerError("There is one height layer only.")
    entries, sources = _with(entries, surface, terrain)
    order = NdsmOrder(Path(), surface.id, terrain.id, Ground.LAYER)
    return Job(lambda out, crew: convert_ndsm(dataset, entries, replace(order, out=out), crew=crew), sources)


def _ndsm_estimate(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    heights = _heights(dataset)
    surface = next((spec for spec in heights if height_kind(spec.id, spec.title) is HeightKind.SURFACE), heights[0])
    entries, sources = _with(entries, surface)
    order = NdsmOrder(Path(), surface.id, ground=Ground.ESTIMATE)
    return Job(lambda out, crew: convert_ndsm(dataset, entries, replace(order, out=out), crew=crew), sources)


def _cloud(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    height = _heights(dataset)[0]
    image = image_of(dataset.layers)
    entries, sources = _with(entries, height, *([image] if image is not None else []))
    order = CloudOrder(Path(), "ply", height.id, "" if image is None else image.id)
    return Job(lambda out, crew: convert_clouds(dataset, entries, replace(order, out=out), crew=crew), sources)


def _dataset(dataset: Dataset, entries: Sequence[TileEntry], _: Path) -> Job:
    layers = [spec for spec in dataset.layers if spec.kind not in (LayerKind.TEXT, LayerKind.VECTOR)]
    sources = [tuple(_source(entry, spec) for spec in layers if spec.id in entry.files) for entry in entries]
    order = DatasetOrder(Path(), "folders", tuple(spec.id for spec in layers))
    return Job(
        lambda out, crew: convert_dataset(dataset, entries, replace(order, out=out), crew=crew), sources, copies=True
    )


def _tiles(dataset: Dataset, entries: Sequence[TileEntry], folder: Path) -> Job:
    """Image and heights of the tiles as two large rasters, cut into as many tiles again."""
    image = image_of(dataset.layers)
    layers = ({} if image is None else {"image": image}) | {"dem": _heights(dataset)[0]}
    entries, _ = _with(entries, *layers.values())
    across = math.isqrt(len(entries))
    down = len(entries) // across
    folder.mkdir(parents=True, exist_ok=True)
    files = {role: folder / f"{role}-{len(entries)}.tif" for role in layers}
    size = 0
    for role, spec in layers.items():
        size = _laid_out([entry.files[spec.id] for entry in entries[: across * down]], across, files[role], size)
    windows = [(column * size, row * size, size, size) for row in range(down) for column in range(across)]
    sources = [tuple(Source(str(file), window=window) for file in files.values()) for window in windows]
    order = TilesOrder(Path(), "synrs3d", {role: (file,) for role, file in files.items()}, size=size, min_valid=0.0)
    return Job(lambda out, crew: convert_tiles(replace(order, out=out), crew=crew), sources)


_BLOCKS: Final = {"tiled": True, "blockxsize": 256, "blockysize": 256}

JOBS: Mapping[str, Callable[[Dataset, Sequence[TileEntry], Path], Job]] = {
    "png": _png,
    "height255": _height255,
    "colorize": _colorize,
    "ndsm": _ndsm,
    "ndsm-estimate": _ndsm_estimate,
    "cloud": _cloud,
    "tiles": _tiles,
    "dataset": _dataset,
}
"""By the names of the commands, with their own defaults. Each raises LayerError where the dataset has nothing for it."""

READING, COPYING, BOTH = "reading", "copying", "reading and writing"
"""What a floor does."""


def _heights(dataset: Dataset) -> list[LayerSpec]:
    heights = [spec for spec in dataset.layers if spec.kind is LayerKind.HEIGHT]
    if not heights:
        raise LayerError("There is no height layer.")
    return heights


def _with(entries: Sequence[TileEntry], *specs: LayerSpec) -> tuple[list[TileEntry], list[tuple[Source, ...]]]:
    """The tiles that have some layers, and what is read of them. Raises LayerError where there is none."""
    kept = [entry for entry in entries if all(spec.id in entry.files for spec in specs)]
    if not kept:
        raise LayerError("No tile has the layers for it.")
    return kept, [tuple(_source(entry, spec) for spec in specs) for entry in kept]


def _source(entry: TileEntry, spec: LayerSpec) -> Source:
    return Source(entry.files[spec.id], tuple(band + 1 for band in spec.take) or None)


def _laid_out(files: Sequence[str], across: int, path: Path, size: int) -> int:
    """Writes one raster of many, side by side. Returns the pixels a side that each has there: `size`, else all it has."""
    first = next(filter(None, map(_profile, files)), None)
    if first is None:
        raise LayerError("No tile can be read.")
    size = size or min(first["width"], first["height"])
    profile = {
        "driver": "GTiff",
        "width": across * size,
        "height": len(files) // across * size,
        **{key: first[key] for key in ("dtype", "count", "nodata")},
        "crs": "EPSG:32633",
        "transform": Affine(0.5, 0.0, 400_000.0, 0.0, -0.5, 5_000_000.0),
        "compress": "deflate",
        **_BLOCKS,
    }
    with rasterio.open(path, "w", **profile) as mosaic:
        for number, file in enumerate(files):
            with suppress(RasterioError), rasterio.open(file) as tile:
                pixels = tile.read(out_shape=(tile.count, size, size))
                if len(pixels) == mosaic.count and pixels.dtype == mosaic.dtypes[0]:
                    mosaic.write(pixels, window=Window(number % across * size, number // across * size, size, size))
    return size


def _profile(path: str) -> dict[str, Any] | None:
    """None where it cannot be opened."""
    with suppress(RasterioError), rasterio.open(path) as file:
        return dict(file.profile)
    return None


# --- measuring


def _measured(
    name: str, dataset: Dataset, entries: Sequence[TileEntry], folder: Path, crew: Standing
) -> dict[str, Any]:
    """Raises RsviewerError where no tile can be converted."""
    pattern = folder / "pattern"
    job = JOBS[name](dataset, entries, folder)
    done = job.convert(pattern, crew)
    lost = {failure.tile for failure in done.failed}
    if lost:
        entries = [entry for entry in entries if entry.id not in lost]
        if not done.written:
            raise LayerError(done.failed[0].message)
        shutil.rmtree(pattern)
        job = JOBS[name](dataset, entries, folder)
        job.convert(pattern, crew)
    results = [] if job.copies else sorted(each for each in pattern.rglob("*") if each.suffix in (".png", ".tif"))
    tiles = len(job.sources)
    of_tile = [tuple(results[place::tiles]) for place in range(tiles)]  # those of another tile, perhaps, but each once
    written = max(1, min(tiles, MOST_KEPT * tiles // max(1, _bytes_of(results))))
    times = -(-crew.workers * CHUNK * CHUNKS // tiles)
    job = JOBS[name](dataset, [_copy(entry, number) for number in range(times) for entry in entries], folder)
    shares = [
        Share(number, sources, None if job.copies else of_tile[number % written])
        for number, sources in enumerate(job.sources)
    ]
    return {
        "tiles": len(shares),
        "different_tiles": tiles,
        "workers": crew.workers,
        "floor": COPYING if job.copies else BOTH if results else READING,
        **_rates(job, shares, crew, folder),
    }


def _rates(job: Job, shares: Sequence[Share], crew: Crew, folder: Path) -> dict[str, float]:
    """Of the best rounds."""

    def convert(out: Path) -> None:
        done = job.convert(out, crew)
        if done.written != len(shares):
            raise LayerError(f"{done.written} of {len(shares)} tiles could be converted.")

    def floor(out: Path) -> None:
        out.mkdir()
        with closing(crew.run(Floor(out), shares)) as results:
            for _, result in results:
                if isinstance(result, Lost):
                    raise LayerError(result.why)

    works = [convert, floor]
    took: list[list[_Seconds]] = [[], []]
    began = time.perf_counter()
    for number in range(ROUNDS + 1):
        for place in (0, 1) if number % 2 else (1, 0):
            out = folder / "out"
            took[place].append(_seconds(works[place], out))
            shutil.rmtree(out)  # before the disk has written it, so that the next one need not wait for that
        if number > 1 and time.perf_counter() - began > ENOUGH_SECONDS:
            break
    best, floor_best = (
        _Seconds(min(each.clock for each in rounds[1:]), min(each.cores for each in rounds[1:])) for rounds in took
    )
    return {
        "tiles_per_s": len(shares) / best.clock,
        "floor_tiles_per_s": len(shares) / floor_best.clock,
        "ratio": floor_best.clock / best.clock,
        "tiles_per_core_s": len(shares) / best.cores,
        "floor_tiles_per_core_s": len(shares) / floor_best.cores,
        "core_ratio": floor_best.cores / best.cores,
    }


class _Seconds(NamedTuple):
    clock: float
    cores: float


def _seconds(work: Callable[[Path], None], out: Path) -> _Seconds:
    clock, used = time.perf_counter(), _core_seconds()
    work(out)
    return _Seconds(time.perf_counter() - clock, max(_core_seconds() - used, TICK))


def _core_seconds() -> float:
    """That this process and its workers have used."""
    here = psutil.Process()
    return float(sum(sum(process.cpu_times()[:2]) for process in (here, *here.children())))


def _copy(entry: TileEntry, number: int) -> TileEntry:
    """The same tile by another name."""
    return replace(entry, id=TileId(f"{entry.id}~{number}")) if number else entry


def _bytes_of(results: Sequence[Path]) -> int:
    """Of their pixels."""
    total = 0
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        for path in results:
            with rasterio.open(path) as picture:
                total += picture.width * picture.height * sum(np.dtype(dtype).itemsize for dtype in picture.dtypes)
    return total


# --- the floor, in a worker


@dataclass(frozen=True, slots=True)
class Floor:
    """Reads and writes by rasterio, or copies. `out`: the folder."""

    out: Path

    def __call__(self, item: Share) -> None:
        """One tile."""
        if item.results is None:
            for number, source in enumerate(item.sources):
                shutil.copyfile(source.path, self.out / f"{item.number}-{number}{Path(source.path).suffix}")
            return
        with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
            for source in item.sources:
                with (
                    suppress(RasterioError),
                    rasterio.open(source.path) as file,
                ):  # there may be one that only we can read
                    file.read(source.bands, window=None if source.window is None else Window(*source.window))
            for number, path in enumerate(item.results):
                pixels, profile = _picture(path)
                with rasterio.open(self.out / f"{item.number}-{number}{path.suffix}", "w", **profile) as file:
                    file.write(pixels)


@cache
def _picture(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    """The pixels of a file, and what makes rasterio write such a file. Kept: the floor is not to read its own pattern."""
    with rasterio.open(path) as file:
        profile = dict(file.profile)
        if file.driver == "PNG":
            for key in ("blockxsize", "blockysize", "tiled", "interleave"):
                profile.pop(key, None)
            profile["zlevel"] = PNG_LEVEL
        elif "compress" in profile:
            profile["zlevel"] = TIFF_LEVEL
            predictor = file.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR")
            if predictor is not None:
                profile["predictor"] = int(predictor)
        return file.read(), profile
