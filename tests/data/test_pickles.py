"""Pickles of strangers: data is read, everything else is refused by name."""

import argparse
import os
import pickle
import struct
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import PickleRefusedError
from rsviewer.data.pickles import MAX_BYTES, NUMPY_ARRAYS, NUMPY_SCALARS, OPTIONS, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

META = {
    "box": (-77.5, 38.2, -77.4, 38.3),
    "time": (2019, 7, 14, 16, 5),
    "center_tags": {"building": "yes", "name": "Église — 教会"},
    "surrounding_tags": [{"highway": "service"}, {"natural": "tree"}],
    "seen": None,
    "good": True,
    "area": 10**30,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_is_read_in_every_protocol(protocol: int) -> None:
    assert read_pickle(pickle.dumps(META, protocol)) == META


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("allowed", [frozenset(), NUMPY_SCALARS, NUMPY_ARRAYS])
def test_nothing_is_called_and_what_was_asked_for_is_named(
    tmp_path: Path, protocol: int, allowed: frozenset[str]
) -> None:
    mark = tmp_path / "mark"
    hostile = [
        (Call(os.system, f"touch {mark}"), f"{os.name}.system"),
        (Call(eval, f"open({str(mark)!r}, 'w')"), "builtins.eval"),
        (Call(exec, "1"), "builtins.exec"),
        (Call(getattr, "x", "y"), "builtins.getattr"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (datetime(2020, 1, 1), "datetime.datetime"),  # noqa: DTZ001 - only its pickle matters
        (Path("/"), "pathlib.PosixPath"),
    ]
    for thing, name in hostile:
        with pytest.raises(PickleRefusedError) as caught:
            read_pickle(pickle.dumps({"box": thing}, protocol), allowed=allowed)
        # The protocols 0 to 2 use Python 2's names for some, or a helper of copyreg.
        named = {name, name.replace("builtins", "__builtin__"), "copyreg._reconstructor", "copy_reg._reconstructor"}
        assert caught.value.name in named
        assert caught.value.name in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"(cos\nsystem\nS'true'\no.", "an object by the opcode OBJ"),
        (b"\x80\x02cos\nsystem\n)\x81.", "an object by the opcode NEWOBJ"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "os.system"),
        (b"\x80\x02\x82\x01.", "an object by the opcode EXT1"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "an object by the opcode EXT4"),
        (b"Pabc\n.", "an object by the opcode PERSID"),
        (b"N\x51.", "an object by the opcode BINPERSID"),
        (b"cnumpy.core.multiarray\n__builtins__\n.", "numpy.core.multiarray.__builtins__"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0ecore.os.system\x93.", "numpy.core.os.system"),
        (b"crsviewer.data.pickles\n_MAKERS\n.", "rsviewer.data.pickles._MAKERS"),
    ],
)
def test_every_way_to_an_object_is_closed(raw: bytes, name: str) -> None:
    for allowed in (frozenset[str](), NUMPY_ARRAYS):
        with pytest.raises(PickleRefusedError) as caught:
            read_pickle(raw, allowed=allowed)
        assert caught.value.name == name


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def copies_of_copies(depth: int) -> bytes:
    """A list of ten times the same list of ten times the same list ..."""
    steps = b"".join(b"](" + b"h%c" % (level - 1) * 10 + b"eq%c" % level for level in range(1, depth))
    return b"\x80\x02]K\x01aq\x00" + steps + b"."


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"\x80\x04",
        pickle.dumps(META)[:-20],
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x02Nr\xff\xff\xff\x7f.",
        b"Np4000000000\n.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc.",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"N.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"L" + b"9" * 100_000 + b"L\n.",
        nested(100_000),
        copies_of_copies(30),
        b"\x80\x02]q\x00h\x00a.",
        b"\x80\x02}q\x00K\x01h\x00s.",
        b"\x80\x02]}b.",
        b"N}b.",
        b"\x80\xff.",
        b"R.",
        b"0.",
        b"h\x07.",
        b"\x80\x02]]K\x01s.",
    ],
)
def test_a_damaged_or_swelling_pickle_ends_in_a_sentence(raw: bytes) -> None:
    with pytest.raises(PickleRefusedError, match=r"^It .*\.$") as caught:
        read_pickle(raw)
    assert caught.value.name == ""


def test_the_size_has_a_limit() -> None:
    with pytest.raises(PickleRefusedError, match="too large"):
        read_pickle(bytes(MAX_BYTES + 1))


