"""`rsviewer bench --synthetic-index N`: what the checks say of so many tiles, made up, and what plots and map ask of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rsviewer.batch.checking import results_of
from rsviewer.cli.measuring import memory, seconds
from rsviewer.core.checks import CHECKS
from rsviewer.core.checks.crowd import near_hashes
from rsviewer.core.checks.suspicion import Examined, Note, Trait
from rsviewer.data.adapter import TileEntry
from rsviewer.data.index import TileIndex

RECORDED_AT_ONCE = 4096
WORST = 24
"""Tiles on the page of a report."""
TWINS = 1000
"""Near-duplicates among the hashes."""
RADIUS, BLOCKS = 4, 6
"""As for millions of tiles, see `near_hashes`."""
COLUMN, COLOR, KIND = "similarity", "suspicion", "source"
EUROPE = (-20.0, 30.0, 40.0, 60.0)

_OWN = tuple(check for check in CHECKS if check.run is not None)
_NOTED = 50
"""One tile in so many has a note."""


def measure_checks(index: TileIndex) -> dict[str, Any]:
    """Files what all checks found on every tile of an index, judges, and asks what the window and the reports ask.

    Returns:
        `record_tiles_per_s`; `judge_s` and `judge_rss_growth_mb`; `resume_s`: until a run knows that all was done;
        `suspicions_s`: of all tiles, for the gallery; `sort_s` and `filter_s`: the queue by suspicion, and by one check;
        `reasons_ms`: of one tile anywhere; `report_s`: counts and worst tiles; `near_duplicates_s`: among as many hashes.
    """
    took = 0.0
    for part in _made_up(index):
        began = time.perf_counter()
        index.checks.record(part)
        took += time.perf_counter() - began
    with memory() as growth:
        judging = seconds(index.checks.judge, {}, lambda pairs: [0.0] * len(pairs))  # nobody has to read pictures
    ids = [check.id for check in CHECKS]
    places = np.random.default_rng(2).integers(0, len(index), 5)
    names = index.names_of(places)

    def report() -> None:
        results = results_of(index, index.select())
        _ = results.by_check, results.by_split, results.worst(WORST)

    return {
        "record_tiles_per_s": len(index) / max(took, 1e-9),
        "judge_s": judging,
        "judge_rss_growth_mb": growth.growth_mb,
        "resume_s": seconds(index.checks.known, ids) + seconds(index.have_files),
        "suspicions_s": seconds(index.checks.suspicions),
        "sort_s": seconds(index.select, "", "suspicion desc"),
        "filter_s": seconds(index.select, "suspects = 'blur'"),
        "reasons_ms": 1000 * float(np.median([seconds(index.checks.reasons, name) for name in names])),
        "report_s": seconds(report),
        "near_duplicates_s": _near_duplicates(len(index)),
    }


def measure_statistics(index: TileIndex) -> dict[str, float]:
    """Asks what plots, map and filter bar ask: seconds each. The tiles have been judged."""
    ask = index.statistics
    asked: dict[str, Callable[[], object]] = {
        "count": lambda: ask.count(f"{COLOR} >= 0.5"),
        "histogram": lambda: ask.histogram([COLOR]),
        "histogram_by": lambda: ask.histogram([COLUMN], "split = 'val'", KIND),
        "bars": lambda: ask.bars("suspects"),
        "density": lambda: ask.pairs(COLUMN, COLOR),
        "map": ask.places,
        "map_part": lambda: ask.places(bounds=EUROPE),
        "map_part_by_number": lambda: ask.places("", COLOR, EUROPE),
        "map_part_by_kind": lambda: ask.places("", KIND, EUROPE),
    }
    return {name: seconds(each) for name, each in asked.items()}


def _made_up(index: TileIndex) -> Iterator[list[Examined]]:
    """All tiles, all over the Earth: no two alike, and one in ten suspicious."""
    random = np.random.default_rng(3)
    took = dict.fromkeys((check.id for check in CHECKS), 0.1)
    for start in range(0, len(index), RECORDED_AT_ONCE):
        entries = index.entries(range(start, min(len(index), start + RECORDED_AT_ONCE)))
        yield _examined(entries, random, took)


def _examined(entries: Sequence[TileEntry], random: np.random.Generator, took: dict[str, float]) -> list[Examined]:
    count = len(entries)
    scores = np.stack([random.gamma(1.0, 0.16, count) * check.least for check in _OWN], axis=1).tolist()
    hashes = random.integers(1, 1 << 63, (count, 3)).tolist()
    corners = random.uniform((-180.0, -80.0), (179.9, 80.0), (count, 2)).tolist()
    textures = random.uniform(0.0, 30.0, count).tolist()
    ids = [check.id for check in _OWN]
    found = []
    for k, entry in enumerate(entries):
        west, south = corners[k]
        traits: dict[str, Trait] = {"west": west, "south": south, "east": west + 0.01, "north": south + 0.01}
        traits |= {"digest": hashes[k][0], "phash": hashes[k][1], "spectrum": hashes[k][2], "texture": textures[k]}
        traits["shape"] = "image=3 bands of 512 x 512 uint8"
        notes = {} if k % _NOTED else {"blur": Note("it is blurred", "image")}
        found.append(Examined(entry.id, dict(zip(ids, scores[k], strict=True)), notes, traits, took))
    return found


def _near_duplicates(count: int) -> float:
    random = np.random.default_rng(4)
    hashes = random.integers(0, 1 << 63, count, dtype=np.uint64)
    twins = min(TWINS, count // 2)
    hashes[count - twins :] = hashes[:twins] ^ np.uint64(0b11)
    hashes = np.unique(hashes)
    began = time.perf_counter()
    near_hashes(hashes, RADIUS, BLOCKS)
    return time.perf_counter() - began
