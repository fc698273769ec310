"""edgexai explains the model that is actually deployed.

The names below are the public contract. They are resolved on first use (PEP 562), so that ``import edgexai``
on a node needs numpy alone: TensorFlow, the fleet's store and the flatbuffers schema stay where they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgexai._version import VERSION as __version__
from edgexai.errors import Error

if TYPE_CHECKING:
    from edgexai.compress.budget import compress
    from edgexai.compress.measure.best_composite import best_composite
    from edgexai.compress.measure.cost import cost
    from edgexai.compress.measure.limits import Budget
    from edgexai.compress.measure.profile import Profile, profile_relevance
    from edgexai.compress.prune.pruning import prune
    from edgexai.compress.quantize.int8 import quantize
    from edgexai.compress.repair.repair import Repair
    from edgexai.graph import Graph, load, save
    from edgexai.heatmap import Frame, decode, encode
    from edgexai.relevance import Composite, attach
    from edgexai.runtime.explainer import Explainer
    from edgexai.runtime.explanation import Explanation

_HOME = {
    "Profile": "edgexai.compress.measure.profile",
    "profile_relevance": "edgexai.compress.measure.profile",
    "Budget": "edgexai.compress.measure.limits",
    "Repair": "edgexai.compress.repair.repair",
    "best_composite": "edgexai.compress.measure.best_composite",
    "cost": "edgexai.compress.measure.cost",
    "compress": "edgexai.compress.budget",
    "prune": "edgexai.compress.prune.pruning",
    "quantize": "edgexai.compress.quantize.int8",
    "Explainer": "edgexai.runtime.explainer",
    "Explanation": "edgexai.runtime.explanation",
    "Graph": "edgexai.graph",
    "load": "edgexai.graph",
    "save": "edgexai.graph",
    "Frame": "edgexai.heatmap",
    "decode": "edgexai.heatmap",
    "encode": "edgexai.heatmap",
    "Composite": "edgexai.relevance",
    "attach": "edgexai.relevance",
}

__all__ = [
    "Budget",
    "Composite",
    "Error",
    "Explainer",
    "Explanation",
    "Frame",
    "Graph",
    "Profile",
    "Repair",
    "__version__",
    "attach",
    "best_composite",
    "compress",
    "cost",
    "decode",
    "encode",
    "load",
    "profile_relevance",
    "prune",
    "quantize",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgexai' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
