"""An ONNX file with a card is a model; one that does not fit says so in a sentence."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import (
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
from rsviewer.core.prediction import HEIGHT as HEIGHT_LAYER
from rsviewer.core.tile import LabelClass, TileId
from rsviewer.inference.engine import Engine
from rsviewer.inference.remote import RemoteEngine

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
load = pytest.importorskip("rsviewer.inference.zoo.onnx").load
devices = pytest.importorskip("rsviewer.inference.devices")
is_out_of_memory = devices.is_out_of_memory

CPU = torch.device("cpu")
CLASSES = tuple(LabelClass(value, name, (value, 0, 0)) for value, name in enumerate(("water", "trees", "roof"), 1))
HEIGHT = ModelOutput(OutputKind.HEIGHT, "height")
LABELS = ModelOutput(OutputKind.LABELS, "labels", classes=CLASSES)
SCENE = ModelOutput(OutputKind.SCENE, "scene", classes=CLASSES)
FREE = ("n", 3, "h", "w")


def card(*outputs: ModelOutput, inputs: tuple[ModelInput, ...] = (ModelInput(),)) -> ModelCard:
    return ModelCard("mine", "Mine", "onnx", inputs, outputs or (HEIGHT,), (Framing("all"),), Weights("model.onnx"))


def write(
    path: Path,
    nodes: Sequence[Any],
    outputs: Sequence[str],
    *,
    shape: Sequence[object] = FREE,
    dtype: int = onnx.TensorProto.FLOAT,
    inputs: Sequence[str] = ("image",),
    **numbers: np.ndarray[Any, Any],
) -> Path:
    """An ONNX file of these nodes."""
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [onnx.helper.make_tensor_value_info(name, dtype, shape) for name in inputs],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def sums(path: Path, *, half: bool = False, **more: Any) -> Path:
    """Height: the sum of all bands. Labels: each band by itself, as scores. Scene: their means."""
    kind = np.float16 if half else np.float32
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["image", "ones"], ["height"]),
        node("Conv", ["image", "each"], ["labels"]),
        node("ReduceMean", ["image"], ["scene"], axes=[2, 3], keepdims=0),
    ]
    each = np.eye(3, dtype=kind)[:, :, None, None]
    dtype = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    ones = np.ones((1, 3, 1, 1), kind)
    return write(path, nodes, ["height", "labels", "scene"], dtype=dtype, ones=ones, each=each, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.fixture
def windows() -> Any:
    return torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)


def test_outputs_are_found_by_the_name_in_the_card(path: Path, windows: Any) -> None:
    network = load(card(SCENE, LABELS, HEIGHT), sums(path), CPU)

    answers = network.forward(windows)

    torch.testing.assert_close(answers["height"], windows.sum(1, keepdim=True))
    torch.testing.assert_close(answers["labels"], windows)
    torch.testing.assert_close(answers["scene"], windows.mean((2, 3)))


def test_an_only_output_needs_no_name_and_numbers_count_from_0(path: Path, windows: Any) -> None:
    only = write(path, [onnx.helper.make_node("Identity", ["image"], ["whatever"])], ["whatever"])
    answers = load(card(LABELS), only, CPU).forward(windows)
    torch.testing.assert_close(answers["labels"], windows)

    second = ModelOutput(OutputKind.LABELS, "1", classes=CLASSES)
    answers = load(card(second), sums(path), CPU).forward(windows)
    torch.testing.assert_close(answers["1"], windows)


def test_a_number_that_the_file_does_not_reach_is_told(path: Path, windows: Any) -> None:
    with pytest.raises(ModelError, match="gives 3 outputs, and its card asks for number 7"):
        load(card(ModelOutput(OutputKind.HEIGHT, "7")), sums(path), CPU).forward(windows)


def test_a_name_that_is_not_in_the_file_is_told_with_those_that_are(path: Path, windows: Any) -> None:
    network = load(card(ModelOutput(OutputKind.HEIGHT, "hight")), sums(path), CPU)

    with pytest.raises(ModelError, match=r"no output 'hight', but 'height', 'labels', 'scene'"):
        network.forward(windows)


def test_a_file_of_half_precision_gets_and_gives_what_it_needs(path: Path, windows: Any) -> None:
    answers = load(card(), sums(path, half=True), CPU).forward(windows)

    torch.testing.assert_close(answers["height"].float(), windows.sum(1, keepdim=True))


def test_a_file_for_one_window_at_once_gets_one_at_once(path: Path, windows: Any) -> None:
    answers = load(card(), sums(path, shape=(1, 3, "h", "w")), CPU).forward(windows)

    torch.testing.assert_close(answers["height"], windows.sum(1, keepdim=True))


def test_a_file_for_four_windows_at_once_gets_copies_beside_two(path: Path, windows: Any) -> None:
    answers = load(card(), sums(path, shape=(4, 3, "h", "w")), CPU).forward(windows)

    torch.testing.assert_close(answers["height"], windows.sum(1, keepdim=True))


def test_a_fixed_size_is_respected_or_told_with_what_the_card_should_say(path: Path, windows: Any) -> None:
    network = load(card(), sums(path, shape=(1, 3, 4, 4)), CPU)

    assert network.forward(windows[..., :4])["height"].shape == (2, 1, 4, 4)
    with pytest.raises(
        ModelError, match=r"takes windows of 4 × 4 pixels only, not 6 × 4: say window = 4, multiple = 4"
    ):
        network.forward(windows)


def test_several_inputs_get_the_bands_of_the_cards_inputs(path: Path, windows: Any) -> None:
    shape = ("n", "bands", "h", "w")
    minus = write(
        path,
        [onnx.helper.make_node("Sub", ["post", "pre"], ["height"])],
        ["height"],
        shape=shape,
        inputs=["pre", "post"],
    )
    two = (ModelInput(bands=("gray",), date="pre"), ModelInput(bands=("gray",), date="post"))

    answers = load(card(inputs=two), minus, CPU).forward(windows[:, :2])

    torch.testing.assert_close(answers["height"], windows[:, 1:2] - windows[:, :1])
    with pytest.raises(ModelError, match="takes 2 inputs, and its card names 1"):
        load(card(), minus, CPU)


def test_the_place_of_the_winning_class_may_come_by_itself(path: Path, windows: Any) -> None:
    node = onnx.helper.make_node("ArgMax", ["image"], ["labels"], axis=1, keepdims=0)
    index = ModelOutput(OutputKind.LABELS, "labels", classes=CLASSES, scores=Scores.INDEX)

    answers = load(card(index), write(path, [node], ["labels"]), CPU).forward(windows)

    torch.testing.assert_close(answers["labels"], windows.argmax(1))


def test_windows_that_the_graph_cannot_take_are_told(path: Path, windows: Any) -> None:
    node = onnx.helper.make_node("Add", ["image", "field"], ["labels"])
    network = load(card(LABELS), write(path, [node], ["labels"], field=np.zeros((3, 5, 5), np.float32)), CPU)

    with pytest.raises(ModelError, match=r"model\.onnx cannot be run on windows of 6 × 4 pixels"):
        network.forward(windows)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"shape": ("n", 4, "h", "w")}, "takes 4 bands, and its card names 3"),
        ({"shape": ("n", "h", "w", 3)}, None),
        ({"shape": ("n", 64, 64, 3)}, "bands last"),
        ({"shape": ("n", 3)}, "arrays of 2 dimensions"),
        ({"dtype": onnx.TensorProto.INT64}, r"takes tensor\(int64\)"),
    ],
)
def test_a_file_that_takes_something_else_is_told_before_it_runs(
    path: Path, more: dict[str, Any], said: str | None
) -> None:
    file = write(path, [onnx.helper.make_node("Identity", ["image"], ["labels"])], ["labels"], **more)

    if said is None:
        load(card(LABELS), file, CPU)  # nothing fixed says that it is wrong
    else:
        with pytest.raises(ModelError, match=said):
            load(card(LABELS), file, CPU)


def test_whole_bytes_go_into_a_file_that_takes_bytes(path: Path) -> None:
    node = onnx.helper.make_node("Cast", ["image"], ["labels"], to=onnx.TensorProto.FLOAT)
    file = write(path, [node], ["labels"], dtype=onnx.TensorProto.UINT8)

    answers = load(card(LABELS), file, CPU).forward(torch.tensor([-4.0, 7.6, 300.0]).reshape(1, 3, 1, 1))

    assert answers["labels"].flatten().tolist() == [0.0, 8.0, 255.0]


@pytest.mark.parametrize("where", ["weights.data", "../../secret", "/etc/passwd"])
def test_numbers_in_another_file_are_refused_with_what_to_do(path: Path, where: str) -> None:
    model = onnx.load_from_string(sums(path).read_bytes())
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, where)
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    (path.parent / "weights.data").write_bytes(bytes(1000))

    with pytest.raises(ModelError, match=f"another file .{where}.*external_data=False"):
        load(card(), path, CPU)


def test_numbers_in_another_file_are_found_deep_in_the_graph_too(path: Path) -> None:
    hidden = onnx.numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "ones")
    onnx.external_data_helper.set_external_data(hidden, "hidden.data")
    constant = onnx.helper.make_node("Constant", [], ["ones"], value=hidden)
    branch = onnx.helper.make_graph([constant], "branch", [], [onnx.helper.make_tensor_value_info("ones", 1, None)])
    yes = onnx.numpy_helper.from_array(np.array(True), "yes")
    both = onnx.helper.make_node("If", ["yes"], ["filter"], then_branch=branch, else_branch=branch)
    conv = onnx.helper.make_node("Conv", ["image", "filter"], ["height"])
    write(path, [both, conv], ["height"], yes=onnx.numpy_helper.to_array(yes))

    with pytest.raises(ModelError, match=r"another file .hidden\.data"):
        load(card(), path, CPU)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>Not found</html>", "a web page"),
        (b"\x08\x08", "truncated, damaged or no ONNX file"),
        (b"\x08\x08garbage", "truncated, damaged or no ONNX file"),
        (b"\x80\x02}q\x00.", "torch.save"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00" + b'{"a":[]}        ', "safetensors"),
        (b"PK\x03\x04 no archive", "truncated or damaged"),
        (b"\x89HDF\r\n\x1a\n", "no file of a model"),
    ],
)
def test_a_file_that_is_something_else_says_what_it_is(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)

    with pytest.raises(ModelError, match=said):
        load(card(), path, CPU)


def test_a_file_that_breaks_off_anywhere_is_told(path: Path) -> None:
    whole = sums(path).read_bytes()

    for cut in range(2, len(whole), 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(ModelError, match="damaged"):
            load(card(), path, CPU)


def test_a_file_with_names_that_are_no_text_is_told(path: Path) -> None:
    named = write(
        path, [onnx.helper.make_node("Identity", ["image"], ["labels"])], ["labels"], shape=("n", 3, "hhhh", "w")
    )
    path.write_bytes(named.read_bytes().replace(b"hhhh", b"\xff\xfe\xfd\xfc"))

    with pytest.raises(ModelError, match="damaged"):
        load(card(LABELS), path, CPU)


def test_a_file_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load(card(), path, CPU)


def test_without_onnxruntime_the_sentence_says_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(ModelError, match="pip install onnxruntime"):
        load(card(), sums(path), CPU)


def test_a_tile_is_predicted_by_an_onnx_file_in_another_process(path: Path) -> None:
    pixels = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7)
    valid = np.ones((5, 7), bool)
    valid[0, 0] = False
    asked = ModelOutput(OutputKind.HEIGHT, "height", scale=0.5)

    with RemoteEngine(card(asked), sums(path), RunOptions("cpu", threads=1)) as engine:
        prediction = engine.predict(TileId("a/1"), Fitted(pixels, valid), model="f" * 16)

    heights = prediction.rasters[HEIGHT_LAYER]
    np.testing.assert_allclose(heights.pixels[0][valid], 0.5 * pixels.sum(0, dtype=float)[valid])
    np.testing.assert_array_equal(heights.valid[0], valid)
    assert (prediction.tile, prediction.model, prediction.device) == ("a/1", "f" * 16, "cpu")


class LentGpu:
    """onnxruntime-gpu with a GPU: sessions that run on the processor and say otherwise.

    Args:
        broken: what is wrong with the GPU; None for nothing.
        quiet: that is only seen by the session's providers, as where the libraries of CUDA are missing.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, broken: str | None = None, *, quiet: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        real = onnxruntime.InferenceSession

        def session(path: str, options: Any, *, providers: list[Any], enable_fallback: int) -> Any:
            names = [one if isinstance(one, str) else one[0] for one in providers]
            self.asked += [one[1] for one in providers if not isinstance(one, str)]
            if broken and not quiet and len(names) > 1:
                raise RuntimeError(broken)
            made = real(path, options, providers=["CPUExecutionProvider"], enable_fallback=enable_fallback)
            monkeypatch.setattr(made, "get_providers", lambda: names[1:] if broken and names[1:] else names)
            return made

        both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
        monkeypatch.setattr(onnxruntime, "InferenceSession", session)


