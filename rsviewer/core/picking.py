"""Which height is under a point of a picture of a tile in space."""

from dataclasses import dataclass

from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import Drawing


@dataclass(frozen=True, slots=True)
class Hit:
    """What is under the mouse.

    Attributes:
        cloud: whose height.
        column, row: of the cloud's grid.
        height: metres.
    """

    cloud: Cloud
    column: int
    row: int
    height: float

    @property
    def on_tile(self) -> tuple[int, int]:
        """(column, row) of the tile's grid."""
        place = self.cloud.place
        x = place.x + (self.column + 0.5) * place.width / self.cloud.columns
        y = place.y + (self.row + 0.5) * place.height / self.cloud.rows
        return int(x // 1), int(y // 1)


def pick(drawing: Drawing, x: float, y: float, reach: float = 4.0) -> Hit | None:
    """The height that is seen at a point of the picture; None where there is only background.

    For a surface the pixel whose part of the nearest triangle is there; for points the nearest one to the eye among those
    whose dot covers the place, else the nearest dot within `reach` pixels.
    """
    raise NotImplementedError
