import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rsviewer.core.boxes import Boxes
from rsviewer.core.errors import SaveError
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Scores, Weights, focused
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, QUANTITY, Prediction, Score
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.core.vector import Vector
from rsviewer.data.content import state_of
from rsviewer.data.datasets.satlas import facts
from rsviewer.data.modelcards import read_card
from rsviewer.data.officialfiles import official_files
from rsviewer.data.predictions import PredictionStore
from rsviewer.data.raster import read_raster
from rsviewer.data.tree import DISK
from rsviewer.data.vectors import read_vector

MODEL, SHA = "0123456789abcdef", "ab" * 32
TILE = TileId("town/0001-1")
GRID: Mapping[str, Any] = {
    "transform": (0.5, 0.0, 400_000.25, 0.0, -0.5, 4_000_000.1),
    "crs": "EPSG:32654",
    "gsd": 0.5,
    "cell": (0.5, 0.5001),
}
COVER = tuple(LabelClass(value, f"class {value}", (value, 0, 255)) for value in range(1, 9))


def card_of(*outputs: ModelOutput) -> ModelCard:
    outputs = outputs or (ModelOutput(OutputKind.HEIGHT), ModelOutput(OutputKind.LABELS, "l", classes=COVER))
    return ModelCard("town", "Town, höher", "demo", (ModelInput(),), outputs, (Framing("whole"),), Weights("x"))


def raster_of(pixels: Any, dtype: type, valid: Any = True, **grid: Any) -> Raster:
    array = np.asarray(pixels, dtype)
    array = array[None] if array.ndim == 2 else array
    return Raster(array, np.broadcast_to(np.asarray(valid, bool), array.shape).copy(), **{**GRID, **grid})


def prediction_of(tile: TileId = TILE, **fields: Any) -> Prediction:
    valid = [[True, True, False], [True, True, True]]
    rasters = {
        HEIGHT: raster_of([[-1.5, 0.1, 7], [1e6, 0, 3.25]], np.float32, valid),
        LABELS: raster_of([[1, 2, 3], [8, 8, 1]], np.uint8, valid),
        CONFIDENCE: raster_of([[0.5, 1, 0.3], [0.25, 1 / 3, 0]], np.float32, valid),
    }
    said = {
        "seconds": 0.1234567,
        "forward_seconds": 0.1,
        "device": "cuda:0",
        "remarks": ("Too small.", 'Has a "quote",\nü.'),
    }
    return Prediction(tile, MODEL, **{"rasters": rasters, **said, **fields})


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    return PredictionStore(tmp_path / "predictions", card_of(), MODEL, SHA)


def assert_same(kept: Prediction | None, prediction: Prediction) -> None:
    assert kept is not None
    for name in ("tile", "model", "scores", "seconds", "forward_seconds", "device", "remarks"):
        assert getattr(kept, name) == getattr(prediction, name), name
    assert kept.rasters.keys() == prediction.rasters.keys()
    for layer, raster in prediction.rasters.items():
        again = kept.rasters[layer]
        assert again.pixels.dtype == raster.pixels.dtype
        assert np.array_equal(again.valid, raster.valid)
        assert np.array_equal(again.pixels[again.valid], raster.pixels[raster.valid])
        for name in ("transform", "crs", "gsd", "cell", "full_size"):
            assert getattr(again, name) == getattr(raster, name), name


def test_what_was_kept_is_read_as_it_was(store: PredictionStore) -> None:
    prediction = prediction_of()
    assert not store.has(TILE)
    assert store.read(TILE) is None

    store.write(prediction)

    assert store.has(TILE)
    assert_same(store.read(TILE), prediction)


