"""The model at work on the current tile: which one, what it is doing, and how good it is there."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QBrush, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.expense import cost, spoken
from rsviewer.core.model import OutputKind
from rsviewer.core.tile import TileId
from rsviewer.data.models import Presence, ShelvedModel
from rsviewer.ui.dialogs.aboutmodel import AboutModelDialog, model_title
from rsviewer.ui.dialogs.dialog import Words
from rsviewer.ui.fields import Elided, Scrolled, Slider, beside, focus_by_tab, quiet, tool_button
from rsviewer.ui.panels.modeloptions import ModelOptions, WideChoice
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.panels.scores import UNDER_WAY, ScoresView
from rsviewer.ui.panels.words import WordsView
from rsviewer.ui.section import Section
from rsviewer.ui.theme import UNIT, Theme
from rsviewer.workspace.commands import bindings
from rsviewer.workspace.modelstate import ModelState, Stage, Steps
from rsviewer.workspace.news import Changed
from rsviewer.workspace.predicting import Predicting

PREDICT, LIVE, STOP = "model.predict", "model.live", "model.stop"
NO_MODEL = "No model"
NO_DATASET = "No dataset is open."
TIP_WIDTH = 64
"""Characters in a line of a tool tip."""
TIP_LINES = 8
"""That one of its paragraphs has at most: a card may be long."""
ABSENT: Mapping[Presence, str] = {
    Presence.MISSING: "weights missing",
    Presence.CHANGED: "weights changed",
    Presence.BROKEN: "card broken",
}
PROGRAMS: Mapping[str, str] = {"torchscript": "a TorchScript file", "exported": "a file of torch.export"}
CONSENT = (
    "{0} is {1}. It holds a program, not only numbers: when it runs, it can do whatever you can do on this computer, to your "
    "files too. Run it only if you trust where it comes from."
)


class ModelPanel(Panel):
    """Chooses a model, runs it, and says what came of it on the current tile. Shows `workspace.predicting`.

    Args:
        options: how a run is to be; made anew where none is given.

    Signals:
        asked: a button was clicked that does what a key does; carries the id of the command.
        asked_add: a model is to be put on the shelf.
        done: the typing into a field has ended; the panes want the focus.
    """

    watches = Changed.TILE | Changed.PREDICTION | Changed.PICTURE  # which tells the size of a tile
    asked = Signal(str)
    asked_add = Signal()
    done = Signal()

    def __init__(self, options: ModelOptions | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: Mapping[str, tuple[str, ...]] = bindings()
        self._shown: tuple[ModelState | None, TileId | None, str, Theme] | None = None
        self._listed: tuple[tuple[ShelvedModel, ...], Theme] | None = None
        self.chooser = WideChoice()
        self.chooser.setAccessibleName("Model")
        self.output = WideChoice("What the model predicts: another one on the same tile takes little time")
        self.output.setAccessibleName("Output")
        self.score = Slider()
        self.score.setAccessibleName("Least score")
        self.score.setToolTip("Objects of which the model is less sure are not shown")
        self.score_words = QLabel()
        self.score_words.setProperty("dim", True)
        self.score_row = beside(self.score_words, self.score)
        self.more = tool_button("…", "Add weights, look again, about this model")
        menu = QMenu(self.more)
        self.add = menu.addAction("Add weights…", self.asked_add.emit)
        self.again = menu.addAction("Look again", self._look_again)
        menu.addSeparator()
        self.about = menu.addAction("About this model", self._show_about)
        self.predict = _Button("Predict")
        self.live = _Button("Every tile")
        self.live.setCheckable(True)
        self.stop = tool_button("■", "Stop predicting")
        self.stage = Words()
        self.stage.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)  # a click there takes no focus
        self.waiting = Elided()
        self.waiting.setProperty("dim", True)
        self.message = Words()
        self.consent = _Consent()
        self.patience = _Patience()
        self.scores = ScoresView()
        self.words = WordsView()
        self.options = ModelOptions() if options is None else options
        self.options_part = Section("Options", self.options, "Layers, framing, device")
        self._build(menu)
        self.set_keys(self._keys)

    def _build(self, menu: QMenu) -> None:
        self.more.setMenu(menu)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setStyleSheet("QToolButton { padding: 0 } QToolButton::menu-indicator { image: none }")
        head = QHBoxLayout()
        head.setSpacing(UNIT)
        head.addWidget(self.chooser, 1)
        head.addWidget(self.more)
        buttons = QGridLayout()
        buttons.setSpacing(UNIT)
        for place, button in enumerate((self.predict, self.live)):
            buttons.addWidget(button, 0, place)
            buttons.setColumnStretch(place, 1)
        said = QVBoxLayout()
        said.setSpacing(UNIT)
        said.addWidget(self.stage)
        said.addWidget(self.waiting)
        progress = QHBoxLayout()
        progress.setSpacing(UNIT)
        progress.addLayout(said, 1)
        progress.addWidget(self.stop)
        words = QVBoxLayout()
        words.setSpacing(UNIT)
        words.addLayout(progress)
        words.addWidget(self.message)
        self._scrolled = Scrolled()
        column = self._scrolled.column
        column.addLayout(head)
        column.addWidget(self.output)
        column.addWidget(self.score_row)
        column.addLayout(buttons)
        column.addLayout(words)
        for below in (self.consent, self.patience, self.scores, self.words, self.options_part):
            column.addWidget(below)
        column.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(self._scrolled)
        self.setFocusProxy(self.chooser)
        self.chooser.activated.connect(
            lambda _: self._does(lambda predicting: predicting.choose(str(self.chooser.currentData())))
        )
        self.output.activated.connect(
            lambda _: self._does(
                lambda predicting: predicting.set_options(
                    replace(predicting.state.options, output=str(self.output.currentData()))
                )
            )
        )
        self.score.valueChanged.connect(
            lambda value: self._does(lambda predicting: predicting.set_least_score(value / 100))
        )
        self.predict.clicked.connect(lambda: self._asks(PREDICT))
        self.live.clicked.connect(lambda: self._asks(LIVE))
        self.stop.clicked.connect(lambda: self._asks(STOP))
        self.consent.run.clicked.connect(lambda: self._does(lambda predicting: predicting.allow()))
        self.patience.run.clicked.connect(self._run_slowly)
        self.words.done.connect(self.done)
        self.words.looked_for.connect(self._find)
        self.words.command_wanted.connect(self._asks)
        self.words.asked.connect(lambda words: self._does(lambda predicting: predicting.set_words(words)))
        options = self.options
        options.done.connect(self.done)
        options.run_differently.connect(lambda new: self._does(lambda predicting: predicting.set_options(new)))
        options.input_chosen.connect(
            lambda place, layer: self._does(lambda predicting: predicting.set_input(place, layer))
        )
        options.reference_chosen.connect(
            lambda output, layer: self._does(lambda predicting: predicting.set_reference(output, layer))
        )
        options.kept_chosen.connect(lambda on: self._does(lambda predicting: predicting.set_kept(kept=on)))

    def sizeHint(self) -> QSize:
        """As wide as the docks at the right."""
        return QSize(300, 420)

    # --- from the window

    def set_keys(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Shows the keys as they are bound now."""
        self._keys = keys
        self.predict.set_key(self._key(PREDICT), "Runs the model on this tile")
        self.live.set_key(self._key(LIVE), "Runs the model on every tile that is looked at, and on the next ones ahead")
        self.words.set_keys({command: self._key(command) for command in WordsView.COMMANDS})
        self._shown = None
        self.show_state()

    def edit_words(self) -> None:
        """Puts the focus into the line for words that tiles are like."""
        self.words.edit_words()
        self._scrolled.ensureWidgetVisible(self.words.search_part)

    def _key(self, command: str) -> str:
        keys = self._keys.get(command, ())
        return QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if keys else ""

    # --- showing

    def show_state(self) -> None:
        """Shows what the model says of the current tile, where that is not what is shown already."""
        workspace = self.workspace
        state = None if workspace is None else workspace.predicting.state
        tile = None if workspace is None else workspace.tile
        nearness = "" if workspace is None or tile is None else workspace.likeness.words(tile)
        if (state, tile, nearness, self.theme) == self._shown:
            return
        self._shown = (state, tile, nearness, self.theme)
        self.setEnabled(state is not None)
        state = ModelState() if state is None else state
        judgement = state.judgement
        if judgement is not None and judgement.tile != tile:
            state = _without_answer(state)
        self._show_models(state)
        self._show_outputs(state)
        self.predict.setEnabled(tile is not None and bool(state.models or state.model))
        self.live.setEnabled(self.predict.isEnabled() or state.live)
        self.live.setChecked(state.live)
        self.stop.setVisible(state.model is not None)
        self.stop.setEnabled(state.stage in UNDER_WAY or state.waiting > 0)
        self._show_words(state)
        self.consent.setVisible(state.needs_consent)
        if state.needs_consent and state.model is not None:
            self.consent.show_model(state.model)
        is_slow = state.expected > 0 and not on_gpu(state, self.options.devices)
        self.patience.setVisible(is_slow and not state.needs_consent)
        self.patience.show_state(state)
        self.scores.show_state(state, self.theme)
        self.words.show_state(state, nearness)
        self.options_part.setVisible(state.model is not None and state.model.card is not None)
        self.options.show_state(state)

    def _show_models(self, state: ModelState) -> None:
        models = state.models
        if state.model is not None and all(one.id != state.model.id for one in models):
            models = (*models, state.model)  # by the path of its card
        self.chooser.fill(
            [(NO_MODEL, "", ""), *((_model_words(one), one.id, model_tip(one)) for one in models)],
            "" if state.model is None else state.model.id,
        )
        if (models, self.theme) != self._listed:
            self._listed = (models, self.theme)
            for place, one in enumerate(models, 1):
                color = self.theme.text if one.presence is Presence.HERE else self.theme.dim
                self.chooser.setItemData(place, QBrush(color), Qt.ItemDataRole.ForegroundRole)
        self.about.setEnabled(state.model is not None)

    def _show_outputs(self, state: ModelState) -> None:
        """What to choose from, of a model that predicts one thing at a time."""
        whole = None if state.model is None else state.model.card
        outputs = whole.outputs if whole is not None and whole.exclusive else ()
        chosen = state.card.outputs[0].name if outputs and state.card is not None else None
        self.output.fill([(one.title or one.name, one.name, "") for one in outputs], chosen)
        self.output.setVisible(len(outputs) > 1)
        finds_objects = state.card is not None and state.card.output(OutputKind.BOXES) is not None
        self.score_row.setVisible(finds_objects)
        self.score_words.setText(f"score from {state.least_score:.2f}")
        with quiet(self.score):
            self.score.setValue(round(100 * state.least_score))

    def _show_words(self, state: ModelState) -> None:
        if self.workspace is None:
            self.stage.say(NO_DATASET)
            self.message.say("")
            self.waiting.hide()
            return
        failed = state.stage is Stage.FAILED
        self.stage.say(stage_words(state, self._key(PREDICT)), "warn" if failed else "")
        self.stage.setToolTip(_timing(state))
        self.message.say("" if state.needs_consent and not failed else message_words(state), "warn")
        self.waiting.setVisible(state.live)
        self.waiting.setText(waiting_words(state))

    # --- what the user asks for

    def _asks(self, command: str) -> None:
        self.asked.emit(command)
        self._show_again()

    def _does(self, wish: Callable[[Predicting], None]) -> None:
        if self.workspace is not None:
            wish(self.workspace.predicting)
        self._show_again()

    def _find(self, text: str) -> None:
        if self.workspace is not None:
            self.workspace.likeness.like_words(text)

    def _show_again(self) -> None:
        """The workspace may have refused: the fields show what is so, not what was clicked."""
        self._shown = None
        self.show_state()

    def _run_slowly(self) -> None:
        self._does(_run_slowly)
        self._asks(PREDICT)

    def _look_again(self) -> None:
        self._does(lambda predicting: predicting.refresh_models())

    def _show_about(self) -> None:
        model = None if self.workspace is None else self.workspace.predicting.state.model
        if model is not None:
            AboutModelDialog(model, self.window()).show()


