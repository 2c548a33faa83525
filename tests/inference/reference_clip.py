"""CLIP in plain formulas: what the paper and the names in the files say, without any class of a library."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

WORDS, CONTEXT, END = 49408, 77, 49407


def weights(
    *,
    width: int = 128,
    blocks: int = 2,
    read_width: int = 64,
    read_blocks: int = 2,
    patch: int = 32,
    side: int = 224,
    features: int = 48,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Random numbers under the names that the authors' files have, without "module."."""
    random = torch.Generator().manual_seed(seed)

    def some(*shape: int, spread: float = 0.05, middle: float = 0.0) -> Tensor:
        return middle + spread * torch.randn(shape, generator=random)

    found = {
        "visual.class_embedding": some(width),
        "visual.positional_embedding": some((side // patch) ** 2 + 1, width),
        "visual.proj": some(width, features, spread=width**-0.5),
        "visual.conv1.weight": some(width, 3, patch, patch),
        "positional_embedding": some(CONTEXT, read_width),
        "token_embedding.weight": some(WORDS, read_width, spread=0.3),
        "text_projection": some(read_width, features, spread=read_width**-0.5),
        "logit_scale": torch.tensor(math.log(100.0)),
    }
    for name, size in (("visual.ln_pre", width), ("visual.ln_post", width), ("ln_final", read_width)):
        found |= {f"{name}.weight": some(size, middle=1.0), f"{name}.bias": some(size)}
    for tower, size, count in (("visual.", width, blocks), ("", read_width, read_blocks)):
        for number in range(count):
            start = f"{tower}transformer.resblocks.{number}."
            for norm in ("ln_1", "ln_2"):
                found |= {f"{start}{norm}.weight": some(size, middle=1.0), f"{start}{norm}.bias": some(size)}
            for name, rows, columns in (
                ("attn.in_proj_", 3 * size, size),
                ("attn.out_proj.", size, size),
                ("mlp.c_fc.", 4 * size, size),
                ("mlp.c_proj.", size, 4 * size),
            ):
                found[f"{start}{name}weight"] = some(rows, columns, spread=1.5 * columns**-0.5)
                found[f"{start}{name}bias"] = some(rows)
    return found


def exact_gelu(values: Tensor) -> Tensor:
    return values * 0.5 * (1 + torch.erf(values / math.sqrt(2)))


def quick_gelu(values: Tensor) -> Tensor:
    return values / (1 + torch.exp(-1.702 * values))


def image_features(held: Mapping[str, Tensor], images: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """(n, 3, side, side) normalised -> (n, features), not of length 1."""
    kernel = held["visual.conv1.weight"]
    patch = kernel.shape[-1]
    cut = functional.unfold(images, patch, stride=patch).transpose(1, 2)
    patches = cut @ kernel.flatten(1).T
    first = held["visual.class_embedding"].expand(len(images), 1, -1)
    rows = torch.cat([first, patches], 1) + held["visual.positional_embedding"]
    rows = _norm(rows, held, "visual.ln_pre")
    rows = _blocks(rows, held, "visual.", activation, mask=None)
    return _norm(rows[:, 0], held, "visual.ln_post") @ held["visual.proj"]


def text_features(
    held: Mapping[str, Tensor], texts: Sequence[Sequence[int]], activation: Callable[[Tensor], Tensor]
) -> Tensor:
    """Numbers of texts, filled up with 0 as in training -> (n, features), not of length 1."""
    numbers = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
    for row, text in zip(numbers, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    rows = held["token_embedding.weight"][numbers] + held["positional_embedding"]
    mask = torch.full((CONTEXT, CONTEXT), -math.inf).triu(1)
    rows = _norm(_blocks(rows, held, "", activation, mask), held, "ln_final")
    return rows[torch.arange(len(texts)), numbers.argmax(1)] @ held["text_projection"]


def _blocks(
    rows: Tensor, held: Mapping[str, Tensor], tower: str, activation: Callable[[Tensor], Tensor], mask: Tensor | None
) -> Tensor:
    count = len({name.split("resblocks.")[1].split(".")[0] for name in held if name.startswith(f"{tower}transformer.")})
    for number in range(count):
        start = f"{tower}transformer.resblocks.{number}."
        own = {name.removeprefix(start): tensor for name, tensor in held.items() if name.startswith(start)}
        rows = rows + _attention(_norm(rows, own, "ln_1"), own, mask)
        wide = activation(_norm(rows, own, "ln_2") @ own["mlp.c_fc.weight"].T + own["mlp.c_fc.bias"])
        rows = rows + wide @ own["mlp.c_proj.weight"].T + own["mlp.c_proj.bias"]
    return rows


def _attention(rows: Tensor, own: Mapping[str, Tensor], mask: Tensor | None) -> Tensor:
    n, length, width = rows.shape
    both = rows @ own["attn.in_proj_weight"].T + own["attn.in_proj_bias"]
    query, key, value = (part.reshape(n, length, -1, 64).transpose(1, 2) for part in both.split(width, dim=-1))
    scores = query @ key.transpose(-1, -2) / 8
    shares = (scores if mask is None else scores + mask).softmax(-1)
    mixed = (shares @ value).transpose(1, 2).reshape(n, length, width)
    return mixed @ own["attn.out_proj.weight"].T + own["attn.out_proj.bias"]


def _norm(rows: Tensor, held: Mapping[str, Tensor], name: str) -> Tensor:
    middle = rows.mean(-1, keepdim=True)
    spread = (rows - middle).square().mean(-1, keepdim=True)
    return (rows - middle) / (spread + 1e-5).sqrt() * held[f"{name}.weight"] + held[f"{name}.bias"]
