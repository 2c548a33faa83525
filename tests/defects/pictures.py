"""Defects of pictures."""

import cv2
import numpy as np

from tests.defects.crop import (
    Crop,
    Maker,
    Spoilt,
    UnfitError,
    any_of,
    as_bytes,
    blob,
    moved,
    needs_texture,
    random_shift,
    soft_noise,
)


def shifted_dates(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside(any_of(crop, "pre_opt")))
    across, down = random_shift(dice)
    return {"pre_opt": moved(crop.layers["pre_opt"], across, down)}, "pre_opt", {"shift_px": [across, down]}


def clouds(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return _clouded(crop, float(dice.uniform(0.75, 1.0)), dice)


def thin_clouds(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return _clouded(crop, float(dice.uniform(0.4, 0.6)), dice)


def _clouded(crop: Crop, opacity: float, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    cover = sum((0.6**k * soft_noise(image.shape[1:], 90 / 2**k, dice) for k in range(5)), np.float32(0))
    low, high = np.quantile(cover, (0.5, 0.9))
    cover = np.clip((cover - low) / (high - low), 0, 1) * np.float32(opacity)
    return {"opt": as_bytes(image * (1 - cover) + 238 * cover)}, "opt", {"opacity": opacity}


def haze(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    share = float(dice.uniform(0.5, 0.7))
    return {"opt": as_bytes(crop.inside("opt").astype(np.float32) * (1 - share) + 205 * share)}, "opt", {"share": share}


def blur(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    sigma = float(dice.uniform(2, 4))
    soft = [cv2.GaussianBlur(band, (0, 0), sigma) for band in crop.inside("opt")]
    return {"opt": np.stack(soft)}, "opt", {"sigma_px": sigma}


def motion_blur(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    length = int(dice.integers(9, 16))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(
        kernel,
        *(((0, 0), (length - 1, length - 1)) if dice.random() < 0.5 else ((0, length // 2), (length - 1, length // 2))),
        1.0,
    )
    soft = [cv2.filter2D(band, -1, kernel / kernel.sum()) for band in crop.inside("opt")]
    return {"opt": np.stack(soft)}, "opt", {"length_px": length}


def black_wedge(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").copy()
    rows, columns = image.shape[1:]
    edge = columns * dice.uniform(0.7, 0.85) + np.arange(rows)[:, None] * (dice.uniform(-0.1, 0.1) * columns / rows)
    image[:, np.arange(columns)[None, :] > edge] = 0
    return {"opt": image}, "opt", {}


def overexposed(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    gain = 255 / max(1.0, float(np.quantile(image, 0.45)))
    return {"opt": as_bytes(image * gain)}, "opt", {"gain": gain}


def banding(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    period = int(dice.integers(4, 16))
    wave = np.where(np.arange(image.shape[1])[:, None] % period < period // 2, np.float32(12), np.float32(-12))
    return {"opt": as_bytes(image + wave)}, "opt", {"period_px": period}


def blocking(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    whole, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(crop.inside("opt").transpose(1, 2, 0)), [cv2.IMWRITE_JPEG_QUALITY, 8]
    )
    if not whole:
        raise UnfitError
    return {"opt": cv2.imdecode(data, cv2.IMREAD_COLOR).transpose(2, 0, 1)}, "opt", {"quality": 8}


def noise(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt")
    return {"opt": as_bytes(image + dice.normal(0, 28, image.shape).astype(np.float32))}, "opt", {"sigma": 28}


def salt_and_pepper(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").copy()
    share = float(dice.uniform(0.008, 0.05))
    lot = dice.random(image.shape[1:])
    image[:, lot < share / 2] = 0
    image[:, lot > 1 - share / 2] = 255
    return {"opt": image}, "opt", {"share": share}


def mosaic_seam(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """From a row or column on, the picture is another one's: lighter, and of another contrast."""
    image = crop.inside("opt").astype(np.float32)
    lighter, gain = float(dice.uniform(10, 25)), float(dice.uniform(1.0, 1.15))
    start = round(image.shape[1] * dice.uniform(0.3, 0.7))
    behind = np.s_[:, start:] if dice.random() < 0.5 else np.s_[:, :, start:]
    image[behind] = image[behind] * gain + lighter
    return {"opt": as_bytes(image)}, "opt", {"gain": gain, "lighter": lighter}


def dead_lines(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Rows that are black, or white, or the one before again."""
    image = crop.inside("opt").copy()
    kind = str(dice.choice(["black", "white", "repeated"]))
    for row in dice.integers(10, image.shape[1] - 10, int(dice.integers(1, 4))).tolist():
        image[:, row] = image[:, row - 1] if kind == "repeated" else {"black": 0, "white": 255}[kind]
    return {"opt": image}, "opt", {"kind": kind}


def image_of_another(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    if other is None or len(crop.layers) < 2 or "pre_opt" in crop.layers:
        raise UnfitError
    for each in (crop, other):
        needs_texture(each.inside("opt"))
    return {"opt": other.inside("opt")}, "opt", {"image_of": other.name}


def white_area(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").copy()
    rows, columns = image.shape[1:]
    row, column = int(dice.integers(0, rows // 2)), int(dice.integers(0, columns // 2))
    image[:, row : row + rows // 3, column : column + columns // 2] = 255
    return {"opt": image}, "opt", {}


def black_frame(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = np.zeros_like(crop.inside("opt"))
    image[:, 12:-12, 12:-12] = crop.inside("opt")[:, 12:-12, 12:-12]
    return {"opt": image}, "opt", {"width_px": 12}


def swapped_bands(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt")
    if np.abs(image[0].astype(int) - image[2]).mean() < 8:
        raise UnfitError
    return {"opt": np.ascontiguousarray(image[::-1])}, "opt", {}


def grey(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt")
    mean = image.mean(0).astype(np.uint8)
    if np.abs(image.astype(int) - mean).mean() < 6:
        raise UnfitError
    return {"opt": np.stack([mean] * 3)}, "opt", {}


def dead_band(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").copy()
    image[int(dice.integers(3))] = int(dice.choice([0, 255]))
    return {"opt": image}, "opt", {}


def shifted_band(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    image = crop.inside("opt").copy()
    band, (across, down) = int(dice.integers(3)), random_shift(dice, 3, 8)
    image[band] = moved(crop.layers["opt"], across, down)[band]
    return {"opt": image}, "opt", {"band": band, "shift_px": [across, down]}


def colour_cast(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    image[int(dice.integers(3))] *= float(dice.choice([0.55, 1.6]))
    return {"opt": as_bytes(image)}, "opt", {}


def enlarged(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    image, times = crop.inside("opt"), int(dice.choice([4, 6, 8]))
    rows, columns = image.shape[1:]
    how = int(dice.choice([cv2.INTER_NEAREST, cv2.INTER_CUBIC]))
    small = [cv2.resize(band, (columns // times, rows // times), interpolation=cv2.INTER_AREA) for band in image]
    large = [cv2.resize(band, (columns, rows), interpolation=how) for band in small]
    return {"opt": np.stack(large)}, "opt", {"times": times}


def half_blurred(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    image = crop.inside("opt").copy()
    half = image.shape[2] // 2
    image[:, :, half:] = np.stack([cv2.GaussianBlur(band, (0, 0), 4) for band in image])[:, :, half:]
    return {"opt": image}, "opt", {"sigma_px": 4}


def dark(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    share = float(dice.uniform(0.08, 0.2))
    return {"opt": as_bytes(crop.inside("opt").astype(np.float32) * share)}, "opt", {"share": share}


def flat_contrast(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    mean = image.mean((1, 2), keepdims=True)
    return {"opt": as_bytes(mean + (image - mean) * 0.12)}, "opt", {"share": 0.12}


def gamma(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    power = float(dice.choice([0.4, 2.5]))
    return {"opt": as_bytes(255 * (crop.inside("opt").astype(np.float32) / 255) ** power)}, "opt", {"power": power}


def vignette(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    down, across = (np.arange(side) / side - 0.5 for side in image.shape[1:])
    return {"opt": as_bytes(image * (1 - np.hypot(down[:, None], across)))}, "opt", {}


def posterised(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    return {"opt": (crop.inside("opt") // 32 * 32 + 16).astype(np.uint8)}, "opt", {"levels": 8}


def opaque_cloud(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    cover = cv2.GaussianBlur(blob(image.shape[1:], float(dice.uniform(0.05, 0.3)), dice).astype(np.float32), (0, 0), 5)
    return {"opt": as_bytes(image * (1 - cover) + cover * dice.normal(245, 2, image.shape))}, "opt", {}


def cloud_shadow(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    cover = cv2.GaussianBlur(blob(image.shape[1:], 0.25, dice).astype(np.float32), (0, 0), 4)
    return {"opt": as_bytes(image * (1 - 0.6 * cover))}, "opt", {}


def moire(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    image = crop.inside("opt").astype(np.float32)
    row, column = np.indices(image.shape[1:])
    return {"opt": as_bytes(image + 12 * np.sin(2 * np.pi * (column * 0.13 + row * 0.09)))}, "opt", {"levels": 12}


def row_slip(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """From a row on, all is moved sideways."""
    needs_texture(crop.inside("opt"))
    image, pixels = crop.inside("opt").copy(), int(dice.choice([-9, 9]))
    row = int(dice.integers(60, image.shape[1] - 60))
    image[:, row:] = moved(crop.layers["opt"], pixels, 0)[:, row:]
    return {"opt": image}, "opt", {"row": row, "shift_px": pixels}


def column_slip(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    needs_texture(crop.inside("opt"))
    image, pixels = crop.inside("opt").copy(), int(dice.choice([-8, 8]))
    half = image.shape[2] // 2
    image[:, :, half:] = moved(crop.layers["opt"], 0, pixels)[:, :, half:]
    return {"opt": image}, "opt", {"column": half, "shift_px": pixels}


def interlaced(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """Every other row is moved sideways."""
    needs_texture(crop.inside("opt"))
    image = crop.inside("opt").copy()
    image[:, 1::2] = moved(crop.layers["opt"], 3, 0)[:, 1::2]
    return {"opt": image}, "opt", {"shift_px": 3}


def repeated_block(crop: Crop, other: Crop | None, dice: np.random.Generator) -> Spoilt:
    """20 rows are those before them once more."""
    image = crop.inside("opt").copy()
    row = int(dice.integers(40, image.shape[1] - 60))
    image[:, row : row + 20] = image[:, row - 20 : row]
    return {"opt": image}, "opt", {"row": row}


MAKERS: tuple[Maker, ...] = (
    *(shifted_dates, image_of_another, clouds, thin_clouds, opaque_cloud, cloud_shadow, haze),
    *(blur, motion_blur, half_blurred, enlarged, blocking, noise, salt_and_pepper, posterised, moire, banding),
    *(black_wedge, black_frame, white_area, overexposed, dark, flat_contrast, gamma, vignette),
    *(swapped_bands, grey, dead_band, shifted_band, colour_cast),
    *(mosaic_seam, dead_lines, row_slip, column_slip, interlaced, repeated_block),
)
