import re
from difflib import unified_diff

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import StoppedError
from rsviewer.core.review import Decision, Region, Verdict
from rsviewer.core.splits import ExportOptions, ExportPlan, Leak, SplitList, clean, diff, parse_list, plan, render_list
from rsviewer.core.tile import TileId


def read(raw: bytes) -> SplitList:
    return parse_list(raw, name="train", path="train.txt", group="")


def texts(raw: bytes) -> list[str]:
    return [line.text for line in read(raw).lines]


marks = st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
pieces = st.sampled_from(
    [b"a", b"7", b" ", b"\t", b"\n", b"\r", b"\r\n", b"\x00", b"\xfc", b"\xd8", b"\xdc", b"\xc3\xa9"]
)
anything = st.builds(lambda mark, body: mark + body, marks, st.lists(pieces).map(b"".join) | st.binary())


@given(anything)
def test_a_list_is_written_back_byte_for_byte(raw: bytes) -> None:
    assert render_list(read(raw)) == raw


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")],
)
def test_names_are_read_whatever_wrote_the_file(mark: bytes, encoding: str, end: str, last: bool) -> None:
    body = end.join(["größe-1", "", "  b 2\t", "Ā"]) + (end if last else "")

    assert texts(mark + body.encode(encoding)) == ["größe-1", "", "b 2", "Ā"]


def test_an_undecodable_name_is_the_name_python_gives_to_the_file() -> None:
    assert texts(b"t\xfcr\n") == ["t\udcfcr"]


def test_a_second_column_stays_on_its_line() -> None:
    assert texts(b"rgb/tile_1.png dem/tile_1.tif\n") == ["rgb/tile_1.png dem/tile_1.tif"]


def tile_of(split: SplitList, text: str) -> TileId:
    return TileId(f"{split.group}/{text}" if split.group else text)


PLAIN = ExportOptions()


def of(
    lists: list[SplitList], verdicts: dict[str, Decision], options: ExportOptions = PLAIN, absent: str = ""
) -> ExportPlan:
    """A plan where every listed tile but those in `absent` has files."""
    tiles = {tile_of(split, line.text): split.group for split in lists for line in split.lines if line.text}
    found = {tile: group for tile, group in tiles.items() if tile not in absent.split()}
    return plan(lists, found, {TileId(tile): decision for tile, decision in verdicts.items()}, tile_of, options)


DROP = Decision(Verdict.DROP)
GOOD = Decision(Verdict.GOOD)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (b"a\nb\nc\n", b"a\nc\n"),
        (b"a\nc\nb", b"a\nc\n"),
        (b"b\na\nc", b"a\nc"),
        (b"a\r\nb\r\n\r\nc\r\n", b"a\r\n\r\nc\r\n"),
        (b"a\rb\rc", b"a\rc"),
        (b"\xef\xbb\xbfb\r\na\r\n", b"\xef\xbb\xbfa\r\n"),
        (b"a\n  b\t\nt\xfcr\nb\n", b"a\nt\xfcr\n"),
        (b"b\n\n", b"\n"),
        (b"b", b""),
        ("\ufeffb\na\n".encode("utf-16-le"), "\ufeffa\n".encode("utf-16-le")),
    ],
)
def test_a_cleaned_list_is_the_list_minus_the_dropped_lines(raw: bytes, cleaned: bytes) -> None:
    (change,) = of([read(raw)], {"b": DROP}).lists

    assert render_list(change.after) == cleaned


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cf"]), min_size=1, max_size=6)


