"""prune: Graph -> Graph with fewer channels, those that matter least for the price that they cost gone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import Board
from edgexai.checks import function_or_none, one_of, told, whole_number
from edgexai.compress.channels.coupling import Coupling, couple, streams
from edgexai.compress.measure.cost import cost, parts
from edgexai.compress.measure.execute import as_samples, forward, quantized, real, try_out
from edgexai.compress.measure.limits import Budget
from edgexai.compress.measure.profile import Profile, load_profile, profile_relevance
from edgexai.compress.prune.criteria import CRITERIA
from edgexai.compress.prune.criteria.maps import normalized
from edgexai.compress.prune.criteria.relevance import shifts
from edgexai.compress.prune.dead_groups import without_dead_groups
from edgexai.compress.prune.exhaustive import exactly, is_small
from edgexai.compress.prune.explanations import hold
from edgexai.compress.prune.greedy import Price, cheapest, price
from edgexai.compress.prune.joint import Balance
from edgexai.compress.prune.redundancy import Redundancy, read_maps
from edgexai.compress.prune.shrink import Keep, compact, shrink
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.requantize import is_integer, requantize
from edgexai.compress.repair.answers import mixtures_of, refit_leads
from edgexai.compress.repair.bias import fold_means
from edgexai.compress.repair.distillation import distill
from edgexai.compress.repair.least_squares import reconstruct, targets
from edgexai.compress.repair.repair import Repair
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Graph, Model, fingerprint, plain_of, settled

MIXTURES = 360
MOST_MULTIPLE = 1 << 16

DEFAULT = Repair()

EQUAL = 0.75
"""How far layers are taken to be of equal worth before a refit: their scores' norm to the power of 1 - this."""

STREAM = 4.0
"""How much more a channel of a sum of maps is worth before a refit, which cannot make it good layer by layer."""


@dataclass(frozen=True)
class Choice:
    """By what channels are chosen: a criterion, the price (time on a board, or multiply-accumulates), whole lanes."""

    criterion: str = "relevance"
    board: Board | None = None
    multiple: int = 1

    def __post_init__(self) -> None:
        one_of("criterion", self.criterion, CRITERIA)
        whole_number("multiple", self.multiple, 1, MOST_MULTIPLE)

    def price(self, graph: Graph, coupling: Coupling) -> Price:
        """Multiply-accumulates, or the time on the board, to which its energy is in proportion."""
        if self.board is None:
            return price(graph, coupling)
        return price(graph, coupling, [parts(graph, i, self.board) for i in range(len(graph.ops))])


