"""The index of tables: facts, texts and images over time come back and can be filtered, millions of rows without entries."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsviewer.core.errors import FilterError
from rsviewer.core.filters import ColumnType
from rsviewer.core.splits import SplitList
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data import index as index_module
from rsviewer.data.adapter import SPLITS_BETWEEN, Dataset, Fact, Shot, TabularAdapter, TileColumns, TileEntry
from rsviewer.data.address import Window, of_bands, of_part, of_text
from rsviewer.data.index import FIRST_PAGE, TileIndex
from rsviewer.data.indexrows import Rows
from rsviewer.data.tree import Disk

IMAGE, CAPTION = LayerId("image"), LayerId("caption")
LAYERS = (LayerSpec(IMAGE, LayerKind.OPTICAL, "Image"), LayerSpec(CAPTION, LayerKind.TEXT, "Caption"))
FACTS = (
    Fact("similarity", ColumnType.NUMBER, "similarity of image and caption"),
    Fact("source", ColumnType.TEXT, "survey"),
)


@dataclass
class Entries:
    """Hands out the entries it is given."""

    entries: list[TileEntry]
    name: str = "fake"
    title: str = "Fake"
    expects: str = "nothing"

    def recognises(self, root: Path) -> str:
        return "it is a test"

    def describe(self, root: Path) -> Dataset:
        raise NotImplementedError

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        yield from self.entries

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        raise NotImplementedError


@dataclass
class Table(Entries):
    """Hands out the columns it is given; as entries they are not to be had."""

    entries: list[TileEntry] = field(default_factory=list)
    parts: list[TileColumns] = field(default_factory=list)

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        raise AssertionError("millions of entries take minutes")

    def scan_columns(self, dataset: Dataset) -> Iterator[TileColumns]:
        yield from self.parts


Open = Callable[..., TileIndex]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    return folder


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return Dataset("fake", root.name, root, LAYERS, folders=(root,), facts=FACTS)


@pytest.fixture
def opened(dataset: Dataset) -> Iterator[Open]:
    """Builds indexes of entries or tables, in memory or at a path, and closes them in the end."""
    indexes: list[TileIndex] = []

    def open_index(adapter: Entries, path: Path | None = None, of: Dataset = dataset) -> TileIndex:
        index = TileIndex.open(path, of, adapter)
        indexes.append(index)
        index.build()
        return index

    yield open_index
    for index in indexes:
        index.close()


def column(*texts: str) -> Any:
    return np.array(texts, object)


def captioned(root: Path) -> TileColumns:
    """Five rows; the second has no caption, the third's lies in a file, the fourth has no file, the fifth is bare."""
    return TileColumns(
        column("US/a", "CH/b", "US/c", "d", "S2/e"),
        {
            IMAGE: column(f"{root}/images2/a.jpg", f"{root}/b.jpg", "/else/where/c.jpg", "", f"{root}/e.jpg"),
            CAPTION: column(of_text("a Bridge over a river"), "", f"{root}/c.txt", "", of_text("")),
        },
        groups=column("US", "CH", "US", "", "S2"),
        splits=column(f"train{SPLITS_BETWEEN}top30", "val", "train", "train", ""),
        missing=column("", "caption", "", f"image{SPLITS_BETWEEN}caption", ""),
        facts={"similarity": np.array([0.31, np.nan, 0.2, 0.25, -1.0]), "source": column("US", "CH", "", "x", "S2")},
    )


# What goes in comes out


def test_a_table_comes_back_as_its_entries(root: Path, opened: Open) -> None:
    columns = captioned(root)
    adapter = Table(parts=[columns.at(slice(2)), columns.at(slice(2, 2)), columns.at(slice(2, None))])
    assert isinstance(adapter, TabularAdapter)
    index = opened(adapter)
    assert index.entries(range(5)) == [known(entry) for entry in columns.entries()]


def known(entry: TileEntry) -> TileEntry:
    """The entry without the facts that it does not know: absent and None are the same."""
    return replace(entry, facts={name: value for name, value in entry.facts.items() if value is not None})


