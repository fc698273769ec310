"""Explainer: runs an explainer file on a node; numpy and a TFLite runtime, nothing else."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import file_content, one_of, real_array, told, true_or_false, whole_number
from edgexai.errors import DataError, ModelError
from edgexai.named import by_input
from edgexai.runtime.about import About, Map, about, read_about
from edgexai.runtime.compiled import Compiled
from edgexai.runtime.explanation import Explanation
from edgexai.runtime.interpreter import Interpreter, Port
from edgexai.runtime.micro import MicroInterpreter
from edgexai.runtime.preprocessing import Preprocessing, preprocessing
from edgexai.runtime.sandbox import Limits, Runtime, Sandbox

MOST_THREADS = 1024
Sample = NDArray[Any] | Sequence[NDArray[Any]] | Mapping[str, NDArray[Any]]
Unit = Literal["codes", "real", "by type"]


class Explainer:
    """Loads a file that `edgexai.attach` made and explains one sample a call.

    ``runtime`` is the installed TFLite runtime, or ``"micro"`` for TFLite Micro, which takes one thread, or ``"c99"``:
    ``model`` is then a folder that `edgexai firmware --explain` wrote, compiled here. A file that
    nobody vouches for is ``untrusted``: it runs in a process of its own, within `Limits`, whose end is a ModelError.
    Raises ModelError for any other file, FileError (an OSError too) for none, DataError for a sample that does not fit.
    """

    def __init__(
        self,
        model: str | Path | bytes,
        threads: int = 1,
        runtime: Runtime = "tflite",
        untrusted: bool | Limits = False,
    ) -> None:
        if not isinstance(model, str | PathLike | bytes):
            raise DataError(f"Explainer takes the path or the bytes of an explainer file, not {told(model)}")
        whole_number("threads", threads, 1, MOST_THREADS)
        one_of("runtime", runtime, ("tflite", "micro", "c99"))
        limits = untrusted if isinstance(untrusted, Limits) else Limits()
        is_trusted = untrusted is not limits and not true_or_false("untrusted", untrusted)
        self._interpreter: Interpreter | MicroInterpreter | Sandbox | Compiled
        content = b""
        if runtime == "c99":
            self._interpreter, self.metadata = _compiled(model, is_trusted)
        else:
            content = model if isinstance(model, bytes) else file_content("the explainer", model)
            self.metadata = about(content, "the model" if isinstance(model, bytes) else str(model))
            if not is_trusted:
                self._interpreter = Sandbox(content, threads, runtime, limits)
            else:
                self._interpreter = Interpreter(content, threads) if runtime == "tflite" else MicroInterpreter(content)
        if not _complete(self._interpreter.outputs, self.metadata.outputs):
            raise ModelError("the explainer file lacks its outputs; attach the relevance pass again")
        asks = self.takes_weights or self.takes_box
        self.inputs = self._interpreter.inputs[:-1] if asks else self._interpreter.inputs
        if not self.inputs:
            raise ModelError("the explainer file takes no input; attach the relevance pass again")
        self.input = self.inputs[0]
        self.outputs = self._interpreter.outputs
        said = preprocessing(content) if content else Preprocessing()
        self.labels, self._calibration = said.labels, said.calibration
        self._predict: Callable[..., tuple[NDArray[Any], ...]] | None = None

    def predict(self, x: Sample, unit: Unit | None = None) -> tuple[NDArray[Any], ...]:
        """The model's outputs alone, in the time of the model; for files of `edgexai attach --signatures` on LiteRT."""
        if self._predict is None:
            if isinstance(self._interpreter, MicroInterpreter):
                raise ModelError("TFLite Micro runs no signatures; load the model beside the explainer")
            self._predict = self._interpreter.signature("predict")
        return self._predict(*self._parts(x, unit))

    @property
    def arena(self) -> int | None:
        """Bytes of RAM that TFLite Micro plans for the file; None on the other runtimes."""
        return None if isinstance(self._interpreter, Interpreter) else self._interpreter.arena

    @property
    def map_shape(self) -> tuple[int, ...]:
        """The shape of ``Explanation.relevance``."""
        first = next(i for i, name in enumerate(self.metadata.outputs) if name.startswith("relevance"))
        shape = self.outputs[len(self.outputs) - len(self.metadata.outputs) + first].shape
        return self._of_sample(np.zeros(shape, np.float32), 0).shape

    @property
    def takes_weights(self) -> bool:
        """Whether the file was attached with ``target="input"`` and wants a weight for each output."""
        return self.metadata.target == "input"

    @property
    def takes_box(self) -> bool:
        """Whether the file was attached with ``target="box(input)"`` and wants the number of a box."""
        return str(self.metadata.target).startswith("box(input)")

    def __call__(
        self,
        x: Sample,
        weights: NDArray[Any] | None = None,
        box: int | None = None,
        unit: Unit | None = None,
    ) -> Explanation:
        """Explain one sample, with or without batch axis: its own type as it is, floats by the input's scale.

        ``unit`` says what a sample for an integer input holds: its ``"codes"``, ``"real"`` numbers, or ``"by type"``,
        codes in the input's own type and real numbers in any other. Without it that is so too, but whole numbers of
        another type are refused where they may be both.
        A model with several inputs takes a list of them, in their order, or a dict by their names. ``weights``, one
        an output in any shape, says for ``target="input"`` what is explained: 1 for a class speaks for it, 1 and -1
        for the difference of two, 1 over a region of an output a pixel for that region. ``box`` says for
        ``target="box(input)"`` which one, by its place among the detections or candidates.
        """
        if self.takes_weights != (weights is not None):
            wants = "takes one weight an output" if self.takes_weights else "takes no weights"
            raise DataError(f"the explainer file was attached for target {self.metadata.target!r} and {wants}")
        if self.takes_box != (box is not None):
            wants = "takes the number of a box" if self.takes_box else "takes no box"
            raise DataError(f"the explainer file was attached for target {self.metadata.target!r} and {wants}")
        extra: tuple[NDArray[Any], ...] = ()
        if weights is not None:
            extra = (real_array("weights", weights).astype(np.float32).reshape(-1),)
        if box is not None:
            extra = (np.array([whole_number("box", box, 0, 2**31 - 1)], np.int32),)
        parts = self._parts(x, unit)
        found = self._interpreter.run(*parts, *extra)
        own = len(found) - len(self.metadata.outputs)
        named = dict(zip(self.metadata.outputs, found[own:], strict=True))
        maps = [r for name, r in named.items() if name.startswith("relevance")]
        relevance, *more = (self._of_sample(r, i) for i, r in enumerate(maps))
        return Explanation(
            tuple(found[:own]),
            int(named["target"][0]),
            float(named["score"][0]),
            relevance,
            named["concepts"][0] if "concepts" in named else None,
            tuple(more),
            float(named["state"][0]) if "state" in named else 0.0,
            tuple(_unbatched(np.asarray(x), port.shape) for port, x in zip(self.inputs, parts, strict=True)),
            self._scores(found[0]),
            self.labels,
            str(self.metadata.target),
            float(named["absorbed"][0]) if "absorbed" in named else None,
        )

    def _scores(self, output: NDArray[Any]) -> Map:
        """The first output (classes,) as real numbers, calibrated where the metadata says how."""
        scores = self.outputs[0].real(output).reshape(-1)
        if self._calibration is not None and len(self._calibration.rows) == len(scores):
            scores = self._calibration.of(scores).astype(np.float32)
        return scores

    def _of_sample(self, r: Map, number: int) -> Map:
        """The map without the batch axis of one, where the input (or the inner map of a grid) has one."""
        shape = self.inputs[number].shape if self.metadata.grid is None else r.shape
        return r[0] if len(shape) > 1 and shape[0] == 1 else r

    def _parts(self, x: Sample, unit: Unit | None) -> list[NDArray[Any]]:
        """One array an input, each in a type that says its unit."""
        if len(self.inputs) == 1 and not isinstance(x, Mapping):
            given = [x[0] if isinstance(x, list) and len(x) == 1 else x]
        else:
            given = by_input(x, [port.name for port in self.inputs])
        if unit is not None:
            one_of("unit", unit, ("codes", "real", "by type"))
        return [port.in_unit(one, unit) for port, one in zip(self.inputs, given, strict=True)]

    def batch(
        self, samples: NDArray[Any], weights: NDArray[Any] | None = None, unit: Unit | None = None
    ) -> list[Explanation]:
        """Explain samples (N, …) one after another: files for nodes take one at a time. ``weights`` are for each."""
        if isinstance(samples, str | bytes | Mapping) or not isinstance(samples, Iterable):
            raise DataError(f"samples are an array (N, …), not {told(samples)}; one sample alone is explain(x)")
        if isinstance(samples, np.ndarray) and samples.ndim == 0:
            raise DataError("samples are an array (N, …), not a single number; one sample alone is explain(x)")
        return [self(x, weights, unit=unit) for x in samples]


