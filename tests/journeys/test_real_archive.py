"""A dataset as it was downloaded, in a real window: an archive, decided about, unpacked, and an address typed."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.httpserver import serving
from tests.journeys.xvfb import Program, Screen

pytestmark = pytest.mark.xvfb


def test_an_archive_is_reviewed_unpacked_and_left_for_a_server(
    launch: Callable[..., Program], screen: Screen, tiny_dataset: Path
) -> None:
    archive = tiny_dataset.with_name("tiny.tar.gz")
    with tarfile.open(archive, "w:gz") as target:
        target.add(tiny_dataset, ".")
    program = launch("open", archive)
    program.appear()
    program.says("a/1 (1 of 6) · undecided · saved — tiny.tar.gz")
    program.focus()
    program.press("x")
    program.says("a/2 (2 of 6)")

    program.press("ctrl+k")
    program.dialog("All commands")
    screen.write("unpack")
    screen.press("Return")
    program.dialog("Unpack archives")
    screen.press("Return")
    program.says("a/2 (2 of 6) · undecided · saved — tiny-unpacked")
    program.focus()
    program.press("a")
    program.says("a/1 (1 of 6) · drop · saved — tiny-unpacked")

    with serving(tiny_dataset.parent) as url:
        program.press("ctrl+o")
        program.dialog("Open dataset")
        screen.write(f"{url}tiny")
        screen.press("Return")
        program.says("a/1 (1 of 6) · undecided · saved — tiny —")
        program.focus()
        program.press("ctrl+q")
        assert program.ended() == 0
    assert program.errors() == ""
