"""What a model did on a dataset, in the words, numbers and plots of a report, whatever it is written as.

Names come from files of strangers: they are shown without signs that break lines or hide others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsviewer.batch.illustrating import Example
from rsviewer.batch.predicting import Predicted
from rsviewer.core.model import Augmentation, ModelCard, OutputKind, RunOptions, chosen
from rsviewer.core.objectmetrics import category
from rsviewer.core.tile import TileId, printable
from rsviewer.core.wordmetrics import RECALLS
from rsviewer.data.adapter import Dataset

if TYPE_CHECKING:  # loads matplotlib, which only who writes a report needs
    from rsviewer.batch.plotting import Plot

WORST = 12
"""Tiles that are shown."""

METRICS: Mapping[str, tuple[str, str]] = {
    "mae": ("MAE (m)", "mean |p − g|"),
    "rmse": ("RMSE (m)", "√ mean (p − g)²"),
    "bias": ("Bias (m)", "mean p − g; of heights before either is raised to 10⁻⁶"),
    "log10": ("log₁₀", "mean |log₁₀ p − log₁₀ g|"),
    "delta1": ("δ₁", "share of pixels with max(p/g, g/p) < 1.25"),
    "delta2": ("δ₂", "share of pixels with max(p/g, g/p) < 1.25²"),
    "delta3": ("δ₃", "share of pixels with max(p/g, g/p) < 1.25³"),
    "mae_low": ("MAE > 1 m (m)", "of pixels where p or g is above 1 m"),
    "rmse_low": ("RMSE > 1 m (m)", "of pixels where p or g is above 1 m"),
    "mae_mid": ("MAE > 2 m (m)", "of pixels where p or g is above 2 m"),
    "rmse_mid": ("RMSE > 2 m (m)", "of pixels where p or g is above 2 m"),
    "mae_high": ("MAE > 3 m (m)", "of pixels where p or g is above 3 m"),
    "rmse_high": ("RMSE > 3 m (m)", "of pixels where p or g is above 3 m"),
    "abs_rel": ("AbsRel", "mean |p′ − g′| / g′"),
    "sq_rel": ("SqRel", "mean (p′ − g′)² / g′"),
    "rmse_rel": ("RMSE of the range", "√ mean (p′ − g′)²"),
    "rmse_log": ("RMSE log", "√ mean (ln p′ − ln g′)²"),
    "log10_rel": ("log₁₀ of the range", "mean |log₁₀ p′ − log₁₀ g′|"),
    "delta1_rel": ("δ₁ of the range", "share of pixels with max(p′/g′, g′/p′) < 1.25"),
    "delta2_rel": ("δ₂ of the range", "share of pixels with max(p′/g′, g′/p′) < 1.25²"),
    "delta3_rel": ("δ₃ of the range", "share of pixels with max(p′/g′, g′/p′) < 1.25³"),
    "silog": ("SILog", "100 √ var (ln p′ − ln g′)"),
    "f1_1": ("F1ᴴᴱ δ₁", "hit: p and g > 1 m and max(p/g, g/p) < 1.25"),
    "f1_2": ("F1ᴴᴱ δ₂", "the same with 1.25²"),
    "f1_3": ("F1ᴴᴱ δ₃", "the same with 1.25³"),
    "precision": ("Precision", "of F1ᴴᴱ δ₁: TP / (TP + FP)"),
    "recall": ("Recall", "of F1ᴴᴱ δ₁: TP / (TP + FN)"),
    "oa": ("OA", "(TP + TN) / all; TN: p, g ≤ 1 m, |p − g| < 0.5 m"),
    "kappa": ("κ", "Cohen's kappa of the same table"),
    "accuracy": ("Accuracy", "share of pixels whose class is right"),
    "aa": ("AA", "share of right pixels of each class of the reference, and the mean of these"),
    "miou": ("mIoU", "mean of the IoU of the classes that occur"),
    "miou_all": ("mIoU, all classes", "the same over all classes of the model, 0 for those that occur nowhere"),
    "objects_f1": ("F1 of objects", "2 TP / (2 TP + FP + FN), of all classes that somebody looked for"),
    "objects_best_f1": (
        "Best F1 of objects",
        "the same with each class from the score that is best for it on these tiles",
    ),
    "objects_precision": ("Precision of objects", "TP / (TP + FP)"),
    "objects_recall": ("Recall of objects", "TP / (TP + FN)"),
    "lines_f1": ("F1 of lines", "of precision and recall, of all classes that somebody looked for"),
    "lines_precision": ("Precision of lines", "share of predicted middle lines near a line of the reference"),
    "lines_recall": ("Recall of lines", "share of the reference's lines near a predicted middle line"),
    "scene_accuracy": ("Accuracy of tiles", "share of tiles whose class is right"),
    "scene_aa": ("AA of tiles", "share of right tiles of each class, and the mean over all classes"),
    **{
        f"scene_{way}_{name}": (f"{title}, {way}", f"{how}{', recall counting twice as much' if name == 'f2' else ''}")
        for way, how in (
            ("macro", "mean over the classes"),
            ("micro", "all answers together"),
            ("sample", "mean over the tiles"),
        )
        for name, title in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1"), ("f2", "F2"))
    },
    "scene_hamming_loss": ("Hamming loss", "share of answers (a class of a tile) that are wrong"),
    "scene_subset_accuracy": ("Subset accuracy", "share of tiles of which no answer is wrong"),
    "scene_one_error": ("One-error", "share of tiles whose likeliest class is not there"),
    "scene_coverage": ("Coverage", "likeliest classes that one has to take to have all that are there"),
    "scene_ranking_loss": (
        "Ranking loss",
        "share of pairs of a class that is there and one that is not, in the wrong order",
    ),
    "scene_lrap": ("LRAP", "of the classes at least as likely as one that is there, share that are there, too"),
    "top1": ("Top-1", "share of tiles whose label is the likeliest class"),
    "top5": ("Top-5", "share of tiles whose label is one of the five likeliest classes"),
    "tiles_labelled": ("Tiles labelled", "their label is one of the classes"),
    "similarity": ("Similarity", "mean cosine of image and caption"),
    **{
        f"text_to_image_r{k}": (
            f"Text to image R@{k}",
            f"share of captions with an image of theirs among the nearest {k}",
        )
        for k in RECALLS
    },
    **{
        f"image_to_text_r{k}": (f"Image to text R@{k}", f"share of images with their caption among the nearest {k}")
        for k in RECALLS
    },
    "tiles_compared": ("Tiles compared", "there was something to compare on them"),
}
"""Name in `core.metrics.Totals.metrics` -> title, and what it is; in the order of tables."""

HEIGHT_RULES = (
    "p is the predicted and g the reference height, both raised to at least 10⁻⁶ m, on pixels where both are valid. Heights "
    "are scored tile by tile and the mean over the tiles is given, as in the evaluation of RS3DAda (SynRS3D, utils/metrics.py)."
)
RELATIVE_RULES = (
    "Relative heights are fitted to the reference of each tile by least squares of scale and shift, also for the scores in "
    "metres. g′ is the reference taken to 0..1 by the range of its tile, p′ the prediction fitted to that and cut to 10⁻⁶..1. "
    "Pixels with g′ = 0, the lowest of every tile, count for RMSE alone, as ratios and logarithms do not exist there."
)
QUANTITY_RULES = (
    "p is the predicted and g the reference quantity, in the unit of the prediction, on pixels where both are valid. They are "
    "scored tile by tile, and the mean over the tiles is given."
)
LABEL_RULES = (
    "Classes are scored on the sum of the confusion tables of all tiles, where prediction and reference are valid."
)

OBJECT_RULES = (
    "Objects count from a score of 0.5, and only classes for which somebody looked on a tile. A point is found within 128 of "
    "the 8192 units of a tile, an outline by an intersection over union of 0.1 (Satlas). The best F1 is that of the best of "
    "the scores 0.05, 0.1, 0.2 ... 0.9, 0.95, chosen on the very tiles on which it is measured."
)
LINE_RULES = (
    "Predicted classes are thinned to their middle lines. These and the polylines of the reference are drawn on 2048 x 2048 "
    "pixels of a tile, and count as near within 4 of them (Satlas), for classes for which somebody looked on a tile."
)
SCENE_RULES = (
    "What is on a tile is told by its own label where it has one, else by the shares of its reference: the largest one where "
    "a model gives one class, all from the share that its card says where it gives several. A class is said to be there from "
    "a probability of 0.5. 0 / 0 is 0."
)

_IOU = "iou_"
_OF_CLASSES: Mapping[str, tuple[str, str]] = {
    _IOU: ("IoU {}", "TP / (TP + FP + FN)"),
    "objects_f1_": ("F1 of objects, {}", "2 TP / (2 TP + FP + FN)"),
    "lines_f1_": ("F1 of lines, {}", "of precision and recall"),
}
"""What the names of scores of single classes begin with -> title with their name, and what it is; in the order of tables."""
_FOUND: Mapping[str, str] = {"objects_f1_": "F1 of objects", "lines_f1_": "F1 of lines"}
"""What the names of scores of single classes begin with -> title of their plot."""
_NO_COLOR = (120, 130, 140)
_BEST, _BEST_SCORE = "objects_best_f1_", "objects_best_score_"
_COLUMNS = (
    *("mae", "rmse", "bias", "delta1", "f1", "accuracy", "miou"),
    *("scene_accuracy", "scene_f1", "objects_f1", "lines_f1"),
)
"""Scores of a tile in the table of the worst ones."""
_OF_TILES = {"f1": "f1_1", "scene_f1": "scene_sample_f1"}
"""Score of a tile -> what it is called over a dataset."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that is on the page.

    Attributes:
        card, model, sha256: the model, its fingerprint, the hash of its weights.
        options: how it was run; device: where.
        dataset: on what.
        chosen: which of its tiles, in words, e.g. "list test"; empty for all.
        result: what came out.
        examples: the worst tiles, the worst first.
        when: date and time.
        program: name and version of the program.
    """

    card: ModelCard
    model: str
    sha256: str
    options: RunOptions
    device: str
    dataset: Dataset
    chosen: str
    result: Predicted
    examples: tuple[Example, ...] = ()
    when: str = ""
    program: str = "rsviewer"


def rules(metrics: Mapping[str, float]) -> str:
    """How scores were taken, of those that there are."""
    said = {"delta1": HEIGHT_RULES} if "delta1" in metrics else {"mae": QUANTITY_RULES}
    said |= {"rmse_rel": RELATIVE_RULES, "accuracy": LABEL_RULES}
    said |= {"objects_f1": OBJECT_RULES, "lines_f1": LINE_RULES}
    said |= {"scene_accuracy": SCENE_RULES, "scene_hamming_loss": SCENE_RULES}
    return " ".join(rule for name, rule in said.items() if name in metrics)


def metric_rows(metrics: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """(title, value, what it is) of the scores of a dataset, in the order of tables; those of classes last."""
    is_height = "delta1" in metrics  # else another quantity, in a unit of its own
    rows = [
        (title if is_height else title.removesuffix(" (m)"), number_text(name, metrics[name]), meaning)
        for name, (title, meaning) in METRICS.items()
        if name in metrics
    ]
    rows += [
        (title.format(name.removeprefix(prefix)), number_text(name, value), meaning)
        for prefix, (title, meaning) in _OF_CLASSES.items()
        for name, value in metrics.items()
        if name.startswith(prefix)
    ]
    rows += [
        (f"Best F1 of objects, {name}", number_text(key, value), f"from a score of {metrics[_BEST_SCORE + name]:g}")
        for key, value in metrics.items()
        if key.startswith(_BEST) and _BEST_SCORE + (name := key.removeprefix(_BEST)) in metrics
    ]
    return rows


def worst_tiles(result: Predicted, count: int = WORST) -> list[TileId]:
    """The tiles with the greatest error of heights, else with the fewest right pixels, else with the worst answers."""
    scores = result.per_tile
    by_error = [tile for tile in scores if "mae" in scores[tile]]
    if by_error:
        return sorted(by_error, key=lambda tile: -scores[tile]["mae"])[:count]
    for name in ("accuracy", "scene_f1", "scene_accuracy", "objects_f1", "lines_f1"):
        known = [tile for tile in scores if name in scores[tile]]
        if known:
            return sorted(known, key=lambda tile: scores[tile][name])[:count]
    return []


def title(report: Report) -> str:
    """Of the page."""
    return f"{report.card.title} on {plain(report.dataset.title)}"


def plain(text: str) -> str:
    """A name without what could break a line or hide a part of it."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in printable(text)
    )


