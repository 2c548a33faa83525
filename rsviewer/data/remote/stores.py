"""Buckets of Amazon S3 (or what speaks like it) and Google Cloud Storage, through obstore.

Decided here, with reasons:

- obstore, not GDAL's /vsis3: rasterio cannot list; pyogrio (`vsi_listtree`) tells no sizes and times, collects all that
  lies below a folder before it answers, and holds the interpreter's lock meanwhile. And see `data.remote.tree`.
- A flat folder comes page by page (`list`), so that its first names are there after one request; where a page shows
  sub-folders, the folder is asked for once more with a delimiter, since `list` would go through all that lies in them.
- Credentials come from the environment or, for S3, from the profile in ~/.aws. Where there are none, requests are not
  signed, as for public buckets; nobody is asked for credentials who was not named (obstore by itself would ask the
  metadata service of a cloud, which elsewhere means waiting for nobody).
"""

import configparser
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from errno import ENOENT, ENOTDIR
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from rsviewer.core.errors import DatasetNotFoundError
from rsviewer.data.remote.names import bucket_of, is_name
from rsviewer.data.remote.pages import Item, nanoseconds
from rsviewer.data.remote.web import USUAL, Timing, Web, Whole

_PAGE: Final = 1000
_T = TypeVar("_T")
_YES: Final = {"1", "yes", "true", "on"}
_AWS_ELSEWHERE: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_GOOGLE: Final = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
_FAILURES: Final = (
    ("redirect", "the bucket is in another region: set AWS_REGION to it"),
    ("dns error", "the server is not known: check the network connection"),
    ("timed out", "the server does not answer"),
    ("timeout", "the server does not answer"),
    ("connect", "the server cannot be reached: check the network connection"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to ask for a bucket. Its text never shows a secret.

    Attributes:
        signed: whether there are credentials.
        region: empty where nothing names it.
        endpoint: address of a server other than the cloud's own; empty for that.
        path_style: whether the bucket's name is part of the path, not of the host.
        keys: options of obstore that hold credentials; empty where obstore finds them itself.
    """

    signed: bool
    region: str = ""
    endpoint: str = ""
    path_style: bool = True
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


def access(scheme: str, environment: Mapping[str, str] | None = None) -> Access:
    """What the environment and the user's own files say about how to ask "s3" or "gs"."""
    env = os.environ if environment is None else environment
    return _google(env) if scheme == "gs" else _amazon(env)


class Stores:
    """Requests to one bucket. Safe from any thread. A `Source`."""

    def __init__(self, root: str, timing: Timing = USUAL) -> None:
        """`root` is a path in the bucket. Raises DatasetNotFoundError where obstore is not installed."""
        try:
            import obstore
            import obstore.store
        except ImportError:
            raise DatasetNotFoundError(
                'Reading s3:// and gs:// needs the package obstore: pip install "rsviewer[remote]". Public buckets can also '
                "be opened by their https:// address."
            ) from None
        self._scheme, self._bucket, _ = bucket_of(root)
        self._timing = timing
        self._obstore = obstore
        self._lock = threading.Lock()
        self._made: Any = None

    def items(self, folder: str) -> Iterator[Item]:
        """See `Source.items`."""
        _, _, key = bucket_of(folder)
        prefix = key.rstrip("/") + "/" if key else ""
        told: set[str] = set()
        pages = iter(self._obstore.list(self._store(), prefix or None, chunk_size=_PAGE))
        while True:
            page = self._asking(lambda: next(pages, None), folder)
            if page is None:
                break
            if any("/" in meta["path"][len(prefix) :] for meta in page):
                both = self._asking(lambda: self._obstore.list_with_delimiter(self._store(), prefix or None), folder)
                folders = (Item(name, True) for path in both["common_prefixes"] if is_name(name := path[len(prefix) :]))
                files = (item for item in _items(both["objects"], prefix) if item.name not in told)
                yield from chain(folders, files)
                return
            for item in _items(page, prefix):
                told.add(item.name)
                yield item
        if not told and prefix:
            self._asking(lambda: self._obstore.head(self._store(), key.rstrip("/")), folder)
            raise NotADirectoryError(ENOTDIR, "a file, not a folder", folder)

    def part(self, path: str, offset: int, length: int) -> bytes:
        """See `Source.part`."""
        key = bucket_of(path)[2]

        def read() -> bytes:
            try:
                got = self._obstore.get_range(self._store(), key, start=offset, length=max(length, 1))
                return bytes(got)[:length]
            except self._obstore.exceptions.BaseError:
                if self._obstore.head(self._store(), key)["size"] == 0:
                    return b""  # a part of nothing is an error to the server
                raise

        return self._asking(read, path)

    def whole(self, path: str, most: int) -> Whole:
        """See `Source.whole`."""

        def read() -> Whole:
            got = self._obstore.get(self._store(), bucket_of(path)[2])
            size, changed = got.meta["size"], nanoseconds(got.meta["last_modified"])
            return Whole(bytes(got.bytes()) if size <= most else None, size, changed)

        return self._asking(read, path)

    def head(self, path: str) -> Whole:
        """See `Source.head`."""
        meta = self._asking(lambda: self._obstore.head(self._store(), bucket_of(path)[2]), path)
        return Whole(None, meta["size"], nanoseconds(meta["last_modified"]))

    def close(self) -> None:
        """See `Source.close`: obstore lets go by itself."""

    def _store(self) -> Any:
        with self._lock:
            self._made = self._made or self._make()
            return self._made

    def _make(self) -> Any:
        found = access(self._scheme)
        timing = self._timing
        common: dict[str, Any] = {
            "skip_signature": not found.signed,
            "client_options": {
                "connect_timeout": timedelta(seconds=timing.connect),
                "read_timeout": timedelta(seconds=timing.answer),
                "timeout": timedelta(seconds=timing.whole),
                "allow_http": self._scheme == "gs" or found.endpoint.startswith("http://"),
            },
            "retry_config": {
                "max_retries": timing.tries - 1,
                "retry_timeout": timedelta(seconds=2 * timing.answer),
                "backoff": {
                    "init_backoff": timedelta(seconds=max(timing.backoff, 0.001)),  # obstore panics at 0
                    "max_backoff": timedelta(seconds=max(16 * timing.backoff, 0.002)),
                    "base": 4,
                },
            },
            **found.keys,
        }
        if self._scheme == "gs":
            return self._obstore.store.GCSStore(self._bucket, **common)
        if found.endpoint:
            common |= {"endpoint": found.endpoint, "virtual_hosted_style_request": not found.path_style}
        common["region"] = found.region or (self._region() if not found.endpoint else "us-east-1")
        return self._obstore.store.S3Store(self._bucket, **common)

    def _region(self) -> str:
        """Where the bucket is: Amazon tells everybody."""
        web = Web(self._timing)
        try:
            return web.header(f"https://s3.amazonaws.com/{self._bucket}", "x-amz-bucket-region") or "us-east-1"
        except OSError:
            return "us-east-1"
        finally:
            web.close()

    def _asking(self, work: Callable[[], _T], path: str) -> _T:
        """What `work` returns. Raises OSError in our words: obstore's hold addresses with all their parts."""
        problems = self._obstore.exceptions
        try:
            return work()
        except FileNotFoundError:
            raise FileNotFoundError(ENOENT, "no such file in the bucket", path) from None
        except (problems.PermissionDeniedError, problems.UnauthenticatedError):
            who = "with your credentials" if access(self._scheme).signed else "without credentials"
            raise PermissionError(None, f"the bucket does not give it to anybody {who}", path) from None
        except (problems.BaseError, ValueError, OSError) as error:
            said = str(error).lower()
            sentence = next((words for sign, words in _FAILURES if sign in said), "the object store reports an error")
            raise OSError(None, sentence, path) from None
        except BaseException as panic:
            if type(panic).__name__ != "PanicException":  # Rust's: pyo3 gives it no name that could be imported
                raise
            raise OSError(None, "the object store cannot be asked like this", path) from None


def _items(metas: Any, prefix: str) -> Iterator[Item]:
    for meta in metas:
        name = meta["path"][len(prefix) :]
        if is_name(name):  # the mark of an empty folder has none
            yield Item(name, False, meta["size"], nanoseconds(meta["last_modified"]))


def _amazon(env: Mapping[str, str]) -> Access:
    profile = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    home = Path(env.get("HOME") or env.get("USERPROFILE") or "/nonexistent", ".aws")
    kept = {
        **_section(Path(env.get("AWS_CONFIG_FILE") or home / "config"), f"profile {profile}", profile),
        **_section(Path(env.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"), profile),
    }
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or kept.get("region", "")
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or kept.get("endpoint_url", "")
    if not endpoint and env.get("AWS_S3_ENDPOINT"):  # as GDAL has it
        secure = env.get("AWS_HTTPS", "YES").lower() in _YES
        endpoint = f"{'https' if secure else 'http'}://{env['AWS_S3_ENDPOINT'].removeprefix('https://').removeprefix('http://')}"
    path_style = env.get("AWS_VIRTUAL_HOSTING", "FALSE").lower() not in _YES
    unsigned = any(env.get(name, "").lower() in _YES for name in ("AWS_NO_SIGN_REQUEST", "AWS_SKIP_SIGNATURE"))
    names = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    keys = {option: env.get(name.upper(), "") for option, name in names.items()}
    if not keys["access_key_id"]:
        keys = {option: kept.get(name, "") for option, name in names.items()}
    if unsigned or not (keys["access_key_id"] and keys["secret_access_key"]):
        elsewhere = not unsigned and (
            any(env.get(name) for name in _AWS_ELSEWHERE) or env.get("AWS_NO_SIGN_REQUEST", "").lower() == "no"
        )
        return Access(elsewhere, region, endpoint, path_style)
    return Access(True, region, endpoint, path_style, {option: value for option, value in keys.items() if value})


def _google(env: Mapping[str, str]) -> Access:
    if env.get("GS_NO_SIGN_REQUEST", "").lower() in _YES:
        return Access(False)
    if any(env.get(name) for name in _GOOGLE):
        return Access(True)
    usual = Path(env.get("HOME") or "/nonexistent", ".config", "gcloud", "application_default_credentials.json")
    return Access(True, keys={"application_credentials": str(usual)}) if usual.is_file() else Access(False)


def _section(file: Path, *names: str) -> dict[str, str]:
    """The first of some sections that a file has; nothing where it cannot be read."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}
    return next((dict(parser[name]) for name in names if parser.has_section(name)), {})
