"""From a path to everything a workspace needs. Reads names and small files only, so it may run on any thread."""

import getpass
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rsviewer.core.errors import ProjectLockedError
from rsviewer.core.review import Decision, Edit
from rsviewer.core.tile import TileId
from rsviewer.data.adapter import Dataset, DatasetAdapter
from rsviewer.data.content import read_content
from rsviewer.data.decisions import DecisionStore
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.project import Project
from rsviewer.data.resources import color_table
from rsviewer.data.settings import Session, load_session
from rsviewer.workspace.pictures import ColorTables, Read

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A dataset with its project, ready for a workspace."""

    dataset: Dataset
    adapter: DatasetAdapter
    project: Project
    index: TileIndex
