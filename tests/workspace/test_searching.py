"""Finding tiles by what their captions say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rsviewer.workspace.workspace import Workspace
from tests.workspace.dated import dated_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with dated_workspace(tmp_path) as made:
        yield made


def found(workspace: Workspace, words: str) -> list[str]:
    workspace.finding.look_for(words)
    return [workspace.finding.entry_at(int(ordinal)).id for ordinal in workspace.queue.ordinals]


def test_captions_are_searched_whatever_the_case(workspace: Workspace) -> None:
    assert workspace.finding.searchable == ("caption",)
    assert found(workspace, "BRIDGE") == ["1_1", "1_2"]
    assert found(workspace, "bridge road") == ["1_1"]
    assert found(workspace, "devil's") == ["1_1"]
    assert found(workspace, '"a bridge"') == ["1_1", "1_2"]
    assert found(workspace, "tunnel") == []
    assert workspace.finding.why_empty == "No tile has 'tunnel' in its texts."
    assert found(workspace, "") == ["1_1", "1_2"]


def test_a_search_and_a_filter_hold_together(workspace: Workspace) -> None:
    workspace.finding.choose("name = '1_2'", "")
    assert found(workspace, "bridge") == ["1_2"]
    assert found(workspace, "road") == []
    assert workspace.finding.filter == "name = '1_2'"


def test_going_to_a_tile_that_the_search_hides_ends_the_search(workspace: Workspace) -> None:
    assert found(workspace, "road") == ["1_1"]
    workspace.start_at("1_2")
    assert workspace.tile == "1_2"
    assert workspace.finding.search == ""
