"""Models on odd and real files: every one is predicted, or it is said in a sentence why not; and the next one comes."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
from numpy.typing import NDArray

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted, fit
from rsviewer.core.judging import Judgement, judge
from rsviewer.core.metrics import numbers
from rsviewer.core.model import ModelCard, RunOptions
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, HEIGHT_ERROR, LABELS, LABELS_ERROR, Prediction
from rsviewer.core.scene import PaneState
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Raster, TileId
from rsviewer.data.aligning import align
from rsviewer.data.content import read_content
from rsviewer.data.models import Shelf
from rsviewer.inference.engine import Engine
from rsviewer.workspace.modelstate import Stage
from tests.journeys.visit import JARGON, contents_of, picture, slope, visiting

pytestmark = pytest.mark.usefixtures("qapp", "quiet_log")

OPTICAL = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")
HEIGHTS = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit="m", low=-1000.0, high=9000.0)
CLASSES = LayerSpec(LayerId("landcover"), LayerKind.LABELS, "land cover")
LARGE = 2_000_000
"""Pixels; larger ones take seconds and tell nothing new."""


def cards() -> list[ModelCard]:
    """The cards that come with the program and take an image."""
    found = [model.card for model in Shelf().models() if model.id in ("rs3dada-height", "demo-height")]
    assert len(found) == 2
    return [card for card in found if card is not None]


def check_remarks(remarks: Sequence[str]) -> None:
    for remark in remarks:
        assert remark.endswith((".", "?")), remark
        assert "\n" not in remark
        assert not any(word in remark for word in JARGON), remark


def fitted_or_told(card: ModelCard, spec: LayerSpec, content: LayerContent) -> Fitted | None:
    """What a network gets; None where it gets nothing, which must be said well."""
    try:
        fitted = fit(card, [(spec, content)], align)
    except ModelError as error:
        check_remarks([str(error)])
        return None
    assert isinstance(content, Raster)
    assert fitted.valid.shape == (content.height, content.width)
    assert fitted.pixels.shape == (3, content.height, content.width)
    assert fitted.pixels.dtype in (np.uint8, np.float32)
    usable = fitted.pixels[:, fitted.valid]
    assert np.isfinite(usable).all()
    assert usable.min() >= 0
    assert usable.max() <= 255
    assert not fitted.pixels[:, ~fitted.valid].any()
    check_remarks(fitted.remarks)
    return fitted


def answered(tile: str, fitted: Fitted) -> Prediction:
    """Heights, classes and probabilities of anything, as an engine would give them."""
    kind: dict[str, Any] = {
        "transform": fitted.transform,
        "crs": fitted.crs,
        "gsd": fitted.gsd,
        "cell": fitted.cell,
        "full_size": fitted.full_size,
    }
    shape, valid = fitted.valid.shape, fitted.valid[None]
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    heights = (5 * np.sin(row / 7) + column % 11).astype(np.float32)[None]
    rasters = {
        HEIGHT: Raster(heights, valid, **kind),
        LABELS: Raster((1 + (row + column) % 8).astype(np.uint8)[None], valid, **kind),
        CONFIDENCE: Raster(np.full((1, *shape), 0.5, np.float32), valid, **kind),
    }
    return Prediction(TileId(tile), "0123456789abcdef", rasters, seconds=0.1, device="cpu")


def check_judged(judgement: Judgement) -> None:
    """What is told of a prediction beside its reference is finite, and lies on the prediction's grid."""
    check_remarks(judgement.remarks)
    assert judgement.prediction is not None
    shape = judgement.prediction.rasters[HEIGHT].pixels.shape
    for layer in (HEIGHT_ERROR, LABELS_ERROR):
        error = judgement.rasters.get(layer)
        if error is not None:
            assert error.pixels.shape == shape
            assert np.isfinite(error.pixels[error.valid].astype(float)).all()
    assert all(np.isfinite(value) for value in numbers(judgement.heights, judgement.labels).values())


def both(card: ModelCard) -> ModelCard:
    """A card that gives classes, too, those of SynRS3D."""
    found = next(model.card for model in Shelf().models() if model.id == "rs3dada-segmentation")
    assert found is not None
    return replace(card, outputs=(*card.outputs, *found.outputs))