def test_a_gpu_that_onnxruntime_knows_is_used(path: Path, windows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = LentGpu(monkeypatch)
    network = load(card(), sums(path), torch.device("cuda:1"))
    assert (network.device, network.remark) == (torch.device("cuda:1"), "")
    assert [one["device_id"] for one in gpu.asked] == [1]
    network.move(CPU)
    assert (network.device, network.remark) == (CPU, "")
    torch.testing.assert_close(network.forward(windows)["height"], windows.sum(1, keepdim=True))


@pytest.mark.parametrize("allowed", [False, True])
def test_float32_is_float32_in_onnxruntime_too(path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
    gpu = LentGpu(monkeypatch)
    load(card(), sums(path), torch.device("cuda:0"))
    assert [one["use_tf32"] for one in gpu.asked] == [int(allowed)]


def test_a_model_that_onnxruntime_has_no_room_for_on_the_gpu_is_no_damaged_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LentGpu(monkeypatch, "CUDA failure 2: out of memory ; GPU=0")
    with pytest.raises(ModelError, match="does not fit into the memory of cuda:0") as raised:
        load(card(), sums(path), torch.device("cuda:0"))
    assert is_out_of_memory(raised.value)  # the engine then loads it on the processor


@pytest.mark.parametrize("kind", ["no provider", "an error", "no library", "another GPU"])
def test_where_onnxruntime_cannot_use_the_gpu_the_prediction_says_that_it_ran_on_the_processor(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    chosen = "mps" if kind == "another GPU" else "cuda:0"
    if kind in ("an error", "no library"):
        LentGpu(monkeypatch, "CUDA failure 35: CUDA driver version is insufficient", quiet=kind == "no library")
    monkeypatch.setattr(devices, "choose", torch.device)
    with Engine(card(), sums(path), RunOptions(chosen, threads=1)) as engine:
        prediction = engine.predict(TileId("a/1"), Fitted(np.ones((3, 4, 4), np.uint8), np.ones((4, 4), bool)))
        assert engine.device == "cpu"
    assert prediction.device == "cpu"
    (remark,) = prediction.remarks
    assert remark.startswith(f"onnxruntime cannot use {chosen}: predicted on the processor. It needs a GPU of NVIDIA")
    np.testing.assert_allclose(prediction.rasters[HEIGHT_LAYER].pixels[0], np.full((4, 4), 3.0))


def test_the_precision_of_an_onnx_file_is_its_own(path: Path) -> None:
    options = RunOptions("cpu", precision=Precision.FLOAT16, threads=1)
    with Engine(card(), sums(path), options) as engine:
        prediction = engine.predict(TileId("a/1"), Fitted(np.ones((3, 4, 4), np.uint8), np.ones((4, 4), bool)))
    assert prediction.remarks == ("Mine computes in the precision of its file, whatever is chosen.",)


class Crowded:
    """A session that has room for nothing, `times` times.

    Args:
        network: whose session it takes the place of.
    """

    def __init__(self, network: Any, times: int) -> None:
        self.session, self.times = network._session, times
        network._session = self

    def run(self, *asked: Any) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("AllocateRawInternal Failed to allocate memory for requested buffer of size 67108864")
        return self.session.run(*asked)

    def get_providers(self) -> Any:
        return self.session.get_providers()


def test_no_room_is_seen_as_such_by_the_engine(path: Path, windows: Any) -> None:
    network = load(card(), sums(path), CPU)
    Crowded(network, 1)

    with pytest.raises(ModelError) as raised:
        network.forward(windows)
    assert is_out_of_memory(raised.value)  # it then takes smaller windows, or the processor


@pytest.mark.parametrize("multiple", [1, 128])
def test_a_file_for_windows_of_one_size_is_never_said_to_want_another_for_lack_of_memory(
    path: Path, multiple: int
) -> None:
    """Whether its card says that the size is fixed, or only the file does."""
    fixed = replace(card(), framings=(Framing("fixed", window=128, multiple=multiple, whole=True),))
    pixels = np.arange(3 * 100 * 90).reshape(3, 100, 90).astype(np.uint8)
    tile = Fitted(pixels, np.ones((100, 90), bool))

    def crowded(*given: Any) -> Any:
        network = load(*given)
        Crowded(network, 1)
        return network

    with Engine(fixed, sums(path, shape=(1, 3, 128, 128)), RunOptions("cpu", threads=1), load=crowded) as engine:
        with pytest.raises(ModelError, match="not enough memory for Mine"):
            engine.predict(TileId("a/1"), tile)
        prediction = engine.predict(TileId("a/1"), tile)

    assert prediction.remarks == ()
    np.testing.assert_allclose(prediction.rasters[HEIGHT_LAYER].pixels[0], pixels.sum(0, dtype=float))
