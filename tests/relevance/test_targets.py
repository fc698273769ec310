"""Boxes of detectors and masks of segmentations: what is chosen, what its score is, and that relevance is its own."""

import contextlib
from typing import Any

import numpy as np
import pytest
from detectors import ANCHORS, TOLD, raw, segmentation, ssd
from flatbuffers import flexbuffers
from hypothesis import given, settings
from hypothesis import strategies as st
from models import single
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import ConfigError, DataError, Error
from edgexai.graph import Builder, Graph, OpKind, serialize
from edgexai.runtime.interpreter import Interpreter

RANDOM = np.random.default_rng(4)
MODELS = SHARED / "cases" / "models"


def explained(graph: Graph, x: Any, target: str, **options: Any) -> Any:
    explain = serialize(edgexai.attach(graph, "epsilon(1e-9)", target, channels="keep"))
    return edgexai.Explainer(explain)(x, **options)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def candidates(x: Any) -> tuple[Any, Any]:
    """Corners (4, 4) and class scores (4, 2) of every anchor, by the formula of SSD."""
    t, z = x[0, :16].reshape(4, 4), x[0, 16:].reshape(4, 3)
    center = t[:, :2] / 10 * ANCHORS[:, 2:] + ANCHORS[:, :2]
    size = np.exp(t[:, 2:] / 5) * ANCHORS[:, 2:]
    return np.concatenate([center - size / 2, center + size / 2], 1), sigmoid(z[:, 1:])


@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_box_of_ssd_is_explained_by_the_logit_of_its_class(nth: int) -> None:
    x = RANDOM.normal(size=(1, 28)).astype(np.float32)
    _, scores = candidates(x)
    anchor = np.argsort(-scores.max(1))[nth]
    kind = int(scores[anchor].argmax())
    for target, options in ((f"box({nth})", {}), ("box(input)", {"box": nth})):
        e = explained(ssd(), x, target, **options)
        assert e.target == kind
        place = 16 + 3 * anchor + 1 + kind
        assert e.score == pytest.approx(float(x[0, place]), rel=1e-4)
        assert np.flatnonzero(e.relevance).tolist() == [place]
        assert e.conservation == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("side", range(4))
def test_an_edge_of_ssd_is_explained_by_what_moves_it_from_the_anchors(side: int) -> None:
    x = RANDOM.normal(size=(1, 28)).astype(np.float32)
    corners, scores = candidates(x)
    anchor = int(scores.max(1).argmax())
    name = ("top", "left", "bottom", "right")[side]
    e = explained(ssd(), x, f"box.{name}")
    sign = -0.5 if side < 2 else 0.5
    own = ANCHORS[anchor, side % 2] + sign * ANCHORS[anchor, 2 + side % 2]
    assert e.score == pytest.approx(corners[anchor, side] - own, rel=1e-3, abs=1e-5)
    moved = [4 * anchor + side % 2, 4 * anchor + 2 + side % 2]
    assert np.flatnonzero(e.relevance).tolist() == moved
    assert e.conservation == pytest.approx(1, rel=1e-3)


def blazeface(build: Builder, x: int) -> tuple[int, ...]:
    offsets = build.reshape(build.slice(x, (0, 0), (1, 48)), (1, 6, 8))
    return offsets, build.reshape(build.slice(x, (0, 48), (1, 6)), (1, 6, 1))


def test_a_face_is_explained_by_its_score_and_its_edges_by_their_offsets() -> None:
    graph = raw(blazeface, 54)
    x = RANDOM.normal(size=(1, 54)).astype(np.float32)
    best = np.argsort(-x[0, 48:])
    e = explained(graph, x, "box")
    assert np.flatnonzero(e.relevance).tolist() == [48 + best[0]]
    assert e.score == pytest.approx(float(x[0, 48 + best[0]]))
    assert np.flatnonzero(explained(graph, x, "box(3)").relevance).tolist() == [48 + best[3]]
    row = x[0, 8 * best[0] :][:8]
    for name, place, size, sign in (("left", 0, 2, -1), ("top", 1, 3, -1), ("right", 0, 2, 1), ("bottom", 1, 3, 1)):
        e = explained(graph, x, f"box.{name}")
        assert e.score == pytest.approx(float(row[place] + sign * row[size] / 2), rel=1e-4, abs=1e-6)
        assert np.flatnonzero(e.relevance).tolist() == sorted((8 * best[0] + place, 8 * best[0] + size))


def test_yolo_is_read_in_rows_and_in_columns() -> None:
    rows, classes = 20, 3
    for turned in (False, True):
        width = 4 + classes + (not turned)

        def layer(build: Builder, x: int, width: int = width, turned: bool = turned) -> int:
            table = build.op(OpKind.LOGISTIC, [x], (1, rows * width))
            return build.reshape(table, (1, width, rows) if turned else (1, rows, width))

        x = RANDOM.normal(size=(1, rows * width)).astype(np.float32)
        table = sigmoid(x).reshape((width, rows) if turned else (rows, width))
        table = table.T if turned else table
        sure = table[:, 4:] if turned else table[:, 5:] * table[:, 4:5]
        row, kind = np.unravel_index(sure.argmax(), sure.shape)
        e = explained(single((1, rows * width), layer), x, "box")
        assert e.target == kind
        column = int(kind) + (4 if turned else 5)
        assert e.score == pytest.approx(table[row, column], rel=1e-4)
        place = column * rows + row if turned else row * width + column
        assert np.flatnonzero(e.relevance).tolist() == [place]
        left = explained(single((1, rows * width), layer), x, "box.left")
        assert left.score == pytest.approx(table[row, 0] - table[row, 2] / 2, rel=1e-3, abs=1e-5)


