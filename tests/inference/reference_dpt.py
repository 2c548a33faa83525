"""RS3DAda's network in plain torch, written from the facts about it: what the program's is measured against.

DINOv2 (ViT/14 with LayerScale, the last four blocks, each through the final norm, without the class token) and one DPT head a
task. Names of modules are those of the published files, so that `Reference(...).state_dict()` is a file in their layout.
Nothing here comes from the library that the program uses.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = 14
GRID = 37
"""Patches of the training size, 518 pixels, on each side."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a network."""

    dim: int = 384
    depth: int = 12
    neck: tuple[int, int, int, int] = (256, 512, 1024, 1024)
    fused: int = 256
    tail: int = 32


VITS = Shape()
TINY = Shape(dim=128, depth=5, neck=(8, 12, 16, 20), fused=16, tail=6)


class Attention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        n, count, dim = tokens.shape
        query, key, value = self.qkv(tokens).reshape(n, count, 3, dim // 64, 64).permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) / math.sqrt(64)).softmax(-1)
        mixed: Tensor = self.proj((weights @ value).transpose(1, 2).reshape(n, count, dim))
        return mixed


class Scale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma


class Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return mixed


class Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim)
        self.ls1 = Scale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)
        self.ls2 = Scale(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        mixed: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return mixed


class Patches(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, PATCH)


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, shape.dim))
        self.mask_token = nn.Parameter(torch.zeros(1, shape.dim))
        self.patch_embed = Patches(shape.dim)
        self.blocks = nn.ModuleList(Block(shape.dim) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.dim, eps=1e-6)

    def positions(self, rows: int, columns: int) -> Tensor:
        """The grid of training, stretched by (patches + 0.1) / 37 on each side."""
        if rows == columns == GRID:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
        factors = ((rows + 0.1) / GRID, (columns + 0.1) / GRID)
        grid = functional.interpolate(grid, scale_factor=factors, mode="bicubic", align_corners=False)
        assert grid.shape[2:] == (rows, columns)
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(n, 3, h, w) -> four maps (n, dim, h / 14, w / 14)."""
        patches = self.patch_embed.proj(images)
        n, dim, rows, columns = patches.shape
        tokens = torch.cat([self.cls_token.expand(n, -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self.positions(rows, columns)
        maps = []
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number >= len(self.blocks) - 4:
                maps.append(self.norm(tokens)[:, 1:].transpose(1, 2).reshape(n, dim, rows, columns))
        return maps


class Unit(nn.Module):
    def __init__(self, fused: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fused, fused, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(fused)
        self.conv2 = nn.Conv2d(fused, fused, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(fused)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.bn1(self.conv1(functional.relu(features)))
        mixed: Tensor = features + self.bn2(self.conv2(functional.relu(inner)))
        return mixed


class Refine(nn.Module):
    def __init__(self, fused: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(fused, fused, 1)
        self.resConfUnit1 = Unit(fused)
        self.resConfUnit2 = Unit(fused)

    def forward(self, features: Tensor, finer: Tensor | None, size: tuple[int, int]) -> Tensor:
        if finer is not None:
            features = features + self.resConfUnit1(finer)
        features = functional.interpolate(self.resConfUnit2(features), size, mode="bilinear", align_corners=True)
        mixed: Tensor = self.out_conv(features)
        return mixed


class Scratch(nn.Module):
    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = (
            nn.Conv2d(channels, shape.fused, 3, padding=1, bias=False) for channels in shape.neck
        )
        self.refinenet1, self.refinenet2, self.refinenet3, self.refinenet4 = (Refine(shape.fused) for _ in range(4))
        if classes:
            self.output_conv = nn.Sequential(
                nn.Conv2d(shape.fused, shape.fused, 3, padding=1), nn.Conv2d(shape.fused, classes, 1)
            )
        else:
            self.output_conv1 = nn.Conv2d(shape.fused, shape.fused // 2, 3, padding=1)
            self.output_conv2 = nn.Sequential(
                nn.Conv2d(shape.fused // 2, shape.tail, 3, padding=1), nn.Conv2d(shape.tail, 1, 1), nn.Identity()
            )


class Head(nn.Module):
    """DPT. Of classes: one score a class. Without (classes=0): metres, with no activation anywhere behind the fusion."""

    def __init__(self, shape: Shape, classes: int = 0) -> None:
        super().__init__()
        first, second, _, fourth = shape.neck
        self.projects = nn.ModuleList(nn.Conv2d(shape.dim, channels, 1) for channels in shape.neck)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, first, 4, 4),
                nn.ConvTranspose2d(second, second, 2, 2),
                nn.Identity(),
                nn.Conv2d(fourth, fourth, 3, 2, 1),
            ]
        )
        self.scratch = Scratch(shape, classes)
        self.classes = classes

    def forward(self, maps: list[Tensor]) -> Tensor:
        rows, columns = maps[0].shape[2:]
        size = (rows * PATCH, columns * PATCH)
        sized = [
            resize(project(features))
            for features, project, resize in zip(maps, self.projects, self.resize_layers, strict=True)
        ]
        it = self.scratch
        one, two, three, four = (
            conv(features)
            for conv, features in zip((it.layer1_rn, it.layer2_rn, it.layer3_rn, it.layer4_rn), sized, strict=True)
        )
        path = it.refinenet4(four, None, three.shape[2:])
        path = it.refinenet3(path, three, two.shape[2:])
        path = it.refinenet2(path, two, one.shape[2:])
        path = it.refinenet1(path, one, (2 * one.shape[2], 2 * one.shape[3]))
        if self.classes:
            return functional.interpolate(it.output_conv(path), size, mode="bilinear", align_corners=True)
        metres: Tensor = it.output_conv2(
            functional.interpolate(it.output_conv1(path), size, mode="bilinear", align_corners=True)
        )
        return metres


class Reference(nn.Module):
    """The whole network with random numbers: BatchNorm has seen something, position embeddings are noise (the worst case).

    Heights have a standard deviation of about 5 m, logits one of about 2, and both have either sign.
    """

    def __init__(self, shape: Shape = TINY, *, classes: int = 8, height: bool = True, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.pretrained = Encoder(shape)
        heads: dict[str, nn.Module] = {}
        if height:
            heads["regression"] = Head(shape)
        if classes:
            heads["segmentation"] = Head(shape, classes)
        self.heads = nn.ModuleDict(heads)
        self.eval().requires_grad_(requires_grad=False)
        self._shake(random)
        self._scale(random)

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """(n, 3, h, w) normalised -> "regression" (n, 1, h, w) in metres, "segmentation" (n, classes, h, w)."""
        maps = self.pretrained(images)
        return {task: head(maps) for task, head in self.heads.items()}

    def _shake(self, random: torch.Generator) -> None:
        def uniform(tensor: Tensor, low: float, high: float) -> None:
            tensor.copy_(torch.rand(tensor.shape, generator=random) * (high - low) + low)

        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                fan = part.weight[0].numel()
                part.weight.copy_(torch.randn(part.weight.shape, generator=random) * (1.2 / math.sqrt(fan)))
                if part.bias is not None:
                    uniform(part.bias, -0.2, 0.2)
            elif isinstance(part, nn.LayerNorm | nn.BatchNorm2d):
                uniform(part.weight, 0.5, 1.5)
                uniform(part.bias, -0.3, 0.3)
            elif isinstance(part, Scale):
                uniform(part.gamma, 0.05, 0.6)
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None
                assert part.running_var is not None
                assert part.num_batches_tracked is not None
                uniform(part.running_mean, -0.5, 0.5)
                uniform(part.running_var, 0.4, 2.0)
                part.num_batches_tracked.fill_(1234)
        for token in (self.pretrained.cls_token, self.pretrained.pos_embed, self.pretrained.mask_token):
            token.copy_(torch.randn(token.shape, generator=random) * 0.5)

    def _scale(self, random: torch.Generator) -> None:
        answers = self(torch.randn(1, 3, 5 * PATCH, 6 * PATCH, generator=random))
        for task, wanted in (("regression", 3.0), ("segmentation", 3.0)):
            if task in answers:
                scratch = self.heads[task].scratch
                last = (scratch.output_conv2 if task == "regression" else scratch.output_conv)[1]
                last.weight.mul_(wanted / answers[task].std())
                last.bias.sub_(answers[task].mean((0, 2, 3))).mul_(wanted / answers[task].std())
