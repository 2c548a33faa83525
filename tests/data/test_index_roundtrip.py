"""What the index gives back is what the scan gave, whatever names and texts look like."""

from pathlib import Path

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from rsviewer.core.filters import ColumnType
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, Fact, Shot, TileEntry
from rsviewer.data.address import Window, of_bands, of_part, of_text
from rsviewer.data.indexrows import Rows

IMAGE, CAPTION, VECTOR = map(LayerId, ("image", "caption", "vector"))
DATASET = Dataset(
    "x",
    "x",
    Path("/data/set"),
    (
        LayerSpec(IMAGE, LayerKind.OPTICAL, "image"),
        LayerSpec(CAPTION, LayerKind.TEXT, "caption"),
        LayerSpec(VECTOR, LayerKind.VECTOR, "vector"),
    ),
    facts=(Fact("number", ColumnType.NUMBER, "number"), Fact("word", ColumnType.TEXT, "word")),
)

LOOKALIKES = ("bands:", "part:", "text:", "part:1,1,1,1/2:", "/data/set", "/data/set/", "/vsis3/", "\x1a0041", "\udcff")
NAMES = st.lists(
    st.sampled_from([*"ab./01\x1e\x1d\x1f\x1a\0\n:'\"é\\", *LOOKALIKES]), min_size=1, max_size=8
).map("".join)  # fmt: skip
PATHS = st.sampled_from(["/data/set/", "/", "/vsis3/"]).flatmap(lambda start: NAMES.map(lambda name: start + name))
BANDS = st.lists(PATHS | st.just(""), min_size=1, max_size=3).map(of_bands)
PARTS = st.builds(of_part, PATHS | BANDS, st.builds(Window, *[st.integers(0, 3)] * 4, st.integers(1, 16)))
ADDRESSES = PATHS | BANDS | PARTS
SHOTS = st.lists(st.builds(Shot, NAMES, NAMES, NAMES, st.none() | st.booleans()), max_size=3).map(tuple)
LISTS = st.lists(NAMES, max_size=2).map(tuple)
ENTRIES = st.builds(
    TileEntry,
    NAMES.map(TileId),
    st.fixed_dictionaries(
        {}, optional={IMAGE: ADDRESSES, CAPTION: PATHS | st.text(max_size=9).map(of_text), VECTOR: ADDRESSES}
    ),
    NAMES | st.just(""),
    LISTS,
    st.just(()) | st.just((IMAGE, VECTOR)),
    st.lists(PATHS, max_size=2).map(tuple),
    st.fixed_dictionaries({}, optional={"number": st.floats(allow_nan=False), "word": NAMES}),
    SHOTS,
)


@given(st.lists(ENTRIES, min_size=1, max_size=3))
@settings(max_examples=80, deadline=None)
def test_an_entry_comes_out_of_the_index_as_it_went_in(entries: list[TileEntry]) -> None:
    rows = Rows(DATASET)
    with duckdb.connect() as connection:
        rows.create(connection, "tiles")
        rows.insert(connection, "tiles", rows.of_entries(entries, 0))
        found = connection.execute(f"SELECT {rows.columns} FROM tiles ORDER BY ordinal").fetchall()
    assert [rows.entry(row) for row in found] == entries
