"""Features lie where the image has them, are cut at the tile, and cost nothing while the mouse moves."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from rsviewer.core.render import Pixels
from rsviewer.core.scene import Drawing, Frame, View, drawing_of
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, TileId
from rsviewer.core.vector import Feature, Shape, Vector
from rsviewer.data.resources import color_table
from rsviewer.ui.canvas import Canvas
from rsviewer.ui.paneboxes import Mapping, PaneBox, mapping
from rsviewer.ui.panels.layers import LayersPanel
from rsviewer.ui.panels.readout import ReadoutPanel
from rsviewer.ui.vectorpainter import VectorPainter, drawn_over
from rsviewer.workspace.background import call_now
from rsviewer.workspace.gallery import Sign
from rsviewer.workspace.opening import open_path
from rsviewer.workspace.workspace import Workspace
from tests.data.samples import satlas

GOLDEN = Path(__file__).parents[1] / "golden" / "features.png"
SIZE = 100
FRAME = Frame(SIZE, SIZE)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 160)
SPEC = LayerSpec(
    LayerId("vector"),
    LayerKind.VECTOR,
    "vector labels",
    classes=(LabelClass(1, "park", GREEN), LabelClass(2, "road", RED), LabelClass(3, "tower", BLUE)),
)
TCI, LABELS = LayerId("tci"), LayerId("vector")

pytestmark = pytest.mark.usefixtures("qapp")


def polygon(*rings: list[tuple[float, float]], category: str = "park") -> Feature:
    return Feature(category, Shape.POLYGON, tuple(np.array(ring, np.float64) for ring in rings))


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def line(*points: tuple[float, float]) -> Feature:
    return Feature("road", Shape.LINE, (np.array(points, np.float64),))


def tower(x: float, y: float) -> Feature:
    return Feature("tower", Shape.POINT, (np.array([(x, y)], np.float64),))


def drawing(*features: Feature, hidden: frozenset[int] = frozenset(), opacity: float = 0.5) -> Drawing:
    return drawing_of(Vector(features, (1000.0, 1000.0)), SPEC, FRAME, hidden, opacity)


def drawn(
    what: Drawing, zoom: float = 1.0, left: float = 0.0, size: int = SIZE, painter: VectorPainter | None = None
) -> QImage:
    """A drawing on black, in a pane of its own."""
    image = QImage(size, size, QImage.Format.Format_RGB32)
    image.fill(QColor(0, 0, 0))
    on = QPainter(image)
    (painter or VectorPainter()).draw(on, what, Mapping(zoom, left, left), QRect(0, 0, size, size))
    on.end()
    return image


def color(image: QImage, x: int, y: int) -> tuple[int, int, int]:
    at = image.pixelColor(x, y)
    return at.red(), at.green(), at.blue()


def is_empty(image: QImage) -> bool:
    return all(color(image, x, y) == (0, 0, 0) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3))


def test_a_polygon_is_filled_but_for_its_hole_whichever_way_its_rings_run() -> None:
    outside, hole = box(100, 100, 900, 900), box(400, 400, 600, 600)
    for exterior in (outside, outside[::-1]):
        for interior in (hole, hole[::-1]):
            image = drawn(drawing(polygon(exterior, interior)))
            assert color(image, 25, 25)[1] > 50
            assert color(image, 50, 50) == (0, 0, 0)
            assert color(image, 5, 5) == (0, 0, 0)


def test_polygons_of_one_category_that_overlap_do_not_cancel_each_other() -> None:
    image = drawn(drawing(polygon(box(100, 100, 700, 700)), polygon(box(300, 300, 900, 900)[::-1])))
    assert color(image, 50, 50)[1] > 50


def test_nothing_is_drawn_beyond_the_tile_however_far_features_reach() -> None:
    far = drawing(line((-9e8, 500), (9e8, 500)), polygon(box(-1e300, 700, 1e300, 800)), tower(1005, 200))
    image = drawn(far, zoom=1.0, left=20, size=140)
    assert color(image, 70, 70)[0] > 150
    assert color(image, 70, 95)[1] > 50
    for outside in (10, 130):
        assert color(image, outside, 70) == color(image, outside, 95) == (0, 0, 0)
    assert color(image, 121, 40) == (0, 0, 0), "half of a tower's disc lies on the next tile"


def test_a_line_that_leaves_and_comes_back_stays_open() -> None:
    image = drawn(drawing(line((100, 100), (100, -5000), (900, -5000), (900, 100))), zoom=8.0, left=0.0, size=800)
    assert color(image, 80, 40)[0] > 150
    assert color(image, 720, 40)[0] > 150
    assert all(color(image, x, y) == (0, 0, 0) for x in range(100, 700, 20) for y in range(8))


def test_a_category_that_is_off_is_not_drawn_and_opacity_thins_all() -> None:
    road = line((0, 500), (1000, 500))
    assert is_empty(drawn(drawing(road, hidden=frozenset({2}))))
    assert is_empty(drawn(drawing(road, opacity=0.0)))
    assert 0 < color(drawn(drawing(road, opacity=0.2)), 50, 50)[0] < 255


def test_panes_share_one_picture_and_panning_a_little_needs_no_other() -> None:
    painter, what = VectorPainter(), drawing(line((0, 0), (1000, 1000)), tower(500, 500))
    for left in (-300.0, -300.0, -330.0, -270.0):
        assert color(drawn(what, 8.0, left, 200, painter), 100, 100) != (0, 0, 0)
    assert painter.drawn == 1
    drawn(what, 9.0, -300.0, 200, painter)
    assert painter.drawn == 2


def test_while_the_wheel_turns_a_city_is_only_scaled_and_drawn_when_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.ui.vectorpainter.SLOW", 0.0)
    painter, what = VectorPainter(), drawing(polygon(box(100, 100, 900, 900)))
    drawn(what, 1.0, 0.0, 200, painter)
    painter.is_hurried = True
    scaled = drawn(what, 2.0, 0.0, 200, painter)
    assert (painter.drawn, painter.is_stale) == (1, True)
    assert color(scaled, 100, 100)[1] > 50
    assert color(scaled, 10, 10) == (0, 0, 0), "in its place"
    painter.is_hurried = False
    drawn(what, 2.0, 0.0, 200, painter)
    assert painter.drawn == 2


def test_features_smaller_than_a_pixel_are_seen_as_spots() -> None:
    image = drawn(drawing(polygon(box(500, 500, 501, 501)), line((200, 200), (200, 201))))
    assert GREEN in {color(image, x, y) for x in (49, 50, 51) for y in (49, 50, 51)}
    assert RED in {color(image, x, y) for x in (19, 20, 21) for y in (19, 20, 21)}


def test_a_file_without_measure_is_drawn() -> None:
    random = np.random.default_rng(4)
    scribble = Feature("road", Shape.LINE, (random.uniform(-500, 1500, (100_000, 2)),))
    wild = Feature("?", Shape.UNKNOWN, (np.array([(np.nan, 1.0), (1e300, -1e300), (500.0, 500.0)]), np.zeros((0, 2))))
    cloud = tuple(tower(x, y) for x, y in random.uniform(-100, 1100, (5_000, 2)))
    what = drawing(scribble, wild, *cloud, Feature("nothing", Shape.POLYGON, ()))
    for zoom in (0.01, 1.0, 256.0):
        assert not drawn(what, zoom, -3.0 * zoom).isNull()
    assert not is_empty(drawn(what))


def test_a_feature_that_is_pointed_at_stands_out() -> None:
    what = drawing(polygon(box(100, 100, 900, 900)), tower(500, 500), Feature("nothing", Shape.POLYGON, ()))
    painter = VectorPainter()
    image = drawn(what, painter=painter)
    before = image.copy()
    on = QPainter(image)
    for feature in range(3):
        painter.outline(on, what, feature, Mapping(1.0, 0.0, 0.0), QRect(0, 0, SIZE, SIZE))
    on.end()
    assert image != before
    assert min(color(image, 45, 50)) > 150, "a bright ring"
    assert color(image, 50, 50) == BLUE


def test_features_look_as_they_did() -> None:
    image = drawn(
        drawing(
            polygon(box(80, 80, 560, 460), box(200, 180, 360, 320)),
            polygon(box(600, 100, 640, 130)),
            line((-50, 700), (300, 520), (500, 800), (1100, 560)),
            Feature("kiosk", Shape.POLYGON, (np.array(box(620, 600, 900, 1200)),)),
            tower(780, 300),
            tower(990, 30),
        ),
        2.0,
        -10.0,
        200,
    )
    expected = QImage(str(GOLDEN)).convertToFormat(QImage.Format.Format_RGB32)
    assert image.size() == expected.size()
    ours, theirs = (
        np.frombuffer(one.constBits(), np.uint8).reshape(200, 200, 4)[..., :3].astype(int) for one in (image, expected)
    )
    assert (np.abs(ours - theirs).max(axis=2) > 24).mean() < 0.01, "another version of Qt may round differently"


# --- in the window


@pytest.fixture
def stage(tmp_path: Path, qtbot: QtBot) -> Iterator[tuple[Canvas, Workspace]]:
    satlas.write(tmp_path)
    scale = 8192 / 1000
    labels = {
        "park": [
            {
                "Geometry": {
                    "Type": "polygon",
                    "Polygon": [[[x * scale, y * scale] for x, y in box(100, 100, 500, 500)]],
                },
                "Properties": {"sport": "<b>golf</b>"},
            }
        ],
        "airplane": [],
        "kiosk": [{"Geometry": {"Type": "point", "Point": [800 * scale, 800 * scale]}}],
    }
    (tmp_path / "static" / satlas.WHOLE / "vector.json").write_text(json.dumps(labels))
    workspace = Workspace(
        open_path(tmp_path), call_now, threads=0, cache_bytes=10**8, reviewer="ann", threaded_jobs=False
    )
    canvas = Canvas(color_table)
    qtbot.addWidget(canvas)
    canvas.resize(900, 500)
    canvas.set_workspace(workspace)
    workspace.start()
    workspace.looks.show_only([TCI, LABELS])
    assert workspace.show_tile(TileId(satlas.WHOLE))
    settle(workspace)
    canvas.show()
    canvas.grab()
    yield canvas, workspace
    canvas.set_workspace(None)
    workspace.close()


def settle(workspace: Workspace) -> None:
    while workspace.step():
        pass


def box_of(canvas: Canvas, layer: LayerId) -> PaneBox:
    return next(box for box in canvas.panes if box.pane.layer == layer)


def screen(canvas: Canvas, layer: LayerId, x: float, y: float) -> QPointF:
    """The place on the canvas of a place in thousandths of the tile."""
    box, frame = box_of(canvas, layer), box_of(canvas, layer).pane.frame
    assert frame is not None
    return mapping(box, canvas.scene.view, frame).to_screen(x / 1000 * frame.width, y / 1000 * frame.height)


def seen(canvas: Canvas, layer: LayerId, x: float, y: float) -> QColor:
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return image.pixelColor(screen(canvas, layer, x, y).toPoint())


def test_features_lie_over_the_image_and_in_their_own_pane_until_m_takes_them_off(
    stage: tuple[Canvas, Workspace],
) -> None:
    canvas, workspace = stage
    assert box_of(canvas, LABELS).pane.drawing is not None
    over = box_of(canvas, TCI).pane.drawing
    assert over is not None, "without anybody asking for it"
    kiosk = QColor(*over.categories[over.vector.geometry.names.index("kiosk")].color)
    assert seen(canvas, TCI, 800, 800) == seen(canvas, LABELS, 800, 800) == kiosk
    while workspace.looks.overlay != "none":
        workspace.cycle_overlay()
        settle(workspace)
    assert seen(canvas, TCI, 800, 800) != kiosk
    assert seen(canvas, LABELS, 800, 800) == kiosk


def test_moving_the_cross_draws_no_feature_anew(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    painter = canvas._painter.vectors
    drawn_before = painter.drawn
    for column in range(0, 30, 3):
        workspace.viewing.set_cursor((column, 9))
        canvas.grab()
    workspace.looks.change_opacity(0.1)
    canvas.grab()
    assert painter.drawn == drawn_before + 1, "more opaque fills are the only thing that is new"


def test_the_feature_under_the_mouse_stands_out_and_is_named(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    workspace.viewing.set_view(View((16.0, 16.0), 12.0))
    before = seen(canvas, TCI, 500, 300)
    workspace.viewing.set_cursor((8, 8))
    assert seen(canvas, TCI, 500, 300) != before, "the park's edge, far from the cross"
    said = {reading.layer: reading.text for reading in workspace.readout().readings}
    assert said[LABELS] == "park  ·  sport: <b>golf</b>"
    tip = canvas._features_tip(box_of(canvas, TCI), screen(canvas, TCI, 300, 300).toPoint())
    assert tip == said[LABELS]
    assert canvas._features_tip(box_of(canvas, TCI), screen(canvas, TCI, 600, 950).toPoint()) == ""


def test_a_click_on_a_category_shows_it_alone_over_every_image(stage: tuple[Canvas, Workspace], qtbot: QtBot) -> None:
    canvas, _ = stage
    over = box_of(canvas, TCI).pane.drawing
    assert over is not None
    value = over.categories[over.vector.geometry.names.index("kiosk")].value
    spot = next(spot for layer, spot in canvas._spots if layer == LABELS and spot.value == value)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot.rect.center())
    after = box_of(canvas, TCI).pane.drawing
    assert after is not None
    assert [item.name for item in after.categories if item.value not in after.hidden] == ["kiosk"]
    assert after.features_at(8, 8, 1.0) == ()


def test_the_next_tile_never_leaves_the_pane_of_features_blank(stage: tuple[Canvas, Workspace]) -> None:
    canvas, workspace = stage
    workspace.looks.set_style(LABELS, workspace.looks.style(LABELS))
    workspace.forget_pictures()
    workspace.go(1)
    canvas._too_late()
    assert box_of(canvas, LABELS).pane.drawing is not None, "that of the tile before, while this one's is being read"
    assert canvas.shown_tile is None


def test_the_list_of_categories_has_a_switch_for_each_that_somebody_looked_for(
    stage: tuple[Canvas, Workspace], qtbot: QtBot
) -> None:
    _, workspace = stage
    panel = LayersPanel()
    qtbot.addWidget(panel)
    workspace.viewing.activate(LABELS)
    panel.set_workspace(workspace)
    panel.show_state()
    rows = [panel.classes.classes.topLevelItem(place) for place in range(panel.classes.classes.topLevelItemCount())]
    said = [(row.text(1), row.text(2), bool(row.flags() & Qt.ItemFlag.ItemIsUserCheckable)) for row in rows if row]
    assert set(said[:2]) == {("park", "1", True), ("kiosk", "1", True)}
    assert said[2] == ("airplane", "none here", True)
    assert said[3][0].endswith("categories not annotated")
    assert said[3][1:] == ("", False)
    assert panel.chart.isHidden()
    assert not panel.classes.isHidden()
    panel.set_workspace(None)


def test_the_readout_has_a_line_for_each_feature(stage: tuple[Canvas, Workspace], qtbot: QtBot) -> None:
    _, workspace = stage
    panel = ReadoutPanel()
    qtbot.addWidget(panel)
    panel.set_workspace(workspace)
    workspace.viewing.set_cursor((25, 25))
    panel.show_state()
    line = panel.table.words.lines[1]
    assert line.words == "kiosk"
    two = replace(line, words="kiosk  ·  open: yes\nroad\npark\nriver\ndam")
    assert panel.table.wrapped(two, 300) == ["kiosk  ·  open: yes", "road", "park", "river  dam"]
    panel.set_workspace(None)


# --- small pictures


def test_a_small_picture_has_the_features_where_the_pane_has_them(tmp_path: Path) -> None:
    half = drawing(polygon(box(0, 0, 500, 1000)), polygon(box(600, 0, 1000, 1000), category="road"))
    grey: Pixels = np.full((50, 50), 0xFF808080, np.uint32)
    found = drawn_over(grey, half, 0.5)

    assert (grey == 0xFF808080).all()
    red, green = (int(found[25, 12]) >> shift & 255 for shift in (16, 8))
    assert green > 0x80 > red
    assert found[25, 27] == 0xFF808080, "between them"
    assert drawn_over(grey, drawing(hidden=frozenset({1})), 0.5).tolist() == grey.tolist()
    assert (drawn_over(grey, replace(half, opacity=0.0), 0.5) == grey).all()
    assert drawn_over(np.zeros((0, 3), np.uint32), half, 0.5).shape == (0, 3)


def test_small_pictures_are_drawn_on_many_threads_at_once() -> None:
    features = [polygon(box(k, k, k + 30, k + 30)) for k in range(0, 900, 9)]
    black: Pixels = np.full((64, 64), 0xFF000000, np.uint32)
    alone = drawn_over(black, drawing(*features), 0.64)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: drawn_over(black, drawing(*features), 0.64), range(40)))
    assert all((each == alone).all() for each in together)


def test_the_gallery_shows_features_by_themselves_and_over_the_image(tmp_path: Path) -> None:
    satlas.write(tmp_path)
    box_ = [[[0, 0], [4096, 0], [4096, 8192], [0, 8192]]]
    labels = {"park": [{"Geometry": {"Type": "polygon", "Polygon": box_}}]}
    (tmp_path / "static" / satlas.WHOLE / "vector.json").write_text(json.dumps(labels))
    workspace = Workspace(
        open_path(tmp_path),
        call_now,
        threads=0,
        cache_bytes=10**8,
        reviewer="ann",
        threaded_jobs=False,
        draw=drawn_over,
    )
    workspace.start()
    place = next(at for at in range(len(workspace.queue)) if workspace.finding.entry_at(at).id == satlas.WHOLE)

    def small(name: str) -> Pixels:
        workspace.gallery.show(name)
        workspace.gallery.want([place], 96)
        settle(workspace)
        found = workspace.gallery.small(place)
        assert found is not None
        assert found.pixels is not None
        assert found.showing.name == name
        return found.pixels

    workspace.gallery.set_open(on=True)
    alone, image, over = small(LABELS), small(TCI), small("over:features")
    assert alone.shape == (96, 96)
    assert (alone[48, 30] >> 24, alone[48, 70] >> 24) == (70, 0), "as opaque as a fill in a pane, and nothing"
    assert over.shape == image.shape
    columns = over.shape[1]
    changed = over != image
    assert changed[:, : columns // 2 - 2].mean() > 0.9
    assert not changed[:, columns // 2 + 3 :].any()

    (tmp_path / "static" / satlas.WHOLE / "vector.json").write_text('{"airplane": []}')
    workspace.forget_pictures()
    workspace.gallery.show(LABELS)
    workspace.gallery.want([place], 96)
    settle(workspace)
    empty = workspace.gallery.small(place)
    assert empty is not None
    assert (empty.pixels, empty.sign) == (None, Sign.EMPTY)
    assert "Annotated, none here: airplane." in empty.words
    workspace.close()


def test_without_somebody_who_draws_the_gallery_offers_no_features(stage: tuple[Canvas, Workspace]) -> None:
    _, workspace = stage
    names = [name for name, _ in workspace.gallery.choices()]
    assert LABELS not in names
    assert "over:features" not in names
