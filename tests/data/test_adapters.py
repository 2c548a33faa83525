"""What every dataset format promises, on fake datasets of empty files: only names count."""

import builtins
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rsviewer.core.splits import render_list
from rsviewer.core.tile import LayerId
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry
from rsviewer.data.datasets.layout import parse_layout
from rsviewer.data.detect import open_dataset

LAYOUT = """
[[layers]]
id = "photo"
folder = "photos"
kind = "optical"

[[layers]]
id = "height"
folder = "dsm"
kind = "height"
"""


@dataclass(frozen=True)
class Fake:
    """A dataset of one group with two layers, and how its files and lists are called."""

    format: str
    first: str
    second: str
    layers: tuple[str, str]
    list_file: str
    tile: Callable[[int], str]
    odd_names: bool = True
    prefix: str = ""
    extra: dict[str, str] | None = None

    def file(self, folder: str, number: int, suffix: str = "tif") -> str:
        return f"{folder}/{self.tile(number)}.{suffix}"

    def id(self, number: int) -> str:
        return f"{self.prefix}{self.tile(number)}"


FAKES = [
    Fake("synrs3d", "opt", "gt_nDSM", ("image", "ndsm"), "train.txt", lambda k: f"{k:010d}-1"),
    Fake(
        "synrs3d", "sub/Opt", "sub/GT_NDSM", ("image", "ndsm"), "sub/train.txt", lambda k: f"JAX_{k}_0", prefix="sub/"
    ),
    Fake(
        "rs3dbench",
        "Image/tif-Alps+2.5",
        "DEM-Alps+2.5",
        ("image_tif", "dem"),
        "train.txt",
        lambda k: f"tile_{k}",
        odd_names=False,
        prefix="Alps+2.5/",
    ),
    Fake(
        "folders",
        "photos",
        "dsm",
        ("photo", "height"),
        "train.txt",
        lambda k: f"t {k}",
        extra={"rsviewer-dataset.toml": LAYOUT},
    ),
]


NAMED = [fake for fake in FAKES if fake.odd_names]
"""Formats whose tiles may have any name; RS3DBench numbers its tiles."""


@pytest.fixture(params=FAKES, ids=lambda fake: f"{fake.format}:{fake.first}")
def fake(request: pytest.FixtureRequest, tmp_path: Path) -> Fake:
    for name, text in (request.param.extra or {}).items():
        (tmp_path / name).write_text(text)
    return request.param


@pytest.fixture(params=NAMED, ids=lambda fake: f"{fake.format}:{fake.first}")
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Fake:
    for name, text in (request.param.extra or {}).items():
        (tmp_path / name).write_text(text)
    return request.param


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def scanned(root: Path) -> tuple[Dataset, DatasetAdapter, dict[str, TileEntry]]:
    dataset, adapter = open_dataset(root)
    entries = list(adapter.scan(dataset))
    assert len({entry.id for entry in entries}) == len(entries)
    return dataset, adapter, {entry.id: entry for entry in entries}


def test_a_dataset_is_recognised_and_its_tiles_come_in_natural_order(fake: Fake, tmp_path: Path) -> None:
    numbers = [10, 9, 0, 100]
    put(tmp_path, *(fake.file(folder, k) for folder in (fake.first, fake.second) for k in numbers))
    dataset, _, entries = scanned(tmp_path)
    assert dataset.format == fake.format
    assert dataset.root == tmp_path
    assert tuple(layer.id for layer in dataset.layers) == fake.layers
    assert list(entries) == [fake.id(k) for k in sorted(numbers)]
    assert entries[fake.id(9)].files == {
        fake.layers[0]: str(tmp_path / fake.file(fake.first, 9)),
        fake.layers[1]: str(tmp_path / fake.file(fake.second, 9)),
    }
    assert list(entries[fake.id(9)].files) == list(fake.layers)
    assert {entry.group for entry in entries.values()} == {fake.prefix.rstrip("/")}
    assert not dataset.problems


