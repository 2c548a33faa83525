"""What a tiny sample of a dataset format tells about itself, so that all formats pass the same tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """A dataset that was written.

    Attributes:
        format: name of the adapter that must recognise it by itself.
        root: the folder to open.
        tiles: ids of all its tiles, in order, those included that only a list names.
        layers: ids of all its layers, in order.
        whole: a tile that has all layers a tile can have.
        files: layer of `whole` -> the file that holds it; no entry for layers from tables. Removing a file makes the layer
            missing, cutting it short makes it unreadable.
        without: (tile, layer) -> why: layers that a tile lacks on purpose.
        lists: path of a split list under the root -> ids of the tiles it names, in its order.
        facts: names of the dataset's facts.
        archives: groups of top-level names under the root that are distributed as one archive each, e.g.
            (("ROIs1158_spring",),); empty for one archive of everything.
    """

    format: str
    root: Path
    tiles: tuple[str, ...]
    layers: tuple[str, ...]
    whole: str
    files: Mapping[str, Path]
    without: Mapping[tuple[str, str], str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: tuple[str, ...] = ()
    archives: tuple[tuple[str, ...], ...] = ()


Writer = Callable[[Path], Sample]
"""Writes a sample into an empty folder. Deterministic; some ten small files; values from which a test can tell layers apart."""