def test_other_programs_find_grid_nodata_and_who_made_it(store: PredictionStore, tmp_path: Path) -> None:
    store.write(prediction_of())

    folder = tmp_path / "predictions" / f"town-{MODEL}" / "town"
    assert sorted(path.name for path in folder.iterdir()) == [
        "0001-1.confidence.tif",
        "0001-1.height.tif",
        "0001-1.labels.tif",
    ]
    with rasterio.open(store.path(TILE, HEIGHT)) as file:
        assert tuple(file.transform)[:6] == GRID["transform"]
        assert file.crs.to_epsg() == 32654
        assert np.isnan(file.nodata)
        assert np.isnan(file.read(1)[0, 2])
        assert file.read(1)[1, 0] == 1e6
        assert file.compression.value.lower() == "deflate"
        tags = file.tags()
    with rasterio.open(store.path(TILE, LABELS)) as file:
        assert (file.dtypes, file.nodata, file.read(1)[0, 2]) == (("uint8",), 255, 255)
        assert file.colormap(1)[8] == (8, 0, 255, 255)
        assert json.loads(file.tags()["RSVIEWER_CLASSES"])["8"] == "class 8"
    said = {name.removeprefix("RSVIEWER_"): text for name, text in tags.items()}
    assert (said["TILE"], said["MODEL"], said["TITLE"], said["FINGERPRINT"]) == (TILE, "town", "Town, höher", MODEL)
    assert (said["WEIGHTS_SHA256"], said["DEVICE"], said["SECONDS"]) == (SHA, "cuda:0", "0.1234567")


def test_the_viewer_itself_reads_the_files_as_layers(store: PredictionStore) -> None:
    valid = [[True, True, False], [False, True, True]]
    rasters = {
        HEIGHT: raster_of([[-1.5, 0.1, 7], [120, 0, 3.25]], np.float32, valid),
        LABELS: raster_of([[1, 2, 3], [8, 8, 1]], np.uint8, valid),
    }
    prediction = prediction_of(rasters=rasters)
    store.write(prediction)

    for layer, kind in ((HEIGHT, LayerKind.HEIGHT), (LABELS, LayerKind.LABELS)):
        raster = read_raster(store.path(TILE, layer), LayerSpec(layer, kind, layer, classes=COVER))
        assert isinstance(raster, Raster)
        assert np.array_equal(raster.valid, prediction.rasters[layer].valid)
        assert np.array_equal(raster.pixels[raster.valid], prediction.rasters[layer].pixels[raster.valid])


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (257, 300), (16, 16)])
def test_every_size_is_kept(store: PredictionStore, shape: tuple[int, int]) -> None:
    numbers = np.random.default_rng(1)
    pixels = numbers.normal(5, 3, shape)
    valid = numbers.random(shape) > 0.1
    rasters = {
        HEIGHT: raster_of(pixels, np.float32, valid),
        LABELS: raster_of(numbers.integers(1, 9, shape), np.uint8, valid),
    }
    prediction = prediction_of(rasters=rasters)

    store.write(prediction)

    assert_same(store.read(TILE), prediction)


@pytest.mark.parametrize(
    "grid",
    [
        {"transform": None, "crs": "", "gsd": None, "cell": None},
        {"transform": (0.3, 0.1, 5, 0.1, -0.3, 7), "crs": 'LOCAL_CS["nowhere"]', "gsd": None, "cell": None},
        {"transform": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "crs": "nonsense"},
        {"full_size": (30, 20)},
    ],
)
def test_every_grid_is_kept_also_none(store: PredictionStore, grid: dict[str, Any]) -> None:
    heights = raster_of(np.arange(6).reshape(2, 3), np.float32, **grid)
    prediction = prediction_of(rasters={HEIGHT: heights, LABELS: raster_of([[1] * 3] * 2, np.uint8, **grid)})

    store.write(prediction)

    assert_same(store.read(TILE), prediction)


def test_a_thinned_out_raster_lies_where_the_whole_one_does(store: PredictionStore) -> None:
    rasters = {layer: raster_of([[1, 1, 1]] * 2, dtype, full_size=(30, 20)) for layer, dtype in TYPES.items()}
    store.write(prediction_of(rasters=rasters))

    with rasterio.open(store.path(TILE, HEIGHT)) as file:
        assert file.res == (5.0, 5.0)
        assert (file.bounds.left, file.bounds.top) == (400_000.25, 4_000_000.1)


TYPES = {HEIGHT: np.float32, LABELS: np.uint8}