@pytest.mark.real
def test_every_odd_file_is_fitted_and_judged_or_it_is_said_why_not(shared_data: Path) -> None:
    """Each file as the image, as the heights and as the classes of its own tile, and of a healthy image."""
    files = sorted(path for path in (shared_data / "robust").rglob("*") if path.is_file() and path.suffix != ".csv")
    healthy = Raster(picture(20, 30), np.ones((3, 20, 30), np.bool_))
    demo = both(cards()[0])
    done = 0
    for path in files:
        image = read_content(str(path), OPTICAL)
        fitted = [fitted_or_told(card, OPTICAL, image) for card in cards()]
        for one in (*fitted[:1], fit(demo, [(OPTICAL, healthy)], align)):
            if one is None or one.valid.size > LARGE:
                continue
            references = {
                HEIGHT: (HEIGHTS, read_content(str(path), HEIGHTS)),
                LABELS: (CLASSES, read_content(str(path), CLASSES)),
            }
            check_judged(judge(demo, answered(path.name, one), references, align))
            done += 1
    assert done > len(files)


@pytest.mark.real
def test_real_files_are_fitted_and_judged_or_it_is_said_why_not(shared_data: Path) -> None:
    """Each as the image, compared with itself and with heights of another place, size and CRS."""
    files = sorted(path for path in (shared_data / "real").rglob("*") if path.suffix in (".tif", ".png", ".jpg"))
    elsewhere = read_content(str(shared_data / "real" / "heights_only" / "alexandria_dsm.tif"), HEIGHTS)
    demo = both(cards()[0])
    done = 0
    for path in files:
        image = read_content(str(path), OPTICAL)
        fitted, _ = (fitted_or_told(card, OPTICAL, image) for card in cards())
        if fitted is None or fitted.valid.size > LARGE:
            continue
        for heights in (read_content(str(path), HEIGHTS), elsewhere):
            references = {HEIGHT: (HEIGHTS, heights), LABELS: (CLASSES, read_content(str(path), CLASSES))}
            check_judged(judge(demo, answered(path.name, fitted), references, align))
        done += 1
    assert done > len(files) / 2


class Pretending:
    """An engine that answers anything at once."""

    device = "cpu"

    def __init__(self, *_: object) -> None:
        pass

    def predict(self, tile: TileId, fitted: Fitted, *, model: str = "") -> Prediction:
        found = answered(tile, fitted)
        return replace(found, model=model, rasters={HEIGHT: found.rasters[HEIGHT]})

    def close(self) -> None:
        pass


@pytest.mark.real
def test_odd_files_get_a_prediction_in_their_panes_or_a_sentence(shared_data: Path, tmp_path: Path) -> None:
    """Every eighth of the odd files as image and heights of its own tile: panes, readout and 3D."""
    files = sorted(path for path in (shared_data / "robust").rglob("*.tif") if path.stat().st_size < 2_000_000)[::8]
    for number, path in enumerate(files):
        for folder in ("opt", "gt_nDSM"):
            link = tmp_path / "farm" / folder / f"{number:03}.tif"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    shown = 0
    with visiting(tmp_path / "farm") as visit:
        workspace = visit.workspace
        workspace.predicting._answering._engines = Pretending
        workspace.predicting.choose("demo-height")
        workspace.reliefs.set_style(replace(workspace.reliefs.style, height=HEIGHT))
        workspace.reliefs.set_open(on=True)
        for tile in visit.tiles:
            visit.show(tile)
            workspace.predicting.predict()
            panes = visit.panes()
            pane, state = panes[HEIGHT], workspace.predicting.state
            assert state.stage in (Stage.DONE, Stage.FAILED)
            assert (pane.state is PaneState.SHOWN) is (state.stage is Stage.DONE)
            if state.stage is Stage.FAILED:
                check_remarks([state.message])
                assert pane.message == state.message
                continue
            shown += 1
            assert visit.read(0, 0)[HEIGHT]
            relief = workspace.reliefs.relief
            assert relief is not None
            assert relief.tile == tile
            check_remarks(relief.remarks)
    assert shown > len(files) / 3


