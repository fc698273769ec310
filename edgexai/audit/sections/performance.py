"""How often it is right, on whom, and compared with another model: sections 5, 6 and 10."""

import numpy as np

from edgexai.audit import quality
from edgexai.audit.evidence import MOST_JUDGED, Evidence, maps_of
from edgexai.audit.report import Section
from edgexai.audit.sections.asked import begun
from edgexai.audit.shortcuts import frames
from edgexai.compress.measure.execute import real
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.fleet.analysis.analyse import RATE
from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.statistics import false_discovery
from edgexai.graph import load

FEW = 8
"""Members of a subgroup or class below which no figure is given."""


def performance(evidence: Evidence) -> Section:
    """5: accuracy, by class, and whether its confidence is right."""
    page = begun(evidence, 5, "Performance")
    if evidence.test is None:
        page.lack("performance: give held-out samples with --test; training samples say nothing of new ones")
        return page.done()
    y = evidence.y
    if y is None:
        page.lack("performance: the test samples have no labels y")
        return page.done()
    right = evidence.predicted == y
    page.interval("accuracy", quality.share(right), "share right on the test samples, Wilson's interval", True)
    for k in np.unique(y):
        own = y == k
        if own.sum() >= FEW:
            page.interval(f"recall of {evidence.called(int(k))}", quality.share(right[own]), "share right", True)
        else:
            page.lack(f"recall of {evidence.called(int(k))}: {own.sum()} samples, at least {FEW} are wanted")
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
    names = np.unique(groups)
    for name in names:
        own = groups == name
        if own.sum() < FEW:
            page.lack(f"group {name}: {own.sum()} samples, at least {FEW} are wanted")
        elif y is not None:
            page.interval(f"accuracy of {name}", quality.share((evidence.predicted == y)[own]), "share right", True)
    if y is None:
        page.lack("accuracy by group: held-out labels are wanted")
    candidates = biases(frames(evidence, groups[evidence.chosen]))
    if not candidates:
        page.lack("relevance by group: no class has 20 explained samples in two groups")
    else:
        rates = false_discovery([c.p for c in candidates])
        found = [c for c, q in zip(candidates, rates, strict=True) if q <= RATE]
        page.figure("group and class pairs whose maps were compared", str(len(candidates)), "MMD and Welch's t")
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
    after, before = evidence.probabilities.argmax(1), probabilities(other, _real(evidence)).argmax(1)
    size = evidence.model.stat().st_size, evidence.against.stat().st_size
    page.figure("size", f"{size[0]:,} bytes, the other {size[1]:,}", "of the files")
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
    pick = evidence.chosen[:MOST_JUDGED]
    alike = quality.correlation(evidence.maps[:MOST_JUDGED], maps_of(other, _real(evidence)[pick]))
    page.interval("correlation of heatmaps", quality.mean(alike), "of the predicted class; 1 is the same reasons")
    return page.done()


def _calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)]
    return float(np.sum(gaps))


def _real(evidence: Evidence) -> np.ndarray:
    """The samples as the user gave them, for a model of another type."""
    return real(evidence.graph, evidence.graph.inputs[0], evidence.x)
