"""The sixteen sections, one function each: evidence → text, figures and what was not assessed.

After Annex IV of the EU's AI Act, the ITU/WHO reference on AI for health, FUTURE-AI (Lekadir et al. 2025) and the
FDA's predetermined change control plans. No section claims what was not measured.
"""

import hashlib

from edgexai._version import VERSION
from edgexai.audit.bill import bill_of_materials
from edgexai.audit.evidence import Evidence
from edgexai.audit.report import Report
from edgexai.audit.sections.asked import changes, intended_use, oversight, residual, scope
from edgexai.audit.sections.explanations import clever_hans, explanations
from edgexai.audit.sections.identity import data, energy, identity, security
from edgexai.audit.sections.performance import compression, performance, subgroups
from edgexai.audit.sections.robustness import monitoring, robustness

SECTIONS = (
    intended_use, identity, data, scope, performance, subgroups, robustness, explanations,
    clever_hans, compression, energy, oversight, security, monitoring, changes, residual,
)  # fmt: skip


def report(evidence: Evidence) -> Report:
    """All sections; the same evidence gives the same report."""
    digest = hashlib.sha256(evidence.model.read_bytes()).hexdigest()
    sections = [section(evidence) for section in SECTIONS]
    bill = bill_of_materials(evidence.model.name, digest)
    return Report(evidence.model.name, digest, VERSION, evidence.command, tuple(sections), bill)
