"""Where relevance starts: at the logit of the target, in front of a softmax, logistic or argmax if there is one."""

from dataclasses import dataclass
from math import prod

import numpy as np

from edgexai.errors import ConfigError
from edgexai.graph import Builder, Graph
from edgexai.relevance.backward import Flow
from edgexai.relevance.targets import detector, mask, onehot
from edgexai.relevance.targets.contrast import AGAINST, against, less_the_mean
from edgexai.relevance.targets.ends import End, end_of


@dataclass(frozen=True)
class Start:
    """The logits, the relevance that they start with, and the tensors that the explainer reports."""

    logits: int
    flow: Flow
    target: int
    score: int
    deviation: int | None = None
    """Of an autoencoder's output from its input, in the input's shape, if its error is explained."""


def logits_of(graph: Graph, output: int) -> int:
    """The tensor in front of the softmax, logistic or argmax that ends in ``output``; itself if none does."""
    return end_of(graph, output).logits


def start(graph: Graph, build: Builder, target: str | int, output: str | int = 0, less_mean: bool = False) -> Start:
    """Append what chooses the target; ConfigError if the model has no such output.

    ``less_mean``: relevance starts with a logit less the mean of the logits that it competes with, where a softmax or
    an argmax says that it does.
    """
    if target == "predicted" and detector.ends_in_boxes(graph):
        target = "box"
    if detector.asked(target):
        found = detector.box(graph, build, str(target), logits_of)
        return Start(found.tensor, found.flow, found.target, found.score)
    head = head_of(graph, output)
    if mask.asked(target):
        found = mask.mask(graph, build, str(target), logits_of(graph, head))
        return Start(found.tensor, found.flow, found.target, found.score)
    end = End(head) if target == "error" else end_of(graph, head)
    logits = end.logits
    shape = build.shape(logits)
    count = prod(shape)
    flat = build.reshape(build.dequantize(logits), (1, count))
    if target == "error":
        return _error(graph, build, logits, flat)
    if isinstance(target, int):
        if not 0 <= target < count:
            raise ConfigError(f"target {target} is not one of the model's {count} outputs; choose 0 to {count - 1}")
        weights = onehot.fixed(build, target, count)
        chosen = build.const(np.array([target], np.int32))
    elif target == "predicted":
        chosen = build.argmax(flat)
        weights = onehot.computed(build, chosen, count)
    elif target in AGAINST:
        chosen = build.argmax(flat)
        weights = against(build, str(target), flat, chosen)
    elif target == "input":
        weights = build.input("target_weights", (1, count))
        chosen = build.argmax(weights)
    else:
        raise ConfigError(
            f'target {target!r} is not known; use "predicted", "predicted-vs-rest", "predicted-vs-second", "input", '
            '"error", "box", "mask" or an index'
        )
    weights = build.reshape(weights, shape)
    if less_mean and end.classes:
        weights = less_the_mean(build, weights, end.classes)
    score = build.reshape(build.sum(build.mul(flat, build.reshape(weights, (1, count))), [1]), (1,))
    return Start(logits, Flow(weights, is_factor=True), chosen, score)


def head_of(graph: Graph, output: str | int) -> int:
    """The tensor of a model's output by number or name; ConfigError if there is none."""
    names = [graph.tensors[t].name for t in graph.outputs]
    if isinstance(output, str):
        if output not in names:
            raise ConfigError(f"the model has no output {output!r}; it has {', '.join(map(repr, names))}")
        output = names.index(output)
    if not 0 <= output < len(names):
        raise ConfigError(f"the model has no output {output}; it has {len(names)}, counted from 0")
    return graph.outputs[output]


def _error(graph: Graph, build: Builder, logits: int, flat: int) -> Start:
    """An autoencoder's squared error Σ d², d = output - input; the target is the output that is worst.

    Expanded around the reconstruction, where the error is zero, input i has the relevance d_i · (d_i - c_i), c being
    the factor that arrives at the input when every output starts with the factor d (deep Taylor decomposition,
    Montavon et al. 2017): its own deviation, less what the network makes of it.
    """
    x = graph.inputs[0]
    if prod(build.shape(x)) != build.shape(flat)[1]:
        raise ConfigError('target "error" needs a model that returns as many values as it takes')
    difference = build.sub(flat, build.reshape(build.dequantize(x), build.shape(flat)))
    squared = build.mul(difference, difference)
    score = build.reshape(build.sum(squared, [1]), (1,))
    flow = Flow(build.reshape(difference, build.shape(logits)), is_factor=True)
    return Start(logits, flow, build.argmax(squared), score, build.reshape(difference, build.shape(x)))
