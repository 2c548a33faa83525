"""The page of the checks: it says what was found, shows where, and no name can spoil it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch import checking
from rsviewer.batch.checking import Checked, Result, check_all, results_of
from rsviewer.batch.checkreport import CheckReport, illustrate_result, make_report, to_html, write_check_report
from rsviewer.batch.crew import Here
from rsviewer.batch.remarks import Failure
from rsviewer.core.checks import BY_ID
from rsviewer.core.checks.suspicion import Examined, Reason, Trait
from rsviewer.core.errors import SaveError
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from tests.planting import mislabel

EVIL = TileId("<script>alert('x')</script>\u202e\n")
CHECKS = [BY_ID[check] for check in ("unreadable", "missing_layer", "unknown_class")]


class Words(HTMLParser):
    """All tags, what they load, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def checked(tiny_dataset: Path) -> Iterator[tuple[Dataset, TileIndex, Checked]]:
    mislabel(tiny_dataset / "a" / "gt_ss_mask" / "1.tif")
    dataset, adapter = open_dataset(tiny_dataset)
    index = TileIndex.open(None, dataset, adapter)
    index.build()
    yield dataset, index, check_all(dataset, index, checks=CHECKS, crew=Here(), refuted={})
    index.close()


def page_of(dataset: Dataset, index: TileIndex, failed: list[Failure]) -> CheckReport:
    results = results_of(index, index.select())
    return make_report(dataset, index, results, failed, chosen="", when="2026-11-21 10:00", program="rsviewer")


def test_the_page_counts_what_was_found_and_says_why(checked: tuple[Dataset, TileIndex, Checked]) -> None:
    dataset, index, _ = checked
    words = Words(to_html(page_of(dataset, index, [])))

    assert "6tiles checked" in words.text
    assert "3suspicious" in words.text
    for tile, check in (("b/2", "unreadable"), ("b/3", "missing_layer"), ("a/1", "unknown_class")):
        assert tile in words.text
        assert BY_ID[check].title in words.text
    assert "train" in words.text


def test_of_millions_of_tiles_only_the_worst_are_read(
    checked: tuple[Dataset, TileIndex, Checked], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, index, _ = checked
    whole = list(results_of(index, index.select()))
    read: list[int] = []
    names_of = index.names_of
    monkeypatch.setattr(index, "names_of", lambda places: read.append(len(places)) or names_of(places))

    results = results_of(index, index.select())
    assert (len(results), results.suspicious) == (6, 3)
    assert results.by_check == Counter(reason.check for each in whole for reason in each.reasons)
    assert sum(results.by_split.values()) == 3
    assert read == []
    assert results.worst(2) == whole[:2]
    assert results.worst(10) == whole[:3], "the others are not suspicious"
    assert read == [2, 3]
    monkeypatch.setattr(checking, "RESULTS_AT_ONCE", 2)
    assert list(results) == whole
    assert [len(each.reasons) > 0 for each in whole] == [True, True, True, False, False, False]


def test_the_page_loads_nothing(checked: tuple[Dataset, TileIndex, Checked]) -> None:
    dataset, index, _ = checked
    words = Words(to_html(page_of(dataset, index, [])))

    assert words.loaded
    assert all(source.startswith("data:image/") for source in words.loaded)
    assert not {"script", "link", "iframe"} & set(words.tags)


def test_what_is_suspected_is_marked_in_the_picture_of_its_layer(checked: tuple[Dataset, TileIndex, Checked]) -> None:
    dataset, index, _ = checked
    result = next(each for each in results_of(index, index.select()) if each.tile == "a/1")
    entry = index.entry(index.ordinals_of([result.tile])[result.tile])
    marked = illustrate_result(entry, result, dataset)
    plain = illustrate_result(
        entry, Result(result.tile, 0.9, (Reason("no_such", 1, 1, 1, layer="landcover"),)), dataset
    )

    (one,) = [picture for picture in marked.pictures if picture.caption == "land cover"]
    (other,) = [picture for picture in plain.pictures if picture.caption == "land cover"]
    changed = np.argwhere((one.pixels != other.pixels).any(-1))
    assert len(changed)
    assert (changed >= (3, 7)).all()
    assert (changed <= (12, 16)).all()


def test_names_of_strangers_are_words_and_nothing_else(checked: tuple[Dataset, TileIndex, Checked]) -> None:
    dataset, index, _ = checked
    report = page_of(dataset, index, [Failure(EVIL, "It <b>broke</b>.")])
    reason = Reason("unreadable", 1.0, 0.5, 0.9, "<i>bad</i>", layer=str(EVIL))
    report = CheckReport(
        dataset,
        str(EVIL),
        np.array([0.9], np.float32),
        {"unreadable": 1},
        [Result(EVIL, 0.9, (reason,))],
        (),
        report.failed,
        {str(EVIL): (3, 1)},
        (),
        {},
        "now",
        "rsviewer",
    )
    words = Words(to_html(report))

    assert "script" not in words.tags
    assert not {"b", "i"} & set(words.tags[words.tags.index("section") :])
    assert "It <b>broke</b>." in words.text
    assert "\u202e" not in words.text


def test_nothing_that_exists_is_overwritten(checked: tuple[Dataset, TileIndex, Checked], tmp_path: Path) -> None:
    dataset, index, _ = checked
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(SaveError):
        write_check_report(path, page_of(dataset, index, []))

    assert path.read_text() == "mine"


def test_a_page_can_be_made_of_a_dataset_without_a_result(tiny_dataset: Path) -> None:
    dataset, adapter = open_dataset(tiny_dataset)
    index = TileIndex.open(None, dataset, adapter)
    index.build()
    words = Words(to_html(page_of(dataset, index, [])))
    index.close()

    assert "0tiles checked" in words.text


def test_layers_go_by_their_titles(checked: tuple[Dataset, TileIndex, Checked]) -> None:
    dataset, index, _ = checked
    report = page_of(dataset, index, [])
    reason = Reason("unknown_class", 9.0, 5.0, 0.9, "9 px have values that are no class", layer="landcover")
    words = Words(to_html(replace(report, worst=[replace(each, reasons=(reason,)) for each in report.worst])))

    assert f"{BY_ID['unknown_class'].title}: land cover: 9 px have" in words.text
    assert "landcover" not in words.text


def test_pairs_are_said_once_and_nobody_looks_for_them_by_name(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, adapter = open_dataset(tiny_dataset)
    index = TileIndex.open(None, dataset, adapter)
    index.build()
    same: dict[str, Trait] = {"digest": 7}
    names = ("a/1", "a/2", "b/1", "b/2")
    index.checks.record([Examined(TileId(name), traits=same, milliseconds={"duplicate": 1.0}) for name in names])
    index.checks.judge({})
    monkeypatch.setattr(index, "ordinal_of", None)  # a look at all names, in an index of millions
    report = page_of(dataset, index, [])
    index.close()

    pairs = [(tile, other) for tile, others in report.pairs["duplicate"] for other in others]
    assert len(pairs) == 6
    assert {frozenset(pair) for pair in pairs} == {frozenset(pair) for pair in combinations(names, 2)}
    words = Words(to_html(replace(report, counts={"split_leak": 1234}))).text
    assert "1,234both in training and held out" in words, "however few of them are named"