class _Button(QPushButton):
    """A word above, its key below."""

    def __init__(self, word: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._word = word
        self._key = ""
        self.setFixedHeight(12 * UNIT)
        self.setStyleSheet("padding: 4px")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        focus_by_tab(self)

    def set_key(self, key: str, tip: str) -> None:
        """Shows the key that does the same."""
        self._key = key
        self._write()
        self.setAccessibleName(self._word)
        self.setToolTip(f"{tip}\nKey: {key}" if key else tip)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Long keys are cut."""
        super().resizeEvent(event)
        self._write()

    def _write(self) -> None:
        key = self.fontMetrics().elidedText(self._key, Qt.TextElideMode.ElideRight, self.width() - 3 * UNIT)
        self.setText(f"{self._word}\n{key}" if key else self._word)


class _Consent(QFrame):
    """Asks whether a file that can hold programs may run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QLabel(wordWrap=True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.run = QPushButton("Run this file")
        focus_by_tab(self.run)
        title = QLabel("This file can run programs")
        title.setWordWrap(True)
        title.setProperty("heading", True)
        title.setProperty("tone", "warn")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, UNIT, 0, UNIT)
        column.setSpacing(2 * UNIT)
        for part in (title, self.words, self.run):
            column.addWidget(part)

    def show_model(self, model: ShelvedModel) -> None:
        """Names the file."""
        family = "" if model.card is None else model.card.family
        self.words.setText(CONSENT.format(model.weights.name, PROGRAMS.get(family, "a file that can hold programs")))
        sha256 = "" if model.card is None else model.card.weights.sha256
        hashed = f"\nSHA-256: {sha256}" if sha256 else ""
        self.run.setToolTip(f"Asked once for this very file\n{model.weights}{hashed}")


class _Patience(QFrame):
    """Says how long a model takes without a GPU, and asks whether it may."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = Words()
        self.run = QPushButton("Run on the processor")
        self.run.setToolTip("Asked once in this project. Each step can be the last: Stop breaks it off.")
        focus_by_tab(self.run)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, UNIT, 0, UNIT)
        column.setSpacing(2 * UNIT)
        column.addWidget(self.words)
        column.addWidget(self.run)

    def show_state(self, state: ModelState) -> None:
        """Says what it takes with the options of now, unless that is said already of the tile that waits for a yes."""
        said = cost(state.expected, state.expected_size, state.expected_threads)
        words = f"Made for a GPU. Without one {said}{'' if state.expected_threads else ', as the last one did'}."
        self.words.say("" if said in message_words(state) else words, "" if state.options.slow else "warn")
        self.run.setVisible(not state.options.slow)


def _run_slowly(predicting: Predicting) -> None:
    """The user's yes to minutes for a tile."""
    predicting.set_options(replace(predicting.state.options, slow=True))


def on_gpu(state: ModelState, devices: Sequence[str]) -> bool:
    """Whether a model runs on a GPU or, before it is loaded, is likely to.

    Args:
        state: where it runs, and where the user wants it to.
        devices: that this machine is likely to have, see `modeloptions.likely_devices`.
    """
    if state.device:
        return not state.device.startswith("cpu")
    return state.options.device != "cpu" and any(name not in ("auto", "cpu") for name in devices)


def stage_words(state: ModelState, key: str) -> str:
    """How far the model is with the current tile."""
    if state.model is None and state.stage is not Stage.FAILED:
        return _without_model(state, key)
    match state.stage:
        case Stage.WAITING:
            return f"Waiting: {tiles(state.waiting)}" if state.waiting > 1 else "Waiting…"
        case Stage.LOADING:
            return "Loading the model…"
        case Stage.RUNNING if state.steps is not None:
            return step_words(state.steps)
        case Stage.RUNNING:
            return f"Predicting on {state.device}…" if state.device else "Predicting…"
        case Stage.DONE:
            return _done_words(state)
        case Stage.FAILED:
            return "No prediction"
        case Stage.NONE:
            pass
    if state.needs_consent or (state.model is not None and state.model.presence is not Presence.HERE):
        return "No prediction yet"
    return f"Press {key} to predict this tile" if key else "Press “Predict” for this tile"


def step_words(steps: Steps) -> str:
    """How far a model is that takes many steps for a tile."""
    left = "" if steps.left is None or steps.left < 1 else f", about {spoken(steps.left)} left"
    return f"Step {min(steps.done + 1, steps.total)} of {steps.total}{left}"


def message_words(state: ModelState) -> str:
    """What went wrong or is to be done: of the tile, else of the model."""
    if state.message:
        return state.message
    if state.stage is Stage.FAILED and state.judgement is not None and state.judgement.why:
        return state.judgement.why
    return "" if state.model is None else state.model.message


def waiting_words(state: ModelState) -> str:
    """How much is still to be done while every tile is predicted."""
    return f"{tiles(state.waiting)} to predict" if state.waiting else "up to date"


def tiles(count: int) -> str:
    """A number of tiles."""
    return f"{count:,} tile" if count == 1 else f"{count:,} tiles"


def model_tip(model: ShelvedModel) -> str:
    """What one wants to know before one chooses a model."""
    card = model.card
    lines = [model.message]
    if card is not None:
        lines = [card.description, f"Licence: {card.licence}" if card.licence else "", card.source, *lines]
    return "\n".join(
        part for line in lines for part in textwrap.wrap(line, TIP_WIDTH, max_lines=TIP_LINES, placeholder=" …")
    )


def _model_words(model: ShelvedModel) -> str:
    absent = ABSENT.get(model.presence)
    return f"{model_title(model)} · {absent}" if absent else model_title(model)


def _without_model(state: ModelState, key: str) -> str:
    here = next((one for one in state.models if one.presence is Presence.HERE), None)
    if here is None:
        return "Choose a model, or add one with “…”" if state.models else "There is no model: add one with “…”"
    where = "built in" if here.builtin else "here"
    return f"Choose a model, or press {key or '“Predict”'}: {model_title(here)} is {where}"


def _done_words(state: ModelState) -> str:
    prediction = None if state.judgement is None else state.judgement.prediction
    seconds = state.seconds if prediction is None else prediction.seconds
    device = state.device if prediction is None else prediction.device
    took = f" in {_seconds(seconds)}" if seconds else ""
    return f"Predicted{took}{f' on {device}' if device else ''}"


def _timing(state: ModelState) -> str:
    prediction = None if state.judgement is None else state.judgement.prediction
    if state.stage is not Stage.DONE or prediction is None or not prediction.forward_seconds:
        return ""
    return f"{_seconds(prediction.forward_seconds)} of it in the network"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.1f} s"


def _without_answer(state: ModelState) -> ModelState:
    """The answer is another tile's: the panel lags a moment behind the panes."""
    return replace(state, stage=Stage.WAITING if state.live else Stage.NONE, message="", judgement=None)
