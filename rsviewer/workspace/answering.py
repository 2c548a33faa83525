"""From a tile that is asked for to what became of it: kept before, or read, predicted and kept, then compared."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from rsviewer.core.captions import caption_of
from rsviewer.core.errors import ModelError, RsviewerError, SaveError, StoppedError
from rsviewer.core.fitting import Fitted, fit, fitted_from, in_time
from rsviewer.core.judging import Judgement, judge
from rsviewer.core.linemetrics import line_numbers
from rsviewer.core.metrics import numbers
from rsviewer.core.model import RunOptions, score_name
from rsviewer.core.objectmetrics import object_numbers
from rsviewer.core.prediction import Prediction
from rsviewer.core.prompts import without_words
from rsviewer.core.scenemetrics import scene_numbers
from rsviewer.core.tile import LayerId, Raster, Text, TileId
from rsviewer.core.wordmetrics import word_numbers, word_scores
from rsviewer.data.aligning import align
from rsviewer.data.content import state_of
from rsviewer.data.embeddings import EmbeddingStore
from rsviewer.data.index import TileIndex
from rsviewer.inference.engine import STOPPED, Predictor, PredictorFactory, Steerable, Telling
from rsviewer.workspace.cache import Cache
from rsviewer.workspace.modelstate import Stage
from rsviewer.workspace.pictures import Pictures, Wish, our_fault
from rsviewer.workspace.plans import Plan

log = logging.getLogger(__name__)

PREDICTIONS_BYTES: Final = 128 * 1024 * 1024
"""For predictions that may have to be compared with something else."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One tile to be predicted.

    Attributes:
        tile, moment, origin: which image of which tile, and in which way. Only of the tile's best image, whose moment is empty,
            predictions and scores are kept.
        only_kept: looks whether there is a prediction in the project, and makes none.
        generation: how often everything was forgotten before.
        plan, inputs, references, caption, label: for the work; decided by the others already.
        dates: the inputs of each image of the tile that is taken with it, ascending in time; empty where it is taken alone.
    """

    tile: TileId
    moment: str
    origin: str
    only_kept: bool
    generation: int
    plan: Plan = field(compare=False)
    inputs: tuple[Wish, ...] = field(compare=False)
    references: Mapping[LayerId, Wish] = field(compare=False)
    caption: Wish | None = field(compare=False, default=None)
    label: Wish | None = field(compare=False, default=None)
    dates: tuple[tuple[Wish, ...], ...] = field(default=(), compare=False)


class Answering:
    """Predicts and compares, one tile at a time, on the worker. Holds the model while it is used.

    Args:
        engines: makes who predicts.
        pictures: gives the layers as they are read for the panes.
        index: keeps the scores.
        tell: called on the worker when a tile comes to another stage.
        tell_steps: likewise with the steps that are done and how many there are, where the model takes many for a tile.
        is_wanted: asked on the worker before a tile is begun: whoever wants no more of it says so here before `leave`.
    """

    def __init__(
        self,
        engines: PredictorFactory,
        pictures: Pictures,
        index: TileIndex,
        tell: Callable[[Ask, Stage], None],
        tell_steps: Callable[[Ask, int, int], None] = lambda *_: None,
        is_wanted: Callable[[Ask], bool] = lambda _: True,
    ) -> None:
        self._engines = engines
        self._pictures = pictures
        self._index = index
        self._tell = tell
        self._tell_steps = tell_steps
        self._is_wanted = is_wanted
        self._predictions: Cache[tuple[TileId, str, str, int], Prediction] = Cache(PREDICTIONS_BYTES)
        self._is_stopping = False
        self._engine: Predictor | None = None
        self._engine_key: object = None
        self._features: tuple[Path, EmbeddingStore] | None = None
        self._making = threading.Lock()
        """Held by who makes an engine, or opens the features."""
        self._lock = threading.Lock()
        """Held by who looks at or changes what follows."""
        self._at_work_on: Ask | None = None
        self._is_left = False

    @property
    def at_work_on(self) -> Ask | None:
        """What is being answered now."""
        return self._at_work_on

    @property
    def device(self) -> str:
        """Where the model runs; empty until it is loaded."""
        return "" if self._engine is None or self._is_stopping else self._engine.device

    def close(self) -> None:
        """Gives the memory of the model back, from any thread. What it is doing is broken off, and no failure of the tile."""
        with self._lock:
            self._is_left = True  # also what has no model yet: it would start one
            self._end_engine()
        features = self._features
        if features is not None:
            features[1].close()

    def leave(self, ask: Ask | None = None) -> None:
        """Breaks off what is being answered, from any thread, or this alone. The model stays loaded, where it can.

        Args:
            ask: what nobody wants any more; something else under way goes on. None for whatever it is.
        """
        with self._lock:
            if self._at_work_on is None or (ask is not None and ask is not self._at_work_on):
                return
            self._is_left = True
            if isinstance(self._engine, Steerable):
                self._engine.stop()  # not a moment later: it may be at another tile by then
            else:
                self._end_engine()

    def forget(self) -> None:
        """Predicts everything anew from now on."""
        self._predictions.clear()

    def answer(self, ask: Ask) -> Judgement | None:
        """What becomes of a tile; without prediction where only a kept one was wanted, None where it was broken off.

        Never fails: what went wrong is in the judgement, in a sentence.
        """
        with self._lock:
            if not self._is_wanted(ask):
                return None  # since it was taken up; nobody could tell that to a tile that was not begun
            self._at_work_on, self._is_left = ask, False
        try:
            kept = self._kept_before(ask)
            if kept is None and ask.only_kept:
                return Judgement(ask.tile)
            return self._compared(ask, kept or self._predicted(ask))
        except StoppedError:
            return None
        except RsviewerError as error:
            if self._is_stopping:
                return None
            return Judgement(ask.tile, why=str(error))
        except Exception as error:
            log.exception("Could not predict %s", ask.tile)
            return Judgement(ask.tile, why=our_fault(error))
        finally:
            with self._lock:
                self._at_work_on = None

    def _kept_before(self, ask: Ask) -> Prediction | None:
        """What is in the project, if it was made of the files as they are now, and lies on the grid of the image."""
        kept = None if ask.plan.store is None or ask.moment else ask.plan.store.read(ask.tile, _source(ask))
        if kept is None or not ask.inputs:
            return kept
        image = self._pictures.obtain_content(ask.inputs[0])
        if isinstance(image, Raster) and not _is_on(image, kept):
            log.info("The kept prediction of %s is not used: it lies on another grid", ask.tile)
            return None
        return kept

    def _predicted(self, ask: Ask) -> Prediction:
        key = (ask.tile, ask.moment, ask.plan.answers, ask.generation)
        known = self._predictions.get(key)
        if known is not None:
            return known
        self._heed()
        engine = self.engine_for(ask.plan)
        self._tell(ask, Stage.RUNNING if engine.device else Stage.LOADING)
        if isinstance(engine, Telling):
            engine.tell_steps(lambda done, total: self._tell_steps(ask, done, total))
        source = _source(ask)
        taken = tuple(wish.spec for wish in ask.inputs)
        dates = [partial(self._fitted, ask, wishes) for wishes in ask.dates or (ask.inputs,)]
        shown = ask.dates.index(ask.inputs) if ask.dates else 0
        fitted = fitted_from(in_time(ask.plan.card, dates, shown), ask.plan.inputs, taken)
        if ask.caption is not None:
            fitted = replace(fitted, caption=caption_of(self._pictures.obtain_content(ask.caption)))
        state = _state(ask)
        fitted = self._remembering(ask, fitted, state)
        with self._lock:
            self._heed()
            if isinstance(engine, Steerable):
                engine.go_on(_way(ask.plan))
        prediction = engine.predict(ask.tile, fitted, model=ask.plan.fingerprint)
        if prediction.tile != ask.tile or prediction.model != ask.plan.fingerprint:
            raise ModelError(f"The model answered for another tile ({prediction.tile}); its answer was thrown away.")
        self._embed(ask, prediction, fitted.caption, state)
        self._predictions.put(key, prediction)
        if prediction.features is not None:
            self._predictions.put(_whatever_is_asked(ask), prediction)
        return prediction if ask.moment else self._kept(ask.plan, prediction, source)

    def _heed(self) -> None:
        """Raises StoppedError where nobody wants the tile of now any more."""
        if self._is_left:
            raise StoppedError(STOPPED)

    def _end_engine(self) -> None:
        """Gives the memory of the model back. For who holds the lock."""
        if self._engine is not None:
            self._is_stopping = True
            self._engine.close()

    def _fitted(self, ask: Ask, wishes: tuple[Wish, ...]) -> Fitted:
        """One image of the tile, ready for the network."""
        return fit(ask.plan.card, [(wish.spec, self._pictures.obtain_content(wish)) for wish in wishes], align)

    def _kept(self, plan: Plan, prediction: Prediction, source: str) -> Prediction:
        """Keeps an answer. Where that cannot be, it is there all the same, and says so."""
        if plan.store is not None:
            try:
                plan.store.write(prediction, source)
            except SaveError as error:
                return replace(prediction, remarks=(*prediction.remarks, f"This prediction is not kept. {error}"))
        return prediction

    def _remembering(self, ask: Ask, fitted: Fitted, state: str) -> Fitted:
        """The same with what the network has made of the image and its caption before, whatever it was asked then."""
        last = self._predictions.get(_whatever_is_asked(ask))
        if last is not None:
            return replace(fitted, features=last.features, caption_features=last.caption_features)
        store = None if ask.moment else self.features_of(ask.plan)
        kept = None if store is None else store.kept(ask.tile, state, fitted.caption)
        if kept is None:
            return fitted
        return replace(fitted, features=kept.features, caption_features=kept.caption_features)

    def _embed(self, ask: Ask, prediction: Prediction, caption: str, state: str) -> None:
        """Keeps the features of a tile, so that it can be found, and need not be looked at again for other words."""
        store = self.features_of(ask.plan)
        if store is None or not ask.plan.keeps_features or prediction.features is None or ask.moment:
            return
        # Where nobody knows the state of a file, only who wants everything anew gets a new row.
        is_there = store.is_kept(ask.tile, state, caption) if state else store.has(ask.tile) and not ask.generation
        if not is_there:
            with suppress(SaveError):
                store.add(ask.tile, prediction.features, caption, prediction.caption_features, state)

    def features_of(self, plan: Plan) -> EmbeddingStore | None:
        """Where the features of a plan's model are kept; None where they are not. From any thread."""
        with self._making:
            if plan.features is None:
                return None
            if self._features is None or self._features[0] != plan.features:
                if self._features is not None:
                    self._features[1].close()
                self._features = plan.features, EmbeddingStore(plan.features)
            return self._features[1]

    def engine_for(self, plan: Plan) -> Predictor:
        """Who predicts by a plan. From any thread."""
        with self._making:
            return self._engine_for(plan)

    def another_engine(self, plan: Plan) -> Predictor:
        """One for work that goes on whatever tile is looked at. Whoever asks closes it."""
        return self._engines(plan.whole, plan.weights, _way(plan))

    def _engine_for(self, plan: Plan) -> Predictor:
        options = _way(plan)
        model = (without_words(plan.whole), plan.weights, plan.sha256, options.device)  # words travel with every tile
        key = model if isinstance(self._engine, Steerable) else (*model, options)
        if self._engine is None or key != self._engine_key or self._is_stopping:
            self._is_stopping = False
            if self._engine is not None:
                self._engine.close()
            self._engine = self._engines(plan.whole, plan.weights, options)
            self._engine_key = model if isinstance(self._engine, Steerable) else (*model, options)
        return self._engine

    def _compared(self, ask: Ask, prediction: Prediction) -> Judgement:
        references = {
            output: (wish.spec, self._pictures.obtain_content(wish)) for output, wish in ask.references.items()
        }
        judgement = judge(ask.plan.card, prediction, references, align)
        label = None if ask.label is None else self._pictures.obtain_content(ask.label)
        named = label.text.strip() if isinstance(label, Text) else ""
        judgement = replace(judgement, words=word_scores(prediction, named), label=named)
        scores = numbers(judgement.heights, judgement.labels, judgement.quantity) | scene_numbers(judgement.scene)
        scores |= object_numbers(judgement.objects) | line_numbers(judgement.lines)
        scores |= word_numbers(judgement.words)
        if scores and ask.plan.is_usual and not ask.moment:
            with suppress(RsviewerError):
                self._index.record_scores(score_name(ask.plan.card), ask.plan.fingerprint, {ask.tile: scores})
        return judgement


