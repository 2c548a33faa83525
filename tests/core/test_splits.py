import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.splits import SplitList, parse_list, render_list


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
