from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsviewer.core.errors import DatasetNotFoundError, ProjectError, SettingsError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.datasets.layout import FolderLayout, LayerFolder
from rsviewer.data.project import default_directory
from rsviewer.workspace.opening import Opened, describe_folders, open_path


def layer(name: str, folder: str, kind: LayerKind = LayerKind.OPTICAL, suffix: str = "") -> LayerFolder:
    return LayerFolder(LayerSpec(LayerId(name), kind, name), folder, suffix=suffix)


LAYOUT = FolderLayout(
    (layer("photo", "shots", suffix="_x"), layer("high", "relief", LayerKind.HEIGHT)), title="Two folders"
)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two parallel folders that no format knows."""
    root = tmp_path / "odd"
    for folder, names in (("shots", ("1_x", "2_x")), ("relief", ("1", "2"))):
        (root / folder).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / folder / f"{name}.png")
    return root


def tiles(opened: Opened) -> Iterator[str]:
    """Reads the names where that is needed, and gives everything back."""
    if not opened.index.is_fresh():
        opened.index.build()
    names = [entry.id for entry in opened.index.first_page()]
    if opened.store is not None:
        opened.store.close()
    opened.close()
    return iter(names)


def test_described_folders_open_as_described_and_stay_untouched(folders: Path) -> None:
    before = sorted(folders.rglob("*"))
    with pytest.raises(DatasetNotFoundError):
        open_path(folders)
    written = describe_folders(folders, LAYOUT)
    assert written.parent == default_directory(folders)
    opened = open_path(folders)
    assert opened.dataset.title == "Two folders"
    assert [spec.id for spec in opened.dataset.layers] == ["photo", "high"]
    assert list(tiles(opened)) == ["1", "2"]
    assert sorted(folders.rglob("*")) == before


def test_another_description_of_the_same_folders_makes_other_tiles(folders: Path) -> None:
    describe_folders(folders, FolderLayout((layer("photo", "shots"), layer("high", "relief", LayerKind.HEIGHT))))
    assert list(tiles(open_path(folders))) == ["1", "1_x", "2", "2_x"]
    describe_folders(folders, LAYOUT)
    assert list(tiles(open_path(folders))) == ["1", "2"]


def test_a_description_may_be_written_while_the_dataset_is_open(folders: Path) -> None:
    describe_folders(folders, LAYOUT)
    opened = open_path(folders)
    describe_folders(folders, FolderLayout(LAYOUT.layers[:1]))
    list(tiles(opened))
    again = open_path(folders)
    assert [spec.id for spec in again.dataset.layers] == ["photo"]
    list(tiles(again))


def test_a_description_that_fits_no_more_is_passed_over_where_a_format_fits(folders: Path, tiny_dataset: Path) -> None:
    describe_folders(tiny_dataset, LAYOUT)
    opened = open_path(tiny_dataset)
    assert opened.dataset.format == "synrs3d"
    list(tiles(opened))
    describe_folders(folders, FolderLayout((layer("photo", "gone"),)))
    with pytest.raises(DatasetNotFoundError, match="gone"):
        open_path(folders)


def test_a_description_changed_by_hand_is_checked(folders: Path) -> None:
    describe_folders(folders, LAYOUT).write_text("[[layers]]\nid = 'A'\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"layout\.toml"):
        open_path(folders)


def test_a_description_that_cannot_be_written_says_so(folders: Path) -> None:
    (describe_folders(folders, LAYOUT)).unlink()
    (default_directory(folders) / "layout.toml").mkdir()
    with pytest.raises(ProjectError, match="Save it elsewhere"):
        describe_folders(folders, LAYOUT)
