"""Predictions kept in the project: one GeoTIFF for each predicted layer of a tile, with what made it in its tags.

`predictions/<model id>-<fingerprint>/<tile>.<layer>.tif`; derived, may be deleted at any time. They hold the tile's
georeference; an invalid pixel is NaN in heights and in probabilities, and has no label (the file's nodata) in classes.
"""

from pathlib import Path

from rsviewer.core.model import ModelCard
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import TileId


class PredictionStore:
    """The predictions of one model in one folder. May be used from any thread.

    Args:
        folder: where all predictions of a project are kept, or the folder that `predict --out` names.
        card: of the model; its id and title go into names and tags.
        model: fingerprint, see `core.model.fingerprint`.
        sha256: of the weights, for the tags.
    """

    def __init__(self, folder: Path, card: ModelCard, model: str, sha256: str) -> None:
        raise NotImplementedError

    def has(self, tile: TileId) -> bool:
        """Whether the tile was predicted and kept, all its layers."""
        raise NotImplementedError

    def read(self, tile: TileId) -> Prediction | None:
        """What was kept; None where nothing was, or it cannot be read (it is then predicted again)."""
        raise NotImplementedError

    def write(self, prediction: Prediction) -> None:
        """Keeps a prediction: each file is whole or not there. Raises SaveError."""
        raise NotImplementedError

    def path(self, tile: TileId, layer: str) -> Path:
        """Where a layer's file is or would be. Never outside of the folder, whatever the tile is called."""
        raise NotImplementedError