ODD: dict[str, NDArray[Any]] = {
    "one pixel": picture(1, 1),
    "a row": picture(1, 40),
    "a column": picture(40, 1),
    "two bands": picture()[:2],
    "four bands": np.concatenate([picture(), picture(seed=1)[:1]]),
    "one value": np.full((3, 8, 9), 7, np.uint8),
    "int16": (picture().astype(np.int16) - 128) * 200,
    "uint16": picture().astype(np.uint16) * 257,
    "int32": picture().astype(np.int32) * 8_000_000,
    "all NaN": np.full((3, 8, 9), np.nan, np.float32),
    "all inf": np.full((3, 8, 9), np.inf, np.float32),
    "NaN and inf": np.where(picture() < 60, np.nan, np.where(picture() > 200, -np.inf, picture())).astype(np.float32),
    "huge": picture() * np.float64(1e300),
    "as large as float32": picture() / 255 * np.finfo(np.float32).max,
    "tiny": picture() * np.float64(1e-300),
    "shares": (picture() / 255).astype(np.float32),
    "truth": picture() > 100,
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("is_half_valid", [False, True], ids=["valid", "half"])
def test_odd_pixels_are_fitted_and_judged_or_it_is_said_why_not(name: str, is_half_valid: bool) -> None:
    pixels = ODD[name].copy()
    valid = np.ones(pixels.shape, np.bool_)
    if is_half_valid:
        valid[:, : pixels.shape[1] // 2] = False
    image = Raster(pixels, valid)
    demo = both(cards()[0])
    for card in cards():
        fitted = fitted_or_told(card, OPTICAL, image)
        assert (fitted is None) is (name in ("two bands", "all NaN", "all inf"))
        if fitted is None:
            continue
        for heights in (image, Raster(slope()[None], np.ones((1, 24, 32), np.bool_))):
            references = {HEIGHT: (HEIGHTS, heights), LABELS: (CLASSES, image)}
            check_judged(judge(demo, answered("a", fitted), references, align))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """demo-height in this process, on one thread."""
    model = Shelf().find("demo-height")
    assert model.card is not None
    with Engine(model.card, model.weights, RunOptions(device="cpu", threads=1)) as opened:
        yield opened


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (33, 700), (513, 511), (40, 40)])
def test_the_network_answers_on_the_grid_of_the_image_where_the_image_is(
    engine: Engine, height: int, width: int
) -> None:
    valid = np.ones((3, height, width), np.bool_)
    valid[:, height // 2 + 1 :, : width // 3] = False
    (card, *_) = (card for card in cards() if card.id == "demo-height")
    place = (0.5, 0.0, 400_000.0, 0.0, -0.5, 4_000_000.0)
    image = Raster(picture(height, width), valid, place, "EPSG:32654", 0.5)
    prediction = engine.predict(TileId("a"), fit(card, [(OPTICAL, image)], align), model="m")

    found = prediction.rasters[HEIGHT]
    assert (prediction.tile, prediction.model) == ("a", "m")
    assert found.pixels.shape == (1, height, width)
    assert (found.transform, found.crs) == (place, "EPSG:32654")
    np.testing.assert_array_equal(found.valid[0], valid[0])
    assert np.isfinite(found.pixels[found.valid]).all()


# --- projects of strangers


STRANGE: dict[str, object] = {
    "a text": "demo-height",
    "a list": [1, 2],
    "null": None,
    "types": {"model": 5, "options": "fast", "inputs": {"a": 1}, "references": [], "kept": "yes"},
    "a path": {"model": "/etc/passwd", "kept": True},
    "a path up": {"model": "../../x/card.toml", "kept": True},
    "huge": {"model": "m" * 1_000_000, "inputs": ["i" * 100_000] * 50, "references": {"r" * 1000: "s" * 100_000}},
    "unknown layers": {
        "model": "demo-height",
        "inputs": ["../../x", "nowhere"],
        "references": {HEIGHT: "../../x", "model.nothing": "ndsm"},
        "kept": True,
    },
    "options out of range": {
        "model": "demo-height",
        "options": {"threads": -1, "batch": 10**30, "precision": "int4", "framing": "../x", "augmentation": 3},
    },
    "a strange device": {"model": "demo-height", "options": {"device": "cuda:" + "9" * 300, "framing": "f" * 10_000}},
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_session_of_a_stranger_opens_and_runs_nothing(
    tiny_dataset: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr(Shelf, "find", never)
    monkeypatch.setattr(Shelf, "allow", never)
    project = tmp_path / "project"
    with visiting(tiny_dataset, project_directory=project):
        pass
    session = project / "session.json"
    document = json.loads(session.read_text())
    session.write_text(json.dumps({**document, "model": STRANGE[name]}))
    before = contents_of(tiny_dataset)
    with visiting(tiny_dataset, project_directory=project) as visit:
        visit.workspace.predicting._answering._engines = never  # type: ignore[assignment]  # it must not be called
        panes = visit.panes()
        assert panes[LayerId("image")].state is PaneState.SHOWN
        model = visit.workspace.predicting.state.model
        assert model is None or model.builtin
        if HEIGHT in panes:
            assert panes[HEIGHT].message == "Press I to predict this tile."
        visit.workspace.predicting._answering._engines = Pretending
        visit.workspace.predicting.predict()
        assert visit.panes()[HEIGHT].state is PaneState.SHOWN
    assert contents_of(tiny_dataset) == before


def tagged(path: Path, tags: dict[str, str]) -> None:
    with rasterio.open(path, "r+") as file:
        file.update_tags(**tags)


def sized(path: Path, size: int) -> None:
    """A file that claims so many rows and columns, and holds next to nothing."""
    with rasterio.open(path) as file:
        tags = {name: text for name, text in file.tags().items() if name.startswith("RSVIEWER_")}
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": file.crs, "transform": file.transform}
    grid = json.loads(tags["RSVIEWER_GRID"])
    tags["RSVIEWER_GRID"] = json.dumps({**grid, "size": [size, size], "full_size": [size, size]})
    path.unlink()
    options: dict[str, Any] = {"sparse_ok": True, "tiled": True, "compress": "deflate", "bigtiff": "yes"}
    with rasterio.open(path, "w", **profile, width=size, height=size, **options) as file:
        file.update_tags(**tags)


def linked(path: Path) -> None:
    """The user's own file in the place of the prediction."""
    path.rename(path.with_name("precious"))
    path.symlink_to(path.with_name("precious"))
    path.write_bytes(b"precious")


SPOILT: dict[str, Callable[[Path], None]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "empty": lambda path: path.write_bytes(b""),
    "of another tile": lambda path: tagged(path, {"RSVIEWER_TILE": "a/2"}),
    "of another model": lambda path: tagged(path, {"RSVIEWER_FINGERPRINT": "0" * 16}),
    "of no grid": lambda path: tagged(path, {"RSVIEWER_GRID": '{"size": [32, 24], "full_size": [], "transform": [0]}'}),
    "of nothing": lambda path: tagged(path, {"RSVIEWER_REMARKS": "5", "RSVIEWER_SECONDS": "1e999"}),
    "small": lambda path: sized(path, 5),
    "vast": lambda path: sized(path, 300_000),
    "a link": linked,
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_prediction_in_a_project_is_not_shown_and_made_anew(
    tiny_dataset: Path, tmp_path: Path, name: str
) -> None:
    project = tmp_path / "project"
    with visiting(tiny_dataset, project_directory=project) as visit:
        visit.workspace.predicting._answering._engines = Pretending
        visit.workspace.predicting.choose("demo-height")
        visit.workspace.predicting.set_kept(kept=True)
        visit.workspace.predicting.predict()
        assert visit.panes()[HEIGHT].state is PaneState.SHOWN
    (path,) = (project / "predictions").rglob("*.height.tif")
    SPOILT[name](path)
    process = psutil.Process()
    before = process.memory_info().rss
    with visiting(tiny_dataset, project_directory=project) as visit:
        visit.workspace.predicting._answering._engines = Pretending
        assert visit.panes()[HEIGHT].message == "Press I to predict this tile."
        assert process.memory_info().rss - before < 200_000_000
        visit.workspace.predicting.predict()
        assert visit.panes()[HEIGHT].state is PaneState.SHOWN
    assert not path.is_symlink()
    assert name != "a link" or path.with_name("precious").read_bytes() == b"precious"
