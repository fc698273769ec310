"""Samples in whatever form people have them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sequence_lstm import FEATURES, TIME, UNITS, sequence_lstm
from shared import SHARED, needs_shared

import edgexai
from edgexai.compress.measure.execute import forward, quantized
from edgexai.compress.measure.explained import explained
from edgexai.compress.prune.shrink import compact
from edgexai.compress.quantize.int8 import quantize
from edgexai.errors import DataError
from edgexai.runtime.interpreter import Interpreter

GOLDEN = Path(__file__).parents[1] / "golden" / "cnn" / "model.tflite"


def test_samples_come_in_the_models_type_as_real_numbers_or_as_pixels() -> None:
    whole = edgexai.load(GOLDEN)
    x = np.random.default_rng(0).integers(0, 4, (6, 12, 12, 3)).astype(np.float32)
    integer = quantize(whole, x)
    expected = quantized(integer, x)
    assert expected.dtype == np.int8
    assert np.array_equal(quantized(integer, expected), expected)
    assert np.array_equal(quantized(integer, x.astype(np.uint8)), expected)
    assert np.array_equal(quantized(integer, x[..., None]), expected)
    assert np.array_equal(quantized(whole, x.astype(np.uint8)), x)


def test_samples_that_do_not_fit_are_refused() -> None:
    graph = edgexai.load(GOLDEN)
    for bad, why in (
        (np.zeros((2, 12, 12)), "takes samples"),
        (np.zeros((0, 12, 12, 3)), "give some"),
        (np.full((1, 12, 12, 3), np.inf), "not finite"),
        (np.full((1, 12, 12, 3), "a"), "convert it"),
    ):
        with pytest.raises(DataError, match=why):
            quantized(graph, bad)


def test_samples_begin_without_the_state_that_others_leave() -> None:
    random = np.random.default_rng(0)
    w, u, b = (random.normal(size=shape) for shape in ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)))
    graph = sequence_lstm(w, u, b)
    x = random.normal(size=(5, TIME, FEATURES)).astype(np.float32)
    whole = forward(graph, np.concatenate([x, x]), batch=2)[0]
    assert np.array_equal(whole[:5], whole[5:])
    assert np.array_equal(explained(graph, x[[0, 1, 0]]).maps[0], explained(graph, x[[0, 1, 0]]).maps[2])


@needs_shared
def test_an_int8_lstm_keeps_the_scales_within_it() -> None:
    graph = edgexai.load(SHARED / "cases" / "models" / "mnist_lstm_int8.tflite")
    x = np.random.default_rng(0).integers(-128, 128, (3, 28, 28)).astype(np.int8)
    known = Interpreter(SHARED / "cases" / "models" / "mnist_lstm_int8.tflite")
    assert np.array_equal(forward(graph, x[:1])[0], known.run(x[0])[0].reshape(1, -1))
    before, after = graph.ops[0].rest.intermediates, compact(replace(graph, signatures=())).ops[0].rest.intermediates
    assert len(before) == len(after) > 0
