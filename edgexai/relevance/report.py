"""The relevance that has arrived, as outputs of the explainer."""

from collections.abc import Sequence

import numpy as np

from edgexai.errors import ConfigError
from edgexai.graph import Builder
from edgexai.relevance.backward import Backward


def maps(back: Backward, stops: Sequence[int], channels: str, score: int) -> list[int]:
    """The relevance at each of the stops; zeros at inputs that none reaches, ConfigError if none reaches any."""
    if all(back.arrived(t) is None for t in stops):
        why = f" ({back.notes[-1]})" if back.notes else ""
        raise ConfigError(f"no relevance reaches the input{why}; does the output depend on it?")
    found: list[int] = []
    for t in stops:
        r = _nothing(back, t, channels, score) if back.arrived(t) is None else _map(back, t, channels)
        found.append(back.build.mul(r, back.build.const(1.0)) if r in found else r)  # an output of its own
    return found


def _map(back: Backward, stop: int, channels: str) -> int:
    build, flow = back.build, back.arrived(stop)
    assert flow is not None
    shape = build.shape(stop)
    if channels == "keep" or len(shape) < 3:
        return back.relevance(stop, back.full(flow, stop))
    r = back.relevance(stop, flow)
    if build.shape(r)[-1] == 1 and shape[-1] > 1:  # one channel stands for all, see the flat rule
        r = build.mul(r, build.const(float(shape[-1])))
    if build.shape(r)[-1] == 1:
        return build.reshape(r, shape[:-1])
    return build.sum(r, [len(shape) - 1])


def _nothing(back: Backward, stop: int, channels: str, score: int) -> int:
    shape = back.build.shape(stop)
    shape = shape if channels == "keep" or len(shape) < 3 else shape[:-1]
    return back.build.mul(score, back.build.const(np.zeros(shape or (1,), np.float32)))


def total(build: Builder, numbers: Sequence[int]) -> int:
    """The sum of tensors of one number each."""
    result, *more = numbers
    for other in more:
        result = build.add(result, other)
    return result
