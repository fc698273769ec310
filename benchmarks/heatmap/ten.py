"""A network of ten classes for 96×96 pictures that learns from another's answers, and to do with parts of a picture.

Three thousand pictures are few: each is seen shifted, mirrored and now and then mixed with another, and what is learned
is the other network's answer to just that view (Beyer et al. 2022, *Knowledge distillation: a good teacher is patient
and consistent*). A third of them have holes, filled with the mean picture, so that pixel flipping asks the network
about pictures of a kind that it has seen (Hase, Xie and Bansal 2021).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.mobilenet import SIDE, enlarged, mobilenet
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.graph import Graph

STAGES = ((64, 20), (SIDE, 25))
"""Sides of the pictures, and epochs with them: what is learned from smaller ones costs half."""
RATE = 2e-3
SHIFT = 4
MIXED, HOLED = 0.25, 1 / 3
CELLS = (1, 2, 4, 8, 16)
"""Sides of the holes."""

Array = NDArray[Any]
Reals = NDArray[np.float32]


def train(x: Array, teacher: Graph, seed: int, progress: Callable[[int, int], None]) -> Any:
    """The model fitted to a teacher's answers to pictures x (N, 32, 32, 3) of 0 … 255, as the teacher takes them."""
    import keras

    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    epochs, done, model = sum(count for _, count in STAGES), 0, None
    for side, count in STAGES:
        last, model = model, mobilenet(10, side, skips=True)
        if last is not None:
            model.set_weights(last.get_weights())
        model.compile(keras.optimizers.Adam(RATE), "categorical_crossentropy")
        mean = enlarged(x.mean(0, keepdims=True), side)
        for _ in range(count):
            model.optimizer.learning_rate = RATE * (1 - done / epochs)
            seen = views(x, random)
            shown = np.where(holes(len(x), side, random), mean, enlarged(seen, side))
            model.fit(shown, probabilities(teacher, seen), batch_size=32, epochs=1, verbose=0)
            done += 1
            progress(done, epochs)
    return model


def views(x: Array, random: np.random.Generator) -> Reals:
    """Pictures (N, rows, columns, 3) shifted, every second one mirrored, and some mixed with another."""
    count, rows, columns = x.shape[:3]
    wide = np.pad(x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), "reflect")
    down, right = random.integers(0, 2 * SHIFT + 1, (2, count, 1))
    down, right = down + np.arange(rows), right + np.arange(columns)
    seen = wide[np.arange(count)[:, None, None], down[:, :, None], right[:, None, :]]
    seen = np.where(random.random((count, 1, 1, 1)) < 0.5, seen, seen[:, :, ::-1])
    share = np.where(random.random(count) < MIXED, random.random(count), 1)[:, None, None, None]
    return np.asarray(share * seen + (1 - share) * seen[random.permutation(count)], np.float32)


def holes(count: int, side: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Where pictures (count, side, side, 1) are gone: nowhere, or up to six tenths of them in squares of one size."""
    gone = np.zeros((count, side, side, 1), bool)
    for i in np.flatnonzero(random.random(count) < HOLED):
        cell = random.choice(CELLS)
        squares = random.random((side // cell, side // cell)) < random.uniform(0, 0.6)
        gone[i, ..., 0] = squares.repeat(cell, 0).repeat(cell, 1)
    return gone
