"""A profile is saved so that others can read it: one line a place, one column a layer, gaps left empty."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.errors import SaveError
from rsviewer.core.profile import Profile
from rsviewer.core.scene import Frame
from rsviewer.core.tile import LayerId
from rsviewer.data.profiles import save_table, table

FRAME = Frame(32, 24, (0.5, 0, 4e5, 0, -0.5, 4e6), "EPSG:32654", 0.5, (0.5, 0.5))
PLACES = np.array([0.0, 2.0, 4.0])
DEM = Profile(LayerId("dem"), "DEM", PLACES / 2, np.array([10.0, np.nan, 12.5]), PLACES, PLACES * 0 + 6, "m")
NDSM = replace(DEM, layer=LayerId("ndsm"), title="nDSM", height=np.array([0.0, 1.0, -2.0]))


def test_every_place_is_a_line_and_every_layer_a_column() -> None:
    rows = list(csv.DictReader(table((DEM, NDSM), FRAME).splitlines()))
    assert rows[1] == {
        "distance (m)": "1.0000",
        "x (px)": "2.000",
        "y (px)": "6.000",
        "map x (EPSG:32654)": "400001.0000",
        "map y (EPSG:32654)": "3999997.0000",
        "DEM (m)": "",
        "nDSM (m)": "1.0000",
    }
    assert [row["DEM (m)"] for row in rows] == ["10.0000", "", "12.5000"]


def test_where_there_is_no_map_there_are_no_map_coordinates() -> None:
    head = table((replace(DEM, unit="px"),), Frame(32, 24)).splitlines()[0]
    assert head == "distance (px),x (px),y (px),DEM (m)"


def test_degrees_have_the_digits_that_they_need() -> None:
    degrees = replace(FRAME, transform=(1e-5, 0, 139.5, 0, -1e-5, 35.5), crs='GEOGCS["JGD2011",DATUM["' + 60 * "x")
    head, _, line, _ = table((DEM,), degrees).splitlines()
    assert "map x (JGD2011)" in head
    assert line.split(",")[3:5] == ["139.50002000", "35.49994000"]


def test_two_layers_of_one_title_are_told_apart() -> None:
    head = table((DEM, replace(DEM, layer=LayerId("dem_old"))), Frame(32, 24)).splitlines()[0]
    assert head.endswith("DEM dem (m),DEM dem_old (m)")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text("old")
    save_table(path, (DEM, NDSM), FRAME)
    assert path.read_text(encoding="utf-8") == table((DEM, NDSM), FRAME)
    assert [each.name for each in tmp_path.glob("*.csv*")] == ["profile.csv"]


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"nowhere.* could not be written .*Make room"):
        save_table(tmp_path / "nowhere" / "profile.csv", (DEM,), FRAME)
    assert not (tmp_path / "nowhere").exists()
