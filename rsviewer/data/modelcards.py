"""Model cards as TOML files: read, checked, written.

    id = "town-heights"
    title = "Heights of towns"
    family = "onnx"
    licence = "CC-BY-4.0"

    [weights]
    file = "town-heights.onnx"

    [[inputs]]
    bands = ["red", "green", "blue"]
    mean = [123.675, 116.28, 103.53]
    std = [58.395, 57.12, 57.375]

    [[outputs]]
    kind = "labels"
    name = "logits"
    classes = [{ value = 1, name = "Ground", color = "#800000" }, { value = 2, name = "House", color = [222, 31, 7] }]

    [[framings]]                  # without any: the tile as it is, in one piece
    id = "pad"
    multiple = 14

    [settings]
    encoder = "vitl"

    [[options]]                   # what the user may choose for a run; the family reads it like a setting
    id = "steps"
    title = "Steps"
    default = 50
    low = 1
    high = 100

The keys are the names of the fields in `core.model`, where each is explained. A card may come from a stranger: nothing in it is
believed before it was checked.
"""

import difflib
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from rsviewer.core.errors import ModelError
from rsviewer.core.model import (
    FAMILIES,
    Fill,
    Framing,
    ModelCard,
    ModelInput,
    ModelOption,
    ModelOutput,
    OutputKind,
    Scores,
    Weights,
)
from rsviewer.core.tile import LabelClass, LayerKind, printable
from rsviewer.data.filenames import RESERVED

CARD_FILE = "card.toml"
"""Its name in the folder of a model."""

MAX_BYTES = 1 << 20
"""Of a card: one with a thousand classes takes 70 kB."""
MAX_TEXT = 10_000
"""Characters of a text."""
MAX_ITEMS = 64
"""Inputs, outputs, framings, settings."""
MAX_BANDS = 1024
MAX_LABELS = 1024
"""Classes of labels: each is compared with each. Scenes may have more."""
MAX_KEY_PARTS = 32
"""Of a dotted key: the reader of TOML takes time with the square of them, an hour for what fits into a card."""
MAX_CLASS = 65_535
"""Predicted labels are kept as 16 bits at most."""
MAX_PIXELS = 65_536
"""Of a window, a stride, a crop."""
MAX_MULTIPLE = 1024
MAX_DATES = 64
"""Images of a tile that a network takes at once."""

_KEY_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_KEY_PART}[ \t]*+\.[ \t]*+){{{MAX_KEY_PARTS}}}")
_UNSEEN = "\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""What ends lines or turns the order of letters around: with these, a name can look like another one."""

_QUOTED = 60
"""So many characters of a wrong value are quoted."""


