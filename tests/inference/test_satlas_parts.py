"""The published files of Satlas are recognised by their names and shapes, and their backbones compute what others compute."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.satlasfile import NAMES
from rsviewer.inference.zoo.satlas import layout
from rsviewer.inference.zoo.satlas.layout import BACKBONES, read_layout
from rsviewer.inference.zoo.satlas.pyramid import Enlargement, Pyramid, of_dates
from rsviewer.inference.zoo.satlas.resnet import ResNetSizes
from rsviewer.inference.zoo.satlas.swin import SwinSizes, distances, pairs
from tests.inference import satlas_files
from tests.inference.satlas_files import RESNETS, SWINS, empty, numbers, old_names, saved

TOLERANCE = 1e-4
SIZE = (200, 328)
"""Neither a multiple of 32 nor square."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", SwinSizes(*SWINS["tiny"]))  # type: ignore[attr-defined]  # it is a dict
    monkeypatch.setitem(BACKBONES, "short", ResNetSizes(RESNETS["short"]))  # type: ignore[attr-defined]  # as above
    monkeypatch.setitem(NAMES, (SWINS["tiny"][0], SWINS["tiny"][1]), "tiny")  # type: ignore[attr-defined]  # as above
    monkeypatch.setitem(NAMES, (0, RESNETS["short"]), "short")  # type: ignore[attr-defined]  # as above


def images(height: int, width: int, bands: int = 3, seed: int = 1) -> Tensor:
    return torch.rand(1, bands, height, width, generator=torch.Generator().manual_seed(seed))


def difference(found: Tensor, wanted: Tensor) -> float:
    """Of the largest value."""
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))


# --- what is in a file

PUBLISHED = [
    ("swin_v2_b", 3, satlas_files.C, False, 575),
    ("swin_v2_t", 3, satlas_files.B, False, 351),
    ("resnet50", 3, satlas_files.B, False, 438),
    ("resnet152", 9, satlas_files.B, False, 1050),
    ("swin_v2_b", 9, "I27 D16 S12 S1 S17 S1 P9 P4 P4 P5 P3 P9 D2", False, 567),
    ("swin_v2_b", 9, "I27 D16 S12 S1 S17 S1", True, 529),
    ("swin_v2_t", 9, satlas_files.B, True, 351),
    ("resnet50", 3, satlas_files.B, True, 438),
    ("swin_v2_b", 2, satlas_files.A, False, 545),
    ("swin_v2_b", 11, satlas_files.A, True, 545),
]


@pytest.mark.parametrize(("backbone", "bands", "heads", "dates", "count"), PUBLISHED)
def test_a_published_file_is_recognised_by_names_and_shapes(
    backbone: str, bands: int, heads: str, dates: bool, count: int, tmp_path: Path
) -> None:
    shapes = satlas_files.layout(backbone, bands, heads, dates=dates)
    assert len(shapes) == count  # as the authors' files have
    found = layout.layout_of(empty(shapes), "satlas.pth").told
    assert (found.backbone, found.bands, found.dates, found.signature) == (backbone, bands, dates, heads)


