"""Tiles with several images over time: the best one first, then any other, and never one in the place of another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rsviewer.core.tile import LayerId, Raster, TileId
from rsviewer.data.adapter import Shot, TileEntry
from rsviewer.data.address import of_bands, of_text
from rsviewer.workspace.moments import Moments, in_words
from rsviewer.workspace.workspace import Workspace
from tests.workspace.dated import BEST, CAPTION, IMAGE, LABELS, RADAR, SHOTS, dated_workspace
from tests.workspace.models import pane, predicted, settle


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with dated_workspace(tmp_path) as made:
        settle(made)
        yield made


def value(workspace: Workspace, layer: LayerId) -> int:
    content = pane(workspace, layer).content
    assert isinstance(content, Raster)
    return int(content.pixels[0, 0, 0])


def test_the_best_image_is_shown_first_and_every_other_sensor_at_the_nearest_time(workspace: Workspace) -> None:
    assert (value(workspace, IMAGE), value(workspace, RADAR), value(workspace, LABELS)) == (200, 56, 3)


def test_stepping_goes_through_the_dates_of_all_sensors_in_time_and_stops_at_the_ends(workspace: Workspace) -> None:
    seen = []
    for _ in range(6):
        workspace.step_along(-1)
        settle(workspace)
        seen.append((value(workspace, IMAGE), value(workspace, RADAR)))
    # radar of June; the dark image of March, radar of February nearer than of June; then radar, then the early image
    assert seen == [(200, 56), (1, 52), (1, 52), (10, 52), (10, 52), (10, 52)]
    assert value(workspace, LABELS) == 3
    workspace.show_date(None)
    settle(workspace)
    assert value(workspace, IMAGE) == 200


def test_every_pane_says_when_its_own_image_was_taken(workspace: Workspace) -> None:
    workspace.show_date(2)
    settle(workspace)
    assert pane(workspace, IMAGE).caption.startswith("2020-03-01  ·  8 x 8")
    assert pane(workspace, RADAR).caption.startswith("2020-02  ·  8 x 8"), "the nearest one is not of the same day"
    assert pane(workspace, LABELS).caption.startswith("8 x 8")


def test_the_next_dates_are_read_ahead(workspace: Workspace) -> None:
    workspace.show_date(2)
    settle(workspace)
    workspace.step_date(1)
    assert workspace.scene().complete, "its neighbour was there already"


def test_a_tile_keeps_its_date_until_the_best_one_is_asked_for(workspace: Workspace) -> None:
    workspace.show_date(0)
    workspace.go(1)
    assert workspace.tile == "1_2"
    assert not workspace.has_dates
    workspace.go(-1)
    settle(workspace)
    assert value(workspace, IMAGE) == 10


def test_what_is_said_of_a_date_names_its_time_its_sensor_and_a_fault(workspace: Workspace) -> None:
    workspace.show_date(2)
    assert workspace.status().message == "2020-03-01 10:00  ·  optical  ·  3 of 5  ·  called unusable"
    assert in_words(Shot("odd", "", "radar"), 1, 1) == "odd  ·  radar  ·  1 of 1"


def test_a_model_s_answer_for_one_date_is_never_shown_at_another(workspace: Workspace) -> None:
    predicted(workspace)
    best = workspace.outcomes.judgement(TileId("1_1"))
    assert best is not None
    assert best.prediction is not None
    workspace.show_date(0)
    settle(workspace)
    assert workspace.outcomes.judgement(TileId("1_1")) is None, "nobody has predicted that image"
    assert all(shown.content is None for shown in workspace.scene().panes if shown.layer.startswith("model."))
    predicted(workspace)
    other = workspace.outcomes.judgement(TileId("1_1"))
    assert other is not None
    assert other is not best
    workspace.show_date(None)
    assert workspace.outcomes.judgement(TileId("1_1")) is best


def test_all_bands_of_an_image_change_with_its_date() -> None:
    bands = of_bands([f"/data/late/{band}/1_1.png" for band in ("b05", "b06")])
    entry = TileEntry(TileId("1_1"), {IMAGE: bands}, shots=SHOTS, shot=BEST)
    assert entry.at(0).files[IMAGE] == bands.replace("late", "early")
    assert entry.at(BEST) is entry


def test_only_the_folder_of_the_image_changes_wherever_the_dataset_lies_and_whatever_a_caption_says() -> None:
    files = {IMAGE: "/late/dark/late/1_1.png", CAPTION: of_text("it is /late/ again")}
    entry = TileEntry(TileId("1_1"), files, shots=SHOTS, shot=BEST)
    assert entry.at(0).files == {IMAGE: "/late/dark/early/1_1.png", CAPTION: "text:it is /late/ again"}
    assert entry.shot_of(IMAGE) is SHOTS[BEST]
    assert entry.shot_of(CAPTION) is None


def test_images_without_a_time_can_be_stepped_through_as_well() -> None:
    shots = (Shot("a", "", "optical"), Shot("b", "", "optical"), Shot("c", "", "radar"))
    entry = TileEntry(TileId("1"), {IMAGE: "/d/a/1.png", RADAR: "/d/c/1.png"}, shots=shots)
    assert entry.at(1).files == {IMAGE: "/d/b/1.png", RADAR: "/d/c/1.png"}


def test_a_choice_outlives_images_that_are_found_later() -> None:
    moments = Moments()
    few = TileEntry(TileId("1_1"), {IMAGE: "/d/late/1_1.png"}, shots=(SHOTS[2], SHOTS[4]), shot=1)
    assert moments.choose(few, 0)
    all_of_them = TileEntry(TileId("1_1"), {IMAGE: "/d/late/1_1.png"}, shots=SHOTS, shot=BEST)
    assert moments.shown(all_of_them) == all_of_them.at(2)
    assert moments.of(TileId("1_1")) == "optical/dark"


def test_of_a_tile_that_was_looked_up_nobody_knows_its_best_image_yet() -> None:
    moments = Moments()
    entry = TileEntry(TileId("1_1"), {IMAGE: "/d/dark/1_1.png"}, shots=SHOTS[2:3], moment="optical/dark")
    moments.expect([entry, TileEntry(TileId("1_2"), {})])
    assert moments.shown(entry) is entry
    assert [moments.of(TileId(tile)) for tile in ("1_1", "1_2")] == ["optical/dark", ""], "predictions are of this one"
    moments.expect(())
    assert moments.of(TileId("1_1")) == ""


def test_an_image_that_turns_out_to_be_the_best_one_is_no_choice_any_more() -> None:
    moments = Moments()
    few = TileEntry(TileId("1_1"), {IMAGE: "/d/dark/1_1.png"}, shots=(SHOTS[2], SHOTS[4]), shot=0)
    assert moments.choose(few, 1)
    all_of_them = TileEntry(TileId("1_1"), {IMAGE: "/d/late/1_1.png"}, shots=SHOTS, shot=BEST)
    assert moments.shown(all_of_them) is all_of_them
    assert moments.of(TileId("1_1")) == ""


def test_a_choice_is_forgotten_when_the_image_is_gone() -> None:
    moments = Moments()
    entry = TileEntry(TileId("1_1"), {IMAGE: "/d/late/1_1.png"}, shots=SHOTS, shot=BEST)
    assert moments.choose(entry, 0)
    assert moments.shown(entry).files[IMAGE] == "/d/early/1_1.png"
    fewer = TileEntry(TileId("1_1"), {IMAGE: "/d/late/1_1.png"}, shots=SHOTS[2:], shot=2)
    assert moments.shown(fewer) is fewer
    assert moments.of(TileId("1_1")) == ""
