"""The plots of a report, each drawn on axes that somebody else has made. Loads matplotlib; keeps none of its global state."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rsviewer.core.agreement import EDGES, Agreement

INK, FAINT = "#1f2933", "#9aa5b1"
BLUE, RED = "#2f6690", "#c8553d"
FAMILY = "DejaVu Sans"
"""Comes with matplotlib, so that a report looks alike everywhere."""

HEIGHT_GROUPS = (-10.0, 0.0, 1.0, 3.0, 5.0, 10.0, 20.0, 32.0, 50.0, 100.0, 300.0, 1000.0)
"""Metres between the groups of the plot of errors; each is one of `core.agreement.EDGES`."""

MOST_NAMED = 16
"""Classes of a confusion table whose numbers can still be read in it."""

RARE = 5e-4
"""Share of pixels below which a range of heights is not shown: one void that was filled badly would press the rest flat."""

Plot: TypeAlias = Callable[[Axes, float], None]
"""Draws on axes, with words of that many points."""


def histogram(values: Sequence[float], label: str) -> Plot:
    """How many tiles have which score. The farthest hundredth is counted in the last bar where it would press the rest flat."""
    numbers = np.sort(np.asarray(values, np.float64))
    low, high = float(numbers[0]), float(numbers[-1])
    usual = float(np.quantile(numbers, 0.99, method="higher"))
    cut = usual if high - low > 2.0 * (usual - low) > 0.0 else high

    def draw(axes: Axes, size: float) -> None:
        bars = int(np.clip(np.sqrt(numbers.size) * 1.5, 6, 50))
        span = (low, cut) if cut > low else (low - 0.5, low + 0.5)
        axes.hist(np.minimum(numbers, cut), bars, range=span, color=BLUE, edgecolor="white", linewidth=0.4)
        middle, mean = float(np.median(numbers)), float(numbers.mean())
        axes.axvline(min(middle, cut), color=INK, linewidth=1.0, label=f"median {middle:.3g}")
        axes.axvline(min(mean, cut), color=RED, linewidth=1.0, linestyle=(0, (4, 2)), label=f"mean {mean:.3g}")
        beyond = int(np.count_nonzero(numbers > cut))
        axes.set_xlabel(f"{label}\nthe last bar holds {beyond:,} up to {high:.3g}" if beyond else label)
        axes.set_ylabel("tiles")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        _legend(axes, size)
        _tidy(axes, size)

    return draw


def density(agreement: Agreement) -> Plot:
    """Where pixels lie by reference and prediction: pixels for each square metre of the plot, on a logarithmic scale."""
    low, high = _span(agreement)
    edges = np.array([low, *(edge for edge in EDGES if low < edge < high), high])
    inner = slice(int(np.searchsorted(EDGES, low, "right")), int(np.searchsorted(EDGES, high, "left")) + 1)
    cells = agreement.counts[inner, inner].astype(np.float64)
    cells /= np.diff(edges)[:, None] * np.diff(edges)[None, :]

    def draw(axes: Axes, size: float) -> None:
        shown = np.ma.masked_less_equal(cells.T, 0.0)
        limits = (float(shown.min()), float(shown.max())) if shown.count() else (1.0, 1.0)
        norm = LogNorm(limits[0], max(limits[1], limits[0] * 10.0))
        mesh = axes.pcolormesh(edges, edges, shown, norm=norm, cmap="viridis", rasterized=True)
        axes.plot((low, high), (low, high), color=RED, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal", anchor="W")
        axes.set_xlabel("reference (m)")
        axes.set_ylabel("prediction (m)")
        bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.04, 0.0, 0.05, 1.0)))
        bar.ax.set_title("pixels / m²", color=INK, fontsize=0.75 * size)
        bar.ax.tick_params(labelsize=0.85 * size, length=2)
        bar.outline.set_visible(False)
        _tidy(axes, size, spines=True)

    return draw


def error_by_height(agreement: Agreement) -> Plot:
    """Mean absolute error and bias of the pixels of each range of reference heights, RARE ones left out, with their share."""
    limits = [0, *(EDGES.index(edge) + 1 for edge in HEIGHT_GROUPS), len(agreement.pixels)]
    groups = [slice(start, end) for start, end in pairwise(limits)]
    pixels = np.array([agreement.pixels[group].sum() for group in groups], np.float64)
    there = np.flatnonzero(pixels >= RARE * pixels.sum())
    names = [f"< {HEIGHT_GROUPS[0]:g}"]
    names += [f"{low:g}–{high:g}".replace("-", "−") for low, high in pairwise(HEIGHT_GROUPS)]
    names += [f"> {HEIGHT_GROUPS[-1]:g}"]
    absolute = np.array([agreement.absolute[group].sum() for group in groups])[there] / pixels[there]
    bias = np.array([agreement.errors[group].sum() for group in groups])[there] / pixels[there]
    shares = pixels[there] / pixels.sum()

    def draw(axes: Axes, size: float) -> None:
        place = np.arange(there.size)
        axes.bar(place, absolute, 0.72, color=BLUE, label="mean absolute error")
        axes.plot(place, bias, "o", color=RED, markersize=4, label="bias")
        axes.axhline(0.0, color=INK, linewidth=0.6)
        top = max(float(absolute.max()), float(bias.max()), 1e-9)
        for at, value, share in zip(place.tolist(), np.maximum(absolute, bias), shares, strict=True):
            axes.text(
                at, value + 0.03 * top, _percent(share), ha="center", va="bottom", fontsize=0.85 * size, color=FAINT
            )
        axes.set_ylim(min(0.0, 1.15 * float(bias.min())), 1.4 * top)
        axes.set_xticks(place, [drawable(names[group]) for group in there], rotation=30, ha="right")
        axes.set_xlabel("reference (m); grey: share of pixels")
        axes.set_ylabel("error (m)")
        _legend(axes, size, "upper left")
        _tidy(axes, size)

    return draw


def confusion_map(table: NDArray[np.int64], names: Sequence[str]) -> Plot:
    """Of each class of the reference, which share was predicted as what. Classes that nobody saw are left out."""
    seen = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1)).tolist()
    counts = table[np.ix_(seen, seen)].astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    titles = [drawable(shortened(names[number], 22)) for number in seen]

    def draw(axes: Axes, size: float) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        place = np.arange(len(seen))
        readable = len(seen) <= MOST_NAMED
        words = 0.85 * size if readable else 0.5 * size
        axes.set_xticks(place, titles, rotation=40, ha="right", fontsize=words, parse_math=False)
        axes.set_yticks(place, titles, fontsize=words, parse_math=False)
        if readable:
            for row, column in np.argwhere(counts > 0):
                share = shares[row, column]
                color = "white" if share > 0.55 else INK
                text = f"{100 * share:.0f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=0.85 * size, color=color)
        axes.set_xlabel("predicted; % of the reference")
        axes.set_ylabel("reference")
        _tidy(axes, size)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw


def bars(values: Sequence[float], names: Sequence[str], colors: Sequence[tuple[int, int, int]], label: str) -> Plot:
    """One number for each class, in the colours of the classes."""
    titles = [drawable(shortened(name, 22)) for name in names]

    def draw(axes: Axes, size: float) -> None:
        place = np.arange(len(values))
        axes.barh(
            place, values, 0.72, color=[np.array(color) / 255 for color in colors], edgecolor=FAINT, linewidth=0.4
        )
        top = max([*values, 1e-9])
        for at, value in zip(place.tolist(), values, strict=True):
            axes.text(value + 0.01 * top, at, f"{value:,.3g}", va="center", fontsize=0.85 * size, color=INK)
        axes.set_xlim(0.0, 1.15 * top)
        axes.set_yticks(place, titles, fontsize=0.85 * size, parse_math=False)
        axes.invert_yaxis()
        axes.set_xlabel(label)
        _tidy(axes, size)

    return draw


def drawable(text: str) -> str:
    """`text` with a sign for each character that the font has not: HTML shows those, a plot cannot."""
    known = _known_characters()
    return "".join(character if ord(character) in known else "\N{REPLACEMENT CHARACTER}" for character in text)


def shortened(text: str, most: int) -> str:
    """At most so many characters, the middle being left out."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def _span(agreement: Agreement) -> tuple[float, float]:
    """The ends of the axes of `density`: what all but a few pixels in ten thousand lie between."""
    total = agreement.counts.sum(axis=0) + agreement.counts.sum(axis=1)
    share = np.cumsum(total) / total.sum()
    first, last = int(np.searchsorted(share, 2e-4)), int(np.searchsorted(share, 1.0 - 2e-4))
    low = EDGES[max(0, min(first, len(EDGES) - 1) - 1)]
    high = EDGES[min(last, len(EDGES) - 1)]
    return (min(low, 0.0), high) if high > low else (low - 1.0, low + 1.0)


def _known_characters() -> Any:
    return get_font(findfont(FontProperties(family=FAMILY))).get_charmap()


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1f} %" if share >= 0.00095 else "< 0.1 %"


def _legend(axes: Axes, size: float, place: Literal["best", "upper left"] = "best") -> None:
    axes.legend(fontsize=0.85 * size, frameon=False, loc=place, handlelength=1.4, borderaxespad=0.2)


def _tidy(axes: Axes, size: float, *, spines: bool = False) -> None:
    """Thin lines, small words, and no box."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(spines)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
        spine.set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=0.85 * size, width=0.6, length=2.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
        label.set_fontsize(size)
