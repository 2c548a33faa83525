"""Packaged files are found in an installed program as in a checkout; colour tables are what they say."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from rsviewer.core.errors import SettingsError
from rsviewer.data.resources import COLOR_TABLES, color_table, color_table_names, resource_path


@pytest.mark.parametrize("name", COLOR_TABLES)
def test_a_packaged_table_has_the_figures_of_matplotlib(name: str) -> None:
    table = color_table(name)
    source = mpl.colormaps["gray" if name == "grey" else name](np.linspace(0, 1, 256), bytes=True)[:, :3]

    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert np.abs(table.astype(int) - source.astype(int)).max() <= 1


def test_every_packaged_file_is_offered_and_every_offer_is_packaged() -> None:
    files = {path.stem for path in resource_path("color_tables").glob("*.txt")}

    assert files == set(color_table_names())
    assert len(color_table_names()) == len(files)


def test_the_diverging_table_is_neutral_in_its_middle() -> None:
    middle = color_table("RdBu")[127:129].astype(int)

    assert (middle.max(axis=1) - middle.min(axis=1)).max() <= 4
    assert middle.min() > 240


def test_any_name_of_matplotlib_is_a_table() -> None:
    assert (color_table("viridis_r") == color_table("viridis")[::-1]).all()


@pytest.mark.parametrize("name", ["", "vridis", "../color_tables/cividis", "cividis.txt"])
def test_an_unknown_table_is_named_and_others_are_offered(name: str) -> None:
    with pytest.raises(SettingsError, match="cividis, viridis") as caught:
        color_table(name)

    assert f'"{name}"' in str(caught.value)


def test_a_table_cannot_be_changed_by_those_who_share_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        color_table("turbo")[0] = 0


def test_packaged_tables_cost_no_import_of_matplotlib() -> None:
    code = (
        "import sys; from rsviewer.data.resources import color_table; color_table('turbo');"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_an_installed_program_looks_inside_itself_first(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "rsviewer"
    for folder in (package / "_resources", tmp_path / "site-packages" / "resources"):
        folder.mkdir(parents=True)
        (folder / "mark.txt").write_text(folder.name)

    assert resource_path("mark.txt", package).read_text() == "_resources"


def test_a_checkout_has_its_resources_beside_the_package(tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "mark.txt").touch()

    assert resource_path("mark.txt", tmp_path / "rsviewer") == tmp_path / "resources" / "mark.txt"


def test_a_missing_resource_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not completely installed"):
        resource_path("nothing.txt", tmp_path / "rsviewer")
