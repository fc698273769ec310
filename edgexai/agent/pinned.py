"""What a node runs is the file whose hash its configuration pins."""

import hashlib
from pathlib import Path

from edgexai.errors import ConfigError


def pinned(path: Path, sha256: str | None) -> Path | bytes:
    """What a runtime is given: the very bytes that were hashed, or the path where nothing is pinned.

    Raises ConfigError for a file that is not the one.
    """
    if sha256 is None:
        return path
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise ConfigError(
            f"{path} is not the file that the configuration pins (sha256 {found}, not {sha256.lower()}); "
            "put the right file there, or pin this one if you made it"
        )
    return content
