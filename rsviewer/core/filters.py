"""The language of the filter and sort fields: text -> a typed tree, or a FilterError that says where and why.

Filters may come from a stranger's project file, so their text never reaches a database: only this tree does, and it can
hold nothing but columns from the list that was given, literals, and the operations below.

    filter     = conditions joined by "and", "or", "not" and parentheses
    condition  = sum (= == != <> < <= > >=) sum  |  sum [not] in (sum, ...)  |  sum [not] between sum and sum
               | sum [not] like TEXT | sum [not] ilike TEXT | sum [not] contains TEXT | sum is [not] null
               | inside(column, column, x1, y1, x2, y2, x3, y3, ...)
               | a column of type list or yes/no alone
    sum        = numbers, 'texts', "texts", columns, + - * /, abs lower upper length, parentheses
    sort       = sum [asc | desc], ...

A list column equals a text where it holds it: ``split = 'train'``. The values of two columns are inside a polygon by the
even-odd rule, of 3 to MAX_CORNERS corners. A value that is not known yet (the tile was not
measured) satisfies neither a condition nor its opposite, as in SQL. Upper and lower case of words and
column names are the same.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from rsviewer.core.errors import FilterError

MAX_TOKENS = 1000
"""Longer texts are refused: nobody types them, and trees made of them could exhaust a stack."""

MAX_DEPTH = 30
"""Parentheses, minus signs and "not" inside each other."""

MAX_CORNERS = 64
"""Of a polygon: every one of them is looked at for every tile."""


class ColumnType(StrEnum):
    """What a value is. The word is the one used in messages."""

    NUMBER = "a number"
    TEXT = "text"
    BOOL = "yes or no"
    LIST = "a list"


@dataclass(frozen=True, slots=True)
class Column:
    """A name that a filter may use.

    Attributes:
        name: as typed; matched without regard to case.
        type: what it holds. BOOL is never unknown; the others may be.
        help: one short sentence for completion lists and the manual.
        choices: all texts it can ever hold; empty where that is open. A filter that asks for another one is refused.
    """

    name: str
    type: ColumnType
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, or true and false."""

    value: float | str | bool
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a column."""

    column: Column

    @property
    def type(self) -> ColumnType:
        """The column's type."""
        return self.column.type


@dataclass(frozen=True, slots=True)
class Call:
    """``function(argument)``, function being one of FUNCTIONS."""

    function: str
    argument: "Value"
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``first op term op term ...`` from left to right; the operators are all of + - or all of * /.

    Something divided by zero is unknown.
    """

    first: "Value"
    rest: tuple[tuple[str, "Value"], ...]
    type: ColumnType = ColumnType.NUMBER


@dataclass(frozen=True, slots=True)
class Minus:
    """``-value``."""

    value: "Value"
    type: ColumnType = ColumnType.NUMBER


@dataclass(frozen=True, slots=True)
class Compare:
    """``left op right`` with op one of = != < <= > >=, both numbers or both texts."""

    op: str
    left: "Value"
    right: "Value"
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class Between:
    """``low <= value and value <= high``."""

    value: "Value"
    low: "Value"
    high: "Value"
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class IsIn:
    """The value equals one of the items, all of one type."""

    value: "Value"
    items: tuple["Value", ...]
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class Holds:
    """The list has at least one of the texts among its elements."""

    value: "Value"
    items: tuple["Value", ...]
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class Like:
    """The text, or at least one element of the list, matches a pattern where % is any text and _ any character."""

    value: "Value"
    pattern: str
    ignore_case: bool
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class Contains:
    """The text has the other one somewhere in it, in either case."""

    value: "Value"
    part: "Value"
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class IsNull:
    """The value is unknown, or an empty text or list."""

    value: "Value"
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class Inside:
    """The point (x, y) lies in a polygon, by the even-odd rule; the last corner is joined to the first."""

    x: Column
    y: Column
    corners: tuple[tuple[float, float], ...]
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold (an unknown one stays unknown)."""

    condition: "Value"
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    conditions: tuple["Value", ...]
    type: ColumnType = ColumnType.BOOL


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple["Value", ...]
    type: ColumnType = ColumnType.BOOL


Value: TypeAlias = (
    Literal
    | Field
    | Call
    | Arithmetic
    | Minus
    | Compare
    | Between
    | IsIn
    | Holds
    | Like
    | Contains
    | IsNull
    | Inside
    | Not
    | AllOf
    | AnyOf
)
"""Any node of the tree. Those of type BOOL are conditions."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of a sort order. Unknown values come last either way."""

    value: Value
    descending: bool = False


