"""Names of files that are made from names of tiles, which may be anything."""

import hashlib
import re
from pathlib import Path

from rsviewer.core.tile import TileId

NAME_BYTES = 200
"""A longer name of a file or folder is cut: most file systems take 255 bytes."""

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows takes for devices."""


def path_of(out: Path, tile: TileId, suffix: str) -> Path:
    """Where the file of a tile goes: the groups in its name become folders. Never outside of `out`.

    The name is made of the tile's alone, so it is the same in every run. Where a file cannot have that name, or should not on
    some system, the odd parts are replaced and a hash of the whole is added, so that two tiles never get the same one.
    """
    parts = tile.split("/")
    safe = [safe_part(part) for part in parts]
    if safe != parts or "" in parts:
        safe = [part for part in safe if part] or ["tile"]
        safe[-1] += f"-{hashlib.sha256(tile.encode()).hexdigest()[:8]}"
    return out.joinpath(*safe[:-1], f"{safe[-1]}.{suffix}")


def safe_part(part: str) -> str:
    """A name that every file system takes, and that is not hidden."""
    cleaned = re.sub(r'[<>:"|?*\\\x00-\x1f\x7f]', "_", part)
    cleaned = re.sub(r"^[. ]|[. ]+$", "_", cleaned)
    if RESERVED.fullmatch(cleaned):
        cleaned = f"_{cleaned}"
    raw = cleaned.encode()
    return cleaned if len(raw) <= NAME_BYTES else raw[:NAME_BYTES].decode(errors="ignore").rstrip(". ")
