"""What the plan of the demo world is made of: plots of land, the streets around them, buildings and planted trees."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Use(StrEnum):
    """What a plot is used for."""

    CORE = "core"
    HOUSES = "houses"
    FLATS = "flats"
    COMMERCE = "commerce"
    PARK = "park"
    SPORTS = "sports"
    SITE = "site"
    FIELD = "field"
    MEADOW = "meadow"
    ORCHARD = "orchard"
    FOREST = "forest"
    FARM = "farm"
    QUARRY = "quarry"
    RIVER = "river"


BUILT_UP = frozenset({Use.CORE, Use.HOUSES, Use.FLATS, Use.COMMERCE, Use.PARK, Use.SPORTS, Use.SITE})
"""Uses whose plots have streets with pavements around them."""


class Roof(StrEnum):
    """Shapes of roofs."""

    GABLE = "gable"
    HIP = "hip"
    FLAT = "flat"
    SHED = "shed"


class Epoch(StrEnum):
    """When a building stands."""

    BOTH = "both"
    PRE = "pre"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Street:
    """What runs along one side of a plot: half the width of its carriageway (0: nothing), and its rank, 0 track .. 3 main."""

    half: float
    rank: int


NOTHING, TRACK, LANE, STREET, MAIN = Street(0.0, -1), Street(1.6, 0), Street(2.8, 1), Street(3.6, 2), Street(5.2, 3)


CAR_PARK = 0.34
"""Share of a plot of COMMERCE that is its car park, from the front."""


@dataclass(frozen=True, slots=True)
class Building:
    """A rectangle with a roof, somewhere in the world.

    Attributes:
        east, south: of its middle, metres.
        base: bare ground in its middle, metres above the sea.
        angle: of its long axis, radians from east towards south.
        length, depth: metres; the ridge runs along `length`.
        eaves: height of the walls above the ground in the middle, metres.
        pitch: rise of the roof, metres a metre.
        color: row of the table of roofs.
        seed: of its details.
    """

    east: float
    south: float
    base: float
    angle: float
    length: float
    depth: float
    eaves: float
    pitch: float
    roof: Roof
    color: int
    seed: int
    epoch: Epoch = Epoch.BOTH

    @property
    def reach(self) -> float:
        """Radius of the circle around it, metres."""
        return float(np.hypot(self.length, self.depth)) / 2


@dataclass(frozen=True, slots=True)
class PlantedTree:
    """A tree that stands in its place on purpose: avenues, orchards."""

    east: float
    south: float
    radius: float
    height: float


@dataclass(frozen=True, eq=False)
class Plot:
    """A rectangle of (u, v) with one use.

    Attributes:
        sides: what runs along its west (u0), east (u1), north (v0) and south (v1) side.
        seed: of everything on it.
        is_new: built up between the two dates: bare soil in the pre image.
        cuts: for HOUSES, where the parcels of the two rows meet, in metres from the start of the long axis.
    """

    use: Use
    u0: float
    u1: float
    v0: float
    v1: float
    sides: tuple[Street, Street, Street, Street]
    seed: int
    is_new: bool = False
    buildings: tuple[Building, ...] = ()
    trees: tuple[PlantedTree, ...] = ()
    cuts: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def is_wide(self) -> bool:
        """True where the long axis runs along u."""
        return self.u1 - self.u0 >= self.v1 - self.v0

    @property
    def faces_start(self) -> bool:
        """At which end of the long axis the front is."""
        return self.seed % 2 == 0

    @property
    def length(self) -> float:
        """Metres along the long axis, from street axis to street axis."""
        return max(self.u1 - self.u0, self.v1 - self.v0)

    @property
    def depth(self) -> float:
        """Metres across the long axis."""
        return min(self.u1 - self.u0, self.v1 - self.v0)

    @property
    def margins(self) -> tuple[float, float, float, float]:
        """What streets and pavements take at the start and end of the long axis, then at the start and end of the short one."""
        west, east, north, south = (street.half + pavement(self.use, street) for street in self.sides)
        return (west, east, north, south) if self.is_wide else (north, south, west, east)


def pavement(use: Use, street: Street) -> float:
    """Width of the pavement between street and plot, metres."""
    if street.rank < LANE.rank or use not in BUILT_UP:
        return 0.0
    return (2.6 if use is Use.CORE else 1.7) + (0.6 if street is MAIN else 0.0)
