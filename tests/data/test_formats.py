"""What every dataset format promises, on a tiny sample of each: see `tests/data/samples`.

A module there has a function `write`, or lists several in `WRITERS`.
"""

import pkgutil
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsviewer.core.errors import AmbiguousFormatError
from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import ExportOptions, plan
from rsviewer.core.tile import LayerContent, LayerId, Missing, Raster, Text, TileId, Unreadable
from rsviewer.core.vector import Feature, Vector
from rsviewer.data.adapter import Dataset, DatasetAdapter, TileEntry
from rsviewer.data.address import is_path
from rsviewer.data.catalogue import RASTER_SUFFIXES, suffix_of
from rsviewer.data.content import read_layer
from rsviewer.data.detect import ADAPTERS, open_dataset
from rsviewer.data.export import write_export
from rsviewer.data.index import TileIndex
from rsviewer.data.looking import MOST_NAMES
from rsviewer.data.mounting import let_go
from rsviewer.data.remote.names import remote_root
from rsviewer.data.tree import DISK, Disk, Name
from tests.data import samples
from tests.data.httpserver import Served, serving_with
from tests.data.samples import skyscript
from tests.data.samples.sample import Sample, Writer


def _writers() -> Iterator[tuple[str, Writer]]:
    for each in pkgutil.iter_modules(samples.__path__):
        module = import_module(f"{samples.__name__}.{each.name}")
        if hasattr(module, "write"):
            for writer in getattr(module, "WRITERS", (module.write,)):
                yield f"{each.name}{writer.__name__.removeprefix('write')}", writer


WRITERS = dict(_writers())

NO_CLASS = 251
"""Of no format: a file that calls a class its nodata is not believed."""


@pytest.fixture(params=WRITERS)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Sample:
    root = tmp_path / "data"
    root.mkdir()
    return WRITERS[request.param](root)


@dataclass(frozen=True)
class Opened:
    """A dataset with all its tiles."""

    dataset: Dataset
    adapter: DatasetAdapter
    entries: dict[str, TileEntry]

    def contents(self, tile: str) -> dict[str, LayerContent]:
        return {
            layer: read_layer(self.entries[tile], self.dataset.layer(layer), self.dataset.tree)
            for layer in self.entries[tile].files
        }

    def named(self) -> dict[str, tuple[str, ...]]:
        """Path of each list -> the tiles it names."""
        return {
            split.path: tuple(self.adapter.tile_of_line(split, line.text) for line in split.lines if line.text)
            for split in self.dataset.lists
        }


def opened(path: Path) -> Opened:
    """Opens and scans."""
    dataset, adapter = open_dataset(path)
    entries = {entry.id: entry for entry in adapter.scan(dataset)}
    return Opened(dataset, adapter, {str(tile): entry for tile, entry in entries.items()})


def is_there(content: LayerContent) -> bool:
    """True for content that shows something."""
    return (isinstance(content, Raster) and bool(content.valid.any())) or isinstance(content, Vector | Text)


@contextmanager
def kept(path: Path) -> Iterator[bytes]:
    """The bytes of a file, which are put back afterwards."""
    raw = path.read_bytes()
    try:
        yield raw
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(raw)


def check_others(sample: Sample, harmed: Path) -> dict[str, LayerContent]:
    """Opens a harmed sample: what does not come from the harmed file still reads. Returns what does."""
    now = opened(sample.root)
    entry = now.entries[sample.whole]
    mine: dict[str, LayerContent] = {}
    for layer, path in sample.files.items():
        spec = next((spec for spec in now.dataset.layers if spec.id == layer), None)
        content = read_layer(entry, spec, now.dataset.tree) if spec else Missing("The layer has gone.")
        if path == harmed:
            mine[layer] = content
        else:
            assert is_there(content), (layer, content)
    return mine


def rasters_of(sample: Sample) -> Iterator[Path]:
    return (path for path in dict.fromkeys(sample.files.values()) if suffix_of(path.name) in RASTER_SUFFIXES)


def test_every_format_has_a_sample() -> None:
    assert {name.partition("_")[0] for name in WRITERS} == {adapter.name for adapter in ADAPTERS}


# Recognition


