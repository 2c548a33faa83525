"""`rsviewer doctor`: what this machine has, what is wrong, and how to mend it.

What may crash or hang (Qt without a library, a graphics driver, torch) is tried in a process of its own.
"""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsviewer import __version__
from rsviewer.cli.console import console, plural, print_json
from rsviewer.cli.options import JsonOption, ProjectOption

OLDEST_PYTHON = (3, 11)

BAD_QT = ("6.11.0", "6.11.1", "6.12")
"""Beginnings of versions of PySide6 that abort or have broken docks."""

DRIVERS = ("GTiff", "PNG", "JPEG", "JP2OpenJPEG", "WEBP", "HFA", "GIF", "BMP", "AAIGrid")

PROBE_SECONDS = 60
MIN_MEMORY = 2_000_000_000
MIN_DISK = 1_000_000_000
GB = 1e9

MEND_QT = (
    "Debian, Ubuntu: sudo apt install libegl1 libgl1 libopengl0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-keysyms1 libxcb-shape0 libxcb-xinerama0 libxcb-image0 libxcb-render-util0 libxcb-randr0 libdbus-1-3 "
    "libfontconfig1"
)

MEND_OTHER = "pip install --force-reinstall PySide6-Essentials"

OTHER_OPENCV = ("opencv-python", "opencv-contrib-python")
"""Packages that put themselves in the place of ours, and bring a Qt that breaks PySide6."""

MEND_OPENCV = "pip uninstall {0}; pip install --force-reinstall opencv-python-headless"

PROBE_OPENCV = (
    "import json, cv2, numpy; print(json.dumps({'sum': int(cv2.resize(numpy.ones((4, 4), 'u1'), (2, 2)).sum())}))"
)

MEND_OPENGL = "Debian, Ubuntu: sudo apt install libegl1 libgl1 libgl1-mesa-dri."

DISPLAYS = ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY")

PROBE_TORCH = (
    "import json, torch; "
    "cuda = torch.cuda.is_available(); "
    "mps = torch.backends.mps.is_available(); "
    "device = torch.cuda.get_device_name() if cuda else 'Apple GPU' if mps else 'CPU only'; "
    "print(json.dumps({'device': device}))"
)


PROBE_NETWORKS = {
    "transformers": "import json; from transformers import DepthAnythingForDepthEstimation; print(json.dumps({}))",
    "onnxruntime": "import json, onnxruntime; print(json.dumps({'providers': onnxruntime.get_available_providers()}))",
}
"""Package -> what a model needs of it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. Advice beside ok is something to know, not something wrong."""

    name: str
    value: str
    ok: bool = True
    advice: str = ""


def doctor(project: ProjectOption = None, as_json: JsonOption = False) -> int:
    """Look at this machine: versions, window, OpenGL, torch, memory, disk. Exit code 1 where something is wrong."""
    groups: tuple[Callable[[], Iterable[Check]], ...] = (
        check_versions,
        check_gdal,
        check_window,
        check_opengl,
        check_torch,
        check_stores,
        check_search,
        check_checks,
        check_machine,
        lambda: check_disk(project),
        check_files,
    )
    with ThreadPoolExecutor(len(groups), "doctor") as pool:  # the probes wait for their processes side by side
        checks = [check for found in pool.map(lambda group: list(group()), groups) for check in found]
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        _show(checks)
    return 0 if all(check.ok for check in checks) else 1


def check_versions() -> Iterator[Check]:
    """Python and everything that rsviewer is built on."""
    yield Check("rsviewer", __version__)
    yield Check(
        "Python",
        f"{platform.python_version()} ({sys.executable})",
        sys.version_info[:2] >= OLDEST_PYTHON,
        "" if sys.version_info[:2] >= OLDEST_PYTHON else "rsviewer needs Python 3.11 or newer.",
    )
    yield Check("system", platform.platform())
    try:
        needed = importlib.metadata.requires("rsviewer") or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("packages", "not looked at", advice="rsviewer runs from its source folder: pip install . there.")
        return
    for requirement in needed:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if "extra ==" not in requirement:
            yield check_package(name, _installed(name))


def check_package(name: str, version: str) -> Check:
    """One package that is needed. `version` is empty where it is not installed."""
    if not version:
        return Check(name, "not installed", ok=False, advice=f"pip install {name}")
    if name.lower().startswith("pyside6") and any(version == bad or version.startswith(f"{bad}.") for bad in BAD_QT):
        return Check(
            name,
            version,
            ok=False,
            advice='This version aborts or has broken docks: pip install "PySide6-Essentials<6.12,!=6.11.0,!=6.11.1"',
        )
    return Check(name, version)


