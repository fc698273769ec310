"""Smaller models from relevance: profiles, structured pruning, quantization, and what an inference costs."""

from edgexai.compress.accuracy import accuracy, agreement
from edgexai.compress.cost import Cost, Layer, cost
from edgexai.compress.profile import Profile, load_profile, profile_relevance
from edgexai.compress.prune import prune

__all__ = [
    "Cost",
    "Layer",
    "Profile",
    "accuracy",
    "agreement",
    "cost",
    "load_profile",
    "profile_relevance",
    "prune",
]
