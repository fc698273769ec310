"""CEIL, FLOOR, ROUND, SIGN, FLOOR_DIV, …: steps whose derivative is zero, so that no relevance goes through them."""

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Nothing goes on, and the explainer's notes say so."""
    back.stops(op, "its output does not change with small changes of its input")
