"""attach on models that nobody vouches for: an explainer or one of our errors, never another exception."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import NETWORKS, golden

import edgexai
from edgexai.errors import Error, ModelError, UnsupportedOperator
from edgexai.graph import Graph, Op, OpKind, serialize

FILES = [golden(name)[0].read_bytes() for name in NETWORKS]
GRAPHS = [edgexai.load(file) for file in FILES]
COMPOSITES = st.sampled_from(["epsilon", "edge", "gamma", "epsilon_plus_flat"])


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, len(FILES) - 1),
    st.lists(st.tuples(st.integers(0, 2**30), st.integers(0, 255)), min_size=1, max_size=4),
    COMPOSITES,
)
def test_changed_bytes(which: int, changes: list[tuple[int, int]], composite: str) -> None:
    data = bytearray(FILES[which])
    for at, value in changes:
        data[at % len(data)] = value
    with suppress(Error):
        serialize(edgexai.attach(edgexai.load(bytes(data)), composite))


def changed(graph: Graph, at: int, how: str, amount: int) -> Graph:
    """One operator or tensor made to say something else."""
    op = graph.ops[at % len(graph.ops)]
    other: Any = graph.ops[amount % len(graph.ops)]
    if how == "shape":
        t = op.outputs[0]
        shape = list(graph.tensors[t].shape)
        shape[amount % len(shape)] = amount % 7
        tensors = [replace(x, shape=tuple(shape)) if i == t else x for i, x in enumerate(graph.tensors)]
        return replace(graph, tensors=tuple(tensors))
    new = {
        "options": lambda: replace(op, options=None),
        "other_options": lambda: replace(op, options=other.options),
        "kind": lambda: replace(op, kind=other.kind),
        "any_kind": lambda: replace(op, kind=OpKind(amount % 210)),
        "fewer_inputs": lambda: replace(op, inputs=op.inputs[: amount % (len(op.inputs) + 1)]),
        "no_input": lambda: replace(op, inputs=(-1,) * len(op.inputs)),
        "other_inputs": lambda: replace(op, inputs=other.inputs),
        "no_output": lambda: replace(op, outputs=()),
    }[how]()
    return replace(graph, ops=tuple(new if o is op else o for o in graph.ops))


HOW = ["shape", "options", "other_options", "kind", "any_kind", "fewer_inputs", "no_input", "other_inputs", "no_output"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GRAPHS) - 1), st.integers(0, 99), st.sampled_from(HOW), st.integers(0, 999), COMPOSITES)
def test_changed_operators(which: int, at: int, how: str, amount: int, composite: str) -> None:
    with suppress(Error):
        serialize(edgexai.attach(changed(GRAPHS[which], at, how, amount), composite))


def test_what_contradicts_itself_is_named() -> None:
    graph = GRAPHS[NETWORKS.index("cnn")]
    at = next(i for i, op in enumerate(graph.ops) if op.kind == OpKind.CONV_2D)
    with pytest.raises(ModelError, match=rf"CONV_2D \(operator {at}, .*contradicts its tensors"):
        edgexai.attach(changed(graph, at, "options", 0))


def test_a_custom_operator_is_refused_by_its_name() -> None:
    graph = GRAPHS[NETWORKS.index("mlp")]
    first = graph.ops[0]
    custom = Op(OpKind.CUSTOM, first.inputs[:1], first.outputs, custom="FlexErf")
    with pytest.raises(UnsupportedOperator, match=r"no relevance rule for FlexErf \(operator 0"):
        edgexai.attach(replace(graph, ops=(custom, *graph.ops[1:])))


def test_nothing_is_written_when_an_operator_is_refused(tmp_path) -> None:
    from edgexai.cli import main

    graph = GRAPHS[NETWORKS.index("mlp")]
    first = graph.ops[0]
    edgexai.save(
        replace(graph, ops=(Op(OpKind.MATRIX_DIAG, first.inputs[:1], first.outputs), *graph.ops[1:])), tmp_path / "m"
    )
    assert main(["attach", str(tmp_path / "m"), "-o", str(tmp_path / "e")]) == 1
    assert not (tmp_path / "e").exists()
    assert np.all([p.name == "m" for p in tmp_path.iterdir()])
