"""target="mask": the pixels of a class in a segmentation, as one thing that is explained.

    "mask"      the class with the largest area (of one sigmoid a pixel: the foreground)
    "mask(3)"   class 3

A pixel belongs to the class whose logit is its largest (one sigmoid: whose logit is above zero). Explained is the mean
of the class's logit over these pixels; where there are none, the score is zero.
"""

import re
from math import prod

from ai_edge_litert import schema_py_generated as schema

from edgexai.errors import ConfigError
from edgexai.graph import Builder, Graph, OpKind
from edgexai.relevance.backward import HUGE, Flow
from edgexai.relevance.targets import onehot
from edgexai.relevance.targets.detector import Found

GRAMMAR = re.compile(r"mask(?:\((\d+)\))?")


def asked(target: str | int) -> bool:
    return isinstance(target, str) and target.startswith("mask")


def mask(graph: Graph, build: Builder, target: str, logits: int) -> Found:
    """Append what finds the pixels; ConfigError if the model is no segmentation."""
    match = GRAMMAR.fullmatch(target)
    if match is None:
        raise ConfigError(f"target {target!r} is no mask; write mask, or mask(3) for class 3")
    shape = build.shape(logits)
    if len(shape) < 3 or prod(shape[1:-1]) < 2:
        raise ConfigError(f'target "mask" needs a class for each pixel; the model returns {shape}')
    places, classes = prod(shape[:-1]), shape[-1]
    value = build.reshape(build.dequantize(logits), (places, classes))
    if classes == 1:
        inside = build.minimum(build.mul(build.relu(value), build.const(HUGE)), build.const(1.0))
    else:
        options = schema.ReducerOptionsT(keepDims=True)
        top = build.op(OpKind.REDUCE_MAX, [value, build.const([1])], (places, 1), options)
        below = build.mul(build.sub(top, value), build.const(HUGE))
        inside = build.sub(build.const(1.0), below, "RELU")
    area = build.reshape(build.sum(inside, [0]), (1, classes))
    if match[1] is None:
        chosen = build.argmax(area)
        column = onehot.computed(build, chosen, classes)
    else:
        index = int(match[1])
        if index >= classes:
            raise ConfigError(f"the model tells {classes} classes apart; choose mask(0) to mask({classes - 1})")
        chosen, column = build.const([index]), onehot.fixed(build, index, classes)
    most = build.op(OpKind.MAXIMUM, [area, build.const(1.0)], (1, classes), schema.MaximumMinimumOptionsT())
    weights = build.mul(inside, build.div(column, most))
    flat = build.reshape(build.mul(value, weights), (1, places * classes))
    score = build.reshape(build.sum(flat, [1]), (1,))
    return Found(logits, Flow(build.reshape(weights, shape), is_factor=True), chosen, score)
