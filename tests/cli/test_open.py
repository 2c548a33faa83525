import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.cli.open import queue_filter
from rsviewer.core.filters import Column, ColumnType, parse_filter

Run = Callable[..., Any]


def test_split_and_filter_ask_for_both() -> None:
    columns = [Column("split", ColumnType.LIST, "lists"), Column("ndsm_max", ColumnType.NUMBER, "height")]

    assert queue_filter(None, None) is None
    assert queue_filter(None, "ndsm_max > 80") == "ndsm_max > 80"
    for split, text in (("train", "ndsm_max > 80 or ndsm_max < 1"), ("it's", None)):
        both = queue_filter(split, text)
        assert both is not None
        assert parse_filter(both, columns) is not None
    assert queue_filter("train", "x or y") == "split = 'train' and (x or y)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tile", "a"], "PATH: it is needed"),
        ([".", "--size", "big"], "--size: 'big' is not like 1280x720"),
        ([".", "--size", "9x9"], "--size: '9x9' is not like 1280x720"),
        ([".", "--screenshot", "no/such/folder/x.png"], "There is no folder"),
        ([".", "--screenshot", "there.png"], "there.png exists and was left as it is"),
        ([".", "--screenshot", "."], "is a folder"),
        (["no-such-folder"], "There is no folder"),
    ],
)
def test_what_cannot_be_is_said_before_a_window_is_made(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").write_bytes(b"precious")

    done = run("open", *words)

    assert done.code == 2
    assert said in done.err
    assert (tmp_path / "there.png").read_bytes() == b"precious"


def start(*words: object) -> "subprocess.CompletedProcess[str]":
    """The program in a process of its own: a second window in this one would not be what users have."""
    environment = {name: value for name, value in os.environ.items() if name not in ("QT_QPA_PLATFORM", "DISPLAY")}
    command = [sys.executable, "-m", "rsviewer", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


@pytest.mark.usefixtures("unchanged")
def test_a_picture_of_the_window_needs_no_display(dataset: Path, tmp_path: Path) -> None:
    picture = tmp_path / "window.png"

    done = start(dataset, "--screenshot", picture, "--size", "800x600", "--split", "train", "--layout", "ndsm,image")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) == 800


def test_without_a_display_a_window_is_refused_with_what_to_do(dataset: Path) -> None:
    done = start(dataset)

    assert done.returncode == 2
    assert "There is no display" in done.stderr
    assert "--screenshot" in done.stderr


def test_a_layer_that_is_not_there_is_no_picture(dataset: Path, tmp_path: Path) -> None:
    done = start(dataset, "--screenshot", tmp_path / "x.png", "--layout", "dsm")

    assert done.returncode == 2
    assert "There is no layer dsm here" in done.stderr
    assert not (tmp_path / "x.png").exists()


def test_a_picture_of_a_tile_that_is_not_there_is_not_a_picture_of_another(dataset: Path, tmp_path: Path) -> None:
    done = start(dataset, "--screenshot", tmp_path / "x.png", "--tile", "nope")

    assert done.returncode == 2
    assert "There is no tile nope" in done.stderr
    assert not (tmp_path / "x.png").exists()
