"""What a folder of converted files is, for whoever opens it with this program."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rsviewer.core.errors import SettingsError
from rsviewer.core.tile import LayerSpec
from rsviewer.data.adapter import TileEntry
from rsviewer.data.datasets.folders import LAYOUT_FILE
from rsviewer.data.datasets.layout import GROUP, TILE, FolderLayout, LayerFolder, dump_layout, parse_layout
from rsviewer.data.filenames import path_of
from rsviewer.data.saving import save

_MOST_BYTES = 1 << 20


def describe(out: Path, spec: LayerSpec, ending: str, entries: Collection[TileEntry]) -> None:
    """Writes a description of the folder, so that it opens as a dataset with the same tiles, or adds a layer to it.

    A description that somebody else wrote there stays as it is. There is none of tiles of which some have groups and others
    have not: no description fits both.

    Args:
        out: the folder, where `data.filenames.path_of` has put the files.
        spec: what they hold.
        ending: of their names, ".png".
        entries: the tiles, of which not all need to have a file there.

    Raises:
        SaveError: it cannot be written.
    """
    path = out / LAYOUT_FILE
    known = _known(path)
    levels = {"/" in entry.id for entry in entries}
    if len(levels) > 1:
        levels = {"/" in entry.id for entry in entries if path_of(out, entry.id, ending.lstrip(".")).exists()}
    if known is None or len(levels) != 1:
        return
    layer = LayerFolder(spec, GROUP if True in levels else ".", files=(f"{TILE}{ending}",))
    others = [each for each in known.layers if each.files != layer.files]
    names = {each.spec.id for each in others}
    if spec.id in names:
        layer = replace(layer, spec=replace(spec, id=type(spec.id)(f"{spec.id}_{ending.lstrip('.')}")))
    layout = replace(known, layers=(*others, layer), lists=())
    if layout != known:
        save(path, dump_layout(layout).encode(), overwrite=True)


def _known(path: Path) -> FolderLayout | None:
    """The description that is there: empty where there is none, None where it is not ours."""
    try:
        with path.open("rb") as file:
            layout = parse_layout(file.read(_MOST_BYTES).decode())
    except FileNotFoundError:
        return FolderLayout(())
    except (OSError, UnicodeDecodeError, SettingsError):
        return None
    is_ours = all(len(each.files) == 1 and each.folder in (GROUP, ".") for each in layout.layers)
    return layout if is_ours and layout.lists == () else None
