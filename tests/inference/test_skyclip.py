"""SkyCLIP's published files run through the program's mapping and give what the formulas of CLIP give."""

import hashlib
import pickle
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, Precision, RunOptions
from rsviewer.core.prompts import parse_words, place_of, with_words, words_of
from rsviewer.core.tile import TileId
from rsviewer.data.modelcards import read_card
from rsviewer.inference.engine import Engine, Reader
from rsviewer.inference.remote import RemoteEngine
from rsviewer.inference.zoo import cliptext, skyclip
from tests.inference import reference_clip as reference

CARDS = Path(__file__).resolve().parents[2] / "resources" / "models"
CPU = torch.device("cpu")
TOLERANCE = 1e-4


class SpelledOut:
    """Stands for CLIP's vocabulary where it is not installed: a number for every letter."""

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        return [
            [cliptext.START, *(ord(letter) % 49000 for letter in text[: cliptext.CONTEXT - 2]), cliptext.END]
            for text in texts
        ]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _some_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skyclip, "tokens", lambda *_: SpelledOut())


@pytest.fixture(scope="module")
def held() -> dict[str, Tensor]:
    return reference.weights()


@pytest.fixture(scope="module")
def file(held: Mapping[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(held, tmp_path_factory.mktemp("skyclip"))


def published(held: Mapping[str, Tensor], folder: Path, prefix: str = "module.") -> Path:
    """A file as the authors' training writes it."""
    path = folder / "epoch_20.pt"
    state = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-9}]}
    network = {f"{prefix}{name}": tensor for name, tensor in held.items()}
    scaler = {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3}
    torch.save({"epoch": 20, "name": "SkyCLIP", "state_dict": network, "optimizer": state, "scaler": scaler}, path)
    return path


def card(activation: str = "gelu", name: str = "skyclip-b32") -> ModelCard:
    """Of a published model; the small one of these tests has a width of which nobody knows the activation."""
    packaged = read_card(CARDS / f"{name}.toml")
    return replace(packaged, settings={"activation": activation} if activation else {})


def loaded(path: Path, activation: str = "gelu") -> skyclip.SkyClip:
    return skyclip.load(card(activation), path, CPU)


def normed(rows: Tensor) -> np.ndarray:
    return (rows / rows.norm(dim=-1, keepdim=True)).numpy()


def picture(height: int = 300, width: int = 420, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)


def tile(pixels: np.ndarray, **more: Any) -> Fitted:
    return Fitted(pixels, np.ones(pixels.shape[1:], bool), **more)


