"""Filters and orders of the index as SQL: what expressions may use, where its values come from, and how it is asked for.

Every literal is a parameter, every name one of `sources`: no word that a user or a file wrote gets into a query.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rsviewer.core.filters import (
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Call,
    Column,
    ColumnType,
    Compare,
    Contains,
    Field,
    Holds,
    Inside,
    IsIn,
    IsNull,
    Like,
    Literal,
    Minus,
    Not,
    SortKey,
    Value,
)
from rsviewer.core.review import Verdict
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset
from rsviewer.data.indexrows import MEASURED, FileState, as_list, stored

NAME = (
    "CASE WHEN t.grp <> '' AND starts_with(t.tile, t.grp || '/') THEN substr(t.tile, length(t.grp) + 2) ELSE t.tile END"
)
"""SQL for the name of a tile without its group."""

# The words of the filter language on the left, those of SQL on the right: nothing else gets into a query.
_FUNCTIONS = {"abs": "abs", "lower": "lower", "upper": "upper", "length": "length"}
_OPERATORS = {op: op for op in ("+", "-", "*", "=", "<", ">", "<=", ">=")} | {"!=": "<>"}
_SQL_TYPES = {ColumnType.NUMBER: "DOUBLE", ColumnType.TEXT: "VARCHAR", ColumnType.BOOL: "BOOLEAN"}
_EMPTY = {
    ColumnType.NUMBER: "{} IS NULL",
    ColumnType.TEXT: "coalesce({}, '') = ''",
    ColumnType.LIST: "len({}) = 0",
}
JOINED = {
    "k": "LEFT JOIN checked AS k ON k.ordinal = t.ordinal",
    "p": "LEFT JOIN places AS p ON p.ordinal = t.ordinal",
    "j": "LEFT JOIN judged AS j ON j.ordinal = t.ordinal",
}
"""Tables of checks, see `indexchecks`, as a query joins them."""
_FLAGGED = "coalesce(r.verdict = 'drop' OR r.tags <> '' OR r.regions > 0, FALSE)"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a column comes from. `sql` never holds a word that a user or a file wrote."""

    column: Column
    sql: str
    reviewed: bool = False
    """True where it needs the review table."""
    order: str = ""
    """What to sort by instead."""
    scored: int | None = None
    """Number of the model whose scores it needs."""
    checked: str = ""
    """Which table of `JOINED` it needs, by its letter."""
    layer: LayerId | None = None
    """The layer that has to be measured first."""
    lower: str = ""
    """The same in small letters, where that is known already."""


def sources(dataset: Dataset, *, in_order: bool) -> dict[str, Source]:
    """Every column of the filter language, by name.

    Args:
        dataset: what it is about.
        in_order: the tiles are in the natural order of their names: sorting by name is sorting by place.
    """
    by_name: dict[str, Source] = {}
    taken = set()
    # Where the odd name of a layer or fact collides with a column of ours, ours stays.
    for source in (*_of_tiles(dataset.layers, in_order=in_order), *_of_layers(dataset.layers), *_of_facts(dataset)):
        if source.column.name.lower() not in taken:
            by_name[source.column.name] = source
            taken.add(source.column.name.lower())
    return by_name


