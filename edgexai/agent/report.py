"""What an agent says of itself, as far as privacy lets it."""

import time
from typing import Any

from edgexai._version import VERSION
from edgexai.agent.sending import counted, lies
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
        "outbox": lies(state.outbox, state.settings),
    }


def metrics(state: State, commands_refused: int, messages_refused: int) -> dict[str, Any]:
    """Totals since the start, as they travel."""
    counts, now = state.counts, time.monotonic()
    content: dict[str, Any] = counts.content()
    if state.settings.privacy.epsilon is not None:
        told = state.guard.histograms(now)
        content = {"score": None, "predicted": None, "targets": None}
        if told is not None:
            content["targets"], content["score"] = told
    return {
        "boot": state.outbox.boot,
        "time": time.time(),
        "uptime": round(time.time() - state.started, 3),
        **counts.message(),
        **content,
        **counted(state.outbox, state.session),
        "commands_refused": commands_refused,
        "messages_refused": messages_refused,
        "energy_uj": None if state.settings.energy is None else round(counts.energy_uj, 1),
        "privacy": state.guard.metrics(now),
    }
