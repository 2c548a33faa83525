"""A model that is a folder: recognised, put on the shelf where it lies, and not mistaken for another one."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.model import RunOptions, fingerprint
from rsviewer.core.pipelines import read_of
from rsviewer.data.models import Presence, Shelf
from rsviewer.data.proposals.marigold import is_pipeline, unet_file
from rsviewer.data.proposals.proposal import Proposal, Question
from rsviewer.data.proposals.recognising import completed, propose

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
    for file in ("tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"):
        if (root / file).parent.is_dir():
            (root / file).write_text("{}")
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
    assert read_of(there, lambda _: b"") == ["config.json", "merges.txt", "model.safetensors"]


def test_what_the_trainer_leaves_needs_a_base(tmp_path: Path, folder: Path, shelf: Shelf) -> None:
    left = folder_of(tmp_path / "iter_1", parts=(), name="diffusion_pytorch_model.bin")
    asked = propose(left)
    assert isinstance(asked, Question)
    assert (asked.key, asked.is_folder, asked.advice) == ("base", True, "--set base=FOLDER")
    assert asked.asks.endswith(
        "iter_1 has no folders vae, text_encoder, tokenizer and scheduler: it is what the trainer of Marigold-RS leaves. "
        "Name a folder of Stable Diffusion 2 for the other parts."
    )
    with pytest.raises(ModelError, match=r"has no folder vae: .* Add --set base=FOLDER"):
        shelf.add(left, "marigold-rs")

    added = shelf.add(left, proposed(left, base=str(folder)).card)

    assert added.weights == left / "unet" / "diffusion_pytorch_model.bin"
    assert added.card is not None
    assert added.card.settings["base"] == str(folder)


def test_a_card_that_is_named_is_asked_for_its_base_as_well(tmp_path: Path, folder: Path, shelf: Shelf) -> None:
    left = folder_of(tmp_path / "iter_1", parts=("text_encoder",))
    card = shelf.card_of("marigold-rs")
    asked = completed(card, left)
    assert isinstance(asked, Question)
    assert "no folders vae, tokenizer and scheduler" in asked.asks

    found = completed(card, left, {"base": str(folder)})
    assert isinstance(found, Proposal)
    assert completed(found.card, left) == found  # a card that names its base is asked nothing
    other = shelf.card_of("rs3dada-height")
    assert completed(other, tmp_path / "x.pth") == Proposal(other)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("vae", "has a folder vae: name another folder"),
        ("vae/model.safetensors", r"vae is not complete: it lacks diffusion_pytorch_model\.safetensors or the like"),
        ("vae/config.json", r"vae is not complete: it lacks config\.json\. Fetch it again"),
        ("text_encoder/model.safetensors", "text_encoder is not complete"),
        ("tokenizer/merges.txt", r"tokenizer is not complete: it lacks merges\.txt"),
        ("scheduler/scheduler_config.json", r"it lacks scheduler_config\.json\. Fetch"),
    ],
)
@pytest.mark.parametrize("in_base", [False, True])
def test_a_part_that_is_not_complete_is_said_before_it_is_added(
    tmp_path: Path, folder: Path, lost: str, said: str, in_base: bool
) -> None:
    path = folder / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    model = folder_of(tmp_path / "iter_1", parts=()) if in_base else folder
    base = folder if in_base else tmp_path / "empty"
    base.mkdir(exist_ok=True)

    with pytest.raises(ModelError, match=said):
        propose(model, {"base": str(base)})


def test_a_base_that_is_nowhere_is_said(tmp_path: Path) -> None:
    left = folder_of(tmp_path / "iter_1", parts=())
    with pytest.raises(ModelError, match=r"There is no folder .*nowhere: name a folder of Stable Diffusion 2"):
        propose(left, {"base": str(tmp_path / "nowhere")})


def test_a_pointer_in_the_place_of_a_part_is_refused(folder: Path, shelf: Shelf) -> None:
    (folder / "vae" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match=r"vae/model\.safetensors is a Git LFS pointer"):
        shelf.add(folder, proposed(folder).card)


@pytest.mark.parametrize("place", ["vae/config.json", "tokenizer/merges.txt", "unet/config.json", "model_index.json"])
def test_settings_out_of_all_measure_are_not_read(folder: Path, shelf: Shelf, place: str) -> None:
    with (folder / place).open("r+b") as file:
        file.truncate(1 << 40)  # full of holes: hours of reading
    with pytest.raises(ModelError, match="1,099,511,627,776 bytes, which makes no sense"):
        shelf.add(folder, "marigold-rs")


def in_shards(folder: Path, part: str, names: Sequence[str]) -> Path:
    """An index beside files that hold the numbers of a part."""
    index = folder / part / f"{UNET}.index.json"
    index.write_text(json.dumps({"weight_map": {f"number {at}": name for at, name in enumerate(names)}}))
    for name in names:
        (folder / part / name).write_bytes(f"{part} {name}".encode())
    return index


def test_numbers_in_several_files_are_added_by_any_of_them(folder: Path, shelf: Shelf) -> None:
    (folder / "unet" / UNET).unlink()
    (folder / "vae" / "model.safetensors").unlink()
    names = ["diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors"]
    index = in_shards(folder, "unet", names)
    in_shards(folder, "vae", names)
    prints = set()
    for said in (folder, index, folder / "unet" / names[1]):
        assert is_pipeline(said)
        added = shelf.add(said, proposed(said).card, overwrite=True)
        assert added.weights == index
        assert added.card is not None
        prints.add(fingerprint(added.card, added.card.weights.sha256, RunOptions()))
    assert len(prints) == 1

    (folder / "unet" / names[1]).write_bytes(b"other numbers")
    again = shelf.add(folder, proposed(folder).card, overwrite=True).card
    assert again is not None
    assert fingerprint(again, again.weights.sha256, RunOptions()) not in prints


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_file_that_is_missing_among_several_is_named(folder: Path, shelf: Shelf, part: str) -> None:
    for file in (folder / part).glob("*.safetensors"):
        file.unlink()
    in_shards(folder, part, ["a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors"])
    (folder / part / "a-00002-of-00002.safetensors").unlink()

    with pytest.raises(ModelError, match=r"a-00002-of-00002\.safetensors is not there"):
        shelf.add(folder, "marigold-rs")


@pytest.mark.parametrize("said", ["NaN", "Infinity", "1e999", "-1", "true", '"17"'])
def test_a_size_of_files_that_is_none_is_refused(folder: Path, shelf: Shelf, said: str) -> None:
    index = in_shards(folder, "vae", ["a-00001-of-00001.safetensors"])
    (folder / "vae" / "model.safetensors").unlink()
    index.write_text(f'{{"metadata": {{"total_size": {said}}}, "weight_map": {{"a": "a-00001-of-00001.safetensors"}}}}')
    with pytest.raises(ModelError, match="is damaged: it does not say where numbers are"):
        shelf.add(folder, "marigold-rs")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes on Windows")
@pytest.mark.parametrize("name", [UNET, f"{UNET}.index.json"])
def test_a_pipe_in_the_place_of_weights_is_not_waited_for(folder: Path, shelf: Shelf, name: str) -> None:
    (folder / "unet" / UNET).unlink()
    os.mkfifo(folder / "unet" / name)
    with pytest.raises(ModelError, match="holds no weights"):
        shelf.add(folder, "marigold-rs")


def test_a_path_that_cannot_be_one_is_said(tmp_path: Path, folder: Path) -> None:
    left = folder_of(tmp_path / "iter_1", parts=())
    for base in ("x" * 300, "~nobody-of-that-name/x", "a\0b"):
        with pytest.raises(ModelError, match=r"There is no folder .*: name a folder of Stable Diffusion 2"):
            propose(left, {"base": base})
    for model in (Path("x" * 300), Path("~nobody-of-that-name")):
        with pytest.raises(ModelError):
            propose(model)
        with pytest.raises(ModelError):
            unet_file(model)


def test_what_is_read_beside_the_unet_is_told_and_can_be_stopped(folder: Path, shelf: Shelf) -> None:
    told: list[tuple[int, int | None]] = []
    shelf.add(folder, "marigold-rs", progress=lambda done, total: told.append((done, total)))
    parts = [(done, total) for done, total in told if total != len(b"numbers of the UNet")]
    assert parts[-1][0] == parts[-1][1] == max(done for done, _ in parts)

    def stop(_done: int, _total: int | None) -> None:
        raise ModelError("Stopped.")

    with pytest.raises(ModelError, match=r"^Stopped\.$"):
        shelf.add(folder, "marigold-rs", overwrite=True, progress=stop)


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
