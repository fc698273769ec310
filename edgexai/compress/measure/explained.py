"""Heatmaps of many samples on the workstation's runtime, and how much of the score arrives in them."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import opened, quantized
from edgexai.graph import Graph
from edgexai.relevance import Composite, attach


@dataclass(frozen=True)
class Explained:
    """``maps`` (N, …) in the shape of the explainer's, and ``conservation`` (N,), Σ relevance / score."""

    maps: NDArray[np.float32]
    conservation: NDArray[np.float64]


def explained(
    graph: Graph,
    x: NDArray[Any],
    composite: str | Composite = "edge",
    target: str | int = "predicted",
    precision: str = "float32",
) -> Explained:
    """Explain samples x (N, …)."""
    runner = Runner(attach(graph, composite, target, precision=precision))
    own = len(graph.outputs)
    maps, conservation = [], []
    for one in quantized(graph, x):
        outputs = runner(one)
        relevance, score = outputs[own], float(outputs[own + 2].reshape(-1)[0])
        total = float(relevance.sum(dtype=np.float64))
        conservation.append(total / score if score else float(not total))
        maps.append(relevance.reshape(relevance.shape[1:]))
    return Explained(np.stack(maps), np.asarray(conservation))


class Runner:
    """A graph of one input on the runtime, one thread, a sample a call, each of which begins without a state."""

    def __init__(self, graph: Graph) -> None:
        self._inner = opened(graph)
        (self._input,) = (d["index"] for d in self._inner.get_input_details())
        self._outputs = [d["index"] for d in self._inner.get_output_details()]

    def __call__(self, one: NDArray[Any]) -> list[NDArray[Any]]:
        self._inner.set_tensor(self._input, one[None])
        self._inner.reset_all_variables()
        self._inner.invoke()
        return [self._inner.get_tensor(index) for index in self._outputs]


def times_predicting(graph: Graph, explain: Graph, one: NDArray[Any], runs: int) -> float:
    """Time to explain over time to predict, the fastest of ``runs`` alternating runs of each."""
    runners, fastest = (Runner(graph), Runner(explain)), [np.inf, np.inf]
    for _ in range(runs):
        for k, runner in enumerate(runners):
            begun = time.perf_counter()
            runner(one)
            fastest[k] = min(fastest[k], time.perf_counter() - begun)
    return float(fastest[1] / fastest[0])
