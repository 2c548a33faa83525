"""A model over a whole dataset: predictions as files, scores of every tile, and those of the dataset.

Layers are read and results are judged and written on threads beside the model, which predicts one tile after the other: on a
GPU it need not wait for either. Only a few tiles are in memory before it and after it.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.crew import Crew
from rsviewer.batch.remarks import Failure, Remark, Remarks
from rsviewer.batch.runner import Progress, in_parallel
from rsviewer.core.agreement import Agreement, agreement
from rsviewer.core.captions import caption_layer, caption_of, label_layer, reads_captions
from rsviewer.core.errors import ModelError, RsviewerError, SaveError
from rsviewer.core.fitting import Fitted, fit, fitted_from, in_time, input_layers, inputs_of_tile
from rsviewer.core.judging import Judgement, default_reference, judge
from rsviewer.core.linemetrics import LineTotals, line_numbers
from rsviewer.core.metrics import Totals, numbers
from rsviewer.core.model import ModelCard, OutputKind, Scores, score_name
from rsviewer.core.objectmetrics import ObjectTotals, object_numbers
from rsviewer.core.prediction import BOXES, HEIGHT, HEIGHT_ERROR, LABELS, QUANTITY, SCENE, Prediction, Score
from rsviewer.core.prompts import takes_words
from rsviewer.core.scenemetrics import SceneScores, SceneTotals, compared_scene, is_scene_of, scene_numbers
from rsviewer.core.shading import METRES
from rsviewer.core.tile import LayerId, LayerSpec, Text, TileId
from rsviewer.core.wordmetrics import WordTotals, word_numbers, word_scores
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.aligning import align
from rsviewer.data.content import read_layer, state_of
from rsviewer.data.dates import images_over_time
from rsviewer.data.embeddings import EmbeddingStore, KeptRow
from rsviewer.data.index import TileIndex
from rsviewer.data.predictions import PredictionStore
from rsviewer.data.scorebook import ScoreBook, TileRecord
from rsviewer.data.tree import Tree
from rsviewer.inference.engine import Predictor

READERS = 4
"""Threads that read and fit tiles, at most."""
READ_AHEAD = 2
"""Tiles in hand for each of them."""
JUDGES = 6
"""Threads that compare, write and record, at most: half of the cores. A tile of 512 x 512 takes one of them 35 ms."""
JUDGED_BEHIND = 2
"""Predictions in hand for each of them, before the model waits."""
NO_CLASS = "Its label is none of the classes that the model was asked for: write them all, as the dataset calls them."
FILED_AT_ONCE = 512
"""Tiles between two writes to the index, which take up to 0.1 s each."""

OUTPUTS: Mapping[LayerId, tuple[OutputKind, str]] = {
    HEIGHT: (OutputKind.HEIGHT, "height"),
    LABELS: (OutputKind.LABELS, "labels"),
    QUANTITY: (OutputKind.QUANTITY, "quantity"),
    SCENE: (OutputKind.SCENE, "scene"),
    BOXES: (OutputKind.BOXES, "objects"),
}
"""What can be compared with a layer: its kind, and what records and options call it."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What was done.

    Attributes:
        tiles: looked at; known: of these, scored before and not predicted again; failed: see Failure.
        seconds: for the tiles predicted now.
        metrics: of the dataset, see `core.metrics.Totals.metrics`; over all its tiles, those known before included.
        per_tile: tile -> name -> value, see `core.metrics.SCORE_COLUMNS`; in the order of the tiles.
        references: "height", "labels", "quantity" -> id of the layer that it was compared with.
        scenes: tile -> classes of the whole tile, the likeliest first, where the model gives those.
        scene_confusion: (classes, classes) tiles by their class, rows are the reference; None where none was compared, or
            tiles have several.
        agreement: of the heights of all tiles; None where none was compared.
        confusion: (classes, classes) of all tiles, see `core.metrics.LabelScores`; None where none was compared.
        remarks: on the tiles predicted now.
    """

    tiles: int
    known: int
    failed: tuple[Failure, ...]
    seconds: float
    metrics: Mapping[str, float]
    per_tile: Mapping[TileId, Mapping[str, float]]
    references: Mapping[str, str] = field(default_factory=dict)
    scenes: Mapping[TileId, tuple[Score, ...]] = field(default_factory=dict)
    agreement: Agreement | None = None
    confusion: NDArray[np.int64] | None = field(default=None, compare=False)
    remarks: tuple[Remark, ...] = ()
    scene_confusion: NDArray[np.int64] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Away:
    """Where else a model runs than in this process.

    Attributes:
        crew: who reads, predicts, compares and writes; they see the same files at the same places.
        make: gives the model there, once in each process. Is pickled.
    """

    crew: Crew
    make: Callable[[], Predictor]


def predict_all(
    dataset: Dataset,
    index: TileIndex,
    entries: Sequence[TileEntry],
    card: ModelCard,
    model: str,
    predictor: Predictor,
    *,
    references: Mapping[LayerId, LayerId | None] | None = None,
    store: PredictionStore | None = None,
    book: ScoreBook | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    away: Away | None = None,
    embeddings: EmbeddingStore | None = None,
) -> Predicted:
    """Predicts every tile, judges it, files its scores in the index.

    Interrupted, it keeps what it has; called again with the same `book`, it goes on: tiles that are recorded there as compared
    with the same layers (or facts, see `class_fact`), and whose files are in the `store` if there is one, are not predicted
    again; those that only have files are compared again. A tile that failed is tried again, and, of a network that reads, one
    whose image has changed: what a search finds is to be what is there.

    Args:
        dataset: whose tiles.
        index: where the scores go.
        entries: which of them.
        card: of the model.
        model: its fingerprint.
        predictor: runs it.
        references: `core.prediction.HEIGHT`, `LABELS`, `QUANTITY` -> the layer to compare with, None for no comparison. Outputs
            that are not in it take `core.judging.default_reference`.
        store: where the predictions are written as files; None keeps none.
        book: where the records of the tiles are kept; None keeps none, and no tile is known before.
        overwrite: predicts tiles again that are known.
        progress: called with tiles done and in all, those known before not counted. Who raises from it stops the work.
        away: who predicts instead of `predictor`. Files are written there, scores and records come home.
        embeddings: where the features of a network that reads are kept; None keeps none.

    Raises:
        ModelError: the dataset lacks a layer that the model needs or is to be compared with, or it cannot be loaded at all.
        SaveError: there is no room or permission for any further file.
    """
    inputs, compared = input_layers(card, dataset.layers), compared_layers(dataset, card, references)
    is_free = SCENE not in compared and SCENE not in (references or {})
    task = _Task(card, model, inputs, compared, dataset, class_fact(dataset, card) if is_free else "")
    if not takes_words(card):
        embeddings = None
    work = _Work(task, index, predictor, store, book, embeddings, overwrite=overwrite)
    work.recall(entries)
    began = time.monotonic()
    todo = [entry for entry in entries if entry.id not in work.known]
    if away is None:
        work.do(todo, progress)
    else:
        work.do_away(todo, away, progress)
    return work.result(entries, time.monotonic() - began if todo else 0.0)


def unseen(
    dataset: Dataset, card: ModelCard, entries: Sequence[TileEntry], embeddings: EmbeddingStore
) -> list[TileEntry]:
    """Those tiles of which a network that reads has kept nothing, or of files that are others by now.

    Raises ModelError: the dataset lacks a layer that the model needs.
    """
    steps = _Steps(_Task(card, "", input_layers(card, dataset.layers), {}, dataset), None, overwrite=False)
    return [entry for entry in entries if not embeddings.is_of(entry.id, steps.state(entry))]


def compared_layers(
    dataset: Dataset, card: ModelCard, references: Mapping[LayerId, LayerId | None] | None = None
) -> dict[LayerId, LayerSpec]:
    """`core.prediction.HEIGHT`, `LABELS` -> the layer that this output of the model is compared with; absent where with none.

    Args:
        dataset: whose layers.
        card: of the model.
        references: see `predict_all`.

    Raises:
        RsviewerError: the dataset has no such layer, or the model no such output.
    """
    chosen = references or {}
    found = {}
    for target, (kind, word) in OUTPUTS.items():
        output = card.output(kind)
        wanted = chosen.get(target)
        if output is None:
            if wanted is not None:
                raise ModelError(f"{card.title} gives no {word}: there is nothing to compare with {wanted}.")
        elif wanted is not None:
            found[target] = _layer(dataset, wanted)
        elif target not in chosen and (spec := default_reference(output, dataset.layers)) is not None:
            found[target] = spec
    return found


def class_fact(dataset: Dataset, card: ModelCard) -> str:
    """The fact of a tile that names its class, as a file of labels beside the dataset has it; empty where there is none.

    Of a model that gives one class a tile, where no layer is its reference: `label_igbp` for the layer `igbp`, and so on.
    """
    output = card.output(OutputKind.SCENE)
    if output is None or output.scores is Scores.INDEPENDENT:
        return ""
    known = {fact.name for fact in dataset.facts}
    return next((f"label_{layer}" for layer in output.reference if f"label_{layer}" in known), "")


def judge_tile(
    card: ModelCard, entry: TileEntry, prediction: Prediction, compared: Mapping[LayerId, LayerSpec], tree: Tree
) -> Judgement:
    """Reads the references of a tile and compares its prediction with them."""
    contents = {target: (spec, read_layer(entry, spec, tree)) for target, spec in compared.items()}
    return judge(card, prediction, contents, align)


def fit_tile(card: ModelCard, entry: TileEntry, inputs: tuple[LayerSpec, ...], dataset: Dataset) -> Fitted:
    """Reads what the model takes of a tile: `inputs`, or see `core.fitting.inputs_of_tile`. Raises ModelError."""
    taken = _taken(card, entry, inputs, dataset)
    dates = images_over_time(entry, [spec.id for spec in taken], card.dates)

    def fit_one(date: TileEntry) -> Fitted:
        return fit(card, [(spec, read_layer(date, spec, dataset.tree)) for spec in taken], align)

    fitted = in_time(card, [partial(fit_one, date) for date in dates], dates.index(entry))
    return replace(fitted_from(fitted, inputs, taken), caption=_caption(card, entry, dataset))


def _caption(card: ModelCard, entry: TileEntry, dataset: Dataset) -> str:
    spec = caption_layer(dataset.layers) if reads_captions(card) else None
    return "" if spec is None or spec.id not in entry.files else caption_of(read_layer(entry, spec, dataset.tree))


def _taken(card: ModelCard, entry: TileEntry, inputs: tuple[LayerSpec, ...], dataset: Dataset) -> tuple[LayerSpec, ...]:
    here = [spec for spec in dataset.layers if spec.id in entry.files]
    return inputs_of_tile(card, inputs, here, entry.missing)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is done with every tile."""

    card: ModelCard
    model: str
    inputs: tuple[LayerSpec, ...]
    compared: Mapping[LayerId, LayerSpec]
    dataset: Dataset
    class_fact: str = ""

    @property
    def references(self) -> dict[str, str]:
        """As records have it."""
        layers = {OUTPUTS[target][1]: str(spec.id) for target, spec in self.compared.items()}
        return layers | ({OUTPUTS[SCENE][1]: self.class_fact} if self.class_fact else {})

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the rows of confusion tables."""
        labels = self.card.output(OutputKind.LABELS)
        return tuple(one.name for one in labels.classes) if labels else ()

    @property
    def void_count(self) -> int:
        """How many of these mean nothing."""
        labels = self.card.output(OutputKind.LABELS)
        return sum(one.void for one in labels.classes) if labels else 0


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A tile before the model: `kept` is a prediction that need not be made again, `why` what is wrong with its layers.

    `state` is that of the files of its image, where the model reads.
    """

    entry: TileEntry
    fitted: Fitted | None = None
    kept: Prediction | None = None
    why: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """What a network that reads made of a tile and of its caption."""

    features: NDArray[np.float32]
    caption: str
    caption_features: NDArray[np.float32] | None
    state: str


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """A tile after the model."""

    record: TileRecord
    remarks: tuple[str, ...] = ()
    embedded: _Embedded | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    """A tile that could not be predicted; `is_hopeless` where the model could not even be loaded."""

    why: str
    is_hopeless: bool = False


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is done with a tile before the model, and after it."""

    task: _Task
    store: PredictionStore | None
    overwrite: bool

    def prepare(self, entry: TileEntry) -> _Ready:
        """What the model needs of a tile."""
        try:
            # What was kept of a network that reads has no features: such a tile is predicted anew.
            is_enough = not takes_words(self.task.card)
            if is_enough and self.store is not None and not self.overwrite and self.store.has(entry.id):
                kept = self.store.read(entry.id, self._source(entry))
                if kept is not None:
                    return _Ready(entry, kept=kept)
            state = "" if is_enough else self.state(entry)
            fitted = fit_tile(self.task.card, entry, self.task.inputs, self.task.dataset)
            return _Ready(entry, fitted, state=state)
        except RsviewerError as error:
            return _Ready(entry, why=str(error))
        except MemoryError:
            return _Ready(entry, why="There is not enough memory to read this tile. Close other programs.")

    def finish(self, ready: _Ready, prediction: Prediction) -> _Done:
        """Compares and writes."""
        entry = ready.entry
        judgement = judge_tile(self.task.card, entry, prediction, self.task.compared, self.task.dataset.tree)
        if self.store is not None and ready.kept is None:
            self.store.write(prediction, self._source(entry))
        record = TileRecord(
            entry.id,
            self.task.references,
            judgement.heights,
            judgement.labels,
            _agreement(self.task.card, judgement),
            prediction.scores,
            judgement.quantity,
            self._by_fact(entry, prediction) if self.task.class_fact else judgement.scene,
            words=word_scores(prediction, self._label(entry)),
            objects=judgement.objects,
            lines=judgement.lines,
        )
        return _Done(record, judgement.remarks, self._embedded(ready, prediction))

    def _by_fact(self, entry: TileEntry, prediction: Prediction) -> SceneScores | None:
        """Compares with the class that is known of the tile, as if all of it were of that."""
        output = self.task.card.output(OutputKind.SCENE)
        name = entry.facts.get(self.task.class_fact)
        if output is None or not prediction.scores:
            return None
        said = {score.name: score.probability for score in prediction.scores}
        probabilities = [said.get(one.name, 0.0) for one in output.classes]
        return compared_scene(output, probabilities, [float(one.name == name) for one in output.classes])

    def _label(self, entry: TileEntry) -> str:
        spec = label_layer(self.task.card, self.task.dataset.layers)
        content = None if spec is None else read_layer(entry, spec, self.task.dataset.tree)
        return content.text.strip() if isinstance(content, Text) else ""

    def _embedded(self, ready: _Ready, prediction: Prediction) -> _Embedded | None:
        if prediction.features is None:
            return None
        caption = "" if ready.fitted is None else ready.fitted.caption
        return _Embedded(prediction.features, caption, prediction.caption_features, ready.state)

    def state(self, entry: TileEntry) -> str:
        """Of the files of its image; empty where nobody knows."""
        return state_of(self._images(entry), self.task.dataset.tree)

    def _source(self, entry: TileEntry) -> str:
        """What its prediction is made of."""
        addresses = self._images(entry)
        caption = caption_layer(self.task.dataset.layers) if reads_captions(self.task.card) else None
        if caption is not None and caption.id in entry.files:
            addresses.append(entry.files[caption.id])
        return state_of(addresses, self.task.dataset.tree)

    def _images(self, entry: TileEntry) -> list[str]:
        """Where its inputs are, of all dates that are taken together."""
        taken = _taken(self.task.card, entry, self.task.inputs, self.task.dataset)
        dates = images_over_time(entry, [spec.id for spec in taken], self.task.card.dates)
        return [date.files[spec.id] for date in dates for spec in taken if spec.id in date.files]


_Sent: TypeAlias = tuple[TileEntry, KeptRow | None]
"""What another process is told of a tile: features are kept at home."""


class _Elsewhere:
    """All that is done with a tile, in another process, whose threads share one model."""

    def __init__(self, steps: _Steps, make: Callable[[], Predictor]) -> None:
        self._steps = steps
        self._make = make
        self._lock = threading.Lock()
        self._predictor: Predictor | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """The model is made where it runs."""
        return _Elsewhere, (self._steps, self._make)

    def __call__(self, item: _Sent) -> _Done | _Failed:
        """Reads, predicts, compares, writes."""
        entry, row = item
        ready = self._steps.prepare(entry)
        prediction = ready.kept
        if ready.fitted is not None:
            fitted = _remembering(ready.fitted, ready.state, row)
            with self._lock:
                if self._predictor is None:
                    self._predictor = self._make()
                try:
                    prediction = self._predictor.predict(entry.id, fitted, model=self._steps.task.model)
                except ModelError as error:
                    return _Failed(str(error), is_hopeless=not self._predictor.device)
        return _Failed(ready.why) if prediction is None else self._steps.finish(ready, prediction)


class _Work:
    """The tiles on their way, and what was found so far."""

    def __init__(
        self,
        task: _Task,
        index: TileIndex,
        predictor: Predictor,
        store: PredictionStore | None,
        book: ScoreBook | None,
        embeddings: EmbeddingStore | None,
        *,
        overwrite: bool,
    ) -> None:
        self.known: set[TileId] = set()
        self._task = task
        self._index = index
        self._predictor = predictor
        self._store = store
        self._book = book
        self._embeddings = embeddings
        self._overwrite = overwrite
        self._steps = _Steps(task, store, overwrite)
        self._totals = Totals(task.class_names, task.void_count)
        self._words = WordTotals()
        self._scene_totals = SceneTotals()
        self._object_totals = ObjectTotals()
        self._line_totals = LineTotals()
        self._agreement: Agreement | None = None
        self._scores: dict[TileId, dict[str, float]] = {}
        self._scenes: dict[TileId, tuple[Score, ...]] = {}
        self._failed: dict[TileId, str] = {}
        self._remarks = Remarks()
        self._unfiled: dict[TileId, dict[str, float]] = {}

    # Before

    def recall(self, entries: Sequence[TileEntry]) -> None:
        """Takes in what was recorded before, and tells the index what it does not know of that."""
        if self._book is None or self._overwrite:
            return
        wanted = {entry.id: entry for entry in entries}
        filed = self._index.scores(score_name(self._task.card), self._task.model)
        for record in self._book.records(self._task.references):
            entry = wanted.get(record.tile)
            if entry is not None and self._is_kept(entry) and self._fits(record):
                self.known.add(record.tile)
                self._take(record)
                if filed.get(record.tile) != self._scores[record.tile]:
                    self._unfiled[record.tile] = self._scores[record.tile]
        self._file(at_least=1)

    def _is_kept(self, entry: TileEntry) -> bool:
        if self._store is not None and not self._store.has(entry.id):
            return False
        return self._embeddings is None or self._embeddings.is_of(entry.id, self._steps.state(entry))

    def _fits(self, record: TileRecord) -> bool:
        """Whether its table has the classes of the card: one that was tampered with must not stop the work."""
        scene, output = record.compared_scene, self._task.card.output(OutputKind.SCENE)
        if scene is not None and (output is None or not is_scene_of(output, scene)):
            return False
        return record.labels is None or len(record.labels.confusion) == len(self._task.class_names)

    # The work

    def do(self, todo: Sequence[TileEntry], progress: Progress | None) -> None:
        """Predicts tiles. What was predicted when it is stopped is still judged, written and filed."""
        cores = os.cpu_count() or 1
        readers, judging = min(READERS, cores), min(JUDGES, max(2, cores // 2))
        judged: deque[Future[_Done]] = deque()
        done = 0
        with ThreadPoolExecutor(judging, "judge") as judges:
            try:
                with closing(in_parallel(self._steps.prepare, todo, readers, ahead=READ_AHEAD)) as ready:
                    for tile, prediction in self._predict(ready):
                        if prediction is not None:
                            judged.append(judges.submit(self._finish, tile, prediction))
                        else:
                            done += 1
                        while judged and (len(judged) > judging * JUDGED_BEHIND or judged[0].done()):
                            self._collect(judged.popleft())
                            done += 1
                        self._file(at_least=FILED_AT_ONCE)
                        if progress:
                            progress(done, len(todo))
                while judged:
                    self._collect(judged.popleft())
                    done += 1
                    if progress:
                        progress(done, len(todo))
            finally:
                for future in judged:
                    with suppress(SaveError):  # one of them has been raised already, or somebody wants it to end
                        self._collect(future)
                self._file(at_least=1)

    def do_away(self, todo: Sequence[TileEntry], away: Away, progress: Progress | None) -> None:
        """The same in other processes. What has come home when it is stopped is kept."""
        dataset = replace(self._task.dataset, lists=(), folders=(), problems=())  # millions of names stay at home
        steps = replace(self._steps, task=replace(self._task, dataset=dataset))
        said = ""
        sent = ((entry, self._row_of(entry)) for entry in todo)
        with closing(away.crew.run(_Elsewhere(steps, away.make), sent)) as results:
            try:
                for done, ((entry, _), result) in enumerate(results, start=1):
                    if isinstance(result, _Done):
                        if self._book is not None:
                            self._book.add(result.record)
                        self._keep(result)
                    else:
                        if isinstance(result, _Failed) and result.is_hopeless and result.why == said:
                            raise ModelError(
                                result.why
                            )  # no worker could load it, and the next tile would say the same
                        said = self._failed[entry.id] = result.why
                    self._file(at_least=FILED_AT_ONCE)
                    if progress:
                        progress(done, len(todo))
            finally:
                self._file(at_least=1)

    def _predict(self, tiles: Iterator[_Ready]) -> Iterator[tuple[_Ready, Prediction | None]]:
        """On this thread: tile after tile. A tile that fails has None. Raises ModelError where no tile can ever do."""
        said = ""
        for ready in tiles:
            tile, prediction = ready.entry.id, ready.kept
            if ready.fitted is not None:
                try:
                    fitted = _remembering(ready.fitted, ready.state, self._row_of(ready.entry))
                    prediction = self._predictor.predict(tile, fitted, model=self._task.model)
                except ModelError as error:
                    if str(error) == said and not self._predictor.device:
                        raise  # it was never loaded, and the next tile would say the same
                    said = str(error)
                    self._failed[tile] = said
            elif prediction is None:
                self._failed[tile] = ready.why
            yield ready, prediction

    def _row_of(self, entry: TileEntry) -> KeptRow | None:
        """What the network has made of a tile before: other words need no other look at it."""
        return None if self._embeddings is None or self._overwrite else self._embeddings.row_of(entry.id)

    def _finish(self, ready: _Ready, prediction: Prediction) -> _Done:
        """On a judge: compares, writes, records."""
        done = self._steps.finish(ready, prediction)
        if self._book is not None:
            self._book.add(done.record)
        return done

    # After

    def _collect(self, future: Future[_Done]) -> None:
        self._keep(future.result())

    def _keep(self, done: _Done) -> None:
        tile = done.record.tile
        self._take(done.record)
        self._unfiled[tile] = self._scores[tile]
        self._remarks.add(tile, done.remarks)
        made = None if self._embeddings is None else done.embedded
        if made is None or self._embeddings is None:
            return
        if self._overwrite or not made.state or not self._embeddings.is_kept(tile, made.state, made.caption):
            self._embeddings.add(tile, made.features, made.caption, made.caption_features, made.state)

    def _take(self, record: TileRecord) -> None:
        self._totals.add(record.heights, record.labels, record.quantity)
        self._scores[record.tile] = numbers(record.heights, record.labels, record.quantity)
        self._object_totals.add(record.objects)
        self._line_totals.add(record.lines)
        self._scores[record.tile] |= object_numbers(record.objects) | line_numbers(record.lines)
        self._scene_totals.add(record.compared_scene)
        self._scores[record.tile] |= scene_numbers(record.compared_scene)
        if record.agreement is not None:
            self._agreement = record.agreement + self._agreement if self._agreement else record.agreement
        if record.scene:
            self._scenes[record.tile] = record.scene
        self._words.add(record.words)
        if record.words is not None and record.words.unknown:
            self._remarks.add(record.tile, (NO_CLASS,))
        self._scores[record.tile] |= word_numbers(record.words)

    def _file(self, at_least: int) -> None:
        """Tells the index, where there is something to tell."""
        if len(self._unfiled) >= at_least:
            unfiled, self._unfiled = self._unfiled, {}
            self._index.record_scores(score_name(self._task.card), self._task.model, unfiled)

    def result(self, entries: Sequence[TileEntry], seconds: float) -> Predicted:
        """Everything together."""
        failed = self._failed
        return Predicted(
            len(entries),
            len(self.known),
            tuple(Failure(entry.id, failed[entry.id]) for entry in entries if entry.id in failed),
            seconds,
            self._totals.metrics()
            | self._scene_totals.metrics()
            | self._object_totals.metrics()
            | self._line_totals.metrics()
            | self._words.metrics(),
            {entry.id: self._scores[entry.id] for entry in entries if entry.id in self._scores},
            self._task.references,
            {entry.id: self._scenes[entry.id] for entry in entries if entry.id in self._scenes},
            self._agreement,
            self._totals.confusion,
            self._remarks.all,
            self._scene_totals.confusion,
        )


def _remembering(fitted: Fitted, state: str, row: KeptRow | None) -> Fitted:
    """The same with what is kept of image and caption as they are now."""
    known = None if row is None else row.of(state, fitted.caption)
    if known is None:
        return fitted
    return replace(fitted, features=known.features, caption_features=known.caption_features)


def _agreement(card: ModelCard, judgement: Judgement) -> Agreement | None:
    """Of the heights in metres, from their error: the reference itself, on the grid of the prediction, is not kept."""
    found, error, output = (
        judgement.rasters.get(HEIGHT),
        judgement.rasters.get(HEIGHT_ERROR),
        card.output(OutputKind.HEIGHT),
    )
    if found is None or error is None or output is None or judgement.heights is None:
        return None
    metres = np.float32(METRES.get(output.unit, 1.0))
    with np.errstate(invalid="ignore", over="ignore"):  # where they are not valid they may be anything
        predicted = found.pixels[0] * metres
        reference = predicted - error.pixels[0] * metres
    return agreement(predicted, reference, found.valid[0] & error.valid[0])


def _layer(dataset: Dataset, layer: LayerId) -> LayerSpec:
    try:
        return dataset.layer(layer)
    except KeyError as error:
        there = ", ".join(spec.id for spec in dataset.layers)
        raise ModelError(f"There is no layer {layer} to compare with: choose one of {there}.") from error
