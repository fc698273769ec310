"""Whether heatmaps say what the model does, and whether it is right for the wrong reason: sections 8 and 9."""

import numpy as np

from edgexai.audit import quality
from edgexai.audit.evidence import MOST_JUDGED, Evidence, maps_of
from edgexai.audit.outputs import Kind, chances
from edgexai.audit.picture import Panel, svg
from edgexai.audit.report import Page, Section
from edgexai.audit.sections.asked import begun
from edgexai.audit.sections.robustness import noise
from edgexai.audit.shortcuts import ENOUGH, LEAST, SUSPECT, as_a_whole, placed, tested
from edgexai.compress.measure.faithfulness import values
from edgexai.errors import Error
from edgexai.fleet.analysis.finding import Finding
from edgexai.graph import serialize
from edgexai.intervention.features import flat
from edgexai.intervention.whole import ENOUGH as ENOUGH_WHOLE
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer

MOST_NAMED = 8
"""Classes of too few samples beyond which they are told in one line."""


def explanations(evidence: Evidence) -> Section:
    """8: whether the heatmaps say what the model does."""
    page = begun(evidence, 8, "Quality of explanations")
    page.say(
        "A heatmap gives each value of the input its relevance: how much it spoke for the prediction, or against it. "
        "Here heatmaps are tested. Faithfulness: does the prediction fall if what is relevant is taken away? "
        "Randomization: does a network whose weights were shuffled, which knows nothing, give other heatmaps? "
        "Stability: does a heatmap stay if the input hardly changes? Class sensitivity: does it differ from class to "
        "class?"
    )
    pick = np.arange(len(evidence.maps))[:MOST_JUDGED]
    x, maps = evidence.x[evidence.chosen[pick]], evidence.maps[pick]
    _faithfulness(page, evidence, x, maps, evidence.targets[pick])
    signs = evidence.signs[pick].reshape(-1, *[1] * (maps.ndim - 1))
    random = maps_of(quality.randomized(evidence.graph), x) * signs
    page.interval(
        "randomization: efficient MPRT", quality.mean(quality.efficient_mprt(maps, random)),
        "rise of a map's disorder (entropy) when all weights are shuffled; above 0 is right",
    )  # fmt: skip
    page.interval(
        "randomization: correlation with maps of shuffled weights", quality.mean(quality.correlation(maps, random)),
        "near 0 is right",
    )  # fmt: skip
    noisy = noise(x, 0.02, np.random.default_rng(1))
    again = maps_of(evidence.graph, noisy)
    same = np.ones(len(x), np.bool_)
    if evidence.has_classes:
        same = chances(evidence.graph, noisy).argmax(1) == evidence.predicted[evidence.chosen[pick]]
    moved = quality.max_sensitivity(maps, (again * signs)[None], same[None])
    page.interval("stability: change of maps under 2 % of noise", quality.mean(moved), "‖ΔR‖ / ‖R‖; 0 is stable")
    page.interval(
        "sparseness",
        quality.mean(quality.sparseness(maps)),
        "Gini coefficient of |relevance|: 0 all alike, 1 all in one place",
    )
    said = [evidence.explanations[i].conservation for i in pick]
    page.interval("completeness: Σ relevance / score", quality.mean(said), "1 where nothing is lost to biases")
    other = _runners_up(evidence, x, evidence.chosen[pick])
    if other is None:
        page.lack("class sensitivity: the model has one output, or takes no weights for its classes")
    else:
        page.interval(
            "class sensitivity: correlation with the runner-up's map",
            quality.mean(quality.class_sensitivity(maps, other)), "the lower, the more a map says of its class",
        )  # fmt: skip
    if evidence.against is None:
        page.lack("int8 against float: whether compression changes the reasons; give the other model with --against")
    else:
        page.say("How the maps of this model and the other agree, mostly int8 against float, stands in section 10.")
    return page.done()


def _faithfulness(page: Page, evidence: Evidence, x: np.ndarray, maps: np.ndarray, targets: np.ndarray) -> None:
    """Whether what is relevant moves the output: probabilities, or of a number the output in standard deviations."""
    if evidence.kind is Kind.OTHER:
        page.lack(f"faithfulness: the model's output is {evidence.kind.value}")
        return
    unit = "" if evidence.has_classes else "in standard deviations of the output; "
    where = f"{unit}chance 0; {evidence.measured_on}, composite edge"

    def predict(v: np.ndarray) -> np.ndarray:
        if evidence.has_classes:
            return chances(evidence.graph, v)
        return values(evidence.graph, v) / (float(evidence.values.std()) or 1.0)

    gain = quality.symmetric_gain(predict, x, maps, targets, evidence.fill)
    page.interval("faithfulness: symmetric relevance gain", quality.mean(gain), f"realistic fill; {where}")
    gain = quality.symmetric_gain(predict, x, maps, targets, quality.FILLS["mean"](evidence.x))
    page.interval("faithfulness: the same with the mean as fill", quality.mean(gain), where)


def clever_hans(evidence: Evidence) -> Section:
    """9: right for the wrong reason?"""
    page = begun(evidence, 9, "Clever-Hans findings")
    if not evidence.has_classes:
        page.lack(f"shortcuts: they are looked for within classes, and the model's output is {evidence.kind.value}")
        return page.done()
    targets = evidence.targets
    classes, counts = np.unique(targets, return_counts=True)
    enough = classes[counts >= LEAST]
    if not len(enough):
        page.lack(f"shortcuts: no predicted class has {LEAST} explained samples")
        return page.done()
    rare = classes[counts < LEAST]
    if len(rare) > MOST_NAMED:
        page.lack(f"shortcuts of {len(rare)} classes: fewer than {LEAST} explained samples each")
    else:
        page.lack(*(f"shortcuts of {evidence.called(int(k))}: fewer than {LEAST} explained samples" for k in rare))
    page.say(
        "A model is a Clever Hans if it is right for a wrong reason, as by a label that the photographer left in the "
        "picture. Members of a class whose heatmaps stand out are suspected, and each suspicion is put to a trial: "
        "what they are recognised by is put into samples of other classes, and if the model then takes those for the "
        "class far more often than by parts of ordinary members, it is confirmed."
    )
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
            "only what varies within a class is seen, and only what these samples carry."
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


def _runners_up(evidence: Evidence, x: np.ndarray, which: np.ndarray) -> np.ndarray | None:
    if evidence.kind is not Kind.CLASSES:
        return None
    p = evidence.probabilities[which]
    try:
        explainer = Explainer(serialize(attach(evidence.graph, "edge", target="input")))
        second = np.argsort(-p, axis=1)[:, 1]
        return np.stack(
            [explainer(one, np.eye(p.shape[1])[k], unit="by type").relevance for one, k in zip(x, second, strict=True)]
        )
    except Error:
        return None
