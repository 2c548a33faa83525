"""A layout proposed from names alone, for a person to look at and correct (see `folders.inspect_layout`)."""

import glob
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data import guess
from rsviewer.data.catalogue import RASTER_SUFFIXES, TEXT_SUFFIXES, fold, natural, place_name, suffix_of, tile_name
from rsviewer.data.datasets.layout import GROUP, FolderLayout, LayerFolder
from rsviewer.data.lists import is_split_name
from rsviewer.data.looking import look
from rsviewer.data.tree import Tree

MOST_FOLDERS = 2_000
DEEPEST = 4

_LAST_WORD = re.compile(r"(?P<tile>.+?)(?P<suffix>[-_. ](?P<word>[A-Za-z][A-Za-z0-9]*))")

_END = object()


def propose_layout(
    tree: Tree, root: Path, most_folders: int = MOST_FOLDERS, most_names: int | None = None
) -> FolderLayout:
    """The layout that the names under a folder suggest.

    Layers are, in this order of preference: folders that tell their kind by name (A, B, label; images, masks; dsm ...),
    once or for each of several groups (Rural/images, Urban/images; images/train, images/val); words at the end of the
    file names (7_rgb.tif, 7_dsm.tif); any other parallel folders. Only folders that share tiles are taken.

    Args:
        tree: where its names come from.
        root: of the dataset.
        most_folders: so many folders are looked into; what lies in more is left out.
        most_names: likewise for all their names together; None for no limit.

    Raises:
        DatasetNotFoundError: there is no raster.
    """
    leaves = list(islice(_leaves(tree, str(root), (), islice(repeat(None), most_names)), most_folders))
    if not any(leaf.rasters for leaf in leaves):
        raise DatasetNotFoundError(
            f"There are no rasters under {place_name(root)}: expected folders of "
            f"{', '.join('.' + suffix for suffix in RASTER_SUFFIXES)} files with equal names."
        )
    choices = [_by_folder(leaves, known_only=True), _by_last_word(leaves), _by_folder(leaves, known_only=False)]
    shared = [_sharing(candidates) for candidates in choices]
    best = next((candidates for candidates in shared if len(candidates) > 1), None) or max(shared, key=_tiles)
    return FolderLayout(tuple(_described(best)), lists=_list_patterns(tree, root))


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A folder that holds tiles: its parts under the root, and the names of its files without the extension."""

    parts: tuple[str, ...]
    rasters: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A layer that might be: what names it, where it lies, and its tiles as (group, name)."""

    name: str
    folder: str
    tiles: frozenset[tuple[str, str]]
    prefix: str = ""
    suffix: str = ""
    text: bool = False


def _leaves(tree: Tree, path: str, parts: tuple[str, ...], budget: Iterator[object]) -> Iterator[_Leaf]:
    """The folders under `path` that hold tiles; takes one from `budget` for each name, and ends where that does."""
    if next(budget, _END) is _END:
        return
    rasters, texts, folders = [], [], []
    try:
        with tree.scan(path) as entries:
            for _, entry in zip(budget, entries, strict=False):
                if entry.name.startswith((".", "$")):
                    continue
                suffix = suffix_of(entry.name)
                if suffix in RASTER_SUFFIXES:
                    rasters.append(entry.name.rpartition(".")[0])
                elif suffix in TEXT_SUFFIXES:
                    texts.append(entry.name.rpartition(".")[0])
                elif entry.is_dir():
                    folders.append(entry.name)
    except OSError:
        return
    if rasters or texts:
        yield _Leaf(parts, tuple(rasters), tuple(texts))
    if len(parts) < DEEPEST:
        for name in sorted(folders, key=natural):
            yield from _leaves(tree, str(Path(path) / name), (*parts, name), budget)


def _by_folder(leaves: Iterable[_Leaf], *, known_only: bool) -> list[_Candidate]:
    """One candidate for each folder, or for each folder that repeats in groups."""
    found: dict[str, _Candidate] = {}
    for leaf in leaves:
        known = [index for index, part in enumerate(leaf.parts) if guess.kind_of(part)]
        if known_only and not known:
            continue
        place = known[-1] if known else len(leaf.parts) - 1
        name = leaf.parts[place] if leaf.parts else "."
        before, after = leaf.parts[: max(place, 0)], leaf.parts[place + 1 :]
        is_text = guess.kind_of(name) is LayerKind.TEXT
        stems = leaf.texts if is_text else leaf.rasters
        if not stems or (before and after):
            continue
        folder = "/".join(([GROUP] if before else []) + [tile_name(name)] + ([GROUP] if after else []))
        group = "/".join(before or after)
        tiles = frozenset((group, stem) for stem in stems)
        earlier = found.get(fold(folder))
        found[fold(folder)] = _Candidate(name, folder, tiles | earlier.tiles if earlier else tiles, text=is_text)
    return _alike(found.values())


