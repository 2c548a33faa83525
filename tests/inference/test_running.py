"""Networks at work: quiet, in the precision that was asked for, and with less at once where there is no room."""

import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Framing, Precision
from rsviewer.core.prediction import HEIGHT
from tests.inference.networks import (
    HEIGHTS,
    SCENE,
    TILE,
    Cramped,
    Fake,
    card,
    first_band,
    fitted,
    height_of,
    lend_gpu,
    ramp,
    running,
)


def test_the_bare_pass_runs_the_very_windows_of_the_tile() -> None:
    network = Fake(height=first_band)
    of = card(HEIGHTS, framing=Framing("cut", window=4, stride=4))
    with running(network, of, batch=2) as engine:
        engine.predict(TILE, fitted(ramp(4, 12)))
        predicted = list(network.shapes)
        network.shapes.clear()
        assert engine.bare_seconds(fitted(ramp(4, 12)), repeats=3) > 0
    assert network.shapes == predicted * 4  # the first to warm up


def test_smaller_numbers_are_used_where_asked() -> None:
    kinds: list[torch.dtype] = []

    def product(windows: torch.Tensor) -> torch.Tensor:
        answer = windows @ torch.ones(windows.shape[3], windows.shape[3])
        kinds.append(answer.dtype)
        return answer

    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        with running(Fake(height=product), card(HEIGHTS), precision=precision) as engine:
            prediction = engine.predict(TILE, fitted(np.ones((1, 4, 4), np.float32)))
        np.testing.assert_array_equal(height_of(prediction), np.full((4, 4), 4.0))
        assert prediction.rasters[HEIGHT].pixels.dtype == np.float32
    assert kinds == [torch.float32, torch.bfloat16]


def tf32() -> tuple[bool, bool]:
    """Whether convolutions may be computed in it, and matrix products."""
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def _tf32_as_before() -> Iterator[None]:
    before = tf32()
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.usefixtures("_tf32_as_before")
def test_float32_is_float32_on_a_gpu_too() -> None:
    allowed: list[tuple[bool, bool]] = []

    def noting(windows: torch.Tensor) -> torch.Tensor:
        allowed.append(tf32())
        return first_band(windows)

    exact, fast = (
        running(Fake(height=noting), card(HEIGHTS), precision=precision)
        for precision in (Precision.FLOAT32, Precision.BFLOAT16)
    )
    for engine in (exact, fast, exact):  # whoever came before in this process
        engine.predict(TILE, fitted(ramp(2, 2)))
    assert allowed == [(False, False), (True, True), (False, False)]


def test_what_libraries_warn_of_is_kept_quiet() -> None:
    def warns(windows: torch.Tensor) -> torch.Tensor:
        import warnings

        warnings.warn("only for developers", stacklevel=1)
        return first_band(windows)

    with running(Fake(height=warns), card(HEIGHTS)) as engine:
        engine.predict(TILE, fitted(ramp(2, 2)))


def test_float16_on_the_processor_is_replaced_and_said() -> None:
    with running(Fake(height=first_band), card(HEIGHTS), precision=Precision.FLOAT16) as engine:
        remarks = engine.predict(TILE, fitted(ramp(2, 2))).remarks
    assert remarks == ("A processor is slow in float16: predicted in bfloat16 instead.",)


def test_a_network_that_fails_says_why_in_a_sentence() -> None:
    def fails(_windows: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nat 0x77")

    with (
        running(Fake(height=fails), card(HEIGHTS)) as engine,
        pytest.raises(ModelError, match=r"Fake model fails on windows of 1 x 1 x 2 x 2 numbers: mat1 .* multiplied$"),
    ):
        engine.predict(TILE, fitted(ramp(2, 2)))


# Lack of memory

ERRORS = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    MemoryError,
]


