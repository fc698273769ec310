"""cluster: int8 Graph -> int8 Graph whose weights take few values, so that it travels in few bits.

From front to back, on unlabelled samples: a layer is refitted to what it gave in the whole model, given the inputs that
the layers before it give now (least squares); its weights go to integers times one step (`levels`), its bias makes up
for the mean. An output channel's error counts by its relevance: its share of the predicted class's lead, per square
of its values. The result is an ordinary int8 file with the maps' scales as they were.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import apply, quantized, real
from edgexai.compress.measure.profile import Profile, profile_relevance
from edgexai.compress.prune.shrink import compact
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.rate_distortion import Levels, cheapest_levels
from edgexai.compress.repair.least_squares import Floats, Target, is_fitted, refit, targets
from edgexai.compress.repair.patches import blocks
from edgexai.errors import ConfigError, DataError
from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor, fingerprint, verify

LEAST = 1e-2
"""Of the mean importance of a layer's channels: what a channel counts at least."""
BIAS_STEP = 2
"""Of an output's scale, what a bias is rounded to at most: weights in few bits err by more than that."""


def cluster(
    graph: Graph,
    samples: NDArray[Any],
    price: float = 1e-5,
    bits: int = 5,
    profile: Profile | None = None,
    progress: Callable[[int, int], None] | None = None,
    is_plain: bool = False,
) -> Graph:
    """The int8 graph with weights of at most 2**bits - 1 values a tensor (depthwise ones 255: they are few and matter).

    ``samples`` (N, …) are unlabelled; ``price`` is what a bit costs in the sum over layers of relative error, weighted
    by relevance (``is_plain``: by the channels' variance alone): 1e-6 … 1e-4. ``progress(layer, layers)`` is called
    after each layer. Raises ConfigError for a graph that is not int8, DataError if samples or profile do not fit.
    """
    if graph.tensors[graph.inputs[0]].dtype != DType.INT8:
        raise ConfigError("only int8 models are clustered; quantize the model first")
    if not 2 <= bits <= 8:
        raise ConfigError(f"{bits} bits a weight make no sense here; use 2 to 8")
    profile = profile_relevance(graph, samples) if profile is None else profile
    if profile.model != fingerprint(graph):
        raise DataError("the profile is of another model; make one of this file with profile_relevance")
    x = real(graph, graph.inputs[0], quantized(graph, samples))
    x = np.random.default_rng(0).permutation(x)
    current = dequantize(graph)
    wanted = targets(current, x)
    place = dict(zip(linear_layers(current), linear_layers(graph), strict=True))
    values: dict[int, Floats] = {current.inputs[0]: x}
    for i in range(len(current.ops)):
        if i in place and _clusters(graph, graph.ops[place[i]]):
            current = refit(current, i, values, wanted[i])
            counts = importance(graph, place[i], None if is_plain else profile, wanted[i])
            top = 127 if current.ops[i].kind == OpKind.DEPTHWISE_CONV_2D else 2 ** (bits - 1) - 1
            found, shift = _levels(current, i, values, wanted[i], counts, price, top)
            graph = with_layer(graph, place[i], kernel_of(current, i, found.q), found.step, _bias(current, i) + shift)
            current = _floats(current, i, graph, place[i])
        values.update(zip(current.ops[i].outputs, apply(current, i, values), strict=True))
        if progress is not None:
            progress(i + 1, len(current.ops))
    small = compact(graph)
    verify(small)
    return small


def importance(graph: Graph, index: int, profile: Profile | None, wanted: Target) -> NDArray[np.float64]:
    """What a square of each output channel's error counts, (channels,); relative errors of a layer weigh 1 in all."""
    t = graph.ops[index].outputs[0]
    known = {} if profile is None else profile.channels
    while t not in known:
        readers = graph.consumers().get(t, [])
        after = graph.ops[readers[0]] if len(readers) == 1 else None
        if after is None or after.kind not in (OpKind.ADD, OpKind.RELU, OpKind.RELU6):
            break
        t = after.outputs[0]
    if profile is not None and t in known and len(known[t].square) == wanted.values.shape[1]:
        share = np.square(profile.margin(t))
        square = known[t].square / profile.samples
    else:
        share = np.ones(wanted.values.shape[1])
        square = np.var(wanted.values, axis=0, dtype=np.float64)
    counts = share / max(share.sum(), 1e-30) / np.maximum(square, 1e-3 * square.mean() + 1e-30)
    return np.asarray(np.maximum(counts, LEAST * counts.mean()))


