"""Which proteins tell that a mouse learned: mice are held out whole, relevance is compared with a univariate test."""

from typing import Any

import numpy as np

from examples import common
from examples.common import Array, check

FOLDS = 6


def load() -> tuple[Array, Array, Array, Array, Array]:
    """Proteins (N, 77) in standard deviations, 0 where missing; 1 if the mouse learned; mouse, names, missing."""
    d = common.health("proteomics_mice")
    missing = np.isnan(d["x"])
    x = (d["x"] - np.nanmean(d["x"], 0)) / np.nanstd(d["x"], 0)
    x = np.clip(np.where(missing, 0, x), -5, 5).astype(np.float32)
    learned = np.array(["-CS-" in label for label in d["y"]]).astype(np.int64)
    return x, learned, d["mouse"], d["protein"], missing


def train(x: Array, y: Array, epochs: int) -> Any:
    """Two dense layers."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((77,))
    v = layers.Dropout(0.2)(inputs)
    v = layers.Dense(32, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3))(v)
    v = layers.Dropout(0.3)(v)
    v = layers.Dense(16, activation="relu")(v)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


def univariate(x: Array, y: Array) -> Array:
    """|Welch's t| of every protein (77,)."""
    a, b = x[y == 1], x[y == 0]
    spread = np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
    return np.asarray(np.abs(a.mean(0) - b.mean(0)) / np.maximum(spread, 1e-9))


def shapley(model: Any, x: Array, target: Array, draws: int) -> Array:
    """Shapley values (N, 77) of the target's logit less the mean of both, missing proteins at their mean, which is 0.

    Estimated by adding proteins in random orders (Štrumbelj and Kononenko 2014), as SHAP's permutation explainer does.
    """
    random = np.random.default_rng(0)
    total = np.zeros(x.shape)
    for _ in range(draws):
        order = random.permutation(x.shape[1])
        known = np.zeros((x.shape[1] + 1, x.shape[1]), np.float32)
        known[1:, order] = np.tri(x.shape[1])
        grown = (known[None] * x[:, None]).reshape(-1, x.shape[1])
        p = np.log(np.maximum(np.asarray(model.predict(grown, batch_size=4096, verbose=0), np.float64), 1e-12))
        p = p.reshape(len(x), -1, 2)
        score = np.where(target[:, None] == 1, p[..., 1] - p[..., 0], p[..., 0] - p[..., 1]) / 2
        total[:, order] += np.diff(score, axis=1)
    return total / draws


def ranks(v: Array) -> Array:
    """Positions in ascending order, along the last axis."""
    return np.argsort(np.argsort(v, axis=-1), axis=-1).astype(np.float64)


def main() -> None:
    args = common.options("proteomics")
    x, y, mouse, protein, missing = load()
    fold = np.unique(mouse, return_inverse=True)[1] % FOLDS
    parts, where, agree, alike, tried = [], [], [], [], []
    for k in range(1 if args.quick else FOLDS):
        learn, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        test = test[::8] if args.quick else test
        model = train(x[learn], y[learn], 2 if args.quick else 40)
        d = common.deployed(model, x[learn], x[test], y[test], args.output / "mice.tflite")
        few = np.arange(0, len(test), 4)  # Shapley values are slow
        values = shapley(model, x[test[few]], d.predicted[few], 2 if args.quick else 30)
        alike.append(common.quality.correlation(d.maps[few], values))
        tried.append(test[few])
        truth = univariate(x[learn], y[learn])
        agree.append(common.quality.correlation(ranks(np.abs(d.maps)), np.tile(ranks(truth), (len(test), 1))))
        parts.append(d)
        where.append(test)
    d, index = common.joined(parts), np.concatenate(where)
    by = mouse[index]
    right, agreement = d.right, np.concatenate(agree)
    total = np.abs(d.maps).sum(1)
    lost = (np.abs(d.maps) * missing[index]).sum(1) / total
    rows = [
        check("rank correlation of relevance and Welch's t, in size", agreement[right], 0.0, by[right]),
        check("correlation of relevance and Shapley values", np.concatenate(alike), 0.0, mouse[np.concatenate(tried)]),
    ]
    some = missing[index].any(1)
    top = np.argsort(-np.abs(d.maps[right]).mean(0))[:8]
    more = [
        f"Proteins with most relevance: {', '.join(str(p).removesuffix('_N') for p in protein[top])}.",
        f"Relevance on missing values, share of all where some are missing: at most {lost[some].max():.2g}, "
        f"n = {int(some.sum())}.",
        f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}.",
    ]
    common.audited(d, (x[learn], y[learn]), (x[test], y[test]), None, args)
    if not args.quick:
        picture(d, protein, top, y[index])
    common.publish("proteomics", args.quick, common.quality.share(d.right, by), rows, more)


def picture(d: common.Deployed, protein: Array, top: Array, y: Array) -> None:
    """Relevance of the eight strongest proteins over the measurements of both classes."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8, 2.8), layout="constrained")
    ax = drawn.subplots()
    order = np.argsort(y, kind="stable")
    shown = d.maps[order][:, top].T
    limit = float(np.quantile(np.abs(shown), 0.99))
    ax.imshow(shown, cmap="seismic", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(top)), [str(p).removesuffix("_N") for p in protein[top]], fontsize=8)
    ax.set_xlabel("measurements of held-out mice; left: did not learn, right: learned", fontsize=8)
    ax.set_xticks([])
    drawn.savefig(common.ROOT / "examples" / "proteomics" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