@pytest.mark.parametrize("error", ERRORS)
def test_windows_that_do_not_fit_at_once_are_predicted_one_by_one(error: Callable[[], Exception]) -> None:
    network = Cramped(100 * 100, error, height=first_band)
    of = card(HEIGHTS, framing=Framing("cut", window=100, stride=100))
    with running(network, of, batch=4) as engine:
        first, second = engine.predict(TILE, fitted(ramp(100, 300))), engine.predict(TILE, fitted(ramp(100, 300)))
    np.testing.assert_array_equal(height_of(first), ramp(100, 300)[0])
    assert first.remarks == ("There was no room on cpu for 3 windows at once: predicted one by one.",)
    assert second.remarks == ()
    assert [shape[0] for shape in network.shapes] == [3, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_did_not_fit_is_gone_before_less_is_tried(wrapped: bool) -> None:
    layers: list[weakref.ref[torch.Tensor]] = []
    left: list[bool] = []

    def crowded(windows: torch.Tensor) -> torch.Tensor:
        left.append(any(layer() is not None for layer in layers))
        layer = windows * 2
        layers.append(weakref.ref(layer))
        if len(layers) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return first_band(windows)

    def exported(windows: torch.Tensor) -> torch.Tensor:
        try:
            return crowded(windows)
        except torch.OutOfMemoryError as error:
            raise ModelError("It cannot be run.") from error

    with running(Fake(height=exported if wrapped else crowded), card(HEIGHTS)) as engine:
        engine.predict(TILE, fitted(ramp(300, 300)))
    assert left[:3] == [False] * 3


def test_a_window_that_does_not_fit_is_halved_and_the_next_tile_knows() -> None:
    network = Cramped(140 * 140, ERRORS[0], height=first_band)
    with running(network, card(HEIGHTS, framing=Framing("pad", window=518, multiple=14))) as engine:
        first, second = engine.predict(TILE, fitted(ramp(512, 512))), engine.predict(TILE, fitted(ramp(512, 512)))
        small = engine.predict(TILE, fitted(ramp(100, 100)))
    np.testing.assert_allclose(height_of(first), ramp(512, 512)[0], rtol=1e-6)
    assert first.remarks == ("There was no room on cpu for larger windows: predicted in windows of 140 pixels.",)
    assert second.remarks == first.remarks
    assert small.remarks == ()
    sides = [shape[3] for shape in network.shapes]
    assert sides[:3] == [518, 266, 140]
    assert set(sides[2:-1]) == {140}


def test_the_processor_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Cramped(0, ERRORS[0], height=first_band)
    lend_gpu(monkeypatch)
    with running(network, card(HEIGHTS), device="auto") as engine:
        engine.load()
        assert engine.device == "meta"
        first, second = engine.predict(TILE, fitted(ramp(90, 90))), engine.predict(TILE, fitted(ramp(90, 90)))
    assert [shape[3] for shape in network.shapes] == [90, 64, 64, 90, 90]  # with the whole tile at once again
    assert network.moves == ["cpu"]
    assert first.device == "cpu"
    np.testing.assert_array_equal(height_of(first), ramp(90, 90)[0])
    assert first.remarks == ("There was no room on meta: predicted on the processor.",)
    assert second.remarks == first.remarks


def test_when_nothing_fits_that_is_said() -> None:
    network = Cramped(0, ERRORS[1], height=first_band)
    with running(network, card(HEIGHTS)) as engine, pytest.raises(ModelError, match="not enough memory for Fake model"):
        engine.predict(TILE, fitted(ramp(200, 200)))
    assert [shape[3] for shape in network.shapes] == [200, 100, 64]


def test_when_there_is_room_again_tiles_are_predicted_as_ever() -> None:
    network = Cramped(0, ERRORS[1], height=first_band)
    with running(network, card(HEIGHTS)) as engine:
        with pytest.raises(ModelError, match="not enough memory"):
            engine.predict(TILE, fitted(ramp(200, 200)))
        network.pixels = 200 * 200
        prediction = engine.predict(TILE, fitted(ramp(200, 200)))
    assert network.shapes[-1] == (1, 1, 200, 200)
    assert prediction.remarks == ()


def test_windows_of_a_fixed_size_and_of_scenes_are_not_halved() -> None:
    for output, framing in (
        (HEIGHTS, Framing("fixed", window=128, multiple=128)),
        (SCENE, Framing("scene", window=128)),
    ):
        network = Cramped(0, ERRORS[0], height=first_band)
        with (
            running(network, card(output, framing=framing)) as engine,
            pytest.raises(ModelError, match="not enough memory"),
        ):
            engine.predict(TILE, fitted(ramp(128, 128)))
        assert len(network.shapes) == 1


def test_a_network_that_takes_no_smaller_windows_goes_to_the_processor_with_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of_one_size(windows: torch.Tensor) -> torch.Tensor:
        if windows.shape[3] != 128:
            raise ModelError("It takes windows of 128 pixels only.")
        return first_band(windows)

    network = Cramped(0, ERRORS[0], height=of_one_size)
    lend_gpu(monkeypatch, batch=1)
    with running(network, card(HEIGHTS, framing=Framing("x", window=128, whole=True)), device="auto") as engine:
        prediction = engine.predict(TILE, fitted(ramp(100, 128)))
    assert [shape[3] for shape in network.shapes] == [128, 64, 128]
    assert prediction.remarks == ("There was no room on meta: predicted on the processor.",)
    np.testing.assert_array_equal(height_of(prediction), ramp(100, 128)[0])
