"""`rsviewer predict`: a model over a dataset, from the command line."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer.core.model import ModelCard, Weights
from rsviewer.data.modelcards import dump_card
from tests.batch.models import BOTH_CARD, HEIGHT_CARD, FakeEngine

Run = Callable[..., Any]


class Engines:
    """Makes the engines that the command asks for, and remembers them."""

    def __init__(self) -> None:
        self.made: list[FakeEngine] = []
        self.failing: dict[str, str] = {}
        self.stop_at = ""

    def __call__(self, *asked: Any) -> FakeEngine:
        engine = FakeEngine(*asked)
        engine.failing, engine.stop_at = self.failing, self.stop_at
        self.made.append(engine)
        return engine

    @property
    def asked(self) -> list[str]:
        """The tiles that the last one was asked for."""
        return list(self.made[-1].asked)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    engines = Engines()
    monkeypatch.setattr("rsviewer.inference.engine.Engine", engines)
    return engines


def card_file(folder: Path, card: ModelCard = HEIGHT_CARD, family: str = "onnx") -> Path:
    """A card with weights beside it; no family here is ever run."""
    folder.mkdir(exist_ok=True)
    (folder / "fake.bin").write_bytes(b"weights" * 10)
    path = folder / "card.toml"
    path.write_text(dump_card(replace(card, family=family, weights=Weights("fake.bin"))), encoding="utf-8")
    return path


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return card_file(tmp_path / "model")


@pytest.mark.usefixtures("unchanged")
def test_every_tile_is_scored_and_the_table_says_what_the_numbers_are(
    run: Run, dataset: Path, card: Path, engines: Engines
) -> None:
    done = run("predict", dataset, "--model", card)

    assert (done.code, done.err) == (0, "")
    assert engines.asked == ["a", "b", "c", "d"]
    assert "Fake <heights>: 4 tiles predicted" in done.out
    assert "MAE (m)" in done.out
    assert "mean |p − g|" in done.out
    assert "Compared height with ndsm." in done.out


@pytest.mark.usefixtures("engines")
def test_tiles_without_a_reference_are_not_a_model_without_one(run: Run, dataset: Path, card: Path) -> None:
    done = run("predict", dataset, "--model", card, "--tile", "d")
    assert "Nothing was compared: no tile has anything valid in ndsm." in done.out
    done = run("predict", dataset, "--model", card, "--no-reference")
    assert "--reference-height or --reference-labels names one." in done.out


def test_the_document_has_what_scripts_rely_on(run: Run, dataset: Path, card: Path, engines: Engines) -> None:
    document = run("predict", dataset, "--model", card, "--json").document

    assert document["model"] == "fake-height"
    assert (document["tiles"], document["known"], document["device"]) == (4, 0, "cpu")
    assert document["metrics"]["mae"] == 0.0, "the image is ten times the height"
    assert [each["tile"] for each in document["per_tile"]] == ["a", "b", "c", "d"]
    assert document["per_tile"][1]["mae"] == 0.0
    assert "mae" not in document["per_tile"][3], "d has no reference"
    assert (document["failed"], document["references"]) == ([], {"height": "ndsm"})
    assert len(document["fingerprint"]) == 16


def test_called_again_it_goes_on_and_overwrites_only_when_asked(
    run: Run, dataset: Path, card: Path, engines: Engines
) -> None:
    run("predict", dataset, "--model", card, "--split", "train")
    assert engines.asked == ["a", "b"]

    again = run("predict", dataset, "--model", card)
    assert engines.asked == ["c", "d"]
    assert "2 known before" in again.out
    run("predict", dataset, "--model", card, "--overwrite")
    assert engines.asked == ["a", "b", "c", "d"]
    run("predict", dataset, "--model", card, "--tta", "flips")
    assert engines.asked == ["a", "b", "c", "d"], "another answer, another fingerprint"


def test_tiles_are_chosen_by_name_by_list_and_by_what_another_model_scored(
    run: Run, dataset: Path, card: Path, engines: Engines, tmp_path: Path
) -> None:
    run("predict", dataset, "--model", card, "--tile", "c", "--tile", "a")
    assert engines.asked == ["c", "a"]
    run("predict", dataset, "--model", card)
    other = card_file(tmp_path / "other", BOTH_CARD)

    run("predict", dataset, "--model", other, "--filter", "fake_height_mae is null")
    assert engines.asked == ["d"]
    refused = run("predict", dataset, "--model", card, "--tile", "a", "--split", "train")
    assert refused.code == 2
    assert run("predict", dataset, "--model", card, "--tile", "x").err.startswith("rsviewer: There is no tile x.")


def test_with_out_every_prediction_is_a_file_with_what_made_it(
    run: Run, dataset: Path, card: Path, engines: Engines, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    document = run("predict", dataset, "--model", card, "--tile", "b", "--out", out, "--json").document

    (path,) = out.rglob("*.tif")
    with rasterio.open(path) as file:
        assert (file.read(1) == np.float32(1.0)).all()
        assert document["fingerprint"] in file.tags().values()
    run("predict", dataset, "--model", card, "--tile", "b", "--out", tmp_path / "elsewhere")
    assert engines.asked == ["b"], "known, but its file is to be there as well"


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(
    run: Run, dataset: Path, card: Path, engines: Engines
) -> None:
    engines.stop_at = "c"
    stopped = run("predict", dataset, "--model", card)
    assert stopped.code == 130
    assert stopped.err == "rsviewer: Stopped. What was predicted is kept; the same command goes on from there.\n"

    engines.stop_at = ""
    run("predict", dataset, "--model", card)
    assert engines.asked == ["c", "d"]


def test_tiles_that_fail_are_named_and_the_exit_code_says_so(
    run: Run, dataset: Path, card: Path, engines: Engines
) -> None:
    engines.failing = {"b": "It is too small."}
    some = run("predict", dataset, "--model", card, "--json")
    assert (some.code, some.err) == (1, "rsviewer: b: It is too small.\n")
    assert some.document["failed"] == [{"tile": "b", "message": "It is too small."}]

    assert run("predict", dataset, "--model", card, "--tile", "b").code == 2
    engines.failing = dict.fromkeys("abcd", "The file is truncated.")
    none = run("predict", dataset, "--model", card, "--overwrite")
    assert (none.code, none.err) == (2, "rsviewer: The file is truncated.\n")


def test_a_file_that_fails_commands_no_terminal(run: Run, dataset: Path, card: Path, engines: Engines) -> None:
    """Names of numbers in a stranger's file are quoted in what is said of it."""
    engines.failing = {"b": "It holds \x1b]0;title\x07 and \x9b2J."}

    some = run("predict", dataset, "--model", card)

    assert some.err == "rsviewer: b: It holds \\x1b]0;title\\x07 and \\x9b2J.\n"


