"""A dataset in another layout is the same dataset: its tiles, layers, values, holes, classes, groups and splits."""

import csv
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer.batch.converting import dataset as module
from rsviewer.batch.converting.dataset import (
    LEFT_OUT,
    TILES,
    DatasetOrder,
    LeftOut,
    check_order,
    convert_dataset,
    preview_dataset,
    sort_out,
)
from rsviewer.batch.converting.running import Conversion
from rsviewer.batch.crew import Here
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.review import Decision, Verdict
from rsviewer.core.splits import ExportOptions
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, Text, TileId
from rsviewer.data.adapter import TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.conversions import RECORD
from rsviewer.data.datasets.folders import LAYOUT_FILE
from rsviewer.data.demo import write_demo
from rsviewer.data.detect import open_dataset
from rsviewer.data.relayout.planning import TARGETS, plan_relayout
from rsviewer.data.relayout.storing import Link

Write = Callable[..., None]


class Opened:
    """A dataset with its tiles."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.dataset, self.adapter = open_dataset(root, **options)
        self.entries = [entry for entry in self.adapter.scan(self.dataset) if entry.has_files]
        self.by_id = {entry.id: entry for entry in self.entries}

    def content(self, entry: TileEntry, spec: LayerSpec) -> Any:
        return read_layer(entry, spec, self.dataset.tree)

    def splits(self) -> dict[str, list[TileId]]:
        """Name -> tiles in the order of the lists."""
        found: dict[str, list[TileId]] = {}
        for split in self.dataset.lists:
            for line in split.lines:
                if line.text:
                    tile = self.adapter.tile_of_line(split, line.text)
                    found.setdefault(split.name, []).append(tile)
        return found


def convert(old: Opened, order: DatasetOrder, entries: Sequence[TileEntry] | None = None, **options: Any) -> Conversion:
    tiles = old.entries if entries is None else entries
    return convert_dataset(
        old.dataset, tiles, order, tile_of_line=old.adapter.tile_of_line, **{"crew": Here(), **options}
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_same(old: Opened, order: DatasetOrder, *, tiles: int | None = None) -> Opened:
    """The new dataset is read as the old one, but for what the layout has no room for. Returns it."""
    new = Opened(order.out)
    assert (new.dataset.format, new.dataset.problems) == (order.to, ())
    rows = {row["tile"]: row["name"] for row in rows_of(order.out / TILES)}
    assert len(new.entries) == len(rows) == (len(old.entries) if tiles is None else tiles)
    here = [old.by_id[TileId(tile)] for tile in rows]
    plan = plan_relayout(old.dataset, here, TARGETS[order.to], order.layers, order.out)
    for before in here:
        after = new.by_id[TileId(rows[before.id])]
        assert set(after.splits) == set(before.splits)
        for layer, planned in plan.read_as.items():
            if layer not in before.files:
                continue
            spec = new.dataset.layer(planned.id)
            assert spec == planned
            assert_same_content(old.content(before, old.dataset.layer(layer)), new.content(after, spec))
    for name, names in old.splits().items():
        expected = [rows[tile] for tile in names if tile in rows]
        if expected:
            assert sorted(new.splits()[name]) == sorted(expected)
    return new


def assert_same_content(before: Any, after: Any) -> None:
    assert type(after) is type(before)
    if isinstance(before, Raster):
        assert np.array_equal(after.valid, before.valid)
        assert np.array_equal(after.pixels[after.valid], before.pixels[before.valid])
        assert after.transform == pytest.approx(before.transform)
        assert after.crs == before.crs
    elif isinstance(before, Text):
        assert after.text == before.text.strip()


def layers_of(opened: Opened) -> list[str]:
    return [str(spec.id) for spec in opened.dataset.layers]


def said(done: Conversion) -> str:
    return "\n".join(remark.message for remark in done.remarks)


def tree_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def tiny(tiny_dataset: Path) -> Opened:
    return Opened(tiny_dataset)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new"


# Every layout


@pytest.mark.parametrize("to", list(TARGETS))
def test_it_is_read_as_the_same_dataset(tiny: Opened, out: Path, to: str) -> None:
    order = DatasetOrder(out, to)

    done = convert(tiny, order)

    assert (done.tiles, done.written, done.failed) == (6, 6, ())
    new = assert_same(tiny, order)
    assert {entry.group for entry in new.entries} == {"a", "b"}
    assert new.splits()["train"][:2] == [new.by_id[TileId(row["name"])].id for row in rows_of(out / TILES)][1::-1]


def test_files_that_are_good_there_are_copied_byte_for_byte(tiny: Opened, out: Path) -> None:
    done = convert(tiny, DatasetOrder(out, "folders"))

    assert done.remarks == ()
    for entry in tiny.entries:
        for layer, path in entry.files.items():
            assert (out / layer / f"{entry.id}.tif").read_bytes() == Path(path).read_bytes()
    assert Opened(out).dataset.layers == tiny.dataset.layers
    assert Opened(out).dataset.title == tiny.dataset.title


def test_the_layouts_have_the_folders_and_lists_that_their_loaders_want(tiny: Opened, out: Path) -> None:
    convert(tiny, DatasetOrder(out / "s", "synrs3d"))
    convert(tiny, DatasetOrder(out / "r", "rs3dbench"))
    convert(tiny, DatasetOrder(out / "f", "folders"))

    assert sorted(path.name for path in (out / "s" / "a").iterdir()) == [
        *("gt_cd_mask", "gt_nDSM", "gt_ss_mask", "opt", "pre_opt", "test.txt", "train.txt")
    ]
    assert (out / "s" / "a" / "train.txt").read_bytes() == b"2\n1\n"
    assert (out / "r" / "data_split" / "test.txt").read_text() == (
        "Image/png-stretched-a/tile_2.png DEM-a/tile_2.tif\nImage/png-stretched-b/tile_2.png DEM-b/tile_2.tif\n"
    )
    assert (out / "f" / "lists" / "b" / "train.txt").read_bytes() == b"b/2\nb/1\n"


def test_rs3dbench_holds_one_image_and_one_height_and_says_what_it_left_out(tiny: Opened, out: Path) -> None:
    done = convert(tiny, DatasetOrder(out, "rs3dbench"))

    assert layers_of(Opened(out)) == ["image_png", "dem", "mask"]
    words = said(done)
    assert "pre image is left out" in words
    assert "land cover is left out" in words
    assert "nDSM: it lies where heights above the sea are expected" in words
    assert "image was written anew" in words
    assert "Its name there is another one (a/tile_0)" in words


def test_tiles_that_are_numbered_keep_their_numbers(write: Write, tmp_path: Path, out: Path) -> None:
    for area, number in (("A", 7), ("A", 30), ("B", 7)):
        write(tmp_path / "old" / f"DEM-{area}" / f"tile_{number}.tif", np.ones((4, 4), np.float32))
        write(tmp_path / "old" / "Image" / f"tif-{area}" / f"tile_{number}.tif", np.ones((3, 4, 4), np.float32))
    old = Opened(tmp_path / "old")

    convert(old, DatasetOrder(out, "rs3dbench"))
    convert(old, DatasetOrder(tmp_path / "s", "synrs3d"))
    convert(Opened(tmp_path / "s"), DatasetOrder(tmp_path / "back", "rs3dbench"))

    assert tree_of(out / "DEM-A").keys() == {"tile_7.tif", "tile_30.tif"}
    assert tree_of(tmp_path / "back" / "DEM-A").keys() == {"tile_7.tif", "tile_30.tif"}
    assert Opened(tmp_path / "back").by_id.keys() == old.by_id.keys()


@pytest.mark.parametrize(
    "pixels", [np.full((13, 4, 4), 700, np.uint16), np.arange(64, dtype=np.uint8).reshape(4, 4, 4)]
)
def test_images_that_are_no_picture_of_8_bits_go_where_none_is_needed(
    write: Write, tmp_path: Path, out: Path, pixels: np.ndarray
) -> None:
    for number in (1, 2):
        write(tmp_path / "old" / "opt" / f"{number}.tif", pixels)
        write(tmp_path / "old" / "gt_nDSM" / f"{number}.tif", np.ones((4, 4), np.float32))
    old = Opened(tmp_path / "old")

    convert(old, DatasetOrder(out, "rs3dbench"))

    assert layers_of(assert_same(old, DatasetOrder(out, "rs3dbench"))) == ["image_tif", "dem"]


def test_heights_that_another_layout_takes_for_missing_are_told(write: Write, tmp_path: Path, out: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / LAYOUT_FILE).write_text(
        '[[layers]]\nid = "ndsm"\nfolder = "ndsm"\nkind = "height"\nunit = "m"\n', encoding="utf-8"
    )
    for name, height in (("low", 20), ("high", 600)):
        write(tmp_path / "old" / "ndsm" / f"{name}.tif", np.array([[1, height], [3, -9999]], np.float32), nodata=-9999)
    old = Opened(tmp_path / "old")

    done = convert(old, DatasetOrder(out, "synrs3d"))

    remark = next(remark for remark in done.remarks if "missing" in remark.message)
    assert (remark.tiles, remark.first) == (1, "high")
    assert (out / "gt_nDSM" / "low.tif").read_bytes() == (tmp_path / "old" / "ndsm" / "low.tif").read_bytes()


def test_classes_of_another_scheme_are_not_passed_off_as_those_of_synrs3d(
    write: Write, tmp_path: Path, out: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / LAYOUT_FILE).write_text(
        '[[layers]]\nid = "photo"\nfolder = "photo"\nkind = "optical"\n[[layers]]\nid = "use"\nfolder = "use"\n'
        'kind = "labels"\nclasses = [{ value = 5, name = "Field", color = "#102030" }]\n',
        encoding="utf-8",
    )
    write(tmp_path / "old" / "photo" / "1.tif", np.zeros((3, 4, 4), np.uint8))
    write(tmp_path / "old" / "use" / "1.tif", np.full((4, 4), 5, np.uint8))
    old = Opened(tmp_path / "old")

    done = convert(old, DatasetOrder(out, "synrs3d"))

    assert "use: its classes are not those of SynRS3D" in said(done)
    assert layers_of(assert_same(old, DatasetOrder(out, "synrs3d"))) == ["image", "gt_use"]
    assert (out / "gt_use" / "1.tif").read_bytes() == (tmp_path / "old" / "use" / "1.tif").read_bytes()


def test_what_only_the_description_knew_is_in_the_files(write: Write, tmp_path: Path, out: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / LAYOUT_FILE).write_text(
        """
        [[layers]]
        id = "dsm"
        folder = "h"
        kind = "height"
        unit = "m"
        scale = 0.01
        offset = 5.0
        nodata = 77
        [[layers]]
        id = "second"
        folder = "l"
        kind = "labels"
        take = [1]
        values = { 1 = 4 }
        classes = [{ value = 4, name = "Road", color = "#ffffff" }]
        [[layers]]
        id = "bands"
        folder = "b"
        files = ["{tile}_r.tif", "{tile}_g.tif"]
        kind = "optical"
        bands = ["r", "g"]
        """,
        encoding="utf-8",
    )
    write(tmp_path / "old" / "h" / "1.tif", np.array([[100, 77], [-200, 30000]], np.int16))
    write(tmp_path / "old" / "l" / "1.tif", np.array([[[9, 9]], [[1, 2]]], np.uint8))
    for band, size in (("r", 4), ("g", 2)):
        write(tmp_path / "old" / "b" / f"1_{band}.tif", np.full((size, size), size, np.uint8))
    write(tmp_path / "old" / "b" / "2_r.tif", np.full((2, 2), 9, np.uint8))
    old = Opened(tmp_path / "old")

    done = convert(old, DatasetOrder(out, "folders"))

    words = said(done)
    assert "dsm was written anew: its values are stored scaled" in words
    assert "second was written anew: it is one of several layers in its file" in words
    assert "bands was written anew: its bands are files of their own" in words
    new = assert_same(old, DatasetOrder(out, "folders"))
    with rasterio.open(out / "dsm" / "1.tif") as file:
        assert np.allclose(file.read(1, masked=True).filled(-1), [[6, -1], [3, 305]])
    assert new.dataset.layer(LayerId("second")).classes == old.dataset.layer(LayerId("second")).classes
    assert new.dataset.layer(LayerId("bands")).bands == ("r", "g")


# Names


def test_names_that_file_systems_and_lists_do_not_like_are_replaced(write: Write, tmp_path: Path, out: Path) -> None:
    strange = [
        "a b",
        "a_b",
        "v1.2",
        "x.tif",
        b"t\xfcr".decode(errors="surrogateescape"),
        "nul",
        "{tile}",
        "Ä,ö",
        "Tile",
    ]
    for name in strange:
        write_named(write, tmp_path / "old" / "opt", name)
    (tmp_path / "old" / "train.txt").write_bytes(os.fsencode("\n".join(reversed(strange))))
    old = Opened(tmp_path / "old")
    assert len(old.entries) == len(strange)

    for to in TARGETS:
        order = DatasetOrder(out / to, to)
        assert convert(old, order).written == len(strange)
        new = assert_same(old, order)
        names = [path.name for path in (out / to).rglob("*.tif")] + [path.name for path in (out / to).rglob("*.png")]
        assert all(" " not in name and name.encode() for name in names)
        rows = {row["tile"]: row["name"] for row in rows_of(order.out / TILES)}
        (train,) = new.splits().values()
        assert train == [rows[old.adapter.tile_of_line(old.dataset.lists[0], name)] for name in reversed(strange)]


def write_named(write: Write, folder: Path, name: str) -> None:
    """rasterio cannot write names that are no UTF-8."""
    write(folder / "plain.tif", np.zeros((3, 4, 4), np.uint8))
    (folder / "plain.tif").rename(folder / f"{name}.tif")


@pytest.mark.parametrize("to", list(TARGETS))
def test_groups_that_mean_something_to_the_format_get_other_names(
    write: Write, tmp_path: Path, out: Path, to: str
) -> None:
    groups = [
        "opt",
        "vaihingen",
        "lists",
        "a_255",
        "tif",
        "x.zip",
        "unique",
        "A_3",
        "A",
        "a-3",
        "deep/er/than/this",
        "a b",
    ]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / LAYOUT_FILE).write_text(
        'group = "^(.*)#"\n[[layers]]\nid = "photo"\nfolder = "photo"\nkind = "optical"\n[[layers]]\nid = "landcover"\n'
        'folder = "lc"\nkind = "labels"\npalette = "openearthmap"\n',
        encoding="utf-8",
    )
    entries = []
    write(tmp_path / "old" / "photo" / "x#1.tif", np.zeros((3, 4, 4), np.uint8))
    write(tmp_path / "old" / "lc" / "x#1.tif", np.ones((4, 4), np.uint8))
    old = Opened(tmp_path / "old")
    for group in ["", *groups]:
        tile = TileId(f"{group}/1" if group else "1")
        entries.append(replace(old.entries[0], id=tile, group=group, splits=("train",) if len(group) > 3 else ()))
    old.entries = entries
    old.by_id = {entry.id: entry for entry in entries}

    done = convert(old, DatasetOrder(out, to))

    assert (done.written, done.failed) == (len(groups) + 1, ())
    new = assert_same(old, DatasetOrder(out, to))
    assert len({entry.group for entry in new.entries}) == len(groups) + 1
    assert {row["group"] for row in rows_of(out / TILES)} == {"", *groups}


def test_a_layer_whose_name_a_layout_uses_itself_is_still_found(write: Write, tmp_path: Path, out: Path) -> None:
    for folder in ("opt", "lists", "splits", "sar_lists"):
        write(tmp_path / "old" / folder / "1.tif", np.full((4, 4), 3, np.uint8))
    (tmp_path / "old" / "train.txt").write_text("1\n")
    old = Opened(tmp_path / "old")

    for to in ("synrs3d", "folders"):
        convert(old, DatasetOrder(out / to, to))
        assert layers_of(assert_same(old, DatasetOrder(out / to, to))) == layers_of(old)


# What is left out


def test_dropped_tiles_are_left_out_of_files_and_lists_and_it_is_told_why(tiny: Opened, out: Path) -> None:
    decisions = {TileId("a/2"): Decision(Verdict.DROP, ("cloud",), note="white, all of it"), TileId("b/1"): Decision()}
    kept, left = sort_out(tiny.entries, decisions, ExportOptions())

    done = convert(tiny, DatasetOrder(out, "folders"), kept, left_out=left)

    assert done.left_out == ("a/2",)
    assert not list(out.glob("*/a/2.tif"))
    assert (out / "lists" / "a" / "train.txt").read_text() == "a/1\n"
    assert rows_of(out / LEFT_OUT) == [
        {"tile": "a/2", "group": "a", "why": "dropped", "tags": "cloud", "note": "white, all of it"}
    ]
    assert [row["tile"] for row in rows_of(out / TILES)] == ["a/1", "a/3", "b/1", "b/2", "b/3"]


def test_undecided_tiles_are_left_out_when_asked_and_dropped_ones_kept_when_asked(tiny: Opened) -> None:
    decisions = {TileId("a/1"): Decision(Verdict.GOOD), TileId("a/2"): Decision(Verdict.DROP)}

    kept, left = sort_out(tiny.entries, decisions, ExportOptions(drop_undecided=True))
    assert [entry.id for entry in kept] == ["a/1"]
    assert left[0] == LeftOut(TileId("a/2"), "a", ("dropped",), decisions[TileId("a/2")])
    assert left[1].reasons == ("undecided",)
    assert sort_out(tiny.entries, decisions, None)[1] == []


def test_a_tile_of_which_something_cannot_be_read_is_not_there_at_all(tiny: Opened, out: Path) -> None:
    order = DatasetOrder(out, "rs3dbench")

    done = convert(tiny, order)
    assert done.failed == (), "the broken heights of b/2 are copied: what is wrong with them is for people to see"
    (Path(tiny.by_id[TileId("b/2")].files[LayerId("image")])).write_bytes(b"II*\0broken")
    done = convert(tiny, replace(order, out=out.with_name("other")))

    assert [failure.tile for failure in done.failed] == ["b/2"]
    assert done.failed[0].message.startswith("image: ")
    assert not list(out.with_name("other").rglob("*-b/tile_1.*"))
    assert "tile_1.png" not in (out.with_name("other") / "data_split" / "train.txt").read_text().split("-b/")[-1]
    (row,) = rows_of(out.with_name("other") / LEFT_OUT)
    assert row["tile"] == "b/2"
    assert row["why"].startswith("image: ")


def test_only_some_layers(tiny: Opened, out: Path) -> None:
    done = convert(tiny, DatasetOrder(out, "folders", (LayerId("landcover"),)))

    assert layers_of(Opened(out)) == ["landcover"]
    assert "It has none of the layers and is left out." in said(done)
    assert [row["tile"] for row in rows_of(out / LEFT_OUT)] == ["b/3"]


# Going on


@pytest.mark.parametrize("to", list(TARGETS))
def test_stopped_and_called_again_it_is_the_same_as_in_one_go(tiny: Opened, tmp_path: Path, out: Path, to: str) -> None:
    def stop(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    whole = tmp_path / "whole" / "new"
    convert(tiny, DatasetOrder(whole, to))
    with pytest.raises(KeyboardInterrupt):
        convert(tiny, DatasetOrder(out, to), progress=stop)
    assert not (out / TILES).exists()

    again = convert(tiny, DatasetOrder(out, to))

    assert again.written + again.skipped == 6
    assert again.skipped >= 3
    assert tree_of(out) == tree_of(whole)


def test_another_choice_of_tiles_is_another_dataset(tiny: Opened, out: Path) -> None:
    order = DatasetOrder(out, "folders")
    convert(tiny, order)

    with pytest.raises(SaveError, match="with another choice of tiles"):
        convert(tiny, order, tiny.entries[1:])
    with pytest.raises(SaveError, match=r"1\.tif is not of this conversion"):
        convert(tiny, replace(order, overwrite=True), tiny.entries[1:])
    assert convert(tiny, replace(order, overwrite=True)).written == 6


def test_a_text_of_a_tile_that_is_gone_is_not_taken_for_a_list(write: Write, tmp_path: Path, out: Path) -> None:
    for name in ("1", "2"):
        write(tmp_path / "old" / "opt" / f"{name}.tif", np.zeros((3, 4, 4), np.uint8))
        (tmp_path / "old" / "caption").mkdir(exist_ok=True)
        (tmp_path / "old" / "caption" / f"{name}.txt").write_text(f"tile {name}\n")
    old = Opened(tmp_path / "old")
    order = DatasetOrder(out, "folders", overwrite=True)
    convert(old, order)
    assert_same(old, order)
    (out / "image" / "2.tif").unlink()

    with pytest.raises(SaveError, match=r"caption/2\.txt is not of this conversion"):
        convert(old, order, old.entries[:1])


def test_it_is_not_written_into_the_old_dataset_nor_through_links(tiny: Opened, tmp_path: Path, out: Path) -> None:
    with pytest.raises(SaveError, match="lies in the dataset itself"):
        convert(tiny, DatasetOrder(tiny.dataset.root / "c", "synrs3d"))
    with pytest.raises(SaveError, match="belongs to the dataset itself"):
        convert(tiny, DatasetOrder(tmp_path, "synrs3d"))
    out.mkdir()
    (out / "a").symlink_to(tiny.dataset.root / "a")
    before = tree_of(tiny.dataset.root)
    with pytest.raises(SaveError, match="is a link to a folder"):
        convert(tiny, DatasetOrder(out, "synrs3d", overwrite=True))
    assert tree_of(tiny.dataset.root) == before


@pytest.mark.parametrize("link", [Link.HARD, Link.SYMLINK])
def test_linked_files_are_those_of_the_dataset_and_stay_unharmed(tiny: Opened, out: Path, link: Link) -> None:
    before = tree_of(tiny.dataset.root)
    order = DatasetOrder(out, "rs3dbench", link=link)

    convert(tiny, order)
    assert (out / "Mask-a" / "tile_0.tif").samefile(tiny.by_id[TileId("a/1")].files[LayerId("change")])
    assert_same(tiny, order)
    assert convert(tiny, order).skipped == 6
    convert(tiny, replace(order, link=Link.COPY, overwrite=True))

    assert tree_of(tiny.dataset.root) == before
    assert not (out / "Mask-a" / "tile_0.tif").is_symlink()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_dataset_in_an_archive_is_taken_out_of_it(tiny: Opened, tmp_path: Path, out: Path, kind: str) -> None:
    archive = tmp_path / "packed" / f"tiny.{kind}"
    archive.parent.mkdir()
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for name, content in tree_of(tiny.dataset.root).items():
                packed.writestr(f"tiny/{name}", content)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in tree_of(tiny.dataset.root).items():
                info = tarfile.TarInfo(f"tiny/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    old = Opened(archive)

    done = convert(old, DatasetOrder(out, "synrs3d", link=Link.HARD))

    assert (done.written, done.failed) == (6, ())
    assert "copied, not linked" in said(done)
    assert_same(old, DatasetOrder(out, "synrs3d"))


# Looking ahead


def test_a_look_ahead_counts_files_and_bytes_and_writes_nothing(tiny: Opened, out: Path) -> None:
    order = DatasetOrder(out, "rs3dbench")

    ahead = preview_dataset(tiny.dataset, tiny.entries, order, tile_of_line=tiny.adapter.tile_of_line)

    assert not out.exists()
    assert (ahead.tiles, ahead.there, ahead.files, ahead.copied, ahead.is_exact) == (6, 0, 18, 6, True)
    masks = [Path(entry.files[LayerId("change")]).stat().st_size for entry in tiny.entries]
    assert ahead.size == sum(masks)
    assert ahead.anew == {
        "image: RS3DBench has no files that end with .tif there": 6,
        "nDSM: its limits are others there": 6,
    }
    assert ahead.lists == ("data_split/test.txt", "data_split/train.txt")


def test_of_many_files_some_are_asked_for_their_size(tiny: Opened, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SIZED", 2)

    ahead = preview_dataset(tiny.dataset, tiny.entries, DatasetOrder(out, "folders"))

    assert not ahead.is_exact
    assert ahead.size > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "coco"}, "none of synrs3d, rs3dbench, folders"),
        ({"layers": (LayerId("dsm"),)}, "no layer 'dsm': choose pre_image, image"),
    ],
)
def test_an_order_that_cannot_be_met_is_refused_at_once(
    tiny: Opened, out: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        check_order(tiny.dataset, replace(DatasetOrder(out, "folders"), **change))


def test_a_layout_that_can_hold_none_of_the_layers_is_refused(tiny: Opened, out: Path) -> None:
    with pytest.raises(LayerError, match="can hold none of the layers"):
        convert(tiny, DatasetOrder(out, "rs3dbench", (LayerId("landcover"),)))
    assert not out.exists()


def test_a_layout_that_would_not_be_recognised_is_refused(write: Write, tmp_path: Path, out: Path) -> None:
    write(tmp_path / "old" / "DEM-A" / "tile_0.tif", np.ones((4, 4), np.float32))

    with pytest.raises(LayerError, match="not be read as SynRS3D, which wants folders opt/"):
        convert(Opened(tmp_path / "old"), DatasetOrder(out, "synrs3d"))


def test_no_tile_at_all_is_no_dataset(tiny: Opened, out: Path) -> None:
    assert convert(tiny, DatasetOrder(out, "folders"), []).tiles == 0


# What there is


def test_the_built_in_dataset(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "demo"
    write_demo(root, tiles=2, size=64)
    old = Opened(root)
    for to in TARGETS:
        order = DatasetOrder(out / to, to)
        done = convert(old, order)
        assert_same(old, order, tiles=done.written)


@pytest.mark.real
@pytest.mark.parametrize("to", list(TARGETS))
@pytest.mark.parametrize(
    "name", ["synrs3d/ign_lidarhd", "synrs3d/levir_change", "rs3dbench", "sen12ms", "satlas", "skyscript"]
)
def test_real_samples(shared_data: Path, out: Path, name: str, to: str) -> None:
    old = Opened(shared_data / "real" / name)
    order = DatasetOrder(out, to)

    done = convert(old, order)

    assert done.failed == ()
    new = assert_same(old, order)
    if to == "folders":
        held = [str(spec.id) for spec in old.dataset.layers if spec.kind is not LayerKind.VECTOR]
        present = {layer for entry in old.entries for layer in entry.files}
        assert layers_of(new) == [layer for layer in held if layer in present]
        for spec in new.dataset.layers:
            before = old.dataset.layer(spec.id)
            assert (spec.kind, spec.title, spec.unit, spec.classes, spec.date, spec.bands) == (
                *(before.kind, before.title, before.unit, before.classes, before.date, before.bands),
            )
    assert (out / RECORD).is_file()
