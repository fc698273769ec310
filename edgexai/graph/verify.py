"""What must be true of every graph; called after reading, after every pass and before writing."""

from math import prod

import numpy as np

from edgexai.errors import ModelError
from edgexai.graph.ir import NUMPY, PACKED_BITS, DType, Graph, Tensor

MAX_ELEMENTS = 2**31


def verify(graph: Graph) -> None:
    """Check shapes, types, order and connections of a graph and its subgraphs.

    Raises ModelError that names the first operator or tensor that is wrong.
    """
    for part in graph.every():
        for tensor in part.tensors:
            _tensor(tensor)
        _connections(part)


def resident(graph: Graph) -> int:
    """Bytes of all maps and constants of a graph and its subgraphs, as if each had its own place."""
    tensors = [t for part in graph.every() for t in part.tensors]
    return sum(t.data.size if t.data is not None else _bytes(t) or 8 * prod(t.shape) for t in tensors)


def _tensor(tensor: Tensor) -> None:
    if any(n < 0 for n in tensor.shape) or prod(tensor.shape) > MAX_ELEMENTS:
        raise ModelError(f"tensor {tensor.name!r} has the impossible shape {tensor.shape}")
    if tensor.data is not None and (expected := _bytes(tensor)) is not None and tensor.data.size != expected:
        raise ModelError(
            f"tensor {tensor.name!r} holds {tensor.data.size} bytes where {tensor.dtype.name} of shape "
            f"{tensor.shape} needs {expected}; the file is broken"
        )
    quantization = tensor.quantization
    if quantization is None:
        return
    if quantization.zero_point.shape != quantization.scale.shape:
        raise ModelError(f"tensor {tensor.name!r} has not one zero point a scale; convert the model again")
    channels = quantization.scale.size
    if channels > 1 and not (
        0 <= quantization.axis < len(tensor.shape) and tensor.shape[quantization.axis] == channels
    ):
        raise ModelError(
            f"tensor {tensor.name!r} of shape {tensor.shape} has {channels} scales along axis {quantization.axis}"
        )
    if not np.all(np.isfinite(quantization.scale)) or np.any(quantization.scale < 0):
        raise ModelError(f"tensor {tensor.name!r} has a scale that is no positive number; convert the model again")


def _bytes(tensor: Tensor) -> int | None:
    """How many bytes the constant needs; None where the type does not say (strings, sparse)."""
    if tensor.rest is not None and getattr(tensor.rest, "sparsity", None) is not None:
        return None
    if tensor.dtype in NUMPY:
        return prod(tensor.shape) * NUMPY[tensor.dtype].itemsize
    if tensor.dtype in PACKED_BITS:
        return (prod(tensor.shape) * PACKED_BITS[tensor.dtype] + 7) // 8
    return None


def _connections(graph: Graph) -> None:
    count = len(graph.tensors)
    known = {i for i, t in enumerate(graph.tensors) if t.is_constant or t.is_variable or _is_handle(t)}
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for t in indices:
            if not 0 <= t < count:
                raise ModelError(f"graph {what} {t} is not one of the {count} tensors; the file is broken")
    known.update(graph.inputs)
    written: set[int] = set(graph.inputs)
    used: set[int] = set(graph.outputs)
    for i, op in enumerate(graph.ops):
        wrong = [t for t in op.inputs if not -1 <= t < count] + [t for t in op.outputs if not 0 <= t < count]
        if wrong:
            raise ModelError(f"{op.kind.name} (operator {i}) names tensor {wrong[0]} of {count}; the file is broken")
        for t in op.inputs:
            if t >= 0 and t not in known:
                name = graph.tensors[t].name
                raise ModelError(f"{graph.describe(i)} reads {name!r} before anything has written it")
        for t in op.outputs:
            if t in written or graph.tensors[t].is_constant:
                raise ModelError(f"{graph.describe(i)} writes {graph.tensors[t].name!r}, which is already set")
        used.update(op.inputs)
        written.update(op.outputs)
        known.update(op.outputs)
    for t in graph.outputs:
        if t not in known:
            raise ModelError(f"nothing computes the output {graph.tensors[t].name!r}")
    for t in used - known - {-1}:
        raise ModelError(f"tensor {graph.tensors[t].name!r} is used and nothing computes it")


def _is_handle(tensor: Tensor) -> bool:
    return tensor.dtype in (DType.RESOURCE, DType.VARIANT)
