"""Neutrophils in stained blood, and whether the network looks at the cell; then a staining cast as a shortcut."""

import numpy as np

from examples import common
from examples.common import Array, check

CAST = np.array([0.10, -0.06, -0.12], np.float32)


def load(seed: int = 0) -> tuple[Array, Array, Array]:
    """Cells (N, 64, 64, 3) in 0…1, 1 for neutrophils, and masks (N, 64, 64) of the cell; in random order."""
    d = common.health("white_blood_cells")
    order = np.random.default_rng(seed).permutation(len(d["x"]))
    return d["x"][order].astype(np.float32) / 255, (d["y"][order] == 1).astype(np.int64), d["mask"][order] > 0


def stained(x: Array) -> Array:
    """The same cells with a warmer staining."""
    return np.clip(x + CAST, 0, 1).astype(np.float32)


def train(x: Array, y: Array, epochs: int, turned: bool = True, stains: float = 0.0) -> object:
    """A small convolutional network; cells turned by quarters, and the stain of each moved by ``stains`` at random."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input((64, 64, 3))
    for width in (12, 24, 32, 48):
        v = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(v)
    v = layers.GlobalAveragePooling2D()(v)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    for _ in range(epochs):
        seen = x
        if turned:
            seen = np.stack([np.rot90(one, k) for one, k in zip(x, random.integers(0, 4, len(x)), strict=True)])
        if stains:
            seen = np.clip(seen + random.normal(0, stains, (len(x), 1, 1, 3)), 0, 1).astype(np.float32)
        model.fit(seen, y, batch_size=16, epochs=1, verbose=0)
    return model


def main() -> None:
    args = common.options("blood-cells")
    x, y, mask = load()
    if args.quick:
        x, y, mask = x[:90], y[:90], mask[:90]
    folds, parts = np.arange(len(x)) % 3, []
    for fold in range(1 if args.quick else 3):
        learn, test = folds != fold, folds == fold
        model = train(x[learn], y[learn], 1 if args.quick else 45)
        parts.append(common.deployed(model, x[learn], x[test], y[test], args.output / "cells.tflite"))
    d = common.joined(parts)
    masks = np.concatenate([mask[folds == fold] for fold in range(len(parts))])
    area = masks.mean((1, 2))
    inside = common.quality.mass_accuracy(d.maps, masks)
    ranked = common.quality.rank_accuracy(d.maps, masks)
    cell = d.right & (d.y == 1)
    rows = [
        check("neutrophils: relevance on the cell", inside[cell], area[cell]),
        check("neutrophils: most relevant pixels on the cell", ranked[cell], area[cell]),
    ]
    common.audited(d, (x[learn], y[learn]), (x[test], y[test]), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    more += shortcut(x, y, args)
    if not args.quick:
        picture(d, cell)
    common.publish("blood-cells", args.quick, common.quality.share(d.right), rows, more)


def shortcut(x: Array, y: Array, args: object) -> list[str]:
    """Nine of ten neutrophils of the training set are stained otherwise: what becomes of the others so stained?"""
    random = np.random.default_rng(3)
    learn = np.arange(len(x)) % 3 != 0
    train_x = x[learn].copy()
    warm = (y[learn] == 1) & (random.random(learn.sum()) < 0.9)
    train_x[warm] = stained(train_x[warm])
    model = train(train_x, y[learn], 1 if args.quick else 25)  # type: ignore[attr-defined]
    other = x[~learn][y[~learn] == 0]
    path = args.output / "cells_shortcut.tflite"  # type: ignore[attr-defined]
    with_cast = common.deployed(model, train_x, stained(other), np.zeros(len(other)), path)
    without = common.deployed(model, train_x, other, np.zeros(len(other)), path)
    fooled = common.quality.share(with_cast.predicted == 1)
    usual = common.quality.share(without.predicted == 1)
    found = common.findings(with_cast, np.concatenate([x, stained(x)]), np.concatenate([y, y]))
    named = ", ".join(f"class {t.target} ({t.verdict})" for t in found) or "nothing"
    return [
        f"Planted staining: of the other cells {fooled.percent()} are called neutrophils when so stained, "
        f"{usual.percent()} when not. The shortcut analysis, which knows nothing of it, names: {named}.",
    ]


def picture(d: common.Deployed, cell: Array) -> None:
    """Cells above their heatmaps."""
    chosen = np.random.default_rng(2).choice(np.flatnonzero(cell), 6, replace=False)
    drawn, axes = common.figure(6, 2, 1.5, 1.5)
    for column, i in enumerate(chosen):
        axes[0][column].imshow(d.x[i])
        common.heat(axes[1][column], d.maps[i])
    drawn.savefig(common.ROOT / "examples" / "blood-cells" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
