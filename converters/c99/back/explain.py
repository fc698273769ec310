"""Schedule of predicting -> schedule of explaining: the same steps, then back from the logits in integers.

Relevance is counted per quantized step, so that scales cancel: under LRP-epsilon a layer's factors are multiplied by
its weights and its requantization multiplier alone, and nothing of an activation is needed but whether a RELU cut it
off, which is kept as one bit. Under z+ relevance is divided by sums of positive products, for which inputs are kept.
"""

from collections.abc import Callable, Mapping

from converters.c99.back import ends, maps, ways, weighted
from converters.c99.back.flows import Explaining
from converters.c99.back.reading import ALIASES, EXTREMES, LAYERS, MEANS, MOVES, POOLS, PRODUCTS, SAME, SUMS, Reading
from converters.c99.back.steps import Back
from converters.c99.lowering import Lowering
from converters.c99.schedule import Schedule
from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.attach import rules_of
from edgexai.relevance.composite_file import composite_of
from edgexai.relevance.grid import stop_tensors
from edgexai.relevance.targets.ends import End, end_of

ROWS = {OpKind.GATHER, OpKind.EMBEDDING_LOOKUP}
ENTRIES = {OpKind.QUANTIZE, OpKind.CAST} | ALIASES | ROWS
"""What makes int8 of an input."""
WIDER = {DType.UINT8, DType.INT16, DType.INT32}
"""What a QUANTIZE may end in."""


def explanation(low: Lowering, plan: Schedule, asked: Explaining) -> tuple[Schedule, tuple[int, ...]]:
    """The schedule of explaining, and the shape of its map."""
    graph, source = low.graph, low.rewritten.source
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedOperator("firmware explains models of one input and one output; write it without explaining")
    if asked.target not in ("predicted", "error"):
        raise ConfigError(f'target {asked.target!r} is not known to firmware; use "predicted" or "error"')
    error = asked.target == "error"
    if error and asked.grid is not None:
        raise ConfigError('target "error" is about the inputs themselves; leave grid out')
    chosen = composite_of(asked.composite)
    end = End(graph.outputs[0]) if error else end_of(source, graph.outputs[0])
    producers = graph.producers()

    def inside(t: int) -> int:
        """The int8 map behind a tensor that is only its copy."""
        while t in producers and (
            graph.ops[producers[t]].kind in (*ALIASES, OpKind.DEQUANTIZE) or low.tensor(t).dtype in WIDER
        ):
            t = graph.ops[producers[t]].inputs[0]
        return t

    logits = inside(end.logits)
    stop = stop_tensors(source, end.logits, asked.grid)[0]
    shape = low.tensor(stop).shape
    map_of = shape if len(shape) < 3 else shape[:-1]
    while low.tensor(stop).dtype != DType.INT8:
        readers = [op for op in graph.ops if stop in op.inputs and low.home.keys() & set(op.outputs)]
        if len(readers) != 1 or readers[0].kind not in ENTRIES:
            name = low.tensor(stop).name
            raise UnsupportedOperator(
                f"firmware explains inputs that become int8 in one operator; {name!r} goes to "
                f"{', '.join(op.kind.name for op in readers) or 'none'}; write it without --explain"
            )
        stop = readers[0].outputs[0]
        if readers[0].kind in ROWS:  # a number's relevance is that of its row
            map_of, shape = shape, (*(1, 1), *low.tensor(stop).shape)
    stop = inside(stop)
    given = rules_of(source, source, chosen, end.logits)
    own = {op.outputs[0]: rule for op, rule in given.items()}
    rules = {op: own[op.outputs[0]] for op in graph.ops if op.outputs and op.outputs[0] in own}
    reading = Reading(low, rules, logits, stop)
    back = Back(reading, plan, asked, shape)
    if error:
        ends.error(back)
    else:
        ends.predicted(back, len(end.classes) > 0 and chosen.start == "less mean")
    for i in reading.ops:
        if graph.ops[i] not in back.passed:
            through(back, graph.ops[i])
    return ends.finish(back), map_of


def through(back: Back, op: Op) -> None:
    """One operator's way back."""
    reading = back.reading
    if not all(reading.is_int8(t) for t in reading.sources(op)):
        raise reading.refusal(op, "its input is no int8")
    if op.kind in BACK:
        BACK[op.kind](back, op)
    elif ways.of_all_positions(reading, op):
        maps.pool(back, op)
    elif back.divides(op):
        maps.parts(back, op)
    elif reading.passed(op) is not None or (op in reading.folded and reading.form(op) == "relevance"):
        maps.same(back, op)
    elif op.kind in SUMS | MEANS | MOVES | PRODUCTS | {OpKind.MUL}:
        maps.parts(back, op)
    else:
        raise reading.refusal(op, "it has no way back")


BACK: Mapping[OpKind, Callable[[Back, Op], None]] = {
    **dict.fromkeys(LAYERS, weighted.layer),
    **dict.fromkeys(POOLS, maps.pool),
    **dict.fromkeys(SAME | {OpKind.QUANTIZE}, maps.same),
    **dict.fromkeys(EXTREMES, maps.extremes),
    OpKind.RESIZE_BILINEAR: maps.resize,
    OpKind.SOFTMAX: maps.softmax,
    OpKind.SVDF: weighted.svdf,
    OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM: weighted.lstm,
}
"""The way back of operators that have one form."""
