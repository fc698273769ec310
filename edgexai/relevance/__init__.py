"""Layer-wise relevance propagation as a pass over graphs: rules, composites, and one file per operator family."""

from edgexai.relevance.attach import attach
from edgexai.relevance.composite import Composite, Line, composite
from edgexai.relevance.inner import attach_inner, reached
from edgexai.relevance.rules import AlphaBeta, Epsilon, Flat, Gamma, Norm, NormPlus, Pass, Rule, WSquare, ZBox, ZPlus

__all__ = [
    "AlphaBeta",
    "Composite",
    "Epsilon",
    "Flat",
    "Gamma",
    "Line",
    "Norm",
    "NormPlus",
    "Pass",
    "Rule",
    "WSquare",
    "ZBox",
    "ZPlus",
    "attach",
    "attach_inner",
    "composite",
    "reached",
]
