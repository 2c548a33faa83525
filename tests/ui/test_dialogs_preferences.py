from collections.abc import Sequence

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from rsviewer.core.review import ANOMALIES, Anomaly
from rsviewer.data.settings import Preferences, Theme
from rsviewer.ui.dialogs.preferences import PreferencesDialog
from rsviewer.workspace.commands import PRESETS, bindings, conflicts

OK, APPLY = QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Apply


class Heard:
    """What a dialog has said so far."""

    def __init__(self, dialog: PreferencesDialog) -> None:
        self.values: list[Preferences] = []
        dialog.changed.connect(self.values.append)


@pytest.fixture
def dialog(qtbot: QtBot) -> PreferencesDialog:
    made = PreferencesDialog(Preferences(), tags_in_use={"cloud": 12})
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(made)
    made.show()
    return made


def enabled(dialog: PreferencesDialog, button: QDialogButtonBox.StandardButton) -> bool:
    return dialog.buttons.button(button).isEnabled()


def tags(anomalies: Sequence[Anomaly]) -> list[str]:
    return [anomaly.tag for anomaly in anomalies]


def test_nothing_changed_leaves_nothing_to_apply(dialog: PreferencesDialog) -> None:
    heard = Heard(dialog)
    assert dialog.chosen == Preferences()
    assert not enabled(dialog, APPLY)
    dialog.accept()
    assert heard.values == []
    assert not dialog.isVisible()


def test_apply_says_what_was_chosen_and_stays(dialog: PreferencesDialog) -> None:
    heard = Heard(dialog)
    dialog.general.reviewer.setText("  Ada ")
    dialog.general.theme.setCurrentIndex(dialog.general.theme.findText("Light"))
    dialog.general.memory.setValue(512)
    dialog.general.thumbnails.setValue(300)
    dialog.general.threads.setValue(3)
    dialog.general.motion.setChecked(False)
    dialog.buttons.button(APPLY).click()
    assert heard.values == [
        Preferences(
            reviewer="Ada",
            theme=Theme.LIGHT,
            cache_bytes=512_000_000,
            thumbnail_bytes=300_000_000,
            threads=3,
            motion=False,
        )
    ]
    assert dialog.isVisible()
    assert not enabled(dialog, APPLY)


def test_cancel_changes_nothing(dialog: PreferencesDialog, qtbot: QtBot) -> None:
    heard = Heard(dialog)
    dialog.general.reviewer.setText("somebody else")
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert heard.values == []
    assert not dialog.isVisible()


def test_memory_that_was_not_touched_keeps_its_last_byte(qtbot: QtBot) -> None:
    before = Preferences(
        cache_bytes=1_073_741_824, thumbnail_bytes=2_147_483_648, threads=200, key_preset="of a later version"
    )
    dialog = PreferencesDialog(before)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
    qtbot.addWidget(dialog)
    assert dialog.chosen.cache_bytes == before.cache_bytes
    assert dialog.chosen.thumbnail_bytes == before.thumbnail_bytes
    assert dialog.chosen.threads == 200
    assert dialog.chosen.key_preset == "rsviewer"


# --- keys


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_conflicts_with_itself(preset: str) -> None:
    assert conflicts(bindings(preset)) == {}


def test_a_pressed_key_is_bound_with_its_modifiers(dialog: PreferencesDialog, qtbot: QtBot) -> None:
    dialog.tabs.setCurrentWidget(dialog.keys)
    dialog.keys.select("tile.next")
    for key, modifier in (
        (Qt.Key.Key_Control, Qt.KeyboardModifier.ControlModifier),
        (Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier),
        (Qt.Key.Key_F9, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_F9, Qt.KeyboardModifier.NoModifier),
    ):
        qtbot.keyClick(dialog.keys.field, key, modifier)
    assert dialog.chosen.keys == {"tile.next": ("D", "Ctrl+Shift+J", "F9")}
    assert enabled(dialog, APPLY)


def test_tab_and_enter_can_be_bound_and_escape_leaves_the_field(dialog: PreferencesDialog, qtbot: QtBot) -> None:
    dialog.tabs.setCurrentWidget(dialog.keys)
    dialog.keys.select("file.retry")
    qtbot.keyClick(dialog.keys.field, Qt.Key.Key_Tab)
    qtbot.keyClick(dialog.keys.field, Qt.Key.Key_Return)
    qtbot.keyClick(dialog.keys.field, Qt.Key.Key_Escape)
    assert dialog.keys.own == {"file.retry": ("Tab", "Return")}
    assert dialog.isVisible()


