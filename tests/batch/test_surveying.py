from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch.surveying import Survey, survey
from rsviewer.data.detect import open_dataset

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
