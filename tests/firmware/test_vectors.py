"""Kernels with vectors (a Cortex-M55 in QEMU) have the same bytes as those of this machine, on many random networks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from cortex import run
from explained_networks import network
from explaining import Both
from native import SEVERAL, Native, needs
from networks_int8 import Net
from operator_networks import PARTS
from operator_networks import network as of_one

from converters.c99 import Explaining
from edgexai.graph import DType, Graph, OpKind

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))

CHANNELS = (1, 3, 4, 5, 8, 15, 16, 17, 20, 31, 33, 50, 64, 65, 70)
PREDICT = "{name}_predict((void *)arena, {name}_x[i], (int8_t *)found);"
EXPLAIN = "{name}_explain((void *)arena, {name}_x[i], y, (float *)(void *)found, &target, &score);"


def drawn(seed: int) -> Graph:
    """Convolutions, depthwise and dense layers of any number of channels."""
    random = np.random.default_rng(seed)
    net = Net(random)
    x = y = net.map((1, int(random.integers(3, 7)), int(random.integers(3, 7)), int(random.choice(CHANNELS))))
    for _ in range(2):
        kernel, stride = (int(random.integers(1, 4)), int(random.integers(1, 4))), int(random.integers(1, 3))
        fused = int(random.choice([0, 1, 3]))
        out = int(random.choice(CHANNELS))
        y = layers.depthwise(net, y, int(random.choice([1, 1, 2])), kernel, stride, 1, 0, fused)
        y = layers.convolution(net, y, out, kernel if seed % 2 else (1, 1), (1, 1), 1, 0, fused)
    flat = net.same(y, (1, int(np.prod(net.tensors[y].shape))))
    y = net.op(OpKind.RESHAPE, [y, net.ints(list(net.tensors[flat].shape))], [flat], schema.ReshapeOptionsT())
    return net.finish(x, layers.dense(net, y, int(random.integers(1, 70)), int(random.choice([0, 1]))))


def program(folder: Path, nets: list[tuple[str, str, np.ndarray, np.ndarray]]) -> str:
    """A program that ends with how many answers differ: of each network its call, its inputs, its answers."""
    head, body = ["#include <stdio.h>", "#include <string.h>", "static int64_t arena[40000];"], []
    head += ["static uint8_t found[20000];", "static int8_t y[512];", "static int32_t target;", "static float score;"]
    for name, call, xs, answers in nets:
        head.insert(0, f'#include "{name}.h"')
        for what, kind, rows in (("x", "int8_t", xs.view(np.int8)), ("y", "uint8_t", answers.view(np.uint8))):
            rows = rows.reshape(len(xs), -1)
            values = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in rows)
            head.append(f"static const {kind} {name}_{what}[{len(xs)}][{rows.shape[1]}] = {{{values}}};")
        body.append(
            f"for (int i = 0; i < {len(xs)}; i++) {{ memset(arena, 0x5A, sizeof arena); {call.format(name=name)}"
        )
        body.append(f'if (memcmp(found, {name}_y[i], sizeof *{name}_y)) wrong++, printf("{name}\\n"); }}')
    assert len({net[3].tobytes() for net in nets}) == len(nets)  # a program that can fail
    head += ["int main(void) {", "(void)y, (void)target, (void)score;", "int wrong = 0;"]
    return "\n".join([*head, *body, "return wrong;", "}"])


def on_board(folder: Path, nets: list[tuple[str, str, np.ndarray, np.ndarray]], machine: str = "mps3-an547") -> None:
    (folder / "main.c").write_text(program(folder, nets))
    models = [folder / name / f"{name}.c" for name, *_ in nets]
    headers = [f"-I{model.parent}" for model in models]
    kernels = sorted((models[0].parent / "src").glob("exai_*.c"))
    for options in (("-O2",), ("-O1",)):
        run(
            machine,
            folder,
            [folder / "main.c", *models, *kernels],
            [SEVERAL, *options, *headers, f"-I{kernels[0].parent}"],
        )


def test_predictions_of_random_layers(tmp_path: Path) -> None:
    nets = []
    for seed in range(16):
        graph, random, name = drawn(seed), np.random.default_rng(seed), f"net{seed}"
        shapes = [graph.tensors[port].shape for port in (*graph.inputs, *graph.outputs)]
        native = Native(graph, tmp_path / name, "gcc", name=name)
        xs = random.integers(-128, 128, (2, *shapes[0])).astype(np.int8)
        nets.append((name, PREDICT, xs, np.stack([native(x, shapes[1]) for x in xs])))
    on_board(tmp_path, nets)


def explained() -> Iterator[tuple[str, Graph, str]]:
    for seed, composite in enumerate(["edge", "epsilon", "epsilon_plus", "epsilon_plus_flat", "edge", "epsilon"]):
        yield f"drawn{seed}", drawn(seed), composite
        yield f"net{seed}", network(seed), composite
    for at, part in enumerate(PARTS.values()):
        yield f"part{at}", of_one(part, at), ("edge", "epsilon")[at % 2]


def test_maps_of_random_networks(tmp_path: Path) -> None:
    nets = []
    for name, graph, composite in explained():
        both = Both(graph, Explaining(composite), tmp_path / name, name=name)
        xs = np.random.default_rng(5).integers(-128, 128, (2, *both.explainer.input.shape)).astype(np.int8)
        maps = np.stack([both(x).relevance.astype(np.float32).ravel() for x in xs])
        nets.append((name, EXPLAIN, xs, maps))
    on_board(tmp_path, nets)


def test_two_products_of_the_lowest_values_do_not_fit_16_bits(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(7))
    x = net.map((1, 4, 5, 20))
    y = layers.depthwise(net, x, 1, (3, 3), 1, 1, 0, 1)
    graph = net.finish(x, y)
    weights = graph.tensors[graph.ops[0].inputs[1]].data
    assert weights is not None
    lowest = weights.copy()
    lowest[1::2] = 0x80  # -128 in every other channel
    tensors = list(graph.tensors)
    tensors[graph.ops[0].inputs[1]] = replace(tensors[graph.ops[0].inputs[1]], data=lowest)
    graph = replace(graph, tensors=tuple(tensors))
    native = Native(graph, tmp_path / "lowest", "gcc", name="lowest")
    xs = np.stack([np.full((1, 4, 5, 20), -128, np.int8), np.full((1, 4, 5, 20), 127, np.int8)])
    answers = np.stack([native(x, graph.tensors[graph.outputs[0]].shape) for x in xs])
    on_board(tmp_path, [("lowest", PREDICT, xs, answers)])


@pytest.mark.parametrize("machine", ["mps2-an386", "mps3-an547"])
def test_sums_of_maps_of_any_scales(machine: str, tmp_path: Path) -> None:
    nets = []
    for at, (of_x, of_other) in enumerate([(0.02, 0.13), (0.13, 0.02), (0.1, 0.1), (0.0001, 0.3)]):
        random, name = np.random.default_rng(at), f"sum{at}"
        net, shape = Net(random), (1, 8, 8, 32)
        x = net.map(shape, of_x)
        values = random.integers(-128, 128, shape).astype(np.int8)
        other = net.constant(values, DType.INT8, np.array([of_other]), zero=int(random.integers(-128, 128)))
        graph = net.finish(x, layers.pair(net, OpKind.ADD, x, other, 0))
        native = Native(graph, tmp_path / name, "gcc", name=name)
        xs = random.integers(-128, 128, (3, *shape)).astype(np.int8)
        nets.append((name, PREDICT, xs, np.stack([native(x, shape) for x in xs])))
    on_board(tmp_path, nets, machine)
