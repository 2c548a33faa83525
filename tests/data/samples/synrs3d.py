"""SynRS3D: a synthetic subset with changes and one without, and the real-world sets with their shared store."""

from pathlib import Path

import numpy as np

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample

GRID, TERRAIN = "grid_g05_mid_v2", "terrain_g1_low_v1"


def write(root: Path) -> Sample:
    """Two synthetic subsets; the list of the first names a tile that has no image, as in eight of the archives."""
    stems = ("0000449410-1", "0000449415-1")
    whole, _ = (_tile(root / GRID, stem, place) for place, stem in enumerate(stems))
    put_raster(root / TERRAIN / "opt" / "0000449410-1.tif", ramp(90, 3))
    put_raster(root / TERRAIN / "gt_nDSM" / "0000449410-1.tif", ramp(5), "float32")
    put_raster(root / TERRAIN / "opt" / "0000000007-1.tif", ramp(95, 3))
    (root / GRID / "train.txt").write_bytes(b"0000449415-1\n0000449416-1\n0000449410-1\n")
    (root / TERRAIN / "train.txt").write_bytes(b"0000449410-1\n")
    return Sample(
        format="synrs3d",
        root=root,
        tiles=(
            *(f"{GRID}/{stem}" for stem in (*stems, "0000449416-1")),
            f"{TERRAIN}/0000000007-1",
            f"{TERRAIN}/0000449410-1",
        ),
        layers=("pre_image", "image", "ndsm", "landcover", "change"),
        whole=f"{GRID}/{stems[0]}",
        files=whole,
        without={(f"{TERRAIN}/0000000007-1", "ndsm"): "a hole"},
        lists={
            f"{GRID}/train.txt": tuple(f"{GRID}/{stem}" for stem in ("0000449415-1", "0000449416-1", "0000449410-1")),
            f"{TERRAIN}/train.txt": (f"{TERRAIN}/0000449410-1",),
        },
        archives=((GRID,), (TERRAIN,)),
    )


def write_real(root: Path) -> Sample:
    """DFC19 in two folders that are links to one store, whose total.txt names both, and Vaihingen with ISPRS' codes."""
    store = root.with_name(f"{root.name}-store")
    stems = ("JAX_072_022_0_0", "JAX_072_022_0_512", "OMA_376_033_512_0")
    for place, stem in enumerate(stems):
        put_raster(store / "opt" / f"{stem}.tif", ramp(10 + place, 3))
        put_raster(store / "gt_nDSM" / f"{stem}.tif", ramp(place), "float32")
        put_raster(store / "gt_ss_mask" / f"{stem}.tif", labels(2, 5, 6, 9, 17, 65, 0))
    for name, train, test in (("DFC19_JAX", stems[0], stems[1]), ("DFC19_OMA", stems[2], "")):
        (root / name).mkdir(parents=True)
        for folder in ("opt", "gt_nDSM", "gt_ss_mask"):
            (root / name / folder).symlink_to(store / folder, target_is_directory=True)
        (root / name / "train.txt").write_bytes(f"{train}\n".encode())
        (root / name / "total.txt").write_bytes("".join(f"{stem}\n" for stem in reversed(stems)).encode())
        if test:
            (root / name / "test.txt").write_bytes(f"{test}\n".encode())
    files = {}
    for place in range(2):
        name = f"top_mosaic_09cm_area1_slice_{place}.tif"
        files = {
            "image": put_raster(root / "vaihingen" / "opt" / name, ramp(40 + place, 3)),
            "ndsm": put_raster(root / "vaihingen" / "gt_nDSM" / name, np.maximum(ramp(place - 4), 0), "float32"),
            "landcover_isprs": put_raster(root / "vaihingen" / "gt_ss_mask" / name, labels(0, 1, 2, 3, 4, 5)),
        }
    jax, oma = (tuple(f"{name}/{stem}" for stem in stems) for name in ("DFC19_JAX", "DFC19_OMA"))
    return Sample(
        format="synrs3d",
        root=root,
        tiles=(*jax, *oma, *(f"vaihingen/top_mosaic_09cm_area1_slice_{place}" for place in range(2))),
        layers=("image", "ndsm", "landcover_dfc19", "landcover_isprs"),
        whole="vaihingen/top_mosaic_09cm_area1_slice_1",
        files=files,
        lists={
            "DFC19_JAX/test.txt": (jax[1],),
            "DFC19_JAX/total.txt": tuple(reversed(jax)),
            "DFC19_JAX/train.txt": (jax[0],),
            "DFC19_OMA/total.txt": tuple(reversed(oma)),
            "DFC19_OMA/train.txt": (oma[2],),
        },
    )


WRITERS = (write, write_real)


def _tile(subset: Path, stem: str, place: int) -> dict[str, Path]:
    heights = ramp(place)
    heights[0, 0, 0] = np.nan
    heights[0, 0, 1] = 451.0
    change = np.where(ramp(0) < 4, 255, 0)
    return {
        "pre_image": put_raster(subset / "pre_opt" / f"{stem}.tif", ramp(20 + place, 3)),
        "image": put_raster(subset / "opt" / f"{stem}.tif", ramp(60 + place, 3)),
        "ndsm": put_raster(subset / "gt_nDSM" / f"{stem}.tif", heights, "float32"),
        "landcover": put_raster(subset / "gt_ss_mask" / f"{stem}.tif", labels(0, 1, 2, 3, 4, 5, 6, 7, 8)),
        "change": put_raster(subset / "gt_cd_mask" / f"{stem}.tif", change),
    }
