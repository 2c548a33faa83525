"""From the layers of a tile to what a network takes: which layers, which bands, on which scale, on which grid."""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.aligning import Align, linear, nearest, told
from rsviewer.core.bands import bands_of, found_bands
from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard, ModelInput
from rsviewer.core.prompts import words_of
from rsviewer.core.stretch import Band, band_of, percentiles, range_of
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.tile import (
    LayerContent,
    LayerId,
    LayerKind,
    LayerSpec,
    Missing,
    Raster,
    Text,
    Transform,
    Unreadable,
)
from rsviewer.core.vector import Vector

_KINDS: Mapping[LayerKind, str] = {
    LayerKind.OPTICAL: "an optical image",
    LayerKind.SAR: "a radar image",
    LayerKind.HEIGHT: "heights",
    LayerKind.QUANTITY: "a quantity",
    LayerKind.LABELS: "a label layer",
    LayerKind.MASK: "a mask",
}
"""What a model may need, in words."""
_DATES: Mapping[str, str] = {"pre": "of the earlier date", "post": "of the later date"}
_WITHOUT_PIXELS = (LayerKind.TEXT, LayerKind.VECTOR)

_PERCENT = 2.0
"""Cut off at each end by a stretch, as by the panes."""
_STRETCH = Style(range_mode=RangeMode.PERCENTILE, percent=_PERCENT)
_BYTES = 255.0
"""Full brightness of 8-bit images."""
_SHARES = (-0.5, 2.0)
"""Floats within are shares: reflectances fall a little below 0 in shadows, and rise above 1 on clouds and roofs."""
_MOSTLY = 0.5
"""Share of values that are cut, above which something is wrong with them."""
_BEYOND = (-0.1, 1.5)
"""Shares of the card's scale that nearly all values lie within where they are on it, clouds included."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A tile, ready for a network. Nothing is normalised yet.

    Attributes:
        pixels: (bands, h, w), the bands of all inputs behind each other, uint8 or float32, on the scale of the card's inputs.
            Invalid pixels are 0. Read-only, and may be those of the tile itself.
        valid: (h, w) where all inputs are valid.
        transform, crs, gsd, cell, full_size: of the first input, see `core.tile.Raster`.
        remarks: what was done to make it fit, one sentence each.
        words: the classes that the network is to choose from, where its card takes any; see `core.prompts`.
        caption: what is said of the tile in words, for a network that reads; empty where nothing is.
        output: name of the output that is wanted, of a card with `exclusive` outputs; else empty.
        features: (n,) what a network that reads has made of the very image before: only words are new then. None: look at it.
        caption_features: likewise of the very caption.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    transform: Transform | None = None
    crs: str = ""
    gsd: float | None = None
    cell: tuple[float, float] | None = None
    full_size: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = field(default=())
    words: tuple[str, ...] = ()
    caption: str = ""
    output: str = ""
    features: NDArray[np.float32] | None = None
    caption_features: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.valid.shape
        return height, width


def input_layers(
    card: ModelCard, layers: Sequence[LayerSpec], chosen: Mapping[int, LayerId] | None = None
) -> tuple[LayerSpec, ...]:
    """The layer for each of the card's inputs: of the right kind and date; of two dates the later where the card says none.

    Several inputs get several layers, except for those that are found by the names of their bands in the same one.

    Args:
        card: of the model.
        layers: of the dataset, or those that a tile has.
        chosen: number of the input -> layer that the user wants there.

    Raises:
        ModelError: there is none, in a sentence that names what the model needs.
    """
    found: list[LayerSpec] = []
    taken = {layer for number, layer in (chosen or {}).items() if number < len(card.inputs)}
    for number, wanted in enumerate(card.inputs):
        layer = (chosen or {}).get(number)
        spec = _best(wanted, layers, taken) if layer is None else _wished(card, layer, layers)
        if spec is None:
            there = ", ".join(one.title for one in layers) or "no layer"
            raise ModelError(
                f"{card.title} needs {_described(wanted)}, and there is none among {there}:"
                " choose another model, or another layer for it."
            )
        taken.add(spec.id)
        found.append(spec)
    return tuple(found)


def inputs_of_tile(
    card: ModelCard, usual: tuple[LayerSpec, ...], here: Sequence[LayerSpec], lost: Container[LayerId] = ()
) -> tuple[LayerSpec, ...]:
    """What a network takes of one tile: the usual layers, or its own where it is of another sensor and has none of those.

    Args:
        card: of the model.
        usual: as chosen for the dataset.
        here: the layers that the tile has.
        lost: those that it should have and has not. Nothing else is taken in their place.
    """
    absent = [spec.id for spec in usual if spec not in here]
    if not absent or any(layer in lost for layer in absent):
        return usual
    try:
        return input_layers(card, here)
    except ModelError:
        return usual


def fitted_from(fitted: Fitted, usual: tuple[LayerSpec, ...], taken: tuple[LayerSpec, ...]) -> Fitted:
    """The same, with a remark where other layers were taken than usual."""
    others = [spec.title for spec in taken if spec not in usual]
    said = (
        f"Predicted from {_listed(others)}, which this tile has in place of {_listed([spec.title for spec in usual])}."
    )
    return replace(fitted, remarks=(said, *fitted.remarks)) if others else fitted


def fit(card: ModelCard, contents: Sequence[tuple[LayerSpec, LayerContent]], align: Align) -> Fitted:
    """Makes a tile ready for a network.

    Bands are found by name where the layer or its file names them (red also as R, B4 of Sentinel-2 ...), else those that the
    layer shows or the first ones are taken; one band serves for three. 8-bit images and others whose values are on the card's
    scale already stay as they are, shares (0..1) are multiplied; others are stretched to it (by the percentiles that the panes
    use) unless the card takes raw values, and a remark says so. Then invalid values are filled and all are cut to the ends that
    the card names, if it does. A second input on another grid is resampled to that of the first.

    Args:
        card: of the model.
        contents: the layers of `input_layers`, as read, in that order.
        align: finds the pixels of one raster on another.

    Raises:
        ModelError: a layer is missing or unreadable, has too few bands (two, where three are needed) or others than are needed,
            no valid pixel.
    """
    remarks: list[str] = []
    first: Raster | None = None
    parts: list[NDArray[Any]] = []
    usable: list[NDArray[np.bool_]] = []
    with np.errstate(all="ignore"):
        for wanted, (spec, content) in zip(card.inputs, contents, strict=True):
            raster = _chosen(card, wanted, spec, content, remarks)
            if spec.kind is not wanted.kind:
                remarks.append(f"{spec.title} is taken for {_KINDS.get(wanted.kind, wanted.kind)}.")
            pixels, valid = _scaled(wanted, spec, raster, remarks)
            if valid is not None and not valid.any():
                raise ModelError(f"{spec.title} has no valid pixel on this tile: there is nothing to predict from.")
            if valid is not None and wanted.nan is not None:
                count = valid.size - int(np.count_nonzero(valid))
                remarks.append(
                    f"{count:,} invalid pixels of {spec.title} were taken for {wanted.nan:g}, as in training."
                )
                valid = None
            if wanted.clip:
                pixels = _cut(wanted, spec, pixels, valid, remarks)
            if first is None:
                first = raster
                if raster.full_size != (raster.width, raster.height):
                    size = "{} x {} instead of {} x {}".format(raster.width, raster.height, *raster.full_size)
                    remarks.append(f"{spec.title} was read coarser than it is, {size} pixels: so is the prediction.")
            else:
                pixels, valid = _on_grid(first, raster, pixels, valid, spec, align, remarks)
            parts.append(pixels)
            usable += [] if valid is None else [valid]
        if first is None:
            raise ModelError(f"The card of {card.title} names no input: it cannot be run.")
        return _together(first, parts, usable, card, remarks)


def in_time(card: ModelCard, dates: Sequence[Callable[[], Fitted]], shown: int) -> Fitted:
    """Several images of a tile as one input: their bands behind each other, in the order given.

    Those that cannot be made ready, or are of another size than the one that is shown, are left out.

    Args:
        card: of the model.
        dates: makes each of them ready, ascending in time.
        shown: which of them is shown: its grid and its valid pixels count.

    Raises:
        ModelError: the one that is shown cannot be made ready.
    """
    first = dates[shown]()
    taken = []
    for number, make in enumerate(dates):
        with suppress(ModelError):
            one = first if number == shown else make()
            if one.pixels.shape == first.pixels.shape:
                taken.append(one.pixels)
    if len(taken) == 1:
        return first
    said = f"Predicted from {len(taken)} images of different dates, as {card.title} was trained."
    return replace(first, pixels=np.concatenate(taken), remarks=(*first.remarks, said))


# --- which layer


def _best(wanted: ModelInput, layers: Sequence[LayerSpec], taken: set[LayerId]) -> LayerSpec | None:
    """The best of the layers that may be meant; one that is taken only where its bands have the right names."""

    def has_bands(spec: LayerSpec) -> bool:
        return bool(wanted.bands) and found_bands(wanted.bands, spec.bands) is not None

    # Without its twin, an image of no date is the later one.
    dates = {"": ("", "post", "pre"), "post": ("post", "")}.get(wanted.date, (wanted.date,))
    fitting = [spec for spec in layers if spec.kind is wanted.kind and spec.date in dates]
    fitting = [spec for spec in fitting if spec.id not in taken or has_bands(spec)]
    return min(
        fitting,
        key=lambda spec: (
            spec.id in taken,
            spec.date == "pre",
            bool(wanted.date) and spec.date != wanted.date,
            not has_bands(spec),
        ),
        default=None,
    )


def _wished(card: ModelCard, layer: LayerId, layers: Sequence[LayerSpec]) -> LayerSpec:
    spec = next((one for one in layers if one.id == layer), None)
    if spec is None:
        raise ModelError(f"{card.title} was given the layer {layer}, which is not here: choose another one for it.")
    if spec.kind in _WITHOUT_PIXELS:
        raise ModelError(f"{card.title} was given {spec.title}, which has no pixels: choose another layer for it.")
    return spec


def _described(wanted: ModelInput) -> str:
    words = [_KINDS.get(wanted.kind, str(wanted.kind))]
    words += (
        [f"with {_listed(wanted.bands)}"] if wanted.bands and wanted.kind in (LayerKind.OPTICAL, LayerKind.SAR) else []
    )
    words += [_DATES[wanted.date]] if wanted.date in _DATES else []
    return " ".join(words)


def _listed(names: Sequence[str]) -> str:
    """Example: red, green and blue."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