def test_a_tile_without_any_valid_pixel_is_kept(store: PredictionStore) -> None:
    rasters = {layer: raster_of([[3, 1, 1]] * 2, dtype, valid=False) for layer, dtype in TYPES.items()}
    prediction = prediction_of(rasters=rasters)

    store.write(prediction)

    assert_same(store.read(TILE), prediction)


@pytest.mark.parametrize(
    ("values", "dtype", "nodata"),
    [
        (range(255), np.uint8, 255),
        (range(1, 256), np.uint8, 0),
        ([0, 255], np.uint8, 1),
        (range(256), np.uint16, 65535),
        ([0, 65535], np.uint16, 1),
    ],
)
def test_no_label_is_a_value_that_is_no_class(tmp_path: Path, values: Any, dtype: type, nodata: int) -> None:
    classes = tuple(LabelClass(value, str(value), (0, 0, 0)) for value in values)
    store = PredictionStore(tmp_path, card_of(ModelOutput(OutputKind.LABELS, classes=classes)), MODEL, SHA)
    labels = np.array([[*values, 7]], dtype)
    prediction = prediction_of(rasters={LABELS: raster_of(labels, dtype, np.arange(labels.size)[None] < len(values))})

    store.write(prediction)

    assert_same(store.read(TILE), prediction)
    with rasterio.open(store.path(TILE, LABELS)) as file:
        assert file.nodata == nodata


def test_what_is_said_of_a_whole_tile_is_kept(tmp_path: Path) -> None:
    classes = (LabelClass(1, "Häuser", (0, 0, 0)), LabelClass(2, '"', (9, 9, 9)))
    output = ModelOutput(OutputKind.SCENE, classes=classes)
    prediction = prediction_of(rasters={}, scores=(Score("Häuser", 0.75), Score('"', 0.25)))
    store = PredictionStore(tmp_path, card_of(output), MODEL, SHA)

    store.write(prediction)

    assert store.has(TILE)
    assert_same(store.read(TILE), prediction)
    assert store.path(TILE, "scores").name == "0001-1.scores.json"

    both = PredictionStore(tmp_path, card_of(output, ModelOutput(OutputKind.HEIGHT, "h")), MODEL, SHA)
    assert not both.has(TILE), "its height is not here yet"
    prediction = prediction_of(rasters={HEIGHT: prediction_of().rasters[HEIGHT]}, scores=prediction.scores)
    both.write(prediction)
    assert_same(both.read(TILE), prediction)


def test_a_prediction_is_there_when_all_its_layers_are(store: PredictionStore) -> None:
    store.write(prediction_of())
    store.path(TILE, LABELS).unlink()

    assert not store.has(TILE)
    assert store.read(TILE) is None


def test_without_a_known_probability_there_is_none(tmp_path: Path) -> None:
    output = ModelOutput(OutputKind.LABELS, classes=COVER, scores=Scores.INDEX)
    store = PredictionStore(tmp_path, card_of(output), MODEL, SHA)
    prediction = prediction_of(rasters={LABELS: prediction_of().rasters[LABELS]})

    store.write(prediction)

    assert_same(store.read(TILE), prediction)


def move(store: PredictionStore, path: Path) -> None:
    other = store.path(TileId("other"), HEIGHT)
    store.write(prediction_of(TileId("other")))
    other.replace(path)


def retag(**tags: str) -> Callable[[PredictionStore, Path], None]:
    def change(store: PredictionStore, path: Path) -> None:
        with rasterio.open(path, "r+") as file:
            file.update_tags(**tags)

    return change


def regrid(**changed: Any) -> str:
    whole = {"size": [3, 2], "full_size": [3, 2], "transform": None, "crs": "", "gsd": None, "cell": None}
    return json.dumps({**whole, **changed})


