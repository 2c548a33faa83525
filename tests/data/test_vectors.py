"""vector.json as SatlasPretrain has it, and as nobody should."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.tile import Missing, Unreadable
from rsviewer.core.vector import Shape, Vector, category_counts
from rsviewer.data import vectors
from rsviewer.data.address import Window, of_part
from rsviewer.data.content import read_content
from rsviewer.data.datasets.satlas.facts import VECTOR
from tests.data.samples import satlas


def put(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def read(address: str) -> Vector:
    content = read_content(address, VECTOR)
    assert isinstance(content, Vector), content
    return content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vector.json"


def geometry(kind: object, **payload: object) -> dict[str, Any]:
    return {"Geometry": {"Type": kind, **payload}}


def test_points_lines_and_polygons_with_holes_are_read(file: Path) -> None:
    vector = read(put(file, satlas.VECTOR))
    assert vector.extent == (8192, 8192)
    assert [(each.category, each.shape) for each in vector.features] == [
        ("wind_turbine", Shape.POINT),
        ("wind_turbine", Shape.POINT),
        ("quarry", Shape.POLYGON),
        ("road", Shape.LINE),
    ]
    turbine, _, quarry, road = vector.features
    assert turbine.rings[0].tolist() == [[600, 7200]]
    assert dict(turbine.properties) == {"rotor_diameter": "82", "power_mw": "2.5"}
    assert [ring.tolist() for ring in quarry.rings] == [satlas.SQUARE[:-1], satlas.HOLE]  # neither is closed
    assert road.bounds == (-400, 7000, 9000, 8500)
    assert not vector.notes


def test_what_was_looked_for_in_vain_differs_from_what_nobody_looked_for(file: Path) -> None:
    vector = read(put(file, satlas.VECTOR))
    assert vector.annotated == ("wind_turbine", "power_plant", "quarry", "road")
    assert category_counts(vector) == {"wind_turbine": 2, "power_plant": 0, "quarry": 1, "road": 1}


def test_the_metadata_of_an_event_are_facts_and_no_category(file: Path) -> None:
    vector = read(put(file, satlas.EVENT))
    assert vector.facts["ImageName"] == satlas.NAIP_IMAGE
    assert vector.annotated == ("airplane",)


def test_classes_of_the_whole_tile_are_told_in_words(file: Path) -> None:
    (smoke,) = read(put(file, satlas.FLOOD)).features
    assert smoke.properties == {"smoke": "partial"}


def test_a_part_counts_from_its_corner_and_leaves_out_what_does_not_touch_it(file: Path) -> None:
    vector = read(of_part(put(file, satlas.VECTOR), Window(1, 14, 1, 1, 16)))
    assert vector.extent == (512, 512)
    assert [each.category for each in vector.features] == ["wind_turbine", "road"]
    assert vector.features[0].rings[0].tolist() == [[600 - 512, 7200 - 14 * 512]]
    assert "power_plant" in vector.annotated


def test_a_file_that_is_not_there_says_that_nobody_looked(tmp_path: Path) -> None:
    content = read_content(str(tmp_path / "gone.json"), VECTOR)
    assert content == Missing("Not annotated: nobody looked for objects on this tile.")


@pytest.mark.parametrize(
    "content",
    ["", "no JSON", "[1, 2]", "3", '"road"', "[" * 100_000, '{"a": ' * 50_000, '{"a": [1' + "0" * 5000 + "]}"],
)
def test_what_holds_no_categories_is_unreadable_with_a_sentence(content: str, file: Path) -> None:
    found = read_content(put(file, content), VECTOR)
    assert isinstance(found, Unreadable)
    assert found.reason.endswith(".")


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MAX_BYTES", 100)
    found = read_content(put(file, satlas.VECTOR), VECTOR)
    assert isinstance(found, Unreadable)
    assert "larger" in found.reason


def test_too_many_features_and_points_are_left_out_and_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MAX_FEATURES", 2)
    points = [geometry("point", Point=[1, 1])] * 5
    vector = read(put(file, {"lock": points, "dam": []}))
    assert len(vector.features) == 2
    assert vector.annotated == ("lock", "dam")
    assert vector.notes == ("3 further features are left out: there are too many",)


@pytest.mark.parametrize(
    ("feature", "shape", "points", "note"),
    [
        (geometry("circle", Centre=[5, 6], Radius=3), Shape.UNKNOWN, [[5, 6]], "of an unknown kind, circle"),
        (geometry(None), Shape.UNKNOWN, [], "of an unknown kind, null"),
        (geometry("multipoint", Points=[[1, 2], [3, 4]]), Shape.UNKNOWN, [[1, 2], [3, 4]], "of an unknown kind"),
        (geometry("polygon"), Shape.UNKNOWN, [], "of the kind polygon without coordinates"),
        (geometry("polygon", Polygon="ring"), Shape.UNKNOWN, [], "of the kind polygon without coordinates"),
        (geometry("polygon", Polygon=[7, 8]), Shape.POLYGON, [], "no numbers"),
        (geometry("polyline", Polyline=[[1, 2], ["x", 3], [4, 5]]), Shape.LINE, [[1, 2], [4, 5]], "no numbers"),
        (geometry("polyline", Polyline=[[1, 2], [float("nan"), 3]]), Shape.LINE, [[1, 2]], "no place on Earth"),
        (geometry("polyline", Polyline=[[1, 2], [1e30, 3]]), Shape.LINE, [[1, 2]], "no place on Earth"),
        (geometry("point", Point=[10**400, 1]), Shape.POINT, [], "no numbers"),
        (geometry("point", Point=[1, 2, 3]), Shape.POINT, [[1, 2]], ""),
        ({"Properties": {"a": 1}}, Shape.UNKNOWN, [], "without a geometry"),
        ({"Geometry": [1, 2], "Colour": "red"}, Shape.UNKNOWN, [], "without a geometry"),
        ("a word", Shape.UNKNOWN, [], "that hold no geometry"),
    ],
)
def test_odd_features_are_shown_as_far_as_they_go(
    feature: object, shape: Shape, points: list[list[float]], note: str, file: Path
) -> None:
    vector = read(put(file, {"tower": [feature, geometry("point", Point=[9, 9])]}))
    assert len(vector.features) == 2
    odd = vector.features[0]
    assert odd.shape is shape
    assert [point for ring in odd.rings for point in ring.tolist()] == points
    assert note in " ".join(vector.notes)
    assert bool(vector.notes) == bool(note)


def test_unknown_keys_and_properties_of_any_kind_are_words(file: Path) -> None:
    given = {"lanes": 2.0, "bridge": True, "tags": ["a", {"b": None}], "text": "two\nlines", "none": None}
    feature = {**geometry("point", Point=[1, 1]), "Properties": given, "Id": 7}
    vector = read(put(file, {"road": [feature, {**feature, "Properties": "odd"}], "version": "2"}))
    assert dict(vector.features[0].properties) == {
        "lanes": "2",
        "bridge": "true",
        "tags": '["a", {"b": null}]',
        "text": "two\\x0alines",
        "none": "null",
        "Id": "7",
    }
    assert vector.features[1].properties["Properties"] == "odd"
    assert vector.notes == ('"version" holds no list of features: left out',)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["Type", "Point", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)
geometries = st.fixed_dictionaries(
    {"Type": st.sampled_from(["point", "polygon", "polyline", "curve"])},
    optional={"Point": json_values, "Polygon": json_values, "Polyline": json_values},
)
features = st.fixed_dictionaries({}, optional={"Geometry": geometries | json_values, "Properties": json_values})


@given(st.dictionaries(st.text(max_size=5), st.lists(features | json_values, max_size=4) | json_values, max_size=4))
def test_no_json_raises_and_all_coordinates_are_numbers(content: dict[str, Any]) -> None:
    vector = vectors._Reader().read(json.loads(json.dumps(content)))
    for feature in vector.features:
        for ring in feature.rings:
            assert ring.dtype == np.float64
            assert ring.ndim == 2
            assert ring.shape[0] >= 1
            assert ring.shape[1] == 2
            assert np.isfinite(ring).all()
        assert all(isinstance(word, str) for pair in feature.properties.items() for word in pair)
