"""The description of a dataset that no format knows: which folders are its layers. Read from TOML and written as TOML.

    title = "Change pairs"
    lists = ["list/*.txt"]        # without this line: the text files of the root that look like lists

    [[layers]]
    id = "pre_image"
    folder = "A"                  # "{group}/images" where the same folders repeat for each city, scene or part
    kind = "optical"              # optical, sar, height, labels, mask, text
    date = "pre"

    [[layers]]
    id = "height"
    folder = "dsm"
    kind = "height"
    suffix = "_dsm"               # 17_dsm.tif is the height of the tile 17
    unit = "m"
    scale = 0.01                  # stored in centimetres
    nodata = -9999
    classes = []                  # [{ value = 1, name = "Road", color = "#ffffff", void = false }, ...]

    [[layers]]
    id = "sentinel2"
    folder = "{city}/{season}"    # one folder each: "aachen/summer" is the group, city and season are columns for filters
    files = ["{tile}_B04.tif", "{tile}_B03.tif", "{tile}_B02.tif"]    # the bands; or file = "{tile}_rgb.tif"
    kind = "optical"
    bands = ["B04", "B03", "B02"]
    combinations = [{ name = "False colour", bands = ["B02", "B04", "B03"] }, { name = "X", normalised = ["B04", "B03"] }]

    [[layers]]
    id = "landcover"
    folder = "labels/{city}/{season}"
    kind = "labels"
    take = [0]                    # the first band of the file
    values = { 10 = 1, 20 = 2 }   # stored 10 means 1; other values stay as they are
    palette = "openearthmap"      # or classes; see PALETTES

{tile} may stand in the folder, too, where each tile has a folder of its own: folder = "{tile}", file = "rgb.tif".

`FIELDS`, `LAYER_FIELDS` and `CLASS_FIELDS` name all keys.
"""

import difflib
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

from rsviewer.core.combinations import Channel, Combination, Operation
from rsviewer.core.errors import SettingsError
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data.catalogue import RASTER_SUFFIXES, TEXT_SUFFIXES, suffix_of
from rsviewer.data.datasets.geonrw import CLASSES as GEONRW
from rsviewer.data.datasets.synrs3d import DFC19, ISPRS, LANDCOVER
from rsviewer.data.guess import CHANGE
from rsviewer.data.patterns import Pattern

GROUP = "{group}"
"""In the folder of a layer: any folder or folders, whose names are the group."""

TILE = "{tile}"
"""In the folder or file of a layer: the name of the tile."""

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""In the folder of a layer: any one name, but for those that other layers write out there. Names that are found make the
group, in their order, and are facts of the tile."""

MOST_IN_A_NAME = 3
"""So many placeholders in one name: finding out what each stands for takes a power of that."""

PALETTES: Mapping[str, tuple[LabelClass, ...]] = {
    "openearthmap": LANDCOVER,
    "dfc19": DFC19,
    "isprs": ISPRS,
    "geonrw": GEONRW,
    "change": CHANGE,
}
"""Classes that many datasets share."""

MOST_LAYERS = 256
"""So many layers, and files of a layer, a description may name."""

MOST_STORED = 65_535
"""The largest stored value that may be given another meaning, and the last band of a file."""

MOST_LETTERS = 1000
"""Of a text."""

MOST_ITEMS = 4096
"""So many classes, bands and other things a list may hold, if nothing else is said."""

MOST_LISTS = 64
"""So many patterns of lists a description may have."""

MOST_LEVELS = 24
"""So many folders deep a layer or a list may lie."""

MOST_FILES = 2048
"""So many files all layers of a tile may have together."""

KINDS = tuple(kind for kind in LayerKind if kind is not LayerKind.VECTOR)

_SUFFIXES = {*RASTER_SUFFIXES, *TEXT_SUFFIXES}
_BEYOND = 10**300
_LONGEST_SAID = 200


@dataclass(frozen=True, slots=True)
class LayerFolder:
    """Where one layer lies and what it is.

    Attributes:
        spec: what the layer is.
        folder: under the root, "/" between parts, "." for the root itself; may hold placeholders, GROUP once. Case does
            not matter.
        prefix: what file names have before the name of the tile.
        suffix: what they have after it, before the dot.
        files: patterns of file names instead of prefix and suffix, each with TILE unless that is in the folder; several are
            the bands of the layer. Empty for one file that prefix and suffix name.
    """

    spec: LayerSpec
    folder: str
    prefix: str = ""
    suffix: str = ""
    files: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names of its files: one, or one for each band."""
        return self.files or (f"{self.prefix}{TILE}{self.suffix}",)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the placeholders in its folder, in their order."""
        return tuple(dict.fromkeys(PLACEHOLDER.findall(self.folder)))

    @property
    def facts(self) -> tuple[str, ...]:
        """Those of them that are facts of the tile."""
        return tuple(name for name in self.placeholders if f"{{{name}}}" not in (GROUP, TILE))


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """Which folders are the layers of a dataset.

    Attributes:
        layers: in display order, with different ids.
        title: of the dataset; empty for the name of its folder.
        root: of the dataset, from the folder of the description; empty for that folder itself.
        lists: patterns of split lists under the root ("list/*.txt"); None looks for lists there.
        group: regular expression; what its first parentheses find in a tile's name is the group the tile is shown in.
            Empty for none. It does not change the ids of the tiles.
        list_column: the column that names the tile in lists that end with .csv; empty where they are plain text, too.
    """

    layers: tuple[LayerFolder, ...]
    title: str = ""
    root: str = ""
    lists: tuple[str, ...] | None = None
    group: str = ""
    list_column: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A key of the description: what its value must be, in words, and a function that says whether it is."""

    means: str
    fits: Callable[[Any], bool]


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_LETTERS


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, float) or (_whole(value) and abs(value) < _BEYOND)


