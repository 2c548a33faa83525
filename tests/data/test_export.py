import hashlib
import json
from pathlib import Path
from pkgutil import resolve_name

import pytest

from rsviewer import __version__
from rsviewer.core.errors import ExportError, StoppedError
from rsviewer.core.review import Decision, Region, Verdict
from rsviewer.core.splits import ExportOptions, ExportPlan, ListForm, SplitList, parse_list, plan
from rsviewer.core.tile import TileId
from rsviewer.data import export
from rsviewer.data.adapter import Dataset
from rsviewer.data.export import check_target, preview, write_export
from rsviewer.data.lists import read_split_list
from rsviewer.data.tree import DISK

CLOUDY = Decision(
    Verdict.DROP,
    ("cloud",),
    (Region("cloud", ((0, 0), (9.5, 9))),),
    'naïve "note"\n\udcfc',
    "Änne",
    "2026-11-02T10:00:00+01:00",
)
TRAIN = b"\xef\xbb\xbfa\r\nb\r\n\r\nc"


def tile_of(split: SplitList, text: str) -> TileId:
    return TileId(f"{split.group}/{text}")


def dataset(root: Path, *lists: SplitList) -> Dataset:
    root.mkdir(exist_ok=True)
    return Dataset("synrs3d", "Grid", root, (), lists, folders=(root, root / "grid"))


@pytest.fixture
def grid(tmp_path: Path) -> Dataset:
    train = parse_list(TRAIN, name="train", path="grid/train.txt", group="grid")
    test = parse_list(b"c\nd\n", name="test", path="grid/test.txt", group="grid")
    (tmp_path / "data" / "grid").mkdir(parents=True)
    (tmp_path / "data" / "grid" / "train.txt").write_bytes(TRAIN)
    return dataset(tmp_path / "data", train, test)


@pytest.fixture
def cleaned(grid: Dataset) -> ExportPlan:
    """B is dropped; d has no files."""
    tiles = {TileId(f"grid/{name}"): "grid" for name in "abc"}
    return plan(grid.lists, tiles, {TileId("grid/b"): CLOUDY}, tile_of, ExportOptions(drop_tags=("void",)))


