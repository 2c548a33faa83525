"""What a model says of a whole tile, as bars beside what is there."""

from collections.abc import Sequence

from rsviewer.core.model import ModelOutput, Scores
from rsviewer.core.prediction import Score
from rsviewer.core.scenemetrics import THERE, SceneScores
from rsviewer.ui.figures import Bar, Row, percent

MOST = 5
"""Classes of a whole tile that are shown, the likeliest first."""
MOST_SEVERAL = 20
"""Where a tile may have several, so many at most."""
RIGHT, WRONG, MISSED = "✓", "✗", "○"
"""Before a class: said and there, said but not there, there but not said."""
MARKS = f"{RIGHT} said and there, {WRONG} said and not there, {MISSED} there and not said"
PROBABILITY = "probability, as the model says"


def line_count(output: ModelOutput) -> int:
    """How many bars there are: always as many, so that nothing jumps."""
    return min(MOST_SEVERAL if output.scores is Scores.INDEPENDENT else MOST, len(output.classes))


def scene_bars(
    output: ModelOutput, scores: Sequence[Score], compared: SceneScores | None, *, known: bool
) -> tuple[Bar, ...]:
    """The likeliest classes of the whole tile; lines without words while they are not known.

    Args:
        output: of the card, of kind SCENE.
        scores: the likeliest first.
        compared: the same beside what is there; None where nothing is known of that.
        known: the tile was predicted.
    """
    most = line_count(output)
    if not known:
        return tuple(Bar("", None) for _ in range(most))
    several = output.scores is Scores.INDEPENDENT
    tip = f"{PROBABILITY}, of this class by itself: from {THERE:.0%} it is said to be there" if several else PROBABILITY
    tip = tip if compared is None else f"{tip}\n{MARKS}"
    colors = {one.name: one.color for one in output.classes} if several or compared is not None else {}
    marks = _marks(output, compared)
    return tuple(
        Bar(f"{marks.get(one.name, '')}{one.name}", one.probability, colors.get(one.name), tip) for one in scores[:most]
    )


def area_bars(output: ModelOutput, compared: SceneScores | None, what: str) -> tuple[Bar, ...]:
    """What the tile's own labels show, the largest first; none where that is not known. `what` says what a bar is."""
    if compared is None:
        return ()
    limit = f"\nfrom {compared.least_share:.0%} it counts as one of its classes" if compared.several else ""
    parts = sorted(zip(compared.shares, output.classes, strict=True), key=lambda part: -part[0])
    return tuple(Bar(one.name, share, one.color, f"{what}{limit}") for share, one in parts if share)


def scene_rows(compared: SceneScores) -> tuple[Row, ...]:
    """How right it is, in words and numbers."""
    if not compared.several:
        return (
            Row(
                "class",
                ("right" if compared.accuracy else "wrong",),
                "The likeliest class, and the one of most pixels.",
            ),
        )
    return (
        Row("right answers", (percent(compared.accuracy),), "Of all classes, whether they are there or not."),
        Row("F1", (percent(compared.f1),), "Of the classes that are there, and those that are said to be."),
    )


def _marks(output: ModelOutput, compared: SceneScores | None) -> dict[str, str]:
    if compared is None:
        return {}
    marks = {(True, True): f"{RIGHT} ", (True, False): f"{WRONG} ", (False, True): f"{MISSED} "}
    answers = zip(output.classes, compared.said, compared.true, strict=True)
    return {one.name: marks.get((said, true), "") for one, said, true in answers}
