"""What harm and time do: sections 7 and 14."""

from datetime import UTC, datetime

import numpy as np

from edgexai.audit import quality
from edgexai.audit.evidence import Evidence
from edgexai.audit.report import Section
from edgexai.audit.sections.asked import begun
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.fleet.read import evidence as stored


def robustness(evidence: Evidence) -> Section:
    """7: what a little harm to the input does."""
    page = begun(evidence, 7, "Robustness and drift")
    x, before = evidence.x, evidence.predicted
    n, where = len(x), evidence.measured_on
    for name, moved in _harms(x).items():
        after = probabilities(evidence.graph, moved).argmax(1)
        page.interval(f"same prediction under {name}", quality.share(after == before), f"{n} {where}", True)
    if evidence.data is None or evidence.test is None:
        page.lack("drift between training and test data: give both --data and --test")
    else:
        one, other = (np.asarray(v[0], np.float64).reshape(len(v[0]), -1) for v in (evidence.data, evidence.test))
        shift = np.abs(one.mean(0) - other.mean(0)) / np.maximum(one.std(0), 1e-9)
        page.figure(
            "median and largest shift of a value between the two sets",
            f"{np.median(shift):.2f} and {shift.max():.2f} standard deviations", "difference of means", len(other),
        )  # fmt: skip
    return page.done()


def monitoring(evidence: Evidence) -> Section:
    """14: what came from the field."""
    page = begun(evidence, 14, "Logging and monitoring", "monitoring")
    if evidence.store is None:
        page.lack("explanations from the field: give the fleet's store with --store")
        return page.done()
    for one in stored(evidence.store):
        page.figure(f"frames of model {one.model[:12]}", f"{len(one):,}", "read from the store", len(one))
        page.figure(f"nodes of model {one.model[:12]}", str(len(np.unique(one.node))), "read from the store", len(one))
        days = [datetime.fromtimestamp(t, UTC).date().isoformat() for t in (one.time.min(), one.time.max())]
        page.figure(f"time of model {one.model[:12]}", f"{days[0]} to {days[1]}", "the nodes' clocks", len(one))
    return page.done()


def _harms(x: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs with noise, moved, with a dead channel, and rounded to 16 levels."""
    random = np.random.default_rng(0)
    found = {f"noise of {share:.0%} of the data's spread": noise(x, share, random) for share in (0.02, 0.1, 0.3)}
    if x.ndim > 2:
        found["a shift by one position"] = np.roll(x, 1, axis=1)
    dead = x.copy()
    values = np.asarray(x, np.float64)
    for i in range(x.shape[-1]):
        if x.shape[-1] > 16 and i % (x.shape[-1] // 16):
            continue
        part = np.arange(len(x)) % x.shape[-1] == i
        level = values[..., i].mean()
        dead[part, ..., i] = np.rint(level) if x.dtype.kind in "iu" else level
    if x.shape[-1] > 1:
        found["one dead channel"] = dead
    step = max(float(np.ptp(values)) / 16, 1e-12)
    found["rounding to 16 levels"] = _typed(np.rint(values / step) * step, x)
    return found


def noise(x: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """x with normal noise of a share of its spread, in its own type."""
    spread = float(np.asarray(x, np.float64).std())
    return _typed(np.asarray(x, np.float64) + random.normal(0, share * spread, x.shape), x)


def _typed(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    if like.dtype.kind not in "iu":
        return values.astype(like.dtype)
    limits = np.iinfo(like.dtype)
    return np.asarray(np.clip(np.rint(values), limits.min, limits.max), like.dtype)
