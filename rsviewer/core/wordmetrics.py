"""How well texts and images of a dataset find each other: labels among classes in words, captions among images.

The measures are those of SkyScript's evaluation (Wang et al., AAAI 2024): the share of tiles whose label is the likeliest class
or one of the five likeliest, and R@k for captions. Many images may have one caption, and it counts for all of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.prediction import Prediction
from rsviewer.core.prompts import place_of

RECALLS = (1, 5, 10)
"""How many of the nearest are looked at for R@k."""
_BLOCK, _WIDTH = 1024, 8192
"""Images and texts of which all cosines are there at once: 32 MB."""
_EQUAL = 1e-6
"""Cosines that differ by less are equal: sums in another order differ by so much."""


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


def retrieval(
    images: NDArray[np.floating],
    texts: NDArray[np.floating],
    pairs: NDArray[np.integer],
    tell: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, float]:
    """R@k in both directions. An image is found where one of the k nearest texts is one of its own, and the other way round.

    Where two are equally near, the wrong one counts as the nearer. The table of all cosines is never there as a whole.

    Args:
        images: (images, n), rows of length 1, each different image once.
        texts: (texts, n), likewise.
        pairs: (pairs, 2) which image and which text belong together. Images and texts without any are only in the way.
        tell: called with the images that are done and how many there are: of many it takes minutes.

    Returns:
        "image_to_text_r1", "text_to_image_r1" and so on for RECALLS, shares; nothing without pairs.
    """
    if not len(pairs):
        return {}
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    best_text, best_image = _best_own(images, texts, pairs)
    before_image = np.zeros(len(images), np.int64)
    before_text = np.zeros(len(texts), np.int64)
    for start in range(0, len(images), _BLOCK):
        tell(start, len(images))
        part = slice(start, min(start + _BLOCK, len(images)))
        asking = _numbers(images[part])
        mine = pairs[np.searchsorted(pairs[:, 0], part.start) : np.searchsorted(pairs[:, 0], part.stop)]
        for first in range(0, len(texts), _WIDTH):
            across = slice(first, min(first + _WIDTH, len(texts)))
            cosines = asking @ _numbers(texts[across]).T
            own = mine[(mine[:, 1] >= across.start) & (mine[:, 1] < across.stop)]
            cosines[own[:, 0] - part.start, own[:, 1] - across.start] = -np.inf
            before_image[part] += np.count_nonzero(cosines >= best_text[part, None] - _EQUAL, axis=1)
            before_text[across] += np.count_nonzero(cosines >= best_image[None, across] - _EQUAL, axis=0)
    found = {f"text_to_image_r{k}": _share(before_text < k, best_image, pairs[:, 1]) for k in RECALLS}
    return found | {f"image_to_text_r{k}": _share(before_image < k, best_text, pairs[:, 0]) for k in RECALLS}


def _numbers(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """(rows, n), NaN where one of them is no number or infinite: those are near nothing."""
    found = np.array(rows, np.float32)
    found[~np.isfinite(found).all(axis=1)] = np.nan
    return found


def _share(is_found: NDArray[np.bool_], best: NDArray[np.float32], asked: NDArray[np.integer]) -> float:
    """Of those that are asked. What is no number is not found, among however few."""
    return float((is_found & np.isfinite(best))[np.unique(asked)].mean())


def _best_own(
    images: NDArray[np.floating], texts: NDArray[np.floating], pairs: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The cosine of each image and its nearest own text, and of each text and its nearest own image; -inf without any."""
    of_image = np.full(len(images), -np.inf, np.float32)
    of_text = np.full(len(texts), -np.inf, np.float32)
    for start in range(0, len(pairs), _WIDTH):
        image, text = pairs[start : start + _WIDTH].T
        cosines = np.einsum("ij,ij->i", _numbers(images[image]), _numbers(texts[text]))
        cosines[~np.isfinite(cosines)] = -np.inf
        np.maximum.at(of_image, image, cosines)
        np.maximum.at(of_text, text, cosines)
    return of_image, of_text