def test_wrapped_files_and_old_names_are_the_same_network(tmp_path: Path) -> None:
    tensors = numbers(satlas_files.layout("tiny", 3, "I3 D2 S1"))
    plain = read_layout(saved(tensors, tmp_path))
    wrapped = read_layout(saved({"epoch": 3, "state_dict": old_names(tensors)}, tmp_path, "old.pth.tar"))
    parallel = read_layout(saved({f"module.{name}": one for name, one in tensors.items()}, tmp_path, "parallel.pth"))
    assert set(old_names(tensors)) != set(tensors)
    assert set(plain.tensors) == set(wrapped.tensors) == set(parallel.tensors) == set(tensors)
    assert wrapped.told.signature == parallel.told.signature == "I3 D2 S1"
    assert wrapped.told.prefix == parallel.told.prefix == "backbone.backbone."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda held: held.pop("backbone.backbone.features.1.0.attn.qkv.bias"),
            "it lacks backbone.backbone.features.1.0",
        ),
        (lambda held: held.update({"backbone.backbone.extra": torch.zeros(1)}), "also holds backbone.backbone.extra"),
        (lambda held: held.update({"backbone.backbone.norm.weight": torch.zeros(7)}), "norm.weight has shape 7"),
        (
            lambda held: held.update(
                {"backbone.backbone.features.1.0.attn.relative_position_index": torch.zeros(4096).long()}
            ),
            "other windows of attention",
        ),
        (
            lambda held: held.update({"backbone.backbone.features.0.0.weight": torch.zeros(48, 3, 4, 4)}),
            "a backbone that Satlas has not",
        ),
        (lambda held: [held.pop(name) for name in list(held) if name.startswith("heads.")], "it lacks the heads"),
        (
            lambda held: [held.pop(name) for name in list(held) if name.startswith("heads.0")],
            "without all of its heads",
        ),
        (lambda held: held.update({"heads.2.fancy.weight": torch.zeros(1)}), "or with others"),
    ],
)
def test_what_is_no_satlas_file_is_refused_in_a_sentence(change: Any, said: str, tmp_path: Path) -> None:
    held = numbers(satlas_files.layout("tiny", 3, "S1 S2"))
    change(held)
    with pytest.raises(ModelError, match=said):
        read_layout(saved(held, tmp_path)).make_backbone()


def test_a_bare_backbone_and_other_networks_are_refused(tmp_path: Path) -> None:
    bare = numbers(satlas_files.swin("", "tiny", 3))
    with pytest.raises(ModelError, match=r"holds a backbone alone: it lacks the heads of Satlas \(heads\.\*\)"):
        read_layout(saved(bare, tmp_path))
    with pytest.raises(ModelError, match="is no Satlas model: it holds no features"):
        read_layout(saved({"conv.weight": torch.zeros(1)}, tmp_path))
    with pytest.raises(ModelError, match="Nothing in it was run"):
        read_layout(saved({"path": tmp_path}, tmp_path))
    whole = saved(bare, tmp_path)
    whole.write_bytes(whole.read_bytes()[:-5000])
    with pytest.raises(ModelError, match=r"truncated|damaged"):
        read_layout(whole)
    with pytest.raises(ModelError, match="incomplete"):
        read_layout(whole, expected=10**9)


# --- the same numbers as other implementations


def backbone_of(name: str, bands: int, tmp_path: Path) -> tuple[nn.Module, dict[str, Tensor], str]:
    tensors = numbers(satlas_files.layout(name, bands, "S1"))
    found = read_layout(saved(tensors, tmp_path))
    return found.make_backbone(), tensors, found.told.prefix


def test_the_tables_of_attention_are_those_of_the_files() -> None:
    assert torch.equal(pairs(), satlas_files._index())
    assert torch.allclose(distances(), satlas_files._table(), atol=1e-6)


@pytest.mark.parametrize("size", [SIZE, (256, 256)])
def test_swin_gives_what_transformers_gives(size: tuple[int, int], tmp_path: Path) -> None:
    own, tensors, prefix = backbone_of("tiny", 9, tmp_path)
    other = theirs("tiny", 9, tensors, prefix)
    image = images(*size, bands=9)
    with torch.inference_mode():
        found, wanted = own(image), other(image).feature_maps
    assert [tuple(one.shape) for one in found] == [tuple(one.shape) for one in wanted]
    assert max(map(difference, found, wanted)) <= TOLERANCE


