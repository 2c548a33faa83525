"""A tile and what it is made of: ids, layer descriptions, rasters, and the ways a layer can be absent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.combinations import Combination
from rsviewer.core.vector import Vector

TileId = NewType("TileId", str)
"""Names a tile within its dataset: ``group/stem``, or the stem alone where there are no groups. Always valid UTF-8."""

LayerId = NewType("LayerId", str)
"""Names a layer within its dataset. A lower-case identifier, since it also names index columns (``ndsm_max``)."""

Transform: TypeAlias = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): x = a * column + b * row + c, y = d * column + e * row + f, at the upper left pixel corner."""


class LayerKind(StrEnum):
    """What the numbers of a layer mean. Decides default style, resampling and metric."""

    OPTICAL = "optical"
    SAR = "sar"
    HEIGHT = "height"
    QUANTITY = "quantity"
    """A number for every pixel that is neither a picture nor a height: an error, a probability."""
    LABELS = "labels"
    MASK = "mask"
    VECTOR = "vector"
    TEXT = "text"

    @property
    def is_scalar(self) -> bool:
        """True where one number with a unit stands in every pixel: shown through a colour table with a bar beside it."""
        return self in (LayerKind.HEIGHT, LayerKind.QUANTITY)

    @property
    def is_categorical(self) -> bool:
        """True where values are names, not quantities: such layers are only ever resampled by nearest neighbour."""
        return self in (LayerKind.LABELS, LayerKind.MASK)


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class of a label layer or one state of a mask."""

    value: int
    name: str
    color: tuple[int, int, int]
    void: bool = False
    """True where the value means "not labelled": drawn as nodata, left out of shares and metrics."""


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """What the dataset's documentation says about one layer. Facts, not style.

    Attributes:
        id: unique in the dataset.
        kind: what the numbers mean.
        title: as shown above the pane, e.g. "nDSM".
        unit: of the values after scale and offset, e.g. "m"; empty where there is none.
        bands: names of the bands in file order; empty where they are not known.
        display_bands: zero-based bands shown by default; empty means the first three, or the only one.
        nodata: a value that means "no data" although the file may not say so; None where there is none.
        low: values below are not data (e.g. -1000 m); None for no limit.
        high: values above are not data; None for no limit.
        scale: value = stored * scale + offset.
        offset: see scale.
        classes: names and colours for LABELS and MASK.
        date: "pre" or "post" for the two images of a change set, else empty.
        take: zero-based bands of the file that are this layer, in this order; empty for all. Where one file holds several
            layers (SEN12MS' land cover), each takes its own.
        lut: stored value -> value of the layer, for classes that are made from other classes; values beyond it stay as
            they are. Before nodata, scale and classes are looked at. Empty for none.
        combinations: named ways to look at its bands; the first is the default. Empty for none.
        optional: True where a tile without it is nothing to complain about.
        absent: what to say where a tile has no such file, as a sentence: "Not annotated: ..."; empty for the usual words.
        hidden: True where nobody sees it until it is switched on.
        zoom: where the name of a file says where it lies, as column_row of a tile of the web mercator pyramid: the level of
            that pyramid. None where it does not. What the file itself says wins.
    """

    id: LayerId
    kind: LayerKind
    title: str
    unit: str = ""
    bands: tuple[str, ...] = ()
    display_bands: tuple[int, ...] = ()
    nodata: float | None = None
    low: float | None = None
    high: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    classes: tuple[LabelClass, ...] = ()
    date: str = ""
    take: tuple[int, ...] = ()
    lut: tuple[int, ...] = ()
    combinations: tuple[Combination, ...] = ()
    optional: bool = False
    absent: str = ""
    hidden: bool = False
    zoom: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """The pixels of one layer with everything needed to read them honestly. Arrays are read-only.

    Attributes:
        pixels: (bands, height, width), the values in the layer's unit. Invalid pixels keep the value that the file holds,
            so that "nodata", "NaN" and "inf" can be told apart; only `valid` says what may be used.
        valid: (bands, height, width) bool, the only mask in the program. True means usable. May be a broadcast view.
        transform: of the full-resolution file; None where the file has no georeference.
        crs: "EPSG:32651" or WKT; empty where there is none.
        gsd: metres per full-resolution pixel; None where it cannot be known.
        cell: metres across and down a full-resolution pixel on the ground, at the middle of the image; square by `gsd` where
            nothing else is given, None where it cannot be known.
        nodata: the file's marker or the dataset's, for saying "nodata" in words; None where there is none.
        full_size: (width, height) in the file. Differs from the shape of `pixels` where the file was read decimated.
        color_table: value -> (r, g, b) of a palette file, else empty.
        band_names: as the file names them; empty where it does not. An alpha band is not among them: it is in `valid`.
        notes: short remarks a careful person would want to know, e.g. "read at 1:16".
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    transform: Transform | None = None
    crs: str = ""
    gsd: float | None = None
    cell: tuple[float, float] | None = None
    nodata: float | None = None
    full_size: tuple[int, int] = (0, 0)
    color_table: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    band_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.valid.shape != self.pixels.shape:
            raise ValueError(
                f"pixels {self.pixels.shape} and valid {self.valid.shape} must both be (bands, height, width)"
            )
        if self.full_size == (0, 0):
            object.__setattr__(self, "full_size", (self.pixels.shape[2], self.pixels.shape[1]))
        if self.cell is None and self.gsd is not None:
            object.__setattr__(self, "cell", (self.gsd, self.gsd))
        self.pixels.flags.writeable = False
        if self.valid.flags.writeable:
            self.valid.flags.writeable = False

    @property
    def bands(self) -> int:
        """Number of bands."""
        return int(self.pixels.shape[0])

    @property
    def height(self) -> int:
        """Rows of `pixels`."""
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        """Columns of `pixels`."""
        return int(self.pixels.shape[2])

    @property
    def nbytes(self) -> int:
        """Bytes held in memory; a broadcast `valid` costs nothing."""
        valid = 0 if 0 in self.valid.strides else self.valid.nbytes
        return int(self.pixels.nbytes) + int(valid)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A broken file is a value: the reviewer must see it and be able to flag it."""

    path: str
    reason: str

    nbytes = 256


@dataclass(frozen=True, slots=True)
class Missing:
    """A layer that this tile should have and has not."""

    reason: str

    nbytes = 256


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a caption or prompt layer."""

    text: str

    nbytes = 4096


NAMELESS = ("unnamed", "unknown", "undefined")
"""What programs write in place of the name of a CRS that has none."""

LayerContent: TypeAlias = Raster | Vector | Text | Unreadable | Missing


def crs_name(crs: str) -> str:
    """A CRS in a few words: "EPSG:32654" as it is, of a WKT the name in it."""
    parts = crs.split('"')
    name = parts[1] if "[" in crs and len(parts) > 2 and parts[1] else crs
    return "unnamed CRS" if name.lower() in NAMELESS else name


def printable(name: str) -> str:
    r"""`name` as valid UTF-8: undecodable bytes (which Python keeps as lone surrogates) become ``\xNN``.

    Example: ``"t\udcfcr"`` (a Latin-1 file name seen in a UTF-8 locale) becomes ``"t\\xfcr"``.
    """
    return re.sub("[\ud800-\udfff]", lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", name)
