"""Front of the hippocampus, its back, or neither? Crops of MRI volumes, and what a network looks at by itself."""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from examples import common
from examples.common import Array, check

SIDE = 16
NAMES = ("neither", "front", "back")


@dataclass(frozen=True)
class Crops:
    """Crops (N, 16, 16, 16, 1) in standard deviations of their volume, answers, masks of the hippocampus, patients."""

    x: Array
    y: Array
    mask: Array
    patient: Array


def load() -> tuple[Array, Array]:
    """Volumes (80, 40, 56, 40) in standard deviations, 0 where they are padded, and masks: 1 front, 2 back."""
    d = common.health("mri_hippocampus")
    x = d["x"].astype(np.float32)
    for one in x:
        inside = one > 0
        one[inside] = np.clip((one[inside] - one[inside].mean()) / one[inside].std(), -3, 3)
    return x, d["mask"]


def answer(mask: Array) -> int | None:
    """What a crop shows: 0 no hippocampus, 1 mostly its front, 2 mostly its back, None if it is hard to say."""
    front, back = int((mask == 1).sum()), int((mask == 2).sum())
    if front + back < 40:
        return 0
    if max(front, back) < 300 or max(front, back) < 3 * min(front, back):
        return None
    return 1 if front > back else 2


def crops(x: Array, mask: Array, patients: Array, each: int, seed: int) -> Crops:
    """At most ``each`` crops for every answer and patient, near the hippocampus and anywhere."""
    random = np.random.default_rng(seed)
    kept: list[tuple[Array, int, Array, int]] = []
    for patient in patients:
        found = [0, 0, 0]
        voxels = np.argwhere(mask[patient] > 0)
        room = np.array([np.ptp(axis) + 1 for axis in np.nonzero(x[patient])]) - SIDE
        most = np.array(x[patient].shape) - SIDE
        for draw in range(400):
            near = voxels[random.integers(len(voxels))] + random.integers(-3, 4, 3) - SIDE // 2
            corner = np.clip(near, 0, most) if draw % 2 else random.integers(0, room + 1)
            box = tuple(slice(c, c + SIDE) for c in corner)
            y = answer(mask[patient][box])
            if y is not None and found[y] < each:
                found[y] += 1
                kept.append((x[patient][box], y, mask[patient][box] > 0, int(patient)))
    columns = [np.stack([np.asarray(row[k]) for row in kept]) for k in range(4)]
    return Crops(columns[0][..., None], *columns[1:])


def exchanged(c: Crops, copies: int, seed: int) -> Crops:
    """The same crops with other surroundings: all but the hippocampus and one voxel around it comes from elsewhere.

    Crops without hippocampus get a piece of another such crop in the shape of one, so that no seam gives answers away.
    """
    random = np.random.default_rng(seed)
    without, shown = np.flatnonzero(c.y == 0), np.flatnonzero(c.y > 0)
    pieces = {int(i): binary_dilation(c.mask[i])[..., None] for i in shown}
    rows = np.tile(np.arange(len(c.y)), copies)
    other = c.x[random.choice(without, len(rows))]
    shapes = np.stack([pieces[int(i if c.y[i] else random.choice(shown))] for i in rows])
    return Crops(np.where(shapes, c.x[rows], other), c.y[rows], c.mask[rows], c.patient[rows])


def train(c: Crops, epochs: int) -> Any:
    """Two small convolutions in three dimensions, averaged over the crop."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    v = inputs = keras.Input(c.x.shape[1:])
    for width in (8, 16):
        v = layers.Conv3D(width, 3, strides=2, padding="same", activation="relu")(v)
    v = layers.GlobalAveragePooling3D()(v)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(c.x, c.y, batch_size=32, epochs=epochs, verbose=0)
    return model


def explained(c: Crops, calibration: Array, test: Crops, epochs: int, args: argparse.Namespace) -> common.Deployed:
    """A training, and its int8 model on crops of patients that it has not seen."""
    return common.deployed(train(c, epochs), calibration, test.x, test.y, args.output / "mri.tflite")


def inside(d: common.Deployed, test: Crops) -> list[tuple[str, Array, Array]]:
    """For front and back: name, which crops, and the share of relevance inside the hippocampus."""
    mass = common.quality.mass_accuracy(d.maps.reshape(test.mask.shape), test.mask)
    return [(NAMES[k], d.right & (d.y == k), mass) for k in (1, 2)]


def main() -> None:
    args = common.options("mri")
    x, mask = load()
    held = np.arange(len(x)) % 4 == 0
    some = slice(None, None, 5 if args.quick else 1)
    learn = crops(x, mask, np.flatnonzero(~held)[some], 8, seed=0)
    test = crops(x, mask, np.flatnonzero(held)[some], 6, seed=1)
    volume = test.mask.mean((1, 2, 3)) / (test.x != 0).mean((1, 2, 3, 4))  # padding carries no relevance
    calibration = learn.x[:: max(1, len(learn.x) // 200)]
    plain = explained(learn, calibration, test, 1 if args.quick else 14, args)
    d = explained(exchanged(learn, 4, seed=2), calibration, test, 1 if args.quick else 10, args)
    maps, by = d.maps.reshape(test.mask.shape), test.patient
    ranked = common.quality.rank_accuracy(maps, test.mask)
    rows, before = [], []
    for name, own, mass in inside(d, test):
        rows += [
            check(f"{name}: relevance inside the hippocampus", mass[own], volume[own], by[own]),
            check(f"{name}: most relevant voxels inside it", ranked[own], volume[own], by[own]),
        ]
    for name, own, mass in inside(plain, test):
        share = common.quality.mean(mass[own], by[own])
        before.append(f"{name} {share.mean:.3f} ({share.low:.3f} to {share.high:.3f}; chance {volume[own].mean():.3f})")
    usual = common.quality.share(plain.right, by)
    common.audited(d, (learn.x, learn.y), (test.x, test.y), None, args)
    more = [
        f"Trained on crops as they are: accuracy {usual.percent()}, relevance inside {', '.join(before)}.",
        f"Frames of at most {common.BUDGET} bytes: median cosine to the map {np.median(d.cosine()):.3f}.",
    ]
    if not args.quick:
        picture(d, plain, test)
    common.publish("mri", args.quick, common.quality.share(d.right, by), rows, more)


def picture(d: common.Deployed, plain: common.Deployed, test: Crops) -> None:
    """Slices with the outline of the hippocampus, and the heatmaps of both trainings."""
    drawn, axes = common.figure(6, 3, 1.5, 1.5)
    both = [np.flatnonzero(d.right & plain.right & (d.y == k)) for k in (1, 2)]
    for column, i in enumerate([*both[0][:: len(both[0]) // 3][:3], *both[1][:: len(both[1]) // 3][:3]]):
        at = int(test.mask[i].sum((0, 1)).argmax())
        axes[0][column].imshow(test.x[i, :, :, at, 0], cmap="gray", aspect="auto")
        axes[0][column].set_title(NAMES[d.y[i]], fontsize=9)
        for row, one in ((1, plain), (2, d)):
            common.heat(axes[row][column], one.maps[i].reshape(test.mask[i].shape)[:, :, at])
        for row in range(3):
            axes[row][column].contour(
                test.mask[i, :, :, at], [0.5], colors="gold" if row == 0 else "black", linewidths=0.9
            )
    for row, name in enumerate(("slice", "as they are", "exchanged")):
        axes[row][0].set_ylabel(name, fontsize=8)
    drawn.savefig(common.ROOT / "examples" / "mri" / "heatmaps.png", dpi=110)


if __name__ == "__main__":
    main()
