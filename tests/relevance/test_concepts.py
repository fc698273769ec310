"""Relevance of the channels of inner maps against zennit, and what the output says of itself."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import GOLDEN, golden, single
from shared import SHARED, needs_shared

import edgexai
from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.graph import Builder, serialize

NETWORKS = ("bottleneck", "cnn", "dscnn", "resnet")
LETTER = {"sum": "R", "positive": "P", "maximum": "M"}


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus"])
@pytest.mark.parametrize("network", NETWORKS)
def test_channels_of_inner_maps_equal_zennit(network: str, composite: str) -> None:
    path, known = golden(network)
    theirs = np.load(GOLDEN / network / "concepts.npz")
    maps = sorted({key.split("/", 1)[1] for key in theirs.files})
    explainer = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(path), composite, concepts=maps)))
    assert [p.map for p in explainer.metadata.concepts] == [m for m in maps for _ in LETTER]
    for i, x in enumerate(known["x"]):
        found = explainer(x).concepts
        assert found is not None
        assert found.dtype == np.float32
        for part in explainer.metadata.concepts:
            right = theirs[f"{LETTER[part.statistic]}_{composite}/{part.map}"][i]
            most = np.abs(theirs[f"P_{composite}/{part.map}"][i]).max()  # a sum of both signs may cancel
            assert np.abs(part.of(found) - right).max() <= 1e-4 * most, (part, i)


def test_auto_takes_the_last_convolution_and_the_middle_one() -> None:
    path, known = golden("dscnn")
    graph = edgexai.load(path)
    convolutions = [graph.tensors[op.outputs[0]].name for op in graph.ops if "CONV_2D" in op.kind.name]
    explainer = edgexai.Explainer(serialize(edgexai.attach(graph, concepts="auto")))
    last, middle = explainer.metadata.concepts
    assert (last.map, last.statistic) == (convolutions[-1], "positive")
    assert (middle.map, middle.statistic) == (convolutions[2], "maximum")
    vector = explainer(known["x"][0]).concepts
    assert vector is not None
    assert vector.shape == (last.channels + middle.channels,)
    assert np.all(last.of(vector) >= 0)


def test_auto_of_a_residual_network_is_the_sum_that_the_last_convolution_goes_into() -> None:
    path, _ = golden("resnet")
    graph = edgexai.load(path)
    last, _middle = edgexai.Explainer(serialize(edgexai.attach(graph, concepts="auto"))).metadata.concepts
    assert last.map == next(graph.tensors[op.outputs[0]].name for op in graph.ops if op.kind.name == "ADD")


def test_auto_of_a_dense_network_is_its_last_hidden_layer() -> None:
    path, known = golden("mlp")
    graph = edgexai.load(path)
    explainer = edgexai.Explainer(serialize(edgexai.attach(graph, concepts="auto")))
    dense = [graph.tensors[op.outputs[0]].name for op in graph.ops if op.kind.name == "FULLY_CONNECTED"]
    assert explainer.metadata.concepts[0].map == dense[-2]
    assert explainer(known["x"][0]).concepts is not None


@pytest.mark.parametrize("network", NETWORKS)
def test_concepts_leave_prediction_and_relevance_as_they_are(network: str) -> None:
    path, known = golden(network)
    graph = edgexai.load(path)
    without = edgexai.Explainer(serialize(edgexai.attach(graph)))
    with_them = edgexai.Explainer(serialize(edgexai.attach(graph, concepts="auto")))
    for x in known["x"]:
        a, b = without(x), with_them(x)
        assert a.concepts is None
        assert np.array_equal(a.outputs[0], b.outputs[0])
        assert np.array_equal(a.relevance, b.relevance)
        assert (a.target, a.score) == (b.target, b.score)


def test_maps_that_cannot_be_named_are_refused_in_one_sentence() -> None:
    path, _ = golden("cnn")
    graph = edgexai.load(path)
    with pytest.raises(ConfigError, match="has no map 'nowhere'; relevance reaches"):
        edgexai.attach(graph, concepts="nowhere")
    with pytest.raises(ConfigError, match="names no map"):
        edgexai.attach(graph, concepts=[])
    with pytest.raises(ConfigError, match="no relevance reaches the map"):
        edgexai.attach(graph, grid=(2, 2), concepts=graph.tensors[graph.inputs[0]].name)


def test_a_model_without_an_inner_map_has_no_concepts() -> None:
    def layer(build: Builder, x: int) -> int:
        return build.dense(x, build.const(np.ones((3, 4), np.float32)))

    with pytest.raises(ConfigError, match="leave concepts out"):
        edgexai.attach(single((1, 4), layer), concepts="auto")


@needs_shared
@pytest.mark.parametrize("model", ["kws_int8", "ic_int8", "ad_int8"])
def test_concepts_of_the_reference_models_cost_few_operators(model: str) -> None:
    graph = edgexai.load(SHARED / "models" / f"{model}.tflite")
    without, with_them = edgexai.attach(graph), edgexai.attach(graph, concepts="auto")
    assert len(with_them.ops) - len(without.ops) <= 12


def test_the_command_shows_the_strongest_channels_and_their_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, known = golden("cnn")
    explainer, data = tmp_path / "explain.tflite", tmp_path / "x.npz"
    np.savez(data, x=known["x"])
    assert main(["attach", str(path), "-o", str(explainer), "--concepts", "auto"]) == 0
    assert main(["explain", str(explainer), "--data", str(data), "--concepts"]) == 0
    said = capsys.readouterr().out
    vectors = np.stack([edgexai.Explainer(explainer)(x).concepts for x in known["x"]])
    part = edgexai.Explainer(explainer).metadata.concepts[0]
    strongest = int(np.argmax(part.of(vectors).mean(0)))
    first = said[said.index("positive") :].splitlines()[1]
    assert first.split()[:2] == ["channel", str(strongest)]
    assert f"samples {int(np.argmax(part.of(vectors)[:, strongest]))}" in first
    assert main(["explain", str(explainer), "--data", str(data), "--json"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert np.allclose(line["concepts"], vectors[0])


def test_the_command_says_that_a_file_has_no_concepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, known = golden("cnn")
    explainer, data = tmp_path / "explain.tflite", tmp_path / "x.npz"
    np.savez(data, x=known["x"])
    assert main(["attach", str(path), "-o", str(explainer)]) == 0
    assert main(["explain", str(explainer), "--data", str(data), "--concepts"]) != 0
    assert "attach it with --concepts" in capsys.readouterr().err
