"""Ventricular beats in an electrocardiogram, and whether the network looks at the beat.

Each record (one patient) is held out once; the model that explains a beat has never seen its patient.
"""

import numpy as np

from examples import common
from examples.common import Array, check

HELD_OUT = (200, 207, 208, 214)
PEAK, HALF = 128, 22  # the annotation's sample; 60 ms at 360 Hz


def load() -> tuple[Array, Array, Array]:
    """Beats (N, 256, 1), 1 for ventricular and 0 for normal, bundle branch block or atrial, and their record."""
    d = common.health("ecg_mitbih")
    kept = d["y"] != "F"  # fusions of both
    x = d["x"][kept].astype(np.float32)
    x = (x - np.median(x, 1, keepdims=True)) / x.std(1, keepdims=True)
    return x[:, :, None], (d["y"][kept] == "V").astype(np.int64), d["record"][kept]


def train(x: Array, y: Array, epochs: int) -> object:
    """A small convolutional network."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input((256, 1))
    for width in (8, 16, 32):
        v = layers.Conv1D(width, 7, strides=2, padding="same", activation="relu")(v)
    v = layers.GlobalAveragePooling1D()(v)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    weight = {k: len(y) / (2 * max(1, int((y == k).sum()))) for k in (0, 1)}
    model.fit(x, y, batch_size=64, epochs=epochs, class_weight=weight, verbose=0)
    return model


def main() -> None:
    args = common.options("ecg")
    x, y, record = load()
    if args.quick:
        x, y, record = x[::12], y[::12], record[::12]
    parts, records = [], []
    for held in HELD_OUT[:1] if args.quick else HELD_OUT:
        model = train(x[record != held], y[record != held], 1 if args.quick else 10)
        test = np.flatnonzero(record == held)
        parts.append(common.deployed(model, x[record != held], x[test], y[test], args.output / "ecg.tflite"))
        records.append(record[test])
        last = held
    d, by = common.joined(parts), np.concatenate(records)
    maps = d.maps.reshape(len(d.maps), -1)
    mask = np.zeros(maps.shape, bool)
    mask[:, PEAK - HALF : PEAK + HALF + 1] = True
    inside = common.quality.mass_accuracy(maps, mask)
    ranked = common.quality.rank_accuracy(maps, mask)
    beat = d.right & (d.y == 1)
    rows = [
        check("ventricular beats: relevance within 60 ms of the beat", inside[beat], mask.mean(), by[beat]),
        check("its most relevant samples within 60 ms", ranked[beat], mask.mean(), by[beat]),
    ]
    common.audited(d, (x[record != last], y[record != last]), (x[record == last], y[record == last]), None, args)
    cosine = f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."
    if not args.quick:
        picture(d, maps, beat)
    common.publish("ecg", args.quick, common.quality.share(d.right, by), rows, [cosine])


def picture(d: common.Deployed, maps: Array, beat: Array) -> None:
    """Four ventricular and four other beats, coloured by relevance."""
    chosen = [*np.random.default_rng(1).choice(np.flatnonzero(beat), 4, replace=False)]
    chosen += [*np.random.default_rng(1).choice(np.flatnonzero(d.right & (d.y == 0)), 4, replace=False)]
    drawn, axes = common.figure(4, 2, 2.6, 1.9)
    for ax, i in zip(axes.flat, chosen, strict=True):
        limit = np.abs(maps[i]).max()
        ax.scatter(np.arange(256), d.x[i, :, 0], c=maps[i], cmap="coolwarm", vmin=-limit, vmax=limit, s=7)
        ax.axvspan(PEAK - HALF, PEAK + HALF, color="0.9", zorder=0)
        ax.set_title("ventricular" if d.y[i] else "other", fontsize=9)
    drawn.savefig(common.ROOT / "examples" / "ecg" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
