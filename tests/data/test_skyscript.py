"""SkyScript: tables of captions, meta files that are pickles, benchmarks."""

import pickle
from pathlib import Path

import pytest

from rsviewer.core.captions import caption_of, retrieved_by
from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import Missing, Text, Unreadable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_layer
from rsviewer.data.datasets import captioned
from rsviewer.data.datasets.skyscript import TAGS_LAYER, SkyScriptAdapter
from rsviewer.data.index import TileIndex
from rsviewer.data.tags import readable
from tests.data.samples import skyscript
from tests.data.samples.skyscript import META, WHOLE, put_image, table

REAL = Path(__file__).parents[3] / "shared" / "data" / "real"


def scanned(root: Path) -> tuple[Dataset, dict[str, TileEntry]]:
    adapter = SkyScriptAdapter()
    dataset = adapter.describe(root)
    entries = list(adapter.scan(dataset))
    assert len({entry.id for entry in entries}) == len(entries)
    return dataset, {entry.id: entry for entry in entries}


def caption(entry: TileEntry) -> str:
    return entry.files[captioned.CAPTION].removeprefix("text:")


def test_what_the_tables_and_the_names_say_is_known_of_each_tile(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    _, entries = scanned(tmp_path)

    assert entries["images2/w101000003_CH_18"].facts == {
        "similarity": 0.29,
        "source": "CH",
        "product": "SWISSIMAGE",
        "gsd": 0.1,
        "year": 2018.0,
        "kind": "way",
    }
    assert caption(entries["images2/w101000003_CH_18"]) == (
        'title: a satellite image of "bridge"\n\ntitle_multi_objects: a\nbridge, surrounded by river'
    )
    assert caption(entries["images3/n101000005_P3_20"]) == "title: a satellite image of wetland"
    unknown = entries["images7/n101000009_ZZ_21"]
    assert (unknown.facts["product"], "gsd" in unknown.facts, unknown.group) == ("unknown source", False, "images7")


def test_a_tile_belongs_to_the_tables_that_name_it(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    _, entries = scanned(tmp_path)

    assert entries["images3/a101000006_S2_19"].splits == (
        "test_30K_filtered_by_CLIP_openai",
        "val_5K_filtered_by_CLIP_openai",
    )
    assert entries["images3/w101000010_L8_15"].splits == ()
    assert entries["images7/n101000009_ZZ_21"].missing == ("image",)
    assert entries["images3/a101000006_S2_19"].missing == ("tags",)


def test_a_row_whose_image_is_missing_is_no_tile_with_files(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    dataset, entries = scanned(tmp_path)
    absent = {"images7/n101000009_ZZ_21"}

    assert {tile for tile, entry in entries.items() if not entry.has_files} == absent
    index = TileIndex.open(None, dataset, SkyScriptAdapter())
    index.build()
    assert set(entries) - set(index.groups_of_tiles()) == absent
    assert {entry.id for entry in index.entries(index.select("missing = 'image'"))} == absent
    assert {entry.id for entry in index.first_page() if not entry.has_files} == absent
    index.close()


def test_the_first_rows_are_like_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skyscript.write(tmp_path)
    _, expected = scanned(tmp_path)
    for early in (1, 2, 3):
        monkeypatch.setattr(captioned, "_EARLY", early)
        assert scanned(tmp_path)[1] == expected


def test_two_similarities_are_two_facts(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    rows = ((f"{WHOLE}.jpg", "x", "0.5"), (f"{WHOLE}.jpg", "x", "0.1"))
    (tmp_path / "SkyScript_train_laion.csv").write_bytes(table(("filepath", "title", "similarity_CLIP_laion_RS"), rows))
    dataset, entries = scanned(tmp_path)

    assert [fact.name for fact in dataset.facts[:2]] == ["similarity_clip_laion_rs", "similarity_clip_openai"]
    facts = entries[WHOLE].facts
    assert (facts["similarity_clip_laion_rs"], facts["similarity_clip_openai"]) == (0.5, 0.31)


def one_table(root: Path, raw: bytes) -> tuple[Dataset, dict[str, TileEntry]]:
    put_image(root / "images2" / "a1_US_10.jpg", 0, 16)
    (root / "SkyScript_train.csv").write_bytes(raw)
    return scanned(root)


def test_a_table_without_filepath_is_a_problem_of_the_dataset(tmp_path: Path) -> None:
    dataset, entries = one_table(tmp_path, b"path,title\nimages2/a1_US_10.jpg,x\n")

    (problem,) = dataset.problems
    assert problem.endswith("SkyScript_train.csv cannot be read: it has no column 'filepath', but path, title.")
    assert list(entries) == ["images2/a1_US_10"]
    assert dataset.lists == ()


def test_a_table_in_latin_1_is_read(tmp_path: Path) -> None:
    raw = b"filepath,title\nimages2/a1_US_10.jpg,caf\xe9\nimages2/\xfc.jpg,b\n"
    _, entries = one_table(tmp_path, raw)

    assert list(entries) == ["images2/a1_US_10", "images2/ü"]
    assert caption(entries["images2/a1_US_10"]) == "café"
    adapter = SkyScriptAdapter()
    (split,) = adapter.describe(tmp_path).lists
    assert [adapter.tile_of_line(split, line.text) for line in split.lines[1:]] == list(entries)


@pytest.mark.parametrize(
    ("filepath", "tile", "has_image"),
    [
        ("images2/a1_US_10.jpg", "images2/a1_US_10", True),
        (" ./images2//a1_US_10.jpg ", "images2/a1_US_10", True),
        ("images2\\a1_US_10.jpg", "images2/a1_US_10", True),
        ("images2/a1_US_11.jpg", "images2/a1_US_11", False),
        ("../data/images2/a1_US_10.jpg", "../data/images2/a1_US_10", False),
        ("/etc/passwd", "/etc/passwd", False),
        ("images2/../../x.jpg", "images2/../../x", False),
        ('"images2/a\nb.jpg"', "images2/a\\x0ab", False),
        ("images2", "images2", False),
    ],
)
def test_a_path_means_the_same_in_a_list_and_in_the_table_and_leads_nowhere_else(
    tmp_path: Path, filepath: str, tile: str, has_image: bool
) -> None:
    root = tmp_path / "data"
    dataset, entries = one_table(root, f"filepath,title\n{filepath},x\n".encode())
    adapter = SkyScriptAdapter()
    (split,) = adapter.describe(root).lists

    entry = next(iter(entries.values()))
    assert entry.id == tile == adapter.tile_of_line(split, split.lines[1].text)
    assert ("image" in entry.files) is has_image
    assert not dataset.problems


def test_ragged_rows_blank_lines_and_stray_quotes_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    raw = b'filepath,title\r\nb.jpg\r\n\r\nc.jpg,5" pipe,more,and more\r\n,nothing\r\n"d,e.jpg","x ""y"""'
    _, entries = one_table(tmp_path, raw)

    assert list(entries) == ["b", "c", "d,e", "images2/a1_US_10"]
    assert [caption(entries[tile]) for tile in ("c", "d,e")] == ['5" pipe', 'x "y"']


def test_a_folder_without_tables_opens_as_its_images(tmp_path: Path) -> None:
    put_image(tmp_path / "images2" / "a10_US_10.jpg", 0, 16)
    put_image(tmp_path / "images2" / "a9_US_10.jpg", 0, 16)

    assert SkyScriptAdapter().recognises(tmp_path).startswith("images2/ in ")
    assert list(scanned(tmp_path)[1]) == ["images2/a9_US_10", "images2/a10_US_10"]


def test_what_is_no_skyscript_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "images2").mkdir()
    (tmp_path / "images2" / "photo.jpg").touch()
    (tmp_path / "classnames.txt").touch()
    (tmp_path / "train.csv").write_bytes(b"filepath,title\n")

    assert SkyScriptAdapter().recognises(tmp_path) == ""
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetNotFoundError, match="No SkyScript under"):
        SkyScriptAdapter().describe(empty)


def test_tags_are_read_as_text(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    dataset, entries = scanned(tmp_path)

    content = read_layer(entries[WHOLE], TAGS_LAYER, dataset.tree)
    assert isinstance(content, Text)
    assert content.text.split("\n") == [
        *("Focus:", "leisure = stadium", "name = Stade «Été»", ""),
        *("Around it:", "- amenity = parking", "- highway = service; surface = asphalt", ""),
        *("Time: 2010-07-04 16:05", ""),
        "Box: -77.500000, 38.250000 to -77.491200, 38.257000 degrees (west, south to east, north)",
        "Ground: 769 m by 774 m",
    ]


def test_a_meta_file_that_would_run_a_program_is_unreadable_and_says_which(tmp_path: Path) -> None:
    skyscript.write(tmp_path)
    dataset, entries = scanned(tmp_path)
    path = Path(entries[WHOLE].files[TAGS_LAYER.id])

    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused = read_layer(entries[WHOLE], TAGS_LAYER, dataset.tree)
    path.write_bytes(pickle.dumps(META)[:40])
    damaged = read_layer(entries[WHOLE], TAGS_LAYER, dataset.tree)
    path.unlink()

    assert isinstance(refused, Unreadable)
    assert "os.system" in refused.reason
    assert isinstance(damaged, Unreadable)
    assert isinstance(read_layer(entries[WHOLE], TAGS_LAYER, dataset.tree), Missing)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {"bbox": [1, 2, 1.5, "2.5"]},
            "Box: 1.000000, 2.000000 to 1.500000, 2.500000 degrees (west, south to east, north)",
        ),
        ({"box": (1, 2, 3)}, "Box: 1, 2, 3"),
        ({"box": "here", "time": (2019, "July")}, "Time: 2019, July"),
        ({"time": [2019]}, "Time: 2019"),
        ({"center_tags": ["a", {"b": [1]}]}, "Focus:\na, ..."),
        ({"surrounding_tags": {"a": 10**5000}}, "Around it:\na = a huge number"),
        ({"x": {"y": {"z": 1}}}, "Besides:\nx = y = ..."),
        ({}, "It says nothing."),
        ([1, 2], "1, 2"),
        (None, "None"),
    ],
)
def test_meta_files_of_any_shape_are_shown(value: object, text: str) -> None:
    assert readable(pickle.dumps(value)).startswith(text)


