"""Has a node collect a relevance profile and fetches it: the file that `edgexai profile --add` and `prune` read."""

import base64
import time
import zlib
from collections.abc import Callable
from typing import Any

from edgexai.errors import DataError, Error
from edgexai.profile.file import unpack

MOST_BYTES = 64 * 2**20
Ask = Callable[[dict[str, Any]], dict[str, Any]]


class CollectFailed(Error):
    """The node cannot, may not, or did not get so many samples in time."""


def collect(
    ask: Ask,
    count: int,
    patience: float = 3600.0,
    progress: Callable[[int, int], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """The profile of a node's next ``count`` samples. ``ask`` sends the command `profile` and gives its reply;
    ``progress(done, all)`` is called now and then. Raises CollectFailed, DataError for what is no profile."""
    told = _result(ask({"count": count}))
    deadline = time.monotonic() + patience
    while told["parts"] == 0:
        if time.monotonic() > deadline:
            raise CollectFailed(
                f"the node saw {told['samples']} of {count} samples within {patience:g} s; ask for fewer"
            )
        sleep(1.0)
        told = _result(ask({}))
        if told["of"] != count:
            raise CollectFailed("the node was restarted, or somebody else asks it for a profile; try again")
        if progress is not None:
            progress(told["samples"], count)
    parts = [_result(ask({"part": n})) for n in range(told["parts"])]
    try:
        packed = b"".join(base64.b64decode(part["data"], validate=True) for part in parts)
        unpacking = zlib.decompressobj()
        profile = unpacking.decompress(packed, MOST_BYTES)
        if not unpacking.eof:
            raise ValueError
    except (ValueError, KeyError, TypeError, zlib.error):
        raise DataError("the node's profile is damaged or larger than 64 MiB; ask again") from None
    unpack(profile, "the node's profile")
    return profile


def _result(reply: dict[str, Any]) -> dict[str, Any]:
    if reply.get("ok") is not True:
        raise CollectFailed(f"the node refuses: {reply.get('error')}")
    told = reply.get("result")
    if not isinstance(told, dict) or any(type(told.get(k)) is not int for k in ("samples", "of", "parts")):
        raise CollectFailed("the node's reply is none to the command profile; update it")
    if not 0 <= told["parts"] <= MOST_BYTES // 1024:
        raise CollectFailed(f"the node announces a profile of {told['parts']} parts")
    return told