def prune(
    model: Model,
    profile: Profile | str | Path,
    budget: Budget | float,
    samples: NDArray[Any] | None = None,
    *,
    criterion: str = "relevance",
    repair: Repair | str = DEFAULT,
    multiple: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """A physically smaller model, float or int8 as it came; inputs and outputs stay.

    ``model`` is a graph or the path of a `.tflite`, ``profile`` one or its file. ``budget`` limits one of
    multiply-accumulates, energy and latency, and may ask for ``explanations`` to be kept; a number is a share of
    multiply-accumulates. A channel's score by the ``criterion`` is divided by the price that it frees. ``repair`` says
    how the model is repaired (or its method's name); least squares, distillation and kept explanations need unlabelled
    ``samples`` (N, …). Channels of a layer stay in multiples of ``multiple``, by default of the board's lanes.
    ``progress(done, all)`` is called after each step. Raises ConfigError for a budget that cannot be met, DataError if
    the profile is of another model, ModelError if the runtime would not run the result.
    """
    graph, repair = plain_of(model), Repair.of(repair)
    budget = budget if isinstance(budget, Budget) else Budget(macs=_given(budget))
    function_or_none("progress", progress)
    samples = None if samples is None else as_samples(samples)
    if not isinstance(profile, Profile):
        profile = load_profile(_file(profile))
    if profile.model != fingerprint(graph):
        raise DataError("the profile is of another model; make one of this file with profile_relevance")
    graph = settled(graph)
    share, board = _share(graph, budget)
    choice = Choice(criterion, board, (board.lanes if board else 1) if multiple is None else multiple)
    before = choice.price(graph, couple(graph)).whole.sum()
    graph, profile = without_dead_groups(graph, profile)
    share = min(1.0, share * float(before / choice.price(graph, couple(graph)).whole.sum()))
    if samples is None and (repair.method == "least_squares" or repair.distillation or budget.explanations):
        raise ConfigError(
            "repair by least squares or distillation, and explanations kept, need unlabelled samples; give samples=, "
            'or repair="bias"'
        )

    if any(not op.outputs for op in graph.ops) and (repair.method == "least_squares" or repair.distillation):
        raise ConfigError(
            "the model keeps a state from one run to the next, and repair by least squares or distillation knows "
            'single runs alone; use repair="bias" (--repair bias)'
        )

    def pruned(part: float) -> Graph:
        small = _pruned(graph, profile, part, samples, choice, repair, progress)
        if repair.distillation is None or samples is None:
            return small
        return distill(small, graph, samples, schedule=repair.distillation, progress=progress)

    if budget.explanations is not None and samples is not None:
        small = hold(graph, samples, budget.explanations, share, pruned)
    else:
        small = pruned(share)
    small = compact(small)
    try_out(small)
    return small


def _pruned(
    graph: Graph,
    profile: Profile,
    share: float,
    samples: NDArray[Any] | None,
    choice: Choice,
    repair: Repair,
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """The graph at a share of its price, repaired in closed form."""
    if repair.method == "least_squares" and samples is not None:
        shares = [1 - (1 - share) * step / repair.steps for step in range(1, repair.steps + 1)]
        made = refined(graph, profile, shares, samples, choice, only_last=True)
        for done in range(repair.steps):
            small = next(made)
            if progress is not None:
                progress(done + 1, repair.steps)
        return small
    coupling = couple(graph)
    stay, _ = choose(graph, coupling, profile, share, choice)
    if repair.method == "bias":
        graph = fold_means(graph, coupling, stay, {t: profile.mean(t) for t in profile.channels})
    return shrink(graph, coupling, stay)


def choose(
    graph: Graph,
    coupling: Coupling,
    profile: Profile,
    share: float,
    choice: Choice,
    redundancy: Redundancy | None = None,
) -> tuple[Keep, float]:
    """Which labels stay if the graph may keep a share of its price, and the share that it then has.

    With ``redundancy`` layers are refitted afterwards. Then scores count by what the channels that stay cannot make
    good, and by layers of nearly equal worth; sums that run along several layers stay as long as others can go.
    """
    prices = choice.price(graph, coupling)
    scores = CRITERIA[choice.criterion](graph, coupling, profile)
    if redundancy is not None:
        scores = scores ** (1 - EQUAL) * normalized(coupling, scores) ** EQUAL
        scores[streams(graph, coupling)] *= STREAM
    whole = float(prices.whole.sum())
    if is_small(coupling) and choice.multiple == 1 and redundancy is None:
        stay = exactly(coupling, scores, prices, share * whole)
    else:
        is_joint = choice.criterion == "relevance" and redundancy is None
        balance = Balance(shifts(coupling, profile)) if is_joint else None
        stay = cheapest(coupling, scores, prices, share * whole, choice.multiple, redundancy, balance)
    return stay, prices(stay) / whole


def refined(
    graph: Graph,
    profile: Profile,
    shares: Sequence[float],
    samples: NDArray[Any],
    choice: Choice,
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
    lasts = {i: whole.tensors[op.outputs[0]].shape[-1:] for i, op in enumerate(whole.ops) if op.outputs}
    kept = {i: np.arange(*last) for i, last in lasts.items() if last}
    left = 1.0
    for place, share in enumerate(shares, 1):
        # int8 and float graph have the same channels; only the first step may use the given profile
        source = graph if current is whole and len(graph.ops) == len(current.ops) else current
        known = profile if source is graph else profile_relevance(current, x, profile.composite)
        coupling = couple(source)
        maps = read_maps(source, coupling)
        values = forward(source, samples if source is graph else x, maps)
        redundancy = Redundancy(coupling, {t: real(source, t, v) for t, v in zip(maps, values, strict=True)}, 1 - share)
        stay, part = choose(source, coupling, known, min(1.0, share / left), choice, redundancy)
        left *= part
        means = {t: known.mean(t) for t in known.channels}
        shrunk = shrink(fold_means(source, coupling, stay, means), coupling, stay)
        for i, op in enumerate(source.ops):
            line = coupling.line_of(op)
            if line is not None and line.axis == len(source.tensors[op.outputs[0]].shape) - 1:
                kept[i] = kept[i][stay[line.labels]]
        fitted = replace(reconstruct(dequantize(shrunk), many, wanted, kept), signatures=())
        current = fitted if only_last and place < len(shares) else refit_leads(fitted, whole, draw, is_opposed)
        yield requantize(current, x, graph) if is_integer(graph) else current


def mixtures(x: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Weighted means of random pairs of samples (N, …): three times as many, at most 360."""
    count = min(3 * len(x), MIXTURES)
    one, other = random.integers(len(x), size=(2, count))
    share = random.random((count, *[1] * (x.ndim - 1)), dtype=np.float32)
    return np.asarray(share * x[one] + (1 - share) * x[other], np.float32)


def _given(budget: Any) -> Any:
    if budget is None:
        raise ConfigError("there is no budget; give a share of multiply-accumulates such as 0.5, or a Budget")
    return budget


def _file(profile: Any) -> str | Path:
    if not isinstance(profile, str | PathLike):
        raise DataError(f"a profile is what profile_relevance returns, or its file, not {told(profile)}")
    return Path(profile)


def _share(graph: Graph, budget: Budget) -> tuple[float, Board | None]:
    """The share of the price that may stay, and the board whose time is the price."""
    prices = [limit for limit in budget.limits if limit.what in ("macs", "energy_uj", "latency_ms")]
    if len(prices) != 1 or len(budget.limits) != 1 or budget.loss is not None:
        raise ConfigError(
            f"prune holds one of macs, energy and latency, not {budget}; edgexai.compress holds several, and flash, "
            "ram and accuracy"
        )
    (limit,) = prices
    board = None if limit.what == "macs" else budget.known_board
    share = limit.most if limit.is_share else limit.share(cost(graph, board))
    return min(1.0, share), board
