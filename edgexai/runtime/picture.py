"""Draws explanations: red speaks for the prediction, blue against it. Needs matplotlib, which nodes do without."""

import io
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

COLOURS = "RdBu_r"
PANELS = {"image": 3, "spectrogram": 3, "series": 1}
WIDE = 2.0
"""Rows or columns as many times as long as the other make a map of one channel a spectrogram, if nobody says."""
MOST = 64

Array = NDArray[Any]


class Drawable(Protocol):
    """What a picture needs of an `Explanation`."""

    @property
    def inputs(self) -> tuple[Array, ...]: ...
    @property
    def relevance(self) -> NDArray[np.float32]: ...
    @property
    def target(self) -> int: ...
    @property
    def score(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def of(self) -> str: ...
    def called(self, target: int) -> str: ...
    def probability(self, target: int) -> float | None: ...


def figure(
    explanations: Sequence[Drawable],
    labels: Sequence[int | None] | None = None,
    kind: str = "auto",
    step_ms: float | None = None,
) -> Figure:
    """One figure of all (MOST at most): input, heatmap over it and beside it; series as a line in its colours.

    ``labels`` are the true classes, ``step_ms`` the milliseconds from a spectrogram's row, or a series' value, to the
    next. Colours are shares of the largest relevance of each sample.
    """
    shown = list(explanations)[:MOST]
    kind = _kind(shown[0].inputs[0].shape) if kind == "auto" else kind
    panels = PANELS[kind]
    across = 1 if len(shown) < 4 or kind == "series" else 2
    down = -(-len(shown) // across)
    size = {"image": (5.4, 2.05), "spectrogram": (9.0, 2.3), "series": (8.5, 2.0)}[kind]
    drawn = Figure(figsize=(size[0] * across + 0.9, size[1] * down + 0.5), layout="constrained")
    axes = drawn.subplots(down, across * panels, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, e in enumerate(shown):
        row, column = i % down, i // down * panels
        own = [axes[row, column + p] for p in range(panels)]
        own[0].set_title(_title(e, None if labels is None else labels[i]), loc="left", fontsize=9)
        {"image": _image, "spectrogram": _spectrogram, "series": _series}[kind](own, e, step_ms, row == down - 1)
    bar = drawn.colorbar(ScalarMappable(Normalize(-1, 1), COLOURS), ax=axes, shrink=0.9, aspect=30, pad=0.01)
    bar.set_label("relevance, of the sample's largest", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return drawn


def png(drawn: Figure) -> bytes:
    """The figure as a PNG file."""
    out = io.BytesIO()
    drawn.savefig(out, format="png", dpi=120)
    return out.getvalue()


def _kind(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[2] == 1 and min(shape[:2]) > 1 and max(shape[:2]) >= WIDE * min(shape[:2]):
        return "spectrogram"
    return "image" if len(shape) == 3 and min(shape[:2]) > 1 else "series"


def _title(e: Drawable, label: int | None) -> str:
    if e.of == "error":
        return f"error {e.score:.3g}"

    def with_share(target: int) -> str:
        p = e.probability(target)
        return e.called(target) if p is None else f"{e.called(target)} {p:.0%}"

    said = with_share(e.target) if e.probability(e.target) is not None else f"{e.name} (score {e.score:.3g})"
    if label is None:
        return f"predicted {said}"
    return f"predicted {said}; true: {e.name if label == e.target else with_share(label)}"


def _heat(e: Drawable) -> Array:
    """Relevance over rows and columns, or over steps, as shares of the largest."""
    heat = e.relevance
    if heat.ndim > 2:
        heat = heat.sum(-1)
    return np.asarray(heat / (float(np.abs(heat).max()) or 1.0))


def _image(axes: list[Any], e: Drawable, step_ms: float | None, last: bool) -> None:
    x = _bright(e.inputs[0])
    whole = (-0.5, x.shape[1] - 0.5, x.shape[0] - 0.5, -0.5)
    heat = np.atleast_2d(_heat(e))
    axes[0].imshow(x[..., :3] if x.shape[2] >= 3 else x[..., 0], cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(x.mean(-1), cmap="gray", vmin=-0.3, vmax=1.3)
    axes[1].imshow(heat, cmap=COLOURS, vmin=-1, vmax=1, extent=whole, alpha=_opacity(heat))
    axes[2].imshow(heat, cmap=COLOURS, vmin=-1, vmax=1, extent=whole)


def _spectrogram(axes: list[Any], e: Drawable, step_ms: float | None, last: bool) -> None:
    x, heat = _bright(e.inputs[0])[..., 0].T, np.atleast_2d(_heat(e)).T
    step = 1.0 if step_ms is None else step_ms / 1000
    whole = (0.0, x.shape[1] * step, 0.0, float(x.shape[0]))
    own: dict[str, Any] = {"aspect": "auto", "origin": "lower", "extent": whole}
    axes[0].imshow(x, cmap="gray", **own)
    axes[1].imshow(x, cmap="gray", vmin=-0.3, vmax=1.3, **own)
    axes[1].imshow(heat, cmap=COLOURS, vmin=-1, vmax=1, alpha=_opacity(heat), **own)
    axes[2].imshow(heat, cmap=COLOURS, vmin=-1, vmax=1, **own)
    for i, ax in enumerate(axes):
        _scale(ax, "time, s" if step_ms else "time, rows", last)
        ax.set_ylabel("frequency band" if i == 0 else "", fontsize=8)
        ax.tick_params(labelleft=i == 0)


def _series(axes: list[Any], e: Drawable, step_ms: float | None, last: bool) -> None:
    """One line a channel, coloured by the relevance of each step."""
    x = e.inputs[0].reshape(_steps(e.inputs[0].shape)).astype(np.float64)
    heat = e.relevance.reshape(len(x), -1) if e.relevance.size in (len(x), x.size) else _heat(e).reshape(-1, 1)
    heat = heat / (float(np.abs(heat).max()) or 1.0)
    step = 1.0 if step_ms is None else step_ms / 1000
    t = np.arange(len(x)) * step
    spread = np.ptp(x, axis=0).max() or 1.0
    if x.shape[1] == 1:
        levels = heat[:, 0][np.arange(len(x)) * len(heat) // len(x)]
        edge = (float(t[0]), float(t[-1]) or 1.0, float(x.min() - 0.1 * spread), float(x.max() + 0.1 * spread))
        axes[0].imshow(
            levels[None], cmap=COLOURS, vmin=-1, vmax=1, aspect="auto", extent=edge, alpha=0.35, interpolation="nearest"
        )
    for channel in range(x.shape[1]):
        y = x[:, channel] - 1.1 * spread * channel
        levels = heat[:, min(channel, heat.shape[1] - 1)][np.arange(len(x)) * len(heat) // len(x)]
        points = np.stack([t, y], axis=1)
        axes[0].plot(t, y, color="0.45", linewidth=2.8)
        lines = LineCollection(list(np.stack([points[:-1], points[1:]], axis=1)), cmap=COLOURS, linewidth=1.6)
        lines.set_norm(Normalize(-1, 1))
        lines.set_array((levels[:-1] + levels[1:]) / 2)
        axes[0].add_collection(lines)
    axes[0].autoscale()
    _scale(axes[0], "time, s" if step_ms else "position", last)
    axes[0].set_ylabel("input" if x.shape[1] == 1 else f"{x.shape[1]} channels", fontsize=8)
    axes[0].tick_params(labelleft=x.shape[1] == 1)


def _steps(shape: tuple[int, ...]) -> tuple[int, int]:
    """Steps and channels of a series: those of (T, C), one channel of anything else."""
    kept = [n for n in shape if n > 1]
    return (kept[0], kept[1]) if len(kept) == 2 else (int(np.prod(shape)), 1)


def _scale(ax: Any, text: str, last: bool) -> None:
    ax.set_axis_on()
    ax.tick_params(labelsize=7, labelbottom=last)
    if last:
        ax.set_xlabel(text, fontsize=8)


def _bright(x: Array) -> Array:
    """0…1 over the sample, (rows, columns, channels)."""
    values = x.astype(np.float64).reshape(x.shape if x.ndim == 3 else (*x.shape, 1))
    return np.asarray((values - values.min()) / (float(np.ptp(values)) or 1.0))


def _opacity(heat: Array) -> Array:
    return np.asarray(np.clip(np.abs(heat), 0, 1) ** 0.5 * 0.85)
