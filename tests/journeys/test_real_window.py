"""The main job in a real window, with real keys and a real mouse: open, step, flag, undo, mark, export, and back again."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rsviewer.core.review import Decision, Verdict
from rsviewer.core.tile import TileId
from rsviewer.data.decisions import DecisionStore
from tests.journeys.xvfb import PATIENCE, Program, Screen, home_of, wait_for

pytestmark = pytest.mark.xvfb

Launch = Callable[..., Program]

NOTE = "x: d is 1 m off, undo? zz"
"""Written with keys that are commands everywhere else."""
LISTS = {"a/train.txt": b"1\r\n", "a/test.txt": b"3\n", "b/train.txt": b"2\r\n1\r\n", "b/test.txt": b"3\n"}
"""What the lists of the tiny dataset are without a/2."""


def project_file(tmp_path: Path, name: str) -> Path:
    (project,) = (tmp_path / "home" / "projects").iterdir()
    return project / name


def decisions(tmp_path: Path) -> dict[TileId, Decision]:
    with DecisionStore.open(project_file(tmp_path, "decisions.sqlite"), read_only=True) as store:
        return store.all()


def session(tmp_path: Path) -> dict[str, object]:
    found = json.loads(project_file(tmp_path, "session.json").read_bytes())
    assert isinstance(found, dict)
    return found


def quit_program(program: Program) -> None:
    program.focus()
    program.press("ctrl+q")
    assert program.ended() == 0
    assert program.errors() == ""


@contextmanager
def held(screen: Screen, key: str) -> Iterator[None]:
    screen.do("keydown", key)
    try:
        yield
    finally:
        screen.do("keyup", key)


def drag(screen: Screen, start: tuple[int, int], end: tuple[int, int]) -> None:
    screen.do("mousemove", *start, "mousedown", 1, "mousemove", *end, "mouseup", 1)


def check_export(out: Path) -> None:
    for path, content in LISTS.items():
        assert (out / path).read_bytes() == content
    manifest = json.loads((out / "manifest.json").read_bytes())
    written = {each["path"]: each for each in manifest["lists"]}
    assert {path: each["sha256"] for path, each in written.items()} == {
        path: hashlib.sha256(content).hexdigest() for path, content in LISTS.items()
    }
    assert (written["a/train.txt"]["before"], written["a/train.txt"]["after"]) == (2, 1)
    assert [(each["tile"], each["verdict"]) for each in manifest["dropped"]] == [("a/2", "drop")]


def test_the_main_job_from_opening_to_the_exported_lists_and_back(
    screen: Screen, launch: Launch, tiny_dataset: Path, tmp_path: Path
) -> None:
    program = launch("open", tiny_dataset)
    assert program.appear() == "a/1 (1 of 6) · undecided · saved — tiny — rsviewer"

    program.press("d")
    program.says("a/2 (2 of 6)")
    program.press("d")
    program.says("a/3 (3 of 6)")
    program.press("a")
    program.says("a/2 (2 of 6) · undecided")
    program.press("x")
    program.says("a/3 (3 of 6) · undecided")
    program.press("3")
    program.says("a/3 (3 of 6) · undecided, misaligned · saved")
    program.press("space")
    program.says("b/1 (4 of 6) · undecided")

    program.press("z")
    program.says("a/3 (3 of 6) · undecided, misaligned · saved")
    program.press("shift+z")
    program.says("a/3 (3 of 6) · good, misaligned · saved")

    program.press("Return")  # one pane has the whole middle of the window now
    with held(screen, "r"):
        drag(screen, (740, 420), (860, 480))
    program.says("a/3 (3 of 6) · good, misaligned, 1 region · saved")

    program.press("t")
    screen.write(NOTE)
    program.press("Escape")
    program.says("a/3 (3 of 6) · good, misaligned, 1 region, note · saved")

    program.press("plus", "plus", "slash")
    screen.write("verdict != 'drop'")
    program.press("Return")
    program.says("a/3 (2 of 5) · good, misaligned, 1 region, note · saved")

    program.press("ctrl+e")
    program.dialog("Export cleaned lists")
    program.press("alt+i", "ctrl+a")
    screen.write(str(tmp_path / "by dialog"))

    def confirmed() -> bool:
        program.press("Return")  # the button waits until the folder was looked at
        return (tmp_path / "by dialog" / "manifest.json").exists()

    wait_for(confirmed, bool, "the export")
    program.press("Escape")
    export = ["export", str(tiny_dataset), "--out", str(tmp_path / "by command")]  # while the window is open
    done = subprocess.run(
        [sys.executable, "-m", "rsviewer", *export],
        env={**os.environ, **home_of(program.home)},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    quit_program(program)

    check_export(tmp_path / "by dialog")
    check_export(tmp_path / "by command")
    said = decisions(tmp_path)
    assert {tile: each.verdict for tile, each in said.items()} == {"a/2": Verdict.DROP, "a/3": Verdict.GOOD}
    assert said[TileId("a/3")].tags == ("misaligned",)
    assert said[TileId("a/3")].note == NOTE
    (region,) = said[TileId("a/3")].regions
    assert region.tag == "misaligned"
    (left, top), (right, bottom) = region.points
    assert 0 < left < right < 32
    assert 0 < top < bottom < 24
    assert (right - left) / (bottom - top) == pytest.approx(2, rel=0.05), "120 x 60 pixels on the screen"

    before = session(tmp_path)
    assert before["filter"] == "verdict != 'drop'"
    again = launch("open", tiny_dataset)
    again.appear()
    again.says("a/3 (2 of 5) · good, misaligned, 1 region, note · saved")
    again.press("minus")
    again.press("d")
    again.says("b/1 (3 of 5)")
    quit_program(again)
    after = session(tmp_path)
    assert after["tile"] == "b/1"
    assert after["filter"] == before["filter"]
    zooms = [state["view"]["zoom"] for state in (before, after)]
    assert zooms[0] == pytest.approx(1.5 * zooms[1]), "the zoom was where it had been left"


def test_a_second_window_on_the_same_project_looks_and_does_not_touch(
    screen: Screen, launch: Launch, tiny_dataset: Path, tmp_path: Path
) -> None:
    first = launch("open", tiny_dataset)
    first.appear()
    first.press("x")
    first.says("a/2 (2 of 6)")

    second = launch("open", tiny_dataset)
    title = second.appear()
    assert "· read-only —" in title
    second.press("Home")
    second.says("a/1 (1 of 6) · drop · read-only")
    second.press("u", "space", "1", "d", "d")
    second.says("a/3 (3 of 6) · undecided · read-only")
    quit_program(second)

    first.focus()
    first.press("space")
    first.says("a/3 (3 of 6)")
    quit_program(first)
    assert {tile: each.verdict for tile, each in decisions(tmp_path).items()} == {
        "a/1": Verdict.DROP,
        "a/2": Verdict.GOOD,
    }
    assert session(tmp_path)["tile"] == "a/3"


def test_a_held_key_ends_on_a_tile_that_can_be_decided_about(
    screen: Screen, launch: Launch, tiny_dataset: Path, tmp_path: Path
) -> None:
    program = launch("open", tiny_dataset)
    program.appear()
    with held(screen, "d"):
        program.says("b/3 (6 of 6)")
    with held(screen, "a"):
        program.says("a/1 (1 of 6)")
    program.press("x")
    program.says("a/2 (2 of 6)")
    quit_program(program)
    assert set(decisions(tmp_path)) == {"a/1"}


def test_flags_ignore_that_their_key_is_held(
    screen: Screen, launch: Launch, tiny_dataset: Path, tmp_path: Path
) -> None:
    program = launch("open", tiny_dataset)
    program.appear()
    with held(screen, "d"):
        start = time.monotonic()
        program.says("b/3 (6 of 6)")
        repeated = time.monotonic() - start
    program.press("Home")
    program.says("a/1 (1 of 6)")
    with held(screen, "x"):
        first = program.says("a/2 (2 of 6) · undecided")
        until = time.monotonic() + 1.5 * repeated
        while time.monotonic() < until:
            assert program.title == first
    with held(screen, "1"):
        first = program.says("a/2 (2 of 6) · undecided, cloud")
        until = time.monotonic() + 1.5 * repeated
        while time.monotonic() < until:
            assert program.title == first
    quit_program(program)
    with DecisionStore.open(project_file(tmp_path, "decisions.sqlite"), read_only=True) as store:
        assert len(list(store.log())) == 2
