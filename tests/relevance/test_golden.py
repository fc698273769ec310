"""Relevance of whole networks against zennit, and what attach promises."""

import numpy as np
import pytest
from models import NETWORKS, golden, single
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import OpKind, serialize
from edgexai.relevance.grid import grids
from edgexai.relevance.targets.start import logits_of
from edgexai.runtime.interpreter import Interpreter

COMPOSITES = {
    "epsilon": "R_epsilon",
    "epsilon(0.25)": "R_epsilon0.25",
    "gamma(0.25)": "R_gamma0.25",
    "epsilon_plus": "R_epsilon_plus",
    "epsilon_plus_flat": "R_epsilon_plus_flat",
    "epsilon_alpha2_beta1": "R_epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat": "R_epsilon_alpha2_beta1_flat",
    "epsilon_gamma_box(-1, 1)": "R_epsilon_gamma_box",
    "wsquare_epsilon_plus": "R_wsquare_first_epsilon_plus",
}


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("network", NETWORKS)
def test_relevance_equals_zennit(network: str, composite: str) -> None:
    path, known = golden(network)
    graph = edgexai.load(path)
    per_channel = edgexai.Explainer(serialize(edgexai.attach(graph, composite, channels="keep")))
    summed = edgexai.Explainer(serialize(edgexai.attach(graph, composite, channels="sum")))
    for x, target, theirs in zip(known["x"], known["target"], known[COMPOSITES[composite]], strict=True):
        ours = per_channel(x)
        assert ours.target == target
        theirs = theirs.reshape(ours.relevance.shape)
        most = np.abs(theirs).max()
        assert np.abs(ours.relevance - theirs).max() <= 1e-4 * most
        total = theirs.sum(-1) if theirs.ndim > 1 else theirs
        assert np.abs(summed(x).relevance - total).max() <= 3e-4 * most


@pytest.mark.parametrize("network", NETWORKS)
def test_prediction_is_bit_exact_after_attach(network: str) -> None:
    path, known = golden(network)
    source = Interpreter(path)
    explainer = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(path))))
    for x in known["x"]:
        assert np.array_equal(explainer(x).outputs[0], source.run(x)[0])


@needs_shared
@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "epsilon_plus_flat"])
@pytest.mark.parametrize("model", ["kws_int8", "kws_float", "ic_int8", "ic_float", "ad_int8", "ad_float"])
def test_prediction_of_the_reference_models_is_bit_exact(model: str, composite: str) -> None:
    path = SHARED / "models" / f"{model}.tflite"
    graph = edgexai.load(path)
    source, explainer = Interpreter(path), edgexai.Explainer(serialize(edgexai.attach(graph, composite)))
    port, random = source.inputs[0], np.random.default_rng(1)
    for _ in range(10):
        x = random.normal(size=port.shape) * 40 + 60
        x = x.clip(-128, 127).astype(np.int8) if port.dtype == np.int8 else x.astype(np.float32)
        e = explainer(x)
        assert np.array_equal(e.outputs[0], source.run(x)[0])
        assert np.all(np.isfinite(e.relevance))


@pytest.mark.parametrize("network", ["cnn", "resnet", "mlp"])
def test_relevance_without_biases_adds_up_to_the_score(network: str) -> None:
    """Conservation: what LRP-ε does not give to a bias arrives at the input."""
    from dataclasses import replace

    path, known = golden(network)
    graph = edgexai.load(path)
    bias = {op.inputs[2] for op in graph.ops if len(op.inputs) > 2}
    tensors = tuple(
        replace(t, data=np.zeros_like(t.data)) if i in bias and t.data is not None else t
        for i, t in enumerate(graph.tensors)
    )
    explainer = edgexai.Explainer(serialize(edgexai.attach(replace(graph, tensors=tensors), "epsilon")))
    for x in known["x"]:
        assert explainer(x).conservation == pytest.approx(1, abs=2e-2)


