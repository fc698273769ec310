"""What operators decided about findings: kept for good, beside the frames.

STORE/decisions.jsonl     one decision a line; the last one on a finding counts
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edgexai.errors import DataError
from edgexai.fleet.store.lines import append, rows

FILE = "decisions.jsonl"
VERDICTS = ("confirmed", "dismissed", "open")
MOST = {"finding": 400, "verdict": 16, "who": 100, "why": 2000}
"""Characters of each part."""


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
    append(store / FILE, asdict(made))
    return made


def decisions(store: Path) -> dict[str, Decision]:
    """The last decision on each finding; lines that a crash left half are passed over."""
    found: dict[str, Decision] = {}
    for row in rows(store / FILE):
        try:
            one = Decision(**row)
        except TypeError:
            continue
        found[one.finding] = one
    return found