def files_under(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_lists_are_written_in_their_own_form_less_the_dropped(
    grid: Dataset, cleaned: ExportPlan, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "clean"

    write_export(cleaned, grid, out)

    written = files_under(out)
    assert written.keys() == {"grid/train.txt", "grid/test.txt", "manifest.json"}
    assert written["grid/train.txt"] == b"\xef\xbb\xbfa\r\n\r\nc"
    assert written["grid/test.txt"] == b"c\nd\n"
    assert [each.name for each in out.parent.iterdir()] == ["clean"]
    assert (grid.root / "grid" / "train.txt").read_bytes() == TRAIN


def test_the_manifest_says_what_was_left_out_and_why(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    write_export(cleaned, grid, tmp_path / "clean")

    manifest = json.loads((tmp_path / "clean" / "manifest.json").read_bytes())
    train, test = manifest["lists"]
    assert (train["path"], train["before"], train["after"]) == ("grid/train.txt", 3, 2)
    assert train["sha256"] == hashlib.sha256((tmp_path / "clean" / "grid" / "train.txt").read_bytes()).hexdigest()
    assert (test["name"], test["not_found"]) == ("test", ["grid/d"])
    assert manifest["dropped"] == [
        {
            "tile": "grid/b",
            "group": "grid",
            "reasons": ["dropped"],
            "verdict": "drop",
            "tags": ["cloud"],
            "regions": [{"tag": "cloud", "points": [[0, 0], [9.5, 9]]}],
            "note": CLOUDY.note,
            "reviewer": "Änne",
            "time": "2026-11-02T10:00:00+01:00",
            "lists": ["grid/train.txt"],
        }
    ]
    assert manifest["training_and_held_out"] == ["grid/c"]
    assert manifest["options"] == {"drop_undecided": False, "drop_tags": ["void"], "drop_missing": False}
    assert manifest["dataset"] == {"name": "data", "title": "Grid", "format": "synrs3d"}
    assert (manifest["program"], manifest["version"], manifest["kept"]) == ("rsviewer", __version__, 2)
    assert str(tmp_path) not in json.dumps(manifest)


def test_the_preview_is_what_is_written(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    foreseen = preview(cleaned, tmp_path / "clean")
    assert not (tmp_path / "clean").exists()

    document = write_export(cleaned, grid, tmp_path / "clean").document()

    assert foreseen.document() == document
    assert document["lists"][0]["after"] == 2  # type: ignore[index]
    assert document["dropped"] == [
        {"tile": "grid/b", "verdict": "drop", "tags": ["cloud"], "note": CLOUDY.note, "reasons": ["dropped"]}
    ]


def test_a_dataset_without_lists_gets_the_kept_and_the_dropped_tiles(tmp_path: Path) -> None:
    tiles = {TileId("ä"): "", TileId("b"): ""}
    plain = plan([], tiles, {TileId("b"): CLOUDY}, tile_of, ExportOptions())

    write_export(plain, dataset(tmp_path / "data"), tmp_path / "clean")

    written = files_under(tmp_path / "clean")
    assert (written["kept.txt"], written["dropped.txt"]) == ("ä\n".encode(), b"b\n")
    assert written.keys() == {"kept.txt", "dropped.txt", "manifest.json"}


def test_numbered_tiles_give_numbers_by_area_for_the_scripts_of_rs3dbench(tmp_path: Path) -> None:
    numbers = {"Japan+Korea": (2, 10, 30), "希腊": (7,)}
    tiles = {TileId(f"{area}/tile_{number}"): area for area, members in numbers.items() for number in members}
    dropped = {TileId("Japan+Korea/tile_30"): CLOUDY, TileId("Japan+Korea/tile_2"): CLOUDY}

    write_export(plan([], tiles, dropped, tile_of, ExportOptions()), dataset(tmp_path / "data"), tmp_path / "clean")

    written = files_under(tmp_path / "clean")
    deleted = {"Japan+Korea": [2, 30], "希腊": []}
    assert json.loads(written["kept.json"]) == {"Japan+Korea": [10], "希腊": [7]}
    assert json.loads(written["deleted.json"]) == deleted
    script: dict[str, object] = {}
    exec(written["deletedIndexDict.py"], script)
    assert script["deletedIndexDict"] == deleted
    assert written["dropped.txt"].split() == [b"Japan+Korea/tile_2", b"Japan+Korea/tile_30"]


def test_lists_of_one_name_from_outside_the_dataset_do_not_hide_each_other(tmp_path: Path) -> None:
    lists = [parse_list(raw, name="train", path="train.txt", group="") for raw in (b"a\n", b"b\n")]
    twice = plan(lists, {}, {}, tile_of, ExportOptions())

    result = write_export(twice, dataset(tmp_path / "data"), tmp_path / "clean")

    assert [each.path for each in result.lists] == ["train.txt", "train-2.txt"]
    assert (tmp_path / "clean" / "train-2.txt").read_bytes() == b"b\n"


@pytest.mark.parametrize("path", ["../train.txt", "/etc/train.txt", "a/../../train.txt", "manifest.json", ""])
def test_a_list_is_never_written_outside_the_export(path: str, tmp_path: Path) -> None:
    split = parse_list(b"a\n", name="train", path=path, group="")

    with pytest.raises(ExportError, match="cannot be exported"):
        write_export(plan([split], {}, {}, tile_of, ExportOptions()), dataset(tmp_path / "data"), tmp_path / "clean")

    assert [each.name for each in tmp_path.iterdir()] == ["data"]


# --- what is there already


def test_an_earlier_export_is_replaced_only_when_asked(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    nothing_dropped = plan(grid.lists, {}, {}, tile_of, ExportOptions())
    write_export(nothing_dropped, grid, out)

    with pytest.raises(ExportError, match=r"earlier export.*--overwrite"):
        write_export(cleaned, grid, out)
    assert files_under(out)["grid/train.txt"] == TRAIN

    write_export(cleaned, grid, out, overwrite=True)
    assert files_under(out)["grid/train.txt"] == b"\xef\xbb\xbfa\r\n\r\nc"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clean", "data"]


def test_an_empty_folder_is_used(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()

    write_export(cleaned, grid, tmp_path / "clean")

    assert "manifest.json" in files_under(tmp_path / "clean")


@pytest.mark.parametrize("manifest", [None, b"{}", b"[", b'{"program": "rsviewer", "files": {"grid/train.txt": ""}}'])
def test_no_work_of_others_is_ever_replaced(
    grid: Dataset, cleaned: ExportPlan, tmp_path: Path, manifest: bytes | None
) -> None:
    out = tmp_path / "home"
    (out / "grid").mkdir(parents=True)
    (out / "thesis.tex").write_text("five years")
    if manifest is not None:
        (out / "manifest.json").write_bytes(manifest)
    before = files_under(out)

    with pytest.raises(ExportError, match=r"thesis\.tex|manifest\.json"):
        write_export(cleaned, grid, out, overwrite=True)

    assert files_under(out) == before


def test_folders_without_files_are_not_replaced(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    (tmp_path / "clean" / "prepared").mkdir(parents=True)

    with pytest.raises(ExportError, match="folders that no export made"):
        write_export(cleaned, grid, tmp_path / "clean", overwrite=True)


def test_a_file_in_the_way_is_named(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    (tmp_path / "clean").write_text("a file")

    with pytest.raises(ExportError, match="is a file"):
        write_export(cleaned, grid, tmp_path / "clean", overwrite=True)


@pytest.mark.parametrize("place", ["data", "data/grid", ".", "link"])
def test_the_dataset_is_never_replaced(grid: Dataset, cleaned: ExportPlan, tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    before = files_under(tmp_path)

    with pytest.raises(ExportError, match="belongs to the dataset"):
        write_export(cleaned, grid, tmp_path / place, overwrite=True)

    assert files_under(tmp_path) == before


def test_a_new_folder_beside_the_tiles_may_be_asked_for(grid: Dataset, cleaned: ExportPlan) -> None:
    write_export(cleaned, grid, grid.root / "cleaned")

    assert (grid.root / "cleaned" / "grid" / "train.txt").exists()
    assert (grid.root / "grid" / "train.txt").read_bytes() == TRAIN


# --- what goes wrong


@pytest.mark.parametrize(
    ("function", "calls"),
    [("rsviewer.data.export.write_pieces", calls) for calls in range(3)]
    + [("rsviewer.data.settings.os.fsync", calls) for calls in range(3)]
    + [("pathlib.Path.rename", calls) for calls in range(2)],
)
def test_an_export_that_fails_half_way_leaves_what_was_there(
    grid: Dataset, cleaned: ExportPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, calls: int
) -> None:
    """The disk fills up at every file, sync and rename in turn."""
    write_export(plan(grid.lists, {}, {}, tile_of, ExportOptions()), grid, tmp_path / "clean")
    before = files_under(tmp_path)
    original = resolve_name(function)
    left = calls

    def failing(*args: object) -> object:
        nonlocal left
        left -= 1
        if left == -1:
            raise OSError(28, "No space left on device")
        return original(*args)

    with monkeypatch.context() as patched:
        patched.setattr(function, failing)
        with pytest.raises(ExportError, match=r"No space left on device.*Nothing was changed"):
            write_export(cleaned, grid, tmp_path / "clean", overwrite=True)

    assert files_under(tmp_path) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clean", "data"]


def test_a_folder_is_refused_before_anything_is_written_there(grid: Dataset, tmp_path: Path) -> None:
    check_target(tmp_path / "new" / "deeper", grid)
    (tmp_path / "file").write_bytes(b"")
    for folder, words in ((grid.root, "belongs to the dataset"), (tmp_path / "file" / "new", "is a file")):
        with pytest.raises(ExportError, match=words):
            check_target(folder, grid)


def test_a_table_is_exported_with_its_columns_minus_the_dropped_rows(grid: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b'filepath,title\r\na,"one,\r\ntwo"\r\nb,x\r\nc,y\r\n')
    split = read_split_list(DISK, path, tmp_path, "", ListForm.CSV, "filepath")
    tiles = {TileId(f"/{tile}"): "" for tile in "abc"}
    decisions = {TileId("/b"): Decision(Verdict.DROP)}

    out = tmp_path / "out"
    result = write_export(plan([split], tiles, decisions, tile_of, ExportOptions()), grid, out)

    assert (out / "train.csv").read_bytes() == b'filepath,title\r\na,"one,\r\ntwo"\r\nc,y\r\n'
    assert [(each.before, each.after) for each in result.lists] == [(3, 2)]
    assert result.files["train.csv"] == hashlib.sha256((out / "train.csv").read_bytes()).hexdigest()


def test_an_export_that_is_stopped_leaves_what_was_there(grid: Dataset, cleaned: ExportPlan, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    write_export(plan(grid.lists, {}, {}, tile_of, ExportOptions()), grid, out)
    before = files_under(tmp_path)

    for asked in range(4):
        answers = iter([False] * asked)
        with pytest.raises(StoppedError, match="Nothing was written"):
            write_export(cleaned, grid, out, overwrite=True, stop=lambda answers=answers: next(answers, True))

    assert files_under(tmp_path) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clean", "data"]


def test_an_export_says_how_far_it_is(grid: Dataset, tmp_path: Path) -> None:
    raw = b"".join(b"tile-%d\n" % number for number in range(1000))
    split, said = parse_list(raw, name="train", path="train.txt", group=""), list[tuple[int, int | None]]()

    change = plan([split], {}, {}, tile_of, ExportOptions())
    write_export(change, grid, tmp_path / "clean", progress=lambda *done: said.append(done))

    total = said[0][1]
    assert total
    assert said == sorted(said)
    assert said[0][0] < said[-1][0] <= total


def test_an_earlier_export_is_known_without_reading_all_of_its_manifest(
    grid: Dataset, cleaned: ExportPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_export(cleaned, grid, tmp_path / "clean")
    raw = (tmp_path / "clean" / "manifest.json").read_bytes()
    monkeypatch.setattr(export, "_MOST_HEAD", raw.index(b'"lists": [') + 12)

    check_target(tmp_path / "clean", grid, overwrite=True)


def test_the_export_of_an_older_version_is_replaced_when_asked(
    grid: Dataset, cleaned: ExportPlan, tmp_path: Path
) -> None:
    write_export(cleaned, grid, tmp_path / "clean")
    path = tmp_path / "clean" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    files = manifest.pop("files")
    path.write_text(json.dumps({**manifest, "files": files}, indent=1))

    check_target(tmp_path / "clean", grid, overwrite=True)
