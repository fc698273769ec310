"""lean: Graph -> Graph that runs the same without what no runtime reads: inner names, ranges, metadata."""

from dataclasses import replace

from edgexai.graph import Graph, Tensor, verify


def lean(graph: Graph) -> Graph:
    """The graph without names of inner tensors, ranges seen in training, and metadata; inputs and outputs keep theirs.

    For a model in transit; an explainer keeps its metadata by not being made lean.
    """
    ports = {*graph.inputs, *graph.outputs}
    tensors = tuple(_lean(t, t.name if i in ports else "") for i, t in enumerate(graph.tensors))
    small = replace(graph, tensors=tensors, metadata={}, files={})
    verify(small)
    return small


def _lean(tensor: Tensor, name: str) -> Tensor:
    quantization = tensor.quantization
    if quantization is not None:
        quantization = replace(quantization, rest=None)
    return replace(tensor, name=name, quantization=quantization)
