"""Walking, running, badminton or standing, from a watch: at which moments of the stride does the network look?"""

import itertools

import numpy as np

from examples import common
from examples.common import Array, check

SWING = 5  # the gyroscope's axis about which an arm swings
PHASES, SEEDS = 6, 3


def load() -> tuple[Array, Array, Array, list[str]]:
    """Recordings (N, 100, 6) at 10 Hz in standard deviations, class, published half, and the classes' names."""
    file = common.wheel(*common.AEON)
    parts = [common.series(file, "BasicMotions", part) for part in ("TRAIN", "TEST")]
    x, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    names, y = np.unique(label, return_inverse=True)
    half = np.repeat([0, 1], [len(part[0]) for part in parts])
    return np.clip(x / x.std((0, 1)), -4, 4).astype(np.float32), y.astype(np.int64), half, list(names)


def train(x: Array, y: Array, epochs: int, seed: int) -> object:
    """Two convolutions, pooled over time; recordings begin at any moment of the stride."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    v = inputs = keras.Input(x.shape[1:])
    for width in (16, 16):
        v = layers.Conv1D(width, 5, padding="same", activation="relu")(v)
    v = layers.GlobalAveragePooling1D()(v)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        model.fit(np.stack([_rolled(one, random) for one in x]), y, batch_size=8, epochs=1, verbose=0)
    return model


def _rolled(v: Array, random: np.random.Generator) -> Array:
    return np.roll(v, random.integers(len(v)), 0)


def stride(x: Array) -> tuple[int, Array]:
    """Strides in the recording (100, 6), and the phase of the stride at each sample, from the swing of the arm."""
    swing = x[:, SWING] - x[:, SWING].mean()
    count = int(np.abs(np.fft.rfft(swing * np.hanning(100)))[4:16].argmax()) + 4
    kept = np.zeros(100)
    kept[count - 2 : count + 3] = 2
    return count, np.angle(np.fft.ifft(np.fft.fft(swing) * kept)) % (2 * np.pi)


def locked(r: Array, phase: Array) -> float:
    """How much relevance (100,) depends on the phase of the step, two steps a stride: 0 not at all, 1 one moment."""
    return float(abs((r * np.exp(2j * phase)).sum()) / r.sum())


def rhythm(r: Array, count: int) -> float:
    """Share of the spectrum of relevance (100,), without its mean, at the stride's frequency and three multiples."""
    power = np.abs(np.fft.rfft((r - r.mean()) * np.hanning(100)))[2:] ** 2
    near = [np.abs(np.arange(2, 51) - k * count) <= 1 for k in (1, 2, 3, 4)]
    return float(power[np.any(near, 0)].sum() / power.sum())


def alike(r: Array, phase: Array) -> float:
    """Correlation of relevance over the phases of the left step with those of the right step."""
    at = (phase % np.pi // (np.pi / PHASES)).astype(int)
    sides = [[r[(at == k) & (side == (phase < np.pi))].mean() for k in range(PHASES)] for side in (True, False)]
    return float(np.corrcoef(*sides)[0, 1])


def main() -> None:
    args = common.options("gait")
    x, y, half, names = load()
    parts, where = [], []
    for seed, k in itertools.product(range(1 if args.quick else SEEDS), (0, 1)):
        learn, test = half != k, np.flatnonzero(half == k)[:: 2 if args.quick else 1]
        model = train(x[learn], y[learn], 2 if args.quick else 60, seed)
        parts.append(common.deployed(model, x[learn], x[test], y[test], args.output / "gait.tflite"))
        where.append(test)
    d, by = common.joined(parts), np.concatenate(where)  # a recording is one, however many networks explain it
    maps = np.abs(d.maps.reshape(len(d.maps), -1))
    random = np.random.default_rng(0)
    rows, sides = [], {}
    for name in ("Walking", "Running"):
        own = np.flatnonzero(d.y == names.index(name))
        strides = [stride(one) for one in d.x[own]]
        each = list(zip(maps[own], strides, strict=True))
        beat = np.array([rhythm(r, count) for r, (count, _) in each])
        other = np.array([np.mean([rhythm(r, c) for c in range(4, 16) if c != count]) for r, (count, _) in each])
        lock = np.array([locked(r, phase) for r, (_, phase) in each])
        moved = np.array([np.mean([locked(_rolled(r, random), p) for _ in range(100)]) for r, (_, p) in each])
        what = name.lower()
        rows += [
            check(f"{what}: relevance at the rhythm of the stride, against other rhythms", beat, other, by[own]),
            check(f"{what}: relevance locked to the step, against maps moved in time", lock, moved, by[own]),
        ]
        sides[what] = check(
            f"{what}: correlation of relevance in left and right steps",
            np.array([alike(r, phase) for r, (_, phase) in each]),
            0.0,
            by[own],
        )
    rows.append(sides["running"])
    walk = sides["walking"].measured
    more = [
        f"Walking: correlation of left and right steps {walk.mean:.2f} ({walk.low:.2f} to {walk.high:.2f}).",
        f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}.",
    ]
    common.audited(d, (x[learn], y[learn]), (x[test], y[test]), None, args)
    if not args.quick:
        picture(d, maps, names)
    common.publish("gait", args.quick, common.quality.share(d.right[: len(y)]), rows, more)


def picture(d: common.Deployed, maps: Array, names: list[str]) -> None:
    """The arm's swing coloured by relevance, and relevance over the phase of the stride."""
    drawn, axes = common.figure(3, 2, 3.4, 1.9)
    for row, name in enumerate(("Walking", "Running")):
        own = np.flatnonzero(d.right & (d.y == names.index(name)))
        for ax, i in zip(axes[row], own[[0, -1]], strict=False):
            ax.plot(d.x[i, :, SWING], color="0.8", zorder=0)
            ax.scatter(np.arange(100), d.x[i, :, SWING], c=maps[i], cmap="Reds", vmin=0, s=16)
            ax.set_title(f"{name.lower()}: swing of the arm", fontsize=9)
        bins = np.stack([_over_phase(maps[i], stride(d.x[i])[1]) for i in own])
        axes[row][2].bar(np.arange(2 * PHASES), bins.mean(0), color=["#c44"] * PHASES + ["#48a"] * PHASES)
        axes[row][2].axhline(1, color="0.4", linewidth=0.8)
        axes[row][2].set_title("relevance over the stride; 1: even", fontsize=9)
    drawn.savefig(common.ROOT / "examples" / "gait" / "heatmaps.png", dpi=110)


def _over_phase(r: Array, phase: Array) -> Array:
    at = (phase // (np.pi / PHASES)).astype(int)
    return np.array([r[at == k].mean() for k in range(2 * PHASES)]) / r.mean()


if __name__ == "__main__":
    main()
