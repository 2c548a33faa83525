from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsviewer.batch.converting.running import Conversion
from rsviewer.core.errors import SaveError
from rsviewer.core.review import Verdict
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.conversions import RECORD
from rsviewer.workspace.conversions import KINDS, FieldKind, Kind, that_count
from rsviewer.workspace.converting import Wish
from rsviewer.workspace.workspace import Workspace
from tests.workspace.here import opened_here

CLOUD = next(kind for kind in KINDS if kind.id == "cloud")


@pytest.fixture
def workspace(tiny_dataset: Path) -> Iterator[Workspace]:
    """Two groups of three tiles; a/1 is dropped, and the heights of b/2 are cut short."""
    with opened_here(tiny_dataset) as opened:
        opened.show_tile(TileId("a/1"))
        opened.set_verdict(Verdict.DROP)
        yield opened


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def wish_of(workspace: Workspace, out: Path, kind: Kind = CLOUD, **change: Any) -> Wish:
    """All tiles of the queue, with every field as it is at first."""
    fields = workspace.converting.fields(kind)
    values = {field.name: field.default for field in fields}
    values = {name: values[name] for name in that_count(fields, values)}
    options = {"places": workspace.queue.ordinals, "entry": workspace.entry, **change}
    return Wish(kind, values | options.pop("values", {}), out=out, **options)


def files(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != RECORD)


def test_the_queue_is_converted_as_was_foreseen(workspace: Workspace, out: Path) -> None:
    ahead = workspace.converting.looking_ahead(wish_of(workspace, out))()
    found: list[Conversion] = []

    workspace.converting.start(wish_of(workspace, out), found.append)

    assert (ahead.tiles, ahead.there, found[0].written) == (6, 0, 5)
    assert [failure.tile for failure in found[0].failed] == ["b/2"]
    assert files(out) == ["a/1.ply", "a/2.ply", "a/3.ply", "b/1.ply", "b/3.ply"]
    assert workspace.converting.looking_ahead(wish_of(workspace, out))().there == 5


def test_only_the_tiles_that_the_filter_keeps_are_converted(workspace: Workspace, out: Path) -> None:
    workspace.finding.choose("group = 'b'", "")

    workspace.converting.start(wish_of(workspace, out))

    assert files(out) == ["b/1.ply", "b/3.ply"]


def test_the_current_tile_alone_can_be_converted(workspace: Workspace, out: Path) -> None:
    workspace.show_tile(TileId("b/3"))

    workspace.converting.start(wish_of(workspace, out, places=None))

    assert files(out) == ["b/3.ply"]


def test_dropped_tiles_are_left_out_and_named_where_that_is_wanted(workspace: Workspace, out: Path) -> None:
    wish = wish_of(workspace, out, with_dropped=False)
    found: list[Conversion] = []

    ahead = workspace.converting.looking_ahead(wish)()
    workspace.converting.start(wish, found.append)

    assert (ahead.tiles, ahead.left_out) == (5, (TileId("a/1"),))
    assert (found[0].written, found[0].left_out) == (4, (TileId("a/1"),))
    assert "a/1.ply" not in files(out)


def test_stopped_it_keeps_what_is_whole_and_goes_on_when_started_again(workspace: Workspace, out: Path) -> None:
    said: list[str] = []

    job = workspace.jobs.start("nothing", lambda job: job.stop.set())
    stopped = wish_of(workspace, out)
    with pytest.raises(Exception, match="Stopped"):
        workspace.converting._run(stopped, workspace.converting._order(stopped), job)
    before = len(files(out))
    workspace.converting.start(stopped, failed=said.append)

    assert 0 < before < 5
    assert (len(files(out)), said) == (5, [])


def test_colours_are_those_of_the_pane_at_the_time_of_asking(workspace: Workspace, out: Path) -> None:
    colors = next(kind for kind in KINDS if kind.id == "colorize")
    asked = workspace.converting.looking_ahead(wish_of(workspace, out, colors))
    style = workspace.looks.style(LayerId("ndsm"))
    workspace.looks.set_style(LayerId("ndsm"), replace(style, azimuth=90.0))

    workspace.converting.start(wish_of(workspace, out, colors))

    assert workspace.converting.looking_ahead(wish_of(workspace, out, colors))().there == 5
    with pytest.raises(SaveError, match="another sun"):
        asked()


def test_what_cannot_be_is_said_by_the_job(workspace: Workspace, out: Path) -> None:
    out.write_bytes(b"")
    said: list[str] = []

    workspace.converting.start(wish_of(workspace, out), failed=said.append)

    assert said == [f"{out} is a file. Choose a folder."]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_every_conversion_is_described_so_that_it_works_as_it_is_offered(
    workspace: Workspace, out: Path, kind: Kind
) -> None:
    if workspace.converting.why_not(kind):
        pytest.skip("nothing in this dataset for it")
    fields = workspace.converting.fields(kind)
    names = [field.name for field in fields]

    assert len(names) == len(set(names))
    for field in fields:
        assert field.title
        if field.kind is FieldKind.CHOICE:
            assert field.default in [value for value, _ in field.choices]
        if field.kind is FieldKind.NUMBER:
            assert field.low <= field.default <= field.high
        if field.when is not None:
            assert field.when[0] in names
    found: list[Conversion] = []
    said: list[str] = []
    workspace.converting.start(wish_of(workspace, out, kind, places=np.array([1])), found.append, said.append)
    assert said == []
    assert (found[0].written, found[0].failed) == (1, ())
