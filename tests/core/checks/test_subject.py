"""The small copies that checks share."""

import numpy as np
import pytest

from rsviewer.core.tile import LayerId
from tests.core.checks.subjects import raster, subject

IMAGE = LayerId("image")


@pytest.mark.parametrize("shape", [(64, 64), (61, 47), (5, 130)])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6, 8])
def test_a_band_reduced_by_halves_holds_the_means_of_whole_blocks(shape: tuple[int, int], factor: int) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, *shape), np.uint8)
    rows, columns = (side // factor * factor for side in shape)
    found = subject(image=pixels).band(IMAGE, 1, factor)
    if min(rows, columns) > 0:
        blocks = pixels[1, :rows, :columns].reshape(rows // factor, factor, columns // factor, factor)
        assert found.shape == (rows // factor, columns // factor)
        assert np.abs(found - blocks.mean((1, 3))).max() <= 2  # each halving rounds
    else:
        assert found.shape == tuple(max(1, side // factor) for side in shape)


def test_what_a_tile_has_is_found_out_once_and_says_which_layers_have_pixels() -> None:
    here = subject(image=np.zeros((3, 8, 8), np.uint8), ndsm=raster(np.zeros((1, 0, 8), np.float32)), landcover=None)
    assert [spec.id for spec in here.rasters()] == ["image"]
    assert here.rasters() is here.rasters()
    assert here.image is not None
    assert here.image.id == "image"
    assert here.dates is None
