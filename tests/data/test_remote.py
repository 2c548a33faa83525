"""Datasets on web servers and in object stores. The only server asked is one on this machine."""

import json
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from rsviewer.core.errors import DatasetNotFoundError, StoppedError
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Missing, Raster, Unreadable
from rsviewer.data.content import read_layer
from rsviewer.data.datasets.synrs3d import SynRS3DAdapter
from rsviewer.data.raster import read_raster
from rsviewer.data.remote import web
from rsviewer.data.remote.names import is_name, is_remote, location, remote_root, shown, url_of
from rsviewer.data.remote.pages import bucket_page, links
from rsviewer.data.remote.partly import BLOCK, Partly
from rsviewer.data.remote.stores import access
from rsviewer.data.remote.tree import Remote
from rsviewer.data.remote.web import Timing, Web
from rsviewer.data.tree import Patience

from .httpserver import Fault, Handler, Served, answers, breaks_off, fails_first, hangs, serving_with

TILES = [f"tile {number}%41#.tif" for number in range(7)]
QUICK = Timing(connect=2, answer=5, whole=10, tries=3, backoff=0)


@pytest.fixture(autouse=True)
def _nobodys_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "GS_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A dataset of two folders and a list, in a folder with a blank in its name; beside it something nobody opened."""
    root = tmp_path / "served" / "my sets"
    for folder in ("opt", "gt"):
        (root / folder).mkdir(parents=True)
        for number in range(7):
            (root / folder / f"tile {number}%41#.tif").write_bytes(bytes([number]) * 100)
    (root / "train.txt").write_text("tile 1\ntile 2\n")
    (root / "empty.txt").write_bytes(b"")
    (tmp_path / "served" / "secret.txt").write_text("not yours")
    with serving_with(tmp_path / "served") as server:
        yield server


@pytest.fixture
def remote(served: Served) -> Iterator[Remote]:
    tree = Remote(remote_root(f"{served.url}my%20sets"), timing=QUICK)
    yield tree
    tree.close()


@pytest.fixture
def bucket(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    pytest.importorskip("obstore", reason="the extra 'remote' is not installed")
    served.folder.joinpath("bucket").mkdir()
    served.folder.joinpath("my sets").rename(served.folder / "bucket" / "my sets")
    monkeypatch.setenv("AWS_ENDPOINT_URL", served.endpoint)
    tree = Remote(remote_root("s3://bucket/my sets/"), timing=QUICK)
    yield tree
    tree.close()


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path", "back"),
    [
        ("https://Host.org/a%20b/c/", "/vsicurl/https:/host.org/a b/c", "https://host.org/a b/c"),
        ("http://127.0.0.1:8000", "/vsicurl/http:/127.0.0.1:8000", "http://127.0.0.1:8000/"),
        (" https://[::1]:80/x ", "/vsicurl/https:/[::1]:80/x", "https://[::1]:80/x"),
        ("https://münchen.de/x", "/vsicurl/https:/xn--mnchen-3ya.de/x", "https://xn--mnchen-3ya.de/x"),
        ("S3://Bucket-1/a%20b/c", "/vsis3/Bucket-1/a%20b/c", "s3://Bucket-1/a%20b/c"),
        ("gs://some.bucket", "/vsigs/some.bucket", "gs://some.bucket/"),
    ],
)
def test_an_address_becomes_a_path_and_back(url: str, path: str, back: str) -> None:
    assert location(url) == remote_root(url)
    assert str(remote_root(url)) == path
    assert is_remote(path)
    assert shown(path) == back


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@host/x",
        "https://host/x?token=secret",
        "https://host/x#secret",
        "https:///x",
        "https://host:port/x",
        "https://ho st/x",
        "https://host/%2e%2e/x",
        "https://host/a%2Fb",
        "https://host/a%00b",
        "https://[::1/x",
        "file:///etc/passwd",
        "ftp://host/x",
        "s3://",
        "s3://b@d/x",
        "s3://bucket/../x",
        "/home/me",
        "",
    ],
)
def test_what_is_no_address_of_a_folder_is_refused_in_a_sentence_that_repeats_no_secret(url: str) -> None:
    with pytest.raises(DatasetNotFoundError) as caught:
        remote_root(url)
    assert str(caught.value).endswith(".")
    assert "secret" not in str(caught.value)


