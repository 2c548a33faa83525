"""What the numbers of files mean is not lost."""

from pathlib import Path

import numpy as np
import pytest

from rsviewer.core.errors import LayerError
from rsviewer.core.quantising import Levels
from rsviewer.core.tile import TileId
from rsviewer.data.geotiff import geotiff
from rsviewer.data.heighttable import (
    LEFT_OUT,
    TABLE,
    facts_in,
    facts_of,
    files_in_table,
    levels_in,
    tags_of,
    write_heights_table,
    write_left_out,
)

LEVELS = Levels(-0.1, 8848.86, 16, reserved=True, inverted=True)
HEIGHTS = np.array([[0.0, 8848.86]])
FACTS = facts_of(LEVELS, tile="Genève/a, 1", layer="dem", unit="m", rule="group", clipped=3)


def test_a_file_tells_again_what_its_numbers_mean(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(geotiff(LEVELS.numbers(HEIGHTS)[None], tags=tags_of(FACTS)))

    assert facts_in(path) == FACTS
    assert levels_in(facts_in(path)) == LEVELS


def test_a_file_that_tells_nothing_or_is_broken_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(geotiff(LEVELS.numbers(HEIGHTS)[None]))
    with pytest.raises(LayerError, match=r"a\.tif was changed since it was written"):
        facts_in(path)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(LayerError, match=r"a\.tif: "):
        facts_in(path)


def test_a_table_keeps_the_rows_of_other_files_that_are_there(tmp_path: Path) -> None:
    write_heights_table(tmp_path, {"a.tif": FACTS, "gone.tif": FACTS, "b.tif": FACTS}, ())

    write_heights_table(tmp_path, {"c.tif": FACTS, "b.tif": {**FACTS, "clipped": "0"}}, {"a.tif", "b.tif"})

    assert files_in_table(tmp_path) == ["a.tif", "b.tif", "c.tif"]
    lines = (tmp_path / TABLE).read_text().splitlines()
    assert lines[0] == "file,tile,layer,unit,bits,range,low,high,inverted,nodata,scale,offset,clipped"
    assert lines[1].startswith('a.tif,"Genève/a, 1",dem,m,16,group,-0.1,8848.86,yes,0,-0.135')
    assert lines[2].endswith(",0")


@pytest.mark.parametrize("content", [b"", b"file,mine\na.tif,1\n", b"\xff\xfe\0", b'file,"\n'])
def test_a_table_of_somebody_else_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TABLE).write_bytes(content)

    assert files_in_table(tmp_path) == []


def test_what_was_left_out_is_listed_while_there_is_any(tmp_path: Path) -> None:
    write_left_out(tmp_path, [TileId("a/1"), TileId("line\nbreak")])
    assert (tmp_path / LEFT_OUT).read_text() == "a/1\nline break\n"

    write_left_out(tmp_path, [])
    assert not (tmp_path / LEFT_OUT).exists()
