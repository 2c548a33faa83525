"""What travels to a model's process and back arrives as it was, and nothing else arrives."""

import io
import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsviewer.core.fitting import Fitted
from rsviewer.core.model import (
    Fill,
    Framing,
    ModelCard,
    ModelInput,
    ModelOutput,
    OutputKind,
    Precision,
    RunOptions,
    Scores,
    Weights,
)
from rsviewer.core.prediction import HEIGHT, Prediction, Score
from rsviewer.core.tile import LabelClass, LayerKind, Raster, TileId
from rsviewer.inference.messages import DTYPES, MOST_HEADER_BYTES, MessageError, message, receive, send, unpack

CARD = ModelCard(
    id="two-heads",
    title="Höhe & Land",
    family="onnx",
    inputs=(
        ModelInput(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
        ModelInput(LayerKind.SAR, ("vv",)),
    ),
    outputs=(
        ModelOutput(OutputKind.HEIGHT, "height", "nDSM", scale=2, reference=("ndsm",)),
        ModelOutput(
            OutputKind.LABELS, classes=(LabelClass(1, "bare", (128, 0, 0)), LabelClass(0, "?", (0, 0, 0), void=True))
        ),
        ModelOutput(OutputKind.SCENE, scores=Scores.INDEX),
    ),
    framings=(Framing("pad", window=518, multiple=14, fill=Fill.ZERO, whole=True), Framing("all")),
    weights=Weights("weights.onnx", "ab" * 32, 12345),
    settings={"encoder": "vits", "deep": True, "layers": 12, "eps": 1e-6},
    augmentable=False,
)
TINY = np.zeros((1, 1), np.uint8)


def through(kind: str = "tile", most_bytes: int = 1 << 20, **values: object) -> Any:
    """What is received after these values were sent."""
    pipe = io.BytesIO()
    send(pipe, message(kind, **values))
    pipe.seek(0)
    return receive(pipe, most_bytes)


def raw(header: object, body: bytes = b"") -> io.BytesIO:
    """A message as somebody else would write it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(struct.pack(">I", len(text)) + text + body)


def described(*arrays: dict[str, object], fields: object = None) -> dict[str, object]:
    return {"kind": "tile", "fields": fields or {}, "arrays": list(arrays)}


def test_a_card_and_options_arrive_as_they_were() -> None:
    options = RunOptions("cuda:1", Precision.BFLOAT16, framing="pad", batch=4)

    got = through(card=CARD, options=options)

    assert got.get("card", ModelCard) == CARD
    assert repr(got.get("card", ModelCard)) == repr(CARD)  # 2 is still 2, not 2.0, and an enum is an enum
    assert got.get("options", RunOptions) == options


def test_a_fitted_tile_arrives_as_it_was() -> None:
    pixels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    pixels[0, 0, 0] = np.nan
    valid = np.broadcast_to(np.array([True, False, True, True]), (3, 4))
    fitted = Fitted(
        pixels, valid, (0.5, 0, 4e5, 0, -0.5, 4e6), "EPSG:32654", 0.5, (0.5, 0.4), (8, 6), ("one band", "stretched")
    )

    got = through(tile=TileId("gruppe/ü"), fitted=fitted)

    arrived = got.get("fitted", Fitted)
    assert got.get("tile", TileId) == "gruppe/ü"
    np.testing.assert_array_equal(arrived.pixels, pixels)
    np.testing.assert_array_equal(arrived.valid, valid)
    for name in ("transform", "crs", "gsd", "cell", "full_size", "remarks"):
        assert getattr(arrived, name) == getattr(fitted, name)


def test_a_prediction_arrives_as_it_was() -> None:
    heights = Raster(
        np.array([[[-1.5, 4e6]]], np.float32), np.array([[[True, False]]]), gsd=0.3, color_table={3: (1, 2, 3)}
    )
    said = Prediction(
        TileId("a/1"), "f" * 16, {HEIGHT: heights}, (Score("port", 0.75),), 1.5, 1, "cuda:0", ("half windows",)
    )

    got = through("answer", prediction=said).get("prediction", Prediction)

    np.testing.assert_array_equal(got.rasters[HEIGHT].pixels, heights.pixels)
    np.testing.assert_array_equal(got.rasters[HEIGHT].valid, heights.valid)
    assert got.rasters[HEIGHT].color_table == {3: (1, 2, 3)}
    assert replace(got, rasters=said.rasters).__repr__() == said.__repr__()


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # signalling NaNs are among any bytes
@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4), st.booleans(), st.data())
def test_any_array_of_numbers_arrives_as_it_was(
    dtype: str, shape: list[int], turned: bool, data: st.DataObject
) -> None:
    count = int(np.prod(shape, dtype=int))
    numbers = data.draw(st.binary(min_size=count * 8, max_size=count * 8))
    array = np.frombuffer(numbers, "uint8" if dtype == "bool" else dtype)[:count].reshape(shape)
    if dtype == "bool":
        array = np.asarray(array > 127)
    if turned:
        array = array.T.astype(array.dtype.newbyteorder(">"))

    got = unpack(NDArray[Any], 0, through(array=array).arrays)

    assert got.shape == array.shape
    assert got.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(got, array)


def test_several_messages_follow_each_other_to_the_end() -> None:
    pipe = io.BytesIO()
    for number in range(3):
        send(pipe, message("tile", number=number, pixels=TINY))
    pipe.seek(0)

    got = [receive(pipe, 10) for _ in range(4)]

    assert [one and one.get("number", int) for one in got] == [0, 1, 2, None]


@pytest.mark.parametrize("cut", [1, 3, 4, 20, -1])
def test_a_message_that_breaks_off_is_no_message(cut: int) -> None:
    pipe = io.BytesIO()
    send(pipe, message("tile", pixels=np.zeros((4, 4), np.float32)))

    with pytest.raises(EOFError):
        receive(io.BytesIO(pipe.getvalue()[:cut]), 1000)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        [],
        {"kind": "tile"},
        {"kind": 1, "fields": {}, "arrays": []},
        {"kind": "tile", "fields": [], "arrays": []},
        {"kind": "tile", "fields": {}, "arrays": [1]},
        described({"dtype": "object", "shape": [1]}),
        described({"dtype": ["u1"], "shape": [1]}),
        described({"dtype": "S8", "shape": [1]}),
        described({"dtype": "uint8", "shape": [-1]}),
        described({"dtype": "uint8", "shape": [1.0]}),
        described({"dtype": "uint8", "shape": [True]}),
        described({"dtype": "uint8", "shape": "12"}),
        described({"dtype": "uint8", "shape": [1, 1, 1, 1, 1]}),
        described({"dtype": "uint8", "shape": [0, 2**62, 2**62]}),
        described(*[{"dtype": "uint8", "shape": [0]}] * 65),
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_header_that_is_none_is_refused(header: object) -> None:
    with pytest.raises(MessageError):
        receive(raw(header), 1000)


def test_nobody_makes_the_reader_take_more_memory_than_it_allows() -> None:
    with pytest.raises(MessageError, match="more than may come"):
        receive(raw(described({"dtype": "float64", "shape": [1 << 40]})), 1000)
    with pytest.raises(MessageError, match="more than may come"):
        receive(raw(described(*[{"dtype": "uint8", "shape": [600]}] * 2), bytes(1200)), 1000)
    with pytest.raises(MessageError, match="header"):
        receive(io.BytesIO(struct.pack(">I", MOST_HEADER_BYTES + 1)), 1000)


def test_a_mask_holds_only_true_and_false_whatever_was_sent() -> None:
    got = receive(raw(described({"dtype": "bool", "shape": [4]}), bytes([0, 1, 2, 255])), 10)

    assert got is not None
    assert got.arrays[0].view(np.uint8).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        (int, "1"),
        (int, True),
        (int, 1.0),
        (float, "1"),
        (str, 1),
        (bool, 1),
        (str | None, 1),
        (OutputKind, "taste"),
        (OutputKind, ["height"]),
        (tuple[int, ...], "ab"),
        (tuple[int, int], [1]),
        (tuple[float, float] | None, [1, "2"]),
        (dict[str, int], {"a": 1}),
        (dict[str, int], [["a"]]),
        (Score, {"name": "port"}),
        (Score, {"name": "port", "probability": 1.0, "more": 2}),
        (Score, ["port", 1.0]),
        (NDArray[Any], 1),
        (NDArray[Any], -1),
        (NDArray[Any], True),
        (NDArray[np.bool_], 0),
        (list, []),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(kind: Any, packed: object) -> None:
    with pytest.raises(MessageError):
        unpack(kind, packed, [TINY])


def test_a_raster_whose_mask_does_not_fit_is_refused() -> None:
    got = through(raster=Raster(np.zeros((1, 2, 2)), np.ones((1, 2, 2), bool)))
    bent = replace(got, arrays=(got.arrays[0], got.arrays[1][:, :1]))

    with pytest.raises(MessageError, match="Raster"):
        bent.get("raster", Raster)


def test_what_is_no_value_is_not_sent() -> None:
    for odd in (object(), print, {1, 2}, ModelCard):
        with pytest.raises(TypeError, match="cannot be put into a message"):
            message("tile", odd=odd)
    with pytest.raises(TypeError, match="cannot be put into a message"):
        send(io.BytesIO(), message("tile", array=np.array(["text"])))


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(MessageError, match="without 'card'"):
        through("start").get("card", ModelCard)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    try:
        receive(io.BytesIO(data), 1000)
    except (MessageError, EOFError):
        return
