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
from transformers import CLIPTextConfig, CLIPTextModel

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, Precision, RunOptions, fingerprint
from rsviewer.core.prediction import HEIGHT, Prediction
from rsviewer.core.tile import TileId
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
        with pytest.raises(ModelError, match=r"about 3\.5 min .* --slow-is-fine"):
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


def _normals(folder: Path) -> None:
    change(folder / "model_index.json", _class_name="MarigoldNormalsPipeline")


def _disparity(folder: Path) -> None:
    change(folder / "model_index.json", prediction_type="disparity")


def _no_json(folder: Path) -> None:
    (folder / "vae" / "config.json").write_text("{")


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
        (_normals, "MarigoldNormalsPipeline"),
        (_disparity, "disparity"),
        (_no_json, "no JSON"),
        (_list, "no settings"),
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

    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
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


def test_numbers_that_are_none_are_invalid_and_said(folder: Path) -> None:
    file = unet_of(folder)
    tensors = load_file(file)
    save_file({**tensors, "conv_out.bias": torch.full_like(tensors["conv_out.bias"], float("nan"))}, file)

    said = predict(file)

    assert not said.rasters[HEIGHT].valid.any()
    assert any("4,608 pixels are not finite" in remark for remark in said.remarks)
