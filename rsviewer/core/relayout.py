"""Which names the groups and tiles of a dataset get where they are laid out anew: ones that every file system and loader takes.

A name that is good stays as it is. In others the odd parts are replaced, and where two would then be the same (also for file
systems that ignore case), a hash of what it stood for is added: names do not depend on the order in which tiles come.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping

from rsviewer.core.tile import TileId

_ODD = re.compile(r"[\s/\\,;{}]+")
"""What loaders split lines of lists at, what parts folders, and what a description of folders takes for a placeholder."""

_NUMBERED = re.compile(r"tile_([0-9]{1,15})")
_HASH_LETTERS = 8


def bare_name(tile: TileId, group: str) -> str:
    """The name of a tile within its group."""
    return tile.removeprefix(f"{group}/") if group else tile


def plain_name(text: str, safe: Callable[[str], str]) -> str:
    """A name of one part, without blanks and separators, that is not hidden.

    Args:
        text: anything.
        safe: makes of a part of a path one that file systems take.
    """
    name = safe(_ODD.sub("_", text)) or "_"
    return f"_{name[1:]}" if name[0] in ".$" else name


def folded(name: str) -> str:
    """The same for names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def distinct(
    wanted: Mapping[str, tuple[str, str]],
    *,
    taken: Collection[str] = (),
    same: Callable[[str], str] = folded,
) -> dict[str, str]:
    """Different names for different things.

    Args:
        wanted: thing -> what it is called now, the name that it should get.
        taken: names that nothing may get.
        same: see `folded`.

    Returns:
        Thing -> name, in the order of `wanted`. Of several that want the same the one that is called so keeps it.
    """
    rivals: dict[str, list[str]] = {}
    for thing, (_, name) in wanted.items():
        rivals.setdefault(same(name), []).append(thing)
    used = {same(name) for name in taken}
    names: dict[str, str] = {}
    for key, things in rivals.items():
        called_so = sorted(thing for thing in things if wanted[thing][0] == wanted[thing][1])
        keeper = things if len(things) == 1 else called_so[:1]
        if key not in used and keeper:
            names[keeper[0]] = wanted[keeper[0]][1]
    used |= {same(name) for name in names.values()}
    for thing, (_, name) in wanted.items():
        if thing not in names:
            names[thing] = _with_hash(thing, name, used, same)
            used.add(same(names[thing]))
    return {thing: names[thing] for thing in wanted}


def new_groups(
    groups: Iterable[str],
    safe: Callable[[str], str],
    *,
    levels: int,
    nameless: str = "",
    taken: Collection[str] = (),
    same: Callable[[str], str] = folded,
) -> dict[str, str]:
    """Folders for groups: none lies in another one.

    Args:
        groups: their names, "/" between the parts.
        safe: see `plain_name`.
        levels: so many folders deep a group may lie.
        nameless: what tiles without a group get where others have one.
        taken: names that no group may have.
        same: see `folded`.

    Returns:
        Group -> new name. A group without a name stays so where it is the only one and `nameless` is empty.
    """
    groups = list(dict.fromkeys(groups))
    if groups == [""] and not nameless:
        return {"": ""}
    parted = {group: _parts(group or nameless or "ungrouped", safe, levels) for group in groups}
    names = {folded("/".join(parts)) for parts in parted.values()}
    for group, parts in parted.items():
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if any(folded(each) in names for each in above):
            parted[group] = ["_".join(parts)]
    wanted = {group: (group, "/".join(parts)) for group, parts in parted.items()}
    return distinct(wanted, taken=taken, same=same)


def new_names(tiles: Iterable[tuple[TileId, str]], safe: Callable[[str], str]) -> dict[TileId, str]:
    """Names for the tiles of one group: (id, group) -> name within the group."""
    wanted = {}
    for tile, group in tiles:
        bare = bare_name(tile, group)
        wanted[str(tile)] = (bare, plain_name(bare, safe))
    return {TileId(tile): name for tile, name in distinct(wanted).items()}


def tile_numbers(tiles: Iterable[tuple[TileId, str]]) -> dict[TileId, int]:
    """Numbers for the tiles of one group, of (id, group): those called tile_<number> keep theirs, others get the next ones."""
    tiles = list(tiles)
    numbers: dict[TileId, int] = {}
    taken: set[int] = set()
    for tile, group in tiles:
        match = _NUMBERED.fullmatch(bare_name(tile, group))
        if match and int(match[1]) not in taken:
            numbers[tile] = int(match[1])
            taken.add(numbers[tile])
    free = max(taken, default=-1) + 1
    for tile, _ in tiles:
        if tile not in numbers:
            numbers[tile] = free
            free += 1
    return {tile: numbers[tile] for tile, _ in tiles}


def _parts(group: str, safe: Callable[[str], str], levels: int) -> list[str]:
    parts = [part for part in group.split("/") if part] or ["_"]
    if len(parts) > levels:
        parts = [*parts[: levels - 1], "_".join(parts[levels - 1 :])]
    return [plain_name(part, safe) for part in parts]


def _with_hash(thing: str, name: str, used: Collection[str], same: Callable[[str], str]) -> str:
    digest = hashlib.sha256(thing.encode("utf-8", "surrogatepass")).hexdigest()
    lengths = range(_HASH_LETTERS, len(digest) + 1)
    return next(found for length in lengths if same(found := f"{name}-{digest[:length]}") not in used)
