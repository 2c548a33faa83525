"""A prediction beside its reference: the error of every pixel as layers of their own, and the scores of the tile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rsviewer.core.aligning import Align
from rsviewer.core.metrics import HeightScores, LabelScores
from rsviewer.core.model import ModelCard, ModelOutput
from rsviewer.core.prediction import Prediction
from rsviewer.core.tile import LabelClass, LayerContent, LayerId, LayerSpec, Raster, TileId


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What became of a tile, everything that panes, readout, 3D and the model panel show of it.

    Attributes:
        tile: which tile.
        prediction: None where the model gave no answer.
        rasters: layer -> raster, for every layer of `core.prediction.predicted_layers` that there is.
        heights, labels: the tile's scores; None without a reference, or where it has no valid pixel in common.
        remarks: of the prediction and of the comparison.
        why: why there is no prediction, in a sentence; empty where there is one.
    """

    tile: TileId
    prediction: Prediction | None = None
    rasters: Mapping[LayerId, Raster] = field(default_factory=dict)
    heights: HeightScores | None = None
    labels: LabelScores | None = None
    remarks: tuple[str, ...] = ()
    why: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        raise NotImplementedError


def default_reference(output: ModelOutput, layers: Sequence[LayerSpec]) -> LayerSpec | None:
    """The layer that an output is compared with unless the user chooses another; None where none is surely the same thing.

    Heights: the first of `output.reference` that the dataset has, by id; else the only height layer, if its id and title do not
    say that it is another kind of height (heights above ground are not to be judged by a DEM or DSM). Labels: the first label
    layer of which enough classes match, see `matched`.
    """
    raise NotImplementedError


def matched(model: Sequence[LabelClass], dataset: Sequence[LabelClass]) -> Mapping[int, int]:
    """Label of the dataset -> label of the model, by name, whatever the case and the plural; void ones are not in it.

    Empty where fewer than two classes agree: then the classes are different ones and cannot be compared.
    """
    raise NotImplementedError


def judge(
    card: ModelCard,
    prediction: Prediction,
    references: Mapping[LayerId, tuple[LayerSpec, LayerContent]],
    align: Align,
) -> Judgement:
    """Compares a prediction with its references, on the grid of the prediction.

    Heights of another size or CRS are resampled linearly, classes by the nearest neighbour, and a remark says so.

    Args:
        card: of the model.
        prediction: its answer.
        references: `core.prediction.HEIGHT` and `LABELS` -> the layer that holds the truth, as read. One that could not be
            read becomes a remark.
        align: finds the pixels of the reference below those of the prediction.
    """
    raise NotImplementedError
