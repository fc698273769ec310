"""Budgets of `edgexai compress --runtime c99` are held against what the written sources take."""

from pathlib import Path

import numpy as np
import pytest
from explained_networks import network
from models import golden
from networks_int8 import classifier
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import Explaining, write
from converters.c99.work import macs
from edgexai.board import load_board
from edgexai.cli import main
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.firmware import cost_of, price
from edgexai.compress.measure.plan import arena_of
from edgexai.compress.measure.price import price_of
from edgexai.compress.quantize.int8 import quantize
from edgexai.errors import ConfigError

BOARD = "nucleo_l4r5zi"


def test_a_cost_is_what_the_report_and_the_header_say(tmp_path: Path) -> None:
    made = write(classifier(), tmp_path, explains=Explaining("epsilon"))
    bare = cost_of(made, None)
    assert (bare.bytes, bare.ram, bare.latency_ms) == (made.constants, made.explain_arena, None)
    priced = cost_of(made, load_board(BOARD))
    assert priced.bytes > bare.bytes
    assert priced.ram == made.explain_arena + made.port_bytes + 4 * made.relevance
    assert priced.latency_ms == pytest.approx(sum(layer.latency_ms or 0 for layer in priced.layers))
    assert price(None, None)(classifier()).ram == made.arena


def test_a_limit_of_ram_holds_in_the_sources_of_the_smaller_model(tmp_path: Path) -> None:
    graph = edgexai.load(golden("dscnn")[0])
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    x = np.random.default_rng(4).normal(size=(60, *shape)).astype(np.float32)
    whole = quantize(graph, x)
    edgexai.save(whole, tmp_path / "m.tflite")
    np.savez(tmp_path / "d.npz", x=x)
    command = f"compress {tmp_path}/m.tflite -o {tmp_path}/s.tflite --data {tmp_path}/d.npz --board {BOARD}"
    options = ["--ram", "75%", "--explain", "edge", "--runtime", "c99", "--steps", "1", "--json"]
    assert main([*command.split(), *options]) == 0
    priced = price(load_board(BOARD), "edge")
    assert priced(edgexai.load(tmp_path / "s.tflite")).ram <= 0.75 * priced(whole).ram


def test_python_compresses_as_the_command_does(tmp_path: Path) -> None:
    graph = edgexai.load(golden("dscnn")[0])
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    x = np.random.default_rng(4).normal(size=(60, *shape)).astype(np.float32)
    edgexai.save(quantize(graph, x), tmp_path / "m.tflite")
    np.savez(tmp_path / "d.npz", x=x)
    command = f"compress {tmp_path}/m.tflite -o {tmp_path}/s.tflite --data {tmp_path}/d.npz --board {BOARD}"
    options = ["--ram", "75%", "--explain", "edge", "--runtime", "c99", "--json"]
    assert main([*command.split(), *options]) == 0
    budget = edgexai.Budget(ram=0.75, board=BOARD)
    point = edgexai.compress(tmp_path / "m.tflite", x, budget, explain="edge", runtime="c99")
    assert edgexai.graph.serialize(point.graph) == (tmp_path / "s.tflite").read_bytes()
    with pytest.raises(ConfigError, match="runtime 'onnx' is not known"):
        edgexai.compress(tmp_path / "m.tflite", x, budget, runtime="onnx")


def test_a_limit_in_bytes_is_planned_for_and_costs_work(tmp_path: Path) -> None:
    graph, board = network(0), load_board(BOARD)
    whole = price(board, "edge")(graph)
    ram = whole.ram - 8
    small = price(board, "edge", ram)(graph)
    assert small.ram <= ram
    assert small.latency_ms > whole.latency_ms
    assert price(board, "edge", 100)(graph).ram <= small.ram


def test_a_limit_of_ram_is_the_arena_of_tflite_micro_on_a_microcontroller() -> None:
    graph = classifier()
    found = price_of("tflite", edgexai.Budget(ram="64K", board=BOARD), None)
    assert found is not None
    assert found(graph).ram == arena_of(graph)[0] > cost(graph).ram
    assert price_of("tflite", edgexai.Budget(ram="64K"), None) is None
    assert price_of("tflite", edgexai.Budget(macs=0.5, board=BOARD), None) is None


def test_where_no_plan_is_small_enough_the_cost_is_that_of_the_smallest(tmp_path: Path) -> None:
    graph = classifier()
    ram = write(graph, tmp_path).arena  # predicting fits, explaining does not
    with pytest.raises(ConfigError, match=f"bytes at least, and {ram:,} are allowed") as refused:
        write(graph, tmp_path, explains=Explaining("edge"), ram=ram)
    found = price(None, "edge", ram)(graph).ram
    assert f"takes an arena of {found:,} bytes at least" in str(refused.value)
    assert ram < found <= price(None, "edge")(graph).ram


@needs_shared
def test_what_an_lstm_and_its_way_back_multiply_is_counted(tmp_path: Path) -> None:
    made = write(SHARED / "cases" / "models" / "speech_lstm_int8.tflite", tmp_path, explains=Explaining("edge"))
    assert made.explanation is not None
    steps = {step.function: step for step in made.explanation.steps}
    there, back = steps["exai_lstm"], steps["exai_back_lstm"]
    p = there.parameters
    assert macs(there) == macs(back) == 4 * p["steps"] * p["units"] * (p["units"] + p["features"])