# --- which bands


def _chosen(card: ModelCard, wanted: ModelInput, spec: LayerSpec, content: LayerContent, remarks: list[str]) -> Raster:
    """The bands that the network takes, in its order."""
    if isinstance(content, Missing):
        raise ModelError(f"{card.title} needs {_described(wanted)}. {content.reason}")
    if isinstance(content, Unreadable):
        raise ModelError(f"{card.title} needs {spec.title}, which cannot be read: {content.reason}")
    if isinstance(content, Text | Vector):
        what = "a text" if isinstance(content, Text) else "no raster"
        raise ModelError(f"{card.title} needs {_described(wanted)}, and {spec.title} is {what}: choose another layer.")
    if not content.pixels.size:
        raise ModelError(f"{spec.title} has no pixels on this tile: there is nothing to predict from.")
    places = _places(card, wanted, spec, content, remarks)
    if places == tuple(range(content.bands)):
        return content
    if places == tuple(range(len(places))):
        pixels, valid = content.pixels[: len(places)], content.valid[: len(places)]
    elif len(set(places)) == 1:
        shape = (len(places), content.height, content.width)
        pixels, valid = (np.broadcast_to(each[places[0]], shape) for each in (content.pixels, content.valid))
    else:
        pixels, valid = content.pixels[list(places)], content.valid[list(places)]
    return Raster(
        pixels,
        valid,
        content.transform,
        content.crs,
        content.gsd,
        content.cell,
        full_size=content.full_size,
    )


