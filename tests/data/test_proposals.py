"""A file of weights is recognised by the names and shapes in it; what is not in it is read beside it, or asked."""

import argparse
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind, Scores
from rsviewer.core.recognising import DEEPLAB, RESNETS, UNET, Recognised
from rsviewer.core.tile import LayerKind
from rsviewer.data.checkpoints import shapes_in
from rsviewer.data.modelcards import dump_card, parse_card, read_card
from rsviewer.data.proposals.proposal import Proposal, Question
from rsviewer.data.proposals.recognising import propose

torch = pytest.importorskip("torch")
sen12ms = pytest.importorskip("rsviewer.inference.zoo.sen12ms")
dfc2020 = pytest.importorskip("rsviewer.inference.zoo.dfc2020")

CARDS = Path(__file__).resolve().parents[2] / "resources" / "models"
ARCHITECTURES = (*RESNETS.values(), "DenseNet121", "DenseNet161", "DenseNet169", "DenseNet201", "VGG16", "VGG19")


def hollow(network: Any) -> dict[str, Any]:
    """All names and shapes of a network, whose numbers take no room in a file."""
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in network.state_dict().items()}


def classifier(architecture: str, bands: int = 12, classes: int = 10) -> dict[str, Any]:
    with torch.device("meta"):
        network = sen12ms.build(Recognised(architecture, bands, classes))
    held = hollow(network)
    return {"conv1.weight": held["encoder.0.weight"], **held} if architecture.startswith("ResNet") else held


def segmenter(architecture: str, bands: int = 12, classes: int = 9) -> dict[str, Any]:
    with torch.device("meta"):
        network = dfc2020.build(Recognised(architecture, bands, classes), 16)
    return hollow(network)


