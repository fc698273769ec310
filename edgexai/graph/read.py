"""Bytes of a `.tflite` file -> Graph, for files that nobody vouches for."""

import hashlib
import struct
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.archive import unpacked
from edgexai.checks import file_content, told
from edgexai.errors import DataError, ModelError
from edgexai.graph.ir import Bytes, DType, Graph, Op, Quantization, Tensor
from edgexai.graph.operators import verify_operators
from edgexai.graph.opkind import OpKind
from edgexai.graph.verify import verify

MAX_RANK = 8
EXPLAINS = "edgexai"
"""The metadata of an explainer, which `edgexai.relevance.attach` writes."""
MALFORMED = (struct.error, ValueError, IndexError, TypeError, OverflowError, AttributeError, MemoryError)


Model = Graph | str | PathLike[str]
"""What public functions take: a graph, or the path of a `.tflite` file."""


def graph_of(model: Model) -> Graph:
    """The graph of a model; DataError for anything that is neither a graph nor a path."""
    if isinstance(model, Graph):
        return model
    if isinstance(model, str | PathLike):
        return load(Path(model))
    raise DataError(f"a model is a Graph or the path of a .tflite file, not {told(model)}; give one of them")


def plain_of(model: Model) -> Graph:
    """The same, of a model that is no explainer yet; ModelError for one that is."""
    graph = graph_of(model)
    if EXPLAINS in graph.metadata:
        raise ModelError("the model is an explainer already; give the model that it was made of")
    return graph


def load(source: str | Path | bytes) -> Graph:
    """Read a `.tflite` file (a path, or its bytes) and verify it.

    Raises ModelError if it is not one, is cut short or contradicts itself; FileError (an OSError too) if it cannot be
    opened.
    """
    if not isinstance(source, str | PathLike | bytes):
        raise DataError(f"load reads a path or bytes, not {told(source)}; give the path of a .tflite file")
    where = "the model" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else file_content("the model", source)
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise ModelError(f"{where} is not a TensorFlow Lite file (no TFL3 identifier); convert it first")
    try:
        model = schema.Model.GetRootAs(data, 0)
        _weigh(model, len(data))
        graph = _graph(schema.ModelT.InitFromObj(model))
    except MALFORMED as error:
        raise ModelError(
            f"{where} is broken or cut short ({type(error).__name__} while reading); fetch it again"
        ) from error
    verify(graph)
    verify_operators(graph)
    object.__setattr__(graph, "files", unpacked(data))
    object.__setattr__(graph, "sha256", hashlib.sha256(data).hexdigest())
    return graph


def _weigh(model: Any, size: int) -> None:
    """Count the tables before any is unpacked: offsets may point to one table many times over."""
    # A table costs at least a 4-byte offset where it is listed; sharing is legal, multiplying the file is not.
    budget = size // 4
    subgraphs = [model.Subgraphs(i) for i in _within(model.SubgraphsLength(), budget)]
    count = sum(g.TensorsLength() + g.OperatorsLength() for g in subgraphs)
    count += model.OperatorCodesLength() + model.BuffersLength() + model.MetadataLength()
    count += model.SignatureDefsLength() + model.ExternalBuffersLength() + model.ExternalBufferGroupsLength()
    _within(count, budget)
    for i in _within(model.SignatureDefsLength(), budget):
        count += model.SignatureDefs(i).InputsLength() + model.SignatureDefs(i).OutputsLength()
    text = 0
    for graph in subgraphs:
        for i in _within(graph.TensorsLength(), budget):
            tensor = graph.Tensors(i)
            sparsity = tensor.Sparsity()
            count += tensor.VariantTensorsLength() + (sparsity.DimMetadataLength() if sparsity else 0)
            text += len(tensor.Name() or b"")
            _within(count, budget)
            _within(text, 2 * size)


def _within(count: int, budget: int) -> range:
    if count > budget:
        raise ValueError("more tables than the file has room for")
    return range(count)


def _text(raw: bytes | str | None) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw or ""


def _ints(raw: Any) -> tuple[int, ...]:
    return () if raw is None else tuple(int(v) for v in raw)


def _graph(model: Any) -> Graph:
    if not model.subgraphs:
        raise ModelError("the model has no graph inside; fetch or convert it again")
    if model.externalBuffers or any(b is not None and b.offset > 1 for b in model.buffers or ()):
        raise ModelError("the model keeps weights outside its flatbuffer; convert it to a file below 2 GB")
    # Tensors that share a buffer share the array object: that is how `save` knows.
    buffers = [_buffer(b) for b in model.buffers or ()]
    codes = [
        (OpKind(max(c.builtinCode, c.deprecatedBuiltinCode)), int(c.version), _text(c.customCode))
        for c in model.operatorCodes or ()
    ]
    metadata = {_text(m.name): _bytes(buffers[m.buffer]) for m in model.metadata or ()}
    main, *others = (_subgraph(s, buffers, codes) for s in model.subgraphs)
    return Graph(
        main.tensors,
        main.ops,
        main.inputs,
        main.outputs,
        main.name,
        metadata,
        tuple(others),
        tuple(model.signatureDefs or ()),
        _without(model, "subgraphs", "buffers", "operatorCodes", "metadata", "signatureDefs"),
    )


def _without(table: Any, *fields: str) -> Any:
    for name in fields:
        setattr(table, name, None)
    return table


def _buffer(raw: Any) -> Bytes | None:
    return None if raw is None or not isinstance(raw.data, np.ndarray) else raw.data


def _bytes(data: Bytes | None) -> bytes:
    return b"" if data is None else data.tobytes()


def _subgraph(raw: Any, buffers: list[Bytes | None], codes: list[tuple[OpKind, int, str]]) -> Graph:
    tensors = tuple(_tensor(t, buffers) for t in raw.tensors or ())
    ops = tuple(_op(o, codes) for o in raw.operators or ())
    return Graph(tensors, ops, _ints(raw.inputs), _ints(raw.outputs), _text(raw.name))


def _tensor(raw: Any, buffers: list[Bytes | None]) -> Tensor:
    name = _text(raw.name)
    shape = _ints(raw.shape)
    if len(shape) > MAX_RANK:
        raise ModelError(f"tensor {name!r} has {len(shape)} dimensions; at most {MAX_RANK} make sense")
    data = buffers[raw.buffer] if raw.buffer else None
    if data is not None and data.size == 0 and 0 not in shape:
        data = None  # converters give a computed tensor an empty buffer of its own
    quantization = _quantization(raw.quantization)
    return Tensor(
        name,
        shape,
        DType(raw.type),
        data,
        quantization,
        bool(raw.isVariable),
        _without(raw, "shape", "name", *(["quantization"] if quantization else [])),
    )


def _quantization(raw: Any) -> Quantization | None:
    if raw is None or raw.scale is None or len(raw.scale) == 0:
        return None
    scale = np.asarray(raw.scale, np.float32)
    given = raw.zeroPoint is not None and len(raw.zeroPoint) > 0
    zero = np.asarray(raw.zeroPoint, np.int64) if given else np.zeros(len(scale), np.int64)
    return Quantization(scale, zero, int(raw.quantizedDimension), _without(raw, "scale", "zeroPoint"))


def _op(raw: Any, codes: list[tuple[OpKind, int, str]]) -> Op:
    kind, version, custom = codes[raw.opcodeIndex]
    inputs, outputs = _ints(raw.inputs), _ints(raw.outputs)
    options = raw.builtinOptions
    return Op(kind, inputs, outputs, options, version, custom, _without(raw, "inputs", "outputs", "builtinOptions"))
