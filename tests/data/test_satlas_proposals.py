"""A published file of Satlas is recognised by its names and shapes, and its own card is proposed."""

from pathlib import Path

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Proposal
from rsviewer.data.proposals.recognising import propose

torch = pytest.importorskip("torch")
satlas_files = pytest.importorskip("tests.inference.satlas_files")

CARDS = sorted((Path(__file__).resolve().parents[2] / "resources" / "models").glob("satlas-*.toml"))


def hollow(shapes: dict[str, tuple[int, ...]], path: Path, *, old: bool = False) -> Path:
    """All names and shapes, whose numbers take no room in a file."""
    held = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    torch.save({"state_dict": satlas_files.old_names(held)} if old else held, path)
    return path


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_the_card_of_a_published_file_is_proposed(path: Path, tmp_path: Path) -> None:
    card = read_card(path)
    heads = " ".join(one.rpartition(":")[2] for one in str(card.settings["heads"]).split())
    shapes = satlas_files.layout(
        str(card.settings["backbone"]), card.band_count, heads, dates=bool(card.settings["dates"])
    )
    for old in (False, True):
        found = propose(hollow(shapes, tmp_path / "weights.pth", old=old))
        assert isinstance(found, Proposal)
        assert found.card == card


def test_other_heads_and_a_backbone_alone_are_told_in_a_sentence(tmp_path: Path) -> None:
    fine_tuned = hollow(satlas_files.layout("swin_v2_b", 9, "S1", dates=True), tmp_path / "solar.pth")
    with pytest.raises(ModelError, match="9 bands on swin_v2_b with the heads S1, which is none of the published"):
        propose(fine_tuned)
    with pytest.raises(ModelError, match="a backbone without heads"):
        propose(hollow(satlas_files.swin("", "swin_v2_t", 3), tmp_path / "backbone.pth"))