def _compiled(model: str | Path | bytes, is_trusted: bool) -> tuple[Compiled, About]:
    """Sources as a library, and what they explain."""
    if isinstance(model, bytes):
        raise DataError("runtime c99 takes the folder that `edgexai firmware --explain` wrote, not bytes")
    if not is_trusted:
        raise ModelError("runtime c99 compiles and runs what is in the folder; take sources that you trust")
    library = Compiled(model)
    if library.about is None:
        raise ModelError(f"the sources in {model} explain nothing; write them with --explain")
    return library, read_about(json.dumps(library.about).encode(), str(model))


def _complete(ports: Sequence[Port], names: Sequence[str]) -> bool:
    """Whether a file returns what its metadata names, behind at least one output of the model."""
    named = dict(zip(names, ports[len(ports) - len(names) :], strict=False))
    return (
        len(ports) > len(names) == len(named)
        and {"target", "score"} <= named.keys()
        and any(name.startswith("relevance") for name in names)
        and all(port.shape and min(port.shape) > 0 for port in named.values())
        and all(math.prod(named[name].shape) == 1 for name in {"target", "score", "state", "absorbed"} & named.keys())
        and all(port.dtype.kind == ("i" if name == "target" else "f") for name, port in named.items())
    )


def _unbatched(x: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A sample in the input's shape, without its batch axis of one."""
    return x.reshape(shape[1:] if len(shape) > 1 and shape[0] == 1 else shape)
