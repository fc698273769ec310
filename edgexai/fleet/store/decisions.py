"""What operators decided about findings: kept for good, beside the frames.

STORE/decisions.jsonl     one decision a line; the last one on a finding counts
"""

import errno
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edgexai.errors import DataError

FILE = "decisions.jsonl"
VERDICTS = ("confirmed", "dismissed", "open")
MOST = {"finding": 400, "verdict": 16, "who": 100, "why": 2000}
"""Characters of each part."""
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Decision:
    """``finding`` names what was decided about; ``verdict`` is confirmed, dismissed or open; ``time`` Unix seconds."""

    finding: str
    verdict: str
    who: str
    why: str
    time: float


def decide(store: Path, finding: str, verdict: str, who: str, why: str) -> Decision:
    """Keep a decision; it is on the disk when this returns. DataError if it is none."""
    given = {"finding": finding, "verdict": verdict, "who": who, "why": why}
    for name, value in given.items():
        if not isinstance(value, str) or len(value) > MOST[name]:
            raise DataError(f"{name} of a decision is text of at most {MOST[name]} characters")
    if verdict not in VERDICTS:
        raise DataError(f"a decision is one of {', '.join(VERDICTS)}, not {verdict!r}")
    if not finding or not who.strip():
        raise DataError("a decision names its finding, and who decided")
    made = Decision(finding, verdict, who.strip(), why.strip(), time.time())
    line = (json.dumps(asdict(made)) + "\n").encode()
    handle = os.open(store / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size + len(line) > MOST_BYTES:
            raise DataError(f"{store / FILE} is full; move it away")
        if size and os.pread(handle, 1, size - 1) != b"\n":  # a crash left half a line, which must not take this one
            line = b"\n" + line
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, "the disk is full")
        os.fsync(handle)
    finally:
        os.close(handle)
    return made


def decisions(store: Path) -> dict[str, Decision]:
    """The last decision on each finding; lines that a crash left half are passed over."""
    try:
        lines = (store / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    found: dict[str, Decision] = {}
    for line in lines:
        try:
            one = Decision(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[one.finding] = one
    return found