def test_a_table_may_lack_columns(root: Path, opened: Open) -> None:
    index = opened(Table(parts=[TileColumns(column("a", "b"), {IMAGE: column(f"{root}/a.jpg", "")})]))
    assert index.entries(range(2)) == [TileEntry(TileId("a"), {IMAGE: f"{root}/a.jpg"}), TileEntry(TileId("b"), {})]
    assert index.select("similarity is null and caption is null").tolist() == [0, 1]


def test_addresses_that_are_no_paths_come_back_as_they_were(root: Path, opened: Open) -> None:
    bands = [f"{root}/B2.tif", "", "/else\x1e/B4\x1d.tif", f"{root}/t\udcfcr.tif"]
    window = Window(2, 14, 1, 1, 16)
    entries = [
        TileEntry(TileId(str(number)), {IMAGE: address, CAPTION: of_text(f"{number}\x1a\x1f\x00\n\udcff 'x'")})
        for number, address in enumerate(
            [
                of_bands(bands),
                of_part(f"{root}/a.png", window),
                of_part(of_bands(bands), window),
                f"{root}/text:/is a folder.tif",
                f"{root}/bands:x.tif",
                f"{root}/part:none.tif",
                f"{root}//twice.tif",
                f"{root}/plain.tif",
            ]
        )
    ]
    assert opened(Entries(entries)).entries(range(len(entries))) == entries


def test_paths_within_addresses_are_kept_relative_to_the_root(root: Path, opened: Open) -> None:
    entries = [
        TileEntry(TileId("a"), {IMAGE: of_part(of_bands([f"{root}/B2.tif", f"{root}/B3.tif"]), Window(0, 0, 1, 1, 2))})
    ]
    ((stored,),) = opened(Entries(entries))._connection.execute("SELECT p0 FROM tiles").fetchall()
    assert str(root) not in stored


def test_facts_and_images_over_time_come_back(root: Path, opened: Open) -> None:
    shots = (
        Shot("S2A_\udcfc", "2016-08-08T18:14:52+00:00", "sentinel2", good=True),
        Shot("2022-01", "2022-01", "sentinel1"),
        Shot('"odd"', "", "sentinel2", good=False),
    )
    entries = [
        TileEntry(TileId("a"), {}, facts={"similarity": 0.5, "source": "U\x1fS\udcff"}, shots=shots, shot=2),
        TileEntry(TileId("b"), {}, facts={"similarity": 7, "source": None}),
        TileEntry(TileId("c"), {}, facts={"similarity": float("nan"), "elsewhere": 1}),
    ]
    found = opened(Entries(entries)).entries(range(3))
    assert found[0] == entries[0]
    assert [entry.facts for entry in found[1:]] == [{"similarity": 7.0}, {}]
    assert found[1].shots == ()


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[0]",
        "[1,[1,2,3,4]]",
        '[5,["a","b","c",null]]',
        '[true,["a","b","c",null]]',
        '[0,["a","b","c","yes"]]',
        "7",
        "[" * 99999,
    ],
)
def test_images_over_time_that_a_stranger_wrote_are_none(text: str, root: Path, opened: Open) -> None:
    index = opened(Entries([TileEntry(TileId("a"), {})]))
    index._connection.execute("UPDATE tiles SET shots = ?", [text])
    assert index.entry(0) == TileEntry(TileId("a"), {})


ODD = st.text(st.characters(codec=None), max_size=8)


@pytest.fixture
def both(opened: Open) -> list[tuple[Table | Entries, TileIndex]]:
    """An index of a table and one of entries, to be filled and built again."""
    return [(adapter, opened(adapter)) for adapter in (Table(), Entries([]))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    rows=st.lists(st.tuples(ODD, ODD, ODD, st.lists(ODD.filter(lambda text: text and "\x1f" not in text), max_size=2)))
)
def test_whatever_a_table_holds_comes_back(
    rows: list[tuple[str, str, str, list[str]]], root: Path, both: list[tuple[Table | Entries, TileIndex]]
) -> None:
    columns = TileColumns(
        column(*(f"{place}{tile}" for place, (tile, *_) in enumerate(rows))),
        {
            CAPTION: column(*(of_text(text) for _, text, *_ in rows)),
            IMAGE: column(*(f"{root}/{name}.tif" for _, _, name, _ in rows)),
        },
        splits=column(*(SPLITS_BETWEEN.join(splits) for *_, splits in rows)),
        facts={"source": column(*(text for _, text, *_ in rows))},
    )
    entries = [known(entry) for entry in columns.entries()]
    for adapter, index in both:
        if isinstance(adapter, Table):
            adapter.parts = [columns]
        else:
            adapter.entries = entries
        index.build()
        assert index.entries(range(len(rows))) == entries


