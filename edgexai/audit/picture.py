"""Small pictures of a report, as SVG in the page: planes of numbers, with a box drawn over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.place import Box

WIDTH, GAP, LINE = 200, 24, 16
MOST = 48
"""Cells a side; larger planes are averaged."""


@dataclass(frozen=True)
class Panel:
    """A plane (rows, columns) under its title; signed ones are red above 0 and blue below, others grey."""

    title: str
    plane: NDArray[np.floating]
    signed: bool = False


def svg(panels: Sequence[Panel], box: Box) -> str:
    """The panels side by side, the box in each."""
    height = max(_height(p.plane) for p in panels) + LINE
    width = len(panels) * (WIDTH + GAP) - GAP
    drawn = "".join(
        f'<g transform="translate({i * (WIDTH + GAP)} {LINE})">{_panel(panel, box)}</g>'
        for i, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape("; ".join(p.title for p in panels))}">{drawn}</svg>'
    )


def _panel(panel: Panel, box: Box) -> str:
    cells = _pooled(np.asarray(panel.plane, np.float64))
    rows, columns = cells.shape
    high, wide = _height(panel.plane) / rows, WIDTH / columns
    colours = _signed(cells) if panel.signed else _grey(cells)
    squares = "".join(
        f'<rect x="{c * wide:.1f}" y="{r * high:.1f}" width="{wide + 0.3:.1f}" height="{high + 0.3:.1f}" '
        f'fill="#{colours[r, c, 0]:02x}{colours[r, c, 1]:02x}{colours[r, c, 2]:02x}"/>'
        for r in range(rows)
        for c in range(columns)
    )
    down, right = (size / n for size, n in zip((_height(panel.plane), WIDTH), panel.plane.shape, strict=True))
    (top, bottom), (left, far) = box.rows, box.columns
    return (
        f'<text y="-4" font-size="11" fill="#1b1f24">{escape(panel.title)}</text>{squares}'
        f'<rect x="{left * right:.1f}" y="{top * down:.1f}" width="{(far - left) * right:.1f}" '
        f'height="{(bottom - top) * down:.1f}" fill="none" stroke="#0a7d32" stroke-width="2.5"/>'
    )


def _height(plane: NDArray[np.floating]) -> int:
    """As many pixels as the plane is high in proportion, between a band and one and a half of the width."""
    rows, columns = plane.shape
    return int(np.clip(WIDTH * rows / columns, 40, 1.5 * WIDTH))


def _pooled(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    parts = [np.array_split(np.arange(n), min(n, MOST)) for n in plane.shape]
    return np.array([[plane[np.ix_(r, c)].mean() for c in parts[1]] for r in parts[0]])


def _grey(cells: NDArray[np.float64]) -> NDArray[np.int64]:
    low, high = cells.min(), cells.max()
    shade = np.rint(255 * (cells - low) / max(high - low, 1e-30)).astype(np.int64)
    return np.repeat(shade[..., None], 3, axis=2)


def _signed(cells: NDArray[np.float64]) -> NDArray[np.int64]:
    v = cells / max(float(np.abs(cells).max()), 1e-30)
    fade = np.rint(255 * (1 - np.abs(v))).astype(np.int64)
    full = np.full_like(fade, 255)
    return np.stack([np.where(v < 0, fade, full), fade, np.where(v > 0, fade, full)], axis=2)
