"""How nodes explain, as they say: who does it in another way than its peers leaves them, and its sensor is not ill."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgexai.fleet.analysis.finding import OTHERWISE, Finding
from edgexai.fleet.read import Place, opened, places, statuses


def otherwise(directory: Path, findings: Sequence[Finding]) -> list[Finding]:
    """The findings of a store; those of health that are about such a node say that, and no sickness."""
    ill = [one for one in findings if one.kind == "health" and one.figure != "latency"]
    if not ill:
        return list(findings)
    with opened(directory) as store:
        where, notes = places(store), store.journal.nodes(limit=1_000_000)
    ways: dict[str, dict[Place, str]] = {}
    for place, said in statuses(notes).items():
        if said.get("model") and said.get("composite"):
            ways.setdefault(said["model"], {})[place] = _way(said["composite"], said.get("target"))
    return [_told(one, ways.get(one.model, {}), where) if one in ill else one for one in findings]


def _way(composite: str, target: object) -> str:
    return composite if target in (None, "predicted") else f"{composite} (target {target})"


def _told(finding: Finding, ways: dict[Place, str], where: dict[str, list[Place]]) -> Finding:
    own = {ways[place] for place in where.get(finding.nodes[0], []) if place in ways}
    usual = Counter(ways.values()).most_common(1)
    if len(own) != 1 or usual[0][0] in own:
        return finding
    says = f"it explains by {own.pop()}, most of its peers by {usual[0][0]}."
    if finding.figure:
        return replace(finding, text=f"{finding.text} {says[0].upper()}{says[1:]}")
    return replace(finding, text=f"{finding.text.removesuffix(f'{finding.where}.')}{says}", where=OTHERWISE)