# Filtering


@pytest.mark.parametrize(
    ("condition", "places"),
    [
        ("caption contains 'bridge'", [0]),
        ("caption contains 'BRIDGE Over'", [0]),
        ("caption contains 'lower' or lower(caption) contains 'BRIDGE'", [0]),
        ("caption ilike '%RIVER'", [0]),
        ("not caption contains 'bridge'", [4]),
        ("caption is null", [1, 2, 3, 4]),
        ("similarity > 0.2", [0, 3]),
        ("similarity is null", [1]),
        ("not similarity > 0.2", [2, 4]),
        ("source in ('US', 'S2')", [0, 4]),
        ("source is null", [2]),
        ("split = 'train'", [0, 2, 3]),
        ("split != 'train'", [1, 4]),
        ("length(split) = 2 and split like 'top%'", [0]),
        ("unlisted", [4]),
        ("missing = 'caption'", [1, 3]),
        ("group = 'US' and name = 'c'", [2]),
    ],
)
def test_facts_and_texts_can_be_filtered(condition: str, places: list[int], root: Path, opened: Open) -> None:
    assert opened(Table(parts=[captioned(root)])).select(condition).tolist() == places


def test_facts_and_texts_can_be_sorted(root: Path, opened: Open) -> None:
    index = opened(Table(parts=[captioned(root)]))
    assert index.select(sort="similarity desc").tolist() == [0, 3, 2, 4, 1]
    assert index.select("caption is not null or similarity > 0", "source").tolist() == [0, 3, 2]
    assert index.select(sort="tile").tolist() == [1, 4, 0, 2, 3], "rows of a table are in no order of names"
    assert (index.splits(), index.groups()[0]) == ({"top30": 1, "train": 3, "val": 1}, ("US", 2, 0))
    assert index.facets("similarity > 0.2").splits == {"top30": 1, "train": 2}


def test_a_fact_with_the_name_of_another_column_loses(root: Path, dataset: Dataset, opened: Open) -> None:
    names = ("Split", "image_max", "caption", "width", "ok")
    odd = replace(dataset, facts=tuple(Fact(name, ColumnType.NUMBER, name) for name in names))
    index = opened(Entries([TileEntry(TileId("a"), {}, facts=dict.fromkeys(names, 1.0))]), of=odd)
    assert [column.name for column in index.columns() if column.help in names] == ["ok"]
    assert index.select("ok = 1 and not split = 'x' and image_max is null").tolist() == [0]
    assert index.entry(0).facts == dict.fromkeys(names, 1.0), "it is still told"


def test_only_what_is_measured_asks_for_a_layer(root: Path, opened: Open) -> None:
    index = opened(Table(parts=[captioned(root)]))
    assert index.layers_of(["similarity", "caption", "split", "image_max", "width", "nothing"]) == {IMAGE}
    assert index.layers_of(["caption_state"]) == {CAPTION}


def test_a_strangers_text_is_only_text(root: Path, opened: Open) -> None:
    index = opened(Table(parts=[captioned(root)]))
    assert index.select('caption contains "\') or 1=1 --"').size == 0
    with pytest.raises(FilterError):
        index.select("c1 = 'x'")
    with pytest.raises(FilterError):
        index.select("f0 = 1")


# Building


def test_the_first_tiles_of_a_table_are_there_at_once(root: Path, dataset: Dataset) -> None:
    many = TileColumns(column(*map(str, range(300))), {IMAGE: column(*(f"{root}/{k}.jpg" for k in range(300)))})
    seen: list[int] = []
    index = TileIndex.open(None, dataset, Table(parts=[many, many.at(slice(7))]))

    def first(entries: list[TileEntry]) -> None:
        seen.extend((len(entries), len(index)))
        assert index.entry(3).id == "3"
        assert index.ordinal_of(TileId("5")) == 5

    done: list[int] = []
    index.build(lambda now, _: done.append(now), first=first)
    assert (seen, done, len(index)) == ([FIRST_PAGE, FIRST_PAGE], [300, 307, 307], 307)
    index.close()


