"""The checkpoints of the SEN12MS toolbox run as they are, and give what independent networks give with the same numbers."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind
from rsviewer.core.recognising import DENSENETS, RESNETS, VGGS, Recognised
from rsviewer.data.proposals.sen12ms import card_of
from rsviewer.inference.zoo import sen12ms

CPU = torch.device("cpu")
TOLERANCE = 1e-4
KEYS = {
    "ResNet18": 123,
    "ResNet34": 219,
    "ResNet50": 321,
    "ResNet101": 627,
    "ResNet152": 933,
    "DenseNet121": 727,
    "DenseNet161": 967,
    "DenseNet169": 1015,
    "DenseNet201": 1207,
    "VGG16": 32,
    "VGG19": 38,
}
"""Names in a file, of ResNet with the second one of its first convolution."""
NUMBERS = {"ResNet50": 23_556_746, "DenseNet121": 7_637_450, "VGG16": 165_763_978}
"""Parameters with 12 bands and 10 classes, as counted in the toolbox's own networks."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers_of(architecture: str, bands: int = 12, classes: int = 10) -> dict[str, Tensor]:
    """Random numbers under all names of a file, normalisations included."""
    torch.manual_seed(7)
    held = dict(sen12ms.build(Recognised(architecture, bands, classes)).state_dict())
    for name, tensor in held.items():
        if name.endswith("running_var"):
            held[name] = torch.rand_like(tensor) + 0.5
        elif name.endswith("running_mean") or (tensor.ndim == 1 and tensor.is_floating_point()):
            held[name] = torch.randn_like(tensor) * 0.2 + (1.0 if name.endswith("weight") else 0.0)
    if architecture.startswith("ResNet"):
        held["conv1.weight"] = held["encoder.0.weight"]
    return held


def saved(path: Path, held: Mapping[str, Tensor], *, zipped: bool = False) -> Path:
    """As the toolbox saves, with torch 1.4: not zipped, a score as a number of numpy beside."""
    whole = {
        "epoch": 3,
        "arch": "x",
        "model_state_dict": held,
        "optimizer_state_dict": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.001, "params": [0]}]},
        "best_prec": np.float64(0.61),
    }
    torch.save(whole, path, _use_new_zipfile_serialization=zipped)
    return path


def card(architecture: str, bands: int = 12, classes: int = 10) -> ModelCard:
    return card_of(Recognised(architecture, bands, classes), "single")


def images(bands: int = 12, side: int = 256, n: int = 1) -> Tensor:
    return torch.randn(n, bands, side, side, generator=torch.Generator().manual_seed(1))


def answer(path: Path, of: ModelCard, windows: Tensor) -> Tensor:
    with torch.inference_mode():
        return sen12ms.load(of, path, CPU).forward(windows)["scene"]


# ---------------------------------------------------------------- the layout of the files


@pytest.mark.parametrize("architecture", [*RESNETS.values(), *DENSENETS.values(), *VGGS.values()])
def test_a_network_has_the_names_of_its_file(architecture: str) -> None:
    with torch.device("meta"):
        network = sen12ms.build(Recognised(architecture, 12, 10))
    assert len(network.state_dict()) + architecture.startswith("ResNet") == KEYS[architecture]
    if architecture in NUMBERS:
        assert sum(one.numel() for one in network.parameters()) == NUMBERS[architecture]


