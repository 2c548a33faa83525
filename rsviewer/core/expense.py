"""How long a model takes for a tile without a GPU, where that is so long that the user has to say yes to it."""

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, Precision, RunOptions, chosen

STEP_SECONDS = "step_seconds"
"""Setting of a card: seconds of one step on two cores, for a tile of 512 x 512 in float32. Without it a model is fast."""
STEP_SECONDS_BFLOAT16 = "step_seconds_bfloat16"
"""The same in bfloat16; where it is not told, that is no faster."""
ANSWER_SECONDS = "answer_seconds"
"""Setting of a card: what each answer takes beside its steps, on the same machine."""
STEPS, ENSEMBLE, RESOLUTION = "steps", "ensemble", "resolution"
"""Options that such a card has: steps of one answer, answers that are taken together, and pixels of the longer side of what is
computed, 0 for those of the tile."""
SIDE = 512
"""Pixels of the tiles that were measured."""


def expected_seconds(card: ModelCard, options: RunOptions, size: tuple[int, int] = (SIDE, SIDE)) -> float:
    """Seconds that a tile takes on a processor of two cores; 0 for a model that is fast enough not to ask.

    Args:
        card: of the model.
        options: how it is run.
        size: height and width of the tile.
    """
    said = {**card.settings, **chosen(card, options)}
    seconds = _number(said, STEP_SECONDS)
    if options.precision is Precision.BFLOAT16:
        seconds = _number(said, STEP_SECONDS_BFLOAT16) or seconds
    height, width = size
    stretch = _number(said, RESOLUTION) / max(height, width, 1) or 1.0
    share = height * width * stretch**2 / SIDE**2
    answer = seconds * max(_number(said, STEPS), 1.0) + _number(said, ANSWER_SECONDS)
    return answer * max(_number(said, ENSEMBLE), 1.0) * share if seconds else 0.0


def check_patience(card: ModelCard, options: RunOptions) -> None:
    """Raises ModelError where a model would take minutes for a tile on the processor and nobody said yes to that."""
    seconds = expected_seconds(card, options)
    if seconds and not options.slow:
        raise ModelError(
            f"{card.title} is made for a GPU. On the processor a tile of {SIDE} x {SIDE} takes about {spoken(seconds)} with two"
            " cores: take fewer steps, or say that this is fine, in the model panel or with --slow-is-fine."
        )


def spoken(seconds: float) -> str:
    """A time as people say it, e.g. "40 s", "3.5 min", "2.1 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"
    return f"{minutes / 60:.1f} h"


def _number(said: dict[str, str | int | float | bool], name: str) -> float:
    value = said.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0
