"""The page of `edgexai compress --report`: one HTML file with its pictures inside, no script, nothing fetched."""

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import Board
from edgexai.compress.measure.bench import Point
from edgexai.compress.measure.cost import Cost
from edgexai.compress.measure.fidelity import heatmaps
from edgexai.compress.quantize.cluster_search import Packed
from edgexai.graph import Graph

WIDTH, HEIGHT, EDGE = 420, 260, 52
SHOWN = 6
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #66727f; --rule: #d9dfe5; --back: #fff; --mark: #c2410c;
  --line: #2563a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #9aa6b2; --rule: #39434d; --back: #14191e;
  --mark: #fb8c4a; --line: #6ea8e6; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; }
figcaption, .soft { color: var(--soft); font-size: .9rem; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; } .scroll { overflow-x: auto; }
img { image-rendering: pixelated; border: 1px solid var(--rule); }
"""


@dataclass(frozen=True)
class Facts:
    """What the page says about how it was made; ``parameters`` are the original's bytes at four each."""

    model: str
    board: Board | None
    explain: str | None
    labelled: bool
    tested: int
    parameters: int


def write_report(
    facts: Facts,
    report: dict[str, Any],
    points: Sequence[Point],
    chosen: Point,
    final: Point,
    tried: Sequence[Packed],
    test: NDArray[Any],
) -> str:
    """The page as text; ``points`` are the models measured, the whole one first, ``tried`` those for transit."""
    whole = points[0]
    worth = "accuracy, %" if facts.labelled else "same prediction, %"
    unit = "µJ" if whole.cost.energy_uj is not None else "million MACs"
    costs = [_price(p.cost) for p in points]
    at = [p is chosen or p.share == chosen.share for p in points]
    plots = [
        _plot(f"{unit} an inference", worth, costs, [100 * p.accuracy for p in points], at),
        _plot(f"{unit} an inference", "heatmap correlation", costs, [p.correlation for p in points], at),
    ]
    if tried:
        sizes = [len(p.transit) / 1000 for p in tried]
        marked = [len(p.transit) == report["transit"][1] for p in tried]
        plots.append(_plot("kB in transit", worth, sizes, [100 * p.point.accuracy for p in tried], marked))
    board = f" on {escape(facts.board.title)}" if facts.board else ""
    counted = f", prediction and explanation ({escape(facts.explain)}) together" if facts.explain else ""
    clustered = ", in the first two plots before its weights were clustered" if tried else ""
    compared = "labels" if facts.labelled else "the original's predictions"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(facts.model)}, compressed</title><style>{STYLE}</style>
