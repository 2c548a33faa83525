import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from rsviewer import cli


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command: `run("info", path, stdin="...")`."""

    def run(*words: object, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = cli.run([str(word) for word in words])
        return Done(code, *capsys.readouterr())

    yield run
    for handler in logging.getLogger().handlers[:]:
        if type(handler).__module__ == "rsviewer.cli.logs":
            logging.getLogger().removeHandler(handler)
            handler.close()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Tiles a to d with image and heights, but no heights for d; train.txt names a, b and ghost, test.txt c."""
    root = tmp_path / "data"
    for number, name in enumerate("abcd"):
        write_tif(root / "opt" / f"{name}.tif", np.full((3, 8, 8), 10 * number, np.uint8))
        if name != "d":
            write_tif(root / "gt_nDSM" / f"{name}.tif", np.full((8, 8), number, np.float32), nodata=-9999)
    (root / "train.txt").write_bytes(b"b\r\na\r\nghost\r\n")
    (root / "test.txt").write_bytes(b"c")
    return root


@pytest.fixture
def write() -> Callable[..., None]:
    """Writes a GeoTIFF: `write(path, pixels, nodata=...)`."""
    return write_tif


@pytest.fixture
def unchanged(dataset: Path) -> Iterator[None]:
    """The test fails where anything under the dataset is not as it was."""
    before = tree(dataset)
    yield
    assert tree(dataset) == before


def tree(root: Path) -> dict[str, str]:
    """Path -> digest of every file under a folder; folders have none."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
    }


def write_tif(path: Path, pixels: np.ndarray, **options: object) -> None:
    bands = pixels if pixels.ndim == 3 else pixels[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "crs": "EPSG:32632", **options}
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_700_000)
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **profile) as file:
        file.write(bands)
