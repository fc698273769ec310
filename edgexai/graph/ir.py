"""The intermediate representation: a `.tflite` file as three small frozen types.

`Graph` holds `Tensor`s and `Op`s; an `Op` names its tensors by index. Whatever edgexai has no use for stays in
``rest``, the schema's own object, and is written back as it came: read-only, shared between copies of a graph.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.graph.opkind import OpKind
from edgexai.graph.sparse import dense

Bytes = NDArray[np.uint8]


class DType(IntEnum):
    """Element type of a tensor, by the numbers of the schema."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10
    COMPLEX128 = 11
    UINT64 = 12
    RESOURCE = 13
    VARIANT = 14
    UINT32 = 15
    UINT16 = 16
    INT4 = 17
    BFLOAT16 = 18
    INT2 = 19
    UINT4 = 20
    FLOAT8_E4M3FN = 21
    FLOAT8_E5M2 = 22


NUMPY: Mapping[DType, np.dtype[Any]] = {
    DType.FLOAT32: np.dtype("<f4"),
    DType.FLOAT16: np.dtype("<f2"),
    DType.INT32: np.dtype("<i4"),
    DType.UINT8: np.dtype("u1"),
    DType.INT64: np.dtype("<i8"),
    DType.BOOL: np.dtype("?"),
    DType.INT16: np.dtype("<i2"),
    DType.COMPLEX64: np.dtype("<c8"),
    DType.INT8: np.dtype("i1"),
    DType.FLOAT64: np.dtype("<f8"),
    DType.COMPLEX128: np.dtype("<c16"),
    DType.UINT64: np.dtype("<u8"),
    DType.UINT32: np.dtype("<u4"),
    DType.UINT16: np.dtype("<u2"),
}
"""Types whose buffers numpy can view; the others (strings, packed 4-bit, handles) are carried as bytes."""

PACKED_BITS: Mapping[DType, int] = {
    DType.INT4: 4,
    DType.UINT4: 4,
    DType.INT2: 2,
    DType.BFLOAT16: 16,
    DType.FLOAT8_E4M3FN: 8,
    DType.FLOAT8_E5M2: 8,
}


@dataclass(frozen=True, eq=False)
class Quantization:
    """Affine quantization, ``real = scale · (q - zero_point)``, per tensor or along ``axis``.

    ``scale`` is float32 and ``zero_point`` int64, both (1,) or (channels,).
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0
    rest: Any = None


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph: a constant if ``data`` (its little-endian bytes) is there, else computed."""

    name: str
    shape: tuple[int, ...]
    dtype: DType = DType.FLOAT32
    data: Bytes | None = None
    quantization: Quantization | None = None
    is_variable: bool = False
    rest: Any = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def array(self) -> NDArray[Any]:
        """The constant as a numpy array in its own type and shape (a read-only view; a sparse one is made dense)."""
        if self.data is None:
            raise ModelError(f"tensor {self.name!r} is not a constant; run the model to see its value")
        if self.dtype not in NUMPY:
            raise ModelError(f"tensor {self.name!r} holds {self.dtype.name}, which has no numpy type")
        values = self.data.view(NUMPY[self.dtype])
        sparsity = getattr(self.rest, "sparsity", None)
        return values.reshape(self.shape) if sparsity is None else dense(values, self.shape, sparsity, self.name)

    @property
    def real(self) -> NDArray[np.float32]:
        """The constant dequantized to float32."""
        q = self.array
        if self.quantization is None or not np.issubdtype(q.dtype, np.integer):
            return q.astype(np.float32)
        along = [1] * q.ndim
        if self.quantization.scale.size > 1:
            along[self.quantization.axis] = -1
        scale = self.quantization.scale.reshape(along)
        zero = self.quantization.zero_point.reshape(along)
        return np.asarray((q.astype(np.int64) - zero) * scale, np.float32)


@dataclass(frozen=True, eq=False)
class Op:
    """One operator: what it is, and the tensors it reads and writes; an input of -1 is an optional one left out.

    ``options`` is the schema's option object of this kind (``Conv2DOptionsT`` …) or None; ``custom`` names a
    custom operator.
    """

    kind: OpKind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None
    version: int = 1
    custom: str = ""
    rest: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """A model: tensors, operators in order of execution, and which tensors go in and come out.

    ``subgraphs`` are the further ones that control flow calls (each without subgraphs of its own), ``metadata``
    the file's named byte strings, ``files`` what lies in the archive behind it (lists of class names), ``signatures``
    and ``rest`` the schema's objects.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = "main"
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    subgraphs: tuple["Graph", ...] = ()
    signatures: tuple[Any, ...] = ()
    rest: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    sha256: str = field(default="", init=False)
    """Of the file that was read; a graph derived by ``dataclasses.replace`` loses it, as it should."""

    def __repr__(self) -> str:
        def told(side: tuple[int, ...]) -> str:
            ports = [self.tensors[t] for t in side]
            return ", ".join(f"{p.name or 'tensor'} {p.dtype.name.lower()}{list(p.shape)}" for p in ports)

        return f"<Graph {self.name}: {len(self.ops)} operators, {told(self.inputs)} -> {told(self.outputs)}>"

    def describe(self, index: int) -> str:
        """Operator ``index`` as messages name it: kind, number and the name of its first output."""
        op = self.ops[index]
        name = op.custom or op.kind.name
        out = self.tensors[op.outputs[0]].name if op.outputs else ""
        return f'{name} (operator {index}, "{out}")'

    def producers(self) -> dict[int, int]:
        """Which operator writes each computed tensor."""
        return {t: i for i, op in enumerate(self.ops) for t in op.outputs}

    def consumers(self) -> dict[int, list[int]]:
        """Which operators read each tensor, in order."""
        readers: dict[int, list[int]] = {}
        for i, op in enumerate(self.ops):
            for t in dict.fromkeys(op.inputs):
                if t >= 0:
                    readers.setdefault(t, []).append(i)
        return readers

    def every(self) -> Iterator["Graph"]:
        """This graph and its subgraphs, in the order of the file."""
        yield self
        yield from self.subgraphs
