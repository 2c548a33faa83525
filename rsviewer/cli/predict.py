"""`rsviewer predict`: a model over a dataset, scored where there is a reference."""

import functools
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer import __version__
from rsviewer.cli.choosing import FilterOption, SplitOption, TileOption, chosen_words, filtered, listed, named
from rsviewer.cli.console import Progress, complain, console, plain, plural, print_json, progress, stages
from rsviewer.cli.open import queue_filter
from rsviewer.cli.options import (
    DaskOption,
    FormatOption,
    JsonOption,
    OverwriteOption,
    PathArgument,
    ProjectOption,
    check_target,
    make_folder,
)
from rsviewer.core.errors import ModelError
from rsviewer.core.expense import SIDE, cost, expected_seconds
from rsviewer.core.model import Augmentation, ModelCard, OutputKind, Precision, RunOptions, Scores, fingerprint, focused
from rsviewer.core.prediction import BOXES, HEIGHT, LABELS, QUANTITY, SCENE, Prediction
from rsviewer.core.prompts import parse_words, takes_words, with_words
from rsviewer.core.tile import LayerId, LayerSpec
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry
from rsviewer.data.mounting import files_of
from rsviewer.data.saving import saving

if TYPE_CHECKING:
    from rsviewer.batch.illustrating import Example
    from rsviewer.batch.predicting import Predicted
    from rsviewer.data.index import TileIndex
    from rsviewer.data.models import Shelf, ShelvedModel
    from rsviewer.inference.engine import Engine, Predictor

NAMED = 10
"""So many tiles that could not be predicted are named, and so many remarks; --json lists all."""
JSON = ".json"
"""Ending of a report that holds what --json prints."""
PATIENCE = 1800.0
"""Seconds that a worker of a cluster may take for a tile: large models are slow without a GPU."""
IN_WORDS = frozenset({"top1", "similarity"})
"""Scores that need no layer to compare with."""
NOTHING = "tiles_compared"
"""Left out where it is 0."""
DONE, SOME_FAILED, ALL_FAILED = 0, 1, 2


