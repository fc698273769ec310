"""Cost by layer as a picture: where the time (or, without a board, the multiply-accumulates) and the RAM go."""

from importlib import import_module

from edgexai.board import Board
from edgexai.compress.measure.cost import Cost


def plot(found: Cost, board: Board | None, path: str) -> None:
    """Draw one bar an operator into a picture file; needs matplotlib."""
    figure_module = import_module("matplotlib.figure")
    names = [f"{i} {layer.kind}" for i, layer in enumerate(found.layers)]
    if board is None:
        title, work = "million MACs", [layer.macs / 1e6 for layer in found.layers]
    else:
        title, work = f"ms on {board.title}", [layer.latency_ms or 0.0 for layer in found.layers]
    figure = figure_module.Figure(figsize=(10, 1.5 + 0.22 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(names, work, color="tab:blue")
    left.set_xlabel(title)
    left.invert_yaxis()
    right.barh(names, [layer.ram / 1024 for layer in found.layers], color="tab:orange")
    right.set_xlabel("KiB of maps alive")
    figure.savefig(path)
