"""What the files in a folder were converted by, so that the work can go on where it was stopped and nothing gets mixed.

RECORD in the folder names every conversion that writes there, by the ending of its files, with its options. The same one goes
on; another one with the same ending is refused, and so are files that no conversion wrote, unless they may be replaced. Then
whatever is older than the conversion is not of it, and is made anew.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rsviewer import __version__
from rsviewer.core.errors import SaveError
from rsviewer.core.tile import printable
from rsviewer.data.saving import PARTIAL, save
from rsviewer.data.settings import to_json

RECORD = "rsviewer-conversion.json"
LOCK = ".rsviewer-conversion.lock"
EVERYTHING = ""
"""The ending of a conversion that needs a folder of its own."""
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what the files of a conversion look like.

    Attributes:
        what: its name, "png".
        ending: of its files, ".png"; EVERYTHING where it writes a whole folder.
        options: plain values, the dataset and the choice of layers among them, but not which tiles.
    """

    what: str
    ending: str
    options: Mapping[str, Any]

    @property
    def plain(self) -> dict[str, Any]:
        """As it stands in the record."""
        found: dict[str, Any] = json.loads(json.dumps({"conversion": self.what, "options": self.options}))
        return found


@dataclass(slots=True)
class Begun:
    """A folder that a conversion is writing to. May be used from any process.

    Attributes:
        out: the folder.
        since: nanoseconds, by the clock of the disk: files from before are not of this conversion. None where all are.
        goes_on: the same conversion was begun here before.
        is_whole: False where some file of it could not be made: then an older one of its name must not pass for it later.
        kept: what an earlier run of the same conversion found out before it began, see `keep`.
    """

    out: Path
    since: int | None = None
    goes_on: bool = False
    is_whole: bool = True
    kept: Mapping[str, Any] = field(default_factory=dict)

    def has(self, path: Path) -> bool:
        """Whether a file of this conversion is there: it is whole then."""
        try:
            found = path.stat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and (self.since is None or found.st_mtime_ns >= self.since)


