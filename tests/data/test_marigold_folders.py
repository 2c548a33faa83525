"""A model that is a folder: recognised, put on the shelf where it lies, and not mistaken for another one."""

import json
from pathlib import Path

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.model import RunOptions, fingerprint
from rsviewer.core.pipelines import read_of
from rsviewer.data.models import Presence, Shelf
from rsviewer.data.proposals.marigold import is_pipeline, unet_file
from rsviewer.data.proposals.proposal import Proposal
from rsviewer.data.proposals.recognising import propose

UNET = "diffusion_pytorch_model.safetensors"
PARTS = ("vae", "text_encoder", "tokenizer", "scheduler")


def folder_of(root: Path, *, parts: tuple[str, ...] = PARTS, name: str = UNET) -> Path:
    """As much of a pipeline folder as the shelf looks at."""
    for part in ("unet", *parts):
        (root / part).mkdir(parents=True)
        (root / part / "config.json").write_text(json.dumps({"part": part}))
    (root / "unet" / name).write_bytes(b"numbers of the UNet")
    for part in parts:
        (root / part / "model.safetensors").write_bytes(f"numbers of {part}".encode())
    (root / "model_index.json").write_text("{}")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "marigold")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "user")


def proposed(path: Path, **answers: str) -> Proposal:
    found = propose(path, answers)
    assert isinstance(found, Proposal)
    return found


@pytest.mark.parametrize("said", [".", "model_index.json", "unet", f"unet/{UNET}"])
def test_a_folder_is_added_by_itself_or_by_a_file_of_it(folder: Path, shelf: Shelf, said: str) -> None:
    assert is_pipeline(folder / said)
    added = shelf.add(folder / said, proposed(folder / said).card)

    assert added.weights == folder / "unet" / UNET
    assert added.presence is Presence.HERE
    found = shelf.find("marigold-rs")
    assert found == added
    assert not found.builtin
    assert found.card is not None
    assert found.card.options[0].id == "steps"
    assert found.card.settings["parts_nbytes"] == sum(
        file.stat().st_size for part in PARTS for file in (folder / part).iterdir()
    )
    assert shelf.sha256(found) == found.card.weights.sha256
    assert not any((shelf_file.suffix == ".safetensors") for shelf_file in (folder.parent / "user").rglob("*"))


def test_the_card_of_the_program_can_be_named_and_the_folder_added_again(folder: Path, shelf: Shelf) -> None:
    shelf.add(folder, "marigold-rs")
    with pytest.raises(ModelError, match="already"):
        shelf.add(folder, "marigold-rs")
    (folder / "vae" / "model.safetensors").write_bytes(b"others")

    again = shelf.add(folder, "marigold-rs", overwrite=True)

    assert again.card is not None
    assert again.presence is Presence.HERE
    shelf.remove("marigold-rs")
    assert (folder / "unet" / UNET).is_file()
    assert shelf.find("marigold-rs").presence is Presence.MISSING


def test_other_parts_make_another_fingerprint(tmp_path: Path, shelf: Shelf) -> None:
    marks = set()
    for name in ("one", "two"):
        folder = folder_of(tmp_path / name)
        (folder / "text_encoder" / "model.safetensors").write_text(f"this is {name}")
        card = shelf.add(folder, "marigold-rs", overwrite=True).card
        assert card is not None
        marks.add(fingerprint(card, card.weights.sha256, RunOptions()))
    assert len(marks) == 2


def test_what_is_not_read_does_not_count() -> None:
    there = ["model.safetensors", "pytorch_model.bin", "config.json", "merges.txt", "model.fp16.safetensors", "a.py"]
    assert read_of(there) == ["config.json", "merges.txt", "model.safetensors"]


def test_what_the_trainer_leaves_needs_a_base(tmp_path: Path, folder: Path, shelf: Shelf) -> None:
    left = folder_of(tmp_path / "iter_1", parts=(), name="diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"has no folder vae: .* --set base=FOLDER"):
        shelf.add(left, proposed(left).card)
    with pytest.raises(ModelError, match="name another base"):
        shelf.add(left, proposed(left, base=str(tmp_path)).card)

    added = shelf.add(left, proposed(left, base=str(folder)).card)

    assert added.weights == left / "unet" / "diffusion_pytorch_model.bin"
    assert added.card is not None
    assert added.card.settings["base"] == str(folder)


def test_a_changed_unet_is_seen(folder: Path, shelf: Shelf) -> None:
    shelf.add(folder, "marigold-rs")
    (folder / "unet" / UNET).write_bytes(b"other numbers, and more")

    assert shelf.find("marigold-rs").presence is Presence.CHANGED


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no folder unet"):
        propose(tmp_path)
    (tmp_path / "unet").mkdir()
    with pytest.raises(ModelError, match="holds no weights"):
        unet_file(tmp_path)
    other = tmp_path / "unet" / "landcover.pth"
    other.write_bytes(b"x")
    assert not is_pipeline(other)
