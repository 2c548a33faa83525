"""Heights along a line as a table, for spreadsheets and scripts."""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.profile import Profile
from rsviewer.core.scene import Frame, to_map
from rsviewer.core.tile import Transform, crs_name
from rsviewer.data.saving import saving


def table(profiles: Sequence[Profile], frame: Frame, *, separator: str = ",") -> str:
    """One line a place: distance, x and y in pixels, map coordinates where there are any, and the height in every layer.

    A height that is not there is an empty cell.

    Args:
        profiles: at least one, all taken at the same places.
        frame: the grid of their tile.
        separator: of cells.
    """
    first = profiles[0]
    head = [f"distance ({first.unit})", "x (px)", "y (px)"]
    columns = [_cells(first.distance, 4), _cells(first.x, 3), _cells(first.y, 3)]
    if frame.transform is not None:
        where = f" ({crs_name(frame.crs)})" if frame.crs else ""
        head += [f"map x{where}", f"map y{where}"]
        transform, digits = frame.transform, _map_digits(frame.transform)
        places = np.array([to_map(transform, x, y) for x, y in zip(first.x.tolist(), first.y.tolist(), strict=True)])
        columns += [_cells(places[:, 0], digits), _cells(places[:, 1], digits)]
    head += [f"{name} (m)" for name in _names(profiles)]
    columns += [_cells(profile.height, 4) for profile in profiles]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def save_table(path: Path, profiles: Sequence[Profile], frame: Frame) -> None:
    """Writes `table` as CSV in UTF-8, replacing a file that is there: whole or not at all. Raises SaveError."""
    with saving(path, overwrite=True) as partial:
        partial.write_bytes(table(profiles, frame).encode("utf-8", "backslashreplace"))


def _cells(values: NDArray[np.float64], digits: int) -> list[str]:
    return ["" if math.isnan(value) else f"{value:.{digits}f}" for value in values.tolist()]


def _map_digits(transform: Transform) -> int:
    """So many that a thousandth of a pixel can be told, in metres as in degrees."""
    a, b, _, d, e, _ = transform
    pixel = min(filter(None, (math.hypot(a, d), math.hypot(b, e))), default=1.0)
    return max(0, 3 - math.floor(math.log10(pixel)))


def _names(profiles: Sequence[Profile]) -> list[str]:
    """Titles; with the layer's id where two have the same."""
    count = Counter(profile.title for profile in profiles)
    return [each.title if count[each.title] == 1 else f"{each.title} {each.layer}" for each in profiles]
