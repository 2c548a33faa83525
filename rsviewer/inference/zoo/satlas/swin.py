"""Swin Transformer V2 (Liu et al., CVPR 2022) as the files of Satlas hold it, with torchvision's names.

Four stages of windowed attention; what each of them gives is a map of features, at a quarter to a thirty-second of the image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 8
"""Patches along a side of the windows that attention is confined to."""
PATCH = 4
MLP_RATIO = 4
CPB_WIDTH = 512
"""Hidden channels of the network that turns distances into attention ("continuous position bias")."""
MOST_SCALE = math.log(100.0)
"""Of the learned logarithm of the attention's sharpness."""
APART = -100.0
"""Added to the attention between patches that a cyclic shift has brought together."""
LOGGED = 1000
"""Classes of the head of ImageNet, which is in every file and is not used."""


@dataclass(frozen=True, slots=True)
class SwinSizes:
    """What tells one Swin Transformer from another: channels of the first stage, blocks and attention heads of each stage."""

    embed: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the maps."""
        return tuple(self.embed << stage for stage in range(len(self.depths)))


class Swin(nn.Module):
    """Images -> four maps, the finest first.

    Args:
        sizes: of the stages.
        bands: of an image.
    """

    def __init__(self, sizes: SwinSizes, bands: int) -> None:
        super().__init__()
        first = nn.Sequential(
            nn.Conv2d(bands, sizes.embed, PATCH, PATCH), _ChannelsLast(), nn.LayerNorm(sizes.embed, eps=1e-5)
        )
        parts: list[nn.Module] = [first]
        for stage, (depth, heads, width) in enumerate(zip(sizes.depths, sizes.heads, sizes.widths, strict=True)):
            if stage:
                parts.append(_Merging(width // 2))
            shifts = (0 if number % 2 == 0 else WINDOW // 2 for number in range(depth))
            parts.append(nn.Sequential(*(_Block(width, heads, shift) for shift in shifts)))
        self.features = nn.Sequential(*parts)
        self.norm = nn.LayerNorm(sizes.widths[-1], eps=1e-5)
        self.head = nn.Linear(sizes.widths[-1], LOGGED)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(n, bands, h, w) -> (n, width, h/4, w/4), then halves of it, rounded up."""
        maps = []
        for number, part in enumerate(self.features):
            images = part(images)
            if number % 2:
                maps.append(images.permute(0, 3, 1, 2).contiguous())
        return maps


