"""What a model's first output is, and what of it can be measured: classes, yes or no, a number, or neither."""

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import as_labels
from edgexai.compress.measure.faithfulness import probabilities, values
from edgexai.errors import DataError
from edgexai.graph import DType, Graph
from edgexai.relevance.targets import detector
from edgexai.relevance.targets.start import logits_of

Array = NDArray[Any]
INTEGERS = (DType.INT32, DType.INT64)


class Kind(Enum):
    """Of a first output; the value says it in words."""

    CLASSES = "a score for each class"
    YES_OR_NO = "the probability of one class"
    NUMBER = "one number, not a class"
    OTHER = "neither classes nor one number"


def kind_of(graph: Graph) -> Kind:
    """What the first output is, by its shape and by what ends in it.

    One value behind a logistic function is yes or no, one value without it a number. A map, a sequence, a detector's
    boxes, a class's number and an autoencoder's reconstruction (as many values as the input has, and no softmax) are
    none of these.
    """
    head = graph.outputs[0]
    shape, dtype = graph.tensors[head].shape, graph.tensors[head].dtype
    sizes = [n for n in shape[1:] if n != 1]
    logits = logits_of(graph, head)
    if detector.ends_in_boxes(graph) or dtype in INTEGERS or len(sizes) > 1:
        return Kind.OTHER
    if not sizes:
        return Kind.NUMBER if logits == head else Kind.YES_OR_NO
    taken = graph.tensors[graph.inputs[0]].shape
    rebuilt = logits == head and [n for n in taken[1:] if n != 1] == sizes
    return Kind.OTHER if rebuilt else Kind.CLASSES


def chances(graph: Graph, x: Array) -> NDArray[np.float64]:
    """The probability of each class (N, classes); of yes or no (N, 2), in this order: no, yes."""
    if kind_of(graph) is Kind.YES_OR_NO:
        yes = np.clip(values(graph, x)[:, :1], 0, 1)
        return np.concatenate([1 - yes, yes], axis=1)
    return probabilities(graph, x)


def classes(y: Array, count: int, known: int) -> NDArray[np.int64]:
    """Labels of ``count`` samples as classes (N,): (N, 1) and one-hot (N, known) are understood.

    DataError for what is no class of the model's ``known``.
    """
    y = np.asarray(y)
    if y.shape == (count, 1):
        y = y[:, 0]
    elif y.shape == (count, known) and np.all((y == 0) | (y == 1)) and np.all(y.sum(1) == 1):
        y = y.argmax(1)
    found = np.asarray(as_labels(y, count)).astype(np.int64)
    if found.min() < 0 or found.max() >= known:
        raise DataError(
            f"labels go from {found.min()} to {found.max()}, and the model has classes 0 to {known - 1}; "
            "number them as the model does, from 0"
        )
    return found


def numbers(y: Array, count: int) -> NDArray[np.float64]:
    """Labels of a model of one number (N,); DataError for anything else."""
    found = np.asarray(y)
    if found.size != count or found.dtype.kind not in "iufb" or not np.all(np.isfinite(found.astype(np.float64))):
        raise DataError(f"the model gives one number: {count} finite numbers are wanted as labels, one a sample")
    return found.reshape(count).astype(np.float64)
