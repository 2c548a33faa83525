import contextlib
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import ModelError
from rsviewer.core.model import (
    FAMILIES,
    Fill,
    Framing,
    ModelCard,
    ModelInput,
    ModelOption,
    ModelOutput,
    OutputKind,
    Scores,
    Weights,
)
from rsviewer.core.tile import LabelClass, LayerKind
from rsviewer.data.modelcards import MAX_BYTES, dump_card, parse_card, read_card

SMALL = """
id = "town-heights"
title = "Heights of towns"
family = "onnx"

[weights]
file = "town.onnx"

[[inputs]]

[[outputs]]
kind = "height"
"""

LABELS = """
id = "cover"
title = "Land cover"
family = "torchscript"
settings = { encoder = "vits", scale = 2, share = 0.5, fast = true }

[weights]
file = "/models/cover.pt"
sha256 = "ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789"

[[inputs]]
kind = "optical"
bands = ["red", "green"]
high = 10000
mean = [1, 2]
std = [3, 4.5]

[[outputs]]
kind = "labels"
reference = ["landcover"]
scores = "probabilities"
classes = [
    { value = 1, name = "Bareland", color = "#800000" },
    { value = 2, name = "Range", color = [0, 255, 36], void = true },
]

[[framings]]
id = "pad"
multiple = 14

[[framings]]
id = "official"
title = "windows of 1022"
window = 1022
stride = 511
multiple = 14
fill = "zero"
whole = true
"""


def test_a_small_card_says_the_rest_by_its_defaults() -> None:
    card = parse_card(SMALL)

    assert card == ModelCard(
        "town-heights",
        "Heights of towns",
        "onnx",
        inputs=(ModelInput(),),
        outputs=(ModelOutput(OutputKind.HEIGHT),),
        framings=(Framing("whole"),),
        weights=Weights("town.onnx"),
    )


def test_a_card_declares_options_of_a_run_and_relative_heights() -> None:
    steps = '[[options]]\nid = "steps"\ntitle = "Steps"\ndefault = 50\nlow = 1\nhigh = 100\n'
    switch = '[[options]]\nid = "caption"\ntitle = "Caption"\ndefault = 0\nswitch = true\nzero = "none"\n'
    card = parse_card(SMALL.replace('kind = "height"', 'kind = "height"\nrelative = true') + steps + switch)

    assert card.outputs[0].relative
    assert card.options == (
        ModelOption("steps", "Steps", 50, 1, 100),
        ModelOption("caption", "Caption", 0, zero="none", switch=True),
    )
    assert parse_card(dump_card(card)) == card


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('id = "a"\ntitle = "A"\ndefault = 3', "The key 'default' of option 1 is 3, not from 0 to 1"),
        ('id = "a"\ntitle = "A"\ndefault = 1\nhigh = 5\nswitch = true', "The key 'switch' of option 1 is for 0 and 1"),
        ('id = "a"\ntitle = "A"\ndefault = -1', "The key 'default' of option 1 must be a whole number"),
        ('id = "A b"\ntitle = "A"\ndefault = 1', "The key 'id' of option 1 must be a name of small letters"),
        ('id = "a"\ntitle = "A"', "The key 'default' is missing in option 1"),
        (
            'id = "a"\ntitle = "A"\ndefault = 1\n[[options]]\nid = "a"\ntitle = "B"\ndefault = 1',
            "Two of the options have the id 'a'",
        ),
    ],
)
def test_a_fault_of_an_option_is_named(said: str, fault: str) -> None:
    with pytest.raises(ModelError, match=re.escape(fault)):
        parse_card(f"{SMALL}[[options]]\n{said}\n")


def test_only_heights_are_relative() -> None:
    with pytest.raises(ModelError, match="'relative' of output 1 is for heights"):
        parse_card(LABELS.replace('kind = "labels"', 'kind = "labels"\nrelative = true'))


