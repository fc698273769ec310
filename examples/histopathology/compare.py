"""Two networks on tiles of a section, with and without augmentation of the stain (docs/how-to/compare.md)."""

from typing import Any

import keras
import numpy as np
from train import apart, tiles, train

from examples import common
from examples.common import Array, quality

SCANNERS = {
    "warmer": np.array([0.10, -0.06, -0.12], np.float32),
    "colder": np.array([-0.10, 0.02, 0.10], np.float32),
    "darker": np.array([-0.12, -0.12, -0.12], np.float32),
}
QUARTER, SPREAD, COPIES = 3, 0.05, 6


def varied(x: Array, random: np.random.Generator) -> Array:
    """The tiles, each with its colours moved as another stain or scanner would (Tellez et al. 2019)."""
    gain, level = 1 + random.normal(0, SPREAD, (len(x), 1, 1, 3)), random.normal(0, SPREAD, (len(x), 1, 1, 3))
    return np.clip(x * gain + level, 0, 1).astype(np.float32)


def main() -> None:
    args = common.options("histopathology")
    t = tiles(16 if args.quick else 8)
    learn, test = apart(t, QUARTER)
    x, y, random = t.x[learn], t.y[learn], np.random.default_rng(0)
    np.savez(args.output / "test.npz", x=t.x[test], y=t.y[test])
    copies = np.concatenate([x, *(varied(x, random) for _ in range(COPIES - 1))])
    found: dict[str, common.Deployed] = {}
    ways = {"plain": (x, y, 12, 0), "again": (x, y, 12, 1), "varied": (copies, np.tile(y, COPIES), 6, 0)}
    for name, (given, labels, epochs, seed) in ways.items():
        model: Any = train(given, labels, 1 if args.quick else epochs, seed)
        found[name] = common.deployed(model, x, t.x[test], t.y[test], args.output / f"{name}.tflite")
        keras.backend.clear_session()
    table = {name: figures(d, t.nuclei[test]) for name, d in found.items()}
    table["varied less plain"] = {k: table["varied"][k] - table["plain"][k] for k in table["plain"]}
    block = t.where(test).block
    print("| | " + " | ".join(table) + " |\n|---|" + "---|" * len(table))
    for what in table["plain"]:
        print(f"| {what} | " + " | ".join(said(quality.mean(v[what], block)) for v in table.values()) + " |")
    for name in ("again", "varied"):
        alike = quality.correlation(found["plain"].maps, found[name].maps)
        print(f"\nHeatmaps of plain and {name}: correlation {said(quality.mean(alike, block))}, n = {len(alike)}.")


def figures(d: common.Deployed, nuclei: Array) -> dict[str, Array]:
    """What is compared, one number a sample; nan where a figure is not asked of it."""
    shift = {
        f"right on a {name} scanner": (common.scores(d.path, np.clip(d.x + by, 0, 1)).argmax(1) == d.y).astype(float)
        for name, by in SCANNERS.items()
    }
    with_nucleus = d.y == 1
    return {
        "accuracy": d.right.astype(float),
        **shift,
        "nuclei: relevance on nuclei": np.where(with_nucleus, quality.mass_accuracy(d.maps, nuclei), np.nan),
    }


def said(i: quality.Interval) -> str:
    """A figure with its interval."""
    return f"{i.mean:.3f} ({i.low:.3f} to {i.high:.3f})"


if __name__ == "__main__":
    main()
