"""Opening what is no folder: archives, folders of them, and servers."""

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rsviewer.core.errors import AmbiguousFormatError, DatasetNotFoundError, StoppedError
from rsviewer.core.tile import LayerId, Raster, Unreadable
from rsviewer.data.adapter import Dataset, DatasetAdapter
from rsviewer.data.archives.contents import Archive, Walk
from rsviewer.data.content import read_layer
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.mounting import archives_of, let_go, look_again, mount, slow_archives
from rsviewer.data.remote.names import remote_root
from rsviewer.data.tree import DISK, Patience
from tests.data.httpserver import Served, answers, serving_with
from tests.data.samples import geonrw, satlas, synrs3d

Opening = tuple[Dataset, DatasetAdapter]
TILES = ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3"]


def pack(folder: Path, archive: Path, below: str = "") -> Path:
    """Writes an archive of all that a folder holds, by the suffix of its name."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [(path, f"{below}{path.relative_to(folder).as_posix()}") for path in files]
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as target:
            for path, name in names:
                target.write(path, name)
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix in (".gz", ".tgz") else "w") as target:
            for path, name in names:
                target.add(path, name)
    return archive


def tiles_of(opening: Opening) -> list[str]:
    dataset, adapter = opening
    return [str(entry.id) for entry in adapter.scan(dataset)]


def refusal(path: Path) -> str:
    with pytest.raises(DatasetNotFoundError) as caught:
        open_dataset(path)
    return str(caught.value)


# Where a dataset may lie in archives


@pytest.mark.parametrize("name", ["data.zip", "data.tar", "data.tar.gz", "data.tgz"])
@pytest.mark.parametrize("below", ["", "tiny/", "download/tiny/"])
def test_one_archive_opens_however_deep_the_dataset_lies_in_it(
    name: str, below: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    archive = pack(tiny_dataset, tmp_path / "packed" / name, below)
    if below.count("/") == 2:
        assert "download/" in refusal(archive)  # as in a folder: one step down is looked for, two are not
        archive = archive / "download"
    dataset, adapter = open_dataset(archive)
    assert dataset.format == "synrs3d"
    assert dataset.root == (archive / "tiny" if below else archive)
    assert tiles_of((dataset, adapter)) == TILES


def test_a_folder_in_an_archive_opens_by_its_path(tiny_dataset: Path, tmp_path: Path) -> None:
    archive = pack(tiny_dataset, tmp_path / "both.zip", "one/")
    with zipfile.ZipFile(archive, "a") as target:
        for path in (path for path in tiny_dataset.rglob("*") if path.is_file()):
            target.write(path, f"two/{path.relative_to(tiny_dataset).as_posix()}")
    assert "holds several datasets" in refusal(archive)
    dataset, adapter = open_dataset(archive / "two")
    assert dataset.root == archive / "two"
    assert tiles_of((dataset, adapter)) == TILES
    assert refusal(archive / "twoo") == f"There is no folder {archive}/twoo. Did you mean {archive}/two?"
    file = archive / "two" / "a" / "train.txt"
    assert refusal(file) == f"{file} is a file. Open the folder of the dataset, for example {file.parent}."


def test_several_archives_in_a_folder_are_one_dataset_with_the_paths_of_the_unpacked(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "download"
    for group in "ab":
        pack(tiny_dataset / group, folder / f"{group}.zip", f"{group}/")
    opening = open_dataset(folder)
    assert opening[0].root == folder
    assert tiles_of(opening) == TILES
    assert archives_of(opening[0].tree) == (folder / "a.zip", folder / "b.zip")
    assert not slow_archives(opening[0].tree)
    packed = {entry.id: dict(entry.files) for entry in opening[1].scan(opening[0])}
    shutil.rmtree(folder)
    shutil.copytree(tiny_dataset, folder)
    dataset, adapter = open_dataset(folder)
    assert {entry.id: dict(entry.files) for entry in adapter.scan(dataset)} == packed


def test_archives_beside_an_unpacked_dataset_are_left_alone_and_named(tiny_dataset: Path) -> None:
    for name in ("c.zip", "d.tar", "e.tgz", "f.zip"):
        pack(tiny_dataset / "a", tiny_dataset / name, "a/")
    dataset, adapter = open_dataset(tiny_dataset)
    assert dataset.tree is DISK
    assert tiles_of((dataset, adapter)) == TILES
    said = "c.zip, d.tar, e.tgz and 1 more lie beside the folders and were not opened"
    assert [problem.partition(":")[0] for problem in dataset.problems] == [said]


def test_an_archive_compressed_as_a_whole_is_called_slow(tiny_dataset: Path, tmp_path: Path) -> None:
    dataset, _ = open_dataset(pack(tiny_dataset, tmp_path / "data.tar.gz"))
    assert slow_archives(dataset.tree) == (tmp_path / "data.tar.gz",)
    assert [problem for problem in dataset.problems if "data.tar.gz is compressed as a whole" in problem]


# What may be wrong


def test_where_several_formats_fit_an_archive_each_is_offered_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    synrs3d.write(tmp_path / "plain")
    geonrw.write(tmp_path / "plain")
    archive = pack(tmp_path / "plain", tmp_path / "both.tar")
    with pytest.raises(AmbiguousFormatError) as caught:
        open_dataset(archive)
    assert {name for name, _, _ in caught.value.fits} == {"synrs3d", "geonrw"}
    assert all(title and why for _, title, why in caught.value.fits)
    assert open_dataset(archive, "synrs3d")[0].format == "synrs3d"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<!DOCTYPE html><title>404</title>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (os.urandom(4096), "cut short"),
    ],
)
def test_an_archive_that_cannot_be_read_is_one_sentence_with_its_name(
    content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "data.zip").write_bytes(content)
    said = refusal(tmp_path / "data.zip")
    assert said.startswith("data.zip ")
    assert words in said


def test_a_folder_of_archives_none_of_which_can_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    (tmp_path / "b.tar").write_bytes(b"<html>")
    said = refusal(tmp_path)
    assert "a.zip is empty (0 bytes)" in said
    assert "b.tar is a web page" in said


def test_a_damaged_archive_among_good_ones_is_a_problem_of_the_dataset(tiny_dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "download"
    pack(tiny_dataset / "a", folder / "a.zip", "a/")
    whole = pack(tiny_dataset / "b", folder / "b.tar", "b/").read_bytes()
    (folder / "b.tar").write_bytes(whole[: len(whole) // 2])
    dataset, adapter = open_dataset(folder)
    assert [problem for problem in dataset.problems if problem.startswith("b.tar is cut short")]
    assert set(TILES[:3]) <= set(tiles_of((dataset, adapter)))


def test_an_archive_that_is_exchanged_while_it_is_open_gives_no_other_tile_s_pixels(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    archive = pack(tiny_dataset, tmp_path / "data.tar")
    dataset, adapter = open_dataset(archive)
    entry = next(iter(adapter.scan(dataset)))
    spec = dataset.layer(LayerId("ndsm"))
    assert isinstance(read_layer(entry, spec, dataset.tree), Raster)
    archive.write_bytes(b"\0" * 10240)
    content = read_layer(entry, spec, dataset.tree)
    assert isinstance(content, Unreadable)
    assert "has changed since it was opened" in content.reason


# Patience


def listed(path: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Opens a dataset. Returns the names of the archives that were walked through for it."""
    walked: list[str] = []
    opened = Archive.opened

    def watched(archive: Archive) -> AbstractContextManager[Walk]:
        walked.append(archive.name)
        return opened(archive)

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "opened", watched)
        dataset, _ = open_dataset(path, patience=Patience(tables))
    let_go(dataset.tree)
    return walked


