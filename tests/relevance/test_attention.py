"""A small vision transformer against a twin written from AttnLRP (Achtibat et al. 2024)."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from models import run
from numpy.typing import NDArray

import edgexai
from edgexai.graph import Graph, OpKind

keras = pytest.importorskip("keras", reason="Keras makes the transformer")
Array = NDArray[np.float64]
TOKENS, WIDTH, HEADS, EACH = 16, 12, 2, 6


@cache
def transformer() -> tuple[Any, Graph]:
    """Patches, one block of attention and a perceptron, each behind a LayerNorm, and a mean."""
    from converters import from_keras

    keras.utils.set_random_seed(4)
    layers = keras.layers
    x = inputs = keras.Input((16, 16, 3), batch_size=None)
    x = layers.Conv2D(WIDTH, 4, strides=4, name="patches")(x)
    x = layers.Reshape((TOKENS, WIDTH))(x)
    y = layers.LayerNormalization(name="norm1")(x)
    y = layers.MultiHeadAttention(HEADS, EACH, name="attention")(y, y)
    x = layers.Add()([x, y])
    y = layers.LayerNormalization(name="norm2")(x)
    y = layers.Dense(20, activation="gelu", name="wide")(y)
    y = layers.Dense(WIDTH, name="narrow")(y)
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(5, name="logits")(x))
    random = np.random.default_rng(0)
    for w in model.weights:
        if w.path.endswith(("bias", "beta")):
            w.assign(0.3 * random.normal(size=w.shape))
        elif w.path.endswith("gamma"):
            w.assign(1 + 0.3 * random.normal(size=w.shape))
    return model, edgexai.load(from_keras(model))


def over(r: Array, z: Array) -> Array:
    return r / (z + np.where(z >= 0, 1e-6, -1e-6))


def layer_norm(x: Array, gamma: Array, beta: Array) -> tuple[Array, Any]:
    """y, and R_y -> R_x with the variance held fixed: linear, so gradient times input of each share."""
    mean, inverse = x.mean(1, keepdims=True), 1 / np.sqrt(x.var(1, keepdims=True) + 1e-3)
    y = (x - mean) * inverse * gamma + beta

    def back(r: Array) -> Array:
        c = over(r, y) * inverse * gamma
        return x * (c - c.mean(1, keepdims=True))

    return y, back


def dense(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    y = x @ w + b
    return y, lambda r: x * (over(r, y) @ w.T)


def twin(model: Any, image: Array, target: int | None = None) -> tuple[Array, Array]:
    """Logits, and the relevance of the patches' pixels (tokens, 4·4·3)."""
    weights = {layer.name: [np.float64(w) for w in layer.get_weights()] for layer in model.layers}
    pixels = image.reshape(4, 4, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(TOKENS, 48)
    kernel, bias = weights["patches"]
    x0, back_patches = dense(pixels, kernel.reshape(48, WIDTH), bias)
    y, back_norm1 = layer_norm(x0, *weights["norm1"])
    wq, bq, wk, bk, wv, bv, wo, bo = weights["attention"]
    (q, back_q), (k, back_k), (v, back_v) = (
        dense(y, w.reshape(WIDTH, -1), b.reshape(-1)) for w, b in ((wq, bq), (wk, bk), (wv, bv))
    )
    heads = [slice(h * EACH, (h + 1) * EACH) for h in range(HEADS)]
    product = [q[:, h] @ k[:, h].T for h in heads]
    scores = [s / np.sqrt(EACH) for s in product]
    a = [np.exp(s - s.max(1, keepdims=True)) for s in scores]
    a = [e / e.sum(1, keepdims=True) for e in a]
    o = np.concatenate([attention @ v[:, h] for attention, h in zip(a, heads, strict=True)], axis=1)
    z, back_o = dense(o, wo.reshape(-1, WIDTH), bo)
    x1 = x0 + z
    y2, back_norm2 = layer_norm(x1, *weights["norm2"])
    wide, back_wide = dense(y2, *weights["wide"])
    from math import erf

    active = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
    narrow, back_narrow = dense(active, *weights["narrow"])
    x2 = x1 + narrow
    logits, back_logits = dense(x2.mean(0, keepdims=True), *weights["logits"])

    target = int(logits.argmax()) if target is None else target
    r = back_logits(logits * np.eye(5)[target])
    r2 = x2 * over(r, x2.mean(0, keepdims=True)) / TOKENS
    c = over(r2, x2)
    r1 = x1 * c + back_norm2(back_wide(back_narrow(narrow * c)))
    c = over(r1, x1)
    ro = back_o(z * c)
    rq, rk, rv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for h, attention, score, raw in zip(heads, a, scores, product, strict=True):
        s = over(ro[:, h], o[:, h]) / 2
        rv[:, h] = v[:, h] * (attention.T @ s)
        ra = attention * (s @ v[:, h].T)
        rs = score * (ra - attention * ra.sum(1, keepdims=True))
        s = over(rs, raw) / 2
        rq[:, h], rk[:, h] = q[:, h] * (s @ k[:, h]), k[:, h] * (s.T @ q[:, h])
    r0 = x0 * c + back_norm1(back_q(rq) + back_k(rk) + back_v(rv))
    return logits[0], back_patches(r0)


def test_relevance_is_the_twins() -> None:
    model, graph = transformer()
    assert sum(op.kind == OpKind.BATCH_MATMUL for op in graph.ops) == 2
    explain = edgexai.attach(graph, "epsilon", channels="keep")
    for image in np.random.default_rng(1).uniform(size=(4, 16, 16, 3)):
        logits, relevance, target, _ = run(explain, image.astype(np.float32))
        assert np.array_equal(logits, run(graph, image.astype(np.float32))[0])
        theirs, expected = twin(model, image)
        assert np.abs(logits[0] - theirs).max() < 1e-4
        assert target[0] == theirs.argmax()
        ours = relevance[0].reshape(4, 4, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(TOKENS, 48)
        assert np.abs(ours - expected).max() <= 1e-3 * np.abs(expected).max()


def test_every_weight_of_the_outputs_may_be_asked_for() -> None:
    model, graph = transformer()
    explain = edgexai.attach(graph, "epsilon", target="input", channels="keep")
    image = np.random.default_rng(2).uniform(size=(16, 16, 3))
    for target in range(5):
        _, relevance, *_ = run(explain, image.astype(np.float32), np.eye(5, dtype=np.float32)[[target]])
        expected = twin(model, image, target)[1]
        ours = relevance[0].reshape(4, 4, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(TOKENS, 48)
        assert np.abs(ours - expected).max() <= 1e-3 * np.abs(expected).max()
