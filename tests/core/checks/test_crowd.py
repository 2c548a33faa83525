"""Checks that ask the whole dataset: duplicates, leaks, overlaps, and tiles unlike all others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.checks import crowd
from rsviewer.core.checks.crowd import CHECKS, DUPLICATE, PARTNER, QUESTIONS, Confirm, Found, Inquiry, near_hashes
from rsviewer.core.checks.suspicion import Trait
from rsviewer.core.errors import StoppedError


@dataclass
class Known:
    """What is remembered of tiles that a test makes up: each is a table of traits."""

    traits: Sequence[Mapping[str, Trait]]
    lists: Sequence[tuple[str, ...]] = ()
    areas: Sequence[int] = ()
    facts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    scores_of_models: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.traits)

    def _having(self, *traits: str) -> list[int]:
        return [place for place, each in enumerate(self.traits) if all(trait in each for trait in traits)]

    def hashes(self, trait: str) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        places = self._having(trait)
        return np.array(places, np.int32), np.array([self.traits[place][trait] for place in places], np.uint64)

    def numbers(self, trait: str) -> NDArray[np.float64]:
        return np.array([each.get(trait, np.nan) for each in self.traits], np.float64)

    def words(self, trait: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        words = sorted({str(self.traits[place][trait]) for place in self._having(trait)})
        return np.array([words.index(str(t[trait])) if trait in t else -1 for t in self.traits], np.int32), tuple(words)

    def vectors(self, *traits: str) -> Iterator[tuple[NDArray[np.int32], list[NDArray[np.float32]]]]:
        places = self._having(*traits)
        for part in (places[::2], places[1::2]):
            if part:
                found = [np.array([self.traits[place][trait] for place in part], np.float32) for trait in traits]
                yield np.array(part, np.int32), found

    def fact(self, name: str) -> NDArray[np.float64] | None:
        return np.array(self.facts[name], np.float64) if name in self.facts else None

    def scored(self, name: str) -> NDArray[np.float64] | None:
        return np.array(self.scores_of_models[name], np.float64) if name in self.scores_of_models else None

    def groups(self) -> NDArray[np.int32]:
        return np.array(self.areas, np.int32)

    def splits(self) -> tuple[NDArray[np.int32], tuple[tuple[str, ...], ...]]:
        lists = sorted(set(self.lists or [()] * len(self)))
        return np.array([lists.index(each) for each in self.lists or [()] * len(self)], np.int32), tuple(lists)


def asked(
    check: str,
    known: Known,
    confirm: Confirm | None = None,
    classes: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
) -> Found:
    found = QUESTIONS[check](Inquiry(known, confirm, classes=classes, titles=titles or {}))
    assert found is not None
    assert found.scores.shape == (len(known),)
    return found


def is_silent(check: str, known: Known) -> bool:
    found = QUESTIONS[check](Inquiry(known))
    return found is None or not np.any(found.scores > 0)


def pictures(count: int, seed: int = 0) -> list[dict[str, Trait]]:
    """Different pictures with texture."""
    dice = np.random.default_rng(seed)
    numbers = dice.integers(1, 1 << 63, (count, 2)).tolist()
    return [{"digest": digest, "phash": phash, "texture": 20.0} for digest, phash in numbers]


# --- the same picture twice


def test_pictures_with_the_same_pixels_name_each_other() -> None:
    tiles = pictures(40)
    tiles[31] = dict(tiles[7])
    tiles[12] = {}

    found = asked("duplicate", Known(tiles))

    assert np.flatnonzero(found.scores >= DUPLICATE.least).tolist() == [7, 31]
    assert found.scores[7] < found.scores[31] == 1, "the first is the one to keep"
    assert np.isnan(found.scores[12]), "of a tile without a picture nobody can say so"
    assert found.partners.tolist() == [[7, 31], [31, 7]]
    assert found.note(31) == f"the same picture as {PARTNER}"


def test_a_picture_that_is_nearly_another_one_is_believed_when_its_pixels_say_so() -> None:
    tiles = pictures(40)
    tiles[3]["phash"] = int(tiles[30]["phash"]) ^ 0b1001  # compressed anew
    tiles[5]["phash"] = int(tiles[6]["phash"]) ^ 0b1000  # by chance
    known = Known(tiles)

    def confirm(pairs: Sequence[tuple[int, int]]) -> list[float]:
        return [{(3, 30): 0.978, (5, 6): 0.2}[pair] for pair in pairs]

    found = asked("duplicate", known, confirm)
    assert found.scores[[3, 30]] == pytest.approx([0.976, 0.978])
    assert found.scores[5] == pytest.approx(0.2)
    assert found.partners.tolist() == [[3, 30], [30, 3]]
    assert found.note(3) == f"nearly the picture of {PARTNER}, 97 % alike", "what is not the same is never 100 % alike"
    assert asked("duplicate", known).scores[30] == pytest.approx(1 - 2 / 64), "nobody to ask: the hashes are believed"


def test_a_picture_that_is_moved_is_found_by_its_spectrum_and_only_believed_when_it_was_read() -> None:
    tiles: list[dict[str, Trait]] = [{**each, "spectrum": int(each["phash"]) * 3 % (1 << 64)} for each in pictures(40)]
    tiles[3]["spectrum"] = int(tiles[30]["spectrum"]) ^ 0b1001
    tiles[5]["spectrum"] = int(tiles[6]["spectrum"]) ^ 0b1000  # the same spectrum by chance
    tiles[8] |= {"phash": tiles[9]["phash"], "spectrum": tiles[9]["spectrum"]}  # not moved: asked about once
    tiles[10] |= {
        "phash": tiles[11]["phash"],
        "spectrum": tiles[11]["spectrum"],
    }  # not the same either, asked about once
    tiles[20]["spectrum"] = tiles[30]["spectrum"]  # turned by 180 degrees
    read: list[tuple[int, int]] = []
    said = {(3, 30): 0.95, (3, 20): 0.1, (20, 30): 0.1, (5, 6): 0.1, (8, 9): 0.99, (10, 11): 0.2}

    def confirm(pairs: Sequence[tuple[int, int]]) -> list[float]:
        read.extend(pairs)
        return [said[pair] for pair in pairs]

    found = asked("duplicate", Known(tiles), confirm)
    assert sorted(read) == sorted(said)
    assert np.flatnonzero(found.scores >= DUPLICATE.least).tolist() == [3, 8, 9, 30]
    assert np.flatnonzero(asked("duplicate", Known(tiles)).scores >= DUPLICATE.least).tolist() == [8, 9, 10, 11]


def test_water_is_no_duplicate_of_water() -> None:
    tiles = pictures(40)
    for place in (1, 2, 3):
        tiles[place] |= {"phash": 77, "texture": 0.5}
    assert is_silent("duplicate", Known(tiles))


def test_of_many_copies_all_are_found_and_few_are_read() -> None:
    tiles = [{**each, "phash": 1234} for each in pictures(50)]
    read = []

    def confirm(pairs: Sequence[tuple[int, int]]) -> list[float]:
        read.extend(pairs)
        return [1.0] * len(pairs)

    found = asked("duplicate", Known(tiles), confirm)
    assert np.flatnonzero(found.scores < 1).tolist() == [0]
    assert len(read) == 49
    assert {other for tile, other in found.partners.tolist() if tile == 25} == {0, *range(13, 38)} - {25}
    assert len(found.partners) == len({tuple(pair) for pair in found.partners.tolist()})


@pytest.mark.parametrize(("dropped", "settled"), [((), []), ((31,), [7]), ((7, 31), [7, 31]), ((1, 2), [])])
def test_a_pair_is_settled_for_one_while_the_other_is_dropped(dropped: tuple[int, ...], settled: list[int]) -> None:
    tiles = pictures(40)
    tiles[31] = dict(tiles[7])
    found = asked("duplicate", Known(tiles))
    is_dropped = np.zeros(40, bool)
    is_dropped[list(dropped)] = True
    assert np.flatnonzero(found.settled(is_dropped)).tolist() == settled


def test_an_answer_too_few_is_a_fault_of_the_program() -> None:
    tiles = [{**each, "phash": 1234} for each in pictures(3)]
    with pytest.raises(ValueError, match="2 pairs"):
        asked("duplicate", Known(tiles), lambda pairs: [1.0])


@pytest.mark.parametrize(("radius", "blocks"), [(6, 8), (4, 6)])
@given(data=st.data())
def test_every_pair_of_near_hashes_is_found_once(radius: int, blocks: int, data: st.DataObject) -> None:
    dice = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    hashes = [int(dice.integers(0, 1 << 63))]
    for flips in data.draw(st.lists(st.integers(0, 9), max_size=12)):
        bits = dice.choice(64, flips, replace=False).tolist()
        hashes.append(hashes[int(dice.integers(len(hashes)))] ^ sum(1 << bit for bit in bits))
    different = np.unique(np.array(hashes, np.uint64))

    pairs, distances = near_hashes(different, radius, blocks)

    expected = {
        (one, other): (int(different[one]) ^ int(different[other])).bit_count()
        for one in range(len(different))
        for other in range(one + 1, len(different))
    }
    near = {pair: distance for pair, distance in expected.items() if distance <= radius}
    assert dict(zip(map(tuple, pairs.tolist()), distances.tolist(), strict=True)) == near


def test_judging_can_be_stopped() -> None:
    with pytest.raises(StoppedError):
        QUESTIONS["duplicate"](Inquiry(Known(pictures(3)), None, lambda: True))


# --- splits


def test_a_picture_in_training_and_test_leaks() -> None:
    tiles = pictures(12)
    tiles[9] = dict(tiles[2])
    tiles[8] = dict(tiles[3])
    lists: list[tuple[str, ...]] = [("train",)] * 12
    lists[9] = ("test_syn",)
    lists[5] = ("train", "val_5K")

    found = asked("split_leak", Known(tiles, lists))

    assert np.flatnonzero(found.scores > 0).tolist() == [2, 5, 9]
    assert sorted(map(tuple, found.partners.tolist())) == [(2, 9), (9, 2)]
    assert "it trains" in found.note(2)
    assert "held-out" in found.note(5)


def test_copies_leak_through_each_other() -> None:
    tiles = [*pictures(1) * 4, *pictures(5, seed=1)]
    lists = [(), ("train",), ("test",), ("train",), *[("train",)] * 5]
    found = asked("split_leak", Known(tiles, lists))
    assert np.flatnonzero(found.scores == 1).tolist() == [1, 2, 3]


@pytest.mark.parametrize("other", ["train_10", "JK-train", "trainval", "all"])
def test_lists_that_hold_each_other_are_no_leak(other: str) -> None:
    tiles = pictures(1) * 2
    assert is_silent("split_leak", Known(tiles, [("train",), ("train", other)]))


def square(column: float, row: float, size: float = 1.0) -> dict[str, Trait]:
    return {"west": column, "south": row, "east": column + size, "north": row + size}


def test_a_place_in_training_and_test_overlaps() -> None:
    tiles = [
        square(10, 0),
        square(10.75, 0),
        square(12, 0),
        square(12.05, 1.0),
        square(50, 50, 2.0),
        square(50.5, 50.5),
    ]
    lists = [("train",), ("test",), ("train",), ("test",), ("train",), ("val",)]

    found = asked("split_overlap", Known(tiles, lists))

    assert found.scores == pytest.approx([25, 25, 0, 0, 25, 100])
    assert sorted(map(tuple, found.partners.tolist())) == [(0, 1), (1, 0), (4, 5), (5, 4)]
    assert "25 % of it lie in {}, which is held out" in found.note(0)


def test_overlaps_within_a_split_and_odd_places_are_none() -> None:
    tiles = [
        square(0, 0),
        square(0.1, 0),
        {},
        {"west": 3.0, "east": 2.0, "south": 0.0, "north": 1.0},
        square(-180, 0, 360.0),
    ]
    lists = [("train",), ("train",), ("test",), ("test",), ("test",)]
    assert is_silent("split_overlap", Known(tiles, lists))


def test_overlaps_are_found_in_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "_BOXES", 3)
    tiles = [square(2.0 * k, 0) for k in range(20)] + [square(2.0 * k + 0.5, 0) for k in range(20)]
    found = asked("split_overlap", Known(tiles, [("train",)] * 20 + [("test",)] * 20))
    assert found.scores == pytest.approx(np.full(40, 50.0))
    assert len(found.partners) == 40


# --- classes


def test_a_tile_of_a_class_that_nobody_else_has_is_far_from_all() -> None:
    dice = np.random.default_rng(0)
    tiles: list[dict[str, Trait]] = [{"shares": (*dice.dirichlet((4, 3, 2)).tolist(), 0.0)} for _ in range(200)]
    tiles[50] = {"shares": (0.0, 0.0, 0.0, 1.0)}
    tiles[51] = {"shares": (0.0, 0.0, 1.0, 0.0)}
    found = asked("class_shares", Known(tiles))
    assert found.scores[50] > crowd.CLASS_SHARES.least
    assert found.scores[51] < 0.8, "a rare mix of usual classes is none"
    assert is_silent("class_shares", Known(tiles[:10])), "too few to say what is usual"


def test_a_class_that_looks_like_another_one_is_found() -> None:
    dice = np.random.default_rng(0)
    looks = np.array(  # forest, town, water: red, green, blue, spread, height, thinness
        [[60, 90, 40, 25, 9, 0.3], [120, 115, 110, 45, 2, 0.2], [30, 40, 80, 4, 0, 0.05]]
    )
    noise = np.array([10, 10, 10, 2, 0.3, 0.03])
    gone = [float("nan")] * 6

    def seen(order: Sequence[int] = (0, 1, 2)) -> NDArray[np.float64]:
        return looks[list(order)] + dice.normal(0, noise, looks.shape)

    tiles: list[dict[str, Trait]] = [
        {"shares": (0.4, 0.4, 0.2, 0.0), "looks": (*seen().ravel().tolist(), *gone)} for _ in range(300)
    ]
    tiles[70]["looks"] = (*seen((1, 0, 2)).ravel().tolist(), *gone)
    tiles[71] = {"shares": (1.0, 0.0, 0.0, 0.0), "looks": (*seen()[0].tolist(), *gone, *gone, *gone)}
    tiles[72] = {"shares": (0.4, 0.4, 0.0, 0.2), "looks": (*seen()[:2].ravel().tolist(), *gone, *seen()[2].tolist())}
    both = (looks[0] + looks[1]) / 2 + [0, 0, 0, 12, 0, 0]
    tiles[73] = {"shares": (0.8, 0.0, 0.2, 0.0), "looks": (*both.tolist(), *gone, *seen()[2].tolist(), *gone)}

    found = asked("class_looks", Known(tiles), classes=("forest", "town", "water", "snow"))

    assert np.flatnonzero(found.scores > crowd.CLASS_LOOKS.least).tolist() == [70, 72, 73]
    assert found.scores[71] < 0.5 * crowd.CLASS_LOOKS.least
    assert found.note(70) in ('"forest" looks as "town" does elsewhere', '"town" looks as "forest" does elsewhere')
    assert found.note(72) == '"snow" looks as "water" does elsewhere', "a class that no other tile has"
    assert found.note(73) == '"forest" looks as if "town" were a part of it'
    assert asked("class_looks", Known(tiles)).note(72) == "class 4 looks as class 3 does elsewhere"


def test_a_rare_class_that_looks_like_no_other_is_none_of_another_name() -> None:
    dice = np.random.default_rng(0)
    looks = np.array([[60, 90, 40, 25, 9, 0.3], [120, 115, 110, 45, 2, 0.2], [200, 190, 160, 4, 0, 0.05]])
    tiles: list[dict[str, Trait]] = []
    for number in range(300):
        seen = looks + dice.normal(0, np.array([10, 10, 10, 2, 0.3, 0.03]), looks.shape)
        shares = (0.4, 0.4, 0.2) if number % 100 == 0 else (0.5, 0.5, 0.0)
        tiles.append(
            {"shares": shares, "looks": tuple(np.where(np.array(shares)[:, None] > 0, seen, np.nan).ravel().tolist())}
        )
    assert asked("class_looks", Known(tiles)).scores.max() < crowd.CLASS_LOOKS.least


def test_classes_look_as_in_their_own_group() -> None:
    dice = np.random.default_rng(0)
    looks = np.array([[60, 90, 40, 25, 9, 0.3], [120, 115, 110, 45, 2, 0.2]])
    noise = np.array([5, 5, 5, 2, 0.3, 0.03])
    tiles: list[dict[str, Trait]] = []
    for number in range(120):  # in the second group, as dark as the first one's forests, towns are darker than forests
        seen = (looks if number < 60 else looks[::-1] * 0.9) + dice.normal(0, noise, looks.shape)
        tiles.append({"shares": (0.5, 0.5), "looks": tuple(seen.ravel().tolist())})
    known = Known(tiles, areas=[0] * 60 + [1] * 60)
    assert asked("class_looks", known).scores.max() < crowd.CLASS_LOOKS.least
    tiles[100]["looks"] = tuple((looks + dice.normal(0, noise, looks.shape)).ravel().tolist())
    assert np.flatnonzero(asked("class_looks", known).scores > crowd.CLASS_LOOKS.least).tolist() == [100]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e38, -1e30, 0.0])
def test_odd_looks_are_compared_without_a_fault(value: float) -> None:
    dice = np.random.default_rng(0)
    tiles: list[dict[str, Trait]] = [
        {"shares": (0.5, 0.5), "looks": tuple(dice.choice([value, 1.0, -5.0], 12).tolist())} for _ in range(60)
    ]
    scores = asked("class_looks", Known(tiles)).scores
    assert not np.isinf(scores).any()


# --- captions and files


def test_a_caption_of_many_pictures_counts_where_captions_do_not_repeat() -> None:
    tiles: list[dict[str, Trait]] = [{**each, "caption": k + 1} for k, each in enumerate(pictures(400))]
    for place in (7, 8, 9):
        tiles[place]["caption"] = 5000
    tiles[300] = dict(tiles[301])  # one picture twice, with its caption

    found = asked("caption_duplicate", Known(tiles))

    assert np.flatnonzero(found.scores > 0).tolist() == [7, 8, 9]
    assert found.scores[7] == pytest.approx(-np.log10(3 / 400))
    assert found.note(7) == "the same caption as 2 other pictures"
    everywhere = [{**each, "caption": k % 3} for k, each in enumerate(pictures(400))]
    assert asked("caption_duplicate", Known(everywhere)).scores.max() < crowd.CAPTION_DUPLICATE.least


def test_a_caption_far_less_like_its_image_than_usual_is_found() -> None:
    alike = np.random.default_rng(0).normal(0.28, 0.02, 300)
    alike[[4, 5]] = 0.05, np.nan
    found = asked("caption_mismatch", Known([{}] * 300, facts={"similarity": alike.tolist()}))
    assert np.flatnonzero(found.scores > crowd.CAPTION_MISMATCH.least).tolist() == [4]
    assert "0.05" in found.note(4)
    assert is_silent("caption_mismatch", Known([{}] * 300))


def test_a_similarity_that_was_computed_here_counts_more_than_what_the_dataset_says() -> None:
    told = np.random.default_rng(0).normal(0.28, 0.02, 300)
    told[4] = 0.05
    computed = np.random.default_rng(1).normal(0.4, 0.02, 300)
    computed[7] = 0.2
    facts, scores = {"similarity": told.tolist()}, {"similarity": computed.tolist()}
    least = crowd.CAPTION_MISMATCH.least
    found = asked("caption_mismatch", Known([{}] * 300, facts=facts, scores_of_models=scores))
    assert np.flatnonzero(found.scores > least).tolist() == [7]
    assert np.flatnonzero(
        asked("caption_mismatch", Known([{}] * 300, scores_of_models=scores)).scores > least
    ).tolist() == [7]
    computed[40:] = np.nan
    few = Known([{}] * 300, facts=facts, scores_of_models={"similarity": computed.tolist()})
    assert np.flatnonzero(asked("caption_mismatch", few).scores > least).tolist() == [4], (
        "too few: both are never mixed"
    )


def test_a_size_that_its_group_does_not_have_is_odd() -> None:
    usual, other = "image=3 bands of 512 x 512 uint8", "image=3 bands of 256 x 256 uint8"
    shapes = [usual] * 50 + [other] * 50 + [f"{usual};dem=1 band of 8 x 8 float32"]
    shapes[20] = other
    tiles: list[dict[str, Trait]] = [{"shape": shape} for shape in shapes]
    found = asked("odd_size", Known(tiles, areas=[0] * 50 + [1] * 50 + [0]))
    assert np.flatnonzero(found.scores > 0).tolist() == [20]
    assert found.scores[20] == pytest.approx(100 * 50 / 51)
    assert found.note(20) == "image is 3 bands of 256 x 256 uint8, where 3 bands of 512 x 512 uint8 is usual"
    titled = asked("odd_size", Known(tiles, areas=[0] * 50 + [1] * 50 + [0]), titles={"image": "RGB image"})
    assert titled.note(20).startswith("RGB image is 3 bands of"), "people know layers by their titles"
    none_is_usual = asked("odd_size", Known([{"shape": f"image={k}"} for k in range(100)]))
    assert none_is_usual.scores.max() < 2


# --- anything


def test_the_size_of_a_whole_group_is_not_odd_however_small_it_is() -> None:
    shapes = ["image=1"] * 95 + ["image=2"] * 5 + ["image=3"]
    areas = [0] * 95 + [1] * 6
    found = asked("odd_size", Known([{"shape": shape} for shape in shapes], areas=areas))
    assert np.flatnonzero(found.scores > 0).tolist() == [100]


def odd_traits() -> st.SearchStrategy[dict[str, Any]]:
    number = st.floats(width=32, allow_subnormal=False)
    hashed = st.integers(1, (1 << 64) - 1) | st.just(7)
    return st.fixed_dictionaries(
        {},
        optional={
            "digest": hashed,
            "phash": hashed,
            "texture": st.floats(0, 100),
            "shares": st.tuples(number, number),
            "looks": st.tuples(*[number] * 6),
            "shape": st.sampled_from(["", "=", ";", "a=1;b=2", "a=2"]),
            "caption": hashed,
            **dict.fromkeys(("west", "south", "east", "north"), st.floats()),
        },
    )


@given(
    tiles=st.lists(odd_traits(), max_size=8),
    names=st.lists(st.sampled_from(["train", "test", "all", "train_val"]), max_size=2),
    similarity=st.floats(),
)
def test_whatever_is_remembered_every_question_has_an_answer(
    tiles: list[dict[str, Any]], names: list[str], similarity: float
) -> None:
    many = tiles * 8
    lists = [tuple(names), ("train",), ("test",), ()] * (2 * len(tiles))
    known = Known(many, lists, facts={"similarity": [similarity] * len(many)})
    inquiry = Inquiry(known)
    for question in QUESTIONS.values():
        found = question(inquiry)
        if found is not None:
            assert not np.any(found.scores < 0)
            assert not np.isinf(found.scores).any()
            assert found.partners.shape[1] == 2
            for place in np.flatnonzero(found.scores > 0).tolist():
                assert found.note(place)


def test_every_check_of_the_dataset_has_its_question() -> None:
    assert {check.id for check in CHECKS} == set(QUESTIONS)
    assert all(check.run is None for check in CHECKS)