def theirs(name: str, bands: int, tensors: dict[str, Tensor], prefix: str) -> nn.Module:
    """The same numbers in the Swin Transformer V2 of transformers."""
    from transformers import Swinv2Backbone, Swinv2Config

    embed, depths, heads = SWINS[name]
    made = Swinv2Backbone(
        Swinv2Config(
            image_size=512,
            patch_size=4,
            num_channels=bands,
            embed_dim=embed,
            depths=list(depths),
            num_heads=list(heads),
            window_size=8,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )
    ).eval()
    filled: dict[str, Tensor] = {}
    attention = "attention.self."
    inner = {
        "attn.proj": "attention.output.dense",
        "attn.cpb_mlp": f"{attention}continuous_position_bias_mlp",
        "attn.logit_scale": f"{attention}logit_scale",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "mlp.0": "intermediate.dense",
        "mlp.3": "output.dense",
    }
    for full, one in tensors.items():
        if not full.startswith(f"{prefix}features."):
            continue
        number, _, rest = full.removeprefix(f"{prefix}features.").partition(".")
        if number == "0":
            part, _, kind = rest.partition(".")
            filled[f"embeddings.{'patch_embeddings.projection' if part == '0' else 'norm'}.{kind}"] = one
        elif int(number) % 2 == 0:
            filled[f"encoder.layers.{int(number) // 2 - 1}.downsample.{rest}"] = one
        else:
            block, _, name_ = rest.partition(".")
            outer = f"encoder.layers.{int(number) // 2}.blocks.{block}."
            if name_.startswith("attn.qkv"):
                kind = name_.rpartition(".")[2]
                query, key, value = one.chunk(3)
                filled |= {f"{outer}{attention}query.{kind}": query, f"{outer}{attention}value.{kind}": value}
                filled |= {f"{outer}{attention}key.weight": key} if kind == "weight" else {}
            elif "relative" not in name_:
                theirs_ = next(name_.replace(mine, other) for mine, other in inner.items() if name_.startswith(mine))
                filled[f"{outer}{theirs_}"] = one
    missing, strange = made.load_state_dict(filled, strict=False)
    assert not strange
    assert all("relative" in name or name.startswith("hidden_states_norms") for name in missing)
    # transformers normalises the maps once more where it is asked for maps; Satlas does not
    made.hidden_states_norms = nn.ModuleDict({stage: nn.Identity() for stage in made.out_features})
    return made


def test_windows_are_not_shifted_along_a_side_that_holds_only_one(tmp_path: Path) -> None:
    own, tensors, prefix = backbone_of("tiny", 3, tmp_path)
    rows, columns, width, heads = 7, 19, 32, 2
    name = f"{prefix}features.1.1.attn."
    maps = images(rows, columns, bands=width).permute(0, 2, 3, 1)
    wanted = shifted_attention(maps[0], {one.removeprefix(name): tensors[one] for one in tensors if name in one}, heads)
    with torch.inference_mode():
        found = own.get_submodule("features.1.1.attn")(maps)[0]
    assert found.shape == (rows, columns, width)
    assert difference(found, wanted) <= TOLERANCE


def shifted_attention(maps: Tensor, part: dict[str, Tensor], heads: int) -> Tensor:
    """Patch by patch: which others it sees, and how much of each. Windows are shifted along columns only."""
    rows, columns, width = maps.shape
    high, wide = 8, 24
    padded = torch.zeros(high, wide, width)
    padded[:rows, :columns] = maps
    bias = part["qkv.bias"].clone()
    bias[width : 2 * width] = 0
    mixed = functional.linear(padded, part["qkv.weight"], bias)
    hidden = functional.relu(
        functional.linear(part["relative_coords_table"][0], part["cpb_mlp.0.weight"], part["cpb_mlp.0.bias"])
    )
    table = 16 * torch.sigmoid(hidden @ part["cpb_mlp.2.weight"].T)  # (15, 15, heads)
    scale = part["logit_scale"].flatten().clamp(max=4.605170185988092).exp()
    window = (torch.arange(wide) - 4) // 8  # -1: the first four, which roll to the end and see each other alone
    size = width // heads
    out = torch.zeros(high, wide, width)
    for column in range(wide):
        others = (window == window[column]).nonzero().flatten().tolist()
        for row in range(high):
            for head in range(heads):
                part_of = slice(head * size, (head + 1) * size)
                query = functional.normalize(mixed[row, column, :width][part_of], dim=0)
                seen, logits = [], []
                for other_row in range(high):
                    for other in others:
                        key = functional.normalize(mixed[other_row, other, width : 2 * width][part_of], dim=0)
                        logits.append(query @ key * scale[head] + table[row - other_row + 7, column - other + 7, head])
                        seen.append(mixed[other_row, other, 2 * width :][part_of])
                out[row, column, part_of] = torch.stack(logits).softmax(0) @ torch.stack(seen)
    return functional.linear(out, part["proj.weight"], part["proj.bias"])[:rows, :columns]


