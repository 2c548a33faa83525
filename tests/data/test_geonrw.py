"""GeoNRW's own ways, besides those of every format."""

from pathlib import Path

import pytest

from rsviewer.core.tile import Raster
from rsviewer.data.content import read_layer
from rsviewer.data.detect import ADAPTERS, open_dataset
from rsviewer.data.tree import DISK
from tests.data.samples import geonrw


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_cities_are_groups_and_tell_the_split(tmp_path: Path) -> None:
    geonrw.write(tmp_path)
    dataset, adapter = open_dataset(tmp_path)
    assert {(entry.group, entry.splits) for entry in adapter.scan(dataset)} == {
        ("aachen", ("train",)),
        ("herne", ("test",)),
    }
    assert dataset.why == "aachen/299_5624_rgb.jp2"
    assert {entry.value for entry in dataset.layers[3].classes} == set(range(11))


def test_sar_is_a_layer_only_where_somebody_has_it(tmp_path: Path) -> None:
    put(tmp_path, "aachen/1_2_rgb.jp2", "aachen/1_2_dem.tif")
    dataset, adapter = open_dataset(tmp_path)
    assert [layer.id for layer in dataset.layers] == ["image", "dem"]
    put(tmp_path, "bonn/3_4_sar.tif", "bonn/3_4_rgb.jp2")
    dataset, adapter = open_dataset(tmp_path)
    assert [(layer.id, layer.optional) for layer in dataset.layers] == [
        ("image", False),
        ("sar", True),
        ("dem", False),
    ]
    assert [entry.missing for entry in adapter.scan(dataset)] == [("sar",), ("dem",)]


def test_lists_may_name_tiles_or_their_files(tmp_path: Path) -> None:
    geonrw.write(tmp_path)
    (tmp_path / "val.txt").write_bytes(b"aachen/301_5623_rgb.jp2\n374_5711\nherne/9_9_seg.tif\n")
    dataset, adapter = open_dataset(tmp_path)
    (split,) = dataset.lists
    named = [adapter.tile_of_line(split, line.text) for line in split.lines]
    assert named == ["aachen/301_5623", "herne/374_5711", "herne/9_9"]


@pytest.mark.parametrize("name", ["aachen/a_b_rgb.jp2", "aachen/1_2_rgb.png", "1_2_rgb.jp2", "aachen/x/1_2_rgb.jp2"])
def test_other_names_are_not_taken(name: str, tmp_path: Path) -> None:
    put(tmp_path, name)
    assert [adapter.name for adapter in ADAPTERS if adapter(DISK).recognises(tmp_path)] == []


@pytest.mark.real
def test_the_structure_that_torchgeo_tests_with_opens(shared_data: Path) -> None:
    dataset, adapter = open_dataset(shared_data / "real/structural_noise/geonrw")
    entries = list(adapter.scan(dataset))
    assert dataset.format == "geonrw"
    assert [entry.id for entry in entries] == ["aachen/0_0", "aachen/1_1", "bergisch/0_0", "bergisch/1_1"]
    assert all(
        isinstance(read_layer(entry, spec, dataset.tree), Raster) for entry in entries for spec in dataset.layers
    )