def check_gdal() -> Iterator[Check]:
    """What reads the tiles."""
    try:
        import rasterio

        environment: Any = rasterio.Env  # has no types
        with environment() as gdal:
            known = gdal.drivers()
    except ImportError as error:
        yield Check("GDAL", f"cannot be loaded: {error}", ok=False, advice="pip install --force-reinstall rasterio")
        return
    missing = [name for name in DRIVERS if name not in known]
    yield Check("GDAL", rasterio.__gdal_version__)
    yield Check(
        "GDAL drivers",
        ", ".join(name for name in DRIVERS if name in known),
        not missing,
        f"Missing: {', '.join(missing)}. The rasterio of PyPI has them: pip install rasterio" if missing else "",
    )


def check_window() -> Iterator[Check]:
    """Whether Qt starts, with what, and whether there are letters to write with."""
    display = display_name()
    advice = "No window can be shown here: use ssh -X, xvfb-run or --screenshot. All other commands work."
    yield Check("display", display or "none", advice="" if display else advice)
    found = probe("-m", "rsviewer.ui.probe", "window")
    if isinstance(found, str):
        advice = f"{MEND_QT}. Over ssh: is the display still there?" if sys.platform == "linux" else MEND_OTHER
        yield Check("Qt window", found, ok=False, advice=advice)
        return
    yield Check("Qt window", f"Qt {found['qt']}, {found['platform']}, screen {found['screen'] or 'unknown'}")
    fonts = int(found["fonts"])
    yield Check("fonts", f"{fonts} families", fonts > 0, "" if fonts else "sudo apt install fonts-dejavu-core")


def check_opengl() -> Iterator[Check]:
    """What draws in 3D, with a display or without."""
    from rsviewer.data.marker import ended_badly, opengl_marker
    from rsviewer.ui.relief.renderer import is_drawn_by_processor

    found = probe("-m", "rsviewer.ui.probe", "opengl")
    renderer = "" if isinstance(found, str) else str(found["renderer"])
    if isinstance(found, str) or not renderer:
        why = found if isinstance(found, str) else f"none: {found.get('why') or 'it does not say why'}"
        mend = f" {MEND_OPENGL}" if sys.platform == "linux" else " Install the driver of the graphics card."
        yield Check("OpenGL", why, advice=f"Only the 3D view uses it, and is drawn more slowly without.{mend}")
        return
    value = f"{renderer}, {found['version']}{'' if display_name() else ', without a display'}"
    advice = ""
    if is_drawn_by_processor(renderer):
        advice = "Drawn by the processor: 3D is slow. Install the graphics driver if there is a graphics card."
    if ended_badly(opengl_marker()):
        advice = f"It has ended the program before: update the graphics driver, then delete {opengl_marker()}."
    yield Check("OpenGL", value, advice=advice)


def check_torch() -> Iterator[Check]:
    """What models need. It is loaded in a process of its own, and only where it is installed."""
    version = _installed("torch")
    if not version:
        yield Check("torch", "not installed", advice='Only models need it: pip install "rsviewer[models]"')
        return
    found = probe("-c", PROBE_TORCH)
    if isinstance(found, str):
        yield Check("torch", f"{version}, {found}", ok=False, advice='pip install --force-reinstall "rsviewer[models]"')
    else:
        yield Check("torch", f"{version}, {found['device']}")
        yield from check_networks()


def check_networks() -> Iterator[Check]:
    """What holds the networks of models. A torchvision of another build than torch breaks it, and nothing here needs one."""
    for name, code in PROBE_NETWORKS.items():
        version = _installed(name)
        if not version:
            yield Check(name, "not installed", advice='Some models need it: pip install "rsviewer[models]"')
            continue
        found = probe("-c", code)
        if not isinstance(found, str):
            yield Check(name, version)
        elif _installed("torchvision"):
            yield Check(
                name, f"{version}, {found}", ok=False, advice="pip uninstall torchvision: rsviewer does not need it"
            )
        else:
            yield Check(name, f"{version}, {found}", ok=False, advice=f"pip install --force-reinstall {name}")


def check_stores() -> Iterator[Check]:
    """What datasets in buckets need. https:// works without it."""
    yield _check_optional("obstore", 'Only s3:// and gs:// need it: pip install "rsviewer[remote]"')


def check_search() -> Iterator[Check]:
    """What finds tiles among millions quickly. Without it every one is looked at."""
    yield _check_optional("usearch", 'Only searches among over a million tiles use it: pip install "rsviewer[models]"')


def _check_optional(name: str, absent: str) -> Check:
    """One that may be absent, with what to say then, and may not be broken."""
    version = _installed(name)
    if not version:
        return Check(name, "not installed", advice=absent)
    found = probe("-c", f"import json, {name}; print(json.dumps({{}}))")
    if isinstance(found, str):
        return Check(name, f"{version}, {found}", ok=False, advice=f"pip install --force-reinstall {name}")
    return Check(name, version)