def test_the_names_are_those_of_the_toolbox() -> None:
    with torch.device("meta"):
        resnet, dense, vgg = (
            sen12ms.build(Recognised(name, 12, 10)).state_dict() for name in ("ResNet50", "DenseNet121", "VGG16")
        )
    assert {"encoder.0.weight", "encoder.1.running_mean", "encoder.7.2.bn3.weight", "FC.bias"} <= set(resnet)
    assert resnet["encoder.4.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert {"encoder.10.denselayer16.conv2.weight", "encoder.9.norm.bias", "encoder.11.running_var"} <= set(dense)
    assert dense["classifier.weight"].shape == (10, 1024 * 8 * 8)
    assert [name for name in vgg if name.endswith("weight")][-4:] == [
        "encoder.28.weight",
        *(f"classifier.{place}.weight" for place in (0, 3, 6)),
    ]
    assert vgg["classifier.0.weight"].shape == (4096, 512 * 8 * 8)


# ---------------------------------------------------------------- the same numbers


def with_transformers(architecture: str, held: Mapping[str, Tensor]) -> Any:
    """The same network as transformers has it, by names of its own."""
    transformers = pytest.importorskip("transformers")
    (deep, depths) = next(key for key, name in RESNETS.items() if name == architecture)
    config = transformers.ResNetConfig(
        num_channels=12,
        embedding_size=64,
        hidden_sizes=[256, 512, 1024, 2048] if deep else [64, 128, 256, 512],
        depths=list(depths),
        layer_type="bottleneck" if deep else "basic",
        num_labels=10,
    )
    kinds = {"0": "convolution", "1": "normalization"}
    mapped = {}
    for name, tensor in held.items():
        head, _, kind = name.rpartition(".")
        parts = head.split(".")
        match parts:
            case ["conv1"]:
                continue
            case ["FC"]:
                new = "classifier.1"
            case ["encoder", "0" | "1" as place]:
                new = f"resnet.embedder.embedder.{kinds[place]}"
            case ["encoder", stage, layer, "downsample", place]:
                new = f"resnet.encoder.stages.{int(stage) - 4}.layers.{layer}.shortcut.{kinds[place]}"
            case ["encoder", stage, layer, part]:
                what = kinds["0" if part.startswith("conv") else "1"]
                new = f"resnet.encoder.stages.{int(stage) - 4}.layers.{layer}.layer.{int(part[-1]) - 1}.{what}"
        mapped[f"{new}.{kind}"] = tensor
    network = transformers.ResNetForImageClassification(config)
    network.load_state_dict(mapped, strict=True)
    return network.eval()


@pytest.mark.parametrize("architecture", ["ResNet18", "ResNet50"])
def test_resnet_answers_as_that_of_transformers(tmp_path: Path, architecture: str) -> None:
    held = numbers_of(architecture)
    path = saved(tmp_path / "model_best.pth", held)
    windows = images()
    with torch.inference_mode():
        wanted = with_transformers(architecture, held)(windows).logits
    assert float(wanted.std()) > 0.05
    assert float((answer(path, card(architecture), windows) - wanted).abs().max()) <= TOLERANCE


def normalised(found: Tensor, held: Mapping[str, Tensor], name: str) -> Tensor:
    numbers = (held[f"{name}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(found, *numbers)


def dense(held: Mapping[str, Tensor], windows: Tensor) -> Tensor:
    """DenseNet from its numbers alone, without modules."""
    found = functional.conv2d(windows, held["encoder.0.weight"], stride=2, padding=3)
    found = functional.max_pool2d(functional.relu(normalised(found, held, "encoder.1")), 3, 2, 1)
    for block in (4, 6, 8, 10):
        layer = 1
        while (prefix := f"encoder.{block}.denselayer{layer}") and f"{prefix}.conv1.weight" in held:
            new = functional.conv2d(
                functional.relu(normalised(found, held, f"{prefix}.norm1")), held[f"{prefix}.conv1.weight"]
            )
            new = functional.relu(normalised(new, held, f"{prefix}.norm2"))
            found = torch.cat([found, functional.conv2d(new, held[f"{prefix}.conv2.weight"], padding=1)], 1)
            layer += 1
        if block < 10:
            found = functional.relu(normalised(found, held, f"encoder.{block + 1}.norm"))
            found = functional.avg_pool2d(functional.conv2d(found, held[f"encoder.{block + 1}.conv.weight"]), 2)
    found = normalised(found, held, "encoder.11")  # and nothing behind it
    assert found.shape[-2:] == (8, 8)
    return functional.linear(found.flatten(1), held["classifier.weight"], held["classifier.bias"])


def test_densenet_answers_as_its_formula(tmp_path: Path) -> None:
    held = numbers_of("DenseNet121", bands=3)
    windows = images(3)
    with torch.inference_mode():
        wanted = dense(held, windows)
    found = answer(saved(tmp_path / "a.pth", held), card("DenseNet121", 3), windows)
    assert float(wanted.std()) > 0.05
    assert float((found - wanted).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("architecture", ["VGG16", "VGG19"])
def test_vgg_answers_as_its_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str) -> None:
    """With few hidden numbers: the published ones take 660 MB, nearly all of them between two layers."""
    monkeypatch.setattr(sen12ms, "VGG_HIDDEN", 8)
    held = numbers_of(architecture, bands=2)
    windows = images(2)
    found = windows
    with torch.inference_mode():
        pools = {"VGG16": (2, 7, 14, 21, 28), "VGG19": (2, 7, 16, 25, 34)}[architecture]  # last before each pooling
        for place in sorted(
            int(name.split(".")[1]) for name in held if name.startswith("encoder") and name.endswith("weight")
        ):
            numbers = held[f"encoder.{place}.weight"], held[f"encoder.{place}.bias"]
            found = functional.relu(functional.conv2d(found, *numbers, padding=1))
            found = functional.max_pool2d(found, 2) if place in pools else found
        found = found.flatten(1)
        for place in (0, 3, 6):
            found = functional.linear(found, held[f"classifier.{place}.weight"], held[f"classifier.{place}.bias"])
            found = functional.relu(found) if place < 6 else found
    given = answer(saved(tmp_path / "a.pth", held), card(architecture, 2), windows)
    assert float(found.std()) > 0.01
    assert float((given - found).abs().max()) <= TOLERANCE


# ---------------------------------------------------------------- files as they come


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("small") / "model_best.pth", numbers_of("ResNet18"))


def test_old_and_new_files_and_bare_state_dicts_are_read(tmp_path: Path, small: Path) -> None:
    held = numbers_of("ResNet18")
    windows = images(n=2)
    wanted = answer(small, card("ResNet18"), windows)
    assert wanted.shape == (2, 10)
    torch.save(held, tmp_path / "bare.pth")
    for path in (saved(tmp_path / "zipped.pth", held, zipped=True), tmp_path / "bare.pth"):
        assert torch.equal(answer(path, card("ResNet18"), windows), wanted)


def test_windows_of_another_size_are_refused(small: Path) -> None:
    with pytest.raises(ModelError, match="windows of 256 x 256 pixels, not 128 x 128"):
        sen12ms.load(card("ResNet18"), small, CPU).forward(images(side=128))


def test_the_whole_network_moves_to_another_device(small: Path) -> None:
    network = sen12ms.load(card("ResNet18"), small, CPU)
    network.move(torch.device("meta"))
    assert {tensor.device.type for tensor in network._network.state_dict().values()} == {"meta"}


def test_a_card_of_another_network_is_refused(small: Path) -> None:
    with pytest.raises(ModelError, match="takes 12 bands, but its card gives it 10"):
        sen12ms.load(card("ResNet18", 10), small, CPU)
    with pytest.raises(ModelError, match="tells 10 classes apart, but its card names 17"):
        sen12ms.load(card("ResNet18", 12, 17), small, CPU)
    labels = replace(card("ResNet18").outputs[0], kind=OutputKind.LABELS)
    with pytest.raises(ModelError, match="must have one output, a scene"):
        sen12ms.load(replace(card("ResNet18"), outputs=(labels,)), small, CPU)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoder.7.1.bn2.bias": None}, "is not complete, or no ResNet18: it lacks encoder.7.1.bn2.bias"),
        ({"encoder.9.weight": torch.zeros(1)}, "is another network than ResNet18: it also holds encoder.9.weight"),
        ({"encoder.4.0.conv1.weight": torch.zeros(64, 64, 1, 1)}, "encoder.4.0.conv1.weight has shape 64 x 64 x 1 x 1"),
        ({"conv1.weight": torch.zeros(64, 12, 7, 7)}, "conv1.weight is not the same as encoder.0.weight"),
        ({"conv1.weight": None}, "conv1.weight is not the same as encoder.0.weight"),
        ({"FC.bias": None}, "is no classifier of SEN12MS"),
    ],
)
def test_a_file_with_other_names_or_shapes_is_one_sentence(
    tmp_path: Path, change: dict[str, Tensor | None], said: str
) -> None:
    held = {**numbers_of("ResNet18"), **change}
    path = saved(tmp_path / "a.pth", {name: tensor for name, tensor in held.items() if tensor is not None})
    with pytest.raises(ModelError, match=said):
        sen12ms.load(card("ResNet18"), path, CPU)


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_are_read_and_nothing_else_is(tmp_path: Path, zipped: bool) -> None:
    marker = tmp_path / "it ran"
    path = tmp_path / "a.pth"
    for odd in (Evil(marker), np.zeros(2), np.array([Evil(marker)], object)):
        torch.save({"model_state_dict": {}, "best_prec": odd}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ModelError, match="holds more than numbers"):
            sen12ms.load(card("ResNet18"), path, CPU)
    assert not marker.exists()


def test_a_file_that_breaks_off_is_one_sentence(tmp_path: Path, small: Path) -> None:
    whole = small.read_bytes()
    path = tmp_path / "a.pth"
    for share in (0, 0.001, 0.5, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ModelError, match=r"a\.pth"):
            sen12ms.load(card("ResNet18"), path, CPU)
