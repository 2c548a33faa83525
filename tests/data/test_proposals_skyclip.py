"""SkyCLIP's files are recognised by their shapes."""

import zipfile
from pathlib import Path

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.data.proposals.proposal import Proposal
from rsviewer.data.proposals.recognising import propose
from rsviewer.data.proposals.skyclip import propose_skyclip


def shapes(width: int, patch: int, prefix: str = "module.") -> dict[str, tuple[int, ...]]:
    held: dict[str, tuple[int, ...]] = {"visual.conv1.weight": (width, 3, patch, patch)}
    held["token_embedding.weight"] = (49408, 512)
    return {f"{prefix}{name}": shape for name, shape in held.items()}


@pytest.mark.parametrize(("width", "patch", "card"), [(768, 32, "skyclip-b32"), (1024, 14, "skyclip-l14")])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_a_published_network_has_its_card(tmp_path: Path, width: int, patch: int, card: str, prefix: str) -> None:
    folder = tmp_path / "SkyCLIP_ViT_L14_top50pct"
    found = propose_skyclip(folder / "epoch_20.pt", shapes(width, patch, prefix), {})
    assert isinstance(found, Proposal)
    assert found.card.id == card
    assert found.card.weights.file == "SkyCLIP_ViT_L14_top50pct.pt"
    assert "activation" in found.told
    elsewhere = propose_skyclip(tmp_path / "epoch_20.pt", shapes(width, patch, prefix), {})
    assert isinstance(elsewhere, Proposal)
    assert elsewhere.card.weights.file.startswith("SkyCLIP_ViT_")


def test_other_networks_are_not_taken_for_it(tmp_path: Path) -> None:
    assert propose_skyclip(tmp_path / "x.pt", shapes(640, 16), {}) is None
    assert propose_skyclip(tmp_path / "x.pt", {"visual.conv1.weight": (768, 3, 32, 32)}, {}) is None
    assert propose_skyclip(tmp_path / "x.pt", {}, {}) is None


def test_the_authors_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "SkyCLIP_ViT_B32_top50pct.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("SkyCLIP_ViT_B32_top50pct/epoch_20.pt", b"weights")
    with pytest.raises(ModelError, match=r"unpack it, and add epoch_20\.pt"):
        propose(path)
