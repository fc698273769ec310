"""prune: Graph -> Graph with fewer channels, those that matter least for the price that they cost gone."""

from collections.abc import Callable, Mapping

import numpy as np

from edgexai.board import load_board
from edgexai.compress.bias import fold_means
from edgexai.compress.channels import Coupling, couple
from edgexai.compress.cost import cost
from edgexai.compress.profile import Profile
from edgexai.compress.select import Price, Scores, cheapest, normalized, price
from edgexai.compress.shrink import shrink
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Graph, fingerprint


def prune(
    graph: Graph,
    profile: Profile,
    keep: float | None = None,
    energy: float | None = None,
    board: str | None = None,
    repair: str = "bias",
) -> Graph:
    """A physically smaller graph, float or int8 as it came; inputs and outputs stay.

    ``keep`` is the share of multiply-accumulates that may stay (0 … 1), or ``energy`` the share of the energy of
    one inference on ``board``. ``repair`` is ``"bias"`` (mean activations of what goes are folded into the next
    layer's bias) or ``"none"``, which leaves every bit of what stays. The score of a channel is its relevance
    (Yeom et al. 2021), the maximum over classes, over its layer's norm and the price it frees.
    Raises ConfigError for a budget that cannot be met, DataError if the profile is of another model.
    """
    if profile.model != fingerprint(graph):
        raise DataError("the profile is of another model; make one of this file with profile_relevance")
    if repair not in ("bias", "none"):
        raise ConfigError(f'repair {repair!r} is not known; use "bias" or "none"')
    coupling = couple(graph)
    prices, share = budget(graph, coupling, keep, energy, board)
    scores = normalized(coupling, relevance_scores(coupling, profile.relevance, profile.channels))
    stay = cheapest(coupling, scores, prices, share * float(prices.whole.sum()))
    if repair == "bias":
        graph = fold_means(graph, coupling, stay, {t: profile.mean(t) for t in profile.channels})
    return shrink(graph, coupling, stay)


def budget(
    graph: Graph, coupling: Coupling, keep: float | None, energy: float | None, board: str | None
) -> tuple[Price, float]:
    """What is counted, and the share of it that may stay."""
    if (keep is None) == (energy is None):
        raise ConfigError("give either keep (share of multiply-accumulates) or energy (share of a board's energy)")
    share = keep if keep is not None else energy
    if share is None or not 0 < share <= 1:
        raise ConfigError(f"the share that stays is {share}; it must lie between 0 and 1")
    if energy is None:
        return price(graph, coupling), share
    if board is None:
        raise ConfigError("a budget of energy needs a board; name one of edgexai.board.boards()")
    layers = cost(graph, load_board(board)).layers
    each = [layer.energy_uj for layer in layers if layer.energy_uj is not None]
    if len(each) < len(layers):
        raise ConfigError(f"nobody has published the power of {board}; give keep, or a board with [power]")
    return price(graph, coupling, each), share


def relevance_scores(coupling: Coupling, relevance: Callable[[int], Scores], tensors: Mapping[int, object]) -> Scores:
    """A score for each label: the relevance of the first map of its group that was profiled."""
    scores = np.zeros(coupling.size)
    for group in coupling.groups:
        first = next((t for t in group.tensors if t in tensors), None)
        if first is None:
            scores[group.labels] = np.inf  # nothing is known about it: it stays
            continue
        a_label = np.zeros(coupling.size)
        np.add.at(a_label, coupling.lines[first].labels, relevance(first))
        scores[group.labels] = a_label[group.labels]
    return scores
