"""Whether what a shortcut's cluster has in common is its node: a dead camera makes a cluster, too."""

from collections import Counter
from dataclasses import replace

from edgexai.fleet.analysis.finding import Finding

NEARLY = 0.9
FEWEST_NODES = 3


def whose(finding: Finding) -> Finding:
    """The same; where one side of the cluster is a node and nearly nothing else, the text says so."""
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for member in finding.members:
        counts[member.score > 0.5][member.node] += 1
    of = counts[True] + counts[False]
    if len(of) < FEWEST_NODES:
        return finding
    for inside, side in counts.items():
        for node, count in side.most_common(1):
            if count >= NEARLY * side.total() and count >= NEARLY * of[node]:
                who = "these" if inside else "the others"
                said = (
                    f"{count / side.total():.0%} of {who} come from node {node}, and nearly all of its frames are there"
                )
                return replace(finding, text=f"{finding.text} {said}: look at that node first.")
    return finding
