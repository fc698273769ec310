"""A streaming model unrolled over its last steps: predicts as the stream does, and explains all of them."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import single
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import ConfigError
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Tensor, load, serialize, unrolled
from edgexai.runtime.interpreter import Interpreter

FEATURES, MEMORY = 4, 3
RANDOM = np.random.default_rng(7)
W = RANDOM.normal(size=(3, MEMORY * FEATURES)).astype(np.float32)


def handle(build: Builder) -> int:
    build.tensors.append(Tensor("handle", (), DType.RESOURCE))
    options = schema.VarHandleOptionsT(container=b"", sharedName=b"memory")
    build.ops.append(Op(OpKind.VAR_HANDLE, (), (len(build.tensors) - 1,), options))
    return len(build.tensors) - 1


def streaming() -> Graph:
    """A dense layer over this step and the two before, which a variable keeps."""
    init = Builder(Graph((), (), (), ()), prefix="init")
    zeros = init.const(np.zeros((1, MEMORY - 1, FEATURES), np.float32))
    init.ops.append(Op(OpKind.ASSIGN_VARIABLE, (handle(init), zeros), ()))

    def layer(build: Builder, x: int) -> int:
        build.ops.append(Op(OpKind.CALL_ONCE, (), (), schema.CallOnceOptionsT(initSubgraphIndex=1)))
        variable = handle(build)
        kept = build.op(OpKind.READ_VARIABLE, [variable], (1, MEMORY - 1, FEATURES))
        joined = build.concat([kept, x], 1)
        later = build.slice(joined, (0, 1, 0), (1, MEMORY - 1, FEATURES))
        build.ops.append(Op(OpKind.ASSIGN_VARIABLE, (variable, later), ()))
        return build.dense(build.reshape(joined, (1, MEMORY * FEATURES)), build.const(W))

    graph = single((1, 1, FEATURES), layer)
    return Graph(graph.tensors, graph.ops, graph.inputs, graph.outputs, subgraphs=(init.finish([]),))


def test_the_last_of_several_steps_is_what_the_stream_says() -> None:
    graph = streaming()
    xs = RANDOM.normal(size=(5, 1, 1, FEATURES)).astype(np.float32)
    source, whole = Interpreter(serialize(graph)), Interpreter(serialize(unrolled(graph, 5)))
    for x in xs:
        (last,) = source.run(x)
    assert np.array_equal(whole.run(xs.reshape(1, 5, FEATURES))[0], last)


def test_every_step_has_its_relevance_and_the_state_is_the_sum_of_the_earlier_ones() -> None:
    graph = streaming()
    xs = RANDOM.normal(size=(5, 1, 1, FEATURES)).astype(np.float32)
    stream = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon(1e-9)", channels="keep")))
    whole = edgexai.Explainer(serialize(edgexai.attach(unrolled(graph, 5), "epsilon(1e-9)", channels="keep")))
    for x in xs:
        step = stream(x)
    e = whole(xs.reshape(1, 5, FEATURES))
    assert e.target == step.target
    right = W[e.target].reshape(MEMORY, FEATURES) * xs[-MEMORY:, 0, 0]
    assert np.allclose(e.relevance, np.concatenate([np.zeros((2, FEATURES)), right]), rtol=1e-3, atol=1e-5)
    assert np.allclose(step.relevance.reshape(-1), e.relevance[-1], rtol=1e-3, atol=1e-5)
    assert step.state == pytest.approx(e.relevance[:-1].sum(), rel=1e-3, abs=1e-5)


def test_what_has_no_steps_is_refused() -> None:
    plain = single((1, 4), lambda build, x: build.dense(x, build.const(np.ones((3, 4), np.float32))))
    with pytest.raises(ConfigError, match="no variables"):
        unrolled(plain, 3)
    with pytest.raises(ConfigError, match="choose 1 to 1000"):
        unrolled(streaming(), 0)


@needs_shared
def test_a_public_wake_word_is_explained_over_its_last_steps() -> None:
    graph = load(SHARED / "cases" / "models" / "wake_word_streaming.tflite")
    steps = 6
    xs = RANDOM.integers(-128, 128, (steps, 1, 1, 40)).astype(np.int8)
    source = Interpreter(serialize(graph))
    for x in xs:
        (last,) = source.run(x)
    explainer = edgexai.Explainer(serialize(edgexai.attach(unrolled(graph, steps))))
    e = explainer(xs.reshape(1, steps, 40))
    assert np.array_equal(e.outputs[0], last)
    assert e.relevance.shape == (steps,)
    assert np.isfinite(e.relevance).all()
