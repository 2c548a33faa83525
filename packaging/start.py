"""Sets rsviewer up on a fresh machine, then starts it or runs its tests.

    python3 packaging/start.py demo     look at the built-in dataset
    python3 packaging/start.py test     run the tests (what follows goes to pytest)
    python3 packaging/start.py setup    only set up; --models adds what models need (torch, transformers, diffusers ...)
    python3 packaging/start.py lint     format, lint, import and type checks

It needs the standard library only, and it must parse on an old Python so that it can say that the Python is too old.
Everything goes into a virtual environment, `.venv` in the checkout or where RSVIEWER_VENV says; system libraries are
added with apt-get where that works without a question. An interrupted run is repaired by the next one; a finished one
is recognised by its record file, so that starting again costs next to nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = Path("packaging", "constraints.txt")
OLDEST_PYTHON = (3, 11)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
WINDOWS = sys.platform == "win32"
RECORD = "rsviewer-setup.json"
LOG = "rsviewer-setup.log"
ROOM_NEEDED = 2_500_000_000
"""Bytes: about what the packages of the demo and of the tests take, downloads and a torch without CUDA included."""

# What Qt's widgets and its X11 plugin load at run time (ldd over PySide6-Essentials 6.11 on a bare Debian 12).
WINDOW_LIBRARIES = {
    "libgl1": "libGL.so.1",
    "libegl1": "libEGL.so.1",
    "libopengl0": "libOpenGL.so.0",
    "libglib2.0-0": "libgthread-2.0.so.0",
    "libdbus-1-3": "libdbus-1.so.3",
    "libfontconfig1": "libfontconfig.so.1",
    "libfreetype6": "libfreetype.so.6",
    "libx11-6": "libX11.so.6",
    "libx11-xcb1": "libX11-xcb.so.1",
    "libxkbcommon0": "libxkbcommon.so.0",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-glx0": "libxcb-glx.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-image0": "libxcb-image.so.0",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxcb-randr0": "libxcb-randr.so.0",
    "libxcb-render-util0": "libxcb-render-util.so.0",
    "libxcb-shape0": "libxcb-shape.so.0",
    "libxcb-shm0": "libxcb-shm.so.0",
    "libxcb-sync1": "libxcb-sync.so.1",
    "libxcb-util1": "libxcb-util.so.1",
    "libxcb-xfixes0": "libxcb-xfixes.so.0",
    "libxcb-xkb1": "libxcb-xkb.so.1",
    "libexpat1": "libexpat.so.1",
}
WINDOW_FILES = {
    "libgl1-mesa-dri": ("/usr/lib/*/dri/swrast_dri.so", "/usr/lib64/dri/swrast_dri.so", "/usr/lib/dri/swrast_dri.so"),
    "fonts-dejavu-core": ("/usr/share/fonts/**/*.ttf", "/usr/share/fonts/**/*.otf", "/usr/local/share/fonts/**/*.ttf"),
}
TEST_COMMANDS = {"xvfb": "Xvfb", "xdotool": "xdotool"}

# What pip's last words mean, in words that say what to do. The first that fits is printed.
PIP_HINTS = {
    r"name resolution|Name or service not known|getaddrinfo failed|Network is unreachable|NameResolutionError"
    r"|NewConnectionError|Failed to establish a new connection|Connection refused|Connection to .* timed out": (
        "The package index cannot be reached. Check the network (behind a proxy: set HTTPS_PROXY) and run this again."
    ),
    r"Read timed out|IncompleteRead|Connection broken|ProtocolError": "The download broke off. Run this again.",
    r"CERTIFICATE_VERIFY_FAILED|SSLError": (
        "The package index's certificate is not trusted. Behind a company's proxy, set PIP_CERT to its certificate."
    ),
    r"No space left on device|Errno 28": (
        "The disk is full. Make room, or set RSVIEWER_VENV to a folder on another disk."
    ),
    r"Permission denied|Errno 13": "A folder cannot be written. Set RSVIEWER_VENV to a folder that is yours.",
    r"No matching distribution|Could not find a version": (
        "A package has no build for this Python or this machine. The versions in packaging/constraints.txt were tested "
        "with Python 3.11 on 64-bit Linux."
    ),
}

SMOKE_TEST = """
from PySide6.QtWidgets import QApplication
QApplication([])
import sqlite3, duckdb, rasterio, scipy, PIL, matplotlib
"""
DISPLAY_TEST = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"

LINTERS = (
    ("ruff format", ("-m", "ruff", "format", "--check")),
    ("ruff check", ("-m", "ruff", "check")),
    ("lint-imports", ("-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())")),
    ("mypy", ("-m", "mypy")),
)


class StartError(Exception):
    """Something that this script cannot mend, in a sentence that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line asks and returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if is_too_old(sys.version_info):
        return hand_over_to_newer_python(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(__doc__ or "")
        return 0 if arguments else 2
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        return fail(f"There is no command {command!r}: say one of {', '.join(COMMANDS)}.")
    try:
        return COMMANDS[command](rest)
    except StartError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        return 130


# -- the commands ------------------------------------------------------------------------------------------------------


def demo(rest: Sequence[str]) -> int:
    """Writes the built-in dataset and opens it; without a display, takes a picture of the window."""
    python = set_up_with_models()
    command = [str(python), "-m", "rsviewer", "demo", *rest]
    no_display = why_no_display(python, os.environ)
    if not no_display or any(part.split("=")[0] in ("--screenshot", "--no-open", "--help") for part in rest):
        say("Starting rsviewer.")
        return call(command, offscreen=bool(no_display))
    picture = screenshot_path(Path.cwd())
    say(f"{no_display} Saving a picture of the window instead.")
    status = call([*command, "--overwrite", "--screenshot", str(picture)], offscreen=True)
    if status == 0 and not picture.is_file():
        return fail(f"rsviewer ended without writing {picture}.")
    if status == 0:
        say(f"The window looks like this: {picture}")
    return status


def test(rest: Sequence[str]) -> int:
    """Runs the tests, two at a time; what follows the command goes to pytest instead, for some of them or one at a time."""
    python = set_up(extras=("test", "lint", "models", "remote", "cluster"))
    return call([str(python), "-m", "pytest", *(rest or ("--numprocesses", "2"))], cwd=ROOT)


def setup(rest: Sequence[str]) -> int:
    """Only sets up."""
    unknown = [part for part in rest if part != "--models"]
    if unknown:
        raise StartError(f"setup does not know {' '.join(unknown)}: it takes --models or nothing.")
    python = set_up(extras=("models",) if "--models" in rest else ())
    say(f"Ready: {shown([str(python), '-m', 'rsviewer'])}")
    return 0


def lint(rest: Sequence[str]) -> int:
    """Runs every linter, however many of them complain."""
    if rest:
        raise StartError(f"lint takes no arguments, but was given {' '.join(rest)}.")
    python = set_up(extras=("test", "lint", "models", "remote", "cluster"))
    failed = []
    for name, parts in LINTERS:
        say(f"--- {name}")
        if call([str(python), *parts], cwd=ROOT) != 0:
            failed.append(name)
    say(f"lint: {', '.join(failed)} failed" if failed else "lint: all passed")
    return 1 if failed else 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"demo": demo, "test": test, "setup": setup, "lint": lint}


