"""The report: what it says is what was measured, and no name can spoil it."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from rsviewer.batch.illustrating import Example, Picture
from rsviewer.batch.predicting import Failure, Predicted, Remark
from rsviewer.batch.report import METRICS, Report, metric_rows, plots, rules, worst_table, worst_tiles
from rsviewer.batch.reporting import write_report
from rsviewer.core.agreement import agreement
from rsviewer.core.errors import SaveError
from rsviewer.core.metrics import Totals, confusion, height_scores, label_scores
from rsviewer.core.model import Augmentation, RunOptions
from rsviewer.core.prediction import Score
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset
from tests.batch.models import BOTH_CARD, SCENE_CARD

EVIL = TileId("<script>alert('x')</script> $\\frac{1}$ 漢字\u202e\n")


class Tags(HTMLParser):
    """The names of all tags, and everything between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Two tiles: heights and classes, one of them with a name that nobody should have."""
    rng = np.random.default_rng(1)
    reference = rng.gamma(1.0, 6.0, (40, 40)).astype(np.float32)
    predicted = reference + rng.normal(1.0, 2.0, reference.shape).astype(np.float32)
    valid = np.ones(reference.shape, bool)
    heights = height_scores(predicted, reference, valid)
    labels = label_scores(confusion((predicted > 3).astype(int), (reference > 3).astype(int), valid, 2))
    totals = Totals([one.name for one in BOTH_CARD.outputs[1].classes])
    totals.add(heights, labels)
    result = Predicted(
        *(3, 0, (Failure(EVIL, "It <broke>."),), 2.0, totals.metrics()),
        {TileId("a"): {"mae": 1.0, "accuracy": 0.5}, EVIL: {"mae": 9.0, "accuracy": 0.25}},
        references={"height": "ndsm"},
        agreement=agreement(predicted, reference, valid),
        confusion=totals.confusion,
        remarks=(Remark("stretched <b>", 2, EVIL),),
    )
    pictures = (Picture("image", np.zeros((9, 7, 3), np.uint8)),)
    dataset = Dataset("fake", "Town & <country>", tmp_path, ())
    options = RunOptions(augmentation=Augmentation.FLIPS)
    examples = (Example(EVIL, pictures), Example(TileId("a")))
    return Report(*(BOTH_CARD, "f" * 16, "ab" * 32, options, "cpu", dataset, "list test", result, examples, "today"))


def test_the_page_says_the_numbers_and_what_they_mean_and_loads_nothing(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, report)

    page = path.read_text(encoding="utf-8")
    seen = Tags()
    seen.feed(page)
    for words in (f"{report.result.metrics['mae']:.3f}", METRICS["mae"][1], "CC0", "ab" * 32, "list test", "flips"):
        assert words in seen.text
    assert "2 tiles, first" in seen.text
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("data:image/svg+xml") == len(plots(report)) == 6


def test_names_of_strangers_are_words_and_nothing_else(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, report)
    seen = Tags()
    seen.feed(path.read_text(encoding="utf-8"))
    assert not {"script", "broke", "heights", "country"} & set(seen.tags)
    assert "<script>alert('x')</script> $\\frac{1}$ 漢字" in seen.text
    assert "\u202e" not in seen.text


@pytest.mark.parametrize("name", ["report.html", "report.PDF"])
@pytest.mark.parametrize("emptied", [False, True])
def test_a_report_can_be_written_of_anything(report: Report, tmp_path: Path, name: str, *, emptied: bool) -> None:
    """Glyphs that no font has, formulas in names, and no score at all: every warning of matplotlib fails this."""
    if emptied:
        report = replace(report, examples=(), result=Predicted(0, 0, (), 0.0, {}, {}))
    write_report(tmp_path / name, report)
    assert (tmp_path / name).read_bytes()[:5] in (b"<!DOC", b"%PDF-")
    with pytest.raises(SaveError, match="exists"):
        write_report(tmp_path / name, report)


def test_a_report_of_whole_tiles_counts_their_classes(report: Report, tmp_path: Path) -> None:
    scenes = {TileId(str(number)): (Score("High <b>", 0.9),) for number in range(5)}
    result = Predicted(5, 0, (), 1.0, {}, {tile: {} for tile in scenes}, scenes=scenes)
    report = replace(report, card=SCENE_CARD, result=result, examples=())
    assert [name for name, _ in plots(report)] == ["Likeliest class"]
    write_report(tmp_path / "report.pdf", report)


def draw(report: Report) -> None:
    """Every plot of a report, as it would be printed."""
    for _, plot in plots(report):
        figure = Figure(figsize=(2, 2), layout="constrained")
        plot(figure.add_subplot(), 6.0)
        figure.savefig(io.BytesIO(), format="png", dpi=40)


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0, 1.0], [0.5] * 300 + [1e6], [-2.0, 3.0]])
def test_any_scores_make_a_histogram(report: Report, values: list[float]) -> None:
    per_tile = {TileId(str(number)): {"mae": value} for number, value in enumerate(values)}
    draw(replace(report, result=replace(report.result, per_tile=per_tile, agreement=None, confusion=None)))


@pytest.mark.parametrize(("predicted", "reference"), [(0.0, 0.0), (1e6, -1e6), (-1e6, 1e6), (-700.0, -600.0)])
def test_any_heights_make_a_plot(report: Report, predicted: float, reference: float) -> None:
    shape = (1, 1)
    found = agreement(np.full(shape, predicted), np.full(shape, reference), np.ones(shape, bool))
    draw(replace(report, result=replace(report.result, per_tile={}, agreement=found, confusion=None)))


def test_the_worst_tiles_come_first(report: Report) -> None:
    assert worst_tiles(report.result) == [EVIL, "a"]
    only_labels = {tile: {"accuracy": scores["accuracy"]} for tile, scores in report.result.per_tile.items()}
    assert worst_tiles(replace(report.result, per_tile=only_labels), 1) == [EVIL]
    titles, rows = worst_table(report)
    assert titles == ["MAE (m)", "Accuracy"]
    assert rows[0][1] == ["9.000", "0.2500"]


def test_every_score_of_a_dataset_has_a_title_and_a_meaning(report: Report) -> None:
    rows = metric_rows(report.result.metrics)
    assert len(rows) == len(report.result.metrics)
    assert all(title and value and meaning for title, value, meaning in rows)


def test_scores_of_single_classes_stand_below_with_the_best_score_to_choose() -> None:
    metrics = {
        "objects_f1": 0.5,
        "objects_f1_wind turbine": 0.25,
        "objects_best_f1": 0.75,
        "objects_best_f1_wind turbine": 0.8,
        "objects_best_score_wind turbine": 0.3,
        "lines_f1": 0.1,
        "lines_f1_road": 0.2,
    }
    assert [(title, value) for title, value, _ in metric_rows(metrics)] == [
        ("F1 of objects", "0.5000"),
        ("Best F1 of objects", "0.7500"),
        ("F1 of lines", "0.1000"),
        ("F1 of objects, wind turbine", "0.2500"),
        ("F1 of lines, road", "0.2000"),
        ("Best F1 of objects, wind turbine", "0.8000"),
    ]
    assert metric_rows(metrics)[-1][2] == "from a score of 0.3"
    assert "chosen on the very tiles" in rules(metrics)
    assert "middle lines" in rules(metrics)


def test_what_is_said_of_quantities_and_objects_is_not_about_heights_or_pixels() -> None:
    quantity = {"mae": 3.0, "rmse": 4.0, "bias": -1.0, "tiles_compared": 2.0}
    assert rules(quantity).startswith("p is the predicted and g the reference quantity, in the unit of the prediction")
    assert [title for title, _, _ in metric_rows(quantity)] == ["MAE", "RMSE", "Bias", "Tiles compared"]
    assert rules(quantity | {"delta1": 0.5}).startswith("p is the predicted and g the reference height")
    (row,) = metric_rows({"tiles_compared": 2.0})
    assert "pixel" not in row[2]
    assert "its own label" in rules({"scene_accuracy": 1.0})


def test_objects_and_lines_have_a_bar_for_each_class_in_its_colour(report: Report) -> None:
    metrics = {"objects_f1_wind turbine": 0.25, "lines_f1_road": 0.2, "lines_f1_river": 0.4, "lines_f1": 0.3}
    bare = replace(report, result=Predicted(2, 0, (), 1.0, metrics, {}), examples=())
    assert [name for name, _ in plots(bare)] == ["F1 of objects", "F1 of lines"]
    draw(bare)
