"""The book of scores lies in a project, which may come from a stranger: nothing in it holds the work up or leads out of it."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import SaveError
from rsviewer.core.linemetrics import LineScores
from rsviewer.core.metrics import label_scores
from rsviewer.core.objectmetrics import ObjectScores
from rsviewer.core.prediction import Score
from rsviewer.core.tile import TileId
from rsviewer.data import scorebook
from rsviewer.data.scorebook import NAME, RULES, ScoreBook, TileRecord

REFERENCES = {"labels": "landcover"}


def record_of(tile: str = "a/1") -> TileRecord:
    table = np.array([[5, 1], [2, 7]], np.int64)
    return TileRecord(TileId(tile), REFERENCES, labels=label_scores(table), scene=(Score("town", 0.9),))


def tiles(folder: Path) -> list[str]:
    with ScoreBook(folder) as book:
        return [record.tile for record in book.records(REFERENCES)]


def line_of(**parts: Any) -> str:
    return json.dumps({"tile": "a/1", "rules": RULES, "references": REFERENCES, **parts}) + "\n"


def test_what_is_written_down_is_read_again_the_last_of_a_tile(tmp_path: Path) -> None:
    with ScoreBook(tmp_path) as book:
        for tile in ("a/1", "a/2", "a/1"):
            book.add(record_of(tile))
        assert [record.tile for record in book.records(REFERENCES)] == ["a/2", "a/1"]
        found = next(book.records(REFERENCES))
    assert found.labels is not None
    assert found.labels.confusion.tolist() == [[5, 1], [2, 7]]
    assert found.scene == (Score("town", 0.9),)


def test_what_is_none_of_the_classes_is_remembered(tmp_path: Path) -> None:
    table = np.array([[0, 0, 0], [1, 5, 0], [0, 0, 3]], np.int64)
    with ScoreBook(tmp_path) as book:
        book.add(TileRecord(TileId("a/1"), REFERENCES, labels=label_scores(table, 0)))
        (found,) = book.records(REFERENCES)
    assert found.labels is not None
    assert found.labels.none == 0
    assert found.labels.miou == pytest.approx((5 / 6 + 1) / 2)


def test_lines_are_read_as_they_were_counted(tmp_path: Path) -> None:
    lines = LineScores({"road": (5, 9, 3, 4), "river": (0, 0, 0, 0)})
    with ScoreBook(tmp_path) as book:
        book.add(TileRecord(TileId("a/1"), REFERENCES, lines=lines))
        (found,) = book.records(REFERENCES)
    assert found.lines == lines


def test_objects_are_read_as_they_were_counted(tmp_path: Path) -> None:
    objects = ObjectScores({"vessel": tuple((place, 1, 10 - place) for place in range(11))})
    with ScoreBook(tmp_path) as book:
        book.add(TileRecord(TileId("a/1"), REFERENCES, objects=objects))
        (found,) = book.records(REFERENCES)
    assert found.objects == objects


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this system cannot refuse to follow a link")
def test_nothing_is_ever_appended_to_a_file_that_a_link_leads_to(tmp_path: Path) -> None:
    """A project from a stranger could lead to the start-up file of the user's shell, and names of tiles are a stranger's."""
    users = tmp_path / "profile"
    users.write_text("export EDITOR=vi\n")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / NAME).symlink_to(users)

    with ScoreBook(folder) as book, pytest.raises(SaveError, match="is no plain file"):
        book.add(record_of("$(touch evil)"))
    assert users.read_text() == "export EDITOR=vi\n"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("put", [pipe, loop, Path.mkdir])
def test_what_is_no_plain_file_is_no_book_and_nobody_waits_for_it(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / NAME)

    assert tiles(tmp_path) == []
    with ScoreBook(tmp_path) as book, pytest.raises(SaveError, match="is no plain file"):
        book.add(record_of())


def test_a_line_without_end_takes_no_memory_and_the_next_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorebook, "MOST_LINE", 10_000)
    with ScoreBook(tmp_path) as book:
        book.add(record_of("before"))
        with (tmp_path / NAME).open("ab") as file:
            file.write(b"[" * 20_000_000 + b"\n")
        book.add(record_of("after"))
        tracemalloc.start()
        try:
            assert [record.tile for record in book.records(REFERENCES)] == ["before", "after"]
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "parts",
    [
        {"labels": []},
        {"labels": [[]]},
        {"labels": [[1, 2]]},
        {"labels": [[1e300]]},
        {"labels": "many"},
        {"labels": [[1]], "labels_none": "first"},
        {"heights": {}},
        {"heights": {"regions": []}},
        {"agreement": {"cells": [10**9], "counts": [1], "bins": [], "errors": [], "absolute": []}},
        {"agreement": {"cells": [0], "counts": [10**30], "bins": [], "errors": [], "absolute": []}},
        {"agreement": {"cells": [0], "counts": [-1], "bins": [], "errors": [], "absolute": []}},
        {"scene": 7},
        {"scene": [["town", "often"]]},
        {"scene": [["town", None]]},
        {"lines": {"road": [1, 2, 3]}},
        {"lines": ["road"]},
        {"objects": {"vessel": [1, 2, 3]}},
        {"objects": {"vessel": [[1, 2, 3]]}},
    ],
    ids=str,
)
def test_a_line_that_this_program_never_wrote_is_passed_over(tmp_path: Path, parts: dict[str, Any]) -> None:
    (tmp_path / NAME).write_text(line_of(**parts) + line_of(tile="whole"))

    assert tiles(tmp_path) == ["whole"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(kind=st.sampled_from(["labels", "heights", "agreement", "scene"]), value=json_values)
def test_no_line_stops_the_reading(kind: str, value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("book")
    (folder / NAME).write_text(line_of(**{kind: value}) + line_of(tile="whole"))

    assert tiles(folder)[-1:] == ["whole"]


@given(junk=st.binary(max_size=200))
def test_no_bytes_stop_the_reading(junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("book")
    (folder / NAME).write_bytes(junk + b"\n" + line_of(tile="whole").encode())

    assert tiles(folder) == ["whole"]
