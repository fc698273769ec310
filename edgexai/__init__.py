"""edgexai explains the model that is actually deployed.

The names below are the public contract. They are resolved on first use (PEP 562), so that ``import edgexai``
on a node needs numpy alone: TensorFlow, the fleet's store and the flatbuffers schema stay where they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgexai._version import VERSION as __version__
from edgexai.errors import Error

if TYPE_CHECKING:
    from edgexai.compress import Profile, profile_relevance, prune
    from edgexai.device.explainer import Explainer, Explanation
    from edgexai.graph import Graph, load, save
    from edgexai.heatmap import Frame, decode, encode
    from edgexai.relevance import Composite, attach

_HOME = {
    "Profile": "edgexai.compress",
    "profile_relevance": "edgexai.compress",
    "prune": "edgexai.compress",
    "Explainer": "edgexai.device.explainer",
    "Explanation": "edgexai.device.explainer",
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
    "Composite",
    "Error",
    "Explainer",
    "Explanation",
    "Frame",
    "Graph",
    "Profile",
    "__version__",
    "attach",
    "decode",
    "encode",
    "load",
    "profile_relevance",
    "prune",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edgexai' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
