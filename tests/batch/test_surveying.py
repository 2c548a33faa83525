from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.batch import surveying
from rsviewer.batch.surveying import ProblemKind, Survey, problems_of_names, survey
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import SPLITS_BETWEEN, Dataset, TileColumns, TileEntry
from rsviewer.data.detect import open_dataset
from tests.data.samples import sen12ms, skyscript

Write = Callable[..., None]


def look(root: Path, *, deep: bool = False) -> Survey:
    return survey(*open_dataset(root), deep=deep)


def found(result: Survey) -> list[tuple[str, str, str]]:
    return [(str(problem.kind), problem.tile, problem.layer) for problem in result.problems]


@pytest.fixture
def root(tmp_path: Path, write: Write) -> Path:
    """Tiles a to f with image, heights (half as fine) and labels, all in train.txt."""
    for name in "abcdef":
        write(tmp_path / "opt" / f"{name}.tif", np.zeros((3, 8, 8), np.uint8))
        write(tmp_path / "gt_nDSM" / f"{name}.tif", np.zeros((4, 4), np.float32), nodata=-1)
        write(tmp_path / "gt_ss_mask" / f"{name}.tif", np.ones((8, 8), np.uint8))
    (tmp_path / "train.txt").write_text("a\nb\nc\nd\ne\nf\n")
    return tmp_path


def test_a_clean_dataset_has_no_problems_however_deep_one_looks(root: Path) -> None:
    result = look(root, deep=True)

    assert result.problems == ()
    assert (result.tiles, dict(result.groups), dict(result.splits)) == (6, {}, {"train": 6})


def test_layers_are_described_by_the_first_file_that_opens(root: Path) -> None:
    (root / "gt_nDSM" / "a.tif").write_bytes(b"")

    layers = {layer.spec.id: layer.header for layer in look(root).layers}

    height = layers["ndsm"]
    assert height is not None
    assert (height.dtype, height.bands, height.width, height.height, height.nodata) == ("float32", 1, 4, 4, -1)


def test_names_tell_what_is_missing_unlisted_not_found_and_double(root: Path, write: Write) -> None:
    (root / "gt_nDSM" / "b.tif").unlink()
    write(root / "opt" / "c.png.tif", np.zeros((3, 8, 8), np.uint8))
    (root / "gt_ss_mask" / "d.png").write_bytes((root / "gt_ss_mask" / "d.tif").read_bytes())
    (root / "train.txt").write_text("a\nghost\nb\nc\nd\ne\n")

    problems = found(look(root))

    assert ("missing-layer", "b", "ndsm") in problems
    assert ("unlisted", "f", "") in problems
    assert ("not-found", "ghost", "") in problems
    assert ("duplicate", "d", "") in problems
    assert not {tile for _, tile, _ in problems} & {"a", "e"}


def test_tiles_without_files_are_not_counted_as_tiles(root: Path) -> None:
    (root / "train.txt").write_text("a\nghost\n")

    result = look(root)

    assert result.tiles == 6
    assert result.splits == {"train": 2}


def test_headers_tell_what_is_broken_and_what_does_not_fit(root: Path, write: Write) -> None:
    (root / "gt_nDSM" / "b.tif").write_bytes(b"II*\0")
    write(root / "gt_ss_mask" / "c.tif", np.ones((4, 4), np.uint8))
    write(root / "opt" / "d.tif", np.zeros((3, 5, 5), np.uint8))
    write(root / "gt_nDSM" / "e.tif", np.zeros((4, 4), np.float32), crs="EPSG:4326")
    write(root / "gt_nDSM" / "f.tif", np.zeros((4, 4), np.float32), crs=None)

    assert found(look(root)) == []
    result = look(root, deep=True)
    assert found(result) == [
        ("unreadable", "b", "ndsm"),
        ("size", "c", "landcover"),
        ("size", "d", "image"),
        ("crs", "e", "ndsm"),
        ("crs", "f", "ndsm"),
    ]
    assert "8 x 8 would fit" in result.problems[1].message
    assert "8 x 8 would fit" in result.problems[2].message