def _finite(value: object) -> bool:
    return _number(value) and math.isfinite(value)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _band(value: object) -> bool:
    return _whole(value) and 0 <= value <= MOST_STORED


def _list_of(fits: Callable[[Any], bool], most: int = MOST_ITEMS) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(fits, value))


def is_relative(value: object) -> bool:
    """True for a path that stays in the folder it begins in; it may hold placeholders."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MOST_LETTERS
        and "\0" not in value
        and value.count("/") < MOST_LEVELS
        and not re.match(r"/|[A-Za-z]:", value)
        and ".." not in value.split("/")
        and max(map(value.count, (GROUP, TILE))) <= 1
        and all(len(PLACEHOLDER.findall(part)) <= MOST_IN_A_NAME for part in value.split("/"))
    )


def _file(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= MOST_LETTERS
        and not set(value) & {"/", "\\", "\0"}
        and value.count(TILE) <= 1
        and len(PLACEHOLDER.findall(value)) <= MOST_IN_A_NAME
        and (not suffix_of(value) or bool(PLACEHOLDER.search(suffix_of(value))) or suffix_of(value) in _SUFFIXES)
    )


def _values(value: object) -> bool:
    return isinstance(value, dict) and all(
        re.fullmatch(r"[0-9]{1,5}", key, re.ASCII)
        and int(key) <= MOST_STORED
        and _whole(new)
        and 0 <= new <= MOST_STORED
        for key, new in value.items()
    )


def _pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and (not value or bool(Pattern(value)))
    except ValueError:
        return False


FIELDS: Mapping[str, Field] = {
    "title": Field("a text", _text),
    "root": Field("a folder, from the folder of this file", lambda value: _text(value) and "\0" not in value),
    "lists": Field(
        'a list of patterns of files under the root, such as ["list/*.txt"]', _list_of(is_relative, MOST_LISTS)
    ),
    "list_column": Field("the name of a column", _text),
    "group": Field("a regular expression with a group in parentheses, as RE2 reads them", _pattern),
    "layers": Field("written as [[layers]], once for each layer", _list_of(lambda value: isinstance(value, dict))),
}

LAYER_FIELDS: Mapping[str, Field] = {
    "id": Field(
        "a name of small letters, digits and underscores that begins with a letter",
        lambda value: _text(value) and bool(re.fullmatch(r"[a-z][a-z0-9_]*", value)),
    ),
    "folder": Field(
        f"a folder under the root, with {GROUP} and {TILE} once at most and {MOST_IN_A_NAME} placeholders in a name",
        is_relative,
    ),
    "kind": Field(f"one of {', '.join(KINDS)}", lambda value: value in KINDS),
    "title": Field("a text", _text),
    "date": Field('"pre" or "post"', lambda value: value in ("", "pre", "post")),
    "file": Field(f'the name of a file such as "{TILE}_rgb.tif", of a known kind', _file),
    "files": Field(
        f'a list of names of files such as ["{TILE}_B04.tif", "{TILE}_B03.tif"], of known kinds',
        lambda value: _list_of(_file)(value) and 0 < len(value) <= MOST_LAYERS,
    ),
    "prefix": Field("a text", _text),
    "suffix": Field("a text", _text),
    "unit": Field("a text", _text),
    "scale": Field("a number other than 0", lambda value: _finite(value) and value != 0),
    "offset": Field("a number", _finite),
    "nodata": Field("a number", _number),
    "low": Field("a number", _number),
    "high": Field("a number", _number),
    "bands": Field("a list of texts", _list_of(_text)),
    "display_bands": Field(
        "a list of one or three whole numbers from 0",
        lambda value: _list_of(_band)(value) and len(value) in (0, 1, 3),
    ),
    "classes": Field("a list of { value, name, color }", _list_of(lambda value: isinstance(value, dict))),
    "palette": Field(f"one of {', '.join(PALETTES)}", lambda value: _text(value) and value in PALETTES),
    "take": Field(
        "a list of whole numbers from 0: bands of the file",
        _list_of(_band),
    ),
    "values": Field(f"a table of whole numbers from 0 to {MOST_STORED}, such as {{ 10 = 1, 20 = 2 }}", _values),
    "combinations": Field("a list of { name, bands }", _list_of(lambda value: isinstance(value, dict), MOST_LAYERS)),
    "optional": Field("true or false", lambda value: isinstance(value, bool)),
    "hidden": Field("true or false", lambda value: isinstance(value, bool)),
    "absent": Field("a sentence", _text),
}

CLASS_FIELDS: Mapping[str, Field] = {
    "value": Field("a whole number", lambda value: _whole(value) and abs(value) < 1 << 53),
    "name": Field("a text", _text),
    "color": Field(
        'a colour such as "#00ff24"', lambda value: _text(value) and bool(re.fullmatch(r"#[0-9a-fA-F]{6}", value))
    ),
    "void": Field("true or false", lambda value: isinstance(value, bool)),
}

_NAMES_OF_BANDS = "a list of {} names of bands"

COMBINATION_FIELDS: Mapping[str, Field] = {
    "name": Field("a text", lambda value: _text(value) and bool(value)),
    "bands": Field(
        _NAMES_OF_BANDS.format("one or three"), lambda value: _list_of(_text)(value) and len(value) in (1, 3)
    ),
    "normalised": Field(_NAMES_OF_BANDS.format("two"), lambda value: _list_of(_text)(value) and len(value) == 2),
    "difference": Field(_NAMES_OF_BANDS.format("two"), lambda value: _list_of(_text)(value) and len(value) == 2),
    "low": Field("a number", _finite),
    "high": Field("a number", _finite),
}
"""Of bands, normalised and difference there is one."""

OPERATIONS = {
    "bands": Operation.BAND,
    "normalised": Operation.NORMALISED,
    "difference": Operation.DIFFERENCE,
}


def parse_layout(text: str) -> FolderLayout:
    """Reads a description. Raises SettingsError, which names the key, the line and what to write there."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The description is not TOML: {error}.") from error
    except RecursionError as error:
        raise SettingsError("The description is not TOML for people: it is nested too deeply.") from error
    except ValueError as error:
        raise SettingsError("The description is not TOML for people: a number has thousands of digits.") from error
    _check(table, FIELDS, "", partial(_line_of, text, 0))
    layers = [_layer(layer, text, number) for number, layer in enumerate(table.get("layers", ()), start=1)]
    _check_layers(layers)
    lists = table.get("lists")
    return FolderLayout(
        tuple(layers),
        title=table.get("title", ""),
        root=table.get("root", ""),
        lists=None if lists is None else tuple(lists),
        group=table.get("group", ""),
        list_column=table.get("list_column", ""),
    )