def saved(path: Path, held: Mapping[str, Any], *, zipped: bool = True) -> Path:
    """As both toolboxes save."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "epoch": 7,
        "arch": "x",
        "model_state_dict": dict(held),
        "optimizer_state_dict": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]},
        "best_prec": np.float64(0.5),
    }
    torch.save(whole, path, _use_new_zipfile_serialization=zipped)
    return path


def card_for(file: Path, **answers: str) -> ModelCard:
    found = propose(file, answers)
    assert isinstance(found, Proposal)
    assert parse_card(dump_card(found.card)) == found.card
    return found.card


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "as before torch 1.6"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_classifier_is_recognised(tmp_path: Path, architecture: str, zipped: bool) -> None:
    file = saved(tmp_path / "20200101_000000_model_best.pth", classifier(architecture), zipped=zipped)
    card = card_for(file, labels="single")
    assert card.id == f"sen12ms-{architecture.lower()}-s1s2-single"
    assert card.band_count == 12
    assert card.outputs[0].kind is OutputKind.SCENE


@pytest.mark.parametrize(
    ("bands", "word", "kinds"),
    [
        (2, "s1", ["sar"]),
        (3, "rgb", ["optical"]),
        (5, "rgbs1", ["optical", "sar"]),
        (10, "s2", ["optical"]),
        (12, "s1s2", ["optical", "sar"]),
    ],
)
@pytest.mark.parametrize("classes", [10, 17])
def test_bands_and_classes_are_told_by_the_file(
    tmp_path: Path, bands: int, word: str, kinds: list[str], classes: int
) -> None:
    card = card_for(saved(tmp_path / "a.pth", classifier("ResNet18", bands, classes)), labels="multi")
    assert card.id == f"sen12ms-resnet18-{word}-multi{'-igbp' if classes == 17 else ''}"
    assert [one.kind for one in card.inputs] == kinds
    assert card.band_count == bands
    (output,) = card.outputs
    assert [one.value for one in output.classes] == list(range(1, classes + 1))
    assert output.reference == (("igbp",) if classes == 17 else ("simplified",))
    assert output.scores is Scores.INDEPENDENT


def test_numbers_of_sentinel_2_go_in_as_they_are_blue_first_and_decibels_are_cut(tmp_path: Path) -> None:
    optical, radar = card_for(saved(tmp_path / "a.pth", classifier("ResNet18", 5)), labels="single").inputs
    assert (optical.bands, optical.stretch, optical.clip) == (("blue", "green", "red"), False, ())
    assert optical.mean == (1226.4215, 1137.3799, 1139.6792)
    assert (radar.kind, radar.high, radar.nan, radar.clip) == (LayerKind.SAR, 0, 0, (-25, 0))


def test_one_class_or_several_is_asked_where_nothing_says_it(tmp_path: Path) -> None:
    file = saved(tmp_path / "somewhere" / "model_best.pth", classifier("ResNet18"))
    asked = propose(file)
    assert isinstance(asked, Question)
    assert list(asked.choices) == ["single", "multi"]
    assert asked.advice.startswith("--set labels=single (one class: softmax) or --set labels=multi (")
    assert card_for(file, labels="single").outputs[0].scores is Scores.LOGITS
    with pytest.raises(ModelError, match=r"labels=both is no answer. Neither this file"):
        propose(file, {"labels": "both"})


@pytest.mark.parametrize("folder", ["multi_ResNet18_s2", "multi_x/checkpoints"])
def test_the_folder_says_it(tmp_path: Path, folder: str) -> None:
    file = saved(tmp_path / folder / "model_best.pth", classifier("ResNet18"))
    found = propose(file)
    assert isinstance(found, Proposal)
    assert found.card.outputs[0].scores is Scores.INDEPENDENT
    assert found.told == f"Its folder {folder.partition('/')[0]} says that it gives several classes a tile."


def test_the_arguments_of_its_training_say_it_better(tmp_path: Path) -> None:
    folder = tmp_path / "multi_ResNet18"
    file = saved(folder / "20200101_000000_model_best.pth", classifier("ResNet18"))
    (folder / "20200101_000000_arguments.txt").write_text("exp_name: a: b\nlabel_type: single_label\nmodel: ResNet18\n")
    (folder / "20200202_000000_arguments.txt").write_text("label_type: multi_label\n")
    found = propose(file)
    assert isinstance(found, Proposal)
    assert found.told == "20200101_000000_arguments.txt says that it gives one class a tile."
    assert found.card.outputs[0].scores is Scores.LOGITS


def test_the_share_that_makes_a_label_is_that_of_the_training(tmp_path: Path) -> None:
    file = saved(tmp_path / "model_best.pth", classifier("ResNet18"))
    (tmp_path / "x_arguments.txt").write_text("label_type: multi_label\nthreshold: 0.2\nmodel: ResNet18\n")
    card = card_for(file)
    assert card.outputs[0].least_share == 0.2
    assert card.id == "sen12ms-resnet18-s1s2-multi-200"


def test_arguments_of_another_network_say_nothing(tmp_path: Path) -> None:
    file = saved(tmp_path / "model_best.pth", classifier("ResNet18"))
    (tmp_path / "x_arguments.txt").write_text("label_type: multi_label\nmodel: DenseNet121\n")
    assert isinstance(propose(file), Question)


# --- DFC2020


def options(**more: Any) -> argparse.Namespace:
    said: dict[str, Any] = {"model": "deeplab", "out_stride": 16, "use_s1": True, "use_s2hr": True, "use_s2mr": True}
    return argparse.Namespace(**{**said, "use_s2lr": False, "no_savanna": True, "lr": 0.1, **more})


def test_the_published_networks_are_recognised_with_their_options(tmp_path: Path) -> None:
    for bands, use_s1, word in ((12, True, "s1s2"), (10, False, "s2")):
        file = saved(tmp_path / word / "checkpoint_step_9.pth", segmenter(DEEPLAB, bands))
        (file.parent / "args.pkl").write_bytes(pickle.dumps(options(use_s1=use_s1), 3))
        card = card_for(file)
        assert card.id == f"dfc2020-deeplab-{word}"
        assert card.settings == {"out_stride": 16}
        assert card.inputs[0].bands == ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
        assert card.inputs[0].clip == (0, 10_000)
        assert [one.value for one in card.outputs[0].classes] == [1, 2, 4, 5, 6, 7, 8, 9, 10]
        assert card.outputs[0].reference == ("dfc", "simplified")


def test_the_output_stride_is_asked_where_nothing_says_it(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pth", segmenter(DEEPLAB))
    asked = propose(file)
    assert isinstance(asked, Question)
    assert asked.key == "out_stride"
    assert card_for(file, out_stride="8").id == "dfc2020-deeplab-s1s2-os8"
    assert card_for(saved(tmp_path / "b.pth", segmenter(UNET, classes=10))).id == "dfc2020-unet-s1s2-savanna"


def test_which_bands_are_meant_is_asked_where_their_number_does_not_say_it(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pth", segmenter(UNET, bands=6))
    asked = propose(file)
    assert isinstance(asked, Question)
    assert dict(asked.choices) == {"s2mr": "MR", "s1s2hr": "HR and S1"}
    assert [one.kind for one in card_for(file, bands="s1s2hr").inputs] == ["optical", "sar"]
    (tmp_path / "args.pkl").write_bytes(pickle.dumps(options(use_s1=False, use_s2hr=False), 3))
    assert card_for(file).inputs[0].bands == ("B5", "B6", "B7", "B8A", "B11", "B12")


def test_all_bands_of_sentinel_2_go_in_by_their_numbers(tmp_path: Path) -> None:
    card = card_for(saved(tmp_path / "a.pth", segmenter(UNET, bands=13)))
    assert card.inputs[0].bands[0] == "B1"
    assert len(card.inputs[0].bands) == 13


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "it ran"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("value", ["8", 8.0, None, "evil"])
def test_nothing_in_options_runs_and_odd_ones_are_asked(tmp_path: Path, marker: Path, value: Any) -> None:
    file = saved(tmp_path / "a.pth", segmenter(DEEPLAB))
    odd = Evil(marker) if value == "evil" else value
    (tmp_path / "args.pkl").write_bytes(pickle.dumps(options(out_stride=odd), 3))
    assert isinstance(propose(file), Proposal if value == "8" else Question)


# --- RS3DAda


def test_a_file_of_rs3dada_has_the_card_that_its_name_says(tmp_path: Path) -> None:
    held = {"pretrained.pos_embed": torch.zeros(1), "heads.regression.x": torch.zeros(1)}
    held["heads.segmentation.x"] = torch.zeros(1)
    for best in ("height", "segmentation"):
        torch.save(held, tmp_path / f"RS3DAda_vitl_DPT_{best}.pth")
        assert card_for(tmp_path / f"RS3DAda_vitl_DPT_{best}.pth") == read_card(CARDS / f"rs3dada-{best}.toml")
    torch.save(held, tmp_path / "mine.pth")
    asked = propose(tmp_path / "mine.pth")
    assert isinstance(asked, Question)
    assert asked.key == "best"
    assert card_for(tmp_path / "mine.pth", best="height").id == "rs3dada-height"


# --- files of strangers


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_runs(tmp_path: Path, marker: Path, zipped: bool) -> None:
    file = tmp_path / "a.pth"
    torch.save({"model_state_dict": {"FC.bias": Evil(marker)}}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"nothing in it was run. It asks for"):
        propose(file)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_breaks_off_is_one_sentence(tmp_path: Path, zipped: bool) -> None:
    whole = saved(tmp_path / "a.pth", classifier("ResNet18"), zipped=zipped).read_bytes()
    for size in (0, 1, 2, 9, 17, 400, 3000):
        (tmp_path / "b.pth").write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"b.pth"):
            propose(tmp_path / "b.pth")


def test_other_files_are_told_that_nobody_knows_them(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(2, 3)}, file)
    assert shapes_in(file) == {"weight": (2, 3)}
    with pytest.raises(ModelError, match=r"a.pth is none of the files that are recognised \(.*SEN12MS.*name its card"):
        propose(file)
    with pytest.raises(ModelError, match="cannot be read"):
        propose(tmp_path / "none.pth")


def test_an_archive_that_swells_is_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data.pkl", "w") as member:
        for _ in range(100):
            member.write(b"a" * 1_000_000)
    with pytest.raises(ModelError, match="damaged"):
        propose(file)


def test_safetensors_are_looked_into_too(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    save({"weight": torch.zeros(2, 3)}, tmp_path / "a.safetensors")
    assert shapes_in(tmp_path / "a.safetensors") == {"weight": (2, 3)}


@pytest.mark.parametrize("path", sorted(CARDS.glob("sen12ms-*.toml")) + sorted(CARDS.glob("dfc2020-*.toml")))
def test_the_cards_that_come_with_the_program_are_those_of_their_files(tmp_path: Path, path: Path) -> None:
    card = read_card(path)
    if card.family == "sen12ms":
        architecture = next(name for name in ARCHITECTURES if f"-{name.lower()}-" in card.id)
        held = classifier(architecture, card.band_count, len(card.outputs[0].classes))
    else:
        held = segmenter(DEEPLAB, card.band_count, len(card.outputs[0].classes))
    answers = {"labels": "multi" if "multi" in card.id else "single", "out_stride": "16"}
    assert card_for(saved(tmp_path / "a.pth", held), **answers) == card
