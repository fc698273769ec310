"""How good are explanations? Measures over many maps at once, each one number a sample, with intervals.

Maps are (N, …) over the positions of the inputs x (N, …); a map without the channel axis stands for all channels.
On the same maps the figures equal those of Quantus 0.6 (Hedström et al. 2023), see ``tests/audit/test_quality.py``.
"""

from edgexai.audit.quality.axioms import class_sensitivity, completeness
from edgexai.audit.quality.complexity import complexity, sparseness
from edgexai.audit.quality.faithfulness import areas, flipped, symmetric_gain
from edgexai.audit.quality.fills import FILLS, Fill
from edgexai.audit.quality.interval import Interval, mean, share
from edgexai.audit.quality.localization import mass_accuracy, rank_accuracy
from edgexai.audit.quality.randomization import efficient_mprt, histogram_entropy, randomized
from edgexai.audit.quality.sensitivity import all_randomized, between_classes, top_randomized
from edgexai.audit.quality.similarity import correlation
from edgexai.audit.quality.stability import local_lipschitz, max_sensitivity

__all__ = [
    "FILLS",
    "Fill",
    "Interval",
    "all_randomized",
    "areas",
    "between_classes",
    "class_sensitivity",
    "completeness",
    "complexity",
    "correlation",
    "efficient_mprt",
    "flipped",
    "histogram_entropy",
    "local_lipschitz",
    "mass_accuracy",
    "max_sensitivity",
    "mean",
    "randomized",
    "rank_accuracy",
    "share",
    "sparseness",
    "symmetric_gain",
    "top_randomized",
]
