"""The other ways to explain, on the float copy of a model: what docs/edge-composite.md compares relevance with.

Gradients come from TensorFlow; the maps are (N, rows, columns), channels summed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import forward, quantized, real
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.repair.trainable import tensorflow, trainable
from edgexai.graph import Graph
from edgexai.relevance.grid import grids
from edgexai.relevance.targets.start import logits_of

Maps = NDArray[np.float32]
STEPS = 16
PATCHES = 8


def rivals(
    graph: Graph, x: NDArray[Any], fill: NDArray[Any], targets: NDArray[np.int64]
) -> dict[str, Callable[[], Maps]]:
    """Name -> what computes its maps for samples x (own type, (N, rows, columns, channels)) and their targets."""
    exact = dequantize(graph)
    values = real(graph, graph.inputs[0], quantized(graph, x))
    base = real(graph, graph.inputs[0], fill[None])
    return {
        "random": lambda: np.random.default_rng(0).random(x.shape[:3]).astype(np.float32),
        "gradient × input": lambda: (_gradient(exact, values, targets) * values).sum(-1),
        "integrated gradients": lambda: _integrated(exact, values, base, targets),
        "Grad-CAM": lambda: _grad_cam(exact, values, targets),
        "occlusion": lambda: _occlusion(graph, x, fill, targets),
    }


def _gradient(graph: Graph, x: NDArray[Any], targets: NDArray[np.int64], at: int | None = None) -> NDArray[Any]:
    """Gradient of the target's logit by the input, or by the inner map ``at``; for ``at`` also the map, stacked."""
    tf = tensorflow()
    model, logits = trainable(graph), logits_of(graph, graph.outputs[0])
    found = []
    for start in range(0, len(x), 64):
        batch = tf.constant(x[start : start + 64])
        with tf.GradientTape() as tape:
            tape.watch(batch)
            inner, out = (None, model(batch, [logits])[0]) if at is None else model(batch, [at, logits])
            chosen = tf.gather(out, targets[start : start + 64], axis=1, batch_dims=1)
        if inner is None:
            found.append(tape.gradient(chosen, batch).numpy())
        else:
            found.append(np.stack([tape.gradient(chosen, inner).numpy(), inner.numpy()]))
    return np.concatenate(found, axis=0 if at is None else 1)


def _integrated(graph: Graph, x: NDArray[Any], base: NDArray[Any], targets: NDArray[np.int64]) -> Maps:
    """Sundararajan et al. 2017, eq. 1, from the fill value, midpoint rule."""
    total = np.zeros_like(x)
    for step in range(STEPS):
        total += _gradient(graph, base + (step + 0.5) / STEPS * (x - base), targets)
    return np.asarray((total / STEPS * (x - base)).sum(-1), np.float32)


def _grad_cam(graph: Graph, x: NDArray[Any], targets: NDArray[np.int64]) -> Maps:
    """Selvaraju et al. 2017, at the last map that still has positions, resized bilinearly."""
    maps = [t for t in grids(graph, logits_of(graph, graph.outputs[0])) if min(graph.tensors[t].shape[1:3]) > 1]
    gradient, value = _gradient(graph, x, targets, at=maps[-1])
    cam = np.maximum((gradient.mean((1, 2), keepdims=True) * value).sum(-1), 0)
    tf = tensorflow()
    return np.asarray(tf.image.resize(cam[..., None], x.shape[1:3]).numpy()[..., 0], np.float32)


def _occlusion(graph: Graph, x: NDArray[Any], fill: NDArray[Any], targets: NDArray[np.int64]) -> Maps:
    """Zeiler and Fergus 2014: what the output loses when a patch is covered, 8×8 patches."""
    rows, columns = x.shape[1:3]
    maps = np.zeros(x.shape[:3], np.float32)
    whole = _score(graph, x, targets)
    for r in np.array_split(np.arange(rows), min(PATCHES, rows)):
        for c in np.array_split(np.arange(columns), min(PATCHES, columns)):
            covered = x.copy()
            block = (slice(r[0], r[-1] + 1), slice(c[0], c[-1] + 1))
            covered[:, *block] = fill[block]
            maps[:, *block] = (whole - _score(graph, covered, targets))[:, None, None]
    return maps


def _score(graph: Graph, x: NDArray[Any], targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """The target's logit for each sample."""
    logits = logits_of(graph, graph.outputs[0])
    out = real(graph, logits, forward(graph, x, [logits])[0]).reshape(len(x), -1)
    return np.asarray(out[np.arange(len(x)), targets], np.float32)
