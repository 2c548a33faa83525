"""What the engine knows of a network, whatever its family."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:  # torch takes more than a second to import, and only some of who use this have it
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from rsviewer.core.fitting import Fitted
    from rsviewer.core.model import ModelCard
    from rsviewer.inference.assembly import Found

Answers: TypeAlias = "Mapping[str, torch.Tensor]"
"""Name of the card's output -> (n, channels, h, w) of the windows' own size, (n, classes) for SCENE, for BOXES (n, objects,
columns), see `inference.objects`.
Heights and quantities before the card's scale and offset; classes as `ModelOutput.scores` says."""

Tell: TypeAlias = Callable[[int, int], None]
"""Is told the steps that are done, and how many there are. Raises RsviewerError where the work is to stop."""


class Network(Protocol):
    """A network with its numbers, on one device.

    Each family's module has `load(card: ModelCard, weights: Path, device: torch.device) -> Network`. It raises
    ModelError with one sentence for a file that is truncated, has wrong keys or shapes, or is no such file at all, and never
    runs what is in it.
    """

    def forward(self, windows: "torch.Tensor") -> Answers:
        """Predicts windows of one size. In inference mode, under autocast where asked for.

        Args:
            windows: (n, bands, h, w) float32, normalised, on the network's device; h and w are multiples of the framing's.
                Several dates of a tile stand behind each other, the earliest first: then there are as many times more bands.

        Raises:
            ModelError: it does not take windows of this size, or fails, in a sentence that says so. Lack of memory may be its
                cause, or be raised as it comes: see `devices.is_out_of_memory`.
        """

    def move(self, device: "torch.device") -> None:
        """Goes to another device: the processor, when the GPU has no room. Raises what lack of memory raises."""


@runtime_checkable
class Beholder(Protocol):
    """A `Network` that takes a tile as it is and makes it fit itself, instead of windows that others cut and normalise."""

    def look(self, fitted: "Fitted") -> "Found":
        """Says what there is to say of a tile. In inference mode, under autocast where asked for.

        Args:
            fitted: the tile, as `core.fitting.fit` made it.

        Raises:
            ModelError: see `Network.forward`.
        """


@runtime_checkable
class Stepwise(Protocol):
    """A `Network` that takes many steps for one tile."""

    def attend(self, tile: str, tell: Tell) -> None:
        """Is called before each tile.

        Args:
            tile: its id, which is the seed of what is random: the same tile gives the same answer.
            tell: to be called before the first step and after each.
        """


@runtime_checkable
class Adjustable(Protocol):
    """A `Network` whose options are values of each tile: other ones are no reason to load it again."""

    def adjust(self, card: "ModelCard") -> None:
        """Takes over what was chosen for a run, as the settings of the card say it. Raises ModelError."""


@runtime_checkable
class Keeping(Protocol):
    """A `Network` that keeps some of what it has computed for the tiles that come next."""

    def forget(self) -> None:
        """Lets go of it: for want of memory, to be measured, or since another precision is asked for."""


@runtime_checkable
class Chooser(Keeping, Protocol):
    """A `Network` with outputs that need not be computed together: a head each, on what all of them have in common."""

    def ask(self, outputs: Sequence[str]) -> None:
        """Names the outputs that `forward` answers from now on. Before, those are all that the card has."""


@runtime_checkable
class Reading(Protocol):
    """A `Network` that can also be asked what it makes of texts."""

    def read(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """The features of captions, (texts, n), each of length 1: comparable with those of tiles. In inference mode."""


@runtime_checkable
class Guest(Protocol):
    """A `Network` that another library runs than torch: where that can, and in the precision that its file was exported in."""

    @property
    def device(self) -> "torch.device":
        """Where it runs, which need not be where it was told to."""

    @property
    def remark(self) -> str:
        """Why it runs elsewhere, a sentence; empty where it does not."""
