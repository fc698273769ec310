"""Distillation: a small model learns to answer as the unpruned one does; labels may help and are not needed.

Hinton, Vinyals, Dean 2015: cross entropy with the teacher's softened outputs at temperature T, times T².
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.dequantize import dequantize
from edgexai.compress.execute import forward, quantized, real
from edgexai.compress.quantize import Ports, quantize
from edgexai.compress.trainable import tensorflow, trainable
from edgexai.errors import DataError
from edgexai.graph import DType, Graph, OpKind
from edgexai.relevance.start import logits_of


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: Adam, its rate falling along half a cosine from ``rate`` to zero."""

    epochs: int = 30
    rate: float = 1e-3
    batch: int = 32
    temperature: float = 2.0
    label_share: float = 0.5
    """Weight of the labels, where there are some, against the teacher's."""
    seed: int = 0


def distill(
    student: Graph,
    teacher: Graph,
    samples: NDArray[Any],
    labels: NDArray[Any] | None = None,
    schedule: Schedule | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """The student with weights trained on samples (N, …) to answer as the teacher; needs TensorFlow.

    An int8 student comes back in int8, with new ranges and its inputs and outputs quantized as before. Outputs
    of a softmax are compared by cross entropy, others by their mean square. ``progress(epoch, epochs)`` is called
    after each epoch. Raises UnsupportedOperator for operators without a gradient here, DataError for samples that
    do not fit.
    """
    schedule = schedule or Schedule()
    is_integer = student.tensors[student.inputs[0]].dtype == DType.INT8
    x = real(teacher, teacher.inputs[0], quantized(teacher, samples))
    if labels is not None and len(labels) != len(x):
        raise DataError(f"{len(x)} samples have {len(labels)} labels; give one label a sample, or none")
    exact = dequantize(teacher)
    wanted = forward(exact, x, [logits_of(exact, exact.outputs[0])])[0]
    trained = _train(dequantize(student), x, wanted, labels, schedule, progress)
    return quantize(trained, x, Ports.of(student)) if is_integer else trained


def _train(
    graph: Graph,
    x: NDArray[np.float32],
    wanted: NDArray[np.float32],
    labels: NDArray[Any] | None,
    schedule: Schedule,
    progress: Callable[[int, int], None] | None,
) -> Graph:
    tf = tensorflow()
    model = trainable(graph)
    variables = list(model.variables.values())
    logits = logits_of(graph, graph.outputs[0])
    is_softmax = any(op.kind == OpKind.SOFTMAX and op.inputs[0] == logits for op in graph.ops)
    steps = schedule.epochs * int(np.ceil(len(x) / schedule.batch))
    optimizer = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(schedule.rate, steps))
    heat = schedule.temperature

    def loss(batch: Any, answer: Any, label: Any) -> Any:
        given = model(batch, [logits])[0]
        if not is_softmax:
            return tf.reduce_mean(tf.square(given - answer))
        soft = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(answer / heat), given / heat) * heat**2
        if labels is None:
            return tf.reduce_mean(soft)
        hard = tf.nn.sparse_softmax_cross_entropy_with_logits(label, given)
        return tf.reduce_mean((1 - schedule.label_share) * soft + schedule.label_share * hard)

    def train(batch: Any, answer: Any, label: Any) -> None:
        with tf.GradientTape() as tape:
            value = loss(batch, answer, label)
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

    step = tf.function(train, reduce_retracing=True)
    truth = np.zeros(len(x), np.int64) if labels is None else np.asarray(labels, np.int64)
    random = np.random.default_rng(schedule.seed)
    for epoch in range(schedule.epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), schedule.batch):
            rows = order[start : start + schedule.batch]
            step(tf.constant(x[rows]), tf.constant(wanted[rows]), tf.constant(truth[rows]))
        if progress is not None:
            progress(epoch + 1, schedule.epochs)
    return model.trained()