def dump_layout(layout: FolderLayout) -> str:
    """`layout` as TOML that people can read and change, and that `parse_layout` reads as the same layout."""
    lines = [
        "# What the layers of this dataset are, for rsviewer.",
        "# A tile is what files of the same name in the folders below make together.",
    ]
    general = []
    for key, value, comment in (
        ("title", layout.title, "as shown to people"),
        ("root", layout.root, "of the dataset, from the folder of this file"),
        ("group", layout.group, "regular expression: its parentheses find the group in a tile's name"),
    ):
        general += [f"{key} = {_quoted(value)}  # {comment}"] if value else []
    if layout.lists is not None:
        general.append(f"lists = [{', '.join(map(_quoted, layout.lists))}]  # split lists, one tile a line")
    if layout.list_column:
        general.append(f"list_column = {_quoted(layout.list_column)}  # names the tile in lists that are tables")
    lines += ["", *general] if general else []
    for layer in layout.layers:
        lines += ["", "[[layers]]", *_layer_lines(layer)]
    return "\n".join(lines) + "\n"


def _layer(table: Mapping[str, Any], text: str, number: int) -> LayerFolder:
    line_of = partial(_line_of, text, number)
    _check(table, LAYER_FIELDS, f" of layer {number}", line_of)
    for entry in table.get("classes", ()):
        _check(entry, CLASS_FIELDS, f" of a class of layer {number}", lambda _: line_of("classes"))
        _require(entry, ("value", "name", "color"), f"A class of layer {number}")
    _require(table, ("id", "folder", "kind"), f"Layer {number}")
    _check_one_of(table, ("classes", "palette"), number, line_of)
    _check_one_of(table, ("file", "files"), number, line_of)
    for affix in ("prefix", "suffix"):
        _check_one_of(table, ("file", affix), number, line_of)
        _check_one_of(table, ("files", affix), number, line_of)
    classes = tuple(
        LabelClass(entry["value"], entry["name"], _color(entry["color"]), entry.get("void", False))
        for entry in table.get("classes", ())
    )
    limits = {key: float(table[key]) if key in table else None for key in ("nodata", "low", "high")}
    spec = LayerSpec(
        LayerId(table["id"]),
        LayerKind(table["kind"]),
        table.get("title") or table["id"],
        unit=table.get("unit", ""),
        bands=tuple(table.get("bands", ())),
        display_bands=tuple(table.get("display_bands", ())),
        scale=float(table.get("scale", 1.0)),
        offset=float(table.get("offset", 0.0)),
        classes=PALETTES[table["palette"]] if "palette" in table else classes,
        date=table.get("date", ""),
        nodata=limits["nodata"],
        low=limits["low"],
        high=limits["high"],
        take=tuple(table.get("take", ())),
        lut=_lut(table.get("values", {})),
        combinations=tuple(_combination(entry, table, number, line_of) for entry in table.get("combinations", ())),
        optional=table.get("optional", False),
        hidden=table.get("hidden", False),
        absent=table.get("absent", ""),
    )
    folder = "/".join(part for part in table["folder"].split("/") if part not in ("", ".")) or "."
    files = (table["file"],) if "file" in table else tuple(table.get("files", ()))
    layer = LayerFolder(spec, folder, table.get("prefix", ""), table.get("suffix", ""), files)
    _check_files(layer, f" of layer {number}{line_of('file' if 'file' in table else 'files')}")
    return layer


