"""int16 maps and int4 weights: what the runtimes compute with them, and that relevance chooses where."""

import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from models import golden
from numpy.typing import NDArray

import edgexai
from edgexai.board import load_board
from edgexai.cli import main
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.execute import forward, real
from edgexai.compress.quantize.cluster import cluster
from edgexai.compress.quantize.int4 import narrow, pack
from edgexai.compress.quantize.int8 import quantize
from edgexai.compress.quantize.int16x8 import WIDE, widen
from edgexai.compress.quantize.mixed_precision import mixed
from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Graph, OpKind, serialize

Samples = NDArray[np.float32]
NETWORKS = ("cnn", "dscnn", "mlp", "resnet")


def models(name: str) -> tuple[Graph, Graph, Samples]:
    """The float model, its int8 form, samples."""
    graph = edgexai.load(golden(name)[0])
    x = np.random.default_rng(0).normal(size=(40, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)
    return graph, quantize(graph, x), x


def error(graph: Graph, small: Graph, x: Samples) -> float:
    """Root mean square of what is off at the output, in its standard deviations."""
    wanted = forward(graph, x)[0]
    return float(np.sqrt(np.mean((real(small, small.outputs[0], forward(small, x)[0]) - wanted) ** 2)) / wanted.std())


def able(graph: Graph) -> list[int]:
    return [i for i, op in enumerate(graph.ops) if op.kind in WIDE]


@pytest.mark.parametrize("name", NETWORKS)
def test_int16_maps_come_nearer_to_float(name: str) -> None:
    whole, small, x = models(name)
    wide = widen(small, able(small))
    assert error(whole, wide, x) <= 1.05 * error(whole, small, x)  # int8 weights and input are most of what is left
    assert wide.tensors[wide.outputs[0]].dtype == wide.tensors[wide.inputs[0]].dtype == DType.INT8


@pytest.mark.parametrize("name", NETWORKS)
def test_any_single_operator_can_be_widened(name: str) -> None:
    whole, small, x = models(name)
    for i in able(small):
        wide = widen(small, [i])
        assert error(whole, wide, x[:8]) < 1.3 * error(whole, small, x[:8]) + 0.005
        kinds = [op.kind for op in wide.ops]
        assert kinds.count(OpKind.QUANTIZE) >= 1
        assert {t.dtype for t in wide.tensors} >= {DType.INT8, DType.INT16}


def test_an_operator_without_an_int16_form_is_refused() -> None:
    whole, _, _ = models("cnn")
    with pytest.raises(UnsupportedOperator, match="no int16 form of CONV_2D"):
        widen(whole, [0])


def test_mixed_stops_as_soon_as_heatmaps_are_near_enough() -> None:
    whole, small, x = models("cnn")
    none = mixed(small, whole, x[:15], least=0.5)
    assert none.wide == ()
    assert none.graph is small
    some = mixed(small, whole, x[:15], least=none.before + 1e-5, board=load_board("nucleo_l4r5zi"))
    every = mixed(small, whole, x[:15], least=1.0)
    assert 1 <= len(some.wide) <= len(every.wide) or some.after >= none.before + 1e-5
    assert some.after > none.before
    assert cost(some.graph, "nucleo_l4r5zi").bytes > cost(small).bytes


@pytest.mark.parametrize("name", ["cnn", "dscnn", "mlp"])
def test_int4_weights_compute_what_the_same_weights_in_int8_do(name: str) -> None:
    _, small, x = models(name)
    few = cluster(small, x, price=1e-9, bits=4)
    packed = narrow(few)
    assert DType.INT4 in {t.dtype for t in packed.tensors}
    assert len(serialize(packed)) < len(serialize(few))
    np.testing.assert_array_equal(*(on_plain_kernels(graph, few, x[:8]) for graph in (few, packed)))


@pytest.mark.parametrize("name", ["cnn", "dscnn", "mlp"])
@pytest.mark.parametrize("composite", ["edge", "epsilon_plus_flat"])
def test_relevance_of_int4_weights_is_that_of_the_same_weights_in_int8(name: str, composite: str) -> None:
    _, small, x = models(name)
    few = cluster(small, x, price=1e-9, bits=4)
    ours, theirs = (
        on_plain_kernels(edgexai.attach(graph, composite=composite), few, x[:8], "relevance")
        for graph in (narrow(few), few)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def on_plain_kernels(graph: Graph, int8: Graph, x: Samples, port: str = "") -> NDArray[np.float32]:
    """An output (the first, or the one whose name holds ``port``) for samples, without XNNPACK, which rounds int4
    otherwise."""
    runner = Interpreter(
        model_content=serialize(graph),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner.allocate_tensors()
    output = next(d["index"] for d in runner.get_output_details() if port in d["name"])
    found = []
    for sample in forward(int8, x, [int8.inputs[0]])[0]:
        runner.set_tensor(runner.get_input_details()[0]["index"], sample[None])
        runner.invoke()
        found.append(runner.get_tensor(output))
    return np.array(found)


def test_nibbles_are_packed_low_half_first() -> None:
    assert pack(np.array([1, -1, 7, -7, 3], np.int8)).tolist() == [0xF1, 0x97, 0x03]


def test_kernels_that_do_not_fit_stay_int8() -> None:
    _, small, _ = models("cnn")
    assert DType.INT4 not in {t.dtype for t in narrow(small).tensors}


def test_the_verb_quantizes_mixed_and_to_four_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, small, x = models("cnn")
    np.savez(tmp_path / "d.npz", x=x)
    path, data = golden("cnn")[0], tmp_path / "d.npz"
    out = tmp_path / "o.tflite"
    assert main(["quantize", str(path), "-o", str(out), "--data", str(data), "--int4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"][1] < len(serialize(small))
    near = str(mixed(small, whole, x, 1.0).after - 1e-7)
    command = ["quantize", str(path), "-o", str(out), "--data", str(data), "--keep-explanations"]
    assert main([*command, near, "--board", "nucleo_l4r5zi"]) == 0
    assert "with int16 maps in\n  CONV_2D" in capsys.readouterr().out
    assert main([*command, "1"]) == 1
    assert "ask for less" in capsys.readouterr().err
    assert main([*command, "0.9", "--int4"]) == 1
    assert "no runtime computes" in capsys.readouterr().err
