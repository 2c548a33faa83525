"""A report as one A4 page. Nothing in a name is read as a formula."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rsviewer.batch.illustrating import Example
from rsviewer.batch.plotting import FAINT, FAMILY, INK, Plot, drawable, shortened
from rsviewer.batch.report import Report, facts, metric_rows, plots, rules, title, worst_table

WIDTH, HEIGHT = 8.27, 11.69
"""A4 in inches."""
MARGIN = 0.6

MOST_ROWS = 40
"""Scores that fit on the page; a model with many classes has more."""
MOST_PLOTS, COLUMNS = 6, 3
MOST_PICTURES = 4
"""Of a tile. More would be too small to see anything."""

_WORDS, _FINE, _HEAD = 6.2, 5.0, 8.0
"""Points."""
_LINE = 0.118
"""Inches from one line of words to the next."""
_MUTED = "#616e7c"


def draw_page(report: Report) -> Figure:
    """The page. Save it as PDF."""
    page = _Page()
    page.words(MARGIN, shortened(title(report), 76), size=14, weight="bold")
    page.down(0.33)
    for name, words in facts(report):
        page.words(MARGIN, name, color=_MUTED)
        for line in textwrap.wrap(words, 125)[:2]:
            page.words(MARGIN + 0.8, line)
            page.down(_LINE)
    rows = metric_rows(report.result.metrics)
    if rows:
        page.headline("Scores")
        _draw_scores(page, rows, rules(report.result.metrics))
    drawn = plots(report)[:MOST_PLOTS]
    titles, worst = worst_table(report)
    bottom = MARGIN + (_strip(worst) if worst else 0.0)
    if drawn:
        page.headline("Plots")
        _draw_plots(page, drawn, bottom + 0.1)
    if worst:
        page.top = bottom
        page.headline(f"The {len(worst)} worst tiles, by {titles[0]}" if titles else "Tiles")
        _draw_worst(page, worst)
    return page.figure


class _Page:
    """Places things in inches, from the top downwards.

    Attributes:
        figure: the page.
        top: inches above the lower edge, where the next thing goes.
    """

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        self.top = HEIGHT - MARGIN

    def down(self, inches: float) -> None:
        """Leaves room."""
        self.top -= inches

    def words(self, left: float, text: str, *, size: float = _WORDS, color: str = INK, **more: Any) -> None:
        """One line of text with its upper edge at the top."""
        place = (left / WIDTH, self.top / HEIGHT)
        self.figure.text(
            *place, drawable(text), size=size, color=color, family=FAMILY, va="top", parse_math=False, **more
        )

    def headline(self, text: str) -> None:
        """A line across the page, and a title below it."""
        self.down(0.1)
        axes = self.axes(MARGIN, self.top, WIDTH - 2 * MARGIN, 0.01)
        axes.axis("off")
        axes.axhline(0.5, color=FAINT, linewidth=0.7)
        self.down(0.07)
        self.words(MARGIN, text, size=_HEAD, weight="bold")
        self.down(0.2)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """A place for a plot, in inches."""
        return self.figure.add_axes((left / WIDTH, (top - height) / HEIGHT, width / WIDTH, height / HEIGHT))


def _draw_scores(page: _Page, rows: Sequence[tuple[str, str, str]], how: str) -> None:
    """Two columns of name, value and definition."""
    shown = rows[:MOST_ROWS]
    half = -(-len(shown) // 2)
    top = lowest = page.top
    for left, part in ((MARGIN, shown[:half]), (WIDTH / 2 + 0.08, shown[half:])):
        page.top = top
        for name, value, meaning in part:
            page.words(left, shortened(name, 22))
            page.words(left + 1.5, value, ha="right")
            page.words(left + 1.6, shortened(meaning, 54), size=_FINE, color=_MUTED)
            page.down(_LINE)
        lowest = min(lowest, page.top)
    page.top = lowest - 0.04
    more = f" {len(rows) - len(shown)} more scores are in the HTML page." if len(rows) > len(shown) else ""
    for line in textwrap.wrap(how + more, 190):
        page.words(MARGIN, line, size=_FINE, color=_MUTED)
        page.down(0.09)


def _draw_plots(page: _Page, drawn: Sequence[tuple[str, Plot]], bottom: float) -> None:
    """Rows of plots in the room above `bottom`. Beside each, room is left for the words along its axes."""
    columns = min(COLUMNS, len(drawn))
    lines = -(-len(drawn) // columns)
    width, height = (WIDTH - 2 * MARGIN) / columns, min((page.top - bottom) / lines, 2.7)
    for number, (name, plot) in enumerate(drawn):
        line, column = divmod(number, columns)
        left, top = MARGIN + column * width, page.top - line * height
        page.figure.text(
            left / WIDTH, top / HEIGHT, name, size=_WORDS, color=INK, family=FAMILY, va="top", weight="bold"
        )
        plot(page.axes(left + 0.42, top - 0.18, width - 0.85, max(0.4, height - 0.72)), _WORDS)


def _strip(worst: Sequence[tuple[Example, list[str]]]) -> float:
    """Inches that the worst tiles take."""
    return 0.65 + _side(worst) * max(min(len(example.pictures), MOST_PICTURES) for example, _ in worst)


def _side(worst: Sequence[tuple[Example, list[str]]]) -> float:
    """Inches from one picture to the next."""
    return (WIDTH - 2 * MARGIN) / max(len(worst), 8)


def _draw_worst(page: _Page, worst: Sequence[tuple[Example, list[str]]]) -> None:
    """The worst tiles side by side: pictures above each other, name and first score below."""
    side = _side(worst)
    for number, (example, values) in enumerate(worst):
        left, top = MARGIN + number * side, page.top
        for picture in example.pictures[:MOST_PICTURES]:
            axes = page.axes(left, top, side - 0.04, side - 0.04)
            axes.imshow(picture.pixels, interpolation="nearest")
            axes.axis("off")
            if number == 0:
                axes.text(
                    -0.06,
                    0.5,
                    picture.caption,
                    transform=axes.transAxes,
                    size=4.0,
                    color=_MUTED,
                    rotation=90,
                    ha="right",
                    va="center",
                )
            top -= side
        below, page.top = page.top, top
        page.words(left, shortened(str(example.tile), 16), size=4.0)
        page.down(0.075)
        page.words(left, values[0] if values else "", size=_FINE)
        page.top = below