def another(**profile: Any) -> Callable[[PredictionStore, Path], None]:
    """A file of another shape or type with the tags of the kept one."""

    def change(store: PredictionStore, path: Path) -> None:
        with rasterio.open(path) as file:
            tags = file.tags()
        whole = {"driver": "GTiff", "width": 3, "height": 2, "count": 1, "dtype": "float32", **profile}
        with rasterio.open(path, "w", **whole) as file:
            file.update_tags(**tags)

    return change


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    "spoil",
    [
        move,
        lambda _, path: path.write_bytes(b""),
        lambda _, path: path.write_bytes(path.read_bytes()[:300]),
        lambda _, path: path.write_bytes(b"no picture" * 100),
        retag(RSVIEWER_FINGERPRINT="f" * 16),
        retag(RSVIEWER_TILE="other"),
        retag(RSVIEWER_GRID="{"),
        retag(RSVIEWER_GRID="[]"),
        retag(RSVIEWER_GRID='{"size": [3, 2], "transform": [1], "cell": null, "gsd": null}'),
        retag(RSVIEWER_GRID=regrid(full_size=[])),
        retag(RSVIEWER_GRID=regrid(full_size=[0, 0])),
        retag(RSVIEWER_GRID=regrid(full_size=[-3, -2])),
        retag(RSVIEWER_GRID=regrid(full_size=[float("inf"), 2])),
        retag(RSVIEWER_GRID=regrid(full_size=[10**30, 2])),
        retag(RSVIEWER_GRID=regrid(gsd=float("inf"))),
        retag(RSVIEWER_GRID=regrid(gsd=0)),
        retag(RSVIEWER_GRID=regrid(cell=[0.5, -1])),
        retag(RSVIEWER_GRID=regrid(transform=[float("nan")] * 6)),
        retag(RSVIEWER_GRID=regrid(size={})),
        retag(RSVIEWER_GRID="[" * 50_000),
        retag(RSVIEWER_GRID="9" * 10_000),
        retag(RSVIEWER_REMARKS="7"),
        retag(RSVIEWER_REMARKS="{}"),
        retag(RSVIEWER_SECONDS="nan"),
        retag(RSVIEWER_SECONDS="soon"),
        another(width=9),
        another(count=2),
        another(dtype="int16"),
        another(driver="PNG", dtype="uint8"),
    ],
)
def test_an_odd_file_is_no_prediction_and_is_replaced_by_the_next(
    store: PredictionStore, spoil: Callable[[PredictionStore, Path], None]
) -> None:
    store.write(prediction_of())

    spoil(store, store.path(TILE, HEIGHT))

    assert store.read(TILE) is None
    store.write(prediction_of())
    assert_same(store.read(TILE), prediction_of())


def test_files_of_different_sizes_are_no_prediction(store: PredictionStore) -> None:
    store.write(prediction_of())
    labels = store.path(TILE, LABELS).read_bytes()
    store.write(prediction_of(rasters={HEIGHT: raster_of([[1.0]], np.float32), LABELS: raster_of([[1]], np.uint8)}))
    assert store.read(TILE) is not None
    store.path(TILE, LABELS).write_bytes(labels)

    assert store.read(TILE) is None


def test_a_class_that_the_model_does_not_know_is_no_prediction_of_it(store: PredictionStore) -> None:
    store.write(prediction_of())
    with rasterio.open(store.path(TILE, LABELS), "r+") as file:
        file.write(np.full((2, 3), 77, np.uint8), 1)

    assert store.read(TILE) is None


def test_endless_remarks_are_cut(store: PredictionStore) -> None:
    remarks = json.dumps(["far too long" * 1000] * 1000)
    store.write(prediction_of())
    retag(RSVIEWER_REMARKS=remarks, RSVIEWER_DEVICE="cpu" * 10_000)(store, store.path(TILE, HEIGHT))

    kept = store.read(TILE)
    assert kept is not None
    assert len(kept.device) + sum(map(len, kept.remarks)) < 100_000


def test_an_infinite_height_is_no_height(store: PredictionStore) -> None:
    store.write(prediction_of())
    with rasterio.open(store.path(TILE, HEIGHT), "r+") as file:
        file.write(np.array([[1, np.inf, np.nan], [2, 3, -np.inf]], np.float32), 1)

    kept = store.read(TILE)
    assert kept is not None
    assert kept.rasters[HEIGHT].valid[0].tolist() == [[True, False, False], [True, True, False]]


