"""What the rules ask of a graph: what is constant, what depends on the input, which activation is fused."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from edgexai.errors import ModelError
from edgexai.graph import DType, Graph, Op, OpKind, Tensor
from edgexai.relevance.reading.window import Border

WHOLE = {DType.INT32, DType.INT64}
UNMOVED = {
    OpKind.CAST,
    OpKind.CONCATENATION,
    OpKind.EXPAND_DIMS,
    OpKind.PACK,
    OpKind.RESHAPE,
    OpKind.SLICE,
    OpKind.SPLIT,
    OpKind.SQUEEZE,
    OpKind.STRIDED_SLICE,
    OpKind.TRANSPOSE,
    OpKind.UNPACK,
}
"""What whole numbers that came in may go through and still be what came in."""


def fused_activation(op: Op) -> int:
    """The activation fused into an operator: 0 none, 1 RELU, 2 RELU_N1_TO_1, 3 RELU6, 4 TANH, 5 SIGN_BIT."""
    return int(getattr(op.options, "fusedActivationFunction", 0))


def dynamic(graph: Graph) -> set[int]:
    """The tensors that depend on the model's input, now or in steps before, and can carry relevance.

    Whole numbers can as they came in.
    """
    found = set(graph.inputs) | states(graph)
    whole = {t for t in graph.inputs if graph.tensors[t].dtype in WHOLE}
    for op in graph.ops:
        if op.kind != OpKind.SHAPE and any(t in found for t in op.inputs):
            found.update(op.outputs)
            if op.kind in UNMOVED and any(t in whole for t in op.inputs):
                whole.update(t for t in op.outputs if graph.tensors[t].dtype in WHOLE)
    carry = {t for t in found if graph.tensors[t].dtype not in (*WHOLE, DType.BOOL)}
    return carry | whole


def states(graph: Graph) -> set[int]:
    """What a streaming model remembers from the steps before: variables, what is read from them, and what is made of
    that alone."""
    kept = {i for i, t in enumerate(graph.tensors) if t.is_variable}
    for op in graph.ops:
        computed = [t for t in op.inputs if t >= 0 and not graph.tensors[t].is_constant]
        if op.kind == OpKind.READ_VARIABLE or (computed and all(t in kept for t in computed)):
            kept.update(op.outputs)
    return kept


def constant_behind(graph: Graph, producer: Mapping[int, int], t: int) -> Tensor | None:
    """The constant behind a tensor, looked for through DEQUANTIZE and DENSIFY; None if it is computed."""
    while t in producer:
        op = graph.ops[producer[t]]
        if op.kind not in (OpKind.DEQUANTIZE, OpKind.DENSIFY):
            return None
        t = op.inputs[0]
    tensor = graph.tensors[t]
    return tensor if tensor.is_constant else None


def border(graph: Graph, producer: Mapping[int, int], t: int) -> Border:
    """How much of each axis of a tensor, before and after, are zeros that a PAD wrote; () if none are."""
    op = graph.ops[producer[t]] if t in producer else None
    if op is not None and op.kind in (OpKind.QUANTIZE, OpKind.DEQUANTIZE):
        return border(graph, producer, op.inputs[0])
    if op is None or op.kind not in (OpKind.PAD, OpKind.PADV2):
        return ()
    amounts = constant_behind(graph, producer, op.inputs[1])
    value = constant_behind(graph, producer, op.inputs[2]) if len(op.inputs) > 2 else None
    if amounts is None or (len(op.inputs) > 2 and (value is None or value.real.any())):
        return ()
    return tuple((int(before), int(after)) for before, after in amounts.array)


def describe(graph: Graph, op: Op) -> str:
    """An operator, of the model or of its canonical form, as messages name it."""
    at = graph.producers().get(op.outputs[0]) if op.outputs else None
    number = graph.ops.index(op) if op in graph.ops else at
    name = graph.tensors[op.outputs[0]].name if op.outputs and op.outputs[0] < len(graph.tensors) else ""
    where = "" if number is None else f'operator {number}, "{name}"'
    return f"{op.custom or op.kind.name} ({where})" if where else op.custom or op.kind.name


@contextmanager
def consistent(graph: Graph, op: Op) -> Iterator[None]:
    """Turns what shapes and options raise that do not fit each other, as in a broken file, into ModelError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise ModelError(f"{describe(graph, op)} contradicts its tensors ({error}); convert the model again") from error
