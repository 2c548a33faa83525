"""Classes of a model and of a dataset are found by what they are called."""

import pytest

from rsviewer.core.naming import matched
from rsviewer.core.tile import LabelClass


def classes(*names: str, first: int = 1) -> tuple[LabelClass, ...]:
    return tuple(LabelClass(number, name, (0, 0, 0)) for number, name in enumerate(names, first))


OEM = classes(
    "Bareland", "Rangeland", "Developed space", "Road", "Trees", "Water", "Agriculture land", "Buildings"
)  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ("bare land", "GRASS", "Pavement", "roads", "Tree", "water", "Cropland", "building"),
        (
            "Bareland",
            "Rangeland (Grass)",
            "Developed space (Pavement)",
            "Road",
            "Tree",
            "Water",
            "Agriculture",
            "Building",
        ),
        ("Bare-land", "range_land", "Developed", "Road", "High vegetation", "Waters", "Agricultural land", "Buildings"),
    ],
)
def test_a_class_is_found_by_any_of_its_names_whatever_the_numbers(names: tuple[str, ...]) -> None:
    assert matched(OEM, classes(*names, first=10)) == dict(zip(range(10, 18), range(1, 9), strict=True))


def test_for_who_knows_only_ground_trees_and_buildings_ground_is_all_the_rest() -> None:
    model = classes("Ground (everything else)", "Tree", "Building", first=0)
    assert matched(model, OEM) == {1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 0, 7: 0, 8: 2}
    isprs = classes("Impervious surfaces", "Building", "Low vegetation", "Tree", "Car", "Clutter", first=0)
    assert matched(model, isprs) == {0: 0, 1: 2, 2: 0, 3: 1, 4: 0, 5: 0}


def test_who_knows_more_than_that_means_bare_ground_by_ground() -> None:
    model = classes("Ground", "Water", "Tree", "Building")
    assert matched(model, OEM) == {5: 3, 6: 2, 8: 4}


def test_void_classes_match_nothing() -> None:
    void = LabelClass(0, "Unlabelled", (0, 0, 0), void=True)
    water = LabelClass(1, "Water", (0, 0, 255), void=True)
    assert matched((void, *OEM), (void, water, *classes("Tree", "Road", first=7))) == {7: 5, 8: 4}


def test_one_class_in_common_is_a_coincidence() -> None:
    assert matched(OEM, classes("Water", "Land")) == {}
    assert matched(OEM, classes("Tree", "Trees", "High vegetation")) == {}
    assert matched(OEM, ()) == {}


def test_grass_keeps_its_s_and_signs_alone_are_no_name() -> None:
    assert matched(classes("Glass", "?", "Water"), classes("Glas", "!", "Water", "Glass")) == {3: 3, 4: 1}
