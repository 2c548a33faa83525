"""Archives are read as if they had been unpacked, whatever strangers have put into them."""

import errno
import gzip
import io
import os
import pickle
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.io import MemoryFile

from rsviewer.core.errors import DatasetNotFoundError, ProjectError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Missing, Raster, Unreadable
from rsviewer.data.archives import Packed, archives_in, contents, is_archive, packed
from rsviewer.data.archives.members import MAX_RATIO, UNSUSPICIOUS, tidy
from rsviewer.data.raster import read_header, read_raster
from rsviewer.data.tree import DISK, Place

IMAGE = LayerSpec(LayerId("opt"), LayerKind.OPTICAL, "image")
FILES = {"d/a.txt": b"red roof", "d/deep/er/b.txt": bytes(range(256)) * 40, "empty.txt": b"", "ä ö/ü.txt": b"umlaut"}

Writer = Callable[[Path, Mapping[str, bytes]], Path]


def as_tar(folder: Path, files: Mapping[str, bytes], name: str = "a.tar", kind: int = tarfile.PAX_FORMAT) -> Path:
    path = folder / name
    with tarfile.open(path, "w:gz" if name.endswith("gz") else "w", format=kind) as archive:
        for member, content in files.items():
            about = tarfile.TarInfo(member)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


def as_tgz(folder: Path, files: Mapping[str, bytes]) -> Path:
    return as_tar(folder, files, "a.tar.gz")


def as_gnu(folder: Path, files: Mapping[str, bytes]) -> Path:
    return as_tar(folder, files, kind=tarfile.GNU_FORMAT)


