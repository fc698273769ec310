"""Predict and explain in one file: two signatures, the weights once."""

from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.cli import main
from edgexai.errors import ModelError
from edgexai.graph import load, serialize, with_predict
from edgexai.runtime.interpreter import Interpreter


@pytest.mark.parametrize("network", ["cnn", "dscnn", "resnet"])
def test_both_signatures_are_the_model_and_its_explainer(network: str) -> None:
    path, known = golden(network)
    graph = load(path)
    explain = edgexai.attach(graph, "epsilon_plus")
    one, two = edgexai.Explainer(serialize(explain)), edgexai.Explainer(serialize(with_predict(explain, graph)))
    source = Interpreter(path)
    for x in known["x"]:
        a, b = one(x), two(x)
        assert np.array_equal(a.relevance, b.relevance)
        assert np.array_equal(two.predict(x)[0], source.run(x)[0])
        assert np.array_equal(b.outputs[0], source.run(x)[0])


def test_weights_are_in_the_file_once() -> None:
    graph = load(golden("cnn")[0])
    explain = edgexai.attach(graph, "epsilon")
    constants = sum(t.data.size for t in graph.tensors if t.data is not None)
    assert len(serialize(with_predict(explain, graph))) - len(serialize(explain)) < constants / 2


def test_the_file_survives_reading_and_writing() -> None:
    graph = load(golden("cnn")[0])
    file = serialize(with_predict(edgexai.attach(graph, "epsilon"), graph))
    assert serialize(load(file)) == file


def test_a_file_without_the_signature_says_what_to_do() -> None:
    explainer = edgexai.Explainer(serialize(edgexai.attach(load(golden("cnn")[0]), "epsilon")))
    with pytest.raises(ModelError, match="no signature 'predict'; attach it with --signatures"):
        explainer.predict(np.zeros(explainer.input.shape, np.float32))


def test_the_command_writes_both(tmp_path: Path) -> None:
    out = tmp_path / "both.tflite"
    assert main(["attach", str(golden("cnn")[0]), "-o", str(out), "--signatures"]) == 0
    explainer = edgexai.Explainer(out)
    x = golden("cnn")[1]["x"][0]
    assert np.array_equal(explainer.predict(x)[0], explainer(x).outputs[0])
