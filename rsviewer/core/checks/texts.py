"""Whether a caption says something about its image."""

import re
import unicodedata
from collections.abc import Iterator

from rsviewer.core.checks.check import Check, Sign, Topic
from rsviewer.core.checks.subject import Subject
from rsviewer.core.tile import LayerKind, Text

_LONGEST = 4_000
"""Characters that are looked at."""
_PLACEHOLDERS = frozenset(
    {
        "nan",
        "null",
        "none",
        "na",
        "n a",
        "nil",
        "undefined",
        "unknown",
        "empty",
        "todo",
        "tbd",
        "fixme",
        "test",
        "missing",
    }
    | {
        "no caption",
        "no description",
        "no title",
        "no text",
        "not available",
        "caption",
        "description",
        "title",
        "untitled",
    }
    | {
        "text",
        "string",
        "placeholder",
        "lorem ipsum",
        "image",
        "an image",
        "picture",
        "no data",
        "nodata",
        "error",
        "false",
    }
)
"""What programs and people write where they have nothing to say."""
_FEWEST = 2
"""Words of a caption."""

_OTHER_SCRIPTS = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
"""Thai, Lao, Khmer, Japanese, Chinese, Korean: written without spaces, or with few."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

_ADDRESS = re.compile(r"https?://\S{1,80}|www\.\w[\w.-]{0,80}|\b[\w.+-]{1,64}@[\w-]{1,63}\.\w{2,}", re.IGNORECASE)
_MARKUP = re.compile(
    r"</?[a-z][a-z0-9]{0,12}(?:\s[^<>]{0,100})?/?>|&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE
)
_CODE = re.compile(
    r"\{\{[^{}]{0,80}\}\}|\$\{[^{}]{0,80}\}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\n|<\|[^<>|]{0,40}\|>|\[/?INST\]",
    re.IGNORECASE,
)
_TWICE_ENCODED = re.compile(
    "[\u00c2-\u00df][\u0080-\u00bf]|[\u00e0-\u00ef][\u0080-\u00bf\u2010-\u2122]{2}|\u00e2\u20ac."
)
"""UTF-8 read as Latin-1 or Windows-1252: "Ã¼" for "ü", "â€™" for an apostrophe."""
_REFUSAL = re.compile(
    r"\b(?:as an ai|language model|i(?:'m| am) (?:sorry|unable)|i (?:cannot|can't) (?:see|assist|help|provide))\b"
)
"""What language models answer in place of a caption."""
_ROW = 3
"""So many times in a row is a word repeated; twice may be a name (Walla Walla)."""
_LITTLE_VARIETY, _MANY_WORDS = 0.34, 12


def _caption_empty(subject: Subject) -> Iterator[Sign]:
    for layer, text in _captions(subject):
        bare = " ".join(_WORD.findall(text.casefold()))
        words = bare.split()
        spread_out = len(words) + len(_OTHER_SCRIPTS.findall(bare)) // 2
        if not text.strip():
            yield Sign(100.0, "the caption is empty", layer)
        elif not words:
            yield Sign(100.0, f"the caption is nothing but signs: {_quoted(text)}", layer)
        elif bare in _PLACEHOLDERS:
            yield Sign(100.0, f"the caption is a placeholder: {_quoted(text)}", layer)
        elif bare.replace(" ", "").isdigit():
            yield Sign(90.0, f"the caption is nothing but a number: {_quoted(text)}", layer)
        elif spread_out < _FEWEST:
            yield Sign(60.0, f"the caption is a single word: {_quoted(text)}", layer)
        else:
            yield Sign(0.0, f"{len(words)} words", layer)


def _caption_odd(subject: Subject) -> Iterator[Sign]:
    for layer, text in _captions(subject):
        found = list(_oddities(text))
        if found:
            yield Sign(float(len(found)), ", ".join(found), layer)
        else:
            yield Sign(0.0, "plain words", layer)


def _oddities(text: str) -> Iterator[str]:
    """What does not belong into a caption, a clause each."""
    if "\ufffd" in text or re.search("[\ud800-\udfff]", text):
        yield "characters that could not be read"
    if match := _TWICE_ENCODED.search(text):
        yield f"damaged characters ({_quoted(match[0])}), as of UTF-8 that was read as something else"
    if any(unicodedata.category(sign) == "Cc" and sign not in "\t\n\r" for sign in text):
        yield "control characters"
    if match := _ADDRESS.search(text):
        yield f"an address: {_quoted(match[0])}"
    if match := _MARKUP.search(text):
        yield f"markup: {_quoted(match[0])}"
    if match := _CODE.search(text):
        yield f"what a program left behind: {_quoted(match[0])}"
    if match := _REFUSAL.search(text.casefold().replace("’", "'")):
        yield f"an answer of a program, no caption: {_quoted(match[0])}"
    words = _WORD.findall(text.casefold())
    row = next(
        (word for word, *others in zip(*(words[k:] for k in range(_ROW)), strict=False) if {*others} == {word}), ""
    )
    if row:
        yield f"the word {_quoted(row)} again and again"
    elif len(words) >= _MANY_WORDS and len(set(words)) < _LITTLE_VARIETY * len(words):
        yield f"{len(words)} words, but only {len(set(words))} different ones"


def _captions(subject: Subject) -> Iterator[tuple[str, str]]:
    for spec, content in subject.contents:
        if spec.kind is LayerKind.TEXT and isinstance(content, Text):
            yield spec.id, content.text[:_LONGEST]


def _quoted(text: str) -> str:
    """A short piece of text, printable."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return f'"{plain}"' if len(plain) <= 40 else f'"{plain[:39]}…"'


CHECKS: tuple[Check, ...] = (
    Check(
        "caption_empty",
        "Caption says nothing",
        Topic.TEXTS,
        "%",
        "How surely a caption says nothing: 100 for none and for placeholders, 90 for numbers, 60 for a single word.",
        "other",
        least=50.0,
        why="A single word may be meant; where most captions are single words, they are.",
        spread=4.0,
        most=80.0,
        sharpness=8.0,
        run=_caption_empty,
    ),
    Check(
        "caption_odd",
        "Caption is damaged or no caption",
        Topic.TEXTS,
        "",
        "Kinds of things that do not belong into a caption: addresses, markup, damaged characters, endless repetition.",
        "other",
        least=0.7,
        why="One is enough; where captions usually have one, more than that.",
        spread=4.0,
        most=2.5,
        sharpness=8.0,
        run=_caption_odd,
    ),
)
