"""How a layer is to be shown. Values only; `core.render` turns them into colours."""

from dataclasses import dataclass, replace
from enum import StrEnum

from rsviewer.core.combinations import Combination
from rsviewer.core.tile import LayerKind, LayerSpec

DIVERGING = "RdBu"
"""The colour table of signed numbers; turned round, so that blue is too low."""

DECIBELS, LOW_DECIBELS, HIGH_DECIBELS = "dB", -25.0, 0.0
"""The range that models clip backscatter to: one grey means the same on every tile."""


class RangeMode(StrEnum):
    """Where the two ends of the stretch come from."""

    AS_STORED = "as stored"
    """8-bit images as they are: 0 is black, 255 is white. Other types fall back to PERCENTILE."""
    MIN_MAX = "min-max"
    PERCENTILE = "percentile"
    SIGMA = "mean ± k sigma"
    DATASET = "dataset"
    """The range of this layer over a sample of the dataset. Falls back to PERCENTILE until it is known."""
    SYMMETRIC = "around zero"
    """As far below zero as above it, by `percent` of the absolute values, cut off: for errors and other signed numbers."""
    REFERENCE = "as its reference"
    """The range that the reference of a predicted layer has on the same tile. Falls back to PERCENTILE where there is none."""
    USUAL = "usual"
    """The range that the combination of bands gives for each channel. Falls back to PERCENTILE where it gives none."""
    FIXED = "fixed"
    """`low` and `high`, typed by the user or locked with L."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one layer is shown. The same object styles every tile, so that a colour means the same thing on all of them.

    Attributes:
        bands: zero-based bands, one (grey or colour table) or three (red, green, blue); empty means those of `combination`.
        range_mode: see RangeMode.
        percent: cut off at each end for PERCENTILE and SYMMETRIC, in percent of the valid pixels, 0..50.
        sigmas: k for SIGMA.
        low, high: the range for FIXED, in the layer's unit; the wrong way round is put right.
        per_band: stretch each band by itself (else all shown bands together).
        gamma: > 1 brightens the middle of images. Not for heights, which must be readable off an even colour bar.
        color_table: name of the colour table for heights and for single bands; see `resources/color_tables`.
        invert: turn the colour table round.
        hillshade: 0 (none) .. 1 (full) of shading blended into heights.
        azimuth: where the sun stands, degrees clockwise from north.
        altitude: degrees above the horizon.
        exaggeration: heights are multiplied by this for the shading only.
        hidden: class values that are not drawn.
        combination: name of one of the layer's combinations of bands; empty for the first. Where `bands` are given, they win.
    """

    bands: tuple[int, ...] = ()
    range_mode: RangeMode = RangeMode.PERCENTILE
    percent: float = 2.0
    sigmas: float = 2.0
    low: float = 0.0
    high: float = 1.0
    per_band: bool = True
    gamma: float = 1.0
    color_table: str = "cividis"
    invert: bool = False
    hillshade: float = 0.0
    azimuth: float = 315.0
    altitude: float = 45.0
    exaggeration: float = 1.0
    hidden: frozenset[int] = frozenset()
    combination: str = ""


def default_style(spec: LayerSpec) -> Style:
    """The style of a layer that nobody has styled yet.

    8-bit images are shown as stored (the fallback stretches all other types), reflectance is stretched, radar shown over the
    range that is usual for decibels; heights get cividis over the 1st to 99th percentile with some hillshade. Other
    quantities are shown over the whole range that they can have, or around zero.
    """
    style = _style_of_kind(spec)
    first = combination_of(spec, style)
    return style if first is None else with_combination(spec, style, first.name)


def combination_of(spec: LayerSpec, style: Style) -> Combination | None:
    """The combination of bands that a layer is shown in; None where it has none, or the user chose bands."""
    if style.bands or not spec.combinations or spec.kind not in (LayerKind.OPTICAL, LayerKind.SAR):
        return None
    return next((each for each in spec.combinations if each.name == style.combination), spec.combinations[0])


def with_combination(spec: LayerSpec, style: Style, name: str) -> Style:
    """The style with another combination of bands. Raises KeyError where the layer has none of this name.

    A single number brings its own range and colours; what follows it gets the layer's usual ones back.
    """
    chosen = next((each for each in spec.combinations if each.name == name), None)
    if chosen is None:
        raise KeyError(name)
    named = replace(style, combination="" if chosen is spec.combinations[0] else name, bands=())
    if chosen.is_scalar:
        mode = RangeMode.USUAL if chosen.has_ranges else RangeMode.PERCENTILE
        return replace(named, range_mode=mode, color_table=chosen.color_table, invert=chosen.invert)
    before, own = combination_of(spec, style), _style_of_kind(spec)
    by_hand = before is None and own.range_mode is RangeMode.USUAL
    return _stretched_as(own, named) if by_hand or _is_number(before) else named


def with_bands(spec: LayerSpec, style: Style, bands: tuple[int, ...]) -> Style:
    """The style with bands chosen by hand, one or three. They have no usual range."""
    chosen = replace(style, bands=bands, combination="")
    if style.range_mode is RangeMode.USUAL or _is_number(combination_of(spec, style)):
        own = _style_of_kind(spec)
        if own.range_mode is RangeMode.USUAL:
            own = _style_of_kind(replace(spec, combinations=()))
        return _stretched_as(own, chosen)
    return chosen


def _is_number(combination: Combination | None) -> bool:
    return combination is not None and combination.is_scalar


def _stretched_as(own: Style, style: Style) -> Style:
    return replace(
        style, range_mode=own.range_mode, low=own.low, high=own.high, color_table=own.color_table, invert=own.invert
    )


def _style_of_kind(spec: LayerSpec) -> Style:
    if spec.kind is LayerKind.OPTICAL:
        is_reflectance = any(each.has_ranges and not each.is_scalar for each in spec.combinations)
        mode = RangeMode.PERCENTILE if is_reflectance else RangeMode.AS_STORED
        return Style(range_mode=mode, color_table="grey")
    if spec.kind is LayerKind.SAR:
        if spec.combinations:
            return Style(range_mode=RangeMode.USUAL, color_table="grey")
        if spec.unit == DECIBELS:
            return Style(range_mode=RangeMode.FIXED, low=LOW_DECIBELS, high=HIGH_DECIBELS, color_table="grey")
        return Style(color_table="grey")
    if spec.kind is LayerKind.HEIGHT:
        return Style(percent=1.0, hillshade=0.35)
    if spec.kind is LayerKind.QUANTITY:
        if spec.low is not None and spec.high is not None:
            return Style(range_mode=RangeMode.FIXED, low=spec.low, high=spec.high, color_table="viridis")
        return Style(range_mode=RangeMode.SYMMETRIC, color_table=DIVERGING, invert=True)
    return Style()