@given(st.lists(st.text(min_size=1).filter(is_name), max_size=4))
def test_any_name_survives_the_way_to_the_server(names: list[str]) -> None:
    from urllib.parse import unquote, urlsplit

    path = "/".join(["/vsicurl/https:/host", *names])
    parts = urlsplit(url_of(path))
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "host", "", "")
    assert unquote(parts.path, errors="surrogateescape").split("/")[1:] == (names or [""])


def test_a_path_on_a_disk_is_not_remote() -> None:
    assert not is_remote("/home/me/vsis3/x")
    assert location("/vsis3/bucket") == Path("/vsis3/bucket")
    assert location("a://b.tif".replace("://", ":/")) == Path("a:/b.tif")
    assert location("file:///home/a%20b/x.zip") == Path("/home/a b/x.zip")


@pytest.mark.parametrize("typed", ["htps://host/sets", "ftp://host/sets", " hdfs://node/sets"])
def test_an_address_of_another_kind_is_not_taken_for_a_folder_here(typed: str) -> None:
    with pytest.raises(DatasetNotFoundError, match="Only addresses that start with https://"):
        location(typed)
    assert shown("/home/me") == "/home/me"


# -- index pages -------------------------------------------------------------------------------------------------------

BASE = "https://host/data/my%20set/"


def test_only_links_to_something_directly_below_the_folder_count() -> None:
    hostile = """../ / .. . ./ ?C=M;O=A #top ../other/x.tif /etc/passwd https://evil.org/x.tif //evil.org/x.tif
        https://host:444/data/my%20set/x.tif javascript:alert(1) file:///data/my%20set/x.tif data:text/html,x mailto:a@b
        a%2Fb.tif %2e%2e/ %2E%2E%2Fx.tif a%5cb.tif a%00.tif a%0A.tif deep/er.tif x.tif?download=1 https://[ \\evil\\x.tif
    """.split()  # noqa: SIM905 - as a list it would fill the page
    good = [
        "a.tif",
        "./b.tif",
        "/data/my%20set/c.tif",
        BASE + "d%23%25.tif",
        "https://HOST/data/my set/e.tif",
        "sub/",
        "a.tif",
    ]
    page = "".join(f"<a class=x HREF='{href}'>x</a>" for href in ["", *hostile, *good])
    found = [(item.name, item.folder) for item in links([page], BASE)]
    assert found == [
        ("a.tif", False),
        ("b.tif", False),
        ("c.tif", False),
        ("d#%.tif", False),
        ("e.tif", False),
        ("sub", True),
    ]


@pytest.mark.parametrize(
    "page",
    [
        '<tr><td><a href="a%20b.tif">a b..&gt;</a></td><td align="right">2024-01-01 10:00</td></tr><a href="s/">s/</a>',
        '<pre><a href="../">../</a>\n<a href="a%20b.tif">a b.tif</a>   01-Jan-2024 10:00   12345\n<a href="s/">s/</a></pre>',
        '<ul>\n<li><a href="a%20b.tif">a b.tif</a></li>\n<li><a href="s/">s/</a></li>\n</ul>',
    ],
    ids=["apache", "nginx", "python"],
)
def test_the_index_pages_of_the_usual_servers_are_understood_in_pieces_of_any_size(page: str) -> None:
    for size in (1, 7, 1000):
        pieces = [page[start : start + size] for start in range(0, len(page), size)]
        assert [(item.name, item.folder) for item in links(pieces, BASE)] == [("a b.tif", False), ("s", True)]


@given(st.text(alphabet=st.sampled_from("<a href='\"/>!-.%2F&;x\n?")))
def test_no_page_yields_a_name_that_leads_elsewhere(page: str) -> None:
    assert all(is_name(item.name) for item in links([page], BASE))


def test_a_tag_without_end_is_given_up() -> None:
    with pytest.raises(ValueError, match="does not end"):
        list(links(["<a href='"] + ["x" * 70_000] * 40, BASE))


