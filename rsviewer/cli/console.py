"""What commands say: results on stdout, progress and troubles on stderr."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # rich is imported where something is printed: `rsviewer --version` and `open` do without
    from rich.console import Console

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the number done and the number in all, None while that is not known."""

PIPE_WIDTH = 120
"""Columns of tables where nobody says how wide the page is."""


def plain(text: str) -> str:
    r"""Words of a stranger on one line, without what would command the terminal: escape becomes ``\x1b``."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", " ".join(text.split()))


def complain(message: str) -> None:
    """One line on stderr, whatever the message holds."""
    print(f"rsviewer: {plain(message)}", file=sys.stderr)


def plural(count: int, word: str) -> str:
    """For example "1 tile", "2,000 tiles"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def print_json(value: object) -> None:
    """The one JSON document on stdout. Plain ASCII: no terminal and no locale can spoil it."""
    print(json.dumps(value, indent=1, allow_nan=False))


def console() -> "Console":
    """Stdout for people: colours and the terminal's width where there is a terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


@contextmanager
def progress(words: str, unit: str = "tiles") -> Iterator[Progress]:
    """A bar with speed and time left on stderr, gone when the work is done. Nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f} {unit}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(words, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int | None], None]]:
    """A line on stderr for work of several parts, which each call names; gone when it is done. Nothing without a terminal."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, visible=False)

        def report(what: str, done: int, total: int | None) -> None:
            bars.update(task, description=plain(what), completed=done, total=total, visible=True)

        yield report
