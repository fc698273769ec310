"""Where relevance starts: heads as converters write them, contrasts by name, inputs of any shape, every kernel."""

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import interpreter as runtime
from ai_edge_litert import schema_py_generated as schema
from models import run, single
from numpy.typing import NDArray

import edgexai
from edgexai.errors import ConfigError
from edgexai.graph import Builder, Graph, OpKind, serialize
from edgexai.relevance import attach
from edgexai.relevance.targets.ends import end_of

RANDOM = np.random.default_rng(4)
SHAPE = (1, 6, 6, 3)
W = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
B = RANDOM.normal(size=4).astype(np.float32)
Head = Callable[[Builder, int], int]


def written_out(b: Builder, z: int) -> int:
    """A softmax over the last axis as public MTCNN files write it."""
    whole = b.shape(z)
    one = (*whole[:-1], 1)
    last, options = b.const(np.array([len(whole) - 1], np.int32)), schema.ReducerOptionsT(keepDims=True)
    most = b.op(OpKind.REDUCE_MAX, [z, last], one, options)
    e = b.op(OpKind.EXP, [b.sub(z, most)], whole)
    total = b.mul(b.op(OpKind.SUM, [e, last], one, options), b.const(np.float32(1.0000001)))
    return b.div(e, total)


def softmax(b: Builder, z: int) -> int:
    return b.op(OpKind.SOFTMAX, [z], b.shape(z), schema.SoftmaxOptionsT(beta=1.0))


def argmax(b: Builder, z: int) -> int:
    return b.argmax(z)


def reshaped(head: Head, *shape: int) -> Head:
    return lambda b, z: b.reshape(head(b, z), shape)


def expanded(b: Builder, z: int) -> int:
    """argmax(z)[..., None], whose last step is a STRIDED_SLICE with a new axis."""
    y = b.argmax(z)
    begin, end, step = (b.const(np.array(v, np.int32)) for v in ([0] * 4, [1, 6, 6, 1], [1] * 4))
    y = b.reshape(y, (1, 6, 6, 1))
    options = schema.StridedSliceOptionsT(ellipsisMask=0, newAxisMask=8, beginMask=7, endMask=7, shrinkAxisMask=0)
    return b.op(OpKind.STRIDED_SLICE, [y, begin, end, step], (1, 6, 6, 1), options, dtype=b.dtype(y))


HEADS: dict[str, Head] = {
    "softmax": softmax,
    "written out": written_out,
    "argmax": argmax,
    "softmax and reshape": reshaped(softmax, 1, 36, 4),
    "argmax and reshape": reshaped(argmax, 6, 6),
    "argmax and new axis": expanded,
}


def network(head: Head | None, w: NDArray[np.float32] = W) -> Graph:
    def layers(b: Builder, x: int) -> int:
        z = b.conv(x, b.const(w), b.const(B))
        return z if head is None else head(b, z)

    return single(SHAPE, layers)


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus"])
@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_looked_through_however_it_is_written(head: str, composite: str) -> None:
    x = RANDOM.normal(size=SHAPE).astype(np.float32)
    ours = run(attach(network(HEADS[head]), composite, target=5), x)
    theirs = run(attach(network(None), composite, target=5), x)
    assert np.abs(ours[1] - theirs[1]).max() <= 1e-5 * np.abs(theirs[1]).max()
    assert ours[3] == pytest.approx(theirs[3])


@pytest.mark.parametrize("head", HEADS)
def test_logits_compete_where_a_softmax_or_argmax_says_so(head: str) -> None:
    assert end_of(network(HEADS[head]), network(HEADS[head]).outputs[0]).classes == (3,)
    assert end_of(network(None), network(None).outputs[0]).classes == ()


