"""Least-squares reconstruction: from front to back, each layer's weights are refitted in closed form.

A layer of the pruned network sees inputs that lack channels. Its weights and bias are chosen anew so that on these
inputs it gives what the unpruned layer gave on its own (He, Zhang, Sun 2017), with a ridge towards the old weights.
Only what passes the ReLU counts: where the target is negative, any negative value is as good.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import apply
from edgexai.compress.repair.patches import Rows, blocks, sample_rows
from edgexai.graph import Graph, Op, OpKind

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
"""Of the mean of the Gram matrix's diagonal; the best of them is found by cross-validation."""

PASSES = 3
"""How often negative targets are moved to where the fit is negative anyway."""

Floats = NDArray[np.float32]
Kept = Mapping[int, NDArray[np.int64]]
FITTED = (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED)


def is_fitted(graph: Graph, op: Op) -> bool:
    """Whether a layer can be refitted: not one whose channels are cut into groups."""
    return op.kind in FITTED and not is_grouped(graph, op)


def is_grouped(graph: Graph, op: Op) -> bool:
    """Whether each output of a convolution sees a part of the channels alone."""
    return op.kind == OpKind.CONV_2D and len({graph.tensors[t].shape[3] for t in op.inputs[:2]}) > 1


@dataclass(frozen=True)
class Target:
    """What an operator gave in the unpruned network, before its activation, at some rows of its output.

    Where something is added to it right behind, the target is that of the sum.
    """

    rows: Rows
    values: Floats
    is_cut: bool


def targets(graph: Graph, x: Floats, seed: int = 0) -> dict[int, Target]:
    """The targets of every linear operator of the unpruned float32 graph, by operator, on samples x (N, …)."""
    random = np.random.default_rng(seed)
    values: dict[int, Floats] = {graph.inputs[0]: x}
    found: dict[int, Target] = {}
    before: dict[int, Floats] = {}
    for i, op in enumerate(graph.ops):
        bare = linear(graph, i)
        before[i], *others = apply(bare, i, values)
        if is_fitted(graph, op):
            found[i] = Target(sample_rows(before[i].shape, random), np.empty(0, np.float32), _cuts(op))
        values[op.outputs[0]] = _activate(op, before[i])
        values.update(zip(op.outputs[1:], others, strict=True))
    for i, target in found.items():
        total, _ = counted(graph, i)
        found[i] = replace(target, values=target.rows.of(before[total]), is_cut=_cuts(graph.ops[total]))
    return found


def reconstruct(graph: Graph, x: Floats, wanted: Mapping[int, Target], kept: Kept) -> Graph:
    """The pruned float32 graph with refitted weights.

    ``wanted`` are the unpruned network's `targets` on the same samples x (N, …), ``kept`` which of its output
    channels each operator still has.
    """
    values: dict[int, Floats] = {graph.inputs[0]: x}
    for i, op in enumerate(graph.ops):
        if i in wanted and len(op.inputs) > 2 and op.inputs[2] >= 0:
            target = wanted[i].values
            if i in kept:
                target = target[:, kept[i]]
            graph = refit(graph, i, values, replace(wanted[i], values=target))
        values.update(zip(op.outputs, apply(graph, i, values), strict=True))
    return graph


def refit(graph: Graph, index: int, values: Mapping[int, Floats], wanted: Target) -> Graph:
    """The float32 graph with one operator's weights refitted to a target, given the values of the maps before it."""
    _, partner = counted(graph, index)
    offset = None if partner < 0 else wanted.rows.of(values[partner])
    return _refit(graph, index, values[graph.ops[index].inputs[0]], wanted.values, wanted, offset)


def linear(graph: Graph, index: int) -> Graph:
    """The graph with the activation of one operator left away."""
    op = graph.ops[index]
    if not _activation(op):
        return graph
    options = copy(op.options)
    options.fusedActivationFunction = 0
    return replace(graph, ops=(*graph.ops[:index], replace(op, options=options), *graph.ops[index + 1 :]))


def _activation(op: Op) -> int:
    return int(getattr(op.options, "fusedActivationFunction", 0))


def _cuts(op: Op) -> bool:
    return _activation(op) in (1, 3)


def _activate(op: Op, y: Floats) -> Floats:
    match _activation(op):
        case 1:
            return np.maximum(y, 0)
        case 2:
            return np.clip(y, -1, 1)
        case 3:
            return np.clip(y, 0, 6)
        case 4:
            return np.tanh(y)
    return y


def counted(graph: Graph, index: int) -> tuple[int, int]:
    """(operator whose result counts, tensor that is added): an ADD right behind makes up for its other operand."""
    op = graph.ops[index]
    y = op.outputs[0]
    readers = graph.consumers().get(y, [])
    if len(readers) == 1 and not _activation(op) and y not in graph.outputs:
        after = graph.ops[readers[0]]
        others = [t for t in after.inputs if t != y]
        if after.kind == OpKind.ADD and len(others) == 1 and graph.tensors[others[0]].shape == graph.tensors[y].shape:
            done = {t for o in graph.ops[:index] for t in o.outputs} | set(graph.inputs)
            if others[0] in done:
                return readers[0], others[0]
    return index, -1