def facts(report: Report) -> list[tuple[str, str]]:
    """What is known of the run, as pairs of words."""
    card, result, options = report.card, report.result, report.options
    framing = card.framing(options.framing)
    run = [
        f"{options.precision} on {report.device}" if report.device else str(options.precision),
        framing.title or framing.id,
    ]
    if options.augmentation is not Augmentation.NONE:
        run.append(f"test-time augmentation by {options.augmentation}")
    run += [
        f"{one.title.lower()} {value}" for one, value in zip(card.options, chosen(card, options).values(), strict=True)
    ]
    compared = ", ".join(f"{word} with {plain(layer)}" for word, layer in result.references.items())
    speed = f", {result.seconds / done:.2f} s a tile" if (done := len(result.per_tile) - result.known) > 0 else ""
    rows = [
        ("Model", f"{card.title} ({card.id})"),
        ("What it is", card.description),
        ("Licence", card.licence),
        ("Source", card.source),
        ("Citation", card.citation),
        ("Weights", f"SHA-256 {report.sha256}" if report.sha256 else ""),
        ("Fingerprint", report.model),
        ("Run", "; ".join(run) + speed),
        ("Dataset", f"{report.dataset.title} ({report.dataset.format})"),
        ("Tiles", _tiles(report)),
        ("Compared", compared or "with nothing: the dataset has no reference for this model"),
        ("Made", f"{report.when} by {report.program}".strip()),
    ]
    return [(name, plain(" ".join(words.split()))) for name, words in rows if words.strip()]


