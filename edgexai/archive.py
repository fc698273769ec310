"""The files that travel behind a `.tflite` in a zip archive: lists of class names, score calibrations."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

MOST_FILES, MOST_BYTES = 64, 2**20
END = b"PK\x05\x06"


def unpacked(content: bytes) -> dict[str, bytes]:
    """Those of a model file, by name; at most MOST_FILES of at most MOST_BYTES each, none of a broken archive."""
    if END not in content[-65558:]:
        return {}
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist()[:MOST_FILES]:
                if info.file_size <= MOST_BYTES and info.flag_bits & 1 == 0:
                    with archive.open(info) as file:
                        found[info.filename] = file.read(MOST_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, struct.error):
        return {}
    return found


def packed(files: Mapping[str, bytes]) -> bytes:
    """An archive of them, the same bytes for the same files; nothing for none."""
    if not files:
        return b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()
