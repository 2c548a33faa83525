import hashlib
import json
import os
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.data import models
from rsviewer.data.modelcards import dump_card, read_card
from rsviewer.data.models import CONSENTS, HASHES, MOST_BYTES, Presence, Shelf

NUMBERS = b"all the numbers of a model"
SHA = hashlib.sha256(NUMBERS).hexdigest()


def card_of(identity: str = "mine", family: str = "onnx", **weights: Any) -> ModelCard:
    return ModelCard(
        identity,
        identity.title(),
        family,
        (ModelInput(),),
        (ModelOutput(OutputKind.HEIGHT),),
        (Framing("whole"),),
        Weights(**{"file": "net.onnx", **weights}),
    )


@pytest.fixture
def builtin(tmp_path: Path) -> Path:
    """The program's own: one with its weights, one whose weights the publisher offers."""
    folder = tmp_path / "builtin"
    folder.mkdir()
    demo = card_of("demo-height", "demo", file="demo-height.safetensors", nbytes=len(NUMBERS), sha256=SHA)
    offered = {"page": "https://example.org/a", "repository": "owner/name", "path": "big.pth"}
    big = card_of("a-big-one", "rs3dada", file="big.pth", **offered)
    for card in (demo, big):
        (folder / f"{card.id}.toml").write_text(dump_card(card))
    (folder / "demo-height.safetensors").write_bytes(NUMBERS)
    return folder


@pytest.fixture
def shelf(tmp_path: Path, builtin: Path) -> Shelf:
    return Shelf(tmp_path / "user", builtin=builtin)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "downloads" / "best.onnx"
    path.parent.mkdir()
    path.write_bytes(NUMBERS)
    return path


@pytest.fixture
def write_card(tmp_path: Path) -> Callable[..., Path]:
    """Writes a card file: `write_card("mine", sha256=...)`."""

    def write(*words: str, **options: Any) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(dump_card(card_of(*words, **options)))
        return path

    return write


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- what is there


def test_a_fresh_machine_has_what_comes_with_the_program_and_nothing_is_written(shelf: Shelf, tmp_path: Path) -> None:
    demo, big = shelf.models()

    assert (demo.id, demo.presence, demo.builtin, demo.message) == ("demo-height", Presence.HERE, True, "")
    assert demo.weights.read_bytes() == NUMBERS
    assert (big.id, big.presence, big.builtin) == ("a-big-one", Presence.MISSING, True)
    assert big.message == (
        "The weights of A-Big-One are not here. The publisher offers them: https://example.org/a "
        "(big.pth of owner/name on the Hugging Face hub). "
        "To get them: rsviewer models download a-big-one, or rsviewer models add FILE --card a-big-one"
    )
    assert not (tmp_path / "user").exists()


