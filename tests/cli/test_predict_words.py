"""`rsviewer predict` and `rsviewer search` with a model that reads."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rsviewer.batch import cluster, retrieving
from rsviewer.core.model import Weights
from rsviewer.data import likeness, nearindex
from rsviewer.data.modelcards import dump_card, read_card
from rsviewer.inference.zoo import skyclip
from tests.inference import reference_clip
from tests.inference.test_skyclip import CARDS, SpelledOut

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of random numbers that reads."""
    folder = tmp_path_factory.mktemp("model")
    torch.save(reference_clip.weights(width=64, blocks=1, read_blocks=1, features=16), folder / "epoch_20.pt")
    packaged = read_card(CARDS / "skyclip-b32.toml")
    mine = replace(packaged, id="clip", weights=Weights("epoch_20.pt"), settings={"activation": "gelu"})
    path = folder / "card.toml"
    path.write_text(dump_card(mine), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _some_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skyclip, "tokens", lambda *_: SpelledOut())


def images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for number in range(count):
        pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((120, 100)).save(folder / f"a{number}_US_19.jpg", quality=95)


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    root = tmp_path / "skyscript"
    images(root / "images2", 4)
    texts = ("a river", "a river", "a stadium", "a forest")
    rows = [f"images2/a{number}_US_19.jpg,a satellite image of {text},0.2" for number, text in enumerate(texts)]
    header = "filepath,title,similarity_CLIP_openai"
    (root / "SkyScript_val_5K_filtered_by_CLIP_openai.csv").write_text("\n".join([header, *rows]) + "\n")
    return root


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    root = tmp_path / "benchmark" / "aid"
    images(root / "images", 3)
    rows = [f"aid/images/a{number}_US_19.jpg,{label}" for number, label in enumerate(("river", "Dense_Forest", "moon"))]
    (root / "aid_img_txt_pairs_test.csv").write_text("\n".join(["filepath,label", *rows]) + "\n")
    (root / "classnames.txt").write_text("river\nDense_Forest\nmoon\n")
    return root


def test_captions_are_found_and_their_similarity_is_a_column(run: Run, captioned: Path, card: Path) -> None:
    document = run("predict", captioned, "--model", card, "--device", "cpu", "--json").document
    metrics = document["metrics"]
    assert metrics["text_to_image_r10"] == metrics["image_to_text_r5"] == 1.0
    assert 0.0 <= metrics["image_to_text_r1"] <= metrics["image_to_text_r5"]
    assert -1 <= metrics["similarity"] <= 1
    assert all(-1 <= one["similarity"] <= 1 for one in document["per_tile"])
    assert len(document["per_tile"][0]["scene"]) == 20
    again = run("predict", captioned, "--model", card, "--device", "cpu", "--json").document
    assert again["known"] == 4
    assert again["metrics"] == pytest.approx(metrics)
    least = min(document["per_tile"], key=lambda one: one["similarity"])
    words = f"clip_similarity < {least['similarity'] + 1e-9}"
    chosen = run("predict", captioned, "--model", card, "--filter", words, "--device", "cpu", "--json").document
    assert [one["tile"] for one in chosen["per_tile"]] == [least["tile"]]


