"""Models that are folders of several networks, as diffusers writes them: what such a folder holds, and what of it is read."""

from collections.abc import Iterable, Sequence

FAMILIES = ("marigold_rs",)
"""Of models that are such folders. The weights of a card are the file of the UNet."""
UNET = "unet"
OTHERS = ("vae", "text_encoder", "tokenizer", "scheduler")
"""Folders beside that of the UNet."""
INDEX = "model_index.json"
WEIGHTS = (
    *("diffusion_pytorch_model.safetensors", "model.safetensors", "diffusion_pytorch_model.fp16.safetensors"),
    *("model.fp16.safetensors", "diffusion_pytorch_model.bin", "pytorch_model.bin"),
)
"""Names of a network's file, the best first: safetensors, in full precision."""
BASE = "base"
"""Setting of a card: folder for what the model's own folder has not."""
PARTS, PARTS_NBYTES = "parts", "parts_nbytes"
"""Settings of a card: hash and size of what is read beside the UNet's file, when it was added."""
_WORDS = (".json", ".txt")


def weights_among(names: Iterable[str]) -> str:
    """The file with the numbers of a network among the files of its folder; empty where there is none."""
    there = set(names)
    return next((name for name in WEIGHTS if name in there), "")


def read_of(names: Iterable[str]) -> Sequence[str]:
    """What is read of the files of a folder: settings and words, and one file of numbers. In order."""
    there = sorted(names)
    chosen = weights_among(there)
    return [name for name in there if name == chosen or name.endswith(_WORDS)]
