"""Relevance through Fourier transforms and branches: what each sample contributes, by the formula written out."""

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import run, single

import edgexai
from edgexai.errors import UnsupportedOperator
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Tensor

RANDOM = np.random.default_rng(2)
N = 16
HALF = N // 2 + 1
W = RANDOM.normal(size=(3, 2 * HALF)).astype(np.float32)


def spectrum(kind: OpKind, length: int) -> Graph:
    """Two frames of ``length`` samples, their transform of N points, one of its parts, and a dense layer."""

    def layer(build: Builder, x: int) -> int:
        inputs = [x, build.const([1, N])]
        z = build.op(OpKind.RFFT2D, inputs, (2, 1, HALF), schema.Rfft2dOptionsT(), dtype=DType.COMPLEX64)
        options = schema.SqueezeOptionsT(squeezeDims=np.array([1], np.int32))
        z = build.op(OpKind.SQUEEZE, [z], (2, HALF), options, dtype=DType.COMPLEX64)
        y = build.op(kind, [z], (2, HALF), schema.CastOptionsT() if kind == OpKind.CAST else None)
        return build.dense(build.reshape(y, (1, 2 * HALF)), build.const(W))

    return single((2, 1, length), layer)


@pytest.mark.parametrize("length", [N, N - 5, N + 3])
@pytest.mark.parametrize("kind", [OpKind.COMPLEX_ABS, OpKind.REAL, OpKind.IMAG, OpKind.CAST], ids=lambda k: k.name)
def test_a_sample_takes_what_it_contributes_to_each_frequency(kind: OpKind, length: int) -> None:
    x = RANDOM.normal(size=(2, 1, length)).astype(np.float32)
    logits, relevance, target, score = run(edgexai.attach(spectrum(kind, length), "epsilon(1e-9)", channels="keep"), x)
    weight = W[target[0]].reshape(2, HALF)
    right = np.zeros((2, length))
    for frame in range(2):
        for n in range(min(length, N)):
            wave = x[frame, 0, n] * np.exp(-2j * np.pi * np.arange(HALF) * n / N)
            z = np.fft.rfft(x[frame, 0, :N], N)
            part = {
                OpKind.COMPLEX_ABS: (wave * z.conj()).real / np.abs(z),
                OpKind.REAL: wave.real,
                OpKind.CAST: wave.real,
                OpKind.IMAG: wave.imag,
            }[kind]
            right[frame, n] = (part * weight[frame]).sum()
    assert np.abs(relevance.reshape(2, length) - right).max() <= 1e-3 * np.abs(right).max()
    assert relevance.sum() == pytest.approx(score[0], rel=1e-3)
    assert score[0] == pytest.approx(logits[0, target[0]])


def test_silence_has_no_relevance() -> None:
    explain = edgexai.attach(spectrum(OpKind.COMPLEX_ABS, N), "epsilon", channels="keep")
    assert not run(explain, np.zeros((2, 1, N), np.float32))[1].any()


def test_two_axes_at_once_are_refused() -> None:
    def layer(build: Builder, x: int) -> int:
        inputs = [x, build.const([2, N])]
        z = build.op(OpKind.RFFT2D, inputs, (2, HALF), schema.Rfft2dOptionsT(), dtype=DType.COMPLEX64)
        y = build.op(OpKind.COMPLEX_ABS, [z], (2, HALF))
        return build.dense(build.reshape(y, (1, 2 * HALF)), build.const(W))

    with pytest.raises(UnsupportedOperator, match="over two axes"):
        edgexai.attach(single((2, N), layer))


@pytest.mark.parametrize("positive", [True, False])
def test_the_branch_that_was_taken_is_explained(positive: bool) -> None:
    w = RANDOM.normal(size=(4, 4)).astype(np.float32)
    kernels = [2.0 * w, np.float32(-1.0) * w]
    branches = [
        single((1, 4), lambda build, x, k=k: build.dense(x, build.const(k.astype(np.float32)))) for k in kernels
    ]
    out = RANDOM.normal(size=(3, 4)).astype(np.float32)

    def layer(build: Builder, x: int) -> int:
        total = build.sum(x, [0, 1])
        is_positive = build.op(
            OpKind.GREATER, [total, build.const(0.0)], (), schema.GreaterOptionsT(), dtype=DType.BOOL
        )
        build.tensors.append(Tensor("y", (1, 4)))
        y = len(build.tensors) - 1
        options = schema.IfOptionsT(thenSubgraphIndex=1, elseSubgraphIndex=2)
        build.ops.append(Op(OpKind.IF, (is_positive, x), (y,), options))
        return build.dense(y, build.const(out))

    graph = replace(single((1, 4), layer), subgraphs=tuple(branches))
    x = np.abs(RANDOM.normal(size=(1, 4))).astype(np.float32) * (1 if positive else -1)
    logits, relevance, target, _ = run(edgexai.attach(graph, "epsilon(1e-9)", channels="keep"), x)
    assert np.array_equal(logits, run(graph, x)[0])
    right = x[0] * (out[target[0]] @ (w * (2.0 if positive else -1.0)))
    assert np.abs(relevance[0] - right).max() <= 1e-3 * np.abs(right).max()


def test_lengths_that_are_computed_from_shapes_are_constants() -> None:
    def layer(build: Builder, x: int) -> int:
        shape = build.op(OpKind.SHAPE, [x], (2,), schema.ShapeOptionsT(outType=2), dtype=DType.INT32)
        bounds = [build.const(v) for v in ([1], [2], [1])]
        length = build.op(
            OpKind.STRIDED_SLICE, [shape, *bounds], (1,), schema.StridedSliceOptionsT(), dtype=DType.INT32
        )
        half = build.op(OpKind.FLOOR_DIV, [length, build.const([2])], (1,), dtype=DType.INT32)
        size = build.op(
            OpKind.CONCATENATION,
            [build.const([1]), half],
            (2,),
            schema.ConcatenationOptionsT(axis=0),
            dtype=DType.INT32,
        )
        y = build.op(OpKind.SLICE, [x, build.const([0, 0]), size], (1, 4), schema.SliceOptionsT())
        return build.dense(y, build.const(W[:, :4]))

    graph = single((1, 8), layer)
    x = RANDOM.normal(size=(1, 8)).astype(np.float32)
    explain = edgexai.attach(graph, "epsilon(1e-9)", channels="keep")
    logits, relevance, target, _ = run(explain, x)
    assert np.array_equal(logits, run(graph, x)[0])
    right = np.concatenate([x[0, :4] * W[target[0], :4], np.zeros(4)])
    assert np.abs(relevance[0] - right).max() <= 1e-4 * np.abs(right).max()
    assert not any(op.kind == OpKind.SHAPE for op in explain.ops)
