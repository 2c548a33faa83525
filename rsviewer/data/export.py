"""Cleaned split lists with a manifest that says why each tile was left out; the whole folder appears at once or not at all.

Lists keep their path under the dataset, their order, line endings and encoding. A dataset without lists gets the kept and the
dropped tiles as text. Tiles numbered as in RS3DBench (`tile_17`) get the numbers per area too, as JSON and as the
`deletedIndexDict` that its scripts hold (https://github.com/RS3DBench/RS3DBench, tif2png.py).
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from rsviewer import __version__
from rsviewer.core.crowd import batches
from rsviewer.core.errors import ExportError, StoppedError
from rsviewer.core.review import to_plain
from rsviewer.core.rows import Rows
from rsviewer.core.splits import UNDECIDED, Dropped, ExportPlan, ListPlan, render_pieces
from rsviewer.core.tile import TileId, printable
from rsviewer.data.adapter import Dataset
from rsviewer.data.settings import sync_folder, to_json

MANIFEST = "manifest.json"

PROGRAM = "rsviewer"

Content: TypeAlias = Callable[[], Iterable[bytes]]
"""Gives the content of a file in pieces, each time it is called: a list of five million rows is never in memory."""

NUMBERED = re.compile(r"tile_(\d+)")

_MANY = b'\n "lists": '
_MOST_HEAD = 64 * 1024 * 1024
_ROW_BYTES, _NAME_BYTES = 220, 40


@dataclass(frozen=True, slots=True)
class ExportedList:
    """One list as it is written.

    Attributes:
        name: the split, e.g. "train".
        group: the sub-dataset; empty where there is none.
        path: under the export's folder.
        before, after: how many tiles it names.
        sha256: of the file.
    """

    name: str
    group: str
    path: str
    before: int
    after: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export wrote, or would write.

    Attributes:
        out: the folder.
        lists: one for each list of the dataset.
        files: path under `out` -> sha256, of every file but the manifest.
        dropped: the tiles left out, and why.
    """

    out: Path
    lists: tuple[ExportedList, ...]
    files: Mapping[str, str]
    dropped: Sequence[Dropped]

    def document(self) -> dict[str, object]:
        """What `rsviewer export --json` prints."""
        return {
            "out": str(self.out),
            "lists": [_list_document(each) for each in self.lists],
            "files": sorted([*self.files, MANIFEST]),
            "dropped": [_dropped_document(each) for each in self.dropped],
        }


def files_of(plan: ExportPlan) -> tuple[str, ...]:
    """Paths under the export's folder of what is written, besides the manifest. Raises ExportError as `write_export`."""
    return tuple(_render(plan))


def preview(plan: ExportPlan, out: Path) -> ExportResult:
    """What `write_export` would write. Writes nothing, but makes all the lists."""
    contents = _render(plan)
    return _describe(plan, out.absolute(), {path: _sha256(content) for path, content in contents.items()})


