"""tune: clustered int8 Graph -> one with the same few values, chosen and scaled anew to answer as the whole model.

Behind each integer stands a real weight that is trained; the network runs with its rounding, and gradients pass as if
there were none (straight-through, Bengio et al. 2013). Steps and biases are trained too. The loss is distillation's,
on mixtures of two unlabelled samples, plus what each layer's output misses of the whole model's, as a share of its
variance. Few integers change, so the bits stay near those that clustering chose.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.cluster import linear_layers, with_layer
from edgexai.compress.dequantize import dequantize
from edgexai.compress.execute import forward, quantized, real
from edgexai.compress.shrink import compact
from edgexai.compress.trainable import Trainable, tensorflow, trainable
from edgexai.errors import DataError
from edgexai.graph import Graph, OpKind, verify
from edgexai.relevance.start import logits_of

STEPS = 1000
RATE = 5e-3
"""Of Adam at the start, in steps of a weight; it falls along half a cosine to zero."""
BATCH = 64
HEAT = 2.0
"""Temperature of the answers that are compared."""
HINT = 3.0
"""Weight of the layers' mean relative error."""
SEEN = 256
"""Samples that set the units of biases and errors."""


@dataclass(frozen=True)
class _Layer:
    """A layer under training: its operator, its constants, its output in student and teacher.

    ``weights`` are in steps, ``bias`` in the ``spread`` of each channel's values, ``stretch`` the logarithm of how
    much the step grew; ``variance`` is that of its output, ``top`` its largest integer.
    """

    op: int
    kernel: int
    offset: int
    output: int
    wanted: int
    step: float
    top: int
    spread: NDArray[np.float32]
    variance: float
    weights: Any
    bias: Any
    stretch: Any

    def levels(self, tf: Any) -> Any:
        """The integers."""
        return tf.clip_by_value(tf.round(self.weights), -float(self.top), float(self.top))


def tune(
    graph: Graph,
    teacher: Graph,
    samples: NDArray[Any],
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """The clustered int8 graph trained on unlabelled samples (N, …) to answer as the int8 teacher; needs TensorFlow.

    Both have the same layers; maps keep their scales. ``progress(step, steps)`` is called after each step. Raises
    UnsupportedOperator for operators without a gradient here, DataError where layers or samples do not fit.
    """
    if [op.kind for op in graph.ops] != [op.kind for op in teacher.ops]:
        raise DataError("the clustered model has other layers than the one that it learns from; cluster that one")
    tf = tensorflow()
    x = real(teacher, teacher.inputs[0], quantized(teacher, samples))
    student, whole = trainable(dequantize(graph)), trainable(dequantize(teacher))
    layers = _layers(tf, graph, student, whole, x)
    logits, answers = (logits_of(model.graph, model.graph.outputs[0]) for model in (student, whole))
    is_softmax = any(op.kind == OpKind.SOFTMAX and op.inputs[0] == logits for op in student.graph.ops)
    variables = [v for layer in layers for v in (layer.weights, layer.bias, layer.stretch)]
    optimizer = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(RATE, steps))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(batch: Any) -> None:
        answer, *wanted = whole(batch, [answers, *(layer.wanted for layer in layers)])
        with tf.GradientTape() as tape:
            given, *found = _rounded(tf, student, layers)(batch, [logits, *(layer.output for layer in layers)])
            if is_softmax:
                soft = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(answer / HEAT), given / HEAT) * HEAT**2
            else:
                soft = tf.square(given - answer)
            missing = [
                tf.reduce_mean(tf.square(a - b)) / layer.variance
                for a, b, layer in zip(wanted, found, layers, strict=True)
            ]
            loss = tf.reduce_mean(soft) + HINT * tf.add_n(missing) / len(layers)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    random = np.random.default_rng(seed)
    for n in range(steps):
        one, other = (x[random.permutation(len(x))[:BATCH]] for _ in range(2))
        share = random.random((len(one), *[1] * (x.ndim - 1))).astype(np.float32)
        step(tf.constant(share * one + (1 - share) * other))
        if progress is not None:
            progress(n + 1, steps)
    for layer in layers:
        size = layer.step * float(np.exp(layer.stretch.numpy()))
        q = layer.levels(tf).numpy().astype(np.int8)
        graph = with_layer(graph, layer.op, q, size, np.asarray(layer.bias.numpy() * layer.spread, np.float64))
    small = compact(graph)
    verify(small)
    return small


def _layers(tf: Any, graph: Graph, student: Trainable, whole: Trainable, x: NDArray[np.float32]) -> list[_Layer]:
    """The layers that were clustered."""
    mine, theirs = student.graph, whole.graph
    places = zip(*(linear_layers(g) for g in (graph, mine, theirs)), strict=True)
    found = []
    for place, i, k in places:
        op, output = mine.ops[i], theirs.ops[k].outputs[0]
        scale = graph.tensors[graph.ops[place].inputs[1]].quantization
        if scale is None or scale.scale.size > 1 or len(op.inputs) < 3 or op.inputs[2] < 0:
            continue
        values = forward(theirs, x[:SEEN], [output])[0]
        spread = np.maximum(values.reshape(-1, values.shape[-1]).std(axis=0), 1e-6).astype(np.float32)
        step, q = float(scale.scale[0]), graph.tensors[graph.ops[place].inputs[1]].array.astype(np.float32)
        found.append(
            _Layer(
                place,
                op.inputs[1],
                op.inputs[2],
                op.outputs[0],
                output,
                step,
                127 if op.kind == OpKind.DEPTHWISE_CONV_2D else max(1, int(np.abs(q).max())),
                spread,
                max(float(values.var()), 1e-12),
                tf.Variable(q),
                tf.Variable(mine.tensors[op.inputs[2]].array / spread),
                tf.Variable(np.float32(0)),
            )
        )
    return found


def _rounded(tf: Any, student: Trainable, layers: list[_Layer]) -> Trainable:
    """The student with its weights on their levels; gradients pass to the weights behind them."""
    values: dict[int, Any] = dict(student.variables)
    scales: Mapping[int, float] = {**student.scales, **{t: 1.0 for n in layers for t in (n.kernel, n.offset)}}
    for layer in layers:
        behind = layer.weights
        q = behind + tf.stop_gradient(layer.levels(tf) - behind)
        shape = student.variables[layer.kernel].shape
        values[layer.kernel] = tf.reshape(q * (layer.step * tf.exp(layer.stretch)), shape)
        values[layer.offset] = layer.bias * layer.spread
    return Trainable(student.graph, values, scales)
