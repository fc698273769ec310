"""Runs graphs on many samples at once, and gives the values of any tensor."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgexai.checks import real_array, told
from edgexai.compress.prune.shrink import compact
from edgexai.errors import DataError, ModelError
from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor, serialize
from edgexai.graph.ir import NUMPY
from edgexai.named import by_input
from edgexai.quiet import ungreeted
from edgexai.units import refuse_ambiguous, refuse_foreign

BATCH = 32
COUNTED = (DType.INT32, DType.INT64, DType.BOOL)

Array = NDArray[Any]
Samples = Array | Sequence[Array] | Mapping[str, Array]
"""(N, …) of a model's input; of several inputs a list in their order, or a dict by their names."""


def forward(graph: Graph, x: Samples, tensors: Sequence[int] | None = None, batch: int = BATCH) -> list[Array]:
    """Values (N, …) of ``tensors`` (default: the outputs), in their own type, for samples x (N, …), see `Samples`.

    Raises DataError if x does not fit, ModelError if the runtime refuses the graph.
    """
    wanted = list(graph.outputs if tensors is None else tensors)
    xs = fed(graph, x)
    small = compact(replace(graph, outputs=tuple(wanted), signatures=()))
    batch = batch if _has_batch_axis(small) else 1
    parts: list[list[Array]] = []
    runners: dict[int, _Runner] = {}
    for start in range(0, len(xs[0]), batch):
        pieces = [x[start : start + batch] for x in xs]
        if len(pieces[0]) not in runners:
            runners[len(pieces[0])] = _Runner(small, len(pieces[0]))
        parts.append(runners[len(pieces[0])](*pieces))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def opened(graph: Graph) -> Interpreter:
    """The graph on the runtime, one thread, its maps allocated; raises what the runtime does."""
    with ungreeted():
        inner = Interpreter(model_content=serialize(graph), num_threads=1)
        inner.allocate_tensors()
    return inner


def try_out(graph: Graph) -> None:
    """Load a graph as its file would be and run it once, on zeros; ModelError if the runtime refuses it."""
    try:
        inner = opened(graph)
        for port in inner.get_input_details():  # what it holds before is whatever memory held: no index, say
            inner.set_tensor(port["index"], np.zeros(port["shape"], port["dtype"]))
        inner.invoke()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"the runtime cannot load what was made of the model: {reason}; report it with the model"
        ) from error


def apply(graph: Graph, op: int, feeds: Mapping[int, Array], batch: int = BATCH) -> list[Array]:
    """Outputs (N, …) of one operator for given values of its inputs."""
    node = graph.ops[op]
    inputs = tuple(t for t in dict.fromkeys(node.inputs) if t in feeds)
    single = compact(replace(graph, ops=(node,), inputs=inputs, outputs=node.outputs, signatures=(), metadata={}))
    values = [feeds[t] for t in inputs]
    parts: list[list[Array]] = []
    runners: dict[int, _Runner] = {}
    for start in range(0, len(values[0]), batch):
        pieces = [v[start : start + batch] for v in values]
        if len(pieces[0]) not in runners:
            runners[len(pieces[0])] = _Runner(single, len(pieces[0]))
        parts.append(runners[len(pieces[0])](*pieces))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def as_samples(x: Any) -> Array:
    """Samples as an array (N, …); DataError for what is none."""
    found = real_array("samples", x)
    if found.ndim == 0 or not len(found):
        raise DataError(f"samples are an array (N, …) of numbers, not {told(x)}; give some")
    return found


def as_labels(y: Any, count: int) -> Array:
    """Classes (N,), one a sample, as whole numbers; DataError for anything else."""
    found = real_array("labels", y)
    if found.shape != (count,):
        raise DataError(f"there are {count} samples and labels of shape {found.shape}; give one class a sample")
    if found.dtype.kind == "f" and not np.all(np.isfinite(found) & (found == np.rint(found))):
        raise DataError("labels are the numbers of classes; these are no whole numbers")
    return found