@pytest.mark.parametrize(
    "scores",
    [
        [{"name": "<b>not of this model</b>", "probability": 1.0}],
        [{"name": "class 1", "probability": 1.0}] * 9,
        [{"name": "class 1", "probability": float("nan")}],
        [{"name": "class 1", "probability": 10**400}],
        {"name": "class 1"},
        7,
    ],
)
def test_scores_that_the_model_cannot_have_said_are_none(tmp_path: Path, scores: Any) -> None:
    store = PredictionStore(tmp_path, card_of(ModelOutput(OutputKind.SCENE, classes=COVER)), MODEL, SHA)
    store.write(prediction_of(rasters={}, scores=(Score("class 1", 1.0),)))
    path = store.path(TILE, "scores")
    path.write_text(json.dumps({**json.loads(path.read_text()), "scores": scores}))

    assert store.read(TILE) is None


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_odd_scores_are_none(tmp_path: Path, junk: bytes) -> None:
    store = PredictionStore(tmp_path, card_of(ModelOutput(OutputKind.SCENE, classes=COVER)), MODEL, SHA)
    store.write(prediction_of(rasters={}, scores=(Score("a", 1.0),)))
    store.path(TILE, "scores").write_bytes(junk)

    assert store.read(TILE) is None


def test_a_prediction_of_another_model_is_a_slip_of_the_program(store: PredictionStore) -> None:
    with pytest.raises(ValueError, match="a prediction of other"):
        store.write(Prediction(TILE, "other"))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("layer", [HEIGHT, "scores"])
def test_a_link_in_a_strangers_project_leads_to_no_file_of_the_user(tmp_path: Path, layer: str) -> None:
    users = tmp_path / "thesis.txt"
    users.write_text("years of work")
    outputs = (ModelOutput(OutputKind.HEIGHT), ModelOutput(OutputKind.SCENE, "s", classes=COVER))
    store = PredictionStore(tmp_path / "predictions", card_of(*outputs), MODEL, SHA)
    path = store.path(TILE, layer)
    path.parent.mkdir(parents=True)
    path.symlink_to(users)

    prediction = prediction_of(rasters={HEIGHT: prediction_of().rasters[HEIGHT]}, scores=(Score("class 1", 1.0),))
    assert store.read(TILE) is None
    store.write(prediction)

    assert users.read_text() == "years of work"
    assert not path.is_symlink()
    assert_same(store.read(TILE), prediction)


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = PredictionStore(tmp_path / "file", card_of(), MODEL, SHA)

    with pytest.raises(SaveError, match=r"The folder .* cannot be made"):
        store.write(prediction_of())
    assert not store.has(TILE)


def test_a_write_that_fails_leaves_the_old_file_whole(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(prediction_of())

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SaveError, match="No space left on device"):
        store.write(prediction_of(device="cpu"))
    monkeypatch.undo()

    assert_same(store.read(TILE), prediction_of())
    assert all(path.suffix in ("", ".tif") for path in store.folder.rglob("*")), "nothing half written is left"


@given(name=st.text(st.characters(codec="utf-8"), max_size=12), layer=st.sampled_from([HEIGHT, LABELS, "scores"]))
def test_no_name_of_a_tile_leads_out_of_the_folder(name: str, layer: str) -> None:
    store = PredictionStore(Path("/kept"), card_of(), MODEL, SHA)

    path = store.path(TileId(name), layer)

    assert path.is_relative_to(store.folder)
    assert ".." not in path.parts


def test_a_layer_is_a_name_not_a_path(store: PredictionStore) -> None:
    with pytest.raises(ValueError, match="is no layer"):
        store.path(TILE, "../height")


