"""What only the whole dataset can tell: who looks like whom, who is on the other side of a split, who is unlike all others.

These checks have no `Check.run`. `QUESTIONS` answer them from what is remembered of every tile (`traits`), as arrays that
somebody else reads for them (`Remembered`): for five million tiles in about a minute, and without Python loops over tiles.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsviewer.core.checks.check import ENOUGH, Check, Topic
from rsviewer.core.checks.colours import FEWEST, TONES, Usual, words
from rsviewer.core.checks.labels import LOOKS
from rsviewer.core.checks.sameness import SAME
from rsviewer.core.checks.suspicion import SAMPLE, center_and_spread, thinned
from rsviewer.core.checks.traits import LAYERS_BETWEEN, SHAPE_AFTER
from rsviewer.core.errors import StoppedError
from rsviewer.core.splits import HELD_OUT, TRAINING

Places: TypeAlias = NDArray[np.int32]
Confirm: TypeAlias = Callable[[Sequence[tuple[int, int]]], Sequence[float]]
"""Pairs of places of tiles that may be the same picture -> how alike they are, 0..1. It reads them."""

PARTNER = "{}"
"""Stands for the name of the first partner in a note."""
TEXTURED = 4.0
"""Grey levels of 256 that the coarse shapes of a picture must differ by for its perceptual hash to mean anything: in water
and snow it is made of noise."""
MOST_CONFIRMED = 50_000
"""Pairs that are read from disk, the most alike first; of others the hashes are believed."""
_BITS = 64
_NEAR = ((1 << 20, 6, 8), (1 << 62, 4, 6))
"""(tiles at most, radius, blocks): hashes that differ in `radius` bits agree in two of radius + 2 blocks of bits. Where there
are more tiles, shorter blocks would agree by chance too often."""
_AGREEING = 2
_MOST_IN_A_ROW = 256
_MOST_PAIRS = 4_000_000
_TOGETHER = 12
"""Tiles before and behind one in the dataset that are named as the same picture, where many more are."""
_ORIGINAL = 0.002
"""By how much less the first of the same pictures counts as a duplicate: one of them is the original, and is to stay."""
_BOXES = 1 << 18
_HALF_ROUND = 180.0
_LARGEST = 1e30
_BRIGHTEST = 255.0
_MANY = 1 << 18
"""Tiles that tell what colours are usual, of all groups together."""
_AT_ONCE = 1 << 15
_NARROWEST = 0.1
"""No class looks the same everywhere to less than this part of what all classes differ by."""
_VAGUE = 1.5
"""Times that, a class of too few tiles may look like anything."""
_WITHIN_80 = 2.563
"""Standard deviations between which 80 % of a normal distribution lie."""
_PRIOR_TILES = 10
_MOST_GROUPS = 32
"""Groups whose classes have looks of their own, the largest ones."""
_FEWEST_TILES = 6
_THERE, _LARGE = 0.02, 0.1
"""Share of a tile from which on a class counts as being there, and counts in full."""
_PARTS = (0.3, 0.5, 0.7)
_MOST_MIXED = 40
"""Classes, beyond which nobody asks whether two are mixed: pairs are too many."""
_MOST_ODDS = 3.0
_FARTHEST = np.float32(1e5)
"""Square of half the deviations beyond which nothing is farther: six such factors are still a number."""
_SMOOTH = np.float32(2.0)
"""Grey levels that no texture is finer than."""
_BRIGHT, _SPREAD, _HEIGHT = 0, 3, 4
_FEWEST_LOOKS = 3
_MOST_SHAPES = 4096
"""Where there are more, no size is usual."""
_AGREED = 4
"""Tiles of a group too small to be judged by itself that are alike, and most of it: that is how the group is."""


class Remembered(Protocol):
    """What is known of the tiles of a dataset, each named by its place from 0. n is how many there are."""

    def __len__(self) -> int:
        """How many."""

    def hashes(self, trait: str) -> tuple[Places, NDArray[np.uint64]]:
        """Places of the tiles that have a trait, ascending, and its values."""

    def numbers(self, trait: str) -> NDArray[np.float64]:
        """(n,) a trait, NaN where it is not known."""

    def words(self, trait: str) -> tuple[Places, tuple[str, ...]]:
        """(n,) numbers of the words of a trait, -1 where it is not known; and the words."""

    def vectors(self, *traits: str) -> Iterator[tuple[Places, list[NDArray[np.float32]]]]:
        """The tiles that have all of these traits, some after others: their places, and (tiles, numbers) of each trait.

        As many numbers of a trait for every tile.
        """

    def fact(self, name: str) -> NDArray[np.float64] | None:
        """(n,) a number that the dataset says of its tiles, NaN where it says none; None where there is no such fact."""

    def scored(self, name: str) -> NDArray[np.float64] | None:
        """(n,) what one model scored on the tiles, that which did so on most; None where none did. See SCORE_COLUMNS."""

    def groups(self) -> NDArray[np.int32]:
        """(n,) the number of the group of each tile; empty where there are no groups."""

    def splits(self) -> tuple[Places, tuple[tuple[str, ...], ...]]:
        """(n,) for every tile the number of its lists; and what lists these are."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a question brought to light.

    Attributes:
        scores: (n,) of each tile, NaN where the check does not apply.
        note: what was found on a tile as a clause, `PARTNER` standing for the first of its partners.
        partners: (k, 2) places of tiles and of those that they duplicate or overlap, the likest first.
    """

    scores: NDArray[np.float32]
    note: Callable[[int], str]
    partners: Places

    def settled(self, dropped: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) tiles that have partners all of which are dropped: then nothing is left that they could be the same as."""
        tiles, partners = self.partners.T
        has_partners, has_some_left = np.zeros(len(dropped), bool), np.zeros(len(dropped), bool)
        has_partners[tiles] = True
        has_some_left[tiles[~dropped[partners]]] = True
        return has_partners & ~has_some_left


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures that are the same: `tiles` (k, 2) places, `likeness` (k,) 0..1."""

    tiles: Places
    likeness: NDArray[np.float32]


class Inquiry:
    """One judgement over a dataset; holds what several questions need.

    Args:
        remembered: what is known of the tiles.
        confirm: see `Confirm`; None believes the hashes.
        stop: asked now and then.
        classes: names of those that `shares` and `looks` are about, where they are known.
        titles: layer -> what people know it by.
    """

    def __init__(
        self,
        remembered: Remembered,
        confirm: Confirm | None = None,
        stop: Callable[[], bool] = lambda: False,
        classes: Sequence[str] = (),
        titles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.remembered = remembered
        self.classes = classes
        self.titles = titles
        self._confirm = confirm
        self._stop = stop

    def go_on(self) -> None:
        """Raises StoppedError where somebody has stopped it."""
        if self._stop():
            raise StoppedError("Judging the dataset was stopped.")

    @cached_property
    def pairs(self) -> Pairs:
        """Tiles with the same picture: by digest, and by perceptual or spectral hash where their pixels confirm it.

        Of many that are the same, each is paired with the first. Spectral hashes alone are not believed.
        """
        same = _stars(*self.remembered.hashes("digest"))
        kept = self.remembered.numbers("texture") >= TEXTURED
        kept[same[:, 1]] = False
        near = self._confirmed(self._near("phash", kept, one_of_equal=True))
        moved = [] if self._confirm is None else [self._moved(kept, near)]
        found = (Pairs(same, np.ones(len(same), np.float32)), near, *moved)
        return Pairs(np.concatenate([each.tiles for each in found]), np.concatenate([each.likeness for each in found]))

    @cached_property
    def sides(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(n,) whether a list for training names the tile, and whether a held-out one does."""
        numbers, lists = self.remembered.splits()
        known = np.array([_sides(names) for names in lists] or [(False, False)], bool)
        return known[numbers, 0], known[numbers, 1]

    @cached_property
    def group_numbers(self) -> NDArray[np.int32]:
        """(n,) the number of the group of each tile, 0 where there are none."""
        groups = self.remembered.groups()
        return groups if groups.size else np.zeros(len(self.remembered), np.int32)

    def _near(self, trait: str, kept: NDArray[np.bool_], *, one_of_equal: bool) -> Pairs:
        """Tiles whose hashes differ in few bits, the likest first.

        Args:
            trait: the hash.
            kept: (n,) tiles that are asked about.
            one_of_equal: of tiles with equal hashes, which all show the same, the first stands for all. Else each is compared:
                a picture and the same turned by 180 degrees have the same spectrum.
        """
        places, hashes = self.remembered.hashes(trait)
        places, hashes = places[kept[places]], hashes[kept[places]]
        if not len(places):
            return Pairs(_NO_PARTNERS, np.zeros(0, np.float32))
        different, first, equal = hashes, np.arange(len(hashes)), _NO_PARTNERS
        if one_of_equal:
            different, first = np.unique(hashes, return_index=True)
            equal = _stars(places, hashes)
        radius, blocks = next((radius, blocks) for most, radius, blocks in _NEAR if len(different) <= most)
        found, distances = near_hashes(different, radius, blocks, self.go_on)
        likeness = 1.0 - np.concatenate((np.zeros(len(equal)), distances)) / _BITS
        order = np.argsort(-likeness, kind="stable")
        tiles = np.sort(np.concatenate((equal, places[first[found]]))[order], axis=1)
        return Pairs(tiles, likeness[order].astype(np.float32))

    def _moved(self, kept: NDArray[np.bool_], near: Pairs) -> Pairs:
        """Tiles that only their spectrum says to show the same, as far as they were read."""
        supposed = self._near("spectrum", kept, one_of_equal=False).tiles
        members, cluster = _clusters(near.tiles[near.likeness >= SAME])
        number = -1 - np.arange(len(kept), dtype=np.int32)
        number[members] = cluster
        one, other = number[supposed].T
        some = _once(near.tiles, supposed[one != other])[len(near.tiles) :][:MOST_CONFIRMED]
        return self._confirmed(Pairs(some, np.zeros(len(some), np.float32)))

    def _confirmed(self, pairs: Pairs) -> Pairs:
        """Pairs with their likeness as whoever reads them says, the likest first. Not all are read: see `MOST_CONFIRMED`."""
        if self._confirm is None or not len(pairs.tiles):
            return pairs
        asked = pairs.tiles[:MOST_CONFIRMED]
        said = np.array(self._confirm([(int(one), int(other)) for one, other in asked.tolist()]), np.float32)
        if said.shape != (len(asked),):
            raise ValueError(f"{len(asked)} pairs were asked about, {said.shape} answers came")
        likeness = pairs.likeness.copy()
        likeness[: len(asked)] = np.clip(np.nan_to_num(said), 0, 1)
        order = np.argsort(-likeness, kind="stable")
        return Pairs(pairs.tiles[order], likeness[order])