def test_it_is_recognised_by_one_format_alone_which_says_why(sample: Sample) -> None:
    dataset, _ = open_dataset(sample.root)
    assert dataset.format == sample.format
    assert dataset.root == sample.root
    assert dataset.why
    assert not dataset.problems
    fits = [adapter.name for adapter in ADAPTERS if adapter(DISK).recognises(sample.root)]
    assert fits == [sample.format]


def test_where_two_formats_fit_the_user_is_asked(sample: Sample) -> None:
    other = "geonrw" if sample.format == "synrs3d" else "synrs3d"
    WRITERS[other](sample.root)
    if sample.format == "folders":
        assert open_dataset(sample.root)[0].format == "folders", "whoever describes a folder has said what it is"
        return
    with pytest.raises(AmbiguousFormatError) as caught:
        open_dataset(sample.root)
    assert {name for name, _, _ in caught.value.fits} == {sample.format, other}
    assert all(why in str(caught.value) for _, _, why in caught.value.fits)
    assert open_dataset(sample.root, sample.format)[0].format == sample.format


@dataclass
class Crowded(Disk):
    """The disk, but each folder of files holds a million more of the kind it has."""

    taken: dict[str, int] = field(default_factory=dict)

    def names(self, folder: str) -> list[str]:
        raise AssertionError(f"all names of {folder} were asked for")

    @contextmanager
    def scan(self, folder: str) -> Iterator[Iterable[Name]]:
        with super().scan(folder) as entries:
            names = list(entries)
        file = next((entry.name for entry in names if not entry.is_dir()), None)
        more = (Crowd(f"{number:07d}_{file}") for number in range(1_000_000)) if file else ()
        yield self._counted(folder, chain(names, more))

    def _counted(self, folder: str, entries: Iterable[Name]) -> Iterator[Name]:
        for entry in entries:
            self.taken[folder] = self.taken.get(folder, 0) + 1
            yield entry


@dataclass(frozen=True)
class Crowd:
    """One of a million files."""

    name: str

    def is_dir(self) -> bool:
        return False


def test_a_folder_of_a_million_files_is_recognised_by_its_first_names(sample: Sample) -> None:
    tree = Crowded()
    fits = []
    for adapter in ADAPTERS:
        tree.taken.clear()
        fits += [adapter.name] if adapter(tree).recognises(sample.root) else []
        assert max(tree.taken.values(), default=0) <= MOST_NAMES + 1
        assert sum(tree.taken.values()) <= 8 * MOST_NAMES, adapter.name
    assert fits == [sample.format]


# Tiles


def test_tiles_layers_and_facts_are_those_of_the_sample(sample: Sample) -> None:
    found = opened(sample.root)
    assert tuple(found.entries) == sample.tiles
    assert tuple(layer.id for layer in found.dataset.layers) == sample.layers
    assert tuple(fact.name for fact in found.dataset.facts) == sample.facts
    assert [place for place in sample.without if place[1] in found.entries[place[0]].files] == []
    assert {name for entry in found.entries.values() for name in entry.facts} <= set(sample.facts)


def test_every_layer_of_a_whole_tile_reads(sample: Sample) -> None:
    found = opened(sample.root)
    contents = found.contents(sample.whole)
    assert set(sample.files) <= set(contents)
    assert {layer: content for layer, content in contents.items() if not is_there(content)} == {}


def test_the_index_knows_what_the_scan_found(sample: Sample) -> None:
    found = opened(sample.root)
    index = TileIndex.open(None, found.dataset, found.adapter)
    try:
        index.build()
        assert index.entries(range(len(index))) == list(found.entries.values())
    finally:
        index.close()


# Harm


def test_a_layer_whose_file_is_gone_is_missing_and_the_others_read(sample: Sample) -> None:
    for path in dict.fromkeys(sample.files.values()):
        with kept(path):
            path.unlink()
            mine = check_others(sample, path)
            assert all(isinstance(content, Missing) for content in mine.values()), mine