@settings(max_examples=40)
@example(name=" ", device=" a ", remarks=(" ",))
@example(name="  b", device=" ", remarks=())
@given(
    name=st.text(st.characters(codec="utf-8"), max_size=12),
    device=st.text(st.characters(codec="utf-8"), max_size=6),
    remarks=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=3).map(tuple),
)
def test_whatever_a_tile_is_called_its_prediction_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, name: str, device: str, remarks: tuple[str, ...]
) -> None:
    card = card_of(ModelOutput(OutputKind.HEIGHT))
    store = PredictionStore(tmp_path_factory.getbasetemp() / "names", card, MODEL, SHA)
    heights = {HEIGHT: raster_of([[1.0]], np.float32)}
    prediction = prediction_of(TileId(name), rasters=heights, device=device, remarks=remarks)

    store.write(prediction)

    assert_same(store.read(TileId(name)), prediction)


def test_threads_may_write_and_read_the_same_tiles(store: PredictionStore) -> None:
    tiles = [TileId(f"t/{number}") for number in range(3)]
    wrong: list[object] = []

    def work() -> None:
        try:
            for tile in tiles * 3:
                store.write(prediction_of(tile))
                assert_same(store.read(tile), prediction_of(tile))
        except BaseException as error:  # noqa: BLE001 -- a thread has nobody to raise to
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert all(store.has(tile) for tile in tiles)


def test_layers_that_are_computed_from_others_are_not_kept(store: PredictionStore) -> None:
    rasters = prediction_of().rasters
    store.write(prediction_of(rasters={**rasters, LayerId("model.height_error"): rasters[HEIGHT]}))

    assert_same(store.read(TILE), prediction_of())


def test_a_prediction_of_a_file_that_was_replaced_is_not_believed(store: PredictionStore, tmp_path: Path) -> None:
    image = tmp_path / "opt" / "1.tif"
    image.parent.mkdir()
    image.write_bytes(b"an image")
    before = state_of([str(image)])
    store.write(prediction_of(), before)
    assert store.read(TILE, before) is not None
    assert store.read(TILE) is not None
    image.write_bytes(b"another, of another size")
    assert store.read(TILE, state_of([str(image)])) is None


