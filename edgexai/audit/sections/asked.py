"""What only people know: sections 1, 4, 12, 15 and 16, and the questions that other sections begin with."""

from edgexai.audit.evidence import Evidence
from edgexai.audit.questions import QUESTIONS
from edgexai.audit.report import Page, Section


def begun(evidence: Evidence, number: int, title: str, *asked: str) -> Page:
    """The page of a section, with the answers of ``audit.toml`` to what it asks."""
    page = Page(number, title, evidence.command)
    for key in asked:
        if key in evidence.answers:
            page.say(f"{QUESTIONS[key]} {evidence.answers[key]}")
        else:
            page.lack(f"{QUESTIONS[key]} Answer `{key}` in audit.toml.")
    return page


def intended_use(evidence: Evidence) -> Section:
    """1: asked."""
    return begun(evidence, 1, "Intended use, users, foreseeable misuse", "intended_use", "misuse").done()


def scope(evidence: Evidence) -> Section:
    """4: what it is not for; what could not be checked stands in the summary."""
    page = begun(evidence, 4, "Scope, and what could not be checked", "scope")
    if "scope" in evidence.answers:
        page.say("Everything that was not assessed is listed in the summary of this report, section by section.")
    return page.done()


def oversight(evidence: Evidence) -> Section:
    """12: asked."""
    return begun(evidence, 12, "Human oversight, instructions for use", "oversight", "instructions").done()


def changes(evidence: Evidence) -> Section:
    """15: asked."""
    return begun(evidence, 15, "Permitted changes", "permitted_changes").done()


def residual(evidence: Evidence) -> Section:
    """16: asked."""
    return begun(evidence, 16, "Residual risk, recommendations, sign-off", "residual_risk", "sign_off").done()
