"""Streaming models keep their state in the arena, and grouped convolutions: bit for bit as TensorFlow Lite Micro."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import Native, agree, needs
from networks_int8 import Net, center, dense
from shared import SHARED, needs_shared

from converters.c99 import write
from converters.c99.lower import lower
from edgexai.graph import OpKind, load
from edgexai.runtime.compiled import Compiled
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
WAKE = SHARED / "cases" / "models" / "wake_word_streaming.tflite"


@needs_shared
def test_a_stream_is_that_of_tflite_micro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(WAKE, tmp_path / "c", "wake")
    ours, random = Compiled(tmp_path / "c"), np.random.default_rng(0)
    for _ in range(2):  # a reset begins the stream anew
        theirs = MicroInterpreter(WAKE)
        ours.reset()
        answers = set()
        for _ in range(250):
            x = np.clip(random.normal(-60, 50, (1, 1, 40)), -128, 127).astype(np.int8)
            one, two = ours.run(x)[0], theirs.run(x)[0]
            assert one.dtype == two.dtype == np.uint8
            assert np.array_equal(one, two)
            answers.add(int(one.reshape(-1)[0]))
        assert len(answers) > 10


@needs_shared
def test_the_state_lies_in_the_arena_and_nowhere_else(tmp_path: Path) -> None:
    """Two arenas are two streams."""
    native = Native(load(WAKE), tmp_path, "gcc", "-fsanitize=undefined")
    library = ctypes.CDLL(str(tmp_path / "model.so"))
    arenas = [np.zeros(native.firmware.arena // 8 + 1, np.int64) for _ in range(2)]
    for arena in arenas:
        library.model_reset(ctypes.c_void_p(arena.ctypes.data))
    random = np.random.default_rng(1)
    said: list[list[int]] = [[], []]
    xs = random.integers(-128, 128, (20, 40)).astype(np.int8)
    for i in range(40):
        k = i % 2
        y = np.zeros(1, np.uint8)
        library.model_predict(*(ctypes.c_void_p(v.ctypes.data) for v in (arenas[k], xs[i // 2], y)))
        said[k].append(int(y[0]))
    assert said[0] == said[1]


def grouped(net: Net, x: int, groups: int, each: int, kernel: int, stride: int, padding: int) -> int:
    _, rows, columns, channels = net.tensors[x].shape
    out, inside = groups * each, channels // groups
    w, b, scale = net.weights((out, kernel, kernel, inside), 0, out, x, kernel * kernel * inside)
    sizes = [-(-n // stride) if padding == 0 else (n - kernel) // stride + 1 for n in (rows, columns)]
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = padding, stride, stride
    options.dilationHFactor = options.dilationWFactor = 1
    return net.op(OpKind.CONV_2D, [x, w, b], [net.map((1, *sizes, out), scale, center(net, 0))], options, 3)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_grouped_convolutions(data: st.DataObject) -> None:
    net = Net(np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    groups, each, inside = (data.draw(st.integers(1, 4)) for _ in range(3))
    x = net.map((1, 6, 5, groups * inside))
    kernel, stride = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    y = grouped(net, x, groups, each, kernel, stride, data.draw(st.integers(0, 1)))
    agree(net.finish(x, y), net.random)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(inside=st.integers(1025, 3000), out=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_long_dense_rows_take_little_working_space(inside: int, out: int, seed: int) -> None:
    net = Net(np.random.default_rng(seed))
    x = net.map((1, inside))
    graph = net.finish(x, dense(net, x, out, 0))
    agree(graph, net.random)
    assert lower(graph).steps[0].function == "exai_dense"
    assert sum(b.size for b in lower(graph).buffers.values() if b.kind == "scratch") < 1100
