"""Folders and files of a web server that shows index pages, or of a public bucket that is asked by https.

Decided here, with reasons:

- Requests go to the server that the user named and to no other: a redirect to another host is refused and named. So a
  server on the internet cannot make this program ask one in the user's own network.
- http.client, not GDAL: GDAL follows redirects anywhere, cannot be interrupted, and its listing keeps neither to a size nor
  to links below the folder.
- A connection is kept and used again: most of the time of a request for a small file is setting one up.
"""

import http.client
import logging
import netrc
import random
import re
import socket
import ssl
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from errno import ENOENT, ENOTDIR
from typing import Final, Protocol, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit
from zlib import crc32

from rsviewer import __version__
from rsviewer.data.remote.names import url_of
from rsviewer.data.remote.pages import Item, bucket_page, is_bucket_page, links, nanoseconds

log = logging.getLogger(__name__)

MAX_PAGE: Final = 256 << 20
"""Bytes of an index page: a million files with long names."""

MAX_BUCKET_PAGE: Final = 16 << 20
"""Bytes of a page of a thousand keys, which may be 1 kB each and percent-encoded."""

_PIECE: Final = 1 << 16
_MAX_REDIRECTS: Final = 5
_KEPT_CONNECTIONS: Final = 8
_PASSING: Final = {408, 429, 500, 502, 503, 504}
_HTML: Final = ("text/html", "application/xhtml+xml")
_XML: Final = ("application/xml", "text/xml")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for a server.

    Attributes:
        connect: seconds until it takes a connection.
        answer: seconds without a byte.
        whole: seconds for a request and its answer.
        tries: how often a request is made that failed for a reason that may pass.
        backoff: seconds before the second try; four times as many before each further one.
    """

    connect: float = 10
    answer: float = 20
    whole: float = 300
    tries: int = 3
    backoff: float = 0.4


USUAL: Final = Timing()


@dataclass(frozen=True, slots=True)
class Whole:
    """What came of asking for a whole file.

    Attributes:
        content: None where it is larger than was asked for.
        size: in bytes; -1 where the server does not say.
        changed: in nanoseconds since 1970; 0 where the server does not say.
    """

    content: bytes | None
    size: int
    changed: int


class Source(Protocol):
    """A server that has folders and files. Paths as in `data.remote.names`; every method may wait, and raises OSError.

    FileNotFoundError and PermissionError where the server says so; `strerror` is always a clause for the user.
    """

    def items(self, folder: str) -> Iterator[Item]:
        """What lies in a folder, as it comes in. Raises before the first item where the folder is no good."""

    def part(self, path: str, offset: int, length: int) -> bytes:
        """So many bytes of a file, fewer at its end."""

    def whole(self, path: str, most: int) -> Whole:
        """All bytes of a file if they are not more than `most`. One request."""

    def head(self, path: str) -> Whole:
        """Size and time of a file."""

    def close(self) -> None:
        """Lets go of the connections that nobody uses."""


class PassingError(OSError):
    """A failure after which it makes sense to try again."""


class Web:
    """One program's requests to web servers. Safe from any thread."""

    def __init__(self, timing: Timing = USUAL, pause: Callable[[float], bool] | None = None) -> None:
        """`pause` waits some seconds and is True where nobody wants to wait any longer."""
        self._timing = timing
        self._pause = pause or threading.Event().wait
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._tls = ssl.create_default_context()
        self._buckets: dict[str, str] = {}  # server -> its folder that is the bucket; empty for the server itself

    def items(self, folder: str) -> Iterator[Item]:
        """See `Source.items`."""
        url = url_of(folder).rstrip("/") + "/"
        if _server(url) in self._buckets:
            yield from self._bucket_items(url)
            return
        seen: set[str] = set()
        is_bucket = False
        for attempt in range(1, self._timing.tries + 1):
            try:
                with self._answer("GET", url) as (answer, base):
                    if answer.status in (403, 404) and _is_of_bucket(answer):
                        is_bucket = True
                    else:
                        _check(answer, url)
                        page = self._page(answer, url)
                        kind = _kind(answer)
                        if kind in _XML and is_bucket_page(next(page, "")):
                            is_bucket = True
                        elif kind not in _HTML:
                            raise NotADirectoryError(ENOTDIR, "a file, not a folder", url)
                        else:
                            for item in links(page, base):
                                if item.name not in seen:
                                    seen.add(item.name)
                                    yield item
                break
            except PassingError as error:
                self._wait(attempt, error)
            except ValueError:
                raise OSError(None, "the server's page is no list of files", url) from None
        if is_bucket:
            yield from self._bucket_items(url)

    def part(self, path: str, offset: int, length: int) -> bytes:
        """See `Source.part`. A server that knows no ranges is cut off after the first bytes."""
        url = url_of(path)

        def read() -> bytes:
            asked = f"bytes={offset}-{offset + max(length, 1) - 1}"
            with self._answer("GET", url, {"Range": asked}) as (answer, _):
                if answer.status == 416:
                    _drain(answer)
                    return b""  # the first byte is beyond the end: an empty file
                _check(answer, url)
                if offset and answer.status != 206:
                    raise OSError(None, "the server gives no parts of files, and this one is large: download it", url)
                return b"".join(self._body(answer, length, url))[:length]

        return self._trying(read)

    def whole(self, path: str, most: int) -> Whole:
        """See `Source.whole`."""
        url = url_of(path)

        def read() -> Whole:
            with self._answer("GET", url) as (answer, _):
                _check(answer, url)
                size, changed = _facts(answer)
                if size > most:
                    return Whole(None, size, changed)
                content = b"".join(self._body(answer, most + 1, url))
                return Whole(content, len(content), changed) if len(content) <= most else Whole(None, -1, changed)

        return self._trying(read)

    def head(self, path: str) -> Whole:
        """See `Source.head`."""
        url = url_of(path)

        def read() -> Whole:
            with self._answer("HEAD", url) as (answer, _):
                _check(answer, url)
                _drain(answer)
                return Whole(None, *_facts(answer))

        return self._trying(read)

    def header(self, url: str, name: str) -> str:
        """A header of what a server answers to HEAD, whatever its status; empty where it has none."""

        def read() -> str:
            with self._answer("HEAD", url, follow=False) as (answer, _):
                _drain(answer)
                return answer.headers.get(name, "")

        return self._trying(read)

    def close(self) -> None:
        """See `Source.close`."""
        with self._lock:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _bucket_items(self, url: str) -> Iterator[Item]:
        """The XML listing of the bucket that `url` lies in: of its server, or of the first folder on it."""
        server, path = _server(url), urlsplit(url).path.lstrip("/")
        first = path.partition("/")[0]
        error: OSError | None = None
        for bucket in (self._buckets[server],) if server in self._buckets else dict.fromkeys(("", first)):
            prefix = path[len(bucket) :].lstrip("/")
            ask = f"{server}/{bucket}?list-type=2&delimiter=/&encoding-type=url&prefix={quote(prefix, safe='/%')}"
            token, found = "", False
            try:
                while True:
                    text = self._xml(ask + (f"&continuation-token={quote(token, safe='')}" if token else ""), url)
                    page = bucket_page(text, unquote(prefix, errors="surrogateescape"))
                    self._buckets[server] = bucket
                    found = found or bool(page.items)
                    yield from page.items
                    token = page.more
                    if not token:
                        break
            except (FileNotFoundError, PermissionError) as refused:
                error = error or refused
                continue
            if found or not prefix:
                return
        raise error or FileNotFoundError(ENOENT, "no such folder on the server", url)

    def _xml(self, ask: str, url: str) -> str:
        def read() -> str:
            with self._answer("GET", ask) as (answer, _):
                _check(answer, url)
                text = b"".join(self._body(answer, MAX_BUCKET_PAGE, url)).decode("utf-8", "replace")
            if not is_bucket_page(text):
                raise FileNotFoundError(ENOENT, "no such folder on the server", url)
            return text

        return self._trying(read)

    def _page(self, answer: http.client.HTTPResponse, url: str) -> Iterator[str]:
        """The pieces of an index page."""
        size = 0
        for piece in self._body(answer, None, url):
            size += len(piece)
            if size > MAX_PAGE:
                raise OSError(None, f"the server's list of files is larger than {MAX_PAGE >> 20} MB", url)
            yield piece.decode("utf-8", "replace")  # an address is ASCII

    def _trying(self, work: Callable[[], _T]) -> _T:
        attempt = 1
        while True:
            try:
                return work()
            except PassingError as error:
                self._wait(attempt, error)
            attempt += 1

    def _wait(self, attempt: int, error: PassingError) -> None:
        """Waits before the next try. Raises `error` where there is none."""
        if attempt >= self._timing.tries:
            raise error
        log.debug("try %d failed: %s", attempt, error.strerror)
        if self._pause(self._timing.backoff * 4 ** (attempt - 1) * random.uniform(0.75, 1.25)):  # noqa: S311
            raise error

    @contextmanager
    def _answer(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> Iterator[tuple[http.client.HTTPResponse, str]]:
        """The answer to one request, and the address it came from after redirects. The body is still to be read."""
        asked = url
        for _ in range(_MAX_REDIRECTS):
            connection, answer = self._ask(method, url, headers or {})
            try:
                if answer.status not in (301, 302, 303, 307, 308) or not follow:
                    yield answer, url
                    return
                _drain(answer)
                target = _redirected(url, answer.headers.get("Location", ""), asked)
            finally:
                self._keep(connection, answer, url)
            url = target
        raise OSError(None, "the server sends us round in circles", asked)

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urlsplit(url)
        headers = {
            "User-Agent": f"rsviewer/{__version__}",
            "Accept-Encoding": "identity",
            **_authorization(parts.scheme, parts.hostname or ""),
            **headers,
        }
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        proxy = _proxy(parts.scheme, parts.netloc)
        if proxy and parts.scheme == "http":
            target = url
        while True:
            with self._lock:
                idle = self._idle.get((parts.scheme, parts.netloc))
                connection = idle.pop() if idle else None
            used = connection is not None
            try:
                connection = connection or self._connection(parts.scheme, parts.netloc, proxy)
                connection.request(method, target, headers=dict(headers))
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                if connection is not None:
                    connection.close()
                # A kept connection that the server has closed meanwhile says nothing about the server.
                if not used or isinstance(error, TimeoutError):
                    raise self._failure(error, url) from error

    def _connection(self, scheme: str, server: str, proxy: str) -> http.client.HTTPConnection:
        timeout, at = self._timing.connect, urlsplit(f"//{proxy or server}")
        host, port = at.hostname or "", at.port
        if scheme == "http":
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)
            if proxy:
                end = urlsplit(f"//{server}")
                connection.set_tunnel(end.hostname or "", end.port)
        connection.connect()
        connection.sock.settimeout(self._timing.answer)
        return connection

    def _keep(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, url: str) -> None:
        """Keeps a connection for the next request if this one was read to its end."""
        parts = urlsplit(url)
        if answer.isclosed() and not answer.will_close and connection.sock is not None:
            with self._lock:
                idle = self._idle.setdefault((parts.scheme, parts.netloc), [])
                if len(idle) < _KEPT_CONNECTIONS:
                    idle.append(connection)
                    return
        answer.close()
        connection.close()

    def _body(self, answer: http.client.HTTPResponse, most: int | None, url: str) -> Iterator[bytes]:
        """Pieces of the body, up to about `most` bytes."""
        until = time.monotonic() + self._timing.whole
        left = most
        while left is None or left > 0:
            try:
                piece = answer.read1(_PIECE if left is None else min(_PIECE, left))
            except (OSError, http.client.HTTPException) as error:
                raise self._failure(error, url) from error
            if not piece:
                if answer.length:
                    raise PassingError(None, "the connection broke off before all had come", url)
                break
            if left is not None:
                left -= len(piece)
            if time.monotonic() > until:
                raise OSError(None, f"the server needs more than {self._timing.whole:.0f} s for it", url)
            yield piece
        if not answer.length:
            answer.read(1)  # lets the connection be used again

    def _failure(self, error: Exception, url: str) -> OSError:
        """What happened to a request, in words."""
        host = urlsplit(url).hostname
        if isinstance(error, ssl.SSLCertVerificationError):
            return OSError(None, f"the certificate of {host} is not to be trusted ({error.verify_message})", url)
        if isinstance(error, socket.gaierror):
            return OSError(None, f"the server {host} is not known: check the address and the network connection", url)
        if isinstance(error, TimeoutError):
            return PassingError(None, f"the server {host} does not answer", url)
        if isinstance(error, ConnectionRefusedError):
            return OSError(None, f"the server {host} takes no connections", url)
        if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
            return PassingError(None, "the connection broke off before all had come", url)
        if isinstance(error, http.client.HTTPException):
            return OSError(None, f"{host} does not answer as a web server does", url)
        return OSError(None, f"the server {host} cannot be reached: check the network connection", url)


