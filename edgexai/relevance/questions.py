"""What the rules ask of a graph: what is constant, what depends on the input, which activation is fused."""

from collections.abc import Mapping

from edgexai.graph import DType, Graph, Op, OpKind, Tensor
from edgexai.relevance.window import Border


def fused_activation(op: Op) -> int:
    """The activation fused into an operator: 0 none, 1 RELU, 2 RELU_N1_TO_1, 3 RELU6, 4 TANH, 5 SIGN_BIT."""
    return int(getattr(op.options, "fusedActivationFunction", 0))


def dynamic(graph: Graph) -> set[int]:
    """The tensors that depend on the model's input and can carry relevance."""
    found = set(graph.inputs) | {i for i, t in enumerate(graph.tensors) if t.is_variable}
    for op in graph.ops:
        if op.kind != OpKind.SHAPE and any(t in found for t in op.inputs):
            found.update(op.outputs)
    return {t for t in found if graph.tensors[t].dtype not in (DType.INT32, DType.INT64, DType.BOOL)}


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
