"""The automatic checks on odd and real files, and on every format: whatever a tile holds, there is a score and words."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch.checking import Result, check_all, examine, results_of, subject_of
from rsviewer.batch.crew import Here
from rsviewer.core.checks import BY_ID, CHECKS
from rsviewer.core.checks.check import Evidence, Sign
from rsviewer.core.checks.suspicion import WORTH
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex
from rsviewer.data.mounting import let_go
from tests.data.samples.sample import Sample, Writer
from tests.data.test_formats import WRITERS, pack
from tests.journeys.visit import JARGON

pytestmark = pytest.mark.usefixtures("quiet_log")

FOLDERS = ("opt", "gt_nDSM", "gt_ss_mask")
RASTERS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".bmp", ".webp", ".img")
LONGEST = 300
"""Characters of what is said of a tile: a line or three in the inspector."""


def check_message(words: str) -> None:
    """A clause on one line for people."""
    assert words
    assert words.isprintable(), repr(words)
    assert len(words) < LONGEST, words
    assert not re.search(r"e\+0\d (%|m)", words), words
    assert not any(word in words for word in (*JARGON, "nan", "inf ", "has a fault")), words


def check_evidence(evidence: Evidence, entry: TileEntry, dataset: Dataset) -> None:
    assert evidence.layer in {spec.id for spec in dataset.layers}, entry.id
    assert evidence.mask is not None or evidence.boxes
    if evidence.mask is not None:
        assert evidence.mask.dtype == np.bool_
        assert evidence.mask.ndim == 2
        assert evidence.mask.size
    for left, top, right, bottom in evidence.boxes:
        assert 0 <= left <= right <= 1, (entry.id, evidence.boxes)
        assert 0 <= top <= bottom <= 1, (entry.id, evidence.boxes)


def check_sign(sign: Sign, least: float, entry: TileEntry, dataset: Dataset) -> None:
    assert math.isnan(sign.score) or 0 <= sign.score < math.inf, entry.id
    assert sign.layer in {"", *(spec.id for spec in dataset.layers)}
    if sign.message or sign.score >= WORTH * least:
        check_message(sign.message)
    if sign.evidence is not None:
        check_evidence(sign.evidence, entry, dataset)


def check_tile(entry: TileEntry, dataset: Dataset) -> int:
    """Examines a tile and lets all checks say where; how many could say anything of it."""
    examined = examine(entry, dataset, CHECKS)
    assert not examined.failed
    assert all(0 <= score < math.inf for score in examined.scores.values()), (entry.id, examined.scores)
    assert set(examined.milliseconds) == set(BY_ID)
    for note in examined.notes.values():
        check_message(note.message)
    for trait in examined.traits.values():
        assert isinstance(trait, float | int | str | tuple), trait
    subject = subject_of(entry, dataset, wants_evidence=True)
    for check in CHECKS:
        for sign in check.run(subject) if check.run is not None else ():
            check_sign(sign, check.least, entry, dataset)
    return len(examined.scores)


@contextmanager
def indexed(path: Path, format_name: str | None = None) -> Iterator[tuple[Dataset, DatasetAdapter, TileIndex]]:
    dataset, adapter = open_dataset(path, format_name)
    index = TileIndex.open(None, dataset, adapter)
    try:
        index.build()
        yield dataset, adapter, index
    finally:
        index.close()
        let_go(dataset.tree)


def checked(path: Path, format_name: str | None = None) -> list[Result]:
    """A whole dataset checked in this process: every tile with a file is judged, and what is said of it is well said."""
    with indexed(path, format_name) as (dataset, _, index):
        done = check_all(dataset, index, checks=CHECKS, crew=Here(), refuted={})
        assert done.failed == ()
        assert done.tiles == np.count_nonzero(index.have_files())
        results = list(results_of(index, index.select()))
        assert len(results) == done.tiles
        for result in results:
            assert 0 <= result.suspicion <= 1
            for reason in result.reasons:
                assert reason.score >= 0
                assert reason.threshold > 0
                check_message(reason.message)
        return results


def farm(root: Path, files: Sequence[Path]) -> Path:
    """A dataset of links in SynRS3D's layout: each file is the image, heights and labels of its own tile."""
    for number, source in enumerate(files):
        for folder in FOLDERS:
            link = root / folder / f"{number:03}_{source.stem}{source.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    return root


@pytest.mark.real
def test_every_odd_file_is_examined(shared_data: Path, tmp_path: Path) -> None:
    """As image, heights and labels of one tile; what is broken is called so, and nothing else ends in a fault."""
    files = sorted(path for path in (shared_data / "robust").rglob("*") if path.suffix.lower() in RASTERS)
    dataset, adapter = open_dataset(farm(tmp_path / "farm", files), "synrs3d")
    said = [check_tile(entry, dataset) for entry in adapter.scan(dataset)]
    assert len(said) == len(files) > 300
    assert all(said), "every tile is readable or not"


@pytest.mark.real
def test_an_odd_file_beside_healthy_layers_is_examined(shared_data: Path, tmp_path: Path) -> None:
    """In the place of one layer of a real tile: sizes, places and types disagree in every way."""
    real = shared_data / "real" / "synrs3d" / "autzen_feet"
    whole = sorted((real / "opt").iterdir())[0]
    files = sorted(path for path in (shared_data / "robust").rglob("*.tif") if path.stat().st_size < 1_000_000)[::3]
    for number, odd in enumerate(files):
        for place, folder in enumerate(FOLDERS):
            healthy = real / folder / whole.name
            source = odd if place == number % 3 or not healthy.exists() else healthy
            link = tmp_path / "farm" / folder / f"{number:03}.tif"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    dataset, adapter = open_dataset(tmp_path / "farm", "synrs3d")
    assert min(check_tile(entry, dataset) for entry in adapter.scan(dataset)) > 0


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_checked(name: str, tmp_path: Path) -> None:
    sample = written(WRITERS[name], tmp_path)
    with indexed(sample.root) as (dataset, adapter, _):
        for entry in adapter.scan(dataset):
            check_tile(entry, dataset)
    assert checked(sample.root)


def test_a_packed_dataset_is_checked_as_the_unpacked_one(tmp_path: Path) -> None:
    sample = written(WRITERS["geonrw"], tmp_path)
    packed = pack(sample, tmp_path / "packed", "zip")
    assert checked(packed) == checked(sample.root)


def written(write: Writer, folder: Path) -> Sample:
    root = folder / "data"
    root.mkdir()
    return write(root)


DATASETS = {
    "synrs3d": None,
    "rs3dbench": None,
    "satlas": None,
    "sen12ms": None,
    "skyscript": None,
    "change_png/dsifn": "folders",
    "heights_only": "folders",
    "structural_noise/geonrw": None,
    "structural_noise/levircd/levircd": "folders",
    "structural_noise/satlas": None,
    "structural_noise/sen12ms": None,
    "structural_noise/skyscript": None,
}
"""Below ../shared/data/real: SAR, 13 bands, several dates, vector labels, captions, and noise in the layout of others."""


@pytest.mark.real
@pytest.mark.parametrize(("name", "format_name"), DATASETS.items(), ids=DATASETS)
def test_a_real_dataset_is_checked(name: str, format_name: str | None, shared_data: Path) -> None:
    root = shared_data / "real" / name
    with indexed(root, format_name) as (dataset, adapter, _):
        for entry in adapter.scan(dataset):
            check_tile(entry, dataset)
    checked(root, format_name)
