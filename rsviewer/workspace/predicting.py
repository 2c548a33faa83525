"""The model at work on the tile that is looked at: which one, how, what it said, and how good that is."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.captions import caption_layer, label_layer, reads_captions
from rsviewer.core.errors import ModelError, RsviewerError
from rsviewer.core.expense import SIDE, expected_seconds
from rsviewer.core.fitting import input_layers, inputs_of_tile
from rsviewer.core.judging import Judgement
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import Prediction
from rsviewer.core.prompts import with_words, words_of
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.dates import images_over_time
from rsviewer.data.embeddings import EmbeddingStore
from rsviewer.data.index import TileIndex
from rsviewer.data.models import Presence, Shelf, ShelvedModel
from rsviewer.inference.engine import Predictor, PredictorFactory, Reader
from rsviewer.inference.processor import thread_count
from rsviewer.workspace.answering import Answering, Ask
from rsviewer.workspace.background import Jobs, Post, Wanted
from rsviewer.workspace.modelstate import WORDS, ModelState, Stage, Steps
from rsviewer.workspace.news import Changed
from rsviewer.workspace.outcomes import Added, OutcomeKey, Outcomes
from rsviewer.workspace.pictures import Pictures
from rsviewer.workspace.plans import Plan, input_choices, plan_for, reference_choices
from rsviewer.workspace.session import SessionKeeper
from rsviewer.workspace.wishes import Wishes

log = logging.getLogger(__name__)

LOOKING: Final = "Looking for models"
CHECKING: Final = "Checking the model"
ASKED_AT_MOST: Final = 4096
"""So many tiles are remembered as asked for with I: they are predicted again when their answer is forgotten."""


class Predicting:
    """Runs the chosen model on the tiles that are looked at. Lives on the owner's thread; the work is done on one of its own.

    Every change is announced as Changed.PREDICTION; where the panes have other layers or pictures by it, `layers_changed` and
    `arrived` are called as well.

    Args:
        dataset, index: whose tiles, and where their scores are kept.
        shelf: the models of this machine.
        engines: makes who predicts.
        keeper: holds what was chosen.
        outcomes: takes the answers.
        pictures, wishes: give the layers as they are read for the panes.
        jobs: where models are looked for and checked.
        folder: where predictions are kept.
        read_only: nothing may be written there.
        shown: the tiles on the screen, the current one first.
        ahead: the tiles that will be looked at next.
        moment_of: which image of a tile is shown, see `Moments.of`.
        post: calls back on the owner's thread.
        layers_changed: the model adds other layers now.
        arrived: an answer is there for a tile.
        notify: tells what changed.
        say: puts a sentence into the status bar.
        threads: 1, or 0 for tests, which call `step()`.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: TileIndex,
        shelf: Shelf,
        engines: PredictorFactory,
        keeper: SessionKeeper,
        outcomes: Outcomes,
        pictures: Pictures,
        wishes: Wishes,
        jobs: Jobs,
        folder: Path,
        *,
        read_only: bool,
        shown: Callable[[], Sequence[TileEntry]],
        ahead: Callable[[], Sequence[TileEntry]],
        moment_of: Callable[[TileId], str] = lambda _: "",
        post: Post,
        layers_changed: Callable[[], None],
        arrived: Callable[[TileId], None],
        notify: Callable[[Changed], None],
        say: Callable[[str], None],
        threads: int,
    ) -> None:
        self._dataset = dataset
        self._pictures = pictures
        self._shelf = shelf
        self._keeper = keeper
        self._outcomes = outcomes
        self._wishes = wishes
        self._jobs = jobs
        self._folder = folder
        self._read_only = read_only
        self._shown = shown
        self._ahead = ahead
        self._moment_of = moment_of
        self._post = post
        self._layers_changed = layers_changed
        self._tile_arrived = arrived
        self._notify = notify
        self._say = say
        self._models: tuple[ShelvedModel, ...] = ()
        self._known = False
        self._model: ShelvedModel | None = None
        self._sha256 = ""
        self._plan: Plan | None = None
        self._message = ""
        self._needs_consent = False
        self._live = False
        self._predict_when_ready = False
        self._asked: dict[OutcomeKey, None] = {}
        self._stages: dict[OutcomeKey, Stage] = {}
        self._steps: tuple[OutcomeKey, Steps, float] | None = None
        """The tile that is worked on, and when it was begun."""
        self._seconds: float | None = None
        self._size = SIDE, SIDE
        self._pace: float | None = None
        """Of the chosen model on this processor: what a tile took of the time that was expected."""
        self._generation = 0
        self._stated: Sequence[Ask] = ()
        self._answering = Answering(engines, pictures, index, self._tell, self._tell_steps, self._is_stated)
        self._wanted: Wanted[Ask, Judgement | None] = Wanted(
            "model", self._answering.answer, self._has, self._deliver, threads
        )

    # --- what is so

    @property
    def state(self) -> ModelState:
        """Everything that is to be shown. Cheap."""
        plan, tile = self._plan, self._tile
        stage = Stage.NONE if tile is None else self.stage(tile)
        judgement = None if tile is None or stage not in (Stage.DONE, Stage.FAILED) else self._outcomes.judgement(tile)
        failed = "" if judgement is None else judgement.why
        choice = self._keeper.now.model
        chosen = None if self._model is None else self._model.card
        expected = self._expected(chosen, choice.options) if chosen is not None else 0.0
        return ModelState(
            self._models,
            self._model,
            choice.options,
            self._live,
            choice.kept,
            stage,
            self._message or failed,
            self._needs_consent,
            self._answering.device,
            self._seconds,
            self._outcomes.added.layers,
            () if plan is None else input_choices(self._dataset, plan),
            {} if plan is None else reference_choices(self._dataset, plan),
            judgement,
            self._wanted.open_wishes,
            None if tile is None or stage is not Stage.RUNNING else self._steps_of(tile),
            expected,
            ()
            if self._model is None or self._model.card is None
            else words_of(with_words(self._model.card, choice.words)),
            least_score=self._outcomes.least_score,
            expected_size=self._size,
            expected_threads=0 if self._pace is not None else thread_count(choice.options.threads),
        )

    def _expected(self, card: ModelCard, options: RunOptions) -> float:
        """Seconds that the current tile takes without a GPU; as the last answer tells, where there is one."""
        seconds = expected_seconds(card, options, threads=thread_count(options.threads))
        if not seconds:
            return 0.0
        shown = self._shown()
        if shown and self._plan is not None:
            content = self._pictures.content(self._wishes.wish(shown[0], self._plan.inputs[0]).content)
            if isinstance(content, Raster):
                self._size = content.height, content.width
        return expected_seconds(card, options, self._size, thread_count(options.threads)) * (self._pace or 1.0)

    @property
    def plan(self) -> Plan | None:
        """What is to be done with the chosen model; None where none is ready."""
        return self._plan

    @property
    def is_read_only(self) -> bool:
        """Whether nothing may be kept in the project."""
        return self._read_only

    @property
    def features(self) -> EmbeddingStore | None:
        """What the chosen model has made of the tiles; None where it cannot read, or is not ready."""
        return None if self._plan is None else self._answering.features_of(self._plan)

    def read(self, texts: tuple[str, ...]) -> NDArray[np.float32]:
        """What the chosen model makes of texts. From a job: it may have to be loaded. Raises ModelError."""
        plan = self._plan
        engine = None if plan is None else self._answering.engine_for(plan)
        if not isinstance(engine, Reader):
            raise ModelError("The chosen model cannot read: choose one that is asked in words.")
        return engine.read(texts)

    def work(self) -> tuple[Plan, Predictor, EmbeddingStore] | None:
        """What a job needs that predicts many tiles, with a process of its own; None where the model cannot read.

        None as well where nothing may be kept.
        """
        plan, store = self._plan, self.features
        return (
            None
            if plan is None or store is None or self._read_only
            else (plan, self._answering.another_engine(plan), store)
        )

    def stage(self, tile: TileId) -> Stage:
        """How far the model is with a tile."""
        judgement = self._outcomes.judgement(tile)
        if judgement is not None and judgement.why:
            return Stage.FAILED
        if judgement is not None and judgement.prediction is not None:
            return Stage.DONE
        key = OutcomeKey(tile, self._outcomes.added.origin, self._moment_of(tile))
        return self._stages.get(key) or (Stage.WAITING if self._is_asked(tile) else Stage.NONE)

    def words(self, tile: TileId) -> str:
        """What to say of a tile in the place of its prediction."""
        judgement = self._outcomes.judgement(tile)
        if judgement is not None and judgement.why:
            return judgement.why
        if judgement is not None and judgement.prediction is not None:
            return "\n".join(judgement.remarks)  # why there is nothing to compare
        return self._message or WORDS[self.stage(tile)]

    def told(self, tile: TileId, spec: LayerSpec) -> str:
        """What the model says of a layer that it has read: how well the caption of a tile fits its image."""
        judgement = self._outcomes.judgement(tile) if spec.kind is LayerKind.TEXT else None
        prediction = None if judgement is None else judgement.prediction
        if prediction is None or prediction.similarity is None or spec != caption_layer(self._dataset.layers):
            return ""
        return f"similarity to the image {prediction.similarity:.3f}"

    @property
    def summary(self) -> str:
        """For the status bar: where the model runs, how long the last tile took, how many wait."""
        state = self.state
        if state.model is None or state.model.card is None:
            return ""
        words = [f"{state.device} {state.model.card.title}".strip()]
        if state.stage in (Stage.LOADING, Stage.RUNNING):
            going = "predicting…" if state.steps is None else f"step {state.steps.done} of {state.steps.total}"
            words.append("loading…" if state.stage is Stage.LOADING else going)
        elif state.waiting:
            words.append(f"{state.waiting} waiting")
        elif state.seconds is not None:
            words.append(f"{state.seconds:.2f} s")
        if state.live:
            words.append("every tile")
        return "  ·  ".join(words)

    @property
    def is_live(self) -> bool:
        """Whether every tile is predicted."""
        return self._live

    @property
    def is_busy(self) -> bool:
        """Whether the current tile is being predicted or waits for it, or the model is being looked for."""
        tile = self._tile
        stage = Stage.NONE if tile is None else self.stage(tile)
        return self._predict_when_ready or stage in (Stage.WAITING, Stage.LOADING, Stage.RUNNING)

    # --- what the user wants

    def start(self) -> None:
        """Finds the models of this machine, and takes the one that was used here last."""
        self._outcomes.least_score = self._keeper.now.model.least_score
        self.refresh_models()

    def refresh_models(self) -> None:
        """Looks at the shelf again: models may have been added."""
        self._jobs.start(LOOKING, lambda _: self._shelf.models(), self._found)

    def predict(self) -> None:
        """I: runs the model on the current tile; again runs it anew where it has failed. Chooses a model where none is."""
        self._predict_when_ready = True
        if self._plan is not None:
            self._outcomes.forget_failures()
            self._restate_now()
        elif self._model is None:
            self._choose_any()
        elif self._message:
            self._predict_when_ready = False
            self._say(self._message)

    def toggle_live(self) -> None:
        """Shift+I: on every tile from now on, the next ones ahead while nothing else is to be done; or no longer."""
        self._live = not self._live
        self._say("The model runs on every tile." if self._live else "The model runs when you press I.")
        if self._live and self._plan is None:
            self.predict()
        self._restate_now()

    def stop(self) -> None:
        """No tile is to be predicted any more; one under way is broken off. The model stays loaded."""
        self._live = False
        self._predict_when_ready = False
        self._asked.clear()
        self._stages.clear()
        self._want(())
        self._answering.leave()
        self._notify(Changed.PREDICTION | Changed.PICTURE)  # the panes say no longer that it is being done

    def choose(self, model: str) -> None:
        """Takes another model, by id or card file; an empty text takes none, and its panes go."""
        self._forget_model()
        self._say("")  # what was said of the one before
        if not model:
            self._keep_choice(model="")
            self._change_layers()
            return
        try:
            shelved = next((known for known in self._models if known.id == model), None) or self._shelf.find(model)
        except ModelError as error:
            self._refuse(str(error))
            return
        if shelved not in self._models:
            self._models = (*self._models, shelved)
        if shelved.id == model:
            self._keep_choice(model=model)
        self._take(shelved)

    def set_options(self, options: RunOptions) -> None:
        """Runs it differently. The tile on the screen is predicted anew if it was predicted."""
        choice = self._keeper.now.model
        if options != choice.options:
            # What an output is compared with is no choice for another one.
            references = choice.references if options.output == choice.options.output else {}
            self._keep_choice(options=options, references=references)
            self._plan_again()

    def set_input(self, number: int, layer: LayerId) -> None:
        """Gives the model another layer for one of its inputs."""
        if self._plan is not None:
            inputs = [spec.id for spec in self._plan.inputs]
            inputs[number] = layer
            self._keep_choice(inputs=tuple(inputs))
            self._plan_again()

    def set_reference(self, output: LayerId, layer: LayerId | None) -> None:
        """Compares an output (`core.prediction.HEIGHT`, `LABELS`, `QUANTITY`) with another layer, or with none."""
        self._keep_choice(references={**self._keeper.now.model.references, output: layer or LayerId("")})
        self._plan_again()

    def set_words(self, words: tuple[str, ...]) -> None:
        """Asks a network that reads for other classes; for those of its card where there are none."""
        if words != self._keeper.now.model.words:
            self._keep_choice(words=words)
            self._plan_again()

    def set_least_score(self, score: float) -> None:
        """Shows objects that are so sure at least. Nothing is predicted again."""
        score = min(max(score, 0.0), 1.0)
        if score != self._keeper.now.model.least_score:
            self._keep_choice(least_score=score)
            self._outcomes.least_score = score
            for entry in self._shown():
                self._tile_arrived(entry.id)
            self._notify(Changed.PREDICTION | Changed.PICTURE)

    def set_kept(self, *, kept: bool) -> None:
        """Keeps predictions in the project from now on, or no longer."""
        if kept and self._read_only:
            self._say("This window is read-only: predictions cannot be kept in the project.")
            self._notify(Changed.PREDICTION)
            return
        self._keep_choice(kept=kept)
        self._plan_again()

    def allow(self) -> None:
        """The user's yes to running a file that can hold programs."""
        if self._model is None or not self._needs_consent:
            return
        try:
            self._shelf.allow(self._sha256)
        except RsviewerError as error:
            self._refuse(str(error))
            return
        self._take(self._model)

    # --- which model

    @property
    def _tile(self) -> TileId | None:
        shown = self._shown()
        return shown[0].id if shown else None

    def _found(self, models: tuple[ShelvedModel, ...]) -> None:
        first, self._known, self._models = not self._known, True, models
        wanted = self._keeper.now.model.model
        if self._model is not None and not any(known.id == self._model.id for known in models):
            self._models = (*models, self._model)
        if first and self._model is None and wanted:
            known = next((each for each in models if each.id == wanted), None)  # by id alone, see ModelChoice
            if known is not None:
                self._take(known)
        elif self._predict_when_ready and self._model is None:
            self._choose_any()
        elif self._model is not None:
            self._found_again(self._model, models)
        self._notify(Changed.PREDICTION)

    def _found_again(self, chosen: ShelvedModel, models: tuple[ShelvedModel, ...]) -> None:
        """The chosen model may be here now, or have been replaced: then it is another one, whatever it is called."""
        again = next((each for each in models if each.id == chosen.id), None)
        if again is None:
            return
        is_by_id = chosen.id == self._keeper.now.model.model
        if (self._plan is None and not self._needs_consent) or (is_by_id and again != chosen):
            self._take(again)
        elif self._plan is not None:
            self._check(chosen)

    def _choose_any(self) -> None:
        """The first model that is here and fits the dataset."""
        if not self._known:
            return  # it goes on when they are
        for shelved in self._models:
            if shelved.card is None or shelved.presence is not Presence.HERE or shelved.runs_code:
                continue
            with suppress(ModelError):
                input_layers(shelved.card, self._dataset.layers)
                self._keep_choice(model=shelved.id)
                self._take(shelved)
                return
        self._predict_when_ready = False
        self._refuse("There is no model here that fits this dataset. Add one in the model panel.")

    def _take(self, shelved: ShelvedModel) -> None:
        """Makes it the chosen model once its file is checked."""
        self._model, self._sha256, self._plan, self._message, self._needs_consent = shelved, "", None, "", False
        if shelved.card is None or shelved.presence is not Presence.HERE:
            self._refuse(shelved.message or f"The weights of {shelved.id} are not here.")
            return
        if self._outcomes.added.layers:  # their panes stay where they are, but what another model said goes at once
            self._outcomes.added = replace(self._outcomes.added, origin=f"{shelved.id}, being checked")
            self._layers_changed()
        self._notify(Changed.PREDICTION)
        self._check(shelved)

    def _check(self, shelved: ShelvedModel) -> None:
        """Reads the hash of its file, if it was not read before, and plans with it."""

        def checked(sha256: str) -> None:
            if self._model == shelved and sha256 != self._sha256:
                self._checked(shelved, sha256)

        def failed(why: str) -> None:
            if self._model == shelved:
                self._plan = None
                self._refuse(why)

        self._jobs.start(CHECKING, lambda _: self._shelf.sha256(shelved), checked, failed)

    def _checked(self, shelved: ShelvedModel, sha256: str) -> None:
        self._sha256 = sha256
        if self._shelf.needs_consent(shelved, sha256):
            self._needs_consent = True
            self._refuse(f"{shelved.id} is a file that can hold programs. Run it only if you trust who made it.")
            return
        self._plan_again()

    def _refuse(self, why: str) -> None:
        self._message = why
        self._predict_when_ready = False
        self._change_layers()
        self._say(why)

    def _forget_model(self) -> None:
        self._pace = None
        self._model, self._plan, self._message, self._needs_consent = None, None, "", False
        self._asked.clear()
        self._stages.clear()
        self._want(())
        self._answering.close()

    def _keep_choice(self, **changes: object) -> None:
        self._keeper.change(model=replace(self._keeper.now.model, **changes))  # type: ignore[arg-type]  # by the callers' names

    # --- how it is run

    def _plan_again(self) -> None:
        """Something that decides about the answers is another one."""
        shelved, before = self._model, self._plan
        if shelved is None or shelved.card is None or not self._sha256 or self._needs_consent:
            self._notify(Changed.PREDICTION)
            return
        was_shown = [
            entry.id for entry in self._shown() if before is not None and self._is_asked_before(entry.id, before)
        ]
        try:
            self._plan = plan_for(
                *(self._dataset, shelved, shelved.card, self._sha256, self._keeper.now.model),
                None if self._read_only else self._folder,
                self._folder,
            )
        except ModelError as error:
            self._plan = None
            self._refuse(str(error))
            return
        self._message = ""
        self._outcomes.forget_failures()
        for tile in was_shown:
            self._ask(tile)
        self._change_layers()

    def _is_asked_before(self, tile: TileId, plan: Plan) -> bool:
        judged = self._outcomes.judgement(tile, plan.origin)
        return OutcomeKey(tile, plan.origin, self._moment_of(tile)) in self._asked or (
            judged is not None and judged.prediction is not None
        )

    def _change_layers(self) -> None:
        added = Added() if self._plan is None else self._plan.added
        if added != self._outcomes.added:
            self._outcomes.added = added
            self._layers_changed()
        self._restate_now()

    # --- which tiles

    def _restate_now(self) -> None:
        self.restate(is_ready=True)
        tile = self._tile
        if tile is not None:
            self._tile_arrived(tile)
        self._notify(Changed.PREDICTION)

    def _ask(self, tile: TileId) -> None:
        if self._plan is not None:
            self._asked[OutcomeKey(tile, self._plan.origin, self._moment_of(tile))] = None
            while len(self._asked) > ASKED_AT_MOST:
                del self._asked[next(iter(self._asked))]

    def _is_asked(self, tile: TileId) -> bool:
        key = OutcomeKey(tile, self._outcomes.added.origin, self._moment_of(tile))
        return key in self._asked or (self._live and self._plan is not None)

    def restate(self, *, is_ready: bool) -> None:
        """States anew what is wanted: the tiles on the screen, and with Shift+I those that come next.

        Args:
            is_ready: what the panes want of the files is there; only then anything is predicted ahead.
        """
        plan, tile = self._plan, self._tile
        if plan is None:
            self._want(())
            return
        if self._predict_when_ready and tile is not None:
            self._ask(tile)
        self._predict_when_ready = False
        asks = []
        for entry in self._shown():
            is_asked = self._is_asked(entry.id)
            if is_asked or (plan.store is not None and not entry.moment):
                asks.append(self._ask_for(entry, plan, only_kept=not is_asked))
        if self._live and is_ready:
            asks += [self._ask_for(entry, plan, only_kept=False) for entry in self._ahead()]
        self._want(asks)
        at_work_on = self._answering.at_work_on
        if at_work_on is not None and self._is_stale(at_work_on):
            self._answering.leave(at_work_on)

    def _want(self, asks: Sequence[Ask]) -> None:
        self._stated = asks
        self._wanted.want(asks)

    def _is_stated(self, ask: Ask) -> bool:
        """Whether a tile is still wanted. From any thread."""
        return ask in self._stated

    def _is_stale(self, ask: Ask) -> bool:
        """Whether nobody wants this answer any more, for this tile or another one."""
        is_other = self._plan is not None and ask.plan.answers != self._plan.answers
        return is_other or ask.generation != self._generation

    def _holds_up(self, ask: Ask) -> bool:
        """Whether other tiles are wanted by now, and this one is not. It is predicted when somebody looks at it again."""
        waiting = [one for one in self._stated if not one.only_kept and not self._has(one)]
        return bool(waiting) and all((one.tile, one.moment) != (ask.tile, ask.moment) for one in waiting)

    def _ask_for(self, entry: TileEntry, plan: Plan, *, only_kept: bool) -> Ask:
        wish = self._wishes.wish
        taken = plan.inputs
        if plan.is_usual:  # what the user chose is taken as it is
            here = [spec for spec in self._dataset.layers if spec.id in entry.files]
            taken = inputs_of_tile(plan.card, plan.inputs, here, entry.missing)
        inputs = tuple(wish(entry, spec) for spec in taken)
        references = {output: wish(entry, spec) for output, spec in plan.references.items()}
        spec = caption_layer(self._dataset.layers) if reads_captions(plan.card) else None
        named = label_layer(plan.card, self._dataset.layers)
        caption, label = (
            None if one is None or one.id not in entry.files else wish(entry, one) for one in (spec, named)
        )
        asked = (entry.id, entry.moment, plan.origin, only_kept, self._generation)
        over_time = images_over_time(entry, [one.id for one in taken], plan.card.dates)
        dates = tuple(tuple(wish(date, one) for one in taken) for date in over_time) if len(over_time) > 1 else ()
        return Ask(*asked, plan, inputs, references, caption, label, dates=dates)

    def forget(self) -> None:
        """Predicts everything anew from now on: the files may be others. What is being predicted now comes too late."""
        self._generation += 1
        self._answering.forget()
        self._outcomes.forget()
        self.restate(is_ready=True)

    def step(self) -> bool:
        """Does one piece of work on the calling thread. Returns False where there was none."""
        return self._wanted.step()

    def close(self) -> None:
        """Ends the model's process and the worker."""
        self._want(())
        self._answering.close()
        self._wanted.close()
        self._answering.close()  # in the meantime another one may have been started

    # --- from the worker

    def _has(self, ask: Ask) -> bool:
        judgement = self._outcomes.judgement(ask.tile, ask.origin, ask.moment)
        return judgement is not None and (ask.only_kept or bool(judgement.why) or judgement.prediction is not None)

    def _tell(self, ask: Ask, stage: Stage) -> None:
        def told() -> None:
            self._stages[OutcomeKey(ask.tile, ask.origin, ask.moment)] = stage
            if ask.origin == self._outcomes.added.origin:
                is_shown = any(entry.id == ask.tile for entry in self._shown())
                self._notify(Changed.PREDICTION | Changed.PICTURE if is_shown else Changed.PREDICTION)

        self._post(told)

    def _tell_steps(self, ask: Ask, done: int, total: int) -> None:
        now = time.monotonic()

        def told() -> None:
            if self._plan is None or self._is_stale(ask) or self._holds_up(ask):
                self._answering.leave(ask)  # it would go on for minutes
                return
            key = OutcomeKey(ask.tile, ask.origin, ask.moment)
            before = self._steps
            begun = now if before is None or before[0] != key or not done else before[2]
            left = (now - begun) / done * (total - done) if done else None
            self._steps = key, Steps(done, total, left), begun
            is_loaded, self._stages[key] = self._stages.get(key) is Stage.RUNNING, Stage.RUNNING
            if ask.origin == self._outcomes.added.origin:
                self._notify(Changed.PREDICTION if is_loaded else Changed.PREDICTION | Changed.PICTURE)

        self._post(told)

    def _steps_of(self, tile: TileId) -> Steps | None:
        key = OutcomeKey(tile, self._outcomes.added.origin, self._moment_of(tile))
        return self._steps[1] if self._steps is not None and self._steps[0] == key else None

    def _deliver(self, ask: Ask, judgement: Judgement | None) -> None:
        if judgement is not None and ask.generation == self._generation:
            self._outcomes.file(ask.origin, judgement, ask.moment)
        self._post(lambda: self._arrived(ask, judgement))

    def _measure(self, ask: Ask, prediction: Prediction) -> None:
        """Compares the time of an answer with the one that was expected, where it was made on a processor."""
        raster = next(iter(prediction.rasters.values()), None)
        if self._model is None or ask.plan.card.id != self._model.id or raster is None:
            return
        size, threads = (raster.height, raster.width), thread_count(ask.plan.options.threads)
        expected = expected_seconds(ask.plan.card, ask.plan.options, size, threads)
        if expected and prediction.seconds and prediction.device.startswith("cpu"):
            self._pace = prediction.seconds / expected

    def _arrived(self, ask: Ask, judgement: Judgement | None) -> None:
        """The answer is filed under its own tile already; `arrived` tells only who looks at that very tile."""
        self._stages.pop(OutcomeKey(ask.tile, ask.origin, ask.moment), None)
        self._steps = None
        if judgement is not None and judgement.prediction is not None:
            self._seconds = judgement.prediction.seconds
            self._measure(ask, judgement.prediction)
        if ask.origin != self._outcomes.added.origin:
            return
        self._tile_arrived(ask.tile)
        self._notify(Changed.PREDICTION)
