"""What a tile need not have takes no pane, and is still said."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.ui.absentbar import AbsentBar, in_words
from rsviewer.workspace.workspace import Workspace
from tests.workspace.dated import LABELS, dated_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with dated_workspace(tmp_path) as made:
        yield made


def test_a_layer_that_nobody_annotated_is_named_below_the_panes_and_has_none(
    qtbot: QtBot, workspace: Workspace
) -> None:
    bar = AbsentBar()
    qtbot.addWidget(bar)
    bar.set_workspace(workspace)
    bar.show_state()
    assert bar.isHidden()
    assert LABELS in [pane.layer for pane in workspace.scene().panes]
    workspace.go(1)
    bar.show_state()
    assert not bar.isHidden()
    assert bar.words.text() == "Not on this tile: labels"
    assert LABELS not in [pane.layer for pane in workspace.scene().panes]
    workspace.looks.set_visible(LABELS, visible=False)
    bar.show_state()
    assert bar.isHidden(), "who does not want to see the layer need not hear of it"


def test_layers_that_are_absent_for_the_same_reason_are_named_together() -> None:
    def spec(title: str, absent: str) -> LayerSpec:
        return LayerSpec(LayerId(title), LayerKind.LABELS, title, optional=True, absent=absent)

    absent = (
        spec("roads", "Not annotated: nobody looked."),
        spec("mask", ""),
        spec("crops", "Not annotated: not here."),
    )
    assert in_words(absent) == "Not annotated: roads, crops     Not on this tile: mask"
