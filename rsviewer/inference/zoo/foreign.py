"""Files with networks that others have exported: which of them is what, what they take, and how their answers are read."""

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rsviewer.core.errors import ModelError
from rsviewer.core.model import ModelCard
from rsviewer.core.tile import printable
from rsviewer.inference.zoo.network import Answers

if TYPE_CHECKING:  # see `network`
    import torch

Given: TypeAlias = "torch.Tensor | Sequence[torch.Tensor] | Mapping[str, torch.Tensor]"
"""What a network of somebody else returns."""


class FileKind(StrEnum):
    """What a file is, by its first bytes and, of an archive, by the names in it. Nothing in it is run for that."""

    ONNX = "an ONNX file"
    TORCHSCRIPT = "a TorchScript file"
    EXPORTED = "a file of torch.export"
    SAVED = "a file of torch.save, which holds numbers or a pickled model, but nothing that can be run without its source code"
    SAFETENSORS = "a safetensors file, which holds numbers, but no network to put them into"
    LFS = "only a note that says where the file is (a Git LFS pointer)"
    PAGE = "a web page"
    EMPTY = "empty"
    DAMAGED = "truncated or damaged"
    SWELLING = "an archive that unpacks to far more than it is"
    UNKNOWN = "no file of a model that is known here"


REFETCH = "Fetch the file itself again."
EXPORT = "Export the model, with torch.onnx.export, torch.jit.script or torch.export.export."
ADVICE = {
    FileKind.ONNX: 'Say family = "onnx" in its card.',
    FileKind.TORCHSCRIPT: 'Say family = "torchscript" in its card.',
    FileKind.EXPORTED: 'Say family = "exported" in its card.',
    FileKind.SAVED: EXPORT,
    FileKind.SAFETENSORS: EXPORT,
    FileKind.LFS: REFETCH,
    FileKind.PAGE: REFETCH,
    FileKind.EMPTY: REFETCH,
    FileKind.DAMAGED: REFETCH,
    FileKind.SWELLING: REFETCH,
    FileKind.UNKNOWN: EXPORT,
}
"""What to do with a file that is not what it should be."""

STARTS = (
    (b"version https://git-lfs", FileKind.LFS),
    (b"<!", FileKind.PAGE),
    (b"<html", FileKind.PAGE),
    (b"\x80", FileKind.SAVED),  # a pickle: the old way of torch.save
    (b"\x08", FileKind.ONNX),  # the first field, its version
)
MEMBERS = (
    ("models/", FileKind.EXPORTED),
    ("serialized_exported_program", FileKind.EXPORTED),  # torch 2.1 to 2.6
    ("code/", FileKind.TORCHSCRIPT),
    ("constants.pkl", FileKind.TORCHSCRIPT),
    ("data.pkl", FileKind.SAVED),
)
"""Start of a name in the archive, after its first folder if it is in one, and what archive has it; the first that fits."""


SWELLING, SWELLING_BYTES = 4, 64 << 20
"""An archive may unpack to so many times its size, or to so many bytes: numbers are not packed, only programs are."""


