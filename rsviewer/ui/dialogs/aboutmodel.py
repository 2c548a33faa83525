"""Everything that a model's card says, to read and to copy."""

from PySide6.QtWidgets import QPlainTextEdit, QWidget

from rsviewer.core.model import ModelCard, ModelInput, ModelOutput, OutputKind
from rsviewer.data.models import ShelvedModel
from rsviewer.ui.dialogs.dialog import Dialog, Words, dim_label, heading

KINDS = {
    OutputKind.HEIGHT: "a height for every pixel",
    OutputKind.LABELS: "a class for every pixel",
    OutputKind.SCENE: "a class for the whole tile",
    OutputKind.QUANTITY: "a number for every pixel",
    OutputKind.BOXES: "objects in boxes",
}


class AboutModelDialog(Dialog):
    """The card of a model, read-only."""

    def __init__(self, model: ShelvedModel, parent: QWidget | None = None) -> None:
        title = model_title(model)
        super().__init__(f"About {title}", (560, 560), parent)
        self.text = QPlainTextEdit(about(model))
        self.text.setReadOnly(True)
        self.column.addWidget(heading(title))
        if model.card is not None and model.card.description:
            self.column.addWidget(dim_label(model.card.description, wrap=True))
        trouble = Words()
        trouble.say(model.message, "warn")
        self.column.addWidget(trouble)
        self.column.addWidget(self.text, 1)


def model_title(model: ShelvedModel) -> str:
    """What a model is called, whether or not its card can be read."""
    return model.card.title if model.card is not None and model.card.title else model.id


def about(model: ShelvedModel) -> str:
    """A card in words, one fact a line; where it cannot be read, what is known of the model without it."""
    card = model.card
    if card is None:
        return _facts({"Name": model.id, "Weights": str(model.weights)})
    parts = [
        _facts({"Name": model.id, "Kind": card.family, "Licence": card.licence or "not said", "Source": card.source}),
        _list("Takes", [_input(one) for one in card.inputs]),
        _list("Gives", [_output(one) for one in card.outputs]),
        _list("Tiles are cut", [one.title or one.id for one in card.framings]),
        _weights(model, card),
        _list("Settings", [f"{name} = {value}" for name, value in card.settings.items()]),
        f"To cite\n{card.citation.strip()}" if card.citation.strip() else "",
    ]
    return "\n\n".join(filter(None, parts))


def _weights(model: ShelvedModel, card: ModelCard) -> str:
    weights = card.weights
    facts = {
        "Weights": str(model.weights),
        "State": str(model.presence),
        "Size": f"{weights.nbytes / 1e6:,.1f} MB" if weights.nbytes else "",
        "SHA-256": weights.sha256,
        "Page": weights.page,
        "Hub": "/".join(filter(None, (weights.repository, weights.path))),
    }
    return _facts(facts)


def _input(one: ModelInput) -> str:
    words = [f"{one.kind}{f' ({one.date})' if one.date else ''}: {', '.join(one.bands) or 'as it is'}"]
    if one.high:
        words.append(f"full brightness {one.high:g}")
    if one.mean and one.std:
        words.append(f"mean {_numbers(one.mean)}, deviation {_numbers(one.std)}")
    return "; ".join(words)


def _output(one: ModelOutput) -> str:
    words = [f"{one.title or one.kind}: {KINDS[one.kind]}"]
    if one.kind in (OutputKind.HEIGHT, OutputKind.QUANTITY) and one.unit:
        words[0] += f", in {one.unit}"
    if one.named:
        count = f"{len(one.named)} {'class' if len(one.named) == 1 else 'classes'}"
        words.append(f"{count}: {', '.join(item.name for item in one.named)}")
    return "; ".join(words)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _facts(facts: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value)


def _list(title: str, lines: list[str]) -> str:
    return "\n".join((title, *(f"– {line}" for line in lines))) if lines else ""
