"""A kill -9 at any moment loses no decision that was shown as saved, and leaves nothing behind that blocks the next start.

The witness is the title of the window. It names the current tile, its decision and that it is saved; and since only a verdict
moves the journey on, a title that names a later tile says that every tile before it has been decided.
"""

import random
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from rsviewer.core.review import Decision
from rsviewer.core.tile import TileId
from rsviewer.data.decisions import DecisionStore, LogLine
from tests.journeys.xvfb import Program

pytestmark = pytest.mark.xvfb

TILES = 1000
KILLS = 30
LONGEST = 0.6
"""Seconds of keys before the kill."""
ONE_AT_START_OF = 4
LONGEST_START = 1.2
TITLE = re.compile(
    r"(?P<tile>\S+) \((?P<at>\d+) of \d+\) · (?P<verdict>\w+)(?:, (?P<tags>[^·]+?))? · (?P<saved>[\w -]+?)( · | —)"
)


@dataclass(frozen=True)
class Shown:
    """What a title said."""

    tile: TileId
    at: int
    verdict: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """What a kill left on the disk."""

    decisions: dict[TileId, Decision]
    log: list[LogLine]


def name(at: int) -> TileId:
    return TileId(f"t{at:04}")


@pytest.fixture
def many_tiles(tmp_path: Path) -> Path:
    root = tmp_path / "many"
    profile = {
        "driver": "GTiff",
        "width": 16,
        "height": 16,
        "crs": "EPSG:32654",
        "transform": Affine(1, 0, 4e5, 0, -1, 4e6),
    }
    for folder, pixels in {
        "opt": np.full((3, 16, 16), 90, np.uint8),
        "gt_nDSM": np.eye(16, dtype=np.float32)[None],
    }.items():
        (root / folder).mkdir(parents=True)
        first = root / folder / f"{name(1)}.tif"
        with rasterio.open(first, "w", count=len(pixels), dtype=pixels.dtype, **profile) as target:
            target.write(pixels)
        for at in range(2, TILES + 1):
            shutil.copyfile(first, root / folder / f"{name(at)}.tif")
    return root


def shown(title: str) -> Shown | None:
    """What a title said of a saved decision; None for the title of a window that is gone."""
    said = TITLE.match(title)
    if said is None:
        return None
    assert said["saved"] == "saved", title
    assert said["tile"] == name(int(said["at"])), title
    return Shown(
        TileId(said["tile"]),
        int(said["at"]),
        said["verdict"],
        tuple((said["tags"] or "").split(", ")) if said["tags"] else (),
    )


def keys(chance: random.Random) -> Iterator[str]:
    """Some tiles get a tag, all of them a verdict."""
    while True:
        if chance.random() < 0.4:
            yield "1"
        yield chance.choice(("x", "space"))


def left_behind(home: Path, folder: Path) -> Stored:
    """The decisions, from a copy: what the kill left is for the program to mend."""
    (project,) = (home / "projects").iterdir()
    folder.mkdir()
    for file in project.glob("decisions.sqlite*"):
        if not file.name.endswith("-shm"):
            shutil.copyfile(file, folder / file.name)
    with DecisionStore.open(folder / "decisions.sqlite") as store:
        return Stored(store.all(), list(store.log()))


def check(seen: list[Shown], before: Stored, after: Stored) -> None:
    assert after.log[: len(before.log)] == before.log, "the log only grows"
    last = {line.edit.tile: line.edit.after for line in after.log}
    assert after.decisions == {tile: said for tile, said in last.items() if said != Decision()}
    passed = [name(at) for at in range(seen[0].at, max(each.at for each in seen))]
    lost = [tile for tile in passed if not after.decisions.get(tile, Decision()).is_reviewed]
    assert not lost, "these tiles had been left with a verdict"
    logged = {(line.edit.tile, str(line.edit.after.verdict), line.edit.after.tags) for line in after.log}
    for each in seen:
        if each.verdict != "undecided" or each.tags:
            assert (each.tile, each.verdict, each.tags) in logged


def decide_until_killed(program: Program, chance: random.Random) -> list[Shown]:
    """Goes to the next open tile and decides as fast as the keys go, until the process is gone. Returns what was shown."""
    opened = program.appear()
    program.press("n")
    first = shown(program.see(lambda title: title != opened and "· reading" not in title, "the next open tile"))
    assert first is not None
    assert first.verdict == "undecided", "nobody has decided about the next open tile"
    seen = [first]
    killer = threading.Timer(chance.uniform(0, LONGEST), program.kill)
    killer.start()
    for key in keys(chance):
        program.press(key)
        now = shown(program.title)
        if now is not None:
            seen.append(now)
        if not killer.is_alive():
            return seen
    return seen


def kill_while_it_starts(program: Program, chance: random.Random) -> None:
    time.sleep(chance.uniform(0, LONGEST_START))  # the moment itself is what is tried here
    program.kill()


def test_a_kill_at_any_moment_loses_no_decision_that_was_shown_as_saved(
    launch: Callable[..., Program], many_tiles: Path, tmp_path: Path
) -> None:
    chance = random.Random(20)
    stored = Stored({}, [])
    for number in range(KILLS):
        if number % ONE_AT_START_OF == 0:
            kill_while_it_starts(launch("open", many_tiles), chance)
        program = launch("open", many_tiles)
        seen = decide_until_killed(program, chance)
        after = left_behind(program.home, tmp_path / f"after-{number}")
        check(seen, stored, after)
        stored = after
    assert len(stored.decisions) > KILLS, "the kills came while decisions were made"

    program = launch("open", many_tiles)
    program.appear()
    program.press("z")
    program.says(stored.log[-1].edit.tile)
    program.press("ctrl+q")
    assert program.ended() == 0
    assert program.errors() == ""
    assert left_behind(program.home, tmp_path / "end").log[-1].edit == stored.log[-1].edit.inverse()
