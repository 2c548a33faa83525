"""Defects of labels and change masks."""

import numpy as np

from tests.defects.crop import Crop, Maker, Spoilt, UnfitError, any_of, blob, moved, needs_texture, random_shift, turned


def renamed_class(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask")).copy()
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    large = [int(value) for value, count in zip(values, counts, strict=True) if count > 0.08 * labels.size]
    if len(values) < 3 or not large:
        raise UnfitError
    right = int(dice.choice(large))
    wrong = int(dice.choice([value for value in range(1, 9) if value != right]))
    labels[labels == right] = wrong
    return {"gt_ss_mask": labels}, "gt_ss_mask", {"from": right, "to": wrong}


def turned_labels(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask"))
    turn = int(dice.integers(1, 8))
    if np.mean(turned(labels, turn) != labels) < 0.2:
        raise UnfitError
    return {"gt_ss_mask": turned(labels, turn)}, "gt_ss_mask", {"turn": turn}


def shifted_labels(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, "gt_ss_mask")
    across, down = random_shift(dice)
    labels = moved(crop.layers[folder], across, down)
    if np.mean(labels != crop.inside(folder)) < 0.05:
        raise UnfitError
    return {folder: labels}, folder, {"shift_px": [across, down]}


def unknown_class(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask")).copy()
    labels[:, blob(labels.shape[1:], 0.05, dice)] = 77
    return {"gt_ss_mask": labels}, "gt_ss_mask", {"value": 77}


def empty_change(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    change = crop.inside(any_of(crop, "gt_cd_mask"))
    if np.mean(change > 0) < 0.04:
        raise UnfitError
    return {"gt_cd_mask": np.zeros_like(change)}, "gt_cd_mask", {}


def full_change(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    change = crop.inside(any_of(crop, "gt_cd_mask"))
    return {"gt_cd_mask": np.full_like(change, max(1, int(change.max())))}, "gt_cd_mask", {}


def change_without_difference(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    if np.mean(crop.inside(any_of(crop, "gt_cd_mask")) > 0) < 0.04:
        raise UnfitError
    return {"pre_opt": crop.inside("opt")}, "gt_cd_mask", {}


def one_class(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask"))
    values, counts = np.unique(labels, return_counts=True)
    if counts.max() > 0.8 * labels.size:
        raise UnfitError
    return {"gt_ss_mask": np.full_like(labels, dice.choice(values))}, "gt_ss_mask", {}


def labels_of_another(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, "gt_ss_mask")
    if other is None or folder not in other.layers or np.mean(other.inside(folder) != crop.inside(folder)) < 0.3:
        raise UnfitError
    return {folder: other.inside(folder)}, folder, {"labels_of": other.name}


def random_labels(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask")).copy()
    values = np.unique(labels)
    if len(values) < 3:
        raise UnfitError
    where = dice.random(labels.shape) < 0.25
    labels[where] = dice.choice(values, where.sum())
    return {"gt_ss_mask": labels}, "gt_ss_mask", {"share": 0.25}


def half_unlabelled(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask")).copy()
    labels[:, :, labels.shape[2] // 2 :] = 0
    if np.mean(labels != crop.inside("gt_ss_mask")) < 0.3:
        raise UnfitError
    return {"gt_ss_mask": labels}, "gt_ss_mask", {}


def coarse_labels(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Of 24 times larger pixels than those of the picture."""
    labels = crop.inside(any_of(crop, "gt_ss_mask"))
    rows, columns = labels.shape[1:]
    coarse = labels[:, ::24, ::24].repeat(24, 1).repeat(24, 2)[:, :rows, :columns]
    if np.mean(coarse != labels) < 0.08:
        raise UnfitError
    return {"gt_ss_mask": np.ascontiguousarray(coarse)}, "gt_ss_mask", {"pixels": 24}


def swapped_classes(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    labels = crop.inside(any_of(crop, "gt_ss_mask"))
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    large = values[counts > 0.1 * labels.size]
    if len(large) < 2:
        raise UnfitError
    one, two = dice.choice(large, 2, replace=False)
    swapped = np.where(labels == one, two, np.where(labels == two, one, labels)).astype(labels.dtype)
    return {"gt_ss_mask": swapped}, "gt_ss_mask", {"classes": [int(one), int(two)]}


def change_of_another(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, "gt_cd_mask")
    if other is None or np.mean(other.inside(folder) != crop.inside(folder)) < 0.1:
        raise UnfitError
    return {folder: other.inside(folder)}, folder, {"change_of": other.name}


def shifted_change(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    folder = any_of(crop, "gt_cd_mask")
    if np.mean(crop.inside(folder) > 0) < 0.04:
        raise UnfitError
    across, down = random_shift(dice, 12, 19)
    return {folder: moved(crop.layers[folder], across, down)}, folder, {"shift_px": [across, down]}


def half_change(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Of one half of the tile nobody has marked the changes."""
    change = crop.inside(any_of(crop, "gt_cd_mask")).copy()
    half = change[:, :, change.shape[2] // 2 :]
    if np.mean(half > 0) < 0.05:
        raise UnfitError
    half[:] = 0
    return {"gt_cd_mask": change}, "gt_cd_mask", {}


def date_of_another(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    if other is None or "pre_opt" not in crop.layers:
        raise UnfitError
    needs_texture(other.inside("pre_opt"))
    return {"pre_opt": other.inside("pre_opt")}, "pre_opt", {"date_of": other.name}


MAKERS: tuple[Maker, ...] = (
    *(renamed_class, swapped_classes, unknown_class, one_class, random_labels, half_unlabelled, coarse_labels),
    *(turned_labels, shifted_labels, labels_of_another),
    *(
        empty_change,
        full_change,
        half_change,
        shifted_change,
        change_of_another,
        change_without_difference,
        date_of_another,
    ),
)
