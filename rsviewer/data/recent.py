"""The datasets that were opened last, newest first."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsviewer.data.settings import load, preferences_path, save

MOST = 20


@dataclass(frozen=True, slots=True)
class RecentDataset:
    """One that was opened.

    Attributes:
        path: what was opened: a folder, or the description of one.
        title: as shown to people.
        format: name of its adapter.
        tiles: how many there were; 0 where that was not known yet.
        opened: when, ISO 8601.
    """

    path: str
    title: str
    format: str = ""
    tiles: int = 0
    opened: str = ""


@dataclass(frozen=True, slots=True)
class Recent:
    """The list, as it is kept."""

    datasets: tuple[RecentDataset, ...] = ()


def recent_path() -> Path:
    """The file of the list, beside this person's preferences."""
    return preferences_path().with_name("recent.json")


def load_recent() -> tuple[RecentDataset, ...]:
    """The list, newest first."""
    return load(recent_path(), Recent()).value.datasets


def remember(dataset: RecentDataset) -> None:
    """Puts a dataset at the top of the list. Raises SettingsError where the list cannot be written."""
    _change(lambda known: (dataset, *_without(known, dataset.path)))


def forget(path: str) -> None:
    """Takes a dataset from the list. Raises SettingsError where the list cannot be written."""
    _change(lambda known: _without(known, path))


def _change(change: Callable[[Sequence[RecentDataset]], tuple[RecentDataset, ...]]) -> None:
    known = load_recent()
    changed = change(known)[:MOST]
    if changed != known:
        save(recent_path(), Recent(changed))


def _without(known: Sequence[RecentDataset], path: str) -> tuple[RecentDataset, ...]:
    return tuple(each for each in known if os.path.normcase(each.path) != os.path.normcase(path))
