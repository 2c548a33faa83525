from dataclasses import replace

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.expense import check_patience, cost, expected_seconds, spoken
from rsviewer.core.model import ModelCard, Precision, RunOptions
from rsviewer.data.modelcards import read_card
from rsviewer.data.resources import resource_path


@pytest.fixture(scope="module")
def slow() -> ModelCard:
    """With numbers that are easy to follow."""
    card = read_card(resource_path("models") / "marigold-rs.toml")
    times = {"step_seconds": 4.0, "step_seconds_bfloat16": 2.0, "answer_seconds": 12.0, "tile_seconds": 8.0}
    return replace(card, settings={**times, "answer_seconds_bfloat16": 6.0, "attention_share": 0.0})


def test_the_time_follows_what_was_chosen(slow: ModelCard) -> None:
    def seconds(
        size: tuple[int, int] = (512, 512), precision: Precision = Precision.FLOAT32, threads: int = 2, **choices: int
    ) -> float:
        return expected_seconds(slow, RunOptions(precision=precision, choices=choices), size, threads)

    assert seconds() == pytest.approx(50 * 4 + 12 + 8)
    assert seconds(precision=Precision.BFLOAT16) == pytest.approx(50 * 2 + 6 + 8)
    assert seconds(precision=Precision.FLOAT16) == seconds(
        precision=Precision.BFLOAT16
    )  # which a processor takes for it
    assert seconds(steps=10, ensemble=5) == pytest.approx(5 * (10 * 4 + 12) + 8)  # the image is encoded once
    assert seconds((1024, 1024), steps=1) == pytest.approx(4 * 24)
    assert seconds((1024, 512), steps=1, resolution=512) == pytest.approx(24 / 2)
    assert seconds((256, 256), steps=1, resolution=1024) == pytest.approx(24 * 4)
    assert seconds(steps=0, ensemble=1000) == pytest.approx(20 * 16 + 8)
    assert seconds(threads=1) == pytest.approx(2 * seconds())
    assert seconds(threads=8) == pytest.approx(seconds() / 4)
    assert seconds(threads=64) == seconds(threads=16)


def test_attention_grows_with_the_square_of_the_pixels(slow: ModelCard) -> None:
    card = replace(slow, settings={"step_seconds": 4.0, "attention_share": 0.25})
    options = RunOptions(choices={"steps": 1})

    assert expected_seconds(card, options) == pytest.approx(4.0)
    assert expected_seconds(card, options, (1024, 1024)) == pytest.approx(4 * 3 + 16 * 1)


def test_others_are_fast_enough() -> None:
    fast = read_card(resource_path("models") / "rs3dada-height.toml")

    assert expected_seconds(fast, RunOptions()) == 0.0
    check_patience(fast, RunOptions())


def test_a_slow_one_needs_a_yes(slow: ModelCard) -> None:
    check_patience(slow, RunOptions(slow=True))
    with pytest.raises(ModelError, match=r"a tile of 512 x 512 takes about 18 min with 2 threads: .*--slow-is-fine"):
        check_patience(slow, RunOptions(choices={"ensemble": 5}))
    with pytest.raises(ModelError, match=r"a tile of 256 x 128 takes about 55 s with 1 thread: "):
        check_patience(slow, RunOptions(), (128, 256), 1)


def test_a_measured_time_names_no_threads() -> None:
    assert cost(200.0, (512, 256), 0) == "a tile of 256 x 512 takes about 3.3 min"


@pytest.mark.parametrize(
    ("seconds", "said"), [(4.2, "4 s"), (89, "89 s"), (210, "3.5 min"), (1050, "18 min"), (7560, "2.1 h")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