def test_what_is_no_box_is_refused_in_one_sentence() -> None:
    graph = raw(blazeface, 54)
    for target, why in (("box.middle", "is no box; write"), ("box(9)", "box\\(9\\) is none of them")):
        with pytest.raises(ConfigError, match=why):
            edgexai.attach(graph, target=target)
    with pytest.raises(ConfigError, match="at most 3 boxes"):
        edgexai.attach(ssd(), target="box(3)")
    plain = single((1, 4), lambda build, x: build.dense(x, build.const(np.ones((3, 4), np.float32))))
    with pytest.raises(ConfigError, match="needs a detector"):
        edgexai.attach(plain, target="box")
    with pytest.raises(DataError, match="takes no box"):
        edgexai.Explainer(serialize(edgexai.attach(graph, target="box")))(np.zeros((1, 54), np.float32), box=1)
    with pytest.raises(DataError, match="takes the number of a box"):
        edgexai.Explainer(serialize(edgexai.attach(graph, target="box(input)")))(np.zeros((1, 54), np.float32))


@pytest.mark.parametrize("softmax", [True, False])
def test_a_mask_is_the_mean_logit_of_its_pixels(softmax: bool) -> None:
    x = RANDOM.normal(size=(1, 5, 6, 4)).astype(np.float32)
    winner = x.argmax(-1)[0]
    largest = int(np.bincount(winner.reshape(-1), minlength=4).argmax())
    for target, kind in (("mask", largest), ("mask(3)", 3), ("mask(0)", 0)):
        e = explained(segmentation(4, softmax), x, target)
        right = np.where((winner == kind)[..., None] & (np.arange(4) == kind), x[0], 0) / (winner == kind).sum()
        assert e.target == kind
        assert np.allclose(e.relevance, right, rtol=1e-4, atol=1e-6)
        assert e.score == pytest.approx(right.sum(), rel=1e-4)


def test_a_mask_of_one_class_is_its_foreground() -> None:
    x = RANDOM.normal(size=(1, 5, 6, 1)).astype(np.float32)
    e = explained(segmentation(1, softmax=True), x, "mask")
    assert np.allclose(e.relevance, np.maximum(x[0], 0) / (x > 0).sum(), rtol=1e-4, atol=1e-6)
    e = explained(segmentation(1, softmax=True), -np.abs(x), "mask")
    assert e.score == 0
    assert not e.relevance.any()


def test_what_is_no_mask_is_refused_in_one_sentence() -> None:
    for target, why in (("mask(4)", "choose mask\\(0\\) to mask\\(3\\)"), ("mask(-1)", "is no mask; write")):
        with pytest.raises(ConfigError, match=why):
            edgexai.attach(segmentation(4, softmax=True), target=target)
    plain = single((1, 4), lambda build, x: build.dense(x, build.const(np.ones((3, 4), np.float32))))
    with pytest.raises(ConfigError, match="a class for each pixel"):
        edgexai.attach(plain, target="mask")


@given(at=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_broken_options_of_a_detector_end_in_an_error_of_ours(at: int, byte: int, cut: int) -> None:
    told = bytearray(flexbuffers.Dumps(TOLD))
    told[at % len(told)] = byte
    with contextlib.suppress(Error):
        edgexai.attach(ssd(bytes(told[: max(1, len(told) - cut)])), target="box(1)")


@needs_shared
@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("ssd_mobilenet_v1_uint8", "box"),
        ("ssd_mobilenet_v1_uint8", "box(2)"),
        ("ssd_mobilenet_v1_uint8", "box.bottom"),
        ("face_detection_sparse", "box"),
        ("face_detection_sparse", "box.left"),
        ("movenet_ptq", "box"),
        ("deeplab_dm05_uint8", "mask(0)"),
        ("selfie_segmentation", "mask"),
    ],
)
def test_real_detectors_and_segmentations_predict_as_before(model: str, target: str) -> None:
    path = MODELS / f"{model}.tflite"
    source = Interpreter(path)
    explainer = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(path), target=target)))
    port = source.inputs[0]
    x = RANDOM.random(port.shape, np.float32) if port.dtype.kind == "f" else RANDOM.integers(0, 256, port.shape)
    e, outputs = explainer(x.astype(port.dtype)), source.run(x.astype(port.dtype))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(e.outputs, outputs, strict=True))
    assert np.isfinite(e.relevance).all()
    if target.startswith("box(") or (model.startswith("ssd") and target == "box"):
        nth = 2 if "(" in target else 0
        assert sigmoid(e.score) == pytest.approx(outputs[2][0, nth], abs=0.01)  # its score, to one step of uint8
        assert e.target == int(outputs[1][0, nth])
