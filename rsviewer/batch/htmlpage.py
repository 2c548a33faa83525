"""A report as one HTML page that loads nothing. Every name is escaped."""

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
from rsviewer.batch.webpage import document, escaped, picture_of, svg_of


def to_html(report: Report) -> str:
    """The page as one HTML document."""
    shown = escaped(title(report))
    parts = [f"<header><h1>{shown}</h1>{_lead(report)}</header>", _facts(report)]
    rows = metric_rows(report.result.metrics)
    if rows:
        body = "".join(
            f'<tr><th scope="row">{escaped(name)}</th><td class="n">{escaped(value)}</td><td>{escaped(meaning)}</td></tr>'
            for name, value, meaning in rows
        )
        note = escaped(rules(report.result.metrics))
        parts.append(f"<section><h2>Scores</h2><table><tbody>{body}</tbody></table><p class=note>{note}</p></section>")
    figures = "".join(
        f"<figure><figcaption>{escaped(name)}</figcaption>{svg_of(plot, name)}</figure>" for name, plot in plots(report)
    )
    parts.append(f"<section><h2>Plots</h2><div class=plots>{figures}</div></section>" if figures else "")
    parts += [_worst(report), _remarks(report)]
    return document(title(report), parts)


def _lead(report: Report) -> str:
    """The two or three numbers that everybody looks for."""
    metrics = report.result.metrics
    wanted = [name for name in ("mae", "rmse", "delta1", "f1_1", "miou", "accuracy") if name in metrics]
    told = "".join(
        f"<div><b>{escaped(number_text(name, metrics[name]))}</b><span>{escaped(METRICS[name][0])}</span></div>"
        for name in wanted
    )
    return f'<div class="lead">{told}</div>' if told else ""


def _facts(report: Report) -> str:
    rows = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(words)}</dd>" for name, words in facts(report))
    return f"<section><dl>{rows}</dl></section>"


def _worst(report: Report) -> str:
    titles, rows = worst_table(report)
    if not rows:
        return ""
    head = "".join(f'<th class="n">{escaped(name)}</th>' for name in titles)
    body = []
    for example, values in rows:
        numbers = "".join(f'<td class="n">{escaped(value)}</td>' for value in values)
        pictures = "".join(
            f"<figure>{picture_of(picture.pixels, picture.caption)}"
            f"<figcaption>{escaped(picture.caption)}</figcaption></figure>"
            for picture in example.pictures
        )
        body.append(
            f'<tbody><tr><th scope="row">{escaped(plain(example.tile))}</th>{numbers}</tr>'
            f'<tr><td class="pictures" colspan="{len(titles) + 1}"><div>{pictures}</div></td></tr></tbody>'
        )
    return (
        f"<section><h2>The {len(rows)} worst tiles</h2><table class=worst><thead><tr><th>Tile</th>{head}</tr></thead>"
        f"{''.join(body)}</table></section>"
    )


def _remarks(report: Report) -> str:
    result = report.result
    told = [
        f"{counted(each.tiles, 'tile')}, first {plain(each.first)}: {plain(each.message)}" for each in result.remarks
    ]
    told += [f"{plain(each.tile)} could not be predicted: {plain(each.message)}" for each in result.failed[:WORST]]
    if len(result.failed) > WORST:
        told.append(f"and {len(result.failed) - WORST:,} more tiles that could not be predicted.")
    items = "".join(f"<li>{escaped(each)}</li>" for each in told)
    return f"<section><h2>Remarks</h2><ul>{items}</ul></section>" if told else ""
