"""Every command on archives and addresses, and `rsviewer unpack`."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rsviewer.data.archives.members import Progress
from rsviewer.data.conversions import RECORD
from rsviewer.data.unpacking import MARKER, Unpacked, unpack
from tests.batch.models import HEIGHT_CARD, FakeEngine
from tests.cli.test_predict import card_file
from tests.data.httpserver import serving

Run = Callable[..., Any]
KINDS = ("zip", "tar", "tar.gz", "folder of archives", "server")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def pack(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            for path in files_of(folder):
                target.write(path, path.relative_to(folder).as_posix())
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as target:
            for path in files_of(folder):
                target.add(path, path.relative_to(folder).as_posix())
    return archive


@pytest.fixture(params=KINDS)
def away(request: pytest.FixtureRequest, dataset: Path, tmp_path: Path) -> Iterator[str]:
    """The dataset where it is no folder: what to name on the command line."""
    if request.param == "server":
        with serving(dataset.parent) as url:
            yield f"{url}data/"
    elif request.param == "folder of archives":
        pack(dataset, tmp_path / "download" / "all.zip")
        yield str(tmp_path / "download")
    else:
        yield str(pack(dataset, tmp_path / f"packed.{request.param}"))


# --- commands on what is no folder


def test_info_says_the_same_as_of_the_folder(run: Run, dataset: Path, away: str) -> None:
    for deep in ((), ("--deep",)):
        here, there = (run("info", path, "--json", *deep).document for path in (dataset, away))
        assert there.pop("root") == away.removesuffix("/")
        for each in (here, there):
            del each["remarks"], each["why"]
            each.pop("root", None)
        assert {key: value for key, value in there.items() if key != "problems"} == {
            key: value for key, value in here.items() if key != "problems"
        }
        assert len(there["problems"]) == len(here["problems"])


def test_info_shows_people_what_they_typed(run: Run, away: str) -> None:
    done = run("info", away)
    assert (done.code, done.err) == (0, "")
    assert "/vsi" not in done.out
    assert away.removesuffix("/") in done.out.replace("\n", "").replace(" ", "")


def test_what_is_decided_there_is_kept_listed_and_exported(run: Run, away: str, tmp_path: Path) -> None:
    assert run("index", away, "--json").document["tiles"] == 5
    assert run("flag", away, "a", "--verdict", "drop", "--tag", "cloud").code == 0
    assert [row["tile"] for row in run("decisions", away, "--json").document] == ["a"]
    done = run("export", away, "--out", tmp_path / "cleaned")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "cleaned" / "train.txt").read_bytes() == b"b\r\nghost\r\n"
    assert (tmp_path / "cleaned" / "test.txt").read_bytes() == b"c"


def test_tiles_become_clouds(run: Run, away: str, tmp_path: Path) -> None:
    done = run("convert", "cloud", away, "--to", "ply", "--out", tmp_path / "clouds", "--tile", "b")
    assert (done.code, done.err) == (0, "")
    assert [path.name for path in files_of(tmp_path / "clouds")] == ["b.ply", RECORD]


def test_models_predict(run: Run, away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.inference.engine.Engine", FakeEngine)
    card = card_file(tmp_path / "model", HEIGHT_CARD)
    done = run("predict", away, "--model", card, "--out", tmp_path / "predicted")
    assert done.code in (0, 1), done.err
    assert {path.name for path in files_of(tmp_path / "predicted") if path.suffix == ".tif"} >= {
        "a.height.tif",
        "b.height.tif",
    }


@pytest.mark.parametrize("typed", ["htps://host/x", "https://u:secret@host/x", "s3://?/x"])
def test_an_address_that_is_none_is_one_line(run: Run, typed: str) -> None:
    done = run("info", typed)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "secret" not in done.err


def test_a_server_without_the_folder_is_one_line_with_the_address(run: Run, dataset: Path) -> None:
    with serving(dataset.parent) as url:
        done = run("info", f"{url}nothing")
        assert done.code == 2
        assert f"There is no folder {url}nothing." in done.err
        assert "/vsi" not in done.err


# --- unpack


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_are_unpacked_into_one_folder(run: Run, dataset: Path, tmp_path: Path, kind: str) -> None:
    archive, out = pack(dataset, tmp_path / f"packed.{kind}"), tmp_path / "out"
    done = run("unpack", archive, "--out", out)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"9 files in {out}, 9 of them new.\n"
    assert {path.relative_to(out): path.read_bytes() for path in files_of(out)} == {
        path.relative_to(dataset): path.read_bytes() for path in files_of(dataset)
    }


def test_a_folder_of_archives_and_json(run: Run, dataset: Path, tmp_path: Path) -> None:
    for name in ("opt", "gt_nDSM"):
        pack(dataset / name, tmp_path / "download" / f"{name}.zip")
    done = run("unpack", tmp_path / "download", "--out", tmp_path / "out", "--json")
    assert done.code == 1, "both have a.tif: the first counts"
    assert done.document["files"] == 4
    assert done.document["written"] == 4
    assert done.document["out"] == str(tmp_path / "out")
    assert len(done.document["problems"]) == 3
    assert done.err.count("\n") == 3


def test_after_ctrl_c_the_same_call_goes_on(
    run: Run, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, out = pack(dataset, tmp_path / "packed.zip"), tmp_path / "out"
    seen: list[int] = []

    def interrupted(archives: list[Path], out: Path, progress: Progress) -> Unpacked:
        def stop() -> bool:
            seen.append(1)
            if len(seen) > 4:
                raise KeyboardInterrupt
            return False

        return unpack(archives, out, progress, stop)

    with monkeypatch.context() as patch:
        patch.setattr("rsviewer.data.unpacking.unpack", interrupted)
        done = run("unpack", archive, "--out", out)
    assert done.code == 130
    assert (out / MARKER).exists()
    assert not list(out.glob("*.partial"))
    before = len(files_of(out)) - 1
    assert 0 < before < 9
    done = run("unpack", archive, "--out", out, "--json")
    assert done.code == 0
    assert (done.document["files"], done.document["written"]) == (9, 9 - before)
    assert not (out / MARKER).exists()


def test_what_cannot_be_unpacked_is_one_line(run: Run, dataset: Path, tmp_path: Path) -> None:
    archive = pack(dataset, tmp_path / "packed.zip")
    (tmp_path / "bad.zip").write_bytes(b"")
    for words, said in (
        ((archive, "--out", dataset), "is not empty"),
        ((tmp_path / "nothing.zip", "--out", tmp_path / "out"), "nothing.zip"),
        ((dataset, "--out", tmp_path / "out"), "There is no archive in"),
        ((f"{archive}", "--out", archive), "is a file"),
    ):
        done = run("unpack", *words)
        assert done.code == 2, words
        assert said in done.err
        assert done.err.count("\n") == 1
    done = run("unpack", tmp_path / "bad.zip", "--out", tmp_path / "bad")
    assert done.code == 1
    assert "bad.zip is empty" in done.err


def test_what_was_decided_in_an_archive_is_there_when_it_is_unpacked(run: Run, dataset: Path, tmp_path: Path) -> None:
    archive, out = pack(dataset, tmp_path / "packed.zip"), tmp_path / "packed"
    run("flag", archive, "a", "--verdict", "drop")
    done = run("unpack", archive, "--out", out)
    assert "1 decision" in done.out
    assert [row["tile"] for row in run("decisions", out, "--json").document] == ["a"]
    assert [row["tile"] for row in run("decisions", archive, "--json").document] == ["a"]


def test_unpacking_what_nobody_opened_makes_no_project(run: Run, dataset: Path, tmp_path: Path) -> None:
    run("unpack", pack(dataset, tmp_path / "packed.zip"), "--out", tmp_path / "out")
    assert not (tmp_path / "rsviewer-home" / "projects").exists()