def as_zip(folder: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED, name: str = "a.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, content in files.items():
            archive.writestr(zipfile.ZipInfo(member), content, method)
    return path


def as_deflated(folder: Path, files: Mapping[str, bytes]) -> Path:
    return as_zip(folder, files, zipfile.ZIP_DEFLATED)


WRITERS: tuple[Writer, ...] = (as_tar, as_gnu, as_tgz, as_zip, as_deflated)
every_kind = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


def opened(root: Path, *archives: Path, tables: Path | None = None) -> Packed:
    tree = packed(root, archives or archives_in(root), tables)
    assert tree is not None
    return tree


def all_files(tree: Packed, folder: str) -> dict[str, bytes]:
    found = {}
    for name in tree.names(folder):
        path = f"{folder}/{name}"
        if tree.is_folder(path):
            found |= {f"{name}/{inner}": content for inner, content in all_files(tree, path).items()}
        elif not os.path.lexists(path):
            found[name] = tree.read(path, 1 << 30)
    return found


def content_at(place: Place) -> bytes:
    if place.content is not None:
        return place.content
    with Path(place.path).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def test_an_archive_is_known_by_its_name() -> None:
    assert all(is_archive(name) for name in ("a.zip", "A.ZIP", "b.tar", "c.tar.gz", "d.tgz"))
    assert not any(is_archive(name) for name in ("a.gz", "tar", "zip", "a.7z", "a.zip.part", "a.tif"))


def test_the_archives_of_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    for name in ("s10.zip", "s2.tar", "s1.tgz", ".s0.zip", "s3.txt"):
        (tmp_path / name).touch()
    (tmp_path / "s4.zip").mkdir()
    assert [path.name for path in archives_in(tmp_path)] == ["s1.tgz", "s2.tar", "s10.zip"]
    assert archives_in(tmp_path / "nowhere") == []


@every_kind
def test_what_is_packed_has_the_paths_it_would_have_when_unpacked(tmp_path: Path, write: Writer) -> None:
    write(tmp_path, FILES)
    root = str(tmp_path)
    tree = opened(tmp_path)
    assert all_files(tree, root) == FILES
    assert sorted(tree.names(f"{root}/d")) == ["a.txt", "deep"]
    with tree.scan(f"{root}/d") as entries:
        assert {entry.name: entry.is_dir() for entry in entries} == {"a.txt": False, "deep": True}
    assert tree.is_file(f"{root}/d/a.txt")
    assert tree.is_folder(f"{root}/d/deep")
    assert not tree.is_file(f"{root}/d")
    assert not tree.is_file(f"{root}/d/nothing")
    assert not tree.is_folder(f"{root}/d/a.txt")
    assert tree.read(f"{root}/d/a.txt", 3) == b"red"
    assert {path: content_at(tree.place(f"{root}/{path}")) for path in FILES} == FILES
    assert tree.stamp(f"{root}/d/a.txt") == (tree.archives[0].stat().st_mtime_ns, 8)
    assert [problem for problem in tree.problems if "stepping will be slow" not in problem] == []


def test_what_an_archive_is_comes_from_its_bytes_and_not_from_its_name(tmp_path: Path) -> None:
    for number, write in enumerate(WRITERS):
        for ending in (".zip", ".tar", ".tgz"):
            path = write(tmp_path, {"a.txt": b"red"}).rename(tmp_path / f"{number}{ending}")
            tree = opened(path, path)
            assert all_files(tree, str(path)) == {"a.txt": b"red"}
            assert bool(tree.slow) == (write is as_tgz)


@every_kind
def test_an_archive_alone_is_a_folder(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path, FILES)
    tree = opened(path, path)
    assert tree.is_folder(str(path))
    assert not tree.is_file(str(path))
    assert all_files(tree, str(path)) == FILES


def test_what_is_not_there_is_the_error_of_a_disk(tmp_path: Path) -> None:
    as_zip(tmp_path, FILES)
    tree = opened(tmp_path)
    for ask in (tree.names, tree.place, tree.stamp, lambda path: tree.read(path, 9)):
        with pytest.raises(FileNotFoundError):
            ask(f"{tmp_path}/d/nothing")
    with pytest.raises(OSError, match="folder or device"):
        tree.place(f"{tmp_path}/d/deep")
    assert not tree.is_file(f"{tmp_path}/d/\0")
    assert not tree.is_file(f"{tmp_path}/d/\ud800")
    assert not tree.is_file("/somewhere/else")
    assert not tree.is_file(f"{tmp_path}x/d/a.txt")


def test_real_files_win_over_packed_ones(tmp_path: Path) -> None:
    as_zip(tmp_path, FILES)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.txt").write_bytes(b"mine")
    (tmp_path / "d" / "more.txt").write_bytes(b"more")
    tree = opened(tmp_path)
    assert tree.read(f"{tmp_path}/d/a.txt", 99) == b"mine"
    assert tree.place(f"{tmp_path}/d/a.txt") == Place(f"{tmp_path}/d/a.txt")
    assert tree.stamp(f"{tmp_path}/d/a.txt") == DISK.stamp(f"{tmp_path}/d/a.txt")
    assert sorted(tree.names(f"{tmp_path}/d")) == ["a.txt", "deep", "more.txt"]


def test_of_two_archives_with_the_same_file_the_first_wins_and_that_is_said(tmp_path: Path) -> None:
    as_zip(tmp_path, {"d/1.txt": b"one", "d/2.txt": b"first", "x/y": b"1"}, name="a2.zip")
    as_tar(tmp_path, {"d/2.txt": b"second", "d/3.txt": b"three", "z/y": b"2"}, name="a10.tar")
    for tables in (tmp_path / "tables", tmp_path / "tables"):
        tree = opened(tmp_path, tables=tables)
        assert sorted(tree.names(f"{tmp_path}/d")) == ["1.txt", "2.txt", "3.txt"]
        assert tree.read(f"{tmp_path}/d/2.txt", 99) == b"first"
        assert tree.problems == (
            "a10.tar holds 1 file (d/2.txt) that an archive before it holds, too: those of the first are shown.",
        )
        tree.close()


def test_an_archive_is_walked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for write in (as_tgz, as_zip):
        write(tmp_path, FILES)
    opened(tmp_path, tables=tmp_path / "tables").close()
    monkeypatch.setattr(contents.Archive, "opened", None)
    tree = opened(tmp_path, tables=tmp_path / "tables")
    assert all_files(tree, str(tmp_path)) == FILES


def test_a_changed_archive_is_walked_through_again_and_its_old_table_goes(tmp_path: Path) -> None:
    as_zip(tmp_path, FILES)
    old = opened(tmp_path, tables=tmp_path / "tables")
    as_zip(tmp_path, {"d/new.txt": b"new"})
    with pytest.raises(OSError, match="changed since it was opened: open the dataset again"):
        old.place(f"{tmp_path}/d/a.txt")
    old.close()
    new = opened(tmp_path, tables=tmp_path / "tables")
    assert all_files(new, str(tmp_path)) == {"d/new.txt": b"new"}
    assert len(list((tmp_path / "tables").glob("*.sqlite"))) == 1
    new.archives[0].unlink()
    with pytest.raises(OSError, match="not there any more"):
        new.place(f"{tmp_path}/d/new.txt")


def test_a_damaged_table_is_written_again(tmp_path: Path) -> None:
    as_zip(tmp_path, FILES)
    opened(tmp_path, tables=tmp_path / "tables").close()
    table = next((tmp_path / "tables").glob("*.sqlite"))
    for rubbish in (b"", b"rubbish" * 1000, table.read_bytes()[:5000]):
        table.write_bytes(rubbish)
        tree = opened(tmp_path, tables=tmp_path / "tables")
        assert all_files(tree, str(tmp_path)) == FILES
        tree.close()


def test_walking_can_be_watched_and_stopped(tmp_path: Path) -> None:
    path = as_tar(tmp_path, {f"d/{number}.txt": b"" for number in range(5000)})
    seen: list[tuple[int, int]] = []
    assert packed(tmp_path, [path], tmp_path / "tables", stop=lambda: True) is None
    assert list((tmp_path / "tables").iterdir()) == []
    tree = packed(tmp_path, [path], progress=lambda *at: seen.append(at))
    assert tree is not None
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    assert seen == sorted(seen)
    assert len(seen) > 2


def test_a_scratch_table_goes_away_with_its_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    as_tar(tmp_path, FILES)
    tree = opened(tmp_path)
    assert any((tmp_path / "scratch").iterdir())
    del tree
    assert not any((tmp_path / "scratch").iterdir())


def test_another_process_sees_the_same(tmp_path: Path) -> None:
    as_tgz(tmp_path, FILES)
    tree = opened(tmp_path)
    again = pickle.loads(pickle.dumps(tree))
    assert all_files(again, str(tmp_path)) == FILES
    assert again.problems == tree.problems


def test_a_place_where_no_table_can_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_zip(tmp_path, FILES)
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match="choose another place for the project"):
        opened(tmp_path, tables=tmp_path / "file")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ProjectError, match="make room there"):
        opened(tmp_path, tables=tmp_path / "tables")
    assert list((tmp_path / "tables").iterdir()) == []