def _by_last_word(leaves: Iterable[_Leaf]) -> list[_Candidate]:
    """One candidate for each word at the end of file names that tells a kind: 7_rgb, 7_dsm."""
    tiles: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for leaf in leaves:
        for stem in leaf.rasters:
            match = _LAST_WORD.fullmatch(stem)
            if match and guess.kind_of(match["word"]):
                place = GROUP if leaf.parts else "."
                tiles.setdefault((place, match["suffix"].lower()), set()).add(("/".join(leaf.parts), match["tile"]))
    return _alike(
        _Candidate(suffix[1:], folder, frozenset(names), suffix=suffix) for (folder, suffix), names in tiles.items()
    )


def _alike(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Those in groups, or those without, whichever have more tiles: a dataset is one or the other."""
    candidates = list(candidates)
    weight: Counter[bool] = Counter()
    for candidate in candidates:
        weight[GROUP in candidate.folder] += len(candidate.tiles)
    return [candidate for candidate in candidates if (GROUP in candidate.folder) is (weight[True] > weight[False])]


def _sharing(candidates: list[_Candidate]) -> list[_Candidate]:
    """The candidates that share tiles with others, some without what all their names begin or end with (img_7, gt_7)."""
    variants = [(candidate, *_without_affixes(candidate)) for candidate in candidates]
    alike = [one for one in candidates if any(_share(one, other) for other in candidates if other is not one)]
    if alike:
        return [
            hit
            for row in variants
            if (hit := next((variant for variant in row if any(_share(variant, one) for one in alike)), None))
        ]
    best: list[_Candidate] = []
    for target in (variant for turn in range(2) for row in variants for variant in row[turn : turn + 1]):
        members = [
            hit for row in variants if (hit := next((variant for variant in row if _share(variant, target)), None))
        ]
        if len(members) > len(best):
            best = members
        if len(best) == len(candidates):
            break
    return best


def _tiles(candidates: Iterable[_Candidate]) -> int:
    return sum(len(candidate.tiles) for candidate in candidates)


def _share(one: _Candidate, other: _Candidate) -> bool:
    return len(one.tiles & other.tiles) * 10 >= min(len(one.tiles), len(other.tiles))


def _without_affixes(candidate: _Candidate) -> list[_Candidate]:
    """The candidate without the letters that all its file names begin and end with; nothing where there are none."""
    stems = [stem for _, stem in candidate.tiles]
    if len(stems) < 2:
        return []
    prefix = re.sub(r"[0-9]+$", "", _common_start(stems))
    backwards = _common_start([stem[len(prefix) :][::-1] for stem in stems])
    suffix = re.sub(r"^[0-9]+", "", backwards[::-1])
    if not (prefix or suffix):
        return []
    tiles = frozenset((group, stem[len(prefix) : len(stem) - len(suffix)]) for group, stem in candidate.tiles)
    if any(not tile for _, tile in tiles):
        return []
    return [replace(candidate, tiles=tiles, prefix=candidate.prefix + prefix, suffix=suffix + candidate.suffix)]


def _common_start(names: list[str]) -> str:
    first, last = min(names), max(names)
    length = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first if length is None else first[:length]


def _described(candidates: list[_Candidate]) -> list[LayerFolder]:
    dates = guess.dates_of([candidate.name for candidate in candidates])
    layers: list[LayerFolder] = []
    taken: set[LayerId] = set()
    for candidate in sorted(candidates, key=lambda candidate: _place(candidate.name, dates)):
        kind = _kind(candidate.name, dates)
        unit = guess.unit_of(candidate.name, kind)
        name = tile_name(candidate.name)
        spec = LayerSpec(
            guess.layer_id("image" if name == "." else name, taken),
            kind,
            "image" if name == "." else guess.title_of(name),
            unit=unit,
            low=-1000.0 if unit == "m" else None,
            high=9000.0 if unit == "m" else None,
            classes=guess.CHANGE if kind is LayerKind.MASK else (),
            date=dates.get(candidate.name, ""),
        )
        taken.add(spec.id)
        layers.append(LayerFolder(spec, candidate.folder, candidate.prefix, candidate.suffix))
    return layers


def _kind(name: str, dates: dict[str, str]) -> LayerKind:
    """A label beside two dates is a change mask."""
    kind = guess.kind_of(name) or LayerKind.OPTICAL
    return LayerKind.MASK if kind is LayerKind.LABELS and dates else kind


def _place(name: str, dates: dict[str, str]) -> tuple[bool, int, int, list[Any]]:
    """Images by date, heights, labels, and predictions last."""
    predicted = bool(guess.PREDICTION_WORDS & set(guess.words_of(name)))
    date = ("pre", "post", "").index(dates.get(name, ""))
    return predicted, guess.KINDS_IN_ORDER.index(_kind(name, dates)), date, natural(name)


def _list_patterns(tree: Tree, root: Path) -> tuple[str, ...] | None:
    """Patterns of the lists in folders of lists, and in the root; None where there is no such folder."""
    top = look(tree, str(root))
    folders = [name for name in top.folders if is_split_name(name) and name == tile_name(name)]
    holding = [name for name in folders if any(map(_is_text, look(tree, str(root / name)).files))]
    here = [name for name in top.files if _is_text(name) and is_split_name(Path(name).stem)]
    return (*map(glob.escape, here), *(f"{glob.escape(name)}/*.txt" for name in holding)) if holding else None


def _is_text(name: str) -> bool:
    return name.lower().endswith(".txt")
