"""What an agent is told; `edgexai agent init` says what each means."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgexai.agent.policy import Budget, Every, Policy
from edgexai.agent.privacy import Privacy
from edgexai.messaging.broker import Broker


@dataclass
class Settings:
    """One node's. ``energy`` estimates the µJ of an explanation on ``board`` from the milliseconds that it took here;
    ``sparkplug`` is the group under which SCADA tools see the node, None for not at all; a ``patient`` node skips
    even a first sample that does not fit, which else says that the wrong data was given."""

    fleet: str
    node: str
    model: Path
    broker: Broker
    state: Path | None = None
    state_bytes: int = 16 * 2**20
    state_days: float = 7.0
    predictor: Path | None = None
    profiler: Path | None = None
    model_sha256: str | None = None
    predictor_sha256: str | None = None
    profiler_sha256: str | None = None
    basis: Path | None = None
    board: str | None = None
    energy: Callable[[float], float] | None = None
    budget: int = 256
    policy: Policy = field(default_factory=Every)
    hourly: Budget = field(default_factory=lambda: Budget({}))
    privacy: Privacy = field(default_factory=Privacy)
    interval: float = 0.0
    limit: int | None = None
    confirm: Literal["store", "broker"] = "store"
    window: int = 64
    drain: float = 30.0
    patient: bool = False
    labels: tuple[str, ...] = ()
    context: dict[str, str] = field(default_factory=dict)
    """What the node declares of itself, such as site and group: without it no bias between groups can be found."""
    commands: Path | None = None
    sparkplug: str | None = None

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame at most."""
        return self.budget if self.privacy.bytes is None else min(self.budget, self.privacy.bytes)