def _check_one_of(table: Mapping[str, Any], keys: tuple[str, str], number: int, line_of: Callable[[str], str]) -> None:
    if all(key in table for key in keys):
        raise SettingsError(f"Layer {number} has {keys[0]!r} and {keys[1]!r}{line_of(keys[1])}: write one of them.")


def _check_files(layer: LayerFolder, where: str) -> None:
    in_folder = TILE in layer.folder
    if in_folder and not layer.files:
        raise SettingsError(
            f"Each tile has a folder of its own, as the folder{where} says: write file = ..., the name of the file in it."
        )
    for name in layer.files:
        if (TILE in name) is in_folder:
            raise SettingsError(
                f"The file {name!r}{where} must {'not ' * in_folder}hold {TILE}, which is the name of the tile: "
                f"it stands once in the folder or the file."
            )
        known = TEXT_SUFFIXES if layer.spec.kind is LayerKind.TEXT else RASTER_SUFFIXES
        if suffix_of(name) in _SUFFIXES and suffix_of(name) not in known:
            raise SettingsError(
                f"The file {name!r}{where} is not of the kind {layer.spec.kind}: that ends with .{', .'.join(known)}."
            )
        for other in PLACEHOLDER.findall(name.replace(TILE, "")):
            if other not in layer.placeholders:
                raise SettingsError(
                    f"The file {name!r}{where} has {{{other}}}, which its folder has not: write it there."
                )


