"""The heads of Satlas answer as their authors' do, one at a time, and the backbone looks at a tile once for all of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted, fit, in_time
from rsviewer.core.linemetrics import lines_among
from rsviewer.core.model import Augmentation, Fill, ModelCard, OutputKind, RunOptions, Weights, fingerprint, focused
from rsviewer.core.objectmetrics import category
from rsviewer.core.prediction import CONFIDENCE, LABELS, QUANTITY
from rsviewer.core.satlasfile import DRAWN_LINES, LINES, NAMES, HeadKind
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.aligning import align
from rsviewer.data.datasets.satlas import facts
from rsviewer.data.modelcards import read_card
from rsviewer.data.vectors import SHARES
from rsviewer.inference.answers import winners
from rsviewer.inference.engine import Engine
from rsviewer.inference.zoo.satlas import load, network
from rsviewer.inference.zoo.satlas.layout import BACKBONES, read_layout
from rsviewer.inference.zoo.satlas.swin import SwinSizes
from tests.inference import satlas_files
from tests.inference.satlas_files import SWINS, numbers, saved

CARDS = Path(__file__).resolve().parents[2] / "resources" / "models"
EVERY = sorted(path.stem for path in CARDS.glob("satlas-*.toml"))
SATLAS = [name for name in EVERY if not name.startswith("satlas-explorer-")]
WHOLE = read_card(CARDS / "satlas-sentinel2-swinb-si-rgb.toml")
CPU = torch.device("cpu")
HEADS = "land_cover:S12 dem:S1 tree_cover:S1 flood:S2 snow:C3"
TILE = TileId("1234_5678")
TOLERANCE = 1e-4


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", SwinSizes(*SWINS["tiny"]))  # type: ignore[arg-type]  # a dict behind a Mapping
    monkeypatch.setitem(NAMES, (SWINS["tiny"][0], SWINS["tiny"][1]), "tiny")  # type: ignore[arg-type]  # as above


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return numbers(satlas_files.layout("tiny", 3, " ".join(one.partition(":")[2] for one in HEADS.split())))


@pytest.fixture
def weights(tensors: dict[str, Tensor], tmp_path: Path) -> Path:
    return saved(tensors, tmp_path)


def card(heads: str = HEADS, **changes: object) -> ModelCard:
    """The published card, with the outputs that some heads give."""
    names = [one.partition(":")[0] for one in heads.split()]
    outputs = tuple(one for one in WHOLE.outputs if one.name in names)
    told = {
        "outputs": outputs,
        "settings": {"backbone": "tiny", "heads": heads},
        "weights": Weights("x.pth"),
        **changes,
    }
    return replace(WHOLE, **told)  # type: ignore[arg-type]  # by the callers' names


def fitted(output: str, dates: int = 1, size: tuple[int, int] = (72, 100), seed: int = 3) -> Fitted:
    pixels = np.random.default_rng(seed).integers(0, 256, (3 * dates, *size), dtype=np.uint8)
    return Fitted(pixels, np.ones(size, bool), full_size=(size[1], size[0]), output=output)


def engine(of: ModelCard, weights: Path, **options: object) -> Engine:
    return Engine(of, weights, RunOptions(device="cpu", threads=1, **options))  # type: ignore[arg-type]  # as above


# --- cards


@pytest.mark.parametrize("name", EVERY)
def test_a_card_names_the_heads_of_its_file_and_outputs_that_they_give(name: str) -> None:
    read = read_card(CARDS / f"{name}.toml")
    heads = dict(one.split(":") for one in str(read.settings["heads"]).split())
    assert read.settings["backbone"] in BACKBONES
    assert read.exclusive or len(read.outputs) == 1
    assert read.settings["dates"] is (read.dates > 1)
    for output in read.outputs:
        head = heads[output.name]
        assert HeadKind(head[0]) in network.KINDS[output.kind]
        if output.kind is not OutputKind.QUANTITY:
            assert len(output.classes) - bool(output.threshold) == int(head[1:])
    if name in SATLAS:
        assert {output.name for output in read.outputs} >= {"land_cover", "crop_type", "tree_cover", "dem"}


@pytest.mark.parametrize("name", [name for name in EVERY if name not in SATLAS])
def test_a_fine_tuned_model_runs_by_its_card(name: str, tmp_path: Path) -> None:
    told = read_card(CARDS / f"{name}.toml")
    head = str(told.settings["heads"]).partition(":")[2]
    tensors = numbers(satlas_files.layout("tiny", told.band_count, head, dates=True))
    file = saved({"state_dict": tensors}, tmp_path, "weights.pth.tar")
    pixels = np.random.default_rng(1).integers(0, 256, (told.band_count * told.dates, 64, 96), dtype=np.uint8)
    output = told.outputs[0]
    given = Fitted(pixels, np.ones((64, 96), bool), full_size=(96, 64), output=output.name)
    with engine(replace(told, settings={**told.settings, "backbone": "tiny"}), file) as running:
        found = running.predict(TILE, given)
    if output.kind is OutputKind.BOXES:
        assert found.boxes is not None
        assert set(found.boxes.labels.tolist()) <= {one.value for one in output.classes if not one.void}
    else:
        layer = LABELS if output.kind is OutputKind.LABELS else QUANTITY
        raster = found.rasters[layer]
        assert raster.pixels.shape == (1, 64, 96)
        assert 0 <= raster.pixels.min() <= raster.pixels.max() <= (1 if layer == LABELS else 100)


def test_predicted_classes_and_quantities_are_those_of_the_layers_they_are_compared_with() -> None:
    layers = {spec.id: spec for spec in (*facts.STATIC, *facts.DYNAMIC)}
    for output in WHOLE.outputs:
        for name in output.reference:
            spec = layers[LayerId(name)]
            if output.kind is OutputKind.QUANTITY:
                assert (output.unit, output.scale, output.offset, output.low, output.high) == (
                    *(spec.unit, spec.scale, spec.offset),
                    *(spec.low, spec.high),
                )
            elif output.kind is OutputKind.SCENE:
                assert output.name in facts.WHOLE_TILES
                assert tuple(one.name for one in output.classes) == SHARES[output.name]
            elif spec.kind is LayerKind.VECTOR and output.kind is OutputKind.LABELS:
                assert set(lines_among(output.classes)) == set(LINES) <= {category(name) for name in facts.POLYLINES}
            elif output.kind is OutputKind.BOXES:
                assert spec.kind is LayerKind.VECTOR
                known_names = {one.name.replace("_", " ") for one in spec.classes}
                assert {one.name for one in output.classes if not one.void} <= known_names
            else:
                known = {one.value: one.name for one in spec.classes if not one.void}
                assert all(known[one.value] == one.name for one in output.classes if not one.void)


def test_every_output_of_a_model_has_predictions_of_its_own() -> None:
    prints = {fingerprint(WHOLE, "", RunOptions(output=output.name)) for output in WHOLE.outputs}
    assert len(prints) == len(WHOLE.outputs)
    assert fingerprint(WHOLE, "", RunOptions()) == fingerprint(WHOLE, "", RunOptions(output=WHOLE.outputs[0].name))


# --- what heads answer


def answers(tensors: dict[str, Tensor], weights: Path, number: int, windows: Tensor) -> Tensor:
    """A dense head by its formulas, from the pyramid's finest map, before softmax or sigmoid."""
    made = load(card(), weights, CPU)
    with torch.inference_mode():
        fine = made._maps(windows).fine
        assert fine is not None
        part = {name.removeprefix(f"heads.{number}."): one for name, one in tensors.items()}
        hidden = functional.conv2d(fine, part["layers.0.0.weight"], part["layers.0.0.bias"], padding=1).relu()
        return functional.conv2d(hidden, part["layers.1.weight"], part["layers.1.bias"], padding=1)


