"""Models of several inputs in int8: samples in the inputs' order, by name, or as the arrays of one `.npz`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared import SHARED, needs_shared

import edgexai
from edgexai.cli import main
from edgexai.compress.measure.execute import fed, forward, real
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.int8 import in_float, quantize
from edgexai.errors import DataError
from edgexai.graph import Builder, DType, Graph, OpKind

COUNT = 40


def two_inputs() -> Graph:
    """A picture through a convolution, and six readings of a sensor of another range, joined before the last layer."""
    random, build = np.random.default_rng(3), Builder(Graph((), (), (), ()), prefix="model")
    picture = build.input("serving_default_picture:0", (1, 8, 8, 3))
    readings = build.input("serving_default_readings:0", (1, 6))

    def const(*shape: int) -> int:
        return build.const(random.normal(size=shape).astype(np.float32) / 3)

    maps = build.conv(picture, const(4, 3, 3, 3), const(4), (2, 2), activation="RELU")
    seen = build.relu(build.dense(readings, const(5, 6), const(5)))
    both = build.concat([build.sum(maps, (1, 2)), seen], 1)
    return build.finish([build.dense(both, const(3, 9), const(3))])


def samples() -> list[Any]:
    random = np.random.default_rng(4)
    return [
        random.normal(size=(COUNT, 8, 8, 3)).astype(np.float32),
        random.uniform(0, 30, (COUNT, 6)).astype(np.float32),
    ]


def test_each_input_gets_the_range_of_its_own_samples() -> None:
    graph, (picture, readings) = two_inputs(), samples()
    small = quantize(graph, [picture, readings])
    assert not in_float(small)
    assert [small.tensors[t].dtype for t in (*small.inputs, *small.outputs)] == [DType.INT8] * 3
    steps = [float(small.tensors[t].quantization.scale[0]) for t in small.inputs]  # type: ignore[union-attr]
    assert steps == pytest.approx([np.ptp(picture) / 255, readings.max() / 255], rel=1e-5)
    wanted = forward(graph, [picture, readings])[0]
    found = real(small, small.outputs[0], forward(small, [picture, readings])[0])
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.03 * np.std(wanted)


def test_order_names_and_short_names_are_the_same() -> None:
    graph, (picture, readings) = two_inputs(), samples()
    wanted = forward(graph, [picture, readings])[0]
    for given in (
        {"readings": readings, "picture": picture},
        {"serving_default_readings:0": readings, "picture": picture},
    ):
        assert np.array_equal(forward(graph, given)[0], wanted)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda p, r: p, "takes 2 inputs"),
        (lambda p, r: [p], "takes 2 inputs"),
        (lambda p, r: {"picture": p}, "takes inputs 'picture', 'readings', not 'picture'"),
        (lambda p, r: {"picture": p, "reading": r}, "takes inputs 'picture', 'readings', not 'picture', 'reading'"),
        (lambda p, r: [p, r[:7]], "40, 7 samples"),
        (lambda p, r: [r, p], "takes samples"),
    ],
)
def test_what_does_not_fit_is_refused(change: Any, why: str) -> None:
    with pytest.raises(DataError, match=why):
        quantize(two_inputs(), change(*samples()))


def test_tokens_are_counted_and_stay_whole() -> None:
    random, build = np.random.default_rng(5), Builder(Graph((), (), (), ()), prefix="model")
    tokens, x = build.input("tokens", (1, 4), DType.INT32), build.input("x", (1, 4, 3))
    table = build.const(random.normal(size=(10, 3)).astype(np.float32))
    rows = build.op(OpKind.GATHER, [table, tokens], (1, 4, 3), _along_rows())
    kernel = build.const(random.normal(size=(2, 12)).astype(np.float32))
    y = build.dense(build.reshape(build.add(rows, x), (1, 12)), kernel, build.const(np.zeros(2, np.float32)))
    graph = build.finish([y])
    given = {"tokens": random.integers(0, 10, (COUNT, 4)), "x": random.normal(size=(COUNT, 4, 3)).astype(np.float32)}
    assert fed(graph, given)[0].dtype == np.int32
    small = quantize(graph, given)
    assert small.tensors[small.inputs[0]].dtype == DType.INT32
    wanted, found = forward(graph, given)[0], real(small, small.outputs[0], forward(small, given)[0])
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.03 * np.std(wanted)
    with pytest.raises(DataError, match="int32 does not"):
        fed(graph, given | {"tokens": np.full((COUNT, 4), 2**40)})


def _along_rows() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.GatherOptionsT(axis=0)


@pytest.mark.parametrize("keys", [("picture", "readings"), ("x", "x_1")])
def test_the_command_takes_each_input_by_its_name(keys: tuple[str, str], tmp_path: Path, capsys: Any) -> None:
    model, data, out = tmp_path / "m.tflite", tmp_path / "x.npz", tmp_path / "out.tflite"
    edgexai.save(two_inputs(), model)
    given = samples()
    y = forward(two_inputs(), given)[0].argmax(axis=1)
    np.savez(data, **dict(zip(keys, given, strict=True)), y=y)
    command = ["quantize", str(model), "-o", str(out), "--data", str(data), "--test", str(data)]
    assert main(command) == 0
    assert "accuracy 100.00% ->" in capsys.readouterr().out
    assert edgexai.load(out).tensors[0].dtype == DType.INT8
    assert main([*command, "--int4"]) == 1
    assert "models of one input" in capsys.readouterr().err
    np.savez(data, **{keys[0]: given[0]})
    assert main(command[:6]) == 1


@needs_shared
def test_a_public_model_of_three_inputs() -> None:
    source = edgexai.load(SHARED / "cases" / "models" / "three_inputs.tflite")
    graph, random = dequantize(source), np.random.default_rng(6)
    ranges = [source.tensors[t] for t in source.inputs]
    codes = [random.integers(0, 256, (COUNT, *t.shape[1:])).astype(np.uint8) for t in ranges]
    given = [real(source, t, one) for t, one in zip(source.inputs, codes, strict=True)]
    small = quantize(graph, {graph.tensors[t].name: one for t, one in zip(graph.inputs, given, strict=True)})
    for t, u, wanted, found in zip(
        graph.outputs, small.outputs, forward(graph, given), forward(small, given), strict=True
    ):
        step = float(small.tensors[u].quantization.scale[0])  # type: ignore[union-attr]
        assert np.abs(real(small, u, found) - real(graph, t, wanted)).max() <= 2 * step
