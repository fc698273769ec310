"""What `edge` promises: units do not matter, relevance adds up, int8 follows float, also where a network remembers."""

from dataclasses import replace

import numpy as np
import pytest
from models import NETWORKS, golden, run, single
from numpy.typing import NDArray

import edgexai
from edgexai.graph import Builder, Graph, OpKind, serialize
from edgexai.relevance import attach, composite
from edgexai.relevance.composite import CONVOLUTIONS
from edgexai.runtime.explanation import Explanation

LAYERS = CONVOLUTIONS | {OpKind.FULLY_CONNECTED}


def changed(graph: Graph, values: dict[int, NDArray[np.float32]]) -> Graph:
    """The graph with other constants."""
    tensors = list(graph.tensors)
    for t, value in values.items():
        tensors[t] = replace(tensors[t], data=np.ascontiguousarray(value, np.float32).reshape(-1).view(np.uint8))
    return replace(graph, tensors=tuple(tensors))


def without_biases(graph: Graph) -> Graph:
    layers = [op for op in graph.ops if op.kind in LAYERS and len(op.inputs) > 2]
    return changed(graph, {op.inputs[2]: np.zeros_like(graph.tensors[op.inputs[2]].real) for op in layers})


def with_softmax(graph: Graph) -> Graph:
    """Golden networks end in logits; this makes them compete."""
    from ai_edge_litert import schema_py_generated as schema

    build = Builder(graph, prefix="model")
    z = graph.outputs[0]
    return build.finish([build.op(OpKind.SOFTMAX, [z], build.shape(z), schema.SoftmaxOptionsT(beta=1.0))])


def maps(graph: Graph, x: NDArray[np.float32], name: str = "edge") -> list[Explanation]:
    explainer = edgexai.Explainer(serialize(attach(graph, name)))
    return [explainer(one) for one in x]


@pytest.mark.parametrize("by", [0.01, 0.1, 10, 100])
@pytest.mark.parametrize("network", ["cnn", "dscnn", "mlp"])
def test_the_unit_of_a_hidden_map_does_not_matter(network: str, by: float) -> None:
    path, known = golden(network)
    graph = edgexai.load(path)
    first, second = [op for op in graph.ops if op.kind in LAYERS][:2]
    t = graph.tensors
    other = changed(
        graph,
        {
            first.inputs[1]: t[first.inputs[1]].real * np.float32(by),
            first.inputs[2]: t[first.inputs[2]].real * np.float32(by),
            second.inputs[1]: t[second.inputs[1]].real / np.float32(by),
        },
    )
    for a, b in zip(maps(graph, known["x"]), maps(other, known["x"]), strict=True):
        assert np.abs(a.relevance - b.relevance).max() <= 1e-3 * np.abs(a.relevance).max()


@pytest.mark.parametrize("network", [n for n in NETWORKS if n != "mlp"])
def test_without_biases_all_relevance_arrives(network: str) -> None:
    path, known = golden(network)
    graph = with_softmax(without_biases(edgexai.load(path)))
    for e in maps(graph, known["x"]):
        assert e.conservation == pytest.approx(1, abs=0.1)
        assert abs(e.absorbed) <= 0.1 * abs(e.score)


def test_what_biases_take_is_reported() -> None:
    """One dense layer in front of the logits: its bias takes itself, to the last digit."""
    w = np.float32([[1, 2], [3, -1]])
    bias = np.float32([0.5, -2])
    graph = single((1, 2), lambda b, x: b.dense(x, b.const(w), b.const(bias)))
    e = edgexai.Explainer(serialize(attach(graph, target=0)))(np.float32([[1, 1]]))
    assert e.score == pytest.approx(3.5)
    assert e.absorbed == pytest.approx(0.5, rel=1e-4)
    assert e.conservation == pytest.approx(3 / 3.5, rel=1e-4)


@pytest.mark.parametrize(
    ("score", "total", "expected"), [(0.0, 0.0, 1.0), (0.0, 2.0, 0.0), (1e-45, 1.0, None), (2, 1, 0.5)]
)
def test_conservation_is_always_a_number(score: float, total: float, expected: float | None) -> None:
    e = Explanation((), 0, score, np.float32([total]))
    assert np.isfinite(e.conservation)
    assert expected is None or e.conservation == expected


