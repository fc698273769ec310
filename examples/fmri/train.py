"""Faces and houses seen in the scanner, decoded from one slice; whole runs are held out."""

import numpy as np

from examples import common
from examples.common import Array, check

FOLDS = 4


def load() -> tuple[Array, Array, Array]:
    """Volumes (N, 40, 20, 1), each voxel in standard deviations of its run; 1 for a face, 0 for a house; run."""
    d = common.health("fmri_haxby")
    x = d["x"].astype(np.float32)
    for run in np.unique(d["run"]):
        own = d["run"] == run
        x[own] = (x[own] - x[own].mean(0)) / (x[own].std(0) + 1)
    kept = np.isin(d["y"], ("face", "house"))
    return np.clip(x[kept, :, :, None], -4, 4), (d["y"][kept] == "face").astype(np.int64), d["run"][kept]


def train(x: Array, y: Array, epochs: int) -> object:
    """One convolution and a dense layer: places matter, so nothing is pooled over the whole slice."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input((40, 20, 1))
    v = layers.Conv2D(8, 3, padding="same", activation="relu")(v)
    v = layers.AveragePooling2D(2)(v)
    v = layers.Flatten()(v)
    v = layers.Dropout(0.5)(v)
    v = layers.Dense(2, activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-2))(v)
    model = keras.Model(inputs, v)
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)
    return model


def different(x: Array, y: Array) -> Array:
    """The tenth of voxels (40, 20) in which faces and houses differ most: the F-test of two classes."""
    a, b = x[y == 1, :, :, 0], x[y == 0, :, :, 0]
    f = (a.mean(0) - b.mean(0)) ** 2 / (a.var(0) / len(a) + b.var(0) / len(b) + 1e-9)
    return f >= np.quantile(f, 0.9)


def main() -> None:
    args = common.options("fmri")
    x, y, run = load()
    parts, inside, where = [], [], []
    for k in range(1 if args.quick else FOLDS):
        learn, test = run % FOLDS != k, np.flatnonzero(run % FOLDS == k)
        test = test[::3] if args.quick else test
        model = train(x[learn], y[learn], 2 if args.quick else 60)
        d = common.deployed(model, x[learn], x[test], y[test], args.output / "fmri.tflite")
        mask = np.tile(different(x[test], y[test]), (len(test), 1, 1))  # voxels of runs that it has not seen
        inside.append(common.quality.mass_accuracy(d.maps, mask))
        parts.append(d)
        where.append(test)
    d, by = common.joined(parts), run[np.concatenate(where)]
    shares = np.concatenate(inside)
    rows = [check("relevance on the tenth of voxels that an F-test finds", shares[d.right], mask.mean(), by[d.right])]
    common.audited(d, (x[learn], y[learn]), (x[test], y[test]), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    if not args.quick:
        picture(d, different(x, y))
    common.publish("fmri", args.quick, common.quality.share(d.right, by), rows, more)


def picture(d: common.Deployed, mask: Array) -> None:
    """Mean heatmaps of faces and houses, single ones, and the voxels of the F-test."""
    drawn, axes = common.figure(5, 1, 1.3, 2.6)
    for column, k in ((0, 1), (2, 0)):
        own = np.flatnonzero(d.right & (d.y == k))
        common.heat(axes[0][column], d.maps[own].mean(0))
        common.heat(axes[0][column + 1], d.maps[own[3]])
        axes[0][column].set_title(f"{'faces' if k else 'houses'}, mean", fontsize=8)
        axes[0][column + 1].set_title("one", fontsize=8)
    axes[0][4].imshow(mask, cmap="gray_r", aspect="auto")
    axes[0][4].set_title("F-test", fontsize=8)
    drawn.savefig(common.ROOT / "examples" / "fmri" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
