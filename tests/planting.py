"""Plants defects into real tiles, so that it can be measured which of them the checks find.

    python tests/planting.py ../shared/data/real DIR --seed 1 --share 0.3

cuts every tile below the source that lies in SynRS3D's layout (opt, pre_opt, gt_nDSM, DEM, gt_ss_mask, gt_cd_mask) or in
RS3DBench's into crops, turns them so that there are enough, spoils some of them, and writes a dataset in SynRS3D's layout
with an `answer_key.json` like that of the built-in dataset. Then

    rsviewer bench --checks DIR

says how well the spoilt ones are found. The source is only read. Which crop gets which defect is random, by the seed.
"""

import argparse
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

Pixels: TypeAlias = NDArray[Any]
"""(bands, rows, columns)."""

FOLDERS = ("pre_opt", "opt", "gt_nDSM", "DEM", "gt_ss_mask", "gt_cd_mask")
IMAGES, HEIGHTS = ("opt", "pre_opt"), ("gt_nDSM", "DEM")
MARGIN = 20
"""Pixels around a crop, so that a layer can be shifted without an edge that gives it away."""
LEAST = 160
SIDE = 232


@dataclass(frozen=True)
class Crop:
    """A part of a real tile.

    Attributes:
        name, group: of the tile it becomes.
        layers: folder -> pixels with MARGIN on all sides.
        meta: folder -> what rasterio says of the file: transform, crs, nodata.
    """

    name: str
    group: str
    layers: dict[str, Pixels]
    meta: dict[str, dict[str, Any]]

    def inside(self, folder: str) -> Pixels:
        """Without the margin."""
        return self.layers[folder][:, MARGIN:-MARGIN, MARGIN:-MARGIN]


class UnfitError(Exception):
    """A crop in which this defect could not be seen by anybody."""


# --- the defects: each takes a crop, another one of the same group, and dice, and gives the changed layers without margins


Spoilt: TypeAlias = tuple[dict[str, Pixels], str, dict[str, Any]]
Maker: TypeAlias = Callable[[Crop, Crop | None, np.random.Generator], Spoilt]


def _any_of(crop: Crop, *folders: str) -> str:
    there = [folder for folder in folders if folder in crop.layers]
    if not there:
        raise UnfitError
    return there[0]


def _needs_relief(heights: Pixels, metres: float = 1.5) -> None:
    """Heights in which there is something to see: the middle 90 % of them span that much."""
    known = heights[np.isfinite(heights)]
    if known.size < heights.size * 0.7 or np.ptp(np.quantile(known, (0.05, 0.95))) < metres:
        raise UnfitError


def _needs_texture(image: Pixels) -> None:
    if float(image.astype(np.float32).mean(0).std()) < 12:
        raise UnfitError


def _moved(pixels: Pixels, across: int, down: int) -> Pixels:
    rows, columns = pixels.shape[1:]
    return pixels[:, MARGIN - down : rows - MARGIN - down, MARGIN - across : columns - MARGIN - across]


def _shift(dice: np.random.Generator, least: float = 4, most: float = 14) -> tuple[int, int]:
    length, angle = dice.uniform(least, most), dice.uniform(0, 2 * np.pi)
    return round(length * np.cos(angle)), round(length * np.sin(angle))


def shifted_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    _needs_relief(crop.inside(folder))
    _needs_texture(crop.inside("opt"))
    across, down = _shift(dice)
    return {folder: _moved(crop.layers[folder], across, down)}, folder, {"shift_px": [across, down]}


def heights_of_another(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    if other is None or folder not in other.layers:
        raise UnfitError
    for each in (crop, other):
        _needs_relief(each.inside(folder))
    _needs_texture(crop.inside("opt"))
    return {folder: other.inside(folder)}, folder, {"heights_of": other.name}


def turned_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    _needs_relief(crop.inside(folder))
    _needs_texture(crop.inside("opt"))
    turn = int(dice.integers(1, 8))
    return {folder: turned(crop.inside(folder), turn)}, folder, {"turn": turn}


def centimetres(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, "gt_nDSM")
    _needs_relief(crop.inside(folder))
    return {folder: crop.inside(folder) * np.float32(100)}, folder, {"factor": 100}


def spikes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32).copy()
    rows, columns = heights.shape[1:]
    for _ in range(4):
        row, column, size = (
            int(dice.integers(4, rows - 4)),
            int(dice.integers(4, columns - 4)),
            int(dice.integers(1, 4)),
        )
        heights[0, row : row + size, column : column + size] += float(dice.choice([-80, 60, 150, 300]))
    return {folder: _like(heights, crop.layers[folder])}, folder, {}


