"""What became of every tile that a model was run on, in a file that only ever grows: hours of work outlive any interruption.

`predictions/<model id>-<fingerprint>/scores.jsonl`, one JSON object a line, the last one of a tile counts. A line that was cut
short, or that another version of the program wrote by other rules, is passed over: its tile is then predicted again. The
numbers in it are enough for the scores of the whole dataset, of which the index keeps those that filters ask for.
"""

import json
import logging
import math
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.agreement import BINS, Agreement
from rsviewer.core.errors import SaveError
from rsviewer.core.linemetrics import LineScores
from rsviewer.core.metrics import HeightScores, LabelScores, QuantityScores, RegionScores, label_scores
from rsviewer.core.objectmetrics import FROM_SCORES, ObjectScores
from rsviewer.core.prediction import Score
from rsviewer.core.relative import RelativeScores
from rsviewer.core.scenemetrics import SceneScores
from rsviewer.core.tile import TileId, printable
from rsviewer.core.wordmetrics import WordScores

log = logging.getLogger(__name__)

NAME = "scores.jsonl"

RULES = 2
"""Raised when the definitions of scores or the bins of `core.agreement` change: old numbers are then not reused."""

MOST_LINE = 16 << 20
"""Bytes of a line: a confusion table of a thousand classes takes 2 MB. What is longer was not written by this program."""

MOST_SCENES = 20
"""So many classes of a whole tile are kept, the likeliest ones: of SEN12MS, where a tile has several, all."""

_PLAIN = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A pipe, when it is opened, is not waited for."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True, eq=False)
class TileRecord:
    """What is known of one tile.

    Attributes:
        tile: which.
        references: what it was compared with: "height", "labels", "quantity" -> id of the layer; absent where with nothing.
        heights, labels, quantity: its scores, None where there is nothing to compare.
        agreement: of its heights.
        scene: classes of the whole tile, the likeliest first.
        compared_scene: all of them beside what is there.
        objects, lines: what was found of vector labels.
        words: what label and caption say of them.
    """

    tile: TileId
    references: Mapping[str, str] = field(default_factory=dict)
    heights: HeightScores | None = None
    labels: LabelScores | None = None
    agreement: Agreement | None = None
    scene: tuple[Score, ...] = ()
    quantity: QuantityScores | None = None
    compared_scene: SceneScores | None = None
    objects: ObjectScores | None = None
    lines: LineScores | None = None
    words: WordScores | None = None


class ScoreBook:
    """The records of one model in one folder. Appending may be done from any thread; use it as a context.

    Args:
        folder: made when the first record is added.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: BinaryIO | None = None
        self._guard = threading.Lock()

    def records(self, references: Mapping[str, str]) -> Iterator[TileRecord]:
        """Every tile that was compared with these very layers, once, as it was recorded last. Reads the file twice."""
        last = {record[0]: number for number, record in self._lines(references)}
        places = set(last.values())
        for number, (_, parts) in self._lines(references):
            if number in places:
                try:
                    yield _record(parts)
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                    log.info("Line %d of %s is not used: %s", number + 1, printable(str(self._path)), error)

    def add(self, record: TileRecord) -> None:
        """Writes a record down: another program that looks sees it at once. Raises SaveError."""
        line = json.dumps(_parts(record), separators=(",", ":")).encode() + b"\n"
        try:
            with self._guard:
                file = self._file = self._file or _open_at_line_start(self._path)
                file.write(line)
                file.flush()
        except OSError as error:
            if os.path.lexists(self._path) and (self._path.is_symlink() or not self._path.is_file()):
                raise SaveError(f"{printable(str(self._path))} is no plain file: take it away.") from error
            raise SaveError(
                f"{printable(str(self._path))} cannot be written ({error.strerror or error}). "
                "Make room or give permission there."
            ) from error

    def close(self) -> None:
        """Lets go of the file."""
        with self._guard:
            if self._file is not None:
                self._file.close()
                self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _lines(self, references: Mapping[str, str]) -> Iterator[tuple[int, tuple[str, dict[str, Any]]]]:
        """(number of the line, (tile, what it says)) of those that can be used."""
        try:
            with _open_plain(self._path, os.O_RDONLY, "rb") as file:
                for number, line in enumerate(_whole_lines(file)):
                    parts = _table(line)
                    tile = parts.get("tile")
                    if isinstance(tile, str) and parts.get("rules") == RULES and parts.get("references") == references:
                        yield number, (tile, parts)
        except FileNotFoundError:
            return
        except OSError as error:
            log.info("Cannot read %s: %s", printable(str(self._path)), error)


def _open_at_line_start(path: Path) -> BinaryIO:
    """The file, ready for the next line; one that was cut short is ended first. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open_plain(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_LINK, "ab+")
    if size := file.seek(0, 2):
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


