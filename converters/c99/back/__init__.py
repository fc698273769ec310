"""The way back of relevance in integers: schedule of predicting -> schedule of explaining."""

from converters.c99.back.explain import Explaining, explanation

__all__ = ["Explaining", "explanation"]
