"""Every error that a user can meet: one sentence that says what is wrong, where, and what to do."""


class Error(Exception):
    """Base of all errors raised by edgexai; the command line prints it as one line and exits with 1."""


class ModelError(Error):
    """A model file or graph that is broken, or that does not say what it must."""


class UnsupportedOperator(Error):
    """An operator, or a form of it, that has no relevance rule or cannot be changed."""


class FrameError(Error):
    """Bytes that are not a heatmap frame, or a map that no frame can hold."""


class MissingBasis(FrameError):
    """A frame of a basis that is not at hand; its header can be read all the same."""

    def __init__(self, name: bytes, shape: tuple[int, ...]) -> None:
        """``name`` as in the frame, ``shape`` of the map."""
        super().__init__(
            f"the frame needs the basis {name.hex()} for maps of {'×'.join(map(str, shape))}, which is not here; "
            "give the file with which the node encodes"
        )
        self.name = name


class BoardError(Error):
    """A board profile that is missing or incomplete."""


class ConfigError(Error):
    """A configuration, option or address that is not acceptable."""


class DataError(Error):
    """Samples, labels or a profile that do not fit the model."""


class FileError(Error, OSError):
    """A file that cannot be opened, read or written; an OSError too."""


class MissingFile(FileError, FileNotFoundError):
    """A file that does not exist."""
