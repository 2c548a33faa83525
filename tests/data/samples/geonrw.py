"""GeoNRW: two cities, one of them held out, with one TerraSAR-X image."""

from pathlib import Path

from tests.data.samples.rasters import labels, put_raster, ramp
from tests.data.samples.sample import Sample

LOSSLESS = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}


def write(root: Path) -> Sample:
    """Sizes of JPEG 2000 tiles are small but not tiny: its wavelets need room."""
    for city, tile, value in (("aachen", "301_5623", 1), ("aachen", "299_5624", 2), ("herne", "374_5711", 3)):
        put_raster(root / city / f"{tile}_rgb.jp2", ramp(40 * value, 3, size=64), **LOSSLESS)
        put_raster(root / city / f"{tile}_dem.tif", ramp(100.5 * value, size=64), "float32")
        put_raster(root / city / f"{tile}_seg.tif", labels(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, size=64))
    whole = "herne/374_5711"
    put_raster(root / f"{whole}_sar.tif", ramp(0.25, size=64, step=0.125), "float32")
    (root / "herne/374_5712_dem.tif").write_bytes((root / f"{whole}_dem.tif").read_bytes())
    return Sample(
        format="geonrw",
        root=root,
        tiles=("aachen/299_5624", "aachen/301_5623", whole, "herne/374_5712"),
        layers=("image", "sar", "dem", "landcover"),
        whole=whole,
        files={
            "image": root / f"{whole}_rgb.jp2",
            "sar": root / f"{whole}_sar.tif",
            "dem": root / f"{whole}_dem.tif",
            "landcover": root / f"{whole}_seg.tif",
        },
        without={
            **{(f"aachen/{tile}", "sar"): "not acquired" for tile in ("299_5624", "301_5623")},
            **{("herne/374_5712", layer): "lost" for layer in ("image", "sar", "landcover")},
        },
    )
