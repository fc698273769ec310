"""Whose costs a budget limits: the `.tflite`'s in a runtime, or those of the C99 sources."""

from collections.abc import Callable
from dataclasses import replace

from edgexai.board import Board
from edgexai.compress.measure.cost import Cost, cost
from edgexai.compress.measure.limits import Budget
from edgexai.compress.measure.plan import LARGEST_KIB, arena_of
from edgexai.errors import ConfigError
from edgexai.graph import Graph
from edgexai.relevance import attach

RUNTIMES = ("tflite", "c99")


def price_of(runtime: str, budget: Budget, explain: str | None) -> Callable[[Graph], Cost] | None:
    """What a graph costs in a runtime, with its explanation by a composite if one is named; None for `cost` itself.

    Where the budget limits RAM, that is the arena: of the C99 sources, planned for the limit if it is in bytes, or on
    a microcontroller's board TFLite Micro's, as `edgexai cost` has it. Raises ConfigError for another runtime.
    """
    board = budget.known_board
    ram = next((limit for limit in budget.limits if limit.what == "ram"), None)
    if runtime == "c99":
        from edgexai.compress.measure.firmware import price

        return price(board, explain, None if ram is None or ram.is_share else ram.most)
    if runtime != "tflite":
        raise ConfigError(f"runtime {runtime!r} is not known; use one of {', '.join(RUNTIMES)}")
    if ram is None or board is None or board.ram_kb > LARGEST_KIB:
        return None
    return lambda graph: _in_micro(attach(graph, explain) if explain else graph, board)


def _in_micro(graph: Graph, board: Board) -> Cost:
    return replace(cost(graph, board), ram=arena_of(graph)[0])
