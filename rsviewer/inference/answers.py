"""What a network returned: is it what the card says, and what does it mean."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, ModelOutput, OutputKind, Scores
from rsviewer.core.prediction import Score
from rsviewer.core.tile import LabelClass
from rsviewer.inference.objects import COLUMNS
from rsviewer.inference.zoo.network import Answers

NUMBERS = (OutputKind.HEIGHT, OutputKind.QUANTITY)
"""Outputs of one number for every pixel."""
AT_ONCE = 1 << 22
"""Scores whose probabilities are computed at once: enough to be fast, too few to need much memory."""


def checked(card: ModelCard, output: ModelOutput, answers: Answers, windows: Tensor) -> Tensor:
    """A network's answer for one output of its card: (n, channels, h, w) float32, of SCENE (n, channels).

    An output without a name goes by that of its kind. Indices of classes become votes: 1 for the class, 0 for the others.

    Args:
        card: of the model.
        output: one of the card's.
        answers: see `zoo.network.Answers`. The dimension of channels may be missing where there is only one.
        windows: (n, bands, h, w) that were asked for.

    Raises:
        ModelError: it is not what the card says, with both.
    """
    name = output.name or ("" if "" in answers else output.kind.value)
    if name not in answers:
        given = ", ".join(repr(name) for name in answers) or "nothing"
        raise _misfit(card, f"has an output {name!r}, but the network gives {given}")
    answer = answers[name]
    if output.kind is OutputKind.BOXES:
        return _checked_objects(card, output, answer, len(windows))
    dense = output.kind is not OutputKind.SCENE
    wanted_size = tuple(windows.shape[-2:]) if dense else ()
    answer = _with_channels(answer, output, wanted_size)
    shape = tuple(answer.shape)
    if len(shape) != (4 if dense else 2) or shape[0] != windows.shape[0] or shape[2:] != wanted_size:
        wanted = f"{windows.shape[0]} x channels" + "".join(f" x {side}" for side in wanted_size)
        raise _misfit(card, f"promises numbers of the shape {wanted} for {_called(output)}, but {_shape(shape)} came")
    allowed = _channels(output)
    if shape[1] not in allowed:
        what = f"one {output.kind}" if output.kind in NUMBERS else f"{len(output.classes)} classes"
        raise _misfit(card, f"promises {what} in {_called(output)}, but {shape[1]} channels came")
    if output.kind not in NUMBERS and output.scores is Scores.INDEX:
        return _votes(card, output, answer[:, 0])
    return answer.float()


def _checked_objects(card: ModelCard, output: ModelOutput, answer: Tensor, count: int) -> Tensor:
    """(n, objects, columns), see `objects.COLUMNS`."""
    shape = tuple(answer.shape)
    side = math.isqrt(max(shape[-1] - COLUMNS, 0)) if shape else 0
    if len(shape) != 3 or shape[0] != count or shape[2] != COLUMNS + side * side:
        raise _misfit(
            card, f"promises objects of {COLUMNS} numbers and a mask in {_called(output)}, but {_shape(shape)} came"
        )
    classes = answer[..., 4]
    if answer.numel() and not (float(classes.min()) >= 0 and float(classes.max()) < len(output.classes)):
        raise _misfit(card, f"has {len(output.classes)} classes in {_called(output)}, but the network names others")
    return answer.float()


def _with_channels(answer: Tensor, output: ModelOutput, size: tuple[int, ...]) -> Tensor:
    """Puts the dimension of channels where there is only one and the network left it out; takes needless ones away."""
    single = output.kind in NUMBERS or output.scores is Scores.INDEX
    if size:
        return answer[:, None] if single and answer.ndim == 3 else answer
    if answer.ndim > 2 and answer[0].numel() == answer.shape[1]:
        answer = answer.flatten(1)
    return answer[:, None] if single and answer.ndim == 1 else answer


def _channels(output: ModelOutput) -> tuple[int, ...]:
    if output.kind in NUMBERS or output.scores is Scores.INDEX:
        return (1,)
    count = len(output.classes)
    return (2, 1) if count == 2 and output.scores is not Scores.INDEPENDENT else (count,)


def _votes(card: ModelCard, output: ModelOutput, index: Tensor) -> Tensor:
    count = len(output.classes)
    index = index.round().long() if index.is_floating_point() else index.long()
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise _misfit(card, f"has {count} classes in {_called(output)}, but the network names class {wrong}")
    return functional.one_hot(index, count).movedim(-1, 1).float()


def _misfit(card: ModelCard, what: str) -> ModelError:
    return ModelError(f"The card of {card.title} {what}. Correct the card, or take the weights it was made for.")


def _called(output: ModelOutput) -> str:
    return repr(output.name or output.title or output.kind.value)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(str(side) for side in shape) or "a single number"


def winners(scores: Tensor, output: ModelOutput) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]:
    """The class with the highest score; of those with a threshold the first one, "none", where no other is above it.

    Args:
        scores: (channels, h, w) on any device.
        output: of the card.

    Returns:
        Its place among the classes, its probability, and where scores are numbers at all; (h, w) each. The probability of
        INDEX is the share of votes and means nothing.
    """
    rows = max(AT_ONCE // max(scores.shape[0] * scores.shape[2], 1), 1)
    parts = [_winners(part, output) for part in torch.split(scores, rows, dim=1)]
    place, probability, known = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return place.astype(np.intp), np.array(probability, np.float32), known.astype(bool)


def _winners(scores: Tensor, output: ModelOutput) -> tuple[Tensor, Tensor, Tensor]:
    meaning = output.scores
    if output.threshold:  # only now, of the mean of all passes and windows
        best, place = scores[-max(scores.shape[0] - 1, 1) :].max(dim=0)  # a single channel is that of the only class
        above = best > output.threshold
        return (above * (place + 1)).to(torch.int32), torch.where(above, best, 1 - best), best.isfinite()
    if scores.shape[0] == 1 and meaning is not Scores.INDEX:  # one channel, two classes
        certainty = scores[0].sigmoid() if meaning is Scores.LOGITS else scores[0]
        place = certainty >= 0.5
        return place.to(torch.int32), torch.where(place, certainty, 1 - certainty), scores[0].isfinite()
    best, place = scores.max(dim=0)
    known = best.isfinite()
    if meaning is Scores.LOGITS:
        best = 1 / (scores - best).exp_().sum(dim=0)
    return place.to(torch.int32), best, known


def scene_scores(scores: Tensor, output: ModelOutput) -> tuple[Score, ...]:
    """Classes of a whole tile, the likeliest first: the mean of what its windows say.

    Args:
        scores: (windows, channels).
        output: of the card.

    Raises:
        ModelError: the scores are not numbers.
    """
    if output.scores is Scores.LOGITS:
        scores = scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(dim=1)
    elif output.scores is Scores.INDEPENDENT:
        scores = scores.sigmoid()
    mean = scores.mean(dim=0)
    if len(mean) == 1:
        mean = torch.cat([1 - mean, mean])
    if not bool(mean.isfinite().all()):
        raise ModelError(
            f"The network gives no numbers for {_called(output)}, but NaN or infinity. Choose float32, or other weights."
        )
    order = mean.argsort(descending=True, stable=True).tolist()
    said = mean.tolist()
    return tuple(Score(output.classes[place].name, said[place]) for place in order)


def label_values(classes: Sequence[LabelClass]) -> NDArray[Any]:
    """The labels of datasets by channel of the network, uint8 where they fit, else uint16.

    Raises:
        ModelError: one is no label that a raster of 16 bits holds.
    """
    values = [one.value for one in classes]
    wrong = [value for value in values if not 0 <= value < 1 << 16]
    if wrong:
        raise ModelError(f"The card gives a class the label {wrong[0]}; labels are 0 to 65535. Correct the card.")
    return np.array(values, np.uint8 if max(values, default=0) < 256 else np.uint16)
