"""What a window of the world is painted onto, and the brush that paints one plot of it."""

import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.noise import Floats, Window, hashed, smooth, white
from rsviewer.data.demo.plot import NOTHING, Plot, Street, pavement
from rsviewer.data.demo.terrain import Frame

Mask: TypeAlias = NDArray[np.bool_]
Color: TypeAlias = tuple[float, float, float]
"""Reflectance in red, green and blue, linear, 0..1."""

BARE, RANGE, DEVELOPED, ROAD, TREE, WATER, CROPS, BUILDING = range(1, 9)
"""SynRS3D's land cover classes."""

_CORNER = 4.5
"""Radius of a kerb at a street corner, metres."""


@dataclass(eq=False)
class Canvas:
    """The ground of a window before light falls on it.

    Attributes:
        window: its place in the world.
        frame: its bent coordinates.
        ground: bare ground, metres above the sea.
        color: (3, height, width) reflectance after the event.
        labels: land cover class.
        things: height of everything that stands on the ground but buildings and trees: cars, hedges, crops, bridges. Metres.
        shrubs, trees: chance of a small and of a large tree in every pixel.
        needles: share of conifers.
        before: (slices, mask, color) of the plots that looked different before the event.
    """

    window: Window
    frame: Frame
    ground: Floats
    seed: int
    color: Floats = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)
    things: Floats = field(init=False)
    shrubs: Floats = field(init=False)
    trees: Floats = field(init=False)
    needles: Floats = field(init=False)
    before: list[tuple[tuple[slice, slice], Mask, Floats]] = field(default_factory=list)
    _noise: dict[int, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.window.shape
        self.color = np.full((3, *shape), 0.1, np.float32)
        self.labels = np.full(shape, RANGE, np.uint8)
        self.things, self.shrubs, self.trees, self.needles = (np.zeros(shape, np.float32) for _ in range(4))

    def noise(self, step: int, *, plain: bool = False) -> Floats:
        """Noise with bumps of `step` pixels, mean 0, variance 1; white for step 1. Computed once.

        Large bumps carry smaller ones unless `plain`: one octave, cut off at a level, shows the axes of its grid.
        """
        key = -step if plain else step
        if key not in self._noise:
            seed = self.seed * 53 + 1000 + step
            if step == 1:
                noise = white(self.window, seed)
            elif plain or step < 40:
                noise = smooth(self.window, step, seed)
            else:
                octaves = ((0.80, step), (0.48, step * 5 // 8), (0.30, step * 5 // 16), (0.18, step // 6))
                noise = np.zeros(self.window.shape, np.float32)
                for size, bumps in octaves:
                    noise += np.float32(size) * smooth(self.window, bumps, seed + bumps)
            self._noise[key] = np.asarray(noise, np.float32)
        return self._noise[key]


class Brush:
    """Paints one plot: everything is an array over the plot's bounding box, and only its own pixels change.

    Attributes:
        p, q: metres along and across the plot from its corner, in the bent plane.
        mine: the plot's pixels.
        kerb: metres from the nearest kerb, positive on the plot; from the plot's edge where no street runs.
        inside: the plot's pixels behind the pavement.
    """

    def __init__(self, canvas: Canvas, plot: Plot, box: tuple[slice, slice]) -> None:
        self.canvas, self.plot, self.box = canvas, plot, box
        frame = canvas.frame
        u, v = frame.u[box], frame.v[box]
        self.u, self.v = u, v
        self.mine: Mask = (u >= plot.u0) & (u < plot.u1) & (v >= plot.v0) & (v < plot.v1)
        self.p, self.q = (u - plot.u0, v - plot.v0) if plot.is_wide else (v - plot.v0, u - plot.u0)
        by_u, by_v = 1 / frame.stretch_u[box], 1 / frame.stretch_v[box]
        self.axis: tuple[Floats, ...] = (
            (u - plot.u0) * by_u,
            (plot.u1 - u) * by_u,
            (v - plot.v0) * by_v,
            (plot.v1 - v) * by_v,
        )
        self.from_kerb: tuple[Floats, ...] = tuple(
            d - s.half if s.half else d for d, s in zip(self.axis, plot.sides, strict=True)
        )
        self.across = np.minimum(self.from_kerb[0], self.from_kerb[1])
        self.along = np.minimum(self.from_kerb[2], self.from_kerb[3])
        self.kerb = np.minimum(self.across, self.along)
        if any(street.rank > 0 for street in plot.sides):
            rounded = _CORNER - np.hypot(np.maximum(_CORNER - self.across, 0), np.maximum(_CORNER - self.along, 0))
            corner = (self.across < _CORNER) & (self.along < _CORNER)
            self.kerb = np.where(corner, rounded, self.kerb)

    @cached_property
    def inside(self) -> Mask:
        """The plot's pixels behind the pavements."""
        widest = max(pavement(self.plot.use, street) for street in self.plot.sides)
        return self.mine & (self.kerb >= widest)

    def cropped(self, where: Mask) -> "Brush":
        """The same brush over the bounding box of some pixels only."""
        rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
        part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        small = copy.copy(self)
        small.__dict__.pop("inside", None)
        top, left = self.box[0].start, self.box[1].start
        small.box = (slice(top + rows[0], top + rows[-1] + 1), slice(left + columns[0], left + columns[-1] + 1))
        for name in ("u", "v", "p", "q", "mine", "across", "along", "kerb"):
            setattr(small, name, getattr(self, name)[part])
        small.axis = tuple(d[part] for d in self.axis)
        small.from_kerb = tuple(d[part] for d in self.from_kerb)
        return small

    @property
    def nearest(self) -> tuple[tuple[int, Street], ...]:
        """The sides that have a street, with their number."""
        return tuple((k, street) for k, street in enumerate(self.plot.sides) if street is not NOTHING)

    def noise(self, step: int, *, plain: bool = False) -> Floats:
        """The canvas's noise over the plot."""
        return self.canvas.noise(step, plain=plain)[self.box]

    def chance(self, purpose: int) -> float:
        """A random number of this plot, 0..1."""
        return float(hashed(self.plot.seed, purpose, 17)[0])

    def pick(self, first: NDArray[np.integer], second: NDArray[np.integer] | int, purpose: int) -> Floats:
        """Random numbers of this plot for pairs of integers, 0..1."""
        return hashed(first, second, self.plot.seed + 131 * purpose).reshape(np.broadcast(first, second).shape)

    def paint(
        self, where: Mask, color: Color | Floats, texture: Floats | float = 1.0, label: int | None = None
    ) -> None:
        """Covers pixels with a colour times a texture."""
        for band in range(3):
            np.copyto(self.canvas.color[band][self.box], color[band] * texture, where=where)
        if label is not None:
            np.copyto(self.canvas.labels[self.box], np.uint8(label), where=where)

    def glaze(self, where: Mask, color: Color, strength: Floats | float) -> None:
        """Mixes a colour into what is there; strength 0..1."""
        weight = np.where(where, strength, np.float32(0)).astype(np.float32)
        for band in range(3):
            under = self.canvas.color[band][self.box]
            under += (np.float32(color[band]) - under) * weight

    def shade(self, where: Mask, factor: Floats | float) -> None:
        """Multiplies what is there."""
        for band in range(3):
            under = self.canvas.color[band][self.box]
            np.multiply(under, factor, out=under, where=where)

    def raise_to(self, where: Mask, height: Floats | float) -> None:
        """Sets the height of things."""
        np.copyto(self.canvas.things[self.box], height, where=where, casting="unsafe")

    def plant(
        self, where: Mask, shrubs: Floats | float = 0.0, trees: Floats | float = 0.0, needles: float = 0.0
    ) -> None:
        """Sets the chance of trees."""
        np.copyto(self.canvas.shrubs[self.box], shrubs, where=where, casting="unsafe")
        np.copyto(self.canvas.trees[self.box], trees, where=where, casting="unsafe")
        np.copyto(self.canvas.needles[self.box], needles, where=where, casting="unsafe")

    def remember_before(self, where: Mask, color: Color, texture: Floats) -> None:
        """Notes what these pixels looked like before the event."""
        self.canvas.before.append((self.box, where.copy(), np.stack([np.float32(c) * texture for c in color])))
