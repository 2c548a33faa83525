"""What the index page of a web server lists: Apache, nginx, python -m http.server, and the XML of a public bucket.

The page comes from a stranger. Only a link to something directly below the folder counts; of its address nothing is used
but the last name, and that only where it can be a name. So it does no harm to take a link out of a comment, and patterns
do: html.parser takes 42 us for a line of an index page, they take 3.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from urllib.parse import unquote, urljoin, urlsplit

from rsviewer.data.remote.names import is_name

MAX_TAG = 1 << 16
"""Letters of the longest tag."""

_LINK = re.compile(r"""<a\s(?:[^<>]*?\s)?href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)'|([^\s"'<>]+))[^<>]*>""", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """A name in a folder.

    Attributes:
        name: not percent-encoded.
        folder: whether it is a folder.
        size: in bytes; -1 where the listing does not say exactly.
        changed: in nanoseconds since 1970; 0 where the listing does not say exactly.
    """

    name: str
    folder: bool
    size: int = -1
    changed: int = 0


@dataclass(frozen=True, slots=True)
class BucketPage:
    """One page of the XML listing of a bucket.

    Attributes:
        items: what lies in the folder that was asked for.
        more: the token to ask for the next page with; empty at the end.
    """

    items: tuple[Item, ...]
    more: str


def links(page: Iterable[str], base: str) -> Iterator[Item]:
    """What an HTML index page lists, each name once.

    Args:
        page: its text in pieces.
        base: the address of the folder, with a slash at its end.

    Raises:
        ValueError: this is no HTML that anybody would write.
    """
    here = urlsplit(base)
    folder = _names(here.path)[:-1]
    seen = set()
    rest = ""
    for piece in page:
        text = rest + piece
        for match in _LINK.finditer(text):
            href = unescape(match[1] or match[2] or match[3] or "")
            item = _below(href, base, here.netloc, folder)
            if item is not None and item.name not in seen:
                seen.add(item.name)
                yield item
        last = text.rfind("<")
        rest = text[last:] if last >= 0 and ">" not in text[last:] else ""
        if len(rest) > MAX_TAG:
            raise ValueError("a tag that does not end")


def bucket_page(page: str, prefix: str) -> BucketPage:
    """What a page of a ListObjectsV2 answer (with encoding-type=url and delimiter=/) lists below a prefix.

    Taken apart by patterns: an XML parser would have to be kept from following entities.
    """
    items = []
    for start, body in re.findall(r"<(Contents|CommonPrefixes)>(.*?)</(?:Contents|CommonPrefixes)>", page, re.DOTALL):
        found = _tag(body, "Prefix" if start == "CommonPrefixes" else "Key")
        key = unquote(found, errors="surrogateescape")
        name = key[len(prefix) :]
        is_folder = start == "CommonPrefixes"
        name = name.removesuffix("/") if is_folder else name
        if not key.startswith(prefix) or not is_name(name):
            continue
        size = _tag(body, "Size")
        items.append(
            Item(name, True)
            if is_folder
            else Item(name, False, int(size) if size.isdecimal() and len(size) < 19 else -1, _time(body))
        )
    more = _tag(page, "NextContinuationToken") if _tag(page, "IsTruncated") == "true" else ""
    return BucketPage(tuple(items), more)


def is_bucket_page(page: str) -> bool:
    """True for the XML listing of a bucket, from its first letters."""
    return re.match(r"\s*(?:<\?xml[^>]*\?>\s*)?<ListBucketResult\b", page) is not None


def _below(href: str, base: str, host: str, folder: list[str]) -> Item | None:
    if _PLAIN.fullmatch(href):  # as most are
        return Item(href.rstrip("/"), href.endswith("/"))
    try:
        there = urlsplit(urljoin(base, href.strip()))
    except ValueError:
        return None
    if there.scheme not in ("http", "https") or there.netloc.lower() != host.lower() or there.query:
        return None
    names = _names(there.path)
    is_folder = names[-1] == ""
    names = names[:-1] if is_folder else names
    if len(names) != len(folder) + 1 or names[:-1] != folder or not is_name(names[-1]):
        return None
    return Item(names[-1], is_folder)


def _names(path: str) -> list[str]:
    """Parts of a path, decoded one by one: "%2F" is a letter of a name, not a step into a folder."""
    return [unquote(name, errors="surrogateescape") for name in path.split("/")]


def _tag(text: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return unescape(match[1]) if match else ""


def _time(body: str) -> int:
    try:
        time = datetime.fromisoformat(_tag(body, "LastModified"))
    except ValueError:
        return 0
    return nanoseconds(time)


def nanoseconds(time: datetime) -> int:
    """Since 1970."""
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000) * 1_000_000
