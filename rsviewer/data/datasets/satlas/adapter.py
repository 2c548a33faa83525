"""The adapter of SatlasPretrain. Images are listed sensor by sensor, label folders when their tile's turn comes."""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.rows import Rows
from rsviewer.core.splits import ListForm, SplitList
from rsviewer.core.tile import LayerId, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, Shot, TileEntry, moment_of
from rsviewer.data.address import Window, of_bands, of_part
from rsviewer.data.catalogue import names_in, natural, place_name, tile_name, without_suffix
from rsviewer.data.datasets.satlas import facts
from rsviewer.data.datasets.satlas.facts import SENSORS
from rsviewer.data.datasets.satlas.images import (
    Keys,
    Pictures,
    gather,
    key_of,
    keys_among,
    keys_at,
    label_keys,
    name_of,
    place_on_earth,
    read_good,
    read_times,
    seconds_of,
)
from rsviewer.data.datasets.satlas.preview import FEW, Preview
from rsviewer.data.lists import is_split_name, read_split_list
from rsviewer.data.looking import Look, look, peek, problem_with
from rsviewer.data.tree import DISK, Tree

_SMALL = "_small"
_STATIC, _DYNAMIC, _IMAGES, _NAIP = "static", "dynamic", "images", "naip"
_METADATA, _TIMES = "metadata", "image_times.json"
_GOOD = {facts.LABEL_ZOOM: "good_images_lowres_all.json", facts.NAIP_ZOOM: "good_images_highres_all.json"}
_NO_LISTS = re.compile(r"good_images|image_times")

