"""Smaller models from relevance: profiles, structured pruning, quantization, and what an inference costs."""

from edgexai.compress.accuracy import accuracy, agreement
from edgexai.compress.cost import Cost, Layer, cost
from edgexai.compress.dequantize import dequantize
from edgexai.compress.distill import Schedule, distill
from edgexai.compress.profile import Profile, load_profile, profile_relevance, profiler
from edgexai.compress.prune import prune
from edgexai.compress.quantize import Ports, quantize

__all__ = [
    "Cost",
    "Layer",
    "Ports",
    "Profile",
    "Schedule",
    "accuracy",
    "agreement",
    "cost",
    "dequantize",
    "distill",
    "load_profile",
    "profile_relevance",
    "profiler",
    "prune",
    "quantize",
]