def test_the_listing_of_a_bucket_tells_names_sizes_and_times() -> None:
    page = bucket_page(
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>"
        "<Contents><Key>p/</Key><Size>0</Size></Contents><Contents><Key>p/a%20b.tif</Key><Size>12</Size>"
        "<LastModified>1970-01-01T00:00:02.000Z</LastModified></Contents><Contents><Key>p/../x</Key></Contents>"
        "<Contents><Key>q/x</Key></Contents><Contents><Key>p/big</Key><Size>99999999999999999999</Size></Contents>"
        "<CommonPrefixes><Prefix>p/sub/</Prefix></CommonPrefixes></ListBucketResult>",
        "p/",
    )
    assert [(item.name, item.folder, item.size, item.changed) for item in page.items] == [
        ("a b.tif", False, 12, 2_000_000_000),
        ("big", False, -1, 0),
        ("sub", True, -1, 0),
    ]
    assert page.more == "a&b"


# -- the tree, on a web server and in a bucket alike ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_names_and_bytes_are_as_on_a_disk(where: str, request: pytest.FixtureRequest) -> None:
    tree: Remote = request.getfixturevalue(where)
    assert sorted(tree.names(tree.root)) == ["empty.txt", "gt", "opt", "train.txt"]
    assert sorted(tree.names(f"{tree.root}/opt")) == TILES
    with tree.scan(tree.root) as entries:
        assert sorted(entry.name for entry in entries if entry.is_dir()) == ["gt", "opt"]
    assert tree.is_folder(tree.root)
    assert tree.is_folder(f"{tree.root}/gt")
    assert not tree.is_folder(f"{tree.root}/train.txt")
    assert tree.is_file(f"{tree.root}/train.txt")
    assert not tree.is_file(f"{tree.root}/gt")
    assert not tree.is_file(f"{tree.root}/val.txt")
    assert tree.read(f"{tree.root}/train.txt", 6) == b"tile 1"
    assert tree.read(f"{tree.root}/train.txt", 100) == b"tile 1\ntile 2\n"
    assert tree.read(f"{tree.root}/empty.txt", 100) == b""
    assert tree.place(f"{tree.root}/opt/{TILES[3]}").content == bytes([3]) * 100
    assert tree.stamp(f"{tree.root}/train.txt")[1] == 14
    assert tree.stamp(f"{tree.root}/opt") == (0, 0)


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_a_file_that_nobody_listed_is_found_and_one_that_is_not_there_is_not(
    where: str, request: pytest.FixtureRequest
) -> None:
    tree: Remote = request.getfixturevalue(where)
    assert tree.is_file(f"{tree.root}/train.txt")
    assert not tree.is_file(f"{tree.root}/val.txt")
    assert tree.is_folder(f"{tree.root}/opt")
    assert not tree.is_folder(f"{tree.root}/nope")
    for ask in (tree.names, tree.place, tree.stamp, lambda path: tree.read(path, 1)):
        with pytest.raises(FileNotFoundError):
            ask(f"{tree.root}/nope")


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_what_lies_outside_the_opened_folder_is_never_asked_for(
    where: str, request: pytest.FixtureRequest, served: Served
) -> None:
    tree: Remote = request.getfixturevalue(where)
    above = tree.root.rpartition("/")[0]
    for path in (
        above,
        f"{above}/secret.txt",
        f"{tree.root}/../secret.txt",
        f"{tree.root}x/train.txt",
        "/etc/passwd",
        "/vsicurl/http:/evil.org/x",
    ):
        assert not tree.is_file(path)
        assert not tree.is_folder(path)
        with pytest.raises(FileNotFoundError):
            tree.read(path, 10)
        with pytest.raises(FileNotFoundError):
            tree.place(path)
        with pytest.raises(FileNotFoundError):
            tree.names(path)
    assert served.requests == []


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_a_tile_costs_one_request_and_a_second_look_none(
    where: str, request: pytest.FixtureRequest, served: Served
) -> None:
    tree: Remote = request.getfixturevalue(where)
    path = f"{tree.root}/opt/tile 3%41#.tif"
    first = tree.place(path)
    assert len(served.requests) == 1
    assert tree.place(path) == first
    assert tree.read(path, 5) == b"\3" * 5
    assert len(served.requests) == 1


def test_a_folder_is_listed_once_until_asked_to_look_again(remote: Remote, served: Served) -> None:
    assert remote.names(remote.root) == remote.names(remote.root)
    assert remote.is_folder(f"{remote.root}/opt")
    assert served.requests == ["GET /my%20sets/"]
    (served.folder / "my sets" / "val.txt").write_text("tile 3\n")
    assert "val.txt" not in remote.names(remote.root)
    remote.refresh()
    assert "val.txt" in remote.names(remote.root)


