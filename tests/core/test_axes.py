"""Numbers around a tile are true, can be read and stand beside it."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.axes import Axes, Label, axes_of
from rsviewer.core.camera import Camera, project
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing
from rsviewer.core.relief import Relief, ReliefStyle
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId

WIDTH, HEIGHT = 800, 600
GAP, TITLE_GAP, LINE, LETTER = 6.0, 30.0, 13.0, 6.5
"""Pixels: how labels are set around their places."""

cameras = st.builds(Camera, azimuth=st.floats(0.0, 360.0), elevation=st.floats(-90.0, 90.0), orthographic=st.booleans())


def relief(
    low: float = 0.0, high: float = 40.0, extent: tuple[float, float] = (512.0, 512.0), unit: str = "m"
) -> Relief:
    grid = np.array([[low, high], [low, high]], np.float32)
    one = Cloud(
        LayerId("dsm"), "DSM", grid, 0.0, np.zeros((2, 2), np.uint32), (0.0, extent[1]), (extent[0] / 2, extent[1] / 2),
        Rect(0, 0, 2, 2),
    )  # fmt: skip
    return Relief(TileId("t"), (one,), extent=extent, unit=unit, low=low, high=high)


def fitted(shown: Relief, camera: Camera, exaggeration: float = 1.0) -> Camera:
    return camera.fitted(shown.bounds(exaggeration), WIDTH / HEIGHT, 1.25)


def around(shown: Relief, camera: Camera, **style: Any) -> tuple[Drawing, Axes]:
    """The axes, and the picture that they are in."""
    look = ReliefStyle(**style)
    axes = axes_of(shown, look, camera)
    return Drawing(shown, look, camera, WIDTH, HEIGHT, lines=axes.lines), axes


def numbers(axes: Axes, drawing: Drawing, axis: int) -> dict[str, float]:
    """The numbers of an axis, and what is really there, in the tile's units."""
    shown = drawing.relief
    found = {}
    for label in axes.labels:
        x, y, z = label.outward
        kind = 2 if z == 0 else 1 if abs(x) > abs(y) else 0
        if label.is_title or kind != axis:
            continue
        inverse = np.linalg.inv(shown.matrix(0.0, drawing.style.exaggeration))
        found[label.text] = float((inverse @ [*label.position, 1.0])[axis])
    return found


def boxes(axes: Axes, drawing: Drawing) -> list[tuple[Label, float, float, float, float]]:
    """Labels and the rectangles of the picture that they take."""
    matrix, placed = next(drawing.parts()).matrix, []
    for label in axes.labels:
        place, aside = np.array(label.position), np.array(label.position) + 0.05 * np.array(label.outward)
        (x, y, _), (ax, ay, _) = project(matrix, np.array([place, aside]), WIDTH, HEIGHT)
        way = np.array([ax - x, ay - y]) / max(np.hypot(ax - x, ay - y), 1e-9)
        half = np.array([LETTER * len(label.text), LINE]) / 2
        gap = (TITLE_GAP if label.is_title else GAP) + np.abs(way) @ half
        x, y = np.array([x, y]) + way * gap
        placed.append((label, x - half[0], y - half[1], x + half[0], y + half[1]))
    return placed


@pytest.mark.parametrize("exaggeration", [1.0, 5.0, 20.0])
def test_numbers_are_round_and_true_whatever_the_exaggeration(exaggeration: float) -> None:
    shown = relief(low=103.0, high=141.0)
    drawing, axes = around(shown, fitted(shown, Camera(), exaggeration), exaggeration=exaggeration)

    for axis, step, most in ((0, 100, 512), (1, 100, 512), (2, 5, 141)):
        found = numbers(axes, drawing, axis)
        assert 1 <= len(found) <= 7
        for text, place in found.items():
            assert float(text) == pytest.approx(place, abs=1e-3)
            assert float(text) % step == 0
            assert place <= most
    assert {label.text for label in axes.labels if label.is_title} == {"x (m)", "y (m)", "height (m)"}


def test_where_nobody_knows_the_size_of_a_pixel_the_axes_say_so() -> None:
    _, axes = around(relief(unit="px"), Camera())

    assert {label.text for label in axes.labels if label.is_title} == {"x (px)", "y (px)", "height (m)"}


@given(cameras, st.floats(0.0, 2000.0))
def test_numbers_of_the_floor_stand_below_the_tile_in_the_picture(camera: Camera, high: float) -> None:
    shown = relief(high=high)
    drawing, axes = around(shown, fitted(shown, camera))
    matrix = next(drawing.parts()).matrix
    low = shown.bounds(1.0)[0][2]

    for label in axes.labels:
        if label.outward[2] >= 0:
            continue
        here = np.array(label.position)
        other = here * (1, -1, 1) if abs(label.outward[1]) > abs(label.outward[0]) else here * (-1, 1, 1)
        place, opposite, aside = project(
            matrix, np.array([here, other, here + 0.05 * np.array(label.outward)]), WIDTH, HEIGHT
        )[:, :2]
        eye = drawing.camera.eye[2] - low if not camera.orthographic else camera.elevation
        if abs(eye) > 0.2:
            assert place[1] >= opposite[1] - 1e-3
            assert np.linalg.norm(aside - opposite) > np.linalg.norm(place - opposite)
        assert here[2] < low, "and the floor is below the ground, so that neither shines through the other"