def test_dense_heads_answer_by_their_formulas(tensors: dict[str, Tensor], weights: Path) -> None:
    windows = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(5))
    made = load(card(), weights, CPU)
    with torch.inference_mode():
        found = made.forward(windows)
    covers = answers(tensors, weights, 0, windows)
    assert torch.isneginf(found["land_cover"][:, 0]).all()
    assert (found["land_cover"][:, 1:] - covers[:, 1:]).abs().max() <= TOLERANCE * covers.abs().max()
    depth = (255 * answers(tensors, weights, 1, windows)).clamp(0, 255)
    assert (found["dem"] - depth).abs().max() <= TOLERANCE * 255
    flood = answers(tensors, weights, 3, windows).sigmoid()
    assert (found["flood"][:, 1:] - flood).abs().max() <= TOLERANCE
    assert (found["flood"][:, 0] - (1 - flood.amax(1))).abs().max() <= TOLERANCE
    place, sure, _ = winners(found["flood"][0], next(one for one in card().outputs if one.name == "flood"))
    winner = torch.where(flood.amax(1) > 0.5, flood.argmax(1) + 1, 0)[0]
    assert np.array_equal(place, winner.numpy())
    assert len(np.unique(place)) > 1
    wanted = torch.where(winner > 0, flood.amax(1), 1 - flood.amax(1))[0].numpy()
    assert np.abs(sure - wanted).max() <= TOLERANCE
    coarsest = made._maps(windows).last
    layer = {name.rpartition(".")[2]: one for name, one in tensors.items() if name.startswith("heads.4.layer")}
    snow = coarsest.mean((2, 3)) @ layer["weight"].T + layer["bias"]
    assert (found["snow"] - snow).abs().max() <= TOLERANCE


