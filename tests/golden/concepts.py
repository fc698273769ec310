"""Makes `concepts.npz` beside each golden network: relevance of the channels of inner maps, computed by zennit.

Run it where torch 2.14, zennit 0.5 and ai-edge-litert are installed: python tests/golden/concepts.py
The network is built again in torch from the file's own weights; `R_<composite>/<map>` is (4, channels), the relevance
that zennit gives to the output of a convolution, or to a sum of maps, summed over places (what zennit-crp conditions
on), `P_…` its positive part summed, `M_…` its largest value.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from zennit.composites import EpsilonPlus, LayerMapComposite
from zennit.layer import Sum
from zennit.rules import Epsilon, Norm, Pass
from zennit.types import Activation, AvgPool, Linear

import edgexai
from edgexai.graph import Graph, Op, OpKind

HERE = Path(__file__).parent
NETWORKS = ("bottleneck", "cnn", "dscnn", "resnet")
ACTIVATIONS = {0: nn.Identity, 1: nn.ReLU, 3: nn.ReLU6}
COMPOSITES = {
    "epsilon": lambda: LayerMapComposite(
        [(Activation, Pass()), (Sum, Norm()), (AvgPool, Norm()), (Linear, Epsilon(1e-6))]
    ),
    "epsilon_plus": lambda: EpsilonPlus(epsilon=1e-6),
}


class Network(nn.Module):
    """The operators of a golden network one after another, maps in NCHW."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.layers = nn.ModuleList(_layer(graph, op) for op in graph.ops)
        self.maps: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {self.graph.inputs[0]: x}
        for op, layer in zip(self.graph.ops, self.layers, strict=True):
            found = [values[t] for t in op.inputs if t in values]
            y = values[op.outputs[0]] = layer(torch.stack(found, -1) if len(found) > 1 else found[0])
            if op.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.ADD):
                y.retain_grad()
                self.maps[self.graph.tensors[op.outputs[0]].name] = y
        return values[self.graph.outputs[0]]


class Flat(nn.Module):
    """(N, C, H, W) -> (N, H · W · C), in TensorFlow's order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def _layer(graph: Graph, op: Op) -> nn.Module:
    o = op.options
    after = ACTIVATIONS[getattr(o, "fusedActivationFunction", 0)]()
    if op.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D):
        w, b = (np.asarray(graph.tensors[t].real, np.float32) for t in op.inputs[1:])
        deep = op.kind == OpKind.DEPTHWISE_CONV_2D
        w = w.transpose(3, 0, 1, 2) if deep else w.transpose(0, 3, 1, 2)
        groups, inside = (w.shape[0], w.shape[0]) if deep else (1, w.shape[1])
        same = o.padding == 0
        assert not same or (o.strideH == 1 and w.shape[2] % 2), "padding is equal on both sides"
        margin = (w.shape[2] // 2, w.shape[3] // 2) if same else (0, 0)
        conv = nn.Conv2d(inside, w.shape[0], w.shape[2:], (o.strideH, o.strideW), margin, groups=groups)
        return nn.Sequential(_with(conv, w, b), after)
    if op.kind == OpKind.FULLY_CONNECTED:
        w, b = (np.asarray(graph.tensors[t].real, np.float32) for t in op.inputs[1:])
        return nn.Sequential(_with(nn.Linear(w.shape[1], w.shape[0]), w, b), after)
    if op.kind == OpKind.ADD:
        return nn.Sequential(Sum(), after)
    if op.kind == OpKind.MEAN:
        return nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
    if op.kind == OpKind.RESHAPE:
        return Flat()
    pool = nn.MaxPool2d if op.kind == OpKind.MAX_POOL_2D else nn.AvgPool2d
    return pool((o.filterHeight, o.filterWidth), (o.strideH, o.strideW))


def _with(layer: Any, w: Any, b: Any) -> nn.Module:
    layer.weight.data, layer.bias.data = torch.tensor(w.copy()), torch.tensor(b.copy())
    return layer


def main() -> None:
    for name in NETWORKS:
        known = np.load(HERE / name / "golden.npz")
        network = Network(edgexai.load(HERE / name / "model.tflite")).eval()
        x = torch.tensor(known["x"].reshape(4, *network.graph.tensors[network.graph.inputs[0]].shape[1:]))
        x = x.permute(0, 3, 1, 2).contiguous()
        arrays = {}
        for composite, make in COMPOSITES.items():
            with make().context(network) as modified:
                inputs = x.clone().requires_grad_()
                y = modified(inputs)
                assert np.allclose(y.detach(), known["logits"], atol=1e-4)
                (seed,) = (torch.eye(y.shape[1])[known["target"]] * y.detach(),)
                y.backward(seed)
                theirs, ours = known[f"R_{composite}"].reshape(-1), inputs.grad.permute(0, 2, 3, 1).reshape(-1).numpy()
                assert np.abs(theirs - ours).max() <= 1e-4 * np.abs(theirs).max(), "the network is another one"
                for layer, value in network.maps.items():
                    r = value.grad.flatten(2).numpy()
                    arrays[f"R_{composite}/{layer}"] = r.sum(2)
                    arrays[f"P_{composite}/{layer}"] = np.maximum(r, 0).sum(2)
                    arrays[f"M_{composite}/{layer}"] = r.max(2)
        np.savez_compressed(HERE / name / "concepts.npz", **arrays)


if __name__ == "__main__":
    main()
