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
from rsviewer.core.errors import ModelError, RsviewerError, SaveError
from rsviewer.core.fitting import Fitted, fit, fitted_from, in_time
from rsviewer.core.judging import Judgement, judge
from rsviewer.core.metrics import numbers
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
from rsviewer.inference.engine import Predictor, PredictorFactory, Telling
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
    """

    def __init__(
        self,
        engines: PredictorFactory,
        pictures: Pictures,
        index: TileIndex,
        tell: Callable[[Ask, Stage], None],
        tell_steps: Callable[[Ask, int, int], None] = lambda *_: None,
    ) -> None:
        self._engines = engines
        self._pictures = pictures
        self._index = index
        self._tell = tell
        self._tell_steps = tell_steps
        self._predictions: Cache[tuple[TileId, str, str, int], Prediction] = Cache(PREDICTIONS_BYTES)
        self._is_stopping = False
        self._engine: Predictor | None = None
        self._engine_key: object = None
        self._features: tuple[Path, EmbeddingStore] | None = None
        self._making = threading.Lock()
        """Held by who makes an engine, or opens the features."""
        self._at_work_on: Ask | None = None

    @property
    def device(self) -> str:
        """Where the model runs; empty until it is loaded."""
        return "" if self._engine is None or self._is_stopping else self._engine.device

    def stop(self) -> None:
        """Gives the memory of the model back, from any thread. What it is doing is broken off, and no failure of the tile."""
        if self._engine is not None:
            self._is_stopping = True
            self._engine.close()
        features = self._features
        if features is not None:
            features[1].close()

    def leave(self, ask: Ask) -> None:
        """Breaks off what nobody wants any more, if it is still being predicted."""
        if self._at_work_on is ask:
            self.stop()

    def forget(self) -> None:
        """Predicts everything anew from now on."""
        self._predictions.clear()

    def answer(self, ask: Ask) -> Judgement | None:
        """What becomes of a tile; without prediction where only a kept one was wanted, None where it was broken off.

        Never fails: what went wrong is in the judgement, in a sentence.
        """
        try:
            kept = self._kept_before(ask)
            if kept is None and ask.only_kept:
                return Judgement(ask.tile)
            return self._compared(ask, kept or self._predicted(ask))
        except RsviewerError as error:
            if self._is_stopping:
                return None
            return Judgement(ask.tile, why=str(error))
        except Exception as error:
            log.exception("Could not predict %s", ask.tile)
            return Judgement(ask.tile, why=our_fault(error))

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
        self._at_work_on = ask
        try:
            prediction = engine.predict(ask.tile, fitted, model=ask.plan.fingerprint)
        finally:
            self._at_work_on = None
        if prediction.tile != ask.tile or prediction.model != ask.plan.fingerprint:
            raise ModelError(f"The model answered for another tile ({prediction.tile}); its answer was thrown away.")
        self._embed(ask, prediction, fitted.caption)
        self._predictions.put(key, prediction)
        return prediction if ask.moment else self._kept(ask.plan, prediction, source)

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

    def _embed(self, ask: Ask, prediction: Prediction, caption: str) -> None:
        """Keeps the features of a tile, so that it can be found."""
        store = self.features_of(ask.plan)
        if store is None or prediction.features is None or ask.moment:
            return
        if ask.generation or not store.has(ask.tile):
            with suppress(SaveError):
                store.add(ask.tile, prediction.features, caption, prediction.caption_features)

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
        return self._engines(plan.whole, plan.weights, replace(plan.options, output=""))

    def _engine_for(self, plan: Plan) -> Predictor:
        # Another output of the same model needs no other one: what it has in common with the last one is kept there.
        options = replace(plan.options, output="")
        # Words travel with every tile.
        key = (without_words(plan.whole), plan.weights, plan.sha256, options)
        if self._engine is None or key != self._engine_key or self._is_stopping:
            self._is_stopping = False
            if self._engine is not None:
                self._engine.close()
            self._engine = self._engines(plan.whole, plan.weights, options)
            self._engine_key = key
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
        scores |= object_numbers(judgement.objects)
        scores |= word_numbers(judgement.words)
        if scores and ask.plan.is_usual and not ask.moment:
            with suppress(RsviewerError):
                self._index.record_scores(ask.plan.card.id, ask.plan.fingerprint, {ask.tile: scores})
        return judgement


def _is_on(image: Raster, kept: Prediction) -> bool:
    """Whether a prediction lies on the grid of an image."""
    if kept.boxes is not None and kept.boxes.size != (image.width, image.height):
        return False
    return all(_grid(raster) == _grid(image) for raster in kept.rasters.values())


def _grid(raster: Raster) -> tuple[object, ...]:
    return raster.pixels.shape[1:], raster.full_size, raster.transform, raster.crs, raster.gsd, raster.cell


def _source(ask: Ask) -> str:
    """The files that a prediction is made of, as they are now; empty where nothing is kept, and nobody asks."""
    if ask.plan.store is None:
        return ""
    dates = [wish for wishes in ask.dates for wish in wishes] or ask.inputs
    taken = (*dates, *([] if ask.caption is None else [ask.caption]))
    return state_of((wish.path for wish in taken if wish.path is not None), ask.plan.tree)
