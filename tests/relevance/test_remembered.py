"""What a streaming model says about the steps before is all counted: with the biases' part it adds up to the score."""

import numpy as np
from shared import SHARED, needs_shared

import edgexai
from edgexai.graph import load, serialize

WAKE = SHARED / "cases" / "models" / "wake_word_streaming.tflite"


@needs_shared
def test_relevance_of_states_is_counted_where_a_piece_of_them_is_cut_out() -> None:
    """Its largest state reaches the network through a STRIDED_SLICE."""
    explainer = edgexai.Explainer(serialize(edgexai.attach(load(WAKE), "epsilon", absorbed=True)))
    random = np.random.default_rng(0)
    for _ in range(30):
        found = explainer(np.clip(random.normal(-60, 50, (1, 1, 40)), -128, 127).astype(np.int8))
        assert found.absorbed is not None
        total = found.relevance.sum() + found.state + found.absorbed
        assert abs(total - found.score) < 0.1 * abs(found.score) + 0.5
    assert abs(found.state) > 0.5 * abs(found.score)
