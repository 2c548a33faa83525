"""Predictions kept in the project: one GeoTIFF for each predicted layer of a tile, with what made it in its tags.

`predictions/<model id>-<fingerprint>/<tile>.<height, labels, confidence or quantity>.tif`; derived, may be deleted at any time.
They hold the tile's georeference; an invalid pixel is NaN in numbers and in probabilities, and has no label (the file's nodata)
in classes. What a model says of the whole tile is in `<tile>.scores.json`, what it found in boxes in `<tile>.objects.json`.
"""

import base64
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from rsviewer.core.boxes import Boxes
from rsviewer.core.errors import SaveError
from rsviewer.core.model import ModelCard, OutputKind, Scores
from rsviewer.core.prediction import CONFIDENCE, HEIGHT, LABELS, QUANTITY, Prediction, Score
from rsviewer.core.scenemetrics import THERE
from rsviewer.core.tile import LabelClass, LayerId, Missing, Raster, TileId, Unreadable, printable
from rsviewer.data.filenames import path_of
from rsviewer.data.geotiff import Color, geotiff, transform_of
from rsviewer.data.officialfiles import OfficialFiles
from rsviewer.data.raster import MAX_PIXELS
from rsviewer.data.rasterfile import Source, check_size, with_dataset
from rsviewer.data.saving import save

log = logging.getLogger(__name__)

OBJECTS = "objects"
"""Stands in the place of a layer for what was found in boxes."""
SCORES = "scores"
"""Stands in the place of a layer for what a model says of the whole tile."""

KEPT = {HEIGHT: ("float32",), LABELS: ("uint8", "uint16"), CONFIDENCE: ("float32",), QUANTITY: ("float32",)}
"""Layers that are kept, and the types of their files."""

_FILE_OF = {
    OutputKind.HEIGHT: HEIGHT,
    OutputKind.LABELS: LABELS,
    OutputKind.SCENE: SCORES,
    OutputKind.QUANTITY: QUANTITY,
    OutputKind.BOXES: OBJECTS,
}
"""What every prediction of such an output has. CONFIDENCE is written before them, where there is one."""

_TAG = "RSVIEWER_"
_MOST_JSON = 16 << 20
_MOST_OBJECTS = 100_000
_MOST_REMARKS, _MOST_TEXT = 64, 1000
"""Remarks, and characters of each, that are taken from a file."""
_MOST_PIXELS = 1 << 31
"""Of a side of the file that a raster was read from."""


