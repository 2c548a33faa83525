"""The log file: quiet on the terminal, complete for whoever has to find out what happened."""

import logging
import logging.handlers
from pathlib import Path

import platformdirs

from rsviewer.data.settings import home

MAX_BYTES = 1_000_000
FORMAT = "%(asctime)s %(process)d %(threadName)s %(levelname)s %(name)s: %(message)s"


def log_path() -> Path:
    """The log of this person."""
    folder = home() or platformdirs.user_log_path("rsviewer", appauthor=False)
    return folder / "rsviewer.log"


def start_logging() -> None:
    """Sends what the program logs to the file, which is made with the first line. Does nothing the second time.

    Where the file cannot be written, there is no log: that is no reason not to look at tiles.
    """
    root = logging.getLogger()
    if any(isinstance(handler, _LogFile) for handler in root.handlers):
        return
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = _LogFile(path)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    root.addHandler(handler)
    logging.getLogger("rsviewer").setLevel(logging.INFO)


class _LogFile(logging.handlers.RotatingFileHandler):
    """Two files of a megabyte. A full disk is not reported on the terminal with every line."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace", delay=True
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name is logging's
        """Passes over it."""