def test_files_have_one_state_until_they_change_and_another_for_another_layer(tmp_path: Path) -> None:
    for folder in ("opt", "pre_opt"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.tif").write_bytes(b"an image")
        os.utime(tmp_path / folder / "1.tif", ns=(0, 0))
    post, pre = (str(tmp_path / folder / "1.tif") for folder in ("opt", "pre_opt"))
    assert state_of([post]) == state_of([post])
    assert len({state_of([post]), state_of([pre]), state_of([post, pre]), state_of([pre, post])}) == 4
    os.utime(post, ns=(1, 1))
    assert state_of([post]) != state_of([pre])
    assert state_of([post, str(tmp_path / "gone.tif")]) == ""
    assert state_of([post, "text:a roof"]) != state_of([post, "text:a lake"]) != state_of([post])


def test_a_small_file_that_unpacks_to_gigabytes_is_not_read(store: PredictionStore) -> None:
    store.write(prediction_of())
    path = store.path(TILE, HEIGHT)
    with rasterio.open(path) as kept:
        tags, profile = kept.tags(), kept.profile
    profile.update(width=30_000, height=30_000, tiled=True, blockxsize=512, blockysize=512, SPARSE_OK=True)
    with rasterio.open(path, "w", **profile) as huge:
        huge.update_tags(**tags)
    assert path.stat().st_size < 10**6
    assert store.read(TILE) is None


def test_a_network_of_dfc2020_writes_what_the_contest_reads(tmp_path: Path) -> None:
    card = replace(card_of(ModelOutput(OutputKind.LABELS, "l", classes=COVER)), family="dfc2020")
    store = PredictionStore(tmp_path, card, MODEL, SHA, official_files(card))
    named = prediction_of(TileId("ROIs0000_test/0/p609"))
    store.write(replace(named, rasters={LABELS: named.rasters[LABELS]}))
    (path,) = (store.folder / "dfc2020").iterdir()
    assert path.name == "ROIs0000_test_dfc_0_p609.tif"
    with rasterio.open(path) as file:
        assert (file.count, file.dtypes[0], file.crs.to_epsg()) == (1, "uint8", 32654)
        assert file.read(1).tolist() == [[1, 2, 0], [8, 8, 1]]  # 0 where nothing was predicted
    assert store.has(named.tile)
    path.unlink()
    assert not store.has(named.tile)  # it is predicted again

    other = prediction_of(TileId("../../ROIs0000_test/0/p609"))
    store.write(replace(other, rasters={LABELS: other.rasters[LABELS]}))
    assert store.has(other.tile)
    assert not list((store.folder / "dfc2020").iterdir())
    assert official_files(card_of()) is None


def test_marigold_writes_relative_heights_as_16_bits(tmp_path: Path) -> None:
    output = ModelOutput(OutputKind.HEIGHT, "height", unit="", relative=True)
    card = replace(card_of(output), family="marigold_rs")
    store = PredictionStore(tmp_path, card, MODEL, SHA, official_files(card))
    relative = raster_of([[0.0, 0.25, 2.0], [1.0, np.nan, -1.0]], np.float32, [[1, 1, 1], [1, 0, 1]])
    for name in ("tile_12", "Japan+Korea/tile_12"):
        store.write(replace(prediction_of(TileId(name)), rasters={HEIGHT: relative}))

    paths = sorted((store.folder / "depth_bw").iterdir())
    assert [path.name for path in paths] == ["Japan+Korea-tile_12_pred.png", "tile_12_pred.png"]
    with rasterio.open(paths[1]) as file:
        assert file.dtypes == ("uint16",)
        assert file.read(1).tolist() == [[0, 16384, 65535], [65535, 0, 0]]


def test_objects_come_back_with_their_masks(tmp_path: Path) -> None:
    output = ModelOutput(OutputKind.BOXES, "ships", classes=COVER)
    store = PredictionStore(tmp_path, card_of(output), MODEL, SHA)
    corners = np.array([[1.5, 2, 30.25, 40], [-1, 0, 5, 5]], np.float32)
    masks = np.arange(2 * 28 * 28, dtype=np.uint32).reshape(2, 28, 28).astype(np.uint8)
    boxes = Boxes(corners, np.array([3, 8], np.int32), np.array([0.75, 0.5], np.float32), (64, 48), masks)
    store.write(Prediction(TILE, MODEL, boxes=boxes, remarks=("Seen.",)))
    kept = store.read(TILE)
    assert kept is not None
    assert kept.remarks == ("Seen.",)
    assert kept.boxes is not None
    assert kept.boxes.size == (64, 48)
    for name in ("corners", "labels", "scores", "masks"):
        assert np.array_equal(getattr(kept.boxes, name), getattr(boxes, name)), name


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", [1]), ("objects", [{"class": 99, "score": 1, "box": [0, 0, 1, 1]}]), ("objects", [{"class": 1}])],
)
def test_objects_that_somebody_else_wrote_are_predicted_again(key: str, value: object, tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, card_of(ModelOutput(OutputKind.BOXES, "ships", classes=COVER)), MODEL, SHA)
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32), (64, 48))
    store.write(Prediction(TILE, MODEL, boxes=none))
    path = store.path(TILE, "objects")
    assert store.read(TILE) is not None
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert store.read(TILE) is None


def test_quantities_are_kept_like_heights(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, card_of(ModelOutput(OutputKind.QUANTITY, "cover", unit="%")), MODEL, SHA)
    prediction = prediction_of(
        rasters={QUANTITY: raster_of([[0.5, 100], [7, 3]], np.float32, [[True, False], [True, True]])}
    )
    store.write(prediction)
    assert store.path(TILE, QUANTITY).name.endswith(".quantity.tif")
    assert_same(store.read(TILE), prediction)


SATLAS = Path(__file__).resolve().parents[2] / "resources" / "models" / "satlas-sentinel2-swinb-si-rgb.toml"


def satlas_store(folder: Path, output: str) -> PredictionStore:
    card = focused(read_card(SATLAS), output)
    return PredictionStore(folder, card, MODEL, SHA, official_files(card))


