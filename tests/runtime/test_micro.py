"""Explainers on TFLite Micro: the same maps, the same prediction, and an arena in bytes (`-s` prints it)."""

from pathlib import Path

import numpy as np
import pytest
from models import NETWORKS, golden
from shared import SHARED, needs_shared

import edgexai
from edgexai.cli import main
from edgexai.errors import DataError, ModelError
from edgexai.graph import serialize
from edgexai.runtime.interpreter import Interpreter
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus_flat", "epsilon_alpha2_beta1"])
@pytest.mark.parametrize("network", NETWORKS)
def test_maps_of_float_models_are_those_of_litert(network: str, composite: str) -> None:
    path, known = golden(network)
    file = serialize(edgexai.attach(edgexai.load(path), composite, channels="keep"))
    micro, litert, source = edgexai.Explainer(file, runtime="micro"), edgexai.Explainer(file), MicroInterpreter(path)
    for x in known["x"]:
        ours, theirs = micro(x), litert(x)
        assert ours.target == theirs.target
        assert np.abs(ours.relevance - theirs.relevance).max() <= 1e-4 * np.abs(theirs.relevance).max()
        assert np.array_equal(ours.outputs[0], source.run(x)[0])


def samples(model: str, port) -> list:
    if model == "kws":
        with np.load(SHARED / "data" / "kws01.npz") as data:
            return list(data["x"][::175].reshape(-1, *port.shape).astype(np.int8))
    if model == "ic":
        with np.load(SHARED / "data" / "cifar10_test.npz") as data:
            return list(data["x"][:4].astype(np.float32))
    return list(np.random.default_rng(0).normal(size=(4, 640)).astype(np.float32) * 20)


@needs_shared
@pytest.mark.parametrize("composite", ["edge", "epsilon"])
@pytest.mark.parametrize(("model", "kernels"), [("kws", "REF"), ("ic", "REF"), ("ad", "WITHOUT_DEFAULT_DELEGATES")])
def test_maps_of_the_reference_models_are_those_of_the_same_integer_kernels(
    model: str, kernels: str, composite: str
) -> None:
    """XNNPACK rounds int8 differently, so that LiteRT runs here on the kernels that round as TFLite Micro does."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = SHARED / "models" / f"{model}_int8.tflite"
    file = serialize(edgexai.attach(edgexai.load(path), composite))
    resolver = interpreter.OpResolverType[f"BUILTIN_{kernels}"]
    litert = interpreter.Interpreter(model_content=file, experimental_op_resolver_type=resolver)
    litert.allocate_tensors()
    micro, source = edgexai.Explainer(file, runtime="micro"), MicroInterpreter(path)
    for x in samples(model, micro.input):
        e = micro(x)
        assert np.array_equal(e.outputs[0], source.run(x)[0])
        litert.set_tensor(litert.get_input_details()[0]["index"], micro.input.quantized(x))
        litert.invoke()
        theirs = litert.get_tensor(litert.get_output_details()[1]["index"])[0]
        assert np.abs(e.relevance - theirs).max() <= 1e-4 * np.abs(theirs).max()
    print(f"\n{model} {composite}: arena {micro.arena:,} bytes, predicting alone {source.arena:,}")
    assert micro.arena is not None
    assert source.arena < micro.arena < 1 << 20


def test_weights_over_the_outputs_are_a_second_input() -> None:
    path, known = golden("cnn")
    file = serialize(edgexai.attach(edgexai.load(path), "epsilon", target="input"))
    wanted = np.eye(len(known["logits"][0]), dtype=np.float32)[1]
    ours, theirs = (edgexai.Explainer(file, runtime=r)(known["x"][0], wanted) for r in ("micro", "tflite"))
    assert ours.score == pytest.approx(theirs.score, rel=1e-5)
    assert np.allclose(ours.relevance, theirs.relevance, atol=1e-5)


def test_the_command_reports_the_arena(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, known = golden("cnn")
    out, data = tmp_path / "e.tflite", tmp_path / "d.npz"
    np.savez(data, x=known["x"])
    assert main(["attach", str(path), "-o", str(out)]) == 0
    assert main(["explain", str(out), "--data", str(data), "--runtime", "micro"]) == 0
    assert "arena " in capsys.readouterr().out


def test_what_it_cannot_run_is_an_error() -> None:
    with pytest.raises(ModelError):
        MicroInterpreter(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    micro = MicroInterpreter(golden("mlp")[0])
    with pytest.raises(DataError, match="takes 1 inputs, not 2"):
        micro.run(np.zeros(1), np.zeros(1))
    assert Interpreter(golden("mlp")[0]).inputs[0].shape == micro.inputs[0].shape