# -- setting up --------------------------------------------------------------------------------------------------------


def set_up_with_models() -> Path:
    """Makes sure that everything is installed, and what models need, too, if that can be had: the demo runs without.

    It is tried once: whoever is offline, or set up without models, does not wait for it at every start.
    """
    record = Record.read(venv_path(os.environ))
    if record.covers(ROOT, set()) and "models" not in record.extras:
        return set_up(extras=())
    try:
        return set_up(extras=("models",))
    except StartError as error:
        python = set_up(extras=())
        say(f"{error}\nGoing on without models: only I (predict) needs them. Try again: start.py setup --models")
        return python


def set_up(extras: Iterable[str]) -> Path:
    """Makes sure that everything is installed and returns the Python that has it.

    Args:
        extras: names of optional dependencies in pyproject.toml.
    """
    venv, wanted = venv_path(os.environ), set(extras)
    with only_one_at_a_time():
        record = Record.read(venv)
        ready = record.covers(ROOT, wanted) and venv_python(venv).exists()
        missing = provide_system_packages(tests="test" in wanted, making_venv=not ready)
        if not ready:
            wanted |= record.extras if record.finished and record.checkout == str(ROOT) else set()
            record = prepare_venv(venv, record)
            install_packages(venv, wanted, record)
            record = Record(True, str(ROOT), fingerprint(ROOT), frozenset(wanted))
            record.write(venv)
        if not record.loads:
            try_out(venv, missing)
            record._replace(loads=True).write(venv)
    return venv_python(venv)


