"""Vector labels on the screen: what is here, what was looked for in vain, and what nobody looked for are three things."""

from dataclasses import replace

import numpy as np
import pytest

from rsviewer.core.prediction import BOXES
from rsviewer.core.readout import FEATURES_MOST, NO_FEATURE, feature_words, reading
from rsviewer.core.scene import (
    LARGEST_FRAME,
    NOT_ANNOTATED,
    Frame,
    PaneState,
    View,
    compose,
    drawing_of,
    frame_of_vector,
    reach,
)
from rsviewer.core.style import Style
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, TileId
from rsviewer.core.vector import Feature, Shape, Vector

NAMES = ("road", "park", "dam", "pier")
SPEC = LayerSpec(
    LayerId("vector"),
    LayerKind.VECTOR,
    "vector labels",
    classes=tuple(LabelClass(value, name, (value, 0, 0)) for value, name in enumerate(NAMES, 1)),
)
TILE, FRAME = TileId("1_2"), Frame(512, 512)


def point(category: str, x: float, y: float, **properties: str) -> Feature:
    return Feature(category, Shape.POINT, (np.array([[x, y]]),), properties)


def square(category: str, x: float, y: float, size: float) -> Feature:
    corners = np.array([[x, y], [x + size, y], [x + size, y + size], [x, y + size]])
    return Feature(category, Shape.POLYGON, (corners,))


CITY = Vector(
    (
        square("park", 1600, 1600, 3200),
        point("kiosk", 1616, 1616, name="Ada's", open="yes"),
        point("kiosk", 8000, 8000),
    ),
    (8192.0, 8192.0),
    annotated=("park", "dam"),
    facts={"Start": "2016-06-01"},
)


def test_a_legend_counts_features_and_says_what_was_not_found_and_what_not_sought() -> None:
    pane = compose(0, TILE, SPEC, CITY, None, frame=FRAME, style=Style(hidden=frozenset({2})))
    assert pane.state is PaneState.SHOWN
    assert pane.message == ""
    assert pane.caption == "3 features  ·  1 none here  ·  2 not annotated  ·  Start 2016-06-01"
    rows = [(item.name, item.count, item.annotated, item.known, item.hidden) for item in pane.legend]
    assert rows == [
        ("kiosk", 2, True, False, False),
        ("park", 1, True, True, True),
        ("dam", 0, True, True, False),
        ("road", 0, False, True, False),
        ("pier", 0, False, True, False),
    ]
    assert [item.can_switch for item in pane.legend] == [True, True, True, False, False]
    assert pane.drawing is not None
    assert pane.drawing.place == FRAME.rect


def test_classes_of_the_whole_tile_are_named_beside_the_title() -> None:
    tile = replace(square("smoke", 0, 0, 8192), properties={"smoke": "partial", "by": "Ada"})
    house = replace(square("kiosk", 9, 9, 50), properties={"kiosk": "yes"})  # of which there may be thousands
    vector = Vector((tile, house), (8192.0, 8192.0))
    pane = compose(0, TILE, SPEC, vector, None, frame=FRAME, style=Style())
    assert "smoke: partial" in pane.caption.split("  ·  ")
    assert "kiosk:" not in pane.caption


def test_very_many_categories_that_nobody_annotated_are_one_row() -> None:
    many = tuple(LabelClass(value, f"c{value}", (0, 0, 0)) for value in range(5, 140))
    pane = compose(0, TILE, replace(SPEC, classes=SPEC.classes + many), CITY, None, frame=FRAME, style=Style())
    assert [item.name for item in pane.legend] == ["kiosk", "park", "dam", "137 categories not annotated"]
    assert pane.legend[-1].value == NOT_ANNOTATED
    assert not pane.legend[-1].can_switch


def test_a_tile_without_features_says_for_what_somebody_looked() -> None:
    nothing = Vector((), (8192.0, 8192.0), annotated=("dam", "park"))
    pane = compose(0, TILE, SPEC, nothing, None, frame=FRAME, style=Style())
    assert pane.message == "No feature on this tile.\nAnnotated, none here: dam, park.\nNot annotated: road, pier."
    assert pane.caption == "no feature  ·  2 none here  ·  2 not annotated"


def test_a_model_that_found_nothing_is_not_said_to_have_annotated_anything() -> None:
    spec = replace(SPEC, id=BOXES)
    nothing = Vector((), (512.0, 512.0), annotated=tuple(one.name for one in spec.classes))
    pane = compose(0, TILE, spec, nothing, None, frame=FRAME, style=Style())
    assert pane.message == "Nothing on this tile that the model is sure enough of. It looked for road, park, dam, pier."


def test_vector_labels_wait_for_the_grid_of_their_tile() -> None:
    assert compose(0, TILE, SPEC, CITY, None, frame=None, style=Style()).state is PaneState.LOADING


def test_labels_without_an_image_are_their_own_grid_of_a_size_that_can_be_shown() -> None:
    assert frame_of_vector(CITY) == Frame(8192, 8192)
    assert frame_of_vector(Vector((), (1e8, 0.2))) == Frame(LARGEST_FRAME, 1)


def test_a_place_on_the_image_is_the_same_place_among_the_features() -> None:
    drawing = drawing_of(CITY, SPEC, FRAME)
    assert drawing.features_at(101, 101, 1) == (1, 0), "8192 units are 512 pixels"
    assert drawing.features_at(250, 250, 1) == (0,)
    assert drawing.features_at(400, 400, 1) == ()
    assert replace(drawing, hidden=frozenset({2})).features_at(101, 101, 1) == (1,), "what is not shown is not found"


@pytest.mark.parametrize(
    ("view", "tiles"), [(View(zoom=1.0), 5.0), (View(zoom=0.5), 10.0), (View(zoom=64.0), 0.75), (View(), 6.4)]
)
def test_what_is_near_is_near_on_the_screen_and_never_less_than_the_pixel(view: View, tiles: float) -> None:
    assert reach(view, FRAME) == pytest.approx(tiles)


def test_the_readout_has_a_line_for_each_feature_with_its_properties() -> None:
    said = reading(SPEC, CITY, FRAME, 101, 101, 2.0)
    assert said.text == "kiosk  ·  name: Ada's  ·  open: yes\npark"
    assert said.usable
    assert reading(SPEC, CITY, FRAME, 400, 400, 2.0).text == NO_FEATURE
    assert not reading(SPEC, CITY, FRAME, 400, 400, 2.0).usable


def test_a_crowd_of_features_and_words_without_end_are_cut() -> None:
    crowd = Vector(tuple(point("k\ni\to", 16, 16) for _ in range(FEATURES_MOST + 3)), (8192.0, 8192.0))
    lines = reading(SPEC, crowd, FRAME, 1, 1, 2.0).text.split("\n")
    assert lines == ["k i o"] * FEATURES_MOST + ["and 3 more"]
    words = feature_words(point("kiosk", 0, 0, **{f"p{number}": "x" * 1000 for number in range(50)}))
    assert len(words) < 1500
    assert words.endswith("and 38 more")
