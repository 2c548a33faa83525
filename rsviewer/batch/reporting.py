"""Writes reports: as HTML or PDF, by the name of the file."""

from pathlib import Path

from rsviewer.batch.report import Report, title
from rsviewer.data.saving import saving

SUFFIXES = (".html", ".pdf")


def write_report(path: Path, report: Report, *, overwrite: bool = False) -> None:
    """Writes the page, whole or not at all; `path` ends in one of SUFFIXES. Raises SaveError."""
    if path.suffix.lower() == ".pdf":
        from rsviewer.batch.pdfpage import draw_page

        figure = draw_page(report)
        with saving(path, overwrite=overwrite) as partial:
            figure.savefig(partial, format="pdf", metadata={"Title": title(report), "Creator": report.program})
        return
    from rsviewer.batch.htmlpage import to_html

    page = to_html(report).encode()
    with saving(path, overwrite=overwrite) as partial:
        partial.write_bytes(page)
