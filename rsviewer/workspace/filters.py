"""The filters worth having at hand: saved ones, recent ones, and those that every dataset needs."""

from collections.abc import Callable, Mapping, Sequence

from rsviewer.core.checks.suspicion import SUSPICIOUS
from rsviewer.core.errors import FilterError
from rsviewer.core.filters import quoted
from rsviewer.data.index import TileIndex
from rsviewer.workspace.session import SessionKeeper

RECENT_MOST = 20
SPLITS_MOST = 12
NAME_MOST = 80


def with_recent(recent: Sequence[str], filter_: str) -> tuple[str, ...]:
    """Recent filters with the newest one first."""
    return (filter_, *(each for each in recent if each != filter_))[:RECENT_MOST] if filter_ else tuple(recent)


class FilterShelf:
    """Filters by name, kept in the project of the dataset, whose columns they are about.

    Args:
        index: whose columns and splits.
        keeper: holds them.
        check: raises FilterError for what is no filter.
    """

    def __init__(self, index: TileIndex, keeper: SessionKeeper, check: Callable[[str], None]) -> None:
        self._index = index
        self._keeper = keeper
        self._check = check

    @property
    def saved(self) -> Mapping[str, str]:
        """Name -> filter, in the order in which they were saved."""
        return self._keeper.now.saved_filters

    @property
    def recent(self) -> tuple[str, ...]:
        """The filters that were used last, the newest first."""
        return self._keeper.now.recent_filters

    @property
    def ready(self) -> tuple[tuple[str, str], ...]:
        """(title, filter) of those that need not be saved."""
        columns = {column.name for column in self._index.columns()}
        made = [
            ("Suspicious", f"suspicion >= {SUSPICIOUS:g}", "suspicion"),
            ("Not reviewed", "not reviewed", "reviewed"),
            ("Flagged", "flagged", "flagged"),
            ("Files missing or unreadable", "missing or unreadable", "missing"),
        ]
        found = [(title, filter_) for title, filter_, column in made if column in columns]
        splits = list(self._index.splits())[:SPLITS_MOST]
        return (*found, *((f"In {split}", f"split = {quoted(split)}") for split in splits))

    def save(self, name: str, filter_: str) -> None:
        """Keeps a filter under a name; the one that had it before is replaced. Raises FilterError."""
        name = self._named(name)
        if not filter_.strip():
            raise FilterError("There is no filter to save: type one first.")
        self._check(filter_)
        self._keeper.change(saved_filters={**self.saved, name: filter_.strip()})

    def rename(self, name: str, other: str) -> None:
        """Gives a saved filter another name. Raises FilterError where that is taken."""
        other = self._named(other)
        if other == name or name not in self.saved:
            return
        if other in self.saved:
            raise FilterError(f"There is a filter called {other} already. Choose another name.")
        renamed = {other if each == name else each: filter_ for each, filter_ in self.saved.items()}
        self._keeper.change(saved_filters=renamed)

    def delete(self, name: str) -> None:
        """Forgets a saved filter."""
        self._keeper.change(saved_filters={each: text for each, text in self.saved.items() if each != name})

    def forget_recent(self) -> None:
        """Forgets which filters were used last."""
        self._keeper.change(recent_filters=())

    @staticmethod
    def _named(name: str) -> str:
        name = " ".join(name.split())[:NAME_MOST]
        if not name:
            raise FilterError("A saved filter needs a name.")
        return name
