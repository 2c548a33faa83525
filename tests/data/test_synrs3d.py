"""SynRS3D's own ways: subsets, names of folders, lists of several kinds."""

from pathlib import Path

import pytest

from rsviewer.core.tile import LayerKind
from rsviewer.data.adapter import TileEntry
from rsviewer.data.detect import open_dataset

ALL = ("gt_cd_mask", "gt_ss_mask", "gt_nDSM", "opt", "pre_opt")


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def entries_of(root: Path) -> dict[str, TileEntry]:
    dataset, adapter = open_dataset(root)
    return {entry.id: entry for entry in adapter.scan(dataset)}


def test_layers_come_in_the_order_in_which_people_look_at_them(tmp_path: Path) -> None:
    put(tmp_path, *(f"{folder}/a.tif" for folder in (*ALL, "DEM", "opt_irc", "heatmap")))
    dataset, _ = open_dataset(tmp_path)
    assert [(layer.id, layer.kind, layer.date) for layer in dataset.layers] == [
        ("pre_image", LayerKind.OPTICAL, "pre"),
        ("image", LayerKind.OPTICAL, "post"),
        ("heatmap", LayerKind.OPTICAL, ""),
        ("opt_irc", LayerKind.OPTICAL, ""),
        ("ndsm", LayerKind.HEIGHT, ""),
        ("dem", LayerKind.HEIGHT, ""),
        ("landcover", LayerKind.LABELS, ""),
        ("change", LayerKind.MASK, ""),
    ]