def _lut(values: Mapping[str, int]) -> tuple[int, ...]:
    meant = {int(stored): new for stored, new in values.items()}
    return tuple(meant.get(stored, stored) for stored in range(max(meant, default=-1) + 1))


def _combination(
    entry: Mapping[str, Any], table: Mapping[str, Any], number: int, line_of: Callable[[str], str]
) -> Combination:
    here = f" of a combination of layer {number}"
    _check(entry, COMBINATION_FIELDS, here, lambda _: line_of("combinations"))
    _require(entry, ("name",), f"A combination of layer {number}")
    ways = [key for key in OPERATIONS if key in entry]
    if len(ways) != 1:
        raise SettingsError(
            f"The combination {entry['name']!r} of layer {number}{line_of('combinations')} must have one of "
            f"{', '.join(OPERATIONS)}."
        )
    known = table.get("bands", [])
    unknown = next((name for name in entry[ways[0]] if name not in known), None)
    if unknown is not None:
        names = ", ".join(known) or "none: write bands = ..."
        raise SettingsError(f"There is no band {unknown!r}{here}{line_of('combinations')}: its bands are {names}.")
    bands = [known.index(name) for name in entry[ways[0]]]
    operation = OPERATIONS[ways[0]]
    channels = (
        tuple(Channel(operation, band) for band in bands)
        if operation is Operation.BAND
        else (Channel(operation, bands[0], bands[1]),)
    )
    usual = (-1.0, 1.0) if operation is Operation.NORMALISED else (None, None)
    low, high = (float(entry[key]) if key in entry else end for key, end in zip(("low", "high"), usual, strict=True))
    return Combination(entry["name"], channels, low, high)


def _layer_lines(layer: LayerFolder) -> list[str]:
    spec = layer.spec
    plain = LayerSpec(spec.id, spec.kind, spec.id)
    lines = [f"id = {_quoted(spec.id)}", f"folder = {_quoted(layer.folder)}", f"kind = {_quoted(spec.kind)}"]
    lines += [f"title = {_quoted(spec.title)}"] if spec.title != spec.id else []
    lines += [
        f"{key} = {_quoted(value)}" for key, value in (("prefix", layer.prefix), ("suffix", layer.suffix)) if value
    ]
    if layer.files:
        lines.append(
            f"file = {_quoted(layer.files[0])}"
            if len(layer.files) == 1
            else f"files = [{', '.join(map(_quoted, layer.files))}]"
        )
    lines += [f"{key} = {_quoted(value)}" for key, value in (("date", spec.date), ("unit", spec.unit)) if value]
    for key in ("scale", "offset", "nodata", "low", "high"):
        value = getattr(spec, key)
        lines += [f"{key} = {value!r}"] if value != getattr(plain, key) else []
    lines += [f"bands = [{', '.join(map(_quoted, spec.bands))}]"] if spec.bands else []
    lines += [f"display_bands = {list(spec.display_bands)}"] if spec.display_bands else []
    if spec.take:
        lines.append(f"take = {list(spec.take)}")
    if spec.lut:
        last = len(spec.lut) - 1
        meant = ", ".join(f"{old} = {new}" for old, new in enumerate(spec.lut) if old != new or old == last)
        lines.append(f"values = {{ {meant} }}")
    lines += [f"{key} = true" for key in ("optional", "hidden") if getattr(spec, key)]
    lines += [f"absent = {_quoted(spec.absent)}"] if spec.absent else []
    if spec.combinations:
        lines += [
            "combinations = [",
            *(f"    {_combination_text(each, spec.bands)}," for each in spec.combinations),
            "]",
        ]
    palette = next((name for name, classes in PALETTES.items() if classes == spec.classes), None)
    if palette:
        lines.append(f"palette = {_quoted(palette)}")
    elif spec.classes:
        lines += ["classes = [", *(f"    {_class(entry)}," for entry in spec.classes), "]"]
    return lines