def _of_tiles(layers: Sequence[LayerSpec], *, in_order: bool) -> Iterator[Source]:
    ids = tuple(str(spec.id) for spec in layers)
    verdicts = tuple(str(verdict) for verdict in Verdict)
    text, number, truth, names = ColumnType.TEXT, ColumnType.NUMBER, ColumnType.BOOL, ColumnType.LIST
    unreadable = ", ".join(f"CASE WHEN t.m{k}_state = 'unreadable' THEN {_quoted(i)} END" for k, i in enumerate(ids))
    place = "t.ordinal" if in_order else ""
    yield Source(Column("tile", text, "full name of the tile, with its group"), "t.tile", order=place)
    yield Source(Column("name", text, "name of the tile without its group"), f"({NAME})", order=place)
    yield Source(Column("group", text, "sub-dataset, area or scene"), "t.grp")
    position = Column("position", number, "place in the dataset, from 1")
    yield Source(position, "(t.ordinal + 1)::DOUBLE", order="t.ordinal")
    yield Source(Column("split", names, "lists that name the tile"), as_list("t.splits"))
    yield Source(Column("unlisted", truth, "no list names the tile"), "(t.splits = '')")
    yield Source(Column("missing", names, "layers whose file is missing", ids), as_list("t.missing"))
    yield Source(
        Column("unreadable", names, "layers that could not be read, as far as measured", ids),
        f"list_filter([{unreadable}]::VARCHAR[], lambda x: x IS NOT NULL)",
    )
    yield Source(Column("duplicate", truth, "several files claim to be one layer"), "(t.duplicates <> '')")
    for name, kind, sql, help_text in (
        ("verdict", text, "coalesce(r.verdict, 'undecided')", "good, drop or undecided"),
        ("tag", names, as_list("coalesce(r.tags, '')"), "anomaly tags"),
        ("flagged", truth, _FLAGGED, "dropped, tagged or with a region"),
        ("reviewed", truth, "coalesce(r.verdict <> 'undecided', FALSE)", "a verdict was given"),
        ("regions", number, "coalesce(r.regions, 0)::DOUBLE", "number of marked regions"),
        ("note", text, "coalesce(r.note, '')", "the reviewer's note"),
        ("reviewer", text, "coalesce(r.reviewer, '')", "who decided last"),
        ("time", text, "coalesce(r.time, '')", "when, such as 2026-11-21T09:30:00+01:00"),
    ):
        choices = verdicts if name == "verdict" else ()
        yield Source(Column(name, kind, help_text, choices), sql, reviewed=True)


def _of_layers(layers: Sequence[LayerSpec]) -> Iterator[Source]:
    states = tuple(str(state) for state in FileState)
    image = _image(layers)
    for k, spec in enumerate(layers):
        if spec.kind is LayerKind.TEXT:
            column = Column(spec.id, ColumnType.TEXT, f"{spec.title}, where a table holds it")
            yield Source(column, f"t.c{k}", lower=f"coalesce(t.l{k}, t.c{k})")
        for name, (_, sql_type, help_text) in MEASURED.items():
            is_text = sql_type == "VARCHAR"
            if not is_text and spec.kind in (LayerKind.VECTOR, LayerKind.TEXT):
                continue
            value = f"t.m{k}_{name}" if is_text else f"t.m{k}_{name}::DOUBLE"
            kind = ColumnType.TEXT if is_text else ColumnType.NUMBER
            title = help_text.format(spec.title)
            choices = states if name == "state" else ()
            yield Source(Column(f"{spec.id}_{name}", kind, title, choices), value, layer=spec.id)
            if spec is image and name in ("width", "height"):
                yield Source(Column(name, kind, title), value, layer=spec.id)


def _of_facts(dataset: Dataset) -> Iterator[Source]:
    for k, fact in enumerate(dataset.facts):
        yield Source(Column(fact.name, fact.type, fact.title), f"t.f{k}")


def _image(layers: Sequence[LayerSpec]) -> LayerSpec | None:
    """The layer that stands for the tile: the optical one (the later of two), else the first with pixels."""
    pixels = [spec for spec in layers if spec.kind not in (LayerKind.VECTOR, LayerKind.TEXT)]
    optical = [spec for spec in pixels if spec.kind is LayerKind.OPTICAL]
    later = [spec for spec in optical if spec.date != "pre"]
    return next(iter([*later, *optical, *pixels]), None)


