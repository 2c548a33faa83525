"""How well texts and images of a dataset find each other: labels among classes in words, captions among images.

The measures are those of SkyScript's evaluation (Wang et al., AAAI 2024): the share of tiles whose label is the likeliest class
or one of the five likeliest, and R@k for captions. Many images may have one caption, and it counts for all of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.prediction import Prediction
from rsviewer.core.prompts import place_of

RECALLS = (1, 5, 10)
"""How many of the nearest are looked at for R@k."""
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class WordScores:
    """What words say of one tile.

    Attributes:
        similarity: cosine of the features of image and caption; None where there is none.
        place: of the label among the classes, the likeliest first, from 0; None where there is none, or it is no class.
        unknown: there is a label, but none of the classes is called so.
    """

    similarity: float | None = None
    place: int | None = None
    unknown: bool = False


def word_scores(prediction: Prediction, label: str = "") -> WordScores | None:
    """What words say of a tile; None where they say nothing.

    Args:
        prediction: of a network that reads.
        label: the class that the tile has; empty where nobody knows.
    """
    place = place_of(label, tuple(one.name for one in prediction.scores)) if label else None
    found = WordScores(prediction.similarity, place, unknown=bool(label) and place is None)
    return None if found == WordScores() else found


def word_numbers(scores: WordScores | None) -> dict[str, float]:
    """One tile's scores under the names of `core.metrics.SCORE_COLUMNS`; those that are not known are absent."""
    found: dict[str, float] = {}
    if scores is not None and scores.similarity is not None:
        found["similarity"] = scores.similarity
    if scores is not None and scores.place is not None:
        found |= {"top1": float(scores.place < 1), "top5": float(scores.place < 5)}
    return found


@dataclass(slots=True)
class WordTotals:
    """Scores over many tiles.

    Attributes:
        unknown: tiles whose label is no class.
    """

    unknown: int = 0
    _values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, scores: WordScores | None) -> None:
        """Takes one tile in."""
        self.unknown += scores is not None and scores.unknown
        for name, value in word_numbers(scores).items():
            self._values.setdefault(name, []).append(value)

    def metrics(self) -> dict[str, float]:
        """Name -> mean over the tiles that have it: "top1", "top5", "similarity"; "tiles_labelled" of the first two."""
        found = {name: math.fsum(values) / len(values) for name, values in self._values.items()}
        labelled = len(self._values.get("top1", ()))
        return found | ({"tiles_labelled": float(labelled)} if labelled else {})


def retrieval(images: NDArray[np.floating], texts: NDArray[np.floating], captions: Sequence[str]) -> dict[str, float]:
    """R@k in both directions. An image is found where one of the k nearest texts is its own, and the other way round.

    Where two are equally near, the wrong one counts as the nearer.

    Args:
        images: (tiles, n), rows of length 1.
        texts: (tiles, n) of their captions.
        captions: of each tile, or what tells two captions apart: equal ones are one text.

    Returns:
        "image_to_text_r1", "text_to_image_r1" and so on for RECALLS, shares; nothing without tiles.
    """
    if not len(captions):
        return {}
    firsts: dict[str, int] = {}
    text_of = np.array([firsts.setdefault(caption, len(firsts)) for caption in captions], np.intp)
    rows = np.unique(text_of, return_index=True)[1]
    different = np.asarray(texts[rows], np.float32)
    pictures = np.asarray(images, np.float32)
    of_images = _before(pictures, different, text_of, np.arange(len(different)))
    of_texts = _before(different, pictures, np.arange(len(different)), text_of)
    found = {f"text_to_image_r{k}": float((of_texts < k).mean()) for k in RECALLS}
    return found | {f"image_to_text_r{k}": float((of_images < k).mean()) for k in RECALLS}


def _before(
    asking: NDArray[np.float32],
    asked: NDArray[np.float32],
    group: NDArray[np.integer],
    group_of_asked: NDArray[np.integer],
) -> NDArray[np.intp]:
    """(asking,) how many of the asked (rows, n) that are not in its group come before the nearest one that is."""
    found = np.zeros(len(asking), np.intp)
    for start in range(0, len(asking), _BLOCK):
        part = slice(start, start + _BLOCK)
        cosines = asking[part] @ asked.T
        own = group[part, None] == group_of_asked[None, :]
        best = np.where(own, cosines, -np.inf).max(axis=1, keepdims=True)
        found[part] = np.count_nonzero((cosines >= best) & ~own, axis=1)
    return found
