"""Plants defects into real tiles, so that it can be measured which of them the checks find.

    python -m tests.planting ../shared/data/real DIR --seed 1 --share 0.3

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from tests.defects import files, heights, labels, pictures
from tests.defects.crop import MARGIN, Crop, Maker, Spoilt, UnfitError, turned

FOLDERS = ("pre_opt", "opt", "gt_nDSM", "DEM", "gt_ss_mask", "gt_cd_mask")
LEAST = 160
SIDE = 232


MAKERS: dict[str, Maker] = {
    maker.__name__.replace("_", " "): maker for module in (heights, labels, pictures, files) for maker in module.MAKERS
}
"""Kind -> who makes it."""


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
    bad, key, kinds = round(share * len(found)), [], list(MAKERS)
    used: set[str] = set()
    spoiled: set[str] = set()
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
            if other is not None and "same_as" in spoilt[2]:
                if other.name in spoiled:  # then it is the same as nothing
                    spoilt = None
                    continue
                used.add(other.name)
            kinds = [each for each in kinds if each != kind] + [kind]
            spoiled.add(crop.name)
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
        crs = detail.get("crs", meta["crs"]) if folder == layer else meta["crs"]
        path = target / crop.group / folder / f"{crop.name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path, "w", driver="GTiff", count=len(pixels), height=pixels.shape[1], width=pixels.shape[2], dtype=pixels.dtype,
            crs=crs, transform=transform, nodata=meta["nodata"], compress="deflate",
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