# Pixels


def picture(driver: str, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (3, 40, 50), dtype=np.uint8)
    with MemoryFile() as memory:
        with memory.open(
            driver=driver,
            width=50,
            height=40,
            count=3,
            dtype="uint8",
            crs="EPSG:32654",
            transform=rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 4e6),
        ) as dataset:
            dataset.write(pixels)
        return bytes(memory.getbuffer())


@every_kind
def test_pixels_are_the_same_as_unpacked(tmp_path: Path, write: Writer) -> None:
    files = {f"opt/{driver}{seed}": picture(driver, seed) for driver in ("GTiff", "PNG", "JPEG") for seed in (1, 2)}
    (tmp_path / "packed").mkdir()
    write(tmp_path / "packed", files)
    tree = opened(tmp_path / "packed")
    (tmp_path / "real" / "opt").mkdir(parents=True)
    for name, content in files.items():
        (tmp_path / "real" / name).write_bytes(content)
        expected = read_raster(tmp_path / "real" / name, IMAGE)
        found = read_raster(tmp_path / "packed" / name, IMAGE, tree)
        assert isinstance(expected, Raster)
        assert isinstance(found, Raster)
        assert np.array_equal(expected.pixels, found.pixels)
        assert (expected.crs, expected.gsd, expected.notes) == (found.crs, found.gsd, found.notes)
        assert read_header(tmp_path / "real" / name) == read_header(tmp_path / "packed" / name, tree)
    assert isinstance(read_raster(tmp_path / "packed" / "opt" / "none", IMAGE, tree), Missing)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("name", [b"\xff\xfe.tar", "名.zip".encode(), b"a,b 1_2.tar", b"vsi'\".zip"])
