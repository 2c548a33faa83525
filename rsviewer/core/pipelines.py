"""Models that are folders of several networks, as diffusers writes them: what such a folder holds, and what of it is read."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsviewer.core.errors import ModelError

FAMILIES = ("marigold_rs",)
"""Of models that are such folders. The weights of a card are the file of the UNet."""
UNET = "unet"
OTHERS = ("vae", "text_encoder", "tokenizer", "scheduler")
"""Folders beside that of the UNet."""
INDEX = "model_index.json"
SHARDS = (".index.json", ".index.fp16.json")
"""Endings of the name of a file that says which files the numbers of a network lie in, where it was written in several."""
_PLAIN = ("diffusion_pytorch_model.safetensors", "model.safetensors")
_HALF = ("diffusion_pytorch_model.fp16.safetensors", "model.fp16.safetensors")
_SAVED = ("diffusion_pytorch_model.bin", "pytorch_model.bin")
WEIGHTS = (
    *_PLAIN,
    *(f"{name}{SHARDS[0]}" for name in _PLAIN),
    *_HALF,
    *(f"{name}{SHARDS[1]}" for name in _PLAIN),
    *_SAVED,
    *(f"{name}{SHARDS[0]}" for name in _SAVED),
)
"""Names of a network's file, the best first: safetensors, in full precision, in one piece."""
MOST_SHARDS = 1000
MOST_BYTES = 1 << 60
"""That shards may be said to hold: what is more is no number, or infinite."""
MOST_INDEX = 4 << 20
"""Bytes of an index of shards: that of Stable Diffusion 2's UNet has 60,000."""
_SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
BASE = "base"
"""Setting of a card: folder for what the model's own folder has not."""
PARTS, PARTS_NBYTES = "parts", "parts_nbytes"
"""Settings of a card: hash and size of what is read beside the UNet's file, when it was added."""
NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "vae": (("config.json",), WEIGHTS),
    "text_encoder": (("config.json",), WEIGHTS),
    "tokenizer": (("vocab.json", "tokenizer.json"), ("merges.txt", "tokenizer.json")),
    "scheduler": (("scheduler_config.json",),),
}
"""Folder -> what has to lie there: one file of each of these."""
WORDS = (".json", ".txt")
"""Endings of files of settings and words."""
MOST_WORDS = 32 << 20
"""Bytes of one of them: the largest of CLIP's tokenizer has 2 MB."""


def weights_among(names: Iterable[str]) -> str:
    """The file with the numbers of a network among the files of its folder; empty where there is none."""
    there = set(names)
    return next((name for name in WEIGHTS if name in there), "")


def read_of(names: Iterable[str], read: Callable[[str], bytes]) -> Sequence[str]:
    """What is read of the files of a folder: settings and words, and the numbers of one network. In order.

    Args:
        names: of the files.
        read: gives the content of one of them, up to MOST_INDEX bytes and one more.

    Raises:
        ModelError: an index of shards among them makes no sense.
    """
    there = sorted(names)
    chosen = weights_among(there)
    shards = {*shards_of(chosen, read(chosen)).files} if chosen.endswith(SHARDS) else {chosen}
    words = [name for name in there if name.endswith(WORDS) and (name == chosen or not name.endswith(SHARDS))]
    return sorted({*words, *shards} - {""})


@dataclass(frozen=True, slots=True)
class Shards:
    """Which files the numbers of a network lie in.

    Attributes:
        places: name of a tensor -> name of the file.
        nbytes: of all tensors; 0 where it is not said.
    """

    places: Mapping[str, str]
    nbytes: int = 0

    @property
    def files(self) -> Sequence[str]:
        """Their names, in order."""
        return sorted(set(self.places.values()))


def shards_of(name: str, index: bytes) -> Shards:
    """What an index says.

    Args:
        name: of its file, which says whether the shards are of safetensors or of torch.save.
        index: its content.

    Raises:
        ModelError: it is none, or names a file that does not lie beside it.
    """
    ending = f".{name.partition('.index.')[0].rpartition('.')[2]}"
    try:
        said: Any = json.loads(index) if len(index) <= MOST_INDEX else None
        places, about = said["weight_map"], said.get("metadata") or {}
        nbytes = about.get("total_size") or 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{name} is damaged: it does not say where numbers are. Fetch it again.") from error
    if not isinstance(places, dict) or not places or type(nbytes) not in (int, float) or not 0 <= nbytes < MOST_BYTES:
        raise ModelError(f"{name} is damaged: it does not say where numbers are. Fetch it again.")
    for file in places.values():
        if not isinstance(file, str) or not _SHARD.fullmatch(file) or not file.endswith(ending):
            raise ModelError(f"{name} names {file!r:.80}, which is no {ending} file beside it: nothing of it was read.")
    found = Shards(places, int(nbytes))
    if len(found.files) > MOST_SHARDS:
        raise ModelError(f"{name} does not make sense: it names {len(found.files):,} files.")
    return found
