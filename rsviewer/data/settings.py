"""Settings as frozen values, and the JSON files they live in.

A settings file is a convenience: whatever it holds, the program starts. A value of the wrong type or out of range gives
way to the default, with a sentence for the user; a file that is no JSON at all is put aside, never overwritten.
"""

import dataclasses
import json
import logging
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import platformdirs

from rsviewer.core.boxes import USUAL_SCORE
from rsviewer.core.drawing import POINTS_AT_ONCE
from rsviewer.core.errors import SettingsError
from rsviewer.core.model import RunOptions
from rsviewer.core.prediction import CONFIDENCE
from rsviewer.core.relief import ReliefStyle
from rsviewer.core.review import ANOMALIES, Anomaly
from rsviewer.core.scene import COARSEST_ZOOM, FINEST_ZOOM, View
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerId, TileId, printable

log = logging.getLogger(__name__)

HOME_VARIABLE = "RSVIEWER_HOME"
"""Where this names a folder, all that belongs to the user lives there: for tests, a memory stick, a shared machine."""

MAX_BYTES = 64 * 1024 * 1024

GALLERY_SIZES = (64, 384)
"""Least and greatest size of the pictures of the gallery."""

S = TypeVar("S")


class Theme(StrEnum):
    """How dark the window is."""

    SYSTEM = "system"
    DARK = "dark"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one person likes, in every project.

    Attributes:
        reviewer: the name written beside decisions; empty means the login name.
        theme: see Theme.
        key_preset: name of a set of keys.
        keys: command id -> keys, where they differ from the preset. No keys: the command has none.
        anomalies: the tags on the keys 1 to 9, in order.
        cache_bytes: decoded tiles held in memory.
        thumbnail_bytes: small pictures kept in each project.
        threads: workers that read and paint; 0 chooses by the machine.
        motion: pictures may fade and slide.
        points: so many points of a height are drawn in 3D while the camera moves; at rest, all of them.
        plugins: names of the dataset formats of other packages that may be imported, see `data.plugins`.
    """

    reviewer: str = ""
    theme: Theme = Theme.SYSTEM
    key_preset: str = "rsviewer"
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anomalies: tuple[Anomaly, ...] = ANOMALIES
    cache_bytes: int = 1_000_000_000
    thumbnail_bytes: int = 2_000_000_000
    threads: int = 0
    motion: bool = True
    points: int = POINTS_AT_ONCE
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model that is used in one project, and how.

    Attributes:
        model: its id on the user's shelf; empty for none. Never a path: a project may come from a stranger.
        options: how it is run.
        inputs: the layer for each of its inputs; an empty or absent one is chosen by the card.
        references: `core.prediction.HEIGHT`, `LABELS` -> the layer to compare with; empty for none, absent: chosen by the card.
        kept: predictions are kept in the project.
        least_score: of the objects that are shown.
        words: the classes that a network which reads is asked for; empty for those of its card.
    """

    model: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    inputs: tuple[LayerId, ...] = ()
    references: Mapping[LayerId, LayerId] = field(default_factory=dict)
    kept: bool = False
    words: tuple[str, ...] = ()
    least_score: float = USUAL_SCORE


@dataclass(frozen=True, slots=True)
class GalleryChoice:
    """How the gallery shows the tiles of one project.

    Attributes:
        shown: what of them, see `workspace.gallery`; empty for their image.
        size: logical pixels along the longer side of a small picture.
    """

    shown: str = ""
    size: int = 160


