"""What TFLite metadata says, built here with flatbuffers and read without."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import SHARED
from tflite_metadata import described

import edgexai
from edgexai.archive import packed, unpacked
from edgexai.errors import ModelError
from edgexai.graph import load, serialize
from edgexai.graph.ir import Graph
from edgexai.runtime.preprocessing import ENTRY, preprocessing

GOLDEN = Path(__file__).parents[1] / "golden"


def model(metadata: bytes, files: dict[str, bytes]) -> bytes:
    graph = load(GOLDEN / "cnn" / "model.tflite") if (GOLDEN / "cnn").exists() else load(_any_model())
    object.__setattr__(graph, "metadata", {**graph.metadata, ENTRY: metadata})
    object.__setattr__(graph, "files", files)
    assert isinstance(graph, Graph)
    return serialize(graph)


def _any_model() -> Path:
    return sorted(GOLDEN.rglob("model.tflite"))[0]


FILES = {"labels.txt": b"cat\nd\xc3\xb6g\n\n", "scores.txt": b"0.9,2,-1\n\n1,1,0,0.2\n"}


def test_normalization_labels_and_calibration_are_read() -> None:
    said = preprocessing(model(described([127.5], [64.0], 16000), FILES))
    assert (said.mean, said.std, said.rate, said.known) == ((127.5,), (64.0,), 16000, True)
    assert said.labels == ("cat", "dög", "")
    assert said.calibration is not None
    right = [0.9 / (1 + np.exp(-(2 * 0.5 - 1))), 0.0, 1 / (1 + np.exp(-0.25))]
    assert np.allclose(said.calibration.of(np.array([0.5, 0.5, 0.25])), right)


def test_a_model_says_the_same_after_attach() -> None:
    content = model(described([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), FILES)
    explain = serialize(edgexai.attach(load(content)))
    assert preprocessing(explain) == preprocessing(content)
    assert edgexai.Explainer(explain).labels == ("cat", "dög", "")


def test_a_model_without_metadata_says_nothing() -> None:
    said = preprocessing(_any_model().read_bytes())
    assert not said.known
    assert said.labels == ()
    assert said.calibration is None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_broken_metadata_is_a_sentence_or_an_answer(at: int, noise: bytes) -> None:
    raw = bytearray(described([127.5], [127.5], 8000))
    raw[at % len(raw) : at % len(raw) + len(noise)] = noise
    with contextlib.suppress(ModelError):
        preprocessing(model(bytes(raw), FILES))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_a_broken_archive_holds_nothing_or_what_it_holds(at: int, noise: bytes) -> None:
    raw = bytearray(packed(FILES))
    raw[at % len(raw) : at % len(raw) + len(noise)] = noise
    assert all(len(v) < 2**20 for v in unpacked(bytes(raw)).values())
    assert unpacked(packed(FILES)) == FILES
    assert packed({}) == b""


def test_a_public_models_own_metadata_is_read() -> None:
    path = SHARED / "cases" / "models" / "mobilenet_v1_025_uint8.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    said = preprocessing(path.read_bytes())
    assert said.known
    assert len(said.labels) == 1001
    assert said.labels[1].startswith("tench")
