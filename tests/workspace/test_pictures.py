"""What a worker makes arrives, whatever goes wrong on the way: no pane waits for ever."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rsviewer.core.render import Painted
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Raster, TileId, Unreadable
from rsviewer.workspace.background import call_now
from rsviewer.workspace.pictures import ContentKey, Look, Pictures, Wish

SPEC = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM")
TILE = TileId("1")
GREY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def heights(path: str, spec: LayerSpec) -> LayerContent:
    pixels = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    return Raster(pixels, np.ones(pixels.shape, bool))


def stumbles(*_: object) -> NDArray[np.uint8]:
    raise ZeroDivisionError("ours")


def made(
    read: Callable[[str, LayerSpec], LayerContent], tables: Callable[[str], NDArray[np.uint8]]
) -> tuple[LayerContent | None, Painted | None, list[TileId]]:
    """One wish fulfilled: what was read, what was painted, and whose arrival was told."""
    arrived: list[TileId] = []
    pictures = Pictures(read, tables, call_now, arrived.append, lambda: None, limit=10**6, threads=0)
    wish = Wish(ContentKey(TILE, SPEC.id), Look(Style()), SPEC, "1.tif", "")
    pictures.want([TILE], [wish])
    while pictures.step():
        pass
    assert not pictures.step()
    return pictures.content(wish.content), pictures.painted(wish), arrived


def test_a_picture_arrives() -> None:
    content, painted, arrived = made(heights, lambda _: GREY)
    assert isinstance(content, Raster)
    assert painted is not None
    assert arrived == [TILE]


def test_a_fault_of_ours_while_reading_is_said_in_the_pane(caplog: pytest.LogCaptureFixture) -> None:
    content, painted, arrived = made(stumbles, lambda _: GREY)  # type: ignore[arg-type]
    assert isinstance(content, Unreadable)
    assert "ZeroDivisionError" in content.reason
    assert content.reason.endswith("The file itself may be in order.")
    assert painted is None
    assert arrived == [TILE]
    assert "Could not read 1.tif" in caplog.text


def test_a_fault_of_ours_while_painting_leaves_the_values_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    content, painted, arrived = made(heights, stumbles)
    assert isinstance(content, Raster)
    assert painted is not None
    assert painted.pixels.shape == (3, 4)
    assert not painted.pixels.any()
    assert "ZeroDivisionError" in painted.note
    assert arrived == [TILE]
    assert "Could not paint" in caplog.text
