"""Takes human work along when the archives of a dataset are unpacked: the same tiles, in another place."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from rsviewer.data.adapter import Dataset
from rsviewer.data.archives import Packed
from rsviewer.data.decisions import DecisionStore
from rsviewer.data.project import NAMES, Project


def carry_decisions(dataset: Dataset, project: Path, out: Path) -> int:
    """Copies decisions, and where the user was, to the project of what was unpacked. Decisions that are there stay.

    Args:
        dataset: as it was opened in its archives.
        project: the folder of its project.
        out: where the archives were unpacked.

    Returns:
        How many tiles with a decision were taken along.

    Raises:
        RsviewerError: decisions cannot be read, or the other project cannot be written.
    """
    known = project / NAMES["decisions"]
    if not isinstance(dataset.tree, Packed) or not known.is_file():
        return 0
    root = out / dataset.root.relative_to(dataset.tree.root)
    if os.path.realpath(root) == os.path.realpath(dataset.root):
        return 0
    with DecisionStore.open(known, read_only=True) as store:
        count = len(store.all())
        if not count:
            return 0
        with Project.open(root, dataset_format=dataset.format) as target:
            if os.path.lexists(target.decisions_path):
                return 0
            store.save_elsewhere(target.decisions_path)
            with suppress(OSError):
                shutil.copyfile(project / NAMES["session"], target.session_path)
    return count
