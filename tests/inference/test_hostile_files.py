"""Files of weights come from strangers: nothing in them runs, and what is wrong with them is one sentence."""

import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.data.modelcards import read_card

torch = pytest.importorskip("torch")
demo = pytest.importorskip("rsviewer.inference.zoo.demo")
rs3dada = pytest.importorskip("rsviewer.inference.zoo.rs3dada")
sen12ms = pytest.importorskip("rsviewer.inference.zoo.sen12ms")
dfc2020 = pytest.importorskip("rsviewer.inference.zoo.dfc2020")
exported = pytest.importorskip("rsviewer.inference.zoo.exported")
torchscript = pytest.importorskip("rsviewer.inference.zoo.torchscript")
onnx_zoo = pytest.importorskip("rsviewer.inference.zoo.onnx")

CPU = torch.device("cpu")
CARDS = Path(__file__).resolve().parents[2] / "resources" / "models"
LONGEST = 700
"""Characters of what is said of a file."""
LOADERS = {
    "rs3dada": rs3dada.load,
    "sen12ms": sen12ms.load,
    "dfc2020": dfc2020.load,
    "demo": demo.load,
    "onnx": onnx_zoo.load,
}
"""Families whose files hold no programs."""
PACKAGED = {
    "rs3dada": "rs3dada-height",
    "sen12ms": "sen12ms-resnet50-s1s2-multi",
    "dfc2020": "dfc2020-deeplab-s2",
    "demo": "demo-height",
}
"""Family -> a card that comes with the program."""


def card(family: str) -> ModelCard:
    if family in PACKAGED:
        found = read_card(CARDS / f"{PACKAGED[family]}.toml")
        return replace(found, weights=replace(found.weights, nbytes=0, sha256=""))
    output = ModelOutput(OutputKind.HEIGHT, "height")
    return ModelCard("mine", "Mine", family, (ModelInput(),), (output,), (Framing("all"),), Weights("m"))


def refused(family: str, path: Path) -> str:
    """What is said of a file that no family takes."""
    with pytest.raises(ModelError) as fault:
        LOADERS[family](card(family), path, CPU)
    said = str(fault.value)
    assert len(said) < LONGEST
    return said


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


class Sums(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return windows.sum(1, keepdim=True)


def script(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Sums()).save(str(path))
    return path


def tar_of(pickled: bytes) -> bytes:
    """The way torch wrote files before 0.1.10."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            entry = tarfile.TarInfo(name)
            entry.size = len(pickled)
            archive.addfile(entry, io.BytesIO(pickled))
    return held.getvalue()


def zip_of(**entries: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return held.getvalue()


def saved(held: object, *, zipped: bool = True) -> bytes:
    written = io.BytesIO()
    torch.save(held, written, _use_new_zipfile_serialization=zipped)
    return written.getvalue()


FORMS: dict[str, Callable[[Any], bytes]] = {
    "saved": saved,
    "nested": lambda evil: saved({"pretrained.pos_embed": torch.zeros(1, 2, 64), "epoch": [{"a": (evil,)}]}),
    "as a key": lambda evil: saved({evil: torch.zeros(1)}),
    "the old way": lambda evil: saved({"x": evil}, zipped=False),
    "tar": lambda evil: tar_of(pickle.dumps(evil, 2)),
    "way out": lambda evil: zip_of(
        **{"../../x": b"x", "a/data.pkl": pickle.dumps(evil, 2), "a/version": b"3\n", "a/byteorder": b"little"}
    ),
    **{
        f"protocol {number}": lambda evil, number=number: pickle.dumps(evil, number)  # type: ignore[misc]
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("family", LOADERS)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_in_a_pickle_runs(tmp_path: Path, form: str, family: str) -> None:
    marker = tmp_path / "it ran"
    path = tmp_path / f"weights.{family}"
    path.write_bytes(FORMS[form](Evil(marker)))

    refused(family, path)

    assert not marker.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("family", LOADERS)
@pytest.mark.parametrize("suffix", [".pth", ".onnx", ".safetensors"])
def test_a_program_is_not_run_as_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, suffix: str
) -> None:
    """The user was not asked: the family of the card is not one that can hold programs."""
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was read as a program"))
    monkeypatch.setattr(torch.export, "load", lambda *_, **__: pytest.fail("it was read as a program"))

    refused(family, script(tmp_path / f"weights{suffix}"))


def safetensors(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(shape: list[int], end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 60) + b"{",
        struct.pack("<Q", (1 << 64) - 1) + b"{}",
        safetensors(b'{"a":' * 100_000),
        safetensors({"a": entry([1 << 62], 4)}, b"0000"),
        safetensors({"a": entry([1 << 40, 1 << 40], 4)}, b"0000"),
        safetensors({"a": entry([1], 1 << 62)}, b"0000"),
        safetensors({"a": entry([-1], 4)}, b"0000"),
        safetensors({"a": entry([0, 1 << 62], 0)}),
        safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"0000"),
        safetensors({"a": entry([1], 4), "b": entry([1], 4)}, b"0000"),
        safetensors({"a": entry([1], 1, "F8_E4M3")}, b"0"),
        safetensors({"a": entry([2], 1, "F4")}, b"0"),
        safetensors({"stem.weight": entry([1], 8, "C64")}, b"0" * 8),
        safetensors({"__metadata__": {"a": "b" * 100_000}}),
    ],
    ids=str,
)
def test_a_header_that_lies_is_not_believed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)

    refused("demo", path)


@pytest.mark.parametrize("family", LOADERS)
def test_entries_that_are_each_other_end(tmp_path: Path, family: str) -> None:
    held: dict[str, Any] = {"x": torch.zeros(1)}
    for _ in range(40):
        held = {str(number): held for number in range(10)}
    held["again"] = held
    path = tmp_path / "weights.pth"
    path.write_bytes(saved(held))

    refused(family, path)


def test_only_the_very_file_that_was_allowed_is_loaded(tmp_path: Path) -> None:
    """Somebody may write to it after the user has said yes, and before it is read."""
    path = script(tmp_path / "weights.ts")
    made = card("torchscript")
    allowed = replace(made, weights=replace(made.weights, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    assert torchscript.load(allowed, path, CPU)

    with path.open("ab") as file:
        file.write(b"\0")
    for asked in (allowed, made):
        with pytest.raises(ModelError, match="not the file that was allowed"):
            torchscript.load(asked, path, CPU)

    program = torch.export.export(Sums(), (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, tmp_path / "weights.pt2")
    for asked in (allowed, made):
        with pytest.raises(ModelError, match="not the file that was allowed"):
            exported.load(asked, tmp_path / "weights.pt2", CPU)


def test_an_archive_that_swells_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """3 MB of it took 9 GB of memory and half a minute."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a/data.pkl", "w") as file:
            for _ in range(100):
                file.write(b"a" * 1_000_000)
        archive.writestr("a/version", b"3\n")

    assert "unpacks to far more" in refused("rs3dada", path)


