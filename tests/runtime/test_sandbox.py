"""A runtime in a process of its own: the same answers, and one sentence when it dies, hangs or takes too much."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import DataError, ModelError
from edgexai.runtime.sandbox import Limits, Sandbox

HERE = Path(__file__).parent
FILE = HERE / "data" / "cnn_explain.tflite"
X = np.load(HERE.parent / "golden" / "cnn" / "golden.npz")["x"]


def test_an_explanation_from_the_sandbox_is_the_same_bit_for_bit() -> None:
    inside, outside = edgexai.Explainer(FILE), edgexai.Explainer(FILE, untrusted=True)
    assert inside.input == outside.input
    for x in X:
        a, b = inside(x), outside(x)
        assert np.array_equal(a.relevance, b.relevance)
        assert np.array_equal(a.outputs[0], b.outputs[0])
        assert (a.target, a.score) == (b.target, b.score)


def test_a_sample_that_does_not_fit_is_told_and_the_child_lives_on() -> None:
    explain = edgexai.Explainer(FILE, untrusted=True)
    with pytest.raises(DataError, match="takes shape"):
        explain(np.zeros((3, 3)))
    assert explain(X[0]).target == edgexai.Explainer(FILE)(X[0]).target


def test_a_child_that_a_signal_ends_is_one_sentence_again_and_again() -> None:
    sandbox = Sandbox(FILE.read_bytes(), 1, "tflite", Limits())
    os.kill(sandbox._child.pid, signal.SIGSEGV)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"SIGSEGV.*do not use it"):
            sandbox.run(X[0])


def test_a_child_that_is_silent_is_ended() -> None:
    sandbox = Sandbox(FILE.read_bytes(), 1, "tflite", Limits(seconds=20))
    os.kill(sandbox._child.pid, signal.SIGSTOP)
    object.__setattr__(sandbox._limits, "seconds", 0.2)
    begin = time.monotonic()
    with pytest.raises(ModelError, match=r"no answer in 0.2 s"):
        sandbox.run(X[0])
    assert time.monotonic() - begin < 10
    assert sandbox._child.returncode is not None


def test_memory_beyond_the_limit_is_one_sentence() -> None:
    with pytest.raises(ModelError):
        Sandbox(FILE.read_bytes(), 1, "tflite", Limits(memory=2**20))


def test_a_file_that_is_no_model_is_what_the_runtime_says_in_one_sentence() -> None:
    with pytest.raises(ModelError) as caught:
        Sandbox(b"\0\0\0\0TFL3" + bytes(64), 1, "tflite", Limits())
    assert "\n" not in str(caught.value)


@needs_shared
@pytest.mark.parametrize("name", ["load-segfault-901", "explain-signal11-explain-5-32657"])
def test_a_file_that_ends_the_runtime_ends_the_child_alone(name: str) -> None:
    content = (SHARED / "cases" / "hostile" / f"{name}.tflite").read_bytes()

    def explained() -> None:
        for _ in range(20):
            explain = edgexai.Explainer(content, untrusted=True)
            explain(np.ones(explain.input.shape, np.float32))

    with pytest.raises(ModelError, match=r"ended the process that ran it|was optional but was expected"):
        explained()


@needs_shared
def test_metadata_that_is_too_deep_or_infinite_is_damaged_metadata() -> None:
    for name in ("metadata-deep", "metadata-infinity"):
        with pytest.raises(ModelError, match="damaged metadata"):
            edgexai.Explainer(SHARED / "cases" / "hostile" / f"{name}.tflite")


def test_metadata_that_names_no_target_is_refused_when_the_file_is_opened() -> None:
    graph = edgexai.load(FILE)
    said = {**json.loads(graph.metadata["edgexai"]), "outputs": ["relevance", "target", "scorn"]}
    object.__setattr__(graph, "metadata", {"edgexai": json.dumps(said).encode()})
    from edgexai.graph import serialize

    with pytest.raises(ModelError, match="lacks its outputs"):
        edgexai.Explainer(serialize(graph))
