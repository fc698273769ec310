"""At which of three flickering lights does a person look? The other person's recordings are held out."""

import numpy as np

from examples import common
from examples.common import Array, check

HZ = 128
FLICKER = {1: 13, 2: 21, 3: 17}  # class: Hz; class 0 rests
PLACES = {  # electrodes in the order of the recording, on a head of radius 1 seen from above
    "Oz": (0.0, -0.9), "O1": (-0.28, -0.86), "O2": (0.28, -0.86), "PO3": (-0.27, -0.66), "POz": (0.0, -0.67),
    "PO7": (-0.53, -0.73), "PO8": (0.53, -0.73), "PO4": (0.27, -0.66),
}  # fmt: skip
FREQUENCIES = np.fft.rfftfreq(2 * HZ, 1 / HZ)
BAND = (FREQUENCIES >= 5) & (FREQUENCIES <= 45)  # what the recording keeps


def load() -> tuple[Array, Array, Array, Array]:
    """Windows (N, 256, 8, 1) of two seconds in standard deviations, class, person, and trial (two windows each)."""
    d = common.health("ssvep")
    x = d["x"].astype(np.float32).reshape(len(d["x"]), 8, 2 * HZ, 2).mean(-1).transpose(0, 2, 1)[..., None]
    x = np.clip(x / x.std((1, 2, 3), keepdims=True), -4, 4)
    return x, d["y"].astype(np.int64) - 1, d["subject"], np.arange(len(x)) // 2


def train(x: Array, y: Array, epochs: int) -> object:
    """Filters in time, filters over the electrodes, and how strong each is on average."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input(x.shape[1:])
    v = layers.Conv2D(12, (64, 1), padding="same", use_bias=False)(v)
    v = layers.Conv2D(24, (1, 8), activation="relu")(v)
    v = layers.GlobalAveragePooling2D()(v)
    v = layers.Dropout(0.25)(v)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    for _ in range(epochs):
        moved = np.stack([np.roll(one, random.integers(len(one)), 0) for one in x])
        moved *= random.choice(np.array([-1, 1], np.float32), (len(x), 1, 1, 1))
        model.fit(moved, y, batch_size=16, epochs=1, verbose=0)
    return model


def spectrum(v: Array) -> Array:
    """Power (N, frequencies, electrodes) of signals (N, 256, electrodes)."""
    return np.asarray(np.abs(np.fft.rfft(v * np.hanning(2 * HZ)[:, None], axis=1)) ** 2)


def at(power: Array, hz: int) -> Array:
    """Share of the band's power (N,) within half a hertz of a flicker and of its second harmonic."""
    near = BAND & ((np.abs(FREQUENCIES - hz) <= 0.5) | (np.abs(FREQUENCIES - 2 * hz) <= 0.5))
    return np.asarray(power[:, near].sum((1, 2)) / power[:, BAND].sum((1, 2)))


def followed(power: Array, hz: int) -> Array:
    """Power (electrodes,) at the flicker against its neighbourhood: what the brain below each electrode follows."""
    k = 2 * hz
    return np.asarray((power[:, k] / power[:, [k - 4, k - 3, k + 3, k + 4]].mean(1)).mean(0))


def main() -> None:
    args = common.options("ssvep")
    x, y, person, trial = load()
    parts, where = [], []
    for held in np.unique(person)[: 1 if args.quick else None]:
        learn, test = person != held, np.flatnonzero(person == held)[:: 4 if args.quick else 1]
        model = train(x[learn], y[learn], 2 if args.quick else 30)
        parts.append(common.deployed(model, x[learn], x[test], y[test], args.output / "ssvep.tflite"))
        where.append(test)
    d, index = common.joined(parts), np.concatenate(where)
    maps = d.maps.reshape(d.x.shape[:3])
    plain, weighted = spectrum(d.x[..., 0]), spectrum(d.x[..., 0] * maps)
    own, others, signal, best, groups = [], [], [], [], []
    for k, hz in FLICKER.items():
        seen = d.right & (d.y == k)
        own.append(at(weighted[seen], hz))
        others.append(np.mean([at(weighted[seen], f) for f in FLICKER.values() if f != hz], 0))
        signal.append(at(plain[seen], hz))
        for held in np.unique(person[index]):  # electrodes are ranked by recordings that the model has not seen
            rows = np.flatnonzero(seen & (person[index] == held))
            rank = np.argsort(-followed(plain[(d.y == k) & (person[index] == held)], hz))
            size = np.abs(maps[rows]).sum(1)
            best.append(size[:, rank[:4]].sum(1) / size.sum(1))
            groups.append(trial[index[rows]])
    by = np.concatenate([trial[index[d.right & (d.y == k)]] for k in FLICKER])
    own_share = np.concatenate(own)
    what = "power of the relevance-weighted signal at the flicker and its harmonic"
    electrodes = "relevance on the four electrodes that follow the flicker best"
    table = [
        check(f"{what}, against other flickers", own_share, np.concatenate(others), by),
        check(f"{what}, against the signal itself", own_share, np.concatenate(signal), by),
        check(electrodes, np.concatenate(best), 0.5, np.concatenate(groups)),
    ]
    common.audited(d, (x[learn], y[learn]), (x[test], y[test]), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    if not args.quick:
        picture(d, maps, weighted)
    common.publish("ssvep", args.quick, common.quality.share(d.right, trial[index]), table, more)


def picture(d: common.Deployed, maps: Array, weighted: Array) -> None:
    """For each flicker: one window's heatmap, the spectrum of what is relevant, and relevance on the scalp."""
    drawn, axes = common.figure(3, 3, 3.0, 1.9)
    for row, (k, hz) in enumerate(FLICKER.items()):
        own = np.flatnonzero(d.right & (d.y == k))
        common.heat(axes[row][0], maps[own[0]].T)
        axes[row][0].set_yticks(range(8), list(PLACES), fontsize=6)
        axes[row][0].set_title(f"{hz} Hz: one window, 2 s", fontsize=9)
        power = weighted[own].sum(2) / weighted[own][:, BAND].sum((1, 2))[:, None]
        axes[row][1].plot(FREQUENCIES[BAND], power.mean(0)[BAND], color="#b33")
        axes[row][1].set_xticks([hz, 2 * hz])
        for f in (hz, 2 * hz):
            axes[row][1].axvspan(f - 0.5, f + 0.5, color="0.85", zorder=0)
        axes[row][1].set_title("spectrum of the relevant signal", fontsize=9)
        common.scalp(axes[row][2], PLACES, np.abs(maps[own]).sum(1).mean(0), (-1.08, -0.4))
    drawn.savefig(common.ROOT / "examples" / "ssvep" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
