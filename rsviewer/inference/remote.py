"""A model in a process of its own: importing and running it never holds up the window, and it can die without it.

Measured on two cores: while a thread of the same process imports torch and transformers, another one stands still for up to
0.3 s, since loading their libraries holds the interpreter lock. A process has a lock of its own. It also takes the crash of a
driver, a system that is out of memory and kills somebody, and a file that tries something.
"""

from pathlib import Path

from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId


class RemoteEngine:
    """An `Engine` in a child process, which is started by the first `predict` and ends with this one, however that ends.

    Messages are JSON headers with raw arrays behind them: nothing that comes back from the child can run code here.

    Args:
        card, weights, options: see `Engine`.
    """

    def __init__(self, card: ModelCard, weights: Path, options: RunOptions) -> None:
        raise NotImplementedError

    @property
    def device(self) -> str:
        """Where it runs; empty until it is loaded."""
        raise NotImplementedError

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        """Predicts one tile. Raises ModelError, also where the child has died; the next call starts another one."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the child at once. From any thread."""
        raise NotImplementedError
