"""The fleet's page and its JSON: everything that it shows can be fetched (docs/messaging.md lists the answers)."""

import base64
import json
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edgexai._version import VERSION
from edgexai.fleet.ingest.metrics import TEXT, Meter, family
from edgexai.fleet.store.bases import at_hand
from edgexai.fleet.web.view import View

STATIC = Path(__file__).parent / "static"
# The page loads nothing from elsewhere, and nothing elsewhere may frame it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def application(view: View, broker_url: str, meter: Meter | None = None, started: float | None = None) -> Starlette:
    """The ASGI application over a view; ``meter`` is that of the worker in this process."""
    begun = time.time() if started is None else started

    def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers=_HEADERS)

    def health(request: Request) -> Response:
        states = view.store.journal.states()
        return JSONResponse(
            {
                "version": VERSION,
                "broker": broker_url,
                "uptime": time.time() - begun,
                "nodes": sum(states.values()),
                "states": states,
                "shown": view.shown,
                **view.store.journal.counters(),
            }
        )

    def nodes(request: Request) -> Response:
        limit = _limit(request, 500, 100_000)
        return _no_number if limit is None else JSONResponse(node_list(view, limit))

    def classes(request: Request) -> Response:
        return JSONResponse(view.classes(request.query_params.get("node")))

    def latest(request: Request) -> Response:
        limit, asked = _limit(request, 8, 24), request.query_params
        return _no_number if limit is None else JSONResponse(view.latest(asked.get("fleet"), asked.get("node"), limit))

    def quarantine(request: Request) -> Response:
        refusals = view.store.journal.refusals()
        return JSONResponse(
            [
                {"received": r.received, "topic": r.topic, "reason": r.reason, "payload": r.payload[:256].hex()}
                for r in refusals
            ]
        )

    def bases(request: Request) -> Response:
        name = request.path_params["name"]
        found = [b.data for b in at_hand(view.bases) if b.name.hex() == name]
        return JSONResponse([base64.b64encode(data).decode() for data in found])

    def metrics(request: Request) -> Response:
        own = "" if meter is None else meter.text()
        return PlainTextResponse(prometheus(view) + own, media_type=TEXT)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/health", health),
            Route("/api/nodes", nodes),
            Route("/api/classes", classes),
            Route("/api/frames/latest", latest),
            Route("/api/bases/{name}", bases),
            Route("/api/quarantine", quarantine),
            Route("/metrics", metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
    )


def _limit(request: Request, usual: int, most: int) -> int | None:
    try:
        return max(1, min(most, int(request.query_params.get("limit", usual))))
    except ValueError:
        return None


_no_number = JSONResponse({"error": "limit must be a number"}, status_code=400)


def node_list(view: View, limit: int = 500) -> list[dict[str, Any]]:
    """The nodes that were heard last: status, metrics, stored frames and bytes of them."""
    journal = view.store.journal
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for fleet, node, kind, received, text in journal.nodes(limit):
        one = known.setdefault((fleet, node), {"fleet": fleet, "node": node, "status": None, "metrics": None})
        one[kind] = json.loads(text)
        one["seen"] = max(received, one.get("seen", 0.0))
    totals = journal.totals(limit)
    for fleet, node in list(totals)[: limit - len(known)]:
        known.setdefault((fleet, node), {"fleet": fleet, "node": node, "status": None, "metrics": None, "seen": None})
    for key, one in known.items():
        one["frames"], one["bytes"] = totals.get(key) or journal.total(*key)
    return [known[key] for key in sorted(known)]


def prometheus(view: View) -> str:
    """The store's counters, of all workers together, in the Prometheus text format 0.0.4."""
    journal = view.store.journal
    counters = journal.counters()
    states = journal.states()
    by_state = [(f'{{state="{state}"}}', states.pop(state, 0)) for state in ("online", "lost", "finished", "stopped")]
    by_state.append(('{state="unknown"}', sum(states.values())))  # what a node calls itself is no label of ours
    lines = [
        *family("edgexai_frames_total", "counter", "Frames stored, each exactly once.", [("", counters["frames"])]),
        *family(
            "edgexai_duplicates_total", "counter", "Frames that came again, dropped.", [("", counters["duplicates"])]
        ),
        *family("edgexai_quarantined_total", "counter", "Payloads that were refused.", [("", counters["quarantined"])]),
        *family("edgexai_nodes", "gauge", "Nodes by their last status.", by_state),
        *family("edgexai_journal_frames", "gauge", "Frames that are not in Parquet yet.", [("", journal.waiting())]),
    ]
    return "\n".join([*lines, ""])
