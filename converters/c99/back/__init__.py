"""The way back of relevance in integers: schedule of predicting -> schedule of explaining."""

from converters.c99.back.explain import explanation
from converters.c99.back.floats import float_explanation
from converters.c99.back.flows import Explaining

__all__ = ["Explaining", "explanation", "float_explanation"]