def test_a_file_that_is_cut_short_is_unreadable_and_the_others_read(sample: Sample) -> None:
    for path in rasters_of(sample):
        with kept(path) as raw:
            path.write_bytes(raw[:20])
            mine = check_others(sample, path)
            assert all(isinstance(content, Unreadable) for content in mine.values()), mine
            path.write_bytes(raw[: len(raw) // 2])
            check_others(sample, path)


def rewrite(path: Path, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", **changes: object) -> None:
    with rasterio.open(path) as source:
        profile = {key: source.profile[key] for key in ("driver", "dtype", "nodata")}
        place = {"crs": source.crs, "transform": source.transform} if profile["driver"] == "GTiff" else {}
    profile |= {"count": pixels.shape[0], "height": pixels.shape[1], "width": pixels.shape[2], **place, **changes}
    path.unlink()
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels.astype(profile["dtype"]))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_of_another_size_is_read_as_it_is_or_said(sample: Sample) -> None:
    layers = {spec.id: spec for spec in open_dataset(sample.root)[0].layers}
    for path in rasters_of(sample):
        with kept(path):
            with rasterio.open(path) as source:
                pixels = np.pad(source.read(), ((0, 0), (0, 5), (0, 3)), mode="edge")
            rewrite(path, pixels)
            address = opened(sample.root).entries[sample.whole].files
            for layer, content in check_others(sample, path).items():
                assert isinstance(content, Raster), (layers[layer], content)
                whole_size = content.full_size == (pixels.shape[2], pixels.shape[1])
                assert whole_size or content.notes or not is_path(address[LayerId(layer)])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_without_any_valid_pixel_is_read_and_invalid_everywhere(sample: Sample) -> None:
    layers = {spec.id: spec for spec in open_dataset(sample.root)[0].layers}
    for path in rasters_of(sample):
        with kept(path):
            with rasterio.open(path) as source:
                pixels, driver = source.read(), source.driver
            if np.issubdtype(pixels.dtype, np.floating):
                rewrite(path, np.full_like(pixels, np.nan))
            elif driver == "GTiff":
                rewrite(path, np.full_like(pixels, NO_CLASS), nodata=NO_CLASS)
            else:
                continue  # nothing says nodata in a PNG
            for layer, content in check_others(sample, path).items():
                if not layers[layer].lut:
                    assert isinstance(content, Raster), (layer, content)
                    assert not content.valid.any(), layer


# Lists


def test_lists_name_the_tiles_that_the_sample_says(sample: Sample) -> None:
    found = opened(sample.root)
    assert found.named() == {path: tuple(tiles) for path, tiles in sample.lists.items()}
    listed = {tile for tiles in sample.lists.values() for tile in tiles}
    assert listed <= set(found.entries)
    assert all(found.entries[tile].splits for tile in listed)


def exported(found: Opened, out: Path, dropped: Iterable[str] = ()) -> Path:
    decisions = {TileId(tile): Decision(Verdict.DROP) for tile in dropped}
    tiles = {entry.id: entry.group for entry in found.entries.values() if entry.files}
    change = plan(found.dataset.lists, tiles, decisions, found.adapter.tile_of_line, ExportOptions())
    write_export(change, found.dataset, out)
    return out


def test_an_export_without_dropped_tiles_gives_every_list_byte_for_byte(sample: Sample, tmp_path: Path) -> None:
    out = exported(opened(sample.root), tmp_path / "out")
    assert {path: (out / path).read_bytes() for path in sample.lists} == {
        path: (sample.root / path).read_bytes() for path in sample.lists
    }


def test_a_dropped_tile_leaves_every_list_that_names_it_and_nothing_else_changes(
    sample: Sample, tmp_path: Path
) -> None:
    for number, tile in enumerate(dict.fromkeys(tile for tiles in sample.lists.values() for tile in tiles)):
        home = tmp_path / f"copy-{number}"
        shutil.copytree(sample.root, home, symlinks=True)
        out = exported(opened(sample.root), tmp_path / f"out-{number}", [tile])
        for path, tiles in sample.lists.items():
            if tile not in tiles:
                assert (out / path).read_bytes() == (sample.root / path).read_bytes()
            shutil.copyfile(out / path, home / path)
        left = {path: tuple(other for other in tiles if other != tile) for path, tiles in sample.lists.items()}
        after = opened(home).named()
        assert {path: after.get(path, ()) for path in left} == left


# Archives


def pack(sample: Sample, home: Path, kind: str) -> Path:
    """The sample as archives, one for each group of names that it says, beside the rest; the path to open."""
    home.mkdir()
    for path in sample.root.iterdir() if sample.archives else ():
        if path.name not in set(chain.from_iterable(sample.archives)):
            shutil.copytree(path, home / path.name) if path.is_dir() else shutil.copy(path, home)
    groups = sample.archives or (tuple(sorted(path.name for path in sample.root.iterdir())),)
    targets = []
    for group in groups:
        targets.append(home / f"{group[0] if sample.archives else 'data'}.{kind}")
        files = sorted(chain.from_iterable(_files(sample.root / name) for name in group))
        names = [(path, path.relative_to(sample.root).as_posix()) for path in files]
        if kind == "zip":
            with zipfile.ZipFile(targets[-1], "w", zipfile.ZIP_DEFLATED) as archive:
                for path, name in names:
                    archive.write(path, name)
        else:
            with tarfile.open(targets[-1], "w:gz" if kind.endswith("gz") else "w", dereference=True) as archive:
                for path, name in names:
                    archive.add(path, name)
    return targets[0] if len(targets) == 1 else home


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for below in path.iterdir():
            yield from _files(below)
    else:
        yield path


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_packed_it_has_the_same_tiles_and_the_same_pixels(sample: Sample, kind: str, tmp_path: Path) -> None:
    plain, packed = opened(sample.root), opened(pack(sample, tmp_path / "packed", kind))
    assert packed.dataset.format == sample.format
    assert tuple(packed.entries) == sample.tiles
    assert packed.dataset.layers == plain.dataset.layers
    assert packed.named() == plain.named()
    check_same(plain, packed, sample.whole)


def check_same(plain: Opened, other: Opened, tile: str) -> None:
    """The same layers, with the same content."""
    here, there = plain.contents(tile), other.contents(tile)
    assert list(here) == list(there)
    for layer, content in here.items():
        found = there[layer]
        assert type(found) is type(content), (layer, found)
        if isinstance(content, Raster) and isinstance(found, Raster):
            np.testing.assert_array_equal(content.pixels, found.pixels)
            np.testing.assert_array_equal(content.valid, found.valid)
        elif isinstance(content, Vector) and isinstance(found, Vector):
            assert found.extent == content.extent
            assert list(map(_words, found.features)) == list(map(_words, content.features))
        elif isinstance(content, Text):
            assert found == content


def _words(feature: Feature) -> object:
    return feature.category, feature.shape, [ring.tolist() for ring in feature.rings], dict(feature.properties)


# Servers


KNOWN_BY_TABLES = ("skyscript",)
"""Millions of images, all named by tables: the folders of a server are not listed for those that no table names."""


@pytest.fixture
def served(sample: Sample) -> Iterator[Served]:
    with serving_with(sample.root.parent) as server:
        yield server


def test_on_a_web_server_it_has_the_same_tiles_and_the_same_pixels(sample: Sample, served: Served) -> None:
    check_remote(sample, opened(remote_root(f"{served.url}{sample.root.name}/")))


def test_in_an_object_store_it_has_the_same_tiles_and_the_same_pixels(
    sample: Sample, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_ENDPOINT_URL", served.endpoint)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    check_remote(sample, opened(remote_root(f"s3://{sample.root.name}/")))


def check_remote(sample: Sample, remote: Opened) -> None:
    plain = opened(sample.root)
    listed = set(chain.from_iterable(sample.lists.values()))
    expected = listed if sample.format in KNOWN_BY_TABLES else set(sample.tiles)
    try:
        assert remote.dataset.format == sample.format
        assert not remote.dataset.problems
        assert tuple(remote.entries) == tuple(tile for tile in sample.tiles if tile in expected)
        assert remote.dataset.layers == plain.dataset.layers
        assert remote.named() == plain.named()
        check_same(plain, remote, sample.whole)
    finally:
        let_go(remote.dataset.tree)


def test_images_on_a_server_that_no_table_names_are_listed_where_there_is_no_table(tmp_path: Path) -> None:
    sample = skyscript.write(tmp_path)
    for table in tmp_path.rglob("*.csv"):
        table.unlink()
    with serving_with(tmp_path) as server:
        remote, plain = opened(remote_root(server.url)), opened(sample.root)
        assert tuple(remote.entries) == tuple(plain.entries)
        assert sample.whole in remote.entries
        check_same(plain, remote, sample.whole)
        let_go(remote.dataset.tree)
