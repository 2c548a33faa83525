"""Files that come with the program: colour tables, icons, palettes."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.errors import SettingsError
from rsviewer.core.tile import printable

COLOR_TABLES = (
    "cividis",
    "viridis",
    "inferno",
    "magma",
    "Spectral",
    "terrain",
    "turbo",
    "grey",
    "RdBu",
    "RdYlGn",
    "jet",
    "gist_earth",
)
"""The packaged colour tables, in the order in which a key steps through them."""

_PACKAGE = Path(__file__).resolve().parents[1]


def resource_path(name: str, package: Path = _PACKAGE) -> Path:
    """Where a packaged file or folder lies, e.g. ``resource_path("color_tables/cividis.txt")``.

    An installed program has them beside its modules (``rsviewer/_resources``), a checkout in its root (``resources``).
    A missing one is a fault of the installation.

    Args:
        name: relative to the folder of resources, "/" between the parts.
        package: the folder of the package `rsviewer`.
    """
    places = (package / "_resources" / name, package.parent / "resources" / name)
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"rsviewer is not completely installed: neither {places[0]} nor {places[1]} is there.")


def color_table_names() -> tuple[str, ...]:
    """The packaged colour tables. Every name that matplotlib knows works as well, but costs its import."""
    return COLOR_TABLES


@lru_cache(maxsize=64)
def color_table(name: str) -> NDArray[np.uint8]:
    """The colours of a table from low to high.

    Args:
        name: one of `color_table_names()`, or any name of matplotlib, e.g. "viridis_r".

    Returns:
        (256, 3) red, green, blue; read-only.

    Raises:
        SettingsError: nobody knows a table of that name.
    """
    table = _packaged(name) if name in COLOR_TABLES else _from_matplotlib(name)
    table.flags.writeable = False
    return table


def _packaged(name: str) -> NDArray[np.uint8]:
    with resource_path(f"color_tables/{name}.txt").open(encoding="utf-8") as lines:
        return np.loadtxt(lines, dtype=np.uint8, comments="#")


def _from_matplotlib(name: str) -> NDArray[np.uint8]:
    import matplotlib as mpl  # 0.2 s, and only for tables that are not packaged

    try:
        colors = mpl.colormaps[name](np.linspace(0.0, 1.0, 256), bytes=True)
    except KeyError as error:
        known = ", ".join(COLOR_TABLES)
        near = _near(name, [*COLOR_TABLES, *mpl.colormaps])
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise SettingsError(
            f'There is no colour table "{printable(name[:40])}": choose {known}, or a name that matplotlib knows.{hint}'
        ) from error
    return np.ascontiguousarray(colors[:, :3], dtype=np.uint8)


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The two names that are spelt most like one; capitals do not count."""
    by_lower = {each.lower(): each for each in known}
    return [by_lower[each] for each in get_close_matches(name[:40].lower(), by_lower, 2)]
