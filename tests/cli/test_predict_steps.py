"""`rsviewer predict` with a model that takes many steps for a tile, from a folder to its scores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.core.model import ModelOption, Weights
from rsviewer.data.modelcards import dump_card
from tests.inference.marigold_files import card as card_of
from tests.inference.marigold_files import write_pipeline

Run = Callable[..., Any]


@pytest.fixture
def sloping(dataset: Path, write: Callable[..., None]) -> Path:
    """Three of four tiles have heights."""
    for name in "abc":
        heights = np.random.default_rng(ord(name)).uniform(100, 300, (8, 8)).astype(np.float32)
        write(dataset / "gt_nDSM" / f"{name}.tif", heights, nodata=-9999)
    return dataset


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The card of a tiny pipeline folder that is said to be slow."""
    folder = tmp_path_factory.mktemp("marigold")
    unet = write_pipeline(folder / "pipeline")
    said = card_of(unet, step_seconds=4.2)
    said = replace(
        said,
        weights=Weights(str(unet)),
        options=(ModelOption("steps", "Steps", 50, 1, 100), *said.options),
        settings={"step_seconds": 4.2},
    )
    path = folder / "card.toml"
    path.write_text(dump_card(said), encoding="utf-8")
    return path


def test_without_a_gpu_nothing_is_run_before_a_yes(run: Run, dataset: Path, card: Path) -> None:
    done = run("predict", dataset, "--model", card, "--device", "cpu", "--tile", "a")

    assert done.code == 2
    assert "a tile of 8 x 8 takes about" in " ".join(done.err.split())
    assert "--slow-is-fine" in done.err


def test_tiles_are_predicted_fitted_and_scored(run: Run, sloping: Path, card: Path, tmp_path: Path) -> None:
    words = ("--device", "cpu", "--threads", 1, "--slow-is-fine", "--option", "steps=2", "--option", "caption=off")
    done = run("predict", sloping, "--model", card, *words, "--out", tmp_path / "out", "--json")

    document = done.document
    assert done.code == 0
    assert "Without a GPU a tile of 512 x 512 takes about 17 s with 1 thread." in " ".join(done.err.split())
    assert document["references"] == {"height": "ndsm"}
    names = {
        "abs_rel",
        "sq_rel",
        "rmse_rel",
        "rmse_log",
        "log10_rel",
        "delta1_rel",
        "delta2_rel",
        "delta3_rel",
        "silog",
    }
    assert names <= document["metrics"].keys()
    assert [0.0 < one["rmse_rel"] < 1.0 for one in document["per_tile"] if "rmse_rel" in one] == [True] * 3
    assert abs(document["metrics"]["bias"]) < 1e-2
    assert any("least squares" in one["message"] for one in document["remarks"])
    again = run("predict", sloping, "--model", card, *words, "--out", tmp_path / "out", "--json").document
    assert again["known"] == again["tiles"]
    assert again["metrics"] == pytest.approx(document["metrics"])
    table = run("predict", sloping, "--model", card, *words, "--out", tmp_path / "out")
    assert "SILog" in table.out


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("stepps=3", "no option stepps"),
        ("steps=0", "from 1 to 100"),
        ("steps=many", "from 1 to 100"),
        ("steps", "from 1 to 100"),
        ("caption=2", "on or off"),
    ],
)
def test_an_option_that_is_none_is_refused(run: Run, dataset: Path, card: Path, said: str, complaint: str) -> None:
    done = run("predict", dataset, "--model", card, "--option", said)

    assert done.code == 2
    assert complaint in " ".join(done.err.replace("│", " ").split())
