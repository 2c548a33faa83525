"""The conversions of tiles and what is asked for each, described once: the dialog is built from it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from rsviewer.batch.converting.clouds import HEIGHT, CloudOrder, convert_clouds, preview_clouds
from rsviewer.batch.converting.ndsm import Ground, NdsmOrder, convert_ndsm, preview_ndsm
from rsviewer.batch.converting.running import Conversion, Preview
from rsviewer.core.composing import COLORING
from rsviewer.core.ground import GroundFilter
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.relief import DIFFERENCE
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset
from rsviewer.data.clouds import FORMATS, MESHES

Values = Mapping[str, Any]
"""Name of a field -> what is chosen in it."""
Choices = tuple[tuple[str, str], ...]
"""(value, words) of what can be chosen."""


class FieldKind(StrEnum):
    """What is asked for."""

    CHOICE = "choice"
    NUMBER = "number"
    FLAG = "flag"
    SEVERAL = "several"
    """Some of the choices: a set of values."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked.

    Attributes:
        name: of its value.
        title: before it.
        kind: see FieldKind.
        default: a value: text for CHOICE, float for NUMBER, bool for FLAG, tuple of texts for SEVERAL.
        choices: for CHOICE and SEVERAL.
        low, high, step, decimals, unit: for NUMBER.
        lowest: for NUMBER: what is shown in the place of `low`, which then means something of its own; empty for none.
        help: for a tool tip; empty for none.
        when: (name of another field, the values of it with which this one counts); None for always.
    """

    name: str
    title: str
    kind: FieldKind
    default: Any
    choices: Choices = ()
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    decimals: int = 2
    unit: str = ""
    lowest: str = ""
    help: str = ""
    when: tuple[str, tuple[Any, ...]] | None = None

    def counts(self, values: Values) -> bool:
        """Whether it means anything with the other values as they are."""
        return self.when is None or values.get(self.when[0]) in self.when[1]


@dataclass(frozen=True, slots=True)
class Kind:
    """A conversion.

    Attributes:
        id: as on the command line.
        title: in the list.
        help: what it is for, in a sentence or two.
        fields: what is asked about a dataset; the first is shown first.
        why_not: why it cannot be done with a dataset, in a sentence; empty where it can.
        order: from the dataset, values, folder and whether to replace.
        convert, preview: see `batch.converting`.
        drops: whether dropped tiles are left out unless it is said otherwise.
        opens: whether the folder with the results can be opened as a dataset.
    """

    id: str
    title: str
    help: str
    fields: Callable[[Dataset], tuple[Field, ...]]
    why_not: Callable[[Dataset], str]
    order: Callable[[Dataset, Values, Path, bool], Any]
    convert: Callable[..., Conversion]
    preview: Callable[..., Preview]
    drops: bool = False
    opens: bool = False


# --- what can be chosen


def of_kind(dataset: Dataset, *kinds: LayerKind) -> list[LayerSpec]:
    """Layers of some kinds, in the order of the dataset."""
    return [spec for spec in dataset.layers if spec.kind in kinds]


def layer_field(name: str, title: str, layers: Sequence[LayerSpec], default: LayerSpec | None = None) -> Field:
    """A choice of layers; the first one unless another is usual."""
    usual = default or (layers[0] if layers else None)
    choices = tuple((str(spec.id), spec.title) for spec in layers)
    return Field(name, title, FieldKind.CHOICE, "" if usual is None else str(usual.id), choices)


def number(
    name: str,
    title: str,
    default: float,
    high: float,
    unit: str = "",
    words: str = "",
    step: float = 1.0,
    lowest: str = "",
) -> Field:
    """A number from 0 on; `lowest` is shown for 0."""
    return Field(name, title, FieldKind.NUMBER, default, (), 0.0, high, step, 2, unit, lowest, words)


def _no_heights(dataset: Dataset) -> str:
    return "" if of_kind(dataset, LayerKind.HEIGHT) else "This dataset has no heights."


# Point clouds

_CLOUD_WORDS: Final = {
    "ply": "PLY: points or a surface with colours",
    "las": "LAS: points at their place on the map",
    "laz": "LAZ: as LAS, compressed",
    "glb": "GLB: a surface with the picture on it",
}


def _cloud_fields(dataset: Dataset) -> tuple[Field, ...]:
    heights = of_kind(dataset, LayerKind.HEIGHT)
    colors: Choices = (
        ("", "the tile's first image"),
        *((str(spec.id), spec.title) for spec in of_kind(dataset, *COLORING)),
        *(((HEIGHT, "their height"),) if HEIGHT not in {spec.id for spec in dataset.layers} else ()),
        *(((DIFFERENCE, "the difference of two heights"),) if len(heights) > 1 else ()),
    )
    return (
        Field("to", "Format", FieldKind.CHOICE, "ply", tuple((each, _CLOUD_WORDS[each]) for each in FORMATS)),
        layer_field("height", "Heights", heights),
        Field("color", "Coloured by", FieldKind.CHOICE, "", tuple(dict.fromkeys(colors))),
        Field(
            "mesh", "Surface: triangles between the points", FieldKind.FLAG, default=False, when=("to", (MESHES[0],))
        ),
    )


def _cloud_order(_: Dataset, values: Values, out: Path, overwrite: bool) -> CloudOrder:
    return CloudOrder(
        out,
        values["to"],
        LayerId(values["height"]),
        values["color"],
        bool(values["mesh"]) and values["to"] == MESHES[0],
        overwrite,
    )


# Heights above ground

_GROUND_WORDS: Final = {
    Ground.AUTO: "the DTM where a tile has one, else estimated",
    Ground.LAYER: "the DTM",
    Ground.ESTIMATE: "estimated from the surface",
}


def _surfaces(dataset: Dataset) -> list[LayerSpec]:
    """Heights that may be those of a surface."""
    others = (HeightKind.ABOVE_GROUND, HeightKind.GROUND)
    return [spec for spec in of_kind(dataset, LayerKind.HEIGHT) if height_kind(spec.id, spec.title) not in others]


def _no_surface(dataset: Dataset) -> str:
    return "" if _surfaces(dataset) else "This dataset has no heights of a surface."


def _ndsm_fields(dataset: Dataset) -> tuple[Field, ...]:
    heights = of_kind(dataset, LayerKind.HEIGHT)
    named = {height_kind(spec.id, spec.title): spec for spec in reversed(heights)}
    surface, terrain = named.get(HeightKind.SURFACE), named.get(HeightKind.GROUND)
    sources = tuple(_GROUND_WORDS.items()) if len(heights) > 1 else ((Ground.ESTIMATE, _GROUND_WORDS[Ground.ESTIMATE]),)
    choices = tuple((str(value), words) for value, words in sources)
    usual = str(Ground.AUTO if terrain is not None else Ground.ESTIMATE)
    estimated, laid = (str(Ground.AUTO), str(Ground.ESTIMATE)), (str(Ground.AUTO), str(Ground.LAYER))
    how = GroundFilter()
    fields = [
        layer_field("surface", "Surface", _surfaces(dataset), surface),
        Field("ground", "Ground", FieldKind.CHOICE, usual, choices),
    ]
    if len(heights) > 1:
        other = terrain or next((spec for spec in heights if spec is not surface), None)
        fields.append(replace(layer_field("terrain", "Ground layer", heights, other), when=("ground", laid)))
    estimates = (
        number("slope", "Steepest ground", how.slope, 10.0, " m per m", "What rises more steeply is an object.", 0.05),
        number("window", "Widest object", how.window, 1000.0, " m", "Half the width of the widest building."),
        number("threshold", "Above ground up to", how.threshold, 100.0, " m", "So far above it is still ground.", 0.1),
        number("scaling", "and by the slope", how.scaling, 100.0, " m", "So much more on ground of slope 1.", 0.05),
        number("gsd", "Size of a pixel", 0.0, 100.0, " m", "", 0.1, "as the files say"),
    )
    return (*fields, *(replace(field, when=("ground", estimated)) for field in estimates))


def _ndsm_order(_: Dataset, values: Values, out: Path, overwrite: bool) -> NdsmOrder:
    terrain = values.get("terrain")
    how = GroundFilter(*(float(values[name]) for name in ("slope", "window", "threshold", "scaling")))
    return NdsmOrder(
        out,
        LayerId(values["surface"]),
        None if not terrain or values["ground"] == Ground.ESTIMATE else LayerId(terrain),
        Ground(values["ground"]),
        how,
        float(values["gsd"]) if math.isfinite(values["gsd"]) and values["gsd"] > 0 else None,
        overwrite,
    )


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        "cloud",
        "Point clouds and meshes",
        "Heights in space, in the colours of a picture, for other programs.",
        _cloud_fields,
        _no_heights,
        _cloud_order,
        convert_clouds,
        preview_clouds,
    ),
    Kind(
        "ndsm",
        "Heights above ground",
        "DSM minus DTM, or minus a ground that is estimated (Pingel et al. 2013). Below closed forest and on roofs wider than "
        "the window an estimate is too high.",
        _ndsm_fields,
        _no_surface,
        _ndsm_order,
        convert_ndsm,
        preview_ndsm,
    ),
)
"""In the order of the list."""
