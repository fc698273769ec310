"""How often it is right, on whom, and compared with another model: sections 5, 6 and 10."""

import numpy as np

from edgexai.audit import quality
from edgexai.audit.evidence import MOST_JUDGED, Evidence, maps_of
from edgexai.audit.outputs import Kind, chances, kind_of
from edgexai.audit.report import Page, Section
from edgexai.audit.sections.asked import begun
from edgexai.audit.shortcuts import frames
from edgexai.compress.measure.execute import real
from edgexai.compress.measure.faithfulness import values
from edgexai.fleet.analysis.analyse import RATE
from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.statistics import false_discovery
from edgexai.graph import Graph, load

FEW = 8
"""Members of a subgroup or class below which no figure is given."""
MOST_NAMED = 8
"""Subgroups or classes of too few members beyond which they are told in one line."""


def performance(evidence: Evidence) -> Section:
    """5: accuracy, by class, and whether its confidence is right."""
    page = begun(evidence, 5, "Performance")
    if evidence.test is None:
        page.lack("performance: give held-out samples with --test; training samples say nothing of new ones")
        return page.done()
    if evidence.test[1] is None:
        page.lack("performance: the test samples have no labels y")
        return page.done()
    y = evidence.y
    if y is None:
        _errors(page, evidence)
        return page.done()
    right = evidence.predicted == y
    page.interval("accuracy", quality.share(right), "share right on the test samples, Wilson's interval", True)
    for k in np.unique(y):
        own = y == k
        if own.sum() >= FEW:
            page.interval(f"recall of {evidence.called(int(k))}", quality.share(right[own]), "share right", True)
    few = [(evidence.called(int(k)), int((y == k).sum())) for k in np.unique(y) if (y == k).sum() < FEW]
    _too_few(page, [(f"recall of {who}", n) for who, n in few], f"recall of {len(few)} classes")
    sure = evidence.probabilities.max(1)
    page.interval("confidence", quality.mean(sure), "mean of the largest probability, bootstrap", True)
    page.figure(
        "expected calibration error", f"{_calibration_error(sure, right):.3f}",
        "ten bins of confidence (Guo et al. 2017)", len(y),
    )  # fmt: skip
    return page.done()


def subgroups(evidence: Evidence) -> Section:
    """6: every group, and whether its reasons differ."""
    page = begun(evidence, 6, "Subgroups, and relevance by subgroup")
    if evidence.groups is None:
        page.lack("subgroups: give --groups, one name a test sample")
        return page.done()
    groups, y = evidence.groups, evidence.y if evidence.test is not None else None
    errors = None if evidence.test is None else _error_of(evidence, evidence.values)
    names = np.unique(groups)
    for name in names:
        own = groups == name
        if own.sum() < FEW:
            continue
        if y is not None:
            page.interval(f"accuracy of {name}", quality.share((evidence.predicted == y)[own]), "share right", True)
        elif errors is not None:
            page.interval(f"mean absolute error of {name}", quality.mean(errors[own]), "bootstrap")
    few = [(f"group {name}", int((groups == name).sum())) for name in names if (groups == name).sum() < FEW]
    _too_few(page, few, f"{len(few)} groups")
    if y is None and errors is None:
        page.lack("accuracy by group: held-out labels are wanted")
    candidates = biases(frames(evidence, groups[evidence.chosen]))
    if not candidates:
        page.lack("relevance by group: no class has 20 explained samples in two groups")
    else:
        rates = false_discovery([c.p for c in candidates])
        found = [c for c, q in zip(candidates, rates, strict=True) if q <= RATE]
        page.figure(
            "group and class pairs whose maps were compared",
            str(len(candidates)),
            "tests whether two sets of maps differ: MMD, Welch's t",
        )
        page.figure("of which differ", str(len(found)), f"false-discovery rate {RATE:.0%}")
        page.say(*(c.text for c in found))
    return page.done()