def allowed_bytes(path: Path, card: ModelCard) -> io.BytesIO:
    """A file that can hold programs, if it is the very one that the user has allowed.

    It is read once, and what is loaded is what was compared: whoever writes to the file meanwhile comes too late.

    Args:
        path: of the file.
        card: whose hash of the weights is that of the file that was allowed.

    Raises:
        ModelError: it is another one, or nobody has looked at it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if hashlib.sha256(content).hexdigest() != card.weights.sha256:
        raise ModelError(
            f"{path.name} is not the file that was allowed to run: it has changed since. Choose the model anew."
        )
    return io.BytesIO(content)


def check_file(path: Path, wanted: FileKind) -> None:
    """Raises ModelError where a file is not of the kind that its card says, in a sentence that says what it is instead."""
    kind = file_kind(path)
    if kind is not wanted:
        raise ModelError(f"{path.name} is {kind}, not {wanted}. {ADVICE[kind]}")


def file_kind(path: Path) -> FileKind:
    """What a file is. Raises ModelError where it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if not start:
            return FileKind.EMPTY
        if start.startswith(b"PK"):
            return _archive_kind(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if start[8:9] == b"{" and start[4:8] == b"\0\0\0\0":
        return FileKind.SAFETENSORS
    return next((kind for begin, kind in STARTS if start.lower().startswith(begin)), FileKind.UNKNOWN)


def _archive_kind(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            if min((one.header_offset for one in archive.infolist()), default=1) > 0:
                return FileKind.DAMAGED  # what was found is an archive within a part of this one
            unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > max(SWELLING_BYTES, SWELLING * path.stat().st_size):
                return FileKind.SWELLING
            names = [name.partition("/")[2] or name for name in archive.namelist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return FileKind.DAMAGED
    return next((kind for begin, kind in MEMBERS if any(name.startswith(begin) for name in names)), FileKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Intake:
    """The windows that a file takes. None where any number is taken, or where the file does not say.

    Attributes:
        file: its name, for sentences.
        batch: windows at once.
        bands: of a window.
        height, width: of a window, in pixels.
    """

    file: str
    batch: int | None = None
    bands: int | None = None
    height: int | None = None
    width: int | None = None

    def check_card(self, card: ModelCard) -> None:
        """Raises ModelError where the card gives it another number of bands."""
        if self.bands not in (None, card.band_count):
            raise ModelError(
                f"{self.file} takes {self.bands} bands, and its card names {card.band_count}: name them all in its inputs."
            )

    def check(self, windows: "torch.Tensor") -> None:
        """Raises ModelError where windows are of another size."""
        height, width = windows.shape[-2:]
        if self.height in (None, height) and self.width in (None, width):
            return
        if self.height == self.width:
            side = f"window = {self.width}, multiple = {self.width} and whole = true"
            said = f"say {side} in the framing of its card"
        elif self.height is None or self.width is None:
            said = "export it with both sides free"
        else:
            said = "export it for square windows, or with both sides free"
        takes = f"{self.width or 'any'} × {self.height or 'any'}"
        raise ModelError(f"{self.file} takes windows of {takes} pixels only, not {width} × {height}: {said}.")

    def run(
        self, windows: "torch.Tensor", run: "Callable[[torch.Tensor], Sequence[torch.Tensor]]"
    ) -> "list[torch.Tensor]":
        """Runs windows, as many at once as the file takes; too few are filled up with copies, whose answers are dropped."""
        import torch

        count = len(windows)
        if self.batch in (None, count):
            return list(run(windows))
        parts = []
        for start in range(0, count, self.batch):
            piece = windows[start : start + self.batch]
            lacking = self.batch - len(piece)
            filled = torch.cat([piece, piece[-1:].expand(lacking, -1, -1, -1)]) if lacking else piece
            parts.append([answer[: len(piece)] for answer in run(filled)])
        return [torch.cat(answers) for answers in zip(*parts, strict=True)]


def named(card: ModelCard, tensors: "Sequence[torch.Tensor]") -> Answers:
    """The tensors of a card's outputs, in their order, with their names; "" for one that the card gives none."""
    return {output.name: tensor for output, tensor in zip(card.outputs, tensors, strict=True)}


def chosen(card: ModelCard, given: Given, file: str) -> "list[torch.Tensor]":
    """Of what a network returns, the tensors of the card's outputs, in their order. What is in them is for the engine to judge.

    By name where it returns names, by number where the card says one, else in order. An only output needs no name.

    Raises:
        ModelError: there is no such output, or it is no tensor.
    """
    import torch

    names = list(given) if isinstance(given, Mapping) else []
    values = (
        [given] if isinstance(given, torch.Tensor) else list(given.values() if isinstance(given, Mapping) else given)
    )
    found = []
    for number, output in enumerate(card.outputs):
        if output.name in names:
            place = names.index(output.name)
        elif output.name.isdecimal():
            place = int(output.name)
        elif output.name and names and (len(names) > 1 or len(card.outputs) > 1):
            raise ModelError(f"{file} has no output {output.name!r}, but {_some(names)}: correct the name in its card.")
        else:
            place = number
        if place >= len(values):
            raise ModelError(
                f"{file} gives {len(values)} outputs, and its card asks for number {place}, counted from 0."
            )
        if not isinstance(values[place], torch.Tensor):
            raise ModelError(
                f"{file} gives a {type(values[place]).__name__} where its card expects an array of numbers."
            )
        found.append(values[place])
    return found


def in_short(error: Exception) -> str:
    """The last line that an error says: that of what went wrong, after where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return plain(lines[-1] if lines else type(error).__name__)[:300]


def plain(words: str) -> str:
    r"""Words from a file, without what would command a terminal: escape becomes ``\x1b``."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", printable(words))


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:6]) + (" ..." if len(names) > 6 else "")