def plots(report: Report) -> list[tuple[str, "Plot"]]:
    """(title, plot) of everything that there is to plot."""
    from rsviewer.batch import plotting

    result, card = report.result, report.card
    found: list[tuple[str, Plot]] = []
    labels = card.output(OutputKind.LABELS)
    if result.agreement is not None:
        found.append(("Prediction and reference, all pixels", plotting.density(result.agreement)))
        found.append(("Error by height", plotting.error_by_height(result.agreement)))
    for name, words in (("mae", "mean absolute error of a tile (m)"), ("accuracy", "share of right pixels of a tile")):
        values = [scores[name] for scores in result.per_tile.values() if name in scores]
        if values:
            found.append(
                ("Tiles by error" if name == "mae" else "Tiles by accuracy", plotting.histogram(values, words))
            )
    if labels is not None and result.confusion is not None:
        names = [plain(one.name) for one in labels.classes]
        found.append(("Confusion of classes", plotting.confusion_map(result.confusion, names)))
        known = [(one, result.metrics[key]) for one in labels.classes if (key := f"{_IOU}{one.name}") in result.metrics]
        if known:
            values = [value for _, value in known]
            drawn = [plain(one.name) for one, _ in known], [one.color for one, _ in known]
            found.append(("IoU of classes", plotting.bars(values, *drawn, "intersection over union")))
    every_color = {category(one.name): one.color for output in card.outputs for one in output.classes}
    for prefix, titled in _FOUND.items():
        each = {key.removeprefix(prefix): value for key, value in result.metrics.items() if key.startswith(prefix)}
        if each:
            drawn = [plain(name) for name in each], [every_color.get(category(name), _NO_COLOR) for name in each]
            found.append((titled, plotting.bars(list(each.values()), *drawn, "F1")))
    scene = card.output(OutputKind.SCENE)
    if scene is not None and result.scene_confusion is not None:
        names = [plain(one.name) for one in scene.classes]
        found.append(("Confusion of the classes of tiles", plotting.confusion_map(result.scene_confusion, names)))
    if scene is not None and result.scenes:
        counts: dict[str, int] = {}
        for classes in result.scenes.values():
            counts[classes[0].name] = counts.get(classes[0].name, 0) + 1
        colors = {one.name: one.color for one in scene.classes}
        most = sorted(counts, key=lambda name: -counts[name])[:24]
        drawn = [plain(name) for name in most], [colors.get(name, _NO_COLOR) for name in most]
        found.append(("Likeliest class", plotting.bars([counts[name] for name in most], *drawn, "tiles")))
    return found


