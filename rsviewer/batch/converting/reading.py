"""The layers of a tile for a conversion: what cannot be read is an error with a sentence, and nothing is thinned out unsaid."""

from collections.abc import Sequence

from rsviewer.core.errors import LayerError
from rsviewer.core.tile import LayerContent, LayerId, LayerSpec, Missing, Raster, Unreadable
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.data.content import read_layer


def named_layer(layers: Sequence[LayerSpec], wanted: LayerId, word: str) -> LayerSpec:
    """The layer that is wanted. Raises LayerError, which says which there are; `word` is what they are called: "height"."""
    found = next((spec for spec in layers if spec.id == wanted), None)
    if found is None:
        there = ", ".join(spec.id for spec in layers)
        raise LayerError(f"There is no {word} layer {str(wanted)!r}: choose {there}.")
    return found


class Reading:
    """What was read of one tile: each layer once."""

    def __init__(self, entry: TileEntry, dataset: Dataset) -> None:
        self._entry = entry
        self._dataset = dataset
        self._read: dict[LayerId, LayerContent] = {}

    @property
    def layers(self) -> list[LayerSpec]:
        """The layers that the tile has files of, in the order of the dataset."""
        return [spec for spec in self._dataset.layers if spec.id in self._entry.files]

    def content(self, spec: LayerSpec) -> LayerContent:
        """A layer, whatever it is."""
        if spec.id not in self._read:
            self._read[spec.id] = read_layer(self._entry, spec, self._dataset.tree)
        return self._read[spec.id]

    def raster(self, spec: LayerSpec) -> Raster:
        """A layer of pixels. Raises LayerError where it is none or cannot be read."""
        content = self.content(spec)
        if isinstance(content, Missing):
            raise LayerError(content.reason)
        if isinstance(content, Unreadable):
            raise LayerError(f"{spec.title}: {content.reason}")
        if not isinstance(content, Raster):
            raise LayerError(f"{spec.title} holds no picture.")
        return content

    def whole(self, spec: LayerSpec) -> Raster:
        """The same with every pixel of the file. Raises LayerError where it is too large for that."""
        raster = self.raster(spec)
        if (raster.width, raster.height) != raster.full_size:
            width, height = raster.full_size
            raise LayerError(
                f"{spec.title} is too large to be converted at once ({width} x {height} pixels): cut it into tiles first "
                "(rsviewer convert tiles)."
            )
        return raster


def thinned(spec: LayerSpec, raster: Raster) -> tuple[str, ...]:
    """A remark where a raster has fewer pixels than its file."""
    width, height = raster.full_size
    if (raster.width, raster.height) == (width, height):
        return ()
    return (
        f"{spec.title} is large and was thinned out: {raster.width} x {raster.height} of {width} x {height} pixels.",
    )
