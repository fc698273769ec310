"""Forces of a simulated surgical arm: does it touch stiff tissue, soft tissue or none, and when?

No open recordings exist, so an arm of two joints is simulated; truth is known because it was made.
"""

from dataclasses import dataclass

import numpy as np

from examples import common
from examples.common import Array, check

STEPS, SECONDS = 128, 2.0
LINK, MASS = 0.3, 0.8  # metres and kilograms, both links alike
SURGEONS, EACH = 18, 50
NAMES, STIFFNESS = ("air", "soft", "stiff"), (0.0, 300.0, 900.0)  # N/m


@dataclass(frozen=True)
class Traces:
    """Joint angles and torques (N, 128, 4), the tissue, the surgeon, and when the tool touches and dips (N, 128)."""

    x: Array
    y: Array
    surgeon: Array
    touching: Array
    dipping: Array


def joints(x: Array, y: Array) -> Array:
    """Angles (…, 2) of shoulder and elbow that bring the tool to a point."""
    elbow = np.arccos(np.clip((x**2 + y**2 - 2 * LINK**2) / (2 * LINK**2), -1, 1))
    shoulder = np.arctan2(y, x) - np.arctan2(LINK * np.sin(elbow), LINK * (1 + np.cos(elbow)))
    return np.stack([shoulder, elbow], -1)


def torques(q: Array, push: Array) -> Array:
    """What the motors of the joints exert (T, 2) to follow angles q (T, 2) against a force (T,) upwards on the tool.

    Lagrange's equations of two rods: inertia, Coriolis forces, gravity, and the force through the transposed Jacobian.
    """
    dt = SECONDS / STEPS
    v = np.gradient(q, dt, axis=0)
    a = np.gradient(v, dt, axis=0)
    (q1, q2), (v1, v2), (a1, a2) = q.T, v.T, a.T
    unit = MASS * LINK**2
    c = np.cos(q2)
    tip = LINK * np.cos(q1 + q2)
    first = unit * ((5 / 3 + c) * a1 + (1 / 3 + c / 2) * a2 - np.sin(q2) * (v1 * v2 + v2**2 / 2))
    second = unit * ((1 / 3 + c / 2) * a1 + a2 / 3 + np.sin(q2) * v1**2 / 2)
    first += 9.81 * MASS * (1.5 * LINK * np.cos(q1) + tip / 2) - push * (LINK * np.cos(q1) + tip)
    second += 9.81 * MASS * tip / 2 - push * tip
    return np.stack([first, second], -1)


def simulated(seed: int = 0) -> Traces:
    """Each trace dips twice in the same way; one of the dips may meet tissue. A surgeon has a pace and a tremor."""
    random = np.random.default_rng(seed)
    t = np.arange(STEPS) / STEPS
    columns: list[list[Array]] = [[], [], [], [], []]
    for surgeon in range(SURGEONS):
        width, tremor, height = random.uniform(0.1, 0.16), random.uniform(1e-4, 4e-4), random.uniform(0.05, 0.1)
        for _ in range(EACH):
            middle = np.array([0.28, 0.72]) + random.uniform(-0.08, 0.08, 2)
            depth = random.uniform(0.008, 0.014)
            shape = np.clip(1 - ((t[:, None] - middle) / width) ** 2, 0, None) ** 2  # the two dips
            line = 0.22 + 0.16 * (3 * t**2 - 2 * t**3) + random.normal(0, 0.01)
            tool = height - (height + depth) * shape.sum(1)
            slow = np.convolve(random.normal(0, tremor, STEPS + 8), np.ones(9) / 3, "valid")
            tissue, real = random.integers(3), random.integers(2)
            below = np.clip(-(tool + slow), 0, None) * (shape[:, real] > 0)
            push = below * STIFFNESS[tissue] * random.uniform(0.7, 1.3)
            q = joints(line, tool + slow)
            felt = torques(q, push) + random.normal(0, 0.1, (STEPS, 2))
            row = (np.concatenate([q, felt], 1), tissue, surgeon, push > 0, (tool < 0))
            for column, value in zip(columns, row, strict=True):
                column.append(np.asarray(value))
    x, y, who, touching, dipping = (np.stack(column) for column in columns)
    return Traces((x - x.mean((0, 1))) / x.std((0, 1)), y, who, touching, dipping)


def train(x: Array, y: Array, epochs: int) -> object:
    """Three convolutions that see a sixth of the trace at a time, and what is strongest anywhere."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input(x.shape[1:])
    for width in (16, 16, 16):
        v = layers.Conv1D(width, 7, padding="same", activation="relu")(v)
    v = layers.GlobalMaxPooling1D()(v)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


def main() -> None:
    args = common.options("surgery")
    data = simulated()
    x, learn = data.x.astype(np.float32), data.surgeon % 3 != 0
    test = np.flatnonzero(~learn)[:: 6 if args.quick else 1]
    model = train(x[learn], data.y[learn], 2 if args.quick else 25)
    d = common.deployed(model, x[learn], x[test], data.y[test], args.output / "surgery.tflite")
    maps = np.maximum(d.maps.reshape(len(test), STEPS), 0)
    touching, dipping, by = data.touching[test], data.dipping[test], data.surgeon[test]
    mass = common.quality.mass_accuracy(maps, touching)
    within = (maps * (dipping & touching)).sum(1) / np.maximum((maps * dipping).sum(1), 1e-30)
    half = (dipping & touching).sum(1) / dipping.sum(1)
    rows = []
    for k in (1, 2):
        own, what = d.right & (d.y == k), f"{NAMES[k]} tissue"
        rows += [
            check(f"{what}: relevance while the tool touches", mass[own], touching.mean(1)[own], by[own]),
            check(f"{what}: of both dips, relevance on the one that touches", within[own], half[own], by[own]),
        ]
    common.audited(d, (x[learn], data.y[learn]), (x[test], data.y[test]), None, args)
    more = [f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}."]
    if not args.quick:
        picture(d, maps, touching, dipping)
    common.publish("surgery", args.quick, common.quality.share(d.right, by), rows, more)


def picture(d: common.Deployed, maps: Array, touching: Array, dipping: Array) -> None:
    """The shoulder's torque coloured by relevance; grey: both dips, green: while it touches."""
    drawn, axes = common.figure(3, 2, 3.2, 1.9)
    for row, k in enumerate((2, 1)):
        for ax, i in zip(axes[row], np.flatnonzero(d.right & (d.y == k)), strict=False):
            trace = d.x[i, :, 2]
            ax.plot(trace, color="0.8", zorder=1)
            ax.scatter(np.arange(STEPS), trace, c=maps[i], cmap="Reds", vmin=0, s=9, zorder=2)
            low, high = ax.get_ylim()
            ax.fill_between(np.arange(STEPS), low, high, where=dipping[i], color="0.93", zorder=0)
            ax.fill_between(np.arange(STEPS), low, high, where=touching[i], color="#cde4cd", zorder=0)
            ax.set_title(f"{NAMES[k]}: torque of the shoulder", fontsize=9)
    drawn.savefig(common.ROOT / "examples" / "surgery" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
