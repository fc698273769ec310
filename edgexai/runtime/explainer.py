"""Explainer: runs an explainer file on a node; numpy and a TFLite runtime, nothing else."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import file_content, one_of, real_array, told, true_or_false, whole_number
from edgexai.errors import DataError, Error, ModelError
from edgexai.extras import how_to_install
from edgexai.runtime.compiled import Compiled
from edgexai.runtime.interpreter import Interpreter, Port
from edgexai.runtime.metadata import metadata
from edgexai.runtime.micro import MicroInterpreter
from edgexai.runtime.preprocessing import Preprocessing, preprocessing
from edgexai.runtime.sandbox import Limits, Runtime, Sandbox

MOST_THREADS = 1024
Map = NDArray[np.float32]
Sample = NDArray[Any] | Sequence[NDArray[Any]] | Mapping[str, NDArray[Any]]
Unit = Literal["codes", "real", "by type"]
PLAIN = ("relevance", "target", "score")


@dataclass(frozen=True)
class Concepts:
    """A part of an explainer's ``concepts``: one statistic of an inner map, a number a channel from ``start`` on.

    ``statistic`` is ``"sum"`` of relevance over a channel's places, ``"positive"``, the sum of its positive part, or
    ``"maximum"``, its largest value at one place.
    """

    map: str
    statistic: str
    start: int
    channels: int

    def of(self, concepts: Map) -> Map:
        """This part of a vector, or of many (…, N)."""
        return concepts[..., self.start : self.start + self.channels]


@dataclass(frozen=True)
class About:
    """What an explainer file says of itself; ``source`` is the SHA-256 (hex) of the model that it explains."""

    composite: str
    target: str | int
    grid: tuple[int, int] | None
    channels: str
    source: str
    version: str
    concepts: tuple[Concepts, ...] = ()
    outputs: tuple[str, ...] = PLAIN
    """What the file returns behind the model's own outputs."""
    notes: tuple[str, ...] = ()
    """What relevance does not go through, in words."""

    @property
    def maps(self) -> int:
        """How many inputs are explained."""
        return sum(name.startswith("relevance") for name in self.outputs)


