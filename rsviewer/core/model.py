"""What a model is: what it takes, what it gives, where it comes from. Values only; `data.modelcards` reads them from TOML."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from rsviewer.core.tile import LabelClass, LayerKind

FAMILIES = (
    "rs3dada",
    "marigold_rs",
    "sen12ms",
    "dfc2020",
    "skyclip",
    "satlas",
    "demo",
    "onnx",
    "torchscript",
    "exported",
)
"""The modules of `inference.zoo`."""


class OutputKind(StrEnum):
    """What an output of a network means."""

    HEIGHT = "height"
    """A height for every pixel."""
    LABELS = "labels"
    """A class for every pixel."""
    SCENE = "scene"
    """A class for the whole tile."""
    QUANTITY = "quantity"
    """A number for every pixel that is no height of what stands there: a share, a depth."""
    BOXES = "boxes"
    """Objects, each with a class, a score and a box around it, some with a mask."""


class Scores(StrEnum):
    """What a network returns for its classes."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    INDEX = "index"
    """The place of the winning class itself: its probability is not known."""
    INDEPENDENT = "independent"
    """Of SCENE: a logit for each class by itself, since a tile may hold several. One from 0.5 (after the sigmoid) is there."""
    PROMPTS = "prompts"
    """Of SCENE: the probabilities of classes that the user names, of which the network knows nothing; those of the card are
    where one starts. See `core.prompts`."""


class Precision(StrEnum):
    """Type of numbers in the forward pass. The smaller ones are faster and less exact (autocast)."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Augmentation(StrEnum):
    """What a tile is turned into before it is predicted several times; the mean of the predictions is taken.

    Heights are averaged in metres; of classes the network's own scores, before any softmax, but the probabilities of those that
    do not exclude each other. Objects: `core.boxes.fused`.
    """

    NONE = "none"
    FLIPS = "flips"
    """Identity, left-right, up-down, both: four passes, as RS3DAda's `--use_tta`."""
    ROTATIONS = "rotations"
    """The four flips, and each of them turned by 90 degrees: eight passes, all symmetries of a square."""