def test_a_card_says_all_that_a_model_needs() -> None:
    card = parse_card(LABELS)

    assert card.inputs == (ModelInput(bands=("red", "green"), high=10000.0, mean=(1.0, 2.0), std=(3.0, 4.5)),)
    (output,) = card.outputs
    assert output.classes == (
        LabelClass(1, "Bareland", (128, 0, 0)),
        LabelClass(2, "Range", (0, 255, 36), void=True),
    )
    assert (output.scores, output.reference) == (Scores.PROBABILITIES, ("landcover",))
    assert card.framings[1] == Framing(
        "official", "windows of 1022", window=1022, stride=511, multiple=14, fill=Fill.ZERO, whole=True
    )
    assert card.settings == {"encoder": "vits", "scale": 2, "share": 0.5, "fast": True}
    assert card.weights.sha256 == "abcdef0123456789" * 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Heights of towns"', "", "The key 'title' is missing in the card"),
        ("title =", "titel =", "There is no key 'titel' in the card: did you mean 'title'?"),
        ('kind = "height"', 'kind = "height"\nqqq = 1', "There is no key 'qqq' in output 1: the keys are kind, name,"),
        ('"town-heights"', '"Town heights"', "The key 'id' of the card must be a name of at most 64 small letters"),
        ('"town-heights"', '"../x"', "The key 'id' of the card must be"),
        ('"town-heights"', '"nul"', "The key 'id' of the card must be"),
        ('"onnx"', '"pickle"', "The key 'family' of the card must be one of rs3dada, "),
        ('"town.onnx"', '"../town.onnx"', "The key 'file' of weights must be the name of a file beside the card"),
        ('"town.onnx"', '"a\\\\b"', "The key 'file' of weights must be"),
        ('"town.onnx"', '"Card.toml"', "The key 'file' of weights must be"),
        ('"town.onnx"', '""', "The key 'file' of weights must be"),
        ('"town.onnx"', '"x"\nsha256 = "12"', "The key 'sha256' of weights must be 64 hexadecimal digits"),
        ('"town.onnx"', '"x"\npage = "file:///x"', "The key 'page' of weights must be an address"),
        ('"town.onnx"', '"x"\npath = "../x"', "The key 'path' of weights must be"),
        ('"town.onnx"', '"~/town.onnx"', "The key 'file' of weights must be"),
        ('"town.onnx"', '"C:town.onnx"', "The key 'file' of weights must be"),
        ('"town.onnx"', '"x"\nrepository = "../.."', "The key 'repository' of weights must be"),
        ('"town.onnx"', '"x"\nrepository = "https://evil.example/x"', "The key 'repository' of weights must be"),
        ('"town.onnx"', '"x"\nrepository = "a/b/c"', "The key 'repository' of weights must be"),
        ('"town.onnx"', '"x"\nrepository = "ówner/name"', "The key 'repository' of weights must be"),
        ('"town.onnx"', '"x"\npath = "https://evil.example/x"', "The key 'path' of weights must be"),
        ('"Heights of towns"', '"Heights \u202esnwot fo"', "The key 'title' of the card must be"),
        ('"Heights of towns"', '"Heights\\u2028of towns"', "The key 'title' of the card must be"),
        ("[[inputs]]", "inputs = = 3", "This is not TOML: Invalid value (at line 9, column 10)."),
        ("[[inputs]]\n", "", "The key 'inputs' is missing in the card: it is written as [[inputs]]"),
        ("[[inputs]]", '[[inputs]]\nkind = "text"', "The key 'kind' of input 1 must be one of optical, sar"),
        ("[[inputs]]", "[[inputs]]\nbands = []", "The key 'bands' of input 1 must be a list of names"),
        ("[[inputs]]", "[[inputs]]\nmean = [1]", "The key 'mean' of input 1 has 1 numbers for 3 bands"),
        ("[[inputs]]", "[[inputs]]\nmean = [1, 2, 3]", "The keys 'mean' and 'std' of input 1 go together"),
        ("[[inputs]]", "[[inputs]]\nstd = [1, 0, 1]", "The key 'std' of input 1 must be a list of numbers above 0"),
        ("[[inputs]]", "[[inputs]]\nhigh = nan", "The key 'high' of input 1 must be a number from 0, not nan."),
        ("[[inputs]]", "[[inputs]]\nhigh = true", "The key 'high' of input 1 must be a number from 0, not True."),
        (
            "[[inputs]]",
            f"[[inputs]]\nhigh = 1{'0' * 400}",
            "The key 'high' of input 1 must be a number from 0, not 1000",
        ),
        ("[[inputs]]", f"[[inputs]]\nhigh = {'1' * 5000}", "This is not TOML"),
        ("[[inputs]]", f"[[inputs]]\nhigh = 0x{'f' * 5000}", "not a very large number."),
        ('kind = "height"', 'kind = "depth"', "The key 'kind' of output 1 must be one of height, labels, scene"),
        ('kind = "height"', 'kind = "scene"', "The key 'classes' of output 1 must name every class"),
        ("[[inputs]]", "[[inputs]]\nclip = [1]", "The key 'clip' of input 1 must be two numbers, the lower one first"),
        ("[[inputs]]", "[[inputs]]\nclip = [0, -25]", "The key 'clip' of input 1 must be two numbers"),
        ('kind = "height"', 'kind = "height"\nscale = 0', "The key 'scale' of output 1 must be a number other than 0"),
        (
            'kind = "height"',
            'kind = "height"\n[[outputs]]\nkind="height"\nname="b"',
            "Two of the outputs have the kind",
        ),
        ('kind = "height"', 'kind = "height"\nreference = ["A b"]', "The key 'reference' of output 1 must be"),
    ],
)
def test_a_fault_is_one_sentence_that_names_key_and_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace(old, new, 1))

    with pytest.raises(ModelError) as fault:
        read_card(path)

    assert str(fault.value).startswith(f"{path}: ")
    assert said in str(fault.value)
    assert len(str(fault.value)) < 400


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("stride = 511", "stride = 2000", "The key 'stride' of framing 2 is 2000, more than the window of 1022"),
        ("window = 1022", "window = 1000", "The key 'window' of framing 2 is 1000, no multiple of 14"),
        ("window = 1022", "window = 99999999", "The key 'window' of framing 2 must be a whole number of pixels"),
        ("multiple = 14", "multiple = 0", "The key 'multiple' of framing 1 must be a whole number from 1"),
        ('id = "official"', 'id = "pad"', "Two of the framings have the id 'pad'"),
        ("value = 2", "value = 1", "Two of the classes of output 1 have the value 1"),
        ("value = 2", "value = -1", "The key 'value' of class 2 must be a whole number from 0 to 65535"),
        ('"#800000"', '"red"', "The key 'color' of class 1 must be a colour"),
        ("[0, 255, 36]", "[0, 256, 36]", "The key 'color' of class 2 must be a colour"),
        ('"probabilities"', '"independent"', "The key 'scores' of output 1 is for scenes: a pixel has one class."),
        ("share = 0.5", "share = [1]", "The key 'settings' of the card must be written as [settings]"),
        ('kind = "labels"', 'kind = "height"', "The key 'classes' of output 1 is for labels and scenes"),
        ('kind = "labels"', 'kind = "labels"\n"\\u0007" = 1', "There is no key '\\x07' in output 1"),
    ],
)
def test_numbers_and_classes_that_no_model_can_be_made_of_are_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(ModelError) as fault:
        parse_card(LABELS.replace(old, new, 1))

    assert said in str(fault.value)


