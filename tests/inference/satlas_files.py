"""Files of Satlas with random numbers: all names and shapes as the authors' published files have them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

SIDE = 15 * 15
SWINS = {
    "swin_v2_b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "swin_v2_t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "tiny": (32, (2, 1, 2, 1), (2, 2, 4, 4)),
}
RESNETS = {"resnet50": (3, 4, 6, 3), "resnet152": (3, 8, 36, 3), "short": (2, 1, 1, 1)}

A = "I27 D16 S12 S6 S1 S17 S1 C9 C4 C4 C5 C3 C9"
B = f"{A} S2 D2 C3 C3"
C = f"{B} S2 S3"
SMALL = "D3 S12 S1 S2 C3"

Shapes = dict[str, tuple[int, ...]]


def numbers(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random numbers that keep what passes through them at about one."""
    made = {}
    generator = torch.Generator().manual_seed(seed)
    for name, shape in shapes.items():
        if name.endswith("relative_position_index"):
            made[name] = _index()
        elif name.endswith("relative_coords_table"):
            made[name] = _table()
        elif name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(1)
        elif name.endswith("running_var"):
            made[name] = torch.rand(shape, generator=generator) + 0.5
        elif name.endswith("logit_scale"):
            made[name] = torch.rand(shape, generator=generator) * 2 + 2
        elif len(shape) > 1:
            fan = max(1, torch.Size(shape[1:]).numel())
            made[name] = torch.randn(shape, generator=generator) * (1.4 / fan**0.5)
        else:
            is_scale = name.endswith("weight")
            made[name] = torch.randn(shape, generator=generator) * 0.1 + (1.0 if is_scale else 0.0)
    return made


def _table() -> Tensor:
    rows = []
    for down in range(-7, 8):
        for across in range(-7, 8):
            rows.append([_logged(down / 7 * 8), _logged(across / 7 * 8)])
    return torch.tensor(rows).reshape(1, 15, 15, 2)


def _logged(x: float) -> float:
    return float(torch.sign(torch.tensor(x)) * torch.log2(torch.tensor(abs(x) + 1.0)) / 3)


def _index() -> Tensor:
    places = []
    for one in range(64):
        for other in range(64):
            down, across = one // 8 - other // 8, one % 8 - other % 8
            places.append((down + 7) * 15 + across + 7)
    return torch.tensor(places)


def swin(prefix: str, name: str, bands: int) -> Shapes:
    embed, depths, heads = SWINS[name]
    shapes: Shapes = {f"{prefix}features.0.0.weight": (embed, bands, 4, 4), f"{prefix}features.0.0.bias": (embed,)}
    shapes |= {f"{prefix}features.0.2.{kind}": (embed,) for kind in ("weight", "bias")}
    for stage, (depth, many) in enumerate(zip(depths, heads, strict=True)):
        d = embed * 2**stage
        for j in range(depth):
            block = f"{prefix}features.{2 * stage + 1}.{j}."
            for norm in ("norm1", "norm2"):
                shapes |= {f"{block}{norm}.weight": (d,), f"{block}{norm}.bias": (d,)}
            shapes |= {
                f"{block}attn.logit_scale": (many, 1, 1),
                f"{block}attn.relative_coords_table": (1, 15, 15, 2),
                f"{block}attn.relative_position_index": (4096,),
                f"{block}attn.qkv.weight": (3 * d, d),
                f"{block}attn.qkv.bias": (3 * d,),
                f"{block}attn.proj.weight": (d, d),
                f"{block}attn.proj.bias": (d,),
                f"{block}attn.cpb_mlp.0.weight": (512, 2),
                f"{block}attn.cpb_mlp.0.bias": (512,),
                f"{block}attn.cpb_mlp.2.weight": (many, 512),
                f"{block}mlp.0.weight": (4 * d, d),
                f"{block}mlp.0.bias": (4 * d,),
                f"{block}mlp.3.weight": (d, 4 * d),
                f"{block}mlp.3.bias": (d,),
            }
        if stage < 3:
            merge = f"{prefix}features.{2 * stage + 2}."
            shapes |= {f"{merge}reduction.weight": (2 * d, 4 * d)}
            shapes |= {f"{merge}norm.weight": (2 * d,), f"{merge}norm.bias": (2 * d,)}
    last = embed * 8
    shapes |= {f"{prefix}norm.weight": (last,), f"{prefix}norm.bias": (last,)}
    return shapes | {f"{prefix}head.weight": (1000, last), f"{prefix}head.bias": (1000,)}


def resnet(prefix: str, name: str, bands: int) -> Shapes:
    shapes: Shapes = {f"{prefix}resnet.conv1.weight": (64, bands, 7, 7)} | _norm(f"{prefix}resnet.bn1", 64)
    before = 64
    for stage, depth in enumerate(RESNETS[name]):
        narrow = 64 * 2**stage
        for k in range(depth):
            block = f"{prefix}resnet.layer{stage + 1}.{k}."
            shapes |= {f"{block}conv1.weight": (narrow, before, 1, 1)} | _norm(f"{block}bn1", narrow)
            shapes |= {f"{block}conv2.weight": (narrow, narrow, 3, 3)} | _norm(f"{block}bn2", narrow)
            shapes |= {f"{block}conv3.weight": (4 * narrow, narrow, 1, 1)} | _norm(f"{block}bn3", 4 * narrow)
            if k == 0:
                shapes |= {f"{block}downsample.0.weight": (4 * narrow, before, 1, 1)}
                shapes |= _norm(f"{block}downsample.1", 4 * narrow)
            before = 4 * narrow
    return shapes | {f"{prefix}resnet.fc.weight": (1000, 2048), f"{prefix}resnet.fc.bias": (1000,)}


