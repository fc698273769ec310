"""Where relevance starts, and where it becomes a map of float32."""

from dataclasses import replace
from math import prod
from typing import Any

from converters.c99.back import ways
from converters.c99.back.flows import FORMS
from converters.c99.back.steps import Back
from converters.c99.schedule import Literal, Schedule, Step
from edgexai.errors import ConfigError, UnsupportedOperator


def predicted(back: Back, less_mean: bool) -> None:
    """Relevance starts at the logit that is largest."""
    low, logits = back.reading.low, back.reading.logits
    scale, zero = low.scale(logits)
    count, form = prod(low.tensor(logits).shape), back.wants(logits)
    if back.reading.layout(logits)[0] != 1:
        raise UnsupportedOperator("firmware explains one vector of logits; write it without explaining")
    y, out = back.values(logits), (back.flow(logits), "target", "score")
    back.arrived[logits] = 1
    back.scale = scale / count if less_mean else scale
    fields = {"count": count, "scale": Literal(f"{back.scale.hex()}f"), "zero": zero}
    fields |= {"form": Literal(FORMS[form]), "less_mean": int(less_mean), "cut": int(back.reading.cut(logits))}
    back.steps.append(Step("exai_start", "exai_target", fields, (y, *out), (y,), out, "where relevance starts"))


def error(back: Back) -> None:
    """Relevance starts at each output's squared difference from its input."""
    low, logits, stop = back.reading.low, back.reading.logits, back.reading.stop
    scale, zero = low.scale(logits)
    in_scale, in_zero = low.scale(stop)
    count, form = prod(low.tensor(logits).shape), back.wants(logits)
    if prod(low.tensor(stop).shape) != count:
        raise ConfigError('target "error" needs a model that returns as many values as it takes')
    flow, y, x = back.flow(logits), back.values(logits), back.values(stop)
    back.arrived[logits] = 1
    (pixels, channels), in_channels = back.reading.layout(logits), back.reading.layout(stop)[1]
    back.error = {
        "count": count,
        "ratio": round(in_scale / scale * 2**16),
        "scale": Literal(f"{(scale * scale / 2**16).hex()}f"),
        "in_channels": in_channels,
        "out_channels": channels,
        "run": in_channels if len(back.shape) > 2 else 1,
        "in_zero": in_zero,
        "out_zero": zero,
    }
    factors = flow if form == "factor" else back.buffer("ce", 2 * (pixels + channels) + 2 * count)
    out = (factors, "target", "score")
    back.steps.append(Step("exai_start_error", "exai_error", back.error, (x, y, *out), (x, y), out, "the error"))
    if form != "factor":  # behind a function of each value, which relevance passes
        fields = {"pixels": pixels, "channels": channels, "run": 1, "zero": zero, "from": Literal("EXAI_FACTOR")}
        fields |= {"form": Literal("EXAI_RELEVANCE"), "gate": Literal("EXAI_VALUES")}
        room = back.buffer("sbe", 4 * channels, "scratch")
        arguments = (Literal(str(channels)), factors, y, flow, room)
        step = Step("exai_back_same", "exai_keep", fields, arguments, (factors, y), (flow, room), "its relevance")
        back.steps.append(step)


def finish(back: Back) -> Schedule:
    """The whole schedule: predicting, with the signs that are kept, and the way back."""
    stop, low = back.reading.stop, back.reading.low
    steps = [back.keeping(step) for step in back.plan.steps]
    for bits, (name, count, zero) in back.bits.items():
        at = max(i for i, step in enumerate(steps) if name in step.writes)
        numbers = (Literal(str(count)), Literal(str(zero)))
        steps.insert(at + 1, Step("exai_signs", "", {}, (name, *numbers, bits), (name,), (bits,), "kept signs"))
    for state, copy in back.kept.items():
        at = min(i for i, step in enumerate(steps) if state in step.writes)
        amount = Literal(str(back.buffers[state].size))
        steps.insert(at, Step("memcpy", "", {}, (copy, state, amount), (state,), (copy,), "a state as it was"))
    if low.states:
        nothing = (Literal("0"), Literal("4"))
        steps.append(Step("memset", "", {}, ("state", *nothing), (), ("state",), "what states got"))
    steps += back.steps
    out, pixels = ("relevance",), prod(back.shape if len(back.shape) < 3 else back.shape[:-1])
    if back.error:
        reads = (back.values(stop), back.values(back.reading.logits), back.flow(stop))
        steps.append(Step("exai_finish_error", "exai_error", back.error, (*reads, *out), reads, out, "the map"))
        return replace(back.plan, steps=tuple(steps), buffers=back.buffers)
    if back.wants(stop) == "relevance":
        size = 4 * back.reading.layout(stop)[1]
        room = back.buffer("sb", size, "scratch")
        channels = low.tensor(stop).shape[-1]
        run = channels if len(back.shape) > 2 else 1
        fields: dict[str, Any] = {
            "pixels": prod(low.tensor(stop).shape) // channels,
            "channels": channels,
            "run": run,
        }
        fields |= {"from": Literal("EXAI_RELEVANCE"), "form": Literal("EXAI_MAP")}
        arguments = (Literal(str(channels)), back.flow(stop), ways.NULL, *out, room)
        step = Step("exai_back_same", "exai_keep", fields, arguments, (back.flow(stop),), (*out, room), "the map")
        steps.append(step)
    numbers = (Literal(f"{back.scale.hex()}f"), Literal(str(pixels)))
    steps.append(Step("exai_finish", "", {}, (*numbers, *out), out, out, "the map"))
    return replace(back.plan, steps=tuple(steps), buffers=back.buffers)
