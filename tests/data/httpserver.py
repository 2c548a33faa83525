"""A web server on this machine for tests: index pages, ranges, the listing of a bucket, and faults on demand."""

import html
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

Fault = Callable[["Handler"], bool]
"""Answers a request itself and says True, or leaves it to the server."""


@dataclass
class Served:
    """A folder that is served.

    Attributes:
        url: of the folder, with a slash at its end.
        endpoint: the same server as an object store: the folders below `folder` are its buckets.
        requests: "GET /path" of each request so far, with its range.
        faults: path -> what happens instead of an answer.
        ranges: whether the server knows ranges.
        release: set when the test is over: hanging answers end.
        headers: of each request.
    """

    folder: Path
    url: str = ""
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    ranges: bool = True
    release: threading.Event = field(default_factory=threading.Event)
    headers: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    served: Served

    def do_GET(self) -> None:
        served, parts = self.served, urlsplit(self.path)
        asked = self.headers.get("Range", "")
        served.requests.append(" ".join(filter(None, (self.command, self.path, asked))))
        served.headers.append(dict(self.headers))
        fault = served.faults.get(unquote(parts.path))
        if fault is not None and fault(self):
            return
        path = served.folder.joinpath(*filter(None, unquote(parts.path).split("/")))
        query = parse_qs(parts.query, keep_blank_values=True)
        if "list-type" in query:
            self.send(_bucket_listing(path, query), "application/xml")
        elif path.is_dir():
            self.send(_index(path), "text/html; charset=utf-8")
        elif path.is_file():
            self._send_file(path)
        else:
            self.send(b"<html>no such file</html>", "text/html", 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def send(self, body: bytes, kind: str = "text/html", status: int = 200, **headers: str) -> None:
        """Answers with all of a body."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_file(self, path: Path) -> None:
        body, changed = path.read_bytes(), formatdate(path.stat().st_mtime, usegmt=True)
        headers = {"Last_Modified": changed, "ETag": f'"{path.stat().st_mtime_ns:x}"'}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.served.ranges else None
        if match is None:
            self.send(body, "application/octet-stream", **headers)
            return
        first, last = int(match[1]), min(int(match[2] or len(body)), len(body) - 1)
        if first > last:
            self.send(b"", status=416, Content_Range=f"bytes */{len(body)}")
            return
        headers["Content_Range"] = f"bytes {first}-{last}/{len(body)}"
        self.send(body[first : last + 1], "application/octet-stream", 206, **headers)

    def log_message(self, *args: object) -> None:
        """Silence."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no fault."""


@contextmanager
def serving_with(folder: Path) -> Iterator[Served]:
    """Serves a folder, with everything a test may want to change or count."""
    served = Served(folder)
    handler = type("Handler", (Handler,), {"served": served})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    served.endpoint = f"http://127.0.0.1:{server.server_port}"
    served.url = f"{served.endpoint}/"
    try:
        yield served
    finally:
        served.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serves a folder; gives the address of its index page."""
    with serving_with(folder) as served:
        yield served.url


def hangs(handler: Handler) -> bool:
    """A fault: no answer until the test is over."""
    handler.served.release.wait(30)
    handler.close_connection = True
    return True


def breaks_off(handler: Handler) -> bool:
    """A fault: the answer ends in the middle, every time."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(b'<a href="early.tif">')
    handler.close_connection = True
    return True


def answers(status: int, body: bytes = b"", kind: str = "text/html", **headers: str) -> Fault:
    """A fault: always this answer."""

    def fault(handler: Handler) -> bool:
        handler.send(body, kind, status, **headers)
        return True

    return fault


def fails_first(times: int, status: int = 500) -> Fault:
    """A fault: this status so many times, then no fault."""
    left = [times]

    def fault(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] >= 0:
            handler.send(b"in trouble", "text/plain", status)
        return left[0] >= 0

    return fault


def _index(folder: Path) -> bytes:
    """As Apache writes it, with the links for sorting and to the folder above."""
    rows = ['<a href="?C=N;O=D">Name</a>', '<a href="/">Parent Directory</a>', '<a href="../">..</a>']
    for path in sorted(folder.iterdir()):
        name = path.name + ("/" if path.is_dir() else "")
        link = quote(name, errors="surrogateescape")
        rows.append(f'<a href="{link}">{html.escape(name)}</a>  2026-11-21 10:00  1.2K')
    return f"<html><head><title>Index</title></head><body><pre>{'<br>'.join(rows)}</pre></body></html>".encode(
        errors="replace"
    )


def _bucket_listing(bucket: Path, query: dict[str, list[str]]) -> bytes:
    """ListObjectsV2, two names a page, so that paging happens with few files."""
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    most = min(int(query.get("max-keys", ["1000"])[0]), 4)
    keys = sorted(
        (Path(folder, name).relative_to(bucket).as_posix())
        for folder, _, names in os.walk(bucket, followlinks=True)
        for name in names
    )
    names: dict[str, Path | None] = {}
    for key in keys:
        if key.startswith(prefix):
            rest, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key[len(prefix) :], "", "")
            names[prefix + rest + cut] = None if cut else bucket / key
    after = query.get("continuation-token", query.get("start-after", [""]))[0]
    left = [name for name in sorted(names) if name > after]
    encoded = quote if query.get("encoding-type") == ["url"] else html.escape
    rows = []
    for name in left[:most]:
        path = names[name]
        if path is None:
            rows.append(f"<CommonPrefixes><Prefix>{encoded(name)}</Prefix></CommonPrefixes>")
        else:
            rows.append(
                f"<Contents><Key>{encoded(name)}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
                f"<ETag>&quot;{path.stat().st_size:x}&quot;</ETag><Size>{path.stat().st_size}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
    more = len(left) > most
    token = f"<NextContinuationToken>{html.escape(left[most - 1])}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket.name}</Name><Prefix>{encoded(prefix)}</Prefix><KeyCount>{min(len(left), most)}</KeyCount>"
        f"<MaxKeys>{most}</MaxKeys><IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{''.join(rows)}"
        "</ListBucketResult>"
    ).encode()