def write_export(
    plan: ExportPlan,
    dataset: Dataset,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int | None], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> ExportResult:
    """Writes cleaned lists and manifest into a new folder.

    Args:
        plan: what is left out, see `core.splits.plan`.
        dataset: for the manifest, and so that nothing of it is replaced.
        out: a folder that does not exist or is empty.
        overwrite: an earlier export may be there; it is replaced. Anything else never is.
        progress: called with the kilobytes written, and about how many there will be.
        stop: asked now and then until all is written; True ends it.

    Raises:
        StoppedError: `stop` said so. Nothing was written, and what was there is still there.
        ExportError: nothing was written, and what was there is still there.
    """
    folder = Path(os.path.realpath(out))
    contents = _render(plan)
    watch = _Watch(_size(plan), progress, stop)
    check_target(folder, dataset, overwrite=overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        try:
            result = _write(unfinished, plan, dataset, contents, watch)
            _put_in_place(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        sync_folder(folder.parent)
        return replace(result, out=folder)
    except OSError as error:
        raise ExportError(
            f"The export could not be written to {_shown(folder)} ({error.strerror or error}). Nothing was changed there. "
            "Choose another folder with enough room."
        ) from error


def check_target(out: Path, dataset: Dataset, *, overwrite: bool = False) -> None:
    """Raises ExportError where an export would not be written to `out`, as far as that can be told without writing."""
    folder = Path(os.path.realpath(out))
    try:
        _refuse_dataset(folder, dataset)
        _refuse_occupied(folder, overwrite=overwrite)
        _refuse_unwritable(folder)
    except OSError as error:
        raise ExportError(
            f"{_shown(folder)} cannot be used ({error.strerror or error}). Choose another folder."
        ) from error


def _render(plan: ExportPlan) -> dict[str, Content]:
    """The content of every file but the manifest, by path; the lists first, in their order."""
    contents: dict[str, Content] = {}
    for change in plan.lists:
        contents[_free_path(change, contents)] = partial(render_pieces, change.after)
    numbers = _numbers(plan)
    if not plan.lists or numbers is not None:
        others: dict[str, Content] = {
            "kept.txt": lambda: _lines(tile for tiles in plan.kept.values() for tile in tiles),
            "dropped.txt": lambda: _lines(each.tile for each in plan.dropped),
        }
        if numbers is not None:
            others["kept.json"] = _whole(_areas(numbers[0]))
            others["deleted.json"] = _whole(_areas(numbers[1]))
            others["deletedIndexDict.py"] = _whole(_python(numbers[1]))
        for name in others.keys() & contents.keys():
            raise ExportError(f"The dataset has a list {name}, which is a name the export needs. Rename that list.")
        contents.update(others)
    return contents


def _free_path(change: ListPlan, taken: Mapping[str, Content]) -> str:
    """Where a list is written: its path in the dataset. Two lists from outside the dataset may have the same name."""
    path = PurePosixPath(change.before.path)
    if path.is_absolute() or ".." in path.parts or not path.name or str(path) == MANIFEST:
        raise ExportError(f"The list {printable(str(path))} does not lie in the dataset and cannot be exported.")
    free, number = path, 2
    while str(free) in taken:
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return str(free)


def _numbers(plan: ExportPlan) -> tuple[dict[str, list[int]], dict[str, list[int]]] | None:
    """Kept and dropped numbers by area, sorted; None where tiles are not numbered as in RS3DBench."""
    kept: dict[str, list[int]] = {}
    dropped: dict[str, list[int]] = {}
    for group, tile, numbers in _sorted_out(plan, kept, dropped):
        numbered = NUMBERED.fullmatch(tile.rpartition("/")[2])
        if numbered is None:
            return None
        # Every area is in both tables: RS3DBench's scripts stop with a KeyError for one that is not.
        kept.setdefault(group, [])
        dropped.setdefault(group, [])
        numbers[group].append(int(numbered[1]))
    for members in (*kept.values(), *dropped.values()):
        members.sort()
    return (kept, dropped) if kept else None


def _sorted_out(
    plan: ExportPlan, kept: dict[str, list[int]], dropped: dict[str, list[int]]
) -> Iterator[tuple[str, TileId, dict[str, list[int]]]]:
    """(area, tile, the table it belongs to) for every tile."""
    for group, tiles in plan.kept.items():
        for tile in tiles:
            yield group, tile, kept
    for each in plan.dropped:
        yield each.group, each.tile, dropped


def _describe(plan: ExportPlan, out: Path, files: Mapping[str, str]) -> ExportResult:
    """The result, from path -> sha256 in the order of `_render`."""
    lists = tuple(
        ExportedList(
            change.before.name, change.before.group, path, change.names_before, change.names_after, files[path]
        )
        for change, path in zip(plan.lists, files, strict=False)
    )
    return ExportResult(out, lists, files, plan.dropped)


def _manifest(plan: ExportPlan, dataset: Dataset, result: ExportResult) -> Iterator[bytes]:
    """The manifest in pieces. What there may be millions of comes last, so that `_files_of_export` finds the files."""
    head = {
        "program": PROGRAM,
        "version": __version__,
        "written": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        "dataset": {"name": dataset.root.name, "title": dataset.title, "format": dataset.format},
        "options": plan.options,
        "files": result.files,
        "kept": sum(map(len, plan.kept.values())),
        "unlisted": len(plan.unlisted),
        "training_and_held_out": [leak.tile for leak in plan.leaks],
    }
    yield to_json(head).removesuffix(b"\n}\n") + b"," + _MANY + b"["
    between = b"\n  "
    for change, written in zip(plan.lists, result.lists, strict=True):
        yield between + to_json(_list_document(written)).replace(b"\n", b"\n  ").removesuffix(b"\n  }\n  ")
        yield b',\n   "not_found": ['
        yield from _joined(json.dumps(tile) for _, tile in change.not_found)
        yield b"]\n  }"
        between = b",\n  "
    yield b'\n ],\n "dropped": ['
    yield from _joined(_rows(plan, [written.path for written in result.lists]))
    yield b"\n ]\n}\n"


def _rows(plan: ExportPlan, paths: Sequence[str]) -> Iterator[str]:
    """A row for each tile left out. Of those that nobody decided on most is the same."""
    known: dict[tuple[object, ...], str] = {}
    for each in plan.dropped:
        key = each.group, each.reasons, each.lists
        rest = known.get(key) if each.decision is UNDECIDED else None
        if rest is None:
            row = {
                "group": each.group,
                "reasons": each.reasons,
                **to_plain(each.decision),
                "lists": [paths[place] for place in each.lists],
            }
            rest = json.dumps(row)[1:]
            if each.decision is UNDECIDED:
                known[key] = rest
        yield f'\n  {{"tile": {json.dumps(each.tile)}, {rest}'


def _joined(texts: Iterable[str]) -> Iterator[bytes]:
    """Texts in ASCII with commas between them."""
    before = ""
    for batch in batches(texts):
        yield (before + ",".join(batch)).encode()
        before = ","


def _list_document(each: ExportedList) -> dict[str, object]:
    return {
        "name": each.name,
        "group": each.group,
        "path": each.path,
        "before": each.before,
        "after": each.after,
        "sha256": each.sha256,
    }


def _dropped_document(each: Dropped) -> dict[str, object]:
    plain = to_plain(each.decision)
    return {
        "tile": each.tile,
        "verdict": plain["verdict"],
        "tags": plain["tags"],
        "note": plain["note"],
        "reasons": [str(reason) for reason in each.reasons],
    }


def _lines(tiles: Iterable[TileId]) -> Iterator[bytes]:
    return ("".join(f"{tile}\n" for tile in batch).encode() for batch in batches(tiles))


def _areas(numbers: Mapping[str, list[int]]) -> bytes:
    """A JSON table with an area a line."""
    rows = (f" {json.dumps(area, ensure_ascii=False)}: {json.dumps(members)}" for area, members in numbers.items())
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode()


def _python(numbers: Mapping[str, list[int]]) -> bytes:
    rows = "".join(f"    {area!r}: {members},\n" for area, members in numbers.items())
    return f"deletedIndexDict = {{\n{rows}}}\n".encode()


def _refuse_dataset(folder: Path, dataset: Dataset) -> None:
    """Raises ExportError where the export would replace or surround the dataset itself."""
    root = Path(os.path.realpath(dataset.root))
    if root.is_relative_to(folder) or folder in {Path(os.path.realpath(each)) for each in dataset.folders}:
        raise ExportError(f"{_shown(folder)} belongs to the dataset itself. Choose a new folder for the export.")


def _refuse_occupied(folder: Path, *, overwrite: bool) -> None:
    """Raises ExportError where something is at `folder` that must not be replaced. Raises OSError."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise ExportError(f"{_shown(folder)} is a file. Choose a folder that does not exist yet.")
    found = {
        (Path(parent) / name).relative_to(folder).as_posix() for parent, _, names in os.walk(folder) for name in names
    }
    if not found and not any(folder.iterdir()):
        return
    foreign = sorted(found - _files_of_export(folder))
    if foreign or not found:
        what = f"{printable(foreign[0])}, which no export wrote" if foreign else "folders that no export made"
        raise ExportError(f"{_shown(folder)} holds {what}. Choose a folder that does not exist yet.")
    if not overwrite:
        raise ExportError(
            f"{_shown(folder)} holds an earlier export. Choose another folder, or say --overwrite to replace it."
        )


def _refuse_unwritable(folder: Path) -> None:
    """Raises ExportError where the folder that the export's folder is made in is no folder, or not ours to write to."""
    nearest = next((parent for parent in folder.parents if os.path.lexists(parent)), folder)
    if not nearest.is_dir():
        raise ExportError(f"{_shown(nearest)} is a file. Choose a folder for the export.")
    if not os.access(nearest, os.W_OK):
        raise ExportError(f"No permission to write to {_shown(nearest)}. Choose another folder for the export.")


def _files_of_export(folder: Path) -> set[str]:
    """The files that the export in `folder` wrote; none where there is no export."""
    try:
        manifest = _head(folder / MANIFEST)
        if manifest["program"] != PROGRAM:
            return set()
        return {MANIFEST, *manifest["files"]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return set()


def _head(path: Path) -> Any:
    """What a manifest begins with: the rest may be a gigabyte. Raises OSError, ValueError, RecursionError."""
    with path.open("rb") as file:
        head, many, rest = file.read(_MOST_HEAD).partition(_MANY)  # no text in JSON holds a line break
    found = json.loads(head.removesuffix(b",") + b"}") if many else {}
    return found if "files" in found else json.loads(head + many + rest)


def _whole(content: bytes) -> Content:
    return lambda: (content,)


def _sha256(content: Content) -> str:
    digest = hashlib.sha256()
    for piece in content():
        digest.update(piece)
    return digest.hexdigest()


class _Watch:
    """Counts what is written, and breaks it off when somebody wants that."""

    def __init__(self, total: int, progress: Callable[[int, int | None], None], stop: Callable[[], bool]) -> None:
        self._total, self._progress, self._stop = total, progress, stop
        self._done = 0

    def over(self, pieces: Iterable[bytes], digest: "hashlib._Hash | None" = None) -> Iterator[bytes]:
        """The same pieces. Raises StoppedError."""
        for piece in pieces:
            if self._stop():
                raise StoppedError("The export was stopped. Nothing was written.")
            if digest is not None:
                digest.update(piece)
            yield piece
            self._done += len(piece)
            self._progress(min(self._done, self._total) // 1000, self._total // 1000)


def _size(plan: ExportPlan) -> int:
    """About how many bytes an export of lists has."""
    lists = (change.after.lines for change in plan.lists)
    raws = (lines.size if isinstance(lines, Rows) else sum(len(line.raw) for line in lines) for lines in lists)
    lost = sum(len(change.not_found) for change in plan.lists)
    kept = 0 if plan.lists else sum(map(len, plan.kept.values()))
    return sum(raws) + _ROW_BYTES * len(plan.dropped) + _NAME_BYTES * (lost + kept)


def _write(
    folder: Path, plan: ExportPlan, dataset: Dataset, contents: Mapping[str, Content], watch: _Watch
) -> ExportResult:
    """Writes a new folder and waits until it is on the disk."""
    folder.mkdir()
    folders = {folder}
    files: dict[str, str] = {}
    for path, content in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in target.parents if parent.is_relative_to(folder))
        digest = hashlib.sha256()
        write_pieces(target, watch.over(content(), digest))
        files[path] = digest.hexdigest()
    result = _describe(plan, folder, files)
    write_pieces(folder / MANIFEST, watch.over(_manifest(plan, dataset, result)))
    for each in folders:
        sync_folder(each)
    return result


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Writes a new file and waits until it is on the disk."""
    with path.open("xb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(partial: Path, folder: Path) -> None:
    """Renames `partial` to `folder`. An earlier export there goes only when the new one is in its place."""
    if not folder.exists():
        partial.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.old")
    folder.rename(old)
    try:
        partial.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _shown(path: Path) -> str:
    return printable(str(path))
