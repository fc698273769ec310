"""What verbs say about samples: the options for their unit, and how they are read for a model."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.options import count, number
from edgexai.data import Preprocessing, Samples, names, numbers, preprocessing, read
from edgexai.data.front_end import KINDS
from edgexai.errors import ConfigError

TAKEN = ".npz with x (N, …) and y (N,) if known, .npy, .csv, or a folder of images or WAV (sub-folders are classes)"


@dataclass(frozen=True)
class GraphInput:
    """The first input of a graph, as reading wants to know it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


def data_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what raw samples become: (x·scale - mean) / std."""
    group = parser.add_argument_group("the unit of samples: (x·scale - mean) / std; default: the model's own metadata")
    group.add_argument("--scale", metavar="S", help="as in 1/255")
    group.add_argument("--mean", metavar="M", help="one number, or one a channel by commas")
    group.add_argument("--std", metavar="D", help="the same")
    group.add_argument(
        "--channels", choices=("rgb", "bgr"), default="rgb", help="of the channels of images (%(default)s)"
    )
    group.add_argument("--labels", metavar="NAMES", help="of the classes: a .txt, one a line, or by commas")
    group.add_argument("--rate", type=count, metavar="HZ", help="of sounds")
    group.add_argument("--front-end", choices=KINDS, help="which spectrogram of sounds the model takes")
    group.add_argument("--window-ms", type=number(0.01), default=30.0, help="of spectrograms (%(default)s)")
    group.add_argument("--stride-ms", type=number(0.01), default=20.0, help="(%(default)s)")


def prepared(args: argparse.Namespace, model: str | Path | None) -> Preprocessing:
    """What the model's file says of itself, and over it what the options say."""
    known = Preprocessing()
    if model is not None and Path(model).is_file():
        known = preprocessing(Path(model).read_bytes())
    if args.scale or args.mean or args.std:
        scale = numbers(args.scale)[0] if args.scale else 1.0
        mean, std = numbers(args.mean or "0"), numbers(args.std or "1")
        if not all(std):
            raise ConfigError("--std must not be 0")
        known = replace(known, scale=scale, mean=mean, std=std, asked=True)
    if args.labels:
        known = replace(known, labels=names(args.labels))
    rate = args.rate or known.rate
    windows = {"window_ms": args.window_ms, "stride_ms": args.stride_ms}
    return replace(known, bgr=args.channels == "bgr", rate=rate, front_end=args.front_end, **windows)


def samples_of(args: argparse.Namespace, graph: Any, path: str | None = None, model: str | None = None) -> Samples:
    """The samples of ``path`` (default: --data) for a graph read from ``model`` (default: the verb's)."""
    prepare = prepared(args, args.model if model is None else model)
    inputs = [graph.tensors[t].name for t in graph.inputs]
    return read(args.data if path is None else path, input_of(graph), prepare, inputs)


def labelled(args: argparse.Namespace, graph: Any) -> tuple[Any, NDArray[Any]]:
    """Samples (of several inputs a list) and classes of --test; ConfigError where it says no classes."""
    found = samples_of(args, graph, args.test)
    if found.y is None:
        raise ConfigError(f"--test measures accuracy, and {args.test} has no classes (y); give labelled samples")
    return found.inputs, found.y


def input_of(graph: Any) -> GraphInput | None:
    """What a graph's first input takes; None for a graph without."""
    from edgexai.graph.ir import NUMPY

    if not graph.inputs:
        return None
    tensor = graph.tensors[graph.inputs[0]]
    q, dtype = tensor.quantization, np.dtype(NUMPY[tensor.dtype])
    whole = q is not None and len(q.scale) == 1 and dtype.kind in "iu"
    return GraphInput(tensor.shape, dtype, float(q.scale[0]) if whole else 0.0, int(q.zero_point[0]) if whole else 0)
