"""A schedule taken apart into what may run again and what runs once, and what no order of running can be below.

A step that only computes maps (or their signs) from maps and inputs may run as often as it is wanted; every other step
runs once, in its order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import or_

from converters.c99.lowering import rename
from converters.c99.memory import aligned
from converters.c99.schedule import Schedule, Step

Cost = Callable[[Step], float]


@dataclass(frozen=True)
class Unit:
    """Steps that together make a map and may run again; ``needs`` is a bit for each unit whose map they read."""

    steps: tuple[Step, ...]
    needs: int
    size: int
    room: int
    """Bytes of what they make, and of working space."""
    cost: float


@dataclass(frozen=True)
class Fixed:
    """A step that runs once, and the bytes that are alive besides units' maps: while it runs, and just before."""

    step: Step
    needs: int
    during: int
    before: int


@dataclass(frozen=True)
class Problem:
    """A schedule, taken apart."""

    plan: Schedule
    units: tuple[Unit, ...]
    fixed: tuple[Fixed, ...]

    @staticmethod
    def of(plan: Schedule, cost: Cost) -> "Problem":
        """What of a schedule may run again: what makes nothing of the caller's, of nothing that is changed in place."""
        arena = {name for name, buffer in plan.buffers.items() if buffer.kind == "map"}
        writers: dict[str, list[int]] = {}
        for i, step in enumerate(plan.steps):
            for name in step.writes:
                writers.setdefault(name, []).append(i)
        states = {name for name, buffer in plan.buffers.items() if buffer.kind == "state"}
        once = set(states)  # what only fixed steps make
        fixed: list[int] = []
        for i, step in enumerate(plan.steps):
            mine = [name for name in step.writes if name in arena]
            outside = [n for n in step.writes if plan.buffers[n].kind not in ("map", "scratch")]
            earlier = [other for name in mine for other in plan.steps[: writers[name][-1]] if name not in other.writes]
            is_changed = any(set(mine).intersection(other.reads) for other in earlier)
            if outside or is_changed or once.intersection(step.reads) or once.intersection(mine):
                once.update(mine)
                fixed.append(i)
        groups: list[list[int]] = []
        maker: dict[str, int] = {}
        for i, step in enumerate(plan.steps):
            if i in fixed:
                continue
            mine = [name for name in step.writes if name in arena]
            at = next((maker[name] for name in mine if name in maker), len(groups))
            if at == len(groups):
                groups.append([])
            groups[at].append(i)
            maker |= dict.fromkeys(mine, at)

        def size(names: set[str]) -> int:
            return sum(aligned(plan.buffers[name].size) for name in names)

        def scratch(step: Step) -> set[str]:
            return {name for name in step.writes if plan.buffers[name].kind == "scratch"}

        def needs(steps: Sequence[Step], own: int = -1) -> int:
            return sum(1 << at for at in {maker[n] for s in steps for n in s.reads if n in maker} - {own})

        units = []
        for at, group in enumerate(groups):
            steps = tuple(plan.steps[i] for i in group)
            made = {name for name, by in maker.items() if by == at}
            room = max(size(scratch(step)) for step in steps)
            units.append(Unit(steps, needs(steps, at), size(made), room, sum(max(1.0, cost(s)) for s in steps)))
        lives: dict[str, tuple[int, int]] = {}
        for k, i in enumerate(fixed):
            for name in {*plan.steps[i].reads, *plan.steps[i].writes} - maker.keys():
                if plan.buffers[name].kind in ("map", "scratch"):
                    lives[name] = (lives.get(name, (k, k))[0], k)
        found = []
        for k, i in enumerate(fixed):
            during = {name for name, (first, last) in lives.items() if first <= k <= last}
            before = {name for name, (first, last) in lives.items() if first < k <= last}
            found.append(Fixed(plan.steps[i], needs([plan.steps[i]]), size(during | states), size(before | states)))
        return Problem(plan, tuple(units), tuple(found))

    @cached_property
    def useful(self) -> tuple[int, ...]:
        """Units that the fixed steps from each on depend on."""
        found = [0]
        for step in reversed(self.fixed):
            found.append(found[-1] | self._behind(step.needs))
        return tuple(reversed(found))

    def _behind(self, needs: int) -> int:
        found, todo = needs, needs
        while todo:
            at = todo.bit_length() - 1
            todo &= ~(1 << at)
            new = self.units[at].needs & ~found
            found, todo = found | new, todo | new
        return found

    def remaining(self, alive: int, k: int) -> float:
        """What has to be run at least from here on."""
        total, seen, todo = 0.0, alive, self.wanted[k] & ~alive
        while todo:
            at = todo.bit_length() - 1
            unit = self.units[at]
            seen |= 1 << at
            total += unit.cost
            todo = (todo | unit.needs) & ~seen
        return total

    @cached_property
    def wanted(self) -> tuple[int, ...]:
        """Units whose maps the fixed steps from each on read."""
        found = [0]
        for step in reversed(self.fixed):
            found.append(found[-1] | step.needs)
        return tuple(reversed(found))

    def held(self, room: int) -> list[set[int]] | None:
        """What every order within so many bytes has alive at each fixed step: sets of units, of each set one.

        None if it is too much. What a later step reads, and what cannot be run again from nothing between, must be
        there, or something that it can be run from; what is there leaves less bytes to run in.
        """
        steps = range(len(self.fixed))
        held: list[set[int]] = [set() for _ in steps]
        while True:
            runs = [self._runs(k, held[k - 1] if k else set(), room) for k in steps]
            now = []
            for k in steps:
                within, must = 0, set()
                for j in steps[k + 1 :]:
                    within |= runs[j]
                    must |= {self._sources(at, within) for at in bits(self.fixed[j].needs)} - {0}
                now.append(must)
            if any(self._with(self.fixed[k].needs, now[k]) + self.fixed[k].during > room for k in steps):
                return None
            if now == held:
                return held
            held = now

    def fewest(self, most: int) -> int:
        """Bytes that no order can be below, ``most`` at most."""
        low, high = 0, -(-most // 8)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.held(8 * middle) is None else (low, middle)
        return min(8 * high, most)

    def _runs(self, k: int, held: set[int], room: int) -> int:
        """Units that there is room for in front of a fixed step."""
        left = room - self.fixed[k].before
        return sum(
            1 << at for at, unit in enumerate(self.units) if self._with(unit.needs | 1 << at, held) + unit.room <= left
        )

    def _sources(self, at: int, within: int) -> int:
        """A unit, and what it can be run from if only some may run; nothing if it can be run from inputs alone."""
        if not within >> at & 1:
            return 1 << at
        found = [self._sources(other, within) for other in bits(self.units[at].needs)]
        needed = reduce(or_, found, 0)
        return needed | 1 << at if needed else 0

    def _with(self, alive: int, held: set[int]) -> int:
        """The fewest bytes of what is alive and one of each set beside it."""
        groups: list[tuple[int, int]] = []
        for one in held:
            if one & alive:
                continue
            fewest = min(self.units[at].size for at in bits(one))
            for other in [g for g in groups if g[0] & one]:
                groups.remove(other)
                one, fewest = one | other[0], max(fewest, other[1])
            groups.append((one, fewest))
        return self.size(alive) + sum(fewest for _, fewest in groups)

    def size(self, alive: int) -> int:
        """Bytes of units' maps."""
        return sum(self.units[at].size for at in bits(alive))

    def kept(self, alive: int, needed: int, room: int) -> Iterator[int]:
        """What may stay in so many bytes: each largest choice that has all that is needed, first what costs most."""
        room -= self.size(needed)
        if room < 0:
            return
        free = sorted(bits(alive & ~needed), key=lambda at: -self.units[at].cost / self.units[at].size)
        sizes = [self.units[at].size for at in free]

        def choose(i: int, left: int, chosen: int, smallest_out: int) -> Iterator[int]:
            if i == len(free):
                if smallest_out > left:
                    yield needed | chosen
                return
            if sizes[i] <= left:
                yield from choose(i + 1, left - sizes[i], chosen | 1 << free[i], smallest_out)
            if sum(sizes[i:]) > left:  # something has to go
                yield from choose(i + 1, left, chosen, min(smallest_out, sizes[i]))

        yield from choose(0, room, 0, 1 << 62)

    def schedule(self, order: Sequence[int]) -> Schedule:
        """The schedule of an order; what is made for the second time has names of its own, as `t5_2`."""
        runs = [0] * len(self.units)
        steps: list[Step] = []
        buffers = dict(self.plan.buffers)
        current: dict[str, str] = {}
        fixed = iter(self.fixed)
        for at in order:
            if at < 0:
                steps.append(rename(next(fixed).step, current))
                continue
            runs[at] += 1
            for step in self.units[at].steps:
                if runs[at] > 1:
                    names = {name: f"{name}_{runs[at]}" for name in step.writes}
                    buffers |= {new: replace(buffers[old], name=new) for old, new in names.items()}
                    current |= names
                    step = replace(step, label=f"again: {step.label}")
                steps.append(rename(step, current))
        return replace(self.plan, steps=tuple(steps), buffers=buffers)


def bits(mask: int) -> list[int]:
    """The numbers of the bits that are set."""
    return [at for at in range(mask.bit_length()) if mask >> at & 1]
