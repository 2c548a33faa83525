"""A published file of Satlas is recognised by its names and shapes, and its own card is proposed."""

from pathlib import Path

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.data.modelcards import read_card
from rsviewer.data.proposals.proposal import Proposal, Question
from rsviewer.data.proposals.recognising import propose

torch = pytest.importorskip("torch")
satlas_files = pytest.importorskip("tests.inference.satlas_files")

EVERY = sorted((Path(__file__).resolve().parents[2] / "resources" / "models").glob("satlas-*.toml"))
CARDS = [path for path in EVERY if not path.stem.startswith("satlas-explorer-")]
FINE_TUNED = {path.stem: read_card(path) for path in EVERY if path not in CARDS}


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


def fine_tuned(
    folder: Path, name: str, heads: str, bands: int = 9, backbone: str = "swin_v2_b", *, dates: bool = True
) -> Path:
    return hollow(satlas_files.layout(backbone, bands, heads, dates=dates), folder / name)


@pytest.mark.parametrize(
    ("name", "heads", "bands", "wanted"),
    [
        ("solar_farm.pth", "S1", 9, "solar-farm"),
        ("SolarFarm-best.pth.tar", "S1", 9, "solar-farm"),
        ("2023_tree_cover.pth", "S1", 9, "tree-cover"),
        ("wind_turbines.pth", "D2", 9, "wind-turbine"),
        ("marine.pth.tar", "D4", 3, "marine"),
    ],
)
def test_a_fine_tuned_model_is_told_by_its_name(name: str, heads: str, bands: int, wanted: str, tmp_path: Path) -> None:
    found = propose(fine_tuned(tmp_path, name, heads, bands))
    assert isinstance(found, Proposal)
    assert found.card == FINE_TUNED[f"satlas-explorer-{wanted}"]
    assert "Its name says what for" in found.told


@pytest.mark.parametrize(
    ("name", "heads", "bands", "choices"),
    [
        ("best.pth", "S1", 9, ["solar_farm", "tree_cover"]),
        ("solar_or_tree.pth", "S1", 9, ["solar_farm", "tree_cover"]),
        ("street.pth", "S1", 9, ["solar_farm", "tree_cover"]),
        ("wind_turbine.pth", "S1", 9, ["solar_farm", "tree_cover"]),
        ("best.pth", "D2", 9, ["wind_turbine"]),
        ("vessels.pth", "D4", 3, ["marine"]),
    ],
)
def test_what_the_name_does_not_say_is_asked(
    name: str, heads: str, bands: int, choices: list[str], tmp_path: Path
) -> None:
    file = fine_tuned(tmp_path, name, heads, bands)
    asked = propose(file)
    assert isinstance(asked, Question)
    assert sorted(asked.choices) == choices
    for choice in choices:
        found = propose(file, {asked.key: choice})
        assert isinstance(found, Proposal)
        assert str(found.card.settings["heads"]).startswith(choice)
        assert not found.told
    with pytest.raises(ModelError, match="task=ships is no answer"):
        propose(file, {"task": "ships"})


def test_another_backbone_gets_a_card_of_its_own(tmp_path: Path) -> None:
    found = propose(fine_tuned(tmp_path, "solar.pth", "S1", backbone="swin_v2_t"))
    assert isinstance(found, Proposal)
    assert found.card.id == "satlas-explorer-solar-farm-swin-v2-t"
    assert found.card.settings["backbone"] == "swin_v2_t"
    assert "Swin-v2-T" in found.card.description


@pytest.mark.parametrize(
    ("heads", "bands", "backbone", "dates"),
    [
        ("S1", 3, "swin_v2_b", True),
        ("S1", 9, "swin_v2_b", False),
        ("S1", 9, "resnet50", True),
        ("D2", 3, "swin_v2_b", True),
        ("D4", 9, "swin_v2_b", True),
        ("D3", 3, "swin_v2_b", True),
        ("S1 S1", 9, "swin_v2_b", True),
    ],
)
def test_what_only_looks_like_a_fine_tuned_model_is_refused(
    heads: str, bands: int, backbone: str, dates: bool, tmp_path: Path
) -> None:
    with pytest.raises(
        ModelError, match=f"{bands} bands on {backbone} with the heads {heads}, which is none of the publ"
    ):
        propose(fine_tuned(tmp_path, "solar_wind_marine.pth", heads, bands, backbone, dates=dates))


@pytest.mark.parametrize("prefix", ["", "backbone.", "backbone.backbone."])
def test_a_backbone_alone_is_told_what_it_lacks(prefix: str, tmp_path: Path) -> None:
    bare = satlas_files.swin(prefix, "swin_v2_t", 3)
    for file in (hollow(bare, tmp_path / "bare.pth"), hollow(bare, tmp_path / "bare.pth.tar", old=True)):
        with pytest.raises(ModelError, match=r"a backbone alone: it lacks the heads of Satlas \(heads\.\*\), without"):
            propose(file)
    shapes = satlas_files.layout("swin_v2_t", 3, "S1 S2")
    half = {name: shape for name, shape in shapes.items() if not name.startswith("heads.0")}
    with pytest.raises(ModelError, match="without all of its heads"):
        propose(hollow(half, tmp_path / "half.pth"))
