"""Graph -> bytes of a `.tflite` file; `load` and then `save` gives a file that runs bit for bit the same."""

import copy
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.archive import packed
from edgexai.checks import file_path, told
from edgexai.errors import DataError, FileError, MissingFile
from edgexai.graph.ir import Bytes, Graph, Op, Quantization, Tensor
from edgexai.graph.verify import verify


def save(graph: Graph, path: str | Path) -> None:
    """Verify the graph and write it; the file appears whole or not at all.

    Raises ModelError if the graph contradicts itself, FileError (an OSError too) if the file cannot be written.
    """
    if not isinstance(graph, Graph):
        raise DataError(f"save writes a Graph, not {told(graph)}; edgexai.load makes one of a file")
    file_path("the file to save to", path)
    write(serialize(graph), path)


def write(data: bytes, path: str | Path) -> None:
    """Write a file whole or not at all."""
    target = file_path("the file to write", path)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        if target.is_dir():
            raise FileError(f"{target} is a folder; give the path of the file to write")
        if target.exists() and not target.is_file():  # a device such as /dev/stdout is written to, not replaced
            target.write_bytes(data)
            return
        part.write_bytes(data)
        part.replace(target)
    except FileError:
        raise
    except FileNotFoundError:
        raise MissingFile(f"{target} cannot be written: there is no folder {target.parent}; make it first") from None
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}; give another path") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def serialize(graph: Graph) -> bytes:
    """The bytes of the `.tflite` file that says what the graph says."""
    verify(graph)
    buffers = _Buffers()
    codes: dict[tuple[int, int, str], int] = {}
    model = copy.copy(graph.rest) if graph.rest is not None else schema.ModelT(version=3)
    model.subgraphs = [_subgraph(g, buffers, codes) for g in graph.every()]
    model.operatorCodes = [_code(*key) for key in codes]
    model.metadata = [
        schema.MetadataT(name=_raw(name), buffer=buffers.add(np.frombuffer(value, np.uint8)))
        for name, value in graph.metadata.items()
    ]
    model.signatureDefs = list(graph.signatures)
    model.buffers = buffers.tables
    builder = _SharingBuilder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output()) + packed(graph.files)


def fingerprint(graph: Graph) -> str:
    """SHA-256 (hex) of the file that the graph was read from, or of the one it would be written to."""
    return graph.sha256 or hashlib.sha256(serialize(graph)).hexdigest()


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """A builder that writes equal vectors of numbers once: shapes, scales and zero points repeat from tensor to tensor.

    An offset may be used by several tables, so no reader notices.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}
        self.tables: dict[Any, int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = int(super().CreateNumpyVector(x))
        return self._written[key]


class _Shared:
    """A table that is written once for all whose fields are equal; fields that are objects are equal if identical."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def Pack(self, builder: _SharingBuilder) -> int:
        key = (type(self._table), *((name, _content(value)) for name, value in vars(self._table).items()))
        if key not in builder.tables:
            builder.tables[key] = int(self._table.Pack(builder))
        return builder.tables[key]


def _content(value: Any) -> Any:
    """Equal for field values that are written alike; the type tells 0 from 0.0 and False, repr 0.0 from -0.0."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, list | tuple):
        return (type(value), *map(_content, value))
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return (type(value), repr(value))
    return id(value)  # alive as long as the graph that is being written


class _AlignedBuffer:
    """A buffer's table; the generated one aligns its bytes to 1, and kernels read weights in place and need 16."""

    def __init__(self, data: Bytes | None = None) -> None:
        self.data = data

    def Pack(self, builder: Any) -> int:
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            builder.Bytes[builder.Head() : builder.Head() + len(self.data)] = self.data.tobytes()
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class _Buffers:
    """The file's buffers: the first one is empty by convention, an array object is written once."""

    def __init__(self) -> None:
        self.tables = [_AlignedBuffer()]
        self._index: dict[int, int] = {}
        self._alive: list[Bytes] = []  # keeps the id of a temporary array from being given away again

    def add(self, data: Bytes | None) -> int:
        if data is None:
            return 0
        if id(data) not in self._index:
            self._index[id(data)] = len(self.tables)
            self._alive.append(data)
            self.tables.append(_AlignedBuffer(data=data))
        return self._index[id(data)]


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _code(kind: int, version: int, custom: str) -> Any:
    return schema.OperatorCodeT(
        deprecatedBuiltinCode=min(kind, 127),  # what readers from before 2020 look at
        builtinCode=kind,
        version=version,
        customCode=_raw(custom) if custom else None,
    )


def _subgraph(graph: Graph, buffers: _Buffers, codes: dict[tuple[int, int, str], int]) -> Any:
    return schema.SubGraphT(
        name=_raw(graph.name),
        tensors=[_tensor(t, buffers) for t in graph.tensors],
        inputs=np.array(graph.inputs, np.int32),
        outputs=np.array(graph.outputs, np.int32),
        operators=[_op(o, codes) for o in graph.ops],
    )


def _tensor(tensor: Tensor, buffers: _Buffers) -> Any:
    table = copy.copy(tensor.rest) if tensor.rest is not None else schema.TensorT(hasRank=True)
    table.name = _raw(tensor.name)
    table.shape = np.array(tensor.shape, np.int32)
    table.type = int(tensor.dtype)
    table.buffer = buffers.add(tensor.data)
    if tensor.quantization is not None:
        table.quantization = _Shared(_quantization(tensor.quantization))
    table.isVariable = tensor.is_variable
    return table


def _quantization(quantization: Quantization) -> Any:
    table = copy.copy(quantization.rest) if quantization.rest is not None else schema.QuantizationParametersT()
    table.scale = quantization.scale
    table.zeroPoint = quantization.zero_point
    table.quantizedDimension = quantization.axis
    return table


def _op(op: Op, codes: dict[tuple[int, int, str], int]) -> Any:
    table = copy.copy(op.rest) if op.rest is not None else schema.OperatorT()
    table.opcodeIndex = codes.setdefault((int(op.kind), op.version, op.custom), len(codes))
    table.inputs = np.array(op.inputs, np.int32)
    table.outputs = np.array(op.outputs, np.int32)
    table.builtinOptions = None if op.options is None else _Shared(op.options)
    table.builtinOptionsType = (
        0 if op.options is None else getattr(schema.BuiltinOptions, type(op.options).__name__.removesuffix("T"))
    )
    return table
