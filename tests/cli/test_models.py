import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rsviewer.data import models
from rsviewer.data.models import Shelf
from tests.data.test_marigold_folders import folder_of

Run = Callable[..., Any]

NUMBERS = b"numbers" * 200
SHA = hashlib.sha256(NUMBERS).hexdigest()

CARD = """
id = "{id}"
title = "Heights of towns"
family = "{family}"
licence = "CC-BY-4.0"
description = "Made up."

[weights]
file = "{id}.bin"
{weights}

[[inputs]]
mean = [1, 2, 3]
std = [4, 5, 6]

[[outputs]]
kind = "height"
title = "nDSM"

[[outputs]]
kind = "labels"
name = "cover"
classes = [{{ value = 1, name = "House", color = "#ff0000" }}, {{ value = 2, name = "Tree", color = "#00ff00" }}]

[[framings]]
id = "pad"
window = 64
multiple = 8
"""
OFFERED = 'page = "https://example.org/big"\nrepository = "owner/name"\npath = "big.pth"'


def write_card(folder: Path, identity: str, family: str = "onnx", weights: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{identity}.toml"
    path.write_text(CARD.format(id=identity, family=family, weights=weights))
    return path


@pytest.fixture(autouse=True)
def builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program comes with one model that is here and one that is offered elsewhere."""
    folder = tmp_path / "builtin"
    write_card(folder, "demo", "demo", f'sha256 = "{SHA}"')
    (folder / "demo.bin").write_bytes(NUMBERS)
    write_card(folder, "big", "rs3dada", OFFERED)
    monkeypatch.setattr(models, "resource_path", lambda name: folder)
    return folder


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return write_card(tmp_path / "mine", "mine")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "best.bin"
    path.write_bytes(NUMBERS)
    return path


def test_the_list_says_what_is_here_and_where_the_rest_is_offered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    done = run("models", "list")

    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["model", "predicts", "weights", "size", "licence", "offered", "at"]
    assert lines[1][0] == "demo"
    assert {"here", "1.4", "kB", "CC-BY-4.0"} <= set(lines[1])
    assert lines[3][0] == "big"
    assert {"missing", "https://example.org/big"} <= set(lines[3])
    assert "nDSM (m), labels (2 classes)" in done.out
    assert "rsviewer models add FILE --card big" in " ".join(done.out.split())


def test_the_list_is_one_json_document_for_scripts(run: Run) -> None:
    demo, big = run("models", "list", "--json").document

    assert (demo["id"], demo["presence"], demo["nbytes"], demo["builtin"]) == ("demo", "here", 1400, True)
    assert (demo["predicts"], demo["allowed"]) == (["height", "labels"], True)
    assert demo["card"]["framings"][0]["window"] == 64
    assert (big["id"], big["presence"], big["page"], big["nbytes"]) == ("big", "missing", "https://example.org/big", 0)


def test_added_weights_are_here_until_they_are_removed(run: Run, card: Path, weights: Path) -> None:
    done = run("models", "add", weights, "--card", card)

    assert (done.code, done.err) == (0, "")
    kept = Shelf().find("mine").weights
    assert done.out.splitlines()[:2] == [f"mine was added, 1.4 kB: {kept}", f"SHA-256 {SHA}"]
    assert kept.read_bytes() == NUMBERS
    assert [model["id"] for model in run("models", "list", "--json").document] == ["demo", "mine", "big"]

    again = run("models", "add", weights, "--card", card)
    assert again.code == 2
    assert "There is a model mine already" in again.err
    assert run("models", "add", weights, "--card", card, "--overwrite").code == 0

    assert run("models", "remove", "mine").out == "mine was removed.\n"
    assert not kept.exists()
    assert run("models", "remove", "mine").code == 2


def test_linked_weights_are_used_where_they_lie(run: Run, card: Path, weights: Path) -> None:
    assert run("models", "add", weights, "--card", card, "--link").code == 0
    assert Shelf().find("mine").weights == weights

    done = run("models", "remove", "mine")

    assert done.out == f"mine was removed. {weights} was left where it is.\n"
    assert weights.is_file()


def test_weights_of_a_built_in_card_are_added_by_its_id(run: Run, weights: Path) -> None:
    assert run("models", "add", weights, "--card", "big").code == 0

    assert run("models", "show", "big", "--json").document["presence"] == "here"


def test_a_model_shows_what_it_takes_and_gives(run: Run, weights: Path) -> None:
    done = run("models", "show", "demo")

    assert done.code == 0
    for said in (
        "optical: red, green, blue, 0 to 255, minus 1/2/3, over 4/5/6",
        "nDSM (m)",
        "labels (2 classes): 1 House, 2 Tree",
        "pad, windows of 64 every 32, sides in multiples of 8",
        "here: ",
        SHA,
        "CC-BY-4.0",
    ):
        assert said in done.out
    missing = run("models", "show", "big")
    assert missing.code == 1
    assert "missing: " in missing.out
    unknown = run("models", "show", "dmo")
    assert (unknown.code, unknown.err) == (2, "rsviewer: There is no model dmo. Did you mean demo?\n")


def test_a_card_that_is_nowhere_on_the_shelf_can_be_shown(run: Run, card: Path) -> None:
    assert run("models", "show", card).code == 1
    (card.parent / "mine.bin").write_bytes(NUMBERS)
    assert run("models", "show", card).code == 0


def test_verified_weights_are_read(run: Run, builtin: Path) -> None:
    assert run("models", "show", "demo", "--verify").code == 0
    (builtin / "demo.bin").write_bytes(NUMBERS[::-1])
    assert run("models", "show", "demo").code == 0

    done = run("models", "show", "demo", "--verify")

    assert done.code == 1
    assert "is not the file that the card of Heights of towns was written for" in " ".join(done.out.split())


def test_a_broken_card_is_in_the_list_and_says_why(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "rsviewer-home" / "models" / "odd"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text("id = 7")

    listed, shown = run("models", "list"), run("models", "show", "odd")

    assert (listed.code, shown.code) == (0, 1)
    for done in (listed, shown):
        assert "The key 'id' of the card must be" in " ".join(done.out.split())
    assert run("models", "list", "--json").document[-1]["card"] is None
    assert run("models", "remove", "odd").code == 0


@pytest.mark.parametrize("family", models.RUNS_CODE)
def test_a_file_that_can_hold_programs_is_only_added_with_a_yes(
    run: Run, tmp_path: Path, weights: Path, family: str
) -> None:
    card = write_card(tmp_path / "mine", "mine", family)

    refused = run("models", "add", weights, "--card", card)

    assert refused.code == 2
    assert "can hold programs" in refused.err
    assert "--trust" in refused.err
    assert [model.id for model in Shelf().models()] == ["demo", "big"]

    assert run("models", "add", weights, "--card", card, "--trust").code == 0
    assert Shelf().is_allowed(SHA)
    document = run("models", "show", "mine", "--json").document
    assert (document["runs_code"], document["allowed"]) == (True, True)


def test_a_file_needs_no_card_where_it_is_recognised(run: Run, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    numbers = {f"encoder.{part}.{block}.conv1.weight": torch.zeros(1) for part in range(4, 8) for block in range(2)}
    numbers |= {"encoder.0.weight": torch.zeros(64, 10, 7, 7), "FC.bias": torch.zeros(10)}
    file = tmp_path / "model_best.pth"
    torch.save({"model_state_dict": numbers}, file)

    done = run("models", "add", file)
    assert (done.code, done.out) == (2, "")
    assert "Add --set labels=single (one class: softmax) or --set labels=multi" in done.err
    done = run("models", "add", file, "--set", "labels=multi")
    assert done.code == 0
    assert done.out.startswith("Recognised: SEN12MS ResNet-18, S2, several classes a tile.\n")
    assert Shelf().find("sen12ms-resnet18-s2-multi").presence == "here"


def test_a_folder_is_said_to_be_hashed_not_copied(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    @contextmanager
    def note(words: str) -> Iterator[Callable[..., None]]:
        said.append(words)
        yield lambda *_: None

    monkeypatch.setattr("rsviewer.cli.models._bytes", note)
    folder, card = folder_of(tmp_path / "folder"), write_card(tmp_path / "mine", "mine", "marigold_rs")
    assert run("models", "add", folder, "--card", card).code == 0
    assert said == ["Hashing"]
    assert run("models", "add", folder / "unet" / "config.json", "--card", write_card(tmp_path / "b", "b")).code == 0
    assert said == ["Hashing", "Copying"]


def test_a_folder_asks_for_its_base_whatever_card_it_has(run: Run, tmp_path: Path) -> None:
    left, base = folder_of(tmp_path / "iter_1", parts=()), folder_of(tmp_path / "base")
    card = write_card(tmp_path / "mine", "mine", "marigold_rs")
    for words in ((left,), (left, "--card", card)):
        done = run("models", "add", *words)
        assert done.code == 2
        said = " ".join(done.err.split())
        assert (
            "Name a folder of Stable Diffusion 2 for the other parts. Add --set base=FOLDER. Nothing was added." in said
        )
        assert run("models", "add", *words, "--set", f"base={base}").code == 0
    assert run("models", "show", "mine", "--json").document["card"]["settings"]["base"] == str(base)


def test_a_card_that_leaves_nothing_open_takes_no_answers(run: Run, card: Path, weights: Path) -> None:
    done = run("models", "add", weights, "--card", card, "--set", "labels=multi")
    assert done.code == 2
    assert "the card says it all" in " ".join(done.err.replace("│", " ").split())


def test_wrong_weights_end_with_one_sentence_and_nothing_added(run: Run, tmp_path: Path, weights: Path) -> None:
    card = write_card(tmp_path / "mine", "mine", weights='sha256 = "' + "0" * 64 + '"')
    broken = write_card(tmp_path / "other", "other", "pickle")

    for words, said in (
        ((weights, "--card", card), "its SHA-256 differs"),
        ((tmp_path / "none", "--card", "big"), "There is no file"),
        ((weights, "--card", "bgi"), "Did you mean big?"),
        ((weights, "--card", tmp_path / "none.toml"), "There is no model card"),
        ((weights, "--card", broken), "The key 'family' of the card must be one of"),
        ((weights, "--card", "demo"), "comes with the program"),
    ):
        done = run("models", "add", *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert done.err.count("\n") == 1
    assert len(Shelf().models()) == 2


def test_a_download_happens_only_when_it_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def fetch(repository: str, path: str, *, local_dir: str) -> str:
        asked.append((repository, path))
        (Path(local_dir) / path).write_bytes(NUMBERS)
        return str(Path(local_dir) / path)

    hub = types.ModuleType("huggingface_hub")
    hub.hf_hub_download = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)

    for words in (("list",), ("show", "big"), ("download", "demo")):
        run("models", *words)
    assert asked == []

    done = run("models", "download", "big")
    assert (done.code, asked) == (0, [("owner/name", "big.pth")])
    assert done.out.startswith("big was added, 1.4 kB: ")
    assert run("models", "download", "big").out.startswith("big is here already: ")
    assert len(asked) == 1


def test_without_what_downloads_it_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    done = run("models", "download", "big")

    assert done.code == 2
    assert "pip install huggingface_hub" in done.err
    assert "https://example.org/big" in done.err
