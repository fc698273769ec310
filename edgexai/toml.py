"""TOML files that somebody else wrote: text -> a table, and what counts as a number in one."""

import tomllib
from typing import Any

MOST_BYTES = 2**20
MOST = 1e15
"""No setting of ours needs more; products of three still are finite."""


def parsed(text: str) -> dict[str, Any]:
    """The table of a TOML text of at most MOST_BYTES. Raises ValueError that says what is wrong with it."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"{len(text):,} characters, at most {MOST_BYTES:,} make sense")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def is_number(value: Any, least: float = -MOST, most: float = MOST, kinds: tuple[type, ...] = (int, float)) -> bool:
    """Whether a value is a number within bounds; TOML and JSON know whole numbers that no float can hold."""
    return type(value) in kinds and bool(least <= value <= most)


def told(value: Any) -> str:
    """A value as a message shows it: not a number of a thousand digits, nor a table of a million."""
    if type(value) is int and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # holds such a number, or itself
        return f"such a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]}…"