def linear_layers(graph: Graph) -> list[int]:
    """The operators that have a kernel, in order."""
    return [i for i, op in enumerate(graph.ops) if is_fitted(graph, op)]


def _clusters(graph: Graph, op: Op) -> bool:
    """Only int8 layers with a bias, of the int8 scheme."""
    known = len(op.inputs) > 2 and op.inputs[2] >= 0 and graph.tensors[op.inputs[1]].is_constant
    return known and all(graph.tensors[t].dtype == DType.INT8 for t in (*op.inputs[:2], op.outputs[0]))


def _levels(
    graph: Graph,
    index: int,
    values: Mapping[int, Floats],
    wanted: Target,
    counts: NDArray[np.float64],
    price: float,
    top: int,
) -> tuple[Levels, NDArray[np.float64]]:
    """Levels of one layer's weights (outs, columns), and by how much its biases must rise for them."""
    op = graph.ops[index]
    features = blocks(graph, op, values[op.inputs[0]], wanted.rows)
    mean = features.mean(axis=1, dtype=np.float64)
    centred = (features - mean[:, None]).astype(np.float32)
    gram = np.asarray(centred.transpose(0, 2, 1) @ centred, np.float64) / features.shape[1]
    weights = _rows(graph, index)
    found = cheapest_levels(weights, gram, counts, price, top)
    return found, np.sum((weights - found.q * found.step) * mean, axis=1)


def _rows(graph: Graph, index: int) -> NDArray[np.float64]:
    """A layer's weights, one row an output channel."""
    op = graph.ops[index]
    kernel = graph.tensors[op.inputs[1]].array.astype(np.float64)
    if op.kind == OpKind.DEPTHWISE_CONV_2D:
        return kernel.reshape(-1, kernel.shape[3]).T
    return kernel.reshape(len(kernel), -1)


def kernel_of(graph: Graph, index: int, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """The inverse of `_rows`, for integers."""
    op = graph.ops[index]
    each = rows.T if op.kind == OpKind.DEPTHWISE_CONV_2D else rows
    return each.reshape(graph.tensors[op.inputs[1]].shape).astype(np.int8)


def _bias(graph: Graph, index: int) -> NDArray[np.float64]:
    return graph.tensors[graph.ops[index].inputs[2]].array.astype(np.float64)


def with_layer(graph: Graph, index: int, q: NDArray[np.int8], step: float, bias: NDArray[np.float64]) -> Graph:
    """The int8 graph with a layer's weights and bias; the bias in steps of one or two of its output's."""
    op = graph.ops[index]
    kernel, old = (graph.tensors[t] for t in op.inputs[1:3])
    x, y = (graph.tensors[t].quantization for t in (op.inputs[0], op.outputs[0]))
    if kernel.quantization is None or old.quantization is None or x is None or y is None:
        raise ConfigError(f"{graph.describe(index)} has no scales; quantize the model again")
    scale = np.array([step], np.float32)
    product = (x.scale[0] * scale).astype(np.float32)
    unit = 2 ** max(0, int(np.floor(np.log2(BIAS_STEP * y.scale[0] / product[0]))))
    limits = np.iinfo(np.int32)
    steps = np.clip(np.rint(bias / (float(product[0]) * unit)), limits.min // unit, limits.max // unit)
    zero = np.zeros(1, np.int64)
    new = (
        _constant(kernel, q, Quantization(scale, zero)),
        _constant(old, (steps * unit).astype(np.int32), Quantization(product, zero)),
    )
    count = len(graph.tensors)
    op = replace(op, inputs=(op.inputs[0], count, count + 1))
    return replace(graph, tensors=(*graph.tensors, *new), ops=(*graph.ops[:index], op, *graph.ops[index + 1 :]))


def _constant(tensor: Tensor, values: NDArray[Any], quantization: Quantization) -> Tensor:
    return replace(tensor, data=np.ascontiguousarray(values).reshape(-1).view(np.uint8), quantization=quantization)


def _floats(graph: Graph, index: int, integers: Graph, place: int) -> Graph:
    """The float graph with a layer's weights and bias as the integers stand for them."""
    tensors = list(graph.tensors)
    for mine, theirs in zip(graph.ops[index].inputs[1:], integers.ops[place].inputs[1:], strict=True):
        data = np.ascontiguousarray(integers.tensors[theirs].real).reshape(-1).view(np.uint8)
        tensors[mine] = replace(tensors[mine], data=data)
    return replace(graph, tensors=tuple(tensors))
