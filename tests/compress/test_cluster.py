"""Clustered weights: few values, fewer bits at a higher price, an ordinary int8 file, the same one after transit."""

import numpy as np
import pytest
from models import golden
from shared import SHARED, needs_shared

import edgexai
from edgexai.compress.measure.accuracy import accuracy
from edgexai.compress.measure.execute import forward, real
from edgexai.compress.quantize.cluster import cluster
from edgexai.compress.quantize.exq import in_transit
from edgexai.compress.quantize.int8 import quantize
from edgexai.compress.quantize.rate_distortion import bits_of, cheapest_levels
from edgexai.errors import ConfigError, DataError
from edgexai.graph import DType, Graph, OpKind, serialize
from edgexai.graph.strip import lean
from edgexai.runtime.interpreter import Interpreter
from edgexai.transit import restore

RANDOM = np.random.default_rng(2)


def int8(name: str) -> tuple[Graph, np.ndarray]:
    graph = edgexai.load(golden(name)[0])
    x = RANDOM.normal(size=(60, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)
    return quantize(graph, x), x


def entropy(graph: Graph) -> float:
    kernels = [graph.tensors[op.inputs[1]].array.astype(int) for op in graph.ops if op.kind == OpKind.CONV_2D]
    return sum(float(bits_of(k, 127)[k + 127].sum()) for k in kernels)


@pytest.mark.parametrize("name", ["dscnn", "resnet"])
def test_weights_take_few_values_and_the_output_stays_near(name: str) -> None:
    graph, x = int8(name)
    small = cluster(graph, x, price=1e-6)
    for op in small.ops:
        if op.kind in (OpKind.CONV_2D, OpKind.FULLY_CONNECTED):
            assert np.abs(small.tensors[op.inputs[1]].array.astype(int)).max() <= 15
    wanted, ours = (real(g, g.outputs[0], forward(g, x)[0]) for g in (graph, small))
    assert np.sqrt(np.mean((ours - wanted) ** 2)) < 0.25 * np.std(wanted)
    assert Interpreter(serialize(small)).run(forward(graph, x, [graph.inputs[0]])[0][:1])[0].dtype == np.int8


def test_a_higher_price_leaves_fewer_bits() -> None:
    graph, x = int8("dscnn")
    each = [entropy(cluster(graph, x, price=price)) for price in (1e-6, 1e-4, 1e-2)]
    assert entropy(graph) > each[0] > 1.2 * each[1] > 1.2 * each[2]


def test_maps_keep_their_scales_and_biases_are_the_product_of_scales() -> None:
    graph, x = int8("resnet")
    small = cluster(graph, x)
    for mine, theirs in zip(small.ops, graph.ops, strict=True):
        a, b = small.tensors[mine.outputs[0]].quantization, graph.tensors[theirs.outputs[0]].quantization
        assert a is not None
        assert b is not None
        assert a.scale[0] == b.scale[0]
        if mine.kind == OpKind.CONV_2D:
            source, kernel, bias = (small.tensors[t].quantization for t in mine.inputs)
            assert source is not None
            assert kernel is not None
            assert bias is not None
            np.testing.assert_array_equal(bias.scale, (source.scale[0] * kernel.scale).astype(np.float32))


def test_rounding_makes_up_for_its_errors_at_the_output() -> None:
    mixing = RANDOM.normal(size=(24, 24)) * (0.9 ** np.arange(24))[:, None]
    features = RANDOM.normal(size=(4000, 24)) @ mixing
    gram = np.cov(features.T, bias=True)[None]
    weights = RANDOM.normal(size=(8, 24))
    found = cheapest_levels(weights, gram, np.ones(8), 1e-6, 7)
    plain = np.clip(np.rint(weights / found.step), -7, 7) * found.step
    error = np.square(features @ (weights - plain).T).mean(0).sum()
    assert found.loss < 0.5 * error
    assert found.loss == pytest.approx(np.square(features @ (weights - found.q * found.step).T).mean(0).sum(), rel=0.05)


def test_what_counts_for_little_is_left_at_zero_first() -> None:
    weights = RANDOM.normal(size=(20, 30))
    counts = np.repeat([1.0, 1e-4], 10)
    found = cheapest_levels(weights, np.eye(30)[None], counts, 0.02, 7)
    assert (found.q[10:] == 0).mean() > 2 * (found.q[:10] == 0).mean()


def test_a_lean_model_computes_the_same_and_keeps_its_ports() -> None:
    graph, x = int8("cnn")
    small = lean(graph)
    np.testing.assert_array_equal(forward(graph, x)[0], forward(small, x)[0])
    assert small.tensors[small.inputs[0]].name == graph.tensors[graph.inputs[0]].name
    assert len(serialize(small)) < len(serialize(graph))


def test_what_is_wrong_is_said() -> None:
    graph, x = int8("cnn")
    with pytest.raises(ConfigError, match="quantize the model first"):
        cluster(edgexai.load(golden("cnn")[0]), x)
    with pytest.raises(ConfigError, match="use 2 to 8"):
        cluster(graph, x, bits=1)
    other, y = int8("dscnn")
    with pytest.raises(DataError, match="of another model"):
        cluster(graph, x, profile=edgexai.profile_relevance(other, y[:5]))


@needs_shared
def test_keyword_spotting_travels_in_a_quarter_of_its_int8_file() -> None:
    path = SHARED / "models/kws_int8.tflite"
    graph = edgexai.load(path)
    with np.load(SHARED / "data/kws01.npz") as data:
        order = np.random.default_rng(0).permutation(len(data["x"]))
        x, y = data["x"].reshape(-1, 49, 10, 1)[order], data["y"][order]
    small = lean(cluster(graph, x[300:500], price=5e-6))
    packed = in_transit(small)
    assert restore(packed) == serialize(small)
    assert len(packed) * 4 < path.stat().st_size
    assert accuracy(small, x[:300], y[:300]) > accuracy(graph, x[:300], y[:300]) - 0.04
    assert {t.dtype for t in small.tensors} <= {DType.INT8, DType.INT32}
