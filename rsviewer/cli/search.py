"""`rsviewer search`: the tiles that are most like a text, or like another tile, by what `predict` has kept of them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.choosing import SplitOption, each_listed
from rsviewer.cli.console import complain, console, plural, print_json, progress
from rsviewer.cli.options import FormatOption, JsonOption, PathArgument, ProjectOption
from rsviewer.core.errors import ModelError
from rsviewer.core.tile import TileId

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOUND = 20


def search(
    path: PathArgument,
    model: Annotated[str, typer.Option(metavar="CARD", help="Id of a model that can read: skyclip-b32, skyclip-l14.")],
    words: Annotated[str, typer.Argument(metavar="[WORDS]", help='What the tiles show: "a river with a dam".')] = "",
    like: Annotated[str, typer.Option(metavar="ID", help="Tiles like this one, instead of like words.")] = "",
    split: SplitOption = None,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="So many tiles, the nearest first.")] = FOUND,
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at every tile, also among more than a million that have an index.")
    ] = False,
    make_index: Annotated[
        bool,
        typer.Option("--index", help="First make what is missing of the index, of more than a million tiles: minutes."),
    ] = False,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    format_name: FormatOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find tiles by words, or like another tile. Run predict with the same model before: it keeps what a search needs."""
    if bool(words.strip()) == bool(like):
        raise typer.BadParameter("say what to look for in words, or name a tile with --like.", param_hint="words")
    import numpy as np

    from rsviewer.cli.dataset import looked_at
    from rsviewer.core.model import RunOptions, fingerprint
    from rsviewer.core.prompts import takes_words
    from rsviewer.data.embeddings import EmbeddingStore
    from rsviewer.data.likeness import EXACT_UP_TO, features_of, likest, wants_index
    from rsviewer.data.models import Shelf, sealed
    from rsviewer.data.nearindex import NearIndex
    from rsviewer.data.project import Project
    from rsviewer.inference.engine import Engine

    shelf = Shelf()
    shelved = shelf.find(model)
    if shelved.card is None:
        raise ModelError(shelved.message)
    if not takes_words(shelved.card):
        raise ModelError(f"{shelved.card.title} cannot read: take a model that is asked in words, such as skyclip-b32.")
    sha256, options = shelf.sha256(shelved), RunOptions(device)
    card = sealed(shelved.card, sha256)
    with looked_at(path, format_name, project) as (dataset, adapter):
        with Project.open(dataset.root, project, read_only=True) as opened:
            folder = opened.predictions_path / f"{card.id}-{fingerprint(card, sha256, options)}"
        made = EmbeddingStore(folder).read()
        if made is None:
            raise ModelError(f"No tile is ready to be found: run rsviewer predict {path} --model {model} once.")
        entries = {entry.id for entry in each_listed(dataset, adapter, split)}
    places = np.flatnonzero(np.fromiter((tile in entries for tile in made.tiles), bool, len(made.tiles)))
    if like:
        known = features_of(made, TileId(like))
        if known is None:
            raise ModelError(f"{like} is not ready: it is no tile, or was not predicted with this model.")
        query: NDArray[np.floating] = known
    else:
        with Engine(card, shelved.weights, options) as engine:
            query = engine.read([words])[0]
    index = NearIndex(folder)
    if make_index and len(made.tiles) <= EXACT_UP_TO:
        complain(f"No index is made: up to {EXACT_UP_TO:,} tiles, every one is looked at.")
    if make_index and wants_index(made, index):
        with progress("Making the index") as tell:
            index.build(made.images, tell)
    best = likest(made, query, count, None if exact else index, places)
    found = list(zip(best.tiles, best.cosines.tolist(), strict=True))
    missing = len(entries) - len(places)
    if as_json:
        said: dict[str, Any] = {
            "model": card.id,
            "words": words,
            "like": like,
            "searched": len(places),
            "exact": best.is_exact,
            "missing": missing,
        }
        print_json({**said, "found": [{"tile": tile, "nearness": round(cosine, 6)} for tile, cosine in found]})
        return
    _show(found)
    if best.remark:
        complain(best.remark)
    if missing:
        complain(f"{plural(missing, 'tile')} could not be found: rsviewer predict --model {model} makes them ready.")


def _show(found: list[tuple[Any, float]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rsviewer.core.tile import printable

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Tile", overflow="fold")
    table.add_column("Nearness", justify="right")
    for tile, cosine in found:
        table.add_row(printable(tile), f"{cosine:.4f}")
    console().print(table)