def test_without_a_pair_the_image_has_no_date(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif")
    dataset, _ = open_dataset(tmp_path)
    assert [layer.date for layer in dataset.layers] == [""]


def test_zero_metres_is_a_height_and_what_training_takes_for_missing_is_not(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif", "gt_nDSM/a.tif")
    ndsm = open_dataset(tmp_path)[0].layers[1]
    assert (ndsm.unit, ndsm.nodata, ndsm.high) == ("m", None, 450.0)
    assert ndsm.low is not None
    assert -9999 < ndsm.low < -2


def test_unlabelled_is_void_and_buildings_are_red(tmp_path: Path) -> None:
    put(tmp_path, "gt_ss_mask/a.tif")
    classes = {entry.value: entry for entry in open_dataset(tmp_path)[0].layers[0].classes}
    assert sorted(classes) == list(range(9))
    assert [value for value, entry in classes.items() if entry.void] == [0]
    assert classes[8].color == (222, 31, 7)


def test_a_folder_of_subsets_opens_as_one_with_the_subset_as_group(tmp_path: Path) -> None:
    for subset in ("grid_g05_mid_v1", "terrain_g1_low_v1", "OEM"):
        put(tmp_path, f"{subset}/opt/0000000001-1.tif", f"{subset}/gt_ss_mask/0000000001-1.tif")
    put(tmp_path, "checkpoints/model.pth", "OEM/thumbs/x.html", "notes.txt")
    entries = entries_of(tmp_path)
    assert list(entries) == [f"{subset}/0000000001-1" for subset in ("OEM", "grid_g05_mid_v1", "terrain_g1_low_v1")]
    assert [entry.group for entry in entries.values()] == ["OEM", "grid_g05_mid_v1", "terrain_g1_low_v1"]


def test_a_layer_that_a_subset_never_had_is_not_missing_there(tmp_path: Path) -> None:
    put(tmp_path, "real/opt/a.tif", "synthetic/opt/a.tif", "synthetic/gt_cd_mask/b.tif")
    entries = entries_of(tmp_path)
    assert entries["real/a"].missing == ()
    assert entries["synthetic/a"].missing == ("change",)
    assert entries["synthetic/b"].missing == ("image",)


def test_stems_that_repeat_across_subsets_keep_to_the_lists_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "one/opt/a.tif", "two/opt/a.tif", "two/opt/b.tif")
    (tmp_path / "one/train.txt").write_text("a\n")
    (tmp_path / "two/test.txt").write_text("a\n")
    entries = entries_of(tmp_path)
    assert {tile: entry.splits for tile, entry in entries.items()} == {
        "one/a": ("train",),
        "two/a": ("test",),
        "two/b": (),
    }


def test_a_list_above_the_subsets_may_name_tiles_of_all(tmp_path: Path) -> None:
    put(tmp_path, "one/opt/a.tif", "two/opt/a.tif", "two/opt/b.tif")
    (tmp_path / "val.txt").write_text("two/a\none/opt/a.tif\nb\nnowhere\n")
    dataset, adapter = open_dataset(tmp_path)
    entries = {entry.id: entry for entry in adapter.scan(dataset)}
    assert {tile for tile, entry in entries.items() if entry.splits == ("val",)} == {
        "one/a",
        "two/a",
        "two/b",
        "nowhere",
    }
    assert [adapter.tile_of_line(dataset.lists[0], line.text) for line in dataset.lists[0].lines] == [
        "two/a",
        "one/a",
        "two/b",
        "nowhere",
    ]


@pytest.mark.parametrize(
    "name",
    ["train", "test", "test_syn", "test_syn_1", "train_10", "total", "select_train", "train_ss", "val", "test_tgt"],
)
def test_lists_that_are_in_use_are_found_by_name(name: str, tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif")
    (tmp_path / f"{name}.txt").write_text("a.tif\nabsent\nabsent_too\n")
    assert entries_of(tmp_path)["a"].splits == (name,)


def test_a_list_of_any_name_is_found_by_the_tiles_it_names(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif", "opt/b.tif")
    (tmp_path / "hand picked.txt").write_text("a\nb\nc\n")
    entries = entries_of(tmp_path)
    assert entries["a"].splits == ("hand picked",)
    assert entries["c"].files == {}


def test_an_empty_train_list_is_a_list(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif", "train.txt", "other.txt")
    dataset, _ = open_dataset(tmp_path)
    assert [split.name for split in dataset.lists] == ["train"]


def test_two_lists_and_a_line_twice_name_a_tile_once(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif")
    (tmp_path / "train.txt").write_text("a\na\nA.TIF\n")
    (tmp_path / "train_10.txt").write_text("a\n")
    assert entries_of(tmp_path)["a"].splits == ("train", "train_10")


def test_a_shared_store_serves_both_sister_sets(tmp_path: Path) -> None:
    put(tmp_path, "store/o/JAX_1.tif", "store/o/OMA_1.tif")
    for sister in ("DFC19_JAX", "DFC19_OMA"):
        (tmp_path / sister).mkdir()
        (tmp_path / sister / "opt").symlink_to(tmp_path / "store/o", target_is_directory=True)
        (tmp_path / sister / "train.txt").write_text(f"{sister[-3:]}_1\n")
    entries = entries_of(tmp_path)
    assert {tile for tile, entry in entries.items() if entry.splits} == {"DFC19_JAX/JAX_1", "DFC19_OMA/OMA_1"}
    assert len(entries) == 4


def test_first_tiles_come_before_the_other_subsets_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "a/opt/1.tif", "b/opt/2.tif")
    dataset, adapter = open_dataset(tmp_path)
    entries = adapter.scan(dataset)
    assert next(entries).id == "a/1"
    put(tmp_path, "b/opt/3.tif")
    assert [entry.id for entry in entries] == ["b/2", "b/3"]


def test_the_answers_of_the_built_in_dataset_are_not_read(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif", "DEM/a.tif")
    (tmp_path / "answer_key.json").write_text('[{"tile": "a"}]')
    dataset, _ = open_dataset(tmp_path)
    assert [layer.id for layer in dataset.layers] == ["image", "dem"]
    assert dataset.lists == ()


def test_an_unreadable_list_is_said_and_the_rest_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "opt/a.tif", "train.txt")
    opened = Path.open

    def refuse(self: Path, *arguments: object) -> object:
        if self.name == "train.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments)

    monkeypatch.setattr(Path, "open", refuse)
    dataset, _ = open_dataset(tmp_path)
    assert dataset.problems == (f"The list {tmp_path}/train.txt cannot be read: Permission denied.",)


@pytest.mark.parametrize(
    ("subset", "values", "void"),
    [
        ("DFC19_JAX", [0, 2, 5, 6, 9, 17, 65], [0]),
        ("dfc19_oma", [0, 2, 5, 6, 9, 17, 65], [0]),
        ("Vaihingen", [0, 1, 2, 3, 4, 5], []),
        ("potsdam", [0, 1, 2, 3, 4, 5], []),
        ("OEM", [0, 1, 2, 3, 4, 5, 6, 7, 8], [0]),
    ],
)
def test_real_sets_keep_the_codes_of_their_sources(
    subset: str, values: list[int], void: list[int], tmp_path: Path
) -> None:
    put(tmp_path, f"{subset}/opt/a.tif", f"{subset}/gt_ss_mask/a.tif")
    for root in (tmp_path, tmp_path / subset):
        classes = open_dataset(root)[0].layers[1].classes
        assert [entry.value for entry in classes] == values
        assert [entry.value for entry in classes if entry.void] == void