def predict(
    path: PathArgument,
    model: Annotated[
        str, typer.Option(metavar="CARD", help="Id of a model (see rsviewer models list), or a card file.")
    ],
    split: SplitOption = None,
    filter_text: FilterOption = None,
    tile: TileOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write every prediction as GeoTIFF, and as its publishers' evaluation reads it."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="Of the forward pass: the smaller ones are faster and less exact.")
    ] = Precision.FLOAT32,
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="Of the processor, for the model; 0 leaves one core to others.")
    ] = 0,
    framing: Annotated[
        str, typer.Option(metavar="ID", help="How tiles are cut, one of the card's; else its first.")
    ] = "",
    tta: Annotated[
        Augmentation, typer.Option(help="Predict every tile flipped (4 times) or also turned (8), and take the mean.")
    ] = Augmentation.NONE,
    choices: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=NUMBER",
            help="An option of the model's own, e.g. steps=10 (see rsviewer models show). May be repeated.",
        ),
    ] = None,
    slow: Annotated[
        bool, typer.Option("--slow-is-fine", help="Run a model that takes minutes for a tile without a GPU.")
    ] = False,
    output: Annotated[
        str, typer.Option(metavar="NAME", help="What to predict, of a model that predicts one thing at a time.")
    ] = "",
    reference_height: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Compare predicted heights with this layer.")
    ] = None,
    reference_labels: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Compare predicted classes, of pixels or tiles, with this layer."),
    ] = None,
    reference_quantity: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Compare a predicted quantity with this layer.")
    ] = None,
    no_reference: Annotated[bool, typer.Option("--no-reference", help="Compare with nothing.")] = False,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Classes in words, one a line, for a model that can read; - reads them from here."
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Write the scores: .html and .pdf are a page with plots, .json is what --json prints. May be repeated.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Allow this very file to run: TorchScript and exported models hold programs."),
    ] = False,
    dask: DaskOption = None,
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a model on every tile and score it where there is a reference. Stopped and called again, it goes on.

    The scores go into the project, so that the queue can be sorted worst first, for example by demo_height_mae desc.
    """
    if tile and (split is not None or filter_text is not None):
        raise typer.BadParameter("take it with --split and --filter, or name tiles with --tile.", param_hint="--tile")
    if no_reference and (reference_height or reference_labels or reference_quantity):
        raise typer.BadParameter("there is a reference, or there is none.", param_hint="--no-reference")
    reports = report or []
    for file in reports:
        _check_report(file, out, overwrite=overwrite)
    from rsviewer.batch.predicting import compared_layers, predict_all
    from rsviewer.batch.retrieving import with_retrieval
    from rsviewer.cli.dataset import current_index, writing
    from rsviewer.core.fitting import input_layers
    from rsviewer.data.embeddings import EmbeddingStore
    from rsviewer.data.models import Shelf
    from rsviewer.data.officialfiles import official_files
    from rsviewer.data.predictions import PredictionStore
    from rsviewer.data.scorebook import ScoreBook
    from rsviewer.inference.engine import Engine
    from rsviewer.inference.processor import thread_count

    shelf = Shelf()
    shelved = shelf.find(model)
    asked = _choices(None if shelved.card is None else focused(shelved.card, output), choices or [])
    options = RunOptions(device, precision, threads, framing, tta, output=output, choices=asked, slow=slow)
    card, sha256 = _usable(shelf, shelved, options, trust=trust)
    bare = fingerprint(card, sha256, options)
    if prompts is not None:
        card = _asking(card, prompts)
    mark = fingerprint(card, sha256, options)
    references = _references(card, reference_height, reference_labels, reference_quantity, no_reference=no_reference)
    with (
        writing(path, format_name, project) as (dataset, adapter, opened),
        current_index(dataset, adapter, opened) as (index, _),
    ):
        inputs = input_layers(card, dataset.layers)  # before the tiles are listed: it may not fit at all
        compared = compared_layers(dataset, card, references)
        entries = _chosen(dataset, adapter, index, project, tile, split, filter_text)
        if out is not None:
            make_folder(out)
        store = None if out is None else PredictionStore(out.absolute(), card, mark, sha256, official_files(card))
        away = None
        if dask is not None:
            from rsviewer.batch.cluster import Cluster
            from rsviewer.batch.predicting import Away

            needs = [*files_of(dataset), shelved.weights.absolute(), *([] if out is None else [out.absolute()])]
            away = Away(
                Cluster(dask, needs=needs, patience=PATIENCE),
                functools.partial(Engine, card, shelved.weights.absolute(), options),
            )
        try:
            with (
                Engine(card, shelved.weights, options) as engine,
                ScoreBook(opened.predictions_path / f"{card.id}-{mark}") as book,
                EmbeddingStore(opened.predictions_path / f"{card.id}-{bare}") as embeddings,
            ):
                cores = thread_count(threads)
                if slow and (seconds := expected_seconds(card, options, threads=cores)):
                    complain(f"Without a GPU {cost(seconds, (SIDE, SIDE), cores)}.")
                with _progress(card, options, engine) as tell:
                    result = predict_all(
                        *(dataset, index, entries, card, mark, engine),
                        references=references,
                        store=store,
                        book=book,
                        overwrite=overwrite,
                        progress=tell,
                        away=away,
                        embeddings=embeddings,
                    )
                if takes_words(card):
                    with stages() as say:
                        result = with_retrieval(result, dataset, entries, engine, embeddings, say)
                device = engine.device if dask is None else f"Dask {dask}"
                pages = [file for file in reports if file.suffix.lower() != JSON]
                if pages:
                    from rsviewer.batch.report import Report
                    from rsviewer.batch.reporting import write_report

                    chosen = chosen_words(tile, split, filter_text)
                    examples = _examples(result, entries, card, engine, inputs, compared, dataset)
                    when = datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M")
                    page = Report(
                        *(card, mark, sha256, options, engine.device, dataset, chosen, result, examples, when),
                        program=f"rsviewer {__version__}",
                    )
                    for file in pages:
                        write_report(file, page, overwrite=overwrite)
        except KeyboardInterrupt:
            complain("Stopped. What was predicted is kept; the same command goes on from there.")
            raise
    document = _document(card, mark, sha256, device, result, out, reports)
    for file in reports:
        if file.suffix.lower() == JSON:
            with saving(file, overwrite=overwrite) as partial:
                partial.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="ascii")
    if as_json:
        print_json(document)
    else:
        _tell(card, device, result, out, reports)
    for failure in result.failed[:NAMED]:
        complain(f"{failure.tile}: {failure.message}")
    if len(result.failed) > NAMED:
        complain(f"and {len(result.failed) - NAMED:,} more tiles: --json names them all.")
    if not result.failed:
        return DONE
    return SOME_FAILED if result.per_tile else ALL_FAILED


def _asking(card: ModelCard, prompts: Path) -> ModelCard:
    """The card with the classes of a file. Raises ModelError."""
    if not takes_words(card):
        raise ModelError(f"{card.title} has classes of its own and cannot be asked in words: leave out --prompts.")
    try:
        text = sys.stdin.read() if str(prompts) == "-" else prompts.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ModelError(f"{prompts} cannot be read: {error.strerror or error}.") from error
    return with_words(card, parse_words(text))


def _check_report(report: Path, out: Path | None, *, overwrite: bool) -> None:
    """Said before hours of work, not after them. The folder of the predictions is made before the report is written."""
    from rsviewer.batch.reporting import SUFFIXES

    if report.suffix.lower() not in (*SUFFIXES, JSON):
        raise typer.BadParameter(
            f"{report.name} does not end in {', '.join(SUFFIXES)} or {JSON}.", param_hint="--report"
        )
    if out is None or out.absolute() != report.absolute().parent or out.exists():
        check_target(report, overwrite=overwrite)


def _usable(shelf: "Shelf", shelved: "ShelvedModel", options: RunOptions, *, trust: bool) -> tuple[ModelCard, str]:
    """The card of a model that may be run as asked, and the hash of its weights. Raises ModelError."""
    from rsviewer.data.models import sealed

    card = shelved.card
    if card is None:
        raise ModelError(shelved.message)
    framings = [framing.id for framing in card.framings]
    if options.framing and options.framing not in framings:
        raise ModelError(f"{card.title} has no framing {options.framing}: choose one of {', '.join(framings)}.")
    if options.augmentation is not Augmentation.NONE and not card.augmentable:
        raise ModelError(f"{card.title} does not allow test-time augmentation: its card says so. Leave out --tta.")
    names = [output.name for output in card.outputs] if card.exclusive else []
    if options.output and options.output not in names:
        which = (
            f"choose one of {', '.join(names)}" if names else "it predicts all that it can at once, leave out --output"
        )
        raise ModelError(f"{card.title} has no output {options.output} to choose: {which}.")
    card = focused(card, options.output)
    sha256 = shelf.sha256(shelved)
    if shelf.needs_consent(shelved, sha256):
        if not trust:
            raise ModelError(
                f"{shelved.weights} can hold programs, which would run with your rights. "
                "If you trust whoever made it, add --trust: that allows this very file, from now on."
            )
        shelf.allow(sha256)
    return sealed(card, sha256), sha256


def _choices(card: ModelCard | None, words: Sequence[str]) -> dict[str, int]:
    """What --option says. Raises BadParameter where the card has no such option, or not with that number."""
    known = {} if card is None else {one.id: one for one in card.options}
    found = {}
    for word in words:
        name, _, number = (part.strip() for part in word.partition("="))
        option = known.get(name)
        if option is None:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise typer.BadParameter(f"the model has no option {plain(name)}: {there}.", param_hint="--option")
        value = {"on": 1, "off": 0}.get(number) if option.switch else None
        if value is None and number.isascii() and number.isdecimal() and len(number) < 10:
            value = int(number)
        if value is None or not option.low <= value <= option.high:
            wanted = "on or off" if option.switch else f"a whole number from {option.low} to {option.high}"
            raise typer.BadParameter(f"{name} is {wanted}, not {plain(number)}.", param_hint="--option")
        found[name] = value
    return found


@contextmanager
def _progress(card: ModelCard, options: RunOptions, engine: "Engine") -> Iterator[Progress]:
    """Counts tiles; of a model that takes many steps for one, those as well."""
    if not expected_seconds(card, options):
        with progress("Predicting") as tell:
            yield tell
        return
    with stages() as say:
        tiles: tuple[int, int | None] = (0, None)

        def tell_tiles(done: int, total: int | None) -> None:
            nonlocal tiles
            tiles = (done, total)

        def tell_steps(done: int, total: int) -> None:
            at, count = tiles
            of = "" if count is None else f" of {count:,}"
            say(f"Tile {at + 1:,}{of}, step {min(done + 1, total)} of {total}", at * total + done, (count or 1) * total)

        engine.tell_steps(tell_steps)
        yield tell_tiles


def _references(
    card: ModelCard, height: str | None, labels: str | None, quantity: str | None, *, no_reference: bool
) -> dict[LayerId, LayerId | None]:
    """See `batch.predicting.predict_all`."""
    if no_reference:
        return {HEIGHT: None, LABELS: None, QUANTITY: None, SCENE: None, BOXES: None}
    is_whole = card.output(OutputKind.SCENE) is not None and card.output(OutputKind.LABELS) is None
    said = ((HEIGHT, height), (SCENE if is_whole else LABELS, labels), (QUANTITY, quantity))
    return {target: LayerId(layer) for target, layer in said if layer}


def _chosen(
    dataset: Dataset,
    adapter: DatasetAdapter,
    index: "TileIndex",
    project: Path | None,
    names: Sequence[str] | None,
    split: str | None,
    filter_text: str | None,
) -> list[TileEntry]:
    if names:
        return named(dataset, adapter, names)
    if filter_text is not None:
        return filtered(dataset, index, project, queue_filter(split, filter_text) or "")
    return listed(dataset, adapter, split)


def _examples(
    result: "Predicted",
    entries: Sequence[TileEntry],
    card: ModelCard,
    predictor: "Predictor",
    inputs: tuple[LayerSpec, ...],
    compared: Mapping[LayerId, LayerSpec],
    dataset: Dataset,
) -> "tuple[Example, ...]":
    """The worst tiles with pictures of what the model saw and said. They are predicted again: the first time nobody knew."""
    from rsviewer.batch.illustrating import illustrate
    from rsviewer.batch.predicting import fit_tile
    from rsviewer.batch.report import worst_tiles

    worst = worst_tiles(result)
    by_id = {entry.id: entry for entry in entries}

    def again(entry: TileEntry) -> Prediction:
        return predictor.predict(entry.id, fit_tile(card, entry, inputs, dataset))

    found = []
    with progress("Drawing the worst tiles") as tell:
        for number, tile in enumerate(worst):
            tell(number, len(worst))
            found.append(illustrate(by_id[tile], card, compared, inputs[0], again, dataset.tree))
    return tuple(found)


def _document(
    card: ModelCard,
    mark: str,
    sha256: str,
    device: str,
    result: "Predicted",
    out: Path | None,
    reports: Sequence[Path],
) -> dict[str, Any]:
    """What `--json` prints."""
    per_tile = []
    for tile, scores in result.per_tile.items():
        said: dict[str, Any] = {"tile": tile, **{name: value for name, value in scores.items() if math.isfinite(value)}}
        if tile in result.scenes:
            said["scene"] = [{"class": one.name, "probability": one.probability} for one in result.scenes[tile]]
        per_tile.append(said)
    return {
        "model": card.id,
        "fingerprint": mark,
        "sha256": sha256,
        "device": device,
        "tiles": result.tiles,
        "known": result.known,
        "seconds": round(result.seconds, 3),
        "references": dict(result.references),
        "metrics": dict(result.metrics),
        "scene_confusion": _scene_confusion(card, result),
        "per_tile": per_tile,
        "failed": [{"tile": each.tile, "message": each.message} for each in result.failed],
        "remarks": [{"message": each.message, "tiles": each.tiles, "first": each.first} for each in result.remarks],
        "out": None if out is None else str(out.absolute()),
        "reports": [str(report.absolute()) for report in reports],
    }


def _tell(card: ModelCard, device: str, result: "Predicted", out: Path | None, reports: Sequence[Path]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rsviewer.batch.report import metric_rows, rules

    done = len(result.per_tile) - result.known
    speed = f" in {result.seconds:,.1f} s on {device} ({done / result.seconds:,.1f} tiles/s)" if done else ""
    before = f", {result.known:,} known before (--overwrite predicts them anew)" if result.known else ""
    lost = f", {plural(len(result.failed), 'tile')} could not be" if result.failed else ""
    print(f"{card.title}: {plural(done, 'tile')} predicted{speed}{before}{lost}.")
    compared = result.metrics.get("tiles_compared")
    if compared or result.metrics.keys() & IN_WORDS:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("Score", overflow="fold")
        table.add_column("Value", justify="right")
        table.add_column("What it is", overflow="fold")
        for row in metric_rows({name: value for name, value in result.metrics.items() if compared or name != NOTHING}):
            table.add_row(*row)
        console().print(table)
        console().print(rules(result.metrics), style="dim")
        if compared:
            against = ", ".join(f"{word} with {layer}" for word, layer in result.references.items())
            print(f"Compared {against}.")
    elif result.references:
        print(f"Nothing was compared: no tile has anything valid in {', '.join(result.references.values())}.")
    elif card.output(OutputKind.HEIGHT) or card.output(OutputKind.LABELS):
        print("Nothing was compared: no reference for this model. --reference-height or --reference-labels names one.")
    if result.scenes:
        _tell_scenes(card, result)
    for remark in result.remarks[:NAMED]:
        print(f"{plural(remark.tiles, 'tile')}, first {plain(remark.first)}: {plain(remark.message)}")
    for written in (out, *reports):
        if written is not None:
            print(f"Written: {written}")


def _scene_confusion(card: ModelCard, result: "Predicted") -> dict[str, Any] | None:
    """Which classes of tiles were taken for which: tiles, and the shares of each row, which is a class of the reference."""
    from rsviewer.core.scenemetrics import row_shares

    table, output = result.scene_confusion, card.output(OutputKind.SCENE)
    if table is None or output is None:
        return None
    shares = [[round(share, 6) for share in row] for row in row_shares(table).tolist()]
    return {"classes": [one.name for one in output.classes], "tiles": table.tolist(), "shares": shares}


def _tell_scenes(card: ModelCard, result: "Predicted") -> None:
    """How many tiles have each class, or have it among others."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rsviewer.core.scenemetrics import THERE

    output = card.output(OutputKind.SCENE)
    several = output is not None and output.scores is Scores.INDEPENDENT
    said = [
        [one.name for one in classes if one.probability >= THERE] if several else [classes[0].name]
        for classes in result.scenes.values()
    ]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Class on the tile" if several else "Likeliest class", overflow="fold")
    table.add_column("Tiles", justify="right")
    for name, tiles in Counter(name for names in said for name in names).most_common():
        table.add_row(name, f"{tiles:,}")
    console().print(table)
