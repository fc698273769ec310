"""Rooms that bear the name of a public call are that call, and lend what programs look for in them."""

import inspect

from models import golden

import edgexai
from edgexai.compress import compress, cost, dequantize, quantize
from edgexai.compress.measure.cost import cost as own_cost
from edgexai.compress.quantize.dequantize import dequantize as own_dequantize


def test_a_room_is_its_call() -> None:
    path, known = golden("mlp")
    made = quantize(edgexai.load(path), known["x"])
    assert edgexai.graph.serialize(made) == edgexai.graph.serialize(edgexai.quantize(path, known["x"]))
    assert inspect.signature(quantize) == inspect.signature(edgexai.compress.quantize)
    assert callable(edgexai.compress)
    assert inspect.signature(edgexai.compress) == inspect.signature(compress)


def test_a_room_lends_what_lies_deeper() -> None:
    assert cost is own_cost
    assert dequantize is own_dequantize
    assert not hasattr(edgexai.compress, "nothing")
