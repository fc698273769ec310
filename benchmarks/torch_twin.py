"""A float TFLite graph as a PyTorch module of the layers that zennit hooks: same weights, NCHW inside."""

from typing import Any

import numpy as np

from edgexai.errors import UnsupportedOperator
from edgexai.graph import Graph, Op, OpKind
from edgexai.relevance.reading.window import Axis, Window
from edgexai.relevance.targets.start import logits_of


def twin(graph: Graph) -> Any:
    """A module from (N, …) in the model's own layout to its logits (N, classes).

    Knows the operators of plain image classifiers; raises UnsupportedOperator for others.
    """
    import torch

    steps: list[tuple[Any, tuple[int, ...], int]] = []
    layers = torch.nn.ModuleList()
    logits = logits_of(graph, graph.outputs[0])
    for index, op in enumerate(graph.ops):
        if op.kind not in (OpKind.SOFTMAX, OpKind.LOGISTIC):
            layer = _layer(torch, graph, op, graph.describe(index))
            layers.append(layer)
            steps.append((layer, tuple(t for t in op.inputs if not graph.tensors[t].is_constant), op.outputs[0]))

    class Twin(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: Any) -> Any:
            values = {graph.inputs[0]: x.permute(0, 3, 1, 2) if x.ndim == 4 else x}
            for layer, inputs, output in steps:
                values[output] = layer(*(values[t] for t in inputs))
            return values[logits]

    return Twin().eval()


def _layer(torch: Any, graph: Graph, op: Op, where: str) -> Any:
    nn, o = torch.nn, op.options
    tensors = graph.tensors
    if op.kind == OpKind.RESHAPE:
        return _flat(torch)
    if op.kind == OpKind.ADD:
        return _add(torch, _activation(nn, o))
    if op.kind == OpKind.MEAN:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if op.kind in (OpKind.AVERAGE_POOL_2D, OpKind.MAX_POOL_2D):
        pool = nn.AvgPool2d if op.kind == OpKind.AVERAGE_POOL_2D else nn.MaxPool2d
        kernel, stride = (o.filterHeight, o.filterWidth), (o.strideH, o.strideW)
        return nn.Sequential(pool(kernel, stride), *_activation(nn, o))
    if op.kind not in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED):
        raise UnsupportedOperator(f"the PyTorch twin does not know {where}; compare another model")
    w, b = (np.asarray(tensors[t].real, np.float32) for t in op.inputs[1:3])
    if op.kind == OpKind.FULLY_CONNECTED:
        layer = nn.Linear(w.shape[1], w.shape[0])
        before: list[Any] = []
    else:
        depthwise = op.kind == OpKind.DEPTHWISE_CONV_2D
        groups = tensors[op.inputs[0]].shape[3] if depthwise else 1
        w = w.transpose(3, 0, 1, 2) if depthwise else w.transpose(0, 3, 1, 2)
        window = Window.of(op, tensors[op.inputs[0]].shape, (w.shape[2], w.shape[3]))
        rows, columns = (_padding(axis) for axis in (window.rows, window.columns))
        even = rows[0] == rows[1] and columns[0] == columns[1]  # then the layer pads, as zennit's flat rule wants
        before = [] if even else [nn.ZeroPad2d((*columns, *rows))]
        padding = (rows[0], columns[0]) if even else 0
        layer = nn.Conv2d(w.shape[1] * groups, w.shape[0], w.shape[2:], window.stride, padding, groups=groups)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
        layer.bias.copy_(torch.from_numpy(b))
    return nn.Sequential(*before, layer, *_activation(nn, o))


def _padding(axis: Axis) -> tuple[int, int]:
    return axis.before, max(0, (axis.out - 1) * axis.stride + axis.span - axis.size - axis.before)


def _activation(nn: Any, options: Any) -> list[Any]:
    return [nn.ReLU()] if options.fusedActivationFunction == 1 else []


def _flat(torch: Any) -> Any:
    class Flat(torch.nn.Module):  # type: ignore[misc]
        """(N, C, rows, columns) to (N, ·) in the order of the model's own layout."""

        def forward(self, x: Any) -> Any:
            return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).flatten(1)

    return Flat()


def _add(torch: Any, activation: list[Any]) -> Any:
    from zennit.layer import Sum

    class Add(torch.nn.Module):  # type: ignore[misc]
        """Two maps stacked and summed by the layer that zennit knows."""

        def __init__(self) -> None:
            super().__init__()
            self.sum = torch.nn.Sequential(Sum(), *activation)

        def forward(self, *maps: Any) -> Any:
            return self.sum(torch.stack(maps, dim=-1))

    return Add()