def _combination_text(combination: Combination, bands: tuple[str, ...]) -> str:
    """Combinations of a layout have names for their bands, and one operation for all channels."""
    operation = combination.channels[0].operation
    way = next(key for key, value in OPERATIONS.items() if value is operation)
    first = combination.channels[0]
    places = (
        [channel.first for channel in combination.channels]
        if operation is Operation.BAND
        else [first.first, first.second]
    )
    names = ", ".join(_quoted(bands[place]) for place in places)
    ends = "".join(
        f", {key} = {value!r}"
        for key, value in (("low", combination.low), ("high", combination.high))
        if value is not None
    )
    return f"{{ name = {_quoted(combination.name)}, {way} = [{names}]{ends} }}"


def _class(entry: LabelClass) -> str:
    color = "#{:02x}{:02x}{:02x}".format(*entry.color)
    void = ", void = true" if entry.void else ""
    return f'{{ value = {entry.value}, name = {_quoted(entry.name)}, color = "{color}"{void} }}'


def _color(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _quoted(text: str) -> str:
    escaped = re.sub(r'[\x00-\x1f\x7f"\\]', lambda match: f"\\u{ord(match[0]):04x}", text)
    return f'"{escaped}"'


def _check(table: Mapping[str, Any], fields: Mapping[str, Field], where: str, line_of: Callable[[str], str]) -> None:
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(fields)}."
            raise SettingsError(f"There is no key {_said(key)}{where}{line_of(key)}: {advice}")
        if not fields[key].fits(value):
            raise SettingsError(
                f"The key {key!r}{where}{line_of(key)} must be {fields[key].means}, not {_said(value)}."
            )


def _said(value: object) -> str:
    """A value in a message."""
    try:
        words = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return "what it is"
    return words if len(words) <= _LONGEST_SAID else f"{words[:_LONGEST_SAID]} ..."


def _require(table: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    missing = [key for key in keys if key not in table]
    if missing:
        raise SettingsError(f"{what} has no {missing[0]!r}: write {missing[0]} = ...")


def _check_layers(layers: list[LayerFolder]) -> None:
    if not layers:
        raise SettingsError("The description names no layers: write [[layers]] with id, folder and kind for each.")
    if len(layers) > MOST_LAYERS:
        raise SettingsError(f"The description names {len(layers)} layers: at most {MOST_LAYERS} can be shown.")
    files = sum(len(layer.patterns) for layer in layers)
    if files > MOST_FILES:
        raise SettingsError(f"The description names {files} files for each tile: at most {MOST_FILES} can be found.")
    ids = [layer.spec.id for layer in layers]
    twice = next((identity for identity in ids if ids.count(identity) > 1), None)
    if twice:
        raise SettingsError(f"Two layers have the id {twice!r}: give each its own.")
    everywhere = {
        name: sum(name in layer.placeholders for layer in layers) for layer in layers for name in layer.placeholders
    }
    name = next((name for name, count in everywhere.items() if count < len(layers)), None)
    if name:
        raise SettingsError(
            f"Some layers have {{{name}}} in their folder and some have not: write it in all or in none."
        )
    clash = next((name for name in layers[0].facts if name in ids), None)
    if clash:
        raise SettingsError(f"{{{clash}}} is a part of the folders and the id of a layer: give one another name.")
    places = [
        (layer.folder.casefold(), pattern.casefold(), layer.spec.take, layer.spec.lut)
        for layer in layers
        for pattern in dict.fromkeys(layer.patterns)
    ]
    again = next((place for place, count in Counter(places).items() if count > 1), None)
    if again:
        folder = next(layer.folder for layer in layers if layer.folder.casefold() == again[0])
        raise SettingsError(f"Two layers read the same files of {folder!r}: give them a prefix or suffix.")


def _line_of(text: str, layer: int, key: str) -> str:
    """Where `key` of the layer of that number is written, as " (line 7)"; empty where it has no line of its own."""
    seen = 0
    for number, line in enumerate(text.splitlines(), start=1):
        seen += bool(re.match(r"\s*\[\[\s*layers\s*\]\]", line))
        if seen == layer and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return f" (line {number})"
    return ""
