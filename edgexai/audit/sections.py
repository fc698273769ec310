"""The sixteen sections, one function each: evidence → text, figures and what was not assessed.

After Annex IV of the EU's AI Act, the ITU/WHO reference on AI for health, FUTURE-AI (Lekadir et al. 2025) and the
FDA's predetermined change control plans. No section claims what was not measured.
"""

import hashlib
from datetime import UTC, datetime

import numpy as np

from edgexai._version import VERSION
from edgexai.audit import quality
from edgexai.audit.bill import bill_of_materials
from edgexai.audit.evidence import MOST_JUDGED, Evidence, maps_of
from edgexai.audit.questions import QUESTIONS
from edgexai.audit.report import Page, Report, Section
from edgexai.audit.shortcuts import (
    ENOUGH,
    LEAST,
    SUSPECT,
    as_a_whole,
    frames,
    outstanding,
    tested,
)
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.errors import Error
from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.statistics import false_discovery
from edgexai.fleet.read import evidence as stored
from edgexai.graph import load
from edgexai.intervention.whole import ENOUGH as ENOUGH_WHOLE

FEW = 8
"""Members of a subgroup or class below which no figure is given."""


def report(evidence: Evidence) -> Report:
    """All sections; the same evidence gives the same report."""
    digest = hashlib.sha256(evidence.model.read_bytes()).hexdigest()
    sections = [section(evidence) for section in SECTIONS]
    bill = bill_of_materials(evidence.model.name, digest)
    return Report(evidence.model.name, digest, VERSION, evidence.command, tuple(sections), bill)


def _page(evidence: Evidence, number: int, title: str, *asked: str) -> Page:
    page = Page(number, title, evidence.command)
    for key in asked:
        if key in evidence.answers:
            page.say(f"{QUESTIONS[key]} {evidence.answers[key]}")
        else:
            page.lack(f"{QUESTIONS[key]} Answer `{key}` in audit.toml.")
    return page


def intended_use(evidence: Evidence) -> Section:
    """1: asked."""
    return _page(evidence, 1, "Intended use, users, foreseeable misuse", "intended_use", "misuse").done()


def identity(evidence: Evidence) -> Section:
    """2: which file this is."""
    page = _page(evidence, 2, "Model identity", "hardware", "changes")
    content, graph = evidence.model.read_bytes(), evidence.graph
    page.figure("SHA-256", hashlib.sha256(content).hexdigest(), "of the file")
    page.figure("size", f"{len(content):,} bytes", "of the file")
    page.figure("operators", f"{len(graph.ops)}", "counted in the file")
    for role, ports in (("input", graph.inputs), ("output", graph.outputs)):
        for t in ports:
            tensor = graph.tensors[t]
            shape = "×".join(map(str, tensor.shape))
            page.figure(f"{role} {tensor.name}", f"{shape} {tensor.dtype.name.lower()}", "read from the file")
    page.figure("edgexai", VERSION, "the version that made this report")
    return page.done()


def data(evidence: Evidence) -> Section:
    """3: what it learnt from and is tested on."""
    page = _page(evidence, 3, "Training, calibration and test data", "data_origin", "labels", "demographics")
    for name, given in (("training or calibration data", evidence.data), ("test data", evidence.test)):
        if given is None:
            page.lack(f"{name}: none was given")
            continue
        x, y = given
        page.figure(f"{name}, samples", f"{len(x):,}", "counted", len(x))
        if y is None:
            page.lack(f"{name}: no labels")
        else:
            counts = np.unique(np.asarray(y), return_counts=True)
            page.figure(
                f"{name}, classes", ", ".join(f"{k}: {n}" for k, n in zip(*counts, strict=True)), "counted", len(x)
            )
        flat = np.ascontiguousarray(x.reshape(len(x), -1))
        same = len(x) - len(np.unique(flat, axis=0))
        page.figure(f"{name}, samples that occur twice", f"{same}", "compared bit by bit", len(x))
    if evidence.data is not None and evidence.test is not None:
        one = {np.ascontiguousarray(v).tobytes() for v in evidence.data[0]}
        both = sum(np.ascontiguousarray(v).tobytes() in one for v in evidence.test[0])
        page.figure(
            "test samples that are in the other data too", f"{both}", "compared bit by bit", len(evidence.test[0])
        )
    return page.done()


def scope(evidence: Evidence) -> Section:
    """4: what it is not for; what could not be checked stands in the summary."""
    page = _page(evidence, 4, "Scope, and what could not be checked", "scope")
    page.say("Everything that was not assessed is listed in the summary of this report, section by section.")
    return page.done()


def performance(evidence: Evidence) -> Section:
    """5: accuracy, by class, and whether its confidence is right."""
    page = _page(evidence, 5, "Performance")
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
    page = _page(evidence, 6, "Subgroups, and relevance by subgroup")
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
        found = [c for c, q in zip(candidates, rates, strict=True) if q <= 0.1]
        page.figure("group and class pairs whose maps were compared", str(len(candidates)), "MMD and Welch's t")
        page.figure("of which differ", str(len(found)), "false-discovery rate 10 %")
        page.say(*(c.text for c in found))
    return page.done()