@dataclass(frozen=True)
class Explanation:
    """A prediction and why.

    ``outputs`` are the model's own, bit for bit; ``relevance`` is float32 in the input's shape without batch (and
    without channels if the file sums them), ``more`` that of the second input and the further ones; ``score`` is the
    logit of ``target``, which the relevance adds up to; ``state`` is the part of it that a streaming model owes to the
    steps before; ``concepts`` float32 (N,) says which channels of inner maps took part
    (``Explainer.metadata.concepts`` names them). ``inputs`` are the sample that was explained, in the model's own type,
    ``scores`` the first output as real numbers, calibrated where the model's metadata says how, and ``labels`` the
    names of its classes.
    """

    outputs: tuple[NDArray[Any], ...]
    target: int
    score: float
    relevance: Map
    concepts: Map | None = None
    more: tuple[Map, ...] = ()
    state: float = 0.0
    inputs: tuple[NDArray[Any], ...] = ()
    scores: Map | None = None
    labels: tuple[str, ...] = ()
    of: str = "predicted"
    """What was explained, as `attach` was told: ``"predicted"``, ``"error"``, an index …"""
    biases: float | None = None
    """What biases took, where the file tells (``attach(…, absorbed=True)``)."""

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.relevance.shape))
        return f"Explanation({self.name!r}, score {self.score:.4g}, relevance {shape})"

    @property
    def name(self) -> str:
        """What the class is called that is explained: its number where the model has no labels."""
        return self.called(self.target)

    def called(self, target: int) -> str:
        """The name of a class, or its number."""
        target = whole_number("target", target)
        return self.labels[target] if 0 <= target < len(self.labels) else str(target)

    def probability(self, target: int) -> float | None:
        """Of a class, if the model's first output is from 0 to 1; None if it is not."""
        p, target = self.scores, whole_number("target", target)
        known = p is not None and 0 <= target < len(p) and p.min() >= 0 and p.max() <= 1
        return float(p[target]) if p is not None and known else None

    def plot(self, label: int | None = None, kind: str = "auto") -> Any:
        """The heatmap over the input, and beside it, as a figure of matplotlib; ``label`` is the true class.

        ``kind`` is ``"image"``, ``"spectrogram"`` (times, bands), ``"series"``, or what the shape looks like.
        """
        one_of("kind", kind, ("auto", "image", "spectrogram", "series"))
        if label is not None:
            whole_number("label", label)
        try:
            from edgexai.runtime.picture import figure
        except ModuleNotFoundError as error:
            raise Error(f"a picture needs {error.name}; {how_to_install(error.name)}") from None
        return figure([self], [label], kind)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; nothing without matplotlib."""
        try:
            from edgexai.runtime.picture import png

            return png(self.plot())
        except ModuleNotFoundError:
            return None

    @property
    def maps(self) -> tuple[Map, ...]:
        """The relevance of every input."""
        return (self.relevance, *self.more)

    @property
    def total(self) -> float:
        """All the relevance that arrived."""
        return float(sum(m.sum(dtype=np.float64) for m in self.maps)) + self.state

    @property
    def absorbed(self) -> float:
        """What the model's biases took, which no input has a part in.

        A file that does not count it (see `attach`) gives the score less all the relevance that arrived, what was
        `lost` included."""
        return self.score - self.total if self.biases is None else self.biases

    @property
    def lost(self) -> float | None:
        """What neither arrived nor went to biases: to stabilizers of the composite and other constants of the model.
        None where the file does not tell it from what biases took."""
        return None if self.biases is None else self.score - self.total - self.biases

    @property
    def conservation(self) -> float:
        """Σ relevance / score, 1 where nothing was absorbed; of a score of 0 it is 1 if nothing arrived, else 0."""
        if not self.score:
            return 0.0 if self.total else 1.0
        ratio = self.total / self.score
        return ratio if np.isfinite(ratio) else 0.0


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
        given: Sequence[Any]
        if isinstance(x, Mapping):
            names = [port.name for port in self.inputs]
            if set(x) != set(names):
                raise DataError(f"the model takes inputs {', '.join(map(repr, names))}, not {', '.join(map(repr, x))}")
            given = [x[name] for name in names]
        elif len(self.inputs) == 1:
            given = [x[0] if isinstance(x, list) and len(x) == 1 else x]
        elif not isinstance(x, list | tuple) or len(x) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs; give a list of {len(self.inputs)} arrays")
        else:
            given = x
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
    return library, _read(json.dumps(library.about).encode(), str(model))


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


def _named(where: str) -> str:
    return where if where.endswith(".tflite") else "MODEL"


def about(model: bytes, where: str) -> About:
    """What an explainer file says of itself; ModelError for a file that explains nothing."""
    if model[4:8] != b"TFL3":
        raise ModelError(
            f"{where} is not a TensorFlow Lite file (no TFL3 identifier); give one that edgexai attach made"
        )
    raw = metadata(model, "edgexai")
    if raw is None:
        raise ModelError(
            f"{where} explains nothing: it has no relevance pass; run `edgexai attach {_named(where)}` first"
        )
    return _read(raw, where)


def _read(raw: bytes, where: str) -> About:
    try:
        said = json.loads(raw)
        grid = said["grid"]
        return About(
            composite=str(said["composite"]),
            target=said["target"],
            grid=None if grid is None else (int(grid[0]), int(grid[1])),
            channels=str(said["channels"]),
            source=str(said["source"]),
            version=str(said["version"]),
            concepts=_concepts(said.get("concepts", [])),
            outputs=tuple(str(name) for name in said.get("outputs", PLAIN)),
            notes=tuple(str(note) for note in said.get("notes", [])),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        raise ModelError(f"{where} has damaged metadata; attach the relevance pass again") from None


def _concepts(said: list[dict[str, Any]]) -> tuple[Concepts, ...]:
    parts: list[Concepts] = []
    for part in said:
        start = parts[-1].start + parts[-1].channels if parts else 0
        parts.append(Concepts(str(part["map"]), str(part["statistic"]), start, int(part["channels"])))
    return tuple(parts)
