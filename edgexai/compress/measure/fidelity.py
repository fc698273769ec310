"""Does a compressed model still explain as the original does? Heatmaps compared, input by input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import opened, quantized
from edgexai.graph import Graph
from edgexai.relevance import attach


def heatmaps(graph: Graph, x: NDArray[Any], composite: str = "edge") -> NDArray[np.float32]:
    """The heatmap of the predicted class of each sample (N, …), flattened: (N, positions)."""
    explain = attach(graph, composite)
    port = len(graph.outputs)
    interpreter = opened(explain)
    (source,) = (d["index"] for d in interpreter.get_input_details())
    relevance = interpreter.get_output_details()[port]["index"]
    maps = []
    for sample in quantized(graph, x):
        interpreter.set_tensor(source, sample[None])
        interpreter.invoke()
        maps.append(interpreter.get_tensor(relevance).ravel())
    return np.asarray(maps, np.float32)


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The median over samples of Pearson's correlation of two sets of heatmaps (N, positions); 0 for a blank one."""
    a, b = (m - m.mean(axis=1, keepdims=True, dtype=np.float64) for m in (one, other))
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.median(np.where(norm > 0, (a * b).sum(axis=1) / np.maximum(norm, 1e-300), 0.0)))


def particular(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Heatmaps (N, positions), each of unit norm, less their mean: what is not the same for every input."""
    unit = maps / np.maximum(np.linalg.norm(maps, axis=1, keepdims=True), 1e-30)
    return np.asarray(unit - unit.mean(axis=0), np.float32)
