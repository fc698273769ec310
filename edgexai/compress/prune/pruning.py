"""prune: Graph -> Graph with fewer channels, those that matter least for the price that they cost gone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import load_board
from edgexai.compress.channels.coupling import Coupling, couple, streams
from edgexai.compress.measure.cost import parts
from edgexai.compress.measure.execute import forward, quantized, real
from edgexai.compress.measure.profile import Profile, profile_relevance
from edgexai.compress.prune.criteria import CRITERIA
from edgexai.compress.prune.criteria.maps import normalized
from edgexai.compress.prune.criteria.relevance import shifts
from edgexai.compress.prune.exhaustive import exactly, is_small
from edgexai.compress.prune.explanations import hold
from edgexai.compress.prune.greedy import Price, cheapest, price
from edgexai.compress.prune.joint import Balance
from edgexai.compress.prune.redundancy import Redundancy, read_maps
from edgexai.compress.prune.shrink import Keep, shrink
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.int8 import Ports, quantize
from edgexai.compress.repair.answers import mixtures_of, refit_leads
from edgexai.compress.repair.bias import fold_means
from edgexai.compress.repair.least_squares import reconstruct, targets
from edgexai.errors import ConfigError, DataError
from edgexai.graph import DType, Graph, fingerprint

REPAIRS = ("bias", "least_squares", "none")

MIXTURES = 360

EQUAL = 0.75
"""How far layers are taken to be of equal worth before a refit: their scores' norm to the power of 1 - this."""

STREAM = 4.0
"""How much more a channel of a sum of maps is worth before a refit, which cannot make it good layer by layer."""


