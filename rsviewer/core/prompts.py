"""Classes in words: what the user asks a network that can read, instead of classes that it was trained for.

The words take the place of the card's classes, so that all that asks a card for its classes finds those of the user.
"""

from dataclasses import replace

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, OutputKind, Scores
from rsviewer.core.tile import LabelClass, printable

MOST_WORDS = 1000
"""Classes that can be asked for at once: the largest benchmarks have fewer than a hundred."""
LONGEST = 200
"""Characters of a class: a network reads no more than some 70 words."""
_GREY = (128, 128, 128)


def takes_words(card: ModelCard) -> bool:
    """Whether the user says which classes there are."""
    output = card.output(OutputKind.SCENE)
    return output is not None and output.scores is Scores.PROMPTS


def words_of(card: ModelCard) -> tuple[str, ...]:
    """The classes that a card asks for in words; empty for a network that has classes of its own."""
    output = card.output(OutputKind.SCENE)
    return tuple(one.name for one in output.classes) if output is not None and takes_words(card) else ()


def with_words(card: ModelCard, words: tuple[str, ...]) -> ModelCard:
    """The same card that asks for other classes; as it is where there are no words, or it takes none.

    Words may come from a project of a stranger: no more are taken than `parse_words` allows.
    """
    said = tuple(dict.fromkeys(word[:LONGEST] for word in words if word.strip()))[:MOST_WORDS]
    if not said or not takes_words(card):
        return card
    classes = tuple(LabelClass(number, word, _GREY) for number, word in enumerate(said))
    outputs = (
        replace(one, classes=classes) if one.kind is OutputKind.SCENE and one.scores is Scores.PROMPTS else one
        for one in card.outputs
    )
    return replace(card, outputs=tuple(outputs))


def without_words(card: ModelCard) -> ModelCard:
    """The same card that asks for nothing: equal for all classes that it could ask for."""
    outputs = tuple(
        replace(one, classes=()) if one.kind is OutputKind.SCENE and one.scores is Scores.PROMPTS else one
        for one in card.outputs
    )
    return replace(card, outputs=outputs)


def parse_words(text: str) -> tuple[str, ...]:
    """Classes, one a line. Blank lines and those that begin with # are passed over, and what was said before.

    Raises:
        ModelError: there are fewer than two, too many, or a line is too long.
    """
    lines = (" ".join(line.split()) for line in printable(text).removeprefix("\ufeff").splitlines())
    words = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if len(words) < 2:
        raise ModelError("Write two classes at least, each on a line of its own: a model can only choose between some.")
    if len(words) > MOST_WORDS:
        raise ModelError(f"There are {len(words):,} classes: {MOST_WORDS:,} at most can be asked for at once.")
    longest = max(words, key=len)
    if len(longest) > LONGEST:
        raise ModelError(f"A class has {len(longest):,} characters ({longest[:40]} …): a line has {LONGEST} at most.")
    return words


def place_of(label: str, words: tuple[str, ...]) -> int | None:
    """Which of the classes a label means: the same letters and digits, whatever stands between them. None for no class."""
    wanted = _bare(label)
    return next((number for number, word in enumerate(words) if wanted and _bare(word) == wanted), None)


def _bare(word: str) -> str:
    """Its letters and digits in small ones: "Dense_Residential" and "dense residential" are one class."""
    return "".join(letter for letter in word.casefold() if letter.isalnum())
