"""The conversions of tiles and what is asked for each, described once: the dialog is built from it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from rsviewer.batch.converting.clouds import HEIGHT, CloudOrder, convert_clouds, preview_clouds
from rsviewer.batch.converting.colorize import COLORED, ColorOrder, convert_colors, preview_colors
from rsviewer.batch.converting.dataset import (
    DatasetOrder,
    DatasetPreview,
    convert_dataset,
    preview_dataset,
    sort_out,
)
from rsviewer.batch.converting.height255 import Height255Order, NumberFile, convert_heights, preview_heights
from rsviewer.batch.converting.ndsm import Ground, NdsmOrder, convert_ndsm, preview_ndsm
from rsviewer.batch.converting.png import IMAGES, PngOrder, convert_pngs, preview_pngs
from rsviewer.batch.converting.ranges import Scope
from rsviewer.batch.converting.running import Conversion, Preview
from rsviewer.batch.crew import Crew
from rsviewer.batch.runner import Progress
from rsviewer.core.composing import COLORING, image_of
from rsviewer.core.eightbit import Stretch, Stretching
from rsviewer.core.ground import GroundFilter
from rsviewer.core.heights import HeightKind, height_kind
from rsviewer.core.relief import DIFFERENCE
from rsviewer.core.review import Decision
from rsviewer.core.splits import ExportOptions
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.clouds import FORMATS, MESHES
from rsviewer.data.relayout.planning import TileOfLine
from rsviewer.data.relayout.storing import Link
from rsviewer.data.resources import color_table_names

PLACE: Final = "Keep the place on the map"
PLACE_HELP: Final = "Beside a PNG it stands in a file of its own, NAME.png.aux.xml."

Values = Mapping[str, Any]
"""Name of a field -> what is chosen in it."""
Choices = tuple[tuple[str, str], ...]
"""(value, words) of what can be chosen."""
StyleOf = Callable[[LayerId], Style]
"""How a layer is shown in the panes."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is converted.

    Attributes:
        dataset: whose tiles.
        tiles: those that are wanted, in their order.
        left_out: those that are not, since they were dropped.
        decisions: on both.
        tile_of_line: see `DatasetAdapter.tile_of_line`.
    """

    dataset: Dataset
    tiles: Collection[TileEntry]
    left_out: Collection[TileEntry]
    decisions: Mapping[TileId, Decision]
    tile_of_line: TileOfLine


Convert = Callable[[Material, Any, Crew, Progress], Conversion]
"""See `Kind.convert`."""


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


def that_count(fields: Iterable[Field], values: Values) -> list[str]:
    """The names of the fields that mean anything with the values as they are: they depend on others before them."""
    found: list[str] = []
    for field in fields:
        if field.when is None or (field.when[0] in found and values[field.when[0]] in field.when[1]):
            found.append(field.name)
    return found


@dataclass(frozen=True, slots=True)
class Kind:
    """A conversion.

    Attributes:
        id: as on the command line.
        title: in the list.
        help: what it is for, in a sentence or two.
        fields: what is asked about a dataset, given how its layers are shown; the first is shown first.
        why_not: why it cannot be done with a dataset, in a sentence; empty where it can.
        order: from the values of the fields that count, folder and whether to replace, given how layers are shown.
        convert: the material, the order, who does it, and whom to tell how far it is.
        preview: the material, the order.
        drops: whether dropped tiles are left out unless it is said otherwise.
        opens: whether the folder with the results can be opened as a dataset.
        details: what else is to be said of a look ahead, a line each.
    """

    id: str
    title: str
    help: str
    fields: Callable[[Dataset, StyleOf], tuple[Field, ...]]
    why_not: Callable[[Dataset], str]
    order: Callable[[Values, Path, bool, StyleOf], Any]
    convert: Convert
    preview: Callable[[Material, Any], Preview]
    drops: bool = False
    opens: bool = False
    details: Callable[[Any], Sequence[str]] = lambda _: ()


# --- what can be chosen


def of_kind(dataset: Dataset, *kinds: LayerKind) -> list[LayerSpec]:
    """Layers of some kinds, in the order of the dataset."""
    return [spec for spec in dataset.layers if spec.kind in kinds]


def layer_field(name: str, title: str, layers: Sequence[LayerSpec], default: LayerSpec | None = None) -> Field:
    """A choice of layers; the first one unless another is usual."""
    usual = default or (layers[0] if layers else None)
    choices = tuple((str(spec.id), spec.title) for spec in layers)
    return Field(name, title, FieldKind.CHOICE, "" if usual is None else str(usual.id), choices)


def choices_of(words: Mapping[Any, str]) -> Choices:
    """From value -> words."""
    return tuple((str(value), said) for value, said in words.items())


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


def _unit(layers: Sequence[LayerSpec]) -> str:
    """That all of them are in, to be written behind a number."""
    units = {spec.unit for spec in layers}
    return f" {units.pop()}" if len(units) == 1 and units != {""} else ""


def _no_heights(dataset: Dataset) -> str:
    return "" if of_kind(dataset, LayerKind.HEIGHT) else "This dataset has no heights."


def _no_images(dataset: Dataset) -> str:
    return "" if of_kind(dataset, *IMAGES) else "This dataset has no images."


def _nothing_to_color(dataset: Dataset) -> str:
    return "" if of_kind(dataset, *COLORED) else "This dataset has no heights, classes or masks."


def _simply(convert: Callable[..., Conversion]) -> Convert:
    """A conversion that needs nothing but the tiles."""

    def run(given: Material, order: Any, crew: Crew, progress: Progress) -> Conversion:
        return convert(given.dataset, given.tiles, order, crew=crew, progress=progress)

    return run


def _foreseen(preview: Callable[..., Preview]) -> Callable[[Material, Any], Preview]:
    """The look ahead of such a conversion."""
    return lambda given, order: preview(given.dataset, given.tiles, order)


# Pictures

_STRETCH_WORDS: Final = {
    Stretch.CHANNEL: "least to greatest value of each channel",
    Stretch.IMAGE: "least to greatest value of the image",
    Stretch.PERCENT_CHANNEL: "percentiles of each channel",
    Stretch.PERCENT: "percentiles of the image",
    Stretch.TIF2PNG: "channels, then percentiles of the image: as tif2png",
    Stretch.FIXED: "a fixed range",
    Stretch.NONE: "none: as stored",
}


def _png_fields(dataset: Dataset, _: StyleOf) -> tuple[Field, ...]:
    images = of_kind(dataset, *IMAGES)
    percents, fixed = tuple(str(stretch) for stretch in Stretch if stretch.has_percents), (str(Stretch.FIXED),)
    low, high = Stretching().percents
    ends = Field("low", "From", FieldKind.NUMBER, 0.0, (), -1e9, 1e9, 1.0, 4, when=("stretch", fixed))
    return (
        layer_field("layer", "Image", images, image_of(images)),
        Field("stretch", "Stretch", FieldKind.CHOICE, str(Stretch.CHANNEL), choices_of(_STRETCH_WORDS)),
        replace(number("percent_low", "Lower percentile", low, 100.0, " %", step=0.1), when=("stretch", percents)),
        replace(number("percent_high", "Upper percentile", high, 100.0, " %", step=0.1), when=("stretch", percents)),
        ends,
        replace(ends, name="high", title="To", default=255.0),
        Field("gamma", "Gamma", FieldKind.NUMBER, 1.0, (), 0.1, 10.0, 0.1, 2, help="Above 1 brightens the middle."),
        Field("georeference", PLACE, FieldKind.FLAG, default=True, help=PLACE_HELP),
    )


def _png_order(values: Values, out: Path, overwrite: bool, _: StyleOf) -> PngOrder:
    usual = Stretching()
    stretching = Stretching(
        Stretch(values["stretch"]),
        (values.get("percent_low", usual.percents[0]), values.get("percent_high", usual.percents[1])),
        (values.get("low", usual.ends[0]), values.get("high", usual.ends[1])),
        values["gamma"],
    )
    layer, place = LayerId(values["layer"]), values["georeference"]
    return PngOrder(out, layer, stretching=stretching, georeference=place, overwrite=overwrite)


# Heights as whole numbers

_FIXED: Final = "fixed"
_PANE: Final = "pane"
_SCOPE_WORDS: Final = {
    Scope.TILE: "each tile its own",
    Scope.GROUP: "one for each group",
    Scope.DATASET: "one for all tiles",
    _FIXED: "fixed",
}


def _range_fields(percent: float, unit: str, usual: tuple[float, float]) -> tuple[Field, ...]:
    """What the numbers or colours range over."""
    shared = tuple(str(scope) for scope in Scope)
    low = Field("low", "From", FieldKind.NUMBER, usual[0], (), -1e6, 1e6, 1.0, 2, unit, when=("scope", (_FIXED,)))
    cut = number("percent", "Cut off at each end", percent, 49.0, " %", "Of the valid pixels.", 0.5)
    return (
        Field("scope", "Range", FieldKind.CHOICE, str(Scope.TILE), choices_of(_SCOPE_WORDS)),
        replace(cut, when=("scope", shared)),
        low,
        replace(low, name="high", title="To", default=usual[1]),
    )


def _height255_fields(dataset: Dataset, _: StyleOf) -> tuple[Field, ...]:
    heights = of_kind(dataset, LayerKind.HEIGHT)
    files = {NumberFile.TIF: "GeoTIFF", NumberFile.PNG: "PNG"}
    bits = {"8": "0 to 255 (8 bits)", "16": "0 to 65,535 (16 bits)"}
    return (
        layer_field("layer", "Heights", heights),
        Field("bits", "Numbers", FieldKind.CHOICE, "8", choices_of(bits)),
        Field("to", "Files", FieldKind.CHOICE, str(NumberFile.TIF), choices_of(files)),
        *_range_fields(0.0, _unit(heights), (0.0, 100.0)),
        Field("inverted", "Inverted: high is dark", FieldKind.FLAG, default=False),
    )


def _height255_order(values: Values, out: Path, overwrite: bool, _: StyleOf) -> Height255Order:
    is_fixed = values["scope"] == _FIXED
    return Height255Order(
        out,
        NumberFile(values["to"]),
        LayerId(values["layer"]),
        int(values["bits"]),
        Scope.TILE if is_fixed else Scope(values["scope"]),
        (values["low"], values["high"]) if is_fixed else None,
        0.0 if is_fixed else values["percent"],
        values["inverted"],
        overwrite,
    )


def _convert_height255(given: Material, order: Height255Order, crew: Crew, progress: Progress) -> Conversion:
    left_out = [entry.id for entry in given.left_out]
    return convert_heights(given.dataset, given.tiles, order, left_out=left_out, crew=crew, progress=progress)


# Colours


def _color_fields(dataset: Dataset, style_of: StyleOf) -> tuple[Field, ...]:
    """As the first layer is shown in its pane."""
    layers = sorted(of_kind(dataset, *COLORED), key=lambda spec: spec.kind is not LayerKind.HEIGHT)
    scalars = tuple(str(spec.id) for spec in layers if spec.kind.is_scalar)
    style = style_of(layers[0].id)
    tables = tuple((name, name) for name in dict.fromkeys((style.color_table, *color_table_names())))
    scope, *ends = _range_fields(style.percent, _unit(layers[:1]), (style.low, style.high))
    of_scalars = (
        Field("colors", "Colours", FieldKind.CHOICE, style.color_table, tables),
        Field("inverted", "Inverted", FieldKind.FLAG, style.invert),
        replace(scope, default=_PANE, choices=((_PANE, "as in the pane"), *scope.choices)),
        *ends,
        Field("hillshade", "Hillshade", FieldKind.NUMBER, style.hillshade, (), 0.0, 1.0, 0.05),
        Field("bar", "Colour bar beside the picture", FieldKind.FLAG, default=False),
    )
    return (
        layer_field("layer", "Layer", layers),
        Field("to", "Files", FieldKind.CHOICE, "png", choices_of({"png": "PNG", "tif": "GeoTIFF"})),
        *(replace(field, when=field.when or ("layer", scalars)) for field in of_scalars),
        Field("legend", "Legend beside the picture", FieldKind.FLAG, default=False),
        Field("georeference", PLACE, FieldKind.FLAG, default=True, help=PLACE_HELP),
    )


def _color_order(values: Values, out: Path, overwrite: bool, style_of: StyleOf) -> ColorOrder:
    layer, to, words, place = LayerId(values["layer"]), values["to"], values["legend"], values["georeference"]
    style = style_of(layer)
    if "colors" not in values:  # classes have colours of their own
        return ColorOrder(out, to, layer, legend=words, georeference=place, style=style, overwrite=overwrite)
    scope, ends, percent = Scope.TILE, (None, None), None
    if values["scope"] == _FIXED:
        ends = values["low"], values["high"]
    elif values["scope"] != _PANE:
        scope, percent = Scope(values["scope"]), values["percent"]
    return ColorOrder(
        *(out, to, layer, values["colors"], values["inverted"], scope, *ends, percent, values["hillshade"]),
        bar=values["bar"],
        legend=words,
        georeference=place,
        style=style,
        overwrite=overwrite,
    )


# Point clouds

_CLOUD_WORDS: Final = {
    "ply": "PLY: points or a surface with colours",
    "las": "LAS: points at their place on the map",
    "laz": "LAZ: as LAS, compressed",
    "glb": "GLB: a surface with the picture on it",
}


def _cloud_fields(dataset: Dataset, _: StyleOf) -> tuple[Field, ...]:
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


def _cloud_order(values: Values, out: Path, overwrite: bool, _: StyleOf) -> CloudOrder:
    return CloudOrder(
        out,
        values["to"],
        LayerId(values["height"]),
        values["color"],
        values.get("mesh", False),
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


def _ndsm_fields(dataset: Dataset, _: StyleOf) -> tuple[Field, ...]:
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


def _ndsm_order(values: Values, out: Path, overwrite: bool, _: StyleOf) -> NdsmOrder:
    terrain = values.get("terrain")
    how, gsd = GroundFilter(), values.get("gsd", 0.0)
    if "slope" in values:
        how = GroundFilter(*(values[name] for name in ("slope", "window", "threshold", "scaling")))
    return NdsmOrder(
        out,
        LayerId(values["surface"]),
        None if terrain is None else LayerId(terrain),
        Ground(values["ground"]),
        how,
        gsd or None,
        overwrite,
    )


# The dataset

_LAYOUT_WORDS: Final = {
    "synrs3d": "SynRS3D",
    "rs3dbench": "RS3DBench",
    "folders": "folders, with a description that holds the rest",
}
_LINK_WORDS: Final = {
    Link.COPY: "copied",
    Link.HARD: "linked: the same file under two names",
    Link.SYMLINK: "linked: a link that leads to the old file",
}


def _dataset_fields(dataset: Dataset, _: StyleOf) -> tuple[Field, ...]:
    layers = tuple((str(spec.id), spec.title) for spec in dataset.layers if spec.kind is not LayerKind.VECTOR)
    usual = "folders" if dataset.format in ("synrs3d", "rs3dbench") else "synrs3d"
    return (
        Field("to", "Layout", FieldKind.CHOICE, usual, choices_of(_LAYOUT_WORDS)),
        Field("link", "Files that fit", FieldKind.CHOICE, str(Link.COPY), choices_of(_LINK_WORDS)),
        Field("layers", "Layers", FieldKind.SEVERAL, tuple(value for value, _ in layers), layers),
    )


def _dataset_order(values: Values, out: Path, overwrite: bool, _: StyleOf) -> DatasetOrder:
    return DatasetOrder(out, values["to"], tuple(map(LayerId, values["layers"])), Link(values["link"]), overwrite)


def _convert_dataset(given: Material, order: DatasetOrder, crew: Crew, progress: Progress) -> Conversion:
    _, left_out = sort_out(given.left_out, given.decisions, ExportOptions())
    return convert_dataset(
        given.dataset,
        list(given.tiles),
        order,
        tile_of_line=given.tile_of_line,
        left_out=left_out,
        crew=crew,
        progress=progress,
    )


def _preview_dataset(given: Material, order: DatasetOrder) -> DatasetPreview:
    _, left_out = sort_out(given.left_out, given.decisions, ExportOptions())
    return preview_dataset(given.dataset, list(given.tiles), order, tile_of_line=given.tile_of_line, left_out=left_out)


def _dataset_details(ahead: DatasetPreview) -> list[str]:
    """What is copied, what is written anew and why, and what will be different."""
    size = f"{ahead.size / 1e6:,.0f} MB" if ahead.size < 1e9 else f"{ahead.size / 1e9:,.1f} GB"
    about = "" if ahead.is_exact else "about "
    anew = [f"{count:,} files are written anew, {why}." for why, count in ahead.anew.items()]
    lists = [f"Lists: {', '.join(ahead.lists)}."] if ahead.lists else []
    return [f"{ahead.copied:,} of {ahead.files:,} files stay as they are ({about}{size}).", *anew, *lists, *ahead.notes]


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        "png",
        "Images as PNG",
        "8-bit pictures for other programs and for training. What has no value becomes transparent.",
        _png_fields,
        _no_images,
        _png_order,
        _simply(convert_pngs),
        _foreseen(preview_pngs),
        opens=True,
    ),
    Kind(
        "height255",
        "Heights as 0 to 255",
        "Heights as whole numbers, as in RS3DBench. What gives the metres back stands in every file and in a table; a pixel "
        "without a value stays apart.",
        _height255_fields,
        _no_heights,
        _height255_order,
        _convert_height255,
        _foreseen(preview_heights),
        drops=True,
        opens=True,
    ),
    Kind(
        "colorize",
        "Colour pictures",
        "The pixels that the pane shows: heights in the colours of a table, shaded by the sun, or classes in theirs.",
        _color_fields,
        _nothing_to_color,
        _color_order,
        _simply(convert_colors),
        _foreseen(preview_colors),
        opens=True,
    ),
    Kind(
        "cloud",
        "Point clouds and meshes",
        "Heights in space, in the colours of a picture, for other programs.",
        _cloud_fields,
        _no_heights,
        _cloud_order,
        _simply(convert_clouds),
        _foreseen(preview_clouds),
    ),
    Kind(
        "ndsm",
        "Heights above ground",
        "DSM minus DTM, or minus a ground that is estimated (Pingel et al. 2013). Below closed forest and on roofs wider than "
        "the window an estimate is too high.",
        _ndsm_fields,
        _no_surface,
        _ndsm_order,
        _simply(convert_ndsm),
        _foreseen(preview_ndsm),
        opens=True,
    ),
    Kind(
        "dataset",
        "Dataset in another layout",
        "Tiles, layers and split lists as SynRS3D or RS3DBench have them, or as folders with a description. Nothing of this "
        "dataset is changed.",
        _dataset_fields,
        lambda _: "",
        _dataset_order,
        _convert_dataset,
        _preview_dataset,
        drops=True,
        opens=True,
        details=_dataset_details,
    ),
)
"""In the order of the list."""