@contextmanager
def converting(out: Path, recipe: Recipe, targets: Iterable[Path], *, overwrite: bool = False) -> Iterator[Begun]:
    """The folder for the results of a conversion, which no other one may write to meanwhile.

    Args:
        out: made where it is not there.
        recipe: the conversion.
        targets: the files that it will write; only asked for where there are strange files that may be among them.
        overwrite: what is there may be replaced.

    Raises:
        SaveError: other things are there, somebody is converting there, or nothing can be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise SaveError(
                f"Another conversion is writing to {_shown(out)}. Wait until it is done, or choose another folder."
            ) from None
        try:
            begun = _begin(out, recipe, targets, overwrite=overwrite)
            yield begun
            if begun.is_whole and begun.since is not None:
                _write(out, recipe, None, begun.kept)  # all is of this conversion now: copies of it need not keep times
        finally:
            lock.release()
            with suppress(OSError):
                (out / LOCK).unlink()
    except FileExistsError as error:
        raise SaveError(f"{_shown(out)} is a file. Choose a folder.") from error
    except OSError as error:
        raise SaveError(
            f"The folder {_shown(out)} cannot be made or written ({error.strerror or error}). Choose another one."
        ) from error


def keep(begun: Begun, recipe: Recipe, values: Mapping[str, Any]) -> None:
    """Keeps what was found out before the first file is made, for a run that goes on: it comes back as `Begun.kept`.

    Args:
        begun: from `converting`.
        recipe: the same.
        values: name -> plain value, as JSON has them.

    Raises:
        SaveError: it cannot be written.
    """
    begun.kept = json.loads(json.dumps({**begun.kept, **values}, allow_nan=False))
    _write(begun.out, recipe, begun.since, begun.kept)


def look_into(out: Path, recipe: Recipe, targets: Iterable[Path], *, overwrite: bool = False) -> Begun:
    """What `converting` would find there, without writing anything. Raises SaveError as it does."""
    if not out.exists():
        return Begun(out)
    if not out.is_dir():
        raise SaveError(f"{_shown(out)} is a file. Choose a folder.")
    known = _known(out).get(recipe.ending)
    goes_on = _goes_on(out, known, recipe, targets, overwrite=overwrite)
    return _going_on(out, known) if goes_on else Begun(out)


def _begin(out: Path, recipe: Recipe, targets: Iterable[Path], *, overwrite: bool) -> Begun:
    known = _known(out).get(recipe.ending)
    if _goes_on(out, known, recipe, targets, overwrite=overwrite):
        _sweep(out)
        return _going_on(out, known)
    since = None
    if overwrite:
        (out / LOCK).touch()
        since = (out / LOCK).stat().st_mtime_ns
    _write(out, recipe, since, {})
    return Begun(out, since)


def _goes_on(
    out: Path, known: Mapping[str, Any] | None, recipe: Recipe, targets: Iterable[Path], *, overwrite: bool
) -> bool:
    """Whether the same conversion was begun there. Raises SaveError where something else is there that must stay."""
    if overwrite:
        return False
    wanted = recipe.plain
    if known is not None:
        if all(known.get(name) == value for name, value in wanted.items()):
            return True
        raise SaveError(
            f"{_shown(out)} holds the results of another conversion ({_difference(known, wanted)}). Choose another folder, or "
            "say --overwrite to replace them."
        )
    strange = _strange(out, recipe, targets)
    if strange is not None:
        raise SaveError(
            f"{_shown(strange)} exists, and this conversion did not write it. Choose another folder, or say --overwrite."
        )
    return False


def _strange(out: Path, recipe: Recipe, targets: Iterable[Path]) -> Path | None:
    """A file that is in the way; None where there is none."""
    here = [Path(each) for each in os.scandir(out) if each.name not in (LOCK, RECORD)]
    if not here:
        return None
    if recipe.ending == EVERYTHING:
        return here[0]
    return next((target for target in targets if os.path.lexists(target)), None)


def _difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What is different about it, in a few words."""
    if known.get("conversion") != wanted["conversion"]:
        return f"of {printable(str(known.get('conversion')))[:40]}"
    before = known.get("options")
    before = before if isinstance(before, dict) else {}
    names = [name for name in wanted["options"] if before.get(name) != wanted["options"][name]]
    names += [name for name in before if name not in wanted["options"]]
    return f"with another {', '.join(printable(name)[:40] for name in names[:3])}"


def _known(out: Path) -> dict[str, dict[str, Any]]:
    """Ending -> what the record says of the conversion; nothing where there is none that we wrote."""
    try:
        with (out / RECORD).open("rb") as file:
            found = json.loads(file.read(_MOST_BYTES))
        conversions = found["conversions"] if found["program"] == "rsviewer" else {}
        return {str(ending): dict(said) for ending, said in conversions.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _write(out: Path, recipe: Recipe, since: int | None, kept: Mapping[str, Any]) -> None:
    conversions = {**_known(out), recipe.ending: {**recipe.plain, "since": since, "kept": kept}}
    record = {"program": "rsviewer", "version": __version__, "conversions": conversions}
    save(out / RECORD, to_json(record), overwrite=True)


def _going_on(out: Path, known: Mapping[str, Any] | None) -> Begun:
    known = known or {}
    since, kept = known.get("since"), known.get("kept")
    return Begun(
        out,
        since if isinstance(since, int) else None,
        goes_on=True,
        kept=kept if isinstance(kept, dict) else {},
    )


def _sweep(out: Path) -> None:
    """Takes away what a killed process was writing."""
    for folder, _, names in os.walk(out):
        for name in names:
            if PARTIAL.fullmatch(name):
                with suppress(OSError):
                    Path(folder, name).unlink()


def _shown(path: Path) -> str:
    return printable(str(path))