def _refit(graph: Graph, index: int, x: Floats, target: Floats, wanted: Target, offset: Floats | None) -> Graph:
    """Fit one operator; ``offset`` (rows, channels) is what is added to its output before the activation."""
    op, is_cut, rows = graph.ops[index], wanted.is_cut, wanted.rows
    if offset is not None:
        target = target - offset
    kernel, bias = (graph.tensors[t].array.astype(np.float64) for t in op.inputs[1:3])
    features = blocks(graph, op, x, rows)
    if op.kind == OpKind.DEPTHWISE_CONV_2D:
        old = kernel.reshape(-1, kernel.shape[3]).T[:, :, None]
        fitted = _solve(features, old, bias[:, None], target.T[:, :, None], is_cut, _columns(offset))
        kernel = fitted[:, :-1, 0].T.reshape(kernel.shape)
        bias = fitted[:, -1, 0]
    else:
        old = kernel.reshape(len(kernel), -1).T[None]
        fitted = _solve(features, old, bias[None], target[None], is_cut, None if offset is None else offset[None])[0]
        kernel, bias = fitted[:-1].T.reshape(kernel.shape), fitted[-1]
    return with_weights(graph, index, kernel, bias)


def with_weights(graph: Graph, index: int, kernel: NDArray[Any], bias: NDArray[Any]) -> Graph:
    """The float32 graph with another kernel and bias of one operator."""
    op = graph.ops[index]
    tensors = list(graph.tensors)
    inputs = list(op.inputs)
    for position, values in ((1, kernel), (2, bias)):
        data = np.ascontiguousarray(values.astype(np.float32)).reshape(-1).view(np.uint8)
        tensors.append(replace(tensors[inputs[position]], data=data))
        inputs[position] = len(tensors) - 1
    ops = (*graph.ops[:index], replace(op, inputs=tuple(inputs)), *graph.ops[index + 1 :])
    return replace(graph, tensors=tuple(tensors), ops=ops)


def _columns(offset: Floats | None) -> Floats | None:
    return None if offset is None else offset.T[:, :, None]


def _solve(
    features: Floats,
    old: NDArray[np.float64],
    bias: NDArray[np.float64],
    target: NDArray[Any],
    is_cut: bool,
    offset: Floats | None,
) -> NDArray[np.float64]:
    """Weights and bias (blocks, taps + 1, outs) for features (blocks, rows, taps) and targets (blocks, rows, outs)."""
    ones = np.ones((*features.shape[:2], 1))
    features = np.concatenate([features, ones], axis=2, dtype=np.float32)
    start = np.concatenate([old, bias[:, None]], axis=1)
    base = features @ start.astype(np.float32)
    gram, ridge = _gram(features, target - base)
    inverse = np.linalg.inv(_ridged(gram, ridge))

    def fit(wanted: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(start + inverse @ _cross(features, wanted - base))

    fitted = fit(target)
    floor = np.zeros_like(target) if offset is None else -offset
    for _ in range(PASSES if is_cut else 0):
        # Majorize (relu(target) - relu(fit))²: below the floor the target follows the fit.
        guess = features @ fitted.astype(np.float32)
        fitted = fit(np.where(target > floor, target, np.minimum(guess, floor)))
    return fitted


def _cross(features: Floats, values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(features.transpose(0, 2, 1) @ values.astype(np.float32), np.float64)


def _ridged(gram: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    size = gram.shape[1]
    mean = np.trace(gram, axis1=1, axis2=2)[:, None, None] / size
    return np.asarray(gram + (ridge * mean + 1e-12) * np.eye(size))


def _gram(features: Floats, missing: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """The Gram matrix, and the ridge that predicts best what the other half of the samples misses.

    Rows are in the order of samples. The error of a change c on rows with Gram matrix G and cross products b
    is cᵀGc - 2cᵀb, up to what does not depend on c.
    """
    half = features.shape[1] // 2
    sides = [(features[:, part], missing[:, part]) for part in (slice(0, half), slice(half, None))]
    grams = [_cross(x, x) for x, _ in sides]
    crosses = [_cross(x, y) for x, y in sides]
    errors = np.zeros(len(RIDGES))
    for mine, other in ((0, 1), (1, 0)):
        for n, ridge in enumerate(RIDGES):
            change = np.linalg.solve(_ridged(grams[mine], ridge), crosses[mine])
            errors[n] += np.sum(change * (grams[other] @ change - 2 * crosses[other]))
    return grams[0] + grams[1], RIDGES[int(np.argmin(errors))]
