"""The fleet's page and its JSON: everything that it shows can be fetched (docs/messaging.md lists the answers)."""

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
from edgexai.fleet.view import View

STATIC = Path(__file__).parent / "static"
# The page loads nothing from elsewhere, and nothing elsewhere may frame it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def application(view: View, broker_url: str, started: float | None = None) -> Starlette:
    """The ASGI application over a view."""
    begun = time.time() if started is None else started

    def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers=_HEADERS)

    def health(request: Request) -> Response:
        return JSONResponse(
            {
                "version": VERSION,
                "broker": broker_url,
                "uptime": time.time() - begun,
                "nodes": len({(f, n) for f, n, *_ in view.store.journal.nodes()}),
                "shown": view.shown,
                **view.store.journal.counters(),
            }
        )

    def nodes(request: Request) -> Response:
        return JSONResponse(node_list(view))

    def classes(request: Request) -> Response:
        return JSONResponse(view.classes(request.query_params.get("node")))

    def latest(request: Request) -> Response:
        asked = request.query_params
        try:
            limit = max(1, min(24, int(asked.get("limit", "8"))))
        except ValueError:
            return JSONResponse({"error": "limit must be a number"}, status_code=400)
        return JSONResponse(view.latest(asked.get("fleet"), asked.get("node"), limit))

    def quarantine(request: Request) -> Response:
        refusals = view.store.journal.refusals()
        return JSONResponse(
            [
                {"received": r.received, "topic": r.topic, "reason": r.reason, "payload": r.payload[:256].hex()}
                for r in refusals
            ]
        )

    def metrics(request: Request) -> Response:
        return PlainTextResponse(prometheus(view), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/health", health),
            Route("/api/nodes", nodes),
            Route("/api/classes", classes),
            Route("/api/frames/latest", latest),
            Route("/api/quarantine", quarantine),
            Route("/metrics", metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
    )


def node_list(view: View) -> list[dict[str, Any]]:
    """Every node that has ever said something: its status, metrics, stored frames and bytes a frame."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for fleet, node, kind, received, text in view.store.journal.nodes():
        one = known.setdefault((fleet, node), {"fleet": fleet, "node": node, "status": None, "metrics": None})
        one[kind] = json.loads(text)
        one["seen"] = max(received, one.get("seen", 0.0))
    totals = view.store.journal.totals()
    for fleet, node in totals:
        known.setdefault((fleet, node), {"fleet": fleet, "node": node, "status": None, "metrics": None, "seen": None})
    for key, one in known.items():
        one["frames"], one["bytes"] = totals.get(key, (0, 0))
    return [known[key] for key in sorted(known)]


def prometheus(view: View) -> str:
    """The counters in the Prometheus text format 0.0.4."""
    counters = view.store.journal.counters()
    states = [(n["status"] or {}).get("state", "unknown") for n in node_list(view)]
    lines = []
    for name, help_text in (
        ("frames", "Frames stored, each exactly once."),
        ("duplicates", "Frames that arrived again and were dropped."),
        ("quarantined", "Payloads that were refused."),
    ):
        lines += [
            f"# HELP edgexai_{name}_total {help_text}",
            f"# TYPE edgexai_{name}_total counter",
            f"edgexai_{name}_total {counters[name]}",
        ]
    lines += ["# HELP edgexai_nodes Nodes by their last status.", "# TYPE edgexai_nodes gauge"]
    known = ("online", "lost", "finished", "stopped", "unknown")
    lines += [f'edgexai_nodes{{state="{state}"}} {states.count(state)}' for state in known]
    lines += [
        "# HELP edgexai_journal_frames Frames that are not in Parquet yet.",
        "# TYPE edgexai_journal_frames gauge",
        f"edgexai_journal_frames {view.store.journal.waiting()}",
    ]
    return "\n".join(lines) + "\n"
