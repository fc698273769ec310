"""What options of the command line take, each refused before anything is computed.

A number out of bounds is a wrong command line (exit 2, with the usage); a file that cannot be read or written is a
mistake that is told in one line (exit 1). Every option that names a file to write has one of the ``new_…`` types.
"""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from edgexai.checks import unopened
from edgexai.errors import ConfigError, FileError, MissingFile

MOST = 10**9


def port(text: str) -> int:
    """A number from 0 to 65535."""
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text[:40]!r}")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 to MOST."""
    if not text.isdecimal() or len(text) > 10 or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"give a whole number from 1 to {MOST:,}, not {text[:40]!r}")
    return int(text)


def count_or_none(text: str) -> int:
    """A whole number of at least 0."""
    return 0 if text == "0" else count(text)


def number(least: float, most: float = MOST) -> Callable[[str], float]:
    """A type of finite numbers within bounds."""

    def taken(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"give a number from {least:g} to {most:g}, not {text[:40]!r}")
        return value

    return taken


def known_file(text: str) -> str:
    """A file, or a folder of samples, that is there."""
    if not os.path.exists(text):
        raise MissingFile(f"{text or 'the empty name'} does not exist; check the path")
    return text


def known_path(text: str) -> Path:
    """The same, as a path."""
    return Path(known_file(text))


def known_store(text: str) -> Path:
    """The directory of a fleet service."""
    if not (Path(text) / "journal.db").is_file():
        raise ConfigError(f"{text} is no store; give the directory of a fleet service, or of `edgexai fleet import`")
    return Path(text)


def new_file(text: str) -> str:
    """A file that can be written: its folder is there, and it is no folder itself."""
    path = Path(text)
    try:
        if not text:
            raise ConfigError("the name of the file to write is empty; give one")
        if path.is_dir():
            raise FileError(f"{text} is a folder; give the name of the file to write")
        if not path.parent.is_dir():
            raise MissingFile(f"{text} cannot be written: there is no folder {path.parent}; make it first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise FileError(f"{text} cannot be written: permission is denied; give another place")
    except OSError as error:
        raise error if isinstance(error, FileError) else unopened(path, error) from None
    except ValueError:
        raise FileError(f"{text!r} is no name of a file; give another") from None
    return text


def new_path(text: str) -> Path:
    """The same, as a path."""
    return Path(new_file(text))


def new_picture(text: str) -> str:
    """A PNG that can be written."""
    if Path(text).suffix.lower() != ".png":
        raise ConfigError(f"{text} is no name of a picture; pictures are written as PNG: {Path(text).stem}.png")
    return new_file(text)


def new_folder(text: str) -> str:
    """A folder that is there or can be made, as deep as it lies."""
    path = Path(text)
    if not text:
        raise ConfigError("the name of the folder to write into is empty; give one")
    try:
        above = next(p for p in (path, *path.absolute().parents) if p.exists())
        if not above.is_dir():
            raise FileError(f"{text} cannot be made: {above} is a file; give another place")
        if not os.access(above, os.W_OK):
            raise FileError(f"{text} cannot be made: {above} does not permit it; give another place")
    except OSError as error:
        raise error if isinstance(error, FileError) else unopened(path, error) from None
    except ValueError:
        raise FileError(f"{text!r} is no name of a folder; give another") from None
    return text


def new_place(text: str) -> Path:
    """The same, as a path."""
    return Path(new_folder(text))
