"""What a node does on command, one function each by the command's name, and who may command it."""

import base64
import logging
import time
import zlib
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from typing import Any, Protocol

from numpy.typing import NDArray

from edgexai.agent.outbox import OutboxFull
from edgexai.agent.pinned import pinned
from edgexai.agent.policy import ORDERED, depends_on_content, policy
from edgexai.agent.probing import Probing
from edgexai.agent.recent import Held
from edgexai.agent.seldom import Seldom
from edgexai.agent.state import State
from edgexai.errors import ConfigError, DataError
from edgexai.messaging.command import CommandRefused, Gate, load_public
from edgexai.runtime.profiler import Profiler

log = logging.getLogger(__name__)

MOST = 1000
PART = 32 * 1024
"""Bytes of a profile in one reply."""

Parameters = dict[str, Any]


class Node(Protocol):
    """What an order may have a node do, beyond what its state says."""

    def status(self) -> dict[str, Any]:
        """The retained birth message."""

    def metrics(self) -> dict[str, Any]:
        """Totals since the start."""

    def accept(self, held: Held, worth: int) -> bool:
        """Put an explanation into the outbox, as far as it may leave; whether it is there."""

    def reply(self, message: dict[str, Any]) -> None:
        """Answer the one who ordered."""


class Orders:
    """Commands of one node: checked, carried out, answered; and what they have left to do for the next samples."""

    def __init__(self, state: State, node: Node) -> None:
        self._state, self._node = state, node
        settings = state.settings
        self._gate = None if settings.commands is None else self._make_gate()
        self._profiler = (
            None if settings.profiler is None else Profiler(pinned(settings.profiler, settings.profiler_sha256))
        )
        self.probing = Probing(state)
        self._explain = 0
        self._class: int | None = None
        self._profile_of = 0
        self._profile = b""
        self._seldom = Seldom(log)
        self._known: dict[str, Callable[[Parameters], Any]] = {
            "ping": self.ping,
            "metrics": self.metrics,
            "policy": self.policy,
            "explain": self.explain,
            "last": self.last,
            "profile": self.profile,
            "probe": self.probe,
            "rotate": self.rotate,
        }

    @property
    def taken(self) -> bool:
        """Whether commands are taken at all."""
        return self._gate is not None

    @property
    def refused(self) -> int:
        """How many were refused."""
        return 0 if self._gate is None else self._gate.refused

    def obey(self, payload: bytes) -> None:
        """Carry a command out and answer it; one that is not allowed is counted, logged and not answered."""
        if self._gate is None:
            return
        try:
            command = self._gate.open(payload, time.time())
        except (CommandRefused, OutboxFull) as error:
            self._seldom.warn("a command was refused", error)
            return
        reply: dict[str, Any] = {"id": command.id, "ok": True}
        try:
            if command.do not in self._known:
                raise ConfigError(f"there is no command {command.do!r}; there are {', '.join(self._known)}")
            reply["result"] = self._known[command.do](command.parameters)
        except ConfigError as error:
            reply = {"id": command.id, "ok": False, "error": str(error)}
        log.info("command %s %s: %s", command.id, command.do, "done" if reply["ok"] else reply["error"])
        self._node.reply(reply)

    def see(self, x: NDArray[Any]) -> None:
        """A sample that a profile may be waiting for."""
        if self._profiler is None or self._profiler.samples >= self._profile_of:
            return
        try:
            self._profiler.add(x)
        except DataError as error:
            self._seldom.warn("a sample does not fit the profiler", error)
            return
        if self._profiler.samples == self._profile_of:
            self._profile = zlib.compress(self._profiler.packed(), 9)

    def explain_next(self) -> tuple[bool, int | None]:
        """Whether a command wants the present sample explained, and for which class (None: the predicted one)."""
        if self._explain == 0:
            return False, None
        self._explain -= 1
        return True, self._class

    def ping(self, parameters: Parameters) -> Any:
        """Answers with the status."""
        _nothing_but(parameters)
        return self._node.status()

    def metrics(self, parameters: Parameters) -> Any:
        """Answers with the metrics."""
        _nothing_but(parameters)
        if "metrics" not in self._state.settings.privacy.send:
            raise ConfigError("[privacy] does not let metrics leave this node")
        return self._node.metrics()

    def policy(self, parameters: Parameters) -> Any:
        """Takes a ``[policy]`` table in place of the present one, until the process ends."""
        wanted, hourly = policy(parameters)
        if self._state.settings.privacy.epsilon is not None and depends_on_content(parameters):
            raise ConfigError("with [privacy] epsilon a policy may count samples only")
        self._state.check_budget(hourly)
        self._state.settings.policy, self._state.settings.hourly = wanted, hourly
        return None

    def explain(self, parameters: Parameters) -> Any:
        """Explains the next ``count`` samples whatever the policy says, with ``class`` for that class (a file of
        target "input" only)."""
        _nothing_but(parameters, "count", "class")
        state, count, target = self._state, _count(parameters, "explain"), parameters.get("class")
        if target is not None and not (type(target) is int and 0 <= target < state.classes):
            raise ConfigError(f"explain takes a class of 0 to {state.classes - 1}, not {target!r}")
        if target is not None and not state.explainer.takes_weights:
            raise ConfigError("this explainer file explains the predicted class only; attach it with --target input")
        self._explain, self._class = count, target
        return {"count": count}

    def last(self, parameters: Parameters) -> Any:
        """Sends those of the last ``count`` explanations that have not been sent."""
        _nothing_but(parameters, "count")
        held = self._state.recent.last(_count(parameters, "last"))
        fresh = [h for h in held if not h.sent]
        return {"count": sum(self._node.accept(h, ORDERED) for h in fresh), "sent_before": len(held) - len(fresh)}

    def profile(self, parameters: Parameters) -> Any:
        """With ``count``, begins a relevance profile of the next samples; with ``part``, answers with a part of it."""
        _nothing_but(parameters, "count", "part")
        if self._profiler is None:
            raise ConfigError("this node has no profiler; make its file with `edgexai profile --node`")
        if "profile" not in self._state.settings.privacy.send:
            raise ConfigError("[privacy] send does not let profiles leave this node")
        if "count" in parameters:
            self._profile_of, self._profile = _count(parameters, "profile"), b""
            self._profiler.reset()
        told: dict[str, Any] = {"samples": self._profiler.samples, "of": self._profile_of}
        told["parts"] = -(-len(self._profile) // PART)
        part = parameters.get("part")
        if part is not None:
            if type(part) is not int or not 0 <= part < told["parts"]:
                raise ConfigError(f"there is no part {part!r} of the profile; it has {told['parts']}")
            told["data"] = base64.b64encode(self._profile[part * PART : (part + 1) * PART]).decode()
        return told

    def probe(self, parameters: Parameters) -> Any:
        """Tries a suspicion on the next ``count`` samples of other classes; without one, answers with what the last
        trials have found."""
        if "probe" not in self._state.settings.privacy.send:
            raise ConfigError("[privacy] send does not let what trials find leave this node")
        if parameters:
            _nothing_but(parameters, "count", "class", "of", "weights", "score", "bias")
            self.probing.begin(parameters, _count({"count": 100, **parameters}, "probe"))
        return {"trials": self.probing.told()}

    def rotate(self, parameters: Parameters) -> Any:
        """Begins a new log file."""
        _nothing_but(parameters)
        files = [h for h in logging.getLogger().handlers if isinstance(h, RotatingFileHandler)]
        if not files:
            raise ConfigError("this node logs to no file; give it --log-file")
        try:
            for handler in files:
                handler.doRollover()
        except OSError as error:
            raise ConfigError(f"the log cannot be rotated: {error}") from None
        return {"files": len(files)}

    def _make_gate(self) -> Gate:
        """Numbers start above the last that was taken; where that is not known, above this moment's, so that nothing
        signed before it is taken twice."""
        settings, box = self._state.settings, self._state.outbox
        kept = box.recall("command") or ""
        last = int(kept) if kept.isdecimal() else time.time_ns()
        assert settings.commands is not None
        return Gate(
            load_public(settings.commands),
            settings.fleet,
            settings.node,
            last,
            lambda number: box.keep("command", str(number)),
        )


def _count(parameters: Parameters, what: str) -> int:
    count = parameters.get("count", 1)
    if type(count) is not int or not 1 <= count <= MOST:
        raise ConfigError(f"{what} takes a count of 1 to {MOST}, not {count!r}")
    return count


def _nothing_but(parameters: Parameters, *known: str) -> None:
    if unknown := sorted(set(parameters) - set(known)):
        raise ConfigError(f"the command does not take {unknown[0]!r}")