def test_resnet_gives_what_transformers_gives(tmp_path: Path) -> None:
    from transformers import ResNetBackbone, ResNetConfig

    own, tensors, prefix = backbone_of("short", 3, tmp_path)
    config = ResNetConfig(
        num_channels=3,
        depths=list(RESNETS["short"]),
        layer_type="bottleneck",
        downsample_in_bottleneck=False,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    other = ResNetBackbone(config).eval()
    filled = {}
    for full, one in tensors.items():
        name = full.removeprefix(f"{prefix}resnet.")
        if not full.startswith(prefix) or name.startswith("fc."):
            continue
        if name.startswith("layer"):
            stage, block, part, rest = name.split(".", 3)
            outer = f"encoder.stages.{int(stage[-1]) - 1}.layers.{block}."
            if part == "downsample":
                number, _, kind = rest.partition(".")
                filled[f"{outer}shortcut.{'convolution' if number == '0' else 'normalization'}.{kind}"] = one
            else:
                what = "convolution" if part.startswith("conv") else "normalization"
                filled[f"{outer}layer.{int(part[-1]) - 1}.{what}.{rest}"] = one
        else:
            part, _, kind = name.partition(".")
            filled[f"embedder.embedder.{'convolution' if part == 'conv1' else 'normalization'}.{kind}"] = one
    other.load_state_dict(filled, strict=True)
    image = images(*SIZE)
    with torch.inference_mode():
        found, wanted = own(image), other(image).feature_maps
    assert max(map(difference, found, wanted)) <= TOLERANCE


def test_the_pyramid_adds_what_coarse_maps_know_to_finer_ones(tmp_path: Path) -> None:
    tensors = numbers(satlas_files.layout("tiny", 3, "S1"))
    read = read_layout(saved(tensors, tmp_path))
    pyramid, enlargement = Pyramid(read.sizes.widths), Enlargement()
    read.fill(pyramid, layout.PYRAMID)
    read.fill(enlargement, layout.ENLARGEMENT)
    maps = [torch.rand(1, width, 24 // 2**n, 40 // 2**n) for n, width in enumerate((32, 64, 128, 256))]
    with torch.inference_mode():
        found = pyramid(maps)
        fine = enlargement(found[0])
    inner: list[Tensor] = []
    for n in (3, 2, 1, 0):
        own = functional.conv2d(maps[n], tensors[f"intermediates.0.fpn.inner_blocks.{n}.0.weight"])
        own = own + tensors[f"intermediates.0.fpn.inner_blocks.{n}.0.bias"][:, None, None]
        if inner:
            own = own + inner[0].repeat_interleave(2, 2).repeat_interleave(2, 3)
        inner.insert(0, own)
        names = (f"intermediates.0.fpn.layer_blocks.{n}.0.{kind}" for kind in ("weight", "bias"))
        wanted = functional.conv2d(inner[0], *(tensors[name] for name in names), padding=1)
        assert difference(found[n], wanted) <= TOLERANCE
    wide = found[0]
    for n in (0, 1):
        weight, bias = (tensors[f"intermediates.1.layers.{n}.0.{kind}"] for kind in ("weight", "bias"))
        wide = functional.conv2d(wide, weight, bias, padding=1).relu()
        weight, bias = (tensors[f"intermediates.1.layers.{n}.2.{kind}"] for kind in ("weight", "bias"))
        wide = functional.conv_transpose2d(wide, weight, bias, stride=2, padding=1).relu()
    assert fine.shape == (1, 128, 96, 160)
    assert difference(fine, wide) <= TOLERANCE


def test_of_several_dates_the_strongest_features_count(tmp_path: Path) -> None:
    own, _, _ = backbone_of("tiny", 3, tmp_path)
    first, second = images(64, 64, seed=1), images(64, 64, seed=2)
    with torch.inference_mode():
        both = of_dates(own, torch.cat([first, second], 1), 3)
        single = [torch.maximum(one, other) for one, other in zip(own(first), own(second), strict=True)]
        assert all(torch.equal(one, other) for one, other in zip(both, single, strict=True))
        assert all(torch.equal(one, other) for one, other in zip(of_dates(own, first, 3), own(first), strict=True))