_PEEKED_IMAGES = 20
_NAMED = 3
_CHUNK = 4096
_AT_ONCE = 16  # tiles of the first page whose images are looked up together
_SECONDS = 1.0
_SMALL_METADATA = 4 << 20
_EVENT_BYTES = 4 << 20
_IMAGE_NAME = re.compile(rb'"ImageName"\s*:\s*"([^"\\]{1,300})"')
_SPAN = re.compile(rb'"(Start|End)"\s*:\s*"([^"\\]{1,60})"')
_LIST_HEAD = re.compile(r"\s*(\[\s*(\]|\[\s*\d+\s*,\s*\d+)|\{\s*(\}|\"[^\"]*\"\s*:\s*\[))")
_GOOD_HEAD = re.compile(r"\s*\[\s*(\]|\[\s*\d+\s*,\s*\d+\s*,\s*\")")
_TIMES_HEAD = re.compile(r"\s*\{\s*(\}|\"[^\"]*\"\s*:\s*\")")
_ROW = re.compile(rb'[\["]\s{0,20}(\d{1,6})(?:\s{0,20},\s{0,20}|_)(\d{1,6})(?=[\s\],_"])')
_LINE = re.compile(r"(\d{1,6}_\d{1,6})(?:_|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies under a root.

    Attributes:
        sensors: those with a folder -> their folders.
        labels: "static", "dynamic" -> their folder.
        metadata: folder; empty where there is none.
        lists: the split lists.
    """

    sensors: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    metadata: str = ""
    lists: tuple[SplitList, ...] = ()


class SatlasAdapter:
    """SatlasPretrain's layout."""

    name = "satlas"
    title = "SatlasPretrain"
    expects = (
        "folders sentinel2/<image>/tci/<col>_<row>.png (or sentinel1, landsat, naip), static/<col>_<row>/vector.json or "
        "dynamic/<col>_<row>/<event>/vector.json"
    )

    def __init__(self, tree: Tree = DISK) -> None:
        """See `DatasetAdapter`."""
        self._tree = tree
        self._root: Path | None = None
        self._found = _Found()

    def recognises(self, root: Path) -> str:
        """See `DatasetAdapter.recognises`: a folder of images or labels whose first names are as they must be."""
        top = look(self._tree, str(root))
        found = [example for name in top.folders if (example := _example(self._tree, top, name))]
        return f"{', '.join(found[:_NAMED])} in {tile_name(root.name)}" if found else ""

    def describe(self, root: Path) -> Dataset:
        """See `DatasetAdapter.describe`."""
        root = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        top = look(self._tree, str(root))
        problems = [top.problem] if top.problem else []
        sensors: dict[str, list[str]] = {}
        for sensor in SENSORS:
            folders = [top.at(name) for name in (sensor.name, sensor.name + _SMALL) if name in top.folders]
            if len(folders) == 2 and _is_same(self._tree, *folders):
                folders.pop()  # the documentation asks for a link from the one to the other
            if folders:
                sensors[sensor.name] = folders
        labels = {name: top.at(name) for name in (_STATIC, _DYNAMIC) if name in top.folders}
        if not sensors and not labels:
            raise DatasetNotFoundError(f"No SatlasPretrain under {place_name(root)}: expected {self.expects}.")
        homes = [*(folder for folders in sensors.values() for folder in folders), *labels.values()]
        problems += filter(None, (problem_with(self._tree, folder) for folder in homes))
        metadata = top.at(_METADATA) if _METADATA in top.folders else ""
        lists = _lists(self._tree, root, metadata, problems) if metadata else {}
        self._root, self._found = root, _Found(sensors, labels, metadata, tuple(lists.values()))
        return Dataset(
            format=self.name,
            title=tile_name(root.name or str(root)),
            root=root,
            layers=_layers(self._tree, self._found),
            lists=tuple(lists.values()),
            folders=(root, *map(Path, homes), *([Path(metadata)] if metadata else []), *lists),
            problems=tuple(problems),
            facts=facts.FACTS,
            tree=self._tree,
        )

    def scan(self, dataset: Dataset) -> Iterator[TileEntry]:
        """See `DatasetAdapter.scan`: static labels, dynamic ones, images without labels, NAIP, tiles only on lists.

        All images at zoom 13 are listed before the first tile is known, for any folder may hold one of it: 450,000 files a
        second from a local disk, a minute for the thirty million of everything. That is what `first_page` is for. The
        metadata of dynamic labels are read, for only they say which image an event is seen on.
        """
        if dataset.root != self._root:
            self.describe(dataset.root)
        return _Scan(dataset.tree, self._found, dataset.layers).entries()

    def first_page(self, dataset: Dataset, most: int) -> list[TileEntry]:
        """See `PreviewingAdapter.first_page`: with the images that names say can be of the tiles, as many as a second allows.

        Neither lists of tiles nor those of usable images are read: the newest image is taken for the best.
        """
        if dataset.root != self._root:
            self.describe(dataset.root)
        return _Scan(dataset.tree, self._found, dataset.layers).first_page(most)

    def tile_of_line(self, split: SplitList, text: str) -> TileId:
        """See `DatasetAdapter.tile_of_line`. Of an event list it is the first event of the label tile."""
        match = _LINE.match(text)
        if match is None:
            return TileId(tile_name(without_suffix(re.split(r"[\\/]", text)[-1])))
        tile = match[1]
        dynamic = self._found.labels.get(_DYNAMIC)
        if dynamic and _is_of_events(split):
            events = _events(self._tree, f"{dynamic}{os.sep}{tile}")
            return TileId(f"{tile}/{tile_name(events[0])}") if events else TileId(tile)
        return TileId(tile)


def _example(tree: Tree, top: Look, name: str) -> str:
    """What in a folder tells that it is one of the format's: "sentinel2/<image>/tci/"; empty where it is none."""
    sensor = next((sensor for sensor in SENSORS if name in (sensor.name, sensor.name + _SMALL)), None)
    if sensor:
        for image in sorted(peek(tree, top.at(name)))[:_PEEKED_IMAGES]:
            if re.fullmatch(sensor.image, image, re.ASCII):
                for band in sensor.bands:
                    files = peek(tree, top.at(name, image, band))
                    files = [file for file in files if key_of(file.removesuffix(".png")) is not None]
                    if files:
                        return f"{name}/<image>/{band}/{files[0]}"
    if name in (_STATIC, _DYNAMIC):
        tiles = sorted(tile for tile in peek(tree, top.at(name)) if key_of(tile) is not None)
        for tile in tiles[:_PEEKED_IMAGES]:
            for event in ("",) if name == _STATIC else peek(tree, top.at(name, tile))[:3]:
                files = [file for file in peek(tree, top.at(name, tile, event)) if file in facts.LABEL_FILES]
                if files:
                    return "/".join(filter(None, (name, tile, event and "<event>", min(files))))
    return ""


def _layers(tree: Tree, found: _Found) -> tuple[LayerSpec, ...]:
    """The layers that tiles may have: images by the bands that the first images have folders for, labels all."""
    images = []
    for sensor in SENSORS:
        seen = {
            band
            for folder in found.sensors.get(sensor.name, ())
            for image in sorted(peek(tree, folder))[:_PEEKED_IMAGES]
            for band in peek(tree, f"{folder}{os.sep}{image}")
        }
        images += [layer.spec for layer in sensor.layers if not seen.isdisjoint(layer.bands)]
    labels: list[LayerSpec] = []
    if _STATIC in found.labels:
        labels += facts.STATIC
    if _DYNAMIC in found.labels:
        labels += [facts.VECTOR] * (not labels) + [*facts.DYNAMIC]
    return (*images, *labels, *(facts.LEGACY if labels else ()))


def _lists(tree: Tree, root: Path, metadata: str, problems: list[str]) -> dict[Path, SplitList]:
    """The lists of tiles in the metadata folder. What has an unexpected shape is a problem."""
    folder = look(tree, metadata)
    problems += [folder.problem] if folder.problem else []
    lists: dict[Path, SplitList] = {}
    for name in sorted((name for name in folder.files if name.lower().endswith(".json")), key=natural):
        path = Path(folder.at(name))
        try:
            head = tree.read(str(path), 4096).decode("utf-8-sig", "replace")
            if name == _TIMES or name in _GOOD.values():
                expected = _TIMES_HEAD if name == _TIMES else _GOOD_HEAD
                if not expected.match(head):
                    what = "image names with times" if name == _TIMES else 'rows of [column, row, "image name"]'
                    problems.append(f"{tile_name(name)} does not begin with {what}: nothing is taken from it.")
            elif is_split_name(path.stem) and not _NO_LISTS.search(name):
                if _LIST_HEAD.match(head):
                    lists[path] = read_split_list(tree, path, root, "", form=ListForm.JSON)
                else:
                    problems.append(f"The list {tile_name(name)} does not begin with rows of [column, row]: left out.")
        except OSError as error:
            problems.append(f"The list {place_name(path)} cannot be read: {error.strerror}.")
    return lists


def _is_same(tree: Tree, one: str, other: str) -> bool:
    """Whether two folders are one, as far as names tell."""
    try:
        return tree.stamp(one) == tree.stamp(other) and sorted(peek(tree, one)) == sorted(peek(tree, other))
    except OSError:
        return False


def _is_of_events(split: SplitList) -> bool:
    return "event" in split.name.split("_")


def _is_of_naip(split: SplitList) -> bool:
    """Lists that do not say so are of both."""
    return not {"event", "lowres"} & set(split.name.split("_"))


def _events(tree: Tree, folder: str) -> list[str]:
    return sorted((name for name in names_in(tree, folder) if not name.startswith(".")), key=natural)


@dataclass(frozen=True, slots=True)
class _Event:
    """Dynamic labels of a label tile."""

    name: str
    files: dict[LayerId, str]
    image: str
    start: float
    end: float


class _Membership:
    """The lists that tiles are on."""

    def __init__(self, lists: Iterable[SplitList]) -> None:
        self._lists = [(split.name, _keys_of(split)) for split in lists]
        every = [keys for _, keys in self._lists]
        self.keys: Keys = np.unique(np.concatenate(every)) if every else np.zeros(0, np.int64)

    def names(self, keys: Keys) -> list[tuple[str, ...]]:
        """For each tile the names of its lists."""
        numbers = np.zeros(len(keys), np.int64)
        for place, (_, members) in enumerate(self._lists[:62]):
            numbers |= np.isin(keys, members).astype(np.int64) << place
        spelt = {
            number: tuple(name for place, (name, _) in enumerate(self._lists[:62]) if number >> place & 1)
            for number in np.unique(numbers).tolist()
        }
        return [spelt[number] for number in numbers.tolist()]


def _keys_of(split: SplitList) -> Keys:
    """The tiles that a list names. Almost a million rows: first all at once, one by one only where some are odd."""
    if isinstance(split.lines, Rows):
        bounds = split.lines.bounds
        pairs = _ROW.findall(bounds.content.read(0, len(bounds.content)))
        if pairs and len(pairs) == np.count_nonzero(bounds.named):
            columns, rows = np.fromiter(map(int, chain.from_iterable(pairs)), np.int64).reshape(-1, 2).T
            return np.unique(keys_at(columns, rows))
    found = (_LINE.match(line.text) for line in split.lines if line.text)
    keys = (key_of(match[1]) for match in found if match)
    return np.unique(np.fromiter((key for key in keys if key is not None), np.int64))


class _Scan:
    """One walk over a dataset."""

    def __init__(self, tree: Tree, found: _Found, layers: Sequence[LayerSpec]) -> None:
        self._tree = tree
        self._found = found
        self._layers = {spec.id for spec in layers}
        self._naip_events: dict[int, list[_Event]] = {}
        self._of_labels = self._of_events = self._of_naip = _Membership(())
        self._times: dict[str, str] = {}

    def first_page(self, most: int) -> list[TileEntry]:
        """The first tiles, as `entries` begins, with the images that are found quickly; none of a dataset that is small."""
        of_labels, of_naip = (Preview(self._tree, self._found.sensors, zoom, _SECONDS) for zoom in _GOOD)
        if max(of_labels.images, of_naip.images) <= FEW and self._size_of_metadata() <= _SMALL_METADATA:
            return []
        static = self._label_tiles(_STATIC)[:most]
        dynamic = static[:0] if len(static) else self._label_tiles(_DYNAMIC)[:most]
        if len(static):
            page = self._pages(static, of_labels, lambda keys, several: self._plain(keys, several, _STATIC, keys[:0]))
        elif len(dynamic):
            page = self._pages(dynamic, of_labels, self._dynamic)
        elif len(bare := of_labels.some_tiles()[:most]):
            page = self._pages(bare, of_labels, lambda keys, several: self._plain(keys, several, _IMAGES, keys[:0]))
        else:
            page = self._pages(of_naip.some_tiles()[:most], of_naip, self._naip)
        return [
            replace(entry, moment=moment_of(entry.shots[entry.shot])) if entry.shots else entry
            for entry in islice(page, most)
        ]

    def _size_of_metadata(self) -> int:
        folder, size = self._found.metadata, 0
        for name in names_in(self._tree, folder) if folder else ():
            with suppress(OSError):
                size += self._tree.stamp(f"{folder}{os.sep}{name}")[1]
        return size

    def _pages(
        self, keys: Keys, preview: Preview, make: Callable[[Keys, Sequence[Pictures]], Iterable[TileEntry]]
    ) -> Iterator[TileEntry]:
        for start in range(0, len(keys), _AT_ONCE):
            if start and preview.is_over:
                return
            some = keys[start : start + _AT_ONCE]
            yield from make(some, preview.images_of(some))

    def entries(self) -> Iterator[TileEntry]:
        """All tiles."""
        lists = self._found.lists
        self._of_labels = _Membership(split for split in lists if not _is_of_events(split))
        self._of_events = _Membership(split for split in lists if _is_of_events(split))
        self._of_naip = _Membership(split for split in lists if _is_of_naip(split))
        if self._found.metadata:
            self._times = read_times(self._tree, f"{self._found.metadata}{os.sep}{_TIMES}")
        several = self._pictures(facts.LABEL_ZOOM)
        static = self._label_tiles(_STATIC)
        dynamic = self._label_tiles(_DYNAMIC)
        listed = _union(self._of_labels.keys, np.setdiff1d(self._of_events.keys, dynamic))
        seen = _union(*(pictures.keys for pictures in several))
        # A tile with dynamic labels only is its events, unless a list names the tile itself.
        bare = np.setdiff1d(np.setdiff1d(seen, static), np.setdiff1d(dynamic, listed))
        yield from self._plain(static, several, _STATIC, dynamic)
        yield from self._dynamic(dynamic, several)
        yield from self._plain(bare, several, _IMAGES, dynamic)
        of_naip = self._pictures(facts.NAIP_ZOOM)
        yield from self._naip(_union(*(pictures.keys for pictures in of_naip)), of_naip)
        for key, splits in self._with_splits(np.setdiff1d(listed, _union(static, bare)), dynamic):
            yield TileEntry(TileId(name_of(key)), {}, splits=splits, facts=_facts(key, facts.LABEL_ZOOM, 0))

    def _pictures(self, zoom: int) -> list[Pictures]:
        several = [
            gather(self._tree, sensor, self._found.sensors[sensor.name], self._times)
            for sensor in SENSORS
            if sensor.zoom == zoom and sensor.name in self._found.sensors
        ]
        if several and self._found.metadata:
            path = f"{self._found.metadata}{os.sep}{_GOOD[zoom]}"
            for pictures, good in zip(several, read_good(self._tree, path, several), strict=True):
                pictures.mark_good(good)
        return several

    def _label_tiles(self, kind: str) -> Keys:
        folder = self._found.labels.get(kind)
        if not folder:
            return np.zeros(0, np.int64)
        return keys_among(names_in(self._tree, folder))

    def _with_splits(self, keys: Keys, dynamic: Keys) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Label tiles with their lists; those of events count where the tile has no events."""
        of_labels, of_events = self._of_labels.names(keys), self._of_events.names(keys)
        has_events = np.isin(keys, dynamic).tolist()
        for key, names, others, busy in zip(keys.tolist(), of_labels, of_events, has_events, strict=True):
            yield key, names if busy else (*names, *others)

    def _plain(self, keys: Keys, several: Sequence[Pictures], group: str, dynamic: Keys) -> Iterator[TileEntry]:
        """Static labels, or none, with the images of their tile."""
        home = self._found.labels.get(_STATIC, "")
        expected = [spec.id for spec in facts.STATIC] if group == _STATIC else []
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            rows = [pictures.rows_of(chunk) for pictures in several]
            for place, (key, splits) in enumerate(self._with_splits(chunk, dynamic)):
                name = name_of(key)
                seen = _Seen(several, [of_one[place] for of_one in rows], f"{name}.png")
                labels = self._labels(f"{home}{os.sep}{name}") if group == _STATIC else {}
                yield self._entry(TileId(name), seen, seen.best(), labels, group, splits, expected, key)

    def _dynamic(self, keys: Keys, several: Sequence[Pictures]) -> Iterator[TileEntry]:
        home = self._found.labels.get(_DYNAMIC, "")
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            rows = [pictures.rows_of(chunk) for pictures in several]
            for place, (key, splits) in enumerate(zip(chunk.tolist(), self._of_events.names(chunk), strict=True)):
                name = name_of(key)
                for event in self._events_of(f"{home}{os.sep}{name}"):
                    if event.image.startswith("m_"):
                        self._naip_events.setdefault(key, []).append(event)
                    seen = _Seen(several, [of_one[place] for of_one in rows], f"{name}.png")
                    tile = TileId(f"{name}/{tile_name(event.name)}")
                    yield self._entry(tile, seen, seen.of(event), event.files, _DYNAMIC, splits, (), key, event.name)

    def _naip(self, keys: Keys, several: Sequence[Pictures]) -> Iterator[TileEntry]:
        """NAIP tiles with their part of the label tile, and once more with each event seen on a NAIP image."""
        static = self._found.labels.get(_STATIC)
        labelled, labels = -1, dict[LayerId, str]()
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            above = label_keys(chunk, facts.NAIP_ZOOM - facts.LABEL_ZOOM)
            rows = [pictures.rows_of(chunk) for pictures in several]
            known, of_events = self._of_naip.names(above), self._of_events.names(above)
            for place, (key, label_key) in enumerate(zip(chunk.tolist(), above.tolist(), strict=True)):
                name = name_of(key)
                if static and label_key != labelled:
                    labelled, labels = label_key, self._labels(f"{static}{os.sep}{name_of(label_key)}")
                seen = _Seen(several, [of_one[place] for of_one in rows], f"{name}.png")
                expected = [spec.id for spec in facts.STATIC] if static else []
                yield self._entry(
                    TileId(f"{_NAIP}/{name}"), seen, seen.best(), _cut(labels, name), _NAIP, known[place], expected, key
                )
                for event in self._naip_events.get(label_key, ()):
                    if seen.has(event.image):
                        tile = TileId(f"{_NAIP}/{name}/{tile_name(event.name)}")
                        files = _cut(event.files, name)
                        splits = of_events[place]
                        yield self._entry(tile, seen, seen.of(event), files, _NAIP, splits, (), key, event.name)

    def _labels(self, folder: str) -> dict[LayerId, str]:
        """Layer -> file of a folder of labels."""
        names = set(names_in(self._tree, folder))
        return {layer: f"{folder}{os.sep}{name}" for name, layer in facts.LABEL_FILES.items() if name in names}

    def _events_of(self, folder: str) -> Iterator[_Event]:
        for name in _events(self._tree, folder):
            files = self._labels(f"{folder}{os.sep}{name}")
            if files:
                image, start, end = self._seen_on(files.get(facts.VECTOR.id))
                yield _Event(name, files, image, start, end)

    def _seen_on(self, vector: str | None) -> tuple[str, float, float]:
        """(image, start, end) of the metadata of dynamic labels, as far as they say."""
        if vector is None:
            return "", -math.inf, math.inf
        try:
            raw = self._tree.read(vector, _EVENT_BYTES)
        except OSError:
            return "", -math.inf, math.inf
        image = _IMAGE_NAME.search(raw)
        span = {match[1]: _seconds(match[2]) for match in _SPAN.finditer(raw)}
        start, end = span.get(b"Start"), span.get(b"End")
        return (
            image[1].decode("utf-8", "replace") if image else "",
            -math.inf if start is None else start,
            math.inf if end is None else end,
        )

    def _entry(
        self,
        tile: TileId,
        seen: "_Seen",
        shot: int,
        labels: dict[LayerId, str],
        group: str,
        splits: tuple[str, ...],
        expected: Iterable[LayerId],
        key: int,
        event: str = "",
    ) -> TileEntry:
        files = {layer: address for layer, address in (seen.files(shot) | labels).items() if layer in self._layers}
        awaited = (*seen.layers, *expected)
        return TileEntry(
            tile,
            files,
            group,
            splits,
            tuple(layer for layer in awaited if layer in self._layers and layer not in files),
            facts=_facts(key, facts.NAIP_ZOOM if group == _NAIP else facts.LABEL_ZOOM, len(seen.rows), event),
            shots=seen.shots(),
            shot=shot,
        )


class _Seen:
    """The images of one tile, of all sensors, in the order of time.

    Attributes:
        rows: (sensor, row in its arrays).
        layers: what images of these sensors may be layers of.
    """

    def __init__(self, several: Sequence[Pictures], spans: Sequence[tuple[int, int]], file: str) -> None:
        self._file = file
        self.layers = tuple(layer.spec.id for pictures in several for layer in pictures.sensor.layers)
        rows = [(pictures, row) for pictures, span in zip(several, spans, strict=True) for row in range(*span)]
        times = [float(pictures.pictures[pictures.numbers[row]].seconds) for pictures, row in rows]
        order = sorted(range(len(rows)), key=times.__getitem__)
        names = [pictures.pictures[pictures.numbers[row]].name for pictures, row in rows]
        if len(set(names)) < len(names):  # one image in both the full folder and the small one
            named = {(rows[place][0].sensor.name, names[place]): place for place in reversed(order)}
            order = [place for place in order if named[rows[place][0].sensor.name, names[place]] == place]
        self.rows = [rows[place] for place in order]
        self._times = [times[place] for place in order]
        self._names = [names[place] for place in order]

    def shots(self) -> tuple[Shot, ...]:
        """See `TileEntry.shots`."""
        return tuple(pictures.shot(row) for pictures, row in self.rows)

    def has(self, image: str) -> bool:
        """Whether there is an image of that name."""
        return image in self._names

    def best(self, start: float = -math.inf, end: float = math.inf) -> int:
        """The newest usable image of the first sensor, of those between two times if there are any.

        Usable is what the dataset calls so, then what it says nothing about, then the rest: many images are black here.
        """

        def worth(place: int) -> tuple[bool, int, int, float]:
            pictures, row = self.rows[place]
            time = self._times[place]
            good = int(pictures.good[row])
            rank = 2 if good > 0 else 1 if good < 0 else 0
            return start <= time <= end, -_ORDER[pictures.sensor.name], rank, time if math.isfinite(time) else -math.inf

        return max(range(len(self.rows)), key=worth, default=0)

    def of(self, event: _Event) -> int:
        """The image that an event is seen on."""
        return self._names.index(event.image) if self.has(event.image) else self.best(event.start, event.end)

    def files(self, shot: int) -> dict[LayerId, str]:
        """Addresses in the image `shot`, and in that of each other sensor which is the nearest in time.

        Bands that any image of the tile has are addressed, whether this one has them or not, for the others are found by
        exchanging the folder's name, see `TileEntry.at`.
        """
        chosen: dict[str, int] = {}
        bands: dict[str, int] = {}
        for place, (pictures, row) in enumerate(self.rows):
            name = pictures.sensor.name
            bands[name] = bands.get(name, 0) | int(pictures.bands[row])
            if name not in chosen or self._apart(place, shot) < self._apart(chosen[name], shot):
                chosen[name] = place
        files: dict[LayerId, str] = {}
        for name in sorted(chosen, key=_ORDER.__getitem__):
            pictures, row = self.rows[chosen[name]]
            folder = pictures.pictures[pictures.numbers[row]].folder
            present = [band for bit, band in enumerate(pictures.sensor.bands) if bands[name] >> bit & 1]
            for layer in pictures.sensor.layers:
                paths = [
                    f"{folder}{os.sep}{band}{os.sep}{self._file}" if band in present else "" for band in layer.bands
                ]
                if any(paths):
                    files[layer.spec.id] = paths[0] if len(paths) == 1 else of_bands(paths)
        return files

    def _apart(self, one: int, other: int) -> float:
        if one == other:
            return -1.0
        apart = abs(self._times[one] - self._times[other])
        return apart if math.isfinite(apart) else math.inf


_ORDER = {sensor.name: place for place, sensor in enumerate(SENSORS)}


def _cut(files: dict[LayerId, str], name: str) -> dict[LayerId, str]:
    """The parts of labels that lie under a NAIP tile."""
    column, row = map(int, name.split("_"))
    window = Window(column % facts.NAIP_PER_SIDE, row % facts.NAIP_PER_SIDE, 1, 1, facts.NAIP_PER_SIDE)
    return {layer: of_part(path, window) for layer, path in files.items()}


def _facts(key: int, zoom: int, images: int, event: str = "") -> dict[str, str | float | None]:
    longitude, latitude = place_on_earth(key, zoom, 0.5, 0.5)
    found: dict[str, str | float | None] = {
        "longitude": round(longitude, 6),
        "latitude": round(latitude, 6),
        "images": float(images),
    }
    return found | {"event": tile_name(event)} if event else found


def _union(*several: Keys) -> Keys:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *several]))


def _seconds(time: bytes) -> float | None:
    return seconds_of(time.decode("utf-8", "replace"))
