"""The range of a layer over the dataset, learnt from tiles spread evenly over it."""

from collections.abc import Callable, Sequence

from rsviewer.core.render import Range, value_range
from rsviewer.core.style import Style
from rsviewer.core.tile import LayerId, LayerSpec, Raster
from rsviewer.data.adapter import TileEntry
from rsviewer.workspace.background import Job, Jobs
from rsviewer.workspace.pictures import Read

SAMPLED_TILES = 48
"""Tiles read to learn a range."""


class Ranges:
    """The ranges learnt so far.

    Args:
        read: reads one layer; called on a worker.
        jobs: where the learning runs.
        spread: that many tiles, spread evenly over the dataset.
        learnt: called when a range is there.
    """

    def __init__(
        self, read: Read, jobs: Jobs, spread: Callable[[int], Sequence[TileEntry]], learnt: Callable[[], None]
    ) -> None:
        self._read = read
        self._jobs = jobs
        self._spread = spread
        self._learnt = learnt
        self._ranges: dict[LayerId, Range] = {}

    def get(self, layer: LayerId) -> Range | None:
        """The range of a layer; None where nobody learnt it (yet)."""
        return self._ranges.get(layer)

    def learn(self, spec: LayerSpec) -> None:
        """Learns the range of a layer in the background, unless it is known."""
        if spec.id in self._ranges:
            return
        read = self._read
        paths = [entry.files.get(spec.id) for entry in self._spread(SAMPLED_TILES)]

        def work(job: Job) -> Range | None:
            return _range_of(spec, paths, read, job)

        def done(found: Range | None) -> None:
            if found is not None:
                self._ranges[spec.id] = found
                self._learnt()

        self._jobs.start(f"Learning the range of {spec.title}", work, done)


def _range_of(spec: LayerSpec, paths: Sequence[str | None], read: Read, job: Job) -> Range | None:
    """The range over some files; None where the job was stopped or they hold no value."""
    ranges = []
    for done, path in enumerate(paths):
        job.progress(done, len(paths))
        if job.stop.is_set():
            return None
        content = read(path, spec) if path is not None else None
        found = value_range(content, range(3), Style(percent=1.0)) if isinstance(content, Raster) else None
        if found is not None:
            ranges.append(found)
    if not ranges:
        return None
    return Range(min(found.low for found in ranges), max(found.high for found in ranges))
