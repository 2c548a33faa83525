from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.core.review import Decision, Region, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.decisions import DecisionStore, Edit
from rsviewer.data.project import Project

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("unchanged")


def decisions(run: Run, dataset: Path) -> dict[str, tuple[str, list[str], str]]:
    rows = run("decisions", dataset, "--json").document
    return {row["tile"]: (row["verdict"], row["tags"], row["note"]) for row in rows}


def test_what_is_said_about_several_tiles_is_kept(run: Run, dataset: Path) -> None:
    done = run(
        "flag", dataset, "a", "b", "--verdict", "drop", "--tag", "void", "--tag", "cloud", "--note", "grün", "--json"
    )

    assert (done.code, done.err) == (0, "")
    assert [row["tile"] for row in done.document] == ["a", "b"]
    assert all(set(row) == {"tile", "verdict", "tags", "regions", "note", "reviewer", "time"} for row in done.document)
    assert decisions(run, dataset) == dict.fromkeys("ab", ("drop", ["cloud", "void"], "grün"))


def test_only_what_is_named_changes(run: Run, dataset: Path) -> None:
    run("flag", dataset, "a", "--verdict", "drop", "--tag", "cloud", "--note", "why")
    run("flag", dataset, "a", "--tag", "blur", "--untag", "cloud")
    assert decisions(run, dataset)["a"] == ("drop", ["blur"], "why")

    run("flag", dataset, "a", "--note", "")
    assert decisions(run, dataset)["a"] == ("drop", ["blur"], "")


def test_clear_takes_everything_but_the_note_and_the_rest_comes_after_it(run: Run, dataset: Path) -> None:
    with Project.open(dataset) as project, DecisionStore.open(project.decisions_path) as store:
        marked = Decision(Verdict.DROP, ("cloud",), (Region("cloud", ((0, 0), (4, 4))),), "why", "me", "2026-01-01")
        store.apply(Edit(TileId("a"), Decision(), marked))

    done = run("flag", dataset, "a", "--clear", "--tag", "blur", "--json")

    (row,) = done.document
    assert (row["verdict"], row["tags"], row["regions"], row["note"]) == ("undecided", ["blur"], [], "why")


def test_who_decided_and_when_is_kept_unless_nothing_changed(run: Run, dataset: Path) -> None:
    run("flag", dataset, "a", "--verdict", "good", "--reviewer", "Ada")
    again = run("flag", dataset, "a", "--verdict", "good", "--reviewer", "Bob", "--json")

    assert again.document[0]["reviewer"] == "Ada"
    assert run("flag", dataset, "a", "b", "--verdict", "good").out == "1 of 2 tiles changed.\n"


def test_tiles_come_from_stdin_too(run: Run, dataset: Path) -> None:
    done = run("flag", dataset, "d", "-", "--verdict", "good", "--json", stdin="b\n\n  c \nb\n")

    assert [row["tile"] for row in done.document] == ["d", "b", "c"]
    assert "stdin was empty" in run("flag", dataset, "-", "--verdict", "good").err


def test_one_unknown_tile_and_nothing_changes(run: Run, dataset: Path) -> None:
    done = run("flag", dataset, "a", "ghots", "--verdict", "drop", "--json")

    assert (done.code, done.out) == (2, "")
    assert "There is no tile ghots (near: ghost). Nothing was changed." in done.err
    assert decisions(run, dataset) == {}


def test_many_unknown_tiles_are_counted(run: Run, dataset: Path) -> None:
    done = run("flag", dataset, *[f"x{number}" for number in range(8)], "--verdict", "drop")

    assert "and 3 more" in done.err
    assert done.err.count("\n") == 1


def test_a_tag_that_looks_like_a_slip_is_remarked_and_kept(run: Run, dataset: Path) -> None:
    done = run("flag", dataset, "a", "--tag", "clowd", "--json")

    assert done.code == 0
    assert done.err == "rsviewer: clowd is none of your tags. Did you mean cloud?\n"
    assert done.document[0]["tags"] == ["clowd"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a"], "--verdict, --tag, --untag, --note or --clear is needed"),
        (["a", "--verdict", "bad"], "'bad' is not one of 'undecided', 'good', 'drop'"),
        (["a", "--tag", " "], "a tag cannot be empty"),
        (["--verdict", "good"], "Missing"),
    ],
)
def test_nothing_to_say_is_a_mistake(run: Run, dataset: Path, words: list[str], said: str) -> None:
    done = run("flag", dataset, *words)

    assert done.code == 2
    assert said in done.err


def test_beside_a_window_it_is_said_who_has_the_project(run: Run, dataset: Path) -> None:
    with Project.open(dataset):
        done = run("flag", dataset, "a", "--verdict", "drop")

    assert done.code == 2
    assert "is being written to by" in done.err


def test_what_was_flagged_can_be_taken_back_in_the_window(run: Run, dataset: Path) -> None:
    run("flag", dataset, "a", "b", "--verdict", "drop")

    with Project.open(dataset) as project, DecisionStore.open(project.decisions_path) as store:
        assert [edit.tile for edit in store.history().done] == ["a", "b"]