def test_a_class_is_explained_against_those_that_it_competes_with() -> None:
    path, known = golden("cnn")
    graph = with_softmax(edgexai.load(path))
    z = run(edgexai.load(path), known["x"][:1])[0][0]
    e = maps(graph, known["x"][:1])[0]
    assert e.score == pytest.approx(z.max() - z.mean(), rel=1e-4)
    maps_of = [run(attach(graph, "edge", target=k), known["x"][:1])[1] for k in range(len(z))]
    assert np.abs(sum(maps_of)).max() <= 1e-3 * max(np.abs(m).max() for m in maps_of)  # what one gains others lose


def test_the_last_layer_hands_factors_on_whichever_operator_it_is() -> None:
    """A classifier as a 1×1 convolution over one place is the dense layer that it is."""
    w, v = (np.random.default_rng(k).normal(size=s).astype(np.float32) for k, s in ((0, (6, 3, 3, 2)), (1, (4, 6))))

    def network(dense: bool) -> Graph:
        def layers(b: Builder, x: int) -> int:
            zeros = b.const(np.zeros(4, np.float32))
            y = b.relu(b.conv(x, b.const(w), b.const(np.zeros(6, np.float32)), padding="VALID"))
            if dense:
                return b.dense(b.reshape(y, (1, 6)), b.const(v), zeros)
            return b.reshape(b.conv(y, b.const(v.reshape(4, 1, 1, 6)), zeros), (1, 4))

        return single((1, 3, 3, 2), layers)

    x = np.random.default_rng(2).normal(size=(1, 3, 3, 2)).astype(np.float32)
    a, b = (run(attach(network(dense)), x)[1] for dense in (True, False))
    assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()


def test_the_composite_says_what_its_score_is() -> None:
    assert composite("edge").start == "less mean"
    assert composite("epsilon_plus").start == "logit"


def test_a_network_that_remembers_is_explained_alike_in_int8_and_float() -> None:
    """Its steps add dense layers: units of 1 made an int8 LSTM's map another one than the float network's."""
    keras = pytest.importorskip("keras")
    from converters.keras import from_keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((12, 3)), keras.layers.LSTM(8), keras.layers.Dense(3, activation="softmax")])
    x = np.random.default_rng(0).normal(0, 0.3, (60, 12, 3)).astype(np.float32)
    x[np.arange(60), np.arange(60) % 12, np.arange(60) % 3] += 2
    files = from_keras(model), from_keras(model, x, int8=True)
    explainers = [edgexai.Explainer(serialize(attach(edgexai.graph.load(file), "edge", target=0))) for file in files]
    found = [[e(one[None]).relevance.reshape(-1) for one in x[:20]] for e in explainers]
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(*found, strict=True)]) >= 0.98


@pytest.mark.parametrize(
    ("stabilizer", "biases", "lost"), [(0.25, 3.5 * 0.5 / 3.75, 3.5 * 0.25 / 3.75), (1e-9, 0.5, 0)]
)
def test_what_biases_take_is_told_from_what_is_lost(stabilizer: float, biases: float, lost: float) -> None:
    """The layer of above with LRP-ε: the bias is a share of the denominator, and so is the stabilizer."""
    w, bias = np.float32([[1, 2], [3, -1]]), np.float32([0.5, -2])
    graph = single((1, 2), lambda b, x: b.dense(x, b.const(w), b.const(bias)))
    explain = attach(graph, f"epsilon({stabilizer})", target=0, absorbed=True)
    e = edgexai.Explainer(serialize(explain))(np.float32([[1, 1]]))
    assert e.absorbed == pytest.approx(biases, rel=1e-5)
    assert e.lost == pytest.approx(lost, abs=1e-5)
    assert edgexai.Explainer(serialize(attach(graph, target=0)))(np.float32([[1, 1]])).lost is None


@pytest.mark.parametrize("composite", ["edge", "epsilon(1e-9)", "epsilon_plus"])
@pytest.mark.parametrize("network", NETWORKS)
def test_maps_and_biases_add_up_to_the_score(network: str, composite: str) -> None:
    path, known = golden(network)
    graph = with_softmax(edgexai.load(path))
    explain = edgexai.Explainer(serialize(attach(graph, composite, absorbed=True)))
    plain = edgexai.Explainer(serialize(attach(graph, composite)))
    for x in known["x"]:
        e = explain(x)
        assert np.array_equal(e.relevance, plain(x).relevance)
        size = abs(e.score) + abs(e.absorbed) + np.abs(e.relevance).sum()
        assert e.lost is not None
        assert abs(e.lost) < 1e-3 * size
