"""The fleet's page and its JSON: everything that it shows can be fetched (docs/messaging.md lists the answers)."""

import base64
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from edgexai._version import VERSION
from edgexai.errors import FrameError
from edgexai.fleet.alarms.alarms import Alarms, findings_lines
from edgexai.fleet.asked import Asked
from edgexai.fleet.duty import Duty, duty_lines
from edgexai.fleet.findings import Watch
from edgexai.fleet.ingest.metrics import TEXT, Meter, family
from edgexai.fleet.store.bases import at_hand
from edgexai.fleet.store.decisions import decisions
from edgexai.fleet.store.labels import labels, model_names
from edgexai.fleet.web import findings, panels
from edgexai.fleet.web.answer import Answer
from edgexai.fleet.web.guard import LOOPBACK, Guard
from edgexai.fleet.web.inventory import Inventory
from edgexai.fleet.web.login import Door
from edgexai.fleet.web.patience import PatientProtocol
from edgexai.fleet.web.view import View
from edgexai.messaging.messages import MAX_PAYLOAD
from edgexai.messaging.strict import loads

STATIC = Path(__file__).parent / "static"
SAID = ("status", "metrics")
"""What is shown of what a node says of itself; the store keeps contexts and trials, too."""


@dataclass(frozen=True)
class Shows:
    """What the page shows beside frames, where a service has it: its findings; ``asked`` answers what takes a while;
    ``meter`` is that of the worker in this process; ``duties`` are what the service does again and again."""

    watch: Watch | None = None
    asked: Asked | None = None
    meter: Meter | None = None
    alarms: Alarms | None = None
    duties: Sequence[Duty] = ()


def application(view: View, broker_url: str, shows: Shows = Shows(), hosts: Iterable[str] | None = LOOPBACK) -> ASGIApp:
    """The ASGI application over a view; ``hosts`` see `Guard`."""
    meter, alarms, duties, asked = shows.meter, shows.alarms, shows.duties, shows.asked
    watch = shows.watch or Watch(view.store.directory, view.store.news)
    begun, stock = time.time(), Inventory(view.store.journal)
    threading.Thread(target=stock.warm, daemon=True).start()

    def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    def health(request: Request) -> Response:
        states = view.store.journal.states()
        return Answer(
            {
                "version": VERSION,
                "broker": broker_url,
                "uptime": time.time() - begun,
                "nodes": sum(states.values()),
                "states": states,
                "shown": view.shown,
                "let_go": view.let_go,
                "looked": watch.answer()["computed"],
                "failing": {duty.name: duty.failing for duty in duties if duty.failing},
                **stock.summary(),
                **view.store.journal.counters(),
            }
        )

    def nodes(request: Request) -> Response:
        limit, one = _limit(request, 500, 100_000), request.query_params.get("id", "").partition("/")
        if one[1]:
            return Answer(the_node(view, one[0], one[2]))
        return _no_number if limit is None else Answer(node_list(view, limit))

    def inventory(request: Request) -> Response:
        try:
            said = stock.page(request.query_params)
        except (ValueError, OverflowError):
            return Answer({"error": "since, offset and limit are numbers"}, status_code=400)
        for row in said["rows"]:
            row["id"] = f"{row['fleet']}/{row['node']}"
        return Answer(said)

    def classes(request: Request) -> Response:
        answers = view.classes(request.query_params.get("node"))
        return Answer([{**one, "labels": labels(view.store.directory, one["model"])} for one in answers])

    def latest(request: Request) -> Response:
        limit, asked = _limit(request, 8, 24), request.query_params
        if limit is None:
            return _no_number
        frames = view.latest(asked.get("fleet"), asked.get("node"), limit)
        names = {model: labels(view.store.directory, model) for model in {one["model"] for one in frames}}
        for one in frames:
            known = names[one["model"]]
            one["class"] = known[one["target"]] if 0 <= one["target"] < len(known) else None
        return Answer(frames)

    def quarantine(request: Request) -> Response:
        refusals = view.store.journal.refusals()
        return Answer(
            [
                {"received": r.received, "topic": r.topic, "reason": r.reason, "payload": r.payload[:256].hex()}
                for r in refusals
            ]
        )

    def bases(request: Request) -> Response:
        name = request.path_params["name"]
        found = [b.data for b in at_hand(view.bases) if b.name.hex() == name]
        return Answer([base64.b64encode(data).decode() for data in found])

    def names(request: Request) -> Response:
        return Answer({"models": model_names(view.store.directory)})

    def metrics(request: Request) -> Response:
        own = "" if meter is None else meter.text()
        said, made = watch.answer(), decisions(watch.directory)
        decided = {name for name, one in made.items() if one.verdict != "open"}
        lines = findings_lines(said["findings"], said["computed"], decided) + ([] if alarms is None else alarms.lines())
        own = "\n".join([*lines, *duty_lines(duties), own])
        return PlainTextResponse(prometheus(view) + own, media_type=TEXT)

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/api/health", health),
            Route("/api/nodes", nodes),
            Route("/api/inventory", inventory),
            Route("/api/classes", classes),
            Route("/api/frames/latest", latest),
            Route("/api/bases/{name}", bases),
            Route("/api/quarantine", quarantine),
            Route("/api/names", names),
            *findings.routes(watch, asked),
            *panels.routes(watch, asked),
            Route("/metrics", metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
    )
    return Guard(Door(app, view.store.directory), hosts)