def test_labels_are_names_or_their_numbers(tmp_path: Path) -> None:
    sample = skyscript.write_benchmark(tmp_path)
    dataset, entries = scanned(tmp_path)

    labels = {tile: entry.files.get(captioned.LABEL, "").removeprefix("text:") for tile, entry in entries.items()}
    assert list(labels.values()) == ["airport", "bare land", "bridge", "city building", ""]
    assert [split.name for split in dataset.lists] == ["aid_aid_img_txt_pairs_test", "rsicb256_img_txt_pairs_train"]
    assert sample.format == SkyScriptAdapter.name
    assert SkyScriptAdapter().recognises(tmp_path).endswith("is the table of a SkyScript benchmark")


@pytest.mark.parametrize("folder", ["aid", "rsicb256"])
def test_one_benchmark_opens_by_itself(tmp_path: Path, folder: str) -> None:
    skyscript.write_benchmark(tmp_path)
    _, entries = scanned(tmp_path / folder)

    assert entries
    assert all("image" in entry.files for entry in entries.values())
    assert not any(tile.startswith(folder) for tile in entries)


def test_a_benchmark_for_retrieval_has_captions(tmp_path: Path) -> None:
    home = tmp_path / "RSICD"
    put_image(home / "images" / "1.jpg", 0, 16)
    rows = (("RSICD/images/1.jpg", "a lake"), ("RSICD/images/1.jpg", "water"))
    (home / "RSICD_img_txt_pairs_test.csv").write_bytes(table(("filepath", "title"), rows))
    dataset, entries = scanned(home)

    assert [layer.id for layer in dataset.layers] == ["image", "caption"]
    assert {tile: caption(entry) for tile, entry in entries.items()} == {"images/1": "a lake\n\nwater"}


