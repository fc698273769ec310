"""Answers that take a while: asked for, waited for a moment, then "ask again" (202)."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool

from edgexai.errors import Error
from edgexai.fleet.asked import Asked
from edgexai.fleet.panels.questions import Question
from edgexai.fleet.sampling import Range
from edgexai.fleet.web.answer import Answer

PATIENCE = 1.0
"""Seconds until whoever asks is told to ask again."""
NO_RANGE = Answer({"error": "since, until and last are numbers: seconds"}, status_code=400)


def range_of(given: Mapping[str, str]) -> Range:
    """The range that a request asks for; ValueError if it is none."""
    found = {name: float(given[name]) for name in ("since", "until", "last") if given.get(name)}
    if not all(map(math.isfinite, found.values())):
        raise ValueError
    return Range(**found)


async def settled(asked: Asked | None, question: Question) -> tuple[dict[str, Any], int]:
    """An answer and its status: 200 (with ``error`` for what there is not), 202 for "ask again", 503 for too many."""
    if asked is None:
        return {"error": "this service answers no such questions"}, 503
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            found = await run_in_threadpool(asked.answer, question)
        except Error as error:
            return {"error": str(error)}, 503
        if found is not None:
            return found, 200
        if asyncio.get_running_loop().time() > deadline:
            return {"state": "computing"}, 202
        await asyncio.sleep(0.05)
