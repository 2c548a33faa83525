"""`rsviewer formats`: what is known, and what of other packages may run."""

import importlib.metadata
from collections.abc import Callable
from typing import Any

import pytest

from rsviewer.data.settings import load_preferences

Run = Callable[..., Any]


@pytest.fixture
def _offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that offers a format which must not be imported by being listed."""
    point = importlib.metadata.EntryPoint("mine", "no_such_module_of_mine:Adapter", "rsviewer.datasets")
    monkeypatch.setattr(
        "rsviewer.data.plugins.entry_points", lambda group: [point] if group == "rsviewer.datasets" else []
    )


@pytest.mark.usefixtures("_offered")
def test_formats_of_other_packages_are_off_until_somebody_turns_them_on(run: Run) -> None:
    def states() -> dict[str, str]:
        return {row["name"]: row["state"] for row in run("formats", "list", "--json").document}

    assert (states()["synrs3d"], states()["mine"]) == ("on", "off")
    assert run("formats", "enable", "mine").code == 0
    assert load_preferences().value.plugins == ("mine",)
    assert states()["mine"] == "on"
    assert "mine" in run("formats", "list").out
    assert run("formats", "disable", "mine").code == 0
    assert states()["mine"] == "off"


def test_a_format_that_nobody_offers_cannot_be_turned_on(run: Run) -> None:
    done = run("formats", "enable", "mine")
    assert done.code == 2
    assert "No installed package offers a format" in done.err


@pytest.mark.usefixtures("_offered")
def test_a_broken_format_of_another_package_keeps_no_dataset_from_opening(run: Run, dataset: Any) -> None:
    run("formats", "enable", "mine")
    told = run("info", dataset, "--json").document
    assert told["format"] == "synrs3d"
    assert any("The plug-in mine cannot be used" in remark for remark in told["remarks"])