def test_a_stopped_table_changes_nothing(root: Path, opened: Open) -> None:
    index = opened(Table(parts=[captioned(root)] * 3))
    turns = iter([False, False, True])
    assert not index.build(stop=lambda: next(turns))
    assert len(index) == 15


def test_many_rows_are_committed_now_and_then(
    root: Path, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_ROWS_PER_COMMIT", 8)
    index = opened(Table(parts=[captioned(root)] * 6), tmp_path / "index.duckdb")
    assert index.select("caption contains 'bridge'").tolist() == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize(
    "change",
    [
        {"facts": FACTS[:1]},
        {"facts": (replace(FACTS[0], type=ColumnType.TEXT), FACTS[1])},
        {"layers": (LAYERS[0], replace(LAYERS[1], kind=LayerKind.LABELS))},
    ],
)
def test_an_index_with_other_columns_is_built_again(
    change: Mapping[str, Any], root: Path, dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "index.duckdb"
    for of, tiles in ((dataset, 0), (dataset, 5), (replace(dataset, **change), 0)):
        index = TileIndex.open(path, of, Table(parts=[captioned(root)]))
        assert len(index) == tiles
        if of is dataset:
            index.build()
        index.close()


def test_times_come_from_the_tree_of_the_dataset(root: Path, dataset: Dataset) -> None:
    class Packed(Disk):
        """A tree whose folders are in an archive."""

        time = 1

        def stamp(self, path: str) -> tuple[int, int]:
            if path.endswith("gone"):
                raise FileNotFoundError(path)
            return self.time, 0

    tree = Packed()
    of = replace(dataset, folders=(Path("/in/an/archive"), Path("/gone")), tree=tree)
    index = TileIndex.open(None, of, Table(parts=[captioned(root)]))
    assert not index.is_fresh()
    index.build()
    assert index.is_fresh()
    tree.time = 2
    assert not index.is_fresh()
    index.close()


def test_group_numbers_tell_groups_apart_wherever_their_tiles_are(root: Path, opened: Open) -> None:
    def numbers(*groups: str) -> list[int]:
        names = column(*map(str, range(len(groups))))
        return opened(Table(parts=[TileColumns(names, {}, column(*groups))])).group_numbers().tolist()

    assert numbers("x", "x", "y", "z", "z") == [0, 0, 1, 2, 2]
    assert numbers("x", "y", "x", "z", "y") == [0, 1, 0, 2, 1]
    assert numbers("x", "x") == []
    assert numbers() == []


# Memory


def test_what_does_not_fit_into_memory_lies_beside_the_index_and_nowhere_else(
    root: Path, opened: Open, tmp_path: Path
) -> None:
    left = tmp_path / "index.duckdb.0123.spill"
    left.mkdir()
    (left / "of a crash").write_text("x")
    victim = tmp_path / "precious"
    victim.mkdir()
    (victim / "file").write_text("x")
    (tmp_path / "index.duckdb.4567.spill").symlink_to(victim)

    connection = opened(Table(parts=[captioned(root)]), tmp_path / "index.duckdb")._connection

    ((spill, limit),) = connection.execute(
        "SELECT current_setting('temp_directory'), current_setting('memory_limit')"
    ).fetchall()
    assert os.path.dirname(spill) == str(tmp_path)  # noqa: PTH120
    assert limit.endswith("MiB")
    assert not left.exists()
    assert (victim / "file").read_text() == "x"
    with pytest.raises(duckdb.Error):
        connection.execute("SET temp_directory = '/'")


def test_rows_of_a_batch_are_never_changed_in_place(root: Path, dataset: Dataset) -> None:
    columns = captioned(root)
    before = columns.files[IMAGE].tolist()
    Rows(dataset).of_columns(columns, 0)
    assert columns.files[IMAGE].tolist() == before