class Query:
    """SQL with parameters made from a filter's tree. Every literal is a parameter, every name one of `sources`."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self.tables = "tiles AS t"
        self.where = "TRUE"
        self.parameters: list[float | str | bool] = []

    def key(self, key: SortKey) -> str:
        """One item of ORDER BY."""
        direction = "DESC" if key.descending else "ASC"
        if isinstance(key.value, Field):
            source = self._sources[key.value.column.name]
            return f"{source.order or source.sql} {direction} NULLS LAST"
        return f"{self.sql(key.value)} {direction} NULLS LAST"

    def sql(self, value: Value) -> str:
        """An SQL expression in parentheses or self-contained. Appends to `parameters` in the order of the text."""
        match value:
            case Literal(content, kind):
                return self._parameter(content, kind)
            case Field(column):
                return self._sources[column.name].sql
            case Call("length", argument) if argument.type is ColumnType.LIST:
                return f"len({self.sql(argument)})::DOUBLE"
            case Call(function, argument):
                cast = "::DOUBLE" if function == "length" else ""
                return f"{_FUNCTIONS[function]}({self.sql(argument)}){cast}"
            case Arithmetic(first, rest):
                text = self.sql(first)
                for op, term in rest:
                    inner = self.sql(term)
                    text += f" / nullif({inner}, 0)" if op == "/" else f" {_OPERATORS[op]} {inner}"
                return f"nullif({text}, 'NaN'::DOUBLE)"
            case Minus(inner_value):
                return f"(-{self.sql(inner_value)})"
            case Compare(op, left, right):
                return f"({self.sql(left)} {_OPERATORS[op]} {self.sql(right)})"
            case Between(inner_value, low, high):
                return f"({self.sql(inner_value)} BETWEEN {self.sql(low)} AND {self.sql(high)})"
            case IsIn(inner_value, items):
                return f"({self.sql(inner_value)} IN ({self._joined(items, ', ')}))"
            case Holds(inner_value, items):
                return f"list_has_any({self.sql(inner_value)}, [{self._joined(items, ', ')}])"
            case Like(inner_value, pattern, ignore_case):
                like = "ILIKE" if ignore_case else "LIKE"
                if inner_value.type is ColumnType.TEXT:
                    return f"({self.sql(inner_value)} {like} {self._parameter(pattern, ColumnType.TEXT)})"
                matching = f"lambda x: x {like} {self._parameter(pattern, ColumnType.TEXT)}"
                return f"(len(list_filter({self.sql(inner_value)}, {matching})) > 0)"
            case Contains(inner_value, part):
                return f"contains({self._lower(inner_value)}, lower({self.sql(part)}))"
            case IsNull(inner_value):
                return f"({_EMPTY[inner_value.type].format(self.sql(inner_value))})"
            case Inside(x, y, corners):
                return self._inside(self._sources[x.name].sql, self._sources[y.name].sql, corners)
            case Not(condition):
                return f"(NOT {self.sql(condition)})"
            case AllOf(conditions):
                return f"({self._joined(conditions, ' AND ')})"
            case AnyOf(conditions):
                return f"({self._joined(conditions, ' OR ')})"

    def _inside(self, x: str, y: str, corners: Sequence[tuple[float, float]]) -> str:
        """Whether a ray to the right crosses an odd number of edges. Most points are outside of the box: asked first."""
        number = partial(self._parameter, kind=ColumnType.NUMBER)
        box = []
        for value, along in ((x, 0), (y, 1)):
            ends = [corner[along] for corner in corners]
            box.append(f"{value} BETWEEN {number(min(ends))} AND {number(max(ends))}")
        crossed = []
        for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
            if y1 != y2:
                between = f"({number(y1)} > {y}) <> ({number(y2)} > {y})"
                edge = f"{number((x2 - x1) / (y2 - y1))} * ({y} - {number(y1)}) + {number(x1)}"
                crossed.append(f"CASE WHEN {between} AND {x} < {edge} THEN 1 ELSE 0 END")
        odd = f"({' + '.join(crossed)}) % 2 = 1" if crossed else "FALSE"
        known = f"{x} IS NOT NULL AND {y} IS NOT NULL"
        return f"(CASE WHEN {known} THEN {' AND '.join(box)} AND {odd} END)"

    def _lower(self, value: Value) -> str:
        known = self._sources[value.column.name].lower if isinstance(value, Field) else ""
        return known or f"lower({self.sql(value)})"

    def _joined(self, values: Sequence[Value], separator: str) -> str:
        return separator.join(map(self.sql, values))

    def _parameter(self, content: float | str | bool, kind: ColumnType) -> str:
        self.parameters.append(stored(content) if isinstance(content, str) else content)
        return f"?::{_SQL_TYPES[kind]}"


def _quoted(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + stored(text).replace("'", "''") + "'"
