"""UNIDIRECTIONAL_SEQUENCE_LSTM: bit for bit as TensorFlow Lite Micro, and explained as the explainer file does."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import agree, needs
from networks_int8 import Net, dense
from operator_networks import flat
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import Explaining, write
from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Graph, OpKind, Quantization, Tensor, load, serialize
from edgexai.runtime.compiled import Compiled
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
MODELS = SHARED / "cases" / "models"


def variable(net: Net, name: str, shape: tuple[int, ...], dtype: DType, scale: float, zero: int) -> int:
    quantization = Quantization(np.array([scale], np.float32), np.array([zero], np.int64))
    net.tensors.append(Tensor(name, shape, dtype, None, quantization, is_variable=True))
    return len(net.tensors) - 1


def recurrent(net: Net, x: int, units: int, power: int, clip: float) -> int:
    _, steps, features = net.tensors[x].shape
    q = net.tensors[x].quantization
    assert q is not None
    zero = int(net.random.integers(-20, 20))

    def weights(width: int, size: float) -> int:
        scale = np.array([net.random.uniform(0.5, 2) * size], np.float32)
        return net.constant(net.random.integers(-127, 128, (units, width)).astype(np.int8), DType.INT8, scale)

    near = 4 / (127 * 128 * float(q.scale[0]) * np.sqrt(features))
    inputs = [x, *(weights(features, near) for _ in range(4)), *(weights(units, 0.01) for _ in range(4)), -1, -1, -1]
    for k in range(4):
        scale = net.tensors[inputs[1 + k]].quantization
        assert scale is not None
        bias = net.random.integers(-2000, 2000, units).astype(np.int32)
        inputs.append(net.constant(bias, DType.INT32, scale.scale * q.scale))
    states = (
        variable(net, "h", (1, units), DType.INT8, 1 / 128, zero),
        variable(net, "c", (1, units), DType.INT16, 2.0**power, 0),
    )
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction, options.cellClip, options.projClip = 4, clip, 0.0
    options.timeMajor = options.asymmetricQuantizeInputs = False
    y = net.map((1, steps, units), 1 / 128, zero)
    given = [*inputs, -1, -1, *states, -1, -1, -1, -1]
    return net.op(OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM, given, [y], options, 1)


def sequence(seed: int, steps: int, features: int, units: int, power: int, clip: float) -> tuple[Net, int, int]:
    net = Net(np.random.default_rng(seed))
    x = net.map((1, steps, features), 0.02)
    return net, x, recurrent(net, x, units, power, clip)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 6),
    features=st.integers(1, 17),
    units=st.integers(1, 13),
    power=st.integers(-13, -9),
    clip=st.sampled_from([0.0, 0.5, 10.0]),
)
def test_sequences(seed: int, steps: int, features: int, units: int, power: int, clip: float) -> None:
    net, x, y = sequence(seed, steps, features, units, power, clip)
    agree(net.finish(x, y), net.random, 1)  # TensorFlow Lite Micro would go on from the last state


class Explained:
    """A model's C that explains, and its explainer, new for every sequence."""

    def __init__(self, graph: Graph, composite: str, folder: Path, runtime: Literal["tflite", "micro"]) -> None:
        self.runtime = runtime
        self.content = serialize(edgexai.attach(graph, composite))
        write(graph, folder, "m", explains=Explaining(composite))
        self.ours = edgexai.Explainer(folder, runtime="c99")

    def maps(self, x: np.ndarray) -> np.ndarray:
        one, two = self.ours(x), edgexai.Explainer(self.content, runtime=self.runtime)(x)
        assert one.target == two.target
        assert one.score == pytest.approx(two.score, rel=0.05, abs=0.2)  # LiteRT rounds ties otherwise
        return np.stack([one.relevance.ravel(), two.relevance.ravel()]).astype(float)


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_random_sequence_is_explained(clip: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    net, x, y = sequence(3, 9, 6, 7, -11, clip)
    both = Explained(net.finish(x, dense(net, flat(net, y), 4, 0)), "epsilon", tmp_path / "c", "micro")
    for _ in range(5):
        maps = both.maps(net.random.integers(-128, 128, (1, 9, 6)).astype(np.int8))
        assert np.corrcoef(maps)[0, 1] >= 0.999
        assert maps[0] @ maps[1] / (maps[1] @ maps[1]) == pytest.approx(1, abs=0.03)


@needs_shared
@pytest.mark.parametrize("name", ["mnist", "speech"])
def test_public_models(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    graph = load(MODELS / f"{name}_lstm_int8.tflite")
    bare = replace(graph, ops=graph.ops[:1], outputs=graph.ops[0].outputs)
    random, shape = np.random.default_rng(0), graph.tensors[graph.inputs[0]].shape
    xs = np.clip(random.normal(-120, 8, (8, *shape)), -128, 127).astype(np.int8)
    with tempfile.TemporaryDirectory() as folder:
        write(bare, folder, "m")
        ours = Compiled(folder)
        for x in xs:
            assert np.array_equal(ours.run(x)[0], MicroInterpreter(serialize(bare)).run(x)[0])
    both = Explained(graph, "edge", tmp_path / "c", "tflite")
    found = [np.corrcoef(both.maps(x))[0, 1] for x in xs[:4]]
    assert np.median(found) >= 0.9999, found


def test_another_cell_is_refused_by_number_and_name(tmp_path: Path) -> None:
    net, x, y = sequence(0, 2, 3, 4, -11, 0.0)
    net.ops[0].options.projClip = 1.0
    with pytest.raises(UnsupportedOperator, match=r"UNIDIRECTIONAL_SEQUENCE_LSTM \(operator 0.*other cells than tanh"):
        write(net.finish(x, y), tmp_path)