def test_who_needs_a_few_names_does_not_wait_for_all_and_loses_none(
    remote: Remote, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.remote.tree._PIECE", 2)
    for _ in range(2):
        with remote.scan(f"{remote.root}/opt") as entries:
            assert [entry.name for entry in islice(entries, 2)] == TILES[:2]
    assert len(served.requests) == 1
    assert remote.names(f"{remote.root}/opt") == TILES
    assert remote.names(f"{remote.root}/opt") == TILES
    assert len(served.requests) == 2


def test_a_small_folder_is_listed_once_whoever_looks_first(remote: Remote, served: Served) -> None:
    with remote.scan(remote.root):
        pass
    assert not remote.is_file(f"{remote.root}/rsviewer-dataset.toml")
    assert len(remote.names(remote.root)) == 4
    assert served.requests == ["GET /my%20sets/"]


def test_listings_are_kept_from_one_session_to_the_next(served: Served, tmp_path: Path) -> None:
    kept = Patience(tables=tmp_path / "project")
    root = remote_root(f"{served.url}my%20sets")
    first = Remote(root, kept, QUICK)
    names = first.names(first.root)
    first.save()
    first.close()
    served.requests.clear()
    second = Remote(root, kept, QUICK)
    assert second.names(second.root) == names
    assert second.is_folder(f"{second.root}/opt")
    assert served.requests == []
    second.refresh()
    second.names(second.root)
    assert len(served.requests) == 1
    second.close()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_damaged_listing_is_made_anew(content: bytes, served: Served, tmp_path: Path) -> None:
    (tmp_path / "listings.json.z").write_bytes(content)
    tree = Remote(remote_root(f"{served.url}my%20sets"), Patience(tables=tmp_path), QUICK)
    assert len(tree.names(tree.root)) == 4
    tree.close()


def test_listing_says_how_far_it_is_and_can_be_stopped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsviewer.data.remote.tree._PIECE", 2)
    told: list[tuple[str, int, int | None]] = []
    root = remote_root(f"{served.url}my%20sets/opt")
    patience = Patience(progress=lambda *said: told.append(said), stop=lambda: len(told) > 1)
    tree = Remote(root, patience, QUICK)
    with pytest.raises(StoppedError):
        tree.names(tree.root)
    assert told[0] == (f"the folder {served.url}my sets/opt", 2, None)
    patient = Remote(root, timing=QUICK)
    assert sorted(patient.names(patient.root)) == TILES
    tree.close()
    patient.close()


def test_several_threads_read_at_once(remote: Remote) -> None:
    wrong: list[int] = []

    def read(number: int) -> None:
        for _ in range(5):
            content = remote.read(f"{remote.root}/opt/tile {number}%41#.tif", 1000)
            if content != bytes([number]) * 100 or len(remote.names(f"{remote.root}/gt")) != 7:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- what can go wrong ---------------------------------------------------------------------------------------------------


def test_a_server_in_trouble_is_asked_again(remote: Remote, served: Served) -> None:
    served.faults["/my sets/"] = fails_first(2, 503)
    served.faults["/my sets/train.txt"] = fails_first(1)
    assert len(remote.names(remote.root)) == 4
    assert remote.read(f"{remote.root}/train.txt", 4) == b"tile"
    assert len(served.requests) == 5


def test_a_bucket_in_trouble_is_asked_again(bucket: Remote, served: Served) -> None:
    served.faults["/bucket/my sets/train.txt"] = fails_first(2, 503)
    assert bucket.read(f"{bucket.root}/train.txt", 4) == b"tile"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, FileNotFoundError, "no such file"),
        (410, FileNotFoundError, "no such file"),
        (401, PermissionError, "credentials"),
        (403, PermissionError, "credentials"),
        (500, OSError, "trouble"),
        (418, OSError, "418"),
    ],
)
def test_every_refusal_is_a_clause(
    status: int, kind: type[OSError], words: str, remote: Remote, served: Served
) -> None:
    served.faults["/my sets/train.txt"] = answers(status, b"<html>no</html>")
    with pytest.raises(kind) as caught:
        remote.place(f"{remote.root}/train.txt")
    assert words in caught.value.strerror


