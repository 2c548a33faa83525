"""What checks say in the tile index: filed by name, judged as a whole, asked for by filters, kept over rebuilds."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import duckdb
import numpy as np
import pytest

from rsviewer.core.checks import crowd
from rsviewer.core.checks.check import Check, Topic
from rsviewer.core.checks.suspicion import Examined, Note, Trait
from rsviewer.core.errors import FilterError, StoppedError
from rsviewer.core.filters import ColumnType
from rsviewer.core.review import Decision
from rsviewer.core.tile import TileId
from rsviewer.data import indexchecks
from rsviewer.data.adapter import Fact
from rsviewer.data.index import TileIndex
from tests.data.listed import Open


def made_up(name: str, least: float, spread: float | None = None, most: float = float("inf")) -> Check:
    return Check(
        name, name.title(), Topic.IMAGES, "px", "how much.", "other", least, "a test", spread, most, run=lambda _: ()
    )


HAZE, SHIFT = made_up("haze", 10.0), made_up("shift", 1.0, spread=6.0, most=8.0)
CHECKS = (HAZE, SHIFT, *crowd.CHECKS)


@pytest.fixture(autouse=True)
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexchecks, "CHECKS", CHECKS)


def examined(
    tile: str,
    traits: Mapping[str, Trait] | None = None,
    ran: Sequence[str] = ("haze", "shift"),
    failed: str = "",
    **scores: float,
) -> Examined:
    """A tile with scores; a check that scored something has a note."""
    notes = {check: Note(f"{score:g} of {check}", "image") for check, score in scores.items()}
    return Examined(TileId(tile), scores, notes, traits or {}, dict.fromkeys(ran, 1.0), failed)


def tile(name: str) -> TileId:
    return TileId(name)


def tables_of(index: TileIndex) -> list[tuple[str]]:
    with index._cursor() as cursor:
        return cursor.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall()


def names(index: TileIndex) -> list[str]:
    return [column.name for column in index.columns()]


def test_the_most_suspicious_tile_comes_first_and_says_why(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    index.checks.record(
        [examined("a", haze=5.0, shift=0.1), examined("b", haze=30.0), examined("c", haze=20.0, shift=9.0)]
    )

    judged = index.checks.judge({})

    assert (judged.tiles, judged.suspicious, judged.by_check) == (3, 2, {"haze": 2, "shift": 1})
    assert index.select("", "suspicion desc").tolist() == [2, 1, 0]
    first, second = index.checks.reasons(tile("c"))
    assert (first.check, first.score, first.threshold, first.message, first.layer) == (
        "shift",
        9.0,
        1.0,
        "9 of shift",
        "image",
    )
    assert second.check == "haze"
    assert first.certainty > second.certainty > 0.5
    assert index.checks.reasons(tile("a")) == ()
    suspicion = index.checks.suspicion(tile("b"))
    assert suspicion == pytest.approx(1 / (1 + 3.0**-4))
    assert index.checks.suspicions().tolist() == [pytest.approx(1 / 17), suspicion, index.checks.suspicion(tile("c"))]


def test_filters_ask_for_scores_suspects_and_what_was_examined(open_index: Open) -> None:
    index = open_index("a", "b", "c", "d")
    index.checks.record([examined("a", haze=20.0, shift=3.0), examined("b", haze=0.0), examined("c", ran=("haze",))])
    assert index.select("examined").tolist() == [0, 1, 2]
    assert index.select("suspicion is null").tolist() == [0, 1, 2, 3]

    index.checks.judge({})

    assert index.select("suspects = 'haze'").tolist() == [0]
    assert index.select("suspects in ('shift', 'haze')").tolist() == [0]
    assert index.select("suspects is null").tolist() == [1, 2, 3]
    assert index.select("check_haze < 5").tolist() == [1]
    assert index.select("check_haze is null").tolist() == [2, 3], "c: the check applies to nothing there"
    assert index.select("not examined and suspicion is null").tolist() == [3]
    assert index.facets("suspicion >= 0.5").total == 1
    with pytest.raises(FilterError):
        index.select("suspects = 'fog'")


def test_nothing_is_offered_before_anything_was_examined(open_index: Open) -> None:
    index = open_index("a")
    assert not {"suspicion", "suspects", "refuted", "examined", "check_haze"} & set(names(index))
    index.checks.record([examined("a", haze=1.0)])
    assert {"suspicion", "suspects", "refuted", "examined", "check_haze"} <= set(names(index))
    assert "check_shift" not in names(index), "it applies to nothing"
    of_haze = next(column for column in index.columns() if column.name == "check_haze")
    assert (of_haze.type, of_haze.help) == (ColumnType.NUMBER, "Haze, px: how much.")
    assert "check_haze" in names(open_index("a", build=False))


def test_how_many_tiles_were_not_examined_is_said_of_columns_of_checks_only(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    index.checks.record([examined("a", haze=1.0)])
    assert index.unexamined(["suspicion", "group"]) == 2
    assert index.unexamined(["group", "no such"]) == 0


# --- which checks were run


def test_checks_may_be_run_one_after_the_other(open_index: Open) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("a", {"digest": 5}, ran=("haze", "duplicate"), haze=20.0)])
    assert index.checks.known(["haze"]).tolist() == [True, False]
    assert index.checks.known(["haze", "shift"]).tolist() == [False, False]
    assert index.checks.known(["duplicate", "haze"]).tolist() == [True, False]

    index.checks.record([examined("a", ran=("shift",), shift=3.0)])

    assert index.checks.known(["haze", "shift", "split_leak"]).tolist() == [True, False]
    index.checks.judge({})
    assert {reason.check: reason.message for reason in index.checks.reasons(tile("a"))} == {
        "haze": "20 of haze",
        "shift": "3 of shift",
    }


def test_a_check_that_is_run_again_replaces_what_it_said(open_index: Open) -> None:
    index = open_index("a")
    index.checks.record([examined("a", haze=20.0, shift=2.0)])
    index.checks.record([examined("a", haze=1.0), examined("a", haze=15.0)])
    index.checks.judge({})
    (reason,) = index.checks.reasons(tile("a"))
    assert (reason.check, reason.message) == ("haze", "15 of haze")
    assert index.select("check_shift is null").tolist() == [0], "it ran again, and applied to nothing"


def test_a_tile_that_could_not_be_examined_is_not_asked_for_again(open_index: Open) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("a", ran=(), failed="The program ended.", haze=20.0)])
    assert index.checks.known([check.id for check in CHECKS]).tolist() == [True, False]
    index.checks.judge({})
    assert index.checks.reasons(tile("a"))[0].message == "20 of haze"


def test_scores_by_other_rules_are_forgotten(open_index: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    index = open_index("a")
    index.checks.record([examined("a", haze=20.0)])
    index.checks.judge({})
    monkeypatch.setattr(indexchecks, "RULES", indexchecks.RULES + 1)
    index = open_index("a", build=False)
    assert not index.checks.known(["haze"]).any()
    assert "suspicion" not in names(index)
    assert len(index) == 1, "the tiles are known all the same"


def test_a_check_that_is_new_in_the_program_gets_its_column(open_index: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_index("a").checks.record([examined("a", haze=20.0)])
    monkeypatch.setattr(indexchecks, "CHECKS", (*CHECKS, made_up("fog", 1.0)))
    index = open_index("a", build=False)
    assert index.checks.known(["haze", "shift"]).all()
    assert not index.checks.known(["haze", "fog"]).any()
    index.checks.record([examined("a", ran=("fog",), fog=3.0)])
    assert index.select("check_fog > 2 and check_haze > 2").tolist() == [0]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0, 1e300])
def test_odd_scores_end_in_a_suspicion(open_index: Open, score: float) -> None:
    index = open_index("a")
    index.checks.record([examined("a", haze=score)])
    index.checks.judge({})
    assert index.checks.suspicion(tile("a")) == (1.0 if score > 1 else 0.0)


# --- thresholds


def test_what_is_usual_is_estimated_by_group_and_shown(open_index: Open) -> None:
    tiles = [f"{group}/{k:02d}" for group in ("calm", "wild") for k in range(40)] + ["few/1"]
    index = open_index(*tiles)
    dice = np.random.default_rng(0)
    spread = {"calm": 0.2, "wild": 0.6, "few": 0.2}
    index.checks.record(
        [examined(name, haze=1.0, shift=abs(float(dice.normal(0, spread[name.split("/")[0]])))) for name in tiles]
    )
    index.checks.judge({})
    index.checks.record([examined("calm/07", shift=2.1), examined("wild/07", shift=2.1)])
    index.checks.judge({})

    limits = {(limit.check, limit.group): limit for limit in index.checks.thresholds()}
    assert list(limits) == [("haze", ""), ("shift", ""), ("shift", "calm"), ("shift", "wild")]
    assert limits["shift", "wild"].value > 2.1 > limits["shift", "calm"].value >= SHIFT.least
    assert limits["shift", "wild"].tiles == 40
    assert limits["shift", ""].tiles == 81
    assert limits["haze", ""].tiles == 0
    assert index.select("suspects = 'shift'").tolist() == [7]
    assert open_index(*tiles, build=False).checks.thresholds() == tuple(limits.values())


# --- refuted


def test_a_refuted_check_counts_for_nothing_at_once(open_index: Open) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("a", haze=20.0, shift=3.0), examined("b", haze=12.0)])
    index.checks.judge({})

    index.checks.refute(tile("a"), ["haze", "shift"])

    assert index.checks.suspicion(tile("a")) == 0
    assert [(reason.check, reason.refuted) for reason in index.checks.reasons(tile("a"))] == [
        ("shift", True),
        ("haze", True),
    ]
    assert index.select("", "suspicion desc").tolist() == [1, 0]
    index.checks.refute(tile("a"), ["shift"])
    assert [(reason.check, reason.refuted) for reason in index.checks.reasons(tile("a"))] == [
        ("haze", False),
        ("shift", True),
    ]
    assert index.select("suspects = 'haze'").tolist() == [0, 1]
    assert not index.select("suspects = 'shift'").size
    index = open_index("a", "b", build=False)
    assert [reason.check for reason in index.checks.reasons(tile("a")) if reason.refuted] == ["shift"]


def test_what_was_refuted_before_and_meanwhile_counts_in_a_judgement(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    index.checks.record([examined(name, haze=20.0) for name in "abc"])

    def meanwhile() -> bool:
        index.checks.refute(tile("b"), ["haze"])
        index.checks.flush()
        return False

    index.checks.judge({tile("a"): ["haze"], tile("gone"): ["haze"], tile("c"): ["no such check"]}, stop=meanwhile)

    assert index.select("suspicion > 0.5").tolist() == [2]
    assert index.checks.reasons(tile("a"))[0].refuted


def test_what_people_have_refuted_is_asked_of_their_decisions(open_index: Open) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("a", haze=1.0)])
    index.set_review(tile("b"), Decision(refuted=("haze",)))
    assert index.select("refuted = 'haze'").tolist() == [1]
    index.load_reviews({tile("a"): Decision(refuted=("haze",))})
    assert index.select("refuted = 'haze'").tolist() == [0]


# --- the whole dataset


def test_the_next_session_knows_the_counts_and_what_was_refuted_last(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    index.checks.record([examined("a", haze=20.0), examined("b", haze=30.0, shift=9.0), examined("c", haze=0.0)])
    index.checks.judge({tile("a"): ("haze",)})
    index.checks.refute(tile("b"), ["haze"])  # and the program ends before anything asked for it

    index = open_index("a", "b", "c", build=False)
    said = {tile("b"): ("haze",)}
    index.checks.catch_up(said)  # that of a was taken back meanwhile

    assert [reason.refuted for reason in index.checks.reasons(tile("b"))] == [False, True]
    assert [reason.refuted for reason in index.checks.reasons(tile("a"))] == [False]
    counts = index.checks.counts()
    assert (counts.tiles, counts.suspicious, counts.by_check) == (3, 2, {"haze": 1, "shift": 1})
    assert counts == index.checks.judge(said)


def test_tiles_of_a_run_that_was_broken_off_are_known_not_to_be_judged(open_index: Open) -> None:
    index = open_index("a", "b")
    assert index.checks.is_empty
    index.checks.record([examined("a", haze=20.0)])
    index.checks.judge({})
    index.checks.record([examined("b", haze=20.0)])

    assert not index.checks.is_empty
    assert index.checks.is_behind
    assert index.checks.of(tile("b"))[0] is None
    index.checks.judge({})
    assert not index.checks.is_behind

    index.checks.record([examined("b", haze=1.0)])
    assert index.checks.is_behind, "it is judged by what was found before"
    index = open_index("a", "b", build=False)
    assert index.checks.is_behind
    index.checks.judge({})
    assert not index.checks.is_behind

    index.checks.record([examined("c", haze=1.0)])
    index.checks.judge({})
    index = open_index("a", "b", "c")
    assert index.checks.is_behind, "c was found again"


def picture(digest: int) -> dict[str, Trait]:
    return {"digest": digest, "phash": digest << 40 | digest * 977, "texture": 20.0}


def test_many_tiles_say_the_same_together_as_one_by_one(open_index: Open) -> None:
    index = open_index(*(f"t{k}" for k in range(6)), "unexamined")
    same = {"digest": 7}
    tiles = [examined(f"t{k}", same, ("haze", "shift", "duplicate"), haze=10.0 * k, shift=6 - k) for k in range(6)]
    index.checks.record(tiles)
    index.checks.judge({tile("t1"): ("shift",)})
    index.checks.refute(tile("t3"), ("haze",))
    places = [5, 6, 0, 3, 1]
    found = index.checks.reasons_of(places)
    assert found == [index.checks.reasons(index.entry(place).id) for place in places]
    assert found[1] == ()
    assert [reason.check for reason in found[4] if reason.refuted] == ["shift"]
    assert any(reason.message.startswith("the same picture as t") for reason in found[0])
    assert index.checks.reasons_of([]) == []
    counts = index.checks.tally(np.array(places))
    assert counts["haze"] == 2, "t0 has none, t3 is refuted"
    assert counts["duplicate"] == 4
    assert index.checks.tally(np.zeros(0, np.int32)) == {}
    assert index.names_of(np.array(places)) == ["t5", "unexamined", "t0", "t3", "t1"]
    with pytest.raises(IndexError):
        index.names_of(np.array([0, 99]))
    assert index.splits_among(np.array([0, 5, 6])) == {"test": 2, "train": 1}


def test_duplicates_name_their_partners(open_index: Open) -> None:
    index = open_index("a", "b", "t\udce4")
    index.checks.record([examined("a", picture(7)), examined("b", picture(8)), examined("t\udce4", picture(7))])

    judged = index.checks.judge({})

    assert judged.by_check == {"duplicate": 2, "split_leak": 2}
    assert index.checks.partners(tile("a")) == {"duplicate": ("t\udce4",), "split_leak": ("t\udce4",)}
    said = {reason.check: reason.message for reason in index.checks.reasons(tile("a"))}
    assert said["duplicate"] == "the same picture as t\\xe4"
    assert index.select("check_duplicate > 0").tolist() == [0, 2]
    assert index.select("check_duplicate = 0").tolist() == [1]
    index.checks.refute(tile("a"), ["duplicate"])
    assert index.select("suspects = 'duplicate'").tolist() == [2]
    assert index.checks.reasons(tile("a"))[-1].message == "the same picture as t\\xe4"


def counting(index: TileIndex, name: str) -> list[str]:
    """The checks that speak against a tile now."""
    return sorted(reason.check for reason in index.checks.reasons(tile(name)) if reason.counts)


def test_a_duplicate_is_settled_while_all_others_like_it_are_dropped(open_index: Open) -> None:
    index = open_index("a", "b", "c", "d", "t")
    index.checks.record([examined(name, picture(7)) for name in "abct"] + [examined("d", picture(8))])
    index.checks.judge({})

    for name in "bc":
        index.checks.drop(tile(name), is_dropped=True)
    assert counting(index, "a") == ["duplicate", "split_leak"]
    index.checks.drop(tile("t"), is_dropped=True)

    assert [(reason.check, reason.settled, reason.refuted) for reason in index.checks.reasons(tile("a"))] == [
        ("split_leak", True, False),
        ("duplicate", True, False),
    ]
    assert index.checks.suspicion(tile("a")) == 0
    assert index.select("suspects = 'duplicate'").tolist() == [1, 2, 4]
    assert index.select("suspicion >= 0.5").tolist() == [1, 2, 4]
    assert index.checks.counts().by_check == {"duplicate": 3, "split_leak": 1}  # that of t with the one that stays
    index.checks.drop(tile("b"), is_dropped=False)  # undone
    assert counting(index, "a") == ["duplicate"]  # both are for training
    assert index.select("suspects = 'duplicate'").tolist() == [0, 1, 2, 4]


def test_what_is_settled_is_so_after_a_judgement_and_in_the_next_session(open_index: Open) -> None:
    index = open_index("a", "b", "c", "d")
    index.checks.record([examined(name, picture(7 + (name > "b"))) for name in "abcd"])

    def meanwhile() -> bool:
        index.checks.drop(tile("d"), is_dropped=True)
        return False

    judged = index.checks.judge({}, stop=meanwhile, dropped=[tile("b"), tile("gone")])

    assert judged.by_check == {"duplicate": 3}
    assert index.checks.counts().by_check == {"duplicate": 2}
    assert index.select("suspects = 'duplicate'").tolist() == [1, 3]
    index.checks.drop(tile("a"), is_dropped=True)  # and the program ends before anything asked for it
    index = open_index("a", "b", "c", "d", build=False)
    assert (counting(index, "a"), counting(index, "c")) == ([], [])
    index.checks.catch_up({}, dropped=[tile("a"), tile("b")])
    assert [counting(index, name) for name in "abcd"] == [[], [], ["duplicate"], ["duplicate"]]
    assert index.select("suspects = 'duplicate'").tolist() == [2, 3]


def test_of_the_same_pictures_the_first_is_the_least_suspicious(open_index: Open) -> None:
    index = open_index("a", "b", "c", "t")
    index.checks.record([examined(name, picture(7)) for name in "abct"])
    index.checks.judge({})

    assert index.select("", "suspicion desc").tolist() == [1, 2, 3, 0]
    assert index.select("check_duplicate = 1").tolist() == [1, 2, 3]
    assert index.checks.partners(tile("b"))["duplicate"] == ("a", "c", "t")
    together = index.checks.partners_of("duplicate", [3, 1])
    assert together == {place: index.checks.partners(index.entry(place).id)["duplicate"] for place in (1, 3)}
    assert index.checks.partners_of("split_overlap", [3, 1]) == index.checks.partners_of("duplicate", []) == {}


def test_near_duplicates_are_confirmed_by_places_in_the_index(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    one, other = picture(7), {**picture(9), "phash": int(picture(7)["phash"]) ^ 1}
    index.checks.record([examined("a", one), examined("b", picture(8)), examined("c", other)])
    asked: list[tuple[int, int]] = []

    def confirm(pairs: Sequence[tuple[int, int]]) -> list[float]:
        asked.extend(pairs)
        return [0.95]

    index.checks.judge({}, confirm)
    assert asked == [(0, 2)]
    assert index.select("suspects = 'duplicate'").tolist() == [0, 2]


def test_hashes_keep_all_their_bits(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    large = (1 << 64) - 1
    index.checks.record(
        [examined("a", {"digest": large}), examined("b", {"digest": large - 1}), examined("c", {"digest": large})]
    )
    index.checks.judge({})
    assert index.select("check_duplicate > 0").tolist() == [0, 2]


def test_traits_of_all_kinds_come_back(open_index: Open) -> None:
    tiles = [f"{k:02d}" for k in range(40)]
    index = open_index(*tiles)
    index.checks.record(
        [examined(name, {"shares": (1.0, 0.0) if name != "17" else (0.0, 1.0), "shape": "image=8"}) for name in tiles]
    )
    index.checks.record([examined("18", {"shape": "image=9"}), examined("19", {"shares": (1.0, 2.0, 3.0)}, ran=())])
    index.checks.judge({})
    assert index.select("suspects = 'odd_size'").tolist() == [18]
    assert index.select("check_class_shares > 0.8").tolist() == [17]
    assert index.select("check_class_shares is null").tolist() == [19], "another number of classes than usual"
    assert index.checks.reasons(tile("18"))[0].message == "Image is 9, where 8 is usual"


def test_a_fact_of_the_dataset_is_asked(open_index: Open) -> None:
    index = open_index("a", facts=(Fact("note", ColumnType.TEXT, "x"), Fact("similarity", ColumnType.NUMBER, "CLIP")))
    index.checks.record([examined("a")])
    assert index.checks.judge({}).tiles == 1


def test_the_model_that_has_scored_most_tiles_is_asked(open_index: Open) -> None:
    names = [f"{number:03d}" for number in range(300)]
    index = open_index(*names)
    index.checks.record([examined(name) for name in names])
    random = np.random.default_rng(0)
    alike = {tile(name): {"similarity": float(random.normal(0.3, 0.01))} for name in names}
    alike[tile("017")] = {"similarity": 0.1}
    index.record_scores("clip", "f", alike)
    index.record_scores("other", "f", {tile("020"): {"similarity": -1.0}})
    index.checks.judge({})
    assert index.select("check_caption_mismatch > 4").tolist() == [17]


# --- time and again


def test_what_was_found_in_other_files_is_forgotten(open_index: Open) -> None:
    index = open_index("a", "b", "c")
    large = (1 << 64) - 1
    index.checks.record(
        replace(examined(name, picture(7), haze=20.0, shift=9.0), state=state)
        for name, state in {"a": large, "b": 5, "c": 0}.items()
    )
    assert index.checks.states().tolist() == [large, 5, 0]

    index.checks.record(
        replace(examined(name, ran=["haze"], haze=30.0), state=state)
        for name, state in {"a": large - 1, "b": 5, "c": 7}.items()
    )

    assert index.checks.states().tolist() == [large - 1, 5, 7]
    assert index.checks.known(["haze"]).all()
    assert index.checks.known(["shift"]).tolist() == [False, True, True], "c: nobody knows which files these were"
    assert index.checks.known(["duplicate"]).tolist() == [False, True, True]
    index.checks.judge({})
    assert [reason.check for reason in index.checks.reasons(tile("a"))] == ["haze"]
    assert {reason.check for reason in index.checks.reasons(tile("b"))} > {"haze", "shift"}
    index = open_index("0", "a", "b", "c")
    assert index.checks.states().tolist() == [0, large - 1, 5, 7]


def test_an_index_of_a_version_that_knew_no_states_keeps_what_it_knows(open_index: Open) -> None:
    index = open_index("a")
    index.checks.record([examined("a", haze=20.0)])
    with index._cursor() as cursor:
        cursor.execute("ALTER TABLE checked DROP state")
    index = open_index("a", build=False)
    assert index.checks.known(["haze"]).all()
    assert index.checks.states().tolist() == [0]


def test_what_checks_said_outlives_the_scan_the_program_and_the_tiles(open_index: Open) -> None:
    index = open_index("b", "c", "d")
    index.checks.record(
        [*(examined(name, picture(7), haze=20.0 + k) for k, name in enumerate("bcd")), examined("later", haze=50.0)]
    )
    index.checks.judge({tile("d"): ["haze"]})
    before = index.checks.reasons(tile("c"))

    index = open_index("a", "c", "d", "later", build=False)
    index.build()

    assert [r.check for r in index.checks.reasons(tile("c"))] == [r.check for r in before]
    assert index.checks.partners(tile("d")) == {"duplicate": ("c",)}, "b is gone"
    assert index.select("suspicion > 0.5").tolist() == [1, 2]
    assert index.select("suspects = 'haze'").tolist() == [1], "d was refuted"
    assert index.select("check_haze > 0", "check_haze").tolist() == [1, 2, 3]
    assert index.checks.known(["haze"]).tolist() == [False, True, True, True]
    assert index.checks.suspicion(tile("later")) is None
    assert index.checks.judge({}).tiles == 3
    assert index.checks.suspicion(tile("later")) is not None


def test_a_build_that_was_interrupted_before_the_last_step_is_made_good(open_index: Open, tmp_path: Path) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("b", haze=20.0)])
    index.checks.judge({})
    index.close()
    with duckdb.connect(str(tmp_path / "index.duckdb")) as connection:
        connection.execute("UPDATE tiles SET ordinal = 1 - ordinal")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('moved', 'yes')")
    assert open_index("a", "b", build=False).select("suspicion > 0.5").tolist() == [0]


def test_judging_can_be_stopped_and_changes_nothing(open_index: Open) -> None:
    index = open_index("a")
    index.checks.record([examined("a", haze=20.0)])
    with pytest.raises(StoppedError):
        index.checks.judge({}, stop=lambda: True)
    assert index.checks.suspicion(tile("a")) is None
    assert index.checks.judge({}).suspicious == 1


def test_stopped_at_any_moment_a_judgement_leaves_the_one_before_and_nothing_else(open_index: Open) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("a", haze=20.0), examined("b", haze=20.0)])
    index.checks.judge({})
    tables = tables_of(index)
    index.checks.record([examined("a", haze=0.0)])

    for after in count():
        asked = iter(range(after))
        try:
            index.checks.judge({}, stop=lambda asked=asked: next(asked, None) is None)
        except StoppedError:
            assert index.select("suspicion > 0.5").tolist() == [0, 1]
            assert tables_of(index) == tables
            assert index.checks.is_behind
        else:
            break
    assert after > len(CHECKS), "it was asked before every check, and while the tables are written"
    assert index.select("suspicion > 0.5").tolist() == [1]


def test_tiles_are_judged_while_results_come_in_and_the_index_is_built(open_index: Open) -> None:
    tiles = [f"{k:03d}" for k in range(300)]
    index = open_index(*tiles)
    tasks: list[Callable[[int], object]] = [
        lambda k: index.checks.record([examined(name, haze=20.0 * (k + 1)) for name in tiles[k * 50 : k * 50 + 50]]),
        lambda k: index.checks.judge({}),
        lambda k: index.build(),
        lambda k: (index.checks.refute(tile(tiles[k]), ["haze"]), index.checks.flush()),
        lambda k: (index.select("", "position"), index.checks.reasons(tile(tiles[k])), index.checks.suspicions()),
    ]
    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in [pool.submit(lambda task=task: [task(k) for k in range(6)]) for task in tasks]:
            done.result()

    refuted = {tile(name): ["haze"] for name in tiles[:6]}
    assert index.checks.judge(refuted).suspicious == 294
    assert index.select("suspicion < 0.5").tolist() == list(range(6))


def test_an_empty_dataset_is_judged(open_index: Open) -> None:
    index = open_index()
    assert index.checks.judge({}).tiles == 0
    index.checks.record([])
    index.checks.record([examined("a", haze=1.0)])
    assert index.checks.judge({}).tiles == 0
    assert index.checks.reasons(tile("a")) == ()
    assert index.checks.known(["haze"]).tolist() == []


# --- strangers


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE checked ALTER c_haze TYPE VARCHAR",
        "DROP TABLE judged; CREATE TABLE judged (ordinal INTEGER)",
        "DROP TABLE partners; CREATE VIEW partners AS SELECT 1 AS ordinal",
        "ALTER TABLE thresholds DROP value",
    ],
)
def test_tables_that_are_not_ours_are_built_again(open_index: Open, tmp_path: Path, change: str) -> None:
    open_index("a", "b").checks.record([examined("a", haze=20.0)])
    open_index("a").close()
    with duckdb.connect(str(tmp_path / "index.duckdb")) as connection:
        connection.execute(change)
    index = open_index("a", "b")
    index.checks.record([examined("b", haze=20.0)])
    assert index.checks.judge({}).suspicious == 1
    assert index.select("suspicion > 0.5").tolist() == [1]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE checked SET notes = '[1]'",
        """UPDATE checked SET notes = '{"haze": [1, 2]}'""",
        "UPDATE checked SET notes = repeat('[', 5000)",
        "UPDATE checked SET notes = NULL",
        "UPDATE checked SET t_shares = 'abc'::BLOB",
        "UPDATE checked SET c_shift = 'inf'::FLOAT",
        "UPDATE thresholds SET value = 0",
        "UPDATE thresholds SET value = NULL",
        "UPDATE thresholds SET id = 'DROP'",
        "UPDATE judged SET suspects = 'nobody', refuted = NULL",
        "INSERT INTO checked (tile, ordinal) VALUES ('x', 1000000), ('y', -5), (NULL, NULL)",
        "INSERT INTO judged (ordinal, suspicion) VALUES (1000000, 1), (NULL, NULL), (-1, 7)",
        "INSERT INTO partners VALUES (0, 'haze', 99, NULL), (0, NULL, 0, 1)",
        "INSERT INTO remarks VALUES (0, 'haze', NULL), (0, NULL, NULL)",
        "INSERT INTO applied VALUES (NULL), ('x; DROP TABLE tiles')",
    ],
)
def test_odd_contents_of_our_tables_do_no_harm(open_index: Open, tmp_path: Path, change: str) -> None:
    index = open_index("a", "b")
    index.checks.record([examined("a", picture(3), haze=20.0), examined("b", picture(3), haze=1.0)])
    index.checks.judge({})
    index.close()
    with duckdb.connect(str(tmp_path / "index.duckdb")) as connection:
        connection.execute(change)

    index = open_index("a", "b", build=False)

    assert "haze" in [reason.check for reason in index.checks.reasons(tile("a"))]
    index.checks.partners(tile("a"))
    index.checks.thresholds()
    assert len(index.checks.suspicions()) == 2
    index.checks.record([examined("b", ran=("shift",), shift=0.0)])
    index.checks.judge({})
    assert 0 in index.select("suspects = 'haze'")


def test_names_and_notes_from_strangers_are_texts(open_index: Open) -> None:
    odd = ["a'; DROP TABLE tiles; --", "b\udcff", "c\x1f{}"]
    index = open_index(*odd)
    for name in odd:
        index.checks.record(
            [Examined(TileId(name), {"haze": 20.0}, {"haze": Note("'; DROP\udcff \x00", "\udcff")}, picture(3))]
        )
    index.checks.judge({TileId(name): ["x'; DROP"] for name in odd})
    for name in odd:
        (*_, reason) = index.checks.reasons(TileId(name))
        assert reason.message == "'; DROP\\xff \x00"
        assert len(index.checks.partners(TileId(name))["duplicate"]) >= 1


def test_a_fact_called_like_a_column_of_ours_steps_back(open_index: Open) -> None:
    index = open_index("a", facts=(Fact("Suspicion", ColumnType.TEXT, "of the dataset"),))
    index.checks.record([examined("a", haze=20.0)])
    index.checks.judge({})
    assert [name.lower() for name in names(index)].count("suspicion") == 1
    assert index.select("suspicion > 0.5").tolist() == [0]
