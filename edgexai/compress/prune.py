"""prune: Graph -> Graph with fewer channels, those that matter least for the price that they cost gone."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import load_board
from edgexai.compress.bias import fold_means
from edgexai.compress.channels import Coupling, couple
from edgexai.compress.cost import cost
from edgexai.compress.criteria import CRITERIA
from edgexai.compress.dequantize import dequantize
from edgexai.compress.exact import exactly, is_small
from edgexai.compress.execute import quantized, real
from edgexai.compress.profile import Profile, profile_relevance
from edgexai.compress.quantize import Ports, quantize
from edgexai.compress.reconstruct import reconstruct, targets
from edgexai.compress.select import Price, cheapest, normalized, price
from edgexai.compress.shrink import Keep, shrink
from edgexai.errors import ConfigError, DataError
from edgexai.graph import DType, Graph, fingerprint

REPAIRS = ("bias", "least_squares", "none")


def prune(
    graph: Graph,
    profile: Profile,
    keep: float | None = None,
    energy: float | None = None,
    board: str | None = None,
    criterion: str = "relevance",
    repair: str = "bias",
    samples: NDArray[Any] | None = None,
    steps: int = 1,
) -> Graph:
    """A physically smaller graph, float or int8 as it came; inputs and outputs stay.

    ``keep`` is the share of multiply-accumulates that may stay (0 … 1), or ``energy`` the share of the energy of
    one inference on ``board``. A channel's score by the ``criterion`` is divided by its layer's norm and by the
    price that it frees. ``repair`` is ``"none"`` (every bit of what stays is left), ``"bias"`` (mean activations
    of what goes are folded into the next layer's bias), or ``"least_squares"``: weights refitted on unlabelled
    ``samples`` (N, …), in ``steps`` with scores taken anew after each.
    Raises ConfigError for a budget that cannot be met, DataError if the profile is of another model.
    """
    if profile.model != fingerprint(graph):
        raise DataError("the profile is of another model; make one of this file with profile_relevance")
    if repair not in REPAIRS:
        raise ConfigError(f"repair {repair!r} is not known; use one of {', '.join(REPAIRS)}")
    if criterion not in CRITERIA:
        raise ConfigError(f"criterion {criterion!r} is not known; use one of {', '.join(CRITERIA)}")
    share = _share(keep, energy, board)
    if repair == "least_squares":
        if samples is None:
            raise ConfigError("least squares need unlabelled samples; give samples=, or another repair")
        return _refined(graph, profile, share, board if energy else None, criterion, samples, steps)
    coupling = couple(graph)
    stay, _ = choose(graph, coupling, profile, share, board if energy else None, criterion)
    if repair == "bias":
        graph = fold_means(graph, coupling, stay, {t: profile.mean(t) for t in profile.channels})
    return shrink(graph, coupling, stay)


def choose(
    graph: Graph, coupling: Coupling, profile: Profile, share: float, board: str | None, criterion: str
) -> tuple[Keep, float]:
    """Which labels stay if the graph may keep a share of its price, and the share that it then has."""
    prices = _price(graph, coupling, board)
    scores = normalized(coupling, CRITERIA[criterion](graph, coupling, profile))
    whole = float(prices.whole.sum())
    stay = (exactly if is_small(coupling) else cheapest)(coupling, scores, prices, share * whole)
    return stay, prices(stay) / whole


def _refined(
    graph: Graph, profile: Profile, share: float, board: str | None, criterion: str, samples: NDArray[Any], steps: int
) -> Graph:
    """In steps: choose on the graph as it is now, take out, refit towards what the whole graph computed."""
    x = real(graph, graph.inputs[0], quantized(graph, samples))
    x = np.random.default_rng(0).permutation(x)  # the halves of cross-validation must not differ in class
    whole = current = dequantize(graph)
    wanted = targets(whole, x)
    kept = {i: np.arange(whole.tensors[op.outputs[0]].shape[-1]) for i, op in enumerate(whole.ops)}
    done = 1.0
    for step in range(1, steps + 1):
        # int8 and float graph have the same channels; only the first step may use the given profile
        source = graph if step == 1 and len(graph.ops) == len(current.ops) else current
        known = profile if source is graph else profile_relevance(current, x, profile.composite)
        coupling = couple(source)
        goal = 1 - (1 - share) * step / steps
        stay, left = choose(source, coupling, known, min(1.0, goal / done), board, criterion)
        done *= left
        means = {t: known.mean(t) for t in known.channels}
        shrunk = shrink(fold_means(source, coupling, stay, means), coupling, stay)
        for i, op in enumerate(source.ops):
            if op.outputs[0] in coupling.lines:
                kept[i] = kept[i][stay[coupling.lines[op.outputs[0]].labels]]
        current = reconstruct(dequantize(shrunk), x, wanted, kept)
    current = replace(current, signatures=())
    is_integer = graph.tensors[graph.inputs[0]].dtype == DType.INT8
    return quantize(current, x, Ports.of(graph)) if is_integer else current


def _share(keep: float | None, energy: float | None, board: str | None) -> float:
    if (keep is None) == (energy is None):
        raise ConfigError("give either keep (share of multiply-accumulates) or energy (share of a board's energy)")
    share = keep if keep is not None else energy
    if share is None or not 0 < share <= 1:
        raise ConfigError(f"the share that stays is {share}; it must lie between 0 and 1")
    if energy is not None and board is None:
        raise ConfigError("a budget of energy needs a board; name one of edgexai.board.boards()")
    return share


def _price(graph: Graph, coupling: Coupling, board: str | None) -> Price:
    """Multiply-accumulates, or the energy of a board."""
    if board is None:
        return price(graph, coupling)
    layers = cost(graph, load_board(board)).layers
    each = [layer.energy_uj for layer in layers if layer.energy_uj is not None]
    if len(each) < len(layers):
        raise ConfigError(f"nobody has published the power of {board}; give keep, or a board with [power]")
    return price(graph, coupling, each)
