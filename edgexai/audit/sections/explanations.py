"""Whether heatmaps say what the model does, and whether it is right for the wrong reason: sections 8 and 9."""

import numpy as np

from edgexai.audit import quality
from edgexai.audit.evidence import MOST_JUDGED, Evidence, maps_of
from edgexai.audit.picture import Panel, svg
from edgexai.audit.report import Page, Section
from edgexai.audit.sections.asked import begun
from edgexai.audit.sections.robustness import noise
from edgexai.audit.shortcuts import ENOUGH, LEAST, SUSPECT, as_a_whole, placed, tested
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.errors import Error
from edgexai.fleet.analysis.finding import Finding
from edgexai.graph import serialize
from edgexai.intervention.features import flat
from edgexai.intervention.whole import ENOUGH as ENOUGH_WHOLE
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer


def explanations(evidence: Evidence) -> Section:
    """8: whether the heatmaps say what the model does."""
    page = begun(evidence, 8, "Quality of explanations")
    pick = np.arange(len(evidence.maps))[:MOST_JUDGED]
    x, maps = evidence.x[evidence.chosen[pick]], evidence.maps[pick]
    targets = np.array([evidence.explanations[i].target for i in pick])
    where = f"{evidence.measured_on}, composite edge"

    def predict(v: np.ndarray) -> np.ndarray:
        return probabilities(evidence.graph, v)

    gain = quality.symmetric_gain(predict, x, maps, targets, evidence.fill)
    page.interval("faithfulness: symmetric relevance gain", quality.mean(gain), f"realistic fill; chance 0; {where}")
    level = quality.FILLS["mean"](evidence.x)
    gain = quality.symmetric_gain(predict, x, maps, targets, level)
    page.interval("faithfulness: the same with the mean as fill", quality.mean(gain), f"chance 0; {where}")
    random = maps_of(quality.randomized(evidence.graph), x)
    page.interval(
        "randomization: efficient MPRT", quality.mean(quality.efficient_mprt(maps, random)),
        "rise of the histogram's entropy when all weights are shuffled",
    )  # fmt: skip
    page.interval(
        "randomization: correlation with maps of shuffled weights", quality.mean(quality.correlation(maps, random)),
        "near 0 is right",
    )  # fmt: skip
    noisy = noise(x, 0.02, np.random.default_rng(1))
    same = probabilities(evidence.graph, noisy).argmax(1) == evidence.predicted[evidence.chosen[pick]]
    moved = quality.max_sensitivity(maps, maps_of(evidence.graph, noisy)[None], same[None])
    page.interval("stability: change of maps under 2 % of noise", quality.mean(moved), "‖ΔR‖ / ‖R‖; 0 is stable")
    page.interval("sparseness", quality.mean(quality.sparseness(maps)), "Gini coefficient of |relevance|")
    said = [evidence.explanations[i].conservation for i in pick]
    page.interval("completeness: Σ relevance / score", quality.mean(said), "1 where nothing is lost to biases")
    other = _runners_up(evidence, x, evidence.probabilities[evidence.chosen[pick]])
    if other is None:
        page.lack("class sensitivity: the model has one output, or takes no weights for its classes")
    else:
        page.interval(
            "class sensitivity: correlation with the runner-up's map",
            quality.mean(quality.class_sensitivity(maps, other)), "the lower, the more a map says of its class",
        )  # fmt: skip
    return page.done()


def clever_hans(evidence: Evidence) -> Section:
    """9: right for the wrong reason?"""
    page = begun(evidence, 9, "Clever-Hans findings")
    targets = np.array([e.target for e in evidence.explanations])
    classes, counts = np.unique(targets, return_counts=True)
    enough = classes[counts >= LEAST]
    if not len(enough):
        page.lack(f"shortcuts: no predicted class has {LEAST} explained samples")
        return page.done()
    for k in classes[counts < LEAST]:
        page.lack(f"shortcuts of {evidence.called(int(k))}: fewer than {LEAST} explained samples")
    found = tested(evidence)
    confirmed = [f for f in found if f.verdict == "confirmed"]
    page.figure("classes that were searched", str(len(enough)), "clusters of concepts and logit", len(targets))
    page.figure("suspected parts of classes", str(len(found)), f"p ≤ {SUSPECT}, each tried", len(targets))
    page.figure("confirmed by an intervention", str(len(confirmed)), f"trial, at least {ENOUGH:+.0%}", len(targets))
    for f in found:
        if f.verdict == "confirmed":
            page.say(f"{evidence.called(int(f.target or 0))}: {f.text}")
        else:
            page.say(f"A part of {evidence.called(int(f.target or 0))} stood out (p = {f.p:.2g}). {_trial(f)}")
    every = as_a_whole(evidence)
    if every is not None:
        page.figure(
            "lead of the class that turns most others", f"{every.share - every.next:.0%}",
            f"the most relevant tenth of any member pasted; from {ENOUGH_WHOLE:.0%} on a finding", every.n,
        )  # fmt: skip
        if every.confirmed:
            page.say(every.text(evidence.called(every.target)))
            _where(page, evidence, every.target)
    if not confirmed and (every is None or not every.confirmed):
        page.say(
            "No shortcut was confirmed. That does not prove that there is none: "
            "only what varies within a class is seen."
        )
    return page.done()


def _where(page: Page, evidence: Evidence, target: int) -> None:
    """Where what the class is recognised by lies, if a trial confirms a place, with a picture."""
    found = placed(evidence, target)
    if found is None:
        page.say("Where that lies was not confirmed: it looks nowhere more than other classes do.")
        return
    place, more = found
    shape = more.shape[0], more.shape[1]
    where = place.box.text(shape)
    if not place.confirmed:
        page.say(f"Where that lies was not confirmed. It looks most at {where}, but {place.text()}.")
        return
    called = evidence.called(target)
    page.say(f"It lies at {where}: {place.text()}. {called.capitalize()} looks there far more than other classes do.")
    maps = np.maximum([flat(m) for m in evidence.maps], 0)
    inside = maps[:, place.box.mask(shape)].sum(1) / np.maximum(maps.sum((1, 2)), 1e-30)
    shown = int(np.argmax(np.where(evidence.predicted[evidence.chosen] == target, inside, -1)))
    sample = flat(np.asarray(evidence.x[evidence.chosen[shown]], np.float32))
    panels = [Panel(f"a sample of {called}", sample), Panel("relevance above other classes'", more, signed=True)]
    page.picture(svg(panels, place.box), f"Green: {where}, which was pasted alone.")


def _trial(finding: Finding) -> str:
    return "" if finding.trial is None else finding.trial.text("this class")


def _runners_up(evidence: Evidence, x: np.ndarray, p: np.ndarray) -> np.ndarray | None:
    if p.shape[1] < 2:
        return None
    try:
        explainer = Explainer(serialize(attach(evidence.graph, "edge", target="input")))
        second = np.argsort(-p, axis=1)[:, 1]
        return np.stack(
            [explainer(one, np.eye(p.shape[1])[k], unit="by type").relevance for one, k in zip(x, second, strict=True)]
        )
    except Error:
        return None