def worst_table(report: Report) -> tuple[list[str], list[tuple[Example, list[str]]]]:
    """Titles of the columns, and for each example its scores as they stand there."""
    scores = [report.result.per_tile.get(example.tile, {}) for example in report.examples]
    columns = [name for name in _COLUMNS if any(name in each for each in scores)]
    titles = [METRICS[_OF_TILES.get(name, name)][0] for name in columns]
    rows = [
        (example, [number_text(name, each[name]) if name in each else "–" for name in columns])
        for example, each in zip(report.examples, scores, strict=True)
    ]
    return titles, rows


def _tiles(report: Report) -> str:
    result = report.result
    said = f"{counted(len(result.per_tile), 'tile')} predicted"
    said += f", {len(result.failed):,} could not be" if result.failed else ""
    return f"{said} ({report.chosen})" if report.chosen else said


def counted(number: int, word: str) -> str:
    """For example "1 tile", "2,000 tiles"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def number_text(name: str, value: float) -> str:
    """Metres to the millimetre, shares to a hundredth of a percent, as papers give them."""
    if name.startswith("tiles_"):
        return f"{value:,.0f}"
    metres = name.startswith(("mae", "rmse", "bias"))
    text = f"{value:.3f}" if metres else f"{value:.4f}"
    return text.replace("-", "−")