def _open_plain(path: Path, flags: int, mode: str) -> BinaryIO:
    """A file that is a file. The project may come from a stranger: a link could lead to any file of the user's.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a device, or with _NO_LINK a link.
    """
    number = os.open(path, flags | _PLAIN, 0o666)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError("It is no plain file")
    return cast("BinaryIO", os.fdopen(number, mode))


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines; in the place of one that is too long, its first bytes, which nothing can be made of."""
    while line := file.readline(MOST_LINE):
        end = line
        while end and not end.endswith(b"\n"):
            end = file.readline(MOST_LINE)
        yield line


def _table(line: bytes) -> dict[str, Any]:
    try:
        parts = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return parts if isinstance(parts, dict) else {}


def _parts(record: TileRecord) -> dict[str, Any]:
    """What is written of a record."""
    parts: dict[str, Any] = {"tile": record.tile, "rules": RULES, "references": dict(record.references)}
    if record.heights is not None:
        parts["heights"] = asdict(record.heights)
    if record.labels is not None:
        parts["labels"] = record.labels.confusion.tolist()
        if record.labels.none is not None:
            parts["labels_none"] = record.labels.none
    if record.quantity is not None:
        parts["quantity"] = asdict(record.quantity)
    if record.agreement is not None:
        parts["agreement"] = _agreement_parts(record.agreement)
    if record.scene:
        parts["scene"] = [[score.name, score.probability] for score in record.scene[:MOST_SCENES]]
    if record.objects is not None:
        parts["objects"] = {name: list(map(list, counts)) for name, counts in record.objects.by_score.items()}
    if record.lines is not None:
        parts["lines"] = {name: list(counts) for name, counts in record.lines.counts.items()}
    if record.compared_scene is not None:
        parts["compared_scene"] = asdict(record.compared_scene)
    if record.words is not None:
        parts["words"] = asdict(record.words)
    return parts


def _agreement_parts(agreement: Agreement) -> dict[str, list[Any]]:
    """The cells and bins that hold something: some hundred of thousands."""
    flat = agreement.counts.reshape(-1)
    cells = np.flatnonzero(flat)
    bins = np.flatnonzero(agreement.pixels)
    return {
        "cells": cells.tolist(),
        "counts": flat[cells].tolist(),
        "bins": bins.tolist(),
        "errors": [float(f"{value:.7g}") for value in agreement.errors[bins]],
        "absolute": [float(f"{value:.7g}") for value in agreement.absolute[bins]],
    }


def _record(parts: Mapping[str, Any]) -> TileRecord:
    """A record as it was written. Raises one of several errors where it was not written by this program."""
    return TileRecord(
        TileId(parts["tile"]),
        parts["references"],
        _heights(parts["heights"]) if "heights" in parts else None,
        label_scores(_confusion(parts["labels"]), _row(parts.get("labels_none"))) if "labels" in parts else None,
        _agreement(parts["agreement"]) if "agreement" in parts else None,
        tuple(Score(str(name), float(probability)) for name, probability in parts.get("scene", ())),
        _quantity(parts["quantity"]) if "quantity" in parts else None,
        _compared_scene(parts["compared_scene"]) if "compared_scene" in parts else None,
        objects=_objects(parts["objects"]) if "objects" in parts else None,
        lines=_lines(parts["lines"]) if "lines" in parts else None,
        words=_words(parts["words"]) if "words" in parts else None,
    )


def _compared_scene(parts: Mapping[str, Any]) -> SceneScores:
    probabilities, shares = (tuple(map(float, parts[name])) for name in ("probabilities", "shares"))
    if not all(map(math.isfinite, (*probabilities, *shares))):
        raise ValueError("a share that is no number")
    return SceneScores(probabilities, shares, bool(parts["several"]), float(parts["least_share"]))


def _objects(parts: Mapping[str, Any]) -> ObjectScores:
    by_score: dict[str, tuple[tuple[int, int, int], ...]] = {}
    for name, rows in parts.items():
        counts = []
        for row in rows:
            found, invented, missed = (max(int(count), 0) for count in row)
            counts.append((found, invented, missed))
        if len(counts) != len(FROM_SCORES):
            raise ValueError("counted from other scores")
        by_score[str(name)] = tuple(counts)
    return ObjectScores(by_score)


def _lines(parts: Mapping[str, Any]) -> LineScores:
    counts: dict[str, tuple[int, int, int, int]] = {}
    for name, counted in parts.items():
        right, said, found, there = (max(int(count), 0) for count in counted)
        counts[str(name)] = right, said, found, there
    return LineScores(counts)


def _quantity(parts: Mapping[str, Any]) -> QuantityScores:
    mae, rmse, bias = (float(parts[name]) for name in ("mae", "rmse", "bias"))
    return QuantityScores(int(parts["pixels"]), mae, rmse, bias)


def _heights(parts: Mapping[str, Any]) -> HeightScores:
    regions = {}
    for name, said in parts["regions"].items():
        mae, rmse, bias, log10 = (float(said[key]) for key in ("mae", "rmse", "bias", "log10"))
        regions[str(name)] = RegionScores(int(said["pixels"]), mae, rmse, bias, log10, _three(said["deltas"]))
    precision, recall, accuracy, kappa = (float(parts[key]) for key in ("precision", "recall", "accuracy", "kappa"))
    relative = _relative(parts["relative"]) if parts.get("relative") else None
    return HeightScores(regions, _three(parts["f1"]), precision, recall, accuracy, kappa, relative)


def _relative(parts: Mapping[str, Any]) -> RelativeScores:
    counts = int(parts["pixels"]), int(parts["zeros"])
    abs_rel, sq_rel, rmse, rmse_log, log10 = (float(parts[name]) for name in _RELATIVE)
    return RelativeScores(
        *(*counts, abs_rel, sq_rel, rmse, rmse_log, log10, _three(parts["deltas"])), silog=float(parts["silog"])
    )


_RELATIVE = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10")


def _words(parts: Mapping[str, Any]) -> WordScores:
    similarity, place = parts["similarity"], parts["place"]
    if similarity is not None and not -2 < float(similarity) < 2:
        raise ValueError("not a cosine")
    return WordScores(
        None if similarity is None else float(similarity),
        None if place is None else max(int(place), 0),
        unknown=bool(parts["unknown"]),
    )


def _three(values: Any) -> tuple[float, float, float]:
    one, two, three = map(float, values)
    return one, two, three


def _confusion(rows: Any) -> NDArray[np.int64]:
    table = np.array(rows, np.int64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table < 0).any():
        raise ValueError("not a table of classes")
    return table


def _row(value: Any) -> int | None:
    return None if value is None else int(value)


def _agreement(parts: Mapping[str, Any]) -> Agreement:
    agreement = Agreement.nothing()
    agreement.counts.reshape(-1)[_places(parts["cells"], BINS * BINS)] = parts["counts"]
    if (agreement.counts < 0).any():
        raise ValueError("fewer than no pixels")
    bins = _places(parts["bins"], BINS)
    for target, name in ((agreement.errors, "errors"), (agreement.absolute, "absolute")):
        target[bins] = [value if math.isfinite(value) else 0.0 for value in parts[name]]
    return agreement


def _places(values: Any, count: int) -> NDArray[np.intp]:
    places = np.array(values, np.intp)
    if places.ndim != 1 or (places < 0).any() or (places >= count).any():
        raise ValueError("a place outside of the table")
    return places
