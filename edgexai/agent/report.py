"""What an agent says of itself, as far as privacy lets it."""

import time
from typing import TYPE_CHECKING, Any

from edgexai._version import VERSION

if TYPE_CHECKING:
    from edgexai.agent.agent import Agent


def status(agent: "Agent") -> dict[str, Any]:
    """The retained birth message."""
    about = agent.explainer.metadata
    least = {"state": "online", "boot": agent.outbox.boot, "version": VERSION, "privacy": agent.guard.status()}
    if "status" not in agent.settings.privacy.send:
        return least
    return {
        **least,
        "model": agent.model_id.hex(),
        "composite": about.composite,
        "target": about.target,
        "grid": about.grid,
        "board": agent.settings.board,
        "started": agent.started,
        "labels": list(agent.settings.labels),
        "commands": agent.orders.taken,
        "outbox": agent.outbox.volatile or ("memory" if agent.settings.state is None else "disk"),
    }


def metrics(agent: "Agent") -> dict[str, Any]:
    """Totals since the start, as they travel."""
    counts, box, now = agent.counts, agent.outbox, time.monotonic()
    waiting, waiting_bytes = box.depth()
    content: dict[str, Any] = counts.content()
    if agent.settings.privacy.epsilon is not None:
        told = agent.guard.histograms(now)
        content = {"score": None, "predicted": None, "targets": None}
        if told is not None:
            content["targets"], content["score"] = told
    return {
        "boot": box.boot,
        "time": time.time(),
        "uptime": round(time.time() - agent.started, 3),
        **counts.message(),
        **content,
        "confirmed": agent.session.confirmed,
        "resent": agent.session.resent,
        "commands_refused": agent.orders.refused,
        "messages_refused": agent.link.refused,
        "dropped": box.dropped,
        "shortened": box.shortened,
        "damaged": box.damaged,
        "trouble": box.trouble,
        "waiting": {"frames": waiting, "bytes": waiting_bytes},
        "energy_uj": None if agent.settings.energy is None else round(counts.energy_uj, 1),
        "privacy": agent.guard.metrics(now),
    }