def _places(
    card: ModelCard, wanted: ModelInput, spec: LayerSpec, raster: Raster, remarks: list[str]
) -> tuple[int, ...]:
    """Zero-based bands of a raster."""
    needed = len(wanted.bands) or raster.bands
    for names in (raster.band_names, spec.bands):
        if len(names) != raster.bands:
            continue
        found = found_bands(wanted.bands, names) if wanted.bands else None
        if found is not None:
            return found
        if raster.bands > 1 and all(bands_of(wanted.bands)) and all(bands_of(names)):
            raise ModelError(
                f"{card.title} needs the bands {_listed(wanted.bands)}; {spec.title} has {_listed(names)}:"
                " choose another layer or another model."
            )
    if raster.bands == 1:
        return (0,) * needed
    if raster.bands < needed:
        raise ModelError(
            f"{card.title} needs {needed} bands ({_listed(wanted.bands)}); {spec.title} has {raster.bands}:"
            " choose another layer or another model."
        )
    shown = spec.display_bands
    places = shown if len(shown) == needed > 1 and max(shown) < raster.bands else tuple(range(needed))
    if raster.bands > needed:
        numbers = _listed([str(place + 1) for place in places])
        remarks.append(
            f"Bands {numbers} of {spec.title} are taken as {_listed(wanted.bands)}, since nobody knows what they are."
        )
    return places