def test_a_few_numbers_are_not_taken_for_a_great_many(tmp_path: Path) -> None:
    """One number, repeated by a stride of 0, would be written out."""
    path = tmp_path / "weights.pth"
    path.write_bytes(saved({"pretrained.pos_embed": torch.zeros(1).as_strided((1, 1 << 20, 64), (0, 0, 0))}))

    assert "claims to hold" in refused("rs3dada", path)


@pytest.mark.parametrize("family", ["rs3dada", "demo"])
def test_names_in_a_file_are_quoted_short_and_command_no_terminal(tmp_path: Path, family: str) -> None:
    name = "a\x1b]0;title\x07" * 100_000
    path = tmp_path / "weights"
    content = safetensors({name: entry([1], 4)}, b"0000")
    path.write_bytes(saved({name: torch.zeros(1)}) if family == "rs3dada" else content)

    assert "\x1b" not in refused(family, path)


def test_an_onnx_file_cannot_hide_that_it_reads_another_one(tmp_path: Path) -> None:
    """Protocol buffers leave out the bits of a field's number beyond the 32nd: so hidden, another file was read."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    (tmp_path / "secret.bin").write_bytes(struct.pack("<3f", 7, 7, 7))
    numbers = onnx.TensorProto(name="ones", data_type=1, dims=[1, 3, 1, 1], data_location=1)
    place = numbers.external_data.add(key="location", value="secret.bin").SerializeToString()
    tensor = numbers.SerializeToString().replace(
        bytes([13 << 3 | 2, len(place)]) + place,
        bytes([0x80 | 13 << 3 | 2, 0x80, 0x80, 0x80, 0x10, len(place)]) + place,
    )
    graph = make.make_graph(
        [make.make_node("Conv", ["image", "ones"], ["height"])],
        "g",
        [make.make_tensor_value_info("image", 1, ("n", 3, "h", "w"))],
        [onnx.ValueInfoProto(name="height")],
    ).SerializeToString()
    graph += bytes([5 << 3 | 2, len(tensor)]) + tensor
    assert len(tensor) < 128
    model = make.make_model(onnx.GraphProto(), opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    model.ClearField("graph")
    path = tmp_path / "weights.onnx"
    size = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7])
    path.write_bytes(model.SerializeToString() + bytes([7 << 3 | 2]) + size + graph)

    refused("onnx", path)
