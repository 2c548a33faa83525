import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rsviewer.cli import doctor
from rsviewer.cli.doctor import (
    Check,
    check_cache,
    check_checks,
    check_disk,
    check_networks,
    check_opengl,
    check_package,
    check_search,
    check_stores,
    check_torch,
    check_window,
)
from rsviewer.data.marker import opengl_marker

Run = Callable[..., Any]


def probes(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    monkeypatch.setattr(doctor, "probe", lambda *_, **__: answer)


def test_the_document_is_a_list_of_checks(run: Run) -> None:
    done = run("doctor", "--json")

    checks = done.document
    assert all(set(check) == {"name", "value", "ok", "advice"} for check in checks)
    names = {check["name"] for check in checks}
    assert names >= {"Python", "GDAL", "display", "Qt window", "OpenGL", "torch", "memory", "cores", "disk", "fonts"}
    assert done.code == (0 if all(check["ok"] for check in checks) else 1)
    assert all(check["advice"] for check in checks if not check["ok"])


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_something_wrong_is_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch, ok: bool, code: int) -> None:
    for name in [name for name in vars(doctor) if name.startswith("check_")]:
        monkeypatch.setattr(doctor, name, lambda *_: [])
    monkeypatch.setattr(doctor, "check_gdal", lambda: [Check("GDAL", "1.0", ok, "" if ok else "Get a newer one.")])

    done = run("doctor")

    assert done.code == code
    assert ("Get a newer one." in done.out) is not ok


def test_a_qt_that_dies_is_reported_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, "does not start (SIGABRT): no xcb")

    window = next(check for check in check_window() if check.name == "Qt window")

    assert not window.ok
    assert "SIGABRT" in window.value
    assert "install" in window.advice


def test_a_machine_without_letters_is_told_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, {"platform": "xcb", "qt": "6.11.3", "screen": "", "fonts": 0})

    fonts = next(check for check in check_window() if check.name == "fonts")

    assert not fonts.ok
    assert "fonts-dejavu-core" in fonts.advice


@pytest.mark.parametrize(
    ("renderer", "remark"), [("llvmpipe (LLVM 15.0.6)", "slow"), ("NVIDIA RTX", ""), ("", "3D view")]
)
def test_slow_or_no_opengl_is_a_remark_not_a_fault(monkeypatch: pytest.MonkeyPatch, renderer: str, remark: str) -> None:
    probes(monkeypatch, {"renderer": renderer, "version": "4.5", "why": "" if renderer else "EGL knows no device"})

    (check,) = check_opengl()

    assert check.ok
    assert remark in check.advice
    assert bool(remark) is bool(check.advice)
    assert (renderer or "EGL knows no device") in check.value


def test_a_driver_that_dies_in_the_probe_is_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, "does not start (SIGSEGV): without a word")
    (check,) = check_opengl()
    assert check.ok
    assert "SIGSEGV" in check.value


def test_opengl_that_ended_the_program_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, {"renderer": "NVIDIA RTX", "version": "4.5", "why": ""})
    opengl_marker().parent.mkdir(parents=True, exist_ok=True)
    opengl_marker().write_text("1 0\n")  # of a process that is no more
    (check,) = check_opengl()
    assert check.ok
    assert str(opengl_marker()) in check.advice


@pytest.mark.gl
def test_opengl_is_found_where_there_is_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    (check,) = check_opengl()
    if check.value.startswith("none"):
        pytest.skip(f"there is no OpenGL without a display: {check.value}")
    assert check.value.endswith("without a display")


def test_torch_is_tried_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, "exit code 1: ImportError: no libcudart")
    monkeypatch.setattr(doctor, "_installed", lambda _: "")
    assert [check.ok for check in check_torch()] == [True]

    monkeypatch.setattr(doctor, "_installed", lambda _: "2.13.0")
    (broken,) = check_torch()
    assert not broken.ok
    assert "libcudart" in broken.value


def test_a_torchvision_that_breaks_the_networks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, "exit code 1: RuntimeError: operator torchvision::nms does not exist")
    monkeypatch.setattr(doctor, "_installed", lambda _: "1.0")
    broken, *_ = check_networks()
    assert not broken.ok
    assert "uninstall torchvision" in broken.advice

    monkeypatch.setattr(doctor, "_installed", lambda _: "")
    assert all(check.ok for check in check_networks()), "models can be left out"


@pytest.mark.parametrize(("check", "extra"), [(check_stores, "rsviewer[remote]"), (check_search, "rsviewer[models]")])
def test_what_buckets_and_searches_need_may_be_absent_and_may_not_be_broken(
    check: Callable[[], Iterator[Check]], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes(monkeypatch, "exit code 1: ImportError: no such symbol")
    monkeypatch.setattr(doctor, "_installed", lambda _: "")
    (absent,) = check()
    assert absent.ok
    assert extra in absent.advice

    monkeypatch.setattr(doctor, "_installed", lambda _: "0.12.1")
    (broken,) = check()
    assert not broken.ok
    assert "no such symbol" in broken.value


def test_an_opencv_that_brings_its_own_qt_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, {"sum": 4})
    monkeypatch.setattr(doctor, "_installed", lambda name: "5.0" if name == "opencv-python" else "")
    bad, _ = check_checks()
    assert not bad.ok
    assert "uninstall opencv-python;" in bad.advice

    monkeypatch.setattr(doctor, "_installed", lambda name: "5.0" if "headless" in name else "")
    good, cluster = check_checks()
    assert good.ok
    assert cluster.ok
    assert "rsviewer[cluster]" in cluster.advice


def test_an_opencv_that_cannot_be_loaded_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    probes(monkeypatch, "exit code 1: ImportError: libGL.so.1")
    monkeypatch.setattr(doctor, "_installed", lambda name: "5.0" if "headless" in name else "")
    broken, _ = check_checks()
    assert not broken.ok
    assert "libGL" in broken.value


@pytest.mark.parametrize("version", ["", "6.11.0", "6.11.1", "6.12.0"])
def test_a_missing_package_or_a_qt_that_is_known_to_abort_is_wrong(version: str) -> None:
    assert not check_package("PySide6-Essentials", version).ok
    assert check_package("PySide6-Essentials", "6.11.3").ok


def test_the_cache_must_fit_into_the_memory() -> None:
    assert not check_cache(10_000, 16_000).ok
    assert check_cache(2_000, 16_000).advice == ""
    assert "room" in check_cache(500, 16_000).advice


def test_a_folder_nobody_may_write_to_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writable = {check.name: check for check in check_disk(tmp_path / "not" / "yet")}
    assert writable["project folder"].ok
    assert not (tmp_path / "not").exists()

    monkeypatch.setattr(doctor, "_why_not_writable", lambda _: " (Permission denied)")
    refused = {check.name: check for check in check_disk(tmp_path)}
    assert not refused["project folder"].ok
    assert "--project" in refused["project folder"].advice


def test_a_probe_that_hangs_dies_or_babbles_is_put_in_words() -> None:
    assert doctor.probe("-c", "print('hello'); print('{\"a\": 1}')") == {"a": 1}
    assert doctor.probe("-c", "import time; time.sleep(60)", seconds=0.2) == "no answer after 0 s"
    assert doctor.probe("-c", "1/0") == "does not start (exit code 1): ZeroDivisionError: division by zero"
    assert str(doctor.probe("-c", "print('no json')")).startswith("cannot be tried")
    if sys.platform != "win32":
        killed = doctor.probe("-c", "import os; os.abort()")
        assert killed == "does not start (SIGABRT): without a word"