def test_images_are_retrieved_by_all_that_is_around_and_each_text_is_read_once(
    run: Run, tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    plain = skyclip.SkyClip.text_features

    def text_features(self: skyclip.SkyClip, texts: Sequence[str]) -> np.ndarray:
        read.extend(text for text in texts if "surrounded" in text)
        return plain(self, texts)

    monkeypatch.setattr(skyclip.SkyClip, "text_features", text_features)
    root = tmp_path / "skyscript"
    images(root / "images2", 4)
    texts = (("a river", "trees"), ("a river", "rocks"), ("a lake", "trees"), ("a lake", "trees"))
    rows = [
        f'images2/a{number}_US_19.jpg,an image of {what},"an aerial image of {what}, surrounded by {around}"'
        for number, (what, around) in enumerate(texts)
    ]
    (root / "SkyScript_val_5K.csv").write_text("\n".join(["filepath,title,title_multi_objects", *rows]) + "\n")
    metrics = run("predict", root, "--model", card, "--device", "cpu", "--json").document["metrics"]
    assert len(read) == 3, "of four images there are three different texts"
    assert metrics["image_to_text_r5"] == metrics["text_to_image_r5"] == 1.0
    assert metrics["text_to_image_r1"] in [pytest.approx(share / 3) for share in range(4)]
    again = run("predict", root, "--model", card, "--device", "cpu", "--json").document["metrics"]
    assert again == pytest.approx(metrics)
    assert len(read) == 3, "what was read is kept"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for each look at an image."""
    looked: list[int] = []
    plain = skyclip.SkyClip._image_features

    def image_features(self: skyclip.SkyClip, image: np.ndarray) -> np.ndarray:
        looked.append(1)
        return plain(self, image)

    monkeypatch.setattr(skyclip.SkyClip, "_image_features", image_features)
    return looked


def test_other_classes_need_no_other_look_at_tiles_that_are_known(
    run: Run, captioned: Path, card: Path, tmp_path: Path, looked: list[int]
) -> None:
    run("predict", captioned, "--model", card, "--device", "cpu")
    looked.clear()
    prompts = tmp_path / "classes.txt"
    prompts.write_text("river\nstadium\n", encoding="utf-8")
    asked = ("predict", captioned, "--model", card, "--prompts", prompts, "--device", "cpu", "--json")
    done = run(*asked).document
    assert {one["class"] for tile in done["per_tile"] for one in tile["scene"]} == {"river", "stadium"}
    assert not looked
    found = run("search", captioned, "a river", "--model", card, "--device", "cpu", "--json").document
    assert found["searched"] == 4
    images(captioned / "images3", 1)
    (captioned / "images3/a0_US_19.jpg").replace(captioned / "images2/a2_US_19.jpg")
    prompts.write_text("forest\nstadium\n", encoding="utf-8")
    run(*asked)
    assert len(looked) == 1, "one of them is another image now"
    images(captioned / "images4", 1)
    (captioned / "images4/a0_US_19.jpg").replace(captioned / "images2/a1_US_19.jpg")
    assert run(*asked).document["known"] == 3
    assert len(looked) == 2, "what a search finds is what is there"
    assert run(*asked).document["known"] == 4
    run(*asked, "--overwrite")
    assert len(looked) == 6


class Neighbours:
    """A cluster without a network: what goes there and comes back is pickled."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def run(self, work: Any, items: Iterable[Any]) -> Iterator[Any]:
        there = pickle.loads(pickle.dumps(work))
        for item in items:
            yield item, pickle.loads(pickle.dumps(there(pickle.loads(pickle.dumps(item)))))


def test_a_cluster_looks_only_at_tiles_that_are_not_known(
    run: Run, captioned: Path, card: Path, tmp_path: Path, looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "Cluster", Neighbours)
    run("predict", captioned, "--model", card, "--device", "cpu")
    looked.clear()
    prompts = tmp_path / "classes.txt"
    prompts.write_text("river\nstadium\n", encoding="utf-8")
    images(captioned / "images3", 1)
    (captioned / "images3/a0_US_19.jpg").replace(captioned / "images2/a2_US_19.jpg")
    asked = ("predict", captioned, "--model", card, "--prompts", prompts, "--device", "cpu", "--json")
    there = run(*asked, "--dask", "tcp://nowhere:1").document
    assert len(looked) == 1, "one of them is another image now"
    assert len(there["per_tile"]) == 4
    here = run(*asked, "--overwrite").document
    assert there["metrics"] == pytest.approx(here["metrics"], abs=1e-3)


def test_what_is_kept_of_captions_by_another_model_is_said_to_be(
    run: Run, captioned: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieving, "retrieved_by", lambda _: ("read for nothing else",))
    asked = ("predict", captioned, "--model", card, "--device", "cpu", "--json")
    assert "text_to_image_r1" in run(*asked).document["metrics"]
    (shape,) = captioned.parent.rglob("texts/features.json")
    shape.write_text('{"features": 8}')
    done = run(*asked).document
    assert "text_to_image_r1" not in done["metrics"]
    assert any("of another model" in remark["message"] for remark in done["remarks"])


def test_labels_are_compared_with_the_classes_asked_for(run: Run, labelled: Path, card: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "classes.txt"
    prompts.write_text("# classes\nriver\ndense forest\n", encoding="utf-8")
    done = run("predict", labelled, "--model", card, "--prompts", prompts, "--device", "cpu", "--json").document
    assert {one["class"] for tile in done["per_tile"] for one in tile["scene"]} == {"river", "dense forest"}
    assert done["metrics"]["tiles_labelled"] == 2
    assert done["metrics"]["top5"] == 1.0
    right = [
        one["scene"][0]["class"] == label
        for one, label in zip(done["per_tile"], ("river", "dense forest"), strict=False)
    ]
    assert done["metrics"]["top1"] == pytest.approx(sum(right) / 2)
    assert any("none of the classes" in remark["message"] and remark["tiles"] == 1 for remark in done["remarks"])
    said = run("predict", labelled, "--model", card, "--prompts", prompts, "--device", "cpu").out
    assert "Top-1" in said
    assert "Compared" not in said


def test_prompts_are_refused_in_a_sentence(run: Run, labelled: Path, card: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("river\n")
    for file, said in ((tmp_path / "one.txt", "two classes"), (tmp_path / "none.txt", "cannot be read")):
        done = run("predict", labelled, "--model", card, "--prompts", file)
        assert done.code == 2
        assert said in done.err
    done = run("predict", labelled, "--model", "demo-height", "--prompts", tmp_path / "one.txt")
    assert done.code == 2
    assert "cannot be asked in words" in done.err


def test_tiles_are_found_by_words_and_by_another_tile(run: Run, captioned: Path, card: Path) -> None:
    early = run("search", captioned, "a river", "--model", card)
    assert early.code == 2
    assert "run rsviewer predict" in early.err
    run("predict", captioned, "--model", card, "--device", "cpu", "--tile", "images2/a0_US_19")
    partly = run("search", captioned, "a river", "--model", card, "--device", "cpu")
    assert partly.code == 0
    assert "3 tiles could not be found" in partly.err
    run("predict", captioned, "--model", card, "--device", "cpu")
    found = run(
        "search", captioned, "a satellite image of a river", "--model", card, "--device", "cpu", "--json"
    ).document
    assert (found["searched"], found["missing"], len(found["found"])) == (4, 0, 4)
    nearness = [one["nearness"] for one in found["found"]]
    assert nearness == sorted(nearness, reverse=True)
    scored = run("predict", captioned, "--model", card, "--device", "cpu", "--json").document["per_tile"]
    by_tile = {one["tile"]: one["nearness"] for one in found["found"]}
    for tile in ("images2/a0_US_19", "images2/a1_US_19"):
        similarity = next(one["similarity"] for one in scored if one["tile"] == tile)
        assert by_tile[tile] == pytest.approx(similarity, abs=2e-3), "the words are the caption's; rows are float16"
    like = run("search", captioned, "--like", "images2/a2_US_19", "--model", card, "--count", 2, "--json").document
    assert like["found"][0]["tile"] == "images2/a2_US_19"
    assert like["found"][0]["nearness"] == pytest.approx(1.0, abs=2e-3)
    assert len(like["found"]) == 2


def test_among_very_many_tiles_an_index_is_made_when_asked_for_and_left_when_not(
    run: Run, captioned: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")
    run("predict", captioned, "--model", card, "--device", "cpu")
    asked = ("search", captioned, "--like", "images2/a2_US_19", "--model", card, "--count", 1, "--json")
    assert "every one is looked at" in run(*asked, "--index").err
    monkeypatch.setattr(likeness, "EXACT_UP_TO", 3)
    monkeypatch.setattr(nearindex, "SEGMENT", 4)
    first = run(*asked).document
    assert first["exact"]
    indexed = run(*asked, "--index").document
    assert not indexed["exact"]
    assert indexed["found"] == first["found"]
    assert not run(*asked).document["exact"], "it is there now"
    assert run(*asked, "--exact").document == first


def test_a_search_without_words_or_with_both_is_refused(run: Run, captioned: Path, card: Path) -> None:
    assert run("search", captioned, "--model", card).code == 2
    assert run("search", captioned, "river", "--like", "x", "--model", card).code == 2
    done = run("search", captioned, "river", "--model", "demo-height")
    assert done.code == 2
    assert "cannot read" in done.err
    run("predict", captioned, "--model", card, "--device", "cpu")
    assert "not ready" in run("search", captioned, "--like", "x", "--model", card).err
