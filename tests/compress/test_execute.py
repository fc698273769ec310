"""Samples in whatever form people have them."""

from pathlib import Path

import numpy as np
import pytest

import edgexai
from edgexai.compress.measure.execute import quantized
from edgexai.compress.quantize.int8 import quantize
from edgexai.errors import DataError

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
