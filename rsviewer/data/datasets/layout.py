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

`FIELDS`, `LAYER_FIELDS` and `CLASS_FIELDS` name all keys.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rsviewer.core.errors import SettingsError
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec

GROUP = "{group}"
"""In the folder of a layer: any folder or folders, whose names are the group."""

KINDS = tuple(kind for kind in LayerKind if kind is not LayerKind.VECTOR)


@dataclass(frozen=True, slots=True)
class LayerFolder:
    """Where one layer lies and what it is.

    Attributes:
        spec: what the layer is.
        folder: under the root, "/" between parts, "." for the root itself; may hold GROUP once. Case does not matter.
        prefix: what file names have before the name of the tile.
        suffix: what they have after it, before the dot.
    """

    spec: LayerSpec
    folder: str
    prefix: str = ""
    suffix: str = ""


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
    """

    layers: tuple[LayerFolder, ...]
    title: str = ""
    root: str = ""
    lists: tuple[str, ...] | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A key of the description: what its value must be, in words, and a function that says whether it is."""

    means: str
    fits: Callable[[Any], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _relative(value: object) -> bool:
    return (
        isinstance(value, str)
        and bool(value)
        and not re.match(r"/|[A-Za-z]:", value)
        and ".." not in value.split("/")
        and value.count(GROUP) <= 1
    )


def _pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and (not value or re.compile(value).groups >= 1)
    except re.error:
        return False


FIELDS: Mapping[str, Field] = {
    "title": Field("a text", _text),
    "root": Field("a folder, from the folder of this file", _text),
    "lists": Field('a list of patterns of files under the root, such as ["list/*.txt"]', _list_of(_relative)),
    "group": Field("a regular expression with a group in parentheses", _pattern),
    "layers": Field("written as [[layers]], once for each layer", _list_of(lambda value: isinstance(value, dict))),
}

LAYER_FIELDS: Mapping[str, Field] = {
    "id": Field(
        "a name of small letters, digits and underscores that begins with a letter",
        lambda value: _text(value) and bool(re.fullmatch(r"[a-z][a-z0-9_]*", value)),
    ),
    "folder": Field(f"a folder under the root, with at most one {GROUP}", _relative),
    "kind": Field(f"one of {', '.join(KINDS)}", lambda value: value in KINDS),
    "title": Field("a text", _text),
    "date": Field('"pre" or "post"', lambda value: value in ("", "pre", "post")),
    "prefix": Field("a text", _text),
    "suffix": Field("a text", _text),
    "unit": Field("a text", _text),
    "scale": Field("a number other than 0", lambda value: _number(value) and math.isfinite(value) and value != 0),
    "offset": Field("a number", lambda value: _number(value) and math.isfinite(value)),
    "nodata": Field("a number", _number),
    "low": Field("a number", _number),
    "high": Field("a number", _number),
    "bands": Field("a list of texts", _list_of(_text)),
    "display_bands": Field(
        "a list of one or three whole numbers from 0",
        lambda value: _list_of(_whole)(value) and len(value) in (0, 1, 3) and all(band >= 0 for band in value),
    ),
    "classes": Field("a list of { value, name, color }", _list_of(lambda value: isinstance(value, dict))),
}

CLASS_FIELDS: Mapping[str, Field] = {
    "value": Field("a whole number", _whole),
    "name": Field("a text", _text),
    "color": Field(
        'a colour such as "#00ff24"', lambda value: _text(value) and bool(re.fullmatch(r"#[0-9a-fA-F]{6}", value))
    ),
    "void": Field("true or false", lambda value: isinstance(value, bool)),
}


def parse_layout(text: str) -> FolderLayout:
    """Reads a description. Raises SettingsError, which names the key, the line and what to write there."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The description is not TOML: {error}.") from error
    except RecursionError as error:
        raise SettingsError("The description is not TOML for people: it is nested too deeply.") from error
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
        classes=classes,
        date=table.get("date", ""),
        nodata=limits["nodata"],
        low=limits["low"],
        high=limits["high"],
    )
    folder = "/".join(part for part in table["folder"].split("/") if part not in ("", ".")) or "."
    return LayerFolder(spec, folder, table.get("prefix", ""), table.get("suffix", ""))


def _layer_lines(layer: LayerFolder) -> list[str]:
    spec = layer.spec
    plain = LayerSpec(spec.id, spec.kind, spec.id)
    lines = [f"id = {_quoted(spec.id)}", f"folder = {_quoted(layer.folder)}", f"kind = {_quoted(spec.kind)}"]
    lines += [f"title = {_quoted(spec.title)}"] if spec.title != spec.id else []
    lines += [
        f"{key} = {_quoted(value)}" for key, value in (("prefix", layer.prefix), ("suffix", layer.suffix)) if value
    ]
    lines += [f"{key} = {_quoted(value)}" for key, value in (("date", spec.date), ("unit", spec.unit)) if value]
    for key in ("scale", "offset", "nodata", "low", "high"):
        value = getattr(spec, key)
        lines += [f"{key} = {value!r}"] if value != getattr(plain, key) else []
    lines += [f"bands = [{', '.join(map(_quoted, spec.bands))}]"] if spec.bands else []
    lines += [f"display_bands = {list(spec.display_bands)}"] if spec.display_bands else []
    if spec.classes:
        lines += ["classes = [", *(f"    {_class(entry)}," for entry in spec.classes), "]"]
    return lines


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
            raise SettingsError(f"There is no key {key!r}{where}{line_of(key)}: {advice}")
        if not fields[key].fits(value):
            raise SettingsError(f"The key {key!r}{where}{line_of(key)} must be {fields[key].means}, not {value!r}.")


def _require(table: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    missing = [key for key in keys if key not in table]
    if missing:
        raise SettingsError(f"{what} has no {missing[0]!r}: write {missing[0]} = ...")


def _check_layers(layers: list[LayerFolder]) -> None:
    if not layers:
        raise SettingsError("The description names no layers: write [[layers]] with id, folder and kind for each.")
    ids = [layer.spec.id for layer in layers]
    twice = next((identity for identity in ids if ids.count(identity) > 1), None)
    if twice:
        raise SettingsError(f"Two layers have the id {twice!r}: give each its own.")
    if len({GROUP in layer.folder for layer in layers}) > 1:
        raise SettingsError(f"Some layers have {GROUP} in their folder and some have not: write it in all or in none.")
    places = [(layer.folder.casefold(), layer.prefix, layer.suffix) for layer in layers]
    again = next((layer for layer, place in zip(layers, places, strict=True) if places.count(place) > 1), None)
    if again:
        raise SettingsError(f"Two layers read the same files of {again.folder!r}: give them a prefix or suffix.")


def _line_of(text: str, layer: int, key: str) -> str:
    """Where `key` of the layer of that number is written, as " (line 7)"; empty where it has no line of its own."""
    seen = 0
    for number, line in enumerate(text.splitlines(), start=1):
        seen += bool(re.match(r"\s*\[\[\s*layers\s*\]\]", line))
        if seen == layer and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return f" (line {number})"
    return ""
