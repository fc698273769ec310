"""Which model this is, what it learnt from, what it costs, what it is made of: sections 2, 3, 11 and 13."""

import hashlib

import numpy as np

from edgexai._version import VERSION
from edgexai.audit.bill import bill_of_materials
from edgexai.audit.evidence import Evidence
from edgexai.audit.report import Section
from edgexai.audit.sections.asked import begun
from edgexai.compress.measure.cost import cost

MOST_LISTED = 20
"""Different labels beyond which they are not listed one by one."""


def identity(evidence: Evidence) -> Section:
    """2: which file this is."""
    page = begun(evidence, 2, "Model identity", "hardware", "changes")
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
    page = begun(evidence, 3, "Training, calibration and test data", "data_origin", "labels", "demographics")
    for name, given in (("training or calibration data", evidence.data), ("test data", evidence.test)):
        if given is None:
            page.lack(f"{name}: none was given")
            continue
        x, y = given
        page.figure(f"{name}, samples", f"{len(x):,}", "counted", len(x))
        content = hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
        page.figure(f"{name}, SHA-256", content, f"of the values, {x.dtype} in C order, as they were read", len(x))
        if y is None:
            page.lack(f"{name}: no labels")
        else:
            counts = np.unique(np.asarray(y), return_counts=True)
            if len(counts[0]) <= MOST_LISTED:
                said = ", ".join(f"{k}: {n}" for k, n in zip(*counts, strict=True))
            else:
                said = f"{len(counts[0]):,} different values, {counts[0].min()} to {counts[0].max()}"
            page.figure(f"{name}, labels", said, "counted", len(x))
        same = len(x) - len({np.ascontiguousarray(v).tobytes() for v in x})
        page.figure(f"{name}, samples that occur twice", f"{same}", "compared bit by bit", len(x))
    if evidence.data is not None and evidence.test is not None:
        assert evidence.learnt is not None
        one = {np.ascontiguousarray(v).tobytes() for v in evidence.learnt}
        both = sum(np.ascontiguousarray(v).tobytes() in one for v in evidence.x)
        page.figure(
            "test samples that are in the other data too", f"{both}", "compared in the model's type", len(evidence.x)
        )
    return page.done()


def energy(evidence: Evidence) -> Section:
    """11: what it costs."""
    page = begun(evidence, 11, "Energy, latency, memory")
    found = cost(evidence.graph, evidence.board)
    page.figure("multiply-accumulates", f"{found.macs:,}", "counted in the graph")
    page.figure("peak memory of maps", f"{found.ram:,} bytes", "counted: all maps alive at once")
    page.lack(*found.notes)
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


def security(evidence: Evidence) -> Section:
    """13: asked, with a bill of materials."""
    page = begun(evidence, 13, "Privacy, security, signing, bill of materials", "privacy", "security")
    bill = bill_of_materials(evidence.model.name, hashlib.sha256(evidence.model.read_bytes()).hexdigest())
    for part in bill["components"]:
        page.figure(part["name"], part["version"], "installed where this report was made (CycloneDX 1.5)")
    return page.done()