def test_lines_are_in_the_order_of_their_names_or_as_they_were_drawn(tmp_path: Path) -> None:
    heads = "polyline_bin_segment:S6"
    held = numbers(satlas_files.layout("tiny", 3, "S6"))
    held["heads.0.layers.1.weight"][:] = 0
    held["heads.0.layers.1.bias"] = torch.tensor([9.0, -9, -9, -9, -9, -9])  # what is drawn first
    file = saved(held, tmp_path)
    found = {}
    for choice in (0, 1):
        with engine(card(heads), file, choices={network.LINES_AS_DRAWN: choice}) as running:
            raster = running.predict(TILE, fitted("polyline_bin_segment")).rasters[LABELS]
        (value,) = np.unique(raster.pixels)
        found[choice] = next(one.name for one in card(heads).outputs[0].classes if one.value == value)
    assert found == {0: "airport runway", 1: "road"}


def test_the_order_of_lines_makes_no_other_answer_of_another_output() -> None:
    for output, is_another in (("polyline_bin_segment", True), ("land_cover", False)):
        marks = {
            fingerprint(WHOLE, "x", RunOptions(output=output, choices={network.LINES_AS_DRAWN: choice}))
            for choice in (0, 1)
        }
        assert len(marks) == 1 + is_another


def test_every_card_with_lines_offers_both_orders() -> None:
    for name in SATLAS:
        read = read_card(CARDS / f"{name}.toml")
        has_lines = any(output.name == "polyline_bin_segment" for output in read.outputs)
        assert [option.id for option in read.options] == [network.LINES_AS_DRAWN] * has_lines
        assert not focused(read, "land_cover").options
        for output in read.outputs:
            if output.name == "polyline_bin_segment":
                assert tuple(one.name for one in output.classes[1:]) == LINES
    assert sorted(LINES) == sorted(DRAWN_LINES)