def _limit(request: Request, usual: int, most: int) -> int | None:
    try:
        return max(1, min(most, int(request.query_params.get("limit", usual))))
    except ValueError:
        return None


_no_number = Answer({"error": "limit must be a number"}, status_code=400)


def node_list(view: View, limit: int = 500) -> list[dict[str, Any]]:
    """The nodes that were heard last: status, metrics, stored frames and bytes of them."""
    journal = view.store.journal
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for fleet, node, kind, received, text in journal.nodes(limit):
        one = known.setdefault((fleet, node), {"fleet": fleet, "node": node, "status": None, "metrics": None})
        one["seen"] = max(received, one.get("seen", 0.0))
        if kind in SAID:
            one[kind] = _said(text)
    totals = journal.totals(limit)
    for fleet, node in list(totals)[: limit - len(known)]:
        known.setdefault((fleet, node), {"fleet": fleet, "node": node, "status": None, "metrics": None, "seen": None})
    for key, one in known.items():
        one["frames"], one["bytes"] = totals.get(key) or journal.total(*key)
    return [known[key] for key in sorted(known)]


def the_node(view: View, fleet: str, node: str) -> list[dict[str, Any]]:
    """The same of one node; nothing if it is not known."""
    journal = view.store.journal
    one: dict[str, Any] = {"fleet": fleet, "node": node, "status": None, "metrics": None, "seen": None}
    said = journal.said_by(fleet, node)
    one["frames"], one["bytes"] = journal.total(fleet, node)
    for _, _, kind, received, text in said:
        if kind in SAID:
            one |= {kind: _said(text), "seen": max(received, one["seen"] or 0.0)}
    return [one] if said or one["frames"] else []


def _said(text: str) -> dict[str, Any] | None:
    """A note as it was stored, by this version or an older one that looked less closely."""
    try:
        return loads(text.encode("utf-8", "surrogatepass"), MAX_PAYLOAD)
    except FrameError:
        return None


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
        *family(
            "edgexai_nodes_waiting_frames",
            "gauge",
            "Frames that nodes still hold; growing while a worker is connected, they do not arrive.",
            [("", journal.held_back())],
        ),
        *family(
            "edgexai_view_dropped_total", "counter", "Sums and frames that the page let go of.", [("", view.let_go)]
        ),
        *family(
            "edgexai_page_connections_ended_total",
            "counter",
            "Connections to the page that were too many, or held open without a whole request or a reader.",
            [("", PatientProtocol.ended)],
        ),
        *family("edgexai_journal_frames", "gauge", "Frames that are not in the table yet.", [("", journal.waiting())]),
    ]
    return "\n".join([*lines, ""])
