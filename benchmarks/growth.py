"""What a process holds, and whether that grows: memory without pages of files, open files, the slope of the floor."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scipy.stats import theilslopes


def own(pid: int) -> float:
    """MB of memory that a process holds: without the pages of files, which the system drops when it needs room."""
    try:
        found = re.findall(r"Rss(?:Anon|Shmem):\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return round(sum(map(int, found)) / 1024, 1)


def files(pid: int) -> int:
    """Files, sockets and pipes that a process has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def called(pid: int) -> str:
    """What a process is called, "" if it is not there."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def descendants(pid: int) -> list[int]:
    """Those that a process started, and those that they started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if int((place / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found += [int(place.name), *descendants(int(place.name))]
    return found


def growth(samples: Sequence[Mapping[str, float]], along: str, width: float, per: float) -> dict[str, list[float]]:
    """Slope of each figure's floor in the second half, by ``per`` of what stands in ``along``: of the least of every
    ``width`` of it, by Theil and Sen, with its 95 % interval. A cache that fills to its bound lifts no floor for ever.
    """
    half = samples[len(samples) // 2 :]
    if len(half) < 8:
        return {}
    said = {}
    for what in (key for key in half[0] if key != along):
        floors: dict[float, tuple[float, float]] = {}
        for one in half:
            part = one[along] // width
            floors[part] = min(floors.get(part, (float("inf"), 0.0)), (one.get(what, 0.0), one[along] / per))
        values, places = zip(*floors.values(), strict=True)
        if len(floors) > 2:
            slope, _, low, high = theilslopes(values, places)
            said[what] = [round(float(x), 2) for x in (slope, low, high)]
    return said