class Record(NamedTuple):
    """What the last run left in a virtual environment: how far it got, and from which files."""

    finished: bool | None = None
    """None: no run of this script was here."""
    checkout: str = ""
    inputs: str = ""
    extras: frozenset[str] = frozenset()
    loads: bool = False
    """Whether what was installed was seen to work: it may lack a system library."""

    @classmethod
    def read(cls, venv: Path) -> Record:
        """The record of a virtual environment; one that cannot be read stands for an unfinished run."""
        try:
            text = (venv / RECORD).read_text(encoding="utf-8")
        except OSError:
            return cls()
        try:
            known = json.loads(text)
            return cls(**{**known, "extras": frozenset(known["extras"])})
        except (ValueError, KeyError, TypeError):
            return cls(finished=False)

    def write(self, venv: Path) -> None:
        """Puts the record into a virtual environment, in one step."""
        new = venv / (RECORD + ".new")
        new.write_text(json.dumps({**self._asdict(), "extras": sorted(self.extras)}), encoding="utf-8")
        new.replace(venv / RECORD)

    def covers(self, root: Path, wanted: set[str]) -> bool:
        """Whether nothing has to be done for these extras."""
        return (
            bool(self.finished)
            and wanted <= self.extras
            and (self.checkout, self.inputs)
            == (
                str(root),
                fingerprint(root),
            )
        )


def fingerprint(root: Path) -> str:
    """A hash over the files that decide what is installed."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", CONSTRAINTS):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def venv_path(environment: Mapping[str, str]) -> Path:
    """Where the virtual environment is or will be."""
    return Path(environment.get("RSVIEWER_VENV") or ROOT / ".venv").expanduser().absolute()


def venv_python(venv: Path) -> Path:
    """The Python of a virtual environment."""
    return venv / "Scripts" / "python.exe" if WINDOWS else venv / "bin" / "python"


def prepare_venv(venv: Path, record: Record) -> Record:
    """Leaves a working virtual environment with pip, the one that is there or a new one; returns its record."""
    if venv.is_dir() and any(venv.iterdir()):
        flaw = flaw_of(venv, record)
        if not flaw:
            return record
        remove_venv(venv, record, flaw)
    if not can_make_venvs():
        raise StartError(f"This Python cannot make virtual environments. {by_hand([venv_package()])}")
    progress = Progress(f"Making a virtual environment in {venv}")
    try:
        venv.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"Cannot make {venv} ({error.strerror}). Set RSVIEWER_VENV to a folder that is yours."
        ) from error
    room = shutil.disk_usage(venv).free
    if room < ROOM_NEEDED:
        raise StartError(
            f"Only {room / 1e9:.1f} GB are free for {venv}, {ROOM_NEEDED / 1e9:.1f} GB are needed. Make room, or set "
            "RSVIEWER_VENV to a folder on another disk."
        )
    record = Record(finished=False)
    record.write(venv)
    with_pip = importlib.util.find_spec("ensurepip") is not None
    run_logged([sys.executable, "-m", "venv", *([] if with_pip else ["--without-pip"]), str(venv)], venv, progress)
    if not with_pip:
        borrow_pip(venv, progress)
    progress.done(f"Python {sys.version.split()[0]}")
    return record


def flaw_of(venv: Path, record: Record) -> str:
    """What is wrong with a virtual environment, or an empty string."""
    if record.finished is False:
        return "is left over from a run that did not finish"
    if record.finished and record.checkout != str(ROOT):
        return f"belongs to {record.checkout}"
    question = "import sys, pip; print(*sys.version_info[:2])"
    status, answer = output_of([str(venv_python(venv)), "-c", question])
    if status != 0:
        return "has no working Python with pip"
    version = tuple(int(part) for part in answer.split())
    return f"has Python {version[0]}.{version[1]}" if is_too_old(version) else ""


def remove_venv(venv: Path, record: Record, flaw: str) -> None:
    """Removes a virtual environment, and refuses to remove anything that does not look like one of ours."""
    ours = record.finished is not None
    inside = venv == ROOT / ".venv" and (venv / "pyvenv.cfg").is_file()
    if not (ours or inside):
        raise StartError(
            f"{venv} {flaw} and was not made by this script, so it is left alone. Move it away, or set RSVIEWER_VENV "
            "to another folder."
        )
    say(f"{venv} {flaw}: making it anew.")
    try:
        shutil.rmtree(str(venv))
    except OSError as error:
        raise StartError(f"Cannot remove {error.filename} ({error.strerror}). Remove {venv} yourself.") from error


def can_make_venvs() -> bool:
    """Whether this Python can put pip into a virtual environment: Debian's bare python3 cannot."""
    return any(importlib.util.find_spec(name) for name in ("ensurepip", "pip"))


