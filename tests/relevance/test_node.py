"""The explainer files that the node's tests run are what `attach` makes today."""

from pathlib import Path

import pytest
from models import golden

import edgexai
from edgexai.graph import serialize

DATA = Path(__file__).parents[1] / "runtime" / "data"


@pytest.mark.parametrize("network", ["cnn", "dscnn"])
def test_the_node_tests_run_what_attach_makes(network: str) -> None:
    graph = edgexai.attach(edgexai.load(golden(network)[0]), "epsilon_plus_flat", channels="keep")
    assert (DATA / f"{network}_explain.tflite").read_bytes() == serialize(graph)
