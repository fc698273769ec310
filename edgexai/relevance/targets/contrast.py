"""Class against class: the weights of the logits that a target stands for.

What z⁺ shows of a class it shows of every class; what speaks for one *and not for another* is the relevance of a
difference of logits (contrastive LRP, Gu et al. 2018).
"""

import numpy as np

from edgexai.errors import ConfigError
from edgexai.graph import Builder
from edgexai.relevance.targets import onehot

AGAINST = ("predicted-vs-rest", "predicted-vs-second")


def against(build: Builder, target: str, flat: int, chosen: int) -> int:
    """(1, N): 1 at the predicted logit, and -1 at the second, or -1 / (N - 1) at all others.

    ``flat`` holds the logits (1, N), ``chosen`` the number of the largest. ConfigError if there is only one.
    """
    count = build.shape(flat)[1]
    if count < 2:
        raise ConfigError(f'target "{target}" needs two outputs or more; the model has one')
    first = onehot.computed(build, chosen, count)
    if target == "predicted-vs-second":
        # The largest of the others: the predicted one is taken down by more than all of them span.
        others = build.sub(flat, build.mul(first, build.const(np.float32(1e30))))
        return build.sub(first, onehot.computed(build, build.argmax(others), count))
    rest = np.float32(1 / (count - 1))
    return build.sub(build.mul(first, build.const(1 + rest)), build.const(rest))


def less_the_mean(build: Builder, weights: int, classes: tuple[int, ...]) -> int:
    """Weights of logits, in their shape, less their mean over those that compete: Σ w·z is then z less its mean."""
    shape = build.shape(weights)
    share = build.const(np.float32(1 / np.prod([shape[a] for a in classes])))
    return build.sub(weights, build.mul(build.sum(weights, list(classes), keep_dims=True), share))
