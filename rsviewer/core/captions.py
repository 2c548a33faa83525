"""What is said of a tile in words: which layer says it, and what of that a network reads."""

import re
from collections.abc import Sequence

from rsviewer.core.model import ModelCard, OutputKind
from rsviewer.core.prompts import takes_words
from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Text

CAPTIONS = ("caption", "text", "prompt", "text_processed")
"""Ids of layers that hold captions, the likeliest first."""
RETRIEVED = ("title_multi_objects", "title", "title_raw", "caption")
"""Of several captions of SkyScript's tables, those by which an image is to be retrieved, as in the authors' evaluation."""
_NAMED = re.compile(rf"({'|'.join(RETRIEVED)}): ")
"""How a caption begins that stands beside others of the same tile."""


def reads_captions(card: ModelCard) -> bool:
    """Whether a model looks at the caption of a tile."""
    told = {option.id for option in card.options} | set(card.settings)
    return takes_words(card) or "caption" in told


def caption_layer(layers: Sequence[LayerSpec]) -> LayerSpec | None:
    """The layer with the captions; None where there is none."""
    texts = {str(spec.id): spec for spec in layers if spec.kind is LayerKind.TEXT}
    return next((texts[name] for name in CAPTIONS if name in texts), None)


def label_layer(card: ModelCard, layers: Sequence[LayerSpec]) -> LayerSpec | None:
    """The layer that says in words of which class a tile is, for a model that is asked in words; None where there is none."""
    output = card.output(OutputKind.SCENE)
    if output is None or not takes_words(card):
        return None
    texts = {str(spec.id): spec for spec in layers if spec.kind is LayerKind.TEXT}
    return next((texts[name] for name in output.reference if name in texts), None)


def caption_of(content: LayerContent) -> str:
    """What a network reads: of several captions the first one, in one line. Empty where there is none."""
    if not isinstance(content, Text):
        return ""
    first = content.text.strip().partition("\n\n")[0]
    return " ".join(_NAMED.sub("", first, count=1).split() if _NAMED.match(first) else first.split())


def retrieved_by(content: LayerContent) -> tuple[str, ...]:
    """The captions by which an image is to be retrieved, each in one line: of SkyScript's one, see RETRIEVED, else all."""
    if not isinstance(content, Text):
        return ()
    parts = [part for part in content.text.strip().split("\n\n") if part.strip()]
    named = {match[1]: part[match.end() :] for part in parts if (match := _NAMED.match(part))}
    chosen = [named[name] for name in RETRIEVED if name in named][:1] or parts
    return tuple(dict.fromkeys(" ".join(part.split()) for part in chosen))
