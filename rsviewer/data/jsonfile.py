"""JSON from strangers: small files whole, huge ones through a pattern, neither ever more than was allowed for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsviewer.data.tree import Tree

LONGEST_MATCH = 4096
"""Bytes. What a pattern matches must be shorter, for it may lie across the border of two pieces."""

_PIECE = 4 << 20
_MOST_AT_ONCE = 256 << 20  # of a file that cannot be read in pieces; of a longer one the rest is left out


def read_json(tree: Tree, path: str, most: int) -> Any:
    """What a JSON file holds. NaN and Infinity are numbers here.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, not JSON, or nested too deeply; the message is a sentence.
    """
    raw = tree.read(path, most + 1)
    if len(raw) > most:
        raise ValueError(f"It is larger than {most >> 20} MB: nothing of this kind is.")
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"))
    except RecursionError:
        raise ValueError("It is nested too deeply to be read.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"It is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except ValueError:  # a number of thousands of digits
        raise ValueError("It is not JSON: it holds a number that is too long.") from None


def matches(tree: Tree, path: str, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """What a pattern finds in a file of any size, piece by piece. Raises OSError.

    Args:
        tree: where the file is.
        path: of the file.
        pattern: matches no more than LONGEST_MATCH bytes, and ends with a letter that ends what is looked for.
    """
    rest = b""
    for piece in _pieces(tree, path):
        text = rest + piece
        end = 0
        for match in pattern.finditer(text):
            end = match.end()
            yield match
        rest = text[max(end, len(text) - LONGEST_MATCH) :]


def _pieces(tree: Tree, path: str) -> Iterator[bytes]:
    if not tree.is_file(path):
        raise OSError(None, "it is no regular file", path)
    place = tree.place(path)
    if place.content is not None or place.remote:
        content = tree.read(path, _MOST_AT_ONCE) if place.content is None else place.content
        yield from (content[start : start + _PIECE] for start in range(0, len(content), _PIECE))
        return
    with Path(place.path).open("rb") as file:
        file.seek(place.offset)
        left = place.size
        while piece := file.read(_PIECE if left is None else min(_PIECE, left)):
            left = None if left is None else left - len(piece)
            yield piece
