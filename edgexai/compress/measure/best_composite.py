"""composite="auto": which composite serves *this* model best, on its own samples without labels.

The most faithful one (symmetric relevance gain) of those that explain in at most ``slowest`` times predicting; of
those that the gain cannot tell apart from it, the one whose maps add up best.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import finite_number, function_or_none, one_of
from edgexai.compress.measure.execute import quantized, real
from edgexai.compress.measure.explained import explained, times_predicting
from edgexai.compress.measure.faithfulness import curves, probabilities
from edgexai.compress.measure.macs import total_macs
from edgexai.errors import DataError
from edgexai.graph import Graph, Model, plain_of
from edgexai.relevance import attach

CANDIDATES = ("edge", "edge_flat", "epsilon_plus", "gamma", "gamma(1)", "gamma_epsilon", "epsilon", "epsilon(0.25)")
SAMPLES, FEWEST, SLOWEST, RUNS = 100, 12, 4.0, 30
STEPS, COARSE = 20, 10
"""Places at which a curve is taken, and of large models."""
WORK = 1e12
"""Multiply-accumulates of predictions that the curves may take in all: some minutes of one core in int8."""
Array = NDArray[Any]


@dataclass(frozen=True)
class Tried:
    """One composite: gain with its 95 % interval, median conservation, time to explain over time to predict."""

    composite: str
    precision: str
    gain: float
    interval: float
    conservation: float
    time: float


@dataclass(frozen=True)
class Choice:
    """The composite that was chosen, in which precision, and all that were tried, the most faithful first."""

    composite: str
    precision: str
    tried: tuple[Tried, ...]


def best_composite(
    graph: Model,
    samples: Array,
    slowest: float = SLOWEST,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """The composite that serves a model best on ``samples`` (N, …), at most 100 of them, and what was tried.

    Samples are images, series or rows of a table; of large models fewer samples and steps are taken. Raises DataError
    for fewer than 2 samples, and for a model whose output is not one of several classes.
    """
    graph = plain_of(graph)
    finite_number("slowest", slowest, 0)
    one_of("precision", precision, ("float32", "int8"))
    function_or_none("progress", progress)
    x = quantized(graph, samples)
    if len(x) < 2 or len(graph.tensors[graph.inputs[0]].shape) < 2:
        raise DataError("composite auto wants 2 samples or more; give them, or name a composite")
    given, answered = (prod(graph.tensors[t].shape) for t in (graph.inputs[0], graph.outputs[0]))
    if answered in (1, given):
        raise DataError(
            "composite auto measures by the probability of a class, but the model names none; name a composite"
        )
    x = x[np.random.default_rng(0).permutation(len(x))]
    names = list(_candidates(graph, x[:SAMPLES]))
    count, steps = effort(total_macs(graph), len(names))
    x = x[:count]
    tried: list[Tried] = []
    for name in names:
        tried.append(_tried(graph, x, name, precision, steps))
        if progress is not None:
            progress(len(tried), len(names))
    return chosen(tried, slowest)


def effort(macs: int, candidates: int) -> tuple[int, int]:
    """How many samples, and steps of a curve, a model of so many multiply-accumulates is measured with."""
    most = WORK / max(1, 2 * candidates * macs)
    if most >= SAMPLES * (STEPS + 1):
        return SAMPLES, STEPS
    return int(np.clip(most / (COARSE + 1), FEWEST, SAMPLES)), COARSE


def chosen(tried: list[Tried], slowest: float = SLOWEST) -> Choice:
    """The choice among what was tried: see the head of this file. The fastest if all are too slow."""
    ranked = tuple(sorted(tried, key=lambda t: -t.gain))
    quick = [t for t in ranked if t.time <= slowest] or [min(ranked, key=lambda t: t.time)]
    # Half an interval: samples are the same for all, so that differences vary less than the gains themselves.
    alike = [t for t in quick if t.gain >= quick[0].gain - quick[0].interval / 4]
    best = min(alike, key=lambda t: abs(1 - t.conservation))
    return Choice(best.composite, best.precision, ranked)


def _candidates(graph: Graph, x: Array) -> Iterator[str]:
    yield from CANDIDATES
    values = real(graph, graph.inputs[0], x)
    if values.min() < values.max():
        yield f"epsilon_gamma_box({values.min():g}, {values.max():g})"


def _tried(graph: Graph, x: Array, name: str, precision: str, steps: int) -> Tried:
    found = explained(graph, x, name, precision=precision)
    fill = np.asarray(np.rint(x.mean(0)) if x.dtype.kind in "iu" else x.mean(0), x.dtype)
    targets = probabilities(graph, x).argmax(1)
    deletion, insertion = curves(graph, x, fill, found.maps, targets, steps)
    gain = insertion - deletion
    return Tried(
        name,
        precision,
        float(gain.mean()),
        float(1.96 * gain.std(ddof=1) / np.sqrt(len(gain))),
        float(np.median(found.conservation)),
        times_predicting(graph, attach(graph, name, precision=precision), x[0], RUNS),
    )