def compression(evidence: Evidence) -> Section:
    """10: before and after."""
    page = begun(evidence, 10, "Compression, and comparison with another model")
    if evidence.against is None:
        page.lack("the model before compression, or another training: give it with --against")
        return page.done()
    other = load(evidence.against)
    size = evidence.model.stat().st_size, evidence.against.stat().st_size
    page.figure("size", f"{size[0]:,} bytes, the other {size[1]:,}", "of the files")
    if kind_of(other) is not evidence.kind or values(other, _real(evidence)[:1]).size != evidence.values.shape[1]:
        page.lack("predictions and heatmaps side by side: the other model's output is not of the same kind and size")
        return page.done()
    if evidence.has_classes:
        _predictions(page, evidence, other)
    else:
        _numbers(page, evidence, other)
    pick = evidence.chosen[:MOST_JUDGED]
    theirs = maps_of(other, _real(evidence)[pick])
    signs = evidence.signs[:MOST_JUDGED].reshape(-1, *[1] * (theirs.ndim - 1))
    alike = quality.correlation(evidence.maps[:MOST_JUDGED], theirs * signs)
    page.interval("correlation of heatmaps", quality.mean(alike), "of the predicted class; 1 is the same reasons")
    return page.done()


def _predictions(page: Page, evidence: Evidence, other: Graph) -> None:
    """Classes of the two models side by side."""
    after, before = evidence.predicted, chances(other, _real(evidence)).argmax(1)
    page.interval("same prediction", quality.share(after == before), evidence.measured_on, True)
    if evidence.y is not None and evidence.test is not None:
        for name, p in (("this model", after), ("the other", before)):
            page.interval(f"accuracy of {name}", quality.share(p == evidence.y), "test samples", True)
        difference = (after == evidence.y).astype(float) - (before == evidence.y)
        page.interval("difference of accuracy", quality.mean(difference), "paired, bootstrap", True)
        if evidence.groups is not None:
            for name in np.unique(evidence.groups):
                own = evidence.groups == name
                if own.sum() >= FEW:
                    page.interval(f"difference in {name}", quality.mean(difference[own]), "paired, bootstrap", True)
    else:
        page.lack("accuracy before and after: held-out labels are wanted")


def _numbers(page: Page, evidence: Evidence, other: Graph) -> None:
    """Outputs of two models that have no classes."""
    theirs, spread = values(other, _real(evidence)), float(evidence.values.std())
    if spread > 0:
        how = f"in standard deviations of the output; {evidence.measured_on}"
        page.interval("difference of outputs", quality.mean(np.abs(evidence.values - theirs).mean(1) / spread), how)
    if evidence.test is not None and (errors := _error_of(evidence, evidence.values)) is not None:
        before = _error_of(evidence, theirs)
        assert before is not None
        page.interval("mean absolute error of this model", quality.mean(errors), "test samples, bootstrap")
        page.interval("mean absolute error of the other", quality.mean(before), "test samples, bootstrap")
        page.interval("difference of absolute errors", quality.mean(errors - before), "paired, bootstrap")
    else:
        page.lack("errors before and after: held-out labels of one number are wanted")


def _error_of(evidence: Evidence, found: np.ndarray) -> np.ndarray | None:
    """The absolute error of each sample (N,) of a model of one number, if the truth is known."""
    if evidence.kind is not Kind.NUMBER or evidence.truth is None:
        return None
    return np.asarray(np.abs(found[:, 0] - evidence.truth))


def _errors(page: Page, evidence: Evidence) -> None:
    """Of a model of one number; of other outputs it says that they were not assessed."""
    errors = _error_of(evidence, evidence.values)
    if errors is None or evidence.truth is None:
        page.lack(f"performance: the model's output is {evidence.kind.value}")
        return
    page.interval("mean absolute error", quality.mean(errors), "in the unit of the labels, bootstrap")
    guess = np.abs(evidence.truth - np.median(evidence.truth))
    page.interval("the same of always guessing the median", quality.mean(guess), "what a model must fall below")
    page.lack("calibration of confidence: a model of one number says none")


def _too_few(page: Page, who: list[tuple[str, int]], together: str) -> None:
    """What has too few samples, each by name, or all in one line where they are many."""
    if len(who) <= MOST_NAMED:
        page.lack(*(f"{name}: {n} samples, at least {FEW} are wanted" for name, n in who))
    else:
        page.lack(f"{together}: fewer than {FEW} samples each, {sum(n for _, n in who)} in all")


def _calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)]
    return float(np.sum(gaps))


def _real(evidence: Evidence) -> np.ndarray:
    """The samples as the user gave them, for a model of another type."""
    return real(evidence.graph, evidence.graph.inputs[0], evidence.x)