@given(
    st.lists(words, min_size=1),
    st.sets(st.integers(0, 20)),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_cleaning_keeps_names_order_and_form(
    texts: list[str], places: set[int], end: str, last: bool, encoding: str
) -> None:
    raw = (end.join(texts) + (end if last else "")).encode(encoding)
    gone = {text for place, text in enumerate(texts) if place in places}

    after = clean(read(raw), lambda line: line.text in gone)

    kept = [text for text in texts if text not in gone]
    assert [line.text for line in read(render_list(after)).lines] == kept
    if kept:
        newline = end if last or texts[-1] in gone else ""
        assert render_list(after) == (end.join(kept) + newline).encode(encoding)


def test_only_the_verdict_drop_drops_unless_more_is_asked() -> None:
    split = read(b"good\ndropped\nundecided\ncloudy\nmarked\ngone\n")
    decisions = {
        "good": GOOD,
        "dropped": DROP,
        "cloudy": Decision(Verdict.GOOD, tags=("cloud",)),
        "marked": Decision(Verdict.GOOD, regions=(Region("cloud", ((0, 0), (1, 1))),)),
        "gone": GOOD,
    }

    def left_out(options: ExportOptions) -> dict[str, tuple[str, ...]]:
        return {each.tile: each.reasons for each in of([split], decisions, options, absent="gone").dropped}

    assert left_out(ExportOptions()) == {"dropped": ("dropped",)}
    assert left_out(ExportOptions(drop_undecided=True)) == {"dropped": ("dropped",), "undecided": ("undecided",)}
    assert left_out(ExportOptions(drop_tags=("cloud",))) == {
        "dropped": ("dropped",),
        "cloudy": ("tag",),
        "marked": ("tag",),
    }
    assert left_out(ExportOptions(drop_missing=True)) == {"dropped": ("dropped",), "gone": ("not found",)}


def test_a_listed_tile_without_files_stays_on_the_list_and_is_reported() -> None:
    (change,) = of([read(b"a\n\ngone\n")], {}, absent="gone").lists

    assert change.after == change.before
    assert change.not_found == ((3, "gone"),)


def test_equal_names_in_two_groups_are_two_tiles() -> None:
    first = parse_list(b"1\n2\n", name="train", path="one/train.txt", group="one")
    second = parse_list(b"1\n2\n", name="train", path="two/train.txt", group="two")

    one, two = of([first, second], {"one/1": DROP}).lists

    assert (one.names_before, one.names_after, two.names_before, two.names_after) == (2, 1, 2, 2)


def test_tiles_on_no_list_are_kept_dropped_and_named() -> None:
    tiles = {TileId("a"): "", TileId("b"): "", TileId("c"): ""}

    listed = plan([read(b"a\n")], tiles, {TileId("b"): DROP}, tile_of, ExportOptions())
    unlisted = plan([], tiles, {TileId("b"): DROP}, tile_of, ExportOptions())

    assert listed.unlisted == ("b", "c")
    assert unlisted.unlisted == ()
    assert listed.kept == unlisted.kept == {"": ("a", "c")}
    assert [each.tile for each in listed.dropped] == [each.tile for each in unlisted.dropped] == ["b"]


def test_a_tile_for_training_and_for_testing_is_reported_until_it_is_dropped() -> None:
    lists = [
        parse_list(b"1\n2\n3\n", name=name, path=f"{name}.txt", group="")
        for name in ("JK-train", "train_10", "test_syn", "total")
    ]

    leaks = of(lists, {"2": DROP}).leaks

    assert [leak.tile for leak in leaks] == ["1", "3"]
    assert leaks[0] == Leak(TileId("1"), ("JK-train.txt", "train_10.txt"), ("test_syn.txt",))


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.integers(0, 4))
def test_the_diff_is_the_one_difflib_writes(count: int, places: set[int], context: int) -> None:
    texts = [f"tile-{place}" for place in range(count)]
    split = read("".join(f"{text}\n" for text in texts).encode())
    (change,) = of([split], {texts[place]: DROP for place in places if place < count}).lists

    kept = [text for place, text in enumerate(texts) if place not in places]
    # The two differ only in leaving out ",1".
    expected = [
        re.sub(r"([-+]\d+)(?= )", r"\1,1", line) if line.startswith("@@") else line
        for line in unified_diff(texts, kept, lineterm="", n=context)
    ]
    assert list(diff(change, context))[2:] == expected[2:]


def test_a_list_that_stays_has_no_diff() -> None:
    (change,) = of([read(b"a\nb\n")], {}).lists

    assert list(diff(change)) == []


def test_a_plan_that_is_stopped_says_so_and_tells_how_far_it_is() -> None:
    split, said = read(b"a\nb\n"), list[tuple[int, int | None]]()
    tiles = {TileId("a"): ""}

    plan([split, split], tiles, {}, tile_of, PLAIN, lambda *done: said.append(done))

    assert said[-1] == (4, 4)
    with pytest.raises(StoppedError, match="stopped"):
        plan([split], tiles, {}, tile_of, PLAIN, stop=lambda: True)


def test_a_plan_counts_reasons_groups_and_names_without_files() -> None:
    first = parse_list(b"1\n2\ngone\n", name="train", path="one/train.txt", group="one")
    second = parse_list(b"1\ngone\n\ngone\n", name="val", path="two/val.txt", group="two")
    tiles = {TileId(tile): tile[:3] for tile in ("two/1", "one/1", "one/2", "one/3")}
    decisions = {TileId("one/1"): DROP, TileId("two/gone"): DROP, TileId("elsewhere"): DROP}

    found = plan([first, second], tiles, decisions, tile_of, ExportOptions(drop_undecided=True, drop_missing=True))

    assert dict(found.reasons) == {"dropped": 2, "undecided": 4, "not found": 2}
    assert found.not_found == 2
    assert [(area.group, area.kept, tuple(area.dropped)) for area in found.areas] == [
        ("two", 0, ("two/1", "two/gone")),
        ("one", 0, ("one/1", "one/2", "one/3", "one/gone")),
    ]
    assert {each.tile: each.lists for each in found.dropped} == {
        "two/1": (1,),
        "one/1": (0,),
        "one/2": (0,),
        "one/3": (),
        "one/gone": (0,),
        "two/gone": (1,),
    }
    assert found.lists[1].dropped == ((1, "two/1"), (2, "two/gone"), (4, "two/gone"))
