"""Through 387 real odd and broken files with the whole program: each shown or named unreadable, and the next one comes."""

import csv
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rsviewer.core.axes import axes_of
from rsviewer.core.camera import Camera
from rsviewer.core.drawing import Drawing
from rsviewer.core.picking import pick
from rsviewer.core.relief import Form
from rsviewer.core.review import Verdict
from rsviewer.core.scene import PaneState
from rsviewer.core.softdraw import draw
from rsviewer.core.tile import LayerId
from rsviewer.workspace.review import Saved
from tests.journeys.visit import IMAGE, NDSM, check_sentence, visiting

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("qapp", "quiet_log")]

LABELS = LayerId("landcover")
FOLDERS = ("opt", "gt_nDSM", "gt_ss_mask")
SUFFIXES = ("tif", "tiff", "png", "jpg", "jpeg", "jp2", "bmp", "webp", "img", "asc")
SIDECARS = ("{0}.aux.xml", "{0}.ovr", "{0}.msk", "{1}.tfw", "{1}.wld")
CACHE = 500_000_000
GROWTH = CACHE + 900_000_000
"""Bytes: the cache, GDAL's of 256 MiB, and what the largest file needs while it is decoded and painted."""


@pytest.fixture
def expected(shared_data: Path) -> dict[str, str]:
    """File -> what its manifest expects of us."""
    with (shared_data / "robust" / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["expectation"] for row in csv.DictReader(file)}


@pytest.fixture
def farm(shared_data: Path, tmp_path: Path, expected: dict[str, str]) -> dict[str, str]:
    """Tile -> file, for a dataset of links in SynRS3D's layout: each file is image, heights and labels of its own tile."""
    root = tmp_path / "farm"
    tiles = {}
    for number, file in enumerate(expected):
        source = shared_data / "robust" / file
        stem, _, suffix = source.name.rpartition(".")
        tile = f"{number:03}_{stem}" if suffix.lower() in SUFFIXES else f"{number:03}_{source.name}"
        name = f"{tile}.{suffix}" if suffix.lower() in SUFFIXES else f"{tile}.tif"
        tiles[tile] = file
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / name).symlink_to(source)
            for sidecar in SIDECARS:
                beside = source.with_name(sidecar.format(source.name, source.stem))
                if beside.exists():
                    (root / folder / sidecar.format(name, tile)).symlink_to(beside)
    return tiles


def test_every_odd_file_is_shown_and_every_broken_one_is_named(
    farm: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    wrong = []
    with visiting(tmp_path / "farm", CACHE) as visit:
        assert visit.tiles == list(farm)
        process = psutil.Process()
        before = process.memory_info().rss
        most = 0
        for tile, file in farm.items():
            panes = visit.show(tile)
            states = {panes[layer].state for layer in (IMAGE, NDSM, LABELS)}
            if states - {PaneState.SHOWN, PaneState.UNREADABLE}:
                wrong.append(f"{file}: {states}")
            elif expected[file] == "opens" and states != {PaneState.SHOWN}:
                wrong.append(f"{file}: not shown, but {panes[IMAGE].message}")
            elif expected[file].startswith("clear error") and states != {PaneState.UNREADABLE}:
                wrong.append(f"{file}: shown")
            frame = visit.workspace.frame
            if frame is not None:
                assert all(visit.read(frame.width // 2, frame.height // 2).values())
            most = max(most, process.memory_info().rss)
        assert not wrong
        assert most - before < GROWTH
        assert visit.workspace.set_verdict(Verdict.DROP)
        assert visit.workspace.status().saved is Saved.SAVED


def test_every_odd_file_stands_in_space_or_says_why_not(
    farm: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    """As heights coloured by themselves as an image: drawn, picked and cut through by a line."""
    empty = []
    with visiting(tmp_path / "farm", CACHE) as visit:
        workspace = visit.workspace
        workspace.reliefs.set_open(on=True)
        for tile, file in farm.items():
            visit.show(tile)
            relief = workspace.reliefs.relief
            assert relief is not None
            assert relief.tile == tile
            for words in (*relief.remarks, *((relief.why,) if relief.why else ())):
                check_sentence(words)
            assert bool(relief.why) is not bool(relief.clouds)
            if not relief.clouds:
                empty.append(file)
                continue
            box = relief.bounds(1.0)
            camera = Camera().fitted(box, 4 / 3)
            for form in Form:
                style = replace(workspace.reliefs.style, form=form)
                drawing = Drawing(
                    relief, style, camera, 64, 48, budget=20_000, lines=axes_of(relief, style, camera).lines
                )
                assert draw(drawing).shape == (48, 64)
                hit = pick(drawing, 32.0, 24.0)
                assert hit is None or relief.low <= hit.height <= relief.high
            frame = workspace.frame
            assert frame is not None
            workspace.profiling.set_line(((0.0, 0.0), (float(frame.width), float(frame.height))))
            (cut,) = workspace.profiling.profiles()
            assert cut.distance.size == cut.height.size > 0
    opening = [file for file in empty if expected[file] == "opens"]
    assert len(opening) < len(farm) / 4, f"most files that open hold heights: {opening}"
