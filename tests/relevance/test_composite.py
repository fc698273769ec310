"""Composites: which line decides, as an object and from a file; the rules Pass and Norm."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import golden, run, single

import edgexai
from edgexai.errors import ConfigError, Error
from edgexai.graph import Builder, OpKind
from edgexai.relevance import Composite, Epsilon, Flat, Gamma, Line, Norm, Pass, ZPlus, attach, composite
from edgexai.relevance.composite import CONVOLUTIONS, DENSE, Layer
from edgexai.relevance.composite_file import composite_of

MINE = """
name = "mine"
[[line]]
rule = "flat"
first = true
[[line]]
rule = "gamma"
gamma = 0.5
kinds = ["DEPTHWISE_CONV_2D", "dense"]
from_output = [0, 1]
[[line]]
rule = "zplus"
name = "block_[12]/"
[[line]]
rule = "norm"
stabilizer = 0.1
kinds = ["ADD"]
[[line]]
rule = "epsilon"
"""


def layer(kind: OpKind = OpKind.CONV_2D, name: str = "x", before: int = 3, behind: int = 3) -> Layer:
    return Layer(kind, name, before, behind)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def test_the_first_matching_line_decides(mine: Path) -> None:
    chosen = composite_of(mine)
    assert chosen.name == "mine"
    assert chosen.rule(layer(before=0)) == Flat()
    assert chosen.rule(layer(OpKind.DEPTHWISE_CONV_2D, behind=1)) == Gamma(gamma=0.5)
    assert chosen.rule(layer(OpKind.FULLY_CONNECTED, behind=0)) == Gamma(gamma=0.5)
    assert chosen.rule(layer(OpKind.DEPTHWISE_CONV_2D, behind=2)) == Epsilon()
    assert chosen.rule(layer(name="net/block_2/conv")) == ZPlus()
    assert chosen.rule(layer(name="net/block_3/conv")) == Epsilon()
    assert chosen.rule(replace(layer(OpKind.ADD), has_weights=False)) == Norm(0.1)
    assert chosen.rule(replace(layer(OpKind.MEAN), has_weights=False)) is None


def test_a_file_and_an_object_give_the_same_explainer(mine: Path) -> None:
    path, known = golden("dscnn")
    graph, x = edgexai.load(path), known["x"][:1]
    by_hand = Composite(
        "mine",
        (
            Line(Flat(), first=True),
            Line(Gamma(gamma=0.5), DENSE | {OpKind.DEPTHWISE_CONV_2D}, from_output=range(2)),
            Line(ZPlus(), name="block_[12]/"),
            Line(Norm(0.1), frozenset({OpKind.ADD})),
            Line(Epsilon()),
        ),
    )
    of_file, of_object = (run(attach(graph, c), x) for c in (str(mine), by_hand))
    assert np.array_equal(of_file[1], of_object[1])
    named = run(attach(graph, "epsilon_plus_flat"), x)
    assert not np.allclose(of_file[1], named[1], rtol=1e-2)


def test_depths_count_layers_with_weights() -> None:
    path, known = golden("cnn")
    graph, x = edgexai.load(path), known["x"][:1]
    depth = sum(op.kind in CONVOLUTIONS | DENSE for op in graph.ops)
    rest = Line(Norm())
    from_input = Composite("a", (Line(ZPlus(), from_input=range(1)), rest))
    from_output = Composite("b", (Line(ZPlus(), from_output=range(depth - 1, depth)), rest))
    first = Composite("c", (Line(ZPlus(), first=True), rest))
    maps = [run(attach(graph, c), x)[1] for c in (from_input, from_output, first)]
    assert np.array_equal(maps[0], maps[1])
    assert np.array_equal(maps[0], maps[2])
    assert not np.allclose(maps[0], run(attach(graph, "epsilon"), x)[1], rtol=1e-2)


def test_a_name_finds_one_layer() -> None:
    path, known = golden("cnn")
    graph, x = edgexai.load(path), known["x"][:1]
    op = next(op for op in graph.ops if op.kind == OpKind.CONV_2D)
    tensors = [replace(t, name="the/first") if i == op.outputs[0] else t for i, t in enumerate(graph.tensors)]
    renamed = replace(graph, tensors=tuple(tensors))
    by_name = Composite("a", (Line(Flat(), name="^the/first$"), *composite("epsilon_plus").lines))
    assert np.array_equal(run(attach(renamed, by_name), x)[1], run(attach(graph, "epsilon_plus_flat"), x)[1])


def test_pass_hands_relevance_on_and_norm_divides_by_the_sum() -> None:
    w = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    b = np.float32([1, -2, 3, -4])

    def network(build: Builder, x: int) -> int:
        y = build.relu(build.dense(x, build.const(w), build.const(b)))  # so that the sum is no part of the layer
        y = build.add(y, build.const(np.float32([3, 3, 3, 3])))
        return build.dense(y, build.const(np.eye(4, dtype=np.float32)), build.const(np.zeros(4, np.float32)))

    x = np.float32([[1, -2, 3, 4]])
    graph = single((1, 4), network)
    dense = np.maximum(w @ x[0] + b, 0)
    end = dense + 3
    unchanged = Composite("p", (Line(Pass(), first=True), Line(Pass(), frozenset({OpKind.ADD})), Line(Norm())))
    assert np.allclose(run(attach(graph, unchanged, target=2), x)[1], np.eye(4)[2] * end, atol=1e-5)
    shared = Composite("n", (Line(Pass(), first=True), Line(Norm(0.5), frozenset({OpKind.ADD})), Line(Norm())))
    expected = np.eye(4)[2] * dense / (end + 0.5 * np.sign(end)) * end
    assert np.allclose(run(attach(graph, shared, target=2), x)[1], expected, atol=1e-5)
    assert np.allclose(
        run(attach(graph, Composite("n", (Line(Norm()),))), x)[1], run(attach(graph, "epsilon"), x)[1], atol=1e-6
    )


def test_rules_that_cannot_be_are_refused_where_they_are_given() -> None:
    graph = edgexai.load(golden("resnet")[0])
    with pytest.raises(ConfigError, match=r"gives ADD \(operator \d+.*a rule for weights"):
        attach(graph, Composite("c", (Line(ZPlus(), frozenset({OpKind.ADD})), Line(Norm()))))
    with pytest.raises(ConfigError, match=r"pass needs one input of the output's shape, unlike ADD"):
        attach(graph, Composite("c", (Line(Pass(), frozenset({OpKind.ADD})), Line(Norm()))))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rule = ", "not a TOML file"),
        ("", r"has no \[\[line\]\]"),
        ("line = 3", r"has no \[\[line\]\]"),
        ('colour = 1\n[[line]]\nrule = "flat"', "does not know colour"),
        ('name = 3\n[[line]]\nrule = "flat"', "name of a composite is text"),
        ('[[line]]\nrule = "flatt"', "line 1: there is no rule 'flatt'; choose one of alpha_beta"),
        ('[[line]]\nrule = "flat"\n[[line]]\nrule = "zbox"\ngamma = 1', "line 2: rule zbox does not know gamma"),
        ('[[line]]\nrule = "gamma"\ngamma = "big"', "gamma is a finite number, not 'big'"),
        ('[[line]]\nrule = "gamma"\ngamma = nan', "gamma is a finite number"),
        ('[[line]]\nrule = "flat"\nfirst = 1', "first is true or false"),
        ('[[line]]\nrule = "flat"\nkinds = "CONV_2D"', "kinds is a list"),
        ('[[line]]\nrule = "flat"\nkinds = ["CONV"]', "there is no operator 'CONV'"),
        ('[[line]]\nrule = "flat"\nname = "("', "not a regular expression"),
        ('[[line]]\nrule = "flat"\nfrom_input = 3', r"as in \[0, 4\], not 3"),
        ('[[line]]\nrule = "flat"\nfrom_input = [4, 0]', r"as in \[0, 4\]"),
    ],
)
def test_a_mistake_in_a_file_is_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        composite_of(path)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MINE) - 1), st.integers(0, 255)), max_size=6))
def test_any_file_is_a_composite_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    text = bytearray(MINE.encode())
    for at, value in changes:
        text[at] = value
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text)
    with suppress(Error):
        assert composite_of(path).lines


def test_the_file_in_the_documentation_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "relevance.md").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0])
    chosen = composite_of(path)
    assert [type(line.rule) for line in chosen.lines] == [Flat, Gamma, ZPlus, Norm, Epsilon]
    code: dict[str, object] = {}
    exec(text.split("```python\n")[1].split("```")[0], code)
    assert isinstance(code["mine"], Composite)


def test_edge_flat_is_edge_with_the_flat_rule_in_more_layers() -> None:
    def layer(before: int, window: float) -> Layer:
        return Layer(OpKind.CONV_2D, "conv", before, 5, window, True, 4)

    found, edge = composite("edge_flat"), composite("edge")
    assert found.start == edge.start == "less mean"
    assert [isinstance(found.rule(layer(n, 0.05)), Flat) for n in range(5)] == [True, True, True, False, False]
    assert isinstance(composite("edge_flat(1)").rule(layer(1, 0.05)), ZPlus)
    assert found.rule(layer(0, 0.5)) == found.rule(layer(3, 0.01)) == edge.rule(layer(3, 0.01))
    for wrong in ("edge_flat(0)", "edge_flat(2.5)", "edge_flat(inf)", "edge_flat(nan)"):
        with pytest.raises(ConfigError, match="number of layers"):
            composite(wrong)


def test_gamma_epsilon_changes_the_rule_after_three_layers() -> None:
    found = composite("gamma_epsilon(0.5, 0.1)")
    rules = [found.rule(Layer(OpKind.CONV_2D, "conv", n, 6, 0.1, True, 4)) for n in range(5)]
    assert rules == [Gamma(gamma=0.5)] * 3 + [Epsilon(0.1)] * 2
    assert found.rule(Layer(OpKind.FULLY_CONNECTED, "dense", 5, 0, 1.0, True, 2)) == Epsilon(1e-9)
