"""Formats of other packages: seen without being run, run only when turned on, and blamed for what they do wrong."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rsviewer.core.errors import RsviewerError
from rsviewer.core.splits import SplitList
from rsviewer.data.adapter import TabularAdapter
from rsviewer.data.plugins import ENTRY_POINTS, Plugin, available, enabled_adapters

GOOD = """
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, TileId
from rsviewer.data.adapter import Dataset, TileEntry

class Adapter:
    name = "good"
    title = "Good tiles"
    expects = "*.good"

    def __init__(self, tree):
        self.tree = tree

    def recognises(self, root):
        return "good.txt" if self.tree.is_file(str(root / "good.txt")) else ""

    def describe(self, root):
        image = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")
        return Dataset("whatever", "Good", root, (image,), tree=self.tree)

    def scan(self, dataset):
        yield TileEntry(TileId("one"), {})

    def tile_of_line(self, split, text):
        return TileId(text)
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with one plug-in on the path: `install(name, source)` offers `name_plugin:Adapter`."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def installed(name: str, source: str) -> None:
        (site / f"{name}_plugin.py").write_text(source)
        info = site / f"{name}_tiles-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-tiles\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{name} = {name}_plugin:Adapter\n")

    yield installed
    for name in set(sys.modules) - before:
        if name.endswith("_plugin"):
            del sys.modules[name]


def test_plugins_are_listed_without_being_imported(install: Install) -> None:
    install("evil", "raise SystemExit('imported!')")
    install("good", GOOD)
    assert available() == (
        Plugin("evil", "evil-tiles 1.2", "evil_plugin"),
        Plugin("good", "good-tiles 1.2", "good_plugin"),
    )
    assert enabled_adapters((), []) == ()
    assert not {"evil_plugin", "good_plugin"} & set(sys.modules)


def test_only_what_is_turned_on_is_imported(install: Install, tmp_path: Path) -> None:
    install("evil", "raise SystemExit('imported!')")
    install("good", GOOD)
    problems: list[str] = []
    (adapter_class,) = enabled_adapters({"good"}, problems)
    assert (adapter_class.name, adapter_class.title, adapter_class.expects) == ("good", "Good tiles", "*.good")
    assert "evil_plugin" not in sys.modules
    adapter = adapter_class()
    assert adapter.recognises(tmp_path) == ""
    (tmp_path / "good.txt").touch()
    assert adapter.recognises(tmp_path) == "good.txt"
    dataset = adapter.describe(tmp_path)
    assert dataset.format == "good", "so that the adapter is found again"
    assert [entry.id for entry in adapter.scan(dataset)] == ["one"]
    assert adapter.tile_of_line(SplitList("train", "train.txt", "", ()), "x") == "x"
    assert not isinstance(adapter, TabularAdapter)
    assert problems == []


def test_tables_stay_tables(install: Install, tmp_path: Path) -> None:
    install("good", GOOD + "    def scan_columns(self, dataset):\n        yield 1\n")
    (adapter_class,) = enabled_adapters({"good"}, [])
    adapter = adapter_class()
    assert isinstance(adapter, TabularAdapter)
    with pytest.raises(RsviewerError, match="gave a int for a TileColumns"):
        list(adapter.scan_columns(adapter.describe(tmp_path)))


def test_one_that_is_not_installed_any_more_is_said() -> None:
    problems: list[str] = []
    assert enabled_adapters({"gone"}, problems) == ()
    assert problems == ["The plug-in gone is turned on, but not installed."]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nonsense_that_is_nowhere", "ModuleNotFoundError: No module named 'nonsense_that_is_nowhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("", "has no attribute 'Adapter'"),
        ("Adapter = 3", "TypeError: bad_plugin:Adapter is no class"),
        (GOOD.replace('title = "Good tiles"', "title = None"), "has no text 'title'"),
        (GOOD.replace("def scan(", "def skan("), "has no method 'scan'"),
        (GOOD.replace('name = "good"', 'name = "SynRS3D"'), "there is another format 'SynRS3D'"),
    ],
)
def test_one_that_cannot_be_imported_is_named_and_the_others_stay(install: Install, source: str, said: str) -> None:
    install("bad", source)
    install("good", GOOD)
    problems: list[str] = []
    assert [adapter.name for adapter in enabled_adapters({"bad", "good"}, problems, ["synrs3d"])] == ["good"]
    (problem,) = problems
    assert problem.startswith("The plug-in bad of bad-tiles 1.2 cannot be used (")
    assert problem.endswith("). Turn it off, or ask its authors.")
    assert said in problem


def test_one_that_fails_to_recognise_takes_no_folder_and_is_named_once(install: Install, tmp_path: Path) -> None:
    install("bad", GOOD.replace('return "good.txt"', 'raise KeyError("oh\\nno") #'))
    problems: list[str] = []
    (adapter_class,) = enabled_adapters({"bad"}, problems)
    for _ in range(2):
        assert adapter_class().recognises(tmp_path) == ""
    (problem,) = problems
    assert "bad-tiles 1.2 failed to look at the folder (KeyError: 'oh" in problem
    assert "\n" not in problem


@pytest.mark.parametrize("harm", ["raise ValueError('never')", "return 3"])
def test_what_fails_later_is_a_sentence_that_names_it(install: Install, harm: str, tmp_path: Path) -> None:
    image = 'image = LayerSpec(LayerId("image"), LayerKind.OPTICAL, "image")'
    install("bad", GOOD.replace(image, harm))
    install(
        "worse", GOOD.replace('name = "good"', 'name = "worse"').replace('yield TileEntry(TileId("one"), {})', harm)
    )
    bad, worse = enabled_adapters({"bad", "worse"}, [])
    with pytest.raises(RsviewerError, match=r"^The plug-in bad of bad-tiles 1\.2 failed \(.*Turn it off"):
        bad().describe(tmp_path)
    adapter = worse()
    dataset = adapter.describe(tmp_path)
    with pytest.raises(RsviewerError, match=r"^The plug-in worse of worse-tiles 1\.2 failed \("):
        list(adapter.scan(dataset))


@pytest.mark.parametrize(
    ("tile", "said"),
    [
        ("TileEntry(5, {})", "TypeError: a tile has something else where a text should be"),
        ("TileEntry('x', {'image': dataset.root})", "TypeError: a tile has something else"),
        ("TileEntry('x', {}, group=None)", "TypeError: a tile has something else"),
        ("TileEntry('x', {}, splits=['train'])", "TypeError: a tile has something else"),
        ("TileEntry('x', None)", "NoneType"),
        ("TileEntry('x', {}, facts={'n': []})", "TypeError: a fact of the tile 'x'"),
        ("TileEntry('x', {}, shots=(1, 2))", "TypeError: the tile 'x' shows an image that it has not"),
        ("TileEntry('one', {})", "ValueError: two tiles have the id 'one'"),
    ],
)
def test_a_tile_that_is_none_is_a_sentence_that_names_the_plugin(
    install: Install, tile: str, said: str, tmp_path: Path
) -> None:
    one = '        yield TileEntry(TileId("one"), {})\n'
    install("liar", GOOD.replace(one, f"{one}        yield {tile}\n"))
    (adapter_class,) = enabled_adapters(["liar"], [])
    adapter = adapter_class()
    with pytest.raises(RsviewerError, match=re.escape(said)):
        list(adapter.scan(adapter.describe(tmp_path)))
