"""What the checks found in a dataset, as one HTML page that loads nothing: for the release notes of the dataset.

Names come from files of strangers: they are shown without signs that break lines or hide others, and every one is escaped.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.checking import Result, Results, evidence_in, subject_of
from rsviewer.batch.illustrating import Example, Picture, on_white
from rsviewer.batch.remarks import Failure
from rsviewer.batch.report import counted, plain
from rsviewer.batch.runner import in_parallel
from rsviewer.batch.webpage import document, escaped, picture_of, svg_of
from rsviewer.core.checks import BY_ID, CHECKS
from rsviewer.core.checks.check import Check, Evidence
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import SUSPICIOUS, Reason, Threshold, words_of
from rsviewer.core.render import Pixels, highlight
from rsviewer.core.style import default_style
from rsviewer.core.thumbnail import Painting, blended, small_picture
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.index import TileIndex
from rsviewer.data.resources import color_table
from rsviewer.data.saving import saving

WORST = 24
"""Tiles that are shown."""
SIDE = 192
"""Pixels along the longer side of a small picture."""
MOST_PAIRS = 100
"""Tiles that are named with their partners, for each check that is about pairs."""
PAIRED = ("duplicate", "split_leak", "split_overlap")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the page says.

    Attributes:
        dataset: which.
        chosen: which of its tiles, in words; empty for all.
        suspicions: of every tile that was judged, the largest first.
        counts: check -> tiles that it makes suspicious, most first.
        worst: the most suspicious tiles.
        thresholds: what was suspicious.
        failed: tiles that could not be examined.
        splits: list -> (tiles, suspicious ones).
        examples: the pictures of the worst tiles.
        pairs: check -> (tile, its partners).
        when, program: who says so.
    """

    dataset: Dataset
    chosen: str
    suspicions: NDArray[np.float32]
    counts: Mapping[str, int]
    worst: Sequence[Result]
    thresholds: Sequence[Threshold]
    failed: Sequence[Failure]
    splits: Mapping[str, tuple[int, int]]
    examples: Sequence[Example]
    pairs: Mapping[str, Sequence[tuple[TileId, tuple[TileId, ...]]]]
    when: str
    program: str


def make_report(
    dataset: Dataset,
    index: TileIndex,
    results: Results,
    failed: Sequence[Failure],
    *,
    chosen: str,
    when: str,
    program: str,
    progress: Callable[[int, int | None], None] = lambda *_: None,
) -> CheckReport:
    """Gathers what the page says; the worst tiles are read once more for their pictures."""
    worst = results.worst(WORST)
    places = index.ordinals_of(each.tile for each in worst)
    entries = {entry.id: entry for entry in index.entries(places.values())}
    shown = [(entries[each.tile], each) for each in worst if each.tile in entries]
    examples = []
    for number, example in enumerate(in_parallel(lambda pair: illustrate_result(*pair, dataset), shown, threads=2)):
        examples.append(example)
        progress(number + 1, len(shown))
    pairs = {check: list(islice(results.pairs(check), MOST_PAIRS)) for check in PAIRED}
    return CheckReport(
        dataset,
        chosen,
        results.suspicions,
        results.by_check,
        worst,
        index.checks.thresholds(),
        failed,
        {split: (tiles, results.by_split.get(split, 0)) for split, tiles in index.splits().items()},
        examples,
        {check: found for check, found in pairs.items() if found},
        when,
        program,
    )


def write_check_report(path: Path, report: CheckReport, *, overwrite: bool = False) -> None:
    """Writes the page, whole or not at all. Raises SaveError."""
    page = to_html(report).encode()
    with saving(path, overwrite=overwrite) as partial:
        partial.write_bytes(page)


def illustrate_result(entry: TileEntry, result: Result, dataset: Dataset) -> Example:
    """The picture of a tile, and the layers that its reasons blame with what is suspected in them."""
    blamed = [LayerId(reason.layer) for reason in result.reasons if reason.layer and reason.counts]
    picture = next((spec.id for spec in dataset.layers if spec.kind is LayerKind.OPTICAL and spec.date != "pre"), None)
    wanted = dict.fromkeys([*([picture] if picture is not None else []), *blamed])
    subject = subject_of(entry, dataset, wants_evidence=True)
    suspected = _suspected(subject, result)
    shown = {spec.id: spec for spec in subject.rasters()}
    pictures = []
    for layer in wanted:
        if layer in shown:
            spec = shown[layer]
            pixels = _small(spec, subject.raster(layer))
            for found in (one for one in suspected if one.layer == spec.id):
                pixels = _marked(pixels, found)
            pictures.append(Picture(spec.title, on_white(pixels)))
    return Example(entry.id, tuple(pictures))