def _norm(name: str, width: int) -> Shapes:
    each = {f"{name}.{kind}": (width,) for kind in ("weight", "bias", "running_mean", "running_var")}
    return each | {f"{name}.num_batches_tracked": ()}


def widths(backbone: str) -> tuple[int, ...]:
    if backbone in RESNETS:
        return (256, 512, 1024, 2048)
    return tuple(SWINS[backbone][0] * 2**stage for stage in range(4))


def between(backbone: str) -> Shapes:
    shapes: Shapes = {}
    for i, width in enumerate(widths(backbone)):
        shapes[f"intermediates.0.fpn.inner_blocks.{i}.0.weight"] = (128, width, 1, 1)
        shapes[f"intermediates.0.fpn.inner_blocks.{i}.0.bias"] = (128,)
        shapes[f"intermediates.0.fpn.layer_blocks.{i}.0.weight"] = (128, 128, 3, 3)
        shapes[f"intermediates.0.fpn.layer_blocks.{i}.0.bias"] = (128,)
    for i in (0, 1):
        shapes |= {
            f"intermediates.1.layers.{i}.0.weight": (128, 128, 3, 3),
            f"intermediates.1.layers.{i}.0.bias": (128,),
        }
        shapes |= {
            f"intermediates.1.layers.{i}.2.weight": (128, 128, 4, 4),
            f"intermediates.1.layers.{i}.2.bias": (128,),
        }
    return shapes


def head(number: int, code: str, whole: int = 128) -> Shapes:
    kind, n, prefix = code[0], int(code[1:]), f"heads.{number}."
    if kind in "SP":
        shapes: Shapes = {f"{prefix}layers.0.0.weight": (128, 128, 3, 3), f"{prefix}layers.0.0.bias": (128,)}
        last = (n, 128, 3, 3) if kind == "S" else (n, 128)
        name = "layers.1" if kind == "S" else "extra"
        return shapes | {f"{prefix}{name}.weight": last, f"{prefix}{name}.bias": (n,)}
    if kind == "C":
        return {f"{prefix}layer.weight": (n, whole), f"{prefix}layer.bias": (n,)}
    parts: Shapes = {
        "rpn.head.conv.0.0": (128, 128, 3, 3),
        "rpn.head.cls_logits": (3, 128, 1, 1),
        "rpn.head.bbox_pred": (12, 128, 1, 1),
        "roi_heads.box_head.fc6": (1024, 6272),
        "roi_heads.box_head.fc7": (1024, 1024),
        "roi_heads.box_predictor.cls_score": (n, 1024),
        "roi_heads.box_predictor.bbox_pred": (4 * n, 1024),
    }
    if kind == "I":
        parts |= {f"roi_heads.mask_head.{i}.0": (256, 256 if i else 128, 3, 3) for i in range(4)}
        parts |= {"roi_heads.mask_predictor.mask_fcn_logits": (n, 256, 1, 1)}
    shapes = {f"{prefix}{name}.weight": shape for name, shape in parts.items()}
    shapes |= {f"{prefix}{name}.bias": (shape[0],) for name, shape in parts.items()}
    if kind == "I":
        shapes |= {f"{prefix}roi_heads.mask_predictor.conv5_mask.weight": (256, 256, 2, 2)}
        shapes |= {f"{prefix}roi_heads.mask_predictor.conv5_mask.bias": (256,)}
    return shapes


def layout(backbone: str, bands: int, heads: str, *, dates: bool = False, whole: int = 128) -> Shapes:
    """Names and shapes of a whole file; `heads` as "I27 D16 S12"."""
    outer = "backbone." if dates else ""
    own = (
        resnet(f"{outer}backbone.", backbone, bands)
        if backbone in RESNETS
        else swin(f"{outer}backbone.backbone.", backbone, bands)
    )
    shapes = own | between(backbone)
    for number, code in enumerate(heads.split()):
        shapes |= head(number, code, whole)
    return shapes


def empty(shapes: Shapes) -> dict[str, Tensor]:
    """Numbers that take no room and no time, for what only looks at names and shapes."""
    made = {}
    for name, shape in shapes.items():
        made[name] = _index() if name.endswith("relative_position_index") else torch.zeros(1).expand(shape or (1,))
    return made


def saved(held: Mapping[str, object], folder: Path, name: str = "satlas.pth") -> Path:
    path = folder / name
    torch.save(held, path)
    return path


def old_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As torchvision called them before its version 0.13."""
    parts = {f"{kind}_blocks.{i}.0.": f"{kind}_blocks.{i}." for kind in ("inner", "layer") for i in range(4)}
    parts |= {"rpn.head.conv.0.0.": "rpn.head.conv."}
    parts |= {f"mask_head.{i}.0.": f"mask_head.mask_fcn{i + 1}." for i in range(4)}
    made = {}
    for name, one in tensors.items():
        now = next((part for part in parts if part in name), "")
        made[name.replace(now, parts[now]) if now else name] = one
    return made
