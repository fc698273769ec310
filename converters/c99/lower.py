"""Graph -> Schedule of predicting: one table row an operator, a function each that says which kernel computes it.

What is not covered is refused by number and name; nothing is approximated.
"""

from collections.abc import Callable, Mapping, Sequence

from converters.c99.lowering import PORT_TYPES, Lowering, copy_step, rename
from converters.c99.operators import (
    functions,
    layers,
    moves,
    normalizing,
    pairs,
    pools,
    products,
    recurrent,
    resizing,
    states,
    svdf,
)
from converters.c99.operators.floats import FLOATS
from converters.c99.real_tables import FUNCTIONS
from converters.c99.rewriting import rewritten
from converters.c99.schedule import Buffer, Schedule
from edgexai.errors import ModelError
from edgexai.graph import Graph, Op, OpKind, settled


def lower(graph: Graph, floats: bool = False) -> Lowering:
    """The forward pass of a model: batch 1, int8 inside, other types at most where it comes in and goes out.

    With ``floats`` it is float32 inside.
    """
    low = Lowering(rewritten(settled(graph), floats), floats=floats)
    graph = low.graph
    table = FLOATS if floats else TABLE
    for k, t in enumerate(graph.inputs):
        tensor = graph.tensors[t]
        if tensor.dtype not in PORT_TYPES:
            raise ModelError(
                f"input {tensor.name!r} is {tensor.dtype.name}; firmware takes int8, float32, int32, and what a "
                "QUANTIZE makes int8 of: uint8 and int16"
            )
        low.home[t] = f"x{k}"
        low.buffers[f"x{k}"] = Buffer(f"x{k}", 0, "input", PORT_TYPES[tensor.dtype])
    needed = _needed(graph)
    for low.at, op in enumerate(graph.ops):
        if low.at not in needed:
            continue
        if op.kind not in table:
            raise low.refuse("there is no kernel for it")
        try:
            table[op.kind](low, op)
        except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            where = low.label
            raise ModelError(f"{where} contradicts its tensors ({error}); convert the model again") from error
    return low


def schedule(low: Lowering, names: Sequence[str] = ()) -> Schedule:
    """The last step of an output writes into the caller's memory, which is `y0` … or of these names."""
    graph = low.graph
    renamed: dict[str, str] = {}
    steps, buffers, outputs = list(low.steps), dict(low.buffers), []
    written = {name for step in steps for name in step.writes}
    for k, t in enumerate(graph.outputs):
        name, home = names[k] if names else f"y{k}", low.home.get(t)
        if home is None:
            raise ModelError(f"output {graph.tensors[t].name!r} is constant; firmware needs one that is computed")
        outputs.append(name)
        buffers[name] = Buffer(name, 0, "output", PORT_TYPES[graph.tensors[t].dtype])
        read = any(home in s.reads for s in steps)
        if home in written and home not in renamed and not read:
            renamed[home] = name
        else:
            steps.append(copy_step(renamed.get(home, home), name, low, t))
    steps = [rename(s, renamed) for s in steps]
    return Schedule(tuple(steps), buffers, tuple(f"x{k}" for k in range(len(graph.inputs))), tuple(outputs))


def _needed(graph: Graph) -> set[int]:
    """The operators that an output depends on and that depend on an input."""
    producers = graph.producers()
    needed: set[int] = set()
    todo = list(graph.outputs)
    for at, op in enumerate(graph.ops):
        if op.kind == OpKind.ASSIGN_VARIABLE:
            needed.add(at)
            todo.extend(op.inputs)
    while todo:
        i = producers.get(todo.pop())
        if i is not None and i not in needed:
            needed.add(i)
            op = graph.ops[i]
            data = op.inputs[:1] if op.kind == OpKind.RESHAPE else op.inputs
            todo.extend(t for t in data if t >= 0)
    return needed


TABLE: Mapping[OpKind, Callable[[Lowering, Op], None]] = {
    OpKind.CONV_2D: layers.convolution,
    OpKind.DEPTHWISE_CONV_2D: layers.convolution,
    OpKind.FULLY_CONNECTED: layers.convolution,
    OpKind.AVERAGE_POOL_2D: pools.pool,
    OpKind.MAX_POOL_2D: pools.pool,
    OpKind.MEAN: pools.reduction,
    OpKind.SUM: pools.reduction,
    OpKind.ADD: pairs.addition,
    OpKind.SUB: pairs.addition,
    OpKind.MUL: pairs.multiplication,
    OpKind.REDUCE_MAX: pools.extreme,
    OpKind.REDUCE_MIN: pools.extreme,
    OpKind.MAXIMUM: pairs.extreme,
    OpKind.MINIMUM: pairs.extreme,
    OpKind.PRELU: pairs.prelu,
    OpKind.ABS: functions.table,
    **dict.fromkeys(FUNCTIONS, functions.table),
    OpKind.LOGISTIC: functions.table,
    OpKind.TANH: functions.table,
    OpKind.HARD_SWISH: functions.table,
    OpKind.LEAKY_RELU: functions.table,
    OpKind.RELU: functions.table,
    OpKind.RELU6: functions.table,
    OpKind.RELU_N1_TO_1: functions.table,
    OpKind.CAST: functions.cast,
    OpKind.GATHER: functions.rows,
    OpKind.EMBEDDING_LOOKUP: functions.rows,
    OpKind.ARG_MAX: functions.largest,
    OpKind.ARG_MIN: functions.largest,
    OpKind.L2_NORMALIZATION: normalizing.unit_length,
    OpKind.SQUARED_DIFFERENCE: normalizing.squared_difference,
    OpKind.QUANTIZE: functions.quantization,
    OpKind.DEQUANTIZE: functions.quantization,
    OpKind.SOFTMAX: functions.softmax,
    **moves.MOVED,
    OpKind.BATCH_MATMUL: products.matmul,
    OpKind.RESIZE_BILINEAR: resizing.resize,
    OpKind.SVDF: svdf.svdf,
    OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM: recurrent.lstm,
    OpKind.VAR_HANDLE: states.handle,
    OpKind.READ_VARIABLE: states.read,
    OpKind.ASSIGN_VARIABLE: states.assign,
    OpKind.CALL_ONCE: states.once,
}
"""What each operator becomes; an operator without a row is refused."""
