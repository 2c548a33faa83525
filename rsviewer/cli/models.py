"""`rsviewer models`: the models on this machine. What is done to them is a command of its own below it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsviewer.cli.console import Progress, console, plain, print_json, progress
from rsviewer.cli.options import JsonOption, OverwriteOption
from rsviewer.core.errors import RsviewerError
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOption, ModelOutput, OutputKind, Scores
from rsviewer.core.pipelines import FAMILIES

if TYPE_CHECKING:
    from rsviewer.data.models import Shelf, ShelvedModel

MB = 1_000_000
NAMED_CLASSES = 12
"""So many classes of an output are named; --json lists all."""

DONE, NOT_HERE = 0, 1

STYLES = {"here": "green", "missing": "dim", "changed": "red", "broken": "red"}
"""Presence -> how it is shown."""

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Id of a model, or the path of a card.", show_default=False)
]
OwnArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Id of a model.", show_default=False)]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Yes, this file may run programs here: I know where it comes from.")
]

models = typer.Typer(help="The models on this machine: list, show, add, remove, download.")


@models.callback()
def _models() -> None:
    """The models on this machine: list, show, add, remove, download."""


@models.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List what is here, what is missing, and where that is offered."""
    shelf = _shelf()
    shelved = shelf.models()
    if as_json:
        print_json([_document(shelf, model) for model in shelved])
    else:
        _show_table(shelved)


