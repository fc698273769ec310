"""Budgets: what a smaller model may cost and must still be worth, as shares of the whole model's or absolute."""

import re
from dataclasses import dataclass, fields
from numbers import Real

from edgexai.board import Board, board_of
from edgexai.checks import told
from edgexai.compress.measure.cost import Cost
from edgexai.errors import ConfigError

Amount = float | str | None

COSTS = {"macs": "macs", "energy": "energy_uj", "latency": "latency_ms", "flash": "bytes", "ram": "ram"}
"""The limits of cost, and the field of `Cost` that each bounds."""

UNITS = {
    "energy": {"uj": 1.0, "µj": 1.0, "mj": 1e3},
    "latency": {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3},
    "flash": {"b": 1.0, "k": 1024.0, "kib": 1024.0, "kb": 1e3, "m": 1024.0**2, "mib": 1024.0**2, "mb": 1e6},
    "macs": {"k": 1e3, "m": 1e6, "g": 1e9},
}
UNITS["ram"] = UNITS["flash"]
EXAMPLES = {"energy": "700uJ", "latency": "20ms", "flash": "128K", "ram": "64K", "macs": "2M"}


@dataclass(frozen=True)
class Limit:
    """At most so much: of ``what`` (a field of Cost), ``most`` in its unit, or as a share of the whole model's."""

    what: str
    most: float
    is_share: bool = False

    def met(self, found: Cost, whole: Cost) -> bool:
        """Whether a cost is within the limit; ConfigError if the board does not say enough to know."""
        return self.value(found) <= (self.most * self.value(whole) if self.is_share else self.most)

    def share(self, whole: Cost) -> float:
        """The limit as a share of the whole model's cost."""
        return self.most if self.is_share else self.most / self.value(whole)

    def value(self, found: Cost) -> float:
        """What is limited, in its unit; ConfigError if the board does not say it."""
        value = getattr(found, self.what)
        if value is None:
            raise ConfigError(f"a limit on {self.what} needs a board that says it; give one with [power]")
        return float(value)

    def __str__(self) -> str:
        return f"{self.what} ≤ {self.most:.0%}" if self.is_share else f"{self.what} ≤ {self.most:,.6g}"


@dataclass(frozen=True)
class Budget:
    """What a model may cost, and what it must still be worth; None is no limit.

    ``macs``, ``energy`` (µJ), ``latency`` (ms), ``flash`` and ``ram`` (bytes): a number of at most 1, or ``"50%"``, is
    a share of the whole model's; a larger number, or one with its unit (``"20ms"``, ``"700uJ"``, ``"128K"``), is
    absolute. Energy and latency are those of one inference on ``board``. ``accuracy`` is what may be lost of it, as
    a share of the samples (0.01 or ``"1%"`` is a point); ``explanations`` the least median correlation of heatmaps
    with the whole model's. Raises ConfigError for values that mean nothing.
    """

    macs: Amount = None
    energy: Amount = None
    latency: Amount = None
    flash: Amount = None
    ram: Amount = None
    accuracy: Amount = None
    explanations: float | None = None
    board: str | Board | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, f.name) is None for f in fields(self) if f.name != "board"):
            raise ConfigError(f"the budget is empty; limit one of {', '.join([*COSTS, 'accuracy', 'explanations'])}")
        _ = self.limits, self.loss, self.known_board
        kept = self.explanations
        if kept is not None and not (isinstance(kept, int | float) and not isinstance(kept, bool) and 0 < kept < 1):
            raise ConfigError(f"explanations is {told(kept)}; the correlation that heatmaps keep lies between 0 and 1")
        if self.board is None and (self.energy is not None or self.latency is not None):
            raise ConfigError("energy and latency are a board's; name one with board= (on the command line --board)")
        if self.energy is not None and self.known_board is not None and self.known_board.active_mw is None:
            name = self.known_board.name
            raise ConfigError(f"nobody has published the power of {name}; limit latency, or take a board with [power]")

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The limits of cost."""
        given = ((name, getattr(self, name)) for name in COSTS)
        return tuple(Limit(COSTS[name], *amount(name, value)) for name, value in given if value is not None)

    @property
    def loss(self) -> float | None:
        """The share of the samples that may be lost in accuracy."""
        return None if self.accuracy is None else amount("accuracy", self.accuracy)[0]

    @property
    def known_board(self) -> Board | None:
        """The board, read."""
        return self.board if self.board is None else board_of(self.board)

    def met(self, found: Cost, whole: Cost) -> bool:
        """Whether a cost is within all limits of cost."""
        return all(limit.met(found, whole) for limit in self.limits)

    def keeps(self, lost: float, correlation: float) -> bool:
        """Whether a model that has lost so much accuracy, with such heatmaps, is still good enough."""
        is_right = self.loss is None or lost <= self.loss + 1e-9
        return is_right and (self.explanations is None or correlation >= self.explanations)

    def __str__(self) -> str:
        told = [str(limit) for limit in self.limits]
        told += [f"at most {100 * self.loss:g} points of accuracy lost"] if self.loss is not None else []
        told += [f"heatmaps that correlate by {self.explanations:g}"] if self.explanations is not None else []
        return ", ".join(told)


def amount(name: str, value: float | str) -> tuple[float, bool]:
    """(number in the unit of Budget's ``name``, whether it is a share); ConfigError if it is neither."""
    like = f"a share such as 0.5 or 50%{f', or {EXAMPLES[name]}' if name in EXAMPLES else ''}"
    wrong = ConfigError(f"{name} {told(value)} is no amount; give {like}")
    unit = ""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Zµ%]*)\s*", value)
        if found is None:
            raise wrong
        number, unit = float(found[1]), found[2].lower()
    elif isinstance(value, bool) or not isinstance(value, Real) or not abs(value) < 1e15:
        raise wrong
    else:
        number = float(value)
    if unit == "%":
        number, is_share = number / 100, True
    elif unit:
        if unit not in UNITS.get(name, {}):
            raise wrong
        number, is_share = number * UNITS[name][unit], False
    else:
        is_share = number <= 1
    if not 0 < number < 1e15 or (is_share and number > 1) or (name == "accuracy" and not is_share):
        raise ConfigError(f"{name} {told(value)} must be above 0, and a share at most 100%; give {like}")
    return number, is_share
