"""The commands of the program, one module a command. The only place where everything is made and introduced.

Exit codes: 0 done; 1 done, and what was asked about is not in order; 2 it could not be done, one line on stderr says why
and what to do; 130 after Ctrl-C, with everything finished so far kept; 70 our own bug, with its traceback in the log.
"""

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from rsviewer import __version__
from rsviewer.cli.console import complain
from rsviewer.core.errors import RsviewerError

log = logging.getLogger(__name__)

COMMANDS = {
    "open": "open_dataset",
    "demo": "demo",
    "info": "info",
    "index": "index",
    "check": "check",
    "flag": "flag",
    "decisions": "decisions",
    "export": "export",
    "predict": "predict",
    "search": "search",
    "models": "models",
    "convert": "convert",
    "unpack": "unpack",
    "formats": "formats",
    "bench": "bench",
    "doctor": "doctor",
}
"""Command, which is also the module in this package -> function in it, or group of commands; in the order of the help.

What a function returns is the exit code, None being 0. Only the module of the command in hand is imported.
"""

DONE, COULD_NOT, OUR_BUG, INTERRUPTED = 0, 2, 70, 130

_OWN_OPTIONS = ("-h", "--help", "--version", "--install-completion", "--show-completion")
_COMPLETING = "_RSVIEWER_COMPLETE"
"""Set by the shell when it asks how a line may go on."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the program and ends the process.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs one command. Returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a name that the terminal cannot show must not end the program
    try:
        return _run(list(arguments))
    except RsviewerError as error:
        log.info("%s", error, exc_info=True)
        complain(str(error))
        return COULD_NOT
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        said = error.format_message().replace("Value error, ", "")
        complain(
            f"{said}{'' if said.endswith(('.', '?')) else '.'} See {context.command_path if context else 'rsviewer'} --help."
        )
        return COULD_NOT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- the last line of defence: said in one line, told in the log
        complain(_report(error))
        return OUR_BUG


def _run(arguments: list[str]) -> int:
    if _COMPLETING in os.environ:
        group = _group(COMMANDS)
    else:
        if not _is_ours(arguments):
            arguments = ["open", *arguments]
        needed = [] if arguments[0] == "--version" else [name for name in COMMANDS if name == arguments[0]] or COMMANDS
        group = _group(needed)
    return group(args=arguments, prog_name="rsviewer", standalone_mode=False) or DONE


def _is_ours(arguments: Sequence[str]) -> bool:
    """True where the first word is a command or an option of the program, or looks like a command with a slip in it.

    Else `rsviewer PATH` is `rsviewer open PATH`, and `rsviewer` alone opens the empty window.
    """
    if not arguments:
        return False
    first = arguments[0]
    if first.startswith("-"):
        return first in _OWN_OPTIONS
    is_path = Path(first).name != first or Path(first).exists()
    return first in COMMANDS or (not is_path and bool(difflib.get_close_matches(first, COMMANDS, n=1, cutoff=0.75)))


def _group(names: Iterable[str]) -> Any:
    app = typer.Typer(
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
        epilog="rsviewer PATH opens PATH. A folder that is named like a command: rsviewer ./info",
    )
    app.callback()(_program)
    for name in names:
        command = getattr(importlib.import_module(f"{__name__}.{name}"), COMMANDS[name])
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return typer.main.get_command(app)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"rsviewer {__version__}")
        raise typer.Exit


def _program(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Look at every tile of a remote-sensing dataset, decide what is good, export cleaned split lists."""
    from rsviewer.cli.logs import start_logging

    start_logging()


def _report(error: Exception) -> str:
    """Writes the traceback of our own bug to the log. Returns what to say."""
    from rsviewer.cli.logs import log_path, start_logging

    start_logging()
    log.critical("Unexpected error", exc_info=error)
    said = f"unexpected error ({type(error).__name__}: {error}). Please report it"
    return f"{said} with the end of {log_path()}." if log_path().exists() else f"{said}."
