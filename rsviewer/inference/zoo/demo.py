"""Demo height and demo land cover: small U-Nets, trained by packaging/train_demo.py on the built-in synthetic dataset.

The weights are safetensors: numbers with names, nothing that could run. They are float16 to be small and become float32 when
they are read, which is exact.
"""

from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind
from rsviewer.inference.zoo.foreign import plain
from rsviewer.inference.zoo.network import Answers

LIMITS = {"width": (1, 256), "growth": (0, 256), "depth": (0, 6)}
"""Setting of a card -> least and most."""


class Demo:
    """A `Network`.

    Args:
        network: see DemoNetwork.
        output: name of what it gives.
        multiple: sides of a window are a multiple of it.
    """

    def __init__(self, network: "DemoNetwork", output: str, multiple: int) -> None:
        self._network = network
        self._output = output
        self._multiple = multiple

    def forward(self, windows: Tensor) -> Answers:
        """See `Network.forward`."""
        height, width = windows.shape[-2:]
        if not height or not width or height % self._multiple or width % self._multiple:
            raise ModelError(
                f"This network takes windows whose sides are multiples of {self._multiple}, not {width} x {height}: "
                f"set multiple = {self._multiple} in the framings of its card."
            )
        answer: Tensor = self._network(windows.contiguous(memory_format=torch.channels_last))
        return {self._output: answer}

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._network.to(device)


def load(card: ModelCard, weights: Path, device: torch.device) -> Demo:
    """The network of a card, with the numbers of a file.

    Args:
        card: `settings` has width, growth and depth of DemoNetwork; one output, of kind HEIGHT or LABELS.
        weights: a safetensors file.
        device: where it runs.

    Raises:
        ModelError: see `Network`.
    """
    output = _output(card)
    width, growth, depth = (_setting(card, name) for name in LIMITS)
    with torch.device("meta"):  # no room and no random numbers for what the file gives
        network = DemoNetwork(card.band_count, max(1, len(output.classes)), width, growth, depth)
    network.load_state_dict(_numbers(weights, network), assign=True)
    network.eval().requires_grad_(requires_grad=False)
    network.to(device)
    return Demo(network, output.name, 2 ** (depth + 1))


class DemoNetwork(nn.Module):
    """A U-Net of plain convolutions that works at half the resolution of its input and below.

    Four pixels become one with four times the bands, and at the end one becomes four again: nothing is computed at full
    resolution, where it would take most of the time. Skipped features are added, not put beside each other.

    Args:
        bands: of the input.
        outputs: channels of the answer.
        width: channels at half the resolution.
        growth: more channels at each coarser level.
        depth: levels below half the resolution. Height and width of the input are whole multiples of 2 ** (depth + 1).
    """

    def __init__(self, bands: int, outputs: int, width: int, growth: int, depth: int) -> None:
        super().__init__()
        channels = [width + growth * level for level in range(depth + 1)]
        self.stem = nn.Conv2d(bands * 4, width, 3, padding=1)
        self.encoders = nn.ModuleList(Residual(count) for count in channels)
        self.downs = nn.ModuleList(
            nn.Conv2d(above, below, 3, stride=2, padding=1) for above, below in pairwise(channels)
        )
        self.ups = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(channels))
        self.decoders = nn.ModuleList(nn.Conv2d(count, count, 3, padding=1) for count in channels[:-1])
        self.head = nn.Conv2d(width, outputs * 4, 3, padding=1)

    def forward(self, windows: Tensor) -> Tensor:
        """(n, bands, h, w) normalised -> (n, outputs, h, w)."""
        features = functional.relu(self.stem(functional.pixel_unshuffle(windows, 2)))
        skipped: list[Tensor] = []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            features = encoder(features)
            skipped.append(features)
            features = functional.relu(down(features))
        features = self.encoders[-1](features)
        for up, decoder, skip in zip(reversed(self.ups), reversed(self.decoders), reversed(skipped), strict=True):
            features = functional.relu(functional.interpolate(up(features), scale_factor=2.0) + skip)
            features = functional.relu(decoder(features)) + features
        return functional.pixel_shuffle(self.head(features), 2)


class Residual(nn.Module):
    """Two convolutions beside the way straight on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(n, channels, h, w), in and out."""
        return functional.relu(features + self.second(functional.relu(self.first(features))))


def _output(card: ModelCard) -> ModelOutput:
    if len(card.outputs) == 1:
        output = card.outputs[0]
        if output.kind is OutputKind.HEIGHT or (output.kind is OutputKind.LABELS and output.classes):
            return output
    raise ModelError(f"The card of {card.id} must have exactly one output, of kind height, or labels with classes.")


def _setting(card: ModelCard, name: str) -> int:
    least, most = LIMITS[name]
    value = card.settings.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ModelError(f"The card of {card.id} needs a whole number {name} from {least} to {most} under [settings].")
    return value


def _numbers(weights: Path, network: DemoNetwork) -> dict[str, Tensor]:
    """The numbers of a file in float32, if they are those of the network."""
    try:
        found = load_file(weights)
    except OSError as error:
        raise ModelError(f"{weights.name} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise ModelError(
            f"{weights.name} is no safetensors file, or only a part of one: get it again, or make it with "
            "packaging/train_demo.py."
        ) from error
    wanted = {name: tuple(numbers.shape) for name, numbers in network.state_dict().items()}
    odd = sorted(found.keys() ^ wanted.keys()) or [
        name
        for name, numbers in found.items()
        if tuple(numbers.shape) != wanted[name] or not numbers.is_floating_point()
    ]
    if odd:
        raise ModelError(
            f"{weights.name} does not fit its card: {len(odd)} of its entries are missing, too many, or of another shape, "
            f"such as {plain(odd[0])[:100]}."
        )
    return {name: numbers.float() for name, numbers in found.items()}
