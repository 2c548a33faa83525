"""TorchScript and torch.export files with a card are models; what is not one of them says so."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rsviewer.core.errors import ModelError
from rsviewer.core.model import Framing, ModelCard, ModelInput, ModelOutput, OutputKind, Weights
from rsviewer.core.tile import LabelClass

torch = pytest.importorskip("torch")

exported = pytest.importorskip("rsviewer.inference.zoo.exported")
torchscript = pytest.importorskip("rsviewer.inference.zoo.torchscript")
is_out_of_memory = pytest.importorskip("rsviewer.inference.devices").is_out_of_memory

CPU = torch.device("cpu")
CLASSES = tuple(LabelClass(value, name, (value, 0, 0)) for value, name in enumerate(("water", "trees", "roof"), 1))
HEIGHT = ModelOutput(OutputKind.HEIGHT, "height")
LABELS = ModelOutput(OutputKind.LABELS, "labels", classes=CLASSES)

Save = Callable[[Any, Path], Path]


def card(*outputs: ModelOutput, bands: tuple[str, ...] = ("red", "green", "blue")) -> ModelCard:
    family = "torchscript"
    return ModelCard(
        "mine", "Mine", family, (ModelInput(bands=bands),), outputs or (HEIGHT,), (Framing("all"),), Weights("m")
    )


def loader(family: Any) -> Callable[[ModelCard, Path, Any], Any]:
    """Loads a file that the user has allowed."""

    def load(made: ModelCard, path: Path, device: Any) -> Any:
        sha256 = hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()
        return family.load(replace(made, weights=replace(made.weights, sha256=sha256)), path, device)

    return load


load_script, load_export = loader(torchscript), loader(exported)


class Named(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Height: the sum of all bands, times a number of its own. Labels: each band."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, windows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"labels": self.drop(windows), "height": windows.sum(1, keepdim=True) * self.factor}


class Paired(Named):
    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return windows.sum(1) * self.factor, windows


class Single(Named):
    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return windows.sum(1, keepdim=True) * self.factor


def save_script(module: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(path)
    return path


def save_export(module: Any, path: Path, batch: int | None = None, size: int | None = None) -> Path:
    side = torch.export.Dim.DYNAMIC
    free = {0: side if batch is None else None, 2: side if size is None else None, 3: side if size is None else None}
    example = torch.zeros(batch or 2, 3, size or 8, size or 10)
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=(free,))
    torch.export.save(program, path.with_suffix(".pt2"))
    return path.with_suffix(".pt2").rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


@pytest.fixture
def windows() -> Any:
    return torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)


BOTH = pytest.mark.parametrize(
    ("save", "load"),
    [(save_script, load_script), (save_export, load_export)],
    ids=["torchscript", "exported"],
)


@BOTH
def test_answers_are_taken_by_name(save: Save, load: Any, path: Path, windows: Any) -> None:
    answers = load(card(HEIGHT, LABELS), save(Named(), path), CPU).forward(windows)

    torch.testing.assert_close(answers["height"], 2 * windows.sum(1, keepdim=True), check_stride=False)
    torch.testing.assert_close(answers["labels"], windows)  # nothing is dropped: it is no longer being trained


@BOTH
def test_answers_are_taken_by_number_or_in_order(save: Save, load: Any, path: Path, windows: Any) -> None:
    save(Paired(), path)
    second = ModelOutput(OutputKind.LABELS, "1", classes=CLASSES)

    torch.testing.assert_close(load(card(second), path, CPU).forward(windows)["1"], windows)
    in_order = load(card(HEIGHT, LABELS), path, CPU).forward(windows)
    torch.testing.assert_close(in_order["height"], 2 * windows.sum(1))
    torch.testing.assert_close(in_order["labels"], windows)


@BOTH
def test_an_only_answer_needs_no_name(save: Save, load: Any, path: Path, windows: Any) -> None:
    network = load(card(ModelOutput(OutputKind.HEIGHT)), save(Single(), path), CPU)
    network.move(CPU)

    (answer,) = network.forward(windows).values()

    torch.testing.assert_close(answer, 2 * windows.sum(1, keepdim=True), check_stride=False)


@BOTH
def test_a_name_that_is_not_answered_is_told(save: Save, load: Any, path: Path, windows: Any) -> None:
    network = load(card(ModelOutput(OutputKind.HEIGHT, "hight")), save(Named(), path), CPU)

    with pytest.raises(ModelError, match="no output 'hight', but 'labels', 'height'"):
        network.forward(windows)


def test_a_program_that_fails_is_told(path: Path, windows: Any) -> None:
    class Picky(Named):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.conv2d(windows, torch.ones(1, 4, 1, 1))

    network = load_script(card(), save_script(Picky(), path), CPU)

    with pytest.raises(ModelError, match=r"cannot be run on 3 bands of 6 × 4 pixels: .*4 channels"):
        network.forward(windows)


def test_a_program_that_answers_with_no_numbers_is_told(path: Path, windows: Any) -> None:
    class Silent(Named):
        def forward(self, windows: torch.Tensor) -> int:
            return 7

    with pytest.raises(ModelError, match="gives a int"):
        load_script(card(), save_script(Silent(), path), CPU).forward(windows)


def test_no_room_is_seen_as_such_by_the_engine(path: Path, windows: Any) -> None:
    class Huge(Named):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1 << 50)

    network = load_script(card(), save_script(Huge(), path), CPU)

    with pytest.raises(ModelError) as raised:
        network.forward(windows)
    assert is_out_of_memory(raised.value)  # it then takes smaller windows, or the processor


def test_a_program_that_was_exported_for_one_window_gets_one_at_once(path: Path, windows: Any) -> None:
    network = load_export(card(), save_export(Single(), path, batch=1), CPU)

    torch.testing.assert_close(network.forward(windows)["height"], 2 * windows.sum(1, keepdim=True))


def test_a_program_that_was_exported_for_one_size_says_so(path: Path, windows: Any) -> None:
    network = load_export(card(), save_export(Single(), path, size=8), CPU)

    with pytest.raises(ModelError, match=r"windows of 8 × 8 pixels only, not 6 × 4: say window = 8, multiple = 8"):
        network.forward(windows)


def test_a_program_that_was_exported_for_other_bands_says_so(path: Path) -> None:
    with pytest.raises(ModelError, match="takes 3 bands, and its card names 1"):
        load_export(card(bands=("gray",)), save_export(Single(), path), CPU)


def test_each_file_knows_what_it_is(path: Path) -> None:
    with pytest.raises(ModelError, match=r'is a TorchScript file, not .*family = "torchscript"'):
        load_export(card(), save_script(Single(), path), CPU)
    with pytest.raises(ModelError, match=r'is a file of torch.export, not .*family = "exported"'):
        load_script(card(), save_export(Single(), path), CPU)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "pickle"])
@pytest.mark.parametrize("whole", [True, False], ids=["model", "state"])
def test_a_pickled_model_is_never_opened_but_has_to_be_exported(path: Path, new: bool, whole: bool) -> None:
    torch.save(Single() if whole else Single().state_dict(), path, _use_new_zipfile_serialization=new)

    for load in (load_script, load_export):
        with pytest.raises(ModelError, match=r"torch\.save.*Export the model"):
            load(card(), path, CPU)


@BOTH
def test_a_file_that_breaks_off_is_told(save: Save, load: Any, path: Path) -> None:
    whole = save(Single(), path).read_bytes()

    for part in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(ModelError, match="damaged"):
            load(card(), path, CPU)


@BOTH
def test_a_file_whose_inside_is_damaged_is_told(save: Save, load: Any, path: Path) -> None:
    whole = bytearray(save(Single(), path).read_bytes())
    middle = whole.index(b"models/model.json" if b"models/model.json" in whole else b"code/") + 100
    whole[middle : middle + 40] = bytes(40)
    path.write_bytes(whole)

    with pytest.raises(ModelError, match="damaged"):
        load(card(), path, CPU)


@pytest.mark.parametrize("load", [load_script, load_export])
def test_a_file_that_is_empty_or_not_there_is_told(load: Any, path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load(card(), path, CPU)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="empty"):
        load(card(), path, CPU)