def test_a_file_that_is_no_card_is_refused_whatever_it_is(tmp_path: Path) -> None:
    large, latin, deep = tmp_path / "large.toml", tmp_path / "latin.toml", tmp_path / "deep.toml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    latin.write_bytes('title = "Höhe"'.encode("latin-1"))
    deep.write_text("a = " + "[" * 100_000)
    cases = {
        tmp_path / "none.toml": "There is no model card",
        tmp_path: "is no file",
        large: "larger than 1 MiB",
        latin: "not UTF-8",
        deep: "nested too deeply",
        Path("/\0"): "cannot be read",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        cases[tmp_path / "pipe"] = "is no file"
    for path, said in cases.items():
        with pytest.raises(ModelError, match=said):
            read_card(path)


@pytest.mark.parametrize(
    "bomb",
    [
        "a" + ".a" * 400_000 + " = 1",
        "[" + "a." * 400_000 + "a]",
        "a" + " . 'a'" * 150_000 + " = 1",
        'x = { "a"' + '."a"' * 200_000 + " = 1 }",
        "a" * 900_000,
        '"' * 900_000,
        "a ." * 300_000,
        "[[outputs]]\n" * 60_000,
    ],
    ids=["keys", "header", "quoted keys", "inline", "long key", "quotes", "dots", "tables"],
)
def test_no_card_takes_long_to_be_refused(bomb: str) -> None:
    began = time.process_time()

    with pytest.raises(ModelError):
        parse_card(bomb)

    assert time.process_time() - began < 5, "seconds; a key of 400,000 parts took the reader of TOML an hour"


def test_a_card_with_more_classes_than_anybody_can_compare_is_refused() -> None:
    """A table of 28,000 by 28,000 classes takes 6 GB."""
    classes = ",".join(f'{{ value = {value}, name = "c", color = [0, 0, 0] }}' for value in range(20_000))
    began = time.process_time()

    with pytest.raises(ModelError, match="has 20,000 classes: 1,024 at most"):
        parse_card(SMALL.replace('kind = "height"', f'kind = "labels"\nclasses = [{classes}]'))
    parse_card(SMALL.replace('kind = "height"', f'kind = "scene"\nclasses = [{classes}]'))

    assert time.process_time() - began < 10


def test_a_card_that_windows_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())

    assert read_card(path) == parse_card(SMALL)


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8)
lines = st.lists(words, max_size=3).map("\n".join)
numbers = st.floats(allow_nan=False, allow_infinity=False)
ids = st.from_regex(r"m[a-z0-9-]{0,12}", fullmatch=True)
colors = st.tuples(*[st.integers(0, 255)] * 3)

