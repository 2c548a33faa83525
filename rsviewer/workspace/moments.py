"""Which of its images over time each tile shows: the one that the format calls best, until the user steps to another."""

from collections.abc import Iterable

from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Shot, TileEntry

REMEMBERED = 4096
"""So many tiles keep the image that the user chose; the others show their best one again."""


class Moments:
    """The images that the user has chosen. `of` may be called from any thread."""

    def __init__(self) -> None:
        self._chosen: dict[TileId, TileEntry] = {}
        self._looked_up: dict[TileId, str] = {}

    def shown(self, entry: TileEntry) -> TileEntry:
        """A tile, as the format has made it, with the image that was chosen for it."""
        chosen = self._chosen.get(entry.id)
        if chosen is None:
            return entry
        if chosen.shots != entry.shots:  # the files were listed anew meanwhile
            chosen = _again(entry, chosen.shots[chosen.shot])
            if chosen.moment:
                self._chosen[entry.id] = chosen
            else:
                del self._chosen[entry.id]
        return chosen

    def of(self, tile: TileId) -> str:
        """`TileEntry.moment` of a tile as it is shown: empty where that is its best image."""
        chosen = self._chosen.get(tile)
        return self._looked_up.get(tile, "") if chosen is None else chosen.moment

    def expect(self, entries: Iterable[TileEntry]) -> None:
        """Takes tiles that are shown until all is known of them. Which image will be their best one is not known yet."""
        self._looked_up = {entry.id: entry.moment for entry in entries if entry.moment}

    def choose(self, entry: TileEntry, shot: int) -> bool:
        """Shows another image of a tile, given as the format has made it. Returns False where it is shown already."""
        chosen = entry.at(max(0, min(shot, len(entry.shots) - 1))) if entry.shots else entry
        if chosen.moment == self.shown(entry).moment:
            return False
        self._chosen.pop(entry.id, None)
        if chosen.moment:
            self._chosen[entry.id] = chosen
        while len(self._chosen) > REMEMBERED:
            del self._chosen[next(iter(self._chosen))]
        return True

    def forget(self) -> None:
        """Every tile shows its best image again."""
        self._chosen.clear()


def _again(entry: TileEntry, wanted: Shot) -> TileEntry:
    """A tile with the image that was chosen when it had others besides; with its best one where that is gone."""
    names = [(shot.series, shot.name) for shot in entry.shots]
    sought = (wanted.series, wanted.name)
    return entry.at(names.index(sought)) if sought in names else entry


def date_in_words(shot: Shot) -> str:
    """When an image was taken, to the day: "2016-08-08", "2022-03"; its name where nobody knows."""
    return shot.time[: len("2016-08-08")] or shot.name


def in_words(shot: Shot, number: int, count: int) -> str:
    """One image in a line: "2016-08-08 18:14  ·  sentinel2  ·  2 of 7"."""
    when = shot.time[:16].replace("T", " ") or shot.name
    words = [when, shot.series, f"{number} of {count}"]
    words += ["called unusable"] if shot.good is False else []
    return "  ·  ".join(filter(None, words))
