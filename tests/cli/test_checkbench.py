"""`rsviewer bench --checks`: what the checks cost, and what they find where an answer key says what there is to find."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.core.checks import CHECKS
from rsviewer.data.demo import write_demo

Run = Callable[..., Any]


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Eight small tiles of the built-in dataset; the answer key names one that has nothing, so that only one is found."""
    root = tmp_path / "town"
    write_demo(root, tiles=8, size=96, seed=5, defects=False)
    tiles = sorted(path.stem for path in (root / "opt").iterdir())
    (root / "gt_nDSM" / f"{tiles[0]}.tif").write_bytes(b"II*\0 and then nothing")
    key = [{"tile": tiles[0], "defect": "truncated file"}, {"tile": tiles[1], "defect": "imagined"}]
    (root / "answer_key.json").write_text(json.dumps(key))
    return root


def test_cost_and_finds_are_measured(run: Run, town: Path) -> None:
    done = run("bench", town, "--checks", "--json")

    assert (done.code, done.err) == (0, "")
    checks, found = done.document["checks"], done.document["found"]
    assert 0 < checks["ratio"] < 1
    assert checks["tiles_per_s"] > 0
    assert set(checks["per_check_ms"]) <= {check.id for check in CHECKS}
    assert checks["all_checks_ms"] == pytest.approx(sum(checks["per_check_ms"].values()))
    assert found["clean_tiles"] == 6
    assert found["kinds"]["truncated file"]["auc"] == 1.0
    assert found["kinds"]["truncated file"]["above"] == 1.0
    assert found["kinds"]["imagined"]["tiles"] == 1


def test_without_an_answer_key_only_the_cost_is_measured(run: Run, town: Path) -> None:
    (town / "answer_key.json").unlink()
    done = run("bench", town, "--checks", "--json")

    assert "found" not in done.document
    assert done.document["checks"]["tiles"] > 0


@pytest.mark.parametrize("text", ["no json", "[1, 2]", '{"tile": "a"}', "[" * 100_000])
def test_an_answer_key_that_is_none_is_said(run: Run, town: Path, text: str) -> None:
    (town / "answer_key.json").write_text(text)
    done = run("bench", town, "--checks")

    assert done.code == 2
    assert "answer_key.json is no answer key" in done.err


def test_nothing_is_left_beside_the_dataset(run: Run, town: Path) -> None:
    before = sorted(path.name for path in town.iterdir())
    run("bench", town, "--checks")

    assert sorted(path.name for path in town.iterdir()) == before
