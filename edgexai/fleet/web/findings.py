"""What the page answers about findings, and what operators decide about them."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgexai.errors import DataError, FrameError
from edgexai.fleet.findings import Watch
from edgexai.fleet.store.decisions import decide, decisions
from edgexai.fleet.store.labels import labels
from edgexai.fleet.web.answer import Answer
from edgexai.messaging.strict import loads

MOST_BYTES = 10_000


def routes(watch: Watch) -> list[Route]:
    """`GET /api/findings` and `POST /api/decisions`."""

    def findings(request: Request) -> Response:
        made, said = decisions(watch.directory), watch.answer()
        for one in said["findings"]:
            names = labels(watch.directory, one["model"])
            target = one["target"]
            one["class"] = names[target] if target is not None and target < len(names) else None
            one["decision"] = asdict(made[one["id"]]) if one["id"] in made else None
        return Answer(said)

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