# --- the same numbers as the formulas


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_images_and_texts_become_what_the_formulas_say(held: dict[str, Tensor], file: Path, activation: str) -> None:
    network = loaded(file, activation)
    formula = {"gelu": reference.exact_gelu, "quick_gelu": reference.quick_gelu}[activation]
    texts = ["a satellite image of a river", "beach " * 40, "", "solar farm, surrounded by fields"]
    with torch.inference_mode():
        found = network.look(tile(picture(), caption=texts[0], words=("river", "beach")))
        image = torch.from_numpy(skyclip.prepared(picture(), 224))[None]
        of_image = normed(reference.image_features(held, image, formula))[0]
        of_texts = normed(reference.text_features(held, SpelledOut()(texts), formula))
        assert np.abs(found.features - of_image).max() <= TOLERANCE
        assert np.abs(network.text_features(texts) - of_texts).max() <= TOLERANCE
        assert found.similarity == pytest.approx(float(of_texts[0] @ of_image), abs=TOLERANCE)
        prompts = [template.format(word) for word in ("river", "beach") for template in skyclip.TEMPLATES]
        rows = normed(reference.text_features(held, SpelledOut()(prompts), formula)).reshape(2, 2, -1).mean(1)
        logits = 100 * (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ of_image
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert {one.name: one.probability for one in found.scores} == pytest.approx(
        {"river": shares[0], "beach": shares[1]}, abs=1e-3
    )
    assert found.scores[0].probability >= found.scores[1].probability


@pytest.mark.parametrize(
    ("name", "width", "patch", "at_one"), [("skyclip-b32", 768, 32, 0.8413447), ("skyclip-l14", 1024, 14, 0.8457958)]
)
def test_the_width_of_a_file_decides_about_its_activation(
    tmp_path: Path, name: str, width: int, patch: int, at_one: float
) -> None:
    """A wrong one is silent: nothing but this test would notice."""
    made = reference.weights(width=width, patch=patch, blocks=1, read_blocks=1, side=2 * patch)
    network = skyclip.load(card("", name), published(made, tmp_path), CPU)
    for encoder in (network._model.vision_model, network._model.text_model):
        for block in encoder.encoder.layers:
            assert float(block.mlp.activation_fn(torch.tensor(1.0))) == pytest.approx(at_one, abs=1e-6)
    right, wrong = (
        (reference.exact_gelu, reference.quick_gelu) if width == 768 else (reference.quick_gelu, reference.exact_gelu)
    )
    image = torch.from_numpy(skyclip.prepared(picture(), 2 * patch))[None]
    with torch.inference_mode():
        features = network.look(tile(picture())).features
        assert np.abs(features - normed(reference.image_features(made, image, right))).max() <= TOLERANCE
        assert np.abs(features - normed(reference.image_features(made, image, wrong))).max() > TOLERANCE


def test_a_width_that_nobody_knows_needs_a_card_that_says_the_activation(file: Path) -> None:
    with pytest.raises(ModelError, match=r'128 channels.*activation = "gelu".*\[settings\]'):
        loaded(file, "")


# --- what a tile goes through


def test_texts_do_not_depend_on_those_beside_them_and_are_encoded_once(file: Path, monkeypatch: Any) -> None:
    network = loaded(file)
    with torch.inference_mode():
        alone = network.text_features(["lake"])
        together = network.text_features(["a much longer text about a lake", "lake", "lake", "sea"])
        assert np.abs(together[1] - alone[0]).max() < 1e-6
        assert (together[1] == together[2]).all()
        monkeypatch.setattr(network, "_encoded", lambda _: pytest.fail("it was known"))
        assert (network.text_features(["sea", "lake"]) == together[[3, 1]]).all()


def test_in_another_precision_texts_are_read_anew(file: Path) -> None:
    words, options = ("a river", "a lake"), RunOptions(device="cpu", threads=1)
    with Engine(card(), file, replace(options, precision=Precision.BFLOAT16)) as engine:
        rough = engine.read(words)
        engine.go_on(options)
        exact = engine.read(words)
    with Engine(card(), file, options) as engine:
        assert np.array_equal(exact, engine.read(words))
    assert not np.array_equal(rough, exact)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(224, 224, (224, 224)), (333, 517, (347, 224)), (500, 100, (224, 1120))]
)
def test_a_tile_is_made_smaller_and_its_middle_is_taken(height: int, width: int, size: tuple[int, int]) -> None:
    from PIL import Image

    pixels = picture(height, width)
    found = skyclip.prepared(pixels, 224)
    small = np.asarray(Image.fromarray(np.moveaxis(pixels, 0, 2)).resize(size, Image.Resampling.BICUBIC), np.float64)
    top, left = round((size[1] - 224) / 2), round((size[0] - 224) / 2)
    wanted = (small[top : top + 224, left : left + 224] / 255 - np.array(skyclip.MEAN)) / np.array(skyclip.STD)
    assert found.shape == (3, 224, 224)
    assert np.abs(found - np.moveaxis(wanted, 2, 0)).max() < 1e-5


def test_a_tile_that_is_all_edge_is_refused() -> None:
    with pytest.raises(ModelError, match="2,000 x 3 pixels"):
        skyclip.prepared(np.zeros((3, 3, 2000), np.uint8), 224)


def test_the_engine_asks_for_the_words_of_the_card(file: Path) -> None:
    of = with_words(card(), ("river", "beach", "stadium"))
    assert words_of(of) == ("river", "beach", "stadium")
    with Engine(of, file, RunOptions(device="cpu", threads=1)) as engine:
        said = engine.predict(TileId("a"), tile(picture(), words=words_of(of), caption="a river"))
        assert sorted(one.name for one in said.scores) == ["beach", "river", "stadium"]
        assert sum(one.probability for one in said.scores) == pytest.approx(1.0)
        assert said.similarity is not None
        assert -1 <= said.similarity <= 1
        assert said.forward_seconds > 0
        again = engine.predict(TileId("a"), tile(picture(), words=("lake", "sea")))
        assert {one.name for one in again.scores} == {"lake", "sea"}, "other words need no other engine"
        assert again.similarity is None
        assert engine.bare_seconds(tile(picture()), 1) > 0


def test_other_words_need_no_other_look_at_a_tile_that_is_known(file: Path, monkeypatch: Any) -> None:
    network = loaded(file)
    with torch.inference_mode():
        first = network.look(tile(picture(), words=("river", "lake"), caption="a river"))
        again = network.look(tile(picture(), words=("road", "field"), caption="a river"))
        monkeypatch.setattr(network, "_image_features", lambda _: pytest.fail("the image is known"))
        assert first.features is not None
        assert first.caption_features is not None
        kept = {
            "features": first.features.astype(np.float16).astype(np.float32),
            "caption_features": first.caption_features.astype(np.float16).astype(np.float32),
        }
        other = network.look(tile(picture(), words=("road", "field"), caption="a river", **kept))
    assert other.similarity == pytest.approx(first.similarity, abs=1e-4)
    assert [one.name for one in other.scores] == [one.name for one in again.scores]
    assert [one.probability for one in other.scores] == pytest.approx(
        [one.probability for one in again.scores], abs=1e-2
    )


def test_what_is_kept_of_another_network_is_not_taken(file: Path) -> None:
    network = loaded(file)
    with torch.inference_mode():
        plain = network.look(tile(picture()))
        for wrong in (np.ones(7, np.float32), np.full(48, np.nan, np.float32)):
            found = network.look(tile(picture(), features=wrong))
            assert found.features is not None
            assert (found.features == plain.features).all()


def test_a_text_that_is_not_of_an_image_is_read_as_if_it_were(file: Path) -> None:
    network = loaded(file)
    with torch.inference_mode():
        as_read = network.read(["a river", "An aerial image. It shows: a river"])
        written = ["a satellite image. a river", "An aerial image. It shows: a river"]
        assert (as_read == network.text_features(written)).all()


# --- files


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_published_files_and_bare_weights_are_loaded(held: dict[str, Tensor], tmp_path: Path, prefix: str) -> None:
    bare = {f"{prefix}{name}": tensor.half() for name, tensor in held.items()}
    path = tmp_path / "bare.pt"
    torch.save(bare, path)
    assert loaded(path).text_features(["lake"]).shape == (1, 48)


