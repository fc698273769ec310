"""What a `.tflite` file says, read and written losslessly, and a builder that appends operators."""

from edgexai.graph.builder import Builder
from edgexai.graph.ir import DType, Graph, Op, Quantization, Tensor
from edgexai.graph.operators import verify_operators
from edgexai.graph.opkind import OpKind
from edgexai.graph.read import Model, graph_of, load, plain_of
from edgexai.graph.settle import settled
from edgexai.graph.signatures import with_predict
from edgexai.graph.stream import unrolled
from edgexai.graph.verify import resident, verify
from edgexai.graph.write import fingerprint, save, serialize

__all__ = [
    "Builder",
    "DType",
    "Graph",
    "Model",
    "Op",
    "OpKind",
    "Quantization",
    "Tensor",
    "fingerprint",
    "graph_of",
    "load",
    "plain_of",
    "resident",
    "save",
    "serialize",
    "settled",
    "unrolled",
    "verify",
    "verify_operators",
    "with_predict",
]
