"""How much RAM a memory plan takes: TFLite Micro's greedy planner, and an estimate of its arena.

Maps that are alive at once lie side by side: the largest first, each in the first gap where it fits (TFLite Micro,
`greedy_memory_planner.cc`). Gaps stay, so that this is more than what is alive at once at most (`Cost.ram`).
"""

from edgexai.compress.measure.cost import lifetimes
from edgexai.graph import Graph, serialize
from edgexai.runtime.arena import arena

LARGEST_KIB = 16 * 1024
"""Of RAM on a board that runs TFLite Micro; others plan their memory otherwise."""

AN_OPERATOR = 330
"""Bytes of TFLite Micro's own tables for each operator, with its tensors, quantization and the kernel's data. With it
the estimates are -4 to +4 % off for KWS, IC and their explainers, 4 % for AD's (AD alone takes 4 KB, not 7), and -41 to
+31 % for others that were tried: kernels ask for scratch memory of which a file says nothing."""
A_MODEL = 3_000
ALIGNED = 16


def planned(graph: Graph) -> int:
    """Bytes of all maps of a graph where the greedy planner puts them."""
    placed: list[tuple[int, int, int, int]] = []  # start, end, first, last
    most = 0
    for size, first, last in sorted(lifetimes(graph), key=lambda one: -one[0]):
        room = -(-size // ALIGNED) * ALIGNED
        start = 0
        for begin, end, other_first, other_last in sorted(placed):
            if other_first <= last and first <= other_last:
                if start + room <= begin:
                    break
                start = max(start, end)
        placed.append((start, start + room, first, last))
        most = max(most, start + room)
    return most


def estimated_arena(graph: Graph) -> int:
    """About how much TFLite Micro's arena takes, where it cannot be asked."""
    return planned(graph) + AN_OPERATOR * len(graph.ops) + A_MODEL


def arena_of(graph: Graph) -> tuple[int, bool]:
    """Bytes of TFLite Micro's arena, and whether it said so itself; else they are estimated."""
    measured = arena(serialize(graph))
    return (estimated_arena(graph), False) if measured is None else (measured, True)