def fed(graph: Graph, x: Samples) -> list[Array]:
    """One array (N, …) an input, in the inputs' order and type."""
    if len(graph.inputs) == 1 and not isinstance(x, Mapping):
        return [_typed(graph.tensors[graph.inputs[0]], as_samples(x))]
    given = by_input(x, [graph.tensors[t].name for t in graph.inputs])
    found = [_typed(graph.tensors[t], as_samples(one)) for t, one in zip(graph.inputs, given, strict=True)]
    if len({len(one) for one in found}) > 1:
        raise DataError(f"inputs have {', '.join(str(len(one)) for one in found)} samples; give as many for each")
    return found


def quantized(graph: Graph, x: Array) -> Array:
    """Samples (N, …) in the type of the graph's one input: as they are if they have it, any other number by scale and
    zero point. Axes of length one may be missing."""
    if len(graph.inputs) != 1:
        raise DataError(f"the model has {len(graph.inputs)} inputs; this takes models with one")
    return fed(graph, x)[0]


def _typed(port: Tensor, x: Array) -> Array:
    if [n for n in x.shape[1:] if n != 1] != [n for n in port.shape[1:] if n != 1]:
        raise DataError(f"the model takes samples (N, {', '.join(map(str, port.shape[1:]))}), not {x.shape}")
    x = x.reshape(-1, *port.shape[1:])
    if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
        raise DataError("the samples hold values that are not finite; clean them")
    if x.dtype == NUMPY[port.dtype]:
        return x
    if port.dtype == DType.FLOAT32 and x.dtype.kind in "iuf":
        return x.astype(np.float32)
    if port.quantization is None and x.dtype.kind in "iu" and np.dtype(NUMPY[port.dtype]).kind in "iu":
        return _counted(port, x)
    if port.quantization is None or x.dtype.kind not in "iuf":
        raise DataError(f"the model takes {port.dtype.name.lower()} or real numbers, not {x.dtype}; convert them")
    scale, zero_point = float(port.quantization.scale[0]), int(port.quantization.zero_point[0])
    if x.dtype.kind in "iu":
        refuse_ambiguous(x, scale, zero_point, np.dtype(NUMPY[port.dtype]), "the array of samples")
    refuse_foreign(x, scale, zero_point, np.dtype(NUMPY[port.dtype]), "the array of samples")
    return to_integers(x, port.quantization, NUMPY[port.dtype])


def _counted(port: Tensor, x: Array) -> Array:
    """Whole numbers without a scale, such as tokens, in the input's type."""
    found = x.astype(NUMPY[port.dtype])
    if not np.array_equal(found, x):
        raise DataError(f"samples of {port.name!r} hold whole numbers that {port.dtype.name.lower()} does not")
    return found


def to_integers(x: Array, quantization: Quantization, dtype: np.dtype[Any]) -> Array:
    """Floats by one scale and zero point, saturated."""
    limits = np.iinfo(dtype)
    steps = np.rint(np.asarray(x, np.float64) / float(quantization.scale[0])) + int(quantization.zero_point[0])
    return np.asarray(np.clip(steps, limits.min, limits.max), dtype)


def real(graph: Graph, tensor: int, values: Array) -> NDArray[np.float32]:
    """Values of a tensor as float32."""
    quantization = graph.tensors[tensor].quantization
    if quantization is None or values.dtype.kind == "f":
        return values.astype(np.float32)
    return np.asarray((values.astype(np.float32) - quantization.zero_point[0]) * quantization.scale[0], np.float32)


class _Runner:
    """The graph on the runtime, made for a batch of n, each of which begins without a state."""

    def __init__(self, graph: Graph, n: int) -> None:
        try:
            self._inner = opened(rebatched(graph, n))
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the runtime cannot load the model: {str(error).strip().splitlines()[0]}") from error
        self._inputs = [d["index"] for d in self._inner.get_input_details()]
        self._outputs = [d["index"] for d in self._inner.get_output_details()]

    def __call__(self, *xs: Array) -> list[Array]:
        for index, x in zip(self._inputs, xs, strict=True):
            self._inner.set_tensor(index, x)
        self._inner.reset_all_variables()  # a fused LSTM keeps its state, and samples are of their own
        self._inner.invoke()
        return [self._inner.get_tensor(index) for index in self._outputs]


