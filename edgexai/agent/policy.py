"""When a node explains. A policy sees every prediction and says what explaining it is worth.

    [policy]                              as in agent.toml
    any = [                               one of these wants it
      { every = 100 },
      { class = [3, 7] },
      { score_below = 0.5 },
      { drift = 4.0, half_life = 200 },
    ]
    per_hour = { explanations = 60, bytes = 20000, energy_uj = 1e6 }    and the budget allows it

Each row of ``any`` is one condition; several keys in a row must hold together. Without ``any``, every prediction is
wanted. What is explained by the count alone is routine; an event or a drift is worth more, so that its frame outlives
the routine ones when the outbox is full.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgexai.errors import ConfigError
from edgexai.toml import MOST, is_number, told


@dataclass(frozen=True)
class Prediction:
    """What a policy sees: the sample's number since the start, seconds of a clock that does not go back, the class,
    its score, and by how much it is ahead of the second (nan if the model has one output)."""

    number: int
    time: float
    target: int
    score: float
    margin: float = math.nan


UNWANTED, ROUTINE, EVENT, ORDERED = range(4)
"""What an explanation is worth; ORDERED is for those that a command asks for."""


class Policy(Protocol):
    """Asked once for every prediction, in order, so that what it remembers is right."""

    def worth(self, prediction: Prediction) -> int:
        """UNWANTED, ROUTINE or EVENT."""
        ...


@dataclass(frozen=True)
class Every:
    """Every n-th prediction, beginning with the first."""

    n: int = 1

    def worth(self, prediction: Prediction) -> int:
        return ROUTINE if prediction.number % self.n == 0 else UNWANTED


@dataclass(frozen=True)
class Event:
    """A class of a list, and score and margin within bounds; a bound that is nan holds always."""

    classes: frozenset[int] | None = None
    score_below: float = math.nan
    score_above: float = math.nan
    margin_below: float = math.nan
    margin_above: float = math.nan

    def worth(self, prediction: Prediction) -> int:
        holds = (
            (self.classes is None or prediction.target in self.classes)
            and not prediction.score >= self.score_below
            and not prediction.score <= self.score_above
            and not prediction.margin >= self.margin_below
            and not prediction.margin <= self.margin_above
        )
        return EVENT if holds else UNWANTED


@dataclass
class Drift:
    """A score that lies ``sigmas`` standard deviations from its running mean.

    Mean and variance are exponentially weighted with a half-life in predictions (West, *Updating mean and variance
    estimates*, 1979); it learns for two half-lives before it speaks.
    """

    sigmas: float
    half_life: float = 200.0
    _mean: float = 0.0
    _variance: float = 0.0
    _seen: int = 0

    def worth(self, prediction: Prediction) -> int:
        weight = 1.0 - 0.5 ** (1.0 / self.half_life)
        if not math.isfinite(prediction.score):
            return EVENT
        difference = prediction.score - self._mean
        unusual = difference * difference > self.sigmas**2 * self._variance and self._seen > 2 * self.half_life
        if self._seen == 0:
            self._mean, difference = prediction.score, 0.0
        self._seen += 1
        self._mean += weight * difference
        self._variance = (1.0 - weight) * (self._variance + weight * difference * difference)
        return EVENT if unusual else UNWANTED


@dataclass(frozen=True)
class AnyOf:
    """One of several; all are asked, and the most counts."""

    policies: tuple[Policy, ...]

    def worth(self, prediction: Prediction) -> int:
        return max([p.worth(prediction) for p in self.policies])


@dataclass(frozen=True)
class AllOf:
    """Several at once; all are asked, and the most counts if all want it."""

    policies: tuple[Policy, ...]

    def worth(self, prediction: Prediction) -> int:
        answers = [p.worth(prediction) for p in self.policies]
        return max(answers) if all(answers) else UNWANTED


@dataclass
class Budget:
    """What an hour may cost: a bucket that starts full and fills evenly, so that a quiet hour saves up no more than
    one. `spend` is told what an explanation took."""

    limits: dict[str, float]
    _left: dict[str, float] = field(default_factory=dict)
    _since: float | None = None

    def allows(self, now: float) -> bool:
        """Whether there is something left of everything."""
        elapsed = 0.0 if self._since is None else max(0.0, now - self._since)
        self._since = now
        for key, limit in self.limits.items():
            self._left[key] = min(limit, self._left.get(key, limit) + limit * elapsed / 3600.0)
        return all(left > 0 and (key != "explanations" or left >= 1) for key, left in self._left.items())

    def spend(self, **cost: float) -> None:
        """Take off what an explanation cost: explanations, bytes, energy_uj."""
        for key in self._left.keys() & cost.keys():
            self._left[key] -= cost[key]


BUDGETS = ("explanations", "bytes", "energy_uj")
_MOST = {"drift": 1e6, "half_life": 1e9}
MOST_ROWS, MOST_CLASSES = 64, 4096
_EVENTS = ("score_below", "score_above", "margin_below", "margin_above")
_KEYS = {"every", "class", "drift", "half_life", *_EVENTS}


def policy(table: dict[str, Any]) -> tuple[Policy, Budget]:
    """Policy and budget of a ``[policy]`` table; raises ConfigError for what it does not know."""
    if unknown := set(table) - {"any", "per_hour"}:
        raise ConfigError(f"[policy] does not know {sorted(unknown)[0]!r}; it takes any and per_hour")
    rows, hour = table.get("any", []), table.get("per_hour", {})
    if not isinstance(rows, list) or not isinstance(hour, dict):
        raise ConfigError("[policy] takes any = [{…}, …] and per_hour = {…}")
    if len(rows) > MOST_ROWS:
        raise ConfigError(f"[policy] any takes at most {MOST_ROWS} rows, not {len(rows)}")
    limits = {str(k): _number(hour, k, "per_hour") for k in hour}
    if unknown := set(limits) - set(BUDGETS):
        raise ConfigError(f"per_hour does not know {sorted(unknown)[0]!r}; it takes {', '.join(BUDGETS)}")
    wanted: Policy = AnyOf(tuple(_row(row) for row in rows)) if rows else Every(1)
    return wanted, Budget(limits)


def _row(row: Any) -> Policy:
    if not isinstance(row, dict) or not row or set(row) - _KEYS:
        raise ConfigError(f"a row of [policy] any is a table of {', '.join(sorted(_KEYS))}, not {told(row)}")
    conditions: list[Policy] = []
    if "every" in row:
        n = row["every"]
        if not is_number(n, 1, kinds=(int,)):
            raise ConfigError(f"[policy] every takes a whole number of at least 1, not {told(n)}")
        conditions.append(Every(n))
    if "drift" in row:
        conditions.append(Drift(_number(row, "drift", "any"), _number(row, "half_life", "any", 200.0)))
    elif "half_life" in row:
        raise ConfigError("[policy] half_life belongs to drift")
    if "class" in row or any(k in row for k in _EVENTS):
        bounds = {k: _number(row, k, "any", math.nan, signed=True) for k in _EVENTS}
        conditions.append(Event(_classes(row.get("class")), **bounds))
    return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def _classes(value: Any) -> frozenset[int] | None:
    values: Sequence[Any] = value if isinstance(value, list) else [] if value is None else [value]
    if len(values) > MOST_CLASSES or not all(is_number(v, kinds=(int,)) for v in values):
        raise ConfigError(f"[policy] class takes class numbers, not {told(value)}")
    return frozenset(values) if value is not None else None


def _number(table: dict[str, Any], key: str, where: str, missing: float = math.nan, signed: bool = False) -> float:
    value = table.get(key, missing)
    if key in table and (not is_number(value, most=_MOST.get(key, MOST)) or (not signed and value <= 0)):
        raise ConfigError(f"[policy] {where}: {key} takes a {'' if signed else 'positive '}number, not {told(value)}")
    return float(value)


def depends_on_content(table: dict[str, Any]) -> bool:
    """Whether a ``[policy]`` table explains some samples and not others for what is in them."""
    return any(set(row) != {"every"} for row in table.get("any", []))
