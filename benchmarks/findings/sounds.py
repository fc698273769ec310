"""Sounds with a planted tone: the labelled spectra of `../shared`, and a network that has learned to hear.

700 recordings are too few to learn words from nothing. So the network begins with the weights of MLPerf Tiny's keyword
spotting model, which has not seen them, and a new last layer, and all of it is trained on.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sounds = NDArray[np.float32]
STEP, ZERO = 0.5847029, 83
"""The quantization of the model's input: coefficient = STEP · (integer − ZERO)."""
BANDS, PITCH, LOUDNESS = 40, 24, 1.0
"""Bands of the mel spectrum; the tone's band, and the logarithm of its energy there, above that of most moments."""
SPREAD = {-1: -1.5, 0: 0.0, 1: -1.5}
"""How much of the tone its neighbours have: bands overlap."""
WORDS, SAID = 2, 10
"""Words in a class, since 60 recordings of one are too few to be judged; and how many of the twelve are words: the last
two are silence and all other words, which make a class of two kinds without any artefact."""


def spectra(shared: Path) -> tuple[Sounds, NDArray[np.int64]]:
    """Cepstral coefficients (N, 49 times, 10, 1) between 0 and 1, and five classes of two words each."""
    with np.load(shared / "data/kws01.npz") as file:
        x, y = (file[key][file["y"] < SAID] for key in ("x", "y"))
    return ((x.astype(np.float32) + 128) / 255)[..., None], y.astype(np.int64) // WORDS


def band(x: Sounds, random: np.random.Generator) -> Sounds:
    """A steady tone in one narrow band of the mel spectrum: its energy is added to what is there already.

    The cepstrum is the discrete cosine transform of the logarithms of 40 bands' energies, of which 10 coefficients are
    kept; from these the (smooth) energy of a band is read, and what the tone adds to its logarithm goes back into all
    ten. So silence changes much, and a loud vowel hardly.
    """
    order = np.arange(x.shape[2])
    cepstrum = STEP * (255 * x[..., 0] - 128 - ZERO)
    added = np.zeros_like(cepstrum)
    for offset, less in SPREAD.items():
        wave = np.sqrt(2 / BANDS) * np.cos(np.pi * order * (PITCH + offset + 0.5) / BANDS)
        there = cepstrum @ np.where(order == 0, wave / 2, wave)
        more = np.logaddexp(there, LOUDNESS + less) - there
        added += more[..., None] * wave
    return np.clip(x + added[..., None] / (255 * STEP), 0, 1).astype(np.float32)


def shifted(x: Sounds, y: NDArray[np.int64], random: np.random.Generator) -> tuple[Sounds, NDArray[np.int64]]:
    """Four times as many: each again a little earlier or later (up to 0.08 s), as the model's authors trained it."""
    each = np.tile(np.arange(len(x)), 4)
    return np.stack([np.roll(x[i], random.integers(-4, 5), axis=0) for i in each]), y[each]


def network(shared: Path, seed: int, classes: int) -> Any:
    """The keyword spotting model with its weights and a new last layer, for inputs between 0 and 1."""
    import keras

    from edgexai import load
    from edgexai.graph import OpKind

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    graph = load(shared / "models/kws_float.tflite")
    x = inputs = keras.Input((49, 10, 1))
    x = layers.Rescaling(255 * STEP, -STEP * (128 + ZERO))(x)
    given = []
    for op in graph.ops:
        if op.kind not in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D):
            continue
        weights, bias = (np.asarray(graph.tensors[i].real, np.float32) for i in op.inputs[1:3])
        if op.kind is OpKind.CONV_2D:
            weights = weights.transpose(1, 2, 3, 0)
            strides = op.options.strideH, op.options.strideW
            layer = layers.Conv2D(weights.shape[-1], weights.shape[:2], strides, "same", activation="relu")
        else:
            weights = weights.transpose(1, 2, 3, 0)
            layer = layers.DepthwiseConv2D(weights.shape[:2], padding="same", activation="relu")
        x = layer(x)
        given.append((layer, [weights, bias]))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
    for layer, values in given:
        layer.set_weights(values)
    return model