def test_the_class_that_was_never_trained_is_never_shown(
    weights: Path, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    eager = {**tensors, "heads.0.layers.1.bias": torch.tensor([1000.0] + [0.0] * 11)}
    with engine(card(), saved(eager, tmp_path, "eager.pth")) as running:
        prediction = running.predict(TILE, fitted("land_cover"))
    assert set(prediction.rasters) == {LABELS, CONFIDENCE}
    assert prediction.rasters[LABELS].pixels.min() > 0
    assert prediction.rasters[CONFIDENCE].pixels.min() > 1 / 12


def test_tree_cover_is_in_percent_and_water_depth_in_metres(weights: Path) -> None:
    with engine(card(), weights) as running:
        cover = running.predict(TILE, fitted("tree_cover"))
        depth = running.predict(TILE, fitted("dem"))
    assert set(cover.rasters) == set(depth.rasters) == {QUANTITY}
    percent, metres = cover.rasters[QUANTITY].pixels, depth.rasters[QUANTITY].pixels
    assert percent.shape == metres.shape == (1, 72, 100)  # cropped from a multiple of 32
    assert (percent >= 0).all()
    assert (percent <= 100).all()
    assert (metres >= -20).all()
    assert (metres <= 0).all()
    assert len(np.unique(percent)) > 10 < len(np.unique(metres))


def test_scenes_are_classes_of_the_whole_tile(weights: Path) -> None:
    with engine(card(), weights) as running:
        scores = running.predict(TILE, fitted("snow")).scores
    assert {one.name for one in scores} == {"no", "partial", "yes"}
    assert sum(one.probability for one in scores) == pytest.approx(1)


# --- only what is asked for


def test_another_head_on_the_same_tile_costs_only_itself(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []
    made = network.of_dates
    monkeypatch.setattr(network, "of_dates", lambda *each: passes.append("backbone") or made(*each))
    dense = network.Dense.forward
    monkeypatch.setattr(network.Dense, "forward", lambda *each: passes.append("head") or dense(*each))
    with engine(card(), weights) as running:
        first = running.predict(TILE, fitted("land_cover"))
        assert passes == ["backbone", "head"]
        running.predict(TILE, fitted("tree_cover"))
        running.predict(TILE, fitted("snow"))
        assert passes == ["backbone", "head", "head"]
        running.predict(TILE, fitted("land_cover", seed=4))
        assert passes.count("backbone") == 2
        again = running.predict(TILE, fitted("land_cover"))
        assert passes.count("backbone") == 2
        running.bare_seconds(fitted("land_cover"), 3)
        assert passes.count("backbone") == 5  # each is measured with all that it takes
    assert np.array_equal(first.rasters[LABELS].pixels, again.rasters[LABELS].pixels)


def test_maps_are_kept_for_a_few_windows_and_fine_ones_for_fewer(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = 128 * 64 * 64 * 4
    monkeypatch.setattr(network, "KEPT_FINE", 2 * fine)
    monkeypatch.setattr(network, "KEPT_COARSE", 3 * (fine // 16 + fine // 64 + fine // 256 + fine // 1024))
    made = load(focused(card(), "land_cover"), weights, CPU)
    with torch.inference_mode():
        for seed in range(5):
            made.forward(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed)))
    assert [maps.fine is not None for maps in made._kept.values()] == [False, True, True]
    made.move(CPU)
    assert not made._kept


def test_a_model_that_is_run_for_one_output_reads_one_head(weights: Path) -> None:
    made = load(focused(card(), "tree_cover"), weights, CPU)
    assert list(made._heads) == ["tree_cover"]


# --- objects

OBJECTS = "vessel:D2 polygon:I27"


def finding(folder: Path) -> Path:
    """A file whose heads see objects of some classes everywhere, one of which cannot be seen at 10 m."""
    held = numbers(satlas_files.layout("tiny", 3, "D2 I27"))
    for number, classes in ((0, [1]), (1, [1, 6, 20])):
        name = f"heads.{number}.roi_heads.box_predictor."
        for part in ("cls_score", "bbox_pred"):
            held[f"{name}{part}.weight"] *= 0.01
        held[f"{name}cls_score.bias"][classes] = 4.0
    return saved(held, folder, "objects.pth")


def test_objects_are_on_the_tile_with_their_classes_and_masks(tmp_path: Path) -> None:
    with engine(card(OBJECTS), finding(tmp_path)) as running:
        vessels = running.predict(TILE, fitted("vessel"))
        things = running.predict(TILE, fitted("polygon"))
    assert not vessels.rasters
    assert vessels.boxes is not None
    assert things.boxes is not None
    assert len(vessels.boxes.scores) > 0
    assert vessels.boxes.masks is None
    assert vessels.boxes.size == (100, 72)
    assert set(vessels.boxes.labels.tolist()) == {1}
    assert (np.diff(vessels.boxes.scores) <= 0).all()
    assert things.boxes.masks is not None
    assert things.boxes.masks.shape[1:] == (28, 28)
    hidden = {one.value for output in WHOLE.outputs if output.name == "polygon" for one in output.classes if one.void}
    assert len(hidden) == 7  # the background, and what cannot be seen at 10 m
    assert 6 in hidden
    assert set(things.boxes.labels.tolist()) <= {1, 20}
    assert len(things.boxes.labels)


class _Bright:
    """Finds what is bright in a window: a box around it, and a mask of 2 x 2 in which its brightest corner is."""

    def forward(self, windows: Tensor) -> dict[str, Tensor]:
        found = torch.zeros(len(windows), 1, 10)
        for row, window in zip(found[:, 0], windows[:, 0], strict=True):
            places = torch.nonzero(window > 0.1)
            if len(places):
                (top, left), (bottom, right) = places.min(0).values.tolist(), (places.max(0).values + 1).tolist()
                corners = window[[top, top, bottom - 1, bottom - 1], [left, right - 1, left, right - 1]]
                row[:] = torch.tensor([left, top, right, bottom, 1, 0.8, *(corners > 0.9).tolist()])
        return {"polygon": found}

    def move(self, device: torch.device) -> None:
        """Nothing to move."""


@pytest.mark.parametrize("augmentation", Augmentation)
@pytest.mark.parametrize("window", [128, 64])
def test_objects_of_a_tile_that_is_flipped_and_turned_are_where_they_were(
    augmentation: Augmentation, window: int, tmp_path: Path
) -> None:
    framing = replace(WHOLE.framings[0], window=window, stride=window // 2, fill=Fill.ZERO)
    cut = replace(card("polygon:I27"), framings=(framing,))
    pixels = np.zeros((3, 72, 100), np.uint8)
    pixels[:, 10:18, 20:32] = 128
    pixels[:, 10, 31] = 255  # the upper right corner
    given = Fitted(pixels, np.ones((72, 100), bool), full_size=(100, 72), output="polygon")
    with Engine(
        cut, tmp_path, RunOptions(device="cpu", augmentation=augmentation), load=lambda *_: _Bright()
    ) as running:
        found = running.predict(TILE, given).boxes
    assert found is not None
    assert found.corners.tolist() == [[20, 10, 32, 18]]
    assert found.scores.tolist() == pytest.approx([0.8])
    assert found.masks is not None
    assert found.masks.tolist() == [[[0, 255], [0, 0]]]


def test_objects_in_several_windows_are_put_where_they_are_and_taken_once(tmp_path: Path) -> None:
    cut = replace(card(OBJECTS), framings=(replace(WHOLE.framings[0], window=64, stride=32),))
    with engine(cut, finding(tmp_path)) as running:
        found = running.predict(TILE, fitted("vessel", size=(96, 128)))
    assert found.boxes is not None
    middle = (found.boxes.corners[:, :2] + found.boxes.corners[:, 2:]) / 2
    assert (middle >= 0).all()
    assert (middle <= (128, 96)).all()
    assert middle[:, 0].max() > 64


# --- several dates


def test_several_dates_of_a_tile_are_taken_together(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    shapes = satlas_files.layout("tiny", 3, "S12", dates=True)
    of_dates = saved(numbers(shapes), tmp_path, "dates.pth")
    assert read_layout(of_dates).told.dates
    one_head = card("land_cover:S12", dates=4)
    first, second = fitted("land_cover"), fitted("land_cover", seed=4)
    both = replace(first, pixels=np.concatenate([first.pixels, second.pixels]))
    with engine(one_head, of_dates) as running:
        alone = running.predict(TILE, first).rasters[CONFIDENCE].pixels
        twice = (
            running.predict(TILE, replace(first, pixels=np.tile(first.pixels, (2, 1, 1)))).rasters[CONFIDENCE].pixels
        )
        together = running.predict(TILE, both).rasters[CONFIDENCE].pixels
        with pytest.raises(ModelError, match="takes 3 bands"):
            running.predict(TILE, replace(first, pixels=np.tile(first.pixels, (5, 1, 1))))
    assert np.allclose(alone, twice, atol=1e-6)
    assert np.abs(alone - together).max() > 0.01


# --- input


def a_layer(name: str, kind: LayerKind, bands: tuple[str, ...]) -> LayerSpec:
    return LayerSpec(LayerId(name), kind, name, bands=bands)


def a_raster(values: list[float], dtype: str) -> Raster:
    pixels = np.array(values, dtype)[:, None, None] * np.ones((1, 2, 2), dtype)
    return Raster(pixels, np.ones(pixels.shape, bool), full_size=(2, 2))


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("satlas-sentinel2-swinb-si-ms", [0, 816, 4080, 8160, 10000, 65535], [0.0, 0.1, 0.5, 1.0, 1.0, 1.0]),
        ("satlas-sentinel1-swinb-si", [51, 1000], [0.2, 1.0]),
        ("satlas-landsat-swinb-si", [0, 4000, 12160, 20320, 65535] + [5632] * 6, [0.0, 0.0, 0.5, 1.0, 1.0] + [0.1] * 6),
    ],
)
def test_raw_products_are_scaled_as_in_training(name: str, values: list[float], wanted: list[float]) -> None:
    read = read_card(CARDS / f"{name}.toml")
    taken = read.inputs[-1]
    contents = [(a_layer("raw", taken.kind, taken.bands), a_raster(values, "uint16"))]
    if len(read.inputs) == 2:
        contents.insert(0, (a_layer("tci", LayerKind.OPTICAL, ("B04", "B03", "B02")), a_raster([10, 20, 30], "uint8")))
    found = fit(read, contents, align)
    share = found.pixels[-len(wanted) :, 0, 0] / taken.std[0]
    assert share == pytest.approx(wanted, abs=1e-6)
    assert any("raw numbers" in remark for remark in found.remarks)
    if len(read.inputs) == 2:
        assert found.pixels[:3, 0, 0].tolist() == [10, 20, 30]


def test_numbers_in_another_unit_are_remarked() -> None:
    read = read_card(CARDS / "satlas-sentinel1-swinb-si.toml")
    decibels = a_raster([-12.5, -20.0], "float32")
    found = fit(read, [(a_layer("s1", LayerKind.SAR, ("VH", "VV")), decibels)], align)
    assert any("100% of them lie beyond" in remark for remark in found.remarks)


def test_pictures_of_8_bits_are_taken_as_they_are() -> None:
    read = read_card(CARDS / "satlas-landsat-swinb-si.toml")
    spec = a_layer("landsat", LayerKind.OPTICAL, read.inputs[0].bands)
    found = fit(read, [(spec, a_raster([200.0] * 11, "uint8"))], align)
    assert found.pixels.dtype == np.uint8
    assert not found.remarks


# --- what does not fit


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"heads": "land_cover:S12"}}, "has the heads S12 S1 S1 S2 C3, but its card says S12"),
        ({"settings": {"heads": HEADS.replace("dem", "depth")}}, "asks for 'dem'"),
        ({"inputs": (replace(WHOLE.inputs[0], bands=("red", "green")),)}, "takes 3 bands, but its card gives it 2"),
        (
            {"outputs": (replace(WHOLE.outputs[0], classes=WHOLE.outputs[0].classes[:5]),)},
            "names 5 classes for 'land_cover', but the file tells 12 apart",
        ),
    ],
)
def test_a_card_of_another_file_is_refused_in_a_sentence(changes: dict[str, object], said: str, weights: Path) -> None:
    with pytest.raises(ModelError, match=said):
        load(card(**changes), weights, CPU)  # type: ignore[arg-type]  # as above