def _check(answer: http.client.HTTPResponse, url: str) -> None:
    """Raises what the status of an answer means."""
    status = answer.status
    if status in (200, 206):
        return
    _drain(answer)
    if status in (404, 410):
        raise FileNotFoundError(ENOENT, "no such file on the server", url)
    if status in (401, 403, 407):
        raise PermissionError(None, f"the server gives it to nobody without the right credentials (HTTP {status})", url)
    if status in _PASSING:
        raise PassingError(None, f"the server is in trouble (HTTP {status}): try again later", url)
    raise OSError(None, f"the server answers with HTTP {status}", url)


def _drain(answer: http.client.HTTPResponse) -> None:
    """Reads a short body that nobody wants, so that the connection can be used again."""
    if answer.length is not None and answer.length <= _PIECE:
        with suppress(OSError, http.client.HTTPException):
            answer.read()


def _redirected(url: str, location: str, asked: str) -> str:
    """Where a redirect leads to: on the same server, or from http to https on it."""
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, location))
        same = (there.hostname, there.port) == (here.hostname, here.port)
        safer = (here.scheme, there.scheme) == ("http", "https") and there.hostname == here.hostname
        safer = safer and here.port in (None, 80) and there.port in (None, 443)
    except ValueError:
        raise OSError(None, "the server sends us to an address that is none", asked) from None
    if (same and there.scheme == here.scheme) or safer:
        return there._replace(fragment="").geturl()
    if there.scheme not in ("http", "https") or not there.hostname:
        raise OSError(None, "the server sends us to something that is not on the web, which is not followed", asked)
    raise OSError(None, f"the server sends us to another one, {there.hostname}, which is not followed", asked)


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _facts(answer: http.client.HTTPResponse) -> tuple[int, int]:
    """(size, time of the last change) as the headers say."""
    size = answer.headers.get("Content-Length", "")
    try:
        changed = nanoseconds(parsedate_to_datetime(answer.headers.get("Last-Modified", "")))
    except (ValueError, TypeError, OverflowError):
        changed = 0
    tag = answer.headers.get("ETag", "")
    if not changed and tag:
        changed = crc32(tag.encode(errors="replace"))
    return int(size) if re.fullmatch(r"\d{1,18}", size, re.ASCII) else -1, changed


def _kind(answer: http.client.HTTPResponse) -> str:
    return answer.headers.get_content_type()


def _is_of_bucket(answer: http.client.HTTPResponse) -> bool:
    return _kind(answer) in _XML and b"<Error>" in answer.read(_PIECE)


def _authorization(scheme: str, host: str) -> dict[str, str]:
    """What ~/.netrc says for a host; never sent without encryption."""
    if scheme != "https":
        return {}
    try:
        found = netrc.netrc().hosts.get(host)
    except (OSError, netrc.NetrcParseError, ValueError):
        return {}
    if found is None:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{found[0]}:{found[2] or ''}".encode()).decode()}


def _proxy(scheme: str, server: str) -> str:
    """host:port of the proxy that the environment names for a server; empty for none."""
    address = urllib.request.getproxies().get(scheme, "")
    if not address or urllib.request.proxy_bypass(server):
        return ""
    return urlsplit(address if "://" in address else f"//{address}").netloc.rpartition("@")[2]
