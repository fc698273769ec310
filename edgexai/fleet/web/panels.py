"""What the page answers about a class, a cluster, a drift and a comparison."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgexai.fleet.asked import Asked
from edgexai.fleet.findings import Watch
from edgexai.fleet.panels.questions import Question
from edgexai.fleet.sampling import Range
from edgexai.fleet.store.labels import labels
from edgexai.fleet.web.answer import Answer
from edgexai.fleet.web.waiting import NO_RANGE, range_of, settled

MOST_NAME = 200


def routes(watch: Watch, asked: Asked | None) -> list[Route]:
    """`GET /api/panel/…`."""

    async def class_or_drift(request: Request) -> Response:
        given = request.query_params
        try:
            chosen, target = range_of(given), int(given.get("target", ""))
        except ValueError:
            return Answer({"error": "target, since, until and last are numbers"}, status_code=400)
        model = given.get("model", "")[:MOST_NAME]
        kind = request.url.path.rsplit("/", 1)[1]
        return await _answer([model], Question(kind, chosen, model, target))

    async def compare(request: Request) -> Response:
        given = request.query_params
        try:
            chosen = range_of(given)
        except ValueError:
            return NO_RANGE
        sides = tuple(given.get(name, "")[:MOST_NAME] for name in ("a", "b"))
        return await _answer([side.split("~")[0] for side in sides], Question("compare", chosen, sides=sides))

    async def cluster(request: Request) -> Response:
        given = request.query_params
        try:
            chosen, offset = range_of(given), max(0, int(given.get("offset") or 0))
        except ValueError:
            return Answer({"error": "offset, since, until and last are numbers"}, status_code=400)
        said, status = await _findings(chosen)
        if status != 200 or "error" in said:
            return Answer(said, status_code=status)
        one = next((f for f in said["findings"] if f["id"] == given.get("finding") and f.get("members")), None)
        if one is None:
            looks = chosen.is_open and said["computed"] is None
            error = {"error": "there is no such cluster among the findings of this time range"}
            return Answer({"state": "computing"} if looks else error, status_code=202 if looks else 200)
        model, target = one["model"], one["target"]
        question = Question("cluster", chosen, model, target, (), one["text"], one["members"], offset)
        return await _answer([model], question)

    async def _findings(chosen: Range) -> tuple[dict[str, Any], int]:
        return (watch.answer(), 200) if chosen.is_open else await settled(asked, Question("findings", chosen))

    async def _answer(models: list[str], question: Question) -> Response:
        said, status = await settled(asked, question)
        names = {model: labels(watch.directory, model) for model in models}
        return Answer(said | {"labels": names} if status == 200 else said, status_code=status)

    return [
        Route("/api/panel/class", class_or_drift),
        Route("/api/panel/drift", class_or_drift),
        Route("/api/panel/compare", compare),
        Route("/api/panel/cluster", cluster),
    ]
