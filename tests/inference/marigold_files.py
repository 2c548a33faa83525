"""Folders of Marigold-RS in their exact layout, with tiny networks of random numbers, written by diffusers and transformers."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from rsviewer.core.model import (
    Framing,
    ModelCard,
    ModelInput,
    ModelOption,
    ModelOutput,
    OutputKind,
    Weights,
)

UNET_FILE = "diffusion_pytorch_model.safetensors"
WORDS = ("<|startoftext|>", "<|endoftext|>")


def card(path: Path, **settings: Any) -> ModelCard:
    """The card of a folder whose UNet's file is `path`."""
    return ModelCard(
        "tiny-marigold",
        "Tiny Marigold",
        "marigold_rs",
        (ModelInput(),),
        (ModelOutput(OutputKind.HEIGHT, "height", "relative elevation", reference=("dem", "ndsm"), relative=True),),
        (Framing("whole"),),
        Weights(str(path)),
        settings={"steps": 3, **settings},
        augmentable=False,
        options=(ModelOption("ensemble", "Ensemble", 1, 1, 10), ModelOption("caption", "Caption", 0, switch=True)),
    )


def write_pipeline(folder: Path, index: str = "StableDiffusionPipeline", *, deep: bool = False) -> Path:
    """Writes a whole pipeline folder. Returns the UNet's file.

    Args:
        folder: made.
        index: which class its model_index.json names, with the entries that such an index has.
        deep: with all layers of Stable Diffusion 2, narrow as they are: all names of its files.
    """
    torch.manual_seed(0)
    levels = 4 if deep else 2
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=4,
        block_out_channels=(8, 16, 32, 32)[:levels],
        layers_per_block=2 if deep else 1,
        down_block_types=(*("CrossAttnDownBlock2D",) * (levels - 1), "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * (levels - 1)),
        cross_attention_dim=16,
        attention_head_dim=(2, 4, 8, 8)[:levels],
        norm_num_groups=4,
        use_linear_projection=True,
    )
    unet.save_pretrained(folder / "unet")
    vae = AutoencoderKL(
        block_out_channels=(8, 16, 32, 32) if deep else (8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2 if deep else 1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )
    vae.save_pretrained(folder / "vae")
    DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    ).save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")
    write_text_encoder(folder / "text_encoder", layers=23 if deep else 2)
    (folder / "model_index.json").write_text(json.dumps(_index(index)), encoding="utf-8")
    return folder / "unet" / UNET_FILE


def write_checkpoint(folder: Path, whole: Path, *, with_text: bool = False) -> Path:
    """What the trainer leaves: unet/ as a pickle, and text_encoder/ where it was trained. Returns the UNet's file."""
    (folder / "unet").mkdir(parents=True)
    shutil.copy(whole.parent / "config.json", folder / "unet")
    network = UNet2DConditionModel.from_pretrained(whole.parent)
    file = folder / "unet" / "diffusion_pytorch_model.bin"
    torch.save(network.state_dict(), file)
    (folder / "iter_000100").touch()
    if with_text:
        write_text_encoder(folder / "text_encoder", seed=5)
    return file


def write_text_encoder(folder: Path, *, seed: int = 0, layers: int = 2) -> None:
    """CLIP's text encoder."""
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
    )
    CLIPTextModel(config).save_pretrained(folder)


def write_tokenizer(folder: Path) -> None:
    """CLIP's tokenizer of a few letters."""
    folder.mkdir(parents=True)
    letters = [letter + end for letter in "abcdeilnrstvw" for end in ("", "</w>")]
    words = [*WORDS, *letters, "se", "sea</w>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\ns e\nse a</w>\n", encoding="utf-8")
    said = {"bos_token": WORDS[0], "eos_token": WORDS[1], "unk_token": WORDS[1], "pad_token": WORDS[1]}
    settings = {**said, "model_max_length": 16, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    CLIPTokenizer.from_pretrained(folder, local_files_only=True)("sea")


def _index(name: str) -> dict[str, Any]:
    index = {
        "_class_name": name,
        "_diffusers_version": "0.8.0",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    }
    if name == "StableDiffusionPipeline":
        return {**index, "feature_extractor": ["transformers", "CLIPImageProcessor"], "safety_checker": [None, None]}
    return {
        **index,
        "prediction_type": "depth",
        "scale_invariant": True,
        "shift_invariant": True,
        "default_denoising_steps": 10,
        "default_processing_resolution": 768,
    }
