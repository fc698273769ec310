"""Which maps explaining keeps for the way back and which it computes again, so that the arena fits into given RAM.

`running` takes a schedule apart. A search over what is alive and how far one is (A*, Hart et al., 1968) gives the
orders of running in order of their instructions; the first whose buffers can be placed is taken. What is still to be
run if nothing more were dropped bounds the rest from below, so that the first order found is the cheapest.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count, islice

from converters.c99.memory import Placement, blocks, lower_bound, placed
from converters.c99.running import Cost, Problem, bits
from converters.c99.schedule import Schedule, Step
from converters.c99.work import price
from edgexai.errors import ConfigError

STATES = 20_000
"""States that the search looks at before it narrows to a beam."""
WIDTH = 12
"""States of the beam that are looked at behind each pair of a step and the last thing that ran."""
CHOICES = 4
"""Choices of what is dropped that the beam follows."""
PLACED = 12
"""Orders, the cheapest first, that are placed before less is asked for; of a beam one."""
LESS = 8
"""How often less is asked for, before it is what no order can be below."""
AGAIN = 6
"""Ways to one state that are told apart: they place differently."""


def orders(problem: Problem, room: int, again: int = 1, width: int = 0) -> Iterator[tuple[int, ...]]:
    """Orders of running within so many bytes, the cheapest first: numbers of units, -1 for the next fixed step.

    ``width`` narrows the search to a beam; without it nothing is left out until STATES are looked at, and
    LookupError is raised then.
    """
    held = problem.held(room)
    if held is None:
        return
    number = count()
    start = problem.remaining(0, 0)
    heap: list[tuple[float, int, int, float, int, object]] = [(start, 0, next(number), 0.0, 0, None)]
    seen: dict[tuple[int, int], int] = {}
    levels: dict[tuple[int, int], int] = {}
    looked = 0
    while heap:
        _, less, _, spent, alive, path = heappop(heap)
        k = -less
        if k == len(problem.fixed):
            yield unrolled(path)
            continue
        if seen.get((alive, k), 0) >= again:
            continue
        seen[alive, k] = seen.get((alive, k), 0) + 1
        looked += 1
        if width:
            level = (k, path[1] if isinstance(path, tuple) else -1)
            levels[level] = levels.get(level, 0) + 1
            if levels[level] > width:
                continue
        elif looked > STATES or len(heap) > 10 * STATES:
            raise LookupError
        following: list[tuple[int, int, int, float]] = []
        step = problem.fixed[k]
        if not step.needs & ~alive:
            for rest in islice(problem.kept(alive, step.needs, room - step.during), CHOICES if width else STATES):
                if all(rest & one for one in held[k]):
                    following.append((rest & problem.useful[k + 1], k + 1, -1, spent))
        for at in bits(problem.useful[k] & ~alive):
            unit = problem.units[at]
            if not unit.needs & ~alive:
                left = room - step.before - unit.size - unit.room
                for rest in islice(problem.kept(alive, unit.needs, left), CHOICES if width else STATES):
                    following.append((rest | 1 << at, k, at, spent + unit.cost))
        for rest, then, did, sum_ in following:
            if seen.get((rest, then), 0) < again:
                least = sum_ + problem.remaining(rest, then)
                heappush(heap, (least, -then, next(number), sum_, rest, (path, did)))


def unrolled(path: object) -> tuple[int, ...]:
    """A chain of pairs as a tuple."""
    found = []
    while isinstance(path, tuple):
        path, did = path
        found.append(did)
    return tuple(reversed(found))


def within(plan: Schedule, ram: int | None, doing: str) -> tuple[Schedule, Placement]:
    """The plan in an arena of at most ``ram`` bytes, and its placement; ConfigError says the least that would do."""
    if ram is None:
        return plan, placed(plan)

    def cost(step: Step) -> float:
        return price(step, plan)

    found = fitted(plan, ram, cost)
    if found is None:
        fewest = least(plan, cost)
        raise ConfigError(
            f"{doing} takes an arena of {fewest:,} bytes at least, and {ram:,} are allowed; allow more, or give a grid"
        )
    return found


def fitted(plan: Schedule, ram: int, cost: Cost) -> tuple[Schedule, Placement] | None:
    """The cheapest schedule whose arena has at most ``ram`` bytes, and its placement; None if there is none.

    It is the cheapest where the search comes to an end within STATES and PLACED, as it does with a dozen maps;
    beyond, it is the best of a beam.
    """
    room = placed(plan, ram)
    if room.size <= ram:
        return plan, room
    problem = Problem.of(plan, cost)
    if problem.held(ram) is None:
        return None
    fewest, aim = problem.fewest(ram), ram
    for less in range(LESS):  # what is cheapest may leave gaps that are too small; what asks for less fits then
        aim = fewest if less == LESS - 1 else max(aim, fewest)
        try:
            found, lowest = _first(problem, ram, orders(problem, aim, AGAIN), PLACED)
        except LookupError:
            found, lowest = _first(problem, ram, orders(problem, aim, 1, WIDTH), 1)
        if found is not None or aim == fewest:
            return found
        aim = min(lowest, aim) - 1  # leaves out all that did not fit
    return None


def _first(
    problem: Problem, ram: int, found: Iterator[tuple[int, ...]], most: int
) -> tuple[tuple[Schedule, Placement] | None, int]:
    """The first order that can be placed, if one of so many can; the lowest bound of those that cannot."""
    seen: set[tuple[int, ...]] = set()
    lowest = ram
    for order in found:
        if order in seen:
            continue
        seen.add(order)
        plan = problem.schedule(order)
        bound = lower_bound(blocks(plan))
        if bound <= ram:
            room = placed(plan, ram)
            if room.size <= ram:
                return (plan, room), bound
        lowest = min(lowest, bound)
        if len(seen) >= most:
            break
    return None, lowest


def least(plan: Schedule, cost: Cost) -> int:
    """The fewest bytes of an arena in which a plan was found to run, however often its steps run again.

    Where the bound that no order can be below is not reached, it is told to a hundredth.
    """
    whole = placed(plan).size
    low = Problem.of(plan, cost).fewest(whole)
    found = fitted(plan, low, cost)
    if found is not None:
        return found[1].size
    high = whole // 8
    low //= 8
    while high - low > 1 + high // 128:
        middle = (low + high) // 2
        found = fitted(plan, 8 * middle, cost)
        low, high = (middle, high) if found is None else (low, found[1].size // 8)
    return 8 * high
