"""Parallel folders: which files are which tile's, in little memory, and the first of a million at once."""

import os
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import StoppedError
from rsviewer.core.splits import parse_list
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data import catalogue
from rsviewer.data.adapter import Dataset, PreviewingAdapter, TileEntry
from rsviewer.data.catalogue import RASTER_SUFFIXES, Catalogue, Group, Source, list_files, natural
from rsviewer.data.datasets.catalogued import CataloguedAdapter
from rsviewer.data.datasets.synrs3d import SynRS3DAdapter
from rsviewer.data.tree import DISK, Disk, Name, Stoppable

LAYERS = tuple(map(LayerId, ("image", "dem", "labels")))


class Shelf(Disk):
    """Folders that are lists of names."""

    def __init__(self, folders: dict[str, list[str]]) -> None:
        self.folders = folders
        self.listed: list[str] = []
        self.asked: list[str] = []

    def names(self, folder: str) -> list[str]:
        self.listed.append(folder)
        if folder not in self.folders:
            raise FileNotFoundError(2, "No such folder", folder)
        return list(self.folders[folder])

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        yield map(Path, self.folders.get(folder, ()))

    def is_file(self, path: str) -> bool:
        self.asked.append(path)
        folder, _, name = path.rpartition(os.sep)
        return name in self.folders.get(folder, ())


def after_last_bar(stem: str) -> str | None:
    """The tile of "dem_7" is "7", of "x" there is none, and of "up_a" it is "A", which its name does not hold."""
    head, bar, tile = stem.rpartition("_")
    return (tile.upper() if head == "up" else tile) if bar else None


def sources(cut: Callable[[str], str | None] | None = None) -> tuple[Source, ...]:
    return tuple(Source(layer, f"/d/{layer}", RASTER_SUFFIXES, cut) for layer in LAYERS)


def expected_of(folders: dict[str, list[str]], several: Iterable[Source]) -> dict[str, tuple[dict[str, str], set[str]]]:
    """What the files of each tile are, found the slow way: (layer -> path, further files)."""
    found: dict[str, tuple[dict[str, str], set[str]]] = {}
    for source in several:
        claims: dict[str, list[tuple[tuple[int, int, str], str]]] = {}
        for name in folders[source.folder]:
            stem, _, suffix = name.rpartition(".")
            tile = stem if source.tile is None else source.tile(stem)
            if suffix.lower() in RASTER_SUFFIXES and stem and stem[0] != "." and tile is not None:
                path = f"{source.folder}/{name}"
                claims.setdefault(tile, []).append(((RASTER_SUFFIXES[suffix.lower()], len(path), path), path))
        for tile, ranked in claims.items():
            (_, best), *worse = sorted(ranked)
            files, duplicates = found.setdefault(tile, ({}, set()))
            files[source.layer] = best
            duplicates.update(path for _, path in worse)
    return found


stems = st.sampled_from(["1", "2", "10", "a_1", "dem_1", "up_a", "up_", "_", ".hidden", "x", "x.y", "1_1", "é"])
names = st.lists(st.builds("{}.{}".format, stems, st.sampled_from(["tif", "TIF", "png", "txt", ""])), unique=True)


@given(st.fixed_dictionaries({f"/d/{layer}": names for layer in LAYERS}), st.sampled_from([None, after_last_bar]))
def test_every_file_is_its_tiles_whatever_the_names(
    folders: dict[str, list[str]], cut: Callable[[str], str | None] | None
) -> None:
    listing = list_files(Shelf(folders), sources(cut))
    found = {}
    for tile in listing.tiles:
        files, missing = listing.files(tile)
        assert listing.paths(tile) == [files.get(layer) for layer in LAYERS]
        assert {*files, *missing} == {*LAYERS}
        found[tile] = (files, set(listing.duplicates.get(tile, ())))
    assert found == expected_of(folders, sources(cut))


def test_a_tile_that_is_not_there_has_no_files() -> None:
    listing = list_files(Shelf({"/d/image": ["1.tif"]}), sources())
    assert listing.files("2") == ({}, LAYERS)
    assert listing.paths("2") == [None, None, None]


def test_names_that_are_all_different_are_kept_as_they_are() -> None:
    files = [f"{'x' * (number % 600)}_{number:04d}.tif" for number in range(1200)]
    listing = list_files(Shelf({"/d/image": files, "/d/dem": files}), sources(lambda stem: stem.rpartition("_")[2]))
    assert len(listing.tiles) == 1200
    for name in files:
        assert listing.paths(name[-8:-4]) == [f"/d/image/{name}", f"/d/dem/{name}", None]


def test_a_tile_of_many_layers_takes_little_memory() -> None:
    many = 20_000
    folders = {f"/some/where/far/below/layer{layer}": f"tile_{layer}" for layer in range(6)}

    class Names(Disk):
        def names(self, folder: str) -> list[str]:
            return [f"tile_{number:08d}.tif" for number in range(many)]

    several = [Source(LayerId(layer), folder, RASTER_SUFFIXES) for folder, layer in folders.items()]
    tracemalloc.start()
    try:
        listing = list_files(Names(), several)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(listing.tiles) == many
    assert kept / many < 200, "bytes a tile"