SCENE_ONLY = (Scores.INDEPENDENT, Scores.PROMPTS)


@st.composite
def inputs(draw: Any) -> ModelInput:
    bands = tuple(draw(st.lists(names, min_size=1, max_size=4)))
    each = {"min_size": len(bands), "max_size": len(bands)}
    mean = draw(st.none() | st.lists(numbers, **each))
    std = draw(st.lists(st.floats(1e-6, 1e6), **each))
    low = draw(st.none() | st.floats(-1e6, 1e6))
    return ModelInput(
        draw(st.sampled_from([LayerKind.OPTICAL, LayerKind.SAR, LayerKind.HEIGHT])),
        bands,
        draw(st.sampled_from(["", "pre", "post"])),
        draw(st.floats(0, 1e30)),
        tuple(mean or ()),
        tuple(std if mean else ()),
        draw(st.booleans()),
        draw(st.none() | numbers),
        () if low is None else (low, low + 1),
        () if low is None else (low, low + 1),
    )


@st.composite
def outputs(draw: Any, kind: OutputKind, name: str) -> ModelOutput:
    values = draw(st.lists(st.integers(0, 65535), min_size=2, max_size=4, unique=True))
    classes = [LabelClass(value, draw(names), draw(colors), draw(st.booleans())) for value in values]
    scores = draw(st.sampled_from([one for one in Scores if kind is OutputKind.SCENE or one not in SCENE_ONLY]))
    each_by_itself = kind is OutputKind.LABELS and scores is Scores.PROBABILITIES
    low = draw(st.none() | st.floats(-1e6, 1e6))
    return ModelOutput(
        kind,
        name,
        draw(words),
        draw(words),
        draw(numbers.filter(bool)),
        draw(numbers),
        () if kind in (OutputKind.HEIGHT, OutputKind.QUANTITY) else tuple(classes),
        scores,
        tuple(draw(st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), max_size=2))),
        draw(st.floats(0, 1)),
        low=low,
        high=None if low is None else low + 1,
        threshold=draw(st.floats(0, 1)) if each_by_itself else 0.0,
    )


@st.composite
def framings(draw: Any, identity: str) -> Framing:
    multiple, count = draw(st.integers(1, 32)), draw(st.integers(0, 64))
    return Framing(
        identity,
        draw(words),
        multiple * count,
        draw(st.integers(0, multiple * count)),
        multiple,
        draw(st.sampled_from(Fill)),
        draw(st.integers(0, 1000)),
        draw(st.booleans()),
    )


@st.composite
def cards(draw: Any) -> ModelCard:
    kinds = draw(st.lists(st.sampled_from(OutputKind), min_size=1, max_size=3, unique=True))
    plain = st.booleans() | st.integers(-(2**62), 2**62) | numbers | words
    digits = st.text("0123456789abcdef", min_size=64, max_size=64)
    return ModelCard(
        draw(ids),
        draw(names),
        draw(st.sampled_from(FAMILIES)),
        tuple(draw(st.lists(inputs(), min_size=1, max_size=2))),
        tuple(draw(outputs(kind, f"out {number}")) for number, kind in enumerate(kinds)),
        tuple(draw(framings(f"f{number}")) for number in range(draw(st.integers(1, 3)))),
        Weights(
            draw(st.sampled_from(["a.onnx", "Höhe 2.pth", "/a b/ü.pt", "C:\\x\\y.pt"])),
            draw(st.just("") | digits),
            draw(st.integers(0, 2**50)),
            draw(st.sampled_from(["", "https://example.org/a?b=c"])),
            draw(st.sampled_from(["", "JTRNEO/RS3DAda"])),
            draw(st.sampled_from(["", "a/b.pth"])),
        ),
        draw(lines),
        draw(words),
        draw(lines),
        draw(words),
        draw(st.dictionaries(names, plain, max_size=3)),
        draw(st.booleans()),
        exclusive=draw(st.booleans()),
        dates=draw(st.integers(1, 64)),
    )


@given(cards())
def test_what_is_written_is_read_as_the_same_card(card: ModelCard) -> None:
    assert parse_card(dump_card(card)) == card


@given(st.text(max_size=200) | st.binary(max_size=50).map(lambda junk: SMALL + junk.decode("latin-1")))
def test_no_text_does_anything_but_be_a_card_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ModelError):
        parse_card(text)


def test_a_card_that_was_made_by_hand_is_as_good_as_one_that_was_read() -> None:
    card = replace(parse_card(LABELS), description='Two\nlines with "quotes" and \\')

    assert parse_card(dump_card(card)) == card
