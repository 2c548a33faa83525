"""Archives are unpacked safely: nothing outside of the folder, nothing over a file, and from where it ended."""

import errno
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from rsviewer.data import unpacking
from rsviewer.data.archives import archives_in, packed
from rsviewer.data.unpacking import MARKER, UnpackingError, unpack

FILES = {"d/a.txt": b"red roof", "d/deep/er/b.bin": bytes(range(256)) * 9000, "empty.txt": b"", "ä ö/ü.txt": b"umlaut"}
KINDS = ["a.tar", "a.tar.gz", "a.zip"]


def archive(folder: Path, files: Mapping[str, bytes] = FILES, name: str = "a.zip") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as writer:
            for member, content in files.items():
                writer.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
        return path
    with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as tar:
        for member, content in files.items():
            about = tarfile.TarInfo(member)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", KINDS)
def test_everything_is_written_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "in", name=name)
    seen: list[tuple[int, int]] = []
    result = unpack([path], tmp_path / "new" / "out", lambda *at: seen.append(at))
    assert below(tmp_path / "new" / "out") == FILES
    assert (result.files, result.written, result.is_complete, result.problems) == (4, 4, True, ())
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    assert seen == sorted(seen)


def test_it_gives_what_the_packed_tree_shows(tmp_path: Path) -> None:
    archive(tmp_path / "in", {"d/1": b"one", "d/2": b"same size"}, "a1.tar")
    archive(tmp_path / "in", {"d/2": b"other one", "d/3": b"three"}, "a2.zip")
    tree = packed(tmp_path / "in", archives_in(tmp_path / "in"))
    assert tree is not None
    unpack(archives_in(tmp_path / "in"), tmp_path / "out")
    assert sorted(tree.names(f"{tmp_path}/in/d")) == sorted(path.name for path in (tmp_path / "out" / "d").iterdir())
    for name, content in below(tmp_path / "out").items():
        assert tree.read(f"{tmp_path}/in/{name}", 99) == content


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    path = archive(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_bytes(b"mine")
    with pytest.raises(UnpackingError, match="is not empty: choose a new or empty folder"):
        unpack([path], tmp_path / "out")
    with pytest.raises(UnpackingError, match="is a file"):
        unpack([path], path)
    assert below(tmp_path / "out") == {"mine.txt": b"mine"}


@pytest.mark.parametrize("name", KINDS)
def test_what_was_stopped_goes_on_and_keeps_what_is_complete(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "in", name=name)
    for most in range(5):
        asked = iter(range(100))
        result = unpack([path], tmp_path / "out", stop=lambda asked=asked, most=most: next(asked) >= most)
        assert not result.is_complete
        assert MARKER in below(tmp_path / "out")
        assert all(FILES[name] == content for name, content in below(tmp_path / "out").items() if name != MARKER)
    there = (tmp_path / "out" / "d" / "a.txt").stat()
    result = unpack([path], tmp_path / "out")
    assert below(tmp_path / "out") == FILES
    assert result.is_complete
    assert result.files == 4
    assert result.written < 4
    assert (tmp_path / "out" / "d" / "a.txt").stat() == there


def test_another_file_in_the_way_is_kept_and_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "in")
    unpack([path], tmp_path / "out", stop=lambda: True)
    (tmp_path / "out" / "d").mkdir()
    (tmp_path / "out" / "d" / "a.txt").write_bytes(b"mine")
    result = unpack([path], tmp_path / "out")
    assert (tmp_path / "out" / "d" / "a.txt").read_bytes() == b"mine"
    assert result.problems == ("d/a.txt of a.zip is there already, another one: kept.",)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    path = archive(tmp_path / "in")
    unpack([path], tmp_path / "out", stop=lambda: True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "d").symlink_to(tmp_path / "elsewhere")
    result = unpack([path], tmp_path / "out")
    assert below(tmp_path / "elsewhere") == {}
    assert len(result.problems) == 2
    assert "a file or link where its folder should be" in result.problems[0]


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    evil = {
        "../evil.txt": b"1",
        "/tmp/evil-rsviewer.txt": b"2",
        "a/../../evil.txt": b"3",
        f"{MARKER}.partial": b"4",
        "ok": b"5",
    }
    path = archive(tmp_path / "in", evil, name)
    result = unpack([path], tmp_path / "x" / "out")
    assert below(tmp_path / "x" / "out") == {"ok": b"5"}
    assert sorted(below(tmp_path)) == [f"in/{name}", "x/out/ok"]
    assert not Path("/tmp/evil-rsviewer.txt").exists()
    assert len(result.problems) == 2


def test_damaged_members_are_told_and_the_others_written(tmp_path: Path) -> None:
    path = archive(tmp_path / "in")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\1\2")
    raw[at + 16 : at + 20] = struct.pack("<L", 1)
    path.write_bytes(raw)
    result = unpack([path], tmp_path / "out")
    assert sorted(below(tmp_path / "out")) == sorted(FILES.keys() - {"d/a.txt"})
    assert result.problems == ("d/a.txt in a.zip is damaged: its checksum is wrong. Download the archive again.",)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_of_an_archive_that_is_cut_short_what_is_whole_is_written(tmp_path: Path, name: str, part: float) -> None:
    path = archive(tmp_path / "in", name=name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    result = unpack([path], tmp_path / "out")
    assert all(FILES[name] == content for name, content in below(tmp_path / "out").items())
    assert "cut short" in " ".join(result.problems)


def test_files_that_share_their_bytes_do_not_fill_the_disk(tmp_path: Path) -> None:
    path = archive(tmp_path / "in", {f"{number:03}": os.urandom(50) for number in range(100)})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\1\2")
    for _ in range(100):
        raw[at + 16 : at + 20] = raw[raw.index(b"PK\1\2") + 16 :][:4]
        raw[at + 20 : at + 24] = struct.pack("<L", 5000)
        raw[at + 42 : at + 46] = bytes(4)
        at += 46 + 3
    path.write_bytes(raw)
    result = unpack([path], tmp_path / "out")
    assert result.files <= 2
    assert "its files overlap" in " ".join(result.problems)


def test_very_many_bad_members_are_counted(tmp_path: Path) -> None:
    path = archive(tmp_path / "in", {f"{number}.txt": b"hello" * 9 for number in range(50)})
    raw = path.read_bytes()
    at = raw.index(b"PK\1\2")
    path.write_bytes(raw[:at].replace(b"PK\3\4", b"XX\3\4") + raw[at:])
    result = unpack([path], tmp_path / "out")
    assert result.files == 0
    assert len(result.problems) == 21
    assert result.problems[-1] == "30 more files could not be unpacked."


def test_a_full_disk_is_one_sentence_and_what_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "in")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(unpacking.os, "rename", full)
        with pytest.raises(UnpackingError, match=r"No space left on device.*it goes on where it ended"):
            unpack([path], tmp_path / "out")
    assert set(below(tmp_path / "out")) == {MARKER}
    assert unpack([path], tmp_path / "out").is_complete
    assert below(tmp_path / "out") == FILES


def test_a_disk_without_room_is_refused_before_an_hour_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "in")
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: SimpleNamespace(free=5))
    with pytest.raises(UnpackingError, match="choose another disk or make room"):
        unpack([path], tmp_path / "out")
    assert below(tmp_path / "out") == {}


@pytest.mark.parametrize("path", ["con", "d/aux.txt", "a.tif:stream", "d./x", "d /x", "a?b", "tab\tb"])
def test_names_that_windows_takes_for_something_else_are_not_written_there(path: str) -> None:
    assert not unpacking._is_writable(path, windows=True)
    assert unpacking._is_writable(path, windows=False)
