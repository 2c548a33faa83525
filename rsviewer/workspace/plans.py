"""What is to be done with a model: with which layers, compared with what. Frozen, so that work under way stays what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsviewer.batch.predicting import OUTPUTS, compared_layers
from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import input_layers
from rsviewer.core.judging import MEASURED, default_reference
from rsviewer.core.model import ModelCard, RunOptions, fingerprint, focused
from rsviewer.core.prediction import BOXES, HEIGHT, LABELS, QUANTITY, SCENE, predicted_layers
from rsviewer.core.prompts import takes_words, with_words
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset
from rsviewer.data.models import ShelvedModel, sealed
from rsviewer.data.predictions import PredictionStore
from rsviewer.data.settings import ModelChoice
from rsviewer.data.tree import DISK, Tree
from rsviewer.workspace.outcomes import Added

_CLASSES: Final = (LayerKind.LABELS, LayerKind.MASK)
KINDS: Final = {
    HEIGHT: (LayerKind.HEIGHT,),
    LABELS: _CLASSES,
    QUANTITY: MEASURED,
    SCENE: _CLASSES,
    BOXES: (LayerKind.VECTOR,),
}
"""Predicted layer -> the kinds of layers that it can be compared with."""

InputChoices = tuple[tuple[LayerSpec | None, tuple[LayerSpec, ...]], ...]
ReferenceChoices = Mapping[LayerId, tuple[LayerSpec | None, tuple[LayerSpec, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that decides about the answers.

    Attributes:
        card: of the model, with the outputs that are asked for.
        whole: the same card with all its outputs.
        weights: its file.
        sha256: of the weights.
        options: how it is run.
        fingerprint: of these, see `core.model.fingerprint`.
        inputs: the layers it takes.
        references: what it is compared with.
        store: where predictions are kept; None where they are not.
        is_usual: inputs and references are those of the card: the scores mean the same for everybody, and go into the index.
        tree: where the files of the dataset are.
        features: where those of a model that reads lie, whatever it is asked; None where they do not.
        keeps_features: new ones are added to them.
        bare: changes with everything that makes another answer, but for what a model that reads is asked.
    """

    card: ModelCard
    whole: ModelCard
    weights: Path
    sha256: str
    options: RunOptions
    fingerprint: str
    inputs: tuple[LayerSpec, ...]
    references: Mapping[LayerId, LayerSpec]
    store: PredictionStore | None
    is_usual: bool
    tree: Tree = DISK
    features: Path | None = None
    keeps_features: bool = False
    bare: str = ""

    @property
    def answers(self) -> str:
        """Changes with everything that makes another prediction."""
        return f"{self.card.id}:{self.fingerprint}:{','.join(spec.id for spec in self.inputs)}"

    @property
    def origin(self) -> str:
        """Changes with everything that makes another prediction or another error of it."""
        return f"{self.answers}:{','.join(f'{output}={spec.id}' for output, spec in self.references.items())}"

    @property
    def added(self) -> Added:
        """The layers that it adds to the dataset."""
        layers = predicted_layers(self.card, self.references)
        return Added(self.origin, layers, self.references)


def plan_for(
    dataset: Dataset,
    shelved: ShelvedModel,
    card: ModelCard,
    sha256: str,
    choice: ModelChoice,
    folder: Path | None,
    read_from: Path | None = None,
) -> Plan:
    """The plan that somebody's choice amounts to. Layers that the dataset has not, of an older choice, are passed over.

    Args:
        dataset: whose tiles.
        shelved: the model.
        card: its card.
        sha256: of its weights.
        choice: what the user chose.
        folder: where predictions can be kept; None where nothing may be written.
        read_from: where what is kept can be read, if not there.

    Raises:
        ModelError: the dataset has not what the model needs.
    """
    whole = sealed(card, sha256)
    card = focused(whole, choice.options.output)
    bare = f"{card.id}-{fingerprint(card, sha256, choice.options)}"
    card = with_words(card, choice.words)
    usual_inputs = input_layers(card, dataset.layers)
    chosen = {number: layer for number, layer in enumerate(choice.inputs[: len(card.inputs)]) if layer}
    try:
        inputs = input_layers(card, dataset.layers, chosen)
    except ModelError:
        inputs = usual_inputs
    wanted = {
        output: layer or None
        for output, layer in choice.references.items()
        if output in KINDS
        and card.output(OUTPUTS[output][0]) is not None
        and (not layer or layer in {spec.id for spec in comparable(dataset, card, output)})
    }
    references = compared_layers(dataset, card, wanted)
    print_ = fingerprint(card, sha256, choice.options)
    keeps = choice.kept and folder is not None and inputs == usual_inputs
    store = PredictionStore(folder, card, print_, sha256) if keeps and folder is not None else None
    is_usual = inputs == usual_inputs and references == compared_layers(dataset, card)
    lies_in = (folder or read_from) if takes_words(card) and inputs == usual_inputs else None
    return Plan(
        *(card, whole, shelved.weights, sha256, choice.options, print_, inputs, references, store, is_usual),
        tree=dataset.tree,
        features=None if lies_in is None else lies_in / bare,
        keeps_features=folder is not None,
        bare=f"{bare}:{','.join(spec.id for spec in inputs)}",
    )


def comparable(dataset: Dataset, card: ModelCard, output: LayerId) -> tuple[LayerSpec, ...]:
    """Layers with which an output of a model can be compared: those of its kind, and the one that its card names."""
    own = card.output(OUTPUTS[output][0])
    usual = None if own is None else default_reference(own, dataset.layers)
    return tuple(spec for spec in dataset.layers if spec.kind in KINDS[output] or spec == usual)


def input_choices(dataset: Dataset, plan: Plan) -> InputChoices:
    """For each of the model's inputs the chosen layer and those to choose from."""
    return tuple(
        (spec, tuple(other for other in dataset.layers if other.kind is taken.kind))
        for taken, spec in zip(plan.card.inputs, plan.inputs, strict=True)
    )


def reference_choices(dataset: Dataset, plan: Plan) -> ReferenceChoices:
    """For each comparable output the chosen layer and those to choose from."""
    return {
        output: (plan.references.get(output), comparable(dataset, plan.card, output))
        for output, (kind, _) in OUTPUTS.items()
        if plan.card.output(kind) is not None
    }
