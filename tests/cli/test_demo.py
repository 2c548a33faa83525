from collections.abc import Callable
from pathlib import Path
from typing import Any

from rsviewer.cli.demo import default_directory

Run = Callable[..., Any]


def test_the_demo_is_written_once_and_found_again(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"

    first = run("demo", folder, "--tiles", 1, "--no-open")
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = run("demo", folder, "--tiles", 1, "--no-open")

    assert (first.code, first.out, first.err) == (0, f"{folder}\n", "")
    assert (again.code, again.out) == (0, f"{folder}\n")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times
    assert run("info", folder, "--json").document["tiles"] == 1


def test_a_folder_with_other_things_in_it_is_left_alone(run: Run, dataset: Path) -> None:
    done = run("demo", dataset, "--tiles", 1, "--no-open")

    assert done.code == 2
    assert "nothing was changed" in done.err


def test_every_order_has_its_own_folder_with_the_user(tmp_path: Path) -> None:
    folders = {default_directory(64, 1), default_directory(16, 1), default_directory(16, 2)}

    assert len(folders) == 3
    assert all(folder.parent == tmp_path / "rsviewer-home" for folder in folders)
    assert default_directory(64, 1).name == "demo"
