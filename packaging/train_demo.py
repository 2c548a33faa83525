"""Trains the two demonstration models, from nothing: writes tiles, trains on them, writes weights, cards and scores.

    python packaging/train_demo.py --out resources/models

For developers; it needs torch and safetensors. On two slow cores it takes ten to fifteen minutes: two for the tiles, the rest
for the training, which says every now and then how it goes. Heights and land cover are learned together, by one network with
nine channels; afterwards each model gets a copy of the network and its own channels of the last convolution.

The tiles are the built-in dataset's of other seeds than its own, without planted defects, in a temporary folder. Seeds are
fixed and torch is asked to be deterministic: the same machine, versions of libraries and number of threads give the same
files; others give slightly different ones.
"""

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from rsviewer.core.model import Fill, Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.data.datasets.synrs3d import LAND_COVER, LANDCOVER, NDSM
from rsviewer.data.demo import write_demo
from rsviewer.data.modelcards import dump_card
from rsviewer.inference.zoo.demo import DemoNetwork

SEEDS = range(1001, 2000)
"""Worlds to learn from. The shipped dataset is that of seed 1."""
TEST_SEED = 2001
TILES_A_WORLD = 64
"""As many as the shipped dataset has: its mixture of town and country."""

SETTINGS = {"width": 32, "growth": 16, "depth": 4}
MEAN = (111.0, 116.0, 91.0)
STD = (47.0, 40.0, 35.0)
"""Of the tiles' grey values, roughly."""
CLASSES = tuple(one for one in LANDCOVER if not one.void)
METRES = 4.0
"""The network learns heights in this unit; it is multiplied into the last convolution in the end."""

BATCH = 8
RATE = 3e-3
WARM_UP = 0.05
"""Share of the steps in which the rate rises."""
DECAY = 0.02
AVERAGE = 0.99
"""The shipped weights are a moving average of those of the steps."""
LABELS_WEIGHT = 0.5
"""Of the cross entropy beside the height's loss."""
EVERY = 25
"""Steps from one line of progress to the next."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Pictures and what is on them.

    Attributes:
        pictures: (n, 3, size, size) uint8.
        heights: (n, size, size) float16 metres.
        labels: (n, size, size) uint8, place of the class in CLASSES.
    """

    pictures: NDArray[np.uint8]
    heights: NDArray[np.float16]
    labels: NDArray[np.uint8]


def _card(name: str, title: str, what: str, output: ModelOutput) -> ModelCard:
    return ModelCard(
        id=name,
        title=title,
        family="demo",
        inputs=(ModelInput(mean=MEAN, std=STD),),
        outputs=(output,),
        framings=(
            Framing(
                "windows", "windows of 512, a quarter overlapping", window=512, stride=384,
                multiple=2 ** (SETTINGS["depth"] + 1), fill=Fill.REFLECT,
            ),
        ),
        weights=Weights(f"{name}.safetensors"),
        description=f"{what} A demonstration: a small network, trained on synthetic tiles of the built-in dataset "
        "(of other seeds than the shipped ones). It is of no use on real images.",
        licence="MIT",
        source="packaging/train_demo.py",
        settings=SETTINGS,
    )  # fmt: skip


