"""What may leave the node is a setting, and the agent holds to it. There is no setting with which an input leaves.

    [privacy]
    send = ["status", "metrics", "heatmap"]       and "profile" and "probe" if they are allowed
    grid = [8, 8]                                 a map is summed to at most so many cells
    bytes = 64                                    a frame has at most so many
    epsilon = 1.0                                 noise: the ε of one frame, with its class and score
    clip = 5.0                                    the L1 norm that maps are clipped to before the noise
    score_range = [0.5, 20.0]                     scores are clipped to it; without it a frame's score is 0
    epsilon_histograms = 0.1                      of the classes and scores of an hour; without it, none are sent
    epsilon_per_day = 50.0                        no more than this in any 24 hours; then nothing leaves
    delta = 1e-6                                  a day is counted as zCDP, up to this probability: many more frames

docs/privacy.md has the accounting.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.agent.ledger import Ledger
from edgexai.agent.noise import noisy_class, noisy_counts, noisy_map, noisy_value
from edgexai.errors import ConfigError
from edgexai.messaging.histogram import Histogram, bucket, centre
from edgexai.runtime.explanation import Explanation
from edgexai.toml import MOST, is_number, told

SENDS = ("status", "metrics", "heatmap", "profile", "probe")
HOUR = 3600.0
_KEYS = ("send", "grid", "bytes", "epsilon", "clip", "score_range", "epsilon_histograms", "epsilon_per_day", "delta")


_BOUNDS = {
    "epsilon": (1e-4, 50.0),
    "epsilon_histograms": (1e-4, 50.0),
    "epsilon_per_day": (1e-4, 1e6),
    "clip": (1e-12, 1e12),
    "delta": (1e-300, 1e-3),
}
"""Below 1e-4 noise of 10⁸ steps says nothing of a map of 2¹⁴; e⁵⁰ is no secrecy. The sums stay exact between them."""


@dataclass(frozen=True)
class Privacy:
    """The settings; see above."""

    send: frozenset[str] = frozenset(SENDS[:3])
    grid: tuple[int, int] | None = None
    bytes: int | None = None
    epsilon: float | None = None
    clip: float = math.nan
    score_range: tuple[float, float] | None = None
    epsilon_histograms: float | None = None
    epsilon_per_day: float = math.inf
    delta: float | None = None

    @property
    def frame_parts(self) -> tuple[float, ...]:
        """ε of a frame's map, class and score."""
        tenth = (self.epsilon or 0.0) / 10.0
        return (9 * tenth, tenth) if self.score_range is None else (8 * tenth, tenth, tenth)

    @property
    def unit(self) -> str:
        """What a ledger adds up: ε, or ρ of zero-concentrated differential privacy."""
        return "epsilon" if self.delta is None else f"rho {self.delta!r}"

    @property
    def per_day(self) -> float:
        """The day's budget in that unit."""
        if self.delta is None or not math.isfinite(self.epsilon_per_day):
            return self.epsilon_per_day
        room = -math.log(self.delta)
        return (math.sqrt(room + self.epsilon_per_day) - math.sqrt(room)) ** 2

    def cost(self, parts: tuple[float, ...]) -> float:
        """What mechanisms of these ε cost together: an ε-private one is ε²/2-zCDP (Bun, Steinke, TCC 2016)."""
        return sum(parts) if self.delta is None else sum(p * p for p in parts) / 2

    def epsilon_of(self, spent: float) -> float:
        """The ε that was spent, with ``delta`` if there is one."""
        return spent if self.delta is None else spent + 2 * math.sqrt(-spent * math.log(self.delta))


@dataclass(frozen=True)
class Released:
    """What a frame may say."""

    relevance: NDArray[np.float32]
    target: int
    score: float
    conservation: float | None


def privacy(table: dict[str, Any]) -> Privacy:
    """The settings of a ``[privacy]`` table; ConfigError for what is unknown or incomplete."""
    if unknown := sorted(set(table) - set(_KEYS)):
        raise ConfigError(f"[privacy] does not know {unknown[0]!r}; it takes {', '.join(_KEYS)}")
    send = table.get("send", list(SENDS[:3]))
    if not isinstance(send, list) or not all(isinstance(s, str) and s in SENDS for s in send):
        raise ConfigError(f"[privacy] send takes a list of {', '.join(SENDS)}, not {told(send)}")
    made = Privacy(
        send=frozenset(send),
        grid=_pair(table, "grid", int),
        bytes=_positive(table, "bytes", (int,)),
        epsilon=_positive(table, "epsilon"),
        clip=_positive(table, "clip") or math.nan,
        score_range=_pair(table, "score_range", float),
        epsilon_histograms=_positive(table, "epsilon_histograms"),
        epsilon_per_day=_positive(table, "epsilon_per_day") or math.inf,
        delta=_positive(table, "delta"),
    )
    if made.delta is not None and made.delta > 1e-3:
        raise ConfigError(f"[privacy] delta is a probability of at most 0.001, not {made.delta:g}")
    if made.epsilon is None:
        if made.epsilon_histograms is not None:
            raise ConfigError("[privacy] epsilon_histograms needs epsilon: frames would say more than the histograms")
        return made
    if not math.isfinite(made.clip) or not math.isfinite(made.epsilon_per_day):
        raise ConfigError("[privacy] epsilon needs clip and epsilon_per_day; see docs/privacy.md")
    if made.score_range is not None and not made.score_range[0] < made.score_range[1]:
        raise ConfigError("[privacy] score_range takes [low, high]")
    if made.epsilon_histograms is not None and (made.score_range is None or made.score_range[0] <= 0):
        raise ConfigError("[privacy] epsilon_histograms needs a score_range above zero")
    if "profile" in made.send:
        raise ConfigError("[privacy] a relevance profile has no noise; send it or set epsilon, not both")
    if "probe" in made.send:
        raise ConfigError("[privacy] what a trial counts has no noise; send it or set epsilon, not both")
    return made


