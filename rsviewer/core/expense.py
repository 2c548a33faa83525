"""How long a model takes for a tile without a GPU, where that is so long that the user has to say yes to it."""

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, Precision, RunOptions, chosen

STEP_SECONDS, ANSWER_SECONDS, TILE_SECONDS = "step_seconds", "answer_seconds", "tile_seconds"
"""Settings of a card: seconds of one step, of each answer beside its steps, and of a tile beside its answers, with two threads
of a processor, for 512 x 512 pixels in float32. Without the first a model is fast."""
BFLOAT16 = "_bfloat16"
"""Ending of the same settings for bfloat16; where one is not told, that is no faster."""
ATTENTION = "attention_share"
"""Setting of a card: the share of a step that grows with the square of the pixels, as attention does."""
STEPS, ENSEMBLE, RESOLUTION = "steps", "ensemble", "resolution"
"""Options that such a card has: steps of one answer, answers that are taken together, and pixels of the longer side of what is
computed, 0 for those of the tile."""
SIDE, THREADS = 512, 2
"""Pixels of the tiles that were measured, and threads."""
MOST_THREADS = 16
"""From there on more of them were not seen to help."""


def expected_seconds(
    card: ModelCard, options: RunOptions, size: tuple[int, int] = (SIDE, SIDE), threads: int = THREADS
) -> float:
    """Seconds that a tile takes on a processor; 0 for a model that is fast enough not to ask.

    Args:
        card: of the model.
        options: how it is run.
        size: height and width of the tile.
        threads: that it has, see `inference.processor.thread_count`.
    """
    said = {**card.settings, **chosen(card, options)}
    if not _number(said, STEP_SECONDS):
        return 0.0
    exact = options.precision is Precision.FLOAT32  # a processor takes bfloat16 for float16, too
    step, answer, tile = (_seconds(said, name, exact=exact) for name in (STEP_SECONDS, ANSWER_SECONDS, TILE_SECONDS))
    height, width = size
    stretch = _number(said, RESOLUTION) / max(height, width, 1) or 1.0
    share = height * width * stretch**2 / SIDE**2
    attention = min(_number(said, ATTENTION), 1.0)
    steps = step * max(_number(said, STEPS), 1.0) * share * (1 - attention + attention * share)
    answers = (steps + answer * share) * max(_number(said, ENSEMBLE), 1.0)
    return (answers + tile * share) * THREADS / min(max(threads, 1), MOST_THREADS)


def check_patience(
    card: ModelCard, options: RunOptions, size: tuple[int, int] = (SIDE, SIDE), threads: int = THREADS
) -> None:
    """Raises ModelError where a model would take minutes for a tile on the processor and nobody said yes to that."""
    seconds = expected_seconds(card, options, size, threads)
    if seconds and not options.slow:
        raise ModelError(
            f"{card.title} is made for a GPU. On the processor {cost(seconds, size, threads)}: take fewer steps, or say that"
            " this is fine, in the model panel or with --slow-is-fine."
        )


def cost(seconds: float, size: tuple[int, int], threads: int) -> str:
    """What a tile takes, in words.

    Args:
        seconds: see `expected_seconds`.
        size: height and width of the tile.
        threads: of the processor; 0 where the time was measured, and is no estimate.
    """
    height, width = size
    with_threads = f" with {threads} {'thread' if threads == 1 else 'threads'}" if threads else ""
    return f"a tile of {width} x {height} takes about {spoken(seconds)}{with_threads}"


def spoken(seconds: float) -> str:
    """A time as people say it, e.g. "40 s", "3.5 min", "2.1 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"
    return f"{minutes / 60:.1f} h"


def _seconds(said: dict[str, str | int | float | bool], name: str, *, exact: bool) -> float:
    return (0.0 if exact else _number(said, f"{name}{BFLOAT16}")) or _number(said, name)


def _number(said: dict[str, str | int | float | bool], name: str) -> float:
    value = said.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0