@given(cameras, st.floats(1.0, 2000.0), st.floats(0.1, 10.0))
def test_the_scale_of_heights_stands_beside_the_tile(camera: Camera, high: float, slim: float) -> None:
    shown = relief(high=high, extent=(512.0, 512.0 * slim))
    drawing, axes = around(shown, fitted(shown, camera))
    title = next((label for label in axes.labels if label.text == "height (m)"), None)
    if title is None:
        assert abs(camera.elevation) > 75
        return
    x, y, top = title.position
    low, _ = shown.bounds(1.0)
    tile = [(a, b, low[2]) for a, b in itertools.product((low[0], -low[0]), (low[1], -low[1]))]
    places = project(next(drawing.parts()).matrix, np.array([(x, y, low[2]), *tile]), WIDTH, HEIGHT)[:, 0]

    assert places[0] <= places[1:].min() or places[0] >= places[1:].max()
    assert top == pytest.approx(-low[2])


@pytest.mark.parametrize("elevation", [0.0, 15.0, 35.0, 60.0])
@pytest.mark.parametrize("azimuth", [0.0, 30.0, 60.0, 90.0, 150.0, 180.0, 205.0, 250.0, 315.0])
@pytest.mark.parametrize("high", [0.0, 10.0, 60.0, 800.0])
def test_labels_stand_clear_of_each_other_in_the_picture(azimuth: float, elevation: float, high: float) -> None:
    shown = relief(high=high)
    drawing, axes = around(shown, fitted(shown, Camera(azimuth=azimuth, elevation=elevation)))

    placed = boxes(axes, drawing)

    hidden = [
        (one[0].text, other[0].text)
        for one, other in itertools.combinations(placed, 2)
        if one[1] < other[3] and other[1] < one[3] and one[2] < other[4] and other[2] < one[4]
    ]
    assert len(hidden) <= 1, hidden
    for label, left, top, right, bottom in placed:
        if label.is_title:
            assert 0 < left < right < WIDTH, label.text
            assert 0 < top < bottom < HEIGHT, label.text


def test_seen_from_above_there_are_no_heights_and_the_numbers_are_to_the_left_and_below() -> None:
    shown = relief()
    drawing, axes = around(shown, fitted(shown, Camera().from_top()))

    assert not any("height" in label.text for label in axes.labels)
    for label, left, top, *_ in boxes(axes, drawing):
        if abs(label.outward[0]) > abs(label.outward[1]):
            assert left < WIDTH / 4
        else:
            assert top > HEIGHT * 3 / 4


def test_an_axis_that_is_seen_end_on_has_no_numbers() -> None:
    drawing, axes = around(relief(), Camera().from_front())

    assert "y (m)" not in {label.text for label in axes.labels}
    assert numbers(axes, drawing, 1) == {}
    assert len(numbers(axes, drawing, 0)) >= 5
    assert len(numbers(axes, drawing, 2)) >= 1


def test_a_flat_tile_has_its_one_height() -> None:
    drawing, axes = around(relief(low=12.25, high=12.25), Camera())

    assert numbers(axes, drawing, 2) == {"12.25": 12.25}


@pytest.mark.parametrize(
    ("high", "exaggeration", "text"), [(0.004, 3e4, "0.002"), (1e6, 1.0, "1000000"), (3e12, 1.0, "3e+12")]
)
def test_tiny_and_huge_heights_can_be_read(high: float, exaggeration: float, text: str) -> None:
    shown = relief(high=high)
    camera = fitted(shown, Camera(elevation=10.0), exaggeration)
    drawing, axes = around(shown, camera, exaggeration=exaggeration)

    assert text in numbers(axes, drawing, 2)
    assert np.isfinite(axes.lines).all()


@given(cameras, st.sampled_from([0.0, 40.0, 1e6]), st.sampled_from([1.0, 100.0]))
def test_no_line_is_cut_off_by_the_camera(camera: Camera, high: float, exaggeration: float) -> None:
    shown = relief(high=high)
    drawing, axes = around(shown, fitted(shown, camera, exaggeration), exaggeration=exaggeration)

    depth = project(next(drawing.parts()).matrix, axes.lines.reshape(-1, 3).astype(float), WIDTH, HEIGHT)[:, 2]

    assert (np.abs(depth) <= 1).all()
    assert axes.lines.shape[0] >= 4
    assert axes.lines.dtype == np.float32


@given(cameras, st.tuples(*[st.floats(-1.0, 1.0)] * 3), st.floats(1e-3, 10.0))
def test_inside_of_the_tile_there_are_axes_too(camera: Camera, target: tuple[float, ...], distance: float) -> None:
    x, y, z = target
    _, axes = around(relief(), replace(camera, target=(x, y, z), distance=distance))

    assert len(axes.labels) <= 3 * 8
    assert all(np.linalg.norm(label.outward) == pytest.approx(1.0) for label in axes.labels)


def test_without_heights_or_where_nobody_wants_them_there_are_no_axes() -> None:
    for axes in (
        axes_of(Relief(TileId("t"), why="none"), ReliefStyle(), Camera()),
        axes_of(relief(), ReliefStyle(grid=False), Camera()),
    ):
        assert axes.lines.shape == (0, 2, 3)
        assert axes.labels == ()