class Fill(StrEnum):
    """What stands beyond the edge of a tile that is smaller than the window."""

    REFLECT = "reflect"
    """The tile, mirrored at its outermost pixels; again where that is not enough."""
    ZERO = "zero"
    """Raw 0 (black), before normalisation."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How a tile is cut for the network. Sizes are in pixels, windows are square.

    Attributes:
        id: as typed, e.g. "pad".
        title: as shown, e.g. "whole tile, mirrored at the edges".
        window: longest side of a window; 0: as large as the tile.
        stride: from one window to the next; 0: half a window.
        multiple: width and height of a window are a whole multiple of this (14 for patches of 14).
        fill: what stands beyond the edge.
        crop: only this much in the middle of the tile is predicted; 0: all of it.
        whole: windows have their full size even where the tile is smaller; else as little as `multiple` allows.
    """

    id: str
    title: str = ""
    window: int = 0
    stride: int = 0
    multiple: int = 1
    fill: Fill = Fill.REFLECT
    crop: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One layer that the network takes. Several are put behind each other, band after band, in the order of the card.

    Attributes:
        kind: of the layer.
        bands: names of the bands in the network's order, e.g. ("red", "green", "blue"). A layer whose bands have other names or
            none gives its first bands, a layer of one band the same one as often as needed.
        date: "pre" or "post" for the two images of a change set; empty for the later one, or the only one.
        high: the value that stands for full brightness in training: 255 for 8-bit images, 10000 for reflectances, 1 for shares.
            Images of another type are stretched to 0..high first, and the prediction says so; 0 takes values as they are.
        mean, std: one for each band: (value - mean) / std goes into the network.
        raw: (low, high) of the raw numbers that stand for 0 and `high`, for images of more than 8 bits: they are scaled and cut
            off there, as training did, instead of stretched. Empty where nothing is known of raw numbers.
        stretch: False for raw values, however bright: only shares are multiplied by `high`, and pictures of 8 bits stretched.
        nan: the value that stands for an invalid one in training: such a pixel is then predicted like others. None: it is not.
        clip: (low, high) that values are cut to, before the mean is taken off; empty where they are not.
    """

    kind: LayerKind = LayerKind.OPTICAL
    bands: tuple[str, ...] = ("red", "green", "blue")
    date: str = ""
    high: float = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    stretch: bool = True
    nan: float | None = None
    clip: tuple[float, ...] = ()
    raw: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """One thing that the network gives.

    Attributes:
        kind: what it means.
        name: what the network calls it; for ONNX the name of the output, for TorchScript the key or the number of the output.
        title: as shown, e.g. "nDSM".
        unit: of heights and quantities, after scale and offset.
        scale, offset: height or quantity = number * scale + offset.
        low, high: of a QUANTITY: the whole range that it can have, and is shown over; None where there is no such end.
        relative: a HEIGHT has neither unit nor zero, and another scale on every tile: it is fitted to its reference. See
            `core.relative`.
        classes: of LABELS and SCENE: channel k of the network is class k of this tuple, whose value is the label in datasets.
            Of BOXES likewise; void ones, the background among them, are not looked for.
        scores: what the network returns for its classes.
        reference: ids of layers that hold what it predicts, most fitting first, e.g. ("ndsm",). Of SCENE also facts "label_ID".
        threshold: of LABELS with PROBABILITIES: the first class is "none of the others", which is where none of them, each by
            itself, is more probable than this, whatever its own channel says. 0: classes exclude each other.
        least_share: of SCENE with INDEPENDENT scores: a class is on a tile where it covers so much of the reference at least.
    """

    kind: OutputKind
    name: str = ""
    title: str = ""
    unit: str = "m"
    scale: float = 1.0
    offset: float = 0.0
    classes: tuple[LabelClass, ...] = ()
    scores: Scores = Scores.LOGITS
    reference: tuple[str, ...] = ()
    least_share: float = 0.1
    relative: bool = False
    low: float | None = None
    high: float | None = None
    threshold: float = 0.0

    @property
    def named(self) -> tuple[LabelClass, ...]:
        """Classes that an answer can have: of objects, those that are looked for."""
        return tuple(one for one in self.classes if self.kind is not OutputKind.BOXES or not one.void)


@dataclass(frozen=True, slots=True)
class Weights:
    """The file with a model's numbers.

    Attributes:
        file: its name in the folder of the model, or the path of a file elsewhere that is used where it lies.
        sha256: lower-case hexadecimal; empty in the card of a file that nobody has hashed yet.
        nbytes: size; 0 where unknown.
        page: where people find it.
        repository, path: where it is offered on the Hugging Face hub, e.g. "JTRNEO/RS3DAda" and "RS3DAda_height.pth".
    """

    file: str
    sha256: str = ""
    nbytes: int = 0
    page: str = ""
    repository: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A whole number that the user chooses for a run of a model, beside what all models have.

    The family finds it among the settings of its card: see `with_choices`.

    Attributes:
        id: as typed and in the settings, e.g. "steps".
        title: as shown, e.g. "Steps".
        default: where nobody chose.
        low, high: least and most.
        zero: what 0 is called, where it is no number, e.g. "as the tile"; empty where it is one.
        switch: 0 is off and 1 is on.
        tip: what it does, in a sentence or two.
        output: name of the only output that it is for, of a card with `exclusive` outputs; empty for all.
    """

    id: str
    title: str
    default: int
    low: int = 0
    high: int = 1
    zero: str = ""
    switch: bool = False
    tip: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything about a model but its numbers.

    Attributes:
        id: names it on the command line and in folders: lower-case letters, digits, "-".
        title: as shown.
        family: which module of `inference.zoo` runs it: "rs3dada", "satlas", "demo", "onnx", "torchscript", "exported".
        inputs, outputs: in the network's order.
        framings: ways to cut a tile; the first is the default.
        weights: see Weights.
        description: what it is and what it is not, in a sentence or two.
        licence, citation, source: as the publisher says; source is an address.
        settings: numbers and words that only the family understands, e.g. {"encoder": "vitl"}.
        augmentable: flips and turns of a tile give flips and turns of the answer.
        options: what else the user may choose for a run.
        exclusive: one output is computed and shown at a time, the one that `RunOptions.output` names; without, all of them are.
        dates: images of a tile that the network takes at most, each as the inputs say; one is always enough.
    """

    id: str
    title: str
    family: str
    inputs: tuple[ModelInput, ...]
    outputs: tuple[ModelOutput, ...]
    framings: tuple[Framing, ...]
    weights: Weights
    description: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    augmentable: bool = True
    options: tuple[ModelOption, ...] = ()
    exclusive: bool = False
    dates: int = 1

    @property
    def band_count(self) -> int:
        """Bands that go into the network, of all inputs together."""
        return sum(len(one.bands) for one in self.inputs)

    def framing(self, framing: str = "") -> Framing:
        """The framing of that id; the first one for an empty or unknown id."""
        return next((one for one in self.framings if one.id == framing), self.framings[0])

    def output(self, kind: OutputKind) -> ModelOutput | None:
        """The first output of a kind; None where there is none."""
        return next((one for one in self.outputs if one.kind is kind), None)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a model is run.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        precision: of the forward pass.
        threads: of the processor, for the forward pass; 0 takes all cores but one, at least one.
        framing: id of one of the card's; empty for its first.
        augmentation: see Augmentation.
        batch: windows at once; 0 chooses by the device.
        choices: id of one of the card's options -> what was chosen; others are passed over. See `chosen`.
        slow: the user said yes to a model that takes minutes for a tile without a GPU. See `core.expense`.
        output: name of the output that is computed, of a card with `exclusive` outputs; empty or unknown for its first.
    """

    device: str = "auto"
    precision: Precision = Precision.FLOAT32
    threads: int = 0
    framing: str = ""
    augmentation: Augmentation = Augmentation.NONE
    batch: int = 0
    choices: Mapping[str, int] = field(default_factory=dict)
    slow: bool = False
    output: str = ""