FUNCTIONS: dict[str, tuple[tuple[ColumnType, ...], ColumnType]] = {
    "abs": ((ColumnType.NUMBER,), ColumnType.NUMBER),
    "lower": ((ColumnType.TEXT,), ColumnType.TEXT),
    "upper": ((ColumnType.TEXT,), ColumnType.TEXT),
    "length": ((ColumnType.TEXT, ColumnType.LIST), ColumnType.NUMBER),
}
"""Function -> what it takes, what it gives."""

INSIDE = "inside"
"""The condition that is written like a function, see `Inside`."""

KEYWORDS = frozenset(
    ["and", "or", "not", "in", "between", "like", "ilike", "contains", "is", "null", "true", "false", "asc", "desc"]
)


def parse_filter(text: str, columns: Iterable[Column]) -> Value | None:
    """The condition that `text` states; None where it is blank. Raises FilterError."""
    parser = _Parser(text, columns)
    if parser.at_end:
        return None
    condition = parser.condition()
    parser.expect_end("'and' or 'or'")
    return condition


def parse_sort(text: str, columns: Iterable[Column]) -> tuple[SortKey, ...]:
    """The sort keys that `text` names, most important first; none where it is blank. Raises FilterError."""
    parser = _Parser(text, columns)
    if parser.at_end:
        return ()
    keys = [parser.sort_key()]
    while parser.take(","):
        keys.append(parser.sort_key())
    parser.expect_end("a comma, 'asc' or 'desc'")
    return tuple(keys)


def quoted(text: str) -> str:
    """A text as it is written in a filter."""
    return "'" + text.replace("'", "''") + "'"


def inside(x: str, y: str, corners: Iterable[tuple[float, float]]) -> str:
    """The condition that two columns lie in a polygon, as it is written in a filter."""
    return f"{INSIDE}({x}, {y}, {', '.join(f'{number:.9g}' for corner in corners for number in corner)})"


def columns_of(value: Value) -> set[str]:
    """Names of the columns that `value` uses, as their Column spells them."""
    match value:
        case Literal():
            return set()
        case Field(column):
            return {column.name}
        case Inside(x, y):
            return {x.name, y.name}
        case Call(_, inner) | Minus(inner) | IsNull(inner) | Not(inner) | Like(inner):
            parts: Sequence[Value] = (inner,)
        case Arithmetic(first, rest):
            parts = (first, *(term for _, term in rest))
        case Compare(_, left, right) | Contains(left, right):
            parts = (left, right)
        case Between(inner, low, high):
            parts = (inner, low, high)
        case IsIn(inner, items) | Holds(inner, items):
            parts = (inner, *items)
        case AllOf(conditions) | AnyOf(conditions):
            parts = conditions
    return set().union(*map(columns_of, parts))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "number", "text", "name", "sign", "end"
    text: str  # a name in lower case, a text without its quotes
    at: int  # position, counted from 1
    raw: str = ""  # as typed

    def describe(self) -> str:
        if self.kind == "end":
            return "the end"
        return self.raw if self.kind == "text" else f"'{self.raw}'"


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<name>[^\W\d]\w*)
    | (?P<sign><=|>=|<>|!=|==|[=<>≤≥≠(),+*/-])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_SIGNS = {"<>": "!=", "==": "=", "≤": "<=", "≥": ">=", "≠": "!="}
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_NEGATABLE = ("in", "between", "like", "ilike", "contains")
_EXAMPLES = {ColumnType.NUMBER: "{} > 80", ColumnType.TEXT: "{} = 'text'"}


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _not_understood(text, position)
        kind = str(match.lastgroup)
        raw = match[kind]
        value = raw
        if kind == "text":
            value = raw[1:-1].replace(raw[0] * 2, raw[0])
        elif kind == "name":
            value = raw.lower()
        elif kind == "sign":
            value = _SIGNS.get(raw, raw)
        tokens.append(_Token(kind, value, match.start(kind) + 1, raw))
        if kind == "end":
            return tokens
        if len(tokens) > MAX_TOKENS:
            raise FilterError(f"The expression is too long: more than {MAX_TOKENS} words and signs.")
        position = match.end()


