from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.tile import TileId
from rsviewer.data.filenames import path_of


def test_groups_become_folders_and_dots_stay(tmp_path: Path) -> None:
    assert path_of(tmp_path, TileId("town/0001-1"), "ply") == tmp_path / "town" / "0001-1.ply"
    assert path_of(tmp_path, TileId("S1.5/tile.7"), "laz") == tmp_path / "S1.5" / "tile.7.laz"


@given(names=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), unique=True, max_size=8))
def test_every_tile_has_a_name_of_its_own_inside_the_folder(names: list[str]) -> None:
    out = Path("/out")
    paths = [path_of(out, TileId(name), "ply") for name in names]

    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.is_relative_to(out)
        assert ".." not in path.parts
        assert path == path_of(out, TileId(names[paths.index(path)]), "ply")