class _ChannelsLast(nn.Module):
    """(n, channels, h, w) -> (n, h, w, channels)."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1)


class _Merging(nn.Module):
    """Every four neighbours become one of twice the channels. What has an odd side gets a row or column of zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width, eps=1e-5)

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.pad(maps, (0, 0, 0, maps.shape[2] % 2, 0, maps.shape[1] % 2))
        corners = [maps[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        merged: Tensor = self.norm(self.reduction(torch.cat(corners, -1)))
        return merged


class _Block(nn.Module):
    """Attention within windows, then two layers for each patch; both are normalised before they are added."""

    def __init__(self, width: int, heads: int, shift: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.attn = _Attention(width, heads, shift)
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width),
            nn.GELU(),
            nn.Identity(),  # dropout in training: names are counted with it
            nn.Linear(MLP_RATIO * width, width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        maps = maps + self.norm1(self.attn(maps))
        added: Tensor = maps + self.norm2(self.mlp(maps))
        return added


class _Attention(nn.Module):
    """Cosine attention within windows of 8 x 8 patches, the windows of every other block shifted by half of one."""

    relative_coords_table: Tensor
    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, shift: int) -> None:
        super().__init__()
        self._heads = heads
        self._shift = shift
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.logit_scale = nn.Parameter(torch.empty(heads, 1, 1))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, CPB_WIDTH), nn.ReLU(), nn.Linear(CPB_WIDTH, heads, bias=False))
        side = 2 * WINDOW - 1
        self.register_buffer("relative_coords_table", torch.empty(1, side, side, 2))
        self.register_buffer("relative_position_index", torch.empty(WINDOW**4, dtype=torch.int64))

    def forward(self, maps: Tensor) -> Tensor:
        count, height, width, channels = maps.shape
        maps = functional.pad(maps, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        rows, columns = maps.shape[1:3]
        shifts = tuple(self._shift if side > WINDOW else 0 for side in (rows, columns))
        if any(shifts):
            maps = maps.roll((-shifts[0], -shifts[1]), (1, 2))
        patches = _windows(maps)
        query, key, value = self._query_key_value(patches)
        sharpness = self.logit_scale.clamp(max=MOST_SCALE).exp()
        mask = self._bias()[None]
        if any(shifts):
            apart = _apart(rows, columns, shifts, maps.device)
            mask = mask + apart[None, :, None].expand(count, -1, -1, -1, -1).reshape(-1, 1, *apart.shape[1:])
        weights = functional.normalize(query, dim=-1) * sharpness @ functional.normalize(key, dim=-1).transpose(-2, -1)
        mixed = (weights + mask).softmax(-1) @ value
        found: Tensor = self.proj(mixed.transpose(1, 2).reshape(-1, WINDOW * WINDOW, channels))
        maps = _joined(found, count, rows, columns)
        if any(shifts):
            maps = maps.roll(shifts, (1, 2))
        return maps[:, :height, :width].contiguous()

    def _query_key_value(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(windows, heads, patches, channels of a head) each. Keys have no bias, whatever the file says."""
        channels = patches.shape[-1]
        bias = torch.cat(
            [self.qkv.bias[:channels], torch.zeros_like(self.qkv.bias[:channels]), self.qkv.bias[2 * channels :]]
        )
        mixed = functional.linear(patches, self.qkv.weight, bias)
        split = mixed.reshape(*patches.shape[:2], 3, self._heads, channels // self._heads).permute(2, 0, 3, 1, 4)
        return split[0], split[1], split[2]

    def _bias(self) -> Tensor:
        """(heads, patches, patches): what distance alone does to attention."""
        table = self.cpb_mlp(self.relative_coords_table).flatten(0, 2)
        near = table[self.relative_position_index].reshape(WINDOW * WINDOW, WINDOW * WINDOW, -1)
        bias: Tensor = 16 * torch.sigmoid(near.permute(2, 0, 1))
        return bias


def distances() -> Tensor:
    """(1, 15, 15, 2): how far two patches of a window can be from each other, down and across, on a logarithmic scale."""
    steps = torch.arange(1 - WINDOW, WINDOW, dtype=torch.float32) / (WINDOW - 1) * 8
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)
    return (grid.sign() * torch.log2(grid.abs() + 1) / 3)[None]


def pairs() -> Tensor:
    """(4096,): for every two patches of a window the place of their distance in `distances`."""
    row, column = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    down, across = (side.flatten()[:, None] - side.flatten()[None, :] + WINDOW - 1 for side in (row, column))
    return (down * (2 * WINDOW - 1) + across).flatten()


def _windows(maps: Tensor) -> Tensor:
    """(n, rows, columns, channels) -> (n * windows, 64, channels)."""
    count, rows, columns, channels = maps.shape
    split = maps.reshape(count, rows // WINDOW, WINDOW, columns // WINDOW, WINDOW, channels)
    return split.transpose(2, 3).reshape(-1, WINDOW * WINDOW, channels)


def _joined(patches: Tensor, count: int, rows: int, columns: int) -> Tensor:
    """The reverse of `_windows`."""
    split = patches.reshape(count, rows // WINDOW, columns // WINDOW, WINDOW, WINDOW, -1)
    return split.transpose(2, 3).reshape(count, rows, columns, -1)


def _apart(rows: int, columns: int, shifts: Sequence[int], device: torch.device) -> Tensor:
    """(windows, 64, 64): APART between patches that only the shift has brought into one window, else 0."""
    regions = []
    for side, shift in zip((rows, columns), shifts, strict=True):
        place = torch.arange(side, device=device)
        regions.append(
            (place >= side - WINDOW).int() + (place >= side - shift).int() if shift else torch.zeros_like(place)
        )
    number = regions[0][:, None] * 3 + regions[1][None, :]
    patches = _windows(number[None, :, :, None]).squeeze(-1)
    return (patches[:, :, None] != patches[:, None, :]).float() * APART