def _has_batch_axis(graph: Graph) -> bool:
    """Whether the first axis of every computed map is that of samples; unrolled loops and tokens may take it."""
    computed = (graph.tensors[t] for op in graph.ops for t in op.outputs)
    return all(t.shape[:1] == (1,) or t.dtype in COUNTED for t in computed) and all(
        _keeps_samples_apart(graph, op) for op in graph.ops
    )


ONE_BY_ONE = frozenset(
    {
        OpKind.BATCH_TO_SPACE_ND,
        OpKind.BROADCAST_TO,
        OpKind.CUMSUM,
        OpKind.CUSTOM,
        OpKind.GATHER_ND,
        OpKind.IF,
        OpKind.REVERSE_SEQUENCE,
        OpKind.REVERSE_V2,
        OpKind.SCATTER_ND,
        OpKind.SPACE_TO_BATCH_ND,
        OpKind.STABLEHLO_COMPOSITE,
        OpKind.WHILE,
    }
)
"""Operators that see the first axis as one among others, or whose constants know its length."""


def _keeps_samples_apart(graph: Graph, op: Op) -> bool:
    def constant(place: int) -> Array:
        tensor = graph.tensors[op.inputs[place]]
        return tensor.array.ravel() if tensor.is_constant else np.zeros(0, np.int32)

    if op.kind == OpKind.SLICE:
        return bool(constant(2)[:1].tolist() == [-1])
    if op.kind == OpKind.STRIDED_SLICE:
        return bool(op.options.beginMask & op.options.endMask & 1) or bool(op.options.ellipsisMask & 1)
    if op.kind == OpKind.TRANSPOSE:
        return bool(constant(1)[:1].tolist() == [0])
    if op.kind == OpKind.GATHER:
        return bool(op.options.axis != 0)
    return op.kind not in ONE_BY_ONE


def rebatched(graph: Graph, n: int) -> Graph:
    """The graph for n samples at once; its computed maps have a first axis of 1 that becomes n."""
    if n == 1:
        return graph
    tensors = list(graph.tensors)
    for i, t in enumerate(tensors):
        if not t.is_constant and t.dtype not in COUNTED and t.shape[:1] == (1,):
            tensors[i] = replace(t, shape=(n, *t.shape[1:]), rest=_open(t.rest))
    ops = []
    for op in graph.ops:
        if op.kind == OpKind.RESHAPE and len(op.inputs) > 1 and tensors[op.inputs[1]].is_constant:
            op = _reshape(op, tensors)
        if op.kind == OpKind.TRANSPOSE_CONV and tensors[op.inputs[0]].is_constant:
            op = with_shape(op, 0, tensors)
        ops.append(op)
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _reshape(op: Op, tensors: list[Any]) -> Op:
    shape = np.array(tensors[op.outputs[0]].shape, np.int32)
    options = copy(op.options)
    if options is not None:
        options.newShape = shape
    tensors.append(replace(tensors[op.inputs[1]], data=shape.view(np.uint8)))
    return replace(op, inputs=(op.inputs[0], len(tensors) - 1), options=options)


def with_shape(op: Op, place: int, tensors: list[Any]) -> Op:
    """The operator with the shape of its output as the constant at a place of its inputs; ``tensors`` gets it."""
    shape = np.array(tensors[op.outputs[0]].shape, np.int32)
    tensors.append(replace(tensors[op.inputs[place]], data=shape.view(np.uint8)))
    return replace(op, inputs=(*op.inputs[:place], len(tensors) - 1, *op.inputs[place + 1 :]))


def _open(rest: Any) -> Any:
    if rest is not None and getattr(rest, "shapeSignature", None) is not None:
        rest = copy(rest)
        rest.shapeSignature = None
    return rest