def pooled(relevance: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """The map summed to at most ``grid`` cells along its first two axes; the sum of all relevance stays."""
    for axis, cells in zip(range(relevance.ndim), grid, strict=False):
        length = relevance.shape[axis]
        edges = np.arange(min(cells, length)) * length // min(cells, length)
        relevance = np.add.reduceat(relevance, edges, axis=axis)
    return relevance


class Guard:
    """Lets an explanation out as the settings say, and counts what it costs. ``classes`` is how many the model has."""

    def __init__(self, settings: Privacy, classes: int, ledger: Ledger) -> None:
        self.settings, self._classes, self._ledger = settings, classes, ledger
        self.withheld = 0
        low, high = settings.score_range or (1.0, 1.0)
        self._domain = range(bucket(low), bucket(high) + 1) if settings.epsilon_histograms else range(0)
        self._hour: tuple[Counter[int], Counter[int]] = Counter(), Counter()
        self._told: tuple[Counter[int], Counter[int]] | None = None
        self._hour_began: float | None = None

    def release(self, e: Explanation, now: float) -> Released | None:
        """What a frame of this explanation may say; None, and counted, if nothing may."""
        limits = self.settings
        if "heatmap" not in limits.send:
            self.withheld += 1
            return None
        relevance = e.relevance if limits.grid is None else pooled(e.relevance, limits.grid)
        if limits.epsilon is None:
            return Released(relevance, e.target, e.score, e.conservation)
        parts = limits.frame_parts
        if not self._ledger.spend(limits.cost(parts), now):
            self.withheld += 1
            return None
        score = 0.0 if limits.score_range is None else noisy_value(e.score, *limits.score_range, parts[2])
        target = noisy_class(e.target, self._classes, parts[1])
        return Released(noisy_map(relevance, limits.clip, parts[0]), target, score, None)

    def count(self, target: int, score: float, now: float) -> None:
        """One more for the private histograms."""
        if self.settings.epsilon_histograms is not None:
            self._close_hour(now)
            self._hour[0][min(max(target, 0), self._classes - 1)] += 1
            within = min(max(bucket(score) if score > 0 else self._domain[0], self._domain[0]), self._domain[-1])
            self._hour[1][within] += 1

    def histograms(self, now: float) -> tuple[dict[str, int], dict[str, Any]] | None:
        """Classes and scores with noise, of all full hours together; None before the first and without a setting."""
        self._close_hour(now)
        if self._told is None:
            return None
        targets, scores = ({k: n for k, n in c.items() if n > 0} for c in self._told)
        whole = Histogram(sum(scores.values()), sum(n * centre(k) for k, n in scores.items()), Counter(scores))
        return {str(k): n for k, n in sorted(targets.items())}, whole.message()

    def status(self) -> dict[str, Any]:
        """As the status tells it."""
        limits = self.settings
        return {"send": sorted(limits.send), "grid": limits.grid, "bytes": limits.bytes, "epsilon": limits.epsilon}

    def metrics(self, now: float) -> dict[str, Any]:
        """As the metrics tell it: explanations that did not leave, and ε of the last 24 hours."""
        return {"withheld": self.withheld, "epsilon_today": round(self.settings.epsilon_of(self._ledger.spent(now)), 6)}

    def _close_hour(self, now: float) -> None:
        epsilon = self.settings.epsilon_histograms
        if epsilon is None:
            return
        began = self._hour_began = now if self._hour_began is None else self._hour_began
        if now - began < HOUR:
            return
        self._hour_began = now
        if self._ledger.spend(self.settings.cost((epsilon / 2, epsilon / 2)), now):
            told = self._told or (Counter(), Counter())
            for sums, counted, keys in zip(told, self._hour, (range(self._classes), self._domain), strict=True):
                fresh = noisy_counts(np.array([counted[k] for k in keys], np.int64), epsilon / 2)
                sums.update(dict(zip(keys, fresh.tolist(), strict=True)))
            self._told = told
        self._hour = Counter(), Counter()


def _positive(table: dict[str, Any], key: str, kinds: tuple[type, ...] = (int, float)) -> Any:
    value: Any = table.get(key)
    least, most = _BOUNDS.get(key, (0.0, MOST))
    if key in table and (not is_number(value, least, most, kinds) or value <= 0):
        said = f"from {least:g} to {most:g}" if key in _BOUNDS else "above 0"
        raise ConfigError(f"[privacy] {key} takes a positive {kinds[-1].__name__} {said}, not {told(value)}")
    return value


def _pair(table: dict[str, Any], key: str, kind: type) -> Any:
    value = table.get(key)
    if value is None:
        return None
    kinds = (int,) if kind is int else (int, float)
    if not (isinstance(value, list) and len(value) == 2 and all(is_number(v, kinds=kinds) for v in value)):
        raise ConfigError(f"[privacy] {key} takes two numbers, not {told(value)}")
    if kind is int and min(value) < 1:
        raise ConfigError(f"[privacy] {key} takes two numbers of at least 1, not {told(value)}")
    return kind(value[0]), kind(value[1])
