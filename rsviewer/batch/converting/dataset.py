"""A whole dataset in another layout: its tiles copied, linked or written anew, its lists, and what became of each tile.

The lists, the description and the tables come last. Which tiles are meant is a part of the recipe: a folder never holds the
tiles of two choices, so that what was dropped meanwhile is not among them.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

from rsviewer.batch.converting.reading import Reading
from rsviewer.batch.converting.running import (
    Conversion,
    Made,
    Maker,
    Preview,
    check_out,
    look_ahead,
    make_all,
    slim,
    whose,
)
from rsviewer.batch.crew import Crew, Processes
from rsviewer.batch.remarks import Remark
from rsviewer.batch.runner import Progress
from rsviewer.core.errors import LayerError, SaveError
from rsviewer.core.review import Decision
from rsviewer.core.splits import UNDECIDED, ExportOptions, reasons_to_drop
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Missing, Raster, Text, TileId, Unreadable, printable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.address import is_path
from rsviewer.data.content import read_content
from rsviewer.data.conversions import EVERYTHING, LOCK, RECORD, Recipe, converting, look_into
from rsviewer.data.pamfile import beside, pam
from rsviewer.data.raster import read_raster
from rsviewer.data.rasterfile import SIDECARS
from rsviewer.data.relayout.planning import TARGETS, Move, Relayout, TileMoves, TileOfLine, new_lists, plan_relayout
from rsviewer.data.relayout.storing import (
    Link,
    difference,
    png_of,
    text_of,
    tiff_of,
    transfer,
    without_link,
)
from rsviewer.data.saving import PARTIAL, at_once, save

TILES, LEFT_OUT = "tiles.csv", "left-out.csv"
"""What became of each tile: its name before and now; and which are not here, and why."""

MOST_SIZED = 2_000
"""So many files are asked for their size before anything is copied; the others are taken to be like them."""

_BETWEEN = ";"


@dataclass(frozen=True, slots=True)
class DatasetOrder:
    """What `convert_dataset` is to make.

    Attributes:
        out: the folder for the new dataset, outside of the old one.
        to: one of `TARGETS`.
        layers: which layers; all that the layout can hold where there are none.
        link: whether files that are good as they are get copied or linked.
        overwrite: what an earlier conversion of the same tiles left there is replaced.
    """

    out: Path
    to: str
    layers: tuple[LayerId, ...] = ()
    link: Link = Link.COPY
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tile that is not in the new dataset, and why."""

    tile: TileId
    group: str
    reasons: tuple[str, ...]
    decision: Decision = UNDECIDED


@dataclass(frozen=True, slots=True)
class DatasetPreview(Preview):
    """What `convert_dataset` would do.

    Attributes:
        files: that it would write, but for lists and tables.
        copied: of these, that are copied or linked as they are.
        size: bytes of those together.
        is_exact: whether all of them were asked for their size.
        anew: "land cover: it is one band of its file" -> how many files are written anew for that.
        lists: paths of the lists under the folder.
        notes: what is different in the new dataset.
    """

    files: int = 0
    copied: int = 0
    size: int = 0
    is_exact: bool = True
    anew: Mapping[str, int] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def sort_out(
    entries: Iterable[TileEntry], decisions: Mapping[TileId, Decision], options: ExportOptions | None
) -> tuple[list[TileEntry], list[LeftOut]]:
    """The tiles that are wanted, and those that are not.

    Args:
        entries: all that are meant.
        decisions: what was decided on them.
        options: what is left out besides the dropped; None keeps the dropped, too.
    """
    kept: list[TileEntry] = []
    left: list[LeftOut] = []
    for entry in entries:
        decision = decisions.get(entry.id, UNDECIDED)
        reasons = () if options is None else reasons_to_drop(decision, options)
        if reasons:
            left.append(LeftOut(entry.id, entry.group, tuple(map(str, reasons)), decision))
        else:
            kept.append(entry)
    return kept, left


