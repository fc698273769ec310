"""Can another rule put more of a planted bump's relevance on it, and what do other methods see in the same networks?

The networks of `recurrence`, in float without loops, which only ε enters. Prints the share of positive relevance within
a step of the bump under other rules, targets and gates, in float and int8, the median of Σ relevance / score in float,
and what gradients and occlusion put there.

examples:
  python -m benchmarks recurrence_rules
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.recurrence import TRIED, alike, at_the_bump, trained
from edgexai.cli.table import show
from edgexai.compress.measure.explained import explained
from edgexai.graph import Graph, OpKind, load
from edgexai.relevance import Composite
from edgexai.relevance.composite import DENSE, EXACT, FLAT, PLUS, SUMS, Line
from edgexai.relevance.functions import product
from edgexai.relevance.rules import TINY, Epsilon, Gamma, NormPlus, Rule, ZPlus

TOP = Line(EXACT, from_output=range(1))
BY_SIGN = Line(NormPlus(), frozenset({OpKind.ADD, OpKind.SUB}))
"""The state shares by what has the sign of the sum: what cancels takes none."""


def _dense(name: str, rule: Rule, sums: Line = SUMS) -> Composite:
    """`edge` with another rule in the cells."""
    return Composite(name, (TOP, FLAT, sums, PLUS, Line(rule, DENSE), Line(EXACT)), "less mean")


ZPLUS = ZPlus(stabilizer=TINY, bias=0.0)
IDEAS: dict[str, tuple[str | Composite, str]] = {
    "`edge`: ε, gates take none": ("edge", "predicted"),
    "half to the gate": ("edge", "predicted"),
    "z⁺ without bias in the cell": (_dense("z", ZPLUS), "predicted"),
    "z⁺ with bias": (_dense("zb", ZPlus(stabilizer=TINY)), "predicted"),
    "γ 0.25": (_dense("g", Gamma(gamma=0.25)), "predicted"),
    "γ 1": (_dense("g1", Gamma(gamma=1.0)), "predicted"),
    "ε 0.1": (_dense("e1", Epsilon(0.1)), "predicted"),
    "ε 0.25": (_dense("e", Epsilon(0.25)), "predicted"),
    "ε 0.5": (_dense("e5", Epsilon(0.5)), "predicted"),
    "ε 0.25 in every layer": ("epsilon(0.25)", "predicted"),
    "state by sign": (_dense("s", EXACT, BY_SIGN), "predicted"),
    "z⁺ and state by sign": (_dense("zs", ZPLUS, BY_SIGN), "predicted"),
    "from the logit alone": (Composite("l", (TOP, FLAT, SUMS, PLUS, Line(EXACT))), "predicted"),
    "predicted against second": ("edge", "predicted-vs-second"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epochs", type=int, default=45, help="of training (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    from converters.keras import from_keras

    rows: list[dict[str, Any]] = []
    for name, model, data in trained(args.epochs):
        graphs = [load(from_keras(_unrolled(model))), load(from_keras(model, data.x[:200], int8=True))]
        rows += (row | {"network": name} for row in measured(graphs, model, data.x[TRIED], data.at[TRIED]))
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    keys = ("float", "int8", "correlation", "conservation")
    cells = [[f"{r['network']}, {r['what']}", *(f"{r[k]:.3f}" if k in r else "" for k in keys)] for r in rows]
    show(["network, what", "at the bump, float", "int8", "correlation", "conservation"], cells)
    return 0


def measured(graphs: list[Graph], model: Any, x: Any, at: Any) -> Iterator[dict[str, Any]]:
    """A row for every rule, and for every other method."""
    for what, (composite, target) in IDEAS.items():
        equal = patch.object(product, "signal", lambda *_: None) if what == "half to the gate" else nullcontext()
        with equal:
            found = [explained(g, x, composite, target) for g in graphs]
        maps = [f.maps.reshape(len(x), x.shape[1], -1).sum(-1) for f in found]
        row = {k: at_the_bump(m, at) for k, m in zip(("float", "int8"), maps, strict=True)}
        kept = float(np.median(found[0].conservation))
        yield row | {"what": what, "correlation": alike(*maps), "conservation": kept}
    for what, method in METHODS.items():
        yield {"what": what, "float": at_the_bump(method(Score(model, x), x), at)}


class Score:
    """The predicted logit less the mean of all, of one sample after another, and its gradient."""

    def __init__(self, model: Any, x: Any) -> None:
        import keras
        import tensorflow as tf

        body = keras.Model(model.inputs, model.layers[-2].output)
        w, b = (tf.constant(v) for v in model.layers[-1].get_weights())
        self.chosen = np.argmax(model.predict(x, verbose=0), 1)

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def both(v: Any, c: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(v)
                z = body(v, training=False) @ w + b
                z = tf.gather(z, c, axis=1, batch_dims=1) - tf.reduce_mean(z, 1)
            return z, tape.gradient(z, v)

        self._both = both

    def __call__(self, x: Any) -> tuple[Any, Any]:
        """x (N, K, steps, channels), K variants of each sample -> scores (N, K), gradients like x."""
        import tensorflow as tf

        flat = tf.constant(x.reshape(-1, *x.shape[2:]), tf.float32)
        z, g = self._both(flat, tf.constant(np.repeat(self.chosen, x.shape[1])))
        return z.numpy().reshape(x.shape[:2]), g.numpy().reshape(x.shape)


def _gradient(score: Score, x: Any) -> Any:
    return (score(x[:, None])[1][:, 0] * x).sum(-1)


def _integrated(score: Score, x: Any) -> Any:
    along = ((np.arange(64) + 0.5) / 64).reshape(1, -1, 1, 1)
    return (score(x[:, None] * along)[1].mean(1) * x).sum(-1)


def _occluded(width: int) -> Callable[[Score, Any], Any]:
    def occluded(score: Score, x: Any) -> Any:
        steps = x.shape[1]
        hides = np.array([[s <= t < s + width for t in range(steps)] for s in range(1 - width, steps)])
        lost = score(x[:, None])[0] - score(np.where(hides[None, :, :, None], 0, x[:, None]))[0]
        return lost @ hides / width

    return occluded


METHODS: dict[str, Callable[[Score, Any], Any]] = {
    "gradient × input": _gradient,
    "integrated gradients from zero": _integrated,
    "occlusion of a step": _occluded(1),
    "occlusion of four steps": _occluded(4),
}


def _unrolled(model: Any) -> Any:
    """The same network without a loop, which other rules do not enter."""
    import keras

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config(config | {"unroll": True} if "unroll" in config else config)

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy
