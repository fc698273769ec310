"""What the page answers about findings, and what operators decide about them."""

from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgexai.errors import DataError, FrameError
from edgexai.fleet.asked import Asked
from edgexai.fleet.findings import Watch, for_page
from edgexai.fleet.panels.questions import Question
from edgexai.fleet.store.decisions import decide, decisions
from edgexai.fleet.store.labels import labels
from edgexai.fleet.web.answer import Answer
from edgexai.fleet.web.waiting import NO_RANGE, range_of, settled
from edgexai.messaging.strict import loads

MOST_BYTES = 10_000


def routes(watch: Watch, asked: Asked | None = None) -> list[Route]:
    """`GET /api/findings` (of a range, if one is asked for) and `POST /api/decisions`."""

    async def findings(request: Request) -> Response:
        try:
            chosen = range_of(request.query_params)
        except ValueError:
            return NO_RANGE
        if chosen.is_open:
            return Answer(await run_in_threadpool(described, watch.answer()))
        said, status = await settled(asked, Question("findings", chosen))
        return Answer(await run_in_threadpool(described, said) if "findings" in said else said, status_code=status)

    def described(said: dict[str, Any]) -> dict[str, Any]:
        made = decisions(watch.directory)
        said = said | {"findings": [for_page(one) for one in said["findings"]]}
        for one in said["findings"]:
            names = labels(watch.directory, one["model"])
            target = one["target"]
            one["class"] = names[target] if target is not None and 0 <= target < len(names) else None
            one["decision"] = asdict(made[one["id"]]) if one["id"] in made else None
        return said

    async def decision(request: Request) -> Response:
        # a form of another site can send no JSON, and its script is stopped by `Guard`
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return Answer({"error": "a decision is sent as application/json"}, status_code=415)
        try:
            given = loads(await _body(request), MOST_BYTES)
            who = request.scope.get("user") or given.get("who", "")  # whoever is logged in decides in his own name
            finding, verdict, why = (given.get(name, "") for name in ("finding", "verdict", "why"))
            return Answer(asdict(decide(watch.directory, finding, verdict, who, why)))
        except (DataError, FrameError) as error:
            return Answer({"error": str(error)}, status_code=400)
        except OSError as error:
            return Answer({"error": f"the decision could not be kept: {error.strerror}"}, status_code=507)

    return [Route("/api/findings", findings), Route("/api/decisions", decision, methods=["POST"])]


async def _body(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise DataError(f"a decision takes at most {MOST_BYTES:,} bytes")
    return content
