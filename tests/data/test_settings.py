import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsviewer.core.errors import SettingsError
from rsviewer.core.review import ANOMALIES, Anomaly
from rsviewer.core.scene import View
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.tile import LayerId, TileId
from rsviewer.data.settings import (
    LIMITS,
    Loaded,
    Preferences,
    Session,
    Theme,
    load_preferences,
    load_session,
    preferences_path,
    save,
    write_atomically,
)

layer_ids = st.sampled_from([LayerId("opt"), LayerId("gt_ndsm")])
shares = st.floats(0, 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
styles = st.builds(
    Style,
    bands=st.lists(st.integers(0, 12), max_size=3).map(tuple),
    range_mode=st.sampled_from(RangeMode),
    percent=st.floats(0, 50),
    low=finite,
    color_table=st.text(max_size=9),
    hillshade=shares,
    hidden=st.frozensets(st.integers(-9, 9), max_size=3),
)
sessions = st.builds(
    Session,
    tile=st.none() | st.text().map(TileId),
    ordinal=st.integers(0, 2**40),
    filter=st.text(),
    view=st.builds(View, st.none() | st.tuples(finite, finite), st.none() | st.floats(0.1, 9)),
    stack=st.integers(1, 4),
    hidden=st.lists(layer_ids).map(tuple),
    active=st.none() | layer_ids,
    linked=st.booleans(),
    swipe=st.none() | shares,
    styles=st.dictionaries(layer_ids, styles),
    unlocked=st.dictionaries(layer_ids, styles),
)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@same_folder
@given(sessions)
def test_a_session_comes_back_as_it_was(tmp_path: Path, session: Session) -> None:
    save(tmp_path / "session.json", session)

    assert load_session(tmp_path / "session.json") == Loaded(session)


def test_preferences_come_back_as_they_were(tmp_path: Path) -> None:
    preferences = Preferences(
        reviewer="Ö\udcfc \u2028",
        theme=Theme.LIGHT,
        keys={"good": ("Space", "K"), "drop": ()},
        anomalies=(Anomaly("haze", "Häze"), ANOMALIES[1]),
        cache_bytes=2**31,
        threads=3,
        motion=False,
    )

    save(tmp_path / "deep" / "preferences.json", preferences)

    assert load_preferences(tmp_path / "deep" / "preferences.json") == Loaded(preferences)


def test_where_nothing_was_saved_the_defaults_hold(tmp_path: Path) -> None:
    assert load_session(tmp_path / "none.json") == Loaded(Session())


def test_a_wrong_value_gives_way_to_its_default_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    session = {
        "stack": 9, "filter": 7, "linked": "yes", "opacity": float("nan"), "swipe": True, "ordinal": 1.5,
        "view": {"zoom": 1e999, "center": [1]}, "hidden": ["opt", 3], "tile": "kept", "columns": 10**400,
        "styles": {"opt": {"gamma": 0, "invert": True}, "dem": "cividis"},
    }  # fmt: skip
    path.write_text(json.dumps(session))

    value, messages = load_session(path).value, load_session(path).messages

    kept = {LayerId("opt"): Style(invert=True)}
    assert value == replace(Session(), tile=TileId("kept"), hidden=(LayerId("opt"),), styles=kept)
    told = "\n".join(messages)
    for name in ("stack", "filter", "linked", "opacity", "swipe", "ordinal", "view.zoom", "view.center", "columns"):
        assert f" {name} is not used" in told
    for name in ("hidden.1", "styles.opt.gamma", "styles.dem"):
        assert f" {name} is not used" in told
    assert "stack is not used: 9 is not between 1 and 4" in told


def test_an_anomaly_without_its_tag_is_left_out_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    path.write_text('{"anomalies": [{"title": "Nameless"}, {"tag": "haze", "title": "Haze"}]}')

    loaded = load_preferences(path)

    assert loaded.value.anomalies == (Anomaly("haze", "Haze"),)
    assert "anomalies.0 is not used: tag is missing" in loaded.messages[0]


def test_what_a_newer_version_wrote_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text('{"hologram": {"depth": 3}, "stack": 2}')

    assert load_session(path) == Loaded(Session(stack=2))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"\xff\xfe{", b"\x00" * 64, b"null", b"[" * 100_000, b'{"ordinal": ' + b"9" * 5000 + b"}"]
)
def test_a_damaged_file_is_kept_aside(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "session.json"
    (tmp_path / "session.json.broken").write_text("an older one")
    path.write_bytes(raw)

    loaded = load_session(path)

    assert loaded.value == Session()
    assert "damaged" in loaded.messages[0]
    assert "session.json.broken-2" in loaded.messages[0]
    assert (tmp_path / "session.json.broken-2").read_bytes() == raw
    assert not path.exists()


def test_a_folder_in_the_place_of_the_file_is_survived(tmp_path: Path) -> None:
    loaded = load_session(tmp_path)

    assert loaded.value == Session()
    assert "cannot be read" in loaded.messages[0]


def test_a_failed_save_says_so_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.json"
    save(path, Session(stack=2))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsviewer.data.settings.os.fsync", full)
    with pytest.raises(SettingsError, match=r"session\.json.*No space left"):
        save(path, Session(stack=3))

    assert load_session(path).value.stack == 2
    assert [each.name for each in tmp_path.iterdir()] == ["session.json"]


def test_a_settings_file_that_is_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "preferences.json"
    target.parent.mkdir()
    target.write_bytes(b"{}")
    link = tmp_path / "preferences.json"
    link.symlink_to(target)

    write_atomically(link, b'{"threads": 2}')

    assert link.is_symlink()
    assert target.read_bytes() == b'{"threads": 2}'


def test_everything_of_the_user_can_live_in_one_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSVIEWER_HOME", str(tmp_path))
    assert preferences_path() == tmp_path / "preferences.json"

    monkeypatch.setenv("RSVIEWER_HOME", "")
    assert preferences_path().name == "preferences.json"
    assert preferences_path() != tmp_path / "preferences.json"


def test_every_limit_belongs_to_a_field_and_holds_for_its_default() -> None:
    for (kind, name), (low, high) in LIMITS.items():
        default = getattr(kind(), name)
        for number in default if isinstance(default, tuple) else (default,):
            assert number is None or low <= number <= high
