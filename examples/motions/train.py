"""Drawing a gun or pointing with a finger: which part of the hand's motion tells them apart?"""

import numpy as np

from examples import common
from examples.common import Array, check

SEEDS = 3


def load(part: str) -> tuple[Array, Array]:
    """Paths of a hand (N, 150, 1), horizontal and in standard deviations, and 1 where it drew a gun."""
    x, y = common.series(common.wheel(*common.AEON), "GunPoint", part)
    return x, (y == "1").astype(np.int64)


def train(x: Array, y: Array, epochs: int, seed: int) -> object:
    """Two convolutions and a dense layer: all motions begin at the same moment, so places in time matter."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    v = inputs = keras.Input(x.shape[1:])
    v = layers.Conv1D(8, 7, padding="same", activation="relu")(v)
    v = layers.AveragePooling1D(3)(v)
    v = layers.Conv1D(8, 5, padding="same", activation="relu")(v)
    v = layers.Flatten()(v)
    v = layers.Dropout(0.5)(v)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=10, epochs=epochs, verbose=0)
    return model


def different(x: Array, y: Array) -> Array:
    """The fifth of moments (150,) in which the two motions differ most: the F-test of two classes."""
    a, b = x[y == 1, :, 0], x[y == 0, :, 0]
    f = (a.mean(0) - b.mean(0)) ** 2 / (a.var(0) / len(a) + b.var(0) / len(b) + 1e-9)
    return f >= np.quantile(f, 0.8)


def main() -> None:
    args = common.options("motions")
    x, y = load("TRAIN")
    test_x, test_y = load("TEST")
    if args.quick:
        test_x, test_y = test_x[::5], test_y[::5]
    path = args.output / "motions.tflite"
    seeds = range(1 if args.quick else SEEDS)
    models = [train(x, y, 5 if args.quick else 120, seed) for seed in seeds]
    d = common.joined([common.deployed(model, x, test_x, test_y, path) for model in models])
    by = np.tile(np.arange(len(test_x)), len(models))  # a motion is one motion, however many networks explain it
    maps = d.maps.reshape(len(d.maps), -1)
    apart = np.tile(different(test_x, test_y), (len(maps), 1))
    hand = d.x[:, :, 0]
    away = hand < hand.max(1, keepdims=True) / 2  # at the hip, on its way up, or on its way back
    mass, seen = common.quality.mass_accuracy, d.right
    ranked = common.quality.rank_accuracy(maps, apart)
    rows = [
        check(
            "relevance on the fifth of moments that an F-test finds", mass(maps, apart)[seen], apart.mean(), by[seen]
        ),
        check("most relevant moments among them", ranked[seen], apart.mean(), by[seen]),
        check("relevance before and after the aiming", mass(maps, away)[seen], away.mean(1)[seen], by[seen]),
    ]
    common.audited(d, (x, y), (test_x, test_y), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    if not args.quick:
        picture(d, maps)
    common.publish("motions", args.quick, common.quality.share(d.right, by), rows, more)


def picture(d: common.Deployed, maps: Array) -> None:
    """Drawn guns and pointing fingers, coloured by relevance, and the mean with the moments of the F-test."""
    drawn, axes = common.figure(4, 2, 2.6, 1.9)
    for row, k in enumerate((1, 0)):
        own = np.flatnonzero(d.right & (d.y == k))
        for ax, i in zip(axes[row], own[:: len(own) // 3][:3], strict=False):
            limit = np.abs(maps[i]).max()
            ax.scatter(np.arange(150), d.x[i, :, 0], c=maps[i], cmap="coolwarm", vmin=-limit, vmax=limit, s=8)
            ax.set_title("gun" if k else "finger", fontsize=9)
        axes[row][3].plot(maps[own].mean(0), color="0.2")
        axes[row][3].fill_between(
            np.arange(150), *axes[row][3].get_ylim(), where=different(d.x, d.y), color="0.88", zorder=0
        )
        axes[row][3].set_title(f"{'gun' if k else 'finger'}: mean relevance, grey: F-test", fontsize=8)
    drawn.savefig(common.ROOT / "examples" / "motions" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