def test_a_file_that_can_hold_programs_runs_only_after_a_yes(
    run: Run, dataset: Path, engines: Engines, tmp_path: Path
) -> None:
    card = card_file(tmp_path / "risky", family="torchscript")
    refused = run("predict", dataset, "--model", card)
    assert refused.code == 2
    assert "--trust" in refused.err
    assert engines.made == []

    assert run("predict", dataset, "--model", card, "--trust").code == 0
    sha256 = hashlib.sha256(b"weights" * 10).hexdigest()
    assert engines.made[0].card.weights.sha256 == sha256, "who loads it can tell whether it is still that file"
    assert run("predict", dataset, "--model", card).code == 0, "once for this file"
    (tmp_path / "risky" / "fake.bin").write_bytes(b"other programs")
    assert run("predict", dataset, "--model", card).code == 2


def test_references_are_taken_as_told(run: Run, dataset: Path, card: Path, engines: Engines) -> None:
    words = ("predict", dataset, "--model", card, "--json")
    assert run(*words, "--no-reference").document["references"] == {}
    assert run(*words, "--reference-height", "ndsm").document["references"] == {"height": "ndsm"}
    assert "There is no layer lidar" in run(*words, "--reference-height", "lidar").err
    assert run(*words, "--no-reference", "--reference-height", "ndsm").code == 2


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_a_report_shows_the_worst_tiles(run: Run, dataset: Path, engines: Engines, tmp_path: Path, suffix: str) -> None:
    report = tmp_path / f"report{suffix}"
    card = card_file(tmp_path / "both", BOTH_CARD)
    done = run("predict", dataset, "--model", card, "--report", report)
    assert done.code == 0
    assert f"Written: {report}" in done.out
    if suffix == ".html":
        page = report.read_text(encoding="utf-8")
        assert page.count("image/png") == 3 * 5, "image, reference, prediction, error and classes of three tiles"
    refused = run("predict", dataset, "--model", card, "--report", report)
    assert refused.code == 2
    assert "exists" in refused.err


def test_several_reports_are_written_and_the_json_one_is_what_json_prints(
    run: Run, dataset: Path, engines: Engines, tmp_path: Path
) -> None:
    card = card_file(tmp_path / "both", BOTH_CARD)
    page, numbers = tmp_path / "report.html", tmp_path / "report.json"
    done = run("predict", dataset, "--model", card, "--report", page, "--report", numbers, "--json")
    assert done.code == 0
    assert json.loads(numbers.read_text()) == done.document
    assert done.document["reports"] == [str(page), str(numbers)]
    assert page.is_file()
    refused = run("predict", dataset, "--model", card, "--report", numbers)
    assert refused.code == 2
    assert "exists" in refused.err


def test_a_report_may_go_beside_the_predictions_into_a_folder_that_is_not_there_yet(
    run: Run, dataset: Path, engines: Engines, tmp_path: Path
) -> None:
    out, card = tmp_path / "out", card_file(tmp_path / "both", BOTH_CARD)
    done = run("predict", dataset, "--model", card, "--out", out, "--report", out / "report.html")
    assert done.code == 0
    assert (out / "report.html").is_file()
    assert list(out.rglob("*.tif"))


def test_what_cannot_be_is_said_before_any_work(
    run: Run, dataset: Path, card: Path, engines: Engines, tmp_path: Path
) -> None:
    words = ("predict", dataset, "--model")
    assert "There is no model nothing" in run(*words, "nothing").err
    assert "choose one of whole, middle" in run(*words, card, "--framing", "round").err
    assert "does not end in .html, .pdf or .json" in run(*words, card, "--report", tmp_path / "r.doc").err
    assert "There is no folder" in run(*words, card, "--report", tmp_path / "no" / "r.pdf").err
    (tmp_path / "file").write_text("")
    assert "is a file" in run(*words, card, "--out", tmp_path / "file").err
    assert engines.made == []
    (card.parent / "fake.bin").unlink()
    missing = run(*words, card)
    assert (missing.code, len(missing.err.splitlines())) == (2, 1)


def test_the_document_is_json_whatever_the_numbers_are(
    run: Run, dataset: Path, card: Path, engines: Engines, write: Callable[..., None]
) -> None:
    write(dataset / "gt_nDSM" / "a.tif", np.full((8, 8), 1e38, np.float32))
    done = run("predict", dataset, "--model", card, "--json")
    assert json.loads(done.out)["tiles"] == 4