def test_the_archive_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    write = as_zip if name.endswith(b"zip") else as_tar
    path = write(tmp_path, {"opt/1.png": picture("PNG", 1)})
    path = path.rename(tmp_path / os.fsdecode(name))
    tree = opened(path, path)
    assert isinstance(read_raster(path / "opt" / "1.png", IMAGE, tree), Raster)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_members_may_have_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"opt/\xe4\xff.png")
    as_gnu(tmp_path, {name: picture("PNG", 1)})
    tree = opened(tmp_path)
    assert tree.names(f"{tmp_path}/opt") == [Path(name).name]
    assert isinstance(read_raster(tmp_path / name, IMAGE, tree), Raster)


@every_kind
def test_faults_of_an_image_are_found_in_an_archive_too(tmp_path: Path, write: Writer) -> None:
    good = picture("PNG", 1)
    rotten = good[:-30] + b"\0" + good[-29:]
    write(tmp_path, {"cut.png": good[:-20], "rotten.png": rotten, "none.png": b"", "text.png": b"hello"})
    tree = opened(tmp_path)
    for name, reason in (("cut", "Cut short"), ("rotten", "checksum"), ("none", "empty"), ("text", "text file")):
        found = read_raster(tmp_path / f"{name}.png", IMAGE, tree)
        assert isinstance(found, Unreadable)
        assert reason in found.reason


@every_kind
def test_many_threads_read_at_once(tmp_path: Path, write: Writer) -> None:
    files = {f"opt/{number}.bin": bytes([number]) * (number * 997) for number in range(60)}
    write(tmp_path, files)
    tree = opened(tmp_path)
    wrong: list[str] = []

    def read_all(start: int) -> None:
        for number in range(start, start + 60):
            path = f"opt/{number * 7 % 60}.bin"
            if content_at(tree.place(f"{tmp_path}/{path}")) != files[path] or not tree.is_file(f"{tmp_path}/{path}"):
                wrong.append(path)

    threads = [threading.Thread(target=read_all, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_more_compressed_archives_than_are_kept_open_at_once(tmp_path: Path) -> None:
    for number in range(7):
        as_tar(tmp_path, {f"d{number}/a.txt": b"%d" % number}, name=f"{number}.tar.gz")
    tree = opened(tmp_path)
    assert len(tree.problems) == 1
    assert tree.problems[0].startswith(
        "0.tar.gz, 1.tar.gz, 2.tar.gz and 4 more are compressed as a whole: stepping will be"
    )
    for number in (*range(7), *range(7)):
        assert tree.read(f"{tmp_path}/d{number}/a.txt", 9) == b"%d" % number
    tree.close()


@every_kind
def test_what_lies_beside_an_image_counts_in_an_archive_too(tmp_path: Path, write: Writer) -> None:
    image = io.BytesIO()
    Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(20, 20, 3)).save(image, "PNG")
    void = b"<PAMDataset><PAMRasterBand band='1'><NoDataValue>3</NoDataValue></PAMRasterBand></PAMDataset>"
    world = b"2.0\n0\n0\n-2.0\n400001\n3999999\n"
    files = {
        "1.png": image.getvalue(),
        "1.pgw": world,
        "1.png.aux.xml": void,
        "1.png.ovr": b"",
        "2.png": image.getvalue(),
    }
    write(tmp_path, {f"opt/{name}": content for name, content in files.items()})
    found = read_raster(tmp_path / "opt" / "1.png", IMAGE, opened(tmp_path))
    (tmp_path / "real").mkdir()
    for name, content in files.items():
        (tmp_path / "real" / name).write_bytes(content)
    expected = read_raster(tmp_path / "real" / "1.png", IMAGE)
    assert isinstance(found, Raster)
    assert isinstance(expected, Raster)
    assert found.transform == expected.transform is not None
    assert found.nodata == expected.nodata == 3
    assert np.array_equal(found.valid, expected.valid)
    alone = read_raster(tmp_path / "opt" / "2.png", IMAGE, opened(tmp_path))
    assert isinstance(alone, Raster)
    assert alone.transform is None


# What strangers put into archives

ASTRAY = ["../out.txt", "/etc/passwd", "a/../../b", "..", "C:/x", "c:\\x", "a\\b", "\\\\host\\x", "nul\0byte", "a/..",
          "x" * 300, "d/" * 80 + "e", "y/" * 3000]  # fmt: skip


@pytest.mark.parametrize("write", [as_tar, as_gnu, as_zip], ids=lambda write: write.__name__)
def test_paths_that_lead_elsewhere_are_left_out_and_counted(tmp_path: Path, write: Writer) -> None:
    names = [name for name in ASTRAY if "\0" not in name]
    write(tmp_path, {**dict.fromkeys(names, b"evil"), "d/good.txt": b"good"})
    tree = opened(tmp_path)
    assert all_files(tree, str(tmp_path)) == {"d/good.txt": b"good"}
    assert len(tree.problems) == 1
    assert f"{len(names)} paths would lead out of the folder" in tree.problems[0]


@given(st.text(alphabet=st.sampled_from("ab./\\:C\0 é\udcff"), max_size=20) | st.text() | st.sampled_from(ASTRAY))
def test_no_path_ever_leads_out_of_its_folder(name: str) -> None:
    path = tidy(name)
    if path:
        assert os.path.normpath(f"/root/{path}") == f"/root/{path}"
        assert "\\" not in path
        assert "\0" not in path


def test_dots_and_double_slashes_are_tidied(tmp_path: Path) -> None:
    as_tar(tmp_path, {"./d//a.txt": b"a", "./b.txt": b"b"})
    tree = opened(tmp_path)
    assert all_files(tree, str(tmp_path)) == {"d/a.txt": b"a", "b.txt": b"b"}
    assert tree.problems == ()


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("f", tarfile.FIFOTYPE),
            ("c", tarfile.CHRTYPE),
        ):
            about = tarfile.TarInfo(name)
            about.type, about.linkname = kind, "/etc/passwd"
            archive.addfile(about)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive_b:
        about_b = zipfile.ZipInfo("link")
        about_b.create_system, about_b.external_attr = 3, 0o120777 << 16
        archive_b.writestr(about_b, "/etc/passwd")
    tree = opened(tmp_path)
    assert all_files(tree, str(tmp_path)) == {}
    assert tree.problems == ("a.tar: 4 links and devices left out.", "b.zip: 1 link or device left out.")