@dataclass(frozen=True, slots=True)
class FoundAlike:
    """The tiles that were found last by what they look like, for windows whose index is not kept.

    Attributes:
        told: what they are like: "like “a river”"; empty for nothing.
        nearness: tile -> how near it is to that, -1 to 1.
    """

    told: str = ""
    nearness: Mapping[TileId, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """Where somebody was in one project, so that it opens there again.

    Attributes:
        tile: the tile under the cursor; None at the very first start.
        ordinal: its place in the queue, for when it is gone.
        filter: the expression that chooses the tiles of the queue; empty for all.
        sort: the expression that orders them; empty for the order of the dataset.
        saved_filters: name -> expression.
        recent_filters: the expressions used last, the newest first.
        view: zoom and centre of all panes.
        stack: how many consecutive tiles are shown, one row each.
        order: layers in the order of their panes; those not named follow in the order of the dataset.
        columns: panes beside each other; 0 chooses by the window.
        hidden: layers without a pane.
        active: the layer whose style is edited.
        maximised: only the active layer is shown.
        linked: the panes move together.
        swipe: where the divider between the two dates stands, 0..1 of the pane's width; None where there is none.
        overlay: what lies over the images: "none", "labels", ...; empty for what suits the dataset.
        opacity: of the overlay, 0..1.
        styles: layer -> style, where it is not the default.
        locked: the height ranges are locked.
        unlocked: layer -> style before its range was locked.
        relief: how tiles are shown in 3D.
        model: see ModelChoice.
        gallery: see GalleryChoice.
        alike: see FoundAlike.
    """

    tile: TileId | None = None
    ordinal: int = 0
    filter: str = ""
    sort: str = ""
    saved_filters: Mapping[str, str] = field(default_factory=dict)
    recent_filters: tuple[str, ...] = ()
    view: View = field(default_factory=View)
    stack: int = 1
    order: tuple[LayerId, ...] = ()
    columns: int = 0
    hidden: tuple[LayerId, ...] = (CONFIDENCE,)
    active: LayerId | None = None
    maximised: bool = False
    linked: bool = True
    swipe: float | None = None
    overlay: str = ""
    opacity: float = 0.5
    styles: Mapping[LayerId, Style] = field(default_factory=dict)
    locked: bool = False
    unlocked: Mapping[LayerId, Style] = field(default_factory=dict)
    relief: ReliefStyle = field(default_factory=ReliefStyle)
    model: ModelChoice = field(default_factory=ModelChoice)
    gallery: GalleryChoice = field(default_factory=GalleryChoice)
    alike: FoundAlike = field(default_factory=FoundAlike)


LIMITS: Mapping[tuple[type, str], tuple[float, float]] = {
    (Preferences, "cache_bytes"): (16 * 1024 * 1024, 2**50),
    (Preferences, "thumbnail_bytes"): (1024 * 1024, 2**50),
    (GalleryChoice, "size"): GALLERY_SIZES,
    (Preferences, "threads"): (0, 1024),
    (Preferences, "points"): (10_000, 100_000_000),
    (Session, "ordinal"): (0, 2**62),
    (Session, "stack"): (1, 4),
    (Session, "columns"): (0, 64),
    (Session, "swipe"): (0, 1),
    (Session, "opacity"): (0, 1),
    (View, "zoom"): (COARSEST_ZOOM, FINEST_ZOOM),
    (Style, "bands"): (0, 65535),
    (Style, "percent"): (0, 50),
    (Style, "sigmas"): (0, 1000),
    (Style, "gamma"): (0.01, 100),
    (Style, "hillshade"): (0, 1),
    (Style, "altitude"): (0, 90),
    (RunOptions, "threads"): (0, 1024),
    (RunOptions, "batch"): (0, 4096),
    (ReliefStyle, "exaggeration"): (0.01, 100),
    (ReliefStyle, "azimuth"): (0, 360),
    (ReliefStyle, "altitude"): (0, 90),
    (ReliefStyle, "shading"): (0, 1),
    (ReliefStyle, "point_size"): (1, 32),
}
"""(class, field) -> least and greatest number, both allowed; also for the numbers inside a tuple."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """Settings as read, with a sentence for everything in the file that could not be used."""

    value: S
    messages: tuple[str, ...] = ()


def home() -> Path | None:
    """The folder named by RSVIEWER_HOME; None where it names none."""
    named = os.environ.get(HOME_VARIABLE, "")
    return Path(named).absolute() if named else None


def preferences_path() -> Path:
    """The file of this person's preferences."""
    folder = home() or platformdirs.user_config_path("rsviewer", appauthor=False)
    return folder / "preferences.json"


def load_preferences(path: Path | None = None) -> Loaded[Preferences]:
    """This person's preferences; the defaults where there are none."""
    return load(path or preferences_path(), Preferences())


def load_session(path: Path, fresh: Session | None = None) -> Loaded[Session]:
    """Where somebody was; a fresh session where there is none."""
    return load(path, fresh or Session())


def load(path: Path, default: S) -> Loaded[S]:
    """Settings of the class of `default`, a frozen dataclass. Never fails.

    A file that is not JSON is renamed to `NAME.broken`. Keys that nobody knows are passed over: a newer version wrote
    them.
    """
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Loaded(default)
    except OSError as error:
        return Loaded(default, (f"The settings in {shown} cannot be read ({error.strerror}); the defaults are used.",))
    remarks: list[str] = []
    try:
        if len(raw) > MAX_BYTES:
            raise _UnusableError("it is too large")
        value = _read_dataclass(type(default), json.loads(raw.decode("utf-8-sig")), "", remarks)
    except (ValueError, RecursionError) as error:
        log.info("Unusable settings in %s: %s", shown, error)
        return Loaded(default, (f"The settings in {shown} are damaged; the defaults are used. {_put_aside(path)}",))
    return Loaded(value, tuple(f"In {shown}, {remark}" for remark in remarks))


def save(path: Path, value: object) -> None:
    """Writes settings, a frozen dataclass. Raises SettingsError where that is not possible; the old file is whole then.

    May run on any thread.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(value))
    except OSError as error:
        raise SettingsError(
            f"The settings could not be saved to {printable(str(path))} ({error.strerror}). "
            "Make room or give permission there; until then they last as long as this window."
        ) from error


def to_json(value: object) -> bytes:
    """Indented JSON in UTF-8, of dataclasses too. A lone surrogate (an undecodable byte of a name) is escaped."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=1)
    return (text + "\n").encode("utf-8", "backslashreplace")  # \udcfc is an escape in JSON as well


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file: whenever the machine stops, either the old or the new content is there. Raises OSError."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_synced(temporary, content)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write_synced(path: Path, content: bytes) -> None:
    """Writes a new file and waits until it is on the disk. Raises FileExistsError where there is one."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk. Does nothing where that cannot be done: Windows, shares."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.info("Cannot sync %s: %s", printable(str(folder)), error)


class _UnusableError(ValueError):
    """A value in a settings file that is not what its place needs. The message follows the name of the place."""


def _read(kind: Any, value: object, where: str, remarks: list[str], limits: tuple[float, float] | None) -> Any:
    """`value`, as it came from JSON, as a `kind`: a type as it stands in an annotation. Raises _UnusableError."""
    kind = getattr(kind, "__supertype__", kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType or NoneType in inner:
        (only,) = (each for each in inner if each is not NoneType)
        return None if value is None else _read(only, value, where, remarks, limits)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where, remarks)
    if origin is tuple and inner[-1] is not Ellipsis:
        if not isinstance(value, list) or len(value) != len(inner):
            raise _UnusableError(f"{_quote(value)} is not a list of {len(inner)}")
        return tuple(_read(each, part, where, [], limits) for each, part in zip(inner, value, strict=True))
    if origin in (tuple, frozenset):
        if not isinstance(value, list):
            raise _UnusableError(f"{_quote(value)} is not a list")
        return origin(_read_parts(inner[0], enumerate(value), where, remarks, limits).values())
    if origin is Mapping:
        if not isinstance(value, dict):
            raise _UnusableError(f"{_quote(value)} is not a table")
        return _read_parts(inner[1], value.items(), where, remarks, limits)
    if issubclass(kind, Enum):
        return _read_choice(kind, value)
    if kind is float:
        return _read_number(float, value, limits)
    if kind is int:
        return _read_number(int, value, limits)
    if type(value) is not kind:
        raise _UnusableError(f"{_quote(value)} is not {'text' if kind is str else 'true or false'}")
    return value


def _read_dataclass(kind: type[S], value: object, where: str, remarks: list[str]) -> S:
    if not isinstance(value, dict):
        raise _UnusableError(f"{_quote(value)} is not a table")
    hints = get_type_hints(kind)
    fields = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]  # callers pass dataclasses
    read = {}
    for name in value.keys() - fields.keys():
        log.info("Passing over an unknown setting: %s", printable(f"{where}{name}"))
    for name, each in fields.items():
        if name in value:
            try:
                read[name] = _read(hints[name], value[name], f"{where}{name}.", remarks, LIMITS.get((kind, name)))
            except _UnusableError as error:
                if _is_required(each):
                    raise
                remarks.append(f"{printable(where)}{name} is not used: {error}.")
        elif _is_required(each):
            raise _UnusableError(f"{name} is missing")
    return kind(**read)


def _read_parts(
    kind: Any, parts: Any, where: str, remarks: list[str], limits: tuple[float, float] | None
) -> dict[Any, Any]:
    """The members of a list or table that can be used, by place or key; the others leave a remark."""
    read = {}
    for key, part in parts:
        try:
            read[key] = _read(kind, part, f"{where}{key}.", remarks, limits)
        except _UnusableError as error:
            remarks.append(f"{printable(where)}{printable(str(key))} is not used: {error}.")
    return read


def _read_choice(kind: type[Enum], value: object) -> Enum:
    for choice in kind:
        if choice.value == value:
            return choice
    raise _UnusableError(f"{_quote(value)} is none of {', '.join(str(choice.value) for choice in kind)}")


def _read_number(kind: type[int] | type[float], value: object, limits: tuple[float, float] | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise _UnusableError(f"{_quote(value)} is not a {'number' if kind is float else 'whole number'}")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number of more than 308 digits
        finite = False
    if not finite:
        raise _UnusableError(f"{_quote(value)} is not a finite number")
    number = kind(value)
    if limits is not None and not limits[0] <= number <= limits[1]:
        raise _UnusableError(f"{_quote(value)} is not between {limits[0]} and {limits[1]}")
    return number


def _is_required(each: "dataclasses.Field[Any]") -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


def _quote(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return printable(text if len(text) <= 40 else f"{text[:39]}…")


def _plain(value: object) -> object:
    """For json: what it does not know, made of what it knows."""
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a settings file")


def _put_aside(path: Path) -> str:
    """Renames a damaged file. Returns a sentence that says where it is."""
    aside = next(name for name in _names_aside(path) if not name.exists())
    try:
        path.rename(aside)
    except OSError as error:
        return f"The damaged file could not be put aside ({error.strerror})."
    return f"The damaged file is kept as {printable(aside.name)}."


def _names_aside(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.name}.broken")
    number = 2
    while True:
        yield path.with_name(f"{path.name}.broken-{number}")
        number += 1