# --- on which scale


def _scaled(
    wanted: ModelInput, spec: LayerSpec, raster: Raster, remarks: list[str]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """(bands, h, w) uint8 or float32 on the scale of the card, and (h, w) where all bands are valid; None for everywhere.

    Invalid values are what the card says of them.
    """
    as_they_are = wanted.high <= 0.0 or wanted.kind.is_categorical
    has_filling = wanted.nan is not None and not raster.valid.all()
    if raster.pixels.dtype == np.uint8 and (as_they_are or wanted.high in (1.0, _BYTES)) and not has_filling:
        same = raster.pixels if as_they_are or wanted.high == _BYTES else raster.pixels * np.float32(1.0 / _BYTES)
        return same, _in_all_bands(raster.valid)
    # One band that serves for three is worked on once.
    once = raster.bands > 1 and raster.pixels.strides[0] == 0 and raster.valid.strides[0] == 0
    bands = [band_of(raster, index) for index in range(1 if once else raster.bands)]
    pixels = _stretched(wanted, spec, bands, as_they_are=as_they_are, remarks=remarks)
    finite = np.isfinite(pixels)
    for number, band in enumerate(bands):
        if band.usable is not None:
            finite[number] &= band.usable
    if wanted.nan is not None:
        pixels[~finite] = wanted.nan  # each band by itself
    shape = (raster.bands, raster.height, raster.width)
    return np.broadcast_to(pixels, shape), _in_all_bands(finite)


def _in_all_bands(valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """(h, w) where (bands, h, w) is true in all bands; None for everywhere."""
    if (valid if any(valid.strides) else valid[:1, :1, :1]).all():
        return None
    everywhere: NDArray[np.bool_] = np.logical_and.reduce(valid, axis=0)
    return everywhere


def _stretched(
    wanted: ModelInput, spec: LayerSpec, bands: Sequence[Band], *, as_they_are: bool, remarks: list[str]
) -> NDArray[np.float32]:
    """The values of some bands on the scale of the card; anything where they are not usable."""
    pixels = np.empty((len(bands), *bands[0].values.shape), np.float32)
    high, filled = wanted.high, [band for band in bands if band.count]
    if as_they_are or not filled or _is_on_scale(wanted, filled):
        for number, band in enumerate(bands):
            pixels[number] = band.values
    elif _are_shares(filled):
        remarks.append(f"{spec.title} has values of 0..1: they were multiplied by {high:g} for the model.")
        for number, band in enumerate(bands):
            pixels[number] = band.values
        pixels *= np.float32(high)
        if high == _BYTES:
            np.clip(pixels, 0.0, high, out=pixels)
    elif wanted.raw:
        low, top = wanted.raw
        remarks.append(
            f"The values of {spec.title} were taken for raw numbers: {low:g}..{top:g} are 0..{high:g} for the model."
        )
        for number, band in enumerate(bands):
            pixels[number] = (band.values.astype(np.float64) - low) * (high / (top - low))
        beyond = np.count_nonzero((pixels < 0.0) | (pixels > high)) / pixels.size
        if beyond > _MOSTLY:
            remarks.append(
                f"{beyond:.0%} of them lie beyond: they may be in another unit than the model was trained with."
            )
        np.clip(pixels, 0.0, high, out=pixels)
    else:
        low, top = min(band.minimum for band in filled), max(band.maximum for band in filled)
        remarks.append(
            f"{spec.title} has values of {low:g}..{top:g}: each band was stretched from its {_PERCENT:g}nd to its"
            f" {100 - _PERCENT:g}th percentile to 0..{high:g} for the model."
        )
        for number, band in enumerate(bands):
            ends = range_of([band], _STRETCH, None)
            start, span = (ends.low, ends.high - ends.low) if ends is not None else (0.0, 0.0)
            if span > 0.0:
                pixels[number] = (band.values.astype(np.float64) - start) * (high / span)
            else:
                pixels[number] = 0.0
        np.clip(pixels, 0.0, high, out=pixels)
    return pixels


def _is_on_scale(wanted: ModelInput, bands: Sequence[Band]) -> bool:
    """Whether values need nothing done to them, for an input of this full brightness."""
    high = wanted.high
    if not wanted.stretch:
        return not (_are_shares(bands) or bands[0].is_stored_as_bytes)
    if high == 1.0:
        return _are_shares(bands)
    if high == _BYTES:
        low, top = min(band.minimum for band in bands), max(band.maximum for band in bands)
        return low >= 0.0 and top <= high and not _are_shares(bands)
    if _are_shares(bands) or bands[0].is_stored_as_bytes:
        return False
    ends = [percentiles(band.sampled(), (_PERCENT, 100.0 - _PERCENT)) for band in bands]
    return min(low for low, _ in ends) >= _BEYOND[0] * high and max(top for _, top in ends) <= _BEYOND[1] * high


def _are_shares(bands: Sequence[Band]) -> bool:
    """Whether values are floats of 0..1, or a little more."""
    return all(
        band.values.dtype.kind == "f" and _SHARES[0] <= band.minimum and band.maximum <= _SHARES[1] for band in bands
    )


def _cut(
    wanted: ModelInput, spec: LayerSpec, pixels: NDArray[Any], valid: NDArray[np.bool_] | None, remarks: list[str]
) -> NDArray[Any]:
    """Values without what lies beyond the ends of the card. Where that is most of them, a remark says so."""
    low, high = wanted.clip
    cut: NDArray[Any] = np.clip(pixels.astype(np.float32, copy=False), low, high)
    beyond = (cut != pixels) if valid is None else (cut != pixels) & valid
    share = np.count_nonzero(beyond) / beyond.size
    if share > _MOSTLY:
        remarks.append(
            f"{share:.0%} of the values of {spec.title} lie beyond {low:g}..{high:g} and were cut to it: they may be in"
            " another unit than the model was trained with."
        )
    return cut


# --- on which grid


def _on_grid(
    first: Raster,
    raster: Raster,
    pixels: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    spec: LayerSpec,
    align: Align,
    remarks: list[str],
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Another input on the grid of the first one."""
    alignment = align(first, raster)
    remarks += told(alignment, spec.title, "the first layer that the model takes")
    if alignment.same:
        return pixels, valid
    known = np.broadcast_to(np.True_, pixels.shape[1:]) if valid is None else valid
    if spec.kind.is_categorical:
        found = np.stack([nearest(band, alignment, 0) for band in pixels])
        return found, nearest(known, alignment, False)
    bands = [linear(Raster(band[None], known[None]), alignment) for band in pixels]
    there = np.isfinite(bands[0])
    return np.stack(bands).astype(np.float32), there


def _together(
    first: Raster,
    parts: Sequence[NDArray[Any]],
    usable: Sequence[NDArray[np.bool_]],
    card: ModelCard,
    remarks: Sequence[str],
) -> Fitted:
    """All inputs behind each other; 0 where one of them is invalid."""
    shape = (first.height, first.width)
    valid = np.logical_and.reduce(usable) if usable else np.ones(shape, np.bool_)
    if not valid.any():
        raise ModelError(f"The layers that {card.title} takes have no valid pixel in common on this tile.")
    pixels = parts[0] if len(parts) == 1 else np.concatenate(parts, dtype=np.result_type(*parts))
    if not valid.all():
        pixels = np.where(valid, pixels, pixels.dtype.type(0))
    pixels.flags.writeable = valid.flags.writeable = False
    return Fitted(
        pixels,
        valid,
        first.transform,
        first.crs,
        first.gsd,
        first.cell,
        first.full_size,
        tuple(dict.fromkeys(remarks)),
        words_of(card),
        output=card.outputs[0].name if card.exclusive else "",
    )