def test_spellings_meet_unless_one_layer_has_both() -> None:
    folders = {
        "/d/image": ["Tile.tif", "one.tif", "ONE.tif"],
        "/d/dem": ["tile.tif", "One.tif"],
        "/d/labels": ["TILE.tif"],
    }
    listing = list_files(Shelf(folders), sources())
    assert sorted(listing.tiles) == ["ONE", "One", "Tile", "one"]
    assert listing.paths("Tile") == ["/d/image/Tile.tif", "/d/dem/tile.tif", "/d/labels/TILE.tif"]


# The first page


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of ten names passes for one of a million."""
    monkeypatch.setattr(catalogue, "_MANY", 10)


def page_of(tree: Shelf, several: tuple[Source, ...], most: int = 5) -> list[TileEntry]:
    return Catalogue(tree, [Group("town", several)]).first_page(tree, most)


@pytest.mark.usefixtures("huge")
@pytest.mark.parametrize("form", ["tile_{}", "{:07d}", "{}"])
def test_the_first_tiles_of_a_huge_folder_are_known_before_the_others_are_listed(form: str) -> None:
    stems = [form.format(number) for number in range(300)]
    tree = Shelf(
        {
            "/d/image": [f"{stem}.tif" for stem in reversed(stems)],
            "/d/dem": [f"{stem}.PNG" for stem in stems[1:]],
            "/d/labels": [],
        }
    )
    page = page_of(tree, sources())
    assert tree.listed == ["/d/image"]
    assert len(tree.asked) == 5
    assert page == list(Catalogue(tree, [Group("town", sources())]).entries())[:5]


@pytest.mark.usefixtures("huge")
def test_other_layers_may_have_names_of_their_own() -> None:
    tree = Shelf(
        {
            "/d/image": [f"rgb_{number:03d}.tif" for number in range(50)],
            "/d/dem": [f"up_{number:03d}.tif" for number in range(50)],
            "/d/labels": ["no tile.tif", "x_007.txt"],
        }
    )
    page = page_of(tree, sources(after_last_bar))
    assert page == list(Catalogue(tree, [Group("town", sources(after_last_bar))]).entries())[:5]


@pytest.mark.usefixtures("huge")
@pytest.mark.parametrize("folders", [{}, {"/d/image": ["1.tif"] * 9}, {"/d/image": [], "/d/dem": ["2.tif"]}])
def test_what_is_small_is_listed_at_once(folders: dict[str, list[str]]) -> None:
    tree = Shelf(folders)
    assert page_of(tree, sources()) == []
    assert tree.listed == []


def test_without_groups_there_is_no_first_page() -> None:
    assert Catalogue(DISK, ()).first_page(DISK, 5) == []


@given(st.lists(st.text("abc_0129", min_size=1, max_size=5), unique=True), st.integers(1, 10))
def test_as_many_are_chosen_as_there_are_and_in_natural_order(several: list[str], most: int) -> None:
    found = catalogue._first_in_order(several, most)
    assert len(found) == min(most, len(several))
    assert set(found) <= set(several)
    assert found == sorted(found, key=natural)


# Stopping


class Huge(CataloguedAdapter):
    """Three folders that are told to stop."""

    def describe(self, root: Path) -> Dataset:
        self._planned(root, Catalogue(self._tree, [Group("", sources())]))
        layers = tuple(LayerSpec(layer, LayerKind.OPTICAL, layer) for layer in LAYERS)
        return Dataset("huge", "huge", root, layers, tree=self._tree)


def test_listing_ends_before_the_next_folder() -> None:
    tree = Shelf({"/d/image": ["1.tif"], "/d/dem": ["1.tif"], "/d/labels": ["1.tif"]})
    stoppable = Stoppable(tree, lambda: len(tree.listed) == 2)
    adapter = Huge(tree)
    described = adapter.describe(Path("/d"))
    dataset = replace(described, tree=stoppable)
    with pytest.raises(StoppedError):
        list(adapter.scan(dataset))
    assert tree.listed == ["/d/image", "/d/dem"]
    assert [entry.id for entry in adapter.scan(described)] == ["1"], "another scan goes on"


def test_every_format_of_parallel_folders_can_look_tiles_up(tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "1.tif").touch()
    adapter = SynRS3DAdapter()
    assert isinstance(adapter, PreviewingAdapter)
    assert adapter.first_page(adapter.describe(tmp_path), 9) == []


def test_every_group_has_its_own_lists_and_is_listed_once() -> None:
    tree = Shelf({"/a": ["1.tif"], "/b": ["1.tif", "2.tif"]})
    groups = [Group(name, (Source(LAYERS[0], f"/{name}", RASTER_SUFFIXES),)) for name in ("a", "b")]
    lists = [parse_list(b"1\n3\n", name="train", path=f"{group}/train.txt", group=group) for group in ("a", "b")]
    entries = list(Catalogue(tree, groups, lists).entries())
    assert [entry.id for entry in entries if "train" in entry.splits] == ["a/1", "a/3", "b/1", "b/3"]
    assert [entry.id for entry in entries if not entry.files] == ["a/3", "b/3"]
    assert tree.listed == ["/a", "/b"]