def test_each_group_has_its_own_usual_sizes(tmp_path: Path, write: Write) -> None:
    for group, side in (("fine", 8), ("coarse", 2)):
        for name in "abc":
            write(tmp_path / group / "opt" / f"{name}.tif", np.zeros((3, 8, 8), np.uint8))
            write(tmp_path / group / "gt_nDSM" / f"{name}.tif", np.zeros((side, side), np.float32))

    result = look(tmp_path, deep=True)

    assert result.problems == ()
    assert result.groups == {"coarse": 3, "fine": 3}


def test_of_very_many_problems_the_first_are_kept_and_all_are_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "train.txt").write_text("".join(f"ghost{number}\n" for number in range(9)))
    for name in "abcd":
        (root / "gt_nDSM" / f"{name}.tif").write_bytes(b"")
    everything = look(root, deep=True)
    monkeypatch.setattr(surveying, "KEPT", 3)

    result = look(root, deep=True)

    assert dict(result.counts) == dict(everything.counts) == {"not-found": 9, "unlisted": 6, "unreadable": 4}
    assert result.problem_count == 19
    for kind in result.counts:
        kept = [problem for problem in result.problems if problem.kind == kind]
        assert kept == [problem for problem in everything.problems if problem.kind == kind][:3]


def test_odd_sizes_are_counted_beyond_those_that_are_kept(
    root: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        write(root / "gt_nDSM" / f"{name}.tif", np.zeros((2, 2), np.float32), nodata=-1)
    monkeypatch.setattr(surveying, "KEPT", 1)

    result = look(root, deep=True)

    assert dict(result.counts) == {"size": 2}
    assert found(result) == [("size", "a", "ndsm")]


class Table:
    """Tiles that come as a table, in parts of two; as entries they can be had, too."""

    name = title = expects = "table"

    def __init__(self, tree: object = None) -> None:
        self.columns = TileColumns(
            objects("a", "b", "c", "d", "e"),
            {LayerId("image"): objects("/d/a.jpg", "/d/b.jpg", "", "/d/d.jpg", "/d/e.jpg")},
            groups=objects("x", "y", "x", "y", ""),
            splits=objects("train", f"train{SPLITS_BETWEEN}val", "val", "", "train"),
            missing=objects("", "", "image", "", "caption"),
        )

    def recognises(self, root: Path) -> str:
        return ""

    def describe(self, root: Path) -> Dataset:
        specs = (
            LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image"),
            LayerSpec(LayerId("caption"), LayerKind.TEXT, "caption"),
        )
        lists = tuple(SplitList(name, f"{name}.txt", "", ()) for name in ("train", "val"))
        return Dataset("table", "table", root, specs, lists)

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        return self.columns.entries()

    def scan_columns(self, dataset: Dataset) -> Iterator[TileColumns]:
        return (self.columns.at(slice(start, start + 2)) for start in range(0, 5, 2))

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        return TileId(text)


def objects(*texts: str) -> Any:
    return np.array(texts, object)


def test_a_table_is_surveyed_by_its_columns(tmp_path: Path) -> None:
    adapter = Table()
    dataset = adapter.describe(tmp_path)
    by_columns = survey(dataset, adapter)
    assert found(by_columns) == [("not-found", "c", ""), ("unlisted", "d", ""), ("missing-layer", "e", "caption")]
    assert (by_columns.tiles, dict(by_columns.groups)) == (4, {"x": 1, "y": 2})
    assert by_columns.splits == {"train": 3, "val": 2}


def test_a_row_of_a_table_whose_image_is_missing_is_not_found(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    dataset, adapter = open_dataset(tmp_path)

    result = survey(dataset, adapter)

    lost = [problem.tile for problem in result.problems if problem.kind is ProblemKind.NOT_FOUND]
    assert lost == ["images7/n101000009_ZZ_21"]
    assert (result.tiles, result.groups.get("images7", 0)) == (5, 0)
    entries = (entry for entry in adapter.scan(dataset) if not entry.has_files)
    assert [problem.kind for entry in entries for problem in problems_of_names(entry, dataset)] == [
        ProblemKind.NOT_FOUND
    ]


def test_a_layer_that_takes_one_band_of_a_file_has_one(tmp_path: Path) -> None:
    sen12ms.write(tmp_path)
    bands = {layer.spec.id: layer.header and layer.header.bands for layer in look(tmp_path).layers}
    assert bands["s2"] == 13
    assert bands["igbp"] == bands["lccs_use"] == 1
