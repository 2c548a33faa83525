"""The README tells the truth about the program."""

import re
from pathlib import Path

from rsviewer.cli import COMMANDS
from rsviewer.cli.check import check_table
from rsviewer.data.detect import ADAPTERS
from rsviewer.workspace.commands import key_table

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_keys_is_the_programs_own() -> None:
    table = re.search(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", README, re.DOTALL)
    assert table is not None
    assert table[1] == key_table()


def test_the_table_of_checks_is_the_programs_own() -> None:
    table = re.search(r"<!-- checks -->\n(.*?)\n<!-- /checks -->", README, re.DOTALL)
    assert table is not None
    assert table[1] == check_table()


def test_every_command_and_every_format_is_named() -> None:
    commands = set(re.findall(r"\| `rsviewer ([a-z]+)", README))
    assert commands | {"open"} == set(COMMANDS), "`rsviewer [PATH]` stands for open"
    formats = README.partition("## Formats")[2].partition("\n## ")[0]
    assert {adapter.name for adapter in ADAPTERS} == set(re.findall(r"^\| `([a-z0-9]+)` \|", formats, re.MULTILINE))


def test_the_screenshot_is_there() -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).resolve().parents[1] / name).is_file()
