"""Every .tflite file under a folder: is it explained, does it predict as before, and at what price.

    python -m benchmarks zoo DIR [--composite edge] [--json]

A model is tried in a process of its own, so that one that dies is a row and not the end. Of each: whether the runtime
itself runs it on random inputs; whether `attach` takes it, and if not, why; whether its outputs stay the same in every
bit; whether relevance is finite; `conservation`, its median over the inputs; invariance, how far the map moves if one
hidden layer is multiplied by 4 and the next one divided by it (share of the largest value); time and bytes, over those
of the model.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgexai
from edgexai.cli.table import table
from edgexai.errors import Error, ModelError
from edgexai.graph import DType, Graph, OpKind, Quantization, Tensor, load, serialize
from edgexai.runtime.interpreter import Interpreter, Port

Row = dict[str, Any]
LAYERS = {OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED}
WEIGHTED = LAYERS | {
    OpKind.CONV_3D,
    OpKind.TRANSPOSE_CONV,
    OpKind.BATCH_MATMUL,
    OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM,
    OpKind.BIDIRECTIONAL_SEQUENCE_LSTM,
    OpKind.SVDF,
    OpKind.LSTM,
    OpKind.WHILE,
}
FACTOR = 4.0
MEMORY = 8 << 30


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where the models are, or one model")
    parser.add_argument("--json", action="store_true", help="print the rows, one a line, and no table")
    parser.add_argument("--composite", default="edge", help="which rules (%(default)s)")
    parser.add_argument("--inputs", type=int, default=3, help="random inputs a model (%(default)s)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a model (%(default)s)")


def run(args: argparse.Namespace) -> int:
    rows = []
    for path in _files(args.folder):
        rows.append(_in_a_child(path, args.composite, args.inputs, args.timeout))
        print(json.dumps(rows[-1]), file=sys.stdout if args.json else sys.stderr, flush=True)
    if not args.json:
        print(summary(rows), accepted(rows), refused(rows), sep="\n\n")
    return 0


def _files(folder: Path) -> list[Path]:
    """Each model once, whatever it is called."""
    known: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.tflite")) if folder.is_dir() else [folder]:
        known.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    return list(known.values())


def _in_a_child(path: Path, composite: str, inputs: int, timeout: float) -> Row:
    base = {"model": path.stem.rpartition("__")[2], "bytes": path.stat().st_size}
    command = [sys.executable, "-m", "benchmarks.zoo", str(path), composite, str(inputs)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return base | {"died": f"took more than {timeout:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    row: Row = json.loads(lines[-1]) if lines else {}
    if done.returncode:
        row["died"] = f"exit code {done.returncode} {row.get('stage', '')}".strip()
    return base | row


# --- one model, in its own process


def examine(path: Path, composite: str, inputs: int) -> Row:
    """What is found out about one model; printed after every stage, so that a death is known by where it happened."""
    row: Row = {"stage": "while it was read"}
    content = path.read_bytes()
    graph = load(content)
    row |= {
        "inputs": [f"{graph.tensors[t].dtype.name.lower()}{list(graph.tensors[t].shape)}" for t in graph.inputs],
        "layers": sum(op.kind in WEIGHTED for part in graph.every() for op in part.ops),
    }
    _stage(row, "in the runtime alone")
    try:
        source = Interpreter(content)
        samples = [_sample(source.inputs, seed) for seed in range(inputs)]
        for xs in samples:
            source.run(*xs)
    except Error as error:
        return row | {"runs": False, "why": str(error)}
    _without_us(content, samples)
    row["runs"] = True
    _stage(row, "in attach")
    try:
        explain = serialize(edgexai.attach(graph, composite))
    except Error as error:
        return row | {"accepted": False, "why": str(error), "error": type(error).__name__}
    except Exception as error:  # what is no error of ours is a finding
        return row | {"accepted": False, "why": f"{type(error).__name__}: {error}", "error": "exception"}
    row |= {"accepted": True, "bytes_ratio": len(explain) / len(content)}
    _stage(row, "in the explainer")
    source = Interpreter(content)  # a streaming model remembers
    explainer = edgexai.Explainer(explain)
    conservation, exact, finite, maps = [], True, True, []
    for xs in samples:
        e = explainer(xs)
        exact &= all(a.tobytes() == b.tobytes() for a, b in zip(e.outputs, source.run(*xs), strict=True))
        finite &= all(bool(np.isfinite(m).all()) for m in e.maps)
        conservation.append(e.conservation)
        maps.append(e.maps)
    kept = [c for c in conservation if np.isfinite(c)]
    row |= {"exact": exact, "finite": finite, "conservation": median(kept) if kept else None}
    row["notes"] = list(explainer.metadata.notes)
    _stage(row, "while it was timed")
    row["time_ratio"] = _time_ratio(source, explainer, samples[0])
    _stage(row, "while a layer was scaled")
    row["invariance"] = _invariance(graph, composite, samples, maps)
    return row


def _without_us(content: bytes, samples: list[list[NDArray[Any]]]) -> None:
    """Once more on plain kernels: a model that corrupts the runtime dies here, not where it is explained."""
    try:
        plain = Interpreter(content, plain=True)
    except Error:
        return  # some custom operators are known to XNNPACK alone
    for xs in samples:
        plain.run(*xs)


def _stage(row: Row, stage: str) -> None:
    row["stage"] = stage
    print(json.dumps(row), flush=True)


def _sample(ports: tuple[Port, ...], seed: int) -> list[NDArray[Any]]:
    random = np.random.default_rng(seed)
    xs: list[NDArray[Any]] = []
    for port in ports:
        if port.dtype.kind == "f":
            xs.append(random.uniform(0, 1, port.shape).astype(port.dtype))
        elif (port.dtype.itemsize == 1 and port.dtype.kind in "iu") or port.dtype == np.int16:
            limits = np.iinfo(port.dtype)
            xs.append(random.integers(limits.min, limits.max + 1, port.shape).astype(port.dtype))
        elif port.dtype.kind in "iub":
            xs.append(random.integers(0, 2 if port.dtype.kind == "b" else 10, port.shape).astype(port.dtype))
        else:
            raise ModelError(f"input {port.name!r} takes {port.dtype}, which is no number")
    return xs


def _time_ratio(source: Interpreter, explainer: edgexai.Explainer, xs: list[NDArray[Any]]) -> float:
    """Least time of each over rounds of both."""
    predict: list[float] = []
    explain: list[float] = []
    end = time.perf_counter() + 2
    while len(predict) < 3 or (time.perf_counter() < end and len(predict) < 40):
        start = time.perf_counter()
        source.run(*xs)
        between = time.perf_counter()
        explainer(xs)
        predict.append(between - start)
        explain.append(time.perf_counter() - between)
    return min(explain) / min(predict)


def _invariance(
    graph: Graph, composite: str, samples: list[list[NDArray[Any]]], maps: list[tuple[NDArray[Any], ...]]
) -> float | None:
    scaled = _scaled(graph)
    if scaled is None:
        return None
    try:
        other = edgexai.Explainer(serialize(edgexai.attach(scaled, composite)))
    except Error:
        return None
    worst = 0.0
    for xs, before in zip(samples, maps, strict=True):
        after = other(xs).maps
        most = max((float(np.abs(m).max(initial=0)) for m in before), default=0.0)
        if most:
            apart = max(float(np.abs(a - b).max(initial=0)) for a, b in zip(before, after, strict=True))
            worst = max(worst, apart / most)
    return worst


def _scaled(graph: Graph) -> Graph | None:
    """The same model with one hidden map four times as large, in the middle of it; None where no two layers touch."""
    readers = graph.consumers()
    uses = Counter(t for op in graph.ops for t in op.inputs)
    pairs = []
    for op in graph.ops:
        following = [graph.ops[i] for i in readers.get(op.outputs[0], [])] if len(op.outputs) == 1 else []
        if op.kind not in LAYERS or len(following) != 1 or following[0].kind not in LAYERS:
            continue
        after = following[0]
        constants = [t for t in (*op.inputs[1:], *after.inputs[1:]) if t >= 0]
        if (
            op.options.fusedActivationFunction in (0, 1)
            and after.inputs[0] == op.outputs[0]
            and op.outputs[0] not in graph.outputs
            and all(graph.tensors[t].is_constant and uses[t] == 1 for t in constants)
        ):
            pairs.append((op, after))
    if not pairs:
        return None
    op, after = pairs[len(pairs) // 2]
    tensors = list(graph.tensors)
    for t, factor in [(t, FACTOR) for t in (*op.inputs[1:], op.outputs[0])] + [(after.inputs[1], 1 / FACTOR)]:
        if t >= 0:
            tensors[t] = _times(tensors[t], factor)
    return replace(graph, tensors=tuple(tensors))


def _times(tensor: Tensor, factor: float) -> Tensor:
    """A tensor whose real values are multiplied: by its scale, or by its values."""
    q = tensor.quantization
    if q is not None and tensor.dtype != DType.FLOAT32:
        scale = (q.scale * np.float32(factor)).astype(np.float32)
        return replace(tensor, quantization=Quantization(scale, q.zero_point, q.axis, q.rest))
    if tensor.data is None:
        return tensor
    data = (tensor.array * np.asarray(factor, tensor.array.dtype)).reshape(-1).view(np.uint8)
    return replace(tensor, data=data)


# --- the page


def summary(rows: list[Row]) -> str:
    """How many are run, accepted, right; medians of what an explanation costs."""
    running = [r for r in rows if r.get("runs")]
    eligible = [r for r in running if r.get("layers") and _explainable(r)]
    accepted = [r for r in running if r.get("accepted")]
    of = [r for r in eligible if r.get("accepted")]
    died = sum("died" in r or r.get("error") == "exception" for r in running)
    moved = f"{_median(accepted, 'invariance', '.1e')}; {_most(accepted)}"
    cells = [
        ["models", f"{len(rows)}"],
        ["run by the runtime itself", f"{len(running)}"],
        ["of these with float or integer inputs and a layer with weights", f"{len(eligible)}"],
        ["accepted of the latter", f"{len(of)} ({100 * len(of) / max(1, len(eligible)):.1f} %)"],
        ["bit-exact", f"{sum(bool(r.get('exact')) for r in accepted)} of {len(accepted)}"],
        ["finite", f"{sum(bool(r.get('finite')) for r in accepted)} of {len(accepted)}"],
        ["ended in an exception that is not ours, or died", f"{died}"],
        ["conservation, median", _median(accepted, "conservation")],
        ["explaining over predicting, time, median", _median(accepted, "time_ratio")],
        ["explainer over model, bytes, median", _median(accepted, "bytes_ratio")],
        ["map moved by a layer times 4, median; most", moved],
    ]
    return table(["", ""], cells)


def accepted(rows: list[Row]) -> str:
    """Every model that is explained."""
    cells = []
    for r in sorted((r for r in rows if r.get("accepted")), key=lambda r: str(r["model"]).lower()):
        exact, finite = (("yes" if r.get(k) else "**no**") if k in r else "?" for k in ("exact", "finite"))
        figures = [_figure(r, "conservation"), _figure(r, "invariance", ".0e"), _figure(r, "time_ratio", ".1f")]
        told = [r["model"], f"{r['bytes']:,}", ", ".join(r["inputs"]), exact, finite]
        cells.append([*told, *figures, _figure(r, "bytes_ratio", ".1f")])
    return table(
        ["model", "bytes", "inputs", "bit-exact", "finite", "conservation", "moved", "time", "bytes over"], cells
    )


def refused(rows: list[Row]) -> str:
    """Every other, and why."""
    cells = []
    for r in sorted((r for r in rows if not r.get("accepted")), key=lambda r: str(r["model"]).lower()):
        why = r.get("died") or (r.get("why", "") if r.get("runs") else f"not run by the runtime: {r.get('why', '')}")
        cells.append([r["model"], ", ".join(r.get("inputs", [])), str(why).replace("|", "/")])
    return table(["model", "inputs", "why"], cells)


def _explainable(row: Row) -> bool:
    return any(not i.startswith(("string", "bool", "resource")) for i in row["inputs"])


def _figure(row: Row, key: str, form: str = ".2f") -> str:
    return "–" if row.get(key) is None else f"{row[key]:{form}}"


def _median(rows: list[Row], key: str, form: str = ".2f") -> str:
    found = [r[key] for r in rows if r.get(key) is not None]
    return f"{median(found):{form}}" if found else "–"


def _most(rows: list[Row]) -> str:
    found = [r["invariance"] for r in rows if r.get("invariance") is not None]
    return f"{max(found):.1e}" if found else "–"


def _child(path: str, composite: str, inputs: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        row = examine(Path(path), composite, int(inputs))
    except Error as error:
        row = {"runs": False, "why": str(error)}
    row.pop("stage", None)
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(_child(*sys.argv[1:]))
