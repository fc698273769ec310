"""With and without augmentation: the same accuracy, other reasons (docs/how-to/compare.md)."""

import numpy as np
from train import load, stained, train  # type: ignore[import-not-found]

from examples import common
from examples.common import Array, quality


def main() -> None:
    args = common.options("blood-cells")
    clear, y, mask = load()
    warm = (y == 1) & (np.random.default_rng(3).random(len(y)) < 0.9)  # one laboratory sent most of the neutrophils
    x = np.where(warm[:, None, None, None], stained(clear), clear)
    learn = np.arange(len(x)) % 3 != 0
    epochs = 1 if args.quick else 45
    for name, part in (("train", learn), ("test", ~learn)):
        np.savez(args.output / f"{name}.npz", x=x[part], y=y[part])
    ways = {"plain": {"turned": False}, "varied": {"turned": True, "stains": 0.15}}
    found = {}
    for name, way in ways.items():
        model = train(x[learn], y[learn], epochs, **way)
        found[name] = common.deployed(model, x[learn], x[~learn], y[~learn], args.output / f"{name}.tflite")
    table = {name: figures(d, mask[~learn], clear[~learn]) for name, d in found.items()}
    table["varied less plain"] = {k: table["varied"][k] - table["plain"][k] for k in table["plain"]}
    print("| | " + " | ".join(table) + " |\n|---|" + "---|" * len(table))
    for what in table["plain"]:
        print(f"| {what} | " + " | ".join(f"{quality.mean(t[what])}" for t in table.values()) + " |")
    alike = quality.correlation(*(d.maps.sum(-1) for d in found.values()))
    print(f"Correlation of the two heatmaps of a cell: {quality.mean(alike)}.")


def figures(d: common.Deployed, mask: Array, clear: Array) -> dict[str, Array]:
    """What is compared, one number a sample; nan where a figure is not asked of it."""
    called = [(common.scores(d.path, x).argmax(1) == 1).astype(float) for x in (stained(clear), clear)]
    return {
        "accuracy": d.right.astype(float),
        "other cells called neutrophil in the warm stain": np.where(d.y == 0, called[0], np.nan),
        "neutrophils called so without it": np.where(d.y == 1, called[1], np.nan),
        "relevance on the cell": quality.mass_accuracy(d.maps, mask),
        "most relevant pixels on the cell": quality.rank_accuracy(d.maps, mask),
    }


if __name__ == "__main__":
    main()