def test_archives_within_are_files_and_named(tmp_path: Path) -> None:
    as_zip(tmp_path, {f"p{number}.tar.gz": b"x" for number in range(5)})
    tree = opened(tmp_path)
    assert tree.read(f"{tmp_path}/p1.tar.gz", 9) == b"x"
    assert "holds 5 archives (p0.tar.gz, p1.tar.gz, p2.tar.gz, …) that stay packed" in tree.problems[0]


def test_a_file_that_is_a_folder_elsewhere_is_a_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("x", "x/y", "z/y", "z"):
            archive.addfile(tarfile.TarInfo(name))
    tree = opened(tmp_path)
    assert all_files(tree, str(tmp_path)) == {"x/y": b"", "z/y": b""}


def test_the_first_of_two_with_the_same_name_is_shown(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for content in (b"first", b"second"):
            about = tarfile.TarInfo("x")
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    tree = opened(tmp_path)
    assert tree.read(f"{tmp_path}/x", 99) == b"first"
    assert tree.problems == ("a.tar: 1 name there more than once: the first of each is shown.",)


def changed_directory(path: Path, offset: int, value: bytes) -> None:
    """Overwrites bytes of the first entry of a zip's directory."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\1\2") + offset
    raw[at : at + len(value)] = value
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("offset", "value", "sentence"),
    [
        (8, b"\1", "is encrypted: unpack the archive with its password"),
        (10, b"\x09", "Deflate64"),
        (10, b"\x63", "number 99"),
        (16, b"abcd", "checksum is wrong"),
        (24, struct.pack("<L", 10_239), "more than the archive says"),
        (24, struct.pack("<L", 10_241), "checksum is wrong"),
        (24, struct.pack("<L", UNSUSPICIOUS + 1), "1000 times its size"),
        (42, struct.pack("<L", 7), "not where the archive says"),
        (20, struct.pack("<L", 20), "cut short"),
    ],
)
def test_a_member_that_cannot_be_had_is_unreadable_with_a_sentence(
    tmp_path: Path, offset: int, value: bytes, sentence: str
) -> None:
    path = as_deflated(tmp_path, {"b.png": FILES["d/deep/er/b.txt"]})
    changed_directory(path, offset, value)
    tree = opened(tmp_path)
    with pytest.raises(OSError, match=r"in a\.zip") as caught:
        tree.place(f"{tmp_path}/b.png")
    assert sentence in str(caught.value.strerror)
    found = read_raster(tmp_path / "b.png", IMAGE, tree)
    assert isinstance(found, Unreadable)
    assert sentence in found.reason
    assert found.reason.endswith(".")
    assert not found.reason.endswith("..")


def test_large_members_are_not_unpacked_in_memory(tmp_path: Path) -> None:
    path = as_deflated(tmp_path, {"b.png": os.urandom(5_000_000)})
    changed_directory(path, 24, struct.pack("<L", (2 << 30) + 1))
    with pytest.raises(OSError, match=r"2\.1 GB when unpacked, too much to be held in memory"):
        opened(tmp_path).place(f"{tmp_path}/b.png")


def test_files_that_overlap_are_told_and_harmless(tmp_path: Path) -> None:
    path = as_deflated(tmp_path, {f"{number}.txt": bytes(100_000) + os.urandom(1000) for number in range(3)})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\1\2")
    for _ in range(3):  # all three entries mean the first, and claim much more
        raw[at + 42 : at + 46] = bytes(4)
        raw[at + 20 : at + 24] = struct.pack("<L", 3000)
        at += 46 + raw[at + 28]
    path.write_bytes(raw)
    tree = opened(tmp_path)
    assert any("its files overlap" in problem for problem in tree.problems)
    assert len(tree.read(f"{tmp_path}/0.txt", 1 << 30)) == 101_000


def test_a_compressed_tar_that_swells_is_not_followed(tmp_path: Path) -> None:
    about = tarfile.TarInfo("bomb")
    about.size = 1 << 40
    after = tarfile.TarInfo("after")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(about.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20) + after.tobuf()))
    tree = opened(tmp_path)
    assert any(f"more than {MAX_RATIO} times its size" in problem for problem in tree.problems)
    with pytest.raises(OSError, match="too much to be held in memory"):
        tree.place(f"{tmp_path}/bomb")


def test_a_swelling_zip_gives_no_more_than_was_asked_for(tmp_path: Path) -> None:
    as_deflated(tmp_path, {"zeros": bytes(60 << 20)})
    assert opened(tmp_path).read(f"{tmp_path}/zeros", 10) == bytes(10)


def test_names_of_old_zips_are_as_their_program_wrote_them(tmp_path: Path) -> None:
    path = as_zip(tmp_path, {"xx.txt": b"1"})
    path.write_bytes(path.read_bytes().replace(b"xx.txt", b"\x84\x94.txt"))
    assert opened(tmp_path).names(str(tmp_path)) == ["a.zip", "äö.txt"]


def test_a_zip_behind_a_program_and_one_beyond_4_gb(tmp_path: Path) -> None:
    path = as_zip(tmp_path, FILES)
    (tmp_path / "a.zip").write_bytes(b"#!/bin/sh\n" * 99 + path.read_bytes())
    assert all_files(opened(tmp_path), str(tmp_path)) == FILES
    with zipfile.ZipFile(path, "w") as archive, archive.open("big.txt", "w", force_zip64=True) as member:
        member.write(b"big")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\1\2")
    size, end = len(raw) - at - 22, len(raw) - 22
    large = struct.pack("<2H3Q", 1, 24, 3, 3, 0)
    entry = raw[at:end]
    entry[20:28], entry[30:32], entry[42:46] = b"\xff" * 8, struct.pack("<H", len(large)), b"\xff" * 4
    entry = entry[: 46 + entry[28]] + large
    size = len(entry)
    ending = (
        struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, at)
        + struct.pack("<4sLQL", b"PK\6\7", 0, at + size, 1)
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )
    path.write_bytes(raw[:at] + entry + ending)
    assert all_files(opened(tmp_path), str(tmp_path)) == {"big.txt": b"big"}


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.zip").touch()
    (tmp_path / "page.tar").write_bytes(b"<html>not found</html>" * 99)
    (tmp_path / "page.zip").write_bytes(b"\n<!DOCTYPE html>")
    (tmp_path / "pointer.zip").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "noise.tar").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "noise.tgz").write_bytes(b"\x1f\x8b" + bytes(range(256)) * 9)
    (tmp_path / "part.zip").write_bytes(as_zip(tmp_path, FILES).read_bytes()[:-40])
    tree = opened(tmp_path)
    assert all_files(tree, str(tmp_path)) == FILES
    told = " ".join(tree.problems)
    for sentence in (
        "empty.zip is empty (0 bytes): download it again.",
        "page.tar is a web page",
        "page.zip is a web page",
        "pointer.zip is a Git LFS pointer",
        "noise.tar holds no tar.",
        "noise.tgz cannot be read to its end",
        "part.zip has no directory at its end: it is cut short.",
    ):
        assert sentence in told
    with pytest.raises(DatasetNotFoundError, match="cut short"):
        packed(tmp_path / "part.zip", [tmp_path / "part.zip"])


def test_one_part_of_a_divided_zip_says_so(tmp_path: Path) -> None:
    path = as_zip(tmp_path, FILES)
    raw = bytearray(path.read_bytes())
    raw[-18] = 3
    path.write_bytes(raw)
    assert "one part of several" in opened(tmp_path).problems[0]


def harmless(tmp_path: Path, path: Path) -> tuple[Packed, dict[str, bytes]]:
    """Opens and reads everything; only sentences may come out."""
    tree = opened(tmp_path, path)
    found = {}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for name in tree.names(f"{tmp_path}{folder}"):
            inner = f"{folder}/{name}"
            if tree.is_folder(f"{tmp_path}{inner}"):
                waiting.append(inner)
            elif tree.is_file(f"{tmp_path}{inner}") and not os.path.lexists(f"{tmp_path}{inner}"):
                try:
                    found[inner[1:]] = content_at(tree.place(f"{tmp_path}{inner}"))
                    tree.read(f"{tmp_path}{inner}", 5)
                except OSError as error:
                    assert error.strerror  # noqa: PT017
    return tree, found


@every_kind
def test_an_archive_that_is_cut_anywhere_shows_what_is_before_the_cut(tmp_path: Path, write: Writer) -> None:
    files = {"d/a.txt": b"red roof", "d/b.txt": os.urandom(700), "c.txt": b"blue"}
    path = write(tmp_path, files)
    raw = path.read_bytes()
    is_zip = path.suffix == ".zip"
    for end in sorted(
        {*range(1, len(raw), 151), *range(len(raw) - 30, len(raw)), *range(500, 520)} & set(range(1, len(raw)))
    ):
        path.write_bytes(raw[:end])
        tree, found = harmless(tmp_path, path)
        assert all(files[name].startswith(content) for name, content in found.items())
        tail_is_padding = not is_zip and found == files
        assert tail_is_padding or any(
            "cut short" in each or "no tar" in each or "cannot be read" in each for each in tree.problems
        )
        tree.close()


@every_kind
def test_a_flipped_byte_is_never_worse_than_a_sentence(tmp_path: Path, write: Writer) -> None:
    files = {"d/a.txt": b"red roof", "d/b.txt": b"green tree" * 9}
    path = write(tmp_path, files)
    raw = path.read_bytes()
    step = max(1, len(raw) // 70)
    for at in range(0, len(raw), step):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0xA5]) + raw[at + 1 :])
        harmless(tmp_path, path)[0].close()


@given(st.binary(max_size=1200))
def test_rubbish_of_any_kind_ends_in_sentences(tmp_path_factory: pytest.TempPathFactory, rubbish: bytes) -> None:
    folder = tmp_path_factory.mktemp("rubbish")
    for suffix in (".zip", ".tar", ".tgz"):
        path = folder / f"a{suffix}"
        path.write_bytes({".zip": b"PK\3\4", ".tar": b"", ".tgz": b"\x1f\x8b\x08\0"}[suffix] + rubbish)
    tree = opened(folder)
    assert tree.problems
    tree.close()