CARDS = (
    _card(
        "demo-height",
        "Demo height",
        "Height above ground from one image.",
        ModelOutput(OutputKind.HEIGHT, "height", NDSM.title, NDSM.unit, reference=(NDSM.id,)),
    ),
    _card(
        "demo-landcover",
        "Demo land cover",
        "Eight classes of land cover from one image.",
        ModelOutput(OutputKind.LABELS, "labels", LAND_COVER.title, "", classes=CLASSES, reference=(LAND_COVER.id,)),
    ),
)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Trains the two demonstration models on the built-in dataset.")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and cards")
    parser.add_argument(
        "--scores", type=Path, help="JSON file for the scores on unseen tiles, which are printed in any case"
    )
    parser.add_argument("--tiles", type=int, default=256, help="tiles to learn from")
    parser.add_argument("--test-tiles", type=int, default=16, help="tiles of another world to be judged by")
    parser.add_argument("--size", type=int, default=512, help="pixels of a tile's side")
    parser.add_argument("--crop", type=int, default=160, help="pixels of the side of the pieces to learn from")
    parser.add_argument("--steps", type=int, default=2000, help="steps of the training")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--data", type=Path, help="folder that keeps the tiles for the next time")
    chosen = parser.parse_args(arguments)

    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory(prefix="rsviewer-train-") as folder:
        data = chosen.data or Path(folder)
        learned = written(data, SEEDS, chosen.tiles, chosen.size)
        unseen = written(data, range(TEST_SEED, TEST_SEED + 1), chosen.test_tiles, chosen.size)
    network = train(learned, chosen.steps, chosen.crop)
    models = parts(network)
    scores = judged(models, learned, unseen)
    print(json.dumps(scores, indent=1))
    chosen.out.mkdir(parents=True, exist_ok=True)
    for card, part in zip(CARDS, models, strict=True):
        publish(card, part, chosen.out)
    if chosen.scores:
        chosen.scores.write_text(json.dumps(scores, indent=1) + "\n", "utf-8", newline="\n")


