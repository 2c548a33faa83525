from pathlib import Path

import numpy as np
import pytest

from rsviewer.batch import indexed
from rsviewer.batch.indexed import Indexed
from rsviewer.data.detect import open_dataset
from rsviewer.data.index import TileIndex


def test_tiles_come_in_the_order_of_their_places_however_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opt").mkdir()
    for number in range(9):
        (tmp_path / "opt" / f"{number}.tif").write_bytes(b"")
    (tmp_path / "gt_nDSM").mkdir()
    dataset, adapter = open_dataset(tmp_path)
    index = TileIndex.open(None, dataset, adapter)
    index.build()
    monkeypatch.setattr(indexed, "AT_ONCE", 2)

    tiles = Indexed(index, np.array([7, 1, 5, 3, 8]))

    assert [entry.id for entry in tiles] == ["7", "1", "5", "3", "8"]
    assert (len(tiles), next(iter(tiles)) in tiles) == (5, True)
    index.close()
