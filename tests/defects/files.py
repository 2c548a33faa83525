"""Files that are broken, missing, twice there, or lie elsewhere."""

import cv2
import numpy as np

from tests.defects.crop import Crop, Maker, Spoilt, UnfitError, as_bytes, moved, needs_texture


def near_duplicate(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Another tile's picture, a little brighter and compressed once more; the other layers are its own as well."""
    if other is None or set(other.layers) != set(crop.layers):
        raise UnfitError
    needs_texture(other.inside("opt"))
    layers = {folder: other.inside(folder) for folder in crop.layers}
    bright = np.ascontiguousarray(as_bytes(layers["opt"].astype(np.float32) * 1.04 + 2).transpose(1, 2, 0))
    data = cv2.imencode(".jpg", bright, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return {**layers, "opt": cv2.imdecode(data, cv2.IMREAD_COLOR).transpose(2, 0, 1)}, "opt", {"same_as": other.name}


def truncated(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return {}, str(dice.choice(list(crop.layers))), {"kept": 0.4}


def missing(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return {}, str(dice.choice([folder for folder in crop.layers if folder != "opt"])), {"gone": True}


def wrong_size(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = str(dice.choice(list(crop.layers)))
    return {folder: crop.inside(folder)[:, :-14, :-7]}, folder, {}


def wrong_place(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = str(dice.choice([each for each in crop.layers if each != "opt"]))
    if not crop.meta[folder]["crs"] or not crop.meta["opt"]["crs"]:
        raise UnfitError
    return {}, folder, {"moved": True}


def exact_duplicate(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    other = _twin(crop, other)
    return {folder: other.inside(folder) for folder in crop.layers}, "opt", {"same_as": other.name}


def mirrored_duplicate(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    other = _twin(crop, other)
    layers = {folder: np.ascontiguousarray(other.inside(folder)[:, :, ::-1]) for folder in crop.layers}
    return layers, "opt", {"same_as": other.name}


def shifted_duplicate(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Nearly the place of another one: what overlapping windows give."""
    other = _twin(crop, other)
    return {folder: moved(other.layers[folder], 6, 4) for folder in crop.layers}, "opt", {"same_as": other.name}


def _twin(crop: Crop, other: Crop | None) -> Crop:
    if other is None or set(other.layers) != set(crop.layers):
        raise UnfitError
    needs_texture(other.inside("opt"))
    return other


def wrong_zone(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """The coordinate system of another place."""
    folder = str(dice.choice([each for each in crop.layers if each != "opt"]))
    if not crop.meta[folder]["crs"] or not crop.meta["opt"]["crs"]:
        raise UnfitError
    return {}, folder, {"crs": "EPSG:32601"}


MAKERS: tuple[Maker, ...] = (
    *(near_duplicate, exact_duplicate, mirrored_duplicate, shifted_duplicate),
    *(truncated, missing, wrong_size, wrong_place, wrong_zone),
)