def borrow_pip(venv: Path, progress: Progress) -> None:
    """Gives a virtual environment the pip that this Python has elsewhere: Debian splits ensurepip off."""
    pip = [sys.executable, "-m", "pip", "--python", str(venv_python(venv)), "install", "pip"]
    run_logged(pip, venv, progress)


def install_packages(venv: Path, extras: Iterable[str], record: Record) -> None:
    """Installs rsviewer from the checkout, and what it needs in the versions that were tested together.

    While pip works the environment counts as unfinished, for it may be killed. If pip itself gives up, it leaves what
    was there before, and so does this: a pull without network must not cost a working set-up.
    """
    chosen = sorted(extras)
    pip = [str(venv_python(venv)), "-m", "pip", "install", "--no-input", "-c", str(CONSTRAINTS)]
    steps = [["hatchling", "editables"], ["--no-build-isolation", "-e", f".[{','.join(chosen)}]" if chosen else "."]]
    if "models" in chosen:
        # Before anything that asks for "some torch": that brings the newest, with gigabytes of CUDA.
        steps.insert(0, ["torch"])
    progress = Progress("Installing Python packages (the first time this takes some minutes)")
    Record(finished=False).write(venv)
    try:
        for step in steps:
            run_logged([*pip, *step], venv, progress)
    except StartError:
        if record.finished:
            record.write(venv)
        raise
    progress.done()


def try_out(venv: Path, missing: Sequence[str]) -> None:
    """Loads what is most likely to miss a system library, so that it is named here and not in a traceback later."""
    status, answer = output_of([str(venv_python(venv)), "-c", SMOKE_TEST], offscreen=True)
    if status == 0:
        return
    library = re.search(r"(\S+\.so[.\d]*): cannot open shared object", answer)
    if library and missing:
        raise StartError(f"rsviewer cannot start without {library.group(1)}. {by_hand(missing)}")
    raise StartError("The installed packages do not load:\n" + last_lines(answer))


# -- system packages ---------------------------------------------------------------------------------------------------


def provide_system_packages(tests: bool, making_venv: bool) -> list[str]:
    """Installs the system packages that are missing, or says how to; returns those still missing."""
    if not sys.platform.startswith("linux"):
        return []
    missing = missing_packages(tests, known_libraries(), shutil.which, file_exists)
    if making_venv and not can_make_venvs():
        missing.append(venv_package())
    if not missing:
        return []
    prefix = apt_prefix()
    if prefix is None:
        say(f"{len(missing)} system packages are missing. {by_hand(missing)}\nGoing on without them.")
        return missing
    progress = Progress(f"Installing {len(missing)} system packages with apt-get")
    for command in apt_commands(missing, prefix):
        status, answer = output_of(command)
        if status != 0:  # a mirror that is being updated, a lock that is held: once more helps
            status, answer = output_of(command)
        if status != 0 and "install" in command:
            progress.done("failed")
            say(f"{last_lines(answer, 5)}\n{by_hand(missing)}\nGoing on without them.")
            return missing
    importlib.invalidate_caches()
    progress.done()
    return []


