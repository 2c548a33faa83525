"""What the checks cost and what they find: for `rsviewer bench --checks`.

Speed is measured on one core, in turns with the bare decoding of the same files. What is found is measured where an
`answer_key.json` says what is wrong: in the folder that was given, else in built-in datasets of seeds that no threshold was
chosen on.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rsviewer.batch.checking import check_all, examine
from rsviewer.batch.crew import Lost, Processes, cores
from rsviewer.core.checks import CHECKS
from rsviewer.core.checks.evaluation import evaluate
from rsviewer.core.checks.suspicion import SUSPICIOUS
from rsviewer.core.errors import RsviewerError
from rsviewer.core.tile import printable
from rsviewer.data.adapter import TileEntry
from rsviewer.data.address import paths_in
from rsviewer.data.demo import write_demo
from rsviewer.data.demo.write import ANSWER_KEY
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.mounting import let_go

SEEDS = (201, 202, 203, 204)
"""Of the built-in datasets. The thresholds were chosen on others."""
TILES = 64
"""Of each of them."""
ROUNDS, IN_A_ROUND = 6, 16
"""Tiles are examined and decoded in turns, so that a busy machine slows both."""
MOST_KEY = 64 << 20
MOST_SECONDS = 900.0
"""For the measurement of the speed."""

Decode = Callable[[Sequence[str]], float]
"""Files -> seconds of a processor to decode them, and nothing else."""


def measure_checks(path: Path | None, scratch: Path, decode: Decode, say: Callable[[str], None]) -> dict[str, Any]:
    """Speed and finds, see the module.

    Args:
        path: a dataset; None makes the built-in ones.
        scratch: folder for those, and for indexes.
        decode: the floor, on one core.
        say: told what is being done.

    Raises:
        RsviewerError: there is no dataset, or its answer key is none.
    """
    roots = [path] if path is not None else []
    for seed in SEEDS if path is None else ():
        say(f"writing the built-in dataset with seed {seed} …")
        root = scratch / f"demo-{seed}"
        write_demo(root, tiles=TILES, seed=seed)
        roots.append(root)
    answers = [_answers(root) for root in roots]  # said before minutes of work, not after them
    say("checking on one core …")
    ((_, speed),) = Processes(1, patience=MOST_SECONDS).run(partial(_speed, decode=decode), [roots[0]])
    if isinstance(speed, Lost):
        raise RsviewerError(f"The speed of the checks could not be measured: {speed.why}")
    result: dict[str, Any] = {"checks": speed}
    defects: dict[str, str] = {}
    suspicions: dict[str, float] = {}
    tiles, seconds = 0, 0.0
    for number, (root, kinds) in enumerate(zip(roots, answers, strict=True)):
        say(f"checking {root.name} on all cores …")
        found, took = _suspicions(root, scratch / f"index-{number}.duckdb")
        tiles, seconds = tiles + len(found), seconds + took
        suspicions |= {f"{number}/{tile}": value for tile, value in found.items()}
        defects |= {f"{number}/{tile}": kind for tile, kind in kinds.items()}
    result["checks"]["all_cores_tiles_per_s"] = tiles / seconds if seconds else 0.0
    if defects:
        result["found"] = _found(suspicions, defects)
    return result


def _speed(root: Path, decode: Decode) -> dict[str, Any]:
    """Tiles a second on one core, beside bare decoding, and the milliseconds of each check.

    To be called in a process that checks tiles: in others, numerical libraries have threads of their own. Seconds of a
    processor count, as on a busy machine those of the clock say more about the others.
    """
    dataset, adapter = open_dataset(root)
    try:
        entries = [entry for entry in adapter.scan(dataset) if entry.has_files]
        if not entries:
            raise RsviewerError(f"There are no tiles in {root} to check.")
        examine(entries[0], dataset, CHECKS)  # libraries are loaded
        tiles, seconds, floor = 0, 0.0, 0.0
        took: Counter[str] = Counter()
        for number in range(ROUNDS):
            start = number * IN_A_ROUND % len(entries)
            part = entries[start : start + IN_A_ROUND]
            began = time.process_time()
            for entry in part:
                took.update(examine(entry, dataset, CHECKS, clock=time.process_time).milliseconds)
            seconds += time.process_time() - began
            floor += decode(_files(part))
            tiles += len(part)
    finally:
        let_go(dataset.tree)
    costs = sorted(((check, total / tiles) for check, total in took.items()), key=lambda cost: -cost[1])
    return {
        "tiles": tiles,
        "tiles_per_s": tiles / seconds,
        "floor_tiles_per_s": tiles / floor,
        "ratio": floor / seconds,
        "all_checks_ms": sum(took.values()) / tiles,
        "per_check_ms": dict(costs),
    }


def _files(entries: Sequence[TileEntry]) -> list[str]:
    return [path for entry in entries for address in entry.files.values() for path in paths_in(address)]


def _suspicions(root: Path, index_path: Path) -> tuple[dict[str, float], float]:
    """Tile -> suspicion, and the seconds it took, the start of the processes included."""
    dataset, adapter = open_dataset(root)
    index = TileIndex.open(index_path, dataset, adapter)
    try:
        index.build()
        began = time.perf_counter()
        check_all(dataset, index, checks=CHECKS, crew=Processes(cores()), refuted={})
        took = time.perf_counter() - began
        return _read(index), took
    finally:
        index.close()
        let_go(dataset.tree)


def _read(index: TileIndex) -> dict[str, float]:
    tiles = [entry.id for entry in index.entries(index.select())]
    known = {tile: index.checks.suspicion(tile) for tile in tiles}
    return {str(tile): value for tile, value in known.items() if value is not None}


def _answers(root: Path) -> dict[str, str]:
    """Tile -> kind of its defect, as the answer key of a folder says; nothing where there is none. Raises RsviewerError."""
    path = root / ANSWER_KEY
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MOST_KEY))
        return {str(each["tile"]): printable(str(each["defect"])) for each in said}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RsviewerError(
            f"{path} is no answer key: it must be a list of objects with tile and defect. Take it away, or mend it."
        ) from error


def _found(suspicions: dict[str, float], defects: dict[str, str]) -> dict[str, Any]:
    try:
        kinds, every, alarms = evaluate(suspicions, defects, SUSPICIOUS)
    except ValueError as error:
        raise RsviewerError(f"Nothing can be said of what is found: {error}.") from error
    return {
        "clean_tiles": sum(tile not in defects for tile in suspicions),
        "clean_above": alarms,
        "all": asdict(every),
        "kinds": {kind: asdict(found) for kind, found in kinds.items()},
    }
