"""Finding the dataset that a person means, and saying what is there where there is none."""

import os
from pathlib import Path

import pytest

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import LayerId, Raster
from rsviewer.data.content import read_content
from rsviewer.data.detect import ADAPTERS, open_dataset

REAL = Path(__file__).parents[2] / "../shared/data/real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real sample tiles are not on this machine")


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def message(root: Path, format_name: str | None = None) -> str:
    with pytest.raises(DatasetNotFoundError) as caught:
        open_dataset(root, format_name)
    return str(caught.value)


def test_no_such_folder_offers_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "SynRS3D").mkdir()
    assert message(tmp_path / "SynRS3d") == f"There is no folder {tmp_path}/SynRS3d. Did you mean {tmp_path}/SynRS3D?"
    assert message(tmp_path / "x") == f"There is no folder {tmp_path}/x. {tmp_path} holds the folder SynRS3D/."
    assert message(tmp_path / "x/y/z") == f"There is no folder {tmp_path}/x/y/z."


def test_a_file_is_not_a_dataset(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif")
    assert message(tmp_path / "opt/a.tif") == (
        f"{tmp_path}/opt/a.tif is a file. Open the folder of the dataset, for example {tmp_path}/opt."
    )


def test_nothing_recognised_says_what_was_found_and_where_all_formats_are_explained(tmp_path: Path) -> None:
    put(tmp_path, *(f"{name}/x.bin" for name in "abcdefgh"), "notes.md", "b\nad.md")
    said = message(tmp_path)
    assert "which holds the folders a/, b/, c/, d/, e/, f/ and 2 more and the files b\\x0aad.md, notes.md." in said
    assert said.endswith("`rsviewer formats list`.")
    for adapter in ADAPTERS:
        assert f"{adapter.title} is recognised by {adapter.expects}" in message(tmp_path, adapter.name) or (
            adapter.name == "folders"
        )


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert "which holds nothing." in message(tmp_path)


def test_a_folder_without_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert message(tmp_path).startswith(f"No permission to list {tmp_path}.")


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    names = ", ".join(adapter.name for adapter in ADAPTERS)
    assert message(tmp_path, "sinrs") == f"There is no format 'sinrs': choose one of {names}."


def test_a_folder_of_a_dataset_opens_the_dataset_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif", "gt_nDSM/a.tif")
    dataset, _ = open_dataset(tmp_path / "gt_nDSM")
    assert dataset.root == tmp_path
    assert dataset.problems == (f"{tmp_path}/gt_nDSM is not a dataset by itself: opened {tmp_path}.",)


def test_a_stranger_beside_a_dataset_does_not_open_it(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif", "papers/x.pdf")
    assert message(tmp_path / "papers").startswith("No dataset recognised")


def test_the_folder_above_the_only_dataset_opens_it(tmp_path: Path) -> None:
    put(tmp_path, "download/SynRS3D/grid_g05_low_v1/opt/a.tif", "download/readme.md", "download/tools/x.py")
    dataset, _ = open_dataset(tmp_path / "download")
    assert dataset.root == tmp_path / "download/SynRS3D"


def test_the_folder_above_several_datasets_names_them(tmp_path: Path) -> None:
    put(tmp_path, "one/set/opt/a.tif", "two/DEM-X/tile_1.tif")
    assert message(tmp_path) == (
        f"{tmp_path} holds several datasets: one (SynRS3D), two (RS3DBench). Open one of them."
    )


def test_a_relative_path_and_a_trailing_dot_are_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "opt/a.tif")
    monkeypatch.chdir(tmp_path)
    assert open_dataset(Path())[0].root == open_dataset(tmp_path / "opt/..")[0].root == tmp_path


def test_a_format_that_does_not_fit_says_so(tmp_path: Path) -> None:
    put(tmp_path, "opt/a.tif")
    assert "RS3DBench is recognised by" in message(tmp_path, "rs3dbench")
    assert open_dataset(tmp_path, "SynRS3D")[0].format == "synrs3d"


# The real samples


@pytest.mark.real
@needs_real
def test_the_real_synrs3d_samples_open_as_seven_groups() -> None:
    dataset, adapter = open_dataset(REAL / "synrs3d")
    entries = list(adapter.scan(dataset))
    assert dataset.format == "synrs3d"
    assert len(entries) == 17
    assert len({entry.group for entry in entries}) == 7
    assert all(entry.splits in (("train",), ("test",)) for entry in entries)
    assert not [entry.id for entry in entries if entry.missing or entry.duplicates]


@pytest.mark.real
@needs_real
def test_the_real_rs3dbench_samples_open_with_their_gaps() -> None:
    dataset, adapter = open_dataset(REAL / "rs3dbench")
    assert {entry.id: len(entry.files) for entry in adapter.scan(dataset)} == {
        "Baviaans-North/tile_0": 4,
        "Baviaans-North/tile_2": 4,
        "Baviaans-North/tile_5": 4,
        "Para/tile_0": 2,
        "RockyMountains/tile_7": 3,
    }


@pytest.mark.real
@needs_real
@pytest.mark.parametrize(
    ("below", "tiles", "layers"),
    [
        ("change_png/dsifn", 5, ["a", "b", "label", "predict_bit", "predict_changeformerv6", "predict_siamunet_diff"]),
        ("synrs3d/loveda_landcover_png", 1, ["images_png", "masks_png"]),
        ("heights_only", 3, ["chm", "dsm", "dtm", "hag", "srtm", "nlcd"]),
    ],
)
def test_real_folders_of_no_known_format_open_as_proposed(below: str, tiles: int, layers: list[str]) -> None:
    dataset, adapter = open_dataset(REAL / below, "folders")
    assert [layer.id for layer in dataset.layers] == layers
    assert len(list(adapter.scan(dataset))) == tiles


@pytest.mark.real
@needs_real
@pytest.mark.parametrize("below", ["synrs3d", "rs3dbench", "change_png/dsifn", "heights_only"])
def test_every_layer_of_the_real_samples_reads(below: str) -> None:
    dataset, adapter = open_dataset(REAL / below, "folders" if below not in ("synrs3d", "rs3dbench") else None)
    contents = {
        (entry.id, layer): read_content(path, dataset.layer(LayerId(layer)))
        for entry in adapter.scan(dataset)
        for layer, path in entry.files.items()
    }
    assert not [(place, content) for place, content in contents.items() if not isinstance(content, Raster)]