# --- the same picture twice


def _duplicate(inquiry: Inquiry) -> Found | None:
    places, _ = inquiry.remembered.hashes("digest")
    if not len(places):
        return None
    scores = _silent(inquiry, places)
    pairs = inquiry.pairs
    for column in (0, 1):
        np.fmax.at(scores, pairs.tiles[:, column], pairs.likeness)
    alike = pairs.tiles[pairs.likeness >= DUPLICATE.least]
    likeness = scores.copy()
    members, cluster = _clusters(alike)
    first = members[np.unique(cluster, return_index=True)[1]]
    scores[first] = np.maximum(likeness[first] - _ORIGINAL, DUPLICATE.least)

    def note(place: int) -> str:
        much = 100 * float(likeness[place])
        return (
            f"the same picture as {PARTNER}" if much == 100 else f"nearly the picture of {PARTNER}, {int(much)} % alike"
        )

    return Found(scores, note, _once(_both_ways(alike), _neighbours(members, cluster)))


def _split_leak(inquiry: Inquiry) -> Found | None:
    trains, held_out = inquiry.sides
    if not (trains.any() and held_out.any()):
        return None
    pairs = inquiry.pairs
    alike = pairs.likeness >= DUPLICATE.least
    tiles, likeness = pairs.tiles[alike], pairs.likeness[alike]
    scores = _silent(inquiry, np.flatnonzero(trains | held_out).astype(np.int32))
    twice = trains & held_out
    members, cluster = _clusters(tiles)
    size = int(cluster.max(initial=-1)) + 1
    of_member = np.zeros(len(members), np.float32)
    for column in (0, 1):
        np.maximum.at(of_member, np.searchsorted(members, tiles[:, column]), likeness)
    partners = []
    for mine, theirs in ((trains, held_out), (held_out, trains)):
        there = np.full(size, np.iinfo(np.int32).max, np.int32)
        np.minimum.at(there, cluster[theirs[members]], members[theirs[members]])
        other = there[cluster]
        leaks = mine[members] & (other < len(scores)) & (other != members)
        scores[members[leaks]] = np.fmax(scores[members[leaks]], of_member[leaks])
        partners.append(np.stack((members[leaks], other[leaks]), axis=1))
    scores[twice] = 1.0

    def note(place: int) -> str:
        if twice[place]:
            return "it is on a list for training and on a held-out one"
        there, here = ("held out", "trains") if trains[place] else ("training", "is held out")
        return f"it {here}, and {PARTNER}, which is {there}, shows the same"

    near = _neighbours(members, cluster)
    one, other = near.T
    partners.append(near[(trains[one] & held_out[other]) | (held_out[one] & trains[other])])
    found = _once(*partners)
    return Found(scores, note, found[~twice[found[:, 0]]])  # what is on both sides by itself stays so without any other