def chosen(card: ModelCard, options: RunOptions) -> dict[str, int]:
    """Id of each of the card's options -> its value in a run, within its ends."""
    wanted = options.choices
    return {one.id: min(max(wanted.get(one.id, one.default), one.low), one.high) for one in card.options}


def with_choices(card: ModelCard, options: RunOptions) -> ModelCard:
    """The card as a family reads it: with what was chosen for a run among its settings."""
    return replace(card, settings={**card.settings, **chosen(card, options)}) if card.options else card


def focused(card: ModelCard, output: str) -> ModelCard:
    """The card with the one output that is computed at a time, and its options; the card itself where all are.

    Args:
        card: of the model.
        output: see `RunOptions.output`.
    """
    if not card.exclusive or len(card.outputs) < 2:
        return card
    chosen = next((one for one in card.outputs if one.name == output), card.outputs[0])
    options = tuple(option for option in card.options if option.output in ("", chosen.name))
    return replace(card, outputs=(chosen,), options=options)


def score_name(card: ModelCard) -> str:
    """Under what the scores of tiles are filed: the id of the card, and of one with `exclusive` outputs the one as well.

    Args:
        card: as `focused` gives it.
    """
    return f"{card.id}-{card.outputs[0].name}" if card.exclusive else card.id


def fingerprint(card: ModelCard, sha256: str, options: RunOptions) -> str:
    """16 hexadecimal digits: equal where card, weights and options make the same answer, but for rounding.

    Device, threads and batch are not in it, nor what the card says to people only.
    """
    card = focused(card, options.output)
    told = replace(card, title="", description="", licence="", citation="", source="", weights=Weights(""))
    said = {
        "card": asdict(told),
        "weights": sha256,
        "framing": asdict(card.framing(options.framing)),
        "precision": options.precision,
        "augmentation": options.augmentation,
        "choices": chosen(card, options),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]