def read_card(path: Path) -> ModelCard:
    """The card in a TOML file.

    Raises:
        ModelError: it cannot be read, or says something that no model can be made of; the sentence names the key.
    """
    shown = printable(str(path))
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"{shown} is no file: name the TOML file of a model card.")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ModelError(f"{shown} is larger than {MAX_BYTES >> 20} MiB: that is no model card.")
        return parse_card(raw.decode("utf-8-sig"))
    except _FaultError as fault:
        raise ModelError(f"{shown}: {fault}") from fault
    except UnicodeDecodeError as error:
        raise ModelError(f"{shown} is not UTF-8: save it as UTF-8.") from error
    except FileNotFoundError as error:
        raise ModelError(f"There is no model card {shown}.") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise ModelError(f"{shown} cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def parse_card(text: str) -> ModelCard:
    """The card in a TOML text. Raises ModelError, whose sentence names the key."""
    if _LONG_KEY.search(text):
        raise _FaultError("This is no TOML for people: a key has too many parts.")
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise _FaultError("This is no TOML for people: it is nested too deeply.") from error
    except ValueError as error:  # TOMLDecodeError, and a whole number of more than 4300 digits
        raise _FaultError(f"This is not TOML: {_line(str(error))}.") from error
    card: ModelCard = _read(_CARD, table, "the card")
    _check_outputs(card.outputs, exclusive=card.exclusive)
    _check_distinct([framing.id for framing in card.framings], "framings", "id")
    _check_distinct([option.id for option in card.options], "options", "id")
    return card


def dump_card(card: ModelCard) -> str:
    """A card as TOML. `read_card` of it is equal."""
    lines = [*_lines(card, _CARD, leave=("weights", "inputs", "outputs", "framings", "settings", "options"))]
    lines += ["", "[weights]", *_lines(card.weights, _WEIGHTS)]
    for name, table, parts in (
        ("inputs", _INPUT, card.inputs),
        ("outputs", _OUTPUT, card.outputs),
        ("framings", _FRAMING, card.framings),
        ("options", _OPTION, card.options),
    ):
        for part in parts:
            lines += ["", f"[[{name}]]", *_lines(part, table)]
    if card.settings:
        lines += ["", "[settings]", *(f"{_toml(key)} = {_toml(value)}" for key, value in card.settings.items())]
    return "\n".join(lines) + "\n"


class _FaultError(ModelError):
    """A fault of a card; the name of its file is not said yet."""


class _UnfitError(ValueError):
    """A value is not what its key needs."""


Reader = Callable[[Any], Any]
"""A value as TOML gives it -> as the card holds it. Raises _UnfitError, or _FaultError where it can say more."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of a table: what its value must be, in words, and what reads it."""

    means: str
    read: Reader


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the card: what is made of it, and its keys. A key whose field has no default is needed.

    Attributes:
        make: a dataclass.
        keys: name of a field -> its key.
        check: looks at what was made; raises _FaultError, given where it stands.
    """

    make: Any
    keys: Mapping[str, _Key]
    check: Callable[[Any, str], None] = lambda *_: None


def _read(table: _Table, values: Any, where: str) -> Any:
    """What a table of TOML says. `where` names it in sentences."""
    read = {}
    for name, value in values.items():
        key = table.keys.get(name)
        if key is None:
            raise _FaultError(f"There is no key {_quote(name)} in {where}: {_advice(name, table.keys)}")
        try:
            read[name] = key.read(value)
        except _UnfitError as error:
            raise _FaultError(f"The key {name!r} of {where} must be {key.means}, not {_quote(value)}.") from error
    for field in fields(table.make):
        if field.name not in read and _is_needed(field):
            raise _FaultError(f"The key {field.name!r} is missing in {where}: it is {table.keys[field.name].means}.")
    if table.make is ModelCard and not read.get("framings"):
        read["framings"] = (Framing("whole"),)
    made = table.make(**read)
    table.check(made, where)
    return made


def _is_needed(field: "Field[Any]") -> bool:
    return field.name != "framings" and field.default is MISSING and field.default_factory is MISSING


def _advice(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known)}."


def _text(most: int = MAX_TEXT, *, lines: bool = False) -> Reader:
    """A text without control characters, but for ends of lines where `lines` may be several."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) > most:
            raise _UnfitError
        plain = re.sub(r"[\n\t]", " ", value) if lines else value
        if re.search(rf"[\x00-\x1f\x7f-\x9f{_UNSEEN}]", plain):
            raise _UnfitError
        return value

    return read


def _matching(pattern: str) -> Reader:
    compiled = re.compile(pattern)

    def read(value: Any) -> str:
        text: str = _text()(value)
        if not compiled.fullmatch(text):
            raise _UnfitError
        return text

    return read


def _number(low: float = -math.inf, high: float = math.inf, without: float | None = None) -> Reader:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _UnfitError
        try:
            number = float(value)
        except OverflowError as error:
            raise _UnfitError from error
        if not math.isfinite(number) or not low <= number <= high or number == without:
            raise _UnfitError
        return number

    return read


def _whole(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _UnfitError
        return value

    return read


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _UnfitError
    return value


def _choice(choices: Iterable[Any]) -> Reader:
    known = {str(choice): choice for choice in choices}

    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in known:
            raise _UnfitError
        return known[value]

    return read


def _list(read_one: Reader, least: int, most: int) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _UnfitError
        return tuple(map(read_one, value))

    return read


def _table(table: _Table, where: str) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _UnfitError
        return _read(table, value, where)

    return read


def _tables(table: _Table, what: str, least: int, most: int = MAX_ITEMS) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _UnfitError
        return tuple(_table(table, f"{what} {number}")(one) for number, one in enumerate(value, start=1))

    return read


def _ends(value: Any) -> tuple[float, ...]:
    """(low, high), or nothing."""
    ends: tuple[float, ...] = _list(_number(), 0, 2)(value)
    if len(ends) == 1 or (ends and ends[0] >= ends[1]):
        raise _UnfitError
    return ends


def _color(value: Any) -> tuple[int, int, int]:
    if isinstance(value, list) and len(value) == 3:
        red, green, blue = map(_whole(0, 255), value)
        return red, green, blue
    digits = _matching("#[0-9a-fA-F]{6}")(value)
    return int(digits[1:3], 16), int(digits[3:5], 16), int(digits[5:7], 16)


def _identity(value: Any) -> str:
    text: str = _matching(r"[a-z0-9][a-z0-9-]{0,63}")(value)
    if RESERVED.fullmatch(text):
        raise _UnfitError
    return text


def _file(value: Any) -> str:
    text: str = _text(4096)(value)
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
        return text
    odd = re.search(r'[<>:"|?*\\/]', text) or text.strip(". ") != text or RESERVED.fullmatch(text)
    if not text or odd or len(text.encode()) > 200 or text.lower() == CARD_FILE:
        raise _UnfitError
    return text


def _inside(value: Any) -> str:
    """A path in a repository."""
    text: str = _text(1024)(value)
    if re.search(r"[\\:]", text) or text.startswith("/") or ".." in text.split("/"):
        raise _UnfitError
    return text


def _settings(value: Any) -> dict[str, str | int | float | bool]:
    if not isinstance(value, dict) or len(value) > MAX_ITEMS:
        raise _UnfitError
    plain = {}
    for key, one in value.items():
        _text(200)(key)
        if isinstance(one, str):
            _text()(one)
        elif isinstance(one, int):
            _whole(-(2**63), 2**63)(int(one))
        else:
            _number()(one)
        plain[key] = one
    return plain


def _check_input(made: ModelInput, where: str) -> None:
    for name in ("mean", "std"):
        given = getattr(made, name)
        if len(given) not in (0, len(made.bands)):
            raise _FaultError(
                f"The key {name!r} of {where} has {len(given)} numbers for {len(made.bands)} bands: write one for each band."
            )
    if bool(made.mean) != bool(made.std):
        raise _FaultError(f"The keys 'mean' and 'std' of {where} go together: write both or none.")


def _check_output(made: ModelOutput, where: str) -> None:
    if made.relative and made.kind is not OutputKind.HEIGHT:
        raise _FaultError(f"The key 'relative' of {where} is for heights.")
    if made.low is not None and made.high is not None and made.low >= made.high:
        raise _FaultError(f"The key 'low' of {where} is {made.low:g}, which is not below 'high': exchange them.")
    if made.threshold and (made.kind is not OutputKind.LABELS or made.scores is not Scores.PROBABILITIES):
        raise _FaultError(f"The key 'threshold' of {where} is for labels whose scores are probabilities.")
    if made.kind in (OutputKind.HEIGHT, OutputKind.QUANTITY):
        if made.classes:
            what = "heights" if made.kind is OutputKind.HEIGHT else "quantities"
            raise _FaultError(f"The key 'classes' of {where} is for labels and scenes, not for {what}.")
        return
    if made.kind is OutputKind.LABELS and len(made.classes) > MAX_LABELS:
        raise _FaultError(
            f"The key 'classes' of {where} has {len(made.classes):,} classes: {MAX_LABELS:,} at most can be told apart."
        )
    if made.scores is Scores.INDEPENDENT and made.kind is not OutputKind.SCENE:
        raise _FaultError(f"The key 'scores' of {where} is for scenes: a pixel has one class.")
    if made.scores is Scores.PROMPTS and made.kind is not OutputKind.SCENE:
        raise _FaultError(f"The key 'scores' of {where} is for scenes: only a whole tile is compared with words.")
    if len(made.classes) < 2:
        raise _FaultError(f"The key 'classes' of {where} must name every class of the network, two at least.")
    _check_distinct([one.value for one in made.classes], f"classes of {where}", "value")


def _check_framing(made: Framing, where: str) -> None:
    if made.stride > made.window:
        raise _FaultError(
            f"The key 'stride' of {where} is {made.stride}, more than the window of {made.window}: pixels would be left out."
        )
    if made.window % made.multiple:
        raise _FaultError(f"The key 'window' of {where} is {made.window}, no multiple of {made.multiple}.")


def _check_option(made: ModelOption, where: str) -> None:
    if not made.low <= made.default <= made.high:
        raise _FaultError(f"The key 'default' of {where} is {made.default}, not from {made.low} to {made.high}.")
    if made.switch and (made.low, made.high) != (0, 1):
        raise _FaultError(f"The key 'switch' of {where} is for 0 and 1, not for {made.low} to {made.high}.")


def _check_outputs(outputs: Sequence[ModelOutput], *, exclusive: bool) -> None:
    if not exclusive:
        _check_distinct([one.kind.value for one in outputs], "outputs", "kind")
    _check_distinct([one.name for one in outputs], "outputs", "name")


def _check_distinct(values: Sequence[Any], what: str, key: str) -> None:
    twice = next((value for value, times in Counter(values).items() if times > 1), None)
    if twice is not None:
        raise _FaultError(f"Two of the {what} have the {key} {_quote(twice)}: give each its own.")


def _lines(made: Any, table: _Table, leave: Sequence[str] = ()) -> list[str]:
    """The fields of a dataclass that differ from their defaults, one line each."""
    lines = []
    for field in fields(made):
        value = getattr(made, field.name)
        if field.name in table.keys and field.name not in leave and (_is_needed(field) or value != field.default):
            lines.append(f"{field.name} = {_toml(value)}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = re.sub(r'[\x00-\x1f\x7f"\\]', lambda match: f"\\u{ord(match[0]):04x}", value)
        return f'"{escaped}"'
    if isinstance(value, LabelClass):
        color = "#{:02x}{:02x}{:02x}".format(*value.color)
        void = ", void = true" if value.void else ""
        return f'{{ value = {value.value}, name = {_toml(value.name)}, color = "{color}"{void} }}'
    if isinstance(value, tuple):
        long = value and isinstance(value[0], LabelClass)
        return (
            "[\n" + "".join(f"    {_toml(one)},\n" for one in value) + "]"
            if long
            else f"[{', '.join(map(_toml, value))}]"
        )
    return repr(value)


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _quote(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of more than 4300 digits, which TOML may write in hexadecimal
        text = "a very large number"
    text = printable(text)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


_HUB_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_PIXELS = _Key(f"a whole number of pixels, 0 to {MAX_PIXELS}", _whole(0, MAX_PIXELS))
_FINITE = _Key("a number", _number())
_WORDS = _Key(f"a text of at most {MAX_TEXT} characters, without control characters", _text(lines=True))
_TITLE = _Key("a text of at most 200 characters in one line", _text(200))
_NAMED = _Key("a text of 1 to 200 characters in one line", _matching(r".{1,200}"))
_ADDRESS = _Key("an address that begins with https:// or http://", _matching(r"(https?://\S{1,2000})?"))

_INPUT = _Table(
    ModelInput,
    {
        "kind": _Key(
            "one of optical, sar, height, quantity, labels, mask",
            _choice(kind for kind in LayerKind if kind not in (LayerKind.VECTOR, LayerKind.TEXT)),
        ),
        "bands": _Key('a list of names of bands such as ["red", "green"]', _list(_NAMED.read, 1, MAX_BANDS)),
        "date": _Key('"pre", "post" or ""', _choice(("", "pre", "post"))),
        "high": _Key("a number from 0", _number(0)),
        "stretch": _Key("true or false", _truth),
        "nan": _Key("a number", _number()),
        "clip": _Key("two numbers, the lower one first, or empty", _ends),
        "raw": _Key("two numbers, the lower one first, or empty", _ends),
        "mean": _Key("a list of numbers, one for each band", _list(_number(), 0, MAX_BANDS)),
        "std": _Key("a list of numbers above 0, one for each band", _list(_number(1e-12), 0, MAX_BANDS)),
    },
    _check_input,
)
_CLASS = _Table(
    LabelClass,
    {
        "value": _Key(f"a whole number from 0 to {MAX_CLASS}", _whole(0, MAX_CLASS)),
        "name": _NAMED,
        "color": _Key('a colour such as "#00ff24" or [0, 255, 36]', _color),
        "void": _Key("true or false", _truth),
    },
)
_OUTPUT = _Table(
    ModelOutput,
    {
        "kind": _Key(f"one of {', '.join(OutputKind)}", _choice(OutputKind)),
        "name": _TITLE,
        "title": _TITLE,
        "unit": _TITLE,
        "scale": _Key("a number other than 0", _number(without=0)),
        "relative": _Key("true or false", _truth),
        "offset": _FINITE,
        "classes": _Key(
            "a list of { value, name, color }, in the order of the network's channels",
            _tables(_CLASS, "class", 0, MAX_CLASS),
        ),
        "scores": _Key(f"one of {', '.join(Scores)}", _choice(Scores)),
        "least_share": _Key("a number from 0 to 1", _number(0, 1)),
        "low": _FINITE,
        "high": _FINITE,
        "threshold": _Key("a number from 0 to 1", _number(0, 1)),
        "reference": _Key(
            'a list of ids of layers such as ["ndsm"]', _list(_matching(r"[a-z][a-z0-9_]{0,99}"), 0, MAX_ITEMS)
        ),
    },
    _check_output,
)
_FRAMING = _Table(
    Framing,
    {
        "id": _Key("a name of small letters, digits and -", _matching(r"[a-z0-9][a-z0-9_-]{0,63}")),
        "title": _TITLE,
        "window": _PIXELS,
        "stride": _PIXELS,
        "multiple": _Key(f"a whole number from 1 to {MAX_MULTIPLE}", _whole(1, MAX_MULTIPLE)),
        "fill": _Key(f"one of {', '.join(Fill)}", _choice(Fill)),
        "crop": _PIXELS,
        "whole": _Key("true or false", _truth),
    },
    _check_framing,
)
_CHOICE = _Key(f"a whole number from 0 to {MAX_PIXELS}", _whole(0, MAX_PIXELS))
_OPTION = _Table(
    ModelOption,
    {
        "id": _Key("a name of small letters, digits and _", _matching(r"[a-z][a-z0-9_]{0,63}")),
        "title": _NAMED,
        "default": _CHOICE,
        "low": _CHOICE,
        "high": _CHOICE,
        "zero": _TITLE,
        "switch": _Key("true or false", _truth),
        "tip": _WORDS,
        "output": _TITLE,
    },
    _check_option,
)
_WEIGHTS = _Table(
    Weights,
    {
        "file": _Key("the name of a file beside the card, without folders, or an absolute path", _file),
        "sha256": _Key(
            "64 hexadecimal digits, or empty", lambda value: _matching(r"([0-9a-fA-F]{64})?")(value).lower()
        ),
        "nbytes": _Key("a whole number of bytes", _whole(0, 1 << 60)),
        "page": _ADDRESS,
        "repository": _Key('a repository such as "owner/name"', _matching(rf"({_HUB_NAME}/{_HUB_NAME})?")),
        "path": _Key("the path of a file in the repository", _inside),
    },
)
_CARD = _Table(
    ModelCard,
    {
        "id": _Key("a name of at most 64 small letters, digits and -, other than con, nul and the like", _identity),
        "title": _NAMED,
        "family": _Key(f"one of {', '.join(FAMILIES)}", _choice(FAMILIES)),
        "description": _WORDS,
        "licence": _TITLE,
        "citation": _WORDS,
        "source": _TITLE,
        "augmentable": _Key("true or false", _truth),
        "exclusive": _Key("true or false", _truth),
        "dates": _Key(f"a whole number from 1 to {MAX_DATES}", _whole(1, MAX_DATES)),
        "weights": _Key("written as [weights], with the file", _table(_WEIGHTS, "weights")),
        "inputs": _Key("written as [[inputs]], once for each layer", _tables(_INPUT, "input", 1)),
        "outputs": _Key("written as [[outputs]], once for each output", _tables(_OUTPUT, "output", 1)),
        "framings": _Key("written as [[framings]], once for each way to cut a tile", _tables(_FRAMING, "framing", 0)),
        "settings": _Key("written as [settings]: numbers, texts, true or false", _settings),
        "options": _Key("written as [[options]], once for each", _tables(_OPTION, "option", 0)),
    },
)