<h1>{escape(facts.model)}, compressed</h1>
<p class="soft">Costs of one inference{board}{counted}. Measured against {compared} on {facts.tested} samples that
neither profile nor repair has seen.</p>
{_table(report)}
<h2>What was tried</h2>
{"".join(plots)}
<p class="soft">The ringed point is the model that was written{clustered}.</p>
<h2>Layers</h2>
{_layers(whole.cost, final.cost)}
<h2>Heatmaps</h2>
{_maps(whole.graph, final.graph, test)}
</html>
"""


def _price(found: Cost) -> float:
    return found.macs / 1e6 if found.energy_uj is None else found.energy_uj


ROWS = {
    "macs": ("multiply-accumulates", "{:,d}"),
    "bytes": ("bytes, runnable", "{:,d}"),
    "ram": ("bytes of RAM", "{:,d}"),
    "latency_ms": ("latency, ms", "{:,.2f}"),
    "energy_uj": ("energy, µJ", "{:,.1f}"),
    "transit": ("bytes in transit (before: four a parameter)", "{:,d}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "agreement": ("same prediction", "{:.1%}"),
    "heatmaps": ("heatmap correlation, median", "{:.3f}"),
}


def _table(report: dict[str, Any]) -> str:
    rows = []
    for name, (title, form) in ROWS.items():
        if name in report:
            before, after = report[name]
            share = f"{after / before:.0%}" if before and name not in ("accuracy", "agreement", "heatmaps") else ""
            rows.append(f"<tr><td>{title}<td>{form.format(before)}<td>{form.format(after)}<td>{share}")
    return f'<div class="scroll"><table><tr><th><th>before<th>after<th>left{"".join(rows)}</table></div>'


def _plot(x_title: str, y_title: str, xs: list[float], ys: list[float], marked: list[bool]) -> str:
    """Points joined by a line; those that nothing beats in both are filled."""
    across_ticks, up_ticks = _ticks(0.0, max(xs)), _ticks(min(ys), max(ys))
    low_x, high_x, low_y, high_y = across_ticks[0], across_ticks[-1], up_ticks[0], up_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = EDGE + (x - low_x) / (high_x - low_x) * (WIDTH - EDGE - 24)
        return across, HEIGHT - 40 - (y - low_y) / (high_y - low_y) * (HEIGHT - 52)

    order = np.argsort(xs)
    path = " ".join("{:.1f},{:.1f}".format(*place(xs[i], ys[i])) for i in order)
    parts = []
    for tick in up_ticks:
        y = place(0, tick)[1]
        parts.append(f'<line x1="{EDGE}" x2="{WIDTH - 24}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--rule)"/>')
        parts.append(f'<text x="{EDGE - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    for tick in across_ticks:
        x = place(tick, low_y)[0]
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 22}" text-anchor="middle">{tick:,.6g}</text>')
    parts.append(f'<polyline points="{path}" fill="none" stroke="var(--line)" stroke-width="1.5"/>')
    for x, y, is_marked in zip(xs, ys, marked, strict=True):
        beaten = any(a <= x and b >= y and (a, b) != (x, y) for a, b in zip(xs, ys, strict=True))
        fill = "var(--back)" if beaten else "var(--line)"
        cx, cy = place(x, y)
        title = f"<title>{x:.4g}: {y:.4g}</title>"
        spot = f'cx="{cx:.1f}" cy="{cy:.1f}"'
        parts.append(f'<circle {spot} r="4" fill="{fill}" stroke="var(--line)">{title}</circle>')
        if is_marked:
            parts.append(f'<circle {spot} r="9" fill="none" stroke="var(--mark)" stroke-width="2"/>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">{x_title}</text>')
    label = f"{y_title} over {x_title}"
    svg = f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{y_title}</figcaption>{svg}</figure>"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that reach from below ``low`` to above ``high``."""
    span = high - low or abs(high) or 1.0
    unit = 10 ** np.floor(np.log10(span / 3))
    step = next(float(unit * m) for m in (1, 2, 5, 10) if span / (unit * m) <= 5)
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _layers(whole: Cost, final: Cost) -> str:
    """Work by layer as bars, before and after; only where both have the same operators with work."""
    before, after = ([layer for layer in cost.layers if layer.macs] for cost in (whole, final))
    if len(before) != len(after):
        return '<p class="soft">The operators differ; there is nothing to set side by side.</p>'
    most = max(layer.macs for layer in before)
    rows = []
    for a, b in zip(before, after, strict=True):
        bar = (
            f'<svg width="200" height="14" role="img" aria-label="{b.macs / a.macs:.0%}">'
            f'<rect width="{200 * a.macs / most:.1f}" height="14" fill="var(--rule)"/>'
            f'<rect width="{200 * b.macs / most:.1f}" height="14" fill="var(--line)"/></svg>'
        )
        energy = "" if a.energy_uj is None or b.energy_uj is None else f"{a.energy_uj:,.1f} → {b.energy_uj:,.1f}"
        kind = escape(a.kind)
        rows.append(f"<tr><td>{kind}<td>{a.macs:,}<td>{b.macs:,}<td>{b.macs / a.macs:.0%}<td>{bar}<td>{energy}")
    head = "<tr><th>operator<th>MACs before<th>after<th>left<th><th>" + ("µJ" if rows and energy else "")
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _maps(whole: Graph, final: Graph, test: NDArray[Any]) -> str:
    """Some samples' heatmaps, the original's above the compressed model's."""
    shape = whole.tensors[whole.inputs[0]].shape[1:]
    if len(shape) < 2 or min(shape[:2]) < 2:
        return '<p class="soft">Inputs are no images; their heatmaps are compared above, not drawn.</p>'
    found = []
    pairs = zip(*(heatmaps(g, test[:SHOWN]) for g in (whole, final)), strict=True)
    for one, other in pairs:
        if one.size != prod(shape[:2]):
            return ""
        images = "<br>".join(_image(m.reshape(shape[:2])) for m in (one, other))
        found.append(f"<figure>{images}</figure>")
    return (
        f"{''.join(found)}<p class=\"soft\">Above the original's, below the compressed model's; red speaks for the "
        "predicted class, blue against it.</p>"
    )


def _image(values: NDArray[np.float32]) -> str:
    """A map as a PNG, blue over white to red, symmetric about zero."""
    most = np.quantile(np.abs(values), 0.99) or np.abs(values).max() or 1.0
    scaled = np.clip(values / most, -1, 1)[..., None]
    colour = np.where(scaled > 0, np.array([178, 24, 43]), np.array([33, 102, 172]))
    pixels = (255 + np.abs(scaled) ** 0.7 * (colour - 255)).astype(np.uint8)
    height, width = values.shape
    zoom = max(1, 160 // max(width, height) + 1)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    text = base64.b64encode(png).decode()
    return f'<img alt="heatmap" width="{width * zoom}" height="{height * zoom}" src="data:image/png;base64,{text}">'
