"""What a node says of itself, status and metrics, field by field: what has not its type is refused.

A page, a metric and an alarm are made of these, and a node is not trusted to know what they can show.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edgexai.errors import FrameError
from edgexai.messaging.messages import MAX_PAYLOAD
from edgexai.messaging.strict import loads

SHORT, MOST_LABELS, MOST_TRIALS = 64, 1000, 16

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= SHORT and value.isprintable()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list(check: Check, most: int) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _table(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(_text(k) for k in value) and all(map(check, value.values()))


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _number(value) or _text(value)


def _histogram(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _text(k) and (_plain(v) or _list(_number, 4096)(v) or _table(_number)(v)) for k, v in value.items()
    )


def _trials(value: Any) -> bool:
    """What `probe` has found: the model, and outcomes of counts (`edgexai.intervention.trial`)."""
    if not isinstance(value, dict) or not _text(value.get("model")) or not isinstance(value.get("found"), list):
        return False
    counts = {"class": _count, "of": _count, "n": _count, "donors": _list(_count, 2)}
    return len(value["found"]) <= MOST_TRIALS and all(
        isinstance(one, dict)
        and all(key in one and check(one[key]) for key, check in counts.items())
        and _table(_list(_number, 4))(one.get("ways"))
        for one in value["found"]
    )


STATUS: Mapping[str, Check] = {
    "state": _text,
    "boot": _text,
    "version": _text,
    "privacy": _table(lambda v: _plain(v) or _list(_plain, 64)(v)),
    "model": _text,
    "composite": _text,
    "target": lambda v: _text(v) or type(v) is int,
    "grid": _or_none(_list(_count, 3)),
    "board": _or_none(_text),
    "started": _number,
    "labels": _list(_text, MOST_LABELS),
    "context": _table(_text),
    "commands": lambda v: isinstance(v, bool),
    "outbox": _text,
}
METRICS: Mapping[str, Check] = {
    "boot": _text,
    "time": _number,
    "uptime": _number,
    "samples": _count,
    "explained": _count,
    "bytes": _count,
    "refused": _count,
    "latency_ms": _or_none(_histogram),
    "predict_ms": _or_none(_histogram),
    "score": _or_none(_histogram),
    "predicted": _or_none(_table(_number)),
    "targets": _or_none(_table(_number)),
    "confirmed": _count,
    "resent": _count,
    "commands_refused": _count,
    "messages_refused": _count,
    "dropped": _count,
    "shortened": _count,
    "damaged": _count,
    "trouble": _or_none(lambda v: isinstance(v, str) and len(v) <= 500 and v.isprintable()),
    "waiting": _table(_count),
    "energy_uj": _or_none(_number),
    "privacy": _table(_plain),
    "trials": _trials,
}
KINDS = {"status": STATUS, "metrics": METRICS}


def note(kind: str, payload: bytes) -> dict[str, Any]:
    """A node's ``status`` or ``metrics``; FrameError for a field of another type.

    Fields that this version does not know stay where they are plain values, and go where they are not: a newer node
    is no enemy.
    """
    known, message = KINDS[kind], loads(payload, MAX_PAYLOAD)
    for field, value in message.items():
        if field in known and not known[field](value):
            raise FrameError(f"the {kind} says a {field} that is none")
    return {field: value for field, value in message.items() if field in known or (_text(field) and _plain(value))}