def test_the_target_may_be_a_class_or_weights_over_the_outputs() -> None:
    path, known = golden("cnn")
    graph, x = edgexai.load(path), known["x"][0]
    one = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon", target=1)))(x)
    asked = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon", target="input")))
    two = np.eye(len(known["logits"][0]), dtype=np.float32)
    assert one.target == 1
    assert one.score == pytest.approx(known["logits"][0][1], rel=1e-5)
    assert np.allclose(asked(x, two[1]).relevance, one.relevance, atol=1e-6)
    difference = asked(x, two[1] - two[0]).relevance
    assert np.allclose(difference, asked(x, two[1]).relevance - asked(x, two[0]).relevance, atol=1e-4)
    with pytest.raises(edgexai.Error, match="one weight an output"):
        asked(x)


def test_a_grid_stops_at_the_nearest_inner_map() -> None:
    path, known = golden("cnn")
    graph = edgexai.load(path)
    sizes = [graph.tensors[t].shape[1:3] for t in grids(graph, logits_of(graph, graph.outputs[0]))]
    assert sizes
    explainer = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon", grid=sizes[-1])))
    e = explainer(known["x"][0])
    assert e.relevance.shape == sizes[-1] == explainer.metadata.grid


def test_an_operator_without_a_rule_is_refused_by_number_and_name() -> None:
    graph = single(
        (1, 4), lambda b, x: b.dense(b.op(OpKind.MATRIX_DIAG, [x], (1, 4)), b.const(np.ones((2, 4), np.float32)))
    )
    with pytest.raises(UnsupportedOperator, match=r"no relevance rule for MATRIX_DIAG \(operator 0"):
        edgexai.attach(graph)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"composite": "magic"}, "there is no composite 'magic'"),
        ({"composite": "gamma(x)"}, "takes numbers"),
        ({"composite": "epsilon_plus(1)"}, "takes at most 0 numbers"),
        ({"target": 99}, "is not one of the model's"),
        ({"target": "best"}, "is not known"),
        ({"channels": "max"}, "is not known"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        edgexai.attach(edgexai.load(golden("cnn")[0]), **options)


@pytest.mark.parametrize("last", ["linear", "logistic"])
def test_an_autoencoder_explains_its_error(last: str) -> None:
    """d · (d - c), where c is the factor that LRP-ε brings to the input for the factor d at every output."""
    random = np.random.default_rng(0)
    down, up = random.uniform(-0.5, 1, (3, 8)).astype(np.float32), random.normal(size=(8, 3)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)

    def network(b, x):
        hidden = b.dense(x, b.const(down), b.const(bias), activation="RELU")
        y = b.dense(hidden, b.const(up), b.const(np.zeros(8, np.float32)))
        return b.op(OpKind.LOGISTIC, [y], (1, 8)) if last == "logistic" else y

    explainer = edgexai.Explainer(serialize(edgexai.attach(single((1, 8), network), "epsilon", target="error")))
    for x in random.uniform(size=(5, 8)).astype(np.float32):
        e = explainer(x)
        y = e.outputs[0][0].astype(np.float64)
        d = y - x
        hidden = down @ x + bias
        start = d * y / (up @ np.maximum(hidden, 0)) if last == "logistic" else d
        c = down.T @ ((up.T @ start) * (hidden > 0))
        assert e.score == pytest.approx((d**2).sum(), rel=1e-5)
        assert e.target == (d**2).argmax()
        assert np.abs(e.relevance - d * (d - c)).max() <= 1e-3 * np.abs(d * (d - c)).max()


@needs_shared
@pytest.mark.parametrize("kind", ["int8", "float"])
def test_the_bins_that_make_a_machine_anomalous_are_found(kind: str) -> None:
    """Spectra that the detector reconstructs, and eight bins of them disturbed."""
    random = np.random.default_rng(0)
    source = Interpreter(SHARED / "models" / "ad_float.tflite")
    explainer = edgexai.Explainer(
        serialize(edgexai.attach(edgexai.load(SHARED / "models" / f"ad_{kind}.tflite"), target="error"))
    )
    found = []
    for _ in range(10):
        x = random.normal(size=640) * 3
        for _ in range(60):
            x = source.run(x[None])[0][0]
        bins = random.choice(640, 8, replace=False)
        x[bins] += random.choice([-12, 12], 8)
        found.append(np.isin(np.argsort(-explainer(x).relevance)[:8], bins).mean())
    assert np.mean(found) >= 0.95


def test_an_error_needs_the_input_and_factors() -> None:
    graph = single(
        (1, 4), lambda b, x: b.dense(x, b.const(np.eye(4, dtype=np.float32)), b.const(np.ones(4, np.float32)))
    )
    with pytest.raises(ConfigError, match="hands factors on"):
        edgexai.attach(graph, "wsquare_epsilon_plus", target="error")
    with pytest.raises(ConfigError, match="as many values as it takes"):
        edgexai.attach(edgexai.load(golden("mlp")[0]), "epsilon", target="error")


def test_pixels_are_explained_by_a_mask_of_weights() -> None:
    """A network with an output a pixel: what speaks for a region comes from what the region sees."""
    random = np.random.default_rng(0)
    w, v = ((random.normal(size=s) / 5).astype(np.float32) for s in ((4, 3, 3, 2), (3, 3, 3, 4)))

    def network(b, x):
        hidden = b.conv(x, b.const(w), b.const(np.zeros(4, np.float32)), activation="RELU")
        y = b.conv(hidden, b.const(v), b.const(np.zeros(3, np.float32)))
        return b.op(OpKind.LOGISTIC, [y], (1, 9, 10, 3))

    graph = single((1, 9, 10, 2), network)
    explainer = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon", target="input")))
    x = random.normal(size=(9, 10, 2)).astype(np.float32)
    mask = np.zeros((9, 10, 3), np.float32)
    mask[1:3, 2:5, 1] = 1
    e = explainer(x, mask)
    logits = np.log(e.outputs[0] / (1 - e.outputs[0]))
    assert e.score == pytest.approx((logits * mask).sum(), rel=1e-3, abs=1e-4)
    assert e.relevance.sum() == pytest.approx(e.score, rel=1e-3, abs=1e-4)
    assert np.all(e.relevance[5:] == 0)
    assert np.all(e.relevance[:, 7:] == 0)
    one = [explainer(x, np.where(np.arange(270).reshape(9, 10, 3) == k, mask, 0)) for k in np.flatnonzero(mask)]
    assert np.allclose(sum(o.relevance for o in one), e.relevance, atol=1e-4)


def test_a_head_is_named_by_number_or_name() -> None:
    from dataclasses import replace

    path, known = golden("mlp")
    graph = edgexai.load(path)
    two = replace(graph, outputs=(graph.ops[0].outputs[0], *graph.outputs))
    by_number = edgexai.Explainer(serialize(edgexai.attach(two, "epsilon", output=1)))(known["x"][0])
    name = graph.tensors[graph.outputs[0]].name
    by_name = edgexai.Explainer(serialize(edgexai.attach(two, "epsilon", output=name)))(known["x"][0])
    assert len(by_number.outputs) == 2
    assert by_number.target == known["target"][0]
    assert np.array_equal(by_number.relevance, by_name.relevance)
    with pytest.raises(ConfigError, match="has no output 'gaze'"):
        edgexai.attach(two, output="gaze")


def test_an_argmax_at_the_end_is_looked_through() -> None:
    from ai_edge_litert import schema_py_generated as schema

    from edgexai.graph import Builder, DType

    path, known = golden("cnn")
    graph = edgexai.load(path)
    build = Builder(graph, prefix="model")
    index = build.op(
        OpKind.ARG_MAX,
        [graph.outputs[0], build.const(1)],
        (1,),
        schema.ArgMaxOptionsT(outputType=int(DType.INT64)),
        dtype=DType.INT64,
    )
    ends = build.finish([build.cast(index, DType.INT32)])
    for x in known["x"]:
        ours = edgexai.Explainer(serialize(edgexai.attach(ends, "epsilon")))(x)
        theirs = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon")))(x)
        assert ours.outputs[0][0] == ours.target == theirs.target
        assert np.array_equal(ours.relevance, theirs.relevance)


def test_state_in_variables_is_refused() -> None:
    def network(b, x):
        from edgexai.graph import Op, Tensor
        from edgexai.graph.ir import DType

        b.tensors.append(Tensor("state", (), DType.RESOURCE))
        handle = len(b.tensors) - 1
        b.ops.append(Op(OpKind.VAR_HANDLE, (), (handle,)))
        b.ops.append(Op(OpKind.ASSIGN_VARIABLE, (handle, x), ()))
        return b.op(OpKind.READ_VARIABLE, [handle], (1, 4))

    with pytest.raises(ConfigError, match="no relevance reaches the input"):
        edgexai.attach(single((1, 4), network))
