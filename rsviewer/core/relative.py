"""Heights that are relative: right but for a scale and a shift that nobody knows. They are fitted to a reference, then judged.

Scale and shift are those of least squares, over the pixels where both are valid. What is judged is what Marigold's evaluation
judges (Ke et al., Repurposing Diffusion-Based Image Generators for Monocular Depth Estimation, CVPR 2024), as RS3DBench does it
for heights: the reference is taken to 0..1 by the least and the greatest height of its tile, the prediction is fitted to that
and cut to 1e-6..1. The lowest pixels of every tile have the reference 0, so that their ratios and logarithms do not exist: they
count for RMSE alone.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 1e-6
"""Predictions are raised to this; a reference below it has no ratio."""
_FLAT = 1e-6
"""Spread of a prediction below which it is the same everywhere: a fit to mere rounding would have a scale of billions."""
_WITHIN = (1.25, 1.25**2, 1.25**3)
"""Factors that a height may be off."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The line from relative heights to those of the reference: height = scale * relative + shift.

    Attributes:
        scale, shift: of least squares.
        pixels: that took part.
    """

    scale: float
    shift: float
    pixels: int


@dataclass(frozen=True, slots=True)
class RelativeScores:
    """Relative heights of one tile, after the fit, in parts of the range of the reference.

    Attributes:
        pixels: with a reference above 0, of which all but `rmse` are taken.
        zeros: pixels whose reference is 0: they count for `rmse` alone.
        abs_rel: mean of |p - g| / g.
        sq_rel: mean of (p - g)^2 / g.
        rmse: root of the mean of (p - g)^2, over all pixels.
        rmse_log: root of the mean of (ln p - ln g)^2.
        log10: mean of |log10 p - log10 g|.
        deltas: share of pixels where the greater of p/g and g/p is less than 1.25, 1.25^2 and 1.25^3.
        silog: 100 times the root of the variance of ln p - ln g.
    """

    pixels: int
    zeros: int
    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    deltas: tuple[float, float, float]
    silog: float


def fit_line(relative: NDArray[Any], reference: NDArray[Any], valid: NDArray[np.bool_]) -> Fit | None:
    """Scale and shift of least squares; None where no pixel is valid in both.

    Where the prediction is the same everywhere, it becomes the mean of the reference.

    Args:
        relative: (h, w) of about 0..1.
        reference: (h, w), in any unit.
        valid: (h, w), where both may be used. Values that are not finite are left out as well.
    """
    with np.errstate(all="ignore"):
        usable = valid & np.isfinite(relative) & np.isfinite(reference)
        if not usable.any():
            return None
        x, y = relative[usable].astype(np.float64), reference[usable].astype(np.float64)
        middle, level = float(x.mean()), float(y.mean())
        x -= middle
        spread = float(np.dot(x, x))
        flat = spread <= x.size * _FLAT**2
        scale = 0.0 if flat else float(np.dot(x, y - level)) / spread
    return Fit(scale, level - scale * middle, x.size)


def relative_scores(relative: NDArray[Any], reference: NDArray[Any], valid: NDArray[np.bool_]) -> RelativeScores | None:
    """How good relative heights are; None where the reference is flat, or nothing is valid in both.

    Args:
        relative: (h, w) of about 0..1, before any fit.
        reference: (h, w), in any unit.
        valid: (h, w), where both may be used. Values that are not finite are left out as well.
    """
    with np.errstate(all="ignore"):
        usable = valid & np.isfinite(relative) & np.isfinite(reference)
        if not usable.any():
            return None
        said, truth = relative[usable].astype(np.float64), reference[usable].astype(np.float64)
        low, span = float(truth.min()), float(np.ptp(truth))
        if span <= 0.0:
            return None
        truth = (truth - low) / span
        fit = fit_line(said, truth, np.ones(said.shape, bool))
        if fit is None:
            return None
        said = np.clip(fit.scale * said + fit.shift, LEAST, 1.0)
        rmse = math.sqrt(float(np.square(said - truth).mean()))
        above = truth > LEAST
        said, truth = said[above], truth[above]
        error, difference = said - truth, np.log(said) - np.log(truth)
        ratio = np.maximum(said / truth, truth / said)
        near, close, far = (float((ratio < factor).mean()) for factor in _WITHIN)
        variance = float(np.square(difference).mean() - difference.mean() ** 2)
        return RelativeScores(
            int(above.sum()),
            int(above.size - above.sum()),
            abs_rel=float((np.abs(error) / truth).mean()),
            sq_rel=float((np.square(error) / truth).mean()),
            rmse=rmse,
            rmse_log=math.sqrt(float(np.square(difference).mean())),
            log10=float(np.abs(difference).mean()) / math.log(10.0),
            deltas=(near, close, far),
            silog=100.0 * math.sqrt(max(variance, 0.0)),
        )
