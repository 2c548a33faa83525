"""`rsviewer formats`: the dataset formats that this program knows, and those that other packages offer."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from rsviewer.cli.console import console, print_json
from rsviewer.cli.options import JsonOption
from rsviewer.core.errors import SettingsError

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name of a format, as `rsviewer formats list` shows it.", show_default=False),
]

formats = typer.Typer(help="The dataset formats: list, enable, disable.")


@formats.callback()
def _formats() -> None:
    """The dataset formats: list, enable, disable."""


@formats.command("list")
def list_formats(as_json: JsonOption = False) -> None:
    """List the formats of this program, and those that installed packages offer."""
    rows = _rows()
    if as_json:
        print_json(rows)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Format", "State", "From", "What it looks for"):
        table.add_column(name, overflow="fold", no_wrap=name == "Format")
    for row in rows:
        table.add_row(row["name"], row["state"], row["from"], row["expects"])
    console().print(table)


@formats.command("enable")
def enable(name: NameArgument) -> None:
    """Let a format of another package be used. Its code is run by every command from then on."""
    from rsviewer.data.plugins import available

    known = [plugin.name for plugin in available()]
    if name not in known:
        raise SettingsError(f"No installed package offers a format {name!r}. Offered: {', '.join(known) or 'none'}.")
    _change(name, on=True)


@formats.command("disable")
def disable(name: NameArgument) -> None:
    """Do not use a format of another package any more."""
    _change(name, on=False)


def _rows() -> list[dict[str, Any]]:
    from rsviewer.data.detect import ADAPTERS
    from rsviewer.data.plugins import available
    from rsviewer.data.settings import load_preferences

    enabled = load_preferences().value.plugins
    rows = [
        {"name": adapter.name, "title": adapter.title, "state": "on", "from": "rsviewer", "expects": adapter.expects}
        for adapter in ADAPTERS
    ]
    for plugin in available():
        state = "on" if plugin.name in enabled else "off"
        origin = plugin.distribution or plugin.module
        rows.append({"name": plugin.name, "title": plugin.name, "state": state, "from": origin, "expects": ""})
    return rows


def _change(name: str, *, on: bool) -> None:
    """Writes the preferences. Raises SettingsError where they cannot be written or were written by a newer version."""
    from rsviewer.data.settings import load_preferences, preferences_path, save

    loaded = load_preferences().value
    others = [known for known in loaded.plugins if known != name]
    save(preferences_path(), replace(loaded, plugins=(*others, name) if on else tuple(others)))
    console().print(f"{name} is {'on' if on else 'off'}.")
