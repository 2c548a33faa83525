import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsviewer.core.errors import ProjectError, ProjectLockedError
from rsviewer.data.project import Holder, Project, default_directory


@pytest.fixture(autouse=True)
def user_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RSVIEWER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "Grüne Städte (v1)"
    folder.mkdir()
    return folder


@pytest.fixture
def project(root: Path) -> Iterator[Project]:
    with Project.open(root) as opened:
        yield opened


def test_a_project_lives_with_the_user_and_not_with_the_tiles(project: Project, root: Path, user_home: Path) -> None:
    assert project.directory.parent == user_home / "projects"
    assert project.directory.name.startswith("Grüne-Städte-v1-")
    assert project.decisions_path.parent == project.directory
    assert not project.read_only
    assert list(root.iterdir()) == []


def test_the_same_dataset_is_found_again_by_any_path_to_it(project: Project, root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    other = tmp_path / "other" / root.name
    other.mkdir(parents=True)

    assert default_directory(link) == default_directory(root / ".." / root.name) == project.directory
    assert default_directory(other) != project.directory


@pytest.mark.parametrize("name", ["/", "/\udcfc\udcff", "/" + "x" * 250, "/..."])
def test_every_path_has_a_usable_project_folder(name: str) -> None:
    folder = default_directory(Path(name)).name

    folder.encode()
    assert len(folder) < 60
    assert not folder.startswith((".", "-"))


def test_a_second_window_is_told_who_is_writing(project: Project, root: Path) -> None:
    with pytest.raises(ProjectLockedError, match=rf"written to by .+ \(process {os.getpid()}\) since 20"):
        Project.open(root)

    with Project.open(root, read_only=True) as second:
        assert second.read_only
        assert second.holder is not None
        assert second.holder.pid == os.getpid()
    with pytest.raises(ProjectLockedError):  # closing the second does not free the first
        Project.open(root)


def test_a_closed_project_can_be_written_by_the_next(project: Project, root: Path) -> None:
    project.close()
    project.close()

    with Project.open(root) as second, Project.open(root, read_only=True) as third:
        assert not second.read_only
        assert third.holder is not None
    with Project.open(root, read_only=True) as last:
        assert last.holder is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_window_leaves_no_lock(root: Path) -> None:
    program = """
import sys
from pathlib import Path
from rsviewer.data.project import Project
project = Project.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as window:
        assert window.stdout is not None
        assert window.stdout.readline() == "open\n"
        with pytest.raises(ProjectLockedError, match=f"process {window.pid}"):
            Project.open(root)
        window.send_signal(signal.SIGKILL)
        window.wait()

    with Project.open(root, read_only=True) as reader:
        assert reader.holder is None
    with Project.open(root) as writer:
        assert not writer.read_only


def test_opening_to_read_writes_nothing(root: Path, user_home: Path) -> None:
    with Project.open(root, read_only=True) as project:
        assert project.holder is None

    assert not user_home.exists()


def test_a_moved_dataset_takes_its_project_along_and_says_so(root: Path, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    Project.open(root, directory, dataset_format="synrs3d").close()
    moved = root.rename(tmp_path / "moved")

    with Project.open(moved, directory, read_only=True) as project:
        assert project.moved_from == str(root)
    with Project.open(moved, directory, dataset_format="synrs3d") as project:
        assert project.moved_from == str(root)
    with Project.open(moved, directory) as project:
        assert project.moved_from == ""


def test_the_project_of_a_dataset_of_another_format_is_not_taken_over(root: Path, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    Project.open(root, directory, dataset_format="synrs3d").close()
    other = tmp_path / "other"
    other.mkdir()

    with pytest.raises(ProjectError, match=r"synrs3d dataset.*not of this rs3dbench dataset"):
        Project.open(other, directory, dataset_format="rs3dbench")
    Project.open(root, directory, dataset_format="folders").close()  # the same place read in another way


def test_a_folder_full_of_something_else_does_not_become_a_project(root: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "lock").touch()
    (tmp_path / "photos" / "me.jpg").touch()

    with pytest.raises(ProjectError, match="holds other files"):
        Project.open(root, tmp_path / "photos")

    assert len(list((tmp_path / "photos").iterdir())) == 2


def test_a_place_that_cannot_be_written_is_named_with_a_way_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ProjectError, match=r"cannot be used \(Not a directory\).*--project DIR"):
        Project.open(root, tmp_path / "file" / "project")


def test_no_permission_is_named_and_leaves_no_lock(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("rsviewer.data.project.write_atomically", denied)
        with pytest.raises(ProjectError, match=r"\(Permission denied\).*--project DIR"):
            Project.open(root)

    Project.open(root).close()


def test_a_project_of_a_newer_version_is_not_touched(project: Project, root: Path) -> None:
    project.close()
    identity = project.directory / "project.json"
    identity.write_text('{"version": 2, "shape": "unknown"}')

    for read_only in (False, True):
        with pytest.raises(ProjectError, match="newer rsviewer"):
            Project.open(root, read_only=read_only)

    assert identity.read_text() == '{"version": 2, "shape": "unknown"}'


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"version": "one", "root": 7}', b"\xff", b"[" * 100_000])
def test_damaged_small_files_stop_nobody(project: Project, root: Path, raw: bytes) -> None:
    (project.directory / "holder.json").write_bytes(raw)
    with pytest.raises(ProjectLockedError, match="another window or command"):
        Project.open(root)
    project.close()
    (project.directory / "project.json").write_bytes(raw)

    with Project.open(root) as again:
        assert json.loads((again.directory / "project.json").read_text())["root"] == str(root)


def test_a_holder_can_be_shown_whatever_it_says() -> None:
    assert (
        str(Holder("änn", "host", 7, "2026-11-02T10:31:00+01:00")) == "änn on host (process 7) since 2026-11-02 10:31"
    )
