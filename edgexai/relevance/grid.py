"""Where relevance may stop: inner maps that every path from the input to the logits goes through."""

from edgexai.checks import told
from edgexai.errors import ConfigError
from edgexai.graph import Graph


def stop_tensors(graph: Graph, logits: int, grid: tuple[int, int] | None) -> list[int]:
    """The inputs, or the latest cut whose map is nearest to ``grid``."""
    if grid is None:
        return list(graph.inputs)
    _check(grid)
    cuts = choices(graph, logits)
    if not cuts:
        raise ConfigError("the model has no inner map to stop at; leave grid out")
    rows, columns = grid
    return [cuts[min(cuts, key=lambda size: abs(size[0] - rows) + abs(size[1] - columns))]]


def way_out(graph: Graph, logits: int, refused: int) -> str:
    """What to do where operator ``refused`` lets no relevance through: the grids above it, if there are any."""
    producer = graph.producers()
    above = [size for size, t in choices(graph, logits).items() if producer.get(t, -1) >= refused]
    if above:
        return f"or stop above it with grid={' or '.join(f'{rows}x{columns}' for rows, columns in above)}"
    if len(graph.outputs) > 1:
        return "or explain another of the model's outputs (no inner map lies above it, so that a grid cannot help)"
    return "or explain a model that ends in front of it (no inner map lies above it, so that a grid cannot help)"


def _check(grid: tuple[int, int]) -> None:
    if not isinstance(grid, tuple | list) or len(grid) != 2 or any(type(n) is not int or n < 1 for n in grid):
        raise ConfigError(f"grid is {told(grid)}; give (rows, columns), whole numbers of at least 1")


def choices(graph: Graph, logits: int) -> dict[tuple[int, int], int]:
    """Each resolution (rows, columns) that can be asked for, and the tensor that then stops relevance: the latest."""
    return {(graph.tensors[t].shape[1], graph.tensors[t].shape[2]): t for t in grids(graph, logits)}


def grids(graph: Graph, logits: int) -> list[int]:
    """The maps (1, rows, columns, channels) at which relevance can stop, from the input to the logits."""
    producer = graph.producers()
    # Backwards from the logits: a tensor is a cut if nothing else is still waiting to be explained.
    waiting = {logits}
    cuts = []
    inputs = set(graph.inputs)
    reaches = _reached(graph)
    while waiting:
        latest = max(waiting, key=lambda t: producer.get(t, -1))
        if len(waiting) == 1 and len(graph.tensors[latest].shape) == 4 and latest not in inputs:
            cuts.append(latest)
        waiting.discard(latest)
        if latest in producer:
            waiting.update(t for t in graph.ops[producer[latest]].inputs if t in reaches)
    return cuts[::-1]


def _reached(graph: Graph) -> set[int]:
    reached = set(graph.inputs)
    for op in graph.ops:
        if any(t in reached for t in op.inputs):
            reached.update(op.outputs)
    return reached