def convert_dataset(
    dataset: Dataset,
    entries: Sequence[TileEntry],
    order: DatasetOrder,
    *,
    tile_of_line: TileOfLine | None = None,
    left_out: Sequence[LeftOut] = (),
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Writes a dataset in another layout. Nothing of the old one is changed.

    Args:
        dataset: which.
        entries: the tiles that are wanted.
        order: what to make of them.
        tile_of_line: see `DatasetAdapter.tile_of_line`, for lists in their own order.
        left_out: tiles that are not wanted, for the table of them.
        crew: does it; None for a process on every core.
        progress: see `make_all`.

    Raises:
        LayerError: the layout cannot hold it, see `check_order` and `plan_relayout`.
        SaveError: the folder cannot be used, see `data.conversions`, or there is no room for any further file.
    """
    plan, maker, recipe = _plan(dataset, entries, order)
    with converting(order.out, recipe, (), overwrite=order.overwrite) as begun:
        done = make_all(maker, plan.tiles, begun, crew or Processes(), progress)
        if done.written or done.skipped:
            failed = {failure.tile: failure.message for failure in done.failed}
            left = [*left_out, *_not_made(entries, plan, failed)]
            for path, content in _papers(dataset, entries, plan, tile_of_line, failed, left).items():
                _save(order.out / path, content)
    remarks = (*_remarks(dataset, entries, plan), *done.remarks)
    return replace(done, remarks=remarks, left_out=tuple(each.tile for each in left_out))


def preview_dataset(
    dataset: Dataset,
    entries: Sequence[TileEntry],
    order: DatasetOrder,
    *,
    tile_of_line: TileOfLine | None = None,
    left_out: Sequence[LeftOut] = (),
) -> DatasetPreview:
    """What `convert_dataset` would do. Raises as it does. Writes nothing."""
    plan, maker, recipe = _plan(dataset, entries, order)
    begun = look_into(order.out, recipe, (), overwrite=order.overwrite)
    ahead = look_ahead(maker, plan.tiles, begun, overwrite=order.overwrite)
    moves = [move for tile in plan.tiles for move in tile.moves]
    copied = [move.address for move in moves if not move.why]
    size = sum(_size(dataset, address) for address in copied[:MOST_SIZED])
    anew = Counter(f"{dataset.layer(move.layer).title}: {move.why}" for move in moves if move.why)
    papers = _papers(dataset, entries, plan, tile_of_line, {}, left_out)
    return DatasetPreview(
        ahead.tiles,
        ahead.there,
        ahead.examples,
        tuple(each.tile for each in left_out),
        files=len(moves),
        copied=len(copied),
        size=size * len(copied) // max(1, min(len(copied), MOST_SIZED)),
        is_exact=len(copied) <= MOST_SIZED,
        anew=anew,
        lists=tuple(path for path in papers if path.endswith(".txt")),
        notes=tuple(remark.message for remark in _remarks(dataset, entries, plan)),
    )


def check_order(dataset: Dataset, order: DatasetOrder) -> None:
    """Raises LayerError, which says what there is, where no tile of the dataset could be converted like that."""
    if order.to not in TARGETS:
        raise LayerError(f"{order.to} is none of {', '.join(TARGETS)}.")
    known = [spec.id for spec in dataset.layers]
    unknown = next((layer for layer in order.layers if layer not in known), None)
    if unknown is not None:
        raise LayerError(f"There is no layer {printable(unknown)!r}: choose {', '.join(known)}.")


def _plan(dataset: Dataset, entries: Sequence[TileEntry], order: DatasetOrder) -> tuple[Relayout, "_Copies", Recipe]:
    """What goes where, who puts it there, and the recipe. Raises LayerError and SaveError where it cannot be."""
    check_order(dataset, order)
    _check_apart(order.out, dataset)
    plan = plan_relayout(dataset, entries, TARGETS[order.to], order.layers, order.out)
    specs = {layer: (dataset.layer(layer), new) for layer, new in plan.read_as.items()}
    maker = _Copies(slim(dataset), order, plan.target.title, specs)
    options = {
        **whose(dataset),
        "layout": order.to,
        "choice of layers": sorted(plan.casting.roles),
        "way of linking": str(order.link),
        "choice of tiles": plan.digest,
    }
    _check_folder(order, plan)
    return plan, maker, Recipe("dataset", EVERYTHING, options)


def _check_apart(out: Path, dataset: Dataset) -> None:
    """Raises SaveError where the new dataset would lie in the old one, and be a part of it when that is opened next."""
    check_out(out, dataset)
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(dataset.root)):
        raise SaveError(
            f"{printable(str(out))} lies in the dataset itself. Choose a folder outside of it for the new dataset."
        )


def _check_folder(order: DatasetOrder, plan: Relayout) -> None:
    """Raises SaveError where something there would be written through, or be taken for a tile of the new dataset."""
    if not order.out.is_dir():
        return
    folders = dict.fromkeys(move.path.rpartition("/")[0] for tile in plan.tiles for move in tile.moves)
    for folder in folders:
        path = order.out
        for part in folder.split("/"):
            path /= part
            if path.is_symlink():
                raise SaveError(f"{printable(str(path))} is a link to a folder: what it leads to would be written to.")
    if order.overwrite:
        ours = {move.path for tile in plan.tiles for move in tile.moves}
        stems = {path.rpartition(".")[0] for path in ours}
        papers = {TILES, LEFT_OUT, RECORD, LOCK}
        for folder, _, names in os.walk(order.out):
            for name in names:
                found = Path(folder, name).relative_to(order.out).as_posix()
                is_list = name.endswith((".txt", ".toml")) and found.rpartition("/")[0] not in folders
                is_paper = found in papers or is_list or PARTIAL.fullmatch(name)
                if found not in ours and not is_paper and not _is_beside(found, ours, stems):
                    raise SaveError(
                        f"{printable(str(order.out / found))} is not of this conversion and would be taken for a part of "
                        "the new dataset. Delete the folder first, or choose another one."
                    )


def _is_beside(path: str, files: set[str], stems: set[str]) -> bool:
    """Whether a file is one of those beside a raster that change its meaning."""
    return any(
        path.endswith(end) and path.removesuffix(end) in (files if pattern.startswith("{0}") else stems)
        for pattern in SIDECARS
        for end in [pattern[3:]]
    )


@dataclass(frozen=True, slots=True)
class _Copies(Maker[TileMoves]):
    """See `Maker`."""

    dataset: Dataset
    order: DatasetOrder
    title: str
    specs: Mapping[LayerId, tuple[LayerSpec, LayerSpec]]

    def name(self, item: TileMoves) -> TileId:
        return item.id

    def targets(self, item: TileMoves) -> Sequence[Path]:
        return [self.order.out / move.path for move in item.moves]

    def make(self, item: TileMoves) -> Made:
        try:
            return self._made(item)
        except BaseException:
            for target in self.targets(item):  # a tile is whole or not there
                with suppress(OSError):
                    target.unlink(missing_ok=True)
            raise

    def _made(self, item: TileMoves) -> Made:
        read = Reading(TileEntry(item.id, {move.layer: move.address for move in item.moves}), self.dataset)
        made = {move.layer: self._content(move, read) for move in item.moves if not self._is_good(move, read)}
        is_copied = not made and self.order.link is Link.COPY
        with nullcontext() if is_copied else at_once():  # links are there at once, and what is made anew is looked at
            return self._put(item, made)

    def _put(self, item: TileMoves, made: Mapping[LayerId, tuple[bytes, Raster | None]]) -> Made:
        remarks: list[str] = []
        for move in item.moves:
            spec, new = self.specs[move.layer]
            target = self.order.out / move.path
            if move.layer not in made:
                remarks += transfer(move.address, target, self.dataset.tree, self.order.link)
                continue
            content, raster = made[move.layer]
            _save(target, content)
            remarks.append(f"{spec.title} was written anew: {move.why}.")
            if raster is not None:
                if target.suffix == ".png" and (raster.crs or raster.transform is not None):
                    _save(beside(target), pam(raster.transform, raster.crs))
                clause = difference(raster, read_raster(target, new))
                remarks += [f"{spec.title}: {clause}." if clause else ""]
        return Made(tuple(dict.fromkeys(filter(None, remarks))))

    def _is_good(self, move: Move, read: Reading) -> bool:
        """Whether a file can be copied as it is. Where only its values tell, one that cannot be read is: people must see it."""
        if not move.in_doubt:
            return not move.why
        spec, new = self.specs[move.layer]
        before = read.content(spec)
        after = read_content(move.address, new, self.dataset.tree)
        return not isinstance(before, Raster) or not difference(before, after)

    def _content(self, move: Move, read: Reading) -> tuple[bytes, Raster | None]:
        """A file that is written anew, and the raster that is in it. Raises LayerError and SaveError."""
        spec, new = self.specs[move.layer]
        if spec.kind is LayerKind.TEXT:
            content = read.content(spec)
            if isinstance(content, Missing | Unreadable):
                raise LayerError(f"{spec.title}: {content.reason}")
            if not isinstance(content, Text):
                raise LayerError(f"{spec.title} holds no text.")
            return text_of(content), None
        raster = read.whole(spec)
        if move.path.endswith(".png"):
            return png_of(raster, spec.title), raster
        return tiff_of(raster, replace(new, classes=new.classes or spec.classes)), raster


def _save(path: Path, content: bytes) -> None:
    without_link(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{printable(str(path.parent))} cannot be made ({error.strerror or error}).") from error
    save(path, content, overwrite=True)


def _not_made(entries: Iterable[TileEntry], plan: Relayout, failed: Mapping[TileId, str]) -> list[LeftOut]:
    empty = set(plan.empty)
    rows = []
    for entry in entries:
        why = failed.get(entry.id) or ("it has none of the layers" if entry.id in empty else "")
        rows += [LeftOut(entry.id, entry.group, (why,))] if why else []
    return rows


def _papers(
    dataset: Dataset,
    entries: Sequence[TileEntry],
    plan: Relayout,
    tile_of_line: TileOfLine | None,
    failed: Mapping[TileId, str],
    left: Sequence[LeftOut],
) -> dict[str, bytes]:
    """The lists, the description and the tables, by their paths."""
    files = {tile.id: {move.layer: move.path for move in tile.moves} for tile in plan.tiles if tile.id not in failed}
    here = [entry for entry in entries if entry.id in files]
    lists = plan.target.lists(new_lists(dataset, here, tile_of_line), plan.names, files)
    papers = dict(lists)
    papers |= plan.target.described(dataset, plan.casting, has_groups=plan.has_groups, has_lists=bool(lists))
    facts = [fact.name for fact in dataset.facts]
    papers[TILES] = _table(
        ("tile", "name", "group", "splits", *facts),
        (
            (
                entry.id,
                plan.names[entry.id].id,
                entry.group,
                _BETWEEN.join(entry.splits),
                *(entry.facts.get(fact) for fact in facts),
            )
            for entry in here
        ),
    )
    papers[LEFT_OUT] = _table(
        ("tile", "group", "why", "tags", "note"),
        (
            (
                each.tile,
                each.group,
                _BETWEEN.join(each.reasons),
                _BETWEEN.join(sorted(each.decision.anomalies)),
                each.decision.note,
            )
            for each in left
        ),
    )
    return papers


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _remarks(dataset: Dataset, entries: Sequence[TileEntry], plan: Relayout) -> list[Remark]:
    """What is different in the new dataset."""
    if not entries:
        return []
    remarks = []
    for spec in dataset.layers:
        why = plan.casting.left.get(spec.title)
        having = [entry.id for entry in entries if spec.id in entry.files and spec.id not in plan.casting.roles]
        if why and having:
            message = f"{spec.title} is left out, for {plan.target.title} cannot hold it: {why}."
            remarks.append(Remark(message, len(having), having[0]))
    if plan.tiles:
        remarks += [Remark(note, len(plan.tiles), plan.tiles[0].id) for note in plan.notes]
    here = [entry for entry in entries if entry.id in plan.names]
    renamed = [entry.id for entry in here if plan.names[entry.id].id != entry.id]
    several = [entry.id for entry in here if len(entry.shots) > 1]
    rivals = [entry.id for entry in here if entry.duplicates]
    said = (
        (renamed, f"Its name there is another one ({plan.names[renamed[0]].id}), see {TILES}." if renamed else ""),
        (several, "Of its images over time the one that is shown was taken."),
        (rivals, "Further files of its name were left behind."),
        (plan.empty, "It has none of the layers and is left out."),
    )
    remarks += [Remark(message, len(tiles), tiles[0]) for tiles, message in said if tiles]
    return remarks


def _size(dataset: Dataset, address: str) -> int:
    """Bytes of a file; 0 where nobody knows."""
    try:
        return dataset.tree.stamp(address)[1] if is_path(address) else 0
    except OSError:
        return 0
