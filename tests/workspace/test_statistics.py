"""Questions about many tiles: answered on a worker, anew when things change, and what is drawn in a plot becomes the filter."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rsviewer.core.review import Verdict
from rsviewer.data.index import TileIndex
from rsviewer.workspace.news import Changed
from rsviewer.workspace.statistics import BarsOf, CountOf, HistogramOf, Statistics
from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    with opened_here(tiny_dataset) as opened:
        yield opened


def finish(workspace: Workspace) -> None:
    while workspace.step():
        pass


def test_an_answer_comes_later_and_tells_so(workspace: Workspace) -> None:
    news: list[Changed] = []
    workspace.subscribe(news.append)
    question = CountOf("split = 'train'")
    assert workspace.statistics.ask("bar", question) is None
    finish(workspace)
    assert Changed.STATISTICS in news
    found = workspace.statistics.ask("bar", question)
    assert found is not None
    assert (found.value, found.is_current) == (4, True)


def test_a_place_that_asks_something_else_forgets_what_it_asked_before(workspace: Workspace) -> None:
    statistics = workspace.statistics
    for typed in ("r", "re", "reviewed"):
        statistics.ask("bar", CountOf(typed))
    finish(workspace)
    assert statistics.ask("bar", CountOf("reviewed")) is not None
    assert statistics.ask("bar", CountOf("re")) is None


@dataclass(frozen=True)
class SlowPlot:
    """A question that takes until somebody lets it go."""

    go: threading.Event

    def answer(self, index: TileIndex) -> int:
        self.go.wait(60)
        return len(index)

    @property
    def uses(self) -> tuple[tuple[str, ...], str]:
        return (), ""


def test_who_types_a_filter_does_not_wait_for_a_plot(workspace: Workspace) -> None:
    go, counted = threading.Event(), threading.Event()
    statistics = Statistics(
        workspace.index, lambda: "", lambda _: None, lambda _: counted.set(), notify=lambda _: None, threads=1
    )
    statistics.ask("plot", SlowPlot(go))
    statistics.ask("bar", CountOf("split = 'train'"))
    was_counted = counted.wait(30)
    go.set()
    statistics.close()
    assert was_counted
    found = statistics.ask("bar", CountOf("split = 'train'"))
    assert found is not None
    assert found.value == 4


def test_what_cannot_be_answered_says_why(workspace: Workspace) -> None:
    workspace.statistics.ask("bar", CountOf("nosuch > 3"))
    finish(workspace)
    found = workspace.statistics.ask("bar", CountOf("nosuch > 3"))
    assert found is not None
    assert found.value is None
    assert "There is no column 'nosuch'" in found.why


def test_a_decision_makes_only_answers_about_decisions_old(workspace: Workspace) -> None:
    statistics = workspace.statistics
    statistics.ask("bar", CountOf("reviewed"))
    statistics.ask("plot", BarsOf("split"))
    finish(workspace)
    workspace.set_verdict(Verdict.GOOD)
    old = statistics.ask("bar", CountOf("reviewed"))
    assert old is not None
    assert (old.value, old.is_current) == (0, False)
    plot = statistics.ask("plot", BarsOf("split"))
    assert plot is not None
    assert plot.is_current
    finish(workspace)
    new = statistics.ask("bar", CountOf("reviewed"))
    assert new is not None
    assert (new.value, new.is_current) == (1, True)


def test_measuring_makes_histograms_current(workspace: Workspace) -> None:
    question = HistogramOf(("ndsm_max",))
    workspace.statistics.ask("plot", question)
    finish(workspace)
    before = workspace.statistics.ask("plot", question)
    assert before is not None
    assert before.value is not None
    assert before.value.range.known == 0
    workspace.finding.measure()
    finish(workspace)
    after = workspace.statistics.ask("plot", question)
    assert after is not None
    assert after.value is not None
    assert after.value.range.known == 5  # one file is cut short


def test_what_is_drawn_narrows_the_filter_and_drawn_again_replaces_itself(workspace: Workspace) -> None:
    statistics, finding = workspace.statistics, workspace.finding
    finding.choose("group = 'a'", "")
    statistics.narrow(finding.filter, "position between 1 and 2")
    assert finding.filter == "(group = 'a') and (position between 1 and 2)"
    assert len(workspace.queue) == 2
    statistics.narrow(finding.filter, "position between 3 and 3")
    assert finding.filter == "(group = 'a') and (position between 3 and 3)"
    statistics.narrow(finding.filter, "split = 'test'")
    assert finding.filter == "((group = 'a') and (position between 3 and 3)) and (split = 'test')"


def test_the_texts_of_a_column_are_looked_up_when_they_are_asked_for(workspace: Workspace) -> None:
    assert workspace.statistics.values_of("split") == ()
    finish(workspace)
    assert workspace.statistics.values_of("split") == ("train", "test")
