"""Models of an open batch: converted as Keras converts them by default, explained for one sample."""

import tempfile
from typing import Any

import numpy as np
import pytest

import edgexai
from edgexai.errors import ModelError
from edgexai.graph import Graph, OpKind, load, serialize, settled
from edgexai.runtime.interpreter import Interpreter

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow makes the models")


def converted(shape: tuple[Any, ...], *layers: Any, batch: int | None = None) -> bytes:
    model = tensorflow.keras.Sequential([tensorflow.keras.Input(shape), *layers])
    signature = tensorflow.TensorSpec((batch, *shape), tensorflow.float32)
    with tempfile.TemporaryDirectory() as directory:
        archive = tensorflow.keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", lambda x: model(x, training=False), input_signature=[signature])
        archive.write_out(directory, verbose=False)
        return bytes(tensorflow.lite.TFLiteConverter.from_saved_model(directory).convert())


def open_batch(batch: int | None) -> bytes:
    tensorflow.keras.utils.set_random_seed(0)
    layers = tensorflow.keras.layers
    return converted(
        (24, 3),
        layers.Conv1D(6, 3, dilation_rate=2, padding="same", activation="relu"),
        layers.Reshape((6, 24)),
        layers.Permute((2, 1)),
        layers.Flatten(),
        layers.Dense(4),
        batch=batch,
    )


def test_a_model_of_an_open_batch_is_explained_like_one_of_a_fixed_batch() -> None:
    of_any, of_one = open_batch(None), open_batch(1)
    assert OpKind.SHAPE in {op.kind for op in load(of_any).ops}
    explainers = [edgexai.Explainer(serialize(edgexai.attach(load(m), "epsilon"))) for m in (of_any, of_one)]
    source = Interpreter(of_any)
    for x in np.random.default_rng(0).normal(size=(4, 24, 3)).astype(np.float32):
        a, b = (explainer(x) for explainer in explainers)
        assert np.array_equal(a.outputs[0], source.run(x)[0])
        assert np.allclose(a.relevance, b.relevance, atol=1e-5)
        assert a.relevance.shape == (24,)


def test_the_file_still_says_which_model_it_explains() -> None:
    graph = load(open_batch(None))
    explain = edgexai.attach(graph, "epsilon")
    assert edgexai.Explainer(serialize(explain)).metadata.source == graph.sha256


def test_settled_leaves_fixed_shapes_alone() -> None:
    graph = load(open_batch(1))
    assert settled(graph) is graph


def open_size() -> Graph:
    layers = tensorflow.keras.layers
    return load(converted((None, None, 3), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), batch=1))


def test_an_input_of_open_size_is_refused() -> None:
    with pytest.raises(ModelError, match=r"has the open shape \(1, \?, \?, 3\); name one with --shape"):
        edgexai.attach(open_size())


def test_a_shape_that_is_named_settles_an_input_of_open_size() -> None:
    graph = open_size()
    fixed = settled(graph, [(1, 9, 7, 3)])
    explainer = edgexai.Explainer(serialize(edgexai.attach(fixed, "epsilon")))
    x = np.random.default_rng(0).normal(size=(1, 9, 7, 3)).astype(np.float32)
    e = explainer(x)
    assert e.relevance.shape == (9, 7)
    assert explainer.metadata.source == graph.sha256
    weights = fixed.tensors[fixed.ops[0].inputs[1]].array
    bias = fixed.tensors[fixed.ops[0].inputs[2]].array
    patches = np.lib.stride_tricks.sliding_window_view(x[0], (3, 3), (0, 1))  # (rows, columns, channels, 3, 3)
    right = np.einsum("ijckl,oklc->ijo", patches, weights).mean((0, 1)) + bias
    assert np.allclose(e.outputs[0], right, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((1, 9, 7), "takes .*, not 1x9x7; only a . can be chosen"),
        ((1, 9, 7, 4), "takes .*, not 1x9x7x4; only a . can be chosen"),
        ((1, 1 << 20, 1 << 20, 3), "makes no sense"),
        ((1, 0, 7, 3), "makes no sense"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        settled(open_size(), [shape])
