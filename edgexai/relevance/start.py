"""Where relevance starts: at the logit of the target, behind a softmax or logistic if there is one."""

from dataclasses import dataclass

import numpy as np

from edgexai.errors import ConfigError
from edgexai.graph import Builder, DType, Graph, OpKind

LOOKED_THROUGH = {
    OpKind.SOFTMAX,
    OpKind.LOG_SOFTMAX,
    OpKind.LOGISTIC,
    OpKind.QUANTIZE,
    OpKind.DEQUANTIZE,
}


@dataclass(frozen=True)
class Start:
    """The logits, the weight of each (R = weight · logit), and the tensors that the explainer reports."""

    logits: int
    weights: int
    target: int
    score: int


def logits_of(graph: Graph, output: int) -> int:
    """The tensor in front of the softmax or logistic that ends in ``output``; the output itself if none does."""
    producer = graph.producers()
    t = output
    found = t
    while t in producer and graph.ops[producer[t]].kind in LOOKED_THROUGH:
        op = graph.ops[producer[t]]
        t = op.inputs[0]
        if op.kind not in (OpKind.QUANTIZE, OpKind.DEQUANTIZE):
            found = t
    return found


def start(graph: Graph, build: Builder, target: str | int) -> Start:
    """Append what chooses the target; ConfigError if the model has no such output."""
    logits = logits_of(graph, graph.outputs[0])
    real = build.dequantize(logits)
    count = int(np.prod(build.shape(logits)))
    flat = build.reshape(real, (1, count))
    if isinstance(target, int):
        if not 0 <= target < count:
            raise ConfigError(f"target {target} is not one of the model's {count} outputs; choose 0 to {count - 1}")
        weights = build.const(np.eye(count, dtype=np.float32)[[target]])
        chosen = build.const(np.array([target], np.int32))
    elif target == "predicted":
        chosen = build.argmax(flat)
        weights = _one_hot(build, chosen, count)
    elif target == "input":
        weights = build.input("target_weights", (1, count))
        chosen = build.argmax(weights)
    else:
        raise ConfigError(f'target {target!r} is not known; use "predicted", "input" or the index of an output')
    score = build.reshape(build.sum(build.mul(flat, weights), [1]), (1,))
    return Start(logits, build.reshape(weights, build.shape(logits)), chosen, score)


def _one_hot(build: Builder, index: int, count: int) -> int:
    """(1,) int32 -> (1, count) float32: relu(1 - (i - index)²), because TFLite Micro lacks ONE_HOT."""
    positions = build.const(np.arange(count, dtype=np.float32)[None])
    distance = build.sub(positions, build.cast(index, DType.FLOAT32))
    return build.sub(build.const(1.0), build.mul(distance, distance), "RELU")