def test_a_written_softmax_inside_hands_on_what_its_expansion_says() -> None:
    """Soft-argmax over space: R = z · ∂y/∂z, since all behind the softmax is linear (AttnLRP, eq. 10)."""
    h = RANDOM.normal(size=(2, 1, 1, 3)).astype(np.float32)
    places = np.linspace(1, 2, 6, dtype=np.float32).reshape(1, 1, 6, 1)

    def layers(b: Builder, x: int) -> int:
        z = b.conv(x, b.const(h), b.const(np.zeros(2, np.float32)))
        axes, options = b.const(np.array([1, 2], np.int32)), schema.ReducerOptionsT(keepDims=True)
        e = b.op(OpKind.EXP, [b.sub(z, b.op(OpKind.REDUCE_MAX, [z, axes], (1, 1, 1, 2), options))], b.shape(z))
        s = b.div(e, b.op(OpKind.SUM, [e, axes], (1, 1, 1, 2), options))
        return b.sum(b.mul(s, b.const(places)), [1, 2])

    x = RANDOM.normal(size=SHAPE).astype(np.float32)
    ours = run(attach(single(SHAPE, layers), "epsilon(1e-9)", target=1, channels="keep"), x)[1]
    z = x.astype(np.float64) @ h[:, 0, 0].T
    s = np.exp(z) / np.exp(z).sum((1, 2), keepdims=True)
    gradient = s * (places - (s * places).sum((1, 2), keepdims=True))
    theirs = x * (gradient[..., 1:] * h[1, 0, 0])
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_contrasts_by_name_are_differences_of_logits() -> None:
    w = RANDOM.normal(size=(5, 8)).astype(np.float32)
    graph = single((1, 8), lambda b, x: b.dense(x, b.const(w), b.const(np.zeros(5, np.float32))))
    x = RANDOM.normal(size=(1, 8)).astype(np.float32)
    z = (x @ w.T)[0]
    first, second = np.argsort(-z)[:2]
    _, r, target, score = run(attach(graph, "epsilon", target="predicted-vs-second"), x)
    assert target == first
    assert score == pytest.approx(z[first] - z[second], rel=1e-4)
    assert np.allclose(r[0], x[0] * (w[first] - w[second]), atol=1e-4)
    _, r, target, score = run(attach(graph, "epsilon", target="predicted-vs-rest"), x)
    assert score == pytest.approx(z[first] - np.delete(z, first).mean(), rel=1e-4)
    assert np.allclose(r[0], x[0] * (w[first] - np.delete(w, first, 0).mean(0)), atol=1e-4)
    alone = single((1, 8), lambda b, x: b.dense(x, b.const(w[:1]), b.const(np.zeros(1, np.float32))))
    with pytest.raises(ConfigError, match="needs two outputs"):
        attach(alone, target="predicted-vs-second")


@pytest.mark.parametrize(
    ("shape", "channels", "expected"),
    [
        ((40,), "sum", (40,)),
        ((6, 5, 3), "sum", (6, 5)),
        ((6, 5, 3), "keep", (6, 5, 3)),
        ((2, 6, 5, 3), "sum", (2, 6, 5)),
        ((2, 6, 5, 3), "keep", (2, 6, 5, 3)),
        ((1, 6, 5, 3), "keep", (6, 5, 3)),
    ],
)
def test_an_input_without_a_batch_of_one_has_its_whole_map(
    shape: tuple[int, ...], channels: str, expected: tuple[int, ...]
) -> None:
    size = int(np.prod(shape))
    w = RANDOM.normal(size=(3, size)).astype(np.float32)
    graph = single(shape, lambda b, x: b.dense(b.reshape(x, (1, size)), b.const(w), b.const(np.zeros(3, np.float32))))
    e = edgexai.Explainer(serialize(attach(graph, "epsilon", channels=channels)))(RANDOM.normal(size=shape))
    assert e.relevance.shape == expected
    assert e.conservation == pytest.approx(1, abs=1e-4)


def block(b: Builder, x: int) -> int:
    """Residual blocks of one-dimensional convolutions, with the reshapes that converters put around those."""
    for _ in range(3):
        y = b.reshape(x, (1, 1, 16, 4))
        w = RANDOM.normal(size=(4, 1, 3, 4)).astype(np.float32)
        y = b.conv(y, b.const(w), b.const(RANDOM.normal(size=4).astype(np.float32)), activation="RELU")
        x = b.add(x, b.reshape(y, (1, 16, 4)))
    w = RANDOM.normal(size=(3, 64)).astype(np.float32)
    return b.dense(b.reshape(x, (1, 64)), b.const(w), b.const(np.zeros(3, np.float32)))


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "edge"])
def test_plain_kernels_read_no_map_that_they_have_overwritten(composite: str) -> None:
    model = serialize(attach(single((1, 16, 4), block), composite, channels="keep"))
    x = RANDOM.normal(size=(1, 16, 4)).astype(np.float32)
    plain = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    found = []
    for options in ({}, {"experimental_op_resolver_type": plain}):
        inner = runtime.Interpreter(model_content=model, num_threads=1, **options)
        inner.allocate_tensors()
        inner.set_tensor(inner.get_input_details()[0]["index"], x)
        inner.invoke()
        found.append([inner.get_tensor(d["index"]) for d in inner.get_output_details()])
    for fast, slow in zip(*found, strict=True):
        assert np.abs(fast - slow).max() <= 1e-4 * max(1e-9, np.abs(fast).max())
