"""What `edgexai attach` itself takes: seconds and peak memory of the whole command, in a process of its own.

Seconds are on the clock and of the processor; memory is read from /proc, on Linux only. Without a model it makes one
the size of MLPerf Tiny's person detector: MobileNet 0.25, 96×96×3, int8, random weights.

examples:
  python -m benchmarks attach -o vww_int8.tflite
  python -m benchmarks attach kws_int8.tflite --composite epsilon
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgexai.cli.table import show
from edgexai.errors import ConfigError

RUNS = 5
BLOCKS = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
"""Channels and stride of MobileNet 0.25 (Howard et al. 2017), with ReLU as in MLPerf Tiny."""

COMMAND = """
import sys
from edgexai.cli import main
code = main(sys.argv[1:])
print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", type=Path, help=".tflite model (default: made on the spot)")
    parser.add_argument("--composite", action="append", help="which composites (epsilon and edge)")
    parser.add_argument("-o", "--output", type=Path, help="keep the model that is made")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        model = args.model or args.output or Path(directory) / "vww_int8.tflite"
        if args.model is None and not model.exists():
            model.write_bytes(_mobilenet())
        for composite in args.composite or ["epsilon", "edge"]:
            out = Path(directory) / "explainer.tflite"
            found = [_measured(model, out, composite) for _ in range(RUNS)]
            seconds, processor, megabytes = np.median(found, axis=0)
            size = out.stat().st_size
            row = {"model": model.stem, "composite": composite, "seconds": seconds, "processor": processor}
            rows.append(row | {"megabytes": megabytes, "bytes": size, "file_ratio": size / model.stat().st_size})
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    head = ["model", "composite", "seconds", "of processor", "MB at most", "bytes", "file ratio"]
    show(head, [[v if isinstance(v, str) else f"{v:,.2f}".removesuffix(".00") for v in r.values()] for r in rows])
    return 0


def _measured(model: Path, out: Path, composite: str) -> tuple[float, float, float]:
    """Seconds and processor seconds of the process, and the most memory (MB) of its own: not of whom it forked from."""
    command = [sys.executable, "-c", COMMAND, "attach", str(model), "-o", str(out), "--composite", composite]
    begun, used = time.perf_counter(), _processor()
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    if process.returncode:
        raise ConfigError(f"edgexai attach {model} failed: {process.stderr.strip()}")
    return took, _processor() - used, int(process.stdout.split()[-2]) / 1024


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _mobilenet() -> bytes:
    import keras

    from converters.keras import from_keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((96, 96, 3))
    # Keras counts a depthwise kernel's inputs over all channels, and its maps would die away
    deep = {"depthwise_initializer": keras.initializers.RandomNormal(stddev=(2 / 9) ** 0.5)}

    def finished(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    x = finished(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs))
    for channels, stride in BLOCKS:
        x = finished(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, **deep)(x))
        x = finished(layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="he_normal")(x))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    samples = np.random.default_rng(0).uniform(-1, 1, (32, 96, 96, 3)).astype(np.float32)
    return from_keras(model, samples, int8=True)