def test_windows_of_other_sizes_are_refused(weights: Path) -> None:
    with pytest.raises(ModelError, match="multiples of 32, not 50 x 64"):
        load(card(), weights, CPU).forward(torch.rand(1, 3, 64, 50))


@pytest.mark.parametrize("name", ["satlas-sentinel2-swint-si-rgb", "satlas-sentinel2-resnet50-mi-ms"])
def test_a_whole_published_layout_runs(name: str, tmp_path: Path) -> None:
    read = read_card(CARDS / f"{name}.toml")
    heads = " ".join(one.partition(":")[2] for one in str(read.settings["heads"]).split())
    bands, dates = read.band_count, bool(read.settings["dates"])
    whole = 1024 if "aerial" in name else 128
    backbone = str(read.settings["backbone"])
    shapes = satlas_files.layout(backbone, bands, heads, dates=dates, whole=whole)
    path = saved(numbers(shapes), tmp_path)
    made = load(read, path, CPU)
    with torch.inference_mode():
        found = made.forward(torch.rand(1, bands, 64, 64))
    assert set(found) == {output.name for output in read.outputs}
    assert all(torch.isfinite(one[:, 1:]).all() for one in found.values())
    assert {"point", "polygon", "vessel"} <= set(found)


def test_dates_stand_behind_each_other_and_those_that_cannot_be_read_are_left_out() -> None:
    def ready(value: int, size: int = 8) -> Fitted:
        return Fitted(np.full((3, size, size), value, np.uint8), np.ones((size, size), bool), remarks=("Fine.",))

    def broken() -> Fitted:
        raise ModelError("It cannot be read.")

    found = in_time(WHOLE, [lambda: ready(1), broken, lambda: ready(2), lambda: ready(3, 4)], 2)
    assert found.pixels[:, 0, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert found.remarks[0] == "Fine."
    assert "from 2 images of different dates" in found.remarks[1]
    assert in_time(WHOLE, [lambda: ready(1), broken], 0).remarks == ("Fine.",)
    with pytest.raises(ModelError, match="cannot be read"):
        in_time(WHOLE, [lambda: ready(1), broken], 1)