def _way(plan: Plan) -> RunOptions:
    """How the model is run. Another output needs no other one: what it has in common with the last is kept there."""
    return replace(plan.options, output="")


def _is_on(image: Raster, kept: Prediction) -> bool:
    """Whether a prediction lies on the grid of an image."""
    if kept.boxes is not None and kept.boxes.size != (image.width, image.height):
        return False
    return all(_grid(raster) == _grid(image) for raster in kept.rasters.values())


def _grid(raster: Raster) -> tuple[object, ...]:
    return raster.pixels.shape[1:], raster.full_size, raster.transform, raster.crs, raster.gsd, raster.cell


def _whatever_is_asked(ask: Ask) -> tuple[TileId, str, str, int]:
    return ask.tile, ask.moment, ask.plan.bare, ask.generation


def _state(ask: Ask) -> str:
    """The files of the image as they are now; empty where nobody asks."""
    if ask.plan.features is None or ask.moment:
        return ""
    dates = [wish for wishes in ask.dates for wish in wishes] or ask.inputs
    return state_of((wish.path for wish in dates if wish.path is not None), ask.plan.tree)


def _source(ask: Ask) -> str:
    """The files that a prediction is made of, as they are now; empty where nothing is kept, and nobody asks."""
    if ask.plan.store is None:
        return ""
    dates = [wish for wishes in ask.dates for wish in wishes] or ask.inputs
    taken = (*dates, *([] if ask.caption is None else [ask.caption]))
    return state_of((wish.path for wish in taken if wish.path is not None), ask.plan.tree)
