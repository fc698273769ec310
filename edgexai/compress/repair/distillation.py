"""Distillation: a small model learns to answer as the unpruned one does; labels may help and are not needed.

Hinton, Vinyals, Dean 2015: divergence from the teacher's softened outputs at temperature T, times T². Few samples
go a long way as mixtures of two views of them (``views.py``), over a long time: hardly a batch comes twice. Where the
teacher is asked about what the student is shown, that is moved to where the two disagree more (the sign of the
gradient, Goodfellow et al. 2015): the teacher knows an answer there, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import finite_number, whole_number
from edgexai.compress.measure.execute import quantized, real
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.requantize import is_integer, requantize
from edgexai.compress.repair.augmentation import Views, strides
from edgexai.compress.repair.trainable import tensorflow, trainable
from edgexai.errors import DataError
from edgexai.graph import Graph, OpKind
from edgexai.relevance.targets.start import logits_of

STEPS = 4000
MOST_EPOCHS = 1_000_000
ASKED = 2
"""Views of a mixture that the teacher is asked about where its mean answer is the better one."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: steps of Muon (Jordan 2024), their size falling along half a cosine to zero.

    Muon turns the gradient of a matrix of weights into the nearest orthogonal one, so that all directions are learned
    at one speed; everything else takes steps of Adam.
    """

    epochs: int | None = None
    """None: as many as make STEPS steps."""
    rate: float = 1e-2
    """Size of the first steps, as a share of five times the weights' own."""
    batch: int = 64
    temperature: float = 2.0
    label_share: float = 0.5
    """Weight of the labels, where there are some, against the teacher's."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            whole_number("epochs", self.epochs, 1, MOST_EPOCHS)
        whole_number("batch", self.batch, 1)
        finite_number("rate", self.rate, 0, 1)
        finite_number("temperature", self.temperature, 1e-3, 1e3)
        finite_number("label_share", self.label_share, 0, 1)
        whole_number("seed", self.seed, 0)


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
    x = real(teacher, teacher.inputs[0], quantized(teacher, samples))
    if labels is not None and len(labels) != len(x):
        raise DataError(f"{len(x)} samples have {len(labels)} labels; give one label a sample, or none")
    trained = _train(dequantize(student), dequantize(teacher), x, labels, schedule, progress)
    return requantize(trained, x, student) if is_integer(student) else trained


def _train(
    graph: Graph,
    teacher: Graph,
    x: NDArray[np.float32],
    labels: NDArray[Any] | None,
    schedule: Schedule,
    progress: Callable[[int, int], None] | None,
) -> Graph:
    tf = tensorflow()
    model, whole = trainable(graph), trainable(teacher)
    variables = list(model.variables.values())
    logits, wanted = logits_of(graph, graph.outputs[0]), logits_of(teacher, teacher.outputs[0])
    is_softmax = any(op.kind == OpKind.SOFTMAX and op.inputs[0] == logits for op in graph.ops)
    turn = int(np.ceil(len(x) / schedule.batch))
    epochs = schedule.epochs or int(np.ceil(STEPS / turn))
    rate = tf.keras.optimizers.schedules.CosineDecay(schedule.rate, epochs * turn)
    optimizer = tf.keras.optimizers.Muon(rate, adam_weight_decay=0.0, weight_decay=0.0, exclude_embeddings=False)
    heat = schedule.temperature

    def distance(batch: Any, asked: Any, labels_of: Any, share: Any) -> Any:
        given, answers = model(batch, [logits])[0], [whole(view, [wanted])[0] for view in asked]
        if not is_softmax:
            return tf.reduce_mean(tf.square(given - tf.add_n(answers) / len(asked)))
        answer = tf.add_n([tf.nn.softmax(one / heat) for one in answers]) / len(asked)
        cross = tf.nn.softmax_cross_entropy_with_logits(answer, given / heat)
        soft = (cross + tf.reduce_sum(tf.math.xlogy(answer, answer), axis=-1)) * heat**2
        if labels is None:
            return tf.reduce_mean(soft)
        one, other = (tf.nn.sparse_softmax_cross_entropy_with_logits(label, given) for label in labels_of)
        hard = share * one + (1 - share) * other
        return tf.reduce_mean((1 - schedule.label_share) * soft + schedule.label_share * hard)

    def train(batch: Any, asked: Any, far: Any, labels_of: Any, share: Any) -> None:
        if not asked:
            with tf.GradientTape() as tape:
                tape.watch(batch)
                value = distance(batch, [batch], labels_of, share)
            batch += far * tf.sign(tape.gradient(value, batch))
        with tf.GradientTape() as tape:
            value = distance(batch, asked or [batch], labels_of, share)
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

    step = tf.function(train, reduce_retracing=True)
    answers = tf.function(lambda batch: tf.nn.softmax(whole(batch, [wanted])[0]), reduce_retracing=True)
    views = Views.known(x, (lambda batch: answers(batch).numpy().argmax(-1)) if is_softmax else None)
    nearer = views.nearer()
    is_mean = is_softmax and nearer.foretell(x, lambda batch: answers(batch).numpy())
    truth = np.zeros(len(x), np.int64) if labels is None else np.asarray(labels, np.int64)
    random, spread = np.random.default_rng(schedule.seed), x.std(axis=0)
    for epoch in range(epochs):
        order, partner = random.permutation(len(x)), random.permutation(len(x))
        for start in range(0, len(x), schedule.batch):
            rows, others = (o[start : start + schedule.batch] for o in (order, partner))
            mixed, share = views.mixtures(x, rows, others, random)
            first = share.reshape(len(rows), -1).mean(1)
            asked = [nearer.of(mixed, np.arange(len(rows)), random) for _ in range(ASKED)] if is_mean else []
            step(
                tf.constant(mixed),
                [tf.constant(view) for view in asked],
                None if is_mean else tf.constant(strides(spread, len(rows), random)),
                (tf.constant(truth[rows]), tf.constant(truth[others])),
                tf.constant(first),
            )
        if progress is not None:
            progress(epoch + 1, epochs)
    return model.trained()
