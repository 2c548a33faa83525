"""Pages of HTML that load nothing: pictures and style are in them. Every name is escaped."""

import base64
import html
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # loads matplotlib
    from rsviewer.batch.plotting import Plot


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page. `title` is text, the parts are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escaped(title)}</title><style>{_CSS}</style></head>\n<body>{''.join(parts)}</body></html>\n"
    )


def escaped(text: str) -> str:
    """Text as HTML."""
    return html.escape(text)


def picture_of(pixels: NDArray[np.uint8], words: str) -> str:
    """An element that shows (h, w, 3) red, green, blue; `words` stand for it where it cannot be seen."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return _image(file.getvalue(), "png", words)


def svg_of(plot: "Plot", words: str) -> str:
    """An element that shows a plot; `words` stand for it where it cannot be seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), dpi=144, layout="constrained")
    plot(figure.add_subplot(), 9.0)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return _image(file.getvalue(), "svg+xml", words)


def _image(content: bytes, kind: str, words: str) -> str:
    return f'<img alt="{escaped(words)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


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
