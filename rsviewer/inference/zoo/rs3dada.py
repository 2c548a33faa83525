"""RS3DAda (Song et al., NeurIPS 2024): heights and land cover from one DINOv2 encoder and a DPT head for each.

The published .pth files are read as they are: a raw state_dict, both heads in each file. Names are mapped to the classes of
`transformers` that compute the same (Dinov2Backbone, Depth Anything's neck), with four differences that matter:

* There is no activation behind the fusion: heights keep their sign. Depth Anything's head with its two ReLUs is not used. Since
  convolutions with nothing between them are one convolution, they are multiplied out when the file is read: a quarter less to
  compute with ViT-S, an eighth with ViT-L, and as exact.
* The residual units have BatchNorm: DPT's units with BatchNorm take the place of Depth Anything's. It is not folded into the
  convolutions, which gains no time: so their numbers stay in the mapped file, and nothing is copied into memory.
* Position embeddings for windows that are not 518 x 518 are stretched by (patches + 0.1) / 37, as DINOv2 does; transformers
  stretches to the number of patches, which differs by decimetres.
* Windows whose sides are no multiple of the patch (14) are refused: transformers would silently leave out the rest.

Width, depth, number of classes and the heads are read from the file: vits, vitb, vitl and fine-tunes of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind
from rsviewer.inference.zoo.checkpoints import Tensors, check_claim, mappings, read_saved, shape_of, some

TASKS: Mapping[OutputKind, str] = {OutputKind.HEIGHT: "regression", OutputKind.LABELS: "segmentation"}
"""Output -> the head of the file that gives it."""

MARK = "pretrained.pos_embed"
"""The entry that tells an RS3DAda file; what stands before it in its name ("module." ...) stands before all names."""

HEAD_DIM = 64
"""Channels of an attention head, in every DINOv2."""
OFFSET = 0.1
"""DINOv2 adds it to the number of patches before it stretches position embeddings (`interpolate_offset`)."""

PLAIN = ("weight", "bias")
BATCH_NORM = (*PLAIN, "running_mean", "running_var", "num_batches_tracked")

ENCODER = (
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj.weight", "embeddings.patch_embeddings.projection.weight"),
    ("patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias"),
    ("norm.weight", "layernorm.weight"),
    ("norm.bias", "layernorm.bias"),
)
"""Names behind "pretrained." -> in Dinov2Backbone."""
BLOCK = (
    ("norm1", "norm1", PLAIN),
    ("norm2", "norm2", PLAIN),
    ("mlp.fc1", "mlp.fc1", PLAIN),
    ("mlp.fc2", "mlp.fc2", PLAIN),
)
"""Behind "blocks.N." -> behind "encoder.layer.N."; scales and attention apart."""
NECK = (
    *((f"projects.{n}", f"reassemble_stage.layers.{n}.projection", PLAIN) for n in range(4)),
    *((f"resize_layers.{n}", f"reassemble_stage.layers.{n}.resize", PLAIN) for n in (0, 1, 3)),
    *((f"scratch.layer{n + 1}_rn", f"convs.{n}", ("weight",)) for n in range(4)),
)
"""Behind "heads.TASK." -> in DepthAnythingNeck; the fusion apart."""
TAILS = {
    "regression": (("output_conv1", "0", PLAIN), ("output_conv2.0", "1", PLAIN), ("output_conv2.1", "2", PLAIN)),
    "segmentation": (("output_conv.0", "0", PLAIN), ("output_conv.1", "1", PLAIN)),
}
"""Behind "heads.TASK.scratch." -> convolutions that follow the neck."""


class Rs3dAda:
    """A `Network`.

    Args:
        backbone: (n, 3, h, w) -> `feature_maps`, four times (n, 1 + patches, width).
        heads: task -> "neck", "sharp" (a convolution before the enlargement to the window's size), "wide" (one behind it).
        outputs: of the card: name -> task.
        patch: sides of a window are a multiple of it.
    """

    def __init__(self, backbone: nn.Module, heads: nn.ModuleDict, outputs: Mapping[str, str], patch: int) -> None:
        self._parts = nn.ModuleDict({"backbone": backbone, "heads": heads})
        self._backbone = backbone
        self._heads = heads
        self._outputs = outputs
        self._patch = patch

    def forward(self, windows: Tensor) -> dict[str, Tensor]:
        """One pass of the encoder, then the heads that the card asks for. See `Network.forward`."""
        height, width = windows.shape[-2:]
        rows, columns = height // self._patch, width // self._patch
        if (rows * self._patch, columns * self._patch) != (height, width) or not rows or not columns:
            raise ModelError(
                f"RS3DAda takes windows whose sides are multiples of {self._patch}, not {width} x {height}: "
                f"set multiple = {self._patch} in the framings of its card."
            )
        maps = self._backbone(windows).feature_maps
        answers = {task: self._answer(task, maps, rows, columns) for task in dict.fromkeys(self._outputs.values())}
        return {name: answers[task] for name, task in self._outputs.items()}

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._parts.to(device)

    def _answer(self, task: str, maps: tuple[Tensor, ...], rows: int, columns: int) -> Tensor:
        head = cast("nn.ModuleDict", self._heads[task])
        fused: Tensor = head["neck"](maps, rows, columns)[-1]
        size = (rows * self._patch, columns * self._patch)
        # Little work, and what is lost here is lost in the answer: not in half precision.
        with torch.autocast(fused.device.type, enabled=False):
            enlarged = functional.interpolate(head["sharp"](fused.float()), size, mode="bilinear", align_corners=True)
            answer: Tensor = head["wide"](enlarged)
        return answer


def load(card: ModelCard, weights: Path, device: torch.device) -> Rs3dAda:
    """The network of a published file, or of one in its layout.

    Args:
        card: with outputs of kind HEIGHT or LABELS, each of which needs its head in the file.
        weights: a .pth file. Its numbers are mapped, not copied, as long as the network stays on the processor.
        device: where it runs.

    Raises:
        ModelError: see `Network`.
    """
    tensors = _network(read_saved(weights, "RS3DAda", card.weights.nbytes), weights)
    check_claim(tensors, weights)
    outputs = _outputs(card)
    layout = _Layout.of(tensors, weights)
    _check(card, outputs, layout, weights)
    backbone, heads = _build(layout, sorted(set(outputs.values())))
    _fill(backbone, _encoder_names(layout, backbone), tensors, weights)
    for task, head in heads.items():
        _fill(head, _head_names(task), tensors, weights)
        _multiply_out(cast("nn.ModuleDict", head))
    network = Rs3dAda(backbone, heads, outputs, layout.patch)
    network.move(device)
    return network


def _network(held: object, path: Path) -> Tensors:
    """The network in what a file holds, its names without what frameworks put before them."""
    found = next((one for one in mappings(held) if _prefix(one) is not None), None)
    if found is None:
        first = next((list(one) for one in mappings(held) if any(isinstance(t, Tensor) for t in one.values())), [])
        told = f" but {some([str(name) for name in first])}" if first else ""
        raise ModelError(f"{path.name} is no RS3DAda model: it holds no {MARK}{told}.")
    prefix = _prefix(found) or ""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in found.items()
        if isinstance(name, str) and isinstance(tensor, Tensor) and name.startswith(prefix)
    }


def _prefix(mapping: Mapping[Any, Any]) -> str | None:
    mark = next((name for name in mapping if isinstance(name, str) and f".{name}".endswith(f".{MARK}")), None)
    return None if mark is None else mark.removesuffix(MARK)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes of a network, as its file shows them."""

    width: int
    depth: int
    hidden: int
    bands: int
    patch: int
    grid: int
    neck: tuple[int, ...]
    fused: int
    tail: int
    classes: int
    masked: bool
    heads: tuple[str, ...]
    """All that the file has, known ones or not."""

    @classmethod
    def of(cls, tensors: Tensors, path: Path) -> "_Layout":
        def size(name: str, axis: int, axes: int) -> int:
            if name not in tensors:
                raise ModelError(f"{path.name} is not complete, or no RS3DAda model: it lacks {name}.")
            if tensors[name].ndim != axes:
                raise ModelError(f"{path.name} is no RS3DAda model: {name} has shape {shape_of(tensors[name])}.")
            return tensors[name].shape[axis]

        heads = tuple(
            sorted({name.split(".")[1] for name in tensors if name.startswith("heads.") and name.count(".") > 1})
        )
        known = [head for head in TASKS.values() if head in heads]
        if not known:
            raise ModelError(f"{path.name} holds no head of RS3DAda (heads.regression or heads.segmentation).")
        one = f"heads.{known[0]}."
        blocks = {name.split(".")[2] for name in tensors if name.startswith("pretrained.blocks.")}
        return cls(
            width=size(MARK, 2, 3),
            depth=len(blocks),
            hidden=size("pretrained.blocks.0.mlp.fc1.weight", 0, 2),
            bands=size("pretrained.patch_embed.proj.weight", 1, 4),
            patch=size("pretrained.patch_embed.proj.weight", 2, 4),
            grid=round((size(MARK, 1, 3) - 1) ** 0.5),
            neck=tuple(size(f"{one}projects.{n}.weight", 0, 4) for n in range(4)),
            fused=size(f"{one}scratch.layer1_rn.weight", 0, 4),
            tail=size("heads.regression.scratch.output_conv2.0.weight", 0, 4) if "regression" in heads else 1,
            classes=size("heads.segmentation.scratch.output_conv.1.weight", 0, 4) if "segmentation" in heads else 0,
            masked="pretrained.mask_token" in tensors,
            heads=heads,
        )


def _outputs(card: ModelCard) -> dict[str, str]:
    """Name -> task."""
    strange = next((output.kind for output in card.outputs if output.kind not in TASKS), None)
    if strange is not None or not card.outputs:
        raise ModelError(f"The card of {card.id} asks for {strange or 'nothing'}: RS3DAda gives height and labels.")
    return {output.name or output.kind.value: TASKS[output.kind] for output in card.outputs}


def _check(card: ModelCard, outputs: Mapping[str, str], layout: _Layout, path: Path) -> None:
    """Raises ModelError where card and file do not fit each other, or the file's sizes each other."""
    lacking = next((name for name, task in outputs.items() if task not in layout.heads), None)
    if lacking is not None:
        raise ModelError(
            f"{path.name} has no head for the output {lacking!r} (heads.{outputs[lacking]}), only {some(layout.heads)}: "
            "use a card without that output."
        )
    if card.band_count != layout.bands:
        raise ModelError(f"{path.name} takes {layout.bands} bands, but its card gives it {card.band_count}.")
    for output in card.outputs:
        if output.kind is OutputKind.LABELS and len(output.classes) != layout.classes:
            raise ModelError(
                f"{path.name} tells {layout.classes} classes apart, but its card names {len(output.classes)}."
            )
    smallest = min(layout.width, layout.hidden, layout.patch, layout.grid, *layout.neck, layout.fused // 2, layout.tail)
    if smallest < 1 or layout.width % HEAD_DIM or layout.depth < 4 or layout.hidden % layout.width:
        raise ModelError(
            f"{path.name} is no DINOv2 that RS3DAda is built on: {layout.depth} blocks of {layout.width} channels."
        )


def _build(layout: _Layout, tasks: list[str]) -> tuple[nn.Module, nn.ModuleDict]:
    """Backbone and heads without numbers: on the meta device, so that nothing is filled in that is thrown away."""
    try:
        from transformers import DepthAnythingConfig, Dinov2Backbone, Dinov2Config, DPTConfig
        from transformers.models.depth_anything.modeling_depth_anything import DepthAnythingNeck
        from transformers.models.dpt.modeling_dpt import DPTPreActResidualLayer

        make_neck: Any = DepthAnythingNeck  # untyped
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that does not fit torch
        raise ModelError(
            f"RS3DAda needs transformers 5, which cannot be loaded here ({error}): pip install 'rsviewer[models]', "
            "and no torchvision beside it that does not fit torch."
        ) from error
    sizes: dict[str, Any] = {
        "image_size": layout.grid * layout.patch,
        "patch_size": layout.patch,
        "num_channels": layout.bands,
        "hidden_size": layout.width,
        "num_hidden_layers": layout.depth,
        "num_attention_heads": layout.width // HEAD_DIM,
        "mlp_ratio": layout.hidden // layout.width,
        "layer_norm_eps": 1e-6,
        "out_indices": list(range(layout.depth - 3, layout.depth + 1)),
        "reshape_hidden_states": False,
        "apply_layernorm": True,
        "use_mask_token": layout.masked,
    }
    encoder = Dinov2Config(**sizes)
    decoder = DepthAnythingConfig(
        backbone_config=encoder,
        reassemble_hidden_size=layout.width,
        patch_size=layout.patch,
        neck_hidden_sizes=list(layout.neck),
        fusion_hidden_size=layout.fused,
        head_hidden_size=layout.tail,
    )
    unit = DPTConfig(
        fusion_hidden_size=layout.fused,
        use_batch_norm_in_fusion_residual=True,
        use_bias_in_fusion_residual=True,
    )
    heads = nn.ModuleDict()
    with torch.device("meta"):
        backbone = Dinov2Backbone(encoder)
        for task in tasks:
            neck = make_neck(decoder)
            for layer in neck.fusion_stage.layers:
                layer.residual_layer1 = DPTPreActResidualLayer(unit)
                layer.residual_layer2 = DPTPreActResidualLayer(unit)
            heads[task] = nn.ModuleDict({"neck": neck, "tail": _tail(layout, task)})
    embeddings: Any = backbone.embeddings
    embeddings.interpolate_pos_encoding = partial(_positions, embeddings, layout.patch, layout.grid)
    return backbone, heads


def _tail(layout: _Layout, task: str) -> nn.Sequential:
    """What follows the neck in the file. Heights are enlarged to the window behind the first, classes behind the last."""
    fused, half = layout.fused, layout.fused // 2
    if task == TASKS[OutputKind.HEIGHT]:
        return nn.Sequential(
            nn.Conv2d(fused, half, 3, padding=1),
            nn.Conv2d(half, layout.tail, 3, padding=1),
            nn.Conv2d(layout.tail, 1, 1),
        )
    return nn.Sequential(nn.Conv2d(fused, fused, 3, padding=1), nn.Conv2d(fused, layout.classes, 1))


def _multiply_out(head: nn.ModuleDict) -> None:
    """Puts "sharp" and "wide" in the place of a head's "tail".

    Classes: a 3 x 3 and a 1 x 1 convolution are one of 3 x 3, then comes the enlargement. Heights: 3 x 3, enlargement, 3 x 3,
    1 x 1. The last two are one with nine taps on one channel. Each tap only mixes channels, and so does as well before the
    enlargement, where it is one with the first convolution; behind it the nine are moved to their places and added up.
    """
    tail = [cast("nn.Conv2d", part) for part in cast("nn.Sequential", head.pop("tail"))]
    first, last = tail[0], tail[-1]
    out = last.weight.double().flatten(1)
    bias = _bias(last)
    if len(tail) == 3:
        middle = tail[1]
        bias = bias + out @ _bias(middle)
        out = torch.einsum("om,mcij->oijc", out, middle.weight.double()).flatten(0, 2)  # 9 taps x channels
        wide = nn.Conv2d(9, 1, 3, padding=1)
        wide.weight = _frozen(torch.eye(9).reshape(1, 9, 3, 3))
        wide.bias = _frozen(bias)
        bias = torch.zeros(9, dtype=torch.float64)
        head["wide"] = wide
    else:
        head["wide"] = nn.Identity()
    sharp = nn.Conv2d(first.in_channels, len(out), 3, padding=1)
    sharp.weight = _frozen(torch.einsum("om,mcij->ocij", out, first.weight.double()))
    sharp.bias = _frozen(bias + out @ _bias(first))
    head["sharp"] = sharp


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias.double()


def _frozen(numbers: Tensor) -> nn.Parameter:
    return nn.Parameter(numbers.float().contiguous(), requires_grad=False)


def _positions(embeddings: nn.Module, patch: int, grid: int, _tokens: Tensor, height: int, width: int) -> Tensor:
    """Position embeddings for windows of a size, as DINOv2 makes them."""
    positions = cast("Tensor", embeddings.position_embeddings)
    rows, columns = height // patch, width // patch
    if rows == columns == grid:
        return positions
    learned = positions[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2).float()
    stretched = functional.interpolate(
        learned, scale_factor=((rows + OFFSET) / grid, (columns + OFFSET) / grid), mode="bicubic", align_corners=False
    )
    return torch.cat([positions[:, :1], stretched.flatten(2).transpose(1, 2).to(positions.dtype)], 1)


Names: TypeAlias = Iterator[tuple[str, tuple[str, ...]]]
"""Name in the file -> name in the network; three where the file holds three equal parts behind each other."""


def _encoder_names(layout: _Layout, backbone: nn.Module) -> Names:
    query, key, value, out = _attention_names(backbone)
    for theirs, ours in ENCODER:
        yield f"pretrained.{theirs}", (ours,)
    if layout.masked:
        yield "pretrained.mask_token", ("embeddings.mask_token",)
    for n in range(layout.depth):
        their, our = f"pretrained.blocks.{n}.", f"encoder.layer.{n}."
        yield from _entries(BLOCK, their, our)
        for k in (1, 2):
            yield f"{their}ls{k}.gamma", (f"{our}layer_scale{k}.lambda1",)
        for kind in PLAIN:
            yield f"{their}attn.qkv.{kind}", tuple(f"{our}{name}.{kind}" for name in (query, key, value))
            yield f"{their}attn.proj.{kind}", (f"{our}{out}.{kind}",)


def _attention_names(backbone: nn.Module) -> tuple[str, str, str, str]:
    """They changed in transformers 5.18."""
    if "encoder.layer.0.attention.q_proj.weight" in backbone.state_dict():
        return "attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"
    inner = "attention.attention."
    return f"{inner}query", f"{inner}key", f"{inner}value", "attention.output.dense"


def _head_names(task: str) -> Names:
    their = f"heads.{task}."
    yield from _entries(NECK, their, "neck.")
    for n in range(1, 5):
        refine, layer = f"{their}scratch.refinenet{n}.", f"neck.fusion_stage.layers.{4 - n}."
        yield from _entries((("out_conv", "projection", PLAIN),), refine, layer)
        for u in (1, 2):
            for c in (1, 2):
                unit = (
                    (f"conv{c}", f"convolution{c}", PLAIN),
                    (f"bn{c}", f"batch_norm{c}", BATCH_NORM),
                )
                yield from _entries(unit, f"{refine}resConfUnit{u}.", f"{layer}residual_layer{u}.")
    yield from _entries(TAILS[task], f"{their}scratch.", "tail.")


def _entries(table: tuple[tuple[str, str, tuple[str, ...]], ...], their: str, our: str) -> Names:
    for theirs, ours, kinds in table:
        for kind in kinds:
            yield f"{their}{theirs}.{kind}", (f"{our}{ours}.{kind}",)


def _fill(part: nn.Module, names: Names, tensors: Tensors, path: Path) -> None:
    """Puts the file's numbers into a part of the network: all of them, and no others."""
    wanted = part.state_dict()
    table = dict(names)
    missing = [name for name in table if name not in tensors]
    if missing:
        raise ModelError(f"{path.name} is not complete, or no RS3DAda model: it lacks {some(missing)}.")
    root = _root(next(iter(table)))
    strange = [name for name in tensors if name.startswith(root) and name not in table]
    if strange:
        raise ModelError(f"{path.name} is another network than RS3DAda: it also holds {some(strange)}.")
    filled: dict[str, Tensor] = {}
    for theirs, ours in table.items():
        tensor = tensors[theirs]
        for name, piece in zip(ours, tensor.chunk(len(ours)) if tensor.ndim else (tensor,), strict=False):
            if piece.shape != wanted[name].shape:
                raise ModelError(f"{path.name} is another network than RS3DAda: {theirs} has shape {shape_of(tensor)}.")
            filled[name] = piece.float() if piece.is_floating_point() else piece
    part.load_state_dict(filled, strict=True, assign=True)
    part.eval().requires_grad_(requires_grad=False)


def _root(name: str) -> str:
    """What all names of a part begin with."""
    return "pretrained." if name.startswith("pretrained.") else ".".join(name.split(".")[:2]) + "."
