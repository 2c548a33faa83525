"""The checkpoints of DFC2020's baseline run as they are, and give what their formulas give with the same numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, OutputKind, RunOptions
from rsviewer.core.prediction import CONFIDENCE, LABELS
from rsviewer.core.recognising import DEEPLAB, UNET, Recognised
from rsviewer.core.tile import TileId
from rsviewer.data.proposals.dfc2020 import card_of
from rsviewer.inference.engine import Engine
from rsviewer.inference.zoo import dfc2020

CPU = torch.device("cpu")
TOLERANCE = 1e-4
ALL = ("hr", "mr", "s1")
FEW = (1, 1, 2, 3)
"""Blocks of the ResNet in tests that compute: the published 33 differ in nothing but their number."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dfc2020, "BLOCKS", FEW)


def numbers_of(architecture: str, bands: int = 12, classes: int = 9) -> dict[str, Tensor]:
    """Random numbers under all names of a file, normalisations included."""
    torch.manual_seed(7)
    held = dict(dfc2020.build(Recognised(architecture, bands, classes), 16).state_dict())
    for name, tensor in held.items():
        if name.endswith("running_var"):
            held[name] = torch.rand_like(tensor) + 0.5
        elif name.endswith("running_mean") or (tensor.ndim == 1 and tensor.is_floating_point()):
            held[name] = torch.randn_like(tensor) * 0.2 + (1.0 if name.endswith("weight") else 0.0)
    return held


def saved(path: Path, held: Mapping[str, Tensor]) -> Path:
    """As the baseline saves."""
    torch.save({"step": 5, "model_state_dict": held, "optimizer_state_dict": {"state": {}, "param_groups": []}}, path)
    return path


def card(architecture: str, stride: int = 0) -> ModelCard:
    return card_of(Recognised(architecture, 12, 9), ALL, stride)


