"""rsviewer: look at every tile of a remote-sensing dataset, decide what is good, export cleaned split lists."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `import rsviewer` costs nothing: what reads files is imported when files are read
    from rsviewer.data.access import OpenDataset

__version__ = "0.1.0"


def open_dataset(path: str | os.PathLike[str], format_name: str | None = None) -> "OpenDataset":
    """Opens a dataset for reading: tiles by name or number, layers as arrays with their mask. See `rsviewer.data.access`.

    Raises `rsviewer.core.errors.RsviewerError` where there is none.
    """
    from rsviewer.data import access

    return access.open_dataset(path, format_name)
