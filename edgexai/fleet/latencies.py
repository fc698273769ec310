"""What nodes say of their own latency, by model and device, for the analysis of health."""

import json
import time
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from edgexai.fleet.analysis.evidence import nodes
from edgexai.fleet.analysis.figures import Latencies, slow
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.read import Span, opened

DAY = 86400.0
"""Seconds before the newest metrics from which on metrics count: nodes that are gone are nobody's peers."""
NOW = Span()
LONGEST = 1e9
"""Milliseconds; more is no latency."""


def slow_nodes(directory: Path, span: Span = NOW) -> list[Finding]:
    """The tests of all latencies that a store knows; none for a span that ends before now, since metrics are of now."""
    if span.version is not None or span.until < inf or span.arrived < inf:
        return []
    return [finding for one in latencies(directory) for finding in slow(one)]


def latencies(directory: Path) -> list[Latencies]:
    """By model and device: the board that nodes declare, and the ``device`` of their context. Nodes that declare
    neither are left out, since nobody knows whose peers they are."""
    said: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    at: dict[tuple[str, str], float] = {}
    with opened(directory) as store:
        for fleet, node, kind, received, text in store.journal.nodes(limit=1_000_000):
            if kind in ("status", "metrics"):
                said.setdefault((fleet, node), {})[kind] = json.loads(text)
            if kind == "metrics":
                at[fleet, node] = received
    latest = time.time() + DAY  # what came later came while the clock of this side was wrong, and is no measure of now
    newest = max((received for received in at.values() if received < latest), default=0.0)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    rows = []
    for (fleet, node), both in said.items():
        if at.get((fleet, node), -inf) >= newest - DAY and (row := _row(both)) is not None:
            rows.append(row | {"fleet": fleet, "node": node})
    for row, name in zip(rows, nodes(rows), strict=True):
        found.setdefault(row["peers"], []).append(row | {"name": name})
    return [
        Latencies(
            model,
            device,
            [row["name"] for row in some],
            *(np.array([row[part] for row in some], np.float64) for part in ("count", "p50", "p95")),
        )
        for (model, device), some in sorted(found.items())
    ]


def _row(said: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Figures of one start of a node; None where it has not said them, or not whose peer it is."""
    status, metrics = said.get("status", {}), said.get("metrics", {})
    context, latency = status.get("context"), metrics.get("latency_ms")
    device = context.get("device") if isinstance(context, dict) else None
    names = [str(name) for name in (status.get("board"), device) if name]
    model = status.get("model")
    if not names or not model or not isinstance(latency, dict) or status.get("boot") != metrics.get("boot"):
        return None
    figures = {part: latency.get(part) for part in ("count", "p50", "p95")}
    if not all(isinstance(v, int | float) and 0 < v < LONGEST for v in figures.values()):
        return None
    return {"peers": (str(model), ", ".join(names)), **figures}
