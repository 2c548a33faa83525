from rsviewer.data.recent import MOST, RecentDataset, forget, load_recent, recent_path, remember


def of(name: str) -> RecentDataset:
    return RecentDataset(f"/data/{name}", name, "synrs3d", 17, "2026-11-21T10:00:00+01:00")


def test_the_newest_is_first_and_stands_there_once() -> None:
    assert load_recent() == ()
    for name in ("a", "b", "a"):
        remember(of(name))
    assert [each.title for each in load_recent()] == ["a", "b"]
    forget("/data/a")
    assert load_recent() == (of("b"),)


def test_the_list_stays_short() -> None:
    for number in range(MOST + 3):
        remember(of(str(number)))
    assert [each.title for each in load_recent()] == [str(number) for number in range(MOST + 2, 2, -1)]


def test_names_that_are_not_utf8_are_remembered() -> None:
    remember(of("t\udcfcr"))
    assert load_recent()[0].path == "/data/t\udcfcr"


def test_a_damaged_list_is_an_empty_one() -> None:
    remember(of("a"))
    recent_path().write_bytes(b"{")
    assert load_recent() == ()
    remember(of("b"))
    assert [each.title for each in load_recent()] == ["b"]
