"""Costs: multiply-accumulates and RAM against figures counted by hand and published ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import single
from shared import SHARED, needs_shared

import edgexai
from edgexai.board import load_board
from edgexai.cli import main
from edgexai.compress.measure.calibration import TERMS, WORK, fitted, left_out
from edgexai.compress.measure.cost import Cost, amounts, cost, parts
from edgexai.compress.measure.macs import macs
from edgexai.compress.measure.plan import estimated_arena, planned
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Tensor
from edgexai.graph.loops import rounds


def two_layers() -> Graph:
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 8, 8, 4))
    y = build.conv(x, build.const(np.ones((6, 3, 3, 4), np.float32)), build.const(np.zeros(6, np.float32)), (2, 2))
    y = build.depthwise(y, build.const(np.ones((1, 3, 3, 6), np.float32)), build.const(np.zeros(6, np.float32)))
    return build.finish([y])


def test_macs_and_ram_as_counted_by_hand() -> None:
    found = cost(two_layers())
    assert [layer.macs for layer in found.layers] == [4 * 4 * 6 * 9 * 4, 4 * 4 * 6 * 9]
    assert [layer.ram for layer in found.layers] == [4 * (8 * 8 * 4 + 4 * 4 * 6), 4 * 2 * (4 * 4 * 6)]
    assert found.ram == max(layer.ram for layer in found.layers)
    assert found.latency_ms is None


def test_a_map_that_is_read_later_stays_in_ram() -> None:
    def layer(build: Builder, x: int) -> int:
        return build.add(build.relu(build.relu(x)), x)

    found = cost(single((1, 100), layer))
    assert [entry.ram for entry in found.layers] == [800, 1200, 1200]


def test_latency_and_energy_add_up_over_the_layers() -> None:
    board = load_board("nucleo_h7a3zi_q")
    found = cost(two_layers(), board)
    assert found.latency_ms == pytest.approx(sum(entry.latency_ms or 0 for entry in found.layers))
    assert board.active_mw is not None
    assert found.latency_ms is not None
    assert found.energy_uj == pytest.approx(found.latency_ms * board.active_mw)


def test_a_board_without_published_power_gives_no_energy() -> None:
    found = cost(two_layers(), "nrf5340_dk")
    assert found.latency_ms is not None
    assert found.energy_uj is None


@needs_shared
@pytest.mark.parametrize(("model", "count"), [("kws", 2_656_768), ("ic", 12_501_632), ("ad", 264_192)])
def test_macs_of_the_reference_models(model: str, count: int) -> None:
    assert cost(edgexai.load(SHARED / f"models/{model}_int8.tflite")).macs == count


@needs_shared
@pytest.mark.parametrize(("model", "milliseconds"), [("kws", 43.4), ("ic", 165.7), ("ad", 4.79)])
def test_latency_is_near_the_published_one(model: str, milliseconds: float) -> None:
    found = cost(edgexai.load(SHARED / f"models/{model}_int8.tflite"), "nucleo_l4r5zi")
    assert found.latency_ms == pytest.approx(milliseconds, rel=0.06)


def test_models_that_the_fit_has_not_seen_are_predicted() -> None:
    trials = left_out()
    assert len(trials) == 25
    for trial in trials:
        assert trial.ms == pytest.approx(trial.published_ms, rel=0.12)
        if trial.uj is not None:
            assert trial.uj == pytest.approx(trial.published_uj, rel=0.12)


def test_a_convolution_is_the_cheaper_per_multiply_accumulate_the_more_channels_it_reads() -> None:
    board = replace(load_board("nucleo_l4r5zi"), element=0.0, operator=0.0)
    each = []
    for channels in (4, 16, 64):
        build = Builder(Graph((), (), (), ()), prefix="model")
        x = build.input("x", (1, 8, 8, channels))
        weights = build.const(np.ones((6, 3, 3, channels), np.float32))
        graph = build.finish([build.conv(x, weights, build.const(np.zeros(6, np.float32)), (2, 2))])
        each.append(sum(parts(graph, 0, board)) / macs(graph, 0) / board.types["float32"])
    assert each == pytest.approx([board.cycles["conv"] + board.loop / c for c in (4, 16, 64)])


@needs_shared
@pytest.mark.parametrize("model", ["kws", "ic", "ad"])
def test_the_work_of_the_calibration_is_that_of_the_models(model: str) -> None:
    graph = edgexai.load(SHARED / f"models/{model}_int8.tflite")
    found = amounts(graph)
    assert tuple(found[term] for term in TERMS) == WORK[model.upper()]


def test_board_files_hold_the_fitted_cycles() -> None:
    for name, cycles in fitted().items():
        board = load_board(name)
        for kind, value in cycles.items():
            others = {"element": board.element, "operator": board.operator, "loop": board.loop}
            stored = board.cycles[kind] if kind in board.cycles else others[kind]
            assert stored == pytest.approx(value, rel=2e-3, abs=1e-6)


def test_the_cost_of_an_explanation_is_drawn_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edgexai.save(two_layers(), tmp_path / "m.tflite")
    command = ["cost", str(tmp_path / "m.tflite"), "--board", "nucleo_l4r5zi", "--json"]
    totals = []
    for extra in ([], ["--explain", "epsilon", "--plot", str(tmp_path / "m.png")]):
        assert main(command + extra) == 0
        totals.append(json.loads(capsys.readouterr().out)["energy_uj"])
    assert totals[1] > totals[0]
    assert (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_a_loop_costs_all_its_rounds(kind: str, gates: int) -> None:
    keras = pytest.importorskip("keras")
    from converters import from_keras

    def found(unroll: bool) -> Cost:
        layer = getattr(keras.layers, kind)(6, unroll=unroll)
        return cost(edgexai.load(from_keras(keras.Sequential([keras.Input((20, 3)), layer]))), "nucleo_l4r5zi")

    loop, unrolled = found(unroll=False), found(unroll=True)
    assert [layer.macs for layer in loop.layers if layer.kind == "WHILE"] == [20 * gates * 6 * (6 + 3)]
    assert unrolled.macs == loop.macs - gates * 6 * 6  # the converter knows that the first state is zero
    assert loop.latency_ms == pytest.approx(unrolled.latency_ms, rel=0.5)
    assert loop.notes == ()


def test_a_loop_whose_length_the_input_decides_says_so() -> None:
    tensors = (
        Tensor("x", (), DType.INT32),
        Tensor("y", (), DType.INT32),
    )
    options = schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=2)
    while_op = Op(OpKind.WHILE, (0,), (1,), options)
    cond = (Tensor("i", (), DType.INT32), Tensor("ten", (), DType.INT32, np.array([10], np.int32).view(np.uint8)))
    less = Op(OpKind.LESS, (0, 1), (2,), schema.LessOptionsT())
    more = Op(OpKind.ADD, (0, 1), (2,), schema.AddOptionsT())
    parts = (
        Graph((*cond, Tensor("on", (), DType.BOOL)), (less,), (0,), (2,), "cond"),
        Graph((*cond, Tensor("next", (), DType.INT32)), (more,), (0,), (2,), "body"),
    )
    graph = Graph(tensors, (while_op,), (0,), (1,), subgraphs=parts)
    assert rounds(graph, while_op) is None
    assert "depends on the input" in cost(graph).notes[0]
    begun = replace(tensors[0], data=np.array([-7], np.int32).view(np.uint8))
    assert rounds(replace(graph, tensors=(begun, tensors[1])), while_op) == 2


@needs_shared
@pytest.mark.parametrize(("model", "macs"), [("speech_lstm_int8", 5_284_160), ("mnist_lstm_int8", 107_520)])
def test_a_fused_lstm_costs_what_its_matrices_do(model: str, macs: int) -> None:
    found = cost(edgexai.load(SHARED / f"cases/models/{model}.tflite"), "nucleo_l4r5zi").layers[0]
    assert found.macs == macs
    assert found.latency_ms == pytest.approx(macs * load_board("nucleo_l4r5zi").cycles["dense"] / 120e3, rel=0.1)


def test_the_plan_is_what_is_alive_and_the_gaps_between() -> None:
    graph = two_layers()
    assert planned(graph) == cost(graph).ram
    assert estimated_arena(graph) > planned(graph)