def missing_packages(
    tests: bool,
    libraries: frozenset[str] | None,
    which: Callable[[str], str | None],
    exists: Callable[[str], bool],
) -> list[str]:
    """The Debian names of what is not on this machine.

    Looks for the files themselves, not for packages: names differ between distributions and their releases.

    Args:
        tests: whether what only tests need counts too.
        libraries: the shared libraries of this machine; None where they cannot be listed, then none counts as missing.
        which: finds a command.
        exists: says whether any file matches a pattern.
    """
    known = frozenset(WINDOW_LIBRARIES.values()) if libraries is None else libraries
    missing = [package for package, library in WINDOW_LIBRARIES.items() if library not in known]
    missing += [package for package, patterns in WINDOW_FILES.items() if not any(map(exists, patterns))]
    if tests:
        missing += [package for package, command in TEST_COMMANDS.items() if which(command) is None]
    return missing


def known_libraries() -> frozenset[str] | None:
    """The shared libraries that the loader finds, or None where nobody can say."""
    status, listing = output_of([shutil.which("ldconfig") or "/sbin/ldconfig", "-p"])
    return libraries_in(listing, sixty_four_bit=sys.maxsize > 2**32) if status == 0 else None


def libraries_in(listing: str, sixty_four_bit: bool) -> frozenset[str]:
    """The names in what `ldconfig -p` prints, without those of the other word size."""
    entries = re.findall(r"^\s*(\S+) \(([^)]*)\) =>", listing, flags=re.MULTILINE)
    return frozenset(name for name, kind in entries if ("64" in kind) == sixty_four_bit)


def file_exists(pattern: str) -> bool:
    """Whether any file matches an absolute pattern."""
    return next(Path("/").glob(pattern.lstrip("/")), None) is not None


def venv_package() -> str:
    """Debian's package with what this Python lacks to make virtual environments."""
    return f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"


