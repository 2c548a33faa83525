"""What a model that reads is asked, and how well it finds that the caption fits: a part of the model panel."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from rsviewer.core.errors import ModelError
from rsviewer.core.prompts import parse_words, words_of
from rsviewer.ui.dialogs.dialog import Words
from rsviewer.ui.fields import Writing, focus_by_tab, quiet
from rsviewer.ui.section import Section
from rsviewer.ui.theme import UNIT
from rsviewer.workspace.modelstate import ModelState, Stage

LINES = 8
"""Classes that are seen at once."""
USUAL = "Captions that fit mostly have 0.2 to 0.35 with CLIP: compare it with other tiles of the dataset."


class WordsView(QWidget):
    """The similarity of image and caption, and the classes in words, which the user edits.

    Signals:
        asked: other classes; carries a tuple of words, empty for those of the card.
        looked_for: the queue is to be the tiles like a text; carries it.
        like_this: the queue is to be the tiles like the current one.
        all_wanted: the queue is to be what it was.
        prepare_wanted: all tiles are to be made ready to be found.
        done: the typing has ended; the panes want the focus.
    """

    asked = Signal(object)
    looked_for = Signal(str)
    like_this = Signal()
    all_wanted = Signal()
    prepare_wanted = Signal()
    done = Signal()

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
        self.words = QLineEdit()
        self.words.setPlaceholderText("a river with a dam")
        self.words.setAccessibleName("Find tiles like a text")
        self.words.setToolTip("What the tiles show, in a few words: the queue becomes the best 500, the nearest first")
        self.look, self.like, self.every, self.prepare = (
            QPushButton(word) for word in ("Find", "Like this tile", "All tiles", "Make all tiles ready")
        )
        self.like.setToolTip("The queue becomes the 500 tiles that are most like the current one")
        self.every.setToolTip("The queue becomes all tiles again")
        self.prepare.setToolTip(
            "Runs the model on every tile in the background, once: only then they can be found.\n"
            "Stopped and asked again, it goes on."
        )
        focus_by_tab(self.look, self.like, self.every, self.prepare)
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(UNIT)
        grid.addWidget(self.words, 0, 0)
        grid.addWidget(self.look, 0, 1)
        grid.addWidget(self.like, 1, 0)
        grid.addWidget(self.every, 1, 1)
        grid.addWidget(self.prepare, 2, 0, 1, 2)
        self.words.returnPressed.connect(self._look)
        self.look.clicked.connect(self._look)
        self.like.clicked.connect(self.like_this)
        self.every.clicked.connect(self.all_wanted)
        self.prepare.clicked.connect(self.prepare_wanted)
        self.search_part = Section("Find tiles", content, "Tiles like a text, or like this tile")
        return self.search_part

    def _look(self) -> None:
        if self.words.text().strip():
            self.looked_for.emit(self.words.text())
            self.done.emit()

    def show_state(self, state: ModelState) -> None:
        """Shows what the model is asked. Nothing that is being typed is lost."""
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
            words.append(f"Caption and image: {prediction.similarity:.3f} alike. {USUAL}")
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
