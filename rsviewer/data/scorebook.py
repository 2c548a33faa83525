"""What became of every tile that a model was run on, in a file that only ever grows: hours of work outlive any interruption.

`predictions/<model id>-<fingerprint>/scores.jsonl`, one JSON object a line, the last one of a tile counts. A line that was cut
short, or that another version of the program wrote by other rules, is passed over: its tile is then predicted again. The
numbers in it are enough for the scores of the whole dataset, of which the index keeps those that filters ask for.
"""

import json
import logging
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.agreement import BINS, Agreement
from rsviewer.core.errors import SaveError
from rsviewer.core.metrics import HeightScores, LabelScores, RegionScores, label_scores
from rsviewer.core.prediction import Score
from rsviewer.core.tile import TileId, printable

log = logging.getLogger(__name__)

NAME = "scores.jsonl"

RULES = 1
"""Raised when the definitions of `core.metrics` or the bins of `core.agreement` change: old numbers are then not reused."""

MOST_SCENES = 5
"""So many classes of a whole tile are kept, the likeliest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class TileRecord:
    """What is known of one tile.

    Attributes:
        tile: which.
        references: what it was compared with: "height" and "labels" -> id of the layer; absent where with nothing.
        heights, labels: its scores, None where there is nothing to compare.
        agreement: of its heights.
        scene: classes of the whole tile, the likeliest first.
    """

    tile: TileId
    references: Mapping[str, str] = field(default_factory=dict)
    heights: HeightScores | None = None
    labels: LabelScores | None = None
    agreement: Agreement | None = None
    scene: tuple[Score, ...] = ()


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
                except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
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
            with self._path.open("rb") as file:
                for number, line in enumerate(file):
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
    file = path.open("ab+")
    if size := file.seek(0, 2):
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


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
    if record.agreement is not None:
        parts["agreement"] = _agreement_parts(record.agreement)
    if record.scene:
        parts["scene"] = [[score.name, score.probability] for score in record.scene[:MOST_SCENES]]
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
        label_scores(_confusion(parts["labels"])) if "labels" in parts else None,
        _agreement(parts["agreement"]) if "agreement" in parts else None,
        tuple(Score(str(name), float(probability)) for name, probability in parts.get("scene", ())),
    )


def _heights(parts: Mapping[str, Any]) -> HeightScores:
    regions = {}
    for name, said in parts["regions"].items():
        mae, rmse, bias, log10 = (float(said[key]) for key in ("mae", "rmse", "bias", "log10"))
        regions[str(name)] = RegionScores(int(said["pixels"]), mae, rmse, bias, log10, _three(said["deltas"]))
    precision, recall, accuracy, kappa = (float(parts[key]) for key in ("precision", "recall", "accuracy", "kappa"))
    return HeightScores(regions, _three(parts["f1"]), precision, recall, accuracy, kappa)


def _three(values: Any) -> tuple[float, float, float]:
    one, two, three = map(float, values)
    return one, two, three


def _confusion(rows: Any) -> NDArray[np.int64]:
    table = np.array(rows, np.int64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table < 0).any():
        raise ValueError("not a table of classes")
    return table


def _agreement(parts: Mapping[str, Any]) -> Agreement:
    agreement = Agreement.nothing()
    agreement.counts.reshape(-1)[_places(parts["cells"], BINS * BINS)] = parts["counts"]
    bins = _places(parts["bins"], BINS)
    for target, name in ((agreement.errors, "errors"), (agreement.absolute, "absolute")):
        target[bins] = [value if math.isfinite(value) else 0.0 for value in parts[name]]
    return agreement


def _places(values: Any, count: int) -> NDArray[np.intp]:
    places = np.array(values, np.intp)
    if places.ndim != 1 or (places < 0).any() or (places >= count).any():
        raise ValueError("a place outside of the table")
    return places
