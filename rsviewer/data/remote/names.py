"""An address as people type it, and the path that stands for it everywhere in the program.

    https://host/sets/a b/            /vsicurl/https:/host/sets/a b
    s3://bucket/prefix/               /vsis3/bucket/prefix
    gs://bucket/prefix/               /vsigs/bucket/prefix

The paths are GDAL's names, save that a `Path` makes one slash of two and that they are not percent-encoded: the names of
files are what people read, and what tiles are called by.
"""

import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.core.tile import printable

_WEB, _BUCKETS = "/vsicurl/", {"s3": "/vsis3/", "gs": "/vsigs/"}
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]+)://", re.IGNORECASE | re.ASCII)
_URL = re.compile(r"(https?|s3|gs)://", re.IGNORECASE | re.ASCII)
_PATH = re.compile(r"/vsicurl/(https?):/+([^/]+)(?:/(.*))?|/vsi(s3|gs)/([^/]+)(?:/(.*))?", re.ASCII | re.DOTALL)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::\d{1,5})?\Z", re.ASCII)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}\Z", re.ASCII)
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")


def location(text: str) -> Path:
    """The path of what somebody typed: a path, or an address. Raises as `remote_root` does."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(text)
    if scheme[1].lower() == "file":
        return Path(url2pathname(urlsplit(text.strip()).path))
    return remote_root(text)


def is_remote(path: str) -> bool:
    """True for the path of something that is not on a disk."""
    return _PATH.match(_slashed(path)) is not None


def remote_root(url: str) -> Path:
    """The path that stands for the folder at `url`, as the root of a dataset and in addresses.

    Raises:
        DatasetNotFoundError: this is no address of a folder. An address with a password is refused, since it would end up
            in files of the project.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        raise DatasetNotFoundError("This is no web address: it should look like https://host/folder/.") from None
    scheme, host, folder = parts.scheme.lower(), parts.netloc, parts.path
    if not _URL.match(url):
        raise DatasetNotFoundError("Only addresses that start with https://, http://, s3:// or gs:// can be opened.")
    if "@" in host:
        raise DatasetNotFoundError(
            "The address holds a user name or password, which would be written into files: leave it out, and put it into "
            "the file .netrc in your home folder."
        )
    if scheme in _BUCKETS:
        folder = url.split("://", 1)[1].partition("/")[2]  # "?" and "%20" are letters like others in a bucket
        if not _BUCKET.match(host):
            raise DatasetNotFoundError(f"This is no name of a bucket: {printable(host)!r}.")
        names = folder.split("/")
    else:
        if parts.query or parts.fragment:
            raise DatasetNotFoundError(
                "The address holds a question (?...) or a mark (#...), so it is no folder: leave out what follows."
            )
        host = _host(host)
        names = [unquote(name, errors="surrogateescape") for name in folder.split("/")]
    names = [name for name in names if name]
    bad = next((name for name in names if not is_name(name)), None)
    if bad is not None:
        raise DatasetNotFoundError(f"The address holds {printable(bad)!r}, which cannot be the name of a folder.")
    start = f"{_BUCKETS[scheme]}{host}" if scheme in _BUCKETS else f"{_WEB}{scheme}:/{host}"
    return Path("/".join((start, *names)))


def shown(path: str | Path) -> str:
    """The address of a path as people type it; a path on a disk stays as it is."""
    text = _slashed(str(path))
    match = _PATH.match(text)
    if match is None:
        return printable(str(path))
    scheme, host, rest, store, bucket, key = match.groups()
    return printable(f"{store}://{bucket}/{key or ''}" if store else f"{scheme}://{host}/{rest or ''}")


def url_of(path: str) -> str:
    """The address to send to a web server for a path below /vsicurl/. Raises ValueError for others."""
    match = _PATH.match(_slashed(path))
    if match is None or match[4]:
        raise ValueError(f"no path on a web server: {path!r}")
    return f"{match[1]}://{match[2]}/" + quote(match[3] or "", safe="/~!$&'()*,;=:@+", errors="surrogateescape")


def bucket_of(path: str) -> tuple[str, str, str]:
    """("s3" or "gs", bucket, key) of a path in an object store. Raises ValueError for others."""
    match = _PATH.match(_slashed(path))
    if match is None or not match[4]:
        raise ValueError(f"no path in an object store: {path!r}")
    return match[4], match[5], match[6] or ""


def is_name(name: str) -> bool:
    """True where a name that a stranger gave can be one part of a path, and nothing else."""
    return name not in ("", ".", "..") and _FORBIDDEN.search(name) is None


def _slashed(path: str) -> str:
    return path if path.startswith("/") else path.replace("\\", "/")  # a Path of Windows


def _host(host: str) -> str:
    host = host.lower()
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not _HOST.match(host):
        raise DatasetNotFoundError("The address has no name of a server after the two slashes.")
    return host
