"""What an agent says of itself, as far as privacy lets it."""

import time
from typing import Any

from edgexai._version import VERSION
from edgexai.agent.state import State


def status(state: State, takes_commands: bool) -> dict[str, Any]:
    """The retained birth message."""
    about = state.explainer.metadata
    least = {"state": "online", "boot": state.outbox.boot, "version": VERSION, "privacy": state.guard.status()}
    if "status" not in state.settings.privacy.send:
        return least
    return {
        **least,
        "model": state.model_id.hex(),
        "composite": about.composite,
        "target": about.target,
        "grid": about.grid,
        "board": state.settings.board,
        "started": state.started,
        "labels": list(state.settings.labels),
        "context": state.settings.context,
        "commands": takes_commands,
        "outbox": state.outbox.volatile or ("memory" if state.settings.state is None else "disk"),
    }


def metrics(state: State, commands_refused: int, messages_refused: int) -> dict[str, Any]:
    """Totals since the start, as they travel."""
    counts, box, now = state.counts, state.outbox, time.monotonic()
    waiting, waiting_bytes = box.depth()
    content: dict[str, Any] = counts.content()
    if state.settings.privacy.epsilon is not None:
        told = state.guard.histograms(now)
        content = {"score": None, "predicted": None, "targets": None}
        if told is not None:
            content["targets"], content["score"] = told
    return {
        "boot": box.boot,
        "time": time.time(),
        "uptime": round(time.time() - state.started, 3),
        **counts.message(),
        **content,
        "confirmed": state.session.confirmed,
        "resent": state.session.resent,
        "commands_refused": commands_refused,
        "messages_refused": messages_refused,
        "dropped": box.dropped,
        "shortened": box.shortened,
        "damaged": box.damaged,
        "trouble": box.trouble,
        "waiting": {"frames": waiting, "bytes": waiting_bytes},
        "energy_uj": None if state.settings.energy is None else round(counts.energy_uj, 1),
        "privacy": state.guard.metrics(now),
    }