def test_a_missing_layer_is_named(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.first, 2), fake.file(fake.second, 2))
    _, _, entries = scanned(tmp_path)
    assert entries[fake.id(1)].missing == (fake.layers[1],)
    assert entries[fake.id(2)].missing == ()


def test_a_tile_that_only_a_list_knows_is_there_without_files(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    (tmp_path / fake.list_file).write_text(f"{fake.tile(2)}\n{fake.tile(1)}\n")
    _, _, entries = scanned(tmp_path) if not fake.prefix else _with_group_in_lines(fake, tmp_path)
    assert entries[fake.id(2)].files == {}
    assert entries[fake.id(2)].splits == ("train",)
    assert entries[fake.id(2)].missing == tuple(map(LayerId, fake.layers))
    assert entries[fake.id(1)].splits == ("train",)


def _with_group_in_lines(fake: Fake, root: Path) -> tuple[Dataset, DatasetAdapter, dict[str, TileEntry]]:
    (root / fake.list_file).write_text(f"{fake.first}/{fake.tile(2)}.tif\n{fake.first}/{fake.tile(1)}.tif\n")
    return scanned(root)


def test_lists_round_trip_and_every_line_leads_to_its_tile(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, *(fake.file(folder, k) for folder in (fake.first, fake.second) for k in (1, 2, 3)))
    raw = f"{fake.first}/{fake.tile(3)}.tif\r\n\n{fake.first}/{fake.tile(1)}\n{fake.first}/{fake.tile(2)}.TIF".encode()
    (tmp_path / fake.list_file).write_bytes(raw)
    dataset, adapter, entries = scanned(tmp_path)
    (split,) = dataset.lists
    assert render_list(split) == raw
    assert split.path == fake.list_file
    tiles = [adapter.tile_of_line(split, line.text) for line in split.lines if line.text]
    assert tiles == [fake.id(3), fake.id(1), fake.id(2)]
    assert all(entries[tile].splits == ("train",) for tile in tiles)


def test_lines_that_differ_in_case_name_the_file(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 7), fake.file(fake.second, 7))
    (tmp_path / fake.list_file).write_text(f"{fake.first}/{fake.tile(7)}".upper() + "\n")
    dataset, adapter, entries = scanned(tmp_path)
    assert list(entries) == [fake.id(7)]
    assert adapter.tile_of_line(dataset.lists[0], dataset.lists[0].lines[0].text) == fake.id(7)


def test_prose_and_class_names_are_no_lists(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    home = (tmp_path / fake.list_file).parent
    (home / "README.txt").write_text("Tiles of a town.\nThey are beautiful.\n")
    (home / "test.txt").write_text("This is a test of the camera.\nIt went well.\n")
    (home / "classes.txt").write_text("Road\nTree\n")
    (home / "LICENSE.txt").write_bytes(b"\x00\xff\xfe")
    dataset, _, entries = scanned(tmp_path)
    assert dataset.lists == ()
    assert list(entries) == [fake.id(1)]


def test_clutter_is_no_tile(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    clutter = (
        "Thumbs.db",
        ".DS_Store",
        f"._{fake.tile(1)}.tif",
        f"{fake.tile(1)}.tif.aux.xml",
        f"{fake.tile(1)}.tif.ovr",
    )
    put(tmp_path, *(f"{fake.first}/{name}" for name in (*clutter, f"{fake.tile(1)}.tfw", ".tif", "notes", "a.zip")))
    _, _, entries = scanned(tmp_path)
    assert list(entries) == [fake.id(1)]
    assert entries[fake.id(1)].duplicates == ()


def test_of_two_files_for_a_layer_the_geotiff_is_shown_and_the_other_reported(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, *(fake.file(fake.first, 1, suffix) for suffix in ("png", "TIF", "jpg")), fake.file(fake.second, 1))
    _, _, entries = scanned(tmp_path)
    entry = entries[fake.id(1)]
    assert entry.files[LayerId(fake.layers[0])].endswith(".TIF")
    assert [path[-4:] for path in entry.duplicates] == [".jpg", ".png"]


def test_suffixes_may_differ_from_layer_to_layer(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1, "PNG"), fake.file(fake.second, 1, "tiff"))
    _, _, entries = scanned(tmp_path)
    assert len(entries[fake.id(1)].files) == 2


def test_a_link_to_nothing_is_a_file_that_will_turn_out_unreadable(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 2))
    (tmp_path / fake.file(fake.second, 1)).symlink_to(tmp_path / "gone.tif")
    _, _, entries = scanned(tmp_path)
    assert entries[fake.id(1)].missing == ()


