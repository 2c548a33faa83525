"""What the index page of a web server lists: Apache, nginx, python -m http.server, and the XML of a public bucket.

The page comes from a stranger. Only a link to something directly below the folder counts; of its address nothing is used
but the last name, and that only where it can be a name.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from rsviewer.data.remote.names import is_name

MAX_UNFINISHED = 1 << 20
"""Letters that a tag or comment may go on for: the parser would look through them again and again."""


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
    parser = _Links()
    here = urlsplit(base)
    folder = _names(here.path)[:-1]
    seen = set()
    for piece in page:
        parser.feed(piece)
        if len(parser.rawdata) > MAX_UNFINISHED:
            raise ValueError("a tag that does not end")
        for href in parser.take():
            item = _below(href, base, here.netloc, folder)
            if item is not None and item.name not in seen:
                seen.add(item.name)
                yield item


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


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        if tag == "a":
            self._found += [value for name, value in attrs if name == "href" and value]

    def take(self) -> list[str]:
        """The links since the last call."""
        found, self._found = self._found, []
        return found


def _below(href: str, base: str, host: str, folder: list[str]) -> Item | None:
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
