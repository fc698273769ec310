"""Where the bytes of a frame go, and what an ideal coder would need for the same decisions."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.heatmap.case import Case
from benchmarks.heatmap.decisions import Decisions, price, read
from benchmarks.heatmap.rate import TARGETS
from edgexai.heatmap import encode
from edgexai.heatmap.frame import opened
from edgexai.heatmap.priors import CONTEXTS, COUNTS, ONES

Row = dict[str, Any]


def bound(case: Case) -> Iterable[Row]:
    """Medians at each cosine: bytes of the frame, of its stream, and of the decisions by three measures.

    ``adaptive`` is the ideal code length under the contexts as they adapt, ``known`` if every context's probability
    were known beforehand for each map, ``signs`` what of ``adaptive`` the signs take.
    """
    for target in TARGETS:
        found = []
        for one in case.maps:
            frame = encode(one, quality=target)
            section = opened(frame)[1][0]
            said = read(section.content, one.shape)
            spent = np.diff(price(said, ONES, COUNTS), prepend=0)
            is_sign = (np.array(said.contexts) >= CONTEXTS["sign"]) & (np.array(said.contexts) < CONTEXTS["refine"])
            bits = (spent.sum(), known(said), spent[is_sign].sum())
            found.append((len(frame), len(section.content), *(b / 8 for b in bits)))
        names = ("frame", "stream", "adaptive", "known", "signs")
        medians = dict(zip(names, np.median(found, axis=0).tolist(), strict=True))
        yield {"what": "bound", "n": len(found), "cosine": target, **medians}


def known(decisions: Decisions) -> float:
    """Bits of the decisions if each context had its own share of ones in them."""
    seen = np.zeros((len(ONES), 2))
    np.add.at(seen, (decisions.contexts, decisions.bits), 1)
    share = seen / np.maximum(seen.sum(1, keepdims=True), 1)
    return float(-(seen * np.log2(np.where(share > 0, share, 1))).sum())