def test_a_linked_store_is_followed(fake: Fake, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = tmp_path_factory.mktemp("store")
    put(store, f"{fake.tile(1)}.tif")
    put(tmp_path, fake.file(fake.first, 1))
    (tmp_path / fake.second).symlink_to(store, target_is_directory=True)
    _, _, entries = scanned(tmp_path)
    assert entries[fake.id(1)].files[LayerId(fake.layers[1])] == str(tmp_path / fake.file(fake.second, 1))


def test_a_link_to_a_store_that_is_gone_leaves_the_rest(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1))
    (tmp_path / fake.second).symlink_to(tmp_path / "gone", target_is_directory=True)
    dataset, _, entries = scanned(tmp_path)
    assert entries[fake.id(1)].missing == (fake.layers[1],)
    assert Path(fake.second).name in dataset.problems[0]


def test_scanning_opens_and_stats_no_file(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(fake.file(folder, k) for folder in (fake.first, fake.second) for k in range(5)))
    (tmp_path / fake.list_file).write_text("".join(f"{fake.first}/{fake.tile(k)}.tif\n" for k in range(3)))
    dataset, adapter = open_dataset(tmp_path)
    touched: list[str] = []

    def refuse(path: object, *_: object, **__: object) -> None:
        touched.append(str(path))
        raise OSError(5, "nobody may touch this", str(path))

    for place, name in ((os, "stat"), (os, "lstat"), (os, "access"), (os, "open"), (io, "open"), (builtins, "open")):
        monkeypatch.setattr(place, name, refuse)
    entries = list(adapter.scan(dataset))
    monkeypatch.undo()
    assert len(entries) == 5
    assert touched == []