def check_checks() -> Iterator[Check]:
    """What the automatic checks need: OpenCV without windows of its own, and Dask for who has a cluster."""
    other = next((name for name in OTHER_OPENCV if _installed(name)), "")
    if other:
        yield Check(other, _installed(other), ok=False, advice=MEND_OPENCV.format(other))
    else:
        found = probe("-c", PROBE_OPENCV)
        is_whole = not isinstance(found, str)
        version = _installed("opencv-python-headless")
        advice = "" if is_whole else MEND_OPENCV.format("opencv-python")
        yield Check("OpenCV", version if is_whole else f"{version}, {found}", ok=is_whole, advice=advice)
    version = _installed("distributed")
    advice = "" if version else 'Only --dask needs it: pip install "rsviewer[cluster]"'
    yield Check("distributed", version or "not installed", advice=advice)


def check_machine() -> Iterator[Check]:
    """Processors and memory, and whether the cache of tiles fits into it."""
    import psutil

    from rsviewer.data.settings import load_preferences

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check("cores", f"{usable} of {os.cpu_count()}" if usable != os.cpu_count() else str(usable))
    memory = psutil.virtual_memory()
    enough = memory.total >= MIN_MEMORY
    said = f"{memory.total / GB:.1f} GB, {memory.available / GB:.1f} GB free"
    yield Check("memory", said, enough, "" if enough else "2 GB are needed: close other programs.")
    yield check_cache(load_preferences().value.cache_bytes, memory.total)


def check_cache(cache: int, memory: int) -> Check:
    """Whether the cache of decoded tiles suits the memory; both in bytes."""
    value = f"{cache / GB:.1f} GB"
    if cache > memory / 2:
        advice = f"Too much for this machine: choose {memory / 8 / GB:.1f} GB in the preferences."
        return Check("tile cache", value, ok=False, advice=advice)
    if cache < memory / 16:
        return Check("tile cache", value, advice=f"There is room for {memory / 8 / GB:.0f} GB: see the preferences.")
    return Check("tile cache", value)


def check_disk(project: Path | None) -> Iterator[Check]:
    """Whether decisions can be kept."""
    import platformdirs

    from rsviewer.data.decisions import on_local_disk
    from rsviewer.data.settings import home

    data = home() or platformdirs.user_data_path("rsviewer", appauthor=False)
    folder = (project or data / "projects").absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    trouble = _why_not_writable(existing)
    advice = "Choose another folder with --project DIR, or set RSVIEWER_HOME." if trouble else ""
    yield Check("project folder", f"{folder}{trouble}", not trouble, advice)
    disk = shutil.disk_usage(existing)
    roomy = disk.free >= MIN_DISK
    said = f"{disk.free / GB:.1f} GB free of {disk.total / GB:.1f} GB"
    yield Check("disk", said, roomy, "" if roomy else "Make room: decisions must be written.")
    local = on_local_disk(existing)
    slow = "Decisions are saved more slowly there, and only one machine may write at a time."
    yield Check("file system", "local" if local else "not known to be local", advice="" if local else slow)


def check_files() -> Iterator[Check]:
    """Preferences and log."""
    from rsviewer.cli.logs import log_path
    from rsviewer.data.settings import load_preferences, preferences_path

    messages = load_preferences().messages
    yield Check("preferences", str(preferences_path()), not messages, " ".join(messages))
    yield Check("log", str(log_path()))


def display_name() -> str:
    """Where a window would be shown; empty where nowhere."""
    if sys.platform in ("win32", "darwin"):
        return "desktop"
    return next((f"{name}={os.environ[name]}" for name in DISPLAYS if os.environ.get(name)), "")


def probe(*arguments: str, seconds: float = PROBE_SECONDS) -> dict[str, Any] | str:
    """What a Python process prints as JSON, or in words why it did not."""
    environment = dict(os.environ)
    if not display_name():
        environment["QT_QPA_PLATFORM"] = "offscreen"
    try:
        done = subprocess.run(  # noqa: S603 -- this Python, with our own words
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=environment,
            check=False,
        )
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
            return found
    except subprocess.TimeoutExpired:
        return f"no answer after {seconds:.0f} s"
    except (OSError, ValueError, IndexError) as error:
        return f"cannot be tried: {error}"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    # A traceback says it in its last line, Qt in its first.
    why = (said[-1] if said[0].startswith("Traceback") else said[0]) if said else "without a word"
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
    return f"does not start ({how}): {why}"


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _why_not_writable(folder: Path) -> str:
    """Empty where a file can be made in a folder. The one that is made for that goes at once."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f" ({error.strerror})"


def _show(checks: Iterable[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    wrong = 0
    for check in checks:
        wrong += not check.ok
        sign, style = ("✓", "green") if check.ok and not check.advice else ("!", "yellow") if check.ok else ("✗", "red")
        what = Text(check.value)
        if check.advice:
            what.append(f"\n{check.advice}", style=style)
        table.add_row(Text(sign, style=style), check.name, what)
    out = console()
    out.print(table)
    out.print()
    out.print(f"{plural(wrong, 'thing')} to mend." if wrong else "Everything that is needed is there.")
