"""What a node holds while it runs: the files it explains with, what it counts, and what waits to be sent."""

import time
from pathlib import Path

import numpy as np

from edgexai.agent.counts import Counts
from edgexai.agent.ledger import Ledger
from edgexai.agent.outbox import OutboxFull
from edgexai.agent.pinned import pinned
from edgexai.agent.policy import Budget
from edgexai.agent.privacy import Guard, pooled
from edgexai.agent.recent import Recent
from edgexai.agent.sending import sending
from edgexai.agent.settings import Settings
from edgexai.errors import ConfigError, Error, FrameError
from edgexai.heatmap.basis import Basis, load
from edgexai.messaging.messages import name
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.interpreter import Interpreter

SPENT = "epsilon-spent"
"""A file beside the outbox: privacy has been spent here, so that an outbox without a ledger has lost it."""


class State:
    """One node's, opened by what it is told; ConfigError where that does not fit together."""

    def __init__(self, settings: Settings) -> None:
        name(settings.fleet, "fleet name")
        name(settings.node, "node name")
        self.settings = settings
        self.started = time.time()
        self.counts = Counts()
        self.recent = Recent()
        self.explainer = Explainer(pinned(settings.model, settings.model_sha256))
        self.predictor = None
        if settings.predictor is not None:
            self.predictor = Interpreter(pinned(settings.predictor, settings.predictor_sha256))
        if self.explainer.takes_weights and self.predictor is None:
            raise ConfigError("an explainer file of target 'input' needs --predictor: the class to explain is its")
        self.check_budget(settings.hourly)
        self.model_id = _model_id(self.explainer.metadata.source)
        self.basis = None if settings.basis is None else self._basis(settings.basis)
        self.outbox, self.session = sending(settings)
        try:
            self.guard = Guard(settings.privacy, self.classes, self._ledger())
        except Error:
            self.outbox.close()
            raise

    @property
    def classes(self) -> int:
        """How many outputs the model has."""
        ports = self.explainer.outputs if self.predictor is None else self.predictor.outputs
        return int(np.prod(ports[0].shape))

    def check_budget(self, hourly: Budget) -> None:
        """ConfigError if a budget counts µJ and nobody knows what an explanation takes."""
        if "energy_uj" in hourly.limits and self.settings.energy is None:
            raise ConfigError("per_hour energy_uj needs a board whose power is known; give --board, or another budget")

    def _basis(self, path: Path) -> Basis:
        """The basis of a file; ConfigError if it is none, or is of other maps than those that leave."""
        try:
            basis = load(path.read_bytes())
        except FrameError as error:
            raise ConfigError(f"{path}: {error}") from None
        shape, grid = self.explainer.map_shape, self.settings.privacy.grid
        if grid is not None:
            shape = pooled(np.zeros(shape, np.float32), grid).shape
        if not basis.fits(shape, self.model_id):
            told = "another model" if basis.shape == shape else f"maps of {basis.shape}, this node sends {shape}"
            raise ConfigError(f"{path} is a basis of {told}; make one of this explainer file with `edgexai basis`")
        return basis

    def _ledger(self) -> Ledger:
        if self.settings.privacy.epsilon is not None and self.settings.state is None:
            raise ConfigError("[privacy] epsilon needs --state: what was spent has to outlive a restart")
        lost = self.outbox.repaired or self.outbox.volatile
        kept = "lost" if lost else self.outbox.recall("epsilon")
        if kept is None and self.settings.state is not None and (self.settings.state / SPENT).exists():
            kept = "lost"  # something was spent here, and the outbox that knew it was deleted or emptied
        limits = self.settings.privacy
        return Ledger(limits.per_day, kept, self._remember_epsilon, limits.unit)

    def _remember_epsilon(self, spent: str) -> None:
        if self.outbox.volatile:
            raise OutboxFull("what was spent cannot be kept")
        if self.settings.state is not None:
            try:
                (self.settings.state / SPENT).touch(0o600)
            except OSError as error:
                raise OutboxFull(f"what was spent cannot be kept ({error.strerror})") from None
        self.outbox.keep("epsilon", spent)


def _model_id(source: str) -> bytes:
    try:
        return bytes.fromhex(source)[:8]
    except ValueError:
        raise ConfigError("the explainer file names its source model wrongly; attach the pass again") from None