@models.command("show")
def show(
    model: ModelArgument,
    verify: Annotated[bool, typer.Option("--verify", help="Also read the weights and compare their hash.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Show what a model takes, gives, and comes from. Exit code 1 where its weights are not here or not the right ones."""
    shelf = _shelf()
    shelved = shelf.find(model)
    if verify and shelved.presence == "here":
        try:
            shelf.sha256(shelved)
        except RsviewerError:
            shelved = shelf.find(model)  # which knows by now what is wrong
    if as_json:
        print_json(_document(shelf, shelved))
    else:
        _show_model(shelved)
    return DONE if shelved.presence == "here" else NOT_HERE


@models.command("add")
def add(
    file: Annotated[
        Path, typer.Argument(help="The weights; of a model of several networks, its folder.", show_default=False)
    ],
    card: Annotated[
        str | None,
        typer.Option(
            metavar="CARD", help="Card of the model: a TOML file, or the id of one. Without it, the file is recognised."
        ),
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="What a recognised file does not say, e.g. labels=multi. May be repeated.",
        ),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Leave the file where it is, and use it there.")] = False,
    overwrite: OverwriteOption = False,
    trust: TrustOption = False,
) -> None:
    """Put weights on the shelf, and check that they are the card's."""
    shelf = _shelf()
    said = _proposed(shelf, file.expanduser(), card, _pairs(answers or []))
    _check_trust(said, trust=trust)
    with _bytes("Hashing" if link or said.family in FAMILIES else "Copying") as report:
        added = shelf.add(file, said, link=link, overwrite=overwrite, progress=report)
    _settle(shelf, added, trust=trust)


@models.command("remove")
def remove(model: OwnArgument) -> None:
    """Forget a model that was added. A copy is deleted, a linked file is left alone."""
    shelf = _shelf()
    shelved = shelf.find(model)
    shelf.remove(model)
    linked = shelved.card is not None and Path(shelved.card.weights.file).is_absolute()
    print(f"{model} was removed.{f' {shelved.weights} was left where it is.' if linked else ''}")


@models.command("download")
def download(model: OwnArgument, trust: TrustOption = False) -> None:
    """Fetch weights from where the card says. Stopped and called again, it goes on."""
    shelf = _shelf()
    shelved = shelf.find(model)
    if shelved.presence == "here":
        print(f"{model} is here already: {shelved.weights}")
        return
    if shelved.card is not None:
        _check_trust(shelved.card, trust=trust)
    with _bytes("Downloading") as report:
        added = shelf.download(model, report)
    _settle(shelf, added, trust=trust)


def _shelf() -> "Shelf":
    from rsviewer.data.models import Shelf

    return Shelf()


def _proposed(shelf: "Shelf", file: Path, card: str | None, answers: Mapping[str, str]) -> ModelCard:
    """The card that was named, or that a file is recognised by. Raises RsviewerError where something has to be said first."""
    from rsviewer.data.proposals.proposal import Question
    from rsviewer.data.proposals.recognising import completed, propose

    named = None if card is None else shelf.card_of(card)
    if answers and named is not None and named.family not in FAMILIES:
        raise typer.BadParameter("the card says it all: leave one of them out.", param_hint="--set")
    found = propose(file, answers) if named is None else completed(named, file, answers)
    if isinstance(found, Question):
        raise RsviewerError(f"{found.asks} Add {found.advice}. Nothing was added.")
    if named is not None:
        return found.card
    print(f"Recognised: {found.card.title}.{f' {plain(found.told)}' if found.told else ''}")
    return found.card


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE as a dictionary."""
    pairs = [word.partition("=") for word in words]
    if any(not equals for _, equals, _ in pairs):
        raise typer.BadParameter("write KEY=VALUE, for example labels=multi.", param_hint="--set")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _check_trust(card: ModelCard, *, trust: bool) -> None:
    """Raises RsviewerError for a file that can hold programs, unless the user said yes."""
    from rsviewer.data.models import RUNS_CODE

    if card.family in RUNS_CODE and not trust:
        raise RsviewerError(
            f"{card.title} is a file of the family {card.family}, which can hold programs; they run with your rights when the "
            "model is used. If you know where the file comes from and rely on it, say so with --trust. Nothing was added."
        )


def _settle(shelf: "Shelf", added: "ShelvedModel", *, trust: bool) -> None:
    """Says what was added, and remembers the yes to it."""
    if added.card is None:
        return
    if added.runs_code and trust:  # the card may have become another one since it was looked at
        shelf.allow(added.card.weights.sha256)
    print(f"{added.id} was added, {_size(added)}: {added.weights}")
    print(f"SHA-256 {added.card.weights.sha256}")
    print(f"Use it: rsviewer predict PATH --model {added.id}")


@contextmanager
def _bytes(words: str) -> Iterator[Progress]:
    """A bar that counts megabytes."""
    with progress(words, "MB") as report:
        yield lambda done, total: report(done // MB, None if total is None else total // MB)


def _document(shelf: "Shelf", shelved: "ShelvedModel") -> dict[str, Any]:
    """What `--json` prints of a model."""
    card = shelved.card
    return {
        "id": shelved.id,
        "title": card.title if card else "",
        "family": card.family if card else "",
        "predicts": [output.kind for output in card.outputs] if card else [],
        "presence": shelved.presence,
        "message": shelved.message,
        "builtin": shelved.builtin,
        "weights": str(shelved.weights),
        "nbytes": _nbytes(shelved),
        "sha256": card.weights.sha256 if card else "",
        "runs_code": shelved.runs_code,
        "allowed": not shelved.runs_code or (card is not None and shelf.is_allowed(card.weights.sha256)),
        "licence": card.licence if card else "",
        "page": card.weights.page if card else "",
        "repository": card.weights.repository if card else "",
        "card": asdict(card) if card else None,
    }


def _show_table(shelved: Sequence["ShelvedModel"]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("model", "predicts", "weights", "size", "licence", "offered at"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    for model in shelved:
        card = model.card
        name = Text(model.id, style="bold")
        name.append(f"\n{card.title if card else 'unusable card'}", style="dim")
        table.add_row(
            name,
            ", ".join(_predicts(output) for output in card.outputs) if card else "",
            Text(model.presence, style=STYLES[model.presence]),
            _size(model),
            card.licence if card else "",
            card.weights.page or card.weights.repository if card else "",
        )
    out = console()
    out.print(table)
    for model in shelved:
        if model.message:
            out.print()
            out.print(Text.assemble((f"{model.id}: ", "bold"), model.message))


def _show_model(shelved: "ShelvedModel") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(shelved):
        if value:
            table.add_row(name, Text(value))
    out = console()
    out.print(table)
    if shelved.message:
        out.print()
        out.print(Text(shelved.message, style=STYLES[shelved.presence]))


def _rows(shelved: "ShelvedModel") -> Iterator[tuple[str, str]]:
    """Name and value of what there is to say; an empty value is not said."""
    card = shelved.card
    yield "id", shelved.id
    if card is None:
        return
    yield "title", card.title
    yield "description", card.description
    yield from _numbered("input", card.inputs, _input)
    yield from _numbered("output", card.outputs, _output)
    yield from _numbered("framing", card.framings, _framing)
    yield from _numbered("option", card.options, _option)
    yield "settings", ", ".join(f"{key} = {value}" for key, value in card.settings.items())
    yield "turned, flipped", "" if card.augmentable else "no: the answer does not turn with the tile"
    yield "family", f"{card.family}{', whose files can hold programs' if shelved.runs_code else ''}"
    yield "weights", f"{shelved.presence}: {shelved.weights}"
    yield "size", _size(shelved)
    yield "SHA-256", card.weights.sha256
    yield "offered at", card.weights.page
    yield "repository", " ".join(filter(None, (card.weights.repository, card.weights.path)))
    yield "licence", card.licence
    yield "source", card.source
    yield "citation", card.citation


def _numbered(name: str, parts: Sequence[Any], say: Callable[[Any], str]) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(parts, start=1):
        yield f"{name} {number}" if len(parts) > 1 else name, say(part)


def _input(part: ModelInput) -> str:
    date = f" ({part.date})" if part.date else ""
    scale = f", 0 to {part.high:g}" if part.high else ""
    scale = scale if part.stretch or not part.high else f", raw values (shares times {part.high:g})"
    scale += "" if part.nan is None else f", invalid ones as {part.nan:g}"
    scale += ", cut to {:g}..{:g}".format(*part.clip) if part.clip else ""
    normal = f", minus {_numbers(part.mean)}, over {_numbers(part.std)}" if part.mean else ""
    return f"{part.kind}{date}: {', '.join(part.bands)}{scale}{normal}"


def _output(part: ModelOutput) -> str:
    classes = ", ".join(f"{one.value} {one.name}" for one in part.named[:NAMED_CLASSES])
    more = f" and {len(part.named) - NAMED_CLASSES} more" if len(part.named) > NAMED_CLASSES else ""
    compared = f"; compared with {', '.join(part.reference)}" if part.reference else ""
    return f"{_predicts(part)}{f': {classes}{more}' if classes else ''}{compared}"


def _framing(part: Framing) -> str:
    words = [part.id, f"({part.title})" if part.title else ""]
    for value, said in (
        (part.window, f"windows of {part.window} every {part.stride or part.window // 2}"),
        (part.multiple > 1, f"sides in multiples of {part.multiple}"),
        (part.crop, f"only {part.crop} in the middle"),
    ):
        words.append(said if value else "")
    return ", ".join(filter(None, (" ".join(filter(None, words[:2])), *words[2:])))


def _option(part: ModelOption) -> str:
    if part.switch:
        return f"{part.id}: on or off, else {'on' if part.default else 'off'}"
    zero = f"; 0 is {part.zero}" if part.zero else ""
    return f"{part.id}: {part.low} to {part.high}, else {part.default}{zero}"


def _predicts(output: ModelOutput) -> str:
    if output.kind in (OutputKind.HEIGHT, OutputKind.QUANTITY):
        return f"{output.title or output.kind} ({output.unit})" if output.unit else output.title or str(output.kind)
    what = output.title or ("scene" if output.kind is OutputKind.SCENE else "labels")
    several = ", several at once" if output.scores is Scores.INDEPENDENT else ""
    return f"{what} ({len(output.named)} {'class' if len(output.named) == 1 else 'classes'}{several})"


def _numbers(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _nbytes(shelved: "ShelvedModel") -> int:
    """0 where nobody knows."""
    told = shelved.card.weights.nbytes if shelved.card else 0
    return told or (shelved.weights.stat().st_size if shelved.weights.is_file() else 0)


def _size(shelved: "ShelvedModel") -> str:
    nbytes = _nbytes(shelved)
    return "" if not nbytes else f"{nbytes / MB:,.1f} MB" if nbytes >= MB else f"{nbytes / 1000:.1f} kB"
