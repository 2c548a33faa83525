"""What every format is given of a cloud: its valid points, its surface, and what takes both to the map."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer import __version__
from rsviewer.core.cloud import Cloud, triangles
from rsviewer.core.errors import SaveError

PROGRAM = f"rsviewer {__version__}"
"""Who wrote it, as all formats can say."""
UNITS = {"m": "metres", "px": "pixels"}
"""`Relief.unit` in words."""
MAX_MESH = 4096 * 4096
"""Heights of a surface: indices and buffers of a larger one are more than most programs load."""
BLOCK = 1 << 18
"""Points in hand at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows of valid points. Columns and rows are whole numbers, `height` is above the base."""

    column: NDArray[np.intp]
    row: NDArray[np.intp]
    height: NDArray[np.float32]
    rgb: NDArray[np.uint8]


def blocks(cloud: Cloud) -> Iterator[Block]:
    """The valid points in the order of `core.cloud.vertices`, row after row, some rows at a time."""
    rows = max(1, BLOCK // max(1, cloud.columns))
    for start in range(0, cloud.rows, rows):
        height, colors = cloud.height[start : start + rows], cloud.colors[start : start + rows]
        valid = np.isfinite(height)
        if valid.size and valid.all():  # nothing has to be picked, which takes longer than the rest
            down, along = np.indices(height.shape).reshape(2, -1)
            yield Block(along, down + start, height.reshape(-1), rgb(colors.reshape(-1)))
            continue
        row, column = np.nonzero(valid)
        if row.size:
            yield Block(column, row + start, height[row, column], rgb(colors[row, column]))


def count_of(cloud: Cloud) -> int:
    """How many heights are valid."""
    return int(np.count_nonzero(np.isfinite(cloud.height)))


def span(cloud: Cloud) -> tuple[float, float]:
    """Lowest and highest height in metres."""
    valid = np.isfinite(cloud.height)
    low = float(np.min(cloud.height, where=valid, initial=np.inf))
    return cloud.base + low, cloud.base + float(np.max(cloud.height, where=valid, initial=-np.inf))


def rgb(colors: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """(..., 3) red, green, blue of 0xAARRGGBB."""
    return colors.astype("<u4", copy=False)[..., None].view(np.uint8)[..., 2::-1]


def local(cloud: Cloud, column: NDArray[Any], row: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the centres of pixels are, as in `Cloud`."""
    return cloud.origin[0] + (column + 0.5) * cloud.step[0], cloud.origin[1] - (row + 0.5) * cloud.step[1]


def surface(cloud: Cloud) -> NDArray[np.uint32]:
    """(n, 3) as `core.cloud.triangles`. Raises SaveError where there are none or too many."""
    if cloud.height.size > MAX_MESH:
        raise SaveError(
            f"{cloud.title} has {cloud.height.size / 1e6:,.0f} million heights: a surface may have "
            f"{MAX_MESH / 1e6:,.0f} million. Save it as points, .las or .laz."
        )
    faces = triangles(cloud)
    if not len(faces):
        raise SaveError(
            f"{cloud.title} has no three valid heights side by side on this tile, so there is no surface. "
            "Save it as points, .ply or .las."
        )
    return faces


def to_map(cloud: Cloud) -> tuple[float, ...]:
    """(a, b, c, d, e, f): x on the map = a * x + b * y + c, y on the map = d * x + e * y + f, of `Cloud`'s x and y."""
    if cloud.transform is None:
        return ()
    a, b, c, d, e, f = cloud.transform
    (left, top), (across, down) = cloud.origin, cloud.step
    return (
        *(a / across, -b / down, c - a * left / across + b * top / down),
        *(d / across, -e / down, f - d * left / across + e * top / down),
    )