def test_opening_looks_at_no_tile(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(fake.file(folder, k) for folder in (fake.first, fake.second) for k in range(3)))
    stat = os.stat
    looked: list[str] = []

    def spy(path: object, *arguments: object, **keywords: object) -> os.stat_result:
        looked.append(str(path))
        return stat(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", spy)
    open_dataset(tmp_path)
    assert not [path for path in looked if path.endswith(".tif")]


@pytest.mark.parametrize(
    "name", ["a b", "straße ü", "高程", "100%", "a'b\"c", "semi;colon,comma", "dots.0.5", "#1", "x\ny"]
)
def test_odd_names_are_tiles(named: Fake, name: str, tmp_path: Path) -> None:
    put(tmp_path, f"{named.first}/{name}.tif", f"{named.second}/{name}.tif")
    _, _, entries = scanned(tmp_path)
    (entry,) = entries.values()
    assert entry.id == f"{named.prefix}{name}".replace("\n", "\\x0a")
    assert len(entry.files) == 2
    assert all(Path(path).exists() for path in entry.files.values())


def test_composed_and_decomposed_accents_are_one_name(named: Fake, tmp_path: Path) -> None:
    put(tmp_path, f"{named.first}/Z\u00fcrich.tif", f"{named.second}/Zu\u0308rich.tif")
    (tmp_path / named.list_file).write_text("Zu\u0308rich\n", encoding="utf-8")
    dataset, adapter, entries = scanned(tmp_path)
    (entry,) = entries.values()
    assert len(entry.files) == 2
    assert entry.splits == ("train",)
    assert adapter.tile_of_line(dataset.lists[0], dataset.lists[0].lines[0].text) == entry.id


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps file names that are not UTF-8")
def test_names_that_are_not_utf_8_have_ids_of_their_own(named: Fake, tmp_path: Path) -> None:
    names = [os.fsdecode(b"t\xfcr"), "t\\xfcr", os.fsdecode(b"t\xfbr"), "t\\x5cxfcr"]
    put(tmp_path, *(f"{folder}/{name}.tif" for folder in (named.first, named.second) for name in names))
    (tmp_path / named.list_file).write_bytes(b"t\xfcr\n")
    dataset, adapter, entries = scanned(tmp_path)
    assert len(entries) == 4
    listed = [entry for entry in entries.values() if entry.splits]
    assert [entry.id for entry in listed] == [f"{named.prefix}t\\xfcr"]
    assert os.fsencode(listed[0].files[LayerId(named.layers[0])]).endswith(b"t\xfcr.tif")
    assert adapter.tile_of_line(dataset.lists[0], dataset.lists[0].lines[0].text) == listed[0].id
    for entry in entries.values():
        entry.id.encode()


def test_names_that_differ_in_case_are_two_tiles_where_a_folder_has_both(named: Fake, tmp_path: Path) -> None:
    put(tmp_path, *(f"{folder}/{name}.tif" for folder in (named.first, named.second) for name in ("Aa", "aa")))
    if len(list((tmp_path / named.first).iterdir())) == 1:
        pytest.skip("this file system does not tell case apart")
    (tmp_path / named.list_file).write_text("aa\n")
    _, _, entries = scanned(tmp_path)
    assert [(entry.id, entry.splits) for entry in entries.values()] == [
        (f"{named.prefix}Aa", ()),
        (f"{named.prefix}aa", ("train",)),
    ]


def test_layers_that_spell_a_tile_differently_meet(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1).replace(fake.tile(1), fake.tile(1).upper()), fake.file(fake.second, 1))
    _, _, entries = scanned(tmp_path)
    (entry,) = entries.values()
    assert len(entry.files) == 2


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Takes the permission from a folder until the test is over."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("the administrator may read everything")
    taken: list[Path] = []

    def forbid(name: str) -> None:
        taken.append(tmp_path / name)
        taken[-1].chmod(0)

    yield forbid
    for path in taken:
        path.chmod(0o755)


def test_a_folder_without_permission_is_said_and_the_rest_opens(
    fake: Fake, tmp_path: Path, forbidden: Callable[[str], None]
) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    forbidden(fake.second)
    dataset, _, entries = scanned(tmp_path)
    assert entries[fake.id(1)].missing == (fake.layers[1],)
    assert "permission" in dataset.problems[0].lower()
    assert Path(fake.second).name in dataset.problems[0]


def test_a_folder_that_cannot_be_listed_leaves_the_rest(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without permission, which an administrator cannot test."""
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    hidden = str(tmp_path / fake.second)
    for name in ("scandir", "listdir"):
        original = getattr(os, name)

        def refuse(path: str, original: Callable[[str], object] = original) -> object:
            if str(path) == hidden:
                raise PermissionError(13, "Permission denied", path)
            return original(path)

        monkeypatch.setattr(os, name, refuse)
    dataset, _, entries = scanned(tmp_path)
    assert entries[fake.id(1)].missing == (fake.layers[1],)
    assert f"No permission to list the folder {hidden}" in dataset.problems[0]


def test_folders_and_lists_tell_whether_an_index_is_still_true(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    (tmp_path / fake.list_file).write_text(f"{fake.first}/{fake.tile(1)}\n")
    dataset, _, _ = scanned(tmp_path)
    watched = {str(path.relative_to(tmp_path)) for path in dataset.folders}
    assert {fake.first, fake.second, fake.list_file} <= watched
    assert tmp_path in dataset.folders


def test_a_fresh_adapter_can_scan_a_known_dataset(fake: Fake, tmp_path: Path) -> None:
    put(tmp_path, fake.file(fake.first, 1), fake.file(fake.second, 1))
    dataset, adapter, entries = scanned(tmp_path)
    again = type(adapter)()
    assert {entry.id: entry for entry in again.scan(dataset)} == entries


def test_the_layout_of_the_fake_is_a_layout() -> None:
    assert [layer.spec.id for layer in parse_layout(LAYOUT).layers] == ["photo", "height"]
