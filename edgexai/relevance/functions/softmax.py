"""SOFTMAX inside a network, by its Taylor expansion: R_i = x_i · (R_i - s_i · Σ_j R_j), s = softmax(x).

AttnLRP (Achtibat et al. 2024, eq. 10): the bias of the expansion keeps the rest.
"""

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of attention weights -> relevance of attention scores."""
    axes = (len(back.build.shape(op.outputs[0])) - 1,)
    expanded(back, op.inputs[0], op.outputs[0], axes, flow, float(op.options.beta))


def expanded(back: Backward, x: int, y: int, axes: tuple[int, ...], flow: Flow, beta: float = 1.0) -> None:
    """Relevance of y = softmax(beta · x) along ``axes`` -> relevance of x."""
    build = back.build
    r = back.relevance(y, back.full(flow, y))
    total = build.sum(r, list(axes), keep_dims=True)
    factor = build.sub(r, build.mul(back.value(y), total))
    back.give(x, Flow(factor if beta == 1 else build.mul(factor, build.const(beta)), is_factor=True))
