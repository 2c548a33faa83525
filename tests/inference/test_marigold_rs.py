import hashlib
import json
import os
import pickle
import shutil
import socket
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import CLIPTextConfig, CLIPTextModel

from rsviewer.core.errors import ModelError, StoppedError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, Precision, RunOptions, fingerprint
from rsviewer.core.prediction import HEIGHT, Prediction
from rsviewer.core.tile import TileId
from rsviewer.data.proposals.marigold import unet_file
from rsviewer.data.proposals.proposal import Proposal
from rsviewer.data.proposals.recognising import propose
from rsviewer.inference.engine import Engine
from rsviewer.inference.remote import RemoteEngine
from tests.inference.marigold_files import card, write_checkpoint, write_pipeline

FITTED = Fitted(
    np.random.default_rng(0).integers(0, 256, (3, 64, 72)).astype(np.uint8),
    np.ones((64, 72), bool),
    gsd=30.0,
    caption="river sea",
)
QUICK = RunOptions("cpu", threads=1, slow=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The UNet's file of a pipeline folder. Copy it to change it."""
    return write_pipeline(tmp_path_factory.mktemp("whole") / "pipeline")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A pipeline folder to change."""
    return Path(shutil.copytree(whole.parent.parent, tmp_path / "pipeline"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for an address or a connection fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody wants to use the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def unet_of(folder: Path) -> Path:
    return next((folder / "unet").glob("diffusion_pytorch_model.*"))


def predict(
    file: Path, tile: str = "a/1", options: RunOptions = QUICK, fitted: Fitted = FITTED, **settings: Any
) -> Prediction:
    with Engine(card(file, **settings), file, options) as engine:
        return engine.predict(TileId(tile), fitted)


def refusal(file: Path, **settings: Any) -> str:
    with pytest.raises(ModelError) as fault:
        predict(file, **settings)
    said = str(fault.value)
    assert said.endswith((".", '"')), said
    assert "\n" not in said
    return said


def same(one: Prediction, other: Prediction) -> None:
    """Equal, but for how numbers lie in memory."""
    np.testing.assert_allclose(one.rasters[HEIGHT].pixels, other.rasters[HEIGHT].pixels, atol=1e-5)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


# --- what it says


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("index", ["StableDiffusionPipeline", "MarigoldPipeline", "MarigoldDepthPipeline"])
def test_a_pipeline_folder_gives_relative_heights(tmp_path: Path, index: str) -> None:
    said = predict(write_pipeline(tmp_path / "pipeline", index))

    raster = said.rasters[HEIGHT]
    assert raster.pixels.shape == (1, 64, 72)
    assert raster.pixels.dtype == np.float32
    assert raster.valid.all()
    assert 0.0 <= raster.pixels.min() < raster.pixels.max() <= 1.0
    assert raster.gsd == 30.0


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"steps": 4}, {}),
        ({"steps": 3}, {"ensemble": 3}),
        ({"steps": 2, "resolution": 48}, {}),
        ({"steps": 2, "resolution": 96}, {"ensemble": 2}),
        ({"steps": 3}, {"caption": 1}),
    ],
)
def test_it_says_what_diffusers_says_of_the_same_folder(
    whole: Path, settings: dict[str, Any], options: dict[str, int]
) -> None:
    ours = predict(whole, "a/1", RunOptions("cpu", threads=1, slow=True, choices=options), **settings)

    pipeline = diffusers.MarigoldDepthPipeline.from_pretrained(whole.parent.parent, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    if options.get("caption"):
        words = pipeline.tokenizer(
            FITTED.caption, padding=True, max_length=16, truncation=True, return_tensors="pt"
        ).input_ids
        with torch.no_grad():
            pipeline.empty_text_embedding = pipeline.text_encoder(words)[0]
    seed = int.from_bytes(hashlib.sha256(b"a/1").digest()[:7], "big")
    theirs = pipeline(
        torch.from_numpy(FITTED.pixels[None] / np.float32(255)),
        num_inference_steps=settings["steps"],
        ensemble_size=options.get("ensemble", 1),
        processing_resolution=settings.get("resolution", 0),
        ensembling_kwargs={"max_res": 50, "max_iter": 2, "tol": 1e-3, "regularizer_strength": 0.02},
        generator=torch.Generator().manual_seed(seed),
    ).prediction[0, :, :, 0]

    assert np.abs(ours.rasters[HEIGHT].pixels[0] - theirs).max() <= 1e-4


def test_the_same_tile_gives_the_same_answer_and_another_one_another(whole: Path) -> None:
    first, again, other = (predict(whole, tile).rasters[HEIGHT].pixels for tile in ("a/1", "a/1", "a/2"))

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_a_caption_is_the_prompt_where_it_is_wanted(whole: Path) -> None:
    wanted = RunOptions("cpu", threads=1, slow=True, choices={"caption": 1})
    without, with_caption = predict(whole), predict(whole, options=wanted)
    silent = predict(whole, options=wanted, fitted=Fitted(FITTED.pixels, FITTED.valid, caption=" "))
    long = predict(whole, options=wanted, fitted=Fitted(FITTED.pixels, FITTED.valid, caption="sea " * 40))

    heights = [one.rasters[HEIGHT].pixels for one in (without, with_caption, silent)]
    assert np.abs(heights[0] - heights[1]).max() > 1e-6
    np.testing.assert_array_equal(heights[0], heights[2])
    assert without.remarks == ()
    assert with_caption.remarks == ("The caption of the tile was the prompt.",)
    assert silent.remarks == ("There is no caption of this tile: predicted without a prompt.",)
    assert long.remarks == ("The caption of the tile was the prompt. Only its first 16 of 42 tokens are read.",)


def test_invalid_pixels_are_not_predicted(whole: Path) -> None:
    valid = FITTED.valid.copy()
    valid[:5] = False

    raster = predict(whole, fitted=Fitted(FITTED.pixels, valid)).rasters[HEIGHT]

    np.testing.assert_array_equal(raster.valid[0], valid)
    assert np.isnan(raster.pixels[0, :5]).all()


def test_smaller_numbers_give_about_the_same(whole: Path) -> None:
    exact = predict(whole).rasters[HEIGHT].pixels
    options = RunOptions("cpu", Precision.BFLOAT16, 1, slow=True, choices={"ensemble": 2})

    assert np.abs(predict(whole, options=options).rasters[HEIGHT].pixels).max() <= 1.0
    rough = predict(whole, options=RunOptions("cpu", Precision.BFLOAT16, 1, slow=True)).rasters[HEIGHT].pixels
    assert np.abs(rough - exact).mean() < 0.05


def test_all_names_of_a_full_model_are_read(tmp_path: Path) -> None:
    """As many as Stable Diffusion 2's files have, and one pass through all of them says what diffusers' says."""
    file = write_pipeline(tmp_path / "pipeline", "MarigoldPipeline", deep=True)
    folder = file.parent.parent
    counts = {part: len(load_file(next((folder / part).glob("*.safetensors")))) for part in ("unet", "vae")}
    assert counts == {"unet": 686, "vae": 248}

    ours = predict(file, steps=1).rasters[HEIGHT].pixels[0]

    pipeline = diffusers.MarigoldDepthPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    seed = int.from_bytes(hashlib.sha256(b"a/1").digest()[:7], "big")
    image = torch.from_numpy(FITTED.pixels[None] / np.float32(255))
    theirs = pipeline(image, 1, processing_resolution=0, generator=torch.Generator().manual_seed(seed))
    assert np.abs(ours - theirs.prediction[0, :, :, 0]).max() <= 1e-4


# --- what the trainer leaves


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("with_text", [False, True])
def test_a_checkpoint_takes_the_other_parts_from_its_base(whole: Path, tmp_path: Path, with_text: bool) -> None:
    file = write_checkpoint(tmp_path / "checkpoint", whole, with_text=with_text)

    said = predict(file, base=str(whole.parent.parent)).rasters[HEIGHT].pixels

    difference = np.abs(said - predict(whole).rasters[HEIGHT].pixels).max()
    assert bool(difference > 1e-4) is with_text


def test_a_checkpoint_without_a_base_says_what_it_needs(whole: Path, tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "checkpoint", whole)

    assert 'base = "..."' in refusal(file)
    assert "name another base" in refusal(file, base=str(tmp_path / "nowhere"))


def test_names_of_older_files_are_understood(folder: Path) -> None:
    """Stable Diffusion 2's own files have the VAE's attention as `query` and 1 x 1 convolutions, and position_ids."""
    before = predict(unet_of(folder)).rasters[HEIGHT].pixels
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for name, tensor in load_file(file).items():
        now = next((now for now in old if f".{now}." in name), "")
        was = tensor[:, :, None, None] if now and tensor.ndim == 2 else tensor
        tensors[name.replace(f".{now}.", f".{old[now]}.") if now else name] = was.contiguous()
    assert any("query" in name for name in tensors)
    save_file(tensors, file)
    text = folder / "text_encoder" / "model.safetensors"
    words = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in load_file(text).items()}
    save_file({**words, "text_model.embeddings.position_ids": torch.arange(16)[None]}, text)

    np.testing.assert_array_equal(predict(unet_of(folder)).rasters[HEIGHT].pixels, before)


# --- step by step


@pytest.mark.parametrize("last", [0, 2, 5])
def test_it_tells_each_step_and_stops_at_any(whole: Path, last: int) -> None:
    told: list[tuple[int, int]] = []
    options = RunOptions("cpu", threads=1, slow=True, choices={"ensemble": 2})
    with Engine(card(whole), whole, options) as engine:

        def tell(done: int, total: int) -> None:
            told.append((done, total))
            if done == last:
                engine.close()

        engine.tell_steps(tell)
        with pytest.raises(ModelError, match="was closed"):
            engine.predict(TileId("a"), FITTED)

    # It ends with the next step: the one after `last` is begun, and none behind it.
    assert told[-1] == (last, 6)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_who_raises_while_a_step_is_told_stops_it_and_the_next_tile_is_predicted(whole: Path) -> None:
    with Engine(card(whole), whole, QUICK) as engine:

        def stop(done: int, _: int) -> None:
            if done == 1:
                raise ModelError("Stopped.")

        engine.tell_steps(stop)
        with pytest.raises(ModelError, match=r"^Stopped\.$"):
            engine.predict(TileId("a"), FITTED)
        engine.tell_steps(lambda *_: None)
        assert HEIGHT in engine.predict(TileId("a"), FITTED).rasters


# --- patience


def test_without_a_gpu_it_waits_for_a_yes(whole: Path) -> None:
    asking = card(whole, steps=50, step_seconds=4.2)

    with Engine(asking, whole, RunOptions("cpu", threads=1)) as engine:
        with pytest.raises(ModelError, match=r"a tile of 72 x 64 takes about 7 s with 1 thread: .* --slow-is-fine"):
            engine.predict(TileId("a"), FITTED)
        assert not engine.device


def test_options_make_another_fingerprint_and_a_yes_does_not() -> None:
    said = card(Path("x"))
    marks = {
        fingerprint(said, "", options)
        for options in (RunOptions(), RunOptions(slow=True), RunOptions(choices={"ensemble": 1, "unknown": 3}))
    }
    assert len(marks) == 1
    assert fingerprint(said, "", RunOptions(choices={"ensemble": 2})) not in marks


# --- what is refused


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil-was-here",)


def test_a_pickle_that_wants_to_run_something_is_refused(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_checkpoint(tmp_path / "checkpoint", whole)
    torch.save({**torch.load(file, weights_only=True), "more": Evil()}, file)
    assert "Nothing in it was run" in refusal(file, base=str(whole.parent.parent))

    file.write_bytes(pickle.dumps(Evil(), protocol=2))
    refusal(file, base=str(whole.parent.parent))
    assert not (tmp_path / "evil-was-here").exists()


def test_a_pickle_in_another_part_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": torch.zeros(1), "b": Evil()}, folder / "vae" / "diffusion_pytorch_model.bin")

    assert "Nothing in it was run" in refusal(unet_of(folder))
    assert not (tmp_path / "evil-was-here").exists()


def test_code_beside_the_parts_is_not_looked_at(folder: Path, tmp_path: Path) -> None:
    """diffusers would load a pipeline.py, and classes of modules that an index names, if it were asked to."""
    bomb = f"from pathlib import Path; Path({str(tmp_path / 'evil')!r}).touch()"
    for place in (folder / "pipeline.py", folder / "unet" / "evil.py", folder / "tokenizer" / "evil.py"):
        place.write_text(bomb)
    change(folder / "model_index.json", unet=["evil", "UNet"], tokenizer=["evil", "Tokenizer"])
    change(folder / "unet" / "config.json", auto_map={"AutoModel": "evil.UNet"})
    change(folder / "tokenizer" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]})

    assert HEIGHT in predict(unet_of(folder)).rasters
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_file_that_was_cut_short_is_refused(folder: Path, part: str) -> None:
    file = next((folder / part).glob("*.safetensors"))
    content = file.read_bytes()
    for share in (0.0, 0.3, 0.9, 0.999):
        file.write_bytes(content[: int(len(content) * share)])
        assert "only a part" in refusal(unet_of(folder))


def test_a_pickle_that_was_cut_short_is_refused(whole: Path, tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "checkpoint", whole)
    content = file.read_bytes()
    for share in (0.0, 0.3, 0.9, 0.999):
        file.write_bytes(content[: int(len(content) * share)])
        refusal(file, base=str(whole.parent.parent))


def _other_unet(folder: Path) -> None:
    """That of Stable Diffusion 2 itself."""
    change(folder / "unet" / "config.json", in_channels=4)


def _wider(folder: Path) -> None:
    change(folder / "unet" / "config.json", block_out_channels=[8, 32])


def _deeper(folder: Path) -> None:
    change(folder / "unet" / "config.json", layers_per_block=2)


def _endless(folder: Path) -> None:
    change(folder / "unet" / "config.json", layers_per_block=10**9)


def _nonsense(folder: Path) -> None:
    change(folder / "unet" / "config.json", down_block_types=["Nothing", "Nothing"])


def _other_text(folder: Path) -> None:
    """Of Stable Diffusion 1: it says 768 numbers a word."""
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    CLIPTextModel(CLIPTextConfig.from_dict({**config, "hidden_size": 24})).save_pretrained(folder / "text_encoder")


def _other_scheduler(folder: Path) -> None:
    change(folder / "scheduler" / "scheduler_config.json", _class_name="PNDMScheduler")


def _unknown_noise(folder: Path) -> None:
    change(folder / "scheduler" / "scheduler_config.json", beta_schedule="sinus")


def _no_number(folder: Path) -> None:
    change(folder / "scheduler" / "scheduler_config.json", trained_betas=[1, "a"])


def _normals(folder: Path) -> None:
    change(folder / "model_index.json", _class_name="MarigoldNormalsPipeline")


def _disparity(folder: Path) -> None:
    change(folder / "model_index.json", prediction_type="disparity")


def _no_json(folder: Path) -> None:
    (folder / "vae" / "config.json").write_text("{")


def _huge(folder: Path) -> None:
    with (folder / "vae" / "config.json").open("r+b") as file:
        file.truncate(1 << 40)


def _nested(folder: Path) -> None:
    (folder / "scheduler" / "scheduler_config.json").write_text("[" * 900_000)


def _long_head(folder: Path) -> None:
    """A safetensors file whose list of numbers is said to be larger than any file."""
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes((1 << 60).to_bytes(8, "little") + file.read_bytes()[8:])


def _list(folder: Path) -> None:
    (folder / "vae" / "config.json").write_text("[]")


def _no_config(folder: Path) -> None:
    (folder / "unet" / "config.json").unlink()


def _no_words(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")


def _other_words(folder: Path) -> None:
    for file in (folder / "tokenizer").iterdir():
        file.write_text("{}")


def _no_numbers(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_other_unet, "in_channels = 4"),
        (_wider, "another network"),
        (_deeper, "not complete"),
        (_endless, "does not make sense"),
        (_nonsense, "does not describe a network"),
        (_other_text, "do not belong together"),
        (_other_scheduler, "PNDMScheduler"),
        (_unknown_noise, "does not describe a DDIMScheduler: sinus is not implemented"),
        (_no_number, "does not describe a DDIMScheduler: must be real number"),
        (_normals, "MarigoldNormalsPipeline"),
        (_disparity, "disparity"),
        (_no_json, "no JSON"),
        (_list, "no settings"),
        (_huge, "no settings"),
        (_nested, "no JSON"),
        (_long_head, "no safetensors file"),
        (_no_config, "not complete"),
        (_no_words, "no folder tokenizer"),
        (_other_words, "tokenizer"),
        (_no_numbers, "no weights"),
    ],
)
def test_parts_that_do_not_fit_are_refused_in_a_sentence(folder: Path, harm: Any, said: str) -> None:
    harm(folder)

    assert said in refusal(unet_of(folder))


def test_parts_that_have_changed_since_they_were_added_are_refused(folder: Path) -> None:
    others = ("vae", "text_encoder", "tokenizer", "scheduler")
    nbytes = sum(file.stat().st_size for part in others for file in (folder / part).iterdir())
    predict(unet_of(folder), parts_nbytes=nbytes)

    assert "Add the folder again" in refusal(unet_of(folder), parts_nbytes=nbytes + 1)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"steps": "many"}, {"base": 3}, {"resolution": -1}])
def test_a_card_that_says_nonsense_is_refused(whole: Path, settings: dict[str, Any]) -> None:
    assert "card" in refusal(whole, **settings)


# --- in several files


def cut_up(folder: Path, part: str, *, saved: bool = False, count: int = 3) -> Path:
    """Writes the numbers of a part into several files, as the libraries do. Returns their index."""
    file = next(file for file in (folder / part).iterdir() if file.suffix == ".safetensors")
    held, plain = load_file(file), file.name.removesuffix(".safetensors")
    file.unlink()
    if saved:
        plain = plain.replace("model", "pytorch_model") if plain == "model" else plain
    ending = "bin" if saved else "safetensors"
    names, places = sorted(held), {}
    for number in range(count):
        shard = f"{plain}-{number + 1:05}-of-{count:05}.{ending}"
        tensors = {name: held[name] for name in names[number::count]}
        places |= dict.fromkeys(tensors, shard)
        (torch.save if saved else save_file)(tensors, folder / part / shard)
    index = folder / part / f"{plain}.{ending}.index.json"
    nbytes = sum(tensor.numel() * tensor.element_size() for tensor in held.values())
    index.write_text(json.dumps({"metadata": {"total_size": nbytes}, "weight_map": places}))
    return index


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_numbers_in_several_files_say_the_same(whole: Path, folder: Path, part: str, saved: bool) -> None:
    index = cut_up(folder, part, saved=saved)
    file = index if part == "unet" else unet_of(folder)

    same(predict(file), predict(whole))


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_what_the_libraries_cut_up_themselves_is_found_by_their_names(
    whole: Path, folder: Path, variant: str | None
) -> None:
    for part, kind, most in (("unet", diffusers.UNet2DConditionModel, "100KB"), ("text_encoder", CLIPTextModel, "5KB")):
        network = kind.from_pretrained(whole.parent.parent / part)
        shutil.rmtree(folder / part)
        network.save_pretrained(folder / part, max_shard_size=most, variant=variant)
        assert len(list((folder / part).glob("*-of-*.safetensors"))) > 2
    said = propose(next((folder / "unet").glob("*00001-of-*")))
    assert isinstance(said, Proposal)

    same(predict(unet_file(folder)), predict(whole))


def _no_shard(index: Path) -> None:
    shards(index)[1].unlink()


def _cut_shard(index: Path) -> None:
    shard = shards(index)[1]
    shard.write_bytes(shard.read_bytes()[:-100])


def _exchanged(index: Path) -> None:
    one, other, _ = shards(index)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _other_total(index: Path) -> None:
    change(index, metadata={"total_size": 17})


def _no_map(index: Path) -> None:
    change(index, weight_map=["a", "b"])


def _huge_index(index: Path) -> None:
    index.write_text(json.dumps({"weight_map": {"a": "x" * (5 << 20)}}))


def _nested_index(index: Path) -> None:
    index.write_text("[" * 100_000)


def _pipe_as_shard(index: Path) -> None:
    shards(index)[1].unlink()
    os.mkfifo(shards(index)[1])


def shards(index: Path) -> list[Path]:
    return [index.parent / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_no_shard, "There is no file"),
        (_cut_shard, "only a part"),
        (_exchanged, "does not hold what"),
        (_other_total, "17 bytes"),
        (_no_map, "does not say where numbers are"),
        (_huge_index, "does not say where numbers are"),
        (_nested_index, "does not say where numbers are"),
        (_pipe_as_shard, "is no file"),
    ],
)
@pytest.mark.parametrize("part", ["unet", "vae"])
def test_files_that_do_not_fit_their_index_are_refused(folder: Path, part: str, harm: Any, said: str) -> None:
    index = cut_up(folder, part)
    harm(index)

    assert said in refusal(index if part == "unet" else unet_of(folder))


@pytest.mark.parametrize(
    "place",
    [
        "../vae/numbers.safetensors",
        "/etc/passwd",
        "..",
        "a/b.safetensors",
        "numbers.bin",
        "a\\b.safetensors",
        "",
        3,
        None,
    ],
)
def test_an_index_leads_nowhere_but_to_its_own_folder(folder: Path, place: object) -> None:
    index = cut_up(folder, "unet")
    places = json.loads(index.read_text())["weight_map"]
    change(index, weight_map={**places, "conv_in.bias": place})

    assert "nothing of it was read" in refusal(index)


def test_a_pickle_among_several_files_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    index = cut_up(folder, "unet", saved=True)
    shard = shards(index)[1]
    torch.save({**torch.load(shard, weights_only=True), "more": Evil()}, shard)

    assert "Nothing in it was run" in refusal(index)
    assert not (tmp_path / "evil-was-here").exists()


# --- what lies elsewhere, or is no file


def test_links_are_followed_as_the_cache_of_the_hub_is_made_of_them(whole: Path, tmp_path: Path) -> None:
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    for number, file in enumerate(path for path in whole.parent.parent.rglob("*") if path.is_file()):
        there = folder / file.relative_to(whole.parent.parent)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blobs / f"{number}")
        there.symlink_to(blobs / f"{number}")

    np.testing.assert_array_equal(
        predict(unet_of(folder)).rasters[HEIGHT].pixels, predict(whole).rasters[HEIGHT].pixels
    )


@pytest.mark.parametrize("place", ["chat_template.jinja", "additional_chat_templates/other.jinja"])
@pytest.mark.parametrize("is_pipe", [False, True])
def test_what_is_read_beside_a_tokenizer_is_neither_waited_for_nor_taken_whatever_its_size(
    folder: Path, place: str, is_pipe: bool
) -> None:
    template = folder / "tokenizer" / place
    template.parent.mkdir(exist_ok=True)
    if is_pipe:
        os.mkfifo(template)
    else:
        with template.open("wb") as file:
            file.truncate(1 << 40)
    assert place in refusal(unet_of(folder))


@pytest.mark.parametrize(
    "place",
    [
        *("unet/config.json", "vae/config.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json"),
        *("tokenizer/merges.txt", "model_index.json", "text_encoder/model.safetensors"),
    ],
)
@pytest.mark.parametrize("leads_to", ["secret", "/dev/zero", "pipe", "nowhere"])
def test_a_link_to_something_else_is_refused_and_nothing_of_it_said(
    folder: Path, tmp_path: Path, place: str, leads_to: str
) -> None:
    secret, pipe = tmp_path / "secret", tmp_path / "pipe"
    secret.write_text("root:x:0:0\npassword = 1234\n")
    os.mkfifo(pipe)
    (folder / place).unlink()
    (folder / place).symlink_to({"secret": secret, "pipe": pipe}.get(leads_to, Path(leads_to)))

    said = refusal(unet_of(folder)) if place != "model_index.json" or leads_to == "secret" else ""
    assert "1234" not in said


def test_a_file_of_words_out_of_all_measure_is_not_read(folder: Path) -> None:
    with (folder / "tokenizer" / "vocab.json").open("r+b") as file:
        file.truncate(1 << 30)  # full of holes

    assert "makes no sense" in refusal(unet_of(folder))


def test_a_file_elsewhere_is_no_folder(whole: Path, tmp_path: Path) -> None:
    alone = tmp_path / "numbers.safetensors"
    shutil.copy(whole, alone)

    assert "folder unet" in refusal(alone)


def test_an_engine_of_its_own_process_tells_steps_too(whole: Path) -> None:
    told: list[tuple[int, int]] = []
    said: ModelCard = card(whole)
    with RemoteEngine(said, whole, QUICK) as engine:
        engine.tell_steps(lambda done, total: told.append((done, total)))
        there = engine.predict(TileId("a/1"), FITTED)

    assert told == [(0, 3), (0, 3), (1, 3), (2, 3), (3, 3)]  # before the image is encoded, and before each step
    np.testing.assert_allclose(there.rasters[HEIGHT].pixels, predict(whole).rasters[HEIGHT].pixels, atol=1e-5)


def test_a_process_is_ended_at_the_step_where_it_is_closed(whole: Path) -> None:
    told: list[int] = []
    with RemoteEngine(card(whole, steps=900), whole, QUICK) as engine:

        def tell(done: int, _: int) -> None:
            told.append(done)
            if done == 2:
                engine.close()

        engine.tell_steps(tell)
        with pytest.raises(ModelError, match="was closed"):
            engine.predict(TileId("a/1"), FITTED)
    assert max(told) < 100  # what was on its way


def test_a_stopped_tile_and_other_options_leave_the_pipeline_loaded(whole: Path) -> None:
    """Within the second answer of an ensemble; what is predicted next is what a fresh process says of it."""
    told: list[int] = []
    many = RunOptions("cpu", threads=1, slow=True, choices={"ensemble": 10})
    with RemoteEngine(card(whole, steps=40), whole, many) as engine:

        def tell(done: int, total: int) -> None:
            told.append(done)
            if (done, total) == (60, 400):
                engine.stop()

        engine.tell_steps(tell)
        with pytest.raises(StoppedError):
            engine.predict(TileId("a/1"), FITTED)
        assert 60 <= max(told) < 120  # what was on its way
        assert engine._child is not None
        process = engine._child.process.pid

        few = RunOptions("cpu", threads=1, slow=True, choices={"caption": 1, "ensemble": 2})
        engine.go_on(few)
        said = engine.predict(TileId("a/2"), FITTED)
        assert engine._child.process.pid == process

    fresh = predict(whole, "a/2", few, steps=40)
    assert (said.tile, said.remarks) == ("a/2", fresh.remarks)
    np.testing.assert_allclose(said.rasters[HEIGHT].pixels, fresh.rasters[HEIGHT].pixels, atol=1e-5)


def test_what_was_made_of_no_words_is_made_again_in_another_precision(whole: Path) -> None:
    rough = RunOptions("cpu", Precision.BFLOAT16, threads=1, slow=True)
    with Engine(card(whole), whole, QUICK) as engine:
        engine.predict(TileId("a/1"), FITTED)
        engine.go_on(rough)
        said = engine.predict(TileId("a/1"), FITTED)
    same(said, predict(whole, options=rough))


def test_the_time_that_is_asked_for_before_it_is_loaded_is_that_of_the_tile(whole: Path) -> None:
    options = RunOptions("cpu", threads=1)
    with (
        RemoteEngine(card(whole, step_seconds=100.0), whole, options) as engine,
        pytest.raises(ModelError, match="a tile of 72 x 64 takes about 11 s with 1 thread"),
    ):
        engine.predict(TileId("a/1"), FITTED)


@pytest.mark.parametrize(
    "said",
    [
        {"attn_implementation": "somebody/attention"},  # which transformers would fetch from a hub, and run
        {"_attn_implementation": "somebody/attention"},
        {"auto_map": {"AutoModel": "evil.py--Evil"}},
        {"num_labels": 10**6},
        {"dtype": "nonsense"},
    ],
)
def test_what_a_text_encoder_is_not_made_of_is_not_heard(
    whole: Path, folder: Path, no_network: None, said: dict[str, Any]
) -> None:
    change(folder / "text_encoder" / "config.json", **said)
    same(predict(unet_of(folder)), predict(whole))


def test_a_tile_is_stopped_within_a_step(whole: Path) -> None:
    """On a processor a step of the full network takes seconds."""
    with Engine(card(whole), whole, QUICK) as engine:
        engine.predict(TileId("a/1"), FITTED)
        entered: list[str] = []

        def stop_at_the_unet(module: torch.nn.Module, *_: object) -> None:
            entered.append(type(module).__name__)
            if entered[-1] == "UNet2DConditionModel":
                engine.stop()

        watch = register_module_forward_pre_hook(stop_at_the_unet)
        try:
            with pytest.raises(StoppedError):
                engine.predict(TileId("a/2"), FITTED)
        finally:
            watch.remove()
        assert "UNet2DConditionModel" in entered[-2:]  # not through its layers to the end of the step
        engine.go_on(QUICK)
        assert engine.predict(TileId("a/2"), FITTED).tile == "a/2"


def test_numbers_that_are_none_are_invalid_and_said(folder: Path) -> None:
    file = unet_of(folder)
    tensors = load_file(file)
    save_file({**tensors, "conv_out.bias": torch.full_like(tensors["conv_out.bias"], float("nan"))}, file)

    said = predict(file)

    assert not said.rasters[HEIGHT].valid.any()
    assert any("4,608 pixels are not finite" in remark for remark in said.remarks)