def to_html(report: CheckReport) -> str:
    """The page as one HTML document."""
    title = f"Checks of {plain(report.dataset.title)}"
    parts = [
        f"<header><h1>{escaped(title)}</h1>{_lead(report)}</header>",
        _facts(report),
        _checks(report),
        _plots(report),
        _splits(report),
        _worst(report),
        _pairs_html(report),
        _failures(report),
        _method(report),
    ]
    return document(title, parts)


# --- gathering


def _suspected(subject: Subject, result: Result) -> list[Evidence]:
    found = (evidence_in(subject, reason.check) for reason in result.reasons if reason.counts)
    return [one for one in found if one is not None]


def _small(spec: LayerSpec, content: Raster) -> Pixels:
    style = replace(default_style(spec), hillshade=0.0)
    return small_picture(content, Painting(spec, style, color_table(style.color_table)), SIDE)


def _marked(pixels: Pixels, found: Evidence) -> Pixels:
    """A small picture with what is suspected in it."""
    height, width = pixels.shape
    mask: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    if found.mask is not None and found.mask.size:
        mask = np.asarray(
            cv2.resize(found.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    for left, top, right, bottom in found.boxes:
        corners = [round(left * width), round(top * height)], [round(right * width), round(bottom * height)]
        cv2.rectangle(mask, corners[0], corners[1], 1, 1)
    return blended(pixels, highlight(mask > 0), 1.0)


# --- the page


def _lead(report: CheckReport) -> str:
    tiles = len(report.suspicions)
    bad = int(np.count_nonzero(report.suspicions >= SUSPICIOUS))
    told = [(f"{tiles:,}", "tiles checked"), (f"{bad:,}", "suspicious")]
    told += [(f"{bad / tiles:.2%}", "of all")] if tiles else []
    leaks = report.counts.get("split_leak")
    told += [(f"{leaks:,}", "both in training and held out")] if leaks else []
    cells = "".join(f"<div><b>{escaped(number)}</b><span>{escaped(words)}</span></div>" for number, words in told)
    return f'<div class="lead">{cells}</div>'


def _facts(report: CheckReport) -> str:
    layers = ", ".join(f"{plain(spec.title)} ({spec.kind})" for spec in report.dataset.layers)
    rows = [("Format", report.dataset.format), ("Layers", layers), ("Tiles", plain(report.chosen) or "all")]
    rows += [("Checked", f"{report.when}, {report.program}")]
    told = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(words)}</dd>" for name, words in rows)
    return f"<section><dl>{told}</dl></section>"


def _checks(report: CheckReport) -> str:
    """Every check that applies to anything, those that found the most first."""
    counts, thresholds = Counter(report.counts), _by_check(report.thresholds)
    rows = []
    for check in sorted(CHECKS, key=lambda each: -counts[each.id]):
        if check.id not in thresholds and not counts[check.id]:
            continue
        share = counts[check.id] / max(1, len(report.suspicions))
        limit = _limit_words(check, thresholds.get(check.id, []))
        rows.append(
            f'<tr><th scope="row">{escaped(check.title)}</th><td class="n">{counts[check.id]:,}</td>'
            f'<td class="n">{share:.2%}</td><td class="n">{escaped(limit)}</td><td>{escaped(check.help)}</td></tr>'
        )
    head = (
        "<th>Check</th><th class=n>Tiles</th><th class=n>Share</th><th class=n>Suspicious from</th><th>The score</th>"
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<section><h2>What each check found</h2>{table}</section>" if rows else ""


def _by_check(thresholds: Sequence[Threshold]) -> dict[str, list[Threshold]]:
    found: dict[str, list[Threshold]] = {}
    for each in thresholds:
        found.setdefault(each.check, []).append(each)
    return found


def _limit_words(check: Check, thresholds: Sequence[Threshold]) -> str:
    values = [each.value for each in thresholds] or [check.least]
    unit = f" {check.unit}" if check.unit else ""
    low, high = min(values), max(values)
    return f"{low:.3g}{unit}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}{unit}"


def _plots(report: CheckReport) -> str:
    from rsviewer.batch.plotting import bars, histogram

    if not len(report.suspicions):
        return ""
    shown = [("How suspicious the tiles are", histogram(report.suspicions.tolist(), "suspicion"))]
    counts = [(check, count) for check, count in Counter(report.counts).most_common(16) if check in BY_ID]
    if counts:
        names = [BY_ID[check].title for check, _ in counts]
        shares = [count / len(report.suspicions) for _, count in counts]
        shown.append(("Found by each check", bars(shares, names, [(47, 102, 144)] * len(names), "share of the tiles")))
    figures = "".join(
        f"<figure><figcaption>{escaped(name)}</figcaption>{svg_of(plot, name)}</figure>" for name, plot in shown
    )
    return f"<section><h2>Distributions</h2><div class=plots>{figures}</div></section>"


def _splits(report: CheckReport) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escaped(plain(split))}</th><td class="n">{tiles:,}</td><td class="n">{bad:,}</td>'
        f'<td class="n">{bad / tiles if tiles else 0.0:.2%}</td></tr>'
        for split, (tiles, bad) in report.splits.items()
    )
    head = "<th>List</th><th class=n>Tiles</th><th class=n>Suspicious</th><th class=n>Share</th>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<section><h2>By split</h2>{table}</section>" if rows else ""


