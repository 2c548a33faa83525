import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.expense import check_patience, expected_seconds, spoken
from rsviewer.core.model import ModelCard, Precision, RunOptions
from rsviewer.data.modelcards import read_card
from rsviewer.data.resources import resource_path


@pytest.fixture(scope="module")
def slow() -> ModelCard:
    return read_card(resource_path("models") / "marigold-rs.toml")


def test_the_time_follows_what_was_chosen(slow: ModelCard) -> None:
    def seconds(size: tuple[int, int] = (512, 512), precision: Precision = Precision.FLOAT32, **choices: int) -> float:
        return expected_seconds(slow, RunOptions(precision=precision, choices=choices), size)

    assert seconds() == pytest.approx(50 * 4.2 + 20)
    assert seconds(precision=Precision.BFLOAT16) == pytest.approx(50 * 1.9 + 20)
    assert seconds(steps=10, ensemble=5) == pytest.approx(5 * (10 * 4.2 + 20))
    assert seconds((1024, 1024), steps=1) == pytest.approx(4 * 24.2)
    assert seconds((1024, 512), steps=1, resolution=512) == pytest.approx(24.2 / 2)
    assert seconds(steps=0, ensemble=1000) == pytest.approx(20 * 24.2)


def test_others_are_fast_enough() -> None:
    fast = read_card(resource_path("models") / "rs3dada-height.toml")

    assert expected_seconds(fast, RunOptions()) == 0.0
    check_patience(fast, RunOptions())


def test_a_slow_one_needs_a_yes(slow: ModelCard) -> None:
    check_patience(slow, RunOptions(slow=True))
    with pytest.raises(ModelError, match=r"takes about 19 min with two cores: .*--slow-is-fine"):
        check_patience(slow, RunOptions(choices={"ensemble": 5}))


@pytest.mark.parametrize(
    ("seconds", "said"), [(4.2, "4 s"), (89, "89 s"), (210, "3.5 min"), (1050, "18 min"), (7560, "2.1 h")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
