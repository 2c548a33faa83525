"""Split lists: read without losing a byte, cleaned without touching a line that stays."""

import codecs
import re
from dataclasses import dataclass

BLANKS = " \t\v\f"
"""What may surround a name on a line. Other white space (a no-break space) may be part of a file's name."""

ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8", "surrogateescape"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "surrogatepass"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "surrogatepass"),
    (b"", "utf-8", "surrogateescape"),
)
"""(byte order mark, encoding, what to do with bytes that are none of it). Undecodable bytes become lone surrogates, as
in file names read by Python, so that a Latin-1 list still names Latin-1 files."""


@dataclass(frozen=True, slots=True)
class SplitLine:
    """One line of a list.

    Attributes:
        raw: the bytes of the line with its line ending, exactly as in the file.
        text: the decoded line without ending and surrounding blanks; empty for a blank line.
    """

    raw: bytes
    text: str


@dataclass(frozen=True, slots=True)
class SplitList:
    """A list of tiles.

    Attributes:
        name: the split, e.g. "train" (the file's stem).
        path: where the file lies under the dataset's root, "/" between the parts, e.g. "grid_g05_mid_v1/train.txt".
        group: the sub-dataset it belongs to; empty where there is none.
        lines: all lines, in order.
        mark: the byte order mark before the first line; empty where there is none.
    """

    name: str
    path: str
    group: str
    lines: tuple[SplitLine, ...]
    mark: bytes = b""


def parse_list(raw: bytes, *, name: str, path: str, group: str) -> SplitList:
    """Reads a list. Any bytes are a list; `render_list` gives them back exactly.

    A line ends with LF, CRLF or CR. The whole line is one text: a second column ("rgb.png depth.tif") belongs to it.
    """
    mark, encoding, errors = next(row for row in ENCODINGS if raw.startswith(row[0]))
    body = raw[len(mark) :]
    torn = len(body) % 2 if encoding.startswith("utf-16") else 0  # half a UTF-16 unit at the end of a cut file
    text = body[: len(body) - torn].decode(encoding, errors)
    lines = [
        SplitLine(line.encode(encoding, errors), line.rstrip("\r\n").strip(BLANKS))
        for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    ]
    if torn:
        lines.append(SplitLine(body[-torn:], ""))
    return SplitList(name, path, group, tuple(lines), mark)


def render_list(split: SplitList) -> bytes:
    """The bytes of the list's file."""
    return split.mark + b"".join(line.raw for line in split.lines)
