"""OpenEarthMap's own ways, besides those of every format."""

from pathlib import Path

import pytest

from rsviewer.core.tile import Missing
from rsviewer.data.content import read_layer
from rsviewer.data.detect import ADAPTERS, open_dataset
from rsviewer.data.tree import DISK
from tests.data.samples import openearthmap


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def formats_of(root: Path) -> list[str]:
    return [adapter.name for adapter in ADAPTERS if adapter(DISK).recognises(root)]


def test_regions_are_groups_and_lists_name_files(tmp_path: Path) -> None:
    openearthmap.write(tmp_path)
    dataset, adapter = open_dataset(tmp_path)
    entries = {str(entry.id): entry for entry in adapter.scan(dataset)}
    assert [(entry.group, entry.splits) for entry in entries.values()] == [
        ("aachen", ("val",)),
        ("aachen", ("train",)),
        ("aachen", ("train",)),
        ("aachen", ("test",)),
        ("rio_de_janeiro", ("test",)),
    ]
    assert entries["aachen/aachen_7"].files == {}, "only the list knows it"
    assert dataset.why == "aachen/images/aachen_10.tif"


def test_a_label_that_is_not_published_is_nothing_to_complain_about(tmp_path: Path) -> None:
    openearthmap.write(tmp_path)
    dataset, adapter = open_dataset(tmp_path)
    rio = next(entry for entry in adapter.scan(dataset) if entry.group == "rio_de_janeiro")
    spec = dataset.layers[1]
    assert spec.optional
    assert rio.missing == ()
    assert read_layer(rio, spec, dataset.tree) == Missing("No label here: those of the test tiles are not published.")


def test_labels_without_images_are_tiles(tmp_path: Path) -> None:
    put(tmp_path, "aachen/images/aachen_1.tif", "joplin/labels/joplin_3.tif")
    dataset, adapter = open_dataset(tmp_path)
    assert [entry.id for entry in adapter.scan(dataset)] == ["aachen/aachen_1", "joplin/joplin_3"]


def test_the_rearranged_set_is_of_synrs3ds_format(tmp_path: Path) -> None:
    put(tmp_path, "OEM/opt/aachen_1.tif", "OEM/gt_ss_mask/aachen_1.tif")
    assert formats_of(tmp_path) == formats_of(tmp_path / "OEM") == ["synrs3d"]


@pytest.mark.parametrize(
    "names",
    [
        ["Rural/images/0.png", "Rural/labels/0.png"],
        ["aachen/images/bonn_1.tif"],
        ["aachen/images/aachen_1.txt"],
        ["docs/images/docs.png", "images/aachen_1.tif"],
    ],
)
def test_other_folders_of_images_are_not_taken(names: list[str], tmp_path: Path) -> None:
    put(tmp_path, *names)
    assert formats_of(tmp_path) == []


def test_pictures_of_the_documentation_are_no_region(tmp_path: Path) -> None:
    put(tmp_path, "aachen/images/aachen_1.tif", "docs/images/overview.png")
    dataset, adapter = open_dataset(tmp_path)
    assert [entry.id for entry in adapter.scan(dataset)] == ["aachen/aachen_1"]


def test_a_region_opens_the_whole(tmp_path: Path) -> None:
    openearthmap.write(tmp_path)
    for folder in ("aachen", "aachen/labels"):
        assert open_dataset(tmp_path / folder)[0].root == tmp_path
