"""`rsviewer flag`: a decision about tiles without a window."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rsviewer.cli.console import complain, plural, print_json
from rsviewer.cli.options import FormatOption, JsonOption, PathArgument, ProjectOption
from rsviewer.core.errors import RsviewerError
from rsviewer.core.review import Decision, Edit, Verdict, describe
from rsviewer.core.tile import TileId, printable

if TYPE_CHECKING:
    from rsviewer.data.index import TileIndex

NAMED = 5
"""So many unknown tiles are named in a message."""


def flag(
    path: PathArgument,
    tiles: Annotated[
        list[str], typer.Argument(help="Names of tiles; - reads them from stdin, one a line.", show_default=False)
    ],
    format_name: FormatOption = None,
    project: ProjectOption = None,
    verdict: Annotated[Verdict | None, typer.Option(help="The verdict.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Add a tag. May be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Take a tag away. May be repeated.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help='The note; "" takes it away.')] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="First take verdict, tags and regions away. The note stays.")
    ] = False,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decides, else as in the preferences.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about tiles: all of those named, or none where one of them is not there."""
    added, removed = _tags(tag, "--tag"), _tags(untag, "--untag")
    if verdict is None and note is None and not (added or removed or clear):
        raise typer.BadParameter(
            "one of --verdict, --tag, --untag, --note or --clear is needed.", param_hint="decision"
        )
    names = _names(tiles)
    from rsviewer.cli.dataset import current_index, writing
    from rsviewer.cli.decisions import documents
    from rsviewer.data.decisions import DecisionStore
    from rsviewer.data.settings import load_preferences
    from rsviewer.workspace.opening import Opened, login_name

    loaded = load_preferences()
    for message in loaded.messages:
        complain(message)
    preferences = loaded.value
    who = reviewer or preferences.reviewer or login_name()
    now = Opened.clock()

    def decided(before: Decision) -> Decision:
        after = replace(before, verdict=Verdict.UNDECIDED, tags=(), regions=()) if clear else before
        tags = tuple(sorted({*after.tags, *added}.difference(removed)))
        after = replace(
            after,
            verdict=after.verdict if verdict is None else verdict,
            tags=tags,
            note=after.note if note is None else note,
        )
        return before if after == before else replace(after, reviewer=who, time=now)

    with writing(path, format_name, project) as (dataset, adapter, opened):
        with current_index(dataset, adapter, opened) as (index, _):
            found = find_tiles(index, names)
        with DecisionStore.open(opened.decisions_path) as store:
            edits = [Edit(tile, before, decided(before)) for tile in found for before in (store.get(tile),)]
            store.apply_all(edit for edit in edits if edit.after != edit.before)
    _remark_on_tags(added, [anomaly.tag for anomaly in preferences.anomalies])
    after = {edit.tile: edit.after for edit in edits}
    if as_json:
        print_json(documents(after))
    elif len(edits) == 1:
        print(f"{edits[0].tile}: {describe(edits[0])}")
    else:
        changed = sum(edit.after != edit.before for edit in edits)
        print(f"{changed:,} of {plural(len(edits), 'tile')} changed.")


def find_tiles(index: "TileIndex", names: Sequence[str]) -> list[TileId]:
    """The tiles of these names, each once. Raises RsviewerError that names those that are not there, and similar ones."""
    exact = index.ordinals_of([TileId(name) for name in names])
    found: dict[TileId, None] = {}
    unknown = []
    for name in names:
        place = exact.get(TileId(name))
        if place is None:
            place = index.ordinal_of(TileId(name))
        if place is None:
            unknown.append(name)
        else:
            found[index.entry(place).id] = None
    if unknown:
        words = [f"{name}{_near(index, name)}" for name in unknown[:NAMED]]
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        raise RsviewerError(f"There is no tile {', '.join(words)}{more}. Nothing was changed.")
    return list(found)


def _near(index: "TileIndex", name: str) -> str:
    """Tiles that may be meant by a name with a slip in it, in parentheses."""
    for length in range(len(name), max(2, len(name) // 2), -1):
        places = index.find(name[:length], limit=3) or index.find(name[-length:], limit=3)
        if places:
            return f" (near: {', '.join(entry.id for entry in index.entries(places))})"
    return ""


def _names(tiles: Sequence[str]) -> list[str]:
    """The tiles that are meant, those of stdin in the place of "-"."""
    names: list[str] = []
    for name in tiles:
        names += _lines_of_stdin() if name == "-" else [printable(name)]
    if not names:
        raise RsviewerError("No tile was named: stdin was empty.")
    return names


def _lines_of_stdin() -> list[str]:
    if reconfigure := getattr(sys.stdin, "reconfigure", None):
        reconfigure(encoding="utf-8", errors="backslashreplace")  # as `printable` writes names that are not UTF-8
    return [line for line in map(str.strip, sys.stdin) if line]


def _tags(tags: Sequence[str] | None, option: str) -> list[str]:
    cleaned = [tag.strip() for tag in tags or ()]
    if not all(cleaned):
        raise typer.BadParameter("a tag cannot be empty.", param_hint=option)
    return cleaned


def _remark_on_tags(tags: Sequence[str], known: Sequence[str]) -> None:
    """A tag with a slip in it is a new tag: said, not refused."""
    for tag in tags:
        if tag not in known and (near := difflib.get_close_matches(tag, known, n=1)):
            complain(f"{tag} is none of your tags. Did you mean {near[0]}?")