def test_satlas_writes_labels_as_its_dataset_has_them(tmp_path: Path) -> None:
    tile = TileId("4650_4909")
    cover = raster_of([[0.5, 100, 7]], np.float32, [[True, True, False]])
    store = satlas_store(tmp_path, "tree_cover")
    store.write(Prediction(tile, MODEL, {QUANTITY: cover}))
    with rasterio.open(store.folder / "satlas/static/4650_4909/tree_cover.png") as file:
        assert (file.count, file.dtypes[0]) == (1, "uint8")
        assert file.read(1).tolist() == [[1, 200, 0]]  # 200 is all covered, 0 is not known

    labels = raster_of([[2, 1, 1]], np.uint8, [[True, True, False]])
    store = satlas_store(tmp_path, "flood")
    store.write(Prediction(TileId("4650_4909/coast_3376"), MODEL, {LABELS: labels}))
    with rasterio.open(store.folder / "satlas/dynamic/4650_4909/coast_3376/water.png") as file:
        assert file.read(1).tolist() == [[2, 1, 0]]
    for odd in ("naip/1_2", "../4650_4909", "4650_4909/.."):
        store.write(Prediction(TileId(odd), MODEL, {LABELS: labels}))
    assert len(list((store.folder / "satlas").rglob("*.png"))) == 2  # those of both tiles above


def test_satlas_writes_lines_as_the_bits_of_its_training_labels(tmp_path: Path) -> None:
    store = satlas_store(tmp_path, "polyline_bin_segment")
    names = ["none of them", "airport runway", "airport taxiway", "raceway", "road", "railway", "river"]
    (output,) = focused(read_card(SATLAS), "polyline_bin_segment").outputs
    assert [one.name for one in output.classes] == names
    labels = raster_of([[0, 1, 2, 3, 4, 5, 6, 6]], np.uint8, [[True] * 7 + [False]])
    for tile, folder in (("4650_4909", "4650_4909_0_0"), ("4650_4909/fire_7", "4650_4909_fire_7_0_0")):
        store.write(Prediction(TileId(tile), MODEL, {LABELS: labels}))
        with rasterio.open(store.folder / "satlas/lowres/polyline_bin_segment" / folder / "gt.png") as file:
            # From the lowest bit on: road, railway, river, airport runway, airport taxiway, raceway.
            assert file.read(1).tolist() == [[0, 8, 16, 32, 1, 2, 4, 0]]
    store.write(Prediction(TileId("naip/1_2"), MODEL, {LABELS: labels}))
    assert len(list((store.folder / "satlas").rglob("*.png"))) == 2


def test_satlas_writes_objects_in_the_units_of_its_labels(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 32, 16], [100, 100, 110, 110]], np.float32)
    boxes = Boxes(corners, np.array([1, 1], np.int32), np.array([0.9, 0.2], np.float32), (512, 512))
    for output, geometry in (
        ("vessel", {"Type": "point", "Point": [256.0, 128.0]}),
        ("polygon", {"Type": "polygon", "Polygon": [[[0, 0], [512, 0], [512, 256], [0, 256]]]}),
    ):
        store = satlas_store(tmp_path, output)
        store.write(Prediction(TileId("4650_4909"), MODEL, boxes=boxes))
        (path,) = (store.folder / "satlas").rglob("vector.json")
        found = json.loads(path.read_text())
        key = "vessel" if output == "vessel" else "aquafarm"
        assert found[key] == [{"Geometry": geometry, "Properties": {"score": "0.90"}}]
        assert "gas_station" not in found  # not looked for at 10 m
        assert all(not features for name, features in found.items() if name != key)


def test_satlas_writes_smoke_as_its_labels_have_it(tmp_path: Path) -> None:
    store = satlas_store(tmp_path, "smoke")
    store.write(Prediction(TileId("4650_4909/fire_7"), MODEL, scores=(Score("partial", 0.8), Score("no", 0.2))))
    path = store.folder / "satlas/dynamic/4650_4909/fire_7/vector.json"
    found = read_vector(str(path), facts.VECTOR, DISK)
    assert isinstance(found, Vector)
    (feature,) = found.features
    assert (feature.category, feature.bounds, dict(feature.properties)) == (
        "smoke",
        (0, 0, 8192, 8192),
        {"smoke": "partial"},
    )
