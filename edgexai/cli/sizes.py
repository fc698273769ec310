"""Sizes as the command line takes them."""

import re

from edgexai.errors import ConfigError


def rows_by_columns(text: str | None) -> tuple[int, int] | None:
    """The value of --grid; ConfigError for anything but ROWSxCOLUMNS."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ConfigError(f"--grid takes ROWSxCOLUMNS, as in 12x12, not {text!r}")
    return int(match[1]), int(match[2])
