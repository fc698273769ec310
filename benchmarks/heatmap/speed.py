"""Processor time of encoding and decoding a map in Python, by the bytes of the frame."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.heatmap.case import Case
from edgexai.heatmap import decode, encode
from edgexai.heatmap.tree import tree

Row = dict[str, Any]

BUDGETS = (51, 256, 2000)
MAPS = 30


def speed(case: Case) -> Iterable[Row]:
    """Milliseconds, the median and the fastest of some maps; and of building the shape's tree, once a process."""
    tree.cache_clear()
    first = _milliseconds(partial(encode, case.maps[0], budget=BUDGETS[0]))
    for budget in BUDGETS:
        maps = case.maps[:MAPS]
        frames = [encode(one, budget=budget) for one in maps]
        writing = [_milliseconds(partial(encode, one, budget=budget)) for one in maps]
        reading = [_milliseconds(partial(decode, frame)) for frame in frames]
        yield {
            "what": "speed",
            "n": len(maps),
            "budget": budget,
            "encode": [float(np.median(writing)), min(writing)],
            "decode": [float(np.median(reading)), min(reading)],
            "first": first,
        }


def _milliseconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return 1e3 * (time.process_time() - begun)