def robustness(evidence: Evidence) -> Section:
    """7: what a little harm to the input does."""
    page = _page(evidence, 7, "Robustness and drift")
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


def explanations(evidence: Evidence) -> Section:
    """8: whether the heatmaps say what the model does."""
    page = _page(evidence, 8, "Quality of explanations")
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
    noisy = _noise(x, 0.02, np.random.default_rng(1))
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
    page = _page(evidence, 9, "Clever-Hans findings")
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
            named = evidence.called(every.target)
            where = outstanding(evidence, every.target)
            page.say(every.text(named) + (f" It looks at the {where} far more than other classes do." if where else ""))
    if not confirmed and (every is None or not every.confirmed):
        page.say(
            "No shortcut was confirmed. That does not prove that there is none: "
            "only what varies within a class is seen."
        )
    return page.done()


def _trial(finding: Finding) -> str:
    return "" if finding.trial is None else finding.trial.text("this class")


def compression(evidence: Evidence) -> Section:
    """10: before and after."""
    page = _page(evidence, 10, "Compression, and comparison with another model")
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


def energy(evidence: Evidence) -> Section:
    """11: what it costs."""
    page = _page(evidence, 11, "Energy, latency, memory")
    found = cost(evidence.graph, evidence.board)
    page.figure("multiply-accumulates", f"{found.macs:,}", "counted in the graph")
    page.figure("file", f"{found.bytes:,} bytes", "counted")
    page.figure("peak memory of maps", f"{found.ram:,} bytes", "counted: all maps alive at once")
    if evidence.board is None:
        page.lack("latency and energy: give --board")
        return page.done()
    how = f"predicted for {evidence.board.title}, not measured"
    for name, value, unit in (("latency", found.latency_ms, "ms"), ("energy", found.energy_uj, "µJ")):
        if value is None:
            page.lack(f"{name}: nobody has published the figures of this board")
        else:
            page.figure(name, f"{value:,.2f} {unit}", how)
    return page.done()


def oversight(evidence: Evidence) -> Section:
    """12: asked."""
    return _page(evidence, 12, "Human oversight, instructions for use", "oversight", "instructions").done()


def security(evidence: Evidence) -> Section:
    """13: asked, with a bill of materials."""
    page = _page(evidence, 13, "Privacy, security, signing, bill of materials", "privacy", "security")
    bill = bill_of_materials(evidence.model.name, hashlib.sha256(evidence.model.read_bytes()).hexdigest())
    for part in bill["components"]:
        page.figure(part["name"], part["version"], "installed where this report was made (CycloneDX 1.5)")
    return page.done()


def monitoring(evidence: Evidence) -> Section:
    """14: what came from the field."""
    page = _page(evidence, 14, "Logging and monitoring", "monitoring")
    if evidence.store is None:
        page.lack("explanations from the field: give the fleet's store with --store")
        return page.done()
    for one in stored(evidence.store):
        page.figure(f"frames of model {one.model[:12]}", f"{len(one):,}", "read from the store", len(one))
        page.figure(f"nodes of model {one.model[:12]}", str(len(np.unique(one.node))), "read from the store", len(one))
        days = [datetime.fromtimestamp(t, UTC).date().isoformat() for t in (one.time.min(), one.time.max())]
        page.figure(f"time of model {one.model[:12]}", f"{days[0]} to {days[1]}", "the nodes' clocks", len(one))
    return page.done()


def changes(evidence: Evidence) -> Section:
    """15: asked."""
    return _page(evidence, 15, "Permitted changes", "permitted_changes").done()


def residual(evidence: Evidence) -> Section:
    """16: asked."""
    return _page(evidence, 16, "Residual risk, recommendations, sign-off", "residual_risk", "sign_off").done()


SECTIONS = (
    intended_use, identity, data, scope, performance, subgroups, robustness, explanations,
    clever_hans, compression, energy, oversight, security, monitoring, changes, residual,
)  # fmt: skip


def _calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)]
    return float(np.sum(gaps))


def _harms(x: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs with noise, moved, with a dead channel, and rounded to 16 levels."""
    random = np.random.default_rng(0)
    found = {f"noise of {share:.0%} of the data's spread": _noise(x, share, random) for share in (0.02, 0.1, 0.3)}
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


def _noise(x: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    spread = float(np.asarray(x, np.float64).std())
    return _typed(np.asarray(x, np.float64) + random.normal(0, share * spread, x.shape), x)


def _typed(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    if like.dtype.kind not in "iu":
        return values.astype(like.dtype)
    limits = np.iinfo(like.dtype)
    return np.asarray(np.clip(np.rint(values), limits.min, limits.max), like.dtype)


def _runners_up(evidence: Evidence, x: np.ndarray, p: np.ndarray) -> np.ndarray | None:
    from edgexai.graph import serialize
    from edgexai.relevance import attach
    from edgexai.runtime.explainer import Explainer

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


def _real(evidence: Evidence) -> np.ndarray:
    """The samples as the user gave them, for a model of another type."""
    from edgexai.compress.measure.execute import real

    return real(evidence.graph, evidence.graph.inputs[0], evidence.x)
