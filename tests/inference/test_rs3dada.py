"""RS3DAda's published files run through the program's mapping and give what the network of the paper gives."""

import io
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Fill, ModelCard, ModelInput, OutputKind, Weights
from rsviewer.data.datasets.synrs3d import LANDCOVER
from rsviewer.data.modelcards import read_card
from rsviewer.inference.zoo import rs3dada
from tests.inference.reference_dpt import TINY, VITS, Reference

CARDS = Path(__file__).resolve().parents[2] / "resources" / "models"
CPU = torch.device("cpu")
TOLERANCE = 1e-4
"""Metres, and logits, where heights have a standard deviation of about 5 m."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny() -> Reference:
    return Reference(TINY)


@pytest.fixture(scope="module")
def tiny_file(tiny: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny.state_dict(), tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def vits() -> Reference:
    return Reference(VITS)


@pytest.fixture(scope="module")
def vits_file(vits: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(vits.state_dict(), tmp_path_factory.mktemp("vits"))


def saved(held: object, folder: Path, **options: Any) -> Path:
    path = folder / "RS3DAda_vitl_DPT_height.pth"
    torch.save(held, path, **options)
    return path


def card(*kinds: OutputKind, classes: int = 8) -> ModelCard:
    """The published card, with some of its outputs and classes only."""
    whole = read_card(CARDS / "rs3dada-height.toml")
    outputs = tuple(
        replace(output, classes=output.classes[:classes])
        for output in whole.outputs
        if not kinds or output.kind in kinds
    )
    return replace(whole, outputs=outputs)


def images(height: int, width: int, n: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def predicted(network: rs3dada.Rs3dAda, windows: Tensor) -> Mapping[str, Tensor]:
    with torch.inference_mode():
        return network.forward(windows)


def difference(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> float:
    pairs = [(found["height"], wanted["regression"]), (found["labels"], wanted["segmentation"])]
    assert all(one.shape == other.shape for one, other in pairs)
    return max(float((one - other).abs().max()) for one, other in pairs)


# ---------------------------------------------------------------- the same numbers


def test_vit_s_answers_as_the_independent_network_does(vits: Reference, vits_file: Path) -> None:
    windows = images(126, 224)
    with torch.inference_mode():
        wanted = vits(windows)
    found = predicted(rs3dada.load(card(), vits_file, CPU), windows)
    assert difference(found, wanted) <= TOLERANCE
    assert 3 < wanted["regression"].std() < 8  # metres: what the tolerance was set for


def test_vit_s_answers_as_the_independent_network_does_for_a_whole_tile(vits: Reference, vits_file: Path) -> None:
    windows = images(518, 518)
    with torch.inference_mode():
        wanted = vits.heads["regression"](vits.pretrained(windows))
    found = predicted(rs3dada.load(card(OutputKind.HEIGHT), vits_file, CPU), windows)["height"]
    assert float((found - wanted).abs().max()) <= TOLERANCE
    assert 3 < wanted.std() < 8


@settings(max_examples=10)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_every_shape_of_window_agrees(tiny: Reference, tiny_file: Path, rows: int, columns: int) -> None:
    windows = images(14 * rows, 14 * columns)
    with torch.inference_mode():
        wanted = tiny(windows)
    assert difference(predicted(rs3dada.load(card(), tiny_file, CPU), windows), wanted) <= TOLERANCE


@pytest.mark.parametrize("size", [(518, 518), (504, 504), (532, 518), (448, 644)])
def test_windows_of_the_framings_and_their_neighbours_agree(
    tiny: Reference, tiny_file: Path, size: tuple[int, int]
) -> None:
    windows = images(*size)
    with torch.inference_mode():
        wanted = tiny(windows)
    assert difference(predicted(rs3dada.load(card(), tiny_file, CPU), windows), wanted) <= TOLERANCE


def test_heights_below_zero_stay_below_zero(tiny: Reference, tiny_file: Path) -> None:
    heights = predicted(rs3dada.load(card(), tiny_file, CPU), images(126, 126))["height"]
    assert float(heights.min()) < -3
    assert float(heights.max()) > 3


def test_windows_of_a_batch_do_not_know_each_other(tiny_file: Path) -> None:
    network, windows = rs3dada.load(card(), tiny_file, CPU), images(70, 98, n=3)
    together = predicted(network, windows)
    alone = [predicted(network, window[None]) for window in windows]
    for name, answer in together.items():
        torch.testing.assert_close(answer, torch.cat([one[name] for one in alone]), rtol=0, atol=TOLERANCE)


def test_half_precision_is_near_and_its_answers_are_whole_floats(tiny_file: Path) -> None:
    network, windows = rs3dada.load(card(), tiny_file, CPU), images(126, 126)
    exact = predicted(network, windows)
    with torch.autocast("cpu", torch.bfloat16):
        rough = predicted(network, windows)
    for name, answer in rough.items():
        assert answer.dtype is torch.float32
        assert 0 < float((answer - exact[name]).abs().mean()) < 0.05 * float(exact[name].std())


# ---------------------------------------------------------------- what is computed


def test_both_answers_take_one_pass_of_the_encoder(tiny_file: Path) -> None:
    network = rs3dada.load(card(), tiny_file, CPU)
    passes: list[None] = []
    network._backbone.register_forward_hook(lambda *_: passes.append(None))
    assert set(predicted(network, images(28, 28))) == {"height", "labels"}
    assert len(passes) == 1


@pytest.mark.parametrize(("kind", "name"), [(OutputKind.HEIGHT, "height"), (OutputKind.LABELS, "labels")])
def test_only_the_heads_that_the_card_asks_for_are_there(tiny_file: Path, kind: OutputKind, name: str) -> None:
    both, one = rs3dada.load(card(), tiny_file, CPU), rs3dada.load(card(kind), tiny_file, CPU)
    assert len(one._heads) == 1
    windows = images(28, 42)
    found = predicted(one, windows)
    assert list(found) == [name]
    assert torch.equal(found[name], predicted(both, windows)[name])


def test_answers_have_the_names_of_the_card_or_of_their_kind(tiny_file: Path) -> None:
    outputs = [replace(output, name=name) for output, name in zip(card().outputs, ("", "cover"), strict=True)]
    network = rs3dada.load(replace(card(), outputs=tuple(outputs)), tiny_file, CPU)
    assert {name: tuple(answer.shape) for name, answer in predicted(network, images(28, 42)).items()} == {
        "height": (1, 1, 28, 42),
        "cover": (1, 8, 28, 42),
    }


@pytest.mark.parametrize("size", [(512, 512), (518, 512), (13, 14), (0, 14)])
def test_a_window_that_is_no_multiple_of_the_patch_is_refused(tiny_file: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match=rf"multiples of 14, not {size[1]} x {size[0]}"):
        rs3dada.load(card(), tiny_file, CPU).forward(torch.zeros(1, 3, *size))


def test_the_whole_network_moves_to_another_device(tiny_file: Path) -> None:
    network = rs3dada.load(card(), tiny_file, CPU)
    network.move(torch.device("meta"))
    assert {tensor.device.type for tensor in network._parts.state_dict().values()} == {"meta"}


# ---------------------------------------------------------------- the names in the file


def test_every_number_of_the_file_has_one_place(tiny: Reference) -> None:
    layout = rs3dada._Layout.of(tiny.state_dict(), Path("a.pth"))
    backbone, heads = rs3dada._build(layout, sorted(layout.heads))
    names = [*rs3dada._encoder_names(layout, backbone)]
    places = set(backbone.state_dict())
    for task, head in heads.items():
        names += [(theirs, tuple(f"{task}.{our}" for our in ours)) for theirs, ours in rs3dada._head_names(task)]
        places |= {f"{task}.{name}" for name in head.state_dict()}
    assert sorted(theirs for theirs, _ in names) == sorted(tiny.state_dict())
    assert sorted(our for _, ours in names for our in ours) == sorted(places)


def test_a_missing_number_is_named(tiny: Reference, tmp_path: Path) -> None:
    for name in sorted(tiny.state_dict())[::23]:
        less = {key: tensor for key, tensor in tiny.state_dict().items() if key != name}
        if name != "pretrained.mask_token":
            with pytest.raises(ModelError, match=name.replace(".", r"\.")):
                rs3dada.load(card(), saved(less, tmp_path), CPU)


def test_a_file_without_the_token_that_only_training_needs_is_fine(tiny: Reference, tmp_path: Path) -> None:
    state = tiny.state_dict()
    del state["pretrained.mask_token"]
    predicted(rs3dada.load(card(), saved(state, tmp_path), CPU), images(14, 14))


def test_a_number_too_many_means_another_network(tiny: Reference, tmp_path: Path) -> None:
    for name in ("pretrained.register_tokens", "heads.regression.scratch.output_conv2.3.weight"):
        with pytest.raises(ModelError, match=f"is another network than RS3DAda: it also holds {name}"):
            rs3dada.load(card(), saved({**tiny.state_dict(), name: torch.zeros(1)}, tmp_path), CPU)


def test_a_head_that_nobody_asks_for_may_be_anything(tiny: Reference, tmp_path: Path) -> None:
    state = {**tiny.state_dict(), "heads.change.weight.more": torch.zeros(1)}
    del state["heads.segmentation.scratch.layer2_rn.weight"]
    predicted(rs3dada.load(card(OutputKind.HEIGHT), saved(state, tmp_path), CPU), images(14, 14))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("pretrained.pos_embed", (1, 1370)),
        ("pretrained.blocks.1.attn.qkv.weight", (384, 127)),
        ("pretrained.blocks.1.attn.qkv.bias", (383,)),
        ("pretrained.pos_embed", (1, 1369, 128)),
        ("heads.regression.scratch.refinenet4.resConfUnit1.bn2.running_var", (8,)),
        ("heads.segmentation.projects.2.weight", (16, 128, 3, 3)),
        ("heads.regression.projects.2.weight", (16,)),
    ],
)
def test_a_wrong_shape_is_told(tiny: Reference, tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    path = saved({**tiny.state_dict(), name: torch.zeros(shape)}, tmp_path)
    with pytest.raises(ModelError, match=rf"RS3DAda.*{name}.* has shape {' x '.join(map(str, shape))}\."):
        rs3dada.load(card(), path, CPU)


def test_names_of_attention_before_transformers_5_18_are_known() -> None:
    old = nn.Linear(1, 1)
    assert rs3dada._attention_names(old) == (
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    )


# ---------------------------------------------------------------- files of other people


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("wrapper", ["", "model", "state_dict", "model_state_dict", "whatever"])
def test_wrapped_and_prefixed_files_are_read(
    tiny: Reference, tiny_file: Path, tmp_path: Path, prefix: str, wrapper: str
) -> None:
    state: dict[str, Any] = {f"{prefix}{name}": tensor for name, tensor in tiny.state_dict().items()}
    held = {"step": 7, "optimizer": {"state": {0: torch.zeros(2)}}, wrapper: state} if wrapper else state
    windows = images(28, 28)
    found = predicted(rs3dada.load(card(), saved(held, tmp_path), CPU), windows)
    plain = predicted(rs3dada.load(card(), tiny_file, CPU), windows)
    assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_of_a_network_and_its_average_the_network_is_taken(tiny: Reference, tmp_path: Path) -> None:
    other = Reference(TINY, seed=5)
    path = saved({"ema": other.state_dict(), "model": tiny.state_dict()}, tmp_path)
    windows = images(28, 28)
    with torch.inference_mode():
        assert difference(predicted(rs3dada.load(card(), path, CPU), windows), tiny(windows)) <= TOLERANCE


def test_files_of_old_torch_and_of_half_precision_are_read(tiny: Reference, tmp_path: Path) -> None:
    half = {k: t.half() if t.is_floating_point() else t for k, t in tiny.state_dict().items()}
    path = saved(half, tmp_path, _use_new_zipfile_serialization=False)
    windows = images(42, 28)
    with torch.inference_mode():
        wanted = tiny(windows)["regression"]
    assert float((predicted(rs3dada.load(card(), path, CPU), windows)["height"] - wanted).abs().max()) < 0.5


@pytest.mark.parametrize(
    ("height", "classes", "kind", "lacking"),
    [
        (True, 0, OutputKind.HEIGHT, "heads.segmentation"),
        (False, 8, OutputKind.LABELS, "heads.regression"),
    ],
)
def test_a_file_with_one_head_needs_a_card_that_asks_for_one(
    tmp_path: Path, height: bool, classes: int, kind: OutputKind, lacking: str
) -> None:
    path = saved(Reference(TINY, height=height, classes=classes).state_dict(), tmp_path)
    assert len(predicted(rs3dada.load(card(kind), path, CPU), images(14, 14))) == 1
    with pytest.raises(ModelError, match=f"has no head for the output .*{lacking}.*use a card without"):
        rs3dada.load(card(), path, CPU)


def test_three_classes_need_a_card_of_three(tmp_path: Path) -> None:
    path = saved(Reference(TINY, classes=3).state_dict(), tmp_path)
    assert predicted(rs3dada.load(card(classes=3), path, CPU), images(14, 14))["labels"].shape == (1, 3, 14, 14)
    with pytest.raises(ModelError, match="tells 3 classes apart, but its card names 8"):
        rs3dada.load(card(), path, CPU)


def test_a_card_that_gives_other_bands_or_wants_other_answers_is_refused(tiny_file: Path) -> None:
    with pytest.raises(ModelError, match="takes 3 bands, but its card gives it 4"):
        rs3dada.load(replace(card(), inputs=(ModelInput(bands=("red", "green", "blue", "nir")),)), tiny_file, CPU)
    scene = replace(card().outputs[0], kind=OutputKind.SCENE)
    with pytest.raises(ModelError, match="asks for scene: RS3DAda gives height and labels"):
        rs3dada.load(replace(card(), outputs=(scene,)), tiny_file, CPU)


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.99])
def test_a_truncated_file_is_told(tiny_file: Path, tmp_path: Path, share: float) -> None:
    whole = tiny_file.read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"cut\.pth is truncated or damaged"):
        rs3dada.load(card(), path, CPU)


def test_a_file_smaller_than_its_card_says_is_told_with_both_sizes(tiny_file: Path) -> None:
    told = replace(card(), weights=Weights("", nbytes=1_466_477_172))
    with pytest.raises(ModelError, match=r"is incomplete: [\d,]+ of 1,466,477,172 bytes"):
        rs3dada.load(told, tiny_file, CPU)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<!doctype html>", "is a web page: RS3DAda needs"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\x80", "damaged"),
        (b"\x80\x04N.", "damaged"),
        (pickle.dumps({"a": 1}), "damaged|no RS3DAda model"),
        (b"PK\x03\x04" + bytes(99), "is truncated or damaged: RS3DAda needs"),
        (b"\x10" + bytes(7) + b'{"a":[]}        ', "is a safetensors file"),
    ],
)
def test_what_is_no_file_of_weights_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"x\.pth .*({said})"):
        rs3dada.load(card(), path, CPU)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_a_few_wrong_bytes_is_read_or_told_but_never_crashes(tmp_path: Path, zipped: bool) -> None:
    whole = saved({"x.pretrained.pos_embed": torch.zeros(2)}, tmp_path, _use_new_zipfile_serialization=zipped)
    content, path, told = whole.read_bytes(), tmp_path / "x.pth", 0
    for place in range(4, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            rs3dada.load(card(), path, CPU)
        except ModelError:
            told += 1
    assert told == len(range(4, len(content), 7))  # no head in it, if it can be read at all


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            rs3dada.load(card(), path, CPU)


@pytest.mark.parametrize(
    "held",
    [{"conv.weight": torch.zeros(1), "conv.bias": torch.zeros(1)}, [torch.zeros(2)], {"model": {}}, {}, torch.zeros(3)],
)
def test_the_file_of_another_model_is_told(tmp_path: Path, held: object) -> None:
    with pytest.raises(ModelError, match=r"is no RS3DAda model: it holds no pretrained\.pos_embed"):
        rs3dada.load(card(), saved(held, tmp_path), CPU)


def test_the_encoder_alone_is_told(tiny: Reference, tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in tiny.state_dict().items() if name.startswith("pretrained.")}
    with pytest.raises(ModelError, match="holds no head of RS3DAda"):
        rs3dada.load(card(), saved(state, tmp_path), CPU)


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch.__get__(self.trace), ())  # type: ignore[return-value]


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_never_run(tiny: Reference, tmp_path: Path, zipped: bool) -> None:
    trace = tmp_path / "trace"
    path = saved({**tiny.state_dict(), "more": Trap(trace)}, tmp_path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"more than numbers and names.*Nothing in it was run"):
        rs3dada.load(card(), path, CPU)
    assert not trace.exists()
    pickle.load(io.BytesIO(pickle.dumps(Trap(trace))))
    assert trace.exists()  # the trap works


# ---------------------------------------------------------------- the cards


@pytest.mark.parametrize("name", ["height", "segmentation"])
def test_the_cards_say_what_is_known(name: str) -> None:
    told = read_card(CARDS / f"rs3dada-{name}.toml")
    labels, heights = told.output(OutputKind.LABELS), told.output(OutputKind.HEIGHT)
    assert labels is not None
    assert heights is not None
    assert labels.classes == LANDCOVER[1:]  # channel p of the network is label p + 1
    assert (heights.unit, heights.scale, heights.offset) == ("m", 1.0, 0.0)
    assert [framing.id for framing in told.framings] == ["pad", "paper", "script"]
    assert all(framing.window % 14 == framing.crop % 14 == 0 and framing.multiple == 14 for framing in told.framings)
    pad, paper, script = told.framings
    assert (pad.window, pad.fill, paper.crop) == (518, Fill.REFLECT, 504)
    assert (script.window, script.stride, script.fill, script.whole) == (1022, 511, Fill.ZERO, True)
    assert told.weights.path == told.weights.file == f"RS3DAda_vitl_DPT_{name}.pth"
