import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer import __version__, cli
from rsviewer.cli import open as opening
from rsviewer.core.errors import RsviewerError

Run = Callable[..., Any]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The paths that windows were opened with; no window is."""
    paths: list[Path | None] = []

    def show_window(path: Path | None, **_: object) -> int:
        paths.append(path)
        return 0

    monkeypatch.setattr(opening, "show_window", show_window)
    return paths


def failing(error: BaseException) -> Callable[..., int]:
    def show_window(*_: object, **__: object) -> int:
        raise error

    return show_window


def test_the_version_is_said_without_loading_what_opens_windows_or_files() -> None:
    program = (
        "import sys; sys.argv = ['rsviewer', '--version']\n"
        "import atexit; from rsviewer.__main__ import main\n"
        "heavy = {'PySide6', 'rasterio', 'duckdb', 'matplotlib', 'numpy', 'rich'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[0] == f"rsviewer {__version__}"
    assert done.stdout.split("\n")[1] == "[]"


def test_a_path_alone_is_opened_and_nothing_at_all_opens_the_empty_window(
    run: Run, opened: list[Path | None], dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(dataset).code == 0
    assert run("open", dataset).code == 0
    assert run().code == 0
    monkeypatch.chdir(dataset)
    assert run("opt").code == 0

    assert opened == [dataset, dataset, None, Path("opt")]


def test_a_folder_named_like_a_command_can_be_opened(
    run: Run, opened: list[Path | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "info").mkdir()
    monkeypatch.chdir(tmp_path)

    assert run("./info").code == 0
    assert run("open", "info").code == 0
    assert opened == [Path("info"), Path("info")]


def test_options_of_open_may_stand_before_the_path(run: Run, opened: list[Path | None], dataset: Path) -> None:
    assert run("--tile", "a", dataset).code == 0
    assert opened == [dataset]


def test_a_slip_in_a_command_is_answered_with_the_command(run: Run) -> None:
    done = run("exprt", "somewhere")

    assert (done.code, done.out) == (2, "")
    assert "Did you mean 'export'?" in done.err


@pytest.mark.parametrize(
    "words", [["info"], ["info", ".", "--frobnicate"], ["demo", "--tiles", "many"], ["--nonsense"]]
)
def test_what_was_typed_wrong_is_one_line_and_exit_code_2(run: Run, words: list[str]) -> None:
    done = run(*words)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("rsviewer: ")
    assert done.err.count("\n") == 1
    assert "--help" in done.err


def test_a_fault_of_the_world_is_one_line_and_exit_code_2(run: Run, tmp_path: Path) -> None:
    done = run("info", tmp_path / "nowhere")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"rsviewer: There is no folder {tmp_path / 'nowhere'}.")
    assert done.err.count("\n") == 1


def test_a_message_of_several_lines_is_said_in_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "show_window", failing(RsviewerError("No room.\nMake some.")))

    assert run("open").err == "rsviewer: No room. Make some.\n"


def test_our_own_bug_is_one_line_with_the_place_of_the_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "show_window", failing(ZeroDivisionError("division by zero")))

    done = run("open")

    assert done.code == cli.OUR_BUG
    assert done.err.count("\n") == 1
    log = Path(done.err.split("the end of ")[1].strip().removesuffix("."))
    assert "Traceback" in log.read_text()
    assert "ZeroDivisionError" in log.read_text()
    caplog.clear()


def test_ctrl_c_ends_with_130_and_no_word(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "show_window", failing(KeyboardInterrupt()))

    done = run("open")

    assert (done.code, done.out, done.err) == (130, "", "")


def test_every_command_has_help_with_an_example_of_its_words(run: Run) -> None:
    everything = run("--help").out
    for command in cli.COMMANDS:
        assert f" {command} " in everything
        done = run(command, "--help")
        assert done.code == 0
        assert f"rsviewer {command}" in done.out


def test_only_the_module_of_the_command_in_hand_is_loaded(dataset: Path) -> None:
    program = (
        "import sys; from rsviewer.cli import run\n"
        f"run(['decisions', {str(dataset)!r}])\n"
        "print([name for name in ('PySide6', 'matplotlib', 'duckdb', 'rsviewer.cli.bench') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_shell_can_complete_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"_RSVIEWER_COMPLETE": "complete_bash", "COMP_WORDS": "rsviewer de", "COMP_CWORD": "1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-m", "rsviewer"], capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["demo", "decisions"]


def test_the_keys_in_the_readme_are_those_of_the_program() -> None:
    from rsviewer.workspace.commands import key_table

    readme = Path(__file__).resolve().parents[2] / "README.md"
    if not readme.is_file() or "<!-- keys -->" not in readme.read_text("utf-8"):
        pytest.skip("README.md has no table of keys")
    between = readme.read_text("utf-8").split("<!-- keys -->")[1].split("<!-- /keys -->")[0]

    assert between.strip() == key_table().strip()