def near_hashes(
    hashes: NDArray[np.uint64], radius: int, blocks: int, go_on: Callable[[], object] = lambda: None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of hashes that differ in few bits.

    By the pigeonhole principle: the 64 bits are cut into blocks, at most `radius` of which can differ, so that
    `blocks - radius` agree. Hashes are sorted by every two blocks, and neighbours with the same two compared (G. Manku et al.,
    Detecting near-duplicates for web crawling, WWW 2007).

    Args:
        hashes: (n,) different ones, or few equal ones.
        radius: bits that may differ.
        blocks: radius + 2.
        go_on: called now and then; who raises from it stops the search.

    Returns:
        (k, 2) places in `hashes`, no pair twice; and (k,) the number of bits that differ.
    """
    cuts = np.linspace(0, _BITS, blocks + 1).astype(int).tolist()
    parts = [(start, end - start) for start, end in pairwise(cuts)]
    found: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    total = 0
    count = len(hashes)
    for (one, width), (other, more) in combinations(parts, _AGREEING):
        go_on()
        key = (_bits(hashes, one, width) << np.uint32(more)) | _bits(hashes, other, more)
        order = np.argsort(key, kind="stable")
        in_order, key = hashes[order], key[order]
        behind = np.arange(count)
        for step in range(1, _MOST_IN_A_ROW):
            behind = behind[: np.searchsorted(behind, count - step)]
            behind = behind[key[behind] == key[behind + step]]
            if not behind.size or total > _MOST_PAIRS:
                break
            close = behind[np.bitwise_count(in_order[behind] ^ in_order[behind + step]) <= radius]
            if close.size:
                pair = np.sort(np.stack((order[close], order[close + step])), axis=0)
                found.append(pair[0] * count + pair[1])
                total += close.size
    together = np.unique(np.concatenate(found))
    pairs = np.stack(np.divmod(together, max(count, 1)), axis=1)
    return pairs, np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]).astype(np.int64)


def _bits(hashes: NDArray[np.uint64], start: int, width: int) -> NDArray[np.uint32]:
    return ((hashes >> np.uint64(start)) & np.uint64((1 << width) - 1)).astype(np.uint32)


def _stars(places: Places, hashes: NDArray[np.uint64]) -> Places:
    """(k, 2): the first tile with a hash, and another one with the same."""
    order = np.argsort(hashes, kind="stable")
    in_order, places = hashes[order], places[order]
    new = np.append(True, in_order[1:] != in_order[:-1])[: len(order)]
    first = places[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    return np.stack((first[~new], places[~new]), axis=1).astype(np.int32)


def _clusters(pairs: Places) -> tuple[Places, NDArray[np.int32]]:
    """The tiles of pairs, ascending, and for each the number of the cluster that pairs tie it to."""
    members, numbers = np.unique(pairs, return_inverse=True)
    ends = numbers.reshape(-1, 2)
    ties = np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])
    from scipy.sparse import coo_matrix  # a fifth of a second that opening a window need not wait for
    from scipy.sparse.csgraph import connected_components

    untyped: Any = coo_matrix
    graph = untyped(ties, shape=(len(members), len(members)))
    _, cluster = connected_components(graph, directed=False) if len(members) else (0, np.zeros(0, np.int32))
    return members.astype(np.int32), cluster


def _neighbours(members: Places, cluster: NDArray[np.int32]) -> Places:
    """Each tile with those before and behind it in its cluster: where there are not too many, with all others."""
    order = np.argsort(cluster, kind="stable")
    members, cluster = members[order], cluster[order]
    found = [np.zeros((0, 2), np.int32)]
    for step in range(1, _TOGETHER + 1):
        same = np.flatnonzero(cluster[step:] == cluster[:-step])
        if not same.size:
            break
        found.append(np.stack((members[same], members[same + step]), axis=1))
    return _both_ways(np.concatenate(found))


def _once(*pairs: NDArray[np.integer]) -> Places:
    """All of them in their order, without those that are there already."""
    together: Places = np.concatenate(pairs).astype(np.int32)
    key = together[:, 0].astype(np.int64) << 32 | together[:, 1]
    kept = np.sort(np.unique(key, return_index=True)[1])
    return np.ascontiguousarray(together[kept], np.int32)


def _both_ways(pairs: Places) -> Places:
    """Each tile with its partner and the other way round; the order stays."""
    return np.stack((pairs, pairs[:, ::-1]), axis=1).reshape(-1, 2)


# --- the same place twice


def _split_overlap(inquiry: Inquiry) -> Found | None:
    trains, held_out = inquiry.sides
    sides = np.empty((len(inquiry.remembered), 4))
    for at, side in enumerate(("west", "south", "east", "north")):  # one by one: of millions, every copy counts
        sides[:, at] = inquiry.remembered.numbers(side)
        sides[~(np.abs(sides[:, at]) <= 2 * _HALF_ROUND), at] = np.nan
    west, south, east, north = sides.T
    known = (west < east) & (south < north) & (east - west < _HALF_ROUND)  # else it lies across the date line
    mine, theirs = np.flatnonzero(known & trains), np.flatnonzero(known & held_out)
    if not (mine.size and theirs.size):
        return None
    scores = _silent(inquiry, np.flatnonzero(known & (trains | held_out)).astype(np.int32))
    # Both from west to east: then a block meets few others, and no tree has to hold millions.
    mine, theirs = (each[np.argsort(sides[each, 0], kind="stable")] for each in (mine, theirs))
    partners: list[NDArray[np.intp]] = []
    for start in range(0, len(theirs), _BOXES):
        block = theirs[start : start + _BOXES]
        west, south, east, north = sides[block].T
        bounds = west.min(), south.min(), east.max(), north.max()
        import shapely  # as above

        tree: Any = shapely.STRtree(shapely.box(west, south, east, north))
        near = mine[_meets(sides[mine], bounds)]
        for begin in range(0, len(near), _BOXES):
            inquiry.go_on()
            some = near[begin : begin + _BOXES]
            one, other = tree.query(shapely.box(*sides[some].T))
            here, there = some[one], block[other]
            shared = _shared(sides[here], sides[there])
            for tile, partner in ((here, there), (there, here)):
                percent = 100.0 * shared / _area(sides[tile])
                np.fmax.at(scores, tile, percent.astype(np.float32))
                much = (percent >= SPLIT_OVERLAP.least) & (tile != partner)
                order = np.argsort(-percent[much], kind="stable")
                partners.append(np.stack((tile[much], partner[much]), axis=1)[order])

    def note(place: int) -> str:
        there, here = ("held out", "trains") if trains[place] else ("training", "is held out")
        return f"it {here}, and {scores[place]:.0f} % of it lie in {PARTNER}, which is {there}"

    scores[trains & held_out] = 0.0  # it overlaps itself: `split_leak` says so
    return Found(scores, note, np.concatenate(partners).astype(np.int32) if partners else np.zeros((0, 2), np.int32))


def _meets(sides: NDArray[np.float64], bounds: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    west, south, east, north = bounds
    return (sides[:, 0] < east) & (sides[:, 2] > west) & (sides[:, 1] < north) & (sides[:, 3] > south)


def _area(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    area: NDArray[np.float64] = (sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1])
    return area


def _shared(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    return _area(np.concatenate((low, np.maximum(low, high)), axis=1))


# --- classes


def _class_shares(inquiry: Inquiry) -> Found | None:
    """The Hellinger distance between the class shares of a tile and those of the whole dataset."""
    total: NDArray[np.float64] = np.zeros(1)
    tiles = 0
    for places, (shares,) in inquiry.remembered.vectors("shares"):
        total = total + _tame(shares).sum(axis=0, dtype=np.float64)
        tiles += len(places)
    if tiles < ENOUGH or total.sum() <= 0:
        return None
    usual = np.sqrt(total / total.sum()).astype(np.float32)
    scores = _nowhere(inquiry)
    for places, (shares,) in inquiry.remembered.vectors("shares"):
        inquiry.go_on()
        scores[places] = np.sqrt(np.clip(1.0 - np.sqrt(_tame(shares)) @ usual, 0, 1))
    return Found(scores, lambda _: "most of it are classes that hardly any other tile has", _NO_PARTNERS)


def _class_looks(inquiry: Inquiry) -> Found | None:
    """By how much the classes of a tile look more like other classes, or like mixtures with them, than like themselves.

    What a class looks like is a heavy-tailed distribution of each of its looks; the score is a difference of two
    log-likelihoods, the mean of the looks: a naive Bayes classifier, as in `_Looks`.
    """
    known = _sample_of_looks(inquiry)
    if known is None:
        return None
    sampled, sample, shares = known
    usual, groups = _Looks.of(sample, shares), inquiry.group_numbers
    sizes = np.bincount(groups[sampled])
    largest = np.argsort(-sizes, kind="stable")[:_MOST_GROUPS]
    of_group = {
        group: usual.within(sample[mine], shares[mine])
        for group in largest[sizes[largest] >= _FEWEST_TILES].tolist()
        if np.any(mine := groups[sampled] == group) and not np.all(mine)
    }
    scores = _nowhere(inquiry)
    parts: list[tuple[Places, NDArray[np.int16]]] = []
    for places, (seen, covered) in inquiry.remembered.vectors("looks", "shares"):
        for start in range(0, len(places), _AT_ONCE):
            inquiry.go_on()
            part = slice(start, start + _AT_ONCE)
            values, share = _derived(_sane(seen[part]).reshape(-1, *sample.shape[1:])), _tame(covered[part])
            group = groups[places[part]]
            others = ~np.isin(group, list(of_group))
            for looks, mine in ((usual, others), *((looks, group == number) for number, looks in of_group.items())):
                here = np.flatnonzero(mine)
                if here.size:
                    tiles = places[part][here]
                    found = looks.judged(values[here], share[here])
                    scores[tiles] = found.score
                    parts.append((tiles, np.stack((found.own, found.other, found.mixed), axis=1).astype(np.int16)))
    return Found(scores, _Confused(parts, inquiry.classes), _NO_PARTNERS)


def _tame(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(np.nan_to_num(shares), 0, 1)


def _sane(looks: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.abs(looks) < _LARGEST, looks, np.float32(np.nan))


def _sample_of_looks(inquiry: Inquiry) -> tuple[Places, NDArray[np.float32], NDArray[np.float32]] | None:
    """Places of tiles all over the dataset, (tiles, classes, looks), and (tiles, classes) shares; None of too few tiles."""
    places: list[Places] = []
    parts: list[NDArray[np.float32]] = []
    covered: list[NDArray[np.float32]] = []
    every = max(1, len(inquiry.remembered) // SAMPLE)
    for some, (seen, shares) in inquiry.remembered.vectors("looks", "shares"):
        places.append(some[::every])
        parts.append(seen[::every])
        covered.append(_tame(shares[::every]))
    if sum(map(len, parts)) < ENOUGH:
        return None
    looks, together = _sane(np.concatenate(parts)), np.concatenate(covered)
    classes = together.shape[1]
    if not classes or looks.shape[1] != classes * len(LOOKS):
        return None
    return np.concatenate(places), looks.reshape(len(looks), classes, len(LOOKS)), together


def _derived(looks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Looks as they tell classes apart, from `LOOKS`.

    Brightness, two differences of colours, spread and height on scales on which twice as much is as far everywhere, thinness.
    """
    red, green, blue, spread, height, thinness = np.moveaxis(looks, -1, 0)
    known = np.isfinite(looks[..., :3])
    count = np.count_nonzero(known, axis=-1)
    total = np.where(known, looks[..., :3], 0).sum(axis=-1)
    bright = np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))
    with np.errstate(over="ignore", invalid="ignore"):
        parts = (bright, red - green, blue - (red + green) / 2, np.log(spread + _SMOOTH), np.arcsinh(height), thinness)
        return np.stack(parts, axis=-1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Verdict:
    """Of some tiles: the score, the class that does not look like itself, the one it looks like, whether mixed with it."""

    score: NDArray[np.float32]
    own: NDArray[np.intp]
    other: NDArray[np.intp]
    mixed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Looks:
    """What classes look like in a dataset, by `_derived` looks.

    A class that got another one's name may have been alone with it, so that it looks like the other one; or both were there
    and are one now, whose looks are those of a mixture: its brightness spreads by what both spread, and by how far they are
    apart. That the other one is then missing, and how usual that is, counts as well.

    Attributes:
        center, spread: (classes, looks) medians and robust deviations; those of all classes where too few tiles have one.
        known: (classes,) bool, whether they are its own.
        odds: (classes,) log odds that a tile has the class.
        scale: (looks,) deviations of each look over all classes; NaN where too few tiles have it.
    """

    center: NDArray[np.float32]
    spread: NDArray[np.float32]
    known: NDArray[np.bool_]
    odds: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, sample: NDArray[np.float32], shares: NDArray[np.float32]) -> "_Looks":
        """From (tiles, classes, `LOOKS`) and (tiles, classes)."""
        values = _derived(sample)
        _, classes, looks = values.shape
        center, scale = np.full(looks, np.nan, np.float32), np.full(looks, np.nan, np.float32)
        for look in range(looks):
            everywhere = values[:, :, look]
            everywhere = everywhere[np.isfinite(everywhere)]
            if everywhere.size >= ENOUGH:
                low, center[look], high = np.percentile(everywhere.astype(np.float64), (10, 50, 90))
                scale[look] = max((high - low) / _WITHIN_80, 1e-6)
        shape = (classes, looks)
        centers, spreads = np.broadcast_to(center, shape), np.broadcast_to(_VAGUE * scale, shape)
        vague = cls(centers, spreads, np.zeros(classes, bool), np.zeros(classes, np.float32), scale)
        return vague.within(sample, shares)

    def within(self, sample: NDArray[np.float32], shares: NDArray[np.float32]) -> "_Looks":
        """Of a part of the dataset, where enough of its tiles have a class; else as here."""
        values = _derived(sample)
        tiles, classes, _ = values.shape
        center, spread, known = self.center.copy(), self.spread.copy(), self.known.copy()
        for one in range(classes):
            for look in np.flatnonzero(np.isfinite(self.scale)).tolist():
                of_one = values[:, one, look]
                of_one = of_one[np.isfinite(of_one)]
                if of_one.size >= _FEWEST_TILES:
                    whole = float(self.scale[look])
                    median, deviation = center_and_spread(of_one)
                    # Few tiles are from few places: what they look like says less of how others look.
                    pooled = of_one.size * deviation**2 + _PRIOR_TILES * (0.5 * whole) ** 2
                    own = max((pooled / (of_one.size + _PRIOR_TILES)) ** 0.5, _NARROWEST * whole)
                    center[one, look], spread[one, look], known[one] = median, own, True
        there = np.count_nonzero(shares >= _THERE, axis=0)
        odds = np.log((there + 1.0) / (tiles - there + 1.0)).astype(np.float32)
        return _Looks(center, spread, known, odds, self.scale)

    def judged(self, seen: NDArray[np.float32], shares: NDArray[np.float32]) -> _Verdict:
        """Of (tiles, classes, looks) and (tiles, classes)."""
        tiles, classes, _ = seen.shape
        score = np.full(tiles, np.nan, np.float32)
        own, other, mixed = np.zeros(tiles, np.intp), np.zeros(tiles, np.intp), np.zeros(tiles, bool)
        named = np.flatnonzero(self.known).tolist()
        for one in range(classes):
            here = np.flatnonzero((shares[:, one] >= _LARGE / 2) & np.isfinite(seen[:, one]).any(axis=1))
            if not here.size or not named:
                continue
            values = np.ascontiguousarray(seen[here, one].T)  # (looks, tiles), which is twice as fast
            has = np.isfinite(values) & np.isfinite(self.scale)[:, None]
            looks = np.count_nonzero(has, axis=0)
            as_is = _likelihood(values, has, self.center[one], self.spread[one])
            weight = np.where(
                looks >= _FEWEST_LOOKS, np.minimum(shares[here, one] / _LARGE, 1) / np.maximum(looks, 1), 0
            )
            best = np.fmax(score[here], 0)
            for another in named:
                if another == one:
                    continue
                gone = shares[here, another] < _THERE
                odds = np.where(gone, _tamed(self.odds[another] - self.odds[one]), 0)
                gain = _likelihood(values, has, self.center[another], self.spread[another]) - as_is + odds
                better = gain * weight > best
                best[better] = (gain * weight)[better]
                own[here[better]], other[here[better]], mixed[here[better]] = one, another, False
                missing = np.flatnonzero(gone)
                if not self.known[one] or len(named) > _MOST_MIXED or not missing.size:
                    continue
                part, part_has, part_as_is = values[:, missing], has[:, missing], as_is[missing]
                for center, spread in self._mixtures(one, another):
                    gain = _likelihood(part, part_has, center, spread) - part_as_is + _tamed(self.odds[another])
                    gain *= weight[missing]
                    better = gain > best[missing]
                    chosen = missing[better]
                    best[chosen] = gain[better]
                    own[here[chosen]], other[here[chosen]], mixed[here[chosen]] = one, another, True
            score[here] = best
        return _Verdict(score, own, other, mixed)

    def _mixtures(self, one: int, other: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The looks, as (centers, spreads), of a class that is partly another one."""
        spreads = np.exp(self.center[[one, other], _SPREAD]) - _SMOOTH
        apart = self.center[one, _BRIGHT] - self.center[other, _BRIGHT]
        for part in _PARTS:
            center = part * self.center[one] + (1 - part) * self.center[other]
            spread = np.sqrt(part * self.spread[one] ** 2 + (1 - part) * self.spread[other] ** 2)
            within = part * spreads[0] ** 2 + (1 - part) * spreads[1] ** 2
            center[_SPREAD] = np.log(np.sqrt(within + part * (1 - part) * apart**2) + _SMOOTH)
            if part != 0.5:  # a median is that of the larger part
                center[_HEIGHT] = self.center[one if part > 0.5 else other, _HEIGHT]
            else:
                spread[_HEIGHT] = np.hypot(
                    spread[_HEIGHT], (self.center[one, _HEIGHT] - self.center[other, _HEIGHT]) / 3
                )
            yield center.astype(np.float32), spread.astype(np.float32)


def _likelihood(
    values: NDArray[np.float32], has: NDArray[np.bool_], center: NDArray[np.float32], spread: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(tiles,) logarithm of the product of Student's t distributions, up to a constant.

    Of four degrees of freedom, and of those of (looks, tiles) that there are: no look is ever impossible.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.minimum(np.square((values - center[:, None]) * (np.float32(0.5) / spread)[:, None]), _FARTHEST)
        powers = np.prod(np.where(has, 1 + far, np.float32(1)), axis=0)
    widths = np.where(np.isfinite(spread), np.log(spread), np.float32(0)) @ has
    return np.asarray(-2.5 * np.log(powers) - widths, np.float32)


def _tamed(odds: Any) -> Any:
    """Odds alone must not make a suspicion: every dataset has rare classes."""
    return np.clip(odds, -_MOST_ODDS, _MOST_ODDS)


class _Confused:
    """The notes of `_class_looks`.

    Args:
        parts: places of tiles, and (tiles, 3) the class, the one it looks like, whether both are one.
        names: of the classes.
    """

    def __init__(self, parts: Sequence[tuple[Places, NDArray[np.int16]]], names: Sequence[str]) -> None:
        places = np.concatenate([each for each, _ in parts] or [np.zeros(0, np.int32)])
        order = np.argsort(places, kind="stable")
        self._places = places[order]
        self._found = np.concatenate([found for _, found in parts] or [np.zeros((0, 3), np.int16)])[order]
        self._names = names

    def __call__(self, place: int) -> str:
        own, other, mixed = self._found[int(np.searchsorted(self._places, place))].tolist()
        if mixed:
            return f"{self._name(own)} looks as if {self._name(other)} were a part of it"
        return f"{self._name(own)} looks as {self._name(other)} does elsewhere"

    def _name(self, number: int) -> str:
        return f'"{self._names[number]}"' if number < len(self._names) else f"class {number + 1}"


# --- captions


def _caption_duplicate(inquiry: Inquiry) -> Found | None:
    places, captions = inquiry.remembered.hashes("caption")
    if len(places) < ENOUGH:
        return None
    pictures = np.arange(len(inquiry.remembered), dtype=np.uint64)
    with_digest, digests = inquiry.remembered.hashes("digest")
    pictures[with_digest] = digests
    order = np.lexsort((pictures[places], captions))
    caption, picture = captions[order], pictures[places][order]
    new_caption = np.append(True, caption[1:] != caption[:-1])
    new_picture = new_caption | np.append(True, picture[1:] != picture[:-1])
    number = np.cumsum(new_caption) - 1
    counts = np.empty(len(places), np.int64)
    counts[order] = np.bincount(number, new_picture).astype(np.int64)[number]
    in_order = np.sort(counts)
    share = 1.0 - np.searchsorted(in_order, counts, side="left") / len(counts)
    scores = _nowhere(inquiry)
    scores[places] = np.where(counts > 1, -np.log10(share), 0.0)
    on_pictures = np.zeros(len(scores), np.int64)
    on_pictures[places] = counts
    return Found(
        scores,
        lambda place: (
            f"the same caption as {on_pictures[place] - 1:,} other pictures"
            if on_pictures[place] > 2
            else "the same caption as another picture"
        ),
        _NO_PARTNERS,
    )


def _alike(inquiry: Inquiry) -> NDArray[np.float64] | None:
    """How alike caption and image are: computed here where that was done for enough tiles, else as the dataset says.

    Never of both: two models have different scales.
    """
    told, computed = inquiry.remembered.fact("similarity"), inquiry.remembered.scored("similarity")
    if computed is None:
        return told
    known = 0 if told is None else np.count_nonzero(np.isfinite(told))
    return computed if np.count_nonzero(np.isfinite(computed)) >= max(known / 2, 1) else told


def _caption_mismatch(inquiry: Inquiry) -> Found | None:
    alike = _alike(inquiry)
    if alike is None:
        return None
    alike = np.where(np.abs(alike) < _LARGEST, alike, np.nan)
    known = alike[np.isfinite(alike)]
    if known.size < ENOUGH:
        return None
    median, deviation = center_and_spread(thinned(known))
    if deviation <= 0:
        return None
    scores = np.maximum((median - alike) / deviation, 0.0).astype(np.float32)
    return Found(
        scores,
        lambda place: f"caption and image are {alike[place]:.2f} alike by CLIP, where {median:.2f} is usual",
        _NO_PARTNERS,
    )


# --- colours


def _odd_colours(inquiry: Inquiry) -> Found | None:
    """Whether one change would make the colours of a tile's pictures usual in its group, see `core.checks.colours`."""
    every = max(1, len(inquiry.remembered) // _MANY)
    sampled = [(places[::every], _toned(seen[::every])) for places, (seen,) in inquiry.remembered.vectors("tones")]
    if not sampled or sampled[0][1].shape[1] % TONES:
        return None
    places, sample = (np.concatenate(each) for each in zip(*sampled, strict=True))
    pictures = sample.shape[1] // TONES
    usual = [_usual_colours(inquiry, places, sample[:, _of_picture(k)]) for k in range(pictures)]
    scores = _nowhere(inquiry)
    kinds, amounts = np.zeros(len(scores), np.int8), np.zeros(len(scores), np.float32)
    for places, (seen,) in inquiry.remembered.vectors("tones"):
        inquiry.go_on()
        for group, members in _by_group(inquiry.group_numbers[places]):
            for k, of_group in enumerate(usual):
                known = of_group.get(group)
                values = _toned(seen[members, _of_picture(k)])
                there = np.isfinite(values).all(axis=1)
                if known is None or not there.any():
                    continue
                tiles, verdict = places[members[there]], known.judged(values[there])
                worse = ~(verdict.score <= scores[tiles])
                scores[tiles[worse]] = verdict.score[worse]
                kinds[tiles[worse]], amounts[tiles[worse]] = verdict.kind[worse], verdict.amount[worse]
    return Found(scores, lambda place: words(int(kinds[place]), float(amounts[place])), _NO_PARTNERS)


def _toned(seen: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.abs(seen) <= _BRIGHTEST, seen, np.float32(np.nan))


def _of_picture(number: int) -> slice:
    return slice(number * TONES, (number + 1) * TONES)


def _usual_colours(inquiry: Inquiry, places: Places, seen: NDArray[np.float32]) -> dict[int, Usual]:
    """By number of the group, of those that have enough pictures."""
    known = np.isfinite(seen).all(axis=1)
    if not known.any():
        return {}
    seen = seen[known]
    groups = _by_group(inquiry.group_numbers[places[known]])
    members = {group: seen[mine] for group, mine in groups if len(mine) >= FEWEST}
    if not members:
        return {}
    deviation, correlation = Usual.within(list(members.values()))
    return {group: Usual(mine, deviation, correlation) for group, mine in members.items()}


def _by_group(numbers: NDArray[np.integer]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The number of each group, and where it stands among these, at least one."""
    order = np.argsort(numbers, kind="stable")
    groups, starts = np.unique(numbers[order], return_index=True)
    return zip(groups.tolist(), np.split(order, starts[1:]), strict=True)


# --- files


def _odd_size(inquiry: Inquiry) -> Found | None:
    """How usual that is which a layer of a tile is not."""
    numbers, words = inquiry.remembered.words("shape")
    if not words or len(words) > _MOST_SHAPES:
        return None
    shapes = [dict(_shapes(word)) for word in words]
    layers = list(dict.fromkeys(layer for each in shapes for layer in each))
    groups = inquiry.group_numbers
    known = np.flatnonzero(numbers >= 0)
    scores = _silent(inquiry, known.astype(np.int32))
    worst = np.zeros(len(scores), np.int32)
    usual: dict[tuple[int, int], str] = {}
    for at, layer in enumerate(layers):
        inquiry.go_on()
        names = list(dict.fromkeys(each[layer] for each in shapes if layer in each))
        code = np.array([names.index(each[layer]) if layer in each else -1 for each in shapes], np.int32)
        tiles = known[code[numbers[known]] >= 0]
        mine, group = code[numbers[tiles]], groups[tiles]
        counts = _counts(group, mine, len(names))
        total = counts.sum(axis=1)
        few = total < ENOUGH
        agreed = few[:, None] & (counts >= _AGREED) & (2 * counts > total[:, None])
        counts[few] = counts.sum(axis=0)
        if counts.sum(axis=1).min() < ENOUGH:
            continue
        most = counts.argmax(axis=1)
        share = (100.0 * counts.max(axis=1) / counts.sum(axis=1)).astype(np.float32)
        odd = (mine != most[group]) & ~agreed[group, mine]
        score = np.where(odd, share[group], np.float32(0))
        worse = score > scores[tiles]
        scores[tiles[worse]], worst[tiles[worse]] = score[worse], at
        for number in np.unique(group[worse]).tolist():
            usual[at, number] = names[int(most[number])]

    def note(place: int) -> str:
        layer = layers[int(worst[place])]
        said = shapes[int(numbers[place])].get(layer, "")
        return f"{inquiry.titles.get(layer, layer)} is {said}, where {usual[int(worst[place]), int(groups[place])]} is usual"

    return Found(scores, note, _NO_PARTNERS)


def _shapes(word: str) -> Iterator[tuple[str, str]]:
    for each in word.split(LAYERS_BETWEEN):
        layer, _, shape = each.partition(SHAPE_AFTER)
        yield layer, shape


def _counts(groups: NDArray[np.int32], codes: NDArray[np.int32], width: int) -> NDArray[np.int64]:
    """(groups, codes) how often each code occurs in each group."""
    height = int(groups.max(initial=0)) + 1
    return np.bincount(groups.astype(np.int64) * width + codes, minlength=height * width).reshape(height, width)


# --- all of them


def _nowhere(inquiry: Inquiry) -> NDArray[np.float32]:
    return np.full(len(inquiry.remembered), np.nan, np.float32)


def _silent(inquiry: Inquiry, places: Places) -> NDArray[np.float32]:
    """0 where a check applies, NaN elsewhere."""
    scores = _nowhere(inquiry)
    scores[places] = 0.0
    return scores


def _sides(lists: Sequence[str]) -> tuple[bool, bool]:
    """Whether one of these lists is for training, and whether one is held out; by its name, as `core.splits` has it."""
    words = [set(re.split(r"[^a-z]+", name.lower())) for name in lists]
    trains = [bool(each & TRAINING) for each in words]
    held_out = [bool(each & HELD_OUT) and not training for each, training in zip(words, trains, strict=True)]
    return any(trains), any(held_out)


_NO_PARTNERS: Places = np.zeros((0, 2), np.int32)

DUPLICATE = Check(
    id="duplicate",
    title="Same picture as another tile",
    topic=Topic.DATASET,
    unit="",
    help="How alike the picture and the likest other one are: 1 where all pixels are the same, else the correlation of both, "
    "or of what both show where one lies a little beside the other. The first of the same pictures has 0.002 less: it is the "
    "one to keep. Settled while all others are dropped.",
    tag="other",
    least=SAME,
    why="Pictures of different places correlate by far less than 0.9; copies that were compressed, resized or moved by more.",
    sharpness=32,
)
SPLIT_LEAK = Check(
    id="split_leak",
    title="Picture both in training and held out",
    topic=Topic.DATASET,
    unit="",
    help="How alike the picture is to one on the other side of the split; 1 also where the tile itself is on both sides.",
    tag="other",
    least=SAME,
    why="As for duplicates; what was trained on cannot tell how good a model is.",
    sharpness=32,
)
SPLIT_OVERLAP = Check(
    id="split_overlap",
    title="Place both in training and held out",
    topic=Topic.DATASET,
    unit="%",
    help="How much of the tile's footprint one tile on the other side of the split covers.",
    tag="other",
    least=15.0,
    why="The upright boxes of neighbours that lie askew in degrees share up to a tenth; real overlaps are a quarter or a half.",
    sharpness=4,
)
CLASS_SHARES = Check(
    id="class_shares",
    title="Classes that hardly any other tile has",
    topic=Topic.DATASET,
    unit="",
    help="Hellinger distance of the tile's class shares from those of the whole dataset: 0 the same, 1 nothing in common.",
    tag="wrong-label",
    least=0.95,
    why="At 0.95 all classes of the tile together cover less than 1 % of the dataset.",
    sharpness=32,
)
CLASS_LOOKS = Check(
    id="class_looks",
    title="Classes that look like other classes",
    topic=Topic.DATASET,
    unit="",
    help="By how much it is likelier that a class is another one, or partly, than that it is what it is called: natural "
    "logarithm, a look; by colour, texture, height and shape as classes have them in the dataset, and by who is missing.",
    tag="wrong-label",
    least=1.25,
    spread=8.0,
    most=6.0,
    why="Estimated from the dataset; from 1.25 on another class is 3.5 times as likely by every single look.",
)
ODD_COLOURS = Check(
    id="odd_colours",
    title="Colours or brightness unlike the others",
    topic=Topic.DATASET,
    unit="",
    help="How many standard deviations one change would bring the image nearer to the others of its group, over 1 + the mean "
    "square of those that are left then: two bands exchanged, a gain on one of them, on all, or on the contrast. Of a grey "
    "image among others in colour: half the grey levels that usually lie between bands.",
    tag="other",
    least=1.7,
    spread=8.0,
    most=4.0,
    why="Estimated from the group. Of images of one sensor one in two hundred scores more than 1.4; of those of many sensors "
    "one in fifty does, and the threshold with them.",
)
CAPTION_DUPLICATE = Check(
    id="caption_duplicate",
    title="Caption of many pictures",
    topic=Topic.TEXTS,
    unit="",
    help="How rare it is in the dataset that so many pictures share a caption: minus the decimal logarithm of their share.",
    tag="other",
    least=1.6,
    why="Below it, with more than one tile in forty, captions repeat because the dataset is so.",
    sharpness=4,
)
CAPTION_MISMATCH = Check(
    id="caption_mismatch",
    title="Caption does not fit the image",
    topic=Topic.TEXTS,
    unit="",
    help="How many robust standard deviations CLIP's similarity of caption and image lies below the dataset's median: as "
    "predict computed it with a model that reads, where it did for most tiles, else as the dataset says.",
    tag="other",
    least=4.0,
    why="Of a normal distribution one in thirty thousand lies as low.",
    sharpness=4,
)
ODD_SIZE = Check(
    id="odd_size",
    title="Size, bands or type unlike the others",
    topic=Topic.FILES,
    unit="%",
    help="How many tiles of the group have the size, bands and type that a layer of this tile has not.",
    tag="other",
    least=90.0,
    why="Where one tile in ten differs, the dataset is so.",
    sharpness=32,
)

CHECKS: tuple[Check, ...] = (
    ODD_SIZE,
    DUPLICATE,
    SPLIT_LEAK,
    SPLIT_OVERLAP,
    CLASS_SHARES,
    CLASS_LOOKS,
    ODD_COLOURS,
    CAPTION_DUPLICATE,
    CAPTION_MISMATCH,
)

QUESTIONS: Mapping[str, Callable[[Inquiry], Found | None]] = {
    ODD_SIZE.id: _odd_size,
    DUPLICATE.id: _duplicate,
    SPLIT_LEAK.id: _split_leak,
    SPLIT_OVERLAP.id: _split_overlap,
    CLASS_SHARES.id: _class_shares,
    CLASS_LOOKS.id: _class_looks,
    ODD_COLOURS.id: _odd_colours,
    CAPTION_DUPLICATE.id: _caption_duplicate,
    CAPTION_MISMATCH.id: _caption_mismatch,
}
"""Check -> what answers it; None where the question makes no sense for the dataset."""
