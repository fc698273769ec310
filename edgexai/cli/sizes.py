"""Sizes as the command line takes them."""

import re

from edgexai.compress.measure.limits import amount
from edgexai.errors import ConfigError


def rows_by_columns(text: str | None) -> tuple[int, int] | None:
    """The value of --grid; ConfigError for anything but ROWSxCOLUMNS."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ConfigError(f"--grid takes ROWSxCOLUMNS, as in 12x12, not {text!r}")
    return int(match[1]), int(match[2])


def bytes_of(text: str | None) -> int | None:
    """The value of --ram, as in 64K or 65536; ConfigError for a share, or anything else."""
    if text is None:
        return None
    wrong = ConfigError(f"--ram takes bytes, as in 64K, not {text!r}")
    try:
        found, is_share = amount("ram", text)
    except ConfigError:
        raise wrong from None
    if is_share:
        raise wrong
    return int(found)
