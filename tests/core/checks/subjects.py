"""Tiles for checks to look at: a small town of which everything is known, and such as no reasonable dataset has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from rsviewer.core.checks.check import Check, Sign
from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Missing, Raster, Text, TileId, Transform
from rsviewer.data.aligning import align
from rsviewer.data.datasets.synrs3d import CHANGE_MASK, DEM, DSM, IMAGE, LAND_COVER, NDSM, PRE_IMAGE

SAR = LayerSpec(LayerId("sar"), LayerKind.SAR, "SAR", unit="dB", bands=("VV", "VH"))
CAPTION = LayerSpec(LayerId("caption"), LayerKind.TEXT, "caption")
SPECS = {spec.id: spec for spec in (PRE_IMAGE, IMAGE, NDSM, DSM, DEM, LAND_COVER, CHANGE_MASK, SAR, CAPTION)}
"""By id: pre_image, image, ndsm, dsm, dem, landcover, change (those of SynRS3D), sar, caption."""

UTM: Transform = (0.5, 0.0, 400_000.0, 0.0, -0.5, 5_000_000.0)
"""Half a metre a pixel, for `raster(..., transform=UTM, crs="EPSG:32632")`."""


def raster(pixels: ArrayLike, valid: ArrayLike | None = None, **facts: Any) -> Raster:
    """Pixels of (height, width) or (bands, height, width), all valid but NaN where nothing else is given."""
    stack = np.array(pixels)
    stack = stack[None] if stack.ndim == 2 else stack
    if valid is None:
        usable = ~np.isnan(stack) if stack.dtype.kind in "fc" else np.broadcast_to(np.array(True), stack.shape)
    else:
        usable = np.array(np.broadcast_to(np.asarray(valid, bool), stack.shape))
    return Raster(stack, usable, **facts)


def subject(evidence: bool = False, specs: Sequence[LayerSpec] = (), **layers: Any) -> Subject:
    """A tile with some layers: `subject(image=..., ndsm=..., landcover=...)`, see `SPECS`.

    Args:
        evidence: whether checks shall say where.
        specs: in place of those in `SPECS`, or beside them.
        layers: by id: pixels as `raster` takes them, a Raster, any other content, a text, or None for a missing one.
            `group`, `splits`, `duplicates`, `missing` and `facts` go to the Subject.
    """
    about = {name: layers.pop(name) for name in ("group", "splits", "duplicates", "missing", "facts") if name in layers}
    known = SPECS | {spec.id: spec for spec in specs}
    contents = [(known[LayerId(name)], _content(given)) for name, given in layers.items()]
    return Subject(TileId("tile"), contents, align, wants_evidence=evidence, **about)


def _content(given: Any) -> LayerContent:
    if given is None:
        return Missing("This tile has no such file.")
    if isinstance(given, str):
        return Text(given)
    return raster(given) if isinstance(given, np.ndarray | list) else given


def signs(check: Check, looked_at: Subject) -> list[Sign]:
    """What a check says of a tile."""
    assert check.run is not None
    return list(check.run(looked_at))


def score(check: Check, looked_at: Subject) -> float:
    """The largest score; NaN where the check does not apply."""
    return max((sign.score for sign in signs(check, looked_at)), default=float("nan"))


# --- a town


@dataclass(frozen=True)
class Town:
    """Layers of a tile that fit each other. All of one size.

    Attributes:
        image: (3, rows, columns) uint8, with grain.
        pre_image: the same place before: another grain, and without the newest houses.
        ndsm: (rows, columns) float32 metres above ground: sharp houses, rough trees, 0 elsewhere.
        dem: rolling ground, metres above the sea, without houses and trees.
        dsm: both together.
        landcover: classes of SynRS3D.
        change: 1 where `newest` stand.
    """

    image: NDArray[np.uint8]
    pre_image: NDArray[np.uint8]
    ndsm: NDArray[np.float32]
    dem: NDArray[np.float32]
    dsm: NDArray[np.float32]
    landcover: NDArray[np.uint8]
    change: NDArray[np.uint8]

    def layers(self, *names: str) -> dict[str, Any]:
        """Those of some names for `subject`, or all of them."""
        return {name: getattr(self, name) for name in names or self.__dataclass_fields__}


def town(seed: int = 0, size: int = 128, noise: float = 0.05) -> Town:
    """Houses of 3 to 12 m with pitched roofs, a road, trees, a pond.

    Args:
        seed: of everything.
        size: rows and columns, at least 48.
        noise: of the heights, metres.
    """
    dice = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    landcover = np.full((size, size), 2, np.uint8)
    height = np.zeros((size, size), np.float32)
    change = np.zeros((size, size), np.uint8)
    pond = np.hypot(rows - dice.uniform(0, size), columns - dice.uniform(0, size)) < size / 7
    landcover[pond] = 6
    road = np.abs(rows * 0.3 + columns - size * dice.uniform(0.5, 0.9)) < size / 28
    landcover[road] = 4
    for _ in range(size // 5):
        row, column, radius = dice.uniform(0, size), dice.uniform(0, size), dice.uniform(2, 5)
        crown = np.maximum(0, 1 - ((rows - row) ** 2 + (columns - column) ** 2) / radius**2)
        tree = (crown > 0) & (landcover == 2)
        height[tree] = (2 + dice.uniform(2, 9) * np.sqrt(crown[tree])).astype(np.float32)
        landcover[tree] = 5
    roofs = np.zeros((size, size), np.float32)
    for number in range(max(6, (size // 24) ** 2)):
        tall, wide = dice.integers(size // 12, size // 6, 2)
        top, left = dice.integers(0, size - tall), dice.integers(0, size - wide)
        box = np.s_[top : top + tall, left : left + wide]
        if np.isin(landcover[box], (4, 6)).any():
            continue
        ridge = 1 - np.abs(np.linspace(-1, 1, wide, dtype=np.float32))
        height[box] = np.float32(dice.uniform(3, 12)) + 1.5 * ridge
        landcover[box] = 8
        roofs[box] = np.float32(dice.uniform(-40, 60))
        change[box] = number % 4 == 0
    ground = 200 + 8 * cv2.GaussianBlur(dice.normal(size=(size, size)).astype(np.float32), (0, 0), size / 6) * size / 6
    paint = np.array([(0, 0, 0), (150, 120, 90), (110, 140, 80), (150, 150, 145), (95, 95, 100), (45, 75, 40), (40, 60, 90),
                      (140, 150, 70), (160, 110, 95)], np.float32)  # fmt: skip
    fields = 15 * cv2.GaussianBlur(dice.normal(size=(size, size)).astype(np.float32), (0, 0), size / 20) * size / 20
    picture = paint[landcover] + (roofs + fields)[..., None]
    before = np.where(change[..., None] > 0, paint[2] + fields[..., None], picture) * np.float32(0.95)
    grounded = height + dice.normal(0, noise, height.shape).astype(np.float32)
    return Town(
        _picture(picture, dice),
        _picture(before, dice),
        grounded,
        ground,
        ground + grounded,
        landcover,
        change,
    )


def _picture(colors: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.uint8]:
    grained = colors + dice.normal(0, 6, (*colors.shape[:2], 1)) + dice.normal(0, 2, colors.shape)
    return np.ascontiguousarray(np.clip(grained, 0, 255).astype(np.uint8).transpose(2, 0, 1))


# --- such as no reasonable dataset has

_TYPES = ("bool", "uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64", "complex64")
_FILLINGS = ("zero", "one", "noise", "huge", "nan", "infinite", "mask", "ramp", "sentinel", "checks", "lowest")


@st.composite
def odd_rasters(draw: st.DrawFn, bands: st.SearchStrategy[int] | None = None) -> Raster:
    """1 x 1 pixels, one row, 13 bands, all NaN, nothing valid, 1e38, any type, with a place on the map or without."""
    count = draw(bands or st.sampled_from((1, 3, 2, 4, 13)))
    rows = draw(st.sampled_from((1, 2, 3, 5, 8, 17, 40, 64)))
    columns = draw(st.sampled_from((1, 2, 3, 5, 8, 17, 40, 64)))
    kind, filling, seed = draw(st.sampled_from(_TYPES)), draw(st.sampled_from(_FILLINGS)), draw(st.integers(0, 9))
    pixels = _filled((count, rows, columns), np.dtype(kind), filling, np.random.default_rng(seed))
    usable = draw(st.sampled_from(("all", "all", "none", "half", "as they are")))
    valid: NDArray[np.bool_] = np.broadcast_to(np.array(usable != "none"), pixels.shape)
    if usable == "half":
        valid = np.random.default_rng(seed).random(pixels.shape) < 0.5
    elif usable == "as they are" and pixels.dtype.kind in "fc":
        valid = np.isfinite(pixels)
    place = draw(st.sampled_from((None, None, "utm", "elsewhere", "degrees", "nonsense")))
    transform: Transform | None = {
        None: None,
        "utm": UTM,
        "elsewhere": (0.5, 0.0, 900_000.0, 0.0, -0.5, 0.0),
        "degrees": (1e-5, 0.0, 9.0, 0.0, -1e-5, 45.0),
        "nonsense": (0.0, 0.0, 1e30, 0.0, 0.0, float("inf")),
    }[place]
    crs = {None: "", "utm": "EPSG:32632", "degrees": "EPSG:4326"}.get(place, "no CRS at all")
    gsd = draw(st.sampled_from((None, 0.5, 30.0)))
    return Raster(pixels, valid, transform, crs, gsd, nodata=draw(st.sampled_from((None, -9999.0))))


def _filled(shape: tuple[int, int, int], dtype: np.dtype[Any], filling: str, dice: np.random.Generator) -> NDArray[Any]:
    if filling in ("nan", "infinite") and dtype.kind in "fc":
        found = dice.normal(size=shape).astype(dtype)
        found[dice.random(shape) < dice.choice((0.3, 1.0))] = np.nan if filling == "nan" else np.inf
        return found
    limits = np.finfo(dtype) if dtype.kind in "fc" else np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
    if filling == "huge":
        large = limits.max if dtype.kind != "b" else np.True_
        return np.where(dice.random(shape) < 0.5, large, dtype.type(0)).astype(dtype)
    if filling == "lowest":  # what GDAL's programs fill with
        return np.where(dice.random(shape) < 0.5, limits.min, 5).astype(dtype)
    if filling == "noise":
        return dice.integers(0, 100, shape).astype(dtype)
    if filling == "mask":
        return (255 * (dice.random(shape) < 0.5)).astype(np.uint8).astype(dtype)
    if filling == "ramp":
        return (np.arange(np.prod(shape)) % 120).reshape(shape).astype(dtype)
    if filling == "sentinel":
        return (
            np.where(dice.random(shape) < 0.4, -9999.0, 12.0).clip(float(limits.min), float(limits.max)).astype(dtype)
        )
    if filling == "checks":
        return (np.indices(shape).sum(0) % 2).astype(dtype)
    return np.full(shape, int(filling == "one"), dtype)


_PIXEL_LAYERS = ("pre_image", "image", "ndsm", "dsm", "dem", "landcover", "change", "sar")


@st.composite
def odd_subjects(draw: st.DrawFn, *names: str) -> Subject:
    """A tile of odd layers, each of a size of its own or all of one, that wants evidence or not.

    Args:
        draw: hypothesis gives it.
        names: of the layers to choose from; those with pixels where none are given.
    """
    chosen = draw(st.lists(st.sampled_from(names or _PIXEL_LAYERS), min_size=1, max_size=4, unique=True))
    one = draw(odd_rasters())
    alike = draw(st.booleans())
    layers = {name: one if alike and draw(st.booleans()) else draw(odd_rasters()) for name in chosen}
    return subject(draw(st.booleans()), **layers)