class PredictionStore:
    """The predictions of one model in one folder. May be used from any thread.

    Args:
        folder: where all predictions of a project are kept, or the folder that `predict --out` names.
        card: of the model; its id and title go into names and tags.
        model: fingerprint, see `core.model.fingerprint`.
        sha256: of the weights, for the tags.
        official: what else is written of every tile, in a folder beside; None for nothing.
    """

    def __init__(
        self, folder: Path, card: ModelCard, model: str, sha256: str, official: OfficialFiles | None = None
    ) -> None:
        self._folder = folder.absolute() / f"{card.id}-{model}"
        self._card = card
        self._model = model
        self._sha256 = sha256
        self._official = official
        self._needed = tuple(dict.fromkeys(_FILE_OF[output.kind] for output in card.outputs))

    @property
    def folder(self) -> Path:
        """Where the files of this model lie."""
        return self._folder

    def has(self, tile: TileId) -> bool:
        """Whether the tile was predicted and kept, all its layers."""
        official = self._official_path(tile)
        return all(self.path(tile, layer).is_file() for layer in self._needed) and (
            official is None or official.is_file()
        )

    def read(self, tile: TileId, source: str = "") -> Prediction | None:
        """What was kept; None where nothing was, or it cannot be used (it is then predicted again).

        Args:
            tile: whose prediction.
            source: `state_of` the files that it should be made of; empty for any.
        """
        if not self.has(tile):
            return None
        try:
            return self._read(tile, source)
        except _FAULTS as error:
            log.info("The kept prediction of %s is not used: %s", tile, error)
            return None

    def write(self, prediction: Prediction, source: str = "") -> None:
        """Keeps a prediction: each file is whole or not there.

        Args:
            prediction: of this model.
            source: `state_of` the files that it was made of.

        Raises:
            SaveError: it cannot be written.
        """
        if prediction.model != self._model:
            raise ValueError(f"a prediction of {prediction.model}, not of {self._model}")
        layers = [layer for layer in (CONFIDENCE, HEIGHT, LABELS, QUANTITY) if layer in prediction.rasters]
        tags = self._tags(prediction, layers, source)
        for layer in layers:
            self._write_raster(prediction.tile, layer, prediction.rasters[layer], tags)
        official = self._official_path(prediction.tile)
        if self._official is not None and official is not None:
            files = self._official
            _write(official, lambda: files.content(prediction))
        if SCORES in self._needed:
            scores: list[dict[str, Any]] = [
                {"name": score.name, "probability": score.probability} for score in prediction.scores
            ]
            if self._says_several():
                scores = [{**one, "there": one["probability"] >= THERE} for one in scores]
            text = json.dumps({**tags, "scores": scores, "similarity": prediction.similarity}, indent=1)
            _write(self.path(prediction.tile, SCORES), text.encode)
        if prediction.boxes is not None:
            text = json.dumps({**tags, **_boxes_parts(prediction.boxes, self._names(OutputKind.BOXES))}, indent=1)
            _write(self.path(prediction.tile, OBJECTS), text.encode)

    def path(self, tile: TileId, layer: str) -> Path:
        """Where a layer's file is or would be. Never outside of the folder, whatever the tile is called."""
        name = layer.rpartition(".")[2]
        if not name.isidentifier():
            raise ValueError(f"{layer!r} is no layer")
        return path_of(self._folder, tile, f"{name}.json" if name in (SCORES, OBJECTS) else f"{name}.tif")

    def _names(self, kind: OutputKind) -> dict[int, str]:
        """Of the classes of an output."""
        output = self._card.output(kind)
        return {one.value: one.name for one in output.classes} if output else {}

    def _says_several(self) -> bool:
        output = self._card.output(OutputKind.SCENE)
        return output is not None and output.scores is Scores.INDEPENDENT

    def _official_path(self, tile: TileId) -> Path | None:
        """Of the publishers' file of a tile; None where there is none."""
        name = "" if self._official is None else self._official.name(tile)
        return self._folder / self._official.folder / name if self._official is not None and name else None

    def _tags(self, prediction: Prediction, layers: Sequence[LayerId], source: str) -> dict[str, str]:
        """What is said in every file of a prediction."""
        said = {
            "TILE": _plain(prediction.tile),
            "MODEL": self._card.id,
            "TITLE": _plain(self._card.title),
            "FINGERPRINT": self._model,
            "WEIGHTS_SHA256": self._sha256,
            "LAYERS": " ".join(layers),
            "SOURCE": source,
            "DEVICE": _plain(prediction.device),
            "SECONDS": repr(float(prediction.seconds)),
            "FORWARD_SECONDS": repr(float(prediction.forward_seconds)),
            "REMARKS": json.dumps(prediction.remarks),
        }
        return {f"{_TAG}{name}": text for name, text in said.items()}

    def _write_raster(self, tile: TileId, layer: LayerId, raster: Raster, tags: Mapping[str, str]) -> None:
        classes: Sequence[LabelClass] = ()
        if layer == LABELS:
            output = self._card.output(OutputKind.LABELS)
            classes = output.classes if output else ()
            tags = {**tags, f"{_TAG}CLASSES": json.dumps({one.value: one.name for one in classes})}
        tags = {**tags, f"{_TAG}GRID": json.dumps(_grid(raster))}
        _write(self.path(tile, layer), lambda: _tiff(raster, tags, classes, is_labels=layer == LABELS))

    def _read(self, tile: TileId, source: str) -> Prediction:
        """Raises _OddError and what parsing raises where a file is not what this store has written."""
        tags: Mapping[str, Any] = {}
        scores: tuple[Score, ...] = ()
        if SCORES in self._needed:
            tags = _read_json(self.path(tile, SCORES))
            scores = self._scores(tags["scores"])
            self._check(tile, tags, source)
        boxes = None
        if OBJECTS in self._needed:
            tags = _read_json(self.path(tile, OBJECTS))
            boxes = _boxes(tags["size"], tags["objects"], self._names(OutputKind.BOXES))
            self._check(tile, tags, source)
        rasters: dict[LayerId, Raster] = {}
        for layer, dtypes in KEPT.items():
            if layer in self._needed or layer in str(tags.get(f"{_TAG}LAYERS", "")).split():
                rasters[layer], said = _read_raster(self.path(tile, layer), dtypes)
                self._check(tile, said, source)
                tags = tags or said
        if len({raster.pixels.shape for raster in rasters.values()}) > 1:
            raise _OddError("its layers differ in size")
        if LABELS in rasters:
            self._check_labels(rasters[LABELS])
        remarks = json.loads(tags[f"{_TAG}REMARKS"])
        return Prediction(
            tile,
            self._model,
            rasters,
            scores,
            _finite(tags[f"{_TAG}SECONDS"]),
            _finite(tags[f"{_TAG}FORWARD_SECONDS"]),
            _original(tags.get(f"{_TAG}DEVICE", ""))[:_MOST_TEXT],
            tuple(str(remark)[:_MOST_TEXT] for remark in remarks[:_MOST_REMARKS]),
            boxes=boxes,
            similarity=None if tags.get("similarity") is None else _finite(tags["similarity"]),
        )

    def _scores(self, said: Any) -> tuple[Score, ...]:
        """Raises _OddError where the model cannot have said that."""
        output = self._card.output(OutputKind.SCENE)
        known = {one.name for one in output.classes} if output else set()
        if len(said) > len(output.classes if output else ()) or any(one["name"] not in known for one in said):
            raise _OddError("it names classes that the model does not know")
        return tuple(Score(one["name"], _finite(one["probability"])) for one in said)

    def _check_labels(self, raster: Raster) -> None:
        output = self._card.output(OutputKind.LABELS)
        known = np.zeros(np.iinfo(raster.pixels.dtype).max + 1, bool)
        known[[one.value for one in output.classes if one.value < len(known)] if output else []] = True
        if not known[raster.pixels[raster.valid]].all():
            raise _OddError("it holds classes that the model does not know")

    def _check(self, tile: TileId, tags: Mapping[str, Any], source: str) -> None:
        """Raises _OddError for the file of another tile or model or made of others, under whatever name it lies here."""
        if tags.get(f"{_TAG}TILE", "") != _plain(tile):  # GDAL drops an empty tag
            raise _OddError("it is of another tile")
        if tags.get(f"{_TAG}FINGERPRINT") != self._model:
            raise _OddError("it is of another model")
        if source and tags.get(f"{_TAG}SOURCE", "") != source:
            raise _OddError("it was made of files that are others by now")