def test_added_weights_are_copied_and_their_card_says_what_they_are(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []

    added = shelf.add(weights, write_card(), progress=lambda done, total: told.append((done, total)))

    assert (added.presence, added.builtin, added.runs_code) == (Presence.HERE, False, False)
    assert added.weights == tmp_path / "user" / "mine" / "net.onnx"
    assert added.weights.read_bytes() == NUMBERS
    assert read_card(added.weights.with_name("card.toml")) == card_of(sha256=SHA, nbytes=len(NUMBERS))
    assert told == [(len(NUMBERS), len(NUMBERS))]
    assert [model.id for model in shelf.models()] == ["demo-height", "mine", "a-big-one"], (
        "those that are here come first"
    )
    assert shelf.find("mine") == added
    assert shelf.sha256(added) == SHA


def test_linked_weights_stay_where_they_are_and_survive_their_removal(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    added = shelf.add(weights, write_card(), link=True)

    assert added.weights == weights
    assert names(tmp_path / "user") == [HASHES, "mine/card.toml"]
    shelf.remove("mine")
    assert weights.read_bytes() == NUMBERS
    assert names(tmp_path / "user") == [HASHES]
    with pytest.raises(ModelError, match=r"There is no model mine\. There are none"):
        shelf.remove("mine")


def test_weights_of_a_built_in_card_make_it_one_that_is_here(shelf: Shelf, weights: Path) -> None:
    added = shelf.add(weights, "a-big-one")

    assert (added.presence, added.builtin, added.weights.name) == (Presence.HERE, False, "big.pth")
    assert [(model.id, model.presence.value) for model in shelf.models()] == [
        ("demo-height", "here"),
        ("a-big-one", "here"),
    ]
    assert shelf.add(weights, "a-big-one", overwrite=True).presence is Presence.HERE
    shelf.remove("a-big-one")
    assert shelf.find("a-big-one").presence is Presence.MISSING


def test_a_card_by_its_path_has_its_weights_beside_it_and_is_not_put_on_the_shelf(
    shelf: Shelf, write_card: Callable[..., Path]
) -> None:
    path = write_card()

    assert shelf.find(str(path)).presence is Presence.MISSING
    (path.parent / "net.onnx").write_bytes(NUMBERS)
    found = shelf.find(str(path))

    assert (found.presence, found.weights) == (Presence.HERE, path.parent / "net.onnx")
    assert shelf.sha256(found) == SHA
    assert "mine" not in [model.id for model in shelf.models()]


def test_an_unknown_model_is_answered_with_near_names(shelf: Shelf) -> None:
    with pytest.raises(ModelError, match=r"There is no model demo-hieght\. Did you mean demo-height\?"):
        shelf.find("demo-hieght")
    with pytest.raises(ModelError, match=r"There is no model zzz\. There are demo-height, a-big-one\."):
        shelf.find("zzz")
    with pytest.raises(ModelError, match="There is no model card"):
        shelf.find("nowhere/x.toml")


def test_every_model_that_comes_with_the_program_is_here_or_says_where_it_is(tmp_path: Path) -> None:
    found = Shelf(tmp_path / "user").models()

    assert {"rs3dada-height", "rs3dada-segmentation"} <= {model.id for model in found}
    for model in found:
        assert model.card is not None, model.message
        assert model.builtin
        assert model.presence is Presence.HERE or "The publisher offers them: https://" in model.message
        assert not model.runs_code, "nobody was asked"


# --- what is not in order


def test_a_file_that_is_not_the_cards_is_refused_before_anything_is_kept(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    for options, said in (
        ({"sha256": "0" * 64}, "is not the file that the card of Mine was written for"),
        ({"nbytes": 5}, "has 26 bytes, the weights of Mine have 5: it is cut short or another file"),
    ):
        with pytest.raises(ModelError, match=said):
            shelf.add(weights, write_card(**options))
    for content, said in ((b"", "is empty"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull")):
        weights.write_bytes(content)
        with pytest.raises(ModelError, match=said):
            shelf.add(weights, write_card())
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ModelError, match="There is no file"):
            shelf.add(path, write_card())
    assert [path for path in names(tmp_path) if path.startswith("user/")] == []


def test_a_model_is_only_overwritten_when_that_is_asked(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    shelf.add(weights, write_card())
    weights.write_bytes(b"other numbers")

    with pytest.raises(ModelError, match="There is a model mine already"):
        shelf.add(weights, write_card())
    assert shelf.find("mine").weights.read_bytes() == NUMBERS

    shelf.add(weights, write_card(), overwrite=True)
    assert shelf.find("mine").weights.read_bytes() == b"other numbers"
    assert shelf.sha256(shelf.find("mine")) == hashlib.sha256(b"other numbers").hexdigest()
    assert names(tmp_path / "user") == [HASHES, "mine/card.toml", "mine/net.onnx"]


def test_nobody_takes_the_id_of_a_model_that_comes_with_the_program(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path]
) -> None:
    for card in ("demo-height", write_card("demo-height"), write_card("a-big-one")):
        with pytest.raises(ModelError, match="is the id of a model that comes with the program"):
            shelf.add(weights, card, overwrite=True)
    with pytest.raises(ModelError, match="comes with the program and cannot be removed"):
        shelf.remove("demo-height")


def test_stopped_in_the_middle_nothing_was_added(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelf.add(weights, write_card(), progress=stop)

    assert list((tmp_path / "user").iterdir()) == []


def test_a_disk_without_room_says_so(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1000))

    with pytest.raises(ModelError, match=r"There is no room for 0\.0 GB in .*can be linked"):
        shelf.add(weights, write_card())


def test_a_folder_that_cannot_be_made_says_so(
    tmp_path: Path, builtin: Path, weights: Path, write_card: Callable[..., Path]
) -> None:
    (tmp_path / "file").write_text("")
    shelf = Shelf(tmp_path / "file" / "models", builtin=builtin)

    with pytest.raises(ModelError, match="cannot be written"):
        shelf.add(weights, write_card())
    with pytest.raises(ModelError, match="cannot be written"):
        shelf.allow(SHA)
    assert shelf.sha256(shelf.find("demo-height")) == SHA


def test_weights_that_changed_are_noticed_by_size_at_once_and_by_hash_when_read(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path]
) -> None:
    added = shelf.add(weights, write_card(), link=True)

    weights.write_bytes(NUMBERS[::-1])
    assert shelf.find("mine").presence is Presence.HERE, "name and size are right"
    with pytest.raises(ModelError, match="is not the file that the card of Mine was written for"):
        shelf.sha256(added)
    assert shelf.find("mine").presence is Presence.CHANGED

    weights.write_bytes(NUMBERS[:5])
    assert shelf.find("mine").presence is Presence.CHANGED
    with pytest.raises(ModelError, match="cut short or another file"):
        shelf.sha256(added)

    weights.unlink()
    gone = shelf.find("mine")
    assert gone.presence is Presence.MISSING
    assert gone.message == (
        f"There is no file {weights}: put it there, or rsviewer models add FILE --card mine --overwrite"
    )
    with pytest.raises(ModelError, match="There is no file"):
        shelf.sha256(added)


def test_a_large_file_is_hashed_once_and_again_when_it_changes(
    shelf: Shelf, builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    digest = models._digest
    monkeypatch.setattr(models, "_digest", lambda path: read.append(path) or digest(path))

    for again in (shelf, shelf, Shelf(tmp_path / "user", builtin=builtin)):
        assert again.sha256(again.find("demo-height")) == SHA
    assert len(read) == 1

    file = builtin / "demo-height.safetensors"
    before = file.stat()
    file.write_bytes(NUMBERS[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelError):
        shelf.sha256(shelf.find("demo-height"))


@pytest.mark.parametrize("junk", [b"", b"{", b"[1, 2]", b'{"a": 1, "b": [1, 2], "c": [[], {}, 1, null]}', b"\xff"])
def test_damaged_memory_of_hashes_and_consents_is_no_memory(shelf: Shelf, tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "user").mkdir()
    for name in (HASHES, CONSENTS):
        (tmp_path / "user" / name).write_bytes(junk)

    assert shelf.sha256(shelf.find("demo-height")) == SHA
    assert not shelf.is_allowed(SHA)
    shelf.allow(SHA)
    assert shelf.is_allowed(SHA)


def test_an_absurd_file_is_refused_without_reading_it(
    shelf: Shelf, tmp_path: Path, write_card: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card may point at anything: a file full of holes takes no room on the disk, and days to read."""
    monkeypatch.setattr(models, "_digest", lambda *_: pytest.fail("it was read"))
    huge, empty = tmp_path / "huge.onnx", tmp_path / "empty.onnx"
    empty.touch()
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES + 1)

    for path, said in ((huge, "larger than any model"), (empty, "is empty")):
        card = write_card(file=str(path))
        with pytest.raises(ModelError, match=said):
            shelf.sha256(shelf.find(str(card)))
        with pytest.raises(ModelError, match=said):
            shelf.add(path, card)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_plain_file_is_no_weights_and_nobody_waits_for_it(
    shelf: Shelf, tmp_path: Path, write_card: Callable[..., Path]
) -> None:
    pipe, loop = tmp_path / "pipe.onnx", tmp_path / "loop.onnx"
    os.mkfifo(pipe)
    loop.symlink_to(loop.name)

    for path in (pipe, loop, tmp_path, Path(os.devnull), tmp_path / "loop.onnx" / "x"):
        card = write_card(file=str(path))
        found = shelf.find(str(card))
        assert found.presence is Presence.MISSING
        with pytest.raises(ModelError):
            shelf.sha256(found)
        for link in (False, True):
            with pytest.raises(ModelError):
                shelf.add(path, card, link=link)


@pytest.mark.parametrize("file", ["//server/share/a.onnx", "\\\\server\\share\\a.onnx", "\\\\.\\pipe\\a"])
def test_a_card_does_not_make_this_machine_call_another_one(
    shelf: Shelf, write_card: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Windows, asked for a file of a server, tells it who the user is."""
    card = write_card(file=file)
    monkeypatch.setattr(models, "_status", lambda _: pytest.fail("it was asked for"))

    with pytest.raises(ModelError, match="on another machine"):
        Shelf(Path("/nowhere"), builtin=Path("/nowhere")).find(str(card))


def test_one_entry_that_cannot_be_looked_at_hides_no_other_model(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    shelf.add(weights, write_card())
    (tmp_path / "user" / "a-loop").symlink_to("a-loop")

    assert shelf.find("mine").presence is Presence.HERE


def test_a_broken_card_is_shown_with_its_fault_and_can_be_removed(shelf: Shelf, tmp_path: Path) -> None:
    for name, text in (("bad", "id = 3"), ("other", dump_card(card_of())), ("empty", None)):
        (tmp_path / "user" / name).mkdir(parents=True)
        if text is not None:
            (tmp_path / "user" / name / "card.toml").write_text(text)

    found = {model.id: model for model in shelf.models() if model.presence is Presence.BROKEN}

    assert sorted(found) == ["bad", "empty", "other"]
    assert "The key 'id' of the card must be" in found["bad"].message
    assert "There is no model card" in found["empty"].message
    assert "holds the card of mine: rename the folder" in found["other"].message
    with pytest.raises(ModelError, match="The key 'id'"):
        shelf.sha256(found["bad"])
    for name in found:
        shelf.remove(name)
    assert len(shelf.models()) == 2


# --- files that can hold programs


def test_a_file_that_can_hold_programs_needs_a_yes_for_this_very_content(
    shelf: Shelf, builtin: Path, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    added = shelf.add(weights, write_card("mine", "torchscript"))

    assert added.runs_code
    assert "can hold programs" in added.message
    assert not shelf.is_allowed(SHA)

    shelf.allow(SHA)
    assert Shelf(tmp_path / "user", builtin=builtin).is_allowed(SHA)
    assert shelf.find("mine").message == ""
    assert not shelf.is_allowed("")

    weights.write_bytes(b"a program")
    assert "can hold programs" in shelf.add(weights, write_card("mine", "torchscript"), overwrite=True).message
    with pytest.raises(ValueError, match="no SHA-256"):
        shelf.allow("yes")


# --- downloads


class Hub(types.ModuleType):
    """A hub of one file, with the real one's way of telling how far it is."""

    def __init__(self, content: bytes | Exception) -> None:
        super().__init__("huggingface_hub")
        self.content = content
        self.asked: list[tuple[str, str]] = []

    def hf_hub_download(
        self, repo_id: str, filename: str, *, local_dir: str = "", tqdm_class: Callable[..., Any] | None = None
    ) -> str:
        self.asked.append((repo_id, filename))
        Path(local_dir, "half.incomplete").write_bytes(b"half")
        if isinstance(self.content, Exception):
            raise self.content
        if tqdm_class:
            bar = tqdm_class(unit="B", total=len(self.content), initial=0, desc="x", disable=None)
            bar.update(10)
            bar.update(len(self.content) - 10)
            bar.close()
        path = Path(local_dir, filename)
        path.write_bytes(self.content)
        return str(path)


class Bar:
    """What is needed of tqdm."""

    def __init__(self, *, total: int, disable: bool, **_: Any) -> None:
        assert disable
        self.total = total

    def close(self) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    module, utils = Hub(NUMBERS), types.ModuleType("huggingface_hub.utils")
    utils.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils", utils)
    return module


def test_a_download_ends_on_the_shelf(shelf: Shelf, hub: Hub, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    found = shelf.download("a-big-one", lambda done, total: told.append((done, total)))

    assert hub.asked == [("owner/name", "big.pth")]
    assert told == [(10, 26), (26, 26)]
    assert (found.presence, shelf.sha256(found)) == (Presence.HERE, SHA)
    assert names(tmp_path / "user") == ["a-big-one/big.pth", "a-big-one/card.toml", HASHES]
    assert shelf.download("a-big-one") == found
    assert len(hub.asked) == 1, "what is here is not fetched again"


def test_a_download_that_fails_says_so_and_can_go_on(shelf: Shelf, hub: Hub, tmp_path: Path) -> None:
    hub.content = ConnectionError("Name or service\nnot known.")

    with pytest.raises(ModelError) as fault:
        shelf.download("a-big-one")

    assert str(fault.value) == (
        "big.pth of owner/name could not be downloaded (ConnectionError: Name or service not known). "
        "Try again when there is a network. Or fetch it with a browser from https://example.org/a and "
        "rsviewer models add FILE --card a-big-one"
    )
    assert names(tmp_path / "user") == [".download-a-big-one/half.incomplete"]
    assert shelf.find("a-big-one").presence is Presence.MISSING


def test_a_download_that_is_not_the_cards_file_is_thrown_away(
    shelf: Shelf, builtin: Path, hub: Hub, tmp_path: Path
) -> None:
    path = builtin / "a-big-one.toml"
    path.write_text(path.read_text().replace("[weights]", f'[weights]\nsha256 = "{"1" * 64}"'))

    with pytest.raises(ModelError, match="is not the file"):
        shelf.download("a-big-one")

    assert names(tmp_path / "user") == []


def test_a_download_that_grows_beyond_what_the_card_says_is_broken_off(
    shelf: Shelf, builtin: Path, hub: Hub, tmp_path: Path
) -> None:
    path = builtin / "a-big-one.toml"
    path.write_text(path.read_text().replace("[weights]", "[weights]\nnbytes = 20"))

    with pytest.raises(ModelError, match=r"more than the 20 bytes that its card says"):
        shelf.download("a-big-one")

    assert shelf.find("a-big-one").presence is Presence.MISSING
    assert not (tmp_path / "user" / ".download-a-big-one" / "big.pth").exists()


def test_a_download_for_somebodys_card_replaces_no_model_of_the_user(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], hub: Hub
) -> None:
    shelf.add(weights, write_card())
    foreign = write_card(repository="evil/evil", path="evil.onnx")

    with pytest.raises(ModelError, match="There is a model mine already"):
        shelf.download(str(foreign))
    assert not hub.asked


def test_without_the_package_or_an_address_a_download_says_what_to_do(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"pip install huggingface_hub\. Or fetch it with a browser from https"):
        shelf.download("a-big-one")

    shelf.add(weights, write_card(), link=True)
    weights.unlink()
    with pytest.raises(ModelError, match="does not say where its weights can be downloaded"):
        shelf.download("mine")


def test_what_interrupted_work_left_long_ago_is_swept_away(
    shelf: Shelf, weights: Path, write_card: Callable[..., Path], tmp_path: Path
) -> None:
    old, young = tmp_path / "user" / ".adding-1", tmp_path / "user" / ".adding-2"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "net.onnx").write_bytes(b"half")
    os.utime(old, (0, 0))

    shelf.add(weights, write_card())

    assert not old.exists()
    assert young.exists()


def test_hashes_are_kept_as_json_that_another_process_reads(shelf: Shelf, tmp_path: Path, builtin: Path) -> None:
    shelf.sha256(shelf.find("demo-height"))

    kept = json.loads((tmp_path / "user" / HASHES).read_bytes())

    assert kept[str(builtin / "demo-height.safetensors")][3] == SHA
