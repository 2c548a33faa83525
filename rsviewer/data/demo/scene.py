"""One tile of the demo world: from the plan of the land to its layers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsviewer.data.demo.build import Crowns, Structures, classes_with, raise_buildings, raise_trees
from rsviewer.data.demo.canvas import RANGE, Brush, Canvas
from rsviewer.data.demo.ground import paint_ground
from rsviewer.data.demo.light import POST_DAY, PRE_DAY, Day, daylight, facing, photograph
from rsviewer.data.demo.noise import GSD, Floats, Window
from rsviewer.data.demo.plan import Plan
from rsviewer.data.demo.plot import Plot
from rsviewer.data.demo.streets import paint_streets
from rsviewer.data.demo.terrain import Terrain

_AROUND = (24, 24, 88, 96)
"""Pixels computed beyond a tile's west, north, east and south edge: crowns reach over it, shadows come from south-east."""


@dataclass(frozen=True, eq=False)
class Scene:
    """All layers of one tile, as they would be without a defect.

    Attributes:
        post, pre: (3, height, width) uint8 pictures.
        ground: DEM, bare ground, metres above the sea.
        height, height_before: nDSM after and before the event, metres.
        labels: land cover, 1..8.
        change: 255 where buildings came or went, else 0.
    """

    post: NDArray[np.uint8]
    pre: NDArray[np.uint8]
    ground: Floats
    height: Floats
    height_before: Floats
    labels: NDArray[np.uint8]
    change: NDArray[np.uint8]


class World:
    """The land of one seed; any window of it can be rendered alone, and neighbouring windows continue each other."""

    def __init__(self, seed: int) -> None:
        self.terrain = Terrain(seed)
        self.plan = Plan(self.terrain)

    def render(self, tile: Window) -> Scene:
        """The layers of a window."""
        window = tile.padded(*_AROUND)
        frame = self.terrain.frame(window)
        canvas = Canvas(window, frame, self.terrain.ground(window, frame), self.terrain.seed)
        plots = self.plan.plots(window)
        for plot in plots:
            box = self._box(plot, window)
            if box is not None:
                brush = Brush(canvas, plot, box)
                if brush.mine.any():
                    paint_ground(brush, self.terrain)
                    paint_streets(brush, self.terrain)
        post, pre = raise_buildings(canvas, (b for plot in plots for b in plot.buildings))
        crowns = raise_trees(canvas, (post.height > 0) | (pre.height > 0), (t for plot in plots for t in plot.trees))
        labels = classes_with(canvas, post, crowns)

        ground_before, bare = canvas.color.copy(), np.zeros(window.shape, bool)
        for place, mask, color in canvas.before:
            for band in range(3):
                np.copyto(ground_before[band][place], color[band], where=mask)
            bare[place] |= mask
        core = tile.inside(window)
        height, after = _picture(canvas, tile, canvas.color, post, crowns, labels, POST_DAY)
        canvas.things[bare] = 0
        crowns.height[bare] = 0
        height_before, before = _picture(canvas, tile, ground_before, pre, crowns, labels, PRE_DAY)
        change = np.where(post.owner != pre.owner, np.uint8(255), np.uint8(0))
        return Scene(
            after, before, canvas.ground[core], height[core], height_before[core],
            labels[core], change[core],
        )  # fmt: skip

    def _box(self, plot: Plot, window: Window) -> tuple[slice, slice] | None:
        """The part of a window that a plot may cover."""
        u, v = np.meshgrid(np.linspace(plot.u0, plot.u1, 7), np.linspace(plot.v0, plot.v1, 7))
        east, south = self.terrain.unbend(u, v)
        slack = 6
        left = max(0, int(east.min() / GSD) - window.column - slack)
        right = min(window.width, int(east.max() / GSD) - window.column + slack)
        top = max(0, int(south.min() / GSD) - window.row - slack)
        bottom = min(window.height, int(south.max() / GSD) - window.row + slack)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def _picture(
    canvas: Canvas,
    tile: Window,
    ground_color: Floats,
    buildings: Structures,
    crowns: Crowns,
    labels: NDArray[np.uint8],
    day: Day,
) -> tuple[Floats, NDArray[np.uint8]]:
    """Height above ground and the photograph of one date."""
    built = buildings.height > 0
    leafy = (crowns.height > buildings.height) & (crowns.height > canvas.things)
    height = np.where(leafy, crowns.height, np.where(built, buildings.height, canvas.things))
    surface = canvas.ground + height
    seen = tile.padded(8, 8, 8, 8)
    near = seen.inside(canvas.window)
    light = daylight(surface, day)
    direct, open_sky = light[0][near], light[1][near]

    roofs, leaves = (built & ~leafy)[near], leafy[near]
    greens = leaves | (~built[near] & (labels[near] == RANGE))
    color = np.where(leaves, crowns.color[:, *near], np.where(roofs, buildings.color[:, *near], ground_color[:, *near]))
    for band in range(3):
        if day.greens[band] != 1.0:
            np.multiply(color[band], np.float32(day.greens[band]), out=color[band], where=greens)
    soft = (canvas.ground + np.where(built & ~leafy, 0, height))[near]
    gradient = np.clip(np.gradient(soft, GSD), -1.6, 1.6).astype(np.float32)
    slope_south, slope_east = gradient[0], gradient[1]
    np.copyto(slope_east, buildings.slope_east[near], where=roofs)
    np.copyto(slope_south, buildings.slope_south[near], where=roofs)
    picture = photograph(
        color,
        direct * facing(slope_east, slope_south, day),
        open_sky,
        day,
        [canvas.seed, tile.column & 0xFFFFFFFF, tile.row & 0xFFFFFFFF],
    )
    return height, picture[:, 8:-8, 8:-8]
