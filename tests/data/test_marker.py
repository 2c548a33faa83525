"""What ended the program last time is known the next time."""

import subprocess
import sys
from pathlib import Path

import pytest

from rsviewer.data.marker import ended_badly, opengl_marker, trying
from rsviewer.data.settings import preferences_path

CRASH = """
import os, pathlib, sys
from rsviewer.data.marker import trying
with trying(pathlib.Path(sys.argv[1])):
    os._exit(1)
"""


def test_the_marker_is_there_only_while_something_is_tried(tmp_path: Path) -> None:
    marker = tmp_path / "not yet" / "marker"
    with trying(marker):
        assert marker.is_file()
        assert not ended_badly(marker), "this program is still at it"
    assert not marker.exists()
    assert not ended_badly(marker)


def test_a_try_that_fails_is_not_one_that_ended_the_program(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(ValueError, match="no driver"), trying(marker):
        raise ValueError("no driver")
    assert not ended_badly(marker)


def test_a_program_that_was_ended_by_its_try_is_known_afterwards(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    subprocess.run([sys.executable, "-c", CRASH, str(marker)], check=False)
    assert marker.is_file()
    assert ended_badly(marker)


@pytest.mark.parametrize("content", [b"", b"12", b"\xff\xff x", b"0 0.5"])
def test_a_marker_that_was_cut_short_tells_of_a_bad_end(tmp_path: Path, content: bytes) -> None:
    marker = tmp_path / "marker"
    marker.write_bytes(content)
    assert ended_badly(marker)


def test_where_no_marker_can_be_left_the_try_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tried = False
    with trying(tmp_path / "file" / "marker"):
        tried = True
    assert tried
    assert not ended_badly(tmp_path / "file" / "marker")


def test_the_marker_of_opengl_lies_beside_the_preferences() -> None:
    assert opengl_marker().parent == preferences_path().parent
