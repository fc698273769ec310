"""What harm and time do: sections 7 and 14."""

from datetime import UTC, datetime

import numpy as np

from edgexai.audit import quality
from edgexai.audit.evidence import Evidence
from edgexai.audit.outputs import chances
from edgexai.audit.report import Page, Section
from edgexai.audit.sections.asked import begun
from edgexai.compress.measure.faithfulness import values
from edgexai.fleet.read import evidence as stored
from edgexai.graph.write import fingerprint


def robustness(evidence: Evidence) -> Section:
    """7: what a little harm to the input does."""
    page = begun(evidence, 7, "Robustness and drift")
    x, where = evidence.x, f"{len(evidence.x)} {evidence.measured_on}"
    spread = float(evidence.values.std())
    for name, moved in _harms(x).items():
        if evidence.has_classes:
            same = chances(evidence.graph, moved).argmax(1) == evidence.predicted
            page.interval(f"same prediction under {name}", quality.share(same), where, True)
        elif spread > 0:
            change = np.abs(values(evidence.graph, moved) - evidence.values).mean(1) / spread
            how = f"mean |change| in standard deviations of the output; {where}"
            page.interval(f"change of the output under {name}", quality.mean(change), how)
    if not evidence.has_classes and not spread > 0:
        page.lack("change of the output: it is the same for every sample")
    if x.shape[-1] == 1:
        page.lack("dead channels: the input has only one")
    if evidence.learnt is None or evidence.test is None:
        page.lack("drift between training and test data: give both --data and --test")
    else:
        _drift(page, evidence.learnt, x)
    return page.done()


def _drift(page: Page, learnt: np.ndarray, x: np.ndarray) -> None:
    """How far the means of the two sets are apart, both in the model's own type."""
    one, other = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (learnt, x))
    varies = one.std(0) > 0
    if not varies.any():
        page.lack("drift between training and test data: nothing varies in the training or calibration data")
        return
    shift = np.abs(one.mean(0) - other.mean(0))[varies] / one.std(0)[varies]
    page.figure(
        "median and largest shift of a value between the two sets",
        f"{np.median(shift):.2f} and {shift.max():.2f} standard deviations",
        f"difference of means, of {varies.sum():,} values that vary in the training or calibration data", len(other),
    )  # fmt: skip
    new = int((~varies & (other != one[0]).any(0)).sum())
    if new:
        page.figure("values that vary in the test data alone", f"{new:,}", f"of {len(varies):,}", len(other))


def monitoring(evidence: Evidence) -> Section:
    """14: what came from the field."""
    page = begun(evidence, 14, "Logging and monitoring", "monitoring")
    if evidence.store is None:
        page.lack("explanations from the field: give the fleet's store with --store")
        return page.done()
    every, own = stored(evidence.store), fingerprint(evidence.graph)
    frames = [one for one in every if own.startswith(one.model)]
    if not frames:
        page.lack(f"explanations from the field: {evidence.store} holds no frame of this model")
    rest = sum(len(one) for one in every) - sum(len(one) for one in frames)
    if rest:
        page.figure("frames of other models in the store", f"{rest:,}", "read from the store, not assessed here", rest)
    for one in frames:
        page.figure(f"frames of model {one.model[:12]}", f"{len(one):,}", "read from the store", len(one))
        page.figure(f"nodes of model {one.model[:12]}", str(len(np.unique(one.node))), "read from the store", len(one))
        days = [datetime.fromtimestamp(t, UTC).date().isoformat() for t in (one.time.min(), one.time.max())]
        page.figure(f"time of model {one.model[:12]}", f"{days[0]} to {days[1]}", "the nodes' clocks", len(one))
    return page.done()


def _harms(x: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs with noise, moved, with a dead channel, and rounded to 16 levels."""
    random = np.random.default_rng(0)
    of = "each column's" if x.ndim == 2 else "the data's"
    found = {f"noise of {share:.0%} of {of} spread": noise(x, share, random) for share in (0.02, 0.1, 0.3)}
    if x.ndim > 2:
        found["a shift by one position"] = np.roll(x, 1, axis=1)
    dead = x.copy()
    real = np.asarray(x, np.float64)
    channels = random.permutation(x.shape[-1])[: len(x)]
    for place, i in enumerate(channels):
        part = np.arange(len(x)) % len(channels) == place
        level = real[..., i].mean()
        dead[part, ..., i] = np.rint(level) if x.dtype.kind in "iu" else level
    if x.shape[-1] > 1:
        found["one dead channel, another in each sample"] = dead
    step = np.maximum(np.ptp(real, axis=_unlike(x)) / 16, 1e-12)
    found["rounding to 16 levels"] = _typed(np.rint(real / step) * step, x)
    return found


def noise(x: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """x with normal noise of a share of its spread (of a table: of each column's), in its own type."""
    spread = np.asarray(x, np.float64).std(axis=_unlike(x))
    return _typed(np.asarray(x, np.float64) + random.normal(0, share * spread, x.shape), x)


def _unlike(x: np.ndarray) -> int | None:
    """Columns of a table have units of their own; elsewhere all values have one."""
    return 0 if x.ndim == 2 else None


def _typed(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    if like.dtype.kind not in "iu":
        return values.astype(like.dtype)
    limits = np.iinfo(like.dtype)
    return np.asarray(np.clip(np.rint(values), limits.min, limits.max), like.dtype)
