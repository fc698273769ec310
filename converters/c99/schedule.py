"""What the sources do, before they are text: buffers, and steps that call kernels on them, in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Constant:
    """An array in flash; equal ones are written once."""

    data: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Struct:
    """A struct in flash that another one points to."""

    type: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Buffer:
    """Memory of a map or of a kernel's working space."""

    name: str
    size: int
    kind: str = "map"
    """``map``, ``scratch``, ``state`` (kept between calls), ``input`` or ``output`` (the caller's memory)."""
    type: str = "int8_t"


@dataclass(frozen=True, eq=False)
class Step:
    """One call: ``function(&parameters, buffers…)``.

    ``type`` names the struct of ``parameters`` ("" where there is none). ``arguments`` are names of buffers,
    constants or C literals (str), in the kernel's order. ``reads`` and ``writes`` name the buffers for their lifetimes.
    """

    function: str
    type: str
    parameters: Mapping[str, Any]
    arguments: tuple["str | Constant | Literal", ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    label: str = ""
    op: int = -1
    """The operator of the graph that it belongs to."""


@dataclass(frozen=True)
class Literal:
    """C text that is passed as it is."""

    text: str


@dataclass(frozen=True)
class Schedule:
    """Steps in order, and the buffers that they name."""

    steps: tuple[Step, ...]
    buffers: Mapping[str, Buffer]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def lifetimes(self) -> dict[str, tuple[int, int]]:
        """First and last step of each buffer that lies in the arena."""
        found: dict[str, tuple[int, int]] = {}
        for i, step in enumerate(self.steps):
            for name in (*step.reads, *step.writes):
                if self.buffers[name].kind in ("map", "scratch"):
                    found[name] = (found.get(name, (i, i))[0], i)
        found |= {name: (0, len(self.steps)) for name, buffer in self.buffers.items() if buffer.kind == "state"}
        return found