def _not_understood(text: str, position: int) -> FilterError:
    position += len(text[position:]) - len(text[position:].lstrip())
    sign = text[position]
    if sign in "'\"":
        return FilterError(f"The text that begins at character {position + 1} has no closing {sign}.")
    if sign in "“”„‘’‚«»":
        return FilterError(f"Write texts in straight quotes, 'like this', not in {sign} (character {position + 1}).")
    shown = sign if sign.isprintable() else f"U+{ord(sign):04X}"
    return FilterError(f"'{shown}' (character {position + 1}) means nothing in an expression.")


class _Parser:
    """Recursive descent, one method a rule; MAX_DEPTH bounds the recursion."""

    def __init__(self, text: str, columns: Iterable[Column]) -> None:
        self._columns = {column.name.lower(): column for column in columns}
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    @property
    def at_end(self) -> bool:
        return self._token.kind == "end"

    def take(self, sign: str) -> bool:
        """Steps over `sign` (or keyword) and says whether it was there."""
        token = self._token
        if token.text == sign and token.kind in ("sign", "name"):
            self._next += 1
            return True
        return False

    def expect_end(self, wanted: str) -> None:
        if not self.at_end:
            raise FilterError(f"Expected {wanted} before {self._token.describe()} (character {self._token.at}).")

    def sort_key(self) -> SortKey:
        at = self._token
        value = self._sum()
        if value.type is ColumnType.LIST:
            raise FilterError(
                f"{at.describe()} (character {at.at}) is a list, which has no order. Try length({at.raw})."
            )
        descending = self.take("desc")
        if not descending:
            self.take("asc")
        return SortKey(value, descending)

    def condition(self) -> Value:
        at = self._token
        return self._truth(self._either(), at)

    # Every rule below gives a value of any type; `_truth` is asked where only a condition will do.

    def _either(self) -> Value:
        return self._joined("or", self._both, AnyOf)

    def _both(self) -> Value:
        return self._joined("and", self._negation, AllOf)

    def _joined(self, word: str, rule: Callable[[], Value], node: Callable[[tuple[Value, ...]], Value]) -> Value:
        at = self._token
        first = rule()
        if not self._is(word):
            return first
        conditions = [self._truth(first, at)]
        while self.take(word):
            at = self._token
            conditions.append(self._truth(rule(), at))
        return node(tuple(conditions))

    def _negation(self) -> Value:
        if not self.take("not"):
            return self._comparison()
        self._enter()
        at = self._token
        condition = Not(self._truth(self._negation(), at))
        self._depth -= 1
        return condition

    def _comparison(self) -> Value:
        at = self._token
        left = self._sum()
        if self._token.kind == "sign" and self._token.text in _COMPARISONS:
            op = self._step().text
            right_at = self._token
            return self._compared(op, left, at, self._sum(), right_at)
        follower = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        negated = self._is("not") and follower.kind == "name" and follower.text in _NEGATABLE
        if negated:
            self._step()
        word = self._token.text if self._token.kind == "name" else ""
        rule = {
            "in": self._is_in,
            "between": self._between,
            "like": self._like,
            "ilike": self._like,
            "contains": self._contains,
            "is": self._is_null,
        }.get(word)
        if rule is None:
            return left
        condition = rule(left, at)
        return Not(condition) if negated else condition

    def _compared(self, op: str, left: Value, left_at: _Token, right: Value, right_at: _Token) -> Value:
        if right.type is ColumnType.LIST and left.type is ColumnType.TEXT and op in ("=", "!="):
            left, left_at, right, right_at = right, right_at, left, left_at
        if left.type is ColumnType.LIST:
            if op not in ("=", "!="):
                raise FilterError(
                    f"{left_at.describe()} (character {left_at.at}) is a list: use =, !=, in or like with it."
                )
            self._must_be(right, right_at, ColumnType.TEXT)
            condition: Value = Holds(left, (_chosen(left, right, right_at),))
            return Not(condition) if op == "!=" else condition
        if left.type is ColumnType.BOOL:
            if op not in ("=", "!=") or right.type is not ColumnType.BOOL:
                raise FilterError(
                    f"{left_at.describe()} (character {left_at.at}) is yes or no: write it alone, or not {left_at.raw}."
                )
            return Compare(op, left, right)
        self._must_be(right, right_at, left.type)
        return Compare(op, _chosen(right, left, left_at), _chosen(left, right, right_at))

    def _is_in(self, value: Value, at: _Token) -> Value:
        self._must_be(value, at, ColumnType.TEXT, ColumnType.NUMBER, ColumnType.LIST)
        wanted = ColumnType.NUMBER if value.type is ColumnType.NUMBER else ColumnType.TEXT
        self._step()
        self._must_take("(", "after in, as in split in ('train', 'test')")
        items = []
        while True:
            item_at = self._token
            item = self._sum()
            self._must_be(item, item_at, wanted)
            items.append(_chosen(value, item, item_at))
            if not self.take(","):
                break
        self._must_take(")", "to close the list after in")
        return Holds(value, tuple(items)) if value.type is ColumnType.LIST else IsIn(value, tuple(items))

    def _between(self, value: Value, at: _Token) -> Value:
        self._must_be(value, at, ColumnType.NUMBER, ColumnType.TEXT)
        self._step()
        low_at = self._token
        low = self._sum()
        self._must_be(low, low_at, value.type)
        self._must_take("and", "between the two ends, as in ndsm_max between 10 and 20")
        high_at = self._token
        high = self._sum()
        self._must_be(high, high_at, value.type)
        return Between(value, low, high)

    def _like(self, value: Value, at: _Token) -> Value:
        self._must_be(value, at, ColumnType.TEXT, ColumnType.LIST)
        word = self._step()
        pattern = self._step()
        if pattern.kind != "text":
            raise FilterError(
                f"Expected a pattern in quotes after {word.raw}, such as '%roof%' (character {pattern.at})."
            )
        return Like(value, pattern.text, word.text == "ilike")

    def _contains(self, value: Value, at: _Token) -> Value:
        self._must_be(value, at, ColumnType.TEXT, ColumnType.LIST)
        self._step()
        part_at = self._token
        part = self._sum()
        self._must_be(part, part_at, ColumnType.TEXT)
        if value.type is ColumnType.LIST:
            return Holds(value, (_chosen(value, part, part_at),))
        return Contains(value, part)

    def _is_null(self, value: Value, at: _Token) -> Value:
        self._must_be(value, at, ColumnType.NUMBER, ColumnType.TEXT, ColumnType.LIST)
        self._step()
        negated = self.take("not")
        self._must_take("null", "after is")
        return Not(IsNull(value)) if negated else IsNull(value)

    def _sum(self) -> Value:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> Value:
        return self._arithmetic(("*", "/"), self._factor)

    def _arithmetic(self, signs: tuple[str, str], rule: Callable[[], Value]) -> Value:
        at = self._token
        first = rule()
        rest: list[tuple[str, Value]] = []
        while self._token.kind == "sign" and self._token.text in signs:
            if not rest:
                self._must_be(first, at, ColumnType.NUMBER)
            op = self._step().text
            at = self._token
            term = rule()
            self._must_be(term, at, ColumnType.NUMBER)
            rest.append((op, term))
        return Arithmetic(first, tuple(rest)) if rest else first

    def _factor(self) -> Value:
        if self.take("+"):
            return self._signed()
        if self.take("-"):
            return Minus(self._signed())
        return self._atom()

    def _signed(self) -> Value:
        self._enter()
        at = self._token
        value = self._factor()
        self._must_be(value, at, ColumnType.NUMBER)
        self._depth -= 1
        return value

    def _atom(self) -> Value:
        token = self._step()
        if token.kind == "number":
            return _number(token)
        if token.kind == "text":
            return Literal(token.text, ColumnType.TEXT)
        if token.kind == "name" and token.text in ("true", "false"):
            return Literal(token.text == "true", ColumnType.BOOL)
        if token.kind == "name" and token.text not in KEYWORDS:
            return self._call(token) if self._is("(") else self._field(token)
        if token.text == "(":
            self._enter()
            value = self._either()
            self._must_take(")", f"to close the one at character {token.at}")
            self._depth -= 1
            return value
        raise FilterError(
            f"Expected a column, a number or a text in quotes, not {token.describe()} (character {token.at})."
        )

    def _field(self, token: _Token) -> Value:
        column = self._columns.get(token.text)
        if column is not None:
            return Field(column)
        near = difflib.get_close_matches(token.text, self._columns, n=3, cutoff=0.6)
        near = near or [name for name in self._columns if name.startswith(f"{token.text}_")][:3]
        names = [self._columns[name].name for name in near]
        hint = f"Did you mean {' or '.join(names)}?" if names else f"If it is a text, put it in quotes: '{token.raw}'."
        raise FilterError(f"There is no column '{token.raw}' (character {token.at}). {hint}")

    def _call(self, token: _Token) -> Value:
        if token.text == INSIDE:
            return self._inside(token)
        if token.text not in FUNCTIONS:
            known = ", ".join(sorted([*FUNCTIONS, INSIDE]))
            raise FilterError(f"There is no function '{token.raw}' (character {token.at}). There are {known}.")
        takes, gives = FUNCTIONS[token.text]
        self._enter()
        self._step()
        at = self._token
        argument = self._sum()
        self._must_be(argument, at, *takes)
        self._must_take(")", f"after the value of {token.raw}")
        self._depth -= 1
        return Call(token.text, argument, gives)

    def _inside(self, token: _Token) -> Value:
        self._step()
        x = self._number_column()
        self._must_take(",", f"between the two columns of {token.raw}")
        y = self._number_column()
        numbers: list[float] = []
        while self.take(","):
            numbers.append(self._plain_number())
        self._must_take(")", f"after the corners of {token.raw}")
        corners = tuple(zip(numbers[::2], numbers[1::2], strict=False))
        if len(numbers) % 2:
            raise FilterError(
                f"The last corner of {token.raw} (character {token.at}) has no y: corners are x1, y1, x2, y2, ..."
            )
        if not 3 <= len(corners) <= MAX_CORNERS:
            raise FilterError(
                f"{token.raw} (character {token.at}) has {len(corners)} corners; a polygon needs 3 to {MAX_CORNERS}: "
                f"{token.raw}(column, column, x1, y1, x2, y2, x3, y3)."
            )
        return Inside(x, y, corners)

    def _number_column(self) -> Column:
        token = self._step()
        if token.kind != "name" or token.text in KEYWORDS:
            raise FilterError(f"Expected a column of numbers, not {token.describe()} (character {token.at}).")
        value = self._field(token)
        self._must_be(value, token, ColumnType.NUMBER)
        return self._columns[token.text]

    def _plain_number(self) -> float:
        sign = -1.0 if self.take("-") else 1.0
        token = self._step()
        if token.kind != "number":
            raise FilterError(f"Expected a number, not {token.describe()} (character {token.at}).")
        return sign * float(_number(token).value)

    def _truth(self, value: Value, at: _Token) -> Value:
        if value.type is ColumnType.BOOL:
            return value
        if value.type is ColumnType.LIST:
            return Not(IsNull(value))
        if at.kind == "name":
            example = _EXAMPLES[value.type].format(at.raw)
            raise FilterError(f"'{at.raw}' (character {at.at}) is {value.type}: compare it, as in {example}.")
        raise FilterError(f"Expected a comparison at character {at.at}, such as ndsm_max > 80 or split = 'train'.")

    def _must_be(self, value: Value, at: _Token, *types: ColumnType) -> None:
        if value.type not in types:
            wanted = " or ".join(types)
            raise FilterError(f"{at.describe()} (character {at.at}) is {value.type}; here {wanted} is needed.")

    def _must_take(self, sign: str, where: str) -> None:
        if not self.take(sign):
            raise FilterError(f"Expected {sign} {where}, not {self._token.describe()} (character {self._token.at}).")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"The expression is nested too deeply (character {self._token.at}).")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _is(self, word: str) -> bool:
        return self._token.text == word and self._token.kind in ("sign", "name")

    def _step(self) -> _Token:
        """The token under the cursor; the cursor moves on, but never past the end."""
        token = self._token
        if token.kind != "end":
            self._next += 1
        return token


def _number(token: _Token) -> Literal:
    value = float(token.text)
    if not math.isfinite(value):
        raise FilterError(f"{token.raw} (character {token.at}) is too large a number.")
    return Literal(value, ColumnType.NUMBER)


def _chosen(asked: Value, answer: Value, at: _Token) -> Value:
    """`answer` as the column `asked` spells it. Raises FilterError where that column can never hold it."""
    if not (isinstance(asked, Field) and asked.column.choices and isinstance(answer, Literal)):
        return answer
    spelled = {choice.lower(): choice for choice in asked.column.choices}
    wanted = str(answer.value).lower()
    if wanted in spelled:
        return Literal(spelled[wanted], ColumnType.TEXT)
    near = difflib.get_close_matches(wanted, spelled, n=1)
    hint = f"Did you mean '{spelled[near[0]]}'?" if near else f"It can be {', '.join(asked.column.choices)}."
    raise FilterError(f"{asked.column.name} is never {at.describe()} (character {at.at}). {hint}")
