"""A report as one HTML page that loads nothing. Every name is escaped."""

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsviewer.batch.report import (
    METRICS,
    WORST,
    Report,
    counted,
    facts,
    metric_rows,
    number_text,
    plain,
    plots,
    rules,
    title,
    worst_table,
)

if TYPE_CHECKING:  # loads matplotlib
    from rsviewer.batch.plotting import Plot


def to_html(report: Report) -> str:
    """The page as one HTML document."""
    shown = _html(title(report))
    parts = [f"<header><h1>{shown}</h1>{_lead(report)}</header>", _facts_html(report)]
    rows = metric_rows(report.result.metrics)
    if rows:
        body = "".join(
            f'<tr><th scope="row">{_html(name)}</th><td class="n">{_html(value)}</td><td>{_html(meaning)}</td></tr>'
            for name, value, meaning in rows
        )
        note = _html(rules(report.result.metrics))
        parts.append(f"<section><h2>Scores</h2><table><tbody>{body}</tbody></table><p class=note>{note}</p></section>")
    figures = "".join(
        f"<figure><figcaption>{_html(name)}</figcaption>{_image(_svg(plot), 'svg+xml', name)}</figure>"
        for name, plot in plots(report)
    )
    parts.append(f"<section><h2>Plots</h2><div class=plots>{figures}</div></section>" if figures else "")
    parts += [_worst_html(report), _remarks_html(report)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{shown}</title><style>{_CSS}</style></head>\n<body>{''.join(parts)}</body></html>\n"
    )


def _lead(report: Report) -> str:
    """The two or three numbers that everybody looks for."""
    metrics = report.result.metrics
    wanted = [name for name in ("mae", "rmse", "delta1", "f1_1", "miou", "accuracy") if name in metrics]
    told = "".join(
        f"<div><b>{_html(number_text(name, metrics[name]))}</b><span>{_html(METRICS[name][0])}</span></div>"
        for name in wanted
    )
    return f'<div class="lead">{told}</div>' if told else ""


def _facts_html(report: Report) -> str:
    rows = "".join(f"<dt>{_html(name)}</dt><dd>{_html(words)}</dd>" for name, words in facts(report))
    return f"<section><dl>{rows}</dl></section>"


def _worst_html(report: Report) -> str:
    titles, rows = worst_table(report)
    if not rows:
        return ""
    head = "".join(f'<th class="n">{_html(name)}</th>' for name in titles)
    body = []
    for example, values in rows:
        numbers = "".join(f'<td class="n">{_html(value)}</td>' for value in values)
        pictures = "".join(
            f"<figure>{_image(_png(picture.pixels), 'png', picture.caption)}"
            f"<figcaption>{_html(picture.caption)}</figcaption></figure>"
            for picture in example.pictures
        )
        body.append(
            f'<tbody><tr><th scope="row">{_html(plain(example.tile))}</th>{numbers}</tr>'
            f'<tr><td class="pictures" colspan="{len(titles) + 1}"><div>{pictures}</div></td></tr></tbody>'
        )
    return (
        f"<section><h2>The {len(rows)} worst tiles</h2><table class=worst><thead><tr><th>Tile</th>{head}</tr></thead>"
        f"{''.join(body)}</table></section>"
    )


def _remarks_html(report: Report) -> str:
    result = report.result
    told = [
        f"{counted(each.tiles, 'tile')}, first {plain(each.first)}: {plain(each.message)}" for each in result.remarks
    ]
    told += [f"{plain(each.tile)} could not be predicted: {plain(each.message)}" for each in result.failed[:WORST]]
    if len(result.failed) > WORST:
        told.append(f"and {len(result.failed) - WORST:,} more tiles that could not be predicted.")
    items = "".join(f"<li>{_html(each)}</li>" for each in told)
    return f"<section><h2>Remarks</h2><ul>{items}</ul></section>" if told else ""


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


def _svg(plot: "Plot") -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), dpi=144, layout="constrained")
    plot(figure.add_subplot(), 9.0)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _image(content: bytes, kind: str, words: str) -> str:
    return f'<img alt="{_html(words)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def _html(text: str) -> str:
    return html.escape(text)


_CSS = """
:root { color: #1f2933; background: #fff; font: 14px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
body { max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #cbd2d9; padding-bottom: .25rem; }
.lead { display: flex; flex-wrap: wrap; gap: .5rem 2.2rem; margin-bottom: 1.4rem; }
.lead b { display: block; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.lead span { color: #616e7c; font-size: .85rem; }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .15rem 1rem; margin: 0; font-size: .9rem; }
dt { color: #616e7c; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; border: solid #1f2933; border-width: 1.5px 0; }
th, td { text-align: left; padding: .18rem .7rem .18rem 0; vertical-align: top; font-weight: 400; }
thead th { border-bottom: 1px solid #7b8794; color: #616e7c; }
tbody th { white-space: nowrap; } .worst tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-right: 1.2rem; }
.worst tbody { border-bottom: 1px solid #e4e7eb; break-inside: avoid; }
.worst tbody td, .worst tbody th { padding-top: .4rem; }
.note { color: #616e7c; font-size: .85rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; } .plots img { width: 100%; height: auto; } .plots figcaption { font-weight: 600; font-size: .9rem; }
.pictures div { display: flex; flex-wrap: wrap; gap: .5rem; padding-bottom: .5rem; }
.pictures img { width: 7.6rem; height: 7.6rem; object-fit: contain; border: 1px solid #e4e7eb; display: block; }
.pictures figcaption { font-size: .7rem; color: #616e7c; text-align: center; }
ul { padding-left: 1.2rem; font-size: .9rem; } li { overflow-wrap: anywhere; }
@media print {
  body { margin: 0; max-width: none; padding: 0; } tr, figure { break-inside: avoid; } h2 { break-after: avoid; }
  .plots { grid-template-columns: 1fr 1fr; }
}
"""