def apt_prefix() -> list[str] | None:
    """What to put before apt-get to be allowed to use it without a question, or None if there is no way."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and output_of(["sudo", "-n", "true"])[0] == 0:
        return ["sudo", "-n"]
    return None


def apt_commands(packages: Sequence[str], prefix: Sequence[str]) -> list[list[str]]:
    """Refreshing the package lists and installing, without questions and without waiting for ever."""
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]
    apt += ["-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30"]
    return [[*apt, "update"], [*apt, "install", "--no-install-recommends", *packages]]


def by_hand(packages: Sequence[str]) -> str:
    """What a person types to install packages, as far as one can say it for this machine."""
    if shutil.which("apt-get"):
        names = " ".join(packages)
        return f"Install as root:\n    apt-get update && apt-get install -y --no-install-recommends {names}"
    files = [WINDOW_LIBRARIES.get(name) or TEST_COMMANDS.get(name) or name for name in packages]
    return f"Install what holds them with this system's package manager: {', '.join(files)}."


# -- the display -------------------------------------------------------------------------------------------------------


def why_no_display(python: Path, environment: Mapping[str, str]) -> str:
    """Why no window can be shown, as a sentence; empty if one can."""
    if not sys.platform.startswith("linux"):
        return ""
    if environment.get("QT_QPA_PLATFORM", "").split(":")[0] in ("offscreen", "minimal"):
        return "QT_QPA_PLATFORM says that there is no display."
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)."
    status, answer = output_of([str(python), "-c", DISPLAY_TEST], seconds=30)
    if status == 0:
        return ""
    reason = next((line for line in answer.splitlines() if line.strip()), "no answer")
    return f"The display cannot be used ({reason.strip()})."


def screenshot_path(folder: Path) -> Path:
    """Where the picture goes: here, or where temporary files go if nothing can be written here."""
    return (folder if os.access(str(folder), os.W_OK) else Path(tempfile.gettempdir())) / "rsviewer-demo.png"


# -- an old Python -----------------------------------------------------------------------------------------------------


def is_too_old(version: Sequence[object]) -> bool:
    """Whether a version is one that rsviewer does not run on."""
    return tuple(version[:2]) < OLDEST_PYTHON


def hand_over_to_newer_python(arguments: Sequence[str]) -> int:
    """Goes on with a newer Python if this machine has one; else says which is needed."""
    for name in NEWER_PYTHONS:
        newer = shutil.which(name)
        if newer and output_of([newer, "-c", "import venv"])[0] == 0:
            return call([newer, str(Path(__file__).resolve()), *arguments])
    return fail(
        f"rsviewer needs Python 3.11 or newer. This is {sys.version.split()[0]} ({sys.executable}), and no newer one "
        "was found. Install one, then run this with it: python3.11 packaging/start.py"
    )


# -- running other programs --------------------------------------------------------------------------------------------


def call(command: Sequence[str], offscreen: bool = False, cwd: Path | None = None) -> int:
    """Runs a program with this terminal as its own and returns its exit status."""
    with subprocess.Popen(command, env=environment_for_children(offscreen), cwd=cwd) as process:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:  # it was told, too: let it finish what it must
                continue
            return status if status >= 0 else 128 - status


def output_of(command: Sequence[str], offscreen: bool = False, seconds: float | None = None) -> tuple[int, str]:
    """Exit status and everything a program printed; 127 if it cannot be started, 124 if it took too long."""
    try:
        done = subprocess.run(
            command,
            env=environment_for_children(offscreen),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {seconds:.0f} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def run_logged(command: Sequence[str], venv: Path, progress: Progress) -> None:
    """Runs a step of the set-up quietly, its words in the log file; shows the last of them if it fails."""
    lines = []
    with (venv / LOG).open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment_for_children(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            for raw in process.stdout or ():
                log.write(raw)
                lines.append(raw.decode(errors="replace").rstrip())
                progress.show(lines[-1])
    if process.returncode == 0:
        return
    progress.done("failed")
    text = "\n".join(lines)
    hint = next(
        (advice for pattern, advice in PIP_HINTS.items() if re.search(pattern, text)), "Run the same command again."
    )
    raise StartError(f"This did not work: {shown(command)}\n{last_lines(text)}\n{hint} (All of it: {venv / LOG})")


def environment_for_children(offscreen: bool = False) -> dict[str, str]:
    """This environment without what would send Python or pip to other packages than those of the set-up."""
    unwanted = {"PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_HASHES"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    kept.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    if offscreen:
        kept["QT_QPA_PLATFORM"] = "offscreen"
    return kept


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Keeps a second set-up of this checkout waiting until the first has ended."""
    if WINDOWS:
        yield
        return
    import fcntl

    with (ROOT / CONSTRAINTS).open("rb") as anchor:
        try:
            fcntl.flock(anchor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another set-up of this checkout is running: waiting for it.")
            with contextlib.suppress(OSError):  # a network disk without locks: go on
                fcntl.flock(anchor, fcntl.LOCK_EX)
        yield


# -- words -------------------------------------------------------------------------------------------------------------


class Progress:
    """One line about a step: what it is, on a terminal also what it does now, and at last how long it took."""

    def __init__(self, title: str) -> None:
        self._title, self._started, self._live = title, time.monotonic(), sys.stdout.isatty()
        if self._live:
            self.show("")
        else:
            say(f"{title} ...")

    def show(self, line: str) -> None:
        """Shows what the step says now."""
        if self._live:
            text = f"{self._title} ... {line.strip()}"[: shutil.get_terminal_size().columns - 1]
            sys.stdout.write(f"\r\x1b[K{text}")
            sys.stdout.flush()

    def done(self, how: str = "done") -> None:
        """Ends the line."""
        end = f"{how} ({time.monotonic() - self._started:.0f} s)"
        say(f"\r\x1b[K{self._title}: {end}" if self._live else f"    {end}")


def say(words: str) -> None:
    """Prints at once, so that the order is right where other programs print too."""
    print(words, flush=True)


def fail(words: str) -> int:
    """Prints why it did not work and returns the exit status for that."""
    sys.stdout.flush()
    print(f"start.py: {words}", file=sys.stderr, flush=True)
    return 2


def last_lines(text: str, count: int = 20) -> str:
    """The end of what a program printed, indented."""
    lines = [line for line in text.splitlines() if line.strip() and "is ignored: it is neither" not in line]
    return "\n".join("    " + line for line in lines[-count:])


def shown(command: Sequence[str]) -> str:
    """A command as one would type it."""
    return " ".join(f'"{part}"' if " " in part else part for part in command)


if __name__ == "__main__":
    sys.exit(main())