def test_a_key_on_two_commands_is_said_at_once_and_blocks_apply(dialog: PreferencesDialog, qtbot: QtBot) -> None:
    heard = Heard(dialog)
    dialog.tabs.setCurrentWidget(dialog.keys)
    dialog.keys.select("tile.next")
    qtbot.keyClick(dialog.keys.field, Qt.Key.Key_A)
    assert dialog.keys.words.text() == "A is on Next tile and on Previous tile."
    assert not enabled(dialog, OK)
    assert not enabled(dialog, APPLY)
    dialog.accept()
    assert heard.values == []
    assert dialog.isVisible()
    dialog.tabs.setCurrentWidget(dialog.general)
    assert dialog.words.text() == "Keys: A is on Next tile and on Previous tile."
    dialog.tabs.setCurrentWidget(dialog.keys)
    dialog.keys.select("tile.previous")
    dialog.keys.remove_key("A")
    assert dialog.keys.words.text() == ""
    dialog.accept()
    assert heard.values[0].keys == {"tile.next": ("D", "A"), "tile.previous": ()}


def test_keys_as_in_the_preset_are_not_kept_as_ones_own(dialog: PreferencesDialog) -> None:
    dialog.keys.select("view.fit")
    dialog.keys.remove_key("F")
    assert dialog.chosen.keys == {"view.fit": ()}
    dialog.keys.add_key("F")
    assert dialog.chosen.keys == {}
    dialog.keys.add_key("F8")
    dialog.keys.reset_command()
    assert dialog.chosen.keys == {}


def test_another_preset_keeps_ones_own_keys_until_all_are_reset(dialog: PreferencesDialog) -> None:
    dialog.keys.select("view.fit")
    dialog.keys.add_key("F8")
    dialog.keys.preset_box.setCurrentIndex(dialog.keys.preset_box.findData("pixel"))
    assert dialog.chosen.key_preset == "pixel"
    assert dialog.chosen.keys == {"view.fit": ("F", "F8")}
    row = next(row for row in dialog.keys.rows.rows if row[0] == "Next tile")
    assert row[2] == "Right"
    dialog.keys.reset.click()
    assert dialog.chosen.keys == {}
    assert dialog.chosen.key_preset == "pixel"


def test_the_search_leaves_the_commands_with_these_words(dialog: PreferencesDialog) -> None:
    dialog.keys.search.setText("magnifier")
    assert [row[0] for row in dialog.keys.rows.rows] == ["Magnifier", "Pin the magnifier"]
    dialog.keys.search.setText("no such words")
    assert dialog.keys.current() is None
    dialog.keys.add_key("F8")
    assert dialog.chosen.keys == {}


# --- tags


def test_tags_are_moved_to_other_keys(dialog: PreferencesDialog) -> None:
    dialog.tags.table.setCurrentCell(1, 1)
    dialog.tags.up.click()
    assert tags(dialog.chosen.anomalies)[:3] == ["void", "cloud", "misaligned"]
    assert not dialog.tags.up.isEnabled()
    dialog.tags.down.click()
    assert dialog.chosen.anomalies == ANOMALIES
    assert not enabled(dialog, APPLY)


def test_a_new_tag_is_named_in_the_table(dialog: PreferencesDialog) -> None:
    dialog.tags.add.click()
    item, title = dialog.tags.table.item(9, 1), dialog.tags.table.item(9, 2)
    assert item is not None
    assert title is not None
    item.setText("tree-shadow")
    title.setText(" Shadow of trees ")
    assert dialog.chosen.anomalies == (*ANOMALIES, Anomaly("tree-shadow", "Shadow of trees"))
    assert enabled(dialog, APPLY)


@pytest.mark.parametrize(
    ("tag", "says"), [("void", "There are two tags void."), ("", "Tag 1 has no name."), ("a b", "a b is no tag")]
)
def test_a_tag_that_cannot_be_is_said_and_blocks_apply(dialog: PreferencesDialog, tag: str, says: str) -> None:
    item = dialog.tags.table.item(0, 1)
    assert item is not None
    item.setText(tag)
    assert says in dialog.tags.words.text()
    assert not enabled(dialog, OK)


def test_a_tag_in_use_does_not_vanish_silently(dialog: PreferencesDialog) -> None:
    dialog.tags.table.setCurrentCell(0, 1)
    dialog.tags.remove.click()
    assert dialog.tags.words.text().startswith("cloud is on 12 tiles")
    assert dialog.tags.words.property("tone") == "warn"
    assert enabled(dialog, OK)
    dialog.tags.defaults.click()
    assert dialog.tags.words.text() == ""


def test_all_tags_can_go(dialog: PreferencesDialog) -> None:
    for _ in ANOMALIES:
        dialog.tags.table.setCurrentCell(0, 1)
        dialog.tags.remove.click()
    assert dialog.chosen.anomalies == ()
    dialog.tags.remove_tag()
    assert not dialog.tags.remove.isEnabled()