class _OddError(Exception):
    """A file is not what the store would have written."""


_FAULTS = (_OddError, *(ArithmeticError, LookupError, MemoryError, OSError, RecursionError, TypeError, ValueError))
"""What a file that somebody else wrote can end in."""


def _write(path: Path, content: Callable[[], bytes]) -> None:
    """Raises SaveError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():  # a project may come from a stranger, and a link in it lead to any file of the user's
            path.unlink()
    except OSError as error:
        raise SaveError(
            f"The folder {printable(str(path.parent))} cannot be made or written ({error.strerror}). "
            "Make room or give permission there, or choose another place."
        ) from error
    save(path, content(), overwrite=True)


def _tiff(raster: Raster, tags: Mapping[str, str], classes: Sequence[LabelClass], *, is_labels: bool) -> bytes:
    pixels, valid = raster.pixels[0], raster.valid[0]
    dtype, nodata = _marker(pixels.dtype, classes) if is_labels else (np.dtype(np.float32), float("nan"))
    stored: NDArray[Any] = np.where(valid, pixels, dtype.type(nodata)).astype(dtype, copy=False)
    colors: dict[int, Color] | None = None
    if is_labels and dtype == np.uint8:
        colors = {**{one.value: (*one.color, 255) for one in classes}, int(nodata): (0, 0, 0, 0)}
    return geotiff(
        stored[None], transform=transform_of(raster), crs=raster.crs, nodata=nodata, colors=colors, tags=tags
    )


def _marker(dtype: np.dtype[Any], classes: Sequence[LabelClass]) -> tuple[np.dtype[Any], int]:
    """The type of a file of labels, and a value that is no class: the highest, else 0, else any."""
    taken = {one.value for one in classes}
    for wide in (np.dtype(np.uint8), np.dtype(np.uint16)):
        highest = int(np.iinfo(wide).max)
        free = next((value for value in (highest, *range(highest)) if value not in taken), None)
        if wide.itemsize >= dtype.itemsize and free is not None:
            return wide, free
    raise ValueError(f"labels of type {dtype} and {len(classes)} classes have no place in a file")


def _grid(raster: Raster) -> dict[str, Any]:
    """What a GeoTIFF does not hold, or not to the last digit."""
    return {
        "size": (raster.width, raster.height),
        "full_size": raster.full_size,
        "transform": raster.transform,
        "crs": raster.crs,
        "gsd": raster.gsd,
        "cell": raster.cell,
    }


def _read_raster(path: Path, dtypes: Sequence[str]) -> tuple[Raster, dict[str, str]]:
    """A kept layer and its tags. Raises _OddError."""

    def work(source: Source, dataset: DatasetReader) -> tuple[NDArray[Any], float | None, dict[str, str]]:
        if source.driver != "GTiff" or dataset.count != 1 or dataset.dtypes[0] not in dtypes:
            raise _OddError(f"{printable(str(path))} holds something else")
        check_size(source, dataset)
        if dataset.width * dataset.height > MAX_PIXELS:
            raise _OddError(f"{printable(str(path))} is larger than anything that is predicted")
        return dataset.read(), dataset.nodata, dataset.tags()

    found = with_dataset(path, work)
    if isinstance(found, Missing | Unreadable):
        raise _OddError(found.reason)
    pixels, nodata, tags = found
    grid = json.loads(tags[f"{_TAG}GRID"])
    if list(grid["size"]) != [pixels.shape[2], pixels.shape[1]]:
        raise _OddError(f"{printable(str(path))} was resampled")
    is_float = pixels.dtype.kind == "f"
    across, down = (int(side) for side in grid["full_size"])
    gsd, cell = None if grid["gsd"] is None else _finite(grid["gsd"]), _numbers(grid["cell"], 2)
    metres = [value for value in (gsd, *(cell or ())) if value is not None]
    if not 0 < across <= _MOST_PIXELS or not 0 < down <= _MOST_PIXELS or min(metres, default=1) <= 0:
        raise _OddError(f"{printable(str(path))} lies on no grid")
    raster = Raster(
        pixels,
        np.isfinite(pixels) if is_float or nodata is None else pixels != nodata,
        transform=_numbers(grid["transform"], 6),
        crs=str(grid["crs"]),
        gsd=gsd,
        cell=cell,
        nodata=None if is_float else nodata,
        full_size=(across, down),
    )
    return raster, tags


def _boxes_parts(boxes: Boxes, names: Mapping[int, str]) -> dict[str, Any]:
    """Objects as JSON that other programs can read, too: corners in pixels, masks packed as base64 of 28 x 28 bytes."""
    objects = []
    for place, (corners, label, score) in enumerate(zip(boxes.corners, boxes.labels, boxes.scores, strict=True)):
        said: dict[str, Any] = {
            "class": int(label),
            "name": names.get(int(label), ""),
            "score": round(float(score), 6),
            "box": [round(float(value), 3) for value in corners],
        }
        if boxes.masks is not None:
            said["mask"] = base64.b64encode(boxes.masks[place].tobytes()).decode("ascii")
        objects.append(said)
    return {"size": list(boxes.size), "objects": objects}


def _boxes(size: Any, objects: Any, names: Mapping[int, str]) -> Boxes:
    """What `_boxes_parts` was made of. Raises _OddError."""
    if len(objects) > _MOST_OBJECTS or any(one["class"] not in names for one in objects):
        raise _OddError("it holds objects that the model does not know")
    width, height = (int(side) for side in size)
    masks = [np.frombuffer(base64.b64decode(one["mask"]), np.uint8) for one in objects if "mask" in one]
    side = math.isqrt(len(masks[0])) if masks else 0
    return Boxes(
        np.array([_numbers(one["box"], 4) for one in objects], np.float32).reshape(-1, 4),
        np.array([one["class"] for one in objects], np.int32),
        np.array([_finite(one["score"]) for one in objects], np.float32),
        (width, height),
        np.stack(masks).reshape(-1, side, side) if masks else None,
    )


def _numbers(values: Any, count: int) -> Any:
    if values is None:
        return None
    if len(values) != count:
        raise _OddError(f"{values!r} are not {count} numbers")
    return tuple(map(_finite, values))


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise _OddError(f"{number} is no number")
    return number


def _read_json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        document = json.loads(file.read(_MOST_JSON))
    if not isinstance(document, dict):
        raise _OddError(f"{printable(str(path))} holds something else")
    return document


def _plain(text: str) -> str:
    r"""A text for a tag: as it is where that can be printed, with "\u0007" and the like else. GDAL drops blanks at the ends."""
    plain = json.dumps(text, ensure_ascii=not text.isprintable())[1:-1]
    plain = f"\\u0020{plain[1:]}" if plain.startswith(" ") else plain
    return f"{plain[:-1]}\\u0020" if plain.endswith(" ") else plain


def _original(text: str) -> str:
    """What `_plain` was made of."""
    return str(json.loads(f'"{text}"'))
