"""Saved, recent and ready-made filters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rsviewer.core.errors import FilterError
from rsviewer.workspace.filters import RECENT_MOST, with_recent
from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    with opened_here(tiny_dataset) as opened:
        yield opened


def test_a_saved_filter_is_there_when_the_dataset_is_opened_again(tiny_dataset: Path) -> None:
    with opened_here(tiny_dataset) as first:
        first.filters.save("  tall  ones ", "ndsm_max > 80")
        first.finding.choose("not reviewed", "")
    with opened_here(tiny_dataset) as second:
        assert second.filters.saved == {"tall ones": "ndsm_max > 80"}
        assert second.filters.recent == ("not reviewed",)


def test_saved_filters_are_renamed_and_deleted(workspace: Workspace) -> None:
    shelf = workspace.filters
    shelf.save("a", "reviewed")
    shelf.save("b", "flagged")
    shelf.rename("a", "c")
    assert list(shelf.saved.items()) == [("c", "reviewed"), ("b", "flagged")]
    with pytest.raises(FilterError, match="There is a filter called b already"):
        shelf.rename("c", "b")
    shelf.delete("c")
    assert dict(shelf.saved) == {"b": "flagged"}


@pytest.mark.parametrize(("name", "text"), [("", "reviewed"), ("x", "  "), ("x", "nosuch > 1")])
def test_what_is_no_filter_is_not_saved(workspace: Workspace, name: str, text: str) -> None:
    with pytest.raises(FilterError):
        workspace.filters.save(name, text)
    assert not workspace.filters.saved


def test_ready_made_filters_are_understood_by_every_dataset(workspace: Workspace) -> None:
    ready = dict(workspace.filters.ready)
    assert {"Not reviewed", "Flagged", "In train", "In test"} <= ready.keys()
    for text in ready.values():
        workspace.finding.check(text, "")


def test_recent_filters_are_few_and_each_is_there_once() -> None:
    recent: tuple[str, ...] = ()
    for number in range(2 * RECENT_MOST):
        recent = with_recent(recent, f"position = {number % (RECENT_MOST + 5)}")
    assert len(recent) == len(set(recent)) == RECENT_MOST
    assert recent[0] == "position = 14"
    assert with_recent(recent, "") == recent
