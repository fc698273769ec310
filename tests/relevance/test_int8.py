"""Relevance of integer models against that of their float originals, on real data; `-s` prints the medians.

Beside them stands the same comparison for the integer model's weights with float maps: how much of the difference
the weights make, which no pass through the integer model can undo.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from shared import SHARED, needs_shared

import edgexai
from edgexai.graph import DType, Graph, serialize

COUNT = 80


def float_maps(graph: Graph) -> Graph:
    """A quantized model with the values of its constants and nothing rounded after them."""
    tensors = []
    for tensor in graph.tensors:
        if tensor.quantization is not None:
            data = np.ascontiguousarray(tensor.real).reshape(-1).view(np.uint8) if tensor.is_constant else None
            tensor = replace(tensor, dtype=DType.FLOAT32, data=data, quantization=None, rest=None)
        tensors.append(tensor)
    return replace(graph, tensors=tuple(tensors))


def float_constants(graph: Graph) -> Graph:
    """A dynamic-range model without rounded maps: its 8-bit constants as floats."""
    tensors = []
    for t in graph.tensors:
        if t.is_constant and t.dtype == DType.INT8:
            data = np.ascontiguousarray(t.real).reshape(-1).view(np.uint8)
            t = replace(t, dtype=DType.FLOAT32, data=data, quantization=None, rest=None)
        tensors.append(t)
    return replace(graph, tensors=tuple(tensors))


@cache
def samples(model: str) -> NDArray:
    """Inputs in the float model's units."""
    if model == "kws":
        with np.load(SHARED / "data" / "kws01.npz") as data:
            q = data["x"][:: 700 // COUNT].reshape(-1, 49, 10, 1)
        return ((q.astype(np.float32) - 83) * np.float32(0.58470290899276733)).astype(np.float32)
    with np.load(SHARED / "data" / "cifar10_test.npz") as data:
        return np.asarray(data["x"][:COUNT], np.float32)


@needs_shared
@pytest.mark.parametrize(
    ("model", "composite", "least"),
    [
        ("kws", "edge", 0.99),
        ("ic", "edge", 0.99),
        ("kws", "epsilon_plus", 0.99),
        ("ic", "epsilon_plus", 0.93),
        ("kws", "epsilon(0.25)", 0.99),
        ("ic", "epsilon(0.25)", 0.93),
        ("kws", "epsilon", 0.92),
        ("ic", "epsilon", 0.85),
    ],
)
def test_integer_relevance_follows_float_relevance(model: str, composite: str, least: float) -> None:
    integer = edgexai.load(SHARED / "models" / f"{model}_int8.tflite")
    original = float_constants(edgexai.load(SHARED / "models" / f"{model}_float.tflite"))
    explainers = [
        edgexai.Explainer(serialize(edgexai.attach(g, composite))) for g in (integer, original, float_maps(integer))
    ]
    found = []
    for x in samples(model):
        a, b, c = (explainer(x) for explainer in explainers)
        if a.target == b.target == c.target and a.score:
            found.append([_correlation(m.relevance, b.relevance) for m in (a, c)])
    ours, weights_alone = np.median(found, axis=0)
    print(
        f"\n{model} {composite}: int8 {ours:.4f}, its weights with float maps {weights_alone:.4f}, {len(found)} inputs"
    )
    assert len(found) > 0.7 * COUNT
    assert ours >= least


def _correlation(a: NDArray, b: NDArray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
