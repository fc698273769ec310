"""`.npy` and `.npz` files that nobody vouches for -> arrays of plain numbers, nothing unpickled, sizes checked first.

What a file says of itself (shape, type, sizes in the archive) is compared with what it holds and with a limit before
memory is taken: a header of 12 GB, a compressed bomb, a zip with another name, objects and scalars are DataError.
"""

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

NUMBERS = "iuf"
MOST_BYTES = 2**31
"""Of an archive's arrays together."""
MOST_MEMBERS = 4096
MOST_HEADER = 2**16
MAGIC = b"\x93NUMPY"
_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, struct.error, KeyError)
_ZIP_KIND = (NotImplementedError, RuntimeError, OverflowError)
_HEADER = (ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError, OverflowError, TokenError)


def header(file: IO[bytes], where: str, kinds: str = NUMBERS) -> tuple[tuple[int, ...], bool, np.dtype[Any]] | None:
    """Shape, whether in Fortran's order, and type of the array that begins here; None at the end of the file.

    Raises DataError for anything that is not an array of a type of ``kinds``.
    """
    magic = file.read(8)
    if not magic:
        return None
    if len(magic) < 8 or magic[:6] != MAGIC or magic[6] not in (1, 2, 3):
        raise DataError(f"{where} is no array of numpy; save it with numpy.save")
    try:
        (length,) = struct.unpack("<H" if magic[6] == 1 else "<I", file.read(2 if magic[6] == 1 else 4))
        if length > MOST_HEADER:
            raise ValueError(f"a header of {length:,} bytes")
        text = file.read(length)
        if len(text) < length:
            raise ValueError("a header that is cut short")
        shape, fortran, dtype = _parsed(bytes(magic), text)
    except (*_HEADER, struct.error) as error:
        raise DataError(f"{where} has a broken header ({_first(error)}); save it again with numpy.save") from None
    if dtype.kind not in kinds or dtype.itemsize == 0:
        raise DataError(f"{where} holds {str(dtype)[:80]}; only plain numbers are read")
    if len(shape) > 16 or not all(0 <= n < 2**48 for n in shape) or math.prod(shape) * dtype.itemsize >= 2**60:
        raise DataError(f"{where} says that it has the shape {str(shape)[:80]}; no file holds that")
    return shape, fortran, dtype


def _parsed(magic: bytes, text: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """By numpy's own reader, of a header whose length is known to be small."""
    wide = magic[6] != 1
    again = io.BytesIO(struct.pack("<I" if wide else "<H", len(text)) + text)
    read: Any = np.lib.format.read_array_header_2_0 if wide else np.lib.format.read_array_header_1_0
    found = read(again, max_header_size=MOST_HEADER)
    return found[0], bool(found[1]), found[2]


def array(file: IO[bytes], where: str, most: int = MOST_BYTES, kinds: str = NUMBERS) -> NDArray[Any] | None:
    """The array that begins here, of at most ``most`` bytes; None at the end. Raises DataError for anything else."""
    head = header(file, where, kinds)
    if head is None:
        return None
    shape, fortran, dtype = head
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise DataError(f"{where} is an array of {size:,} bytes; at most {most:,} are read")
    content = file.read(size)
    if len(content) < size:
        raise DataError(f"{where} is cut short: {len(content):,} bytes where {size:,} were to come")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def opened(path: Path, kinds: str = NUMBERS) -> NDArray[Any]:
    """The array of a ``.npy`` file, its values still on disk (read-only)."""
    with path.open("rb") as file:
        head = header(file, str(path), kinds)
        if head is None:
            raise DataError(f"{path} is empty; save the samples with numpy.save")
        at, size = file.tell(), path.stat().st_size
    shape, fortran, dtype = head
    if at + math.prod(shape) * dtype.itemsize > size:
        raise DataError(
            f"{path} says that it holds an array of shape {shape} and is {size:,} bytes long; write it again"
        )
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", at, shape, "F" if fortran else "C")


def members(
    path: Path, names: Iterable[str] | None = None, most: int = MOST_BYTES, kinds: str = f"{NUMBERS}bUS"
) -> dict[str, NDArray[Any]]:
    """Arrays of a ``.npz`` file by name, of at most ``most`` bytes together: those of ``names`` that are there, or all.

    Raises DataError for a file that is none, and for an array that says another size than its place in the archive.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {i.filename.removesuffix(".npy"): i for i in archive.infolist()[:MOST_MEMBERS]}
            wanted = list(infos if names is None else (n for n in names if n in infos))
            total = sum(infos[n].file_size for n in wanted)
            if total > most:
                raise DataError(f"{path} unpacks to {total:,} bytes; at most {most:,} are read")
            for name in wanted:
                with archive.open(infos[name]) as file:
                    one = array(file, f"{name} of {path}", infos[name].file_size, kinds)
                if one is None:
                    raise DataError(f"{name} of {path} is empty; save it again with numpy.savez")
                found[name] = one
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (*_ZIP, *_ZIP_KIND) as error:
        raise DataError(f"{path} is not a readable .npz file ({_first(error)}); save it with numpy.savez") from None
    return found


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