def images(height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(1, 12, height, width, generator=torch.Generator().manual_seed(1))


def answer(path: Path, of: ModelCard, windows: Tensor) -> Tensor:
    with torch.inference_mode():
        return dfc2020.load(of, path, CPU).forward(windows)["labels"]


@pytest.mark.parametrize(("architecture", "names", "count"), [(DEEPLAB, 680, 59_369_449), (UNET, 128, 13_401_033)])
def test_a_network_has_the_names_of_its_file(architecture: str, names: int, count: int) -> None:
    with torch.device("meta"):
        network = dfc2020.build(Recognised(architecture, 12, 9), 16)
    assert len(network.state_dict()) == names
    assert sum(one.numel() for one in network.parameters()) == count


def test_the_names_are_those_of_the_baseline() -> None:
    with torch.device("meta"):
        deep, unet = (dfc2020.build(Recognised(name, 12, 9), 16).state_dict() for name in (DEEPLAB, UNET))
    assert {"backbone.layer3.22.conv3.weight", "backbone.layer4.0.downsample.1.running_var"} <= set(deep)
    assert {"aspp.aspp4.atrous_conv.weight", "aspp.aspp1.bn.bias", "aspp.global_avg_pool.2.weight"} <= set(deep)
    assert deep["aspp.conv1.weight"].shape == (256, 1280, 1, 1)
    assert deep["decoder.last_conv.0.weight"].shape == (256, 304, 3, 3)
    assert deep["decoder.last_conv.8.weight"].shape == (9, 256, 1, 1)
    assert {"inc.double_conv.4.running_mean", "down4.maxpool_conv.1.double_conv.3.bias", "outc.conv.bias"} <= set(unet)
    assert unet["up1.conv.double_conv.0.weight"].shape == (256, 1024, 3, 3)


# ---------------------------------------------------------------- the same numbers


def normalised(found: Tensor, held: Mapping[str, Tensor], name: str) -> Tensor:
    numbers = (held[f"{name}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(found, *numbers)


def larger(found: Tensor, size: torch.Size) -> Tensor:
    """Bilinear, corners on corners, by multiplying with the shares that each place has in each other."""
    for side, wanted in ((2, size[0]), (3, size[1])):
        there = found.shape[side]
        place = torch.arange(wanted) * ((there - 1) / max(wanted - 1, 1))
        shares = (1 - (place[:, None] - torch.arange(there)[None, :]).abs()).clamp(min=0)
        found = torch.einsum("nchw,oh->ncow" if side == 2 else "nchw,ow->ncho", found, shares)
    return found


def deeplab(held: Mapping[str, Tensor], windows: Tensor, stride: int) -> Tensor:
    """DeepLabv3+ from its numbers alone, without modules."""

    def conv(found: Tensor, name: str, step: int = 1, gap: int = 1) -> Tensor:
        weight = held[f"{name}.weight"]
        return functional.conv2d(found, weight, held.get(f"{name}.bias"), step, gap * (weight.shape[-1] // 2), gap)

    def unit(found: Tensor, one: str, other: str, step: int = 1, gap: int = 1) -> Tensor:
        return functional.relu(normalised(conv(found, one, step, gap), held, other))

    found = functional.max_pool2d(unit(windows, "backbone.conv1", "backbone.bn1", 2), 3, 2, 1)
    low = found
    steps, gaps = {16: ((1, 2, 2, 1), (1, 1, 1, 2)), 8: ((1, 2, 1, 1), (1, 1, 2, 4))}[stride]
    for layer in range(4):
        for block in range(FEW[layer]):
            name = f"backbone.layer{layer + 1}.{block}"
            step, gap = (1 if block else steps[layer]), gaps[layer] * ((1, 2, 4)[block] if layer == 3 else 1)
            inner = unit(found, f"{name}.conv1", f"{name}.bn1")
            inner = unit(inner, f"{name}.conv2", f"{name}.bn2", step, gap)
            inner = normalised(conv(inner, f"{name}.conv3"), held, f"{name}.bn3")
            if f"{name}.downsample.0.weight" in held:
                found = normalised(conv(found, f"{name}.downsample.0", step), held, f"{name}.downsample.1")
            found = functional.relu(inner + found)
        low = found if layer == 0 else low
    rates = {16: (1, 6, 12, 18), 8: (1, 12, 24, 36)}[stride]
    seen = [unit(found, f"aspp.aspp{n}.atrous_conv", f"aspp.aspp{n}.bn", gap=gap) for n, gap in enumerate(rates, 1)]
    everything = unit(found.mean((2, 3), keepdim=True), "aspp.global_avg_pool.1", "aspp.global_avg_pool.2")
    found = unit(torch.cat([*seen, everything.expand_as(seen[0])], 1), "aspp.conv1", "aspp.bn1")
    low = unit(low, "decoder.conv1", "decoder.bn1")
    found = torch.cat([larger(found, low.shape[-2:]), low], 1)
    found = unit(found, "decoder.last_conv.0", "decoder.last_conv.1")
    found = unit(found, "decoder.last_conv.4", "decoder.last_conv.5")
    return larger(conv(found, "decoder.last_conv.8"), windows.shape[-2:])


@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.usefixtures("shallow")
def test_deeplab_answers_as_its_formula(tmp_path: Path, stride: int) -> None:
    held = numbers_of(DEEPLAB)
    windows = images(96, 80)
    with torch.inference_mode():
        wanted = deeplab(held, windows, stride)
    found = answer(saved(tmp_path / "a.pth", held), card(DEEPLAB, stride), windows)
    assert wanted.shape == (1, 9, 96, 80)
    assert float(wanted.std()) > 0.05
    assert float((found - wanted).abs().max()) <= TOLERANCE


def unet(held: Mapping[str, Tensor], windows: Tensor) -> Tensor:
    """U-Net from its numbers alone, without modules."""

    def twice(found: Tensor, name: str) -> Tensor:
        for place in (0, 3):
            weight, bias = held[f"{name}.double_conv.{place}.weight"], held[f"{name}.double_conv.{place}.bias"]
            found = functional.conv2d(found, weight, bias, padding=1)
            found = functional.relu(normalised(found, held, f"{name}.double_conv.{place + 1}"))
        return found

    seen = [twice(windows, "inc")]
    for number in range(1, 5):
        seen.append(twice(functional.max_pool2d(seen[-1], 2), f"down{number}.maxpool_conv.1"))
    found = seen.pop()
    for number in range(1, 5):
        skip = seen.pop()
        doubled = larger(found, torch.Size(2 * side for side in found.shape[-2:]))
        padded = torch.zeros(*doubled.shape[:2], *skip.shape[-2:])
        top, left = ((skip.shape[side] - doubled.shape[side]) // 2 for side in (2, 3))
        padded[:, :, top : top + doubled.shape[2], left : left + doubled.shape[3]] = doubled
        found = twice(torch.cat([skip, padded], 1), f"up{number}.conv")
    return functional.conv2d(found, held["outc.conv.weight"], held["outc.conv.bias"])


@pytest.mark.parametrize("size", [(64, 48), (37, 50)])
def test_unet_answers_as_its_formula(tmp_path: Path, size: tuple[int, int]) -> None:
    held = numbers_of(UNET)
    windows = images(*size)
    with torch.inference_mode():
        wanted = unet(held, windows)
    found = answer(saved(tmp_path / "a.pth", held), card(UNET), windows)
    assert float(wanted.std()) > 0.05
    assert float((found - wanted).abs().max()) <= TOLERANCE


# ---------------------------------------------------------------- files as they come


@pytest.fixture(scope="module")
def unet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("unet") / "checkpoint_step_5.pth", numbers_of(UNET))


def test_answers_are_the_codes_of_dfc2020_and_none_is_savanna(unet_file: Path, tmp_path: Path) -> None:
    """Class 2 of the network is grassland, code 4: the baseline leaves 3 out and shifts what follows."""
    held = dict(torch.load(unet_file, weights_only=True)["model_state_dict"])
    held["outc.conv.weight"] = torch.zeros_like(held["outc.conv.weight"])
    found = []
    for winner in range(9):
        held["outc.conv.bias"] = functional.one_hot(torch.tensor(winner), 9).float()
        path = saved(tmp_path / f"{winner}.pth", held)
        with Engine(card(UNET), path, RunOptions(device="cpu", threads=1)) as engine:
            pixels = np.zeros((12, 16, 16), np.float32)
            prediction = engine.predict(TileId("a"), Fitted(pixels, np.ones((16, 16), bool)))
        found.append(int(prediction.rasters[LABELS].pixels.max()))
        assert prediction.rasters[LABELS].pixels.dtype == np.uint8
        assert prediction.rasters[CONFIDENCE].pixels.max() == pytest.approx(np.e / (np.e + 8))
    assert found == [1, 2, 4, 5, 6, 7, 8, 9, 10]


def test_windows_that_are_too_small_are_refused(unet_file: Path) -> None:
    with pytest.raises(ModelError, match="windows of 16 x 16 pixels or more, not 64 x 8"):
        dfc2020.load(card(UNET), unet_file, CPU).forward(images(8, 64))


def test_the_whole_network_moves_to_another_device(unet_file: Path) -> None:
    network = dfc2020.load(card(UNET), unet_file, CPU)
    network.move(torch.device("meta"))
    assert {tensor.device.type for tensor in network._network.state_dict().values()} == {"meta"}


def test_a_card_of_another_network_is_refused(unet_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes 12 bands, but its card gives it 10"):
        dfc2020.load(card_of(Recognised(UNET, 10, 9), ("hr", "mr")), unet_file, CPU)
    with pytest.raises(ModelError, match="tells 9 classes apart, but its card names 10"):
        dfc2020.load(card_of(Recognised(UNET, 12, 10), ALL), unet_file, CPU)
    scene = replace(card(UNET).outputs[0], kind=OutputKind.SCENE)
    with pytest.raises(ModelError, match="must have one output, labels"):
        dfc2020.load(replace(card(UNET), outputs=(scene,)), unet_file, CPU)
    hollow = {"aspp.conv1.weight": torch.zeros(1), "backbone.conv1.weight": torch.zeros(64, 12, 7, 7)}
    path = saved(tmp_path / "a.pth", {**hollow, "decoder.last_conv.8.bias": torch.zeros(9)})
    with pytest.raises(ModelError, match=r"does not say the output stride of a\.pth: write out_stride = 16"):
        dfc2020.load(card(DEEPLAB), path, CPU)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"up4.conv.double_conv.3.bias": None}, "is not complete, or no UNet: it lacks up4.conv.double_conv.3.bias"),
        ({"up5.weight": torch.zeros(1)}, "is another network than UNet: it also holds up5.weight"),
        ({"down1.maxpool_conv.1.double_conv.0.bias": torch.zeros(9)}, "double_conv.0.bias has shape 9"),
        ({"outc.conv.bias": None}, "is no network of DFC2020's baseline"),
    ],
)
def test_a_file_with_other_names_or_shapes_is_one_sentence(
    tmp_path: Path, unet_file: Path, change: dict[str, Tensor | None], said: str
) -> None:
    held = {**torch.load(unet_file, weights_only=True)["model_state_dict"], **change}
    path = saved(tmp_path / "a.pth", {name: tensor for name, tensor in held.items() if tensor is not None})
    with pytest.raises(ModelError, match=said):
        dfc2020.load(card(UNET), path, CPU)


def test_a_file_that_breaks_off_is_one_sentence(tmp_path: Path, unet_file: Path) -> None:
    whole = unet_file.read_bytes()
    path = tmp_path / "a.pth"
    for share in (0, 0.001, 0.5, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ModelError, match=r"a\.pth"):
            dfc2020.load(card(UNET), path, CPU)