def written(folder: Path, seeds: range, count: int, size: int) -> Tiles:
    """Writes tiles of several worlds and reads them."""
    pictures: list[NDArray[np.uint8]] = []
    heights: list[NDArray[np.float16]] = []
    labels: list[NDArray[np.uint8]] = []
    for seed in seeds[: -(-count // TILES_A_WORLD)]:
        tiles = min(TILES_A_WORLD, count - len(pictures))
        began = time.monotonic()
        root = folder / f"world-{seed}-{tiles}-{size}"
        write_demo(root, tiles=tiles, seed=seed, size=size, defects=False)
        for path in sorted((root / "opt").glob("*.tif")):
            pictures.append(_read(path))
            heights.append(_read(root / "gt_nDSM" / path.name)[0].astype(np.float16))
            labels.append(_read(root / "gt_ss_mask" / path.name)[0] - np.uint8(1))
        print(f"world {seed}: {tiles} tiles, {time.monotonic() - began:.0f} s", flush=True)
    return Tiles(np.stack(pictures), np.stack(heights), np.stack(labels))


def train(tiles: Tiles, steps: int, crop: int) -> DemoNetwork:
    """Learns heights (channel 0) and classes (the others) together."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    dice = np.random.default_rng(0)
    network = with_norms(DemoNetwork(3, 1 + len(CLASSES), **SETTINGS))
    network.to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=WARM_UP)
    began, shown = time.monotonic(), np.zeros(2)
    for step in range(1, steps + 1):
        pictures, heights, labels = _batch(tiles, crop, dice)
        with torch.autocast("cpu", torch.bfloat16):  # twice as fast where the processor has instructions for it
            answer = network(pictures).float()
        height_loss = functional.huber_loss(answer[:, 0], heights / METRES, delta=0.5)
        label_loss = functional.cross_entropy(answer[:, 1:], labels)
        optimizer.zero_grad()
        (height_loss + LABELS_WEIGHT * label_loss).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        shown += height_loss.item(), label_loss.item()
        if step % EVERY == 0 or step == steps:
            says = f"heights {shown[0] / (step % EVERY or EVERY):.4f}, classes {shown[1] / (step % EVERY or EVERY):.4f}"
            print(f"step {step} of {steps}, {time.monotonic() - began:.0f} s: {says}", flush=True)
            shown[:] = 0
    learned: DemoNetwork = average.module
    return without_norms(learned.eval())


def with_norms(network: DemoNetwork) -> DemoNetwork:
    """Puts a batch normalisation behind every convolution but the last: the network learns faster with them."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child is not network.head:
                setattr(module, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
    return network


def without_norms(network: DemoNetwork) -> DemoNetwork:
    """Multiplies them into the convolutions, which changes nothing but the rounding."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential):
                setattr(module, name, nn.utils.fuse_conv_bn_eval(child[0], child[1]))
    return network


def parts(network: DemoNetwork) -> list[DemoNetwork]:
    """One network for each card, rounded to float16 as the files are."""
    found = []
    for first, count, factor in ((0, 1, METRES), (1, len(CLASSES), 1.0)):
        part = DemoNetwork(3, count, **SETTINGS)
        state = network.state_dict()
        for name in ("head.weight", "head.bias"):
            own = slice(first * 4, (first + count) * 4)  # four pixels a channel: pixel_shuffle's order
            state[name] = state[name][own] * factor
        part.load_state_dict({name: numbers.half().float() for name, numbers in state.items()})
        found.append(part.eval())
    return found


def judged(models: list[DemoNetwork], learned: Tiles, unseen: Tiles) -> dict[str, dict[str, float]]:
    """Scores on unseen tiles, and those of who answers the mean height and the most frequent class of the learned ones."""
    mean = float(learned.heights.mean(dtype=np.float64))
    usual = int(np.bincount(learned.labels.ravel(), minlength=len(CLASSES)).argmax())
    table = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    absolute, squared = [], []
    with torch.inference_mode():
        for picture, height, labels in zip(unseen.pictures, unseen.heights, unseen.labels, strict=True):
            window = _normal(torch.from_numpy(picture[None]))
            error = models[0](window)[0, 0].numpy() - height.astype(np.float32)
            absolute.append(float(np.abs(error).mean()))
            squared.append(float(np.square(error).mean()))
            predicted = models[1](window)[0].argmax(0).numpy()
            np.add.at(table, (labels, predicted), 1)
    constant = np.zeros_like(table)
    constant[:, usual] = table.sum(1)
    error = unseen.heights.astype(np.float32) - np.float32(mean)
    return {
        "demo-height": {"mae": float(np.mean(absolute)), "rmse": float(np.sqrt(np.mean(squared)))},
        "mean height": {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt(np.square(error).mean()))},
        "demo-landcover": _agreement(table),
        "most frequent class": _agreement(constant),
    }


def publish(card: ModelCard, network: DemoNetwork, folder: Path) -> None:
    """Writes the weights and the card that knows their hash."""
    path = folder / card.weights.file
    content = save({name: numbers.half() for name, numbers in network.state_dict().items()})
    path.write_bytes(content)
    known = replace(card, weights=Weights(path.name, hashlib.sha256(content).hexdigest(), len(content)))
    (folder / f"{card.id}.toml").write_text(dump_card(known), "utf-8", newline="\n")


def _batch(tiles: Tiles, crop: int, dice: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces of tiles, turned and mirrored, in a light that varies a little."""
    count, size = len(tiles.pictures), tiles.pictures.shape[-1]
    pictures: list[NDArray[np.uint8]] = []
    heights: list[NDArray[np.float16]] = []
    labels: list[NDArray[np.uint8]] = []
    for _ in range(BATCH):
        tile, turns = int(dice.integers(count)), int(dice.integers(4))
        row, column = (int(start) for start in dice.integers(0, size - crop + 1, 2))
        mirror = -1 if dice.integers(2) else 1
        for pieces, layer in ((pictures, tiles.pictures), (heights, tiles.heights), (labels, tiles.labels)):
            piece = layer[tile, ..., row : row + crop, column : column + crop]
            pieces.append(np.rot90(piece, turns, (-2, -1))[..., ::mirror])
    light = dice.normal(1.0, 0.06, (BATCH, 1, 1, 1)) * dice.normal(1.0, 0.02, (BATCH, 3, 1, 1))
    seen = np.stack(pictures) * light.astype(np.float32)
    return (
        _normal(torch.from_numpy(seen)).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.stack(heights).astype(np.float32)),
        torch.from_numpy(np.stack(labels).astype(np.int64)),
    )


def _normal(pictures: Tensor) -> Tensor:
    return (pictures.float() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def _agreement(table: NDArray[np.int64]) -> dict[str, float]:
    """Of a confusion table whose rows are the reference."""
    right, either = np.diag(table), table.sum(0) + table.sum(1) - np.diag(table)
    return {
        "accuracy": float(right.sum() / table.sum()),
        "miou": float((right[either > 0] / either[either > 0]).mean()),
    }


def _read(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        pixels: NDArray[Any] = file.read()
    return pixels


if __name__ == "__main__":
    main()