@pytest.mark.parametrize("status", [401, 403])
def test_a_bucket_that_is_not_public_says_so(status: int, bucket: Remote, served: Served) -> None:
    served.faults["/bucket/my sets/train.txt"] = answers(
        status, b"<Error><Code>AccessDenied</Code></Error>", "application/xml"
    )
    with pytest.raises(PermissionError, match="without credentials"):
        bucket.place(f"{bucket.root}/train.txt")


def test_an_answer_that_breaks_off_is_no_content(remote: Remote, served: Served) -> None:
    served.faults["/my sets/train.txt"] = breaks_off
    served.faults["/my sets/opt/"] = breaks_off
    with pytest.raises(OSError, match="broke off"):
        remote.place(f"{remote.root}/train.txt")
    with pytest.raises(OSError, match="broke off"):
        remote.names(f"{remote.root}/opt")
    assert len(served.requests) == 2 * QUICK.tries


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://evil.org/x", "another one, evil.org"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("http://127.0.0.1:1/x", "another one"),
        ("http://localhost/x", "localhost"),
        ("file:///etc/passwd", "not on the web"),
        ("gopher://x/", "not on the web"),
        ("http://[", "none"),
        ("train.txt", "circles"),
    ],
)
def test_a_redirect_elsewhere_is_refused_and_named(location: str, words: str, remote: Remote, served: Served) -> None:
    served.faults["/my sets/train.txt"] = answers(302, Location=location)
    with pytest.raises(OSError, match="sends us") as caught:
        remote.read(f"{remote.root}/train.txt", 10)
    assert words in caught.value.strerror
    assert {line.split()[1] for line in served.requests} == {"/my%20sets/train.txt"}


def test_a_redirect_on_the_same_server_is_followed(remote: Remote, served: Served) -> None:
    served.faults["/my sets/opt/"] = answers(301, Location="/my%20sets/gt/")
    served.faults["/my sets/train.txt"] = answers(307, Location="empty.txt")
    assert len(remote.names(f"{remote.root}/opt")) == 7
    assert remote.read(f"{remote.root}/train.txt", 9) == b""