def prune(
    graph: Graph,
    profile: Profile,
    keep: float | None = None,
    energy: float | None = None,
    latency: float | None = None,
    board: str | None = None,
    criterion: str = "relevance",
    repair: str = "bias",
    samples: NDArray[Any] | None = None,
    steps: int = 1,
    multiple: int | None = None,
    keep_explanations: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """A physically smaller graph, float or int8 as it came; inputs and outputs stay.

    ``keep`` is the share of multiply-accumulates that may stay (0 … 1), or ``energy`` or ``latency`` the share of the
    energy or time of one inference on ``board``. A channel's score by the ``criterion`` is divided by the price that
    it frees.
    ``repair`` is ``"none"`` (every bit of what stays is left), ``"bias"`` (mean activations of what goes are folded
    into the next layer's bias), or ``"least_squares"``: weights refitted on unlabelled ``samples`` (N, …), layer
    by layer and then all at once to the answers, in ``steps`` with scores taken anew after each; ``progress(done,
    all)`` is called after each. Channels of a layer stay in multiples of ``multiple``, for a share of energy or latency
    of the board's lanes where it is None. With ``keep_explanations`` as much stays as heatmaps of ``samples`` need
    to correlate so well with the original's.
    Raises ConfigError for a budget that cannot be met, DataError if the profile is of another model.
    """
    if profile.model != fingerprint(graph):
        raise DataError("the profile is of another model; make one of this file with profile_relevance")
    if repair not in REPAIRS:
        raise ConfigError(f"repair {repair!r} is not known; use one of {', '.join(REPAIRS)}")
    if criterion not in CRITERIA:
        raise ConfigError(f"criterion {criterion!r} is not known; use one of {', '.join(CRITERIA)}")
    share = _share(keep, energy, latency, board)
    price_of = board if keep is None else None
    if keep_explanations is not None:
        if samples is None:
            raise ConfigError("explanations are compared on samples; give samples=")

        def again(part: float) -> Graph:
            budget: dict[str, Any] = {"keep": part} if price_of is None else {"latency": part}
            return prune(
                graph,
                profile,
                **budget,
                board=board,
                criterion=criterion,
                repair=repair,
                samples=samples,
                steps=steps,
                multiple=multiple,
            )

        return hold(graph, samples, keep_explanations, share, again)
    if repair == "least_squares":
        if samples is None:
            raise ConfigError("least squares need unlabelled samples; give samples=, or another repair")
        shares = [1 - (1 - share) * step / steps for step in range(1, steps + 1)]
        made = refined(graph, profile, shares, samples, criterion, price_of, multiple, only_last=True)
        for done in range(steps):
            small = next(made)
            if progress is not None:
                progress(done + 1, steps)
        return small
    coupling = couple(graph)
    stay, _ = choose(graph, coupling, profile, share, price_of, criterion, multiple)
    if repair == "bias":
        graph = fold_means(graph, coupling, stay, {t: profile.mean(t) for t in profile.channels})
    return shrink(graph, coupling, stay)


def choose(
    graph: Graph,
    coupling: Coupling,
    profile: Profile,
    share: float,
    board: str | None,
    criterion: str,
    multiple: int | None = None,
    redundancy: Redundancy | None = None,
) -> tuple[Keep, float]:
    """Which labels stay if the graph may keep a share of its price, and the share that it then has.

    With ``redundancy`` layers are refitted afterwards. Then scores count by what the channels that stay cannot make
    good, and by layers of nearly equal worth; sums that run along several layers stay as long as others can go.
    """
    prices = _price(graph, coupling, board)
    multiple = multiple or (load_board(board).lanes if board else 1)
    scores = CRITERIA[criterion](graph, coupling, profile)
    if redundancy is not None:
        scores = scores ** (1 - EQUAL) * normalized(coupling, scores) ** EQUAL
        scores[streams(graph, coupling)] *= STREAM
    whole = float(prices.whole.sum())
    if is_small(coupling) and multiple == 1 and redundancy is None:
        stay = exactly(coupling, scores, prices, share * whole)
    else:
        balance = Balance(shifts(coupling, profile)) if criterion == "relevance" and redundancy is None else None
        stay = cheapest(coupling, scores, prices, share * whole, multiple, redundancy, balance)
    return stay, prices(stay) / whole


def refined(
    graph: Graph,
    profile: Profile,
    shares: Sequence[float],
    samples: NDArray[Any],
    criterion: str = "relevance",
    board: str | None = None,
    multiple: int | None = None,
    only_last: bool = False,
) -> Iterator[Graph]:
    """The graph at each of some falling shares of its price, each refitted towards what the whole graph computed,
    layer by layer (`reconstruct`) and then all layers at once (`refit_leads`), with ``only_last`` at the last share.

    On the way scores are taken anew at every share. ``samples`` (N, …) need no labels; mixtures of two of them are
    fitted as well, since the whole graph says what layers should give for any input.
    """
    x = real(graph, graph.inputs[0], quantized(graph, samples))
    random = np.random.default_rng(0)
    x = random.permutation(x)  # the halves of cross-validation must not differ in class
    many = random.permutation(np.concatenate([x, mixtures(x, random)]))
    whole = current = dequantize(graph)
    wanted, (draw, is_opposed) = targets(whole, many), mixtures_of(whole, x)
    kept = {i: np.arange(whole.tensors[op.outputs[0]].shape[-1]) for i, op in enumerate(whole.ops)}
    is_integer = graph.tensors[graph.inputs[0]].dtype == DType.INT8
    left = 1.0
    for place, share in enumerate(shares, 1):
        # int8 and float graph have the same channels; only the first step may use the given profile
        source = graph if current is whole and len(graph.ops) == len(current.ops) else current
        known = profile if source is graph else profile_relevance(current, x, profile.composite)
        coupling = couple(source)
        maps = read_maps(source, coupling)
        values = forward(source, samples if source is graph else x, maps)
        redundancy = Redundancy(coupling, {t: real(source, t, v) for t, v in zip(maps, values, strict=True)}, 1 - share)
        stay, part = choose(source, coupling, known, min(1.0, share / left), board, criterion, multiple, redundancy)
        left *= part
        means = {t: known.mean(t) for t in known.channels}
        shrunk = shrink(fold_means(source, coupling, stay, means), coupling, stay)
        for i, op in enumerate(source.ops):
            if op.outputs[0] in coupling.lines:
                kept[i] = kept[i][stay[coupling.lines[op.outputs[0]].labels]]
        fitted = replace(reconstruct(dequantize(shrunk), many, wanted, kept), signatures=())
        current = fitted if only_last and place < len(shares) else refit_leads(fitted, whole, draw, is_opposed)
        yield quantize(current, x, Ports.of(graph)) if is_integer else current


def mixtures(x: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Weighted means of random pairs of samples (N, …): three times as many, at most 360."""
    count = min(3 * len(x), MIXTURES)
    one, other = random.integers(len(x), size=(2, count))
    share = random.random((count, *[1] * (x.ndim - 1)), dtype=np.float32)
    return np.asarray(share * x[one] + (1 - share) * x[other], np.float32)


def _share(keep: float | None, energy: float | None, latency: float | None, board: str | None) -> float:
    given = [share for share in (keep, energy, latency) if share is not None]
    if len(given) != 1:
        raise ConfigError("give one of keep (share of multiply-accumulates), energy and latency (of a board)")
    if not 0 < given[0] <= 1:
        raise ConfigError(f"the share that stays is {given[0]}; it must lie between 0 and 1")
    if keep is None and board is None:
        raise ConfigError("a budget of energy or latency needs a board; name one of edgexai.board.boards()")
    if energy is not None and board is not None and load_board(board).active_mw is None:
        raise ConfigError(f"nobody has published the power of {board}; give latency, or a board with [power]")
    return given[0]


def _price(graph: Graph, coupling: Coupling, board: str | None) -> Price:
    """Multiply-accumulates, or the time on a board, to which its energy is in proportion."""
    if board is None:
        return price(graph, coupling)
    known = load_board(board)
    return price(graph, coupling, [parts(graph, i, known) for i in range(len(graph.ops))])
