"""Where between pixels something fits best."""

import numpy as np
from numpy.typing import NDArray


def vertex(three: NDArray[np.floating]) -> float:
    """Where between -0.5 and 0.5 the parabola through three neighbours, with the largest in the middle, has its top."""
    before, here, after = (float(value) for value in three)
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
