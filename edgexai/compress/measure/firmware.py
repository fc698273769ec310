"""What a model costs as C99 sources: the price that `edgexai compress --runtime c99` holds its limits against."""

from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory

from converters.c99 import Explaining, Firmware, write
from converters.c99.recompute import fitted, least
from converters.c99.report import Line, report
from converters.c99.schedule import Step
from converters.c99.work import arena_use, macs
from converters.c99.work import price as instructions
from edgexai.board import Board
from edgexai.compress.measure.cost import Cost, Layer
from edgexai.graph import Graph


def price(board: Board | None, explain: str | None, ram: float | None = None) -> Callable[[Graph], Cost]:
    """What computes the cost of a graph: with the explanation by a composite, if one is named.

    ``bytes`` are constants and code in flash, ``ram`` the arena, inputs, outputs and map; without a board constants and
    arena alone. Time and energy are the middle of the report's range. Where explaining takes more than ``ram`` bytes,
    it computes maps again as `edgexai firmware --ram` does, and its time is that.
    """

    def cost(graph: Graph) -> Cost:
        with TemporaryDirectory(prefix="edgexai-") as folder:
            made = write(graph, folder, explains=Explaining(explain) if explain else None)
        return cost_of(made if ram is None else _within(made, board, ram), board)

    return cost


def cost_of(made: Firmware, board: Board | None) -> Cost:
    """The cost of what was written."""
    plan = made.explanation or made.schedule
    if board is None:
        used = arena_use(plan)
        layers = tuple(
            Layer(step.label, step.function, macs(step), 0, use, None, None)
            for step, use in zip(plan.steps, used, strict=True)
        )
        ram = max(made.arena, made.explain_arena or 0)
        return Cost(sum(layer.macs for layer in layers), made.constants, ram, None, None, layers)
    found = report(made, board)
    part = found.explain or found.predict
    layers = tuple(_layer(line) for line in part.lines)
    return Cost(
        macs=sum(layer.macs for layer in layers),
        bytes=sum(found.flash.values()),
        ram=sum(found.ram.values()),
        latency_ms=_middle(part.ms),
        energy_uj=_middle(part.uj),
        layers=layers,
    )


def _within(made: Firmware, board: Board | None, ram: float) -> Firmware:
    """The same with explaining planned for so many bytes; for the fewest that it runs in where that does not do."""
    beside = 0 if board is None else made.port_bytes + 4 * made.relevance
    whole = made.explanation
    if whole is None or (made.explain_arena or 0) + beside <= ram:
        return made

    def cost(step: Step) -> float:
        return instructions(step, whole)

    found = fitted(whole, int(ram) - beside, cost) or fitted(whole, least(whole, cost), cost)
    if found is None:
        return made
    return replace(made, explanation=found[0], room=found[1], explain_arena=max(found[1].size, 8))


def _layer(line: Line) -> Layer:
    return Layer(line.step, line.kernel, line.macs, 0, line.arena, _middle(line.ms), _middle(line.uj))


def _middle(span: tuple[float, float] | None) -> float | None:
    return None if span is None else (span[0] + span[1]) / 2
