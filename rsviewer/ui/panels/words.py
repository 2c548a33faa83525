"""What a model that reads is asked, and how well it finds that the caption fits: a part of the model panel."""

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from rsviewer.core.errors import ModelError
from rsviewer.core.prompts import parse_words, words_of
from rsviewer.ui.dialogs.dialog import Words
from rsviewer.ui.fields import Writing, focus_by_tab, quiet
from rsviewer.ui.filteredit import FilterEdit
from rsviewer.ui.section import Section
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.modelstate import ModelState, Stage

LINES = 8
"""Classes that are seen at once."""
USUAL = "How much is usual differs from model to model: sort the queue by it, and look at both ends."
FIND, LIKE, ALL, PREPARE = "queue.words", "queue.like", "queue.all", "model.prepare"
PREPARE_TIP = (
    "Runs the model on every tile in the background, once: only then they can be found.\n"
    "Stopped and asked again, it goes on."
)


class WordsView(QWidget):
    """The similarity of image and caption, and the classes in words, which the user edits.

    Signals:
        asked: other classes; carries a tuple of words, empty for those of the card.
        looked_for: the queue is to be the tiles like a text; carries it.
        command_wanted: one of COMMANDS is to be run; carries its id.
        done: the typing has ended; the panes want the focus.
    """

    asked = Signal(object)
    looked_for = Signal(str)
    command_wanted = Signal(str)
    done = Signal()

    COMMANDS = (FIND, LIKE, ALL, PREPARE)
    """Those that have a field or button here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self._own: tuple[str, ...] = ()
        self.similarity = Words()
        self.similarity.setToolTip(f"Cosine of the features of image and caption, -1 to 1.\n{USUAL}")
        self.edit = Writing("Classes, one a line", LINES)
        self.edit.setLineWrapMode(Writing.LineWrapMode.NoWrap)
        self.ask = QPushButton("Ask")
        self.ask.setToolTip("Asks for these classes\nKey: Ctrl+Enter")
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Takes the classes of the model's card")
        focus_by_tab(self.ask, self.reset)
        self.fault = Words()
        buttons = QHBoxLayout()
        buttons.setSpacing(UNIT)
        buttons.addWidget(self.ask, 1)
        buttons.addWidget(self.reset, 1)
        content = QWidget()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(UNIT)
        inside.addWidget(self.edit)
        inside.addLayout(buttons)
        inside.addWidget(self.fault)
        self.part = Section("Classes", content, "The classes that the model chooses from, in your words, one a line")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(UNIT)
        column.addWidget(self.similarity)
        column.addWidget(self.part)
        column.addWidget(self._search_part())
        self.edit.left.connect(self._typed)
        self.edit.finished.connect(self._finish)
        self.ask.clicked.connect(self._finish)
        self.reset.clicked.connect(self._take_own)

    def _search_part(self) -> Section:
        self.words = FilterEdit()
        self.words.setPlaceholderText("a river with a dam")
        self.words.setAccessibleName("Find tiles like a text")
        self.look, self.like, self.every, self.prepare = (
            QPushButton(word) for word in ("Find", "Like this tile", "All tiles", "Make all tiles ready")
        )
        self.set_keys({})
        focus_by_tab(self.look, self.like, self.every, self.prepare)
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(UNIT)
        self.nearness = Words()
        self.nearness.setToolTip("How near this tile is to what was looked for: cosine of the features, -1 to 1")
        grid.addWidget(self.words, 0, 0)
        grid.addWidget(self.look, 0, 1)
        grid.addWidget(self.like, 1, 0)
        grid.addWidget(self.every, 1, 1)
        grid.addWidget(self.nearness, 2, 0, 1, 2)
        grid.addWidget(self.prepare, 3, 0, 1, 2)
        self.words.returnPressed.connect(self._look)
        self.look.clicked.connect(self._look)
        self.words.left.connect(self.done)
        for button, command in ((self.like, LIKE), (self.every, ALL), (self.prepare, PREPARE)):
            button.clicked.connect(lambda _=False, command=command: self.command_wanted.emit(command))
        self.search_part = Section("Find tiles", content, "Tiles like a text, or like this tile")
        return self.search_part

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Says in tool tips which keys do the same: id of a command -> its key as it is written on the keyboard."""
        for field, command, tip in (
            (
                self.words,
                FIND,
                "What the tiles show, in a few words: the queue becomes the best 500, the nearest first",
            ),
            (self.like, LIKE, "The queue becomes the 500 tiles that are most like the current one"),
            (self.every, ALL, "The queue becomes all tiles again"),
            (self.prepare, PREPARE, PREPARE_TIP),
        ):
            field.setToolTip(f"{tip}\nKey: {keys[command]}" if keys.get(command) else tip)

    def edit_words(self) -> None:
        """Opens the part of the search, with the focus in its line."""
        self.search_part.set_open(on=True)
        self.words.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.words.selectAll()

    def _look(self) -> None:
        if self.words.text().strip():
            self.looked_for.emit(self.words.text())
            self.done.emit()

    def show_state(self, state: ModelState, nearness: str = "") -> None:
        """Shows what the model is asked, and how near the tile is to what was looked for. Nothing typed is lost."""
        self.nearness.say(nearness)
        self.setVisible(bool(state.words))
        card = None if state.model is None else state.model.card
        self._own = () if card is None else words_of(card)
        self.reset.setEnabled(state.words != self._own)
        self._show_similarity(state)
        if state.words != self._words:
            self._words = state.words
            with quiet(self.edit):
                self.edit.setPlainText("\n".join(state.words))
            self._say("")

    def _show_similarity(self, state: ModelState) -> None:
        judgement = state.judgement if state.stage is Stage.DONE else None
        prediction = None if judgement is None else judgement.prediction
        words = []
        if prediction is not None and prediction.similarity is not None:
            words.append(f"Similarity of caption and image: {prediction.similarity:.3f}. {USUAL}")
        if judgement is not None and judgement.label:
            place = None if judgement.words is None else judgement.words.place
            words.append(f"Label: {judgement.label}{_place_of(place)}")
        self.similarity.say("\n".join(words))

    def _typed(self) -> None:
        """Asks for what is written, if that can be asked for."""
        try:
            words = parse_words(self.edit.toPlainText())
        except ModelError as error:
            self._say(str(error))
            return
        self._say("")
        if words != self._words:
            self.asked.emit(() if words == self._own else words)

    def _finish(self) -> None:
        self._typed()
        if self.fault.isHidden():
            self.done.emit()

    def _take_own(self) -> None:
        self._say("")
        self.asked.emit(())
        self.done.emit()

    def _say(self, fault: str) -> None:
        self.fault.say(fault, "warn" if fault else "")


def _place_of(place: int | None) -> str:
    """Where the label is among the classes, in words."""
    if place is None:
        return ", which is none of the classes"
    return ", the likeliest class" if place == 0 else f", number {place + 1} of the classes by probability"
