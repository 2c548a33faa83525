"""The world's faults, in sentences that can be shown as they are.

Everything that is not one of these is our own bug and belongs in the crash dialog.
"""


class RsviewerError(Exception):
    """Something outside the program is not in order. The message says what is wrong and what to do."""


class DatasetNotFoundError(RsviewerError):
    """There is no dataset where one was expected."""


class StoppedError(RsviewerError):
    """Somebody has stopped what was under way."""


class AmbiguousFormatError(DatasetNotFoundError):
    """Several formats fit a folder, and only a person can say which is meant.

    Attributes:
        fits: (name, title, why) of each: the name is what --format takes.
    """

    def __init__(self, message: str, fits: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(message)
        self.fits = fits


class LayerError(RsviewerError):
    """A layer of a tile is not there or cannot be read."""


class ProjectError(RsviewerError):
    """The place where index, decisions and settings live cannot be used."""


class ProjectLockedError(ProjectError):
    """Another window or command is writing to this project."""


class DamagedError(ProjectError):
    """A file of the project is damaged. It was left as it is and may be put aside."""


class SaveError(RsviewerError):
    """A decision could not be written to disk."""


class ConflictError(SaveError):
    """Somebody else has changed the same tile meanwhile."""


class FilterError(RsviewerError):
    """A filter or sort expression cannot be understood."""


class ExportError(RsviewerError):
    """An export cannot be planned or written."""


class SettingsError(RsviewerError):
    """A settings or description file holds something that cannot be used."""


class PickleRefusedError(RsviewerError):
    """A pickle is more than data, or damaged.

    Attributes:
        name: what it asks for, as "module.name"; empty where it is damaged.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class ModelError(RsviewerError):
    """A model is not there, does not fit the tile, or cannot be run."""