def test_numbers_are_mapped_and_the_optimizer_is_never_read(held: dict[str, Tensor], tmp_path: Path) -> None:
    path = published(held, tmp_path)
    seen: list[bool] = []
    original = torch.load

    def spying(*args: Any, **options: Any) -> Any:
        seen.append(options["mmap"] and options["weights_only"])
        return original(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", spying)
        loaded(path)
    assert seen == [True]


def test_what_is_missing_too_much_or_of_another_shape_is_named(held: dict[str, Tensor], tmp_path: Path) -> None:
    cases = [
        ({"visual.ln_post.bias": None}, r"lacks visual\.ln_post\.bias"),
        ({"visual.adapter": torch.zeros(2)}, r"also holds visual\.adapter"),
        ({"visual.proj": torch.zeros(64, 48)}, r"visual\.proj has shape 64 x 48"),
        ({"token_embedding.weight": torch.zeros(1000, 64)}, "another network than SkyCLIP"),
        ({"visual.conv1.weight": None}, r"holds no visual\.conv1\.weight, but"),
        ({"visual.conv1.weight": torch.zeros(4)}, "has shape 4"),
        ({"transformer.resblocks.1.mlp.c_fc.weight": torch.zeros(256, 64, dtype=torch.int64)}, "c_fc.weight has shape"),
    ]
    for changes, said in cases:
        changed = {name: tensor for name, tensor in {**held, **changes}.items() if tensor is not None}
        with pytest.raises(ModelError, match=said):
            loaded(published(changed, tmp_path))


def test_the_authors_archive_is_to_be_unpacked(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "SkyCLIP_ViT_B32_top50pct.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(file, "SkyCLIP_ViT_B32_top50pct/epoch_20.pt")
    with pytest.raises(ModelError, match=r"unpack it, and add epoch_20\.pt"):
        loaded(path)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("it was run",)


def test_truncated_and_hostile_files_are_refused_in_a_sentence(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    path = tmp_path / "epoch_20.pt"
    for wrong in (b"", b"<!doctype html>", content[: len(content) // 2], pickle.dumps(Evil())):
        path.write_bytes(wrong)
        with pytest.raises(ModelError):
            loaded(path)
    torch.save({"state_dict": {"module.visual.conv1.weight": Evil()}}, path)
    with pytest.raises(ModelError, match="Nothing in it was run"):
        loaded(path)


# --- words


def test_classes_are_written_one_a_line() -> None:
    assert parse_words("\ufeffriver\n\n  dense   forest \n# a remark\nriver\n") == ("river", "dense forest")
    for text, said in (("river", "two classes"), ("a\n" + "b" * 201, "201 characters")):
        with pytest.raises(ModelError, match=said):
            parse_words(text)
    with pytest.raises(ModelError, match="1,001 classes"):
        parse_words("\n".join(map(str, range(1001))))


def test_words_of_a_strangers_project_are_few_and_short() -> None:
    found = words_of(with_words(card(), (" ", *(f"{number} " * 200 for number in range(2000)))))
    assert len(found) == 1000
    assert max(map(len, found)) == 200
    assert words_of(with_words(card(), ("",))) == words_of(card())


def test_a_label_means_a_class_however_it_is_spelled() -> None:
    words = ("dense residential", "river")
    assert place_of("Dense_Residential", words) == 0
    assert place_of("RIVER", words) == 1
    assert place_of("sea", words) is None
    assert place_of(" - ", ("?", "river")) is None, "a label that says nothing means nothing"


def test_without_the_vocabulary_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cliptext, "PACKAGES", (("no_such_package", ""),))
    with pytest.raises(ModelError, match="pip install --no-deps open_clip_torch"):
        cliptext.tokens("SkyCLIP", tmp_path / "epoch_20.pt")
    wrong = tmp_path / cliptext.VOCABULARY
    wrong.write_bytes(b"x" * cliptext.NBYTES)
    assert hashlib.sha256(wrong.read_bytes()).hexdigest() != cliptext.SHA256
    with pytest.raises(ModelError, match="which is not here"):
        cliptext.tokens("SkyCLIP", tmp_path / "epoch_20.pt")


def test_texts_become_the_numbers_that_clip_was_trained_on(tmp_path: Path) -> None:
    try:
        read = cliptext.tokens("SkyCLIP", tmp_path / "epoch_20.pt")
    except ModelError:
        pytest.skip("CLIP's vocabulary is not installed")
    assert read(["a photo of a cat"]) == [[49406, 320, 1125, 539, 320, 2368, 49407]]
    assert read(["A  Photo of\na CAT"]) == read(["a photo of a cat"])
    assert read(["rock &amp;amp; sea", "it’s ﬁne"]) == read(["rock & sea", "it's fine"])
    long = read(["river " * 200])[0]
    assert len(long) == 77
    assert long[-1] == 49407
    assert read([]) == []
    assert read([""]) == [[49406, 49407]]


# --- in a process of its own

CHILD = (
    "import sys; sys.path[:] = sys.argv[1:]; from tests.inference.test_skyclip import SpelledOut;"
    "from rsviewer.inference.zoo import skyclip; skyclip.tokens = lambda *_: SpelledOut();"
    "from rsviewer.inference.child import main; main()"
)


def test_words_and_features_travel_to_the_models_process_and_back(file: Path) -> None:
    command = (sys.executable, "-P", "-c", CHILD, *sys.path)
    words = ("river", "beach", "stadium")
    of = with_words(card(), words)
    here = loaded(file)
    with RemoteEngine(of, file, RunOptions(device="cpu", threads=1), command=command) as engine:
        assert isinstance(engine, Reader)
        said = engine.predict(TileId("a"), tile(picture(), words=words, caption="a river"), model="m")
        features = engine.read(["a river", "a lake"])
        with pytest.raises(ModelError, match="2,000 x 3"):
            engine.predict(TileId("a"), tile(np.zeros((3, 3, 2000), np.uint8)))
    with torch.inference_mode():
        wanted = here.look(tile(picture(), words=words, caption="a river"))
        assert np.abs(features - here.read(["a river", "a lake"])).max() < 1e-5
    assert said.features is not None
    assert wanted.features is not None
    assert np.abs(said.features - wanted.features).max() < 1e-5
    assert said.similarity == pytest.approx(wanted.similarity, abs=1e-5)
    assert [one.name for one in said.scores] == [one.name for one in wanted.scores]


def test_a_model_that_cannot_read_says_so() -> None:
    from tests.inference.networks import HEIGHTS, Fake, first_band, running
    from tests.inference.networks import card as other

    with running(Fake(height=first_band), other(HEIGHTS)) as engine, pytest.raises(ModelError, match="cannot read"):
        engine.read(["a river"])
