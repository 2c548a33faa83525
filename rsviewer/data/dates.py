"""Several images of a tile over time, for networks that take them together."""

from collections.abc import Collection
from datetime import UTC, datetime

from rsviewer.core.tile import LayerId
from rsviewer.data.adapter import TileEntry

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def images_over_time(entry: TileEntry, layers: Collection[LayerId], most: int) -> tuple[TileEntry, ...]:
    """The tile with each of its images that are taken, ascending in time; `entry` itself is one of them.

    Those of the same sensor that have all the layers and are not known to be bad, the nearest in time to the one shown.

    Args:
        entry: the tile, with the image that is shown.
        layers: that the network takes.
        most: images that it takes.
    """
    if most < 2 or not entry.shots:
        return (entry,)
    shots, shown = entry.shots, entry.shots[entry.shot]
    here = shown.when or _LONG_AGO
    others = [
        number
        for number, shot in enumerate(shots)
        if number != entry.shot and shot.series == shown.series and shot.good is not False and shot.when is not None
    ]
    found = {entry.shot: entry}
    for number in sorted(others, key=lambda number: abs((shots[number].when or _LONG_AGO) - here)):
        if len(found) == most:
            break
        other = entry.at(number)
        if all(layer in other.files for layer in layers):
            found[number] = other
    return tuple(found[number] for number in sorted(found, key=lambda number: shots[number].when or _LONG_AGO))