def test_what_an_archive_holds_is_remembered_and_only_a_changed_one_is_walked_through_again(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, tables = tmp_path / "download", tmp_path / "listings"
    for group in "ab":
        pack(tiny_dataset / group, folder / f"{group}.zip", f"{group}/")
    assert listed(folder, tables, monkeypatch) == ["a.zip", "b.zip"]
    assert listed(folder, tables, monkeypatch) == []
    with zipfile.ZipFile(folder / "b.zip", "a") as target:
        target.writestr("b/notes.txt", "new")
    assert listed(folder, tables, monkeypatch) == ["b.zip"]


@pytest.mark.parametrize("name", ["data.zip", "data.tar", "data.tar.gz"])
def test_listing_says_what_is_listed_and_ends_when_stopped(name: str, tiny_dataset: Path, tmp_path: Path) -> None:
    archive = pack(tiny_dataset, tmp_path / name)
    told: list[tuple[str, int, int | None]] = []
    dataset, _ = open_dataset(archive, patience=Patience(progress=lambda *news: told.append(news)))
    let_go(dataset.tree)
    assert {what for what, _, _ in told} == {f"Listing {name}"}
    assert told[-1][1] == told[-1][2] == archive.stat().st_size
    with pytest.raises(StoppedError):
        open_dataset(archive, patience=Patience(tmp_path / "listings", stop=lambda: True))
    assert not list((tmp_path / "listings").glob("*.sqlite"))


def test_an_archive_put_in_the_place_of_another_makes_the_index_stale(tiny_dataset: Path, tmp_path: Path) -> None:
    archive = pack(tiny_dataset, tmp_path / "data.zip")
    index_path = tmp_path / "index.duckdb"
    dataset, adapter = open_dataset(archive)
    index = TileIndex.open(index_path, dataset, adapter)
    index.build()
    assert index.is_fresh()
    assert len(index) == len(TILES)
    index.close()
    let_go(dataset.tree)
    for path in (tiny_dataset / "a").rglob("3.tif"):
        path.unlink()
    pack(tiny_dataset, archive)
    os.utime(archive, ns=(1, 1))
    dataset, adapter = open_dataset(archive)
    index = TileIndex.open(index_path, dataset, adapter)
    assert not index.is_fresh()
    index.build()
    assert index.is_fresh()
    index.close()


# Descriptions


DESCRIPTION = """
title = "Described"
[[layers]]
id = "image"
folder = "img"
kind = "optical"
"""


@pytest.fixture
def described(tiny_dataset: Path, tmp_path: Path) -> Path:
    """A folder that only its own description can open."""
    folder = tmp_path / "described"
    shutil.copytree(tiny_dataset / "a" / "opt", folder / "img")
    (folder / "rsviewer-dataset.toml").write_text(DESCRIPTION, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["data.zip", "data.tar", "data.tar.gz"])
def test_a_description_in_an_archive_describes_it(name: str, described: Path, tmp_path: Path) -> None:
    dataset, adapter = open_dataset(pack(described, tmp_path / name))
    assert (dataset.format, dataset.title) == ("folders", "Described")
    assert tiles_of((dataset, adapter)) == ["1", "2", "3"]


def test_a_description_on_a_server_describes_its_folder(described: Path) -> None:
    with serving_with(described.parent) as served:
        dataset, adapter = open_dataset(remote_root(f"{served.url}described"))
        assert (dataset.format, dataset.title) == ("folders", "Described")
        assert tiles_of((dataset, adapter)) == ["1", "2", "3"]
        let_go(dataset.tree)


# Servers


@pytest.fixture
def served(tiny_dataset: Path) -> Iterator[Served]:
    with serving_with(tiny_dataset.parent) as server:
        yield server


def test_a_remote_folder_that_is_not_there_says_so_with_its_address(served: Served) -> None:
    said = refusal(remote_root(f"{served.url}tinny"))
    assert said.startswith(f"There is no folder {served.url}tinny.")
    assert "/vsi" not in said


def test_a_remote_folder_of_nothing_that_is_known_says_so_with_its_address(served: Served) -> None:
    (served.folder / "notes").mkdir()
    (served.folder / "notes" / "a.md").touch()
    said = refusal(remote_root(f"{served.url}notes/"))
    assert f"No dataset recognised in {served.url}notes" in said
    assert "/vsi" not in said


@pytest.mark.parametrize(("status", "words"), [(403, ".netrc"), (500, "in trouble"), (418, "HTTP 418")])
def test_a_server_that_refuses_is_one_sentence(
    status: int, words: str, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.remote.web.Web._wait", _at_once)
    served.faults["/tiny/"] = answers(status)
    said = refusal(remote_root(f"{served.url}tiny/"))
    assert words in said
    assert f"{served.url}tiny" in said


def _at_once(_web: object, _attempt: int, error: OSError) -> None:
    raise error


def test_a_link_on_an_index_page_that_leads_nowhere_is_no_link_of_a_disk(served: Served) -> None:
    served.faults["/tiny/b/ndsm/"] = answers(404)
    served.faults["/tiny/b/gt_nDSM/"] = answers(404)
    dataset, adapter = open_dataset(remote_root(f"{served.url}tiny/"))
    assert set(tiles_of((dataset, adapter))) >= set(TILES[:3])
    said = " ".join(adapter.describe(dataset.root).problems)
    assert "link to something" not in said
    assert "/vsi" not in said
    let_go(dataset.tree)


def test_looking_again_finds_what_is_new_on_the_server(served: Served) -> None:
    dataset, adapter = open_dataset(remote_root(f"{served.url}tiny/"))
    assert tiles_of((dataset, adapter)) == TILES
    for path in list((served.folder / "tiny" / "a").glob("*/3.tif")):
        shutil.copy(path, path.with_name("4.tif"))
    assert tiles_of((dataset, adapter)) == TILES
    look_again(dataset.tree)
    assert tiles_of((dataset, adapter)) == [*TILES[:3], "a/4", *TILES[3:]]
    let_go(dataset.tree)


def test_listing_a_server_is_remembered_and_can_be_stopped(served: Served, tmp_path: Path) -> None:
    root, tables = remote_root(f"{served.url}tiny/"), tmp_path / "listings"
    first = open_dataset(root, patience=Patience(tables))
    assert tiles_of(first) == TILES
    let_go(first[0].tree)
    before = len(served.requests)
    again = open_dataset(root, patience=Patience(tables))
    assert tiles_of(again) == TILES
    assert not [asked for asked in served.requests[before:] if asked.endswith("/")]
    let_go(again[0].tree)


def test_an_archive_on_a_server_says_that_it_has_to_be_fetched(served: Served, tiny_dataset: Path) -> None:
    pack(tiny_dataset / "a", served.folder / "only" / "a.zip", "a/")
    for address in (f"{served.url}only/", f"{served.url}only/a.zip"):
        said = refusal(remote_root(address))
        assert "Archives are opened on a disk only: download" in said, address


def test_who_mounts_a_path_on_the_disk_gets_the_disk(tmp_path: Path) -> None:
    assert mount(tmp_path, Patience()).tree is DISK
    assert mount(tmp_path / "nothing.zip", Patience()).tree is DISK


def test_members_beyond_an_archive_s_own_folder_are_never_part_of_a_dataset(tiny_dataset: Path, tmp_path: Path) -> None:
    archive = pack(tiny_dataset, tmp_path / "data.tar")
    with tarfile.open(archive, "a") as target:
        member = tarfile.TarInfo("../../a/opt/9.tif")
        member.size = 3
        target.addfile(member, io.BytesIO(b"abc"))
    dataset, adapter = open_dataset(archive)
    assert tiles_of((dataset, adapter)) == TILES
    assert [problem for problem in dataset.problems if "data.tar" in problem]


def test_satlas_as_it_is_distributed_is_one_dataset(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    sample = satlas.write(plain)
    folder = tmp_path / "download"
    folder.mkdir()
    for path in plain.iterdir():
        if path.is_dir():
            pack(path, folder / f"{path.name}.tar", f"{path.name}/")
        else:
            shutil.copy(path, folder)
    assert tiles_of(open_dataset(folder)) == list(sample.tiles)