@pytest.mark.parametrize("early", [1, 256])
def test_of_a_benchmark_for_retrieval_an_image_has_all_its_captions_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: int
) -> None:
    monkeypatch.setattr(captioned, "_EARLY", early)
    home = tmp_path / "ucmcaptions"
    home.mkdir()
    said = (("a", "A farm ."), ("b", "A beach ."), ("a", "Fields ."), ("a", "A farm ."), ("b", ""), ("c", "Trees ."))
    rows = [(f"ucmcaptions/images/{name}.tif", text) for name, text in said]
    (home / "ucmcaptions_img_txt_pairs_test.csv").write_bytes(table(("filepath", "title"), rows))
    _, found = scanned(tmp_path)
    texts = {name.rpartition("/")[2]: caption(entry) for name, entry in found.items()}
    assert texts == {"a": "A farm .\n\nFields .", "b": "A beach .", "c": "Trees ."}
    assert retrieved_by(Text(texts["a"])) == ("A farm .", "Fields .")
    assert caption_of(Text(texts["a"])) == "A farm ."


@pytest.mark.skipif(not REAL.is_dir(), reason="the sample data is not here")
@pytest.mark.parametrize(("folder", "tiles"), [("skyscript", 8), ("structural_noise/skyscript", 6)])
def test_the_sample_data_opens(folder: str, tiles: int) -> None:
    dataset, entries = scanned(REAL / folder)

    assert SkyScriptAdapter().recognises(REAL / folder)
    assert len(entries) == tiles
    assert not dataset.problems
    for entry in entries.values():
        assert {"image", "caption"} <= set(entry.files)
        for layer in dataset.layers:
            assert not isinstance(read_layer(entry, layer, dataset.tree), Unreadable)
