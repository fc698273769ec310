"""Explaining on the runtime against zennit on PyTorch: same weights, inputs, composite and target; one thread each.

Needs `pip install 'edgexai[bench]'`. edgexai explains the model as given, zennit its float copy, one input at a time;
times are of the processor. The last column is the largest difference between zennit's map and that of the float
copy's explainer, relative to the largest relevance, median over the inputs: both must compute the same.

examples:
  python -m benchmarks zennit kws_int8.tflite ic_int8.tflite ad_int8.tflite
  python -m benchmarks zennit ic_int8.tflite --data cifar.npz --samples 100 --composite epsilon
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.torch_twin import twin
from edgexai.cli.table import show
from edgexai.compress.measure.execute import quantized, real
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.data import read
from edgexai.errors import ConfigError
from edgexai.graph import DType, Graph, load, serialize
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer

COMPOSITES = ["epsilon", "epsilon_plus", "epsilon_plus_flat"]
Array = NDArray[Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help=".tflite models of convolutions, dense layers, additions and pools")
    parser.add_argument("--data", help=".npz with x (N, …); without it, random inputs")
    parser.add_argument("--samples", type=int, default=50, help="how many inputs (%(default)s)")
    parser.add_argument("--composite", action="append", help="which composites that both know (default: three)")
    parser.add_argument("--precision", default="float32", choices=["float32", "int8"], help="of edgexai's pass")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    try:
        import torch
        import zennit  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed; run: pip install 'edgexai[bench]'") from None
    torch.set_num_threads(1)
    rows = []
    for path in args.model:
        graph = load(path)
        x = _inputs(graph, args.data, args.samples)
        rows += [_row(torch, path, graph, name, args.precision, x) for name in args.composite or COMPOSITES]
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    head = ["model", "composite", "edgexai ms", "zennit ms", "times faster", "difference, float"]
    show(head, [[_text(v) for v in row.values()] for row in rows])
    return 0


def _inputs(graph: Graph, data: str | None, count: int) -> Array:
    port = graph.tensors[graph.inputs[0]]
    if data is None:
        x = np.random.default_rng(0).integers(-128, 128, (count, *port.shape[1:]))
        return x.astype(np.int8 if port.dtype == DType.INT8 else np.float32)
    return quantized(graph, read(data).x)[:count]


def _row(torch: Any, path: str, graph: Graph, name: str, precision: str, x: Array) -> dict[str, Any]:
    exact = dequantize(graph)
    values = real(graph, graph.inputs[0], x)
    explainer = Explainer(serialize(attach(graph, name, channels="keep", precision=precision)))
    float_explainer = Explainer(serialize(attach(exact, name, channels="keep")))
    theirs = _zennit(torch, twin(exact), name, [float_explainer(v).target for v in values])
    ours_ms, _ = _timed(lambda k: explainer(x[k]).relevance, len(x))
    theirs_ms, others = _timed(lambda k: theirs(values[k], k), len(x))
    errors = [
        np.abs(float_explainer(v).relevance - other).max() / np.abs(other).max()
        for v, other in zip(values, others, strict=True)
    ]
    return {
        "model": Path(path).stem,
        "composite": name,
        "edgexai_ms": ours_ms,
        "zennit_ms": theirs_ms,
        "faster": theirs_ms / ours_ms,
        "error": float(np.median(errors)),
    }


def _timed(explain: Callable[[int], Array], count: int) -> tuple[float, list[Array]]:
    """Median milliseconds of processor a map, which other programs on the machine do not lengthen; and the maps."""
    for k in range(min(5, count)):
        explain(k)
    maps, took = [], []
    for k in range(count):
        begun = time.process_time()
        maps.append(explain(k))
        took.append((time.process_time() - begun) * 1e3)
    return float(np.median(took)), maps


def _zennit(torch: Any, model: Any, name: str, targets: list[int]) -> Callable[[Array, int], Array]:
    from zennit.attribution import Gradient
    from zennit.composites import COMPOSITES as KNOWN
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import Epsilon
    from zennit.types import Linear

    if name == "epsilon":
        composite = LayerMapComposite([*layer_map_base(), (Linear, Epsilon())])
    elif name in KNOWN:
        composite = KNOWN[name]()
    else:
        raise ConfigError(f"zennit has no composite {name!r}; choose epsilon, {', '.join(KNOWN)}")
    attributor = Gradient(model=model, composite=composite)
    attributor.__enter__()  # the hooks stay registered: registering them anew for each input would cost more than it

    def explain(x: Array, k: int) -> Array:
        batch = torch.from_numpy(x[None])
        _, relevance = attributor(batch, lambda out: out * torch.eye(out.shape[1])[[targets[k]]])
        return np.asarray(relevance.detach().numpy()[0])

    return explain


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1e}" if value < 1e-3 else f"{value:.4f}" if value < 1 else f"{value:.2f}"
    return str(value)
