"""Which published network a file holds, told by the names and shapes of its numbers. Nothing but names and shapes is needed."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
"""Name of an entry of a state_dict -> its shape."""

RESNETS: Mapping[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "ResNet18",
    (False, (3, 4, 6, 3)): "ResNet34",
    (True, (3, 4, 6, 3)): "ResNet50",
    (True, (3, 4, 23, 3)): "ResNet101",
    (True, (3, 8, 36, 3)): "ResNet152",
}
"""(whether blocks have a bottleneck, blocks in each of the four parts) -> name."""
DENSENETS: Mapping[tuple[int, ...], str] = {
    (6, 12, 24, 16): "DenseNet121",
    (6, 12, 36, 24): "DenseNet161",
    (6, 12, 32, 32): "DenseNet169",
    (6, 12, 48, 32): "DenseNet201",
}
"""Layers in each of the four blocks -> name."""
VGGS: Mapping[int, str] = {13: "VGG16", 16: "VGG19"}
"""Convolutions -> name."""
DEEPLAB, UNET = "DeepLabv3+", "UNet"

_RESNET_BLOCK = re.compile(r"encoder\.([4-7])\.(\d+)\.conv1\.weight")
_DENSE_LAYER = re.compile(r"encoder\.(4|6|8|10)\.denselayer(\d+)\.conv1\.weight")
_CONVOLUTION = re.compile(r"encoder\.\d+\.weight")


@dataclass(frozen=True, slots=True)
class Recognised:
    """A network.

    Attributes:
        architecture: its name, e.g. "ResNet50".
        bands: that go in.
        classes: that come out.
    """

    architecture: str
    bands: int
    classes: int


def sen12ms_network(shapes: Shapes) -> Recognised | None:
    """A classifier of the SEN12MS toolbox; None for other files."""
    head, architecture = "", None
    if "FC.bias" in shapes:
        head, architecture = "FC", RESNETS.get((_has_bottleneck(shapes), _counted(_RESNET_BLOCK, shapes)))
    elif "classifier.6.bias" in shapes:
        head = "classifier.6"
        architecture = VGGS.get(sum(1 for name in shapes if _CONVOLUTION.fullmatch(name)))
    elif "classifier.bias" in shapes:
        head, architecture = "classifier", DENSENETS.get(_counted(_DENSE_LAYER, shapes))
    return None if architecture is None else _recognised(architecture, shapes, "encoder.0", head)


def dfc2020_network(shapes: Shapes) -> Recognised | None:
    """A network of the baseline of DFC2020; None for other files."""
    if "aspp.conv1.weight" in shapes:
        return _recognised(DEEPLAB, shapes, "backbone.conv1", "decoder.last_conv.8")
    if "up4.conv.double_conv.0.weight" in shapes:
        return _recognised(UNET, shapes, "inc.double_conv.0", "outc.conv")
    return None


def _recognised(architecture: str, shapes: Shapes, first: str, last: str) -> Recognised | None:
    into, out = shapes.get(f"{first}.weight", ()), shapes.get(f"{last}.bias", ())
    return Recognised(architecture, into[1], out[0]) if len(into) == 4 and len(out) == 1 else None


def _has_bottleneck(shapes: Shapes) -> bool:
    return "encoder.4.0.conv3.weight" in shapes


def _counted(pattern: re.Pattern[str], shapes: Shapes) -> tuple[int, ...]:
    """How many parts each of the numbered parts has, in the order of the numbers."""
    found = Counter(int(match[1]) for name in shapes if (match := pattern.fullmatch(name)))
    return tuple(found[number] for number in sorted(found))