def height_stripes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32)
    scale = max(1.0, 0.06 * float(np.nanstd(heights)))
    rows = np.arange(heights.shape[1])[:, None] % (period := int(dice.integers(6, 24)))
    striped = heights + np.where(rows < period // 2, np.float32(scale), 0)
    return {folder: _like(striped, crop.layers[folder])}, folder, {"period_px": period, "metres": scale}


def height_step(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32).copy()
    metres = max(2.0, 0.15 * float(np.nanstd(heights)))
    heights[:, :, int(dice.integers(40, heights.shape[2] - 40)) :] += np.float32(metres)
    return {folder: _like(heights, crop.layers[folder])}, folder, {"metres": metres}


def height_void(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, *HEIGHTS)
    heights = crop.inside(folder).astype(np.float32)
    value = float(dice.choice([np.nan, -9999.0]))
    hole = _blob(heights.shape[1:], 0.10, dice)
    return {folder: np.where(hole, np.float32(value), heights).astype(np.float32)}, folder, {"value": str(value)}


def flat_heights(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, "gt_nDSM")
    _needs_relief(crop.inside(folder), 4.0)
    _needs_texture(crop.inside("opt"))
    return {folder: np.zeros_like(crop.inside(folder))}, folder, {}


def renamed_class(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(_any_of(crop, "gt_ss_mask")).copy()
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    large = [int(value) for value, count in zip(values, counts, strict=True) if count > 0.08 * labels.size]
    if len(values) < 3 or not large:
        raise UnfitError
    right = int(dice.choice(large))
    wrong = int(dice.choice([value for value in range(1, 9) if value != right]))
    labels[labels == right] = wrong
    return {"gt_ss_mask": labels}, "gt_ss_mask", {"from": right, "to": wrong}


def turned_labels(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(_any_of(crop, "gt_ss_mask"))
    turn = int(dice.integers(1, 8))
    if np.mean(turned(labels, turn) != labels) < 0.2:
        raise UnfitError
    return {"gt_ss_mask": turned(labels, turn)}, "gt_ss_mask", {"turn": turn}


def shifted_labels(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = _any_of(crop, "gt_ss_mask")
    across, down = _shift(dice)
    moved = _moved(crop.layers[folder], across, down)
    if np.mean(moved != crop.inside(folder)) < 0.05:
        raise UnfitError
    return {folder: moved}, folder, {"shift_px": [across, down]}


def unknown_class(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(_any_of(crop, "gt_ss_mask")).copy()
    labels[:, _blob(labels.shape[1:], 0.05, dice)] = 77
    return {"gt_ss_mask": labels}, "gt_ss_mask", {"value": 77}


def empty_change(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    change = crop.inside(_any_of(crop, "gt_cd_mask"))
    if np.mean(change > 0) < 0.04:
        raise UnfitError
    return {"gt_cd_mask": np.zeros_like(change)}, "gt_cd_mask", {}


def full_change(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    change = crop.inside(_any_of(crop, "gt_cd_mask"))
    return {"gt_cd_mask": np.full_like(change, max(1, int(change.max())))}, "gt_cd_mask", {}


def change_without_difference(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    if np.mean(crop.inside(_any_of(crop, "gt_cd_mask")) > 0) < 0.04:
        raise UnfitError
    return {"pre_opt": crop.inside("opt")}, "gt_cd_mask", {}


def shifted_dates(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    _needs_texture(crop.inside(_any_of(crop, "pre_opt")))
    across, down = _shift(dice)
    return {"pre_opt": _moved(crop.layers["pre_opt"], across, down)}, "pre_opt", {"shift_px": [across, down]}


def clouds(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return _clouded(crop, float(dice.uniform(0.75, 1.0)), dice)


def thin_clouds(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return _clouded(crop, float(dice.uniform(0.4, 0.6)), dice)


def _clouded(crop: Crop, opacity: float, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    cover = sum((0.6**k * _noise(image.shape[1:], 90 / 2**k, dice) for k in range(5)), np.float32(0))
    low, high = np.quantile(cover, (0.5, 0.9))
    cover = np.clip((cover - low) / (high - low), 0, 1) * np.float32(opacity)
    return {"opt": _byte(image * (1 - cover) + 238 * cover)}, "opt", {"opacity": opacity}


def haze(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    share = float(dice.uniform(0.5, 0.7))
    return {"opt": _byte(crop.inside("opt").astype(np.float32) * (1 - share) + 205 * share)}, "opt", {"share": share}


def blur(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    _needs_texture(crop.inside("opt"))
    sigma = float(dice.uniform(2, 4))
    soft = [cv2.GaussianBlur(band, (0, 0), sigma) for band in crop.inside("opt")]
    return {"opt": np.stack(soft)}, "opt", {"sigma_px": sigma}


def motion_blur(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    _needs_texture(crop.inside("opt"))
    length = int(dice.integers(9, 16))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(
        kernel,
        *(((0, 0), (length - 1, length - 1)) if dice.random() < 0.5 else ((0, length // 2), (length - 1, length // 2))),
        1.0,
    )
    soft = [cv2.filter2D(band, -1, kernel / kernel.sum()) for band in crop.inside("opt")]
    return {"opt": np.stack(soft)}, "opt", {"length_px": length}


def black_wedge(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").copy()
    rows, columns = image.shape[1:]
    edge = columns * dice.uniform(0.7, 0.85) + np.arange(rows)[:, None] * (dice.uniform(-0.1, 0.1) * columns / rows)
    image[:, np.arange(columns)[None, :] > edge] = 0
    return {"opt": image}, "opt", {}


def overexposed(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    gain = 255 / max(1.0, float(np.quantile(image, 0.45)))
    return {"opt": _byte(image * gain)}, "opt", {"gain": gain}


def banding(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    period = int(dice.integers(4, 16))
    wave = np.where(np.arange(image.shape[1])[:, None] % period < period // 2, np.float32(12), np.float32(-12))
    return {"opt": _byte(image + wave)}, "opt", {"period_px": period}


def blocking(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    _needs_texture(crop.inside("opt"))
    whole, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(crop.inside("opt").transpose(1, 2, 0)), [cv2.IMWRITE_JPEG_QUALITY, 8]
    )
    if not whole:
        raise UnfitError
    return {"opt": cv2.imdecode(data, cv2.IMREAD_COLOR).transpose(2, 0, 1)}, "opt", {"quality": 8}


def noise(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt")
    return {"opt": _byte(image + dice.normal(0, 28, image.shape).astype(np.float32))}, "opt", {"sigma": 28}


def salt_and_pepper(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").copy()
    share = float(dice.uniform(0.008, 0.05))
    lot = dice.random(image.shape[1:])
    image[:, lot < share / 2] = 0
    image[:, lot > 1 - share / 2] = 255
    return {"opt": image}, "opt", {"share": share}


def mosaic_seam(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """From a row or column on, the picture is another one's: lighter, and of another contrast."""
    image = crop.inside("opt").astype(np.float32)
    lighter, gain = float(dice.uniform(10, 25)), float(dice.uniform(1.0, 1.15))
    start = round(image.shape[1] * dice.uniform(0.3, 0.7))
    behind = np.s_[:, start:] if dice.random() < 0.5 else np.s_[:, :, start:]
    image[behind] = image[behind] * gain + lighter
    return {"opt": _byte(image)}, "opt", {"gain": gain, "lighter": lighter}


def dead_lines(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Rows that are black, or white, or the one before again."""
    image = crop.inside("opt").copy()
    kind = str(dice.choice(["black", "white", "repeated"]))
    for row in dice.integers(10, image.shape[1] - 10, int(dice.integers(1, 4))).tolist():
        image[:, row] = image[:, row - 1] if kind == "repeated" else {"black": 0, "white": 255}[kind]
    return {"opt": image}, "opt", {"kind": kind}


def near_duplicate(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Another tile's picture, a little brighter and compressed once more; the other layers are its own as well."""
    if other is None or set(other.layers) != set(crop.layers):
        raise UnfitError
    _needs_texture(other.inside("opt"))
    layers = {folder: other.inside(folder) for folder in crop.layers}
    bright = np.ascontiguousarray(_byte(layers["opt"].astype(np.float32) * 1.04 + 2).transpose(1, 2, 0))
    data = cv2.imencode(".jpg", bright, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return {**layers, "opt": cv2.imdecode(data, cv2.IMREAD_COLOR).transpose(2, 0, 1)}, "opt", {"same_as": other.name}


def truncated(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return {}, str(dice.choice(list(crop.layers))), {"kept": 0.4}


def missing(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return {}, str(dice.choice([folder for folder in crop.layers if folder != "opt"])), {"gone": True}


def wrong_size(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = str(dice.choice(list(crop.layers)))
    return {folder: crop.inside(folder)[:, :-14, :-7]}, folder, {}


def wrong_place(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = str(dice.choice([each for each in crop.layers if each != "opt"]))
    if not crop.meta[folder]["crs"] or not crop.meta["opt"]["crs"]:
        raise UnfitError
    return {}, folder, {"moved": True}


MAKERS: dict[str, Maker] = {
    maker.__name__.replace("_", " "): maker
    for maker in (
        *(
            shifted_heights,
            heights_of_another,
            turned_heights,
            centimetres,
            spikes,
            height_stripes,
            height_step,
            height_void,
        ),
        *(flat_heights, renamed_class, turned_labels, shifted_labels, unknown_class, empty_change, full_change),
        *(change_without_difference, shifted_dates, clouds, haze, blur, motion_blur, black_wedge, overexposed, banding),
        *(
            thin_clouds,
            salt_and_pepper,
            mosaic_seam,
            dead_lines,
            blocking,
            noise,
            near_duplicate,
            truncated,
            missing,
            wrong_size,
            wrong_place,
        ),
    )
}
"""Kind -> who makes it."""


def turned(pixels: Pixels, turn: int) -> Pixels:
    """One of the eight ways to lay down a square: 0 is as it is, 4 and more are mirrored."""
    mirrored = pixels[:, :, ::-1] if turn >= 4 else pixels
    return np.ascontiguousarray(np.rot90(mirrored, turn % 4, (1, 2)))


def _noise(shape: tuple[int, ...], scale: float, dice: np.random.Generator) -> Pixels:
    small = dice.normal(size=[max(2, round(side / scale) + 2) for side in shape]).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _blob(shape: tuple[int, ...], share: float, dice: np.random.Generator) -> NDArray[np.bool_]:
    field_ = _noise(shape, shape[0] / 3, dice)
    return field_ > np.quantile(field_, 1 - share)


def _byte(image: Pixels) -> Pixels:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _like(heights: Pixels, before: Pixels) -> Pixels:
    return heights if before.dtype.kind == "f" else np.round(heights).astype(before.dtype)


# --- reading, cutting, writing


def crops(source: Path, wanted: int, dice: np.random.Generator) -> list[Crop]:
    """At least `wanted` crops, where there are enough: each place is used again in another turn only after all others."""
    tiles = list(_tiles(source))
    found: list[Crop] = []
    for turn in dice.permutation(8).tolist():
        for number, (group, stem, paths) in enumerate(tiles):
            found += _cut(f"{number:03d}_{turn}", group, stem, paths, turn)
        if len(found) >= wanted:
            break
    return [found[k] for k in dice.permutation(len(found))]


def _tiles(source: Path) -> Iterator[tuple[str, str, dict[str, Path]]]:
    for opt in sorted(source.rglob("opt")):
        for image in sorted(opt.glob("*.tif")):
            there = {folder: opt.parent / folder / image.name for folder in FOLDERS}
            yield opt.parent.name, image.stem, {folder: path for folder, path in there.items() if path.exists()}
    for folder in sorted(source.rglob("tif-*")):
        place = folder.name.removeprefix("tif-")
        for image in sorted(folder.glob("*.tif")):
            dem = folder.parent.parent / f"DEM-{place}" / image.name
            yield f"rs3d_{place}", image.stem, {"opt": image, **({"DEM": dem} if dem.exists() else {})}


def _cut(prefix: str, group: str, stem: str, paths: dict[str, Path], turn: int) -> Iterator[Crop]:
    layers, meta = {}, {}
    for folder, path in paths.items():
        with rasterio.open(path) as file:
            layers[folder] = file.read()
            meta[folder] = {"transform": file.transform, "crs": file.crs, "nodata": file.nodata}
    shape = layers["opt"].shape[1:]
    if (
        layers["opt"].dtype != np.uint8
        or layers["opt"].shape[0] < 3
        or any(each.shape[1:] != shape for each in layers.values())
    ):
        return
    layers["opt"] = layers["opt"][:3]
    side = min(SIDE, min(shape) - 2 * MARGIN)
    if side < LEAST:
        return
    whole = side + 2 * MARGIN
    starts = [(row, column) for row in _starts(shape[0], whole) for column in _starts(shape[1], whole)]
    for number, (row, column) in enumerate(starts):
        part = {
            folder: turned(pixels[:, row : row + whole, column : column + whole], turn)
            for folder, pixels in layers.items()
        }
        placed = {
            folder: {
                **each,
                "transform": each["transform"] * each["transform"].translation(column + MARGIN, row + MARGIN),
            }
            for folder, each in meta.items()
        }
        if np.mean(part["opt"].max(0) == 0) < 0.02:
            yield Crop(f"{stem}_{prefix}_{number}", group, part, placed)


def _starts(size: int, whole: int) -> list[int]:
    count = max(1, round(size / whole))  # neighbours may share a few pixels at their edges
    return [round(place) for place in np.linspace(0, size - whole, count)]


def plant_all(
    source: Path, target: Path, *, seed: int = 1, share: float = 0.3, tiles: int = 300
) -> list[dict[str, Any]]:
    """Writes the dataset; returns its answer key."""
    dice = np.random.default_rng(seed)
    found = crops(source, tiles, dice)
    by_group: dict[str, list[Crop]] = defaultdict(list)
    for crop in found:
        by_group[crop.group].append(crop)
    bad, key, kinds, used = round(share * len(found)), [], list(MAKERS), set()
    for crop in found:
        others = [each for each in by_group[crop.group] if each.name.split("_")[:-2] != crop.name.split("_")[:-2]] or [
            each for each in by_group[crop.group] if each.name != crop.name
        ]
        spoilt: Spoilt | None = None
        for kind in [*kinds] if len(key) < bad and crop.name not in used else []:
            other = others[int(dice.integers(len(others)))] if others else None
            try:
                spoilt = MAKERS[kind](crop, other, dice)
            except (UnfitError, ValueError):
                continue
            kinds = [each for each in kinds if each != kind] + [kind]
            used |= {other.name} if other is not None and "same_as" in spoilt[2] else set()
            key.append({"tile": f"{crop.group}/{crop.name}", "defect": kind, "layer": spoilt[1], "detail": spoilt[2]})
            break
        _write(target, crop, spoilt)
    for group, members in by_group.items():
        names = sorted(crop.name for crop in members)
        (target / group / "train.txt").write_text("".join(f"{name}\n" for name in names), "utf-8")
    (target / "answer_key.json").write_text(json.dumps(key, indent=1) + "\n", "utf-8")
    return key


def _write(target: Path, crop: Crop, spoilt: Spoilt | None) -> None:
    changed, layer, detail = spoilt or ({}, "", {})
    for folder in crop.layers:
        if folder == layer and detail.get("gone"):
            continue
        pixels, meta = changed.get(folder, crop.inside(folder)), crop.meta[folder]
        transform = meta["transform"]
        if folder == layer and detail.get("moved"):
            transform = transform * transform.translation(31, 17)
        path = target / crop.group / folder / f"{crop.name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path, "w", driver="GTiff", count=len(pixels), height=pixels.shape[1], width=pixels.shape[2], dtype=pixels.dtype,
            crs=meta["crs"], transform=transform, nodata=meta["nodata"], compress="deflate",
        ) as file:  # fmt: skip
            file.write(pixels)
        if folder == layer and "kept" in detail:
            with path.open("r+b") as raw:
                raw.truncate(int(path.stat().st_size * detail["kept"]))


def mislabel(path: Path) -> None:
    """Gives rows 4 to 11, columns 8 to 15 a class that there is not."""
    with rasterio.open(path, "r+") as file:
        labels = file.read(1)
        labels[4:12, 8:16] = 99
        file.write(labels, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--tiles", type=int, default=300)
    given = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # PNG-like tiles have no place on the map, and need none
    key = plant_all(given.source, given.target, seed=given.seed, share=given.share, tiles=given.tiles)
    print(f"{len(key)} defects of {len({each['defect'] for each in key})} kinds in {given.target}")


if __name__ == "__main__":
    main()
