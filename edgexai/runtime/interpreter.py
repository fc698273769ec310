"""One door to the TFLite runtime, whichever of the two is installed: `ai-edge-litert` or `tflite-runtime`."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import file_content, real_array
from edgexai.errors import DataError, ModelError
from edgexai.quiet import ungreeted
from edgexai.units import refuse_ambiguous, refuse_foreign

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


@dataclass(frozen=True)
class Port:
    """An input or output: shape, type, and affine quantization (scale 0 if it has none)."""

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def in_unit(self, x: Any, unit: str | None) -> NDArray[Any]:
        """A sample in a type that says what it holds: the port's own for codes, floats for real numbers.

        ``unit`` is ``"codes"``, ``"real"``, ``"by type"`` (codes in the port's own type alone), or None for what the
        sample itself shows: DataError where whole numbers of another type may be both. DataError, too, for what is no
        array, and for codes that the type does not hold.
        """
        found = real_array(f"the sample for input {self.name!r}", x)
        is_integer, hint = self.dtype.kind in "iu" and self.scale > 0, 'say unit="codes" or unit="real"'
        if unit == "codes" and self.dtype.kind in "iu" and found.dtype != self.dtype:
            codes: NDArray[Any] = np.nan_to_num(found).astype(self.dtype)
            if not np.array_equal(codes, found):
                raise DataError(
                    f"the sample for input {self.name!r} holds more than {self.dtype} codes; check its unit"
                )
            return codes
        if unit == "real" and is_integer:
            return found.astype(np.float64)
        if found.dtype == self.dtype or found.dtype.kind == "b":
            return found
        if unit is None and is_integer:
            refuse_ambiguous(found, self.scale, self.zero_point, self.dtype, f"the sample for {self.name!r}", hint)
        if unit is None and found.dtype == np.int8 and self.dtype.kind == "f":
            raise DataError(
                f"the sample for input {self.name!r} holds int8, codes of an integer model, and this one takes real "
                f"numbers; give it as floats"
            )
        return found

    def quantized(self, x: NDArray[Any]) -> NDArray[Any]:
        """x in the port's own type: as it is if it has that type, any other number by scale and zero point.

        Axes of length one, the batch among them, may be missing or too many.
        Raises DataError if the shape or type does not fit or a value is not finite.
        """
        x = np.asarray(x)
        if [n for n in x.shape if n != 1] != [n for n in self.shape if n != 1]:
            raise DataError(f"input {self.name!r} takes shape {self.shape[1:]}, not {x.shape}; reshape the sample")
        x = x.reshape(self.shape)
        if x.dtype == self.dtype:
            fits = x
        elif np.issubdtype(self.dtype, np.floating) and x.dtype.kind in "iuf":
            fits = x.astype(self.dtype)
        elif x.dtype.kind in "iuf" and self.scale:
            refuse_foreign(np.nan_to_num(x), self.scale, self.zero_point, self.dtype, f"the sample for {self.name!r}")
            limits = np.iinfo(self.dtype)
            steps = np.rint(np.asarray(x, np.float64) / self.scale) + self.zero_point
            fits = np.clip(np.nan_to_num(steps), limits.min, limits.max).astype(self.dtype)
        else:
            raise DataError(f"input {self.name!r} takes {self.dtype} or real numbers, not {x.dtype}; convert them")
        if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
            raise DataError(f"the sample for input {self.name!r} holds values that are not finite; clean it")
        return fits

    def real(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Values of the port as real numbers."""
        if not self.scale or values.dtype.kind == "f":
            return values.astype(np.float32)
        return np.asarray((values.astype(np.float32) - self.zero_point) * np.float32(self.scale), np.float32)


class Interpreter:
    """A loaded model: ``run(x, …)`` gives its outputs, in the order of the file, as fresh arrays.

    A sequence begins without the state that another left in a fused LSTM; streams (variables, SVDF) go on.

    ``plain`` keeps to the runtime's plain kernels, without XNNPACK.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1, plain: bool = False) -> None:
        content = model if isinstance(model, bytes) else file_content("the model", model)
        where = "the model" if isinstance(model, bytes) else str(model)
        try:
            self._inner = _loaded(content, threads, plain)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the runtime cannot load {where}: {_first_line(error)}") from error
        names = {str(op["op_name"]) for op in self._inner._get_ops_details()}
        self._takes_sequences = "SVDF" not in names and any(name.endswith("SEQUENCE_LSTM") for name in names)
        self.inputs = tuple(_port(d) for d in self._inner.get_input_details())
        self.outputs = tuple(_port(d) for d in self._inner.get_output_details())

    def run(self, *xs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Outputs for one sample an input; see `Port.quantized` for what is taken."""
        if len(xs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs, not {len(xs)}")
        for port, x in zip(self.inputs, xs, strict=True):
            self._inner.set_tensor(port.index, port.quantized(x))
        self._forget()
        self._inner.invoke()
        return tuple(self._inner.get_tensor(port.index) for port in self.outputs)

    def _forget(self) -> None:
        """Sequences begin anew; a second subgraph that has not run yet has no state, and says so."""
        if self._takes_sequences:
            with suppress(RuntimeError):
                self._inner.reset_all_variables()

    def signature(self, key: str) -> Callable[..., tuple[NDArray[Any], ...]]:
        """What runs one signature of a file that has several: one array an input -> its outputs.

        Raises ModelError if it has none of that name.
        """
        if key not in self._inner.get_signature_list():
            raise ModelError(
                f"the file has no signature {key!r}; attach it with --signatures, or load the model beside it"
            )

        def run(*xs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
            given = {f"input_{i}": port.quantized(x) for i, (port, x) in enumerate(zip(self.inputs, xs, strict=False))}
            self._forget()
            # A runner that is kept keeps the interpreter itself from running
            found = self._inner.get_signature_runner(key)(**given)
            return tuple(np.array(found[f"output_{i}"]) for i in range(len(found)))

        return run


def _loaded(content: bytes, threads: int, plain: bool) -> Any:
    runtime = _runtime()
    options = {"experimental_op_resolver_type": runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    try:
        with ungreeted():
            inner = runtime.Interpreter(model_content=content, num_threads=threads, **(options if plain else {}))
            inner.allocate_tensors()
    except RuntimeError:
        if plain:
            raise
        return _loaded(content, threads, plain=True)  # XNNPACK refuses some graphs that the plain kernels run
    return inner


def _runtime() -> Any:
    for name in RUNTIMES:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModelError("no TFLite runtime is installed; install ai-edge-litert or tflite-runtime")


def _port(details: dict[str, Any]) -> Port:
    scale, zero_point = details["quantization"]
    shape = tuple(int(n) for n in details["shape"])
    dtype = np.dtype(details["dtype"])
    return Port(str(details["name"]), int(details["index"]), shape, dtype, float(scale), int(zero_point))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