def test_an_index_page_without_end_is_given_up(remote: Remote, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_PAGE", 100_000)
    served.faults["/my sets/"] = answers(200, b"<a href='x.tif'>x</a>" * 10_000)
    with pytest.raises(OSError, match="larger than"):
        remote.names(remote.root)


def test_a_file_in_the_place_of_a_folder_is_no_folder(remote: Remote, served: Served) -> None:
    served.faults["/my sets/train.txt/"] = answers(200, b"tile 1", "text/plain")
    with pytest.raises(NotADirectoryError):
        remote.names(f"{remote.root}/train.txt")
    assert not remote.is_folder(f"{remote.root}/train.txt")


def test_a_server_that_gives_no_parts_still_gives_beginnings_and_whole_files(remote: Remote, served: Served) -> None:
    served.ranges = False
    assert remote.read(f"{remote.root}/train.txt", 6) == b"tile 1"
    content = remote.place(f"{remote.root}/train.txt").content
    assert content is not None
    assert len(content) == 14


def test_what_speaks_no_http_is_a_clause(remote: Remote, served: Served) -> None:
    def speaks_otherwise(handler: object) -> bool:
        handler.wfile.write(b"220 ftp ready\r\n")  # type: ignore[attr-defined]
        handler.close_connection = True  # type: ignore[attr-defined]
        return True

    served.faults["/my sets/"] = speaks_otherwise  # type: ignore[assignment]
    with pytest.raises(OSError, match="as a web server does"):
        remote.names(remote.root)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serving_with(tmp_path) as gone:
        pass
    tree = Remote(remote_root(gone.url), timing=QUICK)
    with pytest.raises(OSError, match="takes no connections"):
        tree.names(tree.root)
    tree.close()


def test_a_server_that_does_not_answer_is_given_up_after_a_while(remote: Remote, served: Served) -> None:
    impatient = Remote(remote.root, timing=Timing(answer=0.05, tries=1))
    served.faults["/my sets/"] = hangs
    with pytest.raises(OSError, match="does not answer"):
        impatient.names(impatient.root)
    impatient.close()


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_closing_ends_a_request_that_hangs_at_once(where: str, request: pytest.FixtureRequest, served: Served) -> None:
    tree: Remote = request.getfixturevalue(where)
    asked, said = threading.Event(), []

    def hang(handler: object) -> bool:
        asked.set()
        return hangs(handler)  # type: ignore[arg-type]

    prefix = "/bucket" if where == "bucket" else ""
    served.faults[f"{prefix}/my sets/train.txt"] = hang  # type: ignore[assignment]

    def read() -> None:
        try:
            tree.read(f"{tree.root}/train.txt", 1)
        except OSError as error:
            said.append(error.strerror)

    reader = threading.Thread(target=read)
    reader.start()
    assert asked.wait(60)
    tree.close()
    reader.join(60)
    assert said == ["the dataset was closed meanwhile"]
    with pytest.raises(OSError, match="closed"):
        tree.names(f"{tree.root}/gt")


# -- a public bucket by https --------------------------------------------------------------------------------------------


def test_a_public_bucket_opens_by_its_web_address(served: Served) -> None:
    """Its server has no index pages; the bucket is the first folder of the address."""
    missing = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"
    served.folder.joinpath("bucket").mkdir()
    served.folder.joinpath("my sets").rename(served.folder / "bucket" / "my sets")
    for folder in ("", "opt/", "nope/"):
        served.faults[f"/bucket/my sets/{folder}"] = answers(404, missing, "application/xml")
    tree = Remote(remote_root(f"{served.url}bucket/my%20sets"), timing=QUICK)
    assert sorted(tree.names(tree.root)) == ["empty.txt", "gt", "opt", "train.txt"]
    assert len(tree.names(f"{tree.root}/opt")) == 7
    assert tree.stamp(f"{tree.root}/train.txt")[1] == 14
    with pytest.raises(FileNotFoundError):
        tree.names(f"{tree.root}/nope")
    tree.close()


# -- credentials ---------------------------------------------------------------------------------------------------------


def test_credentials_come_from_the_environment_or_the_profile_and_are_never_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=K1\naws_secret_access_key=S1%1\n[work]\naws_access_key_id=K2\naws_secret_access_key=S2\n"
    )
    (home / ".aws" / "config").write_text(
        "[default]\nregion=eu-west-1\n[profile work]\nregion=us-west-2\nendpoint_url=https://minio\n"
    )
    env = {"HOME": str(home)}
    assert access("s3", env).keys == {"access_key_id": "K1", "secret_access_key": "S1%1"}
    assert access("s3", env).region == "eu-west-1"
    work = access("s3", env | {"AWS_PROFILE": "work"})
    assert (work.region, work.endpoint, work.keys["access_key_id"]) == ("us-west-2", "https://minio", "K2")
    from_env = access("s3", env | {"AWS_ACCESS_KEY_ID": "K3", "AWS_SECRET_ACCESS_KEY": "S3", "AWS_SESSION_TOKEN": "T"})
    assert from_env.keys == {"access_key_id": "K3", "secret_access_key": "S3", "session_token": "T"}
    assert "S3" not in repr(from_env)
    assert not access("s3", env | {"AWS_NO_SIGN_REQUEST": "YES"}).signed
    assert not access("s3", {}).signed
    assert access("s3", {"AWS_WEB_IDENTITY_TOKEN_FILE": "x"}).signed
    assert access("s3", {"AWS_S3_ENDPOINT": "host:1", "AWS_HTTPS": "NO"}).endpoint == "http://host:1"
    assert not access("gs", {"HOME": str(home)}).signed
    assert access("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "x"}).signed


def test_a_bucket_is_asked_unsigned_without_credentials_and_signed_with(
    bucket: Remote, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.read(f"{bucket.root}/train.txt", 1)
    assert not any("authorization" in map(str.lower, headers) for headers in served.headers)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    signing = Remote(bucket.root, timing=QUICK)
    signing.read(f"{bucket.root}/train.txt", 1)
    signing.close()
    sent = {name.lower(): value for name, value in served.headers[-1].items()}
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=KEY/")
    assert "SECRET" not in json.dumps(sent)


def test_a_google_bucket_is_read_alike(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason="the extra 'remote' is not installed")
    account = tmp_path / "account.json"
    account.write_text(
        json.dumps(
            {
                "gcs_base_url": served.endpoint,
                "disable_oauth": True,
                "client_email": "",
                "private_key": "",
                "private_key_id": "",
            }
        )
    )
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
    tree = Remote(remote_root("gs://my sets".replace(" ", "-")), timing=QUICK)
    (served.folder / "my sets").rename(served.folder / "my-sets")
    assert sorted(tree.names(tree.root)) == ["empty.txt", "gt", "opt", "train.txt"]
    assert tree.read(f"{tree.root}/train.txt", 4) == b"tile"
    tree.close()


def test_the_password_of_a_server_is_never_sent_unencrypted(remote: Remote, served: Served, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "home" / ".netrc").chmod(0o600)
    remote.names(remote.root)
    assert not any("authorization" in map(str.lower, headers) for headers in served.headers)
    assert web._authorization("https", "127.0.0.1") == {"Authorization": "Basic bWU6c2VjcmV0"}


# -- large files ---------------------------------------------------------------------------------------------------------


@given(st.data())
def test_reading_partly_gives_what_is_there(data: st.DataObject) -> None:
    content = np.random.default_rng(0).bytes(3 * BLOCK + 1000)
    file = Partly(len(content), lambda offset, length: content[offset : offset + length])
    for _ in range(4):
        place, length = data.draw(st.integers(0, len(content) + 10)), data.draw(st.integers(0, 2 * BLOCK))
        file.seek(place)
        assert file.read(length) == content[place : place + length]
    assert file.error is None


def test_a_file_read_from_front_to_back_needs_few_requests() -> None:
    asked: list[int] = []

    def part(offset: int, length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    file = Partly(40 << 20, part)
    while file.read(10_000):
        pass
    assert sum(asked) == 40 << 20
    assert len(asked) < 20


def test_a_part_that_cannot_be_had_is_remembered_and_ends_the_file() -> None:
    def part(offset: int, length: int) -> bytes:
        raise OSError(None, "gone")

    file = Partly(100, part)
    assert file.read(10) == b""
    assert file.error is not None
    assert Partly(100, lambda offset, length: b"short").read(10) == b""


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_a_large_file_is_not_fetched_whole(
    where: str, request: pytest.FixtureRequest, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.remote.tree.SMALL", 50)
    tree: Remote = request.getfixturevalue(where)
    place = tree.place(f"{tree.root}/opt/tile 3%41#.tif")
    assert (place.content, place.size, place.remote) == (None, 100, True)
    assert place.file is not None
    place.file.seek(90)
    assert place.file.read(100) == b"\3" * 10


def test_a_web_keeps_its_connections(served: Served) -> None:
    """One connection serves many requests, refused ones included."""
    client = Web(QUICK)
    path = str(remote_root(f"{served.url}my%20sets"))
    client.part(f"{path}/train.txt", 0, 5)
    with pytest.raises(FileNotFoundError):
        client.whole(f"{path}/nope", 5)
    client.head(f"{path}/train.txt")
    assert len(list(client.items(path))) == 4
    assert [len(idle) for idle in client._idle.values()] == [1]
    client.close()


# -- rasters -------------------------------------------------------------------------------------------------------------

OPT = LayerSpec(LayerId("opt"), LayerKind.OPTICAL, "Image")


@pytest.fixture
def rasters(served: Served) -> np.ndarray:
    """opt/scene.tif, tiled, with overviews, and a sidecar that says something else; its pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 1024, 1024), dtype=np.uint8)
    file = served.folder / "my sets" / "opt" / "scene.tif"
    profile = {"driver": "GTiff", "width": 1024, "height": 1024, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(
        file, "w", crs="EPSG:32654", transform=rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 4e6), **profile
    ) as tif:
        tif.write(pixels)
    with rasterio.open(file, "r+") as tif:
        tif.build_overviews([2, 4])
    file.with_name("scene.tif.aux.xml").write_text("<PAMDataset><Metadata/></PAMDataset>")
    return pixels


@pytest.fixture(params=["whole", "partly"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Files are fetched whole, or taken for large ones."""
    if request.param == "partly":
        monkeypatch.setattr("rsviewer.data.remote.tree.SMALL", 3)
    return str(request.param)


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_a_raster_is_the_same_from_afar_and_nothing_beside_it_is_asked_for(
    where: str, either_way: str, rasters: np.ndarray, request: pytest.FixtureRequest, served: Served
) -> None:
    tree: Remote = request.getfixturevalue(where)
    raster = read_raster(Path(tree.root, "opt", "scene.tif"), OPT, tree)
    assert isinstance(raster, Raster)
    np.testing.assert_array_equal(raster.pixels, rasters)
    assert raster.gsd == 0.5
    assert {line.split()[1].rpartition("/")[2] for line in served.requests} == {"scene.tif"}
    assert len(served.requests) <= (1 if either_way == "whole" else 12)


def test_of_a_large_raster_only_the_wanted_overview_is_fetched(
    remote: Remote, rasters: np.ndarray, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.remote.tree.SMALL", 3)
    asked: list[int] = []
    part = remote._source.part
    monkeypatch.setattr(
        remote._source, "part", lambda path, offset, length: asked.append(length) or part(path, offset, length)
    )
    raster = read_raster(Path(remote.root, "opt", "scene.tif"), OPT, remote, max_pixels=256 * 256)
    assert isinstance(raster, Raster)
    assert raster.pixels.shape == (3, 256, 256)
    assert sum(asked) < 1_200_000
    assert len(asked) <= 4


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (answers(404), Missing, "No file http://127.0.0.1"),
        (answers(403), Unreadable, "credentials (HTTP 403)."),
        (answers(500), Unreadable, "The server is in trouble (HTTP 500): try again later."),
        (answers(200, b"<!DOCTYPE html><html>log in</html>"), Unreadable, "A web page"),
        (answers(200, b""), Unreadable, "empty"),
        (breaks_off, Unreadable, "broke off"),
        (answers(302, Location="https://evil.org/"), Unreadable, "sends us to another one, evil.org"),
    ],
)
def test_a_raster_that_cannot_be_had_says_why(
    fault: Fault, kind: type, words: str, remote: Remote, rasters: np.ndarray, served: Served
) -> None:
    served.faults["/my sets/opt/scene.tif"] = fault
    content = read_raster(Path(remote.root, "opt", "scene.tif"), OPT, remote)
    assert isinstance(content, kind)
    assert words in content.reason
    assert content.reason.endswith(".")


def test_a_large_raster_on_a_server_that_fails_midway_says_so(
    remote: Remote, rasters: np.ndarray, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsviewer.data.remote.tree.SMALL", 3)
    good = [3]

    def fault(handler: Handler) -> bool:
        good[0] -= 1
        return good[0] < 0 and answers(503)(handler)

    served.faults["/my sets/opt/scene.tif"] = fault
    content = read_raster(Path(remote.root, "opt", "scene.tif"), OPT, remote)
    assert isinstance(content, Unreadable)
    assert content.reason == "The server is in trouble (HTTP 503): try again later."
    served.faults.clear()
    served.ranges = False
    content = read_raster(Path(remote.root, "opt", "scene.tif"), OPT, remote)
    assert isinstance(content, Unreadable)
    assert "gives no parts of files" in content.reason


@pytest.mark.parametrize("where", ["remote", "bucket"])
def test_a_dataset_is_the_same_from_afar(
    where: str, tiny_dataset: Path, served: Served, request: pytest.FixtureRequest
) -> None:
    near = SynRS3DAdapter()
    here = near.describe(tiny_dataset)
    tiny_dataset.rename(served.folder / "my sets" / "tiny")
    tree: Remote = request.getfixturevalue(where)
    far = SynRS3DAdapter(tree)
    root = Path(tree.root, "tiny")
    assert far.recognises(root)
    there = far.describe(root)
    assert [layer.id for layer in there.layers] == [layer.id for layer in here.layers]
    entries = list(far.scan(there))
    assert [entry.id for entry in entries] == ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3"]
    heights = next(layer for layer in there.layers if layer.kind is LayerKind.HEIGHT)
    height = read_layer(entries[1], heights, tree)
    assert isinstance(height, Raster)
    assert height.pixels[0, 2, 3] == 3 + 10 * 2 + 2
    assert isinstance(read_layer(entries[4], heights, tree), Unreadable)