def _worst(report: CheckReport) -> str:
    known = {each.tile: each for each in report.worst}
    body = []
    for example in report.examples:
        result = known[example.tile]
        pictures = "".join(
            f"<figure>{picture_of(picture.pixels, picture.caption)}<figcaption>{escaped(picture.caption)}</figcaption></figure>"
            for picture in example.pictures
        )
        reasons = "".join(f"<li>{escaped(_reason(reason, report.dataset.layers))}</li>" for reason in result.reasons)
        body.append(
            f'<tbody><tr><th scope="row">{escaped(plain(example.tile))}</th><td class="n">{result.suspicion:.2f}</td>'
            f"<td><ul>{reasons}</ul></td></tr>"
            f'<tr><td class="pictures" colspan="3"><div>{pictures}</div></td></tr></tbody>'
        )
    head = "<tr><th>Tile</th><th class=n>Suspicion</th><th>Why</th></tr>"
    table = f"<table class=worst><thead>{head}</thead>{''.join(body)}</table>"
    title = f"The {len(body)} most suspicious tiles"
    return (
        f"<section><h2>{title}</h2><p class=note>Amber is what a check suspects.</p>{table}</section>" if body else ""
    )


def _reason(reason: Reason, layers: Sequence[LayerSpec]) -> str:
    """One reason as a line of text."""
    check = BY_ID.get(reason.check)
    said = reason.check if check is None else check.title
    unit = f" {check.unit}" if check is not None and check.unit else ""
    message = f": {plain(words_of(reason, layers))}" if reason.message else ""
    answer = f" ({reason.answer}{' by a reviewer' * reason.refuted})" if reason.answer else ""
    return f"{said}{message} [{reason.score:.3g}{unit}, suspicious from {reason.threshold:.3g}{unit}]{answer}"


def _pairs_html(report: CheckReport) -> str:
    parts = []
    for check, pairs in report.pairs.items():
        items = "".join(
            f"<li>{escaped(plain(tile))}: {escaped(', '.join(map(plain, partners)))}</li>" for tile, partners in pairs
        )
        more = "<p class=note>Only the first of them.</p>" if len(pairs) >= MOST_PAIRS else ""
        parts.append(f"<section><h2>{escaped(BY_ID[check].title)}</h2><ul>{items}</ul>{more}</section>")
    return "".join(parts)


def _failures(report: CheckReport) -> str:
    items = "".join(
        f"<li>{escaped(plain(each.tile))}: {escaped(plain(each.message))}</li>" for each in report.failed[:WORST]
    )
    if len(report.failed) > WORST:
        items += f"<li>and {counted(len(report.failed) - WORST, 'more tile')}.</li>"
    return f"<section><h2>Not examined</h2><ul>{items}</ul></section>" if items else ""


def _method(report: CheckReport) -> str:
    adaptive = sum(each.tiles > 0 for each in report.thresholds)
    return (
        '<section><h2>How</h2><p class="note">Each check gives every tile a score. Where the dataset itself tells what is '
        "usual, the threshold is the median of the scores plus a multiple of their median absolute deviation, by group where "
        f"groups are large enough ({counted(adaptive, 'threshold')} here); else it is fixed. A score at its threshold makes a "
        "tile suspicious with 0.5; checks above their thresholds are combined as if they were independent. What reviewers "
        "refuted does not count.</p></section>"
    )