@given(st.binary(max_size=60))
def test_any_bytes_are_data_or_refused(raw: bytes) -> None:
    for allowed in (frozenset[str](), NUMPY_ARRAYS):
        try:
            read_pickle(b"\x80\x04" + raw + b".", allowed=allowed)
        except PickleRefusedError:
            continue


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value", [np.float64(0.25), np.float32(-1.5), np.int64(7), np.bool_(True), np.str_("Ā_p1.tif"), np.uint8(3)]
)
def test_numbers_and_texts_of_numpy_are_read_where_they_are_allowed(protocol: int, value: Any) -> None:
    raw = pickle.dumps([value, value], protocol)

    assert read_pickle(raw, allowed=NUMPY_SCALARS) == [value.item()] * 2
    assert type(read_pickle(raw, allowed=NUMPY_SCALARS)[0]) is type(value.item())  # type: ignore[index]
    with pytest.raises(PickleRefusedError, match=r"multiarray\.scalar"):
        read_pickle(raw)


def test_the_names_of_old_and_new_numpy_mean_the_same() -> None:
    raw = pickle.dumps(np.float64(0.5), 2)
    old, new = raw.replace(b"numpy._core", b"numpy.core"), raw.replace(b"numpy.core", b"numpy._core")

    assert read_pickle(old, allowed=NUMPY_SCALARS) == read_pickle(new, allowed=NUMPY_SCALARS) == 0.5


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("type_", ["<f4", ">f8", "u1", "?", "<U3"])
def test_arrays_are_read_where_they_are_allowed(protocol: int, type_: str) -> None:
    values = np.arange(6).reshape(2, 3).astype(type_)
    for each in (values, np.asfortranarray(values), values[:0]):
        found: Any = read_pickle(pickle.dumps({"a": [each], "b": (each, 1)}, protocol), allowed=NUMPY_ARRAYS)

        for array in (found["a"][0], found["b"][0]):
            assert array.shape == each.shape
            assert np.array_equal(array, each)


@pytest.mark.parametrize(
    "value",
    [
        np.array([os.system], object),
        np.zeros(2, [("a", "i4")]),
        np.array("2020-01-01", "M8[D]"),
        np.dtype("f4"),
        np.ndarray,
    ],
)
def test_arrays_that_hold_more_than_numbers_are_refused(value: object) -> None:
    with pytest.raises(PickleRefusedError) as caught:
        read_pickle(pickle.dumps(value, 4), allowed=NUMPY_ARRAYS)
    assert caught.value.name


def test_an_array_with_fewer_bytes_than_its_shape_is_refused() -> None:
    raw = pickle.dumps(np.zeros(3), 4).replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")

    with pytest.raises(PickleRefusedError):
        read_pickle(raw, allowed=NUMPY_ARRAYS)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_options_are_read_as_a_dictionary_where_they_are_allowed(protocol: int) -> None:
    raw = pickle.dumps(argparse.Namespace(model="unet", use_s1=True, rates=[1, 2]), protocol)

    found = read_pickle(raw, allowed=OPTIONS)
    assert found == {"model": "unet", "use_s1": True, "rates": [1, 2]}
    assert type(found) is dict
    with pytest.raises(PickleRefusedError):
        read_pickle(raw)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_options_let_nothing_else_in(tmp_path: Path, protocol: int) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "it ran"),)

    for odd in (argparse.Namespace(x=Evil()), Evil(), complex(1, 2), Path("a")):
        with pytest.raises(PickleRefusedError) as caught:
            read_pickle(pickle.dumps(odd, protocol), allowed=OPTIONS)
        assert caught.value.name
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x80\x02cargparse\nNamespace\n)\x81K\x01b.",  # its state is a number
        b"\x80\x02cargparse\nNamespace\n)\x81}K\x01K\x02sb.",  # its names are numbers
        b"\x80\x02cargparse\nNamespace\n.",  # the class alone
        b"\x80\x02]cargparse\nNamespace\na.",  # or in a list
        b"\x80\x02]\x90)\x81.",  # something else that is no class
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # kept elsewhere
    ],
)
def test_odd_options_are_refused(raw: bytes) -> None:
    with pytest.raises(PickleRefusedError):
        read_pickle(raw, allowed=OPTIONS)


def test_what_is_kept_elsewhere_is_what_the_reader_says() -> None:
    raw = b"\x80\x02X\x01\x00\x00\x00aQX\x01\x00\x00\x00bQ\x86."

    assert read_pickle(raw, elsewhere=lambda place: f"<{place}>") == ("<a>", "<b>")
    with pytest.raises(PickleRefusedError, match=r"another program|BINPERSID"):
        read_pickle(raw)
