"""JSON that comes from outside, read strictly, and JSON that goes out, written so that every reader takes it.

Python's `json` takes more than JSON: UTF-16, UTF-32, lone surrogates, nan, numbers without end, any depth. Whoever
writes such a thing out again fails, or writes what a browser refuses.
"""

import json
import math
from typing import Any

from edgexai.errors import FrameError

DEEPEST = 32
"""Levels of nesting."""
LARGEST = 2**63
"""What no integer reaches."""


def loads(payload: bytes, most: int) -> dict[str, Any]:
    """The object of a JSON text in UTF-8 of at most ``most`` bytes; FrameError for anything else.

    Refused are other encodings and byte-order marks, text that cannot be written in UTF-8, numbers that are not finite
    or reach 2^63, keys that come twice, and more than DEEPEST levels.
    """
    if len(payload) > most:
        raise FrameError(f"a message of {len(payload)} bytes is longer than {most}")
    try:
        text = payload.decode("utf-8")
        message = json.loads(
            text,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_unique,
        )
        text.encode("utf-8")
    except (ValueError, RecursionError):
        raise FrameError("the payload is not JSON in UTF-8 with finite numbers") from None
    if not isinstance(message, dict):
        raise FrameError("the payload is not a JSON object")
    _walk(message)
    return message


def dumps(value: Any) -> bytes:
    """Compact JSON in ASCII; numbers that are not finite become null, since JSON has none."""
    return json.dumps(_finite_only(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def _walk(message: Any) -> None:
    """Every text can be written, and nothing is nested too deep: who writes it out again would run out of stack."""
    level = [message]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, str):
                _check(one)
            elif isinstance(one, dict):
                for key in one:
                    _check(key)
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return
        level = inner
    raise FrameError(f"the payload nests deeper than {DEEPEST} levels")


def _check(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise FrameError("the payload holds half of a character (a lone surrogate)") from None


def _finite_only(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite_only(inner) for key, inner in value.items()}
    return [_finite_only(inner) for inner in value] if isinstance(value, list | tuple) else value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= LARGEST:
        raise ValueError(digits)
    return int(digits)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found
